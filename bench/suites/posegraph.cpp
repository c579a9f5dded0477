// Pose graphs: g2o files, or generated graphs of the published shapes. As in the suite bal, what counts is
// the time until the cost is within 1e-1 ... 1e-6 of the best one known.
#include <algorithm>
#include <cmath>

#include "bench/suites/structured.h"
#include "problems/pose_graph/generated_pose_graph.h"

namespace kappa::bench {

namespace {

std::vector<Case> cases(const Selection& selection) {
  std::vector<std::string> targets = graphs_among(selection.data);
  if (targets.empty()) {
    targets = {"generated/sphere?poses=2500&seed=1", "generated/grid?dimension=2&poses=3500&seed=1"};
  }
  std::vector<Case> out;
  for (const std::string& target : targets) {
    Case c = structured_case("posegraph", target, selection);
    c.source = PoseGraphSource{std::make_shared<const PoseGraph>(load_pose_graph(target))};
    c.targets = {1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6};
    c.score = within(1e-6);
    out.push_back(std::move(c));
  }
  return out;
}

}  // namespace

Suite posegraph_suite() {
  return {"posegraph", "Pose graphs", "Solved: the cost is within 1e-6 of the best one known.",
          Suite::Threads::all, cases};
}

}  // namespace kappa::bench
