// Dense algebra for oracles, compiled once, optimized and without sanitizers in every build: at the tests'
// own -O0 a factorization of a few hundred variables takes seconds, and each file would compile its own.
#pragma once

#include <Eigen/Core>
#include <utility>

namespace test {

// Square matrices are n x n, columns one after another. For T = double and long double.
namespace dense {

template <class T>
void solve_symmetric(Eigen::Index n, const T* A, T* x);  ///< x becomes A^-1 x, by LDL'
template <class T>
void solve_definite(Eigen::Index n, const T* A, T* x);  ///< x becomes A^-1 x, by LL'; NaN where there is none
template <class T>
void cholesky(Eigen::Index n, T* A);  ///< A becomes L, zero above the diagonal; NaN where there is none
template <class T>
void symmetric_eigen(Eigen::Index n, T* A, T* values);  ///< A becomes the vectors of ascending eigenvalues
template <class T>
void orthonormalize(Eigen::Index m, Eigen::Index n, T* A);  ///< the first n columns of Householder's Q
template <class T>
void product(Eigen::Index m, Eigen::Index k, Eigen::Index n, const T* A, const T* B, T* AB);

}  // namespace dense

template <class T>
using DenseMatrix = Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic>;
template <class T>
using DenseVector = Eigen::Matrix<T, Eigen::Dynamic, 1>;

template <class T>
DenseVector<T> solve_symmetric(const DenseMatrix<T>& A, DenseVector<T> b) {
  dense::solve_symmetric(A.rows(), A.data(), b.data());
  return b;
}

template <class T>
DenseVector<T> solve_definite(const DenseMatrix<T>& A, DenseVector<T> b) {
  dense::solve_definite(A.rows(), A.data(), b.data());
  return b;
}

template <class T>
DenseMatrix<T> cholesky(DenseMatrix<T> A) {
  dense::cholesky(A.rows(), A.data());
  return A;
}

template <class T>
struct SymmetricEigen {
  DenseVector<T> values;
  DenseMatrix<T> vectors;
};

template <class T>
SymmetricEigen<T> symmetric_eigen(DenseMatrix<T> A) {
  DenseVector<T> values(A.rows());
  dense::symmetric_eigen(A.rows(), A.data(), values.data());
  return {std::move(values), std::move(A)};
}

template <class T>
DenseMatrix<T> orthonormal(DenseMatrix<T> A) {
  dense::orthonormalize(A.rows(), A.cols(), A.data());
  return A;
}

template <class T>
DenseMatrix<T> product(const DenseMatrix<T>& A, const DenseMatrix<T>& B) {
  DenseMatrix<T> out(A.rows(), B.cols());
  dense::product(A.rows(), A.cols(), B.cols(), A.data(), B.data(), out.data());
  return out;
}

template <class T>
DenseVector<T> product(const DenseMatrix<T>& A, const DenseVector<T>& x) {
  DenseVector<T> out(A.rows());
  dense::product(A.rows(), A.cols(), Eigen::Index{1}, A.data(), x.data(), out.data());
  return out;
}

}  // namespace test
