// The residual of one measurement of a pose graph: how far pose b, as seen from pose a, is from what was
// measured there, whitened by a root R of the information matrix, R'R = information (information_root).
//
//   plane    e = (R(theta_a)' (p_b - p_a) - t,  theta_b - theta_a - theta, wrapped into [-pi, pi))
//   space    e = (R(q_a)' (p_b - p_a) - t,      2 vec(q (q_a^-1 q_b)^-1))
//   residual = R e,   1/2 |residual|^2 = 1/2 e' information e
//
// with the measurement (t, theta) or (t, q). Blocks: two poses, (x, y, theta) or (x, y, z, qx, qy, qz, qw).
// For small errors 2 vec(...) is the rotation vector from measurement to estimate, up to sign and third
// order; q and -q have the same cost. The formulas are those of the pose graph examples of Ceres and so are
// the costs where the information matrix is diagonal. (Where it is not, those examples multiply by the
// transpose of the root.)
//
// Generic in T: double, kappa's differentiation types and ceres::Jet all work. Cost: about 60 flops in the
// plane with one sine and cosine, 170 in space without any, for each evaluation in double.
//
// Reference: Carlone, Tron, Daniilidis, Dellaert: Initialization techniques for 3D SLAM: a survey on rotation
// estimation and its use in pose graph optimization. ICRA 2015, equations 2 to 5.
#pragma once

#include <array>

#include "problems/pose_graph/rigid_motion.h"

namespace kappa {

struct BetweenInPlane {
  static constexpr int residual_size = 3;
  static constexpr int pose_size = 3;

  std::array<double, 3> measured;
  /// Upper triangle, row by row.
  std::array<double, 6> root;

  template <class T>
  bool operator()(const T* a, const T* b, T* residual) const {
    using std::cos;
    using std::sin;
    const T c = cos(a[2]);
    const T s = sin(a[2]);
    const T x = b[0] - a[0];
    const T y = b[1] - a[1];
    const T e[3] = {c * x + s * y - measured[0], c * y - s * x - measured[1],
                    detail::wrapped_angle(T(b[2] - a[2] - measured[2]))};
    residual[0] = root[0] * e[0] + root[1] * e[1] + root[2] * e[2];
    residual[1] = root[3] * e[1] + root[4] * e[2];
    residual[2] = root[5] * e[2];
    return true;
  }
};

struct BetweenInSpace {
  static constexpr int residual_size = 6;
  static constexpr int pose_size = 7;

  std::array<double, 7> measured;
  /// Upper triangle, row by row.
  std::array<double, 21> root;

  template <class T>
  bool operator()(const T* a, const T* b, T* residual) const {
    const T apart[3] = {b[0] - a[0], b[1] - a[1], b[2] - a[2]};
    T e[6];
    detail::turn(a + 3, -1.0, apart, e);
    for (int i = 0; i < 3; ++i) {
      e[i] -= measured[static_cast<std::size_t>(i)];
    }
    // (q_a^-1 q_b)^-1 = q_b^-1 q_a.
    const T back[4] = {-b[3], -b[4], -b[5], b[6]};
    T estimated[4];
    T error[4];
    detail::multiply_quaternions(back, a + 3, estimated);
    detail::multiply_quaternions(measured.data() + 3, estimated, error);
    for (int i = 0; i < 3; ++i) {
      e[3 + i] = 2.0 * error[i];
    }
    for (int i = 0, k = 0; i < 6; ++i) {
      residual[i] = root[static_cast<std::size_t>(k++)] * e[i];
      for (int j = i + 1; j < 6; ++j) {
        residual[i] += root[static_cast<std::size_t>(k++)] * e[j];
      }
    }
    return true;
  }
};

}  // namespace kappa
