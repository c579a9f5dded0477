#include "core/front_kernels.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace kappa::detail {
namespace {

// Everything below is inlined into one function for each kernel and vector width; a function that were not
// would be compiled without the wide vectors of its caller.
#define KAPPA_INLINE [[gnu::always_inline]] inline
#define KAPPA_INLINE_LAMBDA __attribute__((always_inline))
#define KAPPA_UNROLL _Pragma("GCC unroll 24")

constexpr Index depth = 192;  // columns of a panel multiplied at once: three slivers of them are 36 kB

/// Vectors of W doubles and masks for them. (Sizes that depend on a template's argument confuse GCC.)
template <int W>
struct VectorOf;
#define KAPPA_VECTOR_OF(W)                                                   \
  template <>                                                                \
  struct VectorOf<W> {                                                       \
    typedef double Vector __attribute__((vector_size(W * sizeof(double))));  \
    typedef long long Mask __attribute__((vector_size(W * sizeof(double)))); \
  };
KAPPA_VECTOR_OF(2)
KAPPA_VECTOR_OF(4)
KAPPA_VECTOR_OF(8)
#undef KAPPA_VECTOR_OF

/// Kernels over vectors of W doubles, at most `Slivers` slivers by `Columns` columns in registers.
template <int W, int Columns, int Slivers>
struct Kernels {
  using Vector = typename VectorOf<W>::Vector;
  using Mask = typename VectorOf<W>::Mask;
  static constexpr int V = static_cast<int>(sliver) / W;  // vectors of a sliver

  KAPPA_INLINE static void load(Vector& v, const double* p) { std::memcpy(&v, p, sizeof v); }
  KAPPA_INLINE static void store(double* p, const Vector& v) { std::memcpy(p, &v, sizeof v); }

  /// R slivers of rows by C columns, in registers.
  template <int R, int C>
  struct Tile {
    Vector at[C][R * V];

    KAPPA_INLINE void clear() {
      KAPPA_UNROLL for (int c = 0; c < C; ++c) {
        KAPPA_UNROLL for (int r = 0; r < R * V; ++r) {
          at[c][r] = Vector{};
        }
      }
    }
    /// Slivers at distances of `next_sliver`, columns at distances of `next_column`.
    KAPPA_INLINE void read(const double* p, Index next_sliver, Index next_column) {
      KAPPA_UNROLL for (int c = 0; c < C; ++c) {
        KAPPA_UNROLL for (int r = 0; r < R * V; ++r) {
          load(at[c][r], p + (r / V) * next_sliver + (r % V) * W + c * next_column);
        }
      }
    }
    /// Each sliver at its own place, its columns behind each other.
    template <class Place>
    KAPPA_INLINE void read_slivers(const Place& place) {
      KAPPA_UNROLL for (int r = 0; r < R * V; ++r) {
        const double* p = place(r / V) + (r % V) * W;
        KAPPA_UNROLL for (int c = 0; c < C; ++c) {
          load(at[c][r], p + c * sliver);
        }
      }
    }
    template <class Place>
    KAPPA_INLINE void write_slivers(const Place& place) const {
      KAPPA_UNROLL for (int r = 0; r < R * V; ++r) {
        double* p = place(r / V) + (r % V) * W;
        KAPPA_UNROLL for (int c = 0; c < C; ++c) {
          store(p + c * sliver, at[c][r]);
        }
      }
    }
    KAPPA_INLINE void write_column(int c, double* p, Index next_sliver) const {
      KAPPA_UNROLL for (int r = 0; r < R * V; ++r) {
        store(p + (r / V) * next_sliver + (r % V) * W, at[c][r]);
      }
    }
    KAPPA_INLINE void write(double* p, Index next_sliver, Index next_column) const {
      KAPPA_UNROLL for (int c = 0; c < C; ++c) {
        write_column(c, p + c * next_column, next_sliver);
      }
    }
    KAPPA_INLINE void scale_column(int c, double factor) {
      KAPPA_UNROLL for (int r = 0; r < R * V; ++r) {
        at[c][r] *= factor;
      }
    }
    KAPPA_INLINE void subtract_column(int c, int d, double factor) {
      KAPPA_UNROLL for (int r = 0; r < R * V; ++r) {
        at[d][r] -= at[c][r] * factor;
      }
    }
    /// Subtracts the product of n columns of R slivers with those of C consecutive rows of one sliver, or
    /// adds it.
    template <bool Adds = false>
    KAPPA_INLINE void subtract_product(const double* a, Index next_sliver, const double* b, Index n) {
      for (Index k = 0; k < n; ++k) {
        Vector rows[R * V];
        KAPPA_UNROLL for (int r = 0; r < R * V; ++r) {
          load(rows[r], a + (r / V) * next_sliver + (r % V) * W);
        }
        KAPPA_UNROLL for (int c = 0; c < C; ++c) {
          KAPPA_UNROLL for (int r = 0; r < R * V; ++r) {
            if constexpr (Adds) {
              at[c][r] += rows[r] * b[c];
            } else {
              at[c][r] -= rows[r] * b[c];
            }
          }
        }
        a += sliver;
        b += sliver;
      }
    }
    KAPPA_INLINE void add_product(const double* a, Index next_sliver, const double* b, Index n) {
      subtract_product<true>(a, next_sliver, b, n);
    }
  };

