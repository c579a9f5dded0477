// Ceres as a peer: dense QR for the small suites; its three Schur solvers, a row each, for bundle adjustment;
// its sparse Cholesky factorization for pose graphs.
//
// It is given what it is best with: no logging, one cost functor type for each model, an elimination order
// where there is one to know, and a thread pool that outlives the solves.
#include <ceres/ceres.h>
#include <glog/logging.h>

#include <algorithm>
#include <chrono>

#include "bench/suite.h"

namespace kappa::bench {

namespace {

using Clock = std::chrono::steady_clock;

class Builder {
 public:
  Builder(ceres::Problem& problem, std::vector<double>& x, ceres::ParameterBlockOrdering* ordering)
      : problem_(problem), next_(x.data()), ordering_(ordering) {}

  int add_parameters(int size, Role role) {
    blocks_.push_back(next_);
    if (ordering_ != nullptr) {
      ordering_->AddElementToGroup(next_, role == Role::eliminated ? 0 : 1);
    }
    next_ += size;
    return static_cast<int>(blocks_.size()) - 1;
  }

  int add_pose() {
    const int block = add_parameters(7, Role::kept);
    problem_.AddParameterBlock(
        blocks_.back(), 7,
        new ceres::ProductManifold<ceres::EuclideanManifold<3>, ceres::EigenQuaternionManifold>(
            ceres::EuclideanManifold<3>(), ceres::EigenQuaternionManifold()));
    return block;
  }
  void fix(int block) {
    double* values = blocks_[static_cast<std::size_t>(block)];
    if (!problem_.HasParameterBlock(values)) {
      fixed_.push_back(values);  // plane poses are known to Ceres from their first residual on
      return;
    }
    problem_.SetParameterBlockConstant(values);
  }
  /// Once all residual blocks are there.
  void finish() {
    for (double* values : fixed_) {
      problem_.SetParameterBlockConstant(values);
    }
  }

  template <int Residuals, int... Sizes, class Functor, class... Blocks>
  void add(const Functor& functor, Blocks... blocks) {
    problem_.AddResidualBlock(
        new ceres::AutoDiffCostFunction<Functor, Residuals, Sizes...>(new Functor(functor)), nullptr,
        blocks_[static_cast<std::size_t>(blocks)]...);
  }

  void bound(int block, ConstVectorRef lower, ConstVectorRef upper) {
    for (std::size_t i = 0; i < lower.size(); ++i) {
      problem_.SetParameterLowerBound(blocks_[static_cast<std::size_t>(block)], static_cast<int>(i),
                                      lower[i]);
      problem_.SetParameterUpperBound(blocks_[static_cast<std::size_t>(block)], static_cast<int>(i),
                                      upper[i]);
    }
  }

 private:
  ceres::Problem& problem_;
  double* next_;
  ceres::ParameterBlockOrdering* ordering_;
  std::vector<double*> blocks_;
  std::vector<double*> fixed_;
};

class Tracer final : public ceres::IterationCallback {
 public:
  Tracer(Clock::time_point started, std::vector<TracePoint>& out) : started_(started), out_(out) {}
  ceres::CallbackReturnType operator()(const ceres::IterationSummary& s) override {
    if (s.iteration == 0 || s.step_is_successful) {
      out_.push_back({std::chrono::duration<double>(Clock::now() - started_).count(),
                      static_cast<Index>(out_.size()), s.cost});
    }
    return ceres::SOLVER_CONTINUE;
  }

 private:
  Clock::time_point started_;
  std::vector<TracePoint>& out_;
};

/// A dense factor for more takes many seconds, and the other solvers are there for such problems.
constexpr Index most_dense_cameras = 1000;

class CeresPeer final : public Peer {
 public:
  CeresPeer(std::string name, ceres::TrustRegionStrategyType strategy, ceres::LinearSolverType linear,
            ceres::Context* context)
      : name_(std::move(name)), strategy_(strategy), linear_(linear), context_(context) {}

