// Every Termination is forced for every recipe it can happen to, and every recipe solves what it should.
#include <algorithm>
#include <array>
#include <cmath>
#include <thread>

#include "kappa/kappa.h"
#include "problems/io/bal.h"
#include "problems/residual/bundle.h"
#include "support/catch.h"

namespace {

using namespace kappa;

struct Recipe {
  const char* name;
  Method method;
};

std::vector<Recipe> descent_recipes() {
  return {
      {"levenberg-marquardt", levenberg_marquardt()},
      {"levenberg-marquardt exact", levenberg_marquardt({.curvature = {"exact"}})},
      {"levenberg-marquardt hessian-free", levenberg_marquardt({.curvature = {"hessian-free"}})},
      {"newton", newton()},
      {"newton steihaug", newton({.curvature = {"hessian-free"}})},
      {"newton armijo", newton({.acceptance = {"armijo"}})},
      {"newton strong-wolfe", newton({.acceptance = {"strong-wolfe"}})},
      {"newton gltr", newton({.curvature = {"hessian-free"}, .step = {"gltr"}})},
      {"newton newton-mr", newton({.step = {"newton-mr"}, .acceptance = {"armijo"}})},
      {"levenberg-marquardt shifted-lanczos", levenberg_marquardt({.step = {"shifted-lanczos"}})},
      {"hessian-free", hessian_free()},
      {"cubic-newton", cubic_newton()},
      {"regularized-newton", regularized_newton()},
      {"tron", tron()},
      {"newton bunch-kaufman", newton({.step = {"bunch-kaufman"}, .acceptance = {"armijo"}})},
  };
}

std::vector<Recipe> all_recipes() {
  std::vector<Recipe> out = descent_recipes();
  out.push_back({"adahessian", adahessian()});
  out.push_back({"sdlm", sdlm({}, 0.02)});
  return out;
}

/// Residuals whose minimum (1, 1) has the value 1/2: r = (10 (y - x^2), 1 - x, 1).
struct Valley {
  template <class T>
  bool operator()(const T* x, T* r) const {
    r[0] = 10.0 * (x[1] - x[0] * x[0]);
    r[1] = 1.0 - x[0];
    r[2] = T(1.0);
    return true;
  }
};

ResidualProblem valley(double x0 = -1.2, double y0 = 1.0) {
  ResidualProblem p;
  const auto x = p.add_parameters({x0, y0}, "x");
  p.add(autodiff<3, 2>(Valley{}), {x});
  return p;
}

/// A functor of one parameter, spelled as a lambda over any scalar.
template <class F>
struct Scalar {
  F f;
  template <class T>
  bool operator()(const T* x, T* r) const {
    return f(x[0], r[0]);
  }
};

template <class F>
ResidualProblem scalar_problem(F f, double start) {
  ResidualProblem p;
  const auto x = p.add_parameters({start}, "x");
  p.add(autodiff<1, 1>(Scalar<F>{f}), {x});
  return p;
}

/// Has no lower bound.
struct Fall {
  template <class T>
  T operator()(std::span<const T> x) const {
    return -x[0] * x[0] * x[0] * x[0] - x[0];
  }
};

/// Determines the sum of its variables only.
struct Sum {
  template <class T>
  bool operator()(const T* x, T* r) const {
    r[0] = x[0] + x[1] - 2.0;
    r[1] = 3.0 * (x[0] + x[1] - 2.0);
    return true;
  }
};

struct Bowl {
  template <class T>
  T operator()(std::span<const T> x) const {
    return x[0] * x[0];
  }
};

}  // namespace

TEST_CASE("every descent recipe converges on a valley and says why", "[matrix]") {
  const ResidualProblem p = valley();
  for (const Recipe& recipe : descent_recipes()) {
    INFO(recipe.name);
    const Result r = minimize(p, p.initial(), recipe.method);
    INFO(r.reason);
    CHECK(r.outcome == Outcome::converged);
    CHECK(r.value == Approx(0.5).epsilon(1e-12));
    CHECK(r.x[0] == Approx(1.0).epsilon(1e-6));
    CHECK_FALSE(r.reason.empty());
    CHECK(r.initial_value == Approx(0.5 * (4.4 * 4.4 + 2.2 * 2.2 + 1)));
  }
}

TEST_CASE("a start that is the minimum takes no step", "[matrix]") {
  const ResidualProblem p = valley(1.0, 1.0);
  for (const Recipe& recipe : all_recipes()) {
    INFO(recipe.name);
    const Result r = minimize(p, p.initial(), recipe.method);
    CHECK(r.termination == Termination::gradient_tolerance);
    CHECK(r.iterations == 0);
  }
}

