// The model q(y) = gamma y_1 + 1/2 y'T y of a symmetric tridiagonal T, minimised
//
//     within a radius,        |y| <= delta,
//     with a cubic term,      q(y) + sigma |y|^3 / 3,
//     or damped,              (T + lambda I) y = -gamma e_1,
//
// for any number of radii, weights and dampings: what is left of a large model in a Krylov space.
//
// All three are (T + lambda I) y = -gamma e_1 with lambda at or above max(0, -theta_1), where |y| = delta, or
// |y| = lambda / sigma. The eigenvalues theta of T and the squared first entries w of its eigenvectors give
//
//     |y(lambda)|^2 = gamma^2 sum w_i / (theta_i + lambda)^2,
//
// so that lambda is the root of a scalar function, found by Newton's method on 1/|y| (which is concave, so
// that the iterates ascend to the root) between bounds; lambda is kept as the distance from -theta_1, so that
// no digits are lost where the two are near. Where |y| stays too short even there (the hard case) what is
// missing is added along the eigenvector of theta_1.
//
// Cost: set() about 15 k^2 flops (implicit QL with the first row of the eigenvectors, as for Gauss
// quadrature), each solve O(k). Memory 9 k.
//
// References: More & Sorensen, SIAM J. Sci. Stat. Comput. 4 (1983) 553; Golub & Welsch, Math. Comp. 23 (1969)
// 221; Gould, Lucidi, Roma & Toint, SIAM J. Optim. 9 (1999) 504; Cartis, Gould & Toint, Math. Programming 127
// (2011) 245, sec. 6.
#pragma once

#include <vector>

#include "kappa/base.h"

namespace kappa::detail {

class TridiagonalModel {
 public:
  void reserve(Index k);

  /// T with `diagonal` and `off` (off[i] couples i and i + 1, one entry less). False where the eigenvalues
  /// are not found or not finite.
  bool set(ConstVectorRef diagonal, ConstVectorRef off, double gamma);

  Index size() const { return static_cast<Index>(diagonal_.size()); }
  /// The smallest eigenvalue, to a few eps |T|.
  double leftmost() const { return leftmost_; }
  /// The largest |theta_i|.
  double scale() const { return scale_; }
  double gamma() const { return gamma_; }

  struct Solution {
    double lambda = 0;
    enum class Kind { interior, boundary, hard } kind = Kind::interior;
  };
  Solution within(double radius, VectorRef y);
  Solution cubic(double weight, VectorRef y);
  /// False where T + lambda I is not positive definite.
  bool damped(double lambda, VectorRef y);

  /// gamma y_1 + 1/2 y'T y.
  double value(ConstVectorRef y) const;

 private:
  /// |y| as a function of the distance t of lambda from its least value, and its derivative over -|y|.
  struct Length {
    double norm;
    double fall;
  };
  Length length(double t) const;
  double leftmost_gap() const;
  template <class Target>
  double root(double high, const Target& target) const;
  void solve(double lambda, VectorRef y);
  void add_eigenvector(double radius, VectorRef y);

  std::vector<double> diagonal_, off_;  ///< T
  std::vector<double> theta_, weight_;  ///< eigenvalues in no order, squared first entries
  std::vector<double> work_, pivot_, factor_, vector_;
  double gamma_ = 0;
  double leftmost_ = 0;
  double scale_ = 0;
  double least_ = 0;  ///< max(0, -theta_1)
};

}  // namespace kappa::detail