  /// body<C>(column) for the columns [first, last) in blocks of `Columns`; the last has what is left. Ends
  /// where a body returns false.
  template <class Body>
  KAPPA_INLINE static void each_block(Index first, Index last, const Body& body) {
    for (; first + Columns <= last; first += Columns) {
      if (!body.template operator()<Columns>(first)) {
        return;
      }
    }
    const Index left = last - first;
    each_size<1>(left, [&]<int C>() KAPPA_INLINE_LAMBDA { body.template operator()<C>(first); });
  }
  template <int C, class Body>
  KAPPA_INLINE static void each_size(Index size, const Body& body) {
    if constexpr (C < Columns) {
      if (size == C) {
        body.template operator()<C>();
      } else {
        each_size<C + 1>(size, body);
      }
    }
  }

  /// body<R>(s) for the slivers [begin, end), R = `Slivers` at a time while there are that many.
  template <class Body>
  KAPPA_INLINE static void each_group(Index begin, Index end, const Body& body) {
    for (; begin + Slivers <= end; begin += Slivers) {
      body.template operator()<Slivers>(begin);
    }
    if constexpr (Slivers > 2) {
      if (begin + 2 == end) {
        body.template operator()<2>(begin);
        return;
      }
    }
    if (begin < end) {
      body.template operator()<1>(begin);
    }
  }

  KAPPA_INLINE static void subtract_columns(const Panel& panel, Index first, Index last, Index begin,
                                            Index end) {
    const Index next = sliver * panel.width;
    for (Index from = 0; from < first; from += depth) {
      const Index n = std::min(depth, first - from);
      each_group(begin, end, [&]<int R>(Index s) KAPPA_INLINE_LAMBDA {
        double* a = panel.sliver_begin(s);
        each_block(first, last, [&]<int C>(Index column) KAPPA_INLINE_LAMBDA {
          Tile<R, C> tile;
          tile.read(a + sliver * column, next, sliver);
          tile.subtract_product(a + sliver * from, next, panel.row(column) + sliver * from, n);
          tile.write(a + sliver * column, next, sliver);
          return true;
        });
      });
    }
  }

  /// C columns of R slivers from `s` on: less the columns [first, column), divided by the triangle.
  template <int R, int C>
  KAPPA_INLINE static void solve_tile(const Panel& panel, Index first, Index column, const double* inverse,
                                      Index s) {
    const Index next = sliver * panel.width;
    double* a = panel.sliver_begin(s);
    const double* b = panel.row(column);
    double* target = a + sliver * column;
    Tile<R, C> tile;
    tile.read(target, next, sliver);
    tile.subtract_product(a + sliver * first, next, b + sliver * first, column - first);
    const double* triangle = b + sliver * column;
    KAPPA_UNROLL for (int c = 0; c < C; ++c) {
      tile.scale_column(c, inverse[column + c]);
      tile.write_column(c, target + c * sliver, next);
      KAPPA_UNROLL for (int d = c + 1; d < C; ++d) {
        tile.subtract_column(c, d, triangle[c * sliver + d]);
      }
    }
  }

