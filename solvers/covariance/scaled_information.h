// An information matrix H in variables of one unit, with what its diagonal blocks alone leave undetermined
// taken out: A = D H D, D = diag(H)^-1/2, and for each block b whose A_bb is singular, with an orthonormal
// basis V_b of its null space,
//
//   A_bb := (I - V_b V_b') A_bb (I - V_b V_b') + V_b V_b',     A_bj := (I - V_b V_b') A_bj.
//
// For positive semidefinite H, A_bb v = 0 implies A v = 0, so V_b are null vectors of all of A, and this only
// fills them with eigenvalues of 1. Variables that are held become rows of the identity, and 0 in D.
//
// Cost: a pass over H; an eigen-decomposition, 9 p^3 flops, of those diagonal blocks whose Cholesky factor
// has small pivots. Memory: a copy of H.
#pragma once

#include <Eigen/Dense>
#include <functional>
#include <string>
#include <vector>

#include "kappa/block_matrix.h"

namespace kappa::detail {

/// The null space of one diagonal block.
struct LocalNull {
  Index block = 0;
  Eigen::MatrixXd scaled;    ///< V_b, orthonormal
  Eigen::MatrixXd unscaled;  ///< an orthonormal basis of the span of D_b V_b
};

class ScaledInformation {
 public:
  /// Returns -1, or a variable at which H is not finite or not positive semidefinite.
  Index make(const BlockMatrix& H, const std::vector<Index>& held, double null_tolerance);

  const BlockMatrix& matrix() const { return A_; }
  const BlockStructure& structure() const { return A_.structure; }
  const std::vector<double>& scale() const { return D_; }
  const std::vector<LocalNull>& local_nulls() const { return nulls_; }
  Index local_nullity() const;
  /// Of a block, or null.
  const LocalNull* local_null(Index block) const {
    const std::int32_t k = null_of_[static_cast<std::size_t>(block)];
    return k < 0 ? nullptr : &nulls_[static_cast<std::size_t>(k)];
  }
  /// X := (I - Q Q') D_b X, with Q the unscaled null basis of the block.
  void to_units(Index block, Eigen::MatrixXd& X) const;
  void release() { A_.values = {}; }

 private:
  Index scale_by_diagonal(const std::vector<Index>& held);
  Index find_nulls(double null_tolerance);
  Index fill_nulls(double null_tolerance);

  BlockMatrix A_;
  std::vector<double> D_;
  std::vector<LocalNull> nulls_;
  std::vector<std::int32_t> null_of_;  ///< by block, -1: none
};

}  // namespace kappa::detail
