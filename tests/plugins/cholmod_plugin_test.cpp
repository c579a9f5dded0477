// The linear solver cholmod-plugin: the laws of step solvers (laws/step_laws_test.cpp, of which this file
// names the candidates), and the steps and figures of the step `cholmod` of kappa::cholmod.
#include <string>

#include "kappa/cholmod.h"
#include "kappa/kappa.h"
#include "kappa/plugin_host.h"
#include "problems/targets.h"
#include "support/catch.h"
#include "support/step_candidates.h"

namespace {

using namespace kappa;

StepPart plugin_part() {
  static const bool loaded = [] {
    load_plugin(std::string(KAPPA_SHIPPED_PLUGINS) + "/cholmod.so");
    return true;
  }();
  CHECK(loaded);
  return registry().step("cholmod-plugin");
}

TEST_CASE("cholmod-plugin takes the steps of kappa::cholmod on a pose graph, with its figures") {
  plugin_part();
  register_cholmod();
  const Target target = load_target("g2o:generated/sphere?poses=400");
  const auto curvature = registry().curvature("outer-product").make({});
  Evaluation at;
  at.reset(target.x0, 0);
  at.gradient.resize(static_cast<std::size_t>(target.problem->tangent_dimension()));
  const Request request{.want = Want::value | Want::gradient | Want::linearization,
                        .models = {Model::gauss_newton},
                        .blocks = true};
  REQUIRE(target.problem->evaluate(request, at) == EvalStatus::ok);
  curvature->start();
  REQUIRE(curvature->refresh(at, nullptr, {}) == Curvature::Status::ok);
  const SymmetricOperator& B = curvature->at_point();
  Metric metric(MetricKind::marquardt);
  metric.update(B);
  for (const char* kind : {"auto", "simplicial", "supernodal"}) {
    CAPTURE(kind);
    const Options options{{"factor", std::string(kind)}};
    const auto own = registry().step("cholmod").make(options);
    const auto plugged = registry().step("cholmod-plugin").make(options);
    REQUIRE_FALSE(own->unfit(B).has_value());
    REQUIRE_FALSE(plugged->unfit(B).has_value());
    REQUIRE(own->prepare({B, at.gradient, metric}) == StepStatus::ok);
    REQUIRE(plugged->prepare({B, at.gradient, metric}) == StepStatus::ok);
    std::string own_figures;
    std::string plugged_figures;
    own->describe(own_figures);
    plugged->describe(plugged_figures);
    CHECK(own_figures == plugged_figures);
    CHECK(own_figures.find("million doubles in L") != std::string::npos);
    for (const double lambda : {1e-6, 1e-2, 10.0}) {
      std::vector<double> a(at.gradient.size());
      std::vector<double> b(at.gradient.size());
      const StepReport first = own->solve(Damping{lambda}, a);
      const StepReport second = plugged->solve(Damping{lambda}, b);
      CHECK(first.status == StepStatus::ok);
      CHECK(second.status == StepStatus::ok);
      CHECK(a == b);
      CHECK(second.predicted_decrease == Approx(first.predicted_decrease).epsilon(1e-9));
    }
  }
}

TEST_CASE("cholmod-plugin solves a pose graph by name, and refuses what is no block matrix") {
  plugin_part();
  const Target target = load_target("g2o:generated/torus?poses=300");
  const Result own = minimize(*target.problem, target.x0, levenberg_marquardt({.step = {"block-cholesky"}}));
  const Result plugged =
      minimize(*target.problem, target.x0, levenberg_marquardt({.step = {"cholmod-plugin"}}));
  CHECK(plugged.converged() == own.converged());
  CHECK(plugged.value == Approx(own.value).epsilon(1e-8));
  const Target small = load_target("mgh:rosenbrock");
  const Method products = levenberg_marquardt({.curvature = {"hessian-free"}, .step = {"cholmod-plugin"}});
  CHECK_THROWS_WITH(minimize(*small.problem, small.x0, products),
                    Catch::Matchers::Contains("block matrices"));
  CHECK_THROWS_WITH(registry().step("cholmod-plugin").make({{"factor", std::string("best")}}),
                    Catch::Matchers::Contains("auto, simplicial or supernodal"));
}

}  // namespace

namespace test {

std::vector<StepCandidate> step_candidates() {
  const auto with = [](const char* kind) -> StepCandidate {
    return {plugin_part, {{"factor", std::string(kind)}}, true, true, StepCandidate::Pattern::block_sparse};
  };
  return {with("auto"), with("supernodal")};
}

}  // namespace test
