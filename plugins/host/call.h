// Calls into a plugin: nothing but a status and a sentence comes back, whatever the plugin does.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <limits>
#include <string>
#include <thread>

#include "kappa/base.h"
#include "kappa/plugin.h"

namespace kappa::detail {

/// A table entry, or null where the plugin's table ends before it.
template <class Table, class Entry>
Entry entry(const Table* table, Entry Table::*member) {
  const auto* begin = reinterpret_cast<const char*>(table);
  const auto* end = reinterpret_cast<const char*>(&(table->*member) + 1);
  return static_cast<std::uint64_t>(end - begin) <= table->struct_size ? table->*member : Entry{};
}

/// Which thread is inside a plugin's object, so that what it was given is used there and then only.
class Caller {
 public:
  class Scope {
   public:
    // One thread at a time calls an object, and another that looks needs to see no more than that it is not
    // its own number: no order is asked for, which would cost more than the call.
    explicit Scope(Caller& caller) : caller_(caller), outer_(caller.thread_.load(std::memory_order_relaxed)) {
      caller_.thread_.store(std::this_thread::get_id(), std::memory_order_relaxed);
    }
    ~Scope() { caller_.thread_.store(outer_, std::memory_order_relaxed); }
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;

   private:
    Caller& caller_;
    std::thread::id outer_;
  };
  bool here() const { return thread_.load(std::memory_order_relaxed) == std::this_thread::get_id(); }

 private:
  std::atomic<std::thread::id> thread_{};
};

/// The last thing that went wrong with an object of a plugin. Nothing is allocated while all goes well.
class Fault {
 public:
  /// `where` names the part and its plugin.
  explicit Fault(std::string where) : where_(std::move(where)) {}

  std::string_view text() const { return text_; }
  void clear() { text_.clear(); }
  const std::string& where() const { return where_; }
  void say(std::string_view what) { text_ = where_ + ": " + std::string(what); }

  /// Runs f(error), whose result is a status; what it throws becomes a fatal one.
  template <class F>
  kappa_status call(Caller& caller, const char* function, const F& f) {
    const Caller::Scope scope(caller);
    sentence_[0] = '\0';
    kappa_status status = KAPPA_ERROR;
    const char* threw = nullptr;
    try {
      status = f(kappa_text{sentence_.data(), sentence_.size() - 1});
    } catch (...) {
      threw = "threw an exception through the C interface";
    }
    if (threw != nullptr || status < KAPPA_OK || status > KAPPA_ABSENT) {
      sentence_.back() = '\0';
      say(std::string(function) + " " +
          (threw != nullptr       ? threw
           : sentence_[0] != '\0' ? "says: " + std::string(sentence_.data())
                                  : "returned status " + std::to_string(status)));
    }
    return threw != nullptr ? KAPPA_ERROR : status;
  }

 private:
  std::string where_;
  std::string text_;
  std::array<char, 4096> sentence_{};
};

}  // namespace kappa::detail
