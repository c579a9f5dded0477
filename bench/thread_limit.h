// ThreadLimit: runs something with a given number of threads.
#pragma once

#include <tbb/global_control.h>
#include <tbb/task_arena.h>

#include <cstddef>
#include <utility>

namespace kappa::bench {

/// At most (and, where the machine has them, exactly) this many threads work for what runs inside. An arena
/// alone may be given fewer than it asks for, hence the global limit as well. Limits nest: the least holds.
class ThreadLimit {
 public:
  explicit ThreadLimit(int threads)
      : control_(tbb::global_control::max_allowed_parallelism, static_cast<std::size_t>(threads)),
        arena_(threads) {}
  template <class F>
  auto run(F&& f) {
    return arena_.execute(std::forward<F>(f));
  }

 private:
  tbb::global_control control_;
  tbb::task_arena arena_;
};

}  // namespace kappa::bench
