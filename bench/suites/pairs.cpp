#include "bench/pairs.h"

#include <tbb/global_control.h>

#include <algorithm>

#include "kappa/minimize.h"
#include "problems/analytic/mgh_problem.h"

namespace kappa::bench {

namespace {

struct NamedCurvature {
  const char* name;
  Spec spec;
};

struct NamedOptimizer {
  const char* name;
  Method (*with)(const Spec& curvature);
};

const std::vector<NamedCurvature>& curvatures() {
  static const std::vector<NamedCurvature> all = {
      {"exact", {"exact"}},
      {"diagonal, exact", {"diagonal", {{"model", "exact"}}}},
      {"diagonal, Gauss-Newton", {"diagonal", {{"model", "gauss-newton"}}}},
      {"outer product", {"outer-product"}},
      {"Hessian-free, exact", {"hessian-free", {{"model", "exact"}}}},
      {"Hessian-free, Gauss-Newton", {"hessian-free", {{"model", "gauss-newton"}}}},
      {"structured secant", {"structured-secant"}},
      {"model switch", {"model-switch"}},
      {"running diagonal", {"running-diagonal"}},
  };
  return all;
}

const std::vector<NamedOptimizer>& optimizers() {
  static const std::vector<NamedOptimizer> all = {
      {"Levenberg-Marquardt", [](const Spec& c) { return levenberg_marquardt({.curvature = c}); }},
      {"Newton, Moré-Sorensen",
       [](const Spec& c) { return newton({.curvature = c, .step = {"more-sorensen"}}); }},
      {"Newton, Steihaug", [](const Spec& c) { return newton({.curvature = c, .step = {"steihaug-cg"}}); }},
      {"Newton, Armijo", [](const Spec& c) { return newton({.curvature = c, .acceptance = {"armijo"}}); }},
      {"Newton, strong Wolfe",
       [](const Spec& c) { return newton({.curvature = c, .acceptance = {"strong-wolfe"}}); }},
      {"Newton, GLTR", [](const Spec& c) { return newton({.curvature = c, .step = {"gltr"}}); }},
      {"Newton-MR, Armijo",
       [](const Spec& c) {
         return newton({.curvature = c, .step = {"newton-mr"}, .acceptance = {"armijo"}});
       }},
      {"Hessian-free", [](const Spec& c) { return hessian_free({.curvature = c}); }},
      {"cubic Newton", [](const Spec& c) { return cubic_newton({.curvature = c}); }},
      {"regularised Newton", [](const Spec& c) { return regularized_newton({.curvature = c}); }},
      {"TRON", [](const Spec& c) { return tron({.curvature = c}); }},
      {"adaptive rate",
       [](const Spec& c) {
         return adaptive_rate({.curvature = c, .acceptance = {"schedule", {{"rate", 0.1}}}});
       }},
  };
  return all;
}

PairCell run_pair(const NamedCurvature& curvature, const NamedOptimizer& optimizer,
                  const std::vector<const MghProblem*>& problems) {
  PairCell out{curvature.name, optimizer.name, 0, static_cast<int>(problems.size()), {}, 0};
  const Method method = optimizer.with(curvature.spec);
  Stopping stopping;
  stopping.max_iterations = 1000;
  int refusals = 0;
  for (const MghProblem* problem : problems) {
    const ResidualProblem residuals = make_mgh(*problem, 1);
    try {
      const Result result = minimize(residuals, residuals.initial(), method, stopping);
      out.products += result.evaluations.product;
      const Source source = MghSource{problem, 1};
      out.solved += solved(*problem, 2 * objective(source, result.x)) ? 1 : 0;
    } catch (const Error& refusal) {
      out.refused = refusal.what();
      ++refusals;
    }
  }
  if (refusals < out.of) {  // refused for some problems only: those count as unsolved
    out.refused.clear();
  }
  return out;
}

}  // namespace

PairsResult run_pairs(const std::string& only, int threads, const ProgressFunction& progress) {
  const tbb::global_control limit(tbb::global_control::max_allowed_parallelism,
                                  static_cast<std::size_t>(threads));
  std::vector<const MghProblem*> problems;
  for (const MghProblem& problem : mgh_problems()) {
    if (matches(problem.name, only)) {
      problems.push_back(&problem);
    }
  }
  if (problems.empty()) {
    throw Error("no problem of suite pairs matches '" + only + "'");
  }
  PairsResult out;
  for (const NamedOptimizer& optimizer : optimizers()) {
    out.optimizers.emplace_back(optimizer.name);
  }
  const std::size_t all = curvatures().size() * optimizers().size();
  for (const NamedCurvature& curvature : curvatures()) {
    out.curvatures.emplace_back(curvature.name);
    for (const NamedOptimizer& optimizer : optimizers()) {
      progress(out.cells.size(), all, std::string(curvature.name) + " with " + optimizer.name);
      out.cells.push_back(run_pair(curvature, optimizer, problems));
    }
  }
  return out;
}

std::string markdown(const PairsResult& result) {
  const auto pad = [](const std::string& text, std::size_t width) {
    // Width in characters: continuation bytes of UTF-8 take no room.
    const auto characters = static_cast<std::size_t>(std::count_if(
        text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
    return text + std::string(width > characters ? width - characters : 0, ' ');
  };
  const int of = result.cells.empty() ? 0 : result.cells.front().of;
  std::string out = "Solved of " + std::to_string(of) +
                    " (Moré, Garbow and Hillstrom, standard start, at most 1000 steps):\n\n| " +
                    pad("curvature", 26) + " |";
  for (const std::string& name : result.optimizers) {
    out += " " + name + " |";
  }
  out += "\n|" + std::string(28, '-') + "|";
  for (std::size_t i = 0; i < result.optimizers.size(); ++i) {
    out += "---:|";
  }
  std::vector<std::string> reasons;
  for (std::size_t i = 0; i < result.cells.size(); ++i) {
    const PairCell& cell = result.cells[i];
    if (i % result.optimizers.size() == 0) {
      out += "\n| " + pad(cell.curvature, 26) + " |";
    }
    out += cell.refused.empty() ? " " + std::to_string(cell.solved) + " |" : " - |";
    if (!cell.refused.empty()) {
      reasons.push_back("- " + cell.curvature + " with " + cell.optimizer + ": " + cell.refused);
    }
  }
  out += "\n\nProducts with the curvature, over all problems:\n\n";
  for (std::size_t i = 0; i < result.cells.size(); ++i) {
    const PairCell& cell = result.cells[i];
    if (cell.curvature == "exact" && cell.products > 0) {
      out += "- exact with " + cell.optimizer + ": " + std::to_string(cell.products) + "\n";
    }
  }
  if (!reasons.empty()) {
    out += "\nRefused at set-up:\n\n";
    for (const std::string& reason : reasons) {
      out += reason + "\n";
    }
  }
  return out;
}

}  // namespace kappa::bench
