// Values, gradients and Hessian products of networks against hyper-dual numbers in long double.
#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "kappa/network.h"
#include "kappa/random.h"
#include "support/catch.h"
#include "support/network_cases.h"
#include "support/reference_network.h"

using namespace kappa;
using kappa::test::NetworkCase;
using kappa::test::ReferenceNetwork;

namespace {

double relative_error(const std::vector<double>& got, const std::vector<double>& want) {
  double worst = 0;
  double largest = 0;
  for (std::size_t i = 0; i < got.size(); ++i) {
    worst = std::max(worst, std::abs(got[i] - want[i]));
    largest = std::max(largest, std::abs(want[i]));
  }
  return largest > 0 ? worst / largest : worst;
}

std::vector<double> random_vector(Index n, std::uint64_t seed) {
  const CounterRandom random(seed, 9);
  std::vector<double> out(static_cast<std::size_t>(n));
  for (std::size_t i = 0; i < out.size(); ++i) {
    out[i] = random.normal(i);
  }
  return out;
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

}  // namespace

TEST_CASE("network: value, gradient and Hessian product agree with hyper-dual numbers", "[network]") {
  for (const NetworkCase& given : test::network_cases()) {
    INFO(given.name);
    const Network network(given.topology, given.data, given.options);
    const ReferenceNetwork reference{given.topology, given.options, given.data};
    std::vector<double> x = network.initial(3);
    const std::vector<double> shift = random_vector(network.dimension(), 4);
    for (std::size_t i = 0; i < x.size(); ++i) {
      x[i] += 0.1 * shift[i];
    }
    const std::vector<double> v = random_vector(network.dimension(), 5);
    std::vector<double> gradient;
    std::vector<double> product;
    const auto f = [&](const auto& at) { return reference.value(at); };
    ReferenceNetwork::differentiate(f, x, v, gradient, product);

    const Evaluation at = evaluated(network, x);
    const std::vector<test::HyperDual> point(x.begin(), x.end());
    CHECK(std::abs(at.value - static_cast<double>(reference.value(point).a)) <=
          1e-14 * (1 + std::abs(at.value)));
    CHECK(relative_error(at.gradient, gradient) < 1e-13);
    std::vector<double> got(x.size());
    at.linearization->product(Model::exact, v, got);
    CHECK(relative_error(got, product) < 1e-12);
  }
}
