// The step solver `cholmod`: the laws (laws/step_laws_test.cpp, of which this file names the candidates), and
// agreement with kappa's own factorization on problems large enough for supernodes.
#include "kappa/cholmod.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "kappa/kappa.h"
#include "kappa/random.h"
#include "support/block_bundle.h"
#include "support/catch.h"
#include "support/step_candidates.h"

namespace {

using Catch::Matchers::Contains;
using namespace kappa;

StepPart cholmod_part() {
  register_cholmod();
  return registry().step("cholmod");
}

/// Blocks of three on a square grid, each coupled with its neighbours, in a random order of the terms.
test::BlockOperator grid(Index side, RandomSequence& random) {
  std::vector<std::vector<Index>> terms;
  for (Index i = 0; i < side; ++i) {
    for (Index j = 0; j < side; ++j) {
      if (i + 1 < side) {
        terms.push_back({i * side + j, (i + 1) * side + j});
      }
      if (j + 1 < side) {
        terms.push_back({i * side + j, i * side + j + 1});
      }
    }
  }
  return test::BlockOperator(
      test::gauss_newton(std::vector<Index>(static_cast<std::size_t>(side * side), 3), terms, random));
}

struct Solved {
  StepReport report;
  std::vector<double> step;
  std::vector<double> resolved;
  std::string description;
};

Solved solve(const StepPart& part, const Options& options, const SymmetricOperator& B,
             const std::vector<double>& gradient, double lambda) {
  const auto solver = part.make(options);
  REQUIRE_FALSE(solver->unfit(B).has_value());
  CHECK(solver->flops() > 0);
  Metric metric(MetricKind::marquardt);
  metric.update(B);
  REQUIRE(solver->prepare({B, gradient, metric}) == StepStatus::ok);
  Solved out;
  out.step.resize(gradient.size());
  solver->solve(Damping{1e3}, out.step);  // the re-entry after a rejection leaves no trace
  out.report = solver->solve(Damping{lambda}, out.step);
  out.resolved.resize(gradient.size());
  REQUIRE(solver->resolve(gradient, out.resolved));
  CHECK(solver->factorizations() == 2);
  solver->describe(out.description);
  return out;
}

double distance(const std::vector<double>& a, const std::vector<double>& b, double sign = 1) {
  double difference = 0;
  double size = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    difference = std::max(difference, std::abs(a[i] - sign * b[i]));
    size = std::max(size, std::abs(b[i]));
  }
  return difference / size;
}

struct Difference {
  double d;
  template <class T>
  bool operator()(const T* a, const T* b, T* r) const {
    r[0] = b[0] - a[0] - d;
    r[1] = b[1] - a[1] * a[0];
    return true;
  }
};

struct Line {
  template <class T>
  bool operator()(const T* p, T* r) const {
    r[0] = p[0] - 2.0;
    return true;
  }
};

}  // namespace

namespace test {

std::vector<StepCandidate> step_candidates() {
  constexpr auto sparse = StepCandidate::Pattern::block_sparse;
  return {{cholmod_part, {}, true, true, sparse},
          {cholmod_part, {{"factor", "simplicial"}}, true, true, sparse},
          {cholmod_part, {{"factor", "supernodal"}}, true, true, sparse}};
}

}  // namespace test

TEST_CASE("CHOLMOD's steps are those of kappa's own sparse factorization", "[cholmod]") {
  RandomSequence random(7);
  const test::BlockOperator B = grid(24, random);
  std::vector<double> gradient(static_cast<std::size_t>(B.size()));
  for (double& g : gradient) {
    g = random.normal();
  }
  for (const double lambda : {1e-4, 1.0}) {
    const Solved own = solve(registry().step("block-cholesky"), {}, B, gradient, lambda);
    for (const char* kind : {"auto", "simplicial", "supernodal"}) {
      CAPTURE(kind, lambda);
      const Solved by = solve(cholmod_part(), {{"factor", kind}}, B, gradient, lambda);
      CHECK(by.report.status == StepStatus::ok);
      CHECK(distance(by.step, own.step) < 1e-10);
      CHECK(distance(by.resolved, by.step, -1) < 1e-12);
      CHECK(by.report.predicted_decrease == Approx(own.report.predicted_decrease).epsilon(1e-11));
      CHECK_THAT(by.description, Contains("CHOLMOD of 1728 variables"));
      if (std::string(kind) != "auto") {
        CHECK_THAT(by.description, Contains(kind));
      }
    }
  }
}

