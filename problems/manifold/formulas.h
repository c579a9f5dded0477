// plus and minus of the groups as formulas over any number type T, with P and S in closed form. For X in a
// group with Lie algebra coordinates tau (Sola et al. 2018, eq. 25, 26),
//
//   plus(X, tau) = X Exp(tau),        minus(Y, X) = Log(X^-1 Y).
//
// Everything an exponential needs is a Stumpff function c_k of s = |theta|^2 (rotation.h), so nothing is
// divided by a small angle:
//
//   Exp(theta) = (c_0(s/4), c_1(s/4) theta/2)                                    quaternion
//   V(theta)   = I + c_2 [theta]x + c_3 [theta]x^2                               eq. 174
//   V^-1       = I - [theta]x/2 + k [theta]x^2,   k = (c_3 - 2 c_4) / (2 c_2)
//
// where k follows from k s = 1 - c_1 / (2 c_2) and c_k = 1/k! - s c_{k+2}; it is smooth up to |theta| = 2 pi.
// At |theta| = pi the logarithm of a quaternion is no delicate case: its vector part has length 1, and atan2
// gives the angle.
#pragma once

#include <cmath>
#include <numbers>

#include "kappa/base.h"
#include "kappa/elementary.h"
#include "kappa/manifold.h"
#include "kappa/rotation.h"

namespace kappa::detail {

/// c_k(s) and c_{k+1}(s).
template <int k, class T>
std::array<T, 2> stumpff_at(const T& s) {
  if constexpr (Differentiable<T>) {
    const auto c = stumpff<k + 1 + 2 * T::order>(s.a);
    return {compose(s, stumpff_curve<T::order, k>(c)), compose(s, stumpff_curve<T::order, k + 1>(c))};
  } else {
    const auto c = stumpff<k + 1>(s);
    return {c[k], c[k + 1]};
  }
}

/// Scales v to length 1 where rounding has moved it away: a point that has not moved keeps its bits. The
/// factor is a plain number, since a step changes no length.
template <class T>
void keep_unit(T* v, Index n) {
  using Base = BaseScalar<T>;
  Base square = 0;
  for (Index i = 0; i < n; ++i) {
    square += value_of(v[i]) * value_of(v[i]);
  }
  if (std::abs(square - 1) > 8 * std::numeric_limits<Base>::epsilon()) {
    const Base factor = 1 / std::sqrt(square);
    for (Index i = 0; i < n; ++i) {
      v[i] *= factor;
    }
  }
}

inline double length_error(const double* v, Index n) {
  double square = 0;
  for (Index i = 0; i < n; ++i) {
    square += v[i] * v[i];
  }
  const double error = std::fabs(std::sqrt(square) - 1);
  return std::isfinite(error) ? error : infinity;
}

/// v / |v|, without overflow; left alone where no direction is to be had.
inline void scale_to_unit(double* v, Index n) {
  double top = 0;
  for (Index i = 0; i < n; ++i) {
    top = std::fmax(top, std::fabs(v[i]));
  }
  if (!(top > 0) || !std::isfinite(top)) {
    return;
  }
  double square = 0;
  for (Index i = 0; i < n; ++i) {
    v[i] /= top;
    square += v[i] * v[i];
  }
  const double length = std::sqrt(square);
  for (Index i = 0; i < n; ++i) {
    v[i] /= length;
  }
}

inline double finite_or_infinity(const double* v, Index n) {
  for (Index i = 0; i < n; ++i) {
    if (!std::isfinite(v[i])) {
      return infinity;
    }
  }
  return 0;
}

inline void clear(MatrixRef M) {
  for (Index j = 0; j < M.cols; ++j) {
    for (Index i = 0; i < M.rows; ++i) {
      M(i, j) = 0;
    }
  }
}

/// The angle in [-pi, pi). An angle that is there already keeps its bits.
template <class T>
T wrapped(const T& angle) {
  using Base = BaseScalar<T>;
  constexpr Base pi = std::numbers::pi_v<Base>;
  const Base a = value_of(angle);
  if (a >= -pi && a < pi) {
    return angle;
  }
  const Base rest = std::remainder(a, 2 * pi);  // exact
  return T(angle - a) + (rest < pi ? rest : -pi);
}

/// angle / sine for a vector of length `sine` beside `cosine`, in [0, pi]: atan2(sine, cosine) / sine, smooth
/// at 0.
template <class T>
T angle_over_sine(const T& sine_squared, const T& cosine) {
  if (cosine > 0 && sine_squared * 8 < cosine * cosine) {
    return arctangent_ratio(T(sine_squared / (cosine * cosine))) / cosine;
  }
  const T sine = sqrt(sine_squared);
  return atan2(sine, cosine) / sine;
}

struct AngleFormula {
  static constexpr int ambient = 1;
  static constexpr int tangent = 1;

