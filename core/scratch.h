// Scratch: memory for the duration of a scope, kept by the thread for the next time.
//
// Use it where a const function called from many threads needs a buffer whose size is known only at run
// time. Nested scopes, also of another task that oneTBB runs on the same thread meanwhile, get buffers of
// their own. Cost: none after the first use of that size on that thread.
#pragma once

#include <cstddef>
#include <utility>
#include <vector>

#include "kappa/base.h"
#include "kappa/bulk_vector.h"

namespace kappa::detail {

template <class T>
class Scratch {
 public:
  /// `size` entries with unspecified values.
  explicit Scratch(Index size) {
    auto& kept = buffers();
    if (!kept.empty()) {
      buffer_ = std::move(kept.back());
      kept.pop_back();
    } else {
      kept.reserve(kept.capacity() + 8);
    }
    if (static_cast<std::size_t>(size) > buffer_.size()) {
      buffer_.resize(static_cast<std::size_t>(size));
    }
    size_ = static_cast<std::size_t>(size);
  }
  ~Scratch() {
    auto& kept = buffers();
    if (kept.size() < kept.capacity()) {
      kept.push_back(std::move(buffer_));
    }
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;

  T* data() { return buffer_.data(); }
  std::span<T> span() { return {buffer_.data(), size_}; }
  T& operator[](Index i) { return buffer_[static_cast<std::size_t>(i)]; }

 private:
  static std::vector<BulkVector<T>>& buffers() {
    static thread_local std::vector<BulkVector<T>> kept;
    return kept;
  }

  BulkVector<T> buffer_;
  std::size_t size_ = 0;
};

/// A Scratch that lives on the stack up to `Small` entries, so that short work touches no thread-local.
template <class T, std::size_t Small>
class SmallScratch {
 public:
  explicit SmallScratch(Index size) {
    if (static_cast<std::size_t>(size) <= Small) {
      data_ = small_;
    } else {
      new (&large_) Scratch<T>(size);
      data_ = large_.data();
    }
  }
  ~SmallScratch() {
    if (data_ != small_) {
      large_.~Scratch<T>();
    }
  }
  SmallScratch(const SmallScratch&) = delete;
  SmallScratch& operator=(const SmallScratch&) = delete;

  T* data() { return data_; }
  T& operator[](Index i) { return data_[i]; }

 private:
  T* data_;
  T small_[Small];
  union {
    Scratch<T> large_;
  };
};

}  // namespace kappa::detail
