// What the host shows a plugin: a point of a problem, and an operator, as tables of plugin.h.
#pragma once

#include "kappa/operator.h"
#include "kappa/problem.h"
#include "plugins/host/call.h"

namespace kappa::detail {

/// The same matrix seen through plugin.h; nothing is copied.
kappa_blocks shown(const BlockMatrix& matrix);

/// A point of a problem. What a plugin asks at another time or from another thread than that of the caller is
/// answered by KAPPA_BROKEN_CONTRACT.
class PointBridge {
 public:
  explicit PointBridge(const Caller& caller) : caller_(caller) {}
  PointBridge(const PointBridge&) = delete;
  PointBridge& operator=(const PointBridge&) = delete;

  /// Takes a point in, which outlives the use of the table.
  void show(const Evaluation& at);
  void hide() { evaluation_ = nullptr; }
  const kappa_point& table() const { return table_; }

  /// The matrix that `blocks` was made from by this point, or nullptr: a plugin that only hands it on costs
  /// no copy.
  const BlockMatrix* original(const kappa_blocks& blocks) const;
  const Root* original(const kappa_root& root) const;

 private:
  friend struct PointFunctions;
  const Linearization* readable() const {
    // Who calls comes first: another thread must not even look while this one shows the next point.
    return caller_.here() && evaluation_ != nullptr ? evaluation_->linearization.get() : nullptr;
  }

  const Caller& caller_;
  const Evaluation* evaluation_ = nullptr;
  kappa_point table_{};
  const BlockMatrix* blocks_ = nullptr;
  const Root* root_ = nullptr;
  std::vector<double> unit_, column_;
};

/// An operator of the host's.
class OperatorBridge {
 public:
  explicit OperatorBridge(const Caller& caller) : caller_(caller) {}
  OperatorBridge(const OperatorBridge&) = delete;
  OperatorBridge& operator=(const OperatorBridge&) = delete;

  void show(const SymmetricOperator& B);
  void hide() { operator_ = nullptr; }
  const kappa_operator& table() const { return table_; }

 private:
  friend struct OperatorFunctions;
  const SymmetricOperator* readable() const { return caller_.here() ? operator_ : nullptr; }

  const Caller& caller_;
  const SymmetricOperator* operator_ = nullptr;
  kappa_operator table_{};
};

}  // namespace kappa::detail