  /// The triangle of C columns, whose rows begin with row Top of their sliver, and the rows of the sliver
  /// below it. Returns -1 or the failed column.
  template <int C, int Top>
  KAPPA_INLINE static Index factor_tile(const Panel& panel, Index first, Index column, const double* least,
                                        double* inverse, double* pivot) {
    double* a = panel.sliver_begin(column / sliver);
    double* target = a + sliver * column;
    Tile<1, C> tile;
    tile.read(target, 0, sliver);
    tile.subtract_product(a + sliver * first, 0, panel.row(column) + sliver * first, column - first);
    const auto entry = [&](int r, int c)
                           KAPPA_INLINE_LAMBDA { return tile.at[c][(Top + r) / W][(Top + r) % W]; };
    // The columns stay unscaled until they are written, L sqrt(D), so that no pivot waits for a square root.
    double pivots[C];
    KAPPA_UNROLL for (int c = 0; c < C; ++c) {
      const double p = entry(c, c);
      pivots[c] = p;
      const double quotient = 1 / p;
      KAPPA_UNROLL for (int d = c + 1; d < C; ++d) {
        tile.subtract_column(c, d, entry(d, c) * quotient);
      }
    }
    KAPPA_UNROLL for (int c = 0; c < C; ++c) {
      if (!(pivots[c] > least[column + c]) || pivots[c] == infinity) [[unlikely]] {
        *pivot = pivots[c];
        return column + c;
      }
    }
    KAPPA_UNROLL for (int c = 0; c < C; ++c) {
      const double factor = 1 / std::sqrt(pivots[c]);
      inverse[column + c] = factor;
      tile.scale_column(c, factor);
      tile.write_column(c, target + c * sliver, 0);
    }
    return -1;
  }

  KAPPA_INLINE static Index factor_triangle(const Panel& panel, Index first, Index last, const double* least,
                                            double* inverse, double* pivot) {
    Index failed = -1;
    const Index end = slivers(last);
    each_block(first, last, [&]<int C>(Index column) KAPPA_INLINE_LAMBDA {
      if (Columns == sliver || column % sliver == 0) {
        failed = factor_tile<C, 0>(panel, first, column, least, inverse, pivot);
      } else {
        failed =
            factor_tile<C, Columns % static_cast<int>(sliver)>(panel, first, column, least, inverse, pivot);
      }
      if (failed >= 0) {
        return false;
      }
      each_group(column / sliver + 1, end, [&]<int R>(Index s) KAPPA_INLINE_LAMBDA {
        solve_tile<R, C>(panel, first, column, inverse, s);
      });
      return true;
    });
    return failed;
  }

  KAPPA_INLINE static void solve_rows(const Panel& panel, Index first, Index last, const double* inverse,
                                      Index begin, Index end) {
    // A group through all columns before the next: it stays in the nearest cache.
    each_group(begin, end, [&]<int R>(Index s) KAPPA_INLINE_LAMBDA {
      each_block(first, last, [&]<int C>(Index column) KAPPA_INLINE_LAMBDA {
        solve_tile<R, C>(panel, first, column, inverse, s);
        return true;
      });
    });
  }

  template <bool Adds>
  KAPPA_INLINE static void square_columns(const Panel& panel, Update update, Index row, Index row_end,
                                          Index column, Index column_end, Index first, Index n) {
    const Index next = sliver * panel.width;
    const double* below = panel.sliver_begin(panel.triangle) + sliver * first;
    for (Index j = column; j < column_end; ++j) {
      each_group(std::max(row, j), row_end, [&]<int R>(Index s) KAPPA_INLINE_LAMBDA {
        // Slivers of the result grow by one square from each to the next.
        const auto target = [&](int r) KAPPA_INLINE_LAMBDA {
          return update.sliver_begin(s + r) + j * sliver * sliver;
        };
        for (Index c = 0; c < sliver; c += Columns) {
          Tile<R, Columns> tile;
          if constexpr (Adds) {
            tile.read_slivers([&](int r) KAPPA_INLINE_LAMBDA { return target(r) + c * sliver; });
          } else {
            tile.clear();
          }
          tile.subtract_product(below + s * next, next, below + j * next + c, n);
          tile.write_slivers([&](int r) KAPPA_INLINE_LAMBDA { return target(r) + c * sliver; });
        }
      });
    }
  }

