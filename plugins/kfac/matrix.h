// Dense kernels of Kronecker factors: averages of outer products, products from both sides, Cholesky.
// Column-major. Loops are over pieces that fit a cache, and every sum runs in an order that only the sizes
// fix, so that the bits are the same for every number of threads.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "kappa/plugin.hpp"

namespace kfac {

constexpr std::size_t piece = 48;  // columns of a piece; three pieces of 785 rows are under 1 MB

/// C(rows x columns) -= or += P Q' for row ranges: to(i, j) += scale sum_k P(i, k) Q(j, k), i >= first.
inline void add_outer(double scale, const double* P, const double* Q, std::size_t stride_P,
                      std::size_t stride_Q, std::size_t rows, std::size_t columns, std::size_t inner,
                      double* to, std::size_t stride) {
  for (std::size_t j = 0; j < columns; ++j) {
    double* column = to + j * stride;
    std::size_t k = 0;
    for (; k + 4 <= inner; k += 4) {
      const double* p = P + k * stride_P;
      const double a = scale * Q[j + k * stride_Q];
      const double b = scale * Q[j + (k + 1) * stride_Q];
      const double c = scale * Q[j + (k + 2) * stride_Q];
      const double d = scale * Q[j + (k + 3) * stride_Q];
      for (std::size_t i = 0; i < rows; ++i) {
        column[i] += (a * p[i] + b * p[i + stride_P]) + (c * p[i + 2 * stride_P] + d * p[i + 3 * stride_P]);
      }
    }
    for (; k < inner; ++k) {
      const double a = scale * Q[j + k * stride_Q];
      for (std::size_t i = 0; i < rows; ++i) {
        column[i] += a * P[i + k * stride_P];
      }
    }
  }
}

/// A symmetric matrix, or a Cholesky factor in its lower triangle.
class Square {
 public:
  void resize(std::size_t n) {
    n_ = n;
    values_.resize(n * n);
  }
  std::size_t size() const { return n_; }
  double operator()(std::size_t i, std::size_t j) const { return values_[i + j * n_]; }
  const double* column(std::size_t j) const { return values_.data() + j * n_; }
  double trace() const {
    double sum = 0;
    for (std::size_t i = 0; i < n_; ++i) {
      sum += values_[i * (n_ + 1)];
    }
    return sum;
  }

  /// := past * this + (1 - past) times the mean of the columns' outer products; columns is size() x count.
  void average(double past, const double* columns, std::size_t count) {
    const double scale = (1 - past) / static_cast<double>(count);
    const auto n = static_cast<double>(n_);
    for_pieces(n * n * static_cast<double>(count) / 2, [&](std::size_t from, std::size_t to) {
      for (std::size_t j = from; j < to; ++j) {
        for (std::size_t i = from; i < n_; ++i) {
          values_[i + j * n_] = past == 0 ? 0 : past * values_[i + j * n_];
        }
      }
      for (std::size_t s = 0; s < count; s += piece) {
        add_outer(scale, columns + s * n_ + from, columns + s * n_ + from, n_, n_, n_ - from, to - from,
                  std::min(piece, count - s), values_.data() + from * (n_ + 1), n_);
      }
    });
    for (std::size_t j = 0; j < n_; ++j) {
      for (std::size_t i = 0; i < j; ++i) {
        values_[i + j * n_] = values_[j + i * n_];
      }
    }
  }

  /// := the lower Cholesky factor of B + shift I; false where that is not positive definite.
  bool factor(const Square& B, double shift) {
    values_ = B.values_;
    for (std::size_t i = 0; i < n_; ++i) {
      values_[i * (n_ + 1)] += shift;
    }
    for (std::size_t from = 0; from < n_; from += piece) {
      const std::size_t to = std::min(from + piece, n_);
      if (!factor_panel(from, to)) {
        return false;
      }
      const std::size_t rest = (n_ - to + piece - 1) / piece;
      const auto height = static_cast<double>(n_ - to);
      kappa::plugin::Host::parallel_for(
          static_cast<std::int64_t>(rest), height * height * static_cast<double>(piece) / 2,
          [&](std::int64_t chunk) {
            const std::size_t begin = to + static_cast<std::size_t>(chunk) * piece;
            const std::size_t end = std::min(begin + piece, n_);
            const double* L = values_.data() + from * n_ + begin;
            add_outer(-1, L, L, n_, n_, n_ - begin, end - begin, to - from, values_.data() + begin * (n_ + 1),
                      n_);
          });
    }
    return true;
  }

