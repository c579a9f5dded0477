// trust-region: the radius from the ratio rho of actual to predicted decrease.
//
//   rho > accept:           accept
//   rho < poor:             radius <- shrink min(radius, |d|)
//   rho > good, boundary:   radius <- min(maximum, max(radius, grow |d|))
//
// Use it with steps of bounded length. The radius shrinks relative to the step, not to itself, so that an
// interior step that failed is really shortened. A trial outside the domain shortens more (`shrink_outside`),
// since nothing is known of how far outside it lies.
//
// The first radius is `factor` |x0| in the metric, or `factor` where x0 is 0 (MINPACK's rule: the first step
// is restricted only if it is out of all proportion), or `initial` where that is positive. The solve gives up
// where the radius falls below `minimum` times the length scale: the largest of |x0| and the accepted steps,
// or the first radius / factor where both are 0. Lengths do not depend on the objective's scale, nor do
// verdicts. Cost: none.
//
// Reference: Conn, Gould & Toint, Trust-region methods, 2000, chapter 17 (factors); More, The
// Levenberg-Marquardt algorithm: implementation and theory, 1978, section 4 (thresholds); More, Garbow &
// Hillstrom, User guide for MINPACK-1, 1980 (first radius).
#include <algorithm>
#include <cmath>

#include "core/option_checks.h"
#include "solvers/acceptance/parts.h"
#include "solvers/acceptance/standing.h"

namespace kappa {

namespace {

constexpr const char* part = "acceptance 'trust-region'";

struct TrustRegionOptions {
  double initial = 0;           // 0: automatic, by factor
  double factor = 100;          // MINPACK (More, Garbow & Hillstrom 1980)
  double accept = 1e-4;         // More 1978, sec. 4
  double poor = 0.25;           // More 1978, sec. 4
  double good = 0.75;           // More 1978, sec. 4
  double shrink = 0.25;         // Conn, Gould & Toint 2000, ch. 17
  double shrink_outside = 0.1;  // the strongest reduction of More 1978, sec. 4
  double grow = 2.5;            // Conn, Gould & Toint 2000, ch. 17
  double minimum = 1e-20;       // a step of 1e-16 |x| moves no entry; the rest allows |x| to fall by 1e4
  double maximum = 1e100;       // no restriction but on overflow
};

constexpr Field<TrustRegionOptions> fields[] = {
    {"initial", &TrustRegionOptions::initial, "0: automatic, by factor",
     "first radius, in the metric; 0: factor |x0|"},
    {"factor", &TrustRegionOptions::factor, "MINPACK (More, Garbow & Hillstrom 1980)",
     "first radius relative to |x0|, or the first radius where x0 is 0; positive"},
    {"accept", &TrustRegionOptions::accept, "More 1978, sec. 4",
     "a trial is accepted where actual over predicted decrease is above this; 0 <= accept <= poor"},
    {"poor", &TrustRegionOptions::poor, "More 1978, sec. 4",
     "the radius shrinks where the ratio is below this; below good"},
    {"good", &TrustRegionOptions::good, "More 1978, sec. 4",
     "the radius grows where the ratio is above this and the radius limited the step; below 1"},
    {"shrink", &TrustRegionOptions::shrink, "Conn, Gould & Toint 2000, ch. 17",
     "new radius relative to the step, where the ratio is poor; 0 < shrink < 1"},
    {"shrink_outside", &TrustRegionOptions::shrink_outside, "the strongest reduction of More 1978, sec. 4",
     "the same, where the trial is outside the domain or no step was found; 0 < shrink_outside < 1"},
    {"grow", &TrustRegionOptions::grow, "Conn, Gould & Toint 2000, ch. 17",
     "new radius relative to the step, where the ratio is good; above 1"},
    {"minimum", &TrustRegionOptions::minimum,
     "a step of 1e-16 |x| moves no entry; the rest allows |x| to fall by 1e4",
     "radius, relative to |x0| and the accepted steps, below which the solve gives up; 0 <= minimum < 1"},
    {"maximum", &TrustRegionOptions::maximum, "no restriction but on overflow", "largest radius; positive"},
};

class TrustRegion final : public Acceptance {
 public:
  explicit TrustRegion(const TrustRegionOptions& options) : options_(options) {}

  ControlKind control() const override { return ControlKind::radius; }

