// R^n, R^n with constant entries, and products of manifolds.
#include <algorithm>

#include "core/scratch.h"
#include "problems/manifold/formulas.h"

namespace kappa {
namespace {

using Buffer = detail::SmallScratch<double, 64>;

std::size_t at(Index i) {
  return static_cast<std::size_t>(i);
}

/// The entries of R^n that are free to move.
class FreeEntries final : public Manifold {
 public:
  FreeEntries(std::string name, Index n, std::vector<Index> entries)
      : Manifold(std::move(name), n, static_cast<Index>(entries.size())), entries_(std::move(entries)) {}

  bool euclidean() const override { return tangent_size() == ambient_size(); }

 private:
  void do_plus(const double* x, const double* delta, double* out) const override {
    if (out != x) {
      std::copy(x, x + ambient_size(), out);
    }
    for (const Index entry : entries_) {
      out[entry] += *delta++;
    }
  }
  void do_minus(const double* y, const double* x, double* delta) const override {
    for (const Index entry : entries_) {
      *delta++ = y[entry] - x[entry];
    }
  }
  void do_plus_jacobian(const double*, MatrixRef P) const override {
    detail::clear(P);
    for (Index j = 0; j < P.cols; ++j) {
      P(entries_[at(j)], j) = 1;
    }
  }
  void do_plus_second(const double*, const double*, MatrixRef S) const override { detail::clear(S); }
  void do_plus_derivative(const double*, const double*, const double* v, double* out) const override {
    std::fill(out, out + ambient_size(), 0.0);
    for (const Index entry : entries_) {
      out[entry] = *v++;
    }
  }
  double do_departure(const double* x) const override {
    return detail::finite_or_infinity(x, ambient_size());
  }
  void do_normalize(double*) const override {}

  std::vector<Index> entries_;
};

class Product final : public Manifold {
 public:
  Product(std::string name, Index ambient, Index tangent, std::vector<manifolds::Shared> factors)
      : Manifold(std::move(name), ambient, tangent), factors_(std::move(factors)) {}

  bool euclidean() const override {
    return std::all_of(factors_.begin(), factors_.end(), [](const auto& f) { return f->euclidean(); });
  }

 private:
  /// visit(factor, its first ambient and first tangent entry)
  template <class Visit>
  void for_each_factor(const Visit& visit) const {
    Index ambient = 0;
    Index tangent = 0;
    for (const manifolds::Shared& factor : factors_) {
      visit(*factor, ambient, tangent);
      ambient += factor->ambient_size();
      tangent += factor->tangent_size();
    }
  }
  static ConstVectorRef ambient_of(const Manifold& factor, const double* x) {
    return {x, at(factor.ambient_size())};
  }
  static ConstVectorRef tangent_of(const Manifold& factor, const double* d) {
    return {d, at(factor.tangent_size())};
  }
  static VectorRef ambient_of(const Manifold& factor, double* x) { return {x, at(factor.ambient_size())}; }
  static VectorRef tangent_of(const Manifold& factor, double* d) { return {d, at(factor.tangent_size())}; }

