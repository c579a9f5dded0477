// StepSolver: from the model at a point and a control to a step.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "kappa/checkpoint.h"
#include "kappa/operator.h"
#include "kappa/problem.h"
#include "kappa/trial.h"

namespace kappa {

enum class MetricKind : std::uint8_t {
  identity,   ///< weights 1
  marquardt,  ///< weights |B_ii| at the current point (Marquardt 1963)
  minpack,    ///< weights max over the points so far of |B_ii| (More 1978, sec. 6)
  blended,    ///< weights 0.99 + 0.01 |B_ii| (Hsia, Chiang & Lin 2018, eq. 13)
  automatic  ///< minpack up to 500 variables, marquardt beyond: a bundle's first curvatures are far too large
};

const char* name(MetricKind kind);

/// The norm in which steps are measured: |d|^2 = sum weights_i d_i^2. It is not the preconditioner.
class Metric {
 public:
  explicit Metric(MetricKind kind = MetricKind::identity) : kind_(kind) {}

  /// Takes the operator's diagonal in; without one the weights are 1. A zero diagonal entry gets weight 1
  /// (MINPACK's rule for a zero column).
  void update(const SymmetricOperator& B);
  /// Forgets earlier points.
  void reset(MetricKind kind);

  /// Loading comes after an update at the same point.
  void state(State& state);

  MetricKind kind() const { return kind_; }
  ConstVectorRef weights() const { return weights_; }
  double norm(ConstVectorRef step) const;
  /// |g| in the dual norm: sqrt(sum g_i^2 / weights_i).
  double dual_norm(ConstVectorRef gradient) const;

 private:
  MetricKind kind_;
  std::vector<double> weights_;
  std::vector<double> diagonal_;
};

/// The local model g'd + d'Bd/2 and how steps in it are measured.
struct Subproblem {
  const SymmetricOperator& B;
  ConstVectorRef gradient;
  const Metric& metric;
  const Interrupt* interrupt = nullptr;
  /// Another model of the same curvature, for conjugate gradients to be preconditioned by; or null.
  const SymmetricOperator* preconditioner = nullptr;
};

/// Laws: the predicted decrease is the model's, recomputed densely; |d| <= (1 + tolerance) radius; a
/// tighter control gives no longer step (up to the stated tolerance); the same sequence of solves after
/// prepare gives the same bits; inputs are untouched.
class StepSolver {
 public:
  virtual ~StepSolver() = default;

  virtual ControlKind control() const = 0;

  /// Why this solver cannot work with the operator and what would; empty where it can. Called once, after
  /// the first refresh.
  virtual std::optional<std::string> unfit(const SymmetricOperator&) const { return std::nullopt; }

  /// What a step costs with the operator last given to unfit(), in flops, or 0 where the solver cannot say.
  virtual double flops() const { return 0; }

  /// A new solve begins: forgets earlier ones (momentum, counts) but keeps memory.
  virtual void start() {}

  /// Takes the model in; the subproblem's parts outlive the following solves.
  virtual StepStatus prepare(const Subproblem& subproblem) = 0;

  /// The step for a control: the cheap re-entry after a rejection. `step` is size() long.
  virtual StepReport solve(const Control& control, VectorRef step) = 0;

  /// The k-th of the earlier iterates of the last solve, k from 1 to its report's `alternatives`: each is a
  /// step of its own, and one with a larger k gains less in the model. No product is made. `step` is size()
  /// long.
  virtual StepReport alternative(Index /*k*/, VectorRef /*step*/) {
    expects(false, "StepSolver: alternative of a step that has none");
    return {};
  }

  /// out = M^-1 rhs with the matrix of the last successful solve; false where there is no factor.
  virtual bool resolve(ConstVectorRef, VectorRef) { return false; }

  /// Writes what was chosen inside, for the result ("dense Schur complement of 16 blocks"), or nothing, into
  /// `out`, whose memory is kept.
  virtual void describe(std::string& out) const { out.clear(); }

  /// A sentence on what went wrong in the last call, for the result; empty where there is none.
  virtual std::string_view fault() const { return {}; }

  /// The rank of the undamped model at the last prepared point, where the solver knows it to be deficient,
  /// and a variable that depends on others there.
  struct Deficiency {
    Index rank = 0;
    Index size = 0;
    Index variable = -1;
  };
  virtual std::optional<Deficiency> deficiency() const { return std::nullopt; }

  /// Whether prepare depends on earlier points (momentum). Then it is called once for each point, and a step
  /// that meets a bound is not solved for again on the smaller face.
  virtual bool remembers() const { return false; }

  virtual Index factorizations() const { return 0; }

  /// Names to `state` all that later solves depend on, as it is right after prepare, but for what prepare
  /// computes from the model alone (see Curvature::state): momentum, warm starts, counts. False: it cannot be
  /// saved.
  virtual bool state(State&) { return false; }
};

}  // namespace kappa
