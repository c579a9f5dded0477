// Gaussian-process regression: y = m(x) + g(x) + noise with g ~ GP(0, k), a GaussianModel whose parameters
// are the logarithms of the kernel's, that of the noise's variance, and the mean's.
//
//   using namespace kappa;
//   const Kernel k = kernels::variance() * kernels::matern52({1.0}) + kernels::variance() *
//   kernels::periodic(); auto model = std::make_shared<const GaussianProcess>(inputs, k, constant_mean());
//   const GaussianLikelihood problem(model, y);
//   const Result fit = minimize(problem, model->start(), newton());                           // exact
//   Hessian const Result same = minimize(problem, model->start(),                                     //
//   Fisher scoring
//       newton({.curvature = {"outer-product", {{"model", "fisher"}}}}));
//   const BlockCovariance errors(problem, fit.x, {.model = Model::fisher, .variance = 1});
//   const Prediction p = model->predict(fit.x, y, new_inputs);
//
// Kernels of inputs x and z, with D inputs and s = sum_d (x_d - z_d)^2 / l_d^2:
//
//   variance              v
//   squared_exponential   exp(-s / 2)
//   matern32              (1 + a) exp(-a),            a = sqrt(3 s)
//   matern52              (1 + a + a^2 / 3) exp(-a),  a = sqrt(5 s)
//   periodic              exp(-2 sin^2(pi (x_d - z_d) / period) / l^2)        of one input d
//
// and their sums and products. All but `variance` have variance 1. Every mention of a kernel has parameters
// of its own, in the order in which they are written.
//
// Reference: Rasmussen & Williams, Gaussian Processes for Machine Learning, 2006, eq. 4.9, 4.17 and 4.31 for
// the kernels, 2.25 and 2.26 for predictions, sec. 5.4.1 for the likelihood.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "kappa/gaussian_likelihood.h"

namespace kappa {

namespace detail {
class KernelNode;
}

/// A covariance function, a value.
class Kernel {
 public:
  explicit Kernel(std::shared_ptr<const detail::KernelNode> node);

  Index parameters() const;
  /// "log length of matern52", parameters() of them; those of one name are numbered: "log variance 2".
  std::vector<std::string> parameter_names() const;
  /// Logarithms of what the kernel was made with.
  std::vector<double> start() const;
  /// "variance * matern52 + variance * periodic".
  std::string text() const;
  /// k(x, z) of two points.
  double operator()(ConstVectorRef parameters, ConstVectorRef x, ConstVectorRef z) const;

  const detail::KernelNode& node() const { return *node_; }

  friend Kernel operator+(const Kernel& a, const Kernel& b);
  friend Kernel operator*(const Kernel& a, const Kernel& b);

 private:
  std::shared_ptr<const detail::KernelNode> node_;
};

namespace kernels {

/// Arguments are the values that a fit starts from; they must be positive.
Kernel variance(double start = 1);
/// One length scale for all inputs, or one for each.
Kernel squared_exponential(const std::vector<double>& lengths = {1.0});
Kernel matern32(const std::vector<double>& lengths = {1.0});
Kernel matern52(const std::vector<double>& lengths = {1.0});

struct Periodic {
  double length = 1;  ///< of the sine; the first parameter
  double period = 1;
  Index input = 0;
};
Kernel periodic(const Periodic& start = {});

}  // namespace kernels

/// A parametric mean m(x).
class MeanFunction {
 public:
  virtual ~MeanFunction() = default;
  virtual std::vector<double> start() const = 0;
  virtual std::string parameter_name(Index i) const = 0;
  /// m at each row of `inputs`, and unless its data is null the Jacobian by the parameters.
  virtual void evaluate(ConstVectorRef parameters, ConstMatrixRef inputs, VectorRef out,
                        MatrixRef jacobian) const = 0;
  /// out = sum_n weights_n m''(row n), both triangles.
  virtual void second(ConstVectorRef parameters, ConstMatrixRef inputs, ConstVectorRef weights,
                      MatrixRef out) const = 0;
};

/// m = c.
std::shared_ptr<const MeanFunction> constant_mean(double start = 0);
/// m = c + sum_d b_d x_d, from 0.
std::shared_ptr<const MeanFunction> linear_mean(Index inputs);

/// A mean of P parameters from a functor `template <class T> T operator()(const T* parameters,
/// std::span<const double> x) const`, differentiated by jets.
template <int P, class F>
class FunctorMean final : public MeanFunction {
 public:
  FunctorMean(F functor, const std::array<double, P>& start) : functor_(std::move(functor)), start_(start) {}

  std::vector<double> start() const override { return {start_.begin(), start_.end()}; }
  std::string parameter_name(Index i) const override { return "mean[" + std::to_string(i) + "]"; }

