// GaussianLikelihood: data y ~ N(mu(theta), Sigma(theta)), both depending on the parameters. With r = y - mu,
// K = Sigma^-1 and a = K r, and indices for derivatives by the parameters,
//
//   f     = N/2 ln 2 pi + 1/2 ln det Sigma + 1/2 r'K r                         the negative log-likelihood
//   f_i   = 1/2 <K - a a', Sigma_i> - a'mu_i
//   f_ij  = 1/2 <K - a a', Sigma_ij> - 1/2 tr(K Sigma_i K Sigma_j) + a'Sigma_i K Sigma_j a
//           + mu_i'K Sigma_j a + mu_j'K Sigma_i a + mu_i'K mu_j - a'mu_ij                  model exact
//   F_ij  = 1/2 tr(K Sigma_i K Sigma_j) + mu_i'K mu_j                                      model fisher
//
// where <A, B> = sum of A_ij B_ij. One Cholesky factor Sigma = L L' serves all; the traces of two derivatives
// are <W_i, W_j> with the symmetric W_i = L^-1 Sigma_i L^-T. An inverse is formed for gradients and exact
// Hessians only.
//
// Conventions. A Jacobian has a row for each quantity and a column for each parameter, in the model's order.
// vec stacks columns: entry (r, c) of Sigma is entry r + N c of vec Sigma, so d vec Sigma / d theta is
// N^2 x parameters.
//
// Cost for p parameters of the covariance, in Cholesky factorizations of its size (N^3 / 3 flops): value 1,
// value and gradient 3, with fisher 2 + 4 p, with exact 3 + 4 p, beside N^2 evaluations of the covariance's
// entries. Memory for the value 2 N^2 doubles, the gradient 3 N^2, second order (5 + p) N^2, kept between
// evaluations. Parallel, with the same bits for every number of threads.
//
// References: Rasmussen & Williams, Gaussian Processes for Machine Learning, 2006, eq. 5.8 and 5.9; Mardia &
// Marshall, Biometrika 71 (1984) 135, for the information; docs/likelihood.md for the derivations.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "kappa/hyper_jet.h"
#include "kappa/jet.h"
#include "kappa/problem.h"

namespace kappa {

/// Rows [row, row + rows) and columns [column, column + columns) of Sigma and of its derivatives, to be
/// written. Each array is rows x columns, column-major and without gaps; those that are null are not wanted.
/// Only entries with row >= column will be read.
struct CovarianceBlock {
  Index row = 0;
  Index column = 0;
  Index rows = 0;
  Index columns = 0;
  double* value = nullptr;   ///< Sigma
  double* first = nullptr;   ///< Sigma_a for each covariance parameter, one array behind the other
  double* second = nullptr;  ///< Sigma_ab for a >= b, array a (a + 1) / 2 + b

  Index entries() const { return rows * columns; }
};

/// What a user writes: mean and covariance of the data, and their derivatives. Evaluated block by block and
/// from several threads at once, so no derivative is ever asked for as a whole matrix.
class GaussianModel {
 public:
  virtual ~GaussianModel() = default;

  virtual Index observations() const = 0;
  virtual Index parameters() const = 0;
  virtual std::string parameter_name(Index i) const { return "theta[" + std::to_string(i) + "]"; }

  /// The parameters that the covariance depends on, ascending: the a-th of them has the derivatives `first`.
  /// By default all.
  virtual std::vector<Index> covariance_parameters() const;
  /// Those that the mean depends on, ascending. By default none, where the mean is zero.
  virtual std::vector<Index> mean_parameters() const { return {}; }
  /// False where the model has no second derivatives: there is then no model exact.
  virtual bool second_derivatives() const { return true; }

  virtual void covariance(ConstVectorRef theta, const CovarianceBlock& out) const = 0;

  /// mu (observations() long) and, unless its data is null, d mu / d theta: observations() x the number of
  /// mean_parameters().
  virtual void mean(ConstVectorRef theta, VectorRef mu, MatrixRef jacobian) const;
  /// out_ij = sum_n weights_n d^2 mu_n / d theta_i d theta_j for the mean parameters, both triangles. Needed
  /// where there are mean parameters and second derivatives.
  virtual void mean_second(ConstVectorRef theta, ConstVectorRef weights, MatrixRef out) const;
};

/// The negative log-likelihood as a problem in the model's parameters.
///
/// A point where the covariance is not positive definite, or mean or covariance is not finite, is outside the
/// domain; the evaluation's fault names the parameters and the pivot.
class GaussianLikelihood final : public Problem {
 public:
  /// Throws Error where data are not as many as the model's observations, or not finite.
  GaussianLikelihood(std::shared_ptr<const GaussianModel> model, std::vector<double> data);
  ~GaussianLikelihood() override;
  GaussianLikelihood(GaussianLikelihood&&) noexcept;
  GaussianLikelihood& operator=(GaussianLikelihood&&) noexcept;

  /// On all parameters; infinite where there is none. Throws Error where one is not a number.
  void set_bounds(ConstVectorRef lower, ConstVectorRef upper);

  Index dimension() const override;
  Bounds bounds() const override;
  ModelSet models() const override;
  EvalStatus evaluate(const Request& request, Evaluation& evaluation) const override;
  std::string variable_name(Index i) const override;

