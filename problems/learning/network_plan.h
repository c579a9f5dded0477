// NetworkPlan: a topology checked and laid out: which variables, packed weights and nodes belong together.
#pragma once

#include <vector>

#include "kappa/network.h"

namespace kappa::detail {

/// The weights between one source and a layer.
struct NetworkLink {
  Index layer = 0;
  Index source = 0;        ///< node
  Index inputs = 0;        ///< units of the source
  Index units = 0;         ///< of the layer
  Index first_weight = 0;  ///< in x; units x inputs, columns behind each other
  bool source_is_input = false;
  Index forward = 0;    ///< where the packed weights begin
  Index backward = -1;  ///< and their transpose; -1 where it is not wanted
};

struct NetworkPlan {
  /// `back_to_inputs`: transposes of the links from inputs are wanted too.
  NetworkPlan(const NetworkTopology& topology, Index panel_units, bool back_to_inputs = false);

  struct Layer {
    Index units = 0;
    Index inputs = 0;
    Activation activation = Activation::linear;
    Index node = 0;
    Index first_link = 0;
    Index last_link = 0;
    Index first_weight = 0;
    Index first_bias = 0;
    Index packed_bias = 0;
    Index first_panel = 0;  ///< in weight_panels
  };

  /// Inputs [panel, panel + 1) panel_units of a link: what one chunk of a weight gradient owns.
  struct WeightPanel {
    Index link = 0;
    Index panel = 0;
  };

  Index inputs = 0;               ///< nodes 0 .. inputs - 1
  std::vector<Index> node_units;  ///< units of each node
  std::vector<Layer> layers;
  std::vector<NetworkLink> links;  ///< in the order of the variables
  std::vector<WeightPanel> weight_panels;
  Index variables = 0;
  Index weights = 0;  ///< variables that are no biases
  Index packed = 0;   ///< numbers of packed weights, transposes and biases
  Index features = 0;
  double forward_work = 0;  ///< multiply-adds of a sample
  double backward_work = 0;

  Index nodes() const { return static_cast<Index>(node_units.size()); }
  Index count() const { return static_cast<Index>(layers.size()); }
  const Layer& layer(Index l) const { return layers[static_cast<std::size_t>(l)]; }
  const NetworkLink& link(Index k) const { return links[static_cast<std::size_t>(k)]; }
  const Layer& output() const { return layers.back(); }
  Index units(Index node) const { return node_units[static_cast<std::size_t>(node)]; }
  /// The layer of variable i.
  Index layer_of(Index i) const;
};

}  // namespace kappa::detail
