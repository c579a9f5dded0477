#include <Eigen/Dense>
#include <cmath>
#include <type_traits>

#include "kappa/eigen.h"
#include "support/catch.h"

using kappa::HyperJet;
using kappa::Jet;
using kappa::Tape;
using kappa::value_of;
using kappa::Var;

namespace {

// A scalar function of three unknowns through many of Eigen's operations.
template <class T>
T through_eigen(const T* x) {
  using Vector = Eigen::Matrix<T, 3, 1>;
  using Matrix = Eigen::Matrix<T, 3, 3>;
  const Eigen::Map<const Vector> a(x);
  const Vector b(x[1] * x[2], T(1.5), 2.0 * x[0]);
  const Eigen::Matrix3d plain = (Eigen::Matrix3d() << 2, 1, 0, -1, 3, 1, 0.5, 0, 4).finished();
  const Matrix M = a * b.transpose() + Matrix::Identity() * 5.0 + plain * a.asDiagonal();
  const Vector solved = M.inverse() * a.normalized();
  const Vector turned = a.cross(b) / 2.0 + 0.5 * solved - plain * b;
  return turned.norm() + a.dot(b) * M.determinant() + M.squaredNorm() + turned.sum();
}

// The same by hand in doubles.
double by_hand(const double* x) {
  const double a[3] = {x[0], x[1], x[2]};
  const double b[3] = {x[1] * x[2], 1.5, 2.0 * x[0]};
  const double plain[3][3] = {{2, 1, 0}, {-1, 3, 1}, {0.5, 0, 4}};
  double M[3][3];
  for (int i = 0; i < 3; ++i) {
    for (int j = 0; j < 3; ++j) {
      M[i][j] = a[i] * b[j] + (i == j ? 5.0 : 0.0) + plain[i][j] * a[j];
    }
  }
  const double length = std::sqrt(a[0] * a[0] + a[1] * a[1] + a[2] * a[2]);
  double cofactor[3][3];
  for (int i = 0; i < 3; ++i) {
    for (int j = 0; j < 3; ++j) {
      const int i1 = (i + 1) % 3, i2 = (i + 2) % 3, j1 = (j + 1) % 3, j2 = (j + 2) % 3;
      cofactor[i][j] = M[i1][j1] * M[i2][j2] - M[i1][j2] * M[i2][j1];
    }
  }
  const double determinant = M[0][0] * cofactor[0][0] + M[0][1] * cofactor[0][1] + M[0][2] * cofactor[0][2];
  const double cross[3] = {a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]};
  double squares = 0, sum = 0, frobenius = 0, dot = 0;
  for (int i = 0; i < 3; ++i) {
    double solved = 0, product = 0;
    for (int j = 0; j < 3; ++j) {
      solved += cofactor[j][i] / determinant * a[j] / length;
      product += plain[i][j] * b[j];
      frobenius += M[i][j] * M[i][j];
    }
    const double turned = cross[i] / 2 + 0.5 * solved - product;
    squares += turned * turned;
    sum += turned;
    dot += a[i] * b[i];
  }
  return std::sqrt(squares) + dot * determinant + frobenius + sum;
}

constexpr double x[3] = {0.8, -0.6, 1.7};

double slope_by_differences(int i) {
  const double h = 1e-3;
  const auto at = [&](double step) {
    double y[3] = {x[0], x[1], x[2]};
    y[i] += step;
    return by_hand(y);
  };
  return (4 * (at(h) - at(-h)) / 5 - (at(2 * h) - at(-2 * h)) / 5 + 4 * (at(3 * h) - at(-3 * h)) / 105 -
          (at(4 * h) - at(-4 * h)) / 280) /
         h;
}

}  // namespace

TEST_CASE("a functor written with Eigen's vectors and matrices is differentiated by jets") {
  using J = Jet<double, 3>;
  const J seeded[3] = {J(x[0], 0), J(x[1], 1), J(x[2], 2)};
  const J y = through_eigen(seeded);
  CHECK(y.a == Approx(by_hand(x)).epsilon(1e-13));
  for (int i = 0; i < 3; ++i) {
    CHECK(y.v[i] == Approx(slope_by_differences(i)).epsilon(1e-9));
  }
}

TEST_CASE("hyper jets, nested jets and recorded numbers go through Eigen too, and agree") {
  using H = HyperJet<double, 3>;
  using Nested = Jet<Jet<double, 3>, 3>;
  using S = Jet<double, 3>;
  Tape<S> tape;
  const Tape<S>::Recording recording(tape);
  H hyper[3];
  Nested nested[3];
  Var<S> recorded[3];
  for (int i = 0; i < 3; ++i) {
    hyper[i] = H(x[i], i);
    nested[i] = Nested(S(x[i], i), i);
    recorded[i] = tape.input(S(x[i], i));
  }
  const H from_hyper = through_eigen(hyper);
  const Nested from_nested = through_eigen(nested);
  S gradient[3];
  tape.gradient(through_eigen(recorded), gradient);
  for (int i = 0; i < 3; ++i) {
    CHECK(from_hyper.v[i] == Approx(slope_by_differences(i)).epsilon(1e-9));
    CHECK(gradient[i].a == Approx(from_hyper.v[i]).epsilon(1e-12));
    for (int j = 0; j < 3; ++j) {
      CHECK(from_nested.v[i].v[j] == Approx(from_hyper.hessian(i, j)).epsilon(1e-11));
      CHECK(gradient[i].v[j] == Approx(from_hyper.hessian(i, j)).epsilon(1e-11));
    }
  }
}

TEST_CASE("Eigen knows the precision and the extremes of the underlying scalar") {
  using Traits = Eigen::NumTraits<Jet<float, 2>>;
  CHECK(value_of(Traits::epsilon()) == Eigen::NumTraits<float>::epsilon());
  CHECK(value_of(Traits::highest()) == Eigen::NumTraits<float>::highest());
  CHECK(Eigen::NumTraits<HyperJet<double, 2>>::digits10() == Eigen::NumTraits<double>::digits10());
  static_assert(std::is_same_v<Eigen::NumTraits<Var<double>>::Real, Var<double>>);
  static_assert(!Eigen::NumTraits<Jet<double, 2>>::IsComplex);
}

TEST_CASE("largest and smallest coefficients and dynamic matrices work") {
  using J = Jet<double, 2>;
  Eigen::Matrix<J, Eigen::Dynamic, Eigen::Dynamic> M(2, 3);
  M.setZero();
  M(0, 1) = J(4.0, 0);
  M(1, 2) = J(-3.0, 1);
  CHECK(M.maxCoeff().v[0] == 1.0);
  CHECK(M.minCoeff().v[1] == 1.0);
  CHECK(M.cwiseAbs().sum().a == 7.0);
  const Eigen::Matrix<J, Eigen::Dynamic, 1> product = M * Eigen::Vector3d(1, 2, 3);
  CHECK(product(0).v[0] == 2.0);
  CHECK(product(1).v[1] == 3.0);
}