TEST_CASE("the gradient tolerance is the documented inequality", "[matrix]") {
  const ResidualProblem p = valley();
  for (const Recipe& recipe : descent_recipes()) {
    INFO(recipe.name);
    Stopping s;
    s.gradient_tolerance = 1e-4;
    const Result r = minimize(p, p.initial(), recipe.method, s);
    CHECK(r.termination == Termination::gradient_tolerance);
    CHECK(r.gradient_norm <= 1e-4);
    Evaluation at;
    at.reset(r.x, 0);
    REQUIRE(p.evaluate({.want = Want::value | Want::gradient, .models = {}, .sample = {}}, at) ==
            EvalStatus::ok);
    CHECK(std::max(std::fabs(at.gradient[0]), std::fabs(at.gradient[1])) == r.gradient_norm);
    CHECK(at.value == r.value);
  }
}

TEST_CASE("the decrease tolerance stops before a step that gains too little", "[matrix]") {
  const ResidualProblem p = valley();
  for (const Recipe& recipe : descent_recipes()) {
    INFO(recipe.name);
    Stopping s;
    s.gradient_tolerance = 0;
    s.step_tolerance = 0;
    s.decrease_tolerance = 1e-6;
    const Result r = minimize(p, p.initial(), recipe.method, s);
    INFO(r.reason);
    CHECK(r.termination == Termination::decrease_tolerance);
    CHECK(r.value - 0.5 <= 1e-5);
  }
}

TEST_CASE("the step tolerance stops after a short unrestricted step", "[matrix]") {
  const ResidualProblem p = valley();
  for (const Recipe& recipe : descent_recipes()) {
    INFO(recipe.name);
    Stopping s;
    s.gradient_tolerance = 0;
    s.decrease_tolerance = 0;
    s.step_tolerance = 1e-3;
    const Result r = minimize(p, p.initial(), recipe.method, s);
    INFO(r.reason);
    CHECK(r.termination == Termination::step_tolerance);
    CHECK(r.x[0] == Approx(1.0).epsilon(1e-2));
  }
}

TEST_CASE("a target value stops the solve", "[matrix]") {
  const ResidualProblem p = valley();
  for (const Recipe& recipe : all_recipes()) {
    INFO(recipe.name);
    Stopping s;
    s.target = 5.0;
    const Result r = minimize(p, p.initial(), recipe.method, s);
    CHECK(r.termination == Termination::target_reached);
    CHECK(r.value <= 5.0);
  }
}

TEST_CASE(
    "with every tolerance off a solve ends at the rounding limit, and never claims a limit it did not reach",
    "[matrix]") {
  const ResidualProblem p = valley();
  for (const Recipe& recipe : descent_recipes()) {
    INFO(recipe.name);
    Stopping s;
    s.gradient_tolerance = s.decrease_tolerance = s.step_tolerance = 0;
    const Result r = minimize(p, p.initial(), recipe.method, s);
    INFO(name(r.termination) << ": " << r.reason);
    CHECK((r.termination == Termination::rounding_limit || r.termination == Termination::no_progress ||
           r.termination == Termination::control_exhausted ||
           r.termination == Termination::decrease_tolerance ||
           r.termination == Termination::gradient_tolerance));
    CHECK(r.value == Approx(0.5).epsilon(1e-14));
  }
}

TEST_CASE("iteration and evaluation limits are limits, and the best point is returned", "[matrix]") {
  const ResidualProblem p = valley();
  for (const Recipe& recipe : all_recipes()) {
    INFO(recipe.name);
    Stopping s;
    s.max_iterations = 2;
    Result r = minimize(p, p.initial(), recipe.method, s);
    CHECK(r.termination == Termination::max_iterations);
    CHECK(r.outcome == Outcome::limit);
    CHECK(r.iterations == 2);
    CHECK(r.value <= r.initial_value);
    s = {};
    s.max_evaluations = 2;
    r = minimize(p, p.initial(), recipe.method, s);
    CHECK(r.termination == Termination::max_evaluations);
    CHECK(r.value <= r.initial_value);
  }
}

