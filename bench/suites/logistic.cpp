#include "bench/logistic.h"

#include <chrono>
#include <cmath>
#include <limits>

#include "bench/grid.h"
#include "bench/statistics.h"
#include "bench/summary.h"
#include "bench/thread_limit.h"
#include "problems/learning/generated_samples.h"

namespace kappa::bench {

namespace {

using Clock = std::chrono::steady_clock;

constexpr double weights_of_losses[] = {1, 100};

struct Judged {
  double value = 0;
  double gradient_norm = 0;
};

/// Value and gradient by their definition, sample by sample.
Judged judge(const Dataset& data, double C, const std::vector<double>& w) {
  const Features& X = data.features;
  std::vector<double> g = w;
  double value = 0;
  for (const double v : w) {
    value += 0.5 * v * v;
  }
  for (std::size_t i = 0; i < static_cast<std::size_t>(X.samples); ++i) {
    const bool sparse = X.sparse();
    const auto columns = static_cast<std::size_t>(X.size);
    const std::size_t begin = sparse ? static_cast<std::size_t>(X.row_start[i]) : i * columns;
    const std::size_t end = sparse ? static_cast<std::size_t>(X.row_start[i + 1]) : begin + columns;
    const auto column = [&](std::size_t e) {
      return sparse ? static_cast<std::size_t>(X.column[e]) : e - begin;
    };
    const double y = data.label[i] == 1 ? 1 : -1;
    double m = 0;
    for (std::size_t e = begin; e < end; ++e) {
      m += y * X.value[e] * w[column(e)];
    }
    value += C * (m > 0 ? std::log1p(std::exp(-m)) : std::log1p(std::exp(m)) - m);
    const double slope = -C * y / (1 + std::exp(m));
    for (std::size_t e = begin; e < end; ++e) {
      g[column(e)] += slope * X.value[e];
    }
  }
  double squares = 0;
  for (const double v : g) {
    squares += v * v;
  }
  return {value, std::sqrt(squares)};
}

struct Entry {
  const LogisticPeer* peer;
  LogisticRow row;
};

void run_one(const LogisticCase& c, double C, const std::vector<std::unique_ptr<LogisticPeer>>& peers,
             const LogisticSettings& settings, std::vector<LogisticRow>& out) {
  std::vector<Entry> entries;
  for (const auto& peer : peers) {
    for (const int threads : peer->threads(settings.most_threads)) {
      LogisticRow row;
      row.problem = c.problem;
      row.C = C;
      row.solver = peer->name();
      row.threads = threads;
      entries.push_back({peer.get(), std::move(row)});
    }
  }
  const double at_zero =
      judge(c.data, C, std::vector<double>(static_cast<std::size_t>(c.data.features.size), 0.0))
          .gradient_norm;
  for (int round = 0; round < settings.repeat; ++round) {
    for (Entry& e : entries) {
      LogisticRun run;
      ThreadLimit limit(e.row.threads);
      limit.run([&] {
        const Clock::time_point started = Clock::now();
        run = e.peer->solve(c.data, C);
        e.row.seconds.push_back(std::chrono::duration<double>(Clock::now() - started).count());
      });
      if (round == 0) {
        const Judged judged = judge(c.data, C, run.w);
        e.row.value = judged.value;
        e.row.gradient_ratio = judged.gradient_norm / at_zero;
        e.row.iterations = run.iterations;
        e.row.reason = run.reason;
      }
    }
  }
  double best = infinity;
  double peer_median = std::numeric_limits<double>::quiet_NaN();
  for (Entry& e : entries) {
    e.row.median = median(e.row.seconds);
    best = std::min(best, e.row.value);
    if (e.row.solver == "liblinear") {
      peer_median = e.row.median;
    }
  }
  for (Entry& e : entries) {
    e.row.ratio = peer_median / e.row.median;
    e.row.excess = (e.row.value - best) / best;
    out.push_back(std::move(e.row));
  }
}

}  // namespace

std::vector<LogisticCase> logistic_cases(const std::vector<std::string>& data) {
  std::vector<LogisticCase> out;
  for (const std::string& path : data) {
    Dataset read = load_libsvm(path);
    if (read.classes.size() != 2) {
      throw Error(path + ": has " + std::to_string(read.classes.size()) +
                  " classes; the suite logistic compares binary models, so it takes two");
    }
    std::string name = read.name;
    out.push_back({std::move(name), std::move(read)});
  }
  if (out.empty()) {
    out.push_back({"generated", generate_samples({})});
  }
  return out;
}

std::vector<LogisticRow> run_logistic(const std::vector<LogisticCase>& cases,
                                      const LogisticSettings& settings, const ProgressFunction& progress) {
  std::vector<std::unique_ptr<LogisticPeer>> peers = kappa_logistic_peers(settings.methods);
  for (auto& peer : liblinear_peers()) {
    peers.push_back(std::move(peer));
  }
  std::vector<LogisticRow> out;
  std::size_t done = 0;
  for (const LogisticCase& c : cases) {
    for (const double C : weights_of_losses) {
      progress(done++, cases.size() * std::size(weights_of_losses), c.problem);
      run_one(c, C, peers, settings, out);
    }
  }
  return out;
}

std::string logistic_table(const std::vector<LogisticRow>& rows) {
  Grid grid(3);
  grid.add({"problem", "C", "solver", "threads", "ms", "LIBLINEAR / it", "iterations", "|g| / |g(0)|",
            "f above best"});
  std::string before;
  for (const LogisticRow& row : rows) {
    char C[32];
    char gradient[32];
    char excess[32];
    std::snprintf(C, sizeof C, "%g", row.C);
    std::snprintf(gradient, sizeof gradient, "%.1e", row.gradient_ratio);
    std::snprintf(excess, sizeof excess, "%.1e", row.excess);
    const std::string name = row.problem + " " + C;
    grid.add({name == before ? "" : row.problem, name == before ? "" : C, row.solver,
              std::to_string(row.threads), fixed_text(1e3 * row.median, 2),
              std::isnan(row.ratio) ? "" : fixed_text(row.ratio, 2), std::to_string(row.iterations), gradient,
              excess});
    before = name;
  }
  return "Logistic regression (logistic): to |g| <= 1e-6 |g(0)|, median of " +
         std::to_string(rows.empty() ? 0 : rows.front().seconds.size()) + "\n\n" + grid.text();
}

}  // namespace kappa::bench
