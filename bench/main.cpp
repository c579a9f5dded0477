// kappa-bench: kappa against its peers on the standard collections.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <sstream>

#include "bench/json.h"
#include "bench/measure.h"
#include "bench/memory.h"
#include "bench/pairs.h"
#include "bench/report.h"
#include "bench/table.h"
#include "kappa/plugin_host.h"

namespace kappa::bench {

namespace {

constexpr int everything_ran = 0;
constexpr int something_broke = 1;
constexpr int bad_usage = 2;

struct Arguments {
  std::vector<std::string> suites;
  std::string peers = "ceres";
  std::vector<std::string> methods;
  std::vector<std::string> data;
  std::string python = "/usr/bin/python3";
  std::string best_known;
  std::string only;
  std::string json;
  std::string report;
  int threads = 0;
  int repeat = 5;
  bool check_bits = false;
  bool no_memory = false;
  kappa::Index trials = 200;
  bool speed_up = false;
  std::string peak_memory_of;
  /// Of special_suites, those that are named.
  std::vector<std::string> special;
  kappa::Index epochs = 8;
  bool grid = false;
  double work = 0;
  std::string task = "classes";
  kappa::Index samples = 0;
  std::vector<std::string> plugins;
};

/// A line of words about the work, on a terminal only.
class ProgressLine {
 public:
  ~ProgressLine() { clear(); }
  void show(std::size_t done, std::size_t of, const std::string& what) {
    if (!terminal_) {
      return;
    }
    const std::string percent = std::to_string(of > 0 ? 100 * done / of : 0);
    const std::string text = percent + " %  " + what;
    std::fprintf(stderr, "\r\033[K%.78s", text.c_str());
    std::fflush(stderr);
    shown_ = true;
  }
  void clear() {
    if (shown_) {
      std::fprintf(stderr, "\r\033[K");
      std::fflush(stderr);
      shown_ = false;
    }
  }

