// The elementary functions, each with its first and second derivative, written once for all of
// kappa's differentiating numbers: Jet (jet.h), HyperJet (hyper_jet.h) and Var (reverse.h).
//
// A function f of one number enters a computation through the chain rule alone,
//
//     f(x)' = f'(a) x',      f(x)'' = f'(a) x'' + f''(a) x' x'^T,      a the value of x,
//
// so a number type supplies arithmetic and `compose`, which applies that rule, and everything below
// follows: sin, pow, comparisons, std::numeric_limits. The value of a function is bit for bit what
// the same expression gives for the plain scalar, except hypot with three arguments.
//
// Where mathematics has no finite derivative, none is invented: sqrt at 0 has derivative +infinity
// (and infinity times a zero partial is NaN), hypot and atan2 at the origin have NaN. At a kink a
// one-sided derivative is taken: abs at +0 has derivative 1, and fmin and fmax on a tie follow the
// first argument. floor, ceil, round and trunc have derivative 0 everywhere. Comparisons and the
// classifications (isfinite, isnan, ...) look at values only.
//
// Derivatives are in the forms of Abramowitz and Stegun, Handbook of Mathematical Functions (1964),
// 3.3, 4.1-4.6 and 7.1, rewritten where needed so that they do not cancel.
#pragma once

#include <array>
#include <cmath>
#include <compare>
#include <concepts>
#include <limits>
#include <numbers>
#include <type_traits>
#include <utility>

