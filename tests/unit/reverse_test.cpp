#include "kappa/reverse.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <span>
#include <thread>
#include <vector>

#include "kappa/differentiate.h"
#include "kappa/hyper_jet.h"
#include "kappa/jet.h"
#include "support/catch.h"
#include "unit/elementary_cases.h"

using kappa::HyperJet;
using kappa::Index;
using kappa::Jet;
using kappa::MatrixRef;
using kappa::Tape;
using kappa::Var;
using kappa_test::discrepancy;
using kappa_test::first_difference;
using kappa_test::Wide;

namespace {

// A chain with products of neighbours and a division: n - 1 terms, a tridiagonal Hessian plus one
// dense corner.
struct Chain {
  template <class T>
  T operator()(std::span<const T> x) const {
    using std::atan2;
    using std::exp;
    T sum = x[0] * x[x.size() - 1];
    for (std::size_t i = 0; i + 1 < x.size(); ++i) {
      const T gap = x[i + 1] - x[i] * x[i];
      sum += 100.0 * gap * gap + exp(-x[i] / 3.0) + atan2(x[i], x[i + 1]);
    }
    return sum;
  }
};

struct ThreeOutputs {
  template <class T>
  void operator()(std::span<const T> x, std::span<T> out) const {
    using std::sin;
    out[0] = x[0] * x[1] * x[x.size() - 1];
    out[1] = T(0);
    for (const T& entry : x) {
      out[1] += entry * sin(entry * x[2]);
    }
    out[2] = T(4.0);
  }
};

std::vector<double> point(std::size_t n) {
  std::vector<double> x(n);
  for (std::size_t i = 0; i < n; ++i) {
    x[i] = 0.6 + 0.3 * std::cos(static_cast<double>(3 * i));
  }
  return x;
}

Wide along(const std::vector<double>& x, std::size_t i, Wide t) {
  std::vector<Wide> y(x.begin(), x.end());
  y[i] = t;
  return Chain{}(std::span<const Wide>(y));
}

constexpr int small = 5;
using H = HyperJet<double, small>;

std::array<H, small> seeded(const std::vector<double>& x) {
  std::array<H, small> result;
  for (int i = 0; i < small; ++i) {
    result[static_cast<std::size_t>(i)] = H(x[static_cast<std::size_t>(i)], i);
  }
  return result;
}

}  // namespace

TEST_CASE("reverse differentiation of every function agrees with the forward one") {
  Tape<double> tape;
  const auto reverse_unary = kappa_test::unary_cases<Var<double>>();
  const auto forward_unary = kappa_test::unary_cases<Jet<double, 1>>();
  for (std::size_t k = 0; k < reverse_unary.size(); ++k) {
    for (const double x : reverse_unary[k].points) {
      INFO(reverse_unary[k].name << " at " << x);
      const Tape<double>::Recording recording(tape);
      const auto y = reverse_unary[k].f(tape.input(x));
      const auto forward = forward_unary[k].f(Jet<double, 1>(x, 0));
      double derivative = 0;
      tape.gradient(y, {&derivative, 1});
      CHECK(y.a == forward.a);
      CHECK(discrepancy(derivative, forward.v[0]) < 1e-15);
      CHECK(discrepancy(derivative, first_difference(reverse_unary[k].wide, x)) < 1e-12);
    }
  }
  const auto reverse_binary = kappa_test::binary_cases<Var<double>>();
  const auto forward_binary = kappa_test::binary_cases<Jet<double, 2>>();
  for (std::size_t k = 0; k < reverse_binary.size(); ++k) {
    const auto& [name, f, wide, x, y] = reverse_binary[k];
    INFO(name << " at " << x << ", " << y);
    const Tape<double>::Recording recording(tape);
    const auto u = tape.input(x);
    const auto v = tape.input(y);
    const auto z = f(u, v);
    const auto forward = forward_binary[k].f(Jet<double, 2>(x, 0), Jet<double, 2>(y, 1));
    std::array<double, 2> gradient{};
    tape.gradient(z, gradient);
    CHECK(z.a == forward.a);
    CHECK(discrepancy(gradient[0], forward.v[0]) < 1e-15);
    CHECK(discrepancy(gradient[1], forward.v[1]) < 1e-15);
  }
}

