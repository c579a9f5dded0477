// Lanczos basis Q of the Krylov space of A = W^-1/2 B W^-1/2 and b = W^-1/2 g:
//
//     Q'Q = I,  Q'A Q = T (tridiagonal),  Q'b = gamma e_1,  gamma = |b|,
//
// so that the model g'd + d'Bd/2 for d = W^-1/2 Q y is gamma y_1 + y'T y/2 with |d|_W = |y|. T + lambda I
// belongs to B + lambda W: one basis serves every damping, radius and cubic weight.
//
// As many vectors as are allowed are stored, and new ones made orthogonal to all of them. Later ones follow
// from their two predecessors alone (they lose orthogonality slowly) and are computed again to assemble a
// step. Where the space is exhausted (beta = 0), or b = 0, the basis may go on from a vector of its own,
// orthogonal to it: b has no part there, but eigenvectors of A may.
//
// Cost of a vector: one product, and 4 n k flops where k are stored. Memory (stored + 4) n.
//
// Reference: Lanczos, J. Res. Nat. Bur. Standards 45 (1950) 255; Golub & Van Loan 2013, sec. 10.1 and 10.3;
// Gould, Lucidi, Roma & Toint, SIAM J. Optim. 9 (1999) 504.
#pragma once

#include <optional>
#include <vector>

#include "core/vector_loop.h"
#include "kappa/bulk_vector.h"
#include "kappa/step.h"

namespace kappa::detail {

class LanczosBasis {
 public:
  /// Memory for spaces of this dimension, with at most `stored` vectors kept, at least 2.
  void reserve(Index size, Index dimension, Index stored);

  /// An empty basis of a model whose parts outlive it. False where the gradient is not finite.
  bool start(const Subproblem& subproblem);

  enum class Growth { ok, exhausted, failed, interrupted };
  /// One more vector; exhausted where the space has no more.
  Growth extend();
  /// Goes on outside an exhausted space; false where there is no room.
  bool go_on();

  Index dimension() const { return static_cast<Index>(alpha_.size()); }
  Index stored() const { return stored_; }
  double gamma() const { return gamma_; }
  ConstVectorRef diagonal() const { return alpha_; }
  /// One entry less than the diagonal.
  ConstVectorRef off_diagonal() const { return ConstVectorRef(beta_).first(alpha_.size() - 1); }
  /// What couples the last vector to the next; 0 where the space is exhausted.
  double next_beta() const { return beta_.back(); }
  /// False where that is rounding: the space is exhausted, and what follows lies outside.
  bool coupled() const { return coupled_; }

  /// d = W^-1/2 Q y. Makes products where vectors are not stored.
  void assemble(ConstVectorRef y, VectorRef d);

 private:
  VectorRef vector(Index k);
  void advance(Index k);
  void make_orthogonal(Index k, VectorRef v);
  bool make_unit_orthogonal(Index k, VectorRef v);

  std::optional<Subproblem> subproblem_;
  VectorLoop loop_;
  Index stored_ = 0;
  Index size_ = 0;
  double gamma_ = 0;
  double largest_ = 0;  ///< entry of T so far
  bool coupled_ = true;
  bool has_next_ = false;  ///< vector(dimension()) is there
  std::vector<double> alpha_, beta_;
  std::vector<double> root_inverse_;  ///< W^-1/2
  std::vector<double> scaled_, next_;
  BulkVector<double> vectors_;
};

}  // namespace kappa::detail
