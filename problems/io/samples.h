// Which samples of a file a target takes, and in what unit their features are.
#pragma once

#include <string>

#include "kappa/data.h"

namespace kappa::detail {

struct SampleChoice {
  Index leave_out = 0;  ///< every k-th sample, from the first, is left out; 0: none
  Index take = 0;       ///< every k-th sample, from the first, alone; 0: all
  std::string scale = "no";
};

/// One file serves to learn from and to judge by: without every k-th sample, and with those alone. With scale
/// "standard" each feature has mean 0 and variance 1 over the samples that are learnt from, which are all but
/// those that `take` names; features that do not vary become 0. Throws Error where both are given, for
/// numbers below 2, and for sparse features that are to be scaled; messages begin with `part`.
void choose_samples(const std::string& part, const SampleChoice& choice, Dataset& data);

}  // namespace kappa::detail
