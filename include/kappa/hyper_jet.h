// Forward differentiation of second order: a value, its gradient and its Hessian in N variables,
//
//     (a b)'' = a b'' + b a'' + a' b'^T + b' a'^T,        f(x)'' = f'(a) x'' + f''(a) x' x'^T,
//
// exact, not differenced. Use it for the exact Hessian of small blocks (N up to about 20); for a
// function of many unknowns take hessian_product or hessian in differentiate.h. Cost: about
// 2 N^2 multiplications for each product and N^2 for each function; memory 1 + N + N (N + 1) / 2
// scalars for each number, no heap.
//
// Reference: Griewank and Walther, Evaluating Derivatives, 2nd ed. (2008), section 13.2; Fike and
// Alonso, The Development of Hyper-Dual Numbers, AIAA 2011-886, for one pair of directions.
//
// Functions and edge cases are listed in elementary.h; all are found by argument-dependent lookup.
#pragma once

#include "kappa/base.h"
#include "kappa/elementary.h"
#include "kappa/jet.h"

namespace kappa {

/// A value `a`, gradient `v` and packed lower-triangular Hessian `h`: entry (i, j), i >= j, is
/// h[i (i + 1) / 2 + j].
template <class T, int N>
struct HyperJet {
  static_assert(N > 0);
  using Scalar = T;
  static constexpr int order = 2;
  static constexpr int size = N;
  static constexpr int packed_size = N * (N + 1) / 2;

  Partials<T, N> v;
  Partials<T, packed_size> h;
  T a;

  constexpr HyperJet() : v{}, h{}, a(0) {}
  /// A constant.
  constexpr HyperJet(const T& value) : v{}, h{}, a(value) {}
  template <class S>
  requires(ScalarFor<S, HyperJet> && !std::same_as<S, T>) constexpr HyperJet(const S& value)
      : v{}, h{}, a(detail::as_scalar<T>(value)) {}
  /// The k-th of the N independent variables.
  constexpr HyperJet(const T& value, int k) : v{}, h{}, a(value) {
    expects(k >= 0 && k < N, "HyperJet: the index of the seeded partial lies outside 0..N-1");
    v[k] = T(1);
  }

  /// The second derivative by variables i and j, in either order.
  constexpr const T& hessian(int i, int j) const {
    return i >= j ? h[i * (i + 1) / 2 + j] : h[j * (j + 1) / 2 + i];
  }

  constexpr HyperJet& operator+=(const HyperJet& y) {
    a += y.a;
    v += y.v;
    h += y.h;
    return *this;
  }
  constexpr HyperJet& operator-=(const HyperJet& y) {
    a -= y.a;
    v -= y.v;
    h -= y.h;
    return *this;
  }

