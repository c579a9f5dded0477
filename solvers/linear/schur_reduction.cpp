#include "solvers/linear/schur_reduction.h"

#include <algorithm>
#include <atomic>
#include <bit>
#include <numeric>

#include "core/parallel.h"
#include "core/scratch.h"

namespace kappa::detail {
namespace {

constexpr Index most_groups = 16;
constexpr Index private_couplings = 2048;  // in a batch of a group: 512 KB of Z for bundle adjustment
constexpr Index shared_couplings = 65536;  // in a batch with owners: what 16 bits can number
constexpr Index most_local = 2048;         // kept blocks that a batch may touch
constexpr Index eliminate_blocks = 256;    // in one piece of work
constexpr double piece_pairs = 2048;       // in one piece of work
// What adding up one private block costs, in pairs of couplings, and the share of the work that may cost.
constexpr double merge_pairs = 6;
constexpr double merge_share = 0.3;

std::size_t at(Index i) {
  return static_cast<std::size_t>(i);
}

constexpr Index line = 8;  // doubles

/// The first entry of a buffer that begins a cache line; less than a line is lost.
template <class T>
T* aligned(T* p) {
  constexpr std::uintptr_t bytes = line * sizeof(double);
  const auto misfit = reinterpret_cast<std::uintptr_t>(p) % bytes;
  return misfit == 0 ? p : p + (bytes - misfit) / sizeof(T);
}

}  // namespace

// ---- Analysis --------------------------------------------------------------------------------------------

void SchurReduction::analyze(const SchurStructure& structure) {
  s_ = &structure;
  kernels_ = &schur_kernels(structure.uniform_kept, structure.uniform_eliminated);
  planned_ = false;
  const auto c = static_cast<double>(structure.widest_kept);
  const auto p = static_cast<double>(structure.widest_eliminated);
  work_ = structure.pairs * c * c * p + static_cast<double>(structure.couplings()) * 3 * c * p * p;
  z_offset_.clear();
  if (kernels_->z_stride == 0) {
    z_offset_.push_back(0);
    for (Index e = 0; e < structure.eliminated_blocks(); ++e) {
      for (Index k = structure.coupling_start[at(e)]; k < structure.coupling_start[at(e) + 1]; ++k) {
        z_offset_.push_back(z_offset_.back() + any_z_size(structure.kept_size(structure.coupling_kept[at(k)]),
                                                          structure.eliminated_size(e)));
      }
    }
  }
  share_out();
  find_pattern();
}

/// group_start_: about the same work for each.
void SchurReduction::share_out() {
  const Index blocks = s_->eliminated_blocks();
  const auto work_of = [&](Index e) {
    const auto degree = static_cast<double>(s_->coupling_start[at(e) + 1] - s_->coupling_start[at(e)]);
    return 4 + 2 * degree + 0.5 * degree * (degree + 1);
  };
  const double total =
      4.0 * static_cast<double>(blocks) + 2.0 * static_cast<double>(s_->couplings()) + s_->pairs;
  const Index groups = work_ < parallel_threshold ? 1 : most_groups;
  group_start_.assign(1, 0);
  double sum = 0;
  for (Index e = 0; e < blocks; ++e) {
    sum += work_of(e);
    if (sum * static_cast<double>(groups) >= total * static_cast<double>(group_start_.size()) &&
        e + 1 < blocks) {
      group_start_.push_back(e + 1);
    }
  }
  group_start_.push_back(blocks);
}

/// Rows of bits: each group marks what it adds to, then all are put together.
void SchurReduction::find_pattern() {
  const Index kept = s_->kept_blocks();
  const Index words = (kept + 63) / 64;
  const auto groups = static_cast<Index>(group_start_.size()) - 1;
  std::vector<std::uint64_t> all(at(kept * words), 0);
  std::vector<double> touched(at(groups), 0.0);
  for_each_chunk(groups, s_->pairs * 4, [&](Index g) {
    Scratch<std::uint64_t> bits(kept * words);
    Scratch<std::uint64_t> mask(words);
    std::fill_n(bits.data(), kept * words, std::uint64_t{0});
    std::fill_n(mask.data(), words, std::uint64_t{0});
    for (Index e = group_start_[at(g)]; e < group_start_[at(g) + 1]; ++e) {
      const std::int32_t* cams = s_->coupling_kept.data() + s_->coupling_start[at(e)];
      const Index degree = s_->coupling_start[at(e) + 1] - s_->coupling_start[at(e)];
      for (Index a = 0; a < degree; ++a) {
        mask[cams[a] / 64] |= std::uint64_t{1} << (cams[a] % 64);
      }
      for (Index a = 0; a < degree; ++a) {
        std::uint64_t* row = bits.data() + cams[a] * words;
        if (degree - a < words) {
          for (Index b = a; b < degree; ++b) {
            row[cams[b] / 64] |= std::uint64_t{1} << (cams[b] % 64);
          }
        } else {
          for (Index w = cams[a] / 64; w < words; ++w) {
            row[w] |= mask[w];
          }
        }
      }
      for (Index a = 0; a < degree; ++a) {
        mask[cams[a] / 64] = 0;
      }
    }
    for (Index i = 0; i < kept; ++i) {
      std::uint64_t* row = bits.data() + i * words;
      row[i / 64] &= ~std::uint64_t{0} << (i % 64);
      for (Index w = i / 64; w < words; ++w) {
        if (row[w] != 0) {
          touched[at(g)] += std::popcount(row[w]);
          std::atomic_ref(all[at(i * words + w)]).fetch_or(row[w], std::memory_order_relaxed);
        }
      }
    }
  });
  touched_ = std::accumulate(touched.begin(), touched.end(), 0.0);
  pattern_.row_start.assign(1, 0);
  pattern_.column.clear();
  for (Index i = 0; i < kept; ++i) {
    std::uint64_t* row = all.data() + i * words;
    row[i / 64] |= std::uint64_t{1} << (i % 64);
    for (Index k = s_->pair_start[at(i)]; k < s_->pair_start[at(i) + 1]; ++k) {
      row[s_->pair_other[at(k)] / 64] |= std::uint64_t{1} << (s_->pair_other[at(k)] % 64);
    }
    for (Index w = i / 64; w < words; ++w) {
      for (std::uint64_t rest = row[w]; rest != 0; rest &= rest - 1) {
        pattern_.column.push_back(static_cast<std::int32_t>(64 * w + std::countr_zero(rest)));
      }
    }
    pattern_.row_start.push_back(pattern_.blocks());
  }
}

// ---- Lists -----------------------------------------------------------------------------------------------

void SchurReduction::plan(Form form, Index stride) {
  if (planned_ && form == form_ && stride == stride_) {
    return;
  }
  planned_ = true;
  form_ = form;
  stride_ = stride;
  const double added = form == Form::diagonal ? static_cast<double>(s_->couplings()) : s_->pairs;
  const double touched =
      form == Form::diagonal ? static_cast<double>(s_->kept_blocks() * most_groups) : touched_;
  private_sums_ = group_start_.size() > 2 && merge_pairs * touched <= merge_share * added;
  slot_size_ = (s_->widest_kept * (s_->widest_kept + 1) + 7) / 8 * 8;
  block_start_.clear();
  if (form != Form::dense) {
    block_start_.push_back(0);
    for (Index i = 0; i < s_->kept_blocks(); ++i) {
      for (Index k = pattern_.row_start[at(i)]; k < pattern_.row_start[at(i) + 1]; ++k) {
        const Index size = s_->kept_size(i) * s_->kept_size(pattern_.column[at(k)]);
        const bool formed = form == Form::blocks || pattern_.column[at(k)] == i;
        block_start_.push_back(block_start_.back() + (formed ? size : 0));
      }
    }
  }
  cut_batches();
  list_runs();
  pivots_.resize(at(s_->pivot_start.back()));
  forward_.resize(at(s_->forward_offset.back()));
  failures_.resize(
      std::max(batches_.size(), at(Partition{s_->eliminated_blocks(), eliminate_blocks}.chunks())));
}

Index SchurReduction::z_size(Index first_coupling, Index last_coupling) const {
  return kernels_->z_stride > 0 ? kernels_->z_stride * (last_coupling - first_coupling)
                                : z_offset_[at(last_coupling)] - z_offset_[at(first_coupling)];
}

/// Batches within groups, or one after the other.
void SchurReduction::cut_batches() {
  const Index limit = private_sums_ ? private_couplings : shared_couplings - 1;
  const std::vector<Index> whole = {0, s_->eliminated_blocks()};
  const std::vector<Index>& range = private_sums_ ? group_start_ : whole;
  std::vector<Index> seen(at(s_->kept_blocks()), -1);
  batches_.clear();
  group_batch_.assign(1, 0);
  z_largest_ = 0;
  Index pairs = 0;
  for (std::size_t g = 0; g + 1 < range.size(); ++g) {
    for (Index e = range[g]; e < range[g + 1];) {
      const auto number = static_cast<Index>(batches_.size());
      const Index first = s_->coupling_start[at(e)];
      Batch batch{.begin = e, .end = e, .pair_begin = pairs};
      Index local = 0;
      for (; e < range[g + 1]; ++e) {
        const Index last = s_->coupling_start[at(e) + 1];
        if (e > batch.begin && (last - first > limit || local > most_local)) {
          break;
        }
        for (Index k = s_->coupling_start[at(e)]; k < last; ++k) {
          Index& mark = seen[at(s_->coupling_kept[at(k)])];
          local += mark == number ? 0 : 1;
          mark = number;
        }
        const Index degree = last - s_->coupling_start[at(e)];
        pairs += form_ == Form::diagonal ? degree : degree * (degree + 1) / 2;
      }
      batch.end = e;
      z_largest_ = std::max(z_largest_, z_size(first, s_->coupling_start[at(e)]));
      batches_.push_back(batch);
    }
    group_batch_.push_back(static_cast<Index>(batches_.size()));
  }
  pairs_.resize(at(pairs + pairs_ahead));
}

void SchurReduction::list_runs() {
  // With private sums a group is listed as a whole, since its first touch of a block matters.
  const Index lists = static_cast<Index>(private_sums_ ? group_batch_.size() - 1 : batches_.size());
  std::vector<std::vector<PairRun>> runs(at(lists));
  std::vector<std::vector<std::int32_t>> slots(at(private_sums_ ? lists : 0));
  for_each_chunk(lists, 8.0 * static_cast<double>(pairs_.size()), [&](Index l) {
    const Index begin = private_sums_ ? group_batch_[at(l)] : l;
    const Index end = private_sums_ ? group_batch_[at(l) + 1] : l + 1;
    for (Index b = begin; b < end; ++b) {
      list_batch(batches_[at(b)], runs[at(l)]);
    }
    if (private_sums_) {
      slots[at(l)] = give_slots(runs[at(l)]);
    }
  });
  runs_.clear();
  Index slot = 0;
  std::size_t batch = 0;
  for (Index l = 0; l < lists; ++l) {
    const auto base = static_cast<Index>(runs_.size());
    const auto end = at(private_sums_ ? group_batch_[at(l) + 1] : l + 1);
    for (; batch < end; ++batch) {
      batches_[batch].run_begin += base;
      batches_[batch].run_end += base;
    }
    for (PairRun& run : runs[at(l)]) {
      run.target += slot * slot_size_;
    }
    slot += private_sums_ ? static_cast<Index>(slots[at(l)].size()) : 0;
    runs_.insert(runs_.end(), runs[at(l)].begin(), runs[at(l)].end());
  }
  private_.resize(at(slot * slot_size_ + line));
  z_.resize(at(private_sums_ ? 0 : z_largest_ + line));
  if (private_sums_) {
    index_slots(slots);
  } else {
    cut_pieces();
  }
}

/// The runs of a batch, sorted by block of S, and their pairs. A run's target is the block's number where
/// sums are private.
void SchurReduction::list_batch(Batch& batch, std::vector<PairRun>& runs) {
  const Index first = s_->coupling_start[at(batch.begin)];
  const Index last = s_->coupling_start[at(batch.end)];
  Scratch<std::int32_t> local(s_->kept_blocks());
  Scratch<std::int32_t> of_coupling(last - first);
  std::fill_n(local.data(), s_->kept_blocks(), -1);
  std::vector<std::int32_t> touched;
  for (Index k = first; k < last; ++k) {
    std::int32_t& mark = local[s_->coupling_kept[at(k)]];
    if (mark < 0) {
      mark = 0;
      touched.push_back(s_->coupling_kept[at(k)]);
    }
  }
  std::sort(touched.begin(), touched.end());
  const auto m = static_cast<Index>(touched.size());
  for (Index i = 0; i < m; ++i) {
    local[touched[at(i)]] = static_cast<std::int32_t>(i);
  }
  for (Index k = first; k < last; ++k) {
    of_coupling[k - first] = local[s_->coupling_kept[at(k)]];
  }
  const auto each_pair = [&](auto visit) {
    for (Index e = batch.begin; e < batch.end; ++e) {
      const Index end = s_->coupling_start[at(e) + 1] - first;
      for (Index a = s_->coupling_start[at(e)] - first; a < end; ++a) {
        const Index first_key = of_coupling[a] * m;
        const Index stop = form_ == Form::diagonal ? a + 1 : end;
        for (Index b = a; b < stop; ++b) {
          visit(first_key + of_coupling[b], a, b);
        }
      }
    }
  };
  batch.run_begin = static_cast<Index>(runs.size());
  Index row = -1;
  Index block = 0;
  const auto begin_run = [&](Index r, Index c, std::uint32_t count) {
    const Index i = touched[at(r)];
    const Index j = touched[at(c)];
    if (r != row) {
      row = r;
      block = pattern_.row_start[at(i)];
    }
    while (pattern_.column[at(block)] < j) {
      ++block;
    }
    runs.push_back({private_sums_ ? block : target_of(block, i, j), count,
                    static_cast<std::int32_t>(i == j ? i : -1), false});
  };
  const auto pair_of = [&](Index x, Index y) {
    const auto low = static_cast<std::uint16_t>(x);
    const auto high = static_cast<std::uint16_t>(y);
    return form_ == Form::dense ? CouplingPair{high, low} : CouplingPair{low, high};
  };
  CouplingPair* to = pairs_.data() + batch.pair_begin;
  Index pairs = 0;
  each_pair([&](Index, Index, Index) { ++pairs; });
  if (constexpr Index few = 16; m * m > few * pairs) {
    // Few of the blocks meet, as in a pose graph: sorting takes less than counting by all pairs of them.
    Scratch<std::uint64_t> order(pairs);
    Scratch<CouplingPair> unsorted(pairs);
    Index n = 0;
    each_pair([&](Index key, Index x, Index y) {
      order[n] = static_cast<std::uint64_t>(key) << 32U | static_cast<std::uint64_t>(n);
      unsorted[n++] = pair_of(x, y);
    });
    std::sort(order.data(), order.data() + pairs);
    for (Index begin = 0; begin < pairs;) {
      const std::uint64_t key = order[begin] >> 32U;
      Index end = begin;
      for (; end < pairs && order[end] >> 32U == key; ++end) {
        to[end] = unsorted[static_cast<Index>(order[end] & 0xffffffffU)];
      }
      const auto position = static_cast<Index>(key);
      begin_run(position / m, position % m, static_cast<std::uint32_t>(end - begin));
      begin = end;
    }
  } else {
    Scratch<std::uint32_t> next(m * m);
    std::fill_n(next.data(), m * m, 0U);
    each_pair([&](Index key, Index, Index) { ++next[key]; });
    std::uint32_t before = 0;
    for (Index r = 0; r < m; ++r) {
      for (Index c = r; c < m; ++c) {
        const std::uint32_t count = std::exchange(next[r * m + c], before);
        if (count > 0) {
          begin_run(r, c, count);
          before += count;
        }
      }
    }
    each_pair([&](Index key, Index x, Index y) { to[next[key]++] = pair_of(x, y); });
  }
  batch.run_end = static_cast<Index>(runs.size());
}

Index SchurReduction::target_of(Index block, Index i, Index j) const {
  return form_ == Form::dense ? s_->reduced_offset[at(j)] + s_->reduced_offset[at(i)] * stride_
                              : block_start_[at(block)];
}

/// A place among a group's private sums for each block that its runs add to, in the order of the first touch.
/// Returns the blocks by place.
std::vector<std::int32_t> SchurReduction::give_slots(std::vector<PairRun>& runs) const {
  Scratch<std::int32_t> slot(pattern_.blocks());
  std::fill_n(slot.data(), pattern_.blocks(), -1);
  std::vector<std::int32_t> blocks;
  for (PairRun& run : runs) {
    std::int32_t& mine = slot[run.target];
    run.first = mine < 0;
    if (run.first) {
      mine = static_cast<std::int32_t>(blocks.size());
      blocks.push_back(static_cast<std::int32_t>(run.target));
    }
    run.target = mine * slot_size_;
  }
  return blocks;
}

/// slot_: by block of S, where its private sums are.
void SchurReduction::index_slots(const std::vector<std::vector<std::int32_t>>& slots) {
  slot_start_.assign(at(pattern_.blocks()) + 2, 0);
  for (const auto& group : slots) {
    for (const std::int32_t block : group) {
      ++slot_start_[at(block) + 2];
    }
  }
  std::partial_sum(slot_start_.begin(), slot_start_.end(), slot_start_.begin());
  slot_.resize(at(slot_start_.back()));
  Index place = 0;
  for (const auto& group : slots) {
    for (const std::int32_t block : group) {
      slot_[at(slot_start_[at(block) + 1]++)] = place;
      place += slot_size_;
    }
  }
  slot_start_.pop_back();
}

/// The runs of each batch in pieces of about the same work.
void SchurReduction::cut_pieces() {
  pieces_.clear();
  piece_start_.assign(1, 0);
  for (const Batch& batch : batches_) {
    Index pair = batch.pair_begin;
    for (Index r = batch.run_begin; r < batch.run_end;) {
      Piece piece{r, r, pair};
      double work = 0;
      for (; r < batch.run_end && work < piece_pairs; ++r) {
        work += 2 + static_cast<double>(runs_[at(r)].pairs);
        pair += runs_[at(r)].pairs;
      }
      piece.run_end = r;
      pieces_.push_back(piece);
    }
    piece_start_.push_back(static_cast<Index>(pieces_.size()));
  }
}

// ---- Numbers ---------------------------------------------------------------------------------------------

Index SchurReduction::run(const Task& task) {
  std::fill(failures_.begin(), failures_.end(), Index{-1});
  if (private_sums_) {
    run_private(task);
  } else {
    run_shared(task);
  }
  for (const Index failure : failures_) {
    if (failure >= 0) {
      return failure;
    }
  }
  return -1;
}

Index SchurReduction::eliminate(const Task& task, Index begin, Index end, double* z) {
  const Index first = s_->coupling_start[at(begin)];
  const Index failure =
      kernels_->eliminate({.structure = *s_,
                           .values = task.B.values.data(),
                           .lambda = task.lambda,
                           .weights = task.weights.data(),
                           .rhs = task.rhs.empty() ? nullptr : task.rhs.data(),
                           .begin = begin,
                           .end = end,
                           .pivots = pivots_.data(),
                           .forward = forward_.data(),
                           .z = z,
                           .z_offset = z_offset_.empty() ? nullptr : z_offset_.data() + first});
  if (failure < 0 && task.single != nullptr) {
    kernels_->pack_single(z, s_->coupling_start[at(end)] - first,
                          task.single + first * s_->uniform_kept * s_->uniform_eliminated);
  }
  return failure;
}

ReduceTask SchurReduction::reduction(const Batch& batch, const double* z) const {
  const Index first = s_->coupling_start[at(batch.begin)];
  return {.structure = *s_,
          .z = z,
          .z_offset = z_offset_.empty() ? nullptr : z_offset_.data() + first,
          .first_coupling = first,
          .run = runs_.data() + batch.run_begin,
          .run_end = runs_.data() + batch.run_end,
          .pair = pairs_.data() + batch.pair_begin,
          .target = nullptr,
          .stride = 0,
          .rhs = nullptr,
          .rhs_offset = s_->widest_kept * s_->widest_kept};
}

void SchurReduction::run_private(const Task& task) {
  const auto groups = static_cast<Index>(group_batch_.size()) - 1;
  for_each_chunk(groups, work_, [&](Index g) {
    Scratch<double> buffer(z_largest_ + line);
    double* z = aligned(buffer.data());
    for (Index b = group_batch_[at(g)]; b < group_batch_[at(g) + 1]; ++b) {
      const Batch& batch = batches_[at(b)];
      failures_[at(b)] = eliminate(task, batch.begin, batch.end, z);
      if (failures_[at(b)] >= 0) {
        return;
      }
      ReduceTask reduce = reduction(batch, z);
      reduce.target = aligned(private_.data());
      kernels_->reduce(reduce);
    }
  });
  const auto added = static_cast<double>(private_.size()) + static_cast<double>(stride_ * stride_);
  for_each_chunk(s_->kept_blocks(), added, [&](Index i) {
    fill(task, i);
    merge(task, i);
  });
}

void SchurReduction::run_shared(const Task& task) {
  const auto size = static_cast<double>(form_ == Form::dense ? stride_ * stride_ : block_start_.back());
  for_each_chunk(s_->kept_blocks(), size, [&](Index i) { fill(task, i); });
  double* z = aligned(z_.data());
  for (std::size_t b = 0; b < batches_.size(); ++b) {
    const Batch& batch = batches_[b];
    const Index first = s_->coupling_start[at(batch.begin)];
    const Index couplings = s_->coupling_start[at(batch.end)] - first;
    const double share = static_cast<double>(couplings) / std::max(1.0, static_cast<double>(s_->couplings()));
    const Partition partition{batch.end - batch.begin, eliminate_blocks};
    // Chunks of all batches together have a failure each.
    const Index chunk0 = batch.begin / eliminate_blocks;
    std::atomic<bool> failed = false;
    for_each_chunk(partition.chunks(), share * work_, [&](Index c) {
      const Index begin = batch.begin + partition.begin(c);
      Index& failure = failures_[at(chunk0 + c)];
      failure = eliminate(task, begin, batch.begin + partition.end(c),
                          z + z_size(first, s_->coupling_start[at(begin)]));
      if (failure >= 0) {
        failed = true;
      }
    });
    if (failed) {
      return;
    }
    for_each_chunk(piece_start_[b + 1] - piece_start_[b], share * work_, [&](Index p) {
      const Piece& piece = pieces_[at(piece_start_[b] + p)];
      ReduceTask reduce = reduction(batch, z);
      reduce.run = runs_.data() + piece.run_begin;
      reduce.run_end = runs_.data() + piece.run_end;
      reduce.pair = pairs_.data() + piece.pair_begin;
      reduce.target = task.S;
      reduce.stride = form_ == Form::dense ? stride_ : 0;
      reduce.rhs = task.reduced.data();
      kernels_->reduce(reduce);
    });
  }
}

/// Row i of blocks of B + lambda W among the kept blocks, and b_i.
void SchurReduction::fill(const Task& task, Index i) const {
  const Index c = s_->kept_size(i);
  const Index to = s_->reduced_offset[at(i)];
  const Index from = s_->kept_offset[at(i)];
  const double* d = task.B.values.data() + s_->kept_values[at(i)];
  const double* w = task.weights.data() + from;
  double* diagonal;
  Index stride;
  if (form_ == Form::dense) {
    for (Index j = 0; j < c; ++j) {
      std::fill(task.S + to + (to + j) * stride_, task.S + s_->reduced_size() + (to + j) * stride_, 0.0);
    }
    diagonal = task.S + to + to * stride_;
    stride = stride_;
  } else {
    const Index first = pattern_.row_start[at(i)];
    diagonal = task.S + block_start_[at(first)];
    stride = c;
    std::fill(diagonal, task.S + block_start_[at(pattern_.row_start[at(i) + 1])], 0.0);
  }
  for (Index j = 0; j < c; ++j) {
    std::copy_n(d + j * c, c, diagonal + j * stride);
    diagonal[j + j * stride] += task.lambda * w[j];
    task.reduced[at(to + j)] = task.rhs.empty() ? 0.0 : task.rhs[at(from + j)];
  }
  if (form_ == Form::diagonal) {
    return;
  }
  Index block = pattern_.row_start[at(i)];
  for (Index k = s_->pair_start[at(i)]; k < s_->pair_start[at(i) + 1]; ++k) {
    const Index j = s_->pair_other[at(k)];
    const Index width = s_->kept_size(j);
    const double* values = task.B.values.data() + s_->pair_values[at(k)];
    while (pattern_.column[at(block)] < j) {
      ++block;
    }
    double* target = task.S + target_of(block, i, j);
    if (form_ == Form::blocks) {
      std::copy_n(values, c * width, target);
      continue;
    }
    for (Index q = 0; q < c; ++q) {
      for (Index r = 0; r < width; ++r) {
        target[r + q * stride_] = values[q + r * c];
      }
    }
  }
}

/// Adds the private sums to row i of blocks.
void SchurReduction::merge(const Task& task, Index i) const {
  const double* sums = aligned(private_.data());
  for (Index k = pattern_.row_start[at(i)]; k < pattern_.row_start[at(i) + 1]; ++k) {
    const Index j = pattern_.column[at(k)];
    const Index rows = s_->kept_size(form_ == Form::dense ? j : i);
    const Index cols = s_->kept_size(form_ == Form::dense ? i : j);
    const Index stride = form_ == Form::dense ? stride_ : rows;
    double* target = task.S + target_of(k, i, j);
    for (Index n = slot_start_[at(k)]; n < slot_start_[at(k) + 1]; ++n) {
      const double* from = sums + slot_[at(n)];
      for (Index c = 0; c < cols; ++c) {
        for (Index r = 0; r < rows; ++r) {
          target[r + c * stride] += from[r + c * rows];
        }
      }
      const double* t = from + s_->widest_kept * s_->widest_kept;
      for (Index r = 0; i == j && r < rows; ++r) {
        task.reduced[at(s_->reduced_offset[at(i)] + r)] += t[r];
      }
    }
  }
}

}  // namespace kappa::detail
