// tron-radius: TRON's rule for a trust-region radius, which takes the minimiser of a parabola through the two
// values and the slope at hand.
//
//   alpha = -g'd / (2 (f(x+) - f(x) - g'd)),  at least `shrink`; `grow` where the parabola has no minimum
//   rho <= accept:          reject,  radius <- min(alpha |d|, reduce radius)
//   rho <= poor:            radius <- max(shrink radius, min(alpha |d|, reduce radius))
//   rho <= good:            radius <- max(shrink radius, min(alpha |d|, grow radius))
//   otherwise:              radius <- grow radius where it limited the step, else max(radius, min(alpha |d|,
//                           grow radius))
//
// Use it with steihaug-cg on convex problems of many variables. The first radius is |g0| in the metric's dual
// norm, and at the first trial no more than that step. Cost: none.
//
// References: Lin & More, SIAM J. Optim. 9 (1999) 1100, sec. 2; Lin, Weng & Keerthi, J. Mach. Learn. Res. 9
// (2008) 627, sec. 3; Hsia, Zhu & Lin, A study on trust region update rules in Newton methods for large-scale
// linear classification, ACML 2017 (the last line).
#include <algorithm>
#include <cmath>

#include "core/option_checks.h"
#include "solvers/acceptance/parts.h"
#include "solvers/acceptance/standing.h"

namespace kappa {

namespace {

constexpr const char* part = "acceptance 'tron-radius'";

struct TronRadiusOptions {
  double initial = 0;      // 0: |g0| (Lin, Weng & Keerthi 2008, sec. 3)
  double accept = 1e-4;    // Lin, Weng & Keerthi 2008, sec. 3
  double poor = 0.25;      // Lin, Weng & Keerthi 2008, sec. 3
  double good = 0.75;      // Lin, Weng & Keerthi 2008, sec. 3
  double shrink = 0.25;    // Lin, Weng & Keerthi 2008, sec. 3
  double reduce = 0.5;     // Lin, Weng & Keerthi 2008, sec. 3
  double grow = 4;         // Lin, Weng & Keerthi 2008, sec. 3
  double minimum = 1e-20;  // as in trust-region
};

constexpr Field<TronRadiusOptions> fields[] = {
    {"initial", &TronRadiusOptions::initial, "0: |g0| (Lin, Weng & Keerthi 2008, sec. 3)",
     "first radius, in the metric; 0: |g0| in its dual norm"},
    {"accept", &TronRadiusOptions::accept, "Lin, Weng & Keerthi 2008, sec. 3",
     "a trial is accepted where actual over predicted decrease is above this; 0 <= accept <= poor"},
    {"poor", &TronRadiusOptions::poor, "Lin, Weng & Keerthi 2008, sec. 3",
     "the radius shrinks where the ratio is at most this; below good"},
    {"good", &TronRadiusOptions::good, "Lin, Weng & Keerthi 2008, sec. 3",
     "the radius does not shrink where the ratio is above this; below 1"},
    {"shrink", &TronRadiusOptions::shrink, "Lin, Weng & Keerthi 2008, sec. 3",
     "least factor of a radius after an accepted step; 0 < shrink < reduce"},
    {"reduce", &TronRadiusOptions::reduce, "Lin, Weng & Keerthi 2008, sec. 3",
     "largest factor of a radius after a poor step; below 1"},
    {"grow", &TronRadiusOptions::grow, "Lin, Weng & Keerthi 2008, sec. 3", "largest factor; above 1"},
    {"minimum", &TronRadiusOptions::minimum, "as in trust-region",
     "radius, relative to |x0| and the accepted steps, below which the solve gives up; 0 <= minimum < 1"},
};

class TronRadius final : public Acceptance {
 public:
  explicit TronRadius(const TronRadiusOptions& options) : options_(options) {}

  ControlKind control() const override { return ControlKind::radius; }

  Control start(const StartInfo& info) override {
    first_ = true;
    length_scale_ = std::isfinite(info.point_norm) ? info.point_norm : 0;
    const double norm = info.gradient_norm;
    const double radius = options_.initial > 0 ? options_.initial : norm > 0 && norm < infinity ? norm : 1;
    scale_of_zero_ = radius;
    return Radius{radius};
  }

