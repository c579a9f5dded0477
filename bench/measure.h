// Runs the cases and takes the times.
//
// For repeat r: for each case: for each solver: one sample. Rounds over all solvers, not all samples of one
// solver in a row, so that a machine that slows down for a while slows all sides alike. A sample of less than
// 2 ms is a batch: whole runs, from building the problem to taking it down, are repeated until 2 ms have
// passed, and the time is divided.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "bench/peer.h"
#include "bench/suite.h"

namespace kappa::bench {

/// The peak memory of a solver on a case in bytes; empty where it cannot be told.
using PeakMemory = std::function<std::optional<double>(const Case&, const Peer&)>;

struct MeasureOptions {
  int threads = 1;
  int repeat = 5;
  enum class Bits { unchecked, checked } bits = Bits::unchecked;
  /// Cases with targets also with one thread, interleaved.
  enum class SpeedUp { unmeasured, measured } speed_up = SpeedUp::unmeasured;
  PeakMemory peak_memory = nullptr;  ///< asked once for each solver of cases with targets; may be empty
};

/// One solver on one case.
struct Measurement {
  std::string problem;
  std::string start;
  std::string solver;
  Score score;
  double initial_value = 0;
  double value = 0;             ///< 1/2 |r|^2 at the final x, recomputed in plain double
  double best = 0;              ///< the least value known or found by any solver here
  std::vector<double> seconds;  ///< one for each repeat
  double median_seconds = 0;    ///< infinite where unsolved
  Index iterations = 0;
  Index evaluations = 0;
  std::string reason;
  std::vector<TracePoint>
      trace;                    ///< of the run with the median time, or of an extra run where runs are short
  std::vector<double> targets;  ///< the case's
  std::vector<double> seconds_to;        ///< median time to each target; infinite where it was not reached
  std::vector<double> seconds_to_alone;  ///< the same with one thread; empty unless it was asked for
  std::optional<bool> same_bits;         ///< final x with 1, 2, 4 and 8 threads
  std::optional<double> peak_bytes;      ///< of a run in a process of its own, without the parsed data
  std::vector<Extra> extras;
};

struct SuiteResult {
  std::string suite;
  std::string title;
  std::string solved_means;
  int threads = 1;
  int repeat = 1;
  std::vector<std::string> solvers;       ///< in the order of the tables' columns
  std::vector<Measurement> measurements;  ///< case by case, solvers in order
  std::vector<int> threads_seen;  ///< how many took part when 1, 2, 4, 8 were allowed; empty if unchecked
};

/// Told what is being done: cases done, cases in all, and a few words.
using ProgressFunction = std::function<void(std::size_t done, std::size_t of, const std::string& what)>;

SuiteResult measure(const Suite& suite, const std::vector<Case>& cases, const std::vector<const Peer*>& peers,
                    const MeasureOptions& options, const ProgressFunction& progress);

}  // namespace kappa::bench
