// A synthetic data set of the structure of a9a and mushrooms: categorical answers, each spread over columns
// of which one is 1, and classes drawn from a logistic model of them.
//
// Answer a of a sample takes category c with probability proportional to 1 / (c + 1), so that some columns
// are set in most samples and some in few. Weights of the columns are normal; the true margin is their sum
// over the sample's columns, less its mean, times `strength`.
#pragma once

#include <cstdint>

#include "kappa/data.h"

namespace kappa {

struct GeneratedSamples {
  Index samples = 8000;
  Index answers = 14;     ///< entries of a sample
  Index categories = 9;   ///< columns of an answer
  double strength = 0.5;  ///< larger: the classes are easier to tell apart
  std::uint64_t seed = 1;
};

/// The same bits for the same options on every machine but for the classes of samples at the very edge of
/// their probability. Throws Error for counts that are not positive.
Dataset generate_samples(const GeneratedSamples& options);

}  // namespace kappa
