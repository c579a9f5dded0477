// Eigen's decompositions of dense matrices as the covariance uses them, compiled once: they are the dearest
// templates of this folder.
#pragma once

#include <Eigen/Dense>
#include <vector>

#include "kappa/base.h"

namespace kappa::detail {

struct EigenPairs {
  Eigen::VectorXd values;   // ascending
  Eigen::MatrixXd vectors;  // a column for each
  bool found = false;
};

EigenPairs eigen_pairs(const Eigen::MatrixXd& A);

/// A v = value B v for positive definite B, with V' B V = I.
EigenPairs eigen_pairs(const Eigen::MatrixXd& A, const Eigen::MatrixXd& B);

/// An orthonormal basis of the columns of A, which are no more than its rows.
Eigen::MatrixXd orthonormal(const Eigen::MatrixXd& A);

/// QR with column pivoting: A(:, order) = Q R.
struct PivotedQr {
  std::vector<Index> order;
  Index rank = 0;         // numerical
  Eigen::MatrixXd basis;  // the first columns of Q
  Eigen::MatrixXd R;      // rank x rank

  /// The basic solution of A x = b by least squares; the basis must have `rank` columns.
  Eigen::VectorXd solve(const Eigen::VectorXd& b) const;
};

/// With as many columns of Q as the rank; or with `columns`.
PivotedQr pivoted_qr(const Eigen::MatrixXd& A);
PivotedQr pivoted_qr(const Eigen::MatrixXd& A, Index columns);

}  // namespace kappa::detail
