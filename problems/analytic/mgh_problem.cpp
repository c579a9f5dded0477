#include "problems/analytic/mgh_problem.h"

namespace kappa {

ResidualProblem make_mgh(const MghProblem& problem, double factor) {
  ResidualProblem out;
  const ParameterBlock x = out.add_parameters(start(problem, factor), "x");
  visit_mgh_model(
      problem, [&]<class Model>() { out.add(autodiff<Model::residuals, Model::parameters>(Model{}), {x}); });
  return out;
}

ResidualProblem make_mgh(const MghProblem& problem, const MghBounds& bounds, double factor) {
  ResidualProblem out = make_mgh(problem, factor);
  out.set_bounds({0}, bounds.lower, bounds.upper);
  return out;
}

}  // namespace kappa
