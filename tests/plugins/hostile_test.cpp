// Plugins that break every rule: each must end in a sentence that names plugin and fault, or in a failed
// solve with the best point kept; never in a crash, a hang or a false success.
#include <dlfcn.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <memory>

#include "kappa/kappa.h"
#include "kappa/plugin_host.h"
#include "kappa/residuals.h"
#include "loaded.h"
#include "problems/targets.h"
#include "support/catch.h"

namespace {

using namespace kappa;
using test::built;

bool says(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

template <class F>
std::string error_of(const F& f) {
  try {
    f();
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

void load_hostile() {
  CHECK(test::loaded("hostile_parts").name == "hostile");
}

Options fault(const std::string& name) {
  return {{"fault", name}};
}

constexpr const char* small[] = {"mgh:rosenbrock", "nist:Misra1a", "nist:MGH17"};
constexpr const char* bundle = "bal:generated/street?cameras=4&points=40";

/// Success is false where the library's own method still lowers the value by what can be measured.
void require_no_false_success(const Target& target, const Result& result) {
  CHECK_FALSE(result.reason.empty());
  CHECK(std::isfinite(result.value));
  CHECK(result.value <= result.initial_value);
  for (const double x : result.x) {
    CHECK(std::isfinite(x));
  }
  if (result.outcome == Outcome::converged) {
    Stopping stopping;
    stopping.max_iterations = 100;
    const Result own = minimize(*target.problem, result.x, levenberg_marquardt(), stopping);
    INFO(result.reason);
    CHECK(result.value - own.value <= 1e-6 * std::fabs(result.value) + 1e-14);
  }
}

Result solve(const Target& target, const Method& method, Index iterations = 60) {
  Stopping stopping;
  stopping.max_iterations = iterations;
  stopping.max_evaluations = 300;
  return minimize(*target.problem, target.x0, method, stopping);
}

std::vector<Method> methods_with(const Spec& curvature) {
  std::vector<Method> out;
  for (const char* step : {"auto", "damped-cholesky", "damped-cg", "damped-qr"}) {
    out.push_back(levenberg_marquardt());
    out.back().step = {step};
  }
  for (const char* step : {"auto", "more-sorensen", "steihaug-cg"}) {
    out.push_back(newton());
    out.back().step = {step};
  }
  for (const char* step : {"modified-cholesky", "bunch-kaufman", "newton-cg", "scaled-gradient"}) {
    out.push_back(newton());
    out.back().step = {step};
    out.back().acceptance = {"armijo"};
  }
  for (Method& method : out) {
    method.curvature = curvature;
  }
  return out;
}

/// Solves with every step solver; where the parts do not fit, that is a sentence.
void solve_all_ways(const Target& target, const std::string& fault_name) {
  for (const Method& method : methods_with({"hostile", fault(fault_name)})) {
    CAPTURE(target.address(), fault_name, method.step.name, method.acceptance.name);
    try {
      require_no_false_success(target, solve(target, method));
    } catch (const Error& error) {
      CHECK(std::string(error.what()).size() > 20);
    }
  }
}

}  // namespace

TEST_CASE("tables that are wrong are refused in a sentence that names the file and the fault") {
  const struct {
    const char* fault;
    const char* sentence;
  } cases[] = {
      {"null", "does not say why"},
      {"null-long-text", "xxxxxxxx"},
      {"version-0", "speaks version 0"},
      {"version-99", "speaks version 99"},
      {"size-0", "the plugin's table says that it is 0 bytes long"},
      {"size-huge", "18446744073709551615 bytes"},
      {"part-size-0", "part 1 says that it is 0 bytes long"},
      {"part-size-huge", "part 1 says that it is 18446744073709551615"},
      {"table-size-0", "'hostile-table'"},
      {"table-size-huge", "'hostile-table'"},
      {"table-size-short", "lacks the entry needs"},
      {"no-parts", "it has 0 parts"},
      {"parts-negative", "it has -1 parts"},
      {"parts-huge", "it has 9223372036854775807 parts"},
      {"parts-null", "parts"},
      {"part-null", "part 1 is NULL"},
      {"part-twice", "has the name of one that is already there"},
      {"table-null", "has no table"},
      {"no-create", "lacks the entry create"},
      {"no-destroy", "lacks the entry destroy"},
      {"no-refresh", "lacks the entry refresh"},
      {"no-at-point", "lacks the entry at_point"},
      {"kind", "is of kind 17"},
      {"name-null", "the name of the plugin is ''"},
      {"part-name", "names are made of lower-case letters"},
      {"name-taken", "has the name of one that is already there"},
      {"options-text", "list of options is not JSON"},
      {"options-deep", "list of options is not JSON"},
      {"options-null-default", "list of options is not JSON"},
  };
  for (const auto& [name, sentence] : cases) {
    CAPTURE(name);
    ::setenv("KAPPA_HOSTILE", name, 1);
    const std::size_t before = registry().list().size();
    const std::string error = error_of([] { load_plugin(built("hostile_tables")); });
    CHECK(says(error, sentence));
    CHECK(says(error, "hostile_tables.so"));
    CHECK(registry().list().size() == before);
  }
  ::unsetenv("KAPPA_HOSTILE");
  CHECK(says(error_of([] { load_plugin(built("hostile_no_symbol")); }), "has no symbol kappa_plugin_entry"));
  CHECK(says(error_of([] { load_plugin(built("hostile_entry_throws")); }), "threw an exception"));
}

TEST_CASE("a curvature that cannot be made says why, however long its text") {
  load_hostile();
  for (const auto& [name, sentence] :
       {std::pair("refuses", "it has no mind to"), std::pair("refuses-at-length", "xxxxxxxx"),
        std::pair("odd-status", "12345"), std::pair("throws-create", "create threw"),
        std::pair("throws-needs", "needs threw"), std::pair("needs-fails", "needs returned status -1"),
        std::pair("unknown-model", "models that this kappa does not know")}) {
    CAPTURE(name);
    const std::string error = error_of([&, n = name] { registry().curvature("hostile").make(fault(n)); });
    CHECK(says(error, sentence));
    CHECK(says(error, "curvature 'hostile' of plugin hostile 6.6.6"));
    CHECK(error.size() < 6000);
  }
}

TEST_CASE("an operator that is none ends the solve in a sentence, at the start") {
  load_hostile();
  const struct {
    const char* fault;
    const char* sentence;
  } cases[] = {
      {"throws-refresh", "refresh threw"},
      {"throws-at_point", "at_point"},
      {"throws-multiply", "not finite"},
      {"multiply-fails", "not finite"},
      {"no-multiply", "no operator with a multiply"},
      {"no-operator", "no operator with a multiply"},
      {"operator-size-0", "no operator with a multiply"},
      {"operator-size-huge", "no operator with a multiply"},
      {"size-more", "variables, the problem has"},
      {"size-less", "variables, the problem has"},
      {"size-negative", "its operator is for -1 variables"},
      {"size-huge", "variables, the problem has"},
      {"nan", "not finite"},
      {"writes-nothing", "not finite"},
      {"infinite-entry", "not finite"},
      {"asymmetric", "not symmetric"},
      {"negative-claim", "says that it is positive semidefinite"},
      {"parallel-fails", "parallel_for gave 4"},
      {"parallel-throws", "parallel_for gave -1"},
      {"chunks-negative", "parallel_for gave -3"},
  };
  for (const char* address : small) {
    const Target target = load_target(address);
    for (const auto& [name, sentence] : cases) {
      CAPTURE(address, name);
      Method method = levenberg_marquardt();
      method.curvature = {"hostile", fault(name)};
      const Result result = solve(target, method);
      INFO(result.reason);
      CHECK(result.termination == Termination::curvature_failed);
      CHECK(result.outcome == Outcome::failed);
      CHECK(says(result.reason, "of plugin hostile 6.6.6"));
      CHECK(says(result.reason, sentence));
      CHECK(result.x == target.x0);
      solve_all_ways(target, name);
    }
  }
}

TEST_CASE("forms that do not agree with multiply are not used") {
  load_hostile();
  const Target target = load_target("nist:Misra1a");
  for (const auto& [name, step, sentence] :
       {std::tuple("dense-nan", "damped-cholesky", "dense gives numbers that are not finite"),
        std::tuple("dense-huge", "damped-cholesky", "dense does not agree with multiply"),
        std::tuple("dense-zero", "damped-cholesky", "dense does not agree with multiply"),
        std::tuple("root-zero", "damped-qr", "root does not agree with multiply"),
        std::tuple("root-null", "damped-qr", "root gives no matrix"),
        std::tuple("root-negative", "damped-qr", "root gives no matrix"),
        std::tuple("root-stride", "damped-qr", "root gives no matrix")}) {
    CAPTURE(name);
    Method method = levenberg_marquardt();
    method.curvature = {"hostile", fault(name)};
    method.step = {step};
    const Result result = solve(target, method);
    INFO(result.reason);
    require_no_false_success(target, result);
    if (result.outcome == Outcome::failed) {
      CHECK(says(result.reason, sentence));
    }
    solve_all_ways(target, name);
  }
  for (const char* name :
       {"diagonal-nan", "diagonal-huge", "diagonal-zero", "throws-diagonal", "throws-dense", "throws-root",
        "dense-fails", "solve-nan", "solve-fails", "solve-tiny"}) {
    for (const char* address : small) {
      solve_all_ways(load_target(address), name);
    }
  }
}

TEST_CASE("block matrices that do not fit together are refused") {
  load_hostile();
  const Target target = load_target(bundle);
  for (const auto& [name, sentence] :
       {std::pair("blocks-zero", "does not agree with multiply"),
        std::pair("blocks-null", "does not fit together"), std::pair("blocks-none", "does not fit together"),
        std::pair("blocks-negative", "does not fit together"),
        std::pair("blocks-start", "does not fit together"),
        std::pair("blocks-values", "does not fit together"), std::pair("throws-blocks", "threw")}) {
    for (const char* step : {"block-schur", "block-cholesky"}) {
      CAPTURE(name, step);
      Method method = levenberg_marquardt();
      method.curvature = {"hostile", fault(name)};
      method.step = {step};
      const std::string error = error_of([&] {
        const Result result = solve(target, method, 10);
        CHECK(result.outcome == Outcome::failed);
        throw Error(result.reason);
      });
      INFO(error);
      CHECK(says(error, sentence));
      CHECK(says(error, "of plugin hostile 6.6.6"));
    }
  }
}

TEST_CASE("a curvature that lies about its size is never a success") {
  load_hostile();
  for (const char* address :
       {"mgh:rosenbrock", "mgh:wood", "nist:Misra1a", "nist:MGH17", "nist:Hahn1", "mgh-bounded:wood"}) {
    const Target target = load_target(address);
    for (const char* name :
         {"huge", "rather-huge", "huge-later", "half-huge", "max", "tiny", "zero", "negative", "nan-later",
          "asymmetric-later", "products-only", "odd-definiteness"}) {
      solve_all_ways(target, name);
    }
  }
  const Target target = load_target("nist:Misra1a");
  Method method = newton();
  method.curvature = {"hostile", fault("huge")};
  const Result result = solve(target, method);
  CHECK(result.termination == Termination::model_refuted);
  CHECK(result.outcome == Outcome::failed);
  CHECK(says(result.reason, "negative gradient brings"));
}

TEST_CASE("an honest curvature from a plugin converges as a built-in one does") {
  load_hostile();
  for (const char* address :
       {"mgh:rosenbrock", "mgh:helical-valley", "mgh:wood", "nist:Misra1a", "nist:MGH17", "nist:Hahn1",
        "nist:Bennett5", "nist:Lanczos1", "mgh-bounded:wood"}) {
    for (const char* honest : {"none", "products-only"}) {
      CAPTURE(address, honest);
      const Target target = load_target(address);
      Method own = levenberg_marquardt();
      Method plugged = own;
      own.curvature = {"outer-product"};
      plugged.curvature = {"hostile", fault(honest)};
      own.step = plugged.step = {"damped-cholesky"};
      const Result a = minimize(*target.problem, target.x0, own);
      const Result b = minimize(*target.problem, target.x0, plugged);
      INFO(b.reason);
      CHECK(a.outcome == b.outcome);
    }
  }
}

TEST_CASE("a refresh that fails in the middle keeps the best point") {
  load_hostile();
  for (const char* address : small) {
    const Target target = load_target(address);
    for (const char* name : {"third-refresh", "later-refreshes"}) {
      CAPTURE(address, name);
      Method method = levenberg_marquardt();
      method.curvature = {"hostile", fault(name)};
      const Result result = solve(target, method);
      INFO(result.reason);
      require_no_false_success(target, result);
      if (name == std::string("later-refreshes")) {
        CHECK(result.outcome == Outcome::failed);
        CHECK(result.iterations >= 1);
        CHECK(result.value < result.initial_value);
        CHECK(says(result.reason, "from the third one on it is too much"));
      }
    }
  }
}

TEST_CASE("questions from another thread or at another time are refused, and the solve goes on") {
  load_hostile();
  const Target target = load_target("nist:Misra1a");
  for (const char* name : {"foreign-thread", "foreign-later"}) {
    CAPTURE(name);
    Method method = levenberg_marquardt();
    method.curvature = {"hostile", fault(name)};
    const Result result = solve(target, method);
    CHECK(result.outcome == Outcome::converged);
    CHECK(result.evaluations.product > 0);  // refused questions; -1 where one was answered
  }
}

TEST_CASE("what throws in calls that return nothing does not end the process") {
  load_hostile();
  const Target target = load_target("nist:Misra1a");
  for (const char* name : {"throws-start", "throws-judged", "throws-products", "throws-destroy", "leaks"}) {
    CAPTURE(name);
    Method method = levenberg_marquardt();
    method.curvature = {"hostile", fault(name)};
    CHECK(solve(target, method).outcome == Outcome::converged);
  }
}

TEST_CASE("a step solver that lies or breaks is never a success") {
  load_hostile();
  for (const char* address : small) {
    const Target target = load_target(address);
    for (const char* name : {"none",
                             "writes-nothing",
                             "third-solve",
                             "nan",
                             "enormous",
                             "minute",
                             "zero",
                             "ascends",
                             "ignores-control",
                             "lies-slope",
                             "lies-norm",
                             "lies-none",
                             "lies-tiny",
                             "lies-huge",
                             "lies-minus",
                             "odd-limit",
                             "odd-blame",
                             "odd-status-solve",
                             "prepare-fails",
                             "unfit",
                             "throws-prepare",
                             "throws-solve",
                             "throws-unfit",
                             "throws-resolve",
                             "throws-describe",
                             "throws-factorizations",
                             "throws-destroy",
                             "describes-at-length",
                             "leaks",
                             "refuses",
                             "throws-create"}) {
      CAPTURE(address, name);
      Method method = levenberg_marquardt();
      method.step = {"hostile-step", fault(name)};
      method.curvature = {"outer-product"};
      try {
        const Result result = solve(target, method);
        require_no_false_success(target, result);
        if (result.outcome == Outcome::failed && result.termination != Termination::model_refuted) {
          INFO(result.reason);
          CHECK(says(result.reason, "of plugin hostile 6.6.6"));
        }
      } catch (const Error& error) {
        CHECK(says(error.what(), "hostile"));
      }
    }
  }
}

TEST_CASE("an acceptance that breaks its rules ends the solve and keeps the best point") {
  load_hostile();
  for (const char* address : small) {
    const Target target = load_target(address);
    for (const auto& [name, sentence] :
         {std::pair("none", ""), std::pair("accepts-everything", ""), std::pair("rejects-everything", ""),
          std::pair("kept-without", "accepts the kept trial, and there is none"),
          std::pair("odd-decision", "decision that does not exist"),
          std::pair("control-nan", "negative or not finite"),
          std::pair("control-negative", "negative or not finite"), std::pair("says-nothing", ""),
          std::pair("judge-fails", "judge returned status -1"), std::pair("throws-judge", "judge threw"),
          std::pair("throws-start", "start threw"), std::pair("start-nan", "start gives the control"),
          std::pair("start-negative", "start gives the control"), std::pair("leaks", "")}) {
      CAPTURE(address, name);
      Method method = levenberg_marquardt();
      method.acceptance = {"hostile-acceptance", fault(name)};
      const Result result = solve(target, method);
      INFO(result.reason);
      CHECK(std::isfinite(result.value));
      if (*sentence != '\0') {
        CHECK(result.outcome != Outcome::converged);
        CHECK(says(result.reason, sentence));
        CHECK(says(result.reason, "of plugin hostile 6.6.6"));
      } else if (name != std::string("accepts-everything") && name != std::string("says-nothing")) {
        require_no_false_success(target, result);
      }
    }
  }
}

TEST_CASE("a linear solver that lies or breaks is never a success") {
  load_hostile();
  const Target target = load_target(bundle);
  for (const char* name : {"none", "tiny", "huge", "nan", "solve-fails", "factor-fails", "indefinite",
                           "analyze-fails", "throws-analyze", "throws-factor", "throws-solve", "leaks"}) {
    CAPTURE(name);
    Method method = levenberg_marquardt();
    method.step = {"hostile-linear", fault(name)};
    const Result result = solve(target, method, 10);
    INFO(result.reason);
    CHECK(result.outcome != Outcome::converged);
    CHECK(std::isfinite(result.value));
    CHECK(result.value <= result.initial_value);
  }
}

TEST_CASE("losses and problems that break are refused or end the solve") {
  load_hostile();
  for (const char* name : {"nan", "throws-evaluate"}) {
    CAPTURE(name);
    const LossValue value = plugin_loss("hostile-loss", fault(name)).evaluate(1.0);
    CHECK(std::isnan(value.rho));
  }
  CHECK(plugin_loss("hostile-loss", fault("none")).evaluate(2.0).rho == 2.0);
  for (const char* name : {"no-variables", "minus-variables", "too-many", "start-nan", "initial-fails",
                           "throws-initial", "throws-dimension", "bounds-crossed", "bounds-nan", "refuses"}) {
    CAPTURE(name);
    const std::string error = error_of([&, n = name] {
      const PluginProblem made = plugin_problem("hostile-problem", fault(n));
      minimize(*made.problem, made.x0, newton());
    });
    INFO(error);
    CHECK_FALSE(error.empty());
  }
  for (const char* name : {"throws-evaluate", "evaluate-fails", "value-nan", "gradient-nan", "gradient-huge",
                           "product-nan", "product-fails", "throws-product"}) {
    CAPTURE(name);
    const PluginProblem made = plugin_problem("hostile-problem", fault(name));
    for (const Method& method : {newton(), levenberg_marquardt()}) {
      const Result result = minimize(*made.problem, made.x0, method);
      INFO(result.reason);
      CHECK(result.outcome != Outcome::converged);
    }
  }
  for (const char* name : {"none", "throws-bounds", "leaks"}) {
    const PluginProblem made = plugin_problem("hostile-problem", fault(name));
    const Result result = minimize(*made.problem, made.x0, newton());
    CHECK(result.outcome == Outcome::converged);
    CHECK(result.value < 1e-20);
  }
}

TEST_CASE("a plugin in use stays, whoever closes its library") {
  load_hostile();
  const std::unique_ptr<Curvature> curvature = registry().curvature("hostile").make({});
  void* const handle = ::dlopen(built("hostile_parts").c_str(), RTLD_NOW);
  REQUIRE(handle != nullptr);
  ::dlclose(handle);
  const Target target = load_target("nist:Misra1a");
  Method method = levenberg_marquardt();
  method.curvature = {"hostile"};
  CHECK(solve(target, method).outcome == Outcome::converged);
  CHECK(curvature->needs().models.contains(Model::gauss_newton));
  CHECK(says(error_of([] { load_plugin(built("hostile_parts")); }), "is loaded already"));
}
