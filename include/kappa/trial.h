// Control and Trial: what an acceptance rule hands to a step solver, and the numbers it gets back.
#pragma once

#include <cstdint>
#include <variant>

#include "kappa/base.h"
#include "kappa/problem.h"

namespace kappa {

/// The four ways to keep a step in check. They are types, because one number must never mean two things.
struct Radius {
  double value = 0;  ///< |d| <= value in the metric
};
struct Damping {
  double value = 0;  ///< (B + value * metric) d = -g
};
struct CubicWeight {
  double value = 0;  ///< model g'd + d'Bd/2 + value |d|^3/3
};
struct StepLength {
  double value = 1;  ///< d = value * direction
};

using Control = std::variant<Radius, Damping, CubicWeight, StepLength>;

enum class ControlKind : std::uint8_t { radius, damping, cubic_weight, step_length };

inline ControlKind kind(const Control& c) {
  return static_cast<ControlKind>(c.index());
}
inline double value(const Control& c) {
  return std::visit([](const auto& v) { return v.value; }, c);
}
const char* name(ControlKind kind);

enum class StepStatus : std::uint8_t {
  ok,
  indefinite,  ///< the damped matrix is not positive definite: a tighter control is needed
  failed,      ///< not finite, or an iteration limit without a usable step
  interrupted
};

/// What a step solver says about the step it returns.
struct StepReport {
  StepStatus status = StepStatus::ok;
  double slope = 0;               ///< g'd
  double predicted_decrease = 0;  ///< -(g'd + d'Bd/2) at the step as returned; positive is downhill
  double norm = 0;                ///< |d| in the metric
  enum class Limit {
    interior,  ///< the model's minimiser; with bounds, that in the box where variables pressed against theirs
               ///< stay
    boundary,  ///< the control shortened it
    bounds     ///< bounds on the variables did, and the model's minimiser in the box was not reached
  } limit = Limit::interior;
  double longest = infinity;  ///< step length at which a line search meets the first bound on a variable
  Index blame = -1;           ///< the variable whose pivot failed, or -1
  Index inner_iterations = 0;
  Index alternatives = 0;  ///< shorter steps that StepSolver::alternative can give in its place
};

/// One trial, as numbers. An acceptance sees nothing else.
struct Trial {
  EvalStatus evaluation = EvalStatus::ok;
  StepReport step;
  double current_value = 0;
  double value = 0;
  double slope = 0;  ///< g(trial)'d, where trial gradients are asked for
  /// |g| in the metric's dual norm, where trial gradients are asked for; entries that press against a bound
  /// count as zero.
  double current_gradient_norm = 0;
  double gradient_norm = 0;   ///< the same at the trial point
  double value_rounding = 0;  ///< Evaluation::value_rounding at the current point

  /// Positive means downhill.
  double decrease() const { return current_value - value; }

  /// Values below this difference are rounding: the larger of 10 eps |f| (Conn, Gould & Toint 2000,
  /// sec. 17.4.2) and value_rounding.
  double rounding() const;

  /// Actual over predicted decrease, where both are shifted by rounding(), so that near a minimum,
  /// where the actual decrease is noise, the ratio tends to 1 (ibid. eq. 17.4.9). NaN is never returned:
  /// a trial that is not finite or that predicts no decrease has ratio -infinity.
  double ratio() const;
};

}  // namespace kappa
