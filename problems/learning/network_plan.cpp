#include "problems/learning/network_plan.h"

#include <algorithm>
#include <string>

#include "problems/learning/batch_kernels.h"

namespace kappa::detail {
namespace {

std::string layer_text(Index l) {
  return "network: layer " + std::to_string(l + 1);
}

/// Sources of layer l as nodes, checked.
std::vector<Index> sources_of(const NetworkTopology& topology, Index l) {
  const NetworkLayer& layer = topology.layers[static_cast<std::size_t>(l)];
  const Index node = static_cast<Index>(topology.inputs.size()) + l;
  if (layer.units < 1) {
    throw Error(layer_text(l) + " has " + std::to_string(layer.units) + " units; it needs at least one");
  }
  if (layer.sources.empty()) {
    return {node - 1};
  }
  for (std::size_t k = 0; k < layer.sources.size(); ++k) {
    const Index source = layer.sources[k];
    if (source < 0 || source >= node) {
      throw Error(layer_text(l) + " takes node " + std::to_string(source) +
                  "; its sources are nodes before it, 0 to " + std::to_string(node - 1));
    }
    if (std::find(layer.sources.begin(), layer.sources.begin() + static_cast<std::ptrdiff_t>(k), source) !=
        layer.sources.begin() + static_cast<std::ptrdiff_t>(k)) {
      throw Error(layer_text(l) + " takes node " + std::to_string(source) + " twice; name each source once");
    }
  }
  return layer.sources;
}

void require_used(const NetworkPlan& plan) {
  std::vector<bool> used(static_cast<std::size_t>(plan.nodes()), false);
  for (const NetworkLink& link : plan.links) {
    used[static_cast<std::size_t>(link.source)] = true;
  }
  for (Index node = 0; node + 1 < plan.nodes(); ++node) {
    if (!used[static_cast<std::size_t>(node)]) {
      throw Error("network: no layer takes node " + std::to_string(node) +
                  ", so nothing depends on it; name it as a source or leave it out");
    }
  }
}

}  // namespace

NetworkPlan::NetworkPlan(const NetworkTopology& topology, Index panel_units, bool back_to_inputs) {
  if (topology.inputs.empty() || topology.layers.empty()) {
    throw Error("network: a topology has at least one input and one layer");
  }
  for (const Index size : topology.inputs) {
    if (size < 1) {
      throw Error("network: an input has " + std::to_string(size) + " features; it needs at least one");
    }
    node_units.push_back(size);
    features += size;
  }
  inputs = static_cast<Index>(topology.inputs.size());
  for (Index l = 0; l < static_cast<Index>(topology.layers.size()); ++l) {
    Layer layer;
    layer.units = topology.layers[static_cast<std::size_t>(l)].units;
    layer.activation = topology.layers[static_cast<std::size_t>(l)].activation;
    layer.node = nodes();
    layer.first_link = static_cast<Index>(links.size());
    layer.first_weight = variables;
    layer.first_panel = static_cast<Index>(weight_panels.size());
    for (const Index source : sources_of(topology, l)) {
      NetworkLink link{.layer = l,
                       .source = source,
                       .inputs = units(source),
                       .units = layer.units,
                       .first_weight = variables,
                       .source_is_input = source < inputs,
                       .forward = packed};
      const Index size = link.inputs * link.units;
      packed += link.inputs * rounded_up(link.units, panel_units);
      forward_work += static_cast<double>(size);
      if (!link.source_is_input || back_to_inputs) {
        link.backward = packed;
        packed += link.units * rounded_up(link.inputs, panel_units);
      }
      if (!link.source_is_input) {
        backward_work += static_cast<double>(size);
      }
      layer.inputs += link.inputs;
      variables += size;
      for (Index panel = 0; panel * panel_units < link.inputs; ++panel) {
        weight_panels.push_back({static_cast<Index>(links.size()), panel});
      }
      links.push_back(link);
    }
    weights += layer.inputs * layer.units;
    layer.last_link = static_cast<Index>(links.size());
    layer.first_bias = variables;
    variables += layer.units;
    layer.packed_bias = packed;
    packed += rounded_up(layer.units, panel_units);
    layers.push_back(layer);
    node_units.push_back(layer.units);
  }
  require_used(*this);
}

Index NetworkPlan::layer_of(Index i) const {
  Index l = 0;
  while (l + 1 < count() && layer(l + 1).first_weight <= i) {
    ++l;
  }
  return l;
}

}  // namespace kappa::detail