TEST_CASE("CHOLMOD names the variable of a failed pivot, also of one that rounding left over", "[cholmod]") {
  RandomSequence random(8);
  test::BlockMatrix matrix = test::bundle(4, 6, 20, 3, test::First::cameras, random);
  const BlockStructure& s = matrix.structure;
  // Point 10's first variable is coupled with nothing and has the diagonal entry `entry`.
  const Index block = 14;
  const Index variable = s.offset[block];
  for (Index i = 0; i <= block; ++i) {
    for (Index k = s.row_start[static_cast<std::size_t>(i)]; k < s.row_start[static_cast<std::size_t>(i) + 1];
         ++k) {
      double* values = matrix.values.data() + s.value_start[static_cast<std::size_t>(k)];
      for (Index r = 0; r < s.block_size(i) && s.column[static_cast<std::size_t>(k)] == block; ++r) {
        values[r] = 0;
        if (i == block) {
          values[r * 3] = 0;
        }
      }
    }
  }
  double& entry =
      matrix.values[static_cast<std::size_t>(s.value_start[static_cast<std::size_t>(s.row_start[block])])];
  const std::vector<double> gradient(static_cast<std::size_t>(s.size()), 1.0);
  for (const char* kind : {"simplicial", "supernodal"}) {
    for (const double value : {-1.0, 0.0}) {
      CAPTURE(kind, value);
      entry = value;
      const test::BlockOperator B(matrix);
      Metric ones(MetricKind::identity);
      ones.update(B);
      const auto solver = cholmod_part().make({{"factor", kind}});
      REQUIRE(solver->prepare({B, gradient, ones}) == StepStatus::ok);
      std::vector<double> step(gradient.size());
      const StepReport report = solver->solve(Damping{0.0}, step);
      CHECK(report.status == StepStatus::indefinite);
      CHECK(report.blame == variable);
      CHECK(solver->solve(Damping{2.0}, step).status == StepStatus::ok);
    }
  }
}

TEST_CASE("CHOLMOD follows a change of structure", "[cholmod]") {
  RandomSequence random(9);
  const auto solver = cholmod_part().make({});
  for (const Index side : {3, 9, 2, 9}) {
    const test::BlockOperator B = grid(side, random);
    const std::vector<double> gradient(static_cast<std::size_t>(B.size()), 1.0);
    Metric metric(MetricKind::identity);
    metric.update(B);
    REQUIRE(solver->prepare({B, gradient, metric}) == StepStatus::ok);
    std::vector<double> step(gradient.size());
    REQUIRE(solver->solve(Damping{0.1}, step).status == StepStatus::ok);
    std::vector<double> product(gradient.size());
    B.multiply(step, product);
    for (std::size_t i = 0; i < step.size(); ++i) {
      CHECK(product[i] + 0.1 * step[i] == Approx(-1.0).epsilon(1e-10));
    }
  }
}

TEST_CASE("minimize takes step cholmod by name, and says what it did", "[cholmod]") {
  register_cholmod();
  register_cholmod();  // once more does nothing
  ResidualProblem chain;
  std::vector<ParameterBlock> blocks;
  for (int i = 0; i < 300; ++i) {
    blocks.push_back(chain.add_parameters({0.0, 1.0}));
  }
  chain.set_constant(blocks.front());
  for (std::size_t i = 1; i < blocks.size(); ++i) {
    chain.add(kappa::autodiff<2, 2, 2>(Difference{0.01}), {blocks[i - 1], blocks[i]});
  }
  const Result own = minimize(chain, chain.initial(), levenberg_marquardt({.step = {"block-cholesky"}}));
  const Result by = minimize(chain, chain.initial(), levenberg_marquardt({.step = {"cholmod"}}));
  CHECK(by.converged());
  CHECK(by.step == "cholmod");
  CHECK(by.value == Approx(own.value).margin(1e-20));
  CHECK(std::any_of(by.notes.begin(), by.notes.end(), [](const std::string& note) {
    return note.find("by CHOLMOD of 598") != std::string::npos;
  }));
  // A small problem without blocks.
  ResidualProblem small;
  const auto x = small.add_parameters({1.0});
  small.add(kappa::autodiff<1, 1>(Line{}), {x});
  CHECK_THROWS_WITH(
      minimize(small, small.initial(), levenberg_marquardt({.curvature = {"diagonal"}, .step = {"cholmod"}})),
      Contains("needs a block-sparse curvature"));
}
