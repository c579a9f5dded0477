// Every recipe on problems with bounds: ends are first-order points, found as fast as without bounds, from
// inside the box only.
#include <algorithm>
#include <array>
#include <cmath>
#include <set>

#include "kappa/kappa.h"
#include "kappa/random.h"
#include "problems/analytic/mgh_problem.h"
#include "problems/io/bal.h"
#include "problems/residual/bundle.h"
#include "support/catch.h"

namespace {

using namespace kappa;

struct Recipe {
  const char* name;
  Method method;
};

std::vector<Recipe> dense_recipes() {
  return {
      {"levenberg-marquardt", levenberg_marquardt()},
      {"levenberg-marquardt exact", levenberg_marquardt({.curvature = {"exact"}})},
      {"levenberg-marquardt damped-cholesky", levenberg_marquardt({.step = {"damped-cholesky"}})},
      {"levenberg-marquardt block-schur", levenberg_marquardt({.step = {"block-schur"}})},
      {"newton", newton()},
      {"newton outer-product", newton({.curvature = {"outer-product"}})},
      {"newton armijo", newton({.acceptance = {"armijo"}})},
      {"newton strong-wolfe", newton({.acceptance = {"strong-wolfe"}})},
  };
}

/// Those that work on plain functions too.
std::vector<Recipe> exact_recipes() {
  return {
      {"levenberg-marquardt exact", levenberg_marquardt({.curvature = {"exact"}})},
      {"levenberg-marquardt hessian-free", levenberg_marquardt({.curvature = {"hessian-free"}})},
      {"levenberg-marquardt preconditioned",
       levenberg_marquardt({.curvature = {"hessian-free"}, .preconditioner = {"diagonal"}})},
      {"levenberg-marquardt diagonal", levenberg_marquardt({.curvature = {"diagonal"}})},
      {"newton", newton()},
      {"newton steihaug", newton({.curvature = {"hessian-free"}})},
      {"newton armijo", newton({.acceptance = {"armijo"}})},
      {"newton strong-wolfe", newton({.acceptance = {"strong-wolfe"}})},
      {"newton bunch-kaufman", newton({.step = {"bunch-kaufman"}, .acceptance = {"armijo"}})},
      {"newton-cg", newton({.curvature = {"hessian-free"}, .acceptance = {"armijo"}})},
  };
}

std::vector<Recipe> all_recipes() {
  std::vector<Recipe> out = exact_recipes();
  const std::vector<Recipe> dense = dense_recipes();
  out.insert(out.end(), dense.begin(), dense.end());
  out.push_back({"adahessian", adahessian()});
  out.push_back({"sdlm", sdlm({}, 0.02)});
  return out;
}

Evaluation derivatives(const ResidualProblem& problem, ConstVectorRef x) {
  Evaluation at;
  at.reset(x, 0);
  REQUIRE(problem.evaluate({.want = Want::value | Want::gradient | Want::linearization,
                            .models = {Model::gauss_newton},
                            .sample = {}},
                           at) == EvalStatus::ok);
  return at;
}

/// How far x is from a first-order point: the largest cosine between the residuals and a column of the
/// Jacobian along which x may move. Independent of scales; 0 for a zero residual.
double stationarity(const ResidualProblem& problem, ConstVectorRef x) {
  const Evaluation at = derivatives(problem, x);
  std::vector<double> squares(x.size());
  REQUIRE(at.linearization->diagonal(Model::gauss_newton, squares));
  const Bounds bounds = problem.bounds();
  double out = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double g = at.gradient[i];
    const bool held = (x[i] == bounds.lower[i] && g > 0) || (x[i] == bounds.upper[i] && g < 0);
    const double size = std::sqrt(2 * at.value * squares[i]);
    if (!held && size > 0 && at.value > 1e-20) {
      out = std::max(out, std::fabs(g) / size);
    }
  }
  return out;
}

