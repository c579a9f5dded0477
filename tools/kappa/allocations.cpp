#include "allocations.h"

#include <atomic>
#include <cstdlib>

#if !defined(__GLIBC__) || defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)

bool kappa::cli::allocations_are_counted() {
  return false;
}

std::uint64_t kappa::cli::allocations_so_far() {
  return 0;
}

#else

namespace {

std::atomic<std::uint64_t> allocations{0};

void count() {
  allocations.fetch_add(1, std::memory_order_relaxed);
}

}  // namespace

// The GNU C library lets a program replace malloc and its kin for the whole process: operator new calls them,
// and plugins in C and the libraries that they use are linked to them when they are loaded.
extern "C" {
void* __libc_malloc(std::size_t);
void* __libc_calloc(std::size_t, std::size_t);
void* __libc_realloc(void*, std::size_t);
void* __libc_memalign(std::size_t, std::size_t);

void* malloc(std::size_t size) {
  count();
  return __libc_malloc(size);
}
void* calloc(std::size_t n, std::size_t size) {
  count();
  return __libc_calloc(n, size);
}
void* realloc(void* memory, std::size_t size) {
  count();
  return __libc_realloc(memory, size);
}
void* aligned_alloc(std::size_t alignment, std::size_t size) {
  count();
  return __libc_memalign(alignment, size);
}
int posix_memalign(void** out, std::size_t alignment, std::size_t size) {
  count();
  void* const memory = __libc_memalign(alignment, size);
  if (memory == nullptr) {
    constexpr int out_of_memory = 12;  // ENOMEM
    return out_of_memory;
  }
  *out = memory;
  return 0;
}
}

bool kappa::cli::allocations_are_counted() {
  return true;
}

std::uint64_t kappa::cli::allocations_so_far() {
  return allocations.load(std::memory_order_relaxed);
}

#endif
