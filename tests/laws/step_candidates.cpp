#include "support/step_candidates.h"

#include "solvers/step/parts.h"

namespace test {

using namespace kappa;

namespace {

/// Inner solves to rounding.
Options tight(std::int64_t max_iterations) {
  return {{"forcing_cap", 1e-13}, {"forcing_floor", 1e-13}, {"max_iterations", max_iterations}};
}

}  // namespace

std::vector<StepCandidate> step_candidates() {
  return {
      {damped_qr_part, {}, false, true},
      {damped_cholesky_part, {}, true, true},
      {block_schur_part, {}, true, true, StepCandidate::Pattern::block_sparse},
      {block_cholesky_part, {}, true, true, StepCandidate::Pattern::block_sparse},
      {damped_cg_part, {}, true, false},
      {damped_cg_part, tight(500), true, true},
      {shifted_lanczos_part, {}, true, false},
      {shifted_lanczos_part, tight(0), true, true},
      {hessian_free_step_part, {{"warm_start", 0.0}}, true, false},
      {more_sorensen_part, {}, true, true},
      {more_sorensen_part, {{"eigen_limit", std::int64_t{0}}, {"tolerance", 1e-10}}, true, true},
      {steihaug_cg_part, {}, true, false},
      {gltr_part, {}, true, false},
      {gltr_part, tight(0), true, true},
      {cubic_lanczos_part, {}, true, false},
      {cubic_lanczos_part, tight(0), true, true},
      {modified_cholesky_part, {}, true, true},
      {bunch_kaufman_part, {}, true, true},
      {newton_cg_part, {}, true, false},
      {newton_mr_part, {}, true, false},
      {scaled_gradient_part, {}, true, true},
      {own_solve_part, {}, true, true},
      {own_direction_part, {{"damping", 1.0}}, false, true},
  };
}

}  // namespace test
