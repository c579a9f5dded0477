// B = theta I + sum_k sign_k v_k v_k', with its damped inverse: what limited-memory quasi-Newton matrices
// are.
//
// With D = theta I + lambda W and the v_k as columns of V (Sherman, Morrison & Woodbury)
//
//   (D + V Sigma V')^-1 = D^-1 - D^-1 V K^-1 V' D^-1,   K = Sigma + V' D^-1 V,
//
// and for a positive D the matrix is positive definite exactly where K has as many negative eigenvalues as
// Sigma has (Haynsworth's inertia of the block matrix with D and -Sigma). K is as small as the rank, so its
// eigenvalues, by Jacobi's rotations, decide and solve at once. Where terms cancel much of theta the formula
// loses (theta / |B + lambda W|)^2 roundings, the products only the first power of it: a step of iterative
// refinement, whose residual is computed by products, brings the digits back.
//
// Cost: a product 4 r n flops, a solve 2 r^2 n for K and 8 r n beside it, twice with refinement; memory
// (r + 1) n.
//
// References: Byrd, Nocedal & Schnabel, Math. Program. 63 (1994) 129; Golub & Van Loan 2013, sec. 2.1.4, 8.5.
#pragma once

#include <cmath>
#include <cstddef>
#include <span>
#include <vector>

namespace low_rank {

using Vector = std::span<const double>;
using Output = std::span<double>;

/// Four interleaved sums, in an order that does not depend on the address.
inline double dot(Vector a, Vector b) {
  double s[4] = {0, 0, 0, 0};
  std::size_t i = 0;
  for (; i + 4 <= a.size(); i += 4) {
    for (std::size_t k = 0; k < 4; ++k) {
      s[k] += a[i + k] * b[i + k];
    }
  }
  for (; i < a.size(); ++i) {
    s[0] += a[i] * b[i];
  }
  return (s[0] + s[2]) + (s[1] + s[3]);
}

inline void add(double scale, Vector v, Output out) {
  for (std::size_t i = 0; i < v.size(); ++i) {
    out[i] += scale * v[i];
  }
}

class Matrix {
 public:
  /// Memory for vectors of n entries, at most `rank` of them; B = I.
  void reserve(std::size_t n, std::size_t rank) {
    n_ = n;
    vectors_.resize(n * rank);
    scaled_.resize(n * rank);
    signs_.reserve(rank);
    K_.resize(rank * rank);
    Q_.resize(rank * rank);
    small_.resize(2 * rank);
    residual_.resize(n);
    correction_.resize(n);
    reset(1);
  }
  /// B = theta I.
  void reset(double theta) {
    theta_ = theta;
    signs_.clear();
  }
  /// B += v v' / c, c not zero.
  void add_term(Vector v, double c) {
    const std::size_t k = signs_.size();
    signs_.push_back(c > 0 ? 1.0 : -1.0);
    const double scale = 1 / std::sqrt(std::fabs(c));
    for (std::size_t i = 0; i < n_; ++i) {
      vectors_[k * n_ + i] = scale * v[i];
    }
  }

  std::size_t size() const { return n_; }
  std::size_t rank() const { return signs_.size(); }

  void multiply(Vector v, Output out) const {
    for (std::size_t i = 0; i < n_; ++i) {
      out[i] = theta_ * v[i];
    }
    for (std::size_t k = 0; k < rank(); ++k) {
      add(signs_[k] * dot(vector(k), v), vector(k), out);
    }
  }

  void diagonal(Output out) const {
    for (std::size_t i = 0; i < n_; ++i) {
      out[i] = theta_;
    }
    for (std::size_t k = 0; k < rank(); ++k) {
      const Vector v = vector(k);
      for (std::size_t i = 0; i < n_; ++i) {
        out[i] += signs_[k] * v[i] * v[i];
      }
    }
  }

  /// out = (B + lambda diag(weights))^-1 right; false where that is not positive definite.
  bool solve(double lambda, Vector weights, Vector right, Output out) const {
    if (!factor(lambda, weights)) {
      return false;
    }
    solve_factored(lambda, weights, right, out);
    for (int k = 0; k < 3 && !solves(lambda, weights, right, out); ++k) {
      solve_factored(lambda, weights, residual_, correction_);
      add(1, correction_, out);
    }
    return true;
  }

 private:
  Vector vector(std::size_t k) const { return {vectors_.data() + k * n_, n_}; }
  Vector scaled(std::size_t k) const { return {scaled_.data() + k * n_, n_}; }

  /// K = Q E Q' of the damped matrix; false where that is not positive definite.
  bool factor(double lambda, Vector weights) const {
    const std::size_t r = rank();
    std::size_t negative = 0;
    for (std::size_t i = 0; i < n_; ++i) {
      if (theta_ + lambda * weights[i] <= 0) {
        return false;
      }
    }
    for (std::size_t k = 0; k < r; ++k) {
      const Vector v = vector(k);
      for (std::size_t i = 0; i < n_; ++i) {
        scaled_[k * n_ + i] = v[i] / (theta_ + lambda * weights[i]);
      }
      for (std::size_t j = 0; j <= k; ++j) {
        K_[k * r + j] = K_[j * r + k] = dot(scaled(k), vector(j));
      }
      K_[k * r + k] += signs_[k];
      negative += signs_[k] < 0 ? 1 : 0;
    }
    diagonalise(r);
    for (std::size_t k = 0; k < r; ++k) {
      if (K_[k * r + k] == 0) {
        return false;
      }
      negative -= K_[k * r + k] < 0 ? 1 : 0;  // wraps below zero, which is not 0 either
    }
    return negative == 0;
  }

