#include "problems/residual/assembly_kernels.h"

#include <cmath>

#include "kappa/jet.h"
#include "kappa/problem.h"
#include "kappa/random.h"
#include "kappa/residuals.h"
#include "support/catch.h"

using namespace kappa;

namespace {

std::vector<double> random_numbers(Index count, std::uint64_t stream) {
  const CounterRandom random(7, stream);
  std::vector<double> out(static_cast<std::size_t>(count));
  for (std::size_t i = 0; i < out.size(); ++i) {
    out[i] = 2 * random.uniform(i) - 1;
  }
  return out;
}

/// Every block adds to sum 0, and the last one to sum 1 as well.
detail::ScatteredSums one_sum(Index blocks, Index width) {
  detail::ScatteredSums sums;
  sums.destination.assign(static_cast<std::size_t>(blocks), 0);
  sums.destination.back() = 1;
  sums.plan(
      1, 2, [&](Index) { return width; }, [&](Index, const auto& visit) { visit(0, blocks, 1); });
  return sums;
}

}  // namespace

TEST_CASE("Kernels add weighted products of Jacobians, the upper triangle of diagonal blocks", "[residual]") {
  constexpr Index blocks = 5;
  for (const int R : {2, 3, 6}) {
    for (const int rows : {3, 6, 9}) {
      for (const int cols : {3, 6, 9}) {
        for (const bool diagonal : {false, true}) {
          const detail::OuterKernel kernel = detail::outer_kernel(R, rows, cols, diagonal);
          if (kernel == nullptr || (diagonal && rows != cols)) {
            CHECK((kernel != nullptr || R == 6));
            continue;
          }
          CAPTURE(R, rows, cols, diagonal);
          const Index N = rows + cols;
          const std::vector<double> J = random_numbers(blocks * R * N, 1);
          const std::vector<double> weight = random_numbers(blocks, 2);
          const Index width = rows * cols;
          detail::ScatteredSums sums = one_sum(blocks, width);
          const std::vector<Index> start{0, width, 2 * width};
          std::vector<double> values(static_cast<std::size_t>(2 * width), std::nan(""));
          const double* B = J.data() + (diagonal ? 0 : rows);
          kernel({.count = blocks,
                  .A = {J.data(), N, R * N},
                  .B = {B, N, R * N},
                  .outer = weight.data(),
                  .outer_step = 1,
                  .sums = sums,
                  .contribution = 0,
                  .contribution_step = 1,
                  .values = values.data(),
                  .start = start.data()});
          for (Index sum = 0; sum < 2; ++sum) {
            if (diagonal) {
              detail::mirror(values.data() + sum * width, rows);
            }
            for (Index j = 0; j < cols; ++j) {
              for (Index i = 0; i < rows; ++i) {
                long double expected = 0;
                for (Index b = sum == 0 ? 0 : blocks - 1; b < (sum == 0 ? blocks - 1 : blocks); ++b) {
                  for (Index k = 0; k < R; ++k) {
                    const Index row = (b * R + k) * N;
                    expected += static_cast<long double>(weight[static_cast<std::size_t>(b)]) *
                                J[static_cast<std::size_t>(row + i)] * B[row + j];
                  }
                }
                CHECK(std::fabs(values[static_cast<std::size_t>(sum * width + i + j * rows)] -
                                static_cast<double>(expected)) < 1e-14);
              }
            }
          }
        }
      }
    }
  }
}

TEST_CASE("Sums of absolute values agree with plain loops for every number of columns", "[residual]") {
  constexpr Index blocks = 7;
  constexpr Index R = 2;
  for (Index N = 1; N <= 40; ++N) {
    const std::vector<double> u = random_numbers(blocks * R, 3);
    const std::vector<double> J = random_numbers(blocks * R * N, 4);
    std::vector<double> x = random_numbers(blocks * N, 5);
    long double expected = 0;
    for (Index b = 0; b < blocks; ++b) {
      for (Index j = 0; j < N; ++j) {
        double& entry = x[static_cast<std::size_t>(b * N + j)];
        entry = j % 3 == 2 ? 0.0 : std::fabs(entry);
        for (Index k = 0; k < R; ++k) {
          expected += std::fabs(static_cast<long double>(u[static_cast<std::size_t>(b * R + k)]) *
                                J[static_cast<std::size_t>((b * R + k) * N + j)]) *
                      entry;
        }
      }
    }
    const double sum = detail::absolute_sum(
        {.blocks = blocks, .residuals = R, .columns = N, .u = u.data(), .J = J.data(), .x = x.data()});
    CAPTURE(N);
    CHECK(std::fabs(sum - static_cast<double>(expected)) < 1e-13 * sum + 1e-300);
  }
}

