// Curvature: the model of the second derivative, a part of its own.
#pragma once

#include <string>
#include <string_view>

#include "kappa/operator.h"
#include "kappa/problem.h"
#include "kappa/trial.h"

namespace kappa {

/// What a curvature needs before it can be refreshed.
struct CurvatureNeeds {
  ModelSet models;  ///< asked of the linearization; empty: gradients suffice
  enum class History { none, previous_evaluation } history = History::none;
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

  /// Takes the point `now` as the one to model. `previous` is the last accepted evaluation and `step`
  /// what led from it to `now`; both are null and empty at the first point or where not needed.
  virtual Status refresh(const Evaluation& now, const Evaluation* previous, ConstVectorRef step) = 0;

  /// The operator at the refreshed point; valid until the next refresh.
  virtual const SymmetricOperator& at_point() const = 0;

  /// Outcome of a trial step, for curvatures that learn from it.
  virtual void judged(const Trial&) {}

  /// A sentence on what went wrong in the last call, for the result; empty where there is none.
  virtual std::string_view fault() const { return {}; }

  /// Second-order products made so far.
  virtual Index products() const { return 0; }
};

}  // namespace kappa
