// A plugin that tells the truth is taken at its word, however badly the problem is scaled and however loose
// the tolerances are: what the host holds against a claim of convergence is what the claim leaves out.
#include <array>
#include <cmath>

#include "kappa/kappa.h"
#include "loaded.h"
#include "problems/targets.h"
#include "support/catch.h"

namespace {

using namespace kappa;

struct Tolerances {
  const char* name;
  Stopping stopping;
};

std::vector<Tolerances> tolerances() {
  std::vector<Tolerances> out(5);
  out[0].name = "defaults";
  out[1].name = "decrease 1e-10";
  out[1].stopping.decrease_tolerance = 1e-10;
  out[2].name = "decrease 1e-4";
  out[2].stopping.decrease_tolerance = 1e-4;
  out[3].name = "step 1e-9";
  out[3].stopping.step_tolerance = 1e-9;
  out[4].name = "step 1e-4";
  out[4].stopping.step_tolerance = 1e-4;
  return out;
}

/// The problem's own model built in and handed on by a plugin must end in the same way.
void require_alike(const Problem& problem, ConstVectorRef x0) {
  test::loaded("handed_on");
  for (const char* step : {"damped-cholesky", "damped-cg"}) {
    for (const Tolerances& given : tolerances()) {
      CAPTURE(step, given.name);
      const auto method = [&](const char* curvature) {
        return levenberg_marquardt({.curvature = {curvature}, .step = {step}});
      };
      const Result own = minimize(problem, x0, method("outer-product"), given.stopping);
      const Result plugged = minimize(problem, x0, method("handed-on"), given.stopping);
      INFO(plugged.reason);
      CHECK(plugged.termination != Termination::model_refuted);
      CHECK(plugged.termination == own.termination);
      CHECK(plugged.value == Approx(own.value).epsilon(1e-12));
    }
  }
}

/// Residuals of one variable in units of 1 / scale, coupled with its neighbour.
struct Scaled {
  double scale, next;
  template <class T>
  bool operator()(const T* x, const T* y, T* r) const {
    r[0] = scale * x[0] - 1.0 + 0.3 * (next * y[0]);
    r[1] = 0.1 * (scale * x[0]) * (scale * x[0]) + 0.5;  // never 0
    return true;
  }
};

TEST_CASE("a model that is handed on is refuted on none of NIST's problems, whatever the tolerances") {
  for (const std::string& name : target_scheme("nist").names()) {
    for (const char* start : {"", "?start=2"}) {
      const Target target = load_target("nist:" + name + start);
      CAPTURE(target.address());
      require_alike(*target.problem, target.x0);
    }
  }
}

TEST_CASE("nor on variables in units from 1e-8 to 1e8") {
  ResidualProblem problem;
  constexpr int variables = 9;
  std::vector<ParameterBlock> blocks;
  const auto scale = [](int i) { return std::pow(10.0, 2 * (i % variables) - 8); };
  for (int i = 0; i < variables; ++i) {
    blocks.push_back(problem.add_parameters({-2.0 / scale(i)}, "x" + std::to_string(i)));
  }
  for (int i = 0; i < variables; ++i) {
    const auto next = static_cast<std::size_t>((i + 1) % variables);
    problem.add(autodiff<2, 1, 1>(Scaled{scale(i), scale(i + 1)}),
                {blocks[static_cast<std::size_t>(i)], blocks[next]});
  }
  require_alike(problem, problem.initial());
  for (const char* address : {"mgh:meyer", "mgh:powell-badly-scaled", "mgh:brown-badly-scaled",
                              "mgh:brown-dennis", "mgh:helical-valley", "mgh:osborne-2"}) {
    const Target target = load_target(address);
    CAPTURE(address);
    require_alike(*target.problem, target.x0);
  }
}

TEST_CASE("a false claim is refuted however loose the tolerances are") {
  test::loaded("hostile_parts");
  for (const char* address : {"nist:Misra1a", "nist:MGH10", "nist:Hahn1", "mgh:wood", "mgh:meyer"}) {
    for (const char* fault : {"huge", "rather-huge"}) {
      for (const Tolerances& given : tolerances()) {
        CAPTURE(address, fault, given.name);
        const Target target = load_target(address);
        Method method = levenberg_marquardt();
        method.curvature = {"hostile", {{"fault", std::string(fault)}}};
        const Result result = minimize(*target.problem, target.x0, method, given.stopping);
        INFO(result.reason);
        CHECK_FALSE(result.converged());
      }
    }
  }
}

}  // namespace
