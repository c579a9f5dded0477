// Block elimination of an independent set: (B + lambda W) x = b for a symmetric positive definite
// block-sparse matrix whose graph has many blocks that touch only few others.
//
// With the eliminated blocks e (no two of them coupled) and the kept ones i, j,
//
//     V_e = B_ee + lambda W_e = L_e L_e',     Z_ie = B_ie L_e^-T,
//     S_ij = B_ij + lambda W_ij - sum_e Z_ie Z_je',
//
// which is the Cholesky factorization of the whole matrix in that order (Brown 1958; Triggs et al. 2000,
// sec. 6.1). Which blocks are eliminated: schur_structure.h. How S is formed: schur_reduction.h. How the
// reduced system is solved, and what that costs: reduced_choice.h, by a factor or by conjugate gradients
// (reduced_cg.h).
//
// Parallel over fixed partitions; the bits do not depend on the number of threads.
//
// Cost per factorization: for each eliminated block of size p with k neighbours of size c, p c^2 k^2 flops or
// so, and the reduced system. Memory: S and its factor, a few bytes for each pair of couplings; without S,
// Z in single precision.
//
// Reference: Triggs, McLauchlan, Hartley & Fitzgibbon, Bundle adjustment - a modern synthesis, 2000,
// sec. 6.1.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "kappa/block_matrix.h"
#include "kappa/problem.h"
#include "solvers/linear/block_cholesky.h"
#include "solvers/linear/cholesky.h"
#include "solvers/linear/reduced_cg.h"
#include "solvers/linear/reduced_choice.h"
#include "solvers/linear/schur_reduction.h"
#include "solvers/linear/schur_structure.h"

namespace kappa::detail {

class SchurComplement {
 public:
  SchurComplement() = default;
  SchurComplement(const SchurComplement&) = delete;
  SchurComplement& operator=(const SchurComplement&) = delete;

  /// Finds what to eliminate and how to solve the rest; does nothing where structure and options are those of
  /// the last time.
  void analyze(const BlockStructure& structure, const ReducedOptions& options);

  Index kept_blocks() const { return structure_.kept_blocks(); }
  Index eliminated_blocks() const { return structure_.eliminated_blocks(); }
  /// Size of S.
  Index reduced_size() const { return structure_.reduced_size(); }
  const ReducedChoice& choice() const { return choice_; }
  /// A sentence about the choice.
  const std::string& description() const { return description_; }
  /// Whether the reduced system is factored, so that resolve() works.
  bool direct() const { return detail::direct(choice_.kind); }

  struct Outcome {
    enum class End { solved, indefinite, not_finite, interrupted } end = End::solved;
    Index blame = -1;      ///< the variable whose pivot failed, if it was a pivot
    double decrease = 0;   ///< b'x - x'(B + lambda W)x / 2 at the x returned
    Index iterations = 0;  ///< of conjugate gradients
  };
  struct Task {
    const BlockMatrix& B;  ///< with the structure analysed last
    double lambda;
    ConstVectorRef weights;
    ConstVectorRef b;
    const Interrupt* interrupt = nullptr;
  };
  /// x := (B + lambda W)^-1 b, to the accuracy that the options ask for. On a failure x is anything.
  Outcome solve(const Task& task, VectorRef x);

  /// x := (B + lambda W)^-1 x with the matrices of the last solve(), where direct().
  void resolve(const BlockMatrix& B, VectorRef x);

 private:
  struct Implicit;
  struct Explicit;

  Outcome blame_eliminated(const Task& task, Index eliminated);
  Outcome blame_kept(Index reduced_variable, bool is_finite) const;
  Outcome factor(const Task& task);
  Outcome iterate(const Task& task);
  void fill_preconditioner(const Task& task);
  bool use_single(const Task& task) const;
  void reserve();
  double solve_factor();
  void add_partial(Index ranges, VectorRef out) const;
  void scatter_kept(VectorRef x) const;
  void multiply_kept(const Task& task, ConstVectorRef x, VectorRef out) const;
  void substitute(const BlockMatrix& B, ConstVectorRef forward, VectorRef x);
  double substitute_with_residual(const Task& task, VectorRef x);
  double work() const;

  SchurStructure structure_;
  SchurReduction reduction_;
  ReducedOptions options_;
  ReducedChoice choice_;
  std::string description_;
  std::uint64_t analysed_ = 0;
  bool reserved_ = false;
  bool single_ready_ = false;

  Cholesky cholesky_;
  BlockCholesky sparse_;
  BlockMatrix S_;  ///< where it is not dense; without S the values of its diagonal blocks
  ReducedCg cg_;
  BlockInverse preconditioner_;
  BulkVector<float> single_;             ///< Z
  std::vector<Index> row_range_;         ///< rows of blocks of S, about as many blocks each
  std::vector<double> diagonal_;         ///< of B + lambda W over the kept variables
  std::vector<double> reduced_;          ///< right-hand side of S, then its solution
  std::vector<double> solution_;         ///< of conjugate gradients
  std::vector<double> forward_;          ///< of a right-hand side that came after the factorization
  mutable std::vector<double> partial_;  ///< what each range of work adds to a vector of the size of S
};

}  // namespace kappa::detail
