// An existing ceres::Problem, written as Ceres's users write them, solved by kappa and by Ceres.
#include "kappa/ceres_adapter.h"

#include <ceres/ceres.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <memory>
#include <vector>

#include "kappa/derivatives.h"
#include "support/catch.h"

namespace {

struct Decay {
  double t, y;
  template <class T>
  bool operator()(const T* amplitude, const T* rate, T* residual) const {
    using std::exp;
    residual[0] = y - amplitude[0] * exp(-rate[0] * t) - amplitude[1];
    return true;
  }
};

/// Rotates a direction and compares it with what was seen.
struct Seen {
  std::array<double, 3> direction, seen;
  template <class T>
  bool operator()(const T* q, T* residual) const {  // x, y, z, w
    const Eigen::Map<const Eigen::Quaternion<T>> rotation(q);
    const Eigen::Matrix<T, 3, 1> turned =
        rotation * Eigen::Matrix<T, 3, 1>(T(direction[0]), T(direction[1]), T(direction[2]));
    for (int i = 0; i < 3; ++i) {
      residual[i] = turned[i] - seen[static_cast<std::size_t>(i)];
    }
    return true;
  }
};

/// A cost with Jacobians of its own, which refuses x > 10.
class Parabola final : public ceres::SizedCostFunction<2, 2> {
 public:
  bool Evaluate(double const* const* x, double* r, double** J) const override {
    if (x[0][0] > 10) {
      return false;
    }
    r[0] = x[0][0] * x[0][0] - 2;
    r[1] = 10 * (x[0][1] - x[0][0]);
    if (J != nullptr && J[0] != nullptr) {
      J[0][0] = 2 * x[0][0];
      J[0][1] = 0;
      J[0][2] = -10;
      J[0][3] = 10;
    }
    return true;
  }
};

void solve_by_ceres(ceres::Problem& problem) {
  ceres::Solver::Options options;
  options.linear_solver_type = ceres::DENSE_QR;
  options.logging_type = ceres::SILENT;
  options.function_tolerance = 1e-16;
  options.parameter_tolerance = 1e-14;
  options.gradient_tolerance = 1e-14;
  options.max_num_iterations = 500;
  ceres::Solver::Summary summary;
  ceres::Solve(options, &problem, &summary);
  REQUIRE(summary.IsSolutionUsable());
}

void add_decay(ceres::Problem& problem, double* amplitude, double* rate, ceres::LossFunction* loss) {
  for (int i = 0; i < 12; ++i) {
    const double t = 0.3 * i;
    const double y = 2.5 * std::exp(-0.7 * t) + 0.4 + 0.01 * std::sin(9.0 * i) + (i == 5 ? 0.3 : 0.0);
    problem.AddResidualBlock(new ceres::AutoDiffCostFunction<Decay, 1, 2, 1>(new Decay{t, y}), loss,
                             amplitude, rate);
  }
}

}  // namespace

TEST_CASE("kappa finds the minimum of a ceres::Problem and writes it back", "[ceres]") {
  for (const bool robust : {false, true}) {
    std::array<double, 2> amplitude = {1, 0};
    double rate = 0.1;
    ceres::Problem problem;
    add_decay(problem, amplitude.data(), &rate, robust ? new ceres::HuberLoss(0.05) : nullptr);
    const kappa::Result result = kappa::minimize(problem);
    CHECK(result.outcome == kappa::Outcome::converged);
    const std::array<double, 3> found = {amplitude[0], amplitude[1], rate};
    double cost = 0;
    REQUIRE(problem.Evaluate(ceres::Problem::EvaluateOptions(), &cost, nullptr, nullptr, nullptr));
    CHECK(result.value == Approx(cost).epsilon(1e-14));
    solve_by_ceres(problem);
    CHECK(found[0] == Approx(amplitude[0]).epsilon(1e-6));
    CHECK(found[1] == Approx(amplitude[1]).epsilon(1e-6));
    CHECK(found[2] == Approx(rate).epsilon(1e-6));
  }
}

TEST_CASE("constant blocks of a ceres::Problem stay, and bounds hold", "[ceres]") {
  std::array<double, 2> amplitude = {1, 0};
  double rate = 0.5;
  ceres::Problem problem;
  add_decay(problem, amplitude.data(), &rate, nullptr);
  problem.SetParameterBlockConstant(&rate);
  problem.SetParameterUpperBound(amplitude.data(), 1, 0.05);
  const kappa::Result result = kappa::minimize(problem);
  CHECK(result.outcome == kappa::Outcome::converged);
  CHECK(rate == 0.5);
  CHECK(amplitude[1] == 0.05);
}

