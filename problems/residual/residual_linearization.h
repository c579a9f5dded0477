// The linearization of f(x) = sigma/2 sum_b rho_b(|r_b(x)|^2), where sigma is 1, or residual blocks / sampled
// blocks. With s = |r|^2, and J, S = sum_k r_k Hessian(r_k) of a block, its part of
//
//   the gradient       rho' J'r
//   exact              rho' (J'J + S) + 2 rho'' J'r r'J
//   gauss_newton       rho' J' (I + (q - 1) r r'/s) J,      q = max(1, 1 + 2 s rho''/rho')
//   the root A         sqrt(rho') (I - (1 - sqrt q) r r'/s) J,  with A'A = gauss_newton
//   its right side c   sqrt(rho') / sqrt(q) r,                  with A'c = the gradient
//
// each times sigma (the root times its square root). jacobian_product and its transpose are those of A;
// second_directional is A' times the second directional derivative of the residuals under the same
// correction.
//
// On manifolds J and S are those of step -> r(retract(x, step)): they are projected to the tangent spaces
// right after their evaluation, and everything after sees tangent sizes only.
//
// Memory: r, S where exact is asked for, and a list entry of 4 bytes for each block and pair of slots. J is
// kept only where it is asked for: block matrices and the gradient are summed while a batch's J is in the
// cache. A dense matrix is given up to 4000 variables, a root up to 8 million entries.
//
// References: Triggs, McLauchlan, Hartley, Fitzgibbon: Bundle adjustment, a modern synthesis, 2000,
// section 4.3; Transtrum, Sethna: Improvements to the Levenberg-Marquardt algorithm, 2012, eq. 10.
#pragma once

#include <array>
#include <memory>
#include <string>
#include <vector>

#include "kappa/linearization.h"
#include "problems/residual/residual_structure.h"
#include "problems/residual/scattered_sums.h"
#include "problems/residual/tangent_spaces.h"

namespace kappa::detail {

enum class Order : std::uint8_t { first, second };

/// What a loss and the sample make of one block.
struct BlockWeight {
  double outer = 1;         ///< sigma rho'
  double gauss_newton = 0;  ///< of J'r r'J: outer (q - 1) / s
  double exact = 0;         ///< of J'r r'J: 2 sigma rho''
  double keep = 1;          ///< sqrt q
  double shrink = 0;        ///< (1 - sqrt q) / s

  double radial(Model model) const { return model == Model::exact ? exact : gauss_newton; }
};

/// J and S of the blocks of a part from `first` on, one behind the other.
struct Derivatives {
  const double* J;
  const double* S;
  Index first;
  Index entries;   ///< of J in a block
  Index triangle;  ///< of S in a block

  const double* jacobian(Index b) const { return J + (b - first) * entries; }
  const double* second(Index b) const { return S + (b - first) * triangle; }
};

/// The blocks of one shape that take part: all of them, or those of a sample.
struct Part {
  std::int32_t number = 0;
  const Shape* shape = nullptr;
  const Family* family = nullptr;
  const int* sizes = nullptr;  ///< tangent sizes of the slots
  Index count = 0;
  std::vector<std::int32_t>
      local;               ///< of a sample or a split family; empty where all of the family take part
  std::vector<Index> row;  ///< of a sample: the first row of each block
  Index base = 0;          ///< of the part in arrays of all residuals, part after part
  Index first_slot = 0;    ///< of the part among the slots of all blocks
  Index first_pair = 0;    ///< of the part among the pairs of slots of all blocks
  bool robust = false;
  BulkVector<double> r, J, S;
  std::vector<BlockWeight> weight;  ///< where robust

  const double* residual(Index b) const { return r.data() + b * family->residuals; }
  const double* jacobian(Index b) const { return J.data() + b * family->residuals * family->columns; }
  const double* second(Index b) const { return S.data() + b * family->triangle(); }

  Derivatives derivatives(const double* J_of_first, Index first) const {
    return {J_of_first, S.empty() ? nullptr : second(first), first, entries(), family->triangle()};
  }
  Derivatives stored() const { return derivatives(J.data(), 0); }
  Index entries() const { return Index{family->residuals} * family->columns; }

  Index local_of(Index b) const { return local.empty() ? b : local[at(b)]; }
  const std::int32_t* blocks_of(Index b) const { return family->blocks_of(local_of(b)); }
};

/// Which terms of a model's matrix: the product of Jacobians and those of second derivatives, or the latter.
enum class Terms : std::uint8_t { all, second };

/// Rows of slot a, columns of slot b of a part's blocks.
struct SlotPair {
  std::int32_t part;
  std::int32_t a;
  std::int32_t b;
};

class ResidualLinearization final : public Linearization {
 public:
  /// Evaluates at x, or does nothing where it was last evaluated there.
  EvalStatus evaluate(const ResidualProblem::Impl& problem, const Request& request, ConstVectorRef x,
                      Order order, std::string& fault);

