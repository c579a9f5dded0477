// FunctionProblem: each mix of callbacks gives the derivatives of a function whose derivatives are known.
#include <Eigen/Dense>
#include <cmath>
#include <string>
#include <vector>

#include "kappa/function.h"
#include "support/catch.h"

namespace {

using Eigen::MatrixXd;
using Eigen::VectorXd;
using kappa::Callbacks;
using kappa::ConstVectorRef;
using kappa::EvalStatus;
using kappa::Evaluation;
using kappa::FunctionProblem;
using kappa::Index;
using kappa::MatrixRef;
using kappa::Model;
using kappa::Request;
using kappa::VectorRef;
using kappa::Want;

constexpr Index n = 5;

/// sum_i x_i^4 / 4 + prod of neighbours + exp(x_0)
struct Quartic {
  template <class T>
  T operator()(std::span<const T> x) const {
    using std::exp;
    T sum = exp(x[0]);
    for (std::size_t i = 0; i < x.size(); ++i) {
      sum = sum + 0.25 * x[i] * x[i] * x[i] * x[i];
      if (i + 1 < x.size()) {
        sum = sum + x[i] * x[i + 1];
      }
    }
    return sum;
  }
};

double value(ConstVectorRef x) {
  return Quartic{}(x);
}
VectorXd gradient(ConstVectorRef x) {
  VectorXd g(n);
  for (Index i = 0; i < n; ++i) {
    const auto at = [&](Index k) { return k < 0 || k >= n ? 0.0 : x[static_cast<std::size_t>(k)]; };
    g(i) = std::pow(at(i), 3) + at(i - 1) + at(i + 1) + (i == 0 ? std::exp(at(0)) : 0.0);
  }
  return g;
}
MatrixXd hessian(ConstVectorRef x) {
  MatrixXd H = MatrixXd::Zero(n, n);
  for (Index i = 0; i < n; ++i) {
    const double xi = x[static_cast<std::size_t>(i)];
    H(i, i) = 3 * xi * xi + (i == 0 ? std::exp(xi) : 0.0);
    if (i + 1 < n) {
      H(i, i + 1) = H(i + 1, i) = 1;
    }
  }
  return H;
}

enum Part { has_value = 1, has_gradient = 2, has_product = 4, has_hessian = 8 };

Callbacks callbacks(int parts) {
  Callbacks c;
  c.dimension = n;
  if (parts & has_value) {
    c.value = [](ConstVectorRef x, double& f) {
      f = value(x);
      return true;
    };
  }
  if (parts & has_gradient) {
    c.value_and_gradient = [](ConstVectorRef x, double& f, VectorRef g) {
      f = value(x);
      const VectorXd exact = gradient(x);
      std::copy(exact.begin(), exact.end(), g.begin());
      return true;
    };
  }
  if (parts & has_product) {
    c.hessian_product = [](ConstVectorRef x, ConstVectorRef v, VectorRef out) {
      const VectorXd exact = hessian(x) * Eigen::Map<const VectorXd>(v.data(), n);
      std::copy(exact.begin(), exact.end(), out.begin());
      return true;
    };
  }
  if (parts & has_hessian) {
    c.hessian = [](ConstVectorRef x, MatrixRef out) {
      Eigen::Map<MatrixXd>(out.data, n, n) = hessian(x);
      return true;
    };
  }
  return c;
}

const std::vector<double> point{0.3, -1.2, 0.8, 2.0, -0.5};

Request everything() {
  Request request;
  request.want = Want::value | Want::gradient | Want::linearization;
  request.models = {Model::exact};
  return request;
}

void check_derivatives_of(const FunctionProblem& problem, double gradient_tolerance,
                          double hessian_tolerance) {
  Evaluation e;
  e.reset(point, 0);
  REQUIRE(problem.evaluate(everything(), e) == EvalStatus::ok);
  CHECK(e.have == (Want::value | Want::gradient | Want::linearization));
  CHECK(e.models.contains(Model::exact));
  CHECK(e.value == Approx(value(point)).epsilon(1e-15));
  CHECK((Eigen::Map<const VectorXd>(e.gradient.data(), n) - gradient(point)).norm() <= gradient_tolerance);
  const MatrixXd H = hessian(point);
  const VectorXd v = VectorXd::LinSpaced(n, -1, 2);
  VectorXd product(n);
  e.linearization->product(Model::exact, {v.data(), n}, {product.data(), n});
  CHECK((product - H * v).norm() <= hessian_tolerance);
  MatrixXd dense(n, n);
  REQUIRE(e.linearization->dense(Model::exact, {dense.data(), n, n, n}));
  CHECK((dense - H).norm() <= hessian_tolerance);
  CHECK(dense == dense.transpose());
  VectorXd diagonal(n);
  REQUIRE(e.linearization->diagonal(Model::exact, {diagonal.data(), n}));
  CHECK(diagonal == dense.diagonal());
}

}  // namespace

