// A functor that computes with Eigen's fixed-size types over kappa's jets: their alignment depends on the
// flags of this file, and must not matter to the library.
#include <kappa/eigen.h>
#include <kappa/kappa.h>

#include <Eigen/Core>
#include <cstdio>

struct RigidDistance {
  Eigen::Vector4d from;
  double distance;
  template <class T>
  bool operator()(const T* x, T* residual) const {
    const Eigen::Map<const Eigen::Matrix<T, 4, 1>> point(x);
    const Eigen::Matrix<T, 4, 1> gap = point - from.cast<T>();
    residual[0] = gap.norm() - distance;
    return true;
  }
};

int main() {
  const Eigen::Vector4d truth(0.5, -1.0, 2.0, 0.25);
  kappa::ResidualProblem problem;
  const auto x = problem.add_parameters({0.0, 0.0, 0.0, 0.0}, "x");
  for (int i = 0; i < 12; ++i) {
    const Eigen::Vector4d from(i % 2 * 3.0, i % 3 * 2.0, i % 5 - 1.5, i % 7 * 0.5 - 2.0);
    problem.add(kappa::autodiff<1, 4>(RigidDistance{from, (truth - from).norm()}), {x});
  }
  bool right = true;
  for (const kappa::Method& method : {kappa::levenberg_marquardt(), kappa::newton()}) {
    const kappa::Result result = kappa::minimize(problem, problem.initial(), method);
    const Eigen::Map<const Eigen::Vector4d> found(result.x.data());
    std::printf("%s: distance from the truth %.3g\n", method.optimizer.c_str(), (found - truth).norm());
    right = right && (found - truth).norm() < 1e-8;
  }
  return right ? 0 : 1;
}
