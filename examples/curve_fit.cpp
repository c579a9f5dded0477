// Fits y = exp(m x + c) to noisy data with one gross outlier, and prints standard errors.
#include <kappa/kappa.h>

#include <cmath>
#include <cstdio>

struct Exponential {
  double x, y;
  template <class T>
  bool operator()(const T* m, const T* c, T* residual) const {
    residual[0] = y - exp(m[0] * x + c[0]);
    return true;
  }
};

int main() {
  kappa::ResidualProblem problem;
  const auto m = problem.add_parameters({0.0}, "m");
  const auto c = problem.add_parameters({0.0}, "c");
  for (int i = 0; i < 50; ++i) {
    const double x = 0.1 * i;
    const double wiggle = 0.02 * std::sin(37.0 * x);
    const double y = i == 40 ? 60.0 : std::exp(0.3 * x + 0.1) + wiggle;
    problem.add(kappa::autodiff<1, 1, 1>(Exponential{x, y}), {m, c}, kappa::cauchy(0.1));
  }
  const kappa::Result result = kappa::minimize(problem, problem.initial(), kappa::levenberg_marquardt());
  const kappa::Covariance covariance = kappa::covariance(problem, result.x);

  const double fitted_m = problem.values(m, result.x)[0];
  const double fitted_c = problem.values(c, result.x)[0];
  std::printf("%s: %s\n", kappa::name(result.outcome), result.reason.c_str());
  std::printf("m = %.4f +- %.4f\nc = %.4f +- %.4f\n", fitted_m, covariance.standard_errors[0], fitted_c,
              covariance.standard_errors[1]);
  return result.converged() && std::fabs(fitted_m - 0.3) < 0.01 && std::fabs(fitted_c - 0.1) < 0.03 ? 0 : 1;
}
