// Counts the process's allocations, for the law that a product makes none.
#pragma once

#include <cstdint>

namespace kappa::cli {

/// False under sanitizers, which bring a malloc of their own, and where the C library is not GNU's.
bool allocations_are_counted();

/// Calls of malloc and its kin so far, those of plugins and of their libraries included.
std::uint64_t allocations_so_far();

}  // namespace kappa::cli
