// kappa plugin check FILE and kappa plugin new NAME.
#include <CLI/CLI.hpp>
#include <memory>

#include "allocations.h"
#include "command.h"
#include "plugin_project.h"
#include "plugins.h"
#include "plugins/check/check.h"
#include "text.h"

namespace kappa::cli {

namespace {

struct CheckArguments {
  std::string file;
  bool json = false;
  std::vector<std::string> exact;
  std::vector<std::string> settings;
};

/// PART.OPTION=VALUE, as for solve.
Options options_of(const std::string& part, const std::vector<std::string>& settings) {
  Options out;
  for (const std::string& setting : settings) {
    const std::size_t dot = setting.find('.');
    const std::size_t equals = setting.find('=');
    if (dot == std::string::npos || equals == std::string::npos || dot > equals) {
      throw Error("--set cannot read '" + setting + "'; write PART.OPTION=VALUE");
    }
    if (setting.substr(0, dot) == part) {
      out.set(setting.substr(dot + 1, equals - dot - 1), setting.substr(equals + 1));
    }
  }
  return out;
}

int check(const CheckArguments& given) {
  load_plugins({given.file});
  const LoadedPlugin* plugin = nullptr;
  for (const LoadedPlugin* loaded : loaded_plugins()) {
    plugin = same_file(loaded->path, given.file) ? loaded : plugin;
  }
  CheckSettings settings;
  settings.exact = given.exact;
  settings.options = [&](const std::string& part) { return options_of(part, given.settings); };
  if (allocations_are_counted()) {
    settings.allocations = allocations_so_far;
  }
  const PluginCheck done = check_plugin(*plugin, settings);
  print(given.json ? json(done) : text(done));
  return done.passed() ? status_converged : status_not_converged;
}

void add_check(CLI::App& app, Run& run) {
  const auto given = std::make_shared<CheckArguments>();
  CLI::App* command = app.add_subcommand("check", "Look at every part of a plugin: does it keep its laws?");
  command->add_option("FILE", given->file, "The plugin, a .so")->required();
  command->add_flag("--json", given->json, "One JSON object on standard output instead of the table");
  command
      ->add_option("--exact", given->exact,
                   "A curvature that claims to be the Hessian: compare it with differences of gradients")
      ->type_name("PART")
      ->allow_extra_args(false);
  command->add_option("--set", given->settings, "An option of a part; may be given many times")
      ->type_name("PART.OPTION=VALUE")
      ->allow_extra_args(false);
  command->footer("Exit status: 0 all laws are kept, 1 some are broken, 2 the plugin cannot be loaded.");
  command->callback([given, &run] { run = [given] { return check(*given); }; });
}

void add_new(CLI::App& app, Run& run) {
  const auto given = std::make_shared<PluginProject>();
  CLI::App* command = app.add_subcommand("new", "Write the project of a new curvature, ready to build");
  command
      ->add_option("NAME", given->name, "Of plugin, part and folder: lower-case letters, digits and hyphens")
      ->required();
  command->add_option("--language", given->language, "c++ or c [c++]")->type_name("NAME");
  command->callback([given, &run] {
    run = [given] {
      print(write_plugin_project(*given));
      return status_converged;
    };
  });
}

}  // namespace

void add_plugin(CLI::App& app, Run& run) {
  CLI::App* command = app.add_subcommand("plugin", "Check a plugin, or begin a new one");
  add_check(*command, run);
  add_new(*command, run);
  command->callback([command] {
    if (command->get_subcommands().empty()) {
      throw Error("plugin needs a command: kappa plugin check FILE, or kappa plugin new NAME");
    }
  });
}

}  // namespace kappa::cli
