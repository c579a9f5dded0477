// What a command of the program is: it declares its arguments, and leaves behind what to run once they are
// read.
#pragma once

#include <functional>

namespace CLI {
class App;
}

namespace kappa::cli {

/// Exit statuses. A solve stopped by a signal ends with 128 + the signal's number, as shells have it.
inline constexpr int status_converged = 0;
inline constexpr int status_not_converged = 1;
inline constexpr int status_set_up_error = 2;

/// Set by the command that was named; returns the exit status.
using Run = std::function<int()>;

void add_solve(CLI::App& app, Run& run);
void add_list(CLI::App& app, Run& run);
void add_plugin(CLI::App& app, Run& run);

}  // namespace kappa::cli