TEST_CASE("every mix of callbacks gives the derivatives, to the accuracy of what is differenced") {
  for (const int base : {has_value | 0, has_gradient | 0, has_value | has_gradient}) {
    for (const int second : {0, has_product | 0, has_hessian | 0, has_product | has_hessian}) {
      CAPTURE(base, second);
      const bool exact_gradient = (base & has_gradient) != 0;
      check_derivatives_of(FunctionProblem(callbacks(base | second)), exact_gradient ? 1e-14 : 1e-8,
                           second != 0      ? 1e-13
                           : exact_gradient ? 1e-8
                                            : 1e-5);
    }
  }
}

TEST_CASE("a templated callable is differentiated exactly") {
  const FunctionProblem problem = kappa::function_problem(Quartic{}, n);
  check_derivatives_of(problem, 1e-14, 1e-13);
  CHECK(problem.notes({Model::exact}).empty());
}

TEST_CASE("notes name what is differenced and nothing else") {
  const auto notes = [](int parts) { return FunctionProblem(callbacks(parts)).notes({Model::exact}); };
  CHECK(notes(has_gradient | has_product | has_hessian).empty());
  const auto value_only = notes(has_value);
  REQUIRE(value_only.size() == 3);
  CHECK(value_only[0] == "the gradient is a central difference of the value (10 values)");
  CHECK(value_only[1] == "Hessian-vector products are central differences of the gradient (2 gradients)");
  CHECK(notes(has_gradient | has_product) ==
        std::vector<std::string>{"the Hessian is assembled from products with the unit vectors"});
  CHECK(FunctionProblem(callbacks(has_gradient)).notes({}).empty());
}

TEST_CASE("a gradient is differenced beside the edge of the domain, from within") {
  Callbacks c;
  c.dimension = 2;
  c.value = [](ConstVectorRef x, double& f) {
    f = std::exp(x[0]) * (1 + x[1]);
    return x[0] >= 1 && x[1] <= 2;
  };
  const FunctionProblem problem(c);
  Evaluation e;
  e.reset(std::vector<double>{1, 2}, 0);
  Request request;
  request.want = Want::gradient;
  REQUIRE(problem.evaluate(request, e) == EvalStatus::ok);
  CHECK(e.gradient[0] == Approx(3 * std::exp(1.0)).epsilon(1e-8));
  CHECK(e.gradient[1] == Approx(std::exp(1.0)).epsilon(1e-8));
}

