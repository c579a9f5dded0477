// GaussianLikelihood against a likelihood in long double, its three gradients against each other.
#include "kappa/gaussian_likelihood.h"

#include <tbb/global_control.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "kappa/random.h"
#include "support/catch.h"
#include "support/gaussian_oracle.h"

namespace {

using kappa::EvalStatus;
using kappa::Evaluation;
using kappa::GradientRoute;
using kappa::Index;
using kappa::Model;
using kappa::Want;

std::size_t at(Index i) {
  return static_cast<std::size_t>(i);
}

/// Observations in the plane of time: amplitude and length in logs, noise, and a curved mean that shares the
/// length with the covariance.
struct Curve {
  static constexpr int parameters = 5;
  static double time(Index i) {
    return 0.31 * static_cast<double>(i) + 0.1 * std::sin(static_cast<double>(i));
  }

  template <class T>
  T covariance(const T* theta, Index i, Index j) const {
    using std::exp;
    const double d = time(i) - time(j);
    T out = exp(theta[0] - exp(theta[1] * -2.0) * (0.5 * d * d));
    if (i == j) {
      out = out + exp(theta[2]);
    }
    return out;
  }
  template <class T>
  T mean(const T* theta, Index i) const {
    using std::sin;
    return theta[3] * time(i) * 0.2 + sin(theta[4] * time(i) + theta[1]);
  }
};

const std::vector<double> theta0 = {0.3, -0.2, -1.1, 0.7, 0.4};

test::RealModel real_model(Index n) {
  return [n](const test::RealVector& theta) {
    test::RealMoments out;
    for (Index j = 0; j < n; ++j) {
      out.mu.push_back(Curve{}.mean(theta.data(), j));
      for (Index i = 0; i < n; ++i) {
        out.sigma.push_back(Curve{}.covariance(theta.data(), std::max(i, j), std::min(i, j)));
      }
    }
    return out;
  };
}

std::vector<double> some_data(Index n) {
  const kappa::CounterRandom random(7);
  std::vector<double> out;
  for (Index i = 0; i < n; ++i) {
    out.push_back(std::sin(Curve::time(i)) + 0.4 * random.normal(at(i)));
  }
  return out;
}

kappa::GaussianLikelihood curve_problem(Index n) {
  return {kappa::gaussian_model<Curve::parameters>(Curve{}, n), some_data(n)};
}

Evaluation evaluated(const kappa::GaussianLikelihood& problem, const std::vector<double>& theta,
                     Want want = Want::value | Want::gradient | Want::linearization) {
  Evaluation out;
  out.reset(theta, 0);
  kappa::Request request;
  request.want = want;
  if (includes(want, Want::linearization)) {
    request.models = problem.models();
  }
  REQUIRE(problem.evaluate(request, out) == EvalStatus::ok);
  return out;
}

std::vector<double> matrix(const Evaluation& evaluation, Model model) {
  const Index p = evaluation.linearization->size();
  std::vector<double> out(at(p * p));
  REQUIRE(evaluation.linearization->dense(model, {out.data(), p, p, p}));
  return out;
}

/// Largest difference, relative to the largest entry.
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

std::vector<double> route(Index n, GradientRoute way, const std::vector<double>& theta) {
  return likelihood_gradient(*kappa::gaussian_model<Curve::parameters>(Curve{}, n), some_data(n), theta, way);
}

}  // namespace

TEST_CASE("The value, gradient and Hessian of a likelihood are those of long double arithmetic",
          "[gaussian]") {
  // One block, several models' blocks of 48 rows, several factor blocks of 96.
  const Index n = GENERATE(1, 7, 60, 130);
  const auto problem = curve_problem(n);
  const Evaluation at_theta = evaluated(problem, theta0);
  const test::RealVector theta(theta0.begin(), theta0.end());
  const auto data = some_data(n);
  CHECK(std::abs(at_theta.value - static_cast<double>(real_likelihood(real_model(n), data, theta))) <
        1e-13 * std::abs(at_theta.value) + 1e-12);
  CHECK(difference(at_theta.gradient, real_gradient(real_model(n), data, theta)) < 1e-12);
  CHECK(difference(matrix(at_theta, Model::exact), real_hessian(real_model(n), data, theta)) < 1e-10);
}

