// The laws of acceptances, losses and problems.
#include <oneapi/tbb/parallel_for.h>

#include <algorithm>
#include <cmath>

#include "kappa/derivatives.h"
#include "plugins/check/findings.h"

namespace kappa::detail {
namespace {

constexpr double nan = std::numeric_limits<double>::quiet_NaN();

bool scales(ControlKind kind) {
  return kind == ControlKind::damping || kind == ControlKind::cubic_weight;
}

/// Smaller radii and lengths, larger dampings and weights.
bool tighter(const Control& next, const Control& than) {
  return scales(kind(than)) ? value(next) > value(than) : value(next) < value(than);
}

/// A trial with this share of the predicted decrease, of a function in units of `unit`.
Trial trial_with(double ratio, double unit) {
  Trial out;
  out.current_value = 3 * unit;
  out.step.slope = -2 * unit;
  out.step.predicted_decrease = unit;
  out.step.norm = 0.5;
  out.value = out.current_value - ratio * unit;
  out.slope = (-2 + 2 * ratio) * unit;
  return out;
}

Trial outside_domain(double unit) {
  Trial out = trial_with(1, unit);
  out.evaluation = EvalStatus::outside_domain;
  out.value = nan;
  return out;
}

StartInfo start_info(double unit) {
  StartInfo out;
  out.gradient_norm = 4 * unit;
  out.point_norm = 2;
  out.value = 3 * unit;
  out.variables = 5;
  return out;
}

void rejections(Acceptance& acceptance, bool outside, Findings& findings) {
  Control control = acceptance.start(start_info(1));
  bool tightens = true;
  bool ends = false;
  for (int k = 0; k < 2000 && !ends; ++k) {
    const Verdict verdict = acceptance.judge(outside ? outside_domain(1) : trial_with(-5, 1), control);
    ends = verdict.decision == Decision::give_up;
    if (verdict.decision == Decision::retry) {
      tightens = tightens && tighter(verdict.next, control);
      control = verdict.next;
    } else if (!ends) {
      findings.holds(
          "a trial that is worse is not accepted", false,
          outside ? "a trial that is not evaluated has no value: retry" : "a higher value was accepted");
      return;
    }
  }
  findings.holds("a rejection tightens the control", tightens,
                 "the next control of a KAPPA_RETRY must be tighter, or the same step is tried again");
}

/// The verdicts on one history, in units of `unit`.
std::vector<std::pair<Decision, double>> history(Acceptance& acceptance, double unit) {
  std::vector<std::pair<Decision, double>> out;
  const double per_unit = scales(acceptance.control()) ? unit : 1;
  Control control = acceptance.start(start_info(unit));
  out.emplace_back(Decision::retry, value(control) / per_unit);
  for (const double ratio : {1.0, 0.9, -2.0, -0.5, 0.3, 0.9, nan, 0.05, 1.0}) {
    const Verdict verdict =
        acceptance.judge(std::isnan(ratio) ? outside_domain(unit) : trial_with(ratio, unit), control);
    out.emplace_back(verdict.decision, value(verdict.next) / per_unit);
    control = verdict.next;
  }
  return out;
}

}  // namespace

void check_acceptance(const AcceptancePart& part, const CheckSettings& settings, Findings& findings) {
  const Options options = options_for(settings, part.info.name);
  findings.problem("numbers");
  const std::unique_ptr<Acceptance> acceptance = part.make(options);
  const Control first = acceptance->start(start_info(1));
  findings.holds("the first control is positive and finite",
                 acceptance->fault().empty() && value(first) > 0 && std::isfinite(value(first)),
                 "start must give a control that a step solver can use");
  if (acceptance->needs() == TrialNeeds::nothing) {
    return;  // a schedule judges nothing
  }
  const Verdict good = acceptance->judge(trial_with(1, 1), first);
  findings.holds("a trial as good as predicted is accepted", good.decision == Decision::accept,
                 "actual and predicted decrease are equal here");
  rejections(*acceptance, false, findings);
  rejections(*acceptance, true, findings);
  const auto once = history(*acceptance, 1);
  findings.holds("start forgets the solve before", once == history(*acceptance, 1),
                 "put the object back to where create left it");
  findings.holds("two objects give the same verdicts", once == history(*part.make(options), 1),
                 "keep all state in the object that create returns");
  bool alike = true;
  const auto scaled = history(*part.make(options), 1024);
  for (std::size_t k = 1; k < once.size(); ++k) {  // the first control may be absolute
    alike = alike && once[k].first == scaled[k].first;
  }
  findings.holds("verdicts do not change with the units of the objective", alike,
                 "compare values with values and slopes, never with constants");
}

void check_loss(const std::string& name, const CheckSettings& settings, Findings& findings) {
  const Loss loss = plugin_loss(name, options_for(settings, name));
  findings.problem("s from 1e-4 to 1e4");
  findings.require("rho(0) = 0", std::fabs(loss.evaluate(0).rho), 0, "subtract rho(0)");
  double slopes = 0;
  double curves = 0;
  bool rising = true;
  bool finite = true;
  for (double s = 1e-4; s < 2e4; s *= 3.1) {
    const double h = 1e-5 * s;
    const LossValue at = loss.evaluate(s);
    const LossValue up = loss.evaluate(s + h);
    const LossValue down = loss.evaluate(s - h);
    finite = finite && std::isfinite(at.rho) && std::isfinite(at.first) && std::isfinite(at.second);
    rising = rising && at.first >= 0;
    slopes = std::max(slopes, std::fabs((up.rho - down.rho) / (2 * h) - at.first));
    curves = std::max(curves, s * std::fabs((up.first - down.first) / (2 * h) - at.second));
  }
  findings.holds("finite", finite, "rho and its derivatives must be finite for every s >= 0");
  findings.holds("rho' >= 0", rising, "a larger residual must not cost less");
  findings.require("rho' (differences of rho)", slopes, 1e-5, "out[1] must be the derivative of out[0] by s");
  findings.require("rho'' (differences of rho')", curves, 1e-4,
                   "out[2] must be the derivative of out[1] by s");
}

void check_problem(const std::string& name, const CheckSettings& settings, Findings& findings) {
  const PluginProblem made = plugin_problem(name, options_for(settings, name));
  const Problem& problem = *made.problem;
  findings.problem("its start");
  Evaluation at;
  CurvatureNeeds needs;
  const EvalStatus status = evaluate_at(problem, made.x0, needs, at);
  findings.holds("the start can be evaluated", status == EvalStatus::ok,
                 at.fault.empty() ? "value and gradient must be finite at the start" : at.fault.c_str());
  if (status != EvalStatus::ok) {
    return;
  }
  const DerivativeCheck derivatives = check_derivatives(problem, made.x0);
  findings.require("derivatives that differ from finite differences",
                   static_cast<double>(derivatives.mismatches.size()), 0,
                   derivatives.passed() ? "" : derivatives.mismatches.front().where.c_str());
  constexpr Index calls = 16;
  std::vector<Evaluation> beside(static_cast<std::size_t>(calls));
  tbb::parallel_for(Index{0}, calls, [&](Index k) {
    evaluate_at(problem, made.x0, needs, beside[static_cast<std::size_t>(k)]);
  });
  findings.holds("called from many threads at once, it gives the same bits",
                 std::all_of(beside.begin(), beside.end(),
                             [&](const Evaluation& e) {
                               return e.value == at.value && same_bits(e.gradient, at.gradient);
                             }),
                 "evaluate shares scratch between calls: keep it on the stack or for each thread");
}

}  // namespace kappa::detail
