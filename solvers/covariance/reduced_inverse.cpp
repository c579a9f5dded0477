#include "solvers/covariance/reduced_inverse.h"

#include <tbb/task_arena.h>

#include <algorithm>
#include <cmath>

#include "core/parallel.h"
#include "kappa/random.h"
#include "solvers/covariance/decompositions.h"
#include "solvers/linear/symmetric_eigen.h"

namespace kappa::detail {
namespace {

using Dense = Eigen::MatrixXd;
using DenseView = Eigen::Map<Dense, 0, Eigen::OuterStride<>>;

constexpr Index small = 400;           // variables up to which a dense factor is always good enough
constexpr double shift = 10;           // times the eigenvalues that must have converged
constexpr Index first_subspace = 16;   // the seven freedoms of a bundle, and as many again
constexpr Index spare = 4;             // columns of a subspace beyond the null vectors in it
constexpr Index most_iterations = 40;  // of one subspace
constexpr Index dense_columns = 64;    // of the inverse, solved for together
constexpr double slow_solves = 10;     // a flop of a sparse solve against one of a dense product
constexpr double nearly_dense = 0.4;   // share of the blocks from which on a factor fills in

std::size_t at(Index i) {
  return static_cast<std::size_t>(i);
}

Dense dense_of(const BlockMatrix& S) {
  const Index n = S.structure.size();
  Dense out(n, n);
  S.dense({out.data(), n, n, n});
  return out;
}

Dense times(const BlockMatrix& S, const Dense& X) {
  Dense out(X.rows(), X.cols());
  const auto rows = static_cast<std::size_t>(X.rows());
  for (Index j = 0; j < X.cols(); ++j) {
    S.multiply({X.col(j).data(), rows}, {out.col(j).data(), rows});
  }
  return out;
}

/// Columns [0, keep) stay, the others become random.
void randomize(Dense& X, Index keep) {
  RandomSequence random(1);
  for (Index j = keep; j < X.cols(); ++j) {
    for (Index i = 0; i < X.rows(); ++i) {
      X(i, j) = random.normal();
    }
  }
}

}  // namespace

void ReducedInverse::analyze(const BlockStructure& S, Kind kind, double memory_bytes) {
  const auto n = static_cast<double>(S.size());
  const auto blocks = static_cast<double>(S.blocks());
  const double stored = 8 * static_cast<double>(S.values());
  const double dense_bytes = stored + 8 * n * n;
  const bool sparse_enough = static_cast<double>(S.column.size()) < nearly_dense * blocks * (blocks + 1) / 2;
  dense_ = kind == Kind::dense || (kind == Kind::automatic && (S.size() <= small || !sparse_enough));
  bytes_ = dense_bytes;
  if (dense_) {
    return;
  }
  sparse_.analyze(S);
  const double sparse_bytes = stored + 8 * sparse_.figures().memory;
  const bool dense_pays = dense_bytes <= memory_bytes && n * n < slow_solves * 4 * sparse_.figures().doubles;
  dense_ = kind == Kind::automatic && dense_pays;
  bytes_ = dense_ ? dense_bytes : sparse_bytes;
}

bool ReducedInverse::factor_shifted(const BlockMatrix& S, double by) {
  const Index n = S.structure.size();
  if (!dense_) {
    const std::vector<double> ones(at(n), 1.0);
    return sparse_.factor(S, by, ones) < 0;
  }
  dense_factor_ = cholesky_.matrix(n);
  S.dense(dense_factor_);
  for (Index i = 0; i < n; ++i) {
    dense_factor_(i, i) += by;
  }
  return cholesky_.factor() < 0;
}

void ReducedInverse::solve(Eigen::MatrixXd& X) const {
  const Index n = X.rows();
  if (dense_) {
    const DenseView L(dense_factor_.data, n, n, Eigen::OuterStride<>(dense_factor_.stride));
    L.triangularView<Eigen::Lower>().solveInPlace(X);
    L.triangularView<Eigen::Lower>().transpose().solveInPlace(X);
    return;
  }
  // The factor solves with memory of its own. Isolated: a thread that waits inside must not take up work that
  // would wait for the lock.
  const std::lock_guard lock(solving_);
  tbb::this_task_arena::isolate([&] {
    for (Index j = 0; j < X.cols(); ++j) {
      sparse_.solve({X.col(j).data(), at(n)});
    }
  });
}

void ReducedInverse::apply(Eigen::MatrixXd& X) const {
  if (X.rows() > 0) {
    solve(X);
  }
}

ReducedInverse::NearNull ReducedInverse::near_null(const BlockMatrix& S, const Near& near,
                                                   Index largest_decomposition) {
  const Index n = S.structure.size();
  NearNull out;
  if (n <= largest_decomposition) {
    const Dense all = dense_of(S);
    SymmetricEigen eigen;
    out.found = eigen.compute({all.data(), n, n, n});
    if (!out.found) {
      return out;
    }
    const ConstVectorRef values = eigen.values();
    const auto count = std::upper_bound(values.begin(), values.end(), near.limit) - values.begin();
    out.vectors.resize(n, count);
    out.values.resize(count);
    for (Index j = 0; j < count; ++j) {
      out.vectors.col(j) = Eigen::Map<const Eigen::VectorXd>(eigen.vector(j), n);
      out.values(j) = values[at(j)];
    }
    return out;
  }
  if (!factor_shifted(S, shift * near.certain)) {
    out.found = false;
    return out;
  }
  Dense Q(n, std::min(first_subspace, n));
  Index kept = 0;
  for (;;) {
    randomize(Q, kept);
    double worst = infinity;
    Index below = 0;
    for (Index iteration = 0; iteration < most_iterations; ++iteration) {
      solve(Q);
      Q = orthonormal(Q);
      Dense SQ = times(S, Q);
      const EigenPairs ritz = eigen_pairs(Q.transpose() * SQ);
      Q *= ritz.vectors;
      SQ *= ritz.vectors;
      out.values = ritz.values;
      below = (out.values.array() <= near.certain).count();
      const double residual =
          below == 0 ? 0.0 : (SQ - Q * out.values.asDiagonal()).leftCols(below).colwise().norm().maxCoeff();
      const bool settled = iteration > 2 && residual >= 0.5 * worst;
      worst = std::min(worst, residual);
      if (iteration > 1 && (worst <= 1e-15 || settled)) {
        break;
      }
    }
    if (below + spare <= Q.cols() || Q.cols() == n) {
      break;
    }
    kept = Q.cols();
    Q.conservativeResize(n, std::min(2 * kept, n));
  }
  const Index count = (out.values.array() <= near.limit).count();
  out.vectors = Q.leftCols(count);
  out.values.conservativeResize(count);
  return out;
}

double ReducedInverse::factor(const BlockMatrix& S, const Eigen::MatrixXd& null_basis) {
  const Index n = S.structure.size();
  if (n == 0) {
    return 1;
  }
  if (dense_) {
    dense_factor_ = cholesky_.matrix(n);
    S.dense(dense_factor_);
    DenseView(dense_factor_.data, n, n, Eigen::OuterStride<>(n)).noalias() +=
        null_basis * null_basis.transpose();
    if (cholesky_.factor() >= 0) {
      return 0;
    }
  } else {
    std::vector<double> pins(at(n), 0.0);
    if (null_basis.cols() > 0) {
      const std::vector<Index> order = pivoted_qr(null_basis.transpose()).order;
      for (Index k = 0; k < null_basis.cols(); ++k) {
        pins[at(order[at(k)])] = 1;
      }
    }
    if (sparse_.factor(S, 1, pins) >= 0) {
      return 0;
    }
  }
  constexpr Index rounds = 4;
  Dense v(n, 1);
  randomize(v, 0);
  double growth = 0;
  for (Index i = 0; i < rounds; ++i) {
    v /= v.norm();
    solve(v);
    growth = v.norm();
  }
  return std::isfinite(growth) && growth > 0 ? 1 / growth : 0;
}

const double* ReducedInverse::block(Index i, Index j) const {
  const BlockStructure& s = inverse_.structure;
  const auto* begin = s.column.data() + s.row_start[at(i)];
  const auto* end = s.column.data() + s.row_start[at(i) + 1];
  const auto* found = std::lower_bound(begin, end, static_cast<std::int32_t>(j));
  return found != end && *found == j ? inverse_.values.data() + s.value_start[at(found - s.column.data())]
                                     : nullptr;
}

/// Row i of blocks from the columns of S^- that it mirrors.
void ReducedInverse::store(Index i, const Eigen::MatrixXd& columns, Index first_row, Index first_column) {
  const BlockStructure& s = inverse_.structure;
  const Index rows = s.block_size(i);
  for (Index k = s.row_start[at(i)]; k < s.row_start[at(i) + 1]; ++k) {
    const Index j = s.column[at(k)];
    Eigen::Map<Dense>(inverse_.values.data() + s.value_start[at(k)], rows, s.block_size(j)) =
        columns.block(s.offset[at(j)] - first_row, first_column, s.block_size(j), rows).transpose();
  }
}

void ReducedInverse::invert(const BlockMatrix& S) {
  inverse_.structure = S.structure;
  inverse_.values.assign(S.values.size(), 0.0);
  if (dense_) {
    invert_dense();
  } else {
    invert_sparse();
  }
}

/// Some block rows at a time. A column of the inverse from its diagonal on needs the lower right part of L
/// only.
void ReducedInverse::invert_dense() {
  const BlockStructure& s = inverse_.structure;
  const Index n = s.size();
  std::vector<Index> first = {0};
  for (Index i = 1; i < s.blocks(); ++i) {
    if (s.offset[at(i)] - s.offset[at(first.back())] >= dense_columns) {
      first.push_back(i);
    }
  }
  first.push_back(s.blocks());
  const auto chunks = static_cast<Index>(first.size()) - 1;
  for_each_chunk(chunks, static_cast<double>(n) * static_cast<double>(n) * static_cast<double>(n),
                 [&](Index c) {
                   const Index begin = s.offset[at(first[at(c)])];
                   const Index columns = s.offset[at(first[at(c) + 1])] - begin;
                   const DenseView L(dense_factor_.data + begin * (dense_factor_.stride + 1), n - begin,
                                     n - begin, Eigen::OuterStride<>(dense_factor_.stride));
                   Dense X = Dense::Identity(n - begin, columns);
                   L.triangularView<Eigen::Lower>().solveInPlace(X);
                   L.triangularView<Eigen::Lower>().transpose().solveInPlace(X);
                   for (Index i = first[at(c)]; i < first[at(c) + 1]; ++i) {
                     store(i, X.middleCols(s.offset[at(i)] - begin, s.block_size(i)), begin, 0);
                   }
                 });
}

void ReducedInverse::invert_sparse() {
  const BlockStructure& s = inverse_.structure;
  Dense X;
  for (Index i = 0; i < s.blocks(); ++i) {
    X = Dense::Zero(s.size(), s.block_size(i));
    X.middleRows(s.offset[at(i)], s.block_size(i)).setIdentity();
    solve(X);
    store(i, X, 0, 0);
  }
}

}  // namespace kappa::detail
