// The laws of a step solver, on the models of real problems; the oracle is the dense matrix of products.
#include <Eigen/Dense>
#include <algorithm>
#include <cmath>

#include "kappa/registry.h"
#include "plugins/check/findings.h"

namespace kappa::detail {
namespace {

using Vector = std::vector<double>;

Control control_of(ControlKind kind, double value) {
  switch (kind) {
    case ControlKind::radius:
      return Radius{value};
    case ControlKind::damping:
      return Damping{value};
    case ControlKind::cubic_weight:
      return CubicWeight{value};
    case ControlKind::step_length:
      break;
  }
  return StepLength{value};
}

/// From loose to tight, for a model of this size.
Vector controls(ControlKind kind, double curvature, double length) {
  Vector out;
  for (const double factor : {1e-6, 1e-3, 1.0, 1e3}) {
    out.push_back(kind == ControlKind::radius        ? length / (1e3 * factor)
                  : kind == ControlKind::step_length ? 1 / (1 + factor)
                                                     : factor * curvature);
  }
  return out;
}

struct Model {
  const SymmetricOperator& B;
  Eigen::MatrixXd matrix;
  Vector gradient;
  Metric metric;
  bool indefinite;
};

struct Taken {
  StepReport report;
  Vector step;
};

std::vector<Taken> steps_of(StepSolver& solver, const Model& model, const Vector& values,
                            StepStatus& prepared) {
  std::vector<Taken> out;
  prepared = solver.prepare({model.B, model.gradient, model.metric});
  for (const double value : values) {
    out.push_back({{}, Vector(model.gradient.size(), std::nan(""))});
    if (prepared == StepStatus::ok) {
      out.back().report = solver.solve(control_of(solver.control(), value), out.back().step);
    }
  }
  return out;
}

bool same(const std::vector<Taken>& a, const std::vector<Taken>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const Taken& x, const Taken& y) {
    return x.report.status == y.report.status && same_bits(x.step, y.step);
  });
}

Eigen::Map<const Eigen::VectorXd> view(const Vector& v) {
  return {v.data(), static_cast<Index>(v.size())};
}

double relative(double a, double b, double scale) {
  return std::fabs(a - b) / std::max(scale, 1e-300);
}

/// The decrease at the minimiser of the model along -W^-1 g within the radius (Nocedal & Wright 2006, eq.
/// 4.12).
double cauchy_decrease(const Model& model, double radius) {
  const Eigen::VectorXd g = view(model.gradient);
  const Eigen::Map<const Eigen::VectorXd> weights(model.metric.weights().data(), g.size());
  const Eigen::VectorXd p = -g.cwiseQuotient(weights);
  const double slope = g.dot(p);
  const double curve = p.dot(model.matrix * p);
  const double longest = radius / std::sqrt(p.dot(weights.cwiseProduct(p)));
  const double t = curve > 0 ? std::min(-slope / curve, longest) : longest;
  return -(t * slope + 0.5 * t * t * curve);
}

void laws_of(const Taken& taken, double control, ControlKind kind, const Model& model, Findings& findings) {
  const StepReport& report = taken.report;
  const auto d = view(taken.step);
  const auto g = view(model.gradient);
  const double slope = g.dot(d);
  const double curve = d.dot(model.matrix * d);
  const double norm = model.metric.norm(taken.step);
  findings.require("slope is g'd", relative(report.slope, slope, g.cwiseAbs().dot(d.cwiseAbs())), 1e-9,
                   "report g'd of the step as it is returned");
  findings.require("norm is |d| in the metric", relative(report.norm, norm, norm), 1e-9,
                   "report sqrt(sum weights_i d_i^2) of the step as it is returned");
  findings.require(
      "predicted decrease is -(g'd + d'Bd/2)",
      relative(report.predicted_decrease, -(slope + 0.5 * curve), std::fabs(slope) + 0.5 * std::fabs(curve)),
      1e-7, "recompute the model's value at the step as it is returned, after all shortening");
  findings.require("the step goes downhill", slope, 0,
                   "g'd must not be positive: check the sign of the right-hand side");
  if (kind == ControlKind::radius) {
    findings.require("|d| over the radius", norm / control, 1.1,
                     "shorten the step to the radius before it is returned");
    findings.require("decrease of the Cauchy step over that of the step",
                     cauchy_decrease(model, control) / std::max(-(slope + 0.5 * curve), 1e-300), 10,
                     "no radius may give a step much worse than the best one along the gradient: fall back "
                     "on that (Nocedal & Wright 2006, sec. 4.1)");
  }
}

/// Damping and weights of the cubic term are in units of the model, where the metric is not.
double unit_of(const StepPart& part, const Model& model) {
  const bool scaled = part.control == ControlKind::damping && !model.indefinite;
  return scaled ? 1 : model.matrix.cwiseAbs().maxCoeff();
}

