#include <algorithm>
#include <atomic>
#include <cctype>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <filesystem>
#include <mutex>
#include <nlohmann/json.hpp>

#include "core/option_checks.h"
#include "core/parallel.h"
#include "kappa/plugin_host.h"
#include "kappa/version.h"
#include "plugins/host/library.h"
#include "plugins/host/object.h"
#include "problems/targets.h"

namespace kappa {

using detail::PluginPart;
using detail::SharedPart;

namespace {

constexpr const char* symbol = "kappa_plugin_entry";
constexpr std::uint64_t largest_table = 4096;  ///< bytes; no table of any version comes near it
constexpr std::int64_t most_parts = 1000;

/// The host's table as one plugin sees it, and who that is.
struct HostTable {
  kappa_host table{};  ///< first, so that a pointer to it is one to this
  const LoadedPlugin* plugin = nullptr;
};

struct Loaded {
  LoadedPlugin plugin;
  HostTable host;
  std::vector<SharedPart> losses, problems;
};

struct Loader {
  std::mutex mutex;
  std::deque<Loaded> plugins;  ///< references stay valid
  std::mutex log_mutex;
  PluginLog log;
};

Loader& state() {
  static auto* const out = new Loader;  // plugins may log while the process ends
  return *out;
}

void log_text(const kappa_host* host, std::int32_t level, const char* text) {
  Loader& s = state();
  const std::lock_guard lock(s.log_mutex);
  if (s.log && text != nullptr) {
    const LoadedPlugin& plugin = *reinterpret_cast<const HostTable*>(host)->plugin;
    try {
      s.log(level, plugin.name, text);
    } catch (...) {
      return;  // what the listener throws must not enter the plugin
    }
  }
}

kappa_status run_parallel(const kappa_host*, std::int64_t chunks, double work, kappa_body body, void* data) {
  if (body == nullptr || chunks < 0) {
    return KAPPA_BROKEN_CONTRACT;
  }
  std::mutex mutex;
  std::int64_t lowest = chunks;
  kappa_status worst = KAPPA_OK;
  try {
    detail::for_each_chunk(chunks, work, [&](Index chunk) {
      kappa_status status = KAPPA_ERROR;
      try {
        status = body(data, chunk);
      } catch (...) {
        status = KAPPA_ERROR;
      }
      if (status != KAPPA_OK) {
        const std::lock_guard lock(mutex);
        if (chunk < lowest) {
          lowest = chunk;
          worst = status;
        }
      }
    });
  } catch (...) {
    return KAPPA_ERROR;
  }
  return worst;
}

class Reader {
 public:
  Reader(std::string path, Loaded& loaded) : path_(std::move(path)), loaded_(loaded) {}

  /// Looks everything over; nothing is registered yet.
  std::vector<SharedPart> read(void* handle) {
    auto* const address = detail::find_symbol(handle, symbol);
    if (address == nullptr) {
      refuse(std::string("has no symbol ") + symbol +
             ", so it is no plugin of kappa's; write KAPPA_PLUGIN(...) in it, or export the function");
    }
    loaded_.host.plugin = &loaded_.plugin;
    kappa_host& host = loaded_.host.table;
    host.struct_size = sizeof host;
    host.abi = KAPPA_PLUGIN_ABI;
    host.version = version;
    host.log = log_text;
    host.parallel_for = run_parallel;
    decltype(&kappa_plugin_entry) entry = nullptr;
    static_assert(sizeof entry == sizeof address);
    std::memcpy(&entry, &address, sizeof entry);
    std::array<char, 4096> sentence{};
    const kappa_plugin* table = nullptr;
    try {
      table = entry(&host, {sentence.data(), sentence.size() - 1});
    } catch (...) {
      refuse(std::string(symbol) + " threw an exception through the C interface");
    }
    if (table == nullptr) {
      refuse(sentence[0] != '\0' ? "refuses to be loaded: " + std::string(sentence.data())
                                 : "refuses to be loaded and does not say why");
    }
    check_size(table->struct_size, offsetof(kappa_plugin, name), "the plugin's table");
    if (table->abi > KAPPA_PLUGIN_ABI || table->abi == 0) {
      refuse("speaks version " + std::to_string(table->abi) + " of plugin.h, this kappa up to " +
             std::to_string(KAPPA_PLUGIN_ABI) +
             "; build it with this kappa's header, or load it in a newer kappa");
    }
    check_size(table->struct_size, sizeof(kappa_plugin), "the plugin's table");
    loaded_.plugin.path = path_;
    loaded_.plugin.name = name_of(table->name, "the plugin");
    loaded_.plugin.version = table->version != nullptr ? table->version : "";
    if (table->parts < 1 || table->parts > most_parts || table->part == nullptr) {
      refuse("says that it has " + std::to_string(table->parts) + " parts; a plugin has from 1 to " +
             std::to_string(most_parts));
    }
    std::vector<SharedPart> out;
    for (std::int64_t i = 0; i < table->parts; ++i) {
      out.push_back(read_part(table->part[i], i));
    }
    return out;
  }

