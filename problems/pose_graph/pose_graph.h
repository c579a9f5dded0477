// Pose graphs: poses of a robot or camera, and measurements of one pose as seen from another, each with its
// information matrix (inverse covariance). In the plane a pose is (x, y, theta); in space it is
// (x, y, z, qx, qy, qz, qw) with a unit quaternion. pose_graph_problem.h makes a least-squares problem of it,
// problems/io/g2o.h reads and writes it.
//
// Everything here is linear in the size of the graph.
#pragma once

#include <cstdint>
#include <vector>

#include "kappa/base.h"

namespace kappa {

struct PoseGraph {
  enum class Space { plane, space };

  Space space = Space::space;
  /// The name of each pose in its file, ascending.
  std::vector<std::int64_t> id;
  /// pose_size() numbers each.
  std::vector<double> pose;
  /// Poses that are known, ascending: they keep their values.
  std::vector<std::int32_t> fixed;

  /// For each edge the pose it was measured from and the pose that was measured, two different ones.
  std::vector<std::int32_t> from;
  std::vector<std::int32_t> to;
  /// pose_size() numbers for each edge: pose `to` in the frame of pose `from`.
  std::vector<double> measured;
  /// information_size() numbers for each edge: the upper triangle, row by row, of a positive semidefinite
  /// matrix of size tangent_size().
  std::vector<double> information;

  Index poses() const { return static_cast<Index>(id.size()); }
  Index edges() const { return static_cast<Index>(from.size()); }
  int pose_size() const { return space == Space::plane ? 3 : 7; }
  /// Degrees of freedom of a pose, residuals of an edge.
  int tangent_size() const { return space == Space::plane ? 3 : 6; }
  int information_size() const { return space == Space::plane ? 6 : 21; }

  const double* pose_at(Index i) const { return pose.data() + i * pose_size(); }
  const double* measured_at(Index edge) const { return measured.data() + edge * pose_size(); }
  const double* information_at(Index edge) const { return information.data() + edge * information_size(); }

  bool operator==(const PoseGraph&) const = default;
};

/// Throws ContractError where the sizes of the members or an index do not fit together.
void expects_consistent(const PoseGraph& graph);

/// The connected part of the graph that each pose is in, numbered by their first poses.
std::vector<std::int32_t> connected_parts(const PoseGraph& graph);

/// The poses to hold, ascending: the fixed ones, and the first pose of each connected part that has none.
/// Without them the whole part could move freely, and the least-squares problem would be singular.
std::vector<std::int32_t> anchors(const PoseGraph& graph);

/// Places all poses by the measurements along a spanning tree: the first pose of each connected part at the
/// origin, the others by composition. Odometry (edges between neighbours in the order of ids) is preferred,
/// then edges come in their order, so the result depends on the graph alone.
void place_along_tree(PoseGraph& graph);

/// The upper triangular R of `size` rows, row by row, with R'R = the matrix whose upper triangle
/// `information` is: Cholesky's factor, or for a semidefinite matrix the triangle of D^(1/2) V' of its
/// eigenvalues. False where the matrix has a negative eigenvalue. A matrix scaled to unit diagonal may have
/// eigenvalues down to -1e-5, which count as zero: files carry about six digits.
bool information_root(int size, const double* information, double* root);

}  // namespace kappa
