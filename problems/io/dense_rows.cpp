#include <algorithm>

#include "kappa/data.h"

namespace kappa {

Features dense_rows(const Features& features, std::span<const Index> which) {
  Features out;
  out.samples = static_cast<Index>(which.size());
  out.size = features.size;
  out.value.assign(which.size() * static_cast<std::size_t>(features.size), 0.0);
  auto into = out.value.begin();
  for (const Index s : which) {
    expects(s >= 0 && s < features.samples, "dense_rows: there is no such sample");
    if (features.sparse()) {
      const auto row = static_cast<std::size_t>(s);
      for (Index k = features.row_start[row]; k < features.row_start[row + 1]; ++k) {
        const auto entry = static_cast<std::size_t>(k);
        into[features.column[entry]] = features.value[entry];
      }
    } else {
      std::copy_n(features.value.begin() + s * features.size, features.size, into);
    }
    into += features.size;
  }
  return out;
}

}  // namespace kappa
