// The kernels of gaussian_process.h with their derivatives by the logarithms of their parameters.
//
// A stationary kernel is g(s) with s = sum of s_d, s_d = (x_d - z_d)^2 exp(-2 theta_d) over the inputs of
// length scale d:
//
//   k_d = -2 g' s_d,     k_de = 4 g'' s_d s_e + 4 g' s_d [d = e]
//
// The periodic one is exp(-q), q = 2 sin^2(u) exp(-2 lambda), u = pi (x - z) exp(-rho):
//
//   k_i = -k q_i,        k_ij = k (q_i q_j - q_ij)
//
// Loops over pairs are without branches and use no function of the standard library but sqrt, so that they
// are compiled for wide vectors; the bits are the same for each of them.
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <memory>
#include <numbers>
#include <utility>

#include "core/scratch.h"
#include "core/wide_vectors.h"
#include "kappa/gaussian_process.h"
#include "problems/likelihood/kernel_node.h"

namespace kappa {

namespace detail {

namespace {

/// exp(x) for x <= 0 to about one unit in the last place; 0 below -708.
[[gnu::always_inline]] inline double exponential(double x) {
  constexpr double round = 0x1.8p52;  // adding it leaves an integer in the last bits
  const double bounded = x < -708.0 ? -708.0 : x;
  const double shifted = bounded * std::numbers::log2e + round;
  const double n = shifted - round;
  const double r = (bounded - n * 0x1.62e42fefa38p-1) - n * 0x1.ef35793c7673p-45;  // ln 2 in two parts
  // Taylor, |r| <= ln(2) / 2: the next term is below 5e-18.
  double p = 1.0 / 6227020800.0;
  p = p * r + 1.0 / 479001600.0;
  p = p * r + 1.0 / 39916800.0;
  p = p * r + 1.0 / 3628800.0;
  p = p * r + 1.0 / 362880.0;
  p = p * r + 1.0 / 40320.0;
  p = p * r + 1.0 / 5040.0;
  p = p * r + 1.0 / 720.0;
  p = p * r + 1.0 / 120.0;
  p = p * r + 1.0 / 24.0;
  p = p * r + 1.0 / 6.0;
  p = p * r + 0.5;
  p = (p * r) * r + r;
  const std::uint64_t power = (std::bit_cast<std::uint64_t>(shifted) << 52) + (std::uint64_t{1023} << 52);
  return x < -708.0 ? 0.0 : (p + 1.0) * std::bit_cast<double>(power);
}

/// sin(pi t) and cos(pi t) for |t| <= 1/2, by Taylor's series in (pi t)^2.
[[gnu::always_inline]] inline double sine(double v, double v2) {
  double p = -1.0 / 25852016738884976640000.0;
  p = p * v2 + 1.0 / 51090942171709440000.0;
  p = p * v2 - 1.0 / 121645100408832000.0;
  p = p * v2 + 1.0 / 355687428096000.0;
  p = p * v2 - 1.0 / 1307674368000.0;
  p = p * v2 + 1.0 / 6227020800.0;
  p = p * v2 - 1.0 / 39916800.0;
  p = p * v2 + 1.0 / 362880.0;
  p = p * v2 - 1.0 / 5040.0;
  p = p * v2 + 1.0 / 120.0;
  p = p * v2 - 1.0 / 6.0;
  return v + v * (p * v2);
}
[[gnu::always_inline]] inline double cosine(double v2) {
  double p = 1.0 / 620448401733239439360000.0;
  p = p * v2 - 1.0 / 1124000727777607680000.0;
  p = p * v2 + 1.0 / 2432902008176640000.0;
  p = p * v2 - 1.0 / 6402373705728000.0;
  p = p * v2 + 1.0 / 20922789888000.0;
  p = p * v2 - 1.0 / 87178291200.0;
  p = p * v2 + 1.0 / 479001600.0;
  p = p * v2 - 1.0 / 3628800.0;
  p = p * v2 + 1.0 / 40320.0;
  p = p * v2 - 1.0 / 720.0;
  p = p * v2 + 1.0 / 24.0;
  p = p * v2 - 0.5;
  return 1.0 + p * v2;
}

/// out += factor (x - z)^2 of coordinate d.
KAPPA_WIDE_VECTORS void add_squares(const PointPairs& pairs, Index d, double factor, double* out) {
  const double* x = pairs.row_points + d * pairs.row_stride;
  const double* z = pairs.column_points + d * pairs.column_stride;
  for (Index j = 0; j < pairs.columns; ++j) {
    double* to = out + j * pairs.rows;
    const double zj = z[j];
    for (Index i = 0; i < pairs.rows; ++i) {
      const double difference = x[i] - zj;
      to[i] += factor * (difference * difference);
    }
  }
}

KAPPA_WIDE_VECTORS void add(Index m, const double* a, double* out) {
  for (Index i = 0; i < m; ++i) {
    out[i] += a[i];
  }
}
KAPPA_WIDE_VECTORS void scale(Index m, const double* a, double* out) {
  for (Index i = 0; i < m; ++i) {
    out[i] *= a[i];
  }
}
KAPPA_WIDE_VECTORS void multiply(Index m, const double* a, const double* b, double* out) {
  for (Index i = 0; i < m; ++i) {
    out[i] = a[i] * b[i];
  }
}
/// out = d2 s t - 2 d1 s [same].
KAPPA_WIDE_VECTORS void second_of_lengths(Index m, const double* d1, const double* d2, const double* s,
                                          const double* t, double same, double* out) {
  for (Index i = 0; i < m; ++i) {
    out[i] = s[i] * (d2[i] * t[i] - (2 * same) * d1[i]);
  }
}

/// From s in `value`: g in its place, -2 g' and 4 g''.
using Shape = void (*)(Index m, double* value, double* d1, double* d2);

KAPPA_WIDE_VECTORS void squared_exponential_shape(Index m, double* value, double* d1, double* d2) {
  for (Index i = 0; i < m; ++i) {
    const double g = exponential(-0.5 * value[i]);
    value[i] = g;
    d1[i] = g;
    d2[i] = g;
  }
}
KAPPA_WIDE_VECTORS void matern32_shape(Index m, double* value, double* d1, double* d2) {
  for (Index i = 0; i < m; ++i) {
    const double a = std::sqrt(3 * value[i]);
    const double e = exponential(-a);
    value[i] = (1 + a) * e;
    d1[i] = 3 * e;
    d2[i] = 9 * e / (a > 1e-150 ? a : 1e-150);  // times s_d s_e, which vanish faster
  }
}
KAPPA_WIDE_VECTORS void matern52_shape(Index m, double* value, double* d1, double* d2) {
  for (Index i = 0; i < m; ++i) {
    const double a = std::sqrt(5 * value[i]);
    const double e = exponential(-a);
    value[i] = (1 + a + a * a * (1.0 / 3)) * e;
    d1[i] = (5.0 / 3) * (1 + a) * e;
    d2[i] = (25.0 / 3) * e;
  }
}

void fill(Index m, double value, double* out) {
  std::fill_n(out, m, value);
}

double positive(const char* kernel, const char* what, double v) {
  if (!(v > 0) || v == infinity) {
    throw Error(std::string("kernel ") + kernel + ": the " + what + " to start from is " + std::to_string(v) +
                "; it must be positive");
  }
  return std::log(v);
}

class VarianceNode final : public KernelNode {
 public:
  explicit VarianceNode(double start) : start_(positive("variance", "variance", start)) {}
  std::vector<std::string> names() const override { return {"log variance"}; }
  std::vector<double> start() const override { return {start_}; }
  Index parameters() const override { return 1; }
  std::string text() const override { return "variance"; }
  void check(Index) const override {}
  void fill(const double* theta, const PointPairs&, const KernelArrays& out) const override {
    const double v = std::exp(theta[0]);
    detail::fill(out.entries, v, out.value);
    if (out.firsts != nullptr) {
      detail::fill(out.entries, v, out.first(0));
    }
    if (out.seconds != nullptr) {
      detail::fill(out.entries, v, out.second(0, 0));
    }
  }

