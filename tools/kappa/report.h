// The summary of a solve, for a person.
#pragma once

#include <string>

#include "covariance.h"
#include "kappa/minimize.h"
#include "problems/targets.h"

namespace kappa::cli {

/// A target and what came of solving it.
struct Solved {
  const Target& target;
  const Result& result;
  int threads = 0;
  const TimedCovariance* covariance = nullptr;  ///< where it was asked for
  std::string checkpoint = {};                  ///< its file, or empty
};

/// Labelled rows; for a NIST regression also its parameters beside the certified ones.
std::string summary(const Solved& solved);

}  // namespace kappa::cli
