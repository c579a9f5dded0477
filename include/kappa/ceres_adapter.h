// Solves an existing ceres::Problem with kappa's methods: the target kappa::ceres, for programs that link
// Ceres.
//
//   ceres::Problem problem;
//   problem.AddResidualBlock(new ceres::AutoDiffCostFunction<Curve, 1, 1, 1>(new Curve(x, y)), nullptr, &m,
//   &c); const kappa::Result result = kappa::minimize(problem);           // m and c hold the best point
//
// Cost functions of any kind, constant blocks, manifolds, bounds and losses are taken over. The Jacobians are
// Ceres's; second derivatives, where a method asks for them, are central differences of those Jacobians,
// which the result notes. Ceres's evaluation callbacks are not called.
#pragma once

#include "kappa/method.h"
#include "kappa/minimize.h"
#include "kappa/residuals.h"

namespace ceres {
class Problem;
template <typename T>
class OrderedGroups;  // ParameterBlockOrdering is OrderedGroups<double*>
}  // namespace ceres

namespace kappa {

/// The same problem in kappa's terms. It refers to the cost and loss functions and manifolds of `problem`,
/// which must outlive it unchanged; values are copied. Residual blocks keep their order, and parameter blocks
/// come in the order in which residual blocks use them; those that none uses are left out. Throws Error where
/// something cannot be taken over, such as bounds on a curved manifold.
ResidualProblem residual_problem(const ceres::Problem& problem);
/// With an elimination order, as Ceres takes it in Solver::Options::linear_solver_ordering: its groups become
/// ResidualProblem's elimination groups, so that block elimination takes the lowest. As with Ceres, an order
/// of fewer than two groups says nothing, and blocks that no residual uses are passed over.
ResidualProblem residual_problem(const ceres::Problem& problem,
                                 const ceres::OrderedGroups<double*>& ordering);

/// Minimises from the current values of the parameter blocks and writes the best accepted point back into
/// them; nothing is written where there is none.
Result minimize(ceres::Problem& problem, const Method& method = levenberg_marquardt(),
                const Stopping& stopping = {}, Observer* observer = nullptr);
/// The same with an elimination order.
Result minimize(ceres::Problem& problem, const ceres::OrderedGroups<double*>& ordering,
                const Method& method = levenberg_marquardt(), const Stopping& stopping = {},
                Observer* observer = nullptr);

}  // namespace kappa