  /// X := (L L')^-1 X, X size() x columns.
  void solve(double* X, std::size_t columns) const {
    for_columns(columns, 2 * n_ * n_, [&](std::size_t from, std::size_t count) {
      count == group ? solve_columns<group>(X + from * n_) : solve_each(X + from * n_, count);
    });
  }

  /// body(from, count) for groups of columns, in parallel; `work` of each column.
  template <class Body>
  static void for_columns(std::size_t columns, std::size_t work, const Body& body) {
    kappa::plugin::Host::parallel_for(static_cast<std::int64_t>((columns + group - 1) / group),
                                      static_cast<double>(work * columns), [&](std::int64_t chunk) {
                                        const std::size_t from = static_cast<std::size_t>(chunk) * group;
                                        body(from, std::min(group, columns - from));
                                      });
  }
  static constexpr std::size_t group = 4;  ///< columns that share one pass over a matrix

 private:
  /// body(from, to) for pieces of the columns, in parallel.
  template <class Body>
  void for_pieces(double work, const Body& body) const {
    const std::size_t chunks = (n_ + piece - 1) / piece;
    kappa::plugin::Host::parallel_for(static_cast<std::int64_t>(chunks), work, [&](std::int64_t chunk) {
      const std::size_t from = static_cast<std::size_t>(chunk) * piece;
      body(from, std::min(from + piece, n_));
    });
  }

  bool factor_panel(std::size_t from, std::size_t to) {
    for (std::size_t j = from; j < to; ++j) {
      double* column = values_.data() + j * n_;
      for (std::size_t k = from; k < j; ++k) {
        const double* earlier = values_.data() + k * n_;
        const double l = earlier[j];
        for (std::size_t i = j; i < n_; ++i) {
          column[i] -= l * earlier[i];
        }
      }
      if (!(column[j] > 0)) {
        return false;
      }
      const double root = std::sqrt(column[j]);
      for (std::size_t i = j; i < n_; ++i) {
        column[i] /= root;
      }
    }
    return true;
  }

  void solve_each(double* X, std::size_t count) const {
    for (std::size_t c = 0; c < count; ++c) {
      solve_columns<1>(X + c * n_);
    }
  }

  template <std::size_t count>
  void solve_columns(double* X) const {
    for (std::size_t j = 0; j < n_; ++j) {
      const double* L = column(j);
      double x[count];
      for (std::size_t c = 0; c < count; ++c) {
        x[c] = X[j + c * n_] /= L[j];
      }
      for (std::size_t i = j + 1; i < n_; ++i) {
        for (std::size_t c = 0; c < count; ++c) {
          X[i + c * n_] -= L[i] * x[c];
        }
      }
    }
    for (std::size_t j = n_; j-- > 0;) {
      const double* L = column(j);
      double sum[count] = {};
      for (std::size_t i = j + 1; i < n_; ++i) {
        for (std::size_t c = 0; c < count; ++c) {
          sum[c] += L[i] * X[i + c * n_];
        }
      }
      for (std::size_t c = 0; c < count; ++c) {
        X[j + c * n_] = (X[j + c * n_] - sum[c]) / L[j];
      }
    }
  }

  std::size_t n_ = 0;
  std::vector<double> values_;
};

/// out = S V, V size(S) x columns.
inline void multiply(const Square& S, const double* V, std::size_t columns, double* out) {
  const std::size_t n = S.size();
  Square::for_columns(columns, n * n, [&](std::size_t from, std::size_t count) {
    double* to = out + from * n;
    std::fill_n(to, n * count, 0.0);
    for (std::size_t k = 0; k < n; ++k) {
      const double* s = S.column(k);
      for (std::size_t c = 0; c < count; ++c) {
        const double v = V[k + (from + c) * n];
        for (std::size_t i = 0; i < n; ++i) {
          to[i + c * n] += s[i] * v;
        }
      }
    }
  });
}

/// out = V S, V rows x size(S).
inline void multiply_right(const double* V, std::size_t rows, const Square& S, double* out) {
  const std::size_t n = S.size();
  Square::for_columns(n, n * rows, [&](std::size_t from, std::size_t count) {
    double* to = out + from * rows;
    std::fill_n(to, rows * count, 0.0);
    // S is symmetric: its rows are its columns.
    add_outer(1, V, S.column(0) + from, rows, n, rows, count, n, to, rows);
  });
}

/// out = X', X rows x columns.
inline void transpose(const double* X, std::size_t rows, std::size_t columns, double* out) {
  for (std::size_t j = 0; j < columns; ++j) {
    for (std::size_t i = 0; i < rows; ++i) {
      out[j + i * columns] = X[i + j * rows];
    }
  }
}

}  // namespace kfac
