#include "bench/summary.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace kappa::bench {

std::vector<CaseRow> rows_by_case(const SuiteResult& result) {
  std::vector<CaseRow> out;
  for (const Measurement& m : result.measurements) {
    if (out.empty() || out.back().problem != m.problem || out.back().start != m.start) {
      out.push_back({m.problem, m.start, std::vector<const Measurement*>(result.solvers.size(), nullptr)});
    }
    const auto at = std::find(result.solvers.begin(), result.solvers.end(), m.solver);
    out.back().by_solver[static_cast<std::size_t>(at - result.solvers.begin())] = &m;
  }
  return out;
}

double counted_seconds(const Measurement& m) {
  return m.targets.empty() ? m.median_seconds : m.seconds_to.back();
}

double speed_up_to(const Measurement& m, std::size_t t) {
  return std::isfinite(m.seconds_to_alone[t]) && std::isfinite(m.seconds_to[t])
             ? m.seconds_to_alone[t] / m.seconds_to[t]
             : std::nan("");
}

bool any_speed_ups(const SuiteResult& result) {
  return std::any_of(result.measurements.begin(), result.measurements.end(),
                     [](const Measurement& m) { return !m.seconds_to_alone.empty(); });
}

std::vector<std::size_t> speed_up_targets(const std::vector<double>& targets) {
  std::vector<std::size_t> out;
  for (std::size_t t = 0; t < targets.size(); ++t) {
    if (targets[t] == 1e-3 || t + 1 == targets.size()) {
      out.push_back(t);
    }
  }
  return out;
}

SuiteSummary summarize(const SuiteResult& result) {
  SuiteSummary out;
  const std::size_t n = result.solvers.size();
  out.solvers.resize(n);
  std::vector<double> logs(n, 0.0);
  std::vector<int> with_errors(n, 0);
  for (std::size_t s = 0; s < n; ++s) {
    out.solvers[s].solver = result.solvers[s];
  }
  for (const CaseRow& row : rows_by_case(result)) {
    const bool common = std::all_of(row.by_solver.begin(), row.by_solver.end(),
                                    [](const Measurement* m) { return m != nullptr && m->score.solved; });
    out.common += common ? 1 : 0;
    for (std::size_t s = 0; s < n; ++s) {
      const Measurement* m = row.by_solver[s];
      if (m == nullptr) {
        continue;
      }
      SolverSummary& own = out.solvers[s];
      ++own.cases;
      own.mean_digits += m->score.digits;
      if (m->score.solved) {
        ++own.solved;
        own.seconds_solved += counted_seconds(*m);
      }
      if (common) {
        own.seconds_common += counted_seconds(*m);
        logs[s] += std::log(counted_seconds(*m) / counted_seconds(*row.by_solver[0]));
      }
      for (const auto& [name, value] : m->extras) {
        if (name == "standard_error_digits") {
          own.mean_error_digits += value;
          ++with_errors[s];
        }
      }
      if (m->same_bits) {
        own.differing_bits = std::max(own.differing_bits, 0) + (*m->same_bits ? 0 : 1);
      }
    }
  }
  for (std::size_t s = 0; s < n; ++s) {
    SolverSummary& own = out.solvers[s];
    own.mean_digits /= own.cases;
    own.seconds_solved = own.solved > 0 ? own.seconds_solved : infinity;
    own.seconds_common = out.common > 0 ? own.seconds_common : infinity;
    own.mean_error_digits = with_errors[s] > 0 ? own.mean_error_digits / with_errors[s] : std::nan("");
    own.ratio_to_first = own.seconds_common / out.solvers[0].seconds_common;
    own.geometric_ratio = out.common > 0 ? std::exp(logs[s] / out.common) : std::nan("");
  }
  return out;
}

std::vector<std::vector<double>> profile_times(const SuiteResult& result) {
  std::vector<std::vector<double>> out(result.solvers.size());
  for (const CaseRow& row : rows_by_case(result)) {
    std::size_t targets = 0;
    for (const Measurement* m : row.by_solver) {
      targets = m != nullptr ? std::max(targets, m->targets.size()) : targets;
    }
    for (std::size_t s = 0; s < out.size(); ++s) {
      const Measurement* m = row.by_solver[s];
      if (targets == 0) {
        out[s].push_back(m != nullptr ? m->median_seconds : infinity);
      }
      for (std::size_t t = 0; t < targets; ++t) {
        out[s].push_back(m != nullptr ? m->seconds_to[t] : infinity);
      }
    }
  }
  return out;
}

std::string fixed_text(double value, int decimals) {
  if (!std::isfinite(value)) {
    return "-";
  }
  char text[64];
  std::snprintf(text, sizeof text, "%.*f", decimals, value);
  return text;
}

std::string duration_text(double seconds) {
  if (!std::isfinite(seconds)) {
    return "-";
  }
  const char* unit = seconds < 0.9995e-3 ? "us" : seconds < 0.9995 ? "ms" : "s";
  const double scaled = seconds < 0.9995e-3 ? seconds * 1e6 : seconds < 0.9995 ? seconds * 1e3 : seconds;
  const int decimals = scaled < 9.995 ? 2 : scaled < 99.95 ? 1 : 0;
  return fixed_text(scaled, decimals) + " " + unit;
}

std::string memory_text(double bytes) {
  const char* unit = bytes < 0.9995e9 ? "MB" : "GB";
  const double scaled = bytes < 0.9995e9 ? 1e-6 * bytes : 1e-9 * bytes;
  const int decimals = scaled < 9.995 ? 2 : scaled < 99.95 ? 1 : 0;
  return fixed_text(scaled, decimals) + " " + unit;
}

std::string counted(std::size_t n, const char* noun) {
  return std::to_string(n) + " " + noun + (n == 1 ? "" : "s");
}

std::string power_text(double target) {
  return "1e" + std::to_string(static_cast<int>(std::lround(std::log10(target))));
}

}  // namespace kappa::bench
