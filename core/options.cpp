#include "kappa/options.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <optional>

#include "core/option_checks.h"

namespace kappa {

namespace {

template <class Number>
std::string shortest(Number value) {
  std::array<char, 32> buffer;  // the longest shortest double, -2.2250738585072014e-308, has 24 characters
  const auto [end, error] = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value);
  expects(error == std::errc(), "to_text: the number does not fit the buffer");
  return {buffer.data(), end};
}

/// The whole text as a number; nothing where any of it is left over.
template <class Number>
std::optional<Number> read_number(std::string_view text) {
  Number out{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  if (error != std::errc() || end != text.data() + text.size()) {
    return std::nullopt;
  }
  return out;
}

/// Whole numbers in the notation of a double, "1e4", are counts too. The limit keeps the conversion exact.
std::optional<std::int64_t> whole(double value) {
  constexpr double exact_limit = 0x1p53;
  if (!(std::abs(value) <= exact_limit) || value != std::floor(value)) {
    return std::nullopt;
  }
  return static_cast<std::int64_t>(value);
}

std::optional<OptionValue> as_double(const OptionValue& given) {
  std::optional<double> out;
  if (const double* number = std::get_if<double>(&given)) {
    out = *number;
  } else if (const std::int64_t* count = std::get_if<std::int64_t>(&given)) {
    out = static_cast<double>(*count);
  } else if (const std::string* text = std::get_if<std::string>(&given)) {
    out = read_number<double>(*text);
  }
  if (!out || std::isnan(*out)) {
    return std::nullopt;
  }
  return *out;
}

std::optional<OptionValue> as_count(const OptionValue& given) {
  std::optional<std::int64_t> out;
  if (const std::int64_t* count = std::get_if<std::int64_t>(&given)) {
    out = *count;
  } else if (const double* number = std::get_if<double>(&given)) {
    out = whole(*number);
  } else if (const std::string* text = std::get_if<std::string>(&given)) {
    out = read_number<std::int64_t>(*text);
    if (const std::optional<double> value = out ? std::nullopt : read_number<double>(*text)) {
      out = whole(*value);
    }
  }
  if (!out) {
    return std::nullopt;
  }
  return *out;
}

std::optional<OptionValue> as_truth(const OptionValue& given) {
  if (std::holds_alternative<bool>(given)) {
    return given;
  }
  if (const std::string* text = std::get_if<std::string>(&given)) {
    if (*text == "true" || *text == "false") {
      return OptionValue(*text == "true");
    }
  }
  return std::nullopt;
}

std::optional<OptionValue> as_text(const OptionValue& given) {
  if (std::holds_alternative<std::string>(given)) {
    return given;
  }
  return std::nullopt;
}

/// What kind of value an option takes, with its default as the example.
std::string expected(const OptionValue& current) {
  const std::string example = to_text(current);
  switch (current.index()) {
    case 0:
      return "it takes a number, such as " + example;
    case 1:
      return "it takes a whole number, such as " + example;
    case 2:
      return "it takes true or false";
    default:
      return "it takes a text, such as '" + example + "'";
  }
}

std::string quoted(const OptionValue& value) {
  return std::holds_alternative<std::string>(value) ? "'" + to_text(value) + "'" : to_text(value);
}

/// Levenshtein's edit distance, one row of the table at a time.
std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) {
    row[j] = j;
  }
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({replaced, row[j] + 1, row[j - 1] + 1});
    }
  }
  return row[b.size()];
}

}  // namespace

std::string to_text(const OptionValue& value) {
  if (const double* number = std::get_if<double>(&value)) {
    return shortest(*number);
  }
  if (const std::int64_t* count = std::get_if<std::int64_t>(&value)) {
    return shortest(*count);
  }
  if (const bool* truth = std::get_if<bool>(&value)) {
    return *truth ? "true" : "false";
  }
  return std::get<std::string>(value);
}

void Options::set(std::string name, OptionValue value) {
  for (auto& [known, old] : entries_) {
    if (known == name) {
      old = std::move(value);
      return;
    }
  }
  entries_.emplace_back(std::move(name), std::move(value));
}

namespace detail {

OptionValue convert_option(std::string_view part, std::string_view option, const OptionValue& given,
                           const OptionValue& current) {
  constexpr std::array conversions = {as_double, as_count, as_truth, as_text};
  static_assert(conversions.size() == std::variant_size_v<OptionValue>);
  if (std::optional<OptionValue> converted = conversions[current.index()](given)) {
    return *std::move(converted);
  }
  throw Error(std::string(part) + ": option '" + std::string(option) + "' cannot be " + quoted(given) + "; " +
              expected(current));
}

void unknown_option(std::string_view part, std::string_view option, const std::vector<std::string>& valid) {
  const std::string unknown = std::string(part) + ": there is no option '" + std::string(option) + "'; ";
  if (valid.empty()) {
    throw Error(unknown + "remove it, this part takes no options");
  }
  throw Error(unknown + "valid options: " + closest_first(option, valid));
}

std::string closest_first(std::string_view given, std::vector<std::string> valid) {
  std::stable_sort(valid.begin(), valid.end(), [&](const std::string& a, const std::string& b) {
    return edit_distance(given, a) < edit_distance(given, b);
  });
  std::string out;
  for (const std::string& name : valid) {
    out += (out.empty() ? "" : ", ") + name;
  }
  return out;
}

std::size_t choose_option(std::string_view part, std::string_view option, std::string_view given,
                          std::initializer_list<std::string_view> valid) {
  const auto* found = std::find(valid.begin(), valid.end(), given);
  if (found == valid.end()) {
    throw Error(std::string(part) + ": option '" + std::string(option) + "' cannot be '" +
                std::string(given) +
                "'; valid values: " + closest_first(given, {valid.begin(), valid.end()}));
  }
  return static_cast<std::size_t>(found - valid.begin());
}

void require_option(bool holds, std::string_view part, std::string_view option, const OptionValue& given,
                    std::string_view rule) {
  if (!holds) {
    throw Error(std::string(part) + ": option '" + std::string(option) + "' is " + quoted(given) + "; " +
                std::string(rule));
  }
}

}  // namespace detail
}  // namespace kappa
