// Bundle Adjustment in the Large: the problem in memory and its text file.
//
//   minimise 1/2 sum over observations |reprojection(camera, point) - observed|^2      (reprojection.h)
//
// The file: a line "cameras points observations"; for each observation "camera point u v", indices from
// zero; then nine numbers for each camera (angle-axis, translation, focal length, k1, k2) and three for each
// point, one to a line. See https://grail.cs.washington.edu/projects/bal/ for the data.
//
// Reading costs one pass over the text (about 10 million numbers a second) and one buffer of its size.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "kappa/base.h"

namespace kappa {

struct BalProblem {
  static constexpr Index camera_size = 9;
  static constexpr Index point_size = 3;

  Index cameras = 0;
  Index points = 0;
  Index observations = 0;
  /// One of each per observation.
  std::vector<std::int32_t> camera_index;
  std::vector<std::int32_t> point_index;
  /// u, v of each observation: pixels from the image centre, v upwards.
  std::vector<double> observed;
  /// All cameras, 9 numbers each (angle-axis, translation, focal length, k1, k2), then all points, 3 each.
  std::vector<double> parameters;

  Index camera_offset(Index camera) const { return camera_size * camera; }
  Index point_offset(Index point) const { return camera_size * cameras + point_size * point; }
  const double* camera(Index i) const { return parameters.data() + camera_offset(i); }
  const double* point(Index j) const { return parameters.data() + point_offset(j); }

  bool operator==(const BalProblem&) const = default;
};

/// How well the observations hold the unknowns: what is counted here leaves the Gauss-Newton matrix
/// singular even after the gauge (a similarity, 7 numbers) is fixed. Legal in a file.
struct BalCoverage {
  /// Cameras without any observation.
  Index cameras_unseeing = 0;
  /// Points without any observation.
  Index points_unseen = 0;
  /// Points with one observation: free to slide along the ray.
  Index points_seen_once = 0;
  /// The fewest observations of any camera and of any point.
  Index fewest_per_camera = 0;
  Index fewest_per_point = 0;
};

BalCoverage coverage(const BalProblem& problem);

/// Reads a file. Throws Error, naming file, line and what was expected there, for anything else than a
/// complete, consistent, finite problem; the counts are held against the size of the file before
/// anything of their size is allocated.
BalProblem read_bal(const std::string& path);

/// The same for the text of a file, which is called `name` in messages.
BalProblem parse_bal(std::string_view text, const std::string& name);

/// Writes a file which read_bal reads to the same bits, in the fewest digits that do so. It appears under its
/// name only when complete. Throws Error if it cannot be written or a number is not finite.
void write_bal(const BalProblem& problem, const std::string& path);

/// A file, or a synthetic problem where `target` begins with "generated/" (see bal_generated.h); a file in a
/// folder of that name is reached as "./generated/...".
BalProblem load_bal(const std::string& target);

}  // namespace kappa
