// BlockMatrix against its own dense form, computed entry by entry here.
#include "kappa/block_matrix.h"

#include <Eigen/Dense>
#include <cstdint>
#include <vector>

#include "kappa/random.h"
#include "support/catch.h"

namespace {

using kappa::BlockMatrix;
using kappa::Index;

/// Blocks of sizes 1 to 4; each pair above the diagonal is there with the given probability, and a pair with
/// one of the first `hubs` blocks always.
BlockMatrix random_matrix(Index blocks, Index hubs, double density, std::uint64_t seed) {
  kappa::RandomSequence random(seed);
  BlockMatrix B;
  auto& s = B.structure;
  s.offset.push_back(0);
  for (Index i = 0; i < blocks; ++i) {
    s.offset.push_back(s.offset.back() + 1 + static_cast<Index>(random.uniform() * 4));
  }
  s.value_start.push_back(0);
  for (Index i = 0; i < blocks; ++i) {
    s.row_start.push_back(static_cast<Index>(s.column.size()));
    for (Index j = i; j < blocks; ++j) {
      if (j == i || i < hubs || random.uniform() < density) {
        s.column.push_back(static_cast<std::int32_t>(j));
        s.value_start.push_back(s.value_start.back() + s.block_size(i) * s.block_size(j));
      }
    }
  }
  s.row_start.push_back(static_cast<Index>(s.column.size()));
  B.values.resize(static_cast<std::size_t>(s.values()));
  for (double& value : B.values) {
    value = random.normal();
  }
  for (Index i = 0; i < blocks; ++i) {
    double* diagonal =
        B.values.data() + s.value_start[static_cast<std::size_t>(s.row_start[static_cast<std::size_t>(i)])];
    const Index n = s.block_size(i);
    for (Index r = 0; r < n; ++r) {
      for (Index c = 0; c < r; ++c) {
        diagonal[r + c * n] = diagonal[c + r * n];
      }
    }
  }
  return B;
}

Eigen::MatrixXd entry_by_entry(const BlockMatrix& B) {
  const auto& s = B.structure;
  Eigen::MatrixXd out = Eigen::MatrixXd::Zero(s.size(), s.size());
  for (Index i = 0; i < s.blocks(); ++i) {
    for (Index k = s.row_start[static_cast<std::size_t>(i)]; k < s.row_start[static_cast<std::size_t>(i) + 1];
         ++k) {
      const Index j = s.column[static_cast<std::size_t>(k)];
      for (Index r = 0; r < s.block_size(i); ++r) {
        for (Index c = 0; c < s.block_size(j); ++c) {
          const Index row = s.offset[static_cast<std::size_t>(i)] + r;
          const Index col = s.offset[static_cast<std::size_t>(j)] + c;
          out(row, col) = out(col, row) = B.values[static_cast<std::size_t>(
              s.value_start[static_cast<std::size_t>(k)] + r + c * s.block_size(i))];
        }
      }
    }
  }
  return out;
}

}  // namespace

TEST_CASE("a block matrix multiplies, shows its diagonal and expands like the dense matrix it stands for") {
  for (const auto& [blocks, hubs, density] :
       {std::tuple<Index, Index, double>{1, 0, 0.0}, {7, 1, 0.3}, {150, 3, 0.1}, {300, 40, 0.6}}) {
    const BlockMatrix B = random_matrix(blocks, hubs, density, 11);
    const Index n = B.structure.size();
    CAPTURE(blocks, n, B.values.size());
    const Eigen::MatrixXd oracle = entry_by_entry(B);
    Eigen::MatrixXd dense(n, n);
    B.dense({dense.data(), n, n, n});
    CHECK(dense == oracle);
    Eigen::VectorXd diagonal(n);
    B.diagonal({diagonal.data(), static_cast<std::size_t>(n)});
    CHECK(diagonal == oracle.diagonal());
    const Eigen::VectorXd v = Eigen::VectorXd::Random(n);
    Eigen::VectorXd product(n);
    B.multiply({v.data(), static_cast<std::size_t>(n)}, {product.data(), static_cast<std::size_t>(n)});
    CHECK((product - oracle * v).norm() <= 1e-13 * oracle.norm() * v.norm());
  }
}

TEST_CASE("a block matrix refuses vectors of another size") {
  const BlockMatrix B = random_matrix(5, 1, 0.5, 2);
  std::vector<double> v(static_cast<std::size_t>(B.structure.size()) + 1);
  CHECK_THROWS_AS(B.multiply(v, v), kappa::ContractError);
  CHECK_THROWS_AS(B.diagonal(v), kappa::ContractError);
}
