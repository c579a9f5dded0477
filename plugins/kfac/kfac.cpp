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
//   solve_damped   P v:  (G + sqrt(damped) / pi I)^-1 V (A + pi sqrt(damped) I)^-1,   damped = lambda + decay
//
// where lambda is multiplied by the mean weight of the metric in the layer, and pi^2 is the ratio of the mean
// eigenvalues of A and G. That is a nearby system (factored Tikhonov damping), so the solve says that it is
// approximate, and step own-solve rescales it by products. Blocks between layers are left out, and inputs are
// taken as independent of deltas: the products are those of this model, not of the network's Fisher
// information.
//
// With model=network the products are the network's own, B = J'HJ of the batch at hand, and the solve is the
// best combination of P v and the last step d for the exact quadratic model:
//
//   out = alpha P v + mu d,   [p d]'(B + lambda W)[p d] (alpha, mu) = [p d]'v,   p = P v
//
// a step length and a momentum that no schedule has to set. Use it with own-solve and a rule for the damping.
//
// Use it for networks, with mini-batches and step own-direction on a schedule, or with own-solve. The problem
// must show its layers (plugin_network.h).
//
// Cost, for a layer of n inputs and m units and a batch of N: N (n^2 + m^2) / 2 multiply-adds for the factors
// of a point, (n^3 + m^3) / 6 for a damping, m n (m + n) for a solve or a product; with model=network a solve
// takes two products of the network. On mini-batches, whose points are many, factors of a point are taken at
// every `factor_every`-th and damped matrices factored at every `inverse_every`-th; both more often at first.
//
// References: Martens & Grosse, Optimizing neural networks with Kronecker-factored approximate curvature,
// ICML 2015: eqs. 3 (block), sec. 5 (averages), 6.3 (factored Tikhonov damping), 6.4 (rescaling), 7
// (momentum), 8 (intervals).
#include <algorithm>
#include <cmath>
#include <functional>
#include <optional>

#include "kappa/plugin.hpp"
#include "kappa/plugin_network.h"
#include "matrix.h"

namespace {

namespace plugin = kappa::plugin;
using kfac::Index;
using kfac::Matrix;
using plugin::Option;
using plugin::Output;
using plugin::Point;
using plugin::Vector;

struct Layer {
  Index units = 0;
  Index inputs = 0;  ///< with the 1 of the bias
  Index first = 0;   ///< variable
  Matrix A, G;
  // Of the damped A and G, for `damping`, from the averages of point `factored`.
  kfac::Factor factor_A, factor_G;
  double damping = -1;
  std::int64_t factored = 0;
  Matrix V, work;  ///< units x inputs

  Index variables() const { return units * inputs; }
  void load(Vector v) { std::copy_n(v.data() + first, variables(), V.data()); }
  void store(Output v) const { std::copy_n(V.data(), variables(), v.data() + first); }
};

/// Four interleaved sums, in an order that does not depend on the address.
double dot(Vector v, Vector u) {
  double sums[4] = {0, 0, 0, 0};
  for (std::size_t i = 0; i < v.size(); ++i) {
    sums[i % 4] += v[i] * u[i];
  }
  return (sums[0] + sums[2]) + (sums[1] + sums[3]);
}

double mean(Vector v) {
  double sum = 0;
  for (const double e : v) {
    sum += e;
  }
  return sum / static_cast<double>(v.size());
}

class Kfac {
 public:
  static constexpr Option options[] = {
      {"decay", 0.95, "Martens & Grosse 2015, sec. 5", "most of the past in an average; before, (k - 1) / k"},
      {"targets", "sampled", "Martens & Grosse 2015, sec. 5",
       "sampled: drawn from the network's distribution, the Fisher information; data: the empirical one"},
      {"model", "kronecker", "Martens & Grosse 2015, sec. 6.4 and 7",
       "kronecker: products are those of the factors; network: those of the network, and a solve has the "
       "best "
       "length and the best share of the last step"},
      {"factor_every", 5, "Martens & Grosse 2015, sec. 8: some points are enough",
       "on mini-batches, points from one update of the averages to the next; on the whole sum every point is "
       "one"},
      {"inverse_every", 20, "Martens & Grosse 2015, sec. 8",
       "on mini-batches, points for which factors of a damped matrix are kept, unless the damping changes by "
       "more than a tenth"},
  };

  explicit Kfac(const plugin::Options& given)
      : decay_(given.number("decay")),
        sampled_(given.text("targets") == "sampled"),
        own_products_(given.text("model") == "kronecker"),
        factor_every_(given.integer("factor_every")),
        inverse_every_(given.integer("inverse_every")) {
    const auto require = [](bool holds, const char* sentence) {
      if (!holds) {
        throw plugin::Failure(KAPPA_WRONG_OPTION, sentence);
      }
    };
    require(decay_ >= 0 && decay_ < 1, "option 'decay' must be from 0 to below 1");
    require(sampled_ || given.text("targets") == "data", "option 'targets' must be sampled or data");
    require(own_products_ || given.text("model") == "network", "option 'model' must be kronecker or network");
    require(factor_every_ >= 1, "option 'factor_every' must be at least 1");
    require(inverse_every_ >= 1, "option 'inverse_every' must be at least 1");
  }

