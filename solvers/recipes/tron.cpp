// TRON = any curvature + Steihaug's conjugate gradients to a tenth of the gradient, preconditioned by the
// blended diagonal + TRON's radius (Lin & Moré 1999; Lin, Weng & Keerthi 2008; Hsia, Chiang & Lin 2018).
#include "solvers/recipes/parts.h"

namespace kappa {

Method tron(const Tron& parts) {
  Method m;
  m.optimizer = "tron";
  m.curvature = parts.curvature;
  m.step = parts.step;
  m.acceptance = parts.acceptance;
  m.metric = parts.metric;
  return m;
}

OptimizerPart tron_part() {
  OptimizerPart part;
  part.info = {PartKind::optimizer,
               "tron",
               "Preconditioned conjugate gradients in a trust region, for convex problems of many variables.",
               "Lin, Weng & Keerthi 2008; Hsia, Chiang & Lin 2018",
               {}};
  part.make = [](const Options& given) {
    struct None {};
    read_options<None>("tron", given, {});
    return tron();
  };
  return part;
}

}  // namespace kappa
