// Acceptance: judges a trial and sets the next control.
#pragma once

#include <string_view>

#include "kappa/checkpoint.h"
#include "kappa/trial.h"

namespace kappa {

/// What an acceptance needs to know of a trial point.
enum class TrialNeeds : std::uint8_t {
  value,
  value_and_gradient,
  nothing  ///< a schedule: the trial point is evaluated as the next point at once, and must be finite
};

enum class Decision : std::uint8_t {
  accept,       ///< the trial becomes the current point
  accept_kept,  ///< the trial that was kept becomes the current point
  retry,        ///< another step from the same point, with a tighter control
  alternative,  ///< an earlier iterate of the same solve (StepSolver::alternative), from the same point
  give_up       ///< no control is left to try
};

struct Verdict {
  Decision decision = Decision::retry;
  Control next;                                 ///< for the retry, or for the next iteration
  enum class Keep { no, yes } keep = Keep::no;  ///< remember this trial as the kept one
  Index alternative = 0;                        ///< which, from 1, where that is the decision
};

/// What is known before the first step.
struct StartInfo {
  double gradient_norm = 0;  ///< in the metric's dual norm
  double point_norm = 0;     ///< |x0| in the metric
  double value = 0;
  Index variables = 0;  ///< tangent dimension
};

/// Laws: a rejection never returns the same control; radius and damping tighten; the verdict does not
/// change when objective, damping and cubic weight are scaled by one power of two.
class Acceptance {
 public:
  virtual ~Acceptance() = default;

  virtual ControlKind control() const = 0;
  virtual TrialNeeds needs() const { return TrialNeeds::value; }

  /// Whether its verdicts make sense where each point's values are those of a mini-batch. The loop evaluates
  /// a trial on the sample of the point that it came from, so the two values of one judgement are of the same
  /// terms; those of different iterations are not.
  virtual bool takes_samples() const { return needs() == TrialNeeds::nothing; }

  /// The first control of a solve; forgets earlier solves.
  virtual Control start(const StartInfo& info) = 0;
  virtual Verdict judge(const Trial& trial, const Control& control) = 0;

  /// Names to `state` all that later verdicts depend on, as it is after one that accepts (see
  /// Curvature::state). False: it cannot be saved.
  virtual bool state(State&) { return false; }
  /// A sentence on what went wrong in the last call, for the result; empty where there is none.
  virtual std::string_view fault() const { return {}; }
};

}  // namespace kappa
