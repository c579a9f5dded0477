#include <cmath>
#include <functional>
#include <memory>

#include "solvers/acceptance/parts.h"
#include "support/catch.h"

namespace {

using namespace kappa;
using Catch::Matchers::Contains;

Trial trial_with(double ratio, double predicted = 1, double norm = 1) {
  Trial t;
  t.step.predicted_decrease = predicted;
  t.step.slope = -2 * predicted;
  t.step.norm = norm;
  t.current_value = 0;  // no rounding term
  t.value = -ratio * predicted;
  return t;
}
Trial outside(const Trial& like) {
  Trial t = like;
  t.evaluation = EvalStatus::outside_domain;
  t.value = std::nan("");
  return t;
}
Trial without_step(StepStatus status) {
  Trial t;
  t.step = {};
  t.step.status = status;
  t.value = std::nan("");
  return t;
}

OptionValue text(const char* t) {
  return std::string(t);
}

/// A function of two variables with gradient and Hessian; NaN outside its domain.
struct Function {
  std::function<double(double, double)> value;
  std::function<std::array<double, 2>(double, double)> gradient;
  std::function<std::array<double, 3>(double, double)> hessian;  // xx, xy, yy
};

const Function rosenbrock = {
    [](double x, double y) { return 100 * (y - x * x) * (y - x * x) + (1 - x) * (1 - x); },
    [](double x, double y) {
      return std::array<double, 2>{-400 * x * (y - x * x) - 2 * (1 - x), 200 * (y - x * x)};
    },
    [](double x, double y) {
      return std::array<double, 3>{1200 * x * x - 400 * y + 2, -400 * x, 200};
    }};

/// -log(x) - log(y) + x + 2 y: minimum at (1, 1/2), undefined beyond the axes.
const Function barrier = {
    [](double x, double y) { return x > 0 && y > 0 ? x + 2 * y - std::log(x) - std::log(y) : std::nan(""); },
    [](double x, double y) {
      return std::array<double, 2>{1 - 1 / x, 2 - 1 / y};
    },
    [](double x, double y) {
      return std::array<double, 3>{1 / (x * x), 0, 1 / (y * y)};
    }};

const Function bowl = {[](double x, double y) { return 0.5 * (x * x + 4 * y * y); },
                       [](double x, double y) {
                         return std::array<double, 2>{x, 4 * y};
                       },
                       [](double, double) {
                         return std::array<double, 3>{1, 0, 4};
                       }};

/// The smallest loop that can drive an acceptance: dense 2 x 2 steps for each kind of control.
class Loop {
 public:
  Loop(Function f, std::array<double, 2> x0) : x(x0), f_(std::move(f)) {}

  /// Returns the last decision.
  Decision run(Acceptance& acceptance, int max_trials) {
    prepare();
    StartInfo info;
    info.gradient_norm = std::hypot(g_[0], g_[1]);
    info.point_norm = std::hypot(x[0], x[1]);
    info.value = value_;
    Control control = acceptance.start(info);
    for (trials = 0; trials < max_trials && std::hypot(g_[0], g_[1]) > 1e-9; ++trials) {
      Trial trial;
      std::array<double, 2> d{};
      trial.step = step(control, d);
      trial.current_value = value_;
      std::array<double, 2> at{x[0] + d[0], x[1] + d[1]};
      trial.value = f_.value(at[0], at[1]);
      trial.evaluation = std::isfinite(trial.value) ? EvalStatus::ok : EvalStatus::outside_domain;
      if (acceptance.needs() == TrialNeeds::value_and_gradient && std::isfinite(trial.value)) {
        const auto g = f_.gradient(at[0], at[1]);
        trial.slope = g[0] * d[0] + g[1] * d[1];
      }
      const Verdict verdict = acceptance.judge(trial, control);
      if (verdict.keep == Verdict::Keep::yes) {
        kept_ = at;
      }
      last = verdict.decision;
      control = verdict.next;
      if (last == Decision::give_up) {
        return last;
      }
      if (last == Decision::retry) {
        rejections += 1;
        continue;
      }
      x = last == Decision::accept ? at : kept_;
      const double before = value_;
      prepare();
      REQUIRE(std::isfinite(value_));
      descended = descended && value_ <= before + 1e-13 * (1 + std::abs(before));
    }
    return last;
  }

