// Loops over long vectors in chunks of fixed length, on several threads: the inner loops of the Krylov
// solvers. Sums are added chunk by chunk in order, so their bits depend on the length alone, never on
// threads.
//
// Each statement over entries has a loop of its own, without a condition: of a loop that does more a compiler
// makes versions for arrays that overlap and others, and may fuse products in one only. The bits would depend
// on the addresses.
//
// Vectors of one chunk stay on the calling thread. Cost of a loop over several: one or two microseconds.
#pragma once

#include <vector>

#include "core/parallel.h"
#include "core/vector.h"

namespace kappa::detail {

class VectorLoop {
 public:
  static constexpr Index chunk = 8192;  // 64 kB: two operands lie in a second-level cache

  void reserve(Index n) {
    parts_ = {.items = n, .size = chunk};
    sums_.resize(static_cast<std::size_t>(parts_.chunks()));
  }

  /// body(begin, end) for consecutive ranges of entries.
  template <class Body>
  void each(const Body& body) const {
    for_each_chunk(parts_.chunks(), static_cast<double>(parts_.items),
                   [&](Index c) { body(parts_.begin(c), parts_.end(c)); });
  }

  /// The sum of body(begin, end) over consecutive ranges.
  template <class Body>
  double sum(const Body& body) {
    for_each_chunk(parts_.chunks(), static_cast<double>(parts_.items), [&](Index c) {
      sums_[static_cast<std::size_t>(c)] = body(parts_.begin(c), parts_.end(c));
    });
    double out = 0;
    for (const double s : sums_) {
      out += s;
    }
    return out;
  }

  double dot(ConstVectorRef a, ConstVectorRef b) {
    return sum(
        [&](Index begin, Index end) { return detail::dot(a.data() + begin, b.data() + begin, end - begin); });
  }

  /// sum |a_i b_i|.
  double absolute_dot(ConstVectorRef a, ConstVectorRef b) {
    return sum([&](Index begin, Index end) {
      double out = 0;
      for (Index i = begin; i < end; ++i) {
        out += std::abs(a.data()[i] * b.data()[i]);
      }
      return out;
    });
  }

  /// Euclidean norm, without overflow.
  double norm(ConstVectorRef v) {
    const double square = dot(v, v);
    return square > 1e-280 && square < 1e280 ? std::sqrt(square) : detail::norm(v);
  }

  /// sqrt(sum w_i v_i^2), without overflow.
  double weighted_norm(ConstVectorRef w, ConstVectorRef v) {
    const double square = sum([&](Index begin, Index end) {
      double out = 0;
      for (Index i = begin; i < end; ++i) {
        out += (w.data()[i] * v.data()[i]) * v.data()[i];
      }
      return out;
    });
    return square > 1e-280 && square < 1e280 ? std::sqrt(square) : detail::weighted_norm(w, v);
  }

  /// y += a x.
  void add_scaled(double a, ConstVectorRef x, VectorRef y) const {
    each([&](Index begin, Index end) {
      detail::add_scaled(a, x.data() + begin, y.data() + begin, end - begin);
    });
  }

  /// y = a x.
  void set_scaled(double a, ConstVectorRef x, VectorRef y) const {
    each([&](Index begin, Index end) {
      for (Index i = begin; i < end; ++i) {
        y.data()[i] = a * x.data()[i];
      }
    });
  }

  /// y = a y - x.
  void scale_and_subtract(double a, ConstVectorRef x, VectorRef y) const {
    each([&](Index begin, Index end) {
      for (Index i = begin; i < end; ++i) {
        y.data()[i] = a * y.data()[i] - x.data()[i];
      }
    });
  }

  /// out_i = a_i b_i; out may be a or b.
  void multiply(ConstVectorRef a, ConstVectorRef b, VectorRef out) const {
    each([&](Index begin, Index end) {
      for (Index i = begin; i < end; ++i) {
        out.data()[i] = a.data()[i] * b.data()[i];
      }
    });
  }

  /// y_i += a (w_i x_i).
  void add_weighted(double a, ConstVectorRef w, ConstVectorRef x, VectorRef y) const {
    each([&](Index begin, Index end) {
      for (Index i = begin; i < end; ++i) {
        y.data()[i] += a * w.data()[i] * x.data()[i];
      }
    });
  }

 private:
  Partition parts_;
  std::vector<double> sums_;
};

}  // namespace kappa::detail
