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

#include <type_traits>

#include "kappa/base.h"
#include "kappa/elementary.h"

namespace kappa {

/// N numbers in a row: the partial derivatives of one quantity.
template <class T, int N>
struct Partials {
  T data[N];

  constexpr T& operator[](int i) { return data[i]; }
  constexpr const T& operator[](int i) const { return data[i]; }
  static constexpr int size() { return N; }
  constexpr T* begin() { return data; }
  constexpr T* end() { return data + N; }
  constexpr const T* begin() const { return data; }
  constexpr const T* end() const { return data + N; }

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
  friend constexpr Partials operator+(Partials x, const Partials& y) { return x += y; }
  friend constexpr Partials operator-(Partials x, const Partials& y) { return x -= y; }
  friend constexpr Partials operator*(Partials x, const T& factor) { return x *= factor; }
  friend constexpr Partials operator*(const T& factor, Partials x) { return x *= factor; }
};

/// A value `a` and its partials `v`. T is float, double, long double, or another such number.
template <class T, int N>
struct Jet {
  static_assert(N > 0);
  using Scalar = T;
  static constexpr int order = 1;
  static constexpr int size = N;

  T a;
  Partials<T, N> v;

  constexpr Jet() : a(0), v{} {}
  /// A constant.
  constexpr Jet(const T& value) : a(value), v{} {}
  template <class S>
    requires(ScalarFor<S, Jet> && !std::same_as<S, T>)
  constexpr Jet(const S& value) : a(detail::as_scalar<T>(value)), v{} {}
  /// The k-th of the N independent variables.
  constexpr Jet(const T& value, int k) : a(value), v{} {
    expects(k >= 0 && k < N, "Jet: the index of the seeded partial lies outside 0..N-1");
    v[k] = T(1);
  }
  constexpr Jet(const T& value, const Partials<T, N>& partials) : a(value), v(partials) {}

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
