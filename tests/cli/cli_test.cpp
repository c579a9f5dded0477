#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cmath>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <random>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "kappa/random.h"
#include "kappa/registry.h"
#include "problems/analytic/mgh.h"
#include "problems/analytic/nist.h"
#include "problems/io/bal.h"
#include "problems/io/g2o.h"
#include "problems/targets.h"
#include "support/catch.h"

namespace {

using Arguments = std::vector<std::string>;
using Json = nlohmann::json;

struct Finished {
  int status = -1;  ///< the exit status, or 1000 + the signal that ended the process
  std::string out;
  std::string err;
};

[[noreturn]] void become_kappa(const Arguments& arguments) {
  std::vector<char*> raw;
  std::string program = KAPPA_CLI;
  raw.push_back(program.data());
  Arguments copy = arguments;
  for (std::string& a : copy) {
    raw.push_back(a.data());
  }
  raw.push_back(nullptr);
  std::signal(SIGINT, SIG_DFL);
  std::signal(SIGTERM, SIG_DFL);
  execv(program.c_str(), raw.data());
  _exit(127);
}

int wait_for(pid_t pid) {
  int state = 0;
  REQUIRE(waitpid(pid, &state, 0) == pid);
  return WIFEXITED(state) ? WEXITSTATUS(state) : 1000 + WTERMSIG(state);
}

/// A signal that is sent once standard error holds this text.
struct SendSignal {
  int signal = 0;
  std::string after;
};

/// Runs kappa with both streams in pipes.
Finished run(const Arguments& arguments, const SendSignal& send = {}) {
  std::array<int, 2> out{};
  std::array<int, 2> err{};
  REQUIRE(pipe2(out.data(), O_CLOEXEC) == 0);
  REQUIRE(pipe2(err.data(), O_CLOEXEC) == 0);
  const pid_t pid = fork();
  REQUIRE(pid >= 0);
  if (pid == 0) {
    dup2(out[1], STDOUT_FILENO);
    dup2(err[1], STDERR_FILENO);
    become_kappa(arguments);
  }
  close(out[1]);
  close(err[1]);
  Finished done;
  std::array<pollfd, 2> streams = {pollfd{out[0], POLLIN, 0}, pollfd{err[0], POLLIN, 0}};
  std::array<std::string*, 2> texts = {&done.out, &done.err};
  bool sent = send.signal == 0;
  int open_streams = 2;
  while (open_streams > 0 && poll(streams.data(), streams.size(), -1) > 0) {
    for (std::size_t i = 0; i < streams.size(); ++i) {
      if (streams[i].fd < 0 || streams[i].revents == 0) {
        continue;
      }
      std::array<char, 4096> buffer{};
      const ssize_t n = read(streams[i].fd, buffer.data(), buffer.size());
      if (n > 0) {
        texts[i]->append(buffer.data(), static_cast<std::size_t>(n));
      } else {
        close(streams[i].fd);
        streams[i].fd = -1;
        --open_streams;
      }
    }
    if (!sent && done.err.find(send.after) != std::string::npos) {
      kill(pid, send.signal);
      sent = true;
    }
  }
  done.status = wait_for(pid);
  return done;
}

/// Runs kappa on a terminal of its own; both streams end up in `out`.
Finished run_on_terminal(const Arguments& arguments) {
  int master = -1;
  const pid_t pid = forkpty(&master, nullptr, nullptr, nullptr);
  REQUIRE(pid >= 0);
  if (pid == 0) {
    setenv("TERM", "xterm", 1);
    become_kappa(arguments);
  }
  Finished done;
  std::array<char, 4096> buffer{};
  for (;;) {
    const ssize_t n = read(master, buffer.data(), buffer.size());
    if (n > 0) {
      done.out.append(buffer.data(), static_cast<std::size_t>(n));
    } else if (n == 0 || errno != EINTR) {  // EIO: the other end is closed
      break;
    }
  }
  close(master);
  done.status = wait_for(pid);
  return done;
}

std::size_t count(const std::string& text, const std::string& piece) {
  std::size_t n = 0;
  for (std::size_t at = text.find(piece); at != std::string::npos; at = text.find(piece, at + piece.size())) {
    ++n;
  }
  return n;
}

bool contains(const std::string& text, const std::string& piece) {
  return text.find(piece) != std::string::npos;
}

/// A solve that only a limit or a signal ends: a schedule has no test of progress.
Arguments endless(const Arguments& more) {
  Arguments out = {"solve",
                   "mgh:rosenbrock",
                   "--optimizer",
                   "newton",
                   "--curvature",
                   "running-diagonal",
                   "--acceptance",
                   "schedule",
                   "--gradient-tolerance",
                   "0",
                   "--max-iterations",
                   "1e15",
                   "--max-evaluations",
                   "1e15"};
  out.insert(out.end(), more.begin(), more.end());
  return out;
}

/// A folder that goes away at the end of the test.
struct ScratchFolder {
  std::filesystem::path path;
  ScratchFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "kappa-cli-XXXXXX").string();
    REQUIRE(mkdtemp(name.data()) != nullptr);
    path = name;
  }
  ~ScratchFolder() { std::filesystem::remove_all(path); }
  std::string file(const char* name) const { return (path / name).string(); }
};

