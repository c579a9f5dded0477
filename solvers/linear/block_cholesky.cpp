#include "solvers/linear/block_cholesky.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/parallel.h"
#include "core/vector.h"

namespace kappa::detail {
namespace {

constexpr Index block_columns = 96;       // columns of a panel factored at once
constexpr Index chunk_slivers = 24;       // slivers of a panel in one piece of work
constexpr Index tile_slivers = 30;        // of a tile of a Schur complement
constexpr double dissection_cost = 3000;  // flops in the time that a dissection takes for a stored block
constexpr Index chunk_pieces = 32;        // of a child's Schur complement added at once

std::size_t at(Index i) {
  return static_cast<std::size_t>(i);
}

double product(Index a, Index b) {
  return static_cast<double>(a) * static_cast<double>(b);
}

/// A stored block, or its transpose, to `to`, which is in row `lane` of a sliver; the next sliver is at
/// `next`. N: its size, if it is square and of a usual one.
template <int N>
void copy_block(double* to, Index lane, Index next, const double* from, Index rows, Index columns,
                bool transposed) {
  const Index m = N > 0 ? N : rows;
  const Index n = N > 0 ? N : columns;
  for (Index r = 0; r < m; ++r) {
    if (transposed) {
      for (Index c = 0; c < n; ++c) {
        to[c * sliver] = from[c + r * n];
      }
    } else {
      for (Index c = 0; c < n; ++c) {
        to[c * sliver] = from[r + c * m];
      }
    }
    ++to;
    if (++lane == sliver) {
      lane = 0;
      to += next - sliver;
    }
  }
}

/// One more row to the last of `runs`, or to a new one where that is older than `first`, the row does not
/// continue it, or it would cross a multiple of `cut` (0: none).
void append_row(std::vector<Run>& runs, Index first, Index source, Index target, Index cut) {
  const bool cuts = cut > 0 && (source % cut == 0 || target % cut == 0);
  if (static_cast<Index>(runs.size()) > first && !cuts && runs.back().target + runs.back().length == target) {
    ++runs.back().length;
  } else {
    runs.push_back({static_cast<std::int32_t>(source), static_cast<std::int32_t>(target), 1});
  }
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
  if (!structure_.offset.empty() && structure == structure_) {
    return;
  }
  structure_ = structure;
  plan(structure);
}

void BlockCholesky::plan(const BlockStructure& structure) {
  const BlockGraph graph = block_graph(structure);
  const char* ordering = "minimum degree";
  EliminationPlan plan = plan_elimination(graph, minimum_degree(graph));
  const auto couplings =
      static_cast<double>(graph.vertices()) + 0.5 * static_cast<double>(graph.neighbour.size());
  if (plan.cost > dissection_cost * couplings) {
    EliminationPlan dissected = plan_elimination(graph, nested_dissection(graph));
    if (dissected.cost < plan.cost) {
      plan = std::move(dissected);
      ordering = "nested dissection";
    }
  }
  figures_ = {.blocks = graph.vertices(),
              .size = structure.size(),
              .supernodes = plan.supernodes(),
              .matrix_doubles = static_cast<double>(structure.values()),
              .doubles = plan.doubles,
              .flops = plan.flops,
              .cost = plan.cost,
              .ordering = ordering};
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

/// Fronts and their tree.
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
    front.panel_begin = panels;
    front.own = own;
    front.height = h;
    front.z = z;
    front.parent = plan.parent[at(s)];
    front.work = 0.5 * front_cost(w, h);
    work[at(s)] = front.work;
    own += w;
    panels += front.panel.size();
    z += sliver * front.panel.below;
    if (front.parent >= 0) {
      ++children[at(front.parent) + 1];
    }
    figures_.largest_front = std::max(figures_.largest_front, w + h);
  }
  std::partial_sum(children.begin(), children.end(), children.begin());
  children_.resize(at(children.back()));
  for (Index s = 0; s < n; ++s) {
    fronts_[at(s)].child = fronts_[at(s)].child_end = children[at(s)];
  }
  for (Index s = 0; s < n; ++s) {
    if (fronts_[at(s)].parent >= 0) {
      Front& parent = fronts_[at(fronts_[at(s)].parent)];
      children_[at(parent.child_end++)] = s;
    }
  }
  panel_doubles_ = panels;
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
  pieces_.clear();
  std::vector<Index> entries(permutation_.size(), 1);
  std::vector<Index> target(plan.order.size());  // by place: its row in the parent's front
  for (Index s = 0; s < plan.supernodes(); ++s) {
    Front& front = fronts_[at(s)];
    const Index w = front.panel.width;
    for (Index k = 0; k < w; ++k) {
      entries[at(front.own + k)] += k;
    }
    front.run = front.other_run = front.run_end = static_cast<Index>(runs_.size());
    front.piece = front.other_piece = front.piece_end = static_cast<Index>(pieces_.size());
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
      for (Index i = offset[at(k)]; i < offset[at(k) + 1]; ++i, ++source) {
        entries[at(i)] += w;
        const bool eliminated = k < plan.first[at(front.parent) + 1];
        const Index to = target[at(k)] + i - offset[at(k)];
        append_row(runs_, eliminated ? front.run : front.other_run, source, to, 0);
        append_row(pieces_, eliminated ? front.piece : front.other_piece, source, to, sliver);
        if (eliminated) {
          front.other_run = static_cast<Index>(runs_.size());
          front.other_piece = static_cast<Index>(pieces_.size());
        }
      }
    }
    front.run_end = static_cast<Index>(runs_.size());
    front.piece_end = static_cast<Index>(pieces_.size());
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
  std::vector<Pool> inherited(at(n));
  Index top = 0;
  const auto length = [&](Index s) {
    const Index below = fronts_[at(s)].panel.below;
    return below > 0 ? Update::begin(below) + 2 * sliver : 0;
  };
  const auto visit = [&](Index s, Pool& pool) {
    Front& front = fronts_[at(s)];
    front.update_begin = pool.take(length(s), top);
    for (Index c = front.child; c < front.child_end; ++c) {
      const Index child = children_[at(c)];
      const Index begin = fronts_[at(child)].update_begin;
      pool.give({begin, begin + length(child)});
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
  update_doubles_ = top;
  figures_.memory = static_cast<double>(panel_doubles_ + update_doubles_);
  allocated_ = false;
}

void BlockCholesky::allocate() {
  l_.resize(at(panel_doubles_));
  updates_.resize(at(update_doubles_));
  for (Front& front : fronts_) {
    front.panel.data = l_.data() + front.panel_begin;
    front.update.data = updates_.data() + front.update_begin + sliver;
  }
  allocated_ = true;
}

Index BlockCholesky::factor(const BlockMatrix& B, double lambda, ConstVectorRef weights,
                            const Conditions& conditions) {
  if (!allocated_) {
    allocate();
  }
  failed_is_finite_ = true;
  const Task task{B, lambda, weights, conditions};
  std::fill(state_.begin(), state_.end(), State::skipped);
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
  if (!ready || task.stops()) {
    state_[at(s)] = State::skipped;
    return;
  }
  assemble(task, front);
  const Index failed = factor_panel(task, front, pivot_[at(s)]);
  if (failed == interrupted) {
    state_[at(s)] = State::skipped;
    return;
  }
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
    double* to = panel.row(block.row) + sliver * block.column;
    const double* from = task.B.values.data() + block.values;
    const Index size = block.rows == block.columns ? block.rows : 0;
    const auto copy = size == 3   ? copy_block<3>
                      : size == 6 ? copy_block<6>
                      : size == 9 ? copy_block<9>
                                  : copy_block<0>;
    copy(to, block.row % sliver, sliver * panel.width, from, block.rows, block.columns, block.transposed);
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
    each_chunk_of_pieces(child, child.piece, [&](std::span<const Run> pieces) {
      front_kernels().add_to_panel(panel, child.update, pieces, runs(child.run, child.other_run));
    });
  }
}

std::span<const Run> BlockCholesky::runs(Index begin, Index end) const {
  return std::span(runs_).subspan(at(begin), at(end - begin));
}

/// body(pieces) for the child's pieces from `begin` on in chunks; no sliver of the parent is in two of them.
template <class Body>
void BlockCholesky::each_chunk_of_pieces(const Front& child, Index begin, const Body& body) const {
  const Partition chunks{child.piece_end - begin, chunk_pieces};
  const auto boundary = [&](Index piece) {
    while (piece > begin && piece < child.piece_end &&
           pieces_[at(piece)].target / sliver == pieces_[at(piece - 1)].target / sliver) {
      ++piece;
    }
    return piece;
  };
  for_each_chunk(chunks.chunks(), product(child.height, child.height), [&](Index chunk) {
    const Index first = boundary(begin + chunks.begin(chunk));
    const Index last = boundary(begin + chunks.end(chunk));
    body(std::span(pieces_).subspan(at(first), at(last - first)));
  });
}

Index BlockCholesky::factor_panel(const Task& task, const Front& front, double& pivot) {
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
      if (task.stops()) {
        return interrupted;
      }
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
    each_chunk_of_pieces(child, child.other_piece, [&](std::span<const Run> pieces) {
      kernels.add_to_update(front.panel, front.update, child.update, pieces,
                            runs(child.other_run, child.run_end));
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
