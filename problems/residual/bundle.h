// A bundle-adjustment problem as a residual problem: a block for each camera, point and observation.
#pragma once

#include "kappa/residuals.h"
#include "problems/io/bal.h"

namespace kappa {

/// Cameras first (blocks of 9), then points (blocks of 3), in the order of the data; x is laid out like
/// BalProblem::parameters. The problem knows its seven symmetries: to move, turn and scale all of it.
ResidualProblem make_bundle(const BalProblem& data, const Loss& loss = {});

}  // namespace kappa
