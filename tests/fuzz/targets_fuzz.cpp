// Any text is the name of a target, whose address names the same one again, or an Error of one line. Names of
// files are not looked at, and generated problems are made only where they are small.
#include <algorithm>

#include "fuzz.h"
#include "kappa/base.h"
#include "problems/io/bal_generated.h"
#include "problems/pose_graph/generated_pose_graph.h"
#include "problems/targets.h"

namespace {

void load(const std::string& address) {
  const std::size_t colon = address.find(':');
  const std::string scheme = address.substr(0, colon);
  const std::string name = colon == std::string::npos ? "" : address.substr(colon + 1);
  if (scheme == "bal") {
    const kappa::GeneratedBal options = kappa::parse_generated_bal(name);
    if (options.points <= 200 && options.track <= 10) {
      fuzz_check(kappa::generate_bal(options).points == options.points, "a generated bundle of another size");
    }
  } else if (scheme == "g2o") {
    const kappa::GeneratedPoseGraph options = kappa::parse_generated_pose_graph(name);
    if (options.poses <= 200) {
      expects_consistent(kappa::generate_pose_graph(options));
    }
  } else if (scheme == "nist" || scheme == "mgh" ||
             !std::ranges::any_of(kappa::target_schemes(), [&](auto& s) { return s.name == scheme; })) {
    const kappa::Target target = kappa::load_target(address);
    fuzz_check(kappa::load_target(target.address()).x0 == target.x0, "an address names another target");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string address(reinterpret_cast<const char*>(data), size);
  fuzz_accepted = false;
  if (address.find('\0') != std::string::npos) {
    return 0;  // no command line can hold it
  }
  try {
    load(address);
    fuzz_accepted = true;
  } catch (const kappa::Error& error) {
    fuzz_check(!std::string_view(error.what()).empty(), "an error without a word");
  }
  return 0;
}

std::vector<std::string> fuzz_seeds() {
  return {"nist:Misra1a?start=2",
          "mgh:rosenbrock?factor=10",
          "mgh:7",
          "bal:generated/"
          "street?cameras=5&points=60&seed=3&track=2.5&noise=0.5&rotation=0.1&translation=0&point=1",
          "bal:generated/tourist?points=100&cameras=4",
          "g2o:generated/sphere?poses=40&seed=7",
          "g2o:generated/torus?poses=50&closures=0.5&start=truth",
          "g2o:generated/grid?dimension=2&poses=30&translation=1e-3&rotation=0.5"};
}
