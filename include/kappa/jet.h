// Forward differentiation of first order: a value and its N partial derivatives,
//
//     (a, v) * (b, w) = (a b, a w + b v),        f((a, v)) = (f(a), f'(a) v).
//
// Use it for Jacobians of small blocks (residual functors), and nested, Jet<Jet<T, M>, N>, for mixed
// second derivatives; for a full Hessian of a small block take HyperJet, for a function of many
// unknowns reverse.h. Cost: about (1 + N) times the plain computation in additions and
// multiplications, and no more transcendental functions than f and f' need. No heap.
//
// Reference: Griewank and Walther, Evaluating Derivatives, 2nd ed. (2008), section 3.1 and table 3.1.
//
// Functions and edge cases are listed in elementary.h; all are found by argument-dependent lookup.
#pragma once

#include <algorithm>
#include <cstddef>
#include <type_traits>
#include <utility>

#include "kappa/base.h"
#include "kappa/elementary.h"

// Results of arithmetic start without a value (Unset) and are then written entry by entry. After inlining,
// GCC 12 at -O3 takes the loops that do so for ones that may not run.
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif

namespace kappa {

namespace detail {

// Long rows are aligned so that vector loads do not straddle cache lines. The figure is the same
// whatever instruction set is compiled for, lest two translation units disagree on the layout.
template <class T, int N>
inline constexpr std::size_t partials_alignment =
    std::max(alignof(T), sizeof(T) * N % 32 == 0 && sizeof(T) * N >= 64   ? std::size_t(32)
                         : sizeof(T) * N % 16 == 0 && sizeof(T) * N >= 32 ? std::size_t(16)
                                                                          : std::size_t(1));

}  // namespace detail

/// N numbers in a row: the partial derivatives of one quantity.
template <class T, int N>
struct alignas(detail::partials_alignment<T, N>) Partials {
  T data[N];

  constexpr T& operator[](int i) { return data[i]; }
  constexpr const T& operator[](int i) const { return data[i]; }
  static constexpr int size() { return N; }
  constexpr T* begin() { return data; }
  constexpr T* end() { return data + N; }
  constexpr const T* begin() const { return data; }
  constexpr const T* end() const { return data + N; }

  // Written out entry by entry: a loop over a few zeros would become a string instruction, which takes
  // longer to start than the whole row takes to write.
  constexpr void clear() {
    if constexpr (N <= 32) {
      [this]<int... i>(std::integer_sequence<int, i...>) {
        ((data[i] = T(0)), ...);
      }
      (std::make_integer_sequence<int, N>());
    } else {
      for (T& x : data) {
        x = T(0);
      }
    }
  }

  constexpr Partials& operator+=(const Partials& other) {
    for (int i = 0; i < N; ++i) {
      data[i] += other.data[i];
    }
    return *this;
  }
  constexpr Partials& operator-=(const Partials& other) {
    for (int i = 0; i < N; ++i) {
      data[i] -= other.data[i];
    }
    return *this;
  }
  template <class S>
  constexpr Partials& operator*=(const S& factor) {
    for (int i = 0; i < N; ++i) {
      data[i] *= factor;
    }
    return *this;
  }
  friend constexpr Partials operator+(const Partials& x, const Partials& y) {
    Partials sum = x;
    sum += y;
    return sum;
  }
  friend constexpr Partials operator-(const Partials& x, const Partials& y) {
    Partials difference = x;
    difference -= y;
    return difference;
  }
  friend constexpr Partials operator*(const Partials& x, const T& factor) {
    Partials product = x;
    product *= factor;
    return product;
  }
  friend constexpr Partials operator*(const T& factor, const Partials& x) { return x * factor; }
};

template <class T>
struct Partials<T, 0> {
  constexpr T& operator[](int) { return *begin(); }
  constexpr const T& operator[](int) const { return *begin(); }
  static constexpr int size() { return 0; }
  constexpr T* begin() { return nullptr; }
  constexpr T* end() { return nullptr; }
  constexpr const T* begin() const { return nullptr; }
  constexpr const T* end() const { return nullptr; }
  constexpr void clear() {}
  constexpr Partials& operator+=(const Partials&) { return *this; }
  constexpr Partials& operator-=(const Partials&) { return *this; }
  template <class S>
  constexpr Partials& operator*=(const S&) {
    return *this;
  }
};

/// A value `a` and its partials `v`; a Jet of no partials is a plain number. T is float, double, long double,
/// or another such number.
template <class T, int N>
struct Jet {
  static_assert(N >= 0);
  using Scalar = T;
  static constexpr int order = 1;
  static constexpr int size = N;

