// NetworkPass: a batch of samples through a network, forward and back, at one point; and the same along a
// direction (the R operator: R{a} = da/dx v).
//
//   forward         z_l = sum_s W_ls a_s + b_l                R z_l = sum_s W_ls R a_s + V_ls a_s + c_l
//                   a_l = phi(z_l)                             R a_l = phi' R z_l
//   output          delta_L = dloss/dz_L                       R delta_L = H R z_L
//   back            delta_s = phi' (sum_l W_ls' delta_l)       R delta_s = phi' (sum_l W_ls' R delta_l +
//   V_ls' delta_l)
//                                                                          + phi'' (sum_l W_ls' delta_l) R
//                                                                          z_s
//   weights         G_ls = sum_samples delta_l a_s'            R G_ls = sum_samples R delta_l a_s' + delta_l
//   R a_s'
//
// A Gauss-Newton product leaves out what has delta or phi'' in it and takes the output's H alone (Schraudolph
// 2002). Batches are cut into chunks of samples for the passes and into panels of weights for the last line,
// so that neither needs sums of threads' parts; each weight's sum runs in the order of the samples, in pieces
// of `slab` samples that are added in double precision.
#pragma once

#include <atomic>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "kappa/bulk_vector.h"
#include "kappa/network.h"
#include "problems/learning/batch_kernels.h"
#include "problems/learning/network_plan.h"

namespace kappa::detail {

/// Panels of several nodes in one piece of memory.
template <class T>
class PanelStore {
 public:
  /// Room for `samples` of each of `units` (0: none); what it held is lost unless it has that shape already.
  void shape(std::span<const Index> units, Index samples);
  bool empty() const { return panels_.empty(); }
  const Panels<T>& operator[](Index i) const { return panels_[static_cast<std::size_t>(i)]; }

 private:
  BulkVector<T> memory_;
  std::vector<Panels<T>> panels_;
  std::vector<Index> units_;
  Index capacity_ = 0;
};

/// The samples of a problem, in panels.
template <class T>
struct NetworkData {
  Index samples = 0;
  PanelStore<T> input;  ///< per input node
  bool has_target = false;
  PanelStore<T> target;  ///< one, or none where the softmax goes by labels
  std::vector<std::int32_t> label;
};

/// Panels of the input nodes from a sample on.
template <class T>
struct InputPanels {
  const PanelStore<T>* store = nullptr;  ///< null: 0 throughout
  Index first = 0;

  Panels<T> operator[](Index node) const {
    Panels<T> out = (*store)[node];
    out.data += first * row_units<T>;
    return out;
  }
};

/// Samples to work on: a piece of the data or a gathered copy.
template <class T>
struct NetworkBatch {
  Index samples = 0;
  InputPanels<T> input;
  Panels<T> target;
  const std::int32_t* label = nullptr;
  const Index* term = nullptr;  ///< of the data, or null: first_term + s
  Index first_term = 0;

  Index padded() const { return rounded_up(samples, sample_tile); }
  Index term_of(Index s) const { return term == nullptr ? first_term + s : term[s]; }
};

/// Weights of a point or of a direction, as the kernels read them.
template <class T>
class NetworkWeights {
 public:
  void pack(const NetworkPlan& plan, ConstVectorRef x);
  /// The squares of the weights without biases.
  void pack_squares(const NetworkPlan& plan, ConstVectorRef x);
  PackedWeights<T> forward(const NetworkLink& link) const {
    return {memory_.data() + link.forward, link.inputs, link.units};
  }
  PackedWeights<T> backward(const NetworkLink& link) const {
    return {memory_.data() + link.backward, link.units, link.inputs};
  }
  const T* bias(const NetworkPlan::Layer& layer) const { return memory_.data() + layer.packed_bias; }

