// Networks by name.
#include "problems/learning/network_target.h"

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "problems/targets.h"
#include "support/catch.h"
#include "support/files.h"

using namespace kappa;

namespace {

std::string message(const std::string& address) {
  try {
    load_target(address);
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

bool says(const std::string& text, const std::string& part) {
  UNSCOPED_INFO(text);
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("a network's name gives its topology", "[network]") {
  const NetworkTopology chain = read_topology("7-5-3", Activation::relu, Activation::linear);
  REQUIRE(chain.layers.size() == 2);
  CHECK(chain.inputs == std::vector<Index>{7});
  CHECK(chain.layers[0].units == 5);
  CHECK(chain.layers[0].activation == Activation::relu);
  CHECK(chain.layers[1].activation == Activation::linear);
  const NetworkTopology skips = read_topology("3+2-4@0-3@1-3@2+3", Activation::tanh, Activation::sigmoid);
  CHECK(skips.inputs == std::vector<Index>{3, 2});
  REQUIRE(skips.layers.size() == 3);
  CHECK(skips.layers[1].sources == std::vector<Index>{1});
  CHECK(skips.layers[2].sources == std::vector<Index>{2, 3});
}

TEST_CASE("a network is a target with generated data", "[network]") {
  const Target target = load_target("network:6-5-3?activation=gelu&samples=40&seed=3&decay=0.1");
  const auto& network = dynamic_cast<const Network&>(*target.problem);
  CHECK(network.dimension() == 6 * 5 + 5 + 5 * 3 + 3);
  CHECK(network.terms() == 40);
  CHECK(network.options().decay == 0.1);
  CHECK(network.topology().layers[0].activation == Activation::gelu);
  CHECK(target.x0 == network.initial(3));
  CHECK(target.x0 == load_target(target.address()).x0);
  for (const char* address : {"network:6-2-6?targets=features&loss=sigmoid&precision=single",
                              "network:6-4-2?loss=mean-square&output=tanh", "network:6-4-1?loss=sigmoid"}) {
    INFO(address);
    CHECK(load_target(address).problem->terms() == 1000);
  }
}

TEST_CASE("a network reads its data from files", "[network]") {
  const test::Folder folder;
  std::ofstream(folder / "a.libsvm") << "1 1:0.5 3:1\n-1 2:0.25\n1 1:2\n";
  const Target classes = load_target("network:3-2-1?loss=sigmoid&data=" + (folder / "a.libsvm"));
  CHECK(classes.problem->terms() == 3);
  CHECK(load_target("network:3-2-2?samples=2&data=" + (folder / "a.libsvm")).problem->terms() == 2);
  std::ofstream(folder / "b.csv") << "1,2,0.5\n3,4,1.5\n";
  CHECK(load_target("network:2-2-1?loss=mean-square&data=" + (folder / "b.csv")).problem->terms() == 2);
}

TEST_CASE("a network's name that is wrong is refused with the remedy", "[network]") {
  CHECK(says(message("network:"), "names no problem"));
  CHECK(says(message("network:5-x-3"), "'x' in '5-x-3' is no layer"));
  CHECK(says(message("network:5-4@-3"), "is no layer"));
  CHECK(says(message("network:5"), "at least one input and one layer"));
  CHECK(says(message("network:5-4@3-3"), "takes node 3"));
  CHECK(says(message("network:5-3?activation=swish"), "swish"));
  CHECK(says(message("network:5-3?speed=2"), "speed"));
  CHECK(says(message("network:5-3?samples=-2"), "negative"));
  CHECK(says(message("network:5-3?samples=1000000000"), "8 GB"));
  CHECK(says(message("network:5-3?data=/nowhere/at.all"), "/nowhere/at.all"));
  CHECK(says(message("network:5-3?data=/nowhere/train-pictures-ubyte"), "labels"));
}
