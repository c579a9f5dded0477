// Lanes: as many doubles as the processor computes with at once, one for each of several residual blocks.
//
// A residual functor is evaluated for a group of blocks in one call: its T is a Jet whose scalar is Lanes,
// lane l standing for block l. Parameters enter lane by lane. What else a functor computes with are its own
// members, which differ from block to block: where a member is converted to T, the reference lies inside the
// functor, and the same member of the other lanes' functors is loaded beside it. Any other plain number is
// taken for a constant of all lanes; that it is one, fingerprint.h proves before a group is evaluated
// together.
//
// A comparison answers for all lanes at once. Where they disagree it answers for lane 0 and notes that the
// lanes diverged; whoever asked for the evaluation then drops it and takes the blocks one by one.
//
// Elementary functions are xsimd's, accurate to about one unit in the last place. Without xsimd, or with
// KAPPA_NO_SIMD defined, there are no lanes and every block is evaluated by itself.
#pragma once

#include <array>
#include <compare>
#include <concepts>
#include <cstdint>
#include <limits>
#include <optional>
#include <type_traits>

#include "kappa/base.h"
#include "kappa/elementary.h"

// Without optimization GCC cannot compile what xsimd 8.1 does for AVX-512.
#if !defined(KAPPA_NO_SIMD) && (defined(__OPTIMIZE__) || !defined(__AVX512F__)) && __has_include(<xsimd/xsimd.hpp>)
#include <xsimd/xsimd.hpp>
#if !defined(XSIMD_NO_SUPPORTED_ARCHITECTURE)
#define KAPPA_LANES 1
#endif
#endif

namespace kappa::detail {

/// What the numbers in a functor need to know about the call they are made in.
struct FunctorCall {
  static constexpr int most_lanes = 8;

  std::uintptr_t functor = 0;  ///< address of lane 0's functor
  std::size_t size = 0;        ///< of a functor
  /// From lane 0's functor to that of each lane, in bytes.
  std::array<std::size_t, most_lanes> distance{};
  std::uint64_t path = 0;  ///< hash of the outcomes of the functor's comparisons so far
  std::uint64_t flow = 0;  ///< hash of what was compared (fingerprint.h)
  bool diverged = false;

  /// Offset of a member, or a number of at least `size` for anything that is none.
  template <class S>
  std::size_t member(const S& s) const {
    return reinterpret_cast<std::uintptr_t>(&s) - functor;
  }
};

inline constinit thread_local FunctorCall functor_call;

/// Mixes b into a; a 64-bit hash.
constexpr std::uint64_t mix(std::uint64_t a, std::uint64_t b) {
  std::uint64_t h = (a ^ (b * 0x9e3779b97f4a7c15U)) * 0xbf58476d1ce4e5b9U;
  return h ^ (h >> 29U);
}

/// The numbers whose comparisons make up the path of a FunctorCall.
struct FollowedPath {
  static bool taken(bool outcome) {
    step(outcome ? 2 : 1);
    return outcome;
  }
  static std::partial_ordering taken(std::partial_ordering outcome) {
    step(outcome < 0 ? 3 : outcome > 0 ? 4 : outcome == 0 ? 5 : 6);
    return outcome;
  }

 private:
  static void step(std::uint64_t outcome) { functor_call.path = mix(functor_call.path, outcome); }
};

}  // namespace kappa::detail

#if defined(KAPPA_LANES)

namespace kappa {

struct Lanes {
  using Batch = xsimd::batch<double>;
  using Truth = Batch::batch_bool_type;
  /// Eight lanes whatever the processor's vectors hold: several short vectors hide each other's latency, and
  /// blocks are grouped alike everywhere.
  static constexpr int count = detail::FunctorCall::most_lanes;
  static constexpr int width = static_cast<int>(Batch::size);
  static constexpr int batches = count / width;
  static_assert(batches * width == count);

  Batch v[batches];

  Lanes() = default;
  /// A member of the functor being evaluated, lane by lane, or a constant.
  template <class S>
  requires std::is_arithmetic_v<S> Lanes(const S& s) { load(s); }

  static Lanes broadcast(double value) {
    return make([&](int) { return Batch(value); });
  }
  /// The number whose lane l is entry(l). Through registers: a vector load would wait for stores of its
  /// parts.
  template <class Entry>
  static Lanes from_each(const Entry& entry) {
    return make([&](int i) {
      return [&]<int... l>(std::integer_sequence<int, l...>) {
        return Batch({entry(i * width + l)...});
      }
      (std::make_integer_sequence<int, width>{});
    });
  }
  void store(double* to) const {
    for (int i = 0; i < batches; ++i) {
      v[i].store_unaligned(to + i * width);
    }
  }

