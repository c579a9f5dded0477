#include "solvers/linear/schur_complement.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/parallel.h"
#include "core/vector.h"

namespace kappa::detail {
namespace {

constexpr Index chunk_blocks = 512;  // eliminated blocks in one piece of a substitution

std::size_t at(Index i) {
  return static_cast<std::size_t>(i);
}

}  // namespace

void SchurComplement::analyze(const BlockStructure& structure, Index reduced_limit) {
  const std::uint64_t print = fingerprint(structure);
  if (print == analysed_ && reduced_limit == limit_) {
    return;
  }
  structure_.analyze(structure, reduced_limit);
  reduction_.analyze(structure_);
  diagonal_.resize(at(reduced_size()));
  reduced_.resize(at(reduced_size()));
  analysed_ = print;
  limit_ = reduced_limit;
}

/// The variable of an eliminated block whose pivot failed: its block is factored again, entry by entry.
/// Whether the pivot was negative or not a number shows in the entries it came from.
Index SchurComplement::blame(const BlockMatrix& B, double lambda, ConstVectorRef weights, Index eliminated) {
  const Index p = structure_.eliminated_size(eliminated);
  const Index offset = structure_.eliminated_offset[at(eliminated)];
  const double* values = B.values.data() + structure_.eliminated_values[at(eliminated)];
  failed_is_finite_ = std::isfinite(largest(values, p * p)) && std::isfinite(lambda * largest(weights));
  const MatrixRef V = cholesky_.matrix(p);
  for (Index j = 0; j < p; ++j) {
    std::copy_n(values + j * p, p, V.column(j));
    V(j, j) += lambda * weights[at(offset + j)];
  }
  return offset + std::max(cholesky_.factor(static_cast<double>(p) * epsilon), Index{0});
}

Index SchurComplement::factor(const BlockMatrix& B, double lambda, ConstVectorRef weights, ConstVectorRef b) {
  failed_is_finite_ = true;
  const MatrixRef S = cholesky_.matrix(reduced_size());
  reduction_.plan(SchurReduction::Form::dense, S.stride);
  const Index failure = reduction_.run({B, lambda, weights, b, S.data, reduced_});
  if (failure >= 0) {
    return blame(B, lambda, weights, failure);
  }
  for (Index i = 0; i < kept_blocks(); ++i) {
    const Index c = structure_.kept_size(i);
    const double* d = B.values.data() + structure_.kept_values[at(i)];
    for (Index j = 0; j < c; ++j) {
      diagonal_[at(structure_.reduced_offset[at(i)] + j)] =
          d[j + j * c] + lambda * weights[at(structure_.kept_offset[at(i)] + j)];
    }
  }
  const Index pivot = cholesky_.factor(static_cast<double>(reduced_size()) * epsilon, diagonal_);
  if (pivot < 0) {
    return -1;
  }
  failed_is_finite_ = std::isfinite(cholesky_.pivot());
  const auto next =
      std::upper_bound(structure_.reduced_offset.begin(), structure_.reduced_offset.end(), pivot);
  const Index i = (next - structure_.reduced_offset.begin()) - 1;
  return structure_.kept_offset[at(i)] + pivot - structure_.reduced_offset[at(i)];
}

/// reduced_ := S^-1 reduced_. Returns |L_S^-1 reduced_|^2.
double SchurComplement::solve_reduced() {
  cholesky_.solve_lower(reduced_);
  const double square = dot(reduced_, reduced_);
  cholesky_.solve_upper(reduced_);
  return square;
}

/// x from the kept blocks in reduced_ and what the eliminated ones have in `forward`.
void SchurComplement::substitute(const BlockMatrix& B, ConstVectorRef forward, VectorRef x) const {
  for (Index i = 0; i < kept_blocks(); ++i) {
    std::copy(reduced_.begin() + structure_.reduced_offset[at(i)],
              reduced_.begin() + structure_.reduced_offset[at(i) + 1],
              x.begin() + structure_.kept_offset[at(i)]);
  }
  const Partition partition{eliminated_blocks(), chunk_blocks};
  const auto work = static_cast<double>(structure_.couplings() * structure_.widest_kept *
                                        std::max(structure_.widest_eliminated, Index{1}));
  for_each_chunk(partition.chunks(), work, [&](Index chunk) {
    reduction_.kernels().substitute({.structure = structure_,
                                     .values = B.values.data(),
                                     .begin = partition.begin(chunk),
                                     .end = partition.end(chunk),
                                     .pivots = reduction_.pivots(),
                                     .forward = forward.data(),
                                     .reduced = reduced_.data(),
                                     .x = x.data()});
  });
}

double SchurComplement::finish(const BlockMatrix& B, VectorRef x) {
  const ConstVectorRef forward(reduction_.forward(), at(structure_.forward_offset.back()));
  const double square = dot(forward, forward) + solve_reduced();
  substitute(B, forward, x);
  return square;
}

double SchurComplement::solve(const BlockMatrix& B, VectorRef x) {
  const std::vector<Index>& range = reduction_.ranges();
  const auto ranges = static_cast<Index>(range.size()) - 1;
  const Index n = reduced_size();
  forward_.resize(at(structure_.forward_offset.back()));
  partial_.resize(at(ranges * n));
  const auto work = static_cast<double>(structure_.couplings() * structure_.widest_kept *
                                        std::max(structure_.widest_eliminated, Index{1}));
  for_each_chunk(ranges, work, [&](Index g) {
    std::fill_n(partial_.begin() + g * n, n, 0.0);
    reduction_.kernels().forward({.structure = structure_,
                                  .values = B.values.data(),
                                  .begin = range[at(g)],
                                  .end = range[at(g) + 1],
                                  .pivots = reduction_.pivots(),
                                  .rhs = x.data(),
                                  .forward = forward_.data(),
                                  .reduced = partial_.data() + g * n});
  });
  for (Index i = 0; i < kept_blocks(); ++i) {
    std::copy_n(x.begin() + structure_.kept_offset[at(i)], structure_.kept_size(i),
                reduced_.begin() + structure_.reduced_offset[at(i)]);
  }
  for (Index g = 0; g < ranges; ++g) {
    for (Index i = 0; i < n; ++i) {
      reduced_[at(i)] += partial_[at(g * n + i)];
    }
  }
  const double square = dot(forward_, forward_) + solve_reduced();
  substitute(B, forward_, x);
  return square;
}

}  // namespace kappa::detail