  // The partials come first: with the value before them, a copy of the whole would load across two
  // earlier stores, which stalls.
  Partials<T, N> v;
  T a;

  // Not constexpr, lest an array of zero jets be folded into one long memset.
  Jet() : a(0) { v.clear(); }
  /// A constant.
  constexpr Jet(const T& value) : a(value) { v.clear(); }
  template <class S>
  requires(ScalarFor<S, Jet> && !std::same_as<S, T>) constexpr Jet(const S& value)
      : a(detail::as_scalar<T>(value)) {
    v.clear();
  }
  /// The k-th of the N independent variables.
  constexpr Jet(const T& value, int k) : a(value) {
    expects(k >= 0 && k < N, "Jet: the index of the seeded partial lies outside 0..N-1");
    for (int i = 0; i < N; ++i) {
      v[i] = T(i == k ? 1 : 0);
    }
  }
  constexpr Jet(const T& value, const Partials<T, N>& partials) : v(partials), a(value) {}

  constexpr Jet& operator+=(const Jet& y) {
    a += y.a;
    v += y.v;
    return *this;
  }
  constexpr Jet& operator-=(const Jet& y) {
    a -= y.a;
    v -= y.v;
    return *this;
  }

  friend constexpr Jet operator-(const Jet& x) {
    Jet r(Unset{});
    r.a = -x.a;
    for (int i = 0; i < N; ++i) {
      r.v[i] = -x.v[i];
    }
    return r;
  }
  friend constexpr Jet operator+(const Jet& x, const Jet& y) {
    Jet r(Unset{});
    r.a = x.a + y.a;
    for (int i = 0; i < N; ++i) {
      r.v[i] = x.v[i] + y.v[i];
    }
    return r;
  }
  friend constexpr Jet operator-(const Jet& x, const Jet& y) {
    Jet r(Unset{});
    r.a = x.a - y.a;
    for (int i = 0; i < N; ++i) {
      r.v[i] = x.v[i] - y.v[i];
    }
    return r;
  }
  friend constexpr Jet operator*(const Jet& x, const Jet& y) {
    Jet r(Unset{});
    r.a = x.a * y.a;
    for (int i = 0; i < N; ++i) {
      r.v[i] = x.a * y.v[i] + y.a * x.v[i];
    }
    return r;
  }
  friend constexpr Jet operator/(const Jet& x, const Jet& y) {
    Jet r(Unset{});
    const T inverse = 1 / y.a;
    r.a = x.a / y.a;
    for (int i = 0; i < N; ++i) {
      r.v[i] = (x.v[i] - r.a * y.v[i]) * inverse;
    }
    return r;
  }
  template <ScalarFor<Jet> S>
  friend constexpr Jet operator+(const Jet& x, const S& s) {
    Jet r(x);
    r.a += detail::as_scalar<T>(s);
    return r;
  }
  template <ScalarFor<Jet> S>
  friend constexpr Jet operator*(const Jet& x, const S& s) {
    return scaled(x, x.a * detail::as_scalar<T>(s), detail::as_scalar<T>(s));
  }
  template <ScalarFor<Jet> S>
  friend constexpr Jet operator/(const Jet& x, const S& s) {
    return scaled(x, x.a / detail::as_scalar<T>(s), 1 / detail::as_scalar<T>(s));
  }

  // The chain rule, through which every function in elementary.h enters.
  friend constexpr Jet compose(const Jet& x, const detail::Unary<1, T>& u) { return scaled(x, u.f, u.d); }
  friend constexpr Jet compose(const Jet& x, const Jet& y, const detail::Binary<1, T>& b) {
    Jet r(Unset{});
    r.a = b.f;
    for (int i = 0; i < N; ++i) {
      r.v[i] = b.dx * x.v[i] + b.dy * y.v[i];
    }
    return r;
  }
  friend constexpr bool is_constant(const Jet& x) {
    for (const T& partial : x.v) {
      if (!detail::is_zero(partial)) {
        return false;
      }
    }
    return true;
  }

 private:
  struct Unset {};
  // Leaves built-in members for the caller to write: clearing them first would cost as much as a sum.
  constexpr explicit Jet(Unset) {}

  template <class S>
  static constexpr Jet scaled(const Jet& x, const T& value, const S& factor) {
    Jet r(Unset{});
    r.a = value;
    for (int i = 0; i < N; ++i) {
      r.v[i] = x.v[i] * factor;
    }
    return r;
  }
};

}  // namespace kappa

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif
