// Plugins from the host's side: loads shared libraries that speak plugin.h and registers their parts.
//
//   kappa::load_plugin("./libmine.so");
//   const auto result = kappa::minimize(problem, x0, kappa::levenberg_marquardt({.curvature = {"mine"}}));
//
// Curvatures, step solvers, linear solvers (as step solvers of their name) and acceptances enter the
// registry, and the same names work wherever a part is named; losses and problems are made by the functions
// below. A plugin stays loaded for the life of the process, since its parts do.
//
// A plugin runs in the process. What is checked: that the file is a whole ELF library, that neither it nor
// its folder may be written by everybody, tables and versions, names, statuses, sizes, numbers that are not
// finite, exceptions, calls from other threads or at other times. What cannot be: a plugin that writes to
// memory that is not its own, or never returns.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "kappa/loss.h"
#include "kappa/problem.h"
#include "kappa/registry.h"

namespace kappa {

struct LoadedPlugin {
  std::string path;  ///< absolute
  std::string name;
  std::string version;
  std::vector<PartInfo> parts;     ///< those in the registry
  std::vector<PartInfo> losses;    ///< for plugin_loss; their kind means nothing
  std::vector<PartInfo> problems;  ///< for plugin_problem; their kind means nothing
};

/// Loads a plugin by its path. Throws Error, naming file, fault and remedy, where it cannot be loaded, is
/// loaded already, or has a part whose name is taken; then nothing of it is registered. Thread-safe.
const LoadedPlugin& load_plugin(const std::string& path);

/// Loads every *.so in the folders that KAPPA_PLUGIN_PATH names, separated by colons, in the order of their
/// names. Relative folders are refused, so that nothing depends on the working directory. Returns how many.
Index load_plugins_from_path();

/// In the order of loading. References stay valid.
std::vector<const LoadedPlugin*> loaded_plugins();

/// A loss of a loaded plugin. Throws Error for an unknown name or option.
Loss plugin_loss(std::string_view name, const Options& options = {});

/// A problem of a loaded plugin and its start.
struct PluginProblem {
  std::unique_ptr<Problem> problem;
  std::vector<double> x0;
};
PluginProblem plugin_problem(std::string_view name, const Options& options = {});

/// Takes what plugins say: level (KAPPA_LOG_...), plugin and sentence. Without it nobody hears them. Called
/// from any thread, one at a time.
using PluginLog = std::function<void(int level, std::string_view plugin, std::string_view text)>;
void set_plugin_log(PluginLog log);

}  // namespace kappa