  template <class T>
  static void plus(const T* x, const T* d, T* out) {
    out[0] = wrapped(T(x[0] + d[0]));
  }
  template <class T>
  static void minus(const T* y, const T* x, T* d) {
    d[0] = wrapped(T(y[0] - x[0]));
  }
  static void jacobian(const double*, MatrixRef P) { P(0, 0) = 1; }
  static void second(const double*, const double*, MatrixRef S) { S(0, 0) = 0; }
  static double departure(const double* x) { return finite_or_infinity(x, 1); }
  static void normalize(double* x) { x[0] = wrapped(x[0]); }
};

struct So2Formula {
  static constexpr int ambient = 2;
  static constexpr int tangent = 1;

  template <class T>
  static void plus(const T* x, const T* d, T* out) {
    const T c = cos(d[0]);
    const T s = sin(d[0]);
    const T re = x[0] * c - x[1] * s;
    const T im = x[0] * s + x[1] * c;
    out[0] = re;
    out[1] = im;
    keep_unit(out, 2);
  }
  template <class T>
  static void minus(const T* y, const T* x, T* d) {
    d[0] = atan2(T(x[0] * y[1] - x[1] * y[0]), T(x[0] * y[0] + x[1] * y[1]));
  }
  static void jacobian(const double* x, MatrixRef P) {
    P(0, 0) = -x[1];
    P(1, 0) = x[0];
  }
  static void second(const double* x, const double* w, MatrixRef S) {
    S(0, 0) = -(w[0] * x[0] + w[1] * x[1]);
  }
  static double departure(const double* x) { return length_error(x, 2); }
  static void normalize(double* x) { scale_to_unit(x, 2); }
};

struct Se2Formula {
  static constexpr int ambient = 3;
  static constexpr int tangent = 3;

