#include "problems/learning/logistic_model.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "core/scratch.h"

namespace kappa::detail {

namespace {

std::size_t at(Index i) {
  return static_cast<std::size_t>(i);
}

[[noreturn]] void refuse(const std::string& what) {
  throw Error("LogisticRegression: " + what);
}

void check_layout(const Features& X) {
  const std::size_t samples = at(X.samples);
  if (X.samples < 1 || X.size < 0) {
    refuse("the data set has no samples");
  }
  if (!X.sparse()) {
    if (X.value.size() != samples * at(X.size)) {
      refuse("dense features need samples x size values, found " + std::to_string(X.value.size()));
    }
    return;
  }
  const bool rows = X.row_start.size() == samples + 1 && X.row_start.front() == 0 &&
                    at(X.row_start.back()) == X.value.size() && X.column.size() == X.value.size() &&
                    std::is_sorted(X.row_start.begin(), X.row_start.end());
  if (!rows) {
    refuse("the rows of the sparse features do not fit their entries");
  }
  for (std::size_t i = 0; i < samples; ++i) {
    std::int32_t last = -1;
    for (std::size_t e = at(X.row_start[i]); e < at(X.row_start[i + 1]); ++e) {
      if (X.column[e] <= last || X.column[e] >= X.size) {
        refuse("sample " + std::to_string(i) + " names column " + std::to_string(X.column[e]) +
               ", but the columns of a sample must rise and be below " + std::to_string(X.size));
      }
      last = X.column[e];
    }
  }
}

const Dataset& checked(const Dataset& data) {
  const Features& X = data.features;
  check_layout(X);
  const auto bad =
      std::find_if_not(X.value.begin(), X.value.end(), [](double v) { return std::isfinite(v); });
  if (bad != X.value.end()) {
    refuse("feature value " + std::to_string(bad - X.value.begin()) + " of data set '" + data.name +
           "' is not finite");
  }
  if (data.classes.size() < 2) {
    refuse("data set '" + data.name + "' has " +
           (data.classes.empty() ? std::string("no classes") : "one class, '" + data.classes[0] + "',") +
           " where two are the least; read it with Targets::classes, and match_classes for a part of a set");
  }
  if (data.label.size() != at(X.samples)) {
    refuse("data set '" + data.name + "' has " + std::to_string(data.label.size()) + " labels for " +
           std::to_string(X.samples) + " samples");
  }
  for (std::size_t i = 0; i < data.label.size(); ++i) {
    if (data.label[i] < 0 || at(data.label[i]) >= data.classes.size()) {
      refuse("sample " + std::to_string(i) + " has label " + std::to_string(data.label[i]) +
             ", but the classes are 0 to " + std::to_string(data.classes.size() - 1));
    }
  }
  return data;
}

const LogisticOptions& checked(const LogisticOptions& o, const Dataset& data) {
  if (!(o.C > 0) || o.C == infinity) {
    refuse("C is " + std::to_string(o.C) + ", but must be positive");
  }
  if (!(o.l2 >= 0) || o.l2 == infinity) {
    refuse("l2 is " + std::to_string(o.l2) + ", but must not be negative");
  }
  if (!std::isfinite(o.bias)) {
    refuse("the bias is not finite");
  }
  if (!o.sample_weight.empty() && o.sample_weight.size() != at(data.samples())) {
    refuse("sample_weight has " + std::to_string(o.sample_weight.size()) + " entries for " +
           std::to_string(data.samples()) + " samples");
  }
  for (std::size_t i = 0; i < o.sample_weight.size(); ++i) {
    if (!(o.sample_weight[i] >= 0) || o.sample_weight[i] == infinity) {
      refuse("the weight of sample " + std::to_string(i) + " is " + std::to_string(o.sample_weight[i]) +
             ", but must not be negative");
    }
  }
  return o;
}

/// Cuts [0, items) where `before`, rising, passes multiples of an equal share.
template <class Before>
std::vector<Index> equal_chunks(Index items, Index chunks, const Before& before) {
  const auto total = static_cast<double>(before(items));
  std::vector<Index> out = {0};
  for (Index c = 1; c < chunks; ++c) {
    const double share = total * static_cast<double>(c) / static_cast<double>(chunks);
    Index low = out.back();
    Index high = items;
    while (low < high) {
      const Index middle = low + (high - low) / 2;
      if (static_cast<double>(before(middle)) < share) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    if (low > out.back() && low < items) {
      out.push_back(low);
    }
  }
  out.push_back(items);
  return out;
}

constexpr double chunk_work = 20e3;  // multiply-adds: some 10 microseconds
constexpr Index most_chunks = 16;

std::vector<Index> even_chunks(const FeatureMatrix& X, Index outputs) {
  const double work = static_cast<double>(X.entries() * outputs);
  const auto chunks = static_cast<Index>(
      std::clamp(work / chunk_work, 1.0, static_cast<double>(std::min(most_chunks, X.rows()))));
  // Rows count too, for those without entries.
  return equal_chunks(X.rows(), chunks, [&](Index i) { return X.entries_before(i) + 4 * i; });
}

/// Each chunk of the dense matrix has one of its own to sum in, which has to be cleared and added: a chunk
/// does several times that much work.
std::vector<Index> chunks_of_pairs(const FeatureMatrix& X, Index outputs) {
  const auto n = static_cast<double>(X.columns() * outputs);
  const double share = std::max(12 * n * n, 10 * chunk_work);
  const double work = X.pairs() * static_cast<double>(outputs * outputs);
  const auto chunks =
      static_cast<Index>(std::clamp(work / share, 1.0, static_cast<double>(std::min(most_chunks, X.rows()))));
  std::vector<double> before = {0};
  before.reserve(at(X.rows() + 1));
  for (Index i = 0; i < X.rows(); ++i) {
    const auto m = static_cast<double>(X.entries_before(i + 1) - X.entries_before(i));
    before.push_back(before.back() + m * (m + 1) + 8);
  }
  return equal_chunks(X.rows(), chunks, [&](Index i) { return before[at(i)]; });
}

/// Samples by their number of entries, those of one number as they came; empty for dense features.
std::vector<Index> by_length(const Features& X) {
  if (!X.sparse()) {
    return {};
  }
  std::vector<Index> next;
  const auto length = [&](std::size_t i) { return at(X.row_start[i + 1] - X.row_start[i]); };
  const std::size_t samples = at(X.samples);
  for (std::size_t i = 0; i < samples; ++i) {
    next.resize(std::max(next.size(), length(i) + 2), 0);
    ++next[length(i) + 1];
  }
  for (std::size_t k = 1; k < next.size(); ++k) {
    next[k] += next[k - 1];
  }
  std::vector<Index> order(samples);
  for (std::size_t i = 0; i < samples; ++i) {
    order[at(next[length(i)]++)] = static_cast<Index>(i);
  }
  return order;
}

std::optional<Complement> complement_of(const LogisticModel& model, double total_weight) {
  constexpr double small = 1e-9;  // of l2, the rounding errors
  const FeatureMatrix& X = model.X;
  if (!X.ones() || model.outputs > 1 || model.dimension() > most_dense ||
      !(0.25 * total_weight * epsilon <= small * model.l2)) {
    return std::nullopt;
  }
  const std::vector<Index> frequency = X.frequencies();
  std::vector<double> m;
  for (const Index f : frequency) {
    m.push_back(2 * f > X.rows() ? 1.0 : 0.0);
  }
  if (!(X.complemented_pairs(m) < 0.75 * X.pairs())) {
    return std::nullopt;
  }
  FeatureMatrix Y = X.complemented(m);
  return Complement{std::move(m), std::move(Y)};
}

}  // namespace

void Complement::restore(MatrixRef H, double total) const {
  const Index n = H.rows;
  Scratch<double> t(n);  // S t
  for (Index j = 0; j < n; ++j) {
    t[j] = (1 - 2 * m[at(j)]) * H(j, j);
  }
  for (Index j = 0; j < n; ++j) {
    const double mj = m[at(j)];
    for (Index i = j; i < n; ++i) {
      const double mi = m[at(i)];
      H(i, j) = (1 - 2 * mi) * (1 - 2 * mj) * H(i, j) + (t[j] * mi + t[i] * mj) + total * (mi * mj);
    }
  }
}

LogisticModel::LogisticModel(const Dataset& data, const LogisticOptions& options)
    : outputs(data.classes.size() == 2 && options.two_classes == LogisticOptions::TwoClasses::binary
                  ? 1
                  : static_cast<Index>(data.classes.size())),
      class_name(data.classes),
      order(by_length(checked(data).features)),
      X(data.features, checked(options, data).bias, order),
      label(data.label),
      C(options.C),
      l2(options.l2),
      has_bias(options.bias != 0),
      free_bias(has_bias && options.intercept == LogisticOptions::Intercept::free),
      lower(options.lower),
      upper(options.upper) {
  if (dimension() < 1) {
    refuse("data set '" + data.name + "' has no features, and no bias is asked for");
  }
  for (const double s : options.sample_weight) {
    term_weight.push_back(C * s);
  }
  if (!order.empty()) {
    position.resize(order.size());
    for (std::size_t k = 0; k < order.size(); ++k) {
      position[at(order[k])] = static_cast<Index>(k);
      label[k] = data.label[at(order[k])];
      if (!term_weight.empty()) {
        term_weight[k] = C * options.sample_weight[at(order[k])];
      }
    }
  }
  if (outputs == 1) {
    sign.resize(label.size());
    std::transform(label.begin(), label.end(), sign.begin(),
                   [](std::int32_t c) { return c == 1 ? 1.0 : -1.0; });
  }
  row_chunks = even_chunks(X, outputs);
  const double total_weight = term_weight.empty()
                                  ? C * static_cast<double>(samples())
                                  : std::accumulate(term_weight.begin(), term_weight.end(), 0.0);
  complement = complement_of(*this, total_weight);
  gram_chunks = chunks_of_pairs(complement ? complement->X : X, outputs);
  const auto chunks = static_cast<Index>(row_chunks.size()) - 1;
  if (X.sparse() && chunks * X.columns() > X.entries() / 4) {
    Xt = X.transposed();
    column_chunks = even_chunks(*Xt, outputs);
  }
  if (lower.empty() && upper.empty()) {
    return;
  }
  const std::size_t n = at(dimension());
  lower.resize(lower.empty() ? n : lower.size(), -infinity);
  upper.resize(upper.empty() ? n : upper.size(), infinity);
  if (lower.size() != n || upper.size() != n) {
    refuse("bounds must have " + std::to_string(n) + " entries, one for each weight");
  }
  for (std::size_t j = 0; j < n; ++j) {
    if (!(lower[j] <= upper[j])) {
      refuse("the bounds on weight " + std::to_string(j) + " are not lower <= upper");
    }
  }
}

}  // namespace kappa::detail
