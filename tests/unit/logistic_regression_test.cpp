// Logistic regression against long double and finite differences, and its solutions against its optimality.
#include <tbb/global_control.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "kappa/linear_model.h"
#include "kappa/minimize.h"
#include "kappa/random.h"
#include "problems/learning/feature_matrix.h"
#include "problems/learning/logistic_loss.h"
#include "support/catch.h"
#include "support/files.h"

namespace {

using namespace kappa;
using kappa::test::check_says;
using kappa::test::message;

struct Shape {
  Index samples = 0;
  Index size = 0;
  Index classes = 2;
  enum class Form { dense, sparse, ones, many_ones } form = Form::dense;
};

/// Entries are there with probability 1/3 where features are sparse; of many_ones in most columns with 4/5.
Dataset random_set(const Shape& shape, std::uint64_t seed = 1) {
  const CounterRandom random(seed);
  Dataset out;
  out.name = "random";
  Features& X = out.features;
  X.samples = shape.samples;
  X.size = shape.size;
  const bool sparse = shape.form != Shape::Form::dense;
  if (sparse) {
    X.row_start.push_back(0);
  }
  for (Index i = 0; i < shape.samples; ++i) {
    for (Index j = 0; j < shape.size; ++j) {
      const auto counter = static_cast<std::uint64_t>(i * shape.size + j);
      const bool ones = shape.form == Shape::Form::ones || shape.form == Shape::Form::many_ones;
      const double share = shape.form == Shape::Form::many_ones && j % 3 != 0 ? 0.8 : 1.0 / 3;
      const double value = ones ? 1.0 : random.normal(2 * counter);
      if (!sparse) {
        X.value.push_back(value);
      } else if (random.uniform(2 * counter + 1) < share) {
        X.value.push_back(value);
        X.column.push_back(static_cast<std::int32_t>(j));
      }
    }
    if (sparse) {
      X.row_start.push_back(static_cast<Index>(X.value.size()));
    }
    out.label.push_back(static_cast<std::int32_t>(
        CounterRandom(seed, 1).below(shape.classes, static_cast<std::uint64_t>(i))));
  }
  for (Index c = 0; c < shape.classes; ++c) {
    out.classes.push_back(std::to_string(c));
  }
  return out;
}

std::vector<double> random_point(Index n, std::uint64_t stream, double scale = 0.3) {
  const CounterRandom random(7, stream);
  std::vector<double> out;
  for (Index i = 0; i < n; ++i) {
    out.push_back(scale * random.normal(static_cast<std::uint64_t>(i)));
  }
  return out;
}

double entry(const Features& X, Index i, Index j) {
  if (!X.sparse()) {
    return X.value[static_cast<std::size_t>(i * X.size + j)];
  }
  const auto first = X.column.begin() + X.row_start[static_cast<std::size_t>(i)];
  const auto last = X.column.begin() + X.row_start[static_cast<std::size_t>(i + 1)];
  const auto found = std::lower_bound(first, last, static_cast<std::int32_t>(j));
  return found != last && *found == j ? X.value[static_cast<std::size_t>(found - X.column.begin())] : 0;
}

/// The objective as it is defined, term by term in long double; the gradient by its formula.
struct Oracle {
  const Dataset& data;
  LogisticOptions o;
  std::vector<Index> samples = {};

  Index outputs() const { return data.classes.size() == 2 ? 1 : static_cast<Index>(data.classes.size()); }
  Index columns() const { return data.features.size + (o.bias != 0 ? 1 : 0); }

