// FreeOperator: an operator restricted to a face, that is, with some variables held,
//
//     P B P + D,    P = identity on the free variables and 0 on the held ones,
//
// where D is |B_ii| (1 where that is 0 or unknown) on the held variables and 0 on the free ones. With a
// gradient that is 0 on the held variables every step solver finds the step of the face and leaves them where
// they are, without knowing of bounds: sizes, structure and scale stay those of B. The root gets a row
// sqrt(D_ii) e_i for each held variable, and zero rows up to a number that does not depend on the face, so
// that no solver needs other memory on another face.
//
// A held variable may move by a given shift s (from the point to its bound). On the face the model
// g'd + d'Bd/2 then has the gradient P(g + B s); the root's right-hand side is c + A s.
//
// Cost: that of B, and a pass over each form that is asked for. Memory: a copy of the block matrix or of the
// root, where one is asked for.
//
// Reference: Lin & More, SIAM J. Optim. 9 (1999) 1100, sec. 4 (the subspace problems).
#pragma once

#include <span>
#include <vector>

#include "kappa/operator.h"

namespace kappa::detail {

class FreeOperator final : public SymmetricOperator {
 public:
  /// Memory for operators of this size, of which no face holds more than `most_held` variables. The matrix
  /// forms get theirs when they are first asked for.
  void reserve(Index size, Index most_held);

  /// Restricts B, which outlives the use of this operator. `held` is ascending; `shift` is 0 but on the held
  /// variables, or empty.
  void restrict(const SymmetricOperator& B, std::span<const Index> held, ConstVectorRef shift);

  Index size() const override { return B().size(); }
  void multiply(ConstVectorRef v, VectorRef out) const override;
  Definiteness definiteness() const override { return B().definiteness(); }
  bool diagonal(VectorRef out) const override;
  bool dense(MatrixRef out) const override;
  const BlockMatrix* blocks() const override;
  const Root* root() const override;
  bool second_directional(ConstVectorRef v, VectorRef out) const override;
  /// P (B + lambda W)^-1 P on the free variables: definite where B's is, but no solve of the face's own
  /// system.
  SolveKind solve_kind() const override;
  bool solve_damped(double lambda, ConstVectorRef weights, ConstVectorRef rhs, VectorRef out) const override;
  Offers offers() const override { return B().offers(); }

 private:
  const SymmetricOperator& B() const {
    expects(B_ != nullptr, "FreeOperator: restrict comes before use");
    return *B_;
  }
  ConstVectorRef without_held(ConstVectorRef v) const;

  const SymmetricOperator* B_ = nullptr;
  std::span<const Index> held_;
  ConstVectorRef shift_;
  Index most_held_ = 0;
  std::vector<double> held_diagonal_;  ///< D on the held variables
  std::vector<double> scratch_;
  mutable std::vector<double> free_part_;
  // Forms that were asked for on this face.
  mutable bool blocks_filled_ = false;
  mutable bool root_filled_ = false;
  mutable BlockMatrix blocks_;
  mutable std::vector<Index> held_in_block_;  ///< blocks + 1, into held_
  mutable std::vector<double> root_matrix_, root_right_side_;
  mutable Root root_;
};

}  // namespace kappa::detail
