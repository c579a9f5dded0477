// The contractive penalty against hyper-dual numbers through one forward pass for each feature.
#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "kappa/derivatives.h"
#include "kappa/network.h"
#include "support/catch.h"
#include "support/network_cases.h"
#include "support/reference_network.h"

using namespace kappa;
using kappa::test::HyperDual;
using kappa::test::ReferenceNetwork;

namespace {

double relative_error(const std::vector<double>& got, const std::vector<double>& want) {
  double worst = 0;
  double largest = 0;
  for (std::size_t i = 0; i < got.size(); ++i) {
    worst = std::max(worst, std::abs(got[i] - want[i]));
    largest = std::max(largest, std::abs(want[i]));
  }
  return worst / largest;
}

Evaluation evaluated(const Problem& problem, const std::vector<double>& x, Want want) {
  Evaluation at;
  at.reset(x, 0);
  Request request;
  request.want = want;
  request.models = problem.models();
  REQUIRE(problem.evaluate(request, at) == EvalStatus::ok);
  return at;
}

constexpr Want everything = Want::value | Want::gradient | Want::linearization;

struct Contracted {
  std::string name;
  NetworkTopology topology;
  Index code;
};

/// An encoder of one layer, of two, and one that skips, from two inputs; layers beside and behind the code.
std::vector<Contracted> encoders(Activation activation) {
  return {{"one layer", NetworkTopology::chain({4, 3, 4}, activation), 0},
          {"two layers", NetworkTopology::chain({4, 5, 2, 5, 4}, activation), 1},
          {"skipping",
           {{2, 2},
            {{3, activation, {0}},
             {2, activation, {1, 2}},
             {2, activation, {0, 2, 3}},
             {4, Activation::linear, {4, 3}}}},
           2}};
}

}  // namespace

TEST_CASE("network: the contractive penalty and its first two derivatives are exact", "[network]") {
  for (const Activation activation : {Activation::tanh, Activation::sigmoid, Activation::softplus,
                                      Activation::gelu, Activation::relu, Activation::linear}) {
    for (const Contracted& given : encoders(activation)) {
      INFO(given.name << ", " << std::string(kappa::name(activation)));
      NetworkOptions options;
      options.loss = NetworkLoss::mean_square;
      options.targets = NetworkOptions::Targets::features;
      options.contraction = 0.7;
      options.decay = 0.01;
      options.code = given.code;
      const Dataset data = test::network_data(5, 4, 4, options);
      const Network network(given.topology, data, options);
      const ReferenceNetwork reference{given.topology, network.options(), data};
      const auto f = [&](const std::vector<HyperDual>& x) {
        HyperDual sum = reference.value(x);
        for (Index s = 0; s < 5; ++s) {
          sum = sum + HyperDual(static_cast<long double>(options.contraction) / 10) *
                          reference.contraction(x, s, given.code);
        }
        return sum;
      };
      const std::vector<double> x = network.initial(3);
      const std::vector<double> v = network.initial(4);
      std::vector<double> gradient;
      std::vector<double> product;
      ReferenceNetwork::differentiate(f, x, v, gradient, product);
      const Evaluation at = evaluated(network, x, everything);
      const std::vector<HyperDual> point(x.begin(), x.end());
      CHECK(at.value == Approx(static_cast<double>(f(point).a)).epsilon(1e-14));
      CHECK(relative_error(at.gradient, gradient) < 1e-13);
      std::vector<double> got(x.size());
      at.linearization->product(Model::exact, v, got);
      CHECK(relative_error(got, product) < 1e-12);
      const Evaluation plain = evaluated(network, x, Want::value | Want::gradient);
      CHECK(plain.value == at.value);
      CHECK(plain.gradient == at.gradient);
      CHECK(evaluated(network, x, Want::value).value == at.value);
    }
  }
}

TEST_CASE("network: the penalty's Gauss-Newton matrix is that of the Jacobian's entries", "[network]") {
  for (const Contracted& given : encoders(Activation::tanh)) {
    INFO(given.name);
    NetworkOptions options;
    options.loss = NetworkLoss::mean_square;
    options.targets = NetworkOptions::Targets::features;
    options.code = given.code;
    const Dataset data = test::network_data(3, 4, 4, options);
    const Network plain(given.topology, data, options);
    options.contraction = 0.5;
    const Network network(given.topology, data, options);
    const ReferenceNetwork reference{given.topology, network.options(), data};
    const std::vector<double> x = network.initial(3);
    const std::vector<double> v = network.initial(4);
    // Of 1/2 sum J_kd^2 the Gauss-Newton product is sum dJ_kd (dJ_kd' v).
    std::vector<double> want(x.size());
    const Evaluation without = evaluated(plain, x, everything);
    without.linearization->product(Model::gauss_newton, v, want);
    for (Index s = 0; s < 3; ++s) {
      for (Index d = 0; d < 4; ++d) {
        for (std::size_t i = 0; i < x.size(); ++i) {
          std::vector<test::Along> at;
          for (std::size_t k = 0; k < x.size(); ++k) {
            at.emplace_back(HyperDual(x[k], k == i ? 1 : 0, v[k], 0), HyperDual(0));
          }
          const auto nodes = reference.nodes(at, s, d);
          const std::size_t code = given.topology.inputs.size() + static_cast<std::size_t>(given.code);
          for (const test::Along& a : nodes[code]) {
            want[i] += static_cast<double>(a.dot.b * a.dot.c) * 0.5 / 3;
          }
        }
      }
    }
    const Evaluation at = evaluated(network, x, everything);
    std::vector<double> got(x.size());
    at.linearization->product(Model::gauss_newton, v, got);
    CHECK(relative_error(got, want) < 1e-13);

    // Models of single samples leave the penalty out; the dense Hessian has it, and no diagonal pretends to.
    without.linearization->product(Model::empirical_fisher, v, want);
    at.linearization->product(Model::empirical_fisher, v, got);
    CHECK(got == want);
    Matrix dense(network.dimension(), network.dimension());
    REQUIRE(at.linearization->dense(Model::exact, dense));
    at.linearization->product(Model::exact, v, got);
    for (Index i = 0; i < dense.rows; ++i) {
      double sum = 0;
      for (Index j = 0; j < dense.cols; ++j) {
        sum += dense(i, j) * v[static_cast<std::size_t>(j)];
      }
      CHECK(sum == Approx(got[static_cast<std::size_t>(i)]).margin(1e-13));
    }
    CHECK_FALSE(at.linearization->offers(Model::exact).diagonal);
    CHECK_FALSE(at.linearization->diagonal(Model::exact, got));
    CHECK(at.linearization->offers(Model::empirical_fisher).diagonal);
  }
}

TEST_CASE("network: the code of a penalty is a hidden layer", "[network]") {
  NetworkOptions options;
  const NetworkTopology topology = NetworkTopology::chain({4, 5, 3}, Activation::tanh);
  const Dataset data = test::network_data(5, 4, 3, options);
  options.contraction = 1;
  CHECK_NOTHROW(Network(topology, data, options));
  options.code = 1;
  CHECK_THROWS_AS(Network(topology, data, options), Error);
  options.code = 0;
  options.contraction = -1;
  CHECK_THROWS_AS(Network(topology, data, options), Error);
}
