// kappa list [NAME]: the target schemes and the registered parts, or everything about one of them.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <iterator>
#include <memory>

#include "command.h"
#include "core/option_checks.h"
#include "json.h"
#include "kappa/plugin_host.h"
#include "plugins.h"
#include "text.h"

namespace kappa::cli {

namespace {

using enum Table::Align;

constexpr const char* kinds[] = {"optimizer", "curvature", "step", "acceptance", "loss", "problem"};

bool is_kind(const std::string& name) {
  return std::find(std::begin(kinds), std::end(kinds), name) != std::end(kinds);
}

/// Losses and problems of plugins, which have no kind in the registry.
std::vector<ListedPart> outside_registry() {
  std::vector<ListedPart> out;
  for (const LoadedPlugin* plugin : loaded_plugins()) {
    for (const PartInfo& loss : plugin->losses) {
      out.push_back({"loss", loss});
    }
    for (const PartInfo& problem : plugin->problems) {
      out.push_back({"problem", problem});
    }
  }
  return out;
}

std::vector<ListedPart> all_parts() {
  std::vector<ListedPart> out;
  for (const PartInfo& part : registry().list()) {
    out.push_back({kappa::name(part.kind), part});
  }
  for (ListedPart& part : outside_registry()) {
    out.push_back(std::move(part));
  }
  return out;
}

/// All, or those of this name. A part's kind names all parts of its kind.
Listing find(const std::string& name) {
  Listing out;
  std::vector<std::string> known;
  for (const TargetScheme& scheme : target_schemes()) {
    known.push_back(scheme.name);
    if (name.empty() || name == scheme.name || name == scheme.name + ":") {
      out.schemes.push_back(scheme);
    }
  }
  for (const ListedPart& part : all_parts()) {
    known.push_back(part.info.name);
    known.push_back(part.kind);
    if (name.empty() || name == part.info.name || name == part.kind) {
      out.parts.push_back(part);
    }
  }
  if (out.schemes.empty() && out.parts.empty() && !is_kind(name)) {
    const std::string closest = detail::closest_first(name, known);
    throw Error("there is no scheme or part '" + name + "'; the closest name is " +
                closest.substr(0, closest.find(',')) + "; kappa list shows all");
  }
  return out;
}

std::string overview(const Listing& listing) {
  std::string out;
  if (!listing.schemes.empty()) {
    Table table({left, left, left}, "  ");
    for (const TargetScheme& scheme : listing.schemes) {
      table.add({scheme.name, scheme.example, scheme.summary});
    }
    out += "targets, SCHEME:NAME\n" + table.text();
  }
  for (const char* kind : kinds) {
    Table table({left, left, left}, "  ");
    for (const ListedPart& part : listing.parts) {
      if (part.kind == kind) {
        table.add({part.info.name, part.info.origin, part.info.summary});
      }
    }
    if (!table.empty()) {
      out += (out.empty() ? "" : "\n") + std::string(kind) + "\n" + table.text();
    }
  }
  return out + "\nkappa list NAME shows the options of a part, or the names of a scheme.\n";
}

std::string options(const std::vector<OptionInfo>& given, const char* what) {
  Table table({left, left, left, left}, "  ");
  table.add({what, "default", "meaning", ""});
  for (const OptionInfo& option : given) {
    table.add({option.name, option.default_value, option.meaning,
               option.source.empty() ? "" : "[" + option.source + "]"});
  }
  return given.empty() ? "  no " + std::string(what) + "s\n" : table.text();
}

std::string describe(const ListedPart& listed) {
  const PartInfo& part = listed.info;
  Table table({left, left}, "  ");
  table.add({"summary", part.summary});
  table.add({"source", part.source});
  table.add({"origin", part.origin});
  return listed.kind + " " + part.name + "\n" + table.text() + "\n" + options(part.options, "option");
}

std::string describe(const TargetScheme& scheme) {
  Table table({left, left}, "  ");
  table.add({"summary", scheme.summary});
  table.add({"example", "kappa solve " + scheme.example});
  std::string out =
      "targets " + scheme.name + ":NAME\n" + table.text() + "\n" + options(scheme.keys, "key") + "\n";
  const std::vector<std::string> names = scheme.names();
  out += "  " + std::to_string(names.size()) + " names\n";
  for (const std::string& name : names) {
    out += "    " + name + "\n";
  }
  return out;
}

std::string details(const Listing& listing) {
  std::string out;
  for (const TargetScheme& scheme : listing.schemes) {
    out += (out.empty() ? "" : "\n") + describe(scheme);
  }
  for (const ListedPart& part : listing.parts) {
    out += (out.empty() ? "" : "\n") + describe(part);
  }
  return out;
}

}  // namespace

void add_list(CLI::App& app, Run& run) {
  struct Arguments {
    std::string name;
    bool json = false;
    std::shared_ptr<std::vector<std::string>> plugins;
  };
  const auto given = std::make_shared<Arguments>();
  CLI::App* command = app.add_subcommand("list", "List target schemes and parts, or all about one of them");
  command->add_option("NAME", given->name,
                      "A scheme (nist), a part (nielsen-damping) or a kind of part (step)");
  command->add_flag("--json", given->json, "One JSON object on standard output");
  given->plugins = add_plugin_option(*command);
  command->callback([given, &run] {
    run = [given] {
      load_plugins(*given->plugins);
      const Listing listing = find(given->name);
      const bool many = given->name.empty() || is_kind(given->name);
      print(given->json ? json(listing) : many ? overview(listing) : details(listing));
      return 0;
    };
  });
}

}  // namespace kappa::cli
