// Plugin kfac against Kronecker products written out, and at work.
#include <Eigen/Dense>
#include <cmath>

#include "kappa/kappa.h"
#include "kappa/network.h"
#include "kappa/plugin_network.h"
#include "shipped.h"
#include "support/catch.h"
#include "support/operator_laws.h"

namespace {

using namespace kappa;
using Matrix = Eigen::MatrixXd;
using Vector = Eigen::VectorXd;

void load_kfac() {
  CHECK(test::shipped("kfac").name == "kfac");
}

Dataset made_data(Index samples, Index features, Index classes) {
  RandomSequence random(3);
  Dataset data;
  data.features.samples = samples;
  data.features.size = features;
  for (Index s = 0; s < samples; ++s) {
    const auto label = static_cast<std::int32_t>(s % classes);
    for (Index i = 0; i < features; ++i) {
      data.features.value.push_back(random.normal() + (i % classes == label ? 1.5 : 0.0));
    }
    data.label.push_back(label);
  }
  for (Index c = 0; c < classes; ++c) {
    data.classes.push_back(std::to_string(c));
  }
  return data;
}

constexpr double decay = 0.03;

Network made_network(const Dataset& data, std::vector<Index> sizes) {
  NetworkOptions options;
  options.decay = decay;
  return Network(NetworkTopology::chain(std::move(sizes), Activation::tanh), data, options);
}

Evaluation evaluated(const Network& network, const std::vector<double>& x) {
  Evaluation at;
  at.reset(x, 0);
  at.gradient.resize(x.size());
  const Request request{.want = Want::value | Want::gradient | Want::linearization,
                        .models = {Model::gauss_newton}};
  REQUIRE(network.evaluate(request, at) == EvalStatus::ok);
  return at;
}

struct Factors {
  Matrix A, G;
};

/// A and G of every layer, from the layers as C++ shows them.
std::vector<Factors> factors(const Evaluation& at, std::uint64_t draw) {
  const auto& network = dynamic_cast<const NetworkLinearization&>(*at.linearization);
  std::vector<Factors> out;
  for (Index l = 0; l < network.layers(); ++l) {
    const NetworkLinearization::Layer layer = network.layer(l);
    const Index count = network.samples();
    Matrix a = Matrix::Ones(layer.inputs + 1, count);
    Matrix g(layer.units, count);
    network.layer_inputs(l, {a.data(), layer.inputs, count, layer.inputs + 1});
    network.sampled_layer_deltas(l, draw, {g.data(), layer.units, count, layer.units});
    const auto mean = static_cast<double>(count);
    out.push_back({a * a.transpose() / mean, g * g.transpose() / mean});
  }
  return out;
}

/// The matrix of all layers: A (x) G and the decay, block by block.
Matrix kronecker(const std::vector<Factors>& layers) {
  std::vector<Matrix> blocks;
  Index size = 0;
  for (const Factors& layer : layers) {
    const Index n = layer.A.rows();
    const Index m = layer.G.rows();
    Matrix& block = blocks.emplace_back(n * m, n * m);
    for (Index i = 0; i < n; ++i) {
      for (Index j = 0; j < n; ++j) {
        block.block(i * m, j * m, m, m) = layer.A(i, j) * layer.G;
      }
    }
    block.diagonal().head((n - 1) * m).array() += decay;
    size += n * m;
  }
  Matrix out = Matrix::Zero(size, size);
  Index at = 0;
  for (const Matrix& block : blocks) {
    out.block(at, at, block.rows(), block.rows()) = block;
    at += block.rows();
  }
  return out;
}

TEST_CASE("kfac's products, diagonal and laws are those of the dense Kronecker products") {
  load_kfac();
  const Dataset data = made_data(90, 7, 3);
  const Network network = made_network(data, {7, 61, 5, 3});  // 61 units: more than one piece of the kernels
  const auto curvature = registry().curvature("kfac").make({});
  curvature->start();
  std::vector<double> x = network.initial();
  std::vector<Factors> mean;
  for (std::uint64_t point = 1; point <= 3; ++point) {
    CAPTURE(point);
    const Evaluation at = evaluated(network, x);
    REQUIRE(curvature->refresh(at, nullptr, {}) == Curvature::Status::ok);
    const std::vector<Factors> now = factors(at, point);
    const double past = std::min(0.95, 1 - 1 / static_cast<double>(point));
    mean.resize(now.size());
    for (std::size_t l = 0; l < now.size(); ++l) {
      mean[l].A = point == 1 ? now[l].A : Matrix(past * mean[l].A + (1 - past) * now[l].A);
      mean[l].G = point == 1 ? now[l].G : Matrix(past * mean[l].G + (1 - past) * now[l].G);
    }
    const SymmetricOperator& B = curvature->at_point();
    const Matrix oracle = kronecker(mean);
    const Matrix products = testing::detail::matrix_of_products(B);
    CHECK((products - oracle).cwiseAbs().maxCoeff() < 1e-13 * oracle.cwiseAbs().maxCoeff());
    Vector diagonal(oracle.rows());
    REQUIRE(B.diagonal(testing::detail::view(diagonal)));
    CHECK((diagonal - oracle.diagonal()).cwiseAbs().maxCoeff() < 1e-13 * oracle.cwiseAbs().maxCoeff());
    CHECK(B.solve_kind() == SolveKind::approximate);
    CHECK(B.definiteness() == Definiteness::positive_semidefinite);
    for (double& v : x) {
      v *= 1.05;
    }
  }
}

TEST_CASE("kfac solves with factored Tikhonov damping, as the dense Kronecker products of it") {
  load_kfac();
  const Dataset data = made_data(60, 5, 3);
  const Network network = made_network(data, {5, 6, 3});
  const auto curvature = registry().curvature("kfac").make({});
  curvature->start();
  const Evaluation at = evaluated(network, network.initial());
  REQUIRE(curvature->refresh(at, nullptr, {}) == Curvature::Status::ok);
  const auto n = static_cast<Index>(at.x.size());
  const std::vector<double> weights(at.x.size(), 2.0);
  for (const double lambda : {1e-4, 0.1, 30.0}) {
    CAPTURE(lambda);
    std::vector<Factors> damped = factors(at, 1);
    for (Factors& layer : damped) {
      const double a = layer.A.trace() / static_cast<double>(layer.A.rows());
      const double g = layer.G.trace() / static_cast<double>(layer.G.rows());
      const double pi = std::sqrt(a / g);
      const double root = std::sqrt(2 * lambda + decay);
      layer.A += pi * root * Matrix::Identity(layer.A.rows(), layer.A.rows());
      layer.G += root / pi * Matrix::Identity(layer.G.rows(), layer.G.rows());
    }
    Matrix M = kronecker(damped);
    Index row = 0;
    for (const Factors& layer : damped) {  // its decay is in the damping
      const Index bias = layer.G.rows();
      const Index size = layer.A.rows() * bias;
      M.diagonal().segment(row, size - bias).array() -= decay;
      row += size;
    }
    Vector x(n);
    REQUIRE(curvature->at_point().solve_damped(lambda, weights, at.gradient, testing::detail::view(x)));
    const Vector g = Eigen::Map<const Vector>(at.gradient.data(), n);
    const Vector expected = M.ldlt().solve(g);
    CHECK((x - expected).norm() < 1e-11 * expected.norm());
  }
}

TEST_CASE("kfac with model=network has the network's products, and the best share of the last step") {
  load_kfac();
  const Dataset data = made_data(60, 5, 3);
  const Network network = made_network(data, {5, 6, 3});
  const auto kronecker = registry().curvature("kfac").make({});
  const auto exact = registry().curvature("kfac").make({{"model", std::string("network")}});
  kronecker->start();
  exact->start();
  const std::vector<double> x0 = network.initial();
  std::vector<double> x = x0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    x[i] += 0.01 * std::sin(static_cast<double>(i));
  }
  for (const std::vector<double>& point : {x0, x}) {
    const Evaluation at = evaluated(network, point);
    REQUIRE(kronecker->refresh(at, nullptr, {}) == Curvature::Status::ok);
    REQUIRE(exact->refresh(at, nullptr, {}) == Curvature::Status::ok);
    const auto n = static_cast<Index>(x.size());
    Matrix B(n, n);
    for (Index j = 0; j < n; ++j) {
      Vector column(n);
      at.linearization->product(Model::gauss_newton, testing::detail::view(Vector(Vector::Unit(n, j))),
                                testing::detail::view(column));
      B.col(j) = column;
    }
    CHECK((testing::detail::matrix_of_products(exact->at_point()) - B).cwiseAbs().maxCoeff() == 0);
    const std::vector<double> weights(x.size(), 2.0);
    constexpr double lambda = 0.1;
    Vector p(n);
    Vector out(n);
    REQUIRE(kronecker->at_point().solve_damped(lambda, weights, at.gradient, testing::detail::view(p)));
    REQUIRE(exact->at_point().solve_damped(lambda, weights, at.gradient, testing::detail::view(out)));
    const Matrix M = B + 2 * lambda * Matrix::Identity(n, n);
    Matrix span = p;
    if (point == x) {
      span.conservativeResize(n, 2);
      span.col(1) = Eigen::Map<const Vector>(x.data(), n) - Eigen::Map<const Vector>(x0.data(), n);
    }
    const Vector right = Eigen::Map<const Vector>(at.gradient.data(), n);
    const Vector best = span * (span.transpose() * M * span).ldlt().solve(span.transpose() * right);
    CHECK((out - best).norm() < 1e-9 * best.norm());
  }
}