/// The listed bounds are those x lies on, each with its multiplier.
void check_active(const Problem& problem, const Result& r) {
  Evaluation at;
  at.reset(r.x, 0);
  REQUIRE(problem.evaluate({.want = Want::gradient, .models = {}, .sample = {}}, at) == EvalStatus::ok);
  const Bounds bounds = problem.bounds();
  std::vector<ActiveBound> expected;
  for (std::size_t i = 0; i < r.x.size(); ++i) {
    const auto variable = static_cast<Index>(i);
    const double g = at.gradient[i];
    if (bounds.lower[i] == bounds.upper[i]) {
      expected.push_back({variable, variable, g >= 0 ? BoundSide::lower : BoundSide::upper, std::fabs(g)});
    } else if (r.x[i] == bounds.lower[i]) {
      expected.push_back({variable, variable, BoundSide::lower, g});
    } else if (r.x[i] == bounds.upper[i]) {
      expected.push_back({variable, variable, BoundSide::upper, -g});
    }
  }
  REQUIRE(r.active_bounds.size() == expected.size());
  for (std::size_t k = 0; k < expected.size(); ++k) {
    CHECK(r.active_bounds[k].variable == expected[k].variable);
    CHECK(r.active_bounds[k].side == expected[k].side);
    CHECK(r.active_bounds[k].multiplier == Approx(expected[k].multiplier).epsilon(1e-6).margin(1e-12));
  }
}

void check_inside(const Problem& problem, ConstVectorRef x) {
  const Bounds bounds = problem.bounds();
  for (std::size_t i = 0; i < x.size(); ++i) {
    CHECK(x[i] >= bounds.lower[i]);
    CHECK(x[i] <= bounds.upper[i]);
  }
}

/// f(x) = x'Hx/2 - c'x + sum x^4/10, strictly convex where H is: one first-order point in any box.
struct Convex {
  std::vector<double> H, c;  // H column-major

  template <class T>
  T operator()(std::span<const T> x) const {
    T sum(0.0);
    const std::size_t n = x.size();
    for (std::size_t j = 0; j < n; ++j) {
      T row(0.0);
      for (std::size_t i = 0; i < n; ++i) {
        row += H[i + j * n] * x[i];
      }
      sum += x[j] * (0.5 * row - c[j]) + 0.1 * x[j] * x[j] * x[j] * x[j];
    }
    return sum;
  }
};

struct ConvexCase {
  Convex f;
  std::vector<double> lower, upper, start;
};

ConvexCase convex_case(std::uint64_t seed, Index size) {
  const auto n = static_cast<std::size_t>(size);
  RandomSequence random(seed);
  ConvexCase out;
  // Columns that nearly cancel: the minimiser of a face lies far from that of the whole.
  std::vector<double> A(n * n);
  for (std::size_t i = 0; i < n; ++i) {
    const double common = random.normal();
    for (std::size_t j = 0; j < n; ++j) {
      A[i + j * n] = (j % 2 == 0 ? common : -common) + 0.2 * random.normal();
    }
  }
  out.f.H.assign(n * n, 0.0);
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t j = 0; j < n; ++j) {
      for (std::size_t k = 0; k < n; ++k) {
        out.f.H[i + j * n] += A[k + i * n] * A[k + j * n];
      }
    }
    out.f.H[i + i * n] += 1e-3;
    out.f.c.push_back(random.normal());
    const double u = random.uniform();
    const double a = random.normal();
    out.lower.push_back(u < 0.7 ? a - random.uniform() : -infinity);
    out.upper.push_back(u > 0.4 ? a + random.uniform() : infinity);
    out.start.push_back(a + 3 * random.normal());
  }
  return out;
}

