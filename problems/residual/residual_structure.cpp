// Layout, names and faults of a ResidualProblem.
#include "problems/residual/residual_structure.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <map>

namespace kappa {
namespace detail {

void append_chunks(std::int32_t number, const Family& family, Index count, std::vector<BlockChunk>& chunks) {
  constexpr double work_per_chunk = 12e3;
  const Index size = whole_groups(static_cast<Index>(work_per_chunk / value_work(family)));
  for (Index first = 0; first < count; first += size) {
    chunks.push_back({number, first, std::min(size, count - first)});
  }
}

namespace {

std::uint64_t next_revision() {
  static std::atomic<std::uint64_t> last = 0;
  return ++last;
}

/// Of each variable block; empty where none is in a group.
std::vector<std::int32_t> elimination_groups(const ResidualProblem::Impl& problem, const Layout& layout) {
  const std::vector<std::int32_t>& given = problem.elimination_group;
  std::vector<std::int32_t> out;
  if (given.empty()) {
    return out;
  }
  for (const std::int32_t block : layout.parameter) {
    out.push_back(at(block) < given.size() ? given[at(block)] : -1);
  }
  const bool any = std::any_of(out.begin(), out.end(), [](std::int32_t group) { return group >= 0; });
  return any ? out : std::vector<std::int32_t>();
}

/// Groups the blocks of a family by the tangent sizes of their slots.
void append_shapes(const ResidualProblem::Impl& problem, std::int32_t number, Layout& layout) {
  const Family& family = problem.families[at(number)];
  layout.first_shape.push_back(static_cast<std::int32_t>(layout.shapes.size()));
  layout.shape_of.emplace_back();
  if (layout.curved.empty()) {
    layout.shapes.push_back({number, {}, {}});
    return;
  }
  std::map<std::vector<int>, std::int32_t> known;
  std::vector<std::int32_t> shape_of;
  std::vector<int> sizes(at(family.slots));
  for (Index b = 0; b < family.count(); ++b) {
    bool curved = false;
    for (int s = 0; s < family.slots; ++s) {
      const std::int32_t parameter = family.blocks_of(b)[s];
      sizes[at(s)] = static_cast<int>(problem.tangent_size(parameter));
      curved = curved || layout.curved_of[at(parameter)] >= 0;
    }
    const auto [found, fresh] = known.try_emplace(sizes, static_cast<std::int32_t>(layout.shapes.size()));
    if (fresh) {
      layout.shapes.push_back({number, sizes, {}});
    }
    Shape& shape = layout.shapes[at(found->second)];
    shape.local.push_back(static_cast<std::int32_t>(b));
    shape.curved = shape.curved || curved;
    shape_of.push_back(found->second);
  }
  if (known.empty()) {
    layout.shapes.push_back({number, {}, {}});
  } else if (known.size() == 1) {
    layout.shapes.back().local.clear();
  } else {
    layout.shape_of.back() = std::move(shape_of);
  }
}

std::shared_ptr<const Layout> build_layout(const ResidualProblem::Impl& problem) {
  auto layout = std::make_shared<Layout>();
  layout->revision = next_revision();
  const Index parameters = problem.parameter_blocks();
  layout->offset.reserve(at(parameters));
  layout->tangent_offset.reserve(at(parameters));
  layout->curved_of.assign(problem.manifolds.size(), -1);
  layout->variable.reserve(at(parameters));
  layout->parameter.reserve(at(parameters));
  layout->variable_offset.reserve(at(parameters) + 1);
  for (Index i = 0; i < parameters; ++i) {
    if (problem.fixed(i)) {
      layout->offset.push_back(-1);
      layout->tangent_offset.push_back(-1);
      layout->variable.push_back(-1);
      continue;
    }
    if (const Manifold* const manifold = problem.manifold(i)) {
      layout->curved_of[at(i)] = static_cast<std::int32_t>(layout->curved.size());
      layout->curved.push_back({manifold, static_cast<std::int32_t>(i), layout->dimension,
                                layout->tangent_dimension, layout->projections});
      layout->projections += manifold->ambient_size() * manifold->tangent_size();
    }
    layout->offset.push_back(layout->dimension);
    layout->tangent_offset.push_back(layout->tangent_dimension);
    layout->variable.push_back(static_cast<std::int32_t>(layout->parameter.size()));
    layout->parameter.push_back(static_cast<std::int32_t>(i));
    layout->variable_offset.push_back(layout->tangent_dimension);
    layout->dimension += problem.size(i);
    layout->tangent_dimension += problem.tangent_size(i);
  }
  layout->variable_offset.push_back(layout->tangent_dimension);
  layout->elimination_group = elimination_groups(problem, *layout);

  for (std::size_t f = 0; f < problem.families.size(); ++f) {
    const Family& family = problem.families[f];
    append_chunks(static_cast<std::int32_t>(f), family, family.count(), layout->chunks);
    append_shapes(problem, static_cast<std::int32_t>(f), *layout);
    layout->work += value_work(family) * static_cast<double>(family.count());
  }
  if (problem.families.size() == 1) {
    layout->residuals = problem.families.front().count() * problem.families.front().residuals;
    return layout;
  }
  layout->row.resize(problem.families.size());
  for (std::size_t f = 0; f < problem.families.size(); ++f) {
    layout->row[f].resize(problem.families[f].global.size());
  }
  for (const Address& address : problem.blocks) {
    layout->row[at(address.family)][at(address.local)] = layout->residuals;
    layout->residuals += problem.families[at(address.family)].residuals;
  }
  return layout;
}

}  // namespace
}  // namespace detail

using detail::at;
using detail::Fault;

const detail::Layout& ResidualProblem::Impl::layout() const {
  if (const detail::Layout* ready = ready_.load(std::memory_order_acquire)) {
    return *ready;
  }
  return *shared_layout();
}

std::shared_ptr<const detail::Layout> ResidualProblem::Impl::shared_layout() const {
  const std::lock_guard lock(mutex_);
  if (layout_ == nullptr) {
    layout_ = detail::build_layout(*this);
    ready_.store(layout_.get(), std::memory_order_release);
  }
  return layout_;
}

void ResidualProblem::Impl::structure_changed() {
  if (ready_.load(std::memory_order_relaxed) != nullptr) {
    ready_.store(nullptr, std::memory_order_relaxed);
    layout_.reset();
  }
}

std::uint32_t ResidualProblem::Impl::loss_index(const Loss& loss) {
  if (loss.trivial()) {
    return 0;
  }
  if (recent_loss != 0 && losses[recent_loss] == loss) {
    return recent_loss;
  }
  // A problem where nearly every block has a loss of its own is not searched block by block.
  constexpr std::size_t searched = 32;
  const auto end = losses.begin() + static_cast<std::ptrdiff_t>(std::min(searched, losses.size()));
  const auto found = std::find(losses.begin(), end, loss);
  if (found != end) {
    recent_loss = static_cast<std::uint32_t>(found - losses.begin());
  } else {
    recent_loss = static_cast<std::uint32_t>(losses.size());
    losses.push_back(loss);
  }
  return recent_loss;
}

Fault ResidualProblem::Impl::value_fault(const detail::Family& family, Index local, const double* r) const {
  Fault fault;
  for (int k = 0; k < family.residuals; ++k) {
    if (!std::isfinite(r[k])) {
      fault.kind = Fault::Kind::residual;
      fault.residual = k;
      fault.value = r[k];
      fault.block = family.global[at(local)];
      return fault;
    }
  }
  double s = 0;
  for (int k = 0; k < family.residuals; ++k) {
    s += r[k] * r[k];
  }
  const LossValue v = losses[family.loss.empty() ? 0 : family.loss[at(local)]].evaluate(s);
  for (const double number : {v.rho, v.first, v.second}) {
    if (!std::isfinite(number)) {
      fault.kind = Fault::Kind::loss;
      fault.value = s;
      fault.block = family.global[at(local)];
      return fault;
    }
  }
  return fault;
}

std::string ResidualProblem::Impl::given_name(Index block) const {
  if (at(block) < names.size() && !names[at(block)].empty()) {
    return names[at(block)];
  }
  for (const Numbered& range : numbered) {
    if (block >= range.first && block < range.first + range.count) {
      return range.prefix + " " + std::to_string(block - range.first);
    }
  }
  return {};
}

std::string ResidualProblem::Impl::name(ParameterBlock block) const {
  const std::string given = given_name(block.index);
  return given.empty() ? "parameter block " + std::to_string(block.index) : given;
}

std::string ResidualProblem::Impl::off_manifold(Index block, const double* point) const {
  const Manifold& M = *manifold(block);
  const double error = M.departure({point, at(M.ambient_size())});
  std::array<char, 32> figure;
  std::snprintf(figure.data(), figure.size(), "%.3g", error);
  return "parameter block '" + name(ParameterBlock{block}) + "' is not on its manifold, " + M.name() +
         (std::isfinite(error) ? std::string(", but ") + figure.data() + " away from it"
                               : std::string(", nor near it")) +
         "; put it there with Manifold::normalize";
}

std::string ResidualProblem::Impl::name(ResidualBlock block) const {
  const detail::Address address = blocks[at(block.index)];
  const detail::Family& family = families[at(address.family)];
  std::string text = "residual block " + std::to_string(block.index) + " on ";
  // A block of hundreds of parameter blocks is known by its first ones.
  const int named = std::min(family.slots, 4);
  for (int s = 0; s < named; ++s) {
    const Index parameter = family.blocks_of(address.local)[s];
    text += s == 0 ? "" : ", ";
    const std::string given = given_name(parameter);
    text += given.empty() ? name(ParameterBlock{parameter}) : "'" + given + "'";
  }
  return named < family.slots ? text + ", ..." : text;
}

std::string ResidualProblem::Impl::describe(const Fault& fault) const {
  const detail::Address address = blocks[at(fault.block)];
  const detail::Family& family = families[at(address.family)];
  const std::string block = name(ResidualBlock{fault.block});
  const auto entry = [&](Index column) {
    int s = 0;
    while (s + 1 < family.slots && family.column[at(s + 1)] <= column) {
      ++s;
    }
    const ParameterBlock parameter{family.blocks_of(address.local)[s]};
    return "parameter block '" + name(parameter) +
           (manifold(parameter.index) != nullptr ? "', tangent entry " : "', entry ") +
           std::to_string(column - family.column[at(s)]);
  };
  switch (fault.kind) {
    case Fault::Kind::none:
      break;
    case Fault::Kind::refused:
      return block + ": the functor returned false";
    case Fault::Kind::residual:
      return block + ": residual " + std::to_string(fault.residual) + " is " +
             (std::isnan(fault.value) ? "nan"
              : fault.value > 0       ? "inf"
                                      : "-inf");
    case Fault::Kind::loss:
      return block + ": the loss of the squared norm " + std::to_string(fault.value) + " is not finite";
    case Fault::Kind::first_derivative:
      return block + ": the derivative of residual " + std::to_string(fault.residual) + " with respect to " +
             entry(fault.column) + ", is not finite";
    case Fault::Kind::second_derivative:
      return block + ": the second derivative with respect to " + entry(fault.column) + ", and " +
             entry(fault.other_column) + ", is not finite";
  }
  return {};
}

}  // namespace kappa
