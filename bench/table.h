// Results as text for a terminal.
#pragma once

#include <string>

#include "bench/measure.h"

namespace kappa::bench {

/// Summary lines and one line for each case, or for each solver of a case where times to targets are known.
std::string table(const SuiteResult& result);

}  // namespace kappa::bench
