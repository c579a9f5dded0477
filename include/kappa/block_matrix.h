// A symmetric block-sparse matrix: the upper triangle of blocks (row <= column), block row by block
// row, each block dense and column-major. Diagonal blocks are stored in full and are symmetric.
#pragma once

#include <cstdint>
#include <vector>

#include "kappa/base.h"
#include "kappa/bulk_vector.h"

namespace kappa {

/// The pattern. It is computed once for a problem and shared by all matrices of that pattern.
struct BlockStructure {
  std::vector<Index> offset;         ///< blocks + 1: block i covers entries offset[i] .. offset[i+1]
  std::vector<Index> row_start;      ///< blocks + 1: entries of block row i in `column`; the first is (i, i)
  std::vector<std::int32_t> column;  ///< block column of each stored block, ascending in a row
  std::vector<Index> value_start;    ///< stored blocks + 1: where each block's values begin
  /// The user's choice of what to eliminate: of each block its group, or -1 for none; empty where solvers
  /// choose. The blocks of the lowest group are eliminated first, and no two of them may be coupled.
  std::vector<std::int32_t> elimination_group;

  Index blocks() const { return static_cast<Index>(offset.size()) - 1; }
  Index size() const { return offset.empty() ? 0 : offset.back(); }
  Index block_size(Index i) const {
    return offset[static_cast<std::size_t>(i) + 1] - offset[static_cast<std::size_t>(i)];
  }
  Index values() const { return value_start.empty() ? 0 : value_start.back(); }

  bool operator==(const BlockStructure&) const = default;
};

struct BlockMatrix {
  BlockStructure structure;
  BulkVector<double> values;  ///< structure.values() long

  /// Block number `k` in storage order, which lies in block row `i`: block_size(i) x block_size(column[k]).
  ConstMatrixRef block(Index i, Index k) const {
    const auto at = static_cast<std::size_t>(k);
    const Index rows = structure.block_size(i);
    return {values.data() + structure.value_start[at], rows, structure.block_size(structure.column[at]),
            rows};
  }

  /// out = B v.
  void multiply(ConstVectorRef v, VectorRef out) const;
  void diagonal(VectorRef out) const;
  /// The full symmetric dense matrix, size x size.
  void dense(MatrixRef out) const;
};

}  // namespace kappa
