// Bundle adjustment: files of the BAL collection, or generated problems of their structure. Solved: the cost
// is within 1e-5 of the best one known. What counts is the time until the cost is within 1e-1 ... 1e-5 of it,
// because that does not depend on anybody's stopping test.
#include <algorithm>
#include <cmath>

#include "bench/best_known.h"
#include "bench/suite.h"

namespace kappa::bench {

namespace {

constexpr const char* default_target = "generated/tourist?cameras=16&points=2000&seed=1";

std::string case_name(const std::string& target) {
  if (target.starts_with("generated/")) {
    return target;
  }
  const std::size_t slash = target.find_last_of('/');
  return slash == std::string::npos ? target : target.substr(slash + 1);
}

double best_known(const Selection& selection, const std::string& name) {
  for (const auto& [known, value] : selection.best_known) {
    if (known == name) {
      return value;
    }
  }
  for (const BestKnown& entry : best_known_costs) {
    if (entry.problem == name) {
      return entry.cost;
    }
  }
  return infinity;
}

std::vector<Case> cases(const Selection& selection) {
  std::vector<std::string> targets = selection.data;
  if (targets.empty()) {
    targets.emplace_back(default_target);
  }
  std::vector<Case> out;
  for (const std::string& target : targets) {
    Case c;
    c.suite = "bal";
    c.problem = case_name(target);
    c.start = "given";
    c.source = BundleSource{std::make_shared<const BalProblem>(load_bal(target))};
    c.stop = {.aim = StopRule::Aim::relative_decrease, .tolerance = 1e-9, .max_trials = 200};
    c.reference = best_known(selection, c.problem);
    c.targets = {1e-1, 1e-2, 1e-3, 1e-4, 1e-5};
    c.score = [](const Run&, double value, double best) {
      const double excess = (value - best) / best;
      const double digits = excess > 0 ? std::clamp(-std::log10(excess), 0.0, 11.0) : 11.0;
      return Score{excess <= 1e-5, std::isfinite(value) ? digits : 0.0};
    };
    out.push_back(std::move(c));
  }
  return out;
}

}  // namespace

Suite bal_suite() {
  return {"bal", "Bundle adjustment", "Solved: the cost is within 1e-5 of the best one known.",
          Suite::Threads::all, cases};
}

}  // namespace kappa::bench
