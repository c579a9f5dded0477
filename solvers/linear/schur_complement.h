// Block elimination of an independent set: (B + lambda W) x = b for a symmetric positive definite
// block-sparse matrix whose graph has many blocks that touch only few others.
//
// With the eliminated blocks e (no two of them coupled) and the kept ones i, j,
//
//     V_e = B_ee + lambda W_e = L_e L_e',     Z_ie = B_ie L_e^-T,
//     S_ij = B_ij + lambda W_ij - sum_e Z_ie Z_je',         S dense, by Cholesky,
//
// which is the Cholesky factorization of the whole matrix in that order (Brown 1958; Triggs et al. 2000,
// sec. 6.1). Which blocks are eliminated: schur_structure.h. How S is formed: schur_reduction.h.
//
// Parallel over fixed partitions; the bits do not depend on the number of threads.
//
// Cost per factorization: for each eliminated block of size p with k neighbours of size c, p c^2 k^2 flops or
// so; N^3 / 3 for S of size N. Memory: N^2, a few bytes for each pair of couplings, kept.
//
// Reference: Triggs, McLauchlan, Hartley & Fitzgibbon, Bundle adjustment - a modern synthesis, 2000,
// sec. 6.1.
#pragma once

#include <cstdint>
#include <vector>

#include "kappa/block_matrix.h"
#include "solvers/linear/cholesky.h"
#include "solvers/linear/schur_reduction.h"
#include "solvers/linear/schur_structure.h"

namespace kappa::detail {

class SchurComplement {
 public:
  SchurComplement() = default;
  SchurComplement(const SchurComplement&) = delete;
  SchurComplement& operator=(const SchurComplement&) = delete;

  /// Finds what to eliminate; does nothing where the structure is the one analysed last. `reduced_limit`
  /// bounds the size up to which everything may be kept.
  void analyze(const BlockStructure& structure, Index reduced_limit);

  Index kept_blocks() const { return structure_.kept_blocks(); }
  Index eliminated_blocks() const { return structure_.eliminated_blocks(); }
  /// Size of S.
  Index reduced_size() const { return structure_.reduced_size(); }

  /// Factors B + lambda diag(weights), with half of the solution for the right-hand side `b`, which finish()
  /// completes. Returns -1, or the index of the variable whose pivot is not positive.
  Index factor(const BlockMatrix& B, double lambda, ConstVectorRef weights, ConstVectorRef b);
  /// After a failure: whether the pivot was a number at all.
  bool failed_pivot_is_finite() const { return failed_is_finite_; }

  /// x := (B + lambda W)^-1 b for the b given to factor(). Returns |L^-1 b|^2, L being the factor of the
  /// whole matrix. To be called once after factor(), before any solve().
  double finish(const BlockMatrix& B, VectorRef x);

  /// x := (B + lambda W)^-1 x with the same B. Returns |L^-1 x|^2.
  double solve(const BlockMatrix& B, VectorRef x);

 private:
  Index blame(const BlockMatrix& B, double lambda, ConstVectorRef weights, Index eliminated);
  double solve_reduced();
  void substitute(const BlockMatrix& B, ConstVectorRef forward, VectorRef x) const;

  SchurStructure structure_;
  SchurReduction reduction_;
  std::uint64_t analysed_ = 0;
  Index limit_ = -1;
  std::vector<double> diagonal_;  ///< of B + lambda W over the kept variables
  std::vector<double> reduced_;   ///< right-hand side of S, then its solution
  std::vector<double> forward_;   ///< of a right-hand side that came after the factorization
  std::vector<double> partial_;   ///< what each range of eliminated blocks subtracts from reduced_
  Cholesky cholesky_;
  bool failed_is_finite_ = true;
};

}  // namespace kappa::detail
