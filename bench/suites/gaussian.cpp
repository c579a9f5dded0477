#include "bench/gaussian.h"

#include <chrono>
#include <cmath>
#include <cstdio>

#include "bench/grid.h"
#include "bench/statistics.h"
#include "bench/summary.h"
#include "bench/thread_limit.h"
#include "core/definite_matrix.h"
#include "kappa/gaussian_process.h"
#include "kappa/kappa.h"
#include "kappa/random.h"
#include "problems/targets.h"
#include "solvers/linear/cholesky.h"

namespace kappa::bench {

namespace {

constexpr Index observations = 2000;
constexpr Index inputs = 3;

using Clock = std::chrono::steady_clock;

template <class F>
double seconds_of(const F& f) {
  const Clock::time_point started = Clock::now();
  f();
  return std::chrono::duration<double>(Clock::now() - started).count();
}

/// The process of the costs, its data drawn from itself.
struct Process {
  std::shared_ptr<const GaussianProcess> model;
  std::vector<double> theta;

  Process() {
    const CounterRandom random(1);
    Matrix points(observations, inputs);
    for (Index k = 0; k < observations * inputs; ++k) {
      points.values[static_cast<std::size_t>(k)] = 10 * random.uniform(static_cast<std::uint64_t>(k));
    }
    model = std::make_shared<const GaussianProcess>(
        points, kernels::variance() * kernels::matern52({1.5, 2.0, 3.0}), constant_mean());
    theta = model->start();
  }
};

/// One work, timed at a point that no sample had before.
class Evaluations {
 public:
  explicit Evaluations(const Process& process)
      : theta_(process.theta), problem_(process.model, process.model->sample(process.theta, 1)) {}

  double seconds(Want want, ModelSet models) {
    theta_[0] += 1e-6;
    evaluation_.reset(theta_, 0);
    Request request;
    request.want = want;
    request.models = models;
    return seconds_of([&] {
      if (problem_.evaluate(request, evaluation_) != EvalStatus::ok) {
        throw Error("gaussian: " + evaluation_.fault);
      }
    });
  }

 private:
  std::vector<double> theta_;
  GaussianLikelihood problem_;
  Evaluation evaluation_;
};

/// Two dense factorizations of the covariance: the likelihood's own, and that of dense steps.
class Factorizations {
 public:
  explicit Factorizations(const Process& process) : sigma_(observations, observations) {
    CovarianceBlock whole;
    whole.rows = observations;
    whole.columns = observations;
    whole.value = sigma_.values.data();
    process.model->covariance(process.theta, whole);
  }

  double seconds() {
    const detail::SliverRef a = own_.matrix(observations);
    for (Index j = 0; j < observations; ++j) {
      for (Index i = j; i < observations; ++i) {
        a(i, j) = sigma_(i, j);
      }
    }
    return seconds_of(
        [&] { expects(own_.factor(nullptr) == detail::DenseStatus::ok, "gaussian: not definite"); });
  }
  double seconds_of_steps() {
    const MatrixRef a = dense_.matrix(observations);
    std::copy(sigma_.values.begin(), sigma_.values.end(), a.data);
    return seconds_of([&] { expects(dense_.factor() < 0, "gaussian: not definite"); });
  }

