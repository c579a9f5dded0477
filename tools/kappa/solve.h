// kappa solve TARGET: everything on its command line, and what runs it.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "covariance.h"
#include "kappa/minimize.h"
#include "method_choice.h"

namespace kappa::cli {

struct SolveArguments {
  std::string target;
  MethodChoice method;
  Stopping stopping;
  std::string validation;  ///< a target of the same model; empty: none
  std::string validation_measure;
  Index patience = 0;
  Checkpoint checkpoint;
  std::optional<Index> threads;  ///< all cores where it is not given
  bool json = false;
  bool verbose = false;
  std::string output;   ///< empty: no file
  std::string picture;  ///< empty: no picture
  CovarianceRequest covariance;
  std::shared_ptr<std::vector<std::string>> plugins;
};

/// Returns the exit status. Throws Error for whatever cannot be set up.
int solve(const SolveArguments& given);

}  // namespace kappa::cli
