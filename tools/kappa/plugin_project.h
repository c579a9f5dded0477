// The project that `kappa plugin new` writes.
#pragma once

#include <string>

namespace kappa::cli {

struct PluginProject {
  std::string name;
  std::string language = "c++";
};

/// Writes the folder `name` into the working directory and returns what to do next, a few lines. Throws Error
/// where the name or language is not valid, or anything of that name is there.
std::string write_plugin_project(const PluginProject& project);

}  // namespace kappa::cli
