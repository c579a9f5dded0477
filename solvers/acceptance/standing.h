// Standing: whether a trial can be judged by its numbers at all. The same for every acceptance.
#pragma once

#include <cmath>

#include "kappa/trial.h"

namespace kappa::detail {

enum class Standing {
  usable,    ///< a step and a finite value
  unusable,  ///< no step, or no finite value there: a rejection whatever the numbers
  hopeless   ///< a failed evaluation or an interrupt: no other control helps
};

inline Standing standing(const Trial& trial) {
  if (trial.step.status == StepStatus::interrupted || trial.evaluation == EvalStatus::interrupted ||
      trial.evaluation == EvalStatus::failed) {
    return Standing::hopeless;
  }
  const bool there = trial.step.status == StepStatus::ok && trial.evaluation == EvalStatus::ok;
  return there && std::isfinite(trial.value) ? Standing::usable : Standing::unusable;
}

/// The ratio of a usable trial; minus infinity for any other.
inline double ratio_of(const Trial& trial) {
  return standing(trial) == Standing::usable ? trial.ratio() : -infinity;
}

}  // namespace kappa::detail
