#include "kappa/hyper_jet.h"

#include <cmath>
#include <limits>
#include <vector>

#include "support/catch.h"
#include "unit/elementary_cases.h"

using kappa::HyperJet;
using kappa::Jet;
using kappa_test::discrepancy;
using kappa_test::first_difference;
using kappa_test::mixed_difference;
using kappa_test::second_difference;
using kappa_test::Wide;

TEST_CASE("a hyper jet's first and second derivatives agree with the function in long double") {
  for (const auto& [name, f, wide, points] : kappa_test::unary_cases<HyperJet<double, 2>>()) {
    for (const double x : points) {
      INFO(name << " at " << x);
      const auto y = f(HyperJet<double, 2>(x, 1));
      CHECK(discrepancy(y.a, wide(x)) < 4e-16);
      CHECK(discrepancy(y.v[1], first_difference(wide, x)) < 1e-12);
      CHECK(discrepancy(y.hessian(1, 1), second_difference(wide, x)) < 1e-11);
      CHECK(y.v[0] == 0.0);
      CHECK(y.hessian(0, 0) == 0.0);
      CHECK(y.hessian(0, 1) == 0.0);
    }
  }
  for (const auto& [name, f, wide, x, y] : kappa_test::binary_cases<HyperJet<double, 3>>()) {
    INFO(name << " at " << x << ", " << y);
    const auto z = f(HyperJet<double, 3>(x, 0), HyperJet<double, 3>(y, 2));
    const auto along_x = [g = wide, s = y](Wide t) { return g(t, s); };
    const auto along_y = [g = wide, s = x](Wide t) { return g(s, t); };
    CHECK(discrepancy(z.a, wide(x, y)) < 4e-16);
    CHECK(discrepancy(z.v[0], first_difference(along_x, x)) < 1e-12);
    CHECK(discrepancy(z.v[2], first_difference(along_y, y)) < 1e-12);
    CHECK(discrepancy(z.hessian(0, 0), second_difference(along_x, x)) < 1e-11);
    CHECK(discrepancy(z.hessian(2, 2), second_difference(along_y, y)) < 1e-11);
    CHECK(discrepancy(z.hessian(2, 0), mixed_difference(wide, x, y)) < 1e-11);
    CHECK(z.hessian(1, 0) == 0.0);
    CHECK(z.hessian(2, 1) == 0.0);
  }
}

TEST_CASE("a jet of jets holds the same second derivatives as a hyper jet") {
  using Inner = Jet<double, 2>;
  using Nested = Jet<Inner, 2>;
  const auto seeded = [](double value, int k) { return Nested(Inner(value, k), k); };
  const auto nested_unary = kappa_test::unary_cases<Nested>();
  const auto hyper_unary = kappa_test::unary_cases<HyperJet<double, 2>>();
  for (std::size_t k = 0; k < nested_unary.size(); ++k) {
    for (const double x : nested_unary[k].points) {
      INFO(nested_unary[k].name << " at " << x);
      const auto nested = nested_unary[k].f(seeded(x, 0));
      const auto hyper = hyper_unary[k].f(HyperJet<double, 2>(x, 0));
      CHECK(discrepancy(nested.a.a, hyper.a) < 1e-15);
      CHECK(discrepancy(nested.a.v[0], hyper.v[0]) < 1e-14);
      CHECK(discrepancy(nested.v[0].v[0], hyper.h[0]) < 1e-13);
    }
  }
  const auto nested_binary = kappa_test::binary_cases<Nested>();
  const auto hyper_binary = kappa_test::binary_cases<HyperJet<double, 2>>();
  for (std::size_t k = 0; k < nested_binary.size(); ++k) {
    const auto& [name, f, wide, x, y] = nested_binary[k];
    INFO(name << " at " << x << ", " << y);
    const auto nested = f(seeded(x, 0), seeded(y, 1));
    const auto hyper = hyper_binary[k].f(HyperJet<double, 2>(x, 0), HyperJet<double, 2>(y, 1));
    for (int i = 0; i < 2; ++i) {
      CHECK(discrepancy(nested.v[i].a, hyper.v[i]) < 1e-14);
      for (int j = 0; j < 2; ++j) {
        CHECK(discrepancy(nested.v[i].v[j], hyper.hessian(i, j)) < 1e-13);
      }
    }
  }
}

