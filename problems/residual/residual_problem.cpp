// ResidualProblem: adding blocks, values, and what an evaluation asks of the linearization.
#include <algorithm>
#include <array>
#include <cmath>

#include "core/parallel.h"
#include "core/scratch.h"
#include "problems/residual/residual_linearization.h"
#include "problems/residual/residual_structure.h"
#include "problems/residual/tangent_spaces.h"

namespace kappa {

using detail::at;
using detail::BlockChunk;
using detail::Family;
using detail::Fault;
using detail::FaultRecord;
using detail::Layout;

namespace {

std::string list_of(std::span<const int> sizes) {
  std::string text;
  for (std::size_t s = 0; s < sizes.size(); ++s) {
    text += (s == 0 ? "" : ", ") + std::to_string(sizes[s]);
  }
  return text;
}

/// The first of `blocks` that does not fit, in words; called when it is known that there is one.
std::string misfit(const ResidualProblem::Impl& problem, const ResidualFamily& family,
                   std::span<const ParameterBlock> blocks) {
  const std::string start = "ResidualProblem::add: residual block " + std::to_string(problem.blocks.size());
  const std::span<const int> sizes = family.sizes();
  if (sizes.size() != blocks.size()) {
    return start + " is given " + std::to_string(blocks.size()) + " parameter blocks, but its term takes " +
           std::to_string(sizes.size()) + " (of sizes " + list_of(sizes) + ")";
  }
  for (std::size_t s = 0; s < blocks.size(); ++s) {
    const Index index = blocks[s].index;
    const std::string position = " at position " + std::to_string(s);
    if (index < 0 || index >= problem.parameter_blocks()) {
      return start + position + " names parameter block " + std::to_string(index) + ", but the problem has " +
             std::to_string(problem.parameter_blocks()) + "; use what add_parameters returned";
    }
    if (problem.size(index) != sizes[s]) {
      return start + position + " has parameter block '" + problem.name(blocks[s]) + "' of size " +
             std::to_string(problem.size(index)) + ", but the term takes size " + std::to_string(sizes[s]) +
             " there (its sizes are " + list_of(sizes) + ")";
    }
    for (std::size_t t = 0; t < s; ++t) {
      if (blocks[t].index == index) {
        return start + " has parameter block '" + problem.name(blocks[s]) + "' at positions " +
               std::to_string(t) + " and " + std::to_string(s) + "; write a functor that takes it once";
      }
    }
  }
  return start + " does not fit";
}

bool fits(const ResidualProblem::Impl& problem, const Family& family,
          std::span<const ParameterBlock> blocks) {
  if (static_cast<int>(blocks.size()) != family.slots) {
    return false;
  }
  for (std::size_t s = 0; s < blocks.size(); ++s) {
    const Index index = blocks[s].index;
    if (index < 0 || index >= problem.parameter_blocks() || problem.size(index) != family.sizes[s]) {
      return false;
    }
    for (std::size_t t = 0; t < s; ++t) {
      if (blocks[t].index == index) {
        return false;
      }
    }
  }
  return true;
}

void expect_handle(const ResidualProblem::Impl& problem, ParameterBlock block, const char* where) {
  if (block.index < 0 || block.index >= problem.parameter_blocks()) {
    throw Error(std::string("ResidualProblem::") + where + ": there is no parameter block " +
                std::to_string(block.index) + " in a problem of " +
                std::to_string(problem.parameter_blocks()) + "; use what add_parameters returned");
  }
}

void expect_finite(ConstVectorRef values, const std::string& block, const char* where) {
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (!std::isfinite(values[i])) {
      throw Error(std::string("ResidualProblem::") + where + ": parameter block '" + block + "', entry " +
                  std::to_string(i) + " is " + std::to_string(values[i]) + "; start values must be finite");
    }
  }
}

/// The values as a point of the manifold, if they are near enough to one.
std::vector<double> on_manifold(const Manifold* manifold, ConstVectorRef values, const std::string& block,
                                const char* where) {
  std::vector<double> point(values.begin(), values.end());
  if (manifold == nullptr) {
    return point;
  }
  const std::string start = std::string("ResidualProblem::") + where + ": parameter block '" + block + "'";
  if (static_cast<Index>(values.size()) != manifold->ambient_size()) {
    throw Error(start + " has " + std::to_string(values.size()) + " values, but a point on " +
                manifold->name() + " has " + std::to_string(manifold->ambient_size()));
  }
  expect_finite(values, block, where);
  const double error = manifold->departure(values);
  if (!(error <= Manifold::tolerance)) {
    throw Error(start + " starts at values that are not on " + manifold->name() + " (" +
                (std::isfinite(error) ? "off by " + std::to_string(error) : "no point is near") +
                "); put them there with Manifold::normalize");
  }
  if (error > 0) {
    manifold->normalize(point);
  }
  return point;
}

/// Sets a block's manifold, which its values fit.
void put_on(ResidualProblem::Impl& problem, ParameterBlock block, std::shared_ptr<const Manifold> manifold) {
  const bool flat = manifold == nullptr || manifold->euclidean();
  if (flat && problem.manifolds.empty()) {
    return;
  }
  problem.manifolds.resize(at(problem.parameter_blocks()));
  problem.manifolds[at(block.index)] = flat ? nullptr : std::move(manifold);
  problem.structure_changed();
}

/// The sum over a range of blocks that lie one after the other in their family.
class ValueSum {
 public:
  ValueSum(const ResidualProblem::Impl& problem, const Layout& layout, const double* x, FaultRecord& faults)
      : problem_(problem), layout_(layout), x_(x), faults_(faults) {}

