// Kernels, Gaussian processes and their predictions against long double arithmetic and finite differences.
#include "kappa/gaussian_process.h"

#include <Eigen/Dense>
#include <cmath>
#include <numbers>

#include "kappa/kappa.h"
#include "kappa/random.h"
#include "support/catch.h"
#include "support/gaussian_oracle.h"

namespace {

using kappa::GaussianProcess;
using kappa::Index;
using kappa::Kernel;
using kappa::Model;
using kappa::Want;
using test::Real;

std::size_t at(Index i) {
  return static_cast<std::size_t>(i);
}

using RealKernel = std::function<Real(const test::RealVector& theta, const std::vector<double>& x,
                                      const std::vector<double>& z)>;

Real scaled_square(const test::RealVector& theta, std::size_t first, bool several,
                   const std::vector<double>& x, const std::vector<double>& z) {
  Real s = 0;
  for (std::size_t d = 0; d < x.size(); ++d) {
    const Real difference = (Real(x[d]) - Real(z[d])) / std::exp(theta[first + (several ? d : 0)]);
    s += difference * difference;
  }
  return s;
}
Real matern52_of(Real s) {
  const Real a = std::sqrt(5 * s);
  return (1 + a + a * a / 3) * std::exp(-a);
}
Real matern32_of(Real s) {
  const Real a = std::sqrt(3 * s);
  return (1 + a) * std::exp(-a);
}
Real periodic_of(Real log_length, Real log_period, Real difference) {
  const Real s = std::sin(std::numbers::pi_v<Real> * difference / std::exp(log_period));
  return std::exp(-2 * s * s / std::exp(2 * log_length));
}

struct KernelCase {
  const char* name;
  Kernel kernel;
  RealKernel real;
  std::vector<double> theta;
};

/// In two inputs.
std::vector<KernelCase> kernel_cases() {
  using namespace kappa::kernels;
  using Point = std::vector<double>;
  using Theta = test::RealVector;
  return {
      {"squared_exponential",
       squared_exponential({0.7, 1.4}),
       [](const Theta& t, const Point& x, const Point& z) {
         return std::exp(-scaled_square(t, 0, true, x, z) / 2);
       },
       {-0.3, 0.4}},
      {"squared_exponential, one length",
       squared_exponential({0.7}),
       [](const Theta& t, const Point& x, const Point& z) {
         return std::exp(-scaled_square(t, 0, false, x, z) / 2);
       },
       {-0.3}},
      {"matern32",
       matern32({0.7, 1.4}),
       [](const Theta& t, const Point& x, const Point& z) {
         return matern32_of(scaled_square(t, 0, true, x, z));
       },
       {-0.1, 0.8}},
      {"matern52",
       matern52({0.7, 1.4}),
       [](const Theta& t, const Point& x, const Point& z) {
         return matern52_of(scaled_square(t, 0, true, x, z));
       },
       {-0.1, 0.8}},
      {"periodic",
       periodic({.input = 1}),
       [](const Theta& t, const Point& x, const Point& z) {
         return periodic_of(t[0], t[1], Real(x[1]) - Real(z[1]));
       },
       {0.2, -0.5}},
      {"a sum of products",
       variance() * matern52({1.0}) * periodic() +
           variance() * (squared_exponential({1.0, 1.0}) + matern32()),
       [](const Theta& t, const Point& x, const Point& z) {
         return std::exp(t[0]) * matern52_of(scaled_square(t, 1, false, x, z)) *
                    periodic_of(t[2], t[3], Real(x[0]) - Real(z[0])) +
                std::exp(t[4]) * (std::exp(-scaled_square(t, 5, true, x, z) / 2) +
                                  matern32_of(scaled_square(t, 7, false, x, z)));
       },
       {0.3, 0.2, -0.1, 0.9, -0.6, 0.1, 0.5, 1.1}},
  };
}

/// Scattered points, two of them the same.
std::vector<std::vector<double>> points(Index n) {
  const kappa::CounterRandom random(5);
  std::vector<std::vector<double>> out;
  for (Index i = 0; i < n; ++i) {
    out.push_back({3 * random.uniform(at(2 * i)), 3 * random.uniform(at(2 * i + 1))});
  }
  if (n > 3) {
    out[3] = out[1];
  }
  return out;
}

kappa::Matrix matrix_of(const std::vector<std::vector<double>>& rows) {
  kappa::Matrix out(static_cast<Index>(rows.size()), static_cast<Index>(rows[0].size()));
  for (Index i = 0; i < out.rows; ++i) {
    for (Index d = 0; d < out.cols; ++d) {
      out(i, d) = rows[at(i)][at(d)];
    }
  }
  return out;
}

std::vector<double> observed(const std::vector<std::vector<double>>& rows) {
  const kappa::CounterRandom random(6);
  std::vector<double> out;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    out.push_back(std::sin(2 * rows[i][0]) + 0.5 * rows[i].back() + 0.2 * random.normal(i));
  }
  return out;
}

