// The tangent spaces at one point x of a ResidualProblem: the Jacobians P of plus of all parameter blocks
// that are on a manifold, each computed once, and what they make of a residual block's derivatives,
//
//   J P,        S = P' S P + sum_i (J'w)_i Hessian(plus_i),        w the weights of S.
//
// Both are done in place: slot s keeps its first column and the row stride, and uses its first tangent_size
// columns. Cost of a residual block: R n m multiply-adds for each curved slot (n ambient, m tangent entries);
// with S, N^2 m in addition.
#pragma once

#include <vector>

#include "problems/residual/residual_structure.h"

namespace kappa::detail {

class TangentSpaces {
 public:
  /// Takes P at x. Returns the first parameter block that is not on its manifold there, or -1.
  Index refresh(const Layout& layout, ConstVectorRef x);

  /// Projects J and, unless it is null, S of the residual block on parameter blocks `parameters`.
  void project(const Family& family, const std::int32_t* parameters, const double* w, double* J,
               double* S) const;

  /// t -> plus(x, t v) of each curved block to second order: x + t direction + t^2/2 bend, entries of x long.
  void curve(ConstVectorRef v, VectorRef direction, VectorRef bend) const;

 private:
  const CurvedBlock* curved(std::int32_t parameter) const {
    const std::int32_t number = layout_->curved_of[at(parameter)];
    return number < 0 ? nullptr : &layout_->curved[at(number)];
  }
  const double* projection(const CurvedBlock& block) const { return P_.data() + block.projection; }

  const Layout* layout_ = nullptr;
  std::vector<double> x_;
  std::vector<double> P_;  ///< ambient x tangent by rows, block after block
};

/// What retract, local, transport and tangent_scale of a ResidualProblem with curved blocks are, block by
/// block.
void move_along(const Layout& layout, ConstVectorRef x, ConstVectorRef step, VectorRef out);
void difference(const Layout& layout, ConstVectorRef x, ConstVectorRef y, VectorRef step);
void carry_along(const Layout& layout, ConstVectorRef x, ConstVectorRef step, ConstVectorRef v,
                 VectorRef out);
void scale_of(const Layout& layout, ConstVectorRef x, VectorRef out);

}  // namespace kappa::detail
