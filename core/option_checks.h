// Checks of option values that parts share: choices by name and ranges. Every failure is an Error whose
// sentence names the part, the option, the value given and the remedy.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "kappa/options.h"

namespace kappa::detail {

/// `valid` as one comma-separated list, the names most like `given` first (Levenshtein distance; names at
/// the same distance keep their order).
std::string closest_first(std::string_view given, std::vector<std::string> valid);

/// The position of `given` among the valid choices. Throws Error naming all of them.
std::size_t choose_option(std::string_view part, std::string_view option, std::string_view given,
                          std::initializer_list<std::string_view> valid);

/// Throws Error "PART: option 'OPTION' is VALUE; RULE" unless `holds`. The rule says what to give, as in
/// "it must be positive".
void require_option(bool holds, std::string_view part, std::string_view option, const OptionValue& given,
                    std::string_view rule);

}  // namespace kappa::detail
