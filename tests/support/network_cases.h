// Small networks of every activation, loss and kind of topology, with data of their own.
#pragma once

#include <string>
#include <vector>

#include "kappa/network.h"
#include "kappa/random.h"

namespace kappa::test {

struct NetworkCase {
  std::string name;
  NetworkTopology topology;
  NetworkOptions options;
  Dataset data;
};

/// `samples` of `features` normal numbers (in (0, 1) for autoencoders), with classes or numbers as targets.
inline Dataset network_data(Index samples, Index features, Index outputs, const NetworkOptions& options,
                            std::uint64_t seed = 1) {
  const CounterRandom random(seed);
  const bool inside = options.targets == NetworkOptions::Targets::features;
  Dataset out;
  out.features.samples = samples;
  out.features.size = features;
  std::uint64_t draw = 0;
  for (Index k = 0; k < samples * features; ++k, ++draw) {
    out.features.value.push_back(inside ? random.uniform(draw) : random.normal(draw));
  }
  if (inside) {
    return out;
  }
  if (options.loss == NetworkLoss::softmax_cross_entropy) {
    for (Index s = 0; s < samples; ++s) {
      out.label.push_back(static_cast<std::int32_t>(random.below(outputs, draw++)));
    }
    return out;
  }
  out.outputs = outputs;
  for (Index k = 0; k < samples * outputs; ++k, ++draw) {
    out.target.push_back(options.loss == NetworkLoss::mean_square ? random.normal(draw)
                                                                  : random.uniform(draw));
  }
  return out;
}

/// The topologies: a chain, a layer that takes an input and a layer, two inputs with a skip to the output.
inline std::vector<std::pair<std::string, NetworkTopology>> network_topologies(Activation activation) {
  return {{"chain", NetworkTopology::chain({4, 5, 3, 3}, activation)},
          {"skip", {{4}, {{5, activation, {}}, {4, activation, {0, 1}}, {3, Activation::linear, {2, 1}}}}},
          {"two inputs",
           {{3, 2},
            {{4, activation, {0}},
             {3, activation, {1}},
             {3, activation, {2, 3}},
             {3, Activation::linear, {4, 1, 2}}}}}};
}

inline std::vector<NetworkCase> network_cases() {
  std::vector<NetworkCase> out;
  for (const Activation activation : {Activation::linear, Activation::tanh, Activation::sigmoid,
                                      Activation::relu, Activation::softplus, Activation::gelu}) {
    for (const NetworkLoss loss :
         {NetworkLoss::mean_square, NetworkLoss::sigmoid_cross_entropy, NetworkLoss::softmax_cross_entropy}) {
      for (auto& [name, topology] : network_topologies(activation)) {
        NetworkOptions options;
        options.loss = loss;
        options.decay = 0.01;
        if (loss == NetworkLoss::mean_square) {
          topology.layers.back().activation = activation;
        }
        Index features = 0;
        for (const Index size : topology.inputs) {
          features += size;
        }
        out.push_back(
            {name + ", " + std::string(kappa::name(activation)) + ", " + std::string(kappa::name(loss)),
             topology, options, network_data(7, features, 3, options)});
      }
    }
  }
  for (const NetworkLoss loss : {NetworkLoss::mean_square, NetworkLoss::sigmoid_cross_entropy}) {
    NetworkOptions options;
    options.loss = loss;
    options.targets = NetworkOptions::Targets::features;
    const NetworkTopology topology = NetworkTopology::chain({5, 2, 5}, Activation::tanh);
    out.push_back({"autoencoder, " + std::string(kappa::name(loss)), topology, options,
                   network_data(9, 5, 5, options)});
  }
  return out;
}

}  // namespace kappa::test
