// Adaptive rates against their papers' algorithms, written plainly in support/adaptive_rate_references.h.
#include <algorithm>
#include <cmath>

#include "kappa/kappa.h"
#include "support/adaptive_rate_references.h"
#include "support/catch.h"
#include "support/files.h"
#include "support/logistic_sum.h"

namespace {

using namespace kappa;
using namespace kappa::test;

constexpr int steps = 60;

/// The points of a solve, after each step.
struct Path final : Observer {
  void observe(const Progress& p) override {
    if (p.event == Progress::Event::accepted) {
      x.emplace_back(p.x.begin(), p.x.end());
    }
  }
  std::vector<Vector> x;
};

/// The terms of batch t, found the slow way: the whole permutation of its epoch.
std::vector<Index> batch_terms(const MiniBatch& batch, Index n, std::uint64_t stream, int t) {
  const Index batches = n / batch.size;
  const Index epoch = t / batches;
  const CounterRandom random(batch.seed, stream);
  const Permutation order(random, static_cast<std::uint64_t>(epoch) * Permutation::counters, n);
  std::vector<Index> out;
  for (Index i = 0; i < batch.size; ++i) {
    out.push_back(order((t % batches) * batch.size + i));
  }
  return out;
}

struct Fixture {
  LogisticSum problem{make_logistic(96, 5, 4)};
  MiniBatch batch{.size = 12, .seed = 7};
  Vector x0 = Vector(5, 0.2);

  Evaluation at(const Problem& p, const Vector& x, int t, std::uint64_t stream = 1) const {
    const std::vector<Index> terms = batch_terms(batch, p.terms(), stream, t);
    Request request;
    request.want = Want::value | Want::gradient | Want::linearization;
    request.models = {Model::exact, Model::gauss_newton};
    request.sample = {.id = 1, .terms = terms};
    Evaluation out;
    out.reset(x, 1);
    REQUIRE(p.evaluate(request, out) == EvalStatus::ok);
    return out;
  }
  AtBatch gradient() const {
    return [this](const Vector& x, int t) { return at(problem, x, t).gradient; };
  }

  std::vector<Vector> path(const Problem& p, const Method& method) const {
    Path out;
    Stopping stopping;
    stopping.max_iterations = steps;
    minimize(p, x0, method, stopping, &out);
    return out.x;
  }
};

void check_same(const std::vector<Vector>& path, const std::vector<Vector>& reference,
                double tolerance = 1e-11) {
  REQUIRE(path.size() == reference.size());
  for (std::size_t t = 0; t < path.size(); ++t) {
    for (std::size_t i = 0; i < path[t].size(); ++i) {
      INFO("step " << t << ", entry " << i);
      CHECK(std::abs(path[t][i] - reference[t][i]) <= tolerance * (1 + std::abs(reference[t][i])));
    }
  }
  // What is compared has moved, and not to a corner of its own.
  CHECK(path.back() != path.front());
}

/// Random signs as curvature running-diagonal draws them: 64 of a word.
Vector signs(std::size_t n, int estimate) {
  const CounterRandom random(1, (std::uint64_t{1} << 63) + static_cast<std::uint64_t>(estimate));
  Vector out;
  for (std::size_t i = 0; i < n; ++i) {
    out.push_back((random.bits(i / 64) >> (i % 64) & 1) != 0 ? 1.0 : -1.0);
  }
  return out;
}

}  // namespace

TEST_CASE("Adam's steps are those of its algorithm", "[adaptive]") {
  const Fixture f;
  check_same(f.path(f.problem, adam(f.batch, 0.02)), adam_reference(f.x0, f.gradient(), 0.02, steps));
}

TEST_CASE("stochastic gradient descent has classical momentum with the rate divided by 1 - momentum",
          "[adaptive]") {
  const Fixture f;
  check_same(f.path(f.problem, sgd(f.batch, 0.01 / (1 - 0.8), 0.8)),
             momentum_reference(f.x0, f.gradient(), 0.01, 0.8, steps));
}

