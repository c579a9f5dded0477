// Spheres, homogeneous vectors and lines.
#include "core/scratch.h"
#include "problems/manifold/formulas.h"

namespace kappa {
namespace {

using detail::Reflection;
using Buffer = detail::SmallScratch<double, 64>;

/// P = |x| B: its columns are those of the reflection.
void sphere_jacobian(const double* x, Index n, MatrixRef P) {
  const Reflection<double> reflection(x, n);
  for (Index j = 0; j + 1 < n; ++j) {
    const double along = x[j] / reflection.scale;
    for (Index i = 0; i + 1 < n; ++i) {
      P(i, j) = reflection.length * ((i == j ? 1.0 : 0.0) - along * x[i]);
    }
    P(n - 1, j) = -reflection.length * along * reflection.last;
  }
}

/// plus = x (1 - |d|^2/2) + |x| B d + O(|d|^3).
void sphere_second(const double* x, const double* w, Index n, MatrixRef S) {
  double along = 0;
  for (Index i = 0; i < n; ++i) {
    along += w[i] * x[i];
  }
  for (Index j = 0; j + 1 < n; ++j) {
    for (Index i = 0; i + 1 < n; ++i) {
      S(i, j) = i == j ? -along : 0.0;
    }
  }
}

/// With s = |d|^2: D c_0 = -c_1 d'v and D c_1 = (c_3 - c_2) d'v.
void sphere_derivative(const double* x, Index n, const double* d, const double* v, double* out) {
  const Reflection<double> reflection(x, n);
  double square = 0;
  double along = 0;
  for (Index i = 0; i + 1 < n; ++i) {
    square += d[i] * d[i];
    along += d[i] * v[i];
  }
  const auto c = detail::stumpff<3>(square);
  Buffer mixed(n);
  for (Index i = 0; i + 1 < n; ++i) {
    mixed[i] = c[1] * v[i] + (c[3] - c[2]) * along * d[i];
  }
  reflection.to_ambient(mixed.data(), out);
  for (Index i = 0; i < n; ++i) {
    out[i] = reflection.length * out[i] - c[1] * along * x[i];
  }
}

void copy_entries(const double* from, Index n, double* to) {
  std::copy(from, from + n, to);
}

class Sphere final : public Manifold {
 public:
  explicit Sphere(Index n) : Manifold("the unit sphere in R^" + std::to_string(n), n, n - 1), n_(n) {}

 private:
  void do_plus(const double* x, const double* delta, double* out) const override {
    Buffer moved(n_);
    detail::sphere_plus(x, n_, delta, moved.data());
    detail::keep_unit(moved.data(), n_);
    copy_entries(moved.data(), n_, out);
  }
  void do_minus(const double* y, const double* x, double* delta) const override {
    detail::sphere_minus(y, x, n_, delta);
  }
  void do_plus_jacobian(const double* x, MatrixRef P) const override { sphere_jacobian(x, n_, P); }
  void do_plus_second(const double* x, const double* w, MatrixRef S) const override {
    sphere_second(x, w, n_, S);
  }
  void do_plus_derivative(const double* x, const double* delta, const double* v, double* out) const override {
    sphere_derivative(x, n_, delta, v, out);
  }
  double do_departure(const double* x) const override { return detail::length_error(x, n_); }
  void do_normalize(double* x) const override { detail::scale_to_unit(x, n_); }

  Index n_;
};

class Homogeneous final : public Manifold {
 public:
  explicit Homogeneous(Index n)
      : Manifold("the homogeneous vectors in R^" + std::to_string(n), n, n - 1), n_(n) {}

