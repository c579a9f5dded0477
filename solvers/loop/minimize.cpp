// The one loop. It moves Evaluation slots and asks the parts in turn: refresh, prepare, solve, judge,
// observe.
//
//     evaluate start; refresh; prepare; control = start
//     until a stopping test holds at the current point:
//         step = solve(control); evaluate trial; verdict = judge(trial)
//         accept:  the trial slot becomes current; complete its derivatives; refresh; prepare
//         retry:   solve again from the same point with the verdict's control
//         alternative: an earlier iterate of the same solve is the next trial
//
// A trial is completed (derivatives, curvature) before the point it came from is given up, so a derivative
// that is not finite is one more rejection and never the end of the accepted point.
#include "kappa/minimize.h"

#include <algorithm>
#include <cmath>

#include "core/vector.h"
#include "solvers/loop/solve.h"
#include "solvers/text.h"

namespace kappa::detail {

void Solve::note(const char* text) {
  if (*text == '\0') {
    return;
  }
  if (notes_ == result_.notes.size()) {
    result_.notes.emplace_back();
  }
  result_.notes[notes_++] = text;
}

/// First point: evaluate, refresh, choose the step solver, prepare, first control.
bool Solve::begin() {
  draw_samples();
  if (sampled()) {  // values are reported on the whole sum
    w_.trial.reset(result_.x, 0);
    if (const EvalStatus status = evaluate(w_.trial, Want::value | Want::gradient, {});
        status == EvalStatus::ok) {
      result_.initial_value = w_.trial.value;
    }
    evaluated_ = 0;  // it only judges
  }
  renews_ = w_.curvature->due();
  w_.current.reset(result_.x, gradient_sample_.id);
  const EvalStatus status = complete(w_.current);
  if (includes(w_.current.have, Want::value)) {
    result_.initial_value = sampled() ? result_.initial_value : w_.current.value;
    result_.value = w_.current.value;
  }
  if (status == EvalStatus::interrupted) {
    return finish(interrupt_.stop_requested() ? Termination::stop_requested : Termination::time_limit);
  }
  if (status != EvalStatus::ok) {
    return finish(Termination::initial_point);
  }
  for (const std::string& fact : problem_.notes(models_)) {
    note(fact.c_str());
  }
  if (refresh_curvature(nullptr, {}) != Curvature::Status::ok) {
    return finish(Termination::curvature_failed);
  }
  settle_step_solver();
  if (!model_current()) {
    return false;
  }
  best_value_ = w_.current.value;
  best_gradient_norm_ = gradient_norm_;
  StartInfo info;
  info.gradient_norm = w_.metric.dual_norm(w_.current.gradient);
  info.point_norm = point_norm();
  info.value = w_.current.value;
  info.variables = problem_.tangent_dimension();
  control_ = w_.acceptance->start(info);
  fingerprint_start();
  return true;
}

/// |x| in the metric, as a step's length is measured.
double Solve::point_norm() {
  if (problem_.dimension() == problem_.tangent_dimension()) {
    return w_.metric.norm(w_.current.x);
  }
  problem_.tangent_scale(w_.current.x, w_.carried);
  return w_.metric.norm(w_.carried);
}

/// |g| in the metric's dual norm without the entries that press against a bound.
double Solve::dual_norm(const Evaluation& at) {
  if (!w_.box.bounded()) {
    return w_.metric.dual_norm(at.gradient);
  }
  w_.carried.assign(at.gradient.begin(), at.gradient.end());
  w_.box.clear_pressed(at.x, w_.carried);
  return w_.metric.dual_norm(w_.carried);
}

/// The model at the current, refreshed point: metric, prepare.
bool Solve::model_current() {
  gradient_norm_ = w_.box.stationarity(w_.current.x, w_.current.gradient);
  // A point that ends the solve needs no step. What a damped solver finds there, the rank, is part of the
  // result.
  const bool last = result_.iterations > 0 && !sampled() && gradient_norm_ <= stopping_.gradient_tolerance;
  if (last && w_.acceptance->control() != ControlKind::damping) {
    return true;
  }
  w_.metric.update(w_.curvature->at_point());
  if (needs_ == TrialNeeds::value_and_gradient) {
    dual_gradient_norm_ = dual_norm(w_.current);
  }
  alternative_ = 0;
  const Subproblem model{w_.curvature->at_point(), w_.current.gradient, w_.metric, &interrupt_,
                         preconditions_ ? &w_.preconditioner->at_point() : nullptr};
  const StepStatus status =
      w_.box.bounded() ? w_.bounded_step.prepare(w_.current.x, model) : w_.step_solver->prepare(model);
  if (status == StepStatus::interrupted) {
    return finish(interrupt_.stop_requested() ? Termination::stop_requested : Termination::time_limit);
  }
  return status == StepStatus::failed ? finish(Termination::step_failed) : true;
}

/// The tests that need no step. They come before the step, so a converged start takes none.
bool Solve::stop_before_step() {
  if (interrupt_.stop_requested()) {
    return !finish(Termination::stop_requested);
  }
  if (interrupt_.past_deadline()) {
    return !finish(Termination::time_limit);
  }
  if (w_.current.value <= stopping_.unbounded_below) {
    return !finish(Termination::unbounded);
  }
  if (!sampled() && w_.current.value <= stopping_.target) {
    return !finish(Termination::target_reached);
  }
  if (!sampled() && gradient_norm_ <= stopping_.gradient_tolerance) {
    return !finish(Termination::gradient_tolerance);
  }
  if (result_.iterations >= stopping_.max_iterations) {
    return !finish(Termination::max_iterations);
  }
  if (stopping_.max_epochs > 0 && epoch() >= stopping_.max_epochs) {
    return !finish(Termination::max_epochs);
  }
  if (trial_evaluations_ >= stopping_.max_evaluations) {
    return !finish(Termination::max_evaluations);
  }
  if (!schedule() && stalled_ >= stopping_.max_stalled) {
    const bool at_rounding = free_predicted_ <= last_rounding_;
    return !(at_rounding ? finish_by_model(Termination::rounding_limit) : finish(Termination::no_progress));
  }
  return false;
}

/// One trial; false where the solve ends.
bool Solve::try_step() {
  Trial trial;
  unsolved_ = false;
  ++result_.trials;
  trial.step = alternative_ > 0   ? w_.step_solver->alternative(alternative_, w_.step)
               : w_.box.bounded() ? w_.bounded_step.solve(control_, w_.step)
                                  : w_.step_solver->solve(control_, w_.step);
  walking_ = alternative_ > 0;
  alternative_ = 0;
  trial.step.alternatives = w_.box.bounded() ? 0 : trial.step.alternatives;  // they may lie outside
  walking_ = walking_ || trial.step.alternatives > 0;
  trial.current_gradient_norm = dual_gradient_norm_;
  trial.current_value = w_.current.value;
  trial.value_rounding = w_.current.value_rounding;
  trial.value = std::nan("");
  last_predicted_ = trial.step.predicted_decrease;
  last_rounding_ = trial.rounding();
  blame_ = trial.step.blame;
  last_step_norm_ = trial.step.norm;
  if (trial.step.status == StepStatus::interrupted) {
    return finish(interrupt_.stop_requested() ? Termination::stop_requested : Termination::time_limit);
  }
  if (trial.step.status == StepStatus::ok) {
    const bool free_step = trial.step.limit == StepReport::Limit::interior && !schedule();
    if (free_step || trial.step.limit == StepReport::Limit::bounds) {
      free_predicted_ = trial.step.predicted_decrease;
    }
    if (free_step && !sampled() && trial.step.predicted_decrease >= 0 &&
        trial.step.predicted_decrease <= stopping_.decrease_tolerance * std::fabs(w_.current.value)) {
      return finish_by_model(Termination::decrease_tolerance);
    }
    if (schedule()) {
      draw_samples();
    }
    w_.trial.reset(w_.current.x, schedule() ? gradient_sample_.id : w_.current.sample);
    problem_.retract(w_.current.x, w_.step, w_.trial.x);
    w_.box.settle(w_.current.x, w_.step, w_.trial.x);
    if (w_.trial.x == w_.current.x && !schedule()) {
      return free_predicted_ <= trial.rounding() ? finish_by_model(Termination::rounding_limit)
                                                 : finish(Termination::control_exhausted);
    }
    ++trial_evaluations_;
    evaluate_trial(trial);
    if (trial.evaluation == EvalStatus::interrupted) {
      return finish(interrupt_.stop_requested() ? Termination::stop_requested : Termination::time_limit);
    }
    if (trial.evaluation == EvalStatus::failed) {
      return finish(Termination::evaluation_failed);
    }
    if (trial.evaluation == EvalStatus::ok) {
      trial.value = w_.trial.value;
      if (includes(w_.trial.have, Want::gradient)) {
        problem_.transport(w_.current.x, w_.step, w_.step, w_.carried);
        for (std::size_t i = 0; i < w_.step.size(); ++i) {
          trial.slope += w_.trial.gradient[i] * w_.carried[i];
        }
        trial.gradient_norm = dual_norm(w_.trial);
      }
    }
  } else {
    trial.evaluation = EvalStatus::outside_domain;
  }
  return handle(w_.acceptance->judge(trial, control_), trial);
}

void Solve::evaluate_trial(Trial& trial) {
  if (!all_finite(w_.trial.x)) {
    trial.evaluation = EvalStatus::outside_domain;
    return;
  }
  if (schedule()) {
    renews_ = w_.curvature->due();
    trial.evaluation = complete(w_.trial);
    return;
  }
  if (backtracks_) {
    backtrack_trial();
  }
  const bool at_once = method_.inner.when == InnerIterations::When::always;
  if (refines_ && at_once) {
    refine_trial();
  }
  trial.evaluation = evaluate(w_.trial, trial_wants(), gradient_sample_);
  const bool worse = trial.evaluation == EvalStatus::ok && w_.trial.value >= w_.current.value;
  if (refines_ && !at_once && worse) {
    refine_trial();
    w_.trial.have = Want::nothing;
    trial.evaluation = evaluate(w_.trial, trial_wants(), gradient_sample_);
  }
}

/// Lets the problem re-solve the variables that it can by themselves. A curvature that compares two points is
/// told the way between them.
void Solve::refine_trial() {
  refines_ = problem_.refine(w_.trial.x, method_.inner.steps, &interrupt_).has_value();
  if (!refines_) {
    note(
        "the problem has no variables that can be re-solved by themselves, so there are no inner iterations");
  } else if (history_) {
    problem_.local(w_.current.x, w_.trial.x, w_.step);
  }
}

/// Lets the problem take back what went astray by itself.
void Solve::backtrack_trial() {
  const std::optional<Index> moved = problem_.backtrack(w_.current.x, w_.trial.x, &interrupt_);
  backtracks_ = moved.has_value();
  if (history_ && moved.value_or(0) > 0) {
    problem_.local(w_.current.x, w_.trial.x, w_.step);
  }
}

bool Solve::handle(const Verdict& verdict, const Trial& trial) {
  w_.curvature->judged(trial);
  if (verdict.keep == Verdict::Keep::yes) {
    std::swap(w_.kept, w_.trial);
    std::swap(w_.kept_step, w_.step);
    kept_trial_ = trial;
    kept_ = true;
  }
  switch (verdict.decision) {
    case Decision::accept_kept:
      expects(kept_, "Acceptance: accept_kept without a kept trial");
      std::swap(w_.kept, w_.trial);
      std::swap(w_.kept_step, w_.step);
      [[fallthrough]];
    case Decision::accept:
      if (verdict.decision == Decision::accept && verdict.keep == Verdict::Keep::yes) {
        std::swap(w_.kept, w_.trial);
        std::swap(w_.kept_step, w_.step);
      }
      return take_trial(verdict.decision == Decision::accept_kept ? kept_trial_ : trial, verdict.next);
    case Decision::alternative:
      expects(verdict.alternative >= 1, "Acceptance: alternatives are numbered from 1");
      alternative_ = verdict.alternative;
      return true;
    case Decision::retry:
      expects_acceptance_ = false;
      control_ = verdict.next;
      ++stalled_;
      observe(Progress::Event::rejected, &trial);
      return true;
    case Decision::give_up:
      break;
  }
  return finish(trial.step.status != StepStatus::ok ? Termination::step_failed
                                                    : Termination::control_exhausted);
}

/// The trial slot becomes the current point, if its derivatives can be had.
bool Solve::take_trial(const Trial& trial, const Control& next) {
  const bool lend_buffer = w_.trial.linearization == nullptr && !history_;
  std::swap(w_.current, w_.trial);
  if (lend_buffer) {
    w_.current.linearization = std::move(w_.trial.linearization);
  }
  if (!schedule()) {
    take_new_sample();
  }
  renews_ = w_.curvature->due();
  const Want arrived_with = schedule() ? Want::nothing : w_.current.have;
  const EvalStatus status = complete(w_.current);
  const Evaluation* previous = history_ ? &w_.trial : nullptr;
  const bool usable =
      status == EvalStatus::ok && refresh_curvature(previous, w_.step) == Curvature::Status::ok;
  if (!usable) {
    std::swap(w_.current, w_.trial);
    if (lend_buffer) {
      w_.current.linearization = std::move(w_.trial.linearization);
    }
    if (status == EvalStatus::interrupted) {
      return finish(interrupt_.stop_requested() ? Termination::stop_requested : Termination::time_limit);
    }
    return restore_current(trial);
  }
  kept_ = false;
  expects_acceptance_ = true;
  arrived_with_ = arrived_with;
  epoch_sum_ += w_.trial.value;
  ++epoch_points_;
  control_ = next;
  ++result_.iterations;
  progress_made(trial);
  if (!model_current()) {
    observe(Progress::Event::accepted, &trial);
    return false;
  }
  unsolved_ = true;
  observe(Progress::Event::accepted, &trial);
  if (!epoch_made()) {
    return finish(Termination::early_stopping);
  }
  save_where_due();
  if (!schedule() && !sampled() && trial.step.limit == StepReport::Limit::interior &&
      trial.step.norm <= stopping_.step_tolerance * point_norm()) {
    return finish_by_model(Termination::step_tolerance);
  }
  return true;
}

/// The trial had a value but no usable derivatives: model the old point afresh and go on as after a
/// rejection.
bool Solve::restore_current(const Trial& trial) {
  const bool same_sample = schedule() || w_.current.sample == gradient_sample_.id;
  w_.current.have = same_sample && includes(w_.current.have, Want::value) ? Want::value : Want::nothing;
  w_.current.sample = schedule() ? w_.current.sample : gradient_sample_.id;
  renews_ = w_.curvature->due();
  const EvalStatus status = complete(w_.current);
  if (status == EvalStatus::interrupted) {
    return finish(interrupt_.stop_requested() ? Termination::stop_requested : Termination::time_limit);
  }
  if (status != EvalStatus::ok || refresh_curvature(nullptr, {}) != Curvature::Status::ok) {
    return finish(Termination::evaluation_failed);
  }
  if (!model_current()) {
    return false;
  }
  Trial outside = trial;
  outside.evaluation = EvalStatus::outside_domain;
  outside.value = std::nan("");
  const Verdict verdict = w_.acceptance->judge(outside, control_);
  if (verdict.decision == Decision::retry) {
    control_ = verdict.next;
    ++stalled_;
    observe(Progress::Event::rejected, &outside);
    return true;
  }
  return finish(Termination::evaluation_failed);
}

/// Progress is a value or a gradient below the best so far by more than rounding.
void Solve::progress_made(const Trial& trial) {
  const double gradient_norm = w_.box.stationarity(w_.current.x, w_.current.gradient);
  const bool better_value = w_.current.value < best_value_ - trial.rounding();
  const bool better_gradient = gradient_norm < 0.9 * best_gradient_norm_;
  stalled_ = better_value || better_gradient || sampled() ? 0 : stalled_ + 1;
  best_gradient_norm_ = std::min(best_gradient_norm_, gradient_norm);
  if (schedule() && !sampled() && w_.current.value < best_value_) {
    w_.best_x.assign(w_.current.x.begin(), w_.current.x.end());
  }
  best_value_ = std::min(best_value_, w_.current.value);
}

void Solve::observe(Progress::Event event, const Trial* trial) {
  if (observer_ == nullptr) {
    return;
  }
  Progress p;
  p.iteration = result_.iterations;
  p.value = w_.current.value;
  p.gradient_norm = gradient_norm_;
  p.step_norm = trial != nullptr ? trial->step.norm : 0;
  p.control = value(control_);
  p.ratio = trial != nullptr && !schedule() ? trial->ratio() : std::nan("");
  p.event = event;
  p.seconds = seconds();
  p.x = w_.current.x;
  p.epoch = epoch();
  p.batches = batches_;
  p.batch = sampled() ? static_cast<Index>(draws_ - 1) % batches_ : 0;
  p.gradient_equivalents = gradient_equivalents();
  if (event == Progress::Event::epoch) {
    p.epoch_value = epoch_points_ > 0 ? epoch_sum_ / static_cast<double>(epoch_points_) : std::nan("");
    p.measures = w_.validation.active() ? std::span<const Measure>(w_.validation.measures())
                                        : std::span<const Measure>();
    p.best = w_.validation.active() && w_.validation.stale() == 0;
  }
  observer_->observe(p);
}

/// What an epoch's end brings. False where validation says that it was the last.
bool Solve::epoch_made() {
  if (epoch() == epochs_ || (!sampled() && !w_.validation.active())) {
    return true;
  }
  epochs_ = epoch();
  if (w_.validation.active()) {
    w_.validation.judge(w_.current.x, epochs_);
    judged_at_ = result_.iterations;
  }
  observe(Progress::Event::epoch, nullptr);
  epoch_sum_ = 0;
  epoch_points_ = 0;
  return !w_.validation.active() || !w_.validation.exhausted();
}

void Solve::run(ConstVectorRef x0) {
  set_up(x0);
  bool going = begin();
  if (going && resumes()) {
    going = resume();
  } else if (going && checkpoints()) {
    save();
  }
  if (going) {
    observe(Progress::Event::start, nullptr);
    if (w_.validation.active() && !resumes()) {
      observe(Progress::Event::epoch, nullptr);
    }
    while (!stop_before_step() && try_step()) {
    }
    save_at_end();
  }
  write_result();
}

}  // namespace kappa::detail

namespace kappa {

Workspace::Workspace() : impl_(std::make_unique<Impl>()) {}
Workspace::~Workspace() = default;
Workspace::Workspace(Workspace&&) noexcept = default;
Workspace& Workspace::operator=(Workspace&&) noexcept = default;

const Result& minimize(const Problem& problem, ConstVectorRef x0, const Method& method,
                       const Stopping& stopping, Observer* observer, Workspace& workspace,
                       const Session& session) {
  detail::Solve(problem, method, stopping, session, observer, workspace.impl()).run(x0);
  return workspace.impl().result;
}

Result minimize(const Problem& problem, ConstVectorRef x0, const Method& method, const Stopping& stopping,
                Observer* observer, const Session& session) {
  Workspace workspace;
  minimize(problem, x0, method, stopping, observer, workspace, session);
  return std::move(workspace.impl().result);
}

}  // namespace kappa
