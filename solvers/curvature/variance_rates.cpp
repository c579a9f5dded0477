// variance-rates: the diagonal whose reciprocals are the learning rates of vSGD-fd.
//
// From the gradient g at x and the one g' of the same sample at x + gbar, entry by entry,
//
//     h  = |g - g'| / |gbar|                                                (finite-difference curvature)
//     outlier, where |g - gbar| > 2 sqrt(v - gbar^2) or |h - hbar| > 2 sqrt(w - hbar^2):   tau <- tau + 1
//     gbar, v, hbar, w <- averages of g, g^2, h, h^2 with weight 1 / tau of the new
//     eta = hbar / w  gbar^2 / v,        tau <- (1 - gbar^2 / v) tau + 1
//
// and B = diag(1 / eta). A mini-batch counts as one sample: what matters is the variance of the gradient that
// the step is made of. So no rate has to be chosen: take rate 1.
//
// The first `start` points only begin the averages, as plain means: until then rates are zero and x stays.
// Then v is enlarged by `slow_start`, so that the first steps are short. Where gbar is zero, h stays.
//
// Cost: a second gradient of the same sample at each point; 5 n numbers.
//
// Reference: Schaul & LeCun, Adaptive learning rates and parallelization for stochastic, sparse, non-smooth
// gradients, ICLR 2013, algorithm 1; Schaul, Zhang & LeCun, No more pesky learning rates, ICML 2013, sec. 4.
#include <algorithm>
#include <cmath>

#include "core/option_checks.h"
#include "solvers/curvature/diagonal_operator.h"
#include "solvers/curvature/parts.h"

namespace kappa {

namespace {

constexpr const char* part = "curvature 'variance-rates'";

/// Rates below its reciprocal do not move a variable.
constexpr double most = 1e100;

struct VarianceRatesOptions {
  Index start = 10;          // authors' program: 10 samples
  double slow_start = 2;     // authors' program: slow_constant 2
  double outlier = 2;        // Schaul & LeCun 2013, alg. 1: two standard deviations
  double most_memory = 1e6;  // where a memory so long would average over more points than are made
};

constexpr Field<VarianceRatesOptions> fields[] = {
    {"start", &VarianceRatesOptions::start, "authors' program", "points that begin the averages; at least 1"},
    {"slow_start", &VarianceRatesOptions::slow_start, "authors' program",
     "factor by which the first mean square of the gradient is enlarged; at least 1"},
    {"outlier", &VarianceRatesOptions::outlier, "Schaul & LeCun 2013, alg. 1",
     "standard deviations from the mean beyond which a memory is lengthened; positive"},
    {"most_memory", &VarianceRatesOptions::most_memory, "more points than a solve makes",
     "longest memory, in points"},
};

class VarianceRates final : public Curvature {
 public:
  explicit VarianceRates(const VarianceRatesOptions& options)
      : options_(options), operator_(Definiteness::positive_semidefinite) {}

  CurvatureNeeds needs() const override { return {{}, CurvatureNeeds::History::displaced_evaluation}; }

  void start() override { points_ = 0; }

  bool displacement(const Evaluation& now, VectorRef out) override {
    reserve(now.gradient.size());
    if (points_ == 0) {
      std::copy(now.gradient.begin(), now.gradient.end(), out.begin());
    } else {
      std::copy(gradient_.begin(), gradient_.end(), out.begin());
    }
    return true;
  }

  Status refresh(const Evaluation& now, const Evaluation* displaced, ConstVectorRef displacement) override {
    if (displaced == nullptr) {
      return points_ > 0 ? Status::ok : Status::failed;
    }
    const VectorRef B = operator_.entries(static_cast<Index>(now.gradient.size()));
    ++points_;
    const bool begins = points_ <= options_.start;
    for (std::size_t i = 0; i < B.size(); ++i) {
      const double g = now.gradient[i];
      const bool known = displacement[i] != 0;
      const double h = known ? std::abs((g - displaced->gradient[i]) / displacement[i]) : curvature_[i];
      begins ? begin(i, g, h) : advance(i, g, h);
      B[i] = points_ < options_.start ? most : reciprocal_rate(i);
    }
    return Status::ok;
  }

