// Manifold: where the values of a parameter block live when they are not just any numbers, for example
// unit quaternions, poses, directions. A point x has ambient_size() entries, a step delta has tangent_size():
//
//   plus(x, delta)   moves x by delta along the manifold        x + delta on R^n
//   minus(y, x)      the step that leads from x to y            y - x
//
// Derivatives are those of delta -> plus(x, delta) at 0: the Jacobian P (plus_jacobian), and for exact
// Hessians the second derivatives (plus_second). With f of the ambient entries, F(delta) = f(plus(x, delta))
// has
//
//   gradient  P' g,        Hessian  P' H P + sum_i g_i Hessian(plus_i),        g, H those of f at x.
//
// Laws, for points on the manifold (docs/concepts.md): plus(x, 0) = x; minus(plus(x, d), x) = d where d is
// inside the injectivity radius; plus(x, minus(y, x)) is the same point as y; plus(x, d) is on the manifold
// to rounding, however many steps came before.
//
// A manifold of your own: a functor with templated plus and minus, made by manifolds::custom and
// differentiated by kappa's jets; or a class derived from Manifold, which needs plus, minus and the
// Jacobian only. Manifolds are immutable and shared.
//
// References: Sola, Deray, Atchuthan: A micro Lie theory for state estimation in robotics, 2018
// (arXiv:1812.01537), section II and appendices A to D, for the groups, whose plus is theirs on the right
// (eq. 25, 26), X + tau = X Exp(tau). Hertzberg, Wagner, Frese, Schroeder: Integrating generic sensor fusion
// algorithms with sound state representations through encapsulation of manifolds, 2013, for the laws. Absil,
// Mahony, Sepulchre: Optimization algorithms on matrix manifolds, 2008, sections 4.1 and 8.1, for retractions
// and the transport of vectors by their derivatives.
#pragma once

#include <array>
#include <concepts>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "kappa/base.h"
#include "kappa/hyper_jet.h"
#include "kappa/jet.h"

namespace kappa {

class Manifold {
 public:
  virtual ~Manifold() = default;

  Index ambient_size() const { return ambient_; }
  Index tangent_size() const { return tangent_; }
  /// What messages call it: "SE(3)".
  const std::string& name() const { return name_; }

  /// Sizes that do not fit throw ContractError. `out` may be x.
  void plus(ConstVectorRef x, ConstVectorRef delta, VectorRef out) const;
  void minus(ConstVectorRef y, ConstVectorRef x, VectorRef delta) const;
  /// P(i, j) = d plus_i / d delta_j at delta = 0, ambient x tangent.
  void plus_jacobian(ConstVectorRef x, MatrixRef P) const;
  /// S = sum_i w_i Hessian(plus_i) at delta = 0, tangent x tangent, both triangles.
  void plus_second(ConstVectorRef x, ConstVectorRef w, MatrixRef S) const;
  /// The tangent vector v at x carried to y = plus(x, delta): the derivative of plus along v at delta, in the
  /// coordinates of y, that is P(y)^+ D plus(x, delta) v. The slope of t -> f(plus(x, t d)) is
  /// g(y)' transport(d).
  void transport(ConstVectorRef x, ConstVectorRef delta, ConstVectorRef v, VectorRef out) const;

  /// How far x is from the manifold, 0 where it lies on it; the error of a norm that should be 1, for
  /// example. Infinity where no point can be made of it.
  double departure(ConstVectorRef x) const;
  /// Replaces x by the point it stands for; of a vector of any length, the unit vector.
  void normalize(VectorRef x) const;
  /// Points with a departure up to this count as lying on the manifold.
  static constexpr double tolerance = 1e-8;
  bool contains(ConstVectorRef x) const { return departure(x) <= tolerance; }

  /// plus is x + delta, entry by entry.
  virtual bool euclidean() const { return false; }

 protected:
  Manifold(std::string name, Index ambient, Index tangent);

