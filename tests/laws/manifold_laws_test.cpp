// Every manifold keeps the laws of docs/concepts.md; the closed forms of the groups also agree with jets, and
// with long double differences of the same formulas.
#include "support/manifold_laws.h"

#include <array>
#include <cmath>
#include <numbers>

#include "kappa/rotation.h"
#include "problems/manifold/formulas.h"
#include "support/catch.h"

using kappa::Index;
using kappa::Manifold;
using kappa::Matrix;
using kappa::QuaternionOrder;
using kappa::testing::broken_manifold_laws;
using kappa::testing::ManifoldLaws;
using kappa::testing::ManifoldLawSettings;
using Vector = std::vector<double>;
namespace manifolds = kappa::manifolds;

namespace {

constexpr double pi = std::numbers::pi;
using Vectors = ManifoldLawSettings::Vectors;
using Reach = ManifoldLawSettings::Reach;

/// A user's manifold: positive numbers, x exp(d).
struct Positive {
  template <class T>
  void plus(const T* x, const T* d, T* out) const {
    for (int i = 0; i < 2; ++i) {
      out[i] = x[i] * exp(d[i]);
    }
  }
  void minus(const double* y, const double* x, double* d) const {
    for (int i = 0; i < 2; ++i) {
      d[i] = std::log(y[i] / x[i]);
    }
  }
  double departure(const double* x) const { return x[0] > 0 && x[1] > 0 ? 0.0 : kappa::infinity; }
  void normalize(double* x) const {
    for (int i = 0; i < 2; ++i) {
      x[i] = std::fabs(x[i]) + 0.1;
    }
  }
};

/// As functors for Ceres are written: the circle, with a retraction that projects.
struct Circle {
  template <class T>
  bool Plus(const T* x, const T* d, T* out) const {
    using std::sqrt;
    const T a = x[0] - x[1] * d[0];
    const T b = x[1] + x[0] * d[0];
    const T length = sqrt(a * a + b * b);
    out[0] = a / length;
    out[1] = b / length;
    return true;
  }
  template <class T>
  bool Minus(const T* y, const T* x, T* d) const {
    d[0] = (x[0] * y[1] - x[1] * y[0]) / (x[0] * y[0] + x[1] * y[1]);
    return true;
  }
};

/// A class with no second derivatives of its own: x moves along (cosh, sinh) of a hyperbola.
class Hyperbola final : public Manifold {
 public:
  Hyperbola() : Manifold("a hyperbola", 2, 1) {}

 private:
  void do_plus(const double* x, const double* d, double* out) const override {
    const double c = std::cosh(d[0]);
    const double s = std::sinh(d[0]);
    const double a = x[0] * c + x[1] * s;
    const double b = x[0] * s + x[1] * c;
    out[0] = d[0] == 0 ? a : std::sqrt(1 + b * b);
    out[1] = b;
  }
  void do_minus(const double* y, const double* x, double* d) const override {
    d[0] = std::asinh(y[1]) - std::asinh(x[1]);
  }
  void do_plus_jacobian(const double* x, kappa::MatrixRef P) const override {
    P(0, 0) = x[1];
    P(1, 0) = x[0];
  }
  double do_departure(const double* x) const override {
    return std::fabs(x[0] - std::sqrt(1 + x[1] * x[1])) / (1 + std::fabs(x[1]));
  }
  void do_normalize(double* x) const override { x[0] = std::sqrt(1 + x[1] * x[1]); }
};

}  // namespace

