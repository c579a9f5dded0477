// Minimises a function written once as a template, by Newton's method with its exact Hessian, and asks the
// same function for its Hessian at the minimum.
#include <kappa/kappa.h>

#include <cmath>
#include <cstdio>

// The extended Rosenbrock function of any even number of variables.
struct Rosenbrock {
  template <class T>
  T operator()(std::span<const T> x) const {
    T sum = T(0.0);
    for (std::size_t i = 0; i + 1 < x.size(); i += 2) {
      const T valley = x[i + 1] - x[i] * x[i];
      const T away = 1.0 - x[i];
      sum += 100.0 * valley * valley + away * away;
    }
    return sum;
  }
};

int main() {
  const kappa::FunctionProblem problem = kappa::function_problem(Rosenbrock{}, 10);
  const std::vector<double> start{-1.2, 1.0, -1.2, 1.0, -1.2, 1.0, -1.2, 1.0, -1.2, 1.0};

  const kappa::Result trust_region = kappa::minimize(problem, start, kappa::newton());
  const kappa::Result line_search =
      kappa::minimize(problem, start, kappa::newton({.acceptance = {"strong-wolfe"}}));
  for (const kappa::Result* r : {&trust_region, &line_search}) {
    std::printf("%-12s %-18s %3td iterations, f = %.3g, %s\n", r->acceptance.c_str(), r->step.c_str(),
                r->iterations, r->value, kappa::name(r->outcome));
  }
  const kappa::Matrix H = kappa::hessian(problem, trust_region.x);
  std::printf("Hessian at the minimum: [%g %g; %g %g] ...\n", H(0, 0), H(0, 1), H(1, 0), H(1, 1));

  const bool right =
      trust_region.value < 1e-20 && line_search.value < 1e-20 && std::fabs(H(0, 0) - 802.0) < 1e-6;
  return trust_region.converged() && line_search.converged() && right ? 0 : 1;
}
