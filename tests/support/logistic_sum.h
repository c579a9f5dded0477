// Logistic regression on made-up data, as plainly as it can be written: a sum over terms for tests of
// mini-batches, with every second-order piece that a learning problem offers.
//
//     f(x) = 1/n sum_i log(1 + exp(-s_i a_i'x)) + decay/2 |x|^2,   s_i = +-1
#pragma once

#include <algorithm>
#include <cmath>
#include <memory>
#include <vector>

#include "kappa/problem.h"
#include "kappa/random.h"

namespace kappa::test {

struct LogisticData {
  Index features = 0;
  double decay = 0;
  std::vector<std::vector<double>> a;
  std::vector<double> sign;
};

/// Samples with one feature larger than the other by a factor, so that rates of the variables should differ.
inline LogisticData make_logistic(Index samples, Index features, std::uint64_t seed) {
  LogisticData out{.features = features, .decay = 1e-3, .a = {}, .sign = {}};
  RandomSequence random(seed);
  for (Index i = 0; i < samples; ++i) {
    std::vector<double> a;
    double along = 0;
    for (Index j = 0; j < features; ++j) {
      a.push_back(random.normal() * (1 + 2 * static_cast<double>(j)));
      along += a.back() * (j % 2 == 0 ? 1.0 : -0.3);
    }
    out.a.push_back(a);
    out.sign.push_back(along + random.normal() > 0 ? 1 : -1);
  }
  return out;
}

class LogisticSum final : public Problem {
 public:
  /// `layered` says whether it offers a recursive diagonal, as a network would.
  explicit LogisticSum(LogisticData data, bool layered = false) : data_(std::move(data)), layered_(layered) {}

  Index dimension() const override { return data_.features; }
  Index terms() const override { return static_cast<Index>(data_.a.size()); }
  ModelSet models() const override { return {Model::exact, Model::gauss_newton}; }

  EvalStatus evaluate(const Request& request, Evaluation& at) const override {
    const std::vector<Index> terms = chosen(request.sample);
    const auto n = static_cast<std::size_t>(dimension());
    at.value = 0;
    at.gradient.assign(n, 0.0);
    for (const Index i : terms) {
      const double margin = data_.sign[index(i)] * product(i, at.x);
      at.value += (std::max(-margin, 0.0) + std::log1p(std::exp(-std::fabs(margin)))) / size(terms);
      for (std::size_t j = 0; j < n; ++j) {
        at.gradient[j] -= data_.sign[index(i)] * data_.a[index(i)][j] / (1 + std::exp(margin)) / size(terms);
      }
    }
    for (std::size_t j = 0; j < n; ++j) {
      at.value += 0.5 * data_.decay * at.x[j] * at.x[j];
      at.gradient[j] += data_.decay * at.x[j];
    }
    at.have = at.have | Want::value | Want::gradient;
    if (includes(request.want, Want::linearization)) {
      at.linearization = std::make_unique<At>(*this, terms, at.x);
      at.models = request.models;
      at.have = at.have | Want::linearization;
    }
    return EvalStatus::ok;
  }

  std::vector<Measure> measures(ConstVectorRef x) const override {
    double right = 0;
    for (Index i = 0; i < terms(); ++i) {
      right += data_.sign[index(i)] * product(i, x) > 0 ? 1 : 0;
    }
    return {{"accuracy", right / static_cast<double>(terms()), Measure::Better::higher}};
  }

  const LogisticData& data() const { return data_; }

  double probability(Index i, ConstVectorRef x) const { return 1 / (1 + std::exp(-product(i, x))); }

 private:
  static std::size_t index(Index i) { return static_cast<std::size_t>(i); }
  static double size(const std::vector<Index>& terms) { return static_cast<double>(terms.size()); }

  double product(Index i, ConstVectorRef x) const {
    double out = 0;
    for (std::size_t j = 0; j < x.size(); ++j) {
      out += data_.a[index(i)][j] * x[j];
    }
    return out;
  }

  std::vector<Index> chosen(const Sample& sample) const {
    std::vector<Index> out(sample.terms.begin(), sample.terms.end());
    for (Index i = 0; sample.whole() && i < terms(); ++i) {
      out.push_back(i);
    }
    return out;
  }

  class At final : public Linearization {
   public:
    At(const LogisticSum& problem, std::vector<Index> terms, std::vector<double> x)
        : problem_(problem), terms_(std::move(terms)), x_(std::move(x)) {}

    Index size() const override { return problem_.dimension(); }

    void product(Model, ConstVectorRef v, VectorRef out) const override {
      for (std::size_t j = 0; j < v.size(); ++j) {
        out[j] = problem_.data_.decay * v[j];
      }
      for (const Index i : terms_) {
        const double p = problem_.probability(i, x_);
        const double along = p * (1 - p) * problem_.product(i, v) / LogisticSum::size(terms_);
        for (std::size_t j = 0; j < v.size(); ++j) {
          out[j] += along * problem_.data_.a[index(i)][j];
        }
      }
    }

    Offers offers(Model) const override { return {.diagonal = true}; }

    bool diagonal(Model, VectorRef out) const override {
      std::fill(out.begin(), out.end(), problem_.data_.decay);
      for (const Index i : terms_) {
        const double p = problem_.probability(i, x_);
        for (std::size_t j = 0; j < out.size(); ++j) {
          const double a = problem_.data_.a[index(i)][j];
          out[j] += p * (1 - p) * a * a / LogisticSum::size(terms_);
        }
      }
      return true;
    }

    /// Twice the diagonal, to be told apart from it.
    bool recursive_diagonal(Recursion, VectorRef out) const override {
      if (!problem_.layered_) {
        return false;
      }
      diagonal(Model::gauss_newton, out);
      std::transform(out.begin(), out.end(), out.begin(), [](double d) { return 2 * d; });
      return true;
    }

    bool sampled_gradient(std::uint64_t draw, VectorRef out) const override {
      std::fill(out.begin(), out.end(), 0.0);
      const CounterRandom random(draw, 5);
      for (const Index i : terms_) {
        const double p = problem_.probability(i, x_);
        const double target = random.uniform(static_cast<std::uint64_t>(i)) < p ? 1.0 : 0.0;
        for (std::size_t j = 0; j < out.size(); ++j) {
          out[j] += (p - target) * problem_.data_.a[index(i)][j] / std::sqrt(LogisticSum::size(terms_));
        }
      }
      return true;
    }

   private:
    const LogisticSum& problem_;
    std::vector<Index> terms_;
    std::vector<double> x_;
  };

  LogisticData data_;
  bool layered_;
};

}  // namespace kappa::test