  double operator()(const BlockChunk& chunk) const {
    const Family& family = problem_.families[at(chunk.family)];
    double sum = 0;
    const Index batch = detail::batch_size(family, family.residuals);
    for (Index done = 0; done < chunk.count; done += batch) {
      sum += batch_sum(family, chunk.first + done, std::min(batch, chunk.count - done));
      if (faults_.block() <= family.global[at(chunk.first + done)]) {
        break;
      }
    }
    return sum;
  }

 private:
  double batch_sum(const Family& family, Index first, Index count) const {
    detail::SmallScratch<const double*, detail::batch_numbers> pointers(count * family.slots);
    detail::SmallScratch<double, detail::batch_numbers> r(count * family.residuals);
    problem_.point_at(
        layout_, family, count, [first](Index b) { return first + b; }, x_, pointers.data());
    const Index refused = family.terms->values({first, count, pointers.data()}, r.data());
    const Index evaluated = refused < 0 ? count : refused - first;
    double sum = 0;
    for (Index b = 0; b < evaluated; ++b) {
      const double* rb = r.data() + b * family.residuals;
      double s = 0;
      for (int k = 0; k < family.residuals; ++k) {
        s += rb[k] * rb[k];
      }
      sum += family.loss.empty() ? s : problem_.losses[family.loss[at(first + b)]].evaluate(s).rho;
    }
    if (!std::isfinite(sum)) {
      for (Index b = 0; b < evaluated; ++b) {
        const Fault fault = problem_.value_fault(family, first + b, r.data() + b * family.residuals);
        if (fault.any()) {
          faults_.add(fault);
          return sum;
        }
      }
    }
    if (refused >= 0) {
      Fault fault;
      fault.kind = Fault::Kind::refused;
      fault.block = family.global[at(refused)];
      faults_.add(fault);
    }
    return sum;
  }

  const ResidualProblem::Impl& problem_;
  const Layout& layout_;
  const double* x_;
  FaultRecord& faults_;
};

}  // namespace

