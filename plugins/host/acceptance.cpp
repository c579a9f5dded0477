// A plugin's acceptance as an Acceptance.
#include "kappa/acceptance.h"

#include <cmath>

#include "plugins/host/object.h"

namespace kappa::detail {
namespace {

Control control_of(ControlKind kind, double value) {
  switch (kind) {
    case ControlKind::radius:
      return Radius{value};
    case ControlKind::damping:
      return Damping{value};
    case ControlKind::cubic_weight:
      return CubicWeight{value};
    case ControlKind::step_length:
      break;
  }
  return StepLength{value};
}

class PluginAcceptance final : public Acceptance {
 public:
  PluginAcceptance(const SharedPart& part, const Options& options) : object_(part, options) {}

  ControlKind control() const override { return static_cast<ControlKind>(object_.table().control); }
  TrialNeeds needs() const override { return static_cast<TrialNeeds>(object_.table().needs); }

  Control start(const StartInfo& info) override {
    const kappa_start given{sizeof(kappa_start), info.gradient_norm, info.point_norm, info.value,
                            info.variables};
    double out = std::nan("");
    object_.tell("start", [&] { out = object_.table().start(object_.self(), &given); });
    return control_of(control(), out);
  }

  /// What is no verdict, or accepts a point outside the domain, ends the solve.
  Verdict judge(const Trial& trial, const Control& control) override {
    const kappa_trial seen = shown(trial);
    kappa_verdict verdict{};
    verdict.struct_size = sizeof verdict;
    verdict.next = value(control);
    verdict.decision = KAPPA_GIVE_UP;
    const kappa_status status = object_.call("judge", [&](kappa_text) {
      return object_.table().judge(object_.self(), &seen, value(control), &verdict);
    });
    const bool usable = status == KAPPA_OK && std::isfinite(verdict.next) &&
                        verdict.decision >= KAPPA_ACCEPT && verdict.decision <= KAPPA_GIVE_UP;
    const bool accepts = verdict.decision == KAPPA_ACCEPT;
    const bool unusable_point = trial.step.status != StepStatus::ok || trial.evaluation != EvalStatus::ok;
    if (!usable || (accepts && unusable_point)) {
      return {Decision::give_up, control};
    }
    kept_ = kept_ || (verdict.keep != 0 && !unusable_point);
    if (verdict.decision == KAPPA_ACCEPT_KEPT && !kept_) {
      return {Decision::give_up, control};
    }
    Verdict out;
    out.decision = static_cast<Decision>(verdict.decision);
    out.next = control_of(this->control(), verdict.next);
    out.keep = verdict.keep != 0 && !unusable_point ? Verdict::Keep::yes : Verdict::Keep::no;
    if (out.decision != Decision::retry) {
      kept_ = false;
    }
    return out;
  }

 private:
  PluginObject<kappa_acceptance> object_;
  bool kept_ = false;
};

}  // namespace

AcceptancePart acceptance_part(const SharedPart& part) {
  AcceptancePart out;
  out.info = part->info;
  out.control = static_cast<ControlKind>(part->as<kappa_acceptance>()->control);
  out.make = [part](const Options& options) -> std::unique_ptr<Acceptance> {
    return std::make_unique<PluginAcceptance>(part, options);
  };
  return out;
}

}  // namespace kappa::detail
