#include "bench/peer.h"

namespace kappa::bench {

Family ceres_family() {
  Family out;
  out.name = "ceres";
  out.absence =
      "Ceres was not found when kappa-bench was built; install libceres-dev, configure again with "
      "-DKAPPA_CERES=ON and rebuild";
  return out;
}

}  // namespace kappa::bench
