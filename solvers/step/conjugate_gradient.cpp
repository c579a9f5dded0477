#include "solvers/step/conjugate_gradient.h"

#include <algorithm>
#include <cmath>

#include "core/vector.h"

namespace kappa::detail {

double Forcing::tolerance(double gradient_norm) const {
  return std::clamp(std::pow(gradient_norm, power), std::min(floor, cap), cap);
}

void ConjugateGradient::reserve(Index n) {
  const auto size = static_cast<std::size_t>(n);
  r_.resize(size);
  z_.resize(size);
  p_.resize(size);
  q_.resize(size);
}

double ConjugateGradient::to_boundary(const CgTask& task, ConstVectorRef d, double radius) const {
  // In units of the radius: |D + t P| = 1 with |P| = 1.
  const ConstVectorRef w = task.subproblem.metric.weights();
  const double length = weighted_norm(w, p_);
  const double inside = weighted_norm(w, d) / radius;
  double along = 0;
  for (std::size_t i = 0; i < d.size(); ++i) {
    along += (std::sqrt(w[i]) * d[i] / radius) * (std::sqrt(w[i]) * p_[i] / length);
  }
  const double gap = std::max(0.0, (1 - inside) * (1 + inside));
  const double root = std::sqrt(along * along + gap);
  const double t = along > 0 ? gap / (along + root) : root - along;
  return t * (radius / length);
}

CgResult ConjugateGradient::minimize(const CgTask& task, VectorRef d) {
  const Subproblem& model = task.subproblem;
  const ConstVectorRef w = model.metric.weights();
  const std::size_t n = d.size();
  const double gamma = power_of_two(largest(model.gradient));
  const double radius = task.radius == infinity ? infinity : std::min(task.radius / gamma, 1e300);
  CgResult out;
  std::fill(d.begin(), d.end(), 0.0);
  for (std::size_t i = 0; i < n; ++i) {
    r_[i] = model.gradient[i] / gamma;
    z_[i] = task.inverse[i] * r_[i];
    p_[i] = -z_[i];
  }
  double rz = dot(r_, z_);
  const double start = std::sqrt(rz);
  if (!std::isfinite(start)) {
    return out;
  }
  const auto finish = [&](CgResult::End end) {
    for (double& v : d) {
      v *= gamma;
    }
    out.decrease = (out.decrease * gamma) * gamma;
    out.end = end;
    return out;
  };
  if (start == 0) {
    return finish(CgResult::End::converged);
  }
  double length = 0;
  while (out.iterations < task.max_iterations) {
    if (model.interrupt != nullptr && model.interrupt->requested()) {
      return finish(CgResult::End::interrupted);
    }
    model.B.multiply(p_, q_);
    ++out.iterations;
    // Sums and updates each in a loop of its own, without a condition: of a loop that does both a compiler
    // makes versions for arrays that overlap and others, and may fuse products in one only. The bits would
    // depend on the addresses.
    if (task.damping != 0) {
      for (std::size_t i = 0; i < n; ++i) {
        q_[i] += task.damping * w[i] * p_[i];
      }
    }
    double rounding = 0;
    for (std::size_t i = 0; i < n; ++i) {
      rounding += std::abs(p_[i] * q_[i]);
    }
    const double curvature = dot(p_, q_);
    if (!std::isfinite(curvature)) {
      return finish(CgResult::End::failed);
    }
    const bool downward = !(curvature > epsilon * rounding);
    const double alpha = downward ? infinity : rz / curvature;
    if (downward && radius == infinity) {
      return finish(CgResult::End::negative_curvature);
    }
    if (radius < infinity) {
      bool leaves = downward || !std::isfinite(alpha);
      if (!leaves) {
        for (std::size_t i = 0; i < n; ++i) {
          z_[i] = d[i] + alpha * p_[i];
        }
        length = weighted_norm(w, z_);
        leaves = !(length < radius);
      }
      if (leaves) {
        const double tau = to_boundary(task, d, radius);
        for (std::size_t i = 0; i < n; ++i) {
          d[i] += tau * p_[i];
        }
        out.decrease += tau * (rz - 0.5 * tau * curvature);
        return finish(CgResult::End::boundary);
      }
    }
    for (std::size_t i = 0; i < n; ++i) {
      d[i] += alpha * p_[i];
      r_[i] += alpha * q_[i];
      z_[i] = task.inverse[i] * r_[i];
    }
    out.decrease += 0.5 * alpha * rz;
    const double next = dot(r_, z_);
    if (!std::isfinite(next)) {
      return finish(CgResult::End::failed);
    }
    if (std::sqrt(next) <= task.tolerance * start) {
      return finish(CgResult::End::converged);
    }
    const double beta = next / rz;
    rz = next;
    for (std::size_t i = 0; i < n; ++i) {
      p_[i] = beta * p_[i] - z_[i];
    }
  }
  return finish(CgResult::End::limit);
}

}  // namespace kappa::detail
