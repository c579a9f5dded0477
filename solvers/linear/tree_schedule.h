// Visits the nodes of a forest in parallel, children before parents or parents before children.
//
// Nodes are numbered in a postorder. Subtrees of little work are cut off and collected in units, runs of
// consecutive nodes that one thread visits in order; the few nodes above them are visited when their last
// child is done. Units depend on the forest and on the work of its nodes alone. Which thread visits a node is
// free, so a body may write only what its node owns.
//
// Cost: a hand-off for each unit, of which there are some 64.
#pragma once

#include <tbb/parallel_for.h>
#include <tbb/partitioner.h>

#include <atomic>
#include <memory>
#include <vector>

#include "core/parallel.h"

namespace kappa::detail {

class TreeSchedule {
 public:
  /// Nodes [first, last): whole subtrees.
  struct Unit {
    Index first = 0;
    Index last = 0;
  };

  /// `parent` of each node, a later node or -1; `work` of each node in multiply-adds.
  void build(std::vector<Index> parent, const std::vector<double>& work);

  const std::vector<Unit>& units() const { return units_; }
  /// Whether a node belongs to no unit.
  bool is_above(Index node) const { return above_unit_[static_cast<std::size_t>(node)] != 0; }

  /// body(node) for every node, behind its children. `share` of the work given to build() is what a pass
  /// does.
  template <class Body>
  void upward(double share, const Body& body) {
    if (!is_parallel(share)) {
      for (Index s = 0; s < nodes(); ++s) {
        body(s);
      }
      return;
    }
    for (const Index s : above_) {
      waiting_[s].store(children_[static_cast<std::size_t>(s)], std::memory_order_relaxed);
    }
    each_unit([&](const Unit& unit) {
      for (Index s = unit.first; s < unit.last; ++s) {
        body(s);
      }
      for (Index s = unit.first; s < unit.last; ++s) {
        climb(s, body);
      }
    });
  }

  /// body(node) for every node, behind its parent.
  template <class Body>
  void downward(double share, const Body& body) {
    if (!is_parallel(share)) {
      for (Index s = nodes() - 1; s >= 0; --s) {
        body(s);
      }
      return;
    }
    for (auto s = above_.rbegin(); s != above_.rend(); ++s) {
      body(*s);
    }
    each_unit([&](const Unit& unit) {
      for (Index s = unit.last - 1; s >= unit.first; --s) {
        body(s);
      }
    });
  }

 private:
  Index nodes() const { return static_cast<Index>(parent_.size()); }
  bool is_parallel(double share) const { return units_.size() > 1 && share * work_ >= parallel_threshold; }

  template <class Body>
  void each_unit(const Body& body) {
    tbb::parallel_for(
        tbb::blocked_range<std::size_t>(0, units_.size()),
        [&](const tbb::blocked_range<std::size_t>& range) {
          for (std::size_t u = range.begin(); u != range.end(); ++u) {
            body(units_[u]);
          }
        },
        tbb::simple_partitioner());
  }

  /// Node s is done: visits those above it for which it was the last one to wait for.
  template <class Body>
  void climb(Index s, const Body& body) {
    while (true) {
      s = parent_[static_cast<std::size_t>(s)];
      if (s < 0 || !is_above(s) || waiting_[s].fetch_sub(1, std::memory_order_acq_rel) != 1) {
        return;
      }
      body(s);
    }
  }

  std::vector<Index> parent_, children_;
  std::vector<char> above_unit_;
  std::vector<Index> above_;
  std::vector<Unit> units_;
  std::unique_ptr<std::atomic<Index>[]> waiting_;  ///< by node above the units: children that are not done
  double work_ = 0;
};

}  // namespace kappa::detail
