// ResidualProblem: f(x) = 1/2 sum_b rho_b(|r_b(x)|^2) over residual blocks, each a functor of a few
// parameter blocks. A functor written for Ceres works unchanged but for the namespace:
//
//   struct Exponential {
//     double x, y;
//     template <class T> bool operator()(const T* m, const T* c, T* residual) const {
//       residual[0] = y - exp(m[0] * x + c[0]);
//       return true;
//     }
//   };
//   kappa::ResidualProblem problem;
//   const auto m = problem.add_parameters({0.0}, "m");
//   const auto c = problem.add_parameters({0.0}, "c");
//   problem.add(kappa::autodiff<1, 1, 1>(Exponential{0.5, 1.2}), {m, c}, kappa::huber(1.0));
//   const kappa::Result result = kappa::minimize(problem, problem.initial(), kappa::levenberg_marquardt());
//   const double fitted = problem.values(m, result.x)[0];
//
// A block may live on a manifold (manifold.h): steps, gradients, Jacobians, Hessians and covariances then
// have its tangent entries, tangent_dimension() in all.
//
//   const auto pose = problem.add_parameters({0, 0, 0, 1, 0, 0, 0}, kappa::manifolds::se3(), "pose 1");
//
// Values are copied: the problem owns nothing of the caller's, and solving never changes it.
#pragma once

#include <array>
#include <functional>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "kappa/loss.h"
#include "kappa/manifold.h"
#include "kappa/problem.h"
#include "kappa/residual_family.h"

namespace kappa {

struct ParameterBlock {
  Index index = -1;
};
struct ResidualBlock {
  Index index = -1;
};

class ResidualProblem final : public Problem {
 public:
  ResidualProblem();
  ~ResidualProblem() override;
  ResidualProblem(ResidualProblem&&) noexcept;
  ResidualProblem& operator=(ResidualProblem&&) noexcept;

  /// Room for what will be added, as far as it is known: parameter blocks, their values in all, and residual
  /// blocks. Saves copying; more or fewer may be added.
  void reserve(Index parameter_blocks, Index values, Index residual_blocks);

  /// Names blocks [first, first + count) that have no name of their own "<prefix> 0", "<prefix> 1", ...
  void number(ParameterBlock first, Index count, std::string prefix);

  /// Adds a parameter block with these start values. The name appears in messages.
  ParameterBlock add_parameters(ConstVectorRef initial, std::string name = {});
  ParameterBlock add_parameters(std::initializer_list<double> initial, std::string name = {}) {
    return add_parameters(ConstVectorRef(initial.begin(), initial.size()), std::move(name));
  }

  /// Adds a block whose values are a point on a manifold. They may be off it by Manifold::tolerance at most,
  /// and are then put on it; farther off, or of another size, they are an Error.
  ParameterBlock add_parameters(ConstVectorRef initial, std::shared_ptr<const Manifold> manifold,
                                std::string name = {});
  ParameterBlock add_parameters(std::initializer_list<double> initial,
                                std::shared_ptr<const Manifold> manifold, std::string name = {}) {
    return add_parameters(ConstVectorRef(initial.begin(), initial.size()), std::move(manifold),
                          std::move(name));
  }

  /// Puts a block on a manifold, on the same terms; null: back into flat space.
  void set_manifold(ParameterBlock block, std::shared_ptr<const Manifold> manifold);

  /// A constant block keeps its values and is no part of x.
  void set_constant(ParameterBlock block);
  void set_variable(ParameterBlock block);
  void set_values(ParameterBlock block, ConstVectorRef values);

  /// Bounds on the entries of a block, infinite until they are set; equal ones fix an entry. The values are
  /// copied. On a constant block they are kept and have no effect; a block on a manifold takes none. Throw
  /// Error for an entry that does not exist and for a bound that is not a number; minimize throws where a
  /// lower bound is above the upper.
  void set_lower(ParameterBlock block, Index entry, double value);
  void set_upper(ParameterBlock block, Index entry, double value);
  /// On a whole block; as many values as the block has entries.
  void set_bounds(ParameterBlock block, ConstVectorRef lower, ConstVectorRef upper);
  void set_bounds(ParameterBlock block, std::initializer_list<double> lower,
                  std::initializer_list<double> upper) {
    set_bounds(block, ConstVectorRef(lower.begin(), lower.size()),
               ConstVectorRef(upper.begin(), upper.size()));
  }

  /// Names the blocks that a solver with block elimination (step block-schur) eliminates first, instead of
  /// choosing them itself: those of the lowest group, of which no two may share a residual block. Groups are
  /// 0 or more; -1 takes a block out again. Blocks of other groups and of none are kept; so are all, where
  /// the only grouped blocks are constant. Throws Error for a group below -1; minimize throws where two
  /// blocks of the lowest group share a residual block and its solver works on blocks.
  void set_elimination_group(ParameterBlock block, Index group);

