// Logistic regression on mini-batches: a sum over data, gradients scaled by a running diagonal curvature.
// The same seed draws the same batches, so a run repeats to the last bit.
#include <kappa/kappa.h>
#include <kappa/random.h>

#include <cmath>
#include <cstdio>

// -log p(label | features) = log(1 + exp(-m)), m = label * <w, features>, as half a square so that it is a
// residual: r = sqrt(2 log(1 + exp(-m))).
struct Logistic {
  double features[3];
  double label;
  template <class T>
  bool operator()(const T* w, T* residual) const {
    const T margin = label * (w[0] * features[0] + w[1] * features[1] + w[2] * features[2]);
    const T loss = margin > 0.0 ? log1p(exp(-margin)) : log1p(exp(margin)) - margin;
    residual[0] = sqrt(2.0 * loss);
    return true;
  }
};

int main() {
  const kappa::CounterRandom random(7);
  const double truth[3] = {1.5, -2.0, 0.5};
  kappa::ResidualProblem problem;
  const auto w = problem.add_parameters({0.0, 0.0, 0.0}, "w");
  for (std::uint64_t i = 0; i < 2000; ++i) {
    Logistic term{{random.normal(4 * i), random.normal(4 * i + 1), 1.0}, 1.0};
    double score = 0;
    for (int k = 0; k < 3; ++k) {
      score += truth[k] * term.features[k];
    }
    term.label = random.uniform(4 * i + 2) < 1 / (1 + std::exp(-score)) ? 1.0 : -1.0;
    problem.add(kappa::autodiff<1, 3>(term), {w});
  }
  const kappa::Result best = kappa::minimize(problem, problem.initial(), kappa::newton());

  kappa::Stopping stopping;
  stopping.max_iterations = 600;
  const kappa::MiniBatch batch{.size = 100, .seed = 5};
  const kappa::Method methods[] = {kappa::adahessian(batch, 0.05), kappa::sdlm(batch, 0.02)};
  bool right = best.converged();
  for (const kappa::Method& method : methods) {
    const kappa::Result r = kappa::minimize(problem, problem.initial(), method, stopping);
    const kappa::Result again = kappa::minimize(problem, problem.initial(), method, stopping);
    std::printf("%s: value %.3f after %td batches (minimum %.3f), w = (%.2f, %.2f, %.2f)\n",
                r.curvature.c_str(), r.value, r.iterations, best.value, r.x[0], r.x[1], r.x[2]);
    right = right && r.value < 1.02 * best.value && r.x == again.x;
  }
  return right ? 0 : 1;
}
