#include "kappa/bulk_vector.h"

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace kappa::detail {
namespace {

constexpr std::size_t large_page = std::size_t{1} << 21U;
constexpr std::size_t bulk = 2 * large_page;
constexpr std::align_val_t cache_line{64};

}  // namespace

void* allocate_bulk(std::size_t bytes) {
  if (bytes < bulk) {
    return ::operator new(bytes, cache_line);
  }
  void* memory = ::operator new (bytes, std::align_val_t{large_page});
#if defined(__linux__)
  madvise(memory, bytes, MADV_HUGEPAGE);  // advice only: whether it is taken does not matter
#endif
  return memory;
}

void free_bulk(void* memory, std::size_t bytes) noexcept {
  ::operator delete (memory, bytes < bulk ? cache_line : std::align_val_t{large_page});
}

}  // namespace kappa::detail
