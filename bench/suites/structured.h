// What the suites of large structured problems share: names, best known costs, and how a final cost is
// judged.
#pragma once

#include <string>
#include <vector>

#include "bench/suite.h"

namespace kappa::bench {

/// What a case is called: the file without its folder, or the generated target.
std::string structured_name(const std::string& target);

/// A case without source, targets and score.
Case structured_case(const char* suite, const std::string& target, const Selection& selection);

/// Solved within a relative excess over the best cost; digits are those of the excess.
std::function<Score(const Run&, double value, double best)> within(double excess);

/// The pose graphs, and the rest, of what --data names: graphs are files *.g2o and generated spheres, tori
/// and grids.
std::vector<std::string> graphs_among(const std::vector<std::string>& data);
std::vector<std::string> bundles_among(const std::vector<std::string>& data);

}  // namespace kappa::bench
