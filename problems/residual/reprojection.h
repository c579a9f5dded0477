// The reprojection error of one observation in the camera model of Bundle Adjustment in the Large:
//
//   P = R(w) X + t                                rotation by the angle-axis vector w
//   p = -P.xy / P.z                               the camera looks down its negative z axis
//   residual = f (1 + k1 |p|^2 + k2 |p|^4) p - (u, v)
//
// Blocks: camera (w, t, f, k1, k2) of 9, point X of 3; 2 residuals, in pixels from the image centre with v
// upwards. About 100 flops and one sine and cosine for each evaluation in double.
//
// Generic in T: double, kappa's differentiation types and ceres::Jet all work.
//
// Reference: Agarwal, Snavely, Seitz, Szeliski: Bundle adjustment in the large. ECCV 2010; the model is the
// one of its data set's description.
#pragma once

#include <cmath>
#include <limits>
#include <type_traits>

#include "kappa/rotation.h"

namespace kappa {

namespace detail {

/// kappa's rotation for the numbers it knows. For those of other libraries (ceres::Jet), Rodrigues' formula
///   R p = cos p + sin (k x p) + (1 - cos) (k . p) k,    k = w / |w|,
/// and its limit p + w x p where |w|^2 is lost in rounding: exact first derivatives, also at w = 0.
template <class T>
void rotate(const T* w, const T* p, T* result) {
  if constexpr (std::is_arithmetic_v<T> || Differentiable<T>) {
    AngleAxisRotatePoint(w, p, result);
  } else {
    using std::cos;
    using std::sin;
    using std::sqrt;
    const T cross[3] = {w[1] * p[2] - w[2] * p[1], w[2] * p[0] - w[0] * p[2], w[0] * p[1] - w[1] * p[0]};
    const T squared_angle = w[0] * w[0] + w[1] * w[1] + w[2] * w[2];
    const bool turns = squared_angle > T(std::numeric_limits<double>::epsilon());
    if (turns) {
      const T angle = sqrt(squared_angle);
      const T cosine = cos(angle);
      const T sine = sin(angle) / angle;
      const T along = (w[0] * p[0] + w[1] * p[1] + w[2] * p[2]) * (T(1.0) - cosine) / squared_angle;
      for (int i = 0; i < 3; ++i) {
        result[i] = cosine * p[i] + sine * cross[i] + along * w[i];
      }
    } else {
      for (int i = 0; i < 3; ++i) {
        result[i] = p[i] + cross[i];
      }
    }
  }
}

}  // namespace detail

struct Reprojection {
  static constexpr int residual_size = 2;
  static constexpr int camera_size = 9;
  static constexpr int point_size = 3;

  double u = 0.0;
  double v = 0.0;

  /// False, with `residual` untouched, for a point in the plane of the camera, which has no image. A point
  /// behind the camera does have one: the formula is the data set's, which does not exclude it.
  template <class T>
  bool operator()(const T* camera, const T* point, T* residual) const {
    T P[3];
    detail::rotate(camera, point, P);
    P[0] += camera[3];
    P[1] += camera[4];
    P[2] += camera[5];
    if (P[2] == T(0.0)) {
      return false;
    }
    const T x = -P[0] / P[2];
    const T y = -P[1] / P[2];
    const T squared_radius = x * x + y * y;
    const T scale = camera[6] * (T(1.0) + squared_radius * (camera[7] + camera[8] * squared_radius));
    residual[0] = scale * x - T(u);
    residual[1] = scale * y - T(v);
    return true;
  }
};

}  // namespace kappa