TEST_CASE("forward over reverse gives the second derivative of every function") {
  using S = Jet<double, 1>;
  Tape<S> tape;
  const auto reverse = kappa_test::unary_cases<Var<S>>();
  const auto forward = kappa_test::unary_cases<HyperJet<double, 1>>();
  for (std::size_t k = 0; k < reverse.size(); ++k) {
    for (const double x : reverse[k].points) {
      INFO(reverse[k].name << " at " << x);
      const Tape<S>::Recording recording(tape);
      const auto y = reverse[k].f(tape.input(S(x, 0)));
      S derivative;
      tape.gradient(y, {&derivative, 1});
      const auto hyper = forward[k].f(HyperJet<double, 1>(x, 0));
      CHECK(discrepancy(derivative.a, hyper.v[0]) < 1e-14);
      CHECK(discrepancy(derivative.v[0], hyper.h[0]) < 1e-13);
    }
  }
}

TEST_CASE("the gradient of a function of many unknowns agrees with differences in long double") {
  const std::vector<double> x = point(20);
  std::vector<double> gradient(20);
  const double value = kappa::value_and_gradient(Chain{}, x, gradient);
  CHECK(value == Approx(static_cast<double>(along(x, 0, x[0]))).epsilon(1e-14));
  for (std::size_t i = 0; i < x.size(); ++i) {
    INFO("entry " << i);
    CHECK(discrepancy(gradient[i], first_difference([&](Wide t) { return along(x, i, t); }, x[i])) < 1e-12);
  }
}

TEST_CASE("the Hessian by chunks equals a hyper jet's and is exactly symmetric") {
  const std::vector<double> x = point(small);
  std::vector<double> storage(small * small);
  const MatrixRef hessian{storage.data(), small, small, small};
  kappa::hessian(Chain{}, x, hessian);
  const auto expected = Chain{}(std::span<const H>(seeded(x)));
  for (int i = 0; i < small; ++i) {
    for (int j = 0; j < small; ++j) {
      CHECK(discrepancy(hessian(i, j), expected.hessian(i, j)) < 1e-13);
      CHECK(hessian(i, j) == hessian(j, i));
    }
  }
}

TEST_CASE("the Hessian of more unknowns than one chunk agrees with differences of the gradient") {
  const Index n = 19;
  const std::vector<double> x = point(19);
  std::vector<double> storage(21 * 19, -7.0);
  const MatrixRef hessian{storage.data(), n, n, 21};
  Tape<Jet<double, 8>> tape;
  kappa::hessian(Chain{}, x, hessian, tape);
  for (Index j = 0; j < n; ++j) {
    for (Index i = 0; i < n; ++i) {
      const auto slope = [&](Wide t) {
        std::vector<Wide> y(x.begin(), x.end());
        y[static_cast<std::size_t>(j)] = t;
        return first_difference(
            [&](Wide s) {
              y[static_cast<std::size_t>(i)] += s;
              const Wide value = Chain{}(std::span<const Wide>(y));
              y[static_cast<std::size_t>(i)] -= s;
              return value;
            },
            0);
      };
      INFO("entry " << i << ", " << j);
      CHECK(discrepancy(hessian(i, j), first_difference(slope, x[static_cast<std::size_t>(j)])) < 1e-10);
      CHECK(hessian(i, j) == hessian(j, i));
    }
    CHECK(storage[static_cast<std::size_t>(19 + 21 * j)] == -7.0);
  }
}

TEST_CASE("a Hessian product is the Hessian times the vector") {
  const Index n = 11;
  const std::vector<double> x = point(11);
  std::vector<double> v(11);
  for (std::size_t i = 0; i < v.size(); ++i) {
    v[i] = std::sin(1.0 + static_cast<double>(i));
  }
  std::vector<double> storage(121);
  const MatrixRef hessian{storage.data(), n, n, n};
  kappa::hessian(Chain{}, x, hessian);
  std::vector<double> product(11);
  Tape<Jet<double, 1>> tape;
  kappa::hessian_product(Chain{}, x, v, product, tape);
  for (Index i = 0; i < n; ++i) {
    double expected = 0;
    for (Index j = 0; j < n; ++j) {
      expected += hessian(i, j) * v[static_cast<std::size_t>(j)];
    }
    CHECK(discrepancy(product[static_cast<std::size_t>(i)], expected) < 1e-12);
  }
}

