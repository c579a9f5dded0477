// Network: a feed-forward network of dense layers and its loss over a data set, as a Problem.
//
//   a_0 = features,   z_l = W_l [a_s1; a_s2; ...] + b_l,   a_l = phi_l(z_l)          s: the layer's sources
//   f(x) = 1/N sum_i loss(z_L(i), target(i)) + decay/2 sum_l |W_l|^2
//
// The layers form a directed acyclic graph: a layer may take the values of several earlier layers and inputs
// (skip connections). The variables x are, layer by layer, W_l (units x inputs of the layer, columns behind
// each other, the sources in the order given) and then b_l (units).
//
// With loss = mean_square the term of a sample is 1/2 |a_L - target|^2. The cross-entropies take the output
// layer's z_L, which must be linear, so that nothing overflows: sigmoid, sum_k log(1 + exp(z_k)) - t_k z_k;
// softmax, log sum_k exp(z_k) - z_t.
//
// Models (J: Jacobian of the loss's argument, H_i: second derivative of the loss there, g_i: gradient of the
// loss of sample i); each has the decay's second derivative beside it:
//   exact             the Hessian, by Pearlmutter's R operator: about 1.2 gradients a product
//   gauss_newton      1/N sum J_i' H_i J_i  (Schraudolph 2002)
//   fisher            the same matrix: each of these losses is the negative logarithm of a density whose
//   natural
//                     parameter is the loss's argument (normal with variance 1, Bernoulli, categorical),
//                     unless a mean square has an output activation, where J_i is the Jacobian of a_L and it
//                     still is
//   sampled_fisher    1/N sum g_i g_i' with targets drawn from that density
//   empirical_fisher  1/N sum g_i g_i' with the data's targets
//   squared_mean_gradient   diag(g^2) of f's gradient, without the decay's second derivative
//
// A contractive penalty (NetworkOptions::contraction) adds its Hessian to exact and its Gauss-Newton matrix
// to gauss_newton and fisher; the other models and the recursive diagonals leave it out. It costs two passes
// of the encoder for each unit of the code.
//
// Cost, in multiply-adds for a sample with W weights of which W_1 take inputs alone: value W, gradient
// 3 W - W_1; exact product 5 W - 3 W_1, Gauss-Newton product 4 W - 2 W_1 at a point whose linearization is
// there. Memory of a linearization: four numbers for each unit and sample.
//
// References: Rumelhart, Hinton & Williams 1986; Pearlmutter, Fast exact multiplication by the Hessian,
// Neural Computation 6 (1994); Schraudolph, Fast curvature matrix-vector products, Neural Computation 14
// (2002); Bishop, Pattern Recognition and Machine Learning (2006), sec. 5.4.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "kappa/data.h"
#include "kappa/problem.h"

namespace kappa {

enum class Activation : std::uint8_t {
  linear,
  tanh,
  sigmoid,   ///< 1 / (1 + exp(-z))
  relu,      ///< max(z, 0), derivative 0 at 0
  softplus,  ///< log(1 + exp(z))
  gelu       ///< z Phi(z) with the normal distribution Phi (Hendrycks & Gimpel 2016), not its tanh form
};
std::string_view name(Activation activation);

enum class NetworkLoss : std::uint8_t { mean_square, sigmoid_cross_entropy, softmax_cross_entropy };
std::string_view name(NetworkLoss loss);

/// The precision of activations and products inside; x, gradients and products at the seam are double.
enum class Precision : std::uint8_t { single_precision, double_precision };

/// A dense layer. Nodes are numbered: the inputs first, then the layers.
struct NetworkLayer {
  Index units = 0;
  Activation activation = Activation::tanh;
  std::vector<Index> sources;  ///< nodes before this one; empty: the node just before
};

struct NetworkTopology {
  std::vector<Index> inputs;         ///< sizes of the inputs: together the features of a sample, in order
  std::vector<NetworkLayer> layers;  ///< the last one is the output

