// The inner loops that add the parts of residual blocks of common shapes to blocks of a matrix and of a
// gradient, in the vectors of the processor. Shapes without one go through residual_kernels.h.
//
// Of a diagonal block only the upper triangle is computed (and what shares a vector with it): whoever has
// added everything up mirrors it. A product of Jacobian entries sums over the residuals first and is
// weighted last.
#pragma once

#include "kappa/base.h"
#include "problems/residual/scattered_sums.h"

namespace kappa::detail {

/// Neighbouring residual blocks, and where their sums are.
struct OuterTask {
  Index count;  ///< residual blocks
  struct Rows {
    const double* first;  ///< of the first block: row-major
    Index stride;         ///< from one row to the next
    Index step;           ///< from one block to the next
  };
  Rows A;               ///< residuals x rows: J of a slot
  Rows B;               ///< residuals x cols: J of a slot, or the weighted residuals as one column
  const double* outer;  ///< weight of the first block
  Index outer_step;     ///< to the next one's, in doubles; 0 where all are alike
  ScatteredSums& sums;
  Index contribution;       ///< number of the first block's
  Index contribution_step;  ///< to the next one's
  double* values;
  const Index* start;  ///< of the sums in values
};

using OuterKernel = void (*)(const OuterTask&);

/// Adds w A'B, rows x cols; null where there is none for the sizes.
OuterKernel outer_kernel(int residuals, int rows, int cols, bool diagonal);

/// The same for a B of one column, as a gradient is summed.
OuterKernel transposed_kernel(int residuals, int size);

struct AbsoluteTask {
  Index blocks;
  Index residuals;
  Index columns;
  const double* u;  ///< blocks x residuals
  const double* J;  ///< blocks x residuals x columns
  const double* x;  ///< blocks x columns, none negative; zero where a column does not count
};

/// sum_b sum_k |u_bk| sum_j |J_bkj| x_bj
double absolute_sum(const AbsoluteTask& task);

/// Makes a column-major size x size block symmetric: its lower triangle becomes that above.
inline void mirror(double* block, Index size) {
  for (Index j = 1; j < size; ++j) {
    for (Index i = 0; i < j; ++i) {
      block[j + i * size] = block[i + j * size];
    }
  }
}

}  // namespace kappa::detail
