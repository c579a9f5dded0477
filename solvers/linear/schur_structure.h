// Which blocks of a block-sparse matrix are eliminated first, and where everything of it lies: the structural
// half of block elimination (schur_complement.h).
//
// The eliminated set is independent: no two of its blocks are coupled. It is found greedily, blocks by
// ascending degree, each taken unless a neighbour was; in bundle adjustment that takes all points and keeps
// the cameras. Where nothing worthwhile can be eliminated, all blocks are kept. Where the structure brings
// the user's elimination groups, the lowest of them is the set, whatever it gains.
//
// Eliminated blocks are ordered by their first kept neighbour, so that neighbours in this order touch the
// same part of what is left.
//
// Cost: a few passes over the couplings (two counting sorts). Memory: 8 bytes a coupling, 40 an eliminated
// block.
#pragma once

#include <cstdint>
#include <vector>

#include "kappa/block_matrix.h"

namespace kappa::detail {

/// A hash of the whole pattern, to see whether it is the one analysed last.
std::uint64_t fingerprint(const BlockStructure& structure);

struct SchurStructure {
  /// Throws Error for a matrix of more than 2^32 values, and where blocks of the user's group are coupled.
  void analyze(const BlockStructure& structure, Index keep_all_limit);

  Index kept_blocks() const { return static_cast<Index>(kept.size()); }
  Index eliminated_blocks() const { return static_cast<Index>(eliminated.size()); }
  Index couplings() const { return static_cast<Index>(coupling_kept.size()); }
  Index reduced_size() const { return reduced_offset.back(); }
  Index kept_size(Index i) const {
    return reduced_offset[static_cast<std::size_t>(i) + 1] - reduced_offset[static_cast<std::size_t>(i)];
  }
  Index eliminated_size(Index e) const {
    return forward_offset[static_cast<std::size_t>(e) + 1] - forward_offset[static_cast<std::size_t>(e)];
  }
  /// Whether B stores (e, i), not (i, e).
  bool transposed(Index e, Index i) const {
    return eliminated[static_cast<std::size_t>(e)] < kept[static_cast<std::size_t>(i)];
  }

  std::vector<std::int32_t> kept;          ///< block numbers, ascending
  std::vector<std::uint32_t> kept_values;  ///< where their diagonal blocks begin in B
  std::vector<Index> kept_offset;          ///< their first variables
  std::vector<Index> reduced_offset;       ///< the same in S, and the end
  std::vector<std::int32_t> eliminated;    ///< block numbers, by first kept neighbour
  std::vector<std::uint32_t> eliminated_values;
  std::vector<Index> eliminated_offset;
  std::vector<Index> forward_offset;           ///< eliminated + 1: first variable in the order of elimination
  std::vector<Index> pivot_start;              ///< eliminated + 1: packed lower triangles
  std::vector<Index> coupling_start;           ///< eliminated + 1
  std::vector<std::int32_t> coupling_kept;     ///< positions in kept, ascending for each eliminated block
  std::vector<std::uint32_t> coupling_values;  ///< where the coupling begins in B
  std::vector<Index> pair_start;               ///< kept + 1: couplings of a kept block with later kept ones
  std::vector<std::int32_t> pair_other;
  std::vector<std::uint32_t> pair_values;
  std::int32_t group = -1;  ///< the user's group that is eliminated, or -1
  Index widest_kept = 0;
  Index widest_eliminated = 0;
  Index uniform_kept = 0;        ///< the size of all kept blocks, or 0
  Index uniform_eliminated = 0;  ///< that of all eliminated ones, or 0
  double pairs = 0;              ///< of kept blocks that share an eliminated one, counted for each, i <= j

 private:
  /// The stored blocks above the diagonal by column, rows ascending.
  struct Columns {
    std::vector<std::int32_t> start, row;
    std::vector<std::uint32_t> values;
  };
  static Columns by_column(const BlockStructure& structure);
  void choose(const BlockStructure& structure, const Columns& above, Index keep_all_limit);
  void take_group(const BlockStructure& structure);
  void order(const BlockStructure& structure, const Columns& above);
  void list_kept(const BlockStructure& structure);
  void list_eliminated(const BlockStructure& structure, const Columns& above);

  std::vector<char> takes_;             ///< by block: 1 where it is eliminated
  std::vector<std::int32_t> position_;  ///< by block: its position in kept or eliminated
};

}  // namespace kappa::detail
