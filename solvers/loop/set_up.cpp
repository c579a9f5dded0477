// What a solve is made of: the parts, chosen and made, and what they may not be.
#include <algorithm>

#include "core/vector.h"
#include "kappa/registry.h"
#include "solvers/loop/solve.h"
#include "solvers/text.h"

namespace kappa::detail {

namespace {

/// Makes a part unless the workspace has one made from the same Spec.
template <class Part, class Make>
void make_part(Made<Part>& made, std::string_view name, const Options& options, const Make& make) {
  if (made.part == nullptr || made.spec.name != name || made.spec.options != options) {
    made.part = make(options);
    made.spec = Spec(std::string(name), options);
  }
}

}  // namespace

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
  const Choice curvature = choose_curvature(method_, problem_);
  make_part(w_.acceptance, method_.acceptance.name, method_.acceptance.options, acceptance.make);
  make_part(w_.curvature, curvature.name, *curvature.options, registry().curvature(curvature.name).make);
  needs_ = w_.acceptance->needs();
  const CurvatureNeeds needs = w_.curvature->needs();
  require_models(problem_, curvature.name, needs);
  models_ = needs.models;
  set_up_preconditioner();
  blocks_ = expects_blocks(method_, problem_, needs, acceptance.control);
  history_ = needs.history == CurvatureNeeds::History::previous_evaluation;
  displaces_ = needs.history == CurvatureNeeds::History::displaced_evaluation;
  if (method_.step.name != "auto") {
    require_same_control(method_.step.name, registry().step(method_.step.name).control,
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
  const Choice choice = choose_preconditioner(method_, problem_);
  preconditions_ = !choice.name.empty();
  result_.preconditioner = choice.name;
  if (!preconditions_) {
    return;
  }
  make_part(w_.preconditioner, choice.name, *choice.options, registry().curvature(choice.name).make);
  const CurvatureNeeds needs = w_.preconditioner->needs();
  require_models(problem_, choice.name, needs);
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
  if (!named && (!used || !keeps_preconditioner(w_.curvature->at_point()))) {
    preconditions_ = false;
    result_.preconditioner.clear();
    models_ = w_.curvature->needs().models;
    return;
  }
  note(choose_preconditioner(method_, problem_).why);
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
  const Choice choice = choose_step(method_, B, w_.acceptance->control(), needs_, w_.block_choice);
  const StepPart& part = registry().step(choice.name);
  require_same_control(choice.name, part.control, method_.acceptance.name, w_.acceptance->control());
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

}  // namespace kappa::detail
