// How the reduced system of block elimination is solved, chosen from the structure alone.
//
//   dense     Cholesky of the whole of S
//   sparse    Cholesky of its blocks in an order that keeps the factor sparse (block_cholesky.h)
//   pcg       conjugate gradients with S formed, block by block
//   implicit  conjugate gradients with products through the eliminated blocks; S is never formed
//
// Costs are counted in flops at the rate of a dense factorization. What is bound by memory counts
// `flops_per_byte` for each byte that passes:
//
//     dense     form + N^3 / 3
//     sparse    form + the sparse factor's own count
//     pcg       form + iterations x bytes of S
//     implicit  iterations x bytes of Z in single precision
//     form      2 p c^2 for each pair of couplings, and half as much again
//
// with the number of iterations that bundle adjustment was found to take, or ten times as many where fewer
// blocks are eliminated than kept, as in pose graphs, whose errors travel far. The cheapest within the limit
// of memory is taken, conjugate gradients only where a direct solution takes more than some 50 ms and they
// promise to be twice as fast, because their steps are inexact and the number of iterations is a guess.
#pragma once

#include <string>

#include "solvers/linear/block_cholesky.h"
#include "solvers/linear/schur_reduction.h"
#include "solvers/linear/schur_structure.h"

namespace kappa::detail {

enum class ReducedKind { automatic, dense, sparse, pcg, implicit };
/// Whether the reduced system is factored.
constexpr bool direct(ReducedKind kind) {
  return kind == ReducedKind::dense || kind == ReducedKind::sparse;
}

enum class ReducedPreconditioner { schur_jacobi, block_jacobi, power_series };

struct ReducedOptions {
  ReducedKind kind = ReducedKind::automatic;
  ReducedPreconditioner preconditioner = ReducedPreconditioner::schur_jacobi;
  double forcing = 0.1;
  Index iterations = 500;
  Index power_terms = 4;
  double memory_bytes = 2e9;    ///< for S and its factor
  Index keep_all_limit = 3000;  ///< variables up to which everything may be kept

  bool operator==(const ReducedOptions&) const = default;
};

struct ReducedCost {
  double flops = infinity;  ///< infinity: not looked at, or out of the question
  double bytes = 0;
};

struct ReducedChoice {
  ReducedKind kind = ReducedKind::dense;  ///< never automatic
  ReducedCost dense, sparse, pcg, implicit;

  const ReducedCost& chosen() const;
};

/// The structure of S as a block matrix.
BlockStructure reduced_structure(const SchurStructure& structure, const SchurPattern& pattern);

/// `sparse` is analysed where it comes into question.
ReducedChoice choose_reduced(const SchurStructure& structure, const SchurPattern& pattern,
                             const ReducedOptions& options, BlockCholesky& sparse);

/// "dense Schur complement of 16 blocks (144), 22106 blocks eliminated: 0.1 GFlop", with what the others
/// cost.
void describe_reduced(const SchurStructure& structure, const ReducedChoice& choice, std::string& out);

}  // namespace kappa::detail
