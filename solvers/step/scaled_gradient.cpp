// The step of adaptive learning rates: a gradient with momentum, scaled by a diagonal curvature,
//
//     m := beta1 m + (1 - beta1) g,   mhat = m / (1 - beta1^t),
//     d = -rate clip(mhat_i / divisor_i),
//     divisor_i = |B_ii|^exponent + epsilon,  or, with floor,  max(scale B_ii^exponent, epsilon)
//
// where the rate is the control. With the diagonals of the running-diagonal curvature it is AdaHessian
// (exponent 1 on a root mean square), the stochastic diagonal Levenberg-Marquardt method (beta1 = 0, epsilon
// = its mu), or, with a floor, a clip of 1 and the Gauss-Newton-Bartlett diagonal, Sophia. With
// squared-gradient and exponent 1/2 it is Adam, with identity stochastic gradient descent: there a classical
// rate a of v := beta v + g is a / (1 - beta) here, without bias correction.
//
// Before it enters the momentum, the gradient is divided by its norm where `normalized`, and then with
// `variance_reduction` c > 0 drawn towards its mean E[g] of the past (Gulcehre & Bengio 2014, sec. 3),
//
//     g := (g + gamma E[g]) / (1 + gamma),
//     gamma = E[(g - g')(g - E[g])] / E[(g - E[g])(g' - E[g])] within [0, c],  c where the divisor is not
//     positive,
//
// which brings it nearest, in the mean square, to g', the gradient of another batch, for which that of the
// point before stands. Averages have weight 1 / reduction_memory of the new, and begin as plain means.
//
// The momentum advances once per prepare and is never changed by solve. The predicted decrease is that of
// the model with the diagonal of B alone, -(g'd + sum B_ii d_i^2 / 2). With momentum the step may point
// uphill for this gradient; then slope and predicted decrease say so.
//
// Cost: O(n) time, memory 3 n, and 4 n more for the variance reduction.
//
// Reference: Yao et al., AAAI 2021, alg. 1; LeCun, Bottou, Orr & Müller 1998, sec. 9.1; Kingma & Ba 2015,
// alg. 1 (momentum and its bias correction); Liu et al. 2024, alg. 3 (clipping, floor).
#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include "core/option_checks.h"
#include "core/vector.h"
#include "solvers/step/model.h"
#include "solvers/step/parts.h"

