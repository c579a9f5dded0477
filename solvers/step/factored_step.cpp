#include "solvers/step/factored_step.h"

#include <algorithm>
#include <cmath>

#include "core/vector.h"
#include "solvers/step/model.h"

namespace kappa::detail {

FactoredStep::FactoredStep(const std::string& name, double acceleration)
    : wrong_control_(name + ": the control must be a damping"),
      not_prepared_(name + ": solve before prepare"),
      acceleration_(acceleration) {}

StepStatus FactoredStep::prepare(const Subproblem& subproblem) {
  subproblem_.emplace(subproblem);
  factored_ = false;
  ready_ = load(subproblem.B) && all_finite(subproblem.gradient);
  return ready_ ? StepStatus::ok : StepStatus::failed;
}

StepReport FactoredStep::solve(const Control& control, VectorRef step) {
  const double lambda = control_value<Damping>(control, wrong_control_.c_str());
  expects(subproblem_.has_value(), not_prepared_.c_str());
  factored_ = false;
  if (!ready_ || !(lambda >= 0 && std::isfinite(lambda))) {
    return no_step(StepStatus::failed, step);
  }
  const Subproblem& s = *subproblem_;
  const auto stops = [&] { return s.interrupt != nullptr && s.interrupt->requested(); };
  if (stops()) {
    return no_step(StepStatus::interrupted, step);
  }
  ++factorizations_;
  const Factored outcome = factor(lambda, s.metric.weights(), s.interrupt);
  if (outcome.status != StepStatus::ok) {
    return no_step(outcome.status, step, outcome.blame);
  }
  if (stops()) {
    return no_step(StepStatus::interrupted, step);
  }
  factored_ = true;
  std::transform(s.gradient.begin(), s.gradient.end(), step.begin(), [](double g) { return -g; });
  const double square = solve_factored(step);
  StepReport out;
  out.slope = dot(s.gradient, step);
  out.norm = s.metric.norm(step);
  out.predicted_decrease = 0.5 * square + 0.5 * (lambda * out.norm) * out.norm;
  out.limit = damping_limit(lambda, out.norm, out.predicted_decrease);
  acceleration_.apply(*this, s, out, step);
  return checked(out, step);
}

bool FactoredStep::resolve(ConstVectorRef rhs, VectorRef out) {
  if (!factored_) {
    return false;
  }
  std::copy(rhs.begin(), rhs.end(), out.begin());
  solve_factored(out);
  return all_finite(out);
}

}  // namespace kappa::detail