 private:
  BulkVector<T> memory_;
};

/// What a pass computes of the layers, one entry for each; shaped as far as it is wanted.
template <class T>
struct NetworkState {
  PanelStore<T> argument;  ///< z, where a contractive penalty asks for it
  PanelStore<T> value;     ///< a
  PanelStore<T> first;     ///< phi'(z)
  PanelStore<T> second;    ///< phi''(z), after the way back phi''(z) (W' delta)
  PanelStore<T> delta;
  PanelStore<T> predicted;  ///< cross-entropies: the probabilities, 0 at padding
};

/// The same along a direction.
template <class T>
struct NetworkTangent {
  PanelStore<T> before;  ///< R z
  PanelStore<T> value;   ///< R a
  PanelStore<T> delta;   ///< R delta
};

/// sum over samples of delta a': one term of a weight gradient.
template <class T>
struct OuterTerm {
  InputPanels<T> input;
  const PanelStore<T>* value = nullptr;  ///< of the layers
  const PanelStore<T>* delta = nullptr;
  bool bias = true;
  Index first_layer = 0;                                 ///< values of layers before it are 0
  Index last_layer = std::numeric_limits<Index>::max();  ///< deltas of layers behind it are 0
};

enum class PassDepth : std::uint8_t { value, gradient, linearization };
enum class TangentModel : std::uint8_t { exact, gauss_newton };

template <class T>
class NetworkPass {
 public:
  static constexpr Index chunk = 64;   ///< samples of a pass
  static constexpr Index slab = 1024;  ///< samples of a sum in the working precision

  NetworkPass(const NetworkPlan& plan, NetworkLoss loss, bool keeps_arguments)
      : plan_(plan), loss_(loss), keeps_arguments_(keeps_arguments) {}

  void shape(NetworkState<T>& state, Index samples, PassDepth depth) const;
  void shape(NetworkTangent<T>& tangent, Index samples) const;

  /// Forward and, from PassDepth::gradient on, back. Returns the sum of the samples' losses. `partial` has an
  /// entry for each chunk.
  double run(const NetworkWeights<T>& weights, const NetworkBatch<T>& batch, NetworkState<T>& state,
             PassDepth depth, std::vector<double>& partial) const;

  /// R{.} along the direction, to R delta.
  void run_tangent(const NetworkWeights<T>& weights, const NetworkWeights<T>& direction,
                   const NetworkBatch<T>& batch, const NetworkState<T>& state, NetworkTangent<T>& tangent,
                   TangentModel model) const;

  /// The same along unit j of layer l's z: R z_l = e_j, in the layers from l on.
  void run_unit_tangent(const NetworkWeights<T>& weights, const NetworkBatch<T>& batch,
                        const NetworkState<T>& state, Index l, Index unit, NetworkTangent<T>& tangent,
                        TangentModel model) const;

  /// R a_L alone, along the direction.
  void run_output_tangent(const NetworkWeights<T>& weights, const NetworkWeights<T>& direction,
                          const NetworkBatch<T>& batch, const NetworkState<T>& state,
                          NetworkTangent<T>& tangent) const;

  /// scaled = delta (g_i'v) for each sample i, where g_i is its gradient as `delta` has it.
  void run_projection(const NetworkWeights<T>& direction, const NetworkBatch<T>& batch,
                      const NetworkState<T>& state, const PanelStore<T>& delta,
                      NetworkTangent<T>& scaled) const;

  /// h = second derivatives with respect to z by the diagonal recursion (LeCun, Denker & Solla 1990, eq.
  /// 7-9).
  void run_recursion(const NetworkWeights<T>& squares, const NetworkBatch<T>& batch,
                     const NetworkState<T>& state, const PanelStore<T>& h, Recursion recursion) const;

  /// delta of all layers below the output from delta of the output, which is there.
  void run_back(const NetworkWeights<T>& weights, const NetworkBatch<T>& batch, const NetworkState<T>& state,
                const PanelStore<T>& delta) const;

  /// out += scale sum of the terms, over the batch; for the layers from `first_layer` on.
  void add_outer(std::span<const OuterTerm<T>> terms, const NetworkBatch<T>& batch, double scale,
                 VectorRef out, Index first_layer = 0) const;

