// The first positive damping, after a rejected step that was made without any.
#pragma once

#include <algorithm>
#include <cmath>

#include "kappa/acceptance.h"

namespace kappa::detail {

/// What to take where there was no step to learn from: 1e-3 |g0| / |x0|, a small curvature in the problem's
/// own units.
inline double blind_damping(const StartInfo& info) {
  const double scale = info.gradient_norm / info.point_norm;
  return 1e-3 * (std::isfinite(scale) && scale > 0 ? scale : 1.0);
}

/// The curvature along the rejected step: an undamped step solves Bd = -g, so d'Bd = -g'd.
inline double first_damping(const Trial& trial, double blind) {
  const double along = -trial.step.slope / (trial.step.norm * trial.step.norm);
  const bool known = trial.step.status == StepStatus::ok && std::isfinite(along) && along > 0;
  return known ? along : blind;
}

}  // namespace kappa::detail
