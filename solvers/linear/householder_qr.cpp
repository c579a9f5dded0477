#include "solvers/linear/householder_qr.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "core/vector.h"
#include "core/wide_vectors.h"

namespace kappa::detail {
namespace {

constexpr Index slab_threshold = 40000;  // entries; a smaller matrix is in the second-level cache anyway
constexpr Index slab_entries = 16384;    // 128 KB

std::size_t at(Index i) {
  return static_cast<std::size_t>(i);
}

/// Columns y_j -= (v'y_j / head) v for `count` columns that are `stride` apart.
KAPPA_WIDE_VECTORS void reflect(const double* v, double head, double* y, Index n, Index stride, Index count) {
  for (Index j = 0; j < count; ++j) {
    double* column = y + j * stride;
    add_scaled(-dot(v, column, n) / head, v, column, n);
  }
}

KAPPA_WIDE_VECTORS double length_of(const double* v, Index n) {
  return norm(v, n);
}

KAPPA_WIDE_VECTORS void divide(double* v, double divisor, Index n) {
  for (Index i = 0; i < n; ++i) {
    v[i] /= divisor;
  }
}

}  // namespace

void HouseholderQr::factor(ConstMatrixRef A, double tolerance) {
  rows_ = A.rows;
  cols_ = A.cols;
  const Index n = cols_;
  heads_.resize(at(n));
  norms_.resize(at(n));
  remaining_.resize(at(n));
  reference_.resize(at(n));
  permutation_.resize(at(n));
  r_.resize(at(n * n));
  work_.resize(at(std::max(rows_, n) + n));
  if (rows_ * n > slab_threshold) {
    reduce_slabs(A);
  } else {
    slab_ = 0;
    core_rows_ = rows_;
    core_.resize(at(rows_ * n));
    for (Index j = 0; j < n; ++j) {
      std::copy(A.column(j), A.column(j) + rows_, core_.data() + j * rows_);
    }
  }
  factor_core(tolerance > 0 ? tolerance : static_cast<double>(std::max(rows_, n)) * epsilon);
}

void HouseholderQr::reduce_slabs(ConstMatrixRef A) {
  const Index n = cols_;
  slab_ = std::min(rows_, std::max<Index>(32, slab_entries / n));
  const Index count = (rows_ + slab_ - 1) / slab_;
  slabs_.resize(at(rows_ * n));
  slab_heads_.resize(at(count * n));
  std::fill(r_.begin(), r_.end(), 0.0);
  for (Index s = 0; s < count; ++s) {
    const Index first = s * slab_;
    const Index m = std::min(slab_, rows_ - first);
    double* slab = slabs_.data() + first * n;
    for (Index j = 0; j < n; ++j) {
      std::copy(A.column(j) + first, A.column(j) + first + m, slab + j * m);
    }
    for (Index j = 0; j < n; ++j) {
      double* v = slab + j * m;
      double* row_j = r_.data() + j * n;
      double length = std::hypot(row_j[j], norm(v, m));
      double& head = slab_heads_[at(s * n + j)];
      head = 0;
      if (length == 0) {
        continue;
      }
      if (row_j[j] < 0) {
        length = -length;
      }
      for (Index i = 0; i < m; ++i) {
        v[i] /= length;
      }
      head = 1 + row_j[j] / length;
      row_j[j] = -length;
      for (Index k = j + 1; k < n; ++k) {
        double* y = slab + k * m;
        const double t = row_j[k] + dot(v, y, m) / head;
        row_j[k] -= t * head;
        add_scaled(-t, v, y, m);
      }
    }
  }
  core_rows_ = n;
  core_.assign(at(n * n), 0.0);
  for (Index k = 0; k < n; ++k) {
    for (Index j = k; j < n; ++j) {
      core_[at(k + j * n)] = r_[at(k * n + j)];
    }
  }
}

void HouseholderQr::factor_core(double tolerance) {
  const Index m = core_rows_;
  const Index n = cols_;
  for (Index j = 0; j < n; ++j) {
    permutation_[at(j)] = j;
    norms_[at(j)] = remaining_[at(j)] = reference_[at(j)] = length_of(core_.data() + j * m, m);
  }
  rank_ = 0;
  bool full_so_far = true;
  for (Index k = 0; k < std::min(m, n); ++k) {
    Index pivot = k;
    double best = -1;
    for (Index j = k; j < n; ++j) {
      const double left = norms_[at(j)] > 0 ? remaining_[at(j)] / norms_[at(j)] : 0;
      if (left > best) {
        best = left;
        pivot = j;
      }
    }
    if (pivot != k) {
      std::swap_ranges(core_.data() + k * m, core_.data() + (k + 1) * m, core_.data() + pivot * m);
      std::swap(permutation_[at(k)], permutation_[at(pivot)]);
      std::swap(norms_[at(k)], norms_[at(pivot)]);
      remaining_[at(pivot)] = remaining_[at(k)];
      reference_[at(pivot)] = reference_[at(k)];
    }
    double* v = core_.data() + k * m + k;
    const Index length = m - k;
    double size = length_of(v, length);
    heads_[at(k)] = 0;
    if (size > tolerance * norms_[at(k)] && full_so_far) {
      ++rank_;
    } else {
      full_so_far = false;
    }
    if (size == 0) {
      continue;
    }
    if (v[0] < 0) {
      size = -size;
    }
    divide(v, size, length);
    v[0] += 1;
    heads_[at(k)] = v[0];
    reflect(v, v[0], v + m, length, m, n - k - 1);
    r_[at(k * n + k)] = -size;
    for (Index j = k + 1; j < n; ++j) {
      double& left = remaining_[at(j)];
      if (left == 0) {
        continue;
      }
      const double t = core_[at(k + j * m)] / left;
      left *= std::sqrt(std::max(0.0, 1 - t * t));
      const double shrunk = left / reference_[at(j)];
      if (!(0.05 * shrunk * shrunk > epsilon)) {
        left = length_of(core_.data() + j * m + k + 1, length - 1);
        reference_[at(j)] = left;
      }
    }
  }
  for (Index k = 0; k < n; ++k) {
    double* row_k = r_.data() + k * n;
    if (k >= m) {
      std::fill(row_k, row_k + n, 0.0);
      continue;
    }
    if (heads_[at(k)] == 0) {
      row_k[k] = 0;
    }
    for (Index j = k + 1; j < n; ++j) {
      row_k[j] = core_[at(k + j * m)];
    }
  }
}

void HouseholderQr::apply_transpose(ConstVectorRef b, VectorRef out) const {
  expects(static_cast<Index>(b.size()) == rows_ && static_cast<Index>(out.size()) == cols_,
          "HouseholderQr::apply_transpose: b has as many entries as A rows, the result as many as columns");
  const Index n = cols_;
  double* y = work_.data();
  std::copy(b.begin(), b.end(), y);
  if (slab_ > 0) {
    double* top = work_.data() + std::max(rows_, n);
    std::fill(top, top + n, 0.0);
    for (Index first = 0, s = 0; first < rows_; first += slab_, ++s) {
      const Index m = std::min(slab_, rows_ - first);
      const double* slab = slabs_.data() + first * n;
      for (Index j = 0; j < n; ++j) {
        const double head = slab_heads_[at(s * n + j)];
        if (head != 0) {
          const double t = top[j] + dot(slab + j * m, y + first, m) / head;
          top[j] -= t * head;
          add_scaled(-t, slab + j * m, y + first, m);
        }
      }
    }
    std::copy(top, top + n, y);
  }
  const Index m = core_rows_;
  for (Index k = 0; k < std::min(m, n); ++k) {
    if (heads_[at(k)] != 0) {
      reflect(core_.data() + k * m + k, heads_[at(k)], y + k, m - k, 0, 1);
    }
  }
  for (Index k = 0; k < n; ++k) {
    out[at(k)] = k < m ? y[k] : 0.0;
  }
}

}  // namespace kappa::detail
