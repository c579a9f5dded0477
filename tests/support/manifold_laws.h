// The laws of a Manifold (docs/concepts.md), checked on any manifold by one tester.
//
// Points are drawn from a normal distribution and normalized; steps have the lengths 0, tiny, small and up to
// the radius given. The oracle of the derivatives is differences of plus of eighth order. The laws hold where
// the result is empty; otherwise each entry is a sentence with the figures of one broken law.
#pragma once

#include <algorithm>
#include <cmath>
#include <sstream>
#include <string>
#include <vector>

#include "kappa/derivatives.h"
#include "kappa/manifold.h"
#include "kappa/random.h"

namespace kappa::testing {

struct ManifoldLawSettings {
  double radius = 3.0;       ///< steps shorter than this are to be had back from minus
  double tolerance = 1e-14;  ///< of plus and minus, in units of 1 + the largest entry
  double differences = 1e-10;
  /// Whether a point has one vector of numbers, or several, as a quaternion and its negative.
  enum class Vectors : unsigned char { one, several } vectors = Vectors::one;
  /// Whether any two points are within reach of a step, or only those that a step has led to.
  enum class Reach : unsigned char { everywhere, steps } reach = Reach::everywhere;
  double zero_step = 0;  ///< how far plus(x, 0) may be from x
  std::uint64_t seed = 1;
};

class ManifoldLaws {
 public:
  using Vector = std::vector<double>;

  explicit ManifoldLaws(const Manifold& manifold, ManifoldLawSettings settings = {})
      : manifold_(manifold), settings_(settings), random_(settings.seed, 7) {}

  std::vector<std::string> broken() {
    for (int sample = 0; sample < 12; ++sample) {
      const Vector x = point();
      zero_step(x);
      for (const double size : {1e-300, 1e-160, 1e-12, 1e-8, 1e-4, 0.1, 0.5, 0.9, 0.99}) {
        step_and_back(x, step(size < 0.1 ? size : size * settings_.radius));
      }
      const bool anywhere = settings_.reach == ManifoldLawSettings::Reach::everywhere;
      there_from(x, anywhere ? point() : plus(x, step(0.9 * settings_.radius)));
      first_derivatives(x);
      second_derivatives(x);
      transport_is_the_derivative(x);
    }
    closure();
    return broken_;
  }

  /// A point of the manifold.
  Vector point() {
    Vector x(at(manifold_.ambient_size()));
    for (double& entry : x) {
      entry = random_.normal(next_++);
    }
    manifold_.normalize(x);
    return x;
  }
  /// A step of this length in a random direction.
  Vector step(double size) {
    Vector d(at(manifold_.tangent_size()));
    double square = 0;
    for (double& entry : d) {
      entry = random_.normal(next_++);
      square += entry * entry;
    }
    for (double& entry : d) {
      entry *= size / std::sqrt(square);
    }
    return d;
  }

 private:
  static std::size_t at(Index i) { return static_cast<std::size_t>(i); }
  Vector plus(const Vector& x, const Vector& d) const {
    Vector y(x.size());
    manifold_.plus(x, d, y);
    return y;
  }
  Vector minus(const Vector& y, const Vector& x) const {
    Vector d(at(manifold_.tangent_size()));
    manifold_.minus(y, x, d);
    return d;
  }
  static double largest(const Vector& v) {
    double out = 0;
    for (const double entry : v) {
      out = std::isnan(entry) ? infinity : std::max(out, std::fabs(entry));
    }
    return out;
  }
  static double distance(const Vector& a, const Vector& b) {
    Vector difference(a.size());
    std::transform(a.begin(), a.end(), b.begin(), difference.begin(), std::minus<>());
    return largest(difference);
  }
  void require(double error, double bound, const std::string& law, const Vector& x) {
    if (!(error <= bound)) {
      std::ostringstream text;
      text.precision(17);
      text << manifold_.name() << ": " << law << ": off by " << error << " at x =";
      for (const double entry : x) {
        text << ' ' << entry;
      }
      broken_.push_back(text.str());
    }
  }

  void zero_step(const Vector& x) {
    require(distance(plus(x, Vector(at(manifold_.tangent_size()))), x), settings_.zero_step, "plus(x, 0) = x",
            x);
    require(largest(minus(x, x)), settings_.tolerance * (1 + largest(x)), "minus(x, x) = 0", x);
  }
  void step_and_back(const Vector& x, const Vector& d) {
    const Vector y = plus(x, d);
    require(manifold_.departure(y), settings_.tolerance, "plus(x, d) is on the manifold", x);
    require(distance(minus(y, x), d), 8 * settings_.tolerance * (1 + largest(x)), "minus(plus(x, d), x) = d",
            d);
    Vector in_place = x;
    manifold_.plus(in_place, d, in_place);
    require(distance(in_place, y), 0, "plus may write to x", x);
  }
  void there_from(const Vector& x, const Vector& y) {
    const Vector reached = plus(x, minus(y, x));
    const double bound = 30 * settings_.tolerance * (1 + largest(x) + largest(y));
    require(largest(minus(reached, y)), bound, "plus(x, minus(y, x)) = y", x);
    if (settings_.vectors == ManifoldLawSettings::Vectors::one) {
      require(distance(reached, y), bound, "plus(x, minus(y, x)) = y, entry by entry", x);
    }
  }

