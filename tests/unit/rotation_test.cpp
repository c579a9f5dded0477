#include "kappa/rotation.h"

#include <array>
#include <cmath>
#include <numbers>
#include <random>
#include <span>
#include <vector>

#include "kappa/hyper_jet.h"
#include "kappa/jet.h"
#include "kappa/reverse.h"
#include "support/catch.h"

using kappa::HyperJet;
using kappa::Jet;

namespace {

using Wide = long double;
using Matrix = std::array<double, 9>;  // row-major

constexpr double pi = std::numbers::pi;

// The oracle: R p for an angle-axis vector, from the power series of the matrix exponential,
// exp([w]_x) p = sum_k [w]_x^k p / k!.
template <class T>
void rotate_by_series(const T* w, const T* p, T* result) {
  T term[3] = {p[0], p[1], p[2]};
  for (int i = 0; i < 3; ++i) {
    result[i] = p[i];
  }
  for (int k = 1; k < 60; ++k) {
    const T next[3] = {w[1] * term[2] - w[2] * term[1], w[2] * term[0] - w[0] * term[2],
                       w[0] * term[1] - w[1] * term[0]};
    for (int i = 0; i < 3; ++i) {
      term[i] = next[i] / T(k);
      result[i] += term[i];
    }
  }
}

Matrix matrix_of(const double* w) {
  Matrix R{};
  for (int j = 0; j < 3; ++j) {
    const double unit[3] = {j == 0 ? 1.0 : 0.0, j == 1 ? 1.0 : 0.0, j == 2 ? 1.0 : 0.0};
    double column[3];
    rotate_by_series(w, unit, column);
    for (int i = 0; i < 3; ++i) {
      R[static_cast<std::size_t>(3 * i + j)] = column[i];
    }
  }
  return R;
}

constexpr std::array<double, 9> angles = {0.0, 1e-9, 1e-4, 0.03, 0.999999, 1.0001, 2.0, pi - 1e-6, 3.0};

std::array<double, 3> vector_of(double angle) {
  const double axis[3] = {2.0 / 7, -3.0 / 7, 6.0 / 7};
  return {angle * axis[0], angle * axis[1], angle * axis[2]};
}

// Checks the gradient and Hessian of every output of f at x against long double differences of eighth
// order of `oracle`, the same map on long doubles.
template <int n, int m, class F, class G>
void check_derivatives(const F& f, const G& oracle, const std::array<double, n>& x, double tolerance) {
  using H = HyperJet<double, n>;
  std::array<H, n> in;
  for (int i = 0; i < n; ++i) {
    in[static_cast<std::size_t>(i)] = H(x[static_cast<std::size_t>(i)], i);
  }
  std::array<H, m> out;
  f(in.data(), out.data());
  constexpr std::array<Wide, 4> first = {4 / 5.0L, -1 / 5.0L, 4 / 105.0L, -1 / 280.0L};
  const Wide h = 0.004L;
  const auto difference = [&](auto& self, std::array<Wide, n> at,
                              std::vector<int> along) -> std::array<Wide, m> {
    std::array<Wide, m> sum{};
    if (along.empty()) {
      oracle(at.data(), sum.data());
      return sum;
    }
    const auto i = static_cast<std::size_t>(along.back());
    along.pop_back();
    const Wide centre = at[i];
    for (std::size_t s = 0; s < 4; ++s) {
      for (const Wide sign : {1.0L, -1.0L}) {
        at[i] = centre + sign * static_cast<Wide>(s + 1) * h;
        const auto part = self(self, at, along);
        for (std::size_t k = 0; k < m; ++k) {
          sum[k] += sign * first[s] / h * part[k];
        }
      }
    }
    return sum;
  };
  std::array<Wide, n> at;
  std::copy(x.begin(), x.end(), at.begin());
  const auto value = difference(difference, at, {});
  for (int i = 0; i < n; ++i) {
    const auto slope = difference(difference, at, {i});
    for (std::size_t k = 0; k < m; ++k) {
      CHECK(std::fabs(static_cast<double>(out[k].a - value[k])) < tolerance);
      CHECK(std::fabs(static_cast<double>(out[k].v[i] - slope[k])) < tolerance);
    }
    for (int j = 0; j <= i; ++j) {
      const auto bend = difference(difference, at, {i, j});
      for (std::size_t k = 0; k < m; ++k) {
        CHECK(std::fabs(static_cast<double>(out[k].hessian(i, j) - bend[k])) < 10 * tolerance);
      }
    }
  }
}

const auto rotate = [](const auto* x, auto* out) { kappa::AngleAxisRotatePoint(x, x + 3, out); };
const auto to_quaternion = [](const auto* x, auto* out) { kappa::AngleAxisToQuaternion(x, out); };
const auto to_matrix = [](const auto* x, auto* out) { kappa::AngleAxisToRotationMatrix(x, out); };

}  // namespace

