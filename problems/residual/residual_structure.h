// What a ResidualProblem consists of, and what follows from its structure alone: where each parameter block
// lies in x, the rows of the residuals, and the chunks in which residual blocks are evaluated.
//
// Residual blocks of one type are a family; the arrays of a family are indexed by the local number of the
// block. Adding a block appends to four flat arrays and allocates nothing by itself.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <limits>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "kappa/residuals.h"

namespace kappa::detail {

constexpr std::size_t at(Index i) {
  return static_cast<std::size_t>(i);
}

/// All residual blocks of one type.
struct Family {
  TypeKey key = nullptr;
  std::unique_ptr<ResidualFamily> terms;
  int residuals = 0;
  int columns = 0;
  int slots = 0;
  const int* sizes = nullptr;            ///< of the slots
  std::vector<int> column;               ///< first column of each slot
  std::vector<std::int32_t> parameters;  ///< parameter block of slot s of local block b at [b * slots + s]
  std::vector<std::int32_t> global;      ///< residual block number of each local block, ascending
  std::vector<std::uint32_t> loss;       ///< index of each local block's loss; empty while all are trivial

  Index count() const { return static_cast<Index>(global.size()); }
  const std::int32_t* blocks_of(Index local) const { return parameters.data() + local * slots; }
  Index triangle() const { return static_cast<Index>(columns) * (columns + 1) / 2; }
};

/// Where a residual block is kept.
struct Address {
  std::int32_t family;
  std::int32_t local;
};

/// Blocks [first, first + count) of a family, evaluated by one task.
struct BlockChunk {
  std::int32_t family;
  Index first;
  Index count;
};

/// Appends the chunks of `count` blocks of a family; a chunk is some 12 000 multiply-adds of a value.
void append_chunks(std::int32_t number, const Family& family, Index count, std::vector<BlockChunk>& chunks);

/// What an evaluation of one block's residuals is taken to cost, in multiply-adds.
inline double value_work(const Family& family) {
  return family.residuals * (family.columns + 10.0);
}

/// Blocks are handed to their family in batches whose numbers fit on the stack.
inline constexpr std::size_t batch_numbers = 512;

/// Blocks that a family may evaluate together; chunks and batches begin at multiples of it.
inline constexpr Index group_blocks = 8;

inline Index whole_groups(Index blocks) {
  return blocks >= group_blocks ? blocks - blocks % group_blocks : std::max<Index>(blocks, 1);
}

/// Blocks in a batch, each of which needs `numbers` doubles and a pointer to every slot.
inline Index batch_size(const Family& family, Index numbers) {
  const Index fitting = static_cast<Index>(batch_numbers) / std::max<Index>({numbers, family.slots, 1});
  return whole_groups(std::min<Index>(fitting, 64));
}

/// Jacobian entries of a batch that stay in the first-level cache.
inline constexpr Index batch_entries = 2048;

/// Blocks in a batch whose Jacobians are added up right after they were evaluated.
inline Index linear_batch(const Family& family) {
  const Index entries = std::max<Index>(Index{family.residuals} * family.columns, 1);
  return whole_groups(std::clamp<Index>(batch_entries / entries, group_blocks, batch_size(family, 1)));
}

/// A variable parameter block on a manifold.
struct CurvedBlock {
  const Manifold* manifold;
  std::int32_t parameter;
  Index offset;          ///< first entry in x
  Index tangent_offset;  ///< first entry in steps and gradients
  Index projection;      ///< first entry of its P among all of them
};

/// The blocks of one family whose slots have the same tangent sizes. A family is one shape, unless blocks
/// with different manifolds meet in a slot.
struct Shape {
  std::int32_t family;
  std::vector<int> sizes;           ///< tangent sizes of the slots; empty where all are flat
  std::vector<std::int32_t> local;  ///< the blocks; empty where they are the whole family
  bool curved = false;              ///< some variable block is on a manifold
};

/// What follows from the structure. It is built when first needed and shared until the structure changes.
struct Layout {
  std::uint64_t revision = 0;  ///< no two layouts of a process have the same
  Index dimension = 0;
  Index tangent_dimension = 0;
  Index residuals = 0;
  std::vector<Index> offset;            ///< of each parameter block in x, -1 where constant
  std::vector<Index> tangent_offset;    ///< of each parameter block in steps, -1 where constant
  std::vector<std::int32_t> variable;   ///< number of each parameter block among the variable ones, or -1
  std::vector<std::int32_t> parameter;  ///< parameter block of each variable one
  std::vector<Index> variable_offset;   ///< variable blocks + 1, in steps
  std::vector<std::int32_t> elimination_group;  ///< of each variable block, -1 for none; empty where all are
  std::vector<CurvedBlock> curved;              ///< in the order of x
  std::vector<std::int32_t> curved_of;    ///< number of each parameter block among them, or -1; empty if none
  Index projections = 0;                  ///< entries of all their P
  std::vector<Shape> shapes;              ///< family by family
  std::vector<std::int32_t> first_shape;  ///< of each family
  std::vector<std::vector<std::int32_t>> shape_of;  ///< of each block of each family; empty for one shape
  std::vector<std::vector<Index>> row;  ///< first row of each block of each family; empty for an only family
  std::vector<BlockChunk> chunks;
  double work = 0;  ///< of all values, in multiply-adds