  template <class T>
  static void plus(const T* x, const T* d, T* out) {
    const auto cosine_sine = stumpff_at<1>(T(d[2] * d[2]));
    const T a = cosine_sine[0];         // sin theta / theta
    const T b = d[2] * cosine_sine[1];  // (1 - cos theta) / theta
    const T u = a * d[0] - b * d[1];
    const T v = b * d[0] + a * d[1];
    const T c = cos(x[2]);
    const T s = sin(x[2]);
    out[0] = x[0] + (c * u - s * v);
    out[1] = x[1] + (s * u + c * v);
    out[2] = wrapped(T(x[2] + d[2]));
  }
  template <class T>
  static void minus(const T* y, const T* x, T* d) {
    const T theta = wrapped(T(y[2] - x[2]));
    const T c = cos(x[2]);
    const T s = sin(x[2]);
    const T dx = y[0] - x[0];
    const T dy = y[1] - x[1];
    const T u = c * dx + s * dy;
    const T v = c * dy - s * dx;
    // V^-1 = V' / (a^2 + b^2), and a^2 + b^2 = 2 (1 - cos theta) / theta^2 = 2 c_2.
    const auto cosine_sine = stumpff_at<1>(T(theta * theta));
    const T a = cosine_sine[0] / (2 * cosine_sine[1]);
    const T b = theta / 2;
    d[0] = a * u + b * v;
    d[1] = a * v - b * u;
    d[2] = theta;
  }
  static void jacobian(const double* x, MatrixRef P) {
    clear(P);
    P(0, 0) = P(1, 1) = std::cos(x[2]);
    P(1, 0) = std::sin(x[2]);
    P(0, 1) = -P(1, 0);
    P(2, 2) = 1;
  }
  /// V(theta) rho = rho + theta/2 (-rho_y, rho_x) + O(theta^2).
  static void second(const double* x, const double* w, MatrixRef S) {
    const double c = std::cos(x[2]);
    const double s = std::sin(x[2]);
    const double u = c * w[0] + s * w[1];
    const double v = c * w[1] - s * w[0];
    clear(S);
    S(0, 2) = S(2, 0) = v / 2;
    S(1, 2) = S(2, 1) = -u / 2;
  }
  static double departure(const double* x) { return finite_or_infinity(x, 3); }
  static void normalize(double* x) { x[2] = wrapped(x[2]); }
};

/// Entry i of (w, x, y, z) as stored.
constexpr int quaternion_entry(QuaternionOrder order, int i) {
  return order == QuaternionOrder::wxyz ? i : (i + 3) % 4;
}

template <QuaternionOrder order, class T>
void load(const T* stored, T* q) {
  for (int i = 0; i < 4; ++i) {
    q[i] = stored[quaternion_entry(order, i)];
  }
}
template <QuaternionOrder order, class T>
void store(const T* q, T* stored) {
  for (int i = 0; i < 4; ++i) {
    stored[quaternion_entry(order, i)] = q[i];
  }
}

/// conj(z) w
template <class T>
void quaternion_between(const T* z, const T* w, T* out) {
  const T conjugate[4] = {z[0], -z[1], -z[2], -z[3]};
  QuaternionProduct(conjugate, w, out);
}

/// Column k of P: q e_k / 2.
template <QuaternionOrder order>
void rotation_jacobian(const double* stored, MatrixRef P, Index row, Index col) {
  double q[4];
  load<order>(stored, q);
  for (int k = 0; k < 3; ++k) {
    double half[4] = {0, 0, 0, 0};
    half[k + 1] = 0.5;
    double column[4];
    QuaternionProduct(q, half, column);
    store<order>(column, &P(row, col + k));
  }
}

template <QuaternionOrder order>
struct So3Formula {
  static constexpr int ambient = 4;
  static constexpr int tangent = 3;

  template <class T>
  static void plus(const T* x, const T* d, T* out) {
    T q[4];
    T step[4];
    T product[4];
    load<order>(x, q);
    AngleAxisToQuaternion(d, step);
    QuaternionProduct(q, step, product);
    keep_unit(product, 4);
    store<order>(product, out);
  }
  template <class T>
  static void minus(const T* y, const T* x, T* d) {
    T from[4];
    T to[4];
    T between[4];
    load<order>(x, from);
    load<order>(y, to);
    quaternion_between(from, to, between);
    QuaternionToAngleAxis(between, d);
  }
  static void jacobian(const double* x, MatrixRef P) { rotation_jacobian<order>(x, P, 0, 0); }
  /// Exp(theta) = 1 + theta/2 - |theta|^2/8 + O(|theta|^3).
  static void second(const double* x, const double* w, MatrixRef S) {
    const double along = w[0] * x[0] + w[1] * x[1] + w[2] * x[2] + w[3] * x[3];
    clear(S);
    for (int k = 0; k < 3; ++k) {
      S(k, k) = -along / 4;
    }
  }
  static double departure(const double* x) { return length_error(x, 4); }
  static void normalize(double* x) { scale_to_unit(x, 4); }
};

template <QuaternionOrder order>
struct UnitQuaternionFormula {
  static constexpr int ambient = 4;
  static constexpr int tangent = 3;

