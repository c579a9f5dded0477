// Solve: one solve of the loop, from the start to the result. What belongs together has a file of its own.
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "kappa/minimize.h"
#include "solvers/loop/workspace.h"
#include "solvers/parts.h"

namespace kappa::detail {

/// What a part says of itself, as the end of a sentence.
template <class Part>
std::string fault_of(const Part* part) {
  const std::string_view fault = part != nullptr ? part->fault() : std::string_view();
  return fault.empty() ? std::string() : "; " + std::string(fault);
}

class Solve {
 public:
  using Clock = std::chrono::steady_clock;

  Solve(const Problem& problem, const Method& method, const Stopping& stopping, const Session& session,
        Observer* observer, Workspace::Impl& workspace)
      : problem_(problem),
        method_(method),
        stopping_(stopping),
        session_(session),
        observer_(observer),
        w_(workspace),
        result_(workspace.result) {}

  void run(ConstVectorRef x0);

 private:
  // minimize.cpp: the loop
  bool begin();
  bool model_current();
  bool stop_before_step();
  bool try_step();
  void evaluate_trial(Trial& trial);
  void refine_trial();
  void backtrack_trial();
  bool handle(const Verdict& verdict, const Trial& trial);
  bool take_trial(const Trial& trial, const Control& next);
  bool restore_current(const Trial& trial);
  void progress_made(const Trial& trial);
  bool epoch_made();
  double point_norm();
  double dual_norm(const Evaluation& at);
  void observe(Progress::Event event, const Trial* trial);
  void note(const char* text);
  bool finish(Termination termination) {
    result_.termination = termination;
    return false;
  }

  // set_up.cpp
  void set_up(ConstVectorRef x0);
  void set_up_preconditioner();
  void settle_preconditioner();
  void set_up_bounds();
  void settle_step_solver();

  // evaluation.cpp
  EvalStatus evaluate(Evaluation& at, Want want, const Sample& sample);
  EvalStatus complete(Evaluation& at);
  Curvature::Status refresh_curvature(const Evaluation* previous, ConstVectorRef step);
  const Evaluation* displaced(const Evaluation& from);
  Want trial_wants() const;
  void draw_samples();
  void take_new_sample();

  // refutation.cpp
  bool finish_by_model(Termination termination);
  bool contradicted(Termination claim);
  void scale_of_variables(std::vector<double>& out);
  double claimed_gain(Termination claim, ConstVectorRef scale);
  std::optional<Model> own_model() const;
  const Root* small_root(Model model) const;
  bool gains_along(VectorRef p, double bar);
  void move(ConstVectorRef p, double t);
  double curvature_along(ConstVectorRef direction);

  // checkpoints.cpp
  void fingerprint_start();
  void identify(State& s);
  void loop_state(State& s);
  void part_states(State& s);
  void save();
  void save_where_due();
  void save_at_end();
  bool resume();

  // outcome.cpp
  void write_result();
  const Evaluation& take_point();
  bool judge_end();
  void note_step();
  void write_reason();

  bool checkpoints() const { return !session_.checkpoint.path.empty(); }
  bool resumes() const { return checkpoints() && session_.checkpoint.start == Checkpoint::Start::resume; }
  /// The share of the terms that the curvature's products see.
  double product_share() const {
    const MiniBatch& batch = method_.batch;
    const Index size = own_batch() && batch.curvature_size > 0 ? batch.curvature_size : batch.size;
    return size > 0
               ? static_cast<double>(std::min(size, problem_.terms())) / static_cast<double>(problem_.terms())
               : 1.0;
  }
  Index epoch() const { return sampled() ? static_cast<Index>(draws_ - 1) / batches_ : result_.iterations; }
  /// Second-order products, of the preconditioner too.
  Index products() const {
    const Index own = w_.curvature.part != nullptr ? w_.curvature->products() : 0;
    return own + (preconditions_ ? w_.preconditioner->products() : 0);
  }
  double gradient_equivalents() const {
    return evaluated_ + product_share() * static_cast<double>(products());
  }
  double seconds() const {
    return seconds_before_ + std::chrono::duration<double>(Clock::now() - started_).count();
  }

  bool schedule() const { return needs_ == TrialNeeds::nothing; }
  bool sampled() const { return method_.batch.sampled(); }
  bool own_batch() const { return method_.batch.own_curvature(); }
  /// Whether the curvature is refreshed at its own batch alone.
  bool curvature_alone() const { return own_batch() && !models_.empty() && renews_; }

  const Problem& problem_;
  const Method& method_;
  const Stopping& stopping_;
  const Session& session_;
  Observer* observer_;
  Workspace::Impl& w_;
  Result& result_;

  Interrupt interrupt_;
  const Interrupt* inside_ = &interrupt_;  ///< what evaluations are told
  Clock::time_point started_ = Clock::now();
  ModelSet models_;
  bool blocks_ = false;  ///< the step solver will want them
  bool history_ = false;
  bool preconditions_ = false;  ///< a second curvature is refreshed at each point
  bool displaces_ = false;      ///< the curvature sees the gradient at another point
  bool renews_ = true;          ///< the curvature reads the linearization at the point to come
  TrialNeeds needs_ = TrialNeeds::value;
  Control control_;
  Sample gradient_sample_;
  Sample curvature_sample_;
  std::uint64_t draws_ = 0;
  Index batches_ = 1;  ///< of an epoch
  Index epochs_ = 0;   ///< of which it was said that they are made
  double epoch_sum_ = 0;
  Index epoch_points_ = 0;
  double evaluated_ = 0;  ///< gradient equivalents of evaluations
  std::uint64_t fingerprint_ = 0;
  Want arrived_with_ = Want::nothing;  ///< what the current point had before it was completed
  bool had_buffer_ = false;  ///< the trial slot had a linearization where the checkpoint was written
  double seconds_before_ = 0;
  Index judged_at_ = -1;  ///< iteration of the point validated last
  Index saved_at_ = -1;   ///< iteration of the last checkpoint
  Clock::time_point saved_when_ = started_;
  bool unsolved_ = true;  ///< no step was asked for since the last point was accepted
  bool unsaved_ = false;  ///< the last checkpoint could not be written
  double gradient_norm_ = 0;
  double best_value_ = infinity;
  double best_gradient_norm_ = infinity;
  double last_predicted_ = 0;
  double free_predicted_ = infinity;  ///< of the last step that the control did not shorten
  double last_rounding_ = 0;
  double last_step_norm_ = 0;
  Index stalled_ = 0;
  std::size_t notes_ = 0;
  Index trial_evaluations_ = 0;
  bool kept_ = false;
  Trial kept_trial_;               ///< numbers of the kept trial
  bool walking_ = false;           ///< the trial is one of several iterates of one solve
  Index alternative_ = 0;          ///< of the last solve's earlier iterates, the next trial; 0: a new solve
  double dual_gradient_norm_ = 0;  ///< where trial gradients are asked for
  Index blame_ = -1;
  bool expects_acceptance_ = true;
  bool refines_ = false;     ///< the problem re-solves part of a trial point
  bool backtracks_ = false;  ///< the problem takes parts of a step back
  bool confirms_ = false;    ///< convergence that the model claims is held against the objective
  double refuted_by_ = 0;    ///< the lower value that did not fit the claim
};

}  // namespace kappa::detail