  Index first_row(Index family, Index local, int block_residuals) const {
    return row.empty() ? local * block_residuals : row[at(family)][at(local)];
  }
  std::int32_t shape(const Address& address) const {
    const auto& split = shape_of[at(address.family)];
    return split.empty() ? first_shape[at(address.family)] : split[at(address.local)];
  }
};

struct IndependentPlan;

/// The first thing that went wrong, by residual block.
struct Fault {
  enum class Kind : std::uint8_t { none, refused, residual, loss, first_derivative, second_derivative };
  Kind kind = Kind::none;
  Index block = std::numeric_limits<Index>::max();  ///< residual block
  Index residual = 0;                               ///< within the block
  Index column = 0;                                 ///< within the block's columns
  Index other_column = 0;                           ///< of a second derivative
  double value = 0;

  bool any() const { return kind != Kind::none; }
};

/// Collects faults from several threads and keeps that of the lowest block, whatever the order of arrival.
class FaultRecord {
 public:
  void add(const Fault& fault) {
    const std::lock_guard lock(mutex_);
    if (fault.block < first_.block) {
      first_ = fault;
      block_.store(fault.block, std::memory_order_relaxed);
    }
  }
  /// Blocks beyond this one need not be looked at any more.
  Index block() const { return block_.load(std::memory_order_relaxed); }
  const Fault& first() const { return first_; }

 private:
  std::mutex mutex_;
  Fault first_;
  std::atomic<Index> block_ = std::numeric_limits<Index>::max();
};

}  // namespace kappa::detail

namespace kappa {

struct ResidualProblem::Impl {
  std::vector<double> values;  ///< start values of all parameter blocks, one after the other
  std::vector<Index> start;    ///< parameter blocks + 1, into `values`
  std::vector<char> constant;  ///< by parameter block
  /// By parameter block, null where flat; empty while all are.
  std::vector<std::shared_ptr<const Manifold>> manifolds;
  /// By parameter block, -1 for none; empty or short where none were set.
  std::vector<std::int32_t> elimination_group;
  std::vector<std::string> names;  ///< by parameter block; empty or missing where unnamed
  struct Numbered {
    Index first;
    Index count;
    std::string prefix;
  };
  std::vector<Numbered> numbered;     ///< ranges of blocks that are named by a prefix and their number
  Index expected_blocks = 0;          ///< residual blocks that there will be, as far as was said
  std::uint64_t values_revision = 0;  ///< counts changes of constants
  std::vector<double> lower, upper;   ///< bounds, like `values`; empty or short where none were set
  std::uint64_t bounds_revision = 0;  ///< counts their changes

  std::vector<detail::Family> families;
  std::unordered_map<detail::TypeKey, std::int32_t> family_by_key;
  std::int32_t recent_family = -1;
  std::vector<detail::Address> blocks;  ///< by residual block
  ResidualProblem::FindSymmetries find_symmetries;
  std::vector<Loss> losses{Loss()};  ///< distinct ones; the trivial loss comes first
  std::uint32_t recent_loss = 0;

