// Suite: a list of cases. A new suite is one file in suites/ and one registration line in
// suites/registration.cpp.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "bench/peer.h"
#include "bench/source.h"

namespace kappa::bench {

/// Which accuracy a peer is asked for. Each peer words it in its own stopping tests.
struct StopRule {
  enum class Aim {
    every_digit,        ///< as accurate as double arithmetic lets it be
    relative_decrease,  ///< until a step gains no more than tolerance * f
  } aim = Aim::every_digit;
  /// every_digit: for a peer without a test of its own for that, the tightest relative change that still
  /// gains digits.
  double tolerance = 0;
  Index max_trials = 1000;  ///< steps tried, accepted or not
};

struct Score {
  bool solved = false;
  double digits = 0;  ///< correct digits, 0 to 11
};

/// A further number of one solver on one case, such as the digits of its standard errors.
using Extra = std::pair<std::string, double>;

struct Case {
  std::string suite;
  std::string problem;
  std::string start;
  std::string target;  ///< what --data named; empty where the suite has no data
  Source source;
  StopRule stop;
  /// The least value of 1/2 |r|^2 known; infinite where none is.
  double reference = infinity;
  /// Judges a final point, given its objective and the least value that is known or was found by anyone.
  std::function<Score(const Run&, double value, double best)> score;
  /// Numbers only kappa's rows have; may be empty.
  std::function<std::vector<Extra>(const Run&)> extras;
  /// Relative excesses (f - best) / best whose first time is reported; empty for small problems.
  std::vector<double> targets;
};

/// What the command line says about which cases to make.
struct Selection {
  std::vector<std::string> data;  ///< bal and posegraph: files or generated specs
  std::vector<std::pair<std::string, double>> best_known;
  Index max_trials = 200;  ///< bal and posegraph: steps tried by a solver
};

struct Suite {
  const char* name;
  const char* title;
  const char* solved_means;  ///< one sentence, for tables and report
  enum class Threads { one, all } default_threads;
  std::vector<Case> (*cases)(const Selection&);
};

Suite nist_suite();
Suite mgh_suite();
Suite mgh_bounded_suite();
Suite bal_suite();
Suite posegraph_suite();

/// In the order of the registration lines.
const std::vector<Suite>& suites();

/// Whether `name` contains `pattern`, upper and lower case alike; with * in it the pattern must match the
/// whole name. The empty pattern matches all.
bool matches(std::string_view name, std::string_view pattern);

}  // namespace kappa::bench
