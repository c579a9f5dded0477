// The step solvers on which a program runs the laws of step solvers: each program that contains
// laws/step_laws_test.cpp says which.
#pragma once

#include <functional>
#include <vector>

#include "kappa/registry.h"

namespace test {

/// A solver under test and what it can be asked.
struct StepCandidate {
  enum class Pattern { full, block_sparse };

  std::function<kappa::StepPart()> part;
  kappa::Options options;
  bool takes_indefinite;  ///< returns steps also where B is indefinite
  bool exact;             ///< solves its subproblem to rounding
  Pattern pattern = Pattern::full;
};

std::vector<StepCandidate> step_candidates();

}  // namespace test