  void evaluate(ConstVectorRef parameters, ConstMatrixRef inputs, VectorRef out,
                MatrixRef jacobian) const override {
    each<Jet<double, P>>(parameters, inputs, [&](Index n, const Jet<double, P>& m) {
      out[static_cast<std::size_t>(n)] = m.a;
      for (int i = 0; jacobian.data != nullptr && i < P; ++i) {
        jacobian(n, i) = m.v[i];
      }
    });
  }
  void second(ConstVectorRef parameters, ConstMatrixRef inputs, ConstVectorRef weights,
              MatrixRef out) const override {
    HyperJet<double, P> sum(0.0);
    each<HyperJet<double, P>>(parameters, inputs, [&](Index n, const HyperJet<double, P>& m) {
      sum += m * weights[static_cast<std::size_t>(n)];
    });
    for (int i = 0; i < P; ++i) {
      for (int j = 0; j < P; ++j) {
        out(i, j) = sum.hessian(i, j);
      }
    }
  }

 private:
  template <class T, class Body>
  void each(ConstVectorRef parameters, ConstMatrixRef inputs, const Body& body) const {
    std::array<T, P> seeded;
    for (int i = 0; i < P; ++i) {
      seeded[static_cast<std::size_t>(i)] = T(parameters[static_cast<std::size_t>(i)], i);
    }
    static thread_local std::vector<double> x;
    x.resize(static_cast<std::size_t>(inputs.cols));
    for (Index n = 0; n < inputs.rows; ++n) {
      for (Index d = 0; d < inputs.cols; ++d) {
        x[static_cast<std::size_t>(d)] = inputs(n, d);
      }
      body(n, T(functor_(static_cast<const T*>(seeded.data()), std::span<const double>(x))));
    }
  }

  F functor_;
  std::array<double, P> start_;
};

template <int P, class F>
std::shared_ptr<const MeanFunction> mean_function(F functor, const std::array<double, P>& start) {
  return std::make_shared<const FunctorMean<P, F>>(std::move(functor), start);
}

struct GaussianProcessOptions {
  double noise = 0.1;  ///< variance of the observations about m + g: where a fit starts, or its fixed value
  enum class Noise : std::uint8_t { estimated, fixed } fit = Noise::estimated;
};

/// Mean and variances at new inputs, given parameters as if they were known.
struct Prediction {
  std::vector<double> mean;
  std::vector<double> variance;              ///< of m + g
  std::vector<double> observation_variance;  ///< with the noise
};

/// Parameters: the kernel's, the logarithm of the noise's variance unless it is fixed, the mean's.
class GaussianProcess final : public GaussianModel {
 public:
  /// `inputs` has a row for each observation and is copied. No mean: zero. Throws Error where an input is not
  /// finite, the kernel does not fit the inputs, or the noise is not positive (fixed: negative).
  GaussianProcess(ConstMatrixRef inputs, Kernel kernel, std::shared_ptr<const MeanFunction> mean = nullptr,
                  const GaussianProcessOptions& options = {});

  /// Where a fit starts.
  std::vector<double> start() const;
  const Kernel& kernel() const { return kernel_; }
  Index inputs() const { return columns_; }

  /// `at` has inputs() columns. Throws Error where the likelihood cannot be evaluated at theta.
  Prediction predict(ConstVectorRef theta, ConstVectorRef data, ConstMatrixRef at) const;

  /// Data drawn from the model at theta, m + g + noise; the same seed, the same data. Throws as predict does.
  std::vector<double> sample(ConstVectorRef theta, std::uint64_t seed) const;

  Index observations() const override { return rows_; }
  Index parameters() const override { return static_cast<Index>(names_.size()); }
  std::string parameter_name(Index i) const override { return names_[static_cast<std::size_t>(i)]; }
  std::vector<Index> covariance_parameters() const override;
  std::vector<Index> mean_parameters() const override;
  void covariance(ConstVectorRef theta, const CovarianceBlock& out) const override;
  void mean(ConstVectorRef theta, VectorRef mu, MatrixRef jacobian) const override;
  void mean_second(ConstVectorRef theta, ConstVectorRef weights, MatrixRef out) const override;

 private:
  bool noise_estimated() const { return options_.fit == GaussianProcessOptions::Noise::estimated; }
  Index noise_index() const { return kernel_.parameters(); }
  Index mean_begin() const { return kernel_.parameters() + (noise_estimated() ? 1 : 0); }
  double noise(ConstVectorRef theta) const;
  ConstMatrixRef points() const { return {points_.data(), rows_, columns_, rows_}; }

  Index rows_ = 0;
  Index columns_ = 0;
  std::vector<double> points_;
  Kernel kernel_;
  std::shared_ptr<const MeanFunction> mean_;
  GaussianProcessOptions options_;
  std::vector<std::string> names_;
};

}  // namespace kappa
