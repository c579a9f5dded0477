// The built-in curvatures, for the registry.
#pragma once

#include "kappa/registry.h"

namespace kappa {

CurvaturePart exact_part();
CurvaturePart outer_product_part();
CurvaturePart diagonal_part();
CurvaturePart hessian_free_part();
CurvaturePart running_diagonal_part();
CurvaturePart squared_gradient_part();
CurvaturePart identity_part();
CurvaturePart variance_rates_part();
CurvaturePart secant_rates_part();
CurvaturePart structured_secant_part();
CurvaturePart model_switch_part();

}  // namespace kappa
