// running-diagonal and squared-gradient: a diagonal averaged over the points so far, for methods of adaptive
// rates. With an estimate D_t of the diagonal at the point t,
//
//   source     D_t
//   hutchinson           z .* (B_t z), z_i = +-1 at random: E[D] = diag B; one product
//   exact, gauss-newton  the diagonal of that model
//   backpropagated       the Gauss-Newton diagonal propagated layer by layer, where the problem has layers,
//                        otherwise the Gauss-Newton diagonal
//   sampled-gradient     s .* s, s the gradient with targets drawn from the model: Gauss-Newton-Bartlett
//   (squared-gradient)   g .* g
//
//   average
//   mean-square  v_t = beta v_{t-1} + (1 - beta) D_t^2,   d_t = sqrt(v_t / c_t)     (AdaHessian)
//   mean         v_t = beta v_{t-1} + (1 - beta) |D_t|,   d_t = v_t / c_t            (SDLM, Adam)
//   signed-mean  v_t = beta v_{t-1} + (1 - beta) D_t,     d_t = v_t / c_t            (Sophia)
//
// where c_t = 1 - beta^t with bias correction, otherwise 1. With `every` k > 1 only each k-th point has an
// estimate; at the others the problem is asked for the gradient alone, and d stays. With `spatial_average`
// b > 1, D is first replaced by its mean over consecutive groups of b variables (the last group may be
// shorter).
//
// Use it with mini-batches, where the diagonal at one sample is too noisy to divide by. It is a running
// average of the past, not the curvature at the point. Adam's squared mean gradient is no second derivative
// at all: its unit is the gradient's, squared, which is why Adam takes its root. It is a curvature of its own
// name.
//
// Cost: one product a point for hutchinson and sampled-gradient, otherwise that of the problem's diagonal;
// 3 n numbers. What is random is a function of (seed, number of the estimate, i) alone, so results do not
// depend on threads. The average runs over one solve.
//
// Reference: Yao, Gholami, Shen, Mustafa, Keutzer & Mahoney, ADAHESSIAN, AAAI 2021, algorithm 1; LeCun,
// Bottou, Orr & Müller, Efficient backprop, 1998, section 9.1; Liu, Li, Hall, Liang & Ma, Sophia, ICLR 2024,
// algorithms 1 to 3; Kingma & Ba, Adam, ICLR 2015, algorithm 1.
#include <algorithm>
#include <array>
#include <cmath>

#include "core/option_checks.h"
#include "kappa/random.h"
#include "solvers/curvature/diagonal_operator.h"
#include "solvers/curvature/linearization_operator.h"
#include "solvers/curvature/model_diagonal.h"
#include "solvers/curvature/model_option.h"
#include "solvers/curvature/parts.h"