/// The only first-order point, by Newton's method in long double on each of the 3^n faces.
std::vector<long double> enumerated(const ConvexCase& p) {
  const std::size_t n = p.start.size();
  const auto gradient = [&](const std::vector<long double>& x, std::size_t i) {
    long double g = -static_cast<long double>(p.f.c[i]) + 0.4L * x[i] * x[i] * x[i];
    for (std::size_t j = 0; j < n; ++j) {
      g += static_cast<long double>(p.f.H[i + j * n]) * x[j];
    }
    return g;
  };
  std::size_t faces = 1;
  for (std::size_t i = 0; i < n; ++i) {
    faces *= 3;
  }
  for (std::size_t face = 0; face < faces; ++face) {
    std::vector<long double> x(n, 0.0L);
    std::vector<std::size_t> free;
    bool possible = true;
    std::size_t code = face;
    for (std::size_t i = 0; i < n; ++i, code /= 3) {
      const double bound = code % 3 == 1 ? p.lower[i] : p.upper[i];
      if (code % 3 == 0) {
        free.push_back(i);
      } else {
        possible = possible && std::isfinite(bound);
        x[i] = bound;
      }
    }
    for (int step = 0; possible && step < 200; ++step) {
      // Gauss elimination of the convex system on the face.
      const std::size_t m = free.size();
      std::vector<long double> M(m * (m + 1));
      for (std::size_t a = 0; a < m; ++a) {
        for (std::size_t b = 0; b < m; ++b) {
          M[a * (m + 1) + b] = p.f.H[free[a] + free[b] * n];
        }
        M[a * (m + 1) + a] += 1.2L * x[free[a]] * x[free[a]];
        M[a * (m + 1) + m] = -gradient(x, free[a]);
      }
      for (std::size_t a = 0; a < m; ++a) {
        for (std::size_t b = a + 1; b < m; ++b) {
          const long double factor = M[b * (m + 1) + a] / M[a * (m + 1) + a];
          for (std::size_t k = a; k <= m; ++k) {
            M[b * (m + 1) + k] -= factor * M[a * (m + 1) + k];
          }
        }
      }
      for (std::size_t a = m; a-- > 0;) {
        long double d = M[a * (m + 1) + m];
        for (std::size_t b = a + 1; b < m; ++b) {
          d -= M[a * (m + 1) + b] * M[b * (m + 1) + m];
        }
        M[a * (m + 1) + m] = d / M[a * (m + 1) + a];
      }
      for (std::size_t a = 0; a < m; ++a) {
        x[free[a]] += M[a * (m + 1) + m];
      }
    }
    for (std::size_t i = 0; possible && i < n; ++i) {
      const long double g = gradient(x, i);
      const bool at_lower = x[i] == p.lower[i];
      const bool at_upper = x[i] == p.upper[i];
      possible =
          x[i] >= p.lower[i] && x[i] <= p.upper[i] && (at_lower || g <= 1e-15L) && (at_upper || g >= -1e-15L);
    }
    if (possible) {
      return x;
    }
  }
  FAIL("no face has a first-order point");
  return {};
}

/// r = J x - b with J'J = (1, -0.9; -0.9, 1) and J'b = (1, -1.2). In x >= 0 the minimum is (1, 0). From the
/// corner (0, 0) the Gauss-Newton step is (-0.42, -1.58): projected on the box it is zero, although f falls
/// along x0.
struct Corner {
  template <class T>
  bool operator()(const T* x, T* r) const {
    const double root = std::sqrt(0.19);
    r[0] = x[0] - 0.9 * x[1] - 1.0;
    r[1] = root * x[1] + 0.3 / root;
    return true;
  }
};

/// One row of it.
struct CornerRow {
  int row;
  template <class T>
  bool operator()(const T* x, T* r) const {
    std::array<T, 2> both;
    Corner()(x, both.data());
    r[0] = both[static_cast<std::size_t>(row)];
    return true;
  }
};

/// Valley with its minimum at (1, 1).
struct Valley {
  template <class T>
  bool operator()(const T* x, T* r) const {
    r[0] = 10.0 * (x[1] - x[0] * x[0]);
    r[1] = 1.0 - x[0];
    r[2] = T(1.0);
    return true;
  }
};

ResidualProblem valley(double x0 = -1.2, double y0 = 1.0) {
  ResidualProblem p;
  const auto x = p.add_parameters({x0, y0}, "x");
  p.add(autodiff<3, 2>(Valley{}), {x});
  return p;
}

/// r = length direction - (1, 2, -2) and the offset.
struct Scaled {
  template <class T>
  bool operator()(const T* direction, const T* size, T* r) const {
    r[0] = size[0] * direction[0] - 1.0;
    r[1] = size[0] * direction[1] - 2.0;
    r[2] = size[0] * direction[2] + 2.0;
    r[3] = size[1];
    return true;
  }
};

