#include "bench/source.h"

#include <algorithm>
#include <limits>

namespace kappa::bench {

namespace {

/// The builder whose problem is its value at one point.
class Evaluator {
 public:
  explicit Evaluator(ConstVectorRef x) : x_(x) {}

  int add_parameters(int size, Role) {
    offsets_.push_back(next_);
    next_ += static_cast<std::size_t>(size);
    return static_cast<int>(offsets_.size()) - 1;
  }

  template <int Residuals, int... Sizes, class Functor, class... Blocks>
  void add(const Functor& functor, Blocks... blocks) {
    double r[Residuals];
    if (!functor((x_.data() + offsets_[static_cast<std::size_t>(blocks)])..., r)) {
      sum_ = std::numeric_limits<double>::quiet_NaN();
      return;
    }
    for (const double e : r) {
      sum_ += e * e;
    }
  }

  /// A point outside the bounds solves nothing.
  void bound(int block, ConstVectorRef lower, ConstVectorRef upper) {
    const ConstVectorRef x = x_.subspan(offsets_[static_cast<std::size_t>(block)], lower.size());
    for (std::size_t i = 0; i < x.size(); ++i) {
      if (!(x[i] >= lower[i] && x[i] <= upper[i])) {
        sum_ = std::numeric_limits<double>::quiet_NaN();
      }
    }
  }

  double value() const { return 0.5 * sum_; }

 private:
  ConstVectorRef x_;
  std::vector<std::size_t> offsets_;
  std::size_t next_ = 0;
  double sum_ = 0;
};

}  // namespace

std::vector<double> MghSource::initial() const {
  std::vector<double> x = start(*problem, factor);
  for (std::size_t i = 0; bounds != nullptr && i < x.size(); ++i) {
    x[i] = std::clamp(x[i], bounds->lower[i], bounds->upper[i]);
  }
  return x;
}

std::vector<double> initial(const Source& source) {
  return std::visit([](const auto& s) { return std::vector<double>(s.initial()); }, source);
}

double objective(const Source& source, ConstVectorRef x) {
  Evaluator evaluator(x);
  std::visit([&](const auto& s) { s.build(evaluator); }, source);
  return evaluator.value();
}

}  // namespace kappa::bench
