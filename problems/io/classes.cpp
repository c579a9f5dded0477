// Classes of a data set: their names, their order, and the same order in two data sets.
#include <algorithm>
#include <filesystem>
#include <numeric>

#include "problems/io/data_text.h"
#include "problems/io/text_file.h"

namespace kappa {

namespace detail {

std::string stem(const std::string& path) {
  std::filesystem::path name = std::filesystem::path(path).filename();
  if (name.extension() == ".gz") {
    name = name.stem();
  }
  return name.stem().string();
}

void ClassNumbers::add(std::int64_t value) {
  if (last_number_ < 0 || value != last_) {
    const auto [at, fresh] = number_.try_emplace(value, static_cast<std::int32_t>(value_.size()));
    if (fresh) {
      value_.push_back(value);
    }
    last_ = value;
    last_number_ = at->second;
  }
  label_.push_back(last_number_);
}

void ClassNumbers::finish(Dataset& data) const {
  std::vector<std::int32_t> order(value_.size());
  std::iota(order.begin(), order.end(), 0);
  const auto value = [&](std::int32_t c) { return value_[static_cast<std::size_t>(c)]; };
  std::sort(order.begin(), order.end(), [&](std::int32_t a, std::int32_t b) { return value(a) < value(b); });
  std::vector<std::int32_t> rank(value_.size());
  data.classes.clear();
  for (std::size_t k = 0; k < order.size(); ++k) {
    rank[static_cast<std::size_t>(order[k])] = static_cast<std::int32_t>(k);
    data.classes.push_back(std::to_string(value(order[k])));
  }
  data.label.resize(label_.size());
  std::transform(label_.begin(), label_.end(), data.label.begin(),
                 [&](std::int32_t c) { return rank[static_cast<std::size_t>(c)]; });
}

}  // namespace detail

void match_classes(const Dataset& like, Dataset& data) {
  std::vector<std::int32_t> number;
  for (const std::string& name : data.classes) {
    const auto found = std::find(like.classes.begin(), like.classes.end(), name);
    if (found == like.classes.end()) {
      throw Error("data set '" + data.name + "': class " + detail::quoted(name) + " is none of the " +
                  std::to_string(like.classes.size()) + " classes of data set '" + like.name +
                  "'; leave its samples out, or train on data that have it");
    }
    number.push_back(static_cast<std::int32_t>(found - like.classes.begin()));
  }
  for (std::int32_t& c : data.label) {
    expects(c >= 0 && static_cast<std::size_t>(c) < number.size(),
            "match_classes: a label is no class of its data set");
    c = number[static_cast<std::size_t>(c)];
  }
  data.classes = like.classes;
}

}  // namespace kappa
