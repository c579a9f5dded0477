// What a figure must be read with: the machine, the versions, the command.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace kappa::bench {

struct Machine {
  std::string processor;
  int cores = 1;  ///< hardware threads
  double memory_gib = 0;
  std::string system;
};

Machine this_machine();

/// Compiler and flags of this program.
std::string compiler();
std::string compile_flags();

/// Date and time in UTC, to the minute, ISO 8601.
std::string utc_now();

/// The command line as a shell would read it back.
std::string quoted_command(int argc, const char* const* argv);

/// What stands at the head of the JSON and the report.
struct Provenance {
  Machine machine;
  std::vector<std::pair<std::string, std::string>>
      versions;  ///< name, version or the sentence why it is absent
  std::string command;
  std::string date;
};

}  // namespace kappa::bench
