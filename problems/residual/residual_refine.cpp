// Inner iterations: with all other blocks fixed, the parameter blocks of an independent set are problems of
// their own, each of which minimises
//
//   f_p(x_p) = 1/2 sum over its residual blocks b of rho_b(|r_b|^2)
//
// by damped Gauss-Newton steps  (A + lambda diag A) d = -g,  A = sum rho' J'J,  g = sum rho' J'r.  A step
// that does not lower f_p is taken back, so f never grows.
//
// Use it where a few blocks tie many small ones together, as cameras do with points: the linear step of a
// point is poor where its depth is uncertain, and re-solving it costs little beside a factorization.
//
// The set is cut into chunks by structure alone. The residual blocks of a chunk are handed to their families
// in runs as long as possible, so that they are evaluated in lanes, once with derivatives and once without
// for each step; blocks that are done are left out group by group. The derivatives of the fixed blocks are
// computed too and not used. Cost: per step about two evaluations of residuals with Jacobian and one without,
// over the blocks that still move. Memory: a byte a residual block and 32 a run, of which there are few
// where residual blocks are added point by point.
//
// References: Ruhe & Wedin, Algorithms for separable nonlinear least squares problems, SIAM Review 22, 1980
// (algorithm 2 re-solves the linear variables exactly); Jeong, Nister, Steedly, Szeliski & Kweon, Pushing the
// envelope of modern methods for bundle adjustment, IEEE PAMI 34, 2012, sec. 3.4 (embedded point iterations).
#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>

#include "core/elimination_group.h"
#include "core/parallel.h"
#include "core/scratch.h"
#include "problems/residual/residual_structure.h"

namespace kappa {
namespace detail {

/// The independent set and, chunk by chunk, its residual blocks.
struct RefinementPlan {
  static constexpr Index widest = 10;         ///< entries of a block that is re-solved
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
  double work = 0;  ///< of one step of all, in multiply-adds

