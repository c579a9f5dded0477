// nielsen-damping: the damping of Levenberg-Marquardt from the ratio rho of actual to predicted decrease.
//
//   rho > accept:  lambda <- lambda max(1 / fall, 1 - (rise - 1)(2 rho - 1)^3),  nu <- rise
//   otherwise:     lambda <- lambda nu,  nu <- rise nu
//
// On large problems a ratio above good_large divides by `fall` at once: the smooth rule lowers the damping
// only by a fifth an iteration where the ratio stays near 0.8, as it does in the long valleys of bundle
// adjustment.
//
// Use it with damped steps. The factor passes smoothly from 1 / fall (a good model) through 1 (rho = 1/2) to
// rise (a bad one), which avoids the jumps of rules with thresholds; repeated rejections grow faster than
// geometrically, so even a damping that starts far too small costs few trials. A step that could not be
// computed (the damped matrix is indefinite) and a trial outside the domain are rejections.
//
// The damping is relative: the metric carries the scale of the matrix (in the metrics marquardt and minpack;
// in the identity metric `initial` has the units of the curvature). From damping 0 the first rejection takes
// the curvature along the rejected step, d'Bd / |d|^2, or, where there was no step, 1e-3 |g0| / |x0|.
//
// Between `minimum` and `maximum` verdicts scale with objective and damping. Cost: none.
//
// Reference: Nielsen, Damping parameter in Marquardt's method, IMM-REP-1999-05, 1999 (p = 3, beta = 2, gamma
// = 3); Madsen, Nielsen & Tingleff, Methods for non-linear least squares problems, 2nd ed. 2004, eq. 2.21 and
// algorithm 3.16.
#include <algorithm>
#include <cmath>

#include "core/option_checks.h"
#include "solvers/acceptance/first_damping.h"
#include "solvers/acceptance/parts.h"
#include "solvers/acceptance/standing.h"

namespace kappa {

namespace {

constexpr const char* part = "acceptance 'nielsen-damping'";

struct NielsenDampingOptions {
  double initial = 3e-12;       // chosen on NIST and MGH: docs/benchmarks.md
  double initial_large = 1e-4;  // Ceres 2.1: a radius of 1e4, whose inverse is the damping
  Index large = 500;            // where small dense roots end: beyond, B itself is factored
  double accept = 1e-4;         // More 1978, sec. 4
  double fall = 5;              // chosen on NIST and MGH (Nielsen 1999: 3)
  double rise = 2;              // Nielsen 1999, beta
  double good_large = 0.25;     // chosen on bundle problems: docs/benchmarks.md
  double sure_large = 0.99;     // chosen on bundles and pose graphs: docs/benchmarks.md
  double fall_sure = 100;       // the same
  double minimum = 1e-32;       // eps^2: less, as squared singular value of a scaled Jacobian, is rounding
  double maximum = 1e32;        // the reciprocal of minimum
};

constexpr Field<NielsenDampingOptions> fields[] = {
    {"initial", &NielsenDampingOptions::initial, "chosen on NIST and MGH: docs/benchmarks.md",
     "first damping, relative to the metric; small values start as Gauss-Newton and let rejections find the "
     "scale"},
    {"initial_large", &NielsenDampingOptions::initial_large,
     "Ceres 2.1: a radius of 1e4, whose inverse is the damping",
     "the same for problems of more than `large` variables, where a rejected trial is dear"},
    {"large", &NielsenDampingOptions::large, "where small dense roots end: beyond, B itself is factored",
     "variables from which on the first damping is initial_large"},
    {"accept", &NielsenDampingOptions::accept, "More 1978, sec. 4",
     "a trial is accepted where actual over predicted decrease is above this; 0 <= accept < 1"},
    {"fall", &NielsenDampingOptions::fall, "chosen on NIST and MGH (Nielsen 1999: 3)",
     "largest factor by which an accepted step divides the damping; above 1"},
    {"rise", &NielsenDampingOptions::rise, "Nielsen 1999, beta",
     "factor of the first rejection in a row, itself multiplied by this at each further one; above 1"},
    {"good_large", &NielsenDampingOptions::good_large, "chosen on bundle problems: docs/benchmarks.md",
     "for problems of more than `large` variables, the ratio above which an accepted step divides the "
     "damping by "
     "`fall` at once; 1 for the smooth rule"},
    {"sure_large", &NielsenDampingOptions::sure_large,
     "chosen on bundles and pose graphs: docs/benchmarks.md",
     "for problems of more than `large` variables, the ratio above which a step divides the damping by "
     "`fall_sure`: the model foretold the decrease, so damping alone is what slows it"},
    {"fall_sure", &NielsenDampingOptions::fall_sure, "chosen on bundles and pose graphs: docs/benchmarks.md",
     "largest factor by which such a step divides the damping; at least 1"},
    {"minimum", &NielsenDampingOptions::minimum,
     "eps^2: less, as squared singular value of a scaled Jacobian, is rounding",
     "a positive damping never falls below this; positive"},
    {"maximum", &NielsenDampingOptions::maximum, "the reciprocal of minimum",
     "a rejection that would raise the damping above this gives up; above minimum"},
};

class NielsenDamping final : public Acceptance {
 public:
  explicit NielsenDamping(const NielsenDampingOptions& options) : options_(options) {}

