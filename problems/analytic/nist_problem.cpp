#include "problems/analytic/nist_problem.h"

#include "problems/analytic/nist_models.h"

namespace kappa {

ResidualProblem make_nist(const NistProblem& problem, int start) {
  ResidualProblem out;
  const ParameterBlock b = out.add_parameters(problem.starting_point(start), "b");
  visit_nist_model(problem, [&]<class Model>() {
    for (int i = 0; i < problem.observations; ++i) {
      out.add(autodiff<1, Model::parameters>(Model::from_row(problem.row(i))), {b});
    }
  });
  return out;
}

}  // namespace kappa
