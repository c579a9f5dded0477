#include "solvers/bounds/bounded_step.h"

#include <algorithm>
#include <cmath>

#include "core/vector.h"
#include "solvers/step/model.h"

namespace kappa::detail {
namespace {

constexpr double sufficient = 0.01;   // Lin & More 1999
constexpr int most_faces = 10;        // a face costs a factorization; the next iteration can go on
constexpr double worth_a_face = 0.1;  // of what the step gains so far; a convention

std::size_t at(Index i) {
  return static_cast<std::size_t>(i);
}

double damping_of(const Control& control) {
  const auto* damping = std::get_if<Damping>(&control);
  return damping != nullptr ? damping->value : 0.0;
}

}  // namespace

void BoundedStep::start(const Box& box, StepSolver& solver, TrialNeeds needs) {
  box_ = &box;
  solver_ = &solver;
  needs_ = needs;
  const std::size_t entries = box.entries().size();
  room_.resize(entries);
  held_.assign(entries, 0);
  held_at_start_.assign(entries, 0);
  held_list_.reserve(entries);
}

StepStatus BoundedStep::prepare(ConstVectorRef x, const Subproblem& model) {
  model_.emplace(model);
  const std::size_t n = model.gradient.size();
  for (std::vector<double>* v : {&shift_, &face_gradient_, &target_, &direction_, &best_.step,
                                 &best_.gradient, &trial_.step, &trial_.gradient}) {
    v->resize(n);
  }
  free_.reserve(static_cast<Index>(n), static_cast<Index>(room_.size()));
  if (model.preconditioner != nullptr) {
    free_preconditioner_.reserve(static_cast<Index>(n), static_cast<Index>(room_.size()));
  }
  std::fill(shift_.begin(), shift_.end(), 0.0);
  direction_known_ = false;
  for (std::size_t k = 0; k < room_.size(); ++k) {
    const Box::Entry& entry = box_->entries()[k];
    const double xi = x[at(entry.coordinate)];
    const double g = model.gradient[at(entry.tangent)];
    room_[k] = {entry.lower - xi, entry.upper - xi};
    const bool pressed = (room_[k].lower == 0 && g > 0) || (room_[k].upper == 0 && g < 0);
    const bool fixed = entry.lower == entry.upper;
    held_[k] = fixed || (pressed && needs_ != TrialNeeds::nothing) ? 1 : 0;
  }
  held_at_start_ = held_;
  on_first_face_ = true;
  return prepare_face();
}

/// The solver's model on the face of the held variables.
StepStatus BoundedStep::prepare_face() {
  held_list_.clear();
  bool shifted = false;
  for (std::size_t k = 0; k < held_.size(); ++k) {
    if (held_[k] != 0) {
      held_list_.push_back(tangent(k));
      shifted = shifted || shift_[at(tangent(k))] != 0;
    }
  }
  if (held_list_.empty()) {
    return solver_->prepare(*model_);
  }
  if (shifted) {
    model_->B.multiply(shift_, face_gradient_);
    for (std::size_t i = 0; i < face_gradient_.size(); ++i) {
      face_gradient_[i] += model_->gradient[i];
    }
  } else {
    std::copy(model_->gradient.begin(), model_->gradient.end(), face_gradient_.begin());
  }
  clear_held(face_gradient_);
  free_.restrict(model_->B, held_list_, shifted ? ConstVectorRef(shift_) : ConstVectorRef());
  const bool preconditioned = model_->preconditioner != nullptr;
  if (preconditioned) {
    free_preconditioner_.restrict(*model_->preconditioner, held_list_, {});
  }
  return solver_->prepare({free_, face_gradient_, model_->metric, model_->interrupt,
                           preconditioned ? &free_preconditioner_ : nullptr});
}

void BoundedStep::clear_held(VectorRef step) const {
  for (const Index i : held_list_) {
    step[at(i)] = 0;
  }
}

bool BoundedStep::inside(ConstVectorRef step) const {
  for (std::size_t k = 0; k < room_.size(); ++k) {
    const double moved = step[at(tangent(k))];
    if (held_[k] == 0 && (moved < room_[k].lower || moved > room_[k].upper)) {
      return false;
    }
  }
  return true;
}

StepReport BoundedStep::solve(Control& control, VectorRef step) {
  expects(model_.has_value(), "BoundedStep: solve before prepare");
  if (needs_ == TrialNeeds::nothing) {
    return scheduled(control, step);
  }
  return kind(control) == ControlKind::step_length ? along(control, step) : settle(control, step);
}

StepReport BoundedStep::settle(const Control& control, VectorRef step) {
  walked_ = false;
  if (!on_first_face_) {
    held_ = held_at_start_;
    std::fill(shift_.begin(), shift_.end(), 0.0);
    on_first_face_ = true;
    const StepStatus status = prepare_face();
    if (status != StepStatus::ok) {
      return no_step(status, step);
    }
  }
  StepReport last = solver_->solve(control, step);
  if (last.status != StepStatus::ok) {
    return last;
  }
  clear_held(step);
  if (inside(step)) {
    return last;
  }
  walked_ = true;
  std::copy(step.begin(), step.end(), target_.begin());
  start_at_origin();
  bool whole = walk(control, last) && multipliers_agree();
  if (!whole && last.status != StepStatus::interrupted && start_from_cauchy(control)) {
    last = solve_face(control);
    whole = last.status == StepStatus::ok && walk(control, last) && multipliers_agree();
  }
  if (last.status == StepStatus::interrupted) {
    return no_step(StepStatus::interrupted, step);
  }
  StepReport out;
  std::copy(best_.step.begin(), best_.step.end(), step.begin());
  out.slope = best_.slope;
  out.predicted_decrease = -(best_.slope + 0.5 * best_.curvature);
  out.norm = model_->metric.norm(step);
  out.limit = last.status == StepStatus::ok && last.limit == StepReport::Limit::boundary
                  ? StepReport::Limit::boundary
              : whole ? StepReport::Limit::interior
                      : StepReport::Limit::bounds;
  out.inner_iterations = last.inner_iterations;
  return checked(out, step);
}

void BoundedStep::start_at_origin() {
  std::fill(best_.step.begin(), best_.step.end(), 0.0);
  std::copy(model_->gradient.begin(), model_->gradient.end(), best_.gradient.begin());
  best_.slope = best_.curvature = best_.value = 0;
}

/// From best_ towards target_, face after face. True where best_ minimises the model on the last face, as far
/// as the control lets it.
bool BoundedStep::walk(const Control& control, StepReport& last) {
  for (int face = 0;; ++face) {
    const double before = best_.value;
    const Advance end = advance(control);
    if (end != Advance::met) {
      return end == Advance::reached;
    }
    const bool worth = face == 0 || before - best_.value > worth_a_face * -best_.value;
    if (face == most_faces || !worth || solver_->remembers()) {
      return false;
    }
    const StepReport next = solve_face(control);
    if (next.status != StepStatus::ok) {
      last.status = next.status == StepStatus::interrupted ? next.status : last.status;
      return false;
    }
    last = next;
  }
}

/// The solver's step on the face of the held variables becomes the target.
StepReport BoundedStep::solve_face(const Control& control) {
  Control left = control;
  if (auto* radius = std::get_if<Radius>(&left)) {
    const double taken = model_->metric.norm(shift_);
    radius->value = std::sqrt(std::max(0.0, (radius->value - taken) * (radius->value + taken)));
  }
  on_first_face_ = false;
  StepReport out;
  out.status = prepare_face();
  if (out.status != StepStatus::ok) {
    return out;
  }
  out = solver_->solve(left, target_);
  for (const Index i : held_list_) {
    target_[at(i)] = shift_[at(i)];
  }
  return out;
}

/// The part of the way from best_ to target_ at which a free variable meets its bound; infinite where it does
/// not move.
double BoundedStep::meeting(std::size_t k) const {
  const auto i = at(tangent(k));
  const double move = target_[i] - best_.step[i];
  if (held_[k] != 0 || move == 0) {
    return infinity;
  }
  return ((move < 0 ? room_[k].lower : room_[k].upper) - best_.step[i]) / move;
}

/// trial_ = P(best_ + beta (target_ - best_)).
void BoundedStep::place(double beta) {
  for (std::size_t i = 0; i < target_.size(); ++i) {
    trial_.step[i] = beta == 1 ? target_[i] : best_.step[i] + beta * (target_[i] - best_.step[i]);
  }
  for (std::size_t k = 0; k < room_.size(); ++k) {
    if (held_[k] == 0) {
      double& moved = trial_.step[at(tangent(k))];
      const double bound =
          target_[at(tangent(k))] < best_.step[at(tangent(k))] ? room_[k].lower : room_[k].upper;
      moved = meeting(k) <= beta ? bound : std::clamp(moved, room_[k].lower, room_[k].upper);
    }
  }
}

/// One projected search on the model. Holds what met a bound.
BoundedStep::Advance BoundedStep::advance(const Control& control) {
  double first = infinity;
  for (std::size_t k = 0; k < room_.size(); ++k) {
    const double m = meeting(k);
    first = m > 0 ? std::min(first, m) : first;
  }
  const bool straight = inside(target_);
  for (const double beta : {1.0, 0.25, 0.0625, first}) {
    if (!(beta <= 1) || (beta < first && first < 1)) {
      continue;
    }
    place(beta);
    evaluate(control, trial_);
    double promised = 0;
    for (std::size_t i = 0; i < trial_.step.size(); ++i) {
      promised += best_.gradient[i] * (trial_.step[i] - best_.step[i]);
    }
    // Nothing left to gain on this face but rounding.
    if (straight && std::fabs(promised) <= 1e-12 * std::fabs(best_.value)) {
      return Advance::reached;
    }
    if (promised < 0 && trial_.value - best_.value <= sufficient * promised) {
      hold_met(trial_.step);
      std::swap(best_, trial_);
      return straight ? Advance::reached : Advance::met;
    }
    if (straight) {
      break;
    }
  }
  return Advance::none;
}

/// Holds the free variables that `step` brought to the bound they were heading for.
void BoundedStep::hold_met(ConstVectorRef step) {
  for (std::size_t k = 0; k < room_.size(); ++k) {
    const auto i = at(tangent(k));
    const bool at_lower = step[i] == room_[k].lower && target_[i] < room_[k].lower;
    const bool at_upper = step[i] == room_[k].upper && target_[i] > room_[k].upper;
    if (held_[k] == 0 && (at_lower || at_upper)) {
      held_[k] = 1;
      shift_[i] = step[i];
    }
  }
}

/// The model that the control sees: g's + s'Bs/2 + damping |s|_W^2 / 2. A line search sees no negative
/// curvature, so that a lower model means a descent.
void BoundedStep::evaluate(const Control& control, Point& point) {
  model_->B.multiply(point.step, point.gradient);
  point.slope = dot(model_->gradient, point.step);
  point.curvature = dot(point.step, point.gradient);
  const double lambda = damping_of(control);
  const bool ignore = kind(control) == ControlKind::step_length && point.curvature < 0;
  const ConstVectorRef w = model_->metric.weights();
  double penalty = 0;
  for (std::size_t i = 0; i < point.step.size(); ++i) {
    const double damped = lambda == 0 ? 0.0 : lambda * w[i] * point.step[i];
    penalty += damped * point.step[i];
    point.gradient[i] = model_->gradient[i] + (ignore ? 0.0 : point.gradient[i]) + damped;
  }
  point.value = point.slope + 0.5 * (ignore ? 0.0 : point.curvature) + 0.5 * penalty;
}

/// Whether each held variable is pressed against its bound by the model's gradient at best_.
bool BoundedStep::multipliers_agree() const {
  constexpr double rounding = 1e-10;
  for (std::size_t k = 0; k < room_.size(); ++k) {
    if (held_[k] == 0 || room_[k].lower == room_[k].upper) {
      continue;
    }
    const auto i = at(tangent(k));
    const double m = best_.gradient[i];
    const double size = std::fabs(model_->gradient[i]) + std::fabs(m - model_->gradient[i]);
    const bool agrees = best_.step[i] == room_[k].lower ? m >= -rounding * size : m <= rounding * size;
    if (!agrees) {
      return false;
    }
  }
  return true;
}

/// The projected Cauchy step, where it is better than best_: becomes best_, on the face it ends on.
bool BoundedStep::start_from_cauchy(const Control& control) {
  const ConstVectorRef w = model_->metric.weights();
  const double old_norm = model_->metric.norm(best_.step);
  for (std::size_t i = 0; i < target_.size(); ++i) {
    target_[i] = -model_->gradient[i] / w[i];
  }
  for (std::size_t k = 0; k < room_.size(); ++k) {
    if (held_at_start_[k] != 0) {
      target_[at(tangent(k))] = 0;
    }
  }
  std::copy(target_.begin(), target_.end(), trial_.step.begin());
  evaluate(control, trial_);
  const double slope = trial_.slope;
  const double curvature = 2 * (trial_.value - slope);
  const double length = model_->metric.norm(target_);
  double t = curvature > 0 ? -slope / curvature : infinity;
  if (const auto* radius = std::get_if<Radius>(&control)) {
    t = std::min(t, radius->value / length);
  }
  if (!std::isfinite(t)) {
    t = old_norm > 0 ? old_norm / length : 1.0;
  }
  for (int tries = 0; tries < 20; ++tries, t *= 0.25) {
    for (std::size_t i = 0; i < target_.size(); ++i) {
      trial_.step[i] = t * target_[i];
    }
    for (std::size_t k = 0; k < room_.size(); ++k) {
      double& moved = trial_.step[at(tangent(k))];
      moved = std::clamp(moved, room_[k].lower, room_[k].upper);
    }
    evaluate(control, trial_);
    if (trial_.slope < 0 && trial_.value <= sufficient * trial_.slope) {
      break;
    }
  }
  if (!(trial_.value < best_.value)) {
    return false;
  }
  for (double& v : target_) {
    v *= t;
  }
  held_ = held_at_start_;
  std::fill(shift_.begin(), shift_.end(), 0.0);
  hold_met(trial_.step);
  std::swap(best_, trial_);
  return true;
}

/// The length at which the direction brings a variable to its bound.
double BoundedStep::reach(std::size_t k) const {
  const double move = direction_[at(tangent(k))];
  return move < 0 ? room_[k].lower / move : move > 0 ? room_[k].upper / move : infinity;
}

/// A line search's step: alpha times the step for length 1, which lies in the box.
StepReport BoundedStep::along(Control& control, VectorRef step) {
  double& alpha = std::get<StepLength>(control).value;
  if (!direction_known_) {
    direction_report_ = settle(StepLength{1.0}, direction_);
    if (direction_report_.status != StepStatus::ok) {
      return no_step(direction_report_.status, step);
    }
    direction_known_ = true;
    direction_curvature_ = -2 * (direction_report_.predicted_decrease + direction_report_.slope);
    longest_ = infinity;
    for (std::size_t k = 0; k < room_.size(); ++k) {
      longest_ = std::min(longest_, reach(k));
    }
    longest_ = std::max(longest_, 1.0);  // at least, but for rounding
  }
  alpha = std::min(alpha, longest_);
  StepReport out = direction_report_;
  if (walked_) {
    for (std::size_t i = 0; i < step.size(); ++i) {
      step[i] = alpha * direction_[i];
    }
    out.slope *= alpha;
    out.predicted_decrease = -(alpha * (direction_report_.slope + 0.5 * alpha * direction_curvature_));
    out.norm *= alpha;
    out.limit = alpha < 1 ? StepReport::Limit::boundary : direction_report_.limit;
  } else {
    out = solver_->solve(control, step);
    clear_held(step);
  }
  for (std::size_t k = 0; k < room_.size(); ++k) {
    const auto i = at(tangent(k));
    if (alpha == longest_ && reach(k) <= longest_) {
      step[i] = direction_[i] < 0 ? room_[k].lower : room_[k].upper;
    }
  }
  out.longest = longest_;
  return checked(out, step);
}

/// A schedule's step, projected.
StepReport BoundedStep::scheduled(const Control& control, VectorRef step) {
  StepReport out = solver_->solve(control, step);
  if (out.status != StepStatus::ok || inside(step)) {
    return out;
  }
  for (std::size_t k = 0; k < room_.size(); ++k) {
    double& moved = step[at(tangent(k))];
    moved = std::clamp(moved, room_[k].lower, room_[k].upper);
  }
  std::copy(step.begin(), step.end(), trial_.step.begin());
  model_->B.multiply(trial_.step, trial_.gradient);
  out.slope = dot(model_->gradient, step);
  out.predicted_decrease = -(out.slope + 0.5 * dot(step, trial_.gradient));
  out.norm = model_->metric.norm(step);
  out.limit = StepReport::Limit::bounds;
  return checked(out, step);
}

}  // namespace kappa::detail
