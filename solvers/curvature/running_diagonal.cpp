// running-diagonal: a diagonal averaged over the points so far, for methods of adaptive rates.
//
//   D_t = z .* (B_t z), z_i = +-1 at random      (Hutchinson's estimate: E[D] = diag B; one product)
//         or the diagonal of B_t itself
//   mean-square   v_t = beta v_{t-1} + (1 - beta) D_t^2,   d_t = sqrt(v_t / (1 - beta^t))     (AdaHessian)
//   mean          v_t = beta v_{t-1} + (1 - beta) |D_t|,   d_t = v_t / (1 - beta^t)            (SDLM)
//
// B is the Hessian or the Gauss-Newton matrix; d_t is never negative. Use it with mini-batches, where the
// diagonal at one sample is too noisy to divide by. A sample's estimate is a running average of the past,
// not the curvature at the point. With `spatial_average` b > 1, D is first replaced by its mean over
// consecutive groups of b variables (the last group may be shorter).
//
// Cost: one product a point for hutchinson, otherwise that of the problem's diagonal; 3 n numbers. The signs
// are a function of (seed, number of the refresh, i) alone, so results do not depend on threads. The average
// runs over one solve.
//
// Reference: Yao, Gholami, Shen, Mustafa, Keutzer & Mahoney, ADAHESSIAN, AAAI 2021, algorithm 1; LeCun,
// Bottou, Orr & Mueller, Efficient backprop, 1998, section 9.1.
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
  Index spatial_average = 1;            // 1 is off
  Index seed = 1;                       // arbitrary
  Index product_limit = 1000;           // as curvature diagonal
};

constexpr Field<RunningDiagonalOptions> fields[] = {
    {"source", &RunningDiagonalOptions::source, "Yao et al. 2021, alg. 1",
     "where the diagonal comes from: hutchinson (one product with random signs), or exact or gauss-newton "
     "(the "
     "diagonal of that model)"},
    {"model", &RunningDiagonalOptions::model, "Yao et al. 2021",
     "whose products source hutchinson takes: exact or gauss-newton; the other sources name their model"},
    {"average", &RunningDiagonalOptions::average, "Yao et al. 2021, alg. 1",
     "mean-square (root of the average square) or mean (average magnitude, LeCun et al. 1998)"},
    {"beta", &RunningDiagonalOptions::beta, "Yao et al. 2021, alg. 1",
     "weight of the past, 0 <= beta < 1; about 1 / (1 - beta) points are averaged"},
    {"spatial_average", &RunningDiagonalOptions::spatial_average, "1 is off; Yao et al. 2021",
     "number of consecutive variables that share one mean estimate"},
    {"seed", &RunningDiagonalOptions::seed, "arbitrary",
     "of the random signs; the same seed, the same signs"},
    {"product_limit", &RunningDiagonalOptions::product_limit, "as curvature diagonal",
     "largest n for which a diagonal that the problem does not give is computed by n products at each point "
     "(sources exact and gauss-newton)"},
};

enum class Source { hutchinson, model_diagonal };
enum class Average { mean_square, mean };

struct Settings {
  Source source = Source::hutchinson;
  Model model = Model::exact;
  Average average = Average::mean_square;
  double beta = 0;
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
        operator_(Definiteness::positive_semidefinite) {}

  CurvatureNeeds needs() const override { return {{settings_.model}, CurvatureNeeds::History::none}; }

  void start() override {
    refreshes_ = 0;
    products_ = 0;
    diagonal_.start();
  }

  Status refresh(const Evaluation& now, const Evaluation*, ConstVectorRef) override {
    const Linearization* linearization = detail::linearization_with(now, settings_.model);
    if (linearization == nullptr) {
      return Status::failed;
    }
    reserve(linearization->size());
    if (!estimate(*linearization)) {
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

 private:
  void reserve(Index n) {
    const auto size = static_cast<std::size_t>(n);
    if (v_.size() != size) {
      refreshes_ = 0;
    }
    if (refreshes_ == 0) {
      v_.assign(size, 0.0);
      D_.resize(size);
      z_.resize(size);
    }
  }

  bool estimate(const Linearization& linearization) {
    if (settings_.source == Source::model_diagonal) {
      return diagonal_.compute(linearization, D_);
    }
    rademacher(CounterRandom(settings_.seed, first_stream + static_cast<std::uint64_t>(refreshes_)), z_);
    linearization.product(settings_.model, z_, D_);
    ++products_;
    for (std::size_t i = 0; i < D_.size(); ++i) {
      D_[i] *= z_[i];
    }
    return true;
  }

  void take_in() {
    ++refreshes_;
    const double beta = settings_.beta;
    const double correction = 1 - std::pow(beta, static_cast<double>(refreshes_));
    const VectorRef d = operator_.entries(static_cast<Index>(v_.size()));
    for (std::size_t i = 0; i < v_.size(); ++i) {
      if (settings_.average == Average::mean) {
        v_[i] = beta * v_[i] + (1 - beta) * std::abs(D_[i]);
        d[i] = v_[i] / correction;
      } else {
        v_[i] = beta * v_[i] + (1 - beta) * D_[i] * D_[i];
        d[i] = std::sqrt(v_[i] / correction);
      }
    }
  }

  Settings settings_;
  detail::ModelDiagonal diagonal_;
  detail::DiagonalOperator operator_;
  Index refreshes_ = 0;
  Index products_ = 0;
  std::vector<double> v_, D_, z_;
};

Settings settings_from(const Options& given) {
  const auto options = read_options<RunningDiagonalOptions>(part, given, fields);
  constexpr std::array sources = {Source::hutchinson, Source::model_diagonal, Source::model_diagonal};
  constexpr std::array averages = {Average::mean_square, Average::mean};

  Settings out;
  out.source =
      sources[detail::choose_option(part, "source", options.source, {"hutchinson", "exact", "gauss-newton"})];
  out.model = detail::choose_model(part, "model", options.model, {Model::exact, Model::gauss_newton});
  if (out.source == Source::model_diagonal) {
    out.model = detail::choose_model(part, "source", options.source, {Model::exact, Model::gauss_newton});
  }
  out.average = averages[detail::choose_option(part, "average", options.average, {"mean-square", "mean"})];
  detail::require_option(options.beta >= 0 && options.beta < 1, part, "beta", options.beta,
                         "it must be at least 0 and below 1");
  detail::require_option(options.spatial_average >= 1, part, "spatial_average",
                         static_cast<std::int64_t>(options.spatial_average), "it must be at least 1");
  detail::require_option(options.product_limit >= 0, part, "product_limit",
                         static_cast<std::int64_t>(options.product_limit), "it must not be negative");
  out.beta = options.beta;
  out.spatial_average = options.spatial_average;
  out.seed = static_cast<std::uint64_t>(options.seed);
  out.product_limit = options.product_limit;
  return out;
}

}  // namespace

CurvaturePart running_diagonal_part() {
  CurvaturePart out;
  out.info.kind = PartKind::curvature;
  out.info.name = "running-diagonal";
  out.info.summary = "A running average of diagonal curvature, for adaptive learning rates.";
  out.info.source = "Yao et al. 2021, alg. 1; LeCun et al. 1998, sec. 9.1";
  out.info.options = describe_options<RunningDiagonalOptions>(fields);
  out.make = [](const Options& given) -> std::unique_ptr<Curvature> {
    return std::make_unique<RunningDiagonal>(settings_from(given));
  };
  return out;
}

}  // namespace kappa
