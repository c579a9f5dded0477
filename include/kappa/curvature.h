// Curvature: the model of the second derivative, a part of its own.
#pragma once

#include <string>
#include <string_view>

#include "kappa/checkpoint.h"
#include "kappa/operator.h"
#include "kappa/problem.h"
#include "kappa/trial.h"

namespace kappa {

/// What a curvature needs before it can be refreshed.
struct CurvatureNeeds {
  ModelSet models;  ///< asked of the linearization; empty: gradients suffice
  enum class History {
    none,
    previous_evaluation,  ///< the point before
    displaced_evaluation  ///< the gradient of the same sample at a point that displacement() chooses
  } history = History::none;
  bool blocks = false;  ///< its operator hands the linearization's block matrix on
};

/// Builds a SymmetricOperator at each accepted point. It is stateful (running averages, secants) and
/// belongs to one solve.
class Curvature {
 public:
  virtual ~Curvature() = default;

  virtual CurvatureNeeds needs() const = 0;

  /// A new solve begins: forgets earlier ones but keeps memory.
  virtual void start() {}

  enum class Status { ok, failed };

  /// Whether the next refresh reads the linearization. A curvature that is renewed every few points only says
  /// no in between; the loop then asks the problem for the gradient alone, and refreshes with that.
  virtual bool due() const { return true; }

  /// For History::displaced_evaluation: the step from `now` to the point at which refresh is to see the
  /// gradient of the same sample. False where it needs none this time.
  virtual bool displacement(const Evaluation& /*now*/, VectorRef) { return false; }

  /// Takes the point `now` as the one to model. `previous` is the last accepted evaluation and `step` what
  /// led from it to `now`, or, for a displaced evaluation, that one and the step to it; both are null and
  /// empty at the first point or where not needed.
  virtual Status refresh(const Evaluation& now, const Evaluation* previous, ConstVectorRef step) = 0;

  /// The operator at the refreshed point; valid until the next refresh.
  virtual const SymmetricOperator& at_point() const = 0;

  /// Outcome of a trial step, for curvatures that learn from it.
  virtual void judged(const Trial&) {}

  /// A sentence on what went wrong in the last call, for the result; empty where there is none.
  virtual std::string_view fault() const { return {}; }

  /// Second-order products made so far; a diagonal or gradient for curvature's sake that costs as much counts
  /// as one.
  virtual Index products() const { return 0; }

  /// Names to `state` all that later refreshes and the operator depend on, as it is right after a refresh,
  /// but for what the refresh reads from the linearization. A solve that resumes refreshes at the point of
  /// the checkpoint, if that was done there with a linearization, and then loads. False: it cannot be saved.
  virtual bool state(State&) { return false; }
};

}  // namespace kappa