/// Keeps the points of a solve.
class Path final : public Observer {
 public:
  void observe(const Progress& p) override {
    if (p.event != Progress::Event::rejected) {
      points.emplace_back(p.x.begin(), p.x.end());
    }
  }
  std::vector<std::vector<double>> points;
};

/// Passes a problem on and fails the test where it is evaluated outside its bounds.
class Watched final : public Problem {
 public:
  explicit Watched(const Problem& inner) : inner_(inner) {}
  Index dimension() const override { return inner_.dimension(); }
  Bounds bounds() const override { return inner_.bounds(); }
  ModelSet models() const override { return inner_.models(); }
  Index terms() const override { return inner_.terms(); }
  Index residuals() const override { return inner_.residuals(); }
  EvalStatus evaluate(const Request& request, Evaluation& evaluation) const override {
    check_inside(inner_, evaluation.x);
    ++evaluations;
    return inner_.evaluate(request, evaluation);
  }
  mutable int evaluations = 0;

 private:
  const Problem& inner_;
};

}  // namespace

TEST_CASE("every recipe ends on the bounded More-Garbow-Hillstrom problems at a first-order point",
          "[matrix]") {
  // Local minima: other valleys of the same problem.
  const std::set<std::string> elsewhere = {"newton osborne-1"};
  for (const MghBounds& row : mgh_bounds()) {
    const MghProblem& data = mgh_problem(std::to_string(row.number));
    const ResidualProblem problem = make_mgh(data, row, 1);
    for (const Recipe& recipe : dense_recipes()) {
      INFO(data.name << " by " << recipe.name);
      const Result r = minimize(problem, problem.initial(), recipe.method);
      INFO(name(r.termination) << ": " << r.reason);
      CHECK((r.outcome == Outcome::converged || r.outcome == Outcome::stalled));
      check_inside(problem, r.x);
      check_active(problem, r);
      // Gauss-Newton steps converge linearly where residuals are large, and stall at the value's last digits.
      CHECK(stationarity(problem, r.x) <= (r.converged() ? 1e-6 : 1e-4));
      if (!elsewhere.contains(std::string(recipe.name) + " " + data.name)) {
        CHECK(solved(row, 2 * r.value));
      }
    }
  }
}

TEST_CASE(
    "the only first-order point of a convex function in a box is found, as enumeration of the faces finds it",
    "[matrix]") {
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    const Index n = 1 + static_cast<Index>(seed % 5);
    const ConvexCase p = convex_case(seed, n);
    const std::vector<long double> expected = enumerated(p);
    FunctionProblem problem = function_problem(p.f, n);
    problem.set_bounds(p.lower, p.upper);
    for (const Recipe& recipe : exact_recipes()) {
      INFO("seed " << seed << " by " << recipe.name);
      const Result r = minimize(problem, p.start, recipe.method);
      INFO(name(r.termination) << ": " << r.reason);
      const bool linear = recipe.method.curvature.name == "diagonal";
      CHECK((r.converged() || (linear && r.outcome == Outcome::stalled)));
      check_active(problem, r);
      const double tolerance = linear ? 3e-6 : 1e-7;
      for (std::size_t i = 0; i < expected.size(); ++i) {
        CHECK(r.x[i] == Approx(static_cast<double>(expected[i])).epsilon(tolerance).margin(tolerance));
      }
      for (const ActiveBound& active : r.active_bounds) {
        CHECK(active.multiplier >= -tolerance);
      }
    }
  }
}