 private:
  [[noreturn]] void refuse(const std::string& why) const { throw Error("plugin " + path_ + ": " + why); }

  void check_size(std::uint64_t size, std::uint64_t least, const std::string& what) const {
    if (size < least || size > largest_table) {
      refuse(what + " says that it is " + std::to_string(size) + " bytes long, which must be from " +
             std::to_string(least) + " to " + std::to_string(largest_table) +
             "; set struct_size to the sizeof of the table");
    }
  }

  std::string name_of(const char* text, const std::string& what) const {
    const std::string name = text != nullptr ? text : "";
    const bool good =
        !name.empty() && name.size() <= 100 && std::all_of(name.begin(), name.end(), [](char c) {
          return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
        });
    if (!good) {
      refuse("the name of " + what + " is '" + name.substr(0, 100) +
             "'; names are made of lower-case letters, digits and hyphens");
    }
    return name;
  }

  SharedPart read_part(const kappa_part* part, std::int64_t number) const {
    const std::string which = "part " + std::to_string(number + 1);
    if (part == nullptr) {
      refuse(which + " is NULL");
    }
    check_size(part->struct_size, sizeof(kappa_part), which);
    if (part->kind < KAPPA_PART_CURVATURE || part->kind > KAPPA_PART_PROBLEM) {
      refuse(which + " is of kind " + std::to_string(part->kind) + ", which this kappa does not know");
    }
    static constexpr const char* kinds[] = {"curvature",  "step solver", "linear solver",
                                            "acceptance", "loss",        "problem"};
    auto out = std::make_shared<PluginPart>();
    out->kind = part->kind;
    out->host = &loaded_.host.table;
    out->table = part->table;
    out->info.kind = part->kind == KAPPA_PART_CURVATURE    ? PartKind::curvature
                     : part->kind == KAPPA_PART_ACCEPTANCE ? PartKind::acceptance
                                                           : PartKind::step;
    out->info.name = name_of(part->name, which);
    out->info.summary = part->summary != nullptr ? part->summary : "";
    out->info.source = part->source != nullptr ? part->source : "";
    out->info.origin = "plugin " + loaded_.plugin.name + " " + loaded_.plugin.version + " (" + path_ + ")";
    out->where = std::string(kinds[part->kind]) + " '" + out->info.name + "' of " + out->info.origin;
    if (part->table == nullptr) {
      refuse(out->where + " has no table");
    }
    check_size(*static_cast<const std::uint64_t*>(part->table), sizeof(std::uint64_t), out->where);
    if (const char* missing = detail::missing_entry(part->kind, part->table)) {
      refuse(out->where + " lacks the entry " + missing + ", which every part of its kind must have");
    }
    check_choices(*out);
    read_options(part->options, *out);
    return out;
  }

