// The laws of operators (plugins/check/operator_laws.h) as sentences for tests.
#pragma once

#include <sstream>

#include "plugins/check/operator_laws.h"

namespace kappa::testing {

using laws::OperatorLawSettings;
namespace detail = laws::detail;

/// The laws that the operator breaks, as sentences; empty where it keeps them all.
inline std::vector<std::string> broken_operator_laws(const SymmetricOperator& B,
                                                     const OperatorLawSettings& settings = {}) {
  std::vector<std::string> out;
  for (const laws::Finding& finding : laws::operator_findings(B, settings)) {
    if (!finding.kept) {
      std::ostringstream sentence;
      sentence << finding.law << ": off by " << finding.figure << ", allowed " << finding.allowed
               << " (n = " << B.size() << ")";
      out.push_back(sentence.str());
    }
  }
  return out;
}

}  // namespace kappa::testing