TEST_CASE("every manifold keeps its laws", "[manifold][laws]") {
  struct Case {
    manifolds::Shared manifold;
    ManifoldLawSettings settings = {};
  };
  const std::vector<Case> cases = {
      {manifolds::euclidean(5)},
      {manifolds::subset(5, {1, 3}), {.reach = Reach::steps}},
      {manifolds::angle()},
      {manifolds::so2()},
      {manifolds::se2()},
      {manifolds::so3(), {.vectors = Vectors::several}},
      {manifolds::so3(QuaternionOrder::xyzw), {.vectors = Vectors::several}},
      {manifolds::se3(), {.vectors = Vectors::several}},
      {manifolds::se3(QuaternionOrder::xyzw), {.vectors = Vectors::several}},
      {manifolds::unit_quaternion()},
      {manifolds::unit_quaternion(QuaternionOrder::xyzw)},
      {manifolds::sphere(2)},
      {manifolds::sphere(3)},
      {manifolds::sphere(9)},
      {manifolds::homogeneous(3), {.radius = 1.5, .vectors = Vectors::several}},
      {manifolds::homogeneous(4), {.radius = 1.5, .vectors = Vectors::several}},
      {manifolds::product({manifolds::euclidean(3), manifolds::unit_quaternion(QuaternionOrder::xyzw)})},
      {manifolds::product({manifolds::sphere(3), manifolds::subset(2, {0}), manifolds::se2()}),
       {.reach = Reach::steps}},
      {manifolds::custom<2, 1>(Circle{}, "a circle"),
       {.radius = 1.2, .reach = Reach::steps, .zero_step = 1e-15}},
  };
  for (const Case& c : cases) {
    for (const std::string& broken : broken_manifold_laws(*c.manifold, c.settings)) {
      FAIL_CHECK(broken);
    }
  }
  // Conditioned by their own shape: cosh and exp magnify rounding.
  for (const std::string& broken : broken_manifold_laws(Hyperbola(), {.radius = 1, .tolerance = 1e-13})) {
    FAIL_CHECK(broken);
  }
  // Closure's thousand steps would overflow on a half-line, so only what makes sense of them.
  CHECK(broken_manifold_laws(*manifolds::custom<2, 2>(Positive{}, "the positive numbers"),
                             {.radius = 0.5, .tolerance = 1e-13})
            .empty());
}

TEST_CASE("lines keep their laws where directions are less than a right angle apart", "[manifold][laws]") {
  for (const Index n : {2, 3, 5}) {
    const auto line = manifolds::line(n);
    // Two random directions may be near a right angle apart, which leaves few digits of the point of
    // crossing.
    for (const std::string& broken :
         broken_manifold_laws(*line, {.radius = 1.5, .tolerance = 1e-13, .vectors = Vectors::several})) {
      FAIL_CHECK(broken);
    }
  }
}

