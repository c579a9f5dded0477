// The method's preconditioner in whole solves: when one is chosen, what it costs, and what is refused.
#include <algorithm>
#include <string>
#include <vector>

#include "kappa/kappa.h"
#include "kappa/linear_model.h"
#include "kappa/network.h"
#include "support/catch.h"
#include "support/network_cases.h"

namespace {

using namespace kappa;

/// An autoencoder: as many outputs as inputs, so that a Gauss-Newton diagonal takes a pass for each.
Network autoencoder() {
  NetworkOptions options;
  options.loss = NetworkLoss::mean_square;
  options.targets = NetworkOptions::Targets::features;
  return Network(NetworkTopology::chain({12, 4, 12}, Activation::tanh),
                 test::network_data(150, 12, 12, options), options);
}

Dataset two_classes() {
  Dataset out = test::network_data(60, 5, 2, {});
  out.classes = {"no", "yes"};
  return out;
}

Result solve(const Problem& problem, const std::vector<double>& x, const Method& method, Index iterations) {
  Stopping stopping;
  stopping.max_iterations = iterations;
  return minimize(problem, x, method, stopping);
}

std::string refusal(const Problem& problem, const std::vector<double>& x, const Method& method) {
  try {
    solve(problem, x, method, 3);
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

}  // namespace

TEST_CASE("hessian-free takes the empirical Fisher diagonal where the curvature's own is dear", "[matrix]") {
  const Network network = autoencoder();
  const Result chosen = solve(network, network.initial(), hessian_free(), 5);
  CHECK(chosen.preconditioner == "diagonal");
  CHECK(std::any_of(chosen.notes.begin(), chosen.notes.end(), [](const std::string& note) {
    return note.find("empirical Fisher") != std::string::npos;
  }));
  const Result named =
      solve(network, network.initial(),
            hessian_free({.preconditioner = {"diagonal", {{"model", "empirical-fisher"}}}}), 5);
  CHECK(named.x == chosen.x);
  const Result without = solve(network, network.initial(), hessian_free({.preconditioner = {"none"}}), 5);
  CHECK(without.preconditioner.empty());
  CHECK(without.x != chosen.x);

  // A diagonal as cheap as a product needs no other.
  const LogisticRegression regression(two_classes());
  const std::vector<double> origin(static_cast<std::size_t>(regression.dimension()), 0.0);
  CHECK(solve(regression, origin, hessian_free(), 5).preconditioner.empty());
}

TEST_CASE("a preconditioner's diagonal counts as the products that it takes", "[matrix]") {
  const Network network = autoencoder();
  const auto work = [&](const char* model) {
    const Result r = solve(
        network, network.initial(),
        hessian_free({.step = {"hessian-free", {{"max_iterations", std::int64_t{1}}, {"warm_start", 0.0}}},
                      .preconditioner = {"diagonal", {{"model", model}}}}),
        1);
    // values and gradients: 1 at the start, 1/3 for each trial, the gradient where one is accepted
    return r.gradient_equivalents - static_cast<double>(r.evaluations.gradient) -
           static_cast<double>(r.evaluations.value - r.evaluations.gradient) / 3;
  };
  const double empirical = work("empirical-fisher");
  const double gauss_newton = work("gauss-newton");
  CHECK(gauss_newton > empirical + 5);  // twelve outputs, at two points
  CHECK(empirical >= 3);                // one at each of two points and a product
}

TEST_CASE("preconditioners that cannot be are refused with what can", "[matrix]") {
  const Network network = autoencoder();
  const std::vector<double> x = network.initial();
  CHECK(refusal(network, x, hessian_free({.preconditioner = {"variance-rates"}})).find("each point") !=
        std::string::npos);
  CHECK(refusal(network, x, hessian_free({.step = {"damped-cholesky"}, .preconditioner = {"diagonal"}}))
            .find("takes no preconditioner") != std::string::npos);
  CHECK(refusal(network, x, hessian_free({.preconditioner = {"diagonl"}})).find("diagonal") !=
        std::string::npos);
  const LogisticRegression regression(two_classes());
  const std::vector<double> origin(static_cast<std::size_t>(regression.dimension()), 0.0);
  CHECK(refusal(regression, origin,
                hessian_free({.preconditioner = {"diagonal", {{"model", "squared-mean-gradient"}}}}))
            .find("squared-mean-gradient") != std::string::npos);
}
