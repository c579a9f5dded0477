// Derivatives, checks and covariance of a problem at a point, without a solve. All are those of
// step -> f(retract(x, step)) at 0, so on manifolds they have tangent entries; below n = tangent_dimension().
#pragma once

#include <string>
#include <vector>

#include "kappa/problem.h"
#include "kappa/residuals.h"

namespace kappa {

/// A dense column-major matrix that owns its entries.
struct Matrix {
  Index rows = 0;
  Index cols = 0;
  std::vector<double> values;

  Matrix() = default;
  Matrix(Index r, Index c) : rows(r), cols(c), values(static_cast<std::size_t>(r * c), 0.0) {}
  double& operator()(Index i, Index j) { return values[static_cast<std::size_t>(i + j * rows)]; }
  double operator()(Index i, Index j) const { return values[static_cast<std::size_t>(i + j * rows)]; }
  operator MatrixRef() { return {values.data(), rows, cols, rows}; }
  operator ConstMatrixRef() const { return {values.data(), rows, cols, rows}; }
};

/// J(k, i) = d r_k / d x_i, residuals() x n, without losses. Throws Error where the residuals
/// cannot be evaluated at x, naming the block.
Matrix jacobian(const ResidualProblem& problem, ConstVectorRef x);
/// The exact Hessian of the objective, n x n, losses included.
Matrix hessian(const Problem& problem, ConstVectorRef x);
/// Hessian times v, without forming the Hessian where the problem allows.
std::vector<double> hessian_product(const Problem& problem, ConstVectorRef x, ConstVectorRef v);
/// sum_k weights_k Hessian(r_k), n x n, without losses.
Matrix weighted_hessian(const ResidualProblem& problem, ConstVectorRef x, ConstVectorRef weights);
/// All Hessian(r_k): entry (k, i, j) at [(k * n + i) * n + j], residuals() x n x n.
std::vector<double> third_order_hessian(const ResidualProblem& problem, ConstVectorRef x);

/// One derivative that disagrees with finite differences.
struct DerivativeMismatch {
  std::string where;  ///< "residual block 3 'name', residual 0, parameter block 'camera', entry 5"
  double given = 0;
  double difference = 0;        ///< by Richardson-extrapolated central differences (Ridders 1982)
  double difference_error = 0;  ///< the extrapolation's own error estimate
};

struct DerivativeCheck {
  Index compared = 0;
  std::vector<DerivativeMismatch> mismatches;  ///< largest first
  bool passed() const { return mismatches.empty(); }
  std::string text() const;  ///< a few lines for a person
};

/// Compares the gradient and, for residual problems, every Jacobian entry with finite differences; and the
/// Hessian with differences of the gradient; on manifolds v'Hv with those of the slope along v, for unit
/// vectors and random ones. Jacobian entries are then those of the functors, before manifolds. An entry fails
/// where |given - difference| exceeds `tolerance` * max(1, |given|) and ten times the differences' own error
/// estimate.
DerivativeCheck check_derivatives(const Problem& problem, ConstVectorRef x, double tolerance = 1e-6);

/// sigma^2 (J'J)^-1 at x, by QR of the column-scaled Jacobian (losses included as in Gauss-Newton).
struct Covariance {
  Matrix matrix;                        ///< n x n; the pseudo-inverse where rank-deficient
  std::vector<double> standard_errors;  ///< square roots of its diagonal
  Index rank = 0;
  double variance = 0;                    ///< sigma^2: 2 f / (residuals - rank), or as given
  std::vector<std::string> undetermined;  ///< variables with a part in the null space
};

/// `variance` < 0: estimated from the residuals. Throws Error where the problem has fewer residuals than
/// variables and the variance is to be estimated, or x cannot be evaluated.
Covariance covariance(const ResidualProblem& problem, ConstVectorRef x, double variance = -1);

}  // namespace kappa
