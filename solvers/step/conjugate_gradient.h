// Truncated preconditioned conjugate gradients for the model
//
//     q(d) = g'd + 1/2 d'(B + lambda W) d,   optionally within |d|_W <= radius,
//
// the loop behind steihaug-cg, damped-cg and newton-cg. It starts at zero and ends with
//
//     |r|_M <= eta |g|_M,   eta = clamp(|g|^power, floor, cap)    (|.|_M: norm of the preconditioner's
//     inverse)
//
// at the radius, at a direction without positive curvature, or at the limit of iterations. Every iterate
// lowers q and, with the preconditioner 1/W, lengthens d (Steihaug 1983, thm. 2.1).
//
// The gradient is scaled by a power of two first, so that inner products of tiny or huge gradients neither
// under- nor overflow. Long vectors are worked on by several threads, with the same bits for any number.
// Cost per iteration: one product and five vector operations; memory 4 n.
//
// Reference: Steihaug, SIAM J. Numer. Anal. 20 (1983) 626; Conn, Gould & Toint 2000, alg. 7.5.1.
#pragma once

#include <vector>

#include "core/vector_loop.h"
#include "kappa/step.h"
#include "solvers/step/preconditioner.h"

namespace kappa::detail {

/// When to stop: part of the options of each of the three solvers.
struct Forcing {
  double cap = 0.5;
  double power = 0.5;
  double floor = 1e-10;
  Index max_iterations = 0;  ///< 0: the size

  double tolerance(double gradient_norm) const;
  Index limit(Index size) const { return max_iterations > 0 ? max_iterations : size; }
};

struct CgTask {
  const Subproblem& subproblem;
  ConstVectorRef inverse = {};               ///< diagonal of the preconditioner's inverse
  Preconditioner* preconditioner = nullptr;  ///< instead of that, damping set
  double damping = 0;
  double radius = infinity;
  double tolerance = 0.5;  ///< eta
  Index max_iterations = 0;
};

struct CgResult {
  enum class End { converged, boundary, negative_curvature, limit, interrupted, failed } end = End::failed;
  Index iterations = 0;
  double decrease = 0;  ///< -q(d), of the damped model
};

class ConjugateGradient {
 public:
  void reserve(Index n);
  /// d is the last iterate in every case; at negative curvature without a radius that is the iterate before
  /// the direction was found, zero at the first.
  CgResult minimize(const CgTask& task, VectorRef d);

 private:
  /// The step tau >= 0 from d along p to the radius.
  double to_boundary(const CgTask& task, ConstVectorRef d, double radius);

  VectorLoop loop_;
  std::vector<double> r_, z_, p_, q_;
};

}  // namespace kappa::detail