  KAPPA_INLINE static void square(const Panel& panel, Update update, Index row, Index row_end, Index column,
                                  Index column_end) {
    square_columns<false>(panel, update, row, row_end, column, column_end, 0, std::min(depth, panel.width));
    for (Index k = depth; k < panel.width; k += depth) {
      square_columns<true>(panel, update, row, row_end, column, column_end, k,
                           std::min(depth, panel.width - k));
    }
  }

  KAPPA_INLINE static void multiply(const SliverProduct& p) {
    for (Index from = 0; from < p.depth; from += depth) {
      const Index n = std::min(depth, p.depth - from);
      each_group(0, p.rows, [&]<int R>(Index s) KAPPA_INLINE_LAMBDA {
        const double* a = p.a + s * p.a_next + sliver * from;
        for (Index c = 0; c < p.columns * sliver; c += Columns) {
          const double* b = p.b + (c / sliver) * p.b_next + sliver * from + c % sliver;
          double* target = p.c + s * p.c_next + sliver * c;
          Tile<R, Columns> tile;
          if (from == 0) {
            tile.clear();
          } else {
            tile.read(target, p.c_next, sliver);
          }
          tile.add_product(a, p.a_next, b, n);
          tile.write(target, p.c_next, sliver);
        }
      });
    }
  }

  /// target += source in the lanes [begin, end) of a sliver.
  struct Lanes {
    Mask mask[V];

    KAPPA_INLINE Lanes(Index begin, Index end) {
      KAPPA_UNROLL for (int r = 0; r < V; ++r) {
        Mask lane;
        KAPPA_UNROLL for (int i = 0; i < W; ++i) {
          lane[i] = r * W + i;
        }
        mask[r] = (lane >= begin) & (lane < end);
      }
    }
    KAPPA_INLINE void add(double* target, const double* source) const {
      KAPPA_UNROLL for (int r = 0; r < V; ++r) {
        Vector t;
        Vector s;
        load(t, target + r * W);
        load(s, source + r * W);
        t += reinterpret_cast<Vector>(reinterpret_cast<Mask>(s) & mask[r]);
        store(target + r * W, t);
      }
    }
  };

  /// `place(row)`: the sliver of a row of the parent, where column 0 of the parent would be.
  template <class Place>
  KAPPA_INLINE static void add_pieces(Update child, std::span<const Run> pieces, std::span<const Run> columns,
                                      const Place& place) {
    for (const Run& piece : pieces) {
      const Index row = piece.source;
      const Index lane = piece.target % sliver;
      // Lane by lane beside the target; what this shifts in from elsewhere is masked.
      const double* source = child.sliver_begin(row / sliver) + row % sliver - lane;
      double* target = place(piece.target);
      const Lanes all(lane, lane + piece.length);
      for (const Run& run : columns) {
        if (run.source >= row + piece.length) {
          break;
        }
        double* to = target + sliver * (run.target - run.source);
        const Index end = std::min<Index>(run.source + run.length, row + piece.length);
        const Index whole = std::min(end, row + 1);
        Index j = run.source;
        for (; j < whole; ++j) {
          all.add(to + sliver * j, source + sliver * j);
        }
        for (; j < end; ++j) {  // columns that begin below the piece's first row
          Lanes(lane + j - row, lane + piece.length).add(to + sliver * j, source + sliver * j);
        }
      }
    }
  }

  KAPPA_INLINE static void add_to_panel(const Panel& panel, Update child, std::span<const Run> pieces,
                                        std::span<const Run> columns) {
    add_pieces(child, pieces, columns,
               [&](Index row) KAPPA_INLINE_LAMBDA { return panel.sliver_begin(row / sliver); });
  }

  KAPPA_INLINE static void add_to_update(const Panel& panel, Update update, Update child,
                                         std::span<const Run> pieces, std::span<const Run> columns) {
    const Index above = panel.triangle;
    add_pieces(child, pieces, columns, [&](Index row) KAPPA_INLINE_LAMBDA {
      return update.sliver_begin(row / sliver - above) - sliver * sliver * above;
    });
  }

