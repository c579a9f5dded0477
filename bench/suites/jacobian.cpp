#include "bench/jacobian.h"

#include <chrono>
#include <cmath>
#include <limits>

#include "bench/grid.h"
#include "bench/statistics.h"
#include "bench/suites/structured.h"
#include "bench/summary.h"
#include "bench/thread_limit.h"

namespace kappa::bench {

namespace {

constexpr const char* default_target = "generated/tourist?cameras=16&points=22106&seed=1";
constexpr double shortest_sample = 20e-3;

/// Seconds of one evaluation, from as many as fill a sample.
double sample(JacobianWork& work) {
  using Clock = std::chrono::steady_clock;
  const Clock::time_point started = Clock::now();
  double seconds = 0;
  int times = 0;
  do {
    work.evaluate();
    ++times;
    seconds = std::chrono::duration<double>(Clock::now() - started).count();
  } while (seconds < shortest_sample);
  return seconds / times;
}

/// Block by block, against the block's largest entry.
double largest_difference(const std::vector<double>& a, const std::vector<double>& b) {
  if (a.size() != b.size()) {
    return std::numeric_limits<double>::quiet_NaN();
  }
  constexpr std::size_t block = 24;
  double out = 0;
  for (std::size_t first = 0; first < a.size(); first += block) {
    double largest = 0;
    double difference = 0;
    for (std::size_t i = first; i < first + block; ++i) {
      largest = std::max(largest, std::abs(a[i]));
      difference = std::max(difference, std::abs(a[i] - b[i]));
    }
    out = std::max(out, difference / largest);
  }
  return out;
}

std::vector<JacobianRow> run_one(const JacobianCase& c, int repeat, const ProgressFunction& progress,
                                 std::size_t done, std::size_t of) {
  const BalProblem& data = c.data;
  std::vector<std::unique_ptr<JacobianWork>> works = kappa_jacobian_works(data);
  for (auto& work : ceres_jacobian_works(data)) {
    works.push_back(std::move(work));
  }
  const std::vector<double> blocks = works.front()->jacobians();
  std::vector<JacobianRow> out;
  for (const auto& work : works) {
    work->evaluate();  // warms up
    out.push_back({.problem = c.problem,
                   .observations = data.observations,
                   .work = work->name(),
                   .nanoseconds = {},
                   .difference = largest_difference(blocks, work->jacobians())});
  }
  for (int round = 0; round < repeat; ++round) {
    progress(done + static_cast<std::size_t>(round), of, out.front().problem);
    for (std::size_t w = 0; w < works.size(); ++w) {
      out[w].nanoseconds.push_back(1e9 * sample(*works[w]) / static_cast<double>(data.observations));
    }
  }
  for (JacobianRow& row : out) {
    row.median = median(row.nanoseconds);
    row.ratio = row.median / out.front().median;
  }
  return out;
}

}  // namespace

std::vector<JacobianCase> jacobian_cases(const std::vector<std::string>& data) {
  std::vector<std::string> targets = bundles_among(data);
  if (targets.empty()) {
    targets.emplace_back(default_target);
  }
  std::vector<JacobianCase> out;
  for (const std::string& target : targets) {
    out.push_back({structured_name(target), load_bal(target)});
  }
  return out;
}

std::vector<JacobianRow> run_jacobian(const std::vector<JacobianCase>& cases, int repeat,
                                      const ProgressFunction& progress) {
  std::vector<JacobianRow> out;
  ThreadLimit limit(1);
  limit.run([&] {
    const auto rounds = static_cast<std::size_t>(repeat);
    for (std::size_t i = 0; i < cases.size(); ++i) {
      const auto rows = run_one(cases[i], repeat, progress, i * rounds, cases.size() * rounds);
      out.insert(out.end(), rows.begin(), rows.end());
    }
  });
  return out;
}

std::string jacobian_table(const std::vector<JacobianRow>& rows) {
  Grid grid(2);
  grid.add(
      {"problem", "one evaluation", "observations", "ns an observation", "x the first", "blocks differ by"});
  std::string before;
  for (const JacobianRow& row : rows) {
    char difference[32];
    std::snprintf(difference, sizeof difference, "%.1e", row.difference);
    grid.add({row.problem == before ? "" : row.problem, row.work, std::to_string(row.observations),
              fixed_text(row.median, 1), fixed_text(row.ratio, 2),
              std::isnan(row.difference) ? "" : difference});
    before = row.problem;
  }
  return "Jacobians of the reprojection residuals (jacobian): 1 thread, median of " +
         std::to_string(rows.empty() ? 0 : rows.front().nanoseconds.size()) + "\n\n" + grid.text();
}

}  // namespace kappa::bench
