#include "problems/learning/batch_kernels.h"

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "core/wide_vectors.h"

namespace kappa::detail {
namespace {

// Everything below is inlined into one function for each kernel and vector width; a function that were not
// would be compiled without the wide vectors of its caller.
#define KAPPA_INLINE [[gnu::always_inline]] inline
#define KAPPA_UNROLL _Pragma("GCC unroll 16")

template <class T, int Bits>
struct VectorOf;
#define KAPPA_VECTOR_OF(T, Integer, Bits)                           \
  template <>                                                       \
  struct VectorOf<T, Bits> {                                        \
    typedef T Vector __attribute__((vector_size(Bits / 8)));        \
    typedef Integer Bitwise __attribute__((vector_size(Bits / 8))); \
  };
KAPPA_VECTOR_OF(float, std::int32_t, 128)
KAPPA_VECTOR_OF(float, std::int32_t, 256)
KAPPA_VECTOR_OF(float, std::int32_t, 512)
KAPPA_VECTOR_OF(double, std::int64_t, 128)
KAPPA_VECTOR_OF(double, std::int64_t, 256)
KAPPA_VECTOR_OF(double, std::int64_t, 512)
#undef KAPPA_VECTOR_OF

/// Constants of exp in one precision: x = k log 2 + r, |r| <= log(2) / 2, exp(x) - 1 = 2^k p(r) + (2^k - 1).
template <class T>
struct ExpConstants;
template <>
struct ExpConstants<float> {
  static constexpr float rounding = 12582912.0F;  // 1.5 2^23: adding it leaves an integer in the low bits
  static constexpr float log2_high = 0.693145751953125F;
  static constexpr float log2_low = 1.42860677e-06F;
  static constexpr float least = -80.0F;
  static constexpr int mantissa = 23;
  static constexpr int terms = 8;
  static constexpr int log_terms = 9;
};
template <>
struct ExpConstants<double> {
  static constexpr double rounding = 6755399441055744.0;  // 1.5 2^52
  static constexpr double log2_high = 0.69314718036912381649;
  static constexpr double log2_low = 1.9082149292705877e-10;
  static constexpr double least = -690.0;
  static constexpr int mantissa = 52;
  static constexpr int terms = 14;
  static constexpr int log_terms = 18;
};

template <class T, int Bits>
struct Kernels {
  using Vector = typename VectorOf<T, Bits>::Vector;
  using Bitwise = typename VectorOf<T, Bits>::Bitwise;
  static constexpr Index Row = row_units<T>;
  static constexpr Index W = Bits / 8 / static_cast<Index>(sizeof(T));
  /// Entries of a tile beside two vectors: what the registers hold (32 of 512 bits, 16 of fewer).
  static constexpr int Columns = Bits == 512 ? 8 : 4;
  /// Rows of a panel multiplied at once: they stay in the nearest cache (16 kB).
  static constexpr Index depth = 128;

  KAPPA_INLINE static void load(Vector& v, const T* p) { std::memcpy(&v, p, sizeof v); }
  KAPPA_INLINE static void store(T* p, const Vector& v) { std::memcpy(p, &v, sizeof v); }

  /// R vectors by Columns entries, in registers.
  template <int R>
  struct Tile {
    Vector at[Columns][R];

    KAPPA_INLINE void read(const T* p, Index next) {
      KAPPA_UNROLL for (int c = 0; c < Columns; ++c) {
        KAPPA_UNROLL for (int r = 0; r < R; ++r) {
          load(at[c][r], p + c * next + r * W);
        }
      }
    }
    KAPPA_INLINE void write(T* p, Index next) const {
      KAPPA_UNROLL for (int c = 0; c < Columns; ++c) {
        KAPPA_UNROLL for (int r = 0; r < R; ++r) {
          store(p + c * next + r * W, at[c][r]);
        }
      }
    }
    /// += sum_k vectors[k] entry(k, c), rows of vectors behind each other; entry (k, c) at k Step + c Next.
    template <Index Step, Index Next>
    KAPPA_INLINE void add(const T* vectors, const T* entries, Index n) {
      for (Index k = 0; k < n; ++k) {
        Vector v[R];
        KAPPA_UNROLL for (int r = 0; r < R; ++r) {
          load(v[r], vectors + r * W);
        }
        KAPPA_UNROLL for (int c = 0; c < Columns; ++c) {
          const T entry = entries[c * Next];
          KAPPA_UNROLL for (int r = 0; r < R; ++r) {
            at[c][r] += v[r] * entry;
          }
        }
        vectors += Row;
        entries += Step;
      }
    }
  };

  /// body<R>(first unit) for the vectors that cover `units` of a row, two at a time.
  template <class Body>
  KAPPA_INLINE static void each_pair(Index units, const Body& body) {
    Index u = 0;
    for (; u + W < units; u += 2 * W) {
      body.template operator()<2>(u);
    }
    if (u < units) {
      body.template operator()<1>(u);
    }
  }

