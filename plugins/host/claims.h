// What an operator of a plugin claims, looked over once in a solve with one or two random vectors.
#pragma once

#include <optional>
#include <string>

#include "kappa/operator.h"

namespace kappa::detail {

/// Finds operators that are none: not finite, not symmetric, indefinite where they say otherwise, with forms
/// that are not their products'. Each is a sentence, empty where nothing is wrong, and stays until start().
/// The tolerances are those of a gross error: `kappa plugin check` has the strict ones. The cost is two
/// products in a solve and one for each form that is asked for.
class OperatorClaims {
 public:
  void start() { *this = {}; }

  const std::string& product(const SymmetricOperator& B);
  const std::string& diagonal(const SymmetricOperator& B, ConstVectorRef given);
  const std::string& dense(const SymmetricOperator& B, ConstMatrixRef given);
  const std::string& blocks(const SymmetricOperator& B, const BlockMatrix& given);
  const std::string& root(const SymmetricOperator& B, const Root& given);

 private:
  using Claim = std::optional<std::string>;  ///< what was found, once it has been looked for
  Claim product_, diagonal_, dense_, blocks_, root_;
};

}  // namespace kappa::detail
