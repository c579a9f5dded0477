// What is asked of the problem, where, and on which terms.
#include <algorithm>
#include <cmath>

#include "core/vector.h"
#include "kappa/random.h"
#include "solvers/loop/solve.h"
#include "solvers/text.h"

namespace kappa::detail {

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

}  // namespace kappa::detail
