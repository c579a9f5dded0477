#include "solvers/linear/block_ordering.h"

#include <algorithm>
#include <numeric>

namespace kappa::detail {
namespace {

using Vertex = std::int32_t;
constexpr Vertex none = -1;

std::size_t at(Index i) {
  return static_cast<std::size_t>(i);
}

/// The quotient graph while vertices are eliminated. An eliminated vertex lives on as an element: the clique
/// of the vertices that were around it.
class MinimumDegree {
 public:
  explicit MinimumDegree(const BlockGraph& graph);
  std::vector<Vertex> order();

 private:
  /// Where a vertex's elements and, behind them, its neighbours stand in lists_; for an element, its members
  /// in members_.
  struct Range {
    Index begin = 0;
    Index elements = 0;
    Index end = 0;
  };

  void link(Vertex i);
  void unlink(Vertex i);
  Vertex next_pivot();
  void form_element(Vertex p);
  void measure_elements(Vertex p);
  void update_member(Vertex p, Vertex i);
  void merge_indistinguishable(Vertex p);
  bool indistinguishable(Vertex i, Vertex j);
  void join(Vertex i, Vertex into);
  void finish_element(Vertex p);

  bool is_live(Vertex i) const { return size_[at(i)] > 0; }

  Index n_;
  std::vector<Vertex> lists_;
  std::vector<Range> range_;
  std::vector<Vertex> members_;
  std::vector<Index> member_begin_, member_end_;
  std::vector<Index> size_;  ///< variables of a live vertex, 0 once it is merged or eliminated
  std::vector<Index>
      degree_;  ///< of a vertex: bound on the variables around it; of an element: its variables
  std::vector<char> absorbed_;  ///< elements that are contained in another, and vertices that never were one
  std::vector<Index> outside_;  ///< of an element: stamp_ + variables outside the current one
  std::vector<Index> mark_;
  Index stamp_ = 1;
  Index mark_stamp_ = 0;
  std::vector<Vertex> head_, next_, previous_;  ///< vertices by degree
  std::vector<Vertex> bucket_, chain_;          ///< members by hash, while merging
  std::vector<Index> hash_;
  std::vector<Vertex> first_joined_, last_joined_, next_joined_;
  Index least_ = 0;
  Index left_ = 0;
  Index total_ = 0;
  Index element_weight_ = 0;
};

MinimumDegree::MinimumDegree(const BlockGraph& graph) : n_(graph.vertices()) {
  const auto n = at(n_);
  lists_.assign(graph.neighbour.begin(), graph.neighbour.end());
  range_.resize(n);
  size_.assign(graph.weight.begin(), graph.weight.end());
  total_ = left_ = std::accumulate(size_.begin(), size_.end(), Index{0});
  degree_.assign(n, 0);
  absorbed_.assign(n, 1);
  outside_.assign(n, 0);
  mark_.assign(n, 0);
  member_begin_.assign(n, 0);
  member_end_.assign(n, 0);
  head_.assign(at(left_) + 1, none);
  next_.assign(n, none);
  previous_.assign(n, none);
  bucket_.assign(n, none);
  chain_.assign(n, none);
  hash_.assign(n, 0);
  first_joined_.assign(n, none);
  last_joined_.assign(n, none);
  next_joined_.assign(n, none);
  // Pushed in descending order, so that ties go to the vertex that comes first.
  for (Index i = n_ - 1; i >= 0; --i) {
    range_[at(i)] = {graph.start[at(i)], graph.start[at(i)], graph.start[at(i) + 1]};
    for (Index k = graph.start[at(i)]; k < graph.start[at(i) + 1]; ++k) {
      degree_[at(i)] += size_[at(lists_[at(k)])];
    }
    link(static_cast<Vertex>(i));
  }
}

void MinimumDegree::link(Vertex i) {
  const Index d = degree_[at(i)];
  previous_[at(i)] = none;
  next_[at(i)] = head_[at(d)];
  if (next_[at(i)] != none) {
    previous_[at(next_[at(i)])] = i;
  }
  head_[at(d)] = i;
  least_ = std::min(least_, d);
}

void MinimumDegree::unlink(Vertex i) {
  if (previous_[at(i)] != none) {
    next_[at(previous_[at(i)])] = next_[at(i)];
  } else {
    head_[at(degree_[at(i)])] = next_[at(i)];
  }
  if (next_[at(i)] != none) {
    previous_[at(next_[at(i)])] = previous_[at(i)];
  }
}

Vertex MinimumDegree::next_pivot() {
  while (head_[at(least_)] == none) {
    ++least_;
  }
  const Vertex p = head_[at(least_)];
  unlink(p);
  return p;
}

/// The members of element p: what was around vertex p. The elements it was in are contained in it now.
void MinimumDegree::form_element(Vertex p) {
  const Range& r = range_[at(p)];
  ++mark_stamp_;
  mark_[at(p)] = mark_stamp_;
  member_begin_[at(p)] = static_cast<Index>(members_.size());
  element_weight_ = 0;
  const auto take = [&](Vertex i) {
    if (is_live(i) && mark_[at(i)] != mark_stamp_) {
      mark_[at(i)] = mark_stamp_;
      members_.push_back(i);
      element_weight_ += size_[at(i)];
    }
  };
  for (Index k = r.elements; k < r.end; ++k) {
    take(lists_[at(k)]);
  }
  for (Index k = r.begin; k < r.elements; ++k) {
    const Vertex e = lists_[at(k)];
    if (!absorbed_[at(e)]) {
      for (Index m = member_begin_[at(e)]; m < member_end_[at(e)]; ++m) {
        take(members_[at(m)]);
      }
      absorbed_[at(e)] = 1;
    }
  }
  member_end_[at(p)] = static_cast<Index>(members_.size());
  absorbed_[at(p)] = 0;
}

/// For each element that touches element p, the variables it has outside of p.
void MinimumDegree::measure_elements(Vertex p) {
  stamp_ += total_ + 1;
  for (Index m = member_begin_[at(p)]; m < member_end_[at(p)]; ++m) {
    const Vertex i = members_[at(m)];
    const Range& r = range_[at(i)];
    for (Index k = r.begin; k < r.elements; ++k) {
      const Vertex e = lists_[at(k)];
      if (absorbed_[at(e)]) {
        continue;
      }
      if (outside_[at(e)] < stamp_) {
        outside_[at(e)] = stamp_ + degree_[at(e)];
      }
      outside_[at(e)] -= size_[at(i)];
    }
  }
}

/// Drops what element p covers from the lists of member i, and bounds its degree.
void MinimumDegree::update_member(Vertex p, Vertex i) {
  Range& r = range_[at(i)];
  Index to = r.begin;
  Index degree = 0;
  Index hash = p;
  for (Index k = r.begin; k < r.elements; ++k) {
    const Vertex e = lists_[at(k)];
    if (absorbed_[at(e)]) {
      continue;
    }
    const Index outside = outside_[at(e)] - stamp_;
    if (outside == 0) {
      absorbed_[at(e)] = 1;
      continue;
    }
    degree += outside;
    hash += e;
    lists_[at(to++)] = e;
  }
  const Index elements = to;
  Index kept = to;
  for (Index k = r.elements; k < r.end; ++k) {
    const Vertex j = lists_[at(k)];
    if (is_live(j) && mark_[at(j)] != mark_stamp_) {
      degree += size_[at(j)];
      hash += j;
      lists_[at(kept++)] = j;
    }
  }
  // At least one entry has gone: p itself or an element that p absorbed.
  if (kept > elements) {
    lists_[at(kept)] = lists_[at(elements)];
  }
  lists_[at(elements)] = p;
  r.elements = elements + 1;
  r.end = kept + 1;
  const Index around = element_weight_ - size_[at(i)];
  const Index left = left_ - size_[at(i)];
  degree_[at(i)] = std::min({left, degree_[at(i)] + around, degree + around});
  hash_[at(i)] = hash % n_;
}

bool MinimumDegree::indistinguishable(Vertex i, Vertex j) {
  const Range& a = range_[at(i)];
  const Range& b = range_[at(j)];
  if (a.elements - a.begin != b.elements - b.begin || a.end - a.begin != b.end - b.begin) {
    return false;
  }
  ++mark_stamp_;
  for (Index k = a.begin; k < a.end; ++k) {
    mark_[at(lists_[at(k)])] = mark_stamp_;
  }
  return std::all_of(lists_.begin() + b.begin, lists_.begin() + b.end,
                     [&](Vertex v) { return mark_[at(v)] == mark_stamp_; });
}

/// Vertex i is eliminated together with `into` from now on.
void MinimumDegree::join(Vertex i, Vertex into) {
  size_[at(i)] = 0;
  const auto append = [&](Vertex first, Vertex last) {
    if (first_joined_[at(into)] == none) {
      first_joined_[at(into)] = first;
    } else {
      next_joined_[at(last_joined_[at(into)])] = first;
    }
    last_joined_[at(into)] = last;
  };
  append(i, i);
  if (first_joined_[at(i)] != none) {
    append(first_joined_[at(i)], last_joined_[at(i)]);
    first_joined_[at(i)] = none;
  }
}

void MinimumDegree::merge_indistinguishable(Vertex p) {
  for (Index m = member_begin_[at(p)]; m < member_end_[at(p)]; ++m) {
    const Vertex i = members_[at(m)];
    if (is_live(i)) {
      chain_[at(i)] = bucket_[at(hash_[at(i)])];
      bucket_[at(hash_[at(i)])] = i;
    }
  }
  for (Index m = member_begin_[at(p)]; m < member_end_[at(p)]; ++m) {
    const Vertex member = members_[at(m)];
    if (!is_live(member)) {
      continue;
    }
    Vertex i = bucket_[at(hash_[at(member)])];
    bucket_[at(hash_[at(member)])] = none;
    for (; i != none; i = chain_[at(i)]) {
      if (!is_live(i)) {
        continue;
      }
      for (Vertex j = chain_[at(i)]; j != none; j = chain_[at(j)]) {
        if (is_live(j) && indistinguishable(i, j)) {
          size_[at(i)] += size_[at(j)];
          degree_[at(i)] -= size_[at(j)];
          join(j, i);
        }
      }
    }
  }
}

void MinimumDegree::finish_element(Vertex p) {
  Index to = member_begin_[at(p)];
  for (Index m = member_begin_[at(p)]; m < member_end_[at(p)]; ++m) {
    const Vertex i = members_[at(m)];
    if (is_live(i)) {
      members_[at(to++)] = i;
      degree_[at(i)] = std::clamp(degree_[at(i)], Index{0}, left_ - size_[at(i)]);
      link(i);
    }
  }
  member_end_[at(p)] = to;
  members_.resize(at(to));
  degree_[at(p)] = element_weight_;
  absorbed_[at(p)] = to == member_begin_[at(p)] ? 1 : 0;
}

std::vector<Vertex> MinimumDegree::order() {
  std::vector<Vertex> out;
  out.reserve(at(n_));
  while (static_cast<Index>(out.size()) < n_) {
    const Vertex p = next_pivot();
    form_element(p);
    left_ -= size_[at(p)];
    size_[at(p)] = 0;
    measure_elements(p);
    for (Index m = member_begin_[at(p)]; m < member_end_[at(p)]; ++m) {
      unlink(members_[at(m)]);
    }
    for (Index m = member_begin_[at(p)]; m < member_end_[at(p)]; ++m) {
      update_member(p, members_[at(m)]);
    }
    // A member that touches nothing but the element is eliminated with p at no cost.
    for (Index m = member_begin_[at(p)]; m < member_end_[at(p)]; ++m) {
      const Vertex i = members_[at(m)];
      if (range_[at(i)].end == range_[at(i)].begin + 1) {
        left_ -= size_[at(i)];
        element_weight_ -= size_[at(i)];
        join(i, p);
      }
    }
    merge_indistinguishable(p);
    finish_element(p);
    out.push_back(p);
    for (Vertex i = first_joined_[at(p)]; i != none; i = next_joined_[at(i)]) {
      out.push_back(i);
    }
  }
  return out;
}

}  // namespace

BlockGraph block_graph(const BlockStructure& structure) {
  const Index n = structure.offset.empty() ? 0 : structure.blocks();
  BlockGraph out;
  out.weight.resize(at(n));
  out.start.assign(at(n) + 1, 0);
  const auto each_pair = [&](auto visit) {
    for (Index i = 0; i < n; ++i) {
      for (Index k = structure.row_start[at(i)] + 1; k < structure.row_start[at(i) + 1]; ++k) {
        visit(i, static_cast<Index>(structure.column[at(k)]));
      }
    }
  };
  each_pair([&](Index i, Index j) {
    ++out.start[at(i) + 1];
    ++out.start[at(j) + 1];
  });
  std::partial_sum(out.start.begin(), out.start.end(), out.start.begin());
  out.neighbour.resize(at(out.start.back()));
  std::vector<Index> fill(out.start.begin(), out.start.end() - 1);
  // Rows ascend, so a vertex meets first the neighbours before it, then those behind it.
  each_pair([&](Index i, Index j) { out.neighbour[at(fill[at(j)]++)] = static_cast<Vertex>(i); });
  each_pair([&](Index i, Index j) { out.neighbour[at(fill[at(i)]++)] = static_cast<Vertex>(j); });
  for (Index i = 0; i < n; ++i) {
    out.weight[at(i)] = static_cast<std::int32_t>(structure.block_size(i));
  }
  return out;
}

std::vector<Vertex> minimum_degree(const BlockGraph& graph) {
  return MinimumDegree(graph).order();
}

}  // namespace kappa::detail
