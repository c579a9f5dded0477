// Plugin structured-secant: curvature nl2sol-secant, B = J'J + A, where A learns from step to step what
// Gauss-Newton leaves out. For least squares whose residuals stay large at the solution, where Gauss-Newton
// converges slowly and second derivatives are not to be had.
//
// With the step s from x to x+, y = g+ - g and
//
//   y# = J+'r+ - J'r+                        g+ less the cross gradient J'r+ of the point before
//   A  <- tau A,  tau = min(1, |s'y#| / |s'A s|)                                    (sizing)
//   w  = y# - A s
//   A+ = A + (w y' + y w') / y's - (s'w) y y' / (y's)^2
//
// so that A+ s = y#. Like NL2SOL it starts as Gauss-Newton and takes A in, or leaves it out, by which model
// foretold the last decrease better: the other one takes over where `margin` times its error is less than
// that of the one in use. Option switch=false has A in always.
//
// The plugin is the twin of two built-in curvatures, model-switch and (switch=false) structured-secant, and
// takes their steps: what it costs to be a plugin is measured with them.
//
// Cost: that of the Gauss-Newton matrix, 8 n^2 flops a point; memory n^2 + 4 n.
//
// References: Dennis, Gay & Welsch, ACM TOMS 7 (1981) 348, sec. 3; Nocedal & Wright 2006, eqs. 10.36
// to 10.38.
#include <algorithm>
#include <cmath>
#include <optional>

#include "kappa/plugin.hpp"

namespace {

namespace plugin = kappa::plugin;
using plugin::Model;
using plugin::Option;
using plugin::Output;
using plugin::Point;
using plugin::Vector;

constexpr double least_cosine = 1e-6;  // between y and s; below it the update divides by what may be rounding

/// Eight interleaved sums: the order in which kappa's own dot product adds.
double dot(Vector a, Vector b) {
  double s[8] = {0, 0, 0, 0, 0, 0, 0, 0};
  std::size_t i = 0;
  for (; i + 8 <= a.size(); i += 8) {
    for (std::size_t k = 0; k < 8; ++k) {
      s[k] += a[i + k] * b[i + k];
    }
  }
  double rest = 0;
  for (; i < a.size(); ++i) {
    rest += a[i] * b[i];
  }
  return (((s[0] + s[4]) + (s[2] + s[6])) + ((s[1] + s[5]) + (s[3] + s[7]))) + rest;
}

class Nl2solSecant {
 public:
  static constexpr Option options[] = {
      {"switch", true, "Dennis, Gay & Welsch 1981, sec. 5", "whether A may be left out: true or false"},
      {"margin", 1.5, "a convention",
       "another model takes over where this times its error is less than that of the model in use"},
      {"dense_limit", 2000, "32 MB for A", "the largest number of variables, since A is a dense matrix"}};

  explicit Nl2solSecant(const plugin::Options& given)
      : switches_(given.flag("switch")),
        margin_(given.number("margin")),
        dense_limit_(given.integer("dense_limit")) {
    if (!(margin_ >= 1 && std::isfinite(margin_))) {
      throw plugin::Failure(KAPPA_WRONG_OPTION, "option 'margin' must be a number of at least 1");
    }
    if (dense_limit_ < 1) {
      throw plugin::Failure(KAPPA_WRONG_OPTION, "option 'dense_limit' must be at least 1");
    }
  }

  plugin::Needs needs() const { return {.models = plugin::models(Model::gauss_newton), .previous = true}; }
  void start() {
    A_.clear();
    with_A_ = !switches_;
  }

  void refresh(const Point& now, const Point* before, Vector step) {
    const std::size_t n = now.size();
    if (n > static_cast<std::size_t>(dense_limit_)) {
      throw plugin::Failure(KAPPA_UNFIT, "keeps a dense matrix, and " + std::to_string(n) +
                                             " variables are above its option dense_limit; use curvature "
                                             "outer-product, or exact where the problem offers it");
    }
    if (A_.size() != n * n) {
      A_.assign(n * n, 0.0);
      y_.resize(n);
      sharp_.resize(n);
      w_.resize(n);
    }
    if (before != nullptr && before->sample() == now.sample()) {
      if (switches_) {
        compare(now, *before, step);
      }
      learn(now, *before, step);
    }
    now_.emplace(now);
  }