namespace {

/// P and S of a formula by kappa's jets, against its closed form.
template <class Formula>
void check_against_jets(const char* name, const Manifold& manifold) {
  INFO(name);
  constexpr int n = Formula::ambient;
  constexpr int m = Formula::tangent;
  using H = kappa::HyperJet<double, m>;
  ManifoldLaws draw(manifold);
  for (int sample = 0; sample < 5; ++sample) {
    const Vector x = draw.point();
    const Vector w = [&] {
      Vector out(x.size());
      for (std::size_t i = 0; i < out.size(); ++i) {
        out[i] = std::sin(static_cast<double>(i) + sample);
      }
      return out;
    }();
    std::array<H, n> point;
    std::array<H, m> delta;
    std::array<H, n> out;
    for (int i = 0; i < n; ++i) {
      point[static_cast<std::size_t>(i)] = H(x[static_cast<std::size_t>(i)]);
    }
    for (int j = 0; j < m; ++j) {
      delta[static_cast<std::size_t>(j)] = H(0.0, j);
    }
    Formula::plus(point.data(), delta.data(), out.data());
    Matrix P(n, m);
    Matrix S(m, m);
    manifold.plus_jacobian(x, P);
    manifold.plus_second(x, w, S);
    for (int j = 0; j < m; ++j) {
      for (int i = 0; i < n; ++i) {
        CHECK(std::fabs(P(i, j) - out[static_cast<std::size_t>(i)].v[j]) < 1e-15);
      }
      for (int k = 0; k < m; ++k) {
        double expected = 0;
        for (int i = 0; i < n; ++i) {
          expected += w[static_cast<std::size_t>(i)] * out[static_cast<std::size_t>(i)].hessian(k, j);
        }
        CHECK(std::fabs(S(k, j) - expected) < 1e-15);
      }
    }
  }
}

/// The same against differences of order eight in long double, whose error is near 1e-15.
template <class Formula>
void check_against_long_double(const char* name, const Manifold& manifold) {
  INFO(name);
  using Wide = long double;
  constexpr int n = Formula::ambient;
  constexpr int m = Formula::tangent;
  constexpr Wide h = 0.01L;
  const Vector x = ManifoldLaws(manifold, {.seed = 3}).point();
  std::array<Wide, n> point;
  std::copy(x.begin(), x.end(), point.begin());
  const auto moved = [&](int j, Wide t) {
    std::array<Wide, m> delta{};
    delta[static_cast<std::size_t>(j)] = t;
    std::array<Wide, n> out;
    Formula::plus(point.data(), delta.data(), out.data());
    return out;
  };
  Matrix P(n, m);
  manifold.plus_jacobian(x, P);
  for (int j = 0; j < m; ++j) {
    Matrix S(m, m);
    for (int i = 0; i < n; ++i) {
      const auto e = static_cast<std::size_t>(i);
      Wide first = 0;
      Wide second = -205 / 72.0L * moved(j, 0)[e];
      const Wide a[] = {4 / 5.0L, -1 / 5.0L, 4 / 105.0L, -1 / 280.0L};
      const Wide b[] = {8 / 5.0L, -1 / 5.0L, 8 / 315.0L, -1 / 560.0L};
      for (int k = 1; k <= 4; ++k) {
        const Wide ahead = moved(j, Wide(k) * h)[e];
        const Wide behind = moved(j, -Wide(k) * h)[e];
        first += a[k - 1] * (ahead - behind) / h;
        second += b[k - 1] * (ahead + behind);
      }
      second /= h * h;
      Vector w(static_cast<std::size_t>(n), 0.0);
      w[e] = 1;
      manifold.plus_second(x, w, S);
      CHECK(std::fabs(static_cast<double>(first) - P(i, j)) < 1e-14);
      CHECK(std::fabs(static_cast<double>(second) - S(j, j)) < 1e-12);
    }
  }
}

template <class Formula>
void check_formula(const char* name, const manifolds::Shared& manifold) {
  check_against_jets<Formula>(name, *manifold);
  check_against_long_double<Formula>(name, *manifold);
}

}  // namespace

TEST_CASE("closed forms of the groups equal jets and long double differences", "[manifold]") {
  using namespace kappa::detail;
  constexpr auto wxyz = QuaternionOrder::wxyz;
  constexpr auto xyzw = QuaternionOrder::xyzw;
  check_formula<AngleFormula>("angle", manifolds::angle());
  check_formula<So2Formula>("SO(2)", manifolds::so2());
  check_formula<Se2Formula>("SE(2)", manifolds::se2());
  check_formula<So3Formula<wxyz>>("SO(3)", manifolds::so3());
  check_formula<So3Formula<xyzw>>("SO(3), xyzw", manifolds::so3(xyzw));
  check_formula<UnitQuaternionFormula<wxyz>>("unit quaternion", manifolds::unit_quaternion());
  check_formula<UnitQuaternionFormula<xyzw>>("unit quaternion, xyzw", manifolds::unit_quaternion(xyzw));
  check_formula<Se3Formula<wxyz>>("SE(3)", manifolds::se3());
  check_formula<Se3Formula<xyzw>>("SE(3), xyzw", manifolds::se3(xyzw));
}

