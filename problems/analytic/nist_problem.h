// A NIST StRD regression as a residual problem: one residual block for each observation.
#pragma once

#include "kappa/residuals.h"
#include "problems/analytic/nist.h"

namespace kappa {

/// One parameter block "b" with starting point `start` (0 or 1, NIST's "start 1" and "start 2").
ResidualProblem make_nist(const NistProblem& problem, int start);

}  // namespace kappa
