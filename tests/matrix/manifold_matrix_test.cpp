// Every recipe on problems whose tangent and ambient sizes differ.
#include <tbb/global_control.h>

#include <cmath>
#include <vector>

#include "kappa/kappa.h"
#include "support/catch.h"
#include "support/manifold_problems.h"

using namespace kappa;

namespace {

struct Recipe {
  const char* name;
  Method method;
};

/// Optimizers with curvatures, steps and acceptances that go with them.
std::vector<Recipe> descending() {
  return {
      {"levenberg-marquardt", levenberg_marquardt()},
      {"levenberg-marquardt geodesic",
       levenberg_marquardt({.step = {"damped-qr", Options{{"acceleration", "0.75"}}}})},
      {"levenberg-marquardt damped-cholesky", levenberg_marquardt({.step = {"damped-cholesky"}})},
      {"levenberg-marquardt block-schur", levenberg_marquardt({.step = {"block-schur"}})},
      {"levenberg-marquardt exact", levenberg_marquardt({.curvature = {"exact"}})},
      {"levenberg-marquardt diagonal", levenberg_marquardt({.curvature = {"diagonal"}})},
      {"levenberg-marquardt hessian-free", levenberg_marquardt({.curvature = {"hessian-free"}})},
      {"newton", newton()},
      {"newton outer-product", newton({.curvature = {"outer-product"}})},
      {"newton steihaug", newton({.curvature = {"hessian-free"}})},
      {"newton armijo", newton({.acceptance = {"armijo"}})},
      {"newton strong-wolfe", newton({.acceptance = {"strong-wolfe"}})},
      {"newton bunch-kaufman", newton({.step = {"bunch-kaufman"}, .acceptance = {"armijo"}})},
      {"newton-cg", newton({.curvature = {"hessian-free"}, .acceptance = {"armijo"}})},
      {"newton gltr", newton({.curvature = {"hessian-free"}, .step = {"gltr"}})},
      {"newton newton-mr", newton({.step = {"newton-mr"}, .acceptance = {"armijo"}})},
      {"hessian-free", hessian_free()},
      {"cubic-newton", cubic_newton()},
      {"regularized-newton", regularized_newton()},
      {"tron", tron()},
  };
}

std::vector<Recipe> adaptive() {
  return {{"adahessian", adahessian()}, {"sdlm", sdlm()}, {"adahessian mini-batch", adahessian({.size = 4})}};
}

struct Case {
  const char* name;
  ResidualProblem problem;
};

std::vector<Case> cases() {
  std::vector<Case> out;
  out.push_back({"rotation averaging", test::rotation_averaging()});
  out.push_back({"poses in the plane", test::loop_in_plane()});
  out.push_back({"poses in space", test::loop_in_space()});
  out.push_back({"poses in space, robust", test::loop_in_space(8, 0.05, huber(0.1))});
  out.push_back({"sphere", test::linear_on(manifolds::sphere(4), {0.5, -0.5, 0.5, 0.5}, 1.0)});
  out.push_back({"homogeneous", test::linear_on(manifolds::homogeneous(4), {1, -2, 0.5, 3}, 1.0)});
  return out;
}

double off_manifold(const ResidualProblem& problem, ConstVectorRef x) {
  double largest = 0;
  for (Index i = 0; i < problem.parameter_blocks(); ++i) {
    const ParameterBlock block{i};
    if (const Manifold* M = problem.manifold(block)) {
      largest = std::max(largest, M->departure(problem.values(block, x)));
    }
  }
  return largest;
}

}  // namespace

TEST_CASE("every descent recipe finds the minimum on manifolds", "[matrix][manifold]") {
  for (const Case& c : cases()) {
    INFO(c.name);
    const std::vector<double> start = c.problem.initial();
    const Result best = minimize(c.problem, start, levenberg_marquardt());
    REQUIRE(best.outcome == Outcome::converged);
    for (const Recipe& recipe : descending()) {
      INFO(recipe.name);
      const bool slow = std::string(recipe.name).find("diagonal") != std::string::npos;
      Stopping stopping;
      stopping.max_iterations = slow ? 2000 : 200;
      const Result result = minimize(c.problem, start, recipe.method, stopping);
      INFO(result.reason);
      CHECK((result.outcome == Outcome::converged || slow));
      CHECK(result.value <= best.value + (slow ? 1e-3 : 1e-9) * (1 + best.value));
      CHECK(result.x.size() == start.size());
      CHECK(off_manifold(c.problem, result.x) < 1e-14);
    }
  }
}

TEST_CASE("adaptive rates go downhill on manifolds and stay on them", "[matrix][manifold]") {
  for (const Case& c : cases()) {
    INFO(c.name);
    for (const Recipe& recipe : adaptive()) {
      INFO(recipe.name);
      Stopping stopping;
      stopping.max_iterations = 300;
      const Result result = minimize(c.problem, c.problem.initial(), recipe.method, stopping);
      INFO(result.reason);
      CHECK(result.value < result.initial_value);
      CHECK(off_manifold(c.problem, result.x) < 1e-14);
    }
  }
}

TEST_CASE("problems on manifolds have the same bits for 1, 2, 4 and 8 threads", "[bits][manifold]") {
  const ResidualProblem problem = test::loop_in_space(600, 0.05, cauchy(0.1));
  const std::vector<double> start = problem.initial();
  Stopping stopping;
  stopping.max_iterations = 5;
  std::vector<double> first;
  for (const std::size_t threads : {1, 2, 4, 8}) {
    const tbb::global_control limit(tbb::global_control::max_allowed_parallelism, threads);
    const Result result =
        minimize(problem, start, levenberg_marquardt({.curvature = {"hessian-free"}}), stopping);
    if (first.empty()) {
      first = result.x;
    }
    CHECK(result.iterations == 5);
    CHECK(result.x == first);
  }
}

TEST_CASE("the step tolerance is measured in tangent entries", "[matrix][manifold]") {
  // Radians, where x itself says nothing of the size of a step.
  const ResidualProblem problem = test::rotation_averaging();
  std::vector<double> scale(static_cast<std::size_t>(problem.tangent_dimension()));
  problem.tangent_scale(problem.initial(), scale);
  CHECK(scale == std::vector<double>(scale.size(), 1.0));
  Stopping stopping;
  stopping.step_tolerance = 1e-2;
  stopping.decrease_tolerance = 0;
  stopping.gradient_tolerance = 0;
  const Result result = minimize(problem, problem.initial(), levenberg_marquardt(), stopping);
  CHECK(result.termination == Termination::step_tolerance);
}
