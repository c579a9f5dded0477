// The dense arithmetic of a front of a sparse Cholesky factorization (solvers/linear/block_cholesky.h), and
// of large dense covariances (definite_matrix.h).
//
// A panel holds the columns a front eliminates, w of them, by slivers: eight rows of all w columns, column by
// column, each sliver behind the other,
//
//     entry (i, c) of the panel is data[(i / 8) 8 w + 8 c + i % 8].
//
// The first ceil(w / 8) slivers hold the w rows of the triangle, the others the rows below it; rows that pad
// a sliver are zero. In this form a product of eight rows with others reads its operands from beginning to
// end, whatever the size of the front, and needs no packing. Above the diagonal of the triangle stands what
// the arithmetic leaves there.
//
// Products are compiled for the vector widths a processor may have, and the widest that it has is taken when
// the program starts. Products and sums may be fused, so another processor may give other last bits; the
// number of threads never does.
//
// Rate: with AVX-512 at 2.1 GHz, some 20 GFlop/s for a dense front of 60 columns, 45 for one of 240 and 60,
// nine tenths of the peak, for one of 3000.
#pragma once

#include <cstdint>
#include <span>

#include "kappa/base.h"

namespace kappa::detail {

inline constexpr Index sliver = 8;

/// Slivers that `rows` rows fill.
constexpr Index slivers(Index rows) {
  return (rows + sliver - 1) / sliver;
}

/// A panel of `width` columns: `triangle` slivers of pivot rows, then `below` slivers.
struct Panel {
  double* data = nullptr;
  Index width = 0;
  Index triangle = 0;
  Index below = 0;

  /// Row `row`, counted with the padding, and column 0; the columns follow at distances of 8.
  [[gnu::always_inline]] double* row(Index i) const {
    return data + (i / sliver) * sliver * width + i % sliver;
  }
  [[gnu::always_inline]] double* sliver_begin(Index s) const { return data + s * sliver * width; }
  /// Doubles.
  Index size() const { return (triangle + below) * sliver * width; }
};

/// The Schur complement of a front, its lower triangle, by slivers too; sliver s has 8 (s + 1) columns. Eight
/// doubles before and behind belong to it, whatever they hold: vectors may reach over its ends.
struct Update {
  double* data = nullptr;

  static constexpr Index begin(Index s) { return sliver * sliver * (s * (s + 1) / 2); }
  [[gnu::always_inline]] double* sliver_begin(Index s) const { return data + begin(s); }
};

/// `length` consecutive rows of a front's Schur complement, from `source` on, that are consecutive in its
/// parent's front too: from row `target` on, counted with the padding.
struct Run {
  std::int32_t source = 0;
  std::int32_t target = 0;
  std::int32_t length = 0;
};

/// c = a b' of matrices in slivers: `rows` slivers of a by `columns` slivers of b over `depth` columns of
/// both. Slivers are `..._next` doubles apart; c is another matrix than a and b.
struct SliverProduct {
  const double* a = nullptr;
  Index a_next = 0;
  const double* b = nullptr;
  Index b_next = 0;
  double* c = nullptr;
  Index c_next = 0;
  Index rows = 0;
  Index columns = 0;
  Index depth = 0;
};

struct FrontKernels {
  /// Columns [first, last) of the slivers [begin, end): subtracts the products of the columns before `first`
  /// with the rows [first, last). Whole slivers of columns, but for the last.
  void (*subtract_columns)(const Panel& panel, Index first, Index last, Index begin, Index end);
  /// The triangle of columns [first, last), the columns before `first` being subtracted already; `first` is a
  /// multiple of 8. A pivot must exceed `least` (by column). Writes 1 / l_cc. Returns -1, or the column whose
  /// pivot failed, with its value in *pivot.
  Index (*factor_triangle)(const Panel& panel, Index first, Index last, const double* least, double* inverse,
                           double* pivot);
  /// Columns [first, last) of the slivers [begin, end) below their triangle, likewise: divided by it.
  void (*solve_rows)(const Panel& panel, Index first, Index last, const double* inverse, Index begin,
                     Index end);
  /// The tile of slivers [row, row_end) x [column, column_end) of -L21 L21', on and below its diagonal;
  /// slivers are counted from the first below the triangle.
  void (*square)(const Panel& panel, Update update, Index row, Index row_end, Index column, Index column_end);

  void (*multiply)(const SliverProduct& product);

  /// Adds part of a child's Schur complement to the panel, or to the Schur complement: the rows of `pieces`,
  /// each within one sliver of either, by the columns of `columns`.
  void (*add_to_panel)(const Panel& panel, Update child, std::span<const Run> pieces,
                       std::span<const Run> columns);
  void (*add_to_update)(const Panel& panel, Update update, Update child, std::span<const Run> pieces,
                        std::span<const Run> columns);

  /// y := L11^-1 y.
  void (*forward)(const Panel& panel, const double* inverse, double* y);
  /// z -= L21 y for the slivers [begin, end) below the triangle; z is padded to whole slivers.
  void (*forward_below)(const Panel& panel, const double* y, double* z, Index begin, Index end);
  /// y -= L21' z for the columns [first, last).
  void (*backward_below)(const Panel& panel, const double* z, double* y, Index first, Index last);
  /// y := L11^-T y.
  void (*backward)(const Panel& panel, const double* inverse, double* y);
};

/// The kernels for this processor.
const FrontKernels& front_kernels();
/// All that this processor can run, the widest vectors first: for tests.
std::span<const FrontKernels> runnable_front_kernels();

}  // namespace kappa::detail