TEST_CASE("rotating a point has exact first and second derivatives at every angle, zero included") {
  for (const double angle : angles) {
    INFO("angle " << angle);
    const auto w = vector_of(angle);
    check_derivatives<6, 3>(
        rotate, [](const Wide* x, Wide* out) { rotate_by_series(x, x + 3, out); },
        {w[0], w[1], w[2], 0.8, -1.1, 0.5}, 1e-12);
  }
}

TEST_CASE("the quaternion of an angle-axis vector has exact derivatives at every angle") {
  const auto oracle = [](const Wide* w, Wide* q) {
    // Half-angle power series, free of any branch: cos and sinc of |w| / 2.
    const Wide s = (w[0] * w[0] + w[1] * w[1] + w[2] * w[2]) / 4;
    Wide cosine = 0, sinc = 0, term = 1;
    for (int k = 0; k < 30; ++k) {
      cosine += term;
      sinc += term / static_cast<Wide>(2 * k + 1);
      term *= -s / static_cast<Wide>((2 * k + 1) * (2 * k + 2));
    }
    q[0] = cosine;
    for (int i = 0; i < 3; ++i) {
      q[i + 1] = sinc * w[i] / 2;
    }
  };
  for (const double angle : angles) {
    INFO("angle " << angle);
    check_derivatives<3, 4>(to_quaternion, oracle, vector_of(angle), 1e-12);
  }
}

TEST_CASE("the matrix of an angle-axis vector has exact derivatives at every angle") {
  const auto oracle = [](const Wide* w, Wide* R) {
    for (int j = 0; j < 3; ++j) {
      const Wide unit[3] = {j == 0 ? 1.0L : 0.0L, j == 1 ? 1.0L : 0.0L, j == 2 ? 1.0L : 0.0L};
      rotate_by_series(w, unit, R + 3 * j);
    }
  };
  for (const double angle : angles) {
    INFO("angle " << angle);
    check_derivatives<3, 9>(to_matrix, oracle, vector_of(angle), 1e-12);
  }
}

TEST_CASE("the angle-axis vector of a quaternion has exact derivatives at every angle and either sign") {
  // The oracle divides by the sine, with the step kept away from the zero rotation by its own series.
  const auto oracle = [](const Wide* q, Wide* w) {
    const Wide norm2 = q[1] * q[1] + q[2] * q[2] + q[3] * q[3];
    const Wide z = norm2 / (q[0] * q[0]);
    Wide factor = 0;
    if (z < 0.02L) {
      for (int j = 20; j >= 0; --j) {
        factor = 1 / static_cast<Wide>(2 * j + 1) - z * factor;
      }
      factor *= 2 / q[0];
    } else {
      const Wide norm = std::sqrt(norm2);
      factor = 2 * std::atan(norm / q[0]) / norm;
    }
    for (int i = 0; i < 3; ++i) {
      w[i] = factor * q[i + 1];
    }
  };
  const auto f = [](const auto* x, auto* out) { kappa::QuaternionToAngleAxis(x, out); };
  for (const double angle : {0.0, 1e-9, 1e-4, 0.03, 0.65, 0.75, 1.0, 2.0, 2.9}) {
    for (const double sign : {1.0, -1.0}) {
      INFO("angle " << angle << ", sign " << sign);
      const auto w = vector_of(angle);
      std::array<double, 4> q;
      kappa::AngleAxisToQuaternion(w.data(), q.data());
      for (double& entry : q) {
        entry *= sign;
      }
      check_derivatives<4, 3>(f, oracle, q, 1e-11);
    }
  }
}