 private:
  bool terminal_ = isatty(STDERR_FILENO) == 1;
  bool shown_ = false;
};

/// Suites that are no lists of problems to be solved: what they measure has a table of its own.
constexpr std::array special_suites = {"pairs", "jacobian", "gaussian", "logistic", "network", "learning"};

bool wants(const Arguments& a, const std::string& special) {
  return std::find(a.special.begin(), a.special.end(), special) != a.special.end();
}

std::string suite_names() {
  std::string out;
  for (const Suite& suite : suites()) {
    out += std::string(suite.name) + ", ";
  }
  for (const char* special : special_suites) {
    out += std::string(special) + ", ";
  }
  return out + "all";
}

std::vector<const Suite*> chosen_suites(Arguments& a) {
  std::vector<const Suite*> out;
  const auto add = [&](const Suite& suite) {
    if (std::find(out.begin(), out.end(), &suite) == out.end()) {
      out.push_back(&suite);
    }
  };
  for (const std::string& name : a.suites) {
    const auto found =
        std::find_if(suites().begin(), suites().end(), [&](const Suite& s) { return name == s.name; });
    if (found != suites().end()) {
      add(*found);
    } else if (std::find(special_suites.begin(), special_suites.end(), name) != special_suites.end()) {
      a.special.push_back(name);
    } else if (name == "all") {
      for (const Suite& suite : suites()) {
        add(suite);
      }
    } else {
      throw Error("there is no suite '" + name + "'; valid names: " + suite_names());
    }
  }
  if (out.empty() && a.special.empty()) {
    throw Error("no suite is named; valid names: " + suite_names());
  }
  return out;
}

/// Lines "PROBLEM COST"; # begins a comment.
std::vector<std::pair<std::string, double>> read_best_known(const std::string& path) {
  std::vector<std::pair<std::string, double>> out;
  std::ifstream file(path);
  if (!file) {
    throw Error("cannot read '" + path + "'; --best-known takes a file of lines PROBLEM COST");
  }
  int line_number = 0;
  for (std::string line; std::getline(file, line);) {
    ++line_number;
    std::istringstream words(line.substr(0, line.find('#')));
    std::string name;
    double cost = 0;
    if (!(words >> name)) {
      continue;
    }
    if (!(words >> cost) || !(cost > 0)) {
      throw Error(path + ":" + std::to_string(line_number) + ": expected PROBLEM COST with a positive cost");
    }
    out.emplace_back(name, cost);
  }
  return out;
}

/// The families named by --peers; one that is absent is said so and left out.
std::vector<Family> chosen_families(const Arguments& a) {
  std::vector<Family> all = other_families();
  std::vector<Family> out;
  std::istringstream names(a.peers);
  for (std::string name; std::getline(names, name, ',');) {
    if (name == "none") {
      continue;
    }
    const auto found = std::find_if(all.begin(), all.end(), [&](const Family& f) { return f.name == name; });
    if (found == all.end()) {
      std::string valid;
      for (const Family& family : all) {
        valid += (family.name.empty() ? "" : family.name + ", ");
      }
      throw Error("there is no peer '" + name + "'; valid names: " + valid + "none");
    }
    out.push_back(std::move(*found));
    found->name.clear();
  }
  return out;
}

Provenance provenance_of(int argc, const char* const* argv, const Family& kappa,
                         const std::vector<Family>& others) {
  Provenance out;
  out.machine = this_machine();
  out.versions.emplace_back(kappa.name, kappa.version);
  for (const Family& family : others) {
    out.versions.emplace_back(family.name, family.available() ? family.version : "absent");
  }
  out.versions.emplace_back("compiler", compiler());
  out.versions.emplace_back("flags", compile_flags());
  out.command = quoted_command(argc, argv);
  out.date = utc_now();
  return out;
}

/// Everything that can be wrong with the command line is found here, before the first case runs.
struct Plan {
  struct Part {
    const Suite* suite;
    std::vector<Case> cases;
  };
  std::vector<Part> parts;
  std::vector<JacobianCase> jacobian;
  std::vector<LogisticCase> logistic;
  Family kappa;
  std::vector<Family> others;
  std::string report_file;
};

Plan make_plan(Arguments& a) {
  Plan out;
  const std::vector<const Suite*> suites = chosen_suites(a);
  out.kappa = kappa_family(a.methods);
  out.others = chosen_families(a);
  if (a.threads < 0 || a.repeat < 1) {
    throw Error(a.threads < 0 ? "--threads takes 1 or more" : "--repeat takes 1 or more");
  }
  if (a.speed_up && (a.threads == 1 || (a.threads == 0 && this_machine().cores == 1))) {
    throw Error("--speed-up compares with one thread; it takes 2 or more --threads");
  }
  const auto takes_data = [&](const std::string& name) {
    return wants(a, name) ||
           std::any_of(suites.begin(), suites.end(), [&](const Suite* s) { return name == s->name; });
  };
  if (!a.data.empty() && !takes_data("bal") && !takes_data("posegraph") && !takes_data("jacobian") &&
      !takes_data("logistic") && !takes_data("learning")) {
    throw Error(
        "--data is for the suites bal, posegraph, jacobian, logistic and learning, of which none is named");
  }
  if (!a.json.empty()) {
    require_writable(a.json);
  }
  if (!a.report.empty()) {
    std::error_code why;
    std::filesystem::create_directories(a.report, why);
    if (why) {
      throw Error("cannot make the folder '" + a.report + "': " + why.message());
    }
    out.report_file = a.report + "/index.html";
    require_writable(out.report_file);
  }
  Selection selection;
  selection.data = a.data;
  selection.max_trials = a.trials;
  if (!a.best_known.empty()) {
    selection.best_known = read_best_known(a.best_known);
  }
  for (const Suite* suite : suites) {
    std::vector<Case> cases = suite->cases(selection);
    std::erase_if(cases, [&](const Case& c) { return !matches(c.problem, a.only); });
    if (cases.empty()) {
      throw Error("no problem of suite " + std::string(suite->name) + " matches '" + a.only +
                  "'; --only takes a part of a name, or a pattern with *");
    }
    out.parts.push_back({suite, std::move(cases)});
  }
  if (wants(a, "jacobian")) {
    out.jacobian = jacobian_cases(a.data);
  }
  if (wants(a, "logistic")) {
    out.logistic = logistic_cases(a.data);
  }
  if (wants(a, "network") && network_parts(a.only).empty()) {
    throw Error("no part of suite network matches '" + a.only +
                "'; its parts are called 'double, 1024', 'single, 4096' and so on, and 'dense Hessians'");
  }
  return out;
}

/// What asks for peak memory: this program, started anew for one case and one solver.
PeakMemory peak_memory(const Arguments& a, int threads) {
  if (a.no_memory) {
    return nullptr;
  }
  return [&a, threads](const Case& c, const Peer& peer) {
    std::vector<std::string> words = {c.suite,
                                      "--data",
                                      c.target,
                                      "--peak-memory-of",
                                      peer.name(),
                                      "--peers",
                                      a.peers,
                                      "--threads",
                                      std::to_string(threads),
                                      "--trials",
                                      std::to_string(a.trials)};
    for (const std::string& plugin : a.plugins) {
      words.insert(words.end(), {"--plugin", plugin});
    }
    if (!a.methods.empty()) {
      words.emplace_back("--methods");
      words.insert(words.end(), a.methods.begin(), a.methods.end());
    }
    return number_from_own_program(words);
  };
}

/// The child of peak_memory: one number on the standard output.
int print_peak_memory(const Plan& plan, const Arguments& a) {
  std::vector<const Family*> families = {&plan.kappa};
  for (const Family& family : plan.others) {
    families.push_back(&family);
  }
  for (const Family* family : families) {
    for (const auto& peer : family->peers) {
      if (peer->name() == a.peak_memory_of) {
        const std::optional<double> bytes =
            peak_bytes_here(*peer, plan.parts.front().cases.front(), std::max(a.threads, 1));
        if (bytes) {
          std::printf("%.17g\n", *bytes);
        }
        return bytes ? everything_ran : something_broke;
      }
    }
  }
  std::fprintf(stderr, "kappa-bench: no solver is called '%s'\n", a.peak_memory_of.c_str());
  return bad_usage;
}

int run(Arguments& a, int argc, const char* const* argv) {
  Plan plan;
  try {
    load_plugins_from_path();
    for (const std::string& plugin : a.plugins) {
      load_plugin(plugin);
    }
    plan = make_plan(a);
  } catch (const Error& e) {
    std::fprintf(stderr, "kappa-bench: %s\n", e.what());
    return bad_usage;
  }
  if (!a.peak_memory_of.empty()) {
    return print_peak_memory(plan, a);
  }
  std::vector<const Peer*> peers;
  for (const auto& peer : plan.kappa.peers) {
    peers.push_back(peer.get());
  }
  for (const Family& family : plan.others) {
    if (!family.available()) {
      std::fprintf(stderr, "kappa-bench: the peer %s is absent: %s\n", family.name.c_str(),
                   family.absence.c_str());
    }
    for (const auto& peer : family.peers) {
      peers.push_back(peer.get());
    }
  }
  ProgressLine line;
  Results results;
  for (const Plan::Part& part : plan.parts) {
    MeasureOptions options;
    options.threads = a.threads > 0                                        ? a.threads
                      : part.suite->default_threads == Suite::Threads::all ? this_machine().cores
                                                                           : 1;
    options.repeat = a.repeat;
    options.bits = a.check_bits ? MeasureOptions::Bits::checked : MeasureOptions::Bits::unchecked;
    options.speed_up = a.speed_up ? MeasureOptions::SpeedUp::measured : MeasureOptions::SpeedUp::unmeasured;
    options.peak_memory = peak_memory(a, options.threads);
    results.suites.push_back(measure(*part.suite, part.cases, peers, options,
                                     [&](std::size_t done, std::size_t of, const std::string& what) {
                                       line.show(done, of, std::string(part.suite->name) + "  " + what);
                                     }));
    line.clear();
    std::cout << (results.suites.size() > 1 ? "\n" : "") << table(results.suites.back()) << std::flush;
  }
  const ProgressFunction show = [&](std::size_t done, std::size_t of, const std::string& what) {
    line.show(done, of, what);
  };
  bool first = results.suites.empty();
  const auto print = [&](const std::string& text) {
    line.clear();
    std::cout << (first ? "" : "\n") << text << std::flush;
    first = false;
  };
  const int threads = a.threads > 0 ? a.threads : this_machine().cores;
  if (wants(a, "pairs")) {
    results.pairs = run_pairs(plan.parts.empty() ? a.only : "", std::max(a.threads, 1), show);
    print(markdown(*results.pairs));
  }
  if (wants(a, "jacobian")) {
    results.jacobian = run_jacobian(plan.jacobian, a.repeat, show);
    print(jacobian_table(results.jacobian));
  }
  if (wants(a, "gaussian")) {
    results.gaussian = run_gaussian(threads, a.repeat, show);
    print(gaussian_table(*results.gaussian));
  }
  if (wants(a, "logistic")) {
    results.logistic = run_logistic(
        plan.logistic, {.most_threads = threads, .repeat = a.repeat, .methods = a.methods}, show);
    print(logistic_table(results.logistic));
  }
  if (wants(a, "network")) {
    results.network = run_network(
        {.repeat = a.repeat, .threads = threads, .python = a.peers == "none" ? "" : a.python, .only = a.only},
        show);
    print(network_table(results.network));
  }
  if (wants(a, "learning")) {
    results.learning = run_learning({.data = a.data.empty() ? "" : a.data.front(),
                                     .epochs = a.epochs,
                                     .grid = a.grid,
                                     .work = a.work,
                                     .only = a.only,
                                     .task = a.task == "autoencoder" ? LearningOptions::Task::autoencoder
                                                                     : LearningOptions::Task::classes,
                                     .samples = a.samples,
                                     .threads = std::max(a.threads, 1)},
                                    show);
    print(learning_table(*results.learning));
  }
  const Provenance provenance = provenance_of(argc, argv, plan.kappa, plan.others);
  if (!a.json.empty()) {
    write_whole(a.json, json_text(provenance, results));
  }
  if (!a.report.empty()) {
    write_whole(plan.report_file, report_html(provenance, results));
  }
  return everything_ran;
}

}  // namespace

}  // namespace kappa::bench

