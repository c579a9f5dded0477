// The negative log-likelihood of a Gaussian model in long double, with derivatives by differences of eighth
// order: slow, obviously right, and without a formula in common with the library.
#pragma once

#include <cmath>
#include <functional>
#include <numbers>
#include <vector>

#include "kappa/base.h"

namespace test {

using Real = long double;
using RealVector = std::vector<Real>;

/// Mean and covariance (n x n, both triangles, column-major) at theta.
struct RealMoments {
  RealVector mu;
  RealVector sigma;
};
using RealModel = std::function<RealMoments(const RealVector& theta)>;

/// The lower factor of an n x n matrix, in place, upper triangle zero.
inline void real_cholesky(RealVector& a, std::size_t n) {
  for (std::size_t j = 0; j < n; ++j) {
    for (std::size_t k = 0; k < j; ++k) {
      for (std::size_t i = j; i < n; ++i) {
        a[i + j * n] -= a[i + k * n] * a[j + k * n];
      }
    }
    const Real root = std::sqrt(a[j + j * n]);
    for (std::size_t i = 0; i < n; ++i) {
      a[i + j * n] = i < j ? 0 : a[i + j * n] / root;
    }
  }
}

inline Real real_likelihood(const RealModel& model, const std::vector<double>& data,
                            const RealVector& theta) {
  RealMoments m = model(theta);
  const std::size_t n = data.size();
  real_cholesky(m.sigma, n);
  Real value = static_cast<Real>(n) / 2 * std::log(2 * std::numbers::pi_v<Real>);
  RealVector z(n);
  for (std::size_t i = 0; i < n; ++i) {
    Real sum = data[i] - m.mu[i];
    for (std::size_t k = 0; k < i; ++k) {
      sum -= m.sigma[i + k * n] * z[k];
    }
    z[i] = sum / m.sigma[i + i * n];
    value += std::log(m.sigma[i + i * n]) + z[i] * z[i] / 2;
  }
  return value;
}

/// f'(0) and f''(0) from nine values at distances of h; errors of h^8.
struct Differences {
  Real first = 0;
  Real second = 0;
};
inline Differences differences(const std::function<Real(Real)>& f, Real h) {
  constexpr Real first[] = {Real(4) / 5, Real(-1) / 5, Real(4) / 105, Real(-1) / 280};
  constexpr Real second[] = {Real(8) / 5, Real(-1) / 5, Real(8) / 315, Real(-1) / 560};
  Differences out;
  out.second = Real(-205) / 72 * f(0);
  for (int k = 1; k <= 4; ++k) {
    const Real above = f(k * h);
    const Real below = f(-k * h);
    out.first += first[k - 1] * (above - below);
    out.second += second[k - 1] * (above + below);
  }
  out.first /= h;
  out.second /= h * h;
  return out;
}

inline RealVector moved(RealVector theta, std::size_t i, Real by) {
  theta[i] += by;
  return theta;
}

inline constexpr Real difference_step = 5e-4L;

inline RealVector real_gradient(const RealModel& model, const std::vector<double>& data,
                                const RealVector& theta) {
  RealVector out;
  for (std::size_t i = 0; i < theta.size(); ++i) {
    out.push_back(
        differences([&](Real t) { return real_likelihood(model, data, moved(theta, i, t)); }, difference_step)
            .first);
  }
  return out;
}

/// Column-major; mixed derivatives as the difference of derivatives along the two diagonals.
inline RealVector real_hessian(const RealModel& model, const std::vector<double>& data,
                               const RealVector& theta) {
  const std::size_t p = theta.size();
  RealVector out(p * p);
  const auto along = [&](std::size_t i, std::size_t j, Real si, Real sj) {
    return differences(
               [&](Real t) {
                 return real_likelihood(model, data, moved(moved(theta, i, si * t), j, sj * t));
               },
               difference_step)
        .second;
  };
  for (std::size_t i = 0; i < p; ++i) {
    out[i + i * p] = along(i, i, 1, 0);
    for (std::size_t j = 0; j < i; ++j) {
      out[i + j * p] = out[j + i * p] = (along(i, j, 1, 1) - along(i, j, 1, -1)) / 4;
    }
  }
  return out;
}

/// 1/2 J'(K x K) J + Jmu'K Jmu with the Kronecker product written out, entry by entry.
inline RealVector real_information(const RealModel& model, const RealVector& theta) {
  const std::size_t p = theta.size();
  const RealMoments m = model(theta);
  const std::size_t n = m.mu.size();
  RealVector L = m.sigma;
  real_cholesky(L, n);
  RealVector K(n * n);
  for (std::size_t c = 0; c < n; ++c) {
    RealVector e(n);
    e[c] = 1;
    for (std::size_t i = 0; i < n; ++i) {
      for (std::size_t k = 0; k < i; ++k) {
        e[i] -= L[i + k * n] * e[k];
      }
      e[i] /= L[i + i * n];
    }
    for (std::size_t i = n; i-- > 0;) {
      for (std::size_t k = i + 1; k < n; ++k) {
        e[i] -= L[k + i * n] * e[k];
      }
      e[i] /= L[i + i * n];
      K[i + c * n] = e[i];
    }
  }
  RealVector J(n * n * p);
  RealVector Jmu(n * p);
  for (std::size_t i = 0; i < p; ++i) {
    for (std::size_t e = 0; e < n * n + n; ++e) {
      const Real d = differences(
                         [&](Real t) {
                           const RealMoments at = model(moved(theta, i, t));
                           return e < n * n ? at.sigma[e] : at.mu[e - n * n];
                         },
                         difference_step)
                         .first;
      (e < n * n ? J[e + i * n * n] : Jmu[e - n * n + i * n]) = d;
    }
  }
  RealVector out(p * p);
  for (std::size_t i = 0; i < p; ++i) {
    for (std::size_t j = 0; j < p; ++j) {
      Real sum = 0;
      for (std::size_t u = 0; u < n * n; ++u) {
        for (std::size_t v = 0; v < n * n; ++v) {
          // Entry (u, v) of K x K: block (u / n, v / n) is K_(u/n)(v/n) K.
          sum += J[u + i * n * n] * K[u / n + (v / n) * n] * K[u % n + (v % n) * n] * J[v + j * n * n] / 2;
        }
      }
      for (std::size_t u = 0; u < n; ++u) {
        for (std::size_t v = 0; v < n; ++v) {
          sum += Jmu[u + i * n] * K[u + v * n] * Jmu[v + j * n];
        }
      }
      out[i + j * p] = sum;
    }
  }
  return out;
}

}  // namespace test