  std::array<double, 2> x;
  bool descended = true;
  int trials = 0;
  int rejections = 0;
  Decision last = Decision::retry;

 private:
  void prepare() {
    value_ = f_.value(x[0], x[1]);
    g_ = f_.gradient(x[0], x[1]);
    B_ = f_.hessian(x[0], x[1]);
  }

  /// (B + lambda I) d = -g; false where the matrix is not positive definite.
  bool solve(double lambda, std::array<double, 2>& d) const {
    const double a = B_[0] + lambda;
    const double c = B_[2] + lambda;
    const double determinant = a * c - B_[1] * B_[1];
    if (!(a > 0 && determinant > 0)) {
      return false;
    }
    d = {(-c * g_[0] + B_[1] * g_[1]) / determinant, (B_[1] * g_[0] - a * g_[1]) / determinant};
    return true;
  }

  StepReport step(const Control& control, std::array<double, 2>& d) const {
    StepReport report;
    const double g_norm = std::hypot(g_[0], g_[1]);
    switch (kind(control)) {
      case ControlKind::damping:
        if (!solve(value(control), d)) {
          report.status = StepStatus::indefinite;
          return report;
        }
        break;
      case ControlKind::radius: {
        // By bisection in lambda: slow and obvious.
        double low = 0;
        double high = 1;
        while (!solve(high, d) || std::hypot(d[0], d[1]) > value(control)) {
          high *= 2;
        }
        if (!solve(0, d) || std::hypot(d[0], d[1]) > value(control)) {
          report.limit = StepReport::Limit::boundary;
          for (int i = 0; i < 200; ++i) {
            const double middle = 0.5 * (low + high);
            (!solve(middle, d) || std::hypot(d[0], d[1]) > value(control) ? low : high) = middle;
          }
          solve(high, d);
        }
        break;
      }
      default:
        if (!solve(0, d) || steepest) {
          d = {-g_[0] / g_norm, -g_[1] / g_norm};
          if (steepest) {
            d = {-g_[0], -g_[1]};
          }
        }
        d = {value(control) * d[0], value(control) * d[1]};
    }
    report.slope = g_[0] * d[0] + g_[1] * d[1];
    report.predicted_decrease =
        -(report.slope + 0.5 * (B_[0] * d[0] * d[0] + 2 * B_[1] * d[0] * d[1] + B_[2] * d[1] * d[1]));
    report.norm = std::hypot(d[0], d[1]);
    return report;
  }

  Function f_;
  double value_ = 0;
  std::array<double, 2> g_{};
  std::array<double, 3> B_{};
  std::array<double, 2> kept_{};

 public:
  bool steepest = false;
};

std::unique_ptr<Acceptance> started(const AcceptancePart& part, const Options& options = {},
                                    const StartInfo& info = {1, 1, 1}) {
  auto acceptance = part.make(options);
  acceptance->start(info);
  return acceptance;
}

double next_of(const Verdict& v) {
  return value(v.next);
}

}  // namespace

TEST_CASE("each comparing acceptance leads Newton's step to Rosenbrock's minimum without ever going up") {
  for (const AcceptancePart& part :
       {nielsen_damping_part(), trust_region_part(), armijo_part(), strong_wolfe_part()}) {
    for (const std::array<double, 2> start : {std::array<double, 2>{-1.2, 1}, {2, -3}, {0, 5}}) {
      CAPTURE(part.info.name, start[0], start[1]);
      const auto acceptance = part.make({});
      Loop loop(rosenbrock, start);
      loop.run(*acceptance, 300);
      CHECK(loop.last == Decision::accept);
      CHECK(loop.descended);
      CHECK(loop.x[0] == Approx(1).epsilon(1e-7));
      CHECK(loop.x[1] == Approx(1).epsilon(1e-7));
      CHECK(loop.trials < 100);
    }
  }
}

