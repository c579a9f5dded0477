#include "solvers/linear/schur_kernels.h"

#include <algorithm>
#include <cmath>

#include "core/scratch.h"
#include "core/wide_vectors.h"

namespace kappa::detail {
namespace {

std::size_t at(Index i) {
  return static_cast<std::size_t>(i);
}

constexpr Index ahead = 12;  // couplings between asking for B's values and using them

/// How a Z block of C x P lies in memory: P columns of the first rows, padded, then the P entries of each
/// further row, then y, which takes a padded entry instead where there is one.
template <int C, int P>
struct ZBlock {
  static constexpr int height = C > 4 ? 8 : 4;      // of the padded columns
  static constexpr int head = std::min(C, height);  // rows in them
  static constexpr int tail = C - head;             // rows behind them
  static constexpr int tails = std::max(tail, 1);   // for arrays, which cannot be empty
  static constexpr bool y_in_column = head < height;
  static constexpr int used = P * (height + tail) + (y_in_column ? 0 : P);
  static constexpr int stride = (used + height - 1) / height * height;

  static constexpr int head_at(int k) { return k * height; }
  static constexpr int tail_at(int r, int k) { return P * height + r * P + k; }
  static constexpr int y_at(int k) { return y_in_column ? k * height + C : P * (height + tail) + k; }
};

/// The same, computed with in vectors of at most Widest doubles.
template <int C_, int P_, int Widest>
struct Block : ZBlock<C_, P_> {
  using Z = ZBlock<C_, P_>;
  static constexpr int C = C_;
  static constexpr int P = P_;
  static constexpr int widest = Widest;
  static constexpr int lanes = std::min(Widest, Z::height);
  static constexpr int vectors = Z::height / lanes;  // of a column
  /// Columns of a block of S whose sums fit the registers: 32 of 512 bits, 16 of 256 or 128.
  static constexpr int at_once = Widest == 8 ? 16 : 10 / vectors;
  using Vec = typename Vector<lanes>::type;
  using Columns = Vec[P_][vectors];
  using Tails = double[P_][Z::tails];
};

/// Entry (i, j), i >= j, of a packed lower triangle of p columns.
[[gnu::always_inline]] constexpr Index packed(Index i, Index j, Index p) {
  return j * p - j * (j - 1) / 2 + i - j;
}

[[gnu::always_inline]] inline void prefetch(const double* p, Index doubles) {
  for (Index i = 0; i < doubles; i += 8) {
    __builtin_prefetch(p + i);
  }
}

// ---- Elimination -----------------------------------------------------------------------------------------

/// L_e of as many eliminated blocks as there are lanes, side by side. Returns a mask of those with a pivot
/// that is not positive.
template <int P, int Lanes>
[[gnu::always_inline]] inline unsigned factor_pivots(const EliminateTask& t, Index begin, Index end) {
  using Vec = typename Vector<Lanes>::type;
  constexpr int entries = P * (P + 1) / 2;
  alignas(64) double v[entries][Lanes];
  const SchurStructure& s = t.structure;
  for (Index l = 0; l < Lanes; ++l) {
    // A block beyond the end repeats the last one.
    const std::size_t e = at(std::min(begin + l, end - 1));
    const double* from = t.values + s.eliminated_values[e];
    const double* w = t.weights + s.eliminated_offset[e];
    for (int j = 0; j < P; ++j) {
      for (int i = j; i < P; ++i) {
        v[packed(i, j, P)][l] = from[i + j * P] + (i == j ? t.lambda * w[j] : 0.0);
      }
    }
  }
  Vec L[entries];
  alignas(64) double least[P][Lanes];
  for (int n = 0; n < entries; ++n) {
    L[n] = *reinterpret_cast<const Vec*>(v[n]);
  }
  for (int j = 0; j < P; ++j) {
    for (int l = 0; l < Lanes; ++l) {
      least[j][l] = static_cast<double>(P) * epsilon * std::abs(v[packed(j, j, P)][l]);
    }
  }
  unsigned failed = 0;
#pragma GCC unroll 8
  for (int j = 0; j < P; ++j) {
    Vec& pivot = L[packed(j, j, P)];
    alignas(64) double root[Lanes];
    *reinterpret_cast<Vec*>(root) = pivot;
    for (unsigned l = 0; l < Lanes; ++l) {
      failed |= (root[l] > least[j][l] && root[l] < infinity ? 0U : 1U) << l;
    }
    for (int l = 0; l < Lanes; ++l) {
      root[l] = 1 / std::sqrt(root[l]);
    }
    pivot = *reinterpret_cast<const Vec*>(root);
#pragma GCC unroll 8
    for (int i = j + 1; i < P; ++i) {
      L[packed(i, j, P)] *= pivot;
    }
#pragma GCC unroll 8
    for (int c = j + 1; c < P; ++c) {
#pragma GCC unroll 8
      for (int i = c; i < P; ++i) {
        L[packed(i, c, P)] -= L[packed(i, j, P)] * L[packed(c, j, P)];
      }
    }
  }
  for (int n = 0; n < entries; ++n) {
    *reinterpret_cast<Vec*>(v[n]) = L[n];
  }
  for (Index e = begin; e < end; ++e) {
    for (int n = 0; n < entries; ++n) {
      t.pivots[e * entries + n] = v[n][e - begin];
    }
  }
  return failed & ((1U << (end - begin)) - 1U);
}

enum class Stored { kept_first, eliminated_first };

/// The columns of B_ie, C x P, from B's values at `w`, split into head and tail rows.
template <class K, Stored stored>
[[gnu::always_inline]] inline void load_columns(const double* w, typename K::Columns& head,
                                                typename K::Tails& tail) {
  using Vec = typename K::Vec;
  constexpr Index down = stored == Stored::kept_first ? 1 : K::P;
  constexpr Index right = stored == Stored::kept_first ? K::C : 1;
  if constexpr (K::head == K::height && stored == Stored::kept_first) {
#pragma GCC unroll 8
    for (int k = 0; k < K::P; ++k) {
#pragma GCC unroll 8
      for (int v = 0; v < K::vectors; ++v) {
        head[k][v] = *reinterpret_cast<const Vec*>(w + k * K::C + v * K::lanes);
      }
    }
  } else if constexpr (K::head == 8 && K::lanes == 8 && K::P == 3) {
    // Three vectors of interleaved rows, taken apart.
    typedef long long Pick __attribute__((vector_size(64)));
    const Vec a = *reinterpret_cast<const Vec*>(w);
    const Vec b = *reinterpret_cast<const Vec*>(w + 8);
    const Vec c = *reinterpret_cast<const Vec*>(w + 16);
    head[0][0] = __builtin_shuffle(__builtin_shuffle(a, b, Pick{0, 3, 6, 9, 12, 15, 0, 0}), c,
                                   Pick{0, 1, 2, 3, 4, 5, 10, 13});
    head[1][0] = __builtin_shuffle(__builtin_shuffle(a, b, Pick{1, 4, 7, 10, 13, 0, 0, 0}), c,
                                   Pick{0, 1, 2, 3, 4, 8, 11, 14});
    head[2][0] = __builtin_shuffle(__builtin_shuffle(a, b, Pick{2, 5, 8, 11, 14, 0, 0, 0}), c,
                                   Pick{0, 1, 2, 3, 4, 9, 12, 15});
  } else {
    alignas(64) double rows[K::P][K::height] = {};
    for (int k = 0; k < K::P; ++k) {
      for (int r = 0; r < K::head; ++r) {
        rows[k][r] = w[r * down + k * right];
      }
    }
    for (int k = 0; k < K::P; ++k) {
      for (int v = 0; v < K::vectors; ++v) {
        head[k][v] = *reinterpret_cast<const Vec*>(rows[k] + v * K::lanes);
      }
    }
  }
  for (int k = 0; k < K::P; ++k) {
    for (int r = 0; r < K::tail; ++r) {
      tail[k][r] = w[(K::head + r) * down + k * right];
    }
  }
}

/// Z_ie of one coupling from B's values at `w`.
template <class K, Stored stored>
[[gnu::always_inline]] inline void make_z(const double* w, const double* L, const double* y, double* z) {
  using Vec = typename K::Vec;
  typename K::Columns head;
  typename K::Tails tail;
  load_columns<K, stored>(w, head, tail);
#pragma GCC unroll 8
  for (int k = 0; k < K::P; ++k) {
#pragma GCC unroll 8
    for (int l = 0; l < k; ++l) {
      const double f = L[packed(k, l, K::P)];
#pragma GCC unroll 8
      for (int v = 0; v < K::vectors; ++v) {
        head[k][v] -= head[l][v] * f;
      }
      for (int r = 0; r < K::tail; ++r) {
        tail[k][r] -= tail[l][r] * f;
      }
    }
    const double inverse = L[packed(k, k, K::P)];
#pragma GCC unroll 8
    for (int v = 0; v < K::vectors; ++v) {
      head[k][v] *= inverse;
      *reinterpret_cast<Vec*>(z + K::head_at(k) + v * K::lanes) = head[k][v];
    }
    for (int r = 0; r < K::tail; ++r) {
      tail[k][r] *= inverse;
      z[K::tail_at(r, k)] = tail[k][r];
    }
  }
  for (int k = 0; k < K::P; ++k) {
    z[K::y_at(k)] = y[k];
  }
}

template <class K>
[[gnu::always_inline]] inline Index eliminate_fixed(const EliminateTask& t) {
  constexpr int P = K::P;
  constexpr Index entries = P * (P + 1) / 2;
  const SchurStructure& s = t.structure;
  const Index first = s.coupling_start[at(t.begin)];
  const Index last = s.coupling_start[at(t.end)];
  for (Index begin = t.begin; begin < t.end; begin += K::widest) {
    const Index end = std::min(begin + K::widest, t.end);
    if (const unsigned failed = factor_pivots<P, K::widest>(t, begin, end); failed != 0) {
      return begin + __builtin_ctz(failed);
    }
    for (Index e = begin; e < end; ++e) {
      const double* L = t.pivots + e * entries;
      double y[P] = {};
      if (t.rhs != nullptr) {
        const double* b = t.rhs + s.eliminated_offset[at(e)];
        for (int k = 0; k < P; ++k) {
          double sum = b[k];
          for (int l = 0; l < k; ++l) {
            sum -= L[packed(k, l, P)] * y[l];
          }
          y[k] = sum * L[packed(k, k, P)];
          t.forward[e * P + k] = y[k];
        }
      }
      if (t.z == nullptr) {
        continue;
      }
      const std::int32_t block = s.eliminated[at(e)];
      for (Index k = s.coupling_start[at(e)]; k < s.coupling_start[at(e) + 1]; ++k) {
        if (k + ahead < last) {
          prefetch(t.values + s.coupling_values[at(k + ahead)], K::C * P);
        }
        const double* w = t.values + s.coupling_values[at(k)];
        double* z = t.z + (k - first) * K::stride;
        if (block < s.kept[at(s.coupling_kept[at(k)])]) {
          make_z<K, Stored::eliminated_first>(w, L, y, z);
        } else {
          make_z<K, Stored::kept_first>(w, L, y, z);
        }
      }
    }
  }
  return -1;
}

/// The same for any sizes. Z is column-major, y behind it.
Index eliminate_any(const EliminateTask& t) {
  const SchurStructure& s = t.structure;
  const Index first = s.coupling_start[at(t.begin)];
  for (Index e = t.begin; e < t.end; ++e) {
    const Index p = s.eliminated_size(e);
    const double* v = t.values + s.eliminated_values[at(e)];
    double* L = t.pivots + s.pivot_start[at(e)];
    for (Index j = 0; j < p; ++j) {
      for (Index i = j; i < p; ++i) {
        double sum = v[i + j * p] + (i == j ? t.lambda * t.weights[s.eliminated_offset[at(e)] + i] : 0.0);
        const double before = sum;
        for (Index k = 0; k < j; ++k) {
          sum -= L[packed(i, k, p)] * L[packed(j, k, p)];
        }
        if (i > j) {
          L[packed(i, j, p)] = sum * L[packed(j, j, p)];
          continue;
        }
        if (!(sum > static_cast<double>(p) * epsilon * std::abs(before)) || sum == infinity) {
          return e;
        }
        L[packed(j, j, p)] = 1 / std::sqrt(sum);
      }
    }
    double* y = t.forward + s.forward_offset[at(e)];
    for (Index k = 0; t.rhs != nullptr && k < p; ++k) {
      double sum = t.rhs[s.eliminated_offset[at(e)] + k];
      for (Index l = 0; l < k; ++l) {
        sum -= L[packed(k, l, p)] * y[l];
      }
      y[k] = sum * L[packed(k, k, p)];
    }
    if (t.z == nullptr) {
      continue;
    }
    for (Index n = s.coupling_start[at(e)]; n < s.coupling_start[at(e) + 1]; ++n) {
      const Index i = s.coupling_kept[at(n)];
      const Index c = s.kept_size(i);
      const bool transposed = s.transposed(e, i);
      const double* w = t.values + s.coupling_values[at(n)];
      double* z = t.z + (t.z_offset[n - first] - t.z_offset[0]);
      for (Index j = 0; j < p; ++j) {
        double* column = z + j * c;
        for (Index r = 0; r < c; ++r) {
          column[r] = transposed ? w[j + r * p] : w[r + j * c];
        }
        for (Index l = 0; l < j; ++l) {
          const double f = L[packed(j, l, p)];
          for (Index r = 0; r < c; ++r) {
            column[r] -= z[r + l * c] * f;
          }
        }
        const double inverse = L[packed(j, j, p)];
        for (Index r = 0; r < c; ++r) {
          column[r] *= inverse;
        }
        z[c * p + j] = t.rhs != nullptr ? y[j] : 0.0;
      }
    }
  }
  return -1;
}

// ---- Reduction -------------------------------------------------------------------------------------------

enum class Pairing { distinct, diagonal };

/// T := T - sum, or -sum.
[[gnu::always_inline]] inline void take_away(bool set, const double* sum, int count, double* to) {
  for (int r = 0; r < count; ++r) {
    to[r] = (set ? 0.0 : to[r]) - sum[r];
  }
}

/// Columns [First, First + Count) of one run: T -= sum Z_row Z_column'. The last columns bring the rows
/// behind the vectors with them, and for diagonal blocks c -= sum Z_row y.
template <class K, Pairing pairing, int First, int Count>
[[gnu::always_inline]] inline void reduce_columns(const double* z0, const PairRun& run,
                                                  const CouplingPair* pair, double* T, Index stride,
                                                  double* c) {
  using Vec = typename K::Vec;
  constexpr bool last = First + Count == K::C;
  Vec sum[Count][K::vectors] = {};
  Vec below[K::tails][K::vectors] = {};
  double corner[K::tails * K::tails] = {};
  Vec t[K::vectors] = {};
  double t_tail[K::tails] = {};
  const CouplingPair* const end = pair + run.pairs;
  for (; pair != end; ++pair) {
    const double* a = z0 + Index{pair->row} * K::stride;
    const double* b = pairing == Pairing::diagonal ? a : z0 + Index{pair->column} * K::stride;
    if constexpr (First == 0) {
      prefetch(z0 + Index{pair[pairs_ahead].row} * K::stride, K::used);
      if constexpr (pairing == Pairing::distinct) {
        prefetch(z0 + Index{pair[pairs_ahead].column} * K::stride, K::used);
      }
    }
#pragma GCC unroll 16
    for (int k = 0; k < K::P; ++k) {
      Vec rows[K::vectors];
#pragma GCC unroll 8
      for (int v = 0; v < K::vectors; ++v) {
        rows[v] = *reinterpret_cast<const Vec*>(a + K::head_at(k) + v * K::lanes);
      }
#pragma GCC unroll 16
      for (int j = 0; j < Count; ++j) {
        const int column = First + j;
        const double f = b[column < K::head ? K::head_at(k) + column : K::tail_at(column - K::head, k)];
#pragma GCC unroll 8
        for (int v = 0; v < K::vectors; ++v) {
          sum[j][v] += rows[v] * f;
        }
      }
      if constexpr (last && K::tail > 0) {
#pragma GCC unroll 8
        for (int r = 0; r < K::tail; ++r) {
          const double f = a[K::tail_at(r, k)];
#pragma GCC unroll 8
          for (int v = 0; v < K::vectors; ++v) {
            below[r][v] += *reinterpret_cast<const Vec*>(b + K::head_at(k) + v * K::lanes) * f;
          }
          for (int j = 0; j < K::tail; ++j) {
            corner[r * K::tail + j] += f * b[K::tail_at(j, k)];
          }
        }
      }
      if constexpr (last && pairing == Pairing::diagonal) {
        const double y = a[K::y_at(k)];
#pragma GCC unroll 8
        for (int v = 0; v < K::vectors; ++v) {
          t[v] += rows[v] * y;
        }
        for (int r = 0; r < K::tail; ++r) {
          t_tail[r] += a[K::tail_at(r, k)] * y;
        }
      }
    }
  }
  alignas(64) double column[K::height];
#pragma GCC unroll 16
  for (int j = 0; j < Count; ++j) {
#pragma GCC unroll 8
    for (int v = 0; v < K::vectors; ++v) {
      *reinterpret_cast<Vec*>(column + v * K::lanes) = sum[j][v];
    }
    take_away(run.first, column, K::head, T + (First + j) * stride);
  }
  if constexpr (last && K::tail > 0) {
    for (int r = 0; r < K::tail; ++r) {
      double* row = T + K::head + r;
      for (int v = 0; v < K::vectors; ++v) {
        *reinterpret_cast<Vec*>(column + v * K::lanes) = below[r][v];
      }
      for (int j = 0; j < K::C; ++j) {
        const double value = j < K::head ? column[j < K::height ? j : 0] : corner[r * K::tail + j - K::head];
        row[j * stride] = (run.first ? 0.0 : row[j * stride]) - value;
      }
    }
  }
  if constexpr (last && pairing == Pairing::diagonal) {
    for (int v = 0; v < K::vectors; ++v) {
      *reinterpret_cast<Vec*>(column + v * K::lanes) = t[v];
    }
    take_away(run.first, column, K::head, c);
    take_away(run.first, t_tail, K::tail, c + K::head);
  }
}

/// A whole run, as many columns at once as the registers hold.
template <class K, Pairing pairing, int First = 0>
[[gnu::always_inline]] inline void reduce_run(const double* z, const PairRun& run, const CouplingPair* pair,
                                              double* T, Index stride, double* c) {
  constexpr int count = std::min(K::C - First, K::at_once);
  reduce_columns<K, pairing, First, count>(z, run, pair, T, stride, c);
  if constexpr (First + count < K::C) {
    reduce_run<K, pairing, First + count>(z, run, pair, T, stride, c);
  }
}

[[gnu::always_inline]] inline double* rhs_of(const ReduceTask& t, const PairRun& run) {
  return t.rhs == nullptr ? t.target + run.target + t.rhs_offset
                          : t.rhs + t.structure.reduced_offset[at(run.diagonal)];
}

template <class K>
[[gnu::always_inline]] inline void reduce_fixed(const ReduceTask& t) {
  const CouplingPair* pair = t.pair;
  const Index stride = t.stride > 0 ? t.stride : K::C;
  for (const PairRun* run = t.run; run != t.run_end; ++run) {
    double* T = t.target + run->target;
    if (run->diagonal >= 0) {
      reduce_run<K, Pairing::diagonal>(t.z, *run, pair, T, stride, rhs_of(t, *run));
    } else {
      reduce_run<K, Pairing::distinct>(t.z, *run, pair, T, stride, nullptr);
    }
    pair += run->pairs;
  }
}

void reduce_any(const ReduceTask& t) {
  const SchurStructure& s = t.structure;
  const CouplingPair* pair = t.pair;
  for (const PairRun* run = t.run; run != t.run_end; ++run) {
    double* T = t.target + run->target;
    const Index rows = s.kept_size(s.coupling_kept[at(t.first_coupling + pair->row)]);
    const Index cols = s.kept_size(s.coupling_kept[at(t.first_coupling + pair->column)]);
    const Index stride = t.stride > 0 ? t.stride : rows;
    double* c = run->diagonal >= 0 ? rhs_of(t, *run) : nullptr;
    if (run->first) {
      for (Index j = 0; j < cols; ++j) {
        std::fill_n(T + j * stride, rows, 0.0);
      }
      if (c != nullptr) {
        std::fill_n(c, rows, 0.0);
      }
    }
    for (const CouplingPair* end = pair + run->pairs; pair != end; ++pair) {
      const Index* offset = t.z_offset + pair->row;
      const double* a = t.z + (offset[0] - t.z_offset[0]);
      const double* b = t.z + (t.z_offset[pair->column] - t.z_offset[0]);
      const Index p = (offset[1] - offset[0]) / (rows + 1);
      for (Index k = 0; k < p; ++k) {
        for (Index j = 0; j < cols; ++j) {
          const double f = b[j + k * cols];
          for (Index r = 0; r < rows; ++r) {
            T[r + j * stride] -= a[r + k * rows] * f;
          }
        }
        const double y = a[rows * p + k];
        for (Index r = 0; c != nullptr && r < rows; ++r) {
          c[r] -= a[r + k * rows] * y;
        }
      }
    }
  }
}

// ---- Substitution ----------------------------------------------------------------------------------------

/// x_e from y_e and B_ie' x_i, summed.
template <int P>
[[gnu::always_inline]] inline void back_substitute(const double* L, const double* y, double* sum, Index size,
                                                   double* x) {
  const Index p = P > 0 ? P : size;
  for (Index k = 0; k < p; ++k) {
    for (Index l = 0; l < k; ++l) {
      sum[k] -= L[packed(k, l, p)] * sum[l];
    }
    sum[k] *= L[packed(k, k, p)];
  }
  for (Index k = p - 1; k >= 0; --k) {
    double v = y[k] - sum[k];
    for (Index l = k + 1; l < p; ++l) {
      v -= L[packed(l, k, p)] * x[l];
    }
    x[k] = v * L[packed(k, k, p)];
  }
}

/// sum += B_ie' x for the rows in vectors, rest += the same for those behind.
template <class K, Stored stored>
[[gnu::always_inline]] inline void add_transposed_product(const double* w, const double* x,
                                                          typename K::Columns& sum, double* rest) {
  using Vec = typename K::Vec;
  typename K::Columns head;
  typename K::Tails tail;
  load_columns<K, stored>(w, head, tail);
  alignas(64) double rows[K::height] = {};
  const double* from = x;
  if constexpr (K::head < K::height) {
    std::copy_n(x, K::head, rows);
    from = rows;
  }
#pragma GCC unroll 8
  for (int k = 0; k < K::P; ++k) {
#pragma GCC unroll 8
    for (int v = 0; v < K::vectors; ++v) {
      sum[k][v] += head[k][v] * *reinterpret_cast<const Vec*>(from + v * K::lanes);
    }
    for (int r = 0; r < K::tail; ++r) {
      rest[k] += tail[k][r] * x[K::head + r];
    }
  }
}

/// out -= sum, of which `rest` are the rows behind the vectors.
template <class K>
[[gnu::always_inline]] inline void subtract_rows(const typename K::Vec* sum, const double* rest,
                                                 double* out) {
  using Vec = typename K::Vec;
  alignas(64) double rows[K::height];
  for (int v = 0; v < K::vectors; ++v) {
    *reinterpret_cast<Vec*>(rows + v * K::lanes) = sum[v];
  }
  for (int r = 0; r < K::head; ++r) {
    out[r] -= rows[r];
  }
  for (int r = 0; r < K::tail; ++r) {
    out[K::head + r] -= rest[r];
  }
}

/// out -= B_ie v.
template <class K, Stored stored>
[[gnu::always_inline]] inline void subtract_product(const double* w, const double* v, double* out) {
  using Vec = typename K::Vec;
  typename K::Columns head;
  typename K::Tails tail;
  load_columns<K, stored>(w, head, tail);
  Vec sum[K::vectors] = {};
  double rest[K::tails] = {};
#pragma GCC unroll 8
  for (int k = 0; k < K::P; ++k) {
#pragma GCC unroll 8
    for (int n = 0; n < K::vectors; ++n) {
      sum[n] += head[k][n] * v[k];
    }
    for (int r = 0; r < K::tail; ++r) {
      rest[r] += tail[k][r] * v[k];
    }
  }
  subtract_rows<K>(sum, rest, out);
}

/// The sum of the lanes of each column, added to `total`.
template <class K>
[[gnu::always_inline]] inline void add_lanes(const typename K::Columns& sum, double* total) {
  using Vec = typename K::Vec;
  for (int k = 0; k < K::P; ++k) {
    alignas(64) double lane[K::height];
    for (int v = 0; v < K::vectors; ++v) {
      *reinterpret_cast<Vec*>(lane + v * K::lanes) = sum[k][v];
    }
    for (int half = K::height / 2; half > 0; half /= 2) {
      for (int l = 0; l < half; ++l) {
        lane[l] += lane[l + half];
      }
    }
    total[k] += lane[0];
  }
}

/// total := sum_i B_ie' x_i. The couplings up to `last` will be asked for next.
template <class K>
[[gnu::always_inline]] inline void gather(const SchurStructure& s, const double* values, Index e, Index last,
                                          const double* x, double* total) {
  typename K::Columns sum = {};
  std::fill_n(total, K::P, 0.0);
  const std::int32_t block = s.eliminated[at(e)];
  for (Index n = s.coupling_start[at(e)]; n < s.coupling_start[at(e) + 1]; ++n) {
    if (n + ahead < last) {
      prefetch(values + s.coupling_values[at(n + ahead)], K::C * K::P);
    }
    const Index i = s.coupling_kept[at(n)];
    const double* w = values + s.coupling_values[at(n)];
    if (block < s.kept[at(i)]) {
      add_transposed_product<K, Stored::eliminated_first>(w, x + i * K::C, sum, total);
    } else {
      add_transposed_product<K, Stored::kept_first>(w, x + i * K::C, sum, total);
    }
  }
  add_lanes<K>(sum, total);
}

/// out_i -= B_ie v for all i.
template <class K>
[[gnu::always_inline]] inline void scatter(const SchurStructure& s, const double* values, Index e,
                                           const double* v, double* out) {
  const std::int32_t block = s.eliminated[at(e)];
  for (Index n = s.coupling_start[at(e)]; n < s.coupling_start[at(e) + 1]; ++n) {
    const Index i = s.coupling_kept[at(n)];
    const double* w = values + s.coupling_values[at(n)];
    if (block < s.kept[at(i)]) {
      subtract_product<K, Stored::eliminated_first>(w, v, out + i * K::C);
    } else {
      subtract_product<K, Stored::kept_first>(w, v, out + i * K::C);
    }
  }
}

template <class K>
[[gnu::always_inline]] inline void substitute_fixed(const SubstituteTask& t) {
  constexpr int P = K::P;
  constexpr Index entries = P * (P + 1) / 2;
  const SchurStructure& s = t.structure;
  const Index last = s.coupling_start[at(t.end)];
  for (Index e = t.begin; e < t.end; ++e) {
    double total[P];
    gather<K>(s, t.values, e, last, t.reduced, total);
    double* x = t.x + s.eliminated_offset[at(e)];
    back_substitute<P>(t.pivots + e * entries, t.forward + e * P, total, P, x);
    if (t.residual != nullptr) {
      double v[P];
      for (int k = 0; k < P; ++k) {
        v[k] = -x[k];
      }
      scatter<K>(s, t.values, e, v, t.residual);
    }
  }
}

/// total := sum_i B_ie' x_i for any sizes.
void gather_any(const SchurStructure& s, const double* values, Index e, const double* x, double* total) {
  const Index p = s.eliminated_size(e);
  std::fill_n(total, p, 0.0);
  for (Index n = s.coupling_start[at(e)]; n < s.coupling_start[at(e) + 1]; ++n) {
    const Index i = s.coupling_kept[at(n)];
    const Index c = s.kept_size(i);
    const double* w = values + s.coupling_values[at(n)];
    const double* xi = x + s.reduced_offset[at(i)];
    const bool transposed = s.transposed(e, i);
    for (Index k = 0; k < p; ++k) {
      for (Index r = 0; r < c; ++r) {
        total[k] += (transposed ? w[k + r * p] : w[r + k * c]) * xi[r];
      }
    }
  }
}

/// out_i += factor B_ie v for all i and any sizes.
void scatter_any(const SchurStructure& s, const double* values, Index e, double factor, const double* v,
                 double* out) {
  const Index p = s.eliminated_size(e);
  for (Index n = s.coupling_start[at(e)]; n < s.coupling_start[at(e) + 1]; ++n) {
    const Index i = s.coupling_kept[at(n)];
    const Index c = s.kept_size(i);
    const double* w = values + s.coupling_values[at(n)];
    double* to = out + s.reduced_offset[at(i)];
    const bool transposed = s.transposed(e, i);
    for (Index k = 0; k < p; ++k) {
      for (Index r = 0; r < c; ++r) {
        to[r] += (transposed ? w[k + r * p] : w[r + k * c]) * (factor * v[k]);
      }
    }
  }
}

void substitute_any(const SubstituteTask& t) {
  const SchurStructure& s = t.structure;
  SmallScratch<double, 64> total(s.widest_eliminated);
  for (Index e = t.begin; e < t.end; ++e) {
    gather_any(s, t.values, e, t.reduced, total.data());
    double* x = t.x + s.eliminated_offset[at(e)];
    back_substitute<0>(t.pivots + s.pivot_start[at(e)], t.forward + s.forward_offset[at(e)], total.data(),
                       s.eliminated_size(e), x);
    if (t.residual != nullptr) {
      scatter_any(s, t.values, e, 1, x, t.residual);
    }
  }
}

/// y := L^-1 b and v := L^-T y.
template <int P>
[[gnu::always_inline]] inline void solve_pivot(const double* L, const double* b, Index size, double* y,
                                               double* v) {
  const Index p = P > 0 ? P : size;
  for (Index k = 0; k < p; ++k) {
    double sum = b[k];
    for (Index l = 0; l < k; ++l) {
      sum -= L[packed(k, l, p)] * y[l];
    }
    y[k] = sum * L[packed(k, k, p)];
  }
  for (Index k = p - 1; k >= 0; --k) {
    double sum = y[k];
    for (Index l = k + 1; l < p; ++l) {
      sum -= L[packed(l, k, p)] * v[l];
    }
    v[k] = sum * L[packed(k, k, p)];
  }
}

template <class K>
[[gnu::always_inline]] inline void forward_fixed(const ForwardTask& t) {
  constexpr int P = K::P;
  constexpr Index entries = P * (P + 1) / 2;
  const SchurStructure& s = t.structure;
  const Index last = s.coupling_start[at(t.end)];
  for (Index e = t.begin; e < t.end; ++e) {
    for (Index n = s.coupling_start[at(e)]; n < s.coupling_start[at(e) + 1] && n + ahead < last; ++n) {
      prefetch(t.values + s.coupling_values[at(n + ahead)], K::C * P);
    }
    double v[P];
    solve_pivot<P>(t.pivots + e * entries, t.rhs + s.eliminated_offset[at(e)], P, t.forward + e * P, v);
    scatter<K>(s, t.values, e, v, t.reduced);
  }
}

void forward_any(const ForwardTask& t) {
  const SchurStructure& s = t.structure;
  SmallScratch<double, 64> v(s.widest_eliminated);
  for (Index e = t.begin; e < t.end; ++e) {
    solve_pivot<0>(t.pivots + s.pivot_start[at(e)], t.rhs + s.eliminated_offset[at(e)], s.eliminated_size(e),
                   t.forward + s.forward_offset[at(e)], v.data());
    scatter_any(s, t.values, e, -1, v.data(), t.reduced);
  }
}

// ---- Products --------------------------------------------------------------------------------------------

template <class K>
[[gnu::always_inline]] inline void multiply_fixed(const MultiplyTask& t) {
  constexpr int P = K::P;
  constexpr Index entries = P * (P + 1) / 2;
  const SchurStructure& s = t.structure;
  const Index last = s.coupling_start[at(t.end)];
  for (Index e = t.begin; e < t.end; ++e) {
    double total[P];
    double y[P];
    double v[P];
    gather<K>(s, t.values, e, last, t.x, total);
    solve_pivot<P>(t.pivots + e * entries, total, P, y, v);
    scatter<K>(s, t.values, e, v, t.out);
  }
}

void multiply_any(const MultiplyTask& t) {
  const SchurStructure& s = t.structure;
  SmallScratch<double, 64> total(s.widest_eliminated);
  SmallScratch<double, 64> y(s.widest_eliminated);
  SmallScratch<double, 64> v(s.widest_eliminated);
  for (Index e = t.begin; e < t.end; ++e) {
    gather_any(s, t.values, e, t.x, total.data());
    solve_pivot<0>(t.pivots + s.pivot_start[at(e)], total.data(), s.eliminated_size(e), y.data(), v.data());
    scatter_any(s, t.values, e, -1, v.data(), t.out);
  }
}

template <class K>
[[gnu::always_inline]] inline void pack_fixed(const double* z, Index couplings, float* single) {
  for (Index n = 0; n < couplings; ++n, z += K::stride, single += K::C * K::P) {
    for (int k = 0; k < K::P; ++k) {
      for (int r = 0; r < K::head; ++r) {
        single[k * K::C + r] = static_cast<float>(z[K::head_at(k) + r]);
      }
      for (int r = 0; r < K::tail; ++r) {
        single[k * K::C + K::head + r] = static_cast<float>(z[K::tail_at(r, k)]);
      }
    }
  }
}

/// The columns of one Z in single precision. Lanes beyond the rows hold what follows in memory.
template <class K>
[[gnu::always_inline]] inline void load_single(const float* z, typename K::Columns& head,
                                               typename K::Tails& tail) {
  using Single = typename SingleVector<K::lanes>::type;
  using Vec = typename K::Vec;
#pragma GCC unroll 8
  for (int k = 0; k < K::P; ++k) {
#pragma GCC unroll 8
    for (int v = 0; v < K::vectors; ++v) {
      head[k][v] =
          __builtin_convertvector(*reinterpret_cast<const Single*>(z + k * K::C + v * K::lanes), Vec);
    }
    for (int r = 0; r < K::tail; ++r) {
      tail[k][r] = z[k * K::C + K::head + r];
    }
  }
}

template <class K>
[[gnu::always_inline]] inline void multiply_single_fixed(const MultiplyTask& t) {
  using Vec = typename K::Vec;
  constexpr int P = K::P;
  const SchurStructure& s = t.structure;
  for (Index e = t.begin; e < t.end; ++e) {
    const Index first = s.coupling_start[at(e)];
    const Index last = s.coupling_start[at(e) + 1];
    typename K::Columns head;
    typename K::Tails tail;
    typename K::Columns sum = {};
    double total[P] = {};
    for (Index n = first; n < last; ++n) {
      load_single<K>(t.single + n * K::C * P, head, tail);
      const double* x = t.x + Index{s.coupling_kept[at(n)]} * K::C;
      alignas(64) double rows[K::height] = {};
      const double* from = x;
      if constexpr (K::head < K::height) {
        std::copy_n(x, K::head, rows);
        from = rows;
      }
#pragma GCC unroll 8
      for (int k = 0; k < P; ++k) {
#pragma GCC unroll 8
        for (int v = 0; v < K::vectors; ++v) {
          sum[k][v] += head[k][v] * *reinterpret_cast<const Vec*>(from + v * K::lanes);
        }
        for (int r = 0; r < K::tail; ++r) {
          total[k] += tail[k][r] * x[K::head + r];
        }
      }
    }
    add_lanes<K>(sum, total);
    for (Index n = first; n < last; ++n) {
      load_single<K>(t.single + n * K::C * P, head, tail);
      double* out = t.out + Index{s.coupling_kept[at(n)]} * K::C;
      Vec down[K::vectors] = {};
      double rest[K::tails] = {};
#pragma GCC unroll 8
      for (int k = 0; k < P; ++k) {
#pragma GCC unroll 8
        for (int v = 0; v < K::vectors; ++v) {
          down[v] += head[k][v] * total[k];
        }
        for (int r = 0; r < K::tail; ++r) {
          rest[r] += tail[k][r] * total[k];
        }
      }
      subtract_rows<K>(down, rest, out);
    }
  }
}

/// out = the rows of vector v of a column of C rows, zero beyond them. (Not returned: how a vector is,
/// depends on the instruction set.)
template <class K>
[[gnu::always_inline]] inline void load_rows(const double* column, int v, typename K::Vec& out) {
  using Vec = typename K::Vec;
  if constexpr (K::head == K::height) {
    out = *reinterpret_cast<const Vec*>(column + v * K::lanes);
  } else {
    alignas(64) double rows[K::height] = {};
    std::copy_n(column, K::head, rows);
    out = *reinterpret_cast<const Vec*>(rows + v * K::lanes);
  }
}

/// Rows of blocks of S, whose blocks are C x C.
template <class K>
[[gnu::always_inline]] inline void multiply_rows_fixed(const RowsTask& t) {
  using Vec = typename K::Vec;
  constexpr int C = K::C;
  for (Index i = t.begin; i < t.end; ++i) {
    const double* xi = t.x + i * C;
    alignas(64) double rows[K::height] = {};
    std::copy_n(xi, K::head, rows);
    Vec across[K::vectors];
    Vec down[K::vectors] = {};
    double rest[K::tails] = {};
    for (int v = 0; v < K::vectors; ++v) {
      across[v] = *reinterpret_cast<const Vec*>(rows + v * K::lanes);
    }
    for (Index k = t.row_start[i]; k < t.row_start[i + 1]; ++k) {
      const Index j = t.column[k];
      const double* block = t.values + t.block_start[k];
      prefetch(block + 8 * C * C, C * C);
      const double* xj = t.x + j * C;
      double* out = t.out + j * C;
      for (int c = 0; c < C; ++c) {
        Vec column[K::vectors];
        Vec product[K::vectors];
        double dot = 0;
        for (int v = 0; v < K::vectors; ++v) {
          load_rows<K>(block + c * C, v, column[v]);
          down[v] += column[v] * xj[c];
          product[v] = column[v] * across[v];
        }
        for (int r = 0; r < K::tail; ++r) {
          const double entry = block[c * C + K::head + r];
          rest[r] += entry * xj[c];
          dot += entry * xi[K::head + r];
        }
        if (i != j) {
          alignas(64) double lane[K::height];
          for (int v = 0; v < K::vectors; ++v) {
            *reinterpret_cast<Vec*>(lane + v * K::lanes) = product[v];
          }
          for (int half = K::height / 2; half > 0; half /= 2) {
            for (int l = 0; l < half; ++l) {
              lane[l] += lane[l + half];
            }
          }
          out[c] += dot + lane[0];
        }
      }
    }
    for (int v = 0; v < K::vectors; ++v) {
      *reinterpret_cast<Vec*>(rows + v * K::lanes) = down[v];
    }
    for (int r = 0; r < K::head; ++r) {
      t.out[i * C + r] += rows[r];
    }
    for (int r = 0; r < K::tail; ++r) {
      t.out[i * C + K::head + r] += rest[r];
    }
  }
}

void multiply_rows_any(const RowsTask& t) {
  const SchurStructure& s = t.structure;
  for (Index i = t.begin; i < t.end; ++i) {
    const Index c = s.kept_size(i);
    const Index at_i = s.reduced_offset[at(i)];
    for (Index k = t.row_start[i]; k < t.row_start[i + 1]; ++k) {
      const Index j = t.column[k];
      const Index at_j = s.reduced_offset[at(j)];
      const double* block = t.values + t.block_start[k];
      for (Index q = 0; q < s.kept_size(j); ++q) {
        double dot = 0;
        for (Index r = 0; r < c; ++r) {
          t.out[at_i + r] += block[r + q * c] * t.x[at_j + q];
          dot += block[r + q * c] * t.x[at_i + r];
        }
        t.out[at_j + q] += i == j ? 0.0 : dot;
      }
    }
  }
}

// ---- The versions that exist -----------------------------------------------------------------------------

template <class K>
struct Version512 {
  KAPPA_VECTORS_512 static Index eliminate(const EliminateTask& t) { return eliminate_fixed<K>(t); }
  KAPPA_VECTORS_512 static void reduce(const ReduceTask& t) { reduce_fixed<K>(t); }
  KAPPA_VECTORS_512 static void substitute(const SubstituteTask& t) { substitute_fixed<K>(t); }
  KAPPA_VECTORS_512 static void forward(const ForwardTask& t) { forward_fixed<K>(t); }
  KAPPA_VECTORS_512 static void multiply(const MultiplyTask& t) { multiply_fixed<K>(t); }
  KAPPA_VECTORS_512 static void pack_single(const double* z, Index couplings, float* single) {
    pack_fixed<K>(z, couplings, single);
  }
  KAPPA_VECTORS_512 static void multiply_single(const MultiplyTask& t) { multiply_single_fixed<K>(t); }
  KAPPA_VECTORS_512 static void multiply_rows(const RowsTask& t) { multiply_rows_fixed<K>(t); }
};

template <class K>
struct Version256 {
  KAPPA_VECTORS_256 static Index eliminate(const EliminateTask& t) { return eliminate_fixed<K>(t); }
  KAPPA_VECTORS_256 static void reduce(const ReduceTask& t) { reduce_fixed<K>(t); }
  KAPPA_VECTORS_256 static void substitute(const SubstituteTask& t) { substitute_fixed<K>(t); }
  KAPPA_VECTORS_256 static void forward(const ForwardTask& t) { forward_fixed<K>(t); }
  KAPPA_VECTORS_256 static void multiply(const MultiplyTask& t) { multiply_fixed<K>(t); }
  KAPPA_VECTORS_256 static void pack_single(const double* z, Index couplings, float* single) {
    pack_fixed<K>(z, couplings, single);
  }
  KAPPA_VECTORS_256 static void multiply_single(const MultiplyTask& t) { multiply_single_fixed<K>(t); }
  KAPPA_VECTORS_256 static void multiply_rows(const RowsTask& t) { multiply_rows_fixed<K>(t); }
};

template <class K>
struct Version128 {
  static Index eliminate(const EliminateTask& t) { return eliminate_fixed<K>(t); }
  static void reduce(const ReduceTask& t) { reduce_fixed<K>(t); }
  static void substitute(const SubstituteTask& t) { substitute_fixed<K>(t); }
  static void forward(const ForwardTask& t) { forward_fixed<K>(t); }
  static void multiply(const MultiplyTask& t) { multiply_fixed<K>(t); }
  static void pack_single(const double* z, Index couplings, float* single) {
    pack_fixed<K>(z, couplings, single);
  }
  static void multiply_single(const MultiplyTask& t) { multiply_single_fixed<K>(t); }
  static void multiply_rows(const RowsTask& t) { multiply_rows_fixed<K>(t); }
};

template <class V, int C, int P>
constexpr SchurKernels table = {ZBlock<C, P>::stride, V::eliminate,       V::reduce,
                                V::substitute,        V::forward,         V::multiply,
                                V::pack_single,       V::multiply_single, V::multiply_rows};

template <int C, int P>
const SchurKernels& kernels_for(int width) {
  return width == 512   ? table<Version512<Block<C, P, 8>>, C, P>
         : width == 256 ? table<Version256<Block<C, P, 4>>, C, P>
                        : table<Version128<Block<C, P, 2>>, C, P>;
}

constexpr SchurKernels kernels_any = {
    0,       eliminate_any, reduce_any,       substitute_any, forward_any, multiply_any,
    nullptr, nullptr,       multiply_rows_any};

}  // namespace

const SchurKernels& schur_kernels(Index kept, Index eliminated) {
  static const int width = vector_width();
  if (eliminated == 3 && kept == 9) {
    return kernels_for<9, 3>(width);
  }
  if (eliminated == 3 && kept == 6) {
    return kernels_for<6, 3>(width);
  }
  if (eliminated == 3 && kept == 3) {
    return kernels_for<3, 3>(width);
  }
  if (eliminated == 6 && kept == 6) {
    return kernels_for<6, 6>(width);
  }
  return kernels_any;
}

}  // namespace kappa::detail
