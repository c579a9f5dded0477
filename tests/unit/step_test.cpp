#include <Eigen/Dense>
#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "kappa/random.h"
#include "solvers/step/parts.h"
#include "support/block_bundle.h"
#include "support/catch.h"
#include "support/dense_operator.h"

namespace {

using namespace kappa;
using test::BlockOperator;
using test::bundle;
using test::First;
using Matrix = Eigen::MatrixXd;
using Vector = Eigen::VectorXd;

Metric metric_for(const SymmetricOperator& B, MetricKind kind = MetricKind::identity) {
  Metric metric(kind);
  metric.update(B);
  return metric;
}

Vector random_vector(RandomSequence& random, Index n) {
  Vector out(n);
  for (double& v : out) {
    v = random.normal();
  }
  return out;
}

std::vector<double> values(const Vector& v) {
  return {v.data(), v.data() + v.size()};
}

Matrix dense(const SymmetricOperator& B) {
  const Index n = B.size();
  Matrix out(n, n);
  std::vector<double> unit(static_cast<std::size_t>(n));
  std::vector<double> column(unit.size());
  to_dense(B, {out.data(), n, n, n}, unit, column);
  return out;
}

}  // namespace

// ---- Controls, trials, metrics ---------------------------------------------------------------------------

TEST_CASE("the automatic metric is MINPACK's on small problems and Marquardt's on large ones") {
  for (const kappa::Index n : {3, 501}) {
    kappa::Metric metric(kappa::MetricKind::automatic);
    const auto size = static_cast<std::size_t>(n);
    const auto scaled = [&](double entry) {
      std::vector<double> matrix(size * size, 0.0);
      for (std::size_t i = 0; i < size; ++i) {
        matrix[i * size + i] = entry;
      }
      return test::DenseOperator(n, matrix);
    };
    const test::DenseOperator large = scaled(4.0);
    const test::DenseOperator small = scaled(1.0);
    metric.update(large);
    metric.update(small);
    CHECK(metric.weights()[size - 1] == (n > 500 ? 1.0 : 4.0));
    CHECK(metric.kind() == (n > 500 ? kappa::MetricKind::marquardt : kappa::MetricKind::minpack));
  }
}

TEST_CASE("a trial's ratio is actual over predicted decrease") {
  Trial trial;
  trial.current_value = 10;
  trial.value = 8;
  trial.step.predicted_decrease = 4;
  CHECK(trial.decrease() == 2);
  CHECK(trial.ratio() == Approx(0.5));
  CHECK(trial.rounding() == Approx(100 * epsilon));
}

TEST_CASE("near a minimum, where both decreases are rounding, the ratio tends to one") {
  Trial trial;
  trial.current_value = 1;
  trial.step.predicted_decrease = 1e-20;
  trial.value = 1 + epsilon;
  CHECK(trial.ratio() == Approx(1).margin(0.2));
  trial.value = 1 - epsilon;
  CHECK(trial.ratio() == Approx(1).margin(0.2));
}

TEST_CASE("a trial that is not finite or predicts nothing has ratio minus infinity") {
  Trial good;
  good.current_value = 1;
  good.value = 0;
  good.step.predicted_decrease = 1;
  REQUIRE(good.ratio() == Approx(1));
  Trial trial = good;
  trial.evaluation = EvalStatus::outside_domain;
  CHECK(trial.ratio() == -infinity);
  for (const double bad : {std::nan(""), infinity, -infinity}) {
    trial = good;
    trial.value = bad;
    CHECK(trial.ratio() == -infinity);
    trial = good;
    trial.step.predicted_decrease = bad;
    CHECK(trial.ratio() == -infinity);
  }
  trial = good;
  trial.step.predicted_decrease = 0;
  CHECK(trial.ratio() == -infinity);
  trial.step.predicted_decrease = -1;
  CHECK(trial.ratio() == -infinity);
}

TEST_CASE("controls and metrics have names") {
  CHECK(std::string(name(ControlKind::radius)) == "radius");
  CHECK(std::string(name(ControlKind::step_length)) == "step length");
  CHECK(std::string(name(MetricKind::minpack)) == "minpack");
}