  void multiply(Vector v, Output out) const {
    now_->product(Model::gauss_newton, v, out);
    if (with_A_) {
      add_product(v, out);
    }
  }
  bool diagonal(Output out) const {
    if (!now_->diagonal(Model::gauss_newton, out)) {
      return false;
    }
    for (std::size_t i = 0; with_A_ && i < out.size(); ++i) {
      out[i] += A_[i + i * out.size()];
    }
    return true;
  }
  bool dense(double* out, std::size_t stride) const {
    const kappa_point& point = now_->table();
    const std::size_t n = now_->size();
    if (point.dense(point.self, KAPPA_MODEL_GAUSS_NEWTON, out, static_cast<std::int64_t>(stride)) !=
        KAPPA_OK) {
      return false;
    }
    for (std::size_t j = 0; with_A_ && j < n; ++j) {
      for (std::size_t i = 0; i < n; ++i) {
        out[i + j * stride] += A_[i + j * n];
      }
    }
    return true;
  }

 private:
  /// Each model's error at the step that was just taken; A is still that of the point it began at.
  void compare(const Point& now, const Point& before, Vector s) {
    const double actual = before.value() - now.value();
    const double slope = dot(before.gradient(), s);
    const auto error = [&](double quadratic) { return std::fabs(-(slope + 0.5 * quadratic) - actual); };
    before.product(Model::gauss_newton, s, w_);
    const double outer = dot(s, w_);
    std::fill(w_.begin(), w_.end(), 0.0);
    add_product(s, w_);
    const double without = error(outer);
    const double with = error(outer + dot(s, w_));
    const double used = with_A_ ? with : without;
    const double noise = 10 * 2.220446049250313e-16 * std::fabs(before.value());
    if (used > noise && margin_ * std::min(with, without) < used) {
      with_A_ = with < without;
    }
  }

  void learn(const Point& now, const Point& before, Vector s) {
    const Vector g = now.gradient();
    for (std::size_t i = 0; i < y_.size(); ++i) {
      y_[i] = g[i] - before.gradient()[i];
    }
    if (before.cross_gradient(now, sharp_)) {
      for (std::size_t i = 0; i < y_.size(); ++i) {
        sharp_[i] = g[i] - sharp_[i];
      }
    } else {  // (J'J)+ s in place of J'J between the points
      now.product(Model::gauss_newton, s, sharp_);
      for (std::size_t i = 0; i < y_.size(); ++i) {
        sharp_[i] = y_[i] - sharp_[i];
      }
    }
    const double ys = dot(y_, s);
    if (std::isfinite(dot(sharp_, sharp_)) &&
        ys > least_cosine * std::sqrt(dot(y_, y_)) * std::sqrt(dot(s, s))) {
      update(s, ys);
    }
  }

  void update(Vector s, double ys) {
    const std::size_t n = s.size();
    std::fill(w_.begin(), w_.end(), 0.0);
    add_product(s, w_);
    const double along = std::fabs(dot(s, w_));
    const double wanted = std::fabs(dot(s, sharp_));
    const double tau = wanted < along ? wanted / along : 1.0;
    for (std::size_t i = 0; i < n; ++i) {
      w_[i] = sharp_[i] - tau * w_[i];
    }
    const double square = dot(s, w_) / ys;
    for (std::size_t j = 0; j < n; ++j) {
      const double yj = y_[j] / ys;
      const double wj = w_[j] / ys;
      double* column = A_.data() + j * n;
      for (std::size_t i = 0; i <= j; ++i) {
        const double value = tau * column[i] + w_[i] * yj + y_[i] * wj - square * y_[i] * yj;
        column[i] = value;
        A_[j + i * n] = value;
      }
    }
  }

  void add_product(Vector v, Output out) const {
    const std::size_t n = v.size();
    for (std::size_t j = 0; j < n; ++j) {
      const double* column = A_.data() + j * n;
      for (std::size_t i = 0; i < n; ++i) {
        out[i] += column[i] * v[j];
      }
    }
  }

  bool switches_;
  double margin_;
  std::int64_t dense_limit_;
  bool with_A_ = false;
  std::vector<double> A_;  ///< n x n, both triangles
  std::vector<double> y_, sharp_, w_;
  std::optional<Point> now_;
};

}  // namespace

KAPPA_PLUGIN("structured-secant", "1.0",
             plugin::curvature<Nl2solSecant>(
                 "nl2sol-secant",
                 "Gauss-Newton plus a secant estimate of what it leaves out; for large residuals.",
                 "Dennis, Gay & Welsch 1981, sec. 3"))
