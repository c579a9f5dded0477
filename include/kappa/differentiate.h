// Derivatives of a callable by a single call: gradient, Hessian and products with it, Jacobian, the
// weighted Hessian sum_k w_k f_k'' and the array of all second derivatives of a vector function. All
// are exact to rounding; nothing is differenced.
//
// A scalar function is any callable with
//
//     template <class T> T operator()(std::span<const T> x) const;
//
// and a vector function of m outputs one with
//
//     template <class T> void operator()(std::span<const T> x, std::span<T> out) const;
//
// where T is double or one of kappa's numbers. A vector function may return bool instead of void;
// false says that x is outside its domain, and the function here returns false at once, its output
// then unspecified. A scalar function says so by a value that is not finite.
//
// Cost in arithmetic, in units of one evaluation of f, with n = x.size():
//     value_and_gradient 4, hessian_product 8, hessian about 4 n in ceil(n / 8) passes, all reverse
//     or forward over reverse; jacobian ceil(n / 8) passes of Jet<double, 8>; weighted_hessian as
//     hessian; third_order_hessian ceil(n / 8) recordings and m sweeps over each.
// In time the tape adds to that: see reverse.h.
//
// The overloads with a Tape reuse its memory and, once it has grown, allocate nothing for gradients
// and products. One tape serves one thread at a time.
//
// Reference: Griewank and Walther, Evaluating Derivatives, 2nd ed. (2008), chapters 3 to 5.
#pragma once

#include <algorithm>
#include <span>
#include <type_traits>
#include <vector>

#include "kappa/base.h"
#include "kappa/jet.h"
#include "kappa/reverse.h"

