#include "solvers/curvature/linearization_operator.h"

namespace kappa::detail {

namespace {

constexpr Index dense_question_limit = 2048;

}  // namespace

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
  return passes(Capability::diagonal) && linearization().diagonal(model_, out);
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

bool LinearizationOperator::gives_diagonal() const {
  answer_.resize(static_cast<std::size_t>(size()));
  return diagonal(answer_);
}

bool LinearizationOperator::gives_dense() const {
  const Index n = size();
  if (!passes(Capability::dense) || n > dense_question_limit) {
    return false;
  }
  answer_.resize(static_cast<std::size_t>(n * n));
  return dense({answer_.data(), n, n, n});
}

SymmetricOperator::Offers LinearizationOperator::offers() const {
  if (!offers_) {
    offers_ = Offers{gives_diagonal(), gives_dense(), blocks() != nullptr, root() != nullptr};
  }
  return *offers_;
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