  void do_plus(const double* x, const double* delta, double* out) const override {
    for_each_factor([&](const Manifold& factor, Index a, Index t) {
      factor.plus(ambient_of(factor, x + a), tangent_of(factor, delta + t), ambient_of(factor, out + a));
    });
  }
  void do_minus(const double* y, const double* x, double* delta) const override {
    for_each_factor([&](const Manifold& factor, Index a, Index t) {
      factor.minus(ambient_of(factor, y + a), ambient_of(factor, x + a), tangent_of(factor, delta + t));
    });
  }
  void do_plus_jacobian(const double* x, MatrixRef P) const override {
    detail::clear(P);
    for_each_factor([&](const Manifold& factor, Index a, Index t) {
      if (factor.tangent_size() > 0) {
        factor.plus_jacobian(ambient_of(factor, x + a),
                             {&P(a, t), factor.ambient_size(), factor.tangent_size(), P.stride});
      }
    });
  }
  void do_plus_second(const double* x, const double* w, MatrixRef S) const override {
    detail::clear(S);
    for_each_factor([&](const Manifold& factor, Index a, Index t) {
      if (factor.tangent_size() > 0) {
        factor.plus_second(ambient_of(factor, x + a), ambient_of(factor, w + a),
                           {&S(t, t), factor.tangent_size(), factor.tangent_size(), S.stride});
      }
    });
  }
  // Through transport, since the derivative is no public call: P(y) transport(v) = D plus(x, delta) v.
  void do_plus_derivative(const double* x, const double* delta, const double* v, double* out) const override {
    for_each_factor([&](const Manifold& factor, Index a, Index t) {
      const Index n = factor.ambient_size();
      const Index m = factor.tangent_size();
      Buffer y(n);
      Buffer carried(m);
      Buffer P(n * m);
      factor.plus(ambient_of(factor, x + a), tangent_of(factor, delta + t), ambient_of(factor, y.data()));
      factor.transport(ambient_of(factor, x + a), tangent_of(factor, delta + t), tangent_of(factor, v + t),
                       tangent_of(factor, carried.data()));
      factor.plus_jacobian(ambient_of(factor, static_cast<const double*>(y.data())), {P.data(), n, m, n});
      std::fill(out + a, out + a + n, 0.0);
      for (Index j = 0; j < m; ++j) {
        for (Index i = 0; i < n; ++i) {
          out[a + i] += P[i + j * n] * carried[j];
        }
      }
    });
  }
  double do_departure(const double* x) const override {
    double largest = 0;
    for_each_factor([&](const Manifold& factor, Index a, Index) {
      largest = std::fmax(largest, factor.departure(ambient_of(factor, x + a)));
    });
    return largest;
  }
  void do_normalize(double* x) const override {
    for_each_factor(
        [&](const Manifold& factor, Index a, Index) { factor.normalize(ambient_of(factor, x + a)); });
  }

  std::vector<manifolds::Shared> factors_;
};

}  // namespace

namespace manifolds {

Shared euclidean(Index n) {
  std::vector<Index> entries;
  for (Index i = 0; i < n; ++i) {
    entries.push_back(i);
  }
  return std::make_shared<FreeEntries>("R^" + std::to_string(n), n, std::move(entries));
}

Shared subset(Index n, std::span<const Index> constant) {
  std::vector<Index> entries;
  std::string held;
  for (const Index entry : constant) {
    if (entry < 0 || entry >= n || std::count(constant.begin(), constant.end(), entry) > 1) {
      throw Error("manifolds::subset: entry " + std::to_string(entry) + " of a vector of " +
                  std::to_string(n) + " entries is to be constant; name entries 0 to " +
                  std::to_string(n - 1) + ", each once");
    }
    held += (held.empty() ? "" : ", ") + std::to_string(entry);
  }
  for (Index i = 0; i < n; ++i) {
    if (std::find(constant.begin(), constant.end(), i) == constant.end()) {
      entries.push_back(i);
    }
  }
  return std::make_shared<FreeEntries>("R^" + std::to_string(n) + " with constant entries {" + held + "}", n,
                                       std::move(entries));
}

Shared subset(Index n, std::initializer_list<Index> constant) {
  return subset(n, std::span<const Index>(constant.begin(), constant.size()));
}

Shared product(std::vector<Shared> factors) {
  if (factors.empty()) {
    throw Error("manifolds::product: there are no factors; give one or more manifolds");
  }
  Index ambient = 0;
  Index tangent = 0;
  std::string name;
  for (const Shared& factor : factors) {
    if (factor == nullptr) {
      throw Error("manifolds::product: a factor is null; give manifolds::euclidean(n) for plain entries");
    }
    ambient += factor->ambient_size();
    tangent += factor->tangent_size();
    name += (name.empty() ? "" : " x ") + factor->name();
  }
  return std::make_shared<Product>(std::move(name), ambient, tangent, std::move(factors));
}

}  // namespace manifolds
}  // namespace kappa
