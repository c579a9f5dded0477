// A curvature of one's own: Barzilai & Borwein's scalar (1988), which needs gradients only. One class and one
// registration line, and every optimizer can use it by name.
#include <kappa/kappa.h>

#include <cmath>
#include <cstdio>

namespace {

/// B = s'y / s's times the identity, where s is the last step and y the change of the gradient along it.
class BarzilaiBorwein final : public kappa::Curvature, public kappa::SymmetricOperator {
 public:
  kappa::CurvatureNeeds needs() const override {
    return {.models = {}, .history = kappa::CurvatureNeeds::History::previous_evaluation};
  }
  Status refresh(const kappa::Evaluation& now, const kappa::Evaluation* previous,
                 kappa::ConstVectorRef s) override {
    size_ = static_cast<kappa::Index>(now.gradient.size());
    if (previous == nullptr) {
      double norm = 0;
      for (const double g : now.gradient) {
        norm += g * g;
      }
      scale_ = std::sqrt(norm);
      return Status::ok;
    }
    double sy = 0;
    double ss = 0;
    for (std::size_t i = 0; i < s.size(); ++i) {
      sy += s[i] * (now.gradient[i] - previous->gradient[i]);
      ss += s[i] * s[i];
    }
    if (ss > 0 && sy > 0) {
      scale_ = sy / ss;
    }
    return Status::ok;
  }
  const kappa::SymmetricOperator& at_point() const override { return *this; }

  kappa::Index size() const override { return size_; }
  kappa::Definiteness definiteness() const override { return kappa::Definiteness::positive_semidefinite; }
  void multiply(kappa::ConstVectorRef v, kappa::VectorRef out) const override {
    for (std::size_t i = 0; i < v.size(); ++i) {
      out[i] = scale_ * v[i];
    }
  }
  bool diagonal(kappa::VectorRef out) const override {
    for (double& d : out) {
      d = scale_;
    }
    return true;
  }
  Offers offers() const override { return {.diagonal = true}; }

 private:
  kappa::Index size_ = 0;
  double scale_ = 1;
};

struct Valley {
  template <class T>
  T operator()(std::span<const T> x) const {
    T sum = T(0.0);
    double stretch = 1;
    for (const T& xi : x) {
      sum += stretch * (xi - 1.0) * (xi - 1.0) + 0.1 * (xi - 1.0) * (xi - 1.0) * (xi - 1.0) * (xi - 1.0);
      stretch *= 1.5;
    }
    return sum;
  }
};

}  // namespace

int main() {
  kappa::registry().add(
      kappa::CurvaturePart{{kappa::PartKind::curvature,
                            "barzilai-borwein",
                            "a scalar from the last step",
                            "Barzilai & Borwein 1988",
                            {},
                            "example"},
                           [](const kappa::Options&) { return std::make_unique<BarzilaiBorwein>(); }});

  const kappa::FunctionProblem problem = kappa::function_problem(Valley{}, 8);
  const std::vector<double> start(8, -1.0);
  bool right = true;
  for (const kappa::Method& method : {kappa::levenberg_marquardt({.curvature = {"barzilai-borwein"}}),
                                      kappa::newton({.curvature = {"barzilai-borwein"}})}) {
    const kappa::Result r = kappa::minimize(problem, start, method);
    std::printf("%-20s %s after %td iterations, f = %.3g\n", method.optimizer.c_str(), kappa::name(r.outcome),
                r.iterations, r.value);
    right = right && r.value < 1e-12;
  }
  return right ? 0 : 1;
}
