// The trust-region step by truncated conjugate gradients: minimise g'd + d'Bd/2 over |d|_W <= radius in the
// Krylov space of B and g, preconditioned by the metric, up to the radius or along the first direction
// without positive curvature to it.
//
// Use it where only products with B are to be had. The step is at least as good as the Cauchy point; in the
// convex case it gains at least half of what the exact solution gains (Yuan 2000). With g = 0 the step is
// zero, also where B is indefinite.
//
// The tolerance is |r| <= min(cap, |g|^power) |g|: with power 1/2 superlinear, as in Nocedal & Wright 2006,
// alg. 7.1. Cost: one product per iteration, memory 4 n.
//
// Reference: Steihaug, SIAM J. Numer. Anal. 20 (1983) 626; Toint 1981.
#include <array>
#include <cmath>

#include "core/option_checks.h"
#include "core/vector.h"
#include "solvers/step/conjugate_gradient.h"
#include "solvers/step/forcing_options.h"
#include "solvers/step/model.h"
#include "solvers/step/parts.h"

namespace kappa {
namespace {

constexpr const char* part = "steihaug-cg";

class SteihaugCg final : public StepSolver {
 public:
  explicit SteihaugCg(const detail::Forcing& forcing) : forcing_(forcing) {}

  ControlKind control() const override { return ControlKind::radius; }

  StepStatus prepare(const Subproblem& subproblem) override {
    subproblem_.emplace(subproblem);
    ready_ = detail::all_finite(subproblem.gradient);
    if (!ready_) {
      return StepStatus::failed;
    }
    const ConstVectorRef weights = subproblem.metric.weights();
    cg_.reserve(subproblem.B.size());
    inverse_.resize(weights.size());
    for (std::size_t i = 0; i < weights.size(); ++i) {
      inverse_[i] = 1 / weights[i];
    }
    tolerance_ = forcing_.tolerance(subproblem.metric.dual_norm(subproblem.gradient));
    return StepStatus::ok;
  }

  StepReport solve(const Control& control, VectorRef step) override {
    const double radius = detail::control_value<Radius>(control, "steihaug-cg: the control must be a radius");
    expects(subproblem_.has_value(), "steihaug-cg: solve before prepare");
    if (!ready_ || !(radius >= 0)) {
      return detail::no_step(StepStatus::failed, step);
    }
    const detail::CgResult cg = cg_.minimize({.subproblem = *subproblem_,
                                              .inverse = inverse_,
                                              .radius = std::min(radius, 1e300),
                                              .tolerance = tolerance_,
                                              .max_iterations = forcing_.limit(subproblem_->B.size())},
                                             step);
    using End = detail::CgResult::End;
    if (cg.end == End::failed || cg.end == End::interrupted) {
      return detail::no_step(cg.end == End::failed ? StepStatus::failed : StepStatus::interrupted, step);
    }
    StepReport out;
    out.slope = detail::dot(subproblem_->gradient, step);
    out.norm = subproblem_->metric.norm(step);
    out.predicted_decrease = cg.decrease;
    out.inner_iterations = cg.iterations;
    out.limit = cg.end == End::boundary ? StepReport::Limit::boundary : StepReport::Limit::interior;
    return detail::checked(out, step);
  }

  /// Each solve begins at zero.
  bool state(State& s) override {
    s.section("steihaug-cg", 1);
    return true;
  }

 private:
  detail::Forcing forcing_;
  std::optional<Subproblem> subproblem_;
  detail::ConjugateGradient cg_;
  std::vector<double> inverse_;
  double tolerance_ = 0;
  bool ready_ = false;
};

}  // namespace

StepPart steihaug_cg_part() {
  StepPart out;
  out.info.kind = PartKind::step;
  out.info.name = part;
  out.info.summary = "Trust-region step by truncated conjugate gradients; products only.";
  out.info.source = "Steihaug 1983; Conn, Gould & Toint 2000, alg. 7.5.1";
  out.info.options = describe_options<detail::NewtonForcing>(detail::newton_forcing_fields);
  out.control = ControlKind::radius;
  out.make = [](const Options& given) -> std::unique_ptr<StepSolver> {
    return std::make_unique<SteihaugCg>(detail::forcing(
        part, read_options<detail::NewtonForcing>(part, given, detail::newton_forcing_fields)));
  };
  return out;
}

}  // namespace kappa
