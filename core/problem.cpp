// What a Problem on R^n does where a manifold would do more: x moves along straight lines.
#include "kappa/problem.h"

#include <algorithm>

namespace kappa {

void Problem::retract(ConstVectorRef x, ConstVectorRef step, VectorRef out) const {
  expects(x.size() == step.size() && x.size() == out.size(),
          "Problem::retract: x, step and out differ in length");
  for (std::size_t i = 0; i < x.size(); ++i) {
    out[i] = x[i] + step[i];
  }
}

void Problem::local(ConstVectorRef x, ConstVectorRef y, VectorRef step) const {
  expects(x.size() == y.size() && x.size() == step.size(), "Problem::local: x, y and step differ in length");
  for (std::size_t i = 0; i < x.size(); ++i) {
    step[i] = y[i] - x[i];
  }
}

void Problem::transport(ConstVectorRef x, ConstVectorRef step, ConstVectorRef v, VectorRef out) const {
  expects(x.size() == step.size() && v.size() == out.size(), "Problem::transport: vectors differ in length");
  std::copy(v.begin(), v.end(), out.begin());
}

void Problem::tangent_scale(ConstVectorRef x, VectorRef out) const {
  if (x.size() == out.size()) {
    std::copy(x.begin(), x.end(), out.begin());
  } else {
    std::fill(out.begin(), out.end(), 0.0);
  }
}

std::optional<Index> Problem::backtrack(ConstVectorRef, VectorRef, const Interrupt*) const {
  return std::nullopt;
}

std::optional<double> Problem::refine(VectorRef, Index, const Interrupt*) const {
  return std::nullopt;
}

std::string Problem::variable_name(Index i) const {
  return "x[" + std::to_string(i) + "]";
}

}  // namespace kappa
