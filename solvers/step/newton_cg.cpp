// A direction of descent by truncated conjugate gradients on B p = -g, for a line search: d = alpha p.
//
// Use it where only products with B are to be had and the acceptance is a line search. At a direction without
// positive curvature the last iterate is taken, and at the first iteration the steepest descent of the
// metric, -W^-1 g: p'g < 0 in every case.
//
// The tolerance is |r| <= min(cap, |g|^power) |g|. Cost: one product per iteration and one more for p'Bp,
// once per point; each alpha costs O(n). Memory 7 n.
//
// Reference: Dembo & Steihaug, Math. Programming 26 (1983) 190; Nocedal & Wright 2006, alg. 7.1.
#include <array>
#include <cmath>

#include "core/vector.h"
#include "solvers/step/conjugate_gradient.h"
#include "solvers/step/direction.h"
#include "solvers/step/forcing_options.h"
#include "solvers/step/model.h"
#include "solvers/step/parts.h"

namespace kappa {
namespace {

constexpr const char* part = "newton-cg";

class NewtonCg final : public StepSolver {
 public:
  explicit NewtonCg(const detail::Forcing& forcing) : forcing_(forcing) {}

  ControlKind control() const override { return ControlKind::step_length; }

  StepStatus prepare(const Subproblem& subproblem) override {
    const Index n = subproblem.B.size();
    const VectorRef p = direction_.reserve(n);
    direction_.invalidate();
    prepared_ = true;
    if (!detail::all_finite(subproblem.gradient)) {
      return StepStatus::failed;
    }
    cg_.reserve(n);
    const ConstVectorRef weights = subproblem.metric.weights();
    inverse_.resize(weights.size());
    product_.resize(weights.size());
    for (std::size_t i = 0; i < weights.size(); ++i) {
      inverse_[i] = 1 / weights[i];
    }
    const double norm = subproblem.metric.dual_norm(subproblem.gradient);
    const detail::CgResult cg = cg_.minimize({.subproblem = subproblem,
                                              .inverse = inverse_,
                                              .tolerance = forcing_.tolerance(norm),
                                              .max_iterations = forcing_.limit(n)},
                                             p);
    using End = detail::CgResult::End;
    if (cg.end == End::failed || cg.end == End::interrupted) {
      return cg.end == End::failed ? StepStatus::failed : StepStatus::interrupted;
    }
    if (cg.end == End::negative_curvature && cg.iterations == 1) {
      for (std::size_t i = 0; i < p.size(); ++i) {
        p[i] = -inverse_[i] * subproblem.gradient[i];
      }
    }
    subproblem.B.multiply(p, product_);
    const bool downhill = direction_.settle(subproblem, detail::dot(p, product_), cg.iterations);
    return downhill ? StepStatus::ok : StepStatus::failed;
  }

  StepReport solve(const Control& control, VectorRef step) override {
    const double alpha =
        detail::control_value<StepLength>(control, "newton-cg: the control must be a step length");
    expects(prepared_, "newton-cg: solve before prepare");
    return direction_.along(alpha, step);
  }

  /// Each solve begins at zero.
  bool state(State& s) override {
    s.section("newton-cg", 1);
    return true;
  }

 private:
  detail::Forcing forcing_;
  detail::ConjugateGradient cg_;
  detail::Direction direction_;
  std::vector<double> inverse_, product_;
  bool prepared_ = false;
};

}  // namespace

StepPart newton_cg_part() {
  StepPart out;
  out.info.kind = PartKind::step;
  out.info.name = part;
  out.info.summary = "Line-search direction by truncated conjugate gradients; products only.";
  out.info.source = "Dembo & Steihaug 1983; Nocedal & Wright 2006, alg. 7.1";
  out.info.options = describe_options<detail::NewtonForcing>(detail::newton_forcing_fields);
  out.control = ControlKind::step_length;
  out.make = [](const Options& given) -> std::unique_ptr<StepSolver> {
    return std::make_unique<NewtonCg>(detail::forcing(
        part, read_options<detail::NewtonForcing>(part, given, detail::newton_forcing_fields)));
  };
  return out;
}

}  // namespace kappa