namespace kappa {

namespace detail {

inline constexpr int columns = 8;  // of a Jacobian or Hessian in one pass: a full vector register
using Chunk = Jet<double, columns>;

template <class F, class T>
bool call(const F& f, std::span<const T> x, std::span<T> out) {
  if constexpr (std::is_void_v<decltype(f(x, out))>) {
    f(x, out);
    return true;
  } else {
    return f(x, out);
  }
}

// x with the partials of variables first, first + 1, ... seeded.
template <int K>
void seed_columns(ConstVectorRef x, std::size_t first, std::vector<Jet<double, K>>& seeded) {
  seeded.assign(x.begin(), x.end());
  const std::size_t last = std::min(first + K, x.size());
  for (std::size_t j = first; j < last; ++j) {
    seeded[j].v[static_cast<int>(j - first)] = 1;
  }
}

// A scalar function as a vector function of one output.
template <class F>
struct SingleOutput {
  const F& f;
  template <class T>
  void operator()(std::span<const T> x, std::span<T> out) const {
    out[0] = f(x);
  }
};

inline constexpr double unit_weight = 1;

// Evaluates f on the tape at tape.scratch.points; the results are tape.scratch.outputs.
template <class F, class S>
bool record(const F& f, std::size_t m, Tape<S>& tape) {
  auto& [inputs, outputs, points, gradient] = tape.scratch;
  const typename Tape<S>::Recording recording(tape);
  inputs.clear();
  for (const S& point : points) {
    inputs.push_back(tape.input(point));
  }
  outputs.assign(m, Var<S>());
  gradient.resize(points.size());
  return call(f, std::span<const Var<S>>(inputs), std::span<Var<S>>(outputs));
}

// Columns first, first + 1, ... of the weighted Hessian are the partials of tape.scratch.gradient.
template <class F, int K>
bool record_columns(const F& f, ConstVectorRef x, std::size_t m, std::size_t first,
                    Tape<Jet<double, K>>& tape) {
  seed_columns(x, first, tape.scratch.points);
  return record(f, m, tape);
}

}  // namespace detail

/// Returns f(x) and writes its gradient, n entries.
template <class F>
double value_and_gradient(const F& f, ConstVectorRef x, VectorRef gradient, Tape<double>& tape) {
  expects(gradient.size() == x.size(), "value_and_gradient: the gradient has as many entries as x");
  tape.scratch.points.assign(x.begin(), x.end());
  detail::record(detail::SingleOutput<F>{f}, 1, tape);
  const Var<double>& output = tape.scratch.outputs[0];
  tape.gradient(output, gradient);
  return output.a;
}
template <class F>
double value_and_gradient(const F& f, ConstVectorRef x, VectorRef gradient) {
  Tape<double> tape;
  return value_and_gradient(f, x, gradient, tape);
}

/// out = (sum_k weights[k] f_k''(x)) v, with n entries in v and out and one weight for each output.
/// False if f says that x is outside its domain.
template <class F>
bool weighted_hessian_product(const F& f, ConstVectorRef x, ConstVectorRef weights, ConstVectorRef v,
                              VectorRef out, Tape<Jet<double, 1>>& tape) {
  expects(v.size() == x.size(), "weighted_hessian_product: v has as many entries as x");
  expects(out.size() == x.size(), "weighted_hessian_product: out has as many entries as x");
  auto& points = tape.scratch.points;
  points.assign(x.begin(), x.end());
  for (std::size_t i = 0; i < x.size(); ++i) {
    points[i].v[0] = v[i];
  }
  if (!detail::record(f, weights.size(), tape)) {
    return false;
  }
  auto& gradient = tape.scratch.gradient;
  tape.weighted_gradient(tape.scratch.outputs, weights, gradient);
  for (std::size_t i = 0; i < x.size(); ++i) {
    out[i] = gradient[i].v[0];
  }
  return true;
}
template <class F>
bool weighted_hessian_product(const F& f, ConstVectorRef x, ConstVectorRef weights, ConstVectorRef v,
                              VectorRef out) {
  Tape<Jet<double, 1>> tape;
  return weighted_hessian_product(f, x, weights, v, out, tape);
}

/// out = f''(x) v for a scalar function, n entries each.
template <class F>
void hessian_product(const F& f, ConstVectorRef x, ConstVectorRef v, VectorRef out,
                     Tape<Jet<double, 1>>& tape) {
  weighted_hessian_product(detail::SingleOutput<F>{f}, x, {&detail::unit_weight, 1}, v, out, tape);
}
template <class F>
void hessian_product(const F& f, ConstVectorRef x, ConstVectorRef v, VectorRef out) {
  Tape<Jet<double, 1>> tape;
  hessian_product(f, x, v, out, tape);
}

/// H = sum_k weights[k] f_k''(x), n x n and exactly symmetric, for f with m outputs and m weights.
/// False if f says that x is outside its domain.
template <class F>
bool weighted_hessian(const F& f, ConstVectorRef x, Index m, ConstVectorRef weights, MatrixRef H,
                      Tape<detail::Chunk>& tape) {
  const auto n = static_cast<Index>(x.size());
  expects(H.rows == n && H.cols == n, "weighted_hessian: H is a square matrix with as many rows as x");
  expects(m == static_cast<Index>(weights.size()), "weighted_hessian: one weight for each output");
  for (Index first = 0; first < n; first += detail::columns) {
    if (!detail::record_columns(f, x, weights.size(), static_cast<std::size_t>(first), tape)) {
      return false;
    }
    auto& gradient = tape.scratch.gradient;
    tape.weighted_gradient(tape.scratch.outputs, weights, gradient);
    for (Index j = first; j < std::min(first + detail::columns, n); ++j) {
      for (Index i = 0; i < n; ++i) {
        H(i, j) = gradient[static_cast<std::size_t>(i)].v[static_cast<int>(j - first)];
      }
    }
  }
  for (Index j = 0; j < n; ++j) {
    for (Index i = j + 1; i < n; ++i) {
      H(i, j) = H(j, i) = (H(i, j) + H(j, i)) / 2;
    }
  }
  return true;
}
template <class F>
bool weighted_hessian(const F& f, ConstVectorRef x, Index m, ConstVectorRef weights, MatrixRef H) {
  Tape<detail::Chunk> tape;
  return weighted_hessian(f, x, m, weights, H, tape);
}

/// H = f''(x) of a scalar function, n x n and exactly symmetric.
template <class F>
void hessian(const F& f, ConstVectorRef x, MatrixRef H, Tape<Jet<double, 8>>& tape) {
  weighted_hessian(detail::SingleOutput<F>{f}, x, 1, {&detail::unit_weight, 1}, H, tape);
}
template <class F>
void hessian(const F& f, ConstVectorRef x, MatrixRef H) {
  Tape<detail::Chunk> tape;
  hessian(f, x, H, tape);
}

/// J(k, j) = d f_k / d x_j, m x n. False if f says that x is outside its domain.
template <class F>
bool jacobian(const F& f, ConstVectorRef x, Index m, MatrixRef J) {
  const auto n = static_cast<Index>(x.size());
  expects(m >= 0 && J.rows == m && J.cols == n,
          "jacobian: J has one row for each output and one column for each entry of x");
  std::vector<detail::Chunk> inputs;
  std::vector<detail::Chunk> outputs(static_cast<std::size_t>(m));
  for (Index first = 0; first < n; first += detail::columns) {
    detail::seed_columns(x, static_cast<std::size_t>(first), inputs);
    if (!detail::call(f, std::span<const detail::Chunk>(inputs), std::span<detail::Chunk>(outputs))) {
      return false;
    }
    for (Index j = first; j < std::min(first + detail::columns, n); ++j) {
      for (Index k = 0; k < m; ++k) {
        J(k, j) = outputs[static_cast<std::size_t>(k)].v[static_cast<int>(j - first)];
      }
    }
  }
  return true;
}

/// All second derivatives of a function with m outputs: out is resized to m n n and
/// out[k n n + i n + j] = d^2 f_k / dx_i dx_j, each slice exactly symmetric. False if f says that x is
/// outside its domain.
template <class F>
bool third_order_hessian(const F& f, ConstVectorRef x, Index m, std::vector<double>& out) {
  expects(m >= 0, "third_order_hessian: the number of outputs is negative");
  const std::size_t n = x.size();
  const auto outputs = static_cast<std::size_t>(m);
  out.assign(outputs * n * n, 0.0);
  Tape<detail::Chunk> tape;
  for (std::size_t first = 0; first < n; first += detail::columns) {
    if (!detail::record_columns(f, x, outputs, first, tape)) {
      return false;
    }
    auto& gradient = tape.scratch.gradient;
    for (std::size_t k = 0; k < outputs; ++k) {
      tape.gradient(tape.scratch.outputs[k], gradient);
      for (std::size_t i = 0; i < n; ++i) {
        for (std::size_t j = first; j < std::min(first + detail::columns, n); ++j) {
          out[(k * n + i) * n + j] = gradient[i].v[static_cast<int>(j - first)];
        }
      }
    }
  }
  for (std::size_t k = 0; k < outputs; ++k) {
    for (std::size_t i = 0; i < n; ++i) {
      for (std::size_t j = 0; j < i; ++j) {
        double& lower = out[(k * n + i) * n + j];
        double& upper = out[(k * n + j) * n + i];
        lower = upper = (lower + upper) / 2;
      }
    }
  }
  return true;
}

}  // namespace kappa
