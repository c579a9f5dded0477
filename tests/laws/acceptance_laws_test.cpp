// The laws of acceptances, on random sequences of trials: a rejection never returns the same control and
// tightens it; verdicts do not change when objective and damping are scaled by a power of two; a trial that
// is not finite is never accepted.
#include <cmath>
#include <vector>

#include "kappa/random.h"
#include "solvers/acceptance/parts.h"
#include "support/catch.h"

namespace {

using namespace kappa;

std::vector<AcceptancePart> all_parts() {
  return {nielsen_damping_part(), martens_damping_part(), gradient_damping_part(),
          trust_region_part(),    tron_radius_part(),     adaptive_cubic_part(),
          armijo_part(),          strong_wolfe_part(),    schedule_part()};
}

constexpr StartInfo info = {3, 2, 1};

/// A trial of random quality under the given control: good, poor, ascending, outside the domain, no step.
Trial random_trial(RandomSequence& random, const Control& control) {
  Trial t;
  t.current_value = random.normal();
  const bool inverse = kind(control) == ControlKind::damping || kind(control) == ControlKind::cubic_weight;
  const double length = inverse ? 1 / (1 + value(control)) : value(control);
  t.step.norm = length;
  t.step.slope = -length * (0.1 + random.uniform());
  t.step.predicted_decrease = -0.5 * t.step.slope;
  t.step.limit = random.below(2) == 0 ? StepReport::Limit::interior : StepReport::Limit::boundary;
  t.value = t.current_value - t.step.predicted_decrease * (3 * random.uniform() - 1.5);
  t.slope = t.step.slope * (2 * random.uniform() - 1);
  t.current_gradient_norm = 0.1 + random.uniform();
  t.gradient_norm = t.current_gradient_norm * 1.5 * random.uniform();
  const Index accident = random.below(12);
  if (accident == 0) {
    t.evaluation = EvalStatus::outside_domain;
    t.value = std::nan("");
  }
  if (accident == 1 && inverse) {
    t.step = {};
    t.step.status = StepStatus::indefinite;
  }
  return t;
}

/// The objective times `factor`; the metric, and so lengths, unchanged.
Trial scaled(Trial t, double factor) {
  t.step.slope *= factor;
  t.step.predicted_decrease *= factor;
  t.current_value *= factor;
  t.value *= factor;
  t.slope *= factor;
  t.gradient_norm *= factor;
  t.current_gradient_norm *= factor;
  return t;
}
Control scaled(const Control& c, double factor) {
  if (const Damping* damping = std::get_if<Damping>(&c)) {
    return Damping{damping->value * factor};
  }
  if (const CubicWeight* weight = std::get_if<CubicWeight>(&c)) {
    return CubicWeight{weight->value * factor};
  }
  return c;
}

}  // namespace

TEST_CASE("law: a rejection never returns the same control, and radius, damping and schedules tighten") {
  for (const AcceptancePart& part : all_parts()) {
    CAPTURE(part.info.name);
    int rejections = 0;
    for (std::uint64_t seed = 1; seed <= 200; ++seed) {
      RandomSequence random(seed);
      const auto a = part.make({});
      Control control = a->start(info);
      for (int i = 0; i < 50; ++i) {
        const Verdict v = a->judge(random_trial(random, control), control);
        REQUIRE(kind(v.next) == part.control);
        REQUIRE(std::isfinite(value(v.next)));
        if (v.decision == Decision::give_up) {
          break;
        }
        if (v.decision == Decision::retry) {
          ++rejections;
          REQUIRE(value(v.next) != value(control));
          REQUIRE(value(v.next) > 0);
          if (part.control == ControlKind::damping || part.control == ControlKind::cubic_weight) {
            REQUIRE(value(v.next) > value(control));
          } else if (part.info.name != "strong-wolfe") {
            REQUIRE(value(v.next) < value(control));
          }
        }
        control = v.next;
      }
    }
    CHECK(rejections > 100);
  }
}