namespace kappa {

namespace {

constexpr const char* part = "curvature 'running-diagonal'";

/// Streams of these signs start here, apart from those of mini-batches, which count from zero.
constexpr std::uint64_t first_stream = std::uint64_t{1} << 63;

struct RunningDiagonalOptions {
  std::string source = "hutchinson";    // Yao et al. 2021, alg. 1
  std::string model = "exact";          // Yao et al. 2021
  std::string average = "mean-square";  // Yao et al. 2021, alg. 1
  double beta = 0.999;                  // Yao et al. 2021, alg. 1
  bool bias_correction = true;          // Yao et al. 2021, alg. 1
  Index every = 1;                      // Yao et al. 2021; Liu et al. 2024 take 10
  Index spatial_average = 1;            // 1 is off
  Index seed = 1;                       // arbitrary
  Index product_limit = 1000;           // as curvature diagonal
};

constexpr Field<RunningDiagonalOptions> fields[] = {
    {"source", &RunningDiagonalOptions::source, "Yao et al. 2021, alg. 1",
     "where the diagonal comes from: hutchinson (one product with random signs), exact or gauss-newton (the "
     "diagonal of that model), backpropagated (layer by layer, where the problem has layers), or "
     "sampled-gradient (squared, targets drawn from the model)"},
    {"model", &RunningDiagonalOptions::model, "Yao et al. 2021",
     "whose products source hutchinson takes: exact or gauss-newton; the other sources name their model"},
    {"average", &RunningDiagonalOptions::average, "Yao et al. 2021, alg. 1",
     "mean-square (root of the average square), mean (average magnitude, LeCun et al. 1998) or signed-mean "
     "(Liu et al. 2024)"},
    {"beta", &RunningDiagonalOptions::beta, "Yao et al. 2021, alg. 1",
     "weight of the past, 0 <= beta < 1; about 1 / (1 - beta) points are averaged"},
    {"bias_correction", &RunningDiagonalOptions::bias_correction, "Yao et al. 2021, alg. 1",
     "whether the average is divided by 1 - beta^t"},
    {"every", &RunningDiagonalOptions::every, "Yao et al. 2021; Liu et al. 2024 take 10",
     "points from one estimate to the next; between them only gradients are evaluated"},
    {"spatial_average", &RunningDiagonalOptions::spatial_average, "1 is off; Yao et al. 2021",
     "number of consecutive variables that share one mean estimate"},
    {"seed", &RunningDiagonalOptions::seed, "arbitrary",
     "of the random signs; the same seed, the same signs"},
    {"product_limit", &RunningDiagonalOptions::product_limit, "as curvature diagonal",
     "largest n for which a diagonal that the problem does not give is computed by n products at each point "
     "(sources exact and gauss-newton)"},
};

struct SquaredGradientOptions {
  double beta = 0.999;          // Kingma & Ba 2015, alg. 1
  bool bias_correction = true;  // Kingma & Ba 2015, alg. 1
};

constexpr Field<SquaredGradientOptions> squared_fields[] = {
    {"beta", &SquaredGradientOptions::beta, "Kingma & Ba 2015, alg. 1", "weight of the past, 0 <= beta < 1"},
    {"bias_correction", &SquaredGradientOptions::bias_correction, "Kingma & Ba 2015, alg. 1",
     "whether the average is divided by 1 - beta^t"},
};

enum class Source { hutchinson, model_diagonal, backpropagated, sampled_gradient, squared_gradient };
enum class Average { mean_square, mean, signed_mean };

struct Settings {
  Source source = Source::hutchinson;
  Model model = Model::exact;
  Average average = Average::mean_square;
  double beta = 0;
  bool bias_correction = true;
  Index every = 1;
  Index spatial_average = 1;
  std::uint64_t seed = 1;
  Index product_limit = 0;
};

/// z_i = +-1: 64 signs of each block of random bits.
void rademacher(const CounterRandom& random, VectorRef z) {
  std::uint64_t signs = 0;
  for (std::size_t i = 0; i < z.size(); ++i) {
    if (i % 64 == 0) {
      signs = random.bits(i / 64);
    }
    z[i] = (signs >> (i % 64) & 1) != 0 ? 1.0 : -1.0;
  }
}

/// Each group of `length` consecutive entries becomes its mean.
void average_groups(Index length, VectorRef D) {
  const auto step = static_cast<std::size_t>(length);
  for (std::size_t begin = 0; begin < D.size(); begin += step) {
    const VectorRef group = D.subspan(begin, std::min(step, D.size() - begin));
    double sum = 0;
    for (const double d : group) {
      sum += d;
    }
    std::fill(group.begin(), group.end(), sum / static_cast<double>(group.size()));
  }
}

class RunningDiagonal final : public Curvature {
 public:
  explicit RunningDiagonal(const Settings& settings)
      : settings_(settings),
        diagonal_(settings.model, settings.product_limit),
        operator_(settings.average == Average::signed_mean ? Definiteness::unknown
                                                           : Definiteness::positive_semidefinite) {}

  CurvatureNeeds needs() const override {
    return {gradient_only() ? ModelSet{} : ModelSet{settings_.model}, CurvatureNeeds::History::none};
  }

  bool due() const override { return points_ % settings_.every == 0; }

