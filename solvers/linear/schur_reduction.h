// The reduced matrix and right-hand side of block elimination,
//
//     S = B_kk + lambda W_kk - sum_e Z_e Z_e',     c = b_k - sum_e Z_e y_e,      (schur_complement.h)
//
// formed batch by batch: some thousand couplings are eliminated into a buffer that stays in the cache, then
// everything they contribute to S is added, pair of kept blocks by pair. The lists of what contributes where
// are made once for a structure.
//
// Parallel in one of two ways, chosen by the structure alone. Where S is small or the eliminated blocks
// touch it locally, groups of batches have sums of their own for the blocks of S that they touch, which are
// added at the end in the order of the groups. Otherwise the batches are large and follow each other; within
// one, each block of S has one owner. In both ways every sum runs in a fixed order, so the bits do not
// depend on the number of threads.
//
// Cost: p c^2 multiply-adds for each pair of couplings, p^2 c for each coupling. Memory: 4 bytes a pair,
// and the private sums or one batch's Z.
#pragma once

#include <cstdint>
#include <vector>

#include "kappa/block_matrix.h"
#include "solvers/linear/schur_kernels.h"
#include "solvers/linear/schur_structure.h"

namespace kappa::detail {

/// Which blocks S has: the upper triangle by rows, each beginning with the diagonal.
struct SchurPattern {
  std::vector<Index> row_start;  ///< kept + 1
  std::vector<std::int32_t> column;

  Index blocks() const { return static_cast<Index>(column.size()); }
};

class SchurReduction {
 public:
  /// Finds the pattern of S and how to share the work.
  void analyze(const SchurStructure& structure);
  const SchurPattern& pattern() const { return pattern_; }
  /// Where the blocks of the pattern begin in the planned form, if packed.
  const std::vector<Index>& block_start() const { return block_start_; }

  /// What of S is formed, and where.
  enum class Form {
    dense,    ///< the lower triangle of a dense matrix, diagonal blocks in full
    blocks,   ///< the upper triangle of blocks, tightly packed in the order of the pattern
    diagonal  ///< the diagonal blocks alone, tightly packed
  };
  /// Makes the lists for a form; does nothing where they are there. `stride` is that of a dense S.
  void plan(Form form, Index stride);

  struct Task {
    const BlockMatrix& B;
    double lambda;
    ConstVectorRef weights;
    ConstVectorRef rhs;  ///< b, or empty: zero
    double* S;           ///< in the planned form
    VectorRef reduced;   ///< c
    float* single;       ///< null, or all Z in single precision (see SchurKernels::pack_single)
  };
  /// Returns -1, or the first eliminated block (its position) with a pivot that is not positive.
  Index run(const Task& task);

  /// Packed L_e with inverse diagonals and y_e, in the order of elimination.
  const double* pivots() const { return pivots_.data(); }
  const double* forward() const { return forward_.data(); }
  const SchurKernels& kernels() const { return *kernels_; }
  /// Ranges of eliminated blocks of about the same work, sixteen or one.
  const std::vector<Index>& ranges() const { return group_start_; }

 private:
  /// Eliminated blocks whose couplings are in the buffer together.
  struct Batch {
    Index begin = 0, end = 0;  ///< eliminated blocks
    Index run_begin = 0, run_end = 0;
    Index pair_begin = 0;
  };
  /// What one owner adds, within a batch.
  struct Piece {
    Index run_begin, run_end, pair_begin;
  };

  void share_out();
  void find_pattern();
  void cut_batches();
  void list_runs();
  void list_batch(Batch& batch, std::vector<PairRun>& runs);
  std::vector<std::int32_t> give_slots(std::vector<PairRun>& runs) const;
  void index_slots(const std::vector<std::vector<std::int32_t>>& slots);
  void cut_pieces();
  Index target_of(Index block, Index i, Index j) const;

  Index eliminate(const Task& task, Index begin, Index end, double* z);
  void fill(const Task& task, Index i) const;
  void merge(const Task& task, Index i) const;
  void run_private(const Task& task);
  void run_shared(const Task& task);
  Index z_size(Index first_coupling, Index last_coupling) const;
  ReduceTask reduction(const Batch& batch, const double* z) const;

  const SchurStructure* s_ = nullptr;
  const SchurKernels* kernels_ = nullptr;
  SchurPattern pattern_;
  bool planned_ = false;
  bool private_sums_ = false;
  Form form_ = Form::dense;
  double touched_ = 0;              ///< blocks of S, counted for each group that adds to them
  double work_ = 0;                 ///< multiply-adds
  std::vector<Index> group_start_;  ///< eliminated blocks
  std::vector<Index> group_batch_;  ///< batches
  std::vector<Batch> batches_;
  std::vector<PairRun> runs_;
  std::vector<CouplingPair> pairs_;
  std::vector<Piece> pieces_;
  std::vector<Index> piece_start_;  ///< by batch
  std::vector<Index> block_start_;  ///< where each block of S begins, if packed
  std::vector<Index> z_offset_;     ///< for any sizes
  Index z_largest_ = 0;             ///< doubles of the largest batch
  Index slot_size_ = 0;             ///< a private block and its right-hand side
  Index stride_ = 0;                ///< of a dense S
  std::vector<Index> slot_start_;   ///< by block of S: in slot_
  std::vector<Index> slot_;         ///< where private sums for it begin, groups ascending
  BulkVector<double> private_;
  BulkVector<double> z_;
  std::vector<double> pivots_, forward_;
  std::vector<Index> failures_;
};

}  // namespace kappa::detail