TEST_CASE("plus in SE(3) is the exponential series of the 4 x 4 matrix", "[manifold]") {
  const auto se3 = manifolds::se3();
  ManifoldLaws draw(*se3);
  for (const double size : {1e-9, 0.01, 0.99, 1.01, 3.0, 6.0}) {
    const Vector d = draw.step(size);
    Vector y(7);
    se3->plus(Vector{0, 0, 0, 1, 0, 0, 0}, d, y);
    // exp of [theta]x rho; 0 0 by its power series, applied to (p, 1).
    const double p[3] = {0.3, -0.7, 0.2};
    long double term[4] = {p[0], p[1], p[2], 1};
    long double sum[4] = {p[0], p[1], p[2], 1};
    for (int k = 1; k < 80; ++k) {
      const long double next[4] = {d[4] * term[2] - d[5] * term[1] + d[0] * term[3],
                                   d[5] * term[0] - d[3] * term[2] + d[1] * term[3],
                                   d[3] * term[1] - d[4] * term[0] + d[2] * term[3], 0};
      for (int i = 0; i < 4; ++i) {
        term[i] = next[i] / k;
        sum[i] += term[i];
      }
    }
    double turned[3];
    kappa::UnitQuaternionRotatePoint(y.data() + 3, p, turned);
    for (int i = 0; i < 3; ++i) {
      CHECK(std::fabs(y[static_cast<std::size_t>(i)] + turned[i] - static_cast<double>(sum[i])) < 2e-14);
    }
  }
}

TEST_CASE("SE(2) is SE(3) in the plane", "[manifold]") {
  const auto se2 = manifolds::se2();
  const auto se3 = manifolds::se3();
  ManifoldLaws draw(*se2);
  for (int sample = 0; sample < 20; ++sample) {
    const Vector x = draw.point();
    const Vector d = draw.step(0.3 * sample);
    Vector y(3);
    Vector Y(7);
    se2->plus(x, d, y);
    se3->plus(Vector{x[0], x[1], 0, std::cos(x[2] / 2), 0, 0, std::sin(x[2] / 2)},
              Vector{d[0], d[1], 0, 0, 0, d[2]}, Y);
    CHECK(y[0] == Approx(Y[0]).margin(1e-14));
    CHECK(y[1] == Approx(Y[1]).margin(1e-14));
    CHECK(std::cos(y[2]) == Approx(1 - 2 * Y[6] * Y[6]).margin(1e-14));
    CHECK(std::sin(y[2]) == Approx(2 * Y[3] * Y[6]).margin(1e-14));
  }
}

TEST_CASE("logarithms are right up to half a turn", "[manifold]") {
  const Vector axis = {2 / 7.0, -3 / 7.0, 6 / 7.0};
  for (const double angle :
       {0.0, 1e-300, 1e-20, 1e-8, 1e-3, 0.7, 1.0, 3.0, pi - 1e-3, pi - 1e-8, pi - 1e-15}) {
    INFO(angle);
    const Vector d = {angle * axis[0], angle * axis[1], angle * axis[2]};
    const Vector identity = {1, 0, 0, 0};
    Vector y(4);
    Vector back(3);
    manifolds::so3()->plus(identity, d, y);
    manifolds::so3()->minus(y, identity, back);
    for (std::size_t i = 0; i < 3; ++i) {
      CHECK(std::fabs(back[i] - d[i]) <= 4e-16 * std::fmax(angle, std::fabs(d[i])));
    }
    const Vector pose = {1, 2, 3, 1, 0, 0, 0};
    const Vector delta = {0.5, -4, 2, d[0], d[1], d[2]};
    Vector moved(7);
    Vector step(6);
    manifolds::se3()->plus(pose, delta, moved);
    manifolds::se3()->minus(moved, pose, step);
    for (std::size_t i = 0; i < 6; ++i) {
      CHECK(std::fabs(step[i] - delta[i]) < 1e-14);
    }
    manifolds::se2()->plus(Vector{1, 2, 0.1}, Vector{0.5, -4, angle}, y = Vector(3));
    manifolds::se2()->minus(y, Vector{1, 2, 0.1}, back);
    CHECK(std::fabs(back[0] - 0.5) < 1e-14);
    CHECK(std::fabs(back[1] + 4) < 1e-14);
    CHECK(std::fabs(back[2] - angle) < 1e-15 * (1 + angle));
  }
}

