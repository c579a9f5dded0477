// The version of these headers. CMake's project version is the same, which a test holds them to.
#pragma once

namespace kappa {

inline constexpr const char* version = "0.1.0";

}  // namespace kappa
