// The null space of an information matrix in words: which directions are symmetries of the problem, and which
// blocks take part in the others.
//
// A symmetry, restricted to a connected part of the blocks, is in the null space if all but 1e-6 of its
// squared length in scaled variables lies there. What symmetries that are broken singly still leave together
// (with one camera held, scaling about its centre) is found from the principal angles between their span and
// the null space (Björck & Golub, Math. Comp. 27 (1973) 579). The rest, orthogonal to them, is turned into an
// echelon basis, so that directions of separate blocks stay separate.
#pragma once

#include <Eigen/Dense>
#include <functional>
#include <string>
#include <vector>

#include "kappa/covariance.h"
#include "solvers/covariance/scaled_information.h"

namespace kappa::detail {

struct NullSpaceTask {
  const ScaledInformation& information;
  const Eigen::MatrixXd&
      null_vectors;  ///< of all variables, scaled, orthonormal; the local ones not among them
  const std::vector<Symmetry>& symmetries;
  std::function<std::string(Index variable)> block_name;
};

NullSpace describe_null_space(const NullSpaceTask& task);

}  // namespace kappa::detail
