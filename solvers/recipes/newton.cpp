// Newton = any curvature + a step in a trust region (Moré & Sorensen 1983, Steihaug 1983), or along a line
// (Armijo, strong Wolfe) where a line-search acceptance is named.
#include "solvers/recipes/parts.h"

namespace kappa {

Method newton(const Newton& parts) {
  Method m;
  m.optimizer = "newton";
  m.curvature = parts.curvature;
  m.step = parts.step;
  m.acceptance = parts.acceptance;
  m.metric = parts.metric;
  m.batch = parts.batch;
  return m;
}

namespace {

struct NewtonOptions {
  std::string globalization = "trust-region";  // Conn, Gould & Toint 2000
};

constexpr Field<NewtonOptions> fields[] = {{"globalization", &NewtonOptions::globalization,
                                            "Conn, Gould & Toint 2000",
                                            "the acceptance: trust-region, armijo or strong-wolfe"}};

}  // namespace

OptimizerPart newton_part() {
  OptimizerPart part;
  part.info = {PartKind::optimizer, "newton",
               "Steps in a trust region or along a line, with any curvature; exact by default.",
               "Moré & Sorensen 1983; Steihaug 1983; Nocedal & Wright 2006, ch. 3 and 4",
               describe_options<NewtonOptions>(fields)};
  part.make = [](const Options& given) {
    const auto o = read_options<NewtonOptions>("newton", given, fields);
    return newton({.acceptance = {o.globalization}});
  };
  return part;
}

}  // namespace kappa