  long double operator()(const std::vector<double>& x, std::vector<long double>* gradient = nullptr) const {
    const Index K = outputs();
    const Index n = columns();
    const Index free = o.intercept == LogisticOptions::Intercept::free && o.bias != 0 ? K : 0;
    long double f = 0;
    if (gradient != nullptr) {
      gradient->assign(x.size(), 0);
    }
    for (Index q = 0; q < n * K - free; ++q) {
      const auto k = static_cast<std::size_t>(q);
      f += static_cast<long double>(o.l2) * x[k] * x[k] / 2;
      if (gradient != nullptr) {
        (*gradient)[k] += static_cast<long double>(o.l2) * x[k];
      }
    }
    std::vector<Index> terms = samples;
    for (Index i = 0; samples.empty() && i < data.samples(); ++i) {
      terms.push_back(i);
    }
    const long double scale =
        static_cast<long double>(data.samples()) / static_cast<long double>(terms.size());
    for (const Index i : terms) {
      std::vector<long double> z(static_cast<std::size_t>(K), 0);
      const auto feature = [&](Index j) {
        return j < data.features.size ? entry(data.features, i, j) : o.bias;
      };
      for (Index j = 0; j < n; ++j) {
        for (Index c = 0; c < K; ++c) {
          z[static_cast<std::size_t>(c)] +=
              static_cast<long double>(feature(j)) * x[static_cast<std::size_t>(j * K + c)];
        }
      }
      if (K == 1) {
        z.insert(z.begin(), 0);  // class 0 has no weights
      }
      const auto t = static_cast<std::size_t>(data.label[static_cast<std::size_t>(i)]);
      const long double weight =
          scale * o.C * (o.sample_weight.empty() ? 1.0 : o.sample_weight[static_cast<std::size_t>(i)]);
      long double top = z[0];
      for (const long double v : z) {
        top = std::max(top, v);
      }
      long double sum = 0;
      for (const long double v : z) {
        sum += std::exp(v - top);
      }
      f += weight * (top - z[t] + std::log(sum));
      for (Index j = 0; gradient != nullptr && j < n; ++j) {
        for (Index c = 0; c < K; ++c) {
          const auto k = static_cast<std::size_t>(K == 1 ? 1 : c);
          const long double p = std::exp(z[k] - top) / sum;
          (*gradient)[static_cast<std::size_t>(j * K + c)] += weight * (p - (k == t ? 1 : 0)) * feature(j);
        }
      }
    }
    return f;
  }
};

Evaluation evaluated(const LogisticRegression& problem, const std::vector<double>& x,
                     const Sample& sample = {}) {
  Evaluation out;
  out.reset(x, sample.id);
  Request request;
  request.want = Want::value | Want::gradient | Want::linearization;
  request.models = problem.models();
  request.sample = sample;
  REQUIRE(problem.evaluate(request, out) == EvalStatus::ok);
  return out;
}

/// The largest size of an entry; infinite where one is not a number.
double largest(const std::vector<double>& v) {
  double out = 0;
  for (const double e : v) {
    out = std::max(out, std::isnan(e) ? infinity : std::abs(e));
  }
  return out;
}

Stopping to_nine_digits() {
  Stopping out;
  out.gradient_tolerance = 1e-9;
  return out;
}

void check_close(const std::vector<double>& a, const std::vector<double>& b, double tolerance) {
  REQUIRE(a.size() == b.size());
  std::vector<double> difference;
  for (std::size_t i = 0; i < a.size(); ++i) {
    difference.push_back(a[i] - b[i]);
  }
  CHECK(largest(difference) <= tolerance * (1 + largest(b)));
}

struct Named {
  std::string name;
  Shape shape = {};
  LogisticOptions options;
};

std::vector<Named> cases() {
  using Form = Shape::Form;
  LogisticOptions weighted{.C = 2.5, .l2 = 0.5, .bias = 1};
  weighted.intercept = LogisticOptions::Intercept::free;
  for (Index i = 0; i < 40; ++i) {
    weighted.sample_weight.push_back(0.25 * static_cast<double>(i % 5));
  }
  LogisticOptions unpenalised{.C = 3, .bias = 1};
  unpenalised.intercept = LogisticOptions::Intercept::free;
  return {{"dense", {40, 6, 2, Form::dense}, {}},
          {"dense, weights and a free bias", {40, 6, 2, Form::dense}, weighted},
          {"sparse", {40, 7, 2, Form::sparse}, {.C = 10}},
          {"sparse, weights and a free bias", {40, 7, 2, Form::sparse}, weighted},
          {"ones", {600, 9, 2, Form::ones}, {.C = 0.1, .bias = 1}},
          {"ones in most places", {500, 12, 2, Form::many_ones}, {.C = 4}},
          {"ones in most places, a free bias", {300, 9, 2, Form::many_ones}, unpenalised},
          {"more columns than entries", {12, 900, 2, Form::sparse}, {.bias = 0.5}},
          {"columns beyond 16 bits", {3, 70000, 2, Form::sparse}, {}},
          {"multinomial, dense", {40, 4, 3, Form::dense}, weighted},
          {"multinomial, sparse", {50, 5, 4, Form::sparse}, {.C = 3, .bias = 2}},
          {"multinomial, ones", {300, 6, 3, Form::ones}, {}}};
}

}  // namespace

