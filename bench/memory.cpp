#include "bench/memory.h"

#include <malloc.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <string_view>

#include "bench/thread_limit.h"

extern char** environ;

namespace kappa::bench {

namespace {

/// A line such as "VmHWM:     2168 kB" of the process's status, in bytes.
std::optional<double> status_bytes(std::string_view name) {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with(name) && line.size() > name.size() && line[name.size()] == ':') {
      return 1024.0 * std::strtod(line.c_str() + name.size() + 1, nullptr);
    }
  }
  return std::nullopt;
}

/// Sets the high-water mark back to what is resident (proc(5), clear_refs).
bool reset_peak() {
  std::ofstream file("/proc/self/clear_refs");
  file << "5" << std::flush;
  return file.good();
}

/// All that can be read until the other end is closed.
std::string read_all(int file) {
  std::string out;
  char buffer[256];
  for (ssize_t n; (n = read(file, buffer, sizeof buffer)) > 0;) {
    out.append(buffer, static_cast<std::size_t>(n));
  }
  return out;
}

}  // namespace

std::optional<double> peak_bytes_here(const Peer& peer, const Case& c, int threads) {
  malloc_trim(0);
  const bool reset = reset_peak();
  const std::optional<double> before = status_bytes("VmRSS");
  if (!reset || !before) {
    return std::nullopt;
  }
  ThreadLimit limit(threads);
  limit.run([&] { peer.solve(c, {.threads = threads}); });
  const std::optional<double> peak = status_bytes("VmHWM");
  return peak ? std::optional(*peak - *before) : std::nullopt;
}

std::optional<double> number_from_own_program(const std::vector<std::string>& arguments) {
  int ends[2];
  if (pipe(ends) != 0) {
    return std::nullopt;
  }
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
  posix_spawn_file_actions_addclose(&actions, ends[0]);
  posix_spawn_file_actions_addclose(&actions, ends[1]);
  std::vector<std::string> words = {"kappa-bench"};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<char*> argv;
  for (std::string& word : words) {
    argv.push_back(word.data());
  }
  argv.push_back(nullptr);
  pid_t child = 0;
  const int failed = posix_spawn(&child, "/proc/self/exe", &actions, nullptr, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  close(ends[1]);
  const std::string text = failed == 0 ? read_all(ends[0]) : "";
  close(ends[0]);
  int status = 0;
  if (failed != 0 || waitpid(child, &status, 0) != child || !WIFEXITED(status) || WEXITSTATUS(status) != 0) {
    return std::nullopt;
  }
  char* end = nullptr;
  const double value = std::strtod(text.c_str(), &end);
  return end != text.c_str() ? std::optional(value) : std::nullopt;
}

}  // namespace kappa::bench
