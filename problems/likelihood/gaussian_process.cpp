#include "kappa/gaussian_process.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "core/parallel.h"
#include "core/scratch.h"
#include "core/vector.h"
#include "kappa/random.h"
#include "problems/likelihood/gaussian_workspace.h"
#include "problems/likelihood/kernel_node.h"

namespace kappa {

namespace {

std::size_t at(Index i) {
  return static_cast<std::size_t>(i);
}

constexpr Index prediction_chunk = 16;  // new points that are predicted by one task

class ConstantMean final : public MeanFunction {
 public:
  explicit ConstantMean(double start) : start_(start) {}
  std::vector<double> start() const override { return {start_}; }
  std::string parameter_name(Index) const override { return "mean"; }
  void evaluate(ConstVectorRef parameters, ConstMatrixRef, VectorRef out, MatrixRef jacobian) const override {
    std::fill(out.begin(), out.end(), parameters[0]);
    if (jacobian.data != nullptr) {
      std::fill_n(jacobian.column(0), jacobian.rows, 1.0);
    }
  }
  void second(ConstVectorRef, ConstMatrixRef, ConstVectorRef, MatrixRef out) const override { out(0, 0) = 0; }

 private:
  double start_;
};

class LinearMean final : public MeanFunction {
 public:
  explicit LinearMean(Index inputs) : inputs_(inputs) {}
  std::vector<double> start() const override { return std::vector<double>(at(inputs_ + 1), 0.0); }
  std::string parameter_name(Index i) const override {
    return i == 0 ? "intercept" : "slope[" + std::to_string(i - 1) + "]";
  }
  void evaluate(ConstVectorRef parameters, ConstMatrixRef inputs, VectorRef out,
                MatrixRef jacobian) const override {
    expects(inputs.cols == inputs_, "linear_mean: it was made for another number of inputs");
    std::fill(out.begin(), out.end(), parameters[0]);
    for (Index d = 0; d < inputs_; ++d) {
      detail::add_scaled(parameters[at(d + 1)], inputs.column(d), out.data(), inputs.rows);
    }
    for (Index d = 0; jacobian.data != nullptr && d <= inputs_; ++d) {
      if (d == 0) {
        std::fill_n(jacobian.column(0), inputs.rows, 1.0);
      } else {
        std::copy_n(inputs.column(d - 1), inputs.rows, jacobian.column(d));
      }
    }
  }
  void second(ConstVectorRef, ConstMatrixRef, ConstVectorRef, MatrixRef out) const override {
    for (Index j = 0; j < out.cols; ++j) {
      std::fill_n(out.column(j), out.rows, 0.0);
    }
  }

