// Learning curves: one network, learnt by several stochastic methods from the same start and the same
// batches.
//
// After each epoch the value over the epoch's batches, and loss and accuracy on test data, against
// gradient-equivalents (Result::gradient_equivalents) and seconds, from which judging the test data is left
// out. With --grid each method is run with several rates, and the one with the best accuracy is shown in the
// charts; otherwise with the rate that this found on Fashion-MNIST.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "bench/measure.h"

namespace kappa::bench {

struct LearningOptions {
  std::string data;  ///< folder of the idx files of the MNIST family; empty: generated samples
  std::vector<Index> hidden = {128};
  Index batch = 128;
  Index epochs = 8;
  bool grid = false;
  std::string only;  ///< methods whose name contains this
  int threads = 1;
};

struct LearningPoint {
  Index epoch = 0;
  double gradient_equivalents = 0;
  double seconds = 0;
  double train_value = 0;  ///< mean over the epoch's batches; NaN at the start
  double test_loss = 0;
  double test_accuracy = 0;
};

struct LearningCurve {
  std::string method;
  double rate = 0;
  bool chosen = false;  ///< the method's best rate
  std::string ended;    ///< in the solver's words
  std::vector<LearningPoint> points;

  double best_accuracy() const;
  /// Gradient-equivalents to an accuracy, or infinity.
  double work_to(double accuracy) const;
};

struct LearningResult {
  std::string data;
  std::string network;
  Index samples = 0;
  Index batch = 0;
  int threads = 1;
  std::vector<LearningCurve> curves;
};

/// The rates of --grid, by method, and the one taken without it.
struct LearningMethod {
  std::string name;
  std::vector<double> rates;
  double rate = 0;
};
const std::vector<LearningMethod>& learning_methods();

/// Throws Error where the data cannot be read.
LearningResult run_learning(const LearningOptions& options, const ProgressFunction& progress);

std::string learning_table(const LearningResult& result);
/// A section of the report.
std::string learning_section(const LearningResult& result);

}  // namespace kappa::bench
