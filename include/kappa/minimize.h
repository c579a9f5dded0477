// minimize: the one loop. A method is curvature, step solver and acceptance; this is where they meet.
#pragma once

#include <array>
#include <chrono>
#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "kappa/checkpoint.h"
#include "kappa/method.h"
#include "kappa/problem.h"
#include "kappa/trial.h"

namespace kappa {

/// When to stop. Each test is stated as it is computed. A tolerance of 0 switches its test off.
struct Stopping {
  /// max_i |p_i| <= gradient_tolerance, where p = P(x - g) - x and P is the projection on the bounds; without
  /// bounds |p_i| = |g_i|.
  double gradient_tolerance = 1e-20;
  /// The step that the control did not shorten is predicted to gain no more than decrease_tolerance * |f|.
  /// For least squares its root is the cosine between the residual and the tangent space (Dennis & Schnabel
  /// 1983, sec. 10.1).
  double decrease_tolerance = 1e-22;
  /// |d| <= step_tolerance * |x| in the metric, for an accepted step that the control did not shorten.
  double step_tolerance = 1e-13;
  /// f <= target.
  double target = -infinity;
  /// f <= unbounded_below stops as Outcome::failed: the objective has no minimum that way.
  double unbounded_below = -1e300;
  Index max_iterations = 1000;    ///< accepted steps
  Index max_epochs = 0;           ///< passes over all terms (see Progress::epoch); 0: no limit
  Index max_evaluations = 10000;  ///< trial values
  /// Consecutive trials, accepted or not, that bring neither f nor |g| below its best so far by more than
  /// rounding. Then the point is as good as the arithmetic lets it be.
  Index max_stalled = 30;
  std::chrono::duration<double> time_limit = std::chrono::duration<double>::max();
  std::stop_token stop;
};

/// Data that is not learnt from, by which the solve is judged after each epoch: its measures are shown, the
/// best point is what is returned, and learning may end where it brings nothing more.
struct Validation {
  /// Of the same variables; null: there is none. Judged by Problem::measures.
  const Problem* problem = nullptr;
  std::string measure = {};  ///< which of them decides; empty: the first, or the value where there are none
  Index patience = 0;        ///< epochs in a row without a better measure that end the solve; 0: any number
};

/// What goes along with a solve and does not change its steps.
struct Session {
  Validation validation = {};
  Checkpoint checkpoint = {};
};

enum class Outcome : std::uint8_t { converged, stalled, limit, failed };
const char* name(Outcome outcome);

enum class Termination : std::uint8_t {
  gradient_tolerance,  // converged
  decrease_tolerance,  // converged
  step_tolerance,      // converged
  target_reached,      // converged
  rounding_limit,      // converged where the predicted gain is below rounding
  no_progress,         // stalled
  early_stopping,      // stalled: validation has not become better for as long as was asked for
  control_exhausted,   // stalled: radius, damping or step length reached its end
  max_iterations,      // limit
  max_evaluations,     // limit
  max_epochs,          // limit
  time_limit,          // limit
  stop_requested,      // limit
  initial_point,       // failed: the start cannot be evaluated
  evaluation_failed,   // failed
  curvature_failed,    // failed
  step_failed,         // failed
  unbounded,           // failed
  model_refuted  // failed: a curvature or step from elsewhere claims convergence, the objective does not
};
inline constexpr int termination_count = 19;
const char* name(Termination termination);
Outcome outcome_of(Termination termination);

struct EvaluationCounts {
  Index value = 0;
  Index gradient = 0;
  Index linearization = 0;
  Index product = 0;
};

enum class BoundSide : std::uint8_t { lower, upper };
const char* name(BoundSide side);

/// A variable that lies on one of its bounds. A fixed one is on the side that its gradient presses against.
struct ActiveBound {
  Index variable = 0;  ///< entry of x
  Index tangent = 0;   ///< its entry in steps and gradients, which Problem::variable_name names
  BoundSide side = BoundSide::lower;
  /// By how much f would fall for a unit that the bound gave way: g_i at a lower bound, -g_i at an upper one.
  /// Not negative at a solution.
  double multiplier = 0;
};

/// What a solve returns: always the best accepted point, whatever happened. With validation that is the best
/// validated one; with mini-batches and no validation it is the last, for their values do not compare.
struct Result {
  std::vector<double> x;
  double value = 0;
  double initial_value = 0;
  double gradient_norm = 0;  ///< max_i |p_i| at x: with bounds that of the projected gradient (see Stopping)
  Outcome outcome = Outcome::failed;
  Termination termination = Termination::initial_point;
  std::string reason;    ///< one sentence with the numbers that decided
  Index iterations = 0;  ///< accepted steps
  Index trials = 0;      ///< steps tried
  EvaluationCounts evaluations;
  /// Work in passes over the data: a gradient over all terms, with its value, is 1, and over a mini-batch its
  /// share of the terms. A value alone is 1/3 and a second-order product 1, as for networks, where a gradient
  /// is three products with each weight matrix. What only judges (validation, the value of the whole sum at
  /// the start and the end) does not count.
  double gradient_equivalents = 0;
  Index factorizations = 0;
  Index epochs = 0;    ///< as Progress::epoch
  double seconds = 0;  ///< with those before the checkpoint that was resumed
  /// On the validation data, at x, and when that was; empty without validation.
  std::vector<Measure> measures;
  Index best_epoch = 0;
  std::vector<ActiveBound> active_bounds;  ///< in the order of x; empty where no bound is met
  /// The parts that worked, after every "auto" was settled.
  std::string optimizer, curvature, step, acceptance;
  std::string preconditioner;      ///< a second curvature's name; empty where there is none
  std::vector<std::string> notes;  ///< why "auto" chose so, which derivatives are differences, ...