  KAPPA_INLINE static void forward(const Panel& panel, const double* inverse, double* y) {
    for (Index s = 0; s < panel.triangle; ++s) {
      const Index first = s * sliver;
      const Index rows = std::min(sliver, panel.width - first);
      const double* a = panel.sliver_begin(s);
      double own[sliver] = {};
      std::copy_n(y + first, rows, own);
      Tile<1, 1> sum;
      sum.read(own, 0, 0);
      const auto subtract = [&](const double* column, double factor) KAPPA_INLINE_LAMBDA {
        KAPPA_UNROLL for (int r = 0; r < V; ++r) {
          Vector l;
          load(l, column + r * W);
          sum.at[0][r] -= l * factor;
        }
      };
      for (Index k = 0; k < first; ++k) {
        subtract(a + k * sliver, y[k]);
      }
      a += first * sliver;
      KAPPA_UNROLL for (int c = 0; c < static_cast<int>(sliver); ++c) {
        if (c == rows) {
          break;
        }
        const double value = sum.at[0][c / W][c % W] * inverse[first + c];
        y[first + c] = value;
        subtract(a + c * sliver, value);
      }
    }
  }

  KAPPA_INLINE static void forward_below(const Panel& panel, const double* y, double* z, Index begin,
                                         Index end) {
    const Index next = sliver * panel.width;
    const auto group = [&]<int R>(Index s) KAPPA_INLINE_LAMBDA {
      const double* a = panel.sliver_begin(panel.triangle + s);
      Tile<R, 1> sum;
      sum.read(z + s * sliver, sliver, 0);
      for (Index k = 0; k < panel.width; ++k) {
        KAPPA_UNROLL for (int r = 0; r < R * V; ++r) {
          Vector l;
          load(l, a + (r / V) * next + (r % V) * W + k * sliver);
          sum.at[0][r] -= l * y[k];
        }
      }
      sum.write(z + s * sliver, sliver, 0);
    };
    constexpr int wide = W >= 4 ? W / 2 : 1;
    for (; begin + wide <= end; begin += wide) {
      group.template operator()<wide>(begin);
    }
    for (; begin < end; ++begin) {
      group.template operator()<1>(begin);
    }
  }

  KAPPA_INLINE static void backward_below(const Panel& panel, const double* z, double* y, Index first,
                                          Index last) {
    each_block(first, last, [&]<int C>(Index column) KAPPA_INLINE_LAMBDA {
      const double* a = panel.sliver_begin(panel.triangle) + column * sliver;
      Tile<1, C> sum;
      sum.clear();
      for (Index s = 0; s < panel.below; ++s) {
        KAPPA_UNROLL for (int r = 0; r < V; ++r) {
          Vector x;
          load(x, z + s * sliver + r * W);
          KAPPA_UNROLL for (int c = 0; c < C; ++c) {
            Vector l;
            load(l, a + c * sliver + r * W);
            sum.at[c][r] += l * x;
          }
        }
        a += sliver * panel.width;
      }
      double part[C * sliver];
      sum.write(part, 0, sliver);
      for (int c = 0; c < C; ++c) {
        const double* p = part + c * sliver;
        y[column + c] -= ((p[0] + p[4]) + (p[2] + p[6])) + ((p[1] + p[5]) + (p[3] + p[7]));
      }
      return true;
    });
  }

