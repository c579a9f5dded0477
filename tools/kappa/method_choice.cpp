#include "method_choice.h"

#include <string_view>

#include "core/option_checks.h"
#include "kappa/registry.h"

namespace kappa::cli {

namespace {

struct Setting {
  std::string part;
  std::string option;
  std::string value;
};

/// No part has a dot in its name, so the first one ends it; a value may contain anything.
Setting split_setting(const std::string& text) {
  const std::size_t equals = text.find('=');
  const std::size_t dot = text.find('.');
  if (equals == std::string::npos || dot == std::string::npos || dot > equals || dot == 0 ||
      dot + 1 == equals) {
    throw Error("--set cannot read '" + text +
                "'; write PART.OPTION=VALUE, such as nielsen-damping.initial=1e-4 (kappa list PART names the "
                "options)");
  }
  return {text.substr(0, dot), text.substr(dot + 1, equals - dot - 1), text.substr(equals + 1)};
}

void replace(Spec& part, const std::optional<std::string>& name) {
  if (name && *name != part.name) {
    part = Spec(*name);
  }
}

ControlKind control_of_step(const Spec& step) {
  return registry().step(step.name).control;
}
ControlKind control_of_acceptance(const Spec& acceptance) {
  return registry().acceptance(acceptance.name).control;
}

/// The kinds of part that have this name, whether in use or not.
std::string kind_of(std::string_view part) {
  for (const PartInfo& info : registry().list()) {
    if (info.name == part) {
      return name(info.kind);
    }
  }
  return "";
}

[[noreturn]] void unused_part(const Setting& setting, const Method& method) {
  std::string message = "--set " + setting.part + "." + setting.option + ": ";
  const std::string kind = kind_of(setting.part);
  if (setting.part == "preconditioner") {
    throw Error(message + "no preconditioner is named; choose a curvature with --preconditioner NAME");
  }
  message += kind.empty()
                 ? "there is no part '" + setting.part + "'"
                 : "'" + setting.part + "' is not in use; choose it with --" + kind + " " + setting.part;
  throw Error(message + "; the parts in use are optimizer " + method.optimizer + ", curvature " +
              method.curvature.name + ", step " + method.step.name + ", acceptance " +
              method.acceptance.name);
}

void apply(const Setting& setting, Method& method) {
  struct {
    const char* kind;
    Spec& part;
  } parts[] = {{"curvature", method.curvature},
               {"step", method.step},
               {"acceptance", method.acceptance},
               {"preconditioner", method.preconditioner}};
  bool applied = false;
  for (auto& [kind, part] : parts) {
    const bool named = part.name != "auto" && part.name != "none";
    // The options of a part that is chosen later are handed on, but for a preconditioner, which brings its
    // own.
    const bool by_kind = setting.part == kind && (named || &part != &method.preconditioner);
    if (by_kind || (named && setting.part == part.name)) {
      part.options.set(setting.option, setting.value);
      applied = true;
    }
  }
  if (!applied) {
    unused_part(setting, method);
  }
}

/// Makes the named parts once, so that a wrong option is found before a large problem is read.
void check_options(const Method& method) {
  if (method.curvature.name != "auto") {
    registry().curvature(method.curvature.name).make(method.curvature.options);
  }
  if (method.step.name != "auto") {
    registry().step(method.step.name).make(method.step.options);
  }
  registry().acceptance(method.acceptance.name).make(method.acceptance.options);
  if (method.preconditioner.name != "auto" && method.preconditioner.name != "none") {
    registry().curvature(method.preconditioner.name).make(method.preconditioner.options);
  }
}

}  // namespace

Method choose_method(const MethodChoice& choice) {
  Options of_optimizer;
  std::vector<Setting> of_parts;
  for (const std::string& text : choice.settings) {
    Setting setting = split_setting(text);
    if (setting.part == choice.optimizer || setting.part == "optimizer") {
      of_optimizer.set(setting.option, setting.value);
    } else {
      of_parts.push_back(std::move(setting));
    }
  }
  Method method = registry().optimizer(choice.optimizer).make(of_optimizer);
  replace(method.curvature, choice.curvature);
  replace(method.step, choice.step);
  replace(method.acceptance, choice.acceptance);
  replace(method.preconditioner, choice.preconditioner);
  if (choice.acceptance && !choice.step && method.step.name != "auto" &&
      control_of_step(method.step) != control_of_acceptance(method.acceptance)) {
    method.step = {};
  }
  if (choice.metric) {
    method.metric = static_cast<MetricKind>(detail::choose_option(
        "solve", "--metric", *choice.metric, {"identity", "marquardt", "minpack", "blended", "automatic"}));
  }
  method.batch.size = choice.batch.value_or(method.batch.size);
  method.batch.seed = choice.seed.value_or(method.batch.seed);
  if (choice.seed && method.batch.size == 0) {
    throw Error("--seed is of the mini-batches, and there are none; give --batch N as well");
  }
  for (const Setting& setting : of_parts) {
    apply(setting, method);
  }
  check_options(method);
  return method;
}

}  // namespace kappa::cli
