#include "allocations.h"

#include <atomic>
#include <cstdlib>
#include <new>

namespace {

std::atomic<std::uint64_t> allocations{0};

}  // namespace

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)

bool kappa::cli::allocations_are_counted() {
  return false;
}

#else

// A replaced operator new is the whole process's: plugins are linked to it when they are loaded. The aligned
// forms keep the library's; what they allocate is not counted.
void* operator new(std::size_t size) {
  allocations.fetch_add(1, std::memory_order_relaxed);
  if (void* const out = std::malloc(size > 0 ? size : 1)) {
    return out;
  }
  throw std::bad_alloc();
}
void operator delete(void* memory) noexcept {
  std::free(memory);
}
void operator delete(void* memory, std::size_t) noexcept {
  std::free(memory);
}

bool kappa::cli::allocations_are_counted() {
  return true;
}

#endif

std::uint64_t kappa::cli::allocations_so_far() {
  return allocations.load(std::memory_order_relaxed);
}
