// The named optimizers: each fills in a Method.
#pragma once

#include "kappa/registry.h"

namespace kappa {

OptimizerPart levenberg_marquardt_part();
OptimizerPart newton_part();
OptimizerPart cubic_newton_part();
OptimizerPart regularized_newton_part();
OptimizerPart tron_part();
OptimizerPart hessian_free_optimizer_part();
OptimizerPart adaptive_rate_part();
/// The adaptive rates that have names of their own.
std::vector<OptimizerPart> adaptive_rate_variant_parts();

}  // namespace kappa