TEST_CASE("AdaHessian's steps are those of its algorithm, from one batch or two", "[adaptive]") {
  const Fixture f;
  for (const std::uint64_t stream : {1U, 2U}) {
    const AtBatch hutchinson = [&](const Vector& x, int t) {
      const Vector z = signs(x.size(), t);
      Vector Hz(x.size());
      f.at(f.problem, x, t, stream).linearization->product(Model::exact, z, Hz);
      std::transform(Hz.begin(), Hz.end(), z.begin(), Hz.begin(), std::multiplies<>());
      return Hz;
    };
    MiniBatch batch = f.batch;
    batch.curvature = stream == 1 ? MiniBatch::CurvatureBatch::shared : MiniBatch::CurvatureBatch::own;
    check_same(f.path(f.problem, adahessian(batch, 0.05)),
               adahessian_reference(f.x0, f.gradient(), hutchinson, 0.05, steps));
  }
}

TEST_CASE("SDLM takes the back-propagated diagonal where there are layers, else Gauss-Newton's",
          "[adaptive]") {
  const Fixture f;
  const LogisticSum layered(make_logistic(96, 5, 4), true);
  for (const LogisticSum* problem : {&f.problem, &layered}) {
    const AtBatch diagonal = [&](const Vector& x, int t) {
      Vector out(x.size());
      const Evaluation at = f.at(*problem, x, t);
      if (problem == &layered) {
        at.linearization->recursive_diagonal(Recursion::gauss_newton, out);
      } else {
        at.linearization->diagonal(Model::gauss_newton, out);
      }
      return out;
    };
    check_same(f.path(*problem, sdlm(f.batch, 0.1)),
               sdlm_reference(f.x0, f.gradient(), diagonal, 0.1, steps));
  }
}

TEST_CASE("Sophia's steps are those of its algorithm, with both estimators", "[adaptive]") {
  const Fixture f;
  const AtBatch hutchinson = [&](const Vector& x, int t) {
    const Vector z = signs(x.size(), t / 10);
    Vector out(x.size());
    f.at(f.problem, x, t).linearization->product(Model::exact, z, out);
    std::transform(out.begin(), out.end(), z.begin(), out.begin(), std::multiplies<>());
    return out;
  };
  const AtBatch bartlett = [&](const Vector& x, int t) {
    Vector s(x.size());
    f.at(f.problem, x, t).linearization->sampled_gradient(1 + (static_cast<std::uint64_t>(t / 10) << 32), s);
    std::transform(s.begin(), s.end(), s.begin(), s.begin(), std::multiplies<>());
    return s;
  };
  check_same(f.path(f.problem, sophia_h(f.batch, 0.01)),
             sophia_reference(f.x0, f.gradient(), hutchinson, 0.01, 0.01, steps));
  check_same(f.path(f.problem, sophia_g(f.batch, 0.01)),
             sophia_reference(f.x0, f.gradient(), bartlett, 0.01, 0.05, steps));
}

TEST_CASE("vSGD-fd's steps are those of its algorithm", "[adaptive]") {
  const Fixture f;
  check_same(f.path(f.problem, vsgd(f.batch)), vsgd_reference(f.x0, f.gradient(), 10, 2, steps), 1e-9);
}

TEST_CASE("AdaSecant's steps are those of its algorithm", "[adaptive]") {
  const Fixture f;
  check_same(f.path(f.problem, adasecant(f.batch)), adasecant_reference(f.x0, f.gradient(), steps), 1e-9);
}

