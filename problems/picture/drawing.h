// What a picture shows of a point x of a problem: points, cameras or poses, and the links between poses.
//
// Cost: linear in what is drawn.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "kappa/base.h"
#include "problems/io/bal.h"
#include "problems/pose_graph/pose_graph.h"

namespace kappa {

struct Drawing {
  enum class Subject { bundle, graph_in_plane, graph_in_space };

  Subject subject = Subject::bundle;
  /// x, y, z of each point.
  std::vector<double> points;
  /// x, y, z and the unit quaternion (x, y, z, w) that turns the pose's frame into the world's, for each
  /// pose. A camera looks along its -z axis and has y upwards.
  std::vector<double> poses;
  /// Pairs of poses. Neighbours are the path, others are loops that it closes.
  std::vector<std::array<std::int32_t, 2>> links;

  Index point_count() const { return static_cast<Index>(points.size()) / 3; }
  Index pose_count() const { return static_cast<Index>(poses.size()) / 7; }
};

/// Throws Error, "PATH: not drawn, ...", where a position is not finite, and ContractError where sizes or
/// indices do not fit together.
void expects_drawable(const Drawing& drawing, const std::string& path);

/// Cameras and points at `parameters`, laid out like BalProblem::parameters.
Drawing draw(const BalProblem& problem, ConstVectorRef parameters);

/// Poses, laid out like PoseGraph::pose, and the edges between them.
Drawing draw(const PoseGraph& graph, ConstVectorRef poses);

/// Corners of a small pyramid that stands for each camera: its centre, then the four corners of its image,
/// 3 numbers each. `size` is its height.
std::vector<double> camera_pyramids(const Drawing& drawing, double size);

/// Where the eye finds something: a centre and a distance from it that holds nearly all points and poses
/// (bundles have points far out, which do not count).
struct Extent {
  std::array<double, 3> centre{};
  double radius = 1.0;
};
Extent extent(const Drawing& drawing);

/// A height for camera pyramids that neither hides the scene nor is hidden by it.
double pyramid_size(const Drawing& drawing);

}  // namespace kappa
