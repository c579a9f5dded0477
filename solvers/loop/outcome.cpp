// The result: which point, and why the solve ended there.
#include <algorithm>
#include <cmath>

#include "solvers/loop/solve.h"
#include "solvers/text.h"

namespace kappa::detail {

/// Judges the last point too, and leaves the best one in the result. True where that is an earlier one.
bool Solve::judge_end() {
  ValidationWatch& validation = w_.validation;
  const ConstVectorRef last = w_.current.x;
  if (judged_at_ != result_.iterations) {
    validation.judge(last, epoch());
  }
  result_.measures = validation.best_measures();
  result_.best_epoch = validation.best_epoch();
  const ConstVectorRef best = validation.best_point();
  result_.x.assign(best.begin(), best.end());
  return !std::equal(last.begin(), last.end(), best.begin());
}

/// The point to return: the last, or the best where that is known to be another, with its value on the whole
/// sum. Returns the evaluation that is of it.
const Evaluation& Solve::take_point() {
  Result& r = result_;
  const Evaluation& at = w_.current;
  const bool evaluated =
      r.termination != Termination::initial_point && !at.x.empty() && includes(at.have, Want::value);
  if (!evaluated) {
    return at;
  }
  r.x.assign(at.x.begin(), at.x.end());
  r.value = at.value;
  bool better_seen = schedule() && !sampled() && r.iterations > 0 && best_value_ < at.value;
  if (better_seen) {
    r.x.assign(w_.best_x.begin(), w_.best_x.end());
  }
  if (w_.validation.active() && judged_at_ >= 0) {
    better_seen = judge_end();
  }
  if (!better_seen && !sampled()) {
    return at;
  }
  const Interrupt none;
  Request request;
  request.want = Want::value | Want::gradient;
  request.interrupt = &none;
  w_.trial.reset(r.x, 0);
  ++r.evaluations.value;
  ++r.evaluations.gradient;
  if (problem_.evaluate(request, w_.trial) != EvalStatus::ok) {
    r.outcome = Outcome::failed;
    r.termination = Termination::evaluation_failed;
    return at;
  }
  r.value = w_.trial.value;
  r.gradient_norm = w_.box.stationarity(r.x, w_.trial.gradient);
  return w_.trial;
}

/// What the step solver says of itself.
void Solve::note_step() {
  Result& r = result_;
  if (w_.step_solver.part == nullptr || w_.step_solver.spec.name != r.step) {
    return;
  }
  r.factorizations = w_.step_solver->factorizations();
  w_.step_solver->describe(w_.sentence);
  note(w_.sentence.c_str());
  if (const auto deficiency = w_.step_solver->deficiency()) {
    print_to(w_.sentence,
             "at the last point the curvature has rank %td of %td: nothing determines %s by itself",
             deficiency->rank, deficiency->size, problem_.variable_name(deficiency->variable).c_str());
    note(w_.sentence.c_str());
  }
  if (r.outcome != Outcome::converged && blame_ >= 0) {
    print_to(w_.sentence, "the last factorization failed at %s", problem_.variable_name(blame_).c_str());
    note(w_.sentence.c_str());
  }
}

void Solve::write_result() {
  Result& r = result_;
  r.outcome = outcome_of(r.termination);
  r.gradient_norm = gradient_norm_;
  const Evaluation& returned = take_point();
  if (includes(returned.have, Want::gradient) && returned.x == r.x) {
    w_.box.active(r.x, returned.gradient, r.active_bounds);
  }
  r.epochs = draws_ > 0 || !sampled() ? epoch() : 0;
  r.gradient_equivalents = w_.curvature.part != nullptr ? gradient_equivalents() : 0;
  r.evaluations.product = products();
  note_step();
  while (r.notes.size() > notes_) {
    w_.spare_notes.push_back(std::move(r.notes.back()));
    r.notes.pop_back();
  }
  r.seconds = seconds();
  write_reason();
}

/// Why the solve ended, with the numbers that decided.
void Solve::write_reason() {
  Result& r = result_;
  const double f = r.value;
  const char* gradient = w_.box.bounded() ? "projected gradient" : "gradient";
  switch (r.termination) {
    case Termination::gradient_tolerance:
      print_to(r.reason, "largest %s entry %.3g is at most the tolerance %.3g", gradient, r.gradient_norm,
               stopping_.gradient_tolerance);
      break;
    case Termination::decrease_tolerance:
      print_to(r.reason, "an unrestricted step is predicted to gain %.3g, at most %.3g times the value %.6g",
               last_predicted_, stopping_.decrease_tolerance, f);
      break;
    case Termination::step_tolerance:
      print_to(r.reason, "the last unrestricted step has length %.3g, at most %.3g times that of x",
               last_step_norm_, stopping_.step_tolerance);
      break;
    case Termination::target_reached:
      print_to(r.reason, "value %.6g is at most the target %.6g", f, stopping_.target);
      break;
    case Termination::rounding_limit:
      print_to(r.reason, "the predicted gain %.3g is below the rounding error of the value %.6g",
               last_predicted_, f);
      break;
    case Termination::no_progress:
      print_to(
          r.reason,
          "%td trials in a row lowered neither the value %.6g nor the %s %.3g, although a gain of %.3g was "
          "predicted",
          stalled_, f, gradient, r.gradient_norm, last_predicted_);
      break;
    case Termination::control_exhausted:
      print_to(
          r.reason,
          "no %s is left to try: the last trial was made with %.3g and brought no decrease of the value %.6g",
          name(w_.acceptance->control()), value(control_), f);
      r.reason += fault_of(w_.acceptance.part.get());
      break;
    case Termination::max_iterations:
      print_to(r.reason, "%td iterations, the limit, are used; largest %s entry %.3g", r.iterations, gradient,
               r.gradient_norm);
      break;
    case Termination::max_epochs:
      print_to(r.reason, "%td epochs, the limit, are made in %td iterations", r.epochs, r.iterations);
      break;
    case Termination::early_stopping:
      print_to(r.reason,
               "%td epochs in a row brought no better %s on the validation data than %.6g after epoch %td",
               w_.validation.stale(), w_.validation.best().name.c_str(), w_.validation.best().value,
               w_.validation.best_epoch());
      break;
    case Termination::max_evaluations:
      print_to(r.reason, "%td trial evaluations, the limit, are used; largest %s entry %.3g",
               trial_evaluations_, gradient, r.gradient_norm);
      break;
    case Termination::time_limit:
      print_to(r.reason, "the time limit of %.3g s is used up after %td iterations",
               stopping_.time_limit.count(), r.iterations);
      break;
    case Termination::stop_requested:
      print_to(r.reason, "a stop was requested after %td iterations", r.iterations);
      break;
    case Termination::initial_point:
      print_to(r.reason, "the start cannot be evaluated: %s", w_.current.fault.c_str());
      break;
    case Termination::evaluation_failed:
      print_to(r.reason, "the problem cannot be evaluated: %s%s", w_.trial.fault.c_str(),
               fault_of(w_.curvature.part.get()).c_str());
      break;
    case Termination::curvature_failed:
      print_to(r.reason, "curvature '%s' cannot be computed at the %s%s", r.curvature.c_str(),
               r.iterations == 0 ? "start" : "last point", fault_of(w_.curvature.part.get()).c_str());
      break;
    case Termination::model_refuted:
      print_to(
          r.reason,
          "curvature '%s' and step '%s' say that no gain is left at the value %.12g, but a step along the "
          "negative gradient brings %.12g; the model is far too large, or the step is not its own",
          r.curvature.c_str(), r.step.c_str(), f, refuted_by_);
      break;
    case Termination::step_failed:
      print_to(r.reason, "step '%s' found no usable step with %s %.3g; largest %s entry %.3g", r.step.c_str(),
               name(w_.acceptance->control()), value(control_), gradient, r.gradient_norm);
      r.reason += fault_of(w_.step_solver.part.get());
      r.reason += fault_of(w_.curvature.part.get());
      r.reason += fault_of(w_.acceptance.part.get());
      break;
    case Termination::unbounded:
      print_to(r.reason, "value %.6g is at most %.3g: the objective seems to have no lower bound", f,
               stopping_.unbounded_below);
      break;
  }
}

}  // namespace kappa::detail

