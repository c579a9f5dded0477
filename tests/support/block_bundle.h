// Block-sparse matrices of the structure of bundle adjustment and of any other, for tests.
#pragma once

#include <Eigen/Dense>
#include <algorithm>
#include <vector>

#include "kappa/operator.h"
#include "kappa/random.h"

namespace test {

using kappa::BlockMatrix;
using kappa::BlockStructure;
using kappa::ConstVectorRef;
using kappa::Index;
using kappa::Offers;
using kappa::SymmetricOperator;
using kappa::VectorRef;

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
inline BlockMatrix gauss_newton(const std::vector<Index>& sizes, const std::vector<std::vector<Index>>& terms,
                                kappa::RandomSequence& random) {
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
  const auto add = [&](Index i, Index j, const Eigen::MatrixXd& block) {
    for (Index k = s.row_start[static_cast<std::size_t>(i)]; k < s.row_start[static_cast<std::size_t>(i) + 1];
         ++k) {
      if (s.column[static_cast<std::size_t>(k)] == j) {
        Eigen::Map<Eigen::MatrixXd>(out.values.data() + s.value_start[static_cast<std::size_t>(k)],
                                    block.rows(), block.cols()) += block;
      }
    }
  };
  for (const auto& term : terms) {
    std::vector<Eigen::MatrixXd> J;
    for (const Index i : term) {
      Eigen::MatrixXd block(2, sizes[static_cast<std::size_t>(i)]);
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
    add(i, i, 0.01 * Eigen::MatrixXd::Identity(n, n));
  }
  return out;
}

/// Which blocks come first in a bundle.
enum class First { cameras, points };

/// Cameras first, then points (or the other way round), each point seen by some cameras.
inline BlockMatrix bundle(Index cameras, Index camera_size, Index points, Index point_size, First first,
                          kappa::RandomSequence& random) {
  const bool points_first = first == First::points;
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

/// Cameras of all kinds: some see no point, some are coupled with each other, points are seen by one camera,
/// by a few or by very many, in no order.
struct Scene {
  std::vector<Index> camera_sizes;
  Index points = 0;
  Index point_size = 3;
  double density = 0.2;  ///< share of the cameras that see a point, on average
  Index camera_couplings = 0;
  First first = First::cameras;
};

inline BlockMatrix scene(const Scene& scene, kappa::RandomSequence& random) {
  const auto cameras = static_cast<Index>(scene.camera_sizes.size());
  const Index camera0 = scene.first == First::points ? scene.points : 0;
  const Index point0 = scene.first == First::points ? 0 : cameras;
  std::vector<Index> sizes(static_cast<std::size_t>(cameras + scene.points), scene.point_size);
  std::copy(scene.camera_sizes.begin(), scene.camera_sizes.end(), sizes.begin() + camera0);
  std::vector<std::vector<Index>> terms;
  const auto term = [&](Index i, Index j) { terms.push_back({std::min(i, j), std::max(i, j)}); };
  const auto any_camera = [&] {
    // The last camera sees nothing.
    return camera0 +
           static_cast<Index>(random.uniform() * static_cast<double>(std::max<Index>(cameras - 1, 1)));
  };
  for (Index p = 0; p < scene.points; ++p) {
    const double share = scene.density * 2 * random.uniform();
    const auto views = 1 + static_cast<Index>(share * static_cast<double>(cameras));
    for (Index v = 0; v < (p % 7 == 0 ? 1 : views); ++v) {
      term(any_camera(), point0 + p);
    }
  }
  for (Index k = 0; k < scene.camera_couplings; ++k) {
    const Index i = any_camera();
    const Index j = any_camera();
    if (i != j) {
      term(i, j);
    }
  }
  return gauss_newton(sizes, terms, random);
}

}  // namespace test
