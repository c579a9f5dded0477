// Every second-order model of a network against what defines it, put together from Jacobians and gradients of
// single samples.
#include <algorithm>
#include <cmath>
#include <vector>

#include "kappa/derivatives.h"
#include "kappa/network.h"
#include "kappa/random.h"
#include "support/catch.h"
#include "support/network_cases.h"
#include "support/reference_network.h"

using namespace kappa;
using kappa::test::NetworkCase;
using kappa::test::ReferenceNetwork;

namespace {

/// Every fifth case and the autoencoders: all activations, losses and topologies occur.
std::vector<NetworkCase> some_cases() {
  std::vector<NetworkCase> all = test::network_cases();
  std::vector<NetworkCase> out;
  for (std::size_t k = 0; k < all.size(); ++k) {
    if (k % 5 == 0 || k + 2 >= all.size()) {
      out.push_back(all[k]);
    }
  }
  return out;
}

std::vector<double> start(const Network& network) {
  std::vector<double> x = network.initial(3);
  const CounterRandom random(4);
  for (std::size_t i = 0; i < x.size(); ++i) {
    x[i] += 0.1 * random.normal(i);
  }
  return x;
}

Evaluation evaluated(const Problem& problem, const std::vector<double>& x,
                     const std::vector<Index>& terms = {}) {
  Evaluation at;
  at.reset(x, terms.empty() ? 0 : 1);
  Request request;
  request.want = Want::value | Want::gradient | Want::linearization;
  request.models = problem.models();
  request.sample = {at.sample, terms};
  REQUIRE(problem.evaluate(request, at) == EvalStatus::ok);
  return at;
}

/// All products with unit vectors.
Matrix by_products(const Linearization& at, Model model) {
  Matrix out(at.size(), at.size());
  std::vector<double> unit(static_cast<std::size_t>(at.size()), 0.0);
  for (Index j = 0; j < at.size(); ++j) {
    unit[static_cast<std::size_t>(j)] = 1;
    at.product(model, unit, {&out(0, j), unit.size()});
    unit[static_cast<std::size_t>(j)] = 0;
  }
  return out;
}

double largest(const Matrix& a) {
  double out = 0;
  for (const double v : a.values) {
    out = std::max(out, std::abs(v));
  }
  return out;
}

double difference(const Matrix& a, const Matrix& b) {
  double out = 0;
  for (std::size_t i = 0; i < a.values.size(); ++i) {
    out = std::max(out, std::abs(a.values[i] - b.values[i]));
  }
  return out / std::max(largest(b), 1e-300);
}

/// Adds the decay's second derivative, which the weights have and the biases do not.
void add_decay(const Network& network, Matrix& out) {
  for (Index i = 0; i < out.rows; ++i) {
    out(i, i) += network.variable_name(i)[0] == 'W' ? network.options().decay : 0.0;
  }
}

/// Gradient of the loss of one sample, without decay.
std::vector<double> sample_gradient(const Network& network, const std::vector<double>& x, Index sample) {
  std::vector<double> g = evaluated(network, x, {sample}).gradient;
  for (std::size_t i = 0; i < g.size(); ++i) {
    g[i] -= network.variable_name(static_cast<Index>(i))[0] == 'W' ? network.options().decay * x[i] : 0.0;
  }
  return g;
}

void add_outer(const std::vector<double>& g, double scale, Matrix& out) {
  for (Index j = 0; j < out.cols; ++j) {
    for (Index i = 0; i < out.rows; ++i) {
      out(i, j) += scale * g[static_cast<std::size_t>(i)] * g[static_cast<std::size_t>(j)];
    }
  }
}

/// Second derivative of the loss with respect to its argument, from the outputs.
Matrix output_hessian(const Network& network, const std::vector<double>& y) {
  const Index n = network.outputs();
  Matrix out(n, n);
  for (Index i = 0; i < n; ++i) {
    const double yi = y[static_cast<std::size_t>(i)];
    switch (network.options().loss) {
      case NetworkLoss::mean_square:
        out(i, i) = 1;
        break;
      case NetworkLoss::sigmoid_cross_entropy:
        out(i, i) = yi * (1 - yi);
        break;
      case NetworkLoss::softmax_cross_entropy:
        for (Index j = 0; j < n; ++j) {
          out(i, j) = (i == j ? yi : 0.0) - yi * y[static_cast<std::size_t>(j)];
        }
        break;
    }
  }
  return out;
}

Matrix gauss_newton(const NetworkCase& given, const Network& network, const std::vector<double>& x) {
  Matrix out(network.dimension(), network.dimension());
  Matrix y(network.outputs(), network.terms());
  network.outputs(x, given.data.features, y);
  Matrix J(network.outputs(), network.dimension());
  for (Index s = 0; s < network.terms(); ++s) {
    network.weight_jacobian(x, s, J);
    const Matrix H = output_hessian(network, {&y(0, s), &y(0, s) + network.outputs()});
    for (Index j = 0; j < out.cols; ++j) {
      for (Index i = 0; i < out.rows; ++i) {
        for (Index a = 0; a < H.rows; ++a) {
          for (Index b = 0; b < H.cols; ++b) {
            out(i, j) += J(a, i) * H(a, b) * J(b, j) / static_cast<double>(network.terms());
          }
        }
      }
    }
  }
  add_decay(network, out);
  return out;
}

}  // namespace

