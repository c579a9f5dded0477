#include "solvers/step/model.h"

#include <algorithm>
#include <cmath>

#include "core/vector.h"

namespace kappa::detail {
namespace {

/// Entries in [1, 2) without a pattern that a structured matrix could share (the golden ratio's multiples).
void fill_probe(VectorRef v) {
  double x = 0;
  for (double& entry : v) {
    x += 0.61803398874989485;
    x -= x >= 1 ? 1.0 : 0.0;
    entry = 1 + x;
  }
}

bool offers_diagonal_alone(const SymmetricOperator& B) {
  const SymmetricOperator::Offers offers = B.offers();
  return offers.diagonal && !offers.dense && !offers.blocks && !offers.root;
}

/// Whether B v is the given diagonal times v.
bool acts_as(ConstVectorRef diagonal, const SymmetricOperator& B, VectorRef v, VectorRef product) {
  fill_probe(v);
  B.multiply(v, product);
  for (std::size_t i = 0; i < v.size(); ++i) {
    const double expected = diagonal[i] * v[i];
    if (!(std::abs(product[i] - expected) <= 1e-13 * std::abs(expected))) {
      return false;
    }
  }
  return true;
}

}  // namespace

StepReport no_step(StepStatus status, VectorRef step, Index blame) {
  std::fill(step.begin(), step.end(), 0.0);
  StepReport out;
  out.status = status;
  out.blame = blame;
  return out;
}

StepReport checked(const StepReport& report, VectorRef step) {
  if (!std::isfinite(report.slope) || !std::isfinite(report.predicted_decrease) ||
      !std::isfinite(report.norm) || !all_finite(step)) {
    return no_step(StepStatus::failed, step);
  }
  return report;
}

StepReport::Limit damping_limit(double damping, double norm, double predicted_decrease) {
  const double part = (damping * norm) * norm;
  return part > 0.1 * predicted_decrease ? StepReport::Limit::boundary : StepReport::Limit::interior;
}

std::optional<std::string> DenseModel::unfit(const SymmetricOperator& B, const char* solver, Index limit,
                                             const char* remedy) {
  const Index n = B.size();
  if (n <= limit) {
    return std::nullopt;
  }
  if (offers_diagonal_alone(B)) {
    const auto size = static_cast<std::size_t>(n);
    std::vector<double> diagonal(size);
    std::vector<double> probe(size);
    std::vector<double> product(size);
    if (B.diagonal(diagonal) && acts_as(diagonal, B, probe, product)) {
      return std::nullopt;
    }
  }
  return std::string("step '") + solver + "' would need a dense matrix of size " + std::to_string(n) +
         ", above its option dense_limit (" + std::to_string(limit) + "); use step " + remedy;
}

bool DenseModel::load(const SymmetricOperator& B) {
  n_ = B.size();
  const auto n = static_cast<std::size_t>(n_);
  diagonal_.resize(n);
  unit_.resize(n);
  column_.resize(n);
  is_diagonal_ = offers_diagonal_alone(B) && B.diagonal(diagonal_) && acts_as(diagonal_, B, unit_, column_);
  if (is_diagonal_) {
    return all_finite(diagonal_);
  }
  matrix_.resize(n * n);
  to_dense(B, {matrix_.data(), n_, n_, n_}, unit_, column_);
  for (std::size_t i = 0; i < n; ++i) {
    diagonal_[i] = matrix_[i + i * n];
  }
  return all_finite(ConstVectorRef(matrix_.data(), n * n));
}

double DenseModel::quadratic(ConstVectorRef v) const {
  double sum = 0;
  for (Index j = 0; j < n_; ++j) {
    const double x = v[static_cast<std::size_t>(j)];
    sum += is_diagonal_ ? diagonal_[static_cast<std::size_t>(j)] * x * x
                        : x * dot(matrix_.data() + j * n_, v.data(), n_);
  }
  return sum;
}

}  // namespace kappa::detail
