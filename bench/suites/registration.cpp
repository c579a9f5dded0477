#include <cctype>

#include "bench/suite.h"

namespace kappa::bench {

const std::vector<Suite>& suites() {
  static const std::vector<Suite> all = {
      nist_suite(),
      mgh_suite(),
      mgh_bounded_suite(),
      bal_suite(),
  };
  return all;
}

namespace {

char lower(char c) {
  return static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
}

bool matches_glob(std::string_view name, std::string_view pattern) {
  if (pattern.empty()) {
    return name.empty();
  }
  if (pattern.front() == '*') {
    return matches_glob(name, pattern.substr(1)) || (!name.empty() && matches_glob(name.substr(1), pattern));
  }
  return !name.empty() && lower(name.front()) == lower(pattern.front()) &&
         matches_glob(name.substr(1), pattern.substr(1));
}

}  // namespace

bool matches(std::string_view name, std::string_view pattern) {
  if (pattern.find('*') != std::string_view::npos) {
    return matches_glob(name, pattern);
  }
  return matches_glob(name, "*" + std::string(pattern) + "*");
}

}  // namespace kappa::bench
