// Every curvature with every optimizer on the whole MGH set: which pairs work, how well, and why some are
// refused.
#pragma once

#include <string>
#include <vector>

#include "bench/measure.h"

namespace kappa::bench {

struct PairCell {
  std::string curvature;
  std::string optimizer;
  int solved = 0;
  int of = 0;
  std::string refused;  ///< the sentence, empty where the pair runs
  Index products = 0;   ///< with the curvature, over all problems
};

struct PairsResult {
  std::vector<std::string> curvatures;  ///< rows
  std::vector<std::string> optimizers;  ///< columns
  std::vector<PairCell> cells;          ///< row by row
};

/// On the problems whose names match `only`, from the standard start, at most 1000 steps each.
PairsResult run_pairs(const std::string& only, int threads, const ProgressFunction& progress);

/// As a Markdown table with the refusals beneath.
std::string markdown(const PairsResult& result);

}  // namespace kappa::bench
