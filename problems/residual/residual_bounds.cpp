// Bounds of a ResidualProblem: kept entry by entry of all parameter blocks, handed out in the order of x.
#include <algorithm>
#include <cmath>

#include "problems/residual/residual_structure.h"

namespace kappa {

using detail::at;

void ResidualProblem::Impl::set_bound(std::vector<double>& side, ParameterBlock block, Index entry,
                                      double value, const char* where) {
  const std::string place = std::string("ResidualProblem::") + where + ": ";
  if (block.index < 0 || block.index >= parameter_blocks()) {
    throw Error(place + "there is no parameter block " + std::to_string(block.index) + " in a problem of " +
                std::to_string(parameter_blocks()) + "; use what add_parameters returned");
  }
  if (entry < 0 || entry >= size(block.index)) {
    throw Error(place + "parameter block '" + name(block) + "' has no entry " + std::to_string(entry) +
                ", it has " + std::to_string(size(block.index)) + ", counted from 0");
  }
  if (std::isnan(value)) {
    throw Error(place + "the bound on parameter block '" + name(block) + "', entry " + std::to_string(entry) +
                " is not a number; use infinity where there is none");
  }
  lower.resize(values.size(), -infinity);
  upper.resize(values.size(), infinity);
  side[at(start[at(block.index)] + entry)] = value;
  ++bounds_revision;
}

Bounds ResidualProblem::Impl::bounds() const {
  if (lower.empty()) {
    return {};
  }
  const detail::Layout& structure = layout();
  const std::lock_guard lock(mutex_);
  PackedBounds& packed = packed_bounds_;
  if (packed.layout != structure.revision || packed.bounds != bounds_revision) {
    packed.lower.assign(at(structure.dimension), -infinity);
    packed.upper.assign(at(structure.dimension), infinity);
    for (Index block = 0; block < parameter_blocks(); ++block) {
      const Index first = start[at(block)];
      const Index known = std::min(start[at(block) + 1], static_cast<Index>(lower.size()));
      if (structure.offset[at(block)] < 0 || first >= known) {
        continue;
      }
      std::copy(lower.begin() + first, lower.begin() + known,
                packed.lower.begin() + structure.offset[at(block)]);
      std::copy(upper.begin() + first, upper.begin() + known,
                packed.upper.begin() + structure.offset[at(block)]);
    }
    packed.layout = structure.revision;
    packed.bounds = bounds_revision;
  }
  return {packed.lower, packed.upper, {}};
}

void ResidualProblem::set_lower(ParameterBlock block, Index entry, double value) {
  impl_->set_bound(impl_->lower, block, entry, value, "set_lower");
}

void ResidualProblem::set_upper(ParameterBlock block, Index entry, double value) {
  impl_->set_bound(impl_->upper, block, entry, value, "set_upper");
}

void ResidualProblem::set_bounds(ParameterBlock block, ConstVectorRef lower, ConstVectorRef upper) {
  const Index entries = size(block);
  if (static_cast<Index>(lower.size()) != entries || static_cast<Index>(upper.size()) != entries) {
    throw Error("ResidualProblem::set_bounds: parameter block '" + impl_->name(block) + "' has " +
                std::to_string(entries) + " entries, but " + std::to_string(lower.size()) + " lower and " +
                std::to_string(upper.size()) + " upper bounds are given");
  }
  for (Index i = 0; i < entries; ++i) {
    impl_->set_bound(impl_->lower, block, i, lower[at(i)], "set_bounds");
    impl_->set_bound(impl_->upper, block, i, upper[at(i)], "set_bounds");
  }
}

Bounds ResidualProblem::bounds() const {
  return impl_->bounds();
}

}  // namespace kappa
