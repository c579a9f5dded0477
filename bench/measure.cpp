#include "bench/measure.h"

#include <tbb/blocked_range.h>
#include <tbb/parallel_for.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstring>

#include "bench/statistics.h"
#include "bench/thread_limit.h"

namespace kappa::bench {

namespace {

using Clock = std::chrono::steady_clock;

constexpr double shortest_sample = 2e-3;
constexpr int bit_check_threads[] = {1, 2, 4, 8};

double seconds_since(Clock::time_point started) {
  return std::chrono::duration<double>(Clock::now() - started).count();
}

/// How many threads take part at once when `threads` are allowed; each waits a while for the others to come.
int threads_taking_part(int threads) {
  ThreadLimit limit(threads);
  return limit.run([&] {
    std::atomic<int> arrived{0};
    const Clock::time_point started = Clock::now();
    tbb::parallel_for(
        0, threads,
        [&](int) {
          ++arrived;
          while (arrived < threads && seconds_since(started) < 2.0) {
          }
        },
        tbb::simple_partitioner());
    // Fewer threads than tasks: a late task began only after an early one had given up waiting.
    return seconds_since(started) < 2.0 ? arrived.load() : threads - 1;
  });
}

bool same_bits(const std::vector<double>& a, const std::vector<double>& b) {
  return a.size() == b.size() &&
         (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(double)) == 0);
}

struct Sample {
  Run run;
  double seconds = 0;
};

Sample take_sample(const Peer& peer, const Case& c, const Settings& settings) {
  Sample out;
  int runs = 0;
  const Clock::time_point started = Clock::now();
  do {
    Run run = peer.solve(c, settings);
    ++runs;
    out.seconds = seconds_since(started) / runs;
    if (runs == 1) {
      out.run = std::move(run);
    }
  } while (out.seconds * runs < shortest_sample);
  return out;
}

/// The trace of a run with one thread.
std::vector<TracePoint> traced_alone(const Peer& peer, const Case& c) {
  ThreadLimit limit(1);
  return limit.run(
      [&] { return take_sample(peer, c, {.threads = 1, .trace = Settings::Trace::on}).run.trace; });
}

/// First time at which the trace is within `excess` of the best value; infinite where it never is.
double first_time_within(const std::vector<TracePoint>& trace, double best, double excess) {
  for (const TracePoint& point : trace) {
    if (point.value <= best * (1 + excess)) {
      return point.seconds;
    }
  }
  return infinity;
}

/// The median time to each target; none where there are no traces.
std::vector<double> median_times(const std::vector<std::vector<TracePoint>>& traces,
                                 const std::vector<double>& targets, double best) {
  std::vector<double> out;
  for (std::size_t t = 0; t < targets.size() && !traces.empty(); ++t) {
    std::vector<double> times;
    for (const std::vector<TracePoint>& trace : traces) {
      times.push_back(first_time_within(trace, best, targets[t]));
    }
    out.push_back(median(std::move(times)));
  }
  return out;
}

/// All samples of one solver on one case.
struct Samples {
  std::vector<double> seconds;
  std::vector<std::vector<TracePoint>> traces;
  std::vector<std::vector<TracePoint>> traces_alone;  ///< with one thread
  Run run;
};

Measurement summarize(const Case& c, const Peer& peer, Samples samples) {
  Measurement m;
  m.problem = c.problem;
  m.start = c.start;
  m.solver = peer.name();
  m.initial_value = objective(c.source, initial(c.source));
  m.value = objective(c.source, samples.run.x);
  m.seconds = std::move(samples.seconds);
  m.iterations = samples.run.iterations;
  m.evaluations = samples.run.evaluations;
  m.reason = samples.run.reason;
  m.targets = c.targets;
  if (c.targets.empty()) {
    m.trace = std::move(samples.run.trace);
  } else {
    std::vector<std::size_t> order(m.seconds.size());
    for (std::size_t i = 0; i < order.size(); ++i) {
      order[i] = i;
    }
    std::sort(order.begin(), order.end(),
              [&](std::size_t a, std::size_t b) { return m.seconds[a] < m.seconds[b]; });
    m.trace = samples.traces[order[order.size() / 2]];
  }
  return m;
}

/// What needs the results of all solvers on the case.
void judge(const Case& c, double best, const Samples& samples, Measurement& m) {
  m.best = best;
  m.score = c.score(samples.run, m.value, best);
  m.median_seconds = m.score.solved ? median(m.seconds) : infinity;
  m.seconds_to = median_times(samples.traces, c.targets, best);
  m.seconds_to_alone = median_times(samples.traces_alone, c.targets, best);
  if (c.extras && m.solver.starts_with("kappa")) {
    m.extras = c.extras(samples.run);
  }
}

void check_bits(const Case& c, const Peer& peer, Measurement& m) {
  std::optional<std::vector<double>> first;
  m.same_bits = true;
  for (const int threads : bit_check_threads) {
    ThreadLimit limit(threads);
    const Run run = limit.run([&] { return peer.solve(c, {.threads = threads}); });
    if (!first) {
      first = run.x;
    } else if (!same_bits(*first, run.x)) {
      m.same_bits = false;
    }
  }
}

}  // namespace

