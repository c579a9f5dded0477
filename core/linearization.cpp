#include "kappa/linearization.h"

namespace kappa {

std::string_view name(Model model) {
  switch (model) {
    case Model::exact:
      return "exact";
    case Model::gauss_newton:
      return "gauss-newton";
    case Model::fisher:
      return "fisher";
    case Model::sampled_fisher:
      return "sampled-fisher";
    case Model::empirical_fisher:
      return "empirical-fisher";
    case Model::squared_mean_gradient:
      return "squared-mean-gradient";
  }
  return "unknown";
}

}  // namespace kappa
