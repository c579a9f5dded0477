// Adaptive learning rate = diagonal curvature + scaled gradient + schedule, on mini-batches or on the whole
// sum. AdaHessian (Yao et al. 2021), stochastic diagonal Levenberg-Marquardt (LeCun et al. 1998), vSGD-fd
// (Schaul & LeCun 2013), AdaSecant (Gulcehre & Bengio 2014), Sophia (Liu et al. 2024), Adam (Kingma & Ba
// 2015) and stochastic gradient descent differ in options only.
#include "core/option_checks.h"
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
      .curvature = {"running-diagonal", {{"source", "backpropagated"}, {"average", "mean"}, {"beta", 0.99}}},
      .step = {"scaled-gradient", {{"beta1", 0.0}, {"exponent", 1.0}, {"epsilon", 0.02}}},
      .acceptance = {"schedule", {{"rate", rate}}},
      .batch = batch,
  });
}

Method vsgd(const MiniBatch& batch, double rate) {
  return adaptive_rate({
      .curvature = {"variance-rates"},
      .step = {"scaled-gradient", {{"beta1", 0.0}, {"exponent", 1.0}, {"epsilon", 0.0}}},
      .acceptance = {"schedule", {{"rate", rate}}},
      .batch = batch,
  });
}

Method adasecant(const MiniBatch& batch, double rate) {
  return adaptive_rate({
      .curvature = {"secant-rates"},
      .step = {"scaled-gradient",
               {{"beta1", 0.0},
                {"exponent", 1.0},
                {"epsilon", 0.0},
                {"normalized", true},
                {"variance_reduction", 1.8}}},
      .acceptance = {"schedule", {{"rate", rate}}},
      .batch = batch,
  });
}

namespace {

/// Liu et al. 2024, sec. 3.1: beta1 0.96, beta2 0.99, k = 10, epsilon 1e-12; no bias correction.
Method sophia(const char* source, double gamma, const MiniBatch& batch, double rate) {
  return adaptive_rate({
      .curvature = {"running-diagonal",
                    {{"source", source},
                     {"average", "signed-mean"},
                     {"beta", 0.99},
                     {"bias_correction", false},
                     {"every", std::int64_t{10}}}},
      .step = {"scaled-gradient",
               {{"beta1", 0.96},
                {"bias_correction", false},
                {"exponent", 1.0},
                {"epsilon", 1e-12},
                {"floor", true},
                {"scale", gamma},
                {"clip", 1.0}}},
      .acceptance = {"schedule", {{"rate", rate}}},
      .batch = batch,
  });
}

}  // namespace

Method sophia_h(const MiniBatch& batch, double rate) {
  return sophia("hutchinson", 0.01, batch, rate);
}

Method sophia_g(const MiniBatch& batch, double rate) {
  return sophia("sampled-gradient", 0.05, batch, rate);
}

Method adam(const MiniBatch& batch, double rate) {
  return adaptive_rate({
      .curvature = {"squared-gradient", {{"beta", 0.999}}},
      .step = {"scaled-gradient", {{"beta1", 0.9}, {"exponent", 0.5}, {"epsilon", 1e-8}}},
      .acceptance = {"schedule", {{"rate", rate}}},
      .batch = batch,
  });
}

Method sgd(const MiniBatch& batch, double rate, double momentum) {
  return adaptive_rate({
      .curvature = {"identity"},
      .step = {"scaled-gradient",
               {{"beta1", momentum}, {"bias_correction", false}, {"exponent", 1.0}, {"epsilon", 0.0}}},
      .acceptance = {"schedule", {{"rate", rate}}},
      .batch = batch,
  });
}

