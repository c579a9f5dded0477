// A = L L' of a symmetric positive definite matrix.
//
// The fastest test of definiteness there is: where a pivot is not positive, its index is reported and says
// which variable is to blame. A pivot that cancellation has left with rounding errors only,
//
//     a_kk - sum_j l_kj^2 <= floor |a_kk|,
//
// counts as not positive; the test does not depend on the units of the variables.
//
// Cost: n^3 / 3 flops, memory n^2, kept. Above n = 96 in panels and tiles, in parallel over fixed tiles.
//
// Reference: Golub & Van Loan 2013, sec. 4.2; Higham 2002, sec. 10.1.
#pragma once

#include <vector>

#include "kappa/base.h"
#include "kappa/bulk_vector.h"

namespace kappa::detail {

class Cholesky {
 public:
  /// The n x n matrix to fill before factor(); only the lower triangle is read.
  MatrixRef matrix(Index n);

  /// Factors what was filled in. Returns -1, or the index of the first pivot that is not positive (or NaN,
  /// see pivot()). With `floor` 0 only the sign counts. `reference`, if given, replaces |a_kk| above.
  Index factor(double floor = 0, ConstVectorRef reference = {});

  Index size() const { return n_; }
  /// The value of the failed pivot.
  double pivot() const { return pivot_; }
  /// Entry (i, j) of L, j <= i; after a failure at pivot k, for j < k and i <= k.
  double operator()(Index i, Index j) const { return a_[static_cast<std::size_t>(i + j * n_)]; }

  void solve_lower(VectorRef b) const;  ///< b := L^-1 b
  void solve_upper(VectorRef b) const;  ///< b := L^-T b
  void solve(VectorRef b) const {
    solve_lower(b);
    solve_upper(b);
  }

 private:
  Index factor_columns(Index first, Index last, Index end);
  Index factor_blocked();

  Index n_ = 0;
  double pivot_ = 0;
  double floor_ = 0;
  BulkVector<double> a_;
  BulkVector<double> packed_;  ///< a panel's triangle and the rows below it, see dense_kernels.h
  std::vector<double> least_;  ///< the smallest admissible value of each pivot
};

}  // namespace kappa::detail
