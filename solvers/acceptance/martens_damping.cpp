// martens-damping: Levenberg-Marquardt damping by two thresholds, after a walk back over the iterates of
// conjugate gradients.
//
//   walk:           from the last iterate to earlier ones as long as the value falls; the best is judged
//   rho > accept:   accept;  lambda <- lambda fall where rho > good, lambda rise where rho < poor
//   otherwise:      lambda <- lambda nu,  nu <- rise nu
//
// Use it with step `hessian-free`, whose inner iterations may go on past the point where the model holds: an
// earlier iterate is a shorter step that costs one value and no product. Steps without saved iterates are
// judged as they are. The objective may be that of a mini-batch: both values of a judgement are of the same
// terms. There lambda does what the batch is too small to say.
//
// Martens lowers a step that no iterate mends by a line search; here it is solved for again with more
// damping, rejections in a row growing faster than geometrically. Cost: one value for each earlier iterate
// that is looked at, at least one a step where there are any.
//
// Reference: Martens, Deep learning via Hessian-free optimization, ICML 2010, sec. 4.1 (damping) and 4.6
// (walk); Martens & Sutskever, Training deep and recurrent networks with Hessian-free optimization, 2012,
// sec. 8.
#include <algorithm>
#include <cmath>

#include "core/option_checks.h"
#include "solvers/acceptance/first_damping.h"
#include "solvers/acceptance/parts.h"
#include "solvers/acceptance/standing.h"

namespace kappa {

namespace {

constexpr const char* part = "acceptance 'martens-damping'";

struct MartensDampingOptions {
  double initial = 1;      // Martens & Sutskever 2012, sec. 8.6: of the order of 1, found by the rule
  double accept = 1e-4;    // More 1978, sec. 4
  double poor = 0.25;      // Martens 2010, sec. 4.1
  double good = 0.75;      // Martens 2010, sec. 4.1
  double rise = 1.5;       // Martens 2010, sec. 4.1
  double fall = 2.0 / 3;   // Martens 2010, sec. 4.1
  double minimum = 1e-32;  // eps^2, as in nielsen-damping
  double maximum = 1e32;   // the reciprocal of minimum
};

constexpr Field<MartensDampingOptions> fields[] = {
    {"initial", &MartensDampingOptions::initial,
     "Martens & Sutskever 2012, sec. 8.6: of the order of 1, found by the rule",
     "first damping, in units of the curvature in the metric"},
    {"accept", &MartensDampingOptions::accept, "More 1978, sec. 4",
     "a trial is accepted where actual over predicted decrease is above this; 0 <= accept <= poor"},
    {"poor", &MartensDampingOptions::poor, "Martens 2010, sec. 4.1",
     "the damping rises where the ratio is below this; below good"},
    {"good", &MartensDampingOptions::good, "Martens 2010, sec. 4.1",
     "the damping falls where the ratio is above this; below 1"},
    {"rise", &MartensDampingOptions::rise, "Martens 2010, sec. 4.1",
     "factor of a rising damping, itself multiplied by this at each further rejection in a row; above 1"},
    {"fall", &MartensDampingOptions::fall, "Martens 2010, sec. 4.1",
     "factor of a falling damping; above 0 and below 1"},
    {"minimum", &MartensDampingOptions::minimum, "eps^2, as in nielsen-damping",
     "a positive damping never falls below this; positive"},
    {"maximum", &MartensDampingOptions::maximum, "the reciprocal of minimum",
     "a rejection that would raise the damping above this gives up; above minimum"},
};

class MartensDamping final : public Acceptance {
 public:
  explicit MartensDamping(const MartensDampingOptions& options) : options_(options) {}

  ControlKind control() const override { return ControlKind::damping; }
  bool takes_samples() const override { return true; }

  Control start(const StartInfo& info) override {
    nu_ = options_.rise;
    blind_ = detail::blind_damping(info);
    forget_walk();
    return Damping{options_.initial};
  }