std::string read_file(const std::string& path) {
  std::ifstream in(path);
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

const std::set<std::string> solve_keys = {
    "problem",       "method",      "outcome",       "termination", "reason",      "active_bounds",
    "initial_value", "final_value", "gradient_norm", "iterations",  "evaluations", "seconds",
    "threads",       "version",     "notes",         "x",           "epochs",      "gradient_equivalents"};

std::set<std::string> keys_of(const Json& object) {
  std::set<std::string> out;
  for (const auto& [key, ignored] : object.items()) {
    out.insert(key);
  }
  return out;
}

}  // namespace

TEST_CASE("kappa --version prints the version of the project") {
  const Finished done = run({"--version"});
  CHECK(done.status == 0);
  CHECK(done.out == "kappa " KAPPA_VERSION "\n");
}

TEST_CASE("kappa --help goes to standard output and shows how to solve and list") {
  const Finished done = run({"--help"});
  CHECK(done.status == 0);
  CHECK(done.err.empty());
  CHECK(contains(done.out, "kappa solve nist:Misra1a"));
  CHECK(contains(done.out, "kappa list"));
  CHECK(contains(run({"solve", "--help"}).out, "--gradient-tolerance"));
}

TEST_CASE("solve --json prints one object with exactly the documented keys and nothing else") {
  const Finished done = run({"solve", "nist:misra1a", "--json"});
  CHECK(done.status == 0);
  CHECK(done.err.empty());
  const Json j = Json::parse(done.out);
  CHECK(keys_of(j) == solve_keys);
  CHECK(j["problem"] == "nist:Misra1a");
  CHECK(keys_of(j["method"]) == std::set<std::string>{"optimizer", "curvature", "step", "acceptance"});
  CHECK(keys_of(j["evaluations"]) == std::set<std::string>{"value", "gradient", "linearization", "product"});
  CHECK(j["method"]["optimizer"] == "levenberg-marquardt");
  CHECK(j["outcome"] == "converged");
  CHECK(j["version"] == KAPPA_VERSION);
  CHECK(j["threads"] >= 1);
  const kappa::NistProblem& certified = kappa::nist_problem("Misra1a");
  CHECK(j["x"].size() == 2);
  CHECK(j["x"][0].get<double>() == Approx(certified.certified[0]).epsilon(1e-7));
  CHECK(2 * j["final_value"].get<double>() == Approx(certified.residual_sum_of_squares).epsilon(1e-9));
}

TEST_CASE("the summary of a NIST regression compares with the certified values") {
  const Finished done = run({"solve", "nist:Misra1a?start=2"});
  CHECK(done.status == 0);
  CHECK(done.err.empty());
  CHECK(contains(done.out, "nist:Misra1a?start=2 (2 variables, 14 residuals)"));
  CHECK(contains(done.out, "converged ("));
  CHECK(contains(done.out, "2.3894212918e+02"));  // NIST's b1
  CHECK(contains(done.out, "2.7070075241e+00"));  // and its standard deviation
  const std::size_t at = done.out.find("fewest correct digits of a parameter: ");
  REQUIRE(at != std::string::npos);
  CHECK(std::strtod(done.out.c_str() + at + 38, nullptr) > 7);
}

TEST_CASE("a bounded problem's result says which variables are at a bound") {
  const Finished done = run({"solve", "mgh-bounded:wood", "--json", "--optimizer", "newton"});
  CHECK(done.status == 0);
  const Json j = Json::parse(done.out);
  CHECK(keys_of(j) == solve_keys);
  REQUIRE(j["active_bounds"].size() == 1);
  const Json& active = j["active_bounds"][0];
  CHECK(keys_of(active) == std::set<std::string>{"variable", "name", "side", "multiplier"});
  CHECK(active["variable"] == 0);
  CHECK(active["side"] == "upper");
  CHECK(active["multiplier"].get<double>() > 0);
  CHECK(j["x"][0] == 0.0);
  const Finished summary = run({"solve", "mgh-bounded:wood"});
  CHECK(contains(summary.out, "x, entry 0 upper (multiplier "));
  CHECK(contains(summary.out, "of the projected one"));
  CHECK(Json::parse(run({"solve", "mgh:wood", "--json"}).out)["active_bounds"].empty());
  const Finished none = run({"solve", "mgh-bounded:28"});
  CHECK(none.status == 2);
  CHECK(contains(none.err, "28 to 31 are unconstrained"));
}

TEST_CASE("a target by number and factor is named in full in the result") {
  const Json j = Json::parse(run({"solve", "mgh:1?factor=10", "--json"}).out);
  CHECK(j["problem"] == "mgh:rosenbrock?factor=10");
  CHECK(j["final_value"].get<double>() < 1e-10);
}

