// The least costs (1/2 sum of squared residuals) that any solver was seen to reach, for time-to-accuracy
// figures. A case without an entry, or a run that goes lower, uses the least cost of the run itself.
#pragma once

#include <string_view>

namespace kappa::bench {

struct BestKnown {
  std::string_view problem;
  double cost;
};

inline constexpr BestKnown best_known_costs[] = {
    {"problem-16-22106-pre.txt", 18033.903478771466},
    {"problem-21-11315-pre.txt", 30378.63579649772},
    {"problem-49-7776-pre.txt", 13344.240395670295},
    {"generated/tourist?cameras=16&points=2000&seed=1", 901.4801332309498},
};

}  // namespace kappa::bench
