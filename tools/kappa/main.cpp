// The program kappa: solves a target by name, and lists what there is. Each command declares itself in a file
// of its own.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <new>
#include <string>
#include <vector>

#include "command.h"
#include "core/option_checks.h"
#include "kappa/base.h"
#include "kappa/version.h"
#include "text.h"

namespace kappa::cli {
namespace {

const char* const examples = R"(Examples:
  kappa solve nist:Misra1a                      fit a regression, compare with NIST's certified values
  kappa solve mgh:rosenbrock --optimizer newton --acceptance strong-wolfe --verbose
  kappa solve bal:problem-16-22106-pre.txt --output solved.txt
  kappa solve bal:generated/street --json       one JSON object on standard output
  kappa list                                    problems and parts
  kappa list nielsen-damping                    every option of a part
  kappa plugin new mine                         a project for a curvature of one's own

Exit status: 0 converged, 1 not converged, 2 set-up error, 130 stopped by Ctrl-C.)";

int complain(const std::string& sentence) {
  std::fprintf(stderr, "kappa: %s\n", sentence.c_str());
  return status_set_up_error;
}

/// "solve", or empty where no command was given.
std::string command_of(const CLI::App& app) {
  const auto commands = app.get_subcommands();
  return commands.empty() ? "" : commands.front()->get_name();
}

std::vector<std::string> command_names(const CLI::App& app) {
  std::vector<std::string> out;
  for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; })) {
    out.push_back(command->get_name());
  }
  return out;
}

std::vector<std::string> option_names(const CLI::App& command) {
  std::vector<std::string> out;
  for (const CLI::Option* option : command.get_options()) {
    for (const std::string& name : option->get_lnames()) {
      out.push_back("--" + name);
    }
  }
  return out;
}

/// What the command line has too much: an unknown command, an unknown option, or one word more than fits.
std::string describe_extra(const CLI::App& app) {
  const std::vector<std::string> extras = app.remaining(true);
  const std::string extra = extras.empty() ? "" : extras.front();
  const std::string command = command_of(app);
  if (command.empty() && extra.rfind('-', 0) != 0) {
    return "there is no command '" + extra +
           "'; commands: " + detail::closest_first(extra, command_names(app)) + "; see kappa --help";
  }
  const std::string usage = "kappa " + command + (command.empty() ? "" : " ") + "--help";
  if (command.empty()) {
    return "there is no option '" + extra +
           "' before a command; write it behind one, as in kappa solve TARGET " + extra + "; see " + usage;
  }
  if (extra.rfind("--", 0) == 0) {
    const std::string closest =
        detail::closest_first(extra.substr(0, extra.find('=')), option_names(*app.get_subcommands().front()));
    return "there is no option '" + extra + "'; the closest is " + closest.substr(0, closest.find(',')) +
           "; see " + usage;
  }
  if (extra.rfind('-', 0) == 0) {
    return "there is no option '" + extra + "'; see " + usage;
  }
  return "one word too many: '" + extra + "'; see " + usage;
}

/// An option without its value, or one that is given twice.
std::string describe_mismatch(const std::string& what) {
  const std::string option = what.substr(0, what.find(':'));
  return what.find("missing") != std::string::npos ? "option " + option + " needs a value"
                                                   : "option " + option + " may be given once";
}

int run(int argc, char** argv) {
  CLI::App app("kappa: second-order optimization with exchangeable curvature", "kappa");
  app.set_version_flag("--version", std::string("kappa ") + version, "Print the version and exit");
  app.set_help_flag("-h,--help", "Print this help and exit");
  app.get_formatter()->column_width(32);
  app.footer(examples);
  Run command;
  add_solve(app, command);
  add_list(app, command);
  add_plugin(app, command);
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& help) {  // --help and --version
    return app.exit(help);
  } catch (const CLI::ExtrasError&) {
    return complain(describe_extra(app));
  } catch (const CLI::ParseError& wrong) {
    const std::string name = command_of(app);
    const bool mismatch = dynamic_cast<const CLI::ArgumentMismatch*>(&wrong) != nullptr;
    return complain((mismatch ? describe_mismatch(wrong.what()) : wrong.what()) + "; see kappa " + name +
                    (name.empty() ? "" : " ") + "--help");
  }
  if (!command) {
    return complain("no command is given; commands: " + detail::closest_first("", command_names(app)) +
                    "; see kappa --help");
  }
  return command();
}

}  // namespace
}  // namespace kappa::cli

int main(int argc, char** argv) {
  try {
    return kappa::cli::run(argc, argv);
  } catch (const kappa::Error& wrong) {
    return kappa::cli::complain(wrong.what());
  } catch (const std::bad_alloc&) {
    return kappa::cli::complain("there is not enough memory for this problem and method");
  } catch (const std::exception& bug) {
    return kappa::cli::complain(std::string("internal error: ") + bug.what());
  }
}
