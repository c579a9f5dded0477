// An independent set of parameter blocks, no two of which share a residual block, such as the points of a
// bundle, and the residual blocks of each. With all other blocks fixed every one of them is a problem of its
// own,
//
//   f_p(x_p) = 1/2 sum over its residual blocks b of rho_b(|r_b|^2).
//
// The set is cut into chunks by structure alone. The residual blocks of a chunk are handed to their families
// in runs as long as possible, so that they are evaluated in lanes; blocks that are not wanted are left out
// group by group. Memory: a byte a residual block and 32 a run, of which there are few where residual blocks
// are added point by point.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "core/scratch.h"
#include "problems/residual/residual_structure.h"

namespace kappa::detail {

/// The independent set and, chunk by chunk, its residual blocks.
struct IndependentPlan {
  static constexpr Index widest = 10;         ///< entries of a block of the set
  static constexpr Index chunk_items = 64;    ///< blocks of the set in a chunk
  static constexpr Index chunk_terms = 1024;  ///< residual blocks at which a chunk is closed

  struct Item {
    Index offset;  ///< in x
    const Manifold* manifold;
    int size;
    int tangent;
  };
  /// Blocks [first, first + count) of a family, whose slot `slot` is in the set; the items of the chunk that
  /// they belong to begin at owner[owners].
  struct Run {
    std::int32_t family;
    std::int32_t slot;
    Index first;
    Index count;
    Index owners;
  };

  std::uint64_t layout = 0;  ///< revisions that the plan is of
  std::uint64_t bounds = 0;
  std::vector<Item> items;
  std::vector<Index> first_item;  ///< chunks + 1
  std::vector<Index> first_run;   ///< chunks + 1
  std::vector<Run> runs;
  std::vector<std::uint8_t> owner;
  double work = 0;         ///< of evaluating them all once, in multiply-adds
  int most_residuals = 0;  ///< of a residual block
  Index others = 0;        ///< variable parameter blocks that are not in the set

  Index chunks() const { return static_cast<Index>(first_item.size()) - 1; }
};

/// Throws nothing; the plan has no items where there is no such set.
IndependentPlan plan_independent(const ResidualProblem::Impl& problem, const Layout& layout);

/// One chunk of the set.
class IndependentChunk {
 public:
  IndependentChunk(const ResidualProblem::Impl& problem, const IndependentPlan& plan, Index chunk)
      : problem_(problem),
        layout_(problem.layout()),
        plan_(plan),
        items_(plan.items.data() + plan.first_item[at(chunk)]),
        count_(plan.first_item[at(chunk) + 1] - plan.first_item[at(chunk)]),
        runs_(plan.runs.data() + plan.first_run[at(chunk)]),
        run_count_(plan.first_run[at(chunk) + 1] - plan.first_run[at(chunk)]) {}

  Index size() const { return count_; }
  const IndependentPlan::Item& item(Index i) const { return items_[i]; }

  /// Residual blocks of the chunk, and the number of one among them.
  Index terms() const {
    const IndependentPlan::Run& last = runs_[run_count_ - 1];
    return last.owners + last.count - runs_[0].owners;
  }
  Index term(const IndependentPlan::Run& run, Index local) const {
    return run.owners - runs_[0].owners + local - run.first;
  }

  LossValue loss(const Family& family, Index local, const double* r) const {
    double s = 0;
    for (int k = 0; k < family.residuals; ++k) {
      s += r[k] * r[k];
    }
    if (family.loss.empty()) {
      return {s, 1, 0};
    }
    return problem_.losses[family.loss[at(local)]].evaluate(s);
  }

  /// Evaluates at x the residual blocks of the items for which wanted(number in the chunk) holds, and hands
  /// each to use.take, or use.refuse where its functor refuses. `Use` says what is asked of a family and how
  /// many numbers a residual block answers with. Batches begin where lane groups do, and groups without a
  /// wanted block are left out.
  template <class Wanted, class Use>
  void evaluate(ConstVectorRef x, const Wanted& wanted, const Use& use) const {
    for (Index i = 0; i < run_count_; ++i) {
      const IndependentPlan::Run& run = runs_[i];
      const Family& family = problem_.families[at(run.family)];
      const Index fitting = std::max<Index>(batch_entries / Use::numbers(family), 1);
      const Index most = whole_groups(std::min(fitting, pointers_ / std::max(family.slots, 1)));
      const Index end = run.first + run.count;
      const auto group_end = [&](Index b) { return std::min(b - b % group_blocks + group_blocks, end); };
      const auto group_wanted = [&](Index b) {
        const std::uint8_t* owner = plan_.owner.data() + run.owners - run.first;
        return std::any_of(owner + b, owner + group_end(b), [&](std::uint8_t o) { return wanted(Index{o}); });
      };
      for (Index b = run.first; b < end;) {
        if (!group_wanted(b)) {
          b = group_end(b);
          continue;
        }
        Index last = most < group_blocks ? std::min(b + most, end) : group_end(b);
        while (last < end && group_end(last) - b <= most && group_wanted(last)) {
          last = group_end(last);
        }
        batch(run, family, b, last - b, x, wanted, use);
        b = last;
      }
    }
  }

  /// Adds f_p of each wanted item p to cost[p]; infinity where a functor refuses.
  template <class Wanted>
  void add_costs(ConstVectorRef x, const Wanted& wanted, double* cost) const {
    evaluate(x, wanted, Costs{*this, cost});
  }

 private:
  struct Costs {
    const IndependentChunk& of;
    double* cost;
    static Index numbers(const Family& family) { return family.residuals; }
    static Index ask(const Family& family, const BlockRange& range, double* numbers) {
      return family.terms->values(range, numbers);
    }
    void take(const IndependentPlan::Run&, const Family& family, Index local, Index block, Index,
              const double* numbers, Index owner) const {
      cost[owner] += 0.5 * of.loss(family, local, numbers + block * family.residuals).rho;
    }
    void refuse(Index owner) const { cost[owner] = infinity; }
  };

  /// Of blocks [first, first + count). After a refusal the family is asked for the rest.
  template <class Wanted, class Use>
  void batch(const IndependentPlan::Run& run, const Family& family, Index first, Index count,
             ConstVectorRef x, const Wanted& wanted, const Use& use) const {
    const std::uint8_t* owner = plan_.owner.data() + run.owners - run.first;
    SmallScratch<double, at(batch_entries)> numbers(count * Use::numbers(family));
    SmallScratch<const double*, at(pointers_)> pointers(count * family.slots);
    while (count > 0) {
      problem_.point_at(
          layout_, family, count, [first](Index b) { return first + b; }, x.data(), pointers.data());
      const Index refused = Use::ask(family, {first, count, pointers.data()}, numbers.data());
      const Index good = refused < 0 ? count : refused - first;
      for (Index b = 0; b < good; ++b) {
        if (wanted(Index{owner[first + b]})) {
          use.take(run, family, first + b, b, count, numbers.data(), owner[first + b]);
        }
      }
      if (refused < 0) {
        return;
      }
      if (wanted(Index{owner[refused]})) {
        use.refuse(owner[refused]);
      }
      count -= good + 1;
      first = refused + 1;
    }
  }

  static constexpr Index pointers_ = 512;

  const ResidualProblem::Impl& problem_;
  const Layout& layout_;
  const IndependentPlan& plan_;
  const IndependentPlan::Item* items_;
  Index count_;
  const IndependentPlan::Run* runs_;
  Index run_count_;
};

}  // namespace kappa::detail
