// Blocks evaluated in lanes against the same blocks evaluated one by one, for functors that are easy for
// lanes and for those that only look so. Compiled once for each vector instruction set (CMakeLists.txt).
#include "kappa/lanes.h"

#include <cmath>
#include <memory>
#include <random>
#include <vector>

#include "kappa/lane_groups.h"
#include "kappa/residual_family.h"
#include "kappa/rotation.h"
#include "support/catch.h"
#include "unit/elementary_cases.h"

using kappa::Index;

#if defined(KAPPA_LANES)

namespace {

using kappa::Fingerprint;
using kappa::HyperJet;
using kappa::Jet;
using kappa::Lanes;
using kappa_test::discrepancy;
using kappa_test::Wide;

Lanes lanes_from(double first, double step) {
  return Lanes::from_each([&](int l) { return first + l * step; });
}

}  // namespace

TEST_CASE("an elementary function of lanes is that of each lane") {
  for (const auto& [name, f, wide, points] : kappa_test::unary_cases<Jet<Lanes, 1>>()) {
    const auto scalar = kappa_test::unary_cases<Jet<double, 1>>();
    for (const double x : points) {
      const Lanes spread = Lanes::from_each([&](int l) { return x + 1e-3 * l; });
      const auto y = f(Jet<Lanes, 1>(spread, 0));
      if (kappa::detail::functor_call.diverged) {
        kappa::detail::functor_call = {};  // a step or kink between the lanes
        continue;
      }
      for (const auto& other : scalar) {
        if (other.name != name) {
          continue;
        }
        for (int l = 0; l < Lanes::count; ++l) {
          INFO(name << " at " << spread[l] << ", lane " << l);
          const auto expected = other.f(Jet<double, 1>(spread[l], 0));
          if (std::isfinite(expected.a) && std::isfinite(expected.v[0])) {
            CHECK(discrepancy(y.a[l], expected.a) < 2e-15);
            CHECK(discrepancy(y.v[0][l], expected.v[0]) < 1e-14);
          }
        }
      }
    }
  }
  for (const auto& test : kappa_test::binary_cases<HyperJet<Lanes, 2>>()) {
    INFO(test.name << " at " << test.x << ", " << test.y);
    const auto z = test.f(HyperJet<Lanes, 2>(Lanes(test.x), 0), HyperJet<Lanes, 2>(Lanes(test.y), 1));
    for (const auto& other : kappa_test::binary_cases<HyperJet<double, 2>>()) {
      if (other.name == test.name && other.x == test.x && other.y == test.y) {
        const auto expected = other.f(HyperJet<double, 2>(test.x, 0), HyperJet<double, 2>(test.y, 1));
        CHECK(discrepancy(z.a[3], expected.a) < 2e-15);
        CHECK(discrepancy(z.v[0][3], expected.v[0]) < 1e-14);
        CHECK(discrepancy(z.v[1][3], expected.v[1]) < 1e-14);
        CHECK(discrepancy(z.hessian(1, 0)[3], expected.hessian(1, 0)) < 1e-13);
      }
    }
  }
}

TEST_CASE("a comparison on which lanes disagree answers for the first and is noted") {
  kappa::detail::functor_call = {};
  const Lanes x = lanes_from(0.0, 1.0);
  CHECK(x < Lanes(8.0));
  CHECK_FALSE(x > Lanes(7.5));
  CHECK_FALSE(kappa::detail::functor_call.diverged);
  CHECK(x < Lanes(3.0));
  CHECK(kappa::detail::functor_call.diverged);
  kappa::detail::functor_call = {};
}

TEST_CASE("fingerprints are those of the expression, not of the numbers") {
  const auto a = Fingerprint::parameter(2.0, 0);
  const auto b = Fingerprint::parameter(3.0, 1);
  const auto other_a = Fingerprint::parameter(-5.0, 0);
  CHECK((a * b + sqrt(b)).hash == (other_a * b + sqrt(b)).hash);
  CHECK((a * b).hash != (b * a).hash);
  CHECK((a + b).hash != (a - b).hash);
  CHECK((a * 2.0).hash != (a * 3.0).hash);
}

