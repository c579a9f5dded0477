// An inverse, on its range, of the reduced matrix S of block elimination: symmetric positive semidefinite, of
// N variables, scaled so that its entries are at most 1.
//
//   near_null()   the eigenvectors of S with eigenvalues near zero
//   factor(Y)     S + Y Y' dense, or S + E E' block-sparse, for an orthonormal basis Y of the null space; E
//                 selects as many variables as Y has columns, by pivoted QR of Y'
//   invert()      the blocks of S^- where S has blocks
//
// Both inverses have S S^- S = S, the second because E'Y is regular.
//
// near_null: up to `largest_decomposition` variables an eigen-decomposition; beyond it subspace iteration
// with (S + delta I)^-1 and Rayleigh-Ritz, delta ten times `certain`, the subspace doubled while null vectors
// fill it.
//
// Cost: dense N^3 / 3 flops for a factor and 2/3 N^3 for the inverse; block-sparse N solves. Memory: see
// bytes().
//
// References: Golub & Van Loan 2013, sec. 7.3 and 8.2 (orthogonal iteration, Rayleigh-Ritz); Ben-Israel &
// Greville: Generalized Inverses, 2003, sec. 1.2 and 2.6.
#pragma once

#include <Eigen/Dense>
#include <mutex>
#include <string>
#include <vector>

#include "kappa/block_matrix.h"
#include "solvers/linear/block_cholesky.h"
#include "solvers/linear/cholesky.h"

namespace kappa::detail {

class ReducedInverse {
 public:
  enum class Kind { automatic, dense, sparse };

  /// Chooses how S will be factored; `memory_bytes` is what there is for it.
  void analyze(const BlockStructure& S, Kind kind, double memory_bytes);
  bool dense() const { return dense_; }
  /// What factor() and invert() will need, S itself excluded.
  double bytes() const { return bytes_; }

  struct NearNull {
    Eigen::MatrixXd vectors;  ///< N x k, orthonormal
    Eigen::VectorXd values;   ///< ascending
    bool found = true;        ///< false: S is not positive semidefinite, or not finite
  };
  /// Eigenvectors of S with eigenvalues up to `limit`. Those below `certain` (at least 1e-12) are complete
  /// and have converged; of the others some may be missing, unless S has at most `largest_decomposition`
  /// variables.
  struct Near {
    double certain;
    double limit;
  };
  NearNull near_null(const BlockMatrix& S, const Near& near, Index largest_decomposition);

  /// Returns the smallest eigenvalue of what was factored, as a few inverse iterations see it; 0 where it has
  /// no factor.
  double factor(const BlockMatrix& S, const Eigen::MatrixXd& null_basis);
  /// X := S^- X.
  void apply(Eigen::MatrixXd& X) const;
  /// Afterwards block() works.
  void invert(const BlockMatrix& S);

  /// Block (i, j), i <= j, of S^-; null where S has no such block.
  const double* block(Index i, Index j) const;

 private:
  bool factor_shifted(const BlockMatrix& S, double shift);
  void solve(Eigen::MatrixXd& X) const;
  void invert_dense();
  void invert_sparse();
  void store(Index i, const Eigen::MatrixXd& columns, Index first_row, Index first_column);

  bool dense_ = true;
  double bytes_ = 0;
  MatrixRef dense_factor_;  ///< of cholesky_
  Cholesky cholesky_;
  mutable BlockCholesky sparse_;
  mutable std::mutex solving_;
  BlockMatrix inverse_;
};

}  // namespace kappa::detail
