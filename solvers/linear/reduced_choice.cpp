#include "solvers/linear/reduced_choice.h"

#include <algorithm>
#include <cmath>

#include "solvers/text.h"

namespace kappa::detail {
namespace {

constexpr double flops_per_byte = 3;      // 60 GFlop/s against 20 GB/s
constexpr double bundle_iterations = 50;  // of conjugate gradients to a forcing of 0.1
constexpr double graph_iterations =
    500;                              // where fewer blocks are eliminated than kept, and errors travel far
constexpr double affordable = 2e9;    // flops of a direct solution that is taken whatever else promises
constexpr double guess = 2;           // how much faster conjugate gradients must promise to be
constexpr double cheap = 50e6;        // flops of a dense factor: nothing can be gained
constexpr double nearly_dense = 0.4;  // share of the blocks from which on a factor fills in

std::size_t at(Index i) {
  return static_cast<std::size_t>(i);
}

}  // namespace

const ReducedCost& ReducedChoice::chosen() const {
  switch (kind) {
    case ReducedKind::sparse:
      return sparse;
    case ReducedKind::pcg:
      return pcg;
    case ReducedKind::implicit:
      return implicit;
    default:
      return dense;
  }
}

BlockStructure reduced_structure(const SchurStructure& structure, const SchurPattern& pattern) {
  BlockStructure out;
  out.offset = structure.reduced_offset;
  out.row_start = pattern.row_start;
  out.column = pattern.column;
  out.value_start.reserve(pattern.column.size() + 1);
  out.value_start.push_back(0);
  for (Index i = 0; i < structure.kept_blocks(); ++i) {
    for (Index k = pattern.row_start[at(i)]; k < pattern.row_start[at(i) + 1]; ++k) {
      out.value_start.push_back(out.value_start.back() +
                                structure.kept_size(i) * structure.kept_size(pattern.column[at(k)]));
    }
  }
  return out;
}

ReducedChoice choose_reduced(const SchurStructure& structure, const SchurPattern& pattern,
                             const ReducedOptions& options, BlockCholesky& sparse) {
  const auto n = static_cast<double>(structure.reduced_size());
  const auto kept = static_cast<double>(structure.kept_blocks());
  const auto c = static_cast<double>(structure.widest_kept);
  const auto p = static_cast<double>(structure.widest_eliminated);
  const double form = 1.5 * 2 * structure.pairs * c * c * p;
  const double stored = 8 * c * c * static_cast<double>(pattern.blocks());
  const double iterations =
      structure.eliminated_blocks() > 2 * structure.kept_blocks() ? bundle_iterations : graph_iterations;
  const double z = 4 * c * p * static_cast<double>(structure.couplings());
  ReducedChoice out;
  out.dense = {form + n * n * n / 3, 8 * n * n};
  out.pcg = {form + iterations * flops_per_byte * stored, stored};
  out.implicit = {iterations * flops_per_byte * z, z};
  const bool automatic = options.kind == ReducedKind::automatic;
  const bool sparse_enough = static_cast<double>(pattern.blocks()) < nearly_dense * kept * (kept + 1) / 2;
  if (options.kind == ReducedKind::sparse ||
      (automatic && n * n * n / 3 > cheap && sparse_enough && stored <= options.memory_bytes)) {
    sparse.analyze(reduced_structure(structure, pattern));
    out.sparse = {form + sparse.figures().cost, stored + 8 * sparse.figures().memory};
  }
  out.kind = options.kind;
  if (!automatic) {
    return out;
  }
  double least = infinity;
  const auto consider = [&](ReducedKind kind, const ReducedCost& cost, double factor) {
    if (cost.bytes <= options.memory_bytes && factor * cost.flops < least) {
      least = factor * cost.flops;
      out.kind = kind;
    }
  };
  out.kind = ReducedKind::implicit;
  consider(ReducedKind::dense, out.dense, 1);
  consider(ReducedKind::sparse, out.sparse, 1);
  if (least > affordable) {
    consider(ReducedKind::pcg, out.pcg, guess);
    consider(ReducedKind::implicit, out.implicit, guess);
  }
  return out;
}

void describe_reduced(const SchurStructure& structure, const ReducedChoice& choice, std::string& out) {
  const bool whole = structure.eliminated_blocks() == 0;
  const char* kind = choice.kind == ReducedKind::dense    ? "dense"
                     : choice.kind == ReducedKind::sparse ? "block-sparse"
                     : choice.kind == ReducedKind::pcg    ? "conjugate gradients on the block-sparse"
                                                          : "conjugate gradients on the implicit";
  const char* matrix = !whole ? "Schur complement" : direct(choice.kind) ? "Cholesky" : "matrix";
  std::string others;
  const auto add = [&](ReducedKind other, const ReducedCost& cost, const char* name) {
    if (other != choice.kind && cost.flops < infinity) {
      std::string part;
      print_to(part, "%s%.2g %s", others.empty() ? ", against " : ", ", 1e-9 * cost.flops, name);
      others += part;
    }
  };
  if (choice.dense.flops > cheap) {
    add(ReducedKind::dense, choice.dense, "dense");
    add(ReducedKind::sparse, choice.sparse, "sparse");
    add(ReducedKind::pcg, choice.pcg, "by conjugate gradients");
    add(ReducedKind::implicit, choice.implicit, "by implicit ones");
  }
  std::string eliminated = "nothing";
  if (!whole) {
    print_to(eliminated, "%td blocks", structure.eliminated_blocks());
  }
  if (structure.group >= 0) {
    std::string group;
    print_to(group, " of the user's group %d", static_cast<int>(structure.group));
    eliminated += group;
  }
  print_to(out, "%s %s of %td blocks (%td), %s eliminated: %.2g GFlop%s", kind, matrix,
           structure.kept_blocks(), structure.reduced_size(), eliminated.c_str(),
           1e-9 * choice.chosen().flops, others.c_str());
}

}  // namespace kappa::detail
