// A network evaluated one sample and one unit at a time, in any number type: the oracle that the batched code
// of problems/learning is compared with. Derivatives come from hyper-dual numbers in long double, which are
// exact to its rounding.
#pragma once

#include <cmath>
#include <type_traits>
#include <vector>

#include "kappa/network.h"

namespace kappa::test {

/// a + b e1 + c e2 + d e1 e2 with e1^2 = e2^2 = 0: f(x + u e1 + v e2) has u'Hv in d.
struct HyperDual {
  long double a = 0, b = 0, c = 0, d = 0;

  HyperDual() = default;
  HyperDual(long double value) : a(value) {}
  HyperDual(long double value, long double first, long double second, long double both)
      : a(value), b(first), c(second), d(both) {}

  friend HyperDual operator+(const HyperDual& x, const HyperDual& y) {
    return {x.a + y.a, x.b + y.b, x.c + y.c, x.d + y.d};
  }
  friend HyperDual operator-(const HyperDual& x, const HyperDual& y) {
    return {x.a - y.a, x.b - y.b, x.c - y.c, x.d - y.d};
  }
  friend HyperDual operator*(const HyperDual& x, const HyperDual& y) {
    return {x.a * y.a, x.a * y.b + x.b * y.a, x.a * y.c + x.c * y.a,
            x.a * y.d + x.b * y.c + x.c * y.b + x.d * y.a};
  }
  /// g(x) with g and its first two derivatives at x.a.
  HyperDual through(long double g, long double first, long double second) const {
    return {g, first * b, first * c, first * d + second * b * c};
  }
};

inline HyperDual exp(const HyperDual& x) {
  const long double e = std::exp(x.a);
  return x.through(e, e, e);
}
inline HyperDual log(const HyperDual& x) {
  return x.through(std::log(x.a), 1 / x.a, -1 / (x.a * x.a));
}

inline HyperDual activate(Activation activation, const HyperDual& z) {
  const long double x = z.a;
  switch (activation) {
    case Activation::linear:
      return z;
    case Activation::tanh: {
      const long double t = std::tanh(x);
      const long double c = std::cosh(x);
      return z.through(t, 1 / (c * c), -2 * t / (c * c));
    }
    case Activation::sigmoid: {
      const long double y = 1 / (1 + std::exp(-x));
      const long double n = 1 / (1 + std::exp(x));
      return z.through(y, y * n, y * n * (n - y));
    }
    case Activation::relu:
      return x > 0 ? z : HyperDual(0);
    case Activation::softplus: {
      const long double y = 1 / (1 + std::exp(-x));
      return z.through(x > 0 ? x + std::log1p(std::exp(-x)) : std::log1p(std::exp(x)), y,
                       y / (1 + std::exp(x)));
    }
    case Activation::gelu: {
      const long double pi = 3.14159265358979323846264338327950288L;
      const long double below = std::erfc(-x / std::sqrt(2.0L)) / 2;
      const long double density = std::exp(-x * x / 2) / std::sqrt(2 * pi);
      return z.through(x * below, below + x * density, density * (2 - x * x));
    }
  }
  return z;
}

/// phi' with its own first and second derivatives.
inline HyperDual slope(Activation activation, const HyperDual& z) {
  const long double x = z.a;
  switch (activation) {
    case Activation::linear:
      return 1;
    case Activation::tanh: {
      const long double t = std::tanh(x);
      const long double s = 1 / (std::cosh(x) * std::cosh(x));
      return z.through(s, -2 * t * s, 4 * t * t * s - 2 * s * s);
    }
    case Activation::sigmoid:
    case Activation::softplus: {
      const long double y = 1 / (1 + std::exp(-x));
      const long double n = 1 / (1 + std::exp(x));
      const long double first = y * n;
      const long double second = first * (n - y);
      return activation == Activation::softplus
                 ? z.through(y, first, second)
                 : z.through(first, second, second * (n - y) - 2 * first * first);
    }
    case Activation::relu:
      return x > 0 ? 1 : 0;
    case Activation::gelu: {
      const long double pi = 3.14159265358979323846264338327950288L;
      const long double density = std::exp(-x * x / 2) / std::sqrt(2 * pi);
      return z.through(std::erfc(-x / std::sqrt(2.0L)) / 2 + x * density, density * (2 - x * x),
                       density * (x * x * x - 4 * x));
    }
  }
  return 0;
}

/// A number and its derivative along one feature.
struct Along {
  HyperDual value, dot;

  Along() = default;
  Along(long double v) : value(v) {}
  Along(const HyperDual& v, const HyperDual& d) : value(v), dot(d) {}
  friend Along operator+(const Along& x, const Along& y) { return {x.value + y.value, x.dot + y.dot}; }
  friend Along operator-(const Along& x, const Along& y) { return {x.value - y.value, x.dot - y.dot}; }
  friend Along operator*(const Along& x, const Along& y) {
    return {x.value * y.value, x.value * y.dot + x.dot * y.value};
  }
};
inline Along activate(Activation activation, const Along& z) {
  return {activate(activation, z.value), slope(activation, z.value) * z.dot};
}

struct ReferenceNetwork {
  const NetworkTopology& topology;
  const NetworkOptions& options;
  const Dataset& data;

  std::vector<Index> sources(std::size_t l) const {
    return topology.layers[l].sources.empty()
               ? std::vector<Index>{static_cast<Index>(topology.inputs.size() + l) - 1}
               : topology.layers[l].sources;
  }