TEST_CASE("each part of the recipe can be replaced by name") {
  const Finished done = run({"solve", "mgh:rosenbrock", "--json", "--optimizer", "newton", "--curvature",
                             "exact", "--acceptance", "strong-wolfe", "--metric", "identity"});
  CHECK(done.status == 0);
  const Json j = Json::parse(done.out);
  CHECK(j["method"]["optimizer"] == "newton");
  CHECK(j["method"]["curvature"] == "exact");
  CHECK(j["method"]["acceptance"] == "strong-wolfe");
}

TEST_CASE("an acceptance with another control than the recipe's step sets the step to auto") {
  const Finished done = run(
      {"solve", "mgh:rosenbrock", "--json", "--optimizer", "adaptive-rate", "--acceptance", "trust-region"});
  CHECK(done.err.empty());
  const Json j = Json::parse(done.out);
  CHECK(j["method"]["step"] != "scaled-gradient");
  CHECK(j["method"]["acceptance"] == "trust-region");
}

TEST_CASE("every optimizer that is listed solves a problem without more options") {
  for (const kappa::PartInfo& part : kappa::registry().list()) {
    if (part.kind == kappa::PartKind::optimizer) {
      const Finished done = run({"solve", "mgh:rosenbrock", "--json", "--optimizer", part.name});
      INFO(part.name << "\n" << done.err);
      if (part.name == "sophia-g") {  // least squares say nothing of how their targets are distributed
        CHECK(done.status == 2);
        CHECK(contains(done.err, "likelihood"));
        continue;
      }
      REQUIRE(done.status < 2);
      const Json j = Json::parse(done.out);
      CHECK(j["method"]["optimizer"] == part.name);
      CHECK(j["final_value"].get<double>() < j["initial_value"].get<double>());
    }
  }
}

