#include "solvers/linear/tree_schedule.h"

#include <algorithm>
#include <numeric>

namespace kappa::detail {
namespace {

constexpr double least_work = 100e3;  // of a unit: a hand-off costs two per cent of it
constexpr double most_units = 64;

std::size_t at(Index i) {
  return static_cast<std::size_t>(i);
}

}  // namespace

void TreeSchedule::build(std::vector<Index> parent, const std::vector<double>& work) {
  parent_ = std::move(parent);
  const Index n = nodes();
  work_ = std::accumulate(work.begin(), work.end(), 0.0);
  const double limit = std::max(work_ / most_units, least_work);
  std::vector<double> subtree(work);
  children_.assign(at(n), 0);
  above_unit_.assign(at(n), 0);
  for (Index s = 0; s < n; ++s) {
    if (parent_[at(s)] >= 0) {
      subtree[at(parent_[at(s)])] += subtree[at(s)];
      ++children_[at(parent_[at(s)])];
    }
  }
  above_.clear();
  units_.clear();
  double collected = 0;
  bool open = false;
  for (Index s = 0; s < n; ++s) {
    // A childless node, however large, has nobody to wait for: it is a unit.
    if (subtree[at(s)] > limit && children_[at(s)] > 0) {
      above_unit_[at(s)] = 1;
      above_.push_back(s);
      open = false;
      continue;
    }
    if (!open) {
      units_.push_back({s, s});
      collected = 0;
      open = true;
    }
    units_.back().last = s + 1;
    collected += work[at(s)];
    // A unit ends with a whole subtree.
    const Index p = parent_[at(s)];
    const bool is_root = p < 0 || subtree[at(p)] > limit;
    if (is_root && collected >= 0.5 * limit) {
      open = false;
    }
  }
  waiting_ = std::make_unique<std::atomic<Index>[]>(at(n));
}

}  // namespace kappa::detail
