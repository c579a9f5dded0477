// Counts the process's allocations, for the law that a product makes none.
#pragma once

#include <cstdint>

namespace kappa::cli {

/// False under sanitizers, which bring an operator new of their own.
bool allocations_are_counted();

/// Calls of operator new so far, those of plugins included.
std::uint64_t allocations_so_far();

}  // namespace kappa::cli
