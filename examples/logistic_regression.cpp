// Logistic regression by maximum likelihood, with the standard errors that the Hessian gives: the covariance
// of the estimate is the inverse of the Fisher information, which for logistic regression is the Hessian
// itself.
#include <kappa/kappa.h>
#include <kappa/linear_model.h>
#include <kappa/random.h>

#include <cmath>
#include <cstdio>
#include <vector>

namespace {

constexpr double truth[] = {1.5, -2.0, 0.5};  // the last is the intercept

kappa::Dataset draw_data(kappa::Index samples) {
  const kappa::CounterRandom random(11);
  kappa::Dataset data;
  data.name = "drawn";
  data.classes = {"no", "yes"};
  data.features.samples = samples;
  data.features.size = 2;
  for (kappa::Index i = 0; i < samples; ++i) {
    const auto at = static_cast<std::uint64_t>(3 * i);
    const double a = random.normal(at);
    const double b = random.normal(at + 1);
    data.features.value.insert(data.features.value.end(), {a, b});
    const double p = 1 / (1 + std::exp(-(truth[0] * a + truth[1] * b + truth[2])));
    data.label.push_back(random.uniform(at + 2) < p ? 1 : 0);
  }
  return data;
}

/// The diagonal of the inverse of a symmetric positive definite matrix, by Gauss-Jordan elimination.
std::vector<double> inverse_diagonal(std::vector<double> H, std::size_t n) {
  std::vector<double> inverse(n * n, 0.0);
  for (std::size_t i = 0; i < n; ++i) {
    inverse[i * n + i] = 1;
  }
  for (std::size_t k = 0; k < n; ++k) {
    const double pivot = H[k * n + k];
    for (std::size_t j = 0; j < n; ++j) {
      H[k * n + j] /= pivot;
      inverse[k * n + j] /= pivot;
    }
    for (std::size_t i = 0; i < n; ++i) {
      const double factor = i == k ? 0 : H[i * n + k];
      for (std::size_t j = 0; j < n; ++j) {
        H[i * n + j] -= factor * H[k * n + j];
        inverse[i * n + j] -= factor * inverse[k * n + j];
      }
    }
  }
  std::vector<double> out;
  for (std::size_t i = 0; i < n; ++i) {
    out.push_back(inverse[i * n + i]);
  }
  return out;
}

}  // namespace

int main() {
  const kappa::Dataset data = draw_data(4000);
  const kappa::LogisticRegression problem(data, {.l2 = 0, .bias = 1});
  const kappa::Result result = kappa::minimize(problem, problem.initial(), kappa::newton());
  std::printf("%s: %s\n", result.step.c_str(), result.reason.c_str());

  kappa::Evaluation at;
  at.reset(result.x, 0);
  kappa::Request request;
  request.want = kappa::Want::linearization;
  request.models = {kappa::Model::fisher};
  problem.evaluate(request, at);
  std::vector<double> information(9);
  at.linearization->dense(kappa::Model::fisher, {information.data(), 3, 3, 3});
  const std::vector<double> variance = inverse_diagonal(information, 3);

  bool right = result.converged();
  for (std::size_t j = 0; j < 3; ++j) {
    const double error = std::sqrt(variance[j]);
    std::printf("%-9s %7.3f, standard error %.3f, truth %5.2f\n",
                problem.variable_name(static_cast<kappa::Index>(j)).c_str(), result.x[j], error, truth[j]);
    right = right && std::abs(result.x[j] - truth[j]) < 4 * error && error > 0.02 && error < 0.2;
  }
  for (const kappa::Measure& measure : problem.measures(result.x)) {
    std::printf("%s %.3f\n", measure.name.c_str(), measure.value);
  }
  return right && problem.measures(result.x)[0].value > 0.8 ? 0 : 1;
}
