#include "plugins/host/object.h"

#include <nlohmann/json.hpp>

#include "core/option_checks.h"

namespace kappa::detail {

kappa_trial shown(const Trial& trial) {
  kappa_trial out{};
  out.struct_size = sizeof out;
  out.evaluated = trial.evaluation == EvalStatus::ok ? 1 : 0;
  out.step_status = static_cast<std::int32_t>(trial.step.status == StepStatus::ok           ? KAPPA_OK
                                              : trial.step.status == StepStatus::indefinite ? KAPPA_INDEFINITE
                                                                                            : KAPPA_FAILED);
  out.current_value = trial.current_value;
  out.value = trial.value;
  out.slope = trial.slope;
  out.rounding = trial.rounding();
  out.step_slope = trial.step.slope;
  out.predicted_decrease = trial.step.predicted_decrease;
  out.step_norm = trial.step.norm;
  out.longest = trial.step.longest;
  out.ratio = trial.ratio();
  out.limit = static_cast<std::int32_t>(trial.step.limit);
  return out;
}

std::string options_text(const PluginPart& part, const Options& given) {
  nlohmann::ordered_json out = nlohmann::ordered_json::object();
  for (const auto& [name, value] : given.entries()) {
    const auto known = std::find_if(part.info.options.begin(), part.info.options.end(),
                                    [&name = name](const OptionInfo& option) { return option.name == name; });
    if (known == part.info.options.end()) {
      std::vector<std::string> valid;
      for (const OptionInfo& option : part.info.options) {
        valid.push_back(option.name);
      }
      unknown_option(part.info.name, name, valid);
    }
    const OptionValue& example = part.defaults[static_cast<std::size_t>(known - part.info.options.begin())];
    std::visit([&out, &name = name](const auto& v) { out[name] = v; },
               convert_option(part.info.name, name, value, example));
  }
  return out.dump();
}

}  // namespace kappa::detail
