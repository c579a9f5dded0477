// identity: B = I, for steps along the gradient itself.
//
// With step scaled-gradient and acceptance schedule it is stochastic gradient descent, with or without
// momentum: the baseline that methods with a curvature are to be better than. Cost: nothing.
#include <algorithm>

#include "solvers/curvature/diagonal_operator.h"
#include "solvers/curvature/parts.h"

namespace kappa {

namespace {

struct NoOptions {};

class Identity final : public Curvature {
 public:
  CurvatureNeeds needs() const override { return {}; }

  Status refresh(const Evaluation& now, const Evaluation*, ConstVectorRef) override {
    const VectorRef b = operator_.entries(static_cast<Index>(now.gradient.size()));
    std::fill(b.begin(), b.end(), 1.0);
    return Status::ok;
  }

  const SymmetricOperator& at_point() const override { return operator_; }

  bool state(State& s) override {
    s.section("identity", 1);
    return true;
  }

 private:
  detail::DiagonalOperator operator_{Definiteness::positive_semidefinite};
};

}  // namespace

CurvaturePart identity_part() {
  CurvaturePart out;
  out.info.kind = PartKind::curvature;
  out.info.name = "identity";
  out.info.summary = "The unit matrix: steps along the gradient, the baseline of stochastic methods.";
  out.info.source = "Robbins & Monro 1951";
  out.make = [](const Options& given) -> std::unique_ptr<Curvature> {
    read_options<NoOptions>("curvature 'identity'", given, {});
    return std::make_unique<Identity>();
  };
  return out;
}

}  // namespace kappa
