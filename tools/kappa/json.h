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

/// What `kappa list` shows: schemes and parts. The names of a scheme's targets are part of it.
std::string json(const std::vector<TargetScheme>& schemes, const std::vector<PartInfo>& parts);

}  // namespace kappa::cli
