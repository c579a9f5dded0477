// The sparse block Cholesky factorization against dense Cholesky on random block graphs.
#include "solvers/linear/block_cholesky.h"

#include <tbb/global_control.h>

#include <Eigen/Dense>
#include <algorithm>
#include <atomic>
#include <cmath>
#include <functional>
#include <set>
#include <string>

#include "kappa/random.h"
#include "solvers/linear/tree_schedule.h"
#include "support/catch.h"
#include "support/dense_solve.h"

namespace {

using namespace kappa;
using kappa::detail::BlockCholesky;
using Matrix = Eigen::MatrixXd;
using Vector = Eigen::VectorXd;

using Edges = std::set<std::pair<Index, Index>>;  // i < j

struct Graph {
  std::string name;
  std::vector<Index> sizes;
  Edges edges;
};

std::vector<Index> sizes_of(Index blocks, const std::function<Index(Index)>& size) {
  std::vector<Index> out;
  for (Index i = 0; i < blocks; ++i) {
    out.push_back(size(i));
  }
  return out;
}

BlockStructure structure_of(const Graph& graph) {
  BlockStructure out;
  out.offset.push_back(0);
  for (const Index size : graph.sizes) {
    out.offset.push_back(out.offset.back() + size);
  }
  out.row_start.push_back(0);
  out.value_start.push_back(0);
  for (Index i = 0; i < static_cast<Index>(graph.sizes.size()); ++i) {
    for (Index j = i; j < static_cast<Index>(graph.sizes.size()); ++j) {
      if (i == j || graph.edges.contains({i, j})) {
        out.column.push_back(static_cast<std::int32_t>(j));
        out.value_start.push_back(out.value_start.back() + out.block_size(i) * out.block_size(j));
      }
    }
    out.row_start.push_back(static_cast<Index>(out.column.size()));
  }
  return out;
}

/// Positive definite: random couplings, and a dominant random diagonal block.
BlockMatrix definite_matrix(const Graph& graph, std::uint64_t seed) {
  RandomSequence random(seed);
  BlockMatrix out;
  out.structure = structure_of(graph);
  const BlockStructure& s = out.structure;
  std::vector<double> degree(graph.sizes.size(), 1.0);
  for (const auto& [i, j] : graph.edges) {
    degree[static_cast<std::size_t>(i)] += static_cast<double>(graph.sizes[static_cast<std::size_t>(j)]);
    degree[static_cast<std::size_t>(j)] += static_cast<double>(graph.sizes[static_cast<std::size_t>(i)]);
  }
  for (Index i = 0; i < s.blocks(); ++i) {
    for (Index k = s.row_start[static_cast<std::size_t>(i)]; k < s.row_start[static_cast<std::size_t>(i) + 1];
         ++k) {
      const Index rows = s.block_size(i);
      const Index cols = s.block_size(s.column[static_cast<std::size_t>(k)]);
      Matrix block(rows, cols);
      for (Index e = 0; e < block.size(); ++e) {
        block.data()[e] = 2 * random.uniform() - 1;
      }
      if (s.column[static_cast<std::size_t>(k)] == i) {
        block = Matrix(block * block.transpose()) +
                1.01 * degree[static_cast<std::size_t>(i)] * Matrix::Identity(rows, rows);
      }
      out.values.insert(out.values.end(), block.data(), block.data() + block.size());
    }
  }
  return out;
}

Matrix dense(const BlockMatrix& B) {
  Matrix out(B.structure.size(), B.structure.size());
  B.dense({out.data(), out.rows(), out.cols(), out.rows()});
  return out;
}

std::vector<Graph> graphs() {
  std::vector<Graph> out;
  const auto add = [&](std::string name, Index blocks, const std::function<Index(Index)>& size, Edges edges) {
    out.push_back({std::move(name), sizes_of(blocks, size), std::move(edges)});
  };
  const auto three = [](Index) { return Index{3}; };
  const auto six = [](Index) { return Index{6}; };
  const auto nine = [](Index) { return Index{9}; };
  const auto mixed = [](Index i) { return 1 + (i * 7) % 5; };
  Edges chain, grid, arrow, dense_graph, two;
  for (Index i = 0; i + 1 < 60; ++i) {
    chain.emplace(i, i + 1);
    arrow.emplace(i, 59);
    if (i != 29) {
      two.emplace(i, i + 1);
    }
  }
  for (Index i = 0; i < 12; ++i) {
    for (Index j = 0; j < 12; ++j) {
      if (i < 11) {
        grid.emplace(12 * i + j, 12 * (i + 1) + j);
      }
      if (j < 11) {
        grid.emplace(12 * i + j, 12 * i + j + 1);
      }
    }
  }
  for (Index i = 0; i < 25; ++i) {
    for (Index j = i + 1; j < 25; ++j) {
      dense_graph.emplace(i, j);
    }
  }
  add("one block", 1, six, {});
  add("one variable", 1, [](Index) { return Index{1}; }, {});
  add("no couplings", 40, mixed, {});
  add("chain of 3", 60, three, chain);
  add("chain, mixed", 60, mixed, chain);
  add("two chains", 60, six, two);
  add("grid of 3", 144, three, grid);
  add("grid of 6", 144, six, grid);
  add("grid, mixed", 144, mixed, grid);
  add("arrow of 6", 60, six, arrow);
  add("arrow, mixed", 60, mixed, arrow);
  add("dense of 9", 25, nine, dense_graph);
  // Fronts with more columns and more rows than the kernels take at once.
  Edges cliques;
  for (Index i = 0; i < 90; ++i) {
    for (Index j = i + 1; j < 90; ++j) {
      if (j < 60 || i >= 30) {
        cliques.emplace(i, j);
      }
    }
  }
  add("two large cliques", 90, nine, cliques);
  RandomSequence random(17);
  for (const Index blocks : {5, 20, 80, 150}) {
    for (const double density : {1.0, 2.0, 5.0}) {
      Edges edges;
      for (Index e = 0; e < static_cast<Index>(density * static_cast<double>(blocks)); ++e) {
        const auto i = static_cast<Index>(random.uniform() * static_cast<double>(blocks));
        const auto j = static_cast<Index>(random.uniform() * static_cast<double>(blocks));
        if (i != j) {
          edges.emplace(std::min(i, j), std::max(i, j));
        }
      }
      add("random " + std::to_string(blocks) + " x " + std::to_string(density), blocks, mixed, edges);
    }
  }
  return out;
}

std::vector<double> random_vector(Index n, std::uint64_t seed) {
  RandomSequence random(seed);
  std::vector<double> out(static_cast<std::size_t>(n));
  for (double& v : out) {
    v = random.normal();
  }
  return out;
}

Eigen::Map<const Vector> as_eigen(const std::vector<double>& v) {
  return {v.data(), static_cast<Index>(v.size())};
}

}  // namespace