template <class A, class B>
double difference(const A& a, const B& b) {
  REQUIRE(a.size() == b.size());
  double largest = 0;
  double out = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    largest = std::max(largest, static_cast<double>(std::abs(b[i])));
    out = std::max(out, static_cast<double>(std::abs(static_cast<long double>(a[i]) - b[i])));
  }
  return out / largest;
}

std::vector<double> matrix(const kappa::Evaluation& evaluation, Model model) {
  const Index p = evaluation.linearization->size();
  std::vector<double> out(at(p * p));
  REQUIRE(evaluation.linearization->dense(model, {out.data(), p, p, p}));
  return out;
}

kappa::Evaluation evaluated(const kappa::Problem& problem, const std::vector<double>& theta) {
  kappa::Evaluation out;
  out.reset(theta, 0);
  kappa::Request request;
  request.want = Want::value | Want::gradient | Want::linearization;
  request.models = problem.models();
  REQUIRE(problem.evaluate(request, out) == kappa::EvalStatus::ok);
  return out;
}

/// A mean that is not linear in its parameters: amplitude and rate.
struct Decay {
  template <class T>
  T operator()(const T* p, std::span<const double> x) const {
    using std::exp;
    return p[0] * exp(p[1] * x[0]);
  }
};

}  // namespace

TEST_CASE("Kernels are their formulas", "[gaussian]") {
  for (const KernelCase& c : kernel_cases()) {
    INFO(c.name);
    const auto rows = points(60);
    const test::RealVector theta(c.theta.begin(), c.theta.end());
    for (const auto& x : rows) {
      for (const auto& z : rows) {
        const double expected = static_cast<double>(c.real(theta, x, z));
        REQUIRE(std::abs(c.kernel(c.theta, x, z) - expected) <= 4e-15 * std::abs(expected) + 1e-300);
      }
    }
  }
}

TEST_CASE("A far away pair of points has a covariance of zero, however far", "[gaussian]") {
  const std::vector<double> theta = {0.0};
  for (const double far : {40.0, 1e3, 1e10, 1e150}) {
    const std::vector<double> x = {0.0};
    const std::vector<double> z = {far};
    CHECK(kappa::kernels::squared_exponential()(theta, x, z) < 1e-300);
    CHECK(kappa::kernels::matern52()(theta, x, z) < 1e-25);
    CHECK(kappa::kernels::matern52()(theta, x, z) >= 0);
  }
}

TEST_CASE("A Gaussian process of every kernel has the derivatives of long double arithmetic", "[gaussian]") {
  for (const KernelCase& c : kernel_cases()) {
    INFO(c.name);
    const auto rows = points(24);
    const auto data = observed(rows);
    const auto model = std::make_shared<const GaussianProcess>(matrix_of(rows), c.kernel,
                                                               kappa::mean_function<2>(Decay{}, {0.3, -0.2}));
    const test::RealModel real = [&](const test::RealVector& theta) {
      test::RealMoments out;
      const std::size_t k = c.theta.size();
      for (std::size_t j = 0; j < rows.size(); ++j) {
        out.mu.push_back(theta[k + 1] * std::exp(theta[k + 2] * rows[j][0]));
        for (std::size_t i = 0; i < rows.size(); ++i) {
          out.sigma.push_back(c.real(theta, rows[i], rows[j]) + (i == j ? std::exp(theta[k]) : 0));
        }
      }
      return out;
    };
    std::vector<double> start = c.theta;
    start.insert(start.end(), {-1.5, 0.4, -0.3});
    const kappa::GaussianLikelihood problem(model, data);
    const kappa::Evaluation at_start = evaluated(problem, start);
    const test::RealVector theta(start.begin(), start.end());
    CHECK(std::abs(at_start.value - static_cast<double>(real_likelihood(real, data, theta))) <
          1e-12 * std::abs(at_start.value));
    CHECK(difference(at_start.gradient, real_gradient(real, data, theta)) < 1e-11);
    CHECK(difference(matrix(at_start, Model::exact), real_hessian(real, data, theta)) < 1e-10);
  }
}

