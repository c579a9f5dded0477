// gradient-damping: regularised Newton, whose damping lambda = sqrt(H |g|) follows from the gradient and an
// estimate H of the Lipschitz constant of the second derivative.
//
//   f(x+) <= f(x) - 2/3 lambda |d|^2  and  |g(x+)| <= 2 lambda |d|:   accept,  H <- H / fall
//   otherwise:                                                        H <- nu H,  nu <- rise nu
//
// Use it with exact damped steps (auto) and an exact curvature. On convex functions f falls like 1/k^2, as
// with cubic regularisation, for the price of one linear system a step; near a minimum lambda vanishes with
// sqrt |g| and convergence is superlinear. Where B + lambda W is indefinite H rises. No H is kept: it is
// lambda^2 / |g|, so lambda is multiplied by sqrt(nu), or by sqrt(|g+| / (|g| fall)).
//
// Decreases below the rounding of the value are taken, as in the other rules. The first damping is
// initial |g0| / |x0|, or initial |g0| where x0 is 0. Cost: a gradient at every trial.
//
// Reference: Mishchenko, Regularized Newton method with global O(1/k^2) convergence, SIAM J. Optim. 33 (2023)
// 1440, alg. 1 and the adaptive variant of sec. 4.
#include <algorithm>
#include <cmath>

#include "core/option_checks.h"
#include "solvers/acceptance/first_damping.h"
#include "solvers/acceptance/parts.h"
#include "solvers/acceptance/standing.h"

namespace kappa {

namespace {

constexpr const char* part = "acceptance 'gradient-damping'";

struct GradientDampingOptions {
  double initial = 1e-2;   // chosen on MGH: docs/benchmarks.md
  double rise = 4;         // chosen on MGH (Mishchenko 2023: 2)
  double fall = 2;         // chosen on MGH (Mishchenko 2023: 4)
  double minimum = 1e-32;  // eps^2, as in nielsen-damping
  double maximum = 1e32;   // the reciprocal of minimum
};

constexpr Field<GradientDampingOptions> fields[] = {
    {"initial", &GradientDampingOptions::initial, "chosen on MGH: docs/benchmarks.md",
     "first damping, relative to |g0| / |x0|; positive"},
    {"rise", &GradientDampingOptions::rise, "chosen on MGH (Mishchenko 2023: 2)",
     "factor of H after the first rejection in a row, itself multiplied by this at each further one; above "
     "1"},
    {"fall", &GradientDampingOptions::fall, "chosen on MGH (Mishchenko 2023: 4)",
     "divides H after an accepted step; at least 1"},
    {"minimum", &GradientDampingOptions::minimum, "eps^2, as in nielsen-damping",
     "a positive damping never falls below this; positive"},
    {"maximum", &GradientDampingOptions::maximum, "the reciprocal of minimum",
     "a rejection that would raise the damping above this gives up; above minimum"},
};

class GradientDamping final : public Acceptance {
 public:
  explicit GradientDamping(const GradientDampingOptions& options) : options_(options) {}

  ControlKind control() const override { return ControlKind::damping; }
  TrialNeeds needs() const override { return TrialNeeds::value_and_gradient; }

  Control start(const StartInfo& info) override {
    blind_ = detail::blind_damping(info);
    nu_ = options_.rise;
    const double scale = info.gradient_norm / info.point_norm;
    return Damping{
        within(options_.initial * (std::isfinite(scale) && scale > 0 ? scale : info.gradient_norm))};
  }

  Verdict judge(const Trial& trial, const Control& control) override {
    const double lambda = std::get<Damping>(control).value;
    if (detail::standing(trial) == detail::Standing::hopeless) {
      return {Decision::give_up, control};
    }
    if (detail::standing(trial) == detail::Standing::usable && good(trial, lambda)) {
      nu_ = options_.rise;
      const double ratio = trial.gradient_norm / trial.current_gradient_norm / options_.fall;
      const double next = lambda * std::sqrt(std::isfinite(ratio) ? ratio : 1 / options_.fall);
      return {Decision::accept, Damping{lambda > 0 ? within(next) : 0}};
    }
    const double next = lambda > 0 ? lambda * std::sqrt(nu_) : within(detail::first_damping(trial, blind_));
    nu_ *= options_.rise;
    return next > options_.maximum ? Verdict{Decision::give_up, control}
                                   : Verdict{Decision::retry, Damping{next}};
  }

  bool state(State& s) override {
    s.section("gradient-damping", 1);
    s.item("blind", blind_);
    return true;
  }

 private:
  double within(double lambda) const { return std::clamp(lambda, options_.minimum, options_.maximum); }

  static bool good(const Trial& trial, double lambda) {
    const double damped = lambda * trial.step.norm;
    const bool fell = trial.decrease() + trial.rounding() >= 2.0 / 3 * damped * trial.step.norm;
    const bool flat = trial.gradient_norm <= 2 * damped;
    // Without damping, and where the decrease is rounding, the model's prediction has to do.
    const bool fine = trial.step.predicted_decrease <= trial.rounding() || lambda == 0;
    constexpr double sufficient = 1e-4;  // More 1978, sec. 4
    return (fell && flat) || (fine && trial.ratio() > sufficient);
  }

  GradientDampingOptions options_;
  double blind_ = 1e-3;
  double nu_ = 2;
};

GradientDampingOptions checked(const Options& given) {
  const auto o = read_options<GradientDampingOptions>(part, given, fields);
  using detail::require_option;
  require_option(o.minimum > 0, part, "minimum", o.minimum, "it must be positive");
  require_option(o.maximum > o.minimum && o.maximum < infinity, part, "maximum", o.maximum,
                 "it must be finite and above minimum");
  require_option(o.initial > 0 && o.initial < infinity, part, "initial", o.initial, "it must be positive");
  require_option(o.rise > 1 && o.rise < infinity, part, "rise", o.rise, "it must be finite and above 1");
  require_option(o.fall >= 1 && o.fall < infinity, part, "fall", o.fall, "it must be finite and at least 1");
  return o;
}

}  // namespace

AcceptancePart gradient_damping_part() {
  AcceptancePart out;
  out.info.kind = PartKind::acceptance;
  out.info.name = "gradient-damping";
  out.info.summary = "Regularised Newton: damping sqrt(H |g|) with an adapted H.";
  out.info.source = "Mishchenko 2023";
  out.info.options = describe_options<GradientDampingOptions>(fields);
  out.control = ControlKind::damping;
  out.make = [](const Options& given) -> std::unique_ptr<Acceptance> {
    return std::make_unique<GradientDamping>(checked(given));
  };
  return out;
}

}  // namespace kappa