  // Where eight lanes are one vector, eight of them are transposed in registers.
#if defined(__GNUC__) && defined(__AVX512F__) && __has_builtin(__builtin_shufflevector)
  static constexpr bool transposes = width == count;
  /// Lane l of from[i] goes to to[l * stride + i], for i < 8.
  static void store_transposed(const Lanes* from, double* to, Index stride) {
    transpose([&](int i) { return static_cast<Row>(from[i].v[0].data); },
              [&](int l, const Row& lane) { *reinterpret_cast<Unaligned*>(to + l * stride) = lane; });
  }
  /// Lane l of to[i] becomes from(l)[i], for i < 8.
  template <class From>
  static void load_transposed(const From& from, Lanes* to) {
    transpose([&](int l) { return Row(*reinterpret_cast<const Unaligned*>(from(l))); },
              [&](int i, const Row& number) {
                to[i].v[0] = Batch(static_cast<typename Batch::register_type>(number));
              });
  }
#else
  static constexpr bool transposes = false;
  static void store_transposed(const Lanes*, double*, Index) {}
  template <class From>
  static void load_transposed(const From&, Lanes*) {}
#endif
  double operator[](int lane) const {
    return v[lane / width].get(static_cast<std::size_t>(lane % width));
  }

  Lanes& operator+=(const Lanes& y) {
    return *this = *this + y;
  }
  Lanes& operator-=(const Lanes& y) {
    return *this = *this - y;
  }
  Lanes& operator*=(const Lanes& y) {
    return *this = *this * y;
  }
  Lanes& operator/=(const Lanes& y) {
    return *this = *this / y;
  }
  friend Lanes operator-(const Lanes& x) {
    return make([&](int i) { return -x.v[i]; });
  }
  friend Lanes operator+(const Lanes& x, const Lanes& y) {
    return make([&](int i) { return x.v[i] + y.v[i]; });
  }
  friend Lanes operator-(const Lanes& x, const Lanes& y) {
    return make([&](int i) { return x.v[i] - y.v[i]; });
  }
  friend Lanes operator*(const Lanes& x, const Lanes& y) {
    return make([&](int i) { return x.v[i] * y.v[i]; });
  }
  friend Lanes operator/(const Lanes& x, const Lanes& y) {
    return make([&](int i) { return x.v[i] / y.v[i]; });
  }

  friend bool operator==(const Lanes& x, const Lanes& y) {
    return agreed([&](int i) { return x.v[i] == y.v[i]; });
  }
  friend std::partial_ordering operator<=>(const Lanes& x, const Lanes& y) {
    if (agreed([&](int i) { return x.v[i] < y.v[i]; })) {
      return std::partial_ordering::less;
    }
    if (agreed([&](int i) { return x.v[i] > y.v[i]; })) {
      return std::partial_ordering::greater;
    }
    return x == y ? std::partial_ordering::equivalent : std::partial_ordering::unordered;
  }

  friend bool is_constant(const Lanes&) {
    return true;
  }
  friend std::pair<Lanes, Lanes> sine_and_cosine(const Lanes& x) {
    std::pair<Lanes, Lanes> result;
    for (int i = 0; i < batches; ++i) {
      const auto [sine, cosine] = xsimd::sincos(x.v[i]);
      result.first.v[i] = sine;
      result.second.v[i] = cosine;
    }
    return result;
  }

#if defined(__GNUC__) && defined(__AVX512F__) && __has_builtin(__builtin_shufflevector)
  typedef double Row __attribute__((vector_size(64), may_alias));
  typedef double Unaligned __attribute__((vector_size(64), aligned(8), may_alias));

  /// out(i, column i) of the 8 x 8 matrix whose row j is in(j).
  template <class In, class Out>
  static void transpose(const In& in, const Out& out) {
    Row a[8];
    Row b[8];
    for (int j = 0; j < 8; ++j) {
      a[j] = in(j);
    }
    for (int j = 0; j < 8; j += 2) {
      b[j] = __builtin_shufflevector(a[j], a[j + 1], 0, 8, 2, 10, 4, 12, 6, 14);
      b[j + 1] = __builtin_shufflevector(a[j], a[j + 1], 1, 9, 3, 11, 5, 13, 7, 15);
    }
    for (int h = 0; h < 8; h += 4) {
      for (int j = h; j < h + 2; ++j) {
        a[j] = __builtin_shufflevector(b[j], b[j + 2], 0, 1, 8, 9, 4, 5, 12, 13);
        a[j + 2] = __builtin_shufflevector(b[j], b[j + 2], 2, 3, 10, 11, 6, 7, 14, 15);
      }
    }
    for (int j = 0; j < 4; ++j) {
      out(j, __builtin_shufflevector(a[j], a[j + 4], 0, 1, 2, 3, 8, 9, 10, 11));
      out(j + 4, __builtin_shufflevector(a[j], a[j + 4], 4, 5, 6, 7, 12, 13, 14, 15));
    }
  }
#endif

