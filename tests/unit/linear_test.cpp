#include <Eigen/Dense>
#include <cmath>
#include <vector>

#include "kappa/random.h"
#include "solvers/linear/bunch_kaufman.h"
#include "solvers/linear/cholesky.h"
#include "solvers/linear/damped_least_squares.h"
#include "solvers/linear/householder_qr.h"
#include "solvers/linear/modified_cholesky.h"
#include "support/catch.h"
#include "support/dense_solve.h"

namespace {

using kappa::ConstMatrixRef;
using kappa::Index;
using kappa::MatrixRef;
using kappa::RandomSequence;
using Matrix = Eigen::MatrixXd;
using Vector = Eigen::VectorXd;
using Long = Eigen::Matrix<long double, Eigen::Dynamic, Eigen::Dynamic>;
using LongVector = Eigen::Matrix<long double, Eigen::Dynamic, 1>;

Matrix random_matrix(RandomSequence& random, Index m, Index n) {
  Matrix out(m, n);
  for (Index j = 0; j < n; ++j) {
    for (Index i = 0; i < m; ++i) {
      out(i, j) = random.normal();
    }
  }
  return out;
}

Matrix random_symmetric(RandomSequence& random, Index n) {
  const Matrix a = random_matrix(random, n, n);
  return a + a.transpose();
}

ConstMatrixRef view(const Matrix& a) {
  return {a.data(), a.rows(), a.cols(), a.rows()};
}
kappa::ConstVectorRef view(const Vector& v) {
  return {v.data(), static_cast<std::size_t>(v.size())};
}
kappa::VectorRef edit(Vector& v) {
  return {v.data(), static_cast<std::size_t>(v.size())};
}

/// Only the lower triangle, so that nobody can read the upper one unnoticed.
void fill_lower(MatrixRef to, const Matrix& a) {
  for (Index j = 0; j < a.cols(); ++j) {
    for (Index i = 0; i < a.rows(); ++i) {
      to(i, j) = i >= j ? a(i, j) : std::nan("");
    }
  }
}

/// R and P of a factorization as matrices.
std::pair<Matrix, Matrix> triangle(const kappa::detail::HouseholderQr& qr) {
  const Index n = qr.cols();
  Matrix R = Matrix::Zero(n, n);
  Matrix P = Matrix::Zero(n, n);
  for (Index k = 0; k < n; ++k) {
    for (Index j = k; j < n; ++j) {
      R(k, j) = qr.row(k)[j];
    }
    P(qr.permutation()[static_cast<std::size_t>(k)], k) = 1;
  }
  return {R, P};
}

/// argmin |A d + c|^2 + lambda sum w d^2 in long double, from the normal equations.
Vector damped_oracle(const Matrix& A, const Vector& g, double lambda, const Vector& w) {
  const Long L = A.cast<long double>();
  Long M = L.transpose() * L;
  M.diagonal() += static_cast<long double>(lambda) * w.cast<long double>();
  const LongVector d = test::solve_symmetric(M, LongVector(-g.cast<long double>()));
  return d.cast<double>();
}

}  // namespace

TEST_CASE("pivoted QR reproduces the matrix and the right-hand side") {
  RandomSequence random(1);
  const auto [m, n] = GENERATE(table<Index, Index>(
      {{1, 1}, {5, 1}, {1, 4}, {3, 7}, {6, 6}, {40, 9}, {300, 40}, {2500, 30}, {210, 205}, {130, 400}}));
  const Matrix A = random_matrix(random, m, n);
  const Vector b = random_matrix(random, m, 1);
  kappa::detail::HouseholderQr qr;
  qr.factor(view(A));
  const auto [R, P] = triangle(qr);
  CHECK((R.transpose() * R - P.transpose() * A.transpose() * A * P).norm() < 1e-12 * A.squaredNorm());
  Vector y(n);
  qr.apply_transpose(view(b), edit(y));
  CHECK((R.transpose() * y - P.transpose() * A.transpose() * b).norm() < 1e-12 * A.norm() * b.norm());
  CHECK(y.norm() <= b.norm() * (1 + 1e-12));
  CHECK(qr.rank() == std::min(m, n));
}

