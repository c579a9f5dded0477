#include "solvers/curvature/secant_correction.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "core/vector.h"

namespace kappa::detail {

namespace {

/// Below this cosine between y and s the update divides by what may be rounding. A convention.
constexpr double least_cosine = 1e-6;

}  // namespace

void SecantCorrection::settle(Index n) {
  if (n_ == n) {
    return;
  }
  const auto size = static_cast<std::size_t>(n);
  n_ = n;
  products_ = 0;
  A_.assign(size * size, 0.0);
  y_.resize(size);
  sharp_.resize(size);
  w_.resize(size);
  work_.resize(size);
}

void SecantCorrection::learn(const Evaluation& now, const Evaluation& previous, ConstVectorRef step) {
  if (now.sample != previous.sample || previous.gradient.size() != now.gradient.size()) {
    return;
  }
  for (std::size_t i = 0; i < y_.size(); ++i) {
    y_[i] = now.gradient[i] - previous.gradient[i];
  }
  const Linearization* before = linearization_with(previous, Model::gauss_newton);
  if (before != nullptr && before->cross_gradient(*now.linearization, sharp_)) {
    for (std::size_t i = 0; i < y_.size(); ++i) {
      sharp_[i] = now.gradient[i] - sharp_[i];
    }
  } else {
    now.linearization->product(Model::gauss_newton, step, sharp_);
    ++products_;
    for (std::size_t i = 0; i < y_.size(); ++i) {
      sharp_[i] = y_[i] - sharp_[i];
    }
  }
  const double ys = dot(y_, step);
  if (all_finite(sharp_) && ys > least_cosine * norm(y_) * norm(step)) {
    update(step, ys);
  }
}

void SecantCorrection::update(ConstVectorRef s, double ys) {
  const std::size_t n = s.size();
  std::fill(w_.begin(), w_.end(), 0.0);
  add_product(s, w_);
  const double along = std::fabs(dot(s, w_));
  const double wanted = std::fabs(dot(s, sharp_));
  const double tau = wanted < along ? wanted / along : 1.0;
  for (std::size_t i = 0; i < n; ++i) {
    w_[i] = sharp_[i] - tau * w_[i];
  }
  const double square = dot(s, w_) / ys;
  for (std::size_t j = 0; j < n; ++j) {
    const double yj = y_[j] / ys;
    const double wj = w_[j] / ys;
    double* column = A_.data() + j * n;
    for (std::size_t i = 0; i <= j; ++i) {
      const double value = tau * column[i] + w_[i] * yj + y_[i] * wj - square * y_[i] * yj;
      column[i] = value;
      A_[j + i * n] = value;
    }
  }
}

void SecantCorrection::add_product(ConstVectorRef v, VectorRef out) const {
  const std::size_t n = v.size();
  for (std::size_t j = 0; j < n; ++j) {
    const double* column = A_.data() + j * n;
    for (std::size_t i = 0; i < n; ++i) {
      out[i] += column[i] * v[j];
    }
  }
}

double SecantCorrection::quadratic(ConstVectorRef v) const {
  std::fill(work_.begin(), work_.end(), 0.0);
  add_product(v, work_);
  return dot(v, work_);
}

void CorrectedOperator::multiply(ConstVectorRef v, VectorRef out) const {
  gauss_newton_.multiply(v, out);
  correction_.add_product(v, out);
}

bool CorrectedOperator::diagonal(VectorRef out) const {
  if (!gauss_newton_.diagonal(out)) {
    return false;
  }
  for (Index i = 0; i < size(); ++i) {
    out[static_cast<std::size_t>(i)] += correction_.entry(i, i);
  }
  return true;
}

bool CorrectedOperator::dense(MatrixRef out) const {
  if (!gauss_newton_.dense(out)) {
    return false;
  }
  for (Index j = 0; j < size(); ++j) {
    for (Index i = 0; i < size(); ++i) {
      out(i, j) += correction_.entry(i, j);
    }
  }
  return true;
}

void require_dense(const char* part, Index n, Index dense_limit) {
  if (n > dense_limit) {
    throw Error(std::string(part) + " keeps a dense matrix, and " + std::to_string(n) +
                " variables are above its option dense_limit (" + std::to_string(dense_limit) +
                "); use curvature outer-product, or exact where the problem offers it");
  }
}

}  // namespace kappa::detail
