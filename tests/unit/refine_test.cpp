// Inner iterations: blocks of an independent set re-solved with the others fixed, against kappa::minimize on
// each block alone, and in the loop.
#include <tbb/global_control.h>
#include <tbb/task_arena.h>

#include <cmath>
#include <numeric>
#include <string>

#include "kappa/kappa.h"
#include "problems/io/bal_generated.h"
#include "problems/residual/bundle.h"
#include "problems/residual/reprojection.h"
#include "support/catch.h"

namespace {

using namespace kappa;

BalProblem street(Index cameras, Index points) {
  return generate_bal(
      {.kind = GeneratedBal::Kind::street, .cameras = cameras, .points = points, .seed = 3});
}

double value_at(const Problem& problem, const std::vector<double>& x) {
  Evaluation at;
  at.reset(x, 0);
  REQUIRE(problem.evaluate({}, at) == EvalStatus::ok);
  return at.value;
}

/// One point of the bundle with the cameras that see it held.
ResidualProblem point_alone(const BalProblem& data, Index point, const Loss& loss) {
  ResidualProblem out;
  const double* values = data.parameters.data();
  const auto moved = out.add_parameters(ConstVectorRef(values + 9 * data.cameras + 3 * point, 3));
  for (std::size_t o = 0; o < data.point_index.size(); ++o) {
    if (data.point_index[o] == point) {
      const auto camera = out.add_parameters(ConstVectorRef(values + 9 * data.camera_index[o], 9));
      out.set_constant(camera);
      out.add(autodiff<2, 9, 3>(Reprojection{data.observed[2 * o], data.observed[2 * o + 1]}),
              {camera, moved}, loss);
    }
  }
  return out;
}

void check_against_each_point_alone(const Loss& loss) {
  const BalProblem data = street(4, 150);
  const ResidualProblem problem = make_bundle(data, loss);
  const std::vector<double> start = problem.initial();
  std::vector<double> x = start;
  const std::optional<double> gain = problem.refine(x, 50, nullptr);
  REQUIRE(gain.has_value());
  CHECK(*gain == Approx(value_at(problem, start) - value_at(problem, x)).epsilon(1e-9));
  const auto cameras = 9 * data.cameras;
  CHECK(std::equal(x.begin(), x.begin() + cameras, start.begin()));
  double brute = 0;
  for (Index p = 0; p < data.points; ++p) {
    const ResidualProblem alone = point_alone(data, p, loss);
    brute += minimize(alone, alone.initial(), levenberg_marquardt()).value;
  }
  CHECK(value_at(problem, x) == Approx(brute).epsilon(1e-4));

  // Where all points are optimal, none moves far.
  std::vector<double> again = x;
  CHECK(*problem.refine(again, 50, nullptr) <= 1e-4 * brute);
}

TEST_CASE("every point ends where it ends when it is solved for alone") {
  check_against_each_point_alone({});
}

TEST_CASE("points are re-solved under a robust loss") {
  check_against_each_point_alone(huber(0.5));
}

TEST_CASE("a few inner steps never raise the value, and more of them lower it further") {
  const BalProblem data = street(6, 300);
  const ResidualProblem problem = make_bundle(data, cauchy(2.0));
  double last = value_at(problem, problem.initial());
  for (const Index steps : {1, 2, 4, 8}) {
    std::vector<double> x = problem.initial();
    REQUIRE(problem.refine(x, steps, nullptr).has_value());
    const double value = value_at(problem, x);
    CHECK(value <= last);
    last = value;
  }
}

TEST_CASE("the refined point has the same bits for any number of threads") {
  const ResidualProblem problem = make_bundle(street(20, 3000));
  std::vector<double> first;
  for (const int threads : {1, 2, 4}) {
    const tbb::global_control limit(tbb::global_control::max_allowed_parallelism,
                                    static_cast<std::size_t>(threads));
    tbb::task_arena arena(threads);
    std::vector<double> x = problem.initial();
    arena.execute([&] { REQUIRE(problem.refine(x, 3, nullptr).has_value()); });
    first = first.empty() ? x : first;
    CHECK(x == first);
  }
  CHECK(first != problem.initial());
}

/// r = (x - y, x - target), refused where x is above `limit`.
struct Tied {
  double target;
  double limit = infinity;
  template <class T>
  bool operator()(const T* x, const T* y, T* r) const {
    r[0] = x[0] - y[0];
    r[1] = x[0] * x[0] - target;
    return x[0] < limit;
  }
};

TEST_CASE("of blocks in a chain the named group is re-solved, and neither constants nor bounded blocks") {
  ResidualProblem problem;
  std::vector<ParameterBlock> chain;
  for (int i = 0; i < 9; ++i) {
    chain.push_back(problem.add_parameters({1.0 + 0.1 * i}));
  }
  for (std::size_t i = 0; i + 1 < chain.size(); ++i) {
    problem.add(autodiff<2, 1, 1>(Tied{2.0}), {chain[i], chain[i + 1]});
  }
  for (const std::size_t i : {1U, 3U, 5U, 7U}) {
    problem.set_elimination_group(chain[i], 0);
  }
  problem.set_lower(chain[3], 0, 0.0);
  problem.set_constant(chain[5]);
  const std::vector<double> start = problem.initial();
  std::vector<double> x = start;
  REQUIRE(problem.refine(x, 20, nullptr).has_value());
  for (std::size_t i = 0; i < chain.size(); ++i) {
    const auto entry = problem.offset(chain[i]);
    if (entry >= 0) {
      const bool moves = i == 1 || i == 7;
      CHECK((x[static_cast<std::size_t>(entry)] != start[static_cast<std::size_t>(entry)]) == moves);
    }
  }
  // d/dx of ((x - y)^2 + (x^2 - 2)^2 + (w - x)^2) / 2 with w = 1, y = 1.2.
  const double x1 = x[1];
  CHECK(2 * x1 - 2.2 + 2 * x1 * (x1 * x1 - 2) == Approx(0).margin(2e-3));
}

TEST_CASE("a step that a functor refuses is shortened, and a block without values stays") {
  ResidualProblem problem;
  const auto fine = problem.add_parameters({0.5});
  const auto lost = problem.add_parameters({3.0});
  const auto other = problem.add_parameters({1.5});
  problem.set_constant(other);
  problem.add(autodiff<2, 1, 1>(Tied{4.0, 1.9}), {fine, other});
  problem.add(autodiff<2, 1, 1>(Tied{4.0, 1.9}), {lost, other});
  std::vector<double> x = problem.initial();
  const std::optional<double> gain = problem.refine(x, 30, nullptr);
  REQUIRE(gain.has_value());
  CHECK(*gain > 0);
  CHECK(x[0] > 1.5);
  CHECK(x[0] < 1.9);
  CHECK(x[1] == 3.0);
}

TEST_CASE("blocks on a manifold are re-solved along it") {
  ResidualProblem problem;
  const auto direction = problem.add_parameters({0.6, 0.8, 0.0}, manifolds::sphere(3));
  struct Aim {
    template <class T>
    bool operator()(const T* d, T* r) const {
      r[0] = d[0] - 3.0;
      r[1] = d[1] - 4.0;
      r[2] = d[2] - 12.0;
      return true;
    }
  };
  problem.add(autodiff<3, 3>(Aim{}), {direction});
  std::vector<double> x = problem.initial();
  REQUIRE(problem.refine(x, 50, nullptr).has_value());
  CHECK(x[0] == Approx(3.0 / 13).margin(1e-3));
  CHECK(x[1] == Approx(4.0 / 13).margin(1e-3));
  CHECK(x[2] == Approx(12.0 / 13).margin(1e-3));
}

TEST_CASE("with inner iterations the loop ends at the same minimum") {
  const ResidualProblem problem = make_bundle(street(6, 300), huber(1.0));
  const Result plain = minimize(problem, problem.initial(), levenberg_marquardt());
  for (const auto when : {InnerIterations::When::always, InnerIterations::When::rejected}) {
    const Result inner = minimize(problem, problem.initial(),
                                  levenberg_marquardt({.inner = {.steps = 3, .when = when}}));
    CHECK(inner.outcome == Outcome::converged);
    CHECK(inner.value == Approx(plain.value).epsilon(1e-6));
  }
}

TEST_CASE("a problem with nothing to re-solve says so once and is solved as ever") {
  ResidualProblem problem;
  const auto x = problem.add_parameters({0.5});
  const auto y = problem.add_parameters({1.5});
  problem.set_bounds(x, {0.0}, {10.0});
  problem.set_bounds(y, {0.0}, {10.0});
  problem.add(autodiff<2, 1, 1>(Tied{2.0}), {x, y});
  const Result result =
      minimize(problem, problem.initial(), levenberg_marquardt({.inner = {.steps = 3}}));
  CHECK(result.outcome == Outcome::converged);
  const auto says = [](const std::string& note) { return note.find("inner iterations") != std::string::npos; };
  CHECK(std::count_if(result.notes.begin(), result.notes.end(), says) == 1);
}

TEST_CASE("inner iterations are refused where trials are not judged by their values alone") {
  const ResidualProblem problem = make_bundle(street(4, 60));
  Method method = newton({.acceptance = {"strong-wolfe"}});
  method.inner.steps = 1;
  CHECK_THROWS_AS(minimize(problem, problem.initial(), method), Error);
}

}  // namespace
