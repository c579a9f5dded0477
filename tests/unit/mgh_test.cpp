// Checks the More-Garbow-Hillstrom collection against published values at the starts and at the
// minima, and the functors' derivatives against finite differences in long double.
#include "problems/analytic/mgh.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "support/catch.h"

namespace {

using namespace kappa;

template <class T>
std::vector<T> residuals(const MghProblem& problem, const std::vector<T>& x) {
  return visit_mgh_model(problem, [&]<class Model>() {
    std::vector<T> r(Model::residuals);
    REQUIRE(Model()(x.data(), r.data()));
    return r;
  });
}

long double sum_of_squares(const MghProblem& problem, const std::vector<long double>& x) {
  long double sum = 0.0L;
  for (long double r : residuals(problem, x)) {
    sum += r * r;
  }
  return sum;
}

std::vector<long double> wide(const std::vector<double>& x) {
  return {x.begin(), x.end()};
}

long double f_at_start(const char* name, double factor) {
  const MghProblem& problem = mgh_problem(name);
  return sum_of_squares(problem, wide(start(problem, factor)));
}

// Column j of the Jacobian by central differences.
std::vector<long double> jacobian_column(const MghProblem& problem, const std::vector<long double>& x,
                                         std::size_t j) {
  const long double h = 1e-6L * (x[j] == 0.0L ? 1.0L : std::abs(x[j]));
  std::vector<long double> ahead = x;
  std::vector<long double> behind = x;
  ahead[j] += h;
  behind[j] -= h;
  std::vector<long double> column = residuals(problem, ahead);
  const std::vector<long double> back = residuals(problem, behind);
  for (std::size_t i = 0; i < column.size(); ++i) {
    column[i] = (column[i] - back[i]) / (2.0L * h);
  }
  return column;
}

long double dot(const std::vector<long double>& a, const std::vector<long double>& b) {
  long double sum = 0.0L;
  for (std::size_t i = 0; i < a.size(); ++i) {
    sum += a[i] * b[i];
  }
  return sum;
}

// The largest cosine between the residual and a column of the Jacobian: MINPACK's measure of a
// gradient, which no scaling of parameters or residuals changes.
long double gradient_cosine(const MghProblem& problem, const std::vector<long double>& x) {
  const std::vector<long double> r = residuals(problem, x);
  long double largest = 0.0L;
  for (std::size_t j = 0; j < x.size(); ++j) {
    const std::vector<long double> column = jacobian_column(problem, x, j);
    const long double size = std::sqrt(dot(column, column) * dot(r, r));
    if (size > 0.0L) {
      largest = std::max(largest, std::abs(dot(column, r)) / size);
    }
  }
  return largest;
}

// The least a scalar can offer: what mgh_models.h asks for, and its functions in this namespace only.
struct Tangent {
  double value = 0.0;
  double slope = 0.0;

  Tangent() = default;
  explicit Tangent(double v) : value(v) {}
  Tangent(double v, double s) : value(v), slope(s) {}

