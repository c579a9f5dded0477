// The step of adaptive learning rates: a gradient with momentum, scaled by a diagonal curvature,
//
//     m := beta1 m + (1 - beta1) g,   mhat = m / (1 - beta1^t),
//     d = -rate clip(mhat_i / (|B_ii|^exponent + epsilon)),
//
// where the rate is the control. With the diagonals of the running-diagonal curvature it is AdaHessian
// (exponent 1 on a root mean square), the stochastic diagonal Levenberg-Marquardt method (beta1 = 0, epsilon
// = its mu), or, with a clip of 1 and the Gauss-Newton-Bartlett diagonal, Sophia.
//
// The momentum advances once per prepare and is never changed by solve. The predicted decrease is that of
// the model with the diagonal of B alone, -(g'd + sum B_ii d_i^2 / 2). With momentum the step may point
// uphill for this gradient; then slope and predicted decrease say so.
//
// Cost: O(n) time, memory 3 n.
//
// Reference: Yao et al., AAAI 2021, alg. 1; LeCun, Bottou, Orr & Müller 1998, sec. 9.1; Kingma & Ba 2015,
// alg. 1 (momentum and its bias correction); Liu et al. 2024, alg. 3 (clipping).
#include <algorithm>
#include <array>
#include <cmath>

#include "core/option_checks.h"
#include "core/vector.h"
#include "solvers/step/model.h"
#include "solvers/step/parts.h"

namespace kappa {
namespace {

constexpr const char* part = "scaled-gradient";

struct ScaledGradientOptions {
  double beta1 = 0;             // no momentum: LeCun et al. 1998, sec. 9.1
  bool bias_correction = true;  // Kingma & Ba 2015, alg. 1
  double exponent = 1;          // Newton's scaling; Yao et al. 2021, eq. 12 with k = 1
  double epsilon = 1e-8;        // Kingma & Ba 2015, alg. 1
  double clip = 0;              // off; Liu et al. 2024 clip at 1
};

constexpr std::array<Field<ScaledGradientOptions>, 5> fields = {{
    {"beta1", &ScaledGradientOptions::beta1, "LeCun et al. 1998, sec. 9.1 (no momentum)",
     "weight of the past in the averaged gradient, in [0, 1)"},
    {"bias_correction", &ScaledGradientOptions::bias_correction, "Kingma & Ba 2015, alg. 1",
     "whether the averaged gradient is divided by 1 - beta1^t"},
    {"exponent", &ScaledGradientOptions::exponent, "Yao et al. 2021, eq. 12, k = 1",
     "power of the curvature that divides the gradient, at least 0"},
    {"epsilon", &ScaledGradientOptions::epsilon, "Kingma & Ba 2015, alg. 1",
     "added to the divisor, in its units; at least 0"},
    {"clip", &ScaledGradientOptions::clip, "Liu et al. 2024, alg. 3 (there 1)",
     "largest entry of the direction before it is multiplied by the rate; 0 is off"},
}};

class ScaledGradient final : public StepSolver {
 public:
  explicit ScaledGradient(const ScaledGradientOptions& options) : options_(options) {}

  ControlKind control() const override { return ControlKind::step_length; }

  std::optional<std::string> unfit(const SymmetricOperator& B) const override {
    if (B.offers().diagonal) {
      return std::nullopt;
    }
    return "step 'scaled-gradient' needs a curvature with a diagonal; use curvature diagonal or "
           "running-diagonal, or "
           "step newton-cg";
  }

  void start() override {
    momentum_.clear();
    decay_ = 1;
  }

  StepStatus prepare(const Subproblem& subproblem) override {
    const std::size_t n = subproblem.gradient.size();
    if (momentum_.size() != n) {
      momentum_.assign(n, 0.0);
      decay_ = 1;
    }
    subproblem_.emplace(subproblem);
    diagonal_.resize(n);
    direction_.resize(n);
    ready_ = false;
    if (!subproblem.B.diagonal(diagonal_) || !detail::all_finite(diagonal_) ||
        !detail::all_finite(subproblem.gradient)) {
      return StepStatus::failed;
    }
    const double beta = options_.beta1;
    decay_ *= beta;
    const double correction = options_.bias_correction ? 1 - decay_ : 1.0;
    const double bound = options_.clip > 0 ? options_.clip : infinity;
    for (std::size_t i = 0; i < n; ++i) {
      momentum_[i] = beta * momentum_[i] + (1 - beta) * subproblem.gradient[i];
      const double mean = momentum_[i] / correction;
      const double divisor = power(std::abs(diagonal_[i])) + options_.epsilon;
      // A variable that is not moved needs no curvature.
      direction_[i] = mean == 0 ? 0.0 : -std::clamp(mean / divisor, -bound, bound);
    }
    ready_ = detail::all_finite(direction_);
    return ready_ ? StepStatus::ok : StepStatus::failed;
  }

  bool remembers() const override { return options_.beta1 > 0; }

  StepReport solve(const Control& control, VectorRef step) override {
    const double rate =
        detail::control_value<StepLength>(control, "scaled-gradient: the control must be a step length");
    expects(subproblem_.has_value(), "scaled-gradient: solve before prepare");
    if (!ready_ || !std::isfinite(rate)) {
      return detail::no_step(StepStatus::failed, step);
    }
    StepReport out;
    double curvature = 0;
    for (std::size_t i = 0; i < step.size(); ++i) {
      step[i] = rate * direction_[i];
      curvature += (diagonal_[i] * step[i]) * step[i];
    }
    out.slope = detail::dot(subproblem_->gradient, step);
    out.predicted_decrease = -(out.slope + 0.5 * curvature);
    out.norm = subproblem_->metric.norm(step);
    out.limit = rate < 1 ? StepReport::Limit::boundary : StepReport::Limit::interior;
    return detail::checked(out, step);
  }

 private:
  double power(double v) const {
    return options_.exponent == 1     ? v
           : options_.exponent == 0.5 ? std::sqrt(v)
                                      : std::pow(v, options_.exponent);
  }

  ScaledGradientOptions options_;
  std::optional<Subproblem> subproblem_;
  std::vector<double> momentum_, diagonal_, direction_;
  double decay_ = 1;  ///< beta1^t
  bool ready_ = false;
};

}  // namespace

StepPart scaled_gradient_part() {
  StepPart out;
  out.info.kind = PartKind::step;
  out.info.name = part;
  out.info.summary = "Gradient with momentum, scaled by a diagonal curvature; the rate is the step length.";
  out.info.source = "Yao et al. 2021, alg. 1; LeCun et al. 1998, sec. 9.1";
  out.info.options = describe_options<ScaledGradientOptions>(fields);
  out.control = ControlKind::step_length;
  out.make = [](const Options& given) -> std::unique_ptr<StepSolver> {
    const auto options = read_options<ScaledGradientOptions>(part, given, fields);
    detail::require_option(options.beta1 >= 0 && options.beta1 < 1, part, "beta1", options.beta1,
                           "it must be at least 0 and below 1");
    detail::require_option(options.exponent >= 0, part, "exponent", options.exponent,
                           "it must not be negative");
    detail::require_option(options.epsilon >= 0, part, "epsilon", options.epsilon, "it must not be negative");
    detail::require_option(options.clip >= 0, part, "clip", options.clip, "it must not be negative");
    return std::make_unique<ScaledGradient>(options);
  };
  return out;
}

}  // namespace kappa