namespace kappa {

const char* name(Outcome outcome) {
  switch (outcome) {
    case Outcome::converged:
      return "converged";
    case Outcome::stalled:
      return "stalled";
    case Outcome::limit:
      return "limit";
    case Outcome::failed:
      return "failed";
  }
  return "unknown";
}

const char* name(Termination termination) {
  switch (termination) {
    case Termination::gradient_tolerance:
      return "gradient tolerance";
    case Termination::decrease_tolerance:
      return "decrease tolerance";
    case Termination::step_tolerance:
      return "step tolerance";
    case Termination::target_reached:
      return "target reached";
    case Termination::rounding_limit:
      return "rounding limit";
    case Termination::no_progress:
      return "no progress";
    case Termination::control_exhausted:
      return "control exhausted";
    case Termination::max_iterations:
      return "iteration limit";
    case Termination::max_evaluations:
      return "evaluation limit";
    case Termination::max_epochs:
      return "epoch limit";
    case Termination::early_stopping:
      return "early stopping";
    case Termination::time_limit:
      return "time limit";
    case Termination::stop_requested:
      return "stop requested";
    case Termination::initial_point:
      return "initial point";
    case Termination::evaluation_failed:
      return "evaluation failed";
    case Termination::curvature_failed:
      return "curvature failed";
    case Termination::step_failed:
      return "step failed";
    case Termination::unbounded:
      return "unbounded";
    case Termination::model_refuted:
      return "model refuted";
  }
  return "unknown";
}

Outcome outcome_of(Termination termination) {
  switch (termination) {
    case Termination::gradient_tolerance:
    case Termination::decrease_tolerance:
    case Termination::step_tolerance:
    case Termination::target_reached:
    case Termination::rounding_limit:
      return Outcome::converged;
    case Termination::no_progress:
    case Termination::control_exhausted:
    case Termination::early_stopping:
      return Outcome::stalled;
    case Termination::max_iterations:
    case Termination::max_evaluations:
    case Termination::max_epochs:
    case Termination::time_limit:
    case Termination::stop_requested:
      return Outcome::limit;
    case Termination::initial_point:
    case Termination::evaluation_failed:
    case Termination::curvature_failed:
    case Termination::step_failed:
    case Termination::unbounded:
    case Termination::model_refuted:
      return Outcome::failed;
  }
  return Outcome::failed;
}

}  // namespace kappa