TEST_CASE("a corner where the projected Newton step is zero is no end unless it is a minimum", "[matrix]") {
  ResidualProblem p;
  const auto x = p.add_parameters({0.0, 0.0}, "x");
  p.add(autodiff<2, 2>(Corner{}), {x});
  // What projecting the step of the whole space would do.
  const Evaluation at = derivatives(p, std::vector<double>{0.0, 0.0});
  std::array<double, 4> B{};
  REQUIRE(at.linearization->dense(Model::gauss_newton, {B.data(), 2, 2, 2}));
  const double determinant = B[0] * B[3] - B[1] * B[2];
  CHECK(-(B[3] * at.gradient[0] - B[2] * at.gradient[1]) / determinant < 0);
  CHECK(-(B[0] * at.gradient[1] - B[1] * at.gradient[0]) / determinant < 0);
  CHECK(at.gradient[0] < 0);

  p.set_bounds(x, {0.0, 0.0}, {infinity, infinity});
  for (const Recipe& recipe : all_recipes()) {
    if (recipe.method.optimizer == "adaptive-rate") {
      continue;
    }
    INFO(recipe.name);
    const Result r = minimize(p, p.initial(), recipe.method);
    INFO(r.reason);
    CHECK(r.outcome == Outcome::converged);
    CHECK(r.x[0] == Approx(1.0).epsilon(1e-7));
    CHECK(r.x[1] == 0);
    CHECK(r.active_bounds.size() == 1);
    CHECK(r.active_bounds.front().multiplier == Approx(0.3).epsilon(1e-7));
  }
}

TEST_CASE("a multiplier is the rate at which the minimum falls when its bound gives way", "[matrix]") {
  for (const char* which : {"wood", "brown-dennis", "kowalik-osborne", "watson", "penalty-2"}) {
    INFO(which);
    const MghProblem& data = mgh_problem(which);
    const MghBounds& row = mgh_bounds(data);
    ResidualProblem problem = make_mgh(data, row, 1);
    const Result r = minimize(problem, problem.initial(), newton());
    REQUIRE(r.converged());
    REQUIRE_FALSE(r.active_bounds.empty());
    for (const ActiveBound& active : r.active_bounds) {
      INFO("variable " << active.variable);
      const auto i = static_cast<std::size_t>(active.variable);
      const double h = 1e-4 * std::max(0.1, std::fabs(r.x[i]));
      std::array<double, 2> value{};
      for (int side = 0; side < 2; ++side) {
        ResidualProblem moved = make_mgh(data, row, 1);
        const double by = side == 0 ? h : -h;  // gives way, gets closer
        if (active.side == BoundSide::lower) {
          moved.set_lower({0}, active.variable, row.lower[i] - by);
        } else {
          moved.set_upper({0}, active.variable, row.upper[i] + by);
        }
        value[static_cast<std::size_t>(side)] = minimize(moved, r.x, newton()).value;
      }
      CHECK(active.multiplier > 0);
      CHECK((value[1] - value[0]) / (2 * h) == Approx(active.multiplier).epsilon(1e-3));
    }
  }
}

TEST_CASE("with bounds that bind, convergence stays of second order", "[matrix]") {
  for (const char* which : {"helical-valley", "bard", "wood", "kowalik-osborne", "brown-dennis", "biggs-exp6",
                            "watson", "brown-almost-linear", "trigonometric", "osborne-1"}) {
    const MghProblem& data = mgh_problem(which);
    const MghBounds& row = mgh_bounds(data);
    const ResidualProblem problem = make_mgh(data, row, 1);
    for (const Method& method :
         {newton(), newton({.acceptance = {"armijo"}}), newton({.acceptance = {"strong-wolfe"}}),
          levenberg_marquardt({.curvature = {"exact"}})}) {
      INFO(which << " by " << method.optimizer << " with " << method.acceptance.name);
      Path path;
      const Result r = minimize(problem, problem.initial(), method, {}, &path);
      if (!solved(row, 2 * r.value)) {
        continue;  // another valley
      }
      CHECK(r.converged());
      CHECK_FALSE(r.active_bounds.empty());
      // Once the error is below 1e-3, one step squares it: e' <= C e^2, and C e << 1 by then.
      const auto error = [&](const std::vector<double>& x) {
        double out = 0;
        for (std::size_t i = 0; i < x.size(); ++i) {
          out = std::max(out, std::fabs(x[i] - r.x[i]) / std::max(0.1, std::fabs(r.x[i])));
        }
        return out;
      };
      int near = 0;
      for (std::size_t k = 0; k + 1 < path.points.size(); ++k) {
        if (error(path.points[k]) < 1e-3 && error(path.points[k]) > 1e-9) {
          ++near;
        }
      }
      CHECK(near <= 4);
      // The active set is that of the solution from then on.
      for (const std::vector<double>& x : path.points) {
        if (error(x) < 1e-6) {
          for (const ActiveBound& active : r.active_bounds) {
            CHECK(x[static_cast<std::size_t>(active.variable)] ==
                  r.x[static_cast<std::size_t>(active.variable)]);
          }
        }
      }
    }
  }
}

