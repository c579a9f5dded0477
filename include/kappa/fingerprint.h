// Fingerprint: a number that remembers, as a hash, how it was computed from the parameters and the members of
// a residual functor.
//
// Running a functor on fingerprints yields the hash of the expressions that it evaluates: which operations,
// on which parameters, members and constants, along the path that its comparisons take. Two blocks of equal
// hash evaluate the same expressions, so that one call can do both (lanes.h). Anything in which they differ
// other than by the values of parameters and members converted to T shows in the hash: a constant computed
// from members, data behind a pointer, a branch on a member.
#pragma once

#include <bit>
#include <cmath>

#include "kappa/lanes.h"

#if defined(KAPPA_LANES)

namespace kappa {

struct Fingerprint {
  double value;
  std::uint64_t hash;

  Fingerprint() = default;
  constexpr Fingerprint(double number, std::uint64_t how) : value(number), hash(how) {}
  /// A member of the functor being evaluated, or a constant.
  template <class S>
  requires std::is_arithmetic_v<S> Fingerprint(const S& s) : value(static_cast<double>(s)), hash(origin(s)) {}

  enum class Operation : std::uint8_t {
    parameter,
    member,
    constant,
    minus,
    sum,
    difference,
    product,
    quotient,
    sqrt,
    cbrt,
    exp,
    exp2,
    expm1,
    log,
    log2,
    log10,
    log1p,
    sin,
    cos,
    tan,
    asin,
    acos,
    atan,
    sinh,
    cosh,
    tanh,
    asinh,
    acosh,
    atanh,
    erf,
    erfc,
    pow,
    atan2,
    hypot,
    fmod,
    fma,
    abs,
    copysign,
    floor,
    ceil,
    round,
    trunc,
    maximum,
    scale,
    array,
    compared
  };

  /// The hash of an operation on operands of hashes a and b. A 128-bit product folded to 64 bits is one
  /// multiplication on the path from operand to result, and most of a proof is a chain of such.
  static std::uint64_t hash_of(Operation operation, std::uint64_t a, std::uint64_t b = 0) {
    const auto number = static_cast<std::uint64_t>(operation) + 1;
    const std::uint64_t left = a ^ (number * 0xbf58476d1ce4e5b9U);
    const std::uint64_t right = b ^ 0x9e3779b97f4a7c15U;
#if defined(__SIZEOF_INT128__)
    __extension__ typedef unsigned __int128 Wide;
    const Wide product = static_cast<Wide>(left) * right;
    return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64U);
#else
    return detail::mix(left, right);
#endif
  }
  static std::uint64_t hash_of(Operation operation, std::uint64_t a, std::uint64_t b, std::uint64_t c) {
    return detail::mix(hash_of(operation, a, b), c);
  }
  static Fingerprint parameter(double value, int column) {
    return {value, hash_of(Operation::parameter, static_cast<std::uint64_t>(column))};
  }

  friend Fingerprint operator-(const Fingerprint& x) {
    return {-x.value, hash_of(Operation::minus, x.hash)};
  }
  friend Fingerprint operator+(const Fingerprint& x, const Fingerprint& y) {
    return {x.value + y.value, hash_of(Operation::sum, x.hash, y.hash)};
  }
  friend Fingerprint operator-(const Fingerprint& x, const Fingerprint& y) {
    return {x.value - y.value, hash_of(Operation::difference, x.hash, y.hash)};
  }
  friend Fingerprint operator*(const Fingerprint& x, const Fingerprint& y) {
    return {x.value * y.value, hash_of(Operation::product, x.hash, y.hash)};
  }
  friend Fingerprint operator/(const Fingerprint& x, const Fingerprint& y) {
    return {x.value / y.value, hash_of(Operation::quotient, x.hash, y.hash)};
  }
  Fingerprint& operator+=(const Fingerprint& y) {
    return *this = *this + y;
  }
  Fingerprint& operator-=(const Fingerprint& y) {
    return *this = *this - y;
  }
  Fingerprint& operator*=(const Fingerprint& y) {
    return *this = *this * y;
  }
  Fingerprint& operator/=(const Fingerprint& y) {
    return *this = *this / y;
  }

  friend bool operator==(const Fingerprint& x, const Fingerprint& y) {
    note(x, y);
    return x.value == y.value;
  }
  friend std::partial_ordering operator<=>(const Fingerprint& x, const Fingerprint& y) {
    note(x, y);
    return x.value <=> y.value;
  }

  friend bool is_constant(const Fingerprint&) {
    return true;
  }