  Verdict judge(const Trial& trial, const Control& control) override {
    const double lambda = std::get<Damping>(control).value;
    if (detail::standing(trial) == detail::Standing::hopeless) {
      forget_walk();
      return {Decision::give_up, control};
    }
    const bool better = detail::standing(trial) == detail::Standing::usable && trial.value < best_value_;
    if (better) {
      best_value_ = trial.value;
      best_ratio_ = trial.ratio();
    }
    const bool inside_so_far = better || best_value_ == infinity;
    if (inside_so_far && trial.step.alternatives > 0) {
      Verdict on = {Decision::alternative, control};
      on.alternative = ++walked_;
      on.keep = better ? Verdict::Keep::yes : Verdict::Keep::no;
      kept_ = kept_ || better;
      return on;
    }
    const double rho = best_ratio_;
    const Decision take = better || !kept_ ? Decision::accept : Decision::accept_kept;
    forget_walk();
    return rho > options_.accept ? accepted(take, rho, lambda) : rejected(trial, lambda);
  }

  bool state(State& s) override {
    s.section("martens-damping", 1);
    s.item("rise", nu_);
    s.item("blind", blind_);
    s.item("best value", best_value_);
    s.item("best ratio", best_ratio_);
    s.item("walked", walked_);
    s.item("kept", kept_);
    return true;
  }

 private:
  void forget_walk() {
    best_value_ = infinity;
    best_ratio_ = -infinity;
    walked_ = 0;
    kept_ = false;
  }

  Verdict accepted(Decision take, double rho, double lambda) {
    nu_ = options_.rise;
    const double factor = rho > options_.good ? options_.fall : rho < options_.poor ? options_.rise : 1.0;
    return {take, Damping{lambda > 0 ? std::clamp(lambda * factor, options_.minimum, options_.maximum) : 0}};
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

  MartensDampingOptions options_;
  double nu_ = 1.5;
  double blind_ = 1e-3;
  // The walk over the iterates of one solve.
  double best_value_ = infinity;
  double best_ratio_ = -infinity;
  Index walked_ = 0;
  bool kept_ = false;
};

MartensDampingOptions checked(const Options& given) {
  const auto o = read_options<MartensDampingOptions>(part, given, fields);
  using detail::require_option;
  require_option(o.minimum > 0, part, "minimum", o.minimum, "it must be positive");
  require_option(o.maximum > o.minimum && o.maximum < infinity, part, "maximum", o.maximum,
                 "it must be finite and above minimum");
  require_option(o.initial == 0 || (o.initial >= o.minimum && o.initial <= o.maximum), part, "initial",
                 o.initial, "it must be 0, or from minimum to maximum");
  require_option(o.good > 0 && o.good < 1, part, "good", o.good, "it must be above 0 and below 1");
  require_option(o.poor >= 0 && o.poor < o.good, part, "poor", o.poor,
                 "it must be at least 0 and below good");
  require_option(o.accept >= 0 && o.accept <= o.poor, part, "accept", o.accept,
                 "it must be at least 0 and at most poor");
  require_option(o.rise > 1 && o.rise < infinity, part, "rise", o.rise, "it must be finite and above 1");
  require_option(o.fall > 0 && o.fall < 1, part, "fall", o.fall, "it must be above 0 and below 1");
  return o;
}

}  // namespace

AcceptancePart martens_damping_part() {
  AcceptancePart out;
  out.info.kind = PartKind::acceptance;
  out.info.name = "martens-damping";
  out.info.summary = "Damping by two thresholds, after a walk back over the iterates of conjugate gradients.";
  out.info.source = "Martens 2010, sec. 4.1 and 4.6";
  out.info.options = describe_options<MartensDampingOptions>(fields);
  out.control = ControlKind::damping;
  out.make = [](const Options& given) -> std::unique_ptr<Acceptance> {
    return std::make_unique<MartensDamping>(checked(given));
  };
  return out;
}

}  // namespace kappa
