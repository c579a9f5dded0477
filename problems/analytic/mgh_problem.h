// A Moré-Garbow-Hillstrom problem as a residual problem: one block of all residuals.
#pragma once

#include "kappa/residuals.h"
#include "problems/analytic/mgh.h"
#include "problems/analytic/mgh_bounds.h"

namespace kappa {

/// One parameter block "x" that starts at `factor` times the standard start.
ResidualProblem make_mgh(const MghProblem& problem, double factor);

/// The same in its box.
ResidualProblem make_mgh(const MghProblem& problem, const MghBounds& bounds, double factor);

}  // namespace kappa
