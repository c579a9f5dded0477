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

using Catch::Matchers::Contains;
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

TEST_CASE("the blocks that the user groups are eliminated, and the result says so") {
  // Every other pose of a chain of 200; 600 variables.
  ResidualProblem chain;
  std::vector<ParameterBlock> poses;
  for (int i = 0; i < 200; ++i) {
    poses.push_back(chain.add_parameters({0.9 * i, 0.1, 0.01}, "pose " + std::to_string(i)));
  }
  chain.add(kappa::autodiff<3, 3>(Anchor{}), {poses[0]});
  for (std::size_t i = 1; i < 200; ++i) {
    chain.add(kappa::autodiff<3, 3, 3>(Between{1, 0, 0}), {poses[i - 1], poses[i]});
  }
  const std::vector<double> start = chain.initial();
  const Result automatic = minimize(chain, start, levenberg_marquardt());
  CHECK_FALSE(mentions(automatic, "the user's group"));
  for (std::size_t i = 1; i < 200; i += 2) {
    chain.set_elimination_group(poses[i], 3);
  }
  chain.set_elimination_group(poses[0], 4);
  const Result grouped = minimize(chain, start, levenberg_marquardt());
  CHECK(grouped.converged());
  CHECK(grouped.step == "block-schur");
  CHECK(mentions(grouped, "the problem names the parameter blocks to eliminate first"));
  CHECK(mentions(grouped, "100 blocks of the user's group 3 eliminated"));
  // The exact solution is the chain laid out straight.
  for (std::size_t i = 0; i < 200; ++i) {
    CHECK(chain.values(poses[i], grouped.x)[0] == Approx(static_cast<double>(i)).margin(1e-7));
  }

  chain.set_constant(poses[1]);  // no part of the system, and of the group no more
  const Result held = minimize(chain, chain.initial(), levenberg_marquardt());
  CHECK(mentions(held, "99 blocks of the user's group 3 eliminated"));
  chain.set_variable(poses[1]);

  chain.set_elimination_group(poses[4], 3);
  CHECK_THROWS_WITH(minimize(chain, start, levenberg_marquardt()),
                    Contains("'pose 3' and 'pose 4' are both in elimination group 3") &&
                        Contains("residual block 4 on 'pose 3', 'pose 4' has both"));
  for (const ParameterBlock pose : poses) {
    chain.set_elimination_group(pose, -1);
  }
  CHECK_FALSE(mentions(minimize(chain, start, levenberg_marquardt()), "the user's group"));
  CHECK_THROWS_WITH(chain.set_elimination_group(poses[2], -2), Contains("groups are 0 or more"));
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