  const GaussianModel& model() const;
  ConstVectorRef data() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// Three ways to the gradient of the negative log-likelihood, which agree to rounding; docs/likelihood.md
/// derives them.
enum class GradientRoute : std::uint8_t {
  contraction,   ///< f_i = 1/2 <K - a a', Sigma_i> - a'mu_i, as GaussianLikelihood computes it
  reverse_mode,  ///< adjoints backwards through L, L^-1 r and the sum; see cholesky_adjoint
  vectorisation  ///< 1/2 J'(vec K - (K x K) vec rr') - Jmu'K r with J = d vec Sigma / d theta, x Kronecker's
};
/// parameters() long. The last two are plain dense algebra for small N: N^2 parameters() doubles. Throws
/// Error where the likelihood cannot be evaluated at theta.
std::vector<double> likelihood_gradient(const GaussianModel& model, ConstVectorRef data, ConstVectorRef theta,
                                        GradientRoute route);

/// The adjoint of Sigma = L L': from L and the lower triangle of `adjoint`, d f / d L, the symmetric `out`
/// with df = <out, d Sigma> for all symmetric d Sigma (Murray 2016, eq. 10; Giles 2008, sec. 2). All N x N.
void cholesky_adjoint(ConstMatrixRef L, ConstMatrixRef adjoint, MatrixRef out);

/// d vec Sigma / d theta, observations()^2 x parameters(), columns of Sigma stacked, both triangles.
void covariance_jacobian(const GaussianModel& model, ConstVectorRef theta, MatrixRef out);

/// A model of P parameters from a functor, its derivatives by kappa's jets: for small P and cheap entries.
///
///   struct Walk {
///     template <class T>
///     T covariance(const T* theta, kappa::Index i, kappa::Index j) const;   // entry (i, j), i >= j
///     template <class T>
///     T mean(const T* theta, kappa::Index i) const;                         // optional; otherwise 0
///   };
///   auto model = kappa::gaussian_model<2>(Walk{}, observations);
template <int P, class F>
class FunctorGaussianModel final : public GaussianModel {
 public:
  FunctorGaussianModel(F functor, Index observations)
      : functor_(std::move(functor)), observations_(observations) {}

  Index observations() const override { return observations_; }
  Index parameters() const override { return P; }
  std::vector<Index> mean_parameters() const override {
    return has_mean ? covariance_parameters() : std::vector<Index>{};
  }

  void covariance(ConstVectorRef theta, const CovarianceBlock& out) const override {
    if (out.second != nullptr) {
      fill<HyperJet<double, P>>(theta, out);
    } else if (out.first != nullptr) {
      fill<Jet<double, P>>(theta, out);
    } else {
      fill<double>(theta, out);
    }
  }

  void mean(ConstVectorRef theta, VectorRef mu, MatrixRef jacobian) const override {
    if constexpr (has_mean) {
      const auto x = seeded<Jet<double, P>>(theta);
      for (Index n = 0; n < observations_; ++n) {
        const Jet<double, P> value = functor_.mean(x.data(), n);
        mu[static_cast<std::size_t>(n)] = value.a;
        for (int i = 0; jacobian.data != nullptr && i < P; ++i) {
          jacobian(n, i) = value.v[i];
        }
      }
    } else {
      GaussianModel::mean(theta, mu, jacobian);
    }
  }

  void mean_second(ConstVectorRef theta, ConstVectorRef weights, MatrixRef out) const override {
    if constexpr (has_mean) {
      const auto x = seeded<HyperJet<double, P>>(theta);
      HyperJet<double, P> sum(0.0);
      for (Index n = 0; n < observations_; ++n) {
        sum += functor_.mean(x.data(), n) * weights[static_cast<std::size_t>(n)];
      }
      for (int i = 0; i < P; ++i) {
        for (int j = 0; j < P; ++j) {
          out(i, j) = sum.hessian(i, j);
        }
      }
    } else {
      GaussianModel::mean_second(theta, weights, out);
    }
  }

 private:
  static constexpr bool has_mean = requires(const F& f, const double* x) { f.mean(x, Index{}); };

  template <class T>
  static std::array<T, P> seeded(ConstVectorRef theta) {
    std::array<T, P> x;
    for (int i = 0; i < P; ++i) {
      const double value = theta[static_cast<std::size_t>(i)];
      if constexpr (std::is_same_v<T, double>) {
        x[static_cast<std::size_t>(i)] = value;
      } else {
        x[static_cast<std::size_t>(i)] = T(value, i);
      }
    }
    return x;
  }

  template <class T>
  void fill(ConstVectorRef theta, const CovarianceBlock& out) const {
    const auto x = seeded<T>(theta);
    for (Index j = 0; j < out.columns; ++j) {
      for (Index i = 0; i < out.rows; ++i) {
        const Index at = i + j * out.rows;
        if (out.row + i < out.column + j) {
          store(T(0.0), at, out);
        } else {
          store(T(functor_.covariance(x.data(), out.row + i, out.column + j)), at, out);
        }
      }
    }
  }

  template <class T>
  static void store(const T& entry, Index at, const CovarianceBlock& out) {
    if constexpr (std::is_same_v<T, double>) {
      out.value[at] = entry;
    } else {
      if (out.value != nullptr) {
        out.value[at] = entry.a;
      }
      for (int k = 0; out.first != nullptr && k < P; ++k) {
        out.first[at + k * out.entries()] = entry.v[k];
      }
      if constexpr (std::is_same_v<T, HyperJet<double, P>>) {
        for (int k = 0; k < T::packed_size; ++k) {
          out.second[at + k * out.entries()] = entry.h[k];
        }
      }
    }
  }

  F functor_;
  Index observations_;
};

template <int P, class F>
std::shared_ptr<const GaussianModel> gaussian_model(F functor, Index observations) {
  return std::make_shared<const FunctorGaussianModel<P, F>>(std::move(functor), observations);
}

}  // namespace kappa
