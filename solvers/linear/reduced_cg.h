// Conjugate gradients for the reduced system S x = c of block elimination, of which only products are needed.
//
// Preconditioned by the inverse of a block diagonal D, or by m + 1 terms of its Neumann series,
//
//     M^-1 = sum_{k=0..m} (I - D^-1 S)^k D^-1,     z_0 = D^-1 r,  z_{k+1} = z_k + D^-1 (r - S z_k),
//
// which with D = B_kk + lambda W is the power series of Weber et al., eq. (11), symmetric positive definite
// for even m whenever S and D are.
//
// It stops when iterations no longer gain: with q_k the decrease of c'x - x'Sx/2 after k iterations,
//
//     k (q_k - q_{k-1}) / q_k <= forcing       (Nash & Sofer 1990, eq. (5); also Ceres' inner solver's rule)
//
// since a step of a nonlinear problem is worth what it gains, not how small the residual is; or at a relative
// residual of `residual` in the preconditioner's norm, at the limit of iterations, where rounding leaves no
// positive curvature along the direction, or when interrupted. Every iterate gains.
//
// Cost per iteration: m + 1 products and a few vector operations of the size of S. Memory: 5 vectors.
//
// References: Hestenes & Stiefel 1952; Nash & Sofer, Oper. Res. Lett. 9 (1990) 219; Weber, Demmel, Chan &
// Cremers, Power bundle adjustment for large-scale 3D reconstruction, CVPR 2023.
#pragma once

#include <vector>

#include "kappa/base.h"
#include "kappa/problem.h"

namespace kappa::detail {

/// S, as conjugate gradients see it.
class ReducedOperator {
 public:
  virtual ~ReducedOperator() = default;
  /// out = S x.
  virtual void multiply(ConstVectorRef x, VectorRef out) const = 0;
};

/// The inverse of a block-diagonal matrix.
class BlockInverse {
 public:
  /// For blocks from offset[i] to offset[i + 1].
  void shape(const std::vector<Index>& offset);
  /// Block i to fill in, symmetric, column-major.
  double* block(Index i) { return values_.data() + start_[static_cast<std::size_t>(i)]; }
  /// Inverts what was filled in. Returns -1, or the variable whose pivot is not positive.
  Index invert();
  /// After a failure: the value of that pivot.
  double pivot() const { return pivot_; }
  /// z = D^-1 r, or z + D^-1 r.
  enum class Result { set, add };
  void apply(ConstVectorRef r, Result result, VectorRef z) const;

 private:
  std::vector<Index> offset_, start_;
  std::vector<double> values_, triangle_;
  double pivot_ = 0;
};

class ReducedCg {
 public:
  struct Task {
    const ReducedOperator& S;
    const BlockInverse& D;
    Index power_terms = 0;  ///< m
    ConstVectorRef c;
    double forcing = 0.1;
    double residual = 1e-12;
    Index iterations = 500;
    const Interrupt* interrupt = nullptr;
  };
  enum class End { converged, limit, rounding, indefinite, interrupted, failed };
  struct Outcome {
    End end = End::failed;
    Index iterations = 0;
  };
  void reserve(Index n);
  /// x is the last iterate, whatever the end.
  Outcome solve(const Task& task, VectorRef x);

 private:
  void precondition(const Task& task);

  std::vector<double> r_, z_, p_, q_, t_;
};

}  // namespace kappa::detail