  /// A linearization has to be there for its layers; Gauss-Newton is what every network's offers.
  plugin::Needs needs() const { return {.models = plugin::models(plugin::Model::gauss_newton)}; }

  void start() {
    points_ = updates_ = updated_ = products_ = 0;
    last_step_.clear();
    last_x_.clear();
  }

  void refresh(const Point& now, const Point*, Vector) {
    const auto* network = now.query<kappa_network_layers>(KAPPA_NETWORK_LAYERS);
    if (network == nullptr) {
      throw plugin::Failure(
          KAPPA_UNFIT, "needs a problem that shows the layers of a network; use curvature outer-product");
    }
    now_.emplace(now);
    if (!own_products_) {
      keep_step(now.x());
    }
    whole_ = now.sample() == 0;
    decay_of_weights_ = network->decay;
    if (points_ == 0) {
      layers_.resize(static_cast<std::size_t>(network->layers));
      for (std::size_t l = 0; l < layers_.size(); ++l) {
        shape(*network, l);
      }
    }
    ++points_;
    if (updates_ == 0 || points_ >= updated_ + interval(factor_every_, updated_)) {
      ++updates_;
      products_ += sampled_ ? 1 : 0;
      updated_ = points_;
      const double past = std::min(decay_, 1 - 1 / static_cast<double>(updates_));
      for (std::size_t l = 0; l < layers_.size(); ++l) {
        average(*network, l, past);
      }
    }
  }

  plugin::Definiteness definiteness() const { return plugin::Definiteness::positive_semidefinite; }
  plugin::SolveKind solve_kind() const { return plugin::SolveKind::approximate; }

  /// Products of the network and drawn gradients.
  std::int64_t products() const { return products_; }

  void multiply(Vector v, Output out) const {
    if (!own_products_) {
      network_product(v, out);
      return;
    }
    for (Layer& layer : layers_) {
      layer.load(v);
      kfac::multiply(layer.G, layer.V, layer.work);
      kfac::multiply_right(layer.work, layer.A, layer.V);
      layer.store(out);
      const auto weights = static_cast<std::size_t>((layer.inputs - 1) * layer.units);
      const auto first = static_cast<std::size_t>(layer.first);
      for (std::size_t i = first; i < first + weights; ++i) {
        out[i] += decay_of_weights_ * v[i];
      }
    }
  }

  bool diagonal(Output out) const {
    if (!own_products_) {
      return now_->diagonal(plugin::Model::gauss_newton, out);
    }
    for (Layer& layer : layers_) {
      layer.V.noalias() = layer.G.diagonal() * layer.A.diagonal().transpose();
      layer.V.leftCols(layer.inputs - 1).array() += decay_of_weights_;
      layer.store(out);
    }
    return true;
  }

  bool solve_damped(double lambda, Vector weights, Vector right, Output out) const {
    for (Layer& layer : layers_) {
      const auto first = static_cast<std::size_t>(layer.first);
      const auto count = static_cast<std::size_t>(layer.variables());
      if (!factor(layer, lambda * mean(weights.subspan(first, count)) + decay_of_weights_)) {
        return false;
      }
      layer.load(right);
      layer.factor_G.solve(layer.V);
      layer.factor_A.solve_right(layer.V);
      layer.store(out);
    }
    if (!own_products_) {
      combine_with_last_step(lambda, weights, right, out);
    }
    return true;
  }

 private:
  void network_product(Vector v, Output out) const {
    now_->product(plugin::Model::gauss_newton, v, out);
    ++products_;
  }

  /// The way from the last point, whose gradient may be one of other samples, so that it is not asked for.
  void keep_step(Vector x) {
    if (last_x_.size() == x.size()) {
      last_step_.resize(x.size());
      std::transform(x.begin(), x.end(), last_x_.begin(), last_step_.begin(), std::minus<>());
    }
    last_x_.assign(x.begin(), x.end());
  }

  void shape(const kappa_network_layers& network, std::size_t l) {
    kappa_network_layer given{};
    given.struct_size = sizeof given;
    if (network.layer(network.self, static_cast<std::int64_t>(l), &given) != KAPPA_OK ||
        given.first_bias != given.first_weight + given.units * given.inputs) {
      throw plugin::Failure(KAPPA_UNFIT, "a layer's bias must follow its weights");
    }
    Layer& layer = layers_[l];
    layer.units = given.units;
    layer.inputs = given.inputs + 1;
    layer.first = given.first_weight;
    layer.A.resize(layer.inputs, layer.inputs);
    layer.G.resize(layer.units, layer.units);
    layer.V.resize(layer.units, layer.inputs);
    layer.work.resize(layer.units, layer.inputs);
    layer.damping = -1;
  }

