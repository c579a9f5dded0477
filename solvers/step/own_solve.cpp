// Steps by the curvature's own solve, for curvatures whose damped system is easier than its matrix: a
// diagonal plus low rank (L-BFGS), Kronecker factors (K-FAC).
//
//   own-solve      d = -(B + lambda W)^-1 g, lambda the acceptance's damping
//   own-direction  d = -alpha (B + damping W)^-1 g, alpha the acceptance's step length, damping an option
//
// own-solve believes products, not solves: slope and predicted decrease are recomputed with B d. A solve that
// calls itself approximate is rescaled to the minimum of the damped model along its direction, so that the
// predicted decrease is positive whenever the direction is downhill. A solve that is refused, uphill, or
// lowers the model nowhere is reported as indefinite, so that the acceptance raises the damping.
//
// Cost: one solve and one product per damping; memory 2 n.
//
// Reference: Martens & Grosse, ICML 2015, sec. 6.4 (rescaling); Byrd, Nocedal & Schnabel 1994 (solves of a
// diagonal plus low rank).
#include <algorithm>
#include <array>
#include <cmath>

#include "core/option_checks.h"
#include "core/vector.h"
#include "solvers/step/direction.h"
#include "solvers/step/model.h"
#include "solvers/step/parts.h"

namespace kappa {
namespace {

constexpr const char* solve_part = "own-solve";
constexpr const char* direction_part = "own-direction";

std::optional<std::string> no_solve(const SymmetricOperator& B, const char* part, const char* remedy) {
  if (B.solve_kind() != SolveKind::absent) {
    return std::nullopt;
  }
  return std::string(part) + " needs a curvature with a damped solve of its own; use step " + remedy;
}

class OwnSolve final : public StepSolver {
 public:
  ControlKind control() const override { return ControlKind::damping; }

  std::optional<std::string> unfit(const SymmetricOperator& B) const override {
    return no_solve(B, solve_part, "damped-cg");
  }

  StepStatus prepare(const Subproblem& subproblem) override {
    subproblem_.emplace(subproblem);
    solved_ = false;
    const auto n = static_cast<std::size_t>(subproblem.B.size());
    right_.resize(n);
    product_.resize(n);
    std::transform(subproblem.gradient.begin(), subproblem.gradient.end(), right_.begin(),
                   [](double g) { return -g; });
    ready_ = subproblem.B.solve_kind() != SolveKind::absent && detail::all_finite(right_);
    return ready_ ? StepStatus::ok : StepStatus::failed;
  }

  StepReport solve(const Control& control, VectorRef step) override {
    lambda_ = detail::control_value<Damping>(control, "own-solve: the control must be a damping");
    expects(subproblem_.has_value(), "own-solve: solve before prepare");
    solved_ = false;
    if (!ready_ || !(lambda_ >= 0 && std::isfinite(lambda_))) {
      return detail::no_step(StepStatus::failed, step);
    }
    const Subproblem& s = *subproblem_;
    if (s.interrupt != nullptr && s.interrupt->requested()) {
      return detail::no_step(StepStatus::interrupted, step);
    }
    if (!s.B.solve_damped(lambda_, s.metric.weights(), right_, step)) {
      return detail::no_step(StepStatus::indefinite, step);
    }
    return judged(s, step);
  }

  bool resolve(ConstVectorRef rhs, VectorRef out) override {
    return solved_ && subproblem_->B.solve_damped(lambda_, subproblem_->metric.weights(), rhs, out) &&
           detail::all_finite(out);
  }
  bool state(State& s) override {
    s.section(solve_part, 1);  // nothing outlives a point
    return true;
  }

 private:
  StepReport judged(const Subproblem& s, VectorRef step) {
    if (!detail::all_finite(step)) {
      return detail::no_step(StepStatus::failed, step);
    }
    s.B.multiply(step, product_);
    double curvature = detail::dot(step, product_);
    StepReport out;
    out.slope = detail::dot(s.gradient, step);
    out.norm = s.metric.norm(step);
    if (!std::isfinite(curvature) || !std::isfinite(out.slope)) {
      return detail::no_step(StepStatus::failed, step);
    }
    const bool stationary = out.norm == 0 && detail::largest(s.gradient) == 0;
    if (s.B.solve_kind() == SolveKind::approximate && !stationary) {
      const double damped = curvature + (lambda_ * out.norm) * out.norm;
      if (!(damped > 0) || !(out.slope < 0)) {
        return detail::no_step(StepStatus::indefinite, step);
      }
      const double scale = -out.slope / damped;
      std::for_each(step.begin(), step.end(), [scale](double& d) { d *= scale; });
      out.slope *= scale;
      out.norm *= scale;
      curvature *= scale * scale;
    }
    out.predicted_decrease = -(out.slope + 0.5 * curvature);
    if (!stationary && !(out.slope < 0 && out.predicted_decrease > 0)) {
      return detail::no_step(StepStatus::indefinite, step);
    }
    out.limit = detail::damping_limit(lambda_, out.norm, out.predicted_decrease);
    solved_ = true;
    return detail::checked(out, step);
  }