TEST_CASE("the rank does not depend on the units of the columns") {
  RandomSequence random(2);
  const Index rows = GENERATE(12, 6000);
  Matrix A = random_matrix(random, rows, 8);
  A.col(5) = 2 * A.col(1) - A.col(3);
  A.col(7).setZero();
  kappa::detail::HouseholderQr qr;
  qr.factor(view(A));
  CHECK(qr.rank() == 6);
  for (Index j = 0; j < 8; ++j) {
    A.col(j) *= std::pow(10.0, 12.0 * random.normal());
  }
  qr.factor(view(A));
  CHECK(qr.rank() == 6);
}

TEST_CASE("a matrix of zeros has rank zero and a zero step") {
  const Matrix A = Matrix::Zero(4, 3);
  const Vector c = Vector::Ones(4);
  const Vector g = Vector::Zero(3);
  kappa::detail::DampedLeastSquares solver;
  solver.factor({view(A), view(c)}, view(g));
  Vector d = Vector::Constant(3, 5.0);
  REQUIRE(solver.solve(0, view(Vector(Vector::Ones(3))), edit(d)));
  CHECK(d.norm() == 0);
  CHECK(solver.rank() == 0);
}

TEST_CASE("damped least squares agree with the normal equations in long double") {
  RandomSequence random(3);
  const auto [m, n] = GENERATE(table<Index, Index>({{1, 1}, {4, 4}, {9, 3}, {3, 6}, {120, 30}, {1500, 30}}));
  const Matrix A = random_matrix(random, m, n);
  const Vector c = random_matrix(random, m, 1);
  const Vector g = A.transpose() * c;
  const Vector w = random_matrix(random, n, 1).cwiseAbs2() + Vector::Constant(n, 0.1);
  kappa::detail::DampedLeastSquares with_c;
  kappa::detail::DampedLeastSquares without_c;
  with_c.factor({view(A), view(c)}, view(g));
  without_c.factor({view(A), {}}, view(g));
  for (const double lambda : {1e-3, 1.0, 1e4, 1e-6}) {
    const Vector expected = damped_oracle(A, g, lambda, w);
    Vector d(n);
    REQUIRE(with_c.solve(lambda, view(w), edit(d)));
    CHECK((d - expected).norm() <= 1e-9 * expected.norm());
    CHECK(with_c.fit() == Approx((A * expected).squaredNorm()).epsilon(1e-8));
    REQUIRE(without_c.solve(lambda, view(w), edit(d)));
    CHECK((d - expected).norm() <= 1e-9 * expected.norm());

    const Vector rhs = random_matrix(random, n, 1);
    Vector x(n);
    with_c.resolve(view(rhs), edit(x));
    Matrix M = A.transpose() * A;
    M.diagonal() += lambda * w;
    CHECK((M * x - rhs).norm() <= 1e-9 * M.norm() * x.norm());
  }
}

TEST_CASE("QR keeps the digits that the normal equations lose") {
  RandomSequence random(4);
  // Singular values 1 .. 1e-9: A'A in double has no correct digit in its smallest eigenvalue.
  const Index n = 10;
  const Matrix U = test::orthonormal(random_matrix(random, 30, n));
  const Matrix V = test::orthonormal(random_matrix(random, n, n));
  Vector s(n);
  for (Index i = 0; i < n; ++i) {
    s[i] = std::pow(10.0, -static_cast<double>(i));
  }
  const Matrix A = U * s.asDiagonal() * V.transpose();
  const Vector truth = random_matrix(random, n, 1);
  const Vector c = -A * truth;
  const Vector g = A.transpose() * c;
  kappa::detail::DampedLeastSquares solver;
  solver.factor({view(A), view(c)}, view(g));
  Vector d(n);
  REQUIRE(solver.solve(0, view(Vector(Vector::Ones(n))), edit(d)));
  CHECK((d - truth).norm() < 1e-5 * truth.norm());
  const Vector squared = test::solve_definite(Matrix(A.transpose() * A), Vector(-g));
  CHECK_FALSE((squared - truth).norm() < 1e-2 * truth.norm());
}

