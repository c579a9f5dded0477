// Backtracking block by block: parts of a step that cross a pole, and parts that raise their own cost.
#include <tbb/global_control.h>
#include <tbb/task_arena.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "kappa/kappa.h"
#include "problems/io/bal_generated.h"
#include "problems/pose_graph/generated_pose_graph.h"
#include "problems/pose_graph/pose_graph_problem.h"
#include "problems/residual/bundle.h"
#include "support/catch.h"

namespace {

using namespace kappa;

/// A point on a line seen by a pinhole at the camera's position, r = 1 / (x - camera) - seen, in front of it
/// where x > camera.
struct Seen {
  double seen;
  template <class T>
  bool operator()(const T* camera, const T* x, T* r) const {
    r[0] = 1.0 / (x[0] - camera[0]) - seen;
    return true;
  }
};

constexpr std::size_t cameras = 100;
constexpr std::size_t points = 250;

/// Points at `start`, each seen by one of the cameras, which are at 0. Entry cameras + i of x is point i.
ResidualProblem line_of_points(double start, double seen) {
  ResidualProblem out;
  std::vector<ParameterBlock> camera;
  for (std::size_t i = 0; i < cameras; ++i) {
    camera.push_back(out.add_parameters({0.0}));
  }
  for (std::size_t i = 0; i < points; ++i) {
    out.add(autodiff<1, 1, 1>(Seen{seen}), {camera[i % cameras], out.add_parameters({start})});
  }
  return out;
}

TEST_CASE("a block that a step carries through a pole stays before it, and the others keep their step") {
  // At 2 1/x is 0.5; the points are seen as if they were at 4.
  const ResidualProblem problem = line_of_points(2, 0.25);
  const std::vector<double> from = problem.initial();
  std::vector<double> x = from;
  for (std::size_t i = 0; i < points; ++i) {
    x[cameras + i] = 2.5;
  }
  x[cameras + 7] = -30;   // behind, where 1/x = -0.03 fits better than at the start
  x[cameras + 8] = -0.1;  // just behind
  x[cameras + 9] = 0.7;   // in front, but worse than at the start
  const std::optional<Index> moved = problem.backtrack(from, x, nullptr);
  REQUIRE(moved.has_value());
  CHECK(*moved == 3);
  for (std::size_t i = 0; i < points; ++i) {
    const double cost = std::abs(1 / x[cameras + i] - 0.25);
    CHECK(x[cameras + i] > 0);
    CHECK(cost <= 0.25);
    if (i < 7 || i > 9) {
      CHECK(x[cameras + i] == 2.5);
    }
  }
}

TEST_CASE("the part before a pole that lowers the cost is kept") {
  // The camera looks the other way: from -2 towards 0 the residual 1/x - 0.25 grows without end, from 2 away
  // from it it falls.
  const ResidualProblem problem = line_of_points(-1, -2);
  const std::vector<double> from = problem.initial();
  std::vector<double> x = from;
  x[cameras] = 1.0;  // the residual is 1 at the start, 0 at -1/2, infinite at 0, 3 here
  REQUIRE(problem.backtrack(from, x, nullptr) == std::optional<Index>(1));
  CHECK(x[cameras] == Approx(-0.5));
}

TEST_CASE("a step in which nothing goes astray is left as it is") {
  const BalProblem data =
      generate_bal({.kind = GeneratedBal::Kind::street, .cameras = 100, .points = 2000, .seed = 3});
  const ResidualProblem problem = make_bundle(data);
  const std::vector<double> from = problem.initial();
  std::vector<double> x = from;
  for (std::size_t i = 0; i < 900; ++i) {
    x[i] += 1e-9;
  }
  const std::vector<double> before = x;
  const std::optional<Index> moved = problem.backtrack(from, x, nullptr);
  CHECK(moved == std::optional<Index>(0));
  CHECK(x == before);
}

TEST_CASE("blocks that were taken back have the same bits for any number of threads") {
  const BalProblem data =
      generate_bal({.kind = GeneratedBal::Kind::street, .cameras = 100, .points = 3000, .seed = 3});
  const ResidualProblem problem = make_bundle(data);
  const std::vector<double> from = problem.initial();
  std::vector<double> step = from;
  for (std::size_t i = 900; i < step.size(); ++i) {
    step[i] += std::sin(static_cast<double>(i)) * 30;  // the scene is some 15 metres away
  }
  std::vector<double> first;
  for (const int threads : {1, 2, 4}) {
    const tbb::global_control limit(tbb::global_control::max_allowed_parallelism,
                                    static_cast<std::size_t>(threads));
    tbb::task_arena arena(threads);
    std::vector<double> x = step;
    arena.execute([&] { CHECK(problem.backtrack(from, x, nullptr).value() > 300); });
    first = first.empty() ? x : first;
    CHECK(x == first);
  }
}

/// r = d0 / d1 - 1 + camera, of a direction d: a pole where it is level.
struct Tilt {
  template <class T>
  bool operator()(const T* camera, const T* d, T* r) const {
    r[0] = d[0] / d[1] - 1.0 + camera[0];
    return true;
  }
};

TEST_CASE("blocks on a manifold are taken back along it") {
  ResidualProblem problem;
  std::vector<ParameterBlock> camera;
  for (std::size_t i = 0; i < cameras; ++i) {
    camera.push_back(problem.add_parameters({0.0}));
  }
  for (std::size_t i = 0; i < points; ++i) {
    const auto d = problem.add_parameters({0.6, 0.8}, manifolds::sphere(2));
    problem.add(autodiff<1, 1, 2>(Tilt{}), {camera[i % cameras], d});
  }
  const std::vector<double> from = problem.initial();
  std::vector<double> step(cameras + points, 0.0);
  step[cameras] = 2.5;  // an angle; one way or the other it passes d1 = 0
  std::vector<double> x(from.size());
  problem.retract(from, step, x);
  const double* first = x.data() + cameras;
  REQUIRE(first[1] < 0);
  REQUIRE(problem.backtrack(from, x, nullptr).has_value());
  CHECK(std::hypot(first[0], first[1]) == Approx(1));
  CHECK(std::abs(first[0] / first[1] - 1) <= 0.25);
  CHECK(std::equal(x.begin() + cameras + 2, x.end(), from.begin() + cameras + 2));
}

TEST_CASE("problems that few blocks tie together, or without many independent ones, take nothing back") {
  ResidualProblem few;
  const auto camera = few.add_parameters({0.0});
  for (int i = 0; i < 500; ++i) {
    few.add(autodiff<1, 1, 1>(Seen{0.25}), {camera, few.add_parameters({2.0})});
  }
  std::vector<double> x = few.initial();
  CHECK_FALSE(few.backtrack(few.initial(), x, nullptr).has_value());

  const ResidualProblem graph = make_pose_graph(generate_pose_graph({.poses = 500}));
  x = graph.initial();
  CHECK_FALSE(graph.backtrack(graph.initial(), x, nullptr).has_value());
}

TEST_CASE("a long street ends at its noise with backtracking") {
  const BalProblem data =
      generate_bal({.kind = GeneratedBal::Kind::street, .cameras = 110, .points = 3000, .seed = 2});
  const ResidualProblem problem = make_bundle(data);
  Stopping stopping;
  stopping.max_iterations = 30;
  const Result result = minimize(problem, problem.initial(), levenberg_marquardt(), stopping);
  // Chi squared of half the residuals' degrees of freedom at a noise of half a pixel.
  const auto freedom = static_cast<double>(2 * data.observations - problem.tangent_dimension() + 7);
  CHECK(result.value == Approx(0.125 * freedom).epsilon(0.02));
}

}  // namespace
