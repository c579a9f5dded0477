// The inner loops of the dense Cholesky factorization (cholesky.h), in panels packed for vectors.
//
//   solve    X := A L^-T      the rows of a panel of columns below its triangle L, packed as it goes
//   update   C := C - X X'    the lower triangle of what is right of the panel
//
// Packed: strips of 8 rows; in a strip the entries of one column are neighbours, column after column. A strip
// serves as rows (a vector) and as columns (entries to be broadcast). With vectors of 512 bits 24 x 8 sums
// stay in registers.
//
// Each version fits a vector width, and the one for the processor at hand is found at run time.
#pragma once

#include "kappa/base.h"

namespace kappa::detail {

inline constexpr Index strip_rows = 8;

struct PanelTask {
  double* a;  ///< the panel's first entry below its triangle, column-major
  Index stride;
  Index rows;              ///< below the triangle
  Index columns;           ///< of the panel, a multiple of strip_rows
  const double* triangle;  ///< L in strips
  const double* inverse;   ///< 1 / l_kk
  double* strips;          ///< all rows below the triangle, packed
  Index begin, end;        ///< strips to work on
};

struct UpdateTask {
  double* c;  ///< the first entry right of the panel and below it, column-major
  Index stride;
  Index rows;     ///< of the square matrix there
  Index columns;  ///< of the panel
  const double* strips;
  Index row_begin, row_end;        ///< strips
  Index column_begin, column_end;  ///< strips; only what is not above the diagonal is updated
};

struct DenseKernels {
  void (*solve)(const PanelTask&);
  void (*update)(const UpdateTask&);
};

const DenseKernels& dense_kernels();

}  // namespace kappa::detail
