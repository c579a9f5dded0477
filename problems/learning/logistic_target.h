// Logistic regression by address: libsvm:FILE?C=100&bias=1, csv:FILE?target=0, libsvm:generated?seed=2.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "kappa/linear_model.h"
#include "kappa/options.h"

namespace kappa {

struct NamedLogistic {
  std::unique_ptr<LogisticRegression> problem;
  std::string note;  ///< samples, features and classes in words
};

/// `scheme` is libsvm or csv, `name` a file, or for libsvm "generated". Throws Error for a key or value that
/// does not exist, and for a file that cannot be read.
NamedLogistic make_logistic(const std::string& scheme, const std::string& name,
                            const std::vector<std::pair<std::string, std::string>>& keys);

/// The keys of a scheme, their defaults read from the structs.
std::vector<OptionInfo> logistic_keys(const std::string& scheme);

}  // namespace kappa
