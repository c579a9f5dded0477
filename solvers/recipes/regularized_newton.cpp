// Regularised Newton = exact curvature + damped steps + a damping that follows the gradient (Mishchenko
// 2023).
#include "solvers/recipes/parts.h"

namespace kappa {

Method regularized_newton(const RegularizedNewton& parts) {
  Method m;
  m.optimizer = "regularized-newton";
  m.curvature = parts.curvature;
  m.step = parts.step;
  m.acceptance = parts.acceptance;
  m.metric = parts.metric;
  return m;
}

OptimizerPart regularized_newton_part() {
  OptimizerPart part;
  part.info = {PartKind::optimizer,
               "regularized-newton",
               "Damped steps whose damping is the root of the gradient times an adapted constant.",
               "Mishchenko 2023",
               {}};
  part.make = [](const Options& given) {
    struct None {};
    read_options<None>("regularized-newton", given, {});
    return regularized_newton();
  };
  return part;
}

}  // namespace kappa
