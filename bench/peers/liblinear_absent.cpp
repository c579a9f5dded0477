#include "bench/logistic.h"

namespace kappa::bench {

std::vector<std::unique_ptr<LogisticPeer>> liblinear_peers() {
  return {};
}

}  // namespace kappa::bench
