// strong-wolfe: a line search for a length alpha along the direction p with
//
//   phi(alpha) <= phi(0) + c1 alpha phi'(0) + rounding    and    |phi'(alpha)| <= c2 |phi'(0)|,
//
// where phi(alpha) = f(x + alpha p) and rounding = 10 eps |f|. Use it where the change of the gradient along
// the step must be positive (secant curvatures need it), or where gradients cost little more than values.
//
// One search is a sequence of judge() calls. As long as the function descends, the length grows (a retry with
// a *longer* step; the lower end of what is unknown moves up). As soon as a minimiser is known to lie between
// two lengths, the bracket [low, high], every further trial lies strictly inside and makes it shorter: by
// cubic interpolation, at least `margin` of the bracket away from its ends, and by halving where two trials
// did not shorten it to 2/3. `low` always is the best length known that decreases enough; it is the kept
// trial. A trial outside the domain is a high end, and the next is halfway to it; after a second one in a
// row, `margin` of the way, for a direction of small curvature may lead a million times too far. Values that
// differ by rounding alone are not compared: then the sign of the slope decides (Hager & Zhang).
//
// After `max_trials`, or where the bracket is empty to rounding, the kept trial is accepted, although its
// slope is too large; without one the search gives up. So does a direction that does not descend. Where
// variables have bounds no length beyond the first bound on the way is tried, and that length is accepted if
// the function still descends there. Each search starts from `initial`. Cost: one value and gradient a trial,
// usually one or two trials.
//
// Reference: Nocedal & Wright 2006, algorithms 3.5 and 3.6, eq. 3.59; More & Thuente, ACM TOMS 20 (1994)
// (safeguards); Hager & Zhang, SIAM J. Optim. 16 (2005) (values that are rounding).
#include <algorithm>
#include <cmath>

#include "core/option_checks.h"
#include "solvers/acceptance/parts.h"
#include "solvers/acceptance/standing.h"

namespace kappa {

namespace {

constexpr const char* part = "acceptance 'strong-wolfe'";

struct StrongWolfeOptions {
  double c1 = 1e-4;       // Nocedal & Wright 2006, sec. 3.1
  double c2 = 0.9;        // Nocedal & Wright 2006, sec. 3.1 (Newton and quasi-Newton directions)
  double margin = 0.1;    // Dennis & Schnabel 1983, A6.3.1
  double expand = 4;      // More & Thuente 1994
  double initial = 1;     // Newton's own length
  double maximum = 1e10;  // a function that descends this far is taken to have no minimum
  Index max_trials = 20;  // More & Thuente 1994 (MINPACK-2's driver)
};

constexpr Field<StrongWolfeOptions> fields[] = {
    {"c1", &StrongWolfeOptions::c1, "Nocedal & Wright 2006, sec. 3.1",
     "part of the decrease that the slope promises which must be had; 0 < c1 < c2"},
    {"c2", &StrongWolfeOptions::c2, "Nocedal & Wright 2006, sec. 3.1 (Newton and quasi-Newton directions)",
     "part of the slope at 0 that may be left; c1 < c2 < 1"},
    {"margin", &StrongWolfeOptions::margin, "Dennis & Schnabel 1983, A6.3.1",
     "distance of a trial from the ends of the bracket, relative to it; 0 < margin <= 1/2"},
    {"expand", &StrongWolfeOptions::expand, "More & Thuente 1994",
     "largest factor from one step length to the next while no bracket is known; above 1.1"},
    {"initial", &StrongWolfeOptions::initial, "Newton's own length",
     "first step length of each search; positive"},
    {"maximum", &StrongWolfeOptions::maximum, "a function that descends this far is taken to have no minimum",
     "largest step length; at least initial"},
    {"max_trials", &StrongWolfeOptions::max_trials, "More & Thuente 1994 (MINPACK-2's driver)",
     "trials in one search; at least 1"},
};

/// phi at one length. The value is relative to phi(0); an end outside the domain has value infinity.
struct Point {
  double alpha = 0;
  double rise = 0;
  double slope = 0;

  bool known() const { return std::isfinite(rise) && std::isfinite(slope); }
};

/// The minimiser of the cubic with values and slopes of both points (Nocedal & Wright 2006, eq. 3.59); NaN
/// where it has none.
double cubic_minimiser(const Point& a, const Point& b) {
  const double d1 = a.slope + b.slope - 3 * ((a.rise - b.rise) / (a.alpha - b.alpha));
  const double d2 = std::copysign(std::sqrt(d1 * d1 - a.slope * b.slope), b.alpha - a.alpha);
  return b.alpha - (b.alpha - a.alpha) * ((b.slope + d2 - d1) / (b.slope - a.slope + 2 * d2));
}

class StrongWolfe final : public Acceptance {
 public:
  explicit StrongWolfe(const StrongWolfeOptions& options) : options_(options) {}

  ControlKind control() const override { return ControlKind::step_length; }
  TrialNeeds needs() const override { return TrialNeeds::value_and_gradient; }

  Control start(const StartInfo&) override { return begin(); }

  Verdict judge(const Trial& trial, const Control& control) override {
    using detail::Standing;
    const double alpha = std::get<StepLength>(control).value;
    const Standing standing = detail::standing(trial);
    if (standing == Standing::hopeless || trial.step.status != StepStatus::ok ||
        !(trial.step.slope <= trial.rounding())) {
      return end(control);
    }
    ++trials_;
    most_ = std::min(options_.maximum, trial.step.longest);
    if (trials_ == 1) {
      low_ = {0, 0, trial.step.slope / alpha};
    }
    if (standing == Standing::unusable || !std::isfinite(trial.slope)) {
      high_ = {alpha, infinity, infinity};
      bracketed_ = true;
      ++outside_;
      return go_on(Verdict::Keep::no, control);
    }
    outside_ = 0;
    return judge_point({alpha, -trial.decrease(), trial.slope / alpha}, trial, control);
  }

