// The damped least-squares step
//
//     minimise |A d + c|^2 + lambda sum w_i d_i^2
//
// for many lambda at the price of one QR factorization of A. For each lambda the rows sqrt(lambda W) are
// rotated into R by n(n+1)/2 Givens rotations (the scheme of Moré 1978, sec. 3; MINPACK's qrsolv), in place
// of a factorization of the stacked matrix.
//
// Where c is not known but g = A'c is, the corrected semi-normal equations
//
//     S'S d = -g,   S'S = A'A + lambda W,   followed by one step of refinement with the residual
//     -g - A'(A d) - lambda W d
//
// are nearly as accurate as QR (Björck, Linear Algebra Appl. 88/89 (1987) 31).
//
// Where the damped matrix is numerically singular (lambda = 0 and deficient rank) the step is the basic
// solution: the variables that pivoting put behind the rank stay at zero.
//
// Cost: 2 m n^2 flops per matrix, n^3 per lambda. Memory m n + 3 n^2, kept.
#pragma once

#include <vector>

#include "kappa/base.h"
#include "kappa/linearization.h"
#include "solvers/linear/householder_qr.h"

namespace kappa::detail {

class DampedLeastSquares {
 public:
  /// Factors root.A. With root.c the solves use it; otherwise they use the gradient, and A must outlive them.
  void factor(const Root& root, ConstVectorRef gradient, double tolerance = 0);

  /// d for one lambda >= 0. Returns false where the result is not finite.
  bool solve(double lambda, ConstVectorRef weights, VectorRef d);

  /// out = (A'A + lambda W)^-1 rhs with the lambda and the weights of the last solve.
  void resolve(ConstVectorRef rhs, VectorRef out);

  /// |A d|^2 of the last solution.
  double fit() const { return fit_; }
  /// Whether the factor of A, and c in its terms, are finite.
  bool finite() const;
  /// The rank of the damped matrix of the last solve.
  Index rank() const { return rank_; }
  Index size() const { return qr_.cols(); }
  /// The rank of A, and where it is deficient the first column that depends on others.
  Index undamped_rank() const { return qr_.rank(); }
  Index dependent_column() const { return qr_.permutation()[static_cast<std::size_t>(qr_.rank())]; }

 private:
  void eliminate_damping(double lambda, ConstVectorRef weights);
  void back_substitute();
  void semi_normal(ConstVectorRef rhs, VectorRef out);

  HouseholderQr qr_;
  Root root_;
  ConstVectorRef gradient_;
  double tolerance_ = 0;
  double fit_ = 0;
  Index rank_ = 0;
  std::vector<double> s_;         ///< R with the damping rotated in, by rows
  std::vector<double> qtc_;       ///< -Q'c, or empty
  std::vector<double> y_;         ///< right-hand side and solution in the permuted order
  std::vector<double> row_;       ///< the damping row under elimination
  std::vector<double> residual_;  ///< rows of A long
  std::vector<double> rhs_, correction_;
};

}  // namespace kappa::detail
