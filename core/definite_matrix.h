// Large dense symmetric positive definite matrices: factor, inverse factor, inverse and congruences, which is
// what derivatives of a Gaussian likelihood are made of.
//
//   A = L L'               factor             n^3 / 3 flops
//   L^-T                   invert_factor      n^3 / 3
//   A^-1 = L^-T L^-1       outer_product           n^3 / 3, lower triangle
//   W = L^-1 S L^-T        congruence         4 n^3 / 3, lower triangle, S symmetric
//
// Matrices are kept in slivers of eight rows (front_kernels.h), their size padded to a multiple of eight:
// with the identity where they are factored, with zeros otherwise. Work is cut into square blocks of
// `block_rows` rows, each with one owner, so the bits do not depend on the number of threads. What a lower
// triangle leaves above its diagonal blocks is unspecified.
//
// A long computation looks at `interrupt` (may be null) between the columns of blocks.
//
// Reference: Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed. 2002, sec. 14.2 and 14.3 (the
// inverse from the inverse of the factor); Wilkinson & Reinsch 1971, contribution II/10 (the congruence).
#pragma once

#include <cstdint>
#include <vector>

#include "core/front_kernels.h"
#include "kappa/bulk_vector.h"
#include "kappa/problem.h"

namespace kappa::detail {

inline constexpr Index block_rows = 96;
inline constexpr Index block_slivers = block_rows / sliver;

/// A square matrix in slivers that somebody else owns.
struct SliverRef {
  double* data = nullptr;
  Index size = 0;    ///< n
  Index padded = 0;  ///< the next multiple of eight

  Index blocks() const { return (padded + block_rows - 1) / block_rows; }
  Index block_begin(Index b) const { return b * block_rows; }
  Index block_end(Index b) const { return b + 1 < blocks() ? (b + 1) * block_rows : padded; }
  /// Doubles from one sliver to the next.
  Index next() const { return sliver * padded; }
  double* at(Index i, Index j) const { return data + (i / sliver) * next() + j * sliver + i % sliver; }
  double& operator()(Index i, Index j) const { return *at(i, j); }
};

/// Owns `count` of them, one below the other.
class SliverMatrix {
 public:
  /// Entries have no value yet.
  void resize(Index n, Index count = 1) {
    size_ = n;
    padded_ = slivers(n) * sliver;
    values_.resize(static_cast<std::size_t>(count * padded_ * padded_));
  }
  SliverRef ref(Index k = 0) { return {values_.data() + k * padded_ * padded_, size_, padded_}; }

 private:
  Index size_ = 0;
  Index padded_ = 0;
  BulkVector<double> values_;
};

/// How many blocks a symmetric matrix of `blocks` by `blocks` has on and below its diagonal, and the t-th of
/// them, by rows.
constexpr Index lower_blocks(Index blocks) {
  return blocks * (blocks + 1) / 2;
}
struct BlockPlace {
  Index row = 0;
  Index column = 0;
};
BlockPlace lower_block(Index t);

enum class DenseStatus : std::uint8_t { ok, indefinite, interrupted };

class DefiniteMatrix {
 public:
  /// The matrix to fill before factor(): the lower triangle of its n x n entries.
  SliverRef matrix(Index n);

  /// Each pivot must exceed n eps times the diagonal entry it was, the size of its rounding error.
  DenseStatus factor(const Interrupt* interrupt);
  /// After `indefinite`: which pivot, and its value.
  Index failed() const { return failed_; }
  double pivot() const { return pivot_; }

  Index size() const { return size_; }
  /// Entry (i, i) of L.
  double diagonal(Index i) { return rows_.ref()(i, i); }
  /// L, in the lower triangle.
  SliverRef lower() { return rows_.ref(); }
  void solve_lower(VectorRef b);  ///< b := L^-1 b, size() long; from several threads at once, too
  void solve_upper(VectorRef b);  ///< b := L^-T b

  /// Computes upper().
  DenseStatus invert_factor(const Interrupt* interrupt);
  /// U = L^-T; zeros below the diagonal in the blocks on it.
  SliverRef upper() { return rows_.ref(1); }

 private:
  Panel panel();

  Index size_ = 0;
  SliverMatrix rows_;  ///< L, and U below it, so that both are rows of one panel
  std::vector<double> least_, inverse_;
  Index failed_ = -1;
  double pivot_ = 0;
};

/// out = U U', the lower triangle, for U as DefiniteMatrix::upper.
DenseStatus outer_product(SliverRef upper, SliverRef out, const Interrupt* interrupt);
/// out = U', the lower triangle and zeros in the blocks on the diagonal.
void transpose_upper(SliverRef upper, SliverRef out);
/// s := M s M', its lower triangle, for M as transpose_upper leaves it and all of the symmetric s; `scratch`
/// is of the same size.
DenseStatus congruence(SliverRef lower, SliverRef s, SliverRef scratch, const Interrupt* interrupt);

}  // namespace kappa::detail