  double value() const { return value_; }
  /// First-order estimate of the rounding error of the value: eps sum_k |u_k| sum_j |J_kj x_j|, u = rho' r.
  double value_rounding() const { return value_rounding_; }
  ConstVectorRef gradient() const { return gradient_; }
  ModelSet models() const {
    return order_ == Order::second ? ModelSet{Model::gauss_newton, Model::exact}
                                   : ModelSet{Model::gauss_newton};
  }

  Index size() const override { return static_cast<Index>(gradient_.size()); }
  void product(Model model, ConstVectorRef v, VectorRef out) const override;
  Offers offers(Model model) const override;
  bool diagonal(Model model, VectorRef out) const override;
  bool dense(Model model, MatrixRef out) const override;
  const BlockMatrix* blocks(Model model) const override;
  const Root* root(Model model) const override;
  Index residuals() const override { return rows_; }
  bool jacobian_product(ConstVectorRef v, VectorRef out) const override;
  bool jacobian_transpose_product(ConstVectorRef w, VectorRef out) const override;
  bool cross_gradient(const Linearization& other, VectorRef out) const override;
  bool second_directional(ConstVectorRef v, VectorRef out) const override;

 private:
  bool holds(const ResidualProblem::Impl& problem, const Request& request, ConstVectorRef x,
             Order order) const;
  /// Sizes everything for a structure and a sample, unless they are those of last time.
  void prepare(const ResidualProblem::Impl& problem, std::span<const Index> terms);
  void take_sample(std::span<const Index> terms);
  /// Decides where the contributions to sums over variables, and to the blocks of a matrix, go.
  void plan(const std::array<bool, 2>& assembled) const;
  void plan_variables() const;
  void plan_matrix(BlockStructure& structure) const;
  /// Throws Error where two parameter blocks of the group that is eliminated first share a residual block.
  void expect_independent_group() const;
  void shape_matrix(Model model) const;
  /// Adds the first `count` of a batch's blocks to the model's matrix, pair of slots by pair of slots.
  void scatter_matrix(Model model, const Part& part, const Derivatives& of, Index count) const;
  template <Terms terms>
  void scatter_rest(Model model, const Part& part, SlotPair pair, const Derivatives& of, Index count,
                    Index contribution) const;
  void finish_matrix(Model model) const;
  /// Adds a batch's add(part, block, slot, to) to sums over variables, slot by slot.
  template <class Add>
  void scatter(const Part& part, Index first, Index count, double* out, const Add& add) const;
  template <class Add>
  void scatter_slot(const Part& part, int slot, Index first, Index count, double* out, const Add& add) const;
  void scatter_gradient(const Part& part, const Derivatives& of, Index count);

  struct ChunkSum {
    double value = 0;     ///< of the losses
    double rounding = 0;  ///< of |u_k| |J_kj x_j|, u the weighted residuals
  };
  double rounding(const Part& part, const Derivatives& of, Index count) const;
  struct Interim {
    FaultRecord faults;
    std::atomic<bool> suspect = false;  ///< a second derivative is not finite
    std::atomic<bool> interrupted = false;
  };
  /// Evaluates a chunk and adds it to the gradient and to the matrices that are `assembled` (exact,
  /// gauss_newton).
  ChunkSum evaluate_chunk(const BlockChunk& chunk, const std::array<bool, 2>& assembled, Interim& interim);
  /// Of blocks [first, first + count); false where a fault ended it.
  bool evaluate_batch(Part& part, Index first, Index count, const std::array<bool, 2>& assembled,
                      Interim& interim, ChunkSum& sum);
  /// J of blocks [first, first + count) as their family gives it, ambient; false where it refuses one.
  bool evaluate_rows(const Part& part, Index first, Index count, double* r, double* J) const;
  /// The first derivative that is not finite in residual blocks below `below`.
  Fault derivative_fault(Index below) const;
  /// Whether the family writes the root itself.
  bool by_columns() const {
    return plain_dense_ && order_ == Order::first && parts_[0].family->residuals == 1;
  }
  /// Makes part.J current. Where sums are formed as blocks are evaluated it is not kept, since writing and
  /// reading it takes longer than all else, unless someone asked for it at the last point.
  void need_rows() const;
  void shape_root() const;
  /// Gradient, diagonal, root and rounding of a plain dense problem, in one pass over the Jacobian.
  void compute_dense(ChunkSum& sum);

  BlockWeight weight_of(const Part& part, Index b) const {
    BlockWeight w;
    w.outer = scale_;
    return part.weight.empty() ? w : part.weight[at(b)];
  }
  Index row_of(const Part& part, Index b) const {
    return part.row.empty() ? layout_->first_row(part.shape->family, part.local_of(b), part.family->residuals)
                            : part.row[at(b)];
  }
  /// Of a slot in gradients and steps, -1 where constant.
  Index offset_of(const Part& part, Index b, int slot) const {
    return layout_->tangent_offset[at(part.blocks_of(b)[slot])];
  }
  void project(const Part& part, Index first, Index count, double* J, double* S) const;
  void add_bend(const Part& part, Index first, Index count, const double* bend, double* t) const;