  Index chunks() const { return static_cast<Index>(first_item.size()) - 1; }
};

namespace {

constexpr std::size_t widest = static_cast<std::size_t>(RefinementPlan::widest);

/// visit(family number, local number) for every residual block, family by family.
template <class Visit>
void for_each_term(const ResidualProblem::Impl& problem, const Visit& visit) {
  for (std::size_t f = 0; f < problem.families.size(); ++f) {
    for (Index b = 0; b < problem.families[f].count(); ++b) {
      visit(static_cast<std::int32_t>(f), b);
    }
  }
}

bool bounded(const ResidualProblem::Impl& problem, Index block) {
  for (Index i = problem.start[at(block)]; i < problem.start[at(block) + 1]; ++i) {
    if (at(i) < problem.lower.size() &&
        (problem.lower[at(i)] > -infinity || problem.upper[at(i)] < infinity)) {
      return true;
    }
  }
  return false;
}

/// Which parameter blocks may be in the set: variable, small, without bounds, and of the lowest elimination
/// group where there is one.
std::vector<char> candidates(const ResidualProblem::Impl& problem, const Layout& layout) {
  const std::vector<std::int32_t>& group = layout.elimination_group;
  const std::int32_t lowest = lowest_group(group);
  std::vector<char> out(at(problem.parameter_blocks()), 0);
  for (std::size_t v = 0; v < layout.parameter.size(); ++v) {
    const Index block = layout.parameter[v];
    const bool named = lowest < 0 || group[v] == lowest;
    out[at(block)] =
        named && problem.size(block) <= RefinementPlan::widest && !bounded(problem, block) ? 1 : 0;
  }
  return out;
}

/// Takes candidates greedily, those in the fewest residual blocks first, and puts a block out where one that
/// it shares a residual block with has been taken.
std::vector<char> independent_set(const ResidualProblem::Impl& problem, std::vector<char> may) {
  std::vector<std::int32_t> count(may.size(), 0);
  for_each_term(problem, [&](std::int32_t f, Index b) {
    const Family& family = problem.families[at(f)];
    for (int s = 0; s < family.slots; ++s) {
      ++count[at(family.blocks_of(b)[s])];
    }
  });
  std::vector<std::size_t> start(may.size() + 1, 0);
  std::partial_sum(count.begin(), count.end(), start.begin() + 1, std::plus<std::size_t>());
  std::vector<std::int32_t> term(start.back());
  std::vector<Address> address;
  {
    std::vector<std::size_t> to(start.begin(), start.end() - 1);
    for_each_term(problem, [&](std::int32_t f, Index b) {
      const Family& family = problem.families[at(f)];
      for (int s = 0; s < family.slots; ++s) {
        term[to[at(family.blocks_of(b)[s])]++] = static_cast<std::int32_t>(address.size());
      }
      address.push_back({f, static_cast<std::int32_t>(b)});
    });
  }
  std::vector<std::int32_t> order(may.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [&](std::int32_t a, std::int32_t b) { return count[at(a)] < count[at(b)]; });
  std::vector<char> taken(address.size(), 0);
  for (const std::int32_t block : order) {
    const auto* begin = term.data() + start[at(block)];
    const auto* end = term.data() + start[at(block) + 1];
    may[at(block)] = may[at(block)] != 0 && begin != end &&
                             std::none_of(begin, end, [&](std::int32_t t) { return taken[at(t)] != 0; })
                         ? 1
                         : 0;
    for (const auto* t = begin; t != end && may[at(block)] != 0; ++t) {
      taken[at(*t)] = 1;
    }
  }
  return may;
}

/// The slot of a residual block that is in the set, or -1.
int slot_in(const Family& family, Index b, const std::vector<std::int32_t>& item_of) {
  for (int s = 0; s < family.slots; ++s) {
    if (item_of[at(family.blocks_of(b)[s])] >= 0) {
      return s;
    }
  }
  return -1;
}

/// Numbers the blocks of the set in the order in which residual blocks name them, which keeps runs long, and
/// cuts them into chunks.
std::vector<std::int32_t> list_items(const ResidualProblem::Impl& problem, const Layout& layout,
                                     const std::vector<char>& in_set, RefinementPlan& plan) {
  std::vector<std::int32_t> item_of(in_set.size(), -1);
  std::vector<Index> terms;
  for_each_term(problem, [&](std::int32_t f, Index b) {
    const Family& family = problem.families[at(f)];
    for (int s = 0; s < family.slots; ++s) {
      const std::int32_t block = family.blocks_of(b)[s];
      if (in_set[at(block)] == 0) {
        continue;
      }
      if (item_of[at(block)] < 0) {
        item_of[at(block)] = static_cast<std::int32_t>(plan.items.size());
        plan.items.push_back({layout.offset[at(block)], problem.manifold(block),
                              static_cast<int>(problem.size(block)),
                              static_cast<int>(problem.tangent_size(block))});
        terms.push_back(0);
      }
      ++terms[at(item_of[at(block)])];
      plan.work += 4 * value_work(family);
    }
  });
  plan.first_item.assign(1, 0);
  Index in_chunk = 0;
  for (Index i = 0; i < static_cast<Index>(terms.size()); ++i) {
    if (i - plan.first_item.back() == RefinementPlan::chunk_items ||
        (in_chunk > 0 && in_chunk + terms[at(i)] > RefinementPlan::chunk_terms)) {
      plan.first_item.push_back(i);
      in_chunk = 0;
    }
    in_chunk += terms[at(i)];
  }
  if (!terms.empty()) {
    plan.first_item.push_back(static_cast<Index>(terms.size()));
  }
  return item_of;
}

/// Hands the residual blocks to the chunks and joins neighbours into runs.
void list_runs(const ResidualProblem::Impl& problem, const std::vector<std::int32_t>& item_of,
               RefinementPlan& plan) {
  std::vector<std::int32_t> chunk_of;
  for (Index c = 0; c < plan.chunks(); ++c) {
    chunk_of.insert(chunk_of.end(), at(plan.first_item[at(c) + 1] - plan.first_item[at(c)]),
                    static_cast<std::int32_t>(c));
  }
  const auto item = [&](const Family& family, Index b, int slot) {
    return item_of[at(family.blocks_of(b)[slot])];
  };
  std::vector<Index> start(at(plan.chunks()) + 1, 0);
  for_each_term(problem, [&](std::int32_t f, Index b) {
    const Family& family = problem.families[at(f)];
    if (const int slot = slot_in(family, b, item_of); slot >= 0) {
      ++start[at(chunk_of[at(item(family, b, slot))]) + 1];
    }
  });
  std::partial_sum(start.begin(), start.end(), start.begin());
  std::vector<Address> terms(at(start.back()));
  std::vector<Index> to(start.begin(), start.end() - 1);
  for_each_term(problem, [&](std::int32_t f, Index b) {
    const Family& family = problem.families[at(f)];
    if (const int slot = slot_in(family, b, item_of); slot >= 0) {
      terms[at(to[at(chunk_of[at(item(family, b, slot))])]++)] = {f, static_cast<std::int32_t>(b)};
    }
  });
  plan.owner.resize(terms.size());
  plan.first_run.assign(1, 0);
  for (Index c = 0; c < plan.chunks(); ++c) {
    for (Index t = start[at(c)]; t < start[at(c) + 1]; ++t) {
      const Address address = terms[at(t)];
      const Family& family = problem.families[at(address.family)];
      const int slot = slot_in(family, address.local, item_of);
      plan.owner[at(t)] =
          static_cast<std::uint8_t>(item(family, address.local, slot) - plan.first_item[at(c)]);
      const bool joins = static_cast<Index>(plan.runs.size()) > plan.first_run.back() &&
                         plan.runs.back().family == address.family && plan.runs.back().slot == slot &&
                         plan.runs.back().first + plan.runs.back().count == address.local;
      if (joins) {
        ++plan.runs.back().count;
      } else {
        plan.runs.push_back({address.family, slot, address.local, 1, t});
      }
    }
    plan.first_run.push_back(static_cast<Index>(plan.runs.size()));
  }
}

/// One block of the set while it is re-solved.
struct Inner {
  enum class State : std::uint8_t {
    differentiate,  ///< A, g and cost are to be computed at the point
    retry,          ///< they are known, and the last step has been taken back
    done
  };
  State state;
  double damping;
  double cost;   ///< at the point the step is from
  double trial;  ///< at its end
  double x[widest];
  double g[widest];
  double A[widest * (widest + 1) / 2];  ///< packed lower triangle
};

/// The first damping, relative to the diagonal of A, and its changes: small enough for fast convergence,
/// large enough for points whose depth is barely determined.
constexpr double first_damping = 1e-4;
constexpr double least_damping = 1e-12;
constexpr double fall = 0.1;
constexpr double rise = 10;
/// A block whose step is predicted to gain less than this part of its cost is done.
constexpr double worthwhile_gain = 1e-6;

/// Solves (A + damping diag A) d = -g by a packed Cholesky factor. Returns the predicted decrease
/// -(g'd + d'Ad/2), or a NaN where the matrix is not positive definite.
double damped_step(const Inner& inner, int n, double* d) {
  std::array<double, widest*(widest + 1) / 2> L;
  double largest = 0;
  for (int i = 0; i < n; ++i) {
    largest = std::max(largest, inner.A[i * (i + 1) / 2 + i]);
  }
  const auto weight = [&](int i) {
    // A variable that nothing depends on stays where it is.
    return std::max(inner.A[i * (i + 1) / 2 + i], epsilon * largest);
  };
  for (int i = 0; i < n; ++i) {
    double* Li = L.data() + i * (i + 1) / 2;
    for (int j = 0; j <= i; ++j) {
      const double* Lj = L.data() + j * (j + 1) / 2;
      double sum = inner.A[i * (i + 1) / 2 + j] + (i == j ? inner.damping * weight(i) : 0.0);
      for (int k = 0; k < j; ++k) {
        sum -= Li[k] * Lj[k];
      }
      if (i == j) {
        if (!(sum > 0)) {
          return std::nan("");
        }
        Li[i] = std::sqrt(sum);
      } else {
        Li[j] = sum / Lj[j];
      }
    }
    double sum = -inner.g[i];
    for (int k = 0; k < i; ++k) {
      sum -= Li[k] * d[k];
    }
    d[i] = sum / Li[i];
  }
  for (int i = n - 1; i >= 0; --i) {
    double sum = d[i];
    for (int k = i + 1; k < n; ++k) {
      sum -= L[at(k * (k + 1) / 2 + i)] * d[k];
    }
    d[i] = sum / L[at(i * (i + 1) / 2 + i)];
  }
  double decrease = 0;  // -g'd/2 + damping d'Wd/2, since Ad = -g - damping Wd
  for (int i = 0; i < n; ++i) {
    decrease += 0.5 * d[i] * (inner.damping * weight(i) * d[i] - inner.g[i]);
  }
  return decrease;
}

/// A += w row'row, g += w u row.
template <int Size>
void add_row(const double* row, int size, double w, double u, Inner& to) {
  const int n = Size != 0 ? Size : size;
  double* A = to.A;
  for (int i = 0; i < n; ++i) {
    const double wi = w * row[i];
    to.g[i] += u * wi;
    for (int j = 0; j <= i; ++j) {
      *A++ += wi * row[j];
    }
  }
}

/// The blocks of one chunk.
class RefinedChunk {
 public:
  RefinedChunk(const ResidualProblem::Impl& problem, const Layout& layout, const RefinementPlan& plan,
               Index chunk, VectorRef x)
      : problem_(problem),
        layout_(layout),
        plan_(plan),
        x_(x),
        items_(plan.items.data() + plan.first_item[at(chunk)]),
        count_(plan.first_item[at(chunk) + 1] - plan.first_item[at(chunk)]),
        runs_(plan.runs.data() + plan.first_run[at(chunk)]),
        run_count_(plan.first_run[at(chunk) + 1] - plan.first_run[at(chunk)]) {}