TEST_CASE("law: the strong Wolfe search expands until it has a bracket and then only shrinks it") {
  // Random quartics that descend at 0 and have a minimum; the bracket is rebuilt here from the verdicts
  // alone.
  int retries = 0;
  for (std::uint64_t seed = 1; seed <= 500; ++seed) {
    RandomSequence random(seed);
    const double far = std::exp(3 * random.normal());
    const double bend = random.normal();
    const auto phi = [&](double a) {
      const double s = a / far;
      return -s + bend * s * s + (1 + bend * bend) * s * s * s * s;
    };
    const auto dphi = [&](double a) {
      const double s = a / far;
      return (-1 + 2 * bend * s + 4 * (1 + bend * bend) * s * s * s) / far;
    };
    const auto a = strong_wolfe_part().make({{"c2", 0.01}});
    Control control = a->start(info);
    double low = 0;
    double low_value = phi(0);
    double high = infinity;
    for (int i = 0; i < 25; ++i) {
      const double alpha = value(control);
      Trial t;
      t.current_value = phi(0);
      t.value = phi(alpha);
      t.step.slope = alpha * dphi(0);
      t.slope = alpha * dphi(alpha);
      const Verdict v = a->judge(t, control);
      if (v.decision != Decision::retry) {
        break;
      }
      ++retries;
      const double width = std::abs(high - low);
      if (t.value > phi(0) + 1e-4 * t.step.slope || t.value > low_value) {
        high = alpha;
        REQUIRE(v.keep == Verdict::Keep::no);
      } else {
        if (dphi(alpha) * (std::isinf(high) ? 1 : high - low) >= 0) {
          high = low;
        }
        low = alpha;
        low_value = t.value;
        REQUIRE(v.keep == Verdict::Keep::yes);
      }
      const double next = value(v.next);
      if (std::isinf(high)) {
        REQUIRE(next >= 1.1 * alpha);
        REQUIRE(next <= 4 * alpha);
      } else {
        REQUIRE(next > std::min(low, high));
        REQUIRE(next < std::max(low, high));
        REQUIRE(std::abs(high - low) < width);
      }
      control = v.next;
    }
  }
  CHECK(retries > 500);
}

TEST_CASE("law: verdicts do not change when objective and damping are scaled by one power of two") {
  for (const AcceptancePart& part : all_parts()) {
    CAPTURE(part.info.name);
    for (const int exponent : {-60, -1, 1, 20, 60}) {
      const double factor = std::ldexp(1.0, exponent);
      for (std::uint64_t seed = 1; seed <= 50; ++seed) {
        RandomSequence random(seed);
        // The damping's bounds are absolute; the law is for what lies between.
        const Options wide = part.control == ControlKind::damping
                                 ? Options{{"minimum", 1e-200}, {"maximum", 1e200}}
                                 : Options{};
        const auto a = part.make(wide);
        const auto b = part.make(wide);
        Control control = a->start(info);
        b->start({info.gradient_norm * factor, info.point_norm, info.value * factor});
        for (int i = 0; i < 30; ++i) {
          if (part.control == ControlKind::damping && i == 10) {
            control = Damping{0.0};
          }
          const Trial t = random_trial(random, control);
          const Verdict v = a->judge(t, control);
          const Verdict w = b->judge(scaled(t, factor), scaled(control, factor));
          REQUIRE(w.decision == v.decision);
          REQUIRE(w.keep == v.keep);
          REQUIRE(value(w.next) == value(scaled(v.next, factor)));
          if (v.decision == Decision::give_up) {
            break;
          }
          control = v.next;
        }
      }
    }
  }
}