namespace {

// ---------------------------------------------------------------- functors, all with two parameters

/// The data are members, converted where they are used: made for lanes.
struct Plain {
  static constexpr bool kappa_in_lanes = true;
  double x, y;
  float scale;
  int power;
  template <class T>
  bool operator()(const T* a, const T* b, T* r) const {
    r[0] = T(y) - a[0] * exp(-b[0] * x) * T(scale);
    r[1] = x - a[0] / (y + b[0] * b[0]) + T(power) + pow(a[0] * a[0] + 1.0, x);
    return true;
  }
};

/// Computes with its members before they become T.
struct Precomputed {
  static constexpr bool kappa_in_lanes = true;
  double x, y;
  template <class T>
  bool operator()(const T* a, const T* b, T* r) const {
    const double copy = x;
    r[0] = T(2.0 * x) * a[0] + b[0];
    r[1] = T(copy) - a[0] * b[0] * std::sin(y);
    return true;
  }
};

/// Chooses what to compute by its members, with no number that would show it.
struct Chooses {
  static constexpr bool kappa_in_lanes = true;
  double x;
  bool first;
  template <class T>
  bool operator()(const T* a, const T* b, T* r) const {
    r[0] = first ? sin(a[0]) : cos(a[0]);
    r[1] = x > 0.0 ? a[0] + b[0] : a[0] - b[0];
    return true;
  }
};

/// Its data lie elsewhere.
struct Elsewhere {
  static constexpr bool kappa_in_lanes = true;
  std::shared_ptr<const std::vector<double>> data;
  template <class T>
  bool operator()(const T* a, const T* b, T* r) const {
    r[0] = (*data)[0] - a[0] * b[0];
    r[1] = exp(a[0] * (*data)[1]);
    return true;
  }
};

/// Branches on the parameters, and on parameters against members.
struct Branches {
  static constexpr bool kappa_in_lanes = true;
  double x;
  template <class T>
  bool operator()(const T* a, const T* b, T* r) const {
    if (a[0] < 0.0) {
      r[0] = exp(a[0]) * x;
    } else {
      r[0] = sqrt(a[0] + 1.0) + T(2.0 * x);  // not computed from x on the other branch
    }
    r[1] = b[0] > x ? b[0] - x : T(0.0);
    if (abs(b[0]) == 0.5) {
      r[1] += 1.0;
    }
    return true;
  }
};

/// Compares with a number computed from a member, which no lane but the first would get right.
struct Threshold {
  static constexpr bool kappa_in_lanes = true;
  double x;
  template <class T>
  bool operator()(const T* a, const T* b, T* r) const {
    r[0] = a[0] < 3.0 * x ? a[0] * a[0] : a[0];
    r[1] = b[0];
    return true;
  }
};

/// Refuses a few of its blocks.
struct Refuses {
  static constexpr bool kappa_in_lanes = true;
  double x;
  template <class T>
  bool operator()(const T* a, const T* b, T* r) const {
    r[0] = a[0] * x;
    r[1] = b[0];
    return !(a[0] * x > 100.0);
  }
};

struct Project {
  static constexpr bool kappa_in_lanes = true;
  double u;
  template <class T>
  bool operator()(const T* camera, const T* point, T* r) const {
    T p[3];
    kappa::AngleAxisRotatePoint(camera, point, p);
    r[0] = p[0] / (p[2] + camera[3]) - u;
    r[1] = p[1] / (p[2] + camera[3]) - u;
    return true;
  }
};

/// What all of them are evaluated at, one block after the other.
struct Point {
  std::vector<double> a, b;
  std::vector<const double*> parameters;

