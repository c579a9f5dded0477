// ValidationWatch: the best point by data that is not learnt from, and for how long nothing was better.
#pragma once

#include <string>
#include <vector>

#include "kappa/checkpoint.h"
#include "kappa/minimize.h"
#include "kappa/problem.h"

namespace kappa::detail {

class ValidationWatch {
 public:
  /// A new solve of `learnt` begins. Throws Error where the validation problem has other variables.
  void start(const Validation& validation, const Problem& learnt);

  bool active() const { return problem_ != nullptr; }

  /// Judges x, reached after so many epochs. True where it is better than all before. Throws Error where the
  /// deciding measure is not there.
  bool judge(ConstVectorRef x, Index epoch);

  /// Nothing was better for as many epochs in a row as were to be waited for.
  bool exhausted() const { return patience_ > 0 && stale_ >= patience_; }

  Index best_epoch() const { return best_epoch_; }
  Index stale() const { return stale_; }
  ConstVectorRef best_point() const { return best_x_; }
  /// Of the point judged last, and of the best.
  const std::vector<Measure>& measures() const { return measures_; }
  const std::vector<Measure>& best_measures() const { return best_measures_; }
  /// The measure that decides.
  const Measure& best() const { return best_measures_[deciding_]; }

  void state(State& s);

 private:
  void measure(ConstVectorRef x);

  const Problem* problem_ = nullptr;
  std::string wanted_;
  Index patience_ = 0;
  Index stale_ = 0;
  Index best_epoch_ = 0;
  std::size_t deciding_ = 0;
  std::vector<double> best_x_;
  std::vector<Measure> measures_, best_measures_;
  Evaluation evaluation_;
};

}  // namespace kappa::detail
