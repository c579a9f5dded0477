// Options of parts by name: how a value gets from a command line, a Method or a plugin into the small
// options struct of a part, and how the struct's defaults get into the documentation.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "kappa/base.h"

namespace kappa {

using OptionValue = std::variant<double, std::int64_t, bool, std::string>;

/// Text of a value, shortest form that reads back to the same value.
std::string to_text(const OptionValue& value);

/// Named values, in the order given.
class Options {
 public:
  Options() = default;
  Options(std::initializer_list<std::pair<std::string, OptionValue>> entries) : entries_(entries) {}

  /// Sets or replaces. Text is converted when a part reads it.
  void set(std::string name, OptionValue value);
  const std::vector<std::pair<std::string, OptionValue>>& entries() const { return entries_; }
  bool empty() const { return entries_.empty(); }
  friend bool operator==(const Options&, const Options&) = default;

 private:
  std::vector<std::pair<std::string, OptionValue>> entries_;
};

/// One option of a part, as documentation shows it.
struct OptionInfo {
  std::string name;
  std::string default_value;
  std::string source;   ///< where the default comes from
  std::string meaning;  ///< with unit and range
};

/// One member of an options struct S. The default is the struct's own initialiser.
template <class S>
struct Field {
  const char* name;
  std::variant<double S::*, Index S::*, bool S::*, std::string S::*> member;
  const char* source;
  const char* meaning;
};

namespace detail {
/// Converts `given` to the type of `current`; throws Error naming part, option and remedy.
OptionValue convert_option(std::string_view part, std::string_view option, const OptionValue& given,
                           const OptionValue& current);
[[noreturn]] void unknown_option(std::string_view part, std::string_view option,
                                 const std::vector<std::string>& valid);

inline OptionValue widen(double v) {
  return v;
}
inline OptionValue widen(Index v) {
  return static_cast<std::int64_t>(v);
}
inline OptionValue widen(bool v) {
  return v;
}
inline OptionValue widen(const std::string& v) {
  return v;
}
inline void narrow(const OptionValue& v, double& out) {
  out = std::get<double>(v);
}
inline void narrow(const OptionValue& v, Index& out) {
  out = static_cast<Index>(std::get<std::int64_t>(v));
}
inline void narrow(const OptionValue& v, bool& out) {
  out = std::get<bool>(v);
}
inline void narrow(const OptionValue& v, std::string& out) {
  out = std::get<std::string>(v);
}
}  // namespace detail

namespace detail {
// The two below are never inlined: where GCC 12 sees the struct's size it warns of members of other types,
// which the variant never selects.
template <class S>
[[gnu::noinline]] OptionValue read_member(const S& options, const Field<S>& field) {
  return std::visit([&](auto member) { return widen(options.*member); }, field.member);
}
template <class S>
[[gnu::noinline]] void write_member(S& options, const Field<S>& field, const OptionValue& value) {
  std::visit([&](auto member) { narrow(value, options.*member); }, field.member);
}
}  // namespace detail

/// The struct with the given options applied. Throws Error for an unknown name or an unreadable value.
template <class S>
S read_options(std::string_view part, const Options& given, std::span<const Field<S>> fields) {
  S out{};
  for (const auto& [name, value] : given.entries()) {
    bool found = false;
    for (const Field<S>& field : fields) {
      if (name == field.name) {
        detail::write_member(out, field,
                             detail::convert_option(part, name, value, detail::read_member(out, field)));
        found = true;
      }
    }
    if (!found) {
      std::vector<std::string> valid;
      for (const Field<S>& field : fields) {
        valid.emplace_back(field.name);
      }
      detail::unknown_option(part, name, valid);
    }
  }
  return out;
}

/// The documentation of every field, defaults read from the struct.
template <class S>
std::vector<OptionInfo> describe_options(std::span<const Field<S>> fields) {
  const S defaults{};
  std::vector<OptionInfo> out;
  for (const Field<S>& field : fields) {
    out.push_back({field.name, to_text(detail::read_member(defaults, field)), field.source, field.meaning});
  }
  return out;
}

}  // namespace kappa
