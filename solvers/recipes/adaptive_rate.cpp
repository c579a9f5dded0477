// Adaptive learning rate = running diagonal curvature + scaled gradient + schedule, on mini-batches or on the
// whole sum. AdaHessian (Yao et al. 2021, alg. 1) and stochastic diagonal Levenberg-Marquardt (LeCun, Bottou,
// Orr & Müller 1998, sec. 9.1) differ in options only.
#include "solvers/recipes/parts.h"

namespace kappa {

Method adaptive_rate(const AdaptiveRate& parts) {
  Method m;
  m.optimizer = "adaptive-rate";
  m.curvature = parts.curvature;
  m.step = parts.step;
  m.acceptance = parts.acceptance;
  m.batch = parts.batch;
  return m;
}

Method adahessian(const MiniBatch& batch, double rate) {
  return adaptive_rate({
      .curvature = {"running-diagonal",
                    {{"source", "hutchinson"}, {"average", "mean-square"}, {"beta", 0.999}}},
      .step = {"scaled-gradient", {{"beta1", 0.9}, {"exponent", 1.0}, {"epsilon", 1e-4}}},
      .acceptance = {"schedule", {{"rate", rate}}},
      .batch = batch,
  });
}

Method sdlm(const MiniBatch& batch, double rate) {
  return adaptive_rate({
      .curvature = {"running-diagonal", {{"source", "gauss-newton"}, {"average", "mean"}, {"beta", 0.99}}},
      .step = {"scaled-gradient", {{"beta1", 0.0}, {"exponent", 1.0}, {"epsilon", 0.02}}},
      .acceptance = {"schedule", {{"rate", rate}}},
      .batch = batch,
  });
}

namespace {

struct AdaptiveRateOptions {
  std::string variant = "adahessian";  // Yao et al. 2021
  double rate = 0.15;                  // Yao et al. 2021, sec. 4 (AdaHessian on images)
  Index batch = 0;                     // the whole sum
  Index seed = 1;
};

constexpr Field<AdaptiveRateOptions> fields[] = {
    {"variant", &AdaptiveRateOptions::variant, "Yao et al. 2021; LeCun et al. 1998", "adahessian or sdlm"},
    {"rate", &AdaptiveRateOptions::rate, "Yao et al. 2021, sec. 4", "first learning rate of the schedule"},
    {"batch", &AdaptiveRateOptions::batch, "the whole sum", "terms in a mini-batch; 0: all"},
    {"seed", &AdaptiveRateOptions::seed, "arbitrary", "of the mini-batches"},
};

}  // namespace

OptimizerPart adaptive_rate_part() {
  OptimizerPart part;
  part.info = {PartKind::optimizer, "adaptive-rate",
               "Gradient scaled by a running diagonal curvature, on a schedule, for mini-batches.",
               "Yao et al. 2021; LeCun, Bottou, Orr & Müller 1998, sec. 9.1",
               describe_options<AdaptiveRateOptions>(fields)};
  part.make = [](const Options& given) {
    const auto o = read_options<AdaptiveRateOptions>("adaptive-rate", given, fields);
    const MiniBatch batch{.size = o.batch, .seed = static_cast<std::uint64_t>(o.seed)};
    if (o.variant == "adahessian") {
      return adahessian(batch, o.rate);
    }
    if (o.variant == "sdlm") {
      return sdlm(batch, o.rate);
    }
    throw Error("optimizer 'adaptive-rate': option variant is '" + o.variant + "'; valid: adahessian, sdlm");
  };
  return part;
}

}  // namespace kappa
