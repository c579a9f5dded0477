// The geodesic acceleration of a damped step: d + a/2 with
//
//   (B + lambda W) a = -J' r_dd,      r_dd the second directional derivative of the residuals along d,
//
// which follows the curve on which the residuals change as the linear model says. The factor of the step
// serves again. The correction a/2 is dropped where twice its length is above limit |d|, where the model
// predicts no decrease for the corrected step, and where the curvature has no second directional derivatives
// (only outer-product has).
//
// Cost: one second directional derivative (about two evaluations of the residuals), a back-solve, a product.
//
// Reference: Transtrum & Sethna, Improvements to the Levenberg-Marquardt algorithm for nonlinear
// least-squares minimization, 2012, sec. 3 and eqs. 10, 15.
#pragma once

#include <vector>

#include "kappa/step.h"

namespace kappa::detail {

class Acceleration {
 public:
  /// With limit 0 nothing is done.
  explicit Acceleration(double limit) : limit_(limit) {}

  /// Corrects the step that `solver` has just returned, and its report.
  void apply(StepSolver& solver, const Subproblem& subproblem, StepReport& report, VectorRef step);

 private:
  double limit_;
  std::vector<double> rhs_, acceleration_;
};

/// Throws Error unless the option of that name may be `limit`.
void require_acceleration(const char* part, double limit);

}  // namespace kappa::detail
