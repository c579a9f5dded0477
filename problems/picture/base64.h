// Bytes as text (RFC 4648), as pages carry numbers and images in them.
#pragma once

#include <string>

namespace kappa::detail {

std::string base64(const std::string& bytes);

}  // namespace kappa::detail
