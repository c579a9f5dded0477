// kappa-plugin-bench: what the shipped plugins are worth, and what the boundary costs, as Markdown tables.
//
//   kappa-plugin-bench large-residuals PLUGINS            structured secant beside Gauss-Newton
//   kappa-plugin-bench kfac PLUGINS FASHION_MNIST [...]   K-FAC beside Adam, in steps
//   kappa-plugin-bench boundary PLUGIN TARGET [...]       a built-in curvature beside the same behind the C
//   table
//
// PLUGINS is the folder of the shipped plugins, PLUGIN the file of tests/plugins/handed_on.cpp.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <limits>
#include <string>
#include <vector>

#include "kappa/kappa.h"
#include "kappa/network.h"
#include "kappa/plugin_host.h"
#include "problems/targets.h"

namespace {

using namespace kappa;

// ---- large residuals ----

/// The spectral radius of (J'J)^-1 (H - J'J) at x: how fast Gauss-Newton's error shrinks there (Nocedal &
/// Wright 2006, eq. 10.30), 1 or more where it need not. NaN where J'J is not definite or there is no
/// Hessian.
double curvature_left_out(const Problem& problem, const std::vector<double>& x) {
  const auto n = static_cast<Index>(x.size());
  Evaluation at;
  at.reset(x, 0);
  at.gradient.resize(x.size());
  const Request request{.want = Want::value | Want::gradient | Want::linearization,
                        .models = {Model::gauss_newton, Model::exact}};
  std::vector<double> L(x.size() * x.size());
  std::vector<double> S(L.size());
  if (!problem.models().contains(request.models) || problem.evaluate(request, at) != EvalStatus::ok ||
      !at.linearization->dense(Model::gauss_newton, {L.data(), n, n, n}) ||
      !at.linearization->dense(Model::exact, {S.data(), n, n, n})) {
    return std::nan("");
  }
  const auto entry = [n](Index i, Index j) { return static_cast<std::size_t>(i + j * n); };
  for (std::size_t i = 0; i < S.size(); ++i) {
    S[i] -= L[i];
  }
  for (Index j = 0; j < n; ++j) {
    for (Index k = 0; k < j; ++k) {
      for (Index i = j; i < n; ++i) {
        L[entry(i, j)] -= L[entry(i, k)] * L[entry(j, k)];
      }
    }
    if (!(L[entry(j, j)] > 0)) {
      return std::nan("");
    }
    const double root = std::sqrt(L[entry(j, j)]);
    for (Index i = j; i < n; ++i) {
      L[entry(i, j)] /= root;
    }
  }
  // Power iteration on L^-1 S L^-T.
  std::vector<double> v(x.size(), 1.0);
  std::vector<double> w(x.size());
  double radius = 0;
  for (int sweep = 0; sweep < 500; ++sweep) {
    for (Index j = n - 1; j >= 0; --j) {
      for (Index i = j + 1; i < n; ++i) {
        v[entry(j, 0)] -= L[entry(i, j)] * v[entry(i, 0)];
      }
      v[entry(j, 0)] /= L[entry(j, j)];
    }
    double norm = 0;
    for (Index i = 0; i < n; ++i) {
      w[entry(i, 0)] = 0;
      for (Index j = 0; j < n; ++j) {
        w[entry(i, 0)] += S[entry(i, j)] * v[entry(j, 0)];
      }
      for (Index j = 0; j < i; ++j) {
        w[entry(i, 0)] -= L[entry(i, j)] * w[entry(j, 0)];
      }
      w[entry(i, 0)] /= L[entry(i, i)];
      norm += w[entry(i, 0)] * w[entry(i, 0)];
    }
    radius = std::sqrt(norm);
    for (std::size_t i = 0; i < v.size(); ++i) {
      v[i] = radius > 0 ? w[i] / radius : 0;
    }
  }
  return radius;
}

struct Run {
  Index jacobians = 0;
  double value = 0;
  std::vector<double> x;
  bool reached = false;
};

Run run(const Target& target, const char* curvature, double goal) {
  Stopping stopping;
  stopping.max_iterations = 1000;
  stopping.target = goal;
  const Method method = levenberg_marquardt({.curvature = {curvature}, .step = {"damped-cholesky"}});
  const Result result = minimize(*target.problem, target.x0, method, stopping);
  return {result.evaluations.linearization, result.value, result.x, result.value <= goal};
}

int large_residuals(const std::string& folder) {
  load_plugin(folder + "/structured_secant.so");
  std::vector<std::string> addresses;
  for (const char* scheme : {"nist", "mgh"}) {
    for (const std::string& name : target_scheme(scheme).names()) {
      addresses.push_back(std::string(scheme) + ":" + name);
      if (addresses.back().rfind("nist", 0) == 0) {
        addresses.push_back(addresses.back() + "?start=2");
      }
    }
  }
  std::printf("| target | left out | Gauss-Newton | nl2sol-secant | ratio |\n|---|---|---|---|---|\n");
  int fewer = 0;
  int all = 0;
  double worst = 0;
  double logarithms = 0;
  for (const std::string& address : addresses) {
    const Target target = load_target(address);
    // The minimum that Gauss-Newton reaches, polished with the Hessian.
    const Run rough = run(target, "outer-product", -infinity);
    Target polished = load_target(address);
    polished.x0 = rough.x;
    const Run least = run(polished, "exact", -infinity);
    const double left_out = curvature_left_out(*target.problem, least.x);
    if (!(left_out >= 0.1) || !(least.value > 1e-12)) {
      continue;
    }
    const double goal = least.value * (1 + 1e-10);
    const Run gauss_newton = run(target, "outer-product", goal);
    const Run secant = run(target, "nl2sol-secant", goal);
    const double ratio = static_cast<double>(secant.jacobians) / static_cast<double>(gauss_newton.jacobians);
    char shown[16];
    if (left_out > 1000) {
      std::snprintf(shown, sizeof shown, "> 1000");
    } else {
      std::snprintf(shown, sizeof shown, "%.2f", left_out);
    }
    std::printf("| %s | %s | %td%s | %td%s | %.2f |\n", address.c_str(), shown, gauss_newton.jacobians,
                gauss_newton.reached ? "" : " -", secant.jacobians, secant.reached ? "" : " -", ratio);
    std::fflush(stdout);
    ++all;
    fewer += secant.reached && (!gauss_newton.reached || secant.jacobians < gauss_newton.jacobians) ? 1 : 0;
    worst = std::max(worst, secant.reached ? ratio : infinity);
    logarithms += std::log(ratio);
  }
  std::printf("\nFewer on %d of %d; at most %.2f times; geometric mean %.2f.\n", fewer, all, worst,
              std::exp(logarithms / std::max(all, 1)));
  return 0;
}

// ---- K-FAC ----

/// The mean of the loss of each batch, as the solve saw it, over blocks of steps.
class StepLosses final : public Observer {
 public:
  void observe(const Progress& p) override {
    if (p.event == Progress::Event::accepted) {
      losses.push_back(p.value);
      seconds.push_back(p.seconds);
    }
  }
  std::vector<double> losses, seconds;
};

/// The first step at which the mean over the last `window` steps is at most `loss`; 0 where there is none.
std::size_t steps_to(const std::vector<double>& losses, double loss, std::size_t window) {
  double sum = 0;
  for (std::size_t k = 0; k < losses.size(); ++k) {
    sum += losses[k] - (k >= window ? losses[k - window] : 0.0);
    if (k + 1 >= window && sum <= loss * static_cast<double>(window)) {
      return k + 1;
    }
  }
  return 0;
}

int kfac(const std::string& folder, const std::string& data_folder, Index steps, Index batch) {
  load_plugin(folder + "/kfac.so");
  const Dataset data =
      load_idx(data_folder + "/train-images-idx3-ubyte.gz", data_folder + "/train-labels-idx1-ubyte.gz");
  NetworkOptions options;
  options.precision = Precision::single_precision;
  const Network network(NetworkTopology::chain({784, 128, 10}, Activation::tanh), data, options);
  const std::vector<double> x0 = network.initial();
  struct Entry {
    std::string name;
    Method method;
  };
  std::vector<Entry> entries;
  const MiniBatch batches{.size = batch};
  for (const double rate : {3e-4, 1e-3, 3e-3, 1e-2}) {
    char name[64];
    std::snprintf(name, sizeof name, "Adam, rate %g", rate);
    entries.push_back({name, adam(batches, rate)});
  }
  for (const double rate : {0.03, 0.1, 0.3}) {
    for (const double damping : {0.01, 0.1}) {
      char name[64];
      std::snprintf(name, sizeof name, "K-FAC, rate %g, damping %g", rate, damping);
      entries.push_back({name, newton({.curvature = {"kfac", {{"invert_every", std::int64_t{10}}}},
                                       .step = {"own-direction", {{"damping", damping}}},
                                       .acceptance = {"schedule", {{"rate", rate}}},
                                       .batch = batches})});
    }
  }
  const std::vector<double> levels = {0.6, 0.5, 0.45, 0.4, 0.35};
  std::printf(
      "| method | steps to 0.6 | 0.5 | 0.45 | 0.4 | 0.35 | last | seconds "
      "|\n|---|---|---|---|---|---|---|---|\n");
  for (const Entry& entry : entries) {
    Stopping stopping;
    stopping.max_iterations = steps;
    stopping.max_evaluations = std::numeric_limits<Index>::max();
    StepLosses seen;
    minimize(network, x0, entry.method, stopping, &seen);
    std::printf("| %s |", entry.name.c_str());
    constexpr std::size_t window = 20;
    for (const double level : levels) {
      const std::size_t k = steps_to(seen.losses, level, window);
      std::printf(k > 0 ? " %zu |" : " - |", k);
    }
    double last = 0;
    for (std::size_t k = seen.losses.size() - std::min(window, seen.losses.size()); k < seen.losses.size();
         ++k) {
      last += seen.losses[k] / static_cast<double>(std::min(window, seen.losses.size()));
    }
    std::printf(" %.4f | %.1f |\n", last, seen.seconds.empty() ? 0.0 : seen.seconds.back());
    std::fflush(stdout);
  }
  return 0;
}

// ---- the boundary ----

/// Processor time of a solve of every target, which waiting for others does not lengthen.
double seconds_of(const std::vector<Target>& targets, const Spec& curvature, Index iterations, int repeat,
                  std::vector<Result>& results) {
  Stopping stopping;
  stopping.max_iterations = iterations;
  const Method method = levenberg_marquardt({.curvature = curvature});
  results.resize(targets.size());
  const std::clock_t begin = std::clock();
  for (int r = 0; r < repeat; ++r) {
    for (std::size_t t = 0; t < targets.size(); ++t) {
      results[t] = minimize(*targets[t].problem, targets[t].x0, method, stopping);
    }
  }
  return static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC / repeat;
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

/// Interleaved runs, so that a machine that others use, too, is as slow for one as for the other. The target
/// "nist" is all of NIST's regressions from both starts.
int boundary(const std::string& plugin, const std::string& address, Index iterations, int runs, int repeat) {
  load_plugin(plugin);
  std::vector<Target> targets;
  if (address == "nist") {
    for (const std::string& name : target_scheme("nist").names()) {
      targets.push_back(load_target("nist:" + name));
      targets.push_back(load_target("nist:" + name + "?start=2"));
    }
  } else {
    targets.push_back(load_target(address));
  }
  std::vector<double> own, plugged, ratio;
  std::vector<Result> a, b;
  seconds_of(targets, {"outer-product"}, iterations, 1, a);
  for (int r = 0; r < runs; ++r) {
    own.push_back(seconds_of(targets, {"outer-product"}, iterations, repeat, a));
    plugged.push_back(seconds_of(targets, {"handed-on"}, iterations, repeat, b));
    ratio.push_back(plugged.back() / own.back());
  }
  bool same = true;
  for (std::size_t t = 0; t < targets.size(); ++t) {
    same = same && a[t].x == b[t].x && a[t].trials == b[t].trials;
  }
  std::printf("%s: built in %.5f s, plugin %.5f s, median of ratios %.4f, ratio of minima %.4f, %s bits\n",
              address.c_str(), median(own), median(plugged), median(ratio),
              *std::min_element(plugged.begin(), plugged.end()) / *std::min_element(own.begin(), own.end()),
              same ? "the same" : "other");
  return same ? 0 : 1;
}

int usage() {
  std::fprintf(stderr,
               "kappa-plugin-bench large-residuals PLUGINS\n"
               "kappa-plugin-bench kfac PLUGINS FASHION_MNIST STEPS BATCH\n"
               "kappa-plugin-bench boundary PLUGIN TARGET ITERATIONS RUNS REPEAT\n");
  return 2;
}

}  // namespace

int main(int count, char** given) {
  const std::vector<std::string> a(given + 1, given + count);
  const auto is = [&](const char* command, std::size_t arguments) {
    return a.size() == arguments + 1 && a[0] == command;
  };
  try {
    return is("large-residuals", 1) ? large_residuals(a[1])
           : is("kfac", 4)          ? kfac(a[1], a[2], std::stoll(a[3]), std::stoll(a[4]))
           : is("boundary", 5)      ? boundary(a[1], a[2], std::stoll(a[3]), std::stoi(a[4]), std::stoi(a[5]))
                                    : usage();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "kappa-plugin-bench: %s\n", error.what());
    return 1;
  }
}
