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
//   PyTorch             the same three (bench/peers/pytorch.h), where an interpreter has it
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
  double speed_up = 0;   ///< over the same work on one thread; 0 on one thread
  double difference = -1;   ///< of a peer's result from kappa's, relative; below 0: not compared
  std::string ratio_means;  ///< "of the bare products' rate", "x the gradient", "x kappa's time"
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
  std::string peer;  ///< name and version, or why it is absent; empty where it was not asked for

  int repeat = 0;

  bool empty() const { return rows.empty() && hessians.empty(); }
};

struct NetworkBenchOptions {
  int repeat = 5;
  int threads = 1;
  std::string python;  ///< the interpreter that has PyTorch; empty: no peer
  std::string only;    ///< of the parts, those whose name contains this
};

/// "double, 1024" and the like, and "dense Hessians".
std::vector<std::string> network_parts(const std::string& only);

NetworkResult run_network(const NetworkBenchOptions& options, const ProgressFunction& progress);

/// "1.2e-07", or nothing where there is no peer to differ from.
std::string difference_text(const NetworkRow& row);

std::string network_table(const NetworkResult& result);

}  // namespace kappa::bench