TEST_CASE(
    "the second derivatives of a vector function agree with hyper jets, weighted, as products and in full") {
  const std::vector<double> x = point(small);
  const std::vector<double> weights = {2.0, -0.5, 3.0};
  const std::vector<double> v = {1.0, -2.0, 0.5, 0.0, 3.0};
  const auto y = seeded(x);
  std::array<H, 3> expected;
  ThreeOutputs{}(std::span<const H>(y), std::span<H>(expected));

  std::vector<double> storage(small * small);
  const MatrixRef weighted{storage.data(), small, small, small};
  REQUIRE(kappa::weighted_hessian(ThreeOutputs{}, x, 3, weights, weighted));
  std::vector<double> product(small);
  REQUIRE(kappa::weighted_hessian_product(ThreeOutputs{}, x, weights, v, product));
  std::vector<double> full;
  REQUIRE(kappa::third_order_hessian(ThreeOutputs{}, x, 3, full));
  REQUIRE(full.size() == 3 * small * small);
  for (int i = 0; i < small; ++i) {
    double row_times_v = 0;
    for (int j = 0; j < small; ++j) {
      double sum = 0;
      for (std::size_t k = 0; k < 3; ++k) {
        const double entry = expected[k].hessian(i, j);
        CHECK(discrepancy(full[k * 25 + static_cast<std::size_t>(5 * i + j)], entry) < 1e-14);
        sum += weights[k] * entry;
      }
      CHECK(discrepancy(weighted(i, j), sum) < 1e-14);
      row_times_v += sum * v[static_cast<std::size_t>(j)];
    }
    CHECK(discrepancy(product[static_cast<std::size_t>(i)], row_times_v) < 1e-14);
  }
}

TEST_CASE("the third-order array of more unknowns than one chunk is symmetric and equals weighted Hessians") {
  const std::vector<double> x = point(10);
  std::vector<double> full;
  REQUIRE(kappa::third_order_hessian(ThreeOutputs{}, x, 3, full));
  for (std::size_t k = 0; k < 3; ++k) {
    std::vector<double> weights(3, 0.0);
    weights[k] = 1;
    std::vector<double> storage(100);
    const MatrixRef one{storage.data(), 10, 10, 10};
    REQUIRE(kappa::weighted_hessian(ThreeOutputs{}, x, 3, weights, one));
    for (std::size_t i = 0; i < 10; ++i) {
      for (std::size_t j = 0; j < 10; ++j) {
        CHECK(full[k * 100 + i * 10 + j] == one(static_cast<Index>(i), static_cast<Index>(j)));
        CHECK(full[k * 100 + i * 10 + j] == full[k * 100 + j * 10 + i]);
      }
    }
  }
}

TEST_CASE("a vector function that leaves its domain stops the differentiation") {
  const auto refuses = [](auto x, auto out) {
    out[0] = x[0];
    return x[0] > 1;
  };
  const std::vector<double> x = {0.5};
  const std::vector<double> one = {1.0};
  std::vector<double> out(1);
  const MatrixRef entry{out.data(), 1, 1, 1};
  CHECK_FALSE(kappa::weighted_hessian(refuses, x, 1, one, entry));
  CHECK_FALSE(kappa::weighted_hessian_product(refuses, x, one, one, out));
  CHECK_FALSE(kappa::third_order_hessian(refuses, x, 1, out));
  const std::vector<double> within = {2.0};
  CHECK(kappa::weighted_hessian(refuses, within, 1, one, entry));
}

TEST_CASE("constants cost no node, nor does adding one") {
  Tape<double> tape;
  const Tape<double>::Recording recording(tape);
  const Var<double> x = tape.input(2.0);
  const Var<double> constant = sin(Var<double>(3.0)) * 2.0 + 1.0;
  CHECK(tape.size() == 1);
  const Var<double> shifted = x + 5.0 - 2.0;
  CHECK(tape.size() == 1);
  const Var<double> y = shifted * constant;
  CHECK(tape.size() == 2);
  double derivative = 0;
  tape.gradient(y, {&derivative, 1});
  CHECK(derivative == constant.a);
  tape.gradient(constant, {&derivative, 1});
  CHECK(derivative == 0.0);
}

