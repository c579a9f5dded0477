#include "solvers/linear/tridiagonal_model.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "core/vector.h"

namespace kappa::detail {
namespace {

/// Eigenvalues of a tridiagonal matrix by the implicit QL method. `d` becomes the eigenvalues; `first` starts
/// as e_1 and becomes the first entries of the eigenvectors. `e` is destroyed; e[i] couples i and i + 1, and
/// the last entry is scratch.
bool implicit_ql(VectorRef d, VectorRef e, VectorRef first) {
  const std::size_t n = d.size();
  constexpr int most_sweeps = 60;
  for (std::size_t l = 0; l < n; ++l) {
    for (int sweep = 0;; ++sweep) {
      std::size_t m = l;
      while (m + 1 < n && std::abs(e[m]) > epsilon * (std::abs(d[m]) + std::abs(d[m + 1]))) {
        ++m;
      }
      if (m == l) {
        break;
      }
      if (sweep == most_sweeps) {
        return false;
      }
      // Wilkinson's shift.
      const double half = (d[l + 1] - d[l]) / (2 * e[l]);
      const double r = std::hypot(half, 1.0);
      double g = d[m] - d[l] + e[l] / (half + std::copysign(r, half));
      double s = 1;
      double c = 1;
      double p = 0;
      bool split = false;
      for (std::size_t i = m; i-- > l;) {
        const double f = s * e[i];
        const double b = c * e[i];
        const double length = std::hypot(f, g);
        e[i + 1] = length;
        if (length == 0) {
          d[i + 1] -= p;
          e[m] = 0;
          split = true;
          break;
        }
        s = f / length;
        c = g / length;
        const double q = d[i + 1] - p;
        const double t = (d[i] - q) * s + 2 * c * b;
        p = s * t;
        d[i + 1] = q + p;
        g = c * t - b;
        const double upper = first[i + 1];
        first[i + 1] = s * first[i] + c * upper;
        first[i] = c * first[i] - s * upper;
      }
      if (!split) {
        d[l] -= p;
        e[l] = g;
        e[m] = 0;
      }
    }
  }
  return true;
}

}  // namespace

void TridiagonalModel::reserve(Index k) {
  const auto size = static_cast<std::size_t>(k);
  for (std::vector<double>* v : {&diagonal_, &off_, &theta_, &weight_, &work_, &pivot_, &factor_, &vector_}) {
    v->reserve(size);
  }
}

bool TridiagonalModel::set(ConstVectorRef diagonal, ConstVectorRef off, double gamma) {
  const std::size_t k = diagonal.size();
  expects(k > 0 && off.size() + 1 == k, "TridiagonalModel: one entry less beside the diagonal than on it");
  diagonal_.assign(diagonal.begin(), diagonal.end());
  off_.assign(off.begin(), off.end());
  gamma_ = gamma;
  theta_ = diagonal_;
  work_.assign(k, 0.0);
  std::copy(off.begin(), off.end(), work_.begin());
  weight_.assign(k, 0.0);
  weight_[0] = 1;
  pivot_.resize(k);
  factor_.resize(k);
  vector_.resize(k);
  if (!all_finite(diagonal_) || !all_finite(off_) || !implicit_ql(theta_, work_, weight_)) {
    return false;
  }
  leftmost_ = infinity;
  scale_ = 0;
  for (std::size_t i = 0; i < k; ++i) {
    weight_[i] *= weight_[i];
    leftmost_ = std::min(leftmost_, theta_[i]);
    scale_ = std::max(scale_, std::abs(theta_[i]));
  }
  least_ = std::max(0.0, -leftmost_);
  return std::isfinite(leftmost_);
}

TridiagonalModel::Length TridiagonalModel::length(double t) const {
  // In units of the smallest gap, so that squares neither over- nor underflow.
  const double unit = leftmost_gap() + t;
  double square = 0;
  double cube = 0;
  for (std::size_t i = 0; i < theta_.size(); ++i) {
    const double relative = unit / ((theta_[i] + least_) + t);
    square += weight_[i] * relative * relative;
    cube += weight_[i] * relative * relative * relative;
  }
  const double norm = gamma_ / unit * std::sqrt(square);
  return {norm, square > 0 ? cube / (square * unit) : 0};
}

double TridiagonalModel::leftmost_gap() const {
  return leftmost_ + least_;
}

/// t in (0, high] with length(t) = target(t), where length falls, target does not, and length(high) is at
/// most target(high).
template <class Target>
double TridiagonalModel::root(double high, const Target& target) const {
  double low = 0;
  double t = high;
  for (int i = 0; i < 200 && high - low > 2 * epsilon * high; ++i) {
    const Length at = length(t);
    const auto [goal, slope] = target(t);  // and the derivative of 1/goal
    (at.norm > goal ? low : high) = t;
    // psi = 1/|y| - 1/goal, psi' = fall/|y| - (1/goal)'.
    const double psi = 1 / at.norm - 1 / goal;
    const double derivative = at.fall / at.norm - slope;
    const double next = t - psi / derivative;
    if (std::abs(next - t) <= 2 * epsilon * t) {
      break;
    }
    t = next > low && next < high ? next : low > 0 ? std::sqrt(low) * std::sqrt(high) : high * 0x1p-4;
    if (!(t > 0)) {
      return high;
    }
  }
  return t;
}

/// (T + lambda I) y = -gamma e_1 by L D L', from the last row up, so that only y_1 starts the substitution.
void TridiagonalModel::solve(double lambda, VectorRef y) {
  const std::size_t k = diagonal_.size();
  const double tiny = std::max(epsilon * epsilon * (scale_ + lambda), 1e-300);
  for (std::size_t i = k; i-- > 0;) {
    double d = diagonal_[i] + lambda;
    if (i + 1 < k) {
      factor_[i] = off_[i] / pivot_[i + 1];
      d -= factor_[i] * off_[i];
    }
    pivot_[i] = std::abs(d) > tiny ? d : tiny;
  }
  y[0] = -gamma_ / pivot_[0];
  for (std::size_t i = 1; i < k; ++i) {
    y[i] = -factor_[i - 1] * y[i - 1];
  }
}

/// Adds what is missing to `radius` along the eigenvector of the smallest eigenvalue, found by inverse
/// iteration with the factor of the last solve.
void TridiagonalModel::add_eigenvector(double radius, VectorRef y) {
  const std::size_t k = diagonal_.size();
  // Each block of T may hold the eigenvector: the start has an entry everywhere.
  for (std::size_t i = 0; i < k; ++i) {
    vector_[i] = 1 + 0.5 * std::sin(static_cast<double>(i + 1));
  }
  for (int sweep = 0; sweep < 4; ++sweep) {
    // T + lambda = U D U' with U_{i,i+1} = factor_i.
    for (std::size_t i = k - 1; i-- > 0;) {
      vector_[i] -= factor_[i] * vector_[i + 1];
    }
    for (std::size_t i = 0; i < k; ++i) {
      vector_[i] /= pivot_[i];
    }
    for (std::size_t i = 1; i < k; ++i) {
      vector_[i] -= factor_[i - 1] * vector_[i - 1];
    }
    const double length = norm(vector_);
    for (double& v : vector_) {
      v /= length;
    }
  }
  const double along = dot(y, vector_);
  const double square = dot(y, y);
  const double gap = std::max(0.0, radius * radius - square);
  // The root of smaller size: the one that changes the model less where T + lambda is not quite singular.
  const double root = std::sqrt(along * along + gap);
  const double tau = along > 0 ? gap / (along + root) : -gap / (root - along);
  for (std::size_t i = 0; i < k; ++i) {
    y[i] += tau * vector_[i];
  }
}

TridiagonalModel::Solution TridiagonalModel::within(double radius, VectorRef y) {
  const double rounding = 4 * epsilon * scale_;
  if (leftmost_ > rounding && length(0).norm <= radius) {
    solve(0, y);
    return {0, Solution::Kind::interior};
  }
  const double nearest = leftmost_ > rounding ? 0.0 : std::max(rounding, 1e-300);
  if (nearest > 0 && length(nearest).norm <= radius) {
    // Far enough from the singularity for y, and near enough for the model: see the header.
    const double lambda = least_ + std::max(nearest, 1e-11 * scale_);
    solve(lambda, y);
    if (leftmost_ >= -rounding) {
      return {0, Solution::Kind::interior};
    }
    add_eigenvector(radius, y);
    return {lambda, Solution::Kind::hard};
  }
  const double high = std::max(2 * nearest, gamma_ / radius);
  const double t = root(high, [&](double) { return std::pair{radius, 0.0}; });
  solve(least_ + t, y);
  const double factor = radius / norm(y);
  for (double& v : y) {
    v *= factor;
  }
  return {least_ + t, Solution::Kind::boundary};
}

TridiagonalModel::Solution TridiagonalModel::cubic(double weight, VectorRef y) {
  if (weight == 0 && leftmost_ > 4 * epsilon * scale_) {
    solve(0, y);
    return {0, Solution::Kind::interior};
  }
  const double nearest = std::max(4 * epsilon * scale_, 1e-300);
  if (leftmost_ < 0 && length(nearest).norm <= (least_ + nearest) / weight) {
    return within(least_ / weight, y);
  }
  if (gamma_ == 0) {
    std::fill(y.begin(), y.end(), 0.0);
    return {0, Solution::Kind::interior};
  }
  const double high = std::max(2 * nearest, std::sqrt(gamma_) * std::sqrt(weight));
  const double t = root(high, [&](double at) {
    const double lambda = least_ + at;
    return std::pair{lambda / weight, -(weight / lambda) / lambda};
  });
  solve(least_ + t, y);
  return {least_ + t, Solution::Kind::boundary};
}

bool TridiagonalModel::damped(double lambda, VectorRef y) {
  if (!(leftmost_ + lambda > 4 * epsilon * (scale_ + lambda))) {
    return false;
  }
  solve(lambda, y);
  return true;
}

double TridiagonalModel::value(ConstVectorRef y) const {
  double quadratic = 0;
  for (std::size_t i = 0; i < diagonal_.size(); ++i) {
    const double beside = i + 1 < diagonal_.size() ? 2 * off_[i] * y[i + 1] : 0.0;
    quadratic += y[i] * (diagonal_[i] * y[i] + beside);
  }
  return gamma_ * y[0] + 0.5 * quadratic;
}

}  // namespace kappa::detail