TEST_CASE("the metrics take their weights from the diagonal") {
  const test::DiagonalOperator first({4, -9, 0});
  const test::DiagonalOperator second({1, 16, 1e-3});
  Metric identity = metric_for(first);
  CHECK(values(Eigen::Map<const Vector>(identity.weights().data(), 3)) == std::vector<double>{1, 1, 1});

  Metric marquardt = metric_for(first, MetricKind::marquardt);
  CHECK(values(Eigen::Map<const Vector>(marquardt.weights().data(), 3)) == std::vector<double>{4, 9, 1});
  marquardt.update(second);
  CHECK(values(Eigen::Map<const Vector>(marquardt.weights().data(), 3)) == std::vector<double>{1, 16, 1e-3});

  Metric minpack = metric_for(first, MetricKind::minpack);
  minpack.update(second);
  CHECK(values(Eigen::Map<const Vector>(minpack.weights().data(), 3)) == std::vector<double>{4, 16, 1});
  const std::vector<double> step = {1, 2, 3};
  CHECK(minpack.norm(step) == Approx(std::sqrt(4.0 + 64 + 9)));
  CHECK(minpack.dual_norm(step) == Approx(std::sqrt(0.25 + 0.25 + 9)));
  minpack.reset(MetricKind::minpack);
  minpack.update(second);
  CHECK(minpack.weights()[0] == 1);

  const test::DenseOperator products(2, {5, 0, 0, 5}, {});
  CHECK(metric_for(products, MetricKind::marquardt).weights()[0] == 1);
}

TEST_CASE("norms of a metric neither overflow nor underflow") {
  const test::DiagonalOperator huge({1e200, 1e200});
  const Metric metric = metric_for(huge, MetricKind::marquardt);
  const std::vector<double> big = {3e150, 4e150};
  CHECK(metric.norm(big) == Approx(5e250));
  const std::vector<double> small = {3e-290, 4e-290};
  CHECK(metric.norm(small) == Approx(5e-190));
  const std::vector<double> gradient = {3e-150, 4e-150};
  CHECK(metric.dual_norm(gradient) == Approx(5e-250));
}

TEST_CASE("an operator known by its products has a symmetric dense matrix") {
  const test::DenseOperator products(2, {1, 2, 2.5, 3}, {});
  const Matrix B = dense(products);
  CHECK(B(0, 0) == 1);
  CHECK(B(0, 1) == 2.25);
  CHECK(B(1, 0) == 2.25);
}

// ---- Diagonal curvature ----------------------------------------------------------------------------------

TEST_CASE("a million diagonal entries are solved without a matrix") {
  const Index n = 1000000;
  std::vector<double> entries(static_cast<std::size_t>(n));
  std::vector<double> gradient(entries.size());
  for (std::size_t i = 0; i < entries.size(); ++i) {
    entries[i] = 1 + static_cast<double>(i % 7);
    gradient[i] = static_cast<double>(i % 5) - 2;
  }
  const test::DiagonalOperator B(entries);
  const Metric metric = metric_for(B);
  std::vector<double> step(entries.size());
  for (const auto& make :
       {damped_cholesky_part, more_sorensen_part, modified_cholesky_part, bunch_kaufman_part}) {
    const StepPart part = make();
    CAPTURE(part.info.name);
    const auto solver = part.make({});
    REQUIRE_FALSE(solver->unfit(B).has_value());
    REQUIRE(solver->prepare({B, gradient, metric}) == StepStatus::ok);
    const bool damped = part.control == ControlKind::damping;
    const Control control = damped                                ? Control{Damping{1.0}}
                            : part.control == ControlKind::radius ? Control{Radius{1e6}}
                                                                  : Control{StepLength{1.0}};
    REQUIRE(solver->solve(control, step).status == StepStatus::ok);
    for (const std::size_t i : {std::size_t{0}, std::size_t{1}, std::size_t{999999}}) {
      CHECK(step[i] == Approx(-gradient[i] / (entries[i] + (damped ? 1 : 0))));
    }
  }
}

TEST_CASE("products with an exact diagonal are not mistaken for a diagonal matrix") {
  const test::DenseOperator B(2, {2, 1, 1, 2}, {.diagonal = true});
  const std::vector<double> gradient = {1, 0};
  const Metric metric = metric_for(B);
  const auto solver = damped_cholesky_part().make({});
  REQUIRE(solver->prepare({B, gradient, metric}) == StepStatus::ok);
  std::vector<double> step(2);
  solver->solve(Damping{0.0}, step);
  CHECK(step[0] == Approx(-2.0 / 3));
  CHECK(step[1] == Approx(1.0 / 3));

  const auto limited = damped_cholesky_part().make({{"dense_limit", std::int64_t{1}}});
  const auto reason = limited->unfit(B);
  REQUIRE(reason.has_value());
  CHECK(reason->find("dense_limit (1)") != std::string::npos);
  CHECK(reason->find("damped-cg") != std::string::npos);
}

