#include "solvers/linear/block_cholesky.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/vector.h"

namespace kappa::detail {
namespace {

std::size_t at(Index i) {
  return static_cast<std::size_t>(i);
}

bool same(const BlockStructure& a, const BlockStructure& b) {
  return a.offset == b.offset && a.row_start == b.row_start && a.column == b.column &&
         a.value_start == b.value_start;
}

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
  plan_ = plan_elimination(graph, minimum_degree(graph));
  const Index n = graph.vertices();
  figures_ = {};
  figures_.blocks = n;
  figures_.size = structure.size();
  figures_.doubles = plan_.doubles;
  figures_.flops = plan_.flops;
  figures_.cost = plan_.cost;
  figures_.supernodes = plan_.supernodes();
  figures_.ordering = "minimum degree";
  offset_.assign(1, 0);
  permutation_.clear();
  std::vector<Index> place(at(n));
  for (Index k = 0; k < n; ++k) {
    const Index block = plan_.order[at(k)];
    place[at(block)] = k;
    for (Index i = structure.offset[at(block)]; i < structure.offset[at(block) + 1]; ++i) {
      permutation_.push_back(i);
    }
    offset_.push_back(static_cast<Index>(permutation_.size()));
  }
  panel_start_.assign(1, 0);
  update_start_.assign(1, 0);
  row_start_.assign(1, 0);
  row_.clear();
  std::vector<Index> supernode(at(n));
  child_start_.assign(at(plan_.supernodes()) + 1, 0);
  for (Index s = 0; s < plan_.supernodes(); ++s) {
    const Index w = plan_.width[at(s)];
    const Index h = plan_.height[at(s)];
    figures_.largest_front = std::max(figures_.largest_front, w + h);
    panel_start_.push_back(panel_start_.back() + w * (w + h));
    update_start_.push_back(update_start_.back() + h * h);
    for (Index k = plan_.first[at(s)]; k < plan_.first[at(s) + 1]; ++k) {
      supernode[at(k)] = s;
    }
    for (Index r = plan_.row_start[at(s)]; r < plan_.row_start[at(s) + 1]; ++r) {
      const Index k = plan_.row[at(r)];
      for (Index i = offset_[at(k)]; i < offset_[at(k) + 1]; ++i) {
        row_.push_back(i);
      }
    }
    row_start_.push_back(static_cast<Index>(row_.size()));
    if (plan_.parent[at(s)] >= 0) {
      ++child_start_[at(plan_.parent[at(s)]) + 1];
    }
  }
  std::partial_sum(child_start_.begin(), child_start_.end(), child_start_.begin());
  child_.resize(at(child_start_.back()));
  std::vector<Index> fill(child_start_.begin(), child_start_.end());
  for (Index s = 0; s < plan_.supernodes(); ++s) {
    if (plan_.parent[at(s)] >= 0) {
      child_[at(fill[at(plan_.parent[at(s)])]++)] = s;
    }
  }
  l_.resize(at(panel_start_.back()));
  updates_.resize(at(update_start_.back()));
  diagonal_.resize(permutation_.size());
  x_.resize(permutation_.size());
  local_.resize(permutation_.size());

