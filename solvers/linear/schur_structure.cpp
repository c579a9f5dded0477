#include "solvers/linear/schur_structure.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <numeric>
#include <string>

#include "core/elimination_group.h"
#include "core/parallel.h"

namespace kappa::detail {
namespace {

constexpr Index small_size = 32;    // below it a dense factorization costs less than the bookkeeping
constexpr double worthwhile = 0.1;  // least share of the variables whose elimination pays
constexpr Index chunk_blocks = 4096;

std::size_t at(Index i) {
  return static_cast<std::size_t>(i);
}

constexpr std::size_t lanes = 16;
using Lanes = std::array<std::uint64_t, lanes>;

/// One word into each lane; an invertible map, so that a single difference always shows.
inline void mix(Lanes& h, const std::uint64_t* words) {
  for (std::size_t l = 0; l < lanes; ++l) {
    std::uint64_t x = h[l] ^ words[l];
    x ^= x << 13;
    x ^= x >> 7;
    h[l] = x + 0x9e3779b97f4a7c15ULL;
  }
}

template <class T>
void absorb(Lanes& h, const std::vector<T>& v) {
  const auto* bytes = reinterpret_cast<const unsigned char*>(v.data());
  const std::size_t size = v.size() * sizeof(T);
  constexpr std::size_t step = lanes * sizeof(std::uint64_t);
  Lanes words{};
  std::size_t i = 0;
  for (; i + step <= size; i += step) {
    std::memcpy(words.data(), bytes + i, step);
    mix(h, words.data());
  }
  words.fill(size);
  if (i < size) {  // an empty vector may have no address to copy from
    std::memcpy(words.data(), bytes + i, size - i);
  }
  mix(h, words.data());
}

}  // namespace

std::uint64_t fingerprint(const BlockStructure& structure) {
  Lanes h{};
  std::iota(h.begin(), h.end(), std::uint64_t{1});
  absorb(h, structure.offset);
  absorb(h, structure.row_start);
  absorb(h, structure.column);
  absorb(h, structure.value_start);
  absorb(h, structure.elimination_group);
  std::uint64_t out = 0;
  for (const std::uint64_t lane : h) {
    out = (out ^ lane) * 0xd6e8feb86659fd93ULL;
    out ^= out >> 32;
  }
  return out;
}

void SchurStructure::analyze(const BlockStructure& structure, Index keep_all_limit) {
  if (structure.values() > Index{0xffffffff} || structure.column.size() > std::size_t{0x7fffffff}) {
    throw Error("block elimination: the matrix has " + std::to_string(structure.column.size()) +
                " blocks with " + std::to_string(structure.values()) +
                " values, and at most 2147483647 with 4294967295 can be addressed; split the problem");
  }
  const Columns above = by_column(structure);
  group = lowest_group(structure.elimination_group);
  if (group >= 0) {
    take_group(structure);
  } else {
    choose(structure, above, keep_all_limit);
  }
  order(structure, above);
  list_kept(structure);
  list_eliminated(structure, above);
}

SchurStructure::Columns SchurStructure::by_column(const BlockStructure& structure) {
  const Index blocks = structure.blocks();
  Columns out;
  out.start.assign(at(blocks) + 2, 0);
  // Counts are kept one place further on, so that filling leaves the starts behind.
  for (const std::int32_t column : structure.column) {
    ++out.start[at(column) + 2];
  }
  for (Index i = 0; i < blocks; ++i) {
    --out.start[at(i) + 2];  // the diagonal
  }
  std::partial_sum(out.start.begin(), out.start.end(), out.start.begin());
  out.row.resize(at(out.start.back()));
  out.values.resize(at(out.start.back()));
  for (Index i = 0; i < blocks; ++i) {
    for (Index k = structure.row_start[at(i)] + 1; k < structure.row_start[at(i) + 1]; ++k) {
      const auto to = at(out.start[at(structure.column[at(k)]) + 1]++);
      out.row[to] = static_cast<std::int32_t>(i);
      out.values[to] = static_cast<std::uint32_t>(structure.value_start[at(k)]);
    }
  }
  out.start.pop_back();
  return out;
}

/// takes_: a greedy independent set, lowest degree first.
void SchurStructure::choose(const BlockStructure& structure, const Columns& above, Index keep_all_limit) {
  const Index blocks = structure.blocks();
  const auto degree = [&](Index i) {
    return structure.row_start[at(i) + 1] - structure.row_start[at(i)] - 1 + above.start[at(i) + 1] -
           above.start[at(i)];
  };
  Index highest = 0;
  for (Index i = 0; i < blocks; ++i) {
    highest = std::max(highest, degree(i));
  }
  std::vector<std::int32_t> start(at(highest) + 2, 0);
  for (Index i = 0; i < blocks; ++i) {
    ++start[at(degree(i)) + 1];
  }
  std::partial_sum(start.begin(), start.end(), start.begin());
  std::vector<std::int32_t> by_degree(at(blocks));
  for (Index i = 0; i < blocks; ++i) {
    by_degree[at(start[at(degree(i))]++)] = static_cast<std::int32_t>(i);
  }
  takes_.assign(at(blocks), 0);
  const auto taken = [&](std::int32_t j) { return takes_[at(j)] != 0; };
  Index size = 0;
  for (const std::int32_t i : by_degree) {
    const auto* row = structure.column.data();
    if (!std::any_of(above.row.data() + above.start[at(i)], above.row.data() + above.start[at(i) + 1],
                     taken) &&
        !std::any_of(row + structure.row_start[at(i)] + 1, row + structure.row_start[at(i) + 1], taken)) {
      takes_[at(i)] = 1;
      size += structure.block_size(i);
    }
  }
  const Index all = structure.size();
  const bool pays = static_cast<double>(size) >= worthwhile * static_cast<double>(all);
  if (all <= small_size || (!pays && all <= keep_all_limit)) {
    std::fill(takes_.begin(), takes_.end(), 0);
  }
}

/// takes_: the user's group.
void SchurStructure::take_group(const BlockStructure& structure) {
  const std::vector<std::int32_t>& groups = structure.elimination_group;
  const Index blocks = structure.blocks();
  expects(static_cast<Index>(groups.size()) == blocks,
          "block elimination: elimination_group must have an entry for each block, or none");
  takes_.assign(at(blocks), 0);
  for (Index i = 0; i < blocks; ++i) {
    if (groups[at(i)] != group) {
      continue;
    }
    takes_[at(i)] = 1;
    for (Index k = structure.row_start[at(i)] + 1; k < structure.row_start[at(i) + 1]; ++k) {
      if (groups[at(structure.column[at(k)])] == group) {
        throw Error("block elimination: blocks " + std::to_string(i) + " and " +
                    std::to_string(structure.column[at(k)]) + " are both in elimination group " +
                    std::to_string(group) + ", but are coupled; put one of them into a later group");
      }
    }
  }
}

/// kept, eliminated and position_.
void SchurStructure::order(const BlockStructure& structure, const Columns& above) {
  const Index blocks = structure.blocks();
  position_.resize(at(blocks));
  kept.clear();
  for (Index i = 0; i < blocks; ++i) {
    if (takes_[at(i)] == 0) {
      position_[at(i)] = static_cast<std::int32_t>(kept.size());
      kept.push_back(static_cast<std::int32_t>(i));
    }
  }
  const auto first_neighbour = [&](Index e) {
    if (above.start[at(e)] < above.start[at(e) + 1]) {
      return at(position_[at(above.row[at(above.start[at(e)])])]);
    }
    const Index next = structure.row_start[at(e)] + 1;
    return next < structure.row_start[at(e) + 1] ? at(position_[at(structure.column[at(next)])])
                                                 : kept.size();
  };
  std::vector<std::int32_t> start(kept.size() + 2, 0);
  for (Index e = 0; e < blocks; ++e) {
    if (takes_[at(e)] != 0) {
      ++start[first_neighbour(e) + 1];
    }
  }
  std::partial_sum(start.begin(), start.end(), start.begin());
  eliminated.resize(at(start.back()));
  for (Index e = 0; e < blocks; ++e) {
    if (takes_[at(e)] != 0) {
      const std::int32_t to = start[first_neighbour(e)]++;
      position_[at(e)] = to;
      eliminated[at(to)] = static_cast<std::int32_t>(e);
    }
  }
}

void SchurStructure::list_kept(const BlockStructure& structure) {
  kept_values.resize(kept.size());
  kept_offset.resize(kept.size());
  reduced_offset.assign(1, 0);
  pair_start.assign(1, 0);
  pair_other.clear();
  pair_values.clear();
  uniform_kept = kept.empty() ? 0 : structure.block_size(kept.front());
  widest_kept = 0;
  for (std::size_t i = 0; i < kept.size(); ++i) {
    const Index block = kept[i];
    const Index size = structure.block_size(block);
    kept_values[i] = static_cast<std::uint32_t>(structure.value_start[at(structure.row_start[at(block)])]);
    kept_offset[i] = structure.offset[at(block)];
    reduced_offset.push_back(reduced_offset.back() + size);
    uniform_kept = uniform_kept == size ? size : 0;
    widest_kept = std::max(widest_kept, size);
    for (Index k = structure.row_start[at(block)] + 1; k < structure.row_start[at(block) + 1]; ++k) {
      const std::int32_t other = structure.column[at(k)];
      if (takes_[at(other)] == 0) {
        pair_other.push_back(position_[at(other)]);
        pair_values.push_back(static_cast<std::uint32_t>(structure.value_start[at(k)]));
      }
    }
    pair_start.push_back(static_cast<Index>(pair_other.size()));
  }
}

void SchurStructure::list_eliminated(const BlockStructure& structure, const Columns& above) {
  const std::size_t count = eliminated.size();
  eliminated_values.resize(count);
  eliminated_offset.resize(count);
  forward_offset.resize(count + 1);
  pivot_start.resize(count + 1);
  coupling_start.resize(count + 1);
  forward_offset[0] = pivot_start[0] = coupling_start[0] = 0;
  uniform_eliminated = count == 0 ? 0 : structure.block_size(eliminated.front());
  widest_eliminated = 0;
  pairs = 0;
  for (std::size_t e = 0; e < count; ++e) {
    const Index block = eliminated[e];
    const Index size = structure.block_size(block);
    const Index degree = structure.row_start[at(block) + 1] - structure.row_start[at(block)] - 1 +
                         above.start[at(block) + 1] - above.start[at(block)];
    eliminated_offset[e] = structure.offset[at(block)];
    eliminated_values[e] =
        static_cast<std::uint32_t>(structure.value_start[at(structure.row_start[at(block)])]);
    forward_offset[e + 1] = forward_offset[e] + size;
    pivot_start[e + 1] = pivot_start[e] + size * (size + 1) / 2;
    coupling_start[e + 1] = coupling_start[e] + degree;
    uniform_eliminated = uniform_eliminated == size ? size : 0;
    widest_eliminated = std::max(widest_eliminated, size);
    pairs += 0.5 * static_cast<double>(degree * (degree + 1));
  }
  coupling_kept.resize(at(coupling_start.back()));
  coupling_values.resize(at(coupling_start.back()));
  const Partition partition{eliminated_blocks(), chunk_blocks};
  for_each_chunk(partition.chunks(), 4.0 * static_cast<double>(couplings()), [&](Index chunk) {
    for (Index e = partition.begin(chunk); e < partition.end(chunk); ++e) {
      const Index block = eliminated[at(e)];
      auto to = at(coupling_start[at(e)]);
      for (auto k = at(above.start[at(block)]); k < at(above.start[at(block) + 1]); ++k, ++to) {
        coupling_kept[to] = position_[at(above.row[k])];
        coupling_values[to] = above.values[k];
      }
      for (auto k = at(structure.row_start[at(block)] + 1); k < at(structure.row_start[at(block) + 1]);
           ++k, ++to) {
        coupling_kept[to] = position_[at(structure.column[k])];
        coupling_values[to] = static_cast<std::uint32_t>(structure.value_start[k]);
      }
    }
  });
}

}  // namespace kappa::detail
