#include "bench/suites/structured.h"

#include <algorithm>
#include <cmath>

#include "bench/best_known.h"

namespace kappa::bench {

namespace {

double best_known(const Selection& selection, const std::string& name) {
  for (const auto& [known, value] : selection.best_known) {
    if (known == name) {
      return value;
    }
  }
  for (const BestKnown& entry : best_known_costs) {
    if (entry.problem == name) {
      return entry.cost;
    }
  }
  return infinity;
}

bool is_graph(const std::string& target) {
  return target.ends_with(".g2o") || target.starts_with("generated/sphere") ||
         target.starts_with("generated/torus") || target.starts_with("generated/grid");
}

std::vector<std::string> among(const std::vector<std::string>& data, bool graphs) {
  std::vector<std::string> out;
  std::copy_if(data.begin(), data.end(), std::back_inserter(out),
               [&](const std::string& target) { return is_graph(target) == graphs; });
  return out;
}

}  // namespace

std::string structured_name(const std::string& target) {
  if (target.starts_with("generated/")) {
    return target;
  }
  const std::size_t slash = target.find_last_of('/');
  return slash == std::string::npos ? target : target.substr(slash + 1);
}

Case structured_case(const char* suite, const std::string& target, const Selection& selection) {
  Case c;
  c.suite = suite;
  c.problem = structured_name(target);
  c.start = "given";
  c.target = target;
  c.stop = {.aim = StopRule::Aim::relative_decrease, .tolerance = 1e-9, .max_trials = selection.max_trials};
  c.reference = best_known(selection, c.problem);
  return c;
}

std::function<Score(const Run&, double value, double best)> within(double tolerance) {
  return [tolerance](const Run&, double value, double best) {
    const double excess = (value - best) / best;
    const double digits = excess > 0 ? std::clamp(-std::log10(excess), 0.0, 11.0) : 11.0;
    return Score{excess <= tolerance, std::isfinite(value) ? digits : 0.0};
  };
}

std::vector<std::string> graphs_among(const std::vector<std::string>& data) {
  return among(data, true);
}

std::vector<std::string> bundles_among(const std::vector<std::string>& data) {
  return among(data, false);
}

}  // namespace kappa::bench