EvalStatus ResidualProblem::Impl::value(const Request& request, ConstVectorRef x, double& value,
                                        std::string& fault) const {
  constexpr Index sampled_chunk = 64;
  const Layout& structure = layout();
  const std::span<const Index> sampled = request.sample.terms;
  const detail::Partition sample_chunks{static_cast<Index>(sampled.size()), sampled_chunk};
  const bool whole = request.sample.whole();
  const Index chunks = whole ? static_cast<Index>(structure.chunks.size()) : sample_chunks.chunks();
  const double share = whole ? 1.0 : static_cast<double>(sampled.size()) / static_cast<double>(blocks.size());

  FaultRecord faults;
  const ValueSum sum_of(*this, structure, x.data(), faults);
  std::atomic<bool> interrupted = false;
  detail::SmallScratch<double, 64> partial(chunks);
  detail::for_each_chunk(chunks, structure.work * share, [&](Index c) {
    partial[c] = 0;
    if (request.interrupt != nullptr && request.interrupt->requested()) {
      interrupted.store(true, std::memory_order_relaxed);
    }
    if (interrupted.load(std::memory_order_relaxed)) {
      return;
    }
    if (whole) {
      const BlockChunk& chunk = structure.chunks[at(c)];
      if (families[at(chunk.family)].global[at(chunk.first)] < faults.block()) {
        partial[c] = sum_of(chunk);
      }
      return;
    }
    for (Index t = sample_chunks.begin(c); t < sample_chunks.end(c); ++t) {
      const detail::Address address = blocks[at(sampled[at(t)])];
      partial[c] += sum_of(BlockChunk{address.family, address.local, 1});
    }
  });
  if (interrupted.load()) {
    return EvalStatus::interrupted;
  }
  if (faults.first().any()) {
    fault = describe(faults.first());
    return EvalStatus::outside_domain;
  }
  double sum = 0;
  for (Index c = 0; c < chunks; ++c) {
    sum += partial[c];
  }
  value = 0.5 * sum / share;
  if (!std::isfinite(value)) {
    fault = "the sum over the residual blocks overflows";
    return EvalStatus::outside_domain;
  }
  return EvalStatus::ok;
}

ResidualProblem::ResidualProblem() : impl_(std::make_unique<Impl>()) {
  impl_->start.push_back(0);
}
ResidualProblem::~ResidualProblem() = default;
ResidualProblem::ResidualProblem(ResidualProblem&&) noexcept = default;
ResidualProblem& ResidualProblem::operator=(ResidualProblem&&) noexcept = default;

void ResidualProblem::reserve(Index parameter_blocks, Index values, Index residual_blocks) {
  impl_->values.reserve(at(values));
  impl_->start.reserve(at(parameter_blocks) + 1);
  impl_->constant.reserve(at(parameter_blocks));
  impl_->blocks.reserve(at(residual_blocks));
  impl_->expected_blocks = residual_blocks;
}

void ResidualProblem::number(ParameterBlock first, Index count, std::string prefix) {
  expect_handle(*impl_, first, "number");
  if (count < 0 || first.index + count > parameter_blocks()) {
    throw Error("ResidualProblem::number: " + std::to_string(count) + " parameter blocks from block " +
                std::to_string(first.index) + " on are more than the problem has (" +
                std::to_string(parameter_blocks()) + "); add them first");
  }
  impl_->numbered.push_back({first.index, count, std::move(prefix)});
}

ParameterBlock ResidualProblem::add_parameters(ConstVectorRef initial, std::string name) {
  const Index index = impl_->parameter_blocks();
  if (initial.empty()) {
    throw Error("ResidualProblem::add_parameters: parameter block " + std::to_string(index) +
                (name.empty() ? "" : " '" + name + "'") +
                " has no values; give its start values, one or more");
  }
  if (index >= std::numeric_limits<std::int32_t>::max()) {
    throw Error("ResidualProblem::add_parameters: more than 2^31 - 1 parameter blocks; join small ones");
  }
  expect_finite(initial, name.empty() ? "parameter block " + std::to_string(index) : name, "add_parameters");
  impl_->values.insert(impl_->values.end(), initial.begin(), initial.end());
  impl_->start.push_back(static_cast<Index>(impl_->values.size()));
  impl_->constant.push_back(0);
  if (!impl_->manifolds.empty()) {
    impl_->manifolds.emplace_back();
  }
  if (!name.empty()) {
    impl_->names.resize(at(index) + 1);
    impl_->names.back() = std::move(name);
  }
  impl_->structure_changed();
  return {index};
}

ParameterBlock ResidualProblem::add_parameters(ConstVectorRef initial,
                                               std::shared_ptr<const Manifold> manifold, std::string name) {
  const Index index = impl_->parameter_blocks();
  const std::string shown = name.empty() ? "parameter block " + std::to_string(index) : name;
  const std::vector<double> values = on_manifold(manifold.get(), initial, shown, "add_parameters");
  const ParameterBlock block = add_parameters(ConstVectorRef(values), std::move(name));
  put_on(*impl_, block, std::move(manifold));
  return block;
}