  Point(Index blocks, unsigned seed) {
    std::mt19937 random(seed);
    std::uniform_real_distribution<double> uniform(-1.0, 1.0);
    for (Index i = 0; i < blocks; ++i) {
      a.push_back(uniform(random));
      b.push_back(uniform(random));
    }
    for (Index i = 0; i < blocks; ++i) {
      parameters.push_back(&a[static_cast<std::size_t>(i)]);
      parameters.push_back(&b[static_cast<std::size_t>(i)]);
    }
  }
};

template <class F>
using Term = kappa::AutoDiff<F, 2, 1, 1>;

/// A family evaluated over a range in which groups can form, and over single blocks, in which they cannot.
template <class F>
void check_against_single_blocks(const std::vector<F>& functors, unsigned seed) {
  const auto blocks = static_cast<Index>(functors.size());
  kappa::TypedFamily<Term<F>> family;
  for (const F& f : functors) {
    family.append({f});
  }
  const auto entries = [&](int each) {
    return std::vector<double>(functors.size() * static_cast<std::size_t>(each));
  };
  for (unsigned pass = 0; pass < 6; ++pass) {
    const Point point(blocks, seed + pass);
    auto r = entries(2);
    auto J = entries(4);
    auto S = entries(3);
    auto value = entries(2);
    auto second = entries(2);
    auto w = entries(2);
    auto v = entries(2);
    for (std::size_t i = 0; i < w.size(); ++i) {
      w[i] = 1.0 + 0.25 * static_cast<double>(i % 7);
      v[i] = 0.5 - 0.125 * static_cast<double>(i % 5);
    }
    const kappa::BlockRange whole{0, blocks, point.parameters.data()};
    REQUIRE(family.values(whole, value.data()) == -1);
    REQUIRE(family.second_directional(whole, v.data(), second.data()) == -1);
    auto first_r = entries(2);
    auto first_J = entries(4);
    REQUIRE(family.jacobians(whole, first_r.data(), first_J.data()) == -1);
    REQUIRE(family.hessians(whole, w.data(), r.data(), J.data(), S.data()) == -1);
    for (std::size_t b = 0; b < functors.size(); ++b) {
      INFO("pass " << pass << ", block " << b);
      const double* const* x = point.parameters.data() + 2 * b;
      double rb[2], Jb[4], Sb[3], second_b[2];
      REQUIRE(Term<F>::hessian(functors[b], x, w.data() + 2 * b, rb, Jb, Sb));
      REQUIRE(Term<F>::second_directional(functors[b], x, v.data() + 2 * b, second_b));
      for (std::size_t k = 0; k < 2; ++k) {
        CHECK(discrepancy(value[2 * b + k], rb[k]) < 2e-15);
        CHECK(discrepancy(first_r[2 * b + k], rb[k]) < 2e-15);
        CHECK(discrepancy(r[2 * b + k], rb[k]) < 2e-15);
        CHECK(discrepancy(second[2 * b + k], second_b[k]) < 1e-14);
      }
      for (std::size_t e = 0; e < 4; ++e) {
        CHECK(discrepancy(first_J[4 * b + e], Jb[e]) < 1e-14);
        CHECK(discrepancy(J[4 * b + e], Jb[e]) < 1e-14);
      }
      for (std::size_t e = 0; e < 3; ++e) {
        CHECK(discrepancy(S[3 * b + e], Sb[e]) < 1e-13);
      }
    }
  }
}

/// `count` functors made by make(i, uniform random number).
template <class Make>
auto some(std::size_t count, const Make& make) {
  std::mt19937 random(7);
  std::uniform_real_distribution<double> uniform(-1.0, 1.0);
  std::vector<decltype(make(std::size_t{0}, 0.0))> functors;
  for (std::size_t i = 0; i < count; ++i) {
    functors.push_back(make(i, uniform(random)));
  }
  return functors;
}

}  // namespace

TEST_CASE("blocks evaluated together agree with blocks evaluated one by one") {
  for (const std::size_t count : {1U, 2U, 3U, 8U, 13U, 16U, 61U}) {
    INFO(count << " blocks");
    check_against_single_blocks(
        some(count,
             [](std::size_t i, double x) {
               return Plain{x, 2.0 - x, static_cast<float>(0.1 * x), static_cast<int>(i % 3)};
             }),
        1);
  }
}

