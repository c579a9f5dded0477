// The groups of residual blocks that a family evaluates in lanes.
//
// Blocks are grouped by their numbers, as many to a group as there are lanes, so that grouping follows from
// the structure alone. A group is evaluated together while
//   - all of its blocks are asked for at once,
//   - the lanes agree on every comparison, and
//   - the fingerprints of its blocks (fingerprint.h) agree along the path that those comparisons took. This
//   is
//     proven once for each group and path.
// Otherwise its blocks are evaluated one by one. Both ways agree up to the rounding of the elementary
// functions, and which one is taken follows from the point alone, so that results do not depend on what was
// evaluated before.
//
// Cost of a proof: an evaluation of the values of a group's blocks. Memory: 8 bytes a group.
#pragma once

#include <algorithm>
#include <atomic>
#include <vector>

#include "kappa/fingerprint.h"
#include "kappa/jet.h"
#include "kappa/lanes.h"

namespace kappa::detail {

/// A functor may declare `static constexpr bool kappa_in_lanes = false;` where it cannot be compiled for
/// lanes, or is no pure function of parameters and members, and `true` where lanes are faster than kappa
/// supposes.
template <class F>
concept ChoosesLanes = requires {
  { F::kappa_in_lanes } -> std::convertible_to<bool>;
};

enum class Together : unsigned char { no, yes, refused };

#if defined(KAPPA_LANES)

using LaneScalar = Lanes;

/// Jets of many partials fill short vectors by themselves; lanes then only add gathering and scattering.
template <class F, int columns>
inline constexpr bool evaluates_in_lanes = [] {
  if constexpr (ChoosesLanes<F>) {
    return bool(F::kappa_in_lanes);
  }
  return Lanes::width >= 8 || (Lanes::width == 4 && columns <= 10) || columns <= 3;
}();

/// Neighbouring blocks of one family and where their parameters are; the lanes beyond the last repeat it.
template <class Term>
class LaneGroup {
 public:
  using Functor = typename Term::Functor;
  using Slots = typename Term::Slots;

  LaneGroup(const Functor* functors, int blocks, const double* const* parameters, bool shared)
      : functors_(functors), parameters_(parameters), blocks_(blocks), stride_(shared ? 0 : Slots::count) {}

  const Functor& functor() const { return *functors_; }
  int blocks() const { return blocks_; }

  void load(Lanes* point) const {
    for (int s = 0; s < Slots::count; ++s) {
      const auto slot = static_cast<std::size_t>(s);
      Lanes* to = point + Slots::starts[slot];
      if (stride_ == 0) {
        for (int i = 0; i < Slots::sizes[slot]; ++i) {
          to[i] = Lanes::broadcast(parameters_[s][i]);
        }
        continue;
      }
      std::array<const double*, static_cast<std::size_t>(Lanes::count)> from;
      for (int l = 0; l < Lanes::count; ++l) {
        from[static_cast<std::size_t>(l)] = parameters_[lane_block(l) * stride_ + s];
      }
      int i = 0;
      if constexpr (Lanes::transposes && widest >= 8) {
        for (; i + 8 <= Slots::sizes[slot]; i += 8) {
          Lanes::load_transposed([&](int l) { return from[static_cast<std::size_t>(l)] + i; }, to + i);
        }
      }
      for (; i < Slots::sizes[slot]; ++i) {
        to[i] = Lanes::from_each([&](int l) { return from[static_cast<std::size_t>(l)][i]; });
      }
    }
  }

  /// to[i] = the `numbers` entries of each block's part of `from`, block after block.
  void gather(const double* from, int numbers, Lanes* to) const {
    for (int i = 0; i < numbers; ++i) {
      to[i] = Lanes::from_each([&](int l) { return from[lane_block(l) * numbers + i]; });
    }
  }
  template <int numbers>
  void scatter(const Lanes* from, double* to) const {
    constexpr int transposed = Lanes::transposes ? numbers - numbers % 8 : 0;
    const bool whole = transposed > 0 && blocks_ == Lanes::count;
    if constexpr (transposed > 0) {
      for (int i = 0; whole && i < transposed; i += 8) {
        Lanes::store_transposed(from + i, to + i, numbers);
      }
    }
    for (int i = whole ? transposed : 0; i < numbers; ++i) {
      std::array<double, static_cast<std::size_t>(Lanes::count)> lane;
      from[i].store(lane.data());
      for (int l = 0; l < blocks_; ++l) {
        to[l * numbers + i] = lane[static_cast<std::size_t>(l)];
      }
    }
  }

  /// to[i * stride + b] = from[i] of block b.
  void store_columns(const Lanes* from, int numbers, double* to, Index stride) const {
    if (blocks_ < Lanes::count) {
      for (int i = 0; i < numbers; ++i) {
        for (int l = 0; l < blocks_; ++l) {
          to[i * stride + l] = from[i][l];
        }
      }
      return;
    }
    for (int i = 0; i < numbers; ++i) {
      from[i].store(to + i * stride);
    }
  }

  /// Makes the conversions of `call` those of this group's functors.
  void enter(FunctorCall& call) const {
    call = {};
    call.functor = reinterpret_cast<std::uintptr_t>(functors_);
    call.size = sizeof(Functor);
    for (int l = 0; l < Lanes::count; ++l) {
      call.distance[static_cast<std::size_t>(l)] = static_cast<std::size_t>(lane_block(l)) * sizeof(Functor);
    }
  }