 private:
  void do_plus(const double* x, const double* delta, double* out) const override {
    Buffer moved(n_);
    detail::sphere_plus(x, n_, delta, moved.data());
    copy_entries(moved.data(), n_, out);
  }
  void do_minus(const double* y, const double* x, double* delta) const override {
    double along = 0;
    for (Index i = 0; i < n_; ++i) {
      along += x[i] * y[i];
    }
    Buffer nearer(n_);
    nearer[0] = y[0];  // n_ is positive, which GCC 12 does not see and then warns
    for (Index i = 0; i < n_; ++i) {
      nearer[i] = along < 0 ? -y[i] : y[i];
    }
    detail::sphere_minus(nearer.data(), x, n_, delta);
  }
  void do_plus_jacobian(const double* x, MatrixRef P) const override { sphere_jacobian(x, n_, P); }
  void do_plus_second(const double* x, const double* w, MatrixRef S) const override {
    sphere_second(x, w, n_, S);
  }
  void do_plus_derivative(const double* x, const double* delta, const double* v, double* out) const override {
    sphere_derivative(x, n_, delta, v, out);
  }
  double do_departure(const double* x) const override {
    double square = 0;
    for (Index i = 0; i < n_; ++i) {
      square += x[i] * x[i];
    }
    return square > 0 && std::isfinite(square) ? 0.0 : infinity;
  }
  void do_normalize(double* x) const override { detail::scale_to_unit(x, n_); }

  Index n_;
};

class Line final : public Manifold {
 public:
  explicit Line(Index n)
      : Manifold("the lines in R^" + std::to_string(n), 2 * n, 2 * (n - 1)), n_(n), m_(n - 1) {}

 private:
  void do_plus(const double* x, const double* delta, double* out) const override {
    Buffer moved(2 * n_);
    const double* direction = x + n_;
    const Reflection<double> reflection(direction, n_);
    reflection.to_ambient(delta, moved.data());
    for (Index i = 0; i < n_; ++i) {
      moved[i] += x[i];
    }
    detail::sphere_plus(direction, n_, delta + m_, moved.data() + n_);
    detail::keep_unit(moved.data() + n_, n_);
    copy_entries(moved.data(), 2 * n_, out);
  }
  /// y's point where it crosses the plane through x's point that is perpendicular to x.
  void do_minus(const double* y, const double* x, double* delta) const override {
    const double* direction = x + n_;
    double cosine = 0;
    double ahead = 0;
    for (Index i = 0; i < n_; ++i) {
      cosine += direction[i] * y[n_ + i];
      ahead += direction[i] * (y[i] - x[i]);
    }
    const double slide = cosine != 0 ? ahead / cosine : 0.0;
    Buffer between(n_);
    for (Index i = 0; i < n_; ++i) {
      between[i] = y[i] - slide * y[n_ + i] - x[i];
    }
    const Reflection<double> reflection(direction, n_);
    reflection.to_tangent(between.data(), delta);
    detail::sphere_minus(y + n_, direction, n_, delta + m_);
  }
  void do_plus_jacobian(const double* x, MatrixRef P) const override {
    detail::clear(P);
    sphere_jacobian(x + n_, n_, {P.data, n_, m_, P.stride});
    sphere_jacobian(x + n_, n_, {&P(n_, m_), n_, m_, P.stride});
  }
  void do_plus_second(const double* x, const double* w, MatrixRef S) const override {
    detail::clear(S);
    sphere_second(x + n_, w + n_, n_, {&S(m_, m_), m_, m_, S.stride});
  }
  void do_plus_derivative(const double* x, const double* delta, const double* v, double* out) const override {
    const Reflection<double> reflection(x + n_, n_);
    reflection.to_ambient(v, out);
    sphere_derivative(x + n_, n_, delta + m_, v + m_, out + n_);
  }
  double do_departure(const double* x) const override {
    return std::fmax(detail::finite_or_infinity(x, n_), detail::length_error(x + n_, n_));
  }
  void do_normalize(double* x) const override { detail::scale_to_unit(x + n_, n_); }

  Index n_;
  Index m_;
};

template <class M>
manifolds::Shared of_size(Index n, const char* function) {
  if (n < 2) {
    throw Error("manifolds::" + std::string(function) + ": vectors of " + std::to_string(n) +
                " entries have no directions to move in; give a size of 2 or more");
  }
  return std::make_shared<M>(n);
}

}  // namespace

namespace manifolds {

Shared sphere(Index n) {
  return of_size<Sphere>(n, "sphere");
}
Shared homogeneous(Index n) {
  return of_size<Homogeneous>(n, "homogeneous");
}
Shared line(Index n) {
  return of_size<Line>(n, "line");
}

}  // namespace manifolds
}  // namespace kappa
