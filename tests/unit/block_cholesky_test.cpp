// The sparse block Cholesky factorization against dense Cholesky on random block graphs.
#include "solvers/linear/block_cholesky.h"

#include <Eigen/Dense>
#include <cmath>
#include <functional>
#include <set>
#include <string>

#include "kappa/random.h"
#include "support/catch.h"

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
      const Vector expected = A.llt().solve(as_eigen(b));
      CHECK((as_eigen(x) - expected).norm() <= 1e-12 * expected.norm());
      CHECK(square == Approx(as_eigen(b).dot(expected)).epsilon(1e-12));
    }
  }
}
