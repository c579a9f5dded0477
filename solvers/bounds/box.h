// Box: bounds on the variables, l <= x <= u entry by entry, each side possibly infinite.
//
// Only the variables with a finite bound are listed, so that a few bounds on many variables cost little.
// Tangent entry `tangent` moves x[coordinate] along a straight line; the two are the same number where x has
// no manifold.
//
// The measure of stationarity is the projected gradient of the first-order conditions,
//
//     p = P(x - g) - x,    P(y) = min(u, max(l, y)),
//
// whose entries are -g_i where no bound is near; p = 0 if and only if g_i = 0 for l_i < x_i < u_i, g_i >= 0
// at x_i = l_i and g_i <= 0 at x_i = u_i (Bertsekas 1982, eq. 6). It is computed without the cancellation of
// the formula.
#pragma once

#include <span>
#include <vector>

#include "kappa/minimize.h"
#include "kappa/problem.h"

namespace kappa::detail {

class Box {
 public:
  struct Entry {
    Index tangent;
    Index coordinate;
    double lower;
    double upper;
  };

  /// Takes the problem's bounds in. Throws Error naming the variable where one is not a number, infinite on
  /// the wrong side, or where lower is above upper.
  void read(const Problem& problem);

  /// Whether any variable has a finite bound.
  bool bounded() const { return !entries_.empty(); }
  /// The bounded variables, in ascending order.
  std::span<const Entry> entries() const { return entries_; }

  /// Moves x to the nearest point of the box; returns how many entries that changed.
  Index project(VectorRef x) const;

  /// max_i |p_i|; NaN where an entry of the gradient is.
  double stationarity(ConstVectorRef x, ConstVectorRef gradient) const;

  /// Sets the entries of the gradient that press against a bound x lies on to zero.
  void clear_pressed(ConstVectorRef x, VectorRef gradient) const;

  /// The trial point of a step from x: what left the box by rounding is put back, and an entry whose step
  /// reaches a bound lies on it exactly.
  void settle(ConstVectorRef x, ConstVectorRef step, VectorRef trial) const;

  /// Which bounds x lies on, with their multipliers. `out` keeps its memory.
  void active(ConstVectorRef x, ConstVectorRef gradient, std::vector<ActiveBound>& out) const;

 private:
  std::vector<Entry> entries_;
};

}  // namespace kappa::detail