  /// Adds a residual block: `term` is autodiff<...>(functor) or analytic<...>(functor), `blocks` are as many
  /// as it has parameter sizes, all different. Throws Error where sizes or handles do not fit.
  template <class Term>
  ResidualBlock add(Term term, std::span<const ParameterBlock> blocks, const Loss& loss = {}) {
    const auto key = detail::type_key<Term>();
    ResidualFamily* family = family_of(key);
    if (family == nullptr) {
      family = add_family(key, std::make_unique<TypedFamily<Term>>());
    }
    const ResidualBlock added = add_block(*family, blocks, loss);
    static_cast<TypedFamily<Term>*>(family)->append(std::move(term));
    return added;
  }
  template <class Term>
  ResidualBlock add(Term term, std::initializer_list<ParameterBlock> blocks, const Loss& loss = {}) {
    return add(std::move(term), std::span<const ParameterBlock>(blocks.begin(), blocks.size()), loss);
  }

  /// A family of residual blocks with an evaluation of its own, for adapters and sizes known at run time. The
  /// n-th block added to it is what it evaluates as its block n. The family stays alive with the problem.
  struct FamilyHandle {
    ResidualFamily* family = nullptr;
  };
  FamilyHandle add_family(std::unique_ptr<ResidualFamily> family);
  ResidualBlock add(FamilyHandle family, std::span<const ParameterBlock> blocks, const Loss& loss = {});

  /// Says which motions of all parameters change no residual, for reports on what the residuals leave
  /// undetermined (covariance.h). `find` gives them at x; it is called with this problem, wherever it has
  /// moved.
  using FindSymmetries = std::function<std::vector<Symmetry>(const ResidualProblem&, ConstVectorRef x)>;
  void set_symmetries(FindSymmetries find);

  /// Start values of all variable blocks in the order they were added: the x0 for minimize.
  std::vector<double> initial() const;
  /// The part of `x` (dimension() long) that is this block, or the constant's own values.
  ConstVectorRef values(ParameterBlock block, ConstVectorRef x) const;

  Index parameter_blocks() const;
  Index residual_blocks() const;
  /// First entry of a block in x, or -1 where it is constant.
  Index offset(ParameterBlock block) const;
  Index size(ParameterBlock block) const;
  /// The same in steps and gradients: where no block is on a manifold, the same numbers.
  Index tangent_offset(ParameterBlock block) const;
  Index tangent_size(ParameterBlock block) const;
  TangentRange tangent_range(ParameterBlock block) const {
    return {tangent_offset(block), tangent_size(block)};
  }
  /// Null for a flat block.
  const Manifold* manifold(ParameterBlock block) const;
  /// No variable block is on a manifold.
  bool flat() const;
  std::string name(ParameterBlock block) const;
  std::string name(ResidualBlock block) const;

  /// All residuals at x without losses, in the order the blocks were added; `out` is residuals() long.
  EvalStatus evaluate_residuals(ConstVectorRef x, VectorRef out) const;
  /// Their Jacobian, residuals() x tangent_dimension(), without losses, constant blocks left out.
  EvalStatus evaluate_jacobian(ConstVectorRef x, MatrixRef out) const;
  /// sum_k weights_k Hessian(r_k), tangent_dimension() squared, without losses.
  EvalStatus evaluate_weighted_hessian(ConstVectorRef x, ConstVectorRef weights, MatrixRef out) const;

  Index dimension() const override;
  Index tangent_dimension() const override;
  Bounds bounds() const override;
  Index terms() const override { return residual_blocks(); }
  Index residuals() const override;
  ModelSet models() const override { return {Model::exact, Model::gauss_newton}; }
  EvalStatus evaluate(const Request& request, Evaluation& evaluation) const override;
  void retract(ConstVectorRef x, ConstVectorRef step, VectorRef out) const override;
  void local(ConstVectorRef x, ConstVectorRef y, VectorRef step) const override;
  void transport(ConstVectorRef x, ConstVectorRef step, ConstVectorRef v, VectorRef out) const override;
  /// Of a block on a manifold, in each tangent entry: x seen along it, or 1 (a radian) where that is more.
  void tangent_scale(ConstVectorRef x, VectorRef out) const override;
  /// Re-solves the blocks of the lowest elimination group, or else a set of its own choice of which no two
  /// share a residual block, by damped Gauss-Newton steps (residual_refine.cpp).
  std::optional<double> refine(VectorRef x, Index steps, const Interrupt* interrupt) const override;
  /// Block by block, over a set of at least twice as many as there are others, such as the points of a
  /// bundle, where there are at least 100 others (residual_backtrack.cpp).
  std::optional<Index> backtrack(ConstVectorRef from, VectorRef x, const Interrupt* interrupt) const override;
  std::string variable_name(Index i) const override;
  std::string block_name(Index i) const override;
  std::vector<Symmetry> symmetries(ConstVectorRef x) const override;
  std::vector<std::string> notes(ModelSet models) const override;

  struct Impl;
  const Impl& impl() const { return *impl_; }  ///< for kappa's own derivative checks

 private:
  ResidualFamily* family_of(detail::TypeKey key);
  ResidualFamily* add_family(detail::TypeKey key, std::unique_ptr<ResidualFamily> family);
  ResidualBlock add_block(ResidualFamily& family, std::span<const ParameterBlock> blocks, const Loss& loss);

  std::unique_ptr<Impl> impl_;
};

}  // namespace kappa
