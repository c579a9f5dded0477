// jacobian, Hessians, check_derivatives and covariance against formulas, long double and NIST's certified
// values.
#include "kappa/derivatives.h"

#include <Eigen/Dense>
#include <cmath>
#include <string>
#include <vector>

#include "kappa/function.h"
#include "kappa/random.h"
#include "problems/analytic/nist.h"
#include "problems/analytic/nist_models.h"
#include "problems/residual/reprojection.h"
#include "support/catch.h"

namespace {

using Eigen::MatrixXd;
using kappa::ConstVectorRef;
using kappa::Index;
using kappa::Matrix;
using kappa::ParameterBlock;
using kappa::ResidualProblem;

/// r = (x y, x^2 + z, y z^2) with all derivatives by hand.
struct Products {
  template <class T>
  bool operator()(const T* xy, const T* z, T* r) const {
    r[0] = xy[0] * xy[1];
    r[1] = xy[0] * xy[0] + z[0];
    r[2] = xy[1] * z[0] * z[0];
    return true;
  }
};

ResidualProblem products() {
  ResidualProblem problem;
  const auto xy = problem.add_parameters({2, 3}, "xy");
  const auto z = problem.add_parameters({5}, "z");
  problem.add(kappa::autodiff<3, 2, 1>(Products{}), {xy, z});
  return problem;
}

/// Reprojection's Jacobian by jets with one entry off by some error.
struct WrongReprojection {
  kappa::Reprojection model;
  int residual = -1, slot = 0, entry = 0;
  double relative = 0;

  bool operator()(const double* const* x, double* r, double** J) const {
    if (J == nullptr) {
      return model(x[0], x[1], r);
    }
    double all[24];
    using Term = kappa::AutoDiff<kappa::Reprojection, 2, 9, 3>;
    if (!Term::jacobian(model, x, r, all)) {
      return false;
    }
    if (residual >= 0) {
      double& wrong = all[residual * 12 + slot * 9 + entry];
      wrong += relative * (1 + std::fabs(wrong));
    }
    for (int k = 0; k < 2; ++k) {
      std::copy(all + k * 12, all + k * 12 + 9, J[0] + k * 9);
      std::copy(all + k * 12 + 9, all + k * 12 + 12, J[1] + k * 3);
    }
    return true;
  }
};

ResidualProblem bundle(int wrong_block, WrongReprojection wrong) {
  ResidualProblem problem;
  const auto camera = problem.add_parameters({0.02, -0.01, 0.03, 0.1, -0.2, 0.3, 500, -1e-2, 1e-3}, "camera");
  for (int i = 0; i < 4; ++i) {
    const auto point = problem.add_parameters({0.5 * i - 1, 0.3 * i - 0.4, -5.0 - i});
    const kappa::Reprojection model{10.0 * i, -5.0};
    wrong.model = model;
    if (i == wrong_block) {
      problem.add(kappa::analytic<2, 9, 3>(wrong), {camera, point});
    } else {
      problem.add(kappa::analytic<2, 9, 3>(WrongReprojection{model}), {camera, point});
    }
  }
  return problem;
}

template <class Model>
void add_observations(ResidualProblem& problem, ParameterBlock b, const kappa::NistProblem& nist) {
  for (int i = 0; i < nist.observations; ++i) {
    problem.add(kappa::autodiff<1, Model::parameters>(Model::from_row(nist.row(i))), {b});
  }
}

}  // namespace