TEST_CASE("a diagonal trust region with negative entries is solved exactly") {
  const test::DiagonalOperator B({-1, 2, 5});
  const Metric metric = metric_for(B);
  const auto solver = more_sorensen_part().make({});
  // The hard case: no gradient along the negative entry.
  const std::vector<double> gradient = {0, 3, 6};
  REQUIRE(solver->prepare({B, gradient, metric}) == StepStatus::ok);
  std::vector<double> step(3);
  const StepReport report = solver->solve(Radius{2.0}, step);
  CHECK(step[1] == Approx(-1));
  CHECK(step[2] == Approx(-1));
  CHECK(std::abs(step[0]) == Approx(std::sqrt(2.0)));
  CHECK(report.limit == StepReport::Limit::boundary);
  std::vector<double> x(3);
  CHECK_FALSE(solver->resolve(gradient, x));
}

// ---- Single solvers ---------------------------------------------------------------------------------------

TEST_CASE("damped-qr wants a root and says what to use instead") {
  const test::DenseOperator B(1, {1});
  const auto solver = damped_qr_part().make({});
  const auto reason = solver->unfit(B);
  REQUIRE(reason.has_value());
  CHECK(reason->find("damped-cholesky") != std::string::npos);
}

TEST_CASE("a negligible damping leaves the step interior, a strong one is its boundary") {
  const auto B = test::DenseOperator::from_root(2, 2, {1, 0, 0, 2}, {1, 1});
  const std::vector<double> gradient = {1, 2};
  const Metric metric = metric_for(B);
  for (const auto& make : {damped_qr_part, damped_cholesky_part, damped_cg_part}) {
    const auto solver = make().make({});
    REQUIRE(solver->prepare({B, gradient, metric}) == StepStatus::ok);
    std::vector<double> step(2);
    CHECK(solver->solve(Damping{1e-6}, step).limit == StepReport::Limit::interior);
    CHECK(solver->solve(Damping{10.0}, step).limit == StepReport::Limit::boundary);
  }
}

TEST_CASE("the wrong control is a broken contract") {
  const test::DenseOperator B(1, {1});
  const std::vector<double> gradient = {1};
  const Metric metric = metric_for(B);
  for (const auto& make : {damped_cholesky_part, more_sorensen_part, newton_cg_part}) {
    const auto solver = make().make({});
    REQUIRE(solver->prepare({B, gradient, metric}) == StepStatus::ok);
    std::vector<double> step(1);
    CHECK_THROWS_AS(solver->solve(CubicWeight{1.0}, step), ContractError);
  }
}

TEST_CASE("bad options are refused with the name of the part and the option") {
  try {
    steihaug_cg_part().make({{"forcing_cap", 2.0}});
    FAIL("no exception");
  } catch (const Error& error) {
    const std::string message = error.what();
    CHECK(message.find("steihaug-cg") != std::string::npos);
    CHECK(message.find("forcing_cap") != std::string::npos);
  }
  CHECK_THROWS_AS(block_schur_part().make({{"no_such", 1.0}}), Error);
}

TEST_CASE("each part documents every option with a default and a source") {
  for (const auto& make : {damped_qr_part, damped_cholesky_part, damped_cg_part, more_sorensen_part,
                           steihaug_cg_part, modified_cholesky_part, bunch_kaufman_part, newton_cg_part,
                           scaled_gradient_part, block_schur_part, block_cholesky_part}) {
    const StepPart part = make();
    CHECK(part.info.kind == PartKind::step);
    CHECK_FALSE(part.info.summary.empty());
    CHECK_FALSE(part.info.source.empty());
    for (const OptionInfo& option : part.info.options) {
      CHECK_FALSE(option.default_value.empty());
      CHECK_FALSE(option.source.empty());
      CHECK_FALSE(option.meaning.empty());
      // A default reads back as itself.
      Options options;
      options.set(option.name, option.default_value);
      CHECK_NOTHROW(part.make(options));
    }
    CHECK(part.make({})->control() == part.control);
  }
}