TEST_CASE("each acceptance stays in the domain of a barrier and reaches its minimum") {
  for (const AcceptancePart& part :
       {nielsen_damping_part(), trust_region_part(), armijo_part(), strong_wolfe_part()}) {
    CAPTURE(part.info.name);
    const auto acceptance = part.make({});
    Loop loop(barrier, {9, 7});  // Newton's first step leaves the domain
    loop.run(*acceptance, 300);
    CHECK(loop.rejections > 0);
    CHECK(loop.x[0] == Approx(1).epsilon(1e-7));
    CHECK(loop.x[1] == Approx(0.5).epsilon(1e-7));
  }
}

TEST_CASE("a schedule leads the gradient step to the bottom of a bowl") {
  for (const char* decay : {"constant", "inverse-time", "exponential", "cosine"}) {
    CAPTURE(decay);
    const auto acceptance =
        schedule_part().make({{"rate", 0.2}, {"decay", text(decay)}, {"decay_steps", 2000.0}});
    Loop loop(bowl, {3, -2});
    loop.steepest = true;
    loop.run(*acceptance, 2000);
    CHECK(std::abs(loop.x[0]) < 1e-8);
    CHECK(std::abs(loop.x[1]) < 1e-8);
    CHECK(loop.rejections == 0);
  }
}

TEST_CASE("the comparing acceptances take a steepest descent along Rosenbrock's valley down, if slowly") {
  for (const AcceptancePart& part : {armijo_part(), strong_wolfe_part()}) {
    const auto acceptance = part.make({});
    Loop loop(rosenbrock, {-1.2, 1});
    loop.steepest = true;
    loop.run(*acceptance, 20000);
    CHECK(loop.descended);
    CHECK(rosenbrock.value(loop.x[0], loop.x[1]) < 1e-2);  // from 24.2
  }
}

TEST_CASE("Nielsen's damping follows his formula") {
  const auto a = started(nielsen_damping_part());
  const double lambda = 0.5;
  for (const double ratio : {1e-3, 0.2, 0.5, 0.75, 1.0, 1.3}) {
    const Verdict v = a->judge(trial_with(ratio), Damping{lambda});
    CHECK(v.decision == Decision::accept);
    CHECK(next_of(v) == Approx(lambda * std::max(1.0 / 5, 1 - std::pow(2 * ratio - 1, 3))));
  }
  double expected = lambda;
  double nu = 2;
  double now = lambda;
  for (int i = 0; i < 5; ++i) {
    const Verdict v = a->judge(trial_with(-1), Damping{now});
    CHECK(v.decision == Decision::retry);
    expected *= nu;
    nu *= 2;
    now = next_of(v);
    CHECK(now == expected);
  }
  a->judge(trial_with(0.5), Damping{now});
  CHECK(next_of(a->judge(trial_with(-1), Damping{now})) == 2 * now);
}

TEST_CASE("Nielsen's damping starts at the option and restarts its growth") {
  const auto a = nielsen_damping_part().make({{"initial", 0.25}});
  CHECK(value(a->start({1, 1, 1})) == 0.25);
  a->judge(trial_with(-1), Damping{1.0});
  a->judge(trial_with(-1), Damping{1.0});
  a->start({1, 1, 1});
  CHECK(next_of(a->judge(trial_with(-1), Damping{1.0})) == 2);
}

TEST_CASE("from damping 0 a rejection takes the curvature along the step, or what the start tells") {
  const auto a = nielsen_damping_part().make({{"initial", 0.0}});
  CHECK(value(a->start({8, 2, 1})) == 0);
  Trial t = trial_with(-1, 3, 2);  // slope -6, norm 2: d'Bd / |d|^2 = 1.5
  CHECK(next_of(a->judge(t, Damping{0.0})) == Approx(1.5));
  a->start({8, 2, 1});
  const Verdict v = a->judge(without_step(StepStatus::indefinite), Damping{0.0});
  CHECK(v.decision == Decision::retry);
  CHECK(next_of(v) == Approx(1e-3 * 4));
  CHECK(next_of(a->judge(trial_with(1), Damping{0.0})) == 0);
  a->start({0, 0, 1});
  CHECK(next_of(a->judge(without_step(StepStatus::indefinite), Damping{0.0})) > 0);
}