TEST_CASE("numbers computed from members, branches on them and data elsewhere are found out") {
  check_against_single_blocks(some(40, [](std::size_t, double x) { return Precomputed{x, 1.0 - x}; }), 2);
  check_against_single_blocks(some(40, [](std::size_t i, double x) { return Chooses{x, i % 2 == 0}; }), 3);
  check_against_single_blocks(
      some(40,
           [](std::size_t, double x) {
             return Elsewhere{std::make_shared<const std::vector<double>>(std::vector<double>{x, 1.0 - x})};
           }),
      4);
  const auto shared = std::make_shared<const std::vector<double>>(std::vector<double>{0.3, 0.7});
  check_against_single_blocks(some(40, [&](std::size_t, double) { return Elsewhere{shared}; }), 5);
}

TEST_CASE("lanes that take different branches are evaluated one by one") {
  check_against_single_blocks(some(40, [](std::size_t, double x) { return Branches{x}; }), 6);
  check_against_single_blocks(some(40, [](std::size_t, double x) { return Threshold{x}; }), 7);
}

TEST_CASE("the first block that is refused is named, wherever it lies in a group") {
  for (const Index refused : {Index{0}, Index{5}, Index{8}, Index{20}}) {
    kappa::TypedFamily<Term<Refuses>> family;
    for (Index i = 0; i < 24; ++i) {
      family.append({Refuses{i >= refused ? 1e6 : 1.0}});
    }
    Point point(24, 8);
    std::fill(point.a.begin(), point.a.end(), 0.5);
    std::vector<double> r(48), J(96);
    CHECK(family.values({0, 24, point.parameters.data()}, r.data()) == refused);
    CHECK(family.jacobians({0, 24, point.parameters.data()}, r.data(), J.data()) == refused);
  }
}

TEST_CASE("a block's numbers do not depend on the range it is evaluated in") {
  const auto functors = some(29, [](std::size_t, double x) { return Plain{x, 2.0 - x, 1.0F, 1}; });
  kappa::TypedFamily<Term<Plain>> family;
  for (const auto& f : functors) {
    family.append({f});
  }
  const Point point(29, 9);
  std::vector<double> whole(58), part(58);
  REQUIRE(family.values({0, 29, point.parameters.data()}, whole.data()) == -1);
  REQUIRE(family.values({8, 16, point.parameters.data() + 16}, part.data()) == -1);
  for (std::size_t i = 0; i < 32; ++i) {
    CHECK(part[i] == whole[16 + i]);
  }
}

TEST_CASE("a rotated and projected point has the same derivatives in lanes") {
  using ProjectTerm = kappa::AutoDiff<Project, 2, 4, 3>;
  kappa::TypedFamily<ProjectTerm> family;
  std::mt19937 random(11);
  std::normal_distribution<double> normal;
  constexpr Index blocks = 40;
  std::vector<std::array<double, 7>> x(blocks);
  std::vector<const double*> parameters;
  for (auto& xi : x) {
    family.append({Project{normal(random)}});
    for (double& entry : xi) {
      entry = normal(random);
    }
    xi[3] = 10.0;
  }
  x[3][0] = x[3][1] = x[3][2] = 0.0;  // the rotation's series
  for (const auto& xi : x) {
    parameters.push_back(xi.data());
    parameters.push_back(xi.data() + 4);
  }
  std::vector<double> r(2 * blocks), J(14 * blocks);
  REQUIRE(family.jacobians({0, blocks, parameters.data()}, r.data(), J.data()) == -1);
  for (std::size_t b = 0; b < blocks; ++b) {
    kappa::TypedFamily<ProjectTerm> alone;
    double rb[2], Jb[14];
    alone.append({Project{0.0}});  // the measurement has no part in J
    REQUIRE(alone.jacobians({0, 1, parameters.data() + 2 * b}, rb, Jb) == -1);
    for (std::size_t e = 0; e < 14; ++e) {
      CHECK(discrepancy(J[14 * b + e], Jb[e]) < 1e-14);
    }
  }
}

#else

TEST_CASE("without xsimd there are no lanes") {
  CHECK(kappa::detail::evaluates_in_lanes<int, 1> == false);
}

#endif
