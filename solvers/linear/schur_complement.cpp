#include "solvers/linear/schur_complement.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/parallel.h"
#include "core/vector.h"

namespace kappa::detail {
namespace {

constexpr Index chunk_blocks = 256;  // eliminated blocks in one piece of work
constexpr Index small_size = 32;     // below it a dense factorization costs less than the bookkeeping
constexpr double worthwhile = 0.1;   // least share of the variables whose elimination pays

std::size_t at(Index i) {
  return static_cast<std::size_t>(i);
}

bool same(const BlockStructure& a, const BlockStructure& b) {
  return a.offset == b.offset && a.row_start == b.row_start && a.column == b.column &&
         a.value_start == b.value_start;
}

/// The compile-time size where it is known, otherwise the run-time one.
template <int N>
constexpr Index extent(Index n) {
  return N > 0 ? N : n;
}

/// target (c x d, leading dimension stride) -= a (c x p) b (d x p)'.
template <int C, int P>
inline void subtract_product(double* target, Index stride, const double* a, const double* b, Index rows,
                             Index cols, Index inner) {
  const Index c = extent<C>(rows);
  const Index d = extent<C>(cols);
  const Index p = extent<P>(inner);
  for (Index j = 0; j < d; ++j) {
    double* t = target + j * stride;
    if constexpr (P == 3) {
      const double b0 = b[j];
      const double b1 = b[j + d];
      const double b2 = b[j + 2 * d];
      for (Index i = 0; i < c; ++i) {
        t[i] -= (a[i] * b0 + a[i + c] * b1) + a[i + 2 * c] * b2;
      }
    } else {
      for (Index k = 0; k < p; ++k) {
        const double f = b[j + k * d];
        for (Index i = 0; i < c; ++i) {
          t[i] -= a[i + k * c] * f;
        }
      }
    }
  }
}

}  // namespace

Index SchurComplement::block_size(Index block) const {
  return structure_.block_size(block);
}

void SchurComplement::analyze(const BlockStructure& structure, Index reduced_limit) {
  if (!structure_.offset.empty() && same(structure, structure_)) {
    return;
  }
  structure_ = structure;
  choose(structure, reduced_limit);
  build(structure);
}

/// takes_: a greedy independent set, lowest degree first.
void SchurComplement::choose(const BlockStructure& structure, Index reduced_limit) {
  const Index blocks = structure.blocks();
  std::vector<Index> start(at(blocks) + 1, 0);
  const auto each_pair = [&](auto visit) {
    for (Index i = 0; i < blocks; ++i) {
      for (Index k = structure.row_start[at(i)] + 1; k < structure.row_start[at(i) + 1]; ++k) {
        visit(i, static_cast<Index>(structure.column[at(k)]));
      }
    }
  };
  each_pair([&](Index i, Index j) {
    ++start[at(i) + 1];
    ++start[at(j) + 1];
  });
  std::partial_sum(start.begin(), start.end(), start.begin());
  std::vector<Index> fill(start.begin(), start.end() - 1);
  std::vector<Index> neighbours(at(start.back()));
  each_pair([&](Index i, Index j) {
    neighbours[at(fill[at(i)]++)] = j;
    neighbours[at(fill[at(j)]++)] = i;
  });
  std::vector<Index> order(at(blocks));
  std::iota(order.begin(), order.end(), Index{0});
  std::stable_sort(order.begin(), order.end(), [&](Index a, Index b) {
    return start[at(a) + 1] - start[at(a)] < start[at(b) + 1] - start[at(b)];
  });
  takes_.assign(at(blocks), 0);
  Index eliminated_size = 0;
  for (const Index i : order) {
    const auto first = neighbours.begin() + start[at(i)];
    const auto last = neighbours.begin() + start[at(i) + 1];
    if (std::none_of(first, last, [&](Index j) { return takes_[at(j)] != 0; })) {
      takes_[at(i)] = 1;
      eliminated_size += structure.block_size(i);
    }
  }
  const Index size = structure.size();
  const bool pays = static_cast<double>(eliminated_size) >= worthwhile * static_cast<double>(size);
  if (size <= small_size || (!pays && size <= reduced_limit)) {
    std::fill(takes_.begin(), takes_.end(), 0);
  }
}

void SchurComplement::build(const BlockStructure& structure) {
  const Index blocks = structure.blocks();
  kept_.clear();
  eliminated_.clear();
  position_.resize(at(blocks));
  reduced_offset_.assign(1, 0);
  pivot_start_.assign(1, 0);
  uniform_kept_ = uniform_eliminated_ = -1;
  widest_ = 0;
  for (Index i = 0; i < blocks; ++i) {
    const Index size = structure.block_size(i);
    std::vector<Index>& list = takes_[at(i)] ? eliminated_ : kept_;
    int& uniform = takes_[at(i)] ? uniform_eliminated_ : uniform_kept_;
    position_[at(i)] = static_cast<Index>(list.size());
    list.push_back(i);
    uniform = uniform == -1 || uniform == size ? static_cast<int>(size) : 0;
    widest_ = std::max(widest_, size);
    if (takes_[at(i)]) {
      pivot_start_.push_back(pivot_start_.back() + size * size);
    } else {
      reduced_offset_.push_back(reduced_offset_.back() + size);
    }
  }
  reduced_size_ = reduced_offset_.back();

  // Rows are visited in ascending order, so each list comes out ascending: an eliminated block meets first
  // the kept blocks before it (as a column), then those behind it (in its own row).
  std::vector<Index> couplings(eliminated_.size() + 1, 0);
  neighbour_start_.assign(kept_.size() + 1, 0);
  pair_start_.assign(kept_.size() + 1, 0);
  const auto each_pair = [&](auto visit) {
    for (Index i = 0; i < blocks; ++i) {
      for (Index k = structure.row_start[at(i)] + 1; k < structure.row_start[at(i) + 1]; ++k) {
        visit(i, static_cast<Index>(structure.column[at(k)]), structure.value_start[at(k)]);
      }
    }
  };
  each_pair([&](Index i, Index j, Index) {
    if (!takes_[at(i)] && !takes_[at(j)]) {
      ++pair_start_[at(position_[at(i)]) + 1];
      return;
    }
    const Index e = takes_[at(i)] ? i : j;
    const Index kept = takes_[at(i)] ? j : i;
    ++couplings[at(position_[at(e)]) + 1];
    ++neighbour_start_[at(position_[at(kept)]) + 1];
  });
  std::partial_sum(couplings.begin(), couplings.end(), couplings.begin());
  std::partial_sum(neighbour_start_.begin(), neighbour_start_.end(), neighbour_start_.begin());
  std::partial_sum(pair_start_.begin(), pair_start_.end(), pair_start_.begin());
  coupling_start_ = couplings;
  couplings_.resize(at(couplings.back()));
  pairs_.resize(at(pair_start_.back()));
  std::vector<Index> pair_fill(pair_start_.begin(), pair_start_.end());
  each_pair([&](Index i, Index j, Index values) {
    if (!takes_[at(i)] && !takes_[at(j)]) {
      pairs_[at(pair_fill[at(position_[at(i)])]++)] = {position_[at(j)], values};
      return;
    }
    const Index e = position_[at(takes_[at(i)] ? i : j)];
    const Index kept = position_[at(takes_[at(i)] ? j : i)];
    couplings_[at(couplings[at(e)]++)] = {kept, values, 0, takes_[at(i)] != 0};
  });

  neighbours_.resize(couplings_.size());
  std::vector<Index> neighbour_fill(neighbour_start_.begin(), neighbour_start_.end());
  Index z = 0;
  row_work_ = eliminate_work_ = 0;
  for (Index e = 0; e < eliminated_blocks(); ++e) {
    const Index p = block_size(eliminated_[at(e)]);
    double width = 0;
    for (Index k = coupling_start_[at(e)]; k < coupling_start_[at(e) + 1]; ++k) {
      Coupling& coupling = couplings_[at(k)];
      const Index c = block_size(kept_[at(coupling.kept)]);
      coupling.z = z;
      z += c * p;
      width += static_cast<double>(c);
      neighbours_[at(neighbour_fill[at(coupling.kept)]++)] = {e, k};
    }
    row_work_ += 0.5 * width * width * static_cast<double>(p);
    eliminate_work_ += (width + static_cast<double>(p)) * static_cast<double>(p * p);
  }
  const Index chunks = Partition{eliminated_blocks(), chunk_blocks}.chunks();
  pivots_.resize(at(pivot_start_.back()));
  z_.resize(at(z));
  diagonal_.resize(at(reduced_size_));
  reduced_.resize(at(reduced_size_));
  chunk_squares_.resize(at(chunks));
  chunk_failures_.resize(at(chunks));
}

/// L_e and Z_ie of the eliminated blocks [begin, end). Returns -1 or the variable whose pivot failed.
template <int C, int P>
Index SchurComplement::eliminate(const BlockMatrix& B, double lambda, ConstVectorRef weights, Index begin,
                                 Index end) {
  for (Index e = begin; e < end; ++e) {
    const Index block = eliminated_[at(e)];
    const Index p = extent<P>(block_size(block));
    const Index offset = structure_.offset[at(block)];
    const double* v = B.values.data() + structure_.value_start[at(structure_.row_start[at(block)])];
    double* L = pivots_.data() + pivot_start_[at(e)];
    for (Index j = 0; j < p; ++j) {
      for (Index i = j; i < p; ++i) {
        double sum = v[i + j * p] + (i == j ? lambda * weights[at(offset + i)] : 0.0);
        const double before = sum;
        for (Index k = 0; k < j; ++k) {
          sum -= L[i + k * p] * L[j + k * p];
        }
        if (i > j) {
          L[i + j * p] = sum * L[j + j * p];
          continue;
        }
        if (!(sum > static_cast<double>(p) * epsilon * std::abs(before)) || sum == infinity) {
          return offset + i;
        }
        L[j + j * p] = 1 / std::sqrt(sum);
      }
    }
    for (Index k = coupling_start_[at(e)]; k < coupling_start_[at(e) + 1]; ++k) {
      const Coupling& coupling = couplings_[at(k)];
      const Index c = extent<C>(block_size(kept_[at(coupling.kept)]));
      const double* w = B.values.data() + coupling.values;
      double* z = z_.data() + coupling.z;
      for (Index j = 0; j < p; ++j) {
        double* column = z + j * c;
        for (Index i = 0; i < c; ++i) {
          column[i] = coupling.transposed ? w[j + i * p] : w[i + j * c];
        }
        for (Index l = 0; l < j; ++l) {
          const double f = L[j + l * p];
          for (Index i = 0; i < c; ++i) {
            column[i] -= z[i + l * c] * f;
          }
        }
        const double inverse = L[j + j * p];
        for (Index i = 0; i < c; ++i) {
          column[i] *= inverse;
        }
      }
    }
  }
  return -1;
}

Index SchurComplement::factor_eliminated(const BlockMatrix& B, double lambda, ConstVectorRef weights) {
  const Partition partition{eliminated_blocks(), chunk_blocks};
  const auto run = [&](auto step) {
    for_each_chunk(partition.chunks(), eliminate_work_, [&](Index chunk) {
      chunk_failures_[at(chunk)] = step(partition.begin(chunk), partition.end(chunk));
    });
  };
  const auto with = [&]<int C, int P>() {
    run([&](Index begin, Index end) { return eliminate<C, P>(B, lambda, weights, begin, end); });
  };
  if (uniform_kept_ == 9 && uniform_eliminated_ == 3) {
    with.template operator()<9, 3>();
  } else if (uniform_kept_ == 6 && uniform_eliminated_ == 3) {
    with.template operator()<6, 3>();
  } else if (uniform_kept_ == 3 && uniform_eliminated_ == 3) {
    with.template operator()<3, 3>();
  } else {
    with.template operator()<0, 0>();
  }
  for (const Index failure : chunk_failures_) {
    if (failure >= 0) {
      return failure;
    }
  }
  return -1;
}

/// Block column i of the lower triangle of B + lambda W among the kept blocks.
void SchurComplement::fill_row(const BlockMatrix& B, double lambda, ConstVectorRef weights, MatrixRef S,
                               Index i) {
  const Index block = kept_[at(i)];
  const Index c = block_size(block);
  const Index to = reduced_offset_[at(i)];
  const Index from = structure_.offset[at(block)];
  for (Index j = 0; j < c; ++j) {
    std::fill(S.column(to + j) + to, S.column(to + j) + reduced_size_, 0.0);
  }
  const double* d = B.values.data() + structure_.value_start[at(structure_.row_start[at(block)])];
  for (Index j = 0; j < c; ++j) {
    for (Index r = j; r < c; ++r) {
      S(to + r, to + j) = d[r + j * c];
    }
    S(to + j, to + j) += lambda * weights[at(from + j)];
    diagonal_[at(to + j)] = S(to + j, to + j);
  }
  for (Index k = pair_start_[at(i)]; k < pair_start_[at(i) + 1]; ++k) {
    const KeptPair& pair = pairs_[at(k)];
    const Index rows = reduced_offset_[at(pair.other)];
    const Index width = reduced_offset_[at(pair.other) + 1] - rows;
    const double* values = B.values.data() + pair.values;
    for (Index j = 0; j < c; ++j) {
      for (Index r = 0; r < width; ++r) {
        S(rows + r, to + j) = values[j + r * c];
      }
    }
  }
}

/// S_ji -= sum_e Z_je Z_ie' for j >= i, the eliminated neighbours e of i in ascending order.
template <int C, int P>
void SchurComplement::reduce_row(MatrixRef S, Index i) const {
  const Index to = reduced_offset_[at(i)];
  const Index cols = reduced_offset_[at(i) + 1] - to;
  double* panel = S.column(to);
  for (Index n = neighbour_start_[at(i)]; n < neighbour_start_[at(i) + 1]; ++n) {
    const Neighbour& neighbour = neighbours_[at(n)];
    const Index p = extent<P>(block_size(eliminated_[at(neighbour.eliminated)]));
    const double* zi = z_.data() + couplings_[at(neighbour.coupling)].z;
    for (Index k = neighbour.coupling; k < coupling_start_[at(neighbour.eliminated) + 1]; ++k) {
      const Coupling& other = couplings_[at(k)];
      const Index row = reduced_offset_[at(other.kept)];
      const Index rows = C > 0 ? C : reduced_offset_[at(other.kept) + 1] - row;
      subtract_product<C, P>(panel + row, S.stride, z_.data() + other.z, zi, rows, cols, p);
    }
  }
}

Index SchurComplement::factor(const BlockMatrix& B, double lambda, ConstVectorRef weights) {
  failed_is_finite_ = true;
  const Index failure = factor_eliminated(B, lambda, weights);
  if (failure >= 0) {
    // Whether the pivot was negative or not a number shows in the entries it came from.
    const auto block = std::upper_bound(structure_.offset.begin(), structure_.offset.end(), failure) - 1;
    const Index i = block - structure_.offset.begin();
    const Index first = structure_.value_start[at(structure_.row_start[at(i)])];
    failed_is_finite_ = std::isfinite(largest(B.values.data() + first, block_size(i) * block_size(i))) &&
                        std::isfinite(lambda * largest(weights));
    return failure;
  }
  const MatrixRef S = cholesky_.matrix(reduced_size_);
  const auto rows = [&]<int C, int P>() {
    for_each_chunk(kept_blocks(), row_work_, [&](Index i) {
      fill_row(B, lambda, weights, S, i);
      reduce_row<C, P>(S, i);
    });
  };
  if (uniform_kept_ == 9 && uniform_eliminated_ == 3) {
    rows.template operator()<9, 3>();
  } else if (uniform_kept_ == 6 && uniform_eliminated_ == 3) {
    rows.template operator()<6, 3>();
  } else if (uniform_kept_ == 3 && uniform_eliminated_ == 3) {
    rows.template operator()<3, 3>();
  } else {
    rows.template operator()<0, 0>();
  }
  const Index pivot = cholesky_.factor(static_cast<double>(reduced_size_) * epsilon, diagonal_);
  if (pivot < 0) {
    return -1;
  }
  failed_is_finite_ = std::isfinite(cholesky_.pivot());
  const auto next = std::upper_bound(reduced_offset_.begin(), reduced_offset_.end(), pivot);
  const Index i = (next - reduced_offset_.begin()) - 1;
  return structure_.offset[at(kept_[at(i)])] + pivot - reduced_offset_[at(i)];
}

double SchurComplement::solve(VectorRef x) {
  const Partition partition{eliminated_blocks(), chunk_blocks};
  const double work = static_cast<double>(z_.size() + pivots_.size());
  // Forward through the eliminated blocks: x_e := L_e^-1 x_e.
  for_each_chunk(partition.chunks(), static_cast<double>(pivots_.size()), [&](Index chunk) {
    double square = 0;
    for (Index e = partition.begin(chunk); e < partition.end(chunk); ++e) {
      const Index block = eliminated_[at(e)];
      const Index p = block_size(block);
      const double* L = pivots_.data() + pivot_start_[at(e)];
      double* y = x.data() + structure_.offset[at(block)];
      for (Index j = 0; j < p; ++j) {
        double sum = y[j];
        for (Index k = 0; k < j; ++k) {
          sum -= L[j + k * p] * y[k];
        }
        y[j] = sum * L[j + j * p];
        square += y[j] * y[j];
      }
    }
    chunk_squares_[at(chunk)] = square;
  });
  double square = std::accumulate(chunk_squares_.begin(), chunk_squares_.end(), 0.0);
  // The reduced right-hand side, a block row for each owner.
  for_each_chunk(kept_blocks(), work, [&](Index i) {
    const Index to = reduced_offset_[at(i)];
    const Index c = reduced_offset_[at(i) + 1] - to;
    double* y = reduced_.data() + to;
    std::copy_n(x.data() + structure_.offset[at(kept_[at(i)])], c, y);
    for (Index n = neighbour_start_[at(i)]; n < neighbour_start_[at(i) + 1]; ++n) {
      const Neighbour& neighbour = neighbours_[at(n)];
      const Index block = eliminated_[at(neighbour.eliminated)];
      const double* z = z_.data() + couplings_[at(neighbour.coupling)].z;
      const double* ye = x.data() + structure_.offset[at(block)];
      for (Index k = 0; k < block_size(block); ++k) {
        add_scaled(-ye[k], z + k * c, y, c);
      }
    }
  });
  cholesky_.solve_lower(reduced_);
  square += dot(reduced_, reduced_);
  cholesky_.solve_upper(reduced_);
  for (Index i = 0; i < kept_blocks(); ++i) {
    std::copy(reduced_.begin() + reduced_offset_[at(i)], reduced_.begin() + reduced_offset_[at(i) + 1],
              x.begin() + structure_.offset[at(kept_[at(i)])]);
  }
  // Backward: x_e := L_e^-T (x_e - sum_i Z_ie' x_i).
  for_each_chunk(partition.chunks(), work, [&](Index chunk) {
    for (Index e = partition.begin(chunk); e < partition.end(chunk); ++e) {
      const Index block = eliminated_[at(e)];
      const Index p = block_size(block);
      double* y = x.data() + structure_.offset[at(block)];
      for (Index n = coupling_start_[at(e)]; n < coupling_start_[at(e) + 1]; ++n) {
        const Coupling& coupling = couplings_[at(n)];
        const double* xi = reduced_.data() + reduced_offset_[at(coupling.kept)];
        const Index c = reduced_offset_[at(coupling.kept) + 1] - reduced_offset_[at(coupling.kept)];
        for (Index k = 0; k < p; ++k) {
          double sum = 0;
          for (Index r = 0; r < c; ++r) {
            sum += z_[at(coupling.z + r + k * c)] * xi[r];
          }
          y[k] -= sum;
        }
      }
      const double* L = pivots_.data() + pivot_start_[at(e)];
      for (Index j = p - 1; j >= 0; --j) {
        double sum = y[j];
        for (Index k = j + 1; k < p; ++k) {
          sum -= L[k + j * p] * y[k];
        }
        y[j] = sum * L[j + j * p];
      }
    }
  });
  return square;
}

}  // namespace kappa::detail
