#include "problems/residual/independent_blocks.h"

#include <numeric>

#include "core/elimination_group.h"

namespace kappa {
namespace detail {
namespace {

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
        named && problem.size(block) <= IndependentPlan::widest && !bounded(problem, block) ? 1 : 0;
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
                                     const std::vector<char>& in_set, IndependentPlan& plan) {
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
      plan.work += value_work(family);
      plan.most_residuals = std::max(plan.most_residuals, family.residuals);
    }
  });
  plan.first_item.assign(1, 0);
  Index in_chunk = 0;
  for (Index i = 0; i < static_cast<Index>(terms.size()); ++i) {
    if (i - plan.first_item.back() == IndependentPlan::chunk_items ||
        (in_chunk > 0 && in_chunk + terms[at(i)] > IndependentPlan::chunk_terms)) {
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
               IndependentPlan& plan) {
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

}  // namespace

IndependentPlan plan_independent(const ResidualProblem::Impl& problem, const Layout& layout) {
  IndependentPlan out;
  out.layout = layout.revision;
  out.bounds = problem.bounds_revision;
  const std::vector<char> set = independent_set(problem, candidates(problem, layout));
  list_runs(problem, list_items(problem, layout, set, out), out);
  out.others = static_cast<Index>(layout.parameter.size()) - static_cast<Index>(out.items.size());
  return out;
}

}  // namespace detail

std::shared_ptr<const detail::IndependentPlan> ResidualProblem::Impl::independent() const {
  const detail::Layout& structure = layout();
  const std::lock_guard lock(mutex_);
  if (independent_ == nullptr || independent_->layout != structure.revision ||
      independent_->bounds != bounds_revision) {
    independent_ = std::make_shared<detail::IndependentPlan>(detail::plan_independent(*this, structure));
  }
  return independent_;
}

}  // namespace kappa
