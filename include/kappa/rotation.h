// Rotations in space, for residual functors: angle-axis vectors, quaternions, matrices, Euler angles.
// Names, argument order and conventions are those that functors written for Ceres expect, so such a
// functor compiles with only its namespace changed.
//
// Conventions. An angle-axis vector w has the angle |w| in radians and the axis w / |w|. Quaternions
// are (w, x, y, z). A plain pointer to a matrix means column-major for the functions of angle-axis
// vectors and matrices, row-major for those of quaternions and Euler angles. Outputs must not overlap
// inputs.
//
// Every function has exact first and second derivatives everywhere it is smooth, the zero rotation
// included. With s = |w|^2 everything an angle-axis vector needs is analytic in s (Stumpff functions,
// Battin, An Introduction to the Mathematics and Methods of Astrodynamics, 1999, section 4.5):
//
//     c_k(s) = sum_j (-s)^j / (2 j + k)!,     c_0 = cos sqrt s,     c_1 = sin sqrt s / sqrt s,
//     c_k = 1/k! - s c_{k+2},                 dc_k/ds = (k c_{k+2} - c_{k+1}) / 2,
//     R p = p + c_1 w x p + c_2 w x (w x p).
//
// They and their derivatives are evaluated on plain values and enter by the chain rule, once: no
// square root of a quantity that may vanish, no division by a small angle. Cost of rotating a point:
// about 18 products of T, and one sqrt, sin and cos of the value (none for |w| < 1).
#pragma once

#include "kappa/elementary.h"