 private:
  double start_;
};

class StationaryNode final : public KernelNode {
 public:
  StationaryNode(const char* name, Shape shape, const std::vector<double>& lengths)
      : name_(name), shape_(shape) {
    if (lengths.empty()) {
      throw Error(std::string("kernel ") + name +
                  ": there is no length scale; give one, or one for each input");
    }
    for (const double length : lengths) {
      start_.push_back(positive(name, "length scale", length));
    }
  }

  std::vector<std::string> names() const override {
    std::vector<std::string> out;
    for (std::size_t d = 0; d < start_.size(); ++d) {
      out.push_back(std::string("log length of ") + name_ +
                    (start_.size() > 1 ? "[" + std::to_string(d) + "]" : ""));
    }
    return out;
  }
  std::vector<double> start() const override { return start_; }
  Index parameters() const override { return static_cast<Index>(start_.size()); }
  std::string text() const override { return name_; }
  void check(Index inputs) const override {
    if (parameters() != 1 && parameters() != inputs) {
      throw Error(std::string("kernel ") + name_ + " has " + std::to_string(parameters()) +
                  " length scales for points with " + std::to_string(inputs) +
                  " inputs; give one, or one for each input");
    }
  }

  void fill(const double* theta, const PointPairs& pairs, const KernelArrays& out) const override {
    const Index m = out.entries;
    const Index scales = parameters();
    const bool keep = out.firsts != nullptr;
    Scratch<double> memory(3 * m);
    double* d1 = memory.data();
    double* d2 = d1 + m;
    double* own = d2 + m;
    detail::fill(m, 0.0, out.value);
    for (Index k = 0; k < scales; ++k) {
      double* squares = keep ? out.first(k) : own;
      detail::fill(m, 0.0, squares);
      const double factor = std::exp(-2 * theta[k]);
      for (Index d = scales == 1 ? 0 : k; d < (scales == 1 ? pairs.inputs : k + 1); ++d) {
        add_squares(pairs, d, factor, squares);
      }
      add(m, squares, out.value);
    }
    shape_(m, out.value, d1, d2);
    for (Index a = 0; out.seconds != nullptr && a < scales; ++a) {
      for (Index b = 0; b <= a; ++b) {
        second_of_lengths(m, d1, d2, out.first(a), out.first(b), a == b ? 1 : 0, out.second(a, b));
      }
    }
    for (Index a = 0; keep && a < scales; ++a) {
      scale(m, d1, out.first(a));
    }
  }

