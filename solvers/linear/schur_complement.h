// Block elimination of an independent set: (B + lambda W) x = b for a symmetric positive definite
// block-sparse matrix whose graph has many blocks that touch only few others.
//
// With the eliminated blocks e (no two of them coupled) and the kept ones i, j,
//
//     V_e = B_ee + lambda W_e = L_e L_e',     Z_ie = B_ie L_e^-T,
//     S_ij = B_ij + lambda W_ij - sum_e Z_ie Z_je',         S dense, by Cholesky,
//
// which is the Cholesky factorization of the whole matrix in that order (Brown 1958; Triggs et al. 2000,
// sec. 6.1). Scaling by L_e^-T on both sides needs one array where the usual Y = B_ie V_e^-1 needs two.
//
// The set is found greedily: blocks by ascending degree, each taken unless a neighbour was. In bundle
// adjustment that takes all points and keeps the cameras. Where nothing worthwhile can be eliminated, all
// blocks are kept.
//
// Parallel over fixed partitions: an eliminated block and a block row of S each have one owner, which adds
// its terms in a fixed order. The bits do not depend on the number of threads.
//
// Cost per factorization: for each eliminated block of size p with k neighbours of size c, p c^2 k^2 flops or
// so; N^3 / 3 for S of size N. Memory: that of the couplings once more and N^2, kept.
//
// Reference: Triggs, McLauchlan, Hartley & Fitzgibbon, Bundle adjustment - a modern synthesis, 2000,
// sec. 6.1.
#pragma once

#include <vector>

#include "kappa/block_matrix.h"
#include "solvers/linear/cholesky.h"

namespace kappa::detail {

class SchurComplement {
 public:
  /// Finds what to eliminate; does nothing where the structure is the one analysed last. `reduced_limit`
  /// bounds the size up to which everything may be kept.
  void analyze(const BlockStructure& structure, Index reduced_limit);

  Index kept_blocks() const { return static_cast<Index>(kept_.size()); }
  Index eliminated_blocks() const { return static_cast<Index>(eliminated_.size()); }
  /// Size of S.
  Index reduced_size() const { return reduced_size_; }

  /// Factors B + lambda diag(weights). Returns -1, or the index of the variable whose pivot is not positive.
  Index factor(const BlockMatrix& B, double lambda, ConstVectorRef weights);
  /// After a failure: whether the pivot was a number at all.
  bool failed_pivot_is_finite() const { return failed_is_finite_; }

  /// x := (B + lambda W)^-1 x. Returns |L^-1 x|^2, L being the factor of the whole matrix.
  double solve(VectorRef x);

 private:
  /// A coupling of an eliminated block with a kept one.
  struct Coupling {
    Index kept;       ///< position in kept_
    Index values;     ///< where the block's values begin in B
    Index z;          ///< where Z_ie begins
    bool transposed;  ///< B stores (e, i), not (i, e)
  };
  struct Neighbour {
    Index eliminated;  ///< position in eliminated_
    Index coupling;    ///< position in couplings_
  };
  struct KeptPair {
    Index other;  ///< position in kept_, larger than the owner's
    Index values;
  };

  void choose(const BlockStructure& structure, Index reduced_limit);
  void build(const BlockStructure& structure);
  Index factor_eliminated(const BlockMatrix& B, double lambda, ConstVectorRef weights);
  template <int C, int P>
  Index eliminate(const BlockMatrix& B, double lambda, ConstVectorRef weights, Index begin, Index end);
  template <int C, int P>
  void reduce_row(MatrixRef S, Index i) const;
  void fill_row(const BlockMatrix& B, double lambda, ConstVectorRef weights, MatrixRef S, Index i);
  Index block_size(Index block) const;

  BlockStructure structure_;
  std::vector<char> takes_;               ///< by block: 1 where it is eliminated
  std::vector<Index> kept_, eliminated_;  ///< block numbers, ascending
  std::vector<Index> position_;           ///< by block: its position in kept_ or eliminated_
  std::vector<Index> reduced_offset_;     ///< where each kept block begins in S, and the end
  std::vector<Index> coupling_start_;     ///< eliminated + 1
  std::vector<Coupling> couplings_;       ///< by eliminated block, kept ones ascending
  std::vector<Index> neighbour_start_;    ///< kept + 1
  std::vector<Neighbour> neighbours_;     ///< by kept block, eliminated ones ascending
  std::vector<Index> pair_start_;         ///< kept + 1
  std::vector<KeptPair> pairs_;
  std::vector<Index> pivot_start_;  ///< eliminated + 1: where L_e begins in pivots_
  std::vector<double> pivots_;      ///< L_e, column-major, with 1 / l_kk on the diagonal
  std::vector<double> z_;           ///< Z_ie, column-major
  std::vector<double> diagonal_;    ///< of B + lambda W over the kept variables
  std::vector<double> reduced_;     ///< right-hand side of S
  std::vector<double> chunk_squares_;
  std::vector<Index> chunk_failures_;
  Cholesky cholesky_;
  Index reduced_size_ = 0;
  Index widest_ = 0;
  int uniform_kept_ = 0;  ///< the size of all kept blocks, or 0
  int uniform_eliminated_ = 0;
  double row_work_ = 0;
  double eliminate_work_ = 0;
  bool failed_is_finite_ = true;
};

}  // namespace kappa::detail
