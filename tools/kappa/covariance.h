// --covariance FILE: the covariance of every parameter block at the solution, or of those that --of names,
// and what the residuals leave undetermined.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "kappa/covariance.h"
#include "problems/targets.h"

namespace kappa::cli {

struct CovarianceRequest {
  std::string path;             ///< empty: none
  std::vector<std::string> of;  ///< names of blocks, * and ? as in file names; empty: all
};

/// Throws Error unless the name ends in .csv or .json and a file of this name could be written.
void check_covariance(const CovarianceRequest& request);

/// Of the target at x, with the time it took; throws Error where there is none.
struct TimedCovariance {
  BlockCovariance covariance;
  double seconds = 0;
};
TimedCovariance find_covariance(const Target& target, ConstVectorRef x);

/// .csv: a line "block,row,column,covariance" for each entry on and below the diagonal of each block.
/// .json: one object with variance, rank, null space and for each block its standard errors and covariance.
/// Throws Error where no block has a name that was asked for. Returns the number of blocks written.
Index write_covariance(const Target& target, const BlockCovariance& covariance,
                       const CovarianceRequest& request);

}  // namespace kappa::cli
