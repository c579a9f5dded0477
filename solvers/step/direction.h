// A direction of descent and the model along it: what a line search asks of a step solver.
#pragma once

#include <cmath>
#include <vector>

#include "core/vector.h"
#include "solvers/step/model.h"

namespace kappa::detail {

/// p with g'p, p'Bp and |p|_W. For d = alpha p the predicted decrease is -(alpha g'p + alpha^2 p'Bp / 2).
class Direction {
 public:
  VectorRef reserve(Index n) {
    p_.resize(static_cast<std::size_t>(n));
    return p_;
  }
  VectorRef vector() { return p_; }

  /// Takes the slope and the norm of what is in vector(). False unless finite and downhill; a zero gradient
  /// has the zero direction.
  bool settle(const Subproblem& model, double curvature, Index iterations = 0) {
    slope_ = dot(model.gradient, p_);
    curvature_ = curvature;
    norm_ = model.metric.norm(p_);
    iterations_ = iterations;
    const bool stationary = largest(model.gradient) == 0 && norm_ == 0;
    valid_ = std::isfinite(slope_) && std::isfinite(curvature_) && std::isfinite(norm_) && all_finite(p_) &&
             (slope_ < 0 || stationary);
    return valid_;
  }
  void invalidate() { valid_ = false; }

  StepReport along(double alpha, VectorRef step) const {
    if (!valid_ || !std::isfinite(alpha)) {
      return no_step(StepStatus::failed, step);
    }
    for (std::size_t i = 0; i < step.size(); ++i) {
      step[i] = alpha * p_[i];
    }
    StepReport out;
    out.slope = alpha * slope_;
    out.predicted_decrease = -(alpha * (slope_ + 0.5 * alpha * curvature_));
    out.norm = std::abs(alpha) * norm_;
    out.limit = alpha < 1 ? StepReport::Limit::boundary : StepReport::Limit::interior;
    out.inner_iterations = iterations_;
    return checked(out, step);
  }

 private:
  std::vector<double> p_;
  double slope_ = 0;
  double curvature_ = 0;
  double norm_ = 0;
  Index iterations_ = 0;
  bool valid_ = false;
};

/// Powers of two s_i with |s_i B_ij s_j| < 4 and near 1 in the largest entry of each row: s_i^2 is about
/// 1 / max_j |B_ij|. Modifications of a factor are then relative to each variable's own scale. Rows of zeros
/// get the scale of the largest entry.
void equilibrate(const DenseModel& model, VectorRef scale);

}  // namespace kappa::detail
