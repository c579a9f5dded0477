// The preconditioner M of conjugate gradients on B + lambda W, from the cheapest model at hand.
//
//     P + lambda W                        where the subproblem has a preconditioner P that solves its own
//                                         damped system
//     (|P_ii| + lambda W_i)^exponent      otherwise by the diagonal, of P, or of B where there is no P and
//                                         it costs no more than a few products
//     W                                   where there is none
//
// A P that cannot solve for a damping (its damped matrix is not definite) leaves W for that damping.
//
// Reference: Martens, Deep learning via Hessian-free optimization, ICML 2010, sec. 4.7 (exponent).
#pragma once

#include <optional>
#include <vector>

#include "core/vector_loop.h"
#include "kappa/step.h"

namespace kappa::detail {

class Preconditioner {
 public:
  /// Takes the subproblem in; its parts outlive the use. An exponent of 0 leaves diagonals out. False where a
  /// diagonal is not finite.
  bool prepare(const Subproblem& subproblem, double exponent = 1);
  /// For B + damping W.
  void set_damping(double damping);
  /// out = M^-1 r; the views do not overlap. False where out is not finite.
  bool apply(ConstVectorRef r, VectorRef out);

  /// B's diagonal is looked at where it costs at most so many products: conjugate gradients make a few tens.
  static constexpr Index affordable = 4;

 private:
  std::optional<Subproblem> subproblem_;
  VectorLoop loop_;
  std::vector<double> diagonal_, inverse_;
  double exponent_ = 1;
  double damping_ = 0;
  bool has_diagonal_ = false;
  bool solves_ = false;
};

}  // namespace kappa::detail
