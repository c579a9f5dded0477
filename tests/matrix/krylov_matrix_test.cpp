// Krylov methods in the loop: the same bits for every number of threads on long vectors, mini-batches whose
// two values of one judgement are of the same terms, and earlier iterates as trials.
#include <oneapi/tbb/global_control.h>
#include <oneapi/tbb/task_arena.h>

#include <cmath>
#include <vector>

#include "kappa/kappa.h"
#include "kappa/random.h"
#include "problems/targets.h"
#include "solvers/step/parts.h"
#include "support/catch.h"

namespace {

using namespace kappa;

template <class Body>
void with_threads(int threads, const Body& body) {
  const tbb::global_control limit(tbb::global_control::max_allowed_parallelism,
                                  static_cast<std::size_t>(threads));
  tbb::task_arena arena(threads);
  arena.execute(body);
}

/// Differences of neighbours and a diagonal that changes sign where `shift` is negative.
class Chain final : public SymmetricOperator {
 public:
  Chain(Index n, double shift) : n_(n), shift_(shift) {}
  Index size() const override { return n_; }
  void multiply(ConstVectorRef v, VectorRef out) const override {
    for (std::size_t i = 0; i < v.size(); ++i) {
      const double left = i > 0 ? v[i - 1] : 0.0;
      const double right = i + 1 < v.size() ? v[i + 1] : 0.0;
      out[i] = (2 + shift_ + 0.3 * std::sin(static_cast<double>(i))) * v[i] - left - right;
    }
  }

 private:
  Index n_;
  double shift_;
};

/// One term of a curve's fit: y - a exp(-b t) - c.
struct Decay {
  double t, y;
  template <class T>
  bool operator()(const T* p, T* r) const {
    r[0] = y - p[0] * exp(-1.0 * p[1] * t) - p[2];
    return true;
  }
};

ResidualProblem decay(Index terms) {
  ResidualProblem out;
  const auto p = out.add_parameters({1.0, 0.3, 0.0}, "p");
  RandomSequence random(11);
  for (Index i = 0; i < terms; ++i) {
    const double t = 4.0 * static_cast<double>(i) / static_cast<double>(terms);
    out.add(autodiff<1, 3>(Decay{t, 3 * std::exp(-1.2 * t) + 0.5 + 0.01 * random.normal()}), {p});
  }
  return out;
}

/// Passes everything on and writes down on how many terms, and on which, it was evaluated.
class Recorder final : public Problem {
 public:
  struct Entry {
    Want want;
    std::vector<Index> terms;
  };
  explicit Recorder(const Problem& problem) : problem_(problem) {}
  Index dimension() const override { return problem_.dimension(); }
  Index terms() const override { return problem_.terms(); }
  Index residuals() const override { return problem_.residuals(); }
  ModelSet models() const override { return problem_.models(); }
  EvalStatus evaluate(const Request& request, Evaluation& evaluation) const override {
    entries.push_back({request.want, {request.sample.terms.begin(), request.sample.terms.end()}});
    return problem_.evaluate(request, evaluation);
  }
  mutable std::vector<Entry> entries;

 private:
  const Problem& problem_;
};

/// Bends away from its linear model within a period.
struct Waves {
  static constexpr int n = 30;
  template <class T>
  bool operator()(const T* p, T* r) const {
    for (int i = 0; i < n; ++i) {
      const double weight = std::pow(10.0, -2.0 * i / n);
      r[i] = weight * (p[i] + 0.9 * sin(3.0 * p[i] + p[(i + 1) % n]));
    }
    return true;
  }
};

}  // namespace

TEST_CASE("Krylov steps have the same bits for 1, 2, 4 and 8 threads on long vectors", "[bits]") {
  constexpr Index n = 60000;  // several chunks, and long enough for several threads
  std::vector<double> gradient(n);
  RandomSequence random(2);
  for (double& g : gradient) {
    g = random.normal();
  }
  struct Case {
    StepPart part;
    Options options;
    Control control;
    double shift;
  };
  const Options few = {{"max_iterations", std::int64_t{12}}};
  const std::vector<Case> cases = {
      {steihaug_cg_part(), few, Radius{1e3}, 0.5},
      {damped_cg_part(), few, Damping{0.1}, 0.5},
      {newton_cg_part(), few, StepLength{1}, 0.5},
      {newton_mr_part(), few, StepLength{1}, 0.5},
      {newton_mr_part(), few, StepLength{1}, -2.0},
      {gltr_part(), few, Radius{50}, -2.0},
      {gltr_part(),
       {{"max_iterations", std::int64_t{12}}, {"stored_vectors", std::int64_t{4}}},
       Radius{50},
       -2.0},
      {shifted_lanczos_part(), few, Damping{0.1}, 0.5},
      {cubic_lanczos_part(), few, CubicWeight{0.1}, -2.0},
      {hessian_free_step_part(), few, Damping{0.1}, 0.5},
  };
  for (const Case& c : cases) {
    CAPTURE(c.part.info.name, c.shift);
    const Chain B(n, c.shift);
    Metric metric;
    metric.update(B);
    std::vector<double> reference;
    for (const int threads : {1, 2, 4, 8}) {
      with_threads(threads, [&] {
        const auto solver = c.part.make(c.options);
        std::vector<double> step(n);
        REQUIRE(solver->prepare({B, gradient, metric}) == StepStatus::ok);
        REQUIRE(solver->solve(c.control, step).status == StepStatus::ok);
        if (reference.empty()) {
          reference = step;
        }
        CHECK(step == reference);
      });
    }
  }
}