 private:
  const char* name_;
  Shape shape_;
  std::vector<double> start_;
};

/// Value, and derivatives where their arrays are not null: by lambda (0) and rho (1).
struct PeriodicArrays {
  double* value;
  double* first[2];
  double* second[3];  ///< (0, 0), (1, 0), (1, 1)
};

KAPPA_WIDE_VECTORS void fill_periodic(const PointPairs& pairs, Index d, double scale2, double frequency,
                                      const PeriodicArrays& out) {
  constexpr double round = 0x1.8p52;
  const double* x = pairs.row_points + d * pairs.row_stride;
  const double* z = pairs.column_points + d * pairs.column_stride;
  for (Index j = 0; j < pairs.columns; ++j) {
    const double zj = z[j];
    const Index at = j * pairs.rows;
    for (Index i = 0; i < pairs.rows; ++i) {
      const double t = (x[i] - zj) * frequency;
      const double v = (t - ((t + round) - round)) * std::numbers::pi;
      const double s = sine(v, v * v);
      out.value[at + i] = exponential(-scale2 * (s * s));
    }
  }
}

KAPPA_WIDE_VECTORS void fill_periodic_derivatives(const PointPairs& pairs, Index d, double scale2,
                                                  double frequency, const PeriodicArrays& out) {
  constexpr double round = 0x1.8p52;
  const double* x = pairs.row_points + d * pairs.row_stride;
  const double* z = pairs.column_points + d * pairs.column_stride;
  for (Index j = 0; j < pairs.columns; ++j) {
    const double zj = z[j];
    const Index at = j * pairs.rows;
    for (Index i = 0; i < pairs.rows; ++i) {
      const double t = (x[i] - zj) * frequency;
      const double u = t * std::numbers::pi;
      const double v = (t - ((t + round) - round)) * std::numbers::pi;
      const double s = sine(v, v * v);
      const double c = cosine(v * v);
      const double q = scale2 * (s * s);
      const double q_rho = -scale2 * (u * (2 * s * c));
      const double q_rho_rho = scale2 * (2 * (u * u) * (1 - 2 * (s * s))) - q_rho;
      const double k = out.value[at + i];
      out.first[0][at + i] = 2 * k * q;
      out.first[1][at + i] = -k * q_rho;
      out.second[0][at + i] = 4 * k * q * (q - 1);
      out.second[1][at + i] = 2 * k * q_rho * (1 - q);
      out.second[2][at + i] = k * (q_rho * q_rho - q_rho_rho);
    }
  }
}

class PeriodicNode final : public KernelNode {
 public:
  explicit PeriodicNode(const kernels::Periodic& start)
      : length_(positive("periodic", "length", start.length)),
        period_(positive("periodic", "period", start.period)),
        input_(start.input) {}

