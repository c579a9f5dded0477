// OwnedSums: many sums of contributions from residual blocks, computed in parallel to the same bits by any
// number of threads.
//
// Each output (the gradient of a parameter block, a block of a matrix) lists its contributions in ascending
// order of the residual blocks, and one task adds them up. A long list, such as that of a camera with
// thousands of observations, is cut into pieces of fixed work; their partial sums are added in order at the
// end. All of this follows from the structure alone. Memory: 8 bytes a contribution and 32 an output.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "core/parallel.h"
#include "kappa/base.h"

namespace kappa::detail {

/// What residual block `block` (by its place in its part) adds; `kind` says from which part and slots.
struct Contribution {
  std::int32_t kind;
  std::int32_t block;
};

class OwnedSums {
 public:
  std::vector<Index> start;  ///< outputs + 1, into `list`
  std::vector<Contribution> list;

  Index outputs() const { return static_cast<Index>(start.size()) - 1; }

  /// Cuts the lists into pieces and tasks. width(output): its doubles; cost(kind): multiply-adds.
  template <class Width, class Cost>
  void cut(const Width& width, const Cost& cost) {
    constexpr double piece_work = 16e3;
    pieces_.clear();
    tasks_.assign(1, 0);
    splits_.clear();
    partials_ = 0;
    widest_ = 0;
    work_ = 0;
    double task = 0;
    for (Index output = 0; output < outputs(); ++output) {
      const auto first_piece = static_cast<Index>(pieces_.size());
      Index begin = start[index(output)];
      const Index end = start[index(output) + 1];
      double piece = 0;
      for (Index i = begin; i < end; ++i) {
        piece += cost(list[index(i)].kind);
        if (piece >= piece_work && i + 1 < end) {
          close(output, begin, i + 1, piece, task);
          begin = i + 1;
          piece = 0;
        }
      }
      close(output, begin, end, piece + 1, task);
      const auto last_piece = static_cast<Index>(pieces_.size());
      if (last_piece - first_piece > 1) {
        splits_.push_back({output, first_piece, last_piece});
        for (Index p = first_piece; p < last_piece; ++p) {
          pieces_[index(p)].partial = partials_++;
        }
        widest_ = std::max(widest_, static_cast<Index>(width(output)));
      }
    }
    if (tasks_.back() != static_cast<Index>(pieces_.size())) {
      tasks_.push_back(static_cast<Index>(pieces_.size()));
    }
    partial_sums_.resize(index(partials_ * widest_));
  }

  /// values[value_start[output] ...) = the sum of the output's contributions, for all outputs.
  /// add(output, contributions, to) adds a few of them into `to`.
  template <class Add>
  void compute(const std::vector<Index>& value_start, double* values, const Add& add) {
    const auto place = [&](const Piece& piece) {
      return piece.partial < 0 ? values + value_start[index(piece.output)]
                               : partial_sums_.data() + piece.partial * widest_;
    };
    const auto width = [&](Index output) {
      return value_start[index(output) + 1] - value_start[index(output)];
    };
    for_each_chunk(static_cast<Index>(tasks_.size()) - 1, work_, [&](Index t) {
      for (Index p = tasks_[index(t)]; p < tasks_[index(t) + 1]; ++p) {
        const Piece& piece = pieces_[index(p)];
        double* to = place(piece);
        std::fill(to, to + width(piece.output), 0.0);
        add(piece.output,
            std::span<const Contribution>(list.data() + piece.begin, index(piece.end - piece.begin)), to);
      }
    });
    for (const Split& split : splits_) {
      double* to = values + value_start[index(split.output)];
      const Index count = width(split.output);
      std::fill(to, to + count, 0.0);
      for (Index p = split.first; p < split.last; ++p) {
        const double* from = place(pieces_[index(p)]);
        for (Index i = 0; i < count; ++i) {
          to[i] += from[i];
        }
      }
    }
  }

 private:
  struct Piece {
    Index output;
    Index begin;  ///< into `list`
    Index end;
    Index partial;  ///< number of its partial sum, or -1 where it is the whole output
  };
  struct Split {
    Index output;
    Index first;  ///< pieces
    Index last;
  };

  static std::size_t index(Index i) { return static_cast<std::size_t>(i); }

  void close(Index output, Index begin, Index end, double piece_cost, double& task) {
    constexpr double task_work = 16e3;
    pieces_.push_back({output, begin, end, -1});
    work_ += piece_cost;
    task += piece_cost;
    if (task >= task_work) {
      tasks_.push_back(static_cast<Index>(pieces_.size()));
      task = 0;
    }
  }

  std::vector<Piece> pieces_;
  std::vector<Index> tasks_;  ///< tasks + 1, into pieces_
  std::vector<Split> splits_;
  std::vector<double> partial_sums_;
  Index partials_ = 0;
  Index widest_ = 0;
  double work_ = 0;
};

}  // namespace kappa::detail
