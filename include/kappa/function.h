// FunctionProblem: a function given by a templated callable or by callbacks.
//
// A templated callable is differentiated by kappa: gradient by reverse mode, Hessian-vector products by
// forward over reverse mode, Hessians in chunks of products. Of callbacks, what is missing is obtained by
// finite differences, and the result's notes say so: the gradient by central differences of the value
// (2 n values), products by central differences of the gradient (2 gradients), the Hessian by products.
#pragma once

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "kappa/differentiate.h"
#include "kappa/problem.h"

namespace kappa {

/// Callbacks of a function f : R^n -> R. Each returns false where x is outside the domain. They may be
/// called from several threads at once. Vectors are `dimension` long, the Hessian dimension x dimension,
/// column-major, both triangles.
struct Callbacks {
  Index dimension = 0;
  std::function<bool(ConstVectorRef x, double& value)> value;  ///< required
  std::function<bool(ConstVectorRef x, double& value, VectorRef gradient)> value_and_gradient;
  std::function<bool(ConstVectorRef x, ConstVectorRef v, VectorRef product)> hessian_product;
  std::function<bool(ConstVectorRef x, MatrixRef hessian)> hessian;
  std::function<std::string(Index)> variable_name;
};

class FunctionProblem final : public Problem {
 public:
  /// Throws Error where the dimension is not positive, or neither value nor value_and_gradient is there.
  explicit FunctionProblem(Callbacks callbacks);

  /// Bounds on x[i], infinite until they are set; equal ones fix it. Differences that stand for missing
  /// derivatives stay inside. Throw Error for an index that does not exist and for a bound that is not a
  /// number; minimize throws where the lower is above the upper.
  void set_lower(Index i, double value);
  void set_upper(Index i, double value);
  /// On all variables; both `dimension` long.
  void set_bounds(ConstVectorRef lower, ConstVectorRef upper);

  Index dimension() const override { return callbacks_.dimension; }
  Bounds bounds() const override { return {lower_, upper_, {}}; }
  ModelSet models() const override { return {Model::exact}; }
  EvalStatus evaluate(const Request& request, Evaluation& evaluation) const override;
  std::string variable_name(Index i) const override;
  std::vector<std::string> notes(ModelSet models) const override;

  const Callbacks& callbacks() const { return callbacks_; }

 private:
  void set_bound(std::vector<double>& side, Index i, double value, const char* where);

  Callbacks callbacks_;
  std::vector<double> lower_, upper_;  ///< both empty while there are no bounds
};

/// A problem from a callable `template <class T> T operator()(std::span<const T> x) const` of `dimension`
/// variables; all derivatives are exact.
template <class F>
FunctionProblem function_problem(F f, Index dimension) {
  Callbacks c;
  c.dimension = dimension;
  c.value = [f](ConstVectorRef x, double& value) {
    value = f(x);
    return true;
  };
  c.value_and_gradient = [f](ConstVectorRef x, double& value, VectorRef gradient) {
    static thread_local Tape<double> tape;
    value = value_and_gradient(f, x, gradient, tape);
    return true;
  };
  c.hessian_product = [f](ConstVectorRef x, ConstVectorRef v, VectorRef product) {
    static thread_local Tape<Jet<double, 1>> tape;
    hessian_product(f, x, v, product, tape);
    return true;
  };
  c.hessian = [f](ConstVectorRef x, MatrixRef H) {
    static thread_local Tape<Jet<double, 8>> tape;
    hessian(f, x, H, tape);
    return true;
  };
  return FunctionProblem(std::move(c));
}

}  // namespace kappa
