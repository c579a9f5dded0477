#include "solvers/linear/cholesky.h"

#include <Eigen/Core>
#include <algorithm>
#include <cmath>

#include "core/parallel.h"
#include "core/vector.h"

namespace kappa::detail {
namespace {

constexpr Index small_limit = 96;
constexpr Index panel = 64;  // columns factored at once
constexpr Index tile = 128;  // rows of a tile: Eigen's packing of a tile and a panel stays on the stack

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

/// Rows [begin, end) of the columns [first, last): divided by the triangle of these columns.
void Cholesky::solve_rows(Index first, Index last, Index begin, Index end) {
  for (Index j = first; j < last; ++j) {
    double* y = a_.data() + j * n_;
    for (Index k = first; k < j; ++k) {
      const double* c = a_.data() + k * n_;
      add_scaled(-c[j], c + begin, y + begin, end - begin);
    }
    const double inverse = 1 / y[j];
    for (Index i = begin; i < end; ++i) {
      y[i] *= inverse;
    }
  }
}

/// Right-looking: a panel is factored and subtracted from the tiles behind it, each of which has one owner,
/// so that the bits do not depend on the number of threads.
Index Cholesky::factor_blocked() {
  using Block = Eigen::Map<Eigen::MatrixXd, 0, Eigen::OuterStride<>>;
  const auto block = [&](Index row, Index column, Index rows, Index columns) {
    return Block(a_.data() + row + column * n_, rows, columns, Eigen::OuterStride<>(n_));
  };
  for (Index first = 0; first < n_; first += panel) {
    const Index last = std::min(first + panel, n_);
    const Index failed = factor_columns(first, last, last);
    if (failed >= 0) {
      // Rows below it in its panel are not needed, its own row is complete.
      return failed;
    }
    const Partition rows{n_ - last, tile};
    const Index tiles = rows.chunks();
    const auto left = static_cast<double>(n_ - last);
    for_each_chunk(tiles, 0.5 * left * static_cast<double>(panel * panel),
                   [&](Index i) { solve_rows(first, last, last + rows.begin(i), last + rows.end(i)); });
    for_each_chunk(tiles * (tiles + 1) / 2, 0.5 * left * left * static_cast<double>(panel), [&](Index t) {
      // Tile (i, j), i >= j, by rows.
      Index i = 0;
      for (; (i + 1) * (i + 2) / 2 <= t; ++i) {
      }
      const Index j = t - i * (i + 1) / 2;
      const Index height = rows.end(i) - rows.begin(i);
      const Index width = rows.end(j) - rows.begin(j);
      block(last + rows.begin(i), last + rows.begin(j), height, width).noalias() -=
          block(last + rows.begin(i), first, height, last - first) *
          block(last + rows.begin(j), first, width, last - first).transpose();
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
