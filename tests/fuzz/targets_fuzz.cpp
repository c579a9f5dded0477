// Any text is the name of a target, whose address names the same one again, or an Error of one line. Names of
// files are not looked at, and generated problems are made only where they are small: networks of few weights
// and processes of few observations.
#include <algorithm>

#include "fuzz.h"
#include "kappa/base.h"
#include "problems/io/bal_generated.h"
#include "problems/learning/network_target.h"
#include "problems/pose_graph/generated_pose_graph.h"
#include "problems/targets.h"

namespace {

/// Whether every number is below 100, so that no key asks for much; powers of ten only with a minus.
bool numbers_are_small(const std::string& text) {
  std::size_t digits = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool power = digits > 0 && (text[i] == 'e' || text[i] == 'E') && text.compare(i + 1, 1, "-") != 0;
    digits = text[i] >= '0' && text[i] <= '9' ? digits + 1 : 0;
    if (power || digits > 2) {
      return false;
    }
  }
  return true;
}

bool has(const std::string& text, const char* part) {
  return text.find(part) != std::string::npos;
}

bool small_network(const std::string& name) {
  if (has(name, "data=") || !numbers_are_small(name)) {
    return false;
  }
  const kappa::NetworkTopology topology = kappa::read_topology(
      name.substr(0, name.find('?')), kappa::Activation::tanh, kappa::Activation::linear);
  kappa::Index units = 0;
  for (const kappa::Index size : topology.inputs) {
    units += size;
  }
  for (const kappa::NetworkLayer& layer : topology.layers) {
    units += layer.units;
  }
  return units <= 40;
}

/// A process without a number of observations has 500.
bool small_process(const std::string& name) {
  return !has(name, "file=") && numbers_are_small(name) && (has(name, "n=") || name.starts_with("enso"));
}

void expects_same_again(const std::string& address) {
  const kappa::Target target = kappa::load_target(address);
  fuzz_check(kappa::load_target(target.address()).x0 == target.x0, "an address names another target");
}

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
  } else if (scheme == "network" || scheme == "gaussian") {
    if (scheme == "network" ? small_network(name) : small_process(name)) {
      expects_same_again(address);
    }
  } else if (scheme == "nist" || scheme == "mgh" ||
             !std::ranges::any_of(kappa::target_schemes(), [&](auto& s) { return s.name == scheme; })) {
    expects_same_again(address);
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
          "g2o:generated/grid?dimension=2&poses=30&translation=1e-3&rotation=0.5",
          "network:8-6-3?samples=20&decay=1e-4&activation=gelu&seed=3",
          "network:3+2-4@0-3@1-3@2+3?samples=9&loss=sigmoid&precision=single",
          "network:4-2-4?targets=features&loss=mean-square&output=sigmoid&contraction=0.5&code=0&samples=9",
          "network:4-3-2?samples=9&leave_out=3&scale=standard",
          "network:4-3-2?samples=9&take=3",
          "gaussian:generated?n=9&inputs=2&kernel=se*periodic+matern32&mean=linear&noise=0.1&seed=4",
          "gaussian:enso?kernel=matern52&period=12&offset=0.2"};
}
