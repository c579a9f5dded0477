// What a sparse Cholesky factorization does, before it knows any number: the supernodes of the factor of a
// block-sparse matrix in a given order, and the tree by which they depend on each other.
//
// A supernode is a set of blocks eliminated together, as one dense front: w variables of its own and h below
// them. Its Schur complement, h x h, goes to its parent's front. Supernodes start as runs of blocks whose
// columns of L have one pattern; a child is merged into its parent where the zeros that are stored and
// computed with cost less than one more front (relaxed amalgamation), by the cost
//
//     w^3/3 + w^2 h + w h^2 flops, front_entry for each entry of the front, front_overhead for the front
//
// in units of a flop. A matrix that is dense, or nearly so, thus ends as one supernode.
//
// Cost: proportional to the blocks of L.
//
// References: Liu, SIAM J. Matrix Anal. Appl. 11 (1990) 134; Liu, ACM Trans. Math. Softw. 12 (1986) 127 (the
// order of children that needs the least memory); Ashcraft & Grimes, ACM Trans. Math. Softw. 15 (1989) 291.
#pragma once

#include <vector>

#include "solvers/linear/block_ordering.h"

namespace kappa::detail {

struct EliminationPlan {
  std::vector<std::int32_t> order;  ///< block eliminated k-th
  std::vector<Index> first;       ///< supernodes + 1: supernode s eliminates order[first[s]] .. first[s+1]-1
  std::vector<Index> parent;      ///< of each supernode, a later one, or -1
  std::vector<Index> row_start;   ///< supernodes + 1
  std::vector<std::int32_t> row;  ///< below each supernode: places in `order`, ascending
  std::vector<Index> width;       ///< of each supernode: variables eliminated
  std::vector<Index> height;      ///< and variables below them
  double flops = 0;               ///< multiplications and additions of a factorization
  double doubles = 0;             ///< entries of L
  double cost = 0;                ///< by the formula above, in units of a flop

  Index supernodes() const { return static_cast<Index>(parent.size()); }
};

/// The cost of one front.
double front_cost(Index width, Index height);

EliminationPlan plan_elimination(const BlockGraph& graph, const std::vector<std::int32_t>& order);

}  // namespace kappa::detail
