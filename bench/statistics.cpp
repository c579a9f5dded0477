#include "bench/statistics.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace kappa::bench {

double median(std::vector<double> values) {
  if (values.empty()) {
    return std::numeric_limits<double>::quiet_NaN();
  }
  std::sort(values.begin(), values.end());
  const std::size_t middle = values.size() / 2;
  return values.size() % 2 == 1 ? values[middle] : 0.5 * (values[middle - 1] + values[middle]);
}

std::vector<ProfileCurve> performance_profile(const std::vector<std::vector<double>>& times) {
  std::vector<ProfileCurve> out(times.size());
  if (times.empty()) {
    return out;
  }
  const std::size_t instances = times.front().size();
  std::vector<double> best(instances, std::numeric_limits<double>::infinity());
  for (const std::vector<double>& solver : times) {
    for (std::size_t p = 0; p < instances; ++p) {
      best[p] = std::min(best[p], solver[p]);
    }
  }
  for (std::size_t s = 0; s < times.size(); ++s) {
    std::vector<double>& factor = out[s].factor;
    for (std::size_t p = 0; p < instances; ++p) {
      if (std::isfinite(times[s][p])) {
        factor.push_back(times[s][p] / best[p]);
      }
    }
    std::sort(factor.begin(), factor.end());
    for (std::size_t i = 0; i < factor.size(); ++i) {
      out[s].share.push_back(static_cast<double>(i + 1) / static_cast<double>(instances));
    }
  }
  return out;
}

}  // namespace kappa::bench
