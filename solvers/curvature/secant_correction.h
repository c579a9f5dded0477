// SecantCorrection: a dense symmetric matrix A that stands for what Gauss-Newton leaves out, sum r_i r_i'',
// learnt from gradients. With the step s from x to x+, and y = g+ - g:
//
//   y#   = J+'r+ - J'r+                      where the linearization can tell, otherwise y - (J'J)+ s
//   A   <- tau A,   tau = min(1, |s'y#| / |s'A s|)                                          (sizing)
//   w    = y# - A s
//   A+   = A + (w y' + y w') / y's - (s'w) y y' / (y's)^2
//
// so that A+ s = y#, and of all symmetric matrices with that property A+ is the one nearest to tau A in a
// norm that y and s scale. Sizing lets A shrink with the residuals. A step along which y's is not positive,
// beyond rounding, teaches nothing.
//
// On manifolds s, y and A are taken in the tangent entries of their own points as they stand: tangent spaces
// of neighbouring points are told apart only to the order of |s| (|A| + |g|), which vanishes with the step.
//
// Cost: 4 n^2 flops for a product, 8 n^2 for an update; n^2 + 4 n numbers.
//
// Reference: Dennis, Gay & Welsch, An adaptive nonlinear least-squares algorithm, ACM TOMS 7 (1981), sec. 3;
// Nocedal & Wright, Numerical Optimization, 2nd ed. 2006, eqs. 10.36 to 10.38.
#pragma once

#include <vector>

#include "kappa/curvature.h"
#include "solvers/curvature/linearization_operator.h"

namespace kappa::detail {

class SecantCorrection {
 public:
  /// A new solve begins.
  void start() { n_ = -1; }
  /// Sets A to zero at the first point of a solve.
  void settle(Index n);

  /// Takes in what led from `previous` to `now`, both with a linearization of the Gauss-Newton model. Nothing
  /// is learnt where the two are not of one sample.
  void learn(const Evaluation& now, const Evaluation& previous, ConstVectorRef step);

  Index size() const { return n_; }
  /// out += A v.
  void add_product(ConstVectorRef v, VectorRef out) const;
  /// v'A v.
  double quadratic(ConstVectorRef v) const;
  double entry(Index i, Index j) const { return A_[static_cast<std::size_t>(i + j * n_)]; }
  /// Products with the Gauss-Newton matrix made in this solve.
  Index products() const { return products_; }

  void state(State& s) {
    s.item("correction", A_);
    s.item("correction products", products_);
  }

 private:
  void update(ConstVectorRef s, double ys);

  Index n_ = -1;
  std::vector<double> A_;  ///< n x n, both triangles
  std::vector<double> y_, sharp_, w_;
  mutable std::vector<double> work_;
  Index products_ = 0;
};

/// B = J'J + A.
class CorrectedOperator final : public SymmetricOperator {
 public:
  explicit CorrectedOperator(const SecantCorrection& correction)
      : correction_(correction),
        gauss_newton_(Model::gauss_newton, {Capability::diagonal, Capability::dense}) {}

  void start() { gauss_newton_.start(); }
  void attach(const Linearization& linearization) { gauss_newton_.attach(linearization); }

  Index size() const override { return gauss_newton_.size(); }
  void multiply(ConstVectorRef v, VectorRef out) const override;
  bool diagonal(VectorRef out) const override;
  bool dense(MatrixRef out) const override;
  Offers offers() const override { return gauss_newton_.offers(); }

  Index products() const { return gauss_newton_.products(); }

  void state(State& s) { gauss_newton_.state(s); }

 private:
  const SecantCorrection& correction_;
  LinearizationOperator gauss_newton_;
};

/// Throws Error where a dense matrix of n variables is above a curvature's option dense_limit.
void require_dense(const char* part, Index n, Index dense_limit);

}  // namespace kappa::detail
