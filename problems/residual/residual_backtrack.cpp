// Backtracking block by block: after a step each block of an independent set (independent_blocks.h), such as
// a point of a bundle, is taken back along its own part of the step where that part went astray.
//
// A residual of perspective has a pole where a point meets the plane of a camera. A point whose depth is
// uncertain gets a long step that may end beyond the pole, behind the camera, at a cost that is lower than
// where it came from, and it never comes back: such points, not noise, are what keeps long bundles from their
// minimum. The value of the whole does not show it, since thousands of points have improved.
//
// With the other blocks at the trial point, the residuals of a block are looked at for t = 0, 1/2, 1 along
// its part of the step. Perspective is linear-fractional along a line, r(t) = a + b / (t - u), so that
//
//   |r(0) - 2 r(1/2) + r(1)| / |r(1) - r(0)| = 1 / |1 - 2 u|
//
// is above 1 if and only if the pole u lies between 0 and 1, and tells where. Of blocks for which this, or
// nearly this, holds, or whose cost f_p has risen, f_p is sampled at the eighths of the way, or of the way to
// the first pole, and the best sample is taken, which is no worse than staying.
//
// It is done where at least 100 blocks tie at least twice as many together. In bundles of a few dozen cameras
// no point was seen to go astray for good, and a step takes so little time there that this costs a third of
// it. Cost: three evaluations of residuals without derivatives, and seven of the few blocks that are sampled.
#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>

#include "core/parallel.h"
#include "problems/residual/independent_blocks.h"

namespace kappa {
namespace detail {
namespace {

constexpr std::size_t widest = static_cast<std::size_t>(IndependentPlan::widest);
constexpr int samples = 8;  // of the way, for parts that went astray
/// Residuals whose way bends by less than this share of its length, squared, come near no pole.
constexpr double straight = 0.8;
/// Residuals that bend by less than this share of their size, squared, are left alone.
constexpr double matters = 1e-6;
constexpr Index fewest = 100;  // blocks that tie the set together

class BacktrackedChunk {
 public:
  BacktrackedChunk(const ResidualProblem::Impl& problem, const IndependentPlan& plan, Index chunk,
                   ConstVectorRef from, VectorRef x)
      : blocks_(problem, plan, chunk),
        from_(from),
        x_(x),
        residuals_(plan.most_residuals),
        at_start_(blocks_.terms() * residuals_),
        at_half_(blocks_.terms() * residuals_) {}

  /// Returns how many blocks were taken back.
  Index run() {
    find_steps();
    residuals_at(0, start_, Along{*this, at_start_.data(), nullptr});
    residuals_at(0.5, half_, Along{*this, at_half_.data(), nullptr});
    end_of_way_.fill(infinity);
    residuals_at(1, full_, Along{*this, nullptr, end_of_way_.data()});
    for (Index i = 0; i < blocks_.size(); ++i) {
      const bool pole = end_of_way_[at(i)] < infinity;
      astray_[at(i)] = pole || !(full_[at(i)] <= start_[at(i)]) ? 1 : 0;
      end_of_way_[at(i)] = pole ? end_of_way_[at(i)] : 1;
    }
    sample();
    Index taken_back = 0;
    for (Index i = 0; i < blocks_.size(); ++i) {
      const double fraction = astray_[at(i)] == 0 ? 1 : fraction_[at(i)];
      move(i, fraction);
      taken_back += fraction < 1 ? 1 : 0;
    }
    return taken_back;
  }

 private:
  static constexpr std::size_t items_ = static_cast<std::size_t>(IndependentPlan::chunk_items);
  using Costs = std::array<double, items_>;

  void find_steps() {
    for (Index i = 0; i < blocks_.size(); ++i) {
      const IndependentPlan::Item& item = blocks_.item(i);
      const ConstVectorRef from = from_.subspan(at(item.offset), at(item.size));
      const VectorRef x = x_.subspan(at(item.offset), at(item.size));
      std::copy(x.begin(), x.end(), end_[at(i)].begin());
      if (item.manifold != nullptr) {
        item.manifold->minus(x, from, VectorRef(step_[at(i)].data(), at(item.tangent)));
      } else {
        std::transform(x.begin(), x.end(), from.begin(), step_[at(i)].begin(), std::minus<>());
      }
    }
  }

  void move(Index i, double fraction) {
    const IndependentPlan::Item& item = blocks_.item(i);
    const ConstVectorRef from = from_.subspan(at(item.offset), at(item.size));
    const VectorRef x = x_.subspan(at(item.offset), at(item.size));
    if (fraction == 1) {
      std::copy_n(end_[at(i)].begin(), item.size, x.begin());
    } else if (item.manifold != nullptr) {
      std::array<double, widest> part;
      for (int k = 0; k < item.tangent; ++k) {
        part[at(k)] = fraction * step_[at(i)][at(k)];
      }
      item.manifold->plus(from, {part.data(), at(item.tangent)}, x);
    } else {
      for (std::size_t k = 0; k < x.size(); ++k) {
        x[k] = from[k] + fraction * step_[at(i)][k];
      }
    }
  }