TEST_CASE("value and gradient of logistic regression are those of long double", "[logistic]") {
  for (const Named& c : cases()) {
    INFO(c.name);
    const Dataset data = random_set(c.shape);
    const LogisticRegression problem(data, c.options);
    const std::vector<double> x =
        random_point(problem.dimension(), 1, problem.dimension() > 1000 ? 0.01 : 0.3);
    const Evaluation at = evaluated(problem, x);
    std::vector<long double> gradient;
    const long double value = Oracle{data, c.options}(x, &gradient);
    CHECK(std::abs(at.value - value) <= 1e-14L * value);
    double worst = 0;
    for (std::size_t i = 0; i < x.size(); ++i) {
      worst = std::max(worst, static_cast<double>(std::abs(at.gradient[i] - gradient[i])));
    }
    CHECK(worst <= 1e-13 * (1 + largest(at.gradient)));
  }
}

TEST_CASE("a mini-batch estimates the whole sum as the definition says", "[logistic]") {
  for (const Named& c : cases()) {
    INFO(c.name);
    const Dataset data = random_set(c.shape);
    const LogisticRegression problem(data, c.options);
    const std::vector<double> x =
        random_point(problem.dimension(), 1, problem.dimension() > 1000 ? 0.01 : 0.3);
    const std::vector<Index> terms = {0, 2};
    const Evaluation at = evaluated(problem, x, {.id = 3, .terms = terms});
    std::vector<long double> gradient;
    const long double value = Oracle{data, c.options, terms}(x, &gradient);
    CHECK(std::abs(at.value - value) <= 1e-14L * value);
    double worst = 0;
    for (std::size_t i = 0; i < x.size(); ++i) {
      worst = std::max(worst, static_cast<double>(std::abs(at.gradient[i] - gradient[i])));
    }
    CHECK(worst <= 1e-13 * (1 + largest(at.gradient)));
  }
}

TEST_CASE("products of logistic regression are differences of its gradient", "[logistic]") {
  for (const Named& c : cases()) {
    INFO(c.name);
    const Dataset data = random_set(c.shape);
    const LogisticRegression problem(data, c.options);
    const double scale = problem.dimension() > 1000 ? 0.01 : 0.3;
    const std::vector<double> x = random_point(problem.dimension(), 1, scale);
    const std::vector<double> v = random_point(problem.dimension(), 2, scale);
    const std::vector<Index> some = {1, 2};
    for (const Sample& sample : {Sample{}, Sample{.id = 1, .terms = some}}) {
      const Evaluation at = evaluated(problem, x, sample);
      std::vector<double> product(x.size());
      at.linearization->product(Model::exact, v, product);
      const long double h = 1e-4L;
      std::vector<std::vector<long double>> g(4);
      const Oracle oracle{data, c.options, {sample.terms.begin(), sample.terms.end()}};
      // Differences of fourth order between points that are doubles.
      const double steps[] = {-2e-4, -1e-4, 1e-4, 2e-4};
      std::vector<double> difference(x.size(), 0.0);
      for (int k = 0; k < 4; ++k) {
        std::vector<double> y = x;
        for (std::size_t i = 0; i < x.size(); ++i) {
          y[i] += steps[k] * v[i];
        }
        oracle(y, &g[static_cast<std::size_t>(k)]);
      }
      for (std::size_t i = 0; i < x.size(); ++i) {
        difference[i] = static_cast<double>((g[0][i] - 8 * g[1][i] + 8 * g[2][i] - g[3][i]) / (12 * h));
      }
      check_close(product, difference, 1e-10);
      for (const Model same : {Model::gauss_newton, Model::fisher}) {
        std::vector<double> other(x.size());
        at.linearization->product(same, v, other);
        CHECK(other == product);
      }
    }
  }
}