TEST_CASE("law: a trial that is not finite, or is no step, is never accepted") {
  using Mutation = void (*)(Trial&);
  const std::vector<Mutation> mutations = {
      [](Trial& t) { t.value = std::nan(""); },
      [](Trial& t) { t.value = infinity; },
      [](Trial& t) { t.value = -infinity; },
      [](Trial& t) { t.evaluation = EvalStatus::outside_domain; },
      [](Trial& t) { t.evaluation = EvalStatus::failed; },
      [](Trial& t) { t.evaluation = EvalStatus::interrupted; },
      [](Trial& t) { t.step.status = StepStatus::indefinite; },
      [](Trial& t) { t.step.status = StepStatus::failed; },
      [](Trial& t) { t.step.status = StepStatus::interrupted; },
  };
  for (const AcceptancePart& part : all_parts()) {
    for (std::size_t m = 0; m < mutations.size(); ++m) {
      CAPTURE(part.info.name, m);
      const auto a = part.make({});
      const Control control = a->start(info);
      Trial good;
      good.current_value = 1;
      good.value = 0.5;
      good.step.slope = -1;
      good.step.predicted_decrease = 0.5;
      good.step.norm = 1;
      REQUIRE(a->judge(good, control).decision == Decision::accept);
      Trial bad = good;
      mutations[m](bad);
      const Decision decision = a->judge(bad, control).decision;
      CHECK((decision == Decision::retry || decision == Decision::give_up));
    }
  }
}

TEST_CASE("law: a comparing acceptance never takes a trial whose gradient or prediction is not a number") {
  Trial t;
  t.current_value = 1;
  t.value = 0.5;
  t.step.slope = -1;
  t.step.norm = 1;
  t.step.predicted_decrease = std::nan("");
  for (const AcceptancePart& part : {nielsen_damping_part(), martens_damping_part(), trust_region_part(),
                                     tron_radius_part(), adaptive_cubic_part()}) {
    const auto a = part.make({});
    CHECK(a->judge(t, a->start(info)).decision == Decision::retry);
  }
  t.slope = std::nan("");
  const auto wolfe = strong_wolfe_part().make({});
  CHECK(wolfe->judge(t, wolfe->start(info)).decision == Decision::retry);
}

TEST_CASE("Martens' walk goes back as long as the value falls, and judges the best iterate") {
  // Values at the last iterate and at earlier ones; which of them is taken, and how.
  struct Walk {
    std::vector<double> values;
    Decision decision;
    Index looked_at;
  };
  const std::vector<Walk> walks = {
      {{0.5, 0.6, 0.4}, Decision::accept_kept, 1},        // the first step back is worse
      {{0.5, 0.4, 0.3}, Decision::accept, 2},             // the earliest is best
      {{0.5, 0.4, 0.45, 0.1}, Decision::accept_kept, 2},  // the walk ends where the value rises
      {{std::nan(""), 0.4, 0.45}, Decision::accept_kept, 2},
      {{std::nan(""), 2, 3}, Decision::retry, 2},  // no iterate is better than the point
      {{0.5}, Decision::accept, 0},
  };
  for (const Walk& walk : walks) {
    const auto a = martens_damping_part().make({});
    const Control control = a->start(info);
    Trial t;
    t.current_value = 1;
    t.step.slope = -1;
    t.step.norm = 1;
    t.step.predicted_decrease = 0.5;
    Verdict v;
    for (std::size_t k = 0; k < walk.values.size(); ++k) {
      t.value = walk.values[k];
      t.step.alternatives = static_cast<Index>(walk.values.size() - 1 - k);
      v = a->judge(t, control);
      if (v.decision != Decision::alternative) {
        CHECK(static_cast<Index>(k) == walk.looked_at);
        break;
      }
      CHECK(v.alternative == static_cast<Index>(k) + 1);
      CHECK((v.keep == Verdict::Keep::yes) == std::isfinite(t.value));
    }
    CHECK(v.decision == walk.decision);
    CHECK((v.decision != Decision::retry || value(v.next) > value(control)));
    // The next judgement is of a new solve.
    t.value = 0.5;
    t.step.alternatives = 0;
    CHECK(a->judge(t, control).decision == Decision::accept);
  }
}
