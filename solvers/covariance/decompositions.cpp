#include "solvers/covariance/decompositions.h"

#include <Eigen/Eigenvalues>

namespace kappa::detail {
namespace {

using Dense = Eigen::MatrixXd;

template <class Solver>
EigenPairs results(const Solver& solver) {
  return {solver.eigenvalues(), solver.eigenvectors(), solver.info() == Eigen::Success};
}

PivotedQr results(const Eigen::ColPivHouseholderQR<Dense>& qr, Index columns) {
  PivotedQr out;
  const auto& order = qr.colsPermutation().indices();
  out.order.assign(order.data(), order.data() + order.size());
  out.rank = qr.rank();
  out.basis = qr.householderQ() * Dense::Identity(qr.rows(), columns);
  out.R = qr.matrixR().topLeftCorner(out.rank, out.rank).triangularView<Eigen::Upper>();
  return out;
}

}  // namespace

EigenPairs eigen_pairs(const Dense& A) {
  return results(Eigen::SelfAdjointEigenSolver<Dense>(A));
}

EigenPairs eigen_pairs(const Dense& A, const Dense& B) {
  return results(Eigen::GeneralizedSelfAdjointEigenSolver<Dense>(A, B));
}

Dense orthonormal(const Dense& A) {
  return Eigen::HouseholderQR<Dense>(A).householderQ() * Dense::Identity(A.rows(), A.cols());
}

Eigen::VectorXd PivotedQr::solve(const Eigen::VectorXd& b) const {
  const Eigen::VectorXd y = R.triangularView<Eigen::Upper>().solve(basis.transpose() * b);
  Eigen::VectorXd x = Eigen::VectorXd::Zero(static_cast<Index>(order.size()));
  for (Index i = 0; i < rank; ++i) {
    x(order[static_cast<std::size_t>(i)]) = y(i);
  }
  return x;
}

PivotedQr pivoted_qr(const Dense& A) {
  const Eigen::ColPivHouseholderQR<Dense> qr(A);
  return results(qr, qr.rank());
}

PivotedQr pivoted_qr(const Dense& A, Index columns) {
  return results(Eigen::ColPivHouseholderQR<Dense>(A), columns);
}

}  // namespace kappa::detail
