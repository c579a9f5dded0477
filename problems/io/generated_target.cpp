#include "problems/io/generated_target.h"

#include <algorithm>

namespace kappa::detail {

namespace {

/// Takes the piece before the next `separator` off the front of `rest`.
std::string_view take_until(char separator, std::string_view& rest) {
  const std::size_t at = std::min(rest.find(separator), rest.size());
  const std::string_view piece = rest.substr(0, at);
  rest.remove_prefix(std::min(at + 1, rest.size()));
  return piece;
}

}  // namespace

GeneratedTarget split_generated(std::string_view target, std::string_view usage) {
  constexpr std::string_view beginning = "generated/";
  const auto fail = [&](const std::string& sentence) { throw Error(std::string(target) + ": " + sentence); };
  if (!target.starts_with(beginning)) {
    fail(std::string(usage));
  }
  std::string_view rest = target.substr(beginning.size());
  GeneratedTarget out;
  out.kind = take_until('?', rest);
  while (!rest.empty()) {
    std::string_view value = take_until('&', rest);
    const std::string_view entry = value;
    const std::string_view key = take_until('=', value);
    if (key.size() == entry.size()) {
      fail("'" + std::string(entry) + "' has no value; " + std::string(usage));
    }
    for (const auto& earlier : out.keys) {
      if (earlier.first == key) {
        fail("the key '" + std::string(key) + "' is given twice");
      }
    }
    out.keys.emplace_back(key, value);
  }
  return out;
}

}  // namespace kappa::detail
