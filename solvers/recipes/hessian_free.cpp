// Hessian-free = any curvature + damped conjugate gradients ended by slow progress + Martens' damping rule
// with its walk over saved iterates (Martens 2010), on the whole sum or on mini-batches.
#include "core/option_checks.h"
#include "solvers/recipes/parts.h"

namespace kappa {

Method hessian_free(const HessianFree& parts) {
  Method m;
  m.optimizer = "hessian-free";
  m.curvature = parts.curvature;
  m.step = parts.step;
  m.acceptance = parts.acceptance;
  m.preconditioner = parts.preconditioner;
  m.metric = parts.metric;
  m.batch = parts.batch;
  return m;
}

namespace {

constexpr const char* part_name = "optimizer 'hessian-free'";

struct HessianFreeOptions {
  double damping = 1;         // Martens & Sutskever 2012, sec. 8.6
  Index batch = 0;            // the whole sum
  Index curvature_batch = 0;  // that of the gradient
  Index seed = 1;
};

constexpr Field<HessianFreeOptions> fields[] = {
    {"damping", &HessianFreeOptions::damping, "Martens & Sutskever 2012, sec. 8.6", "first damping"},
    {"batch", &HessianFreeOptions::batch, "the whole sum", "terms of value and gradient; 0: all"},
    {"curvature_batch", &HessianFreeOptions::curvature_batch, "that of the gradient",
     "terms of the curvature, drawn by themselves; 0: those of the gradient"},
    {"seed", &HessianFreeOptions::seed, "arbitrary", "of the mini-batches"},
};

}  // namespace

OptimizerPart hessian_free_optimizer_part() {
  OptimizerPart part;
  part.info = {PartKind::optimizer, "hessian-free",
               "Damped conjugate gradients ended by slow progress, for networks; products alone.",
               "Martens 2010; Martens & Sutskever 2012", describe_options<HessianFreeOptions>(fields)};
  part.make = [](const Options& given) {
    const auto o = read_options<HessianFreeOptions>("hessian-free", given, fields);
    detail::require_option(o.batch >= 0, part_name, "batch", static_cast<std::int64_t>(o.batch),
                           "it must not be negative");
    detail::require_option(o.curvature_batch >= 0, part_name, "curvature_batch",
                           static_cast<std::int64_t>(o.curvature_batch), "it must not be negative");
    return hessian_free({.acceptance = {"martens-damping", {{"initial", o.damping}}},
                         .batch = {.size = o.batch,
                                   .seed = static_cast<std::uint64_t>(o.seed),
                                   .curvature_size = o.curvature_batch}});
  };
  return part;
}

}  // namespace kappa