TEST_CASE("Jacobian, weighted and third-order Hessians are those computed by hand") {
  const ResidualProblem problem = products();
  const auto x = problem.initial();
  const Matrix J = kappa::jacobian(problem, x);
  const double expected[3][3] = {{3, 2, 0}, {4, 0, 1}, {0, 25, 30}};
  for (Index k = 0; k < 3; ++k) {
    for (Index i = 0; i < 3; ++i) {
      CHECK(J(k, i) == expected[k][i]);
    }
  }
  const double second[3][3][3] = {{{0, 1, 0}, {1, 0, 0}, {0, 0, 0}},
                                  {{2, 0, 0}, {0, 0, 0}, {0, 0, 0}},
                                  {{0, 0, 0}, {0, 0, 10}, {0, 10, 6}}};
  const auto all = kappa::third_order_hessian(problem, x);
  REQUIRE(all.size() == 27);
  const double weights[3] = {2, -1, 0.5};
  const Matrix W = kappa::weighted_hessian(problem, x, weights);
  const Matrix H = kappa::hessian(problem, x);
  const double r[3] = {6, 9, 75};
  for (std::size_t i = 0; i < 3; ++i) {
    for (std::size_t j = 0; j < 3; ++j) {
      double weighted = 0;
      double full = 0;
      for (std::size_t k = 0; k < 3; ++k) {
        CHECK(all[(k * 3 + i) * 3 + j] == second[k][i][j]);
        weighted += weights[k] * second[k][i][j];
        full += r[k] * second[k][i][j] + expected[k][i] * expected[k][j];
      }
      CHECK(W(static_cast<Index>(i), static_cast<Index>(j)) == Approx(weighted));
      CHECK(H(static_cast<Index>(i), static_cast<Index>(j)) == Approx(full));
    }
  }
  const double v[3] = {1, -2, 3};
  const auto Hv = kappa::hessian_product(problem, x, v);
  for (Index i = 0; i < 3; ++i) {
    CHECK(Hv[static_cast<std::size_t>(i)] == Approx(H(i, 0) - 2 * H(i, 1) + 3 * H(i, 2)));
  }
}

TEST_CASE("a held block has no columns in the Jacobian") {
  ResidualProblem problem = products();
  problem.set_constant({0});
  const Matrix J = kappa::jacobian(problem, problem.initial());
  REQUIRE(J.cols == 1);
  CHECK(J.values == std::vector<double>{0, 1, 30});
}

TEST_CASE("a Hessian of many variables without a matrix of its own is made of products") {
  kappa::Callbacks c;
  c.dimension = 90;
  c.value_and_gradient = [](ConstVectorRef x, double& f, kappa::VectorRef g) {
    f = 0;
    std::fill(g.begin(), g.end(), 0.0);
    for (std::size_t i = 0; i + 1 < x.size(); ++i) {
      f += x[i] * x[i + 1];
      g[i] += x[i + 1];
      g[i + 1] += x[i];
    }
    return true;
  };
  const kappa::FunctionProblem problem(c);
  const Matrix H = kappa::hessian(problem, std::vector<double>(90, 1.0));
  CHECK(H(4, 5) == Approx(1).epsilon(1e-9));
  CHECK(H(5, 4) == H(4, 5));
  CHECK(std::fabs(H(4, 4)) < 1e-9);
}

TEST_CASE("where derivatives cannot be evaluated the error names the block") {
  ResidualProblem problem;
  const auto p = problem.add_parameters({1.0}, "p");
  problem.add(kappa::autodiff<1, 1>([]<class T>(const T* x, T* r) {
                using std::log;
                r[0] = log(x[0]);
                return true;
              }),
              {p});
  const std::vector<double> x{-1};
  const std::string expected = "cannot be evaluated at this x: residual block 0 on 'p': residual 0 is nan";
  CHECK_THROWS_WITH(kappa::jacobian(problem, x), "jacobian: " + expected);
  CHECK_THROWS_WITH(kappa::hessian(problem, x), "hessian: " + expected);
  CHECK_THROWS_WITH(kappa::third_order_hessian(problem, x), "third_order_hessian: " + expected);
  CHECK_THROWS_AS(kappa::covariance(problem, x), kappa::Error);
  CHECK_THROWS_AS(kappa::check_derivatives(problem, x), kappa::Error);
}

TEST_CASE("correct derivatives pass the check, for jets and by hand, with and without losses") {
  const ResidualProblem by_hand = bundle(-1, {});
  const auto check = kappa::check_derivatives(by_hand, by_hand.initial());
  CAPTURE(check.text());
  CHECK(check.passed());
  // 4 blocks of 2 x 12 Jacobian entries and 21 gradient entries.
  CHECK(check.compared == 4 * 24 + 21);

  for (const kappa::Loss& loss : {kappa::Loss(), kappa::cauchy(2), kappa::tukey(100), kappa::huber(0.5)}) {
    ResidualProblem jets = products();
    jets.add(kappa::autodiff<3, 2, 1>(Products{}), {ParameterBlock{0}, ParameterBlock{1}}, loss);
    const auto exact = kappa::check_derivatives(jets, jets.initial());
    CAPTURE(exact.text());
    CHECK(exact.passed());
    // Twice 9 Jacobian entries, 3 of the gradient, 9 Hessian entries and 9 of products.
    CHECK(exact.compared == 18 + 3 + 18);
  }
}

