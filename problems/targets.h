// Targets: problems by name, as a command line writes them, SCHEME:NAME.
//
//   nist:Misra1a?start=2          a NIST regression (problems/analytic/nist.h)
//   mgh:rosenbrock?factor=10      a Moré-Garbow-Hillstrom problem (problems/analytic/mgh.h)
//   mgh-bounded:rosenbrock        the same in Gay's box (problems/analytic/mgh_bounds.h)
//   bal:FILE                      a bundle-adjustment file (problems/io/bal.h)
//   bal:generated/street?seed=2   a synthetic one (problems/io/bal_generated.h)
//   g2o:FILE                      a pose graph (problems/io/g2o.h)
//   g2o:generated/torus?seed=2    a synthetic one (problems/pose_graph/generated_pose_graph.h)
//   gaussian:enso                 a Gaussian process (problems/likelihood/gaussian_target.h)
//   libsvm:FILE?C=100&bias=1      logistic regression (kappa/linear_model.h), also csv:FILE
//   network:784-128-10?data=FILE  a feed-forward network (problems/learning/network_target.h)
//   plugin:NAME?key=value         a problem of a loaded plugin (kappa/plugin_host.h)
//
// A new scheme is one function that loads and one line in target_schemes().
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "kappa/options.h"
#include "kappa/problem.h"
#include "problems/picture/drawing.h"
#include "problems/picture/image.h"

namespace kappa {

/// A problem to solve, with its start and what is known of it.
struct Target {
  std::string scheme;
  std::string name;  ///< in the spelling of the scheme, with the keys that are not at their default
  std::unique_ptr<Problem> problem;
  std::vector<double> x0;
  std::optional<double> known_minimum;  ///< of kappa's objective, half the sum of squares
  std::string note;                     ///< a sentence about the problem; may be empty
  /// Writes a solution in the scheme's own file format, under a temporary name first; empty where the scheme
  /// has none.
  std::function<void(ConstVectorRef x, const std::string& path)> write;
  /// What a picture shows at x (problems/picture/picture.h); empty where there is nothing to look at.
  std::function<Drawing(ConstVectorRef x)> draw;
  /// The same as pixels: what a network of images has learned (problems/picture/network_images.h).
  std::function<Image(ConstVectorRef x)> image;

  /// What load_target takes to load it again.
  std::string address() const { return scheme + ":" + name; }
};

struct TargetScheme {
  std::string name;
  std::string summary;           ///< one sentence
  std::string example;           ///< a whole target
  std::vector<OptionInfo> keys;  ///< what may follow the name: ?key=value&key=value
  std::function<std::vector<std::string>()> names;
  /// Throws Error where the name or a key is not valid.
  std::function<Target(std::string_view name)> load;
};

/// All schemes.
const std::vector<TargetScheme>& target_schemes();

/// One more, from a plugin host or a program of the user's own, before targets are looked for from other
/// threads. Throws Error where the name is taken.
void add_target_scheme(TargetScheme scheme);

/// Throws Error naming the valid schemes, the closest first.
const TargetScheme& target_scheme(std::string_view name);

/// The target that SCHEME:NAME names. Throws Error for an unknown scheme, name or key, and for a file that
/// cannot be read.
Target load_target(std::string_view address);

}  // namespace kappa