  ControlKind control() const override { return ControlKind::damping; }

  Control start(const StartInfo& info) override {
    nu_ = options_.rise;
    good_ = info.variables > options_.large ? options_.good_large : 1.0;
    sure_ = info.variables > options_.large ? options_.sure_large : infinity;
    blind_ = detail::blind_damping(info);
    return Damping{info.variables > options_.large
                       ? std::clamp(options_.initial_large, options_.minimum, options_.maximum)
                       : options_.initial};
  }

  Verdict judge(const Trial& trial, const Control& control) override {
    const double lambda = std::get<Damping>(control).value;
    if (detail::standing(trial) == detail::Standing::hopeless) {
      return {Decision::give_up, control};
    }
    const double rho = detail::ratio_of(trial);
    return rho > options_.accept ? accepted(rho, lambda) : rejected(trial, lambda);
  }

  bool state(State& s) override {
    s.section("nielsen-damping", 1);
    s.item("rise", nu_);
    s.item("good", good_);
    s.item("sure", sure_);
    s.item("blind rescue", blind_);
    return true;
  }

 private:
  Verdict accepted(double rho, double lambda) {
    nu_ = options_.rise;
    if (lambda == 0) {
      return {Decision::accept, Damping{0.0}};
    }
    const double c = 2 * rho - 1;
    const double factor = rho > sure_   ? 1 / options_.fall_sure
                          : rho > good_ ? 1 / options_.fall
                                        : std::max(1 / options_.fall, 1 - (options_.rise - 1) * c * c * c);
    return {Decision::accept, Damping{std::clamp(lambda * factor, options_.minimum, options_.maximum)}};
  }

  Verdict rejected(const Trial& trial, double lambda) {
    const double next =
        lambda > 0 ? lambda * nu_
                   : std::clamp(detail::first_damping(trial, blind_), options_.minimum, options_.maximum);
    nu_ *= options_.rise;
    if (next > options_.maximum) {
      nu_ = options_.rise;
      return {Decision::give_up, Damping{lambda}};
    }
    return {Decision::retry, Damping{next}};
  }

  NielsenDampingOptions options_;
  double nu_ = 2;
  double good_ = 1;
  double sure_ = infinity;
  double blind_ = 1e-3;
};

NielsenDampingOptions checked(const Options& given) {
  const auto o = read_options<NielsenDampingOptions>(part, given, fields);
  using detail::require_option;
  require_option(o.minimum > 0, part, "minimum", o.minimum, "it must be positive");
  require_option(o.maximum > o.minimum && o.maximum < infinity, part, "maximum", o.maximum,
                 "it must be finite and above minimum");
  require_option(o.initial == 0 || (o.initial >= o.minimum && o.initial <= o.maximum), part, "initial",
                 o.initial, "it must be 0, or from minimum to maximum");
  require_option(o.initial_large > 0, part, "initial_large", o.initial_large, "it must be positive");
  require_option(o.large >= 0, part, "large", static_cast<std::int64_t>(o.large), "it must not be negative");
  require_option(o.accept >= 0 && o.accept < 1, part, "accept", o.accept,
                 "it must be at least 0 and below 1");
  require_option(o.good_large > 0, part, "good_large", o.good_large, "it must be positive");
  require_option(o.sure_large > 0, part, "sure_large", o.sure_large, "it must be positive");
  require_option(o.fall_sure >= 1 && o.fall_sure < infinity, part, "fall_sure", o.fall_sure,
                 "it must be finite and at least 1");
  require_option(o.fall > 1, part, "fall", o.fall, "it must be above 1");
  require_option(o.rise > 1 && o.rise < infinity, part, "rise", o.rise, "it must be finite and above 1");
  return o;
}

}  // namespace

AcceptancePart nielsen_damping_part() {
  AcceptancePart out;
  out.info.kind = PartKind::acceptance;
  out.info.name = "nielsen-damping";
  out.info.summary = "Levenberg-Marquardt damping as a smooth function of actual over predicted decrease.";
  out.info.source = "Nielsen 1999; Madsen, Nielsen & Tingleff 2004, eq. 2.21, alg. 3.16";
  out.info.options = describe_options<NielsenDampingOptions>(fields);
  out.control = ControlKind::damping;
  out.make = [](const Options& given) -> std::unique_ptr<Acceptance> {
    return std::make_unique<NielsenDamping>(checked(given));
  };
  return out;
}

}  // namespace kappa
