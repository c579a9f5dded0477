// Parallel loops whose results do not depend on the number of threads.
//
// Work is cut into chunks by the structure of a problem alone, never by thread counts or clocks. Each chunk
// owns what it writes; a sum is one partial result per chunk, added in chunk order by the caller. Which
// thread runs a chunk is then free, so oneTBB may balance them as it likes and the bits stay the same.
//
// Cost: one to two microseconds of hand-off per loop, hence the threshold below. kappa allocates nothing;
// oneTBB takes its tasks from a pool of its own.
#pragma once

#include <tbb/blocked_range.h>
#include <tbb/parallel_for.h>

#include "kappa/base.h"

namespace kappa::detail {

/// Below this estimate of multiply-adds (some 30 microseconds) a loop stays on the calling thread.
inline constexpr double parallel_threshold = 50e3;

/// body(chunk) for every chunk in [0, chunks), in the caller's arena, or in order on the calling thread where
/// there is one chunk or `work`, the multiply-adds of the whole loop, is small. An exception in a body
/// reaches the caller.
template <class Body>
void for_each_chunk(Index chunks, double work, const Body& body) {
  if (chunks <= 1 || work < parallel_threshold) {
    for (Index c = 0; c < chunks; ++c) {
      body(c);
    }
    return;
  }
  tbb::parallel_for(tbb::blocked_range<Index>(0, chunks), [&body](const tbb::blocked_range<Index>& range) {
    for (Index c = range.begin(); c != range.end(); ++c) {
      body(c);
    }
  });
}

/// Items [0, items) in chunks of `size`, the last one shorter.
struct Partition {
  Index items = 0;
  Index size = 1;

  Index chunks() const { return (items + size - 1) / size; }
  Index begin(Index chunk) const { return chunk * size; }
  Index end(Index chunk) const { return chunk * size + size < items ? chunk * size + size : items; }
};

}  // namespace kappa::detail
