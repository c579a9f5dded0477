#include "bench/table.h"

#include <algorithm>
#include <cmath>

#include "bench/grid.h"
#include "bench/summary.h"

namespace kappa::bench {

namespace {

std::string bits_text(const Measurement& m) {
  return !m.same_bits ? "" : *m.same_bits ? "yes" : "no";
}

std::string extra_text(const Measurement& m) {
  return m.extras.empty() ? "" : fixed_text(m.extras.front().second, 1);
}

bool any_bits(const SuiteResult& r) {
  return std::any_of(r.measurements.begin(), r.measurements.end(),
                     [](const Measurement& m) { return m.same_bits.has_value(); });
}

bool any_peaks(const SuiteResult& r) {
  return std::any_of(r.measurements.begin(), r.measurements.end(),
                     [](const Measurement& m) { return m.peak_bytes.has_value(); });
}

bool any_extras(const SuiteResult& r) {
  return std::any_of(r.measurements.begin(), r.measurements.end(),
                     [](const Measurement& m) { return !m.extras.empty(); });
}

std::string summary_table(const SuiteResult& result) {
  const SuiteSummary summary = summarize(result);
  Grid grid(1);
  const std::vector<double>& targets = result.measurements.front().targets;
  const std::string time = targets.empty() ? "time" : "time to " + power_text(targets.back());
  std::vector<std::string> head = {"solver", "solved", "mean digits", time + ", all solved",
                                   time + ", " + std::to_string(summary.common) + " common"};
  const bool several = summary.solvers.size() > 1;
  if (several) {
    head.emplace_back("x " + result.solvers[0]);
    head.emplace_back("geom. mean");
  }
  if (any_extras(result)) {
    head.emplace_back("std. error digits");
  }
  if (any_bits(result)) {
    head.emplace_back("bits differ");
  }
  grid.add(head);
  for (const SolverSummary& s : summary.solvers) {
    std::vector<std::string> row = {s.solver, std::to_string(s.solved) + "/" + std::to_string(s.cases),
                                    fixed_text(s.mean_digits, 2), duration_text(s.seconds_solved),
                                    summary.common > 0 ? duration_text(s.seconds_common) : "-"};
    if (several) {
      row.push_back(fixed_text(s.ratio_to_first, 2));
      row.push_back(fixed_text(s.geometric_ratio, 2));
    }
    if (any_extras(result)) {
      row.push_back(fixed_text(s.mean_error_digits, 2));
    }
    if (any_bits(result)) {
      row.push_back(s.differing_bits < 0 ? "" : std::to_string(s.differing_bits));
    }
    grid.add(row);
  }
  return grid.text();
}

/// One line a case, a group of columns a solver.
std::string wide_table(const SuiteResult& result) {
  Grid grid(2);
  const bool bits = any_bits(result);
  const bool extras = any_extras(result);
  std::vector<std::string> above = {"", ""};
  std::vector<std::string> head = {"problem", "start"};
  for (const std::string& solver : result.solvers) {
    above.insert(above.end(), {"|", "", solver, ""});
    head.insert(head.end(), {"|", "digits", "time", "it."});
    if (extras && solver.starts_with("kappa")) {
      above.emplace_back("");
      head.emplace_back("s.e.");
    }
    if (bits) {
      above.emplace_back("");
      head.emplace_back("bits");
    }
  }
  const bool two = result.solvers.size() == 2;
  if (two) {
    above.emplace_back("|");
    head.emplace_back("|");
    head.emplace_back("ratio");
  }
  grid.add(above);
  grid.add(head);
  for (const CaseRow& row : rows_by_case(result)) {
    std::vector<std::string> cells = {row.problem, row.start};
    for (std::size_t s = 0; s < result.solvers.size(); ++s) {
      cells.emplace_back("|");
      const Measurement* m = row.by_solver[s];
      if (m == nullptr) {
        cells.insert(cells.end(), {"", "", ""});
      } else {
        cells.push_back((m->score.solved ? "" : "! ") + fixed_text(m->score.digits, 1));
        cells.push_back(duration_text(m->median_seconds));
        cells.push_back(std::to_string(m->iterations));
      }
      if (extras && result.solvers[s].starts_with("kappa")) {
        cells.push_back(m != nullptr ? extra_text(*m) : "");
      }
      if (bits) {
        cells.push_back(m != nullptr ? bits_text(*m) : "");
      }
    }
    if (two) {
      cells.emplace_back("|");
      const bool both = row.by_solver[0] != nullptr && row.by_solver[1] != nullptr;
      cells.push_back(
          both ? fixed_text(row.by_solver[1]->median_seconds / row.by_solver[0]->median_seconds, 2) : "");
    }
    grid.add(cells);
  }
  return grid.text();
}

/// One line a solver, with the times to the targets.
std::string long_table(const SuiteResult& result) {
  Grid grid(2);
  std::vector<std::string> head = {"problem", "solver", "final cost", "digits"};
  for (const double target : result.measurements.front().targets) {
    head.push_back("to " + power_text(target));
  }
  head.insert(head.end(), {"end", "it."});
  const bool peaks = any_peaks(result);
  if (peaks) {
    head.emplace_back("peak memory");
  }
  if (any_bits(result)) {
    head.emplace_back("bits");
  }
  grid.add(head);
  const Measurement* before = nullptr;
  for (const Measurement& m : result.measurements) {
    const bool again = before != nullptr && before->problem == m.problem;
    std::vector<std::string> cells = {again ? "" : m.problem, m.solver, fixed_text(m.value, 2),
                                      (m.score.solved ? "" : "! ") + fixed_text(m.score.digits, 1)};
    for (const double seconds : m.seconds_to) {
      cells.push_back(duration_text(seconds));
    }
    cells.push_back(duration_text(m.median_seconds));
    cells.push_back(std::to_string(m.iterations));
    if (peaks) {
      cells.push_back(m.peak_bytes ? memory_text(*m.peak_bytes) : "-");
    }
    if (any_bits(result)) {
      cells.push_back(bits_text(m));
    }
    grid.add(cells);
    before = &m;
  }
  return grid.text();
}

/// Times to two of the targets with one thread and with all.
std::string speed_up_table(const SuiteResult& result) {
  Grid grid(2);
  const std::vector<double>& targets = result.measurements.front().targets;
  const std::vector<std::size_t> shown = speed_up_targets(targets);
  std::vector<std::string> head = {"problem", "solver"};
  for (const std::size_t t : shown) {
    head.insert(head.end(), {"|", "to " + power_text(targets[t]) + ", 1 thread",
                             counted(static_cast<std::size_t>(result.threads), "thread"), "speed-up"});
  }
  grid.add(head);
  const Measurement* before = nullptr;
  for (const Measurement& m : result.measurements) {
    const bool again = before != nullptr && before->problem == m.problem;
    std::vector<std::string> cells = {again ? "" : m.problem, m.solver};
    for (const std::size_t t : shown) {
      cells.insert(cells.end(), {"|", duration_text(m.seconds_to_alone[t]), duration_text(m.seconds_to[t]),
                                 fixed_text(speed_up_to(m, t), 2)});
    }
    grid.add(cells);
    before = &m;
  }
  return grid.text();
}

}  // namespace

std::string table(const SuiteResult& result) {
  std::string out =
      result.title + " (" + result.suite + "): " + counted(rows_by_case(result).size(), "case") + ", " +
      counted(static_cast<std::size_t>(result.threads), "thread") + ", median of " +
      std::to_string(result.repeat) + "\n" + result.solved_means + " Unsolved: !, and no time.\n\n";
  if (result.measurements.empty()) {
    return out + "no solver fits\n";
  }
  const bool targets = !result.measurements.front().targets.empty();
  out += (targets ? long_table(result) : wide_table(result)) + "\n" + summary_table(result);
  if (any_speed_ups(result)) {
    out += "\n" + speed_up_table(result);
  }
  if (!result.threads_seen.empty()) {
    out += "bits: final x with 1, 2, 4 and 8 threads; took part:";
    for (const int n : result.threads_seen) {
      out += " " + std::to_string(n);
    }
    out += "\n";
  }
  return out;
}

}  // namespace kappa::bench