  Control start(const StartInfo& info) override {
    const bool somewhere = std::isfinite(info.point_norm) && info.point_norm > 0;
    length_scale_ = somewhere ? info.point_norm : 0;
    double radius = options_.factor * (somewhere ? info.point_norm : 1.0);
    if (options_.initial > 0) {
      radius = options_.initial;
    }
    radius = std::min(radius, options_.maximum);
    scale_of_zero_ = radius / options_.factor;
    return Radius{radius};
  }

  Verdict judge(const Trial& trial, const Control& control) override {
    using detail::Standing;
    const double radius = std::get<Radius>(control).value;
    const Standing standing = detail::standing(trial);
    if (standing == Standing::hopeless) {
      return {Decision::give_up, control};
    }
    const double rho = detail::ratio_of(trial);
    if (rho > options_.accept) {
      length_scale_ = std::max(length_scale_, trial.step.norm);
      return {Decision::accept, Radius{after_acceptance(rho, trial.step, radius)}};
    }
    const double next = shortened(standing == Standing::usable ? options_.shrink : options_.shrink_outside,
                                  trial.step, radius);
    if (!(next > options_.minimum * (length_scale_ > 0 ? length_scale_ : scale_of_zero_)) ||
        !(next < radius)) {
      return {Decision::give_up, control};
    }
    return {Decision::retry, Radius{next}};
  }

  bool state(State& s) override {
    s.section("trust-region", 1);
    s.item("length scale", length_scale_);
    s.item("scale of zero", scale_of_zero_);
    return true;
  }

 private:
  double after_acceptance(double rho, const StepReport& step, double radius) const {
    if (rho < options_.poor) {
      return shortened(options_.shrink, step, radius);
    }
    if (rho > options_.good && step.limit == StepReport::Limit::boundary) {
      return std::min(options_.maximum, std::max(radius, options_.grow * step.norm));
    }
    return radius;
  }

  static double shortened(double factor, const StepReport& step, double radius) {
    const bool known = step.status == StepStatus::ok && step.norm > 0;
    return factor * (known ? std::min(radius, step.norm) : radius);
  }

  TrustRegionOptions options_;
  double length_scale_ = 0;
  double scale_of_zero_ = 1;
};

TrustRegionOptions checked(const Options& given) {
  const auto o = read_options<TrustRegionOptions>(part, given, fields);
  using detail::require_option;
  require_option(o.initial >= 0 && o.initial < infinity, part, "initial", o.initial,
                 "it must be positive, or 0 for the automatic radius");
  require_option(o.factor > 0 && o.factor < infinity, part, "factor", o.factor, "it must be positive");
  require_option(o.good > 0 && o.good < 1, part, "good", o.good, "it must be above 0 and below 1");
  require_option(o.poor >= 0 && o.poor < o.good, part, "poor", o.poor,
                 "it must be at least 0 and below good");
  require_option(o.accept >= 0 && o.accept <= o.poor, part, "accept", o.accept,
                 "it must be at least 0 and at most poor");
  require_option(o.shrink > 0 && o.shrink < 1, part, "shrink", o.shrink, "it must be above 0 and below 1");
  require_option(o.shrink_outside > 0 && o.shrink_outside < 1, part, "shrink_outside", o.shrink_outside,
                 "it must be above 0 and below 1");
  require_option(o.grow > 1 && o.grow < infinity, part, "grow", o.grow, "it must be above 1");
  require_option(o.minimum >= 0 && o.minimum < 1, part, "minimum", o.minimum,
                 "it must be at least 0 and below 1");
  require_option(o.maximum > 0, part, "maximum", o.maximum, "it must be positive");
  return o;
}

}  // namespace

AcceptancePart trust_region_part() {
  AcceptancePart out;
  out.info.kind = PartKind::acceptance;
  out.info.name = "trust-region";
  out.info.summary = "A radius that grows and shrinks with actual over predicted decrease.";
  out.info.source = "Conn, Gould & Toint 2000, ch. 17; More 1978, sec. 4";
  out.info.options = describe_options<TrustRegionOptions>(fields);
  out.control = ControlKind::radius;
  out.make = [](const Options& given) -> std::unique_ptr<Acceptance> {
    return std::make_unique<TrustRegion>(checked(given));
  };
  return out;
}

}  // namespace kappa
