// The damped least-squares step by QR: for B = A'A and A'c = g,
//
//     d = argmin 1/2 |A d + c|^2 + lambda/2 sum w_i d_i^2.
//
// Use it for least squares of moderate size (n up to a few hundred): the condition number of A is not
// squared, and another damping costs n^3 flops without touching A. Without c it falls back on corrected
// semi-normal equations. At lambda = 0 a deficient rank is handled by the basic solution.
//
// predicted decrease = 1/2 |A d|^2 + lambda |d|_W^2, a sum without cancellation that follows from
// g'd = -|A d|^2 - lambda |d|_W^2 (Moré 1978, eq. 4.4). Limit: boundary where lambda |d|_W^2 exceeds a tenth
// of it.
//
// Cost: 2 m n^2 flops per point, n^3 per damping; memory m n + 3 n^2.
//
// Reference: Moré, The Levenberg-Marquardt algorithm: implementation and theory, LNM 630 (1978), sec. 3.
#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "core/option_checks.h"
#include "core/vector.h"
#include "solvers/linear/damped_least_squares.h"
#include "solvers/step/acceleration.h"
#include "solvers/step/model.h"
#include "solvers/step/parts.h"

namespace kappa {
namespace {

constexpr const char* part = "damped-qr";

struct DampedQrOptions {
  double rank_tolerance = 0;  // 0: max(m, n) eps, Golub & Van Loan 2013, sec. 5.5.7
  double acceleration = 0;    // 0: off; Transtrum & Sethna 2012, sec. 3 (there 0.75)
};

constexpr std::array<Field<DampedQrOptions>, 2> fields = {{
    {"rank_tolerance", &DampedQrOptions::rank_tolerance, "Golub & Van Loan 2013, sec. 5.5.7",
     "a column counts as dependent when less than this fraction of its norm is left; 0 means max(m, n) eps"},
    {"acceleration", &DampedQrOptions::acceleration, "Transtrum & Sethna 2012, sec. 3",
     "largest geodesic correction, as twice its length over that of the step; 0 switches it off"},
}};

class DampedQr final : public StepSolver {
 public:
  explicit DampedQr(const DampedQrOptions& options)
      : options_(options), acceleration_(options.acceleration) {}

  ControlKind control() const override { return ControlKind::damping; }

  std::optional<std::string> unfit(const SymmetricOperator& B) const override {
    if (B.offers().root) {
      return std::nullopt;
    }
    return "step 'damped-qr' needs a curvature with a dense root (an outer product of a problem with "
           "residuals, not too large); use step damped-cholesky or damped-cg";
  }

  StepStatus prepare(const Subproblem& subproblem) override {
    subproblem_.emplace(subproblem);
    ready_ = false;
    const Root* root = subproblem.B.root();
    if (root == nullptr || !detail::all_finite(subproblem.gradient)) {
      return StepStatus::failed;
    }
    least_squares_.factor(*root, subproblem.gradient, options_.rank_tolerance);
    if (!least_squares_.finite()) {  // an entry of A or c that is not finite leaves its trace
      return StepStatus::failed;
    }
    ++factorizations_;
    ready_ = true;
    return StepStatus::ok;
  }

  StepReport solve(const Control& control, VectorRef step) override {
    const double lambda = detail::control_value<Damping>(control, "damped-qr: the control must be a damping");
    expects(subproblem_.has_value(), "damped-qr: solve before prepare");
    const ConstVectorRef weights = subproblem_->metric.weights();
    if (!ready_ || !(lambda >= 0 && std::isfinite(lambda)) || !least_squares_.solve(lambda, weights, step)) {
      return detail::no_step(StepStatus::failed, step);
    }
    StepReport out;
    out.slope = detail::dot(subproblem_->gradient, step);
    out.norm = subproblem_->metric.norm(step);
    out.predicted_decrease = 0.5 * least_squares_.fit() + (lambda * out.norm) * out.norm;
    out.limit = detail::damping_limit(lambda, out.norm, out.predicted_decrease);
    acceleration_.apply(*this, *subproblem_, out, step);
    return detail::checked(out, step);
  }

  bool resolve(ConstVectorRef rhs, VectorRef out) override {
    if (!ready_) {
      return false;
    }
    least_squares_.resolve(rhs, out);
    return detail::all_finite(out);
  }

  std::optional<Deficiency> deficiency() const override {
    if (!ready_ || least_squares_.undamped_rank() == least_squares_.size()) {
      return std::nullopt;
    }
    return Deficiency{least_squares_.undamped_rank(), least_squares_.size(),
                      least_squares_.dependent_column()};
  }

  Index factorizations() const override { return factorizations_; }
  bool state(State& s) override {
    s.section("damped-qr", 1);
    s.item("factorizations", factorizations_);
    return true;
  }

 private:
  DampedQrOptions options_;
  std::optional<Subproblem> subproblem_;
  detail::Acceleration acceleration_;
  detail::DampedLeastSquares least_squares_;
  Index factorizations_ = 0;
  bool ready_ = false;
};

}  // namespace

StepPart damped_qr_part() {
  StepPart out;
  out.info.kind = PartKind::step;
  out.info.name = part;
  out.info.summary =
      "Damped least-squares step by pivoted QR of the Jacobian; never squares its condition number.";
  out.info.source = "Moré 1978, sec. 3; Björck 1987";
  out.info.options = describe_options<DampedQrOptions>(fields);
  out.control = ControlKind::damping;
  out.make = [](const Options& given) -> std::unique_ptr<StepSolver> {
    const auto options = read_options<DampedQrOptions>(part, given, fields);
    detail::require_option(options.rank_tolerance >= 0 && options.rank_tolerance < 1, part, "rank_tolerance",
                           options.rank_tolerance, "it must be at least 0 and below 1");
    detail::require_acceleration(part, options.acceleration);
    return std::make_unique<DampedQr>(options);
  };
  return out;
}

}  // namespace kappa
