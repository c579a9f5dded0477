// LIBLINEAR as a peer: solver L2R_LR, the trust-region Newton method TRON (Lin, Weng & Keerthi, JMLR 9
// (2008)). It runs on one thread.
#include <linear.h>

#include <algorithm>

#include "bench/logistic.h"

namespace kappa::bench {

namespace {

thread_local Index iterations_told = 0;

/// TRON writes a line for each iteration.
void count_iterations(const char* line) {
  iterations_told += std::string(line).find("iter ") != std::string::npos ? 1 : 0;
}

class Liblinear final : public LogisticPeer {
 public:
  std::string name() const override { return "liblinear"; }
  std::vector<int> threads(int) const override { return {1}; }

  LogisticRun solve(const Dataset& data, double C) const override {
    const Features& X = data.features;
    const auto samples = static_cast<std::size_t>(X.samples);
    const auto columns = static_cast<std::size_t>(X.size);
    std::vector<feature_node> nodes(X.value.size() + samples);
    std::vector<feature_node*> rows(samples);
    std::vector<double> y(samples);
    std::size_t at = 0;
    for (std::size_t i = 0; i < samples; ++i) {
      rows[i] = nodes.data() + at;
      const std::size_t begin = X.sparse() ? static_cast<std::size_t>(X.row_start[i]) : i * columns;
      const std::size_t end = X.sparse() ? static_cast<std::size_t>(X.row_start[i + 1]) : begin + columns;
      for (std::size_t e = begin; e < end; ++e) {
        const int column = X.sparse() ? X.column[e] : static_cast<int>(e - begin);
        nodes[at++] = {column + 1, X.value[e]};
      }
      nodes[at++] = {-1, 0};
      y[i] = data.label[i] == 1 ? 1 : -1;
    }
    problem given{};
    given.l = static_cast<int>(samples);
    given.n = static_cast<int>(columns);
    given.y = y.data();
    given.x = rows.data();
    given.bias = -1;
    const auto positive = static_cast<double>(std::count(data.label.begin(), data.label.end(), 1));
    const auto all = static_cast<double>(samples);
    parameter how{};
    how.solver_type = L2R_LR;
    how.C = C;
    how.eps = logistic_reduction * all / std::max(1.0, std::min(positive, all - positive));
    how.p = 0.1;
    set_print_string_function(count_iterations);
    iterations_told = 0;
    model* found = train(&given, &how);
    LogisticRun out;
    // Its weights are for the class that comes first.
    const double sign = found->label[0] == 1 ? 1 : -1;
    for (std::size_t j = 0; j < columns; ++j) {
      out.w.push_back(sign * found->w[j]);
    }
    free_and_destroy_model(&found);
    out.iterations = iterations_told;
    out.reason = "eps reached, or its 1000 iterations used";
    return out;
  }
};

}  // namespace

std::vector<std::unique_ptr<LogisticPeer>> liblinear_peers() {
  std::vector<std::unique_ptr<LogisticPeer>> out;
  out.push_back(std::make_unique<Liblinear>());
  return out;
}

}  // namespace kappa::bench
