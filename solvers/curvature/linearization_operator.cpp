#include "solvers/curvature/linearization_operator.h"

namespace kappa::detail {

const Linearization* linearization_with(const Evaluation& evaluation, Model model) {
  const bool there = includes(evaluation.have, Want::linearization) && evaluation.models.contains(model);
  return there ? evaluation.linearization.get() : nullptr;
}

Definiteness definiteness_of(Model model) {
  return model == Model::exact ? Definiteness::unknown : Definiteness::positive_semidefinite;
}

void LinearizationOperator::multiply(ConstVectorRef v, VectorRef out) const {
  ++products_;
  linearization().product(model_, v, out);
}

bool LinearizationOperator::diagonal(VectorRef out) const {
  if (!passes(Capability::diagonal) || !linearization().diagonal(model_, out)) {
    return false;
  }
  // One as cheap as a product goes unnoticed beside the products of a step.
  const Index cost = linearization().offers(model_).diagonal_products();
  products_ += cost > 1 ? cost : 0;
  return true;
}

bool LinearizationOperator::dense(MatrixRef out) const {
  return passes(Capability::dense) && linearization().dense(model_, out);
}

const BlockMatrix* LinearizationOperator::blocks() const {
  return passes(Capability::blocks) ? linearization().blocks(model_) : nullptr;
}

const Root* LinearizationOperator::root() const {
  return passes(Capability::root) ? linearization().root(model_) : nullptr;
}

Offers LinearizationOperator::offers() const {
  const Offers given = linearization().offers(model_);
  return {.diagonal = given.diagonal && passes(Capability::diagonal),
          .dense = given.dense && passes(Capability::dense),
          .blocks = given.blocks && passes(Capability::blocks),
          .root = given.root && passes(Capability::root),
          .dense_work = given.dense_work,
          .product_work = given.product_work,
          .diagonal_work = given.diagonal_work};
}

Curvature::Status LinearizationCurvature::refresh(const Evaluation& now, const Evaluation*, ConstVectorRef) {
  const Linearization* linearization = linearization_with(now, model_);
  if (linearization == nullptr) {
    return Status::failed;
  }
  operator_.attach(*linearization);
  return Status::ok;
}

}  // namespace kappa::detail
