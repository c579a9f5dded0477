// Bounds for the problems of More, Garbow and Hillstrom: Gay's, which cut off most of the unconstrained
// minima. The four problems 28 to 31 have none there.
//
// When to use: to measure how often, and how fast, a method for bounds reaches a constrained minimum. One
// start lies outside its box (Osborne 2, whose last variable the bounds fix at 0), and three lie on a face or
// a corner.
//
// References: D. M. Gay, "A trust-region approach to linearly constrained optimization", in Numerical
// Analysis, LNM 1066, 1984, 72-105 (the bounds); least values in these boxes were published by A. Neumaier
// ("Bounded test functions") and in TOMLAB's mgh_prob, for most problems.
#pragma once

#include <span>
#include <vector>

#include "problems/analytic/mgh.h"

namespace kappa {

/// A box for one problem, and the least value known in it.
struct MghBounds {
  int number;  ///< the paper's number of the problem
  std::vector<double> lower, upper;
  double value;            ///< sum r_i^2; refined to double precision by Newton steps on the face
  double published;        ///< the digits as the source prints them; value where the source has none
  std::vector<double> at;  ///< where it is taken
  const char* source;      ///< of the value
};

/// All 31 that have bounds, in the paper's order.
std::span<const MghBounds> mgh_bounds();

/// The bounds for a problem. Throws Error where there are none.
const MghBounds& mgh_bounds(const MghProblem& problem);

/// Whether a sum of squares is the least known in the box: within 1e-6 of its value, or below
/// mgh_zero_tolerance where that is 0.
bool solved(const MghBounds& bounds, double sum_of_squares);

}  // namespace kappa
