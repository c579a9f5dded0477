// BulkVector: a std::vector for arrays of many megabytes that are written right after they were sized.
//
// resize() leaves new entries without a value (of trivial types), so that the threads that fill an array are
// also the first to touch it, and the array is not written twice. From 4 MB on its memory begins at a large
// page and the system is asked for such pages, since each page costs something when it is first touched,
// beside being cleared. Up to 128 MB of such memory is kept when it is freed, for the next solve of a problem
// of the same size.
#pragma once

#include <cstddef>
#include <new>
#include <type_traits>
#include <utility>
#include <vector>

namespace kappa {

namespace detail {

/// Memory for `bytes`, aligned for vectors at least; throws std::bad_alloc.
void* allocate_bulk(std::size_t bytes);
void free_bulk(void* memory, std::size_t bytes) noexcept;

}  // namespace detail

template <class T>
class BulkAllocator {
 public:
  using value_type = T;

  BulkAllocator() = default;
  template <class U>
  BulkAllocator(const BulkAllocator<U>&) noexcept {}

  T* allocate(std::size_t count) {
    if (count > static_cast<std::size_t>(-1) / sizeof(T)) {
      throw std::bad_array_new_length();
    }
    return static_cast<T*>(detail::allocate_bulk(count * sizeof(T)));
  }
  void deallocate(T* memory, std::size_t count) noexcept { detail::free_bulk(memory, count * sizeof(T)); }

  template <class U>
  void construct(U* at) noexcept(std::is_nothrow_default_constructible_v<U>) {
    ::new (static_cast<void*>(at)) U;
  }
  template <class U, class... Arguments>
  void construct(U* at, Arguments&&... arguments) {
    ::new (static_cast<void*>(at)) U(std::forward<Arguments>(arguments)...);
  }

  template <class U>
  bool operator==(const BulkAllocator<U>&) const noexcept {
    return true;
  }
};

template <class T>
using BulkVector = std::vector<T, BulkAllocator<T>>;

}  // namespace kappa