  std::string name() const override { return name_; }
  bool fits(const Case& c) const override {
    if (std::holds_alternative<PoseGraphSource>(c.source)) {
      return linear_ == ceres::SPARSE_NORMAL_CHOLESKY;
    }
    const auto* bundle = std::get_if<BundleSource>(&c.source);
    if (bundle != nullptr && linear_ == ceres::DENSE_SCHUR && bundle->data->cameras > most_dense_cameras) {
      return false;
    }
    return linear_ != ceres::SPARSE_NORMAL_CHOLESKY &&
           std::holds_alternative<BundleSource>(c.source) == (linear_ != ceres::DENSE_QR);
  }

  Run solve(const Case& c, const Settings& settings) const override {
    const Clock::time_point started = Clock::now();
    Run run;
    Tracer tracer(started, run.trace);
    run.x = initial(c.source);

    ceres::Problem::Options problem_options;
    problem_options.context = context_;
    ceres::Problem problem(problem_options);
    ceres::Solver::Options options;
    if (std::holds_alternative<BundleSource>(c.source)) {
      options.linear_solver_ordering = std::make_shared<ceres::ParameterBlockOrdering>();
    }
    Builder builder(problem, run.x, options.linear_solver_ordering.get());
    std::visit([&](const auto& source) { source.build(builder); }, c.source);
    builder.finish();

    options.trust_region_strategy_type = strategy_;
    options.linear_solver_type = linear_;
    if (linear_ == ceres::ITERATIVE_SCHUR) {
      options.preconditioner_type = ceres::SCHUR_JACOBI;
    }
    options.num_threads = settings.threads;
    options.logging_type = ceres::SILENT;
    options.max_num_iterations = static_cast<int>(c.stop.max_trials);
    if (c.stop.aim == StopRule::Aim::every_digit) {
      options.function_tolerance = c.stop.tolerance;
      options.gradient_tolerance = 1e-4 * c.stop.tolerance;
      options.parameter_tolerance = 1e-2 * c.stop.tolerance;
    } else {
      options.function_tolerance = c.stop.tolerance;  // the others stay at their defaults, 1e-10 and 1e-8
    }
    if (settings.trace == Settings::Trace::on) {
      options.callbacks.push_back(&tracer);
    }
    ceres::Solver::Summary summary;
    ceres::Solve(options, &problem, &summary);
    run.iterations = std::max(0, summary.num_successful_steps - 1);  // Ceres counts the start as one
    run.evaluations = summary.num_residual_evaluations;
    run.reason = summary.message;
    return run;
  }

 private:
  std::string name_;
  ceres::TrustRegionStrategyType strategy_;
  ceres::LinearSolverType linear_;
  ceres::Context* context_;
};

Family family(const std::string& name, ceres::TrustRegionStrategyType strategy) {
  FLAGS_minloglevel = google::GLOG_FATAL;  // its warnings of failed steps would be timed and printed
  // Ceres keeps its threads in the context; a shared one spares it their creation in every solve.
  static const std::unique_ptr<ceres::Context> context(ceres::Context::Create());
  Family out;
  out.name = name;
  out.version = CERES_VERSION_STRING;
  const auto add = [&](const std::string& suffix, ceres::LinearSolverType linear) {
    if ((linear != ceres::SPARSE_SCHUR && linear != ceres::SPARSE_NORMAL_CHOLESKY) ||
        ceres::IsSparseLinearAlgebraLibraryTypeAvailable(ceres::SUITE_SPARSE)) {
      out.peers.push_back(std::make_unique<CeresPeer>(name + suffix, strategy, linear, context.get()));
    }
  };
  add("", ceres::DENSE_QR);
  add(" dense-schur", ceres::DENSE_SCHUR);
  add(" sparse-schur", ceres::SPARSE_SCHUR);
  add(" sparse-normal-cholesky", ceres::SPARSE_NORMAL_CHOLESKY);
  if (strategy == ceres::LEVENBERG_MARQUARDT) {  // dogleg needs exact steps
    add(" iterative-schur", ceres::ITERATIVE_SCHUR);
  }
  return out;
}

}  // namespace

Family ceres_family() {
  return family("ceres", ceres::LEVENBERG_MARQUARDT);
}
Family ceres_dogleg_family() {
  return family("ceres-dogleg", ceres::DOGLEG);
}

}  // namespace kappa::bench
