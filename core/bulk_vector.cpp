#include "kappa/bulk_vector.h"

#include <array>
#include <cstring>
#include <mutex>
#include <utility>

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace kappa::detail {
namespace {

constexpr std::size_t large_page = std::size_t{1} << 21U;
constexpr std::size_t bulk = 2 * large_page;
constexpr std::align_val_t cache_line{64};

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr std::size_t most_kept = 0;  // what is freed is to be seen as freed
#else
constexpr std::size_t most_kept = std::size_t{128} << 20U;
#endif

std::size_t rounded(std::size_t bytes) {
  return (bytes + large_page - 1) / large_page * large_page;
}

/// Freed memory for the next solve, which need not have its pages cleared again.
class Kept {
 public:
  /// A block of this size, or null: the next solve of a structure asks for the same sizes.
  void* take(std::size_t bytes) {
    const std::lock_guard lock(mutex_);
    for (Block& block : blocks_) {
      if (block.memory != nullptr && block.bytes == bytes) {
        total_ -= bytes;
        return std::exchange(block.memory, nullptr);
      }
    }
    return nullptr;
  }

  bool keep(void* memory, std::size_t bytes) {
    const std::lock_guard lock(mutex_);
    if (total_ + bytes > most_kept) {
      return false;
    }
    for (Block& block : blocks_) {
      if (block.memory == nullptr) {
        block = {memory, bytes};
        total_ += bytes;
        return true;
      }
    }
    return false;
  }

 private:
  struct Block {
    void* memory = nullptr;
    std::size_t bytes = 0;
  };
  std::mutex mutex_;
  std::array<Block, 16> blocks_;
  std::size_t total_ = 0;
};

/// In debug builds what has no value yet is not a number, so that tests see who reads it.
void* poisoned(void* memory, [[maybe_unused]] std::size_t bytes) {
#if !defined(NDEBUG)
  std::memset(memory, 0xFF, bytes);
#endif
  return memory;
}

/// Never destroyed: vectors of static storage may be freed after it would be.
Kept& kept() {
  static Kept* const instance = new Kept;
  return *instance;
}

}  // namespace

void* allocate_bulk(std::size_t bytes) {
  if (bytes < bulk) {
    return poisoned(::operator new(bytes, cache_line), bytes);
  }
  if (void* memory = kept().take(rounded(bytes))) {
    return poisoned(memory, bytes);
  }
  void* memory = ::operator new (rounded(bytes), std::align_val_t{large_page});
#if defined(__linux__)
  madvise(memory, rounded(bytes), MADV_HUGEPAGE);  // advice only: whether it is taken does not matter
#endif
  return poisoned(memory, bytes);
}

void free_bulk(void* memory, std::size_t bytes) noexcept {
  if (bytes < bulk) {
    ::operator delete(memory, cache_line);
  } else if (!kept().keep(memory, rounded(bytes))) {
    ::operator delete (memory, std::align_val_t{large_page});
  }
}

}  // namespace kappa::detail