  Verdict judge(const Trial& trial, const Control& control) override {
    using detail::Standing;
    const double given = std::get<Radius>(control).value;
    const Standing standing = detail::standing(trial);
    if (standing == Standing::hopeless) {
      return {Decision::give_up, control};
    }
    const bool stepped = trial.step.status == StepStatus::ok && trial.step.norm > 0;
    const double radius = first_ && stepped ? std::min(given, trial.step.norm) : given;
    const double rho = detail::ratio_of(trial);
    if (rho > options_.accept) {
      first_ = false;
      length_scale_ = std::max(length_scale_, trial.step.norm);
      return {Decision::accept, Radius{after_acceptance(rho, trial, radius)}};
    }
    const double length = stepped ? std::min(trial.step.norm, radius) : radius;
    const double factor = standing == Standing::usable ? reach(trial) : options_.shrink;
    const double next = std::min(factor * length, options_.reduce * radius);
    if (!(next > options_.minimum * (length_scale_ > 0 ? length_scale_ : scale_of_zero_)) ||
        !(next < given)) {
      return {Decision::give_up, control};
    }
    return {Decision::retry, Radius{next}};
  }

  bool state(State& s) override {
    s.section("tron-radius", 1);
    s.item("first", first_);
    s.item("length scale", length_scale_);
    s.item("scale of zero", scale_of_zero_);
    return true;
  }

 private:
  /// Where the parabola has its minimum, in units of the step.
  double reach(const Trial& trial) const {
    const double slope = trial.step.slope;
    const double bend = -trial.decrease() - slope;
    if (!(bend > 0)) {
      return options_.grow;
    }
    const double alpha = -0.5 * (slope / bend);
    return std::max(options_.shrink, std::isfinite(alpha) ? alpha : options_.shrink);
  }

  double after_acceptance(double rho, const Trial& trial, double radius) const {
    const double alpha = reach(trial) * trial.step.norm;
    const auto& o = options_;
    if (rho <= o.good) {
      return std::max(o.shrink * radius, std::min(alpha, (rho <= o.poor ? o.reduce : o.grow) * radius));
    }
    if (trial.step.limit == StepReport::Limit::boundary) {
      return std::min(o.grow * radius, 1e150);
    }
    return std::max(radius, std::min(alpha, o.grow * radius));
  }

  TronRadiusOptions options_;
  bool first_ = true;
  double length_scale_ = 0;
  double scale_of_zero_ = 1;
};

TronRadiusOptions checked(const Options& given) {
  const auto o = read_options<TronRadiusOptions>(part, given, fields);
  using detail::require_option;
  require_option(o.initial >= 0 && o.initial < infinity, part, "initial", o.initial,
                 "it must be positive, or 0 for the automatic radius");
  require_option(o.good > 0 && o.good < 1, part, "good", o.good, "it must be above 0 and below 1");
  require_option(o.poor >= 0 && o.poor < o.good, part, "poor", o.poor,
                 "it must be at least 0 and below good");
  require_option(o.accept >= 0 && o.accept <= o.poor, part, "accept", o.accept,
                 "it must be at least 0 and at most poor");
  require_option(o.reduce > 0 && o.reduce < 1, part, "reduce", o.reduce, "it must be above 0 and below 1");
  require_option(o.shrink > 0 && o.shrink < o.reduce, part, "shrink", o.shrink,
                 "it must be above 0 and below reduce");
  require_option(o.grow > 1 && o.grow < infinity, part, "grow", o.grow, "it must be finite and above 1");
  require_option(o.minimum >= 0 && o.minimum < 1, part, "minimum", o.minimum,
                 "it must be at least 0 and below 1");
  return o;
}

}  // namespace

AcceptancePart tron_radius_part() {
  AcceptancePart out;
  out.info.kind = PartKind::acceptance;
  out.info.name = "tron-radius";
  out.info.summary = "TRON's radius, from a parabola through the values and the slope.";
  out.info.source = "Lin & More 1999; Lin, Weng & Keerthi 2008, sec. 3";
  out.info.options = describe_options<TronRadiusOptions>(fields);
  out.control = ControlKind::radius;
  out.make = [](const Options& given) -> std::unique_ptr<Acceptance> {
    return std::make_unique<TronRadius>(checked(given));
  };
  return out;
}

}  // namespace kappa