  /// Returns by how much the cost of all blocks fell.
  double run(Index steps) {
    for (Index i = 0; i < count_; ++i) {
      inner_[at(i)].state = Inner::State::differentiate;
      inner_[at(i)].damping = first_damping;
    }
    double gain = 0;
    for (Index step = 0; step < steps; ++step) {
      differentiate();
      if (!move()) {
        break;
      }
      evaluate([](const Inner& inner) { return inner.state != Inner::State::done; }, Values{*this});
      for (Index i = 0; i < count_; ++i) {
        gain += judge(items_[i], inner_[at(i)]);
      }
    }
    return gain;
  }

 private:
  static constexpr Index pointers_ = 512;

  VectorRef point(const RefinementPlan::Item& item) const {
    return x_.subspan(at(item.offset), at(item.size));
  }

  void differentiate() {
    for (Index i = 0; i < count_; ++i) {
      Inner& inner = inner_[at(i)];
      if (inner.state == Inner::State::differentiate) {
        inner.cost = 0;
        std::fill(inner.g, inner.g + widest, 0.0);
        std::fill(inner.A, inner.A + widest * (widest + 1) / 2, 0.0);
        if (items_[i].manifold != nullptr) {
          items_[i].manifold->plus_jacobian(point(items_[i]), {tangents_[at(i)].data(), items_[i].size,
                                                               items_[i].tangent, RefinementPlan::widest});
        }
      }
    }
    evaluate([](const Inner& inner) { return inner.state == Inner::State::differentiate; },
             Differentials{*this});
  }