TEST_CASE("The expected information is that of the Kronecker product", "[gaussian]") {
  const auto problem = curve_problem(9);
  const Evaluation at_theta = evaluated(problem, theta0);
  const test::RealVector theta(theta0.begin(), theta0.end());
  CHECK(difference(matrix(at_theta, Model::fisher), real_information(real_model(9), theta)) < 1e-12);
}

TEST_CASE("The expected information is the mean of the exact Hessian over data of the model", "[gaussian]") {
  // f_ij is a quadratic in r, so its mean over r ~ N(0, Sigma) is that over +-sqrt(n) times the columns of L.
  const Index n = 20;
  const auto model = kappa::gaussian_model<Curve::parameters>(Curve{}, n);
  std::vector<double> mu(at(n));
  model->mean(theta0, mu, {});
  test::RealVector L = real_model(n)(test::RealVector(theta0.begin(), theta0.end())).sigma;
  test::real_cholesky(L, at(n));
  std::vector<double> sum(at(Curve::parameters * Curve::parameters), 0.0);
  std::vector<double> information;
  for (Index c = 0; c < n; ++c) {
    for (const double sign : {-1.0, 1.0}) {
      std::vector<double> data = mu;
      for (Index i = 0; i < n; ++i) {
        data[at(i)] += sign * std::sqrt(static_cast<double>(n)) * static_cast<double>(L[at(i + c * n)]);
      }
      const kappa::GaussianLikelihood problem(model, data);
      const Evaluation at_theta = evaluated(problem, theta0);
      const auto exact = matrix(at_theta, Model::exact);
      information = matrix(at_theta, Model::fisher);
      for (std::size_t k = 0; k < sum.size(); ++k) {
        sum[k] += exact[k] / static_cast<double>(2 * n);
      }
    }
  }
  CHECK(difference(sum, information) < 1e-12);
}

TEST_CASE("The three ways to the gradient agree to rounding", "[gaussian]") {
  const Index n = GENERATE(1, 2, 5, 50, 101);
  const kappa::CounterRandom random(3, static_cast<std::uint64_t>(n));
  for (int draw = 0; draw < 3; ++draw) {
    std::vector<double> theta = theta0;
    for (std::size_t i = 0; i < theta.size(); ++i) {
      theta[i] += 0.3 * random.normal(static_cast<std::uint64_t>(draw) * theta.size() + i);
    }
    const auto contraction = route(n, GradientRoute::contraction, theta);
    CHECK(difference(contraction, route(n, GradientRoute::reverse_mode, theta)) < 2e-13);
    CHECK(difference(contraction, route(n, GradientRoute::vectorisation, theta)) < 2e-13);
  }
}

TEST_CASE("The adjoint of a Cholesky factorization is that of finite differences", "[gaussian]") {
  constexpr std::size_t n = 6;
  const kappa::CounterRandom random(11);
  test::RealVector sigma(n * n);
  std::vector<double> weights(n * n);
  for (std::size_t i = 0; i < n * n; ++i) {
    weights[i] = random.normal(i);
  }
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t j = 0; j < n; ++j) {
      sigma[i + j * n] = (i == j ? 2.0 : 0.0) + std::exp(-std::abs(double(i) - double(j)));
    }
  }
  // f = <weights, L>, the adjoint of L being the weights.
  const auto f = [&](test::RealVector s) {
    test::real_cholesky(s, n);
    test::Real sum = 0;
    for (std::size_t k = 0; k < n * n; ++k) {
      sum += weights[k] * s[k];
    }
    return sum;
  };
  test::RealVector factor = sigma;
  test::real_cholesky(factor, n);
  const std::vector<double> L(factor.begin(), factor.end());
  std::vector<double> adjoint(n * n);
  kappa::cholesky_adjoint({L.data(), n, n, n}, {weights.data(), n, n, n}, {adjoint.data(), n, n, n});
  for (std::size_t j = 0; j < n; ++j) {
    for (std::size_t i = j; i < n; ++i) {
      const auto along = [&](test::Real t) {
        test::RealVector s = sigma;
        s[i + j * n] += t;
        if (i != j) {
          s[j + i * n] += t;
        }
        return f(s);
      };
      const double expected = static_cast<double>(test::differences(along, 1e-3L).first);
      CHECK(adjoint[i + j * n] + (i == j ? 0 : adjoint[j + i * n]) == Approx(expected).margin(1e-12));
    }
  }
}

