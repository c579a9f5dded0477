// The damped step by Cholesky: (B + lambda W) d = -g.
//
// Use it where B is a dense matrix of moderate size, or a diagonal of any size (then O(n)). A damped matrix
// that is not positive definite, also one that is singular to working precision, is reported as indefinite
// with the variable whose pivot failed, so that the acceptance raises the damping.
//
// The predicted decrease and the limit are those of factored_step.h.
//
// Cost: n^3 / 3 flops per damping, memory 2 n^2.
//
// Reference: Levenberg 1944; Marquardt 1963; Golub & Van Loan 2013, sec. 4.2.
#include <array>
#include <cmath>

#include "core/option_checks.h"
#include "core/vector.h"
#include "solvers/linear/cholesky.h"
#include "solvers/step/factored_step.h"
#include "solvers/step/model.h"
#include "solvers/step/parts.h"

namespace kappa {
namespace {

constexpr const char* part = "damped-cholesky";

struct DampedCholeskyOptions {
  Index dense_limit = 5000;  // 400 MB for matrix and factor; a convention
  double acceleration = 0;   // 0: off; Transtrum & Sethna 2012, sec. 3 (there 0.75)
};

constexpr std::array<Field<DampedCholeskyOptions>, 2> fields = {{
    {"dense_limit", &DampedCholeskyOptions::dense_limit, "400 MB for matrix and factor",
     "the largest size of a matrix that is not diagonal"},
    {"acceleration", &DampedCholeskyOptions::acceleration, "Transtrum & Sethna 2012, sec. 3",
     "largest geodesic correction, as twice its length over that of the step; 0 switches it off"},
}};

class DampedCholesky final : public detail::FactoredStep {
 public:
  explicit DampedCholesky(const DampedCholeskyOptions& options)
      : FactoredStep(part, options.acceleration), options_(options) {}

  std::optional<std::string> unfit(const SymmetricOperator& B) const override {
    return detail::DenseModel::unfit(B, part, options_.dense_limit, "damped-cg");
  }

 private:
  bool load(const SymmetricOperator& B) override {
    y_.resize(static_cast<std::size_t>(B.size()));
    shifted_.resize(static_cast<std::size_t>(B.size()));
    return model_.load(B);
  }

  Factored factor(double lambda, ConstVectorRef weights, const Interrupt*) override {
    for (std::size_t i = 0; i < weights.size(); ++i) {
      shifted_[i] = model_.diagonal()[i] + lambda * weights[i];
    }
    const Index failed = model_.is_diagonal() ? factor_diagonal() : factor_dense();
    if (failed < 0) {
      return {};
    }
    const double pivot =
        model_.is_diagonal() ? shifted_[static_cast<std::size_t>(failed)] : cholesky_.pivot();
    return failed_pivot(failed, std::isfinite(pivot));
  }

  Index factor_diagonal() {
    for (std::size_t i = 0; i < shifted_.size(); ++i) {
      if (!(shifted_[i] > 0) || !std::isfinite(shifted_[i])) {
        return static_cast<Index>(i);
      }
      y_[i] = std::sqrt(shifted_[i]);
    }
    return -1;
  }

  Index factor_dense() {
    const Index n = model_.size();
    const MatrixRef a = cholesky_.matrix(n);
    for (Index j = 0; j < n; ++j) {
      const double* column = model_.matrix().column(j);
      std::copy(column + j, column + n, a.column(j) + j);
      a(j, j) = shifted_[static_cast<std::size_t>(j)];
    }
    return cholesky_.factor(static_cast<double>(n) * epsilon);
  }

  double solve_factored(VectorRef x) override {
    half_solve(x);
    const double y = detail::norm(x);
    if (model_.is_diagonal()) {
      half_solve(x);
    } else {
      cholesky_.solve_upper(x);
    }
    return y * y;
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

  DampedCholeskyOptions options_;
  detail::DenseModel model_;
  detail::Cholesky cholesky_;
  std::vector<double> shifted_;  ///< diagonal of B + lambda W
  std::vector<double> y_;        ///< the square root of it, where B is diagonal
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
    detail::require_acceleration(part, options.acceleration);
    return std::make_unique<DampedCholesky>(options);
  };
  return out;
}

}  // namespace kappa