 private:
  Index inputs_;
};

std::vector<Index> range(Index begin, Index end) {
  std::vector<Index> out(at(end - begin));
  std::iota(out.begin(), out.end(), begin);
  return out;
}

/// Throws Error for an input that is not finite.
std::vector<double> copy_of(ConstMatrixRef inputs) {
  std::vector<double> out;
  for (Index d = 0; d < inputs.cols; ++d) {
    for (Index n = 0; n < inputs.rows; ++n) {
      if (!std::isfinite(inputs(n, d))) {
        throw Error("GaussianProcess: input " + std::to_string(d) + " of observation " + std::to_string(n) +
                    " is not finite; leave that observation out");
      }
      out.push_back(inputs(n, d));
    }
  }
  return out;
}

}  // namespace

std::shared_ptr<const MeanFunction> constant_mean(double start) {
  return std::make_shared<const ConstantMean>(start);
}
std::shared_ptr<const MeanFunction> linear_mean(Index inputs) {
  return std::make_shared<const LinearMean>(inputs);
}

GaussianProcess::GaussianProcess(ConstMatrixRef inputs, Kernel kernel,
                                 std::shared_ptr<const MeanFunction> mean,
                                 const GaussianProcessOptions& options)
    : rows_(inputs.rows),
      columns_(inputs.cols),
      points_(copy_of(inputs)),
      kernel_(std::move(kernel)),
      mean_(std::move(mean)),
      options_(options),
      names_(kernel_.parameter_names()) {
  if (rows_ < 1 || columns_ < 1) {
    throw Error("GaussianProcess: the inputs are " + std::to_string(rows_) + " x " +
                std::to_string(columns_) +
                "; there must be a row for each observation and an input at least");
  }
  kernel_.node().check(columns_);
  if (!std::isfinite(options_.noise) || options_.noise < 0 || (options_.noise == 0 && noise_estimated())) {
    throw Error("GaussianProcess: the noise is " + std::to_string(options_.noise) +
                "; it is a variance and must be positive, or zero where it is fixed");
  }
  if (noise_estimated()) {
    names_.emplace_back("log noise");
  }
  for (std::size_t i = 0; mean_ != nullptr && i < mean_->start().size(); ++i) {
    names_.push_back(mean_->parameter_name(static_cast<Index>(i)));
  }
}

std::vector<double> GaussianProcess::start() const {
  std::vector<double> out = kernel_.start();
  if (noise_estimated()) {
    out.push_back(std::log(options_.noise));
  }
  if (mean_ != nullptr) {
    const std::vector<double> more = mean_->start();
    out.insert(out.end(), more.begin(), more.end());
  }
  return out;
}

std::vector<Index> GaussianProcess::covariance_parameters() const {
  return range(0, mean_begin());
}
std::vector<Index> GaussianProcess::mean_parameters() const {
  return range(mean_begin(), parameters());
}

double GaussianProcess::noise(ConstVectorRef theta) const {
  return noise_estimated() ? std::exp(theta[at(noise_index())]) : options_.noise;
}

void GaussianProcess::covariance(ConstVectorRef theta, const CovarianceBlock& out) const {
  const Index m = out.entries();
  detail::Scratch<double> unwanted(out.value == nullptr ? m : 0);
  double* value = out.value == nullptr ? unwanted.data() : out.value;
  kernel_.node().fill(theta.data(),
                      {.row_points = points_.data() + out.row,
                       .row_stride = rows_,
                       .rows = out.rows,
                       .column_points = points_.data() + out.column,
                       .column_stride = rows_,
                       .columns = out.columns,
                       .inputs = columns_},
                      {.value = value, .firsts = out.first, .seconds = out.second, .entries = m});
  // The noise is on the diagonal only, and so are its derivatives, which are the noise itself.
  const Index k = noise_index();
  double* first = out.first != nullptr && noise_estimated() ? out.first + k * m : nullptr;
  double* second = out.second != nullptr && noise_estimated() ? out.second + k * (k + 1) / 2 * m : nullptr;
  if (first != nullptr) {
    std::fill_n(first, m, 0.0);
  }
  if (second != nullptr) {
    std::fill_n(second, (k + 1) * m, 0.0);
  }
  const double variance = noise(theta);
  const Index end = std::min(out.row + out.rows, out.column + out.columns);
  for (Index n = std::max(out.row, out.column); n < end; ++n) {
    const Index entry = (n - out.row) + (n - out.column) * out.rows;
    value[entry] += variance;
    if (first != nullptr) {
      first[entry] = variance;
    }
    if (second != nullptr) {
      second[k * m + entry] = variance;
    }
  }
}

void GaussianProcess::mean(ConstVectorRef theta, VectorRef mu, MatrixRef jacobian) const {
  if (mean_ == nullptr) {
    std::fill(mu.begin(), mu.end(), 0.0);
  } else {
    mean_->evaluate(theta.subspan(at(mean_begin())), points(), mu, jacobian);
  }
}

void GaussianProcess::mean_second(ConstVectorRef theta, ConstVectorRef weights, MatrixRef out) const {
  if (mean_ != nullptr) {
    mean_->second(theta.subspan(at(mean_begin())), points(), weights, out);
  }
}

Prediction GaussianProcess::predict(ConstVectorRef theta, ConstVectorRef data, ConstMatrixRef to) const {
  expects(static_cast<Index>(theta.size()) == parameters() && static_cast<Index>(data.size()) == rows_ &&
              to.cols == columns_,
          "GaussianProcess::predict: theta is parameters() long, data observations(), and new points have "
          "inputs() columns");
  detail::GaussianWorkspace workspace(*this, data);
  std::string fault;
  if (workspace.factor(theta, nullptr, fault) != EvalStatus::ok) {
    throw Error("GaussianProcess::predict: " + fault);
  }
  workspace.solve();
  const std::vector<double> points = copy_of(to);
  Prediction out;
  out.mean.assign(at(to.rows), 0.0);
  out.variance.resize(at(to.rows));
  if (mean_ != nullptr) {
    mean_->evaluate(theta.subspan(at(mean_begin())), {points.data(), to.rows, columns_, to.rows}, out.mean,
                    {});
  }
  const detail::Partition chunks{to.rows, prediction_chunk};
  const double work = static_cast<double>(rows_) * static_cast<double>(rows_) * static_cast<double>(to.rows);
  detail::for_each_chunk(chunks.chunks(), work, [&](Index c) {
    detail::Scratch<double> column(rows_);
    for (Index n = chunks.begin(c); n < chunks.end(c); ++n) {
      const double* point = points.data() + n;
      kernel_.node().fill(theta.data(), {points_.data(), rows_, rows_, point, to.rows, 1, columns_},
                          {.value = column.data(), .entries = rows_});
      double prior = 0;
      kernel_.node().fill(theta.data(), {point, to.rows, 1, point, to.rows, 1, columns_},
                          {.value = &prior, .entries = 1});
      out.mean[at(n)] += detail::dot(column.data(), workspace.alpha().data(), rows_);
      workspace.covariance().solve_lower({column.data(), at(rows_)});
      out.variance[at(n)] = std::fmax(0.0, prior - detail::dot(column.data(), column.data(), rows_));
    }
  });
  for (const double variance : out.variance) {
    out.observation_variance.push_back(variance + noise(theta));
  }
  return out;
}

std::vector<double> GaussianProcess::sample(ConstVectorRef theta, std::uint64_t seed) const {
  expects(static_cast<Index>(theta.size()) == parameters(),
          "GaussianProcess::sample: theta is not parameters() long");
  const std::vector<double> zero(at(rows_), 0.0);
  detail::GaussianWorkspace workspace(*this, zero);
  std::string fault;
  if (workspace.factor(theta, nullptr, fault) != EvalStatus::ok) {
    throw Error("GaussianProcess::sample: " + fault);
  }
  const CounterRandom random(seed);
  std::vector<double> normal(at(rows_));
  for (std::size_t i = 0; i < normal.size(); ++i) {
    normal[i] = random.normal(i);
  }
  std::vector<double> out(at(rows_));
  mean(theta, out, {});
  const detail::SliverRef L = workspace.covariance().lower();
  for (Index i = 0; i < rows_; ++i) {
    for (Index j = 0; j <= i; ++j) {
      out[at(i)] += L(i, j) * normal[at(j)];
    }
  }
  return out;
}

}  // namespace kappa
