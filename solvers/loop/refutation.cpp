// Convergence that a model claims of itself, held against the objective.
#include <algorithm>
#include <cmath>

#include "core/vector.h"
#include "solvers/loop/solve.h"

namespace kappa::detail {

namespace {

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

}  // namespace

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
  for (const Box::Entry& bound : w_.box.entries()) {
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

}  // namespace kappa::detail