  void check_choices(const PluginPart& part) const {
    std::int32_t control = KAPPA_CONTROL_RADIUS;
    std::int32_t needs = KAPPA_TRIAL_VALUE;
    if (part.kind == KAPPA_PART_STEP_SOLVER) {
      control = part.as<kappa_step_solver>()->control;
    } else if (part.kind == KAPPA_PART_ACCEPTANCE) {
      control = part.as<kappa_acceptance>()->control;
      needs = part.as<kappa_acceptance>()->needs;
    }
    if (control < KAPPA_CONTROL_RADIUS || control > KAPPA_CONTROL_STEP_LENGTH) {
      refuse(part.where + ": its control is " + std::to_string(control) + "; it must be a KAPPA_CONTROL_...");
    }
    if (needs < KAPPA_TRIAL_VALUE || needs > KAPPA_TRIAL_NOTHING) {
      refuse(part.where + ": its needs are " + std::to_string(needs) + "; they must be a KAPPA_TRIAL_...");
    }
  }

  void read_options(const char* text, PluginPart& part) const {
    if (text == nullptr) {
      return;
    }
    using Json = nlohmann::json;
    const Json list = Json::parse(text, nullptr, false);
    const auto malformed = [&] {
      refuse(part.where +
             ": its list of options is not JSON of the form [{\"name\": ..., \"default\": ..., "
             "\"source\": ..., \"meaning\": ...}]");
    };
    if (!list.is_array()) {
      malformed();
    }
    for (const Json& option : list) {
      if (!option.is_object() || !option.contains("name") || !option["name"].is_string() ||
          !option.contains("default")) {
        malformed();
      }
      const Json& value = option["default"];
      OptionValue example;
      if (value.is_boolean()) {
        example = value.get<bool>();
      } else if (value.is_number_integer()) {
        example = value.get<std::int64_t>();
      } else if (value.is_number()) {
        example = value.get<double>();
      } else if (value.is_string()) {
        example = value.get<std::string>();
      } else {
        malformed();
      }
      const auto words = [&](const char* key) {
        return option.contains(key) && option[key].is_string() ? option[key].get<std::string>()
                                                               : std::string();
      };
      part.defaults.push_back(example);
      part.info.options.push_back(
          {option["name"].get<std::string>(), to_text(example), words("source"), words("meaning")});
    }
  }