TEST_CASE("Hessian-free compares a trial with its point on the same terms", "[matrix]") {
  const ResidualProblem problem = decay(400);
  const Recorder recorder(problem);
  Stopping stopping;
  stopping.max_iterations = 30;
  const Method method = hessian_free({.batch = {.size = 100, .seed = 3}});
  const Result r = minimize(recorder, problem.initial(), method, stopping);
  CHECK(r.iterations == 30);
  CHECK(r.value < 0.05 * r.initial_value);
  std::vector<Index> at_point;
  int compared = 0;
  std::size_t batches = 0;
  for (const Recorder::Entry& entry : recorder.entries) {
    if (entry.terms.empty()) {
      continue;  // the whole sum, at the start and at the end
    }
    CHECK(entry.terms.size() == 100);
    if (includes(entry.want, Want::gradient)) {
      CHECK(includes(entry.want, Want::value));
      batches += entry.terms != at_point ? 1 : 0;
      at_point = entry.terms;
    } else {
      CHECK(entry.terms == at_point);
      ++compared;
    }
  }
  CHECK(compared >= 30);
  CHECK(batches == 31);
  const Result again = minimize(problem, problem.initial(), method, stopping);
  CHECK(again.x == r.x);
}

TEST_CASE("the curvature may see fewer terms than the gradient", "[matrix]") {
  const ResidualProblem problem = decay(400);
  for (const Index size : {Index{0}, Index{200}}) {
    const Recorder recorder(problem);
    Stopping stopping;
    stopping.max_iterations = 40;
    const Method method = hessian_free({.batch = {.size = size, .seed = 3, .curvature_size = 50}});
    const Result r = minimize(recorder, problem.initial(), method, stopping);
    INFO(r.reason);
    CHECK(r.value < 0.05 * r.initial_value);
    int curvatures = 0;
    for (const Recorder::Entry& entry : recorder.entries) {
      if (includes(entry.want, Want::linearization)) {
        CHECK(entry.terms.size() == 50);
        ++curvatures;
      } else {
        CHECK((entry.terms.empty() || static_cast<Index>(entry.terms.size()) == size));
      }
    }
    CHECK(curvatures >= 10);
  }
}

TEST_CASE("an acceptance that compares values over iterations is refused with mini-batches", "[matrix]") {
  const ResidualProblem problem = decay(40);
  for (const char* acceptance : {"trust-region", "tron-radius"}) {
    Method method = newton({.acceptance = {acceptance}, .batch = {.size = 10}});
    try {
      minimize(problem, problem.initial(), method);
      FAIL("must be refused");
    } catch (const Error& e) {
      CHECK(std::string(e.what()).find("martens-damping") != std::string::npos);
    }
  }
  Method secant = hessian_free({.curvature = {"structured-secant"}, .batch = {.size = 10}});
  CHECK_THROWS_AS(minimize(problem, problem.initial(), secant), Error);
}

TEST_CASE("a cubic weight chooses its step by itself", "[matrix]") {
  const ResidualProblem problem = decay(40);
  const Result r = minimize(problem, problem.initial(), newton({.acceptance = {"adaptive-cubic"}}));
  CHECK(r.step == "cubic-lanczos");
  CHECK(r.converged());
}

TEST_CASE("an earlier iterate is taken where the last one overshoots", "[matrix]") {
  // A Gauss-Newton model of a problem far from its minimum: the whole solution of a weakly damped system
  // leads too far, the iterates before it do not.
  ResidualProblem problem;
  constexpr int n = Waves::n;
  const std::vector<double> start(n, 3.0);
  const auto x = problem.add_parameters(start, "x");
  problem.add(autodiff<n, n>(Waves{}), {x});
  struct Count final : Observer {
    void observe(const Progress& p) override {
      accepted += p.event == Progress::Event::accepted ? 1 : 0;
      falling = falling && p.value <= last;
      last = p.value;
    }
    int accepted = 0;
    bool falling = true;
    double last = infinity;
  } with, without;
  const Method walking = hessian_free({.acceptance = {"martens-damping", {{"initial", 1e-6}}}});
  const Method plain = hessian_free(
      {.step = {"hessian-free", {{"spacing", 0.0}}}, .acceptance = {"martens-damping", {{"initial", 1e-6}}}});
  const Result a = minimize(problem, problem.initial(), walking, {}, &with);
  const Result b = minimize(problem, problem.initial(), plain, {}, &without);
  CHECK(with.falling);
  CHECK(a.evaluations.value > a.iterations);
  CHECK(a.x != b.x);
}

TEST_CASE("a gradient that is an eigenvector to the last bit leaves Lanczos' process a basis", "[krylov]") {
  // The Hessian there is a matrix of equal entries but for its diagonal, the gradient a vector of equal ones.
  const Target target = load_target("mgh:brown-almost-linear?factor=100");
  const Result r =
      minimize(*target.problem, target.x0, newton({.step = {"gltr"}, .acceptance = {"trust-region"}}));
  INFO(r.reason);
  CHECK(r.termination != Termination::step_failed);
  CHECK(r.iterations > 0);
  CHECK(r.value < 1e-20 * r.initial_value);
}

TEST_CASE("a line search finds its way back from a direction that leads a million times too far",
          "[krylov]") {
  // Newton's direction is 2e6 long at the start, and the model is not finite over most of it.
  const Target target = load_target("nist:Chwirut2");
  for (const char* acceptance : {"armijo", "strong-wolfe"}) {
    INFO(acceptance);
    const Result r =
        minimize(*target.problem, target.x0, newton({.step = {"newton-cg"}, .acceptance = {acceptance}}));
    INFO(r.reason);
    CHECK(r.converged());
    REQUIRE(target.known_minimum);
    CHECK(r.value == Approx(*target.known_minimum).epsilon(1e-9));
  }
}
