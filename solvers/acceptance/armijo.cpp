// armijo: backtracking along the direction p until the value falls enough.
//
//   accept alpha where f(x + alpha p) <= f(x) + c1 alpha g'p + rounding,   rounding = 10 eps |f|
//
// otherwise alpha becomes the minimiser of the parabola (first backtrack) or cubic (later ones) through the
// values known, kept between `shrink_most` and `shrink_least` times the last. Each search starts from
// `initial`, normally the full step. Use it with Newton-like directions, whose natural length is 1.
//
// The rounding term lets a full step through where the decrease is below what the values can show, as in
// the approximate Wolfe conditions; without it Newton's last steps would be cut for no reason. A direction
// that does not descend gives up at once: no length makes it one. A trial outside the domain is shortened by
// `shrink_outside`, since there is no value to interpolate. Cost: one value a trial.
//
// Reference: Armijo 1966; Dennis & Schnabel, Numerical methods for unconstrained optimization, 1983,
// algorithm A6.3.1; Nocedal & Wright 2006, algorithm 3.1 and eq. 3.58; Hager & Zhang, SIAM J. Optim. 16
// (2005).
#include <algorithm>
#include <cmath>

#include "core/option_checks.h"
#include "solvers/acceptance/parts.h"
#include "solvers/acceptance/standing.h"

namespace kappa {

namespace {

constexpr const char* part = "acceptance 'armijo'";

struct ArmijoOptions {
  double c1 = 1e-4;              // Dennis & Schnabel 1983, A6.3.1
  double shrink_most = 0.1;      // Dennis & Schnabel 1983, A6.3.1
  double shrink_least = 0.5;     // Dennis & Schnabel 1983, A6.3.1
  double shrink_outside = 0.25;  // between the two
  double initial = 1;            // Newton's own length
  double minimum = 1e-20;        // an overflowing first step may be that much too long
};

constexpr Field<ArmijoOptions> fields[] = {
    {"c1", &ArmijoOptions::c1, "Dennis & Schnabel 1983, A6.3.1",
     "part of the decrease that the slope promises which must be had; 0 < c1 < 1/2"},
    {"shrink_most", &ArmijoOptions::shrink_most, "Dennis & Schnabel 1983, A6.3.1",
     "smallest factor from one step length to the next; positive"},
    {"shrink_least", &ArmijoOptions::shrink_least, "Dennis & Schnabel 1983, A6.3.1",
     "largest factor from one step length to the next; shrink_most <= shrink_least < 1"},
    {"shrink_outside", &ArmijoOptions::shrink_outside, "between shrink_most and shrink_least",
     "factor after a trial outside the domain; 0 < shrink_outside < 1"},
    {"initial", &ArmijoOptions::initial, "Newton's own length", "first step length of each search; positive"},
    {"minimum", &ArmijoOptions::minimum, "an overflowing first step may be that much too long",
     "step length below which the search gives up; not negative"},
};

/// The minimiser of the parabola with phi(0), phi'(0) and phi(alpha); `slope` is alpha phi'(0).
double parabola_minimiser(double alpha, double slope, double rise) {
  return -alpha * slope / (2 * (rise - slope));
}

/// A value on the line: phi(alpha) - phi(0).
struct Sampled {
  double alpha = 0;
  double rise = 0;
};

/// The minimiser of the cubic with phi(0), phi'(0) and two values; NaN where it has none.
double cubic_minimiser(double slope_at_0, Sampled a, Sampled b) {
  const double u = (a.rise - slope_at_0 * a.alpha) / (a.alpha * a.alpha);
  const double v = (b.rise - slope_at_0 * b.alpha) / (b.alpha * b.alpha);
  const double third = (u - v) / (a.alpha - b.alpha);
  const double second = (a.alpha * v - b.alpha * u) / (a.alpha - b.alpha);
  if (third == 0) {
    return -slope_at_0 / (2 * second);
  }
  // The root of phi' in the form that does not cancel for second > 0.
  const double root = std::sqrt(second * second - 3 * third * slope_at_0);
  return second > 0 ? -slope_at_0 / (second + root) : (root - second) / (3 * third);
}

class Armijo final : public Acceptance {
 public:
  explicit Armijo(const ArmijoOptions& options) : options_(options) {}

