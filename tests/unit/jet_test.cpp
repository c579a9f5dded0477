#include "kappa/jet.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <span>
#include <vector>

#include "kappa/differentiate.h"
#include "support/catch.h"
#include "unit/elementary_cases.h"

using kappa::Jet;
using kappa_test::discrepancy;
using kappa_test::first_difference;
using kappa_test::Wide;

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();

// Unqualified, as functors write it.
template <class T>
T unqualified(const T& x) {
  using std::exp;
  using std::pow;
  using std::sqrt;
  return sqrt(x) + pow(x, T(2)) + exp(-x);
}

}  // namespace

TEST_CASE("a jet's value and first derivative agree with the function in long double") {
  for (const auto& [name, f, wide, points] : kappa_test::unary_cases<Jet<double, 2>>()) {
    for (const double x : points) {
      INFO(name << " at " << x);
      const auto y = f(Jet<double, 2>(x, 1));
      CHECK(discrepancy(y.a, wide(x)) < 4e-16);
      CHECK(y.v[0] == 0.0);
      CHECK(discrepancy(y.v[1], first_difference(wide, x)) < 1e-12);
    }
  }
  for (const auto& test : kappa_test::binary_cases<Jet<double, 3>>()) {
    INFO(test.name << " at " << test.x << ", " << test.y);
    const auto z = test.f(Jet<double, 3>(test.x, 0), Jet<double, 3>(test.y, 2));
    CHECK(discrepancy(z.a, test.wide(test.x, test.y)) < 4e-16);
    CHECK(discrepancy(z.v[0], first_difference([&](Wide t) { return test.wide(t, test.y); }, test.x)) <
          1e-12);
    CHECK(z.v[1] == 0.0);
    CHECK(discrepancy(z.v[2], first_difference([&](Wide t) { return test.wide(test.x, t); }, test.y)) <
          1e-12);
  }
}

TEST_CASE("a jet of float or long double keeps the precision of its scalar") {
  for (const auto& [name, f, wide, points] : kappa_test::unary_cases<Jet<float, 1>>()) {
    for (const double x : points) {
      INFO(name << " at " << x);
      const auto rounded = static_cast<float>(x);
      CHECK(discrepancy(f(Jet<float, 1>(rounded, 0)).v[0], first_difference(wide, rounded)) < 4e-6);
    }
  }
  for (const auto& [name, f, wide, points] : kappa_test::unary_cases<Jet<Wide, 1>>()) {
    for (const double x : points) {
      INFO(name << " at " << x);
      const auto y = f(Jet<Wide, 1>(x, 0));
      CHECK(discrepancy(y.a, wide(x)) < 4e-19);
      CHECK(discrepancy(y.v[0], first_difference(wide, x, 0.001L)) < 4e-15);
    }
  }
}

TEST_CASE("a jet is made from any scalar, and as a constant has zero partials") {
  const Jet<double, 3> from_double = 2.5;
  const Jet<double, 3> from_int = 2;
  const Jet<Jet<double, 2>, 3> nested = 1.5;
  const Jet<Jet<double, 2>, 3> around = Jet<double, 2>(4.0, 1);
  CHECK(from_double.a == 2.5);
  CHECK(from_int.a == 2.0);
  CHECK(nested.a.a == 1.5);
  CHECK(around.a.v[1] == 1.0);
  const Jet<double, 3> zero;
  for (int i = 0; i < 3; ++i) {
    CHECK(zero.v[i] == 0.0);
    CHECK(from_double.v[i] == 0.0);
    CHECK(nested.v[i].a == 0.0);
  }
  CHECK(zero.a == 0.0);
  CHECK(is_constant(around));
  CHECK_FALSE(is_constant(around.a));
  CHECK_THROWS_AS((Jet<double, 3>(1.0, 3)), kappa::ContractError);
  CHECK_THROWS_AS((Jet<double, 3>(1.0, -1)), kappa::ContractError);
}

TEST_CASE("jets compare by their values alone, with each other and with scalars") {
  const Jet<double, 1> x(1.0, 0);
  const Jet<double, 1> same = 1.0;
  const Jet<double, 1> larger(2.0, 0);
  CHECK(x == same);
  CHECK(x != larger);
  CHECK(x < larger);
  CHECK(larger >= x);
  CHECK(x <= 1);
  CHECK(0.5 < x);
  CHECK(1 == x);
  CHECK(x != 1.5f);
  CHECK(2.0 >= larger);
  CHECK(std::max(x, larger) == 2.0);
  const Jet<double, 1> nan = not_a_number;
  CHECK_FALSE(nan < x);
  CHECK_FALSE(nan >= x);
  CHECK_FALSE(nan == nan);
  const Jet<Jet<double, 1>, 1> nested = x;
  CHECK(nested < 1.5);
  CHECK(nested == x);
}

