// B + lambda W = L L' of a symmetric positive definite block-sparse matrix, with L sparse.
//
// Use it where the graph of the blocks is sparse and no single independent set of blocks explains most of it:
// pose graphs, chains and grids, the reduced camera systems of long streets. Supernodal and multifrontal
// (Duff & Reid 1983): each supernode is a dense front; its variables are eliminated and the Schur complement
// of what is left goes to the parent's front,
//
//     F = [F11 .; F21 F22],   L11 L11' = F11,   L21 = F21 L11^-T,   update = F22 - L21 L21'.
//
// Order and supernodes: see block_ordering.h and elimination_plan.h; the arithmetic: front_kernels.h. What
// depends on the structure alone is computed once for it.
//
// Parallel over subtrees of the elimination tree and over tiles of large fronts. Which front adds what, and
// in which order, is fixed by the structure: the bits do not depend on the number of threads.
//
// Cost: figures().flops for a factorization, two passes over L for a solve. Memory: L, and the Schur
// complements that wait for their parents; allocated by the first factor() after analyze(), kept.
//
// References: Duff & Reid, ACM Trans. Math. Softw. 9 (1983) 302; Liu, SIAM Rev. 34 (1992) 82; Davis,
// Rajamanickam & Sid-Lakhdar, Acta Numerica 25 (2016) 383.
#pragma once

#include <tbb/cache_aligned_allocator.h>

#include <vector>

#include "core/front_kernels.h"
#include "kappa/block_matrix.h"
#include "kappa/problem.h"
#include "solvers/linear/elimination_plan.h"
#include "solvers/linear/tree_schedule.h"

namespace kappa::detail {

class BlockCholesky {
 public:
  /// Chooses an order and plans the factorization; does nothing where the structure is the one analysed last.
  void analyze(const BlockStructure& structure);

  struct Conditions {
    /// A pivot counts as positive above (1 + entries in its row of L) eps times the magnitude of its entry
    /// here, by variable: what rounding may leave of it. Empty: the diagonal of B + lambda W.
    ConstVectorRef reference = {};
    const Interrupt* interrupt = nullptr;
  };
  /// Returned by factor() where the interrupt was requested.
  static constexpr Index interrupted = -2;

  /// Factors B + lambda diag(weights); empty weights add nothing. B has the structure analysed last. Returns
  /// -1, or the index of the variable whose pivot is not positive.
  Index factor(const BlockMatrix& B, double lambda, ConstVectorRef weights) {
    return factor(B, lambda, weights, Conditions{});
  }
  Index factor(const BlockMatrix& B, double lambda, ConstVectorRef weights, const Conditions& conditions);
  /// After a failure: whether the pivot was a number at all.
  bool failed_pivot_is_finite() const { return failed_is_finite_; }

  /// x := (B + lambda W)^-1 x. Returns |L^-1 x|^2.
  double solve(VectorRef x);

  /// What a factorization costs, for choosing between methods, and what was chosen, for people.
  struct Figures {
    Index blocks = 0;  ///< block columns
    Index size = 0;    ///< variables
    Index supernodes = 0;
    Index largest_front = 0;    ///< rows of it
    double matrix_doubles = 0;  ///< stored in B
    double doubles = 0;         ///< entries of L, with the zeros that are stored
    double memory = 0;          ///< doubles for L, with its padding, and for waiting Schur complements
    double flops = 0;           ///< multiplications and additions of a factorization
    double cost = 0;            ///< the same with what comes on top, see elimination_plan.h
    const char* ordering = "";  ///< "minimum degree", ...
  };
  const Figures& figures() const { return figures_; }

 private:
  /// A supernode: its front and where its numbers are.
  struct Front {
    Panel panel;             ///< into l_
    Update update;           ///< into updates_
    Index update_begin = 0;  ///< there
    Index panel_begin = 0;   ///< in l_
    Index own = 0;           ///< its first variable in the order of elimination
    Index height = 0;        ///< rows below
    Index z = 0;             ///< its part of z_
    Index parent = -1;       ///< or -1
    // Where its rows below are in the parent's front: those that the parent eliminates, then the others. Runs
    // are as long as can be, pieces are runs cut at the slivers of both.
    Index run = 0, other_run = 0, run_end = 0;
    Index piece = 0, other_piece = 0, piece_end = 0;
    Index child = 0;  ///< children_[child .. child_end)
    Index child_end = 0;
    Index assembly = 0;  ///< assembly_[assembly .. assembly_end)
    Index assembly_end = 0;
    double work = 0;  ///< multiply-adds
  };
  /// A stored block of B: where it goes in a panel.
  struct Assembly {
    Index values = 0;  ///< where it begins in B
    std::int32_t row = 0, column = 0;
    std::int32_t rows = 0, columns = 0;
    bool transposed = false;  ///< B stores the transpose
  };
  enum class State : char { done, failed, skipped };
  /// What a factorization is given.
  struct Task {
    const BlockMatrix& B;
    double lambda;
    ConstVectorRef weights;
    const Conditions& conditions;

    bool stops() const { return conditions.interrupt != nullptr && conditions.interrupt->requested(); }
  };

  void plan(const BlockStructure& structure);
  void lay_out(const EliminationPlan& plan);
  void connect(const EliminationPlan& plan, const std::vector<Index>& offset);
  void scatter(const BlockStructure& structure, const EliminationPlan& plan,
               const std::vector<Index>& offset);
  void place_updates();
  void allocate();

  void factor_front(const Task& task, Index s);
  void assemble(const Task& task, const Front& front);
  std::span<const Run> runs(Index begin, Index end) const;
  template <class Body>
  void each_chunk_of_pieces(const Front& child, Index begin, const Body& body) const;
  Index factor_panel(const Task& task, const Front& front, double& pivot);
  void form_update(const Front& front) const;
  void forward_front(const Front& front);
  void backward_front(const Front& front);
  Index report_failure();

  using Doubles = std::vector<double, tbb::cache_aligned_allocator<double>>;
  BlockStructure structure_;
  Figures figures_;
  std::vector<Front> fronts_;
  std::vector<Index> children_;
  std::vector<Run> runs_, pieces_;
  std::vector<Assembly> assembly_;
  std::vector<Index> permutation_;  ///< by eliminated variable: the variable of B
  std::vector<double> rounding_;    ///< by eliminated variable: (1 + entries in its row of L) eps
  std::vector<double> least_;       ///< by eliminated variable: the smallest admissible pivot
  std::vector<double> inverse_;     ///< by eliminated variable: 1 / l_kk
  Doubles l_, updates_, x_, z_;
  TreeSchedule schedule_;
  std::vector<State> state_;   ///< by front
  std::vector<Index> failed_;  ///< by front: the eliminated variable whose pivot failed
  std::vector<double> pivot_;  ///< and its value
  Index panel_doubles_ = 0;
  Index update_doubles_ = 0;
  bool allocated_ = false;
  bool failed_is_finite_ = true;
};

}  // namespace kappa::detail