  Tangent operator-() const { return {-value, -slope}; }
};

Tangent operator+(Tangent a, Tangent b) {
  return {a.value + b.value, a.slope + b.slope};
}
Tangent operator-(Tangent a, Tangent b) {
  return {a.value - b.value, a.slope - b.slope};
}
Tangent operator*(Tangent a, Tangent b) {
  return {a.value * b.value, a.value * b.slope + a.slope * b.value};
}
Tangent operator/(Tangent a, Tangent b) {
  return {a.value / b.value, (a.slope - a.value / b.value * b.slope) / b.value};
}
Tangent operator+(Tangent a, double b) {
  return a + Tangent(b);
}
Tangent operator-(Tangent a, double b) {
  return a - Tangent(b);
}
Tangent operator*(Tangent a, double b) {
  return a * Tangent(b);
}
Tangent operator/(Tangent a, double b) {
  return a / Tangent(b);
}
Tangent operator+(double a, Tangent b) {
  return Tangent(a) + b;
}
Tangent operator-(double a, Tangent b) {
  return Tangent(a) - b;
}
Tangent operator*(double a, Tangent b) {
  return Tangent(a) * b;
}
Tangent operator/(double a, Tangent b) {
  return Tangent(a) / b;
}
bool operator<(Tangent a, double b) {
  return a.value < b;
}
bool operator>(Tangent a, double b) {
  return a.value > b;
}
bool operator<(Tangent a, Tangent b) {
  return a.value < b.value;
}
Tangent exp(Tangent a) {
  return {std::exp(a.value), std::exp(a.value) * a.slope};
}
Tangent log(Tangent a) {
  return {std::log(a.value), a.slope / a.value};
}
Tangent sqrt(Tangent a) {
  return {std::sqrt(a.value), a.slope / (2.0 * std::sqrt(a.value))};
}
Tangent sin(Tangent a) {
  return {std::sin(a.value), std::cos(a.value) * a.slope};
}
Tangent cos(Tangent a) {
  return {std::cos(a.value), -std::sin(a.value) * a.slope};
}
Tangent atan(Tangent a) {
  return {std::atan(a.value), a.slope / (1.0 + a.value * a.value)};
}

TEST_CASE("the collection holds the paper's 35 problems in order, each under one name") {
  std::set<std::string> names;
  int number = 0;
  for (const MghProblem& problem : mgh_problems()) {
    INFO(problem.name);
    CHECK(problem.number == ++number);
    CHECK(names.insert(problem.name).second);
    CHECK(std::string(problem.name).find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-") ==
          std::string::npos);
    CHECK(&mgh_problem(problem.name) == &problem);
    CHECK(&mgh_problem(std::to_string(problem.number)) == &problem);
  }
  CHECK(number == 35);
}

TEST_CASE("an unknown name or number is refused with the list of names") {
  for (const char* wrong : {"", "0", "36", "Rosenbrock", "rosen", "01"}) {
    INFO(wrong);
    CHECK_THROWS_AS(mgh_problem(wrong), Error);
  }
  try {
    mgh_problem("himmelblau");
    FAIL("himmelblau is not one of the 35");
  } catch (const Error& error) {
    const std::string message = error.what();
    CHECK(message.find("himmelblau") != std::string::npos);
    CHECK(message.find("rosenbrock") != std::string::npos);
    CHECK(message.find("chebyquad") != std::string::npos);
  }
}

TEST_CASE("the sizes of problems, starts and minimisers are those of the models") {
  for (const MghProblem& problem : mgh_problems()) {
    INFO(problem.name);
    const auto [n, m] = visit_mgh_model(
        problem, []<class Model>() { return std::pair(Model::parameters, Model::residuals); });
    CHECK(problem.parameters == n);
    CHECK(problem.residuals == m);
    CHECK(m >= n);
    CHECK(n <= 12);
    CHECK(problem.standard_start.size() == static_cast<std::size_t>(n));
    REQUIRE_FALSE(problem.minima.empty());
    CHECK(problem.minima.front().kind == MghMinimumKind::global);
    for (const MghMinimum& minimum : problem.minima) {
      CHECK(minimum.at.size() == static_cast<std::size_t>(n));
      CHECK((minimum.kind == MghMinimumKind::global) == (minimum.value == problem.minima.front().value));
      CHECK(minimum.value >= problem.minima.front().value);
    }
  }
}

TEST_CASE("a model that is not in the collection is a broken contract") {
  MghProblem stranger = mgh_problem("1");
  stranger.number = 36;
  CHECK_THROWS_AS(visit_mgh_model(stranger, []<class Model>() { return Model::parameters; }), ContractError);
}

TEST_CASE("f at the starts has the values that follow by hand from the formulas") {
  struct Known {
    const char* name;
    double value;
  };
  const Known known[] = {{"rosenbrock", 24.2},
                         {"freudenstein-roth", 400.5},
                         {"brown-badly-scaled", 999998000003.0},
                         {"beale", 14.203125},
                         {"helical-valley", 2500.0},
                         {"powell-singular", 215.0},
                         {"wood", 19192.0},
                         {"watson", 30.0},
                         {"extended-rosenbrock", 5 * 24.2},
                         {"extended-powell-singular", 3 * 215.0},
                         {"penalty-1", 1e-5 * 285.0 + 384.75 * 384.75},
                         {"variably-dimensioned", 3.85 + 38.5 * 38.5 + 38.5 * 38.5 * 38.5 * 38.5},
                         {"broyden-tridiagonal", 4.0 + 8 * 1.0 + 9.0},
                         {"broyden-banded", 10 * 36.0},
                         {"linear-full-rank", 50.0},
                         {"linear-rank-1", 2870.0 * 55 * 55 - 2.0 * 210 * 55 + 20},
                         {"linear-rank-1-zero", 2109.0 * 44 * 44 - 2.0 * 171 * 44 + 20}};
  for (const Known& k : known) {
    INFO(k.name);
    CHECK(static_cast<double>(f_at_start(k.name, 1)) == Approx(k.value).epsilon(1e-12));
  }
}

TEST_CASE("the residual norms at 1, 10 and 100 times the start are those MINPACK's driver prints") {
  struct Printed {
    const char* name;
    std::vector<double> norms;
  };
  // The initial l2 norms in the output of MINPACK's lmder driver, as kept with cminpack.
  const Printed printed[] = {{"rosenbrock", {4.9193496e+00, 1.3400631e+03, 1.4300005e+05}},
                             {"helical-valley", {5.0000000e+01, 1.0295630e+02, 9.9126182e+02}},
                             {"powell-singular", {1.4662878e+01, 1.2709839e+03, 1.2688790e+05}},
                             {"freudenstein-roth", {2.0012496e+01, 1.2432834e+04, 1.1426455e+07}},
                             {"bard", {6.4561363e+00, 3.6141853e+01, 3.8411468e+02}},
                             {"kowalik-osborne", {7.2891510e-02, 2.9793701e+00, 2.9959062e+01}},
                             {"meyer", {4.1153467e+04, 4.1682169e+06}},
                             {"watson", {5.4772256e+00, 6.4331258e+03, 6.7425604e+05}},
                             {"box-3d", {3.2111584e+01}},
                             {"jennrich-sampson", {6.4585650e+01}},
                             {"brown-dennis", {2.8154384e+03, 5.5507335e+05, 6.1211252e+07}},
                             {"chebyquad", {1.9651386e-01}},
                             {"brown-almost-linear", {1.6530216e+01, 9.7656240e+06, 9.7656250e+16}},
                             {"osborne-1", {9.3756402e-01}},
                             {"osborne-2", {1.4468654e+00}}};
  for (const Printed& p : printed) {
    double factor = 1.0;
    for (double norm : p.norms) {
      INFO(p.name << " times " << factor);
      CHECK(static_cast<double>(std::sqrt(f_at_start(p.name, factor))) == Approx(norm).epsilon(5e-8));
      factor *= 10.0;
    }
  }
}

TEST_CASE("each refined minimum agrees with the published digits") {
  for (const MghProblem& problem : mgh_problems()) {
    for (const MghMinimum& minimum : problem.minima) {
      INFO(problem.name << " " << minimum.value << " (" << minimum.source << ")");
      CHECK(std::abs(minimum.value - minimum.published) <= 1e-5 * minimum.published);
    }
  }
}

TEST_CASE("f at each minimiser is the minimum") {
  for (const MghProblem& problem : mgh_problems()) {
    for (const MghMinimum& minimum : problem.minima) {
      const auto f = static_cast<double>(sum_of_squares(problem, wide(minimum.at)));
      INFO(problem.name << " " << minimum.value << ", f = " << f);
      CHECK(solved(problem, f));
      if (minimum.value == 0.0) {
        CHECK(f <= 1e-24);
      } else if (minimum.kind == MghMinimumKind::limit) {
        CHECK(std::abs(f - minimum.value) <= 1e-6 * minimum.value);
      } else {
        CHECK(std::abs(f - minimum.value) <= 1e-13 * minimum.value);
      }
    }
  }
}

TEST_CASE("the gradient vanishes at each finite minimiser with a residual") {
  int count = 0;
  for (const MghProblem& problem : mgh_problems()) {
    for (const MghMinimum& minimum : problem.minima) {
      if (minimum.value > 0.0 && minimum.kind != MghMinimumKind::limit) {
        INFO(problem.name << " " << minimum.value);
        CHECK(gradient_cosine(problem, wide(minimum.at)) <= 1e-8L);
        ++count;
      }
    }
  }
  CHECK(count == 23);
  // The measure sees a start.
  const MghProblem& bard = mgh_problem("bard");
  CHECK(gradient_cosine(bard, wide(bard.standard_start)) > 0.01L);
}

TEST_CASE("no point near a minimiser has a smaller value") {
  std::mt19937 random(20);
  const auto sign = [&] { return 2.0L * static_cast<long double>(random()) / 4294967295.0L - 1.0L; };
  for (const MghProblem& problem : mgh_problems()) {
    for (const MghMinimum& minimum : problem.minima) {
      if (minimum.value == 0.0 || (problem.number == 27 && minimum.value == 1.0)) {
        continue;
      }
      const bool at_infinity = minimum.kind == MghMinimumKind::limit;
      const long double floor = minimum.value * (1.0L - (at_infinity ? 1e-6L : 1e-12L));
      for (const long double size : {1e-2L, 1e-3L, 1e-4L}) {
        for (int trial = 0; trial < 100; ++trial) {
          std::vector<long double> x = wide(minimum.at);
          for (long double& entry : x) {
            entry += size * sign() * (entry == 0.0L ? 1.0L : entry);
          }
          INFO(problem.name << " " << minimum.value << " size " << static_cast<double>(size));
          REQUIRE(sum_of_squares(problem, x) >= floor);
        }
      }
    }
  }
}

TEST_CASE("Brown almost-linear's published f = 1 is stationary, yet f falls along a curve through it") {
  const MghProblem& problem = mgh_problem("brown-almost-linear");
  const auto on_curve = [&](long double t) {
    std::vector<long double> x(10, t);
    x[9] = 11.0L - 10.0L * t;
    return sum_of_squares(problem, x);
  };
  CHECK(on_curve(0.0L) == 1.0L);
  CHECK(on_curve(0.1L) < 1.0L);
  CHECK(on_curve(-0.1L) > 1.0L);
}

TEST_CASE("the limits at infinity follow from the problems that are left there") {
  SECTION("Bard: the data about their mean") {
    const MghProblem& bard = mgh_problem("bard");
    const std::vector<long double> r = residuals(bard, std::vector<long double>{0.0L, -1e15L, -1e15L});
    long double mean = 0.0L;
    for (long double y : r) {
      mean += y / 15.0L;
    }
    long double variation = 0.0L;
    for (long double y : r) {
      variation += (y - mean) * (y - mean);
    }
    CHECK(static_cast<double>(variation) == Approx(bard.minima[1].value).epsilon(1e-12));
  }
  SECTION("Kowalik and Osborne: the farther out, the nearer") {
    const MghProblem& problem = mgh_problem("kowalik-osborne");
    std::vector<long double> x = wide(problem.minima[1].at);
    for (std::size_t j : {0U, 2U, 3U}) {
      x[j] *= 1e4L;
    }
    CHECK(static_cast<double>(sum_of_squares(problem, x)) == Approx(problem.minima[1].value).epsilon(1e-13));
  }
  SECTION("Powell badly scaled: r = (0, -1e-4)") {
    const std::vector<long double> far{1e-4L / 1e14L, 1e14L};
    CHECK(static_cast<double>(sum_of_squares(mgh_problem("powell-badly-scaled"), far)) ==
          Approx(1e-8).epsilon(1e-11));
  }
}

TEST_CASE("the two discretisations of one boundary value problem share their solution") {
  const std::vector<double>& x = mgh_problem("discrete-boundary-value").minima.front().at;
  CHECK(sum_of_squares(mgh_problem("discrete-integral-equation"), wide(x)) <= 1e-30L);
}

TEST_CASE("the start is scaled by the factor, and a zero start becomes the factor") {
  CHECK(start(mgh_problem("rosenbrock"), 1) == std::vector<double>{-1.2, 1});
  CHECK(start(mgh_problem("rosenbrock"), 10) == std::vector<double>{-12, 10});
  CHECK(start(mgh_problem("helical-valley"), 100) == std::vector<double>{-100, 0, 0});
  CHECK(start(mgh_problem("watson"), 1) == std::vector<double>(6, 0.0));
  CHECK(start(mgh_problem("watson"), 10) == std::vector<double>(6, 10.0));
}

TEST_CASE("f is finite in double at every start but the hundredfold one of Jennrich and Sampson") {
  for (const MghProblem& problem : mgh_problems()) {
    for (const double factor : {1.0, 10.0, 100.0}) {
      double f = 0.0;
      for (double r : residuals(problem, start(problem, factor))) {
        f += r * r;
      }
      INFO(problem.name << " times " << factor);
      CHECK(std::isfinite(f) == !(problem.number == 6 && factor == 100.0));
    }
  }
}

TEST_CASE("only Gulf has a start that solves it, and a start with a zero gradient") {
  for (const MghProblem& problem : mgh_problems()) {
    for (const double factor : {1.0, 10.0, 100.0}) {
      const std::vector<long double> x = wide(start(problem, factor));
      INFO(problem.name << " times " << factor);
      CHECK(solved(problem, static_cast<double>(sum_of_squares(problem, x))) ==
            (problem.number == 11 && factor == 10.0));
      CHECK((gradient_cosine(problem, x) == 0.0L) == (problem.number == 11 && factor == 100.0));
    }
  }
}

TEST_CASE("solved accepts what lies within the tolerance of a minimum and nothing else") {
  const MghProblem& zero = mgh_problem("rosenbrock");
  CHECK(solved(zero, 0.0));
  CHECK(solved(zero, 0.99e-10));
  CHECK_FALSE(solved(zero, 1.01e-10));
  CHECK_FALSE(solved(zero, -1e-12));
  CHECK_FALSE(solved(zero, std::numeric_limits<double>::quiet_NaN()));
  CHECK_FALSE(solved(zero, infinity));

  const MghProblem& two = mgh_problem("freudenstein-roth");
  CHECK(solved(two, 1e-11));
  CHECK(solved(two, 48.98425));
  CHECK_FALSE(solved(two, 48.9840));
  CHECK_FALSE(solved(two, 48.9845));

  const MghProblem& tiny = mgh_problem("gaussian");
  CHECK(solved(tiny, 1.127932e-8 + 7.7e-15));
  CHECK_FALSE(solved(tiny, 0.0));
  CHECK_FALSE(solved(tiny, 1.128e-8));

  const MghProblem& far = mgh_problem("bard");
  CHECK(solved(far, 17.4287 + 1e-3));
  CHECK_FALSE(solved(far, 17.4287 + 3e-3));
  CHECK_FALSE(solved(far, 8.2150e-3));
  CHECK_FALSE(solved(far, std::numeric_limits<double>::quiet_NaN()));
}

TEST_CASE("derivatives through a foreign scalar agree with differences in long double") {
  for (const MghProblem& problem : mgh_problems()) {
    std::vector<double> x = problem.standard_start;
    for (std::size_t j = 0; j < x.size(); ++j) {
      x[j] += 0.01 * static_cast<double>(j + 1) * (x[j] == 0.0 ? 1.0 : x[j]);
    }
    for (std::size_t j = 0; j < x.size(); ++j) {
      std::vector<Tangent> seeded(x.begin(), x.end());
      seeded[j].slope = 1.0;
      const std::vector<Tangent> r = residuals(problem, seeded);
      const std::vector<double> plain = residuals(problem, x);
      const std::vector<long double> column = jacobian_column(problem, wide(x), j);
      for (std::size_t i = 0; i < r.size(); ++i) {
        INFO(problem.name << " residual " << i << " parameter " << j);
        CHECK(r[i].value == Approx(plain[i]).epsilon(1e-14).margin(1e-14));
        CHECK(r[i].slope == Approx(static_cast<double>(column[i])).epsilon(1e-8).margin(1e-9));
      }
    }
  }
}

TEST_CASE("the helical valley's angle is continuous but for the half-line x1 = 0, x2 < 0") {
  const auto turns = [](double x, double y) {
    const double point[] = {x, y, 0.0};
    double r[3];
    mgh::HelicalValley()(point, r);
    return r[0] / -100.0;
  };
  CHECK(turns(1, 0) == Approx(0.0).margin(1e-15));
  CHECK(turns(1, 1) == Approx(0.125));
  CHECK(turns(0, 1) == Approx(0.25));
  CHECK(turns(-1, 1) == Approx(0.375));
  CHECK(turns(-1, 0) == Approx(0.5));
  CHECK(turns(-1, -1) == Approx(0.625));
  CHECK(turns(-1, -1e9) == Approx(0.75));
  CHECK(turns(0, -1) == Approx(-0.25));
  CHECK(turns(1, -1) == Approx(-0.125));
  CHECK(turns(0, 0) == Approx(0.25));
  for (double x : {-0.3, 0.7}) {
    for (double y : {0.2, 1.5, -0.1, -2.0}) {
      CHECK(turns(x, y) == Approx(std::atan(y / x) / (2.0 * std::acos(-1.0)) + (x < 0.0 ? 0.5 : 0.0)));
    }
  }
}

}  // namespace
