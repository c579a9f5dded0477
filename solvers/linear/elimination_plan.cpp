#include "solvers/linear/elimination_plan.h"

#include <algorithm>
#include <numeric>

namespace kappa::detail {
namespace {

using Vertex = std::int32_t;
constexpr double front_entry = 8;        // measured: assembling it and adding it to the parent
constexpr double front_overhead = 3000;  // measured: a tenth of a microsecond

std::size_t at(Index i) {
  return static_cast<std::size_t>(i);
}

/// The parent of each place in the elimination tree (Liu 1986, with path compression).
std::vector<Index> elimination_tree(const BlockGraph& graph, const std::vector<Vertex>& order,
                                    const std::vector<Index>& place) {
  std::vector<Index> parent(order.size(), -1);
  std::vector<Index> ancestor(order.size(), -1);
  for (Index k = 0; k < graph.vertices(); ++k) {
    const Vertex v = order[at(k)];
    for (Index e = graph.start[at(v)]; e < graph.start[at(v) + 1]; ++e) {
      Index i = place[at(graph.neighbour[at(e)])];
      while (i < k && ancestor[at(i)] != k) {
        const Index next = ancestor[at(i)];
        ancestor[at(i)] = k;
        if (next < 0) {
          parent[at(i)] = k;
          break;
        }
        i = next;
      }
    }
  }
  return parent;
}

/// Children lists of a forest, each ascending.
struct Children {
  explicit Children(const std::vector<Index>& parent) : start(parent.size() + 1, 0), child(parent.size()) {
    for (const Index p : parent) {
      if (p >= 0) {
        ++start[at(p) + 1];
      }
    }
    std::partial_sum(start.begin(), start.end(), start.begin());
    std::vector<Index> fill(start.begin(), start.end() - 1);
    for (std::size_t i = 0; i < parent.size(); ++i) {
      if (parent[i] >= 0) {
        child[at(fill[at(parent[i])]++)] = static_cast<Index>(i);
      }
    }
  }
  std::vector<Index> start, child;
};

/// Nodes in an order in which each comes behind its children, and these as `children` lists them.
std::vector<Index> postorder(const std::vector<Index>& parent, const Children& children) {
  std::vector<Index> out;
  out.reserve(parent.size());
  std::vector<Index> stack;
  std::vector<Index> next(children.start.begin(), children.start.end() - 1);
  for (std::size_t root = 0; root < parent.size(); ++root) {
    if (parent[root] >= 0) {
      continue;
    }
    stack.push_back(static_cast<Index>(root));
    while (!stack.empty()) {
      const Index i = stack.back();
      if (next[at(i)] < children.start[at(i) + 1]) {
        stack.push_back(children.child[at(next[at(i)]++)]);
      } else {
        out.push_back(i);
        stack.pop_back();
      }
    }
  }
  return out;
}

/// Supernodes under construction. Places are those of a postorder of the blocks' elimination tree.
struct Nodes {
  std::vector<std::vector<Vertex>> columns;  ///< places eliminated, in the order of elimination
  std::vector<std::vector<Vertex>> rows;     ///< places below
  std::vector<Index> parent;
  std::vector<Index> width, height;
};

Nodes fundamental_supernodes(const BlockGraph& graph, const std::vector<Vertex>& order,
                             const std::vector<Index>& place, const std::vector<Index>& parent) {
  const Index n = graph.vertices();
  Nodes out;
  std::vector<Index> node(at(n));
  std::vector<Vertex> mark(at(n), -1);
  const Children children(parent);
  for (Index k = 0; k < n; ++k) {
    const Vertex v = order[at(k)];
    std::vector<Vertex> rows;
    const auto take = [&](Index i) {
      if (i > k && mark[at(i)] != k) {
        mark[at(i)] = static_cast<Vertex>(k);
        rows.push_back(static_cast<Vertex>(i));
      }
    };
    for (Index c = children.start[at(k)]; c < children.start[at(k) + 1]; ++c) {
      for (const Vertex i : out.rows[at(node[at(children.child[at(c)])])]) {
        take(i);
      }
    }
    for (Index e = graph.start[at(v)]; e < graph.start[at(v) + 1]; ++e) {
      take(place[at(graph.neighbour[at(e)])]);
    }
    std::sort(rows.begin(), rows.end());
    // The column before has this one as parent and nothing in its pattern that this one has not.
    const bool extends =
        k > 0 && parent[at(k) - 1] == k && out.rows[at(node[at(k) - 1])].size() == rows.size() + 1;
    if (!extends) {
      out.columns.emplace_back();
      out.rows.emplace_back();
      out.width.push_back(0);
      out.height.push_back(0);
      out.parent.push_back(-1);
    }
    const auto s = out.columns.size() - 1;
    node[at(k)] = static_cast<Index>(s);
    out.columns[s].push_back(static_cast<Vertex>(k));
    out.width[s] += graph.weight[at(v)];
    out.rows[s] = std::move(rows);
  }
  for (std::size_t s = 0; s < out.columns.size(); ++s) {
    for (const Vertex i : out.rows[s]) {
      out.height[s] += graph.weight[at(order[at(i)])];
    }
    out.parent[s] = out.rows[s].empty() ? -1 : node[at(out.rows[s].front())];
  }
  return out;
}

/// Merges children into their parents while that lowers the cost; merged nodes are left without columns.
void amalgamate(Nodes& nodes) {
  const Children children(nodes.parent);
  const auto gain = [&](Index c, Index p) {
    return front_cost(nodes.width[at(c)], nodes.height[at(c)]) +
           front_cost(nodes.width[at(p)], nodes.height[at(p)]) -
           front_cost(nodes.width[at(c)] + nodes.width[at(p)], nodes.height[at(p)]);
  };
  std::vector<Index> candidates;
  std::vector<std::vector<Index>> adopted(nodes.parent.size());
  for (Index p = 0; p < static_cast<Index>(nodes.parent.size()); ++p) {
    candidates.assign(children.child.begin() + children.start[at(p)],
                      children.child.begin() + children.start[at(p) + 1]);
    while (true) {
      Index best = -1;
      double most = 0;
      for (std::size_t c = 0; c < candidates.size(); ++c) {
        const double g = gain(candidates[c], p);
        if (g > most) {
          most = g;
          best = static_cast<Index>(c);
        }
      }
      if (best < 0) {
        break;
      }
      const Index c = candidates[at(best)];
      candidates.erase(candidates.begin() + best);
      auto& columns = nodes.columns[at(c)];
      columns.insert(columns.end(), nodes.columns[at(p)].begin(), nodes.columns[at(p)].end());
      nodes.columns[at(p)].swap(columns);
      columns.clear();
      nodes.parent[at(c)] = -1;
      nodes.width[at(p)] += nodes.width[at(c)];
      for (const Index grandchild : adopted[at(c)]) {
        nodes.parent[at(grandchild)] = p;
        candidates.push_back(grandchild);
      }
    }
    adopted[at(p)] = candidates;
  }
}

/// The nodes left, children in the order that needs the least memory for Schur complements on a stack.
std::vector<Index> stack_order(const Nodes& nodes) {
  std::vector<Index> parent = nodes.parent;
  Children children(parent);
  std::vector<double> peak(parent.size(), 0);
  const auto kept = [&](Index i) {
    return static_cast<double>(nodes.height[at(i)]) * static_cast<double>(nodes.height[at(i)]);
  };
  for (Index p = 0; p < static_cast<Index>(parent.size()); ++p) {
    const auto first = children.child.begin() + children.start[at(p)];
    const auto last = children.child.begin() + children.start[at(p) + 1];
    std::stable_sort(first, last,
                     [&](Index a, Index b) { return peak[at(a)] - kept(a) > peak[at(b)] - kept(b); });
    double below = 0;
    for (auto c = first; c != last; ++c) {
      peak[at(p)] = std::max(peak[at(p)], below + peak[at(*c)]);
      below += kept(*c);
    }
    peak[at(p)] = std::max(peak[at(p)], below + kept(p));
  }
  std::vector<Index> out = postorder(parent, children);
  std::erase_if(out, [&](Index i) { return nodes.columns[at(i)].empty(); });
  return out;
}

}  // namespace

double front_cost(Index width, Index height) {
  const auto w = static_cast<double>(width);
  const auto h = static_cast<double>(height);
  return w * w * w / 3 + w * w * h + w * h * h + front_entry * (0.5 * w * w + w * h + 0.5 * h * h) +
         front_overhead;
}

EliminationPlan plan_elimination(const BlockGraph& graph, const std::vector<Vertex>& given) {
  const Index n = graph.vertices();
  std::vector<Index> place(at(n));
  for (Index k = 0; k < n; ++k) {
    place[at(given[at(k)])] = k;
  }
  // The same elimination in a postorder of its tree: supernodes become runs.
  const std::vector<Index> tree = elimination_tree(graph, given, place);
  const std::vector<Index> post = postorder(tree, Children(tree));
  std::vector<Vertex> order(at(n));
  for (Index k = 0; k < n; ++k) {
    order[at(k)] = given[at(post[at(k)])];
  }
  std::vector<Index> moved(at(n));
  for (Index k = 0; k < n; ++k) {
    moved[at(post[at(k)])] = k;
    place[at(order[at(k)])] = k;
  }
  std::vector<Index> parent(at(n));
  for (Index k = 0; k < n; ++k) {
    const Index p = tree[at(post[at(k)])];
    parent[at(k)] = p < 0 ? -1 : moved[at(p)];
  }
  Nodes nodes = fundamental_supernodes(graph, order, place, parent);
  amalgamate(nodes);

  EliminationPlan out;
  const std::vector<Index> sequence = stack_order(nodes);
  std::vector<Index> number(nodes.parent.size(), -1);
  std::vector<Vertex> renamed(at(n));
  out.first.push_back(0);
  for (const Index s : sequence) {
    number[at(s)] = out.supernodes();
    out.parent.push_back(s);  // the old name, for now
    for (const Vertex k : nodes.columns[at(s)]) {
      renamed[at(k)] = static_cast<Vertex>(out.order.size());
      out.order.push_back(order[at(k)]);
    }
    out.first.push_back(static_cast<Index>(out.order.size()));
  }
  out.row_start.push_back(0);
  for (Index& s : out.parent) {
    const auto w = static_cast<double>(nodes.width[at(s)]);
    const auto h = static_cast<double>(nodes.height[at(s)]);
    out.width.push_back(nodes.width[at(s)]);
    out.height.push_back(nodes.height[at(s)]);
    out.flops += w * w * w / 3 + w * w * h + w * h * h;
    out.doubles += 0.5 * w * (w + 1) + w * h;
    out.cost += front_cost(nodes.width[at(s)], nodes.height[at(s)]);
    for (const Vertex k : nodes.rows[at(s)]) {
      out.row.push_back(renamed[at(k)]);
    }
    std::sort(out.row.begin() + out.row_start.back(), out.row.end());
    out.row_start.push_back(static_cast<Index>(out.row.size()));
    s = nodes.parent[at(s)] < 0 ? -1 : number[at(nodes.parent[at(s)])];
  }
  return out;
}

}  // namespace kappa::detail
