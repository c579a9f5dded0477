#include "problems/io/samples.h"

#include <algorithm>
#include <cmath>

#include "core/option_checks.h"

namespace kappa {

namespace {

Features sparse_rows(const Features& features, std::span<const Index> which) {
  Features out;
  out.samples = static_cast<Index>(which.size());
  out.size = features.size;
  out.row_start.push_back(0);
  for (const Index s : which) {
    const Index begin = features.row_start[static_cast<std::size_t>(s)];
    const Index end = features.row_start[static_cast<std::size_t>(s) + 1];
    out.value.insert(out.value.end(), features.value.begin() + begin, features.value.begin() + end);
    out.column.insert(out.column.end(), features.column.begin() + begin, features.column.begin() + end);
    out.row_start.push_back(static_cast<Index>(out.value.size()));
  }
  return out;
}

/// The numbers of samples of which every k-th, or all others, are wanted.
std::vector<Index> every(Index k, bool wanted, Index samples) {
  std::vector<Index> out;
  for (Index s = 0; s < samples; ++s) {
    if ((s % k == 0) == wanted) {
      out.push_back(s);
    }
  }
  return out;
}

/// Mean 0 and variance 1 over the samples `learnt`, for all samples.
void standardise(std::span<const Index> learnt, Features& features) {
  const double n = static_cast<double>(learnt.size());
  for (Index j = 0; j < features.size; ++j) {
    const auto value = [&](Index s) -> double& {
      return features.value[static_cast<std::size_t>(s * features.size + j)];
    };
    double mean = 0;
    for (const Index s : learnt) {
      mean += value(s) / n;
    }
    double variance = 0;
    for (const Index s : learnt) {
      variance += (value(s) - mean) * (value(s) - mean) / n;
    }
    const double largest = std::abs(mean) + std::sqrt(variance);
    const bool varies = std::sqrt(variance) > 1e-12 * largest;
    for (Index s = 0; s < features.samples; ++s) {
      value(s) = varies ? (value(s) - mean) / std::sqrt(variance) : 0.0;
    }
  }
}

}  // namespace

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

Dataset take_samples(const Dataset& data, std::span<const Index> which) {
  for (const Index s : which) {
    expects(s >= 0 && s < data.samples(), "take_samples: there is no such sample");
  }
  Dataset out;
  out.name = data.name;
  out.classes = data.classes;
  out.outputs = data.outputs;
  out.features =
      data.features.sparse() ? sparse_rows(data.features, which) : dense_rows(data.features, which);
  for (const Index s : which) {
    if (!data.label.empty()) {
      out.label.push_back(data.label[static_cast<std::size_t>(s)]);
    }
    const auto target = data.target.begin() + s * data.outputs;
    out.target.insert(out.target.end(), target, target + data.outputs);
  }
  return out;
}

namespace detail {

void choose_samples(const std::string& part, const SampleChoice& choice, Dataset& data) {
  for (const auto& [name, k] : {std::pair("leave_out", choice.leave_out), std::pair("take", choice.take)}) {
    require_option(k == 0 || k >= 2, part, name, static_cast<std::int64_t>(k), "it must be at least 2, or 0");
  }
  require_option(choice.leave_out == 0 || choice.take == 0, part, "take",
                 static_cast<std::int64_t>(choice.take), "leave_out is given as well; it must be 0");
  const bool scales = choose_option(part, "scale", choice.scale, {"no", "standard"}) == 1;
  const Index k = std::max(choice.leave_out, choice.take);
  require_option(k<data.samples(), part, choice.take> 0 ? "take" : "leave_out", static_cast<std::int64_t>(k),
                 "there are not that many samples");
  const Index samples = data.samples();
  if (scales) {
    if (data.features.sparse()) {
      throw Error(part + ": option scale is 'standard', which would fill sparse features; use no");
    }
    standardise(k > 0 ? every(k, false, samples) : every(1, true, samples), data.features);
  }
  if (k > 0) {
    data = take_samples(data, every(k, choice.take > 0, samples));
  }
}

}  // namespace detail

}  // namespace kappa
