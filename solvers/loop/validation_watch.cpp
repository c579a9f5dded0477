#include "solvers/loop/validation_watch.h"

#include <algorithm>
#include <cmath>

namespace kappa::detail {

namespace {

/// NaN is worse than anything.
bool better(const Measure& a, const Measure& b) {
  if (std::isnan(a.value) || std::isnan(b.value)) {
    return !std::isnan(a.value);
  }
  return a.better == Measure::Better::lower ? a.value < b.value : a.value > b.value;
}

}  // namespace

void ValidationWatch::start(const Validation& validation, const Problem& learnt) {
  problem_ = validation.problem;
  if (problem_ == nullptr) {
    return;
  }
  if (problem_->dimension() != learnt.dimension()) {
    throw Error("the validation problem has " + std::to_string(problem_->dimension()) +
                " variables and the one to learn from " + std::to_string(learnt.dimension()) +
                "; both must be of the same model");
  }
  wanted_ = validation.measure;
  patience_ = validation.patience;
  stale_ = best_epoch_ = 0;
  best_measures_.clear();
  best_x_.assign(static_cast<std::size_t>(learnt.dimension()), 0.0);
}

void ValidationWatch::measure(ConstVectorRef x) {
  measures_ = problem_->measures(x);
  if (measures_.empty()) {
    Request request;
    request.want = Want::value;
    evaluation_.reset(x, 0);
    const bool there = problem_->evaluate(request, evaluation_) == EvalStatus::ok;
    measures_.push_back({"value", there ? evaluation_.value : std::nan("")});
  }
  if (wanted_.empty()) {
    deciding_ = 0;
    return;
  }
  const auto found =
      std::find_if(measures_.begin(), measures_.end(), [&](const Measure& m) { return m.name == wanted_; });
  if (found == measures_.end()) {
    std::string valid;
    for (const Measure& m : measures_) {
      valid += (valid.empty() ? "" : ", ") + m.name;
    }
    throw Error("the validation problem has no measure '" + wanted_ + "'; it has: " + valid);
  }
  deciding_ = static_cast<std::size_t>(found - measures_.begin());
}

bool ValidationWatch::judge(ConstVectorRef x, Index epoch) {
  measure(x);
  const bool best = best_measures_.empty() || better(measures_[deciding_], best_measures_[deciding_]);
  if (!best) {
    ++stale_;
    return false;
  }
  stale_ = 0;
  best_epoch_ = epoch;
  best_x_.assign(x.begin(), x.end());
  best_measures_ = measures_;
  return true;
}

void ValidationWatch::state(State& s) {
  s.section("validation", 1);
  s.item("stale", stale_);
  s.item("best epoch", best_epoch_);
  s.item("best point", best_x_);
  // The names are those of the start, which was judged before anything is loaded.
  for (Measure& m : best_measures_) {
    s.item(m.name, m.value);
  }
}

}  // namespace kappa::detail