  /// Moves each block that has a step worth making; false where none has.
  bool move() {
    bool any = false;
    for (Index i = 0; i < count_; ++i) {
      Inner& inner = inner_[at(i)];
      if (inner.state != Inner::State::done) {
        inner.state = step(items_[i], inner) ? Inner::State::retry : Inner::State::done;
        any = any || inner.state != Inner::State::done;
      }
    }
    return any;
  }

  bool step(const RefinementPlan::Item& item, Inner& inner) const {
    double d[widest];
    const double predicted = damped_step(inner, item.tangent, d);
    if (!(std::isfinite(inner.cost) && std::isfinite(predicted) &&
          predicted > worthwhile_gain * inner.cost)) {
      return false;
    }
    const VectorRef x = point(item);
    std::copy(x.begin(), x.end(), inner.x);
    if (item.manifold != nullptr) {
      item.manifold->plus(x, {d, at(item.tangent)}, x);
    } else {
      for (int k = 0; k < item.size; ++k) {
        x[at(k)] += d[k];
      }
    }
    inner.trial = 0;
    return true;
  }

  /// Keeps the step or takes it back; returns by how much it lowered the cost.
  double judge(const RefinementPlan::Item& item, Inner& inner) const {
    if (inner.state == Inner::State::done) {
      return 0;
    }
    if (inner.trial < inner.cost) {
      inner.state = Inner::State::differentiate;
      inner.damping = std::max(inner.damping * fall, least_damping);
      return inner.cost - inner.trial;
    }
    std::copy_n(inner.x, item.size, point(item).begin());
    inner.damping *= rise;
    return 0;
  }