/// False where the part says that the model is none for it.
bool laws_on(const StepPart& part, const Options& options, const Model& model, const CheckSettings& settings,
             Findings& findings) {
  const std::unique_ptr<StepSolver> solver = part.make(options);
  if (const std::optional<std::string> why = solver->unfit(model.B)) {
    findings.does_not_apply(*why);
    return false;
  }
  solver->start();
  const Vector gradient = model.gradient;
  const Vector weights(model.metric.weights().begin(), model.metric.weights().end());
  const double length =
      std::max(model.metric.norm(model.gradient), 1e-300) / model.matrix.diagonal().cwiseAbs().maxCoeff();
  const Vector values = controls(part.control, unit_of(part, model), length);
  StepStatus prepared{};
  const std::vector<Taken> taken = steps_of(*solver, model, values, prepared);
  const std::string why = std::string(solver->fault());
  if (model.indefinite && prepared == StepStatus::indefinite) {
    findings.does_not_apply("prepare says that an indefinite model is none for it");
    return false;
  }
  findings.holds(
      "prepare works on the models of the check", prepared == StepStatus::ok,
      why.empty() ? "prepare failed and did not say why: write a sentence into `error`" : why.c_str());
  if (prepared != StepStatus::ok) {
    return true;
  }
  double last = std::numeric_limits<double>::infinity();
  for (std::size_t k = 0; k < taken.size(); ++k) {
    if (taken[k].report.status != StepStatus::ok) {
      continue;
    }
    laws_of(taken[k], values[k], part.control, model, findings);
    if (std::isfinite(last)) {
      findings.require("a tighter control gives no longer step",
                       taken[k].report.norm / std::max(last, 1e-300), 1.01,
                       "the norm of the step must fall as the control tightens");
    }
    last = taken[k].report.norm;
  }
  // The length of a line search's step changes nothing about its direction.
  if (!model.indefinite || part.control != ControlKind::step_length) {
    findings.holds(
        "a tight control gives a step", taken.back().report.status == StepStatus::ok,
        "with enough damping, or a small enough radius, there is always a step: see solve's statuses");
  }
  findings.holds("what it is given stays as it was",
                 same_bits(gradient, model.gradient) && same_bits(weights, model.metric.weights()),
                 "gradient and weights are the host's: copy what is to be changed");
  StepStatus again{};
  findings.holds("prepared again, it gives the same bits",
                 same(taken, steps_of(*solver, model, values, again)),
                 "prepare must take everything from the subproblem; a warm start belongs in start");
  const std::unique_ptr<StepSolver> other = part.make(options);
  static_cast<void>(other->unfit(model.B));
  other->start();
  findings.holds(
      "two objects give the same bits", same(taken, steps_of(*other, model, values, again)),
      "what differs is kept outside the object, or depends on time, addresses or random numbers: seed them");
  if (settings.allocations) {
    // No law: a factorization may be a library's, which has its own way with memory.
    Vector step = taken.back().step;
    const std::uint64_t before = settings.allocations();
    solver->solve(control_of(part.control, values.back()), step);
    findings.note("allocations in a solve for a new control",
                  static_cast<double>(settings.allocations() - before));
  }
  return true;
}

/// The laws on the model that `curvature` makes of the target's start; false where that is none for the part.
bool laws_with(const char* curvature_name, const StepPart& part, const Target& target,
               const CheckSettings& settings, Findings& findings) {
  const auto curvature = registry().curvature(curvature_name).make({});
  CurvatureNeeds needs = curvature->needs();
  needs.blocks = part.blocks;
  Evaluation at;
  if (!target.problem->models().contains(needs.models) ||
      evaluate_at(*target.problem, target.x0, needs, at) != EvalStatus::ok ||
      curvature->refresh(at, nullptr, {}) != Curvature::Status::ok) {
    return false;
  }
  const SymmetricOperator& B = curvature->at_point();
  if (part.blocks && B.blocks() == nullptr) {
    return false;
  }
  Eigen::MatrixXd matrix(B.size(), B.size());
  Vector unit(at.gradient.size(), 0.0);
  for (Index j = 0; j < B.size(); ++j) {
    unit[static_cast<std::size_t>(j)] = 1;
    B.multiply(unit, {matrix.col(j).data(), unit.size()});
    unit[static_cast<std::size_t>(j)] = 0;
  }
  const Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> spectrum(matrix, Eigen::EigenvaluesOnly);
  const bool indefinite = spectrum.eigenvalues()[0] < -1e-6 * matrix.cwiseAbs().maxCoeff();
  if (indefinite == (B.definiteness() == Definiteness::positive_semidefinite)) {
    return false;  // the Hessian where it is definite shows nothing that Gauss-Newton's does not
  }
  // Marquardt's metric is of positive diagonals.
  const MetricKind kind = indefinite ? MetricKind::identity : MetricKind::marquardt;
  Model model{B, std::move(matrix), at.gradient, Metric(kind), indefinite};
  model.metric.update(B);
  return laws_on(part, options_for(settings, part.info.name), model, settings, findings);
}

}  // namespace

void check_step(const StepPart& part, const CheckSettings& settings, Findings& findings) {
  Index problems = 0;
  for (const Target& target : check_problems()) {
    findings.problem(target.address());
    problems += laws_with("outer-product", part, target, settings, findings) ? 1 : 0;
    findings.problem(target.address() + ", its Hessian");
    problems += laws_with("exact", part, target, settings, findings) ? 1 : 0;
  }
  findings.problem("any problem");
  findings.holds("it can be used on some problem of the check", problems > 0,
                 "it fits no model of the check, see unfit and flags");
}

}  // namespace kappa::detail