  std::string path_;
  Loaded& loaded_;
};

bool registered(const PluginPart& part) {
  return part.kind != KAPPA_PART_LOSS && part.kind != KAPPA_PART_PROBLEM;
}

/// Throws where a name is taken, before anything is registered.
void check_names(const std::vector<SharedPart>& parts, const Loader& s) {
  const std::vector<PartInfo> known = registry().list();
  const auto clash = [](const PluginPart& part, const std::string& other) {
    throw Error(part.where + " has the name of one that is already there (" + other +
                "); give it another name");
  };
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const PluginPart& part = *parts[i];
    for (std::size_t j = 0; j < i; ++j) {
      if (parts[j]->info.name == part.info.name && parts[j]->info.kind == part.info.kind &&
          registered(part) == registered(*parts[j])) {
        clash(part, parts[j]->where);
      }
    }
    for (const PartInfo& other : known) {
      if (registered(part) && other.kind == part.info.kind && other.name == part.info.name) {
        clash(part, other.origin);
      }
    }
    for (const Loaded& loaded : s.plugins) {
      for (const auto* list : {&loaded.losses, &loaded.problems}) {
        for (const SharedPart& other : *list) {
          if (other->kind == part.kind && other->info.name == part.info.name) {
            clash(part, other->where);
          }
        }
      }
    }
  }
}

void enter(const SharedPart& part, Loaded& loaded) {
  switch (part->kind) {
    case KAPPA_PART_CURVATURE:
      registry().add(detail::curvature_part(part));
      break;
    case KAPPA_PART_STEP_SOLVER:
      registry().add(detail::step_part(part));
      break;
    case KAPPA_PART_LINEAR_SOLVER:
      registry().add(detail::linear_solver_part(part));
      break;
    case KAPPA_PART_ACCEPTANCE:
      registry().add(detail::acceptance_part(part));
      break;
    case KAPPA_PART_LOSS:
      loaded.losses.push_back(part);
      loaded.plugin.losses.push_back(part->info);
      return;
    default:
      loaded.problems.push_back(part);
      loaded.plugin.problems.push_back(part->info);
      return;
  }
  loaded.plugin.parts.push_back(part->info);
}

const SharedPart& find_part(std::string_view name, std::vector<SharedPart> Loaded::*list, const char* kind) {
  Loader& s = state();
  const std::lock_guard lock(s.mutex);
  std::vector<std::string> known;
  for (const Loaded& loaded : s.plugins) {
    for (const SharedPart& part : loaded.*list) {
      if (part->info.name == name) {
        return part;
      }
      known.push_back(part->info.name);
    }
  }
  throw Error("no plugin that is loaded has a " + std::string(kind) + " '" + std::string(name) + "'" +
              (known.empty() ? std::string("; none has any")
                             : "; there are " + detail::closest_first(name, std::move(known))));
}

/// NAME?key=value&key=value, the keys as options of the problem.
Target load_plugin_target(std::string_view text) {
  Options options;
  std::string_view rest = text.substr(std::min(text.find('?'), text.size()));
  const std::string_view name = text.substr(0, text.size() - rest.size());
  while (!rest.empty()) {
    rest.remove_prefix(1);  // ? or &
    const std::string_view pair = rest.substr(0, rest.find('&'));
    const std::size_t equals = pair.find('=');
    if (equals == std::string_view::npos || equals == 0) {
      throw Error("plugin:" + std::string(text) + ": cannot read '" + std::string(pair) +
                  "'; write key=value");
    }
    options.set(std::string(pair.substr(0, equals)), std::string(pair.substr(equals + 1)));
    rest.remove_prefix(pair.size());
  }
  PluginProblem made = plugin_problem(name, options);
  Target out;
  out.name = text;
  out.problem = std::move(made.problem);
  out.x0 = std::move(made.x0);
  return out;
}

std::vector<std::string> plugin_target_names() {
  std::vector<std::string> out;
  for (const LoadedPlugin* plugin : loaded_plugins()) {
    for (const PartInfo& problem : plugin->problems) {
      out.push_back(problem.name);
    }
  }
  return out;
}

/// Targets plugin:NAME, from the first plugin that is loaded.
void add_plugin_targets() {
  static const bool added = [] {
    add_target_scheme({"plugin",
                       "The problems of the plugins that are loaded; their options are the keys.",
                       "plugin:NAME?key=value",
                       {},
                       plugin_target_names,
                       load_plugin_target});
    return true;
  }();
  static_cast<void>(added);
}

}  // namespace

namespace detail {

namespace {

/// The names of entries that a table must have.
template <class Table, class... Entry>
const char* first_missing(const void* table, std::initializer_list<const char*> names,
                          Entry Table::*... entries) {
  const auto* given = static_cast<const Table*>(table);
  const char* out = nullptr;
  const auto* name = names.begin();
  ((out = out == nullptr && entry(given, entries) == nullptr ? *name : out, ++name), ...);
  return out;
}

}  // namespace

const char* missing_entry(std::int32_t kind, const void* table) {
  switch (kind) {
    case KAPPA_PART_CURVATURE: {
      using T = kappa_curvature;
      return first_missing(table, {"create", "destroy", "needs", "refresh", "at_point"}, &T::create,
                           &T::destroy, &T::needs, &T::refresh, &T::at_point);
    }
    case KAPPA_PART_STEP_SOLVER: {
      using T = kappa_step_solver;
      return first_missing(table, {"create", "destroy", "prepare", "solve"}, &T::create, &T::destroy,
                           &T::prepare, &T::solve);
    }
    case KAPPA_PART_LINEAR_SOLVER: {
      using T = kappa_linear_solver;
      return first_missing(table, {"create", "destroy", "analyze", "factor", "solve"}, &T::create,
                           &T::destroy, &T::analyze, &T::factor, &T::solve);
    }
    case KAPPA_PART_ACCEPTANCE: {
      using T = kappa_acceptance;
      return first_missing(table, {"create", "destroy", "start", "judge"}, &T::create, &T::destroy, &T::start,
                           &T::judge);
    }
    case KAPPA_PART_LOSS: {
      using T = kappa_loss;
      return first_missing(table, {"create", "destroy", "evaluate"}, &T::create, &T::destroy, &T::evaluate);
    }
    default: {
      using T = kappa_problem;
      return first_missing(table, {"create", "destroy", "dimension", "initial", "evaluate"}, &T::create,
                           &T::destroy, &T::dimension, &T::initial, &T::evaluate);
    }
  }
}

}  // namespace detail

