// A walk around a square: 60 poses in SE(3), each measured from the one before with an error
// that adds up, and two closings of the loop. Prints how far off the last pose is before and after.
#include <kappa/kappa.h>
#include <kappa/random.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <string>
#include <vector>

using Pose = std::array<double, 7>;  // x, y, z and the unit quaternion w, i, j, k

/// Position and rotation vector of Z^-1 A^-1 B, where Z is the measured pose of b seen from a.
struct Between {
  Pose z;
  template <class T>
  bool operator()(const T* a, const T* b, T* residual) const {
    const T back[4] = {a[3], -a[4], -a[5], -a[6]};
    const T offset[3] = {b[0] - a[0], b[1] - a[1], b[2] - a[2]};
    kappa::UnitQuaternionRotatePoint(back, offset, residual);
    for (std::size_t i = 0; i < 3; ++i) {
      residual[i] -= z[i];
    }
    const T undo[4] = {T(z[3]), T(-z[4]), T(-z[5]), T(-z[6])};
    T turn[4];
    T error[4];
    kappa::QuaternionProduct(back, b + 3, turn);
    kappa::QuaternionProduct(undo, turn, error);
    kappa::QuaternionToAngleAxis(error, residual + 3);
    return true;
  }
};

int main() {
  const auto se3 = kappa::manifolds::se3();
  const auto moved = [&](const Pose& pose, const std::array<double, 6>& step) {
    Pose out;
    se3->plus(pose, step, out);
    return out;
  };
  const auto at = [](int i) { return static_cast<std::size_t>(i); };
  constexpr int poses = 60;
  const kappa::CounterRandom random(1, 1);
  std::uint64_t draws = 0;
  const auto noisy = [&](std::array<double, 6> step) {
    for (double& entry : step) {
      entry += 0.01 * random.normal(draws++);
    }
    return step;
  };

  // Forwards, with a quarter turn every 15 steps; the odometry's errors add up in the start.
  kappa::ResidualProblem problem;
  std::vector<kappa::ParameterBlock> pose;
  std::vector<Pose> truth{{0, 0, 0, 1, 0, 0, 0}};
  std::vector<Pose> start = truth;
  pose.push_back(problem.add_parameters(start[0], se3, "pose 0"));
  problem.set_constant(pose[0]);
  for (int i = 1; i < poses; ++i) {
    const std::array<double, 6> step = {1, 0, 0, 0, 0, i % 15 == 0 ? 1.5707963267948966 : 0.0};
    const std::array<double, 6> measured = noisy(step);
    truth.push_back(moved(truth.back(), step));
    start.push_back(moved(start.back(), measured));
    pose.push_back(problem.add_parameters(start.back(), se3, "pose " + std::to_string(i)));
    problem.add(kappa::autodiff<6, 7, 7>(Between{moved(truth[0], measured)}), {pose[at(i - 1)], pose[at(i)]});
  }
  for (const int i : {poses - 1, poses - 2}) {  // seen from the first pose again
    std::array<double, 6> step;
    se3->minus(truth[at(i)], truth[0], step);
    problem.add(kappa::autodiff<6, 7, 7>(Between{moved(truth[0], noisy(step))}), {pose[0], pose[at(i)]});
  }

  const kappa::Result result = kappa::minimize(problem, problem.initial(), kappa::levenberg_marquardt());
  const auto distance = [&](kappa::ConstVectorRef p) {
    return std::hypot(p[0] - truth.back()[0], p[1] - truth.back()[1], p[2] - truth.back()[2]);
  };
  const double before = distance(start.back());
  const double after = distance(problem.values(pose.back(), result.x));
  std::printf("%s after %td iterations: %s\n", kappa::name(result.outcome), result.iterations,
              result.reason.c_str());
  std::printf("%td numbers, %td degrees of freedom; the last pose was %.3f off, is %.3f off\n",
              problem.dimension(), problem.tangent_dimension(), before, after);
  return result.converged() && after < 0.05 && after < before / 5 ? 0 : 1;
}
