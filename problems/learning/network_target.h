// Networks by name, as a command line writes them: SIZES?key=value&...
//
//   784-128-10                        a chain: 784 features, one layer of 128 units, 10 outputs
//   4-5-4@0+1-3                       the second layer takes nodes 0 (the input) and 1 (the first layer)
//   3+2-4@0-3@1-3@2+3                 two inputs, of the first 3 and the last 2 features: nodes 0 and 1
//
// `data` names a file: idx images (the labels' file stands beside it, named alike), a folder with MNIST's
// files, NAME.csv, or else libsvm. Without it samples are generated: features uniform in [0, 1), targets from
// another network of the same topology.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "kappa/network.h"
#include "kappa/options.h"

namespace kappa {

/// The keys, their defaults read from what they set.
std::vector<OptionInfo> network_keys();

struct NamedNetwork {
  Network network;
  std::vector<double> x0;
  std::string note;
  Features first;  ///< the first samples, at most 10, dense
};

/// Throws Error for a name or a key that is not valid and for data that does not fit.
NamedNetwork make_network(std::string_view name,
                          const std::vector<std::pair<std::string, std::string>>& keys);

/// The topology of "4-5-4@0+1-3".
NetworkTopology read_topology(std::string_view text, Activation hidden, Activation output);

}  // namespace kappa