TEST_CASE("damping gives up above its maximum and does not fall below its minimum") {
  const auto a = started(nielsen_damping_part(), {{"minimum", 1e-3}, {"maximum", 1e3}, {"initial", 1.0}});
  CHECK(next_of(a->judge(trial_with(1), Damping{2e-3})) == 1e-3);
  CHECK(a->judge(trial_with(-1), Damping{900.0}).decision == Decision::give_up);
}

TEST_CASE("the trust region starts at MINPACK's radius or at the option") {
  const auto a = trust_region_part().make({});
  CHECK(value(a->start({1, 3, 1})) == 300);
  CHECK(value(a->start({1, 0, 1})) == 100);
  CHECK(value(trust_region_part().make({{"initial", 7.0}})->start({1, 3, 1})) == 7);
}

TEST_CASE("the trust region shrinks to the step, grows at the boundary alone and keeps in between") {
  const auto a = started(trust_region_part());
  const auto judge = [&](double ratio, double norm, StepReport::Limit limit, double radius) {
    Trial t = trial_with(ratio, 1, norm);
    t.step.limit = limit;
    return a->judge(t, Radius{radius});
  };
  using Limit = StepReport::Limit;
  CHECK(judge(-1, 2, Limit::interior, 10).decision == Decision::retry);
  CHECK(next_of(judge(-1, 2, Limit::interior, 10)) == 0.5);
  CHECK(next_of(judge(-1, 10, Limit::boundary, 10)) == 2.5);
  CHECK(judge(0.1, 10, Limit::boundary, 10).decision == Decision::accept);
  CHECK(next_of(judge(0.1, 4, Limit::interior, 10)) == 1);
  CHECK(next_of(judge(0.5, 10, Limit::boundary, 10)) == 10);
  CHECK(next_of(judge(0.9, 4, Limit::interior, 10)) == 10);
  CHECK(next_of(judge(0.9, 10, Limit::boundary, 10)) == 25);
  CHECK(next_of(a->judge(outside(trial_with(1, 1, 2)), Radius{10})) == Approx(0.2));
  CHECK(next_of(a->judge(without_step(StepStatus::failed), Radius{10})) == Approx(1));
}

TEST_CASE("the trust region gives up at a radius that moves nothing") {
  const auto a = started(trust_region_part(), {}, {1, 1000, 1});
  CHECK(a->judge(trial_with(-1, 1, 1), Radius{1}).decision == Decision::retry);
  CHECK(a->judge(trial_with(-1, 1, 1e-17), Radius{1e-17}).decision == Decision::give_up);
  const auto b = started(trust_region_part(), {}, {1, 0, 1});
  double radius = 100;
  int rejections = 0;
  for (Verdict v; rejections < 100; ++rejections, radius = next_of(v)) {
    v = b->judge(trial_with(-1, 1, radius), Radius{radius});
    if (v.decision == Decision::give_up) {
      break;
    }
  }
  CHECK(rejections < 60);
}

TEST_CASE("Armijo's first backtrack is the minimiser of the parabola and its second of the cubic") {
  // phi(a) = c0 - a + q a^2 + k a^3 at alpha = 1: not a sufficient decrease.
  const auto a = started(armijo_part());
  const auto phi = [](double t) { return 5 - t + 2 * t * t + 1 * t * t * t; };
  const auto trial_at = [&](double alpha) {
    Trial t;
    t.current_value = phi(0);
    t.value = phi(alpha);
    t.step.slope = -alpha;
    t.step.norm = alpha;
    return t;
  };
  const Verdict first = a->judge(trial_at(1), StepLength{1});
  CHECK(first.decision == Decision::retry);
  CHECK(next_of(first) == Approx(1.0 / (2 * 3)));  // the parabola -t + 3 t^2
  CHECK(a->judge(trial_at(next_of(first)), first.next).decision == Decision::accept);

  // With values that ask for a second backtrack the cubic through both is the function itself.
  const auto steep = [](double t) { return 5 - t + 10 * t * t + 40 * t * t * t; };
  const auto steep_at = [&](double alpha) {
    Trial t = trial_at(alpha);
    t.current_value = steep(0);
    t.value = steep(alpha);
    return t;
  };
  const auto b = started(armijo_part());
  const Verdict one = b->judge(steep_at(1), StepLength{1});
  CHECK(next_of(one) == Approx(0.1));  // the parabola's minimiser, 1/100, is less than shrink_most allows
  const Verdict two = b->judge(steep_at(0.1), one.next);
  const double minimiser = (-20 + std::sqrt(400.0 + 4 * 120)) / 240;
  CHECK(two.decision == Decision::retry);
  CHECK(next_of(two) == Approx(minimiser));
  const Verdict three = b->judge(steep_at(next_of(two)), two.next);
  CHECK(three.decision == Decision::accept);
  CHECK(next_of(three) == 1);
}

