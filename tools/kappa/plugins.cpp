#include "plugins.h"

#include <CLI/CLI.hpp>
#include <cstdio>
#include <filesystem>

#include "kappa/plugin.h"
#include "kappa/plugin_host.h"

namespace kappa::cli {

std::shared_ptr<std::vector<std::string>> add_plugin_option(CLI::App& command) {
  const auto files = std::make_shared<std::vector<std::string>>();
  command
      .add_option(
          "--plugin", *files,
          "Load a plugin, whose parts then have names like built-in ones; may be given many times. Plugins "
          "in the folders of KAPPA_PLUGIN_PATH are loaded as well")
      ->type_name("FILE")
      ->allow_extra_args(false);
  return files;
}

bool same_file(const std::string& a, const std::string& b) {
  std::error_code absent;
  return std::filesystem::equivalent(a, b, absent);
}

void load_plugins(const std::vector<std::string>& files) {
  set_plugin_log([](int level, std::string_view plugin, std::string_view text) {
    const char* kind = level >= KAPPA_LOG_WARNING ? "warning: " : "";
    std::fprintf(stderr, "kappa: plugin %.*s: %s%.*s\n", static_cast<int>(plugin.size()), plugin.data(), kind,
                 static_cast<int>(text.size()), text.data());
  });
  load_plugins_from_path();
  for (const std::string& file : files) {
    const auto known = loaded_plugins();
    const bool loaded = std::any_of(known.begin(), known.end(), [&](const LoadedPlugin* plugin) {
      return same_file(plugin->path, file);
    });
    if (!loaded) {
      load_plugin(file);
    }
  }
}

}  // namespace kappa::cli