  /// Points from one update, made at point `last`, to the next: every one on the whole sum, and more often
  /// while averages are young.
  std::int64_t interval(std::int64_t every, std::int64_t last) const {
    return whole_ ? 1 : std::min(every, 1 + last / 4);
  }

  /// A and G of the point into the averages.
  void average(const kappa_network_layers& network, std::size_t l, double past) {
    Layer& layer = layers_[l];
    const auto number = static_cast<std::int64_t>(l);
    const Index samples = network.samples;
    rows_.resize(std::max(rows_.size(), samples * std::max(layer.inputs, layer.units)));
    const double scale = (1 - past) / static_cast<double>(samples);
    kappa_status status = network.inputs(network.self, number, rows_.data(), layer.inputs);
    Eigen::Map<Matrix> inputs(rows_.data(), layer.inputs, samples);
    inputs.bottomRows(1).setOnes();
    kfac::average(past, scale, inputs, layer.A);
    if (status == KAPPA_OK) {
      status = sampled_ ? network.sampled_deltas(network.self, number, static_cast<std::uint64_t>(points_),
                                                 rows_.data(), layer.units)
                        : network.deltas(network.self, number, rows_.data(), layer.units);
    }
    if (status != KAPPA_OK) {
      throw plugin::Failure(status, "the host could not give a layer's inputs and deltas");
    }
    kfac::average(past, scale, Eigen::Map<const Matrix>(rows_.data(), layer.units, samples), layer.G);
  }

  /// Factors of the damped A and G; false where they are not positive definite.
  bool factor(Layer& layer, double damping) const {
    constexpr double alike = 0.1;
    const bool young = points_ < layer.factored + interval(inverse_every_, layer.factored);
    const bool same =
        layer.damping == damping || (!whole_ && std::fabs(layer.damping - damping) <= alike * layer.damping);
    if (layer.damping >= 0 && young && same) {
      return true;
    }
    const double a = layer.A.trace() / static_cast<double>(layer.inputs);
    const double g = layer.G.trace() / static_cast<double>(layer.units);
    const double pi = a > 0 && g > 0 ? std::sqrt(a / g) : 1;
    const double root = std::sqrt(damping);
    layer.damping = -1;
    if (!layer.factor_A.compute(layer.A, pi * root) || !layer.factor_G.compute(layer.G, root / pi)) {
      return false;
    }
    layer.damping = damping;
    layer.factored = points_;
    return true;
  }

  /// out := alpha out + mu d with the last step d.
  void combine_with_last_step(double lambda, Vector weights, Vector right, Output out) const {
    const std::size_t n = out.size();
    product_.resize(n);
    const auto damped = [&](Vector v) {
      network_product(v, product_);
      for (std::size_t i = 0; i < n; ++i) {
        product_[i] += lambda * weights[i] * v[i];
      }
    };
    damped(out);
    const double pBp = dot(product_, out);
    const double pr = dot(right, out);
    double alpha = pBp > 0 ? pr / pBp : 1;
    double mu = 0;
    if (last_step_.size() == n) {
      const double pBd = dot(product_, last_step_);
      const double dr = dot(right, last_step_);
      damped(last_step_);
      const double dBd = dot(product_, last_step_);
      const double determinant = pBp * dBd - pBd * pBd;
      if (determinant > 1e-8 * pBp * dBd) {
        alpha = (pr * dBd - dr * pBd) / determinant;
        mu = (dr * pBp - pr * pBd) / determinant;
      }
    }
    for (std::size_t i = 0; i < n; ++i) {
      out[i] = alpha * out[i] + (mu == 0 ? 0 : mu * last_step_[i]);
    }
  }

  double decay_;
  bool sampled_;
  bool own_products_;
  std::int64_t factor_every_;
  std::int64_t inverse_every_;
  std::int64_t points_ = 0;
  std::int64_t updates_ = 0;
  std::int64_t updated_ = 0;  ///< the point of the last update
  bool whole_ = true;
  double decay_of_weights_ = 0;
  std::optional<Point> now_;
  std::vector<double> last_x_, last_step_;
  mutable std::vector<Layer> layers_;
  mutable std::vector<double> product_;
  mutable std::int64_t products_ = 0;  ///< of the network's model, and drawn gradients
  Eigen::VectorXd rows_;
};

}  // namespace

KAPPA_PLUGIN("kfac", "1.1",
             plugin::curvature<Kfac>("kfac", "Kronecker-factored Fisher information of a network.",
                                     "Martens & Grosse 2015"))
