// The built-in acceptances, for the registry.
#pragma once

#include "kappa/registry.h"

namespace kappa {

AcceptancePart nielsen_damping_part();
AcceptancePart martens_damping_part();
AcceptancePart gradient_damping_part();
AcceptancePart trust_region_part();
AcceptancePart tron_radius_part();
AcceptancePart adaptive_cubic_part();
AcceptancePart armijo_part();
AcceptancePart strong_wolfe_part();
AcceptancePart schedule_part();

}  // namespace kappa
