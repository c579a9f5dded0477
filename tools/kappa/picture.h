// --picture FILE: start and solution as a page, the solution as a point cloud, or what a network has learned.
#pragma once

#include <string>

#include "problems/targets.h"
#include "report.h"

namespace kappa::cli {

/// Throws Error unless the name ends in .html, .ply or .png and a file of this name could be written.
void check_picture(const std::string& path);

/// Throws Error where there is no such picture of the target.
void check_drawable(const Target& target, const std::string& path);

void write_picture(const Solved& solved, const std::string& path);

}  // namespace kappa::cli