TEST_CASE("angle-axis, quaternion and matrix convert into each other and back") {
  for (const double angle : angles) {
    INFO("angle " << angle);
    const auto w = vector_of(angle);
    double q[4], R[9], back[3];
    kappa::AngleAxisToQuaternion(w.data(), q);
    kappa::QuaternionToAngleAxis(q, back);
    for (std::size_t i = 0; i < 3; ++i) {
      CHECK(back[i] == Approx(w[i]).margin(1e-15));
    }
    kappa::AngleAxisToRotationMatrix(w.data(), R);
    const Matrix expected = matrix_of(w.data());
    for (std::size_t i = 0; i < 3; ++i) {
      for (std::size_t j = 0; j < 3; ++j) {
        CHECK(R[i + 3 * j] == Approx(expected[3 * i + j]).margin(1e-15));
      }
    }
    kappa::RotationMatrixToAngleAxis(R, back);
    for (std::size_t i = 0; i < 3; ++i) {
      CHECK(back[i] == Approx(w[i]).margin(2e-15));
    }
    double rows[9];
    kappa::QuaternionToRotation(q, rows);
    for (std::size_t k = 0; k < 9; ++k) {
      CHECK(rows[k] == Approx(expected[k]).margin(1e-15));
    }
  }
}

TEST_CASE("a rotation matrix is read through row-major and column-major views alike") {
  const auto w = vector_of(1.3);
  double columns[9], rows[9], from_columns[3], from_rows[3];
  kappa::AngleAxisToRotationMatrix(w.data(), kappa::ColumnMajorAdapter3x3(columns));
  kappa::AngleAxisToRotationMatrix(w.data(), kappa::RowMajorAdapter3x3(rows));
  for (std::size_t i = 0; i < 3; ++i) {
    for (std::size_t j = 0; j < 3; ++j) {
      CHECK(columns[i + 3 * j] == rows[3 * i + j]);
    }
  }
  kappa::RotationMatrixToAngleAxis(kappa::ColumnMajorAdapter3x3<const double>(columns), from_columns);
  kappa::RotationMatrixToAngleAxis(kappa::RowMajorAdapter3x3<const double>(rows), from_rows);
  for (int i = 0; i < 3; ++i) {
    CHECK(from_columns[i] == from_rows[i]);
  }
}

TEST_CASE("the quaternion of a half turn is found about every axis") {
  for (int axis = 0; axis < 3; ++axis) {
    double w[3] = {0.02, -0.01, 0.03};
    w[axis] = 3.1;
    double R[9], q[4], expected[4];
    kappa::AngleAxisToRotationMatrix(w, R);
    kappa::RotationMatrixToQuaternion(R, q);
    kappa::AngleAxisToQuaternion(w, expected);
    for (int i = 0; i < 4; ++i) {
      CHECK(q[i] == Approx(expected[i]).margin(1e-14));
    }
  }
}

TEST_CASE("the derivative of a matrix's angle-axis vector inverts that of the vector's matrix") {
  for (const double angle : {0.0, 1e-9, 1e-4, 1.0, 2.5, pi - 1e-6}) {
    INFO("angle " << angle);
    using H = HyperJet<double, 3>;
    const auto w = vector_of(angle);
    const std::array<H, 3> x = {H(w[0], 0), H(w[1], 1), H(w[2], 2)};
    H R[9], back[3];
    kappa::AngleAxisToRotationMatrix(x.data(), R);
    kappa::RotationMatrixToAngleAxis(R, back);
    for (int i = 0; i < 3; ++i) {
      for (int j = 0; j < 3; ++j) {
        CHECK(back[i].v[j] == Approx(i == j ? 1.0 : 0.0).margin(1e-13));
        for (int k = 0; k < 3; ++k) {
          CHECK(std::fabs(back[i].hessian(j, k)) < 1e-12);
        }
      }
    }
  }
}

TEST_CASE("Euler angles in degrees turn about x, then y, then z") {
  const double euler[3] = {20, -35, 110};
  const double radians = pi / 180;
  const double axis_x[3] = {20 * radians, 0, 0};
  const double axis_y[3] = {0, -35 * radians, 0};
  const double axis_z[3] = {0, 0, 110 * radians};
  const double p[3] = {0.3, -0.8, 1.7};
  double a[3], b[3], expected[3], R[9];
  rotate_by_series(axis_x, p, a);
  rotate_by_series(axis_y, a, b);
  rotate_by_series(axis_z, b, expected);
  kappa::EulerAnglesToRotationMatrix(euler, 3, R);
  for (int i = 0; i < 3; ++i) {
    CHECK(R[3 * i] * p[0] + R[3 * i + 1] * p[1] + R[3 * i + 2] * p[2] == Approx(expected[i]).epsilon(1e-14));
  }
}

