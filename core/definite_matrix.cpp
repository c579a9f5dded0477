#include "core/definite_matrix.h"

#include <algorithm>
#include <cmath>

#include "core/parallel.h"
#include "core/scratch.h"

namespace kappa::detail {

namespace {

std::size_t at(Index i) {
  return static_cast<std::size_t>(i);
}

bool stopped(const Interrupt* interrupt) {
  return interrupt != nullptr && interrupt->requested();
}

double cost(Index a, Index b, Index c) {
  return static_cast<double>(a) * static_cast<double>(b) * static_cast<double>(c);
}

/// Block (i, j) of c: the product of block rows i of a and j of b over the columns [begin, end).
void multiply_block(SliverRef a, SliverRef b, SliverRef c, BlockPlace block, Index begin, Index end) {
  const Index row = a.block_begin(block.row);
  const Index column = b.block_begin(block.column);
  front_kernels().multiply({.a = a.at(row, begin),
                            .a_next = a.next(),
                            .b = b.at(column, begin),
                            .b_next = b.next(),
                            .c = c.at(row, column),
                            .c_next = c.next(),
                            .rows = (a.block_end(block.row) - row) / sliver,
                            .columns = (b.block_end(block.column) - column) / sliver,
                            .depth = end - begin});
}

}  // namespace

BlockPlace lower_block(Index t) {
  Index i = 0;
  for (; (i + 1) * (i + 2) / 2 <= t; ++i) {
  }
  return {i, t - i * (i + 1) / 2};
}

SliverRef DefiniteMatrix::matrix(Index n) {
  size_ = n;
  rows_.resize(n, 2);
  return rows_.ref();
}

Panel DefiniteMatrix::panel() {
  const SliverRef a = rows_.ref();
  return {.data = a.data, .width = a.padded, .triangle = a.padded / sliver, .below = 0};
}

/// Left-looking by columns of blocks: what is left of them is subtracted, the triangle is factored, and the
/// rows below are divided by it.
DenseStatus DefiniteMatrix::factor(const Interrupt* interrupt) {
  const SliverRef a = rows_.ref();
  for (Index i = size_; i < a.padded; ++i) {
    for (Index j = 0; j <= i; ++j) {
      a(i, j) = i == j ? 1 : 0;
    }
  }
  least_.resize(at(a.padded));
  inverse_.resize(at(a.padded));
  for (Index i = 0; i < a.padded; ++i) {
    least_[at(i)] = static_cast<double>(size_) * epsilon * std::abs(a(i, i));
  }
  const FrontKernels& kernels = front_kernels();
  for (Index b = 0; b < a.blocks(); ++b) {
    if (stopped(interrupt)) {
      return DenseStatus::interrupted;
    }
    const Index first = a.block_begin(b);
    const Index last = a.block_end(b);
    const Index width = last - first;
    const auto slivers_of = [&](Index block, auto body) {
      body(a.block_begin(block) / sliver, a.block_end(block) / sliver);
    };
    if (b > 0) {
      for_each_chunk(a.blocks() - b, cost(a.padded - first, width, first), [&](Index c) {
        slivers_of(b + c, [&](Index begin, Index end) {
          kernels.subtract_columns(panel(), first, last, begin, end);
        });
      });
    }
    failed_ = kernels.factor_triangle(panel(), first, last, least_.data(), inverse_.data(), &pivot_);
    if (failed_ >= 0) {
      return DenseStatus::indefinite;
    }
    for_each_chunk(a.blocks() - b - 1, 0.5 * cost(a.padded - last, width, width), [&](Index c) {
      slivers_of(b + 1 + c, [&](Index begin, Index end) {
        kernels.solve_rows(panel(), first, last, inverse_.data(), begin, end);
      });
    });
  }
  return DenseStatus::ok;
}

void DefiniteMatrix::solve_lower(VectorRef b) {
  Scratch<double> padded(static_cast<Index>(inverse_.size()));
  std::fill(std::copy(b.begin(), b.end(), padded.data()), padded.data() + inverse_.size(), 0.0);
  front_kernels().forward(panel(), inverse_.data(), padded.data());
  std::copy_n(padded.data(), b.size(), b.begin());
}

void DefiniteMatrix::solve_upper(VectorRef b) {
  Scratch<double> padded(static_cast<Index>(inverse_.size()));
  std::fill(std::copy(b.begin(), b.end(), padded.data()), padded.data() + inverse_.size(), 0.0);
  front_kernels().backward(panel(), inverse_.data(), padded.data());
  std::copy_n(padded.data(), b.size(), b.begin());
}

/// U L' = I by columns of blocks. Block row r of U begins with its block on the diagonal, so it is solved for
/// with the part of L from there on, which is a panel of its own.
DenseStatus DefiniteMatrix::invert_factor(const Interrupt* interrupt) {
  const SliverRef a = rows_.ref();
  const SliverRef u = upper();
  const FrontKernels& kernels = front_kernels();
  for (Index b = 0; b < a.blocks(); ++b) {
    if (stopped(interrupt)) {
      return DenseStatus::interrupted;
    }
    const Index first = a.block_begin(b);
    const Index last = a.block_end(b);
    for_each_chunk(b + 1, 0.5 * cost(last - first, last, last), [&](Index r) {
      const Index top = a.block_begin(r);
      for (Index i = top; i < a.block_end(r); i += sliver) {
        std::fill_n(u.at(i, first), sliver * (last - first), 0.0);
        for (Index k = i; r == b && k < i + sliver; ++k) {
          u(k, k) = 1;
        }
      }
      const Panel part = {.data = a.at(top, top), .width = a.padded, .triangle = 0, .below = 0};
      const Index begin = a.padded / sliver;
      const Index end = begin + (a.block_end(r) - top) / sliver;
      if (r < b) {
        kernels.subtract_columns(part, first - top, last - top, begin, end);
      }
      kernels.solve_rows(part, first - top, last - top, inverse_.data() + top, begin, end);
    });
  }
  return DenseStatus::ok;
}

DenseStatus outer_product(SliverRef upper, SliverRef out, const Interrupt* interrupt) {
  const Index n = upper.padded;
  for_each_chunk(lower_blocks(out.blocks()), cost(n, n, n) / 6, [&](Index t) {
    const BlockPlace block = lower_block(t);
    if (!stopped(interrupt)) {
      multiply_block(upper, upper, out, block, out.block_begin(block.row), n);
    }
  });
  return stopped(interrupt) ? DenseStatus::interrupted : DenseStatus::ok;
}

void transpose_upper(SliverRef upper, SliverRef out) {
  const Index n = upper.padded;
  for_each_chunk(lower_blocks(out.blocks()), 0.5 * cost(n, n, 1), [&](Index t) {
    const BlockPlace block = lower_block(t);
    const Index row_end = out.block_end(block.row);
    const Index column_end = out.block_end(block.column);
    for (Index i = out.block_begin(block.row); i < row_end; i += sliver) {
      for (Index j = out.block_begin(block.column); j < column_end; j += sliver) {
        const double* from = upper.at(j, i);
        double* to = out.at(i, j);
        for (Index c = 0; c < sliver; ++c) {
          for (Index r = 0; r < sliver; ++r) {
            to[c * sliver + r] = from[r * sliver + c];
          }
        }
      }
    }
  });
}

DenseStatus congruence(SliverRef lower, SliverRef s, SliverRef scratch, const Interrupt* interrupt) {
  const Index n = lower.padded;
  const Index blocks = lower.blocks();
  for_each_chunk(blocks * blocks, cost(n, n, n) / 2, [&](Index t) {
    const BlockPlace block = {t / blocks, t % blocks};
    if (!stopped(interrupt)) {
      multiply_block(lower, s, scratch, block, 0, lower.block_end(block.row));
    }
  });
  for_each_chunk(lower_blocks(blocks), cost(n, n, n) / 6, [&](Index t) {
    const BlockPlace block = lower_block(t);
    if (!stopped(interrupt)) {
      multiply_block(scratch, lower, s, block, 0, lower.block_end(block.column));
    }
  });
  return stopped(interrupt) ? DenseStatus::interrupted : DenseStatus::ok;
}

}  // namespace kappa::detail