  void solve_factored(double lambda, Vector weights, Vector right, Output out) const {
    const std::size_t r = rank();
    for (std::size_t i = 0; i < n_; ++i) {
      out[i] = right[i] / (theta_ + lambda * weights[i]);
    }
    for (std::size_t k = 0; k < r; ++k) {
      small_[k] = dot(vector(k), out);
    }
    for (std::size_t k = 0; k < r; ++k) {
      double along = 0;
      for (std::size_t i = 0; i < r; ++i) {
        along += Q_[k * r + i] * small_[i];
      }
      small_[r + k] = along / K_[k * r + k];
    }
    for (std::size_t i = 0; i < r; ++i) {
      double weight = 0;
      for (std::size_t k = 0; k < r; ++k) {
        weight += Q_[k * r + i] * small_[r + k];
      }
      add(-weight, scaled(i), out);
    }
  }

  /// Whether x is the solution up to a relative residual of 1e-10; the residual is left in residual_.
  bool solves(double lambda, Vector weights, Vector right, Vector x) const {
    multiply(x, residual_);
    double largest = 0;
    double size = 0;
    for (std::size_t i = 0; i < n_; ++i) {
      residual_[i] = right[i] - residual_[i] - lambda * weights[i] * x[i];
      largest = std::fmax(largest, std::fabs(residual_[i]));
      size = std::fmax(size, std::fabs(right[i]));
    }
    return largest <= 1e-10 * size;
  }

  /// K := Q' K Q diagonal, column k of Q in Q_[k r ..], by cyclic Jacobi rotations.
  void diagonalise(std::size_t r) const {
    for (std::size_t i = 0; i < r * r; ++i) {
      Q_[i] = i % (r + 1) == 0 ? 1.0 : 0.0;
    }
    for (int sweep = 0; sweep < 40; ++sweep) {
      bool rotated = false;
      for (std::size_t p = 0; p < r; ++p) {
        for (std::size_t q = p + 1; q < r; ++q) {
          const double off = K_[p * r + q];
          const double scale = std::sqrt(std::fabs(K_[p * r + p])) * std::sqrt(std::fabs(K_[q * r + q]));
          if (std::fabs(off) > 1e-17 * scale && std::fabs(off) > 1e-300) {
            rotate(r, p, q);
            rotated = true;
          }
        }
      }
      if (!rotated) {
        return;
      }
    }
  }

  void rotate(std::size_t r, std::size_t p, std::size_t q) const {
    const double tau = (K_[q * r + q] - K_[p * r + p]) / (2 * K_[p * r + q]);
    const double t = (tau >= 0 ? 1 : -1) / (std::fabs(tau) + std::hypot(1.0, tau));
    const double c = 1 / std::hypot(1.0, t);
    const double s = t * c;
    for (std::size_t i = 0; i < r; ++i) {
      turn(c, s, K_[i * r + p], K_[i * r + q]);
    }
    for (std::size_t i = 0; i < r; ++i) {
      turn(c, s, K_[p * r + i], K_[q * r + i]);
      turn(c, s, Q_[p * r + i], Q_[q * r + i]);
    }
    K_[p * r + q] = K_[q * r + p] = 0;
  }
  static void turn(double c, double s, double& a, double& b) {
    const double old = a;
    a = c * old - s * b;
    b = s * old + c * b;
  }

  std::size_t n_ = 0;
  double theta_ = 1;
  std::vector<double> vectors_, signs_;  ///< columns of V, diagonal of Sigma
  mutable std::vector<double> scaled_;   ///< columns of D^-1 V
  mutable std::vector<double> K_, Q_, small_;
  mutable std::vector<double> residual_, correction_;
};

/// The last steps and changes of the gradient, oldest first.
class History {
 public:
  void reserve(std::size_t n, std::size_t most) {
    if (n != n_) {
      n_ = n;
      pairs_.assign(2 * n * most, 0.0);
    }
    most_ = most;
    count_ = first_ = 0;
  }
  std::size_t count() const { return count_; }
  Output step(std::size_t k) { return {pairs_.data() + 2 * n_ * slot(k), n_}; }
  Output change(std::size_t k) { return {pairs_.data() + 2 * n_ * slot(k) + n_, n_}; }
  /// Makes room for a pair, which becomes the last, in place of the oldest where there is none.
  void push() {
    if (count_ < most_) {
      ++count_;
    } else {
      first_ = (first_ + 1) % most_;
    }
  }
  void pop() { --count_; }

 private:
  std::size_t slot(std::size_t k) const { return (first_ + k) % most_; }
  std::size_t n_ = 0, most_ = 0, count_ = 0, first_ = 0;
  std::vector<double> pairs_;
};

}  // namespace low_rank