 private:
  Matrix sigma_;
  detail::DefiniteMatrix own_;
  detail::Cholesky dense_;
};

std::vector<GaussianCost> costs(int repeat, const ProgressFunction& progress) {
  const Process process;
  Evaluations evaluations(process);
  Factorizations factorizations(process);
  constexpr Want first = Want::value | Want::gradient;
  constexpr Want second = first | Want::linearization;
  struct Work {
    const char* name;
    std::function<double()> seconds;
  };
  const std::vector<Work> works = {
      {"Cholesky factorization", [&] { return factorizations.seconds(); }},
      {"the same by the kernels of dense steps", [&] { return factorizations.seconds_of_steps(); }},
      {"value", [&] { return evaluations.seconds(Want::value, {}); }},
      {"value and gradient", [&] { return evaluations.seconds(first, {}); }},
      {"value, gradient, expected information", [&] { return evaluations.seconds(second, {Model::fisher}); }},
      {"value, gradient, exact Hessian", [&] { return evaluations.seconds(second, {Model::exact}); }},
  };
  std::vector<GaussianCost> out;
  for (const Work& work : works) {
    work.seconds();  // warms up
    out.push_back({.work = work.name, .seconds = {}});
  }
  for (int round = 0; round < repeat; ++round) {
    for (std::size_t w = 0; w < works.size(); ++w) {
      progress(static_cast<std::size_t>(round), static_cast<std::size_t>(repeat), works[w].name);
      out[w].seconds.push_back(works[w].seconds());
    }
  }
  for (GaussianCost& cost : out) {
    std::vector<double> ratios;
    for (std::size_t r = 0; r < cost.seconds.size(); ++r) {
      ratios.push_back(cost.seconds[r] / out.front().seconds[r]);
    }
    cost.median = median(cost.seconds);
    cost.ratio = median(ratios);
  }
  return out;
}

std::vector<GaussianFit> fits(int repeat, const ProgressFunction& progress) {
  const char* const targets[] = {"gaussian:enso?kernel=periodic+se&noise=0.3",
                                 "gaussian:generated?n=500&kernel=matern52+periodic&seed=1",
                                 "gaussian:generated?n=1000&inputs=3&kernel=se&mean=linear&seed=2"};
  const Options fisher = {{"model", "fisher"}};
  const std::pair<const char*, Method> methods[] = {
      {"Newton, exact Hessian", newton()},
      {"Newton, expected information", newton({.curvature = {"outer-product", fisher}})},
      {"Levenberg-Marquardt, exact Hessian", levenberg_marquardt({.curvature = {"exact"}})},
      {"Levenberg-Marquardt, expected information",
       levenberg_marquardt({.curvature = {"outer-product", fisher}})},
  };
  std::vector<GaussianFit> out;
  for (const char* address : targets) {
    const Target target = load_target(address);
    const std::size_t begin = out.size();
    for (int round = 0; round < repeat; ++round) {
      std::size_t row = begin;
      for (const auto& [name, method] : methods) {
        progress(static_cast<std::size_t>(round), static_cast<std::size_t>(repeat),
                 target.address() + "  " + name);
        const Result r = minimize(*target.problem, target.x0, method);
        if (round == 0) {
          out.push_back({.problem = target.name,
                         .method = name,
                         .converged = r.converged(),
                         .value = r.value,
                         .iterations = r.iterations,
                         .values = r.evaluations.value,
                         .linearizations = r.evaluations.linearization,
                         .seconds = {}});
        }
        out[row++].seconds.push_back(r.seconds);
      }
    }
  }
  for (GaussianFit& fit : out) {
    fit.median = median(fit.seconds);
  }
  return out;
}

}  // namespace

GaussianResult run_gaussian(int threads, int repeat, const ProgressFunction& progress) {
  GaussianResult out;
  out.observations = observations;
  out.threads = threads;
  ThreadLimit limit(threads);
  limit.run([&] {
    out.costs = costs(repeat, progress);
    out.fits = fits(repeat, progress);
  });
  return out;
}

std::string gaussian_table(const GaussianResult& result) {
  Grid cost(1);
  cost.add({"one evaluation", "ms", "x the factorization"});
  for (const GaussianCost& row : result.costs) {
    cost.add({row.work, fixed_text(1e3 * row.median, 1), fixed_text(row.ratio, 2)});
  }
  Grid fit(2);
  fit.add({"problem", "method", "minimum", "iterations", "values", "linearizations", "ms"});
  std::string before;
  for (const GaussianFit& row : result.fits) {
    fit.add({row.problem == before ? "" : row.problem, row.method,
             fixed_text(row.value, 6) + (row.converged ? "" : " (not converged)"),
             std::to_string(row.iterations), std::to_string(row.values), std::to_string(row.linearizations),
             fixed_text(1e3 * row.median, 1)});
    before = row.problem;
  }
  const std::string head = std::to_string(result.threads) + (result.threads == 1 ? " thread" : " threads") +
                           ", median of " +
                           std::to_string(result.costs.empty() ? 0 : result.costs.front().seconds.size());
  return "Gaussian likelihood of " + std::to_string(result.observations) +
         " observations and 5 covariance parameters (gaussian): " + head + "\n\n" + cost.text() +
         "\nFits (gaussian): " + head + "\n\n" + fit.text();
}

}  // namespace kappa::bench
