#include "solvers/linear/bunch_kaufman.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/vector.h"

namespace kappa::detail {
namespace {

std::size_t at(Index i) {
  return static_cast<std::size_t>(i);
}

/// Eigenvalues and the rotation of [a b; b c]: (cosine, sine) is the eigenvector of `first`.
struct Eigen2 {
  double first, second, cosine, sine;
};

/// Jacobi's rotation (Golub & Van Loan 2013, alg. 8.5.1).
Eigen2 eigenvalues(double a, double b, double c) {
  if (b == 0) {
    return {a, c, 1, 0};
  }
  const double tau = (c - a) / (2 * b);
  const double t = (tau >= 0 ? 1.0 : -1.0) / (std::abs(tau) + std::hypot(1.0, tau));
  const double cosine = 1 / std::sqrt(1 + t * t);
  // The vector (cosine, -sine) belongs to a - t b and (sine, cosine) to c + t b.
  return {a - t * b, c + t * b, cosine, -t * cosine};
}

}  // namespace

MatrixRef BunchKaufman::matrix(Index n) {
  n_ = n;
  a_.resize(at(n * n));
  return {a_.data(), n, n, n};
}

/// Rows and columns i < j change places in the part that is left, and rows in the columns done before `step`.
void BunchKaufman::exchange(Index step, Index i, Index j) {
  if (i == j) {
    return;
  }
  const Index n = n_;
  auto entry = [&](Index r, Index c) -> double& { return a_[at(r + c * n)]; };
  for (Index c = 0; c < step; ++c) {
    std::swap(entry(i, c), entry(j, c));
  }
  for (Index c = step; c < i; ++c) {
    std::swap(entry(i, c), entry(j, c));
  }
  for (Index k = i + 1; k < j; ++k) {
    std::swap(entry(k, i), entry(j, k));
  }
  for (Index r = j + 1; r < n; ++r) {
    std::swap(entry(r, i), entry(r, j));
  }
  std::swap(entry(i, i), entry(j, j));
  std::swap(permutation_[at(i)], permutation_[at(j)]);
}

bool BunchKaufman::factor() {
  const Index n = n_;
  const double alpha = (1 + std::sqrt(17.0)) / 8;  // Bunch & Kaufman 1977: least growth over two steps
  diagonal_.resize(at(n));
  below_.assign(at(n), 0.0);
  width_.assign(at(n), 1);
  first_.resize(at(n));
  second_.resize(at(n));
  permuted_.resize(at(n));
  permutation_.resize(at(n));
  std::iota(permutation_.begin(), permutation_.end(), Index{0});
  auto entry = [&](Index r, Index c) -> double& { return a_[at(r >= c ? r + c * n : c + r * n)]; };

  // The largest entry off the diagonal in row `i` of the part that is left.
  const auto largest_in_row = [&](Index i, Index from) {
    std::pair<double, Index> best{0.0, i};
    for (Index j = from; j < n; ++j) {
      if (j != i && std::abs(entry(i, j)) > best.first) {
        best = {std::abs(entry(i, j)), j};
      }
    }
    return best;
  };

  for (Index k = 0; k < n;) {
    auto [column_top, row] = largest_in_row(k, k);
    Index p = k;  // the pivot is (p, p), or the block of p and q
    Index q = -1;
    if (std::abs(entry(k, k)) < alpha * column_top) {
      while (true) {
        const auto [row_top, next] = largest_in_row(row, k);
        if (std::abs(entry(row, row)) >= alpha * row_top) {
          p = row;
          break;
        }
        if (next == p || row_top <= column_top) {
          q = row;
          break;
        }
        p = row;
        column_top = row_top;
        row = next;
      }
    }
    exchange(k, k, p);
    double* c0 = a_.data() + k * n;
    diagonal_[at(k)] = c0[k];
    if (q < 0) {
      if (c0[k] != 0) {
        std::copy(c0 + k + 1, c0 + n, first_.data() + k + 1);
        const double inverse = 1 / c0[k];
        for (Index i = k + 1; i < n; ++i) {
          c0[i] = std::isfinite(inverse) ? c0[i] * inverse : c0[i] / diagonal_[at(k)];
        }
        for (Index j = k + 1; j < n; ++j) {
          add_scaled(-first_[at(j)], c0 + j, a_.data() + j * n + j, n - j);
        }
      }
      k += 1;
      continue;
    }
    exchange(k, k + 1, q);
    double* c1 = c0 + n;
    const double b = c0[k + 1];
    diagonal_[at(k + 1)] = c1[k + 1];
    below_[at(k)] = b;
    width_[at(k)] = 2;
    width_[at(k + 1)] = 0;
    const double d1 = c0[k] / b;
    const double d2 = c1[k + 1] / b;
    const double scale = 1 / (d1 * d2 - 1);
    for (Index i = k + 2; i < n; ++i) {
      first_[at(i)] = c0[i];
      second_[at(i)] = c1[i];
      const double u = c0[i] / b;
      const double v = c1[i] / b;
      c0[i] = scale * (d2 * u - v);
      c1[i] = scale * (d1 * v - u);
    }
    for (Index j = k + 2; j < n; ++j) {
      double* y = a_.data() + j * n;
      const double f = first_[at(j)];
      const double s = second_[at(j)];
      for (Index i = j; i < n; ++i) {
        y[i] -= c0[i] * f + c1[i] * s;
      }
    }
    k += 2;
  }
  for (Index k = 0; k < n; ++k) {
    // The entry between the two columns of a block belongs to D, not to L.
    if (width_[at(k)] == 2) {
      a_[at(k + 1 + k * n)] = 0;
    }
    if (!std::isfinite(diagonal_[at(k)]) || !std::isfinite(below_[at(k)])) {
      return false;
    }
  }
  return true;
}

Inertia BunchKaufman::inertia(double tolerance) const {
  Inertia out;
  const auto count = [&](double v) {
    (std::abs(v) <= tolerance ? out.zero : v > 0 ? out.positive : out.negative) += 1;
  };
  for (Index k = 0; k < n_; ++k) {
    if (width_[at(k)] == 1) {
      count(diagonal_[at(k)]);
    } else if (width_[at(k)] == 2) {
      const Eigen2 e = eigenvalues(diagonal_[at(k)], below_[at(k)], diagonal_[at(k + 1)]);
      count(e.first);
      count(e.second);
    }
  }
  return out;
}

/// permuted_ := L^-1 P b.
void BunchKaufman::solve_lower(VectorRef b) const {
  for (Index k = 0; k < n_; ++k) {
    permuted_[at(k)] = b[at(permutation_[at(k)])];
  }
  for (Index k = 0; k < n_; ++k) {
    add_scaled(-permuted_[at(k)], a_.data() + k * n_ + k + 1, permuted_.data() + k + 1, n_ - k - 1);
  }
}

/// b := P'L^-T permuted_.
void BunchKaufman::solve_upper(VectorRef b) const {
  for (Index k = n_ - 1; k >= 0; --k) {
    permuted_[at(k)] -= dot(a_.data() + k * n_ + k + 1, permuted_.data() + k + 1, n_ - k - 1);
  }
  for (Index k = 0; k < n_; ++k) {
    b[at(permutation_[at(k)])] = permuted_[at(k)];
  }
}

bool BunchKaufman::solve(VectorRef b) const {
  solve_lower(b);
  for (Index k = 0; k < n_; ++k) {
    double& x = permuted_[at(k)];
    if (width_[at(k)] == 1) {
      if (diagonal_[at(k)] == 0) {
        return false;
      }
      x /= diagonal_[at(k)];
    } else if (width_[at(k)] == 2) {
      // Scaled by the entry off the diagonal, the largest of the block.
      const double e = below_[at(k)];
      const double d1 = diagonal_[at(k)] / e;
      const double d2 = diagonal_[at(k + 1)] / e;
      const double determinant = d1 * d2 - 1;
      double& y = permuted_[at(k + 1)];
      const double u = x / e;
      const double v = y / e;
      x = (d2 * u - v) / determinant;
      y = (d1 * v - u) / determinant;
    }
  }
  solve_upper(b);
  return true;
}

void BunchKaufman::solve_modified(double delta, VectorRef b) const {
  solve_lower(b);
  for (Index k = 0; k < n_; ++k) {
    double& x = permuted_[at(k)];
    if (width_[at(k)] == 1) {
      x /= std::max(std::abs(diagonal_[at(k)]), delta);
    } else if (width_[at(k)] == 2) {
      const Eigen2 e = eigenvalues(diagonal_[at(k)], below_[at(k)], diagonal_[at(k + 1)]);
      double& y = permuted_[at(k + 1)];
      const double u = (e.cosine * x + e.sine * y) / std::max(std::abs(e.first), delta);
      const double v = (e.cosine * y - e.sine * x) / std::max(std::abs(e.second), delta);
      x = e.cosine * u - e.sine * v;
      y = e.sine * u + e.cosine * v;
    }
  }
  solve_upper(b);
}

}  // namespace kappa::detail