TEST_CASE("a deadline and a stop token end a solve, also inside an evaluation", "[matrix]") {
  // Each residual takes a while, so that the deadline passes in the middle of an evaluation.
  const auto slow = [](const auto& x, auto& r) {
    std::this_thread::sleep_for(std::chrono::microseconds(300));
    r = exp(x) - 2.0 + 0.001 * x * x;
    return true;
  };
  using Slow = Scalar<decltype(slow)>;
  ResidualProblem p;
  const auto x = p.add_parameters({8.0}, "x");
  for (int i = 0; i < 40000; ++i) {
    p.add(autodiff<1, 1>(Slow{slow}), {x});
  }
  for (const Recipe& recipe : all_recipes()) {
    INFO(recipe.name);
    Stopping s;
    s.time_limit = std::chrono::duration<double>(0.02);
    const auto begin = std::chrono::steady_clock::now();
    Result r = minimize(p, p.initial(), recipe.method, s);
    const double took = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    CHECK(r.termination == Termination::time_limit);
    CHECK(r.outcome == Outcome::limit);
    CHECK(took < 3.0);  // one evaluation alone would take at least 6 s on two threads

    s = {};
    std::stop_source source;
    s.stop = source.get_token();
    std::jthread stopper([&] {
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
      source.request_stop();
    });
    r = minimize(p, p.initial(), recipe.method, s);
    CHECK(r.termination == Termination::stop_requested);
    CHECK(r.x.size() == 1);
  }
}

TEST_CASE("a start that is not finite fails and names the residual block", "[matrix]") {
  const ResidualProblem p = scalar_problem(
      [](const auto& x, auto& r) {
        r = log(x);
        return true;
      },
      -1.0);
  for (const Recipe& recipe : all_recipes()) {
    INFO(recipe.name);
    const Result r = minimize(p, p.initial(), recipe.method);
    CHECK(r.termination == Termination::initial_point);
    CHECK(r.outcome == Outcome::failed);
    CHECK(r.reason.find("residual block 0") != std::string::npos);
    CHECK(r.x == std::vector<double>{-1.0});
  }
}

TEST_CASE("a trial outside the domain shortens the step and never freezes the solve", "[matrix]") {
  // log(x) is undefined left of 0, where the first full steps from 5 lead.
  const ResidualProblem logarithm = scalar_problem(
      [](const auto& x, auto& r) {
        r = log(x);
        return true;
      },
      5.0);
  // The functor refuses the same region by returning false.
  const ResidualProblem refusing = scalar_problem(
      [](const auto& x, auto& r) {
        if (x <= 0.0) {
          return false;
        }
        r = log(x);
        return true;
      },
      5.0);
  for (const Recipe& recipe : descent_recipes()) {
    for (const ResidualProblem* p : {&logarithm, &refusing}) {
      INFO(recipe.name);
      const Result r = minimize(*p, p->initial(), recipe.method);
      INFO(name(r.termination) << ": " << r.reason);
      CHECK(r.outcome == Outcome::converged);
      CHECK(r.x[0] == Approx(1.0).epsilon(1e-6));
    }
  }
}

TEST_CASE("a derivative that is not finite where the value is, is one more rejection", "[matrix]") {
  // Within 1e-3 of its minimum at 0 the residual has the value 1 and a derivative that is not a number.
  const ResidualProblem p = scalar_problem(
      [](const auto& x, auto& r) {
        r = sqrt(x * x) < 1e-3 ? 1.0 + sqrt(x - x) : 1.0 + x * x;
        return true;
      },
      0.4);
  for (const Recipe& recipe : descent_recipes()) {
    INFO(recipe.name);
    const Result r = minimize(p, p.initial(), recipe.method);
    INFO(name(r.termination) << ": " << r.reason);
    CHECK(std::isfinite(r.value));
    CHECK(std::isfinite(r.gradient_norm));
    CHECK(r.value <= r.initial_value);
    CHECK(std::fabs(r.x[0]) >= 1e-3);
    CHECK(r.outcome != Outcome::converged);
  }
}

TEST_CASE("an objective without a lower bound fails and says so", "[matrix]") {
  const FunctionProblem p = function_problem(Fall{}, 1);
  for (const Method& method :
       {newton(), newton({.acceptance = {"armijo"}}), newton({.curvature = {"hessian-free"}}), cubic_newton(),
        newton({.curvature = {"hessian-free"}, .step = {"gltr"}})}) {
    const Result r = minimize(p, std::vector<double>{1.0}, method);
    INFO(name(r.termination) << ": " << r.reason);
    CHECK(r.outcome != Outcome::converged);
    CHECK(r.value < -1e10);
  }
}

