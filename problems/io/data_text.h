// Data sets from text and bytes in memory: what the readers of kappa/data.h do once a file is read. `name`
// stands for the path in messages.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "kappa/data.h"

namespace kappa {

Dataset parse_libsvm(std::string_view text, const std::string& name, const LibsvmOptions& options = {});
Dataset parse_csv(std::string_view text, const std::string& name, const CsvOptions& options = {});

/// An idx file's bytes with what stands for its path.
struct IdxBytes {
  std::string_view bytes;
  std::string name;
};
Dataset parse_idx(const IdxBytes& images, const IdxBytes& labels);

namespace detail {

/// "a9a" of "/data/a9a.gz": what to call a data set.
std::string stem(const std::string& path);

/// Numbers the classes of a file as they turn up, then puts them in rising order.
class ClassNumbers {
 public:
  void add(std::int64_t value);
  /// Fills `label` and `classes` of `data`.
  void finish(Dataset& data) const;

 private:
  std::unordered_map<std::int64_t, std::int32_t> number_;
  std::vector<std::int64_t> value_;
  std::vector<std::int32_t> label_;
  std::int64_t last_ = 0;
  std::int32_t last_number_ = -1;
};

}  // namespace detail
}  // namespace kappa
