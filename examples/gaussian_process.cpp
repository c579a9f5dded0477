// Gaussian-process regression of 80 noisy observations of a curve: Newton's method on the exact Hessian and
// Fisher scoring on the expected information find the same length scale, variances and mean; standard errors
// come from either information; the fit is then asked for values between and beyond the observations.
#include <kappa/kappa.h>
#include <kappa/random.h>

#include <cmath>
#include <cstdio>

namespace {

double curve(double t) {
  return 2 + std::sin(1.3 * t) + 0.3 * std::cos(2.9 * t);
}

}  // namespace

int main() {
  constexpr kappa::Index n = 80;
  constexpr double noise = 0.15;  // standard deviation
  const kappa::CounterRandom random(17);
  kappa::Matrix t(n, 1);
  std::vector<double> y;
  for (kappa::Index i = 0; i < n; ++i) {
    const auto k = static_cast<std::uint64_t>(i);
    t(i, 0) = 10 * random.uniform(2 * k);
    y.push_back(curve(t(i, 0)) + noise * random.normal(2 * k + 1));
  }

  const auto model = std::make_shared<const kappa::GaussianProcess>(
      t, kappa::kernels::variance() * kappa::kernels::squared_exponential(), kappa::constant_mean());
  const kappa::GaussianLikelihood problem(model, y);
  const kappa::Result fit = kappa::minimize(problem, model->start(), kappa::newton());
  const kappa::Result scoring = kappa::minimize(
      problem, model->start(), kappa::newton({.curvature = {"outer-product", {{"model", "fisher"}}}}));
  std::printf("Newton          %s after %td iterations, f = %.6f\n", kappa::name(fit.outcome), fit.iterations,
              fit.value);
  std::printf("Fisher scoring  %s after %td iterations, f = %.6f\n\n", kappa::name(scoring.outcome),
              scoring.iterations, scoring.value);

  const kappa::BlockCovariance expected(problem, fit.x, {.model = kappa::Model::fisher, .variance = 1});
  const kappa::BlockCovariance observed(problem, fit.x, {.model = kappa::Model::exact, .variance = 1});
  std::printf("%-32s  value   standard error: expected, observed information\n", "parameter");
  for (kappa::Index i = 0; i < model->parameters(); ++i) {
    const auto k = static_cast<std::size_t>(i);
    std::printf("%-32s %7.3f  %.3f, %.3f\n", model->parameter_name(i).c_str(), fit.x[k],
                expected.standard_errors()[k], observed.standard_errors()[k]);
  }

  kappa::Matrix at(5, 1);
  for (kappa::Index i = 0; i < 4; ++i) {
    at(i, 0) = 1.0 + 2.5 * static_cast<double>(i);
  }
  at(4, 0) = 30;  // far from all observations
  const kappa::Prediction p = model->predict(fit.x, y, at);
  std::printf("\n     t   truth   mean   standard deviation\n");
  bool right = fit.converged() && scoring.converged() && std::abs(fit.value - scoring.value) < 1e-8;
  for (kappa::Index i = 0; i < at.rows; ++i) {
    const auto k = static_cast<std::size_t>(i);
    const double deviation = std::sqrt(p.variance[k]);
    std::printf("%6.1f  %6.3f %6.3f   %.3f\n", at(i, 0), curve(at(i, 0)), p.mean[k], deviation);
    right = right && (i == 4 || std::abs(p.mean[k] - curve(at(i, 0))) < 4 * deviation);
  }
  // Between the observations the fit knows more than one of them tells; far away it knows the prior only.
  right = right && p.variance[1] < noise * noise && std::abs(p.variance[4] - std::exp(fit.x[0])) < 1e-9;
  // The noise is within three standard errors of the truth.
  const double error = expected.standard_errors()[2];
  right = right && std::abs(fit.x[2] - 2 * std::log(noise)) < 3 * error;
  return right ? 0 : 1;
}
