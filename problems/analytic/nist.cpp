// Looks up NIST's regression problems by name and scores a solution by its log relative error (nist.h).
#include "problems/analytic/nist.h"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <cstddef>
#include <string>
#include <vector>

namespace kappa {
namespace {

std::string lower_case(std::string_view text) {
  std::string lowered(text);
  std::transform(lowered.begin(), lowered.end(), lowered.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return lowered;
}

// Levenshtein's distance, by rows.
std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) {
    row[j] = j;
  }
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i + 1;
    for (std::size_t j = 0; j < b.size(); ++j) {
      const std::size_t replaced = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({replaced, row[j] + 1, diagonal + 1});
    }
  }
  return row.back();
}

[[noreturn]] void unknown_problem(std::string_view name) {
  // A name this far off is no slip of the keyboard; longer ones would also make the table large.
  constexpr std::size_t close_enough = 2;
  constexpr std::size_t longest = 32;
  const std::string wanted = lower_case(name.substr(0, longest));
  std::string valid;
  const char* closest = nullptr;
  std::size_t smallest = close_enough + 1;
  for (const NistProblem& problem : nist_problems()) {
    const std::size_t distance = edit_distance(wanted, lower_case(problem.name));
    if (distance < smallest) {
      smallest = distance;
      closest = problem.name;
    }
    valid += valid.empty() ? "" : ", ";
    valid += problem.name;
  }
  std::string message = "nist: there is no problem '" + std::string(name) + "'";
  if (closest != nullptr) {
    message += " (did you mean " + std::string(closest) + "?)";
  }
  throw Error(message + "; valid names: " + valid);
}

}  // namespace

const NistProblem& nist_problem(std::string_view name) {
  const std::string wanted = lower_case(name);
  for (const NistProblem& problem : nist_problems()) {
    if (lower_case(problem.name) == wanted) {
      return problem;
    }
  }
  unknown_problem(name);
}

double log_relative_error(double value, double certified) {
  constexpr double certified_digits = 11.0;
  const double error = certified == 0.0 ? std::abs(value) : std::abs(value - certified) / std::abs(certified);
  if (!std::isfinite(error)) {
    return 0.0;
  }
  return std::clamp(0.0 - std::log10(error), 0.0, certified_digits);
}

double smallest_log_relative_error(ConstVectorRef values, ConstVectorRef certified) {
  expects(!values.empty(), "smallest_log_relative_error: needs at least one value");
  expects(values.size() == certified.size(),
          "smallest_log_relative_error: values and certified must have one length");
  double smallest = infinity;
  for (std::size_t i = 0; i < values.size(); ++i) {
    smallest = std::min(smallest, log_relative_error(values[i], certified[i]));
  }
  return smallest;
}

}  // namespace kappa