TEST_CASE("line searches let a full step through whose decrease is below rounding") {
  for (const AcceptancePart& part : {armijo_part(), strong_wolfe_part()}) {
    const auto a = started(part);
    Trial t;
    t.current_value = 1e6;
    t.value = 1e6 * (1 + 4 * epsilon);
    t.step.slope = -1e-12;
    CHECK(a->judge(t, StepLength{1}).decision == Decision::accept);
    t.value = 1e6 * (1 + 40 * epsilon);
    CHECK(a->judge(t, StepLength{1}).decision == Decision::retry);
  }
}

TEST_CASE("line searches give up on a direction that ascends or is not there") {
  for (const AcceptancePart& part : {armijo_part(), strong_wolfe_part()}) {
    const auto a = started(part);
    Trial t = trial_with(1);
    t.step.slope = 0.5;
    CHECK(a->judge(t, StepLength{1}).decision == Decision::give_up);
    t.step.slope = std::nan("");
    CHECK(a->judge(t, StepLength{1}).decision == Decision::give_up);
    CHECK(a->judge(without_step(StepStatus::indefinite), StepLength{1}).decision == Decision::give_up);
  }
}

namespace {

struct SearchResult {
  double alpha = 0;
  int trials = 0;
  Decision decision = Decision::retry;
};

/// One line search on phi with slope dphi.
SearchResult search(Acceptance& a, const std::function<double(double)>& phi,
                    const std::function<double(double)>& dphi, int limit = 60) {
  SearchResult out;
  out.alpha = value(a.start({1, 1, 1}));
  double kept = 0;
  for (; out.trials < limit;) {
    ++out.trials;
    Trial t;
    t.current_value = phi(0);
    t.value = phi(out.alpha);
    t.evaluation = std::isfinite(t.value) ? EvalStatus::ok : EvalStatus::outside_domain;
    t.step.slope = out.alpha * dphi(0);
    t.slope = out.alpha * dphi(out.alpha);
    const Verdict v = a.judge(t, StepLength{out.alpha});
    if (v.keep == Verdict::Keep::yes) {
      kept = out.alpha;
    }
    out.decision = v.decision;
    if (v.decision == Decision::accept_kept) {
      out.alpha = kept;
    }
    if (v.decision != Decision::retry) {
      return out;
    }
    out.alpha = value(v.next);
  }
  return out;
}

}  // namespace