namespace kappa {

/// A view of a 3x3 matrix inside an array: M(i, j) is pointer[i * row_stride + j * col_stride].
template <class T, int row_stride, int col_stride>
struct MatrixAdapter {
  T* pointer_;
  explicit constexpr MatrixAdapter(T* pointer) : pointer_(pointer) {}
  constexpr T& operator()(int i, int j) const { return pointer_[i * row_stride + j * col_stride]; }
};

template <class T>
constexpr MatrixAdapter<T, 1, 3> ColumnMajorAdapter3x3(T* pointer) {
  return MatrixAdapter<T, 1, 3>(pointer);
}

template <class T>
constexpr MatrixAdapter<T, 3, 1> RowMajorAdapter3x3(T* pointer) {
  return MatrixAdapter<T, 3, 1>(pointer);
}

namespace detail {

// sum_j (-s)^j / (2 j + k)!, to full precision for 0 <= s <= 1. Even and odd powers are summed apart:
// two short chains of dependent operations instead of a long one.
template <int k, class T>
T stumpff_series(const T& s) {
  using Base = BaseScalar<T>;
  constexpr std::size_t terms = std::numeric_limits<Base>::digits > 53 ? 12 : 10;
  constexpr auto coefficients = [] {
    std::array<Base, terms> c{};
    long double factorial = 1;
    for (int i = 2; i <= k; ++i) {
      factorial *= i;
    }
    for (int j = 0; j < static_cast<int>(terms); ++j) {
      c[static_cast<std::size_t>(j)] = static_cast<Base>((j % 2 == 0 ? 1 : -1) / factorial);
      factorial *= (2 * j + k + 1) * (2 * j + k + 2);
    }
    return c;
  }();
  const T square = s * s;
  T even(coefficients[terms - 2]);
  T odd(coefficients[terms - 1]);
  for (std::size_t j = terms - 2; j > 0; j -= 2) {
    even = even * square + coefficients[j - 2];
    odd = odd * square + coefficients[j - 1];
  }
  return even + odd * s;
}

// c_0 .. c_{highest}. Below s = 1 the two highest come from their series and the rest by downward
// recurrence; above, c_0 and c_1 from cos and sin and the rest by upward recurrence. Each direction
// is stable where it is used.
template <int highest, class T>
std::array<T, highest + 1> stumpff(const T& s) {
  if constexpr (requires { T::lane_by_lane(s, [](double x) { return stumpff<highest>(x); }); }) {
    // Small and large angles side by side are no reason for lanes to part.
    if (const auto c = T::lane_by_lane(s, [](double x) { return stumpff<highest>(x); })) {
      return *c;
    }
  }
  using Base = BaseScalar<T>;
  constexpr auto inverse_factorial = [] {
    std::array<Base, highest + 1> f{};
    long double factorial = 1;
    for (int k = 0; k <= highest; ++k) {
      factorial *= k > 0 ? k : 1;
      f[static_cast<std::size_t>(k)] = static_cast<Base>(1 / factorial);
    }
    return f;
  }();
  std::array<T, highest + 1> c;
  if (s < 1) {
    c[highest] = stumpff_series<highest>(s);
    c[highest - 1] = stumpff_series<highest - 1>(s);
    for (std::size_t k = highest - 1; k-- > 0;) {
      c[k] = inverse_factorial[k] - s * c[k + 2];
    }
  } else {
    const T angle = sqrt(s);
    const T inverse = 1 / s;
    c[0] = cos(angle);
    c[1] = sin(angle) * angle * inverse;
    for (std::size_t k = 2; k <= highest; ++k) {
      c[k] = (inverse_factorial[k - 2] - c[k - 2]) * inverse;
    }
  }
  return c;
}

// Value and derivatives of c_k from those above it.
template <int Order, int k, class C>
auto stumpff_curve(const C& c) {
  using T = typename C::value_type;
  using Base = BaseScalar<T>;
  const auto slope = [&](std::size_t n) { return T((static_cast<Base>(n) * c[n + 2] - c[n + 1]) / 2); };
  return unary<Order>(c[k], slope(k), [&] { return T((Base(k) * slope(k + 2) - slope(k + 1)) / 2); });
}

// c_k(s) and c_{k+1}(s) at s = |w|^2 for any T. The values come first, on their own: the call of cos
// and sin then finds no derivatives in registers that it would have to save.
template <int k, class T>
std::array<T, 2> stumpff_pair(const T* w) {
  if constexpr (Differentiable<T>) {
    constexpr int order = T::order;
    using Scalar = typename T::Scalar;
    const auto c = stumpff<k + 1 + 2 * order>(Scalar(w[0].a * w[0].a + w[1].a * w[1].a + w[2].a * w[2].a));
    const auto first = stumpff_curve<order, k>(c);
    const auto second = stumpff_curve<order, k + 1>(c);
    const T s = w[0] * w[0] + w[1] * w[1] + w[2] * w[2];
    return {compose(s, first), compose(s, second)};
  } else {
    const auto c = stumpff<k + 1>(T(w[0] * w[0] + w[1] * w[1] + w[2] * w[2]));
    return {c[k], c[k + 1]};
  }
}

inline constexpr int arctangent_terms = 24;  // enough for z < 1/8 in long double

template <class Base>
constexpr Base arctangent_coefficient(int j) {
  return Base(j % 2 == 0 ? 1 : -1) / Base(2 * j + 1);
}

// G(z) = atan(sqrt z) / sqrt z = sum_j (-z)^j / (2 j + 1).
template <class T>
T arctangent_series(const T& z) {
  T sum(0);
  for (int j = arctangent_terms - 1; j >= 0; --j) {
    sum = sum * z + arctangent_coefficient<BaseScalar<T>>(j);
  }
  return sum;
}

// The same with its derivatives, term by term.
template <int Order, class T>
auto arctangent_curve(const T& z) {
  using Base = BaseScalar<T>;
  T first(0);
  T second(0);
  for (int j = arctangent_terms - 1; j >= 1; --j) {
    const Base slope = arctangent_coefficient<Base>(j) * Base(j);
    first = first * z + slope;
    if (j >= 2) {
      second = second * z + slope * Base(j - 1);
    }
  }
  return unary<Order>(arctangent_series(z), first, [&] { return second; });
}

template <class T>
T arctangent_ratio(const T& z) {
  if constexpr (Differentiable<T>) {
    return compose(z, arctangent_curve<T::order>(z.a));
  } else {
    return arctangent_series(z);
  }
}

}  // namespace detail

template <class T>
inline T DotProduct(const T x[3], const T y[3]) {
  return x[0] * y[0] + x[1] * y[1] + x[2] * y[2];
}

/// x_cross_y = x x y.
template <class T>
inline void CrossProduct(const T x[3], const T y[3], T x_cross_y[3]) {
  x_cross_y[0] = x[1] * y[2] - x[2] * y[1];
  x_cross_y[1] = x[2] * y[0] - x[0] * y[2];
  x_cross_y[2] = x[0] * y[1] - x[1] * y[0];
}

/// result = R(angle_axis) pt.
template <class T>
inline void AngleAxisRotatePoint(const T angle_axis[3], const T pt[3], T result[3]) {
  const T* w = angle_axis;
  const auto c = detail::stumpff_pair<1>(w);
  const T once[3] = {w[1] * pt[2] - w[2] * pt[1], w[2] * pt[0] - w[0] * pt[2], w[0] * pt[1] - w[1] * pt[0]};
  const T twice[3] = {w[1] * once[2] - w[2] * once[1], w[2] * once[0] - w[0] * once[2],
                      w[0] * once[1] - w[1] * once[0]};
  for (int i = 0; i < 3; ++i) {
    result[i] = pt[i] + c[0] * once[i] + c[1] * twice[i];
  }
}

/// The unit quaternion (cos |w|/2, sin(|w|/2) w / |w|).
template <class T>
inline void AngleAxisToQuaternion(const T* angle_axis, T* quaternion) {
  const T halved[3] = {angle_axis[0] / 2, angle_axis[1] / 2, angle_axis[2] / 2};
  const auto c = detail::stumpff_pair<0>(halved);
  quaternion[0] = c[0];
  for (int i = 0; i < 3; ++i) {
    quaternion[i + 1] = c[1] * halved[i];
  }
}

/// The angle-axis vector of a unit quaternion, of length at most pi. A quaternion and its negative
/// give the same vector. The quaternion is not normalised first.
template <class T>
inline void QuaternionToAngleAxis(const T* quaternion, T* angle_axis) {
  const T& w = quaternion[0];
  const T* axis = quaternion + 1;
  const T norm2 = DotProduct(axis, axis);
  // 2 atan(|axis| / w) / |axis|, by its series in |axis|^2 where that is small.
  T factor;
  if (value_of(norm2) * 8 < value_of(w) * value_of(w)) {
    factor = 2 * detail::arctangent_ratio(T(norm2 / (w * w))) / w;
  } else {
    const T sine = sqrt(norm2);
    factor = 2 * (w < 0 ? atan2(-sine, -w) : atan2(sine, w)) / sine;
  }
  for (int i = 0; i < 3; ++i) {
    angle_axis[i] = factor * axis[i];
  }
}

/// R = cos|w| I + c_1 [w]_x + c_2 w w^T.
template <class T, int row_stride, int col_stride>
void AngleAxisToRotationMatrix(const T* angle_axis, const MatrixAdapter<T, row_stride, col_stride>& R) {
  const auto c = detail::stumpff_pair<1>(angle_axis);
  const T cosine = 1 - DotProduct(angle_axis, angle_axis) * c[1];
  for (int i = 0; i < 3; ++i) {
    const int j = (i + 1) % 3;
    const int k = (i + 2) % 3;
    R(i, i) = cosine + c[1] * angle_axis[i] * angle_axis[i];
    const T mean = c[1] * angle_axis[i] * angle_axis[j];
    const T twist = c[0] * angle_axis[k];
    R(i, j) = mean - twist;
    R(j, i) = mean + twist;
  }
}

/// Column-major.
template <class T>
void AngleAxisToRotationMatrix(const T* angle_axis, T* R) {
  AngleAxisToRotationMatrix(angle_axis, ColumnMajorAdapter3x3(R));
}

/// The unit quaternion of a rotation matrix, with the largest of its four components positive if that
/// is not w, else w positive. Divides by the largest component (Shoemake, Animating Rotation with
/// Quaternion Curves, SIGGRAPH 1985, appendix I).
template <class T, int row_stride, int col_stride>
void RotationMatrixToQuaternion(const MatrixAdapter<const T, row_stride, col_stride>& R, T* quaternion) {
  const T trace = R(0, 0) + R(1, 1) + R(2, 2);
  if (trace >= 0) {
    const T root = sqrt(trace + 1);
    const T factor = 1 / (2 * root);
    quaternion[0] = root / 2;
    quaternion[1] = (R(2, 1) - R(1, 2)) * factor;
    quaternion[2] = (R(0, 2) - R(2, 0)) * factor;
    quaternion[3] = (R(1, 0) - R(0, 1)) * factor;
    return;
  }
  int i = R(1, 1) > R(0, 0) ? 1 : 0;
  if (R(2, 2) > R(i, i)) {
    i = 2;
  }
  const int j = (i + 1) % 3;
  const int k = (i + 2) % 3;
  const T root = sqrt(R(i, i) - R(j, j) - R(k, k) + 1);
  const T factor = 1 / (2 * root);
  quaternion[0] = (R(k, j) - R(j, k)) * factor;
  quaternion[i + 1] = root / 2;
  quaternion[j + 1] = (R(j, i) + R(i, j)) * factor;
  quaternion[k + 1] = (R(k, i) + R(i, k)) * factor;
}

/// Column-major.
template <class T>
void RotationMatrixToQuaternion(const T* R, T* quaternion) {
  RotationMatrixToQuaternion(ColumnMajorAdapter3x3(R), quaternion);
}

template <class T, int row_stride, int col_stride>
void RotationMatrixToAngleAxis(const MatrixAdapter<const T, row_stride, col_stride>& R, T* angle_axis) {
  T quaternion[4];
  RotationMatrixToQuaternion(R, quaternion);
  QuaternionToAngleAxis(quaternion, angle_axis);
}

/// Column-major.
template <class T>
void RotationMatrixToAngleAxis(const T* R, T* angle_axis) {
  RotationMatrixToAngleAxis(ColumnMajorAdapter3x3(R), angle_axis);
}

/// R = Rz(euler[2]) Ry(euler[1]) Rx(euler[0]), angles in degrees.
template <class T, int row_stride, int col_stride>
void EulerAnglesToRotationMatrix(const T* euler, const MatrixAdapter<T, row_stride, col_stride>& R) {
  constexpr auto radians = std::numbers::pi_v<BaseScalar<T>> / 180;
  T c[3];
  T s[3];
  for (int i = 0; i < 3; ++i) {
    const T angle = euler[i] * radians;
    c[i] = cos(angle);
    s[i] = sin(angle);
  }
  const T cz_sy = c[2] * s[1];
  const T sz_sy = s[2] * s[1];
  R(0, 0) = c[2] * c[1];
  R(0, 1) = cz_sy * s[0] - s[2] * c[0];
  R(0, 2) = cz_sy * c[0] + s[2] * s[0];
  R(1, 0) = s[2] * c[1];
  R(1, 1) = sz_sy * s[0] + c[2] * c[0];
  R(1, 2) = sz_sy * c[0] - c[2] * s[0];
  R(2, 0) = -s[1];
  R(2, 1) = c[1] * s[0];
  R(2, 2) = c[1] * c[0];
}

/// Row-major; the stride is taken and not used, as the customary signature has it.
template <class T>
inline void EulerAnglesToRotationMatrix(const T* euler, int /*row_stride*/, T* R) {
  EulerAnglesToRotationMatrix(euler, RowMajorAdapter3x3(R));
}

/// |q|^2 times the rotation of q: polynomial in q, and the identity at (1, 0, 0, 0).
template <class T, int row_stride, int col_stride>
inline void QuaternionToScaledRotation(const T q[4], const MatrixAdapter<T, row_stride, col_stride>& R) {
  const T ww = q[0] * q[0];
  T squares[3];
  for (int i = 0; i < 3; ++i) {
    squares[i] = q[i + 1] * q[i + 1];
  }
  for (int i = 0; i < 3; ++i) {
    const int j = (i + 1) % 3;
    const int k = (i + 2) % 3;
    R(i, i) = ww + squares[i] - squares[j] - squares[k];
    const T mean = q[i + 1] * q[j + 1];
    const T twist = q[0] * q[k + 1];
    R(i, j) = 2 * (mean - twist);
    R(j, i) = 2 * (mean + twist);
  }
}

/// Row-major.
template <class T>
inline void QuaternionToScaledRotation(const T q[4], T R[9]) {
  QuaternionToScaledRotation(q, RowMajorAdapter3x3(R));
}

/// The rotation of q / |q|.
template <class T, int row_stride, int col_stride>
inline void QuaternionToRotation(const T q[4], const MatrixAdapter<T, row_stride, col_stride>& R) {
  QuaternionToScaledRotation(q, R);
  const T scale = 1 / (q[0] * q[0] + q[1] * q[1] + q[2] * q[2] + q[3] * q[3]);
  for (int i = 0; i < 3; ++i) {
    for (int j = 0; j < 3; ++j) {
      R(i, j) *= scale;
    }
  }
}

/// Row-major.
template <class T>
inline void QuaternionToRotation(const T q[4], T R[9]) {
  QuaternionToRotation(q, RowMajorAdapter3x3(R));
}

/// result = R(q) pt for |q| = 1: with t = 2 u x pt, u the vector part, it is pt + w t + u x t.
template <class T>
inline void UnitQuaternionRotatePoint(const T q[4], const T pt[3], T result[3]) {
  T once[3];
  CrossProduct(q + 1, pt, once);
  for (T& entry : once) {
    entry *= 2;
  }
  T twice[3];
  CrossProduct(q + 1, once, twice);
  for (int i = 0; i < 3; ++i) {
    result[i] = pt[i] + q[0] * once[i] + twice[i];
  }
}

/// result = R(q / |q|) pt for q not zero.
template <class T>
inline void QuaternionRotatePoint(const T q[4], const T pt[3], T result[3]) {
  const T scale = 1 / sqrt(q[0] * q[0] + q[1] * q[1] + q[2] * q[2] + q[3] * q[3]);
  const T unit[4] = {scale * q[0], scale * q[1], scale * q[2], scale * q[3]};
  UnitQuaternionRotatePoint(unit, pt, result);
}

/// zw = z w, Hamilton's product: R(zw) = R(z) R(w).
template <class T>
inline void QuaternionProduct(const T z[4], const T w[4], T zw[4]) {
  zw[0] = z[0] * w[0] - z[1] * w[1] - z[2] * w[2] - z[3] * w[3];
  zw[1] = z[0] * w[1] + z[1] * w[0] + z[2] * w[3] - z[3] * w[2];
  zw[2] = z[0] * w[2] - z[1] * w[3] + z[2] * w[0] + z[3] * w[1];
  zw[3] = z[0] * w[3] + z[1] * w[2] - z[2] * w[1] + z[3] * w[0];
}

}  // namespace kappa