  /// sizes = {features, hidden units ..., outputs}, each layer fed by the one before.
  static NetworkTopology chain(std::vector<Index> sizes, Activation hidden,
                               Activation output = Activation::linear);
};

struct NetworkOptions {
  NetworkLoss loss = NetworkLoss::softmax_cross_entropy;
  /// What the outputs are compared with: the data's labels (one-hot for losses other than softmax; a single
  /// output takes classes 0 and 1) or numbers, or the features themselves (an autoencoder).
  enum class Targets : std::uint8_t { data, features } targets = Targets::data;
  double decay = 0;  ///< of f's decay term; biases do not decay
  /// f has contraction/2 1/N sum_i |d a_code / d features|_F^2 of the samples (Rifai et al. 2011).
  double contraction = 0;
  Index code = -1;  ///< its layer, from 0; -1: the hidden layer with the fewest units
  Precision precision = Precision::double_precision;
  std::uint64_t draws = 0;  ///< seed of the targets that are drawn for sampled_fisher and sampled_gradient
};

/// What can be read of a network's linearization, layer by layer: the pieces of Kronecker factors. For sample
/// s of the batch the gradient of its loss with respect to the layer's weights is delta_s a_s', to its bias
/// delta_s.
class NetworkLinearization : public Linearization {
 public:
  struct Layer {
    Index units = 0;
    Index inputs = 0;        ///< of all sources together
    Index first_weight = 0;  ///< x[first_weight + i * units + j] is W(j, i)
    Index first_bias = 0;    ///< x[first_bias + j]
  };

  virtual Index layers() const = 0;
  virtual Layer layer(Index l) const = 0;
  /// Samples of the batch, in the order of Request::sample.
  virtual Index samples() const = 0;
  /// out (inputs x samples) = what the layer's weights multiply.
  virtual void layer_inputs(Index l, MatrixRef out) const = 0;
  /// out (units x samples) = delta, the gradient of each sample's loss with respect to z_l; not divided by N.
  virtual void layer_deltas(Index l, MatrixRef out) const = 0;
  /// The same with the targets of sampled_gradient(draw).
  virtual void sampled_layer_deltas(Index l, std::uint64_t draw, MatrixRef out) const = 0;
  /// Multiply-adds of the matrix products of all evaluations and products of this network so far.
  virtual double multiply_adds() const = 0;
  /// The decay of f: a curvature of the data's terms alone adds it to the weights' diagonal.
  virtual double decay() const = 0;
};

class Network final : public Problem {
 public:
  /// The network keeps a copy of the data in its own precision; sparse features become dense. Throws Error
  /// where topology, loss and data do not fit each other, for features or targets that are not finite, and
  /// for labels outside 0 .. classes - 1.
  Network(NetworkTopology topology, const Dataset& data, const NetworkOptions& options = {});
  ~Network() override;
  Network(Network&&) noexcept;
  Network& operator=(Network&&) noexcept;

  /// Weights drawn for signals of constant size, biases 0: uniform in +-sqrt(6 / (inputs + units)) (Glorot &
  /// Bengio 2010, eq. 16), of relu, softplus and gelu normal with variance 2 / inputs (He et al. 2015, eq.
  /// 10). Weight k of x takes draw k of CounterRandom(seed).
  std::vector<double> initial(std::uint64_t seed = 1) const;

  Index dimension() const override;
  Index terms() const override;
  /// Where f is a sum of squares and nothing else (mean_square, no decay, no penalty): outputs of all
  /// samples, of which residual (i, k) is (a_k(i) - t_k(i)) / sqrt(N).
  Index residuals() const override;
  ModelSet models() const override;
  EvalStatus evaluate(const Request& request, Evaluation& evaluation) const override;
  /// "W2(3,17)" or "b2(3)": layer from 1, unit and input from 0.
  std::string variable_name(Index i) const override;
  std::string block_name(Index i) const override;
  /// "loss", the mean without decay, and with labels "accuracy".
  std::vector<Measure> measures(ConstVectorRef x) const override;
  std::vector<std::string> notes(ModelSet models) const override;

  /// The measures on other data of the same kind.
  std::vector<Measure> measures(ConstVectorRef x, const Dataset& data) const;

  /// out (outputs x samples): a_L of each sample; under a cross-entropy the probabilities.
  void outputs(ConstVectorRef x, const Features& features, MatrixRef out) const;
  /// out (units x samples): the values of layer l, from 0.
  void layer_values(ConstVectorRef x, const Features& features, Index l, MatrixRef out) const;

  /// Jacobian of the loss's argument (a_L for mean_square, z_L for cross-entropies) at one of the problem's
  /// samples: outputs x features, and outputs x dimension().
  void input_jacobian(ConstVectorRef x, Index sample, MatrixRef out) const;
  void weight_jacobian(ConstVectorRef x, Index sample, MatrixRef out) const;

  const NetworkTopology& topology() const;
  const NetworkOptions& options() const;
  Index outputs() const { return topology().layers.back().units; }

 private:
  class Implementation;
  template <class T>
  class Typed;
  std::unique_ptr<Implementation> implementation_;
};

}  // namespace kappa
