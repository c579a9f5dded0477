// Every elementary function with points to test it at, and the oracle for its derivatives: central
// differences of eighth order in long double (Fornberg, Generation of Finite Difference Formulas on
// Arbitrarily Spaced Grids, Math. Comp. 51 (1988), table 1). At the step used, 0.004, truncation and
// rounding leave about 13 digits for the functions and points below.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <vector>

#include "kappa/elementary.h"

namespace kappa_test {

using Wide = long double;

/// f'(x).
inline Wide first_difference(const std::function<Wide(Wide)>& f, Wide x, Wide h = 0.004L) {
  constexpr std::array<Wide, 4> weight = {4 / 5.0L, -1 / 5.0L, 4 / 105.0L, -1 / 280.0L};
  Wide sum = 0;
  for (std::size_t k = 0; k < weight.size(); ++k) {
    const Wide step = static_cast<Wide>(k + 1) * h;
    sum += weight[k] * (f(x + step) - f(x - step));
  }
  return sum / h;
}

/// f''(x).
inline Wide second_difference(const std::function<Wide(Wide)>& f, Wide x, Wide h = 0.004L) {
  constexpr std::array<Wide, 4> weight = {8 / 5.0L, -1 / 5.0L, 8 / 315.0L, -1 / 560.0L};
  Wide sum = -205 / 72.0L * f(x);
  for (std::size_t k = 0; k < weight.size(); ++k) {
    const Wide step = static_cast<Wide>(k + 1) * h;
    sum += weight[k] * (f(x + step) + f(x - step));
  }
  return sum / (h * h);
}

/// d^2 f / dx dy.
inline Wide mixed_difference(const std::function<Wide(Wide, Wide)>& f, Wide x, Wide y) {
  return first_difference([&](Wide s) { return first_difference([&](Wide t) { return f(s, t); }, y); }, x);
}

/// |actual - expected| in units of max(1, |expected|).
inline double discrepancy(Wide actual, Wide expected) {
  return static_cast<double>(std::fabs(actual - expected) / std::max(Wide(1), std::fabs(expected)));
}

/// Calls visit(name, function, points) for every function of one number.
template <class Visit>
void for_each_unary(const Visit& visit) {
  using Points = std::vector<double>;
  const Points everywhere = {-2.3, -0.7, 0.0, 0.4, 1.0, 3.1};
  const Points positive = {0.3, 1.0, 2.5, 40.0};
  const Points inside = {-0.7, -0.2, 0.0, 0.5, 0.75};
  visit(
      "-x", [](const auto& x) { return -x; }, everywhere);
  visit(
      "+x", [](const auto& x) { return +x; }, everywhere);
  visit(
      "x + 2", [](const auto& x) { return x + 2; }, everywhere);
  visit(
      "2 + x", [](const auto& x) { return 2 + x; }, everywhere);
  visit(
      "x - 2", [](const auto& x) { return x - 2; }, everywhere);
  visit(
      "2 - x", [](const auto& x) { return 2 - x; }, everywhere);
  visit(
      "x * 3", [](const auto& x) { return x * 3; }, everywhere);
  visit(
      "3 * x", [](const auto& x) { return 3 * x; }, everywhere);
  visit(
      "x / 4", [](const auto& x) { return x / 4; }, everywhere);
  visit(
      "4 / x", [](const auto& x) { return 4 / x; }, positive);
  visit(
      "x * x", [](const auto& x) { return x * x; }, everywhere);
  visit(
      "compound",
      [](const auto& x) {
        auto y = x;
        y += x;
        y *= x;
        y -= 2 * x * x;
        y += 1.5;
        y /= 1 + x * x;
        y *= 3;
        y -= 1;
        y /= 2;
        return y;
      },
      everywhere);
  visit(
      "sqrt", [](const auto& x) { return kappa::sqrt(x); }, positive);
  visit(
      "cbrt", [](const auto& x) { return kappa::cbrt(x); }, positive);
  visit(
      "exp", [](const auto& x) { return kappa::exp(x); }, everywhere);
  visit(
      "exp2", [](const auto& x) { return kappa::exp2(x); }, everywhere);
  visit(
      "expm1", [](const auto& x) { return kappa::expm1(x); }, everywhere);
  visit(
      "log", [](const auto& x) { return kappa::log(x); }, positive);
  visit(
      "log2", [](const auto& x) { return kappa::log2(x); }, positive);
  visit(
      "log10", [](const auto& x) { return kappa::log10(x); }, positive);
  visit(
      "log1p", [](const auto& x) { return kappa::log1p(x); }, Points{-0.6, 0.0, 0.5, 7.0});
  visit(
      "sin", [](const auto& x) { return kappa::sin(x); }, everywhere);
  visit(
      "cos", [](const auto& x) { return kappa::cos(x); }, everywhere);
  visit(
      "tan", [](const auto& x) { return kappa::tan(x); }, Points{-1.0, 0.0, 0.4, 2.6});
  visit(
      "asin", [](const auto& x) { return kappa::asin(x); }, inside);
  visit(
      "acos", [](const auto& x) { return kappa::acos(x); }, inside);
  visit(
      "atan", [](const auto& x) { return kappa::atan(x); }, everywhere);
  visit(
      "sinh", [](const auto& x) { return kappa::sinh(x); }, everywhere);
  visit(
      "cosh", [](const auto& x) { return kappa::cosh(x); }, everywhere);
  visit(
      "tanh", [](const auto& x) { return kappa::tanh(x); }, everywhere);
  visit(
      "asinh", [](const auto& x) { return kappa::asinh(x); }, everywhere);
  visit(
      "acosh", [](const auto& x) { return kappa::acosh(x); }, Points{1.4, 2.0, 9.0});
  visit(
      "atanh", [](const auto& x) { return kappa::atanh(x); }, inside);
  visit(
      "erf", [](const auto& x) { return kappa::erf(x); }, everywhere);
  visit(
      "erfc", [](const auto& x) { return kappa::erfc(x); }, everywhere);
  visit(
      "abs", [](const auto& x) { return kappa::abs(x) * x; }, Points{-2.0, 0.7});
  visit(
      "fabs", [](const auto& x) { return kappa::fabs(x) * x; }, Points{-2.0, 0.7});
  visit(
      "floor", [](const auto& x) { return kappa::floor(x) * x; }, Points{-1.5, 0.3, 2.6});
  visit(
      "ceil", [](const auto& x) { return kappa::ceil(x) * x; }, Points{-1.5, 0.3, 2.6});
  visit(
      "round", [](const auto& x) { return kappa::round(x) * x; }, Points{-1.3, 0.3, 2.6});
  visit(
      "trunc", [](const auto& x) { return kappa::trunc(x) * x; }, Points{-1.5, 0.3, 2.6});
  visit(
      "pow(x, 3)", [](const auto& x) { return kappa::pow(x, 3); }, everywhere);
  visit(
      "pow(x, 2)", [](const auto& x) { return kappa::pow(x, 2); }, everywhere);
  visit(
      "pow(x, 1)", [](const auto& x) { return kappa::pow(x, 1); }, everywhere);
  visit(
      "pow(x, 0)", [](const auto& x) { return kappa::pow(x, 0); }, everywhere);
  visit(
      "pow(x, -2)", [](const auto& x) { return kappa::pow(x, -2); }, Points{-2.0, -0.6, 0.5, 3.0});
  visit(
      "pow(x, 2.5)", [](const auto& x) { return kappa::pow(x, 2.5); }, positive);
  visit(
      "pow(2.5, x)", [](const auto& x) { return kappa::pow(2.5, x); }, everywhere);
  visit(
      "pow(0, x)", [](const auto& x) { return kappa::pow(0.0, x); }, positive);
  visit(
      "atan2(x, 2)", [](const auto& x) { return kappa::atan2(x, 2); }, everywhere);
  visit(
      "atan2(2, x)", [](const auto& x) { return kappa::atan2(2, x); }, everywhere);
  visit(
      "hypot(x, 2)", [](const auto& x) { return kappa::hypot(x, 2); }, everywhere);
  visit(
      "hypot(1, x, 2)", [](const auto& x) { return kappa::hypot(1, x, 2); }, everywhere);
  visit(
      "fmod(x, 0.75)", [](const auto& x) { return kappa::fmod(x, 0.75) * x; }, Points{-2.0, 0.4, 2.0});
  visit(
      "fmod(5, x)", [](const auto& x) { return kappa::fmod(5, x) * x; }, Points{0.9, 1.8, 3.1});
  visit(
      "copysign(x, -1)", [](const auto& x) { return kappa::copysign(x, -1) * x; }, Points{-2.0, 0.7});
  visit(
      "fma(x, x, 1)", [](const auto& x) { return kappa::fma(x, x, 1); }, everywhere);
}

/// Calls visit(name, function, x, y) for every function of two numbers.
template <class Visit>
void for_each_binary(const Visit& visit) {
  const std::vector<std::array<double, 2>> mixed = {{0.7, 1.9}, {-1.3, 0.6}, {2.0, -1.1}, {-0.8, -2.4}};
  const std::vector<std::array<double, 2>> positive_first = {{0.7, 1.9}, {1.0, 0.6}, {2.0, -1.1}, {3.3, 0.0}};
  const std::vector<std::array<double, 2>> apart = {{0.7, 1.9}, {2.0, -1.1}, {-0.8, -2.4}};
  const auto at = [&](const char* name, const auto& f, const auto& points) {
    for (const auto& [x, y] : points) {
      visit(name, f, x, y);
    }
  };
  at(
      "x + y", [](const auto& x, const auto& y) { return x + y; }, mixed);
  at(
      "x - y", [](const auto& x, const auto& y) { return x - y; }, mixed);
  at(
      "x * y", [](const auto& x, const auto& y) { return x * y; }, mixed);
  at(
      "x / y", [](const auto& x, const auto& y) { return x / y; }, mixed);
  at(
      "atan2", [](const auto& x, const auto& y) { return kappa::atan2(x, y); }, mixed);
  at(
      "hypot", [](const auto& x, const auto& y) { return kappa::hypot(x, y); }, mixed);
  at(
      "hypot of three", [](const auto& x, const auto& y) { return kappa::hypot(x, y, x * y); }, mixed);
  at(
      "pow", [](const auto& x, const auto& y) { return kappa::pow(x, y); }, positive_first);
  at(
      "fmin", [](const auto& x, const auto& y) { return kappa::fmin(x, y) * x; }, mixed);
  at(
      "fmax", [](const auto& x, const auto& y) { return kappa::fmax(x, y) * x; }, mixed);
  at(
      "fdim", [](const auto& x, const auto& y) { return kappa::fdim(x, y) * x; }, mixed);
  at(
      "fmod", [](const auto& x, const auto& y) { return kappa::fmod(x, y) * x; }, apart);
  at(
      "copysign", [](const auto& x, const auto& y) { return kappa::copysign(x, y) * y; }, mixed);
  at(
      "fma", [](const auto& x, const auto& y) { return kappa::fma(x, y, y); }, mixed);
  at(
      "a formula",
      [](const auto& x, const auto& y) {
        return kappa::exp(-x * y) * kappa::sin(x + 2 * y) / (1 + x * x) - kappa::sqrt(3 + y * y) / 2;
      },
      mixed);
}

/// One function of one number, as a function of X and of long double.
template <class X>
struct UnaryCase {
  const char* name;
  X (*f)(const X&);
  Wide (*wide)(const Wide&);
  std::vector<double> points;
};

template <class X>
struct BinaryCase {
  const char* name;
  X (*f)(const X&, const X&);
  Wide (*wide)(const Wide&, const Wide&);
  double x, y;
};

template <class X>
std::vector<UnaryCase<X>> unary_cases() {
  std::vector<UnaryCase<X>> cases;
  for_each_unary([&](const char* name, const auto& f, const std::vector<double>& points) {
    cases.push_back({name, [](const X& x) -> X { return std::decay_t<decltype(f)>()(x); },
                     [](const Wide& x) -> Wide { return std::decay_t<decltype(f)>()(x); }, points});
  });
  return cases;
}

template <class X>
std::vector<BinaryCase<X>> binary_cases() {
  std::vector<BinaryCase<X>> cases;
  for_each_binary([&](const char* name, const auto& f, double x, double y) {
    cases.push_back({name, [](const X& s, const X& t) -> X { return std::decay_t<decltype(f)>()(s, t); },
                     [](const Wide& s, const Wide& t) -> Wide { return std::decay_t<decltype(f)>()(s, t); },
                     x, y});
  });
  return cases;
}

}  // namespace kappa_test