TEST_CASE("network: the Jacobian of the outputs to the weights is that of hyper-dual numbers", "[network]") {
  for (const NetworkCase& given : some_cases()) {
    INFO(given.name);
    const Network network(given.topology, given.data, given.options);
    const ReferenceNetwork reference{given.topology, given.options, given.data};
    const std::vector<double> x = start(network);
    Matrix J(network.outputs(), network.dimension());
    network.weight_jacobian(x, 2, J);
    const bool squares = given.options.loss == NetworkLoss::mean_square;
    std::vector<test::HyperDual> at(x.begin(), x.end());
    for (std::size_t i = 0; i < x.size(); ++i) {
      at[i].b = 1;
      const auto nodes = reference.nodes(at, 2);
      at[i].b = 0;
      for (Index k = 0; k < network.outputs(); ++k) {
        const double want =
            static_cast<double>(nodes[nodes.size() - (squares ? 2 : 1)][static_cast<std::size_t>(k)].b);
        CHECK(std::abs(J(k, static_cast<Index>(i)) - want) <= 1e-13 * (1 + std::abs(want)));
      }
    }
  }
}

TEST_CASE("network: the Jacobian of the outputs to the inputs agrees with differences", "[network]") {
  for (const NetworkCase& given : some_cases()) {
    if (given.options.loss != NetworkLoss::mean_square) {
      continue;  // outputs() are probabilities there
    }
    INFO(given.name);
    const Network network(given.topology, given.data, given.options);
    const std::vector<double> x = start(network);
    Matrix J(network.outputs(), given.data.features.size);
    network.input_jacobian(x, 1, J);
    for (Index i = 0; i < J.cols; ++i) {
      const double h = 1e-5;
      Matrix above(J.rows, network.terms());
      Matrix below(J.rows, network.terms());
      Dataset moved = given.data;
      const auto entry = static_cast<std::size_t>(moved.features.size + i);
      moved.features.value[entry] += h;
      network.outputs(x, moved.features, above);
      moved.features.value[entry] -= 2 * h;
      network.outputs(x, moved.features, below);
      for (Index k = 0; k < J.rows; ++k) {
        CHECK(J(k, i) == Approx((above(k, 1) - below(k, 1)) / (2 * h)).margin(1e-8));
      }
    }
  }
}

TEST_CASE("network: the dense Hessian is symmetric and holds the products", "[network]") {
  for (const NetworkCase& given : some_cases()) {
    INFO(given.name);
    const Network network(given.topology, given.data, given.options);
    const Evaluation at = evaluated(network, start(network));
    for (const Model model : {Model::exact, Model::gauss_newton}) {
      Matrix dense(network.dimension(), network.dimension());
      REQUIRE(at.linearization->dense(model, dense));
      const Matrix products = by_products(*at.linearization, model);
      CHECK(difference(dense, products) < 1e-13);
      bool symmetric = true;
      double gap = 0;
      for (Index j = 0; j < dense.cols; ++j) {
        for (Index i = 0; i < j; ++i) {
          symmetric = symmetric && dense(i, j) == dense(j, i);
          gap = std::max(gap, std::abs(products(i, j) - products(j, i)));
        }
      }
      CHECK(symmetric);
      CHECK(gap <= 1e-14 * largest(products));
    }
  }
}

