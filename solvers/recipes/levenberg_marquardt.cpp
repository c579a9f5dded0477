// Levenberg-Marquardt = any curvature + damped step + Nielsen's damping rule (Levenberg 1944, Marquardt 1963,
// Nielsen 1999), in the scaling of MINPACK (Moré 1978).
#include "solvers/recipes/parts.h"

namespace kappa {

Method levenberg_marquardt(const LevenbergMarquardt& parts) {
  Method m;
  m.optimizer = "levenberg-marquardt";
  m.curvature = parts.curvature;
  m.step = parts.step;
  m.acceptance = parts.acceptance;
  m.metric = parts.metric;
  return m;
}

OptimizerPart levenberg_marquardt_part() {
  struct None {};
  OptimizerPart part;
  part.info = {PartKind::optimizer,
               "levenberg-marquardt",
               "Damped steps with any curvature; outer-product by default where the problem has residuals.",
               "Levenberg 1944; Marquardt 1963; Moré 1978; Nielsen 1999",
               {}};
  part.make = [](const Options& given) {
    read_options<None>("levenberg-marquardt", given, {});
    return levenberg_marquardt();
  };
  return part;
}

}  // namespace kappa
