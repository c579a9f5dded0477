// kappa as a peer: one for each method asked for.
#include <algorithm>
#include <chrono>

#include "bench/method_text.h"
#include "bench/suite.h"
#ifdef KAPPA_BENCH_CHOLMOD
#include "kappa/cholmod.h"
#endif
#include "kappa/minimize.h"
#include "kappa/registry.h"
#include "problems/analytic/mgh_problem.h"
#include "problems/analytic/nist_problem.h"
#include "problems/pose_graph/pose_graph_problem.h"
#include "problems/residual/bundle.h"

namespace kappa::bench {

Method parse_method(const std::string& text) {
  const auto complain = [&](const std::string& what) {
    throw Error("method '" + text + "': " + what +
                "; write OPTIMIZER or OPTIMIZER,key=value,... such as newton,curvature=hessian-free");
  };
  std::vector<std::string> words;
  for (std::size_t at = 0; at <= text.size();) {
    const std::size_t comma = std::min(text.find(',', at), text.size());
    words.push_back(text.substr(at, comma - at));
    at = comma + 1;
  }
  Options own;
  std::vector<std::pair<std::string, std::string>> parts;
  for (std::size_t i = 1; i < words.size(); ++i) {
    const std::size_t equals = words[i].find('=');
    if (equals == std::string::npos || equals == 0) {
      complain("'" + words[i] + "' is no key=value");
    }
    const std::string key = words[i].substr(0, equals);
    const std::string value = words[i].substr(equals + 1);
    const std::string part = key.substr(0, key.find('.'));
    if (part == "curvature" || part == "step" || part == "acceptance" || part == "preconditioner") {
      parts.emplace_back(key, value);
    } else {
      own.set(key, value);
    }
  }
  Method method = registry().optimizer(words[0]).make(own);
  const auto spec = [&](const std::string& part) -> Spec& {
    return part == "curvature"        ? method.curvature
           : part == "step"           ? method.step
           : part == "preconditioner" ? method.preconditioner
                                      : method.acceptance;
  };
  for (const auto& [key, value] : parts) {
    if (key.find('.') == std::string::npos) {
      spec(key) = Spec(value);
    }
  }
  for (const auto& [key, value] : parts) {
    if (const std::size_t dot = key.find('.'); dot != std::string::npos) {
      spec(key.substr(0, dot)).options.set(key.substr(dot + 1), value);
    }
  }
  // A wrong name or option is found now and not after the first suite.
  const auto given = [](const Spec& named) { return named.name != "auto" && named.name != "none"; };
  for (const Spec* named : {&method.curvature, &method.preconditioner}) {
    if (given(*named)) {
      registry().curvature(named->name).make(named->options);
    }
  }
  if (given(method.step)) {
    registry().step(method.step.name).make(method.step.options);
  }
  if (given(method.acceptance)) {
    registry().acceptance(method.acceptance.name).make(method.acceptance.options);
  }
  return method;
}

namespace {

using Clock = std::chrono::steady_clock;

constexpr const char* default_method = "levenberg-marquardt";

struct Build {
  ResidualProblem operator()(const NistSource& s) const { return make_nist(*s.problem, s.start_index); }
  ResidualProblem operator()(const MghSource& s) const {
    return s.bounds == nullptr ? make_mgh(*s.problem, s.factor) : make_mgh(*s.problem, *s.bounds, s.factor);
  }
  ResidualProblem operator()(const BundleSource& s) const { return make_bundle(*s.data); }
  ResidualProblem operator()(const PoseGraphSource& s) const { return make_pose_graph(*s.data); }
};

Stopping stopping_of(const StopRule& rule) {
  Stopping out;
  out.max_iterations = rule.max_trials;
  out.max_evaluations = rule.max_trials;
  if (rule.aim == StopRule::Aim::relative_decrease) {
    out.decrease_tolerance = rule.tolerance;
    out.gradient_tolerance = 1e-10;  // Ceres's default, as is the next
    out.step_tolerance = 1e-8;
  }
  return out;
}

class Tracer final : public Observer {
 public:
  Tracer(Clock::time_point started, std::vector<TracePoint>& out) : started_(started), out_(out) {}
  void observe(const Progress& p) override {
    if (p.event != Progress::Event::rejected) {
      out_.push_back({std::chrono::duration<double>(Clock::now() - started_).count(), p.iteration, p.value});
    }
  }

 private:
  Clock::time_point started_;
  std::vector<TracePoint>& out_;
};

class KappaPeer final : public Peer {
 public:
  KappaPeer(std::string name, Method method) : name_(std::move(name)), method_(std::move(method)) {}

  std::string name() const override { return name_; }
  bool fits(const Case&) const override { return true; }

  Run solve(const Case& c, const Settings& settings) const override {
    const Clock::time_point started = Clock::now();
    Run run;
    Tracer tracer(started, run.trace);
    const ResidualProblem problem = std::visit(Build{}, c.source);
    run.x = problem.initial();
    try {
      Result result = minimize(problem, run.x, method_, stopping_of(c.stop),
                               settings.trace == Settings::Trace::on ? &tracer : nullptr);
      const auto* graph = std::get_if<PoseGraphSource>(&c.source);
      run.x = graph != nullptr ? poses_at(*graph->data, result.x) : std::move(result.x);
      run.iterations = result.iterations;
      run.evaluations = result.evaluations.value;
      run.reason = std::string(kappa::name(result.termination)) + ": " + result.reason;
    } catch (const Error& refusal) {
      run.reason = std::string("refused: ") + refusal.what();
    }
    return run;
  }

 private:
  std::string name_;
  Method method_;
};

}  // namespace

Family kappa_family(const std::vector<std::string>& methods) {
#ifdef KAPPA_BENCH_CHOLMOD
  register_cholmod();
#endif
  Family out;
  out.name = "kappa";
  out.version = KAPPA_VERSION;
  for (const std::string& text : methods.empty() ? std::vector<std::string>{default_method} : methods) {
    out.peers.push_back(
        std::make_unique<KappaPeer>(text == default_method ? "kappa" : "kappa " + text, parse_method(text)));
  }
  return out;
}

}  // namespace kappa::bench