TEST_CASE("the check finds any single wrong entry of a 2 x (9 + 3) Jacobian and names it") {
  for (int residual = 0; residual < 2; ++residual) {
    for (int column = 0; column < 12; ++column) {
      WrongReprojection wrong;
      wrong.residual = residual;
      wrong.slot = column < 9 ? 0 : 1;
      wrong.entry = column < 9 ? column : column - 9;
      wrong.relative = 1e-3;
      const ResidualProblem problem = bundle(2, wrong);
      const auto check = kappa::check_derivatives(problem, problem.initial());
      const std::string where = "residual block 2 on 'camera', parameter block 3, residual " +
                                std::to_string(residual) + ", parameter block '" +
                                (column < 9 ? "camera" : "parameter block 3") + "', entry " +
                                std::to_string(wrong.entry);
      CAPTURE(where, check.text());
      REQUIRE_FALSE(check.passed());
      CHECK(std::any_of(check.mismatches.begin(), check.mismatches.end(),
                        [&](const auto& m) { return m.where == where; }));
      CHECK(check.text().find(where) != std::string::npos);
      // The gradient is wrong in that variable too, and nothing else is.
      CHECK(check.mismatches.size() <= 2);
    }
  }
}

TEST_CASE("the check passes derivatives of all NIST models at both starts, whatever their scales") {
  for (const kappa::NistProblem& nist : kappa::nist_problems()) {
    for (const int start : {0, 1}) {
      ResidualProblem problem;
      const auto b = problem.add_parameters(nist.starting_point(start));
      kappa::visit_nist_model(nist, [&]<class Model>() { add_observations<Model>(problem, b, nist); });
      const auto check = kappa::check_derivatives(problem, problem.initial());
      CAPTURE(nist.name, start, check.text());
      CHECK(check.passed());
    }
  }
}

TEST_CASE("the check finds a wrong gradient and a wrong Hessian of a function") {
  kappa::Callbacks c;
  c.dimension = 3;
  c.value_and_gradient = [](ConstVectorRef x, double& f, kappa::VectorRef g) {
    f = std::sin(x[0]) * x[1] + x[2] * x[2];
    g[0] = std::cos(x[0]) * x[1];
    g[1] = std::sin(x[0]);
    g[2] = 2 * x[2];
    return true;
  };
  c.hessian = [](ConstVectorRef x, kappa::MatrixRef H) {
    std::fill(H.data, H.data + 9, 0.0);
    H(0, 0) = -std::sin(x[0]) * x[1];
    H(0, 1) = H(1, 0) = std::cos(x[0]);
    H(2, 2) = 2;
    return true;
  };
  const std::vector<double> x{0.4, 2, -1};
  CHECK(kappa::check_derivatives(kappa::FunctionProblem(c), x).passed());

  kappa::Callbacks wrong_gradient = c;
  wrong_gradient.value_and_gradient = [c](ConstVectorRef p, double& f, kappa::VectorRef g) {
    c.value_and_gradient(p, f, g);
    g[1] += 1e-3;
    return true;
  };
  const auto gradient = kappa::check_derivatives(kappa::FunctionProblem(wrong_gradient), x);
  REQUIRE(gradient.mismatches.size() == 1);
  CHECK(gradient.mismatches[0].where == "gradient, x[1]");

  kappa::Callbacks wrong_hessian = c;
  wrong_hessian.hessian = [c](ConstVectorRef p, kappa::MatrixRef H) {
    c.hessian(p, H);
    H(2, 2) += 1e-3;
    return true;
  };
  const auto hessian = kappa::check_derivatives(kappa::FunctionProblem(wrong_hessian), x);
  REQUIRE(hessian.mismatches.size() == 2);
  CHECK(hessian.mismatches[0].where == "Hessian product, x[2], x[2]");
  CHECK(hessian.mismatches[1].where == "Hessian, x[2], x[2]");
  CHECK(hessian.mismatches[1].given == Approx(2.001));
}

