// LinearizationOperator: one model of a Linearization as a SymmetricOperator, and the curvature that does
// nothing but pass it on.
//
//   B v = linearization.product(model, v)
//
// A set of capabilities says which of the linearization's further forms (diagonal, dense matrix, blocks,
// root) are passed on, so that "exact", "outer-product" and "hessian-free" are one class. Cost: that of the
// linearization; nothing is copied.
#pragma once

#include <cstdint>
#include <initializer_list>

#include "kappa/curvature.h"
#include "kappa/operator.h"

namespace kappa::detail {

enum class Capability : std::uint8_t { diagonal = 1, dense = 2, blocks = 4, root = 8 };

/// A set of capabilities.
class CapabilitySet {
 public:
  constexpr CapabilitySet(std::initializer_list<Capability> capabilities) {
    for (const Capability c : capabilities) {
      bits_ |= static_cast<unsigned>(c);
    }
  }
  constexpr bool contains(Capability c) const { return (bits_ & static_cast<unsigned>(c)) != 0; }

 private:
  unsigned bits_ = 0;
};

/// The linearization's model where the evaluation holds it, otherwise nullptr.
const Linearization* linearization_with(const Evaluation& evaluation, Model model);

/// Positive semidefinite for the models that are sums of outer products, whatever the point.
Definiteness definiteness_of(Model model);

class LinearizationOperator final : public SymmetricOperator {
 public:
  LinearizationOperator(Model model, CapabilitySet capabilities)
      : model_(model), capabilities_(capabilities) {}

  /// A new solve begins.
  void start() {
    linearization_ = nullptr;
    products_ = 0;
  }
  /// Takes the linearization to read from; it outlives the use of this operator.
  void attach(const Linearization& linearization) { linearization_ = &linearization; }

  Index size() const override { return linearization().size(); }
  void multiply(ConstVectorRef v, VectorRef out) const override;
  Definiteness definiteness() const override { return definiteness_of(model_); }
  bool diagonal(VectorRef out) const override;
  bool dense(MatrixRef out) const override;
  const BlockMatrix* blocks() const override;
  const Root* root() const override;
  bool second_directional(ConstVectorRef v, VectorRef out) const override {
    return passes(Capability::root) && linearization().second_directional(v, out);
  }

  bool passes(Capability c) const { return capabilities_.contains(c); }
  /// What both the linearization offers and this operator passes on.
  Offers offers() const override;

  /// Calls of multiply in this solve.
  Index products() const { return products_; }

  void state(State& s) { s.item("products", products_); }

 private:
  const Linearization& linearization() const {
    expects(linearization_ != nullptr,
            "LinearizationOperator: refresh the curvature before using its operator");
    return *linearization_;
  }

  Model model_;
  CapabilitySet capabilities_;
  const Linearization* linearization_ = nullptr;
  mutable Index products_ = 0;
};

/// The curvature that is one model of the linearization as it stands.
class LinearizationCurvature final : public Curvature {
 public:
  LinearizationCurvature(Model model, CapabilitySet capabilities)
      : model_(model), operator_(model, capabilities) {}

  CurvatureNeeds needs() const override {
    return {{model_}, CurvatureNeeds::History::none, operator_.passes(Capability::blocks)};
  }
  void start() override { operator_.start(); }
  Status refresh(const Evaluation& now, const Evaluation* previous, ConstVectorRef step) override;
  const SymmetricOperator& at_point() const override { return operator_; }
  Index products() const override { return operator_.products(); }
  bool state(State& s) override {
    s.section("linearization", 1);
    operator_.state(s);
    return true;
  }

 private:
  Model model_;
  LinearizationOperator operator_;
};

}  // namespace kappa::detail
