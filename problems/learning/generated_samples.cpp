#include "problems/learning/generated_samples.h"

#include <cmath>

#include "kappa/random.h"

namespace kappa {

Dataset generate_samples(const GeneratedSamples& o) {
  constexpr Index most = 1 << 24;
  if (o.samples < 2 || o.answers < 1 || o.categories < 2 || o.samples > most ||
      o.answers > most / o.categories || o.answers > most * 16 / o.samples) {
    throw Error(
        "generated samples: there must be 2 or more samples, an answer and 2 categories, and no more than "
        "2^28 "
        "entries");
  }
  const CounterRandom entries(o.seed, 1);
  const CounterRandom weights(o.seed, 2);
  const CounterRandom targets(o.seed, 3);
  double total = 0;
  for (Index c = 0; c < o.categories; ++c) {
    total += 1.0 / static_cast<double>(c + 1);
  }
  Dataset out;
  out.name = "generated";
  out.classes = {"-1", "1"};
  out.features.samples = o.samples;
  out.features.size = o.answers * o.categories;
  out.features.row_start.push_back(0);
  std::vector<double> weight;
  double mean = 0;
  for (Index j = 0; j < out.features.size; ++j) {
    weight.push_back(weights.normal(static_cast<std::uint64_t>(j)));
    mean += weight.back() / (total * static_cast<double>(j % o.categories + 1));
  }
  for (Index i = 0; i < o.samples; ++i) {
    double margin = -mean;
    for (Index a = 0; a < o.answers; ++a) {
      double left = total * entries.uniform(static_cast<std::uint64_t>(i * o.answers + a));
      Index c = 0;
      for (; c + 1 < o.categories && left >= 1.0 / static_cast<double>(c + 1); ++c) {
        left -= 1.0 / static_cast<double>(c + 1);
      }
      const Index column = a * o.categories + c;
      out.features.column.push_back(static_cast<std::int32_t>(column));
      out.features.value.push_back(1.0);
      margin += weight[static_cast<std::size_t>(column)];
    }
    out.features.row_start.push_back(static_cast<Index>(out.features.value.size()));
    const double p = 1 / (1 + std::exp(-o.strength * margin));
    out.label.push_back(targets.uniform(static_cast<std::uint64_t>(i)) < p ? 1 : 0);
  }
  return out;
}

}  // namespace kappa