  template <class T>
  static void plus(const T* x, const T* d, T* out) {
    T q[4];
    T product[4];
    load<order>(x, q);
    const auto c = stumpff_pair<0>(d);
    const T step[4] = {c[0], c[1] * d[0], c[1] * d[1], c[1] * d[2]};
    QuaternionProduct(step, q, product);
    keep_unit(product, 4);
    store<order>(product, out);
  }
  /// The logarithm of y conj(x); of -1, whose logarithms are all of length pi, the one along the first axis.
  template <class T>
  static void minus(const T* y, const T* x, T* d) {
    T from[4];
    T to[4];
    T turned[4];
    load<order>(x, from);
    load<order>(y, to);
    const T inverse[4] = {from[0], -from[1], -from[2], -from[3]};
    QuaternionProduct(to, inverse, turned);
    const T square = DotProduct(turned + 1, turned + 1);
    if (square == 0 && turned[0] < 0) {
      d[0] = std::numbers::pi_v<T>;
      d[1] = d[2] = 0;
      return;
    }
    const T factor = angle_over_sine(square, turned[0]);
    for (int k = 0; k < 3; ++k) {
      d[k] = factor * turned[k + 1];
    }
  }
  static void jacobian(const double* x, MatrixRef P) {
    double q[4];
    load<order>(x, q);
    for (int k = 0; k < 3; ++k) {
      double unit[4] = {0, 0, 0, 0};
      unit[k + 1] = 1;
      double column[4];
      QuaternionProduct(unit, q, column);
      store<order>(column, &P(0, k));
    }
  }
  static void second(const double* x, const double* w, MatrixRef S) {
    const double along = w[0] * x[0] + w[1] * x[1] + w[2] * x[2] + w[3] * x[3];
    clear(S);
    for (int k = 0; k < 3; ++k) {
      S(k, k) = -along;
    }
  }
  static double departure(const double* x) { return length_error(x, 4); }
  static void normalize(double* x) { scale_to_unit(x, 4); }
};

template <QuaternionOrder order>
struct Se3Formula {
  static constexpr int ambient = 7;
  static constexpr int tangent = 6;

  template <class T>
  static void plus(const T* x, const T* d, T* out) {
    const T* rho = d;
    const T* theta = d + 3;
    const auto c = stumpff_pair<2>(theta);
    T once[3];
    T twice[3];
    CrossProduct(theta, rho, once);
    CrossProduct(theta, once, twice);
    T moved[3];
    for (int i = 0; i < 3; ++i) {
      moved[i] = rho[i] + c[0] * once[i] + c[1] * twice[i];
    }
    T q[4];
    T turned[3];
    load<order>(x + 3, q);
    UnitQuaternionRotatePoint(q, moved, turned);
    for (int i = 0; i < 3; ++i) {
      out[i] = x[i] + turned[i];
    }
    So3Formula<order>::plus(x + 3, theta, out + 3);
  }
  template <class T>
  static void minus(const T* y, const T* x, T* d) {
    T* theta = d + 3;
    So3Formula<order>::minus(y + 3, x + 3, theta);
    T q[4];
    load<order>(x + 3, q);
    const T inverse[4] = {q[0], -q[1], -q[2], -q[3]};
    const T between[3] = {y[0] - x[0], y[1] - x[1], y[2] - x[2]};
    T p[3];
    UnitQuaternionRotatePoint(inverse, between, p);
    const auto c = stumpff<4>(T(DotProduct(theta, theta)));
    const T k = (c[3] - 2 * c[4]) / (2 * c[2]);
    T once[3];
    T twice[3];
    CrossProduct(theta, p, once);
    CrossProduct(theta, once, twice);
    for (int i = 0; i < 3; ++i) {
      d[i] = p[i] - once[i] / 2 + k * twice[i];
    }
  }
  static void jacobian(const double* x, MatrixRef P) {
    double q[4];
    double R[9];
    load<order>(x + 3, q);
    QuaternionToScaledRotation(q, R);
    clear(P);
    for (int i = 0; i < 3; ++i) {
      for (int j = 0; j < 3; ++j) {
        P(i, j) = R[3 * i + j];
      }
    }
    rotation_jacobian<order>(x + 3, P, 3, 3);
  }
  /// w'R (theta x rho) / 2 = rho' [a]x theta / 2 with a = R'w, and the rotation's own.
  static void second(const double* x, const double* w, MatrixRef S) {
    double q[4];
    load<order>(x + 3, q);
    const double inverse[4] = {q[0], -q[1], -q[2], -q[3]};
    double a[3];
    UnitQuaternionRotatePoint(inverse, w, a);
    clear(S);
    for (int i = 0; i < 3; ++i) {
      const int j = (i + 1) % 3;
      const int k = (i + 2) % 3;
      S(j, 3 + k) = S(3 + k, j) = -a[i] / 2;
      S(k, 3 + j) = S(3 + j, k) = a[i] / 2;
    }
    So3Formula<order>::second(x + 3, w + 3, {&S(3, 3), 3, 3, S.stride});
  }
  static double departure(const double* x) {
    return std::fmax(finite_or_infinity(x, 3), length_error(x + 3, 4));
  }
  static void normalize(double* x) { scale_to_unit(x + 3, 4); }
};

// The sphere of radius |x| in R^n. With u = x / |x|, sigma the sign of u_n and h = u + sigma e_n, the
// reflection I - 2 h h'/h'h maps u to -sigma e_n, so its other columns are an orthonormal basis B of the
// tangent space; h'h / 2 = 1 + |u_n| is never small.
//
//   plus(x, d) = c_0(|d|^2) x + c_1(|d|^2) |x| B d,        minus(y, x) = B'y atan2(|B'y|, u'y) / |B'y|.

/// A reflection's h = u + sigma e_n for u of any length, and what to divide by: h is length times as long.
template <class T>
struct Reflection {
  const T* x;
  Index n;
  T length;
  T last;   ///< of h: x_n + sigma length
  T scale;  ///< length (length + |x_n|)

