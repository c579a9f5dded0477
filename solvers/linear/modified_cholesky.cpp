#include "solvers/linear/modified_cholesky.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/vector.h"

namespace kappa::detail {
namespace {

std::size_t at(Index i) {
  return static_cast<std::size_t>(i);
}

}  // namespace

MatrixRef ModifiedCholesky::matrix(Index n) {
  n_ = n;
  a_.resize(at(n * n));
  return {a_.data(), n, n, n};
}

void ModifiedCholesky::exchange(Index i, Index j) {
  if (i == j) {
    return;
  }
  auto entry = [&](Index r, Index c) -> double& { return a_[at(r + c * n_)]; };
  for (Index c = 0; c < i; ++c) {
    std::swap(entry(i, c), entry(j, c));
  }
  for (Index k = i + 1; k < j; ++k) {
    std::swap(entry(k, i), entry(j, k));
  }
  for (Index r = j + 1; r < n_; ++r) {
    std::swap(entry(r, i), entry(r, j));
  }
  std::swap(entry(i, i), entry(j, j));
  std::swap(permutation_[at(i)], permutation_[at(j)]);
}

bool ModifiedCholesky::factor() {
  const Index n = n_;
  diagonal_.resize(at(n));
  added_.resize(at(n));
  column_.resize(at(n));
  permuted_.resize(at(n));
  permutation_.resize(at(n));
  std::iota(permutation_.begin(), permutation_.end(), Index{0});
  double gamma = 0;
  double xi = 0;
  for (Index j = 0; j < n; ++j) {
    const double* column = a_.data() + j * n;
    gamma = std::max(gamma, std::abs(column[j]));
    xi = std::max(xi, largest(column + j + 1, n - j - 1));
  }
  const double scale = gamma + xi;
  if (!std::isfinite(scale)) {
    return false;
  }
  const auto size = static_cast<double>(n);
  const double beta2 = std::max({gamma, n > 1 ? xi / std::sqrt(size * size - 1) : 0.0, epsilon * scale});
  const double delta = scale > 0 ? epsilon * scale : 1.0;
  largest_added_ = 0;
  for (Index k = 0; k < n; ++k) {
    Index pivot = k;
    for (Index i = k + 1; i < n; ++i) {
      if (std::abs(a_[at(i + i * n)]) > std::abs(a_[at(pivot + pivot * n)])) {
        pivot = i;
      }
    }
    exchange(k, pivot);
    double* column = a_.data() + k * n;
    const double theta = largest(column + k + 1, n - k - 1);
    // theta^2 / beta^2 without squaring what may be large.
    const double bound = theta > 0 ? theta * (theta / beta2) : 0.0;
    const double d = std::max({std::abs(column[k]), bound, delta});
    const double added = d - column[k];
    if (!std::isfinite(d)) {
      return false;
    }
    diagonal_[at(k)] = d;
    added_[at(permutation_[at(k)])] = added;
    largest_added_ = std::max(largest_added_, added);
    for (Index i = k + 1; i < n; ++i) {
      column_[at(i)] = column[i];
      column[i] /= d;
    }
    for (Index j = k + 1; j < n; ++j) {
      add_scaled(-column_[at(j)], column + j, a_.data() + j * n + j, n - j);
    }
  }
  return true;
}

void ModifiedCholesky::solve(VectorRef b) const {
  for (Index k = 0; k < n_; ++k) {
    permuted_[at(k)] = b[at(permutation_[at(k)])];
  }
  for (Index k = 0; k < n_; ++k) {
    add_scaled(-permuted_[at(k)], a_.data() + k * n_ + k + 1, permuted_.data() + k + 1, n_ - k - 1);
  }
  for (Index k = 0; k < n_; ++k) {
    permuted_[at(k)] /= diagonal_[at(k)];
  }
  for (Index k = n_ - 1; k >= 0; --k) {
    permuted_[at(k)] -= dot(a_.data() + k * n_ + k + 1, permuted_.data() + k + 1, n_ - k - 1);
  }
  for (Index k = 0; k < n_; ++k) {
    b[at(permutation_[at(k)])] = permuted_[at(k)];
  }
}

}  // namespace kappa::detail
