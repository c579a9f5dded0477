// Which of the user's elimination groups is eliminated: the lowest.
#pragma once

#include <cstdint>
#include <span>

namespace kappa::detail {

/// Of groups by parameter block, -1 for none: the lowest, or -1 where there is none.
inline std::int32_t lowest_group(std::span<const std::int32_t> groups) {
  std::int32_t out = -1;
  for (const std::int32_t g : groups) {
    out = g >= 0 && (out < 0 || g < out) ? g : out;
  }
  return out;
}

}  // namespace kappa::detail
