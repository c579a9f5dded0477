// kappa-plugin-bench: what the shipped plugins are worth, and what the boundary costs, as Markdown tables.
//
//   kappa-plugin-bench large-residuals PLUGINS            structured secant beside Gauss-Newton
//   kappa-plugin-bench kfac PLUGINS FASHION_MNIST [...]   K-FAC beside Adam, in steps, and their time
//   kappa-plugin-bench boundary PLUGIN TARGET [...]       a built-in curvature beside the same behind the C
//                                                         table
//   kappa-plugin-bench one-side PLUGIN CURVATURE [...]    either of them alone, for a profiler
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

/// Every few steps the loss over the same samples at the point reached, beside the processor time of the
/// solve alone.
class TrainingLoss final : public Observer {
 public:
  explicit TrainingLoss(const Problem& judge) : judge_(judge) {}

  void observe(const Progress& p) override {
    if (p.event == Progress::Event::rejected) {
      ++rejections;
    }
    if (p.event != Progress::Event::accepted) {
      return;
    }
    const std::clock_t now = std::clock();
    spent_ += now - last_;
    steps = p.iteration;
    if (steps % every == 0) {
      at_.reset(p.x, 0);
      Request request;
      request.want = Want::value;
      losses.push_back(judge_.evaluate(request, at_) == EvalStatus::ok ? at_.value : infinity);
    }
    last_ = std::clock();
  }
  /// The first step at which the loss is at most `level`; 0 where there is none.
  Index steps_to(double level) const {
    const auto there = std::find_if(losses.begin(), losses.end(), [=](double loss) { return loss <= level; });
    return there == losses.end() ? 0 : every * (there - losses.begin() + 1);
  }
  double seconds_of_a_step() const {
    return static_cast<double>(spent_) / CLOCKS_PER_SEC / static_cast<double>(std::max<Index>(steps, 1));
  }

  static constexpr Index every = 5;
  std::vector<double> losses;
  Index steps = 0;
  Index rejections = 0;

 private:
  const Problem& judge_;
  Evaluation at_;
  std::clock_t last_ = std::clock();
  std::clock_t spent_ = 0;
};

struct NetworkTask {
  std::string train, judge;  ///< targets; the loss is looked at on the first 5000 samples
  std::vector<double> levels;
  std::vector<double> adam_rates;
  std::vector<std::pair<double, double>> schedules;  ///< rate and damping of K-FAC on a schedule
  std::vector<double> dampings;                      ///< first ones of K-FAC with the network's products
};

NetworkTask network_task(const std::string& name, const std::string& data) {
  const std::string few = "&samples=5000";
  if (name == "classifier") {
    const std::string address = "network:784-128-10?precision=single&data=" + data;
    return {address,
            address + few,
            {0.6, 0.5, 0.45, 0.4, 0.35},
            {3e-4, 1e-3, 3e-3, 1e-2},
            {{0.03, 0.01}, {0.1, 0.01}, {0.1, 0.1}, {0.3, 0.1}},
            {0.1, 1}};
  }
  if (name == "autoencoder") {
    const std::string address =
        "network:784-400-200-100-50-25-50-100-200-400-784?precision=single&targets=features&loss=mean-square&"
        "output=sigmoid&data=" +
        data + few;
    return {address,     address, {20, 16, 13, 11, 10, 9}, {3e-4, 1e-3, 3e-3, 1e-2}, {{0.1, 1}, {0.3, 1}},
            {1, 10, 100}};
  }
  throw Error("the task is classifier or autoencoder, not '" + name + "'");
}

struct NamedMethod {
  std::string name;
  Method method;
};

std::string numbered(const char* format, double a, double b = 0) {
  char text[80];
  std::snprintf(text, sizeof text, format, a, b);
  return text;
}

std::vector<NamedMethod> methods_of(const NetworkTask& task, Index batch) {
  std::vector<NamedMethod> out;
  const MiniBatch batches{.size = batch};
  for (const double rate : task.adam_rates) {
    out.push_back({numbered("Adam, rate %g", rate), adam(batches, rate)});
  }
  for (const auto& [rate, damping] : task.schedules) {
    out.push_back({numbered("K-FAC, rate %g, damping %g", rate, damping),
                   newton({.curvature = {"kfac"},
                           .step = {"own-direction", {{"damping", damping}}},
                           .acceptance = {"schedule", {{"rate", rate}}},
                           .batch = batches})});
  }
  for (const double damping : task.dampings) {
    out.push_back({numbered("K-FAC, model=network, damping from %g", damping),
                   hessian_free({.curvature = {"kfac", {{"model", std::string("network")}}},
                                 .step = {"own-solve"},
                                 .acceptance = {"martens-damping", {{"initial", damping}}},
                                 .batch = batches})});
  }
  return out;
}

