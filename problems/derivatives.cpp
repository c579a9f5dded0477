// Derivatives of a problem at a point as plain arrays.
#include "kappa/derivatives.h"

namespace kappa {
namespace {

[[noreturn]] void cannot(const std::string& function, const std::string& fault) {
  throw Error(function + ": cannot be evaluated at this x" + (fault.empty() ? "" : ": " + fault));
}

/// A linearization of the exact model at x, or an Error that names the fault.
Evaluation linearized(const Problem& problem, ConstVectorRef x, const char* function) {
  expects(static_cast<Index>(x.size()) == problem.dimension(), "derivatives: x is not dimension() long");
  if (!problem.models().contains(Model::exact)) {
    throw Error(std::string(function) + ": this problem does not offer the exact Hessian");
  }
  Evaluation evaluation;
  evaluation.reset(x, 0);
  Request request;
  request.want = Want::linearization;
  request.models = {Model::exact};
  if (problem.evaluate(request, evaluation) != EvalStatus::ok) {
    cannot(function, evaluation.fault);
  }
  return evaluation;
}

/// The sentence for a status other than ok of one of ResidualProblem's plain evaluations.
void demand(EvalStatus status, const ResidualProblem& problem, ConstVectorRef x, const char* function) {
  if (status == EvalStatus::ok) {
    return;
  }
  Evaluation evaluation;
  evaluation.reset(x, 0);
  Request request;
  request.want = Want::value | Want::gradient | Want::linearization;
  request.models = {Model::exact};
  problem.evaluate(request, evaluation);
  cannot(function, evaluation.fault);
}

}  // namespace

Matrix jacobian(const ResidualProblem& problem, ConstVectorRef x) {
  Matrix J(problem.residuals(), problem.tangent_dimension());
  demand(problem.evaluate_jacobian(x, J), problem, x, "jacobian");
  return J;
}

Matrix hessian(const Problem& problem, ConstVectorRef x) {
  const Evaluation at_x = linearized(problem, x, "hessian");
  const Index n = problem.tangent_dimension();
  Matrix H(n, n);
  if (at_x.linearization->dense(Model::exact, H)) {
    return H;
  }
  std::vector<double> unit(static_cast<std::size_t>(n), 0.0);
  for (Index j = 0; j < n; ++j) {
    unit[static_cast<std::size_t>(j)] = 1;
    at_x.linearization->product(Model::exact, unit, {H.values.data() + j * n, static_cast<std::size_t>(n)});
    unit[static_cast<std::size_t>(j)] = 0;
  }
  for (Index j = 0; j < n; ++j) {
    for (Index i = 0; i < j; ++i) {
      H(i, j) = H(j, i) = 0.5 * (H(i, j) + H(j, i));
    }
  }
  return H;
}

std::vector<double> hessian_product(const Problem& problem, ConstVectorRef x, ConstVectorRef v) {
  expects(static_cast<Index>(v.size()) == problem.tangent_dimension(),
          "hessian_product: v is not tangent_dimension() long");
  const Evaluation at_x = linearized(problem, x, "hessian_product");
  std::vector<double> out(v.size());
  at_x.linearization->product(Model::exact, v, out);
  return out;
}

Matrix weighted_hessian(const ResidualProblem& problem, ConstVectorRef x, ConstVectorRef weights) {
  Matrix H(problem.tangent_dimension(), problem.tangent_dimension());
  demand(problem.evaluate_weighted_hessian(x, weights, H), problem, x, "weighted_hessian");
  return H;
}

std::vector<double> third_order_hessian(const ResidualProblem& problem, ConstVectorRef x) {
  const Index n = problem.tangent_dimension();
  const Index m = problem.residuals();
  std::vector<double> all(static_cast<std::size_t>(m * n * n));
  std::vector<double> weights(static_cast<std::size_t>(m), 0.0);
  for (Index k = 0; k < m; ++k) {
    weights[static_cast<std::size_t>(k)] = 1;
    // Symmetric, so that rows and columns need not be told apart.
    const MatrixRef H{all.data() + k * n * n, n, n, n};
    demand(problem.evaluate_weighted_hessian(x, weights, H), problem, x, "third_order_hessian");
    weights[static_cast<std::size_t>(k)] = 0;
  }
  return all;
}

}  // namespace kappa