  /// What is asked of a family, and what becomes of its answer.
  struct Values {
    RefinedChunk& of;
    static Index numbers(const Family& family) { return family.residuals; }
    static Index ask(const Family& family, const BlockRange& range, double* numbers) {
      return family.terms->values(range, numbers);
    }
    void take(const RefinementPlan::Run&, const Family& family, Index local, Index block, Index,
              const double* numbers, Index owner) const {
      of.inner_[at(owner)].trial += 0.5 * of.loss(family, local, numbers + block * family.residuals).rho;
    }
    void refuse(Index owner) const { of.inner_[at(owner)].trial = infinity; }
  };
  struct Differentials {
    RefinedChunk& of;
    static Index numbers(const Family& family) { return family.residuals * (1 + Index{family.columns}); }
    static Index ask(const Family& family, const BlockRange& range, double* numbers) {
      return family.terms->jacobians(range, numbers, numbers + range.count * family.residuals);
    }
    void take(const RefinementPlan::Run& run, const Family& family, Index local, Index block, Index count,
              const double* numbers, Index owner) const {
      const Index R = family.residuals;
      const double* r = numbers + block * R;
      const double* J = numbers + (count + block * family.columns) * R + family.column[at(run.slot)];
      const LossValue rho = of.loss(family, local, r);
      of.inner_[at(owner)].cost += 0.5 * rho.rho;
      for (Index k = 0; k < R; ++k) {
        of.add(owner, J + k * family.columns, rho.first, r[k]);
      }
    }
    void refuse(Index owner) const { of.inner_[at(owner)].cost = infinity; }
  };

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

  void add(Index owner, const double* row, double w, double u) {
    const RefinementPlan::Item& item = items_[owner];
    Inner& to = inner_[at(owner)];
    if (item.manifold != nullptr) {
      std::array<double, widest> projected;
      for (int j = 0; j < item.tangent; ++j) {
        const double* column = tangents_[at(owner)].data() + j * RefinementPlan::widest;
        projected[at(j)] = std::inner_product(row, row + item.size, column, 0.0);
      }
      add_row<0>(projected.data(), item.tangent, w, u, to);
    } else if (item.size == 3) {
      add_row<3>(row, 3, w, u, to);
    } else {
      add_row<0>(row, item.size, w, u, to);
    }
  }