  ControlKind control() const override { return ControlKind::step_length; }

  Control start(const StartInfo&) override { return begin(); }

  Verdict judge(const Trial& trial, const Control& control) override {
    using detail::Standing;
    const double alpha = std::get<StepLength>(control).value;
    const Standing standing = detail::standing(trial);
    // No length helps where there is no direction, or one that ascends by more than rounding.
    if (standing == Standing::hopeless || trial.step.status != StepStatus::ok ||
        !(trial.step.slope <= trial.rounding())) {
      return give_up(control);
    }
    if (standing == Standing::unusable) {
      last_ = {};
      return retry(options_.shrink_outside * alpha, control);
    }
    if (-trial.decrease() <= options_.c1 * trial.step.slope + trial.rounding()) {
      return {Decision::accept, begin()};
    }
    return retry(backtracked(trial, alpha), control);
  }

  /// Each search begins anew.
  bool state(State& s) override {
    s.section("armijo", 1);
    return true;
  }

 private:
  Control begin() {
    last_ = {};
    return StepLength{options_.initial};
  }

  Verdict give_up(const Control& control) {
    begin();
    return {Decision::give_up, control};
  }

  Verdict retry(double next, const Control& control) {
    const bool shorter = next < value(control) && next >= options_.minimum && next > 0;
    return shorter ? Verdict{Decision::retry, StepLength{next}} : give_up(control);
  }

  double backtracked(const Trial& trial, double alpha) {
    const Sampled now{alpha, -trial.decrease()};
    double next = last_.alpha > 0 ? cubic_minimiser(trial.step.slope / alpha, now, last_)
                                  : parabola_minimiser(alpha, trial.step.slope, now.rise);
    last_ = now;
    if (!std::isfinite(next)) {
      next = options_.shrink_least * alpha;
    }
    return std::clamp(next, options_.shrink_most * alpha, options_.shrink_least * alpha);
  }

  ArmijoOptions options_;
  Sampled last_;  // the trial before, or alpha 0
};

ArmijoOptions checked(const Options& given) {
  const auto o = read_options<ArmijoOptions>(part, given, fields);
  using detail::require_option;
  require_option(o.c1 > 0 && o.c1 < 0.5, part, "c1", o.c1, "it must be above 0 and below 0.5");
  require_option(o.shrink_least > 0 && o.shrink_least < 1, part, "shrink_least", o.shrink_least,
                 "it must be above 0 and below 1");
  require_option(o.shrink_most > 0 && o.shrink_most <= o.shrink_least, part, "shrink_most", o.shrink_most,
                 "it must be above 0 and at most shrink_least");
  require_option(o.shrink_outside > 0 && o.shrink_outside < 1, part, "shrink_outside", o.shrink_outside,
                 "it must be above 0 and below 1");
  require_option(o.initial > 0 && o.initial < infinity, part, "initial", o.initial, "it must be positive");
  require_option(o.minimum >= 0 && o.minimum < o.initial, part, "minimum", o.minimum,
                 "it must be at least 0 and below initial");
  return o;
}

}  // namespace

AcceptancePart armijo_part() {
  AcceptancePart out;
  out.info.kind = PartKind::acceptance;
  out.info.name = "armijo";
  out.info.summary = "A line search that backtracks by interpolation until the value falls enough.";
  out.info.source = "Dennis & Schnabel 1983, A6.3.1; Nocedal & Wright 2006, alg. 3.1";
  out.info.options = describe_options<ArmijoOptions>(fields);
  out.control = ControlKind::step_length;
  out.make = [](const Options& given) -> std::unique_ptr<Acceptance> {
    return std::make_unique<Armijo>(checked(given));
  };
  return out;
}

}  // namespace kappa
