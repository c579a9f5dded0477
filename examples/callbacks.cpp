// A function known only through callbacks: value and gradient. Hessian products are finite differences of the
// gradient, and the result says so.
#include <kappa/kappa.h>

#include <cmath>
#include <cstdio>

int main() {
  kappa::Callbacks callbacks;
  callbacks.dimension = 3;
  // f(x) = sum_i cosh(x_i - i) + x_0 x_1 / 4; undefined (by decree) where any |x_i| > 50.
  callbacks.value_and_gradient = [](kappa::ConstVectorRef x, double& value, kappa::VectorRef gradient) {
    value = x[0] * x[1] / 4;
    gradient[0] = x[1] / 4;
    gradient[1] = x[0] / 4;
    gradient[2] = 0;
    for (std::size_t i = 0; i < 3; ++i) {
      if (std::fabs(x[i]) > 50) {
        return false;
      }
      value += std::cosh(x[i] - static_cast<double>(i));
      gradient[i] += std::sinh(x[i] - static_cast<double>(i));
    }
    return true;
  };
  const kappa::FunctionProblem problem(callbacks);
  const kappa::Result result = kappa::minimize(problem, std::vector<double>{10, -10, 10},
                                               kappa::newton({.curvature = {"hessian-free"}}));
  std::printf("%s: x = (%.6f, %.6f, %.6f), f = %.8f\n", kappa::name(result.outcome), result.x[0], result.x[1],
              result.x[2], result.value);
  for (const std::string& fact : result.notes) {
    std::printf("  %s\n", fact.c_str());
  }
  const bool stationary = result.gradient_norm < 1e-8;
  return stationary && !result.notes.empty() ? 0 : 1;
}
