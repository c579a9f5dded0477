// The built-in step solvers, for the registry.
#pragma once

#include "kappa/registry.h"

namespace kappa {

StepPart damped_qr_part();
StepPart damped_cholesky_part();
StepPart damped_cg_part();
StepPart more_sorensen_part();
StepPart steihaug_cg_part();
StepPart modified_cholesky_part();
StepPart bunch_kaufman_part();
StepPart newton_cg_part();
StepPart newton_mr_part();
StepPart gltr_part();
StepPart shifted_lanczos_part();
StepPart cubic_lanczos_part();
StepPart hessian_free_step_part();
StepPart scaled_gradient_part();
StepPart block_schur_part();
StepPart block_cholesky_part();
StepPart own_solve_part();
StepPart own_direction_part();

}  // namespace kappa
