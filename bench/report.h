// Results as one HTML page that needs nothing else.
#pragma once

#include <string>

#include "bench/machine.h"
#include "bench/results.h"

namespace kappa::bench {

std::string report_html(const Provenance& provenance, const Results& results);

}  // namespace kappa::bench
