// kappa list [NAME]: the target schemes and the registered parts, or everything about one of them.
#include <CLI/CLI.hpp>
#include <memory>

#include "command.h"
#include "core/option_checks.h"
#include "json.h"
#include "text.h"

namespace kappa::cli {

namespace {

using enum Table::Align;

struct Listing {
  std::vector<TargetScheme> schemes;
  std::vector<PartInfo> parts;
};

bool is_kind(const std::string& name) {
  for (const PartKind kind :
       {PartKind::optimizer, PartKind::curvature, PartKind::step, PartKind::acceptance}) {
    if (name == kappa::name(kind)) {
      return true;
    }
  }
  return false;
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
  for (const PartInfo& part : registry().list()) {
    known.push_back(part.name);
    known.emplace_back(kappa::name(part.kind));
    if (name.empty() || name == part.name || name == kappa::name(part.kind)) {
      out.parts.push_back(part);
    }
  }
  if (out.schemes.empty() && out.parts.empty()) {
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
  for (const PartKind kind :
       {PartKind::optimizer, PartKind::curvature, PartKind::step, PartKind::acceptance}) {
    Table table({left, left, left}, "  ");
    for (const PartInfo& part : listing.parts) {
      if (part.kind == kind) {
        table.add({part.name, part.origin, part.summary});
      }
    }
    if (!table.empty()) {
      out += (out.empty() ? "" : "\n") + std::string(name(kind)) + "\n" + table.text();
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

std::string describe(const PartInfo& part) {
  Table table({left, left}, "  ");
  table.add({"summary", part.summary});
  table.add({"source", part.source});
  table.add({"origin", part.origin});
  return std::string(name(part.kind)) + " " + part.name + "\n" + table.text() + "\n" +
         options(part.options, "option");
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
  for (const PartInfo& part : listing.parts) {
    out += (out.empty() ? "" : "\n") + describe(part);
  }
  return out;
}

}  // namespace

void add_list(CLI::App& app, Run& run) {
  struct Arguments {
    std::string name;
    bool json = false;
  };
  const auto given = std::make_shared<Arguments>();
  CLI::App* command = app.add_subcommand("list", "List target schemes and parts, or all about one of them");
  command->add_option("NAME", given->name,
                      "A scheme (nist), a part (nielsen-damping) or a kind of part (step)");
  command->add_flag("--json", given->json, "One JSON object on standard output");
  command->callback([given, &run] {
    run = [given] {
      const Listing listing = find(given->name);
      const bool many = given->name.empty() || is_kind(given->name);
      print(given->json ? json(listing.schemes, listing.parts) : many ? overview(listing) : details(listing));
      return 0;
    };
  });
}

}  // namespace kappa::cli
