#include "bench/network.h"

#include <algorithm>
#include <chrono>
#include <cmath>

#include "bench/grid.h"
#include "bench/statistics.h"
#include "bench/summary.h"
#include "bench/thread_limit.h"
#include "kappa/derivatives.h"
#include "kappa/network.h"
#include "kappa/random.h"

namespace kappa::bench {
namespace {

constexpr double shortest_sample = 50e-3;

double milliseconds(const NetworkWork& work) {
  using Clock = std::chrono::steady_clock;
  const Clock::time_point started = Clock::now();
  double seconds = 0;
  int times = 0;
  do {
    work.run();
    ++times;
    seconds = std::chrono::duration<double>(Clock::now() - started).count();
  } while (seconds < shortest_sample);
  return 1e3 * seconds / times;
}

Dataset uniform_data(Index samples, Index features, Index classes) {
  const CounterRandom random(1);
  Dataset out;
  out.features.samples = samples;
  out.features.size = features;
  for (Index k = 0; k < samples * features; ++k) {
    out.features.value.push_back(random.uniform(static_cast<std::uint64_t>(k)));
  }
  for (Index s = 0; s < samples; ++s) {
    out.label.push_back(static_cast<std::int32_t>(random.below(classes, static_cast<std::uint64_t>(s))));
  }
  return out;
}

/// A network, a point, a mini-batch and what was evaluated there.
struct Bed {
  Bed(const NetworkTopology& topology, const Dataset& data, Index samples, bool single)
      : network(topology, data,
                {.precision = single ? Precision::single_precision : Precision::double_precision}),
        x(network.initial()),
        out(x.size()) {
    const CounterRandom random(2);
    terms.resize(static_cast<std::size_t>(samples));
    sample_without_replacement(random, 0, network.terms(), terms);
    for (std::size_t i = 0; i < x.size(); ++i) {
      v.push_back(random.normal(i));
    }
    evaluate(kept, Want::value | Want::gradient | Want::linearization);
  }
  void evaluate(Evaluation& at, Want want) {
    at.reset(x, 1);
    Request request;
    request.want = want;
    request.models = network.models();
    request.sample = {1, terms};
    if (network.evaluate(request, at) != EvalStatus::ok) {
      throw Error("network: the evaluation failed: " + at.fault);
    }
  }

