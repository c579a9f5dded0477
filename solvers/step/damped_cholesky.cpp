// The damped step by Cholesky: (B + lambda W) d = -g.
//
// Use it where B is a dense matrix of moderate size, or a diagonal of any size (then O(n)). A damped matrix
// that is not positive definite, also one that is singular to working precision, is reported as indefinite
// with the variable whose pivot failed, so that the acceptance raises the damping.
//
// With L L' = B + lambda W and y = -L^-1 g, the predicted decrease is 1/2 |y|^2 + lambda/2 |d|_W^2, a sum
// without cancellation. Limit: boundary where lambda |d|_W^2 exceeds a tenth of it.
//
// Cost: n^3 / 3 flops per damping, memory 2 n^2.
//
// Reference: Levenberg 1944; Marquardt 1963; Golub & Van Loan 2013, sec. 4.2.
#include <array>
#include <cmath>

#include "core/option_checks.h"
#include "core/vector.h"
#include "solvers/linear/cholesky.h"
#include "solvers/step/model.h"
#include "solvers/step/parts.h"

namespace kappa {
namespace {

constexpr const char* part = "damped-cholesky";

struct DampedCholeskyOptions {
  Index dense_limit = 5000;  // 400 MB for matrix and factor; a convention
};

constexpr std::array<Field<DampedCholeskyOptions>, 1> fields = {{
    {"dense_limit", &DampedCholeskyOptions::dense_limit, "400 MB for matrix and factor",
     "the largest size of a matrix that is not diagonal"},
}};

class DampedCholesky final : public StepSolver {
 public:
  explicit DampedCholesky(const DampedCholeskyOptions& options) : options_(options) {}

  ControlKind control() const override { return ControlKind::damping; }

  std::optional<std::string> unfit(const SymmetricOperator& B) const override {
    return detail::DenseModel::unfit(B, part, options_.dense_limit, "damped-cg");
  }

  StepStatus prepare(const Subproblem& subproblem) override {
    subproblem_.emplace(subproblem);
    factored_ = false;
    y_.resize(subproblem.gradient.size());
    shifted_.resize(subproblem.gradient.size());
    ready_ = model_.load(subproblem.B) && detail::all_finite(subproblem.gradient);
    return ready_ ? StepStatus::ok : StepStatus::failed;
  }

  StepReport solve(const Control& control, VectorRef step) override {
    const double lambda =
        detail::control_value<Damping>(control, "damped-cholesky: the control must be a damping");
    expects(subproblem_.has_value(), "damped-cholesky: solve before prepare");
    factored_ = false;
    if (!ready_ || !(lambda >= 0 && std::isfinite(lambda))) {
      return detail::no_step(StepStatus::failed, step);
    }
    const Index failed = factor(lambda);
    if (failed >= 0) {
      const double pivot =
          model_.is_diagonal() ? shifted_[static_cast<std::size_t>(failed)] : cholesky_.pivot();
      return detail::no_step(std::isfinite(pivot) ? StepStatus::indefinite : StepStatus::failed, step,
                             failed);
    }
    factored_ = true;
    for (std::size_t i = 0; i < step.size(); ++i) {
      step[i] = -subproblem_->gradient[i];
    }
    half_solve(step);
    const double y = detail::norm(step);
    other_half(step);
    StepReport out;
    out.slope = detail::dot(subproblem_->gradient, step);
    out.norm = subproblem_->metric.norm(step);
    out.predicted_decrease = 0.5 * y * y + 0.5 * (lambda * out.norm) * out.norm;
    out.limit = detail::damping_limit(lambda, out.norm, out.predicted_decrease);
    return detail::checked(out, step);
  }

  bool resolve(ConstVectorRef rhs, VectorRef out) override {
    if (!factored_) {
      return false;
    }
    std::copy(rhs.begin(), rhs.end(), out.begin());
    half_solve(out);
    other_half(out);
    return detail::all_finite(out);
  }

  Index factorizations() const override { return factorizations_; }

 private:
  Index factor(double lambda) {
    const ConstVectorRef weights = subproblem_->metric.weights();
    const Index n = model_.size();
    ++factorizations_;
    for (std::size_t i = 0; i < weights.size(); ++i) {
      shifted_[i] = model_.diagonal()[i] + lambda * weights[i];
    }
    if (model_.is_diagonal()) {
      for (std::size_t i = 0; i < shifted_.size(); ++i) {
        if (!(shifted_[i] > 0) || !std::isfinite(shifted_[i])) {
          return static_cast<Index>(i);
        }
        y_[i] = std::sqrt(shifted_[i]);
      }
      return -1;
    }
    const MatrixRef a = cholesky_.matrix(n);
    for (Index j = 0; j < n; ++j) {
      const double* column = model_.matrix().column(j);
      std::copy(column + j, column + n, a.column(j) + j);
      a(j, j) = shifted_[static_cast<std::size_t>(j)];
    }
    return cholesky_.factor(static_cast<double>(n) * epsilon);
  }

  /// b := L^-1 b.
  void half_solve(VectorRef b) const {
    if (!model_.is_diagonal()) {
      cholesky_.solve_lower(b);
      return;
    }
    for (std::size_t i = 0; i < b.size(); ++i) {
      b[i] /= y_[i];
    }
  }
  /// b := L^-T b.
  void other_half(VectorRef b) const {
    if (model_.is_diagonal()) {
      half_solve(b);
    } else {
      cholesky_.solve_upper(b);
    }
  }

  DampedCholeskyOptions options_;
  std::optional<Subproblem> subproblem_;
  detail::DenseModel model_;
  detail::Cholesky cholesky_;
  std::vector<double> shifted_;  ///< diagonal of B + lambda W
  std::vector<double> y_;        ///< the square root of it, where B is diagonal
  Index factorizations_ = 0;
  bool ready_ = false;
  bool factored_ = false;
};

}  // namespace

StepPart damped_cholesky_part() {
  StepPart out;
  out.info.kind = PartKind::step;
  out.info.name = part;
  out.info.summary = "Damped step by dense Cholesky; entry by entry where the curvature is diagonal.";
  out.info.source = "Marquardt 1963; Golub & Van Loan 2013, sec. 4.2";
  out.info.options = describe_options<DampedCholeskyOptions>(fields);
  out.control = ControlKind::damping;
  out.make = [](const Options& given) -> std::unique_ptr<StepSolver> {
    const auto options = read_options<DampedCholeskyOptions>(part, given, fields);
    detail::require_option(options.dense_limit >= 1, part, "dense_limit",
                           static_cast<std::int64_t>(options.dense_limit), "it must be at least 1");
    return std::make_unique<DampedCholesky>(options);
  };
  return out;
}

}  // namespace kappa
