#include "solvers/step/krylov_model.h"

#include <algorithm>
#include <cmath>

namespace kappa::detail {
namespace {

constexpr const char* forcing_source =
    "Gould, Lucidi, Roma & Toint 1999, sec. 6; Dembo, Eisenstat & Steihaug 1982, cor. 3.5";

constexpr std::array<Field<KrylovOptions>, 5> make_fields() {
  const auto forcing = forcing_fields<KrylovOptions>(forcing_source);
  return {
      {forcing[0],
       forcing[1],
       forcing[2],
       {"max_iterations", &KrylovOptions::max_iterations, "finite termination of Lanczos' process",
        "vectors of the basis at a point; 0: the number of variables, at most 1000"},
       {"stored_vectors", &KrylovOptions::stored_vectors, "80 MB at 100 000 variables",
        "vectors that are kept; further ones are computed again, at one product each, to assemble a step; "
        "at least 2"}}};
}

constexpr std::array<Field<KrylovOptions>, 5> fields = make_fields();

}  // namespace

std::span<const Field<KrylovOptions>> krylov_fields() {
  return fields;
}

KrylovOptions krylov_options(std::string_view part, const Options& given) {
  const auto o = read_options<KrylovOptions>(part, given, fields);
  forcing(part, o);
  require_option(o.stored_vectors >= 2, part, "stored_vectors", static_cast<std::int64_t>(o.stored_vectors),
                 "it must be at least 2");
  return o;
}

StepStatus KrylovModel::prepare(const Subproblem& subproblem) {
  subproblem_.emplace(subproblem);
  const Index n = subproblem.B.size();
  limit_ = forcing_.max_iterations > 0 ? forcing_.max_iterations : std::min(n, KrylovOptions::most_vectors);
  limit_ = std::min(limit_, n);
  basis_.reserve(n, limit_, stored_);
  small_.reserve(limit_);
  y_.reserve(static_cast<std::size_t>(limit_));
  product_.resize(static_cast<std::size_t>(n));
  next_test_ = 1;
  settled_ = 0;
  beyond_ = ended_ = small_ready_ = false;
  ready_ = basis_.start(subproblem);
  if (!ready_) {
    return StepStatus::failed;
  }
  tolerance_ = forcing_.tolerance(basis_.gamma());
  return StepStatus::ok;
}

/// Whether the solution in the basis is good enough, or the best to be had.
bool KrylovModel::good_enough() {
  if (ended_) {
    return true;
  }
  if (beyond_) {
    constexpr Index enough = 2;
    return settled_ >= enough;
  }
  // Where the space is exhausted the residual is zero, but there may be negative curvature outside.
  return (basis_.coupled() || semidefinite()) &&
         basis_.next_beta() * std::abs(y_.back()) <= tolerance_ * basis_.gamma();
}

/// More vectors, up to the next test. `ended_` where there are no more.
StepStatus KrylovModel::grow() {
  const auto status_of = [](LanczosBasis::Growth growth) {
    return growth == LanczosBasis::Growth::failed ? StepStatus::failed : StepStatus::interrupted;
  };
  using Growth = LanczosBasis::Growth;
  if (!beyond_ && !basis_.coupled() && !semidefinite()) {
    beyond_ = true;
    settled_ = 0;
  }
  for (bool due = false; !due && !ended_;) {
    const Growth growth = basis_.dimension() < limit_ ? basis_.extend() : Growth::exhausted;
    if (growth == Growth::failed || growth == Growth::interrupted) {
      ready_ = growth != Growth::failed;
      return status_of(growth);
    }
    if (growth == Growth::exhausted) {
      ended_ = semidefinite() || basis_.dimension() >= limit_ || !basis_.go_on();
      beyond_ = !ended_;
      settled_ = 0;
      continue;
    }
    due = basis_.dimension() >= next_test_ || !basis_.coupled();
  }
  const Index k = basis_.dimension();
  next_test_ = k < 8 ? k + 1 : std::max(k + 1, k + k / 10);
  if (k == 0) {  // no gradient, and nothing to look for
    small_ready_ = small_.set(std::array{0.0}, {}, 0);
    return StepStatus::ok;
  }
  if (!small_.set(basis_.diagonal(), basis_.off_diagonal(), basis_.gamma())) {
    ready_ = false;
    return StepStatus::failed;
  }
  const double leftmost = small_.leftmost();
  const bool stayed = small_ready_ && std::abs(leftmost - last_leftmost_) <= 1e-9 * small_.scale();
  settled_ = stayed ? settled_ + 1 : 0;
  last_leftmost_ = leftmost;
  small_ready_ = true;
  return StepStatus::ok;
}

StepReport KrylovModel::report(VectorRef step, Index iterations) {
  StepReport out;
  out.inner_iterations = iterations;
  if (basis_.dimension() == 0) {
    std::fill(step.begin(), step.end(), 0.0);
    return out;
  }
  basis_.assemble(y_, step);
  out.slope = dot(subproblem_->gradient, step);
  out.norm = subproblem_->metric.norm(step);
  out.predicted_decrease = -small_.value(y_);
  if (basis_.dimension() > basis_.stored()) {  // the basis may not be orthogonal
    subproblem_->B.multiply(step, product_);
    out.predicted_decrease = -(out.slope + 0.5 * dot(step, product_));
  }
  const bool certain = basis_.next_beta() * std::abs(y_.back()) <= tolerance_ * basis_.gamma();
  out.limit = certain ? StepReport::Limit::interior : StepReport::Limit::boundary;
  return checked(out, step);
}

}  // namespace kappa::detail