void ResidualProblem::set_manifold(ParameterBlock block, std::shared_ptr<const Manifold> manifold) {
  expect_handle(*impl_, block, "set_manifold");
  double* const values = impl_->values.data() + impl_->start[at(block.index)];
  const std::vector<double> point =
      on_manifold(manifold.get(), {values, at(impl_->size(block.index))}, impl_->name(block), "set_manifold");
  std::copy(point.begin(), point.end(), values);
  ++impl_->values_revision;
  put_on(*impl_, block, std::move(manifold));
}

void ResidualProblem::set_constant(ParameterBlock block) {
  expect_handle(*impl_, block, "set_constant");
  impl_->constant[at(block.index)] = 1;
  impl_->structure_changed();
}

void ResidualProblem::set_variable(ParameterBlock block) {
  expect_handle(*impl_, block, "set_variable");
  impl_->constant[at(block.index)] = 0;
  impl_->structure_changed();
}

void ResidualProblem::set_elimination_group(ParameterBlock block, Index group) {
  expect_handle(*impl_, block, "set_elimination_group");
  if (group < -1 || group > std::numeric_limits<std::int32_t>::max()) {
    throw Error("ResidualProblem::set_elimination_group: group " + std::to_string(group) +
                " of parameter block '" + impl_->name(block) + "'; groups are 0 or more, and -1 is none");
  }
  std::vector<std::int32_t>& groups = impl_->elimination_group;
  if (groups.size() <= at(block.index)) {
    groups.resize(at(impl_->parameter_blocks()), -1);
  }
  groups[at(block.index)] = static_cast<std::int32_t>(group);
  impl_->structure_changed();
}

void ResidualProblem::set_values(ParameterBlock block, ConstVectorRef values) {
  expect_handle(*impl_, block, "set_values");
  if (static_cast<Index>(values.size()) != impl_->size(block.index)) {
    throw Error("ResidualProblem::set_values: parameter block '" + impl_->name(block) + "' has " +
                std::to_string(impl_->size(block.index)) + " entries, but " + std::to_string(values.size()) +
                " values are given");
  }
  expect_finite(values, impl_->name(block), "set_values");
  const std::vector<double> point =
      on_manifold(impl_->manifold(block.index), values, impl_->name(block), "set_values");
  std::copy(point.begin(), point.end(), impl_->values.begin() + impl_->start[at(block.index)]);
  ++impl_->values_revision;
}

ResidualFamily* ResidualProblem::family_of(detail::TypeKey key) {
  if (impl_->recent_family >= 0 && impl_->families[at(impl_->recent_family)].key == key) {
    return impl_->families[at(impl_->recent_family)].terms.get();
  }
  const auto found = impl_->family_by_key.find(key);
  if (found == impl_->family_by_key.end()) {
    return nullptr;
  }
  impl_->recent_family = found->second;
  return impl_->families[at(found->second)].terms.get();
}

ResidualFamily* ResidualProblem::add_family(detail::TypeKey key, std::unique_ptr<ResidualFamily> terms) {
  Family family;
  family.key = key;
  family.residuals = terms->residuals();
  family.columns = terms->columns();
  family.slots = static_cast<int>(terms->sizes().size());
  family.sizes = terms->sizes().data();
  int column = 0;
  for (const int size : terms->sizes()) {
    family.column.push_back(column);
    column += size;
  }
  family.terms = std::move(terms);
  const Index expected = impl_->expected_blocks - residual_blocks();
  if (expected > 0) {
    family.parameters.reserve(at(expected * family.slots));
    family.global.reserve(at(expected));
    family.terms->reserve(expected);
  }
  const auto number = static_cast<std::int32_t>(impl_->families.size());
  impl_->families.push_back(std::move(family));
  impl_->family_by_key.emplace(key, number);
  impl_->recent_family = number;
  impl_->structure_changed();
  return impl_->families.back().terms.get();
}

ResidualProblem::FamilyHandle ResidualProblem::add_family(std::unique_ptr<ResidualFamily> family) {
  expects(family != nullptr, "ResidualProblem::add_family: there is no family");
  const detail::TypeKey key = family.get();  // no type's key, and like no other family's
  return {add_family(key, std::move(family))};
}

ResidualBlock ResidualProblem::add(FamilyHandle family, std::span<const ParameterBlock> blocks,
                                   const Loss& loss) {
  ResidualFamily* known = family_of(family.family);
  if (known == nullptr) {
    throw Error("ResidualProblem::add: the family is not of this problem; use what its add_family returned");
  }
  return add_block(*known, blocks, loss);
}

