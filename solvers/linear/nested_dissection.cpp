#include <algorithm>
#include <array>
#include <compare>
#include <deque>
#include <numeric>
#include <queue>

#include "core/parallel.h"
#include "solvers/linear/block_ordering.h"

namespace kappa::detail {
namespace {

using Vertex = std::int32_t;
constexpr Vertex none = -1;
constexpr Index leaf_vertices = 300;     // parts this small are left to minimum degree
constexpr Index coarsest_vertices = 48;  // of the graph that is split by growth
constexpr int coarse_growths = 6;        // starting vertices tried there
constexpr int fine_growths = 2;          // and on the graph itself
constexpr int passes = 6;                // of refinement at a level, at most
constexpr int patience = 80;             // moves without gain that end a pass
constexpr double heaviest_side = 0.72;   // share of the weight a side may have
constexpr Index parallel_vertices = 1000;

std::size_t at(Index i) {
  return static_cast<std::size_t>(i);
}

/// A graph with weights on edges: how many of the original ones an edge stands for.
struct Level {
  std::vector<Index> start;
  std::vector<Vertex> neighbour;
  std::vector<Vertex> edge;
  std::vector<Index> weight;
  std::vector<Vertex> coarse;  ///< each vertex's in the next, coarser level

  Index vertices() const { return static_cast<Index>(weight.size()); }
};

enum Side : char { left = 0, right = 1, separator = 2 };

/// A vertex separator of one graph and its refinement.
class Separator {
 public:
  explicit Separator(const Level& graph) : graph_(graph), side_(graph.weight.size(), right) {}

  std::vector<Side>& sides() { return side_; }

  /// The left side: vertices reached first from `seed` until they weigh half; the separator: those of the
  /// right side that touch it.
  void grow(Vertex seed);
  /// Moves vertices of the separator to the sides while it gets lighter.
  void refine();

  /// Less is better: first that no side is too heavy, then the weight of the separator, more where the sides
  /// differ.
  struct Quality {
    double excess = 0;
    double weight = 0;
    auto operator<=>(const Quality&) const = default;
  };
  Quality quality() const;

 private:
  struct Move {
    Index gain;
    Vertex vertex;
    Side to;
    Index version;
    bool operator<(const Move& other) const {
      return gain != other.gain ? gain < other.gain : vertex > other.vertex;
    }
  };

  void weigh();
  void set(Vertex v, Side side);
  void offer(Vertex v);
  void move(Vertex v, Side to);
  bool refine_once();

  template <class Visit>
  void each_neighbour(Vertex v, const Visit& visit) const {
    for (Index e = graph_.start[at(v)]; e < graph_.start[at(v) + 1]; ++e) {
      visit(graph_.neighbour[at(e)]);
    }
  }

