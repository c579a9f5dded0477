// The program's JSON: one object on standard output, numbers that are not finite as null.
#pragma once

#include <string>
#include <vector>

#include "kappa/registry.h"
#include "report.h"

namespace kappa::cli {

/// x is part of it up to this dimension.
inline constexpr Index json_dimension_limit = 100;

std::string json(const Solved& solved);

/// A part and its kind: that of the registry, or loss or problem where a plugin has one.
struct ListedPart {
  std::string kind;
  PartInfo info;
};

/// What `kappa list` shows.
struct Listing {
  std::vector<TargetScheme> schemes;
  std::vector<ListedPart> parts;
};

/// The names of a scheme's targets are part of it, and so are the plugins that are loaded.
std::string json(const Listing& listing);

}  // namespace kappa::cli
