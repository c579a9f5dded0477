// exact: the Hessian of the objective, B = f''(x), in whatever form the problem gives it: products, diagonal,
// dense matrix or blocks. It may be indefinite.
//
// Use it where second derivatives are to be had and steps are kept in check by a trust region or a line
// search that copes with negative curvature. It gives quadratic convergence. Cost: that of the problem's
// Hessian; nothing of its own.
//
// Reference: Nocedal & Wright, Numerical Optimization, 2nd ed. 2006, eq. 3.30 (Newton's direction),
// chapter 4.
#include "solvers/curvature/linearization_operator.h"
#include "solvers/curvature/parts.h"

namespace kappa {

namespace {

constexpr const char* part = "curvature 'exact'";

struct ExactOptions {};

}  // namespace

CurvaturePart exact_part() {
  CurvaturePart out;
  out.info.kind = PartKind::curvature;
  out.info.name = "exact";
  out.info.summary = "The Hessian of the objective, as a matrix, as blocks or by products.";
  out.info.source = "Nocedal & Wright 2006, eq. 3.30";
  out.make = [](const Options& given) -> std::unique_ptr<Curvature> {
    using detail::Capability;
    read_options<ExactOptions>(part, given, {});
    return std::make_unique<detail::LinearizationCurvature>(
        Model::exact, detail::CapabilitySet{Capability::diagonal, Capability::dense, Capability::blocks});
  };
  return out;
}

}  // namespace kappa