  /// The number whose i-th batch is batch(i).
  template <class F>
  static Lanes make(const F& batch) {
    Lanes result;
    for (int i = 0; i < batches; ++i) {
      result.v[i] = batch(i);
    }
    return result;
  }
  /// f applied to each lane, for what has no vector form.
  template <class F, class... L>
  static Lanes one_by_one(const F& f, const L&... x) {
    return from_each([&](int l) { return f(x[l]...); });
  }
  /// An array f(x[l]) for lanes on both sides of 1, where f takes another branch; nothing where all lie on
  /// one.
  template <class F>
  static auto lane_by_lane(const Lanes& x, const F& f) {
    constexpr std::size_t size = std::tuple_size_v<decltype(f(0.0))>;
    std::optional<std::array<Lanes, size>> result;
    bool all = true;
    bool any = false;
    for (int i = 0; i < batches; ++i) {
      const Truth below = x.v[i] < Batch(1.0);
      all = all && xsimd::all(below);
      any = any || xsimd::any(below);
    }
    if (any && !all) {
      std::array<std::array<double, size>, static_cast<std::size_t>(count)> lane;
      for (int l = 0; l < count; ++l) {
        lane[static_cast<std::size_t>(l)] = f(x[l]);
      }
      result.emplace();
      for (std::size_t k = 0; k < size; ++k) {
        (*result)[k] = from_each([&](int l) { return lane[static_cast<std::size_t>(l)][k]; });
      }
    }
    return result;
  }
  /// Lane 0's truth; notes where others differ.
  template <class F>
  static bool agreed(const F& truth) {
    bool all = true;
    bool any = false;
    bool first = false;
    for (int i = 0; i < batches; ++i) {
      const Truth batch = truth(i);
      all = all && xsimd::all(batch);
      any = any || xsimd::any(batch);
      first = i == 0 ? batch.get(0) : first;
    }
    if (any && !all) {
      detail::functor_call.diverged = true;
    }
    return first;
  }

