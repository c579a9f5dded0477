// P (A + E) P' = L D L' with diagonal E >= 0 and A + E positive definite; E = 0 where A is safely so.
//
// The pivots are d_j = max(|c_jj|, (theta_j / beta)^2, delta): theta_j is the largest entry below the pivot
// and beta bounds the entries of L sqrt(D), so that an indefinite matrix is moved by an amount bounded
// a priori (Gill, Murray & Wright, Practical Optimization, 1981, sec. 4.4.2.2):
//
//     beta^2 = max(gamma, xi / sqrt(n^2 - 1), eps),  delta = eps (gamma + xi)
//
// with gamma the largest |a_ii| and xi the largest |a_ij| off the diagonal. The eps inside the maximum and
// delta are relative to gamma + xi here, so that the direction does not depend on the units of f.
//
// Use it for directions of descent in a line search where one factorization per point is all there is time
// for. Cost: n^3 / 3 flops in vector operations, memory n^2, kept.
#pragma once

#include <vector>

#include "kappa/base.h"

namespace kappa::detail {

class ModifiedCholesky {
 public:
  /// The n x n matrix to fill before factor(); only the lower triangle is read.
  MatrixRef matrix(Index n);
  /// False where the factor is not finite.
  bool factor();

  Index size() const { return n_; }
  /// The diagonal of E in the order of the variables, and its largest entry.
  ConstVectorRef added() const { return added_; }
  double largest_added() const { return largest_added_; }

  void solve(VectorRef b) const;  ///< b := (A + E)^-1 b

 private:
  void exchange(Index i, Index j);

  Index n_ = 0;
  double largest_added_ = 0;
  std::vector<double> a_;
  std::vector<double> diagonal_, added_, column_;
  std::vector<Index> permutation_;
  mutable std::vector<double> permuted_;
};

}  // namespace kappa::detail
