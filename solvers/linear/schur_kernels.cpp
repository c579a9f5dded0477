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

template <int Lanes>
struct Vector;
template <>
struct Vector<4> {
  typedef double type __attribute__((vector_size(32), aligned(8), may_alias));
};
template <>
struct Vector<8> {
  typedef double type __attribute__((vector_size(64), aligned(8), may_alias));
};

/// How a Z block of C x P lies in memory: P vectors of the first rows, then the P entries of each further
/// row, then y, which takes an unused lane instead where there is one.
template <int C, int P>
struct ZBlock {
  static constexpr int lanes = C > 4 ? 8 : 4;
  static constexpr int head = std::min(C, lanes);  // rows in the vectors
  static constexpr int tail = C - head;            // rows behind them
  static constexpr int tails = std::max(tail, 1);  // for arrays, which cannot be empty
  static constexpr bool y_in_lane = head < lanes;
  static constexpr int used = P * (lanes + tail) + (y_in_lane ? 0 : P);
  static constexpr int stride = (used + lanes - 1) / lanes * lanes;
  using Vec = typename Vector<lanes>::type;

  static constexpr int head_at(int k) { return k * lanes; }
  static constexpr int tail_at(int r, int k) { return P * lanes + r * P + k; }
  static constexpr int y_at(int k) { return y_in_lane ? k * lanes + C : P * (lanes + tail) + k; }
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

/// L_e of up to 8 eliminated blocks side by side. Returns a mask of those with a pivot that is not positive.
template <int P>
[[gnu::always_inline]] inline unsigned factor_eight(const EliminateTask& t, Index begin, Index end) {
  using Vec = Vector<8>::type;
  constexpr int entries = P * (P + 1) / 2;
  alignas(64) double v[entries][8];
  const SchurStructure& s = t.structure;
  for (Index l = 0; l < 8; ++l) {
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
  Vec least[P];
  for (int n = 0; n < entries; ++n) {
    L[n] = *reinterpret_cast<const Vec*>(v[n]);
  }
  for (int j = 0; j < P; ++j) {
    const Vec d = L[packed(j, j, P)];
    least[j] = static_cast<double>(P) * epsilon * (d < 0.0 ? -d : d);
  }
  unsigned failed = 0;
#pragma GCC unroll 8
  for (int j = 0; j < P; ++j) {
    Vec& pivot = L[packed(j, j, P)];
    alignas(64) double root[8];
    alignas(64) double bound[8];
    *reinterpret_cast<Vec*>(root) = pivot;
    *reinterpret_cast<Vec*>(bound) = least[j];
    for (unsigned l = 0; l < 8; ++l) {
      failed |= (root[l] > bound[l] && root[l] < infinity ? 0U : 1U) << l;
    }
    for (int l = 0; l < 8; ++l) {
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
template <int C, int P, Stored stored>
[[gnu::always_inline]] inline void load_columns(const double* w, typename ZBlock<C, P>::Vec* head,
                                                double (*tail)[ZBlock<C, P>::tails]) {
  using Z = ZBlock<C, P>;
  using Vec = typename Z::Vec;
  constexpr Index down = stored == Stored::kept_first ? 1 : P;
  constexpr Index right = stored == Stored::kept_first ? C : 1;
  if constexpr (Z::head == Z::lanes && stored == Stored::kept_first) {
#pragma GCC unroll 16
    for (int k = 0; k < P; ++k) {
      head[k] = *reinterpret_cast<const Vec*>(w + k * C);
    }
  } else if constexpr (Z::head == 8 && P == 3) {
    // Three vectors of interleaved rows, taken apart.
    typedef long long Pick __attribute__((vector_size(64)));
    const Vec a = *reinterpret_cast<const Vec*>(w);
    const Vec b = *reinterpret_cast<const Vec*>(w + 8);
    const Vec c = *reinterpret_cast<const Vec*>(w + 16);
    head[0] = __builtin_shuffle(__builtin_shuffle(a, b, Pick{0, 3, 6, 9, 12, 15, 0, 0}), c,
                                Pick{0, 1, 2, 3, 4, 5, 10, 13});
    head[1] = __builtin_shuffle(__builtin_shuffle(a, b, Pick{1, 4, 7, 10, 13, 0, 0, 0}), c,
                                Pick{0, 1, 2, 3, 4, 8, 11, 14});
    head[2] = __builtin_shuffle(__builtin_shuffle(a, b, Pick{2, 5, 8, 11, 14, 0, 0, 0}), c,
                                Pick{0, 1, 2, 3, 4, 9, 12, 15});
  } else {
    alignas(64) double rows[P][Z::lanes] = {};
    for (int k = 0; k < P; ++k) {
      for (int r = 0; r < Z::head; ++r) {
        rows[k][r] = w[r * down + k * right];
      }
    }
    for (int k = 0; k < P; ++k) {
      head[k] = *reinterpret_cast<const Vec*>(rows[k]);
    }
  }
  for (int k = 0; k < P; ++k) {
    for (int r = 0; r < Z::tail; ++r) {
      tail[k][r] = w[(Z::head + r) * down + k * right];
    }
  }
}

/// Z_ie of one coupling from B's values at `w`.
template <int C, int P, Stored stored>
[[gnu::always_inline]] inline void make_z(const double* w, const double* L, const double* y, double* z) {
  using Z = ZBlock<C, P>;
  using Vec = typename Z::Vec;
  Vec head[P];
  double tail[P][Z::tails];
  load_columns<C, P, stored>(w, head, tail);
#pragma GCC unroll 8
  for (int k = 0; k < P; ++k) {
#pragma GCC unroll 8
    for (int l = 0; l < k; ++l) {
      const double f = L[packed(k, l, P)];
      head[k] -= head[l] * f;
      for (int r = 0; r < Z::tail; ++r) {
        tail[k][r] -= tail[l][r] * f;
      }
    }
    const double inverse = L[packed(k, k, P)];
    head[k] *= inverse;
    *reinterpret_cast<Vec*>(z + Z::head_at(k)) = head[k];
    for (int r = 0; r < Z::tail; ++r) {
      tail[k][r] *= inverse;
      z[Z::tail_at(r, k)] = tail[k][r];
    }
  }
  for (int k = 0; k < P; ++k) {
    z[Z::y_at(k)] = y[k];
  }
}

template <int C, int P>
[[gnu::always_inline]] inline Index eliminate_fixed(const EliminateTask& t) {
  using Z = ZBlock<C, P>;
  constexpr Index entries = P * (P + 1) / 2;
  const SchurStructure& s = t.structure;
  const Index first = s.coupling_start[at(t.begin)];
  const Index last = s.coupling_start[at(t.end)];
  for (Index begin = t.begin; begin < t.end; begin += 8) {
    const Index end = std::min(begin + 8, t.end);
    if (const unsigned failed = factor_eight<P>(t, begin, end); failed != 0) {
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
          prefetch(t.values + s.coupling_values[at(k + ahead)], C * P);
        }
        const double* w = t.values + s.coupling_values[at(k)];
        double* z = t.z + (k - first) * Z::stride;
        if (block < s.kept[at(s.coupling_kept[at(k)])]) {
          make_z<C, P, Stored::eliminated_first>(w, L, y, z);
        } else {
          make_z<C, P, Stored::kept_first>(w, L, y, z);
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

/// One run: T -= sum Z_row Z_column', and for diagonal blocks c -= sum Z_row y.
template <int C, int P, Pairing pairing>
[[gnu::always_inline]] inline void reduce_run(const double* z0, const PairRun& run, const CouplingPair* pair,
                                              double* T, Index stride, double* c) {
  using Z = ZBlock<C, P>;
  using Vec = typename Z::Vec;
  constexpr int tails = Z::tails;
  Vec sum[C] = {};
  Vec below[tails] = {};
  double corner[tails * tails] = {};
  Vec t = {};
  double t_tail[tails] = {};
  const CouplingPair* const end = pair + run.pairs;
  for (; pair != end; ++pair) {
    const double* a = z0 + Index{pair->row} * Z::stride;
    const double* b = pairing == Pairing::diagonal ? a : z0 + Index{pair->column} * Z::stride;
#pragma GCC unroll 16
    for (int k = 0; k < P; ++k) {
      const Vec v = *reinterpret_cast<const Vec*>(a + Z::head_at(k));
#pragma GCC unroll 16
      for (int j = 0; j < Z::head; ++j) {
        sum[j] += v * b[Z::head_at(k) + j];
      }
#pragma GCC unroll 16
      for (int j = 0; j < Z::tail; ++j) {
        sum[Z::head + j] += v * b[Z::tail_at(j, k)];
      }
      if constexpr (Z::tail > 0) {
        const Vec u = *reinterpret_cast<const Vec*>(b + Z::head_at(k));
#pragma GCC unroll 16
        for (int r = 0; r < Z::tail; ++r) {
          below[r] += u * a[Z::tail_at(r, k)];
          for (int j = 0; j < Z::tail; ++j) {
            corner[r * Z::tail + j] += a[Z::tail_at(r, k)] * b[Z::tail_at(j, k)];
          }
        }
      }
      if constexpr (pairing == Pairing::diagonal) {
        const double y = a[Z::y_at(k)];
        t += v * y;
        for (int r = 0; r < Z::tail; ++r) {
          t_tail[r] += a[Z::tail_at(r, k)] * y;
        }
      }
    }
  }
  const bool set = run.first;
  for (int j = 0; j < C; ++j) {
    double* column = T + j * stride;
    alignas(64) double head[Z::lanes];
    *reinterpret_cast<Vec*>(head) = sum[j];
    for (int r = 0; r < Z::head; ++r) {
      column[r] = (set ? 0.0 : column[r]) - head[r];
    }
    for (int r = 0; r < Z::tail; ++r) {
      const double value = j < Z::head ? below[r][j < Z::lanes ? j : 0] : corner[r * Z::tail + j - Z::head];
      column[Z::head + r] = (set ? 0.0 : column[Z::head + r]) - value;
    }
  }
  if constexpr (pairing == Pairing::diagonal) {
    alignas(64) double head[Z::lanes];
    *reinterpret_cast<Vec*>(head) = t;
    for (int r = 0; r < Z::head; ++r) {
      c[r] = (set ? 0.0 : c[r]) - head[r];
    }
    for (int r = 0; r < Z::tail; ++r) {
      c[Z::head + r] = (set ? 0.0 : c[Z::head + r]) - t_tail[r];
    }
  }
}

[[gnu::always_inline]] inline double* rhs_of(const ReduceTask& t, const PairRun& run) {
  return t.rhs == nullptr ? t.target + run.target + t.rhs_offset
                          : t.rhs + t.structure.reduced_offset[at(run.diagonal)];
}

template <int C, int P>
[[gnu::always_inline]] inline void reduce_fixed(const ReduceTask& t) {
  const CouplingPair* pair = t.pair;
  const Index stride = t.stride > 0 ? t.stride : C;
  for (const PairRun* run = t.run; run != t.run_end; ++run) {
    double* T = t.target + run->target;
    if (run->diagonal >= 0) {
      reduce_run<C, P, Pairing::diagonal>(t.z, *run, pair, T, stride, rhs_of(t, *run));
    } else {
      reduce_run<C, P, Pairing::distinct>(t.z, *run, pair, T, stride, nullptr);
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
template <int C, int P, Stored stored>
[[gnu::always_inline]] inline void add_transposed_product(const double* w, const double* x,
                                                          typename ZBlock<C, P>::Vec* sum, double* rest) {
  using Z = ZBlock<C, P>;
  using Vec = typename Z::Vec;
  Vec head[P];
  double tail[P][Z::tails];
  load_columns<C, P, stored>(w, head, tail);
  Vec v;
  if constexpr (Z::head == Z::lanes) {
    v = *reinterpret_cast<const Vec*>(x);
  } else {
    alignas(64) double rows[Z::lanes] = {};
    std::copy_n(x, Z::head, rows);
    v = *reinterpret_cast<const Vec*>(rows);
  }
#pragma GCC unroll 8
  for (int k = 0; k < P; ++k) {
    sum[k] += head[k] * v;
    for (int r = 0; r < Z::tail; ++r) {
      rest[k] += tail[k][r] * x[Z::head + r];
    }
  }
}

template <int C, int P>
[[gnu::always_inline]] inline void substitute_fixed(const SubstituteTask& t) {
  using Z = ZBlock<C, P>;
  using Vec = typename Z::Vec;
  constexpr Index entries = P * (P + 1) / 2;
  const SchurStructure& s = t.structure;
  const Index last = s.coupling_start[at(t.end)];
  for (Index e = t.begin; e < t.end; ++e) {
    Vec sum[P] = {};
    double total[P] = {};
    const std::int32_t block = s.eliminated[at(e)];
    for (Index n = s.coupling_start[at(e)]; n < s.coupling_start[at(e) + 1]; ++n) {
      if (n + ahead < last) {
        prefetch(t.values + s.coupling_values[at(n + ahead)], C * P);
      }
      const Index i = s.coupling_kept[at(n)];
      const double* w = t.values + s.coupling_values[at(n)];
      const double* x = t.reduced + i * C;
      if (block < s.kept[at(i)]) {
        add_transposed_product<C, P, Stored::eliminated_first>(w, x, sum, total);
      } else {
        add_transposed_product<C, P, Stored::kept_first>(w, x, sum, total);
      }
    }
    for (int k = 0; k < P; ++k) {
      alignas(64) double lane[Z::lanes];
      *reinterpret_cast<Vec*>(lane) = sum[k];
      for (int half = Z::lanes / 2; half > 0; half /= 2) {
        for (int l = 0; l < half; ++l) {
          lane[l] += lane[l + half];
        }
      }
      total[k] += lane[0];
    }
    back_substitute<P>(t.pivots + e * entries, t.forward + e * P, total, P, t.x + s.eliminated_offset[at(e)]);
  }
}

void substitute_any(const SubstituteTask& t) {
  const SchurStructure& s = t.structure;
  SmallScratch<double, 64> sum(s.widest_eliminated);
  for (Index e = t.begin; e < t.end; ++e) {
    const Index p = s.eliminated_size(e);
    std::fill_n(sum.data(), p, 0.0);
    for (Index n = s.coupling_start[at(e)]; n < s.coupling_start[at(e) + 1]; ++n) {
      const Index i = s.coupling_kept[at(n)];
      const Index c = s.kept_size(i);
      const double* w = t.values + s.coupling_values[at(n)];
      const double* x = t.reduced + s.reduced_offset[at(i)];
      const bool transposed = s.transposed(e, i);
      for (Index k = 0; k < p; ++k) {
        for (Index r = 0; r < c; ++r) {
          sum[k] += (transposed ? w[k + r * p] : w[r + k * c]) * x[r];
        }
      }
    }
    back_substitute<0>(t.pivots + s.pivot_start[at(e)], t.forward + s.forward_offset[at(e)], sum.data(), p,
                       t.x + s.eliminated_offset[at(e)]);
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

/// out -= B_ie v.
template <int C, int P, Stored stored>
[[gnu::always_inline]] inline void subtract_product(const double* w, const double* v, double* out) {
  using Z = ZBlock<C, P>;
  using Vec = typename Z::Vec;
  Vec head[P];
  double tail[P][Z::tails];
  load_columns<C, P, stored>(w, head, tail);
  Vec sum = {};
  double rest[Z::tails] = {};
#pragma GCC unroll 8
  for (int k = 0; k < P; ++k) {
    sum += head[k] * v[k];
    for (int r = 0; r < Z::tail; ++r) {
      rest[r] += tail[k][r] * v[k];
    }
  }
  alignas(64) double rows[Z::lanes];
  *reinterpret_cast<Vec*>(rows) = sum;
  for (int r = 0; r < Z::head; ++r) {
    out[r] -= rows[r];
  }
  for (int r = 0; r < Z::tail; ++r) {
    out[Z::head + r] -= rest[r];
  }
}

template <int C, int P>
[[gnu::always_inline]] inline void forward_fixed(const ForwardTask& t) {
  constexpr Index entries = P * (P + 1) / 2;
  const SchurStructure& s = t.structure;
  const Index last = s.coupling_start[at(t.end)];
  for (Index e = t.begin; e < t.end; ++e) {
    double v[P];
    solve_pivot<P>(t.pivots + e * entries, t.rhs + s.eliminated_offset[at(e)], P, t.forward + e * P, v);
    const std::int32_t block = s.eliminated[at(e)];
    for (Index n = s.coupling_start[at(e)]; n < s.coupling_start[at(e) + 1]; ++n) {
      if (n + ahead < last) {
        prefetch(t.values + s.coupling_values[at(n + ahead)], C * P);
      }
      const Index i = s.coupling_kept[at(n)];
      const double* w = t.values + s.coupling_values[at(n)];
      double* out = t.reduced + i * C;
      if (block < s.kept[at(i)]) {
        subtract_product<C, P, Stored::eliminated_first>(w, v, out);
      } else {
        subtract_product<C, P, Stored::kept_first>(w, v, out);
      }
    }
  }
}

void forward_any(const ForwardTask& t) {
  const SchurStructure& s = t.structure;
  SmallScratch<double, 64> v(s.widest_eliminated);
  for (Index e = t.begin; e < t.end; ++e) {
    const Index p = s.eliminated_size(e);
    solve_pivot<0>(t.pivots + s.pivot_start[at(e)], t.rhs + s.eliminated_offset[at(e)], p,
                   t.forward + s.forward_offset[at(e)], v.data());
    for (Index n = s.coupling_start[at(e)]; n < s.coupling_start[at(e) + 1]; ++n) {
      const Index i = s.coupling_kept[at(n)];
      const Index c = s.kept_size(i);
      const double* w = t.values + s.coupling_values[at(n)];
      double* out = t.reduced + s.reduced_offset[at(i)];
      const bool transposed = s.transposed(e, i);
      for (Index k = 0; k < p; ++k) {
        for (Index r = 0; r < c; ++r) {
          out[r] -= (transposed ? w[k + r * p] : w[r + k * c]) * v[k];
        }
      }
    }
  }
}

// ---- The versions that exist -----------------------------------------------------------------------------

#define KAPPA_SCHUR_KERNELS(C, P)                                                                          \
  KAPPA_WIDEST_VECTORS Index eliminate_##C##_##P(const EliminateTask& t) {                                 \
    return eliminate_fixed<C, P>(t);                                                                       \
  }                                                                                                        \
  KAPPA_WIDEST_VECTORS void reduce_##C##_##P(const ReduceTask& t) {                                        \
    reduce_fixed<C, P>(t);                                                                                 \
  }                                                                                                        \
  KAPPA_WIDEST_VECTORS void substitute_##C##_##P(const SubstituteTask& t) {                                \
    substitute_fixed<C, P>(t);                                                                             \
  }                                                                                                        \
  KAPPA_WIDEST_VECTORS void forward_##C##_##P(const ForwardTask& t) {                                      \
    forward_fixed<C, P>(t);                                                                                \
  }                                                                                                        \
  constexpr SchurKernels kernels_##C##_##P = {ZBlock<C, P>::stride, eliminate_##C##_##P, reduce_##C##_##P, \
                                              substitute_##C##_##P, forward_##C##_##P};

KAPPA_SCHUR_KERNELS(9, 3)
KAPPA_SCHUR_KERNELS(6, 3)
KAPPA_SCHUR_KERNELS(3, 3)
KAPPA_SCHUR_KERNELS(6, 6)
#undef KAPPA_SCHUR_KERNELS

constexpr SchurKernels kernels_any = {0, eliminate_any, reduce_any, substitute_any, forward_any};

}  // namespace

const SchurKernels& schur_kernels(Index kept, Index eliminated) {
  if (eliminated == 3) {
    switch (kept) {
      case 9:
        return kernels_9_3;
      case 6:
        return kernels_6_3;
      case 3:
        return kernels_3_3;
      default:
        return kernels_any;
    }
  }
  return kept == 6 && eliminated == 6 ? kernels_6_6 : kernels_any;
}

}  // namespace kappa::detail
