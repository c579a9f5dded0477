// Compiled with Eigen under a name of its own, so that no test takes its instantiations from here
// (CMakeLists.txt).
#include "support/dense_solve.h"

#include <Eigen/Cholesky>
#include <Eigen/Eigenvalues>
#include <Eigen/QR>
#include <limits>

namespace test::dense {
namespace {

using Eigen::Index;

template <class T>
using Constant = Eigen::Map<const DenseMatrix<T>>;
template <class T>
using Changed = Eigen::Map<DenseMatrix<T>>;

template <class T>
constexpr T nan = std::numeric_limits<T>::quiet_NaN();

}  // namespace

template <class T>
void solve_symmetric(Index n, const T* A, T* x) {
  Changed<T> b(x, n, 1);
  b = Constant<T>(A, n, n).ldlt().solve(b).eval();
}

template <class T>
void solve_definite(Index n, const T* A, T* x) {
  const Eigen::LLT<DenseMatrix<T>> factor(Constant<T>(A, n, n));
  Changed<T> b(x, n, 1);
  factor.solveInPlace(b);
  if (factor.info() != Eigen::Success) {
    b.setConstant(nan<T>);
  }
}

template <class T>
void cholesky(Index n, T* A) {
  Changed<T> L(A, n, n);
  const Eigen::LLT<DenseMatrix<T>> factor(L);
  L = factor.matrixL();
  if (factor.info() != Eigen::Success) {
    L.setConstant(nan<T>);
  }
}

template <class T>
void symmetric_eigen(Index n, T* A, T* values) {
  Changed<T> vectors(A, n, n);
  const Eigen::SelfAdjointEigenSolver<DenseMatrix<T>> eigen(vectors);
  Changed<T>(values, n, 1) = eigen.eigenvalues();
  vectors = eigen.eigenvectors();
  if (eigen.info() != Eigen::Success) {
    vectors.setConstant(nan<T>);
  }
}

template <class T>
void orthonormalize(Index m, Index n, T* A) {
  Changed<T> Q(A, m, n);
  Q = (Eigen::HouseholderQR<DenseMatrix<T>>(Q).householderQ() * DenseMatrix<T>::Identity(m, n)).eval();
}

template <class T>
void product(Index m, Index k, Index n, const T* A, const T* B, T* AB) {
  Changed<T>(AB, m, n) = Constant<T>(A, m, k) * Constant<T>(B, k, n);
}

#define KAPPA_INSTANTIATE(T)                          \
  template void solve_symmetric(Index, const T*, T*); \
  template void solve_definite(Index, const T*, T*);  \
  template void cholesky(Index, T*);                  \
  template void symmetric_eigen(Index, T*, T*);       \
  template void orthonormalize(Index, Index, T*);     \
  template void product(Index, Index, Index, const T*, const T*, T*);
KAPPA_INSTANTIATE(double)
KAPPA_INSTANTIATE(long double)

}  // namespace test::dense