TEST_CASE("a problem is never evaluated outside its bounds", "[matrix]") {
  for (const char* which : {"rosenbrock", "helical-valley", "wood", "brown-dennis", "osborne-2"}) {
    const MghProblem& data = mgh_problem(which);
    const ResidualProblem inner = make_mgh(data, mgh_bounds(data), 1);
    for (const Recipe& recipe : all_recipes()) {
      INFO(which << " by " << recipe.name);
      const Watched problem(inner);
      Stopping s;
      s.max_iterations = 60;
      minimize(problem, inner.initial(), recipe.method, s);
      CHECK(problem.evaluations > 2);
    }
  }
}

TEST_CASE("infinite bounds, and bounds that are never met, change no bit", "[matrix]") {
  for (const char* which : {"rosenbrock", "bard", "kowalik-osborne", "osborne-1", "penalty-1"}) {
    const MghProblem& data = mgh_problem(which);
    const ResidualProblem plain = make_mgh(data, 1);
    const auto n = static_cast<std::size_t>(data.parameters);
    for (const double width : {infinity, 1e30}) {
      ResidualProblem bounded = make_mgh(data, 1);
      bounded.set_bounds({0}, std::vector<double>(n, -width), std::vector<double>(n, width));
      for (const Recipe& recipe : all_recipes()) {
        INFO(which << " by " << recipe.name << " within " << width);
        Stopping s;
        s.max_iterations = 100;
        // The same memory, since the last bit of a sum of few terms may depend on where they lie.
        Workspace workspace;
        const std::vector<double> start = plain.initial();
        minimize(plain, start, recipe.method, s, nullptr, workspace);
        const Result without = minimize(plain, start, recipe.method, s, nullptr, workspace);
        const Result with = minimize(bounded, start, recipe.method, s, nullptr, workspace);
        CHECK(with.x == without.x);
        CHECK(with.iterations == without.iterations);
        CHECK(with.termination == without.termination);
        CHECK(with.active_bounds.empty());
      }
    }
  }
}

TEST_CASE("a problem whose variables are all fixed is converged where it is", "[matrix]") {
  ResidualProblem p = valley();
  p.set_bounds({0}, {-1.2, 1.0}, {-1.2, 1.0});
  for (const Recipe& recipe : all_recipes()) {
    INFO(recipe.name);
    const Result r = minimize(p, p.initial(), recipe.method);
    CHECK(r.converged());
    CHECK(r.iterations == 0);
    CHECK(r.gradient_norm == 0);
    CHECK(r.x == std::vector<double>{-1.2, 1.0});
    CHECK(r.active_bounds.size() == 2);
  }
}

TEST_CASE("a fixed variable leaves the problem of the others", "[matrix]") {
  ResidualProblem p = valley(0.5, 3.0);
  p.set_bounds({0}, {0.5, -infinity}, {0.5, infinity});
  for (const Recipe& recipe : dense_recipes()) {
    INFO(recipe.name);
    const Result r = minimize(p, p.initial(), recipe.method);
    CHECK(r.converged());
    CHECK(r.x[0] == 0.5);
    CHECK(r.x[1] == Approx(0.25).epsilon(1e-12));
    CHECK(r.active_bounds.size() == 1);
    CHECK(r.active_bounds.front().side == BoundSide::upper);  // f falls towards x0 = 1
  }
}

TEST_CASE("a minimum that lies on a bound with multiplier zero is found", "[matrix]") {
  for (const double x_bound : {1.0, infinity}) {
    ResidualProblem p = valley();
    p.set_bounds({0}, {-infinity, -infinity}, {x_bound, 1.0});
    for (const Recipe& recipe : dense_recipes()) {
      INFO(recipe.name << ", upper bounds " << x_bound << " and 1");
      const Result r = minimize(p, p.initial(), recipe.method);
      INFO(name(r.termination) << ": " << r.reason);
      CHECK(r.outcome == Outcome::converged);
      CHECK(r.value == Approx(0.5).epsilon(1e-14));
      CHECK(r.x[0] == Approx(1.0).epsilon(1e-6));
      CHECK(r.iterations <= 40);
    }
  }
}

