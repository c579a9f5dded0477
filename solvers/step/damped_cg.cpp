// The damped step by conjugate gradients: (B + lambda W) d = -g to a relative residual.
//
// Use it for large problems with damping, where only products with B are to be had. The preconditioner
// (preconditioner.h) is the method's, or the diagonal of B + lambda W where B offers one, otherwise W. A
// direction without positive curvature ends the solve as indefinite, so that the acceptance raises the
// damping; at the limit of iterations the last iterate is the step (every iterate lowers the model).
//
// The predicted decrease is the sum of what each iteration gained plus lambda/2 |d|_W^2, all terms positive:
// the model's at the step as returned, converged or not. Limit: boundary where lambda |d|_W^2 exceeds a tenth
// of it.
//
// Cost: one product per iteration, memory 6 n.
//
// Reference: Hestenes & Stiefel 1952; Dembo, Eisenstat & Steihaug, SIAM J. Numer. Anal. 19 (1982) 400
// (forcing); Wright & Holt, J. Austral. Math. Soc. B 26 (1985) 387 (inexact Levenberg-Marquardt).
#include <array>
#include <cmath>

#include "core/vector.h"
#include "solvers/step/conjugate_gradient.h"
#include "solvers/step/forcing_options.h"
#include "solvers/step/model.h"
#include "solvers/step/parts.h"

namespace kappa {
namespace {

constexpr const char* part = "damped-cg";

struct DampedCgOptions {
  double forcing_cap = 0.1;    // Nash & Sofer 1990: inexact Newton methods need one digit far from a solution
  double forcing_power = 0.5;  // Dembo, Eisenstat & Steihaug 1982, cor. 3.5: superlinear
  double forcing_floor = 1e-10;  // beyond what a residual in double precision can tell apart
  Index max_iterations = 0;      // 0: the size, finite termination in exact arithmetic
};

constexpr std::array<Field<DampedCgOptions>, 4> fields =
    detail::forcing_fields<DampedCgOptions>("Dembo, Eisenstat & Steihaug 1982; Nash & Sofer 1990");

class DampedCg final : public StepSolver {
 public:
  explicit DampedCg(const detail::Forcing& forcing) : forcing_(forcing) {}

  ControlKind control() const override { return ControlKind::damping; }

  StepStatus prepare(const Subproblem& subproblem) override {
    subproblem_.emplace(subproblem);
    cg_.reserve(subproblem.B.size());
    ready_ = detail::all_finite(subproblem.gradient) && preconditioner_.prepare(subproblem);
    if (!ready_) {
      return StepStatus::failed;
    }
    tolerance_ = forcing_.tolerance(subproblem.metric.dual_norm(subproblem.gradient));
    return StepStatus::ok;
  }

  StepReport solve(const Control& control, VectorRef step) override {
    const double lambda = detail::control_value<Damping>(control, "damped-cg: the control must be a damping");
    expects(subproblem_.has_value(), "damped-cg: solve before prepare");
    if (!ready_ || !(lambda >= 0 && std::isfinite(lambda))) {
      return detail::no_step(StepStatus::failed, step);
    }
    preconditioner_.set_damping(lambda);
    const detail::CgResult cg = cg_.minimize({.subproblem = *subproblem_,
                                              .preconditioner = &preconditioner_,
                                              .damping = lambda,
                                              .tolerance = tolerance_,
                                              .max_iterations = forcing_.limit(subproblem_->B.size())},
                                             step);
    using End = detail::CgResult::End;
    if (cg.end == End::failed || cg.end == End::interrupted) {
      return detail::no_step(cg.end == End::failed ? StepStatus::failed : StepStatus::interrupted, step);
    }
    if (cg.end == End::negative_curvature) {
      StepReport out = detail::no_step(StepStatus::indefinite, step);
      out.inner_iterations = cg.iterations;
      return out;
    }
    StepReport out;
    out.slope = detail::dot(subproblem_->gradient, step);
    out.norm = subproblem_->metric.norm(step);
    out.predicted_decrease = cg.decrease + 0.5 * (lambda * out.norm) * out.norm;
    out.inner_iterations = cg.iterations;
    out.limit = detail::damping_limit(lambda, out.norm, out.predicted_decrease);
    return detail::checked(out, step);
  }

  /// Each solve begins at zero.
  bool state(State& s) override {
    s.section("damped-cg", 1);
    return true;
  }

 private:
  detail::Forcing forcing_;
  std::optional<Subproblem> subproblem_;
  detail::ConjugateGradient cg_;
  detail::Preconditioner preconditioner_;
  double tolerance_ = 0;
  bool ready_ = false;
};

}  // namespace

StepPart damped_cg_part() {
  StepPart out;
  out.info.kind = PartKind::step;
  out.info.name = part;
  out.info.summary = "Damped step by preconditioned conjugate gradients; products only.";
  out.info.source = "Dembo, Eisenstat & Steihaug 1982; Wright & Holt 1985";
  out.info.options = describe_options<DampedCgOptions>(fields);
  out.control = ControlKind::damping;
  out.preconditioned = true;
  out.make = [](const Options& given) -> std::unique_ptr<StepSolver> {
    return std::make_unique<DampedCg>(
        detail::forcing(part, read_options<DampedCgOptions>(part, given, fields)));
  };
  return out;
}

}  // namespace kappa
