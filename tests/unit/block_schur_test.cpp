// The step solver block-schur against dense solves, for each way of solving the reduced system.
#include <tbb/global_control.h>
#include <tbb/task_arena.h>

#include <Eigen/Dense>
#include <cmath>
#include <stop_token>
#include <string>
#include <vector>

#include "kappa/random.h"
#include "solvers/step/parts.h"
#include "support/block_bundle.h"
#include "support/catch.h"
#include "support/dense_operator.h"
#include "support/dense_solve.h"

namespace {

using Catch::Matchers::Contains;
using namespace kappa;
using test::BlockOperator;
using test::bundle;
using test::First;
using test::gauss_newton;
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

/// Every way of solving the reduced system, conjugate gradients to rounding.
std::vector<Options> ways() {
  std::vector<Options> out = {{{"reduced", "dense"}}, {{"reduced", "sparse"}}};
  for (const char* reduced : {"pcg", "implicit-pcg"}) {
    for (const char* preconditioner : {"schur-jacobi", "block-jacobi", "power-series"}) {
      out.push_back({{"reduced", reduced},
                     {"preconditioner", preconditioner},
                     {"forcing", 0.0},
                     {"iterations", std::int64_t{3000}}});
    }
  }
  return out;
}

std::string text(const Options& options) {
  std::string out;
  for (const auto& [name, value] : options.entries()) {
    out += name + "=" + to_text(value) + " ";
  }
  return out;
}

std::vector<Index> same(Index count, Index size) {
  return std::vector<Index>(static_cast<std::size_t>(count), size);
}

/// Scenes of all the sizes that have kernels of their own, and of others.
std::vector<test::Scene> scenes() {
  std::vector<Index> mixed;
  for (Index i = 0; i < 30; ++i) {
    mixed.push_back(i % 3 == 0 ? 3 : i % 3 == 1 ? 9 : 5);
  }
  return {
      {.camera_sizes = same(8, 9), .points = 100},
      {.camera_sizes = same(8, 9), .points = 100, .first = First::points},
      {.camera_sizes = same(70, 6), .points = 300, .density = 0.05, .camera_couplings = 40},
      {.camera_sizes = same(12, 6), .points = 80, .first = First::points},
      {.camera_sizes = same(20, 3), .points = 90, .camera_couplings = 10},
      {.camera_sizes = same(12, 6), .points = 50, .point_size = 6},
      {.camera_sizes = same(9, 7), .points = 60, .point_size = 2, .camera_couplings = 5},
      {.camera_sizes = mixed, .points = 200, .density = 0.1, .camera_couplings = 20},
      {.camera_sizes = mixed, .points = 120, .density = 0.1, .first = First::points},
  };
}

}  // namespace