  /// An array f(x), as one operation whatever branch it takes.
  template <class F>
  static auto lane_by_lane(const Fingerprint& x, const F& f) {
    constexpr std::size_t size = std::tuple_size_v<decltype(f(0.0))>;
    const auto value = f(x.value);
    std::optional<std::array<Fingerprint, size>> result(std::in_place);
    for (std::size_t k = 0; k < size; ++k) {
      (*result)[k] = {value[k], hash_of(Operation::array, x.hash, size, k)};
    }
    return result;
  }

  /// What is compared belongs to what a functor computes.
  static void note(const Fingerprint& x, const Fingerprint& y) {
    detail::FunctorCall& call = detail::functor_call;
    call.flow = hash_of(Operation::compared, call.flow, x.hash, y.hash);
  }

 private:
  template <class S>
  static std::uint64_t origin(const S& s) {
    const detail::FunctorCall& call = detail::functor_call;
    const std::size_t offset = call.member(s);
    return offset < call.size
               ? hash_of(Operation::member, offset, sizeof(S), std::is_integral_v<S> ? 1 : 0)
               : hash_of(Operation::constant, std::bit_cast<std::uint64_t>(static_cast<double>(s)));
  }
};

namespace detail {

template <>
struct BaseOf<Fingerprint> {
  using type = double;
};
template <>
struct ValueOf<Fingerprint> {
  using type = Fingerprint;
};
template <>
struct Path<Fingerprint> : FollowedPath {};
}  // namespace detail