TEST_CASE("manifolds of a ceres::Problem are followed", "[ceres]") {
  const Eigen::Quaterniond truth = Eigen::Quaterniond(0.8, 0.2, -0.4, 0.3).normalized();
  std::array<double, 4> q = {0, 0, 0, 1};
  ceres::Problem problem;
  const std::array<std::array<double, 3>, 3> directions = {{{1, 0, 0}, {0, 1, 0}, {0.3, 0.2, 0.9}}};
  for (const auto& d : directions) {
    const Eigen::Vector3d turned = truth * Eigen::Vector3d(d[0], d[1], d[2]);
    problem.AddResidualBlock(
        new ceres::AutoDiffCostFunction<Seen, 3, 4>(new Seen{d, {turned[0], turned[1], turned[2]}}), nullptr,
        q.data());
  }
  problem.SetManifold(q.data(), new ceres::EigenQuaternionManifold());
  for (const kappa::Method& method : {kappa::levenberg_marquardt(), kappa::newton()}) {
    q = {0, 0, 0, 1};
    const kappa::Result result = kappa::minimize(problem, method);
    CHECK(result.outcome == kappa::Outcome::converged);
    const Eigen::Quaterniond found(q[3], q[0], q[1], q[2]);
    CHECK(std::fabs(found.dot(truth)) == Approx(1.0).epsilon(1e-12));
    CHECK(found.norm() == Approx(1.0).epsilon(1e-14));
  }
}

TEST_CASE("a cost function with its own Jacobian, which may refuse, is solved by first and second order",
          "[ceres]") {
  for (const kappa::Method& method : {kappa::levenberg_marquardt(), kappa::newton()}) {
    std::array<double, 2> x = {9.5, -3};
    ceres::Problem problem;
    problem.AddResidualBlock(new Parabola, nullptr, x.data());
    const kappa::Result result = kappa::minimize(problem, method);
    CHECK(result.outcome == kappa::Outcome::converged);
    CHECK(x[0] == Approx(std::sqrt(2.0)).epsilon(1e-10));
    CHECK(x[1] == Approx(std::sqrt(2.0)).epsilon(1e-10));
  }
}

TEST_CASE("the translated problem has Ceres's derivatives", "[ceres]") {
  std::array<double, 2> amplitude = {1.2, 0.1};
  double rate = 0.6;
  ceres::Problem problem;
  add_decay(problem, amplitude.data(), &rate, nullptr);
  const kappa::ResidualProblem translated = kappa::residual_problem(problem);
  CHECK(translated.residual_blocks() == 12);
  const std::vector<double> x = translated.initial();
  double cost = 0;
  std::vector<double> gradient;
  REQUIRE(problem.Evaluate(ceres::Problem::EvaluateOptions(), &cost, nullptr, &gradient, nullptr));
  kappa::Evaluation evaluation;
  evaluation.reset(x, 0);
  kappa::Request request;
  request.want = kappa::Want::value | kappa::Want::gradient;
  REQUIRE(translated.evaluate(request, evaluation) == kappa::EvalStatus::ok);
  CHECK(evaluation.value == Approx(cost).epsilon(1e-14));
  REQUIRE(evaluation.gradient.size() == gradient.size());
  for (std::size_t i = 0; i < gradient.size(); ++i) {
    CHECK(evaluation.gradient[i] == Approx(gradient[i]).epsilon(1e-12));
  }
}

namespace {

struct Difference {
  double d;
  template <class T>
  bool operator()(const T* a, const T* b, T* r) const {
    r[0] = b[0] - a[0] - d;
    r[1] = b[1] - a[1];
    return true;
  }
};

}  // namespace

TEST_CASE("the elimination order of a ceres::Problem is taken over", "[ceres]") {
  // A chain of 300 blocks whose first is held: 598 variables.
  std::array<std::array<double, 2>, 300> x{};
  ceres::Problem problem;
  for (std::size_t i = 1; i < x.size(); ++i) {
    problem.AddResidualBlock(new ceres::AutoDiffCostFunction<Difference, 2, 2, 2>(new Difference{0.5}),
                             nullptr, x[i - 1].data(), x[i].data());
  }
  problem.SetParameterBlockConstant(x[0].data());
  ceres::ParameterBlockOrdering order;
  for (std::size_t i = 0; i < x.size(); ++i) {
    order.AddElementToGroup(x[i].data(), i % 4 == 2 ? 5 : 8);
  }
  double unused = 0;
  order.AddElementToGroup(&unused, 5);
  const kappa::Result result = kappa::minimize(problem, order);
  CHECK(result.converged());
  CHECK(result.step == "block-schur");
  const auto says = [&](const char* words) {
    return std::any_of(result.notes.begin(), result.notes.end(),
                       [&](const std::string& note) { return note.find(words) != std::string::npos; });
  };
  CHECK(says("75 blocks of the user's group 0 eliminated"));
  CHECK(x.back()[0] == Approx(0.5 * 299));

  ceres::ParameterBlockOrdering one_group;  // says nothing, with Ceres as well
  for (auto& block : x) {
    one_group.AddElementToGroup(block.data(), 0);
  }
  CHECK(kappa::minimize(problem, one_group).converged());
}