TEST_CASE("jets over two groups of variables nest, and give the mixed block") {
  // f = x^2 y sin(z), x in the inner jet, y and z in the outer one.
  using Inner = Jet<double, 2>;
  using Outer = Jet<Inner, 3>;
  const Outer x = Inner(1.5, 0);
  const Outer y(Inner(2.0), 1);
  const Outer z(Inner(0.7), 2);
  const Outer f = pow(x, 2) * y * sin(z);
  CHECK(f.v[1].v[0] == Approx(2 * 1.5 * std::sin(0.7)));
  CHECK(f.v[2].v[0] == Approx(2 * 1.5 * 2.0 * std::cos(0.7)));
  CHECK(f.v[0].v[0] == 0.0);
}

TEST_CASE("a hyper jet over jets gives third derivatives") {
  using Third = HyperJet<Jet<double, 1>, 1>;
  const auto at = [](double x) { return Third(Jet<double, 1>(x, 0), 0); };
  CHECK(sin(at(0.4)).h[0].v[0] == Approx(-std::cos(0.4)));
  CHECK(pow(at(0.0), 3).h[0].v[0] == Approx(6.0));
  CHECK((1 / at(2.0)).h[0].v[0] == Approx(-6.0 / 16));
  CHECK(log(at(2.0)).h[0].v[0] == Approx(2.0 / 8));
}

TEST_CASE("powers at zero have exact first and second derivatives") {
  using H = HyperJet<double, 1>;
  const double infinity = std::numeric_limits<double>::infinity();
  const H zero(0.0, 0);
  const double expected[4][3] = {{1, 0, 0}, {0, 1, 0}, {0, 0, 2}, {0, 0, 0}};
  for (int e = 0; e < 4; ++e) {
    INFO("exponent " << e);
    for (const H& y : {pow(zero, e), pow(zero, static_cast<double>(e)), pow(zero, H(e))}) {
      CHECK(y.a == expected[e][0]);
      CHECK(y.v[0] == expected[e][1]);
      CHECK(y.h[0] == expected[e][2]);
    }
  }
  CHECK(pow(zero, 1.5).v[0] == 0.0);
  CHECK(pow(zero, 1.5).h[0] == infinity);
  CHECK(pow(H(-3.0, 0), 3).h[0] == -18.0);
  CHECK(sqrt(zero).v[0] == infinity);
  CHECK_FALSE(std::isfinite(sqrt(zero).h[0]));

  using Two = HyperJet<double, 2>;
  const Two both = pow(Two(0.0, 0), Two(3.0, 1));
  CHECK(both.h[0] == 0.0);
  CHECK(both.h[1] == 0.0);
  CHECK(both.h[2] == 0.0);
  CHECK(pow(Two(0.0, 0), Two(2.0, 1)).h[0] == 2.0);
}

TEST_CASE("the packed Hessian is lower triangular by rows") {
  using H = HyperJet<double, 3>;
  static_assert(H::packed_size == 6);
  const H f = H(2.0, 0) * H(3.0, 1) + pow(H(5.0, 2), 2) + 4 * H(3.0, 1) * H(5.0, 2);
  const double expected[6] = {0, 1, 0, 0, 4, 2};
  for (int k = 0; k < 6; ++k) {
    CHECK(f.h[k] == expected[k]);
  }
  CHECK(f.hessian(1, 2) == 4.0);
  CHECK(f.hessian(2, 1) == 4.0);
  CHECK_THROWS_AS(H(1.0, 3), kappa::ContractError);
}

TEST_CASE("hyper jets compare and classify by value") {
  using H = HyperJet<double, 2>;
  const H x(1.0, 0);
  CHECK(x == H(1.0, 1));
  CHECK(x < 2);
  CHECK(0 < x);
  CHECK_FALSE(x > H(1.0));
  CHECK(isfinite(x));
  CHECK(isnan(H(std::nan(""))));
  CHECK(std::numeric_limits<H>::lowest() == std::numeric_limits<double>::lowest());
  CHECK(is_constant(H(3)));
  CHECK_FALSE(is_constant(x));
}