const LoadedPlugin& load_plugin(const std::string& path) {
  std::error_code failed;
  const std::filesystem::path absolute = std::filesystem::canonical(path, failed);
  const std::string file = failed ? path : absolute.string();
  detail::check_library(failed ? std::filesystem::absolute(path).string() : file);
  Loader& s = state();
  const std::lock_guard lock(s.mutex);
  for (const Loaded& other : s.plugins) {
    if (std::filesystem::equivalent(other.plugin.path, file, failed)) {
      throw Error("plugin " + file + ": is loaded already, as " + other.plugin.path);
    }
  }
  void* const handle = detail::open_library(file);
  Loaded& loaded = s.plugins.emplace_back();
  try {
    const std::vector<SharedPart> parts = Reader(file, loaded).read(handle);
    for (const Loaded& other : s.plugins) {
      if (&other != &loaded && other.plugin.name == loaded.plugin.name) {
        throw Error("plugin " + file + ": has the name '" + loaded.plugin.name + "' of one that is loaded (" +
                    other.plugin.path + "); give it another name");
      }
    }
    check_names(parts, s);
    for (const SharedPart& part : parts) {
      enter(part, loaded);
    }
    add_plugin_targets();
  } catch (...) {
    s.plugins.pop_back();
    // Where its entry has run, the library may have threads, and what it threw is its code's: it stays
    // mapped.
    if (detail::find_symbol(handle, symbol) == nullptr) {
      detail::close_library(handle);
    }
    throw;
  }
  return loaded.plugin;
}

Index load_plugins_from_path() {
  const char* variable = std::getenv("KAPPA_PLUGIN_PATH");
  std::string_view rest = variable != nullptr ? variable : "";
  Index count = 0;
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find(':'), rest.size());
    const std::filesystem::path folder(rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (folder.empty()) {
      continue;
    }
    if (!folder.is_absolute()) {
      throw Error("KAPPA_PLUGIN_PATH: '" + folder.string() +
                  "' depends on the working directory; name folders from the root, as in /usr/lib/kappa");
    }
    std::error_code failed;
    std::vector<std::string> files;
    for (const auto& file : std::filesystem::directory_iterator(folder, failed)) {
      if (file.path().extension() == ".so") {
        files.push_back(file.path().string());
      }
    }
    if (failed) {
      throw Error("KAPPA_PLUGIN_PATH: folder " + folder.string() + " cannot be read: " + failed.message());
    }
    std::sort(files.begin(), files.end());
    for (const std::string& file : files) {
      load_plugin(file);
      ++count;
    }
  }
  return count;
}

std::vector<const LoadedPlugin*> loaded_plugins() {
  Loader& s = state();
  const std::lock_guard lock(s.mutex);
  std::vector<const LoadedPlugin*> out;
  for (const Loaded& loaded : s.plugins) {
    out.push_back(&loaded.plugin);
  }
  return out;
}

Loss plugin_loss(std::string_view name, const Options& options) {
  return detail::make_loss(find_part(name, &Loaded::losses, "loss"), options);
}

PluginProblem plugin_problem(std::string_view name, const Options& options) {
  return detail::make_problem(find_part(name, &Loaded::problems, "problem"), options);
}

void set_plugin_log(PluginLog log) {
  Loader& s = state();
  const std::lock_guard lock(s.log_mutex);
  s.log = std::move(log);
}

}  // namespace kappa