 private:
  template <class S>
  void load(const S& s) {
    const detail::FunctorCall& call = detail::functor_call;
    if (__builtin_constant_p(s) || call.member(s) >= call.size) {
      *this = broadcast(static_cast<double>(s));
      return;
    }
    *this = from_each([&](int l) {
      const char* member = reinterpret_cast<const char*>(&s) + call.distance[static_cast<std::size_t>(l)];
      return static_cast<double>(*reinterpret_cast<const S*>(member));
    });
  }
};

namespace detail {

template <>
struct BaseOf<Lanes> {
  using type = double;
};
template <>
struct ValueOf<Lanes> {
  using type = Lanes;
};
template <>
struct Path<Lanes> : FollowedPath {};
}  // namespace detail

inline Lanes power_of_two_scale(const Lanes& largest) {
  return Lanes::one_by_one([](double x) { return detail::power_of_two_scale(x); }, largest);
}
inline Lanes sqrt(const Lanes& x) {
  return Lanes::make([&](int i) { return xsimd::sqrt(x.v[i]); });
}
inline Lanes cbrt(const Lanes& x) {
  return Lanes::make([&](int i) { return xsimd::cbrt(x.v[i]); });
}
inline Lanes exp(const Lanes& x) {
  return Lanes::make([&](int i) { return xsimd::exp(x.v[i]); });
}
inline Lanes exp2(const Lanes& x) {
  return Lanes::make([&](int i) { return xsimd::exp2(x.v[i]); });
}
inline Lanes expm1(const Lanes& x) {
  return Lanes::make([&](int i) { return xsimd::expm1(x.v[i]); });
}
inline Lanes log(const Lanes& x) {
  return Lanes::make([&](int i) { return xsimd::log(x.v[i]); });
}
inline Lanes log2(const Lanes& x) {
  return Lanes::make([&](int i) { return xsimd::log2(x.v[i]); });
}
inline Lanes log10(const Lanes& x) {
  return Lanes::make([&](int i) { return xsimd::log10(x.v[i]); });
}
inline Lanes log1p(const Lanes& x) {
  return Lanes::make([&](int i) { return xsimd::log1p(x.v[i]); });
}
inline Lanes sin(const Lanes& x) {
  return Lanes::make([&](int i) { return xsimd::sin(x.v[i]); });
}
inline Lanes cos(const Lanes& x) {
  return Lanes::make([&](int i) { return xsimd::cos(x.v[i]); });
}
inline Lanes tan(const Lanes& x) {
  return Lanes::make([&](int i) { return xsimd::tan(x.v[i]); });
}
inline Lanes asin(const Lanes& x) {
  return Lanes::make([&](int i) { return xsimd::asin(x.v[i]); });
}
inline Lanes acos(const Lanes& x) {
  return Lanes::make([&](int i) { return xsimd::acos(x.v[i]); });
}
inline Lanes atan(const Lanes& x) {
  return Lanes::make([&](int i) { return xsimd::atan(x.v[i]); });
}
inline Lanes sinh(const Lanes& x) {
  return Lanes::make([&](int i) { return xsimd::sinh(x.v[i]); });
}
inline Lanes cosh(const Lanes& x) {
  return Lanes::make([&](int i) { return xsimd::cosh(x.v[i]); });
}
inline Lanes tanh(const Lanes& x) {
  return Lanes::make([&](int i) { return xsimd::tanh(x.v[i]); });
}
inline Lanes asinh(const Lanes& x) {
  return Lanes::make([&](int i) { return xsimd::asinh(x.v[i]); });
}
inline Lanes acosh(const Lanes& x) {
  return Lanes::make([&](int i) { return xsimd::acosh(x.v[i]); });
}
inline Lanes atanh(const Lanes& x) {
  return Lanes::make([&](int i) { return xsimd::atanh(x.v[i]); });
}
// xsimd's error functions are some ten units in the last place off.
inline Lanes erf(const Lanes& x) {
  return Lanes::one_by_one([](double a) { return std::erf(a); }, x);
}
inline Lanes erfc(const Lanes& x) {
  return Lanes::one_by_one([](double a) { return std::erfc(a); }, x);
}
/// The power of positive numbers; of others lane by lane, for the sake of its many special values.
inline Lanes pow(const Lanes& x, const Lanes& y) {
  bool positive = true;
  for (int i = 0; i < Lanes::batches; ++i) {
    positive = positive && xsimd::all(x.v[i] > Lanes::Batch(0.0));
  }
  if (!positive) {
    return Lanes::one_by_one([](double base, double exponent) { return std::pow(base, exponent); }, x, y);
  }
  return Lanes::make([&](int i) { return xsimd::pow(x.v[i], y.v[i]); });
}
inline Lanes atan2(const Lanes& y, const Lanes& x) {
  return Lanes::make([&](int i) { return xsimd::atan2(y.v[i], x.v[i]); });
}
inline Lanes hypot(const Lanes& x, const Lanes& y) {
  return Lanes::make([&](int i) { return xsimd::hypot(x.v[i], y.v[i]); });
}
inline Lanes fmod(const Lanes& x, const Lanes& y) {
  return Lanes::one_by_one([](double a, double b) { return std::fmod(a, b); }, x, y);
}
inline Lanes fma(const Lanes& x, const Lanes& y, const Lanes& z) {
  return Lanes::one_by_one([](double a, double b, double c) { return std::fma(a, b, c); }, x, y, z);
}
inline Lanes fmax(const Lanes& x, const Lanes& y) {
  return Lanes::make([&](int i) { return xsimd::fmax(x.v[i], y.v[i]); });
}
inline Lanes fabs(const Lanes& x) {
  return Lanes::make([&](int i) { return xsimd::abs(x.v[i]); });
}
inline Lanes abs(const Lanes& x) {
  return Lanes::make([&](int i) { return xsimd::abs(x.v[i]); });
}
inline Lanes copysign(const Lanes& x, const Lanes& y) {
  return Lanes::make([&](int i) { return xsimd::copysign(x.v[i], y.v[i]); });
}
inline Lanes floor(const Lanes& x) {
  return Lanes::make([&](int i) { return xsimd::floor(x.v[i]); });
}
inline Lanes ceil(const Lanes& x) {
  return Lanes::make([&](int i) { return xsimd::ceil(x.v[i]); });
}
inline Lanes round(const Lanes& x) {
  return Lanes::one_by_one([](double a) { return std::round(a); }, x);
}
inline Lanes trunc(const Lanes& x) {
  return Lanes::make([&](int i) { return xsimd::trunc(x.v[i]); });
}
inline bool isfinite(const Lanes& x) {
  return Lanes::agreed([&](int i) { return xsimd::isfinite(x.v[i]); });
}
inline bool isnan(const Lanes& x) {
  return Lanes::agreed([&](int i) { return xsimd::isnan(x.v[i]); });
}
inline bool isinf(const Lanes& x) {
  return Lanes::agreed([&](int i) { return xsimd::isinf(x.v[i]); });
}
inline bool isnormal(const Lanes& x) {
  return Lanes::agreed([&](int i) {
    return xsimd::isfinite(x.v[i]) && xsimd::abs(x.v[i]) >= Lanes::Batch(std::numeric_limits<double>::min());
  });
}
inline bool signbit(const Lanes& x) {
  return Lanes::agreed([&](int i) { return xsimd::copysign(Lanes::Batch(1.0), x.v[i]) < Lanes::Batch(0.0); });
}

}  // namespace kappa

/// Those of double, as constants.
template <>
struct std::numeric_limits<kappa::Lanes> : std::numeric_limits<double> {};

#endif
