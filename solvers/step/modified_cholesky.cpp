// A direction of descent for a line search by modified Cholesky: (B + E) p = -g, E >= 0 diagonal, d = alpha
// p.
//
// Use it where B is dense, of moderate size and mostly positive definite; E = 0 where B is. B is first
// equilibrated by powers of two, so that what counts as a small pivot is relative to each variable's own
// scale. A diagonal B of any size is solved in O(n) with max(|B_ii|, eps) in place of B_ii.
//
// Cost: n^3 / 3 flops per point, O(n) per alpha, memory 2 n^2.
//
// Reference: Gill, Murray & Wright, Practical Optimization, 1981, sec. 4.4.2.2; Nocedal & Wright 2006,
// sec. 3.4.
#include "solvers/linear/modified_cholesky.h"

#include <array>
#include <cmath>

#include "core/option_checks.h"
#include "core/vector.h"
#include "solvers/step/direction.h"
#include "solvers/step/model.h"
#include "solvers/step/parts.h"

namespace kappa {
namespace {

constexpr const char* part = "modified-cholesky";

struct ModifiedCholeskyOptions {
  Index dense_limit = 5000;  // 400 MB for matrix and factor; a convention
};

constexpr std::array<Field<ModifiedCholeskyOptions>, 1> fields = {{
    {"dense_limit", &ModifiedCholeskyOptions::dense_limit, "400 MB for matrix and factor",
     "the largest size of a matrix that is not diagonal"},
}};

class ModifiedCholeskyStep final : public StepSolver {
 public:
  explicit ModifiedCholeskyStep(const ModifiedCholeskyOptions& options) : options_(options) {}

  ControlKind control() const override { return ControlKind::step_length; }

  std::optional<std::string> unfit(const SymmetricOperator& B) const override {
    return detail::DenseModel::unfit(B, part, options_.dense_limit, "newton-cg");
  }

  StepStatus prepare(const Subproblem& subproblem) override {
    const VectorRef p = direction_.reserve(subproblem.B.size());
    direction_.invalidate();
    prepared_ = true;
    factored_ = false;
    scale_.resize(p.size());
    if (!model_.load(subproblem.B) || !detail::all_finite(subproblem.gradient)) {
      return StepStatus::failed;
    }
    detail::equilibrate(model_, scale_);
    factored_ = model_.is_diagonal() || factor();
    if (!factored_) {
      return StepStatus::failed;
    }
    for (std::size_t i = 0; i < p.size(); ++i) {
      p[i] = -subproblem.gradient[i];
    }
    apply_inverse(p);
    return direction_.settle(subproblem, model_.quadratic(p)) ? StepStatus::ok : StepStatus::failed;
  }

  StepReport solve(const Control& control, VectorRef step) override {
    const double alpha =
        detail::control_value<StepLength>(control, "modified-cholesky: the control must be a step length");
    expects(prepared_, "modified-cholesky: solve before prepare");
    return direction_.along(alpha, step);
  }

  bool resolve(ConstVectorRef rhs, VectorRef out) override {
    if (!factored_) {
      return false;
    }
    std::copy(rhs.begin(), rhs.end(), out.begin());
    apply_inverse(out);
    return detail::all_finite(out);
  }

  Index factorizations() const override { return factorizations_; }
  bool state(State& s) override {
    s.section("modified-cholesky", 1);
    s.item("factorizations", factorizations_);
    return true;
  }

 private:
  bool factor() {
    const Index n = model_.size();
    const MatrixRef a = cholesky_.matrix(n);
    for (Index j = 0; j < n; ++j) {
      for (Index i = j; i < n; ++i) {
        a(i, j) = (model_.matrix()(i, j) * scale_[static_cast<std::size_t>(i)]) *
                  scale_[static_cast<std::size_t>(j)];
      }
    }
    ++factorizations_;
    return cholesky_.factor();
  }

  /// b := S (S B S + E)^-1 S b.
  void apply_inverse(VectorRef b) const {
    for (std::size_t i = 0; i < b.size(); ++i) {
      b[i] *= scale_[i];
    }
    if (model_.is_diagonal()) {
      for (std::size_t i = 0; i < b.size(); ++i) {
        const double pivot = (std::abs(model_.diagonal()[i]) * scale_[i]) * scale_[i];
        b[i] /= std::max(pivot, epsilon);
      }
    } else {
      cholesky_.solve(b);
    }
    for (std::size_t i = 0; i < b.size(); ++i) {
      b[i] *= scale_[i];
    }
  }

  ModifiedCholeskyOptions options_;
  detail::DenseModel model_;
  detail::ModifiedCholesky cholesky_;
  detail::Direction direction_;
  std::vector<double> scale_;
  Index factorizations_ = 0;
  bool prepared_ = false;
  bool factored_ = false;
};

}  // namespace

StepPart modified_cholesky_part() {
  StepPart out;
  out.info.kind = PartKind::step;
  out.info.name = part;
  out.info.summary =
      "Line-search direction by modified Cholesky: adds a diagonal where the matrix is not definite.";
  out.info.source = "Gill, Murray & Wright 1981, sec. 4.4.2.2";
  out.info.options = describe_options<ModifiedCholeskyOptions>(fields);
  out.control = ControlKind::step_length;
  out.make = [](const Options& given) -> std::unique_ptr<StepSolver> {
    const auto options = read_options<ModifiedCholeskyOptions>(part, given, fields);
    detail::require_option(options.dense_limit >= 1, part, "dense_limit",
                           static_cast<std::int64_t>(options.dense_limit), "it must be at least 1");
    return std::make_unique<ModifiedCholeskyStep>(options);
  };
  return out;
}

}  // namespace kappa
