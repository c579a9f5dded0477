// The names of generated problems: "generated/KIND" or "generated/KIND?key=value&key=value".
#pragma once

#include <charconv>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <utility>
#include <vector>

#include "kappa/base.h"

namespace kappa::detail {

struct GeneratedTarget {
  std::string_view kind;
  /// Each key once, in the order given.
  std::vector<std::pair<std::string_view, std::string_view>> keys;
};

/// Takes `target` apart; the pieces are views of it. Throws Error for another beginning, a key without a
/// value and a key given twice; `usage` says in the message what would be right.
GeneratedTarget split_generated(std::string_view target, std::string_view usage);

/// The value of a key as a number. Throws Error where it is none.
template <class Number>
void parse_value(std::string_view target, std::string_view key, std::string_view text, Number& value) {
  const auto [stop, problem] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (problem != std::errc{} || stop != text.data() + text.size()) {
    throw Error(std::string(target) + ": the value of " + std::string(key) + " must be " +
                (std::is_integral_v<Number> ? "an integer" : "a number") + ", not '" + std::string(text) +
                "'");
  }
}

}  // namespace kappa::detail