TEST_CASE("diagonal and dense matrix of logistic regression agree with its products", "[logistic]") {
  for (const Named& c : cases()) {
    const Dataset data = random_set(c.shape);
    const LogisticRegression problem(data, c.options);
    const Index n = problem.dimension();
    if (n > 100) {
      continue;
    }
    INFO(c.name);
    const std::vector<Index> some = {0, 5, 7};
    for (const Sample& sample : {Sample{}, Sample{.id = 1, .terms = some}}) {
      const Evaluation at = evaluated(problem, random_point(n, 1), sample);
      for (const Model model : {Model::exact, Model::empirical_fisher}) {
        std::vector<double> H(static_cast<std::size_t>(n * n));
        std::vector<double> diagonal(static_cast<std::size_t>(n));
        REQUIRE(at.linearization->dense(model, {H.data(), n, n, n}));
        REQUIRE(at.linearization->diagonal(model, diagonal));
        for (Index j = 0; j < n; ++j) {
          std::vector<double> unit(static_cast<std::size_t>(n), 0.0);
          std::vector<double> column(static_cast<std::size_t>(n));
          unit[static_cast<std::size_t>(j)] = 1;
          at.linearization->product(model, unit, column);
          const std::vector<double> dense(H.begin() + j * n, H.begin() + (j + 1) * n);
          check_close(dense, column, 1e-13);
          CHECK(std::abs(diagonal[static_cast<std::size_t>(j)] - column[static_cast<std::size_t>(j)]) <=
                1e-13 * (1 + largest(column)));
        }
      }
    }
  }
}

TEST_CASE("the empirical Fisher matrix is the sum of the outer products of the terms' gradients",
          "[logistic]") {
  for (const Index classes : {2, 3}) {
    const Dataset data = random_set({30, 4, classes, Shape::Form::dense});
    const LogisticOptions options{.C = 2};
    const LogisticRegression problem(data, options);
    const Index n = problem.dimension();
    const std::vector<double> x = random_point(n, 1);
    std::vector<double> expected(static_cast<std::size_t>(n * n), 0.0);
    for (Index i = 0; i < 30; ++i) {
      // A term alone, without its weight C and the factor of a sample of one.
      std::vector<long double> g;
      Oracle{data, {.C = 1.0 / 30, .l2 = 0}, {i}}(x, &g);
      for (Index a = 0; a < n; ++a) {
        for (Index b = 0; b < n; ++b) {
          expected[static_cast<std::size_t>(a + b * n)] +=
              static_cast<double>(2 * g[static_cast<std::size_t>(a)] * g[static_cast<std::size_t>(b)]);
        }
      }
    }
    for (Index a = 0; a < n; ++a) {
      expected[static_cast<std::size_t>(a + a * n)] += 1;
    }
    std::vector<double> E(expected.size());
    const Evaluation at = evaluated(problem, x);
    REQUIRE(at.linearization->dense(Model::empirical_fisher, {E.data(), n, n, n}));
    check_close(E, expected, 1e-13);
  }
}

TEST_CASE("gradients of drawn targets average to nothing and their squares to the Fisher diagonal",
          "[logistic]") {
  for (const Index classes : {2, 3}) {
    const Dataset data = random_set({20, 2, classes, Shape::Form::dense});
    const LogisticRegression problem(data, {.l2 = 0});
    const auto n = static_cast<std::size_t>(problem.dimension());
    const Evaluation at = evaluated(problem, random_point(problem.dimension(), 1));
    std::vector<double> mean(n, 0.0), square(n, 0.0), g(n), again(n), fisher(n);
    constexpr int draws = 4000;
    for (int d = 0; d < draws; ++d) {
      REQUIRE(at.linearization->sampled_gradient(static_cast<std::uint64_t>(d), g));
      for (std::size_t i = 0; i < n; ++i) {
        mean[i] += g[i] / draws;
        square[i] += g[i] * g[i] / draws;
      }
    }
    at.linearization->sampled_gradient(draws - 1, again);
    CHECK(again == g);
    REQUIRE(at.linearization->diagonal(Model::fisher, fisher));
    for (std::size_t i = 0; i < n; ++i) {
      CHECK(std::abs(mean[i]) < 5 * std::sqrt(fisher[i] / draws));
      CHECK(std::abs(square[i] / fisher[i] - 1) < 5 * std::sqrt(2.0 / draws));
    }
  }
}

