// SymmetricOperator: the curvature at a point, as step solvers see it.
#pragma once

#include "kappa/base.h"
#include "kappa/block_matrix.h"
#include "kappa/linearization.h"

namespace kappa {

enum class Definiteness : std::uint8_t {
  unknown,               ///< may be indefinite
  positive_semidefinite  ///< by construction
};

enum class SolveKind : std::uint8_t {
  absent,      ///< solve_damped is not offered
  exact,       ///< solves the operator's own damped system
  approximate  ///< solves a nearby system (Kronecker-factored curvature)
};

/// A symmetric linear map B on the tangent space. Laws: linear, symmetric; diagonal, dense, blocks and
/// root agree with multiply; positive semidefinite if it says so.
class SymmetricOperator {
 public:
  virtual ~SymmetricOperator() = default;

  virtual Index size() const = 0;

  /// out = B v. The views do not overlap.
  virtual void multiply(ConstVectorRef v, VectorRef out) const = 0;

  virtual Definiteness definiteness() const { return Definiteness::unknown; }

  /// Optional capabilities: false or nullptr where absent.
  virtual bool diagonal(VectorRef) const { return false; }
  virtual bool dense(MatrixRef) const { return false; }
  virtual const BlockMatrix* blocks() const { return nullptr; }
  virtual const Root* root() const { return nullptr; }

  /// out = J' r_vv of a least-squares problem (see Linearization::second_directional).
  virtual bool second_directional(ConstVectorRef, VectorRef) const { return false; }

  /// out = (B + lambda diag(weights))^-1 rhs, for curvatures with an inverse of their own. False also where
  /// the damped matrix is not positive definite.
  virtual SolveKind solve_kind() const { return SolveKind::absent; }
  virtual bool solve_damped(double, ConstVectorRef, ConstVectorRef, VectorRef) const { return false; }

  /// Which capabilities are there, without computing them.
  using Offers = kappa::Offers;
  virtual Offers offers() const { return {}; }
};

/// The dense matrix of any operator: its own, or its products with the unit vectors, symmetrised.
/// `unit` and `column` are scratch, size() long.
void to_dense(const SymmetricOperator& B, MatrixRef out, VectorRef unit, VectorRef column);

}  // namespace kappa
