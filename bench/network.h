// The time of a network's derivatives: 784-256-128-10, softmax, on a mini-batch drawn from twice as many
// samples.
//
//   bare products       Eigen's matrix products of the same shapes and nothing else: three forward, two back,
//   three
//                       for the weights; compiled with this program's flags and with -O3 -march=native. With
//                       two threads each has half of the samples. The faster one is what the gradient is held
//                       against.
//   gradient            Problem::evaluate for value and gradient at a point and sample
//   linearization       the same, keeping what products need
//   exact product       Linearization::product at a point that was linearized
//   Gauss-Newton product
//   dense Hessian       of networks of 200 to 3200 weights: counted multiply-adds and time against the
//   weights
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "bench/measure.h"

namespace kappa::bench {

/// One thing that is timed. Its construction is not.
struct NetworkWork {
  std::string name;
  std::function<void()> run;
};

/// The products on `threads` threads in the precision given.
NetworkWork eigen_products(Index samples, int threads, bool single);
NetworkWork eigen_products_native(Index samples, int threads, bool single);

struct NetworkRow {
  std::string problem;  ///< "double, 1024"
  int threads = 1;
  std::string work;
  std::vector<double> milliseconds;  ///< one for each repeat
  double median = 0;
  double gigaflops = 0;  ///< of the multiply-adds of matrix products, as two operations; 0 where not counted
  double ratio = 0;      ///< see `ratio_means`
  std::string ratio_means;  ///< "of bare products' rate", "x gradient", "x one thread"
};

struct HessianRow {
  Index weights = 0;
  double multiply_adds = 0;
  double milliseconds = 0;
};

struct NetworkResult {
  std::vector<NetworkRow> rows;
  std::vector<HessianRow> hessians;
  double work_slope = 0;  ///< of log multiply-adds in log weights, by least squares
  double time_slope = 0;

  bool empty() const { return rows.empty(); }
};

NetworkResult run_network(int repeat, int threads, const ProgressFunction& progress);

std::string network_table(const NetworkResult& result);

}  // namespace kappa::bench
