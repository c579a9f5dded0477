// Rigid motions in the plane, (x, y, theta), and in space, (x, y, z, qx, qy, qz, qw) with a unit quaternion,
// generic in the scalar: double, kappa's differentiation types and ceres::Jet all work.
//
// A quaternion q = (u, w) turns v into v + 2 w (u x v) + 2 u x (u x v).
//
// Reference: Solà, Quaternion kinematics for the error-state Kalman filter (2017), sections 1 and 2
// (Hamilton's convention).
#pragma once

#include <cmath>
#include <limits>
#include <numbers>

namespace kappa::detail {

/// The same angle in [-pi, pi).
template <class T>
T wrapped_angle(const T& angle) {
  using std::floor;
  constexpr double full_turn = 2.0 * std::numbers::pi;
  return angle - full_turn * floor((angle + std::numbers::pi) / full_turn);
}

/// out = a x b.
template <class A, class B, class T>
void cross(const A* a, const B* b, T* out) {
  out[0] = a[1] * b[2] - a[2] * b[1];
  out[1] = a[2] * b[0] - a[0] * b[2];
  out[2] = a[0] * b[1] - a[1] * b[0];
}

/// `v` turned by the unit quaternion `q`, or by its inverse where `sign` is -1.
template <class T>
void turn(const T* q, double sign, const T* v, T* out) {
  T first[3];
  T second[3];
  cross(q, v, first);
  cross(q, first, second);
  for (int i = 0; i < 3; ++i) {
    out[i] = v[i] + 2.0 * (sign * q[3] * first[i] + second[i]);
  }
}

/// The product a b of quaternions (x, y, z, w).
template <class A, class B, class T>
void multiply_quaternions(const A* a, const B* b, T* out) {
  out[0] = a[3] * b[0] + a[0] * b[3] + a[1] * b[2] - a[2] * b[1];
  out[1] = a[3] * b[1] - a[0] * b[2] + a[1] * b[3] + a[2] * b[0];
  out[2] = a[3] * b[2] + a[0] * b[1] - a[1] * b[0] + a[2] * b[3];
  out[3] = a[3] * b[3] - a[0] * b[0] - a[1] * b[1] - a[2] * b[2];
}

/// Scales a quaternion to length one; false for zero.
inline bool normalize_quaternion(double* q) {
  double largest = 0.0;
  for (int i = 0; i < 4; ++i) {
    largest = std::fmax(largest, std::fabs(q[i]));
  }
  if (!(largest > 0.0)) {
    return false;
  }
  double square = 0.0;
  for (int i = 0; i < 4; ++i) {
    q[i] /= largest;
    square += q[i] * q[i];
  }
  const double length = std::sqrt(square);
  for (int i = 0; i < 4; ++i) {
    q[i] /= length;
  }
  return true;
}

/// Whether a quaternion has length one up to the rounding of normalize_quaternion.
inline bool is_unit_quaternion(const double* q) {
  const double square = q[0] * q[0] + q[1] * q[1] + q[2] * q[2] + q[3] * q[3];
  return std::fabs(square - 1.0) <= 16 * std::numeric_limits<double>::epsilon();
}

/// The pose at `step` in the frame of `a`: a after step, with a normalised quaternion.
inline void compose_in_plane(const double* a, const double* step, double* out) {
  const double c = std::cos(a[2]);
  const double s = std::sin(a[2]);
  out[0] = a[0] + c * step[0] - s * step[1];
  out[1] = a[1] + s * step[0] + c * step[1];
  out[2] = wrapped_angle(a[2] + step[2]);
}
inline void compose_in_space(const double* a, const double* step, double* out) {
  double moved[3];
  turn(a + 3, 1.0, step, moved);
  for (int i = 0; i < 3; ++i) {
    out[i] = a[i] + moved[i];
  }
  multiply_quaternions(a + 3, step + 3, out + 3);
  normalize_quaternion(out + 3);
}

/// The motion that takes everything back.
inline void invert_in_plane(const double* a, double* out) {
  const double c = std::cos(a[2]);
  const double s = std::sin(a[2]);
  out[0] = -(c * a[0] + s * a[1]);
  out[1] = -(c * a[1] - s * a[0]);
  out[2] = wrapped_angle(-a[2]);
}
inline void invert_in_space(const double* a, double* out) {
  turn(a + 3, -1.0, a, out);
  for (int i = 0; i < 3; ++i) {
    out[i] = -out[i];
    out[3 + i] = -a[3 + i];
  }
  out[6] = a[6];
}

}  // namespace kappa::detail
