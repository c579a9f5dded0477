#include "solvers/step/preconditioner.h"

#include <cmath>

namespace kappa::detail {

bool Preconditioner::prepare(const Subproblem& subproblem, double exponent) {
  subproblem_.emplace(subproblem);
  exponent_ = exponent;
  const auto n = static_cast<std::size_t>(subproblem.B.size());
  loop_.reserve(subproblem.B.size());
  inverse_.resize(n);
  diagonal_.resize(n);
  const SymmetricOperator* P = subproblem.preconditioner;
  has_diagonal_ = false;
  if (P == nullptr || P->solve_kind() == SolveKind::absent) {
    const SymmetricOperator& from = P != nullptr ? *P : subproblem.B;
    const Offers offers = from.offers();
    has_diagonal_ = exponent > 0 && offers.diagonal &&
                    (P != nullptr || offers.diagonal_products() <= affordable) && from.diagonal(diagonal_);
  }
  return !has_diagonal_ || all_finite(diagonal_);
}

void Preconditioner::set_damping(double damping) {
  damping_ = damping;
  const SymmetricOperator* P = subproblem_->preconditioner;
  const ConstVectorRef w = subproblem_->metric.weights();
  solves_ = false;
  if (P != nullptr && P->solve_kind() != SolveKind::absent) {
    solves_ = P->solve_damped(damping, w, subproblem_->gradient, inverse_) && all_finite(inverse_);
  }
  if (solves_) {
    return;
  }
  const bool power = exponent_ != 1;
  loop_.each([&](Index begin, Index end) {
    for (auto i = static_cast<std::size_t>(begin); i < static_cast<std::size_t>(end); ++i) {
      const double entry = has_diagonal_ ? std::abs(diagonal_[i]) + damping * w[i] : w[i];
      inverse_[i] = 1 / (entry > 0 && std::isfinite(entry) ? entry : w[i]);
      if (power && has_diagonal_) {
        inverse_[i] = std::pow(inverse_[i], exponent_);
      }
    }
  });
}

bool Preconditioner::apply(ConstVectorRef r, VectorRef out) {
  if (!solves_) {
    loop_.multiply(inverse_, r, out);
    return true;
  }
  return subproblem_->preconditioner->solve_damped(damping_, subproblem_->metric.weights(), r, out) &&
         all_finite(out);
}

}  // namespace kappa::detail