namespace {

struct Edge {
  double length;
  template <class T>
  bool operator()(const T* a, const T* b, T* r) const {
    for (int i = 0; i < 3; ++i) {
      r[i] = sin(a[i]) * b[(i + 1) % 3] - T(length);
    }
    return true;
  }
};

ResidualProblem chain(Index blocks) {
  ResidualProblem problem;
  problem.reserve(blocks, 3 * blocks, 2 * blocks);
  for (Index i = 0; i < blocks; ++i) {
    const std::vector<double> x = random_numbers(3, static_cast<std::uint64_t>(i) + 10);
    problem.add_parameters(x, i == 1 ? "named" : "");
  }
  problem.number({0}, blocks, "node");
  for (Index i = 0; i + 1 < blocks; ++i) {
    problem.add(autodiff<3, 3, 3>(Edge{0.1 * static_cast<double>(i % 7)}), {{i}, {i + 1}});
    problem.add(autodiff<3, 3, 3>(Edge{0.2}), {{i + 1}, {(7 * i) % (i + 1)}});
  }
  return problem;
}

}  // namespace

TEST_CASE("Jacobians that were not kept are evaluated anew to the same bits", "[residual]") {
  const ResidualProblem problem = chain(2000);
  const std::vector<double> x = problem.initial();
  const auto n = static_cast<std::size_t>(problem.tangent_dimension());
  Request request;
  request.want = Want::value | Want::gradient | Want::linearization;
  request.models = {Model::gauss_newton};
  Evaluation kept;
  kept.reset(x, 0);
  REQUIRE(problem.evaluate(request, kept) == EvalStatus::ok);
  const std::vector<double> v = random_numbers(static_cast<Index>(n), 6);
  std::vector<double> expected(n), product(n), by_blocks(n), diagonal(n), expected_diagonal(n);
  kept.linearization->product(Model::gauss_newton, v, expected);
  REQUIRE(kept.linearization->diagonal(Model::gauss_newton, expected_diagonal));

  Evaluation fused;
  fused.reset(x, 0);
  request.blocks = true;
  REQUIRE(problem.evaluate(request, fused) == EvalStatus::ok);
  const BlockMatrix* blocks = fused.linearization->blocks(Model::gauss_newton);
  REQUIRE(blocks != nullptr);
  blocks->multiply(v, by_blocks);
  fused.linearization->product(Model::gauss_newton, v, product);
  CHECK(product == expected);
  CHECK(kept.gradient == fused.gradient);
  CHECK(kept.linearization->blocks(Model::gauss_newton)->values == blocks->values);
  REQUIRE(fused.linearization->diagonal(Model::gauss_newton, diagonal));
  for (std::size_t i = 0; i < n; ++i) {
    CHECK(std::fabs(by_blocks[i] - expected[i]) < 1e-12);
    CHECK(std::fabs(diagonal[i] - expected_diagonal[i]) < 1e-12);
  }
}

TEST_CASE("Parameter blocks without a name of their own may be numbered", "[residual]") {
  ResidualProblem problem = chain(4);
  CHECK(problem.name(ParameterBlock{0}) == "node 0");
  CHECK(problem.name(ParameterBlock{1}) == "named");
  CHECK(problem.name(ParameterBlock{3}) == "node 3");
  CHECK(problem.variable_name(10) == "node 3, entry 1");
  const ParameterBlock other = problem.add_parameters({1.0});
  CHECK(problem.name(other) == "parameter block 4");
  CHECK_THROWS_AS(problem.number({3}, 3, "node"), Error);
  CHECK_THROWS_AS(problem.number({9}, 1, "node"), Error);
}