  Index parameter_blocks() const { return static_cast<Index>(start.size()) - 1; }
  Index size(Index block) const { return start[detail::at(block) + 1] - start[detail::at(block)]; }

  const Manifold* manifold(Index block) const {
    return manifolds.empty() ? nullptr : manifolds[detail::at(block)].get();
  }
  Index tangent_size(Index block) const {
    const Manifold* const M = manifold(block);
    return M == nullptr ? size(block) : M->tangent_size();
  }
  /// Not part of x: constant, or on a manifold with no way to move.
  bool fixed(Index block) const { return constant[detail::at(block)] != 0 || tangent_size(block) == 0; }

  const detail::Layout& layout() const;
  /// The same, for someone who may outlive it.
  std::shared_ptr<const detail::Layout> shared_layout() const;
  void structure_changed();

  std::uint32_t loss_index(const Loss& loss);

  void set_bound(std::vector<double>& side, ParameterBlock block, Index entry, double value,
                 const char* where);
  /// Of the variable blocks, in the order of x.
  Bounds bounds() const;

  /// Addresses of the parameters of slots of `count` blocks, block after block; `local(b)` numbers them.
  template <class Local>
  void point_at(const detail::Layout& layout, const detail::Family& family, Index count, const Local& local,
                const double* x, const double** pointers) const {
    for (Index b = 0; b < count; ++b) {
      const std::int32_t* blocks_of = family.blocks_of(local(b));
      for (int s = 0; s < family.slots; ++s) {
        const auto block = detail::at(blocks_of[s]);
        const Index offset = layout.offset[block];
        *pointers++ = offset >= 0 ? x + offset : values.data() + start[block];
      }
    }
  }

  /// The first fault among the values of one block, if any; `squares` is what their sum came to.
  detail::Fault value_fault(const detail::Family& family, Index local, const double* r) const;

  /// The name that a parameter block was given, or nothing.
  std::string given_name(Index block) const;
  std::string name(ParameterBlock block) const;
  std::string name(ResidualBlock block) const;
  std::string describe(const detail::Fault& fault) const;
  /// The sentence that says that a parameter block's point is not on its manifold.
  std::string off_manifold(Index block, const double* point) const;

  /// 1/2 sum rho(|r|^2) of the whole or of a sample, scaled.
  EvalStatus value(const Request& request, ConstVectorRef x, double& value, std::string& fault) const;

  /// What refine() and backtrack() work from, built when first needed.
  std::shared_ptr<const detail::IndependentPlan> independent() const;

 private:
  mutable std::mutex mutex_;
  mutable std::atomic<const detail::Layout*> ready_ = nullptr;
  mutable std::shared_ptr<const detail::Layout> layout_;
  struct PackedBounds {
    std::uint64_t layout = 0;  ///< revisions that they are of
    std::uint64_t bounds = 0;
    std::vector<double> lower, upper;
    std::vector<Index> coordinate;  ///< entry of x of each tangent entry; empty where all blocks are flat
  };
  void pack_bounds(const detail::Layout& structure, Index block, Index entry, PackedBounds& packed) const;
  mutable PackedBounds packed_bounds_;
  mutable std::shared_ptr<const detail::IndependentPlan> independent_;
};

namespace detail {

/// Residuals, their Jacobian into zeroed `out`, and sum_k weights_k Hessian(r_k), all without losses and in
/// the order of the residual blocks.
EvalStatus evaluate_residual_rows(const ResidualProblem::Impl& problem, ConstVectorRef x, VectorRef out);
EvalStatus evaluate_jacobian_rows(const ResidualProblem::Impl& problem, ConstVectorRef x, MatrixRef out);
EvalStatus evaluate_weighted_hessian(const ResidualProblem::Impl& problem, ConstVectorRef x,
                                     ConstVectorRef weights, MatrixRef out);

}  // namespace detail

}  // namespace kappa