  const SymmetricOperator& at_point() const override { return operator_; }

  bool state(State& s) override {
    s.section("variance-rates", 1);
    s.item("points", points_);
    s.item("gradient", gradient_);
    s.item("squared gradient", squared_gradient_);
    s.item("curvature", curvature_);
    s.item("squared curvature", squared_curvature_);
    s.item("memory", memory_);
    operator_.state(s);
    return true;
  }

 private:
  void reserve(std::size_t n) {
    if (points_ == 0) {
      for (std::vector<double>* v :
           {&gradient_, &squared_gradient_, &curvature_, &squared_curvature_, &memory_}) {
        v->assign(n, 0.0);
      }
    }
  }

  /// Plain means of the first points; the last of them enlarges the mean square.
  void begin(std::size_t i, double g, double h) {
    average(i, g, h, 1 / static_cast<double>(points_));
    memory_[i] = static_cast<double>(points_);
    if (points_ == options_.start) {
      squared_gradient_[i] *= options_.slow_start;
    }
  }

  void advance(std::size_t i, double g, double h) {
    if (outside(g, gradient_[i], squared_gradient_[i]) || outside(h, curvature_[i], squared_curvature_[i])) {
      memory_[i] += 1;
    }
    average(i, g, h, 1 / memory_[i]);
    const double share = signal_share(i);
    memory_[i] = std::min((1 - share) * memory_[i] + 1, options_.most_memory);
  }

  bool outside(double value, double mean, double square) const {
    return std::abs(value - mean) > options_.outlier * std::sqrt(std::max(square - mean * mean, 0.0));
  }

  void average(std::size_t i, double g, double h, double weight) {
    gradient_[i] += weight * (g - gradient_[i]);
    squared_gradient_[i] += weight * (g * g - squared_gradient_[i]);
    curvature_[i] += weight * (h - curvature_[i]);
    squared_curvature_[i] += weight * (h * h - squared_curvature_[i]);
  }

  /// gbar^2 / v: how much of the gradient is not noise.
  double signal_share(std::size_t i) const {
    return squared_gradient_[i] > 0 ? gradient_[i] * gradient_[i] / squared_gradient_[i] : 0.0;
  }

  double reciprocal_rate(std::size_t i) const {
    const double rate =
        squared_curvature_[i] > 0 ? curvature_[i] / squared_curvature_[i] * signal_share(i) : 0.0;
    return std::min(1 / rate, most);  // 1 / 0 is infinite
  }

  VarianceRatesOptions options_;
  detail::DiagonalOperator operator_;
  Index points_ = 0;
  std::vector<double> gradient_, squared_gradient_, curvature_, squared_curvature_, memory_;
};

}  // namespace

CurvaturePart variance_rates_part() {
  CurvaturePart out;
  out.info.kind = PartKind::curvature;
  out.info.name = "variance-rates";
  out.info.summary =
      "Rates from the gradient's variance and its finite differences on one sample, vSGD-fd's; no rate to "
      "choose.";
  out.info.source = "Schaul & LeCun 2013, alg. 1";
  out.info.options = describe_options<VarianceRatesOptions>(fields);
  out.make = [](const Options& given) -> std::unique_ptr<Curvature> {
    const auto o = read_options<VarianceRatesOptions>(part, given, fields);
    using detail::require_option;
    require_option(o.start >= 1, part, "start", static_cast<std::int64_t>(o.start), "it must be at least 1");
    require_option(o.slow_start >= 1 && o.slow_start < infinity, part, "slow_start", o.slow_start,
                   "it must be finite and at least 1");
    require_option(o.outlier > 0, part, "outlier", o.outlier, "it must be positive");
    require_option(o.most_memory > 1, part, "most_memory", o.most_memory, "it must be above 1");
    return std::make_unique<VarianceRates>(o);
  };
  return out;
}

}  // namespace kappa