TEST_CASE("block Cholesky solves what dense Cholesky solves, on every kind of block graph") {
  BlockCholesky factor;  // one for all: its memory comes from other structures
  for (const Graph& graph : graphs()) {
    CAPTURE(graph.name);
    const BlockMatrix B = definite_matrix(graph, 3);
    const Index n = B.structure.size();
    std::vector<double> weights = random_vector(n, 4);
    for (double& w : weights) {
      w = std::abs(w);
    }
    const std::vector<double> b = random_vector(n, 5);
    factor.analyze(B.structure);
    for (const double lambda : {0.0, 0.5, 1e4}) {
      const Matrix A = dense(B) + lambda * Matrix(as_eigen(weights).asDiagonal());
      REQUIRE(factor.factor(B, lambda, weights) == -1);
      std::vector<double> x = b;
      const double square = factor.solve(x);
      const Vector expected = test::solve_definite(A, Vector(as_eigen(b)));
      CHECK((as_eigen(x) - expected).norm() <= 1e-12 * expected.norm());
      CHECK(square == Approx(as_eigen(b).dot(expected)).epsilon(1e-12));
    }
  }
}

TEST_CASE("block Cholesky goes with a change of structure and of values") {
  const std::vector<Graph> all = graphs();
  BlockCholesky factor;
  for (const std::size_t g : {6, 11, 6}) {
    for (const std::uint64_t seed : {1, 2}) {
      const BlockMatrix B = definite_matrix(all[g], seed);
      factor.analyze(B.structure);
      REQUIRE(factor.factor(B, 0, {}) == -1);
      std::vector<double> x = random_vector(B.structure.size(), 6);
      const Vector expected = test::solve_definite(dense(B), Vector(as_eigen(x)));
      factor.solve(x);
      CHECK((as_eigen(x) - expected).norm() <= 1e-12 * expected.norm());
    }
  }
}

