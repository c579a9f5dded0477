// ContractivePenalty: lambda/2 1/N sum_i |J_i|_F^2, where J_i is the Jacobian of a layer's values, the code,
// to the features of sample i (Rifai et al. 2011), with exact first and second derivatives for any layers in
// between.
//
// Row k of J_i is what reverse mode gives from unit k of the code, and its derivative is that of reverse
// mode:
//
//   down    q_code = e_k,  s_l = phi'(z_l) q_l,  q_l = sum_m W_ml' s_m,  J = sum_m W_m0' s_m
//   up      cs_m = sum_l W_ml cq_l + W_m0 J,  cq_l = phi'(z_l) cs_l,  cz_l += phi''(z_l) q_l cs_l
//   weights G_ml += s_m cq_l',  G_m0 += s_m J'
//
// where cq, cs, cz are derivatives of |J|^2 / 2 by q, s, z. cz of all units is then propagated back once.
// Products with the Hessian apply the R operator to each of these lines; Gauss-Newton products go down with R
// alone and up from R J. Cost: two passes through the encoder and its weight gradient for every unit of the
// code; twice that for a product.
//
// Reference: Rifai, Vincent, Muller, Glorot, Bengio: Contractive auto-encoders. ICML 2011, eq. 2.
#pragma once

#include <vector>

#include "problems/learning/network_pass.h"

namespace kappa::detail {

template <class T>
class ContractivePenalty {
 public:
  /// The stores of a pass; kept by whoever calls.
  struct Workspace {
    PanelStore<T> q, s, cs, cq, cz;
    PanelStore<T> Rq, Rs, Rcs, Rcq, Rcz;
    PanelStore<T> J, RJ;  ///< of the input nodes
    PanelStore<T> below;  ///< derivatives by the values of layers while cz is propagated
    std::vector<double> partial;
  };

  ContractivePenalty(const NetworkPlan& plan, const NetworkPass<T>& pass, Index code, double weight)
      : plan_(plan), pass_(pass), code_(code), weight_(weight) {}

  bool present() const { return weight_ > 0; }

  /// Returns weight/2 sum |J_i|^2, not divided by N. From PassDepth::gradient on at.cz is there for inject(),
  /// and where `gradient` is not empty, `scale` times the derivative along s, q and J is added to it.
  double run(const NetworkWeights<T>& weights, const NetworkBatch<T>& batch, const NetworkState<T>& state,
             PassDepth depth, double scale, VectorRef gradient, Workspace& at) const;

  /// Adds what goes through z to state.delta, and to state.second where it is there, after run().
  void inject(const NetworkWeights<T>& weights, const NetworkBatch<T>& batch, NetworkState<T>& state,
              Workspace& at) const;

  /// Adds the penalty's part of a product to `out` and to tangent.delta, which run_tangent has filled.
  void run_tangent(const NetworkWeights<T>& weights, const NetworkWeights<T>& direction,
                   const NetworkBatch<T>& batch, const NetworkState<T>& state, NetworkTangent<T>& tangent,
                   TangentModel model, double scale, VectorRef out, Workspace& at) const;

 private:
  using Store = PanelStore<T>;
  void shape(Workspace& at, Index samples, bool tangent) const;
  void down(const NetworkWeights<T>& weights, const NetworkBatch<T>& batch, const NetworkState<T>& state,
            Index unit, Workspace& at, SampleRange range) const;
  void tangent_down(const NetworkWeights<T>& weights, const NetworkWeights<T>& direction,
                    const NetworkState<T>& state, const NetworkTangent<T>& tangent, Workspace& at,
                    SampleRange range) const;
  /// cs, cq and cz from the derivative by J.
  void up(const NetworkWeights<T>& weights, const NetworkState<T>& state, const Store& J, const Store& cz,
          Workspace& at, SampleRange range) const;
  void tangent_up(const NetworkWeights<T>& weights, const NetworkWeights<T>& direction,
                  const NetworkState<T>& state, const NetworkTangent<T>& tangent, Workspace& at,
                  SampleRange range) const;
  /// Propagates cz back and adds it to `delta`, and phi'' times the derivative by the values to `second`.
  void propagate(const NetworkWeights<T>& weights, const NetworkState<T>& state, const Store& cz,
                 const Store& delta, const Store* second, Workspace& at, SampleRange range) const;
  double squares(const NetworkBatch<T>& batch, const Store& J, SampleRange range) const;
  double work(const NetworkBatch<T>& batch) const { return 2 * pass_.work(batch); }

  const NetworkPlan& plan_;
  const NetworkPass<T>& pass_;
  Index code_;
  double weight_;
};

}  // namespace kappa::detail
