#include "solvers/covariance/scaled_information.h"

#include <algorithm>
#include <cmath>

#include "core/parallel.h"
#include "core/vector.h"
#include "solvers/covariance/decompositions.h"

namespace kappa::detail {
namespace {

using Dense = Eigen::MatrixXd;

constexpr double safe_pivot = 1e-6;  // squared pivots above it leave no eigenvalue near rounding, p < 100
constexpr Index widest_by_pivots = 100;
constexpr Index chunk_blocks = 512;

std::size_t at(Index i) {
  return static_cast<std::size_t>(i);
}

Eigen::Map<Dense> block_of(BlockMatrix& A, Index i, Index k) {
  const BlockStructure& s = A.structure;
  return {A.values.data() + s.value_start[at(k)], s.block_size(i), s.block_size(s.column[at(k)])};
}

/// Whether a Cholesky factor shows that no eigenvalue is near zero: the smallest one is above the product of
/// the pivots, which are at most 1, but for rounding.
bool well_determined(const Dense& A) {
  if (A.rows() > widest_by_pivots) {
    return false;
  }
  const Eigen::LLT<Dense> factor(A);
  return factor.info() == Eigen::Success &&
         factor.matrixLLT().diagonal().array().square().prod() > safe_pivot;
}

}  // namespace

Index ScaledInformation::make(const BlockMatrix& H, const std::vector<Index>& held, double null_tolerance) {
  A_ = H;
  nulls_.clear();
  null_of_.assign(at(structure().blocks()), -1);
  Index wrong = scale_by_diagonal(held);
  if (wrong < 0) {
    wrong = find_nulls(null_tolerance);
  }
  return wrong < 0 ? fill_nulls(null_tolerance) : wrong;
}

Index ScaledInformation::local_nullity() const {
  Index out = 0;
  for (const LocalNull& local : nulls_) {
    out += local.scaled.cols();
  }
  return out;
}

Index ScaledInformation::scale_by_diagonal(const std::vector<Index>& held) {
  const BlockStructure& s = structure();
  D_.resize(at(s.size()));
  A_.diagonal(D_);
  for (const Index i : held) {
    D_[at(i)] = infinity;
  }
  for (Index i = 0; i < s.size(); ++i) {
    double& d = D_[at(i)];
    if (d == infinity) {
      d = 0;  // held, or not finite, which shows below
    } else if (!(d >= 0)) {
      return i;
    } else {
      d = d > 0 ? 1 / std::sqrt(d) : 1.0;
    }
  }
  const Partition parts{s.blocks(), chunk_blocks};
  std::vector<Index> wrong(at(parts.chunks()), -1);
  for_each_chunk(parts.chunks(), static_cast<double>(s.values()), [&](Index chunk) {
    for (Index i = parts.begin(chunk); i < parts.end(chunk); ++i) {
      for (Index k = s.row_start[at(i)]; k < s.row_start[at(i) + 1]; ++k) {
        const Index j = s.column[at(k)];
        Eigen::Map<Dense> block = block_of(A_, i, k);
        if (wrong[at(chunk)] < 0 && !std::isfinite(largest(block.data(), block.size()))) {
          wrong[at(chunk)] = s.offset[at(i)];
        }
        for (Index c = 0; c < block.cols(); ++c) {
          for (Index r = 0; r < block.rows(); ++r) {
            block(r, c) *= D_[at(s.offset[at(i)] + r)] * D_[at(s.offset[at(j)] + c)];
          }
        }
      }
      Eigen::Map<Dense> diagonal = block_of(A_, i, s.row_start[at(i)]);
      for (Index r = 0; r < diagonal.rows(); ++r) {
        if (D_[at(s.offset[at(i)] + r)] == 0) {
          diagonal(r, r) = 1;
        }
      }
    }
  });
  for (const Index variable : wrong) {
    if (variable >= 0) {
      return variable;
    }
  }
  return -1;
}

Index ScaledInformation::find_nulls(double null_tolerance) {
  const BlockStructure& s = structure();
  const Partition parts{s.blocks(), chunk_blocks};
  std::vector<std::vector<LocalNull>> found(at(parts.chunks()));
  std::vector<Index> wrong(at(parts.chunks()), -1);
  for_each_chunk(parts.chunks(), 100.0 * static_cast<double>(s.size()), [&](Index chunk) {
    for (Index b = parts.begin(chunk); b < parts.end(chunk); ++b) {
      const Dense A = block_of(A_, b, s.row_start[at(b)]);
      if (A.rows() == 0 || well_determined(A)) {
        continue;
      }
      const EigenPairs eigen = eigen_pairs(A);
      const Index small = (eigen.values.array() <= null_tolerance).count();
      const double rounding = std::max(null_tolerance, 16 * epsilon * static_cast<double>(A.rows()));
      if (!eigen.found || eigen.values(0) < -rounding) {
        wrong[at(chunk)] = wrong[at(chunk)] < 0 ? s.offset[at(b)] : wrong[at(chunk)];
        continue;
      }
      if (small == 0) {
        continue;
      }
      const Dense V = eigen.vectors.leftCols(small);
      const Eigen::Map<const Eigen::VectorXd> D(D_.data() + s.offset[at(b)], A.rows());
      const Dense unscaled = D.asDiagonal() * V;
      found[at(chunk)].push_back({b, V, orthonormal(unscaled)});
    }
  });
  for (std::size_t chunk = 0; chunk < found.size(); ++chunk) {
    if (wrong[chunk] >= 0) {
      return wrong[chunk];
    }
    for (LocalNull& local : found[chunk]) {
      null_of_[at(local.block)] = static_cast<std::int32_t>(nulls_.size());
      nulls_.push_back(std::move(local));
    }
  }
  return -1;
}

/// A coupling V_b'A_bj w of a null vector is at most sqrt(v'A v) for a positive semidefinite matrix.
Index ScaledInformation::fill_nulls(double null_tolerance) {
  const BlockStructure& s = structure();
  const double admissible = 10 * std::sqrt(std::max(null_tolerance, epsilon));
  for (Index i = 0; i < s.blocks() && !nulls_.empty(); ++i) {
    for (Index k = s.row_start[at(i)]; k < s.row_start[at(i) + 1]; ++k) {
      const Index j = s.column[at(k)];
      Eigen::Map<Dense> block = block_of(A_, i, k);
      if (const LocalNull* row = local_null(i)) {
        const Dense along = row->scaled.transpose() * block;
        if (along.size() > 0 && along.cwiseAbs().maxCoeff() > admissible) {
          return s.offset[at(i)];
        }
        block -= row->scaled * along;
      }
      if (const LocalNull* column = local_null(j)) {
        const Dense along = block * column->scaled;
        if (along.size() > 0 && along.cwiseAbs().maxCoeff() > admissible) {
          return s.offset[at(j)];
        }
        block -= along * column->scaled.transpose();
      }
      if (const LocalNull* local = local_null(i); local != nullptr && i == j) {
        block += local->scaled * local->scaled.transpose();
        block = (0.5 * (block + block.transpose())).eval();
      }
    }
  }
  return -1;
}

void ScaledInformation::to_units(Index block, Eigen::MatrixXd& X) const {
  const Eigen::Map<const Eigen::VectorXd> D(D_.data() + structure().offset[at(block)],
                                            structure().block_size(block));
  X = D.asDiagonal() * X;
  if (const LocalNull* local = local_null(block)) {
    X -= local->unscaled * (local->unscaled.transpose() * X);
  }
}

}  // namespace kappa::detail
