#include "solvers/step/acceleration.h"

#include <algorithm>
#include <cmath>

#include "core/option_checks.h"
#include "core/vector.h"

namespace kappa::detail {

void Acceleration::apply(StepSolver& solver, const Subproblem& subproblem, StepReport& report,
                         VectorRef step) {
  if (!(limit_ > 0) || report.limit != StepReport::Limit::boundary) {
    return;
  }
  const std::size_t n = step.size();
  rhs_.resize(n);
  acceleration_.resize(n);
  const SymmetricOperator& B = subproblem.B;
  if (!B.second_directional(step, rhs_)) {
    return;
  }
  for (double& e : rhs_) {
    e *= -0.5;
  }
  if (!solver.resolve(rhs_, acceleration_)) {
    return;
  }
  const double length = subproblem.metric.norm(acceleration_);
  if (!(2 * length <= limit_ * report.norm)) {
    return;
  }
  for (std::size_t i = 0; i < n; ++i) {
    acceleration_[i] += step[i];
  }
  B.multiply(acceleration_, rhs_);
  const double slope = dot(subproblem.gradient, acceleration_);
  const double predicted = -(slope + 0.5 * dot(acceleration_, rhs_));
  if (!(predicted > 0)) {
    return;
  }
  std::copy(acceleration_.begin(), acceleration_.end(), step.begin());
  report.slope = slope;
  report.predicted_decrease = predicted;
  report.norm = subproblem.metric.norm(step);
}

void require_acceleration(const char* part, double limit) {
  require_option(limit >= 0 && std::isfinite(limit), part, "acceleration", limit,
                 "it must be finite, and 0 or positive");
}

}  // namespace kappa::detail