  std::vector<std::string> names() const override { return {"log length of periodic", "log period"}; }
  std::vector<double> start() const override { return {length_, period_}; }
  Index parameters() const override { return 2; }
  std::string text() const override { return "periodic"; }
  void check(Index inputs) const override {
    if (input_ < 0 || input_ >= inputs) {
      throw Error("kernel periodic is of input " + std::to_string(input_) + ", but points have " +
                  std::to_string(inputs) + "; inputs are counted from 0");
    }
  }
  void fill(const double* theta, const PointPairs& pairs, const KernelArrays& out) const override {
    const Index m = out.entries;
    const double scale2 = 2 * std::exp(-2 * theta[0]);
    const double frequency = std::exp(-theta[1]);
    PeriodicArrays arrays = {out.value, {}, {}};
    fill_periodic(pairs, input_, scale2, frequency, arrays);
    if (out.firsts == nullptr) {
      return;
    }
    Scratch<double> unwanted(out.seconds == nullptr ? 3 * m : 0);
    arrays.first[0] = out.first(0);
    arrays.first[1] = out.first(1);
    for (Index k = 0; k < 3; ++k) {
      arrays.second[k] = out.seconds == nullptr ? unwanted.data() + k * m : out.second((k + 1) / 2, k / 2);
    }
    fill_periodic_derivatives(pairs, input_, scale2, frequency, arrays);
  }

 private:
  double length_;
  double period_;
  Index input_;
};

class PairNode : public KernelNode {
 public:
  PairNode(Kernel a, Kernel b) : a_(std::move(a)), b_(std::move(b)) {}

  std::vector<std::string> names() const override {
    auto out = a_.node().names();
    const auto more = b_.node().names();
    out.insert(out.end(), more.begin(), more.end());
    return out;
  }
  std::vector<double> start() const override {
    auto out = a_.node().start();
    const auto more = b_.node().start();
    out.insert(out.end(), more.begin(), more.end());
    return out;
  }
  Index parameters() const override { return left() + right(); }
  void check(Index inputs) const override {
    a_.node().check(inputs);
    b_.node().check(inputs);
  }

 protected:
  Index left() const { return a_.node().parameters(); }
  Index right() const { return b_.node().parameters(); }
  /// Both parts' derivatives in their own places; the second's value is in `other`.
  void fill_parts(const double* theta, const PointPairs& pairs, const KernelArrays& out,
                  double* other) const {
    a_.node().fill(theta, pairs, out);
    KernelArrays second = out.from(left());
    second.value = other;
    b_.node().fill(theta + left(), pairs, second);
  }

