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
#include "kappa/random.h"
#include "kappa/registry.h"
#include "kappa/version.h"
#include "solvers/parts.h"
#include "solvers/text.h"
#include "solvers/workspace.h"

namespace kappa {

namespace {

using Clock = std::chrono::steady_clock;
using detail::all_finite;
using detail::Choice;
using detail::dot;
using detail::print_to;

/// Whether no entry moves by more than rounding leaves of it, or of the largest.
bool same_to_rounding(ConstVectorRef x, ConstVectorRef y) {
  double largest = 0;
  for (const double e : x) {
    largest = std::max(largest, std::fabs(e));
  }
  for (std::size_t i = 0; i < x.size(); ++i) {
    if (std::fabs(y[i] - x[i]) > std::max(1e-10 * std::fabs(x[i]), 1e-16 * largest)) {
      return false;
    }
  }
  return true;
}

/// What a part says of itself, as the end of a sentence.
template <class Part>
std::string fault_of(const Part* part) {
  const std::string_view fault = part != nullptr ? part->fault() : std::string_view();
  return fault.empty() ? std::string() : "; " + std::string(fault);
}

/// Makes a part unless the workspace has one made from the same Spec.
template <class Part, class Make>
void make_part(Made<Part>& made, std::string_view name, const Options& options, const Make& make) {
  if (made.part == nullptr || made.spec.name != name || made.spec.options != options) {
    made.part = make(options);
    made.spec = Spec(std::string(name), options);
  }
}

class Solve {
 public:
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
  void set_up(ConstVectorRef x0);
  void set_up_preconditioner();
  void settle_preconditioner();
  void set_up_bounds();
  bool begin();
  void settle_step_solver();
  double point_norm();
  bool model_current();
  bool stop_before_step();
  bool try_step();
  void evaluate_trial(Trial& trial);
  void refine_trial();
  void backtrack_trial();
  bool handle(const Verdict& verdict, const Trial& trial);
  bool take_trial(const Trial& trial, const Control& next);
  bool restore_current(const Trial& trial);
  EvalStatus evaluate(Evaluation& at, Want want, const Sample& sample);
  EvalStatus complete(Evaluation& at);
  Curvature::Status refresh_curvature(const Evaluation* previous, ConstVectorRef step);
  const Evaluation* displaced(const Evaluation& from);
  Want trial_wants() const;
  void draw_samples();
  void take_new_sample();
  double dual_norm(const Evaluation& at);
  void note(const char* text);
  void observe(Progress::Event event, const Trial* trial);
  void progress_made(const Trial& trial);
  bool finish(Termination termination) {
    result_.termination = termination;
    return false;
  }
  bool finish_by_model(Termination termination);
  bool contradicted(Termination claim);
  void scale_of_variables(std::vector<double>& out);
  double claimed_gain(Termination claim, ConstVectorRef scale);
  std::optional<Model> own_model() const;
  const Root* small_root(Model model) const;
  bool gains_along(VectorRef p, double bar);
  void move(ConstVectorRef p, double t);
  double curvature_along(ConstVectorRef direction);
  void write_result();