ResidualBlock ResidualProblem::add_block(ResidualFamily& terms, std::span<const ParameterBlock> blocks,
                                         const Loss& loss) {
  // `add` has just looked this family up.
  Family& family = impl_->families[at(impl_->recent_family)];
  expects(family.terms.get() == &terms, "ResidualProblem::add: the family is not the one looked up");
  if (!fits(*impl_, family, blocks)) {
    throw Error(misfit(*impl_, terms, blocks));
  }
  const auto index = static_cast<Index>(impl_->blocks.size());
  if (index >= std::numeric_limits<std::int32_t>::max()) {
    throw Error("ResidualProblem::add: more than 2^31 - 1 residual blocks; put several residuals in one");
  }
  const std::uint32_t loss_index = impl_->loss_index(loss);
  if (loss_index != 0 && family.loss.empty()) {
    family.loss.assign(family.global.size(), 0);
    family.loss.push_back(loss_index);
  } else if (!family.loss.empty()) {
    family.loss.push_back(loss_index);
  }
  impl_->blocks.push_back({impl_->recent_family, static_cast<std::int32_t>(family.global.size())});
  for (const ParameterBlock block : blocks) {
    family.parameters.push_back(static_cast<std::int32_t>(block.index));
  }
  family.global.push_back(static_cast<std::int32_t>(index));
  impl_->structure_changed();
  return {index};
}

std::vector<double> ResidualProblem::initial() const {
  std::vector<double> x;
  x.reserve(impl_->values.size());
  for (Index i = 0; i < parameter_blocks(); ++i) {
    if (!impl_->fixed(i)) {
      x.insert(x.end(), impl_->values.begin() + impl_->start[at(i)],
               impl_->values.begin() + impl_->start[at(i) + 1]);
    }
  }
  return x;
}

ConstVectorRef ResidualProblem::values(ParameterBlock block, ConstVectorRef x) const {
  expect_handle(*impl_, block, "values");
  const auto size = at(impl_->size(block.index));
  const Index first = offset(block);
  if (first < 0) {
    return {impl_->values.data() + impl_->start[at(block.index)], size};
  }
  expects(static_cast<Index>(x.size()) == dimension(), "ResidualProblem::values: x is not dimension() long");
  return x.subspan(at(first), size);
}

Index ResidualProblem::parameter_blocks() const {
  return impl_->parameter_blocks();
}
Index ResidualProblem::residual_blocks() const {
  return static_cast<Index>(impl_->blocks.size());
}

Index ResidualProblem::offset(ParameterBlock block) const {
  expect_handle(*impl_, block, "offset");
  return impl_->layout().offset[at(block.index)];
}

Index ResidualProblem::size(ParameterBlock block) const {
  expect_handle(*impl_, block, "size");
  return impl_->size(block.index);
}

Index ResidualProblem::tangent_offset(ParameterBlock block) const {
  expect_handle(*impl_, block, "tangent_offset");
  return impl_->layout().tangent_offset[at(block.index)];
}

Index ResidualProblem::tangent_size(ParameterBlock block) const {
  expect_handle(*impl_, block, "tangent_size");
  return impl_->tangent_size(block.index);
}

const Manifold* ResidualProblem::manifold(ParameterBlock block) const {
  expect_handle(*impl_, block, "manifold");
  return impl_->manifold(block.index);
}

bool ResidualProblem::flat() const {
  return impl_->layout().curved.empty();
}

std::string ResidualProblem::name(ParameterBlock block) const {
  expect_handle(*impl_, block, "name");
  return impl_->name(block);
}

std::string ResidualProblem::name(ResidualBlock block) const {
  if (block.index < 0 || block.index >= residual_blocks()) {
    throw Error("ResidualProblem::name: there is no residual block " + std::to_string(block.index) +
                " in a problem of " + std::to_string(residual_blocks()) + "; use what add returned");
  }
  return impl_->name(block);
}

EvalStatus ResidualProblem::evaluate_residuals(ConstVectorRef x, VectorRef out) const {
  expects(static_cast<Index>(x.size()) == dimension(), "evaluate_residuals: x is not dimension() long");
  expects(static_cast<Index>(out.size()) == residuals(), "evaluate_residuals: out is not residuals() long");
  return detail::evaluate_residual_rows(*impl_, x, out);
}