TEST_CASE("Adam's curvature, the empirical Fisher and the Hessian are three things", "[adaptive]") {
  const Fixture f;
  const Vector x(5, 0.3);
  Request request;
  request.want = Want::value | Want::gradient | Want::linearization;
  request.models = {Model::exact, Model::gauss_newton};
  Evaluation at;
  at.reset(x, 0);
  REQUIRE(f.problem.evaluate(request, at) == EvalStatus::ok);
  Vector hessian(5), fisher(5, 0.0), adams(5);
  at.linearization->diagonal(Model::exact, hessian);
  // The empirical Fisher: the mean over terms of the squared gradients of each.
  const auto n = static_cast<double>(f.problem.terms());
  for (Index i = 0; i < f.problem.terms(); ++i) {
    const std::vector<Index> one = {i};
    request.sample = {.id = 1, .terms = one};
    Evaluation term;
    term.reset(x, 1);
    REQUIRE(f.problem.evaluate(request, term) == EvalStatus::ok);
    for (std::size_t j = 0; j < 5; ++j) {
      fisher[j] += term.gradient[j] * term.gradient[j] / n;
    }
  }
  auto curvature = registry().curvature("squared-gradient").make({});
  curvature->start();
  REQUIRE(curvature->refresh(at, nullptr, {}) == Curvature::Status::ok);
  REQUIRE(curvature->at_point().diagonal(adams));
  for (std::size_t j = 0; j < 5; ++j) {
    CHECK(adams[j] == Approx(at.gradient[j] * at.gradient[j]).epsilon(1e-12));
    for (const auto& [a, b] :
         {std::pair(adams[j], fisher[j]), {adams[j], hessian[j]}, {fisher[j], hessian[j]}}) {
      CHECK(std::abs(a - b) > 0.1 * std::max(a, b));
    }
  }
}

namespace {

/// Counts what is asked of a problem.
class Counted final : public Problem {
 public:
  explicit Counted(const Problem& inner) : inner_(inner) {}
  Index dimension() const override { return inner_.dimension(); }
  Index terms() const override { return inner_.terms(); }
  ModelSet models() const override { return inner_.models(); }
  EvalStatus evaluate(const Request& request, Evaluation& at) const override {
    linearized += includes(request.want, Want::linearization) ? 1 : 0;
    return inner_.evaluate(request, at);
  }
  mutable int linearized = 0;

 private:
  const Problem& inner_;
};

}  // namespace

TEST_CASE("a curvature that is renewed every ten points pays for one in ten", "[adaptive]") {
  const Fixture f;
  for (const auto curvature_batch : {MiniBatch::CurvatureBatch::shared, MiniBatch::CurvatureBatch::own}) {
    const Counted problem(f.problem);
    MiniBatch batch = f.batch;
    batch.curvature = curvature_batch;
    Stopping stopping;
    stopping.max_iterations = steps;
    const Result r = minimize(problem, f.x0, sophia_h(batch, 0.01), stopping);
    CHECK(problem.linearized == 7);  // points 0, 10, ..., 60
    CHECK(r.evaluations.product == 7);
    // 61 gradients and 7 products of an eighth of the terms, and 7 gradients more with a batch of its own.
    const int gradients = 61 + (curvature_batch == MiniBatch::CurvatureBatch::own ? 7 : 0);
    CHECK(r.gradient_equivalents == Approx((gradients + 7) / 8.0).epsilon(1e-12));
  }
}

TEST_CASE("every adaptive rate learns, with its rate found on a small grid", "[adaptive]") {
  const LogisticSum train(make_logistic(400, 5, 11));
  const LogisticSum held_out(make_logistic(400, 5, 12));
  Stopping stopping;
  stopping.max_epochs = 15;
  const Vector x0(5, 0.0);
  for (const PartInfo& info : registry().list()) {
    if (info.kind != PartKind::optimizer || info.options.empty() || info.options[0].name != "rate") {
      continue;
    }
    INFO(info.name);
    double best = 0;
    for (const double rate : {1.0, 0.1, 0.01}) {
      const Method method =
          registry().optimizer(info.name).make({{"rate", rate}, {"batch", std::int64_t{20}}});
      CHECK(method.optimizer == info.name);
      const Result r = minimize(train, x0, method, stopping, nullptr, {.validation = {.problem = &held_out}});
      REQUIRE(r.measures.size() == 1);
      best = std::max(best, r.measures[0].value);
      CHECK(r.termination == Termination::max_epochs);
      CHECK(r.epochs == 15);
    }
    CHECK(best > 0.93);
  }
}