TEST_CASE("an undamped deficient problem has a basic least-squares solution") {
  RandomSequence random(5);
  Matrix A = random_matrix(random, 10, 5);
  A.col(4) = A.col(0) + A.col(2);
  const Vector c = random_matrix(random, 10, 1);
  const Vector g = A.transpose() * c;
  const Vector best = A.completeOrthogonalDecomposition().solve(-c);
  for (const bool use_c : {true, false}) {
    kappa::detail::DampedLeastSquares solver;
    solver.factor({view(A), use_c ? view(c) : kappa::ConstVectorRef{}}, view(g));
    Vector d(5);
    REQUIRE(solver.solve(0, view(Vector(Vector::Ones(5))), edit(d)));
    CHECK(solver.rank() == 4);
    CHECK((A * d + c).norm() == Approx((A * best + c).norm()).epsilon(1e-12));
    CHECK((d.array() == 0).count() == 1);
  }
}

TEST_CASE("least squares work at the ends of the exponent range") {
  RandomSequence random(6);
  const double scale = GENERATE(1e-150, 1e-100, 1e100, 1e140);
  const Matrix A = random_matrix(random, 8, 4);
  const Vector c = random_matrix(random, 8, 1);
  const Vector expected = damped_oracle(A, A.transpose() * c, 0, Vector::Ones(4));
  const Matrix scaled = scale * A;
  const Vector scaled_c = scale * c;
  const Vector g = scaled.transpose() * scaled_c;
  kappa::detail::DampedLeastSquares solver;
  solver.factor({view(scaled), view(scaled_c)}, view(g));
  Vector d(4);
  REQUIRE(solver.solve(0, view(Vector(Vector::Ones(4))), edit(d)));
  CHECK((d - expected).norm() < 1e-11 * expected.norm());
}

TEST_CASE("Cholesky solves, in its small and its blocked form") {
  RandomSequence random(7);
  const Index n = GENERATE(1, 2, 3, 5, 8, 31, 96, 97, 104, 150, 192, 215, 333);
  const Matrix R = random_matrix(random, n, n);
  const Matrix A = R * R.transpose() + Matrix::Identity(n, n);
  kappa::detail::Cholesky cholesky;
  fill_lower(cholesky.matrix(n), A);
  REQUIRE(cholesky.factor() == -1);
  const Vector b = random_matrix(random, n, 1);
  Vector x = b;
  cholesky.solve(edit(x));
  CHECK((A * x - b).norm() < 1e-12 * A.norm() * x.norm());
}

TEST_CASE("Cholesky names the pivot that fails") {
  RandomSequence random(8);
  const Index n = GENERATE(4, 40, 130, 290);
  const Matrix R = random_matrix(random, n, n);
  Matrix A = R * R.transpose() + Matrix::Identity(n, n);
  const Index bad = n - 2;
  // The leading bad x bad block stays definite, the next pivot becomes -1.
  const Matrix L = test::cholesky(A);
  A(bad, bad) = L.row(bad).head(bad).squaredNorm() - 1;
  kappa::detail::Cholesky cholesky;
  fill_lower(cholesky.matrix(n), A);
  CHECK(cholesky.factor() == bad);
  CHECK(cholesky.pivot() == Approx(-1).epsilon(1e-9));

  A(bad, bad) = L.row(bad).head(bad).squaredNorm();
  fill_lower(cholesky.matrix(n), A);
  CHECK(cholesky.factor(static_cast<double>(n) * kappa::epsilon) == bad);

  A(bad, bad) = std::nan("");
  fill_lower(cholesky.matrix(n), A);
  CHECK(cholesky.factor() >= 0);
}

