// kappa's derivatives alone: the Jacobian blocks by themselves, and the evaluation of a problem.
#include <algorithm>
#include <array>
#include <cmath>

#include "bench/jacobian.h"
#include "kappa/residuals.h"
#include "problems/residual/bundle.h"
#include "problems/residual/reprojection.h"

namespace kappa::bench {

namespace {

class Blocks final : public JacobianWork {
 public:
  explicit Blocks(const BalProblem& data) {
    const double* points = data.parameters.data() + 9 * data.cameras;
    for (std::size_t k = 0; k < data.camera_index.size(); ++k) {
      family_.append(autodiff<2, 9, 3>(Reprojection{data.observed[2 * k], data.observed[2 * k + 1]}));
      parameters_.push_back(data.parameters.data() + 9 * data.camera_index[k]);
      parameters_.push_back(points + 3 * data.point_index[k]);
    }
  }

  std::string name() const override { return "kappa, Jacobian blocks"; }
  void evaluate() override {
    for (Index first = 0; first < count(); first += jacobian_batch) {
      evaluate(first);
    }
  }
  std::vector<double> jacobians() override {
    std::vector<double> out;
    for (Index first = 0; first < count(); first += jacobian_batch) {
      const Index blocks = evaluate(first);
      out.insert(out.end(), jacobians_.data(), jacobians_.data() + 24 * blocks);
    }
    return out;
  }

 private:
  Index count() const { return static_cast<Index>(parameters_.size()) / 2; }
  Index evaluate(Index first) {
    const Index blocks = std::min(jacobian_batch, count() - first);
    family_.jacobians({.first = first, .count = blocks, .parameters = parameters_.data() + 2 * first},
                      residuals_.data(), jacobians_.data());
    return blocks;
  }

  TypedFamily<AutoDiff<Reprojection, 2, 9, 3>> family_;
  std::vector<const double*> parameters_;
  std::array<double, 2 * jacobian_batch> residuals_{};
  std::array<double, 24 * jacobian_batch> jacobians_{};
};

class WholeProblem final : public JacobianWork {
 public:
  explicit WholeProblem(const BalProblem& data) : problem_(make_bundle(data)), x_(problem_.initial()) {
    request_.want = Want::value | Want::gradient | Want::linearization;
    request_.models = {Model::gauss_newton};
  }

  std::string name() const override { return "kappa, gradient and curvature"; }
  void evaluate() override {
    // What was computed at the very same point would be kept.
    x_.front() = x_.front() == start_ ? std::nextafter(start_, infinity) : start_;
    at_.reset(x_, 0);
    problem_.evaluate(request_, at_);
    at_.linearization->blocks(Model::gauss_newton);
  }

 private:
  ResidualProblem problem_;
  std::vector<double> x_;
  double start_ = x_.front();
  Request request_;
  Evaluation at_;
};

}  // namespace

std::vector<std::unique_ptr<JacobianWork>> kappa_jacobian_works(const BalProblem& data) {
  std::vector<std::unique_ptr<JacobianWork>> out;
  out.push_back(std::make_unique<Blocks>(data));
  out.push_back(std::make_unique<WholeProblem>(data));
  return out;
}

}  // namespace kappa::bench
