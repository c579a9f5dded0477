// The adaptive-rate methods as their papers write them: plain loops over entries, one function each, with no
// code of kappa's. Each takes the gradient at x of batch t (from 0) and what else its algorithm asks for, and
// returns x after each step.
#pragma once

#include <algorithm>
#include <cmath>
#include <functional>
#include <vector>

namespace kappa::test {

using Vector = std::vector<double>;
/// (x, t) -> gradient of batch t at x; a diagonal or an estimate of it in the same form.
using AtBatch = std::function<Vector(const Vector& x, int t)>;

/// Kingma & Ba 2015, algorithm 1.
inline std::vector<Vector> adam_reference(Vector x, const AtBatch& gradient, double alpha, int steps) {
  const double beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8;
  Vector m(x.size(), 0.0), v(x.size(), 0.0);
  std::vector<Vector> out;
  for (int t = 1; t <= steps; ++t) {
    const Vector g = gradient(x, t - 1);
    for (std::size_t i = 0; i < x.size(); ++i) {
      m[i] = beta1 * m[i] + (1 - beta1) * g[i];
      v[i] = beta2 * v[i] + (1 - beta2) * g[i] * g[i];
      const double mhat = m[i] / (1 - std::pow(beta1, t));
      const double vhat = v[i] / (1 - std::pow(beta2, t));
      x[i] -= alpha * mhat / (std::sqrt(vhat) + epsilon);
    }
    out.push_back(x);
  }
  return out;
}

/// Gradient descent with the classical momentum v := momentum v + g, x := x - rate v (Polyak 1964).
inline std::vector<Vector> momentum_reference(Vector x, const AtBatch& gradient, double rate, double momentum,
                                              int steps) {
  Vector v(x.size(), 0.0);
  std::vector<Vector> out;
  for (int t = 0; t < steps; ++t) {
    const Vector g = gradient(x, t);
    for (std::size_t i = 0; i < x.size(); ++i) {
      v[i] = momentum * v[i] + g[i];
      x[i] -= rate * v[i];
    }
    out.push_back(x);
  }
  return out;
}

/// Yao et al. 2021, algorithm 1, without spatial averaging; `hutchinson` is z .* H z.
inline std::vector<Vector> adahessian_reference(Vector x, const AtBatch& gradient, const AtBatch& hutchinson,
                                                double eta, int steps) {
  const double beta1 = 0.9, beta2 = 0.999, epsilon = 1e-4;
  Vector m(x.size(), 0.0), v(x.size(), 0.0);
  std::vector<Vector> out;
  for (int t = 1; t <= steps; ++t) {
    const Vector g = gradient(x, t - 1);
    const Vector D = hutchinson(x, t - 1);
    for (std::size_t i = 0; i < x.size(); ++i) {
      m[i] = beta1 * m[i] + (1 - beta1) * g[i];
      v[i] = beta2 * v[i] + (1 - beta2) * D[i] * D[i];
      const double mbar = m[i] / (1 - std::pow(beta1, t));
      const double vbar = std::sqrt(v[i] / (1 - std::pow(beta2, t)));
      x[i] -= eta * mbar / (vbar + epsilon);
    }
    out.push_back(x);
  }
  return out;
}

/// LeCun et al. 1998, section 9.1, eqs. 58 and following: running mean <h>, rates eta / (<h> + mu). The mean
/// is corrected for its start at zero.
inline std::vector<Vector> sdlm_reference(Vector x, const AtBatch& gradient, const AtBatch& diagonal,
                                          double eta, int steps) {
  const double gamma = 0.01, mu = 0.02;
  Vector h(x.size(), 0.0);
  std::vector<Vector> out;
  for (int t = 1; t <= steps; ++t) {
    const Vector g = gradient(x, t - 1);
    const Vector D = diagonal(x, t - 1);
    for (std::size_t i = 0; i < x.size(); ++i) {
      h[i] = (1 - gamma) * h[i] + gamma * D[i];
      x[i] -= eta * g[i] / (h[i] / (1 - std::pow(1 - gamma, t)) + mu);
    }
    out.push_back(x);
  }
  return out;
}

/// Liu et al. 2024, algorithm 3 without weight decay; `estimate` is that of algorithm 1 or 2, asked for at
/// t = 0, k, 2 k, ...
inline std::vector<Vector> sophia_reference(Vector x, const AtBatch& gradient, const AtBatch& estimate,
                                            double eta, double gamma, int steps) {
  const double beta1 = 0.96, beta2 = 0.99, epsilon = 1e-12;
  const int k = 10;
  Vector m(x.size(), 0.0), h(x.size(), 0.0);
  std::vector<Vector> out;
  for (int t = 0; t < steps; ++t) {
    const Vector g = gradient(x, t);
    if (t % k == 0) {
      const Vector D = estimate(x, t);
      for (std::size_t i = 0; i < x.size(); ++i) {
        h[i] = beta2 * h[i] + (1 - beta2) * D[i];
      }
    }
    for (std::size_t i = 0; i < x.size(); ++i) {
      m[i] = beta1 * m[i] + (1 - beta1) * g[i];
      const double ratio = m[i] / std::max(gamma * h[i], epsilon);
      x[i] -= eta * std::min(std::max(ratio, -1.0), 1.0);
    }
    out.push_back(x);
  }
  return out;
}

/// Schaul & LeCun 2013, algorithm 1 with one (mini-batch) gradient a step. The first `start` gradients, all
/// at the first point, begin the averages; then E[g^2] is multiplied by `slow_start`.
inline std::vector<Vector> vsgd_reference(Vector x, const AtBatch& gradient, int start, double slow_start,
                                          int steps) {
  const std::size_t n = x.size();
  Vector gbar(n), vbar(n), hbar(n), wbar(n), tau(n);
  std::vector<Vector> out;
  for (int t = 0; t < steps; ++t) {
    const Vector g = gradient(x, t);
    const Vector delta = t == 0 ? g : gbar;
    Vector shifted = x;
    for (std::size_t i = 0; i < n; ++i) {
      shifted[i] += delta[i];
    }
    const Vector g_shifted = gradient(shifted, t);
    for (std::size_t i = 0; i < n; ++i) {
      const double h = std::abs((g[i] - g_shifted[i]) / delta[i]);
      if (t < start) {
        tau[i] = t + 1;
      } else if (std::abs(g[i] - gbar[i]) > 2 * std::sqrt(std::max(0.0, vbar[i] - gbar[i] * gbar[i])) ||
                 std::abs(h - hbar[i]) > 2 * std::sqrt(std::max(0.0, wbar[i] - hbar[i] * hbar[i]))) {
        tau[i] = tau[i] + 1;
      }
      gbar[i] = (1 - 1 / tau[i]) * gbar[i] + 1 / tau[i] * g[i];
      vbar[i] = (1 - 1 / tau[i]) * vbar[i] + 1 / tau[i] * g[i] * g[i];
      hbar[i] = (1 - 1 / tau[i]) * hbar[i] + 1 / tau[i] * h;
      wbar[i] = (1 - 1 / tau[i]) * wbar[i] + 1 / tau[i] * h * h;
      if (t + 1 < start) {
        continue;
      }
      if (t + 1 == start) {
        vbar[i] *= slow_start;
      }
      const double eta = hbar[i] / wbar[i] * gbar[i] * gbar[i] / vbar[i];
      if (t >= start) {
        tau[i] = (1 - gbar[i] * gbar[i] / vbar[i]) * tau[i] + 1;
      }
      x[i] -= eta * g[i];
    }
    out.push_back(x);
  }
  return out;
}

/// Gulcehre & Bengio 2014, algorithm 1, with the gradient as one block, the gradient of the point before for
/// g', and averages for gamma of fixed memory; from the authors' program, epsilon, the first rate, and in the
/// mixed average each step beside the change of gradient before it, as docs/learning.md says.
inline std::vector<Vector> adasecant_reference(Vector x, const AtBatch& gradient, int steps) {
  const std::size_t n = x.size();
  constexpr double first_rate = 1, least = 1e-6, most = 10, cap = 1.8, memory = 20, epsilon = 1e-7;
  struct Entry {
    double g = 0, g2 = 0, a = 0, a2 = 0, d = 0, d2 = 0, ad = 0;  // averages that begin at zero
    double tau = 2.2, product = 1;
    double mean = 0, numerator = 0, denominator = 0;  // of the variance reduction
    double last_g = 0, last_step = 0, alpha_before = 0;
  };
  std::vector<Entry> entries(n);
  std::vector<Vector> out;
  for (int t = 0; t < steps; ++t) {
    Vector g = gradient(x, t);
    double norm = 0;
    for (const double e : g) {
      norm += e * e;
    }
    norm = std::sqrt(norm);
    for (std::size_t i = 0; i < n; ++i) {
      Entry& e = entries[i];
      const double now = g[i] / norm;
      const double alpha = now - e.last_g;  // the gradient before the first counts as zero
      double rate = first_rate;
      if (t > 0) {
        const double seen = 1 - e.product;
        const auto outlier = [&](double value, double mean, double square) {
          return seen > 0 && std::abs(value - mean / seen) >
                                 2 * std::sqrt(std::max(0.0, square / seen - (mean / seen) * (mean / seen)));
        };
        if (outlier(now, e.g, e.g2) || outlier(alpha, e.a, e.a2)) {
          e.tau = 2.2;
        }
        const auto take = [&](double& average, double value) {
          average = (1 - 1 / e.tau) * average + value / e.tau;
        };
        take(e.g, now);
        take(e.g2, now * now);
        take(e.a, alpha);
        take(e.a2, alpha * alpha);
        take(e.d, e.last_step);
        take(e.d2, e.last_step * e.last_step);
        take(e.ad, e.alpha_before * e.last_step);
        e.product *= 1 - 1 / e.tau;
        const double whole = 1 - e.product;
        rate = std::sqrt(e.d2 / whole + epsilon) / std::sqrt(e.a2 / whole + epsilon) -
               e.ad / whole / (e.a2 / whole + epsilon);
        rate = std::min(std::max(rate, least), most);
        const double mean = e.d / (1 - e.product);
        const double square = e.d2 / (1 - e.product);
        e.tau = std::max((1 - std::min(1.0, mean * mean / square)) * e.tau + 1, 2.2);
      }
      double corrected = now;
      e.mean += (now - e.mean) / std::min<double>(t + 1, memory);
      if (t > 0) {
        const double share = 1 / std::min<double>(t, memory);
        e.numerator += share * ((now - e.last_g) * (now - e.mean) - e.numerator);
        e.denominator += share * ((now - e.mean) * (e.last_g - e.mean) - e.denominator);
        double gamma = cap;
        if (e.denominator > 0) {
          gamma = std::min(std::max(e.numerator / e.denominator, 0.0), cap);
        }
        corrected = (now + gamma * e.mean) / (1 + gamma);
      }
      e.last_g = now;
      e.alpha_before = alpha;
      e.last_step = -rate * corrected;
      x[i] += e.last_step;
    }
    out.push_back(x);
  }
  return out;
}

}  // namespace kappa::test