  friend constexpr HyperJet operator-(const HyperJet& x) { return scaled(x, -x.a, -1); }
  friend constexpr HyperJet operator+(const HyperJet& x, const HyperJet& y) {
    HyperJet r(x);
    r += y;
    return r;
  }
  friend constexpr HyperJet operator-(const HyperJet& x, const HyperJet& y) {
    HyperJet r(x);
    r -= y;
    return r;
  }
  friend constexpr HyperJet operator*(const HyperJet& x, const HyperJet& y) {
    HyperJet r(Unset{});
    r.a = x.a * y.a;
    for (int i = 0; i < N; ++i) {
      r.v[i] = x.a * y.v[i] + y.a * x.v[i];
    }
    for (int i = 0, k = 0; i < N; ++i) {
      const T xi = x.v[i];
      const T yi = y.v[i];
      for (int j = 0; j <= i; ++j, ++k) {
        r.h[k] = x.a * y.h[k] + y.a * x.h[k] + xi * y.v[j] + yi * x.v[j];
      }
    }
    return r;
  }
  friend constexpr HyperJet operator/(const HyperJet& x, const HyperJet& y) {
    // From x = r y: r' = (x' - r y') / y and r'' = (x'' - r y'' - r' y'^T - y' r'^T) / y.
    HyperJet r(Unset{});
    const T inverse = 1 / y.a;
    r.a = x.a / y.a;
    Partials<T, N> minus;
    for (int i = 0; i < N; ++i) {
      r.v[i] = (x.v[i] - r.a * y.v[i]) * inverse;
      minus[i] = -y.v[i];
    }
    for (int k = 0; k < packed_size; ++k) {
      r.h[k] = x.h[k] - r.a * y.h[k];
    }
    add_symmetric_product(r.h, r.v, minus);
    r.h *= inverse;
    return r;
  }
  template <ScalarFor<HyperJet> S>
  friend constexpr HyperJet operator+(const HyperJet& x, const S& s) {
    HyperJet r(x);
    r.a += detail::as_scalar<T>(s);
    return r;
  }
  template <ScalarFor<HyperJet> S>
  friend constexpr HyperJet operator*(const HyperJet& x, const S& s) {
    return scaled(x, x.a * detail::as_scalar<T>(s), detail::as_scalar<T>(s));
  }
  template <ScalarFor<HyperJet> S>
  friend constexpr HyperJet operator/(const HyperJet& x, const S& s) {
    return scaled(x, x.a / detail::as_scalar<T>(s), 1 / detail::as_scalar<T>(s));
  }

  // The chain rule, through which every function in elementary.h enters.
  friend constexpr HyperJet compose(const HyperJet& x, const detail::Unary<2, T>& u) {
    HyperJet r = scaled(x, u.f, u.d);
    for (int i = 0, k = 0; i < N; ++i) {
      const T row = u.dd * x.v[i];
      for (int j = 0; j <= i; ++j, ++k) {
        r.h[k] += row * x.v[j];
      }
    }
    return r;
  }
  friend constexpr HyperJet compose(const HyperJet& x, const HyperJet& y, const detail::Binary<2, T>& b) {
    HyperJet r(Unset{});
    r.a = b.f;
    for (int i = 0; i < N; ++i) {
      r.v[i] = b.dx * x.v[i] + b.dy * y.v[i];
    }
    for (int i = 0, k = 0; i < N; ++i) {
      const T along_x = b.dxx * x.v[i] + b.dxy * y.v[i];
      const T along_y = b.dxy * x.v[i] + b.dyy * y.v[i];
      for (int j = 0; j <= i; ++j, ++k) {
        r.h[k] = b.dx * x.h[k] + b.dy * y.h[k] + along_x * x.v[j] + along_y * y.v[j];
      }
    }
    return r;
  }
  friend constexpr bool is_constant(const HyperJet& x) {
    for (const T& partial : x.v) {
      if (!detail::is_zero(partial)) {
        return false;
      }
    }
    for (const T& second : x.h) {
      if (!detail::is_zero(second)) {
        return false;
      }
    }
    return true;
  }

 private:
  struct Unset {};
  // Leaves built-in members for the caller to write.
  constexpr explicit HyperJet(Unset) {}

  template <class S>
  static constexpr HyperJet scaled(const HyperJet& x, const T& value, const S& factor) {
    HyperJet r(Unset{});
    r.a = value;
    for (int i = 0; i < N; ++i) {
      r.v[i] = x.v[i] * factor;
    }
    for (int k = 0; k < packed_size; ++k) {
      r.h[k] = x.h[k] * factor;
    }
    return r;
  }

  // h += x y^T + y x^T.
  static constexpr void add_symmetric_product(Partials<T, packed_size>& h, const Partials<T, N>& x,
                                              const Partials<T, N>& y) {
    for (int i = 0, k = 0; i < N; ++i) {
      const T xi = x[i];
      const T yi = y[i];
      for (int j = 0; j <= i; ++j, ++k) {
        h[k] += xi * y[j] + yi * x[j];
      }
    }
  }
};

}  // namespace kappa
