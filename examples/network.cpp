// A network on generated data: trained with exact Hessian products, and what its outputs are then worth on
// data that it has not seen. Each of the six models of its second derivative is one name away.
#include <kappa/kappa.h>
#include <kappa/network.h>
#include <kappa/random.h>

#include <cmath>
#include <cstdio>

namespace {

/// Points of the plane, in or outside a ring.
kappa::Dataset rings(kappa::Index samples, std::uint64_t seed) {
  const kappa::CounterRandom random(seed);
  kappa::Dataset out;
  out.features.samples = samples;
  out.features.size = 2;
  for (std::uint64_t s = 0; s < static_cast<std::uint64_t>(samples); ++s) {
    const double x = 2 * random.uniform(2 * s) - 1;
    const double y = 2 * random.uniform(2 * s + 1) - 1;
    out.features.value.insert(out.features.value.end(), {x, y});
    const double radius = std::sqrt(x * x + y * y);
    out.label.push_back(radius > 0.4 && radius < 0.9 ? 1 : 0);
  }
  return out;
}

}  // namespace

int main() {
  const kappa::Network network(kappa::NetworkTopology::chain({2, 12, 8, 2}, kappa::Activation::tanh),
                               rings(800, 1), {.decay = 1e-5});
  kappa::Stopping stopping;
  stopping.max_iterations = 200;
  const kappa::Method newton = kappa::newton({.curvature = {"hessian-free"}});
  const kappa::Result result = kappa::minimize(network, network.initial(1), newton, stopping);
  std::printf("%s\n", result.reason.c_str());
  double accuracy = 0;
  for (const kappa::Measure& measure : network.measures(result.x, rings(2000, 2))) {
    std::printf("%s on new points: %.4f\n", measure.name.c_str(), measure.value);
    accuracy = measure.name == "accuracy" ? measure.value : accuracy;
  }
  return accuracy > 0.95 ? 0 : 1;
}
