#include "bench/network.h"

#include <algorithm>
#include <chrono>
#include <cmath>

#include "bench/grid.h"
#include "bench/peers/pytorch.h"
#include "bench/statistics.h"
#include "bench/suite.h"
#include "bench/summary.h"
#include "bench/thread_limit.h"
#include "kappa/derivatives.h"
#include "kappa/network.h"
#include "kappa/random.h"

namespace kappa::bench {
namespace {

constexpr double shortest_sample = 50e-3;
const std::vector<Index> sizes = {784, 256, 128, 10};

/// Rows of one number of threads: the products and kappa's works, and those of a peer.
constexpr std::size_t own_rows = 6;
constexpr std::size_t peer_rows = 3;

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
  Bed(const NetworkTopology& topology, const Dataset& all, Index samples, bool single)
      : data(all),
        network(topology, all,
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

  const Dataset& data;
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

/// What the peer is asked for, and which of kappa's rows does the same.
struct PeerWork {
  const char* name;
  const char* title;
  std::size_t own;
  double multiply_adds;
};
constexpr PeerWork peer_works[peer_rows] = {
    {"gradient", "PyTorch, gradient", 2, gradient_work},
    {"exact", "PyTorch, exact product", 4, exact_work},
    {"gauss-newton", "PyTorch, Gauss-Newton product", 5, gauss_newton_work},
};

PyTorch::Bed peer_bed(const Bed& bed, bool single) {
  const Features rows = dense_rows(bed.data.features, bed.terms);
  PyTorch::Bed out{
      .sizes = sizes, .single = single, .x = bed.x, .v = bed.v, .features = rows.value, .labels = {}};
  for (const Index term : bed.terms) {
    out.labels.push_back(bed.data.label[static_cast<std::size_t>(term)]);
  }
  return out;
}

/// Of the peer's result to kappa's, relative in the Euclidean norm.
double difference(const std::vector<double>& own, const std::vector<double>& peer) {
  double apart = 0, size = 0;
  for (std::size_t i = 0; i < own.size(); ++i) {
    apart += (own[i] - peer[i]) * (own[i] - peer[i]);
    size += own[i] * own[i];
  }
  return std::sqrt(apart / size);
}

/// Of all three works. Throws Error where the two do not compute the same.
std::vector<double> differences(Bed& bed, PyTorch& peer, bool single) {
  std::vector<double> out = {difference(bed.kept.gradient, peer.value("gradient"))};
  bed.kept.linearization->product(Model::exact, bed.v, bed.out);
  out.push_back(difference(bed.out, peer.value("exact")));
  bed.kept.linearization->product(Model::gauss_newton, bed.v, bed.out);
  out.push_back(difference(bed.out, peer.value("gauss-newton")));
  for (const double apart : out) {
    if (!(apart < (single ? 1e-4 : 1e-12))) {
      throw Error("network: PyTorch's derivatives are not kappa's; they differ by " + std::to_string(apart));
    }
  }
  return out;
}

constexpr const char* hessians = "dense Hessians";

std::string part_name(Index samples, bool single) {
  return std::string(single ? "single" : "double") + ", " + std::to_string(samples);
}

/// What makes the rows of one batch size and precision.
struct Batch {
  Index samples = 0;
  bool single = false;
  int threads = 1;
  int repeat = 1;
  PyTorch* peer = nullptr;  ///< null where there is none
};

NetworkRow empty_row(const Batch& batch, int threads, const std::string& work) {
  return {.problem = part_name(batch.samples, batch.single),
          .threads = threads,
          .work = work,
          .milliseconds = {},
          .ratio_means = {}};
}

/// The rows at 1 and at `threads` threads, interleaved.
std::vector<NetworkRow> run_batch(const Batch& batch, const std::function<void(int)>& progress) {
  const Dataset data = uniform_data(2 * batch.samples, sizes.front(), sizes.back());
  Bed bed(NetworkTopology::chain(sizes, Activation::tanh), data, batch.samples, batch.single);
  std::vector<double> apart;
  if (batch.peer != nullptr) {
    batch.peer->take(peer_bed(bed, batch.single));
    apart = differences(bed, *batch.peer, batch.single);
  }
  std::vector<int> counts{1};
  if (batch.threads > 1) {
    counts.push_back(batch.threads);
  }
  std::vector<NetworkRow> rows;
  std::vector<Timed> timed;
  for (const int count : counts) {
    for (Timed& t : works(bed, batch.samples, count, batch.single)) {
      rows.push_back(empty_row(batch, count, t.work.name));
      timed.push_back(std::move(t));
    }
    for (std::size_t k = 0; k < apart.size(); ++k) {
      rows.push_back(empty_row(batch, count, peer_works[k].title));
      rows.back().difference = apart[k];
      timed.push_back({{peer_works[k].name, nullptr}, peer_works[k].multiply_adds});
    }
  }
  for (int round = 0; round < batch.repeat; ++round) {
    progress(round);
    for (std::size_t k = 0; k < rows.size(); ++k) {
      if (!timed[k].work.run) {
        rows[k].milliseconds.push_back(
            batch.peer->milliseconds(timed[k].work.name, rows[k].threads, shortest_sample));
        continue;
      }
      ThreadLimit limit(rows[k].threads);
      rows[k].milliseconds.push_back(limit.run([&] { return milliseconds(timed[k].work); }));
    }
  }
  for (std::size_t k = 0; k < rows.size(); ++k) {
    rows[k].median = median(rows[k].milliseconds);
    rows[k].gigaflops = 2e-6 * timed[k].multiply_adds * static_cast<double>(batch.samples) / rows[k].median;
  }
  return rows;
}

/// Ratios within the rows of one number of threads.
void compare(std::span<NetworkRow> rows) {
  const double bare = std::min(rows[0].median, rows[1].median);
  const double gradient = rows[2].median;
  for (std::size_t k = 2; k < own_rows; ++k) {
    rows[k].ratio = k == 2 ? bare / gradient : rows[k].median / gradient;
    rows[k].ratio_means = k == 2 ? "of the bare products' rate" : "x the gradient";
  }
  for (std::size_t k = own_rows; k < rows.size(); ++k) {
    rows[k].ratio = rows[k].median / rows[peer_works[k - own_rows].own].median;
    rows[k].ratio_means = "x kappa's time";
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
      const Dataset data = uniform_data(128, n, n);
      Bed bed(NetworkTopology::chain({n, n, n, n}, Activation::tanh), data, 64, false);
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

std::vector<std::string> network_parts(const std::string& only) {
  std::vector<std::string> out;
  for (const Index samples : {1024, 4096}) {
    out.push_back(part_name(samples, false));
    out.push_back(part_name(samples, true));
  }
  out.emplace_back(hessians);
  std::erase_if(out, [&](const std::string& part) { return !matches(part, only); });
  return out;
}

NetworkResult run_network(const NetworkBenchOptions& options, const ProgressFunction& progress) {
  NetworkResult out;
  out.repeat = options.repeat;
  std::optional<PyTorch> peer;
  if (!options.python.empty()) {
    peer.emplace(options.python);
    out.peer = peer->version();
  }
  const std::vector<std::string> parts = network_parts(options.only);
  const auto wanted = [&](const std::string& part) {
    return std::find(parts.begin(), parts.end(), part) != parts.end();
  };
  const auto rounds = static_cast<std::size_t>(options.repeat);
  std::size_t done = 0;
  for (const Index samples : {1024, 4096}) {
    for (const bool single : {false, true}) {
      if (!wanted(part_name(samples, single))) {
        continue;
      }
      std::vector<NetworkRow> rows =
          run_batch({.samples = samples,
                     .single = single,
                     .threads = options.threads,
                     .repeat = options.repeat,
                     .peer = peer && peer->available() ? &*peer : nullptr},
                    [&](int) { progress(done++, parts.size() * rounds, "network"); });
      const std::size_t group = rows.size() / (options.threads > 1 ? 2 : 1);
      for (std::size_t k = 0; k < rows.size(); k += group) {
        compare(std::span(rows).subspan(k, group));
      }
      for (std::size_t k = group; k < rows.size(); ++k) {
        rows[k].speed_up = rows[k - group].median / rows[k].median;
      }
      out.rows.insert(out.rows.end(), rows.begin(), rows.end());
    }
  }
  if (wanted(hessians)) {
    run_hessians(options.repeat, out);
  }
  return out;
}

std::string difference_text(const NetworkRow& row) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1e", row.difference);
  return row.difference >= 0 ? text : "";
}

std::string network_table(const NetworkResult& result) {
  Grid grid(1);
  grid.add(
      {"precision, batch", "threads", "work", "ms", "Gflop/s", "x one thread", "ratio", "", "differs by"});
  for (const NetworkRow& row : result.rows) {
    grid.add({row.problem, std::to_string(row.threads), row.work, fixed_text(row.median, 2),
              fixed_text(row.gigaflops, 1), row.threads == 1 ? "" : fixed_text(row.speed_up, 2),
              row.ratio > 0 ? fixed_text(row.ratio, 2) : "", row.ratio_means, difference_text(row)});
  }
  std::string out = "Derivatives of 784-256-128-10 (network), median of " + std::to_string(result.repeat) +
                    "\n\n" + (result.rows.empty() ? "" : grid.text()) +
                    (result.peer.empty() ? "" : "\n" + result.peer + "\n");
  if (result.hessians.empty()) {
    return out;
  }
  Grid dense(0);
  dense.add({"weights", "multiply-adds", "ms"});
  for (const HessianRow& row : result.hessians) {
    char work[32];
    std::snprintf(work, sizeof work, "%.3e", row.multiply_adds);
    dense.add({std::to_string(row.weights), work, fixed_text(row.milliseconds, 2)});
  }
  return out + "\nExact dense Hessians of n-n-n-n, 64 samples, 1 thread: slope in the weights " +
         fixed_text(result.work_slope, 2) + " of multiply-adds, " + fixed_text(result.time_slope, 2) +
         " of time\n\n" + dense.text();
}

}  // namespace kappa::bench