TEST_CASE("a quaternion and its negative are one rotation, and two unit quaternions", "[manifold]") {
  const Vector q = {0.5, 0.5, -0.5, 0.5};
  const Vector minus_q = {-0.5, -0.5, 0.5, -0.5};
  Vector d(3);
  manifolds::so3()->minus(minus_q, q, d);
  CHECK(d == Vector{0, 0, 0});
  manifolds::unit_quaternion()->minus(minus_q, q, d);
  CHECK(std::hypot(d[0], d[1], d[2]) == Approx(pi));
  Vector y(4);
  manifolds::unit_quaternion()->plus(q, d, y);
  for (std::size_t i = 0; i < 4; ++i) {
    CHECK(std::fabs(y[i] - minus_q[i]) < 1e-15);
  }
}

TEST_CASE("the opposite point of a sphere is half a turn away", "[manifold]") {
  const auto sphere = manifolds::sphere(3);
  const Vector x = {0, 0, 1};
  Vector d(2);
  Vector y(3);
  sphere->minus(Vector{0, 0, -1}, x, d);
  CHECK(d[0] == Approx(pi));
  sphere->plus(x, d, y);
  CHECK(y[2] == Approx(-1));
}

TEST_CASE("unit quaternions step as Ceres documents it", "[manifold]") {
  // plus(q, d) = (cos|d|, sin|d| d / |d|) q: a turn by 2 |d| in the fixed frame.
  const double z[4] = {std::cos(0.5), 0.0, std::sin(0.5), 0.0};
  const double w[4] = {0.5, 0.5, -0.5, 0.5};
  double product[4];
  kappa::QuaternionProduct(z, w, product);
  Vector y(4);
  manifolds::unit_quaternion()->plus(Vector{0.5, 0.5, -0.5, 0.5}, Vector{0, 0.5, 0}, y);
  Vector last(4);
  manifolds::unit_quaternion(QuaternionOrder::xyzw)
      ->plus(Vector{0.5, -0.5, 0.5, 0.5}, Vector{0, 0.5, 0}, last);
  for (std::size_t i = 0; i < 4; ++i) {
    CHECK(y[i] == Approx(product[i]).margin(1e-16));
    CHECK(last[i] == Approx(product[(i + 1) % 4]).margin(1e-16));
  }
}

TEST_CASE("angles are wrapped to [-pi, pi)", "[manifold]") {
  const auto angle = manifolds::angle();
  const auto plus = [&](double x, double d) {
    Vector out(1);
    angle->plus(Vector{x}, Vector{d}, out);
    return out[0];
  };
  CHECK(plus(3, 1) == Approx(4 - 2 * pi));
  CHECK(plus(-3, -1) == Approx(2 * pi - 4));
  CHECK(plus(pi, 0) == -pi);
  CHECK(plus(-pi, 0) == -pi);
  CHECK(plus(0.25, 1e6 * 2 * pi) == Approx(0.25).margin(1e-9));
  Vector d(1);
  angle->minus(Vector{-3.1}, Vector{3.1}, d);
  CHECK(d[0] == Approx(2 * pi - 6.2));
  CHECK(angle->contains(Vector{100.0}));
}

TEST_CASE("homogeneous vectors keep their length, and do not mind their sign", "[manifold]") {
  const auto homogeneous = manifolds::homogeneous(4);
  const Vector x = {3, -4, 0, 12};
  Vector y(4);
  homogeneous->plus(x, Vector{0.3, -0.2, 0.9}, y);
  CHECK(std::hypot(std::hypot(y[0], y[1]), std::hypot(y[2], y[3])) == Approx(13));
  for (double& entry : y) {
    entry *= -7;
  }
  Vector d(3);
  homogeneous->minus(y, x, d);
  CHECK(d[0] == Approx(0.3));
  CHECK(d[1] == Approx(-0.2));
  CHECK(d[2] == Approx(0.9));
  CHECK_FALSE(homogeneous->contains(Vector{0, 0, 0, 0}));
  CHECK_FALSE(homogeneous->contains(Vector{1, 0, std::nan(""), 0}));
}

