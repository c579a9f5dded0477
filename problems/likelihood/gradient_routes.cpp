// The gradient of a Gaussian likelihood three times, and what two of the ways are made of. Plain dense
// algebra; see docs/likelihood.md for the derivations.
//
// References: Magnus & Neudecker, Matrix Differential Calculus, 3rd ed. 2007, ch. 2, 9 and 15, for vec and
// the Kronecker product; Giles, An extended collection of matrix derivative results, 2008, and Murray,
// Differentiation of the Cholesky decomposition, 2016, for reverse mode.
#include <Eigen/Dense>
#include <algorithm>
#include <cmath>

#include "kappa/gaussian_likelihood.h"

namespace kappa {

namespace {

using Eigen::MatrixXd;
using Eigen::VectorXd;
using View = Eigen::Map<MatrixXd, 0, Eigen::OuterStride<>>;
using ConstView = Eigen::Map<const MatrixXd, 0, Eigen::OuterStride<>>;

View view(MatrixRef m) {
  return View(m.data, m.rows, m.cols, Eigen::OuterStride<>(m.stride));
}
ConstView view(ConstMatrixRef m) {
  return ConstView(m.data, m.rows, m.cols, Eigen::OuterStride<>(m.stride));
}

/// Everything about a likelihood at a point, dense.
struct Moments {
  MatrixXd L;           ///< Sigma = L L'
  VectorXd residual;    ///< y - mu
  MatrixXd covariance;  ///< d vec Sigma / d theta, of all parameters
  MatrixXd mean;        ///< d mu / d theta, of all parameters
};

Moments moments_at(const GaussianModel& model, ConstVectorRef data, ConstVectorRef theta) {
  const Index n = model.observations();
  Moments out;
  VectorXd mu(n);
  const std::vector<Index> moving = model.mean_parameters();
  MatrixXd jacobian(n, static_cast<Index>(moving.size()));
  model.mean(theta, {mu.data(), static_cast<std::size_t>(n)},
             moving.empty() ? MatrixRef{} : MatrixRef{jacobian.data(), n, jacobian.cols(), n});
  out.mean = MatrixXd::Zero(n, model.parameters());
  for (std::size_t c = 0; c < moving.size(); ++c) {
    out.mean.col(moving[c]) = jacobian.col(static_cast<Index>(c));
  }
  out.residual = Eigen::Map<const VectorXd>(data.data(), n) - mu;
  out.covariance.resize(n * n, model.parameters());
  covariance_jacobian(model, theta, {out.covariance.data(), n * n, model.parameters(), n * n});

  MatrixXd sigma(n, n);
  CovarianceBlock whole{.rows = n, .columns = n, .value = sigma.data()};
  model.covariance(theta, whole);
  const Eigen::LLT<MatrixXd> factor(sigma);
  if (factor.info() != Eigen::Success) {
    throw Error("likelihood_gradient: the covariance is not positive definite at this theta");
  }
  out.L = factor.matrixL();
  return out;
}

/// f = sum of ln L_ii + 1/2 z'z + const with L z = r, from the end to the beginning.
VectorXd by_reverse_mode(const Moments& m) {
  const Index n = m.L.rows();
  const auto L = m.L.triangularView<Eigen::Lower>();
  const VectorXd z = L.solve(m.residual);
  // z = L^-1 r: the adjoint of r is L^-T times that of z, and that of L is -(adjoint of r) z'.
  const VectorXd residual_adjoint = L.transpose().solve(z);
  MatrixXd adjoint = (-residual_adjoint * z.transpose()).triangularView<Eigen::Lower>();
  adjoint.diagonal() += m.L.diagonal().cwiseInverse();
  MatrixXd sigma_adjoint(n, n);
  cholesky_adjoint({m.L.data(), n, n, n}, {adjoint.data(), n, n, n}, {sigma_adjoint.data(), n, n, n});
  return m.covariance.transpose() * Eigen::Map<const VectorXd>(sigma_adjoint.data(), n * n) -
         m.mean.transpose() * residual_adjoint;
}

/// d ln det Sigma = (vec K)'d vec Sigma, d vec K = -(K x K) d vec Sigma, r'K r = (vec r r')'vec K.
VectorXd by_vectorisation(const Moments& m) {
  const Index n = m.L.rows();
  const auto L = m.L.triangularView<Eigen::Lower>();
  const MatrixXd inverse_factor = L.solve(MatrixXd::Identity(n, n));
  const MatrixXd K = inverse_factor.transpose() * inverse_factor;
  const MatrixXd square = m.residual * m.residual.transpose();
  // (K x K) vec S = vec(K S K).
  const MatrixXd kronecker = K * square * K;
  return 0.5 * (m.covariance.transpose() * (Eigen::Map<const VectorXd>(K.data(), n * n) -
                                            Eigen::Map<const VectorXd>(kronecker.data(), n * n))) -
         m.mean.transpose() * (K * m.residual);
}

std::vector<double> by_contraction(const GaussianModel& model, ConstVectorRef data, ConstVectorRef theta) {
  // The model is the caller's, and outlives the problem.
  const GaussianLikelihood problem({std::shared_ptr<const GaussianModel>(), &model},
                                   std::vector<double>(data.begin(), data.end()));
  Evaluation at_theta;
  at_theta.reset(theta, 0);
  Request request;
  request.want = Want::value | Want::gradient;
  if (problem.evaluate(request, at_theta) != EvalStatus::ok) {
    throw Error("likelihood_gradient: " + at_theta.fault);
  }
  return at_theta.gradient;
}

}  // namespace

std::vector<double> likelihood_gradient(const GaussianModel& model, ConstVectorRef data, ConstVectorRef theta,
                                        GradientRoute route) {
  expects(static_cast<Index>(data.size()) == model.observations() &&
              static_cast<Index>(theta.size()) == model.parameters(),
          "likelihood_gradient: data must be observations() long and theta parameters() long");
  if (route == GradientRoute::contraction) {
    return by_contraction(model, data, theta);
  }
  const Moments moments = moments_at(model, data, theta);
  const VectorXd g =
      route == GradientRoute::reverse_mode ? by_reverse_mode(moments) : by_vectorisation(moments);
  return {g.data(), g.data() + g.size()};
}

void cholesky_adjoint(ConstMatrixRef L, ConstMatrixRef adjoint, MatrixRef out) {
  const Index n = L.rows;
  expects(L.cols == n && adjoint.rows == n && adjoint.cols == n && out.rows == n && out.cols == n,
          "cholesky_adjoint: all matrices must be square and of one size");
  const auto factor = view(L).triangularView<Eigen::Lower>();
  // Phi: the lower triangle with half its diagonal; dL = L Phi(L^-1 dSigma L^-T).
  const MatrixXd lower = view(adjoint).triangularView<Eigen::Lower>();
  MatrixXd phi = (factor.transpose() * lower).triangularView<Eigen::Lower>();
  phi.diagonal() *= 0.5;
  const MatrixXd symmetric = 0.5 * (phi + phi.transpose());
  const MatrixXd half = factor.transpose().solve(symmetric);             // L^-T S
  view(out) = factor.transpose().solve(half.transpose().eval()).eval();  // L^-T S L^-1
}

void covariance_jacobian(const GaussianModel& model, ConstVectorRef theta, MatrixRef out) {
  const Index n = model.observations();
  expects(out.rows == n * n && out.cols == model.parameters(),
          "covariance_jacobian: out must be observations()^2 x parameters()");
  const std::vector<Index> varying = model.covariance_parameters();
  std::vector<double> first(static_cast<std::size_t>(n * n) * varying.size());
  CovarianceBlock whole{.rows = n, .columns = n, .first = first.data()};
  model.covariance(theta, whole);
  for (Index i = 0; i < out.cols; ++i) {
    std::fill_n(out.column(i), n * n, 0.0);
  }
  for (std::size_t a = 0; a < varying.size(); ++a) {
    const double* from = first.data() + a * static_cast<std::size_t>(n * n);
    double* to = out.column(varying[a]);
    for (Index c = 0; c < n; ++c) {
      for (Index r = c; r < n; ++r) {
        to[r + n * c] = from[r + n * c];
        to[c + n * r] = from[r + n * c];
      }
    }
  }
}

}  // namespace kappa
