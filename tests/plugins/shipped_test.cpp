// The plugins that come with kappa, through the host: laws at points of a path, the recursions that define
// them as dense matrices, and what they are for.
#include "shipped.h"

#include <Eigen/Dense>
#include <algorithm>
#include <cmath>
#include <filesystem>

#include "kappa/kappa.h"
#include "plugins/check/check.h"
#include "problems/targets.h"
#include "support/catch.h"
#include "support/operator_laws.h"

namespace {

using namespace kappa;
using Matrix = Eigen::MatrixXd;
using Vector = Eigen::VectorXd;

using test::shipped;

/// In the folder of the shipped plugins; cholmod.so only where CHOLMOD is installed.
std::vector<std::string> all_shipped() {
  std::vector<std::string> out;
  for (const auto& file : std::filesystem::directory_iterator(KAPPA_SHIPPED_PLUGINS)) {
    if (file.path().extension() == ".so") {
      out.push_back(file.path().stem().string());
    }
  }
  std::sort(out.begin(), out.end());
  return out;
}

Vector as_vector(ConstVectorRef v) {
  return Eigen::Map<const Vector>(v.data(), static_cast<Index>(v.size()));
}

/// A path of points of one problem, with derivatives for a curvature.
class Path {
 public:
  Path(const std::string& address, const CurvatureNeeds& needs, Index points, double length)
      : target_(load_target(address)) {
    RandomSequence random(7);
    std::vector<double> x = target_.x0;
    for (Index k = 0; k < points; ++k) {
      Evaluation& at = evaluations_.emplace_back();
      at.reset(x, 0);
      at.gradient.resize(x.size());
      const Request request{.want = Want::value | Want::gradient | Want::linearization,
                            .models = needs.models};
      REQUIRE(target_.problem->evaluate(request, at) == EvalStatus::ok);
      std::vector<double>& step = steps_.emplace_back(x.size());
      for (std::size_t i = 0; i < x.size(); ++i) {
        step[i] = length * random.normal() * (1 + std::abs(x[i]));
        x[i] += step[i];
      }
    }
  }
  const Evaluation& point(std::size_t k) const { return evaluations_[k]; }
  /// From point k to the next.
  const std::vector<double>& step(std::size_t k) const { return steps_[k]; }
  std::size_t size() const { return evaluations_.size(); }
  Vector change(std::size_t k) const {
    return as_vector(evaluations_[k + 1].gradient) - as_vector(evaluations_[k].gradient);
  }
  void refresh(Curvature& curvature, std::size_t k) const {
    REQUIRE(curvature.refresh(point(k), k == 0 ? nullptr : &point(k - 1),
                              k == 0 ? ConstVectorRef() : ConstVectorRef(step(k - 1))) ==
            Curvature::Status::ok);
  }