TEST_CASE("losses are exact to a few units in the last place at any margin", "[logistic]") {
  std::vector<double> z, sign;
  for (double m = 1e-300; m < 800; m *= 1.7) {
    z.insert(z.end(), {m, -m, m, -m});
    sign.insert(sign.end(), {1, 1, -1, -1});
  }
  for (int i = -700; i < 700; ++i) {
    z.push_back(0.05 * i);
    sign.push_back(1);
  }
  const std::size_t n = z.size();
  std::vector<double> loss(n), residual(n), curvature(n);
  kappa::detail::binary_losses(
      {static_cast<Index>(n), z.data(), sign.data(), loss.data(), residual.data(), curvature.data()});
  for (std::size_t i = 0; i < n; ++i) {
    const long double m = static_cast<long double>(z[i]) * sign[i];
    const long double e = std::exp(-std::abs(m));
    const long double exact_loss = (m < 0 ? -m : 0) + std::log1p(e);
    const long double s = m < 0 ? 1 / (1 + e) : e / (1 + e);
    INFO("margin " << z[i] * sign[i]);
    CHECK(std::isfinite(loss[i]));
    const long double floor = 1e-300L;  // beyond it doubles lose digits
    CHECK(std::abs(loss[i] - exact_loss) <= 1e-15L * exact_loss + floor);
    CHECK(std::abs(residual[i] + sign[i] * s) <= 1e-15L * s + floor);
    CHECK(std::abs(curvature[i] - e / ((1 + e) * (1 + e))) <= 2e-15L * e + floor);
  }
}

TEST_CASE("logistic regression is solved to its optimality condition by every kind of step", "[logistic]") {
  const Dataset data = random_set({300, 8, 2, Shape::Form::sparse});
  const LogisticRegression problem(data, {.C = 10, .bias = 1});
  const Result newton = minimize(problem, problem.initial(), kappa::newton(), to_nine_digits());
  REQUIRE(newton.converged());
  std::vector<long double> gradient;
  Oracle{data, {.C = 10, .bias = 1}}(newton.x, &gradient);
  for (const long double g : gradient) {
    CHECK(std::abs(g) < 1e-8L);
  }
  for (const Method& method :
       {kappa::newton({.step = {"steihaug-cg"}}), kappa::newton({.acceptance = {"armijo"}}),
        levenberg_marquardt(), kappa::newton({.curvature = {"hessian-free"}})}) {
    const Result other = minimize(problem, problem.initial(), method, to_nine_digits());
    INFO(other.step << ": " << other.reason);
    CHECK(other.converged());
    check_close(other.x, newton.x, 1e-8);
  }
}

TEST_CASE("bounds on coefficients hold and their multipliers press outward", "[logistic]") {
  const Dataset data = random_set({200, 5, 2, Shape::Form::dense});
  LogisticOptions options{.C = 10};
  options.lower.assign(5, 0.0);
  const LogisticRegression problem(data, options);
  const Result result = minimize(problem, problem.initial(), newton(), to_nine_digits());
  REQUIRE(result.converged());
  std::vector<long double> g;
  Oracle{data, {.C = 10}}(result.x, &g);
  int active = 0;
  for (std::size_t i = 0; i < 5; ++i) {
    CHECK(result.x[i] >= 0);
    active += result.x[i] == 0 ? 1 : 0;
    CHECK((result.x[i] == 0 ? g[i] >= -1e-8L : std::abs(g[i]) < 1e-8L));
  }
  CHECK(active > 0);
  CHECK(static_cast<int>(result.active_bounds.size()) == active);
}

TEST_CASE("logistic regression has the same bits for every number of threads", "[logistic]") {
  for (const Shape& shape :
       {Shape{4000, 30, 2, Shape::Form::ones}, Shape{600, 3000, 2, Shape::Form::sparse},
        Shape{5000, 25, 2, Shape::Form::many_ones}, Shape{3000, 12, 3, Shape::Form::dense},
        Shape{3000, 12, 4, Shape::Form::sparse}}) {
    const Dataset data = random_set(shape);
    const LogisticRegression problem(data, {.bias = 1});
    const Index n = problem.dimension();
    const std::vector<double> x = random_point(n, 1, 0.05);
    const std::vector<double> v = random_point(n, 2);
    std::vector<std::vector<double>> seen;
    for (const std::size_t threads : {1, 2, 5}) {
      const tbb::global_control limit(tbb::global_control::max_allowed_parallelism, threads);
      const Evaluation at = evaluated(problem, x);
      std::vector<double> all = at.gradient;
      all.push_back(at.value);
      std::vector<double> product(static_cast<std::size_t>(n));
      at.linearization->product(Model::exact, v, product);
      all.insert(all.end(), product.begin(), product.end());
      if (n < 200) {
        std::vector<double> H(static_cast<std::size_t>(n * n));
        at.linearization->dense(Model::exact, {H.data(), n, n, n});
        all.insert(all.end(), H.begin(), H.end());
      }
      seen.push_back(all);
    }
    CHECK(seen[0] == seen[1]);
    CHECK(seen[0] == seen[2]);
  }
}

