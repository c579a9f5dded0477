#include "solvers/linear/schur_complement.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/parallel.h"
#include "core/vector.h"

namespace kappa::detail {
namespace {

constexpr Index chunk_blocks = 512;  // eliminated blocks in one piece of a substitution
constexpr Index row_ranges = 16;     // pieces of a product with S
constexpr double single_damping =
    1e-5;  // least relative damping with which Z may be rounded, see use_single()

std::size_t at(Index i) {
  return static_cast<std::size_t>(i);
}

Index count(const std::vector<Index>& range) {
  return static_cast<Index>(range.size()) - 1;
}

}  // namespace

// ---- Analysis --------------------------------------------------------------------------------------------

void SchurComplement::analyze(const BlockStructure& structure, const ReducedOptions& options) {
  const std::uint64_t print = fingerprint(structure);
  if (print == analysed_ && options == options_) {
    return;
  }
  structure_.analyze(structure, options.keep_all_limit);
  reduction_.analyze(structure_);
  choice_ = choose_reduced(structure_, reduction_.pattern(), options, sparse_);
  describe_reduced(structure_, choice_, description_);
  analysed_ = print;
  options_ = options;
  reserved_ = false;
}

/// Memory for the kind of solution chosen.
void SchurComplement::reserve() {
  if (reserved_) {
    return;
  }
  reserved_ = true;
  const Index n = reduced_size();
  diagonal_.resize(at(n));
  reduced_.resize(at(n));
  const Index ranges = std::max(count(reduction_.ranges()), row_ranges);
  partial_.resize(at(ranges * n));
  forward_.resize(at(structure_.forward_offset.back()));
  switch (choice_.kind) {
    case ReducedKind::dense:
      reduction_.plan(SchurReduction::Form::dense, n);
      return;
    case ReducedKind::sparse:
    case ReducedKind::pcg:
      reduction_.plan(SchurReduction::Form::blocks, 0);
      S_.structure = reduced_structure(structure_, reduction_.pattern());
      break;
    default:
      reduction_.plan(SchurReduction::Form::diagonal, 0);
      break;
  }
  S_.values.assign(at(reduction_.block_start().back()), 0.0);
  if (direct()) {
    return;
  }
  cg_.reserve(n);
  solution_.resize(at(n));
  preconditioner_.shape(structure_.reduced_offset);
  if (choice_.kind == ReducedKind::implicit && reduction_.kernels().multiply_single != nullptr) {
    // Vectors may reach beyond the last block, where they multiply by zero: what is there must be a number.
    constexpr std::size_t beyond = 16;
    single_.resize(at(structure_.couplings() * structure_.uniform_kept * structure_.uniform_eliminated) +
                   beyond);
    std::fill(single_.end() - beyond, single_.end(), 0.0F);
  }
  const std::vector<Index>& start = reduction_.pattern().row_start;
  row_range_.assign(1, 0);
  for (Index g = 1; g < row_ranges; ++g) {
    const auto row = std::lower_bound(start.begin(), start.end() - 1, g * start.back() / row_ranges);
    row_range_.push_back(std::max(row_range_.back(), static_cast<Index>(row - start.begin())));
  }
  row_range_.push_back(kept_blocks());
}

/// Multiply-adds of a pass over the couplings.
double SchurComplement::work() const {
  return static_cast<double>(structure_.couplings() * structure_.widest_kept *
                             std::max(structure_.widest_eliminated, Index{1}));
}

// ---- Failures --------------------------------------------------------------------------------------------

/// The variable of an eliminated block whose pivot failed: its block is factored again, entry by entry.
/// Whether the pivot was negative or not a number shows in the entries it came from.
SchurComplement::Outcome SchurComplement::blame_eliminated(const Task& task, Index eliminated) {
  const Index p = structure_.eliminated_size(eliminated);
  const Index offset = structure_.eliminated_offset[at(eliminated)];
  const double* values = task.B.values.data() + structure_.eliminated_values[at(eliminated)];
  const bool is_finite =
      std::isfinite(largest(values, p * p)) && std::isfinite(task.lambda * largest(task.weights));
  const MatrixRef V = cholesky_.matrix(p);
  for (Index j = 0; j < p; ++j) {
    std::copy_n(values + j * p, p, V.column(j));
    V(j, j) += task.lambda * task.weights[at(offset + j)];
  }
  Outcome out;
  out.end = is_finite ? Outcome::End::indefinite : Outcome::End::not_finite;
  out.blame = offset + std::max(cholesky_.factor(static_cast<double>(p) * epsilon), Index{0});
  return out;
}

SchurComplement::Outcome SchurComplement::blame_kept(Index reduced_variable, bool is_finite) const {
  const std::vector<Index>& offset = structure_.reduced_offset;
  const auto next = std::upper_bound(offset.begin(), offset.end(), reduced_variable);
  const Index i = (next - offset.begin()) - 1;
  Outcome out;
  out.end = is_finite ? Outcome::End::indefinite : Outcome::End::not_finite;
  out.blame = structure_.kept_offset[at(i)] + reduced_variable - offset[at(i)];
  return out;
}

// ---- By a factor -----------------------------------------------------------------------------------------

SchurComplement::Outcome SchurComplement::solve(const Task& task, VectorRef x) {
  reserve();
  const bool dense = choice_.kind == ReducedKind::dense;
  single_ready_ = choice_.kind == ReducedKind::implicit && use_single(task);
  const Index failure = reduction_.run({.B = task.B,
                                        .lambda = task.lambda,
                                        .weights = task.weights,
                                        .rhs = task.b,
                                        .S = dense ? cholesky_.matrix(reduced_size()).data : S_.values.data(),
                                        .reduced = reduced_,
                                        .single = single_ready_ ? single_.data() : nullptr});
  if (failure >= 0) {
    return blame_eliminated(task, failure);
  }
  if (task.interrupt != nullptr && task.interrupt->requested()) {
    return {.end = Outcome::End::interrupted};
  }
  if (!direct()) {
    Outcome out = iterate(task);
    if (out.end == Outcome::End::solved) {
      std::copy(solution_.begin(), solution_.end(), reduced_.begin());
      out.decrease = substitute_with_residual(task, x);
    }
    return out;
  }
  Outcome out = factor(task);
  if (out.end == Outcome::End::solved) {
    const ConstVectorRef forward(reduction_.forward(), at(structure_.forward_offset.back()));
    out.decrease = 0.5 * (dot(forward, forward) + solve_factor());
    substitute(task.B, forward, x);
  }
  return out;
}

SchurComplement::Outcome SchurComplement::factor(const Task& task) {
  for (Index i = 0; i < kept_blocks(); ++i) {
    const Index c = structure_.kept_size(i);
    const double* d = task.B.values.data() + structure_.kept_values[at(i)];
    for (Index j = 0; j < c; ++j) {
      diagonal_[at(structure_.reduced_offset[at(i)] + j)] =
          d[j + j * c] + task.lambda * task.weights[at(structure_.kept_offset[at(i)] + j)];
    }
  }
  if (choice_.kind == ReducedKind::dense) {
    const Index pivot = cholesky_.factor(static_cast<double>(reduced_size()) * epsilon, diagonal_);
    return pivot < 0 ? Outcome{} : blame_kept(pivot, std::isfinite(cholesky_.pivot()));
  }
  const Index pivot = sparse_.factor(S_, 0, {}, {.reference = diagonal_, .interrupt = task.interrupt});
  if (pivot == BlockCholesky::interrupted) {
    return {.end = Outcome::End::interrupted};
  }
  return pivot < 0 ? Outcome{} : blame_kept(pivot, sparse_.failed_pivot_is_finite());
}

/// reduced_ := S^-1 reduced_. Returns |L_S^-1 reduced_|^2.
double SchurComplement::solve_factor() {
  if (choice_.kind == ReducedKind::sparse) {
    return sparse_.solve(reduced_);
  }
  cholesky_.solve_lower(reduced_);
  const double square = dot(reduced_, reduced_);
  cholesky_.solve_upper(reduced_);
  return square;
}

void SchurComplement::resolve(const BlockMatrix& B, VectorRef x) {
  expects(direct(), "SchurComplement::resolve: there is no factor");
  const std::vector<Index>& range = reduction_.ranges();
  const Index n = reduced_size();
  for_each_chunk(count(range), work(), [&](Index g) {
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
  add_partial(count(range), reduced_);
  solve_factor();
  substitute(B, forward_, x);
}

/// out += the first `ranges` vectors of partial_, in order.
void SchurComplement::add_partial(Index ranges, VectorRef out) const {
  const Index n = reduced_size();
  const Partition parts{n, 1024};
  for_each_chunk(parts.chunks(), static_cast<double>(ranges * n), [&](Index part) {
    for (Index g = 0; g < ranges; ++g) {
      const double* from = partial_.data() + g * n;
      for (Index i = parts.begin(part); i < parts.end(part); ++i) {
        out[at(i)] += from[i];
      }
    }
  });
}

/// x := reduced_ for the kept blocks.
void SchurComplement::scatter_kept(VectorRef x) const {
  for (Index i = 0; i < kept_blocks(); ++i) {
    std::copy_n(reduced_.begin() + structure_.reduced_offset[at(i)], structure_.kept_size(i),
                x.begin() + structure_.kept_offset[at(i)]);
  }
}

/// x from the kept blocks in reduced_ and what the eliminated ones have in `forward`.
void SchurComplement::substitute(const BlockMatrix& B, ConstVectorRef forward, VectorRef x) {
  scatter_kept(x);
  const Partition partition{eliminated_blocks(), chunk_blocks};
  for_each_chunk(partition.chunks(), work(), [&](Index chunk) {
    reduction_.kernels().substitute({.structure = structure_,
                                     .values = B.values.data(),
                                     .begin = partition.begin(chunk),
                                     .end = partition.end(chunk),
                                     .pivots = reduction_.pivots(),
                                     .forward = forward.data(),
                                     .reduced = reduced_.data(),
                                     .x = x.data(),
                                     .residual = nullptr});
  });
}

// ---- By conjugate gradients ------------------------------------------------------------------------------

/// S x = (B_kk + lambda W) x - sum_e B_ke V_e^-1 B_ek x_k.
struct SchurComplement::Implicit final : ReducedOperator {
  Implicit(const SchurComplement& owner, const Task& task) : owner_(owner), task_(task) {}

  void multiply(ConstVectorRef x, VectorRef out) const override {
    const SchurComplement& o = owner_;
    const std::vector<Index>& range = o.reduction_.ranges();
    const Index n = o.reduced_size();
    const SchurKernels& kernels = o.reduction_.kernels();
    const auto multiply = o.single_ready_ ? kernels.multiply_single : kernels.multiply;
    for_each_chunk(count(range), 2 * o.work(), [&](Index g) {
      std::fill_n(o.partial_.begin() + g * n, n, 0.0);
      multiply({.structure = o.structure_,
                .values = task_.B.values.data(),
                .pivots = o.reduction_.pivots(),
                .single = o.single_.data(),
                .begin = range[at(g)],
                .end = range[at(g) + 1],
                .x = x.data(),
                .out = o.partial_.data() + g * n});
    });
    o.multiply_kept(task_, x, out);
    o.add_partial(count(range), out);
  }

 private:
  const SchurComplement& owner_;
  const Task& task_;
};

/// S x from its blocks.
struct SchurComplement::Explicit final : ReducedOperator {
  explicit Explicit(const SchurComplement& owner) : owner_(owner) {}

  void multiply(ConstVectorRef x, VectorRef out) const override {
    const SchurComplement& o = owner_;
    const SchurPattern& pattern = o.reduction_.pattern();
    const Index n = o.reduced_size();
    for_each_chunk(count(o.row_range_), 2.0 * static_cast<double>(o.S_.values.size()), [&](Index g) {
      std::fill_n(o.partial_.begin() + g * n, n, 0.0);
      o.reduction_.kernels().multiply_rows({.structure = o.structure_,
                                            .row_start = pattern.row_start.data(),
                                            .column = pattern.column.data(),
                                            .block_start = o.reduction_.block_start().data(),
                                            .values = o.S_.values.data(),
                                            .begin = o.row_range_[at(g)],
                                            .end = o.row_range_[at(g) + 1],
                                            .x = x.data(),
                                            .out = o.partial_.data() + g * n});
    });
    std::fill(out.begin(), out.end(), 0.0);
    o.add_partial(count(o.row_range_), out);
  }

 private:
  const SchurComplement& owner_;
};

/// out := (B_kk + lambda W) x over the kept blocks.
void SchurComplement::multiply_kept(const Task& task, ConstVectorRef x, VectorRef out) const {
  const SchurStructure& s = structure_;
  std::fill(out.begin(), out.end(), 0.0);
  for (Index i = 0; i < kept_blocks(); ++i) {
    const Index c = s.kept_size(i);
    const double* xi = x.data() + s.reduced_offset[at(i)];
    double* to = out.data() + s.reduced_offset[at(i)];
    const double* d = task.B.values.data() + s.kept_values[at(i)];
    for (Index j = 0; j < c; ++j) {
      add_scaled(xi[j], d + j * c, to, c);
      to[j] += task.lambda * task.weights[at(s.kept_offset[at(i)] + j)] * xi[j];
    }
    for (Index k = s.pair_start[at(i)]; k < s.pair_start[at(i) + 1]; ++k) {
      const Index other = s.pair_other[at(k)];
      const double* values = task.B.values.data() + s.pair_values[at(k)];
      const double* xo = x.data() + s.reduced_offset[at(other)];
      double* to_other = out.data() + s.reduced_offset[at(other)];
      for (Index j = 0; j < s.kept_size(other); ++j) {
        add_scaled(xo[j], values + j * c, to, c);
        to_other[j] += dot(values + j * c, xi, c);
      }
    }
  }
}

/// Rounding Z to single precision changes S by 1e-7 of B_kk or so. That is harmless where the damping holds
/// the eigenvalues of S well above it, in every variable's own units.
bool SchurComplement::use_single(const Task& task) const {
  if (single_.empty()) {
    return false;
  }
  for (Index i = 0; i < kept_blocks(); ++i) {
    const Index c = structure_.kept_size(i);
    const double* d = task.B.values.data() + structure_.kept_values[at(i)];
    for (Index j = 0; j < c; ++j) {
      const double damping = task.lambda * task.weights[at(structure_.kept_offset[at(i)] + j)];
      if (!(damping >= single_damping * d[j + j * c])) {
        return false;
      }
    }
  }
  return true;
}

/// The blocks of S, or of B + lambda W, on the diagonal.
void SchurComplement::fill_preconditioner(const Task& task) {
  const bool of_S = options_.preconditioner == ReducedPreconditioner::schur_jacobi;
  const std::vector<Index>& row_start = reduction_.pattern().row_start;
  for (Index i = 0; i < kept_blocks(); ++i) {
    const Index c = structure_.kept_size(i);
    double* to = preconditioner_.block(i);
    if (of_S) {
      std::copy_n(S_.values.data() + reduction_.block_start()[at(row_start[at(i)])], c * c, to);
      continue;
    }
    std::copy_n(task.B.values.data() + structure_.kept_values[at(i)], c * c, to);
    for (Index j = 0; j < c; ++j) {
      to[j + j * c] += task.lambda * task.weights[at(structure_.kept_offset[at(i)] + j)];
    }
  }
}

/// solution_ := S^-1 reduced_, as far as the options want it.
SchurComplement::Outcome SchurComplement::iterate(const Task& task) {
  fill_preconditioner(task);
  if (const Index failed = preconditioner_.invert(); failed >= 0) {
    return blame_kept(failed, std::isfinite(preconditioner_.pivot()));
  }
  const Implicit implicit(*this, task);
  const Explicit blocks(*this);
  const bool forms = choice_.kind == ReducedKind::pcg;
  const bool series = options_.preconditioner == ReducedPreconditioner::power_series;
  const ReducedCg::Outcome cg =
      cg_.solve({.S = forms ? static_cast<const ReducedOperator&>(blocks) : implicit,
                 .D = preconditioner_,
                 .power_terms = series ? options_.power_terms : 0,
                 .c = reduced_,
                 .forcing = options_.forcing,
                 .iterations = options_.iterations,
                 .interrupt = task.interrupt},
                solution_);
  Outcome out;
  out.iterations = cg.iterations;
  switch (cg.end) {
    case ReducedCg::End::interrupted:
      out.end = Outcome::End::interrupted;
      break;
    case ReducedCg::End::indefinite:
      out.end = Outcome::End::indefinite;
      break;
    case ReducedCg::End::failed:
      out.end = Outcome::End::not_finite;
      break;
    default:
      break;
  }
  return out;
}

/// x from the kept blocks in reduced_, which solve their equations only approximately. Returns the decrease
///
///     b'x - x'(B + lambda W)x / 2 = (b'x - r_k'x_k) / 2,     r = (B + lambda W) x - b,
///
/// the eliminated blocks having no residual.
double SchurComplement::substitute_with_residual(const Task& task, VectorRef x) {
  const std::vector<Index>& range = reduction_.ranges();
  const Index n = reduced_size();
  scatter_kept(x);
  for_each_chunk(count(range), 2 * work(), [&](Index g) {
    std::fill_n(partial_.begin() + g * n, n, 0.0);
    reduction_.kernels().substitute({.structure = structure_,
                                     .values = task.B.values.data(),
                                     .begin = range[at(g)],
                                     .end = range[at(g) + 1],
                                     .pivots = reduction_.pivots(),
                                     .forward = reduction_.forward(),
                                     .reduced = reduced_.data(),
                                     .x = x.data(),
                                     .residual = partial_.data() + g * n});
  });
  multiply_kept(task, reduced_, solution_);
  add_partial(count(range), solution_);
  double residual = 0;
  for (Index i = 0; i < kept_blocks(); ++i) {
    for (Index j = 0; j < structure_.kept_size(i); ++j) {
      const auto r = at(structure_.reduced_offset[at(i)] + j);
      residual += (solution_[r] - task.b[at(structure_.kept_offset[at(i)] + j)]) * reduced_[r];
    }
  }
  return 0.5 * (dot(task.b, x) - residual);
}

}  // namespace kappa::detail
