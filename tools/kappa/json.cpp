#include "json.h"

#include <nlohmann/json.hpp>

#include "kappa/plugin_host.h"
#include "kappa/version.h"

namespace kappa::cli {

namespace {

using Object = nlohmann::ordered_json;

/// File names need not be UTF-8; bytes that are not become U+FFFD.
std::string dump(const Object& object) {
  return object.dump(2, ' ', false, Object::error_handler_t::replace) + "\n";
}

Object options(const std::vector<OptionInfo>& given) {
  Object out = Object::array();
  for (const OptionInfo& option : given) {
    out.push_back({{"name", option.name},
                   {"default", option.default_value},
                   {"source", option.source},
                   {"meaning", option.meaning}});
  }
  return out;
}

}  // namespace

std::string json(const Solved& solved) {
  const Result& r = solved.result;
  Object out;
  out["problem"] = solved.target.address();
  out["method"] = {
      {"optimizer", r.optimizer}, {"curvature", r.curvature}, {"step", r.step}, {"acceptance", r.acceptance}};
  if (!r.preconditioner.empty()) {
    out["method"]["preconditioner"] = r.preconditioner;
  }
  out["outcome"] = name(r.outcome);
  out["termination"] = name(r.termination);
  out["reason"] = r.reason;
  out["initial_value"] = r.initial_value;
  out["final_value"] = r.value;
  out["gradient_norm"] = r.gradient_norm;
  out["active_bounds"] = Object::array();
  for (const ActiveBound& bound : r.active_bounds) {
    out["active_bounds"].push_back({{"variable", bound.variable},
                                    {"name", solved.target.problem->variable_name(bound.tangent)},
                                    {"side", name(bound.side)},
                                    {"multiplier", bound.multiplier}});
  }
  out["iterations"] = r.iterations;
  out["evaluations"] = {{"value", r.evaluations.value},
                        {"gradient", r.evaluations.gradient},
                        {"linearization", r.evaluations.linearization},
                        {"product", r.evaluations.product}};
  out["epochs"] = r.epochs;
  out["gradient_equivalents"] = r.gradient_equivalents;
  if (!r.measures.empty()) {
    out["validation"] = {{"epoch", r.best_epoch}};
    for (const Measure& m : r.measures) {
      out["validation"][m.name] = m.value;
    }
  }
  out["seconds"] = r.seconds;
  out["threads"] = solved.threads;
  out["version"] = version;
  out["notes"] = r.notes;
  if (solved.covariance != nullptr) {
    const BlockCovariance& covariance = solved.covariance->covariance;
    std::vector<std::string> undetermined;
    for (const NullDirection& direction : covariance.null_space().directions) {
      undetermined.push_back(direction.name);
    }
    out["covariance"] = {{"how", covariance.description()},
                         {"variance", covariance.variance()},
                         {"rank", covariance.rank()},
                         {"null_space", undetermined},
                         {"seconds", solved.covariance->seconds}};
  }
  if (static_cast<Index>(r.x.size()) <= json_dimension_limit) {
    out["x"] = r.x;
  }
  return dump(out);
}

std::string json(const Listing& listing) {
  Object out;
  out["schemes"] = Object::array();
  for (const TargetScheme& scheme : listing.schemes) {
    out["schemes"].push_back({{"name", scheme.name},
                              {"summary", scheme.summary},
                              {"example", scheme.example},
                              {"keys", options(scheme.keys)},
                              {"names", scheme.names()}});
  }
  out["parts"] = Object::array();
  for (const auto& [kind, part] : listing.parts) {
    out["parts"].push_back({{"kind", kind},
                            {"name", part.name},
                            {"summary", part.summary},
                            {"source", part.source},
                            {"origin", part.origin},
                            {"options", options(part.options)}});
  }
  out["plugins"] = Object::array();
  for (const LoadedPlugin* plugin : loaded_plugins()) {
    out["plugins"].push_back({{"name", plugin->name}, {"version", plugin->version}, {"path", plugin->path}});
  }
  out["version"] = version;
  return dump(out);
}

}  // namespace kappa::cli