TEST_CASE("network: Gauss-Newton and Fisher are J'HJ with the output's H before its function", "[network]") {
  for (const NetworkCase& given : some_cases()) {
    INFO(given.name);
    const Network network(given.topology, given.data, given.options);
    const std::vector<double> x = start(network);
    const Evaluation at = evaluated(network, x);
    const Matrix want = gauss_newton(given, network, x);
    CHECK(difference(by_products(*at.linearization, Model::gauss_newton), want) < 1e-13);
    CHECK(difference(by_products(*at.linearization, Model::fisher), want) < 1e-13);
  }
}

TEST_CASE("network: the empirical Fisher sums the outer products of the samples' gradients", "[network]") {
  for (const NetworkCase& given : some_cases()) {
    INFO(given.name);
    const Network network(given.topology, given.data, given.options);
    const std::vector<double> x = start(network);
    Matrix want(network.dimension(), network.dimension());
    for (Index s = 0; s < network.terms(); ++s) {
      add_outer(sample_gradient(network, x, s), 1 / static_cast<double>(network.terms()), want);
    }
    add_decay(network, want);
    const Evaluation at = evaluated(network, x);
    CHECK(difference(by_products(*at.linearization, Model::empirical_fisher), want) < 1e-12);
  }
}

TEST_CASE("network: the sampled Fisher sums gradients with drawn targets, read layer by layer", "[network]") {
  for (const NetworkCase& given : some_cases()) {
    INFO(given.name);
    const Network network(given.topology, given.data, given.options);
    const Evaluation at = evaluated(network, start(network));
    const auto& layers = dynamic_cast<const NetworkLinearization&>(*at.linearization);
    std::vector<std::vector<double>> gradient(static_cast<std::size_t>(network.terms()),
                                              std::vector<double>(at.x.size()));
    for (Index l = 0; l < layers.layers(); ++l) {
      const NetworkLinearization::Layer layer = layers.layer(l);
      Matrix a(layer.inputs, layers.samples());
      Matrix d(layer.units, layers.samples());
      layers.layer_inputs(l, a);
      layers.sampled_layer_deltas(l, given.options.draws, d);
      for (Index s = 0; s < layers.samples(); ++s) {
        auto& g = gradient[static_cast<std::size_t>(s)];
        for (Index j = 0; j < layer.units; ++j) {
          g[static_cast<std::size_t>(layer.first_bias + j)] = d(j, s);
          for (Index i = 0; i < layer.inputs; ++i) {
            g[static_cast<std::size_t>(layer.first_weight + i * layer.units + j)] = d(j, s) * a(i, s);
          }
        }
      }
    }
    Matrix want(network.dimension(), network.dimension());
    std::vector<double> sum(at.x.size());
    for (const auto& g : gradient) {
      add_outer(g, 1 / static_cast<double>(network.terms()), want);
      for (std::size_t i = 0; i < g.size(); ++i) {
        sum[i] += g[i] / std::sqrt(static_cast<double>(network.terms()));
      }
    }
    add_decay(network, want);
    CHECK(difference(by_products(*at.linearization, Model::sampled_fisher), want) < 1e-12);
    std::vector<double> sampled(sum.size());
    REQUIRE(at.linearization->sampled_gradient(given.options.draws, sampled));
    for (std::size_t i = 0; i < sum.size(); ++i) {
      CHECK(sampled[i] == Approx(sum[i]).margin(1e-13));
    }
  }
}

TEST_CASE("network: squares of sampled gradients have the Fisher diagonal as their mean", "[network]") {
  for (const NetworkLoss loss :
       {NetworkLoss::mean_square, NetworkLoss::sigmoid_cross_entropy, NetworkLoss::softmax_cross_entropy}) {
    INFO(std::string(name(loss)));
    NetworkOptions options;
    options.loss = loss;
    const NetworkTopology topology = NetworkTopology::chain({3, 2, 3}, Activation::tanh);
    const Network network(topology, test::network_data(20, 3, 3, options), options);
    const Evaluation at = evaluated(network, start(network));
    std::vector<double> mean(at.x.size());
    std::vector<double> g(at.x.size());
    constexpr int draws = 4000;
    for (int k = 0; k < draws; ++k) {
      at.linearization->sampled_gradient(static_cast<std::uint64_t>(k), g);
      for (std::size_t i = 0; i < g.size(); ++i) {
        mean[i] += g[i] * g[i] / draws;
      }
    }
    std::vector<double> fisher(at.x.size());
    REQUIRE(at.linearization->diagonal(Model::fisher, fisher));
    for (std::size_t i = 0; i < g.size(); ++i) {
      CHECK(mean[i] == Approx(fisher[i]).epsilon(0.12));  // five standard deviations of 4000 squares
    }
  }
}