  bool converged() const { return outcome == Outcome::converged; }
};

/// One iteration, for an Observer.
struct Progress {
  Index iteration = 0;
  double value = 0;
  double gradient_norm = 0;
  double step_norm = 0;
  double control = 0;
  double ratio = 0;  ///< actual over predicted decrease; NaN where no value was tried
  /// `epoch` comes after the step that ends one, with mini-batches or validation, and at the start with the
  /// latter.
  enum class Event : std::uint8_t { start, accepted, rejected, epoch } event = Event::start;
  double seconds = 0;
  ConstVectorRef x;
  /// Passes over all terms that are complete: with mini-batches, those whose gradients steps were made of;
  /// otherwise accepted steps.
  Index epoch = 0;
  Index batch = 0;                    ///< within the epoch that runs
  Index batches = 1;                  ///< of an epoch
  double gradient_equivalents = 0;    ///< as Result::gradient_equivalents, so far
  double epoch_value = 0;             ///< event epoch: mean of the values at its points; the start: NaN
  std::span<const Measure> measures;  ///< event epoch: on the validation data
  bool best = false;                  ///< event epoch: validated better than all before
};

/// The only output channel: the library writes to no stream. To stop a solve use Stopping::stop.
class Observer {
 public:
  virtual ~Observer() = default;
  virtual void observe(const Progress& progress) = 0;
};

/// Keeps the memory of repeated solves: slots, factors, parts. One solve uses it at a time.
class Workspace {
 public:
  Workspace();
  ~Workspace();
  Workspace(Workspace&&) noexcept;
  Workspace& operator=(Workspace&&) noexcept;

  struct Impl;
  Impl& impl() { return *impl_; }

 private:
  std::unique_ptr<Impl> impl_;
};

/// Minimises `problem` from `x0` (dimension() long). Throws Error for parts that do not exist or do not fit,
/// for a checkpoint that cannot be written at the start or resumed from, and ContractError for a wrong x0
/// length; everything else is in the Result. A solve that resumes ends with the bits of one that was never
/// interrupted; stopping tests may differ from before.
Result minimize(const Problem& problem, ConstVectorRef x0, const Method& method,
                const Stopping& stopping = {}, Observer* observer = nullptr, const Session& session = {});

/// The same with the memory of `workspace`. The result lives there until its next use. A repeated solve of
/// problems of one structure by one method allocates nothing.
const Result& minimize(const Problem& problem, ConstVectorRef x0, const Method& method,
                       const Stopping& stopping, Observer* observer, Workspace& workspace,
                       const Session& session = {});

}  // namespace kappa
