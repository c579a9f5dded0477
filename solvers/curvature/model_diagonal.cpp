#include "solvers/curvature/model_diagonal.h"

#include <algorithm>
#include <cmath>

namespace kappa::detail {

namespace {

/// (A'A)_jj is the squared norm of column j.
void squared_column_norms(ConstMatrixRef A, VectorRef out) {
  for (Index j = 0; j < A.cols; ++j) {
    double sum = 0;
    for (Index i = 0; i < A.rows; ++i) {
      sum += A(i, j) * A(i, j);
    }
    out[static_cast<std::size_t>(j)] = sum;
  }
}

}  // namespace

bool ModelDiagonal::compute(const Linearization& linearization, VectorRef out) {
  return ask(linearization, out) &&
         std::all_of(out.begin(), out.end(), [](double d) { return std::isfinite(d); });
}

bool ModelDiagonal::ask(const Linearization& linearization, VectorRef out) {
  if (linearization.diagonal(model_, out)) {
    const Offers offers = linearization.offers(model_);
    products_ += offers.diagonal_work > 0 ? offers.diagonal_products() : 0;
    return true;
  }
  if (const BlockMatrix* blocks = linearization.blocks(model_)) {
    blocks->diagonal(out);
    return true;
  }
  if (const Root* root = linearization.root(model_)) {
    squared_column_norms(root->A, out);
    return true;
  }
  if (linearization.size() > product_limit_) {
    return false;
  }
  multiply_units(linearization, out);
  return true;
}

void ModelDiagonal::multiply_units(const Linearization& linearization, VectorRef out) {
  unit_.assign(out.size(), 0.0);
  column_.resize(out.size());
  for (std::size_t i = 0; i < out.size(); ++i) {
    unit_[i] = 1;
    linearization.product(model_, unit_, column_);
    unit_[i] = 0;
    out[i] = column_[i];
  }
  products_ += static_cast<Index>(out.size());
}

}  // namespace kappa::detail
