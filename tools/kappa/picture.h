// --picture FILE: start and solution as a page, or the solution as a point cloud.
#pragma once

#include <string>

#include "problems/targets.h"
#include "report.h"

namespace kappa::cli {

/// Throws Error unless the name ends in .html or .ply and a file of this name could be written.
void check_picture(const std::string& path);

/// Throws Error where the target is nothing to look at.
void check_drawable(const Target& target);

void write_picture(const Solved& solved, const std::string& path);

}  // namespace kappa::cli
