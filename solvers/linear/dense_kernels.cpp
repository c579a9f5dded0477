#include "solvers/linear/dense_kernels.h"

#include <algorithm>

#include "core/wide_vectors.h"

namespace kappa::detail {
namespace {

/// How many sums are in registers: Strips of 8 rows, as vectors of Lanes, by Columns.
template <int Lanes_, int Strips_, int Columns_>
struct Tile {
  using Vec = typename Vector<Lanes_>::type;
  static constexpr int lanes = Lanes_;
  static constexpr int strips = Strips_;
  static constexpr int columns = Columns_;
  static constexpr int in_strip = static_cast<int>(strip_rows) / Lanes_;
  static constexpr int vectors = Strips_ * in_strip;
  static constexpr Index rows = Strips_ * strip_rows;
  using Sums = Vec[Columns_][vectors];
  using One = Tile<Lanes_, 1, Columns_>;
};

/// Where vector v of a column begins in packed strips that are `apart` doubles from each other.
template <class T>
[[gnu::always_inline]] inline Index packed_at(int v, Index apart) {
  return (v / T::in_strip) * apart + (v % T::in_strip) * T::lanes;
}

/// sum += the product of columns of the strip `b` and the strips of `a`.
template <class T>
[[gnu::always_inline]] inline void multiply(const double* a, Index apart, const double* b, Index depth,
                                            typename T::Sums& sum) {
  using Vec = typename T::Vec;
  for (Index k = 0; k < depth; ++k) {
    Vec rows[T::vectors];
#pragma GCC unroll 8
    for (int v = 0; v < T::vectors; ++v) {
      rows[v] = *reinterpret_cast<const Vec*>(a + packed_at<T>(v, apart) + k * strip_rows);
    }
#pragma GCC unroll 8
    for (int j = 0; j < T::columns; ++j) {
      const double factor = b[k * strip_rows + j];
#pragma GCC unroll 8
      for (int v = 0; v < T::vectors; ++v) {
        sum[j][v] += rows[v] * factor;
      }
    }
  }
}

/// X of the strips from `first` on.
template <class T>
[[gnu::always_inline]] inline void solve_strips(const PanelTask& t, Index first) {
  using Vec = typename T::Vec;
  const Index apart = t.columns * strip_rows;
  double* x = t.strips + first * apart;
  const Index row = first * strip_rows;
  const Index valid = std::min(t.rows - row, T::rows);
  for (Index c = 0; c < t.columns; c += T::columns) {
    const double* triangle = t.triangle + (c / strip_rows) * apart + c % strip_rows;
    typename T::Sums sum = {};
    multiply<T>(x, apart, triangle, c, sum);
#pragma GCC unroll 8
    for (int j = 0; j < T::columns; ++j) {
      const double* from = t.a + row + (c + j) * t.stride;
      alignas(64) double rows[T::rows] = {};
      if (valid < T::rows) {
        std::copy_n(from, valid, rows);
        from = rows;
      }
#pragma GCC unroll 8
      for (int v = 0; v < T::vectors; ++v) {
        sum[j][v] = *reinterpret_cast<const Vec*>(from + v * T::lanes) - sum[j][v];
      }
    }
#pragma GCC unroll 8
    for (int j = 0; j < T::columns; ++j) {
#pragma GCC unroll 8
      for (int i = 0; i < j; ++i) {
        const double factor = triangle[(c + i) * strip_rows + j];
#pragma GCC unroll 8
        for (int v = 0; v < T::vectors; ++v) {
          sum[j][v] -= sum[i][v] * factor;
        }
      }
      const double inverse = t.inverse[c + j];
      alignas(64) double rows[T::rows];
#pragma GCC unroll 8
      for (int v = 0; v < T::vectors; ++v) {
        sum[j][v] *= inverse;
        *reinterpret_cast<Vec*>(x + packed_at<T>(v, apart) + (c + j) * strip_rows) = sum[j][v];
        *reinterpret_cast<Vec*>(rows + v * T::lanes) = sum[j][v];
      }
      std::copy_n(rows, valid, t.a + row + (c + j) * t.stride);
    }
  }
}

/// C -= X X' for the row strips from `i` on and the column strip `j`.
template <class T>
[[gnu::always_inline]] inline void update_strips(const UpdateTask& t, Index i, Index j) {
  using Vec = typename T::Vec;
  const Index apart = t.columns * strip_rows;
  const Index row = i * strip_rows;
  const bool whole = row + T::rows <= t.rows && (j + 1) * strip_rows <= t.rows;
#pragma GCC unroll 1
  for (Index c = 0; c < strip_rows; c += T::columns) {
    const Index column = j * strip_rows + c;
    double* to = t.c + row + column * t.stride;
    for (int q = 0; whole && q < T::columns; ++q) {
      for (Index r = 0; r < T::rows; r += strip_rows) {
        __builtin_prefetch(to + q * t.stride + r, 1);
      }
      __builtin_prefetch(to + q * t.stride + T::rows - 1, 1);
    }
    typename T::Sums sum = {};
    multiply<T>(t.strips + i * apart, apart, t.strips + j * apart + c, t.columns, sum);
    if (whole) {
#pragma GCC unroll 8
      for (int q = 0; q < T::columns; ++q) {
#pragma GCC unroll 8
        for (int v = 0; v < T::vectors; ++v) {
          *reinterpret_cast<Vec*>(to + q * t.stride + v * T::lanes) -= sum[q][v];
        }
      }
      continue;
    }
    alignas(64) double rows[T::columns][T::rows];
    for (int q = 0; q < T::columns; ++q) {
      for (int v = 0; v < T::vectors; ++v) {
        *reinterpret_cast<Vec*>(rows[q] + v * T::lanes) = sum[q][v];
      }
    }
    const Index valid = std::min(t.rows - row, T::rows);
    for (Index q = 0; q < std::min<Index>(T::columns, t.rows - column); ++q) {
      for (Index r = 0; r < valid; ++r) {
        to[r + q * t.stride] -= rows[q][r];
      }
    }
  }
}

template <class T>
[[gnu::always_inline]] inline void solve_panel(const PanelTask& t) {
  Index i = t.begin;
  for (; i + T::strips <= t.end; i += T::strips) {
    solve_strips<T>(t, i);
  }
  for (; i < t.end; ++i) {
    solve_strips<typename T::One>(t, i);
  }
}

template <class T>
[[gnu::always_inline]] inline void update_tile(const UpdateTask& t) {
  Index i = t.row_begin;
  for (; i + T::strips <= t.row_end; i += T::strips) {
    for (Index j = t.column_begin; j < std::min(t.column_end, i + T::strips); ++j) {
      update_strips<T>(t, i, j);
    }
  }
  for (; i < t.row_end; ++i) {
    for (Index j = t.column_begin; j < std::min(t.column_end, i + 1); ++j) {
      update_strips<typename T::One>(t, i, j);
    }
  }
}

// 24 x 8 sums are 24 of 32 registers of 512 bits, 8 x 4 are 8 of 16 with 256, 8 x 2 are 8 of 16 with 128.
KAPPA_VECTORS_512 void solve_512(const PanelTask& t) {
  solve_panel<Tile<8, 3, 8>>(t);
}
KAPPA_VECTORS_512 void update_512(const UpdateTask& t) {
  update_tile<Tile<8, 3, 8>>(t);
}
KAPPA_VECTORS_256 void solve_256(const PanelTask& t) {
  solve_panel<Tile<4, 1, 4>>(t);
}
KAPPA_VECTORS_256 void update_256(const UpdateTask& t) {
  update_tile<Tile<4, 1, 4>>(t);
}
void solve_128(const PanelTask& t) {
  solve_panel<Tile<2, 1, 2>>(t);
}
void update_128(const UpdateTask& t) {
  update_tile<Tile<2, 1, 2>>(t);
}

}  // namespace

const DenseKernels& dense_kernels() {
  static constexpr DenseKernels by_512 = {solve_512, update_512};
  static constexpr DenseKernels by_256 = {solve_256, update_256};
  static constexpr DenseKernels by_128 = {solve_128, update_128};
  static const int width = vector_width();
  return width == 512 ? by_512 : width == 256 ? by_256 : by_128;
}

}  // namespace kappa::detail
