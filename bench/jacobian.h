// The time of the derivatives alone: all Jacobian blocks of a bundle's reprojection residuals, on one thread.
//
// Four ways, interleaved, of one functor compiled in one build with the same flags:
//
//   kappa, Jacobian blocks           ResidualFamily::jacobians, in batches of 64 observations
//   kappa, gradient and curvature    Problem::evaluate with everything that Levenberg-Marquardt asks for:
//   values,
//                                    Jacobians, gradient and the blocks of J'J, summed
//   ceres, AutoDiffCostFunction      Evaluate of each observation's cost function, residuals and Jacobian
//   blocks
//                                    into the same small buffer: the least that Ceres can do
//   ceres, Problem::Evaluate         cost, residuals, gradient, and the Jacobian as a compressed-row matrix,
//   made
//                                    anew in each call (Ceres's own solver keeps it, so this is more than its
//                                    cost)
//
// The first and the third do the same: compare those.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "bench/measure.h"
#include "problems/io/bal.h"

namespace kappa::bench {

/// One way to evaluate. Its construction is not timed.
class JacobianWork {
 public:
  virtual ~JacobianWork() = default;
  virtual std::string name() const = 0;
  /// All of it once, at the start values.
  virtual void evaluate() = 0;
  /// The blocks it computes, 2 x 12 for each observation, row-major, the camera's columns first; empty where
  /// it has none to show.
  virtual std::vector<double> jacobians() { return {}; }
};

std::vector<std::unique_ptr<JacobianWork>> kappa_jacobian_works(const BalProblem& data);
/// Empty where Ceres is absent.
std::vector<std::unique_ptr<JacobianWork>> ceres_jacobian_works(const BalProblem& data);

/// Observations evaluated into one buffer, on both sides.
inline constexpr Index jacobian_batch = 64;

struct JacobianRow {
  std::string problem;
  Index observations = 0;
  std::string work;
  std::vector<double> nanoseconds;  ///< of one observation, one for each repeat
  double median = 0;
  double ratio = 0;  ///< median over that of the first work
  /// Largest difference of its Jacobian blocks from the first work's, relative to the largest entry of the
  /// block; NaN where it shows none.
  double difference = 0;
};

struct JacobianCase {
  std::string problem;
  BalProblem data;
};
/// The bundles that `data` names, or a generated one. Throws Error for a file that cannot be read.
std::vector<JacobianCase> jacobian_cases(const std::vector<std::string>& data);

std::vector<JacobianRow> run_jacobian(const std::vector<JacobianCase>& cases, int repeat,
                                      const ProgressFunction& progress);

std::string jacobian_table(const std::vector<JacobianRow>& rows);

}  // namespace kappa::bench
