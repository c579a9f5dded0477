// Factor, inverse and congruence of dense positive definite matrices against Eigen.
#include "core/definite_matrix.h"

#include <Eigen/Dense>
#include <cmath>

#include "support/catch.h"

namespace {

using Eigen::MatrixXd;
using Eigen::VectorXd;
using kappa::Index;
using kappa::detail::DenseStatus;
using kappa::detail::SliverMatrix;
using kappa::detail::SliverRef;

MatrixXd definite(Index n) {
  MatrixXd out(n, n);
  for (Index i = 0; i < n; ++i) {
    for (Index j = 0; j < n; ++j) {
      out(i, j) = std::exp(-0.2 * std::abs(static_cast<double>(i - j))) + (i == j ? 0.5 : 0.0);
    }
  }
  return out;
}

void fill_lower(kappa::detail::DefiniteMatrix& to, const MatrixXd& from) {
  const SliverRef a = to.matrix(from.rows());
  for (Index j = 0; j < from.cols(); ++j) {
    for (Index i = 0; i < from.rows(); ++i) {
      a(i, j) = i >= j ? from(i, j) : std::nan("");
    }
  }
}

MatrixXd lower_of(SliverRef s) {
  MatrixXd out = MatrixXd::Zero(s.size, s.size);
  for (Index j = 0; j < s.size; ++j) {
    for (Index i = j; i < s.size; ++i) {
      out(i, j) = s(i, j);
      out(j, i) = s(i, j);
    }
  }
  return out;
}

}  // namespace

TEST_CASE("A definite matrix is factored, inverted and solved with", "[gaussian][linear]") {
  const Index n = GENERATE(1, 7, 8, 9, 95, 96, 97, 200, 300);
  const MatrixXd A = definite(n);
  kappa::detail::DefiniteMatrix matrix;
  fill_lower(matrix, A);
  REQUIRE(matrix.factor(nullptr) == DenseStatus::ok);
  const Eigen::LLT<MatrixXd> llt(A);
  for (Index i = 0; i < n; ++i) {
    CHECK(matrix.diagonal(i) == Approx(llt.matrixLLT()(i, i)).epsilon(1e-13));
  }
  VectorXd b = VectorXd::LinSpaced(n, -1, 2);
  const VectorXd expected = llt.solve(b);
  matrix.solve_lower({b.data(), static_cast<std::size_t>(n)});
  matrix.solve_upper({b.data(), static_cast<std::size_t>(n)});
  CHECK((b - expected).norm() <= 1e-13 * expected.norm());

  REQUIRE(matrix.invert_factor(nullptr) == DenseStatus::ok);
  SliverMatrix inverse;
  inverse.resize(n);
  REQUIRE(outer_product(matrix.upper(), inverse.ref(), nullptr) == DenseStatus::ok);
  CHECK((lower_of(inverse.ref()) * A - MatrixXd::Identity(n, n)).norm() < 1e-11);
}

TEST_CASE("A congruence with the inverse factor is that of two solves", "[gaussian][linear]") {
  const Index n = GENERATE(1, 13, 96, 210);
  const MatrixXd A = definite(n);
  MatrixXd S(n, n);
  for (Index i = 0; i < n; ++i) {
    for (Index j = 0; j < n; ++j) {
      S(i, j) = std::cos(static_cast<double>(i * j)) + std::sin(static_cast<double>(i + j));
    }
  }
  kappa::detail::DefiniteMatrix matrix;
  fill_lower(matrix, A);
  REQUIRE(matrix.factor(nullptr) == DenseStatus::ok);
  REQUIRE(matrix.invert_factor(nullptr) == DenseStatus::ok);
  SliverMatrix lower, scratch, s;
  lower.resize(n);
  scratch.resize(n);
  s.resize(n);
  transpose_upper(matrix.upper(), lower.ref());
  for (Index j = 0; j < s.ref().padded; ++j) {
    for (Index i = 0; i < s.ref().padded; ++i) {
      s.ref()(i, j) = i < n && j < n ? S(i, j) : 0;
    }
  }
  REQUIRE(congruence(lower.ref(), s.ref(), scratch.ref(), nullptr) == DenseStatus::ok);
  const MatrixXd L = A.llt().matrixL();
  const MatrixXd half = L.triangularView<Eigen::Lower>().solve(S);
  const MatrixXd W = L.triangularView<Eigen::Lower>().solve(half.transpose());
  CHECK((lower_of(s.ref()) - W).norm() <= 1e-12 * W.norm());
}

TEST_CASE("The first pivot of an indefinite matrix that is not positive is told", "[gaussian][linear]") {
  const Index n = 150;
  const Index bad = GENERATE(0, 3, 100, 149);
  MatrixXd A = MatrixXd::Identity(n, n);
  A(bad, bad) = -2;
  kappa::detail::DefiniteMatrix matrix;
  fill_lower(matrix, A);
  REQUIRE(matrix.factor(nullptr) == DenseStatus::indefinite);
  CHECK(matrix.failed() == bad);
  CHECK(matrix.pivot() == -2);
}