  KAPPA_INLINE static void multiply(const PackedWeights<T>& weights, const Panels<T>& in,
                                    const Panels<T>& out, SampleRange samples) {
    constexpr Index group = depth / Row;
    for (Index first = 0; first < in.panels(); first += group) {
      const Index last = std::min(first + group, in.panels());
      for (Index p = 0; p < out.panels(); ++p) {
        const T* w = weights.data + p * weights.inputs * Row;
        each_pair(
            std::min(Row, out.units - p * Row), [&]<int R>(Index u) __attribute__((always_inline)) {
              for (Index s = samples.begin; s < samples.end; s += Columns) {
                T* target = out.row(p, s) + u;
                Tile<R> tile;
                tile.read(target, Row);
                for (Index q = first; q < last; ++q) {
                  tile.template add<1, Row>(w + q * Row * Row + u, in.row(q, s),
                                            std::min(Row, in.units - q * Row));
                }
                tile.write(target, Row);
              }
            });
      }
    }
  }

  KAPPA_INLINE static void outer(const Panels<T>& a, Index panel, const Panels<T>& d, SampleRange samples,
                                 T* sum) {
    const Index inputs = std::min(Row, a.units - panel * Row);
    for (Index from = samples.begin; from < samples.end; from += depth) {
      const Index n = std::min(depth, samples.end - from);
      for (Index p = 0; p < d.panels(); ++p) {
        each_pair(
            std::min(Row, d.units - p * Row), [&]<int R>(Index u) __attribute__((always_inline)) {
              for (Index i = 0; i < inputs; i += Columns) {
                T* target = sum + (p * Row + i) * Row + u;
                Tile<R> tile;
                tile.read(target, Row);
                tile.template add<Row, 1>(d.row(p, from) + u, a.row(panel, from) + i, n);
                tile.write(target, Row);
              }
            });
      }
    }
  }

  // Vectors pass by reference: by value their calling convention would depend on the compiler's flags.

  /// exp(x) = scale + scale p for x <= 0. Below `least` it is exp(least), so that nothing is denormal.
  KAPPA_INLINE static void exp_parts(const Vector& argument, Vector& scale, Vector& p) {
    using C = ExpConstants<T>;
    const Vector x = argument < C::least ? Vector{} + C::least : argument;
    const Vector shifted = x * static_cast<T>(1.44269504088896340736) + C::rounding;
    const Vector k = shifted - C::rounding;
    const Vector r = (x - k * C::log2_high) - k * C::log2_low;
    // r + r^2 (1/2 + r/6 + ...): Taylor's series, whose first dropped term is below the last place.
    Vector series = Vector{} + static_cast<T>(1.0 / factorial(C::terms));
    KAPPA_UNROLL for (int n = C::terms - 1; n >= 2; --n) {
      series = series * r + static_cast<T>(1.0 / factorial(n));
    }
    p = r + r * r * series;
    // The low bits of `shifted` are k: moved to where the exponent is, they multiply 1 by 2^k.
    scale = reinterpret_cast<Vector>((reinterpret_cast<Bitwise>(shifted) << C::mantissa) +
                                     reinterpret_cast<Bitwise>(Vector{} + T{1}));
  }
  static constexpr double factorial(int n) { return n <= 1 ? 1.0 : n * factorial(n - 1); }

  /// log(1 + e) for 0 <= e <= 1: 2 atanh(s), s = e / (2 + e) <= 1/3.
  KAPPA_INLINE static void log_one_plus(const Vector& e, Vector& out) {
    const Vector s = e / (e + T{2});
    const Vector square = s * s;
    Vector series = Vector{} + T{2} / static_cast<T>(2 * ExpConstants<T>::log_terms + 1);
    KAPPA_UNROLL for (int n = ExpConstants<T>::log_terms - 1; n >= 1; --n) {
      series = series * square + T{2} / static_cast<T>(2 * n + 1);
    }
    out = T{2} * s + s * square * series;
  }

  /// -|z|
  KAPPA_INLINE static void load_negative(const T* p, Vector& z, Vector& negative) {
    load(z, p);
    negative = z > T{0} ? -z : z;
  }

  KAPPA_INLINE static void keep(T* to, const Vector& v) {
    if (to != nullptr) {
      store(to, v);
    }
  }
  KAPPA_INLINE static T* at(T* p, Index i) { return p == nullptr ? nullptr : p + i; }

  KAPPA_INLINE static void tanh(const ActivationRows<T>& rows, Index count) {
    for (Index i = 0; i < count; i += W) {
      Vector z;
      Vector negative;
      load_negative(rows.z + i, z, negative);
      Vector scale;
      Vector p;
      exp_parts(T{2} * negative, scale, p);
      const Vector e = scale * p + (scale - T{1});  // exp(-2|z|) - 1, without cancellation at 0
      const Vector t = -e / (e + T{2});
      const Vector value = z != z ? z : (z < T{0} ? -t : t);
      const Vector first = (T{1} - value) * (T{1} + value);
      store(rows.value + i, value);
      keep(at(rows.first, i), first);
      keep(at(rows.second, i), T{-2} * value * first);
    }
  }

