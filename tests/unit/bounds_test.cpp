// Bounds as users set them: on parameter blocks and on functions, and what is refused.
#include <algorithm>
#include <atomic>
#include <cmath>

#include "kappa/kappa.h"
#include "problems/targets.h"
#include "support/catch.h"

namespace {

using namespace kappa;

struct Sum {
  template <class T>
  bool operator()(const T* a, const T* b, T* r) const {
    r[0] = a[0] + 2.0 * a[1] + b[0] - 1.0;
    r[1] = a[0] - b[0];
    return true;
  }
};

struct Named {
  ResidualProblem problem;
  ParameterBlock a, b;
};

Named two_blocks() {
  Named out;
  out.a = out.problem.add_parameters({1.0, 2.0}, "gain");
  out.b = out.problem.add_parameters({3.0}, "offset");
  out.problem.add(autodiff<2, 2, 1>(Sum{}), {out.a, out.b});
  return out;
}

template <class Body>
std::string message_of(const Body& body) {
  try {
    body();
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

std::vector<double> copied(ConstVectorRef v) {
  return {v.begin(), v.end()};
}

}  // namespace

TEST_CASE("a problem without bounds has none, and one with bounds hands them out in the order of x") {
  Named p = two_blocks();
  CHECK(p.problem.bounds().empty());
  p.problem.set_lower(p.a, 1, -0.5);
  p.problem.set_upper(p.b, 0, 4.0);
  CHECK(copied(p.problem.bounds().lower) == std::vector<double>{-infinity, -0.5, -infinity});
  CHECK(copied(p.problem.bounds().upper) == std::vector<double>{infinity, infinity, 4.0});
  p.problem.set_bounds(p.a, {0.0, 0.0}, {1.0, infinity});
  CHECK(copied(p.problem.bounds().lower) == std::vector<double>{0.0, 0.0, -infinity});
  CHECK(copied(p.problem.bounds().upper) == std::vector<double>{1.0, infinity, 4.0});
}

TEST_CASE("bounds on a constant block are kept and have no effect") {
  Named p = two_blocks();
  p.problem.set_bounds(p.a, {5.0, 5.0}, {6.0, 6.0});
  p.problem.set_lower(p.b, 0, -1.0);
  p.problem.set_constant(p.a);
  CHECK(copied(p.problem.bounds().lower) == std::vector<double>{-1.0});
  const Result r = minimize(p.problem, p.problem.initial(), levenberg_marquardt());
  CHECK(r.converged());
  CHECK(copied(p.problem.values(p.a, r.x)) == std::vector<double>{1.0, 2.0});
  p.problem.set_variable(p.a);
  CHECK(copied(p.problem.bounds().lower) == std::vector<double>{5.0, 5.0, -1.0});
}

TEST_CASE("blocks added after bounds are unbounded") {
  Named p = two_blocks();
  p.problem.set_lower(p.a, 0, 0.0);
  p.problem.add_parameters({7.0, 8.0}, "late");
  CHECK(copied(p.problem.bounds().lower) ==
        std::vector<double>{0.0, -infinity, -infinity, -infinity, -infinity});
}

TEST_CASE("a bound that makes no sense is refused where it is set, with its place") {
  Named p = two_blocks();
  CHECK(message_of([&] { p.problem.set_lower(p.a, 2, 0.0); }).find("'gain' has no entry 2") !=
        std::string::npos);
  CHECK(message_of([&] { p.problem.set_lower(p.a, 0, std::nan("")); }).find("'gain', entry 0") !=
        std::string::npos);
  CHECK(message_of([&] { p.problem.set_upper({9}, 0, 1.0); }).find("no parameter block 9") !=
        std::string::npos);
  CHECK(message_of([&] { p.problem.set_bounds(p.a, {0.0}, {1.0}); }).find("has 2 entries") !=
        std::string::npos);

  Callbacks parabola;
  parabola.dimension = 2;
  parabola.value = [](ConstVectorRef x, double& v) {
    v = x[0] * x[0] + x[1];
    return true;
  };
  FunctionProblem f(parabola);
  CHECK(f.bounds().empty());
  CHECK(message_of([&] { f.set_lower(2, 0.0); }).find("no variable 2") != std::string::npos);
  CHECK(message_of([&] { f.set_upper(1, std::nan("")); }).find("x[1]") != std::string::npos);
  CHECK_THROWS_AS(f.set_bounds(std::vector<double>{0.0}, std::vector<double>{1.0}), ContractError);
}

TEST_CASE("bounds that leave no room are refused by minimize, which names the variable") {
  Named p = two_blocks();
  p.problem.set_lower(p.a, 1, 2.0);
  p.problem.set_upper(p.a, 1, 1.0);
  const std::string message =
      message_of([&] { minimize(p.problem, p.problem.initial(), levenberg_marquardt()); });
  CHECK(message.find("gain, entry 1") != std::string::npos);
  CHECK(message.find("above") != std::string::npos);
  p.problem.set_bounds(p.a, {0.0, infinity}, {1.0, infinity});
  CHECK(message_of([&] { minimize(p.problem, p.problem.initial(), newton()); }).find("entry 1") !=
        std::string::npos);
}

TEST_CASE("a start outside the bounds is moved onto them, and the result says so") {
  Named p = two_blocks();
  p.problem.set_bounds(p.a, {4.0, -1.0}, {5.0, 1.0});
  const Result r = minimize(p.problem, p.problem.initial(), levenberg_marquardt());
  CHECK(r.converged());
  CHECK(r.initial_value == Approx(0.5 * (8.0 * 8.0 + 1.0)));  // at (4, 1, 3)
  const auto told = std::find_if(r.notes.begin(), r.notes.end(), [](const std::string& note) {
    return note.find("2 of 3 entries of the start were outside their bounds") != std::string::npos;
  });
  CHECK(told != r.notes.end());
}

TEST_CASE("differences of callbacks stay inside the bounds, right to the digits of a difference") {
  // Defined for x >= 0 and y <= 1 only, and not even continued beyond.
  std::atomic<bool> outside = false;
  Callbacks partial;
  partial.dimension = 2;
  partial.value = [&outside](ConstVectorRef x, double& v) {
    if (!(x[0] >= 0 && x[1] <= 1)) {
      outside = true;
      return false;
    }
    v = std::pow(x[0] + 1, 3) + 2 * x[0] * x[1] + std::exp(x[1]) + x[1] * x[1] + x[0] * x[0] * x[1];
    return true;
  };
  FunctionProblem f(partial);
  f.set_lower(0, 0.0);
  f.set_upper(1, 1.0);
  Evaluation at;
  at.reset(std::vector<double>{0.0, 1.0}, 0);
  REQUIRE(f.evaluate({.want = Want::value | Want::gradient | Want::linearization,
                      .models = {Model::exact},
                      .sample = {}},
                     at) == EvalStatus::ok);
  CHECK(at.gradient[0] == Approx(3.0 + 2.0).epsilon(1e-8));
  CHECK(at.gradient[1] == Approx(std::exp(1.0) + 2.0).epsilon(1e-8));
  std::vector<double> H(4);
  REQUIRE(at.linearization->dense(Model::exact, {H.data(), 2, 2, 2}));
  CHECK(H[0] == Approx(6.0 + 2.0).epsilon(1e-3));
  CHECK(H[1] == Approx(2.0).epsilon(1e-3));
  CHECK(H[3] == Approx(std::exp(1.0) + 2.0).epsilon(1e-3));
  CHECK_FALSE(outside);

  const Result r = minimize(f, std::vector<double>{0.5, 0.5}, newton());
  INFO(r.reason);
  CHECK(r.x[0] == 0);
  CHECK(r.x[1] == Approx(-0.3517337112).epsilon(1e-7));
  CHECK_FALSE(outside);
}

TEST_CASE("a product of exact gradients beside a corner is as good as elsewhere") {
  Callbacks corner;
  corner.dimension = 3;
  corner.value_and_gradient = [](ConstVectorRef x, double& v, VectorRef g) {
    if (x[0] < 0 || x[1] > 0) {
      return false;
    }
    const double e = std::exp(x[0] - x[1] + x[2]);
    v = e;
    g[0] = e;
    g[1] = -e;
    g[2] = e;
    return true;
  };
  FunctionProblem f(corner);
  f.set_lower(0, 0.0);
  f.set_upper(1, 0.0);
  Evaluation at;
  at.reset(std::vector<double>{0.0, 0.0, 0.0}, 0);
  REQUIRE(f.evaluate({.want = Want::linearization, .models = {Model::exact}, .sample = {}}, at) ==
          EvalStatus::ok);
  std::vector<double> out(3);
  at.linearization->product(Model::exact, std::vector<double>{1.0, 1.0, -2.0}, out);
  CHECK(out[0] == Approx(-2.0).epsilon(1e-8));
  CHECK(out[1] == Approx(2.0).epsilon(1e-8));
  CHECK(out[2] == Approx(-2.0).epsilon(1e-8));
}

TEST_CASE("bounded problems are targets") {
  const Target wood = load_target("mgh-bounded:wood");
  CHECK_FALSE(wood.problem->bounds().empty());
  CHECK(wood.address() == "mgh-bounded:wood");
  CHECK(2 * wood.known_minimum.value() == Approx(1.5567008).epsilon(1e-7));
  CHECK(load_target("mgh-bounded:14?factor=10").address() == "mgh-bounded:wood?factor=10");
  CHECK(message_of([] { load_target("mgh-bounded:28"); }).find("unconstrained in Gay") != std::string::npos);
  CHECK(message_of([] { load_target("mgh-bounded:"); }).find("names no problem") != std::string::npos);
}
