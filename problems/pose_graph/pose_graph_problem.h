// A pose graph as a residual problem: a block for each pose, a residual for each edge (between.h).
//
// Poses in the plane live on R^2 and the circle of angles, poses in space on R^3 and the unit quaternions
// with the steps of Ceres's EigenQuaternionManifold, so that methods can be compared step by step.
#pragma once

#include <vector>

#include "kappa/residuals.h"
#include "problems/pose_graph/pose_graph.h"

namespace kappa {

/// Blocks in the order of the poses, named "pose ID"; the anchors (pose_graph.h) are constant, and x holds
/// the others. Throws Error for a graph in which there is nothing to move: without edges, or with all poses
/// fixed. The problem knows its symmetries, to move and turn the whole graph: 3 in the plane, 6 in space. The
/// anchors break them; set_variable gives them back.
ResidualProblem make_pose_graph(const PoseGraph& graph, const Loss& loss = {});

/// All poses, laid out like PoseGraph::pose, with those that are no anchors taken from `x`.
std::vector<double> poses_at(const PoseGraph& graph, ConstVectorRef x);

}  // namespace kappa
