// What all manifolds share: checked calls, differences where a manifold has no derivatives of its own, and
// transport.
#include "kappa/manifold.h"

#include <cmath>

#include "core/scratch.h"

namespace kappa {
namespace {

using Buffer = detail::SmallScratch<double, 64>;

std::size_t at(Index i) {
  return static_cast<std::size_t>(i);
}

Index length(ConstVectorRef v) {
  return static_cast<Index>(v.size());
}

// Sides i h, i = -4 .. 4, of differences of eighth order (Fornberg: Generation of finite difference formulas
// on arbitrarily spaced grids, 1988, table 1).
constexpr std::array<double, 5> first_weight = {0, 4 / 5.0, -1 / 5.0, 4 / 105.0, -1 / 280.0};
constexpr std::array<double, 5> second_weight = {-205 / 72.0, 8 / 5.0, -1 / 5.0, 8 / 315.0, -1 / 560.0};
constexpr double spacing = 0.03;

}  // namespace

Manifold::Manifold(std::string name, Index ambient, Index tangent)
    : name_(std::move(name)), ambient_(ambient), tangent_(tangent) {
  if (ambient < 1 || tangent < 0 || tangent > ambient) {
    throw Error("Manifold: '" + name_ + "' is to have " + std::to_string(ambient) + " ambient and " +
                std::to_string(tangent) +
                " tangent entries; it needs at least one ambient entry, and at most as many tangent ones");
  }
}

void Manifold::plus(ConstVectorRef x, ConstVectorRef delta, VectorRef out) const {
  expects(length(x) == ambient_ && length(out) == ambient_,
          "Manifold::plus: x and out must be ambient_size() long");
  expects(length(delta) == tangent_, "Manifold::plus: delta must be tangent_size() long");
  do_plus(x.data(), delta.data(), out.data());
}

void Manifold::minus(ConstVectorRef y, ConstVectorRef x, VectorRef delta) const {
  expects(length(x) == ambient_ && length(y) == ambient_,
          "Manifold::minus: y and x must be ambient_size() long");
  expects(length(delta) == tangent_, "Manifold::minus: delta must be tangent_size() long");
  do_minus(y.data(), x.data(), delta.data());
}

void Manifold::plus_jacobian(ConstVectorRef x, MatrixRef P) const {
  expects(length(x) == ambient_, "Manifold::plus_jacobian: x must be ambient_size() long");
  expects(P.rows == ambient_ && P.cols == tangent_,
          "Manifold::plus_jacobian: P must be ambient_size() x tangent_size()");
  do_plus_jacobian(x.data(), P);
}

void Manifold::plus_second(ConstVectorRef x, ConstVectorRef w, MatrixRef S) const {
  expects(length(x) == ambient_ && length(w) == ambient_,
          "Manifold::plus_second: x and w must be ambient_size() long");
  expects(S.rows == tangent_ && S.cols == tangent_,
          "Manifold::plus_second: S must be tangent_size() x tangent_size()");
  do_plus_second(x.data(), w.data(), S);
}

// P(y) t = a by modified Gram-Schmidt; P has full column rank, and a lies in its range.
void Manifold::transport(ConstVectorRef x, ConstVectorRef delta, ConstVectorRef v, VectorRef out) const {
  expects(length(x) == ambient_, "Manifold::transport: x must be ambient_size() long");
  expects(length(delta) == tangent_ && length(v) == tangent_ && length(out) == tangent_,
          "Manifold::transport: delta, v and out must be tangent_size() long");
  const Index n = ambient_;
  const Index m = tangent_;
  Buffer y(n);
  Buffer a(n);
  Buffer P(n * m);
  Buffer t(m);
  do_plus(x.data(), delta.data(), y.data());
  do_plus_derivative(x.data(), delta.data(), v.data(), a.data());
  const MatrixRef columns{P.data(), n, m, n};
  do_plus_jacobian(y.data(), columns);
  Buffer R(m * m);
  for (Index j = 0; j < m; ++j) {
    double* column = columns.column(j);
    for (Index k = 0; k <= j; ++k) {
      double along = 0;
      for (Index i = 0; i < n; ++i) {
        along += columns(i, k) * column[i];
      }
      R[k + j * m] = k < j ? along : std::sqrt(along);
      for (Index i = 0; i < n; ++i) {
        column[i] = k < j ? column[i] - along * columns(i, k) : column[i] / R[k + j * m];
      }
    }
    double along = 0;
    for (Index i = 0; i < n; ++i) {
      along += column[i] * a[i];
    }
    t[j] = along;
    for (Index i = 0; i < n; ++i) {
      a[i] -= along * column[i];
    }
  }
  for (Index j = m - 1; j >= 0; --j) {
    for (Index k = j + 1; k < m; ++k) {
      t[j] -= R[j + k * m] * t[k];
    }
    t[j] /= R[j + j * m];
  }
  std::copy(t.data(), t.data() + m, out.data());
}

double Manifold::departure(ConstVectorRef x) const {
  expects(length(x) == ambient_, "Manifold::departure: x must be ambient_size() long");
  const double error = do_departure(x.data());
  return std::isnan(error) ? infinity : error;
}

void Manifold::normalize(VectorRef x) const {
  expects(length(x) == ambient_, "Manifold::normalize: x must be ambient_size() long");
  do_normalize(x.data());
}

// Second differences along e_j and e_j + e_k; the mixed entry is half of what the sum has beyond its parts.
void Manifold::do_plus_second(const double* x, const double* w, MatrixRef S) const {
  Buffer delta(tangent_);
  Buffer point(ambient_);
  const auto along = [&](Index j, Index k) {
    double sum = 0;
    for (int i = -4; i <= 4; ++i) {
      std::fill(delta.data(), delta.data() + tangent_, 0.0);
      delta[j] = delta[k] = i * spacing;
      do_plus(x, delta.data(), point.data());
      double value = 0;
      for (Index e = 0; e < ambient_; ++e) {
        value += w[e] * (point[e] - x[e]);
      }
      sum += second_weight[at(std::abs(i))] * value;
    }
    return sum / (spacing * spacing);
  };
  for (Index j = 0; j < tangent_; ++j) {
    S(j, j) = along(j, j);
  }
  for (Index j = 0; j < tangent_; ++j) {
    for (Index k = 0; k < j; ++k) {
      S(j, k) = S(k, j) = (along(j, k) - S(j, j) - S(k, k)) / 2;
    }
  }
}

void Manifold::do_plus_derivative(const double* x, const double* delta, const double* v, double* out) const {
  double largest = 0;
  for (Index j = 0; j < tangent_; ++j) {
    largest = std::fmax(largest, std::fabs(v[j]));
  }
  std::fill(out, out + ambient_, 0.0);
  if (largest == 0) {
    return;
  }
  const double h = spacing / largest;
  Buffer moved(tangent_);
  Buffer point(ambient_);
  for (int i = -4; i <= 4; ++i) {
    for (Index j = 0; j < tangent_; ++j) {
      moved[j] = delta[j] + i * h * v[j];
    }
    do_plus(x, moved.data(), point.data());
    const double weight = (i < 0 ? -1 : 1) * first_weight[at(std::abs(i))] / h;
    for (Index e = 0; e < ambient_; ++e) {
      out[e] += weight * point[e];
    }
  }
}

double Manifold::do_departure(const double* x) const {
  Buffer zero(tangent_);
  Buffer point(ambient_);
  std::fill(zero.data(), zero.data() + tangent_, 0.0);
  do_plus(x, zero.data(), point.data());
  double largest = 1;
  double moved = 0;
  for (Index i = 0; i < ambient_; ++i) {
    largest = std::fmax(largest, std::fabs(x[i]));
    const double difference = std::fabs(point[i] - x[i]);
    moved = difference <= moved ? moved : difference;
  }
  return moved / largest;
}

void Manifold::do_normalize(double* x) const {
  Buffer zero(tangent_);
  Buffer point(ambient_);
  std::fill(zero.data(), zero.data() + tangent_, 0.0);
  do_plus(x, zero.data(), point.data());
  std::copy(point.data(), point.data() + ambient_, x);
}

}  // namespace kappa