  // What a manifold provides; sizes have been checked, and `out` of do_plus may be x.
  virtual void do_plus(const double* x, const double* delta, double* out) const = 0;
  virtual void do_minus(const double* y, const double* x, double* delta) const = 0;
  virtual void do_plus_jacobian(const double* x, MatrixRef P) const = 0;
  /// Unless overridden: differences of plus of eighth order, to about 1e-11 where its scale is 1.
  virtual void do_plus_second(const double* x, const double* w, MatrixRef S) const;
  /// out = d/dt plus(x, delta + t v) at t = 0, ambient_size() long. Unless overridden: differences.
  virtual void do_plus_derivative(const double* x, const double* delta, const double* v, double* out) const;
  /// Unless overridden: how far plus(x, 0) is from x, and plus(x, 0).
  virtual double do_departure(const double* x) const;
  virtual void do_normalize(double* x) const;

 private:
  std::string name_;
  Index ambient_;
  Index tangent_;
};

enum class QuaternionOrder : unsigned char { wxyz, xyzw };

namespace detail {

/// The functor's plus or Plus; a bool that it returns is not looked at.
template <class F, class T>
void call_plus(const F& f, const T* x, const T* delta, T* out) {
  if constexpr (requires { f.plus(x, delta, out); }) {
    f.plus(x, delta, out);
  } else {
    f.Plus(x, delta, out);
  }
}
template <class F>
void call_minus(const F& f, const double* y, const double* x, double* delta) {
  if constexpr (requires { f.minus(y, x, delta); }) {
    f.minus(y, x, delta);
  } else {
    f.Minus(y, x, delta);
  }
}

/// A functor's plus, differentiated by jets in delta. Cost: the functor once with tangent partials each.
template <int Ambient, int Tangent, class F>
class DifferentiatedManifold : public Manifold {
 public:
  DifferentiatedManifold(F functor, std::string name)
      : Manifold(std::move(name), Ambient, Tangent), functor_(std::move(functor)) {}

 protected:
  const F& functor() const { return functor_; }

 private:
  /// plus on numbers of type T whose delta is seed(j).
  template <class T, class Seed>
  std::array<T, Ambient> lifted(const double* x, const Seed& seed) const {
    std::array<T, Ambient> point;
    std::array<T, Tangent> delta;
    std::array<T, Ambient> out;
    for (int i = 0; i < Ambient; ++i) {
      point[static_cast<std::size_t>(i)] = T(x[i]);
    }
    for (int j = 0; j < Tangent; ++j) {
      delta[static_cast<std::size_t>(j)] = seed(j);
    }
    call_plus(functor_, point.data(), delta.data(), out.data());
    return out;
  }

  void do_plus(const double* x, const double* delta, double* out) const override {
    call_plus(functor_, x, delta, out);
  }
  void do_minus(const double* y, const double* x, double* delta) const override {
    call_minus(functor_, y, x, delta);
  }
  void do_plus_jacobian(const double* x, MatrixRef P) const override {
    using T = Jet<double, Tangent>;
    const auto out = lifted<T>(x, [](int j) { return T(0.0, j); });
    for (int i = 0; i < Ambient; ++i) {
      for (int j = 0; j < Tangent; ++j) {
        P(i, j) = out[static_cast<std::size_t>(i)].v[j];
      }
    }
  }
  void do_plus_second(const double* x, const double* w, MatrixRef S) const override {
    using T = HyperJet<double, Tangent>;
    const auto out = lifted<T>(x, [](int j) { return T(0.0, j); });
    for (int j = 0; j < Tangent; ++j) {
      for (int k = 0; k < Tangent; ++k) {
        S(k, j) = 0;
        for (int i = 0; i < Ambient; ++i) {
          S(k, j) += w[i] * out[static_cast<std::size_t>(i)].hessian(k, j);
        }
      }
    }
  }
  void do_plus_derivative(const double* x, const double* delta, const double* v, double* out) const override {
    using T = Jet<double, 1>;
    const auto moved = lifted<T>(x, [&](int j) {
      T entry(delta[j]);
      entry.v[0] = v[j];
      return entry;
    });
    for (int i = 0; i < Ambient; ++i) {
      out[i] = moved[static_cast<std::size_t>(i)].v[0];
    }
  }
  double do_departure(const double* x) const override {
    if constexpr (requires { functor_.departure(x); }) {
      return functor_.departure(x);
    } else {
      return Manifold::do_departure(x);
    }
  }
  void do_normalize(double* x) const override {
    if constexpr (requires { functor_.normalize(x); }) {
      functor_.normalize(x);
    } else {
      Manifold::do_normalize(x);
    }
  }

