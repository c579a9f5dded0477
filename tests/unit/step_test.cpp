#include <tbb/global_control.h>

#include <Eigen/Dense>
#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "kappa/random.h"
#include "solvers/step/parts.h"
#include "support/catch.h"
#include "support/dense_operator.h"

namespace {

using namespace kappa;
using Matrix = Eigen::MatrixXd;
using Vector = Eigen::VectorXd;

Metric metric_for(const SymmetricOperator& B, MetricKind kind = MetricKind::identity) {
  Metric metric(kind);
  metric.update(B);
  return metric;
}

/// A block-sparse operator that offers its blocks, as the Gauss-Newton matrix of residual blocks does.
class BlockOperator final : public SymmetricOperator {
 public:
  explicit BlockOperator(BlockMatrix matrix) : matrix_(std::move(matrix)) {}
  Index size() const override { return matrix_.structure.size(); }
  void multiply(ConstVectorRef v, VectorRef out) const override { matrix_.multiply(v, out); }
  bool diagonal(VectorRef out) const override {
    matrix_.diagonal(out);
    return true;
  }
  const BlockMatrix* blocks() const override { return &matrix_; }
  Offers offers() const override { return {.diagonal = true, .blocks = true}; }

 private:
  BlockMatrix matrix_;
};

/// J'J of random residuals of two entries, each over the blocks of one `term`, plus a little identity.
BlockMatrix gauss_newton(const std::vector<Index>& sizes, const std::vector<std::vector<Index>>& terms,
                         RandomSequence& random) {
  const auto count = static_cast<Index>(sizes.size());
  std::vector<std::vector<Index>> columns(sizes.size());
  for (Index i = 0; i < count; ++i) {
    columns[static_cast<std::size_t>(i)] = {i};
  }
  for (const auto& term : terms) {
    for (const Index i : term) {
      for (const Index j : term) {
        if (j > i) {
          columns[static_cast<std::size_t>(i)].push_back(j);
        }
      }
    }
  }
  BlockMatrix out;
  BlockStructure& s = out.structure;
  s.offset = {0};
  s.row_start = {0};
  s.value_start = {0};
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    auto& row = columns[i];
    std::sort(row.begin(), row.end());
    row.erase(std::unique(row.begin(), row.end()), row.end());
    s.offset.push_back(s.offset.back() + sizes[i]);
    s.row_start.push_back(s.row_start.back() + static_cast<Index>(row.size()));
    for (const Index j : row) {
      s.column.push_back(static_cast<std::int32_t>(j));
      s.value_start.push_back(s.value_start.back() + sizes[i] * sizes[static_cast<std::size_t>(j)]);
    }
  }
  out.values.assign(static_cast<std::size_t>(s.values()), 0.0);
  const auto add = [&](Index i, Index j, const Matrix& block) {
    for (Index k = s.row_start[static_cast<std::size_t>(i)]; k < s.row_start[static_cast<std::size_t>(i) + 1];
         ++k) {
      if (s.column[static_cast<std::size_t>(k)] == j) {
        Eigen::Map<Matrix>(out.values.data() + s.value_start[static_cast<std::size_t>(k)], block.rows(),
                           block.cols()) += block;
      }
    }
  };
  for (const auto& term : terms) {
    std::vector<Matrix> J;
    for (const Index i : term) {
      Matrix block(2, sizes[static_cast<std::size_t>(i)]);
      for (double& v : block.reshaped()) {
        v = random.normal();
      }
      J.push_back(block);
    }
    for (std::size_t a = 0; a < term.size(); ++a) {
      for (std::size_t b = 0; b < term.size(); ++b) {
        if (term[a] <= term[b]) {
          add(term[a], term[b], J[a].transpose() * J[b]);
        }
      }
    }
  }
  for (Index i = 0; i < count; ++i) {
    const Index n = sizes[static_cast<std::size_t>(i)];
    add(i, i, 0.01 * Matrix::Identity(n, n));
  }
  return out;
}