int main(int argc, char** argv) {
  using namespace kappa::bench;
  Arguments a;
  CLI::App app{
      "Runs kappa and its peers on standard collections of problems, and compares accuracy and time."};
  app.name("kappa-bench");
  app.add_option("suites", a.suites, suite_names() + " (all: the first five)")->type_name("SUITE...");
  app.add_option("--peers", a.peers,
                 "solvers to compare with, by commas: ceres, ceres-dogleg, or none [ceres]")
      ->type_name("NAMES");
  app.add_option("--python", a.python,
                 "network: the interpreter that has PyTorch, which is left out by --peers none ["
                 "/usr/bin/python3]")
      ->type_name("PROGRAM");
  app.add_option(
      "--methods", a.methods,
      "kappa's methods: OPTIMIZER[,key=value]..., e.g. newton,curvature=hessian-free [levenberg-marquardt]");
  app.add_option("--plugin", a.plugins,
                 "load a plugin, whose parts --methods may then name; may be given many times")
      ->type_name("FILE")
      ->allow_extra_args(false);
  app.add_option("--only", a.only, "problems whose name contains this, or matches it where it has a *");
  app.add_option("--data", a.data,
                 "bal, posegraph, jacobian: files, or generated/KIND?key=value&...; logistic: libsvm files; "
                 "learning: a folder of idx.gz files")
      ->type_name("PATH...");
  app.add_option("--best-known", a.best_known, "bal, posegraph: file of lines PROBLEM COST")
      ->type_name("FILE");
  app.add_option("--threads", a.threads,
                 "threads of every solver [1 for small problems, all for bal and gaussian]")
      ->check(CLI::Range(1, 1024));
  app.add_option("--repeat", a.repeat, "samples of each time, of which the median counts [5]")
      ->check(CLI::Range(1, 100000));
  app.add_option("--json", a.json, "write the results here")->type_name("FILE");
  app.add_option("--report", a.report, "write an HTML page, index.html, into this folder")->type_name("DIR");
  app.add_flag("--check-bits", a.check_bits,
               "also solve with 1, 2, 4 and 8 threads: is the final x the same bit by bit?");
  app.add_flag("--speed-up", a.speed_up,
               "bal, posegraph: also with one thread, interleaved, and the ratios of the times");
  app.add_flag("--no-memory", a.no_memory, "bal, posegraph: do not measure each solver's peak memory");
  app.add_option("--trials", a.trials, "bal, posegraph: steps that a solver may try [200]")
      ->check(CLI::Range(1, 1000000));
  app.add_option("--peak-memory-of", a.peak_memory_of, "print the bytes one solver takes for one case")
      ->group("");  // how the program asks itself, not for the help
  app.add_option("--epochs", a.epochs, "learning: passes over the samples [8]")->check(CLI::Range(1, 100000));
  app.add_option("--work", a.work,
                 "learning: gradient-equivalents after which a method ends, instead of --epochs")
      ->check(CLI::PositiveNumber);
  app.add_option("--task", a.task, "learning: classes or autoencoder [classes]")
      ->check(CLI::IsMember({"classes", "autoencoder"}));
  app.add_option("--samples", a.samples, "learning: samples learnt from [all]")
      ->check(CLI::Range(1, 100000000));
  app.add_flag("--grid", a.grid, "learning: each method with several rates");
  app.set_version_flag("--version", "kappa-bench " KAPPA_VERSION);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    if (e.get_exit_code() == 0) {
      return app.exit(e);
    }
    std::fprintf(stderr, "kappa-bench: %s\nRun kappa-bench --help for the options.\n", e.what());
    return bad_usage;
  }
  try {
    return run(a, argc, argv);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "kappa-bench: %s\n", e.what());
    return something_broke;
  }
}