SuiteResult measure(const Suite& suite, const std::vector<Case>& cases, const std::vector<const Peer*>& peers,
                    const MeasureOptions& options, const ProgressFunction& progress) {
  SuiteResult out{suite.name, suite.title, suite.solved_means, options.threads, options.repeat, {}, {}, {}};
  std::vector<std::vector<Samples>> samples(cases.size(), std::vector<Samples>(peers.size()));
  const std::size_t rounds = static_cast<std::size_t>(options.repeat);
  const bool check = options.bits == MeasureOptions::Bits::checked;
  const auto needs_peak = [&](const Case& c) { return options.peak_memory && !c.targets.empty(); };
  const bool peaks = std::any_of(cases.begin(), cases.end(), needs_peak);
  const std::size_t all = cases.size() * (rounds + (check ? 1 : 0) + (peaks ? 1 : 0));
  {
    ThreadLimit limit(options.threads);
    limit.run([&] {
      for (std::size_t round = 0; round < rounds; ++round) {
        for (std::size_t i = 0; i < cases.size(); ++i) {
          const Case& c = cases[i];
          const bool short_runs = c.targets.empty();
          for (std::size_t s = 0; s < peers.size(); ++s) {
            if (!peers[s]->fits(c)) {
              continue;
            }
            progress(round * cases.size() + i, all, c.problem + " " + c.start + ", " + peers[s]->name());
            Samples& own = samples[i][s];
            if (short_runs && round == 0) {  // untimed: one run to warm up, one to be traced
              peers[s]->solve(c, {.threads = options.threads});
              own.run = peers[s]->solve(c, {.threads = options.threads, .trace = Settings::Trace::on});
            }
            const auto trace = short_runs ? Settings::Trace::off : Settings::Trace::on;
            Sample sample = take_sample(*peers[s], c, {.threads = options.threads, .trace = trace});
            own.seconds.push_back(sample.seconds);
            if (!short_runs) {
              own.traces.push_back(sample.run.trace);
              if (round == 0) {
                own.run = std::move(sample.run);
              }
              if (options.speed_up == MeasureOptions::SpeedUp::measured) {
                own.traces_alone.push_back(traced_alone(*peers[s], c));
              }
            }
          }
        }
      }
    });
  }
  for (std::size_t i = 0; i < cases.size(); ++i) {
    double best = cases[i].reference;
    const std::size_t first = out.measurements.size();
    std::vector<std::size_t> who;
    for (std::size_t s = 0; s < peers.size(); ++s) {
      if (peers[s]->fits(cases[i])) {
        out.measurements.push_back(summarize(cases[i], *peers[s], samples[i][s]));
        who.push_back(s);
        const double value = out.measurements.back().value;
        best = value < best ? value : best;
      }
    }
    for (std::size_t k = 0; k < who.size(); ++k) {
      Measurement& m = out.measurements[first + k];
      judge(cases[i], best, samples[i][who[k]], m);
      if (check) {
        progress(cases.size() * rounds + i, all, cases[i].problem + " " + cases[i].start + ", same bits?");
        check_bits(cases[i], *peers[who[k]], m);
      }
      if (needs_peak(cases[i])) {
        progress(all - cases.size() + i, all, cases[i].problem + ", memory of " + m.solver);
        m.peak_bytes = options.peak_memory(cases[i], *peers[who[k]]);
      }
    }
  }
  for (const Peer* peer : peers) {
    const std::string name = peer->name();
    if (std::any_of(out.measurements.begin(), out.measurements.end(),
                    [&](const Measurement& m) { return m.solver == name; })) {
      out.solvers.push_back(name);
    }
  }
  if (check) {
    for (const int threads : bit_check_threads) {
      out.threads_seen.push_back(threads_taking_part(threads));
    }
  }
  return out;
}

}  // namespace kappa::bench
