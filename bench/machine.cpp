#include "bench/machine.h"

#include <sys/utsname.h>
#include <unistd.h>

#include <ctime>
#include <fstream>
#include <string_view>
#include <thread>

namespace kappa::bench {

Machine this_machine() {
  Machine out;
  out.cores = static_cast<int>(std::thread::hardware_concurrency());
  out.cores = out.cores > 0 ? out.cores : 1;
  const long pages = sysconf(_SC_PHYS_PAGES);
  const long page = sysconf(_SC_PAGE_SIZE);
  if (pages > 0 && page > 0) {
    out.memory_gib = static_cast<double>(pages) * static_cast<double>(page) / (1024.0 * 1024.0 * 1024.0);
  }
  utsname names{};
  if (uname(&names) == 0) {
    out.system = std::string(names.sysname) + " " + names.release + ", " + names.machine;
    out.processor = names.machine;
  }
  std::ifstream info("/proc/cpuinfo");
  for (std::string line; std::getline(info, line);) {
    if (line.starts_with("model name")) {
      const std::size_t colon = line.find(':');
      if (colon != std::string::npos && colon + 2 < line.size()) {
        out.processor = line.substr(colon + 2);
      }
      break;
    }
  }
  return out;
}

std::string compiler() {
#ifdef __clang__
  return "clang " __clang_version__;
#else
  return "g++ " __VERSION__;
#endif
}

std::string compile_flags() {
  return KAPPA_BENCH_FLAGS;
}

std::string utc_now() {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  gmtime_r(&now, &parts);
  char text[32];
  const std::size_t length = std::strftime(text, sizeof text, "%Y-%m-%dT%H:%MZ", &parts);
  return {text, length};
}

std::string quoted_command(int argc, const char* const* argv) {
  std::string out;
  for (int i = 0; i < argc; ++i) {
    std::string_view word = argv[i];
    if (i == 0) {
      word = word.substr(word.find_last_of('/') + 1);
    } else {
      out += ' ';
    }
    const bool plain = !word.empty() && word.find_first_not_of(
                                            "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                            "-_./,=:+@%") == std::string_view::npos;
    if (plain) {
      out += word;
      continue;
    }
    out += '\'';
    for (const char c : word) {
      out += c == '\'' ? std::string("'\\''") : std::string(1, c);
    }
    out += '\'';
  }
  return out;
}

}  // namespace kappa::bench