TEST_CASE("quaternions rotate points as their matrices and multiply as rotations compose") {
  std::mt19937 random(5);
  std::uniform_real_distribution<double> entry(-1, 1);
  for (int trial = 0; trial < 20; ++trial) {
    double z[4], w[4], p[3];
    for (int i = 0; i < 4; ++i) {
      z[i] = entry(random);
      w[i] = entry(random);
    }
    for (double& coordinate : p) {
      coordinate = entry(random);
    }
    double zw[4], inner[3], nested[3], joint[3], R[9], scaled[9];
    kappa::QuaternionProduct(z, w, zw);
    kappa::QuaternionRotatePoint(w, p, inner);
    kappa::QuaternionRotatePoint(z, inner, nested);
    kappa::QuaternionRotatePoint(zw, p, joint);
    kappa::QuaternionToRotation(zw, R);
    kappa::QuaternionToScaledRotation(zw, scaled);
    const double norm2 = zw[0] * zw[0] + zw[1] * zw[1] + zw[2] * zw[2] + zw[3] * zw[3];
    for (int i = 0; i < 3; ++i) {
      CHECK(joint[i] == Approx(nested[i]).margin(1e-14));
      CHECK(R[3 * i] * p[0] + R[3 * i + 1] * p[1] + R[3 * i + 2] * p[2] == Approx(joint[i]).margin(1e-14));
      CHECK(scaled[3 * i + 1] == Approx(norm2 * R[3 * i + 1]).margin(1e-14));
    }
    double w_to[3], turned[3];
    const double norm = std::sqrt(norm2);
    const double unit[4] = {zw[0] / norm, zw[1] / norm, zw[2] / norm, zw[3] / norm};
    kappa::UnitQuaternionRotatePoint(unit, p, turned);
    kappa::QuaternionToAngleAxis(unit, w_to);
    double by_series[3];
    rotate_by_series(w_to, p, by_series);
    for (int i = 0; i < 3; ++i) {
      CHECK(turned[i] == Approx(by_series[i]).margin(1e-14));
    }
  }
}

TEST_CASE("dot and cross products are those of vectors") {
  const double x[3] = {1, 2, 3};
  const double y[3] = {-4, 5, 0.5};
  double cross[3];
  kappa::CrossProduct(x, y, cross);
  CHECK(kappa::DotProduct(x, y) == 7.5);
  CHECK(cross[0] == -14.0);
  CHECK(cross[1] == -12.5);
  CHECK(cross[2] == 13.0);
}

TEST_CASE("a rotation is differentiated alike by jets, nested jets and in reverse") {
  for (const double angle : {0.0, 1e-4, 0.9, 2.0}) {
    INFO("angle " << angle);
    const auto w = vector_of(angle);
    const double p[3] = {0.8, -1.1, 0.5};
    using H = HyperJet<double, 3>;
    using Nested = Jet<Jet<double, 3>, 3>;
    using S = Jet<double, 3>;
    kappa::Tape<S> tape;
    const kappa::Tape<S>::Recording recording(tape);
    H hyper[3], hyper_point[3], hyper_out[3];
    Nested nested[3], nested_point[3], nested_out[3];
    kappa::Var<S> recorded[3], recorded_point[3], recorded_out[3];
    for (int i = 0; i < 3; ++i) {
      const double wi = w[static_cast<std::size_t>(i)];
      hyper[i] = H(wi, i);
      nested[i] = Nested(S(wi, i), i);
      recorded[i] = tape.input(S(wi, i));
      hyper_point[i] = p[i];
      nested_point[i] = p[i];
      recorded_point[i] = p[i];
    }
    kappa::AngleAxisRotatePoint(hyper, hyper_point, hyper_out);
    kappa::AngleAxisRotatePoint(nested, nested_point, nested_out);
    kappa::AngleAxisRotatePoint(recorded, recorded_point, recorded_out);
    for (int k = 0; k < 3; ++k) {
      S gradient[3];
      tape.gradient(recorded_out[k], gradient);
      for (int i = 0; i < 3; ++i) {
        CHECK(nested_out[k].v[i].a == Approx(hyper_out[k].v[i]).margin(1e-14));
        CHECK(gradient[i].a == Approx(hyper_out[k].v[i]).margin(1e-14));
        for (int j = 0; j < 3; ++j) {
          CHECK(nested_out[k].v[i].v[j] == Approx(hyper_out[k].hessian(i, j)).margin(1e-13));
          CHECK(gradient[i].v[j] == Approx(hyper_out[k].hessian(i, j)).margin(1e-13));
        }
      }
    }
  }
}
