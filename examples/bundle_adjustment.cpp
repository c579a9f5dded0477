// Bundle adjustment: cameras of nine parameters, points of three, pixels observed. The functor is the one
// that a user of Ceres would write; kappa finds the structure (points can be eliminated) by itself.
#include <kappa/kappa.h>

#include <cmath>
#include <cstdio>

#include "problems/io/bal.h"
#include "problems/residual/bundle.h"

struct PixelError {
  double u, v;
  template <class T>
  bool operator()(const T* camera, const T* point, T* residual) const {
    T p[3];
    kappa::AngleAxisRotatePoint(camera, point, p);
    p[0] += camera[3];
    p[1] += camera[4];
    p[2] += camera[5];
    const T x = -p[0] / p[2];
    const T y = -p[1] / p[2];
    const T r2 = x * x + y * y;
    const T distortion = 1.0 + r2 * (camera[7] + camera[8] * r2);
    residual[0] = camera[6] * distortion * x - u;
    residual[1] = camera[6] * distortion * y - v;
    return true;
  }
};

int main() {
  const kappa::BalProblem data = kappa::load_bal("generated/tourist?cameras=12&points=600&seed=3");

  kappa::ResidualProblem problem;
  std::vector<kappa::ParameterBlock> cameras, points;
  const double* at = data.parameters.data();
  for (kappa::Index i = 0; i < data.cameras; ++i, at += 9) {
    cameras.push_back(problem.add_parameters({at, 9}));
  }
  for (kappa::Index i = 0; i < data.points; ++i, at += 3) {
    points.push_back(problem.add_parameters({at, 3}));
  }
  for (std::size_t k = 0; k < static_cast<std::size_t>(data.observations); ++k) {
    problem.add(kappa::autodiff<2, 9, 3>(PixelError{data.observed[2 * k], data.observed[2 * k + 1]}),
                {cameras[static_cast<std::size_t>(data.camera_index[k])],
                 points[static_cast<std::size_t>(data.point_index[k])]},
                kappa::huber(2.0));
  }
  kappa::Stopping stopping;
  stopping.decrease_tolerance = 1e-9;
  const kappa::Result result =
      kappa::minimize(problem, problem.initial(), kappa::levenberg_marquardt(), stopping);

  const auto rms = [&](double value) {
    return std::sqrt(2 * value / static_cast<double>(data.observations));
  };
  std::printf("%td cameras, %td points, %td observations\n", data.cameras, data.points, data.observations);
  std::printf("root mean square error %.2f -> %.2f pixels, %td iterations by %s, %s\n",
              rms(result.initial_value), rms(result.value), result.iterations, result.step.c_str(),
              kappa::name(result.outcome));

  // How well is the first camera's focal length known? Scale and position of the whole are not.
  const kappa::BlockCovariance covariance(problem, result.x);
  const double error = covariance.standard_errors(problem.tangent_range(cameras[0]))[6];
  std::printf("focal length %.2f +- %.2f, %td directions undetermined\n",
              problem.values(cameras[0], result.x)[6], error, covariance.null_space().dimension);
  return covariance.null_space().dimension == 7 && result.converged() && rms(result.value) < 1.5 ? 0 : 1;
}