TEST_CASE("The three gradients of a Gaussian process in several blocks agree to rounding", "[gaussian]") {
  for (const KernelCase& c : kernel_cases()) {
    INFO(c.name);
    const auto rows = points(110);
    const auto data = observed(rows);
    const GaussianProcess model(matrix_of(rows), c.kernel, kappa::linear_mean(2));
    std::vector<double> theta = c.theta;
    theta.insert(theta.end(), {-1.5, 0.4, -0.3, 0.2});
    using kappa::GradientRoute;
    const auto contraction = likelihood_gradient(model, data, theta, GradientRoute::contraction);
    CHECK(difference(contraction, likelihood_gradient(model, data, theta, GradientRoute::reverse_mode)) <
          1e-12);
    CHECK(difference(contraction, likelihood_gradient(model, data, theta, GradientRoute::vectorisation)) <
          1e-12);
  }
}

TEST_CASE("Predictions are the conditional Gaussian", "[gaussian]") {
  using Eigen::MatrixXd;
  using Eigen::VectorXd;
  const auto rows = points(70);
  const auto fresh = points(90);
  const auto data = observed(rows);
  const Kernel kernel = kappa::kernels::variance() * kappa::kernels::matern52({1.0, 1.0});
  const GaussianProcess model(matrix_of(rows), kernel, kappa::linear_mean(2));
  const std::vector<double> theta = {0.2, -0.1, 0.3, -2, 0.1, 0.2, -0.3};
  const std::vector<double> of_kernel(theta.begin(), theta.begin() + 3);
  const auto mean = [&](const std::vector<double>& x) {
    return theta[4] + theta[5] * x[0] + theta[6] * x[1];
  };
  const auto between = [&](const auto& a, const auto& b) {
    MatrixXd out(a.size(), b.size());
    for (std::size_t i = 0; i < a.size(); ++i) {
      for (std::size_t j = 0; j < b.size(); ++j) {
        out(static_cast<Index>(i), static_cast<Index>(j)) = kernel(of_kernel, a[i], b[j]);
      }
    }
    return out;
  };
  const MatrixXd K = between(rows, rows) + std::exp(theta[3]) * MatrixXd::Identity(70, 70);
  const MatrixXd cross = between(fresh, rows);
  VectorXd residual(70);
  for (Index i = 0; i < 70; ++i) {
    residual(i) = data[at(i)] - mean(rows[at(i)]);
  }
  const Eigen::LDLT<MatrixXd> factor(K);
  const VectorXd expected = cross * factor.solve(residual);
  const MatrixXd left = between(fresh, fresh) - cross * factor.solve(cross.transpose());
  const kappa::Prediction p = model.predict(theta, data, matrix_of(fresh));
  for (Index i = 0; i < 90; ++i) {
    CHECK(p.mean[at(i)] == Approx(expected(i) + mean(fresh[at(i)])).margin(1e-11));
    CHECK(p.variance[at(i)] == Approx(left(i, i)).margin(1e-11));
    CHECK(p.observation_variance[at(i)] == Approx(left(i, i) + std::exp(theta[3])).margin(1e-11));
  }
}

TEST_CASE("A process without noise interpolates", "[gaussian]") {
  std::vector<std::vector<double>> rows;
  for (int i = 0; i < 8; ++i) {
    rows.push_back({0.5 * i});
  }
  const std::vector<double> data = {1, 3, 2, 5, -1, 0, 0.5, 2};
  const GaussianProcess model(matrix_of(rows), kappa::kernels::matern32(), nullptr,
                              {.noise = 0, .fit = kappa::GaussianProcessOptions::Noise::fixed});
  CHECK(model.parameters() == 1);
  const kappa::Prediction p = model.predict(model.start(), data, matrix_of(rows));
  for (std::size_t i = 0; i < data.size(); ++i) {
    CHECK(p.mean[i] == Approx(data[i]).margin(1e-12));
    CHECK(p.variance[i] == Approx(0).margin(1e-12));
  }
}

