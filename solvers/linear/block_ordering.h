// Orders in which to eliminate the blocks of a symmetric block-sparse matrix so that its Cholesky factor
// stays sparse.
//
// minimum_degree: eliminates next a block with the fewest variables left around it, on the quotient graph,
// with approximate external degrees weighted by block sizes, element absorption, mass elimination and
// merging of indistinguishable blocks. Good for any graph, best where elimination trees are bushy and low.
// Cost: nearly linear in the stored blocks for sparse graphs.
//
// nested_dissection: splits the graph by small separators, again and again, and eliminates separators last,
// the first of all at the very end; within a part, and within the separators of one level, the order is of
// minimum degree. Separators come from the multilevel scheme: the graph is coarsened by heavy-edge matching,
// the coarsest one is split by breadth-first growth, and the separator is refined at each level by moving its
// vertices to one side or the other (Fiduccia & Mattheyses 1982; Ashcraft & Liu 1997). Best where separators
// are small against the graph: meshes in space, large near planar graphs.
// Cost: some ten times that of minimum degree.
//
// Nothing is random: the same graph gives the same order.
//
// References: Amestoy, Davis & Duff, SIAM J. Matrix Anal. Appl. 17 (1996) 886; George, SIAM J. Numer. Anal.
// 10 (1973) 345; Karypis & Kumar, SIAM J. Sci. Comput. 20 (1998) 359; Ashcraft & Liu, SIAM J. Matrix Anal.
// Appl. 19 (1998) 325 (minimum degree within the parts and the separators).
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

/// The vertices in the order of their elimination. With `stage`, one for each vertex, those of a lower stage
/// come first.
std::vector<std::int32_t> minimum_degree(const BlockGraph& graph,
                                         const std::vector<std::int32_t>& stage = {});

std::vector<std::int32_t> nested_dissection(const BlockGraph& graph);

}  // namespace kappa::detail
