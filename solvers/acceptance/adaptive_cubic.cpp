// adaptive-cubic: the weight sigma of a cubic term from the ratio rho of actual to predicted decrease.
//
//   rho > accept:   accept;  sigma <- sigma / fall where rho > good
//   otherwise:      sigma <- sigma nu,  nu <- rise nu
//
// Use it with step cubic-lanczos. sigma estimates half of a Lipschitz constant of the second derivative: the
// step is as long as the model can be trusted where the matrix is indefinite too, and the term vanishes near
// a minimum, so convergence is as fast as Newton's. The prediction is the quadratic model's, as in ARCqK.
// Rejections in a row grow faster than geometrically.
//
// The first weight is initial |g0| / |x0|^2, or initial |g0| where x0 is 0. Cost: none.
//
// References: Nesterov & Polyak, Math. Programming 108 (2006) 177; Cartis, Gould & Toint, Math. Programming
// 127 (2011) 245, alg. 2.1 and sec. 7; Dussault, Migot & Orban, Math. Programming 207 (2024) 191, alg. 1.
#include <algorithm>
#include <cmath>

#include "core/option_checks.h"
#include "solvers/acceptance/parts.h"
#include "solvers/acceptance/standing.h"

namespace kappa {

namespace {

constexpr const char* part = "acceptance 'adaptive-cubic'";

struct AdaptiveCubicOptions {
  double initial = 1e-2;    // chosen on MGH: docs/benchmarks.md
  double accept = 1e-4;     // More 1978, sec. 4
  double good = 0.75;       // Dussault, Migot & Orban 2024, sec. 5
  double rise = 2;          // Cartis, Gould & Toint 2011, sec. 7
  double fall = 10;         // chosen on MGH: docs/benchmarks.md
  double minimum = 1e-150;  // no restriction but on underflow
  double maximum = 1e150;   // no restriction but on overflow
};

constexpr Field<AdaptiveCubicOptions> fields[] = {
    {"initial", &AdaptiveCubicOptions::initial, "chosen on MGH: docs/benchmarks.md",
     "first weight, relative to |g0| / |x0|^2; positive"},
    {"accept", &AdaptiveCubicOptions::accept, "More 1978, sec. 4",
     "a trial is accepted where actual over predicted decrease is above this; 0 <= accept <= good"},
    {"good", &AdaptiveCubicOptions::good, "Dussault, Migot & Orban 2024, sec. 5",
     "the weight falls where the ratio is above this; below 1"},
    {"rise", &AdaptiveCubicOptions::rise, "Cartis, Gould & Toint 2011, sec. 7",
     "factor of the first rejection in a row, itself multiplied by this at each further one; above 1"},
    {"fall", &AdaptiveCubicOptions::fall, "chosen on MGH: docs/benchmarks.md",
     "divides the weight after a good step; above 1"},
    {"minimum", &AdaptiveCubicOptions::minimum, "no restriction but on underflow",
     "the weight never falls below this; positive"},
    {"maximum", &AdaptiveCubicOptions::maximum, "no restriction but on overflow",
     "a rejection that would raise the weight above this gives up; above minimum"},
};

class AdaptiveCubic final : public Acceptance {
 public:
  explicit AdaptiveCubic(const AdaptiveCubicOptions& options) : options_(options) {}

  ControlKind control() const override { return ControlKind::cubic_weight; }

  Control start(const StartInfo& info) override {
    nu_ = options_.rise;
    const bool somewhere = std::isfinite(info.point_norm) && info.point_norm > 0;
    const double length = somewhere ? info.point_norm : 1.0;
    const double scale = info.gradient_norm / length / length;
    return CubicWeight{std::clamp(options_.initial * (std::isfinite(scale) && scale > 0 ? scale : 1.0),
                                  options_.minimum, options_.maximum)};
  }

  Verdict judge(const Trial& trial, const Control& control) override {
    const double sigma = std::get<CubicWeight>(control).value;
    if (detail::standing(trial) == detail::Standing::hopeless) {
      return {Decision::give_up, control};
    }
    const double rho = detail::ratio_of(trial);
    if (rho > options_.accept) {
      nu_ = options_.rise;
      const double next = rho > options_.good ? sigma / options_.fall : sigma;
      return {Decision::accept, CubicWeight{std::max(next, options_.minimum)}};
    }
    const double next = sigma * nu_;
    nu_ *= options_.rise;
    if (!(next <= options_.maximum)) {
      nu_ = options_.rise;
      return {Decision::give_up, control};
    }
    return {Decision::retry, CubicWeight{next}};
  }

  bool state(State& s) override {
    s.section("adaptive-cubic", 1);
    s.item("rise", nu_);
    return true;
  }

 private:
  AdaptiveCubicOptions options_;
  double nu_ = 2;
};

AdaptiveCubicOptions checked(const Options& given) {
  const auto o = read_options<AdaptiveCubicOptions>(part, given, fields);
  using detail::require_option;
  require_option(o.initial > 0 && o.initial < infinity, part, "initial", o.initial, "it must be positive");
  require_option(o.good > 0 && o.good < 1, part, "good", o.good, "it must be above 0 and below 1");
  require_option(o.accept >= 0 && o.accept <= o.good, part, "accept", o.accept,
                 "it must be at least 0 and at most good");
  require_option(o.rise > 1 && o.rise < infinity, part, "rise", o.rise, "it must be finite and above 1");
  require_option(o.fall > 1 && o.fall < infinity, part, "fall", o.fall, "it must be finite and above 1");
  require_option(o.minimum > 0, part, "minimum", o.minimum, "it must be positive");
  require_option(o.maximum > o.minimum && o.maximum < infinity, part, "maximum", o.maximum,
                 "it must be finite and above minimum");
  return o;
}

}  // namespace

AcceptancePart adaptive_cubic_part() {
  AcceptancePart out;
  out.info.kind = PartKind::acceptance;
  out.info.name = "adaptive-cubic";
  out.info.summary = "A cubic weight that falls and rises with actual over predicted decrease.";
  out.info.source = "Cartis, Gould & Toint 2011, alg. 2.1; Dussault, Migot & Orban 2024";
  out.info.options = describe_options<AdaptiveCubicOptions>(fields);
  out.control = ControlKind::cubic_weight;
  out.make = [](const Options& given) -> std::unique_ptr<Acceptance> {
    return std::make_unique<AdaptiveCubic>(checked(given));
  };
  return out;
}

}  // namespace kappa