namespace kappa {
namespace {

constexpr const char* part = "scaled-gradient";

struct ScaledGradientOptions {
  double beta1 = 0;               // no momentum: LeCun et al. 1998, sec. 9.1
  bool bias_correction = true;    // Kingma & Ba 2015, alg. 1
  double exponent = 1;            // Newton's scaling; Yao et al. 2021, eq. 12 with k = 1
  double epsilon = 1e-8;          // Kingma & Ba 2015, alg. 1
  bool floor = false;             // Kingma & Ba 2015, alg. 1; Liu et al. 2024, alg. 3 have a floor
  double scale = 1;               // Liu et al. 2024: 0.01 (Hutchinson), 0.05 (Gauss-Newton-Bartlett)
  double clip = 0;                // off; Liu et al. 2024 clip at 1
  bool normalized = false;        // Gulcehre & Bengio 2014 normalise
  double variance_reduction = 0;  // off; Gulcehre & Bengio's program: 1.8
  double reduction_memory = 20;   // Gulcehre & Bengio's program: 0.95 of the past
};

constexpr std::array<Field<ScaledGradientOptions>, 10> fields = {{
    {"beta1", &ScaledGradientOptions::beta1, "LeCun et al. 1998, sec. 9.1 (no momentum)",
     "weight of the past in the averaged gradient, in [0, 1)"},
    {"bias_correction", &ScaledGradientOptions::bias_correction, "Kingma & Ba 2015, alg. 1",
     "whether the averaged gradient is divided by 1 - beta1^t"},
    {"exponent", &ScaledGradientOptions::exponent, "Yao et al. 2021, eq. 12, k = 1",
     "power of the curvature that divides the gradient, at least 0"},
    {"epsilon", &ScaledGradientOptions::epsilon, "Kingma & Ba 2015, alg. 1",
     "added to the divisor, in its units; at least 0"},
    {"floor", &ScaledGradientOptions::floor, "Liu et al. 2024, alg. 3",
     "whether epsilon is the least divisor instead of being added"},
    {"scale", &ScaledGradientOptions::scale, "Liu et al. 2024 (gamma)",
     "factor of the curvature in the divisor; positive"},
    {"clip", &ScaledGradientOptions::clip, "Liu et al. 2024, alg. 3 (there 1)",
     "largest entry of the direction before it is multiplied by the rate; 0 is off"},
    {"normalized", &ScaledGradientOptions::normalized, "Gulcehre & Bengio 2014",
     "whether the gradient is divided by its norm"},
    {"variance_reduction", &ScaledGradientOptions::variance_reduction, "Gulcehre & Bengio 2014, sec. 3",
     "largest weight of the mean gradient in that of the step; 0 is off"},
    {"reduction_memory", &ScaledGradientOptions::reduction_memory, "Gulcehre & Bengio's program",
     "points that the averages of the variance reduction reach back; above 1"},
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
    points_ = 0;
  }

  StepStatus prepare(const Subproblem& subproblem) override {
    const std::size_t n = subproblem.gradient.size();
    if (momentum_.size() != n) {
      momentum_.assign(n, 0.0);
      decay_ = 1;
      points_ = 0;
    }
    subproblem_.emplace(subproblem);
    diagonal_.resize(n);
    direction_.resize(n);
    ready_ = false;
    if (!subproblem.B.diagonal(diagonal_) || !detail::all_finite(diagonal_) ||
        !detail::all_finite(subproblem.gradient)) {
      return StepStatus::failed;
    }
    advance(subproblem.gradient);
    settle();
    return ready_ ? StepStatus::ok : StepStatus::failed;
  }

  bool state(State& s) override {
    s.section("scaled-gradient", 1);
    s.item("momentum", momentum_);
    s.item("decay", decay_);
    s.item("points", points_);
    s.item("mean", mean_);
    s.item("last", last_);
    s.item("numerator", numerator_);
    s.item("denominator", denominator_);
    if (s.loads() && diagonal_.size() == momentum_.size() && direction_.size() == momentum_.size()) {
      settle();
    }
    return true;
  }

  bool remembers() const override { return options_.beta1 > 0 || options_.variance_reduction > 0; }

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
  /// Takes the gradient of a new point into the momentum.
  void advance(ConstVectorRef gradient) {
    const double beta = options_.beta1;
    const double norm = options_.normalized ? detail::norm(gradient) : 1.0;
    const double scale = norm > 0 ? 1 / norm : 0.0;
    const bool reduces = options_.variance_reduction > 0;
    if (reduces && points_ == 0) {
      for (std::vector<double>* v : {&mean_, &last_, &numerator_, &denominator_}) {
        v->assign(gradient.size(), 0.0);
      }
    }
    ++points_;
    decay_ *= beta;
    for (std::size_t i = 0; i < gradient.size(); ++i) {
      const double g = options_.normalized ? scale * gradient[i] : gradient[i];
      momentum_[i] = beta * momentum_[i] + (1 - beta) * (reduces ? reduced(i, g) : g);
    }
  }

  /// g drawn towards its mean.
  double reduced(std::size_t i, double g) {
    const double weight = 1 / std::min(static_cast<double>(points_), options_.reduction_memory);
    mean_[i] += weight * (g - mean_[i]);
    const double other = std::exchange(last_[i], g);
    if (points_ == 1) {
      return g;
    }
    const double noise = g - mean_[i];
    const double share = 1 / std::min(static_cast<double>(points_ - 1), options_.reduction_memory);
    numerator_[i] += share * ((g - other) * noise - numerator_[i]);
    denominator_[i] += share * (noise * (other - mean_[i]) - denominator_[i]);
    const double gamma = denominator_[i] > 0
                             ? std::clamp(numerator_[i] / denominator_[i], 0.0, options_.variance_reduction)
                             : options_.variance_reduction;
    return (g + gamma * mean_[i]) / (1 + gamma);
  }

  /// The direction from momentum and curvature as they are.
  void settle() {
    const double correction = options_.bias_correction ? 1 - decay_ : 1.0;
    const double bound = options_.clip > 0 ? options_.clip : infinity;
    for (std::size_t i = 0; i < direction_.size(); ++i) {
      const double mean = momentum_[i] / correction;
      // A variable that is not moved needs no curvature.
      direction_[i] = mean == 0 ? 0.0 : -std::clamp(mean / divisor(diagonal_[i]), -bound, bound);
    }
    ready_ = detail::all_finite(direction_);
  }

  double divisor(double b) const {
    return options_.floor ? std::max(options_.scale * std::copysign(power(std::abs(b)), b), options_.epsilon)
                          : options_.scale * power(std::abs(b)) + options_.epsilon;
  }

  double power(double v) const {
    return options_.exponent == 1     ? v
           : options_.exponent == 0.5 ? std::sqrt(v)
                                      : std::pow(v, options_.exponent);
  }

  ScaledGradientOptions options_;
  std::optional<Subproblem> subproblem_;
  std::vector<double> momentum_, diagonal_, direction_;
  double decay_ = 1;                                           ///< beta1^t
  Index points_ = 0;                                           ///< that the variance reduction has seen
  std::vector<double> mean_, last_, numerator_, denominator_;  ///< empty without variance reduction
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
    detail::require_option(options.scale > 0 && options.scale < infinity, part, "scale", options.scale,
                           "it must be positive");
    detail::require_option(options.variance_reduction >= 0, part, "variance_reduction",
                           options.variance_reduction, "it must not be negative");
    detail::require_option(options.reduction_memory > 1, part, "reduction_memory", options.reduction_memory,
                           "it must be above 1");
    detail::require_option(options.clip >= 0, part, "clip", options.clip, "it must not be negative");
    return std::make_unique<ScaledGradient>(options);
  };
  return out;
}

}  // namespace kappa
