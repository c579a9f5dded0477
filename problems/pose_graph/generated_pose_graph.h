// Synthetic pose graphs of any size, with the structure of the published ones.
//
//   sphere    a spiral from pole to pole; loops close to the turn before (as in sphere2500)
//   torus     a spiral around a torus; loops close to the turn before, and the last turn to the first
//             (as in torus3D)
//   grid      dimension=3: along the rows and layers of a cube; loops close to all neighbours in it (as in
//             grid3D); dimension=2: a walk through streets at right angles, a turn at one step in four; loops
//             close to the latest earlier visit of the same place (as in the Manhattan world M3500)
//
// Poses are a metre apart (on the sphere: turns are), looking along their path. A measurement is the true
// relative pose, disturbed by normal noise on each coordinate and on each axis of the rotation vector, and
// has the information matrix of that noise. So at the truth twice the objective is close to the number of
// residuals, and at the optimum to that number less the degrees of freedom of the poses. The first pose is
// the origin, in the truth as at the start.
//
// Every draw is a pure function of seed and edge (kappa/random.h). On another platform the structure is the
// same and the numbers agree up to the last digits of the platform's sine and cosine.
//
// Cost: about a microsecond an edge; memory: that of the result.
#pragma once

#include <cstdint>
#include <string_view>

#include "kappa/base.h"
#include "problems/pose_graph/pose_graph.h"

namespace kappa {

struct GeneratedPoseGraph {
  enum class Shape { sphere, torus, grid };
  /// Where the poses start: integrated along the odometry, or at the truth.
  enum class Start { odometry, truth };

  Shape shape = Shape::sphere;
  /// Of a grid, 2 or 3; sphere and torus lie in space.
  int dimension = 3;
  /// At least 20.
  Index poses = 2500;
  std::uint64_t seed = 1;
  /// Standard deviations of measurements: each coordinate in metres, each axis of the rotation in radians.
  double translation = 0.05;
  double rotation = 0.02;
  /// The probability that a loop is closed where the shape offers it.
  double closures = 1.0;
  Start start = Start::odometry;
};

/// Throws Error for options outside the ranges above.
PoseGraph generate_pose_graph(const GeneratedPoseGraph& options);

/// The options in "generated/SHAPE" or "generated/SHAPE?key=value&key=value"; the keys are the members of
/// GeneratedPoseGraph. Throws Error, naming what is wrong and what would be right.
GeneratedPoseGraph parse_generated_pose_graph(std::string_view target);

/// A file in the g2o format, or a synthetic graph where `target` begins with "generated/"; a file in a folder
/// of that name is reached as "./generated/...".
PoseGraph load_pose_graph(const std::string& target);

}  // namespace kappa