TEST_CASE("classification looks at the value, and numeric limits are the scalar's") {
  using J = Jet<double, 2>;
  CHECK(isnan(J(not_a_number)));
  CHECK(isinf(J(infinity)));
  CHECK_FALSE(isfinite(J(infinity)));
  CHECK(isfinite(J(1.0, {infinity, 0.0})));
  CHECK(isnormal(J(1.0)));
  CHECK(signbit(J(-0.0)));
  CHECK(std::numeric_limits<J>::epsilon() == std::numeric_limits<double>::epsilon());
  CHECK(std::numeric_limits<J>::max() == std::numeric_limits<double>::max());
  CHECK(isinf(std::numeric_limits<J>::infinity()));
  CHECK(std::numeric_limits<J>::is_specialized);
  CHECK(std::numeric_limits<Jet<float, 2>>::digits == 24);
}

TEST_CASE("functions are found unqualified, also beside using declarations of std") {
  const double x = 1.7;
  const Jet<double, 1> y = unqualified(Jet<double, 1>(x, 0));
  CHECK(y.a == Approx(unqualified(x)).epsilon(1e-15));
  CHECK(y.v[0] == Approx(0.5 / std::sqrt(x) + 2 * x - std::exp(-x)).epsilon(1e-15));
  CHECK(atan2(y, 1).a == std::atan2(y.a, 1.0));
  CHECK(kappa::sqrt(4.0) == 2.0);
  CHECK(kappa::pow(2.0, 3) == 8.0);
}

TEST_CASE("integer powers are differentiated exactly at zero and at negative bases") {
  using J = Jet<double, 1>;
  const J zero(0.0, 0);
  CHECK(pow(zero, 0).a == 1.0);
  CHECK(pow(zero, 0).v[0] == 0.0);
  CHECK(pow(zero, 1).v[0] == 1.0);
  CHECK(pow(zero, 2).v[0] == 0.0);
  CHECK(pow(zero, 0.5).v[0] == infinity);
  CHECK(pow(J(-2.0, 0), 3).a == -8.0);
  CHECK(pow(J(-2.0, 0), 3).v[0] == 12.0);
  CHECK(pow(J(-2.0, 0), -1).v[0] == -0.25);
  CHECK(isnan(pow(J(-2.0, 0), 0.5)));
  // The same with an exponent that is a jet but constant.
  CHECK(pow(zero, J(2.0)).v[0] == 0.0);
  CHECK(pow(zero, J(1.0)).v[0] == 1.0);
  CHECK(pow(J(-2.0, 0), J(3.0)).v[0] == 12.0);
  CHECK(pow(-2.0, J(3.0)).a == -8.0);
  CHECK(pow(-2.0, J(3.0)).v[0] == 0.0);
}

TEST_CASE("a power of zero with a varying exponent has the derivatives of its limit") {
  using J = Jet<double, 2>;
  const J base(0.0, 0);
  const J square = pow(base, J(2.0, 1));
  CHECK(square.a == 0.0);
  CHECK(square.v[0] == 0.0);
  CHECK(square.v[1] == 0.0);
  const J line = pow(base, J(1.0, 1));
  CHECK(line.v[0] == 1.0);
  CHECK(line.v[1] == 0.0);
  CHECK(pow(J(0.0), J(0.0, 1)).a == 1.0);
  // Off the integers a negative base has no real power, so the derivative by the exponent is NaN.
  CHECK(std::isnan(pow(J(-2.0), J(3.0, 1)).v[1]));
  CHECK(pow(0.0, J(1.5, 0)).v[0] == 0.0);
}

TEST_CASE("derivatives that are infinite or do not exist are not hidden") {
  using J = Jet<double, 1>;
  CHECK(sqrt(J(0.0, 0)).a == 0.0);
  CHECK(sqrt(J(0.0, 0)).v[0] == infinity);
  CHECK(cbrt(J(0.0, 0)).v[0] == infinity);
  CHECK(std::isnan(hypot(J(0.0, 0), 0.0).v[0]));
  CHECK(abs(J(0.0, 0)).v[0] == 1.0);
  CHECK(abs(J(-0.0, 0)).v[0] == -1.0);
}

