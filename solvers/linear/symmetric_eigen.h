// A = Q diag(e) Q' of a symmetric matrix: Householder tridiagonalisation and implicit QR, by Eigen's kernels
// with memory that is kept.
//
// Cost: about 9 n^3 flops, memory 2 n^2.
//
// Reference: Golub & Van Loan 2013, sec. 8.3.
#pragma once

#include <memory>

#include "kappa/base.h"

namespace kappa::detail {

class SymmetricEigen {
 public:
  SymmetricEigen();
  ~SymmetricEigen();

  /// Reads the lower triangle. False where the iteration does not converge, as with entries that are not
  /// finite.
  bool compute(ConstMatrixRef A);

  /// Ascending.
  ConstVectorRef values() const;
  /// Eigenvector i, n long and of norm 1.
  const double* vector(Index i) const;

 private:
  struct Memory;
  std::unique_ptr<Memory> memory_;
};

}  // namespace kappa::detail