TEST_CASE("an interrupt stops the inner iterations") {
  RandomSequence random(1);
  const Matrix A = Matrix::Random(20, 20);
  const Matrix M = A * A.transpose() + Matrix::Identity(20, 20);
  const test::DenseOperator B(20, {M.data(), M.data() + 400});
  const std::vector<double> gradient(20, 1.0);
  const Metric metric = metric_for(B);
  std::stop_source source;
  source.request_stop();
  Interrupt interrupt;
  interrupt.stop = source.get_token();
  std::vector<double> step(20);
  for (const auto& make : {damped_cg_part, steihaug_cg_part}) {
    const StepPart part = make();
    const auto solver = part.make({});
    REQUIRE(solver->prepare({B, gradient, metric, &interrupt}) == StepStatus::ok);
    const Control control =
        part.control == ControlKind::radius ? Control{Radius{1.0}} : Control{Damping{1.0}};
    CHECK(solver->solve(control, step).status == StepStatus::interrupted);
  }
  CHECK(newton_cg_part().make({})->prepare({B, gradient, metric, &interrupt}) == StepStatus::interrupted);
}

TEST_CASE("conjugate gradients do one product per iteration") {
  const Matrix M = Vector::LinSpaced(12, 1, 12).asDiagonal();
  const test::DenseOperator B(12, {M.data(), M.data() + 144}, {});
  const std::vector<double> gradient(12, 1.0);
  const Metric metric = metric_for(B);
  const auto solver = steihaug_cg_part().make({{"forcing_cap", 1e-9}});
  REQUIRE(solver->prepare({B, gradient, metric}) == StepStatus::ok);
  CHECK(B.products == 0);
  std::vector<double> step(12);
  const StepReport report = solver->solve(Radius{100.0}, step);
  CHECK(report.inner_iterations <= 12);
  CHECK(B.products == report.inner_iterations);
}

TEST_CASE("the diagonal preconditioner makes a diagonal system a matter of one iteration") {
  const test::DiagonalOperator B({1, 1e3, 1e6, 1e9});
  const std::vector<double> gradient = {1, 1, 1, 1};
  const Metric metric = metric_for(B);
  const auto solver = damped_cg_part().make({{"forcing_cap", 1e-10}});
  REQUIRE(solver->prepare({B, gradient, metric}) == StepStatus::ok);
  std::vector<double> step(4);
  const StepReport report = solver->solve(Damping{1.0}, step);
  CHECK(report.inner_iterations == 1);
  CHECK(step[3] == Approx(-1 / (1e9 + 1)));
}

TEST_CASE("negative curvature stops damped-cg and turns newton-cg to the steepest descent") {
  const test::DenseOperator B(2, {-1, 0, 0, -2});
  const std::vector<double> gradient = {3, 4};
  const Metric metric = metric_for(B);
  std::vector<double> step(2);
  const auto damped = damped_cg_part().make({});
  REQUIRE(damped->prepare({B, gradient, metric}) == StepStatus::ok);
  CHECK(damped->solve(Damping{0.5}, step).status == StepStatus::indefinite);
  CHECK(damped->solve(Damping{5.0}, step).status == StepStatus::ok);
  const auto newton = newton_cg_part().make({});
  REQUIRE(newton->prepare({B, gradient, metric}) == StepStatus::ok);
  CHECK(newton->solve(StepLength{0.5}, step).slope == Approx(-12.5));
  CHECK(step == std::vector<double>{-1.5, -2.0});
}

TEST_CASE("the scaled gradient divides by a power of the curvature") {
  const test::DiagonalOperator B({4, -16, 0});
  const std::vector<double> gradient = {8, 8, 0};
  const Metric metric = metric_for(B);
  std::vector<double> step(3);
  const auto newton = scaled_gradient_part().make({{"epsilon", 0.0}});
  REQUIRE(newton->prepare({B, gradient, metric}) == StepStatus::ok);
  const StepReport report = newton->solve(StepLength{0.5}, step);
  CHECK(step == std::vector<double>{-1, -0.25, 0});
  CHECK(report.slope == -10);
  CHECK(report.predicted_decrease == Approx(10 - 0.5 * (4 - 1)));

  const auto root = scaled_gradient_part().make({{"epsilon", 0.0}, {"exponent", 0.5}, {"clip", 3.0}});
  REQUIRE(root->prepare({B, gradient, metric}) == StepStatus::ok);
  root->solve(StepLength{1.0}, step);
  CHECK(step == std::vector<double>{-3, -2, 0});

  const std::vector<double> stuck = {1, 1, 1};
  CHECK(newton->prepare({B, stuck, metric}) == StepStatus::failed);
}