TEST_CASE("a line is the same wherever its point lies on it", "[manifold]") {
  const auto line = manifolds::line(3);
  const Vector x = {1, 2, 3, 0, 0.6, 0.8};
  Vector y(6);
  line->plus(x, Vector{0.3, -0.7, 0.2, 0.1}, y);
  for (std::size_t i = 0; i < 3; ++i) {
    y[i] += 5 * y[i + 3];
  }
  Vector d(4);
  line->minus(y, x, d);
  CHECK(d[0] == Approx(0.3));
  CHECK(d[1] == Approx(-0.7));
  CHECK(d[2] == Approx(0.2));
  CHECK(d[3] == Approx(0.1));
}

TEST_CASE("points off a manifold are seen and can be put on it", "[manifold]") {
  const auto se3 = manifolds::se3();
  Vector x = {1, 2, 3, 2, 0, 0, 0};
  CHECK(se3->departure(x) == Approx(1));
  CHECK_FALSE(se3->contains(x));
  se3->normalize(x);
  CHECK(x == Vector{1, 2, 3, 1, 0, 0, 0});
  CHECK(se3->contains(x));
  CHECK(se3->contains(Vector{1, 2, 3, 1 + 1e-9, 0, 0, 0}));
  CHECK_FALSE(se3->contains(Vector{1, kappa::infinity, 3, 1, 0, 0, 0}));
  CHECK_FALSE(se3->contains(Vector{1, 2, 3, 0, 0, 0, 0}));
  // A functor without a check of its own is judged by where its plus takes the point.
  const auto circle = manifolds::custom<2, 1>(Circle{}, "a circle");
  CHECK(circle->contains(Vector{0.6, 0.8}));
  CHECK_FALSE(circle->contains(Vector{0.6, 0.9}));
  CHECK_FALSE(circle->contains(Vector{0, 0}));
  CHECK_FALSE(manifolds::custom<2, 2>(Positive{})->contains(Vector{1, -1}));
}

TEST_CASE("wrong sizes are said in a sentence", "[manifold]") {
  const auto so3 = manifolds::so3();
  Vector three(3);
  Vector four(4);
  Matrix P(3, 4);
  CHECK_THROWS_WITH(so3->plus(three, three, three), "Manifold::plus: x and out must be ambient_size() long");
  CHECK_THROWS_WITH(so3->plus(four, four, four), "Manifold::plus: delta must be tangent_size() long");
  CHECK_THROWS_AS(so3->minus(four, four, four), kappa::ContractError);
  CHECK_THROWS_WITH(so3->plus_jacobian(four, P),
                    "Manifold::plus_jacobian: P must be ambient_size() x tangent_size()");
  CHECK_THROWS_AS(so3->plus_second(four, three, P), kappa::ContractError);
  CHECK_THROWS_AS(so3->transport(four, three, four, three), kappa::ContractError);
  CHECK_THROWS_AS(so3->departure(three), kappa::ContractError);
  CHECK_THROWS_AS(so3->normalize(three), kappa::ContractError);
  CHECK_THROWS_WITH(
      manifolds::sphere(1),
      "manifolds::sphere: vectors of 1 entries have no directions to move in; give a size of 2 or "
      "more");
  CHECK_THROWS_WITH(
      manifolds::subset(3, {3}),
      "manifolds::subset: entry 3 of a vector of 3 entries is to be constant; name entries 0 to 2, "
      "each once");
  CHECK_THROWS_AS(manifolds::subset(3, {1, 1}), kappa::Error);
  CHECK_THROWS_AS(manifolds::product({}), kappa::Error);
  CHECK_THROWS_AS(manifolds::product({nullptr}), kappa::Error);
  CHECK_THROWS_AS(manifolds::euclidean(0), kappa::Error);
}