  std::vector<std::vector<Assembly>> by_front(at(plan_.supernodes()));
  for (Index i = 0; i < n; ++i) {
    for (Index k = structure.row_start[at(i)]; k < structure.row_start[at(i) + 1]; ++k) {
      const Index j = structure.column[at(k)];
      const Index low = std::min(place[at(i)], place[at(j)]);
      const Index high = std::max(place[at(i)], place[at(j)]);
      const Index s = supernode[at(low)];
      const Index own = offset_[at(plan_.first[at(s)])];
      const Index column = offset_[at(low)] - own;
      Index row = offset_[at(high)] - own;
      if (high >= plan_.first[at(s) + 1]) {
        const auto first = row_.begin() + row_start_[at(s)];
        const auto last = row_.begin() + row_start_[at(s) + 1];
        row = plan_.width[at(s)] + (std::lower_bound(first, last, offset_[at(high)]) - first);
      }
      const Index stride = plan_.width[at(s)] + plan_.height[at(s)];
      by_front[at(s)].push_back({structure.value_start[at(k)], row + column * stride,
                                 static_cast<std::int32_t>(offset_[at(high) + 1] - offset_[at(high)]),
                                 static_cast<std::int32_t>(offset_[at(low) + 1] - offset_[at(low)]),
                                 place[at(i)] < place[at(j)]});
    }
  }
  assembly_start_.assign(1, 0);
  assembly_.clear();
  for (const auto& list : by_front) {
    assembly_.insert(assembly_.end(), list.begin(), list.end());
    assembly_start_.push_back(static_cast<Index>(assembly_.size()));
  }
}

Index BlockCholesky::factor_front(const BlockMatrix& B, double lambda, ConstVectorRef weights, Index s) {
  const Index w = plan_.width[at(s)];
  const Index h = plan_.height[at(s)];
  const Index m = w + h;
  const Index own = offset_[at(plan_.first[at(s)])];
  double* panel = l_.data() + panel_start_[at(s)];
  double* update = updates_.data() + update_start_[at(s)];
  std::fill(panel, panel + m * w, 0.0);
  std::fill(update, update + h * h, 0.0);
  for (Index a = assembly_start_[at(s)]; a < assembly_start_[at(s) + 1]; ++a) {
    const Assembly& block = assembly_[at(a)];
    const double* from = B.values.data() + block.values;
    for (Index c = 0; c < block.columns; ++c) {
      for (Index r = 0; r < block.rows; ++r) {
        panel[block.position + r + c * m] =
            block.transposed ? from[c + r * block.columns] : from[r + c * block.rows];
      }
    }
  }
  for (Index c = 0; c < w; ++c) {
    if (!weights.empty()) {
      panel[c + c * m] += lambda * weights[at(permutation_[at(own + c)])];
    }
    diagonal_[at(own + c)] = panel[c + c * m];
    local_[at(own + c)] = c;
  }
  for (Index r = 0; r < h; ++r) {
    local_[at(row_[at(row_start_[at(s)] + r)])] = w + r;
  }
  for (Index k = child_start_[at(s)]; k < child_start_[at(s) + 1]; ++k) {
    const Index c = child_[at(k)];
    const Index* rows = row_.data() + row_start_[at(c)];
    const Index hc = plan_.height[at(c)];
    const double* from = updates_.data() + update_start_[at(c)];
    for (Index j = 0; j < hc; ++j) {
      const Index to = local_[at(rows[j])];
      double* column = to < w ? panel + to * m : update + (to - w) * h - w;
      for (Index i = j; i < hc; ++i) {
        column[local_[at(rows[i])]] += from[i + j * hc];
      }
    }
  }
  for (Index j = 0; j < w; ++j) {
    for (Index k = 0; k < j; ++k) {
      add_scaled(-panel[j + k * m], panel + j + k * m, panel + j + j * m, m - j);
    }
    const double pivot = panel[j + j * m];
    if (!(pivot > static_cast<double>(figures_.size) * epsilon * std::abs(diagonal_[at(own + j)])) ||
        pivot == infinity) {
      failed_is_finite_ = std::isfinite(pivot);
      return permutation_[at(own + j)];
    }
    const double inverse = 1 / std::sqrt(pivot);
    for (Index i = j; i < m; ++i) {
      panel[i + j * m] *= inverse;
    }
  }
  for (Index j = 0; j < h; ++j) {
    for (Index k = 0; k < w; ++k) {
      add_scaled(-panel[w + j + k * m], panel + w + j + k * m, update + j + j * h, h - j);
    }
  }
  return -1;
}

Index BlockCholesky::factor(const BlockMatrix& B, double lambda, ConstVectorRef weights) {
  failed_is_finite_ = true;
  for (Index s = 0; s < plan_.supernodes(); ++s) {
    const Index failed = factor_front(B, lambda, weights, s);
    if (failed >= 0) {
      return failed;
    }
  }
  return -1;
}

double BlockCholesky::solve(VectorRef x) {
  for (std::size_t i = 0; i < x_.size(); ++i) {
    x_[i] = x[at(permutation_[i])];
  }
  for (Index s = 0; s < plan_.supernodes(); ++s) {
    const Index w = plan_.width[at(s)];
    const Index h = plan_.height[at(s)];
    const double* panel = l_.data() + panel_start_[at(s)];
    double* own = x_.data() + offset_[at(plan_.first[at(s)])];
    for (Index j = 0; j < w; ++j) {
      const double* column = panel + j * (w + h);
      own[j] /= column[j];
      add_scaled(-own[j], column + j + 1, own + j + 1, w - j - 1);
      for (Index r = 0; r < h; ++r) {
        x_[at(row_[at(row_start_[at(s)] + r)])] -= own[j] * column[w + r];
      }
    }
  }
  const double square = dot(x_, x_);
  for (Index s = plan_.supernodes() - 1; s >= 0; --s) {
    const Index w = plan_.width[at(s)];
    const Index h = plan_.height[at(s)];
    const double* panel = l_.data() + panel_start_[at(s)];
    double* own = x_.data() + offset_[at(plan_.first[at(s)])];
    for (Index j = w - 1; j >= 0; --j) {
      const double* column = panel + j * (w + h);
      double sum = dot(column + j + 1, own + j + 1, w - j - 1);
      for (Index r = 0; r < h; ++r) {
        sum += x_[at(row_[at(row_start_[at(s)] + r)])] * column[w + r];
      }
      own[j] = (own[j] - sum) / column[j];
    }
  }
  for (std::size_t i = 0; i < x_.size(); ++i) {
    x[at(permutation_[i])] = x_[i];
  }
  return square;
}

}  // namespace kappa::detail
