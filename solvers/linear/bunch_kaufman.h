// P A P' = L D L' of a symmetric, possibly indefinite matrix, with D of 1x1 and 2x2 blocks.
//
// Rook pivoting keeps the entries of L bounded, which partial pivoting (Bunch & Kaufman 1977) does not, and
// with it the distance of the modified matrix below from A (Ashcraft, Grimes & Lewis, SIAM J. Matrix Anal.
// Appl. 20 (1998) 513).
//
// Use it for the inertia of a Hessian, to solve with it as it is, or for a direction of descent from
//
//     A + E = P'L |D| L'P,   eigenvalues of D replaced by max(|.|, delta)
//
// Cheng & Higham, SIAM J. Matrix Anal. Appl. 19 (1998) 1097, replace them by max(., delta); the absolute
// value keeps the length of the step along directions of strong negative curvature.
//
// Cost: n^3 / 3 flops in vector operations, up to n^2 / 2 comparisons more than partial pivoting as a rule;
// memory n^2, kept.
#pragma once

#include <vector>

#include "kappa/base.h"

namespace kappa::detail {

struct Inertia {
  Index positive = 0;
  Index negative = 0;
  Index zero = 0;
};

class BunchKaufman {
 public:
  /// The n x n matrix to fill before factor(); only the lower triangle is read.
  MatrixRef matrix(Index n);
  /// False where the factor is not finite.
  bool factor();

  Index size() const { return n_; }
  /// Signs of the eigenvalues of D, hence of A; an eigenvalue of D counts as zero up to `tolerance`.
  Inertia inertia(double tolerance = 0) const;

  /// b := A^-1 b. False where D is singular.
  bool solve(VectorRef b) const;
  /// b := (A + E)^-1 b for delta > 0.
  void solve_modified(double delta, VectorRef b) const;

 private:
  void exchange(Index step, Index i, Index j);
  void solve_lower(VectorRef b) const;
  void solve_upper(VectorRef b) const;

  Index n_ = 0;
  std::vector<double> a_;  ///< lower triangle: L below, working matrix while factoring
  std::vector<double> diagonal_;
  std::vector<double> below_;  ///< of a 2x2 block that starts here; 0 otherwise
  std::vector<char> width_;    ///< 1 or 2 where a block starts, 0 at the second column of one
  std::vector<Index> permutation_;
  std::vector<double> first_, second_;
  mutable std::vector<double> permuted_;
};

}  // namespace kappa::detail