TEST_CASE("block Cholesky names the variable of a failed pivot") {
  for (const Graph& graph : graphs()) {
    CAPTURE(graph.name);
    BlockMatrix B = definite_matrix(graph, 7);
    const Index n = B.structure.size();
    BlockCholesky factor;
    factor.analyze(B.structure);
    const std::vector<double> zero(static_cast<std::size_t>(n), 0.0);
    for (const Index variable : {Index{0}, n / 2, n - 1}) {
      CAPTURE(variable);
      std::vector<double> weights = zero;
      weights[static_cast<std::size_t>(variable)] = -1e6;
      CHECK(factor.factor(B, 1, weights) == variable);
      CHECK(factor.failed_pivot_is_finite());
      weights[static_cast<std::size_t>(variable)] = std::nan("");
      CHECK(factor.factor(B, 1, weights) == variable);
      CHECK_FALSE(factor.failed_pivot_is_finite());
      CHECK(factor.factor(B, 1, zero) == -1);
    }
  }
}

TEST_CASE("block Cholesky takes a pivot that is rounding for a failed one, in any units") {
  // [1 1; 1 1 + t] in two blocks of one variable.
  for (const double units : {1.0, 1e-200, 1e200}) {
    const Graph graph{"pair", {1, 1}, {{0, 1}}};
    BlockMatrix B;
    B.structure = structure_of(graph);
    BlockCholesky factor;
    factor.analyze(B.structure);
    for (const double t : {0.0, epsilon}) {
      B.values = {units, units, units * (1 + t)};
      CHECK(factor.factor(B, 0, {}) >= 0);
      CHECK(factor.failed_pivot_is_finite());
    }
    B.values = {units, units, units * (1 + 1e-12)};
    CHECK(factor.factor(B, 0, {}) == -1);
    // Judged by what the entries were before something was subtracted elsewhere.
    const std::vector<double> before = {1e5 * units, 1e5 * units};
    CHECK(factor.factor(B, 0, {}, {.reference = before}) >= 0);
  }
}

TEST_CASE("block Cholesky reports one of several failures, always the same") {
  Graph grid;
  for (const Graph& graph : graphs()) {
    if (graph.name == "grid of 6") {
      grid = graph;
    }
  }
  const BlockMatrix B = definite_matrix(grid, 8);
  BlockCholesky factor;
  factor.analyze(B.structure);
  std::vector<double> weights(static_cast<std::size_t>(B.structure.size()), 0.0);
  for (std::size_t i = 5; i < weights.size(); i += 100) {
    weights[i] = -1e6;
  }
  Index first = -1;
  for (const std::size_t threads : {1, 2, 8}) {
    const tbb::global_control limit(tbb::global_control::max_allowed_parallelism, threads);
    const Index failed = factor.factor(B, 1, weights);
    CHECK(failed >= 0);
    CHECK((first == -1 || failed == first));
    first = failed;
  }
}

TEST_CASE("block Cholesky gives the same bits on any number of threads") {
  Edges grid;
  for (Index i = 0; i < 40; ++i) {
    for (Index j = 0; j < 40; ++j) {
      if (i < 39) {
        grid.emplace(40 * i + j, 40 * (i + 1) + j);
      }
      if (j < 39) {
        grid.emplace(40 * i + j, 40 * i + j + 1);
      }
    }
  }
  Edges cliques;  // one large front, and a second below it
  for (Index i = 0; i < 150; ++i) {
    for (Index j = i + 1; j < 150; ++j) {
      if (j < 100 || i >= 50) {
        cliques.emplace(i, j);
      }
    }
  }
  const std::vector<Graph> large = {{"grid", std::vector<Index>(1600, 6), grid},
                                    {"cliques", std::vector<Index>(150, 9), cliques}};
  for (const Graph& graph : large) {
    CAPTURE(graph.name);
    const BlockMatrix B = definite_matrix(graph, 9);
    const std::vector<double> b = random_vector(B.structure.size(), 10);
    std::vector<double> reference;
    double square = 0;
    for (const std::size_t threads : {1, 2, 4, 8}) {
      const tbb::global_control limit(tbb::global_control::max_allowed_parallelism, threads);
      BlockCholesky factor;
      factor.analyze(B.structure);
      for (int repeat = 0; repeat < 3; ++repeat) {
        REQUIRE(factor.factor(B, 0, {}) == -1);
        std::vector<double> x = b;
        const double s = factor.solve(x);
        if (reference.empty()) {
          reference = x;
          square = s;
        }
        CHECK(x == reference);
        CHECK(s == square);
      }
    }
  }
}