TEST_CASE("on mini-batches kfac keeps averages and factors for a while, on the whole sum for no point") {
  load_kfac();
  const Dataset data = made_data(60, 5, 3);
  const Network network = made_network(data, {5, 6, 3});
  for (const std::uint64_t sample : {std::uint64_t{0}, std::uint64_t{7}}) {
    const auto seldom = registry().curvature("kfac").make(
        {{"factor_every", std::int64_t{50}}, {"inverse_every", std::int64_t{50}}});
    seldom->start();
    std::vector<double> x = network.initial();
    std::vector<double> v(x.size(), 1.0);
    std::vector<double> weights(x.size(), 1.0);
    std::vector<std::vector<double>> products;
    std::vector<std::vector<double>> solves;
    for (int k = 0; k < 10; ++k) {
      Evaluation at = evaluated(network, x);
      at.sample = sample;
      REQUIRE(seldom->refresh(at, nullptr, {}) == Curvature::Status::ok);
      seldom->at_point().multiply(v, products.emplace_back(x.size()));
      REQUIRE(seldom->at_point().solve_damped(0.1, weights, v, solves.emplace_back(x.size())));
      for (double& e : x) {
        e *= 1.02;
      }
    }
    const auto changes = [](const std::vector<std::vector<double>>& list) {
      int out = 0;
      for (std::size_t k = 1; k < list.size(); ++k) {
        out += list[k] != list[k - 1] ? 1 : 0;
      }
      return out;
    };
    // At points 1, 2, 3, 4, 6 and 8: every one at first, and then after a quarter of those seen.
    CHECK(changes(products) == (sample == 0 ? 9 : 5));
    CHECK(changes(solves) == (sample == 0 ? 9 : 5));
  }
}