EvalStatus ResidualProblem::evaluate_jacobian(ConstVectorRef x, MatrixRef out) const {
  expects(static_cast<Index>(x.size()) == dimension(), "evaluate_jacobian: x is not dimension() long");
  expects(out.rows == residuals() && out.cols == tangent_dimension(),
          "evaluate_jacobian: out is not residuals() x tangent_dimension()");
  for (Index j = 0; j < out.cols; ++j) {
    std::fill(out.column(j), out.column(j) + out.rows, 0.0);
  }
  return detail::evaluate_jacobian_rows(*impl_, x, out);
}

EvalStatus ResidualProblem::evaluate_weighted_hessian(ConstVectorRef x, ConstVectorRef weights,
                                                      MatrixRef out) const {
  const Index n = tangent_dimension();
  expects(static_cast<Index>(x.size()) == dimension(),
          "evaluate_weighted_hessian: x is not dimension() long");
  expects(static_cast<Index>(weights.size()) == residuals(),
          "evaluate_weighted_hessian: weights are not residuals() long");
  expects(out.rows == n && out.cols == n,
          "evaluate_weighted_hessian: out is not tangent_dimension() squared");
  return detail::evaluate_weighted_hessian(*impl_, x, weights, out);
}

Index ResidualProblem::dimension() const {
  return impl_->layout().dimension;
}
Index ResidualProblem::tangent_dimension() const {
  return impl_->layout().tangent_dimension;
}
Index ResidualProblem::residuals() const {
  return impl_->layout().residuals;
}

void ResidualProblem::retract(ConstVectorRef x, ConstVectorRef step, VectorRef out) const {
  const Layout& layout = impl_->layout();
  if (layout.curved.empty()) {
    return Problem::retract(x, step, out);
  }
  expects(static_cast<Index>(x.size()) == layout.dimension && out.size() == x.size(),
          "ResidualProblem::retract: x and out must be dimension() long");
  expects(static_cast<Index>(step.size()) == layout.tangent_dimension,
          "ResidualProblem::retract: step must be tangent_dimension() long");
  detail::move_along(layout, x, step, out);
}

void ResidualProblem::local(ConstVectorRef x, ConstVectorRef y, VectorRef step) const {
  const Layout& layout = impl_->layout();
  if (layout.curved.empty()) {
    return Problem::local(x, y, step);
  }
  expects(static_cast<Index>(x.size()) == layout.dimension && y.size() == x.size(),
          "ResidualProblem::local: x and y must be dimension() long");
  expects(static_cast<Index>(step.size()) == layout.tangent_dimension,
          "ResidualProblem::local: step must be tangent_dimension() long");
  detail::difference(layout, x, y, step);
}

void ResidualProblem::transport(ConstVectorRef x, ConstVectorRef step, ConstVectorRef v,
                                VectorRef out) const {
  const Layout& layout = impl_->layout();
  if (layout.curved.empty()) {
    return Problem::transport(x, step, v, out);
  }
  expects(static_cast<Index>(x.size()) == layout.dimension,
          "ResidualProblem::transport: x must be dimension() long");
  expects(static_cast<Index>(step.size()) == layout.tangent_dimension && v.size() == step.size() &&
              out.size() == step.size(),
          "ResidualProblem::transport: step, v and out must be tangent_dimension() long");
  detail::carry_along(layout, x, step, v, out);
}

