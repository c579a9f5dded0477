#include "kappa/trial.h"

#include <cmath>

namespace kappa {

const char* name(ControlKind kind) {
  switch (kind) {
    case ControlKind::radius:
      return "radius";
    case ControlKind::damping:
      return "damping";
    case ControlKind::cubic_weight:
      return "cubic weight";
    case ControlKind::step_length:
      return "step length";
  }
  return "unknown";
}

double Trial::rounding() const {
  return std::fmax(10 * epsilon * std::abs(current_value), value_rounding);
}

double Trial::ratio() const {
  if (evaluation != EvalStatus::ok || !std::isfinite(value) || !std::isfinite(current_value) ||
      !std::isfinite(step.predicted_decrease) || !(step.predicted_decrease > 0)) {
    return -infinity;
  }
  const double shift = rounding();
  return (decrease() + shift) / (step.predicted_decrease + shift);
}

}  // namespace kappa