  const Level& graph_;
  std::vector<Side> side_;
  std::array<Index, 3> weight_ = {0, 0, 0};
  std::vector<Index> version_;  ///< of a vertex's offers
  std::vector<char> locked_;
  std::priority_queue<Move> offers_;
  std::vector<std::pair<Vertex, Side>> undo_;
};

void Separator::weigh() {
  weight_ = {0, 0, 0};
  for (std::size_t v = 0; v < side_.size(); ++v) {
    weight_[at(side_[v])] += graph_.weight[v];
  }
}

Separator::Quality Separator::quality() const {
  const auto total = static_cast<double>(weight_[left] + weight_[right] + weight_[separator]);
  const auto heavier = static_cast<double>(std::max(weight_[left], weight_[right]));
  const double imbalance = static_cast<double>(weight_[left] - weight_[right]) / total;
  return {std::max(0.0, heavier - heaviest_side * total),
          static_cast<double>(weight_[separator]) * (1 + imbalance * imbalance)};
}

void Separator::grow(Vertex seed) {
  std::fill(side_.begin(), side_.end(), right);
  const Index half = std::accumulate(graph_.weight.begin(), graph_.weight.end(), Index{0}) / 2;
  std::vector<Vertex> queue{seed};
  std::vector<char> seen(side_.size(), 0);
  seen[at(seed)] = 1;
  Index grown = 0;
  Index next = 0;
  for (std::size_t k = 0; k < queue.size() && grown < half; ++k) {
    side_[at(queue[k])] = left;
    grown += graph_.weight[at(queue[k])];
    each_neighbour(queue[k], [&](Vertex u) {
      if (!seen[at(u)]) {
        seen[at(u)] = 1;
        queue.push_back(u);
      }
    });
    // A graph of several components: go on with the next one.
    for (; k + 1 == queue.size() && next < graph_.vertices(); ++next) {
      if (!seen[at(next)]) {
        seen[at(next)] = 1;
        queue.push_back(static_cast<Vertex>(next));
      }
    }
  }
  for (Vertex v = 0; v < graph_.vertices(); ++v) {
    if (side_[at(v)] == left) {
      each_neighbour(v, [&](Vertex u) {
        if (side_[at(u)] == right) {
          side_[at(u)] = separator;
        }
      });
    }
  }
}

void Separator::set(Vertex v, Side side) {
  undo_.emplace_back(v, side_[at(v)]);
  weight_[at(side_[at(v)])] -= graph_.weight[at(v)];
  weight_[at(side)] += graph_.weight[at(v)];
  side_[at(v)] = side;
}

/// What moving a vertex of the separator to either side would gain: its own weight less that of the vertices
/// it would pull in from the other side.
void Separator::offer(Vertex v) {
  ++version_[at(v)];
  if (side_[at(v)] != separator || locked_[at(v)]) {
    return;
  }
  std::array<Index, 3> around = {0, 0, 0};
  each_neighbour(v, [&](Vertex u) { around[at(side_[at(u)])] += graph_.weight[at(u)]; });
  offers_.push({graph_.weight[at(v)] - around[right], v, left, version_[at(v)]});
  offers_.push({graph_.weight[at(v)] - around[left], v, right, version_[at(v)]});
}

void Separator::move(Vertex v, Side to) {
  const Side other = to == left ? right : left;
  locked_[at(v)] = 1;
  set(v, to);
  each_neighbour(v, [&](Vertex u) {
    if (side_[at(u)] == other) {
      set(u, separator);
      each_neighbour(u, [&](Vertex x) { offer(x); });
    }
  });
  each_neighbour(v, [&](Vertex u) { offer(u); });
}

bool Separator::refine_once() {
  undo_.clear();
  offers_ = {};
  std::fill(locked_.begin(), locked_.end(), char{0});
  for (Vertex v = 0; v < graph_.vertices(); ++v) {
    if (side_[at(v)] == separator) {
      offer(v);
    }
  }
  const Quality before = quality();
  Quality best = before;
  std::size_t kept = 0;
  const auto total = static_cast<double>(weight_[left] + weight_[right] + weight_[separator]);
  for (int idle = 0; idle < patience && !offers_.empty();) {
    const Move next = offers_.top();
    offers_.pop();
    if (next.version != version_[at(next.vertex)] || side_[at(next.vertex)] != separator) {
      continue;
    }
    const Index side = weight_[at(next.to)] + graph_.weight[at(next.vertex)];
    const Side other = next.to == left ? right : left;
    if (static_cast<double>(side) > heaviest_side * total && side > weight_[at(other)]) {
      continue;
    }
    move(next.vertex, next.to);
    const Quality now = quality();
    ++idle;
    if (now < best) {
      best = now;
      kept = undo_.size();
      idle = 0;
    }
  }
  for (; undo_.size() > kept; undo_.pop_back()) {
    const auto [v, side] = undo_.back();
    weight_[at(side_[at(v)])] -= graph_.weight[at(v)];
    weight_[at(side)] += graph_.weight[at(v)];
    side_[at(v)] = side;
  }
  return best < before;
}

void Separator::refine() {
  version_.assign(side_.size(), 0);
  locked_.assign(side_.size(), 0);
  weigh();
  for (int pass = 0; pass < passes && refine_once(); ++pass) {
  }
}

/// Pairs of vertices with heavy edges between them become one.
Level coarsen(Level& fine) {
  const Index n = fine.vertices();
  const Index total = std::accumulate(fine.weight.begin(), fine.weight.end(), Index{0});
  const Index heaviest = std::max<Index>(1, 3 * total / (2 * coarsest_vertices));
  // Vertices with few edges first: they have the fewest partners to choose from.
  std::vector<Vertex> order(at(n));
  std::iota(order.begin(), order.end(), Vertex{0});
  std::stable_sort(order.begin(), order.end(), [&](Vertex a, Vertex b) {
    return fine.start[at(a) + 1] - fine.start[at(a)] < fine.start[at(b) + 1] - fine.start[at(b)];
  });
  fine.coarse.assign(at(n), none);
  std::vector<std::array<Vertex, 2>> pairs;
  for (const Vertex v : order) {
    if (fine.coarse[at(v)] != none) {
      continue;
    }
    Vertex partner = none;
    Vertex most = 0;
    for (Index e = fine.start[at(v)]; e < fine.start[at(v) + 1]; ++e) {
      const Vertex u = fine.neighbour[at(e)];
      if (fine.coarse[at(u)] == none && fine.edge[at(e)] > most &&
          fine.weight[at(v)] + fine.weight[at(u)] <= heaviest) {
        partner = u;
        most = fine.edge[at(e)];
      }
    }
    fine.coarse[at(v)] = static_cast<Vertex>(pairs.size());
    if (partner != none) {
      fine.coarse[at(partner)] = static_cast<Vertex>(pairs.size());
    }
    pairs.push_back({v, partner});
  }
  Level out;
  out.start.push_back(0);
  std::vector<Index> place(pairs.size(), -1);  // of a neighbour among the edges of the vertex at hand
  for (std::size_t c = 0; c < pairs.size(); ++c) {
    Index weight = 0;
    for (const Vertex v : pairs[c]) {
      if (v == none) {
        continue;
      }
      weight += fine.weight[at(v)];
      for (Index e = fine.start[at(v)]; e < fine.start[at(v) + 1]; ++e) {
        const Vertex u = fine.coarse[at(fine.neighbour[at(e)])];
        if (at(u) == c) {
          continue;
        }
        if (place[at(u)] < out.start.back()) {
          place[at(u)] = static_cast<Index>(out.neighbour.size());
          out.neighbour.push_back(u);
          out.edge.push_back(0);
        }
        out.edge[at(place[at(u)])] += fine.edge[at(e)];
      }
    }
    out.weight.push_back(weight);
    out.start.push_back(static_cast<Index>(out.neighbour.size()));
  }
  return out;
}

/// The vertex found last from `v`.
Vertex farthest(const Level& graph, Vertex v) {
  std::vector<char> seen(graph.weight.size(), 0);
  std::vector<Vertex> queue{v};
  seen[at(v)] = 1;
  for (std::size_t k = 0; k < queue.size(); ++k) {
    for (Index e = graph.start[at(queue[k])]; e < graph.start[at(queue[k]) + 1]; ++e) {
      const Vertex u = graph.neighbour[at(e)];
      if (!seen[at(u)]) {
        seen[at(u)] = 1;
        queue.push_back(u);
      }
    }
  }
  return queue.back();
}

/// The best of some separators of one graph.
class Best {
 public:
  void offer(Separator& candidate) {
    if (sides_.empty() || candidate.quality() < quality_) {
      quality_ = candidate.quality();
      sides_.swap(candidate.sides());
    }
  }
  std::vector<Side>& sides() { return sides_; }