TEST_CASE("what is not finite is outside the domain, by name") {
  const auto fault = [](const Callbacks& c, std::vector<double> x, Want want) {
    const FunctionProblem problem(c);
    Evaluation e;
    e.reset(x, 0);
    Request request;
    request.want = want;
    request.models = {Model::exact};
    CHECK(problem.evaluate(request, e) == EvalStatus::outside_domain);
    CHECK_FALSE(includes(e.have, want));
    return e.fault;
  };
  Callbacks c;
  c.dimension = 2;
  c.variable_name = [](Index i) { return i == 0 ? "width" : "height"; };
  c.value_and_gradient = [](ConstVectorRef x, double& f, VectorRef g) {
    f = std::log(x[0]) + x[1];
    g[0] = 1 / x[0];
    g[1] = x[1] > 5 ? std::nan("") : 1.0;
    return x[1] > -1;
  };
  c.hessian = [](ConstVectorRef x, MatrixRef H) {
    H(0, 0) = -1 / (x[0] * x[0]);
    H(1, 0) = H(0, 1) = x[1] > 3 ? kappa::infinity : 0.0;
    H(1, 1) = 0;
    return x[0] < 10;
  };
  CHECK(fault(c, {1, -2}, Want::value) == "the function returned false");
  CHECK(fault(c, {0, 0}, Want::value) == "the value is -inf");
  CHECK(fault(c, {-1, 0}, Want::gradient) == "the value is nan");
  CHECK(fault(c, {1, 6}, Want::gradient) == "gradient entry 1 (height) is nan");
  CHECK(fault(c, {1, 4}, Want::linearization) == "Hessian entry (1, 0) (height, width) is not finite");
  CHECK(fault(c, {11, 0}, Want::linearization) == "the Hessian callback returned false");
}

TEST_CASE("an evaluation of a function is added to and calls no more than it needs") {
  int values = 0, gradients = 0, hessians = 0;
  Callbacks c = callbacks(has_value | has_gradient | has_hessian);
  const Callbacks plain = c;
  c.value = [&](ConstVectorRef x, double& f) { return ++values, plain.value(x, f); };
  c.value_and_gradient = [&](ConstVectorRef x, double& f, VectorRef g) {
    return ++gradients, plain.value_and_gradient(x, f, g);
  };
  c.hessian = [&](ConstVectorRef x, MatrixRef H) { return ++hessians, plain.hessian(x, H); };
  const FunctionProblem problem(c);
  Evaluation e;
  e.reset(point, 0);
  Request request;
  REQUIRE(problem.evaluate(request, e) == EvalStatus::ok);
  REQUIRE(problem.evaluate(everything(), e) == EvalStatus::ok);
  REQUIRE(problem.evaluate(everything(), e) == EvalStatus::ok);
  MatrixXd dense(n, n);
  REQUIRE(e.linearization->dense(Model::exact, {dense.data(), n, n, n}));
  REQUIRE(e.linearization->dense(Model::exact, {dense.data(), n, n, n}));
  CHECK(values == 1);
  CHECK(gradients == 1);
  CHECK(hessians == 1);
}

TEST_CASE("a function without callbacks or variables is refused") {
  CHECK_THROWS_AS(FunctionProblem(Callbacks{}), kappa::Error);
  Callbacks none;
  none.dimension = 3;
  CHECK_THROWS_AS(FunctionProblem(none), kappa::Error);
  Callbacks empty = callbacks(has_value);
  empty.dimension = 0;
  CHECK_THROWS_AS(FunctionProblem(empty), kappa::Error);
}

TEST_CASE("many variables offer products but no matrix unless there is a Hessian") {
  const FunctionProblem problem([] {
    Callbacks c;
    c.dimension = 100;
    c.value_and_gradient = [](ConstVectorRef x, double& f, VectorRef g) {
      f = 0;
      for (std::size_t i = 0; i < x.size(); ++i) {
        f += 0.5 * x[i] * x[i];
        g[i] = x[i];
      }
      return true;
    };
    return c;
  }());
  Evaluation e;
  e.reset(std::vector<double>(100, 1.0), 0);
  REQUIRE(problem.evaluate(everything(), e) == EvalStatus::ok);
  std::vector<double> v(100, 2.0), out(100);
  CHECK_FALSE(e.linearization->diagonal(Model::exact, out));
  MatrixXd dense(100, 100);
  CHECK_FALSE(e.linearization->dense(Model::exact, {dense.data(), 100, 100, 100}));
  e.linearization->product(Model::exact, v, out);
  CHECK(out[99] == Approx(2).epsilon(1e-9));
}