  /// Each search begins anew.
  bool state(State& s) override {
    s.section("strong-wolfe", 1);
    return true;
  }

 private:
  Control begin() {
    low_ = high_ = before_ = {};
    bracketed_ = halve_ = false;
    kept_ = 0;
    trials_ = outside_ = 0;
    width_ = infinity;
    return StepLength{options_.initial};
  }

  /// Algorithms 3.5 and 3.6 in one: without a bracket, "towards high" means "further".
  Verdict judge_point(const Point& now, const Trial& trial, const Control& control) {
    const double slope_at_0 = trial.step.slope / now.alpha;
    const double rounding = trial.rounding();
    const bool sufficient = now.rise <= options_.c1 * trial.step.slope + rounding;
    if (!sufficient || now.rise > low_.rise + rounding) {
      high_ = now;
      bracketed_ = true;
      return go_on(Verdict::Keep::no, control);
    }
    const bool flat = std::abs(now.slope) <= options_.c2 * std::abs(slope_at_0);
    if (flat || (!bracketed_ && now.slope < 0 && now.alpha >= most_) || trials_ >= options_.max_trials) {
      return {Decision::accept, begin()};
    }
    const bool upwards = !bracketed_ || high_.alpha > now.alpha;
    if (upwards ? now.slope >= 0 : now.slope <= 0) {
      high_ = low_;
      bracketed_ = true;
    }
    before_ = low_;
    low_ = now;
    kept_ = now.alpha;
    return go_on(Verdict::Keep::yes, control);
  }

  Verdict go_on(Verdict::Keep keep, const Control& control) {
    const double next = bracketed_ ? inside() : further();
    const double a = std::min(low_.alpha, high_.alpha);
    const double b = std::max(low_.alpha, high_.alpha);
    const bool room = bracketed_ ? a < next && next < b : next > low_.alpha;
    if (trials_ >= options_.max_trials || !room || next == value(control)) {
      // The trial that was just found to be the best is the current one, not yet the kept one.
      if (keep == Verdict::Keep::yes) {
        return {Decision::accept, begin()};
      }
      return end(control);
    }
    return {Decision::retry, StepLength{next}, keep};
  }

  /// The search ends without a length that fulfils both conditions.
  Verdict end(const Control& control) {
    if (kept_ > 0) {
      return {Decision::accept_kept, begin()};
    }
    begin();
    return {Decision::give_up, control};
  }

  double further() const {
    const double guess = cubic_minimiser(before_, low_);
    const double most = options_.expand * low_.alpha;
    const double least = 1.1 * low_.alpha;
    return std::min(std::isfinite(guess) && guess > low_.alpha ? std::clamp(guess, least, most) : most,
                    most_);
  }

  double inside() {
    const double width = std::abs(high_.alpha - low_.alpha);
    const double middle = low_.alpha + (outside_ > 1 ? options_.margin : 0.5) * (high_.alpha - low_.alpha);
    const bool slow = width > 2.0 / 3.0 * width_;
    const bool halve = !high_.known() || (slow && halve_);
    halve_ = slow && !halve;
    width_ = width;
    const double guess = halve ? middle : cubic_minimiser(low_, high_);
    const double a = std::min(low_.alpha, high_.alpha) + options_.margin * width;
    const double b = std::max(low_.alpha, high_.alpha) - options_.margin * width;
    return std::isfinite(guess) && a <= b ? std::clamp(guess, a, b) : middle;
  }

  StrongWolfeOptions options_;
  Point low_, high_;
  Point before_;  // the low end before the present one, for extrapolation
  bool bracketed_ = false;
  bool halve_ = false;  // the last trial did not shorten the bracket to 2/3
  double width_ = infinity;
  double most_ = infinity;  // largest length: the option's, or that of the first bound
  double kept_ = 0;         // length of the kept trial, or 0
  Index trials_ = 0;
  Index outside_ = 0;  // trials in a row outside the domain
};

StrongWolfeOptions checked(const Options& given) {
  const auto o = read_options<StrongWolfeOptions>(part, given, fields);
  using detail::require_option;
  require_option(o.c2 > 0 && o.c2 < 1, part, "c2", o.c2, "it must be above c1 and below 1");
  require_option(o.c1 > 0 && o.c1 < o.c2, part, "c1", o.c1, "it must be above 0 and below c2");
  require_option(o.margin > 0 && o.margin <= 0.5, part, "margin", o.margin,
                 "it must be above 0 and at most 0.5");
  require_option(o.expand > 1.1 && o.expand < infinity, part, "expand", o.expand, "it must be above 1.1");
  require_option(o.initial > 0 && o.initial < infinity, part, "initial", o.initial, "it must be positive");
  require_option(o.maximum >= o.initial, part, "maximum", o.maximum, "it must be at least initial");
  require_option(o.max_trials >= 1, part, "max_trials", static_cast<std::int64_t>(o.max_trials),
                 "it must be at least 1");
  return o;
}

}  // namespace

AcceptancePart strong_wolfe_part() {
  AcceptancePart out;
  out.info.kind = PartKind::acceptance;
  out.info.name = "strong-wolfe";
  out.info.summary = "A line search for a sufficient decrease and a small slope, by bracketing and cubics.";
  out.info.source = "Nocedal & Wright 2006, alg. 3.5 and 3.6";
  out.info.options = describe_options<StrongWolfeOptions>(fields);
  out.control = ControlKind::step_length;
  out.make = [](const Options& given) -> std::unique_ptr<Acceptance> {
    return std::make_unique<StrongWolfe>(checked(given));
  };
  return out;
}

}  // namespace kappa
