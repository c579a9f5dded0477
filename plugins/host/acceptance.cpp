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
    object_.fault().clear();
    object_.tell("start", [&] { out = object_.table().start(object_.self(), &given); });
    kept_ = false;
    usable_ = std::isfinite(out) && out >= 0;
    if (!usable_ && object_.fault().text().empty()) {
      object_.fault().say("start gives the control " + std::to_string(out));
    }
    return control_of(control(), usable_ ? out : 1);
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
    if (status != KAPPA_OK || !usable_) {
      return {Decision::give_up, control};
    }
    const bool unusable_point = trial.step.status != StepStatus::ok || trial.evaluation != EvalStatus::ok;
    kept_ = kept_ || (verdict.keep != 0 && !unusable_point);
    const char* wrong = nullptr;
    if (!(std::isfinite(verdict.next) && verdict.next >= 0)) {
      wrong = "judge gives a control that is negative or not finite";
    } else if (verdict.decision < KAPPA_ACCEPT || verdict.decision > KAPPA_GIVE_UP) {
      wrong = "judge gives a decision that does not exist";
    } else if (verdict.decision == KAPPA_ACCEPT && unusable_point) {
      wrong = "judge accepts a trial that could not be evaluated";
    } else if (verdict.decision == KAPPA_ACCEPT_KEPT && !kept_) {
      wrong = "judge accepts the kept trial, and there is none";
    }
    if (wrong != nullptr) {
      object_.fault().say(wrong);
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

  std::string_view fault() const override { return object_.fault().text(); }

 private:
  PluginObject<kappa_acceptance> object_;
  bool kept_ = false;
  bool usable_ = true;  ///< the first control was one
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