  /// Asks for the residual blocks of all blocks in the states that `wanted` names. Batches begin where lane
  /// groups do, and groups without a wanted block are left out.
  template <class Wanted, class Use>
  void evaluate(const Wanted& wanted, const Use& use) {
    for (Index i = 0; i < run_count_; ++i) {
      const RefinementPlan::Run& run = runs_[i];
      const Family& family = problem_.families[at(run.family)];
      const Index fitting = std::max<Index>(batch_entries / Use::numbers(family), 1);
      const Index most = whole_groups(std::min(fitting, pointers_ / std::max(family.slots, 1)));
      const Index end = run.first + run.count;
      const auto group_end = [&](Index b) { return std::min(b - b % group_blocks + group_blocks, end); };
      const auto group_wanted = [&](Index b) {
        const std::uint8_t* owner = plan_.owner.data() + run.owners - run.first;
        return std::any_of(owner + b, owner + group_end(b),
                           [&](std::uint8_t o) { return wanted(inner_[o]); });
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
        batch(run, family, b, last - b, wanted, use);
        b = last;
      }
    }
  }

  /// Of blocks [first, first + count). After a refusal the family is asked for the rest.
  template <class Wanted, class Use>
  void batch(const RefinementPlan::Run& run, const Family& family, Index first, Index count,
             const Wanted& wanted, const Use& use) {
    const std::uint8_t* owner = plan_.owner.data() + run.owners - run.first;
    SmallScratch<double, at(batch_entries)> numbers(count * Use::numbers(family));
    SmallScratch<const double*, at(pointers_)> pointers(count * family.slots);
    while (count > 0) {
      problem_.point_at(
          layout_, family, count, [first](Index b) { return first + b; }, x_.data(), pointers.data());
      const Index refused = Use::ask(family, {first, count, pointers.data()}, numbers.data());
      const Index good = refused < 0 ? count : refused - first;
      for (Index b = 0; b < good; ++b) {
        if (wanted(inner_[owner[first + b]])) {
          use.take(run, family, first + b, b, count, numbers.data(), owner[first + b]);
        }
      }
      if (refused < 0) {
        return;
      }
      if (wanted(inner_[owner[refused]])) {
        use.refuse(owner[refused]);
      }
      count -= good + 1;
      first = refused + 1;
    }
  }

  const ResidualProblem::Impl& problem_;
  const Layout& layout_;
  const RefinementPlan& plan_;
  VectorRef x_;
  const RefinementPlan::Item* items_;
  Index count_;
  const RefinementPlan::Run* runs_;
  Index run_count_;
  std::array<Inner, at(RefinementPlan::chunk_items)> inner_;
  /// The Jacobians of plus of blocks on manifolds, column-major with stride `widest`.
  std::array<std::array<double, widest * widest>, at(RefinementPlan::chunk_items)> tangents_;
};

}  // namespace
}  // namespace detail

std::shared_ptr<const detail::RefinementPlan> ResidualProblem::Impl::refinement() const {
  const detail::Layout& structure = layout();
  const std::lock_guard lock(mutex_);
  if (refinement_ == nullptr || refinement_->layout != structure.revision ||
      refinement_->bounds != bounds_revision) {
    auto plan = std::make_shared<detail::RefinementPlan>();
    plan->layout = structure.revision;
    plan->bounds = bounds_revision;
    const std::vector<char> set = detail::independent_set(*this, detail::candidates(*this, structure));
    detail::list_runs(*this, detail::list_items(*this, structure, set, *plan), *plan);
    refinement_ = std::move(plan);
  }
  return refinement_;
}

std::optional<double> ResidualProblem::refine(VectorRef x, Index steps, const Interrupt* interrupt) const {
  expects(static_cast<Index>(x.size()) == dimension(), "ResidualProblem::refine: x is not dimension() long");
  const std::shared_ptr<const detail::RefinementPlan> plan = impl_->refinement();
  if (plan->chunks() == 0) {
    return std::nullopt;
  }
  detail::Scratch<double> gain(plan->chunks());
  double* const gains = gain.data();
  detail::for_each_chunk(plan->chunks(), plan->work * static_cast<double>(steps), [&](Index c) {
    const bool stop = interrupt != nullptr && interrupt->requested();
    gains[c] = stop ? 0.0 : detail::RefinedChunk(*impl_, impl_->layout(), *plan, c, x).run(steps);
  });
  return std::accumulate(gains, gains + plan->chunks(), 0.0);
}

}  // namespace kappa
