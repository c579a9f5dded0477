// The numbers above the tables: one line for each solver of a suite.
#pragma once

#include <string>
#include <vector>

#include "bench/measure.h"

namespace kappa::bench {

/// Infinite seconds: no case to take them from.
struct SolverSummary {
  std::string solver;
  int solved = 0;
  int cases = 0;
  double mean_digits = 0;        ///< over all cases, failures as they are
  double seconds_common = 0;     ///< sum of counted seconds over the cases that every solver solved
  double seconds_solved = 0;     ///< the same over the cases that this one solved
  double ratio_to_first = 0;     ///< seconds_common over the first solver's
  double geometric_ratio = 0;    ///< geometric mean of the ratios, the same cases
  double mean_error_digits = 0;  ///< mean of standard_error_digits, NaN where there are none
  int differing_bits = -1;       ///< cases whose bits depend on the threads; -1 where unchecked
};

struct SuiteSummary {
  int common = 0;  ///< cases that every solver solved
  std::vector<SolverSummary> solvers;
};

/// The time that counts: to the last target where a case has targets, to the solver's end where it has none.
double counted_seconds(const Measurement& m);

SuiteSummary summarize(const SuiteResult& result);

/// Time to target t with one thread over that with all of them; NaN where either did not get there.
double speed_up_to(const Measurement& m, std::size_t t);
/// Whether speed-ups were measured.
bool any_speed_ups(const SuiteResult& result);
/// Which targets' speed-ups the tables show: 1e-3 and the last.
std::vector<std::size_t> speed_up_targets(const std::vector<double>& targets);

/// The measurements of one case each, in order; entry s is solver s of the suite, or null where it was not
/// run.
struct CaseRow {
  std::string problem;
  std::string start;
  std::vector<const Measurement*> by_solver;
};
std::vector<CaseRow> rows_by_case(const SuiteResult& result);

/// The instances of the suite's performance profile, [solver][instance]: median seconds, or for cases with
/// targets the time to each of them. Infinite is a failure.
std::vector<std::vector<double>> profile_times(const SuiteResult& result);

/// "12.3 us", "1.23 ms", "-" where not finite; three significant digits.
std::string duration_text(double seconds);
/// "12.3 MB" (10^6 bytes), "1.23 GB"; three significant digits.
std::string memory_text(double bytes);
/// As many digits after the point; "-" where not finite.
std::string fixed_text(double value, int decimals);
/// "1 case", "2 cases"
std::string counted(std::size_t n, const char* noun);
/// "1e-3"
std::string power_text(double target);

}  // namespace kappa::bench