EvalStatus ResidualProblem::evaluate(const Request& request, Evaluation& evaluation) const {
  expects(static_cast<Index>(evaluation.x.size()) == dimension(),
          "ResidualProblem::evaluate: x is not dimension() long");
  expects(models().contains(request.models),
          "ResidualProblem::evaluate: it offers the models exact and gauss_newton");
  for (const Index term : request.sample.terms) {
    expects(term >= 0 && term < residual_blocks(),
            "ResidualProblem::evaluate: a sampled term does not exist");
  }
  const bool linearize =
      includes(request.want, Want::linearization) &&
      !(includes(evaluation.have, Want::linearization) && evaluation.models.contains(request.models));
  const bool differentiate =
      linearize || (includes(request.want, Want::gradient) && !includes(evaluation.have, Want::gradient));
  if (!differentiate) {
    if (!includes(request.want, Want::value) || includes(evaluation.have, Want::value)) {
      return EvalStatus::ok;
    }
    const EvalStatus status = impl_->value(request, evaluation.x, evaluation.value, evaluation.fault);
    evaluation.have = status == EvalStatus::ok ? evaluation.have | Want::value : evaluation.have;
    return status;
  }

  auto* linearization = dynamic_cast<detail::ResidualLinearization*>(evaluation.linearization.get());
  if (linearization == nullptr) {
    auto made = std::make_unique<detail::ResidualLinearization>();
    linearization = made.get();
    evaluation.linearization = std::move(made);
  }
  const bool exact = linearize && request.models.contains(Model::exact);
  const EvalStatus status = linearization->evaluate(
      *impl_, request, evaluation.x, exact ? detail::Order::second : detail::Order::first, evaluation.fault);
  if (status != EvalStatus::ok) {
    // A linearization that was there has been overwritten.
    evaluation.have = (includes(evaluation.have, Want::value) ? Want::value : Want::nothing) |
                      (includes(evaluation.have, Want::gradient) ? Want::gradient : Want::nothing);
    evaluation.models = {};
    return status;
  }
  if (!includes(evaluation.have, Want::value)) {
    evaluation.value = linearization->value();
  }
  if (!includes(evaluation.have, Want::gradient)) {
    evaluation.gradient.assign(linearization->gradient().begin(), linearization->gradient().end());
  }
  evaluation.have = evaluation.have | Want::value | Want::gradient;
  if (linearize) {
    evaluation.have = evaluation.have | Want::linearization;
    evaluation.value_rounding = linearization->value_rounding();
    evaluation.models = linearization->models();
  }
  return EvalStatus::ok;
}

void ResidualProblem::tangent_scale(ConstVectorRef x, VectorRef out) const {
  const Layout& layout = impl_->layout();
  if (layout.curved.empty()) {
    return Problem::tangent_scale(x, out);
  }
  expects(static_cast<Index>(x.size()) == layout.dimension &&
              static_cast<Index>(out.size()) == layout.tangent_dimension,
          "ResidualProblem::tangent_scale: x must be dimension() long, and out tangent_dimension()");
  detail::scale_of(layout, x, out);
}

namespace {

/// Which of the variable blocks tangent entry i is of.
Index variable_at(const Layout& layout, Index i) {
  expects(i >= 0 && i < layout.tangent_dimension, "ResidualProblem: there is no such variable");
  const auto after = std::upper_bound(layout.variable_offset.begin(), layout.variable_offset.end(), i);
  return after - layout.variable_offset.begin() - 1;
}

}  // namespace

std::string ResidualProblem::variable_name(Index i) const {
  const Layout& layout = impl_->layout();
  const Index variable = variable_at(layout, i);
  const ParameterBlock block{layout.parameter[at(variable)]};
  const std::string text = impl_->name(block);
  const char* entry = impl_->manifold(block.index) != nullptr ? ", tangent entry " : ", entry ";
  return impl_->size(block.index) == 1 && !impl_->given_name(block.index).empty()
             ? text
             : text + entry + std::to_string(i - layout.variable_offset[at(variable)]);
}

std::string ResidualProblem::block_name(Index i) const {
  const Layout& layout = impl_->layout();
  return impl_->name(ParameterBlock{layout.parameter[at(variable_at(layout, i))]});
}

void ResidualProblem::set_symmetries(FindSymmetries find) {
  impl_->find_symmetries = std::move(find);
}

std::vector<Symmetry> ResidualProblem::symmetries(ConstVectorRef x) const {
  expects(static_cast<Index>(x.size()) == dimension(),
          "ResidualProblem::symmetries: x is not dimension() long");
  return impl_->find_symmetries ? impl_->find_symmetries(*this, x) : std::vector<Symmetry>();
}

std::vector<std::string> ResidualProblem::notes(ModelSet models) const {
  Index differences = 0;
  for (const Family& family : impl_->families) {
    differences += family.terms->second_order_kind() == SecondOrder::differences ? family.count() : 0;
  }
  if (differences == 0 || !models.contains(Model::exact)) {
    return {};
  }
  return {"second derivatives of " + std::to_string(differences) +
          " residual blocks are central differences of their analytic Jacobians"};
}

}  // namespace kappa
