// Results as JSON, and how a file gets its name only when it is complete.
#pragma once

#include <string>

#include "bench/machine.h"
#include "bench/results.h"

namespace kappa::bench {

/// One object for each suite: the object itself where there is one, an array where there are several. Numbers
/// that are not finite are null.
std::string json_text(const Provenance& provenance, const Results& results);

/// Writes to a file beside `path` and renames it. Throws Error, naming the path, where that is impossible.
void write_whole(const std::string& path, const std::string& text);

/// Throws Error where write_whole(path, ...) would: an hour's results should not find that out at the end.
void require_writable(const std::string& path);

}  // namespace kappa::bench
