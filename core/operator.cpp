#include "kappa/operator.h"

#include <algorithm>

namespace kappa {

void to_dense(const SymmetricOperator& B, MatrixRef out, VectorRef unit, VectorRef column) {
  const Index n = B.size();
  expects(out.rows == n && out.cols == n, "to_dense: the matrix does not have the operator's size");
  if (B.dense(out)) {
    return;
  }
  if (const BlockMatrix* blocks = B.blocks()) {
    blocks->dense(out);
    return;
  }
  expects(static_cast<Index>(unit.size()) == n && static_cast<Index>(column.size()) == n,
          "to_dense: the scratch vectors do not have the operator's size");
  std::fill(unit.begin(), unit.end(), 0.0);
  for (Index j = 0; j < n; ++j) {
    unit[static_cast<std::size_t>(j)] = 1;
    B.multiply(unit, column);
    unit[static_cast<std::size_t>(j)] = 0;
    std::copy(column.begin(), column.end(), out.column(j));
  }
  for (Index j = 0; j < n; ++j) {
    for (Index i = j + 1; i < n; ++i) {
      const double mean = 0.5 * out(i, j) + 0.5 * out(j, i);
      out(i, j) = mean;
      out(j, i) = mean;
    }
  }
}

}  // namespace kappa