TEST_CASE("kfac trains a network by its own solve, on the whole sum and on mini-batches") {
  load_kfac();
  const Dataset data = made_data(300, 8, 4);
  const Network network = made_network(data, {8, 10, 4});
  const std::vector<double> x0 = network.initial();
  Stopping stopping;
  stopping.max_iterations = 60;
  const Result whole = minimize(
      network, x0, levenberg_marquardt({.curvature = {"kfac"}, .metric = MetricKind::identity}), stopping);
  const Result newton_like =
      minimize(network, x0, levenberg_marquardt({.curvature = {"outer-product"}}), stopping);
  CHECK(whole.step == "own-solve");
  CHECK(whole.value < newton_like.value + 0.01 * (whole.initial_value - newton_like.value));
  Method batches = newton({.curvature = {"kfac"},
                           .step = {"own-direction", {{"damping", 0.1}}},
                           .acceptance = {"schedule", {{"rate", 0.3}}},
                           .batch = {.size = 100}});
  const Result sampled = minimize(network, x0, batches, stopping);
  CHECK(sampled.value < whole.initial_value - 0.8 * (whole.initial_value - newton_like.value));
  const Result scheduled_by_the_model =
      minimize(network, x0,
               hessian_free({.curvature = {"kfac", {{"model", std::string("network")}}},
                             .step = {"own-solve"},
                             .batch = {.size = 100}}),
               stopping);
  CHECK(scheduled_by_the_model.value < sampled.value + 0.05 * (whole.initial_value - newton_like.value));
}

