// Synthetic bundle adjustment of any size, in the units and with the structure of real ones.
//
//   street    one camera along a winding road, swaying from side to side; a point beside the road is seen by
//             consecutive cameras only, so the reduced camera matrix is banded (as in the Ladybug sets)
//   tourist   cameras of all focal lengths around a tower, crowded at the popular viewpoints; popular points
//             are seen by very many cameras (P(track > k) ~ k^-2), so the reduced camera matrix is dense (as
//             in the Trafalgar, Dubrovnik and Venice sets)
//
// An observation is the exact image of the true point in the true camera plus normal noise, and the initial
// values are the truth perturbed; hence at the optimum the root mean square of the residuals is close to the
// noise (below it by the degrees of freedom: sqrt(1 - unknowns / residuals)), while at the start it is some
// tens of pixels. With all perturbations zero the truth itself is returned, with the same observations.
//
// Every draw is a pure function of seed, camera and point (kappa/random.h). On another platform the structure
// is the same except where a point lies within rounding of the border of an image, and the numbers agree up
// to the last digits of the platform's sine, cosine and arc tangent.
//
// Every camera sees at least ten points and every point is seen by at least two cameras. Time: about half a
// microsecond an observation on one thread, on as many threads as the caller's arena has; memory: twice that
// of the result, for a moment.
#pragma once

#include <cstdint>
#include <string_view>

#include "kappa/base.h"
#include "problems/io/bal.h"

namespace kappa {

struct GeneratedBal {
  enum class Kind { street, tourist };

  Kind kind = Kind::street;
  /// At least 2.
  Index cameras = 50;
  /// At least ten for each camera.
  Index points = 8000;
  std::uint64_t seed = 1;
  /// Mean number of cameras that see a point, at least 2; the set 16-22106 has 3.8. Limits of visibility
  /// and of the number of cameras lower it somewhat.
  double track = 4.0;
  /// Standard deviation of each observed coordinate, in pixels.
  double noise = 0.5;
  /// Standard deviations of the initial values about the truth: each axis of a camera's rotation in radians,
  /// each coordinate of its centre and of a point in metres. The scenes are seen from about 15 metres.
  double rotation = 0.01;
  double translation = 0.1;
  double point = 0.2;
  /// Relative standard deviation of the start's focal lengths about the truth; those that photographs carry
  /// in their files are within some 0.03.
  double focal = 0.0;
  /// How much of the lens distortion the start does not know: 0 nothing, 1 all of it (k1 = k2 = 0).
  double distortion = 0.0;
};

/// Throws Error for options outside the ranges above.
BalProblem generate_bal(const GeneratedBal& options);

/// The options in "generated/KIND" or "generated/KIND?key=value&key=value"; the keys are the members of
/// GeneratedBal. Throws Error, naming what is wrong and what would be right.
GeneratedBal parse_generated_bal(std::string_view target);

}  // namespace kappa