TEST_CASE(
    "the strong Wolfe search ends at a point with both conditions on the functions of More and Thuente") {
  struct Line {
    const char* name;
    std::function<double(double)> phi, dphi;
  };
  // More & Thuente 1994, eq. 5.1 and 5.2, and functions that need expansion, contraction or a domain.
  const std::vector<Line> lines = {
      {"5.1", [](double a) { return -a / (a * a + 2); },
       [](double a) { return (a * a - 2) / ((a * a + 2) * (a * a + 2)); }},
      {"5.2", [](double a) { return std::pow(a + 0.004, 5) - 2 * std::pow(a + 0.004, 4); },
       [](double a) { return 5 * std::pow(a + 0.004, 4) - 8 * std::pow(a + 0.004, 3); }},
      {"far", [](double a) { return 0.5 * (a - 1000) * (a - 1000); }, [](double a) { return a - 1000; }},
      {"near", [](double a) { return 0.5 * (a - 1e-4) * (a - 1e-4); }, [](double a) { return a - 1e-4; }},
      {"waves", [](double a) { return std::cos(5 * a) - 0.1 * a; },
       [](double a) { return -5 * std::sin(5 * a) - 0.1; }},
      {"domain", [](double a) { return a < 0.3 ? -std::log(0.3 - a) - 20 * a : std::nan(""); },
       [](double a) { return 1 / (0.3 - a) - 20; }},
  };
  for (const Line& line : lines) {
    for (const double c2 : {0.9, 0.1, 0.01}) {
      for (const double initial : {1e-3, 0.1, 1.0, 100.0}) {
        CAPTURE(line.name, c2, initial);
        const auto a = strong_wolfe_part().make({{"c2", c2}, {"initial", initial}, {"max_trials", 40.0}});
        const SearchResult r = search(*a, line.phi, line.dphi);
        REQUIRE(r.decision == Decision::accept);
        CHECK(line.phi(r.alpha) <=
              line.phi(0) + 1e-4 * r.alpha * line.dphi(0) + 1e-15 * std::abs(line.phi(0)));
        CHECK(std::abs(line.dphi(r.alpha)) <= c2 * std::abs(line.dphi(0)));
        CHECK(r.trials <= 25);
      }
    }
  }
}

TEST_CASE("the strong Wolfe search takes the kept point where its trials run out, and gives up without one") {
  // A kink at 1/3: the slope jumps from -1 to 1, so no point fulfils the second condition.
  const auto kink = [](double a) { return std::abs(a - 1.0 / 3); };
  const auto slope = [](double a) { return a < 1.0 / 3 ? -1.0 : 1.0; };
  const auto a = strong_wolfe_part().make({{"c2", 0.1}, {"max_trials", 12.0}});
  const SearchResult r = search(*a, kink, slope);
  CHECK((r.decision == Decision::accept_kept || r.decision == Decision::accept));
  CHECK(r.trials <= 12);
  CHECK(kink(r.alpha) < 1e-2);

  // Values that contradict the slope: nothing decreases.
  const SearchResult none = search(
      *a, [](double t) { return 1 + t; }, [](double) { return -1.0; });
  CHECK(none.decision == Decision::give_up);
  CHECK(none.trials <= 12);
  // After giving up, the next search is a fresh one.
  const SearchResult again = search(
      *a, [](double t) { return (t - 1) * (t - 1); }, [](double t) { return 2 * (t - 1); });
  CHECK(again.decision == Decision::accept);
  CHECK(again.alpha == 1);
}

TEST_CASE("the strong Wolfe search stops expanding at its maximum length") {
  const auto a = strong_wolfe_part().make({{"maximum", 50.0}});
  const SearchResult r = search(
      *a, [](double t) { return -t; }, [](double) { return -1.0; });
  CHECK(r.decision == Decision::accept);
  CHECK(r.alpha == 50);
}

TEST_CASE("schedules follow their formulas after the warm-up") {
  const auto rates = [](const Options& options, int count) {
    const auto a = schedule_part().make(options);
    std::vector<double> out{value(a->start({}))};
    for (int k = 1; k < count; ++k) {
      out.push_back(next_of(a->judge(trial_with(-5), StepLength{out.back()})));
    }
    return out;
  };
  const auto constant = rates({{"rate", 0.3}}, 4);
  CHECK(constant == std::vector<double>{0.3, 0.3, 0.3, 0.3});
  const auto inverse = rates({{"rate", 0.3}, {"decay", text("inverse-time")}, {"decay_steps", 2.0}}, 5);
  const auto exponential =
      rates({{"rate", 0.3}, {"decay", text("exponential")}, {"decay_steps", 2.0}, {"factor", 0.25}}, 5);
  const auto cosine =
      rates({{"rate", 0.3}, {"decay", text("cosine")}, {"decay_steps", 2.0}, {"floor", 0.5}}, 5);
  CHECK(inverse[2] == Approx(0.15));
  CHECK(inverse[4] == Approx(0.1));
  CHECK(exponential[1] == Approx(0.15));
  CHECK(exponential[4] == Approx(0.3 / 16));
  CHECK(cosine[0] == Approx(0.3));
  CHECK(cosine[1] == Approx(0.225));
  CHECK(cosine[2] == Approx(0.15));
  CHECK(cosine[4] == Approx(0.15));
  const auto warm =
      rates({{"rate", 0.4}, {"warmup", 4.0}, {"decay", text("inverse-time")}, {"decay_steps", 1.0}}, 6);
  CHECK(warm[0] == Approx(0.1));
  CHECK(warm[3] == Approx(0.4));
  CHECK(warm[4] == Approx(0.4));
  CHECK(warm[5] == Approx(0.2));
}

