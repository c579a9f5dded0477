// secant-rates: the diagonal whose reciprocals are the learning rates of AdaSecant.
//
// With the normalised gradient g / |g|, its change alpha from the last point and the step Delta that led from
// there, entry by entry, E[.] an average with weight 1 / tau of the new:
//
//     outlier, where |g - E[g]| > 2 sqrt(E[g^2] - E[g]^2) or the same of alpha:   tau <- 2.2
//     eta = sqrt(E[Delta^2] + epsilon) / sqrt(a) - E[alpha' Delta] / a,   a = E[alpha^2] + epsilon
//
//     tau <- (1 - E[Delta]^2 / E[Delta^2]) tau + 1
//
// and B = diag(1 / eta). The averages are divided by 1 - prod (1 - 1 / tau), for that they begin at zero.
// `least_rate` keeps a variable from standing still. Take it with step scaled-gradient and its option
// normalized, whose directions have the same unit, and with its variance reduction.
//
// alpha' is the change that led to the point from which Delta starts, as in the authors' program; at the
// first point the gradient itself. The text can be read as the change that Delta makes. Where gradients are
// of two mini-batches this reading stops: of noise alone, Delta = -eta g makes E[alpha Delta] = eta E[g^2],
// E[alpha^2] = 2 E[g^2], so that a rate becomes eta (1 / sqrt 2 - 1 / 2), a fifth, at every point. With
// alpha' the second term has the other sign there, and rates rise until curvature holds them. epsilon, also
// the program's, keeps them from running away to zero or without limit. The first step, without a secant, is
// a unit gradient, for the same reason. The paper normalises the gradient of each weight matrix by itself;
// here the whole gradient is one block.
//
// Cost: no evaluation beyond the gradient; 8 n numbers.
//
// Reference: Gulcehre & Bengio, ADASECANT: robust adaptive secant method for stochastic gradient, 2014, alg.
// 1; Gulcehre, Sotelo, Moczulski & Bengio, A robust adaptive stochastic gradient method for deep learning,
// IJCNN 2017.
#include <algorithm>
#include <cmath>
#include <utility>

#include "core/option_checks.h"
#include "core/vector.h"
#include "solvers/curvature/diagonal_operator.h"
#include "solvers/curvature/parts.h"

namespace kappa {

namespace {

constexpr const char* part = "curvature 'secant-rates'";

struct SecantRatesOptions {
  double memory = 2.2;       // Gulcehre & Bengio 2014, alg. 1
  double outlier = 2;        // Gulcehre & Bengio 2014, alg. 1
  double epsilon = 1e-7;     // authors' program, with its learning_rate 1e-7
  double first_rate = 1;     // authors' program: the first step is taken to be a unit gradient
  double least_rate = 1e-6;  // arbitrary: relative to a unit gradient
  double most_rate = 10;     // arbitrary: relative to a unit gradient
  double most_memory = 1e6;  // more points than a solve makes
};

constexpr Field<SecantRatesOptions> fields[] = {
    {"memory", &SecantRatesOptions::memory, "Gulcehre & Bengio 2014, alg. 1",
     "memory at the start and after an outlier, in points; above 1"},
    {"outlier", &SecantRatesOptions::outlier, "Gulcehre & Bengio 2014, alg. 1",
     "standard deviations from the mean beyond which a memory is cut; positive"},
    {"epsilon", &SecantRatesOptions::epsilon, "authors' program",
     "added to the mean squares of steps and changes; at least 0"},
    {"first_rate", &SecantRatesOptions::first_rate, "authors' program", "rate of the first step; positive"},
    {"least_rate", &SecantRatesOptions::least_rate, "arbitrary", "rates are at least this; positive"},
    {"most_rate", &SecantRatesOptions::most_rate, "arbitrary", "rates are at most this"},
    {"most_memory", &SecantRatesOptions::most_memory, "more points than a solve makes",
     "longest memory, in points"},
};

class SecantRates final : public Curvature {
 public:
  explicit SecantRates(const SecantRatesOptions& options)
      : options_(options), operator_(Definiteness::positive_semidefinite) {}

  CurvatureNeeds needs() const override { return {{}, CurvatureNeeds::History::previous_evaluation}; }

  void start() override { points_ = 0; }

  Status refresh(const Evaluation& now, const Evaluation* previous, ConstVectorRef step) override {
    const std::size_t n = now.gradient.size();
    const VectorRef B = operator_.entries(static_cast<Index>(n));
    reserve(n);
    const double norm = detail::norm(now.gradient);
    const double scale = norm > 0 ? 1 / norm : 0.0;
    if (previous == nullptr) {
      std::fill(B.begin(), B.end(), 1 / options_.first_rate);
    }
    for (std::size_t i = 0; i < n; ++i) {
      const double g = scale * now.gradient[i];
      if (previous != nullptr) {
        B[i] = 1 / advance(i, g, step[i]);
      } else {
        last_change_[i] = g;
      }
      last_[i] = g;
    }
    ++points_;
    return Status::ok;
  }

  const SymmetricOperator& at_point() const override { return operator_; }

