// Cubic Newton = any curvature + the minimiser of the model with a cubic term in a Lanczos basis + a weight
// that adapts (Nesterov & Polyak 2006; Cartis, Gould & Toint 2011; Dussault, Migot & Orban 2024).
#include "solvers/recipes/parts.h"

namespace kappa {

Method cubic_newton(const CubicNewton& parts) {
  Method m;
  m.optimizer = "cubic-newton";
  m.curvature = parts.curvature;
  m.step = parts.step;
  m.acceptance = parts.acceptance;
  m.metric = parts.metric;
  return m;
}

OptimizerPart cubic_newton_part() {
  OptimizerPart part;
  part.info = {PartKind::optimizer,
               "cubic-newton",
               "Steps of the model with an adaptive cubic term, with any curvature; products alone.",
               "Cartis, Gould & Toint 2011; Dussault, Migot & Orban 2024",
               {}};
  part.make = [](const Options& given) {
    struct None {};
    read_options<None>("cubic-newton", given, {});
    return cubic_newton();
  };
  return part;
}

}  // namespace kappa
