// Dense kernels of Kronecker factors: averages of outer products, products and solves from both sides.
//
// Column-major. Eigen's products are cut into panels that only the sizes fix, so that the bits are the same
// for every number of threads. All matrices are Eigen's own: the order of its sums depends on how memory is
// aligned, and that of callers' vectors is not always the same.
#pragma once

// A product's packed panels stay on the stack, which in a worker of oneTBB has 4 MB: no allocation in one.
#define EIGEN_STACK_ALLOCATION_LIMIT (1 << 20)
#include <Eigen/Cholesky>
#include <algorithm>
#include <cstdint>

#include "kappa/plugin.hpp"

namespace kfac {

using Matrix = Eigen::MatrixXd;
using Index = Eigen::Index;

/// body(from, count) for panels of a range, in parallel where `work` multiply-adds are worth it.
template <class Body>
void for_panels(Index size, double work, const Body& body) {
  constexpr Index panel = 64;
  kappa::plugin::Host::parallel_for((size + panel - 1) / panel, work, [&](std::int64_t chunk) {
    body(chunk * panel, std::min(panel, size - chunk * panel));
  });
}

/// S := past S + scale X X', both triangles; S and the rows of X have one size.
template <class Columns>
void average(double past, double scale, const Columns& X, Matrix& S) {
  const Index n = S.rows();
  const auto work = 0.5 * static_cast<double>(n) * static_cast<double>(n) * static_cast<double>(X.cols());
  for_panels(n, work, [&](Index from, Index count) {
    auto below = S.block(from, from, n - from, count);
    if (past == 0) {
      below.setZero();  // whatever stood there
    } else {
      below *= past;
    }
    below.noalias() += scale * X.bottomRows(n - from) * X.middleRows(from, count).transpose();
  });
  S.triangularView<Eigen::StrictlyUpper>() = S.transpose();
}

/// out = S V.
inline void multiply(const Matrix& S, const Matrix& V, Matrix& out) {
  const auto work = static_cast<double>(S.size()) * static_cast<double>(V.cols());
  for_panels(V.cols(), work, [&](Index from, Index count) {
    out.middleCols(from, count).noalias() = S * V.middleCols(from, count);
  });
}

/// out = V S, S symmetric.
inline void multiply_right(const Matrix& V, const Matrix& S, Matrix& out) {
  const auto work = static_cast<double>(S.size()) * static_cast<double>(V.rows());
  for_panels(S.cols(), work, [&](Index from, Index count) {
    out.middleCols(from, count).noalias() = V * S.middleCols(from, count);
  });
}

/// The Cholesky factor of S + shift I.
class Factor {
 public:
  /// False where that is not positive definite.
  bool compute(const Matrix& S, double shift) {
    L_ = S;
    L_.diagonal().array() += shift;
    return Eigen::LLT<Eigen::Ref<Matrix>>(L_).info() == Eigen::Success;
  }

  /// X := (L L')^-1 X.
  void solve(Matrix& X) const {
    const auto work = static_cast<double>(L_.size()) * static_cast<double>(X.cols());
    for_panels(X.cols(), work, [&](Index from, Index count) {
      auto columns = X.middleCols(from, count);
      L_.triangularView<Eigen::Lower>().solveInPlace(columns);
      L_.triangularView<Eigen::Lower>().transpose().solveInPlace(columns);
    });
  }

  /// X := X (L L')^-1.
  void solve_right(Matrix& X) const {
    const auto work = static_cast<double>(L_.size()) * static_cast<double>(X.rows());
    for_panels(X.rows(), work, [&](Index from, Index count) {
      auto rows = X.middleRows(from, count);
      L_.triangularView<Eigen::Lower>().transpose().solveInPlace<Eigen::OnTheRight>(rows);
      L_.triangularView<Eigen::Lower>().solveInPlace<Eigen::OnTheRight>(rows);
    });
  }

 private:
  Matrix L_;
};

}  // namespace kfac
