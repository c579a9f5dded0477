// The inner loops of block elimination (schur_complement.h), for fixed sizes of blocks and for any.
//
//   eliminate   V_e = L_e L_e',  y_e = L_e^-1 b_e,  Z_ie = B_ie L_e^-T    for a range of eliminated blocks
//   reduce      T_ij -= sum_e Z_ie Z_je',  t_i -= sum_e Z_ie y_e          for a list of pairs (i, j)
//   substitute  x_e = L_e^-T (y_e - L_e^-1 sum_i B_ie' x_i)
//   forward     y_e = L_e^-1 b_e,  t_i -= sum_e B_ie L_e^-T y_e
//   multiply    t_i -= sum_e B_ie V_e^-1 sum_j B_je' x_j, from B or from Z packed in single precision
//   rows        t_i += S_ij x_j,  t_j += S_ij' x_i            for rows of blocks of S
//
// The sums of `reduce` stay in registers for all eliminated blocks that a pair shares, as long as the list is
// sorted by pair; eight rows are one vector, a ninth row is kept apart. With kept blocks of 9 and eliminated
// ones of 3 that is 33 vector operations for 243 multiply-adds.
//
// Z holds scratch for some thousand couplings only: it is made, used while in the cache and forgotten.
// Substitution works from B itself.
#pragma once

#include <cstdint>
#include <vector>

#include "solvers/linear/schur_structure.h"

namespace kappa::detail {

/// Two couplings of one eliminated block: positions in a batch.
struct CouplingPair {
  std::uint16_t row, column;
};

/// Z is asked for this many pairs before it is used: so many pairs must follow the last one in memory.
inline constexpr Index pairs_ahead = 4;

/// The pairs of couplings that contribute to one block of S.
struct PairRun {
  Index target = 0;            ///< where the block begins
  std::uint32_t pairs = 0;     ///< how many
  std::int32_t diagonal = -1;  ///< the kept block's position where row and column are the same
  bool first = false;          ///< the target is set, not added to
};

struct EliminateTask {
  const SchurStructure& structure;
  const double* values;  ///< of B
  double lambda;
  const double* weights;
  const double* rhs;      ///< b, or null
  Index begin, end;       ///< eliminated blocks
  double* pivots;         ///< all L_e, packed lower triangles with 1 / l_kk on the diagonal
  double* forward;        ///< all y_e, where there is a b
  double* z;              ///< Z of the range, or null: from the first coupling of `begin` on
  const Index* z_offset;  ///< for any sizes: where each coupling's Z begins, from that of `begin` on
};

struct ReduceTask {
  const SchurStructure& structure;
  const double* z;
  const Index* z_offset;
  Index first_coupling;  ///< which z and z_offset begin with
  const PairRun* run;
  const PairRun* run_end;
  const CouplingPair* pair;
  double* target;
  Index stride;  ///< of a target block's columns; 0: as many as it has rows
  double* rhs;   ///< t, by variable of S; null: it lies `rhs_offset` behind each diagonal block
  Index rhs_offset;
};

struct SubstituteTask {
  const SchurStructure& structure;
  const double* values;
  Index begin, end;
  const double* pivots;
  const double* forward;
  const double* reduced;  ///< x of the kept blocks, by variable of S
  double* x;              ///< by variable of B
  double* residual;       ///< null, or by variable of S: sum_e B_ie x_e is added
};

struct ForwardTask {
  const SchurStructure& structure;
  const double* values;
  Index begin, end;
  const double* pivots;
  const double* rhs;  ///< b, by variable of B
  double* forward;    ///< y
  double* reduced;    ///< t, by variable of S
};

struct MultiplyTask {
  const SchurStructure& structure;
  const double* values;  ///< of B
  const double* pivots;
  const float* single;  ///< or all Z, C x P each, column-major
  Index begin, end;     ///< eliminated blocks
  const double* x;      ///< by variable of S
  double* out;          ///< t, by variable of S
};

struct RowsTask {
  const SchurStructure& structure;
  const Index* row_start;  ///< the pattern of S: the upper triangle by rows
  const std::int32_t* column;
  const Index* block_start;  ///< where each block begins
  const double* values;
  Index begin, end;  ///< rows of blocks
  const double* x;
  double* out;
};

struct SchurKernels {
  Index z_stride;  ///< doubles of a Z block; 0: any sizes
  /// Returns -1, or the first eliminated block with a pivot that is not positive.
  Index (*eliminate)(const EliminateTask&);
  void (*reduce)(const ReduceTask&);
  void (*substitute)(const SubstituteTask&);
  void (*forward)(const ForwardTask&);
  void (*multiply)(const MultiplyTask&);
  /// Z of some couplings from the buffer of `eliminate`, packed in single precision; null for any sizes.
  void (*pack_single)(const double* z, Index couplings, float* single);
  void (*multiply_single)(const MultiplyTask&);  ///< null for any sizes
  void (*multiply_rows)(const RowsTask&);
};

/// Those for the sizes of all kept and all eliminated blocks, 0 where they differ.
const SchurKernels& schur_kernels(Index kept, Index eliminated);

/// Doubles of a Z block where sizes differ: Z, column-major, and y.
inline Index any_z_size(Index kept, Index eliminated) {
  return (kept + 1) * eliminated;
}

}  // namespace kappa::detail
