// The few statistics of the tables and figures.
#pragma once

#include <vector>

namespace kappa::bench {

/// The middle value, or the mean of the two middle ones. Infinite entries sort last. NaN where empty.
double median(std::vector<double> values);

/// One solver's curve in a performance profile: a step up to `share` at each `factor`.
struct ProfileCurve {
  std::vector<double> factor;  ///< ascending, 1 or more
  std::vector<double> share;   ///< of the instances solved within `factor` times the best solver's time
};

/// Dolan & Moré (Math. Programming 91, 2002, eq. 2): curve s is rho_s(tau) = |{p : t_ps <= tau min_s t_ps}| /
/// |p|. times[s][p] is infinite where solver s failed on instance p; an instance on which all failed counts
/// for none.
std::vector<ProfileCurve> performance_profile(const std::vector<std::vector<double>>& times);

}  // namespace kappa::bench
