// The damped step by a Cholesky factorization, for every form of B: (B + lambda W) d = -g.
//
// With L L' = B + lambda W the predicted decrease is 1/2 |L^-1 g|^2 + lambda/2 |d|_W^2, a sum without
// cancellation. Limit: boundary where lambda |d|_W^2 exceeds a tenth of it. A damped matrix that is not
// positive definite is reported as indefinite with the variable whose pivot failed, so that the acceptance
// raises the damping.
//
// A solver says how to take B in, to factor and to solve; the rest is here.
#pragma once

#include <optional>
#include <string>

#include "kappa/step.h"
#include "solvers/step/acceleration.h"

namespace kappa::detail {

class FactoredStep : public StepSolver {
 public:
  /// The largest geodesic correction, 0 for none (see acceleration.h).
  FactoredStep(const std::string& name, double acceleration);

  ControlKind control() const final { return ControlKind::damping; }
  StepStatus prepare(const Subproblem& subproblem) final;
  StepReport solve(const Control& control, VectorRef step) final;
  bool resolve(ConstVectorRef rhs, VectorRef out) final;
  Index factorizations() const final { return factorizations_; }
  bool state(State& s) final {
    s.section("factored step", 1);
    s.item("factorizations", factorizations_);
    return true;
  }

 protected:
  struct Factored {
    StepStatus status = StepStatus::ok;
    Index blame = -1;  ///< the variable whose pivot failed
  };
  /// A pivot that is not positive: indefinite where it is a number.
  static Factored failed_pivot(Index variable, bool is_finite) {
    return {is_finite ? StepStatus::indefinite : StepStatus::failed, variable};
  }

  /// Takes the operator in, which outlives the following solves. False where it is not finite.
  virtual bool load(const SymmetricOperator& B) = 0;
  virtual Factored factor(double lambda, ConstVectorRef weights, const Interrupt* interrupt) = 0;
  /// x := (B + lambda W)^-1 x. Returns |L^-1 x|^2.
  virtual double solve_factored(VectorRef x) = 0;

 private:
  std::optional<Subproblem> subproblem_;
  std::string wrong_control_, not_prepared_;
  Acceleration acceleration_;
  Index factorizations_ = 0;
  bool ready_ = false;
  bool factored_ = false;
};

}  // namespace kappa::detail
