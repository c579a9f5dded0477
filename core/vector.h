// Dot products, norms and updates of plain arrays: the inner loops of the dense factorizations.
//
// Sums run in a fixed order that does not depend on the address of the data, so the same numbers give
// the same bits wherever they are stored.
#pragma once

#include <algorithm>
#include <cmath>

#include "kappa/base.h"

namespace kappa::detail {

/// Eight interleaved partial sums: enough independent chains to hide the latency of an addition.
[[gnu::always_inline]] inline double dot(const double* a, const double* b, Index n) {
  double s[8] = {0, 0, 0, 0, 0, 0, 0, 0};
  Index i = 0;
  for (; i + 8 <= n; i += 8) {
    for (int k = 0; k < 8; ++k) {
      s[k] += a[i + k] * b[i + k];
    }
  }
  double rest = 0;
  for (; i < n; ++i) {
    rest += a[i] * b[i];
  }
  return (((s[0] + s[4]) + (s[2] + s[6])) + ((s[1] + s[5]) + (s[3] + s[7]))) + rest;
}
inline double dot(ConstVectorRef a, ConstVectorRef b) {
  return dot(a.data(), b.data(), static_cast<Index>(a.size()));
}

/// y += a x.
[[gnu::always_inline]] inline void add_scaled(double a, const double* x, double* y, Index n) {
  for (Index i = 0; i < n; ++i) {
    y[i] += a * x[i];
  }
}

/// max |v_i|; infinity where an entry is not finite.
inline double largest(const double* v, Index n) {
  double out = 0;
  for (Index i = 0; i < n; ++i) {
    const double a = std::abs(v[i]);
    out = a <= out ? out : a;
    if (a != a) {
      return infinity;
    }
  }
  return out;
}
inline double largest(ConstVectorRef v) {
  return largest(v.data(), static_cast<Index>(v.size()));
}

inline bool all_finite(ConstVectorRef v) {
  return std::isfinite(largest(v));
}

/// Euclidean norm by a scaled pass.
inline double scaled_norm(const double* v, Index n) {
  const double top = largest(v, n);
  if (!(top > 0) || top == infinity) {
    return top;
  }
  double scaled = 0;
  for (Index i = 0; i < n; ++i) {
    const double t = v[i] / top;
    scaled += t * t;
  }
  return top * std::sqrt(scaled);
}
/// Euclidean norm without overflow: the plain sum of squares where it is safely inside the range of a
/// double, otherwise a second, scaled pass.
[[gnu::always_inline]] inline double norm(const double* v, Index n) {
  const double s = dot(v, v, n);
  return s > 1e-280 && s < 1e280 ? std::sqrt(s) : scaled_norm(v, n);
}
inline double norm(ConstVectorRef v) {
  return norm(v.data(), static_cast<Index>(v.size()));
}

/// sqrt(sum w_i v_i^2), guarded in the same way.
inline double weighted_norm(ConstVectorRef w, ConstVectorRef v) {
  double s = 0;
  for (std::size_t i = 0; i < v.size(); ++i) {
    s += (w[i] * v[i]) * v[i];
  }
  if (s > 1e-280 && s < 1e280) [[likely]] {
    return std::sqrt(s);
  }
  double top = 0;
  for (std::size_t i = 0; i < v.size(); ++i) {
    const double a = std::sqrt(w[i]) * std::abs(v[i]);
    if (!std::isfinite(a)) {
      return infinity;
    }
    top = std::max(top, a);
  }
  if (!(top > 0)) {
    return top;
  }
  double scaled = 0;
  for (std::size_t i = 0; i < v.size(); ++i) {
    const double t = std::sqrt(w[i]) * v[i] / top;
    scaled += t * t;
  }
  return top * std::sqrt(scaled);
}

/// The power of two at or below |v|, so that dividing by it is exact; 1 for zero.
inline double power_of_two(double v) {
  return v == 0 ? 1.0 : std::ldexp(1.0, std::ilogb(v));
}

}  // namespace kappa::detail