  /// Differences of order `order` of plus(x, base + t v) at t = 0.
  Vector difference(int order, const Vector& x, const Vector& base, const Vector& v) const {
    constexpr double h = 0.03;
    constexpr double first[] = {0, 4 / 5.0, -1 / 5.0, 4 / 105.0, -1 / 280.0};
    constexpr double second[] = {-205 / 72.0, 8 / 5.0, -1 / 5.0, 8 / 315.0, -1 / 560.0};
    const Vector centre = plus(x, base);
    Vector out(x.size(), 0.0);
    for (int i = -4; i <= 4; ++i) {
      Vector d(base);
      for (std::size_t j = 0; j < d.size(); ++j) {
        d[j] += i * h * v[j];
      }
      const Vector y = plus(x, d);
      const double weight =
          order == 1 ? (i < 0 ? -1 : 1) * first[std::abs(i)] / h : second[std::abs(i)] / (h * h);
      for (std::size_t k = 0; k < out.size(); ++k) {
        out[k] += weight * (y[k] - centre[k]);
      }
    }
    return out;
  }
  Vector unit(Index j) const {
    Vector e(at(manifold_.tangent_size()), 0.0);
    e[at(j)] = 1;
    return e;
  }

  void first_derivatives(const Vector& x) {
    const Index n = manifold_.ambient_size();
    const Index m = manifold_.tangent_size();
    Matrix P(n, m);
    manifold_.plus_jacobian(x, P);
    for (Index j = 0; j < m; ++j) {
      const Vector column(P.values.begin() + j * n, P.values.begin() + (j + 1) * n);
      require(distance(column, difference(1, x, Vector(at(m)), unit(j))),
              settings_.differences * (1 + largest(x)), "plus_jacobian is the derivative of plus", x);
    }
  }
  void second_derivatives(const Vector& x) {
    const Index m = manifold_.tangent_size();
    Vector w(x.size());
    for (double& entry : w) {
      entry = random_.normal(next_++);
    }
    Matrix S(m, m);
    manifold_.plus_second(x, w, S);
    const auto along = [&](const Vector& v) {
      const Vector bend = difference(2, x, Vector(at(m)), v);
      double sum = 0;
      for (std::size_t i = 0; i < w.size(); ++i) {
        sum += w[i] * bend[i];
      }
      return sum;
    };
    for (Index j = 0; j < m; ++j) {
      for (Index k = 0; k <= j; ++k) {
        Vector both = unit(j);
        both[at(k)] += 1;
        const double expected = j == k ? along(unit(j)) : (along(both) - along(unit(j)) - along(unit(k))) / 2;
        const double bound = 100 * settings_.differences * (1 + largest(x)) * (1 + largest(w));
        require(std::fabs(S(j, k) - expected), bound, "plus_second is the second derivative of plus", x);
        require(std::fabs(S(j, k) - S(k, j)), 0, "plus_second is symmetric", x);
      }
    }
  }
  /// Seen from y: near it minus(., y) gives coordinates in which P(y) is the identity.
  void transport_is_the_derivative(const Vector& x) {
    constexpr double h = 0.03;
    constexpr double weight[] = {0, 4 / 5.0, -1 / 5.0, 4 / 105.0, -1 / 280.0};
    const Index m = manifold_.tangent_size();
    const Vector d = step(0.4 * settings_.radius);
    const Vector v = step(1);
    Vector carried(at(m));
    manifold_.transport(x, d, v, carried);
    const Vector y = plus(x, d);
    Vector expected(at(m), 0.0);
    for (int i = -4; i <= 4; ++i) {
      Vector further(d);
      for (std::size_t j = 0; j < d.size(); ++j) {
        further[j] += i * h * v[j];
      }
      const Vector seen = minus(plus(x, further), y);
      for (std::size_t j = 0; j < d.size(); ++j) {
        expected[j] += (i < 0 ? -1 : 1) * weight[std::abs(i)] / h * seen[j];
      }
    }
    require(distance(carried, expected), 10 * settings_.differences * (1 + largest(x)),
            "transport(v) is the derivative of plus along v at d, seen from y", x);
    manifold_.transport(x, Vector(at(m)), v, carried);
    require(distance(carried, v), settings_.tolerance, "transport(x, 0, v) = v", x);
  }
  void closure() {
    Vector x = point();
    for (int i = 0; i < 1000; ++i) {
      x = plus(x, step(0.5 * settings_.radius));
    }
    require(manifold_.departure(x), settings_.tolerance, "a thousand steps stay on the manifold", x);
  }

  const Manifold& manifold_;
  ManifoldLawSettings settings_;
  CounterRandom random_;
  std::uint64_t next_ = 0;
  std::vector<std::string> broken_;
};

inline std::vector<std::string> broken_manifold_laws(const Manifold& manifold,
                                                     ManifoldLawSettings settings = {}) {
  return ManifoldLaws(manifold, settings).broken();
}

}  // namespace kappa::testing
