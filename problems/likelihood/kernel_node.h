// KernelNode: a covariance function as a tree, evaluated for many pairs of points at once together with its
// derivatives by the logarithms of its parameters.
#pragma once

#include <string>
#include <vector>

#include "kappa/base.h"

namespace kappa::detail {

/// The pairs of `rows` points with `columns` points. Coordinate d of point i is at[i + d * stride].
struct PointPairs {
  const double* row_points = nullptr;
  Index row_stride = 0;
  Index rows = 0;
  const double* column_points = nullptr;
  Index column_stride = 0;
  Index columns = 0;
  Index inputs = 0;

  Index entries() const { return rows * columns; }
};

/// Arrays of entries() numbers, pair (i, j) at i + j * rows. Parameters are counted from the first of the
/// whole kernel on, of which this node's are those from `begin` on.
struct KernelArrays {
  double* value = nullptr;
  double* firsts = nullptr;   ///< null: not wanted
  double* seconds = nullptr;  ///< null: not wanted; pairs of parameters as in CovarianceBlock
  Index entries = 0;
  Index begin = 0;

  double* first(Index a) const { return firsts + (begin + a) * entries; }
  double* second(Index a, Index b) const {
    const Index i = begin + (a >= b ? a : b);
    const Index j = begin + (a >= b ? b : a);
    return seconds + (i * (i + 1) / 2 + j) * entries;
  }
  KernelArrays from(Index a) const {
    KernelArrays out = *this;
    out.begin += a;
    return out;
  }
};

class KernelNode {
 public:
  virtual ~KernelNode() = default;
  virtual std::vector<std::string> names() const = 0;
  virtual std::vector<double> start() const = 0;
  virtual Index parameters() const = 0;
  virtual std::string text() const = 0;
  /// Throws Error where the kernel is not one of points with so many inputs.
  virtual void check(Index inputs) const = 0;
  /// `theta` are this node's parameters.
  virtual void fill(const double* theta, const PointPairs& pairs, const KernelArrays& out) const = 0;
};

}  // namespace kappa::detail
