// ModelDiagonal: the diagonal of one model, by the cheapest way the linearization has.
//
// In this order: the linearization's own diagonal; the diagonal of its blocks; the squared column norms of
// its root; n products with the unit vectors, for n up to a limit, because they cost n products at every
// point. Where none of these is possible the diagonal is absent.
#pragma once

#include <vector>

#include "kappa/checkpoint.h"
#include "kappa/linearization.h"

namespace kappa::detail {

class ModelDiagonal {
 public:
  ModelDiagonal(Model model, Index product_limit) : model_(model), product_limit_(product_limit) {}

  /// out_i = B_ii; false where there is no affordable way or an entry is not finite.
  bool compute(const Linearization& linearization, VectorRef out);

  /// A new solve begins.
  void start() { products_ = 0; }
  /// Products made in this solve.
  Index products() const { return products_; }

  void state(State& s) { s.item("diagonal products", products_); }

 private:
  bool ask(const Linearization& linearization, VectorRef out);
  void multiply_units(const Linearization& linearization, VectorRef out);

  Model model_;
  Index product_limit_;
  Index products_ = 0;
  std::vector<double> unit_, column_;
};

}  // namespace kappa::detail
