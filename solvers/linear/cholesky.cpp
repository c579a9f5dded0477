#include "solvers/linear/cholesky.h"

#include <algorithm>
#include <cmath>

#include "core/parallel.h"
#include "core/vector.h"
#include "solvers/linear/dense_kernels.h"

namespace kappa::detail {
namespace {

constexpr Index small_limit = 96;
constexpr Index panel = 96;  // columns factored at once
constexpr Index tile = 12;   // strips of a tile
constexpr Index line = 8;    // doubles

std::size_t at(Index i) {
  return static_cast<std::size_t>(i);
}

}  // namespace

MatrixRef Cholesky::matrix(Index n) {
  n_ = n;
  a_.resize(at(n * n));
  return {a_.data(), n, n, n};
}

Index Cholesky::factor(double floor, ConstVectorRef reference) {
  least_.resize(at(n_));
  for (Index k = 0; k < n_; ++k) {
    least_[at(k)] = floor * std::abs(reference.empty() ? a_[at(k + k * n_)] : reference[at(k)]);
  }
  return n_ <= small_limit ? factor_columns(0, n_, n_) : factor_blocked();
}

/// The columns [first, last) of the lower triangle, from which the columns before `first` have been
/// subtracted; rows up to `end`. Returns -1 or the index of the failed pivot.
Index Cholesky::factor_columns(Index first, Index last, Index end) {
  const Index n = n_;
  for (Index j = first; j < last; ++j) {
    double* y = a_.data() + j * n;
    // Four earlier columns at a time, so that the target is loaded and stored a quarter as often.
    Index k = first;
    for (; k + 4 <= j; k += 4) {
      const double* c0 = a_.data() + k * n;
      const double* c1 = c0 + n;
      const double* c2 = c1 + n;
      const double* c3 = c2 + n;
      const double f0 = c0[j];
      const double f1 = c1[j];
      const double f2 = c2[j];
      const double f3 = c3[j];
      for (Index i = j; i < end; ++i) {
        y[i] -= (c0[i] * f0 + c1[i] * f1) + (c2[i] * f2 + c3[i] * f3);
      }
    }
    for (; k < j; ++k) {
      const double* c = a_.data() + k * n;
      add_scaled(-c[j], c + j, y + j, end - j);
    }
    const double pivot = y[j];
    if (!(pivot > least_[at(j)]) || pivot == infinity) {
      pivot_ = pivot;
      return j;
    }
    const double root = std::sqrt(pivot);
    const double inverse = 1 / root;
    y[j] = root;
    for (Index i = j + 1; i < end; ++i) {
      y[i] *= inverse;
    }
  }
  return -1;
}

/// Right-looking: a panel is factored and subtracted from the tiles behind it, each of which has one owner,
/// so that the bits do not depend on the number of threads.
Index Cholesky::factor_blocked() {
  const auto padded = [](Index rows) { return (rows + strip_rows - 1) / strip_rows * strip_rows; };
  packed_.resize(at((padded(n_) + panel + 1) * panel + line));
  const auto misfit = reinterpret_cast<std::uintptr_t>(packed_.data()) % (line * sizeof(double));
  double* triangle = packed_.data() + (misfit == 0 ? 0 : line - misfit / sizeof(double));
  double* inverse = triangle + panel * panel;
  double* strips = inverse + panel;
  for (Index first = 0; first < n_; first += panel) {
    const Index last = std::min(first + panel, n_);
    const Index failed = factor_columns(first, last, last);
    if (failed >= 0 || last == n_) {
      // After a failure the rows below are not needed, its own row is complete.
      return failed;
    }
    for (Index c = 0; c < panel; ++c) {
      const double* column = a_.data() + first + (first + c) * n_;
      inverse[c] = 1 / column[c];
      for (Index r = c / strip_rows * strip_rows; r < panel; ++r) {
        triangle[(r / strip_rows * panel + c) * strip_rows + r % strip_rows] = column[r];
      }
    }
    const Index rows = n_ - last;
    const auto left = static_cast<double>(rows);
    const Partition tiles{padded(rows) / strip_rows, tile};
    for_each_chunk(tiles.chunks(), 0.5 * left * static_cast<double>(panel * panel), [&](Index i) {
      dense_kernels().solve({.a = a_.data() + last + first * n_,
                             .stride = n_,
                             .rows = rows,
                             .columns = panel,
                             .triangle = triangle,
                             .inverse = inverse,
                             .strips = strips,
                             .begin = tiles.begin(i),
                             .end = tiles.end(i)});
    });
    const Index count = tiles.chunks() * (tiles.chunks() + 1) / 2;
    for_each_chunk(count, 0.5 * left * left * static_cast<double>(panel), [&](Index t) {
      // Tile (i, j), i >= j, by rows.
      Index i = 0;
      for (; (i + 1) * (i + 2) / 2 <= t; ++i) {
      }
      const Index j = t - i * (i + 1) / 2;
      dense_kernels().update({.c = a_.data() + last + last * n_,
                              .stride = n_,
                              .rows = rows,
                              .columns = panel,
                              .strips = strips,
                              .row_begin = tiles.begin(i),
                              .row_end = tiles.end(i),
                              .column_begin = tiles.begin(j),
                              .column_end = tiles.end(j)});
    });
  }
  return -1;
}

void Cholesky::solve_lower(VectorRef b) const {
  for (Index k = 0; k < n_; ++k) {
    const double* column = a_.data() + k * n_;
    b[at(k)] /= column[k];
    add_scaled(-b[at(k)], column + k + 1, b.data() + k + 1, n_ - k - 1);
  }
}

void Cholesky::solve_upper(VectorRef b) const {
  for (Index k = n_ - 1; k >= 0; --k) {
    const double* column = a_.data() + k * n_;
    b[at(k)] = (b[at(k)] - dot(column + k + 1, b.data() + k + 1, n_ - k - 1)) / column[k];
  }
}

}  // namespace kappa::detail
