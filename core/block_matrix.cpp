// Products with a symmetric block-sparse matrix of which the upper triangle is stored.
//
//   y_j = sum over i < j of B_ij' v_i  +  B_jj v_j  +  sum over k > j of B_jk v_k
//
// Each entry of y has one owner, which adds the terms in this order; the bits are then those of a sweep over
// the rows on one thread. An owner of a range of block rows looks in each row above it for the columns of
// its range by bisection. Cost: 2 flops per stored number off the diagonal and 1 on it; nothing is allocated.
#include "kappa/block_matrix.h"

#include <algorithm>

#include "core/parallel.h"

namespace kappa {
namespace {

std::size_t at(Index i) {
  return static_cast<std::size_t>(i);
}

/// y += B v for a dense block.
void add_product(ConstMatrixRef B, const double* v, double* y) {
  for (Index j = 0; j < B.cols; ++j) {
    const double vj = v[j];
    const double* column = B.column(j);
    for (Index i = 0; i < B.rows; ++i) {
      y[i] += column[i] * vj;
    }
  }
}

/// y += B' v for a dense block.
void add_transpose_product(ConstMatrixRef B, const double* v, double* y) {
  for (Index j = 0; j < B.cols; ++j) {
    const double* column = B.column(j);
    double sum = 0;
    for (Index i = 0; i < B.rows; ++i) {
      sum += column[i] * v[i];
    }
    y[j] += sum;
  }
}

/// The entries of y of block rows [first, last).
void multiply_rows(const BlockMatrix& B, Index first, Index last, const double* v, double* y) {
  const BlockStructure& s = B.structure;
  std::fill(y + s.offset[at(first)], y + s.offset[at(last)], 0.0);
  for (Index i = 0; i < last; ++i) {
    Index k = s.row_start[at(i)];
    const Index end = s.row_start[at(i) + 1];
    if (i >= first) {
      add_product(B.block(i, k), v + s.offset[at(i)], y + s.offset[at(i)]);
      ++k;
    } else {
      const auto begin = s.column.begin() + k + 1;
      k = std::lower_bound(begin, s.column.begin() + end, static_cast<std::int32_t>(first)) -
          s.column.begin();
    }
    for (; k < end; ++k) {
      const Index j = s.column[at(k)];
      if (i >= first) {
        add_product(B.block(i, k), v + s.offset[at(j)], y + s.offset[at(i)]);
      }
      if (j < last) {
        add_transpose_product(B.block(i, k), v + s.offset[at(i)], y + s.offset[at(j)]);
      } else if (i < first) {
        break;
      }
    }
  }
}

}  // namespace

void BlockMatrix::multiply(ConstVectorRef v, VectorRef out) const {
  expects(static_cast<Index>(v.size()) == structure.size() && v.size() == out.size(),
          "BlockMatrix::multiply: the vectors do not have the matrix's size");
  const Index blocks = structure.offset.empty() ? 0 : structure.blocks();
  if (blocks == 0) {
    return;
  }
  const auto work = 2.0 * static_cast<double>(values.size());
  if (work < detail::parallel_threshold) {
    multiply_rows(*this, 0, blocks, v.data(), out.data());
    return;
  }
  // Every owner passes over all rows above its own, so there are few of them. A row's work is its own blocks
  // and those above its diagonal, of which a share by its size is supposed: finding out would be a sweep.
  constexpr Index most_owners = 16;
  const double total = static_cast<double>(structure.values());
  const auto work_before = [&](Index row) {
    const Index stored = structure.value_start[at(structure.row_start[at(row)])];
    return static_cast<double>(stored) +
           total * static_cast<double>(structure.offset[at(row)]) / static_cast<double>(structure.size());
  };
  const auto first_row = [&](Index owner) {
    const double share = 2.0 * total * static_cast<double>(owner) / most_owners;
    Index low = 0;
    Index high = blocks;
    while (low < high) {
      const Index middle = low + (high - low) / 2;
      if (work_before(middle) < share) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    return low;
  };
  detail::for_each_chunk(most_owners, work, [&](Index owner) {
    const Index first = first_row(owner);
    const Index last = owner + 1 == most_owners ? blocks : first_row(owner + 1);
    if (first < last) {
      multiply_rows(*this, first, last, v.data(), out.data());
    }
  });
}

void BlockMatrix::diagonal(VectorRef out) const {
  expects(static_cast<Index>(out.size()) == structure.size(),
          "BlockMatrix::diagonal: the vector does not have the matrix's size");
  for (Index i = 0; i + 1 < static_cast<Index>(structure.offset.size()); ++i) {
    const ConstMatrixRef B = block(i, structure.row_start[at(i)]);
    for (Index k = 0; k < B.rows; ++k) {
      out[at(structure.offset[at(i)] + k)] = B(k, k);
    }
  }
}

void BlockMatrix::dense(MatrixRef out) const {
  const Index n = structure.size();
  expects(out.rows == n && out.cols == n, "BlockMatrix::dense: the result does not have the matrix's size");
  for (Index j = 0; j < n; ++j) {
    std::fill(out.column(j), out.column(j) + n, 0.0);
  }
  for (Index i = 0; i + 1 < static_cast<Index>(structure.offset.size()); ++i) {
    for (Index k = structure.row_start[at(i)]; k < structure.row_start[at(i) + 1]; ++k) {
      const ConstMatrixRef B = block(i, k);
      const Index row = structure.offset[at(i)];
      const Index col = structure.offset[at(structure.column[at(k)])];
      for (Index c = 0; c < B.cols; ++c) {
        for (Index r = 0; r < B.rows; ++r) {
          out(row + r, col + c) = B(r, c);
          out(col + c, row + r) = B(r, c);
        }
      }
    }
  }
}

}  // namespace kappa
