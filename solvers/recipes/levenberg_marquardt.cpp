// Levenberg-Marquardt = any curvature + damped step + Nielsen's damping rule (Levenberg 1944, Marquardt 1963,
// Nielsen 1999), in the scaling of MINPACK (Moré 1978).
#include "core/option_checks.h"
#include "solvers/recipes/parts.h"

namespace kappa {

Method levenberg_marquardt(const LevenbergMarquardt& parts) {
  Method m;
  m.optimizer = "levenberg-marquardt";
  m.curvature = parts.curvature;
  m.step = parts.step;
  m.acceptance = parts.acceptance;
  m.preconditioner = parts.preconditioner;
  m.metric = parts.metric;
  m.inner = parts.inner;
  m.backtracking = parts.backtracking;
  return m;
}

namespace {

constexpr const char* part_name = "optimizer 'levenberg-marquardt'";

struct LevenbergMarquardtOptions {
  Index inner_iterations = 0;         // none: docs/benchmarks.md, "Fewer iterations"
  std::string inner_when = "always";  // as Ceres's use_inner_iterations
  bool backtracking = true;           // docs/benchmarks.md, "Fewer iterations"
};

constexpr Field<LevenbergMarquardtOptions> fields[] = {
    {"inner_iterations", &LevenbergMarquardtOptions::inner_iterations,
     "none: docs/benchmarks.md, \"Fewer iterations\"",
     "steps at most by which independent blocks, such as the points of a bundle, are re-solved at a trial "
     "point before it is judged"},
    {"inner_when", &LevenbergMarquardtOptions::inner_when, "as Ceres's use_inner_iterations",
     "always, or rejected: only where the trial as it is brings no decrease"},
    {"backtracking", &LevenbergMarquardtOptions::backtracking, "docs/benchmarks.md, \"Fewer iterations\"",
     "whether independent blocks, such as the points of a bundle, are taken back one by one where their part "
     "of a step went astray"},
};

InnerIterations inner_of(const LevenbergMarquardtOptions& o) {
  detail::require_option(o.inner_iterations >= 0, part_name, "inner_iterations",
                         static_cast<std::int64_t>(o.inner_iterations), "it must not be negative");
  constexpr InnerIterations::When choices[] = {InnerIterations::When::always,
                                               InnerIterations::When::rejected};
  return {
      .steps = o.inner_iterations,
      .when = choices[detail::choose_option(part_name, "inner_when", o.inner_when, {"always", "rejected"})]};
}

}  // namespace

OptimizerPart levenberg_marquardt_part() {
  OptimizerPart part;
  part.info = {PartKind::optimizer, "levenberg-marquardt",
               "Damped steps with any curvature; outer-product by default where the problem has residuals.",
               "Levenberg 1944; Marquardt 1963; Moré 1978; Nielsen 1999",
               describe_options<LevenbergMarquardtOptions>(fields)};
  part.make = [](const Options& given) {
    const auto o = read_options<LevenbergMarquardtOptions>("levenberg-marquardt", given, fields);
    return levenberg_marquardt(
        {.inner = inner_of(o), .backtracking = o.backtracking ? Backtracking::by_block : Backtracking::none});
  };
  return part;
}

}  // namespace kappa