 private:
  Target target_;
  std::vector<Evaluation> evaluations_;
  std::vector<std::vector<double>> steps_;
};

Matrix dense(const SymmetricOperator& B) {
  return testing::detail::matrix_of_products(B);
}

/// Relative difference of two matrices.
double apart(const Matrix& a, const Matrix& b) {
  return (a - b).norm() / b.norm();
}

TEST_CASE("shipped curvatures keep the operator laws along a path") {
  shipped("lbfgs");
  shipped("tutorial");
  shipped("structured_secant");
  for (const Spec& spec : {Spec("lbfgs"), Spec("lbfgs", {{"memory", std::int64_t{2}}}), Spec("sr1"),
                           Spec("sr1", {{"memory", std::int64_t{3}}}), Spec("two-point"),
                           Spec("nl2sol-secant"), Spec("nl2sol-secant", {{"switch", false}})}) {
    for (const char* address : {"mgh:rosenbrock", "mgh:brown-dennis", "mgh:watson"}) {
      CAPTURE(spec.name, address);
      const auto curvature = registry().curvature(spec.name).make(spec.options);
      curvature->start();
      const Path path(address, curvature->needs(), 8, 0.01);
      for (std::size_t k = 0; k < path.size(); ++k) {
        path.refresh(*curvature, k);
        CAPTURE(k);
        for (const std::string& law : testing::broken_operator_laws(
                 curvature->at_point(), {.tolerance = 1e-8, .gradient = {}, .seed = 1})) {
          FAIL_CHECK(law);
        }
      }
    }
  }
}

TEST_CASE("the check finds no law broken by a shipped plugin") {
  const std::vector<std::string> names = all_shipped();
  CHECK(names.size() >= 4);
  for (const std::string& name : names) {
    const PluginCheck check = check_plugin(shipped(name));
    INFO(text(check));
    CHECK(check.passed());
    CHECK(check.findings.size() > 8);
  }
}

TEST_CASE("sr1 solves where its terms cancel nearly all of its scale") {
  shipped("lbfgs");
  const auto sr1 = registry().curvature("sr1").make({});
  sr1->start();
  const Path path("nist:Misra1a", sr1->needs(), 5, 0.3);
  const std::vector<double> weights = {1.0, 3.0};
  const std::vector<double> right = {1.0, -2.0};
  for (std::size_t k = 0; k < path.size(); ++k) {
    path.refresh(*sr1, k);
    const SymmetricOperator& B = sr1->at_point();
    const Matrix matrix = dense(B);
    const double lambda = matrix.cwiseAbs().rowwise().sum().maxCoeff();
    std::vector<double> x(2);
    REQUIRE(B.solve_damped(lambda, weights, right, x));
    const Vector residual =
        matrix * as_vector(x) + lambda * as_vector(weights).cwiseProduct(as_vector(x)) - as_vector(right);
    CHECK(residual.norm() < 1e-7);
  }
}

TEST_CASE("lbfgs and sr1 are their dense recursions, pair by pair") {
  shipped("lbfgs");
  constexpr std::size_t memory = 3;
  const auto bfgs = registry().curvature("lbfgs").make({{"memory", std::int64_t{memory}}, {"damping", 0.0}});
  const auto sr1 = registry().curvature("sr1").make({{"memory", std::int64_t{memory}}});
  bfgs->start();
  sr1->start();
  const Path path("mgh:chebyquad", bfgs->needs(), 7, 0.003);
  const auto n = static_cast<Index>(path.point(0).x.size());
  path.refresh(*bfgs, 0);
  path.refresh(*sr1, 0);
  double theta = as_vector(path.point(0).gradient).norm();
  CHECK(apart(dense(bfgs->at_point()), theta * Matrix::Identity(n, n)) < 1e-14);
  std::vector<std::size_t> admitted;
  int compared = 0;
  for (std::size_t k = 1; k < path.size(); ++k) {
    path.refresh(*bfgs, k);
    path.refresh(*sr1, k);
    const Vector s = as_vector(path.step(k - 1));
    const Vector y = path.change(k - 1);
    if (s.dot(y) > 0) {
      admitted.push_back(k - 1);
    }
    // Where a pair is refused the matrix stays as it was, and is not built from fewer pairs.
    if (!admitted.empty() && admitted.back() == k - 1 && admitted.size() == k) {
      Matrix B = (y.dot(y) / s.dot(y)) * Matrix::Identity(n, n);
      for (std::size_t i = admitted.size() - std::min(memory, admitted.size()); i < admitted.size(); ++i) {
        const Vector si = as_vector(path.step(admitted[i]));
        const Vector yi = path.change(admitted[i]);
        const Vector b = B * si;
        B += yi * yi.transpose() / si.dot(yi) - b * b.transpose() / si.dot(b);
      }
      CHECK(apart(dense(bfgs->at_point()), B) < 1e-10);
      CHECK((dense(bfgs->at_point()) * s - y).norm() < 1e-10 * y.norm());
      ++compared;
    }
    theta = s.dot(y) > 1e-8 * s.norm() * y.norm() ? y.dot(y) / s.dot(y) : y.norm() / s.norm();
    Matrix B = theta * Matrix::Identity(n, n);
    for (std::size_t i = k - std::min(memory, k); i < k; ++i) {
      const Vector r = path.change(i) - B * as_vector(path.step(i));
      B += r * r.transpose() / r.dot(as_vector(path.step(i)));
    }
    CHECK(apart(dense(sr1->at_point()), B) < 1e-9);
    CHECK((dense(sr1->at_point()) * s - y).norm() < 1e-9 * y.norm());
  }
  CHECK(compared >= 3);
}

TEST_CASE("sr1's solve says where the damped matrix is not definite") {
  shipped("lbfgs");
  const auto sr1 = registry().curvature("sr1").make({});
  sr1->start();
  const Path path("mgh:chebyquad", sr1->needs(), 8, 0.01);
  int definite = 0;
  int indefinite = 0;
  for (std::size_t k = 0; k < path.size(); ++k) {
    path.refresh(*sr1, k);
    const SymmetricOperator& B = sr1->at_point();
    const Vector e = dense(B).selfadjointView<Eigen::Lower>().eigenvalues();
    if (std::abs(e.minCoeff()) < 1e-6 * e.maxCoeff()) {
      continue;  // its sign is rounding
    }
    const std::vector<double> ones(path.point(0).x.size(), 1.0);
    std::vector<double> out(ones.size());
    for (const double factor : {0.5, 0.9, 1.1, 2.0}) {
      const double lambda = factor * std::abs(e.minCoeff());
      const bool positive = e.minCoeff() + lambda > 0;
      CHECK(B.solve_damped(lambda, ones, ones, out) == positive);
      ++(positive ? definite : indefinite);
    }
  }
  CHECK(definite > 5);
  CHECK(indefinite > 1);
}

TEST_CASE("two-point fits the last step") {
  shipped("tutorial");
  const auto curvature = registry().curvature("two-point").make({{"share", 0.25}});
  curvature->start();
  const Path path("mgh:trigonometric", curvature->needs(), 6, 0.002);
  int fitted = 0;
  for (std::size_t k = 0; k < path.size(); ++k) {
    path.refresh(*curvature, k);
    if (k == 0) {
      continue;
    }
    const Vector s = as_vector(path.step(k - 1));
    const Vector y = path.change(k - 1);
    if (s.dot(y) > 0) {
      CHECK((dense(curvature->at_point()) * s - y).norm() < 1e-12 * y.norm());
      const double least =
          dense(curvature->at_point()).selfadjointView<Eigen::Lower>().eigenvalues().minCoeff();
      CHECK(least == Approx(0.25 * s.dot(y) / s.dot(s)));
      ++fitted;
    }
  }
  CHECK(fitted >= 3);
}

TEST_CASE("nl2sol-secant takes the steps of the built-in model-switch and structured-secant") {
  shipped("structured_secant");
  for (const char* address :
       {"nist:Misra1a", "nist:MGH17", "mgh:brown-dennis", "mgh:meyer", "mgh:bard", "mgh:jennrich-sampson"}) {
    CAPTURE(address);
    const Target target = load_target(address);
    for (const Method& method : {levenberg_marquardt(), newton()}) {
      for (const bool switches : {true, false}) {
        Method own = method;
        Method plugged = method;
        own.curvature = {switches ? "model-switch" : "structured-secant"};
        plugged.curvature = {"nl2sol-secant", {{"switch", switches}}};
        const Result a = minimize(*target.problem, target.x0, own);
        const Result b = minimize(*target.problem, target.x0, plugged);
        CHECK(a.iterations == b.iterations);
        CHECK(a.trials == b.trials);
        CHECK(b.x == a.x);
      }
    }
  }
}

TEST_CASE("gradients alone solve problems under damping, a radius and a line search") {
  shipped("lbfgs");
  shipped("tutorial");
  Stopping stopping;
  stopping.max_iterations = 3000;
  struct Case {
    Method method;
    const char* step;
    std::vector<std::string> addresses = {"mgh:rosenbrock", "mgh:helical-valley"};
  };
  // Wood's saddle and Beale's plateau hold up those that know little or follow negative curvature.
  const std::vector<std::string> all = {"mgh:rosenbrock", "mgh:beale", "mgh:wood", "mgh:helical-valley"};
  const std::vector<Case> cases = {
      {levenberg_marquardt({.curvature = {"lbfgs"}}), "own-solve", all},
      {newton({.curvature = {"lbfgs"}}), "steihaug-cg", all},
      {newton({.curvature = {"lbfgs"}, .acceptance = {"strong-wolfe"}}), "own-direction", all},
      {newton({.curvature = {"lbfgs"}, .acceptance = {"armijo"}}), "own-direction", all},
      {levenberg_marquardt({.curvature = {"sr1"}}), "own-solve", all},
      {newton({.curvature = {"sr1"}}), "steihaug-cg", all},
      {newton({.curvature = {"sr1"}, .acceptance = {"armijo"}}), "newton-cg"},
      {levenberg_marquardt({.curvature = {"two-point"}}), "own-solve"},
      {newton({.curvature = {"two-point"}, .acceptance = {"strong-wolfe"}}), "own-direction"},
  };

  for (const Case& one : cases) {
    for (const std::string& address : one.addresses) {
      CAPTURE(address, one.method.curvature.name, one.method.acceptance.name);
      const Target target = load_target(address);
      const Result result = minimize(*target.problem, target.x0, one.method, stopping);
      CHECK(result.step == one.step);
      CHECK(result.value < 1e-8);
    }
  }
}

TEST_CASE("a step by a curvature's own solve respects bounds") {
  shipped("lbfgs");
  for (const char* curvature : {"lbfgs", "sr1"}) {
    for (const char* address : {"mgh-bounded:rosenbrock", "mgh-bounded:wood", "mgh-bounded:beale"}) {
      CAPTURE(curvature, address);
      const Target target = load_target(address);
      Stopping stopping;
      stopping.max_iterations = 3000;
      const Result exact = minimize(*target.problem, target.x0, levenberg_marquardt(), stopping);
      const Result result =
          minimize(*target.problem, target.x0, levenberg_marquardt({.curvature = {curvature}}), stopping);
      CHECK(result.step == "own-solve");
      CHECK(result.value <= exact.value + 1e-6 * (1 + exact.value));
    }
  }
}

TEST_CASE("shipped plugins refuse options in a sentence") {
  shipped("lbfgs");
  shipped("tutorial");
  shipped("structured_secant");
  const auto refusal = [](const char* name, const Options& options) {
    try {
      registry().curvature(name).make(options);
    } catch (const Error& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  CHECK(refusal("lbfgs", {{"memory", std::int64_t{0}}}).find("from 1 to 200") != std::string::npos);
  CHECK(refusal("lbfgs", {{"damping", 1.0}}).find("below 1") != std::string::npos);
  CHECK(refusal("sr1", {{"skip", 0.0}}).find("between 0 and 1") != std::string::npos);
  CHECK(refusal("two-point", {{"share", 1.5}}).find("between 0 and 1") != std::string::npos);
  CHECK(refusal("nl2sol-secant", {{"dense_limit", std::int64_t{0}}}).find("at least 1") != std::string::npos);
  CHECK(refusal("nl2sol-secant", {{"margin", 0.5}}).find("at least 1") != std::string::npos);
  CHECK(refusal("lbfgs", {{"memmory", std::int64_t{5}}}).find("memory") != std::string::npos);
}

}  // namespace