  void start() override {
    points_ = 0;
    estimates_ = 0;
    products_ = 0;
    diagonal_.start();
  }

  Status refresh(const Evaluation& now, const Evaluation*, ConstVectorRef) override {
    const bool renewed = due();
    ++points_;
    if (!renewed) {
      return Status::ok;
    }
    reserve(static_cast<Index>(now.gradient.size()));
    if (!estimate(now)) {
      return Status::failed;
    }
    if (settings_.spatial_average > 1) {
      average_groups(settings_.spatial_average, D_);
    }
    // What is not finite, or has no finite square, must not reach the average: it would stay there for ever.
    if (!std::all_of(D_.begin(), D_.end(), [](double d) { return std::isfinite(d * d); })) {
      return Status::failed;
    }
    take_in();
    return Status::ok;
  }

  const SymmetricOperator& at_point() const override { return operator_; }
  Index products() const override { return products_ + diagonal_.products(); }

  bool state(State& s) override {
    s.section("running-diagonal", 1);
    s.item("points", points_);
    s.item("estimates", estimates_);
    s.item("products", products_);
    s.item("average", v_);
    diagonal_.state(s);
    operator_.state(s);
    return true;
  }

 private:
  bool gradient_only() const { return settings_.source == Source::squared_gradient; }

  void reserve(Index n) {
    const auto size = static_cast<std::size_t>(n);
    if (v_.size() != size) {
      estimates_ = 0;
    }
    if (estimates_ == 0) {
      v_.assign(size, 0.0);
      D_.resize(size);
      z_.resize(size);
    }
    D_.resize(size);
    z_.resize(size);
  }

  bool estimate(const Evaluation& now) {
    if (gradient_only()) {
      std::transform(now.gradient.begin(), now.gradient.end(), D_.begin(), [](double g) { return g * g; });
      return true;
    }
    const Linearization* at = detail::linearization_with(now, settings_.model);
    if (at == nullptr) {
      return false;
    }
    switch (settings_.source) {
      case Source::hutchinson:
        estimate_by_signs(*at);
        return true;
      case Source::sampled_gradient:
        return estimate_by_targets(*at);
      case Source::backpropagated:
        if (at->recursive_diagonal(Recursion::gauss_newton, D_)) {
          ++products_;
          return true;
        }
        break;
      case Source::model_diagonal:
      case Source::squared_gradient:
        break;
    }
    return diagonal_.compute(*at, D_);
  }

  void estimate_by_signs(const Linearization& at) {
    rademacher(CounterRandom(settings_.seed, first_stream + static_cast<std::uint64_t>(estimates_)), z_);
    at.product(settings_.model, z_, D_);
    ++products_;
    for (std::size_t i = 0; i < D_.size(); ++i) {
      D_[i] *= z_[i];
    }
  }

  bool estimate_by_targets(const Linearization& at) {
    const std::uint64_t draw = settings_.seed + (static_cast<std::uint64_t>(estimates_) << 32);
    if (!at.sampled_gradient(draw, z_)) {
      throw Error(std::string(part) +
                  ": source sampled-gradient needs a problem that is a likelihood, so that targets can be "
                  "drawn from it; use source hutchinson");
    }
    ++products_;
    std::transform(z_.begin(), z_.end(), D_.begin(), [](double s) { return s * s; });
    return true;
  }

  void take_in() {
    ++estimates_;
    const double beta = settings_.beta;
    const double correction =
        settings_.bias_correction ? 1 - std::pow(beta, static_cast<double>(estimates_)) : 1.0;
    const VectorRef d = operator_.entries(static_cast<Index>(v_.size()));
    for (std::size_t i = 0; i < v_.size(); ++i) {
      const double D = settings_.average == Average::mean_square ? D_[i] * D_[i]
                       : settings_.average == Average::mean      ? std::abs(D_[i])
                                                                 : D_[i];
      v_[i] = beta * v_[i] + (1 - beta) * D;
      d[i] = settings_.average == Average::mean_square ? std::sqrt(v_[i] / correction) : v_[i] / correction;
    }
  }