  /// Costs at a point of the way, and with them the residuals, kept or compared.
  struct Along {
    BacktrackedChunk& of;
    double* keep;
    double* pole;
    double* cost = nullptr;

    static Index numbers(const Family& family) { return family.residuals; }
    static Index ask(const Family& family, const BlockRange& range, double* numbers) {
      return family.terms->values(range, numbers);
    }
    void take(const IndependentPlan::Run& run, const Family& family, Index local, Index block, Index,
              const double* numbers, Index owner) const {
      const double* r = numbers + block * family.residuals;
      cost[owner] += 0.5 * of.blocks_.loss(family, local, r).rho;
      const Index begin = of.blocks_.term(run, local) * of.residuals_;
      if (keep != nullptr) {
        std::copy_n(r, family.residuals, keep + begin);
      } else {
        pole[owner] = std::min(pole[owner], first_pole(of.at_start_.data() + begin,
                                                       of.at_half_.data() + begin, r, family.residuals));
      }
    }
    void refuse(Index owner) const { cost[owner] = infinity; }
  };

  /// Where on the way the residuals have a pole, or infinity where they have none that matters.
  static double first_pole(const double* start, const double* half, const double* end, int residuals) {
    double change = 0;
    double bend = 0;
    double size = 0;
    double along = 0;
    for (int k = 0; k < residuals; ++k) {
      const double first = end[k] - start[k];
      const double second = start[k] - 2 * half[k] + end[k];
      change += first * first;
      bend += second * second;
      along += first * second;
      size += start[k] * start[k];
    }
    if (!(bend > straight * change && bend > matters * size)) {
      return infinity;
    }
    return std::clamp(0.5 * (1 + along / bend), 0.0, 1.0);
  }

  void residuals_at(double fraction, Costs& costs, Along along) {
    for (Index i = 0; i < blocks_.size(); ++i) {
      move(i, fraction);
    }
    costs.fill(0);
    along.cost = costs.data();
    blocks_.evaluate(
        x_, [](Index) { return true; }, along);
  }

  /// The best of the way's eighths, its end left out.
  void sample() {
    const auto wanted = [&](Index i) { return astray_[at(i)] != 0; };
    best_ = start_;
    fraction_.fill(0);
    for (int k = 1; k < samples; ++k) {
      for (Index i = 0; i < blocks_.size(); ++i) {
        if (wanted(i)) {
          move(i, end_of_way_[at(i)] * k / samples);
        }
      }
      costs_.fill(0);
      blocks_.add_costs(x_, wanted, costs_.data());
      for (Index i = 0; i < blocks_.size(); ++i) {
        if (wanted(i) && costs_[at(i)] < best_[at(i)]) {
          best_[at(i)] = costs_[at(i)];
          fraction_[at(i)] = end_of_way_[at(i)] * k / samples;
        }
      }
    }
  }

  IndependentChunk blocks_;
  ConstVectorRef from_;
  VectorRef x_;
  Index residuals_;  ///< room for those of one residual block
  Scratch<double> at_start_, at_half_;
  std::array<std::array<double, widest>, items_> end_;   ///< where the step led
  std::array<std::array<double, widest>, items_> step_;  ///< in tangent entries
  std::array<char, items_> astray_;
  Costs start_, half_, full_, costs_;
  Costs best_, fraction_;
  Costs end_of_way_;  ///< 1, or the first pole
};

}  // namespace
}  // namespace detail

std::optional<Index> ResidualProblem::backtrack(ConstVectorRef from, VectorRef x,
                                                const Interrupt* interrupt) const {
  expects(static_cast<Index>(x.size()) == dimension() && from.size() == x.size(),
          "ResidualProblem::backtrack: both points must be dimension() long");
  const std::shared_ptr<const detail::IndependentPlan> plan = impl_->independent();
  const auto blocks = static_cast<Index>(plan->items.size());
  if (plan->others < detail::fewest || blocks < 2 * plan->others) {
    return std::nullopt;
  }
  detail::Scratch<Index> taken_back(plan->chunks());
  Index* const counts = taken_back.data();
  detail::for_each_chunk(plan->chunks(), 3 * plan->work, [&](Index c) {
    const bool stop = interrupt != nullptr && interrupt->requested();
    counts[c] = stop ? 0 : detail::BacktrackedChunk(*impl_, *plan, c, from, x).run();
  });
  return std::accumulate(counts, counts + plan->chunks(), Index{0});
}

}  // namespace kappa