TEST_CASE("measures and probabilities are those of the model", "[logistic]") {
  for (const Index classes : {2, 3}) {
    const Dataset data = random_set({50, 3, classes, Shape::Form::dense});
    const LogisticRegression problem(data, {.C = 7, .l2 = 0});
    const std::vector<double> x = random_point(problem.dimension(), 1, 1.0);
    std::vector<double> p(static_cast<std::size_t>(50 * classes));
    problem.probabilities(x, p);
    double loss = 0;
    int right = 0;
    for (std::size_t i = 0; i < 50; ++i) {
      const auto K = static_cast<std::size_t>(classes);
      const auto t = static_cast<std::size_t>(data.label[i]);
      double sum = 0;
      bool best = true;
      for (std::size_t c = 0; c < K; ++c) {
        sum += p[i * K + c];
        best = best && p[i * K + c] <= p[i * K + t];
      }
      CHECK(std::abs(sum - 1) < 1e-14);
      loss -= std::log(p[i * K + t]) / 50;
      right += best ? 1 : 0;
    }
    const std::vector<Measure> measures = problem.measures(x);
    REQUIRE(measures.size() == 2);
    CHECK(measures[0].name == "accuracy");
    CHECK(std::abs(measures[0].value - right / 50.0) < 1e-12);
    CHECK(measures[0].better == Measure::Better::higher);
    CHECK(std::abs(measures[1].value - loss) < 1e-12);
    // The log-loss is the objective without C and regularisation.
    CHECK(std::abs(measures[1].value - evaluated(problem, x).value / (7 * 50)) < 1e-12);
  }
}

TEST_CASE("data and options that cannot be meant are refused in a sentence", "[logistic]") {
  const Dataset good = random_set({10, 3, 2, Shape::Form::sparse});
  const auto says = [](const Dataset& data, const LogisticOptions& o = {}) {
    return message([&] { LogisticRegression(data, o); });
  };
  Dataset bad = good;
  bad.classes = {"a"};
  bad.label.assign(10, 0);
  check_says(says(bad), {"'random'", "one class, 'a'"});
  bad = good;
  bad.label[3] = 2;
  check_says(says(bad), {"sample 3", "label 2", "0 to 1"});
  bad = good;
  bad.features.value[1] = std::nan("");
  check_says(says(bad), {"feature value 1", "not finite"});
  bad = good;
  bad.features.column[0] = 3;
  check_says(says(bad), {"column 3", "below 3"});
  bad = good;
  bad.features.row_start.pop_back();
  check_says(says(bad), {"do not fit"});
  bad = good;
  bad.label.pop_back();
  check_says(says(bad), {"9 labels for 10 samples"});
  check_says(says(good, {.C = 0}), {"C is 0"});
  check_says(says(good, {.l2 = -1}), {"l2"});
  LogisticOptions o;
  o.lower = {1, 2};
  check_says(says(good, o), {"3 entries"});
  o.lower = {1, 1, 1};
  o.upper = {2, 2, 0};
  check_says(says(good, o), {"weight 2", "lower <= upper"});
  o = {};
  o.sample_weight = {1, 2};
  check_says(says(good, o), {"2 entries for 10 samples"});
}

TEST_CASE("weights of a class are named by feature, class and bias", "[logistic]") {
  const Dataset data = random_set({10, 2, 3, Shape::Form::dense});
  const LogisticRegression problem(data, {.bias = 1});
  CHECK(problem.dimension() == 9);
  CHECK(problem.variable_name(4) == "feature 1, class 1");
  CHECK(problem.variable_name(8) == "bias, class 2");
}
