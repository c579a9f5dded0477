// Pose graphs as text, in the format of g2o: a line for each pose and each edge, in any order.
//
//   VERTEX_SE2 id x y theta                    EDGE_SE2 from to dx dy dtheta and 6 numbers
//   VERTEX_SE3:QUAT id x y z qx qy qz qw       EDGE_SE3:QUAT from to dx dy dz qx qy qz qw and 21 numbers
//   FIX id ...                                 poses that are known
//   # to the end of the line                   a comment
//
// The last numbers of an edge are the upper triangle of its information matrix, row by row. Ids are integers
// from 0, in any order and with gaps. Quaternions are scaled to length one. A file without vertices (several
// published ones are) starts along a spanning tree of its edges (pose_graph.h, place_along_tree).
//
// Reading costs one pass over the text (about 15 million numbers a second), and memory for the result.
//
// Reference: Kümmerle, Grisetti, Strasdat, Konolige, Burgard: g2o: A general framework for graph
// optimization. ICRA 2011; the format is the one of its data sets.
#pragma once

#include <string>
#include <string_view>

#include "problems/pose_graph/pose_graph.h"

namespace kappa {

/// Reads a file. Throws Error, naming file, line and what was expected there, for anything else than complete
/// lines of the kinds above that belong together: poses of one space, different ids, edges between two
/// different poses of the file, finite numbers, quaternions other than zero and positive semidefinite
/// information matrices (information_root).
PoseGraph read_g2o(const std::string& path);

/// The same for the text of a file, which is called `name` in messages.
PoseGraph parse_g2o(std::string_view text, const std::string& name);

/// Writes a file which read_g2o reads to the same bits, in the fewest digits that do so. It appears under its
/// name only when complete. Throws Error if it cannot be written or a number is not finite.
void write_g2o(const PoseGraph& graph, const std::string& path);

}  // namespace kappa