  Settings settings_;
  detail::ModelDiagonal diagonal_;
  detail::DiagonalOperator operator_;
  Index points_ = 0;     ///< refreshes
  Index estimates_ = 0;  ///< those with an estimate
  Index products_ = 0;
  std::vector<double> v_, D_, z_;
};

Settings settings_from(const Options& given) {
  const auto options = read_options<RunningDiagonalOptions>(part, given, fields);
  constexpr std::array sources = {Source::hutchinson, Source::model_diagonal, Source::model_diagonal,
                                  Source::backpropagated, Source::sampled_gradient};
  constexpr std::array averages = {Average::mean_square, Average::mean, Average::signed_mean};

  Settings out;
  out.source = sources[detail::choose_option(
      part, "source", options.source,
      {"hutchinson", "exact", "gauss-newton", "backpropagated", "sampled-gradient"})];
  out.model = detail::choose_model(part, "model", options.model, {Model::exact, Model::gauss_newton});
  if (out.source == Source::model_diagonal) {
    out.model = detail::choose_model(part, "source", options.source, {Model::exact, Model::gauss_newton});
  } else if (out.source != Source::hutchinson) {
    out.model = Model::gauss_newton;
  }
  out.average = averages[detail::choose_option(part, "average", options.average,
                                               {"mean-square", "mean", "signed-mean"})];
  detail::require_option(options.beta >= 0 && options.beta < 1, part, "beta", options.beta,
                         "it must be at least 0 and below 1");
  detail::require_option(options.every >= 1, part, "every", static_cast<std::int64_t>(options.every),
                         "it must be at least 1");
  detail::require_option(options.spatial_average >= 1, part, "spatial_average",
                         static_cast<std::int64_t>(options.spatial_average), "it must be at least 1");
  detail::require_option(options.product_limit >= 0, part, "product_limit",
                         static_cast<std::int64_t>(options.product_limit), "it must not be negative");
  out.beta = options.beta;
  out.bias_correction = options.bias_correction;
  out.every = options.every;
  out.spatial_average = options.spatial_average;
  out.seed = static_cast<std::uint64_t>(options.seed);
  out.product_limit = options.product_limit;
  return out;
}

Settings squared_gradient_settings(const Options& given) {
  constexpr const char* squared = "curvature 'squared-gradient'";
  const auto options = read_options<SquaredGradientOptions>(squared, given, squared_fields);
  detail::require_option(options.beta >= 0 && options.beta < 1, squared, "beta", options.beta,
                         "it must be at least 0 and below 1");
  Settings out;
  out.source = Source::squared_gradient;
  out.model = Model::squared_mean_gradient;
  out.average = Average::mean;
  out.beta = options.beta;
  out.bias_correction = options.bias_correction;
  return out;
}

}  // namespace

CurvaturePart squared_gradient_part() {
  CurvaturePart out;
  out.info.kind = PartKind::curvature;
  out.info.name = "squared-gradient";
  out.info.summary =
      "A running average of the squared mean gradient, Adam's: neither the Hessian nor the empirical Fisher.";
  out.info.source = "Kingma & Ba 2015, alg. 1";
  out.info.options = describe_options<SquaredGradientOptions>(squared_fields);
  out.make = [](const Options& given) -> std::unique_ptr<Curvature> {
    return std::make_unique<RunningDiagonal>(squared_gradient_settings(given));
  };
  return out;
}

CurvaturePart running_diagonal_part() {
  CurvaturePart out;
  out.info.kind = PartKind::curvature;
  out.info.name = "running-diagonal";
  out.info.summary = "A running average of diagonal curvature, for adaptive learning rates.";
  out.info.source = "Yao et al. 2021, alg. 1; LeCun et al. 1998, sec. 9.1; Liu et al. 2024";
  out.info.options = describe_options<RunningDiagonalOptions>(fields);
  out.make = [](const Options& given) -> std::unique_ptr<Curvature> {
    return std::make_unique<RunningDiagonal>(settings_from(given));
  };
  return out;
}

}  // namespace kappa