int kfac(const std::string& folder, const std::string& data, const std::string& task_name, Index steps,
         Index batch) {
  load_plugin(folder + "/kfac.so");
  const NetworkTask task = network_task(task_name, data);
  const Target train = load_target(task.train);
  const Target judge = load_target(task.judge);
  std::printf("| method |");
  for (const double level : task.levels) {
    std::printf(" %g |", level);
  }
  std::printf(" last | rejected | ms a step |\n|---|---|---|---|");
  for (std::size_t i = 0; i < task.levels.size(); ++i) {
    std::printf("---|");
  }
  std::printf("\n");
  for (const NamedMethod& entry : methods_of(task, batch)) {
    Stopping stopping;
    stopping.max_iterations = steps;
    stopping.max_evaluations = std::numeric_limits<Index>::max();
    TrainingLoss seen(*judge.problem);
    minimize(*train.problem, train.x0, entry.method, stopping, &seen);
    std::printf("| %s |", entry.name.c_str());
    for (const double level : task.levels) {
      const Index k = seen.steps_to(level);
      std::printf(k > 0 ? " %td |" : " - |", k);
    }
    std::printf(" %.4g | %td | %.1f |\n", seen.losses.empty() ? infinity : seen.losses.back(),
                seen.rejections, 1e3 * seen.seconds_of_a_step());
    std::fflush(stdout);
  }
  return 0;
}

// ---- the boundary ----

/// Products alone on networks, whose matrices are too large.
Method method_for(const Target& target, const Spec& curvature) {
  return target.scheme == "network" ? hessian_free({.curvature = curvature})
                                    : levenberg_marquardt({.curvature = curvature});
}

/// Processor time of a solve of every target, which waiting for others does not lengthen.
double seconds_of(const std::vector<Target>& targets, const Spec& curvature, Index iterations, int repeat,
                  std::vector<Result>& results) {
  Stopping stopping;
  stopping.max_iterations = iterations;
  results.resize(targets.size());
  const std::clock_t begin = std::clock();
  for (int r = 0; r < repeat; ++r) {
    for (std::size_t t = 0; t < targets.size(); ++t) {
      results[t] = minimize(*targets[t].problem, targets[t].x0, method_for(targets[t], curvature), stopping);
    }
  }
  return static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC / repeat;
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

/// "nist" is all of NIST's regressions from both starts.
std::vector<Target> boundary_targets(const std::string& address) {
  std::vector<Target> out;
  if (address == "nist") {
    for (const std::string& name : target_scheme("nist").names()) {
      out.push_back(load_target("nist:" + name));
      out.push_back(load_target("nist:" + name + "?start=2"));
    }
  } else {
    out.push_back(load_target(address));
  }
  return out;
}

/// Solves with one curvature alone, to be run under a profiler that counts instructions: the difference of
/// two numbers of repetitions is that of the solves.
int one_side(const std::string& plugin, const std::string& curvature, const std::string& address,
             Index iterations, int repeat) {
  load_plugin(plugin);
  std::vector<Result> results;
  seconds_of(boundary_targets(address), {curvature}, iterations, repeat, results);
  double sum = 0;
  for (const Result& result : results) {
    sum += static_cast<double>(result.trials);
  }
  std::printf("%s, %s: %.0f trials\n", address.c_str(), curvature.c_str(), sum);
  return 0;
}

/// Interleaved runs, so that a machine that others use, too, is as slow for one as for the other.
int boundary(const std::string& plugin, const std::string& address, Index iterations, int runs, int repeat) {
  load_plugin(plugin);
  const std::vector<Target> targets = boundary_targets(address);
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
               "kappa-plugin-bench kfac PLUGINS FASHION_MNIST classifier|autoencoder STEPS BATCH\n"
               "kappa-plugin-bench boundary PLUGIN TARGET ITERATIONS RUNS REPEAT\n"
               "kappa-plugin-bench one-side PLUGIN CURVATURE TARGET ITERATIONS REPEAT\n");
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
           : is("kfac", 5)          ? kfac(a[1], a[2], a[3], std::stoll(a[4]), std::stoll(a[5]))
           : is("one-side", 5)      ? one_side(a[1], a[2], a[3], std::stoll(a[4]), std::stoi(a[5]))
           : is("boundary", 5)      ? boundary(a[1], a[2], std::stoll(a[3]), std::stoi(a[4]), std::stoi(a[5]))
                                    : usage();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "kappa-plugin-bench: %s\n", error.what());
    return 1;
  }
}