TEST_CASE("A covariance Jacobian stacks the columns of the derivatives", "[gaussian]") {
  constexpr Index n = 4;
  const auto model = kappa::gaussian_model<Curve::parameters>(Curve{}, n);
  std::vector<double> J(at(n * n * Curve::parameters));
  covariance_jacobian(*model, theta0, {J.data(), n * n, Curve::parameters, n * n});
  const double step = 1e-5;
  for (Index k = 0; k < Curve::parameters; ++k) {
    auto above = theta0;
    auto below = theta0;
    above[at(k)] += step;
    below[at(k)] -= step;
    for (Index c = 0; c < n; ++c) {
      for (Index r = 0; r < n; ++r) {
        const auto entry = [&](const std::vector<double>& theta) {
          return Curve{}.covariance(theta.data(), std::max(r, c), std::min(r, c));
        };
        CHECK(J[at(r + n * c + n * n * k)] ==
              Approx((entry(above) - entry(below)) / (2 * step)).margin(1e-9));
      }
    }
  }
}

TEST_CASE("A likelihood has the same bits for every number of threads and every order of requests",
          "[gaussian]") {
  const auto whole = [] { return evaluated(curve_problem(230), theta0); };
  const Evaluation first = whole();
  for (const std::size_t threads : {1, 2, 5}) {
    const tbb::global_control limit(tbb::global_control::max_allowed_parallelism, threads);
    const Evaluation again = whole();
    CHECK(std::memcmp(&first.value, &again.value, sizeof(double)) == 0);
    CHECK(first.gradient == again.gradient);
    CHECK(matrix(first, Model::exact) == matrix(again, Model::exact));
    CHECK(matrix(first, Model::fisher) == matrix(again, Model::fisher));
  }
  const auto problem = curve_problem(230);
  Evaluation slowly;
  slowly.reset(theta0, 0);
  kappa::Request request;
  for (const Want want : {Want::value, Want::gradient, Want::linearization}) {
    request.want = want;
    request.models = want == Want::linearization ? kappa::ModelSet{Model::fisher} : kappa::ModelSet{};
    REQUIRE(problem.evaluate(request, slowly) == EvalStatus::ok);
  }
  CHECK_FALSE(slowly.models.contains(Model::exact));
  request.models = problem.models();
  REQUIRE(problem.evaluate(request, slowly) == EvalStatus::ok);
  CHECK(slowly.value == first.value);
  CHECK(slowly.gradient == first.gradient);
  CHECK(matrix(slowly, Model::exact) == matrix(first, Model::exact));
  CHECK(matrix(slowly, Model::fisher) == matrix(first, Model::fisher));
}

TEST_CASE("Products and diagonal are those of the dense matrix", "[gaussian]") {
  const Evaluation at_theta = evaluated(curve_problem(12), theta0);
  for (const Model model : {Model::exact, Model::fisher}) {
    const auto B = matrix(at_theta, model);
    const std::vector<double> v = {1, -2, 0.5, 3, 0.25};
    std::vector<double> product(5);
    std::vector<double> diagonal(5);
    at_theta.linearization->product(model, v, product);
    REQUIRE(at_theta.linearization->diagonal(model, diagonal));
    for (std::size_t i = 0; i < 5; ++i) {
      double sum = 0;
      for (std::size_t j = 0; j < 5; ++j) {
        sum += B[i + 5 * j] * v[j];
        CHECK(B[i + 5 * j] == B[j + 5 * i]);
      }
      CHECK(product[i] == Approx(sum));
      CHECK(diagonal[i] == B[i + 5 * i]);
    }
  }
}

namespace {

/// Sigma = [1 t; t 1] with t = theta: definite for |t| < 1.
struct Correlation {
  template <class T>
  T covariance(const T* theta, Index i, Index j) const {
    return i == j ? T(1.0) : theta[0];
  }
};

}  // namespace

