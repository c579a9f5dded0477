#include "solvers/linear/symmetric_eigen.h"

#include <Eigen/Eigenvalues>
#include <cmath>

#include "core/vector.h"

namespace kappa::detail {

struct SymmetricEigen::Memory {
  Eigen::MatrixXd work, vectors;
  Eigen::VectorXd values, below, coefficients, row;
};

SymmetricEigen::SymmetricEigen() : memory_(std::make_unique<Memory>()) {}
SymmetricEigen::~SymmetricEigen() = default;

bool SymmetricEigen::compute(ConstMatrixRef A) {
  // SelfAdjointEigenSolver does these steps too but allocates in each call.
  Memory& m = *memory_;
  const Index n = A.rows;
  m.work.resize(n, n);
  m.vectors.resize(n, n);
  m.values.resize(n);
  m.below.resize(n > 1 ? n - 1 : 0);
  m.coefficients.resize(n > 1 ? n - 1 : 0);
  m.row.resize(n);
  double top = 0;
  for (Index j = 0; j < n; ++j) {
    std::copy(A.column(j), A.column(j) + n, m.work.data() + j * n);
    top = std::max(top, largest(A.column(j) + j, n - j));
  }
  if (!std::isfinite(top)) {
    return false;
  }
  if (n == 1 || top == 0) {
    m.vectors.setIdentity();
    m.values.setConstant(n == 1 ? A(0, 0) : 0.0);
    return true;
  }
  const double scale = power_of_two(top);
  m.work /= scale;
  Eigen::internal::tridiagonalization_inplace(m.work, m.coefficients);
  m.values = m.work.diagonal();
  m.below = m.work.template diagonal<-1>();
  Eigen::HouseholderSequence<Eigen::MatrixXd, Eigen::VectorXd>(m.work, m.coefficients)
      .setLength(n - 1)
      .setShift(1)
      .evalTo(m.vectors, m.row);
  constexpr Index sweeps = 30;  // per eigenvalue, EISPACK's limit
  const auto info = Eigen::internal::computeFromTridiagonal_impl(m.values, m.below, sweeps, true, m.vectors);
  m.values *= scale;
  return info == Eigen::Success;
}

ConstVectorRef SymmetricEigen::values() const {
  return {memory_->values.data(), static_cast<std::size_t>(memory_->values.size())};
}

const double* SymmetricEigen::vector(Index i) const {
  return memory_->vectors.data() + i * memory_->vectors.rows();
}

}  // namespace kappa::detail