inline Fingerprint power_of_two_scale(const Fingerprint& largest) {
  return {detail::power_of_two_scale(largest.value),
          Fingerprint::hash_of(Fingerprint::Operation::scale, largest.hash)};
}
inline Fingerprint sqrt(const Fingerprint& x) {
  return {std::sqrt(x.value), Fingerprint::hash_of(Fingerprint::Operation::sqrt, x.hash)};
}
inline Fingerprint cbrt(const Fingerprint& x) {
  return {std::cbrt(x.value), Fingerprint::hash_of(Fingerprint::Operation::cbrt, x.hash)};
}
inline Fingerprint exp(const Fingerprint& x) {
  return {std::exp(x.value), Fingerprint::hash_of(Fingerprint::Operation::exp, x.hash)};
}
inline Fingerprint exp2(const Fingerprint& x) {
  return {std::exp2(x.value), Fingerprint::hash_of(Fingerprint::Operation::exp2, x.hash)};
}
inline Fingerprint expm1(const Fingerprint& x) {
  return {std::expm1(x.value), Fingerprint::hash_of(Fingerprint::Operation::expm1, x.hash)};
}
inline Fingerprint log(const Fingerprint& x) {
  return {std::log(x.value), Fingerprint::hash_of(Fingerprint::Operation::log, x.hash)};
}
inline Fingerprint log2(const Fingerprint& x) {
  return {std::log2(x.value), Fingerprint::hash_of(Fingerprint::Operation::log2, x.hash)};
}
inline Fingerprint log10(const Fingerprint& x) {
  return {std::log10(x.value), Fingerprint::hash_of(Fingerprint::Operation::log10, x.hash)};
}
inline Fingerprint log1p(const Fingerprint& x) {
  return {std::log1p(x.value), Fingerprint::hash_of(Fingerprint::Operation::log1p, x.hash)};
}
inline Fingerprint sin(const Fingerprint& x) {
  return {std::sin(x.value), Fingerprint::hash_of(Fingerprint::Operation::sin, x.hash)};
}
inline Fingerprint cos(const Fingerprint& x) {
  return {std::cos(x.value), Fingerprint::hash_of(Fingerprint::Operation::cos, x.hash)};
}
inline Fingerprint tan(const Fingerprint& x) {
  return {std::tan(x.value), Fingerprint::hash_of(Fingerprint::Operation::tan, x.hash)};
}
inline Fingerprint asin(const Fingerprint& x) {
  return {std::asin(x.value), Fingerprint::hash_of(Fingerprint::Operation::asin, x.hash)};
}
inline Fingerprint acos(const Fingerprint& x) {
  return {std::acos(x.value), Fingerprint::hash_of(Fingerprint::Operation::acos, x.hash)};
}
inline Fingerprint atan(const Fingerprint& x) {
  return {std::atan(x.value), Fingerprint::hash_of(Fingerprint::Operation::atan, x.hash)};
}
inline Fingerprint sinh(const Fingerprint& x) {
  return {std::sinh(x.value), Fingerprint::hash_of(Fingerprint::Operation::sinh, x.hash)};
}
inline Fingerprint cosh(const Fingerprint& x) {
  return {std::cosh(x.value), Fingerprint::hash_of(Fingerprint::Operation::cosh, x.hash)};
}
inline Fingerprint tanh(const Fingerprint& x) {
  return {std::tanh(x.value), Fingerprint::hash_of(Fingerprint::Operation::tanh, x.hash)};
}
inline Fingerprint asinh(const Fingerprint& x) {
  return {std::asinh(x.value), Fingerprint::hash_of(Fingerprint::Operation::asinh, x.hash)};
}
inline Fingerprint acosh(const Fingerprint& x) {
  return {std::acosh(x.value), Fingerprint::hash_of(Fingerprint::Operation::acosh, x.hash)};
}
inline Fingerprint atanh(const Fingerprint& x) {
  return {std::atanh(x.value), Fingerprint::hash_of(Fingerprint::Operation::atanh, x.hash)};
}
inline Fingerprint erf(const Fingerprint& x) {
  return {std::erf(x.value), Fingerprint::hash_of(Fingerprint::Operation::erf, x.hash)};
}
inline Fingerprint erfc(const Fingerprint& x) {
  return {std::erfc(x.value), Fingerprint::hash_of(Fingerprint::Operation::erfc, x.hash)};
}
inline Fingerprint pow(const Fingerprint& x, const Fingerprint& y) {
  return {std::pow(x.value, y.value), Fingerprint::hash_of(Fingerprint::Operation::pow, x.hash, y.hash)};
}
inline Fingerprint atan2(const Fingerprint& y, const Fingerprint& x) {
  return {std::atan2(y.value, x.value), Fingerprint::hash_of(Fingerprint::Operation::atan2, y.hash, x.hash)};
}
inline Fingerprint hypot(const Fingerprint& x, const Fingerprint& y) {
  return {std::hypot(x.value, y.value), Fingerprint::hash_of(Fingerprint::Operation::hypot, x.hash, y.hash)};
}
inline Fingerprint fmod(const Fingerprint& x, const Fingerprint& y) {
  return {std::fmod(x.value, y.value), Fingerprint::hash_of(Fingerprint::Operation::fmod, x.hash, y.hash)};
}
inline Fingerprint fma(const Fingerprint& x, const Fingerprint& y, const Fingerprint& z) {
  return {std::fma(x.value, y.value, z.value),
          Fingerprint::hash_of(Fingerprint::Operation::fma, x.hash, y.hash, z.hash)};
}
inline Fingerprint fmax(const Fingerprint& x, const Fingerprint& y) {
  return {std::fmax(x.value, y.value), Fingerprint::hash_of(Fingerprint::Operation::maximum, x.hash, y.hash)};
}
inline Fingerprint fabs(const Fingerprint& x) {
  return {std::fabs(x.value), Fingerprint::hash_of(Fingerprint::Operation::abs, x.hash)};
}
inline Fingerprint abs(const Fingerprint& x) {
  return fabs(x);
}
inline Fingerprint copysign(const Fingerprint& x, const Fingerprint& y) {
  return {std::copysign(x.value, y.value),
          Fingerprint::hash_of(Fingerprint::Operation::copysign, x.hash, y.hash)};
}
inline Fingerprint floor(const Fingerprint& x) {
  return {std::floor(x.value), Fingerprint::hash_of(Fingerprint::Operation::floor, x.hash)};
}
inline Fingerprint ceil(const Fingerprint& x) {
  return {std::ceil(x.value), Fingerprint::hash_of(Fingerprint::Operation::ceil, x.hash)};
}
inline Fingerprint round(const Fingerprint& x) {
  return {std::round(x.value), Fingerprint::hash_of(Fingerprint::Operation::round, x.hash)};
}
inline Fingerprint trunc(const Fingerprint& x) {
  return {std::trunc(x.value), Fingerprint::hash_of(Fingerprint::Operation::trunc, x.hash)};
}
inline bool isfinite(const Fingerprint& x) {
  Fingerprint::note(x, x);
  return std::isfinite(x.value);
}
inline bool isnan(const Fingerprint& x) {
  Fingerprint::note(x, x);
  return std::isnan(x.value);
}
inline bool isinf(const Fingerprint& x) {
  Fingerprint::note(x, x);
  return std::isinf(x.value);
}
inline bool isnormal(const Fingerprint& x) {
  Fingerprint::note(x, x);
  return std::isnormal(x.value);
}
inline bool signbit(const Fingerprint& x) {
  Fingerprint::note(x, x);
  return std::signbit(x.value);
}

}  // namespace kappa

template <>
struct std::numeric_limits<kappa::Fingerprint> : std::numeric_limits<double> {};

#endif
