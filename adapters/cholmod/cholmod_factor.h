// B + lambda W = L L' by CHOLMOD, for a block-sparse B.
//
// CHOLMOD takes a sparse matrix by scalar columns. The lower triangle by columns has, in the column of
// variable r of block i, the entries of row r of the stored blocks (i, i), (i, j), ...: block row i as it is
// stored, so the values are copied without a search. The order is approximate minimum degree on the graph of
// blocks, which is smaller than that of variables by the square of the block size; variables of a block stay
// together.
//
// Cost: figures() of CHOLMOD's own count; memory: the scalar matrix with an index of 8 bytes for each entry,
// and L.
//
// Reference: Chen, Davis, Hager & Rajamanickam, ACM Trans. Math. Softw. 35 (2008) 22; Amestoy, Davis & Duff,
// SIAM J. Matrix Anal. Appl. 17 (1996) 886.
#pragma once

#include <cholmod.h>

#include <string>
#include <vector>

#include "kappa/block_matrix.h"

namespace kappa::detail {

class CholmodFactor {
 public:
  enum class Kind { automatic, simplicial, supernodal };

  explicit CholmodFactor(Kind kind);
  ~CholmodFactor();
  CholmodFactor(const CholmodFactor&) = delete;
  CholmodFactor& operator=(const CholmodFactor&) = delete;

  /// Does nothing where the structure is the one analysed last. False, with the reason in fault(), where
  /// CHOLMOD cannot take it.
  bool analyze(const BlockStructure& structure);
  const std::string& fault() const { return fault_; }

  enum class Outcome { ok, indefinite, failed };
  /// Factors B + lambda diag(weights), with the structure analysed last.
  Outcome factor(const BlockMatrix& B, double lambda, ConstVectorRef weights);
  /// After `indefinite`: the variable whose pivot is not positive beyond rounding.
  Index failed_variable() const { return failed_variable_; }

  /// x := (B + lambda W)^-1 x. Returns |L^-1 x|^2.
  double solve(VectorRef x);

  struct Figures {
    Index size = 0;
    double doubles = 0;  ///< entries of L
    double flops = 0;    ///< of a factorization
    bool supernodal = false;
  };
  const Figures& figures() const { return figures_; }

 private:
  void free_all();
  bool fail(const char* what);
  std::vector<SuiteSparse_long> block_order(const BlockStructure& structure);
  void lay_out(const BlockStructure& structure);
  void fill(const BlockMatrix& B, double lambda, ConstVectorRef weights);
  Index weakest_pivot() const;
  bool apply(int system, cholmod_dense* in, cholmod_dense** out);

  cholmod_common common_;
  BlockStructure structure_;
  Figures figures_;
  std::string fault_;
  cholmod_sparse* matrix_ = nullptr;  ///< lower triangle
  cholmod_factor* factor_ = nullptr;
  cholmod_dense* in_ = nullptr;
  cholmod_dense* out_ = nullptr;
  cholmod_dense* workspace_[2] = {nullptr, nullptr};
  Index failed_variable_ = -1;
};

}  // namespace kappa::detail
