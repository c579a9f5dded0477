// What must hold of any data set that a reader returns.
#pragma once

#include <cmath>

#include "fuzz.h"
#include "kappa/data.h"

inline void fuzz_check_data(const kappa::Dataset& data) {
  const kappa::Features& X = data.features;
  const auto samples = static_cast<std::size_t>(X.samples);
  fuzz_check(samples > 0, "a data set without samples");
  for (const double v : X.value) {
    fuzz_check(std::isfinite(v), "a feature that is not finite");
  }
  if (X.sparse()) {
    fuzz_check(X.row_start.size() == samples + 1 && X.column.size() == X.value.size() &&
                   static_cast<std::size_t>(X.row_start.back()) == X.value.size(),
               "rows that do not fit their entries");
    for (std::size_t i = 0; i < samples; ++i) {
      std::int32_t last = -1;
      for (auto k = static_cast<std::size_t>(X.row_start[i]);
           k < static_cast<std::size_t>(X.row_start[i + 1]); ++k) {
        fuzz_check(X.column[k] > last && X.column[k] < X.size, "columns that do not rise");
        last = X.column[k];
      }
    }
  } else {
    fuzz_check(X.value.size() == samples * static_cast<std::size_t>(X.size),
               "a dense matrix of another size");
  }
  if (data.outputs == 0) {
    fuzz_check(data.label.size() == samples && !data.classes.empty(), "samples without a class");
    for (const std::int32_t c : data.label) {
      fuzz_check(c >= 0 && static_cast<std::size_t>(c) < data.classes.size(), "a label out of range");
    }
  } else {
    fuzz_check(data.target.size() == samples * static_cast<std::size_t>(data.outputs),
               "samples without a target");
  }
}
