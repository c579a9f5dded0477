// Lets functors compute with Eigen::Matrix<T, ...> where T is a Jet, HyperJet or Var: norm,
// normalized, cross, products, inverse of small matrices, and mixing with plain scalars as in
// 2.0 * matrix. Include it in code that evaluates such functors; it is the only public header of kappa
// that includes Eigen.
//
// Cost figures tell Eigen what an operation costs beside one of the underlying scalar, so that it
// evaluates a shared subexpression once.
#pragma once

#include <Eigen/Core>

#include "kappa/hyper_jet.h"
#include "kappa/jet.h"
#include "kappa/reverse.h"

namespace kappa::detail {

template <class X, int width>
struct EigenTraits {
  using Real = X;
  using NonInteger = X;
  using Nested = X;
  using Literal = X;
  using Base = Eigen::NumTraits<BaseScalar<X>>;

  enum {
    IsComplex = 0,
    IsInteger = 0,
    IsSigned = 1,
    RequireInitialization = 1,
    HasFloatingPoint = 1,
    ReadCost = width,
    AddCost = width,
    MulCost = 3 * width
  };

  static X epsilon() { return X(Base::epsilon()); }
  static X dummy_precision() { return X(Base::dummy_precision()); }
  static X highest() { return X(Base::highest()); }
  static X lowest() { return X(Base::lowest()); }
  static X infinity() { return X(Base::infinity()); }
  static X quiet_NaN() { return X(Base::quiet_NaN()); }
  static int digits10() { return Base::digits10(); }
};

}  // namespace kappa::detail

namespace Eigen {

template <class T, int N>
struct NumTraits<kappa::Jet<T, N>> : kappa::detail::EigenTraits<kappa::Jet<T, N>, 1 + N> {};
template <class T, int N>
struct NumTraits<kappa::HyperJet<T, N>>
    : kappa::detail::EigenTraits<kappa::HyperJet<T, N>, 1 + N + N*(N + 1) / 2> {};
template <class S>
struct NumTraits<kappa::Var<S>> : kappa::detail::EigenTraits<kappa::Var<S>, 4> {};

template <kappa::Differentiable X, class S, class Operation>
requires kappa::ScalarFor<S, X>
struct ScalarBinaryOpTraits<X, S, Operation> {
  using ReturnType = X;
};
template <class S, kappa::Differentiable X, class Operation>
requires kappa::ScalarFor<S, X>
struct ScalarBinaryOpTraits<S, X, Operation> {
  using ReturnType = X;
};

}  // namespace Eigen
