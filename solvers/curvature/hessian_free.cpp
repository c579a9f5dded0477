// hessian-free: products B v and nothing else, of the Hessian or of the Gauss-Newton matrix.
//
// Use it where n is too large for a matrix, with a step solver that needs products alone (Steihaug's
// conjugate gradients, damped conjugate gradients). Cost: each product about two to four gradients, no
// memory beyond the problem's own.
//
// Reference: Pearlmutter, Fast exact multiplication by the Hessian, Neural Computation 6 (1994);
// Martens, Deep learning via Hessian-free optimization, ICML 2010.
#include "solvers/curvature/linearization_operator.h"
#include "solvers/curvature/model_option.h"
#include "solvers/curvature/parts.h"

namespace kappa {

namespace {

constexpr const char* part = "curvature 'hessian-free'";

struct HessianFreeOptions {
  std::string model = "exact";  // Pearlmutter 1994
};

constexpr Field<HessianFreeOptions> fields[] = {
    {"model", &HessianFreeOptions::model, "Pearlmutter 1994",
     "whose products: exact (the Hessian, maybe indefinite) or gauss-newton (positive semidefinite)"},
};

}  // namespace

CurvaturePart hessian_free_part() {
  CurvaturePart out;
  out.info.kind = PartKind::curvature;
  out.info.name = "hessian-free";
  out.info.summary = "Products with the Hessian or the Gauss-Newton matrix; no matrix is ever formed.";
  out.info.source = "Pearlmutter 1994; Martens 2010";
  out.info.options = describe_options<HessianFreeOptions>(fields);
  out.make = [](const Options& given) -> std::unique_ptr<Curvature> {
    const auto options = read_options<HessianFreeOptions>(part, given, fields);
    const Model model =
        detail::choose_model(part, "model", options.model, {Model::exact, Model::gauss_newton});
    return std::make_unique<detail::LinearizationCurvature>(model, detail::CapabilitySet{});
  };
  return out;
}

}  // namespace kappa