TEST_CASE("an intermediate that the output does not use cannot spoil the gradient") {
  Tape<double> tape;
  const Tape<double>::Recording recording(tape);
  const Var<double> x = tape.input(0.0);
  const Var<double> unused = sqrt(x);
  const Var<double> y = 3.0 * x;
  double derivative = 0;
  tape.gradient(y, {&derivative, 1});
  CHECK(derivative == 3.0);
  tape.gradient(unused, {&derivative, 1});
  CHECK(derivative == std::numeric_limits<double>::infinity());
}

TEST_CASE("a recorded number compares by value and has the scalar's limits") {
  using V = Var<double>;
  CHECK(V(1.0) < V(2.0));
  CHECK(V(1.0) == 1);
  CHECK(3 >= V(2.0));
  CHECK(std::max(V(1.0), V(2.0)).a == 2.0);
  CHECK(isnan(std::numeric_limits<V>::quiet_NaN()));
  CHECK(pow(V(0.0), 0).a == 1.0);
}

TEST_CASE("recordings nest, and the outer tape continues after the inner one") {
  Tape<double> outer, inner;
  const Tape<double>::Recording first(outer);
  const Var<double> x = outer.input(3.0);
  double inside = 0;
  {
    const Tape<double>::Recording second(inner);
    inner.gradient(exp(inner.input(1.0)), {&inside, 1});
  }
  CHECK(inside == std::exp(1.0));
  double outside = 0;
  outer.gradient(x * x, {&outside, 1});
  CHECK(outside == 6.0);
}

TEST_CASE("a reused tape gives the same bits as a new one") {
  const std::vector<double> x = point(30);
  std::vector<double> fresh(30), reused(30), longer(50);
  Tape<double> tape;
  kappa::value_and_gradient(Chain{}, point(50), longer, tape);
  kappa::value_and_gradient(Chain{}, x, reused, tape);
  kappa::value_and_gradient(Chain{}, x, fresh);
  CHECK(fresh == reused);
}

TEST_CASE("two threads differentiate at once without disturbing each other") {
  const std::vector<double> x = point(200);
  std::vector<double> expected(200);
  kappa::value_and_gradient(Chain{}, x, expected);
  std::array<int, 2> wrong = {0, 0};
  const auto work = [&](int& count) {
    Tape<double> tape;
    std::vector<double> gradient(200);
    for (int repeat = 0; repeat < 50; ++repeat) {
      kappa::value_and_gradient(Chain{}, x, gradient, tape);
      count += gradient == expected ? 0 : 1;
    }
  };
  std::thread other(work, std::ref(wrong[0]));
  work(wrong[1]);
  other.join();
  CHECK(wrong[0] == 0);
  CHECK(wrong[1] == 0);
}

TEST_CASE("wrong sizes and stray variables break the contract") {
  const std::vector<double> x = point(4);
  std::vector<double> three(3), four(4), sixteen(16);
  CHECK_THROWS_AS(kappa::value_and_gradient(Chain{}, x, three), kappa::ContractError);
  CHECK_THROWS_AS(kappa::hessian_product(Chain{}, x, three, four), kappa::ContractError);
  CHECK_THROWS_AS(kappa::hessian_product(Chain{}, x, four, three), kappa::ContractError);
  CHECK_THROWS_AS(kappa::hessian(Chain{}, x, MatrixRef{sixteen.data(), 3, 4, 4}), kappa::ContractError);
  CHECK_THROWS_AS(kappa::weighted_hessian(ThreeOutputs{}, x, 3, four, MatrixRef{sixteen.data(), 4, 4, 4}),
                  kappa::ContractError);
  Tape<double> tape;
  Var<double> left;
  {
    const Tape<double>::Recording recording(tape);
    left = tape.input(1.0);
    const Var<double> y = left * left;
    CHECK_THROWS_AS(tape.input(2.0), kappa::ContractError);
    CHECK_THROWS_AS(tape.gradient(y, three), kappa::ContractError);
  }
  CHECK_THROWS_AS(left * left, kappa::ContractError);
}
