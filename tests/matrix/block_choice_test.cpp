// Which solver "auto" takes for block-sparse curvatures, and that it is told with the numbers that decided.
#include <oneapi/tbb/global_control.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "kappa/kappa.h"
#include "kappa/random.h"
#include "support/catch.h"

namespace {

using namespace kappa;

/// The pose of q seen from p in the plane.
struct Between {
  double x, y, angle;
  template <class T>
  bool operator()(const T* p, const T* q, T* r) const {
    using std::cos;
    using std::sin;
    const T c = cos(p[2]);
    const T s = sin(p[2]);
    const T dx = q[0] - p[0];
    const T dy = q[1] - p[1];
    r[0] = c * dx + s * dy - x;
    r[1] = c * dy - s * dx - y;
    r[2] = q[2] - p[2] - angle;
    return true;
  }
};

struct Anchor {
  template <class T>
  bool operator()(const T* p, T* r) const {
    r[0] = p[0];
    r[1] = p[1];
    r[2] = p[2];
    return true;
  }
};

/// Poses on a square grid, each measured from its two neighbours with some noise.
ResidualProblem pose_grid(Index side) {
  ResidualProblem problem;
  RandomSequence random(1);
  std::vector<ParameterBlock> poses;
  for (Index i = 0; i < side * side; ++i) {
    poses.push_back(problem.add_parameters({static_cast<double>(i / side) + 0.1 * random.normal(),
                                            static_cast<double>(i % side) + 0.1 * random.normal(),
                                            0.1 * random.normal()}));
  }
  const auto measure = [&](Index p, Index q, double x, double y) {
    problem.add(kappa::autodiff<3, 3, 3>(
                    Between{x + 0.02 * random.normal(), y + 0.02 * random.normal(), 0.02 * random.normal()}),
                {poses[static_cast<std::size_t>(p)], poses[static_cast<std::size_t>(q)]});
  };
  problem.add(kappa::autodiff<3, 3>(Anchor{}), {poses[0]});
  for (Index i = 0; i < side; ++i) {
    for (Index j = 0; j < side; ++j) {
      if (i + 1 < side) {
        measure(i * side + j, (i + 1) * side + j, 1, 0);
      }
      if (j + 1 < side) {
        measure(i * side + j, i * side + j + 1, 0, 1);
      }
    }
  }
  return problem;
}

/// Points each seen from a few stations: the points are most of the variables.
ResidualProblem star(Index stations, Index points) {
  ResidualProblem problem;
  RandomSequence random(2);
  std::vector<ParameterBlock> from;
  for (Index i = 0; i < stations; ++i) {
    from.push_back(problem.add_parameters({static_cast<double>(i), random.normal(), 0.1 * random.normal()}));
    problem.add(kappa::autodiff<3, 3>(Anchor{}), {from.back()});
  }
  for (Index i = 0; i < points; ++i) {
    const ParameterBlock point = problem.add_parameters({random.normal(), random.normal(), random.normal()});
    for (Index k = 0; k < 3; ++k) {
      problem.add(kappa::autodiff<3, 3, 3>(Between{random.normal(), random.normal(), random.normal()}),
                  {from[static_cast<std::size_t>((i + k * (1 + i % 3)) % stations)], point});
    }
  }
  return problem;
}

bool mentions(const Result& result, const std::string& text) {
  return std::any_of(result.notes.begin(), result.notes.end(),
                     [&](const std::string& note) { return note.find(text) != std::string::npos; });
}

}  // namespace

TEST_CASE("a grid of poses is factored sparsely, as a whole or after eliminating every other pose") {
  const ResidualProblem problem = pose_grid(30);
  const std::vector<double> start = problem.initial();
  const Result whole = minimize(problem, start, levenberg_marquardt({.step = {"block-cholesky"}}));
  CHECK(whole.converged());
  CHECK(mentions(whole, "sparse Cholesky of 900 blocks (2700) in the order of"));
  const Result eliminated = minimize(problem, start, levenberg_marquardt({.step = {"block-schur"}}));
  CHECK(eliminated.converged());
  CHECK(mentions(eliminated, "block-sparse Schur complement"));
  CHECK(eliminated.value == Approx(whole.value).epsilon(1e-10));
  const Result chosen = minimize(problem, start, levenberg_marquardt());
  CHECK((chosen.step == "block-cholesky" || chosen.step == "block-schur"));
  CHECK(mentions(chosen, "step " + chosen.step + ":"));
  CHECK(chosen.value == Approx(whole.value).epsilon(1e-10));
}

TEST_CASE("auto eliminates points, which are most of the variables") {
  const ResidualProblem problem = star(20, 600);
  const Result result = minimize(problem, problem.initial(), levenberg_marquardt());
  CHECK(result.step == "block-schur");
  CHECK(mentions(result, "eliminating an independent set of parameter blocks leaves little"));
}

TEST_CASE("a workspace keeps the choice for a structure, and makes another for another") {
  const ResidualProblem grid = pose_grid(30);
  const ResidualProblem points = star(20, 600);
  Workspace workspace;
  Stopping stopping;
  stopping.max_iterations = 3;
  std::vector<double> first;
  for (int repeat = 0; repeat < 3; ++repeat) {
    const Result& a = minimize(grid, grid.initial(), levenberg_marquardt(), stopping, nullptr, workspace);
    CHECK(mentions(a, "step " + a.step + ":"));
    if (first.empty()) {
      first = a.x;
    }
    CHECK(a.x == first);
    if (repeat == 1) {
      const Result& b =
          minimize(points, points.initial(), levenberg_marquardt(), stopping, nullptr, workspace);
      CHECK(b.step == "block-schur");
    }
  }
}

TEST_CASE("a grid of poses is solved to the same bits on any number of threads") {
  const ResidualProblem problem = pose_grid(30);
  std::vector<double> reference;
  for (const std::size_t threads : {1, 2, 4, 8}) {
    const tbb::global_control limit(tbb::global_control::max_allowed_parallelism, threads);
    const Result result = minimize(problem, problem.initial(), levenberg_marquardt());
    if (reference.empty()) {
      reference = result.x;
    }
    CHECK(result.x == reference);
  }
}
