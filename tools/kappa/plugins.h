// --plugin FILE and KAPPA_PLUGIN_PATH.
#pragma once

#include <memory>
#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace kappa::cli {

/// Declares --plugin FILE; the files stay where the result points.
std::shared_ptr<std::vector<std::string>> add_plugin_option(CLI::App& command);

bool same_file(const std::string& a, const std::string& b);

/// Loads what KAPPA_PLUGIN_PATH names and the files, in this order; what plugins say goes to standard error.
/// A file that lies in a folder of KAPPA_PLUGIN_PATH is loaded once. Throws Error for what cannot be loaded.
void load_plugins(const std::vector<std::string>& files);

}  // namespace kappa::cli
