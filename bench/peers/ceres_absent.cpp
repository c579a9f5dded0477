#include "bench/jacobian.h"
#include "bench/peer.h"

namespace kappa::bench {

namespace {

Family absent(const char* name) {
  Family out;
  out.name = name;
  out.absence =
      "Ceres was not found when kappa-bench was built; install libceres-dev, configure again with "
      "-DKAPPA_CERES=ON and rebuild";
  return out;
}

}  // namespace

Family ceres_family() {
  return absent("ceres");
}
Family ceres_dogleg_family() {
  return absent("ceres-dogleg");
}
std::vector<std::unique_ptr<JacobianWork>> ceres_jacobian_works(const BalProblem&) {
  return {};
}

}  // namespace kappa::bench
