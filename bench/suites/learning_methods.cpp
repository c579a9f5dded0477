// The methods of suite learning, and how each is set up for its task.
#include <algorithm>

#include "bench/learning.h"
#include "kappa/registry.h"

namespace kappa::bench {

namespace {

using Task = LearningOptions::Task;

/// Classes: gradients of many samples and curvatures of few, drawn by themselves. The autoencoder: both of
/// the same samples, since a step of a few dozen iterations that fits the curvature of others leads astray
/// there.
Method martens(Task task, double damping, Index samples) {
  const bool classes = task == Task::classes;
  const Index size = std::min<Index>(classes ? 5000 : 1000, samples);
  return hessian_free(
      {.step = {"hessian-free", {{"max_iterations", std::int64_t{30}}}},
       .acceptance = {"martens-damping", {{"initial", damping}}},
       .batch = {.size = size, .curvature_size = classes ? std::max<Index>(size / 5, 1) : 0}});
}

/// With a preconditioner this good three iterations do, on samples as few as a stochastic method's.
Method preconditioned(double damping, Index samples) {
  return hessian_free({.step = {"hessian-free", {{"max_iterations", std::int64_t{3}}, {"spacing", 0.0}}},
                       .acceptance = {"martens-damping", {{"initial", damping}}},
                       .preconditioner = {"kfac"},
                       .batch = {.size = std::min<Index>(500, samples)}});
}

/// Classes: on a schedule, as a stochastic method. The autoencoder: with the network's own products, which
/// give step length and momentum, and a rule for the damping.
Method kronecker_factored(Task task, double rate, Index samples) {
  const MiniBatch batch{.size = std::min<Index>(500, samples)};
  if (task == Task::classes) {
    return newton({.curvature = {"kfac"},
                   .step = {"own-direction", {{"damping", 0.01}}},
                   .acceptance = {"schedule", {{"rate", rate}}},
                   .batch = batch});
  }
  return hessian_free({.curvature = {"kfac", {{"model", std::string("network")}}},
                       .step = {"own-solve"},
                       .acceptance = {"martens-damping", {{"initial", rate}}},
                       .batch = batch});
}

}  // namespace

const std::vector<LearningMethod>& learning_methods(Task task) {
  static const std::vector<LearningMethod> autoencoder = {
      {"hessian-free", {0.01, 0.1, 1}, 0.1},       {"hessian-free-kfac", {1e-3, 1e-2, 1e-1}, 1e-3, "kfac"},
      {"kfac", {1, 10, 100}, 10, "kfac"},          {"adam", {3e-4, 1e-3, 3e-3}, 1e-3},
      {"sgd", {0.01, 0.03, 0.06, 0.1, 0.3}, 0.03},
  };
  static const std::vector<LearningMethod> classes = {
      {"adahessian", {0.003, 0.01, 0.03, 0.1}, 0.03},
      {"sdlm", {0.003, 0.01, 0.03, 0.1}, 0.01},
      {"vsgd", {1.0, 3.0, 10.0, 30.0}, 10.0},
      {"adasecant", {0.1, 0.3, 1.0, 3.0}, 1.0},
      {"sophia-h", {1e-4, 3e-4, 1e-3, 3e-3}, 3e-4},
      {"sophia-g", {1e-4, 3e-4, 1e-3, 3e-3}, 3e-4},
      {"adam", {3e-4, 1e-3, 3e-3}, 1e-3},
      {"sgd", {0.1, 0.3, 1.0, 3.0}, 0.3},
      {"hessian-free", {0.1, 1.0}, 1.0},
      {"hessian-free-kfac", {0.01, 0.1, 1}, 0.1, "kfac"},
      {"kfac", {0.03, 0.1, 0.3}, 0.1, "kfac"},
  };
  return task == Task::autoencoder ? autoencoder : classes;
}

Method learning_method(const LearningOptions& options, const std::string& name, double rate, Index samples) {
  if (name == "hessian-free") {
    return martens(options.task, rate, samples);
  }
  if (name == "hessian-free-kfac") {
    return preconditioned(rate, samples);
  }
  if (name == "kfac") {
    return kronecker_factored(options.task, rate, samples);
  }
  return registry().optimizer(name).make(
      {{"rate", rate}, {"batch", static_cast<std::int64_t>(options.batch)}});
}

}  // namespace kappa::bench
