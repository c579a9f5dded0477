// ScatteredSums: many sums, such as the blocks of a matrix, of contributions that arise in the order in which
// residual blocks are evaluated, computed in parallel to the same bits by any number of threads.
//
// The contributions are cut into tasks by the structure alone. A sum whose contributions all come from one
// task is added up in its own place. One that several tasks add to, such as the block of a camera, has a
// partial sum for each of them; those are added up at the end, in the order of the tasks. A contribution thus
// needs no search and no lock, and a Jacobian is used while it is still in the cache.
//
// Memory: 4 bytes a contribution, and the partial sums: at most tasks x the sums that are shared.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "core/parallel.h"
#include "core/scratch.h"
#include "kappa/base.h"
#include "kappa/bulk_vector.h"

namespace kappa::detail {

class ScatteredSums {
 public:
  static constexpr std::uint32_t nowhere = ~std::uint32_t{0};
  static constexpr std::uint32_t most_outputs = (std::uint32_t{1} << 29U) - 1;

  /// Before plan(): the number of the sum to which each contribution belongs, or nowhere; a contribution that
  /// is to be transposed has `transposed` added.
  BulkVector<std::uint32_t> destination;
  static constexpr std::uint32_t transposed = std::uint32_t{1} << 29U;

  struct Place {
    double* to;  ///< null where the contribution goes nowhere
    bool first;  ///< nothing has been added there yet: assign
    bool is_transposed;
  };

  /// Decides where each contribution goes. ranges(task, visit) calls visit(begin, end) for the contributions
  /// of a task, in the order in which they will arise.
  template <class Width, class Ranges>
  void plan(Index tasks, Index outputs, const Width& width, const Ranges& ranges) {
    expects(outputs < static_cast<Index>(most_outputs), "ScatteredSums: too many sums");
    constexpr std::int32_t none = -1;
    constexpr std::int32_t several = -2;
    Scratch<std::int32_t> owner(outputs);
    std::fill_n(owner.data(), outputs, none);
    const auto for_each = [&](Index task, const auto& visit) {
      ranges(task, [&](Index begin, Index end, Index stride) {
        for (Index i = begin; i < end; i += stride) {
          if (destination[at(i)] != nowhere) {
            visit(destination[at(i)], static_cast<std::int32_t>(task));
          }
        }
      });
    };
    for (Index task = 0; task < tasks; ++task) {
      for_each(task, [&](std::uint32_t code, std::int32_t t) {
        std::int32_t& o = owner[code & number_bits];
        o = o == none || o == t ? t : several;
      });
    }
    empty_.clear();
    shared_.clear();
    Scratch<std::int32_t> shared_number(outputs);
    std::fill_n(shared_number.data(), outputs, none);
    for (Index o = 0; o < outputs; ++o) {
      if (owner[o] == none) {
        empty_.push_back(o);
      } else if (owner[o] == several) {
        shared_number[o] = static_cast<std::int32_t>(shared_.size());
        shared_.push_back({o, {}});
      }
    }
    partial_start_.assign(1, 0);
    Scratch<std::int32_t> last_task(outputs);
    std::fill_n(last_task.data(), outputs, none);
    std::vector<std::uint32_t> partial(shared_.size());
    work_ = 0;
    for (Index task = 0; task < tasks; ++task) {
      for_each(task, [&](std::uint32_t& code, std::int32_t t) {
        const std::uint32_t output = code & number_bits;
        std::uint32_t result = code & transposed;
        if (last_task[output] != t) {
          last_task[output] = t;
          result |= first_bit;
          if (owner[output] == several) {
            Shared& shared = shared_[at(shared_number[output])];
            partial[at(shared_number[output])] = static_cast<std::uint32_t>(partial_start_.size() - 1);
            shared.partials.push_back(static_cast<Index>(partial_start_.size()) - 1);
            partial_start_.push_back(partial_start_.back() + width(static_cast<Index>(output)));
            work_ += static_cast<double>(width(static_cast<Index>(output)));
          }
        }
        code =
            result | (owner[output] == several ? partial_bit | partial[at(shared_number[output])] : output);
      });
    }
    partials_.resize(at(partial_start_.back()));
  }

  Place place(Index contribution, double* values, const Index* start) {
    const std::uint32_t code = destination[at(contribution)];
    if (code == nowhere) {
      return {nullptr, false, false};
    }
    const std::uint32_t number = code & number_bits;
    double* to =
        (code & partial_bit) != 0 ? partials_.data() + partial_start_[number] : values + start[number];
    return {to, (code & first_bit) != 0, (code & transposed) != 0};
  }

  /// Adds up the sums of several tasks, once all contributions are in.
  void finish(double* values, const std::vector<Index>& start) {
    for (const Index o : empty_) {
      std::fill(values + start[at(o)], values + start[at(o) + 1], 0.0);
    }
    for_each_chunk(static_cast<Index>(shared_.size()), work_, [&](Index s) {
      const Shared& shared = shared_[at(s)];
      double* to = values + start[at(shared.output)];
      const Index width = start[at(shared.output) + 1] - start[at(shared.output)];
      std::copy_n(partials_.data() + partial_start_[at(shared.partials.front())], width, to);
      for (std::size_t p = 1; p < shared.partials.size(); ++p) {
        const double* from = partials_.data() + partial_start_[at(shared.partials[p])];
        for (Index i = 0; i < width; ++i) {
          to[i] += from[i];
        }
      }
    });
  }

 private:
  static constexpr std::uint32_t partial_bit = std::uint32_t{1} << 31U;
  static constexpr std::uint32_t first_bit = std::uint32_t{1} << 30U;
  static constexpr std::uint32_t number_bits = most_outputs;

  static constexpr std::size_t at(Index i) { return static_cast<std::size_t>(i); }

  struct Shared {
    Index output;
    std::vector<Index> partials;  ///< in the order of the tasks
  };

  std::vector<Index> empty_;
  std::vector<Shared> shared_;
  std::vector<Index> partial_start_;
  BulkVector<double> partials_;
  double work_ = 0;
};

}  // namespace kappa::detail
