// The option "model" of a curvature: a second-order model by its name.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>

#include "kappa/linearization.h"

namespace kappa::detail {

/// The model of that name among `valid`. Throws Error naming part, option and the valid models.
Model choose_model(std::string_view part, std::string_view option, std::string_view given,
                   std::initializer_list<Model> valid);

}  // namespace kappa::detail