TEST_CASE("Bunch-Kaufman solves indefinite systems and finds their inertia") {
  RandomSequence random(9);
  for (Index n = 1; n <= 30; ++n) {
    const Matrix A = random_symmetric(random, n);
    kappa::detail::BunchKaufman factor;
    fill_lower(factor.matrix(n), A);
    REQUIRE(factor.factor());
    const Vector b = random_matrix(random, n, 1);
    Vector x = b;
    REQUIRE(factor.solve(edit(x)));
    CHECK((A * x - b).norm() < 1e-12 * A.norm() * x.norm());
    const Vector e = A.selfadjointView<Eigen::Lower>().eigenvalues();
    CHECK(factor.inertia().negative == (e.array() < 0).count());
    CHECK(factor.inertia().positive == (e.array() > 0).count());
  }
}

TEST_CASE("Bunch-Kaufman needs no diagonal") {
  // Every 1x1 pivot is zero.
  Matrix A(4, 4);
  A << 0, 1, 0, 2, 1, 0, 3, 0, 0, 3, 0, 1, 2, 0, 1, 0;
  kappa::detail::BunchKaufman factor;
  fill_lower(factor.matrix(4), A);
  REQUIRE(factor.factor());
  Vector x = Vector::LinSpaced(4, 1, 4);
  const Vector b = x;
  REQUIRE(factor.solve(edit(x)));
  CHECK((A * x - b).norm() < 1e-14);
  CHECK(factor.inertia().positive == 2);
  CHECK(factor.inertia().negative == 2);

  fill_lower(factor.matrix(3), Matrix::Zero(3, 3));
  REQUIRE(factor.factor());
  CHECK(factor.inertia().zero == 3);
  Vector y = Vector::Ones(3);
  CHECK_FALSE(factor.solve(edit(y)));
}

TEST_CASE("the modified factor is A itself where A is definite, and definite where it is not") {
  RandomSequence random(10);
  for (Index n = 1; n <= 30; ++n) {
    const Matrix S = random_symmetric(random, n);
    const Matrix definite = S * S + Matrix::Identity(n, n);
    kappa::detail::BunchKaufman factor;
    for (const Matrix& A : {S, definite}) {
      fill_lower(factor.matrix(n), A);
      REQUIRE(factor.factor());
      Matrix inverse(n, n);
      for (Index j = 0; j < n; ++j) {
        Vector x = Vector::Unit(n, j);
        factor.solve_modified(1e-8, edit(x));
        inverse.col(j) = x;
      }
      CHECK((inverse - inverse.transpose()).norm() < 1e-10 * inverse.norm());
      CHECK(inverse.selfadjointView<Eigen::Lower>().eigenvalues().minCoeff() > 0);
    }
    Vector x = Vector::Ones(n);
    factor.solve_modified(1e-8, edit(x));
    CHECK((definite * x - Vector::Ones(n)).norm() < 1e-11 * definite.norm() * x.norm());
  }
}

TEST_CASE("modified Cholesky adds a diagonal where it must and none where it need not") {
  RandomSequence random(11);
  for (Index n = 1; n <= 30; ++n) {
    const Matrix S = random_symmetric(random, n);
    const Matrix definite = S * S + Matrix::Identity(n, n);
    kappa::detail::ModifiedCholesky factor;
    for (const Matrix& A : {S, definite}) {
      fill_lower(factor.matrix(n), A);
      REQUIRE(factor.factor());
      Matrix sum = A;
      for (Index i = 0; i < n; ++i) {
        CHECK(factor.added()[static_cast<std::size_t>(i)] >= 0);
        sum(i, i) += factor.added()[static_cast<std::size_t>(i)];
      }
      CHECK(sum.selfadjointView<Eigen::Lower>().eigenvalues().minCoeff() > 0);
      const Vector b = random_matrix(random, n, 1);
      Vector x = b;
      factor.solve(edit(x));
      CHECK((sum * x - b).norm() < 1e-11 * sum.norm() * x.norm());
      const double least = A.selfadjointView<Eigen::Lower>().eigenvalues().minCoeff();
      if (least > 0) {
        CHECK(factor.largest_added() == 0);
      } else {
        // What it must add at least, and the a priori bound of Gill, Murray & Wright.
        const double top = A.cwiseAbs().maxCoeff();
        const auto size = static_cast<double>(n);
        CHECK(factor.largest_added() >= -least / size);
        CHECK(factor.largest_added() <= 8 * size * size * top);
      }
    }
  }
}