  Reflection(const T* point, Index size) : x(point), n(size) {
    T square(0);
    for (Index i = 0; i < n; ++i) {
      square += x[i] * x[i];
    }
    length = sqrt(square);
    last = x[n - 1] < 0 ? x[n - 1] - length : x[n - 1] + length;
    scale = length * abs(last);
  }

  /// out = B d, n long; d is n - 1 long.
  template <class D>
  void to_ambient(const D* d, D* out) const {
    D along(0);
    for (Index i = 0; i + 1 < n; ++i) {
      along += x[i] * d[i];
    }
    along = along / scale;
    out[n - 1] = -(along * last);
    for (Index i = 0; i + 1 < n; ++i) {
      out[i] = d[i] - along * x[i];
    }
  }
  /// d = B'y.
  void to_tangent(const T* y, T* d) const {
    T along = last * y[n - 1];
    for (Index i = 0; i + 1 < n; ++i) {
      along += x[i] * y[i];
    }
    along /= scale;
    for (Index i = 0; i + 1 < n; ++i) {
      d[i] = y[i] - along * x[i];
    }
  }
};

/// plus on the sphere of radius |x|; D is T or a number over it.
template <class T, class D>
void sphere_plus(const T* x, Index n, const D* d, D* out) {
  const Reflection<T> reflection(x, n);
  D square(0);
  for (Index i = 0; i + 1 < n; ++i) {
    square += d[i] * d[i];
  }
  const auto c = stumpff_at<0>(square);
  reflection.to_ambient(d, out);
  for (Index i = 0; i < n; ++i) {
    out[i] = c[0] * x[i] + c[1] * reflection.length * out[i];
  }
}

/// Of the opposite point, to which all steps of length pi lead, the one along the first axis.
template <class T>
void sphere_minus(const T* y, const T* x, Index n, T* d) {
  const Reflection<T> reflection(x, n);
  reflection.to_tangent(y, d);
  T square(0);
  T along(0);
  for (Index i = 0; i + 1 < n; ++i) {
    square += d[i] * d[i];
  }
  for (Index i = 0; i < n; ++i) {
    along += x[i] * y[i];
  }
  along /= reflection.length;
  if (square == 0 && along < 0) {
    d[0] = std::numbers::pi_v<T>;
    return;
  }
  const T factor = angle_over_sine(square, along);
  for (Index i = 0; i + 1 < n; ++i) {
    d[i] *= factor;
  }
}

}  // namespace kappa::detail
