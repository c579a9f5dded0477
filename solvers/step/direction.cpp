#include "solvers/step/direction.h"

#include <algorithm>

namespace kappa::detail {

void equilibrate(const DenseModel& model, VectorRef scale) {
  const Index n = model.size();
  double top = 0;
  for (Index i = 0; i < n; ++i) {
    const auto k = static_cast<std::size_t>(i);
    scale[k] = model.is_diagonal() ? std::abs(model.diagonal()[k]) : largest(model.matrix().column(i), n);
    top = std::max(top, scale[k]);
  }
  for (double& s : scale) {
    const double size = s > 0 ? s : top > 0 ? top : 1.0;
    // floor(exponent / 2): s^2 and size differ by less than a factor of four.
    const int exponent = std::ilogb(size);
    s = std::ldexp(1.0, -(exponent >= 0 ? exponent / 2 : -((1 - exponent) / 2)));
  }
}

}  // namespace kappa::detail
