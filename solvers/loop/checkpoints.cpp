// Saving a solve and going on with it, bit by bit.
#include "kappa/version.h"
#include "solvers/loop/solve.h"

namespace kappa::detail {

/// A hash of what the problem gives at the start: two problems with one hash have the same data.
void Solve::fingerprint_start() {
  if (w_.validation.active()) {
    w_.validation.judge(w_.current.x, 0);
    judged_at_ = 0;
  }
  if (!checkpoints()) {
    return;
  }
  BitHash hash;
  hash.add(ConstVectorRef(w_.current.x));
  hash.add(w_.current.value);
  hash.add(ConstVectorRef(w_.current.gradient));
  hash.add(result_.initial_value);
  if (w_.validation.active()) {
    for (const Measure& m : w_.validation.measures()) {
      hash.add(m.value);
    }
  }
  fingerprint_ = hash.value();
}

void Solve::identify(State& s) {
  const auto given = [](const Spec& part) {
    std::string out = part.name;
    for (const auto& [name, value] : part.options.entries()) {
      out += " " + name + "=" + to_text(value);
    }
    return out;
  };
  s.section("solve", 1);
  s.same("version", version, "it was written by another version of kappa");
  s.same("variables", static_cast<std::uint64_t>(problem_.dimension()),
         "it is of a problem with another number of variables");
  s.same("terms", static_cast<std::uint64_t>(problem_.terms()),
         "it is of a problem with another number of terms");
  s.same("curvature", given({result_.curvature, method_.curvature.options}), "it is of another curvature");
  s.same("step", given({result_.step, method_.step.options}), "it is of another step solver");
  s.same("acceptance", given(method_.acceptance), "it is of another acceptance");
  s.same("preconditioner",
         result_.preconditioner.empty() ? std::string()
                                        : given({result_.preconditioner, method_.preconditioner.options}),
         "it is of another preconditioner");
  s.same("metric", name(method_.metric), "it is of another metric");
  s.same("batch size", static_cast<std::uint64_t>(method_.batch.size), "it is of another batch size");
  s.same("seed", method_.batch.seed, "its mini-batches have another seed");
  s.same("curvature size", static_cast<std::uint64_t>(method_.batch.curvature_size),
         "its curvature sees mini-batches of another size");
  s.same("curvature batch", static_cast<std::uint64_t>(method_.batch.curvature),
         "its curvature sees other mini-batches");
  s.same("inner iterations", static_cast<std::uint64_t>(method_.inner.steps),
         "it has another number of inner iterations");
  s.same("inner when", static_cast<std::uint64_t>(method_.inner.when),
         "its inner iterations are made at other trials");
  s.same("validation", static_cast<std::uint64_t>(w_.validation.active() ? 1 : 0),
         "one of the two solves has validation data and the other has none");
  s.same("data", fingerprint_,
         "it is of another problem, start or build: value and gradient at the start are not the same");
}

/// All that the loop itself goes on from.
void Solve::loop_state(State& s) {
  Result& r = result_;
  s.item("x", s.loads() ? r.x : w_.current.x);
  s.item("value", w_.current.value);
  s.item("initial value", r.initial_value);
  s.item("iterations", r.iterations);
  s.item("trials", r.trials);
  s.item("values", r.evaluations.value);
  s.item("gradients", r.evaluations.gradient);
  s.item("linearizations", r.evaluations.linearization);
  s.item("draws", draws_);
  s.item("epochs", epochs_);
  s.item("epoch sum", epoch_sum_);
  s.item("epoch points", epoch_points_);
  s.item("evaluated", evaluated_);
  auto kind = static_cast<std::int64_t>(control_.index());
  double control = value(control_);
  s.item("control kind", kind);
  s.item("control", control);
  std::visit([&](auto& c) { c.value = control; }, control_);
  s.item("best value", best_value_);
  s.item("best gradient", best_gradient_norm_);
  s.item("last predicted", last_predicted_);
  s.item("free predicted", free_predicted_);
  s.item("last rounding", last_rounding_);
  s.item("last step", last_step_norm_);
  s.item("stalled", stalled_);
  s.item("trial evaluations", trial_evaluations_);
  s.item("blame", blame_);
  s.item("refines", refines_);
  s.item("arrived with", arrived_with_);
  s.item("renews", renews_);
  had_buffer_ = had_buffer_ || w_.trial.linearization != nullptr;
  s.item("had buffer", had_buffer_);
  double elapsed = seconds();
  s.item("seconds", elapsed);
  if (s.loads()) {
    seconds_before_ = elapsed;
  }
  if (schedule() && !sampled()) {
    s.item("best point", w_.best_x);
  }
  if (w_.validation.active()) {
    s.item("judged at", judged_at_);
    w_.validation.state(s);
  }
}

void Solve::part_states(State& s) {
  const auto require = [](bool saved, const char* kind, const std::string& part) {
    if (!saved) {
      throw Error(
          std::string(kind) + " '" + part +
          "' cannot save its state, so no checkpoint can be made; leave the checkpoint out, or let the "
          "part override state()");
    }
  };
  require(w_.curvature->state(s), "curvature", result_.curvature);
  if (preconditions_) {
    require(w_.preconditioner->state(s), "preconditioner", result_.preconditioner);
  }
  w_.metric.state(s);
  require(w_.step_solver->state(s), "step", result_.step);
  require(w_.acceptance->state(s), "acceptance", result_.acceptance);
}

void Solve::save() {
  State s = State::saving(w_.checkpoint);
  identify(s);
  loop_state(s);
  part_states(s);
  saved_at_ = result_.iterations;
  saved_when_ = Clock::now();
  write_checkpoint(session_.checkpoint.path, w_.checkpoint);
}

/// After the first checkpoint one that fails does not end the solve.
void Solve::save_where_due() {
  const Checkpoint& c = session_.checkpoint;
  if (!checkpoints()) {
    return;
  }
  const bool steps = c.iterations > 0 && result_.iterations - saved_at_ >= c.iterations;
  const bool time =
      c.seconds > 0 && std::chrono::duration<double>(Clock::now() - saved_when_).count() >= c.seconds;
  if (!steps && !time) {
    return;
  }
  try {
    save();
  } catch (const Error& failure) {
    if (!unsaved_) {
      note(failure.what());
    }
    unsaved_ = true;
  }
}

/// The last point, where the state is that of a point just accepted.
void Solve::save_at_end() {
  if (!checkpoints() || !unsolved_ || saved_at_ == result_.iterations) {
    return;
  }
  try {
    save();
  } catch (const Error& failure) {
    note(failure.what());
  }
}

/// Goes to the point of the checkpoint as the solve that wrote it came there. The parts' states are loaded
/// once for what refresh and prepare go on from and once more for what they have changed.
bool Solve::resume() {
  const std::string origin = "checkpoint " + session_.checkpoint.path;
  State s = State::loading(w_.checkpoint, origin);
  identify(s);
  State again = s;
  loop_state(s);
  if (sampled() || own_batch()) {
    --draws_;
    draw_samples();
  }
  if (!had_buffer_) {
    w_.trial.linearization.reset();
  }
  const double there = w_.current.value;
  w_.current.reset(result_.x, gradient_sample_.id);
  EvalStatus status =
      arrived_with_ == Want::nothing ? EvalStatus::ok : evaluate(w_.current, arrived_with_, gradient_sample_);
  if (status == EvalStatus::ok) {
    status = complete(w_.current);
  }
  if (status == EvalStatus::interrupted) {
    return finish(interrupt_.stop_requested() ? Termination::stop_requested : Termination::time_limit);
  }
  BitHash before, after;
  before.add(there);
  after.add(w_.current.value);
  if (status != EvalStatus::ok || before.value() != after.value()) {
    s.refuse("the problem's value at its point is not the one that was written there");
  }
  const bool reads = !models_.empty() && renews_;
  if (reads && refresh_curvature(nullptr, {}) != Curvature::Status::ok) {
    s.refuse("the curvature cannot be computed at its point");
  }
  part_states(s);
  if (!model_current()) {
    return false;
  }
  loop_state(again);
  part_states(again);
  again.end();
  saved_at_ = result_.iterations;
  started_ = saved_when_ = Clock::now();
  return true;
}

}  // namespace kappa::detail
