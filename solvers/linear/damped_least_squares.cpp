#include "solvers/linear/damped_least_squares.h"

#include <algorithm>
#include <cmath>

#include "core/vector.h"

namespace kappa::detail {
namespace {

std::size_t at(Index i) {
  return static_cast<std::size_t>(i);
}

}  // namespace

void DampedLeastSquares::factor(const Root& root, ConstVectorRef gradient, double tolerance) {
  const Index n = root.A.cols;
  expects(static_cast<Index>(gradient.size()) == n,
          "DampedLeastSquares: the gradient has one entry per column");
  expects(root.c.empty() || static_cast<Index>(root.c.size()) == root.A.rows,
          "DampedLeastSquares: c has one entry per row of A");
  root_ = root;
  gradient_ = gradient;
  tolerance_ = tolerance > 0 ? tolerance : static_cast<double>(std::max(root.A.rows, n)) * epsilon;
  qr_.factor(root.A, tolerance_);
  s_.resize(at(n * n));
  y_.resize(at(n));
  row_.resize(at(n));
  rhs_.resize(at(n));
  correction_.resize(at(n));
  qtc_.resize(at(n));
  residual_.resize(at(root.A.rows));
  if (!root.c.empty()) {
    qr_.apply_transpose(root.c, qtc_);
    for (double& v : qtc_) {
      v = -v;
    }
  }
}

bool DampedLeastSquares::finite() const {
  for (Index k = 0; k < size(); ++k) {
    if (!std::isfinite(largest(qr_.row(k) + k, size() - k))) {
      return false;
    }
  }
  return root_.c.empty() || all_finite(qtc_);
}

/// s_ and y_ become the triangle and the right-hand side of the damped problem.
void DampedLeastSquares::eliminate_damping(double lambda, ConstVectorRef weights) {
  const Index n = size();
  for (Index k = 0; k < n; ++k) {
    std::copy(qr_.row(k) + k, qr_.row(k) + n, s_.data() + k * n + k);
  }
  const double root_lambda = std::sqrt(lambda);
  for (Index j = 0; lambda > 0 && j < n; ++j) {
    const double entry = root_lambda * std::sqrt(weights[at(qr_.permutation()[at(j)])]);
    if (entry == 0) {
      continue;
    }
    std::fill(row_.begin() + j, row_.end(), 0.0);
    row_[at(j)] = entry;
    double row_y = 0;
    for (Index k = j; k < n; ++k) {
      const double below = row_[at(k)];
      if (below == 0) {
        continue;
      }
      double* s = s_.data() + k * n;
      // A rotation of (s_kk, below) to (r, 0) without over- or underflow of the squares.
      double cosine = 0;
      double sine = 0;
      if (std::abs(s[k]) < std::abs(below)) {
        const double cotangent = s[k] / below;
        sine = 1 / std::sqrt(1 + cotangent * cotangent);
        cosine = sine * cotangent;
      } else {
        const double tangent = below / s[k];
        const double square = 1 + tangent * tangent;
        cosine = square == 1 ? 1 : 1 / std::sqrt(square);  // a small damping leaves most angles tiny
        sine = cosine * tangent;
      }
      s[k] = cosine * s[k] + sine * below;
      const double y = y_[at(k)];
      y_[at(k)] = cosine * y + sine * row_y;
      row_y = cosine * row_y - sine * y;
      double* row = row_.data();
      for (Index i = k + 1; i < n; ++i) {
        const double above = s[i];
        s[i] = cosine * above + sine * row[i];
        row[i] = cosine * row[i] - sine * above;
      }
    }
  }
  rank_ = 0;
  while (rank_ < n && std::abs(s_[at(rank_ * n + rank_)]) > tolerance_ * qr_.column_norm(rank_)) {
    ++rank_;
  }
}

/// y_ := S^-1 y_ in the leading `rank_` variables, zero in the others.
void DampedLeastSquares::back_substitute() {
  const Index n = size();
  std::fill(y_.begin() + rank_, y_.end(), 0.0);
  for (Index k = rank_ - 1; k >= 0; --k) {
    const double* s = s_.data() + k * n;
    y_[at(k)] = (y_[at(k)] - dot(s + k + 1, y_.data() + k + 1, rank_ - k - 1)) / s[k];
  }
}

/// out = (S'S)^-1 rhs.
void DampedLeastSquares::semi_normal(ConstVectorRef rhs, VectorRef out) {
  const Index n = size();
  for (Index k = 0; k < n; ++k) {
    y_[at(k)] = rhs[at(qr_.permutation()[at(k)])];
  }
  for (Index k = 0; k < rank_; ++k) {
    const double* s = s_.data() + k * n;
    y_[at(k)] /= s[k];
    add_scaled(-y_[at(k)], s + k + 1, y_.data() + k + 1, rank_ - k - 1);
  }
  back_substitute();
  for (Index k = 0; k < n; ++k) {
    out[at(qr_.permutation()[at(k)])] = y_[at(k)];
  }
}

bool DampedLeastSquares::solve(double lambda, ConstVectorRef weights, VectorRef d) {
  const Index n = size();
  if (!root_.c.empty()) {
    std::copy(qtc_.begin(), qtc_.end(), y_.begin());
    eliminate_damping(lambda, weights);
    back_substitute();
    for (Index k = 0; k < n; ++k) {
      d[at(qr_.permutation()[at(k)])] = y_[at(k)];
    }
  } else {
    std::fill(y_.begin(), y_.end(), 0.0);
    eliminate_damping(lambda, weights);
    for (Index i = 0; i < n; ++i) {
      rhs_[at(i)] = -gradient_[at(i)];
    }
    semi_normal(rhs_, d);
    const ConstMatrixRef A = root_.A;
    std::fill(residual_.begin(), residual_.end(), 0.0);
    for (Index j = 0; j < n; ++j) {
      add_scaled(d[at(j)], A.column(j), residual_.data(), A.rows);
    }
    for (Index j = 0; j < n; ++j) {
      rhs_[at(j)] -= dot(A.column(j), residual_.data(), A.rows) + lambda * weights[at(j)] * d[at(j)];
    }
    semi_normal(rhs_, correction_);
    for (Index j = 0; j < n; ++j) {
      d[at(j)] += correction_[at(j)];
    }
    for (Index k = 0; k < n; ++k) {
      y_[at(k)] = d[at(qr_.permutation()[at(k)])];
    }
  }
  if (!all_finite(d)) {
    return false;
  }
  fit_ = 0;
  for (Index k = 0; k < n; ++k) {
    const double entry = dot(qr_.row(k) + k, y_.data() + k, n - k);
    fit_ += entry * entry;
  }
  return std::isfinite(fit_);
}

void DampedLeastSquares::resolve(ConstVectorRef rhs, VectorRef out) {
  semi_normal(rhs, out);
}

}  // namespace kappa::detail
