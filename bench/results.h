// All that one run of kappa-bench found.
#pragma once

#include <optional>
#include <vector>

#include "bench/gaussian.h"
#include "bench/jacobian.h"
#include "bench/learning.h"
#include "bench/logistic.h"
#include "bench/measure.h"
#include "bench/network.h"
#include "bench/pairs.h"

namespace kappa::bench {

struct Results {
  std::vector<SuiteResult> suites;
  std::optional<PairsResult> pairs;
  std::vector<JacobianRow> jacobian;  ///< empty where it was not asked for
  std::optional<GaussianResult> gaussian;
  std::vector<LogisticRow> logistic;  ///< the same
  NetworkResult network;              ///< the same
  std::optional<LearningResult> learning;
};

}  // namespace kappa::bench