TEST_CASE("the scaled gradient's momentum is an exponential average without bias") {
  const test::DiagonalOperator B({1});
  const Metric metric = metric_for(B);
  const auto solver = scaled_gradient_part().make({{"beta1", 0.9}, {"epsilon", 0.0}});
  std::vector<double> step(1);
  double average = 0;
  double decay = 1;
  for (const double g : {2.0, -1.0, 0.5}) {
    const std::vector<double> gradient = {g};
    REQUIRE(solver->prepare({B, gradient, metric}) == StepStatus::ok);
    average = 0.9 * average + 0.1 * g;
    decay *= 0.9;
    solver->solve(StepLength{1.0}, step);
    CHECK(step[0] == Approx(-average / (1 - decay)));
  }
}

// ---- Sparse Cholesky -------------------------------------------------------------------------------------

TEST_CASE("sparse Cholesky solves what block elimination solves, and says what it did") {
  RandomSequence random(13);
  const BlockOperator B(bundle(5, 9, 60, 3, First::points, random));
  const std::vector<double> gradient = values(random_vector(random, B.size()));
  const Metric metric = metric_for(B, MetricKind::marquardt);
  const auto sparse = block_cholesky_part().make({});
  const auto schur = block_schur_part().make({});
  REQUIRE_FALSE(sparse->unfit(B).has_value());
  CHECK(sparse->flops() > 0);
  REQUIRE(sparse->prepare({B, gradient, metric}) == StepStatus::ok);
  REQUIRE(schur->prepare({B, gradient, metric}) == StepStatus::ok);
  std::vector<double> a(gradient.size());
  std::vector<double> b(gradient.size());
  for (const double lambda : {1e-4, 1.0, 100.0}) {
    const StepReport one = sparse->solve(Damping{lambda}, a);
    const StepReport other = schur->solve(Damping{lambda}, b);
    REQUIRE(one.status == StepStatus::ok);
    CHECK(one.predicted_decrease == Approx(other.predicted_decrease).epsilon(1e-10));
    const Eigen::Map<const Vector> x(a.data(), B.size());
    const Eigen::Map<const Vector> y(b.data(), B.size());
    CHECK((x - y).norm() < 1e-9 * y.norm());
  }
  CHECK(sparse->factorizations() == 3);
  std::string description;
  sparse->describe(description);
  CHECK(description.find("sparse Cholesky of 65 blocks (225) in the order of minimum degree: ") == 0);
  CHECK(description.find("GFlop") != std::string::npos);
  CHECK(description.find("supernodes") != std::string::npos);
}

TEST_CASE("sparse Cholesky refuses a factor above its limit and matrices without blocks") {
  RandomSequence random(14);
  const BlockOperator B(bundle(10, 9, 50, 3, First::cameras, random));
  const auto reason = block_cholesky_part().make({{"factor_limit", std::int64_t{1000}}})->unfit(B);
  REQUIRE(reason.has_value());
  CHECK(reason->find("factor_limit (1000)") != std::string::npos);
  CHECK(reason->find("damped-cg") != std::string::npos);
  const test::DenseOperator dense_only(1, {1});
  CHECK(block_cholesky_part().make({})->unfit(dense_only).has_value());
  CHECK_THROWS_AS(block_cholesky_part().make({{"factor_limit", std::int64_t{0}}}), Error);
}

TEST_CASE("a stop request ends a sparse factorization") {
  RandomSequence random(15);
  const BlockOperator B(bundle(5, 9, 60, 3, First::points, random));
  const std::vector<double> gradient = values(random_vector(random, B.size()));
  const Metric metric = metric_for(B);
  std::stop_source source;
  Interrupt interrupt;
  interrupt.stop = source.get_token();
  const auto solver = block_cholesky_part().make({});
  REQUIRE(solver->prepare({B, gradient, metric, &interrupt}) == StepStatus::ok);
  std::vector<double> step(gradient.size());
  CHECK(solver->solve(Damping{1.0}, step).status == StepStatus::ok);
  source.request_stop();
  CHECK(solver->solve(Damping{1.0}, step).status == StepStatus::interrupted);
  CHECK(step == std::vector<double>(step.size(), 0.0));
}