  Kernel a_, b_;
};

class SumNode final : public PairNode {
 public:
  using PairNode::PairNode;
  std::string text() const override { return a_.text() + " + " + b_.text(); }
  void fill(const double* theta, const PointPairs& pairs, const KernelArrays& out) const override {
    Scratch<double> other(out.entries);
    fill_parts(theta, pairs, out, other.data());
    add(out.entries, other.data(), out.value);
    for (Index b = 0; out.seconds != nullptr && b < right(); ++b) {
      for (Index a = 0; a < left(); ++a) {
        detail::fill(out.entries, 0.0, out.second(left() + b, a));
      }
    }
  }
};

class ProductNode final : public PairNode {
 public:
  using PairNode::PairNode;
  std::string text() const override { return factor(a_) + " * " + factor(b_); }
  void fill(const double* theta, const PointPairs& pairs, const KernelArrays& out) const override {
    const Index m = out.entries;
    Scratch<double> other(m);
    fill_parts(theta, pairs, out, other.data());
    const Index all = left() + right();
    for (Index a = 0; out.seconds != nullptr && a < all; ++a) {
      for (Index b = 0; b <= a; ++b) {
        if (a >= left() && b < left()) {
          multiply(m, out.first(a), out.first(b), out.second(a, b));
        } else {
          scale(m, a < left() ? other.data() : out.value, out.second(a, b));
        }
      }
    }
    for (Index a = 0; out.firsts != nullptr && a < all; ++a) {
      scale(m, a < left() ? other.data() : out.value, out.first(a));
    }
    scale(m, other.data(), out.value);
  }

 private:
  static std::string factor(const Kernel& k) {
    return dynamic_cast<const SumNode*>(&k.node()) != nullptr ? "(" + k.text() + ")" : k.text();
  }
};

}  // namespace

}  // namespace detail

Kernel::Kernel(std::shared_ptr<const detail::KernelNode> node) : node_(std::move(node)) {
  expects(node_ != nullptr, "Kernel: the node is null");
}

Index Kernel::parameters() const {
  return node_->parameters();
}

std::vector<std::string> Kernel::parameter_names() const {
  const std::vector<std::string> plain = node_->names();
  std::vector<std::string> out = plain;
  for (std::size_t i = 0; i < plain.size(); ++i) {
    const auto before = std::count(plain.begin(), plain.begin() + static_cast<Index>(i), plain[i]);
    if (before > 0) {
      out[i] += " " + std::to_string(before + 1);
    }
  }
  return out;
}

std::vector<double> Kernel::start() const {
  return node_->start();
}

std::string Kernel::text() const {
  return node_->text();
}

double Kernel::operator()(ConstVectorRef parameters, ConstVectorRef x, ConstVectorRef z) const {
  expects(static_cast<Index>(parameters.size()) == node_->parameters() && x.size() == z.size(),
          "Kernel: it takes parameters() parameters and two points of one size");
  const auto inputs = static_cast<Index>(x.size());
  node_->check(inputs);
  double out = 0;
  node_->fill(parameters.data(), {x.data(), 1, 1, z.data(), 1, 1, inputs}, {.value = &out, .entries = 1});
  return out;
}

Kernel operator+(const Kernel& a, const Kernel& b) {
  return Kernel(std::make_shared<const detail::SumNode>(a, b));
}
Kernel operator*(const Kernel& a, const Kernel& b) {
  return Kernel(std::make_shared<const detail::ProductNode>(a, b));
}

namespace kernels {

Kernel variance(double start) {
  return Kernel(std::make_shared<const detail::VarianceNode>(start));
}
Kernel squared_exponential(const std::vector<double>& lengths) {
  return Kernel(std::make_shared<const detail::StationaryNode>("squared_exponential",
                                                               detail::squared_exponential_shape, lengths));
}
Kernel matern32(const std::vector<double>& lengths) {
  return Kernel(std::make_shared<const detail::StationaryNode>("matern32", detail::matern32_shape, lengths));
}
Kernel matern52(const std::vector<double>& lengths) {
  return Kernel(std::make_shared<const detail::StationaryNode>("matern52", detail::matern52_shape, lengths));
}
Kernel periodic(const Periodic& start) {
  return Kernel(std::make_shared<const detail::PeriodicNode>(start));
}

}  // namespace kernels

}  // namespace kappa