  bool state(State& s) override {
    s.section("secant-rates", 2);
    s.item("points", points_);
    s.item("last gradient", last_);
    s.item("last change", last_change_);
    s.item("gradient", gradient_);
    s.item("squared gradient", squared_gradient_);
    s.item("change", change_);
    s.item("squared change", squared_change_);
    s.item("step", step_);
    s.item("squared step", squared_step_);
    s.item("change times step", mixed_);
    s.item("memory", memory_);
    s.item("weight of the start", left_);
    operator_.state(s);
    return true;
  }

 private:
  void reserve(std::size_t n) {
    if (points_ > 0) {
      return;
    }
    for (std::vector<double>* v : {&last_, &last_change_, &gradient_, &squared_gradient_, &change_,
                                   &squared_change_, &step_, &squared_step_, &mixed_}) {
      v->assign(n, 0.0);
    }
    memory_.assign(n, options_.memory);
    left_.assign(n, 1.0);
  }

  /// The rate of variable i, where it moved by `moved` to a point of normalised gradient g.
  double advance(std::size_t i, double g, double moved) {
    const double alpha = g - last_[i];
    const double seen = 1 - left_[i];
    if (seen > 0 && (outside(g, gradient_[i] / seen, squared_gradient_[i] / seen) ||
                     outside(alpha, change_[i] / seen, squared_change_[i] / seen))) {
      memory_[i] = options_.memory;
    }
    const double weight = 1 / memory_[i];
    average(gradient_[i], g, weight);
    average(squared_gradient_[i], g * g, weight);
    average(change_[i], alpha, weight);
    average(squared_change_[i], alpha * alpha, weight);
    average(step_[i], moved, weight);
    average(squared_step_[i], moved * moved, weight);
    average(mixed_[i], std::exchange(last_change_[i], alpha) * moved, weight);
    left_[i] = without_underflow(left_[i] * (1 - weight));
    const double rate = secant_rate(i);
    // The correction for the start cancels in both ratios but this one.
    const double share =
        squared_step_[i] > 0 ? std::min(step_[i] * step_[i] / (squared_step_[i] * (1 - left_[i])), 1.0) : 0.0;
    memory_[i] = std::clamp((1 - share) * memory_[i] + 1, options_.memory, options_.most_memory);
    return rate;
  }

  double secant_rate(std::size_t i) const {
    const double epsilon =
        options_.epsilon * (1 - left_[i]);  // before the averages' correction, which cancels
    const double change = squared_change_[i] + epsilon;
    if (!(change > 0)) {
      return options_.least_rate;
    }
    const double rate = std::sqrt((squared_step_[i] + epsilon) / change) - mixed_[i] / change;
    return std::clamp(rate, options_.least_rate, options_.most_rate);
  }

  bool outside(double value, double mean, double square) const {
    return std::abs(value - mean) > options_.outlier * std::sqrt(std::max(square - mean * mean, 0.0));
  }

  static void average(double& mean, double value, double weight) {
    mean = without_underflow(mean + weight * (value - mean));
  }

  /// Numbers that decay towards zero would become subnormal, which processors handle a hundred times slower.
  static double without_underflow(double value) { return std::abs(value) < 1e-200 ? 0.0 : value; }

  SecantRatesOptions options_;
  detail::DiagonalOperator operator_;
  Index points_ = 0;
  std::vector<double> last_;         ///< the normalised gradient at the last point
  std::vector<double> last_change_;  ///< and its change from the point before
  std::vector<double> gradient_, squared_gradient_, change_, squared_change_, step_, squared_step_, mixed_;
  std::vector<double> memory_;
  std::vector<double> left_;  ///< prod (1 - 1 / tau): what the averages still have of their zero start
};

}  // namespace

CurvaturePart secant_rates_part() {
  CurvaturePart out;
  out.info.kind = PartKind::curvature;
  out.info.name = "secant-rates";
  out.info.summary = "Rates from secants of the normalised gradient along the steps made, AdaSecant's.";
  out.info.source = "Gulcehre & Bengio 2014, alg. 1; Gulcehre et al. 2017";
  out.info.options = describe_options<SecantRatesOptions>(fields);
  out.make = [](const Options& given) -> std::unique_ptr<Curvature> {
    const auto o = read_options<SecantRatesOptions>(part, given, fields);
    using detail::require_option;
    require_option(o.memory > 1, part, "memory", o.memory, "it must be above 1");
    require_option(o.outlier > 0, part, "outlier", o.outlier, "it must be positive");
    require_option(o.epsilon >= 0 && o.epsilon < infinity, part, "epsilon", o.epsilon,
                   "it must be finite and not negative");
    require_option(o.first_rate > 0 && o.first_rate < infinity, part, "first_rate", o.first_rate,
                   "it must be positive");
    require_option(o.least_rate > 0, part, "least_rate", o.least_rate, "it must be positive");
    require_option(o.most_rate >= o.least_rate && o.most_rate < infinity, part, "most_rate", o.most_rate,
                   "it must be finite and at least least_rate");
    require_option(o.most_memory >= o.memory, part, "most_memory", o.most_memory,
                   "it must be at least memory");
    return std::make_unique<SecantRates>(o);
  };
  return out;
}

}  // namespace kappa