TEST_CASE("block Cholesky stops where it is asked to, and goes on afterwards") {
  const Graph graph = graphs().back();
  const BlockMatrix B = definite_matrix(graph, 11);
  BlockCholesky factor;
  factor.analyze(B.structure);
  std::stop_source source;
  Interrupt interrupt;
  interrupt.stop = source.get_token();
  CHECK(factor.factor(B, 0, {}, {.interrupt = &interrupt}) == -1);
  source.request_stop();
  CHECK(factor.factor(B, 0, {}, {.interrupt = &interrupt}) == BlockCholesky::interrupted);
  CHECK(factor.factor(B, 0, {}) == -1);
}

// ---- Orders and plans ------------------------------------------------------------------------------------

namespace {

/// The blocks of L below each column by eliminating one vertex after the other.
std::vector<std::set<Index>> eliminate(const detail::BlockGraph& graph,
                                       const std::vector<std::int32_t>& order) {
  const auto n = order.size();
  std::vector<std::size_t> place(n);
  for (std::size_t k = 0; k < n; ++k) {
    place[static_cast<std::size_t>(order[k])] = k;
  }
  std::vector<std::set<Index>> out(n);
  for (std::size_t v = 0; v < n; ++v) {
    for (Index e = graph.start[v]; e < graph.start[v + 1]; ++e) {
      const std::size_t u = place[static_cast<std::size_t>(graph.neighbour[static_cast<std::size_t>(e)])];
      if (u > place[v]) {
        out[place[v]].insert(static_cast<Index>(u));
      }
    }
  }
  for (auto& column : out) {
    for (auto i = column.begin(); i != column.end(); ++i) {
      out[static_cast<std::size_t>(*i)].insert(std::next(i), column.end());
    }
  }
  return out;
}

bool is_permutation_of(const std::vector<std::int32_t>& order, std::size_t n) {
  std::vector<char> seen(n, 0);
  for (const std::int32_t v : order) {
    seen[static_cast<std::size_t>(v)] = 1;
  }
  return order.size() == n && std::all_of(seen.begin(), seen.end(), [](char s) { return s == 1; });
}

double fill(const detail::BlockGraph& graph, const std::vector<std::int32_t>& order) {
  double out = 0;
  for (const auto& column : eliminate(graph, order)) {
    out += static_cast<double>(column.size());
  }
  return out;
}

/// A cubic lattice, its vertices numbered at random.
Graph lattice(Index side, Index size) {
  Graph out;
  out.sizes.assign(static_cast<std::size_t>(side * side * side), size);
  RandomSequence random(21);
  std::vector<Index> name(out.sizes.size());
  for (std::size_t i = 0; i < name.size(); ++i) {
    name[i] = static_cast<Index>(i);
    std::swap(name[i], name[static_cast<std::size_t>(random.uniform() * static_cast<double>(i + 1))]);
  }
  const auto couple = [&](Index a, Index b) {
    const Index i = name[static_cast<std::size_t>(a)];
    const Index j = name[static_cast<std::size_t>(b)];
    out.edges.emplace(std::min(i, j), std::max(i, j));
  };
  for (Index i = 0; i < side; ++i) {
    for (Index j = 0; j < side; ++j) {
      for (Index k = 0; k < side; ++k) {
        const Index v = (i * side + j) * side + k;
        if (i + 1 < side) {
          couple(v, v + side * side);
        }
        if (j + 1 < side) {
          couple(v, v + side);
        }
        if (k + 1 < side) {
          couple(v, v + 1);
        }
      }
    }
  }
  return out;
}

}  // namespace

TEST_CASE("both orders are permutations, and keep chains and arrows free of fill") {
  std::vector<Graph> all = graphs();
  all.push_back(lattice(8, 2));
  for (const Graph& graph : all) {
    CAPTURE(graph.name);
    const detail::BlockGraph g = detail::block_graph(structure_of(graph));
    for (const auto& order : {detail::minimum_degree(g), detail::nested_dissection(g)}) {
      CHECK(is_permutation_of(order, graph.sizes.size()));
      if (graph.name == "chain of 3" || graph.name.starts_with("two chains") ||
          graph.name.starts_with("arrow") || graph.name.starts_with("dense")) {
        CHECK(fill(g, order) == static_cast<double>(graph.edges.size()));
      }
    }
  }
}