TEST_CASE("network: every diagonal is that of the products", "[network]") {
  for (const NetworkCase& given : some_cases()) {
    INFO(given.name);
    const Network network(given.topology, given.data, given.options);
    const Evaluation at = evaluated(network, start(network));
    for (const Model model : {Model::exact, Model::gauss_newton, Model::fisher, Model::sampled_fisher,
                              Model::empirical_fisher, Model::squared_mean_gradient}) {
      INFO(std::string(kappa::name(model)));
      std::vector<double> diagonal(at.x.size());
      REQUIRE(at.linearization->diagonal(model, diagonal));
      const Matrix products = by_products(*at.linearization, model);
      for (Index i = 0; i < network.dimension(); ++i) {
        CHECK(std::abs(diagonal[static_cast<std::size_t>(i)] - products(i, i)) <= 1e-13 * largest(products));
      }
    }
  }
}

TEST_CASE("network: with one unit a layer the recursive diagonals are exact", "[network]") {
  for (const Activation activation :
       {Activation::tanh, Activation::sigmoid, Activation::softplus, Activation::gelu}) {
    for (const NetworkLoss loss : {NetworkLoss::mean_square, NetworkLoss::sigmoid_cross_entropy}) {
      NetworkOptions options;
      options.loss = loss;
      options.decay = 0.02;
      NetworkTopology topology = NetworkTopology::chain({3, 1, 1, 1}, activation);
      if (loss == NetworkLoss::mean_square) {
        topology.layers.back().activation = activation;
      }
      const Network network(topology, test::network_data(6, 3, 1, options), options);
      const Evaluation at = evaluated(network, start(network));
      std::vector<double> recursive(at.x.size());
      std::vector<double> diagonal(at.x.size());
      REQUIRE(at.linearization->recursive_diagonal(Recursion::exact, recursive));
      REQUIRE(at.linearization->diagonal(Model::exact, diagonal));
      for (std::size_t i = 0; i < diagonal.size(); ++i) {
        CHECK(recursive[i] == Approx(diagonal[i]).epsilon(1e-12).margin(1e-14));
      }
      REQUIRE(at.linearization->recursive_diagonal(Recursion::gauss_newton, recursive));
      REQUIRE(at.linearization->diagonal(Model::gauss_newton, diagonal));
      for (std::size_t i = 0; i < diagonal.size(); ++i) {
        CHECK(recursive[i] == Approx(diagonal[i]).epsilon(1e-12).margin(1e-14));
      }
    }
  }
}

TEST_CASE("network: the recursive diagonals drop what couples the units of a layer", "[network]") {
  // 2-2-2 with tanh units, sigmoid loss: h_j = phi'^2 sum_k W_kj^2 y_k (1 - y_k) + phi'' sum_k W_kj (y_k -
  // t_k).
  NetworkOptions options;
  options.loss = NetworkLoss::sigmoid_cross_entropy;
  const Dataset data = test::network_data(5, 2, 2, options);
  const Network network(NetworkTopology::chain({2, 2, 2}, Activation::tanh), data, options);
  const Evaluation at = evaluated(network, start(network));
  std::vector<double> want(at.x.size());
  std::vector<double> positive(at.x.size());
  for (std::size_t s = 0; s < 5; ++s) {
    double a[2];
    double y[2];
    for (std::size_t j = 0; j < 2; ++j) {
      a[j] = std::tanh(at.x[j] * data.features.value[2 * s] + at.x[2 + j] * data.features.value[2 * s + 1] +
                       at.x[4 + j]);
    }
    for (std::size_t k = 0; k < 2; ++k) {
      y[k] = 1 / (1 + std::exp(-(at.x[6 + k] * a[0] + at.x[8 + k] * a[1] + at.x[10 + k])));
      for (std::vector<double>* out : {&want, &positive}) {
        (*out)[6 + k] += y[k] * (1 - y[k]) * a[0] * a[0] / 5;
        (*out)[8 + k] += y[k] * (1 - y[k]) * a[1] * a[1] / 5;
        (*out)[10 + k] += y[k] * (1 - y[k]) / 5;
      }
    }
    for (std::size_t j = 0; j < 2; ++j) {
      double above = 0;
      double slope = 0;
      for (std::size_t k = 0; k < 2; ++k) {
        const double w = at.x[6 + 2 * j + k];
        above += w * w * y[k] * (1 - y[k]);
        slope += w * (y[k] - data.target[2 * s + k]);
      }
      const double first = 1 - a[j] * a[j];
      for (std::size_t i = 0; i < 3; ++i) {
        const double in = i < 2 ? data.features.value[2 * s + i] : 1.0;
        positive[2 * i + j] += first * first * above * in * in / 5;
        want[2 * i + j] += (first * first * above - 2 * a[j] * first * slope) * in * in / 5;
      }
    }
  }
  std::vector<double> got(at.x.size());
  REQUIRE(at.linearization->recursive_diagonal(Recursion::exact, got));
  for (std::size_t i = 0; i < got.size(); ++i) {
    CHECK(got[i] == Approx(want[i]).epsilon(1e-12).margin(1e-15));
  }
  REQUIRE(at.linearization->recursive_diagonal(Recursion::gauss_newton, got));
  for (std::size_t i = 0; i < got.size(); ++i) {
    CHECK(got[i] == Approx(positive[i]).epsilon(1e-12).margin(1e-15));
  }
}