namespace kappa {

// So that kappa::sqrt(x), and sqrt(x) inside kappa, work for plain numbers too.
using std::abs;
using std::acos;
using std::acosh;
using std::asin;
using std::asinh;
using std::atan;
using std::atan2;
using std::atanh;
using std::cbrt;
using std::ceil;
using std::copysign;
using std::cos;
using std::cosh;
using std::erf;
using std::erfc;
using std::exp;
using std::exp2;
using std::expm1;
using std::fabs;
using std::fdim;
using std::floor;
using std::fma;
using std::fmax;
using std::fmin;
using std::fmod;
using std::hypot;
using std::isfinite;
using std::isinf;
using std::isnan;
using std::isnormal;
using std::log;
using std::log10;
using std::log1p;
using std::log2;
using std::pow;
using std::round;
using std::signbit;
using std::sin;
using std::sinh;
using std::sqrt;
using std::tan;
using std::tanh;
using std::trunc;

template <class T, int N>
struct Jet;
template <class T, int N>
struct HyperJet;
template <class S>
class Var;

namespace detail {

// The scalar a differentiating number is made of, without needing its definition.
template <class X>
struct ScalarOf {
  using type = void;
};
template <class T, int N>
struct ScalarOf<Jet<T, N>> {
  using type = T;
};
template <class T, int N>
struct ScalarOf<HyperJet<T, N>> {
  using type = T;
};
template <class S>
struct ScalarOf<Var<S>> {
  using type = S;
};

template <class X>
struct BaseOf {
  using type = typename BaseOf<typename ScalarOf<X>::type>::type;
};
template <class X>
requires std::is_arithmetic_v<X>
struct BaseOf<X> {
  using type = X;
};

// The same, but Lanes or Fingerprint (lanes.h) where those are at the bottom.
template <class X>
struct ValueOf {
  using type = typename ValueOf<typename ScalarOf<X>::type>::type;
};
template <class X>
requires std::is_arithmetic_v<X>
struct ValueOf<X> {
  using type = X;
};

// What a functor's comparison of such numbers comes to; lanes.h follows the path that comparisons take.
template <class V>
struct Path {
  template <class Outcome>
  static constexpr Outcome taken(Outcome outcome) {
    return outcome;
  }
};

template <class S, class X>
inline constexpr bool is_below =
    std::is_same_v<S, typename ScalarOf<X>::type> || is_below<S, typename ScalarOf<X>::type>;
template <class S>
inline constexpr bool is_below<S, void> = false;

}  // namespace detail

/// A number that carries derivatives: a Jet, HyperJet or Var.
template <class X>
concept Differentiable = !std::is_void_v<typename detail::ScalarOf<X>::type>;

/// The floating-point type at the bottom of a (possibly nested) number.
template <class X>
using BaseScalar = typename detail::BaseOf<X>::type;

/// What may be mixed with X in arithmetic: any built-in number, and the scalars X is built from.
template <class S, class X>
concept ScalarFor = Differentiable<X> &&(std::is_arithmetic_v<S> || detail::is_below<S, X>);

/// What value_of returns: the base scalar, or Lanes of it.
template <class X>
using Value = typename detail::ValueOf<X>::type;

/// The value at the bottom of a (possibly nested) number.
template <class X>
constexpr Value<X> value_of(const X& x) {
  if constexpr (Differentiable<X>) {
    return value_of(x.a);
  } else {
    return x;
  }
}

namespace detail {

// Value and derivatives of a function of one number at one point; the second only where asked for.
template <int Order, class T>
struct Unary {
  T f, d;
};
template <class T>
struct Unary<2, T> {
  T f, d, dd;
};

template <int Order, class T, class Second>
constexpr Unary<Order, T> unary(const T& f, const T& d, [[maybe_unused]] Second second) {
  if constexpr (Order == 1) {
    return {f, d};
  } else {
    return {f, d, second()};
  }
}

// The same for a function of two numbers x and y.
template <int Order, class T>
struct Binary {
  T f, dx, dy;
};
template <class T>
struct Binary<2, T> {
  T f, dx, dy, dxx, dxy, dyy;
};

template <int Order, class T, class Second>
constexpr Binary<Order, T> binary(const T& f, const T& dx, const T& dy, [[maybe_unused]] Second second) {
  if constexpr (Order == 1) {
    return {f, dx, dy};
  } else {
    const std::array<T, 3> dd = second();
    return {f, dx, dy, dd[0], dd[1], dd[2]};
  }
}

// The chain rule for plain numbers, so that code written with compose serves them as well.
template <int Order, class T>
requires std::is_arithmetic_v<T>
constexpr T compose(const T&, const Unary<Order, T>& u) {
  return u.f;
}

template <class X>
inline constexpr int order_of = 1;
template <Differentiable X>
inline constexpr int order_of<X> = X::order;

// A built-in number becomes the number type's own floating-point type, once and on purpose.
template <class X, class S>
constexpr decltype(auto) as_scalar(const S& s) {
  if constexpr (std::is_arithmetic_v<S>) {
    return static_cast<Value<X>>(s);
  } else {
    return static_cast<const S&>(s);
  }
}

template <class X>
constexpr bool is_zero(const X& x) {
  if constexpr (Differentiable<X>) {
    return is_constant(x) && is_zero(x.a);
  } else {
    return x == 0;
  }
}

template <class T>
requires std::is_arithmetic_v<T>
constexpr bool is_constant(const T&) {
  return true;
}

// -----------------------------------------------------------------------------------------------
// Functions of one number: f, f', and f'' on demand. Integers in the formulas take the type of what
// they meet, so that no precision is lost for long double nor gained for float.

struct Reciprocal {  // numerator / x
  template <int Order, class T, class S>
  static auto at(const T& x, const S& numerator) {
    const T f = numerator / x;
    const T d = -f / x;
    return unary<Order>(f, d, [&] { return T(-2 * d / x); });
  }
};

struct Sqrt {
  template <int Order, class T>
  static auto at(const T& x) {
    const T f = sqrt(x);
    const T d = 1 / (2 * f);
    return unary<Order>(f, d, [&] { return T(-d / (2 * x)); });
  }
};

struct Cbrt {
  template <int Order, class T>
  static auto at(const T& x) {
    const T f = cbrt(x);
    const T d = 1 / (3 * f * f);
    return unary<Order>(f, d, [&] { return T(-2 * d / (3 * x)); });
  }
};

struct Exp {
  template <int Order, class T>
  static auto at(const T& x) {
    const T f = exp(x);
    return unary<Order>(f, f, [&] { return f; });
  }
};

struct Exp2 {
  template <int Order, class T>
  static auto at(const T& x) {
    constexpr auto ln2 = std::numbers::ln2_v<BaseScalar<T>>;
    const T f = exp2(x);
    const T d = f * ln2;
    return unary<Order>(f, d, [&] { return T(d * ln2); });
  }
};

struct Expm1 {
  template <int Order, class T>
  static auto at(const T& x) {
    const T d = exp(x);
    return unary<Order>(T(expm1(x)), d, [&] { return d; });
  }
};

struct Log {
  template <int Order, class T>
  static auto at(const T& x) {
    const T d = 1 / x;
    return unary<Order>(T(log(x)), d, [&] { return T(-d * d); });
  }
};

struct Log2 {
  template <int Order, class T>
  static auto at(const T& x) {
    const T d = std::numbers::log2e_v<BaseScalar<T>> / x;
    return unary<Order>(T(log2(x)), d, [&] { return T(-d / x); });
  }
};

struct Log10 {
  template <int Order, class T>
  static auto at(const T& x) {
    const T d = std::numbers::log10e_v<BaseScalar<T>> / x;
    return unary<Order>(T(log10(x)), d, [&] { return T(-d / x); });
  }
};

struct Log1p {
  template <int Order, class T>
  static auto at(const T& x) {
    const T d = 1 / (1 + x);
    return unary<Order>(T(log1p(x)), d, [&] { return T(-d * d); });
  }
};

template <class T>
std::pair<T, T> sine_and_cosine(const T& x) {
  return {T(sin(x)), T(cos(x))};
}

struct Sin {
  template <int Order, class T>
  static auto at(const T& x) {
    const auto [f, d] = sine_and_cosine(x);
    return unary<Order>(f, d, [&f = f] { return T(-f); });
  }
};

struct Cos {
  template <int Order, class T>
  static auto at(const T& x) {
    const auto [minus, f] = sine_and_cosine(x);
    return unary<Order>(f, T(-minus), [&f = f] { return T(-f); });
  }
};

struct Tan {
  template <int Order, class T>
  static auto at(const T& x) {
    const T f = tan(x);
    const T d = 1 + f * f;
    return unary<Order>(f, d, [&] { return T(2 * f * d); });
  }
};

struct Asin {
  template <int Order, class T>
  static auto at(const T& x) {
    const T d = 1 / sqrt((1 - x) * (1 + x));
    return unary<Order>(T(asin(x)), d, [&] { return T(x * d * d * d); });
  }
};

struct Acos {
  template <int Order, class T>
  static auto at(const T& x) {
    const T d = -1 / sqrt((1 - x) * (1 + x));
    return unary<Order>(T(acos(x)), d, [&] { return T(x * d * d * d); });
  }
};

struct Atan {
  template <int Order, class T>
  static auto at(const T& x) {
    const T d = 1 / (1 + x * x);
    return unary<Order>(T(atan(x)), d, [&] { return T(-2 * x * d * d); });
  }
};

struct Sinh {
  template <int Order, class T>
  static auto at(const T& x) {
    const T f = sinh(x);
    return unary<Order>(f, T(cosh(x)), [&] { return f; });
  }
};

struct Cosh {
  template <int Order, class T>
  static auto at(const T& x) {
    const T f = cosh(x);
    return unary<Order>(f, T(sinh(x)), [&] { return f; });
  }
};

struct Tanh {  // 1 - f^2 would cancel where f is near one
  template <int Order, class T>
  static auto at(const T& x) {
    const T f = tanh(x);
    const T sech = 1 / cosh(x);
    const T d = sech * sech;
    return unary<Order>(f, d, [&] { return T(-2 * f * d); });
  }
};

struct Asinh {
  template <int Order, class T>
  static auto at(const T& x) {
    const T d = 1 / sqrt(1 + x * x);
    return unary<Order>(T(asinh(x)), d, [&] { return T(-x * d * d * d); });
  }
};

struct Acosh {
  template <int Order, class T>
  static auto at(const T& x) {
    const T d = 1 / sqrt((x - 1) * (x + 1));
    return unary<Order>(T(acosh(x)), d, [&] { return T(-x * d * d * d); });
  }
};

struct Atanh {
  template <int Order, class T>
  static auto at(const T& x) {
    const T d = 1 / ((1 - x) * (1 + x));
    return unary<Order>(T(atanh(x)), d, [&] { return T(2 * x * d * d); });
  }
};

struct Erf {
  template <int Order, class T>
  static auto at(const T& x) {
    const T d = 2 * std::numbers::inv_sqrtpi_v<BaseScalar<T>> * exp(-x * x);
    return unary<Order>(T(erf(x)), d, [&] { return T(-2 * x * d); });
  }
};

struct Erfc {
  template <int Order, class T>
  static auto at(const T& x) {
    const T d = -2 * std::numbers::inv_sqrtpi_v<BaseScalar<T>> * exp(-x * x);
    return unary<Order>(T(erfc(x)), d, [&] { return T(-2 * x * d); });
  }
};

// x^e for a plain exponent. A factor e or e (e - 1) that is zero wins over a power that is infinite,
// so that x^2, x^1 and x^0 have their exact derivatives at x = 0.
struct Power {
  template <int Order, class T, class E>
  static auto at(const T& x, const E& e) {
    const T d = e == 0 ? T(0) : T(e * pow(x, e - 1));
    return unary<Order>(T(pow(x, e)), d, [&] {
      const E c = e * (e - 1);
      return c == 0 ? T(0) : T(c * pow(x, e - 2));
    });
  }
};

// b^x for a plain base. 0^x is identically zero for x > 0.
struct Exponential {
  template <int Order, class B, class T>
  static auto at(const B& base, const T& x) {
    const T f = pow(base, x);
    if (base == 0 && value_of(x) > 0) {
      return unary<Order>(f, T(0), [] { return T(0); });
    }
    const B rate = log(base);
    const T d = f * rate;
    return unary<Order>(f, d, [&] { return T(d * rate); });
  }
};

// -----------------------------------------------------------------------------------------------
// Functions of two numbers.

struct Atan2 {  // the angle of (x, y); arguments in the customary order, y first
  template <int Order, class T>
  static auto at(const T& y, const T& x) {
    const T norm2 = x * x + y * y;
    const T dy = x / norm2;
    const T dx = -y / norm2;
    return binary<Order>(T(atan2(y, x)), dy, dx, [&] {
      const T dyy = 2 * dy * dx;
      return std::array<T, 3>{dyy, T((dx - dy) * (dx + dy)), T(-dyy)};
    });
  }
};

struct Hypot {
  template <int Order, class T>
  static auto at(const T& x, const T& y) {
    const T f = hypot(x, y);
    const T dx = x / f;
    const T dy = y / f;
    return binary<Order>(f, dx, dy, [&] {
      return std::array<T, 3>{T(dy * dy / f), T(-dx * dy / f), T(dx * dx / f)};
    });
  }
};

// x^y with both varying. On the line x = 0 the function is zero for every y > 0, so its derivatives
// along y are zero there although log x is not finite.
struct PowerBoth {
  template <int Order, class T>
  static auto at(const T& x, const T& y) {
    const bool zero_base = value_of(x) == 0;
    const auto exponent = value_of(y);
    const T f = pow(x, y);
    const T logarithm = zero_base && exponent > 0 ? T(0) : T(log(x));
    // f / x saves a power, where f has not left the range of numbers.
    const T dx = zero_base && exponent == 0            ? T(0)
                 : zero_base || f == 0 || !isfinite(f) ? T(y * pow(x, y - 1))
                                                       : T(y * (f / x));
    const T dy = f * logarithm;
    return binary<Order>(f, dx, dy, [&] {
      if (zero_base) {
        const bool straight = exponent == 0 || exponent == 1;
        const T dxy = exponent > 1 ? T(0) : T(pow(x, y - 1) * (1 + y * log(x)));
        return std::array<T, 3>{straight ? T(0) : T(y * (y - 1) * pow(x, y - 2)), dxy, T(dy * logarithm)};
      }
      const T below = pow(x, y - 1);
      return std::array<T, 3>{T(y * (y - 1) * pow(x, y - 2)), T(below * (1 + y * logarithm)),
                              T(dy * logarithm)};
    });
  }
};

// -----------------------------------------------------------------------------------------------

template <class A, class B>
struct Mix {
  static constexpr bool valid = false;
};
template <Differentiable X>
struct Mix<X, X> {
  static constexpr bool valid = true;
  using type = X;
};
template <class X, class S>
requires ScalarFor<S, X>
struct Mix<X, S> {
  static constexpr bool valid = true;
  using type = X;
};
template <class S, class X>
requires ScalarFor<S, X>
struct Mix<S, X> {
  static constexpr bool valid = true;
  using type = X;
};

template <class A, class B>
concept Mixable = Mix<A, B>::valid;
template <class A, class B>
using Mixed = typename Mix<A, B>::type;

/// A power of two that brings `largest` near 1; bounded, so that it and its inverse stay finite also for
/// subnormal arguments.
template <class Base>
requires std::is_arithmetic_v<Base> Base power_of_two_scale(Base largest) {
  int exponent = 0;
  if (isfinite(largest)) {
    std::frexp(largest, &exponent);
  }
  constexpr int bound = std::numeric_limits<Base>::max_exponent - 24;
  return std::ldexp(Base(1), exponent < -bound ? bound : exponent > bound ? -bound : -exponent);
}

template <class X>
constexpr X with_value(const X& x, const typename ScalarOf<X>::type& value) {
  X r(x);
  r.a = value;
  return r;
}

template <class X>
constexpr X signed_like(const X& x, bool negative) {
  return signbit(value_of(x)) == negative ? x : X(-x);
}

// |x| without a branch, for numbers of several values.
struct Absolute {
  template <int Order, class T>
  static auto at(const T& x) {
    return unary<Order>(T(fabs(x)), T(copysign(T(1), x)), [] { return T(0); });
  }
};

template <class X>
constexpr X absolute(const X& x) {
  if constexpr (std::is_arithmetic_v<Value<X>>) {
    return signed_like(x, false);
  } else {
    return compose(x, Absolute::at<X::order>(x.a));
  }
}

}  // namespace detail

// ------------------------------------------------------------------------------------ comparisons

namespace detail {

// Plain numbers are compared in the wider of the two types; a reference to one is kept a reference (lanes.h).
template <class X, class S>
using Compared = std::common_type_t<Value<X>, Value<S>>;

template <class Wide, class S>
constexpr Wide comparable(const S& s) {
  if constexpr (std::is_arithmetic_v<S>) {
    return static_cast<Wide>(s);
  } else {
    return static_cast<Wide>(value_of(s));
  }
}

}  // namespace detail

template <Differentiable X>
constexpr bool operator==(const X& x, const X& y) {
  return detail::Path<Value<X>>::taken(value_of(x) == value_of(y));
}
template <Differentiable X, ScalarFor<X> S>
constexpr bool operator==(const X& x, const S& s) {
  using Wide = detail::Compared<X, S>;
  return detail::Path<Value<X>>::taken(detail::comparable<Wide>(x) == detail::comparable<Wide>(s));
}
template <Differentiable X>
constexpr std::partial_ordering operator<=>(const X& x, const X& y) {
  return detail::Path<Value<X>>::taken(std::partial_ordering(value_of(x) <=> value_of(y)));
}
template <Differentiable X, ScalarFor<X> S>
constexpr std::partial_ordering operator<=>(const X& x, const S& s) {
  using Wide = detail::Compared<X, S>;
  return detail::Path<Value<X>>::taken(
      std::partial_ordering(detail::comparable<Wide>(x) <=> detail::comparable<Wide>(s)));
}

// ------------------------------------------------- arithmetic that follows from the types' own
// Jet, HyperJet and Var define -x, x + y, x - y, x * y, x / y, x + s, x * s and x / s.

template <Differentiable X>
constexpr const X& operator+(const X& x) {
  return x;
}
template <Differentiable X, ScalarFor<X> S>
constexpr X operator+(const S& s, const X& x) {
  return x + s;
}
template <Differentiable X, ScalarFor<X> S>
constexpr X operator-(const X& x, const S& s) {
  return x + (-detail::as_scalar<X>(s));
}
template <Differentiable X, ScalarFor<X> S>
constexpr X operator-(const S& s, const X& x) {
  return -x + s;
}
template <Differentiable X, ScalarFor<X> S>
constexpr X operator*(const S& s, const X& x) {
  return x * s;
}
template <Differentiable X, ScalarFor<X> S>
constexpr X operator/(const S& s, const X& x) {
  return compose(x, detail::Reciprocal::at<X::order>(x.a, detail::as_scalar<X>(s)));
}
template <Differentiable X, class R>
requires(std::same_as<R, X> || ScalarFor<R, X>) constexpr X& operator+=(X& x, const R& r) {
  return x = x + r;
}
template <Differentiable X, class R>
requires(std::same_as<R, X> || ScalarFor<R, X>) constexpr X& operator-=(X& x, const R& r) {
  return x = x - r;
}
template <Differentiable X, class R>
requires(std::same_as<R, X> || ScalarFor<R, X>) constexpr X& operator*=(X& x, const R& r) {
  return x = x * r;
}
template <Differentiable X, class R>
requires(std::same_as<R, X> || ScalarFor<R, X>) constexpr X& operator/=(X& x, const R& r) {
  return x = x / r;
}

// --------------------------------------------------------------------------- functions of one number

template <Differentiable X>
X sqrt(const X& x) {
  return compose(x, detail::Sqrt::at<X::order>(x.a));
}
template <Differentiable X>
X cbrt(const X& x) {
  return compose(x, detail::Cbrt::at<X::order>(x.a));
}
template <Differentiable X>
X exp(const X& x) {
  return compose(x, detail::Exp::at<X::order>(x.a));
}
template <Differentiable X>
X exp2(const X& x) {
  return compose(x, detail::Exp2::at<X::order>(x.a));
}
template <Differentiable X>
X expm1(const X& x) {
  return compose(x, detail::Expm1::at<X::order>(x.a));
}
template <Differentiable X>
X log(const X& x) {
  return compose(x, detail::Log::at<X::order>(x.a));
}
template <Differentiable X>
X log2(const X& x) {
  return compose(x, detail::Log2::at<X::order>(x.a));
}
template <Differentiable X>
X log10(const X& x) {
  return compose(x, detail::Log10::at<X::order>(x.a));
}
template <Differentiable X>
X log1p(const X& x) {
  return compose(x, detail::Log1p::at<X::order>(x.a));
}
template <Differentiable X>
X sin(const X& x) {
  return compose(x, detail::Sin::at<X::order>(x.a));
}
template <Differentiable X>
X cos(const X& x) {
  return compose(x, detail::Cos::at<X::order>(x.a));
}
template <Differentiable X>
X tan(const X& x) {
  return compose(x, detail::Tan::at<X::order>(x.a));
}
template <Differentiable X>
X asin(const X& x) {
  return compose(x, detail::Asin::at<X::order>(x.a));
}
template <Differentiable X>
X acos(const X& x) {
  return compose(x, detail::Acos::at<X::order>(x.a));
}
template <Differentiable X>
X atan(const X& x) {
  return compose(x, detail::Atan::at<X::order>(x.a));
}
template <Differentiable X>
X sinh(const X& x) {
  return compose(x, detail::Sinh::at<X::order>(x.a));
}
template <Differentiable X>
X cosh(const X& x) {
  return compose(x, detail::Cosh::at<X::order>(x.a));
}
template <Differentiable X>
X tanh(const X& x) {
  return compose(x, detail::Tanh::at<X::order>(x.a));
}
template <Differentiable X>
X asinh(const X& x) {
  return compose(x, detail::Asinh::at<X::order>(x.a));
}
template <Differentiable X>
X acosh(const X& x) {
  return compose(x, detail::Acosh::at<X::order>(x.a));
}
template <Differentiable X>
X atanh(const X& x) {
  return compose(x, detail::Atanh::at<X::order>(x.a));
}
template <Differentiable X>
X erf(const X& x) {
  return compose(x, detail::Erf::at<X::order>(x.a));
}
template <Differentiable X>
X erfc(const X& x) {
  return compose(x, detail::Erfc::at<X::order>(x.a));
}

template <Differentiable X>
constexpr X abs(const X& x) {
  return detail::absolute(x);
}
template <Differentiable X>
constexpr X fabs(const X& x) {
  return detail::absolute(x);
}
template <Differentiable X>
X floor(const X& x) {
  return X(floor(value_of(x)));
}
template <Differentiable X>
X ceil(const X& x) {
  return X(ceil(value_of(x)));
}
template <Differentiable X>
X round(const X& x) {
  return X(round(value_of(x)));
}
template <Differentiable X>
X trunc(const X& x) {
  return X(trunc(value_of(x)));
}

template <Differentiable X>
bool isfinite(const X& x) {
  return detail::Path<Value<X>>::taken(isfinite(value_of(x)));
}
template <Differentiable X>
bool isnan(const X& x) {
  return detail::Path<Value<X>>::taken(isnan(value_of(x)));
}
template <Differentiable X>
bool isinf(const X& x) {
  return detail::Path<Value<X>>::taken(isinf(value_of(x)));
}
template <Differentiable X>
bool isnormal(const X& x) {
  return detail::Path<Value<X>>::taken(isnormal(value_of(x)));
}
template <Differentiable X>
bool signbit(const X& x) {
  return detail::Path<Value<X>>::taken(signbit(value_of(x)));
}

// ----------------------------------------------------------------- functions of two or three numbers
// Any argument but one may be a plain number.

template <class A, class B>
requires detail::Mixable<A, B> detail::Mixed<A, B> atan2(const A& y, const B& x) {
  using X = detail::Mixed<A, B>;
  const X& u = y;
  const X& v = x;
  return compose(u, v, detail::Atan2::at<X::order>(u.a, v.a));
}

template <class A, class B>
requires detail::Mixable<A, B> detail::Mixed<A, B> hypot(const A& x, const B& y) {
  using X = detail::Mixed<A, B>;
  const X& u = x;
  const X& v = y;
  return compose(u, v, detail::Hypot::at<X::order>(u.a, v.a));
}

/// sqrt(x^2 + y^2 + z^2), scaled by a power of two against overflow.
template <class A, class B, class C>
requires(detail::Mixable<A, B> || detail::Mixable<B, C> ||
         detail::Mixable<A, C>) auto hypot(const A& x, const B& y, const C& z) {
  using X = std::remove_cvref_t<decltype(x + y + z)>;
  const X u(x), v(y), w(z);
  using detail::power_of_two_scale;
  const auto scale = power_of_two_scale(fmax(fabs(value_of(u)), fmax(fabs(value_of(v)), fabs(value_of(w)))));
  const auto square = [&](const X& t) {
    const X scaled = t * scale;
    return X(scaled * scaled);
  };
  return X(sqrt(square(u) + square(v) + square(w)) / scale);
}

/// x^s for a plain exponent: exact at x = 0 and, if s is an integer, for x < 0.
template <Differentiable X, ScalarFor<X> S>
requires(!Differentiable<S>) X pow(const X& x, const S& s) {
  return compose(x, detail::Power::at<X::order>(x.a, static_cast<Value<X>>(s)));
}

/// s^x for a plain base. Its derivative at s < 0 is NaN, for the function lives on integers only,
/// unless x is constant.
template <Differentiable X, ScalarFor<X> S>
requires(!Differentiable<S>) X pow(const S& s, const X& x) {
  const auto base = static_cast<Value<X>>(s);
  if (is_constant(x)) {
    return X(pow(base, x.a));
  }
  return compose(x, detail::Exponential::at<X::order>(base, x.a));
}

/// x^y. An exponent that is constant is treated as a plain number.
template <class A, class B>
requires(detail::Mixable<A, B>&& Differentiable<A>&& Differentiable<B>) detail::Mixed<A, B> pow(const A& x,
                                                                                                const B& y) {
  using X = detail::Mixed<A, B>;
  const X& u = x;
  const X& v = y;
  using detail::is_constant;
  if (is_constant(v) && is_constant(v.a)) {
    return pow(u, value_of(v));
  }
  return compose(u, v, detail::PowerBoth::at<X::order>(u.a, v.a));
}

/// The smaller of the two; a NaN loses against a number, and a tie goes to the first.
template <class A, class B>
requires detail::Mixable<A, B>
constexpr detail::Mixed<A, B> fmin(const A& x, const B& y) {
  const detail::Mixed<A, B>& u = x;
  const detail::Mixed<A, B>& v = y;
  return v < u || u != u ? v : u;
}
template <class A, class B>
requires detail::Mixable<A, B>
constexpr detail::Mixed<A, B> fmax(const A& x, const B& y) {
  const detail::Mixed<A, B>& u = x;
  const detail::Mixed<A, B>& v = y;
  return v > u || u != u ? v : u;
}
/// max(x - y, 0).
template <class A, class B>
requires detail::Mixable<A, B>
constexpr detail::Mixed<A, B> fdim(const A& x, const B& y) {
  using X = detail::Mixed<A, B>;
  const X& u = x;
  const X& v = y;
  return u <= v ? X(0) : X(u - v);
}
/// x - n y with n = trunc(x / y), which is locally constant.
template <class A, class B>
requires detail::Mixable<A, B> detail::Mixed<A, B> fmod(const A& x, const B& y) {
  using X = detail::Mixed<A, B>;
  const X u(x), v(y);
  const auto remainder = fmod(value_of(u), value_of(v));
  const auto n = round((value_of(u) - remainder) / value_of(v));
  return detail::with_value(X(u - v * n), fmod(u.a, v.a));
}
template <class A, class B>
requires detail::Mixable<A, B>
constexpr detail::Mixed<A, B> copysign(const A& x, const B& y) {
  return detail::signed_like(detail::Mixed<A, B>(x), signbit(value_of(y)));
}
/// x y + z, with one rounding in the value as std::fma has.
template <class A, class B, class C>
requires(detail::Mixable<A, B> || detail::Mixable<B, C> ||
         detail::Mixable<A, C>) auto fma(const A& x, const B& y, const C& z) {
  using X = std::remove_cvref_t<decltype(x * y + z)>;
  const X u(x), v(y), w(z);
  return detail::with_value(X(u * v + w), fma(u.a, v.a, w.a));
}

namespace detail {

// std::numeric_limits for a differentiating number: those of its scalar, as constants.
template <class X>
struct Limits : std::numeric_limits<typename ScalarOf<X>::type> {
  using Scalar = std::numeric_limits<typename ScalarOf<X>::type>;
  static constexpr X min() noexcept { return X(Scalar::min()); }
  static constexpr X lowest() noexcept { return X(Scalar::lowest()); }
  static constexpr X max() noexcept { return X(Scalar::max()); }
  static constexpr X epsilon() noexcept { return X(Scalar::epsilon()); }
  static constexpr X round_error() noexcept { return X(Scalar::round_error()); }
  static constexpr X infinity() noexcept { return X(Scalar::infinity()); }
  static constexpr X quiet_NaN() noexcept { return X(Scalar::quiet_NaN()); }
  static constexpr X signaling_NaN() noexcept { return X(Scalar::signaling_NaN()); }
  static constexpr X denorm_min() noexcept { return X(Scalar::denorm_min()); }
};

}  // namespace detail
}  // namespace kappa

template <class T, int N>
struct std::numeric_limits<kappa::Jet<T, N>> : kappa::detail::Limits<kappa::Jet<T, N>> {};
template <class T, int N>
struct std::numeric_limits<kappa::HyperJet<T, N>> : kappa::detail::Limits<kappa::HyperJet<T, N>> {};
template <class S>
struct std::numeric_limits<kappa::Var<S>> : kappa::detail::Limits<kappa::Var<S>> {};
