// The plugins that come with kappa, each loaded once in a program of tests.
#pragma once

#include <string>

#include "kappa/plugin_host.h"

namespace test {

inline const kappa::LoadedPlugin& shipped(const std::string& name) {
  const std::string file = "/" + name + ".so";
  for (const kappa::LoadedPlugin* plugin : kappa::loaded_plugins()) {
    if (plugin->path.ends_with(file)) {
      return *plugin;
    }
  }
  return kappa::load_plugin(KAPPA_SHIPPED_PLUGINS + file);
}

}  // namespace test
