#include "solvers/linear/block_cholesky.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/parallel.h"
#include "core/vector.h"

namespace kappa::detail {
namespace {

constexpr Index block_columns = 96;  // columns of a panel factored at once
constexpr Index chunk_slivers = 24;  // slivers of a panel in one piece of work
constexpr Index tile_slivers = 30;   // of a tile of a Schur complement
constexpr Index chunk_columns = 48;  // of a child's Schur complement added at once

std::size_t at(Index i) {
  return static_cast<std::size_t>(i);
}

bool same(const BlockStructure& a, const BlockStructure& b) {
  return a.offset == b.offset && a.row_start == b.row_start && a.column == b.column &&
         a.value_start == b.value_start;
}

double product(Index a, Index b) {
  return static_cast<double>(a) * static_cast<double>(b);
}

/// Memory for Schur complements, given out before any is needed: each has a fixed place.
class Pool {
 public:
  struct Piece {
    Index begin = 0;
    Index end = 0;
  };

  /// The first piece that is free and long enough, or the next one behind `top`.
  Index take(Index length, Index& top) {
    for (auto piece = free_.begin(); piece != free_.end(); ++piece) {
      if (piece->end - piece->begin >= length) {
        const Index out = piece->begin;
        piece->begin += length;
        if (piece->begin == piece->end) {
          free_.erase(piece);
        }
        return out;
      }
    }
    const Index out = top;
    top += length;
    return out;
  }
  void give(Piece piece) {
    if (piece.begin == piece.end) {
      return;
    }
    auto next = std::lower_bound(free_.begin(), free_.end(), piece,
                                 [](const Piece& a, const Piece& b) { return a.begin < b.begin; });
    if (next != free_.end() && next->begin == piece.end) {
      piece.end = next->end;
      next = free_.erase(next);
    }
    if (next != free_.begin() && std::prev(next)->end == piece.begin) {
      std::prev(next)->end = piece.end;
      return;
    }
    free_.insert(next, piece);
  }
  void give(Pool& other) {
    for (const Piece& piece : other.free_) {
      give(piece);
    }
    other.free_.clear();
  }

