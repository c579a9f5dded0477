// `kappa plugin check`: the laws of each kind of part, on every part that a plugin offers.
//
//   const PluginCheck done = check_plugin(load_plugin("./libmine.so"));
//   std::cout << text(done);
//
// A law is looked at on a set of problems; of each law and part one finding is kept, the worst. A law that
// does not apply (an exact model on a problem that has none, a form that is not offered) is not among the
// findings. A problem that a part does not fit, because it lacks a model or because the part says KAPPA_UNFIT
// of its first point, is not held against it; a part that fits none of the problems has broken a law.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "kappa/plugin_host.h"

namespace kappa {

struct CheckSettings {
  /// Curvatures that claim to be the Hessian: compared with differences of gradients. Names of parts.
  std::vector<std::string> exact;
  /// Options of parts by name, where the defaults are not to be looked at.
  std::function<Options(const std::string& part)> options;
  /// How many allocations the process has made; empty where nobody counts, and then the law of no allocations
  /// is not looked at.
  std::function<std::uint64_t()> allocations;
};

enum class CheckVerdict : std::uint8_t {
  kept,
  broken,
  noted,          ///< a figure that no law bounds, such as a time
  not_applicable  ///< problems that the part does not fit: `figure` of them, listed in `where`
};

struct CheckFinding {
  std::string part;  ///< "curvature mine"
  std::string law;
  CheckVerdict verdict = CheckVerdict::kept;
  double figure = 0;
  double allowed = 0;
  std::string where;   ///< the problem with the worst figure
  std::string advice;  ///< what to do where it is broken; why, where it is not applicable
};

struct PluginCheck {
  std::string plugin;  ///< "mine 1.0 (/path/libmine.so)"
  std::vector<CheckFinding> findings;
  bool passed() const;
};

/// Throws Error where a part cannot be made.
PluginCheck check_plugin(const LoadedPlugin& plugin, const CheckSettings& settings = {});

/// A table, and below it what to do about each law that is broken and why a part does not fit a problem.
std::string text(const PluginCheck& check);
std::string json(const PluginCheck& check);

}  // namespace kappa
