#include "solvers/covariance/eliminated_inverse.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/parallel.h"
#include "solvers/covariance/decompositions.h"
#include "solvers/linear/reduced_choice.h"
#include "solvers/text.h"

namespace kappa::detail {
namespace {

using Dense = Eigen::MatrixXd;

constexpr Index keep_all_limit = 3000;
constexpr Index chunk_blocks = 512;
constexpr double certain = 1e-12;    // rounding of eigenvalues of S, with room
constexpr double candidates = 1e-8;  // eigenvalues of S that may belong to null vectors of A

std::size_t at(Index i) {
  return static_cast<std::size_t>(i);
}

std::string gigabytes(double bytes) {
  std::string out;
  print_to(out, "%.3g GB", 1e-9 * bytes);
  return out;
}

}  // namespace

// ---- Structure -------------------------------------------------------------------------------------------

void EliminatedInverse::analyze(const BlockStructure& structure, const Options& options) {
  options_ = options;
  s_.analyze(structure, keep_all_limit);
  const double matrix = 8 * static_cast<double>(structure.values());
  const double lists = 4 * s_.pairs;
  const auto require = [&](double bytes) {
    if (!(bytes <= options.memory_bytes)) {
      throw Error("covariance: " + std::to_string(s_.eliminated_blocks()) +
                  " blocks are eliminated, and a matrix of " + std::to_string(s_.reduced_size()) +
                  " variables remains, for which " + gigabytes(bytes) +
                  " would be needed; the limit, memory_bytes, is " + gigabytes(options.memory_bytes) +
                  "; raise it, or hold some blocks constant");
    }
  };
  require(matrix + lists);
  reduction_.analyze(s_);
  const BlockStructure S = reduced_structure(s_, reduction_.pattern());
  const double blocks = 8 * static_cast<double>(S.values());
  require(matrix + lists + 2 * blocks);
  reduced_.analyze(S, options.kind, options.memory_bytes - matrix - lists - blocks);
  require(matrix + lists + blocks + reduced_.bytes());

  place_.resize(at(structure.blocks()));
  for (Index i = 0; i < s_.kept_blocks(); ++i) {
    place_[at(s_.kept[at(i)])] = {true, static_cast<std::int32_t>(i)};
  }
  pivot_start_.assign(1, 0);
  for (Index e = 0; e < s_.eliminated_blocks(); ++e) {
    place_[at(s_.eliminated[at(e)])] = {false, static_cast<std::int32_t>(e)};
    pivot_start_.push_back(pivot_start_.back() + s_.eliminated_size(e) * s_.eliminated_size(e));
  }
  self_.resize(s_.kept.size());
  std::iota(self_.begin(), self_.end(), 0);
}

std::string EliminatedInverse::describe() const {
  std::string out;
  print_to(out, "%s %s of %td blocks (%td variables), %td blocks eliminated",
           reduced_.dense() ? "dense" : "block-sparse",
           s_.eliminated_blocks() > 0 ? "Schur complement" : "matrix", s_.kept_blocks(), s_.reduced_size(),
           s_.eliminated_blocks());
  return out;
}

/// A_ek, for coupling number k.
Dense EliminatedInverse::coupling(Index e, Index k) const {
  const Index i = s_.coupling_kept[at(k)];
  const Index p = s_.eliminated_size(e);
  const Index c = s_.kept_size(i);
  const double* values = A_->matrix().values.data() + s_.coupling_values[at(k)];
  if (s_.transposed(e, i)) {
    return Eigen::Map<const Dense>(values, p, c);
  }
  return Eigen::Map<const Dense>(values, c, p).transpose();
}

Eigen::Map<const Dense> EliminatedInverse::pivot_inverse(Index e) const {
  const Index p = s_.eliminated_size(e);
  return {pivot_inverse_.data() + pivot_start_[at(e)], p, p};
}

/// W of one eliminated block, its neighbours side by side.
Dense EliminatedInverse::weights(Index e) const {
  Index width = 0;
  for (Index k = s_.coupling_start[at(e)]; k < s_.coupling_start[at(e) + 1]; ++k) {
    width += s_.kept_size(s_.coupling_kept[at(k)]);
  }
  Dense out(s_.eliminated_size(e), width);
  Index first = 0;
  for (Index k = s_.coupling_start[at(e)]; k < s_.coupling_start[at(e) + 1]; ++k) {
    const Index c = s_.kept_size(s_.coupling_kept[at(k)]);
    out.middleCols(first, c).noalias() = pivot_inverse(e) * coupling(e, k);
    first += c;
  }
  return out;
}

EliminatedInverse::Arms EliminatedInverse::arms(Index block) const {
  const Place place = place_[at(block)];
  Arms out;
  if (place.kept) {
    out.begin = self_.data() + place.position;
    out.end = out.begin + 1;
    out.weights = Dense::Identity(s_.kept_size(place.position), s_.kept_size(place.position));
  } else {
    out.begin = s_.coupling_kept.data() + s_.coupling_start[at(place.position)];
    out.end = s_.coupling_kept.data() + s_.coupling_start[at(place.position) + 1];
    out.weights = -weights(place.position);
  }
  return out;
}

// ---- The factor and the null space -----------------------------------------------------------------------

bool EliminatedInverse::invert_pivots(Index& failed) {
  pivot_inverse_.resize(at(pivot_start_.back()));
  const Partition parts{s_.eliminated_blocks(), chunk_blocks};
  std::vector<Index> wrong(at(parts.chunks()), -1);
  for_each_chunk(parts.chunks(), 100.0 * static_cast<double>(pivot_start_.back()), [&](Index chunk) {
    for (Index e = parts.begin(chunk); e < parts.end(chunk); ++e) {
      const Index p = s_.eliminated_size(e);
      const Eigen::Map<const Dense> A(A_->matrix().values.data() + s_.eliminated_values[at(e)], p, p);
      const Eigen::LLT<Dense> factor(A);
      if (factor.info() != Eigen::Success && wrong[at(chunk)] < 0) {
        wrong[at(chunk)] = s_.eliminated_offset[at(e)];
      }
      Eigen::Map<Dense>(pivot_inverse_.data() + pivot_start_[at(e)], p, p) =
          factor.solve(Dense::Identity(p, p));
    }
  });
  for (const Index variable : wrong) {
    failed = failed < 0 ? variable : failed;
  }
  return failed < 0;
}

/// full = [reduced; -W reduced], n x k.
void EliminatedInverse::extend(const Dense& reduced, Dense& full) const {
  full.resize(A_->structure().size(), reduced.cols());
  for (Index i = 0; i < s_.kept_blocks(); ++i) {
    full.middleRows(s_.kept_offset[at(i)], s_.kept_size(i)) =
        reduced.middleRows(s_.reduced_offset[at(i)], s_.kept_size(i));
  }
  const Partition parts{s_.eliminated_blocks(), chunk_blocks};
  for_each_chunk(parts.chunks(), static_cast<double>(full.size()) * 100, [&](Index chunk) {
    for (Index e = parts.begin(chunk); e < parts.end(chunk); ++e) {
      Dense sum = Dense::Zero(s_.eliminated_size(e), reduced.cols());
      for (Index k = s_.coupling_start[at(e)]; k < s_.coupling_start[at(e) + 1]; ++k) {
        const Index i = s_.coupling_kept[at(k)];
        sum.noalias() += coupling(e, k) * reduced.middleRows(s_.reduced_offset[at(i)], s_.kept_size(i));
      }
      full.middleRows(s_.eliminated_offset[at(e)], sum.rows()).noalias() = -(pivot_inverse(e) * sum);
    }
  });
}

/// Rayleigh-Ritz over all variables: an eigenvalue of S says little where -W y is long. False where there is
/// a negative one.
bool EliminatedInverse::choose_null_vectors(const ReducedInverse::NearNull& near, const Gram& gram,
                                            Dense& reduced_null) {
  // These, the null vectors among them, and what projections take later.
  const double bytes =
      5 * 8 * static_cast<double>(near.vectors.cols()) * static_cast<double>(A_->structure().size());
  if (bytes > options_.memory_bytes) {
    throw Error("covariance: " + std::to_string(near.vectors.cols()) +
                " directions are undetermined or nearly so, for which " + gigabytes(bytes) +
                " would be needed; the limit, memory_bytes, is " + gigabytes(options_.memory_bytes));
  }
  Dense full;
  extend(near.vectors, full);
  const Dense lengths = full.transpose() * full;
  Dense A = near.values.asDiagonal();
  if (gram && !gram(full, A)) {
    A = near.values.asDiagonal();
  }
  const EigenPairs ritz = eigen_pairs(A, lengths);
  if (!ritz.found || ritz.values(0) < -std::max(options_.null_tolerance, certain)) {
    return false;
  }
  const Index nullity = (ritz.values.array() <= options_.null_tolerance).count();
  if (nullity < ritz.values.size()) {
    weakest_ = ritz.values(nullity);
  }
  if (nullity > 0) {
    const Dense combination = ritz.vectors.leftCols(nullity);
    null_vectors_ = full * combination;  // orthonormal, by the choice of the Gram matrix
    const Dense part = near.vectors * combination;
    reduced_null = orthonormal(part);
  }
  return true;
}

Index EliminatedInverse::compute(const ScaledInformation& A, const Gram& gram) {
  A_ = &A;
  const Index N = s_.reduced_size();
  Index failed = -1;
  if (!invert_pivots(failed)) {
    return failed;
  }
  BlockMatrix S;
  S.structure = reduced_structure(s_, reduction_.pattern());
  S.values.assign(at(S.structure.values()), 0.0);
  reduction_.plan(SchurReduction::Form::blocks, 0);
  const std::vector<double> no_damping(at(A.structure().size()), 0.0);
  std::vector<double> no_rhs(at(N));
  failed = reduction_.run({.B = A.matrix(),
                           .lambda = 0,
                           .weights = no_damping,
                           .rhs = {},
                           .S = S.values.data(),
                           .reduced = no_rhs,
                           .single = nullptr});
  if (failed >= 0) {
    return s_.eliminated_offset[at(failed)];
  }
  null_vectors_.resize(A.structure().size(), 0);
  weakest_ = 1;
  if (N == 0) {
    return -1;
  }
  const double tolerance = options_.null_tolerance;
  const ReducedInverse::NearNull near = reduced_.near_null(
      S, {.certain = std::max(certain, tolerance), .limit = std::max(candidates, 10 * tolerance)},
      options_.largest_decomposition);
  if (!near.found) {
    return s_.kept_offset[0];
  }
  Dense reduced_null(N, 0);
  if (near.values.size() > 0 && !choose_null_vectors(near, gram, reduced_null)) {
    return s_.kept_offset[0];
  }
  // With all null vectors filled, nothing near zero is left.
  const double smallest = reduced_.factor(S, reduced_null);
  if (!(smallest > 0.1 * options_.null_tolerance)) {
    return unresolved;
  }
  reduced_.invert(S);
  return -1;
}

// ---- Products and blocks ---------------------------------------------------------------------------------

Dense EliminatedInverse::apply(const Dense& X) const {
  Dense T(s_.reduced_size(), X.cols());
  for (Index i = 0; i < s_.kept_blocks(); ++i) {
    T.middleRows(s_.reduced_offset[at(i)], s_.kept_size(i)) =
        X.middleRows(s_.kept_offset[at(i)], s_.kept_size(i));
  }
  for (Index e = 0; e < s_.eliminated_blocks(); ++e) {
    const Dense t = pivot_inverse(e) * X.middleRows(s_.eliminated_offset[at(e)], s_.eliminated_size(e));
    for (Index k = s_.coupling_start[at(e)]; k < s_.coupling_start[at(e) + 1]; ++k) {
      const Index i = s_.coupling_kept[at(k)];
      T.middleRows(s_.reduced_offset[at(i)], s_.kept_size(i)).noalias() -= coupling(e, k).transpose() * t;
    }
  }
  reduced_.apply(T);
  Dense out;
  extend(T, out);
  for (Index e = 0; e < s_.eliminated_blocks(); ++e) {
    const Index p = s_.eliminated_size(e);
    out.middleRows(s_.eliminated_offset[at(e)], p).noalias() +=
        pivot_inverse(e) * X.middleRows(s_.eliminated_offset[at(e)], p);
  }
  return out;
}

bool EliminatedInverse::reduced_block(Index i, Index j, Eigen::Ref<Dense> out) const {
  const double* found = reduced_.block(std::min(i, j), std::max(i, j));
  if (found == nullptr) {
    return false;
  }
  if (i <= j) {
    out = Eigen::Map<const Dense>(found, s_.kept_size(i), s_.kept_size(j));
  } else {
    out = Eigen::Map<const Dense>(found, s_.kept_size(j), s_.kept_size(i)).transpose();
  }
  return true;
}

bool EliminatedInverse::block(Index i, Index j, Dense& out) const {
  const Arms rows = arms(i);
  const Arms cols = i == j ? rows : arms(j);
  Dense between(rows.weights.cols(), cols.weights.cols());
  Index first_row = 0;
  for (const auto* a = rows.begin; a != rows.end; ++a) {
    const Index height = s_.kept_size(*a);
    Index first_col = 0;
    for (const auto* b = cols.begin; b != cols.end; ++b) {
      const Index width = s_.kept_size(*b);
      if (!reduced_block(*a, *b, between.block(first_row, first_col, height, width))) {
        return false;
      }
      first_col += width;
    }
    first_row += height;
  }
  out.noalias() = rows.weights * between * cols.weights.transpose();
  if (i == j && !place_[at(i)].kept) {
    out += pivot_inverse(place_[at(i)].position);
  }
  return true;
}

Dense EliminatedInverse::column(Index j) const {
  const Arms from = arms(j);
  Dense out = Dense::Zero(s_.reduced_size(), from.weights.rows());
  Index first = 0;
  for (const auto* b = from.begin; b != from.end; ++b) {
    const Index width = s_.kept_size(*b);
    out.middleRows(s_.reduced_offset[at(*b)], width) = from.weights.middleCols(first, width).transpose();
    first += width;
  }
  reduced_.apply(out);
  return out;
}

Dense EliminatedInverse::row(Index i, const Dense& column) const {
  const Arms to = arms(i);
  Dense out = Dense::Zero(to.weights.rows(), column.cols());
  Index first = 0;
  for (const auto* a = to.begin; a != to.end; ++a) {
    const Index height = s_.kept_size(*a);
    out.noalias() +=
        to.weights.middleCols(first, height) * column.middleRows(s_.reduced_offset[at(*a)], height);
    first += height;
  }
  return out;
}

}  // namespace kappa::detail