 private:
  std::vector<Piece> free_;
};

}  // namespace

void BlockCholesky::analyze(const BlockStructure& structure) {
  if (!structure_.offset.empty() && same(structure, structure_)) {
    return;
  }
  structure_ = structure;
  plan(structure);
}

void BlockCholesky::plan(const BlockStructure& structure) {
  const BlockGraph graph = block_graph(structure);
  const EliminationPlan plan = plan_elimination(graph, minimum_degree(graph));
  figures_ = {.blocks = graph.vertices(),
              .size = structure.size(),
              .supernodes = plan.supernodes(),
              .doubles = plan.doubles,
              .flops = plan.flops,
              .cost = plan.cost,
              .ordering = "minimum degree"};
  std::vector<Index> offset(1, 0);  // by place in the order: its first variable
  permutation_.clear();
  for (const Index block : plan.order) {
    for (Index i = structure.offset[at(block)]; i < structure.offset[at(block) + 1]; ++i) {
      permutation_.push_back(i);
    }
    offset.push_back(static_cast<Index>(permutation_.size()));
  }
  lay_out(plan);
  connect(plan, offset);
  scatter(structure, plan, offset);
  place_updates();
}

/// Fronts and the memory of their panels.
void BlockCholesky::lay_out(const EliminationPlan& plan) {
  const Index n = plan.supernodes();
  fronts_.assign(at(n), {});
  children_.clear();
  std::vector<Index> children(at(n) + 1, 0);
  std::vector<double> work(at(n));
  Index own = 0;
  Index panels = 0;
  Index z = 0;
  for (Index s = 0; s < n; ++s) {
    Front& front = fronts_[at(s)];
    const Index w = plan.width[at(s)];
    const Index h = plan.height[at(s)];
    front.panel = {nullptr, w, slivers(w), slivers(h)};
    front.own = own;
    front.height = h;
    front.z = z;
    front.parent = plan.parent[at(s)];
    front.work = 0.5 * front_cost(w, h);
    work[at(s)] = front.work;
    own += w;
    z += sliver * front.panel.below;
    panels += front.panel.size();
    if (front.parent >= 0) {
      ++children[at(front.parent) + 1];
    }
    figures_.largest_front = std::max(figures_.largest_front, w + h);
  }
  std::partial_sum(children.begin(), children.end(), children.begin());
  children_.resize(at(children.back()));
  l_.resize(at(panels));
  double* panel = l_.data();
  for (Index s = 0; s < n; ++s) {
    Front& front = fronts_[at(s)];
    front.panel.data = panel;
    panel += front.panel.size();
    front.child = children[at(s)];
    front.child_end = front.child;
  }
  for (Index s = 0; s < n; ++s) {
    if (fronts_[at(s)].parent >= 0) {
      Front& parent = fronts_[at(fronts_[at(s)].parent)];
      children_[at(parent.child_end++)] = s;
    }
  }
  const auto size = at(own);
  least_.resize(size);
  inverse_.resize(size);
  x_.resize(size);
  z_.resize(at(z));
  state_.resize(at(n));
  failed_.resize(at(n));
  pivot_.resize(at(n));
  schedule_.build(plan.parent, work);
}

/// Where the rows below each front are in its parent's, and how many entries the rows of L have.
void BlockCholesky::connect(const EliminationPlan& plan, const std::vector<Index>& offset) {
  runs_.clear();
  std::vector<Index> entries(permutation_.size(), 1);
  std::vector<Index> target(plan.order.size());  // by place: its row in the parent's front
  for (Index s = 0; s < plan.supernodes(); ++s) {
    Front& front = fronts_[at(s)];
    const Index w = front.panel.width;
    for (Index k = 0; k < w; ++k) {
      entries[at(front.own + k)] += k;
    }
    front.run = static_cast<Index>(runs_.size());
    front.run_end = front.run;
    if (front.parent < 0) {
      continue;
    }
    const Front& parent = fronts_[at(front.parent)];
    for (Index k = plan.first[at(front.parent)]; k < plan.first[at(front.parent) + 1]; ++k) {
      target[at(k)] = offset[at(k)] - parent.own;
    }
    Index row = sliver * parent.panel.triangle;
    for (Index r = plan.row_start[at(front.parent)]; r < plan.row_start[at(front.parent) + 1]; ++r) {
      const Index k = plan.row[at(r)];
      target[at(k)] = row;
      row += offset[at(k) + 1] - offset[at(k)];
    }
    Index source = 0;
    for (Index r = plan.row_start[at(s)]; r < plan.row_start[at(s) + 1]; ++r) {
      const Index k = plan.row[at(r)];
      const Index length = offset[at(k) + 1] - offset[at(k)];
      for (Index i = offset[at(k)]; i < offset[at(k) + 1]; ++i) {
        entries[at(i)] += w;
      }
      const bool to_panel = k < plan.first[at(front.parent) + 1];
      const bool continues = front.run_end > front.run &&
                             runs_.back().target + runs_.back().length == target[at(k)] &&
                             (to_panel || source > front.to_panel);
      if (continues) {
        runs_.back().length += static_cast<std::int32_t>(length);
      } else {
        runs_.push_back({static_cast<std::int32_t>(source), static_cast<std::int32_t>(target[at(k)]),
                         static_cast<std::int32_t>(length)});
        ++front.run_end;
      }
      source += length;
      if (to_panel) {
        front.to_panel = source;
      }
    }
  }
  rounding_.resize(entries.size());
  for (std::size_t i = 0; i < entries.size(); ++i) {
    rounding_[i] = static_cast<double>(1 + entries[i]) * epsilon;
  }
}

/// Where each stored block of B goes.
void BlockCholesky::scatter(const BlockStructure& structure, const EliminationPlan& plan,
                            const std::vector<Index>& offset) {
  const Index n = structure.offset.empty() ? 0 : structure.blocks();
  std::vector<Index> place(at(n));
  std::vector<Index> front_of(at(n));
  for (Index s = 0; s < plan.supernodes(); ++s) {
    for (Index k = plan.first[at(s)]; k < plan.first[at(s) + 1]; ++k) {
      place[at(plan.order[at(k)])] = k;
      front_of[at(k)] = s;
    }
  }
  const auto each_block = [&](auto visit) {
    for (Index i = 0; i < n; ++i) {
      for (Index k = structure.row_start[at(i)]; k < structure.row_start[at(i) + 1]; ++k) {
        const Index a = place[at(i)];
        const Index b = place[at(structure.column[at(k)])];
        visit(structure.value_start[at(k)], std::max(a, b), std::min(a, b), a < b);
      }
    }
  };
  std::vector<Index> start(fronts_.size() + 1, 0);
  each_block([&](Index, Index, Index low, bool) { ++start[at(front_of[at(low)]) + 1]; });
  std::partial_sum(start.begin(), start.end(), start.begin());
  assembly_.resize(at(start.back()));
  std::vector<Index> high_of(assembly_.size());
  for (std::size_t s = 0; s < fronts_.size(); ++s) {
    fronts_[s].assembly = fronts_[s].assembly_end = start[s];
  }
  each_block([&](Index values, Index high, Index low, bool transposed) {
    Front& front = fronts_[at(front_of[at(low)])];
    Assembly& out = assembly_[at(front.assembly_end)];
    high_of[at(front.assembly_end++)] = high;
    out.values = values;
    out.column = static_cast<std::int32_t>(offset[at(low)] - front.own);
    out.rows = static_cast<std::int32_t>(offset[at(high) + 1] - offset[at(high)]);
    out.columns = static_cast<std::int32_t>(offset[at(low) + 1] - offset[at(low)]);
    out.transposed = transposed;
  });
  std::vector<Index> row(at(n));  // by place: its row in the front at hand
  for (Index s = 0; s < plan.supernodes(); ++s) {
    const Front& front = fronts_[at(s)];
    for (Index k = plan.first[at(s)]; k < plan.first[at(s) + 1]; ++k) {
      row[at(k)] = offset[at(k)] - front.own;
    }
    Index below = sliver * front.panel.triangle;
    for (Index r = plan.row_start[at(s)]; r < plan.row_start[at(s) + 1]; ++r) {
      const Index k = plan.row[at(r)];
      row[at(k)] = below;
      below += offset[at(k) + 1] - offset[at(k)];
    }
    for (Index a = front.assembly; a < front.assembly_end; ++a) {
      assembly_[at(a)].row = static_cast<std::int32_t>(row[at(high_of[at(a)])]);
    }
  }
}

/// A Schur complement lives from its front to its parent's. Its place is one that is free by then whatever
/// runs meanwhile: memory of descendants that are done, or of this unit's.
void BlockCholesky::place_updates() {
  const Index n = static_cast<Index>(fronts_.size());
  std::vector<Index> place(at(n));
  std::vector<Pool> inherited(at(n));
  Index top = 0;
  const auto length = [&](Index s) {
    return fronts_[at(s)].update.stride * sliver * fronts_[at(s)].panel.below;
  };
  const auto visit = [&](Index s, Pool& pool) {
    Front& front = fronts_[at(s)];
    // Columns a multiple of 4 kB apart would compete for the same lines of the cache.
    front.update.stride = sliver * front.panel.below;
    front.update.stride += front.update.stride % 64 == 0 ? sliver : 0;
    place[at(s)] = pool.take(length(s), top);
    for (Index c = front.child; c < front.child_end; ++c) {
      const Index child = children_[at(c)];
      pool.give({place[at(child)], place[at(child)] + length(child)});
    }
  };
  auto unit = schedule_.units().begin();
  for (Index s = 0; s < n;) {
    if (schedule_.is_above(s)) {
      visit(s, inherited[at(s)]);
      if (fronts_[at(s)].parent >= 0) {
        inherited[at(fronts_[at(s)].parent)].give(inherited[at(s)]);
      }
      ++s;
      continue;
    }
    Pool pool;
    for (; s < unit->last; ++s) {
      visit(s, pool);
    }
    ++unit;
    if (fronts_[at(s - 1)].parent >= 0) {
      inherited[at(fronts_[at(s - 1)].parent)].give(pool);
    }
  }
  updates_.resize(at(top));
  figures_.update_doubles = static_cast<double>(top);
  for (Index s = 0; s < n; ++s) {
    fronts_[at(s)].update.data = updates_.data() + place[at(s)];
  }
}

Index BlockCholesky::factor(const BlockMatrix& B, double lambda, ConstVectorRef weights,
                            const Conditions& conditions) {
  failed_is_finite_ = true;
  const Task task{B, lambda, weights, conditions};
  schedule_.upward(1, [&](Index s) { factor_front(task, s); });
  return report_failure();
}

/// The first failure in the order of elimination: what else fails depends on nothing but the numbers either.
Index BlockCholesky::report_failure() {
  for (std::size_t s = 0; s < fronts_.size(); ++s) {
    if (state_[s] == State::failed) {
      failed_is_finite_ = std::isfinite(pivot_[s]);
      return permutation_[at(failed_[s])];
    }
  }
  const bool complete =
      std::all_of(state_.begin(), state_.end(), [](State state) { return state == State::done; });
  return complete ? -1 : interrupted;
}

void BlockCholesky::factor_front(const Task& task, Index s) {
  const Front& front = fronts_[at(s)];
  const auto children = std::span(children_).subspan(at(front.child), at(front.child_end - front.child));
  const bool ready =
      std::all_of(children.begin(), children.end(), [&](Index c) { return state_[at(c)] == State::done; });
  if (!ready || (task.conditions.interrupt != nullptr && task.conditions.interrupt->requested())) {
    state_[at(s)] = State::skipped;
    return;
  }
  assemble(task, front);
  const Index failed = factor_panel(front, pivot_[at(s)]);
  if (failed >= 0) {
    state_[at(s)] = State::failed;
    failed_[at(s)] = front.own + failed;
    return;
  }
  form_update(front);
  state_[at(s)] = State::done;
}

/// The columns that the front eliminates.
void BlockCholesky::assemble(const Task& task, const Front& front) {
  const Panel& panel = front.panel;
  std::fill(panel.data, panel.data + panel.size(), 0.0);
  for (Index a = front.assembly; a < front.assembly_end; ++a) {
    const Assembly& block = assembly_[at(a)];
    const double* from = task.B.values.data() + block.values;
    const Index down = block.transposed ? block.columns : 1;
    const Index right = block.transposed ? 1 : block.rows;
    for (Index r = 0; r < block.rows; ++r) {
      double* to = panel.row(block.row + r) + sliver * block.column;
      for (Index c = 0; c < block.columns; ++c) {
        to[c * sliver] = from[r * down + c * right];
      }
    }
  }
  for (Index c = 0; c < panel.width; ++c) {
    const Index k = front.own + c;
    const auto i = at(permutation_[at(k)]);
    double& diagonal = panel.row(c)[c * sliver];
    if (!task.weights.empty()) {
      diagonal += task.lambda * task.weights[i];
    }
    const ConstVectorRef reference = task.conditions.reference;
    least_[at(k)] = rounding_[at(k)] * std::abs(reference.empty() ? diagonal : reference[i]);
  }
  for (Index k = front.child; k < front.child_end; ++k) {
    const Front& child = fronts_[at(children_[at(k)])];
    each_child_chunk(child, 0, child.to_panel, [&](const Run* run, const Run* end, Index first, Index last) {
      front_kernels().add_to_panel(panel, child.update, run, end, first, last);
    });
  }
}

/// body(run, end, first, last) for the columns [begin, until) of a child's Schur complement in chunks [first,
/// last), `run` being the run with column `first`.
template <class Body>
void BlockCholesky::each_child_chunk(const Front& child, Index begin, Index until, const Body& body) const {
  const Partition columns{until - begin, chunk_columns};
  const Run* const runs = runs_.data() + child.run;
  const Run* const end = runs_.data() + child.run_end;
  for_each_chunk(columns.chunks(), product(until - begin, child.height), [&](Index chunk) {
    const Index first = begin + columns.begin(chunk);
    const Run* behind =
        std::upper_bound(runs, end, first, [](Index column, const Run& run) { return column < run.source; });
    body(behind - 1, end, first, begin + columns.end(chunk));
  });
}

Index BlockCholesky::factor_panel(const Front& front, double& pivot) {
  const FrontKernels& kernels = front_kernels();
  const Panel& panel = front.panel;
  const double* least = least_.data() + front.own;
  double* inverse = inverse_.data() + front.own;
  const Index end = panel.triangle + panel.below;
  for (Index first = 0; first < panel.width; first += block_columns) {
    const Index last = std::min(first + block_columns, panel.width);
    const auto each_chunk = [&](Index begin, Index depth, auto body) {
      const Partition rows{end - begin, chunk_slivers};
      for_each_chunk(rows.chunks(), product(sliver * (end - begin), (last - first) * depth),
                     [&](Index chunk) { body(begin + rows.begin(chunk), begin + rows.end(chunk)); });
    };
    if (first > 0) {
      each_chunk(first / sliver, first,
                 [&](Index from, Index to) { kernels.subtract_columns(panel, first, last, from, to); });
    }
    const Index failed = kernels.factor_triangle(panel, first, last, least, inverse, &pivot);
    if (failed >= 0) {
      return failed;
    }
    each_chunk(slivers(last), (last - first) / 2,
               [&](Index from, Index to) { kernels.solve_rows(panel, first, last, inverse, from, to); });
  }
  return -1;
}

/// -L21 L21' and the children's parts of it.
void BlockCholesky::form_update(const Front& front) const {
  const FrontKernels& kernels = front_kernels();
  const Partition rows{front.panel.below, tile_slivers};
  const Index tiles = rows.chunks();
  const double work = 0.5 * product(front.height, front.height) * static_cast<double>(front.panel.width);
  for_each_chunk(tiles * (tiles + 1) / 2, work, [&](Index t) {
    Index i = 0;
    for (; (i + 1) * (i + 2) / 2 <= t; ++i) {
    }
    const Index j = t - i * (i + 1) / 2;
    kernels.square(front.panel, front.update, rows.begin(i), rows.end(i), rows.begin(j), rows.end(j));
  });
  for (Index k = front.child; k < front.child_end; ++k) {
    const Front& child = fronts_[at(children_[at(k)])];
    each_child_chunk(child, child.to_panel, child.height,
                     [&](const Run* run, const Run* end, Index first, Index last) {
                       kernels.add_to_update(front.panel, front.update, child.update, run, end, first, last);
                     });
  }
}

void BlockCholesky::forward_front(const Front& front) {
  const FrontKernels& kernels = front_kernels();
  double* y = x_.data() + front.own;
  double* z = z_.data() + front.z;
  const Index above = sliver * front.panel.triangle;
  std::fill(z, z + sliver * front.panel.below, 0.0);
  for (Index k = front.child; k < front.child_end; ++k) {
    const Front& child = fronts_[at(children_[at(k)])];
    for (Index r = child.run; r < child.run_end; ++r) {
      const Run& run = runs_[at(r)];
      double* to = run.target < above ? y + run.target : z + run.target - above;
      const double* from = z_.data() + child.z + run.source;
      for (Index i = 0; i < run.length; ++i) {
        to[i] += from[i];
      }
    }
  }
  kernels.forward(front.panel, inverse_.data() + front.own, y);
  const Partition rows{front.panel.below, 4 * chunk_slivers};
  for_each_chunk(rows.chunks(), product(front.height, front.panel.width), [&](Index chunk) {
    kernels.forward_below(front.panel, y, z, rows.begin(chunk), rows.end(chunk));
  });
}

void BlockCholesky::backward_front(const Front& front) {
  const FrontKernels& kernels = front_kernels();
  double* y = x_.data() + front.own;
  double* z = z_.data() + front.z;
  if (front.parent >= 0) {
    const Front& parent = fronts_[at(front.parent)];
    const Index above = sliver * parent.panel.triangle;
    for (Index r = front.run; r < front.run_end; ++r) {
      const Run& run = runs_[at(r)];
      const double* from = run.target < above ? x_.data() + parent.own + run.target
                                              : z_.data() + parent.z + run.target - above;
      std::copy_n(from, run.length, z + run.source);
    }
    std::fill(z + front.height, z + sliver * front.panel.below, 0.0);
  }
  const Partition columns{front.panel.width, block_columns};
  for_each_chunk(columns.chunks(), product(front.height, front.panel.width), [&](Index chunk) {
    kernels.backward_below(front.panel, z, y, columns.begin(chunk), columns.end(chunk));
  });
  kernels.backward(front.panel, inverse_.data() + front.own, y);
}

double BlockCholesky::solve(VectorRef x) {
  for (std::size_t i = 0; i < x_.size(); ++i) {
    x_[i] = x[at(permutation_[i])];
  }
  const double share = 4 * figures_.doubles / std::max(figures_.cost, 1.0);
  schedule_.upward(share, [&](Index s) { forward_front(fronts_[at(s)]); });
  const double square = dot(x_.data(), x_.data(), static_cast<Index>(x_.size()));
  schedule_.downward(share, [&](Index s) { backward_front(fronts_[at(s)]); });
  for (std::size_t i = 0; i < x_.size(); ++i) {
    x[at(permutation_[i])] = x_[i];
  }
  return square;
}

}  // namespace kappa::detail