TEST_CASE("rank deficiency does not stop a solve", "[matrix]") {
  ResidualProblem p;
  const auto x = p.add_parameters({5.0, -1.0}, "x");
  p.add(autodiff<2, 2>(Sum{}), {x});
  for (const Recipe& recipe : descent_recipes()) {
    INFO(recipe.name);
    const Result r = minimize(p, p.initial(), recipe.method);
    INFO(r.reason);
    CHECK(r.value < 1e-20);
    CHECK(r.outcome == Outcome::converged);
  }
}

TEST_CASE("parts that do not fit are refused in a sentence that names what would", "[matrix]") {
  const ResidualProblem p = valley();
  const auto message = [&](const Method& method) -> std::string {
    try {
      minimize(p, p.initial(), method);
    } catch (const Error& e) {
      return e.what();
    }
    return "";
  };
  CHECK(message(levenberg_marquardt({.step = {"steihaug-cg"}})).find("damped-qr") != std::string::npos);
  CHECK(message(levenberg_marquardt({.curvature = {"exact"}, .step = {"damped-qr"}})).find("root") !=
        std::string::npos);
  CHECK(message(newton({.curvature = {"no-such"}})).find("outer-product") != std::string::npos);
  CHECK(message(newton({.batch = {.size = 1}})).find("schedule") != std::string::npos);
  CHECK(
      message(levenberg_marquardt({.acceptance = {"nielsen-damping", {{"initail", 1.0}}}})).find("initial") !=
      std::string::npos);

  const FunctionProblem f = function_problem(Bowl{}, 1);
  try {
    minimize(f, std::vector<double>{1.0}, levenberg_marquardt({.curvature = {"outer-product"}}));
    FAIL("a Gauss-Newton model of a plain function must be refused");
  } catch (const Error& e) {
    CHECK(std::string(e.what()).find("gauss-newton") != std::string::npos);
  }
  CHECK_THROWS_AS(minimize(f, std::vector<double>{1.0, 2.0}, newton()), ContractError);
}

TEST_CASE("a workspace gives the same bits as none", "[matrix]") {
  const ResidualProblem p = valley();
  Workspace shared;
  for (const Recipe& recipe : all_recipes()) {
    INFO(recipe.name);
    Stopping s;
    s.max_iterations = 50;
    const Result alone = minimize(p, p.initial(), recipe.method, s);
    const Result& first = minimize(p, p.initial(), recipe.method, s, nullptr, shared);
    CHECK(first.x == alone.x);
    const Result& second = minimize(p, p.initial(), recipe.method, s, nullptr, shared);
    CHECK(second.x == alone.x);
    CHECK(second.iterations == alone.iterations);
  }
}

TEST_CASE("a deficient rank is reported with its number and a variable", "[matrix]") {
  ResidualProblem p;
  const auto x = p.add_parameters({5.0, -1.0}, "pair");
  p.add(autodiff<2, 2>(Sum{}), {x});
  const Result r = minimize(p, p.initial(), levenberg_marquardt());
  const auto told = std::find_if(r.notes.begin(), r.notes.end(), [](const std::string& n) {
    return n.find("rank 1 of 2") != std::string::npos;
  });
  REQUIRE(told != r.notes.end());
  CHECK(told->find("pair") != std::string::npos);
}

TEST_CASE("geodesic acceleration takes another way to the same minimum", "[matrix]") {
  const ResidualProblem p = valley();
  const Result plain = minimize(p, p.initial(), levenberg_marquardt());
  const Result curved =
      minimize(p, p.initial(), levenberg_marquardt({.step = {"damped-qr", {{"acceleration", 0.75}}}}));
  CHECK(curved.converged());
  CHECK(curved.value == Approx(0.5).epsilon(1e-14));
  CHECK(curved.iterations != plain.iterations);
  CHECK(curved.iterations <= 2 * plain.iterations);
}

TEST_CASE("a robust bundle adjustment converges as fast as a plain one", "[matrix]") {
  const BalProblem data = load_bal("generated/tourist?cameras=8&points=300&seed=3");
  Stopping s;
  s.decrease_tolerance = 1e-9;
  for (const Loss& loss : {Loss(), huber(2.0), cauchy(2.0), soft_l1(2.0)}) {
    const ResidualProblem p = make_bundle(data, loss);
    const Result r = minimize(p, p.initial(), levenberg_marquardt(), s);
    INFO(r.reason);
    CHECK(r.converged());
    CHECK(r.iterations <= 40);
  }
}