  bool epoch_made();
  bool judge_end();
  void fingerprint_start();
  void identify(State& s);
  void loop_state(State& s);
  void part_states(State& s);
  void save();
  void save_where_due();
  void save_at_end();
  bool resume();

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
  double gradient_equivalents() const {
    const Index products = w_.curvature->products() + (preconditions_ ? w_.preconditioner->products() : 0);
    return evaluated_ + product_share() * static_cast<double>(products);
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

void Solve::note(const char* text) {
  if (*text == '\0') {
    return;
  }
  if (notes_ == result_.notes.size()) {
    result_.notes.emplace_back();
  }
  result_.notes[notes_++] = text;
}

EvalStatus Solve::evaluate(Evaluation& at, Want want, const Sample& sample) {
  Request request;
  request.want = want;
  request.models = models_;
  request.blocks = blocks_;
  request.sample = sample;
  request.interrupt = inside_;
  const double share =
      sample.whole() ? 1.0 : static_cast<double>(sample.terms.size()) / static_cast<double>(problem_.terms());
  evaluated_ += (includes(want, Want::gradient) ? 1.0 : 1.0 / 3) * share;
  result_.evaluations.value += includes(want, Want::value) ? 1 : 0;
  result_.evaluations.gradient += includes(want, Want::gradient) ? 1 : 0;
  result_.evaluations.linearization += includes(want, Want::linearization) ? 1 : 0;
  const EvalStatus status = problem_.evaluate(request, at);
  if (status != EvalStatus::ok) {
    return status;
  }
  if ((includes(want, Want::value) && !std::isfinite(at.value))) {
    print_to(at.fault, "the objective is %g", at.value);
    return EvalStatus::outside_domain;
  }
  if (includes(want, Want::gradient) && !all_finite(at.gradient)) {
    const auto bad =
        std::find_if(at.gradient.begin(), at.gradient.end(), [](double g) { return !std::isfinite(g); });
    at.fault =
        "the gradient entry of " + problem_.variable_name(bad - at.gradient.begin()) + " is not finite";
    return EvalStatus::outside_domain;
  }
  return EvalStatus::ok;
}

/// Everything the next iteration needs at a point whose value may be known already.
EvalStatus Solve::complete(Evaluation& at) {
  Want want = Want::nothing;
  if (!includes(at.have, Want::value)) {
    want = want | Want::value;
  }
  if (!includes(at.have, Want::gradient)) {
    want = want | Want::gradient;
  }
  if (!models_.empty() && renews_ && !curvature_alone() && !includes(at.have, Want::linearization)) {
    want = want | Want::linearization;
  }
  EvalStatus status = want == Want::nothing ? EvalStatus::ok : evaluate(at, want, gradient_sample_);
  const bool there = includes(w_.curvature_point.have, Want::linearization) &&
                     w_.curvature_point.sample == curvature_sample_.id && w_.curvature_point.x == at.x;
  if (status == EvalStatus::ok && curvature_alone() && !there) {
    w_.curvature_point.reset(at.x, curvature_sample_.id);
    status =
        evaluate(w_.curvature_point, Want::value | Want::gradient | Want::linearization, curvature_sample_);
    if (status != EvalStatus::ok) {
      at.fault = w_.curvature_point.fault;
    }
  }
  return status;
}

/// The curvature at the current, completed point.
Curvature::Status Solve::refresh_curvature(const Evaluation* previous, ConstVectorRef step) {
  const Evaluation& seen = curvature_alone() ? w_.curvature_point : w_.current;
  if (displaces_) {
    previous = displaced(seen);
    step = previous != nullptr ? ConstVectorRef(w_.displacement) : ConstVectorRef();
  }
  const Curvature::Status status = w_.curvature->refresh(seen, previous, step);
  return status == Curvature::Status::ok && preconditions_ ? w_.preconditioner->refresh(seen, nullptr, {})
                                                           : status;
}

/// The gradient of the same sample where the curvature asks for it, or null where it cannot be had.
const Evaluation* Solve::displaced(const Evaluation& from) {
  w_.displacement.resize(w_.step.size());
  if (!w_.curvature->displacement(from, w_.displacement)) {
    return nullptr;
  }
  w_.displaced.reset(from.x, from.sample);
  problem_.retract(from.x, w_.displacement, w_.displaced.x);
  if (!all_finite(w_.displaced.x)) {
    return nullptr;
  }
  if (w_.box.bounded() && w_.box.project(w_.displaced.x) > 0) {
    problem_.local(from.x, w_.displaced.x, w_.displacement);
  }
  const bool there = evaluate(w_.displaced, Want::value | Want::gradient, gradient_sample_) == EvalStatus::ok;
  return there ? &w_.displaced : nullptr;
}

/// What is asked of a trial point. Where evaluations are cheap and the last trial was accepted, everything at
/// once: residuals and derivatives share their transcendental functions.
Want Solve::trial_wants() const {
  constexpr Index few = 32;
  const bool buffer = result_.iterations == 0 || had_buffer_ || w_.trial.linearization != nullptr;
  if (needs_ == TrialNeeds::value && expects_acceptance_ && buffer && problem_.dimension() <= few &&
      !history_ && !sampled() && !own_batch() && !walking_) {
    return Want::value | Want::gradient | (models_.empty() ? Want::nothing : Want::linearization);
  }
  return needs_ == TrialNeeds::value_and_gradient ? Want::value | Want::gradient : Want::value;
}

/// The next mini-batch, and one for the curvature where it has its own. Each epoch is one permutation of the
/// terms, so that no term is seen twice in it.
void Solve::draw_samples() {
  if (!sampled() && !own_batch()) {
    return;
  }
  const auto draw = [&](Index wanted, std::vector<Index>& terms, std::uint64_t stream, Sample& sample) {
    const Index n = problem_.terms();
    const Index size = std::min(wanted, n);
    const Index batches = n / size;
    const auto epoch = static_cast<std::uint64_t>(draws_) / static_cast<std::uint64_t>(batches);
    const auto within =
        static_cast<Index>(static_cast<std::uint64_t>(draws_) % static_cast<std::uint64_t>(batches));
    const CounterRandom random(method_.batch.seed, stream);
    const Permutation permutation(random, epoch * Permutation::counters, n);
    terms.resize(static_cast<std::size_t>(size));
    for (Index i = 0; i < size; ++i) {
      terms[static_cast<std::size_t>(i)] = permutation(within * size + i);
    }
    std::sort(terms.begin(), terms.end());
    sample = {draws_ + 1, terms};
  };
  const MiniBatch& batch = method_.batch;
  if (sampled()) {
    draw(batch.size, w_.sample_terms, 1, gradient_sample_);
  }
  if (own_batch()) {
    draw(batch.curvature_size > 0 ? batch.curvature_size : batch.size, w_.curvature_terms, 2,
         curvature_sample_);
  }
  ++draws_;
}

/// The next samples become those of the current point, where an acceptance compares values: what is known
/// there of other terms is forgotten.
void Solve::take_new_sample() {
  draw_samples();
  if (sampled()) {
    w_.current.have = Want::nothing;
    w_.current.sample = gradient_sample_.id;
  }
}

void Solve::set_up(ConstVectorRef x0) {
  expects(static_cast<Index>(x0.size()) == problem_.dimension(),
          "minimize: x0 must have as many entries as the problem has dimensions");
  const std::vector<double>::size_type n = x0.size();
  Result& r = result_;
  // Room for the sentences of the result, so that nothing is allocated when it is written.
  constexpr std::size_t sentences = 8;
  constexpr std::size_t length = 320;
  r.reason.reserve(length);
  w_.sentence.reserve(length);
  w_.spare_notes.reserve(sentences);
  r.notes.reserve(sentences);
  while (r.notes.size() < sentences) {
    if (w_.spare_notes.empty()) {
      r.notes.emplace_back().reserve(length);
    } else {
      r.notes.push_back(std::move(w_.spare_notes.back()));
      w_.spare_notes.pop_back();
    }
  }
  r.x.assign(x0.begin(), x0.end());
  r.active_bounds.clear();
  r.value = r.initial_value = r.gradient_norm = std::nan("");
  r.iterations = r.trials = r.factorizations = 0;
  r.evaluations = {};
  r.gradient_equivalents = r.seconds = 0;
  r.epochs = r.best_epoch = 0;
  r.measures.clear();
  r.optimizer = method_.optimizer;
  r.step = method_.step.name;
  r.acceptance = method_.acceptance.name;

  const AcceptancePart& acceptance = registry().acceptance(method_.acceptance.name);
  const Choice curvature = detail::choose_curvature(method_, problem_);
  make_part(w_.acceptance, method_.acceptance.name, method_.acceptance.options, acceptance.make);
  make_part(w_.curvature, curvature.name, *curvature.options, registry().curvature(curvature.name).make);
  needs_ = w_.acceptance->needs();
  const CurvatureNeeds needs = w_.curvature->needs();
  detail::require_models(problem_, curvature.name, needs);
  models_ = needs.models;
  set_up_preconditioner();
  blocks_ = detail::expects_blocks(method_, problem_, needs, acceptance.control);
  history_ = needs.history == CurvatureNeeds::History::previous_evaluation;
  displaces_ = needs.history == CurvatureNeeds::History::displaced_evaluation;
  if (method_.step.name != "auto") {
    detail::require_same_control(method_.step.name, registry().step(method_.step.name).control,
                                 method_.acceptance.name, acceptance.control);
  }
  if (sampled() && !w_.acceptance->takes_samples()) {
    throw Error("acceptance '" + method_.acceptance.name +
                "' compares values over iterations, which mini-batches of different terms do not allow; use "
                "acceptance schedule or martens-damping");
  }
  if (sampled() && !schedule() && history_) {
    throw Error("curvature '" + std::string(curvature.name) +
                "' compares gradients of two points, which have different terms here; use another curvature, "
                "or set the batch size to 0");
  }
  if ((sampled() || own_batch()) && problem_.terms() < 2) {
    throw Error("mini-batches need a sum of terms, and this problem has one term; set the batch size to 0");
  }
  batches_ = sampled() ? problem_.terms() / std::min(method_.batch.size, problem_.terms()) : 1;
  w_.validation.start(session_.validation, problem_);
  refines_ = method_.inner.steps > 0;
  if (refines_ && needs_ != TrialNeeds::value) {
    throw Error("acceptance '" + method_.acceptance.name +
                "' does not judge trials by their values alone, which inner iterations need; use "
                "nielsen-damping or trust-region, or set inner_iterations to 0");
  }
  backtracks_ = method_.backtracking == Backtracking::by_block && needs_ == TrialNeeds::value && !sampled();
  r.curvature = curvature.name;
  note(curvature.why);
  set_up_bounds();

  interrupt_.stop = stopping_.stop;
  if (stopping_.time_limit < std::chrono::duration<double>(1e9)) {
    interrupt_.deadline = started_ + std::chrono::duration_cast<Clock::duration>(stopping_.time_limit);
  }
  // Short evaluations are not cut off, so that the solve stops at a point that can be saved.
  if (checkpoints() && schedule()) {
    inside_ = nullptr;
  }
  if (resumes()) {
    w_.checkpoint = read_checkpoint(session_.checkpoint.path);
  }
  w_.curvature_point.have = Want::nothing;
  w_.metric.reset(method_.metric);
  w_.curvature->start();
  w_.step.assign(static_cast<std::size_t>(problem_.tangent_dimension()), 0.0);
  w_.kept_step.assign(w_.step.size(), 0.0);
  w_.carried.assign(w_.step.size(), 0.0);
  w_.best_x.assign(n, 0.0);
  w_.kept.x.reserve(n);
  w_.kept.gradient.reserve(w_.step.size());
}

/// The second curvature, made for conjugate gradients alone.
void Solve::set_up_preconditioner() {
  const Choice choice = detail::choose_preconditioner(method_, problem_);
  preconditions_ = !choice.name.empty();
  result_.preconditioner = choice.name;
  if (!preconditions_) {
    return;
  }
  make_part(w_.preconditioner, choice.name, *choice.options, registry().curvature(choice.name).make);
  const CurvatureNeeds needs = w_.preconditioner->needs();
  detail::require_models(problem_, choice.name, needs);
  if (needs.history != CurvatureNeeds::History::none) {
    throw Error("curvature '" + std::string(choice.name) +
                "' learns from the points of a solve and cannot be a preconditioner; use diagonal or another "
                "that is made at each point");
  }
  models_.insert(needs.models);
  w_.preconditioner->start();
}

/// Once the operator and the step solver are known: whether there is to be one after all.
void Solve::settle_preconditioner() {
  if (!preconditions_) {
    return;
  }
  const bool named = method_.preconditioner.name != "auto";
  const bool used = registry().step(result_.step).preconditioned;
  if (named && !used) {
    throw Error(
        "step '" + result_.step +
        "' takes no preconditioner; use step hessian-free or damped-cg, or leave the preconditioner out");
  }
  if (!named && (!used || !detail::keeps_preconditioner(w_.curvature->at_point()))) {
    preconditions_ = false;
    result_.preconditioner.clear();
    models_ = w_.curvature->needs().models;
    return;
  }
  note(detail::choose_preconditioner(method_, problem_).why);
}

/// The bounds, and a start inside them.
void Solve::set_up_bounds() {
  w_.box.read(problem_);
  const Index moved = w_.box.project(result_.x);
  result_.active_bounds.reserve(w_.box.entries().size());
  if (moved > 0) {
    print_to(w_.sentence,
             "%td of %td entries of the start were outside their bounds and have been moved onto them", moved,
             problem_.dimension());
    note(w_.sentence.c_str());
  }
}

void Solve::settle_step_solver() {
  const SymmetricOperator& B = w_.curvature->at_point();
  const Choice choice = detail::choose_step(method_, B, w_.acceptance->control(), needs_, w_.block_choice);
  const StepPart& part = registry().step(choice.name);
  detail::require_same_control(choice.name, part.control, method_.acceptance.name, w_.acceptance->control());
  if (w_.block_choice.solver != nullptr) {
    w_.step_solver = {Spec(std::string(choice.name), *choice.options), std::move(w_.block_choice.solver)};
  }
  make_part(w_.step_solver, choice.name, *choice.options, part.make);
  const PartInfo built_in;
  confirms_ = part.info.origin != built_in.origin ||
              registry().curvature(w_.curvature.spec.name).info.origin != built_in.origin;
  if (const std::optional<std::string> why = w_.step_solver->unfit(B)) {
    throw Error("step '" + std::string(choice.name) + "' cannot work with curvature '" +
                w_.curvature.spec.name + "': " + *why + fault_of(w_.curvature.part.get()));
  }
  w_.step_solver->start();
  if (w_.box.bounded()) {
    w_.bounded_step.start(w_.box, *w_.step_solver.part, needs_);
  }
  result_.step = choice.name;
  note(choice.why);
  settle_preconditioner();
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

/// Convergence by what the model says of itself: small predicted gains, small steps. The library's own models
/// are taken at their word; one from elsewhere could be far too large, so that every gain looks small.
bool Solve::finish_by_model(Termination termination) {
  return finish(confirms_ && contradicted(termination) ? Termination::model_refuted : termination);
}

/// Whether a step brings far more than a claim leaves, and more than rounding: along the negative gradient,
/// as it is and scaled entry by entry. Along each the problem's curvature says what to expect; where that is
/// the model's, it is no more than the model's own gain (Cauchy-Schwarz), so that an honest claim costs two
/// products and no evaluation. A model of its own, such as a secant's, may be off by two digits.
bool Solve::contradicted(Termination claim) {
  std::vector<double>& scale = w_.step;  // until it is the step
  scale_of_variables(scale);
  Trial at;
  at.current_value = at.value = w_.current.value;
  at.value_rounding = w_.current.value_rounding;
  const double bar = std::max(10 * at.rounding(), 100 * claimed_gain(claim, scale));
  for (std::size_t i = 0; i < scale.size(); ++i) {
    w_.step[i] = -w_.current.gradient[i] / scale[i];
  }
  if (gains_along(w_.step, bar)) {
    return true;
  }
  std::transform(w_.current.gradient.begin(), w_.current.gradient.end(), w_.step.begin(),
                 [](double g) { return -g; });
  return gains_along(w_.step, bar);
}

/// Positive, and of the problem alone, so that units of the variables do not matter and no part can have a
/// hand in it: the problem's own curvatures entry by entry; where it has none to show, 1 / x^2.
void Solve::scale_of_variables(std::vector<double>& out) {
  out.assign(w_.current.gradient.size(), 1.0);
  const std::optional<Model> model = own_model();
  if (const Root* root = model ? small_root(*model) : nullptr) {
    for (std::size_t j = 0; j < out.size(); ++j) {
      const ConstVectorRef column(root->A.data + static_cast<Index>(j) * root->A.stride,
                                  static_cast<std::size_t>(root->A.rows));
      out[j] = dot(column, column);
    }
  } else if (model && w_.current.linearization->diagonal(*model, out)) {
    std::transform(out.begin(), out.end(), out.begin(), [](double d) { return std::fabs(d); });
  } else if (w_.current.x.size() == out.size()) {
    std::transform(w_.current.x.begin(), w_.current.x.end(), out.begin(),
                   [](double x) { return 1 / (x * x); });
  }
  std::replace_if(
      out.begin(), out.end(), [](double d) { return !(d > 0 && std::isfinite(d)); }, 1.0);
}

/// What is left to gain where a claim of convergence is true. After a short step d that is about -g'd / 2 <=
/// |g| |d| / 2; the metric's weights may be the part's own, and then `scale` is the metric.
double Solve::claimed_gain(Termination claim, ConstVectorRef scale) {
  if (claim == Termination::decrease_tolerance) {
    return stopping_.decrease_tolerance * std::fabs(w_.current.value);
  }
  if (claim == Termination::rounding_limit) {
    return last_rounding_;
  }
  if (method_.metric == MetricKind::identity) {
    return 0.5 * w_.metric.dual_norm(w_.current.gradient) * stopping_.step_tolerance * point_norm();
  }
  if (problem_.dimension() == problem_.tangent_dimension()) {
    w_.kept_step.assign(w_.current.x.begin(), w_.current.x.end());
  } else {
    problem_.tangent_scale(w_.current.x, w_.kept_step);
  }
  double slopes = 0;
  double lengths = 0;
  for (std::size_t i = 0; i < scale.size(); ++i) {
    slopes += w_.current.gradient[i] * w_.current.gradient[i] / scale[i];
    lengths += scale[i] * w_.kept_step[i] * w_.kept_step[i];
  }
  return 0.5 * std::sqrt(slopes) * stopping_.step_tolerance * std::sqrt(lengths);
}

/// Whether the Cauchy step along p, projected on the bounds, or a shorter one brings more than `bar`.
/// w_.trial and w_.kept_step are overwritten.
bool Solve::gains_along(VectorRef p, double bar) {
  for (const detail::Box::Entry& bound : w_.box.entries()) {
    const auto i = static_cast<std::size_t>(bound.tangent);
    const double x = w_.current.x[static_cast<std::size_t>(bound.coordinate)];
    if ((x <= bound.lower && p[i] < 0) || (x >= bound.upper && p[i] > 0)) {
      p[i] = 0;
    }
  }
  const double slope = -dot(w_.current.gradient, p);
  if (!(slope > 0 && std::isfinite(slope))) {
    return false;
  }
  double t = slope / curvature_along(p);
  if (!(t > 0 && std::isfinite(t))) {  // concave, or unknown: as far as x is long
    t = std::max(std::sqrt(dot(w_.current.x, w_.current.x)), 1.0) / std::sqrt(dot(p, p));
  }
  if (0.5 * t * slope <= bar) {
    return false;
  }
  constexpr int shorter = 8;
  for (int k = 0; k < shorter && t * slope > bar; ++k, t *= 0.1) {
    move(p, t);
    if (!all_finite(w_.trial.x)) {
      continue;
    }
    if (same_to_rounding(w_.current.x, w_.trial.x)) {
      return false;
    }
    const EvalStatus status = evaluate(w_.trial, Want::value, gradient_sample_);
    if (status == EvalStatus::interrupted) {
      return false;
    }
    if (status == EvalStatus::ok && w_.current.value - w_.trial.value > bar) {
      refuted_by_ = w_.trial.value;
      return true;
    }
  }
  return false;
}

/// The trial slot at x + t p.
void Solve::move(ConstVectorRef p, double t) {
  std::transform(p.begin(), p.end(), w_.kept_step.begin(), [t](double e) { return t * e; });
  w_.trial.reset(w_.current.x, w_.current.sample);
  problem_.retract(w_.current.x, w_.kept_step, w_.trial.x);
  w_.box.settle(w_.current.x, w_.kept_step, w_.trial.x);
}

/// The best model of the problem that has been asked for, if one has.
std::optional<Model> Solve::own_model() const {
  if (includes(w_.current.have, Want::linearization) && w_.current.linearization != nullptr) {
    for (const Model model : {Model::exact, Model::gauss_newton}) {
      if (w_.current.models.contains(model)) {
        return model;
      }
    }
  }
  return std::nullopt;
}

/// A root of a model of few variables, which small problems have at hand: then it is cheaper than a product.
const Root* Solve::small_root(Model model) const {
  constexpr std::size_t few = 32;
  return w_.current.gradient.size() <= few ? w_.current.linearization->root(model) : nullptr;
}

/// |A p|^2 for an A of few columns.
double squared_product(const ConstMatrixRef& A, ConstVectorRef p) {
  double out = 0;
  for (Index i = 0; i < A.rows; ++i) {
    double entry = 0;
    for (Index j = 0; j < A.cols; ++j) {
      entry += A(i, j) * p[static_cast<std::size_t>(j)];
    }
    out += entry * entry;
  }
  return out;
}

/// p'Hp: by the problem's own products where it has been asked for a model, otherwise by a difference of
/// gradients; NaN where neither is to be had. w_.trial and w_.kept_step are overwritten.
double Solve::curvature_along(ConstVectorRef p) {
  if (const std::optional<Model> model = own_model()) {
    if (const Root* root = small_root(*model)) {
      return squared_product(root->A, p);
    }
    w_.current.linearization->product(*model, p, w_.kept_step);
    return dot(p, w_.kept_step);
  }
  const double size = std::max(std::sqrt(dot(w_.current.x, w_.current.x)), 1.0);
  const double t = 1e-6 * size / std::sqrt(dot(p, p));
  move(p, t);
  if (!all_finite(w_.trial.x) ||
      evaluate(w_.trial, Want::value | Want::gradient, gradient_sample_) != EvalStatus::ok) {
    return std::nan("");
  }
  return (dot(w_.trial.gradient, p) - dot(w_.current.gradient, p)) / t;
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

/// Judges the last point too, and leaves the best one in the result. True where that is an earlier one.
bool Solve::judge_end() {
  detail::ValidationWatch& validation = w_.validation;
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

void Solve::write_result() {
  Result& r = result_;
  r.outcome = outcome_of(r.termination);
  const Evaluation& at = w_.current;
  r.gradient_norm = gradient_norm_;
  const Evaluation* returned = &w_.current;
  if (r.termination != Termination::initial_point && !at.x.empty() && includes(at.have, Want::value)) {
    r.x.assign(at.x.begin(), at.x.end());
    r.value = at.value;
    bool better_seen = schedule() && !sampled() && r.iterations > 0 && best_value_ < at.value;
    if (better_seen) {
      r.x.assign(w_.best_x.begin(), w_.best_x.end());
    }
    if (w_.validation.active() && judged_at_ >= 0) {
      better_seen = judge_end();
    }
    if (better_seen || sampled()) {  // value and gradient of what is returned, on the whole sum
      const Interrupt none;
      Request request;
      request.want = Want::value | Want::gradient;
      request.interrupt = &none;
      w_.trial.reset(r.x, 0);
      ++r.evaluations.value;
      ++r.evaluations.gradient;
      if (problem_.evaluate(request, w_.trial) == EvalStatus::ok) {
        r.value = w_.trial.value;
        r.gradient_norm = w_.box.stationarity(r.x, w_.trial.gradient);
        returned = &w_.trial;
      } else {
        r.outcome = Outcome::failed;
        r.termination = Termination::evaluation_failed;
      }
    }
  }
  if (includes(returned->have, Want::gradient) && returned->x == r.x) {
    w_.box.active(r.x, returned->gradient, r.active_bounds);
  }
  r.epochs = draws_ > 0 || !sampled() ? epoch() : 0;
  r.gradient_equivalents = w_.curvature.part != nullptr ? gradient_equivalents() : 0;
  r.evaluations.product = w_.curvature.part != nullptr ? w_.curvature->products() : 0;
  if (w_.step_solver.part != nullptr && w_.step_solver.spec.name == r.step) {
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
  while (r.notes.size() > notes_) {
    w_.spare_notes.push_back(std::move(r.notes.back()));
    r.notes.pop_back();
  }
  r.seconds = seconds();

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
      print_to(r.reason, "the start cannot be evaluated: %s", at.fault.c_str());
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

}  // namespace

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

Workspace::Workspace() : impl_(std::make_unique<Impl>()) {}
Workspace::~Workspace() = default;
Workspace::Workspace(Workspace&&) noexcept = default;
Workspace& Workspace::operator=(Workspace&&) noexcept = default;

const Result& minimize(const Problem& problem, ConstVectorRef x0, const Method& method,
                       const Stopping& stopping, Observer* observer, Workspace& workspace,
                       const Session& session) {
  Solve(problem, method, stopping, session, observer, workspace.impl()).run(x0);
  return workspace.impl().result;
}

Result minimize(const Problem& problem, ConstVectorRef x0, const Method& method, const Stopping& stopping,
                Observer* observer, const Session& session) {
  Workspace workspace;
  minimize(problem, x0, method, stopping, observer, workspace, session);
  return std::move(workspace.impl().result);
}

}  // namespace kappa
