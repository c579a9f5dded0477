// A direction of descent for a line search by L D L' with the eigenvalues of D made positive: d = alpha p,
//
//     p = -(S^-1 P' L |D| L' P S^-1)^-1 g,    eigenvalues of D replaced by max(|.|, delta).
//
// Use it where B is dense, of moderate size and often indefinite: along negative curvature it moves as far
// as along positive curvature of the same size, where modified Cholesky may hardly move. B is equilibrated
// by powers of two S first, so delta is relative to each variable's own scale. A diagonal B of any size is
// solved in O(n).
//
// Cost: n^3 / 3 flops in vector operations per point, O(n) per alpha, memory 2 n^2.
//
// Reference: Cheng & Higham, SIAM J. Matrix Anal. Appl. 19 (1998) 1097; Ashcraft, Grimes & Lewis 1998
// (pivoting).
#include "solvers/linear/bunch_kaufman.h"

#include <array>
#include <cmath>

#include "core/option_checks.h"
#include "core/vector.h"
#include "solvers/step/direction.h"
#include "solvers/step/model.h"
#include "solvers/step/parts.h"
#include "solvers/text.h"

namespace kappa {
namespace {

constexpr const char* part = "bunch-kaufman";

struct BunchKaufmanOptions {
  double delta = 0x1p-26;    // sqrt(eps), Cheng & Higham 1998, sec. 3
  Index dense_limit = 5000;  // 400 MB for matrix and factor; a convention
};

constexpr std::array<Field<BunchKaufmanOptions>, 2> fields = {{
    {"delta", &BunchKaufmanOptions::delta, "sqrt(eps), Cheng & Higham 1998, sec. 3",
     "smallest eigenvalue of a pivot block of the equilibrated matrix, in (0, 1)"},
    {"dense_limit", &BunchKaufmanOptions::dense_limit, "400 MB for matrix and factor",
     "the largest size of a matrix that is not diagonal"},
}};

class BunchKaufmanStep final : public StepSolver {
 public:
  explicit BunchKaufmanStep(const BunchKaufmanOptions& options) : options_(options) {}

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
        detail::control_value<StepLength>(control, "bunch-kaufman: the control must be a step length");
    expects(prepared_, "bunch-kaufman: solve before prepare");
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

  void describe(std::string& out) const override {
    out.clear();
    if (factored_ && !model_.is_diagonal()) {
      const detail::Inertia inertia = factor_.inertia(options_.delta);
      detail::print_to(out, "%td positive, %td negative and %td tiny pivots", inertia.positive,
                       inertia.negative, inertia.zero);
    }
  }

  Index factorizations() const override { return factorizations_; }
  bool state(State& s) override {
    s.section("bunch-kaufman", 1);
    s.item("factorizations", factorizations_);
    return true;
  }

 private:
  bool factor() {
    const Index n = model_.size();
    const MatrixRef a = factor_.matrix(n);
    for (Index j = 0; j < n; ++j) {
      for (Index i = j; i < n; ++i) {
        a(i, j) = (model_.matrix()(i, j) * scale_[static_cast<std::size_t>(i)]) *
                  scale_[static_cast<std::size_t>(j)];
      }
    }
    ++factorizations_;
    return factor_.factor();
  }

  void apply_inverse(VectorRef b) const {
    for (std::size_t i = 0; i < b.size(); ++i) {
      b[i] *= scale_[i];
    }
    if (model_.is_diagonal()) {
      for (std::size_t i = 0; i < b.size(); ++i) {
        const double pivot = (std::abs(model_.diagonal()[i]) * scale_[i]) * scale_[i];
        b[i] /= std::max(pivot, options_.delta);
      }
    } else {
      factor_.solve_modified(options_.delta, b);
    }
    for (std::size_t i = 0; i < b.size(); ++i) {
      b[i] *= scale_[i];
    }
  }

  BunchKaufmanOptions options_;
  detail::DenseModel model_;
  detail::BunchKaufman factor_;
  detail::Direction direction_;
  std::vector<double> scale_;
  Index factorizations_ = 0;
  bool prepared_ = false;
  bool factored_ = false;
};

}  // namespace

StepPart bunch_kaufman_part() {
  StepPart out;
  out.info.kind = PartKind::step;
  out.info.name = part;
  out.info.summary = "Line-search direction by symmetric indefinite factorization with pivots made positive.";
  out.info.source = "Cheng & Higham 1998; Bunch & Kaufman 1977; Ashcraft, Grimes & Lewis 1998";
  out.info.options = describe_options<BunchKaufmanOptions>(fields);
  out.control = ControlKind::step_length;
  out.make = [](const Options& given) -> std::unique_ptr<StepSolver> {
    const auto options = read_options<BunchKaufmanOptions>(part, given, fields);
    detail::require_option(options.delta > 0 && options.delta < 1, part, "delta", options.delta,
                           "it must lie between 0 and 1");
    detail::require_option(options.dense_limit >= 1, part, "dense_limit",
                           static_cast<std::int64_t>(options.dense_limit), "it must be at least 1");
    return std::make_unique<BunchKaufmanStep>(options);
  };
  return out;
}

}  // namespace kappa