TEST_CASE("hypot of three arguments neither overflows nor loses small arguments") {
  using J = Jet<double, 1>;
  const J huge = hypot(J(3e300, 0), 4e300, 12e300);
  CHECK(huge.a == Approx(13e300));
  CHECK(huge.v[0] == Approx(3.0 / 13));
  const J tiny = hypot(J(3e-310, 0), 4e-310, 12e-310);
  CHECK(tiny.a == Approx(13e-310));
  CHECK(tiny.v[0] == Approx(3.0 / 13));
  CHECK(hypot(J(0.0, 0), 0.0, 2.0).v[0] == 0.0);
  CHECK(isinf(hypot(J(infinity, 0), 0.0, 2.0)));
}

TEST_CASE("derivatives keep relative accuracy where the textbook form cancels") {
  using J = Jet<double, 1>;
  CHECK(tanh(J(20.0, 0)).v[0] == Approx(static_cast<double>(4 * std::exp(-40.0L))).epsilon(1e-14));
  CHECK(expm1(J(-40.0, 0)).v[0] == Approx(std::exp(-40.0)).epsilon(1e-14));
  const double near_one = 1 - 1e-12;
  const Wide gap = 1 - Wide(near_one);
  CHECK(asin(J(near_one, 0)).v[0] ==
        Approx(static_cast<double>(1 / std::sqrt(gap * (2 - gap)))).epsilon(1e-14));
}

TEST_CASE("the smaller and larger of two jets ignore a NaN and keep the first on a tie") {
  using J = Jet<double, 2>;
  const J nan = not_a_number;
  const J x(1.0, 0);
  CHECK(fmin(nan, x).a == 1.0);
  CHECK(fmax(x, nan).a == 1.0);
  CHECK(fmin(x, J(1.0, 1)).v[0] == 1.0);
  CHECK(fmax(x, J(1.0, 1)).v[0] == 1.0);
  CHECK(fmin(x, 0.5).v[0] == 0.0);
  CHECK(fmax(0.5, x).v[0] == 1.0);
}

TEST_CASE("partials add and scale as vectors") {
  kappa::Partials<double, 3> p{{1, 2, 3}};
  p += p;
  p *= 0.5;
  const auto q = 2.0 * p - p + p * 3.0;
  CHECK(q[0] == 4.0);
  CHECK(q[2] == 12.0);
  CHECK(kappa::Partials<double, 3>::size() == 3);
}

namespace {

// Three outputs of eleven unknowns, so that a Jacobian takes more than one pass.
struct Eleven {
  template <class T>
  bool operator()(std::span<const T> x, std::span<T> out) const {
    out[0] = x[0] * x[10];
    out[1] = T(0);
    for (const T& entry : x) {
      out[1] += kappa::sin(entry) * x[3];
    }
    out[2] = kappa::exp(x[7] * x[8] / T(4)) + x[9];
    return x[0] < T(100);
  }
};

}  // namespace

TEST_CASE("the Jacobian of a vector function agrees with differences in long double") {
  const kappa::Index n = 11;
  std::vector<double> x(11);
  for (std::size_t i = 0; i < x.size(); ++i) {
    x[i] = 0.3 + 0.17 * static_cast<double>(i);
  }
  std::vector<double> storage(40, -7.0);
  const kappa::MatrixRef J{storage.data(), 3, n, 3};
  REQUIRE(kappa::jacobian(Eleven{}, x, 3, J));
  for (kappa::Index j = 0; j < n; ++j) {
    for (std::size_t k = 0; k < 3; ++k) {
      const auto along = [&](Wide t) {
        std::vector<Wide> y(x.begin(), x.end());
        y[static_cast<std::size_t>(j)] = t;
        std::vector<Wide> out(3);
        Eleven{}(std::span<const Wide>(y), std::span<Wide>(out));
        return out[k];
      };
      CHECK(discrepancy(J(static_cast<kappa::Index>(k), j),
                        first_difference(along, x[static_cast<std::size_t>(j)])) < 1e-12);
    }
  }
  CHECK(storage[33] == -7.0);
  x[0] = 200;
  CHECK_FALSE(kappa::jacobian(Eleven{}, x, 3, J));
  CHECK_THROWS_AS(kappa::jacobian(Eleven{}, x, 2, J), kappa::ContractError);
}