TEST_CASE("A covariance that is not positive definite is outside the domain, with its pivot", "[gaussian]") {
  const kappa::GaussianLikelihood problem(kappa::gaussian_model<1>(Correlation{}, 3), {0.5, -1, 2});
  Evaluation evaluation;
  const auto status_at = [&](double t) {
    evaluation.reset(std::vector<double>{t}, 0);
    kappa::Request request;
    request.want = Want::value | Want::gradient;
    return problem.evaluate(request, evaluation);
  };
  CHECK(status_at(0.5) == EvalStatus::ok);
  CHECK(status_at(1.5) == EvalStatus::outside_domain);
  CHECK(evaluation.fault ==
        "the covariance is not positive definite at (theta[0] = 1.5): pivot 1 of 3 is -1.25");
  // -1/2 makes the third pivot vanish.
  CHECK(status_at(-0.5) == EvalStatus::outside_domain);
  CHECK(evaluation.fault.find("pivot 2 of 3") != std::string::npos);
  CHECK(status_at(std::nan("")) == EvalStatus::outside_domain);
  CHECK(status_at(1e200) == EvalStatus::outside_domain);
  CHECK(status_at(0.5) == EvalStatus::ok);
}

TEST_CASE("A likelihood refuses data that cannot be its own", "[gaussian]") {
  const auto model = kappa::gaussian_model<1>(Correlation{}, 3);
  CHECK_THROWS_WITH(kappa::GaussianLikelihood(model, {1, std::nan(""), 2}),
                    "GaussianLikelihood: observation 1 is not a number; leave out what was not observed");
  CHECK_THROWS_AS(kappa::GaussianLikelihood(model, {1, 2, kappa::infinity}), kappa::Error);
  CHECK_THROWS_AS(kappa::GaussianLikelihood(model, {1, 2}), kappa::Error);
}

namespace {

struct FirstOrderOnly final : kappa::GaussianModel {
  Index observations() const override { return 3; }
  Index parameters() const override { return 1; }
  bool second_derivatives() const override { return false; }
  void covariance(kappa::ConstVectorRef theta, const kappa::CovarianceBlock& out) const override {
    kappa::expects(out.second == nullptr, "second derivatives were asked for");
    for (Index k = 0; k < out.entries(); ++k) {
      const bool diagonal = out.row + k % out.rows == out.column + k / out.rows;
      if (out.value != nullptr) {
        out.value[k] = diagonal ? theta[0] : 0;
      }
      if (out.first != nullptr) {
        out.first[k] = diagonal ? 1 : 0;
      }
    }
  }
};

}  // namespace

TEST_CASE("A model without second derivatives offers the expected information only", "[gaussian]") {
  const kappa::GaussianLikelihood problem(std::make_shared<FirstOrderOnly>(), {1, 2, 3});
  CHECK(problem.models() == kappa::ModelSet{Model::fisher});
  const Evaluation at_theta = evaluated(problem, {2.0});
  // f = 3/2 ln 2 pi t + 14 / (2 t).
  CHECK(at_theta.gradient[0] == Approx(1.5 / 2 - 7.0 / 4));
  CHECK(matrix(at_theta, Model::fisher)[0] == Approx(1.5 / 4));
  Evaluation evaluation;
  evaluation.reset(std::vector<double>{2.0}, 0);
  kappa::Request request;
  request.want = Want::linearization;
  request.models = {Model::exact};
  CHECK_THROWS_AS(problem.evaluate(request, evaluation), kappa::ContractError);
}

TEST_CASE("A likelihood stops where it is asked to", "[gaussian]") {
  const auto problem = curve_problem(40);
  std::stop_source source;
  source.request_stop();
  const kappa::Interrupt interrupt{source.get_token(), {}};
  Evaluation evaluation;
  evaluation.reset(theta0, 0);
  kappa::Request request;
  request.want = Want::value | Want::gradient;
  request.interrupt = &interrupt;
  CHECK(problem.evaluate(request, evaluation) == EvalStatus::interrupted);
  request.interrupt = nullptr;
  CHECK(problem.evaluate(request, evaluation) == EvalStatus::ok);
}
