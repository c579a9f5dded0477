// Batches, threads, precision and wrong data of networks.
#include <tbb/global_control.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "kappa/derivatives.h"
#include "kappa/network.h"
#include "kappa/random.h"
#include "support/catch.h"
#include "support/network_cases.h"
#include "support/reference_network.h"

using namespace kappa;

namespace {

Evaluation evaluated(const Problem& problem, const std::vector<double>& x, Want want,
                     const std::vector<Index>& terms = {}) {
  Evaluation at;
  at.reset(x, terms.empty() ? 0 : 1);
  Request request;
  request.want = want;
  request.models = problem.models();
  request.sample = {at.sample, terms};
  REQUIRE(problem.evaluate(request, at) == EvalStatus::ok);
  return at;
}

constexpr Want everything = Want::value | Want::gradient | Want::linearization;

NetworkTopology small() {
  return NetworkTopology::chain({6, 5, 4}, Activation::tanh);
}

double largest_difference(const std::vector<double>& a, const std::vector<double>& b) {
  double out = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    out = std::max(out, std::abs(a[i] - b[i]));
  }
  return out;
}

std::string message(const NetworkTopology& topology, const Dataset& data,
                    const NetworkOptions& options = {}) {
  try {
    const Network network(topology, data, options);
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

bool says(const std::string& text, const std::string& part) {
  UNSCOPED_INFO(text);
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("network: a sample is the mean over its terms", "[network]") {
  const NetworkOptions options{.decay = 0.1};
  const Dataset data = test::network_data(200, 6, 4, options);
  const Network network(small(), data, options);
  const test::ReferenceNetwork reference{network.topology(), network.options(), data};
  const std::vector<double> x = network.initial();
  std::vector<Index> terms;
  for (Index i = 0; i < 83; ++i) {
    terms.push_back((i * 61 + 17) % 200);
  }
  const std::vector<double> v = network.initial(7);
  std::vector<double> gradient;
  std::vector<double> product;
  test::ReferenceNetwork::differentiate([&](const auto& at) { return reference.value(at, terms); }, x, v,
                                        gradient, product);
  const Evaluation at = evaluated(network, x, everything, terms);
  const std::vector<test::HyperDual> point(x.begin(), x.end());
  CHECK(at.value == Approx(static_cast<double>(reference.value(point, terms).a)).epsilon(1e-14));
  CHECK(largest_difference(at.gradient, gradient) < 1e-15);
  std::vector<double> got(x.size());
  at.linearization->product(Model::exact, v, got);
  CHECK(largest_difference(got, product) < 1e-14);
}

TEST_CASE("network: a large batch is the mean of its parts", "[network]") {
  // More samples than one sum in working precision (1024) and than one piece (4096) takes.
  const NetworkOptions options;
  const Index samples = 5000;
  const Dataset data = test::network_data(samples, 6, 4, options);
  const Network network(small(), data, options);
  const std::vector<double> x = network.initial();
  const Evaluation whole = evaluated(network, x, everything);
  std::vector<double> v = network.initial(5);
  std::vector<double> product(x.size());
  whole.linearization->product(Model::exact, v, product);
  double value = 0;
  std::vector<double> gradient(x.size());
  std::vector<double> sum(x.size());
  for (Index begin = 0; begin < samples; begin += 250) {
    std::vector<Index> terms;
    for (Index i = begin; i < begin + 250; ++i) {
      terms.push_back(i);
    }
    const Evaluation part = evaluated(network, x, everything, terms);
    std::vector<double> got(x.size());
    part.linearization->product(Model::exact, v, got);
    value += part.value / 20;
    for (std::size_t i = 0; i < x.size(); ++i) {
      gradient[i] += part.gradient[i] / 20;
      sum[i] += got[i] / 20;
    }
  }
  CHECK(whole.value == Approx(value).epsilon(1e-14));
  CHECK(largest_difference(whole.gradient, gradient) < 1e-15);
  CHECK(largest_difference(product, sum) < 1e-15);
}

TEST_CASE("network: what is asked for in which order changes no bit", "[network]") {
  const NetworkOptions options{.decay = 0.01};
  const Network network(small(), test::network_data(4200, 6, 4, options), options);
  const std::vector<double> x = network.initial();
  const Evaluation at_once = evaluated(network, x, everything);
  Evaluation step = evaluated(network, x, Want::value);
  CHECK(step.value == at_once.value);
  CHECK(step.linearization == nullptr);
  Request request;
  request.want = Want::gradient;
  REQUIRE(network.evaluate(request, step) == EvalStatus::ok);
  CHECK(step.gradient == at_once.gradient);
  request.want = everything;
  request.models = network.models();
  REQUIRE(network.evaluate(request, step) == EvalStatus::ok);
  std::vector<double> a(x.size());
  std::vector<double> b(x.size());
  step.linearization->product(Model::gauss_newton, x, a);
  at_once.linearization->product(Model::gauss_newton, x, b);
  CHECK(a == b);
  // The same object at another point, and back.
  const std::vector<double> other = network.initial(2);
  step.reset(other, 0);
  REQUIRE(network.evaluate(request, step) == EvalStatus::ok);
  step.linearization->product(Model::gauss_newton, x, a);
  CHECK(a != b);
  step.reset(x, 0);
  REQUIRE(network.evaluate(request, step) == EvalStatus::ok);
  step.linearization->product(Model::gauss_newton, x, a);
  CHECK(a == b);
}

TEST_CASE("network: the same bits for one, two and four threads", "[network]") {
  for (const Precision precision : {Precision::single_precision, Precision::double_precision}) {
    const NetworkOptions options{.decay = 0.01, .precision = precision};
    const NetworkTopology topology = NetworkTopology::chain({40, 50, 30, 4}, Activation::tanh);
    const Network network(topology, test::network_data(1300, 40, 4, options), options);
    const std::vector<double> x = network.initial();
    std::vector<std::vector<double>> results;
    for (const std::size_t threads : {1, 2, 4}) {
      const tbb::global_control limit(tbb::global_control::max_allowed_parallelism, threads);
      const Evaluation at = evaluated(network, x, everything);
      std::vector<double> all = at.gradient;
      all.push_back(at.value);
      std::vector<double> out(x.size());
      for (const Model model :
           {Model::exact, Model::gauss_newton, Model::sampled_fisher, Model::empirical_fisher}) {
        at.linearization->product(model, x, out);
        all.insert(all.end(), out.begin(), out.end());
      }
      at.linearization->recursive_diagonal(Recursion::exact, out);
      all.insert(all.end(), out.begin(), out.end());
      at.linearization->diagonal(Model::gauss_newton, out);
      all.insert(all.end(), out.begin(), out.end());
      results.push_back(std::move(all));
    }
    CHECK(results[0] == results[1]);
    CHECK(results[0] == results[2]);
  }
}

TEST_CASE("network: single precision is double precision to its digits", "[network]") {
  for (const test::NetworkCase& given : test::network_cases()) {
    INFO(given.name);
    NetworkOptions options = given.options;
    const Network exact(given.topology, given.data, options);
    options.precision = Precision::single_precision;
    const Network single(given.topology, given.data, options);
    const std::vector<double> x = exact.initial();
    const Evaluation a = evaluated(exact, x, everything);
    const Evaluation b = evaluated(single, x, everything);
    CHECK(b.value == Approx(a.value).epsilon(2e-6));
    CHECK(b.value_rounding > 0);
    CHECK(largest_difference(a.gradient, b.gradient) < 3e-6);
    std::vector<double> p(x.size());
    std::vector<double> q(x.size());
    for (const Model model : {Model::exact, Model::gauss_newton, Model::empirical_fisher}) {
      a.linearization->product(model, x, p);
      b.linearization->product(model, x, q);
      CHECK(largest_difference(p, q) < 1e-5 * (1 + largest_difference(p, std::vector<double>(p.size()))));
    }
  }
}

TEST_CASE("network: layers' inputs and deltas make the gradient", "[network]") {
  const NetworkOptions options;
  const auto topologies = test::network_topologies(Activation::tanh);
  const NetworkTopology& topology = topologies[2].second;
  const Network network(topology, test::network_data(20, 5, 3, options), options);
  const Evaluation at = evaluated(network, network.initial(), everything, {3, 9, 11, 4, 2});
  const auto& layers = dynamic_cast<const NetworkLinearization&>(*at.linearization);
  REQUIRE(layers.layers() == 4);
  REQUIRE(layers.samples() == 5);
  for (Index l = 0; l < layers.layers(); ++l) {
    const NetworkLinearization::Layer layer = layers.layer(l);
    Matrix a(layer.inputs, 5);
    Matrix d(layer.units, 5);
    layers.layer_inputs(l, a);
    layers.layer_deltas(l, d);
    for (Index j = 0; j < layer.units; ++j) {
      for (Index i = 0; i < layer.inputs; ++i) {
        double sum = 0;
        for (Index s = 0; s < 5; ++s) {
          sum += d(j, s) * a(i, s) / 5;
        }
        CHECK(at.gradient[static_cast<std::size_t>(layer.first_weight + i * layer.units + j)] ==
              Approx(sum).margin(1e-15));
      }
    }
  }
}

TEST_CASE("network: measures count what is classified rightly", "[network]") {
  NetworkOptions options;
  const Dataset data = test::network_data(50, 6, 4, options);
  const Network network(small(), data, options);
  const std::vector<double> x = network.initial();
  Matrix y(4, 50);
  network.outputs(x, data.features, y);
  double right = 0;
  double loss = 0;
  for (Index s = 0; s < 50; ++s) {
    const double* column = &y(0, s);
    const Index label = data.label[static_cast<std::size_t>(s)];
    CHECK(column[0] + column[1] + column[2] + column[3] == Approx(1).epsilon(1e-14));
    right += std::max_element(column, column + 4) - column == label ? 1 : 0;
    loss -= std::log(y(label, s)) / 50;
  }
  for (const std::vector<Measure>& measures : {network.measures(x), network.measures(x, data)}) {
    REQUIRE(measures.size() == 2);
    CHECK(measures[0].name == "loss");
    CHECK(measures[0].value == Approx(loss));
    CHECK(measures[1].name == "accuracy");
    CHECK(measures[1].value == Approx(right / 50));
    CHECK(measures[1].better == Measure::Better::higher);
  }
}

TEST_CASE("network: sparse features are dense features", "[network]") {
  const NetworkOptions options;
  Dataset dense = test::network_data(12, 6, 4, options);
  Dataset sparse = dense;
  sparse.features.value.clear();
  sparse.features.row_start = {0};
  for (Index s = 0; s < 12; ++s) {
    for (Index i = 0; i < 6; ++i) {
      double& entry = dense.features.value[static_cast<std::size_t>(6 * s + i)];
      if ((s + i) % 3 == 0) {
        entry = 0;
      } else {
        sparse.features.value.push_back(entry);
        sparse.features.column.push_back(static_cast<std::int32_t>(i));
      }
    }
    sparse.features.row_start.push_back(static_cast<Index>(sparse.features.value.size()));
  }
  const Network a(small(), dense, options);
  const Network b(small(), sparse, options);
  CHECK(evaluated(a, a.initial(), everything).gradient == evaluated(b, b.initial(), everything).gradient);
}

TEST_CASE("network: a start is drawn by number and keeps the scale of signals", "[network]") {
  const NetworkOptions options;
  const Network network(NetworkTopology::chain({6, 50, 4}, Activation::tanh),
                        test::network_data(5, 6, 4, options));
  const std::vector<double> x = network.initial(9);
  CHECK(x == network.initial(9));
  CHECK(x != network.initial(10));
  const double range = std::sqrt(6.0 / 56.0);
  CHECK(x[17] == range * (2 * CounterRandom(9).uniform(17) - 1));
  CHECK(network.variable_name(17) == "W1(17,0)");
  CHECK(network.variable_name(300 + 50 + 4) == "W2(0,1)");
  CHECK(network.variable_name(300) == "b1(0)");
  CHECK(x[300] == 0);
}

TEST_CASE("network: a point where the loss is not finite is outside the domain", "[network]") {
  const NetworkOptions options;
  const Network network(small(), test::network_data(20, 6, 4, options), options);
  for (const double bad :
       {std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity()}) {
    std::vector<double> x = network.initial();
    x[x.size() - 1] = bad;
    Evaluation at;
    at.reset(x, 0);
    Request request;
    request.want = everything;
    request.models = network.models();
    CHECK(network.evaluate(request, at) == EvalStatus::outside_domain);
    CHECK_FALSE(at.fault.empty());
  }
}

TEST_CASE("network: a request to stop is heard between pieces", "[network]") {
  const NetworkOptions options;
  const Network network(small(), test::network_data(20, 6, 4, options), options);
  std::stop_source stop;
  stop.request_stop();
  const Interrupt interrupt{.stop = stop.get_token(), .deadline = {}};
  Evaluation at;
  at.reset(network.initial(), 0);
  Request request;
  request.want = Want::value | Want::gradient;
  request.interrupt = &interrupt;
  CHECK(network.evaluate(request, at) == EvalStatus::interrupted);
}

TEST_CASE("network: what does not fit is refused in a sentence", "[network]") {
  const NetworkOptions options;
  const Dataset data = test::network_data(10, 6, 4, options);
  CHECK(says(message({}, data), "at least one input"));
  CHECK(says(message(NetworkTopology::chain({6, 0, 4}, Activation::tanh), data), "layer 1 has 0 units"));
  CHECK(says(message({{6}, {{4, Activation::linear, {1}}}}, data), "takes node 1"));
  CHECK(says(message({{6}, {{4, Activation::linear, {0, 0}}}}, data), "twice"));
  CHECK(says(message({{6}, {{3, Activation::tanh, {0}}, {4, Activation::linear, {0}}}}, data),
             "no layer takes node 1"));
  CHECK(says(message(NetworkTopology::chain({5, 4}, Activation::tanh), data), "6 features"));
  CHECK(says(message(NetworkTopology::chain({6, 2}, Activation::tanh), data), "class"));
  CHECK(says(message(NetworkTopology::chain({6, 4}, Activation::tanh, Activation::sigmoid), data),
             "must be linear"));
  CHECK(says(message(small(), data, {.decay = -1}), "decay"));
  Dataset bad = data;
  bad.features.value[13] = std::numeric_limits<double>::quiet_NaN();
  CHECK(says(message(small(), bad), "feature 1 of sample 2"));
  bad = data;
  bad.label[3] = -1;
  CHECK(says(message(small(), bad), "sample 3 has class -1"));
  bad.label.pop_back();
  CHECK(says(message(small(), bad), "9 labels"));
  CHECK(says(
      message(NetworkTopology::chain({6, 3, 6}, Activation::tanh), data,
              {.loss = NetworkLoss::sigmoid_cross_entropy, .targets = NetworkOptions::Targets::features}),
      "lies in 0 to 1"));
  CHECK(says(message(small(), Dataset{}), "no samples"));
}
