#include "bench/peer.h"

namespace kappa::bench {

std::vector<Family> other_families() {
  std::vector<Family> all;
  all.push_back(ceres_family());
  all.push_back(ceres_dogleg_family());
  return all;
}

}  // namespace kappa::bench
