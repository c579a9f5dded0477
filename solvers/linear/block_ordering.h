// Orders in which to eliminate the blocks of a symmetric block-sparse matrix so that its Cholesky factor
// stays sparse.
//
// minimum_degree: eliminates next a block with the fewest variables left around it, on the quotient graph,
// with approximate external degrees weighted by block sizes, element absorption, mass elimination and
// merging of indistinguishable blocks. Good for any graph, best where elimination trees are bushy and low.
// Cost: nearly linear in the stored blocks for sparse graphs.
//
// Reference: Amestoy, Davis & Duff, SIAM J. Matrix Anal. Appl. 17 (1996) 886.
#pragma once

#include <cstdint>
#include <vector>

#include "kappa/block_matrix.h"

namespace kappa::detail {

/// Blocks and couplings: an undirected graph without loops, vertices weighted by their variables.
struct BlockGraph {
  std::vector<Index> start;             ///< vertices + 1
  std::vector<std::int32_t> neighbour;  ///< of each vertex, ascending
  std::vector<std::int32_t> weight;     ///< variables of each vertex

  Index vertices() const { return static_cast<Index>(weight.size()); }
};

BlockGraph block_graph(const BlockStructure& structure);

/// The vertices in the order of their elimination.
std::vector<std::int32_t> minimum_degree(const BlockGraph& graph);

}  // namespace kappa::detail