TEST_CASE("a start on the wrong bounds leaves them", "[matrix]") {
  // All four corners of a box whose minimum is inside, and of one whose minimum is on an edge.
  for (const double top : {3.0, 0.7}) {
    for (const double x0 : {-2.0, top}) {
      for (const double y0 : {-1.0, 2.0}) {
        ResidualProblem p = valley(x0, y0);
        p.set_bounds({0}, {-2.0, -1.0}, {top, 2.0});
        for (const Recipe& recipe : dense_recipes()) {
          INFO(recipe.name << " from (" << x0 << ", " << y0 << ") below " << top);
          const Result r = minimize(p, p.initial(), recipe.method);
          INFO(name(r.termination) << ": " << r.reason);
          CHECK(r.converged());
          CHECK(r.x[0] == Approx(std::min(1.0, top)).epsilon(1e-6));
          CHECK(r.x[1] == Approx(r.x[0] * r.x[0]).epsilon(1e-6));
        }
      }
    }
  }
}

TEST_CASE("a function that is not defined on its bound is minimised inside", "[matrix]") {
  // log x - 1/2 log y with x, y >= 0: trials on the bound are rejected, not feared.
  const auto f = [](std::span<const auto> x) {
    return x[0] * x[0] - log(x[0]) + x[1] - log(x[1]) + x[0] * x[1];
  };
  FunctionProblem p = function_problem(f, 2);
  p.set_bounds(std::vector<double>{0.0, 0.0}, std::vector<double>{infinity, infinity});
  for (const Recipe& recipe : exact_recipes()) {
    INFO(recipe.name);
    const Result r = minimize(p, std::vector<double>{5.0, 7.0}, recipe.method);
    INFO(name(r.termination) << ": " << r.reason);
    CHECK(r.outcome == Outcome::converged);
    CHECK(2 * r.x[0] * r.x[0] - 1 + r.x[0] * r.x[1] == Approx(0.0).margin(1e-7));
    CHECK(r.x[1] - 1 + r.x[0] * r.x[1] == Approx(0.0).margin(1e-7));
  }
}

TEST_CASE("adaptive rates stay in the box and approach its minimum", "[matrix]") {
  ResidualProblem p;
  const auto x = p.add_parameters({0.5, 0.5}, "x");
  p.add(autodiff<1, 2>(CornerRow{0}), {x});
  p.add(autodiff<1, 2>(CornerRow{1}), {x});
  p.set_bounds(x, {0.0, 0.0}, {2.0, 2.0});
  Stopping s;
  s.max_iterations = 3000;
  for (const Method& method :
       {adahessian({}, 0.02), sdlm({}, 0.05), adahessian({.size = 1, .seed = 3}, 0.01)}) {
    INFO(method.curvature.name << " " << method.batch.size);
    const Result r = minimize(p, p.initial(), method, s);
    check_inside(p, r.x);
    CHECK(r.x[0] == Approx(1.0).margin(0.05));
    CHECK(r.x[1] == Approx(0.0).margin(0.02));
  }
}