TEST_CASE("network: Hessian, empirical Fisher and squared mean gradient are three things", "[network]") {
  NetworkOptions options;
  const Dataset data = test::network_data(30, 4, 3, options);
  const Network network(NetworkTopology::chain({4, 5, 3}, Activation::tanh), data, options);
  const Evaluation at = evaluated(network, start(network));
  const Matrix hessian = by_products(*at.linearization, Model::exact);
  const Matrix empirical = by_products(*at.linearization, Model::empirical_fisher);
  const Matrix squared = by_products(*at.linearization, Model::squared_mean_gradient);
  CHECK(difference(hessian, empirical) > 0.1);
  CHECK(difference(squared, empirical) > 0.1);
  CHECK(difference(squared, hessian) > 0.1);
  for (Index i = 0; i < network.dimension(); ++i) {
    const double g = at.gradient[static_cast<std::size_t>(i)];
    CHECK(squared(i, i) == Approx(g * g));
    CHECK(empirical(i, i) >= g * g);  // a mean of squares is no smaller than the square of the mean
  }
}

TEST_CASE("network: a mean square has residuals whose Jacobian gives the gradient", "[network]") {
  NetworkOptions options;
  options.loss = NetworkLoss::mean_square;
  const Dataset data = test::network_data(11, 3, 2, options);
  const Network network(NetworkTopology::chain({3, 4, 2}, Activation::tanh, Activation::sigmoid), data,
                        options);
  REQUIRE(network.residuals() == 22);
  const std::vector<double> x = start(network);
  const Evaluation at = evaluated(network, x);
  Matrix a(2, 11);
  network.outputs(x, data.features, a);
  std::vector<double> r(22);
  double sum = 0;
  for (std::size_t i = 0; i < r.size(); ++i) {
    r[i] = (a.values[i] - data.target[i]) / std::sqrt(11.0);
    sum += 0.5 * r[i] * r[i];
  }
  CHECK(sum == Approx(at.value).epsilon(1e-14));
  std::vector<double> g(x.size());
  REQUIRE(at.linearization->jacobian_transpose_product(r, g));
  std::vector<double> v(x.size());
  for (std::size_t i = 0; i < g.size(); ++i) {
    CHECK(g[i] == Approx(at.gradient[i]).margin(1e-14));
    v[i] = CounterRandom(8).normal(i);
  }
  std::vector<double> Jv(22);
  REQUIRE(at.linearization->jacobian_product(v, Jv));
  for (Index s = 0; s < 11; ++s) {
    Matrix J(2, network.dimension());
    network.weight_jacobian(x, s, J);
    for (Index k = 0; k < 2; ++k) {
      double want = 0;
      for (std::size_t i = 0; i < v.size(); ++i) {
        want += J(k, static_cast<Index>(i)) * v[i] / std::sqrt(11.0);
      }
      CHECK(Jv[static_cast<std::size_t>(2 * s + k)] == Approx(want).margin(1e-14));
    }
  }
}
