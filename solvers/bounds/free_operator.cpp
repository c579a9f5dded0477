#include "solvers/bounds/free_operator.h"

#include <algorithm>
#include <cmath>

#include "core/vector.h"

namespace kappa::detail {
namespace {

std::size_t at(Index i) {
  return static_cast<std::size_t>(i);
}

}  // namespace

void FreeOperator::reserve(Index size, Index most_held) {
  most_held_ = most_held;
  scratch_.resize(at(size));
  free_part_.resize(at(size));
  held_diagonal_.resize(at(most_held));
}

void FreeOperator::restrict(const SymmetricOperator& B, std::span<const Index> held, ConstVectorRef shift) {
  expects(B.size() == static_cast<Index>(scratch_.size()) && held.size() <= held_diagonal_.size(),
          "FreeOperator: reserve comes before restrict");
  B_ = &B;
  held_ = held;
  shift_ = shift;
  blocks_filled_ = root_filled_ = false;
  const bool known = B.diagonal(scratch_);
  for (std::size_t k = 0; k < held.size(); ++k) {
    const double entry = known ? std::fabs(scratch_[at(held[k])]) : 0.0;
    held_diagonal_[k] = entry > 0 && std::isfinite(entry) ? entry : 1.0;
  }
}

ConstVectorRef FreeOperator::without_held(ConstVectorRef v) const {
  std::copy(v.begin(), v.end(), free_part_.begin());
  for (const Index i : held_) {
    free_part_[at(i)] = 0;
  }
  return free_part_;
}

void FreeOperator::multiply(ConstVectorRef v, VectorRef out) const {
  B().multiply(without_held(v), out);
  for (std::size_t k = 0; k < held_.size(); ++k) {
    out[at(held_[k])] = held_diagonal_[k] * v[at(held_[k])];
  }
}

bool FreeOperator::diagonal(VectorRef out) const {
  if (!B().diagonal(out)) {
    return false;
  }
  for (std::size_t k = 0; k < held_.size(); ++k) {
    out[at(held_[k])] = held_diagonal_[k];
  }
  return true;
}

bool FreeOperator::dense(MatrixRef out) const {
  if (!B().dense(out)) {
    return false;
  }
  for (std::size_t k = 0; k < held_.size(); ++k) {
    const Index i = held_[k];
    for (Index j = 0; j < out.rows; ++j) {
      out(i, j) = 0;
      out(j, i) = 0;
    }
    out(i, i) = held_diagonal_[k];
  }
  return true;
}

SolveKind FreeOperator::solve_kind() const {
  const SolveKind kind = B().solve_kind();
  return kind == SolveKind::exact && !held_.empty() ? SolveKind::approximate : kind;
}

bool FreeOperator::solve_damped(double lambda, ConstVectorRef weights, ConstVectorRef rhs,
                                VectorRef out) const {
  if (!B().solve_damped(lambda, weights, without_held(rhs), out)) {
    return false;
  }
  for (std::size_t k = 0; k < held_.size(); ++k) {
    const std::size_t i = at(held_[k]);
    out[i] = rhs[i] / (held_diagonal_[k] + lambda * weights[i]);
  }
  return true;
}

const BlockMatrix* FreeOperator::blocks() const {
  const BlockMatrix* whole = B().blocks();
  if (whole == nullptr || blocks_filled_) {
    return whole == nullptr ? nullptr : &blocks_;
  }
  blocks_ = *whole;
  blocks_filled_ = true;
  const BlockStructure& s = blocks_.structure;
  held_in_block_.resize(at(s.blocks()) + 1);
  std::size_t next = 0;
  for (Index i = 0; i < s.blocks(); ++i) {
    held_in_block_[at(i)] = static_cast<Index>(next);
    while (next < held_.size() && held_[next] < s.offset[at(i) + 1]) {
      ++next;
    }
  }
  held_in_block_[at(s.blocks())] = static_cast<Index>(held_.size());
  for (Index i = 0; i < s.blocks(); ++i) {
    const Index rows = s.block_size(i);
    for (Index k = s.row_start[at(i)]; k < s.row_start[at(i) + 1]; ++k) {
      const Index j = s.column[at(k)];
      double* block = blocks_.values.data() + s.value_start[at(k)];
      for (Index h = held_in_block_[at(i)]; h < held_in_block_[at(i) + 1]; ++h) {
        const Index row = held_[at(h)] - s.offset[at(i)];
        for (Index c = 0; c < s.block_size(j); ++c) {
          block[row + c * rows] = 0;
        }
      }
      for (Index h = held_in_block_[at(j)]; h < held_in_block_[at(j) + 1]; ++h) {
        const Index column = held_[at(h)] - s.offset[at(j)];
        std::fill_n(block + column * rows, rows, 0.0);
        if (i == j) {
          block[column + column * rows] = held_diagonal_[at(h)];
        }
      }
    }
  }
  return &blocks_;
}

const Root* FreeOperator::root() const {
  const Root* whole = B().root();
  if (whole == nullptr || root_filled_) {
    return whole == nullptr ? nullptr : &root_;
  }
  const Index m = whole->A.rows;
  const Index n = whole->A.cols;
  const Index rows = m + most_held_;
  root_matrix_.assign(at(rows * n), 0.0);
  root_right_side_.assign(whole->c.empty() ? 0 : at(rows), 0.0);
  std::copy(whole->c.begin(), whole->c.end(), root_right_side_.begin());
  std::size_t next = 0;
  for (Index j = 0; j < n; ++j) {
    double* column = root_matrix_.data() + j * rows;
    if (next < held_.size() && held_[next] == j) {
      column[m + static_cast<Index>(next)] = std::sqrt(held_diagonal_[next]);
      ++next;
      if (!root_right_side_.empty() && !shift_.empty() && shift_[at(j)] != 0) {
        add_scaled(shift_[at(j)], whole->A.column(j), root_right_side_.data(), m);
      }
    } else {
      std::copy(whole->A.column(j), whole->A.column(j) + m, column);
    }
  }
  root_ = {{root_matrix_.data(), rows, n, rows}, root_right_side_};
  root_filled_ = true;
  return &root_;
}

bool FreeOperator::second_directional(ConstVectorRef v, VectorRef out) const {
  if (!B().second_directional(without_held(v), out)) {
    return false;
  }
  for (const Index i : held_) {
    out[at(i)] = 0;
  }
  return true;
}

}  // namespace kappa::detail