TEST_CASE("block elimination solves the damped system") {
  RandomSequence random(7);
  const auto [camera, point, first] = GENERATE(table<Index, Index, First>({{9, 3, First::cameras},
                                                                           {9, 3, First::points},
                                                                           {6, 3, First::cameras},
                                                                           {6, 3, First::points},
                                                                           {3, 3, First::points},
                                                                           {6, 6, First::cameras},
                                                                           {7, 2, First::cameras},
                                                                           {4, 5, First::points}}));
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
  CHECK(description.starts_with("dense Schur complement of 5 blocks (" + std::to_string(5 * camera) +
                                "), 60 blocks eliminated: "));
  double last = infinity;
  for (const double lambda : {0.0, 1e-4, 1.0, 100.0}) {
    Matrix damped = M;
    damped.diagonal() += lambda * Eigen::Map<const Vector>(metric.weights().data(), n);
    const Vector expected = -test::solve_symmetric(damped, g);
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
  const BlockOperator first(bundle(3, 6, 20, 3, First::cameras, random));
  const BlockOperator second(bundle(4, 9, 15, 3, First::points, random));
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
  BlockMatrix matrix = bundle(3, 6, 20, 3, First::cameras, random);
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

TEST_CASE("block elimination refuses what does not fit the memory, and names what to use") {
  RandomSequence random(11);
  const BlockOperator B(bundle(40, 9, 200, 3, First::cameras, random));
  const auto solver = block_schur_part().make({{"reduced", "dense"}, {"memory", std::int64_t{1}}});
  const auto reason = solver->unfit(B);
  REQUIRE(reason.has_value());
  CHECK(reason->find("360 variables") != std::string::npos);
  CHECK(reason->find("implicit-pcg") != std::string::npos);
  CHECK_FALSE(block_schur_part().make({{"memory", std::int64_t{1}}})->unfit(B).has_value());
  const test::DenseOperator dense_only(1, {1});
  CHECK(block_schur_part().make({})->unfit(dense_only).has_value());
  CHECK_THROWS_AS(block_schur_part().make({{"reduced", "sprase"}}), Error);
  CHECK_THROWS_AS(block_schur_part().make({{"forcing", 1.0}}), Error);
  CHECK_THROWS_AS(block_schur_part().make({{"power_terms", std::int64_t{3}}}), Error);
}

TEST_CASE("every way of solving the reduced system agrees with a dense solve") {
  RandomSequence random(20);
  for (const test::Scene& scene : scenes()) {
    const BlockOperator B(test::scene(scene, random));
    const Matrix M = dense(B);
    const Index n = B.size();
    const Vector g = random_vector(random, n);
    const std::vector<double> gradient = values(g);
    const Metric metric = metric_for(B, MetricKind::marquardt);
    std::vector<std::pair<double, Vector>> oracle;  // damping and step; a dense factor takes its time
    for (const double lambda : {1e-8, 1e-2, 1.0}) {
      Matrix damped = M;
      damped.diagonal() += lambda * Eigen::Map<const Vector>(metric.weights().data(), n);
      oracle.emplace_back(lambda, -test::solve_symmetric(damped, g));
    }
    for (const Options& options : ways()) {
      INFO(text(options) << n << " variables");
      const auto solver = block_schur_part().make(options);
      REQUIRE_FALSE(solver->unfit(B).has_value());
      REQUIRE(solver->prepare({B, gradient, metric}) == StepStatus::ok);
      for (const auto& [lambda, expected] : oracle) {
        std::vector<double> step(gradient.size());
        const StepReport report = solver->solve(Damping{lambda}, step);
        CAPTURE(lambda, report.inner_iterations);
        REQUIRE(report.status == StepStatus::ok);
        const Eigen::Map<const Vector> d(step.data(), n);
        // Where Z is rounded to single precision, the step shows it: 1e-7 times what damping leaves of
        // the condition.
        const bool single = text(options).find("implicit") != std::string::npos && lambda >= 1e-5;
        CHECK((d - expected).norm() < (single ? 1e-4 : 1e-8) * expected.norm());
        CHECK(report.predicted_decrease ==
              Approx(-(g.dot(d) + 0.5 * d.dot(test::product(M, Vector(d))))).epsilon(1e-9));
        CHECK(report.slope == Approx(g.dot(d)));
      }
    }
  }
}

TEST_CASE("a step cut short still solves the eliminated blocks' equations, and predicts its own decrease") {
  RandomSequence random(21);
  const BlockOperator B(test::scene({.camera_sizes = same(30, 9), .points = 400, .density = 0.15}, random));
  const Matrix M = dense(B);
  const Index n = B.size();
  const Vector g = random_vector(random, n);
  const std::vector<double> gradient = values(g);
  const Metric metric = metric_for(B, MetricKind::marquardt);
  Matrix damped = M;
  damped.diagonal() += 1e-3 * Eigen::Map<const Vector>(metric.weights().data(), n);
  const double best = 0.5 * g.dot(test::solve_symmetric(damped, g));
  for (const char* reduced : {"pcg", "implicit-pcg"}) {
    for (const char* preconditioner : {"schur-jacobi", "block-jacobi", "power-series"}) {
      double last_decrease = 0;
      Index last_iterations = 0;
      for (const double forcing : {0.5, 0.1, 1e-3}) {
        const auto solver = block_schur_part().make(
            {{"reduced", reduced}, {"preconditioner", preconditioner}, {"forcing", forcing}});
        REQUIRE(solver->prepare({B, gradient, metric}) == StepStatus::ok);
        std::vector<double> step(gradient.size());
        const StepReport report = solver->solve(Damping{1e-3}, step);
        CAPTURE(reduced, preconditioner, forcing);
        REQUIRE(report.status == StepStatus::ok);
        const Eigen::Map<const Vector> d(step.data(), n);
        const Vector damped_d = test::product(damped, Vector(d));
        CHECK((damped_d + g).tail(n - 270).norm() < 1e-11 * g.norm());
        CHECK(report.predicted_decrease ==
              Approx(-(g.dot(d) + 0.5 * d.dot(test::product(M, Vector(d))))).epsilon(1e-9));
        const double decrease = -(g.dot(d) + 0.5 * d.dot(damped_d));
        CHECK(decrease >= last_decrease);
        CHECK(report.inner_iterations >= last_iterations);
        CHECK(report.inner_iterations > 0);
        last_decrease = decrease;
        last_iterations = report.inner_iterations;
        std::vector<double> out(step.size());
        CHECK_FALSE(solver->resolve(gradient, out));
      }
      CHECK(last_decrease > 0.999 * best);
      CHECK(last_decrease <= best * (1 + 1e-12));
    }
  }
}

TEST_CASE("conjugate gradients stop at their limit and when interrupted") {
  RandomSequence random(22);
  const BlockOperator B(test::scene({.camera_sizes = same(30, 9), .points = 400, .density = 0.15}, random));
  const std::vector<double> gradient = values(random_vector(random, B.size()));
  const Metric metric = metric_for(B);
  for (const char* reduced : {"pcg", "implicit-pcg"}) {
    const auto solver =
        block_schur_part().make({{"reduced", reduced}, {"forcing", 0.0}, {"iterations", std::int64_t{3}}});
    REQUIRE(solver->prepare({B, gradient, metric}) == StepStatus::ok);
    std::vector<double> step(gradient.size());
    const StepReport report = solver->solve(Damping{1e-3}, step);
    CHECK(report.status == StepStatus::ok);
    CHECK(report.inner_iterations == 3);
    CHECK(report.predicted_decrease > 0);
    std::stop_source source;
    source.request_stop();
    const Interrupt interrupt{source.get_token(), std::nullopt};
    REQUIRE(solver->prepare({B, gradient, metric, &interrupt}) == StepStatus::ok);
    CHECK(solver->solve(Damping{1e-3}, step).status == StepStatus::interrupted);
    CHECK(step == std::vector<double>(step.size(), 0.0));
  }
}

TEST_CASE("every way of solving the reduced system names the variable of a failed pivot") {
  RandomSequence random(23);
  BlockMatrix matrix = bundle(3, 9, 20, 3, First::cameras, random);
  const BlockStructure& s = matrix.structure;
  const std::size_t block = GENERATE(std::size_t{1}, std::size_t{9});  // a camera, a point
  const auto at = static_cast<std::size_t>(s.value_start[static_cast<std::size_t>(s.row_start[block])]);
  const auto size = static_cast<std::size_t>(s.block_size(static_cast<Index>(block)));
  matrix.values[at + 2 * size + 2] = GENERATE(-50.0, std::nan(""));
  const bool is_number = matrix.values[at + 2 * size + 2] < 0;
  const Index variable = s.offset[block] + 2;
  const BlockOperator B(matrix);
  const std::vector<double> gradient(static_cast<std::size_t>(B.size()), 1.0);
  Metric metric(MetricKind::identity);
  metric.update(B);
  for (const Options& options : ways()) {
    INFO(text(options));
    const auto solver = block_schur_part().make(options);
    REQUIRE(solver->prepare({B, gradient, metric}) == StepStatus::ok);
    std::vector<double> step(gradient.size());
    const StepReport report = solver->solve(Damping{0.0}, step);
    CHECK(report.status == (is_number ? StepStatus::indefinite : StepStatus::failed));
    CHECK(report.blame == variable);
    CHECK(step == std::vector<double>(step.size(), 0.0));
  }
}

TEST_CASE("the choice goes by the structure and says what decided") {
  RandomSequence random(24);
  const auto describe = [](const SymmetricOperator& B) {
    const auto solver = block_schur_part().make({});
    CHECK_FALSE(solver->unfit(B).has_value());
    const std::vector<double> gradient(static_cast<std::size_t>(B.size()), 1.0);
    const Metric metric = metric_for(B);
    REQUIRE(solver->prepare({B, gradient, metric}) == StepStatus::ok);
    std::string out;
    solver->describe(out);
    CHECK(solver->flops() > 0);
    return out;
  };
  CHECK(describe(BlockOperator(bundle(12, 9, 300, 3, First::cameras, random)))
            .starts_with("dense Schur complement of 12 blocks (108), 300 blocks eliminated: "));
  // A street: each point is seen from three cameras in a row.
  std::vector<Index> sizes = same(400, 9);
  std::vector<std::vector<Index>> terms;
  for (Index p = 0; p < 2000; ++p) {
    sizes.push_back(3);
    for (Index k = 0; k < 3; ++k) {
      terms.push_back({(p / 5 + k) % 400, 400 + p});
    }
  }
  const std::string street = describe(BlockOperator(gauss_newton(sizes, terms, random)));
  INFO(street);
  CHECK(street.starts_with("block-sparse Schur complement of 400 blocks (3600), 2000 blocks eliminated: "));
  CHECK(street.find("dense") != std::string::npos);
}

TEST_CASE("the user's elimination group is eliminated, whatever the structure suggests") {
  RandomSequence random(31);
  // Points would be eliminated; the user asks for the cameras, which are independent as well. Other groups
  // and blocks of none are kept.
  BlockMatrix matrix = bundle(12, 9, 60, 3, First::cameras, random);
  matrix.structure.elimination_group.assign(72, 7);
  std::fill_n(matrix.structure.elimination_group.begin(), 12, 2);
  matrix.structure.elimination_group[5] = -1;
  matrix.structure.elimination_group[30] = 9;
  const BlockOperator B(matrix);
  const Matrix A = dense(B);
  const Metric metric = metric_for(B);
  const Vector g = random_vector(random, B.size());
  const std::vector<double> gradient = values(g);
  const Vector expected = -test::solve_symmetric(Matrix(A + 0.5 * Matrix::Identity(A.rows(), A.cols())), g);
  for (const Options& options : ways()) {
    INFO(text(options));
    const auto solver = block_schur_part().make(options);
    REQUIRE_FALSE(solver->unfit(B).has_value());
    REQUIRE(solver->prepare({B, gradient, metric}) == StepStatus::ok);
    std::vector<double> step(gradient.size());
    REQUIRE(solver->solve(Damping{0.5}, step).status == StepStatus::ok);
    CHECK((Eigen::Map<const Vector>(step.data(), B.size()) - expected).norm() < 1e-9 * expected.norm());
    std::string out;
    solver->describe(out);
    CHECK(out.find("11 blocks of the user's group 2 eliminated") != std::string::npos);
  }
  // Another group for the same pattern is another structure.
  const auto solver = block_schur_part().make({});
  CHECK_FALSE(solver->unfit(B).has_value());
  BlockMatrix ungrouped = matrix;
  ungrouped.structure.elimination_group.clear();
  const BlockOperator free(ungrouped);
  CHECK_FALSE(solver->unfit(free).has_value());
  REQUIRE(solver->prepare({free, gradient, metric}) == StepStatus::ok);
  std::string out;
  solver->describe(out);
  CHECK(out.find(", 60 blocks eliminated") != std::string::npos);
}

TEST_CASE("a group that is not independent is an error that names two coupled blocks") {
  RandomSequence random(32);
  BlockMatrix matrix = bundle(6, 9, 60, 3, First::cameras, random);
  matrix.structure.elimination_group.assign(66, -1);
  matrix.structure.elimination_group[0] = 0;
  matrix.structure.elimination_group[6] = 0;  // the first point, which the first camera sees
  const auto solver = block_schur_part().make({});
  CHECK_THROWS_WITH(solver->unfit(BlockOperator(matrix)),
                    Contains("blocks 0 and 6 are both in elimination group 0"));
}

TEST_CASE("every way of solving the reduced system gives the same bits on any number of threads") {
  RandomSequence random(25);
  // Few cameras, where groups have sums of their own, and many that points see at random, where they have
  // none.
  const auto [cameras, points, density] =
      GENERATE(table<Index, Index, double>({{10, 2500, 0.4}, {150, 2500, 0.03}}));
  const BlockOperator B(test::scene(
      {.camera_sizes = same(cameras, 9), .points = points, .density = density, .camera_couplings = 5},
      random));
  const std::vector<double> gradient = values(random_vector(random, B.size()));
  const Metric metric = metric_for(B, MetricKind::marquardt);
  for (Options options : ways()) {
    options.set("iterations", std::int64_t{12});
    std::vector<double> reference;
    for (const int threads : {1, 2, 4, 8}) {
      const tbb::global_control limit(tbb::global_control::max_allowed_parallelism,
                                      static_cast<std::size_t>(threads));
      tbb::task_arena arena(threads);
      arena.execute([&] {
        const auto solver = block_schur_part().make(options);
        REQUIRE(solver->prepare({B, gradient, metric}) == StepStatus::ok);
        std::vector<double> step(gradient.size());
        for (int repeat = 0; repeat < 2; ++repeat) {
          REQUIRE(solver->solve(Damping{1e-3}, step).status == StepStatus::ok);
          std::vector<double> both = step;
          if (solver->resolve(gradient, step)) {
            both.insert(both.end(), step.begin(), step.end());
          }
          if (reference.empty()) {
            reference = both;
          }
          INFO(text(options) << threads << " threads");
          REQUIRE(both == reference);
        }
      });
    }
  }
}