/// Cameras first, then points (or the other way round), each point seen by some cameras.
BlockMatrix bundle(Index cameras, Index camera_size, Index points, Index point_size, bool points_first,
                   RandomSequence& random) {
  std::vector<Index> sizes;
  std::vector<std::vector<Index>> terms;
  for (Index i = 0; i < cameras + points; ++i) {
    const bool point = points_first ? i < points : i >= cameras;
    sizes.push_back(point ? point_size : camera_size);
  }
  for (Index p = 0; p < points; ++p) {
    for (Index seen = 0; seen < 4; ++seen) {
      const Index camera = (p + seen * (1 + p % 3)) % cameras;
      terms.push_back(points_first ? std::vector<Index>{p, points + camera}
                                   : std::vector<Index>{camera, cameras + p});
    }
  }
  return gauss_newton(sizes, terms, random);
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

// ---- Block elimination
// --------------------------------------------------------------------------------------

TEST_CASE("block elimination solves the damped system") {
  RandomSequence random(7);
  const auto [camera, point, first] = GENERATE(table<Index, Index, bool>(
      {{9, 3, false}, {9, 3, true}, {6, 3, false}, {6, 3, true}, {3, 3, true}, {7, 2, false}, {4, 5, true}}));
  const BlockOperator B(bundle(5, camera, 60, point, first, random));
  const Matrix M = dense(B);
  const Index n = B.size();
  const Vector g = random_vector(random, n);
  const std::vector<double> gradient = values(g);
  const Metric metric = metric_for(B, MetricKind::marquardt);
  const auto solver = block_schur_part().make({});
  REQUIRE_FALSE(solver->unfit(B).has_value());
  REQUIRE(solver->prepare({B, gradient, metric}) == StepStatus::ok);
  std::string description;
  solver->describe(description);
  CHECK(description ==
        "dense Schur complement of 5 blocks (" + std::to_string(5 * camera) + "), 60 blocks eliminated");
  double last = infinity;
  for (const double lambda : {0.0, 1e-4, 1.0, 100.0}) {
    Matrix damped = M;
    damped.diagonal() += lambda * Eigen::Map<const Vector>(metric.weights().data(), n);
    const Vector expected = -damped.ldlt().solve(g);
    std::vector<double> step(gradient.size());
    const StepReport report = solver->solve(Damping{lambda}, step);
    REQUIRE(report.status == StepStatus::ok);
    const Eigen::Map<const Vector> d(step.data(), n);
    CHECK((d - expected).norm() < 1e-9 * expected.norm());
    CHECK(report.predicted_decrease == Approx(-(g.dot(d) + 0.5 * d.dot(M * d))).epsilon(1e-9));
    CHECK(report.slope == Approx(g.dot(d)));
    CHECK(report.norm <= last);
    last = report.norm;
    const Vector rhs = random_vector(random, n);
    Vector x(n);
    REQUIRE(solver->resolve({rhs.data(), gradient.size()}, {x.data(), gradient.size()}));
    CHECK((damped * x - rhs).norm() < 1e-9 * damped.norm() * x.norm());
  }
}

TEST_CASE("block elimination works for pose graphs, mixed sizes and a single block") {
  RandomSequence random(8);
  std::vector<Index> sizes;
  std::vector<std::vector<Index>> terms;
  SECTION("a chain with closures and blocks of several sizes") {
    for (Index i = 0; i < 40; ++i) {
      sizes.push_back(1 + i % 4);
      if (i > 0) {
        terms.push_back({i - 1, i});
      }
      if (i > 10 && i % 5 == 0) {
        terms.push_back({i - 9, i});
      }
    }
  }
  SECTION("a term over three blocks") {
    for (Index i = 0; i < 30; ++i) {
      sizes.push_back(2);
      terms.push_back({i == 0 ? 1 : 0, i == 0 ? 2 : i, 29});
      std::sort(terms.back().begin(), terms.back().end());
      terms.back().erase(std::unique(terms.back().begin(), terms.back().end()), terms.back().end());
    }
  }
  SECTION("one block") {
    sizes = {5};
    terms = {{0}, {0}, {0}};
  }
  SECTION("blocks that do not touch") {
    sizes = std::vector<Index>(50, 2);
  }
  const BlockOperator B(gauss_newton(sizes, terms, random));
  const Vector g = random_vector(random, B.size());
  const std::vector<double> gradient = values(g);
  const Metric metric = metric_for(B);
  const auto solver = block_schur_part().make({});
  REQUIRE_FALSE(solver->unfit(B).has_value());
  REQUIRE(solver->prepare({B, gradient, metric}) == StepStatus::ok);
  std::vector<double> step(gradient.size());
  const StepReport report = solver->solve(Damping{0.1}, step);
  REQUIRE(report.status == StepStatus::ok);
  Matrix damped = dense(B);
  damped.diagonal().array() += 0.1;
  const Eigen::Map<const Vector> d(step.data(), B.size());
  CHECK((damped * d + g).norm() < 1e-11 * g.norm());
}

TEST_CASE("block elimination follows a change of structure") {
  RandomSequence random(9);
  const BlockOperator first(bundle(3, 6, 20, 3, false, random));
  const BlockOperator second(bundle(4, 9, 15, 3, true, random));
  const auto solver = block_schur_part().make({});
  for (const BlockOperator* B : {&first, &second, &first}) {
    const Vector g = random_vector(random, B->size());
    const std::vector<double> gradient = values(g);
    const Metric metric = metric_for(*B);
    REQUIRE(solver->prepare({*B, gradient, metric}) == StepStatus::ok);
    std::vector<double> step(gradient.size());
    REQUIRE(solver->solve(Damping{0.5}, step).status == StepStatus::ok);
    Matrix damped = dense(*B);
    damped.diagonal().array() += 0.5;
    CHECK((damped * Eigen::Map<const Vector>(step.data(), B->size()) + g).norm() < 1e-11 * g.norm());
  }
}

TEST_CASE("block elimination names the variable of a failed pivot") {
  RandomSequence random(10);
  BlockMatrix matrix = bundle(3, 6, 20, 3, false, random);
  const BlockStructure& s = matrix.structure;
  const std::size_t block = GENERATE(std::size_t{1}, std::size_t{9});  // a camera, a point
  // Entry (2, 2) of the block's diagonal.
  const auto at = static_cast<std::size_t>(s.value_start[static_cast<std::size_t>(s.row_start[block])]);
  const auto size = static_cast<std::size_t>(s.block_size(static_cast<Index>(block)));
  const double kept = matrix.values[at + 2 * size + 2];
  matrix.values[at + 2 * size + 2] = -50;
  const Index variable = s.offset[block] + 2;
  const BlockOperator indefinite(matrix);
  matrix.values[at + 2 * size + 2] = std::nan("");
  const BlockOperator poisoned(matrix);
  matrix.values[at + 2 * size + 2] = kept;
  const BlockOperator good(matrix);
  const std::vector<double> gradient(static_cast<std::size_t>(good.size()), 1.0);
  const Metric metric = metric_for(good);
  const auto solver = block_schur_part().make({});
  std::vector<double> step(gradient.size());
  REQUIRE(solver->prepare({indefinite, gradient, metric}) == StepStatus::ok);
  const StepReport report = solver->solve(Damping{0.0}, step);
  CHECK(report.status == StepStatus::indefinite);
  CHECK(report.blame == variable);
  REQUIRE(solver->prepare({poisoned, gradient, metric}) == StepStatus::ok);
  CHECK(solver->solve(Damping{0.0}, step).status == StepStatus::failed);
  CHECK(step == std::vector<double>(step.size(), 0.0));
  REQUIRE(solver->prepare({good, gradient, metric}) == StepStatus::ok);
  CHECK(solver->solve(Damping{0.0}, step).status == StepStatus::ok);
}

TEST_CASE("block elimination refuses what would leave too much, and names what to use") {
  RandomSequence random(11);
  const BlockOperator B(bundle(10, 9, 50, 3, false, random));
  const auto solver = block_schur_part().make({{"reduced_limit", std::int64_t{50}}});
  const auto reason = solver->unfit(B);
  REQUIRE(reason.has_value());
  CHECK(reason->find("90 variables") != std::string::npos);
  CHECK(reason->find("damped-cg") != std::string::npos);
  const test::DenseOperator dense_only(1, {1});
  CHECK(block_schur_part().make({})->unfit(dense_only).has_value());
}

TEST_CASE("block elimination gives the same bits on any number of threads") {
  RandomSequence random(12);
  const BlockOperator B(bundle(8, 9, 3000, 3, false, random));
  const std::vector<double> gradient = values(random_vector(random, B.size()));
  const Metric metric = metric_for(B);
  std::vector<double> reference;
  for (const std::size_t threads : {std::size_t{1}, std::size_t{2}, std::size_t{8}}) {
    const tbb::global_control limit(tbb::global_control::max_allowed_parallelism, threads);
    const auto solver = block_schur_part().make({});
    REQUIRE(solver->prepare({B, gradient, metric}) == StepStatus::ok);
    std::vector<double> step(gradient.size());
    for (int repeat = 0; repeat < 3; ++repeat) {
      REQUIRE(solver->solve(Damping{1e-3}, step).status == StepStatus::ok);
      if (reference.empty()) {
        reference = step;
      }
      CHECK(step == reference);
    }
  }
}

TEST_CASE("sparse Cholesky solves what block elimination solves, and says what it did") {
  RandomSequence random(13);
  const BlockOperator B(bundle(5, 9, 60, 3, true, random));
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
  const BlockOperator B(bundle(10, 9, 50, 3, false, random));
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
  const BlockOperator B(bundle(5, 9, 60, 3, true, random));
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