TEST_CASE("Newton's method and Fisher scoring find the same parameters and standard errors", "[gaussian]") {
  const auto rows = points(120);
  const auto model = std::make_shared<const GaussianProcess>(
      matrix_of(rows), kappa::kernels::variance() * kappa::kernels::squared_exponential({1.0, 1.0}),
      kappa::constant_mean());
  const kappa::GaussianLikelihood problem(model, observed(rows));
  const kappa::Result exact = minimize(problem, model->start(), kappa::newton());
  const kappa::Options fisher = {{"model", "fisher"}};
  const kappa::Result scoring =
      minimize(problem, model->start(), kappa::newton({.curvature = {"outer-product", fisher}}));
  const kappa::Result damped =
      minimize(problem, model->start(), kappa::levenberg_marquardt({.curvature = {"outer-product", fisher}}));
  for (const kappa::Result* result : {&exact, &scoring, &damped}) {
    CHECK(result->outcome == kappa::Outcome::converged);
    CHECK(result->value == Approx(exact.value).epsilon(1e-10));
    for (std::size_t i = 0; i < exact.x.size(); ++i) {
      CHECK(result->x[i] == Approx(exact.x[i]).margin(1e-4));
    }
  }
  for (const Model information : {Model::fisher, Model::exact}) {
    const kappa::BlockCovariance covariance(problem, exact.x, {.model = information, .variance = 1});
    const auto values = matrix(evaluated(problem, exact.x), information);
    const auto p = static_cast<Index>(exact.x.size());
    const Eigen::MatrixXd inverse = Eigen::Map<const Eigen::MatrixXd>(values.data(), p, p).inverse();
    const auto errors = covariance.standard_errors();
    for (Index i = 0; i < p; ++i) {
      CHECK(errors[at(i)] == Approx(std::sqrt(inverse(i, i))).epsilon(1e-8));
    }
  }
}

TEST_CASE("A process names its parameters and says where it starts", "[gaussian]") {
  using namespace kappa::kernels;
  const Kernel kernel = variance(2) * matern52({1.0, 3.0}) + variance() * periodic({.period = 7});
  CHECK(kernel.text() == "variance * matern52 + variance * periodic");
  CHECK((variance() * (matern32() + periodic())).text() == "variance * (matern32 + periodic)");
  const GaussianProcess model(matrix_of(points(5)), kernel, kappa::linear_mean(2), {.noise = 0.25});
  std::vector<std::string> names;
  for (Index i = 0; i < model.parameters(); ++i) {
    names.push_back(model.parameter_name(i));
  }
  CHECK(names == std::vector<std::string>{"log variance", "log length of matern52[0]",
                                          "log length of matern52[1]", "log variance 2",
                                          "log length of periodic", "log period", "log noise", "intercept",
                                          "slope[0]", "slope[1]"});
  CHECK(model.start() ==
        std::vector<double>{std::log(2.0), 0, std::log(3.0), 0, 0, std::log(7.0), std::log(0.25), 0, 0, 0});
}

TEST_CASE("A process refuses what does not fit", "[gaussian]") {
  using namespace kappa::kernels;
  auto rows = points(5);
  CHECK_THROWS_AS(GaussianProcess(matrix_of(rows), matern52({1.0, 1.0, 1.0})), kappa::Error);
  CHECK_THROWS_AS(GaussianProcess(matrix_of(rows), periodic({.input = 2})), kappa::Error);
  CHECK_THROWS_AS(GaussianProcess(matrix_of(rows), matern52(), nullptr, {.noise = 0}), kappa::Error);
  CHECK_THROWS_AS(matern52({-1.0}), kappa::Error);
  CHECK_THROWS_AS(variance(0), kappa::Error);
  rows[2][1] = std::nan("");
  CHECK_THROWS_WITH(GaussianProcess(matrix_of(rows), matern52()),
                    "GaussianProcess: input 1 of observation 2 is not finite; leave that observation out");
}
