// Losses against their formulas in long double and differences of them.
#include "kappa/loss.h"

#include <cmath>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "support/catch.h"

namespace {

using Scalar = long double;

struct Case {
  std::string name;
  kappa::Loss loss;
  std::function<Scalar(Scalar)> formula;
};

std::vector<Case> cases(double a) {
  const Scalar b = a;
  return {
      {"trivial", kappa::Loss(), [](Scalar s) { return s; }},
      {"huber", kappa::huber(a), [b](Scalar s) { return s <= b * b ? s : 2 * b * std::sqrt(s) - b * b; }},
      {"soft_l1", kappa::soft_l1(a), [b](Scalar s) { return 2 * b * b * (std::sqrt(1 + s / (b * b)) - 1); }},
      {"cauchy", kappa::cauchy(a), [b](Scalar s) { return b * b * std::log(1 + s / (b * b)); }},
      {"arctan", kappa::arctan(a), [b](Scalar s) { return b * std::atan(s / b); }},
      {"tukey", kappa::tukey(a),
       [b](Scalar s) {
         const Scalar t = 1 - s / (b * b);
         return s <= b * b ? b * b / 3 * (1 - t * t * t) : b * b / 3;
       }},
      {"scaled cauchy", kappa::scaled(kappa::cauchy(a), 2.5),
       [b](Scalar s) { return Scalar(2.5) * b * b * std::log(1 + s / (b * b)); }},
      {"twice scaled", kappa::scaled(kappa::scaled(kappa::Loss(), 3.0), 0.5),
       [](Scalar s) { return Scalar(1.5) * s; }},
  };
}

struct FourthRoot final : kappa::LossFunction {
  kappa::LossValue evaluate(double s) const override {
    return {4 * (std::pow(1 + s, 0.25) - 1), std::pow(1 + s, -0.75), -0.75 * std::pow(1 + s, -1.75)};
  }
};

}  // namespace

TEST_CASE("a loss and its two derivatives agree with the formula at inliers and outliers") {
  for (const double a : {0.3, 1.0, 7.0}) {
    for (const Case& c : cases(a)) {
      for (const double relative : {0.01, 0.4, 0.9, 1.1, 3.0, 50.0}) {
        CAPTURE(c.name, a, relative);
        const double s = relative * a * a;
        const Scalar h = Scalar(1e-4) * s;
        const kappa::LossValue v = c.loss.evaluate(s);
        CHECK(v.rho == Approx(static_cast<double>(c.formula(s))).epsilon(1e-13));
        const Scalar first =
            (8 * (c.formula(s + h) - c.formula(s - h)) - (c.formula(s + 2 * h) - c.formula(s - 2 * h))) /
            (12 * h);
        const Scalar second = (16 * (c.formula(s + h) + c.formula(s - h)) -
                               (c.formula(s + 2 * h) + c.formula(s - 2 * h)) - 30 * c.formula(s)) /
                              (12 * h * h);
        CHECK(v.first == Approx(static_cast<double>(first)).epsilon(1e-9).margin(1e-12));
        CHECK(v.second * s == Approx(static_cast<double>(second) * s).epsilon(1e-7).margin(1e-8));
      }
    }
  }
}

TEST_CASE("every unscaled loss begins like s, with full relative accuracy") {
  for (const Case& c : cases(2.0)) {
    if (c.name.find("scaled") != std::string::npos) {
      continue;
    }
    CAPTURE(c.name);
    CHECK(c.loss.evaluate(0).rho == 0);
    CHECK(c.loss.evaluate(0).first == 1);
    CHECK(c.loss.evaluate(1e-17).rho == Approx(1e-17).epsilon(1e-14));
  }
}

TEST_CASE("a loss does not turn what is not a number into a value") {
  for (const Case& c : cases(2.0)) {
    CAPTURE(c.name);
    CHECK(std::isnan(c.loss.evaluate(std::numeric_limits<double>::quiet_NaN()).rho));
  }
}

TEST_CASE("a custom loss is called, scaled and compared by identity") {
  const auto function = std::make_shared<FourthRoot>();
  const kappa::Loss loss = kappa::scaled(kappa::custom(function), 2.0);
  CHECK(loss.evaluate(15).rho == Approx(8));
  CHECK(loss.evaluate(15).first == Approx(0.25));
  CHECK(loss == kappa::scaled(kappa::custom(function), 2.0));
  CHECK_FALSE(loss == kappa::scaled(kappa::custom(std::make_shared<FourthRoot>()), 2.0));
}

TEST_CASE("a loss is trivial only as it is constructed by default") {
  CHECK(kappa::Loss().trivial());
  CHECK_FALSE(kappa::huber(1).trivial());
  CHECK_FALSE(kappa::scaled(kappa::Loss(), 2).trivial());
}

TEST_CASE("a loss refuses scales that are not positive and weights that are negative") {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  for (const double a : {0.0, -1.0, nan, kappa::infinity}) {
    CAPTURE(a);
    CHECK_THROWS_AS(kappa::huber(a), kappa::Error);
    CHECK_THROWS_AS(kappa::soft_l1(a), kappa::Error);
    CHECK_THROWS_AS(kappa::cauchy(a), kappa::Error);
    CHECK_THROWS_AS(kappa::arctan(a), kappa::Error);
    CHECK_THROWS_AS(kappa::tukey(a), kappa::Error);
  }
  CHECK_THROWS_AS(kappa::scaled(kappa::Loss(), -0.5), kappa::Error);
  CHECK_THROWS_AS(kappa::scaled(kappa::Loss(), nan), kappa::Error);
  CHECK_NOTHROW(kappa::scaled(kappa::Loss(), 0));
  CHECK_THROWS_AS(kappa::custom(nullptr), kappa::Error);
}