TEST_CASE("a bundle adjustment with bounded focal lengths is solved by blocks and by products alike",
          "[matrix]") {
  const BalProblem data = load_bal("generated/tourist?cameras=8&points=300&seed=3");
  const ResidualProblem plain = make_bundle(data);
  Stopping s;
  s.decrease_tolerance = 1e-14;
  const Result unbounded = minimize(plain, plain.initial(), levenberg_marquardt(), s);
  REQUIRE(unbounded.converged());
  ResidualProblem bounded = make_bundle(data);
  for (Index camera = 0; camera < data.cameras; ++camera) {
    const double focal = unbounded.x[static_cast<std::size_t>(9 * camera + 6)];
    bounded.set_lower({camera}, 6, camera % 3 == 0 ? 1.01 * focal : 0.5 * focal);
    bounded.set_upper({camera}, 6, camera % 3 == 1 ? 0.99 * focal : 1.5 * focal);
  }
  std::vector<double> values;
  for (const Method& method :
       {levenberg_marquardt(), levenberg_marquardt({.step = {"damped-cg"}}),
        levenberg_marquardt({.curvature = {"hessian-free", {{"model", "gauss-newton"}}}}),
        newton({.curvature = {"hessian-free", {{"model", "gauss-newton"}}}})}) {
    const Result r = minimize(bounded, bounded.initial(), method, s);
    INFO(r.optimizer << " " << r.step << ": " << r.reason);
    CHECK(r.converged());
    check_inside(bounded, r.x);
    check_active(bounded, r);
    CHECK(r.active_bounds.size() >= 4);
    for (const ActiveBound& active : r.active_bounds) {
      CHECK(active.variable % 9 == 6);
      CHECK(active.multiplier > 0);
    }
    CHECK(stationarity(bounded, r.x) <= 1e-4);
    CHECK(r.value > unbounded.value);
    values.push_back(r.value);
    if (r.step == "block-schur") {
      CHECK(r.iterations <= 2 * unbounded.iterations + 10);
    }
  }
  for (const double v : values) {
    CHECK(v == Approx(values.front()).epsilon(1e-6));
  }
}

TEST_CASE("bounds on flat blocks go together with manifolds on others", "[matrix]") {
  // A vector of length 3 as direction times length, where the length is at most 2 and its offset at least
  // 0.1.
  ResidualProblem p;
  const auto direction = p.add_parameters({1.0, 0.0, 0.0}, manifolds::sphere(3), "direction");
  const auto size = p.add_parameters({5.0, 0.0}, "size");
  p.add(autodiff<4, 3, 2>(Scaled{}), {direction, size});
  p.set_upper(size, 0, 2.0);
  p.set_lower(size, 1, 0.1);
  for (const Recipe& recipe : dense_recipes()) {
    INFO(recipe.name);
    const Result r = minimize(p, p.initial(), recipe.method);
    INFO(r.reason);
    CHECK(r.converged());
    const ConstVectorRef d = p.values(direction, r.x);
    const ConstVectorRef s = p.values(size, r.x);
    CHECK(s[0] == 2.0);
    CHECK(s[1] == 0.1);
    CHECK(d[0] == Approx(1.0 / 3).epsilon(1e-9));
    CHECK(d[1] == Approx(2.0 / 3).epsilon(1e-9));
    CHECK(d[2] == Approx(-2.0 / 3).epsilon(1e-9));
    REQUIRE(r.active_bounds.size() == 2);
    CHECK(r.active_bounds[0].variable == 3);
    CHECK(r.active_bounds[0].tangent == 2);
    CHECK(r.active_bounds[0].side == BoundSide::upper);
    CHECK(r.active_bounds[0].multiplier == Approx(1.0).epsilon(1e-9));
    CHECK(r.active_bounds[1].variable == 4);
    CHECK(r.active_bounds[1].multiplier == Approx(0.1).epsilon(1e-9));
    CHECK(p.variable_name(r.active_bounds[1].tangent) == "size, entry 1");
  }
}

TEST_CASE("a workspace may see bounded and unbounded problems in turn", "[matrix]") {
  const ResidualProblem plain = valley();
  ResidualProblem bounded = valley();
  bounded.set_upper({0}, 0, 0.5);
  Workspace shared;
  for (const Recipe& recipe : all_recipes()) {
    INFO(recipe.name);
    Stopping s;
    s.max_iterations = 50;
    const Result alone = minimize(plain, plain.initial(), recipe.method, s);
    const Result within = minimize(bounded, bounded.initial(), recipe.method, s);
    for (int round = 0; round < 2; ++round) {
      CHECK(minimize(bounded, bounded.initial(), recipe.method, s, nullptr, shared).x == within.x);
      CHECK(minimize(plain, plain.initial(), recipe.method, s, nullptr, shared).x == alone.x);
      CHECK(minimize(plain, plain.initial(), recipe.method, s, nullptr, shared).active_bounds.empty());
    }
  }
}
