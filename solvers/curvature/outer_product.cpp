// outer-product: a sum of outer products, positive semidefinite by construction.
//
//   gauss-newton       B = J' H_outer J    (J'J for sums of squares, weighted for robust losses)
//   fisher             B = E[g_i g_i'] under the model's own distribution, summed over the data
//   sampled-fisher     an estimate of it: B = sum of g_i g_i' with targets drawn from that distribution
//   empirical-fisher   B = sum of g_i g_i' over the data as they are; not the Fisher information
//
// Use it for least squares and likelihoods. It is not the Hessian: Gauss-Newton leaves out the term
// sum r_i r_i'', which vanishes with the residuals, so convergence is quadratic only where they are small.
// It is passed on as products, diagonal, dense matrix, blocks and, where the problem has one, as the root A
// with B = A'A. Cost: that of the problem's Jacobian products; nothing of its own.
//
// Reference: Nocedal & Wright, Numerical Optimization, 2nd ed. 2006, eq. 10.24; Schraudolph, Fast curvature
// matrix-vector products, Neural Computation 14 (2002); Martens, New insights and perspectives on
// the natural gradient method, JMLR 21 (2020) (the two Fishers told apart).
#include "solvers/curvature/linearization_operator.h"
#include "solvers/curvature/model_option.h"
#include "solvers/curvature/parts.h"

namespace kappa {

namespace {

constexpr const char* part = "curvature 'outer-product'";

struct OuterProductOptions {
  std::string model = "gauss-newton";  // Levenberg 1944, Marquardt 1963
};

constexpr Field<OuterProductOptions> fields[] = {
    {"model", &OuterProductOptions::model, "Levenberg 1944, Marquardt 1963",
     "which outer product: gauss-newton, fisher, sampled-fisher or empirical-fisher"},
};

}  // namespace

CurvaturePart outer_product_part() {
  CurvaturePart out;
  out.info.kind = PartKind::curvature;
  out.info.name = "outer-product";
  out.info.summary =
      "The Gauss-Newton or a Fisher matrix; positive semidefinite, without second derivatives.";
  out.info.source = "Nocedal & Wright 2006, eq. 10.24; Martens 2020";
  out.info.options = describe_options<OuterProductOptions>(fields);
  out.make = [](const Options& given) -> std::unique_ptr<Curvature> {
    using detail::Capability;
    const auto options = read_options<OuterProductOptions>(part, given, fields);
    const Model model = detail::choose_model(
        part, "model", options.model,
        {Model::gauss_newton, Model::fisher, Model::sampled_fisher, Model::empirical_fisher});
    return std::make_unique<detail::LinearizationCurvature>(
        model,
        detail::CapabilitySet{Capability::diagonal, Capability::dense, Capability::blocks, Capability::root});
  };
  return out;
}

}  // namespace kappa