  F functor_;
};

}  // namespace detail

/// The manifolds that kappa brings. Each is made once and shared by as many blocks as it fits.
namespace manifolds {

using Shared = std::shared_ptr<const Manifold>;

/// R^n: plus adds. A block with it is treated as one without a manifold.
Shared euclidean(Index n);
/// R^n with the entries of these indices held constant; tangent n - constant.size().
Shared subset(Index n, std::span<const Index> constant);
Shared subset(Index n, std::initializer_list<Index> constant);

/// An angle in radians, stored in [-pi, pi): plus adds and wraps. Any finite start is an angle.
Shared angle();
/// SO(2) as a unit complex number (cos a, sin a); the tangent is the angle (appendix A).
Shared so2();
/// SE(2) as (x, y, angle), the angle in [-pi, pi); the tangent is (rho_x, rho_y, theta) in the frame of the
/// pose (appendix C, eq. 156 and 158): t + R(a) V(theta) rho, a + theta.
Shared se2();
/// SO(3) as a unit quaternion; the tangent is the rotation vector theta in radians, in the frame of the
/// rotation (appendix B): q * (cos |theta|/2, sin(|theta|/2) theta/|theta|). q and -q are one rotation, and
/// minus takes the shorter way.
Shared so3(QuaternionOrder order = QuaternionOrder::wxyz);
/// SE(3) as (x, y, z, quaternion); the tangent is (rho, theta), rho first, in the frame of the pose (appendix
/// D, eq. 172 and 174): t + R(q) V(theta) rho, and the rotation as in so3.
Shared se3(QuaternionOrder order = QuaternionOrder::wxyz);

/// Unit quaternions as points of the sphere in R^4, with the steps of Ceres's QuaternionManifold (wxyz) and
/// EigenQuaternionManifold (xyzw): (cos |d|, sin|d| d/|d|) * q. The rotation angle is 2 |d|, in the fixed
/// frame; q and -q are different points.
Shared unit_quaternion(QuaternionOrder order = QuaternionOrder::wxyz);

/// Unit vectors in R^n, n >= 2; tangent n - 1. Steps run along great circles, in an orthonormal basis of the
/// tangent space made by a Householder reflection (Hertzberg et al. 2013, section 3.2.3).
Shared sphere(Index n);
/// Homogeneous vectors in R^n, n >= 2: nonzero, up to a factor; tangent n - 1. Steps run as on the sphere and
/// keep the length, y and -y are the same point.
Shared homogeneous(Index n);
/// Directed lines in R^n as (a point, the unit direction), n >= 2; tangent 2 (n - 1): the point moves
/// perpendicular to the line, the direction as on the sphere. Points along the line are one and the same
/// line. minus is defined for directions less than a right angle apart.
Shared line(Index n);

/// The product of manifolds, one after the other in ambient and tangent entries.
Shared product(std::vector<Shared> factors);

/// A manifold of your own. The functor has, for T a double or one of kappa's jets,
///   template <class T> void plus(const T* x, const T* delta, T* out) const;
///   void minus(const double* y, const double* x, double* delta) const;
/// (Plus and Minus, as functors for Ceres call them, do as well.) It may have
///   double departure(const double* x) const;      0 on the manifold
///   void normalize(double* x) const;
/// and without them plus(x, 0) is taken for the point that x stands for.
template <int Ambient, int Tangent, class F>
Shared custom(F functor, std::string name = "the user's manifold") {
  static_assert(0 < Tangent && Tangent <= Ambient, "a manifold has at most as many dimensions as its space");
  return std::make_shared<detail::DifferentiatedManifold<Ambient, Tangent, F>>(std::move(functor),
                                                                               std::move(name));
}

}  // namespace manifolds

}  // namespace kappa