TEST_CASE("minimum degree takes the lower stages first") {
  const detail::BlockGraph g = detail::block_graph(structure_of(lattice(5, 1)));
  std::vector<std::int32_t> stage(125);
  for (std::size_t v = 0; v < stage.size(); ++v) {
    stage[v] = static_cast<std::int32_t>((v * 7) % 3);
  }
  const std::vector<std::int32_t> order = detail::minimum_degree(g, stage);
  REQUIRE(is_permutation_of(order, 125));
  // A vertex all of whose neighbours are those of the one before may come early: it brings no fill.
  std::size_t early = 0;
  for (std::size_t k = 1; k < order.size(); ++k) {
    early +=
        stage[static_cast<std::size_t>(order[k])] < stage[static_cast<std::size_t>(order[k - 1])] ? 1 : 0;
  }
  CHECK(early <= order.size() / 10);
}

TEST_CASE("a plan holds every block of the factor, and its counts are those of its fronts") {
  std::vector<Graph> all = graphs();
  all.push_back(lattice(8, 2));
  for (const Graph& graph : all) {
    CAPTURE(graph.name);
    const detail::BlockGraph g = detail::block_graph(structure_of(graph));
    for (const auto& order : {detail::minimum_degree(g), detail::nested_dissection(g)}) {
      const detail::EliminationPlan plan = detail::plan_elimination(g, order);
      REQUIRE(is_permutation_of(plan.order, graph.sizes.size()));
      const auto exact = eliminate(g, plan.order);
      double flops = 0;
      double doubles = 0;
      for (Index s = 0; s < plan.supernodes(); ++s) {
        const auto at = static_cast<std::size_t>(s);
        const std::set<Index> rows(plan.row.begin() + plan.row_start[at],
                                   plan.row.begin() + plan.row_start[at + 1]);
        double w = 0;
        double h = 0;
        for (const Index i : rows) {
          h += static_cast<double>(
              graph.sizes[static_cast<std::size_t>(plan.order[static_cast<std::size_t>(i)])]);
        }
        bool holds = true;
        for (Index k = plan.first[at]; k < plan.first[at + 1]; ++k) {
          w += static_cast<double>(
              graph.sizes[static_cast<std::size_t>(plan.order[static_cast<std::size_t>(k)])]);
          for (const Index i : exact[static_cast<std::size_t>(k)]) {
            holds = holds && (i < plan.first[at + 1] || rows.contains(i));
          }
        }
        CHECK(holds);
        CHECK(plan.width[at] == static_cast<Index>(w));
        CHECK(plan.height[at] == static_cast<Index>(h));
        CHECK((plan.parent[at] == -1) == rows.empty());
        CHECK((rows.empty() || *rows.begin() < plan.first[static_cast<std::size_t>(plan.parent[at]) + 1]));
        flops += w * w * w / 3 + w * w * h + w * h * h;
        doubles += w * (w + 1) / 2 + w * h;
      }
      CHECK(plan.flops == Approx(flops));
      CHECK(plan.doubles == Approx(doubles));
    }
  }
}

TEST_CASE("what is nearly dense is factored as one front") {
  Graph graph;
  for (const Graph& candidate : graphs()) {
    if (candidate.name == "dense of 9") {
      graph = candidate;
    }
  }
  BlockCholesky factor;
  factor.analyze(structure_of(graph));
  CHECK(factor.figures().supernodes == 1);
  CHECK(factor.figures().largest_front == 225);
  CHECK(factor.figures().flops == Approx(225.0 * 225 * 225 / 3));
  CHECK(factor.figures().ordering == std::string("minimum degree"));
}

TEST_CASE("a lattice in space is dissected, and that takes far fewer flops") {
  const Graph graph = lattice(12, 3);
  const detail::BlockGraph g = detail::block_graph(structure_of(graph));
  const double degree = detail::plan_elimination(g, detail::minimum_degree(g)).flops;
  const double dissected = detail::plan_elimination(g, detail::nested_dissection(g)).flops;
  CHECK(dissected < 0.8 * degree);
  BlockCholesky factor;
  factor.analyze(structure_of(graph));
  CHECK(factor.figures().ordering == std::string("nested dissection"));
  CHECK(factor.figures().flops <= dissected);
}

TEST_CASE("a schedule visits every node once, also large ones without children") {
  // Node 3 waits for two small leaves and one that is as large as everything else together.
  for (const double large : {1.0, 1e9}) {
    kappa::detail::TreeSchedule schedule;
    schedule.build({3, 3, 3, -1, -1}, {1e6, large, 1e6, 1e6, large});
    for (const bool up : {true, false}) {
      std::vector<std::atomic<int>> visits(5);
      const auto visit = [&](Index s) { ++visits[static_cast<std::size_t>(s)]; };
      up ? schedule.upward(1.0, visit) : schedule.downward(1.0, visit);
      for (const auto& count : visits) {
        CHECK(count == 1);
      }
    }
  }
}
