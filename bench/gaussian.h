// Gaussian likelihoods: what derivatives cost in Cholesky factorizations, and Fisher scoring against Newton.
//
// Costs: a process of 2000 observations of three inputs, kernel variance * matern52 with a length for each,
// and noise: 5 parameters of the covariance, one of the mean. Every sample is at a point of its own, so that
// nothing of an earlier one serves it; memory is reused, as it is in a solve. The factorization is that of
// the same covariance by the same kernels and threads, its matrix filled beforehand.
//
// Fits: whole solves from one start with the exact Hessian, and with the expected information.
#pragma once

#include <string>
#include <vector>

#include "bench/measure.h"

namespace kappa::bench {

struct GaussianCost {
  std::string work;
  std::vector<double> seconds;  ///< one for each repeat
  double median = 0;
  double ratio = 0;  ///< median of the repeats' ratios to the factorization
};

struct GaussianFit {
  std::string problem;
  std::string method;
  bool converged = false;
  double value = 0;
  Index iterations = 0;
  Index values = 0;
  Index linearizations = 0;
  std::vector<double> seconds;
  double median = 0;
};

struct GaussianResult {
  Index observations = 0;
  int threads = 1;
  std::vector<GaussianCost> costs;
  std::vector<GaussianFit> fits;
};

GaussianResult run_gaussian(int threads, int repeat, const ProgressFunction& progress);

std::string gaussian_table(const GaussianResult& result);

}  // namespace kappa::bench
