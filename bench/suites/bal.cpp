// Bundle adjustment: files of the BAL collection, or generated problems of their structure. Solved: the cost
// is within 1e-5 of the best one known. What counts is the time until the cost is within 1e-1 ... 1e-5 of it,
// because that does not depend on anybody's stopping test.
#include "bench/suites/structured.h"

namespace kappa::bench {

namespace {

constexpr const char* default_target = "generated/tourist?cameras=16&points=2000&seed=1";

std::vector<Case> cases(const Selection& selection) {
  std::vector<std::string> targets = bundles_among(selection.data);
  if (targets.empty()) {
    targets.emplace_back(default_target);
  }
  std::vector<Case> out;
  for (const std::string& target : targets) {
    Case c = structured_case("bal", target, selection);
    c.source = BundleSource{std::make_shared<const BalProblem>(load_bal(target))};
    c.targets = {1e-1, 1e-2, 1e-3, 1e-4, 1e-5};
    c.score = within(1e-5);
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
