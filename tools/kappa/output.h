// The solution as a file: in the target's own format where it has one, otherwise one number a line.
#pragma once

#include <string>

#include "kappa/base.h"
#include "problems/targets.h"

namespace kappa::cli {

/// Throws Error where a file of this name, given with this option, could not be written, so that a long solve
/// is not in vain.
void check_writable(const std::string& option, const std::string& path);

/// The file appears under its name only when complete.
void write_solution(const Target& target, ConstVectorRef x, const std::string& path);

}  // namespace kappa::cli
