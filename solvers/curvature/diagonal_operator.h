// DiagonalOperator: B = diag(b), held as a vector. A product is n multiplications.
#pragma once

#include <algorithm>
#include <vector>

#include "kappa/checkpoint.h"
#include "kappa/operator.h"

namespace kappa::detail {

class DiagonalOperator final : public SymmetricOperator {
 public:
  explicit DiagonalOperator(Definiteness definiteness) : definiteness_(definiteness) {}

  /// The entries, for the curvature that owns this operator; they keep their memory where n does not change.
  VectorRef entries(Index n) {
    entries_.resize(static_cast<std::size_t>(n));
    return entries_;
  }

  void state(State& s) { s.item("entries", entries_); }

  Index size() const override { return static_cast<Index>(entries_.size()); }

  void multiply(ConstVectorRef v, VectorRef out) const override {
    expects(v.size() == entries_.size() && out.size() == entries_.size(),
            "DiagonalOperator::multiply: v and out must be size() long");
    std::transform(entries_.begin(), entries_.end(), v.begin(), out.begin(), std::multiplies<>());
  }

  bool diagonal(VectorRef out) const override {
    expects(out.size() == entries_.size(), "DiagonalOperator::diagonal: out must be size() long");
    std::copy(entries_.begin(), entries_.end(), out.begin());
    return true;
  }

  Definiteness definiteness() const override { return definiteness_; }
  Offers offers() const override { return {.diagonal = true}; }

 private:
  Definiteness definiteness_;
  std::vector<double> entries_;
};

}  // namespace kappa::detail