  /// Values of all nodes and of the output's argument z (last entry) at a sample.
  template <class S>
  std::vector<std::vector<S>> nodes(const std::vector<S>& x, Index sample, Index along = -1) const {
    std::vector<std::vector<S>> value;
    std::size_t feature = static_cast<std::size_t>(sample * data.features.size);
    for (const Index size : topology.inputs) {
      value.emplace_back();
      for (Index i = 0; i < size; ++i) {
        value.back().push_back(S(data.features.value[feature]));
        if constexpr (std::is_same_v<S, Along>) {
          const Index here = static_cast<Index>(feature) - sample * data.features.size;
          value.back().back().dot = here == along ? 1.0L : 0.0L;
        }
        ++feature;
      }
    }
    std::size_t at = 0;
    std::vector<S> z;
    for (std::size_t l = 0; l < topology.layers.size(); ++l) {
      std::vector<S> in;
      for (const Index source : sources(l)) {
        const auto& from = value[static_cast<std::size_t>(source)];
        in.insert(in.end(), from.begin(), from.end());
      }
      z.assign(static_cast<std::size_t>(topology.layers[l].units), S(0));
      for (const S& a : in) {
        for (S& zj : z) {
          zj = zj + x[at++] * a;
        }
      }
      value.emplace_back();
      for (S& zj : z) {
        zj = zj + x[at++];
        value.back().push_back(activate(topology.layers[l].activation, zj));
      }
    }
    value.push_back(z);
    return value;
  }

  long double target(Index sample, Index k, Index outputs) const {
    if (options.targets == NetworkOptions::Targets::features) {
      return data.features.value[static_cast<std::size_t>(sample * data.features.size + k)];
    }
    if (!data.label.empty()) {
      const Index label = data.label[static_cast<std::size_t>(sample)];
      return outputs == 1 ? static_cast<long double>(label) : (label == k ? 1.0L : 0.0L);
    }
    return data.target[static_cast<std::size_t>(sample * outputs + k)];
  }

  /// The loss of one sample, without decay.
  template <class S>
  S loss(const std::vector<S>& x, Index sample) const {
    const auto value = nodes(x, sample);
    const std::vector<S>& z = value.back();
    const std::vector<S>& a = value[value.size() - 2];
    const Index outputs = static_cast<Index>(z.size());
    S out(0);
    if (options.loss == NetworkLoss::softmax_cross_entropy) {
      S sum(0);
      for (const S& zk : z) {
        sum = sum + exp(zk);
      }
      return log(sum) - z[static_cast<std::size_t>(data.label[static_cast<std::size_t>(sample)])];
    }
    for (Index k = 0; k < outputs; ++k) {
      const auto i = static_cast<std::size_t>(k);
      const S t(target(sample, k, outputs));
      out = options.loss == NetworkLoss::mean_square ? out + S(0.5L) * (a[i] - t) * (a[i] - t)
                                                     : out + log(S(1) + exp(z[i])) - t * z[i];
    }
    return out;
  }

  /// Squared norm of the code's Jacobian to the features, by one forward pass for each feature.
  HyperDual contraction(const std::vector<HyperDual>& x, Index sample, Index code) const {
    std::vector<Along> at;
    for (const HyperDual& entry : x) {
      at.emplace_back(entry, HyperDual(0));
    }
    HyperDual sum(0);
    for (Index i = 0; i < data.features.size; ++i) {
      const auto value = nodes(at, sample, i);
      for (const Along& a : value[topology.inputs.size() + static_cast<std::size_t>(code)]) {
        sum = sum + a.dot * a.dot;
      }
    }
    return sum;
  }

  template <class S>
  S decay(const std::vector<S>& x) const {
    S out(0);
    std::size_t at = 0;
    for (std::size_t l = 0; l < topology.layers.size(); ++l) {
      Index inputs = 0;
      for (const Index source : sources(l)) {
        const auto n = static_cast<std::size_t>(source);
        inputs += n < topology.inputs.size() ? topology.inputs[n]
                                             : topology.layers[n - topology.inputs.size()].units;
      }
      for (Index k = 0; k < inputs * topology.layers[l].units; ++k) {
        out = out + x[at] * x[at];
        ++at;
      }
      at += static_cast<std::size_t>(topology.layers[l].units);
    }
    return S(0.5L * static_cast<long double>(options.decay)) * out;
  }

  /// f over the samples given (all where there are none), at numbers of type S.
  template <class S>
  S value(const std::vector<S>& x, const std::vector<Index>& terms = {}) const {
    S sum(0);
    const Index samples = terms.empty() ? data.samples() : static_cast<Index>(terms.size());
    for (Index s = 0; s < samples; ++s) {
      sum = sum + loss(x, terms.empty() ? s : terms[static_cast<std::size_t>(s)]);
    }
    return S(1.0L / static_cast<long double>(samples)) * sum + decay(x);
  }

  /// Gradient and Hessian times v of `function`, by one evaluation for each entry.
  template <class F>
  static void differentiate(const F& function, ConstVectorRef x, ConstVectorRef v,
                            std::vector<double>& gradient, std::vector<double>& product) {
    std::vector<HyperDual> at(x.size());
    for (std::size_t i = 0; i < x.size(); ++i) {
      at[i] = HyperDual(x[i], 0, v[i], 0);
    }
    gradient.resize(x.size());
    product.resize(x.size());
    for (std::size_t i = 0; i < x.size(); ++i) {
      at[i].b = 1;
      const HyperDual f = function(at);
      at[i].b = 0;
      gradient[i] = static_cast<double>(f.b);
      product[i] = static_cast<double>(f.d);
    }
  }
};

}  // namespace kappa::test