  void check(Model model) const {
    expects(order_ == Order::second || model != Model::exact,
            "ResidualLinearization: the exact model was not asked for at the evaluation");
    expects(model == Model::exact || model == Model::gauss_newton,
            "ResidualLinearization: it offers the models exact and gauss_newton");
  }

  /// body(part, block) for all blocks, in parallel; each call owns what it writes.
  template <class Body>
  void for_each_block(double work_per_value, const Body& body) const {
    for_each_chunk(static_cast<Index>(chunks_.size()), work_per_value * entries_, [&](Index c) {
      const BlockChunk& chunk = chunks_[at(c)];
      const Part& part = parts_[at(chunk.family)];
      for (Index b = chunk.first; b < chunk.first + chunk.count; ++b) {
        body(part, b);
      }
    });
  }
  /// out = sums over the variables of add(part, block, slot, to); serial or by owners, as the structure says.
  template <class Add>
  void sum_by_variable(VectorRef out, const Add& add) const;
  /// The chunks are cut into tasks, few enough that partial sums of what they share stay small.
  Index tasks() const { return std::min<Index>(static_cast<Index>(chunks_.size()), most_tasks); }
  std::span<const BlockChunk> chunks_of(Index task) const {
    const auto chunks = static_cast<Index>(chunks_.size());
    const Index begin = task * chunks / tasks();
    return std::span(chunks_).subspan(at(begin), at((task + 1) * chunks / tasks() - begin));
  }
  static constexpr Index most_tasks = 64;
  /// body(first, count) for the batches of a chunk: few enough blocks that their Jacobians stay in the cache
  /// while they are added up.
  template <class Body>
  static void for_each_batch(const Part& part, const BlockChunk& chunk, const Body& body) {
    const Index batch = linear_batch(*part.family);
    for (Index begun = 0; begun < chunk.count; begun += batch) {
      body(chunk.first + begun, std::min(batch, chunk.count - begun));
    }
  }
  static Index pairs_of(Index slots) { return slots * (slots + 1) / 2; }
  static std::size_t slot_of(Model model) { return model == Model::exact ? 0 : 1; }

  /// t = J v of one block.
  void block_product(const Part& part, Index b, ConstVectorRef v, double* t) const;
  /// Blocks [first, first + count) of a part from its family: calls evaluate(range, done) for each run of
  /// neighbours; stops where that returns false.
  template <class Evaluate>
  bool for_each_run(const Part& part, Index first, Index count, const Evaluate& evaluate) const;

  const ResidualProblem::Impl* problem_ = nullptr;
  std::shared_ptr<const Layout> layout_;
  std::vector<Index> terms_;  ///< of the sample; empty for the whole
  struct Sampled {
    Index block;
    Index row;
  };
  std::vector<Sampled> sampled_;     ///< the same in ascending order, with their rows
  mutable std::vector<Part> parts_;  ///< their J only after need_rows(), unless it was kept
  mutable bool rows_current_ = true;
  mutable bool rows_asked_ = false;  ///< at this point; then they are kept at the next
  TangentSpaces spaces_;
  std::vector<BlockChunk> chunks_;  ///< by part, not by family
  std::vector<ChunkSum> partial_;
  Index rows_ = 0;
  double entries_ = 0;      ///< of the Jacobian's blocks
  Index slots_ = 0;         ///< of all blocks
  Index pairs_ = 0;         ///< of slots of all blocks
  bool scattered_ = false;  ///< sums in parallel, task by task, rather than block after block
  /// One family of one slot on the only variable block, no losses, no sample, small: its Jacobian is a dense
  /// matrix as it stands, and latency is what counts.
  bool plain_dense_ = false;
  std::vector<double> dense_diagonal_;

  bool filled_ = false;
  Order order_ = Order::first;
  std::uint64_t values_revision_ = 0;
  double scale_ = 1;
  std::vector<double> x_;
  double value_ = 0;
  double value_rounding_ = 0;
  std::vector<double> gradient_;

  // Caches: computed when first asked for, for this structure or for this point.
  mutable std::vector<double> direction_, bend_;  ///< of a curve, entries of x long
  mutable std::vector<double> work_;              ///< one number for each residual, part after part
  mutable bool variables_planned_ = false;
  mutable ScatteredSums variable_sums_;
  mutable bool matrix_planned_ = false;
  mutable ScatteredSums matrix_sums_;
  mutable std::array<BlockMatrix, 2> matrix_;  ///< exact, gauss_newton
  mutable std::array<bool, 2> matrix_shaped_{};
  mutable std::array<bool, 2> matrix_filled_{};
  mutable std::array<bool, 2>
      matrix_asked_{};  ///< at this point; then the next is assembled as it is evaluated
  mutable bool root_shaped_ = false;
  mutable bool root_filled_ = false;
  mutable std::vector<double> root_matrix_;
  mutable std::vector<double> root_right_side_;
  mutable Root root_;
};

}  // namespace kappa::detail
