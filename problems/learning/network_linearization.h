// What a network keeps at a point: activations, their derivatives and deltas of every layer at every sample
// of the batch, from which all second-order products follow.
#pragma once

#include <memory>
#include <vector>

#include "kappa/network.h"
#include "problems/learning/contractive_penalty.h"
#include "problems/learning/network_extension.h"
#include "problems/learning/network_pass.h"

namespace kappa::detail {

/// The layer whose Jacobian the contractive penalty measures; throws Error where there is none.
Index code_layer(const NetworkTopology& topology, const NetworkOptions& options);

/// What a linearization needs of its network; it outlives it.
template <class T>
struct NetworkContext {
  NetworkContext(const NetworkTopology& topology, const NetworkOptions& given)
      : plan(topology, row_units<T>, given.contraction > 0),
        options(given),
        pass(plan, given.loss, given.contraction > 0),
        penalty(plan, pass, code_layer(topology, given), given.contraction) {}

  NetworkPlan plan;
  NetworkOptions options;
  NetworkPass<T> pass;
  ContractivePenalty<T> penalty;
  NetworkData<T> data;
};

/// out += decay v on the weights.
void add_decay(const NetworkPlan& plan, double decay, ConstVectorRef v, VectorRef out);

template <class T>
class TypedNetworkLinearization final : public NetworkLinearization {
 public:
  /// Variables up to which a dense matrix is offered: 4096 take 128 MB.
  static constexpr Index dense_limit = 4096;

  explicit TypedNetworkLinearization(const NetworkContext<T>& context) : context_(context) {}

  bool belongs_to(const NetworkContext<T>& context) const { return &context_ == &context; }

  /// Passes forward and back at x; returns the mean loss with the contractive penalty, without decay. `terms`
  /// empty: all.
  double linearize(ConstVectorRef x, std::span<const Index> terms);
  /// The gradient of f at the point.
  void gradient(VectorRef out) const;

  Index size() const override { return plan().variables; }
  void product(Model model, ConstVectorRef v, VectorRef out) const override;
  Offers offers(Model model) const override;
  double diagonal_passes(Model model) const;
  bool diagonal(Model model, VectorRef out) const override;
  bool recursive_diagonal(Recursion recursion, VectorRef out) const override;
  bool sampled_gradient(std::uint64_t draw, VectorRef out) const override;
  bool dense(Model model, MatrixRef out) const override;
  Index residuals() const override;
  bool jacobian_product(ConstVectorRef v, VectorRef out) const override;
  bool jacobian_transpose_product(ConstVectorRef w, VectorRef out) const override;

  Index layers() const override { return plan().count(); }
  Layer layer(Index l) const override;
  Index samples() const override { return batch_.samples; }
  void layer_inputs(Index l, MatrixRef out) const override;
  void layer_deltas(Index l, MatrixRef out) const override;
  void sampled_layer_deltas(Index l, std::uint64_t draw, MatrixRef out) const override;
  double multiply_adds() const override { return pass().multiply_adds(); }
  double decay() const override { return context_.options.decay; }
  const void* extension(std::string_view name) const override {
    layers_ = layers_table(*this);
    return name == KAPPA_NETWORK_LAYERS ? &layers_ : nullptr;
  }

 private:
  using Term = OuterTerm<T>;
  const NetworkPlan& plan() const { return context_.plan; }
  const NetworkPass<T>& pass() const { return context_.pass; }
  const ContractivePenalty<T>& penalty() const { return context_.penalty; }
  const PanelStore<T>& sample_deltas() const { return penalty().present() ? loss_delta_ : state_.delta; }
  double scale() const { return 1.0 / static_cast<double>(batch_.samples); }

  void curvature_product(TangentModel model, ConstVectorRef v, VectorRef out) const;
  void outer_product(const PanelStore<T>& delta, ConstVectorRef v, VectorRef out) const;
  /// Deltas with the targets of a draw.
  const PanelStore<T>& drawn_deltas(std::uint64_t draw) const;
  void draw_output(std::uint64_t draw, Index sample, const Panels<T>& delta) const;
  void copy_deltas(const PanelStore<T>& deltas, Index l, MatrixRef out) const;

  /// out += 1/N sum a^2 h, where h are given for each z.
  void add_squares(const PanelStore<T>& h, double scale, VectorRef out) const;
  void square_values() const;
  void square(const PanelStore<T>& from, const PanelStore<T>& to) const;
  void gauss_newton_diagonal(VectorRef out) const;
  void exact_diagonal(VectorRef out) const;
  /// delta_L = column k of a factor S of the output's second derivative S S'.
  void output_factor(Index k, const Panels<T>& delta) const;
  void dense_by_products(Model model, MatrixRef out) const;
  void dense_curvature(TangentModel model, MatrixRef out) const;
  void dense_columns(TangentModel model, Index l, Index unit, MatrixRef out) const;

  const NetworkContext<T>& context_;
  std::vector<double> x_;
  NetworkBatch<T> batch_;
  GatheredBatch<T> gathered_;
  NetworkWeights<T> weights_;
  NetworkState<T> state_;
  PanelStore<T> loss_delta_;  ///< without the contractive penalty, where there is one
  std::vector<double> partial_;
  mutable typename ContractivePenalty<T>::Workspace penalty_;
  mutable NetworkWeights<T> direction_;
  mutable NetworkTangent<T> tangent_;
  mutable NetworkTangent<T> scaled_;  ///< of dense matrices
  mutable PanelStore<T> drawn_;
  mutable std::uint64_t draw_ = 0;
  mutable bool drawn_valid_ = false;
  mutable PanelStore<T> squared_input_;
  mutable PanelStore<T> squared_value_;
  mutable bool squared_ = false;
  mutable std::vector<double> gradient_;
  mutable kappa_network_layers layers_{};
};

}  // namespace kappa::detail