  /// e = exp(-|z|), value = 1 / (1 + exp(-z)) and its complement, neither by a difference.
  KAPPA_INLINE static void logistic(const Vector& z, const Vector& negative, Vector& e, Vector& value,
                                    Vector& complement) {
    Vector scale;
    Vector p;
    exp_parts(negative, scale, p);
    e = scale * p + scale;
    const Vector large = T{1} / (T{1} + e);
    const Vector small = e * large;
    value = z != z ? z : (z < T{0} ? small : large);
    complement = z < T{0} ? large : small;
  }

  KAPPA_INLINE static void sigmoid(const ActivationRows<T>& rows, Index count) {
    for (Index i = 0; i < count; i += W) {
      Vector z;
      Vector negative;
      load_negative(rows.z + i, z, negative);
      Vector e;
      Vector value;
      Vector complement;
      logistic(z, negative, e, value, complement);
      const Vector first = value * complement;
      store(rows.value + i, value);
      keep(at(rows.first, i), first);
      keep(at(rows.second, i), first * (complement - value));
    }
  }

  KAPPA_INLINE static void softplus(const ActivationRows<T>& rows, Index count) {
    for (Index i = 0; i < count; i += W) {
      Vector z;
      Vector negative;
      load_negative(rows.z + i, z, negative);
      Vector e;
      Vector first;
      Vector complement;
      logistic(z, negative, e, first, complement);
      Vector tail;
      log_one_plus(e, tail);
      store(rows.value + i, z != z ? z : tail + (z < T{0} ? Vector{} : z));
      keep(at(rows.first, i), first);
      keep(at(rows.second, i), first * complement);
    }
  }

  KAPPA_INLINE static void product(const T* a, const T* b, T* out, Index count) {
    for (Index i = 0; i < count; i += W) {
      Vector x;
      Vector y;
      load(x, a + i);
      load(y, b + i);
      store(out + i, x * y);
    }
  }

  KAPPA_INLINE static void product_sum(const T* a, const T* b, const T* c, const T* d, T* out, Index count) {
    for (Index i = 0; i < count; i += W) {
      Vector x;
      Vector y;
      Vector z;
      Vector w;
      load(x, a + i);
      load(y, b + i);
      load(z, c + i);
      load(w, d + i);
      store(out + i, x * y + z * w);
    }
  }
};

#define KAPPA_WIDTH(Name, Target, Bits)                                                                     \
  template <class T>                                                                                        \
  struct Name {                                                                                             \
    using K = Kernels<T, Bits>;                                                                             \
    Target static void multiply(const PackedWeights<T>& weights, const Panels<T>& in, const Panels<T>& out, \
                                SampleRange samples) {                                                      \
      K::multiply(weights, in, out, samples);                                                               \
    }                                                                                                       \
    Target static void outer(const Panels<T>& a, Index panel, const Panels<T>& d, SampleRange samples,      \
                             T* sum) {                                                                      \
      K::outer(a, panel, d, samples, sum);                                                                  \
    }                                                                                                       \
    Target static void tanh(const ActivationRows<T>& rows, Index count) { K::tanh(rows, count); }           \
    Target static void sigmoid(const ActivationRows<T>& rows, Index count) { K::sigmoid(rows, count); }     \
    Target static void softplus(const ActivationRows<T>& rows, Index count) { K::softplus(rows, count); }   \
    Target static void product(const T* a, const T* b, T* out, Index count) {                               \
      K::product(a, b, out, count);                                                                         \
    }                                                                                                       \
    Target static void product_sum(const T* a, const T* b, const T* c, const T* d, T* out, Index count) {   \
      K::product_sum(a, b, c, d, out, count);                                                               \
    }                                                                                                       \
    static constexpr BatchKernels<T> table = {                                                              \
        multiply, outer, tanh, sigmoid, softplus, product, product_sum};                                    \
  };
KAPPA_WIDTH(Width512, KAPPA_VECTORS_512, 512)
KAPPA_WIDTH(Width256, KAPPA_VECTORS_256, 256)
KAPPA_WIDTH(Width128, , 128)
#undef KAPPA_WIDTH

}  // namespace

template <class T>
const BatchKernels<T>& batch_kernels(int width) {
  return width == 512 ? Width512<T>::table : width == 256 ? Width256<T>::table : Width128<T>::table;
}

template <class T>
const BatchKernels<T>& batch_kernels() {
  static const BatchKernels<T>& kernels = batch_kernels<T>(vector_width());
  return kernels;
}

template const BatchKernels<float>& batch_kernels<float>(int);
template const BatchKernels<double>& batch_kernels<double>(int);
template const BatchKernels<float>& batch_kernels<float>();
template const BatchKernels<double>& batch_kernels<double>();

}  // namespace kappa::detail
