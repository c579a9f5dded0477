// Plugin kfac: the Fisher information of a network, block by block as a Kronecker product.
//
// For layer l with inputs a (a 1 appended for the bias) and deltas g, which are drawn from the network's own
// distribution,
//
//   F_l = A_l (x) G_l + decay on the weights,   A = E[a a'],  G = E[g g']
//
// with exponential averages over the points of a solve. For the layer's variables as the matrix V (units x
// inputs + 1):
//
//   multiply       F v:  G V A + decay V
//   solve_damped   (G + sqrt(damped) / pi I)^-1 V (A + pi sqrt(damped) I)^-1,   damped = lambda + decay
//
// where lambda is multiplied by the mean weight of the metric in the layer, and pi^2 is the ratio of the mean
// eigenvalues of A and G. That is a nearby system (factored Tikhonov damping), so the solve says that it is
// approximate, and step own-solve rescales it by products. Blocks between layers are left out, and inputs are
// taken as independent of deltas: the products are those of this model, not of the network's Fisher
// information.
//
// Use it for networks, with mini-batches and step own-direction on a schedule, or with own-solve on the whole
// sum. The problem must show its layers (plugin_network.h).
//
// Cost, for a layer of n inputs and m units: N (n^2 + m^2) multiply-adds for the factors of a point, (n^3 +
// m^3) / 3 for a damping, 2 m n (m + n) for a solve or a product. Factors of the damped matrices are kept
// while neither damping nor averages change, and for up to `invert_every` points.
//
// Reference: Martens & Grosse, Optimizing neural networks with Kronecker-factored approximate curvature, ICML
// 2015: eqs. 3 (block), sec. 5 (averages), 6.3 (factored Tikhonov damping), 6.4 (rescaling), 8 (intervals).
#include <algorithm>
#include <cmath>

#include "kappa/plugin.hpp"
#include "kappa/plugin_network.h"
#include "matrix.h"

namespace {

namespace plugin = kappa::plugin;
using kfac::Square;
using plugin::Option;
using plugin::Output;
using plugin::Point;
using plugin::Vector;

struct Layer {
  std::size_t units = 0;
  std::size_t inputs = 0;  ///< with the 1 of the bias
  std::size_t first = 0;   ///< variable
  Square A, G;
  // Cholesky factors of the damped A and G, of `damping` and `age` points ago.
  Square factor_A, factor_G;
  double damping = -1;
  std::int64_t age = 0;

  std::size_t variables() const { return units * inputs; }
};

class Kfac {
 public:
  static constexpr Option options[] = {
      {"decay", 0.95, "Martens & Grosse 2015, sec. 5", "most of the past in an average; before, (k - 1) / k"},
      {"targets", "sampled", "Martens & Grosse 2015, sec. 5",
       "sampled: drawn from the network's distribution, the Fisher information; data: the empirical one"},
      {"invert_every", 1, "20 in Martens & Grosse 2015, sec. 8",
       "points for which factors of a damped matrix are kept; 1: always those of the point"},
  };

  explicit Kfac(const plugin::Options& given)
      : decay_(given.number("decay")),
        sampled_(given.text("targets") == "sampled"),
        invert_every_(given.integer("invert_every")) {
    if (!(decay_ >= 0 && decay_ < 1)) {
      throw plugin::Failure(KAPPA_WRONG_OPTION, "option 'decay' must be from 0 to below 1");
    }
    if (!sampled_ && given.text("targets") != "data") {
      throw plugin::Failure(KAPPA_WRONG_OPTION, "option 'targets' must be sampled or data");
    }
    if (invert_every_ < 1) {
      throw plugin::Failure(KAPPA_WRONG_OPTION, "option 'invert_every' must be at least 1");
    }
  }

  /// A linearization has to be there for its layers; Gauss-Newton is what every network's offers.
  plugin::Needs needs() const { return {.models = plugin::models(plugin::Model::gauss_newton)}; }

  void start() { points_ = 0; }

  void refresh(const Point& now, const Point*, Vector) {
    const auto* network = now.query<kappa_network_layers>(KAPPA_NETWORK_LAYERS);
    if (network == nullptr) {
      throw plugin::Failure(
          KAPPA_UNFIT, "needs a problem that shows the layers of a network; use curvature outer-product");
    }
    ++points_;
    decay_of_weights_ = network->decay;
    layers_.resize(static_cast<std::size_t>(network->layers));
    const double past = std::min(decay_, 1 - 1 / static_cast<double>(points_));
    for (std::size_t l = 0; l < layers_.size(); ++l) {
      shape(*network, l);
      average(*network, l, past);
      ++layers_[l].age;
    }
  }

  plugin::Definiteness definiteness() const { return plugin::Definiteness::positive_semidefinite; }
  plugin::SolveKind solve_kind() const { return plugin::SolveKind::approximate; }