 private:
  std::vector<Side> sides_;
  Separator::Quality quality_;
};

std::vector<Side> split_coarsest(const Level& graph) {
  Best best;
  for (int g = 0; g < coarse_growths; ++g) {
    Separator candidate(graph);
    candidate.grow(farthest(graph, static_cast<Vertex>(graph.vertices() * g / coarse_growths)));
    candidate.refine();
    best.offer(candidate);
  }
  return std::move(best.sides());
}

/// The sides by the multilevel scheme, or by growth on the graph itself where that separates better: in
/// meshes it finds the oblique fronts that coarse graphs do not show.
std::vector<Side> split(Level& graph) {
  std::deque<Level> coarser;
  const auto coarsest = [&]() -> Level& { return coarser.empty() ? graph : coarser.back(); };
  while (coarsest().vertices() > coarsest_vertices) {
    Level next = coarsen(coarsest());
    if (10 * next.vertices() > 9 * coarsest().vertices()) {
      break;
    }
    coarser.push_back(std::move(next));
  }
  std::vector<Side> sides = split_coarsest(coarsest());
  while (!coarser.empty()) {
    coarser.pop_back();
    const Level& level = coarsest();
    Separator finer(level);
    for (std::size_t v = 0; v < level.weight.size(); ++v) {
      finer.sides()[v] = sides[at(level.coarse[v])];
    }
    finer.refine();
    sides.swap(finer.sides());
  }
  Best best;
  Separator multilevel(graph);
  multilevel.sides().swap(sides);
  multilevel.refine();
  best.offer(multilevel);
  Vertex seed = 0;
  for (int g = 0; g < fine_growths; ++g) {
    seed = farthest(graph, seed);
    Separator candidate(graph);
    candidate.grow(seed);
    candidate.refine();
    best.offer(candidate);
  }
  return std::move(best.sides());
}

/// A part of the graph still to be split.
struct Part {
  Level graph;
  std::vector<Vertex> vertices;  ///< of the whole graph
  Vertex depth = 0;
};

Part extract(const Part& whole, const std::vector<Side>& sides, Side side) {
  Part out;
  out.depth = whole.depth + 1;
  std::vector<Vertex> local(sides.size(), none);
  for (std::size_t v = 0; v < sides.size(); ++v) {
    if (sides[v] == side) {
      local[v] = static_cast<Vertex>(out.vertices.size());
      out.vertices.push_back(whole.vertices[v]);
      out.graph.weight.push_back(whole.graph.weight[v]);
    }
  }
  out.graph.start.push_back(0);
  for (std::size_t v = 0; v < sides.size(); ++v) {
    if (sides[v] != side) {
      continue;
    }
    for (Index e = whole.graph.start[v]; e < whole.graph.start[v + 1]; ++e) {
      if (const Vertex u = local[at(whole.graph.neighbour[at(e)])]; u != none) {
        out.graph.neighbour.push_back(u);
        out.graph.edge.push_back(1);
      }
    }
    out.graph.start.push_back(static_cast<Index>(out.graph.neighbour.size()));
  }
  return out;
}

/// Splits a part until what is left is small, and notes the depth of each vertex of a separator.
void dissect(Part part, std::vector<Vertex>& depth) {
  if (part.graph.vertices() <= leaf_vertices) {
    return;
  }
  const std::vector<Side> sides = split(part.graph);
  std::array<Part, 2> halves = {extract(part, sides, left), extract(part, sides, right)};
  if (halves[0].vertices.empty() || halves[1].vertices.empty()) {
    return;  // nothing separates it: left to minimum degree
  }
  for (std::size_t v = 0; v < sides.size(); ++v) {
    if (sides[v] == separator) {
      depth[at(part.vertices[v])] = part.depth;
    }
  }
  const auto half = [&](Index h) { dissect(std::move(halves[at(h)]), depth); };
  for_each_chunk(2, part.graph.vertices() > parallel_vertices ? infinity : 0.0, half);
}

}  // namespace

std::vector<Vertex> nested_dissection(const BlockGraph& graph) {
  Part whole;
  whole.graph.start = graph.start;
  whole.graph.neighbour = graph.neighbour;
  whole.graph.edge.assign(graph.neighbour.size(), 1);
  whole.graph.weight.assign(graph.weight.begin(), graph.weight.end());
  whole.vertices.resize(graph.weight.size());
  std::iota(whole.vertices.begin(), whole.vertices.end(), Vertex{0});
  std::vector<Vertex> stage(graph.weight.size(), none);
  dissect(std::move(whole), stage);
  const Vertex deepest = stage.empty() ? 0 : *std::max_element(stage.begin(), stage.end());
  for (Vertex& s : stage) {
    s = s == none ? 0 : deepest - s + 1;
  }
  return minimum_degree(graph, stage);
}

}  // namespace kappa::detail
