// minimize: the one loop. A method is curvature, step solver and acceptance; this is where they meet.
#pragma once

#include <array>
#include <chrono>
#include <memory>
#include <stop_token>
#include <string>
#include <vector>

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
  Index max_evaluations = 10000;  ///< trial values
  /// Consecutive trials, accepted or not, that bring neither f nor |g| below its best so far by more than
  /// rounding. Then the point is as good as the arithmetic lets it be.
  Index max_stalled = 30;
  std::chrono::duration<double> time_limit = std::chrono::duration<double>::max();
  std::stop_token stop;
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
  control_exhausted,   // stalled: radius, damping or step length reached its end
  max_iterations,      // limit
  max_evaluations,     // limit
  time_limit,          // limit
  stop_requested,      // limit
  initial_point,       // failed: the start cannot be evaluated
  evaluation_failed,   // failed
  curvature_failed,    // failed
  step_failed,         // failed
  unbounded,           // failed
  model_refuted  // failed: a curvature or step from elsewhere claims convergence, the objective does not
};
inline constexpr int termination_count = 17;
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

/// What a solve returns: always the best accepted point, whatever happened.
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
  Index factorizations = 0;
  double seconds = 0;
  std::vector<ActiveBound> active_bounds;  ///< in the order of x; empty where no bound is met
  /// The parts that worked, after every "auto" was settled.
  std::string optimizer, curvature, step, acceptance;
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
  enum class Event : std::uint8_t { start, accepted, rejected } event = Event::start;
  double seconds = 0;
  ConstVectorRef x;
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

/// Minimises `problem` from `x0` (dimension() long). Throws Error for parts that do not exist or do not fit
/// and ContractError for a wrong x0 length; everything else is in the Result.
Result minimize(const Problem& problem, ConstVectorRef x0, const Method& method,
                const Stopping& stopping = {}, Observer* observer = nullptr);

/// The same with the memory of `workspace`. The result lives there until its next use. A repeated solve of
/// problems of one structure by one method allocates nothing.
const Result& minimize(const Problem& problem, ConstVectorRef x0, const Method& method,
                       const Stopping& stopping, Observer* observer, Workspace& workspace);

}  // namespace kappa
