// Small problems on manifolds: rotation averaging, pose loops in SE(2) and SE(3), points on spheres.
#pragma once

#include <array>
#include <cmath>
#include <string>
#include <vector>

#include "kappa/random.h"
#include "kappa/residuals.h"
#include "kappa/rotation.h"

namespace test {

/// Log(Z^-1 A^-1 B) for unit quaternions (w, x, y, z); Z is measured.
struct RelativeRotation {
  std::array<double, 4> measured;
  template <class T>
  bool operator()(const T* a, const T* b, T* r) const {
    const T back[4] = {a[0], -a[1], -a[2], -a[3]};
    const T z[4] = {T(measured[0]), T(-measured[1]), T(-measured[2]), T(-measured[3])};
    T between[4];
    T error[4];
    kappa::QuaternionProduct(back, b, between);
    kappa::QuaternionProduct(z, between, error);
    kappa::QuaternionToAngleAxis(error, r);
    return true;
  }
};

/// Rotation and translation of Z^-1 A^-1 B for poses (x, y, z, w, i, j, k).
struct RelativePose {
  std::array<double, 7> measured;
  template <class T>
  bool operator()(const T* a, const T* b, T* r) const {
    const T back[4] = {a[3], -a[4], -a[5], -a[6]};
    const T offset[3] = {b[0] - a[0], b[1] - a[1], b[2] - a[2]};
    kappa::UnitQuaternionRotatePoint(back, offset, r);
    for (int i = 0; i < 3; ++i) {
      r[i] -= measured[static_cast<std::size_t>(i)];
    }
    return RelativeRotation{{measured[3], measured[4], measured[5], measured[6]}}(a + 3, b + 3, r + 3);
  }
};

/// The same for poses (x, y, angle) in the plane.
struct RelativePlanarPose {
  std::array<double, 3> measured;
  template <class T>
  bool operator()(const T* a, const T* b, T* r) const {
    using std::atan2;
    using std::cos;
    using std::sin;
    const T c = cos(a[2]);
    const T s = sin(a[2]);
    const T x = b[0] - a[0];
    const T y = b[1] - a[1];
    r[0] = c * x + s * y - measured[0];
    r[1] = c * y - s * x - measured[1];
    const T turn = b[2] - a[2] - measured[2];
    r[2] = atan2(sin(turn), cos(turn));
    return true;
  }
};

/// A few numbers near 0 that are the same everywhere.
class Noise {
 public:
  explicit Noise(double size, std::uint64_t seed = 1) : size_(size), random_(seed, 3) {}
  double operator()() { return size_ * random_.normal(next_++); }
  std::vector<double> vector(std::size_t n) {
    std::vector<double> out(n);
    for (double& entry : out) {
      entry = (*this)();
    }
    return out;
  }

 private:
  double size_;
  kappa::CounterRandom random_;
  std::uint64_t next_ = 0;
};

/// x moved by `step` on M.
inline std::vector<double> moved(const kappa::Manifold& M, const std::vector<double>& x,
                                 const std::vector<double>& step) {
  std::vector<double> out(x.size());
  M.plus(x, step, out);
  return out;
}

/// `poses` poses on M around a closed way, each measured from the one before and, further on, from the one
/// three before, all with noise; the first pose is held. The start is some way off.
template <class Relative, std::size_t n>
kappa::ResidualProblem pose_loop(const kappa::manifolds::Shared& M, std::vector<double> origin,
                                 const std::vector<double>& stride, int poses, double noise,
                                 const kappa::Loss& loss = {}) {
  constexpr int residuals = n == 7 ? 6 : 3;
  const auto tangent = static_cast<std::size_t>(M->tangent_size());
  Noise draw(noise);
  Noise off(0.1, 2);
  std::vector<std::vector<double>> truth{origin};
  for (int i = 1; i < poses; ++i) {
    truth.push_back(moved(*M, truth.back(), stride));
  }
  kappa::ResidualProblem problem;
  std::vector<kappa::ParameterBlock> blocks;
  for (int i = 0; i < poses; ++i) {
    const auto at = static_cast<std::size_t>(i);
    blocks.push_back(problem.add_parameters(
        moved(*M, truth[at], i == 0 ? std::vector<double>(tangent) : off.vector(tangent)), M,
        "pose " + std::to_string(i)));
  }
  problem.set_constant(blocks[0]);
  const auto measure = [&](std::size_t i, std::size_t j) {
    // Z = A^-1 B, moved a little: plus(origin, minus(B, A)) is A^-1 B.
    std::vector<double> step(tangent);
    M->minus(truth[j], truth[i], step);
    for (double& entry : step) {
      entry += draw();
    }
    const std::vector<double> z = moved(*M, origin, step);
    Relative functor{};
    std::copy(z.begin(), z.end(), functor.measured.begin());
    problem.add(kappa::autodiff<residuals, static_cast<int>(n), static_cast<int>(n)>(functor),
                {blocks[i], blocks[j]}, loss);
  };
  const auto count = static_cast<std::size_t>(poses);
  for (std::size_t i = 0; i < count; ++i) {
    measure(i, (i + 1) % count);
    measure(i, (i + 3) % count);
  }
  return problem;
}

inline kappa::ResidualProblem loop_in_space(int poses = 8, double noise = 0.05,
                                            const kappa::Loss& loss = {}) {
  return pose_loop<RelativePose, 7>(kappa::manifolds::se3(), {0, 0, 0, 1, 0, 0, 0},
                                    {1, 0.2, 0.1, 0.1, -0.05, 6.283 / poses}, poses, noise, loss);
}
inline kappa::ResidualProblem loop_in_plane(int poses = 8, double noise = 0.05,
                                            const kappa::Loss& loss = {}) {
  return pose_loop<RelativePlanarPose, 3>(kappa::manifolds::se2(), {0, 0, 0}, {1, 0.2, 6.283 / poses}, poses,
                                          noise, loss);
}
inline kappa::ResidualProblem rotation_averaging(int rotations = 8, double noise = 0.05,
                                                 const kappa::Loss& loss = {}) {
  return pose_loop<RelativeRotation, 4>(kappa::manifolds::so3(), {1, 0, 0, 0}, {0.3, -0.2, 6.283 / rotations},
                                        rotations, noise, loss);
}

/// A x - b, one row.
struct LinearRow {
  std::array<double, 4> a;
  double b;
  template <class T>
  bool operator()(const T* x, T* r) const {
    r[0] = a[0] * x[0] + a[1] * x[1] + a[2] * x[2] + a[3] * x[3] - b;
    return true;
  }
};

/// 1/2 |A x - b|^2 for x in R^4 on a manifold.
inline kappa::ResidualProblem linear_on(const kappa::manifolds::Shared& M, std::vector<double> start,
                                        double right_side) {
  kappa::ResidualProblem problem;
  const auto x = problem.add_parameters(kappa::ConstVectorRef(start), M, "x");
  Noise draw(1.0, 5);
  for (int k = 0; k < 9; ++k) {
    problem.add(kappa::autodiff<1, 4>(LinearRow{{draw(), draw(), draw(), draw()}, right_side * draw()}), {x});
  }
  return problem;
}

}  // namespace test
