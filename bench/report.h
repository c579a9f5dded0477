// Results as one HTML page that needs nothing else.
#pragma once

#include <string>
#include <vector>

#include "bench/machine.h"
#include "bench/measure.h"
#include "bench/pairs.h"

namespace kappa::bench {

std::string report_html(const Provenance& provenance, const std::vector<SuiteResult>& suites,
                        const PairsResult* pairs);

}  // namespace kappa::bench
