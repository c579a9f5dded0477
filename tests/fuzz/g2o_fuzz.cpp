// Any text is a pose graph that is written and read to the same bits, or an Error of one line that names the
// file.
#include <algorithm>
#include <cmath>

#include "fuzz.h"
#include "kappa/base.h"
#include "problems/io/g2o.h"
#include "problems/pose_graph/generated_pose_graph.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  fuzz_accepted = false;
  try {
    const kappa::PoseGraph graph = kappa::parse_g2o(text, "input");
    expects_consistent(graph);
    kappa::write_g2o(graph, fuzz_scratch());
    fuzz_check(kappa::read_g2o(fuzz_scratch()) == graph, "a graph changes when written and read");
    fuzz_check(!kappa::anchors(graph).empty(), "a graph is not held anywhere");
    fuzz_accepted = true;
  } catch (const kappa::Error& error) {
    fuzz_check_message(error.what(), "input:");
  }
  return 0;
}

std::vector<std::string> fuzz_seeds() {
  const std::string plane = " 1 0 0.1 2 0.5 0 3 0 4\n";
  const std::string space = " 1 2 3 0.5 0.5 0.5 0.5 1 0 0 0 0 0 1 0 0 0 0 1 0 0 0 4 0.1 0 4 0 4\n";
  return {
      "VERTEX_SE2 0 0 0 0\nVERTEX_SE2 1 1 0 0.1\nVERTEX_SE2 5 1 1 -3\nFIX 1 5\n# comment\n\nEDGE_SE2 0 1" +
          plane + "EDGE_SE2 5 1" + plane,
      "EDGE_SE2 0 1" + plane + "EDGE_SE2 1 2" + plane + "EDGE_SE2 2 0" + plane + "EDGE_SE2 7 9" + plane,
      "VERTEX_SE3:QUAT 3 0 0 0 0 0 0 1\nVERTEX_SE3:QUAT 1 1e-3 2.5 -3 0.1 0.2 0.3 0.4\nEDGE_SE3:QUAT 3 1" +
          space,
      "EDGE_SE3:QUAT 0 1" + space + "FIX 0\nEDGE_SE3:QUAT 1 2" + space};
}