TEST_CASE("--set reaches the part and the optimizer of its name") {
  const auto iterations = [](const Arguments& more) {
    Arguments arguments = {"solve", "nist:Misra1a", "--json"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    const Finished done = run(arguments);
    REQUIRE(done.status == 0);
    return Json::parse(done.out)["evaluations"]["value"].get<int>();
  };
  CHECK(iterations({"--set", "nielsen-damping.initial=1e6"}) > iterations({}));
  CHECK(iterations({"--set", "acceptance.initial=1e6"}) ==
        iterations({"--set", "nielsen-damping.initial=1e6"}));
  const Json j = Json::parse(run({"solve", "mgh:rosenbrock", "--json", "--optimizer", "newton", "--set",
                                  "newton.globalization=armijo"})
                                 .out);
  CHECK(j["method"]["acceptance"] == "armijo");
}

TEST_CASE("a solve that does not converge ends with status 1 and says which limit it was") {
  const Finished limit = run({"solve", "nist:MGH09", "--max-iterations", "1", "--json"});
  CHECK(limit.status == 1);
  CHECK(Json::parse(limit.out)["termination"] == "iteration limit");
  const Finished time = run(endless({"--time-limit", "0.2", "--json"}));
  CHECK(time.status == 1);
  CHECK(Json::parse(time.out)["termination"] == "time limit");
}

TEST_CASE("each kind of wrong input ends with status 2 and one sentence that names the remedy") {
  struct Wrong {
    Arguments arguments;
    const char* sentence;
  };
  const std::vector<Wrong> all = {
      {{}, "no command is given; commands: "},
      {{"slove"}, "there is no command 'slove'; commands: solve"},
      {{"--json"}, "there is no option '--json' before a command; write it behind one"},
      {{"solve"}, "solve needs a target, SCHEME:NAME, such as nist:Misra1a"},
      {{"solve", "Misra1a"}, "target 'Misra1a' has no scheme; write SCHEME:NAME, such as nist:"},
      {{"solve", "nits:Misra1a"}, "there is no target scheme 'nits'; valid schemes: nist"},
      {{"solve", ":"}, "there is no target scheme ''; valid schemes: "},
      {{"solve", "nist:"}, "nist: names no problem; write nist:NAME with one of "},
      {{"solve", "nist:Misra1q"}, "Misra1a"},
      {{"solve", "nist:Misra1a?start=3"}, "nist: option 'start' cannot be '3'; valid values: 1, 2"},
      {{"solve", "nist:Misra1a?begin=1"}, "nist: there is no key 'begin'; the valid one is start"},
      {{"solve", "nist:Misra1a?start"}, "'start' is no key; after the ? write key=value"},
      {{"solve", "nist:Misra1a?start=1&start=2"}, "key 'start' is given twice"},
      {{"solve", "mgh:99"}, "give a number from 1 to 35"},
      {{"solve", "mgh:rosenbrock?factor=-1"}, "mgh: key 'factor' cannot be '-1'; it takes a positive number"},
      {{"solve", "bal:"}, "bal: names no file"},
      {{"solve", "bal:no/such/file.txt"}, "no/such/file.txt: cannot be read: No such file"},
      {{"solve", "bal:generated/street?camras=3"}, "unknown key 'camras'; the keys are cameras"},
      {{"solve", "nist:Misra1a", "twice"}, "one word too many: 'twice'"},
      {{"solve", "nist:Misra1a", "--optimzer", "newton"},
       "there is no option '--optimzer'; the closest is --optimizer"},
      {{"solve", "nist:Misra1a", "--optimizer", "newtn"}, "there is no optimizer 'newtn'; valid names: "},
      {{"solve", "nist:Misra1a", "--curvature", "exat"}, "there is no curvature 'exat'; valid names: exact"},
      {{"solve", "nist:Misra1a", "--step", "qr"}, "there is no step 'qr'; valid names: damped-qr"},
      {{"solve", "nist:Misra1a", "--step"}, "option --step needs a value; see kappa solve --help"},
      {{"solve", "nist:Misra1a", "--seed", "1", "--seed", "2"}, "option --seed may be given once"},
      {{"solve", "nist:Misra1a", "-x"}, "there is no option '-x'; see kappa solve --help"},
      {{"solve", "nist:Misra1a", "--step", "steihaug-cg"}, "with this step acceptance trust-region"},
      {{"solve", "nist:Misra1a", "--acceptance", "armjo"}, "there is no acceptance 'armjo'; valid names: "},
      {{"solve", "nist:Misra1a", "--metric", "l1"}, "cannot be 'l1'; valid values: "},
      {{"solve", "nist:Misra1a", "--batch", "4"}, "use acceptance schedule"},
      {{"solve", "nist:Misra1a", "--seed", "4"}, "give --batch N as well"},
      {{"solve", "nist:Misra1a", "--max-iterations", "many"},
       "'--max-iterations' cannot be 'many'; it takes a whole number"},
      {{"solve", "nist:Misra1a", "--max-iterations", "-1"}, "it must be at least 0"},
      {{"solve", "nist:Misra1a", "--gradient-tolerance", "nan"},
       "'--gradient-tolerance' cannot be 'nan'; it takes a number"},
      {{"solve", "nist:Misra1a", "--step-tolerance", "-1"},
       "it must be at least 0, which switches the test off"},
      {{"solve", "nist:Misra1a", "--threads", "0"}, "'--threads' is 0; it must be at least 1"},
      {{"solve", "nist:Misra1a", "--threads", "1e9"}, "it must be at most 1024"},
      {{"solve", "nist:Misra1a", "--set", "initial=1"}, "write PART.OPTION=VALUE"},
      {{"solve", "nist:Misra1a", "--set", "nielsen-damping.inital=1"},
       "'nielsen-damping': there is no option 'inital'; valid options: initial"},
      {{"solve", "nist:Misra1a", "--set", "nielsen-damping.initial=big"},
       "'initial' cannot be 'big'; it takes a number"},
      {{"solve", "nist:Misra1a", "--set", "nielson.initial=1"},
       "there is no part 'nielson'; the parts in use are optimizer levenberg-marquardt, curvature auto, step "
       "auto, "
       "acceptance nielsen-damping"},
      {{"solve", "nist:Misra1a", "--set", "armijo.x=1"},
       "'armijo' is not in use; choose it with --acceptance armijo"},
      {{"solve", "nist:Misra1a", "--set", "levenberg-marquardt.x=1"}, "there is no option 'x'"},
      {{"solve", "nist:Misra1a", "--output", "/"}, "--output /: cannot be written: it is a folder"},
      {{"solve", "nist:Misra1a", "--output", "/no/such/folder/x"}, "there is no folder /no/such/folder"},
      {{"solve", "nist:Misra1a", "--output", "/dev/null"}, "it is not a regular file"},
      {{"solve", "nist:Misra1a", "--covariance", "a.txt"},
       "--covariance a.txt: the name must end in .csv or .json"},
      {{"solve", "nist:Misra1a", "--of", "b*"},
       "--of names blocks for --covariance FILE, which is not given"},
      {{"solve", "nist:Misra1a", "--picture", "a.gif"}, "--picture a.gif: the name must end in .html"},
      {{"solve", "nist:Misra1a", "--picture", "/tmp/a.png"},
       "--picture /tmp/a.png: there is nothing to draw of nist:Misra1a; .html and .ply are for bal: and g2o: "
       "targets, .png for network: targets"},
      {{"solve", "network:3-2", "--picture", "/tmp/a.png"}, "there is nothing to draw of network:3-2; "},
      {{"solve", "nist:Misra1a", "--picture", "/no/such/folder/a.ply"},
       "--picture /no/such/folder/a.ply: cannot be written: there is no folder"},
      {{"solve", "nist:Misra1a", "--picture", "/tmp/a.ply"},
       "there is nothing to draw of nist:Misra1a; .html and .ply are for bal: and g2o: targets"},
      {{"solve", "g2o:no-such.g2o"}, "no-such.g2o: cannot be read: "},
      {{"solve", "g2o:generated/cube"}, "unknown kind 'cube'"},
      {{"list", "nielson-damping"}, "the closest name is nielsen-damping"},
  };
  for (const Wrong& wrong : all) {
    const Finished done = run(wrong.arguments);
    std::string line = "kappa";
    for (const std::string& a : wrong.arguments) {
      line += " " + a;
    }
    INFO(line << "\n" << done.err);
    CHECK(done.status == 2);
    CHECK(done.out.empty());
    CHECK(done.err.rfind("kappa: ", 0) == 0);
    CHECK(count(done.err, "\n") == 1);
    CHECK(contains(done.err, wrong.sentence));
  }
}

TEST_CASE("list shows every part that is registered, and every scheme") {
  const Finished done = run({"list"});
  CHECK(done.status == 0);
  CHECK(done.err.empty());
  for (const kappa::PartInfo& part : kappa::registry().list()) {
    CHECK(contains(done.out, "  " + part.name + " "));
  }
  CHECK(contains(done.out, "nist:"));
  const Json j = Json::parse(run({"list", "--json"}).out);
  CHECK(j["parts"].size() == kappa::registry().list().size());
  CHECK(j["schemes"].size() == kappa::target_schemes().size());
  CHECK(j["schemes"][0]["names"].size() == 27);
}

TEST_CASE("list NAME shows the options of a part and the names of a scheme") {
  const kappa::PartInfo& part = kappa::registry().acceptance("nielsen-damping").info;
  const std::string text = run({"list", "nielsen-damping"}).out;
  REQUIRE(!part.options.empty());
  for (const kappa::OptionInfo& option : part.options) {
    CHECK(contains(text, option.name));
    CHECK(contains(text, option.meaning));
  }
  const std::string nist = run({"list", "nist"}).out;
  for (const kappa::NistProblem& problem : kappa::nist_problems()) {
    CHECK(contains(nist, std::string(problem.name) + "\n"));
  }
  const Json mgh = Json::parse(run({"list", "mgh", "--json"}).out);
  CHECK(mgh["schemes"].size() == 1);
  CHECK(mgh["parts"].empty());
  CHECK(mgh["schemes"][0]["names"].size() == 35);
}

TEST_CASE("a plugin's parts have the same names in list and solve, with where they come from") {
  const std::string file = std::string(KAPPA_TEST_PLUGINS) + "/handed_on.so";
  const Finished list = run({"list", "--json", "--plugin", file});
  REQUIRE(list.status == 0);
  const Json j = Json::parse(list.out);
  REQUIRE(j["plugins"].size() == 1);
  CHECK(j["plugins"][0]["path"].get<std::string>().ends_with("handed_on.so"));
  const auto part = std::find_if(j["parts"].begin(), j["parts"].end(),
                                 [](const Json& p) { return p["name"] == "handed-on"; });
  REQUIRE(part != j["parts"].end());
  CHECK((*part)["kind"] == "curvature");
  CHECK((*part)["origin"].get<std::string>().find("plugin handed-on 1.0 (") == 0);
  const Finished solve =
      run({"solve", "nist:Misra1a", "--plugin", file, "--curvature", "handed-on", "--json"});
  CHECK(solve.status == 0);
  CHECK(Json::parse(solve.out)["method"]["curvature"] == "handed-on");
  const Finished unknown = run({"solve", "nist:Misra1a", "--curvature", "handed-on"});
  CHECK(unknown.status == 2);
  const Finished absent = run({"list", "--plugin", "/nowhere/at/all.so"});
  CHECK(absent.status == 2);
  CHECK(absent.err.find("does not exist") != std::string::npos);
}

TEST_CASE("a plugin's problem is a target, its options the keys") {
  const std::string file = std::string(KAPPA_TEST_PLUGINS) + "/hostile_parts.so";
  const Finished good = run(
      {"solve", "plugin:hostile-problem?fault=none", "--optimizer", "newton", "--plugin", file, "--json"});
  CHECK(good.status == 0);
  CHECK(Json::parse(good.out)["problem"] == "plugin:hostile-problem?fault=none");
  for (const char* target : {"plugin:absent", "plugin:hostile-problem?fault",
                             "plugin:hostile-problem?other=1", "plugin:hostile-problem?fault=start-nan"}) {
    CAPTURE(target);
    const Finished wrong = run({"solve", target, "--plugin", file});
    CHECK(wrong.status == 2);
    CHECK(std::count(wrong.err.begin(), wrong.err.end(), '\n') == 1);
  }
}

TEST_CASE("plugin check ends with 0, 1 or 2 as the laws are kept, broken or cannot be looked at") {
  const std::string folder = std::string(KAPPA_TEST_PLUGINS) + "/";
  const Finished good = run({"plugin", "check", folder + "handed_on.so"});
  INFO(good.out);
  CHECK(good.status == 0);
  CHECK(good.out.find("BROKEN") == std::string::npos);
  const Finished wrong = run(
      {"plugin", "check", folder + "hostile_parts.so", "--json", "--set", "hostile.fault=asymmetric-later"});
  CHECK(wrong.status == 1);
  CHECK(Json::parse(wrong.out)["passed"] == false);
  const Finished claim = run({"plugin", "check", folder + "handed_on.so", "--exact", "handed-on"});
  CHECK(claim.status == 1);
  CHECK(claim.out.find("what to do") != std::string::npos);
  const Finished none = run({"plugin", "check", folder + "hostile_no_symbol.so"});
  CHECK(none.status == 2);
  CHECK(none.err.find("has no symbol") != std::string::npos);
  CHECK(run({"plugin"}).status == 2);
}

TEST_CASE("plugin new writes a project once, and only under a good name") {
  const auto before = std::filesystem::current_path();
  const auto folder = std::filesystem::temp_directory_path() / ("kappa_new_" + std::to_string(getpid()));
  std::filesystem::create_directory(folder);
  std::filesystem::current_path(folder);
  CHECK(run({"plugin", "new", "mine"}).status == 0);
  CHECK(std::filesystem::exists("mine/mine.cpp"));
  CHECK(run({"plugin", "new", "plain", "--language", "c"}).status == 0);
  CHECK(std::filesystem::exists("plain/plain.c"));
  const Finished again = run({"plugin", "new", "mine"});
  CHECK(again.status == 2);
  CHECK(again.err.find("nothing is overwritten") != std::string::npos);
  for (const char* name : {"Mine", "../mine", "", "-x", "a b"}) {
    CAPTURE(name);
    CHECK(run({"plugin", "new", name}).status == 2);
  }
  CHECK(run({"plugin", "new", "other", "--language", "rust"}).status == 2);
  CHECK_FALSE(std::filesystem::exists("other"));
  std::filesystem::current_path(before);
  std::filesystem::remove_all(folder);
}

TEST_CASE("in a pipe a solve says nothing on standard error, however long it takes") {
  const Finished done = run(endless({"--time-limit", "0.5"}));
  CHECK(done.err.empty());
  CHECK(contains(done.out, "time limit"));
}

TEST_CASE("on a terminal a solve redraws one line at most ten times a second and clears it") {
  const Finished done = run_on_terminal(endless({"--time-limit", "1"}));
  CHECK(done.status == 1);
  const std::size_t drawn = count(done.out, "\riteration ");
  CHECK(drawn >= 2);
  CHECK(drawn <= 11);
  const std::size_t last = done.out.rfind("\riteration ");
  REQUIRE(last != std::string::npos);
  const std::size_t cleared = done.out.find("\r\033[K", last);
  REQUIRE(cleared != std::string::npos);
  CHECK(done.out.find("problem  ", cleared) == cleared + 4);  // the summary begins on the cleared line
}

TEST_CASE("on a terminal --json shows no progress line") {
  const Finished done = run_on_terminal(endless({"--time-limit", "0.5", "--json"}));
  CHECK(count(done.out, "\033") == 0);
  CHECK(Json::parse(done.out)["termination"] == "time limit");
}

TEST_CASE("--verbose prints a row for each trial on standard error and leaves standard output alone") {
  const Finished done = run({"solve", "nist:Misra1a", "--verbose", "--json"});
  const Json j = Json::parse(done.out);
  CHECK(contains(done.err, "iteration"));
  CHECK(count(done.err, " accepted ") == j["iterations"].get<std::size_t>());
  CHECK(count(done.err, " start ") == 1);
}

TEST_CASE("Ctrl-C ends a solve with the best point so far and status 130") {
  const Finished done = run(endless({"--verbose"}), {SIGINT, " accepted "});
  CHECK(done.status == 130);
  CHECK(contains(done.out, "limit (stop requested)"));
  const Finished json = run(endless({"--verbose", "--json"}), {SIGINT, " accepted "});
  CHECK(json.status == 130);
  const Json j = Json::parse(json.out);
  CHECK(j["termination"] == "stop requested");
  CHECK(j["x"].size() == 2);
}

TEST_CASE("SIGTERM ends a solve alike, with status 143") {
  const Finished done = run(endless({"--verbose", "--json"}), {SIGTERM, " accepted "});
  CHECK(done.status == 143);
  CHECK(Json::parse(done.out)["termination"] == "stop requested");
}

TEST_CASE("Ctrl-C ends a bundle adjustment within its iterations") {
  const Arguments arguments = {"solve",
                               "bal:generated/tourist?cameras=60&points=6000",
                               "--json",
                               "--verbose",
                               "--gradient-tolerance",
                               "0",
                               "--decrease-tolerance",
                               "0",
                               "--step-tolerance",
                               "0"};
  const Finished done = run(arguments, {SIGINT, " start "});
  CHECK(done.status == 130);
  const Json j = Json::parse(done.out);
  CHECK(j["termination"] == "stop requested");
  CHECK(j["final_value"].get<double>() <= j["initial_value"].get<double>());
  CHECK(j.find("x") == j.end());
}

TEST_CASE("--output writes the vector x so that it reads back to the same bits") {
  const ScratchFolder folder;
  const std::string file = folder.file("x.txt");
  const Json j = Json::parse(run({"solve", "nist:Misra1a", "--json", "--output", file}).out);
  std::istringstream in(read_file(file));
  for (const Json& entry : j["x"]) {
    std::string line;
    REQUIRE(std::getline(in, line));
    CHECK(std::strtod(line.c_str(), nullptr) == entry.get<double>());
  }
  CHECK(std::distance(std::filesystem::directory_iterator(folder.path), {}) == 1);
}

TEST_CASE("--output of a bundle adjustment is a BAL file whose start is the solution") {
  const ScratchFolder folder;
  const std::string file = folder.file("solved.txt");
  const Finished first =
      run({"solve", "bal:generated/street?cameras=4&points=60", "--json", "--output", file});
  const Json j = Json::parse(first.out);
  CHECK(kappa::read_bal(file).cameras == 4);
  const Json again = Json::parse(run({"solve", "bal:" + file, "--json", "--max-iterations", "0"}).out);
  // Values with and without derivatives may differ in their rounding.
  CHECK(again["initial_value"].get<double>() == Approx(j["final_value"].get<double>()).epsilon(1e-12));
}

TEST_CASE("--output of a pose graph is a g2o file whose start is the solution") {
  const ScratchFolder folder;
  const std::string file = folder.file("solved.g2o");
  const Json j =
      Json::parse(run({"solve", "g2o:generated/grid?dimension=2&poses=60", "--json", "--output", file}).out);
  CHECK(j["outcome"] == "converged");
  CHECK(kappa::read_g2o(file).poses() == 60);
  const Json again = Json::parse(run({"solve", "g2o:" + file, "--json", "--max-iterations", "0"}).out);
  CHECK(again["initial_value"].get<double>() == Approx(j["final_value"].get<double>()).epsilon(1e-12));
}

TEST_CASE("--picture draws bundles and graphs as a page or as a file for mesh viewers") {
  const ScratchFolder folder;
  for (const char* target : {"bal:generated/street?cameras=4&points=60", "g2o:generated/torus?poses=40"}) {
    const std::string page = folder.file("picture.html");
    CHECK(run({"solve", target, "--picture", page, "--decrease-tolerance", "1e-9"}).status == 0);
    const std::string text = read_file(page);
    CHECK(text.starts_with("<!DOCTYPE html>"));
    CHECK(text.find("<dt>outcome</dt><dd>converged</dd>") != std::string::npos);
    const std::string mesh = folder.file("picture.ply");
    CHECK(run({"solve", target, "--picture", mesh, "--max-iterations", "0"}).status == 1);
    CHECK(read_file(mesh).starts_with("ply\nformat binary_little_endian 1.0\n"));
  }
  CHECK(std::distance(std::filesystem::directory_iterator(folder.path), {}) == 2);
}

TEST_CASE("--picture shows a network's filters, and samples above an autoencoder's reconstructions") {
  const ScratchFolder folder;
  const std::string file = folder.file("picture.png");
  const auto size_of = [&](const std::string& target) {
    CHECK(run({"solve", target, "--picture", file, "--max-iterations", "1"}).status == 1);
    const std::string bytes = read_file(file);
    REQUIRE(bytes.starts_with("\x89PNG\r\n\x1a\n"));
    const auto word = [&](std::size_t at) {
      return static_cast<unsigned char>(bytes[at + 2]) * 256 + static_cast<unsigned char>(bytes[at + 3]);
    };
    return std::pair(word(16), word(20));
  };
  // Tiles of 4 x 4 enlarged by 14, gaps of 14: 5 filters; 10 samples above as many reconstructions.
  CHECK(size_of("network:16-5-3?samples=30") == std::pair(14 * 24, 14 * 4));
  CHECK(size_of("network:16-5-16?samples=30&targets=features&loss=mean-square") ==
        std::pair(14 * 49, 14 * 9));
}

TEST_CASE("--covariance writes blocks by name and says what is undetermined") {
  const ScratchFolder folder;
  const std::string target = "bal:generated/tourist?cameras=3&points=30";
  const std::string csv = folder.file("c.csv");
  const Finished shown = run({"solve", target, "--covariance", csv, "--of", "camera *", "--of", "point 7"});
  CHECK(shown.out.find("7 gauge freedoms: translation x, translation y") != std::string::npos);
  const std::string table = read_file(csv);
  CHECK(table.starts_with("block,row,column,covariance\n\"camera 0\",0,0,"));
  // Three triangles of nine rows and one of three, below the header.
  CHECK(std::count(table.begin(), table.end(), '\n') == 1 + 3 * 45 + 6);
  const std::string file = folder.file("c.json");
  const Json summary = Json::parse(run({"solve", target, "--json", "--covariance", file}).out);
  CHECK(summary["covariance"]["null_space"].size() == 7);
  const Json blocks = Json::parse(read_file(file));
  CHECK(blocks["blocks"].size() == 33);
  CHECK(blocks["rank"] == 3 * 9 + 30 * 3 - 7);
  const Json& last = blocks["blocks"].back();
  CHECK(last["name"] == "point 29");
  CHECK(std::sqrt(last["covariance"][2][2].get<double>()) ==
        Approx(last["standard_errors"][2].get<double>()));
}

TEST_CASE("--threads sets the number of threads and changes no bit of the result") {
  const auto solve = [](const char* threads) {
    return Json::parse(run({"solve", "bal:generated/street?cameras=6&points=200", "--json",
                            "--max-iterations", "3", "--threads", threads})
                           .out);
  };
  const Json one = solve("1");
  const Json three = solve("3");
  CHECK(one["threads"] == 1);
  CHECK(three["threads"] == 3);
  CHECK(one["final_value"] == three["final_value"]);
}

namespace {

/// A stochastic solve of 3000 steps, saved after each tenth.
Arguments learns(const std::string& checkpoint, const Arguments& more = {}) {
  Arguments out = {"solve",  "nist:Thurber", "--optimizer",  "adahessian", "--batch",
                   "6",      "--epochs",     "500",          "--set",      "optimizer.rate=1e-3",
                   "--json", "--verbose",    "--checkpoint", checkpoint,   "--checkpoint-every",
                   "10",     "--validation", "nist:Thurber"};
  out.insert(out.end(), more.begin(), more.end());
  return out;
}

/// What of a result must not depend on interruptions.
Json lasting(const std::string& out) {
  Json result = Json::parse(out);
  for (const char* name : {"seconds", "notes"}) {
    result.erase(name);
  }
  return result;
}

}  // namespace

TEST_CASE("a solve that is killed at any step resumes to the same bits", "[checkpoint]") {
  const ScratchFolder folder;
  const std::string file = folder.path / "checkpoint";
  const Finished whole = run(learns(file));
  REQUIRE(whole.status == 0);
  const kappa::CounterRandom random(std::random_device{}());
  for (std::uint64_t k = 0; k < 3; ++k) {
    std::filesystem::remove(file);
    const kappa::Index step = 1 + random.below(2000, k);
    INFO("killed after step " << step);
    const Finished killed =
        run(learns(file),
            {SIGKILL, "\n" + std::string(9 - std::to_string(step).size(), ' ') + std::to_string(step) + " "});
    // It may have ended before the signal came, and then has all to show.
    if (killed.status == 1000 + SIGKILL) {
      const Finished resumed = run(learns(file, {"--resume"}));
      REQUIRE(resumed.status == 0);
      CHECK(lasting(resumed.out) == lasting(whole.out));
      CHECK(count(resumed.err, "\n") < count(whole.err, "\n"));
    }
  }
}

TEST_CASE("a batch solve goes on from its end with a larger limit, to the same bits", "[checkpoint]") {
  const ScratchFolder folder;
  const std::string file = folder.path / "checkpoint";
  const Arguments common = {"solve", "bal:generated/street?cameras=6&points=200", "--json", "--checkpoint",
                            file};
  const auto with = [&](const char* steps, const Arguments& more) {
    Arguments out = common;
    out.insert(out.end(), {"--max-iterations", steps});
    out.insert(out.end(), more.begin(), more.end());
    return run(out);
  };
  const Json whole = lasting(with("6", {}).out);
  with("2", {});
  CHECK(lasting(with("6", {"--resume"}).out) == whole);
}

TEST_CASE("--resume refuses what is not its own in one line", "[checkpoint]") {
  const ScratchFolder folder;
  const std::string file = folder.path / "checkpoint";
  const auto refused = [&](const Arguments& arguments, const char* why) {
    const Finished done = run(arguments);
    CHECK(done.status == 2);
    CHECK(count(done.err, "\n") == 1);
    INFO(done.err);
    CHECK(contains(done.err, why));
  };
  const Arguments rosenbrock = {"solve", "mgh:rosenbrock", "--checkpoint", file};
  Arguments resume = rosenbrock;
  resume.emplace_back("--resume");
  refused(resume, "cannot be read");
  REQUIRE(run(rosenbrock).status == 0);
  CHECK(run(resume).status == 0);
  refused({"solve", "mgh:rosenbrock?factor=10", "--checkpoint", file, "--resume"}, "another problem, start");
  refused({"solve", "mgh:rosenbrock", "--optimizer", "newton", "--checkpoint", file, "--resume"}, "another");
  refused({"solve", "nist:Misra1a", "--resume"}, "--checkpoint");
  refused({"solve", "nist:Misra1a", "--patience", "3"}, "--validation");
  refused({"solve", "nist:Misra1a", "--checkpoint", file, "--checkpoint-every", "0s"}, "positive");
  std::filesystem::resize_file(file, std::filesystem::file_size(file) - 9);
  refused(resume, "cut short");
}

TEST_CASE("learning on a terminal leaves a line for each epoch", "[checkpoint]") {
  const Finished done = run_on_terminal({"solve", "nist:Thurber", "--optimizer", "adam", "--batch", "6",
                                         "--epochs", "3", "--validation", "nist:Thurber"});
  CHECK(done.status == 0);
  for (const char* epoch : {"epoch 0 ", "epoch 1 ", "epoch 2 ", "epoch 3 "}) {
    CHECK(contains(done.out, epoch));
  }
  CHECK(contains(done.out, "validation"));
}