  /// out += W in, at the samples of the range.
  void multiply(const PackedWeights<T>& weights, const Panels<T>& in, const Panels<T>& out,
                SampleRange range) const {
    kernels_.multiply(weights, in, out, range);
    counted_.fetch_add(weights.inputs * weights.outputs * range.size(), std::memory_order_relaxed);
  }

  /// Multiply-adds of matrix products so far.
  double multiply_adds() const { return static_cast<double>(counted_.load(std::memory_order_relaxed)); }

  double work(const NetworkBatch<T>& batch) const {
    return static_cast<double>(batch.samples) * (plan_.forward_work + plan_.backward_work);
  }

 private:
  using Store = PanelStore<T>;
  void forward(const NetworkWeights<T>& weights, const NetworkBatch<T>& batch, NetworkState<T>& state,
               PassDepth depth, SampleRange range) const;
  void activate(const NetworkPlan::Layer& layer, Index l, NetworkState<T>& state, PassDepth depth,
                SampleRange range) const;
  double output_loss(const NetworkBatch<T>& batch, NetworkState<T>& state, PassDepth depth,
                     SampleRange range) const;
  double mean_square(const NetworkBatch<T>& batch, NetworkState<T>& state, PassDepth depth,
                     SampleRange range) const;
  double sigmoid(const NetworkBatch<T>& batch, NetworkState<T>& state, PassDepth depth,
                 SampleRange range) const;
  double softmax(const NetworkBatch<T>& batch, NetworkState<T>& state, PassDepth depth,
                 SampleRange range) const;
  void clear_padding(const NetworkBatch<T>& batch, const Panels<T>& panels, SampleRange range) const;
  void back(const NetworkWeights<T>& weights, const Store& delta, const Store& first, const Store* second,
            SampleRange range) const;
  void tangent_forward(const NetworkWeights<T>& weights, const NetworkWeights<T>& direction,
                       const NetworkBatch<T>& batch, const NetworkState<T>& state, NetworkTangent<T>& tangent,
                       SampleRange range) const;
  /// R z and R a of the layers above l from R a of those from l on.
  void unit_tangent_forward(const NetworkWeights<T>& weights, const NetworkState<T>& state, Index l,
                            NetworkTangent<T>& tangent, SampleRange range) const;
  void tangent_output(const NetworkState<T>& state, NetworkTangent<T>& tangent, TangentModel model,
                      SampleRange range) const;
  /// `direction` may be null. Down to layer `lowest`.
  void tangent_back(const NetworkWeights<T>& weights, const NetworkWeights<T>* direction,
                    const NetworkState<T>& state, NetworkTangent<T>& tangent, TangentModel model,
                    Index lowest, SampleRange range) const;
  void fill_bias(const NetworkWeights<T>& weights, const NetworkPlan::Layer& layer, const Panels<T>& z,
                 SampleRange range) const;
  void add_outer_panel(std::span<const OuterTerm<T>> terms, NetworkPlan::WeightPanel piece,
                       const NetworkBatch<T>& batch, double scale, VectorRef out) const;
  void add_outer_bias(std::span<const OuterTerm<T>> terms, Index l, const NetworkBatch<T>& batch,
                      double scale, VectorRef out) const;
  Panels<T> node_value(const InputPanels<T>& input, const Store& value, Index node) const {
    return node < plan_.inputs ? input[node] : value[node - plan_.inputs];
  }

  const NetworkPlan& plan_;
  NetworkLoss loss_;
  bool keeps_arguments_;
  const BatchKernels<T>& kernels_ = batch_kernels<T>();
  mutable std::atomic<std::int64_t> counted_ = 0;
};

/// Gathers the samples `terms` of the data into `input`, `target` and `label`.
template <class T>
struct GatheredBatch {
  PanelStore<T> input;
  PanelStore<T> target;
  std::vector<std::int32_t> label;
  std::vector<Index> term;

  NetworkBatch<T> gather(const NetworkPlan& plan, const NetworkData<T>& data, std::span<const Index> terms);
};

/// Samples [begin, end) of the data where they lie.
template <class T>
NetworkBatch<T> piece_of(const NetworkData<T>& data, Index begin, Index end);

}  // namespace kappa::detail
