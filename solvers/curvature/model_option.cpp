#include "solvers/curvature/model_option.h"

#include <vector>

#include "core/option_checks.h"

namespace kappa::detail {

Model choose_model(std::string_view part, std::string_view option, std::string_view given,
                   std::initializer_list<Model> valid) {
  std::vector<std::string> names;
  for (const Model model : valid) {
    if (name(model) == given) {
      return model;
    }
    names.emplace_back(name(model));
  }
  throw Error(std::string(part) + ": option '" + std::string(option) + "' cannot be '" + std::string(given) +
              "'; valid values: " + closest_first(given, std::move(names)));
}

}  // namespace kappa::detail
