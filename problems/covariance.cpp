// covariance: sigma^2 pinv(A'A) of the loss-corrected Jacobian A, without forming A'A.
//
//   A D P = Q R,  D scales the columns to length 1        (Householder QR with column pivoting)
//   (A'A)^-1 = D P R^-1 R^-T P' D
//
// Where R has rank k < n, the null space N of A follows from R = [R11 R12], and the same formula with R11^-1
// in the place of R^-1 gives a generalised inverse C; its pseudo-inverse is (I - N N') C (I - N N'). The
// relative error is about eps times the condition number of the scaled A, not its square.
//
// Cost: 2 m n^2 flops and m n numbers.
//
// Reference: Golub, Van Loan: Matrix Computations, 4th ed. (2013), sections 5.3.3 and 5.4.2.
#include <Eigen/Dense>
#include <cmath>

#include "kappa/derivatives.h"

namespace kappa {
namespace {

constexpr double largest_root = 2e8;

Eigen::MatrixXd loss_corrected_jacobian(const Linearization& linearization) {
  const Index m = linearization.residuals();
  const Index n = linearization.size();
  if (static_cast<double>(m) * static_cast<double>(n) > largest_root) {
    throw Error("covariance: a Jacobian of " + std::to_string(m) + " x " + std::to_string(n) +
                " is too large for a dense factorization; hold some parameter blocks constant");
  }
  if (const Root* root = linearization.root(Model::gauss_newton)) {
    return Eigen::Map<const Eigen::MatrixXd, 0, Eigen::OuterStride<>>(root->A.data, m, n,
                                                                      Eigen::OuterStride<>(root->A.stride));
  }
  Eigen::MatrixXd A(m, n);
  std::vector<double> unit(static_cast<std::size_t>(n), 0.0);
  for (Index j = 0; j < n; ++j) {
    unit[static_cast<std::size_t>(j)] = 1;
    linearization.jacobian_product(unit, {A.data() + j * m, static_cast<std::size_t>(m)});
    unit[static_cast<std::size_t>(j)] = 0;
  }
  return A;
}

}  // namespace

Covariance covariance(const ResidualProblem& problem, ConstVectorRef x, double variance) {
  const Index n = problem.tangent_dimension();
  const Index m = problem.residuals();
  expects(static_cast<Index>(x.size()) == problem.dimension(), "covariance: x is not dimension() long");
  if (n == 0 || m == 0) {
    throw Error("covariance: the problem has " + std::to_string(m) + " residuals and " + std::to_string(n) +
                " variables; it needs some of each");
  }
  if (variance < 0 && m < n) {
    throw Error("covariance: " + std::to_string(m) + " residuals cannot determine " + std::to_string(n) +
                " variables and their variance; add residuals, or give the variance");
  }
  Evaluation at_x;
  at_x.reset(x, 0);
  Request request;
  request.want = Want::value | Want::gradient | Want::linearization;
  request.models = {Model::gauss_newton};
  if (problem.evaluate(request, at_x) != EvalStatus::ok) {
    throw Error("covariance: the problem cannot be evaluated at this x: " + at_x.fault);
  }

  Eigen::MatrixXd A = loss_corrected_jacobian(*at_x.linearization);
  Eigen::VectorXd D(n);
  for (Index j = 0; j < n; ++j) {
    const double length = A.col(j).stableNorm();
    // Powers of two scale without rounding.
    D(j) = length > 0 ? std::exp2(-std::round(std::log2(length))) : 1.0;
    A.col(j) *= D(j);
  }
  Eigen::ColPivHouseholderQR<Eigen::Ref<Eigen::MatrixXd>> qr(A);
  qr.setThreshold(epsilon * static_cast<double>(std::max(m, n)));
  const Index rank = qr.rank();

  Covariance out;
  out.rank = rank;
  if (variance < 0 && m <= rank) {
    throw Error("covariance: " + std::to_string(m) + " residuals are all used up by " + std::to_string(rank) +
                " variables, which leaves none to estimate the variance from; give the variance");
  }
  out.variance = variance < 0 ? 2 * at_x.value / static_cast<double>(m - rank) : variance;

  // Rows of G belong to the variables: pinv-like G G' = D P R11^-1 R11^-T P' D.
  Eigen::MatrixXd G = Eigen::MatrixXd::Zero(n, rank);
  const auto R11 = qr.matrixQR().topLeftCorner(rank, rank).triangularView<Eigen::Upper>();
  if (rank > 0) {
    G.topRows(rank) = R11.solve(Eigen::MatrixXd::Identity(rank, rank));
    G = D.asDiagonal() * (qr.colsPermutation() * G);
  }
  if (rank < n) {
    Eigen::MatrixXd N = Eigen::MatrixXd::Zero(n, n - rank);
    if (rank > 0) {
      N.topRows(rank) = -R11.solve(qr.matrixQR().topRightCorner(rank, n - rank));
    }
    N.bottomRows(n - rank).setIdentity();
    N = qr.colsPermutation() * N;
    for (Index i = 0; i < n; ++i) {
      // In scaled variables, where all have one unit.
      if ((N.row(i).array() / N.colwise().norm().array()).abs().maxCoeff() > 1e-6) {
        out.undetermined.push_back(problem.variable_name(i));
      }
    }
    N = D.asDiagonal() * N;
    const Eigen::MatrixXd basis =
        Eigen::HouseholderQR<Eigen::MatrixXd>(N).householderQ() * Eigen::MatrixXd::Identity(n, n - rank);
    G -= basis * (basis.transpose() * G);
  }
  out.matrix = Matrix(n, n);
  Eigen::Map<Eigen::MatrixXd>(out.matrix.values.data(), n, n) = out.variance * (G * G.transpose());
  for (Index i = 0; i < n; ++i) {
    out.standard_errors.push_back(std::sqrt(out.variance) * G.row(i).norm());
  }
  return out;
}

}  // namespace kappa
