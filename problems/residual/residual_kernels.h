// The inner loops over Jacobian blocks (row-major, R x N), with sizes known at compile time for the common
// shapes: scalar residuals, and bundle adjustment's 2 x (9 + 3).
//
// Sums over the residuals come first and factors last, so that a diagonal block is symmetric to the bit.
#pragma once

#include <algorithm>

#include "problems/residual/residual_linearization.h"

namespace kappa::detail {

/// S(i, j) of a packed lower triangle.
inline double packed(const double* S, Index i, Index j) {
  return i >= j ? S[i * (i + 1) / 2 + j] : S[j * (j + 1) / 2 + i];
}

/// to[i] += sum_k u_k J(k, i) over `Size` columns; 0 stands for the run-time size.
template <int Size>
void add_transposed(const double* J, Index stride, Index residuals, Index size, const double* u, double* to) {
  const Index n = Size != 0 ? Size : size;
  for (Index k = 0; k < residuals; ++k) {
    const double uk = u[k];
    const double* row = J + k * stride;
    for (Index i = 0; i < n; ++i) {
      to[i] += uk * row[i];
    }
  }
}

inline void add_transposed(const double* J, Index stride, Index residuals, Index size, const double* u,
                           double* to) {
  switch (size) {
    case 1:
      return add_transposed<1>(J, stride, residuals, size, u, to);
    case 2:
      return add_transposed<2>(J, stride, residuals, size, u, to);
    case 3:
      return add_transposed<3>(J, stride, residuals, size, u, to);
    case 6:
      return add_transposed<6>(J, stride, residuals, size, u, to);
    case 9:
      return add_transposed<9>(J, stride, residuals, size, u, to);
    default:
      return add_transposed<0>(J, stride, residuals, size, u, to);
  }
}

/// to(i, j) += w sum_k A(k, i) B(k, j), where A and B are R x rows and R x cols with row stride `N`, and `to`
/// is column-major.
template <int R, int Rows, int Cols>
void add_outer(const double* A, const double* B, Index N, Index residuals, Index rows, Index cols, double w,
               double* to, Index stride) {
  const Index n = Rows != 0 ? Rows : rows;
  const Index m = Cols != 0 ? Cols : cols;
  if constexpr (R != 0) {
    for (Index j = 0; j < m; ++j) {
      for (Index i = 0; i < n; ++i) {
        double sum = A[i] * B[j];
        for (int k = 1; k < R; ++k) {
          sum += A[k * N + i] * B[k * N + j];
        }
        to[i + j * stride] += w * sum;
      }
    }
  } else {
    constexpr Index width = 32;
    double sum[width];
    for (Index j = 0; j < m; ++j) {
      for (Index begin = 0; begin < n; begin += width) {
        const Index count = std::min(width, n - begin);
        std::fill(sum, sum + count, 0.0);
        for (Index k = 0; k < residuals; ++k) {
          const double b = B[k * N + j];
          const double* a = A + k * N + begin;
          for (Index i = 0; i < count; ++i) {
            sum[i] += a[i] * b;
          }
        }
        for (Index i = 0; i < count; ++i) {
          to[begin + i + j * stride] += w * sum[i];
        }
      }
    }
  }
}

/// to += the model's block of one residual block, in the rows of slot pair.a and the columns of slot pair.b;
/// Terms::second leaves the product of Jacobians out.
template <int R, int Rows, int Cols, Terms terms = Terms::all>
void add_pair(const Part& part, SlotPair pair, Model model, double scale, const Derivatives& of, Index block,
              double* to, Index stride) {
  const Family& family = *part.family;
  const Index N = family.columns;
  const Index residuals = R != 0 ? R : family.residuals;
  const Index a = family.column[at(pair.a)];
  const Index b = family.column[at(pair.b)];
  const Index rows = Rows != 0 ? Rows : part.sizes[pair.a];
  const Index cols = Cols != 0 ? Cols : part.sizes[pair.b];
  const double* J = of.jacobian(block);
  const double outer = part.robust ? part.weight[at(block)].outer : scale;
  if constexpr (terms == Terms::all) {
    add_outer<R, Rows, Cols>(J + a, J + b, N, residuals, rows, cols, outer, to, stride);
  }
  const double radial = part.robust ? part.weight[at(block)].radial(model) : 0.0;
  if (radial != 0) {
    const double* r = part.residual(block);
    for (Index q = 0; q < cols; ++q) {
      double right = 0;
      for (Index k = 0; k < residuals; ++k) {
        right += r[k] * J[k * N + b + q];
      }
      for (Index p = 0; p < rows; ++p) {
        double left = 0;
        for (Index k = 0; k < residuals; ++k) {
          left += r[k] * J[k * N + a + p];
        }
        to[p + q * stride] += radial * (left * right);
      }
    }
  }
  if (model == Model::exact) {
    const double* S = of.second(block);
    for (Index q = 0; q < cols; ++q) {
      for (Index p = 0; p < rows; ++p) {
        to[p + q * stride] += outer * packed(S, a + p, b + q);
      }
    }
  }
}

/// run.operator()<R, Rows, Cols>() with the sizes of a pair of slots, or 0 for those that are found at run
/// time.
template <class Run>
void with_sizes(const Part& part, SlotPair pair, const Run& run) {
  const Index R = part.family->residuals;
  const Index rows = part.sizes[pair.a];
  const Index cols = part.sizes[pair.b];
  if (R == 1) {
    run.template operator()<1, 0, 0>();
  } else if (R == 2 && rows == 9 && cols == 9) {
    run.template operator()<2, 9, 9>();
  } else if (R == 2 && rows == 9 && cols == 3) {
    run.template operator()<2, 9, 3>();
  } else if (R == 2 && rows == 6 && cols == 6) {
    run.template operator()<2, 6, 6>();
  } else if (R == 2 && rows == 6 && cols == 3) {
    run.template operator()<2, 6, 3>();
  } else if (R == 2 && rows == 3 && cols == 3) {
    run.template operator()<2, 3, 3>();
  } else if (R == 2) {
    run.template operator()<2, 0, 0>();
  } else if (R == 3 && rows == 3 && cols == 3) {
    run.template operator()<3, 3, 3>();
  } else if (R == 3) {
    run.template operator()<3, 0, 0>();
  } else if (R == 6 && rows == 6 && cols == 6) {
    run.template operator()<6, 6, 6>();
  } else {
    run.template operator()<0, 0, 0>();
  }
}

/// to += the same, summed over blocks [first, end).
inline void add_pairs(const Part& part, SlotPair pair, Model model, double scale, Index first, Index end,
                      double* to, Index stride) {
  const Derivatives stored = part.stored();
  with_sizes(part, pair, [&]<int R, int Rows, int Cols>() {
    for (Index b = first; b < end; ++b) {
      add_pair<R, Rows, Cols>(part, pair, model, scale, stored, b, to, stride);
    }
  });
}

}  // namespace kappa::detail
