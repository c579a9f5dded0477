// B + lambda W = L L' of a symmetric positive definite block-sparse matrix, with L sparse.
//
// Use it where the graph of the blocks is sparse and no single independent set of blocks explains most of it:
// pose graphs, chains and grids, the reduced camera systems of long streets. Supernodal and multifrontal
// (Duff & Reid 1983): each supernode is a dense front; its variables are eliminated and the Schur complement
// of what is left goes to the parent's front,
//
//     F = [F11 .; F21 F22],   L11 L11' = F11,   L21 = F21 L11^-T,   update = F22 - L21 L21'.
//
// Order and supernodes: see block_ordering.h and elimination_plan.h. They depend on the structure alone and
// are computed once for it.
//
// Parallel over subtrees of the elimination tree and over tiles of large fronts. Which front adds what, and
// in which order, is fixed by the structure: the bits do not depend on the number of threads.
//
// Cost: figures().flops for a factorization, two passes over L for a solve. Memory: L, and the Schur
// complements that wait for their parents; allocated by analyze(), kept.
//
// Reference: Duff & Reid, ACM Trans. Math. Softw. 9 (1983) 302; Liu, SIAM Rev. 34 (1992) 82; Davis,
// Rajamanickam & Sid-Lakhdar, Acta Numerica 25 (2016) 383.
#pragma once

#include <vector>

#include "kappa/block_matrix.h"
#include "solvers/linear/elimination_plan.h"

namespace kappa::detail {

class BlockCholesky {
 public:
  /// Chooses an order and plans the factorization; does nothing where the structure is the one analysed last.
  void analyze(const BlockStructure& structure);

  /// Factors B + lambda diag(weights); empty weights add nothing. Returns -1, or the index of the variable
  /// whose pivot is not positive: at most `rounding` |reference_k|, with rounding (1 + entries in row k of L)
  /// eps. An empty reference means the diagonal of B + lambda diag(weights).
  Index factor(const BlockMatrix& B, double lambda = 0, ConstVectorRef weights = {});
  /// After a failure: whether the pivot was a number at all.
  bool failed_pivot_is_finite() const { return failed_is_finite_; }

  /// x := (B + lambda W)^-1 x. Returns |L^-1 x|^2.
  double solve(VectorRef x);

  /// What a factorization costs, for choosing between methods, and what was chosen, for people.
  struct Figures {
    Index blocks = 0;    ///< block columns
    Index size = 0;      ///< variables
    double doubles = 0;  ///< entries of L
    double flops = 0;    ///< multiplications and additions of a factorization
    double cost = 0;     ///< the same with overheads, see elimination_plan.h
    Index supernodes = 0;
    Index largest_front = 0;    ///< rows of it
    const char* ordering = "";  ///< "minimum degree", "nested dissection"
  };
  const Figures& figures() const { return figures_; }

 private:
  /// A stored block of B: where it goes.
  struct Assembly {
    Index values;                ///< where it begins in B
    Index position;              ///< in the front's panel
    std::int32_t rows, columns;  ///< of the target
    bool transposed;             ///< B stores the transpose of the target
  };

  void plan(const BlockStructure& structure);
  Index factor_front(const BlockMatrix& B, double lambda, ConstVectorRef weights, Index s);

  BlockStructure structure_;
  EliminationPlan plan_;
  Figures figures_;
  std::vector<Index> offset_;        ///< by place: where its variables begin in the order of elimination
  std::vector<Index> permutation_;   ///< by eliminated variable: the variable of B
  std::vector<Index> panel_start_;   ///< by supernode: where its panel begins in l_, (w + h) x w
  std::vector<Index> update_start_;  ///< h x h in updates_
  std::vector<Index> row_start_;     ///< by supernode: in row_
  std::vector<Index> row_;           ///< eliminated variables below
  std::vector<Index> assembly_start_;
  std::vector<Assembly> assembly_;
  std::vector<double> l_, updates_, diagonal_, x_;
  std::vector<Index> local_;  ///< by eliminated variable: its row in the front at hand
  std::vector<Index> child_start_, child_;
  bool failed_is_finite_ = true;
};

}  // namespace kappa::detail
