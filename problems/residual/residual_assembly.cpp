// The matrices of a ResidualLinearization: block-sparse, dense, and the root. Each is assembled when first
// asked for at a point, into memory that is kept.
//
// Cost: R n_i n_j multiply-adds for each residual block and pair of its variable slots. The pattern is found
// once for a structure by two counting sorts of the pairs.
#include <algorithm>
#include <cmath>

#include "core/elimination_group.h"
#include "core/scratch.h"
#include "problems/residual/assembly_kernels.h"
#include "problems/residual/residual_kernels.h"
#include "problems/residual/residual_linearization.h"

namespace kappa::detail {
namespace {

constexpr Index largest_dense = 4000;
constexpr double largest_root = 8e6;

/// Two variable blocks that share a residual block, row < col, and where their contribution stands in the
/// order of evaluation.
struct Coupling {
  std::int32_t row;
  std::int32_t col;
  Index contribution;
};

/// Sorts `from` by key(coupling) in [0, starts), keeping the order of equals; `other` is scratch of its size.
template <class Key>
void counting_sort(std::span<Coupling>& from, std::span<Coupling>& other, std::span<Index> start,
                   const Key& key) {
  if (std::is_sorted(from.begin(), from.end(),
                     [&](const Coupling& a, const Coupling& b) { return key(a) < key(b); })) {
    return;  // as the files of bundle problems are, by points
  }
  std::fill(start.begin(), start.end(), 0);
  for (const Coupling& c : from) {
    ++start[at(key(c))];
  }
  Index total = 0;
  for (Index& s : start) {
    total += std::exchange(s, total);
  }
  for (const Coupling& c : from) {
    other[at(start[at(key(c))]++)] = c;
  }
  std::swap(from, other);
}

}  // namespace

void ResidualLinearization::expect_independent_group() const {
  const std::vector<std::int32_t>& group = layout_->elimination_group;
  const std::int32_t first = lowest_group(group);
  for (const Part& part : parts_) {
    for (Index b = 0; b < part.count && first >= 0; ++b) {
      std::int32_t before = -1;
      for (int s = 0; s < part.family->slots; ++s) {
        const std::int32_t block = part.blocks_of(b)[s];
        const std::int32_t variable = layout_->variable[at(block)];
        if (variable < 0 || group[at(variable)] != first) {
          continue;
        }
        if (before >= 0) {
          throw Error(
              "parameter blocks '" + problem_->name(ParameterBlock{before}) + "' and '" +
              problem_->name(ParameterBlock{block}) + "' are both in elimination group " +
              std::to_string(first) + ", but " +
              problem_->name(ResidualBlock{part.family->global[at(part.local_of(b))]}) +
              " has both; put one of them into a later group (ResidualProblem::set_elimination_group)");
        }
        before = block;
      }
    }
  }
}

void ResidualLinearization::plan_matrix(BlockStructure& structure) const {
  constexpr std::uint32_t transposed = ScatteredSums::transposed;
  const auto variables = static_cast<Index>(layout_->parameter.size());
  BulkVector<std::uint32_t>& destination = matrix_sums_.destination;
  destination.assign(at(pairs_), ScatteredSums::nowhere);
  Scratch<Coupling> couplings(pairs_ - slots_);
  Index count = 0;
  expect_independent_group();
  for (const Part& part : parts_) {
    const int slots = part.family->slots;
    for (Index b = 0; b < part.count; ++b) {
      Index contribution = part.first_pair + b * pairs_of(slots);
      for (int s = 0; s < slots; ++s) {
        const std::int32_t i = layout_->variable[at(part.blocks_of(b)[s])];
        for (int t = s; t < slots; ++t, ++contribution) {
          const std::int32_t j = layout_->variable[at(part.blocks_of(b)[t])];
          if (i < 0 || j < 0) {
            continue;
          }
          if (s == t) {
            destination[at(contribution)] = static_cast<std::uint32_t>(i);  // the row, for the time being
          } else {
            couplings[count++] = {std::min(i, j), std::max(i, j), contribution};
            destination[at(contribution)] = i < j ? 0 : transposed;
          }
        }
      }
    }
  }
  Scratch<Coupling> spare(count);
  Scratch<Index> start(variables);
  std::span<Coupling> filled = couplings.span().subspan(0, at(count));
  std::span<Coupling> other = spare.span();
  counting_sort(filled, other, start.span(), [](const Coupling& c) { return c.col; });
  counting_sort(filled, other, start.span(), [](const Coupling& c) { return c.row; });

  const auto fresh = [&](Index i) {
    return i == 0 || filled[at(i)].row != filled[at(i - 1)].row || filled[at(i)].col != filled[at(i - 1)].col;
  };
  std::size_t distinct = at(variables);
  for (Index i = 0; i < count; ++i) {
    distinct += fresh(i) ? 1 : 0;
  }
  structure.offset.assign(layout_->variable_offset.begin(), layout_->variable_offset.end());
  structure.elimination_group.assign(layout_->elimination_group.begin(), layout_->elimination_group.end());
  structure.row_start.clear();
  structure.column.clear();
  structure.value_start.clear();
  structure.row_start.reserve(at(variables) + 1);
  structure.column.reserve(distinct);
  structure.value_start.reserve(distinct + 1);
  Index values = 0;
  const auto begin_block = [&](Index row, Index col) {
    structure.column.push_back(static_cast<std::int32_t>(col));
    structure.value_start.push_back(values);
    values += structure.block_size(row) * structure.block_size(col);
  };
  Index next = 0;
  for (Index row = 0; row < variables; ++row) {
    structure.row_start.push_back(static_cast<Index>(structure.column.size()));
    begin_block(row, row);
    for (Index previous = row; next < count && filled[at(next)].row == row; ++next) {
      if (filled[at(next)].col != previous) {
        previous = filled[at(next)].col;
        begin_block(row, previous);
      }
      destination[at(filled[at(next)].contribution)] |=
          static_cast<std::uint32_t>(structure.column.size() - 1);
    }
  }
  structure.row_start.push_back(static_cast<Index>(structure.column.size()));
  structure.value_start.push_back(values);
  for (const Part& part : parts_) {
    const int slots = part.family->slots;
    for (Index b = 0; b < part.count; ++b) {
      Index contribution = part.first_pair + b * pairs_of(slots);
      for (int s = 0; s < slots; contribution += slots - s, ++s) {
        std::uint32_t& code = destination[at(contribution)];
        if (code != ScatteredSums::nowhere) {
          code = static_cast<std::uint32_t>(structure.row_start[code]);
        }
      }
    }
  }
  matrix_sums_.plan(
      tasks(), static_cast<Index>(structure.column.size()),
      [&](Index k) { return structure.value_start[at(k) + 1] - structure.value_start[at(k)]; },
      [&](Index task, const auto& visit) {
        for (const BlockChunk& chunk : chunks_of(task)) {
          const Part& part = parts_[at(chunk.family)];
          const Index pairs = pairs_of(part.family->slots);
          for_each_batch(part, chunk, [&](Index first, Index number) {
            const Index begin = part.first_pair + first * pairs;
            for (Index pair = 0; pair < pairs; ++pair) {  // as scatter_matrix does
              visit(begin + pair, begin + number * pairs, pairs);
            }
          });
        }
      });
  matrix_planned_ = true;
}

void ResidualLinearization::shape_matrix(Model model) const {
  const std::size_t slot = slot_of(model);
  if (matrix_shaped_[slot]) {
    return;
  }
  BlockMatrix& matrix = matrix_[slot];
  if (matrix_planned_ && matrix_shaped_[1 - slot]) {
    matrix.structure = matrix_[1 - slot].structure;
  } else {
    plan_matrix(matrix.structure);
  }
  matrix.values.resize(at(matrix.structure.values()));
  matrix_shaped_[slot] = true;
}

void ResidualLinearization::scatter_matrix(Model model, const Part& part, const Derivatives& of,
                                           Index count) const {
  BlockMatrix& matrix = matrix_[slot_of(model)];
  const Family& family = *part.family;
  const int slots = family.slots;
  const Index pairs = pairs_of(slots);
  Index number = part.first_pair + of.first * pairs;
  for (int s = 0; s < slots; ++s) {
    for (int t = s; t < slots; ++t, ++number) {
      const SlotPair pair{part.number, s, t};
      if (const OuterKernel add = outer_kernel(family.residuals, part.sizes[s], part.sizes[t], s == t)) {
        add({.count = count,
             .A = {of.J + family.column[at(s)], family.columns, of.entries},
             .B = {of.J + family.column[at(t)], family.columns, of.entries},
             .outer = part.robust ? &part.weight[at(of.first)].outer : &scale_,
             .outer_step = part.robust ? Index{sizeof(BlockWeight) / sizeof(double)} : 0,
             .sums = matrix_sums_,
             .contribution = number,
             .contribution_step = pairs,
             .values = matrix.values.data(),
             .start = matrix.structure.value_start.data()});
        if (part.robust || model == Model::exact) {
          scatter_rest<Terms::second>(model, part, pair, of, count, number);
        }
      } else {
        scatter_rest<Terms::all>(model, part, pair, of, count, number);
      }
    }
  }
}

/// The pairs that have no kernel, or what is more than the product of Jacobians in those that have.
template <Terms terms>
void ResidualLinearization::scatter_rest(Model model, const Part& part, SlotPair pair, const Derivatives& of,
                                         Index count, Index contribution) const {
  BlockMatrix& matrix = matrix_[slot_of(model)];
  const Index pairs = pairs_of(part.family->slots);
  const Index width = part.sizes[pair.a] * part.sizes[pair.b];
  with_sizes(part, pair, [&]<int R, int Rows, int Cols>() {
    for (Index i = 0; i < count; ++i) {
      const ScatteredSums::Place place = matrix_sums_.place(contribution + i * pairs, matrix.values.data(),
                                                            matrix.structure.value_start.data());
      if (place.to == nullptr) {
        continue;
      }
      if (place.first && terms == Terms::all) {
        std::fill_n(place.to, width, 0.0);
      }
      if (place.is_transposed) {
        add_pair<R, Cols, Rows, terms>(part, {part.number, pair.b, pair.a}, model, scale_, of, of.first + i,
                                       place.to, part.sizes[pair.b]);
      } else {
        add_pair<R, Rows, Cols, terms>(part, pair, model, scale_, of, of.first + i, place.to,
                                       part.sizes[pair.a]);
      }
    }
  });
}

void ResidualLinearization::finish_matrix(Model model) const {
  const std::size_t slot = slot_of(model);
  BlockMatrix& matrix = matrix_[slot];
  const BlockStructure& structure = matrix.structure;
  matrix_sums_.finish(matrix.values.data(), structure.value_start);
  constexpr Index rows_at_once = 2048;
  const Partition rows{structure.blocks(), rows_at_once};
  for_each_chunk(rows.chunks(), 8.0 * static_cast<double>(size()), [&](Index c) {
    for (Index row = rows.begin(c); row < rows.end(c); ++row) {
      mirror(matrix.values.data() + structure.value_start[at(structure.row_start[at(row)])],
             structure.block_size(row));
    }
  });
  matrix_filled_[slot] = true;
}

const BlockMatrix* ResidualLinearization::blocks(Model model) const {
  check(model);
  shape_matrix(model);
  matrix_asked_[slot_of(model)] = true;
  if (!matrix_filled_[slot_of(model)]) {
    need_rows();
    for_each_chunk(tasks(), 2 * entries_, [&](Index task) {
      for (const BlockChunk& chunk : chunks_of(task)) {
        const Part& part = parts_[at(chunk.family)];
        for_each_batch(part, chunk, [&](Index first, Index count) {
          scatter_matrix(model, part, part.derivatives(part.jacobian(first), first), count);
        });
      }
    });
    finish_matrix(model);
  }
  return &matrix_[slot_of(model)];
}

bool ResidualLinearization::dense(Model model, MatrixRef out) const {
  check(model);
  const Index n = size();
  expects(out.rows == n && out.cols == n, "ResidualLinearization::dense: out is not size() x size()");
  if (n > largest_dense) {
    return false;
  }
  if (scattered_) {
    blocks(model)->dense(out);
    return true;
  }
  need_rows();
  for (Index j = 0; j < n; ++j) {
    std::fill(out.column(j), out.column(j) + n, 0.0);
  }
  for (const Part& part : parts_) {
    const int slots = part.family->slots;
    for (Index first = 0; first < part.count;) {
      // Curve fits have all their blocks on the same parameters.
      const std::int32_t* parameters = part.blocks_of(first);
      Index end = first + 1;
      while (end < part.count && std::equal(parameters, parameters + slots, part.blocks_of(end))) {
        ++end;
      }
      for (int a = 0; a < slots; ++a) {
        for (int b = 0; b < slots; ++b) {
          const Index row = offset_of(part, first, a);
          const Index col = offset_of(part, first, b);
          if (row < 0 || col < row) {
            continue;
          }
          add_pairs(part, SlotPair{part.number, a, b}, model, scale_, first, end, &out(row, col), out.stride);
        }
      }
      first = end;
    }
  }
  for (Index j = 0; j < n; ++j) {
    for (Index i = 0; i < j; ++i) {
      out(j, i) = out(i, j);
    }
  }
  return true;
}

Offers ResidualLinearization::offers(Model model) const {
  return {.diagonal = true,
          .dense = size() <= largest_dense,
          .blocks = true,
          .root = model == Model::gauss_newton &&
                  static_cast<double>(rows_) * static_cast<double>(size()) <= largest_root};
}

void ResidualLinearization::shape_root() const {
  if (!root_shaped_) {
    // Entries outside the blocks stay zero from point to point.
    root_matrix_.assign(at(rows_ * size()), 0.0);
    root_right_side_.resize(at(rows_));
    root_shaped_ = true;
  }
}

const Root* ResidualLinearization::root(Model model) const {
  const Index n = size();
  if (!offers(model).root) {
    return nullptr;
  }
  check(model);
  if (root_filled_) {
    return &root_;
  }
  need_rows();
  shape_root();
  for_each_block(2.0, [&](const Part& part, Index b) {
    const Family& family = *part.family;
    const BlockWeight w = weight_of(part, b);
    const double scale = std::sqrt(w.outer);
    const Index row = row_of(part, b);
    const double* r = part.residual(b);
    for (int s = 0; s < family.slots; ++s) {
      const Index offset = offset_of(part, b, s);
      for (Index i = 0; offset >= 0 && i < part.sizes[s]; ++i) {
        const double* column = part.jacobian(b) + family.column[at(s)] + i;
        double* to = root_matrix_.data() + row + (offset + i) * rows_;
        double along = 0;
        for (int k = 0; w.shrink != 0 && k < family.residuals; ++k) {
          along += r[k] * column[k * family.columns];
        }
        for (int k = 0; k < family.residuals; ++k) {
          to[k] = scale * (column[k * family.columns] - w.shrink * along * r[k]);
        }
      }
    }
    for (int k = 0; k < family.residuals; ++k) {
      root_right_side_[at(row + k)] = scale / w.keep * r[k];
    }
  });
  root_.A = {root_matrix_.data(), rows_, n, rows_};
  root_.c = root_right_side_;
  root_filled_ = true;
  return &root_;
}

}  // namespace kappa::detail