  /// Whether all blocks evaluate the same expressions along the given path.
  bool proven(std::uint64_t path) const {
    std::uint64_t first = 0;
    for (int b = 0; b < blocks_; ++b) {
      const Functor& functor = functors_[b];
      FunctorCall& call = functor_call;
      call = {};
      call.functor = reinterpret_cast<std::uintptr_t>(&functor);
      call.size = sizeof(Functor);
      const std::uint64_t hash = expression(functor, parameters_ + b * stride_);
      const bool on_path = call.path == path;
      call = {};
      if (!on_path || (b > 0 && hash != first)) {
        return false;
      }
      first = hash;
    }
    return true;
  }

 private:
  static constexpr int widest = *std::max_element(Slots::sizes.begin(), Slots::sizes.end());

  Index lane_block(int lane) const { return std::min(lane, blocks_ - 1); }

  static std::uint64_t expression(const Functor& functor, const double* const* parameters) {
    using Number = Jet<Fingerprint, 0>;
    std::array<Number, static_cast<std::size_t>(Term::columns)> x;
    std::array<Number, static_cast<std::size_t>(Term::residuals)> out;
    int column = 0;
    for (int s = 0; s < Slots::count; ++s) {
      for (int i = 0; i < Slots::sizes[static_cast<std::size_t>(s)]; ++i, ++column) {
        x[static_cast<std::size_t>(column)] = Number(Fingerprint::parameter(parameters[s][i], column));
      }
    }
    const bool accepted = Slots::call(functor, x.data(), out.data());
    std::uint64_t hash = mix(functor_call.flow, accepted ? 1 : 0);
    for (const Number& r : out) {
      hash = mix(hash, accepted ? r.a.hash : 0);
    }
    return hash;
  }

  const Functor* functors_;
  const double* const* parameters_;
  int blocks_;
  int stride_;
};

/// What is known of each group of a family.
template <class Term>
class LaneGroups {
 public:
  void reserve(std::size_t blocks) { known_.reserve(blocks / static_cast<std::size_t>(Lanes::count) + 1); }

  /// A block was added; `blocks` with it.
  void append(std::size_t blocks) {
    if (static_cast<Index>(blocks) > Lanes::count * static_cast<Index>(known_.size())) {
      known_.emplace_back();
    }
    known_.back() = Known();
    blocks_ = static_cast<Index>(blocks);
  }

  /// The blocks of the group that begins with block `first`, if they lie below `end` and are to be evaluated
  /// together; otherwise 0.
  int size(Index first, Index end) const {
    if (first % Lanes::count != 0) {
      return 0;
    }
    const Index blocks = std::min<Index>(Lanes::count, blocks_ - first);
    const bool pays = blocks > std::max(1, Lanes::count / 4);
    return pays && first + blocks <= end ? static_cast<int>(blocks) : 0;
  }

  /// Calls compute() for the group that begins with block `first`, and deliver() if its result holds.
  template <class Compute, class Deliver>
  Together evaluate(Index first, const LaneGroup<Term>& group, const Compute& compute,
                    const Deliver& deliver) const {
    FunctorCall& call = functor_call;
    group.enter(call);
    const bool accepted = compute();
    const bool diverged = call.diverged;
    const std::uint64_t path = call.path;
    call = {};
    if (diverged) {
      return Together::no;
    }
    // What is kept of a path follows from the path alone: later evaluations are the same whatever came
    // before.
    std::atomic<std::uint64_t>& state = known(first);
    const std::uint64_t now = state.load(std::memory_order_relaxed);
    const std::uint64_t yes = (path & path_mask) | proven;
    const std::uint64_t no = (path & path_mask) | refuted;
    if (now == no || (now != yes && !group.proven(path))) {
      state.store(no, std::memory_order_relaxed);
      return Together::no;
    }
    state.store(yes, std::memory_order_relaxed);
    if (!accepted) {
      return Together::refused;
    }
    deliver();
    return Together::yes;
  }

 private:
  // A state is a path and what came of its proof, or 0.
  static constexpr std::uint64_t proven = 1;
  static constexpr std::uint64_t refuted = 2;
  static constexpr std::uint64_t path_mask = ~std::uint64_t{3};

  /// Copied only while blocks are added, which no evaluation runs beside.
  struct Known {
    std::atomic<std::uint64_t> state = 0;
    Known() = default;
    Known(const Known& other) : state(other.state.load(std::memory_order_relaxed)) {}
    Known& operator=(const Known& other) {
      state.store(other.state.load(std::memory_order_relaxed), std::memory_order_relaxed);
      return *this;
    }
  };

  std::atomic<std::uint64_t>& known(Index first) const {
    return known_[static_cast<std::size_t>(first / Lanes::count)].state;
  }

  mutable std::vector<Known> known_;
  Index blocks_ = 0;
};

#else

using LaneScalar = double;

template <class F, int columns>
inline constexpr bool evaluates_in_lanes = false;

template <class Term>
class LaneGroup;

template <class Term>
class LaneGroups {
 public:
  void reserve(std::size_t) {}
  void append(std::size_t) {}
};

#endif

}  // namespace kappa::detail
