// Ceres's derivatives alone: its automatic differentiation by itself, and the evaluation of a problem.
#include <ceres/ceres.h>

#include <array>

#include "bench/jacobian.h"
#include "problems/residual/reprojection.h"

namespace kappa::bench {

namespace {

using Cost = ceres::AutoDiffCostFunction<Reprojection, 2, 9, 3>;

Reprojection functor(const BalProblem& data, std::size_t k) {
  return {data.observed[2 * k], data.observed[2 * k + 1]};
}

class CostFunctions final : public JacobianWork {
 public:
  explicit CostFunctions(const BalProblem& data) {
    const double* points = data.parameters.data() + 9 * data.cameras;
    for (std::size_t k = 0; k < data.camera_index.size(); ++k) {
      costs_.push_back(std::make_unique<Cost>(new Reprojection(functor(data, k))));
      parameters_.push_back(
          {data.parameters.data() + 9 * data.camera_index[k], points + 3 * data.point_index[k]});
    }
  }

  std::string name() const override { return "ceres, AutoDiffCostFunction"; }
  void evaluate() override {
    for (std::size_t k = 0; k < costs_.size(); ++k) {
      evaluate(k);
    }
  }
  std::vector<double> jacobians() override {
    std::vector<double> out;
    for (std::size_t k = 0; k < costs_.size(); ++k) {
      evaluate(k);
      const double* camera = buffer(k);
      for (int row = 0; row < 2; ++row) {
        out.insert(out.end(), camera + 9 * row, camera + 9 * row + 9);
        out.insert(out.end(), camera + 18 + 3 * row, camera + 18 + 3 * row + 3);
      }
    }
    return out;
  }

 private:
  double* buffer(std::size_t k) { return jacobians_.data() + 24 * (k % jacobian_batch); }
  void evaluate(std::size_t k) {
    double* at = buffer(k);
    std::array<double*, 2> blocks = {at, at + 18};
    costs_[k]->Evaluate(parameters_[k].data(), residuals_.data() + 2 * (k % jacobian_batch), blocks.data());
  }

  std::vector<std::unique_ptr<Cost>> costs_;
  std::vector<std::array<const double*, 2>> parameters_;
  std::array<double, 2 * jacobian_batch> residuals_{};
  std::array<double, 24 * jacobian_batch> jacobians_{};
};

class WholeProblem final : public JacobianWork {
 public:
  explicit WholeProblem(const BalProblem& data) : x_(data.parameters) {
    double* points = x_.data() + 9 * data.cameras;
    for (std::size_t k = 0; k < data.camera_index.size(); ++k) {
      problem_.AddResidualBlock(new Cost(new Reprojection(functor(data, k))), nullptr,
                                x_.data() + 9 * data.camera_index[k], points + 3 * data.point_index[k]);
    }
  }

  std::string name() const override { return "ceres, Problem::Evaluate"; }
  void evaluate() override {
    double cost = 0;
    problem_.Evaluate({}, &cost, &residuals_, &gradient_, &jacobian_);
  }

 private:
  std::vector<double> x_;
  ceres::Problem problem_;
  std::vector<double> residuals_;
  std::vector<double> gradient_;
  ceres::CRSMatrix jacobian_;
};

}  // namespace

std::vector<std::unique_ptr<JacobianWork>> ceres_jacobian_works(const BalProblem& data) {
  std::vector<std::unique_ptr<JacobianWork>> out;
  out.push_back(std::make_unique<CostFunctions>(data));
  out.push_back(std::make_unique<WholeProblem>(data));
  return out;
}

}  // namespace kappa::bench