namespace {

struct AdaptiveRateOptions {
  std::string variant = "adahessian";  // Yao et al. 2021
  double rate = 0;                     // the variant's own
  Index batch = 0;                     // the whole sum
  Index seed = 1;
};

constexpr Field<AdaptiveRateOptions> fields[] = {
    {"variant", &AdaptiveRateOptions::variant, "Yao et al. 2021",
     "adahessian, sdlm, vsgd, adasecant, sophia-h, sophia-g, adam or sgd"},
    {"rate", &AdaptiveRateOptions::rate, "the variant's own", "first learning rate; 0: the variant's own"},
    {"batch", &AdaptiveRateOptions::batch, "the whole sum", "terms in a mini-batch; 0: all"},
    {"seed", &AdaptiveRateOptions::seed, "arbitrary", "of the mini-batches"},
};

/// The methods that have names of their own, with what `kappa list` says of them.
struct Variant {
  const char* name;
  Method (*make)(const MiniBatch& batch, double rate);
  double rate;
  const char* rate_source;
  const char* summary;
  const char* source;
};

constexpr Variant variants[] = {
    {"adahessian", adahessian, 0.15, "Yao et al. 2021, sec. 4",
     "Momentum over the root mean square of Hutchinson's diagonal of the Hessian.",
     "Yao et al. 2021, alg. 1"},
    {"sdlm", sdlm, 0.1, "arbitrary",
     "Gradient over the averaged Gauss-Newton diagonal: stochastic diagonal Levenberg-Marquardt.",
     "LeCun, Bottou, Orr & Müller 1998, sec. 9.1"},
    {"vsgd", vsgd, 1.0, "Schaul & LeCun 2013: none to choose",
     "Rates from the gradient's variance and finite-difference curvature (vSGD-fd).",
     "Schaul & LeCun 2013, alg. 1"},
    {"adasecant", adasecant, 1.0, "Gulcehre & Bengio 2014: none to choose",
     "Rates from secants, with a variance-reduced, normalised gradient (AdaSecant).",
     "Gulcehre & Bengio 2014, alg. 1"},
    {"sophia-h", sophia_h, 1e-3, "arbitrary",
     "Momentum over Hutchinson's diagonal, clipped entry by entry (Sophia-H).", "Liu et al. 2024, alg. 1, 3"},
    {"sophia-g", sophia_g, 1e-3, "arbitrary",
     "Momentum over the Gauss-Newton-Bartlett diagonal, clipped entry by entry (Sophia-G).",
     "Liu et al. 2024, alg. 2, 3"},
    {"adam", adam, 1e-3, "Kingma & Ba 2015, alg. 1",
     "Momentum over the root of the averaged squared gradient.", "Kingma & Ba 2015, alg. 1"},
    {"sgd", [](const MiniBatch& batch, double rate) { return sgd(batch, rate); }, 0.1, "arbitrary",
     "Stochastic gradient descent with momentum: the baseline.", "Robbins & Monro 1951; Polyak 1964"},
};

const Variant& variant(const std::string& name) {
  std::string valid;
  for (const Variant& v : variants) {
    if (name == v.name) {
      return v;
    }
    valid += (valid.empty() ? "" : ", ") + std::string(v.name);
  }
  throw Error("optimizer 'adaptive-rate': option variant is '" + name + "'; valid: " + valid);
}

/// Options of a variant under its own name.
struct VariantOptions {
  double rate = 0;
  Index batch = 0;  // the whole sum
  Index seed = 1;
};

constexpr Field<VariantOptions> variant_fields[] = {
    {"rate", &VariantOptions::rate, "see source", "first learning rate; 0: the variant's own"},
    {"batch", &VariantOptions::batch, "the whole sum", "terms in a mini-batch; 0: all"},
    {"seed", &VariantOptions::seed, "arbitrary", "of the mini-batches"},
};

Method make_variant(const Variant& v, Index size, Index seed, double rate) {
  detail::require_option(rate >= 0 && rate < infinity, std::string("optimizer '") + v.name + "'", "rate",
                         rate, "it must be positive, or 0 for the variant's own");
  detail::require_option(size >= 0, std::string("optimizer '") + v.name + "'", "batch",
                         static_cast<std::int64_t>(size), "it must not be negative");
  Method out = v.make({.size = size, .seed = static_cast<std::uint64_t>(seed)}, rate > 0 ? rate : v.rate);
  out.optimizer = v.name;
  return out;
}

}  // namespace

OptimizerPart adaptive_rate_part() {
  OptimizerPart part;
  part.info = {PartKind::optimizer, "adaptive-rate",
               "Gradient scaled by a diagonal curvature, on a schedule, for mini-batches.",
               "Yao et al. 2021; LeCun, Bottou, Orr & Müller 1998, sec. 9.1",
               describe_options<AdaptiveRateOptions>(fields)};
  part.make = [](const Options& given) {
    const auto o = read_options<AdaptiveRateOptions>("adaptive-rate", given, fields);
    Method out = make_variant(variant(o.variant), o.batch, o.seed, o.rate);
    out.optimizer = "adaptive-rate";
    return out;
  };
  return part;
}

std::vector<OptimizerPart> adaptive_rate_variant_parts() {
  std::vector<OptimizerPart> out;
  for (const Variant& v : variants) {
    OptimizerPart part;
    part.info = {PartKind::optimizer, v.name, v.summary, v.source,
                 describe_options<VariantOptions>(variant_fields)};
    for (OptionInfo& option : part.info.options) {
      if (option.name == "rate") {
        option.default_value = to_text(v.rate);
        option.source = v.rate_source;
        option.meaning = "first learning rate";
      }
    }
    part.make = [&v](const Options& given) {
      const auto o = read_options<VariantOptions>(v.name, given, variant_fields);
      return make_variant(v, o.batch, o.seed, o.rate);
    };
    out.push_back(std::move(part));
  }
  return out;
}

}  // namespace kappa