  void multiply(Vector v, Output out) const {
    for (const Layer& layer : layers_) {
      const double* V = v.data() + layer.first;
      double* to = out.data() + layer.first;
      work_.resize(layer.variables());
      kfac::multiply(layer.G, V, layer.inputs, work_.data());
      kfac::multiply_right(work_.data(), layer.units, layer.A, to);
      for (std::size_t i = 0; i < layer.variables() - layer.units; ++i) {
        to[i] += decay_of_weights_ * V[i];
      }
    }
  }

  bool diagonal(Output out) const {
    for (const Layer& layer : layers_) {
      for (std::size_t i = 0; i < layer.inputs; ++i) {
        for (std::size_t j = 0; j < layer.units; ++j) {
          out[layer.first + i * layer.units + j] =
              layer.A(i, i) * layer.G(j, j) + (i + 1 < layer.inputs ? decay_of_weights_ : 0);
        }
      }
    }
    return true;
  }

  bool solve_damped(double lambda, Vector weights, Vector right, Output out) const {
    for (Layer& layer : layers_) {
      const std::size_t n = layer.variables();
      double mean = 0;
      for (std::size_t i = 0; i < n; ++i) {
        mean += weights[layer.first + i] / static_cast<double>(n);
      }
      if (!invert(layer, lambda * mean + decay_of_weights_)) {
        return false;
      }
      double* X = out.data() + layer.first;
      std::copy_n(right.data() + layer.first, n, X);
      layer.factor_G.solve(X, layer.inputs);
      work_.resize(n);
      kfac::transpose(X, layer.units, layer.inputs, work_.data());
      layer.factor_A.solve(work_.data(), layer.units);
      kfac::transpose(work_.data(), layer.inputs, layer.units, X);
    }
    return true;
  }

 private:
  void shape(const kappa_network_layers& network, std::size_t l) {
    kappa_network_layer given{};
    given.struct_size = sizeof given;
    if (network.layer(network.self, static_cast<std::int64_t>(l), &given) != KAPPA_OK ||
        given.first_bias != given.first_weight + given.units * given.inputs) {
      throw plugin::Failure(KAPPA_UNFIT, "a layer's bias must follow its weights");
    }
    Layer& layer = layers_[l];
    layer.units = static_cast<std::size_t>(given.units);
    layer.inputs = static_cast<std::size_t>(given.inputs) + 1;
    layer.first = static_cast<std::size_t>(given.first_weight);
    for (auto [square, size] : {std::pair{&layer.A, layer.inputs},
                                {&layer.factor_A, layer.inputs},
                                {&layer.G, layer.units},
                                {&layer.factor_G, layer.units}}) {
      square->resize(size);
    }
    if (points_ == 1) {
      layer.damping = -1;
    }
  }

  /// A and G of the point into the averages.
  void average(const kappa_network_layers& network, std::size_t l, double past) {
    Layer& layer = layers_[l];
    const auto samples = static_cast<std::size_t>(network.samples);
    const auto number = static_cast<std::int64_t>(l);
    rows_.resize(samples * std::max(layer.inputs, layer.units));
    kappa_status status =
        network.inputs(network.self, number, rows_.data(), static_cast<std::int64_t>(layer.inputs));
    for (std::size_t s = 0; s < samples; ++s) {
      rows_[s * layer.inputs + layer.inputs - 1] = 1;
    }
    layer.A.average(past, rows_.data(), samples);
    if (status == KAPPA_OK) {
      const auto stride = static_cast<std::int64_t>(layer.units);
      status = sampled_ ? network.sampled_deltas(network.self, number, static_cast<std::uint64_t>(points_),
                                                 rows_.data(), stride)
                        : network.deltas(network.self, number, rows_.data(), stride);
    }
    if (status != KAPPA_OK) {
      throw plugin::Failure(status, "the host could not give a layer's inputs and deltas");
    }
    layer.G.average(past, rows_.data(), samples);
  }

  /// Factors of the damped A and G; false where they are not positive definite.
  bool invert(Layer& layer, double damping) const {
    if (layer.damping == damping && layer.age < invert_every_) {
      return true;
    }
    const double a = layer.A.trace() / static_cast<double>(layer.inputs);
    const double g = layer.G.trace() / static_cast<double>(layer.units);
    const double pi = a > 0 && g > 0 ? std::sqrt(a / g) : 1;
    const double root = std::sqrt(damping);
    layer.damping = -1;
    if (!layer.factor_A.factor(layer.A, pi * root) || !layer.factor_G.factor(layer.G, root / pi)) {
      return false;
    }
    layer.damping = damping;
    layer.age = 0;
    return true;
  }

  double decay_;
  bool sampled_;
  std::int64_t invert_every_;
  std::int64_t points_ = 0;
  double decay_of_weights_ = 0;
  mutable std::vector<Layer> layers_;
  mutable std::vector<double> work_;
  std::vector<double> rows_;
};

}  // namespace

KAPPA_PLUGIN("kfac", "1.0",
             plugin::curvature<Kfac>("kfac", "Kronecker-factored Fisher information of a network.",
                                     "Martens & Grosse 2015"))
