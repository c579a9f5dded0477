// Suite logistic: L2-regularised logistic regression, kappa beside LIBLINEAR's TRON.
//
// Both begin with the parsed data set and are timed from there: their own form of the data, the solve, and
// taking it down. Both minimise |w|^2 / 2 + C sum_i log(1 + exp(-y_i w'x_i)) from w = 0 until |g| <= 1e-6
// |g(0)| in the Euclidean norm. LIBLINEAR stops at eps min(pos, neg) / l |g(0)|, so its eps is scaled for
// that; kappa's test is in the largest entry, 1e-6 |g(0)| / sqrt(n), which is no weaker. The harness judges
// every w by itself.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "bench/measure.h"
#include "kappa/data.h"

namespace kappa::bench {

struct LogisticCase {
  std::string problem;
  Dataset data;  ///< of two classes
};

inline constexpr double logistic_reduction = 1e-6;

struct LogisticRun {
  std::vector<double> w;
  Index iterations = 0;
  std::string reason;
};

class LogisticPeer {
 public:
  virtual ~LogisticPeer() = default;
  virtual std::string name() const = 0;
  /// The thread counts it is run with.
  virtual std::vector<int> threads(int most) const = 0;
  virtual LogisticRun solve(const Dataset& data, double C) const = 0;
};

std::vector<std::unique_ptr<LogisticPeer>> kappa_logistic_peers(const std::vector<std::string>& methods);
/// Empty where LIBLINEAR was not found when kappa-bench was built.
std::vector<std::unique_ptr<LogisticPeer>> liblinear_peers();

struct LogisticRow {
  std::string problem;
  double C = 1;
  std::string solver;
  int threads = 1;
  std::vector<double> seconds;  ///< one for each repeat
  double median = 0;
  double ratio = 0;           ///< LIBLINEAR's median over this one; NaN where it is absent
  double value = 0;           ///< the objective, by the harness
  double excess = 0;          ///< of the value over the least of all solvers, relative
  double gradient_ratio = 0;  ///< |g| / |g(0)|, by the harness
  Index iterations = 0;
  std::string reason;
};

/// The libsvm files that `data` names, or a generated set. Throws Error for a file that cannot be read or has
/// other than two classes.
std::vector<LogisticCase> logistic_cases(const std::vector<std::string>& data);

struct LogisticSettings {
  int most_threads = 2;
  int repeat = 5;
  std::vector<std::string> methods;  ///< kappa's; empty: newton
};
std::vector<LogisticRow> run_logistic(const std::vector<LogisticCase>& cases,
                                      const LogisticSettings& settings, const ProgressFunction& progress);

std::string logistic_table(const std::vector<LogisticRow>& rows);

}  // namespace kappa::bench
