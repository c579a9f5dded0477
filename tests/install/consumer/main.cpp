#include <kappa/kappa.h>
struct Line {
  double x, y;
  template <class T>
  bool operator()(const T* b, T* r) const {
    return r[0] = b[0] + b[1] * x - y, true;
  }
};
int main() {
  kappa::ResidualProblem problem;
  const auto b = problem.add_parameters({0.0, 0.0});
  for (double x : {0.0, 1.0, 2.0})
    problem.add(kappa::autodiff<1, 2>(Line{x, 3.0 + 2.0 * x}), {b});
  return kappa::minimize(problem, problem.initial(), kappa::levenberg_marquardt()).value < 1e-20 ? 0 : 1;
}