TEST_CASE("the check of many variables goes along random directions and still finds one wrong entry") {
  ResidualProblem problem;
  for (int i = 0; i < 600; ++i) {
    const auto p = problem.add_parameters({0.01 * i});
    problem.add(kappa::analytic<1, 1>([i](const double* const* x, double* r, double** J) {
                  r[0] = std::sin(x[0][0]) + 0.1;
                  if (J != nullptr) {
                    J[0][0] = std::cos(x[0][0]) + (i == 77 ? 1e-4 : 0.0);
                  }
                  return true;
                }),
                {p});
  }
  const auto check = kappa::check_derivatives(problem, problem.initial());
  REQUIRE_FALSE(check.passed());
  CHECK(std::any_of(check.mismatches.begin(), check.mismatches.end(), [](const auto& m) {
    return m.where ==
           "residual block 77 on parameter block 77, residual 0, parameter block 'parameter block 77', entry "
           "0";
  }));
  CHECK(check.compared == 600 + 10);
}

TEST_CASE("standard errors at NIST's certified parameters are the certified ones") {
  for (const kappa::NistProblem& nist : kappa::nist_problems()) {
    ResidualProblem problem;
    const auto b = problem.add_parameters(nist.certified_parameters());
    kappa::visit_nist_model(nist, [&]<class Model>() { add_observations<Model>(problem, b, nist); });
    const auto c = kappa::covariance(problem, problem.initial());
    CAPTURE(nist.name);
    CHECK(c.rank == nist.parameters);
    CHECK(c.undetermined.empty());
    // Lanczos1's residuals, 4e-13 of data of size 1, are mostly rounding of the certified parameters.
    if (std::string(nist.name) == "Lanczos1") {
      const auto given =
          kappa::covariance(problem, problem.initial(), std::pow(nist.residual_standard_deviation, 2));
      CHECK(kappa::smallest_log_relative_error(given.standard_errors, nist.standard_deviations()) > 6);
      continue;
    }
    CHECK(kappa::smallest_log_relative_error(c.standard_errors, nist.standard_deviations()) > 6);
    CHECK(std::sqrt(c.variance) == Approx(nist.residual_standard_deviation).epsilon(1e-6));
    for (Index i = 0; i < nist.parameters; ++i) {
      CHECK(c.standard_errors[static_cast<std::size_t>(i)] ==
            Approx(std::sqrt(c.matrix(i, i))).epsilon(1e-12));
    }
  }
}

TEST_CASE("a rank-deficient covariance is the pseudo-inverse and names the undetermined variables") {
  // a + b is determined, their difference is not; c is; d appears nowhere.
  ResidualProblem problem;
  const auto ab = problem.add_parameters({1, 2}, "ab");
  const auto c = problem.add_parameters({3}, "c");
  problem.add_parameters({4}, "d");
  kappa::RandomSequence random(8);
  MatrixXd J = MatrixXd::Zero(6, 4);
  for (Index k = 0; k < 6; ++k) {
    const double s = random.normal();
    const double t = random.normal();
    J.row(k) << s, 2 * s, t, 0;
    problem.add(kappa::autodiff<1, 2, 1>([s, t]<class T>(const T* p, const T* q, T* r) {
                  r[0] = s * (p[0] + 2.0 * p[1]) + t * q[0] - 1.0;
                  return true;
                }),
                {ab, c});
  }
  const auto result = kappa::covariance(problem, problem.initial(), 2.0);
  CHECK(result.rank == 2);
  CHECK(result.variance == 2.0);
  CHECK(result.undetermined == std::vector<std::string>{"ab, entry 0", "ab, entry 1", "d"});
  const MatrixXd oracle = 2 * (J.transpose() * J).completeOrthogonalDecomposition().pseudoInverse();
  const MatrixXd matrix = Eigen::Map<const MatrixXd>(result.matrix.values.data(), 4, 4);
  CHECK((matrix - oracle).norm() <= 1e-12 * oracle.norm());
}

TEST_CASE("the variance is not estimated from too few residuals") {
  ResidualProblem problem = products();
  // Three residuals, three variables.
  CHECK_THROWS_AS(kappa::covariance(problem, problem.initial()), kappa::Error);
  CHECK(kappa::covariance(problem, problem.initial(), 1.0).rank == 3);
  problem.add_parameters({1});
  CHECK_THROWS_AS(kappa::covariance(problem, problem.initial()), kappa::Error);
  CHECK(kappa::covariance(problem, problem.initial(), 1.0).rank == 3);
}
