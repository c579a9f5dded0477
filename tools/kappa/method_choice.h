// From the names and settings on a command line to a Method.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "kappa/method.h"

namespace kappa::cli {

struct MethodChoice {
  std::string optimizer = "levenberg-marquardt";
  /// Each replaces that part of the optimizer's recipe; a part of the recipe's own name keeps its options.
  std::optional<std::string> curvature;
  std::optional<std::string> step;
  std::optional<std::string> acceptance;
  std::optional<std::string> preconditioner;
  std::optional<std::string> metric;
  std::optional<Index> batch;
  std::optional<std::uint64_t> seed;
  /// PART.OPTION=VALUE, where PART is the name of a part in use, or its kind.
  std::vector<std::string> settings;
};

/// Throws Error for names, settings and values that do not exist or do not fit. The options of parts left at
/// "auto" are not checked, since the part is not known yet.
Method choose_method(const MethodChoice& choice);

}  // namespace kappa::cli
