// An object of a plugin: made, called under guard, destroyed.
#pragma once

#include <utility>

#include "plugins/host/call.h"
#include "plugins/host/parts.h"

namespace kappa::detail {

template <class Table>
class PluginObject {
 public:
  /// Throws Error with the plugin's sentence.
  PluginObject(SharedPart part, const Options& options)
      : part_(std::move(part)), table_(part_->as<Table>()), fault_(part_->where) {
    const std::string text = options_text(*part_, options);
    const kappa_status status = call(
        "create", [&](kappa_text error) { return table_->create(part_->host, text.c_str(), &self_, error); });
    if (status != KAPPA_OK) {
      throw Error(std::string(fault_.text()));
    }
  }
  ~PluginObject() { end(); }
  PluginObject(const PluginObject&) = delete;
  PluginObject& operator=(const PluginObject&) = delete;

  /// Destroys the plugin's object. Who shows it points or operators ends it before they go.
  void end() {
    if (self_ != nullptr) {
      tell("destroy", [&] { table_->destroy(self_); });
      self_ = nullptr;
    }
  }

  /// f(error) under guard, as the call of `function`.
  template <class F>
  kappa_status call(const char* function, const F& f) const {
    return fault_.call(caller_, function, f);
  }
  /// The same where there is nothing to return.
  template <class F>
  void tell(const char* function, const F& f) const {
    call(function, [&](kappa_text) {
      f();
      return KAPPA_OK;
    });
  }

  void* self() const { return self_; }
  const Table& table() const { return *table_; }
  const PluginPart& part() const { return *part_; }
  /// An optional entry, or null.
  template <class Entry>
  Entry optional(Entry Table::*member) const {
    return entry(table_, member);
  }
  Fault& fault() const { return fault_; }
  Caller& caller() const { return caller_; }

 private:
  SharedPart part_;
  const Table* table_;
  void* self_ = nullptr;
  mutable Fault fault_;
  mutable Caller caller_;
};

/// A trial as plugins see it.
kappa_trial shown(const Trial& trial);

}  // namespace kappa::detail