TEST_CASE("a schedule halves at a point that is not finite, recovers, and gives up in the end") {
  const auto a = schedule_part().make({{"rate", 1.0}, {"max_halvings", 3.0}});
  Control c = a->start({});
  for (int i = 1; i <= 3; ++i) {
    const Verdict v = a->judge(outside(trial_with(1)), c);
    CHECK(v.decision == Decision::retry);
    CHECK(next_of(v) == 0.5 * value(c));
    c = v.next;
  }
  CHECK(a->judge(outside(trial_with(1)), c).decision == Decision::give_up);
  CHECK(next_of(a->judge(trial_with(-1), c)) == 0.25);
  CHECK(next_of(a->judge(trial_with(-1), c)) == 0.5);
  CHECK(next_of(a->judge(trial_with(-1), c)) == 1);
  CHECK(next_of(a->judge(trial_with(-1), c)) == 1);
}

TEST_CASE("acceptances know their control and what they need of a trial") {
  CHECK(nielsen_damping_part().make({})->control() == ControlKind::damping);
  CHECK(trust_region_part().make({})->control() == ControlKind::radius);
  for (const AcceptancePart& part :
       {nielsen_damping_part(), trust_region_part(), armijo_part(), strong_wolfe_part(), schedule_part()}) {
    const auto a = part.make({});
    CHECK(a->control() == part.control);
    CHECK(kind(a->start({1, 1, 1})) == part.control);
    CHECK_FALSE(part.info.options.empty());
    CHECK_FALSE(part.info.summary.empty());
    CHECK_FALSE(part.info.source.empty());
  }
  CHECK(armijo_part().make({})->needs() == TrialNeeds::value);
  CHECK(strong_wolfe_part().make({})->needs() == TrialNeeds::value_and_gradient);
  CHECK(schedule_part().make({})->needs() == TrialNeeds::nothing);
}

TEST_CASE("acceptance options that make no sense are refused by name") {
  CHECK_THROWS_WITH(nielsen_damping_part().make({{"fall", 1.0}}), Contains("acceptance 'nielsen-damping'") &&
                                                                      Contains("'fall' is 1") &&
                                                                      Contains("above 1"));
  CHECK_THROWS_AS(nielsen_damping_part().make({{"initial", 1e-40}}), Error);
  CHECK_THROWS_AS(nielsen_damping_part().make({{"initial", -1.0}}), Error);
  CHECK_THROWS_AS(trust_region_part().make({{"shrink", 1.0}}), Error);
  CHECK_THROWS_AS(trust_region_part().make({{"poor", 0.9}}), Error);
  CHECK_THROWS_AS(trust_region_part().make({{"accept", 0.5}}), Error);
  CHECK_THROWS_AS(armijo_part().make({{"c1", 0.6}}), Error);
  CHECK_THROWS_AS(armijo_part().make({{"shrink_most", 0.7}}), Error);
  CHECK_THROWS_AS(strong_wolfe_part().make({{"c1", 0.95}}), Error);
  CHECK_THROWS_AS(strong_wolfe_part().make({{"max_trials", 0.0}}), Error);
  CHECK_THROWS_WITH(schedule_part().make({{"decay", text("cosin")}}), Contains("valid values: cosine"));
  CHECK_THROWS_AS(schedule_part().make({{"rate", 0.0}}), Error);
}