  KAPPA_INLINE static void backward(const Panel& panel, const double* inverse, double* y) {
    for (Index s = panel.triangle - 1; s >= 0; --s) {
      const Index first = s * sliver;
      const Index rows = std::min(sliver, panel.width - first);
      const double* a = panel.sliver_begin(s);
      const double* triangle = a + first * sliver;
      double own[sliver] = {};
      std::copy_n(y + first, rows, own);
      KAPPA_UNROLL for (int c = static_cast<int>(sliver) - 1; c >= 0; --c) {
        if (c >= rows) {
          continue;
        }
        own[c] *= inverse[first + c];
        KAPPA_UNROLL for (int k = 0; k < c; ++k) {
          own[k] -= triangle[k * sliver + c] * own[c];
        }
      }
      std::copy_n(own, rows, y + first);
      // The rows of this sliver leave the columns before it.
      for (Index c = 0; c < first; ++c) {
        const double* p = a + c * sliver;
        y[c] -= ((p[0] * own[0] + p[4] * own[4]) + (p[2] * own[2] + p[6] * own[6])) +
                ((p[1] * own[1] + p[5] * own[5]) + (p[3] * own[3] + p[7] * own[7]));
      }
    }
  }
};

#define KAPPA_FRONT_KERNELS(name, attribute, ...)                                                            \
  namespace name {                                                                                           \
  using K = Kernels<__VA_ARGS__>;                                                                            \
  attribute void subtract_columns(const Panel& panel, Index first, Index last, Index begin, Index end) {     \
    K::subtract_columns(panel, first, last, begin, end);                                                     \
  }                                                                                                          \
  attribute Index factor_triangle(const Panel& panel, Index first, Index last, const double* least,          \
                                  double* inverse, double* pivot) {                                          \
    return K::factor_triangle(panel, first, last, least, inverse, pivot);                                    \
  }                                                                                                          \
  attribute void solve_rows(const Panel& panel, Index first, Index last, const double* inverse, Index begin, \
                            Index end) {                                                                     \
    K::solve_rows(panel, first, last, inverse, begin, end);                                                  \
  }                                                                                                          \
  attribute void square(const Panel& panel, Update update, Index row, Index row_end, Index column,           \
                        Index column_end) {                                                                  \
    K::square(panel, update, row, row_end, column, column_end);                                              \
  }                                                                                                          \
  attribute void multiply(const SliverProduct& product) {                                                    \
    K::multiply(product);                                                                                    \
  }                                                                                                          \
  attribute void add_to_panel(const Panel& panel, Update child, std::span<const Run> pieces,                 \
                              std::span<const Run> columns) {                                                \
    K::add_to_panel(panel, child, pieces, columns);                                                          \
  }                                                                                                          \
  attribute void add_to_update(const Panel& panel, Update update, Update child, std::span<const Run> pieces, \
                               std::span<const Run> columns) {                                               \
    K::add_to_update(panel, update, child, pieces, columns);                                                 \
  }                                                                                                          \
  attribute void forward(const Panel& panel, const double* inverse, double* y) {                             \
    K::forward(panel, inverse, y);                                                                           \
  }                                                                                                          \
  attribute void forward_below(const Panel& panel, const double* y, double* z, Index begin, Index end) {     \
    K::forward_below(panel, y, z, begin, end);                                                               \
  }                                                                                                          \
  attribute void backward_below(const Panel& panel, const double* z, double* y, Index first, Index last) {   \
    K::backward_below(panel, z, y, first, last);                                                             \
  }                                                                                                          \
  attribute void backward(const Panel& panel, const double* inverse, double* y) {                            \
    K::backward(panel, inverse, y);                                                                          \
  }                                                                                                          \
  constexpr FrontKernels kernels = {subtract_columns, factor_triangle, solve_rows,    square,                \
                                    multiply,         add_to_panel,    add_to_update, forward,               \
                                    forward_below,    backward_below,  backward};                            \
  }

KAPPA_FRONT_KERNELS(plain, , 2, 4, 1)
#if defined(__x86_64__) && defined(__GNUC__)
KAPPA_FRONT_KERNELS(avx2, __attribute__((target("avx2,fma"))), 4, 4, 1)
KAPPA_FRONT_KERNELS(avx512, __attribute__((target("avx512f,avx512vl,avx512dq,fma"))), 8, 8, 3)
#endif

constexpr FrontKernels by_width[] = {
#if defined(__x86_64__) && defined(__GNUC__)
    avx512::kernels, avx2::kernels,
#endif
    plain::kernels};

std::size_t first_runnable() {
#if defined(__x86_64__) && defined(__GNUC__)
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
      __builtin_cpu_supports("avx512dq")) {
    return 0;
  }
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") ? 1 : 2;
#else
  return 0;
#endif
}

}  // namespace

std::span<const FrontKernels> runnable_front_kernels() {
  static const std::size_t first = first_runnable();
  return std::span(by_width).subspan(first);
}

const FrontKernels& front_kernels() {
  return runnable_front_kernels().front();
}

}  // namespace kappa::detail
