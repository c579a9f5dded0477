// The plugins that the tests of one program share, loaded once.
#pragma once

#include <string>

#include "kappa/plugin_host.h"

namespace test {

inline std::string built(const std::string& file) {
  return std::string(KAPPA_TEST_PLUGINS) + "/" + file + ".so";
}

inline const kappa::LoadedPlugin& loaded(const std::string& file) {
  for (const kappa::LoadedPlugin* plugin : kappa::loaded_plugins()) {
    if (plugin->path.ends_with("/" + file + ".so")) {
      return *plugin;
    }
  }
  return kappa::load_plugin(built(file));
}

}  // namespace test