TEST_CASE("kfac says what it needs") {
  load_kfac();
  const auto refusal = [](const Options& options) {
    try {
      registry().curvature("kfac").make(options);
    } catch (const Error& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  CHECK(refusal({{"targets", std::string("both")}}).find("sampled or data") != std::string::npos);
  CHECK(refusal({{"decay", 1.0}}).find("below 1") != std::string::npos);
  CHECK(refusal({{"inverse_every", std::int64_t{0}}}).find("at least 1") != std::string::npos);
  CHECK(refusal({{"factor_every", std::int64_t{0}}}).find("at least 1") != std::string::npos);
  CHECK(refusal({{"model", std::string("fisher")}}).find("kronecker or network") != std::string::npos);
}

TEST_CASE("the layers that plugins see are those of the linearization") {
  const Dataset data = made_data(12, 4, 3);
  const Network network = made_network(data, {4, 5, 3});
  const Evaluation at = evaluated(network, network.initial());
  CHECK(at.linearization->extension("kappa.network.layers/2") == nullptr);
  const auto* table =
      static_cast<const kappa_network_layers*>(at.linearization->extension(KAPPA_NETWORK_LAYERS));
  REQUIRE(table != nullptr);
  CHECK(table->layers == 2);
  CHECK(table->samples == 12);
  CHECK(table->decay == decay);
  kappa_network_layer layer{};
  layer.struct_size = sizeof layer;
  REQUIRE(table->layer(table->self, 1, &layer) == KAPPA_OK);
  CHECK(layer.units == 3);
  CHECK(layer.inputs == 5);
  CHECK(layer.first_weight == 25);
  CHECK(layer.first_bias == 40);
  CHECK(table->layer(table->self, 2, &layer) == KAPPA_BROKEN_CONTRACT);
  std::vector<double> a(60);
  CHECK(table->inputs(table->self, 1, a.data(), 4) != KAPPA_OK);  // columns would overlap
  CHECK(table->inputs(table->self, 1, a.data(), 5) == KAPPA_OK);
  // The gradient of f from deltas and inputs.
  std::vector<double> g(36);
  REQUIRE(table->deltas(table->self, 1, g.data(), 3) == KAPPA_OK);
  const Matrix gradient =
      Eigen::Map<const Matrix>(g.data(), 3, 12) * Eigen::Map<const Matrix>(a.data(), 5, 12).transpose() / 12;
  for (Index i = 0; i < 15; ++i) {
    const auto k = static_cast<std::size_t>(25 + i);
    CHECK(gradient.data()[i] + decay * at.x[k] == Approx(at.gradient[k]));
  }
}

}  // namespace
