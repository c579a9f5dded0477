// Gaussian-process regressions by name, for the target scheme gaussian:
//
//   generated           inputs uniform in [0, 10]^inputs, data drawn from the model itself; the start is off
//   enso                NIST's series of 168 monthly differences of air pressure (StRD, ENSO), against time
//   csv?file=data.csv   columns of inputs, and one of targets (the last)
//
// A kernel is written as a sum of products, such as matern52*periodic+se; each summand has a variance of its
// own, and each length scale is one for each input.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "kappa/gaussian_process.h"
#include "kappa/options.h"

namespace kappa {

struct GaussianTargetOptions {
  Index n = 500;
  Index inputs = 1;
  std::string kernel = "matern52";
  std::string mean = "constant";
  double noise = 0.1;
  double offset = 0.5;
  double period = 0;  ///< 0: a tenth of the first input's range, for enso 12 months
  std::uint64_t seed = 1;
  std::string file;
};

struct GaussianTarget {
  GaussianLikelihood problem;
  std::vector<double> start;
  std::string note;
};

std::vector<std::string> gaussian_target_names();
std::vector<OptionInfo> gaussian_target_keys();

/// Throws Error for an unknown name, key or kernel, and for a file that cannot be read.
GaussianTarget make_gaussian_target(const std::string& name,
                                    const std::vector<std::pair<std::string, std::string>>& keys);

/// The kernel that a text such as "matern52*periodic+se" names, for `inputs` inputs. Lengths, the period and
/// the variance of each summand are those to start from.
struct KernelScales {
  std::vector<double> lengths;
  double period = 1;
  double variance = 1;
};
Kernel kernel_from_text(const std::string& text, const KernelScales& scales);

}  // namespace kappa
