#include <algorithm>
#include <cmath>

#include "core/vector.h"
#include "kappa/step.h"

namespace kappa {

const char* name(MetricKind kind) {
  switch (kind) {
    case MetricKind::identity:
      return "identity";
    case MetricKind::marquardt:
      return "marquardt";
    case MetricKind::minpack:
      return "minpack";
    case MetricKind::blended:
      return "blended";
    case MetricKind::automatic:
      return "automatic";
  }
  return "unknown";
}

void Metric::reset(MetricKind kind) {
  kind_ = kind;
  weights_.clear();
}

void Metric::state(State& s) {
  s.section("metric", 1);
  s.item("kind", kind_);
  s.item("weights", weights_);
}

void Metric::update(const SymmetricOperator& B) {
  const auto n = static_cast<std::size_t>(B.size());
  const bool first = weights_.size() != n;
  if (kind_ == MetricKind::automatic) {
    constexpr std::size_t large = 500;  // docs/benchmarks.md
    kind_ = n > large ? MetricKind::marquardt : MetricKind::minpack;
  }
  if (first) {
    weights_.assign(n, 1.0);
  }
  if (kind_ == MetricKind::identity) {
    return;
  }
  diagonal_.resize(n);
  if (!B.diagonal(diagonal_)) {
    std::fill(weights_.begin(), weights_.end(), 1.0);
    return;
  }
  for (std::size_t i = 0; i < n; ++i) {
    const double entry = std::abs(diagonal_[i]);
    if (!std::isfinite(entry)) {
      continue;  // the solver will report the point; a weight must stay usable
    }
    if (kind_ == MetricKind::blended) {
      constexpr double part = 0.01;  // Hsia, Chiang & Lin 2018, sec. 4
      weights_[i] = (1 - part) + part * entry;
      continue;
    }
    // As in MINPACK, the 1 that stands for a zero takes part in later maxima: weights never shrink.
    if (kind_ == MetricKind::marquardt || first) {
      weights_[i] = entry == 0 ? 1.0 : entry;
    } else {
      weights_[i] = std::max(weights_[i], entry);
    }
  }
}

double Metric::norm(ConstVectorRef step) const {
  expects(step.size() == weights_.size(),
          "Metric::norm: the step does not have the metric's size; call update first");
  return kind_ == MetricKind::identity ? detail::norm(step) : detail::weighted_norm(weights_, step);
}

double Metric::dual_norm(ConstVectorRef gradient) const {
  expects(gradient.size() == weights_.size(),
          "Metric::dual_norm: the gradient does not have the metric's size; call update first");
  if (kind_ == MetricKind::identity) {
    return detail::norm(gradient);
  }
  double top = 0;
  for (std::size_t i = 0; i < gradient.size(); ++i) {
    const double a = std::abs(gradient[i]) / std::sqrt(weights_[i]);
    if (!std::isfinite(a)) {
      return infinity;
    }
    top = std::max(top, a);
  }
  if (top == 0) {
    return 0;
  }
  double sum = 0;
  for (std::size_t i = 0; i < gradient.size(); ++i) {
    const double t = gradient[i] / std::sqrt(weights_[i]) / top;
    sum += t * t;
  }
  return top * std::sqrt(sum);
}

}  // namespace kappa