  Network network;
  std::vector<double> x, v, out;
  std::vector<Index> terms;
  Evaluation plain, kept;
};

/// Multiply-adds of matrix products for a sample of 784-256-128-10: forward, back and weights; with R.
constexpr double forward_work = 784 * 256 + 256 * 128 + 128 * 10;
constexpr double upper_work = 256 * 128 + 128 * 10;
constexpr double gradient_work = 2 * forward_work + upper_work;
constexpr double exact_work = 2 * forward_work + 4 * upper_work;
constexpr double gauss_newton_work = 2 * forward_work + 2 * upper_work;

struct Timed {
  NetworkWork work;
  double multiply_adds = 0;
};

std::vector<Timed> works(Bed& bed, Index samples, int threads, bool single) {
  return {{eigen_products(samples, threads, single), gradient_work},
          {eigen_products_native(samples, threads, single), gradient_work},
          {{"gradient", [&bed] { bed.evaluate(bed.plain, Want::value | Want::gradient); }}, gradient_work},
          {{"linearization",
            [&bed] { bed.evaluate(bed.kept, Want::value | Want::gradient | Want::linearization); }},
           gradient_work},
          {{"exact product", [&bed] { bed.kept.linearization->product(Model::exact, bed.v, bed.out); }},
           exact_work},
          {{"Gauss-Newton product",
            [&bed] { bed.kept.linearization->product(Model::gauss_newton, bed.v, bed.out); }},
           gauss_newton_work}};
}

/// The rows of one batch size and precision, at 1 and at `threads` threads, interleaved.
std::vector<NetworkRow> run_batch(Index samples, bool single, int threads, int repeat,
                                  const std::function<void(int)>& progress) {
  const NetworkTopology topology = NetworkTopology::chain({784, 256, 128, 10}, Activation::tanh);
  Bed bed(topology, uniform_data(2 * samples, 784, 10), samples, single);
  std::vector<int> counts{1};
  if (threads > 1) {
    counts.push_back(threads);
  }
  std::vector<NetworkRow> rows;
  std::vector<Timed> timed;
  for (const int count : counts) {
    for (Timed& t : works(bed, samples, count, single)) {
      rows.push_back({.problem = std::string(single ? "single" : "double") + ", " + std::to_string(samples),
                      .threads = count,
                      .work = t.work.name,
                      .milliseconds = {},
                      .ratio_means = {}});
      timed.push_back(std::move(t));
    }
  }
  for (int round = 0; round < repeat; ++round) {
    progress(round);
    for (std::size_t k = 0; k < rows.size(); ++k) {
      ThreadLimit limit(rows[k].threads);
      rows[k].milliseconds.push_back(limit.run([&] { return milliseconds(timed[k].work); }));
    }
  }
  for (std::size_t k = 0; k < rows.size(); ++k) {
    rows[k].median = median(rows[k].milliseconds);
    rows[k].gigaflops = 2e-6 * timed[k].multiply_adds * static_cast<double>(samples) / rows[k].median;
  }
  return rows;
}

/// Ratios within one number of threads, of which rows [first, first + 6) are.
void compare(std::vector<NetworkRow>& rows, std::size_t first) {
  const double bare = std::min(rows[first].median, rows[first + 1].median);
  const double gradient = rows[first + 2].median;
  for (std::size_t k = first + 2; k < first + 6; ++k) {
    rows[k].ratio = k == first + 2 ? bare / gradient : rows[k].median / gradient;
    rows[k].ratio_means = k == first + 2 ? "of the bare products' rate" : "x the gradient";
  }
}

double slope(const std::vector<HessianRow>& rows, double HessianRow::*what) {
  double x = 0, y = 0, xx = 0, xy = 0;
  for (const HessianRow& row : rows) {
    const double a = std::log(static_cast<double>(row.weights));
    const double b = std::log(row.*what);
    x += a;
    y += b;
    xx += a * a;
    xy += a * b;
  }
  const double n = static_cast<double>(rows.size());
  return (n * xy - x * y) / (n * xx - x * x);
}

/// Exact dense Hessians of n-n-n-n networks in double precision on one thread.
void run_hessians(int repeat, NetworkResult& out) {
  ThreadLimit limit(1);
  limit.run([&] {
    for (const Index n : {8, 11, 16, 23, 32}) {
      Bed bed(NetworkTopology::chain({n, n, n, n}, Activation::tanh), uniform_data(128, n, n), 64, false);
      Matrix H(bed.network.dimension(), bed.network.dimension());
      const auto& kept = dynamic_cast<const NetworkLinearization&>(*bed.kept.linearization);
      const double before = kept.multiply_adds();
      kept.dense(Model::exact, H);
      HessianRow row{.weights = bed.network.dimension(), .multiply_adds = kept.multiply_adds() - before};
      std::vector<double> times;
      for (int round = 0; round < repeat; ++round) {
        times.push_back(milliseconds({"", [&] { kept.dense(Model::exact, H); }}));
      }
      row.milliseconds = median(times);
      out.hessians.push_back(row);
    }
  });
  out.work_slope = slope(out.hessians, &HessianRow::multiply_adds);
  out.time_slope = slope(out.hessians, &HessianRow::milliseconds);
}

}  // namespace

NetworkResult run_network(int repeat, int threads, const ProgressFunction& progress) {
  NetworkResult out;
  const auto rounds = static_cast<std::size_t>(repeat);
  std::size_t done = 0;
  for (const Index samples : {1024, 4096}) {
    for (const bool single : {false, true}) {
      const std::vector<NetworkRow> rows =
          run_batch(samples, single, threads, repeat, [&](int) { progress(done++, 4 * rounds, "network"); });
      const std::size_t first = out.rows.size();
      out.rows.insert(out.rows.end(), rows.begin(), rows.end());
      for (std::size_t k = first; k < out.rows.size(); k += 6) {
        compare(out.rows, k);
      }
    }
  }
  run_hessians(repeat, out);
  return out;
}

std::string network_table(const NetworkResult& result) {
  Grid grid(1);
  grid.add({"precision, batch", "threads", "work", "ms", "Gflop/s", "x one thread", "ratio", ""});
  for (std::size_t k = 0; k < result.rows.size(); ++k) {
    const NetworkRow& row = result.rows[k];
    const double alone = row.threads == 1 ? 0 : result.rows[k - 6].median / row.median;
    grid.add({row.problem, std::to_string(row.threads), row.work, fixed_text(row.median, 2),
              fixed_text(row.gigaflops, 1), row.threads == 1 ? "" : fixed_text(alone, 2),
              row.ratio > 0 ? fixed_text(row.ratio, 2) : "", row.ratio_means});
  }
  Grid hessians(0);
  hessians.add({"weights", "multiply-adds", "ms"});
  for (const HessianRow& row : result.hessians) {
    char work[32];
    std::snprintf(work, sizeof work, "%.3e", row.multiply_adds);
    hessians.add({std::to_string(row.weights), work, fixed_text(row.milliseconds, 2)});
  }
  return "Derivatives of 784-256-128-10 (network), median of " +
         std::to_string(result.rows.empty() ? 0 : result.rows.front().milliseconds.size()) + "\n\n" +
         grid.text() + "\nExact dense Hessians of n-n-n-n, 64 samples, 1 thread: slope in the weights " +
         fixed_text(result.work_slope, 2) + " of multiply-adds, " + fixed_text(result.time_slope, 2) +
         " of time\n\n" + hessians.text();
}

}  // namespace kappa::bench