  std::optional<Subproblem> subproblem_;
  std::vector<double> right_, product_;
  double lambda_ = 0;
  bool ready_ = false;
  bool solved_ = false;
};

struct OwnSolveOptions {};

struct OwnDirectionOptions {
  double damping = 0;  // the curvature's own inverse
};

constexpr std::array<Field<OwnDirectionOptions>, 1> fields = {{
    {"damping", &OwnDirectionOptions::damping, "none: the curvature's own inverse",
     "added to the curvature, times the metric's weights"},
}};

class OwnDirection final : public StepSolver {
 public:
  explicit OwnDirection(const OwnDirectionOptions& options) : options_(options) {}

  ControlKind control() const override { return ControlKind::step_length; }

  std::optional<std::string> unfit(const SymmetricOperator& B) const override {
    if (B.definiteness() != Definiteness::positive_semidefinite) {
      return "own-direction needs a curvature that is positive semidefinite by construction; use step "
             "newton-cg";
    }
    return no_solve(B, direction_part, "newton-cg");
  }

  StepStatus prepare(const Subproblem& subproblem) override {
    const VectorRef p = direction_.reserve(subproblem.B.size());
    direction_.invalidate();
    subproblem_.emplace(subproblem);
    right_.resize(p.size());
    product_.resize(p.size());
    std::transform(subproblem.gradient.begin(), subproblem.gradient.end(), right_.begin(),
                   [](double g) { return -g; });
    const SymmetricOperator& B = subproblem.B;
    if (!detail::all_finite(right_) ||
        !B.solve_damped(options_.damping, subproblem.metric.weights(), right_, p)) {
      return StepStatus::failed;
    }
    B.multiply(p, product_);
    return direction_.settle(subproblem, detail::dot(p, product_)) ? StepStatus::ok : StepStatus::failed;
  }

  StepReport solve(const Control& control, VectorRef step) override {
    const double alpha =
        detail::control_value<StepLength>(control, "own-direction: the control must be a step length");
    expects(subproblem_.has_value(), "own-direction: solve before prepare");
    return direction_.along(alpha, step);
  }

  bool resolve(ConstVectorRef rhs, VectorRef out) override {
    return subproblem_.has_value() &&
           subproblem_->B.solve_damped(options_.damping, subproblem_->metric.weights(), rhs, out) &&
           detail::all_finite(out);
  }
  bool state(State& s) override {
    s.section(direction_part, 1);
    return true;
  }

 private:
  OwnDirectionOptions options_;
  std::optional<Subproblem> subproblem_;
  detail::Direction direction_;
  std::vector<double> right_, product_;
};

}  // namespace

StepPart own_solve_part() {
  StepPart out;
  out.info.kind = PartKind::step;
  out.info.name = solve_part;
  out.info.summary = "Damped step by the curvature's own solve, judged by its products.";
  out.info.source = "Martens & Grosse 2015, sec. 6.4";
  out.control = ControlKind::damping;
  out.make = [](const Options& given) -> std::unique_ptr<StepSolver> {
    read_options<OwnSolveOptions>(solve_part, given, {});
    return std::make_unique<OwnSolve>();
  };
  return out;
}

StepPart own_direction_part() {
  StepPart out;
  out.info.kind = PartKind::step;
  out.info.name = direction_part;
  out.info.summary = "Line-search direction by the curvature's own solve.";
  out.info.source = "Nocedal & Wright 2006, alg. 7.5";
  out.info.options = describe_options<OwnDirectionOptions>(fields);
  out.control = ControlKind::step_length;
  out.make = [](const Options& given) -> std::unique_ptr<StepSolver> {
    const auto options = read_options<OwnDirectionOptions>(direction_part, given, fields);
    detail::require_option(options.damping >= 0 && std::isfinite(options.damping), direction_part, "damping",
                           options.damping, "it must be a number that is not negative");
    return std::make_unique<OwnDirection>(options);
  };
  return out;
}

}  // namespace kappa
