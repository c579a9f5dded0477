// Learning curves: one network, learnt by several stochastic methods from the same start and the same
// batches.
//
// After each epoch the value over the epoch's batches, and loss and accuracy on test data, against
// gradient-equivalents (Result::gradient_equivalents) and seconds, from which judging the test data is left
// out. Methods end after --epochs or, for a comparison at equal work, after --work gradient-equivalents.
// --task autoencoder learns the deep autoencoder 784-400-200-100-50-25 and back, a sigmoid at its end and the
// mean square, and judges by the value over all samples (Hinton & Salakhutdinov 2006; Martens 2010, sec. 6).
// With --grid each method is run with several rates, and the one with the best accuracy is shown in the
// charts; otherwise with the rate that this found on Fashion-MNIST.
//
// Where the samples are square images the report shows what was learned: the filters of the first layer, or
// what each method's autoencoder makes of test images.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "bench/measure.h"
#include "kappa/method.h"
#include "problems/picture/image.h"

namespace kappa::bench {

struct LearningOptions {
  std::string data;  ///< folder of the idx files of the MNIST family; empty: generated samples
  std::vector<Index> hidden = {128};
  Index batch = 128;
  Index epochs = 8;
  bool grid = false;
  double work = 0;   ///< gradient-equivalents after which a method ends; 0: after the epochs
  std::string only;  ///< methods whose name contains this
  enum class Task { classes, autoencoder } task = Task::classes;
  Index samples = 0;  ///< those learnt from, from the beginning; 0: all
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
  double value = 0;     ///< over all samples, at the end
  std::vector<LearningPoint> points;
  std::vector<double> x;  ///< the best weights on the test data, or the last

  double best_accuracy() const;
  /// Gradient-equivalents to an accuracy, or infinity.
  double work_to(double accuracy) const;
};

struct LearningPicture {
  std::string caption;
  Image image;
};

struct LearningResult {
  LearningOptions::Task task = LearningOptions::Task::classes;
  std::string data;
  std::string network;
  Index samples = 0;
  Index batch = 0;
  int threads = 1;
  std::vector<LearningCurve> curves;
  std::vector<std::string> left_out;  ///< methods whose plugin is not loaded
  std::vector<LearningPicture> pictures;
};

/// A method under test.
struct LearningMethod {
  std::string name;
  std::vector<double> rates;   ///< of --grid; where a rule sets the damping, its first values
  double rate = 0;             ///< the one taken without --grid
  std::string curvature = {};  ///< one that a plugin brings; the method is left out where it is not loaded
};
const std::vector<LearningMethod>& learning_methods(LearningOptions::Task task);

/// `samples` is how many there are to learn from.
Method learning_method(const LearningOptions& options, const std::string& name, double rate, Index samples);

/// Throws Error where the data cannot be read.
LearningResult run_learning(const LearningOptions& options, const ProgressFunction& progress);

std::string learning_table(const LearningResult& result);
/// A section of the report.
std::string learning_section(const LearningResult& result);

}  // namespace kappa::bench
