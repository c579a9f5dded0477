#include "solvers/linear/reduced_cg.h"

#include <algorithm>
#include <cmath>

#include "core/vector.h"

namespace kappa::detail {
namespace {

std::size_t at(Index i) {
  return static_cast<std::size_t>(i);
}

}  // namespace

void BlockInverse::shape(const std::vector<Index>& offset) {
  offset_ = offset;
  start_.assign(1, 0);
  Index widest = 0;
  for (std::size_t i = 0; i + 1 < offset.size(); ++i) {
    const Index size = offset[i + 1] - offset[i];
    start_.push_back(start_.back() + size * size);
    widest = std::max(widest, size);
  }
  values_.resize(at(start_.back()));
  triangle_.resize(at(widest * widest));
}

Index BlockInverse::invert() {
  for (std::size_t b = 0; b + 1 < offset_.size(); ++b) {
    const Index n = offset_[b + 1] - offset_[b];
    double* A = values_.data() + start_[b];
    double* L = triangle_.data();
    for (Index j = 0; j < n; ++j) {
      for (Index i = j; i < n; ++i) {
        double sum = A[i + j * n];
        for (Index k = 0; k < j; ++k) {
          sum -= L[i + k * n] * L[j + k * n];
        }
        if (i > j) {
          L[i + j * n] = sum * L[j + j * n];
          continue;
        }
        if (!(sum > 0) || sum == infinity) {
          pivot_ = sum;
          return offset_[b] + j;
        }
        L[j + j * n] = 1 / std::sqrt(sum);
      }
    }
    // Column by column of the identity; the lower triangle is mirrored so that the inverse is symmetric to
    // the last bit.
    for (Index c = 0; c < n; ++c) {
      double* x = A + c * n;
      for (Index i = c; i < n; ++i) {
        double sum = i == c ? 1.0 : 0.0;
        for (Index k = c; k < i; ++k) {
          sum -= L[i + k * n] * x[k];
        }
        x[i] = sum * L[i + i * n];
      }
      for (Index i = n - 1; i >= c; --i) {
        double sum = x[i];
        for (Index k = i + 1; k < n; ++k) {
          sum -= L[k + i * n] * x[k];
        }
        x[i] = sum * L[i + i * n];
      }
    }
    for (Index c = 0; c < n; ++c) {
      for (Index i = 0; i < c; ++i) {
        A[i + c * n] = A[c + i * n];
      }
    }
  }
  return -1;
}

void BlockInverse::apply(ConstVectorRef r, Result result, VectorRef z) const {
  if (result == Result::set) {
    std::fill(z.begin(), z.end(), 0.0);
  }
  for (std::size_t b = 0; b + 1 < offset_.size(); ++b) {
    const Index n = offset_[b + 1] - offset_[b];
    for (Index j = 0; j < n; ++j) {
      add_scaled(r[at(offset_[b] + j)], values_.data() + start_[b] + j * n, z.data() + offset_[b], n);
    }
  }
}

void ReducedCg::reserve(Index n) {
  for (std::vector<double>* v : {&r_, &z_, &p_, &q_, &t_}) {
    v->resize(at(n));
  }
}

/// z_ := M^-1 r_.
void ReducedCg::precondition(const Task& task) {
  task.D.apply(r_, BlockInverse::Result::set, z_);
  for (Index k = 0; k < task.power_terms; ++k) {
    task.S.multiply(z_, q_);
    for (std::size_t i = 0; i < q_.size(); ++i) {
      t_[i] = r_[i] - q_[i];
    }
    task.D.apply(t_, BlockInverse::Result::add, z_);
  }
}

ReducedCg::Outcome ReducedCg::solve(const Task& task, VectorRef x) {
  const std::size_t n = x.size();
  // A power of two keeps inner products of tiny or huge right-hand sides in range.
  const double unit = power_of_two(largest(task.c));
  Outcome out;
  std::fill(x.begin(), x.end(), 0.0);
  const auto finish = [&](End end) {
    for (double& v : x) {
      v *= unit;
    }
    out.end = end;
    return out;
  };
  for (std::size_t i = 0; i < n; ++i) {
    r_[i] = task.c[i] / unit;
  }
  precondition(task);
  std::copy(z_.begin(), z_.end(), p_.begin());
  double rz = dot(r_, z_);
  const double start = rz;
  if (!(rz >= 0) || rz == infinity) {
    return finish(std::isfinite(rz) ? End::indefinite : End::failed);
  }
  if (rz == 0) {
    return finish(End::converged);
  }
  double gain = 0;
  while (out.iterations < task.iterations) {
    if (task.interrupt != nullptr && task.interrupt->requested()) {
      return finish(End::interrupted);
    }
    task.S.multiply(p_, q_);
    const double curvature = dot(p_, q_);
    if (!std::isfinite(curvature)) {
      return finish(End::failed);
    }
    const double alpha = rz / curvature;
    if (!(curvature > 0) || !std::isfinite(alpha)) {
      // After an iteration that gained, what is left may be rounding: the iterate stands.
      const double rounding = epsilon * norm(p_) * norm(q_) * static_cast<double>(n);
      return finish(out.iterations > 0 && std::abs(curvature) <= rounding ? End::rounding : End::indefinite);
    }
    ++out.iterations;
    for (std::size_t i = 0; i < n; ++i) {
      x[i] += alpha * p_[i];
    }
    for (std::size_t i = 0; i < n; ++i) {
      r_[i] -= alpha * q_[i];
    }
    const double step_gain = 0.5 * alpha * rz;
    gain += step_gain;
    if (static_cast<double>(out.iterations) * step_gain <= task.forcing * gain) {
      return finish(End::converged);
    }
    precondition(task);
    const double next = dot(r_, z_);
    if (!std::isfinite(next)) {
      return finish(End::failed);
    }
    if (!(next > task.residual * task.residual * start)) {
      return finish(End::converged);
    }
    const double beta = next / rz;
    rz = next;
    for (std::size_t i = 0; i < n; ++i) {
      p_[i] = z_[i] + beta * p_[i];
    }
  }
  return finish(End::limit);
}

}  // namespace kappa::detail
