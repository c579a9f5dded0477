// A P = Q R by Householder reflections with column pivoting.
//
// Use it for least squares whose condition number must not be squared. The pivot is the column with the
// largest norm left relative to its norm at the start, so that neither the order of the columns nor the
// rank depends on the units of the variables: the rank is the number of k with
//
//     |R_kk| > tolerance |a_p(k)|,     tolerance = max(m, n) eps unless given.
//
// The remaining norms are downdated and recomputed after cancellation (LINPACK's dqrdc, in the form of
// Drmac & Bujanovic 2008 and of MINPACK's qrfac).
//
// Above 40000 entries the rows are first reduced to a triangle in slabs that fit into the cache: slab by
// slab, the stacked matrix [R; slab] is reduced by reflections that touch one row of R each (Golub &
// Van Loan 2013, sec. 12.5.3); then the n x n triangle gets the pivoted factorization.
//
// Cost: 2 m n^2 - 2 n^3 / 3 flops (large: 2 m n^2 + 4 n^3 / 3), memory m n + 2 n^2. Memory is kept.
//
// Reference: Businger & Golub, Numer. Math. 7 (1965) 269; Golub & Van Loan 2013, sec. 5.4.2.
#pragma once

#include <span>
#include <vector>

#include "kappa/base.h"

namespace kappa::detail {

class HouseholderQr {
 public:
  /// A copy of A is factored. `tolerance` as above; 0 means max(m, n) eps.
  void factor(ConstMatrixRef A, double tolerance = 0);

  Index rows() const { return rows_; }
  Index cols() const { return cols_; }
  Index rank() const { return rank_; }

  /// Column k of R is column permutation()[k] of A.
  std::span<const Index> permutation() const { return permutation_; }

  /// Row k of the n x n matrix R: entry j at [j], meaningful for j >= k. Rows beyond m are zero.
  const double* row(Index k) const { return r_.data() + k * cols_; }

  /// |a_p(k)|: the norm of the column that was moved to place k.
  double column_norm(Index k) const { return norms_[static_cast<std::size_t>(k)]; }

  /// out (n long) = the first n entries of Q'b, zeros beyond m.
  void apply_transpose(ConstVectorRef b, VectorRef out) const;

 private:
  void reduce_slabs(ConstMatrixRef A);
  void factor_core(double tolerance);

  Index rows_ = 0;
  Index cols_ = 0;
  Index rank_ = 0;
  Index slab_ = 0;                  ///< rows of a slab; 0 where A is small and goes to the core at once
  Index core_rows_ = 0;             ///< rows of what the pivoted factorization works on
  std::vector<double> slabs_;       ///< reflection vectors of the slabs, each slab column-major
  std::vector<double> slab_heads_;  ///< n for each slab
  std::vector<double> core_;        ///< reflection vectors and R, column-major
  std::vector<double> heads_;       ///< leading entries of the reflection vectors; 0: no reflection
  std::vector<double> r_;           ///< R by rows
  std::vector<double> norms_, remaining_, reference_;
  std::vector<Index> permutation_;
  mutable std::vector<double> work_;
};

}  // namespace kappa::detail
