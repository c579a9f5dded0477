// The matrices of a ResidualLinearization: block-sparse, dense, and the root. Each is assembled when first
// asked for at a point, into memory that is kept.
//
// Cost: R n_i n_j multiply-adds for each residual block and pair of its variable slots. The pattern is found
// once for a structure by two counting sorts of the pairs.
#include <algorithm>
#include <cmath>

#include "core/scratch.h"
#include "problems/residual/residual_kernels.h"
#include "problems/residual/residual_linearization.h"

namespace kappa::detail {
namespace {

constexpr Index largest_dense = 4000;
constexpr double largest_root = 8e6;

std::size_t slot_of(Model model) {
  return model == Model::exact ? 0 : 1;
}

/// Two variable blocks that share a residual block; row < col.
struct Coupling {
  std::int32_t row;
  std::int32_t col;
  Contribution contribution;
};

/// Sorts by key(coupling) in [0, keys), keeping the order of equals.
template <class Key>
void counting_sort(std::span<const Coupling> from, std::span<Coupling> to, std::span<Index> start,
                   const Key& key) {
  std::fill(start.begin(), start.end(), 0);
  for (const Coupling& c : from) {
    ++start[at(key(c))];
  }
  Index total = 0;
  for (Index& s : start) {
    total += std::exchange(s, total);
  }
  for (const Coupling& c : from) {
    to[at(start[at(key(c))]++)] = c;
  }
}

}  // namespace

void ResidualLinearization::list_by_matrix_block(BlockStructure& structure) const {
  list_by_variable();
  const auto for_each_coupling = [&](const auto& visit) {
    for (const Part& part : parts_) {
      const int slots = part.family->slots;
      for (Index b = 0; b < part.count; ++b) {
        for (int s = 0; s < slots; ++s) {
          const std::int32_t i = layout_->variable[at(part.blocks_of(b)[s])];
          for (int t = s + 1; t < slots && i >= 0; ++t) {
            const std::int32_t j = layout_->variable[at(part.blocks_of(b)[t])];
            if (j >= 0) {
              const std::int32_t kind = part.kind + (i < j ? s * slots + t : t * slots + s);
              visit(Coupling{std::min(i, j), std::max(i, j), {kind, static_cast<std::int32_t>(b)}});
            }
          }
        }
      }
    }
  };
  Index count = 0;
  for_each_coupling([&](const Coupling&) { ++count; });
  Scratch<Coupling> couplings(count);
  Scratch<Coupling> by_column(count);
  const auto variables = static_cast<Index>(layout_->parameter.size());
  Scratch<Index> start(variables);
  Index filled = 0;
  for_each_coupling([&](const Coupling& c) { couplings[filled++] = c; });
  counting_sort(couplings.span(), by_column.span(), start.span(), [](const Coupling& c) { return c.col; });
  counting_sort(by_column.span(), couplings.span(), start.span(), [](const Coupling& c) { return c.row; });

  structure.offset.assign(layout_->variable_offset.begin(), layout_->variable_offset.end());
  structure.row_start.clear();
  structure.column.clear();
  structure.value_start.clear();
  OwnedSums& sums = matrix_sums_;
  sums.start.clear();
  sums.list.clear();
  Index next = 0;
  Index values = 0;
  const auto begin_block = [&](Index row, Index col) {
    structure.column.push_back(static_cast<std::int32_t>(col));
    structure.value_start.push_back(values);
    values += structure.block_size(row) * structure.block_size(col);
    sums.start.push_back(static_cast<Index>(sums.list.size()));
  };
  for (Index row = 0; row < variables; ++row) {
    structure.row_start.push_back(static_cast<Index>(structure.column.size()));
    begin_block(row, row);
    const auto diagonal = variable_sums_.list.begin();
    sums.list.insert(sums.list.end(), diagonal + variable_sums_.start[at(row)],
                     diagonal + variable_sums_.start[at(row) + 1]);
    for (Index previous = row; next < count && couplings[next].row == row; ++next) {
      if (couplings[next].col != previous) {
        previous = couplings[next].col;
        begin_block(row, previous);
      }
      sums.list.push_back(couplings[next].contribution);
    }
  }
  structure.row_start.push_back(static_cast<Index>(structure.column.size()));
  structure.value_start.push_back(values);
  sums.start.push_back(static_cast<Index>(sums.list.size()));
  sums.cut([&](Index k) { return structure.value_start[at(k) + 1] - structure.value_start[at(k)]; },
           [&](std::int32_t k) {
             const SlotPair& kind = kinds_[at(k)];
             const Part& part = parts_[at(kind.part)];
             return 8.0 + (1.0 + part.family->residuals) * part.sizes[kind.a] * part.sizes[kind.b];
           });
  matrix_listed_ = true;
}

const BlockMatrix* ResidualLinearization::blocks(Model model) const {
  check(model);
  const std::size_t slot = slot_of(model);
  BlockMatrix& matrix = matrix_[slot];
  if (!matrix_shaped_[slot]) {
    if (matrix_listed_ && matrix_shaped_[1 - slot]) {
      matrix.structure = matrix_[1 - slot].structure;
    } else {
      list_by_matrix_block(matrix.structure);
    }
    matrix.values.resize(at(matrix.structure.values()));
    matrix_shaped_[slot] = true;
  }
  if (!matrix_filled_[slot]) {
    matrix_sums_.compute(matrix.structure.value_start, matrix.values.data(),
                         [&](Index, std::span<const Contribution> list, double* to) {
                           for (std::size_t begin = 0; begin < list.size();) {
                             const std::int32_t kind = list[begin].kind;
                             std::size_t end = begin + 1;
                             while (end < list.size() && list[end].kind == kind) {
                               ++end;
                             }
                             const SlotPair& pair = kinds_[at(kind)];
                             const Part& part = parts_[at(pair.part)];
                             const Contribution* run = list.data() + begin;
                             add_pairs(
                                 part, pair, model, scale_, static_cast<Index>(end - begin),
                                 [&](Index i) {
                                   fetch_ahead(list, begin + at(i));
                                   return static_cast<Index>(run[i].block);
                                 },
                                 to, part.sizes[pair.a]);
                             begin = end;
                           }
                         });
    matrix_filled_[slot] = true;
  }
  return &matrix;
}

bool ResidualLinearization::dense(Model model, MatrixRef out) const {
  check(model);
  const Index n = size();
  expects(out.rows == n && out.cols == n, "ResidualLinearization::dense: out is not size() x size()");
  if (n > largest_dense) {
    return false;
  }
  if (by_owner_) {
    blocks(model)->dense(out);
    return true;
  }
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
          add_pairs(
              part, SlotPair{part.number, a, b}, model, scale_, end - first,
              [first](Index i) { return first + i; }, &out(row, col), out.stride);
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

const Root* ResidualLinearization::root(Model model) const {
  const Index n = size();
  if (!offers(model).root) {
    return nullptr;
  }
  check(model);
  if (root_filled_) {
    return &root_;
  }
  if (!root_shaped_) {
    // Entries outside the blocks stay zero from point to point.
    root_matrix_.assign(at(rows_ * n), 0.0);
    root_right_side_.resize(at(rows_));
    root_shaped_ = true;
  }
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
