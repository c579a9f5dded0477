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
  loop_.reserve(n);
}

double ConjugateGradient::to_boundary(const CgTask& task, ConstVectorRef d, double radius) {
  // In units of the radius: |D + t P| = 1 with |P| = 1.
  const ConstVectorRef w = task.subproblem.metric.weights();
  const double length = loop_.weighted_norm(w, p_);
  const double inside = loop_.weighted_norm(w, d) / radius;
  const double along = loop_.sum([&](Index begin, Index end) {
    double out = 0;
    for (auto i = static_cast<std::size_t>(begin); i < static_cast<std::size_t>(end); ++i) {
      out += (std::sqrt(w[i]) * d[i] / radius) * (std::sqrt(w[i]) * p_[i] / length);
    }
    return out;
  });
  const double gap = std::max(0.0, (1 - inside) * (1 + inside));
  const double root = std::sqrt(along * along + gap);
  const double t = along > 0 ? gap / (along + root) : root - along;
  return t * (radius / length);
}

CgResult ConjugateGradient::minimize(const CgTask& task, VectorRef d) {
  const Subproblem& model = task.subproblem;
  const ConstVectorRef w = model.metric.weights();
  const double gamma = std::max(power_of_two(largest(model.gradient)), 0x1p-1000);
  const double radius = task.radius == infinity ? infinity : std::min(task.radius / gamma, 1e300);
  CgResult out;
  std::fill(d.begin(), d.end(), 0.0);
  const auto precondition = [&] {
    if (task.preconditioner != nullptr) {
      return task.preconditioner->apply(r_, z_);
    }
    loop_.multiply(task.inverse, r_, z_);
    return true;
  };
  loop_.set_scaled(1 / gamma, model.gradient, r_);
  const bool solved = precondition();
  loop_.set_scaled(-1, z_, p_);
  double rz = loop_.dot(r_, z_);
  const double start = std::sqrt(rz);
  if (!solved || !std::isfinite(start)) {
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
    if (task.damping != 0) {
      loop_.add_weighted(task.damping, w, p_, q_);
    }
    const double rounding = loop_.absolute_dot(p_, q_);
    const double curvature = loop_.dot(p_, q_);
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
        loop_.set_scaled(1, d, z_);
        loop_.add_scaled(alpha, p_, z_);
        length = loop_.weighted_norm(w, z_);
        leaves = !(length < radius);
      }
      if (leaves) {
        const double tau = to_boundary(task, d, radius);
        loop_.add_scaled(tau, p_, d);
        out.decrease += tau * (rz - 0.5 * tau * curvature);
        return finish(CgResult::End::boundary);
      }
    }
    loop_.add_scaled(alpha, p_, d);
    loop_.add_scaled(alpha, q_, r_);
    const bool still = precondition();
    out.decrease += 0.5 * alpha * rz;
    const double next = loop_.dot(r_, z_);
    if (!still || !std::isfinite(next)) {
      return finish(CgResult::End::failed);
    }
    if (std::sqrt(next) <= task.tolerance * start) {
      return finish(CgResult::End::converged);
    }
    const double beta = next / rz;
    rz = next;
    loop_.scale_and_subtract(beta, z_, p_);
  }
  return finish(CgResult::End::limit);
}

}  // namespace kappa::detail
