// Linearization: what the second-order parts of a method may ask of a problem at one point.
//
// A problem fills a Linearization when it is evaluated; a Curvature reads it. Every piece but the
// product is optional, so that a problem offers what it has: a dense likelihood its Hessian, a sum of
// squares its Jacobian, a network only products. What a problem never offers is one second-order
// model in place of another: each entry names the Model it is asked for.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string_view>

#include "kappa/base.h"
#include "kappa/block_matrix.h"

namespace kappa {

/// The second-order models that kappa keeps apart. For f(x) = sum of terms f_i(x):
enum class Model : std::uint8_t {
  exact,           ///< the Hessian of f
  gauss_newton,    ///< J' H_outer J, the (generalised) Gauss-Newton matrix
  fisher,          ///< the expected information under the model's own distribution
  sampled_fisher,  ///< an unbiased estimate of it: sum of g_i g_i' with targets drawn from that distribution
  empirical_fisher,      ///< sum of g_i g_i' over the data; not the Fisher information
  squared_mean_gradient  ///< the square of the mean gradient (Adam's); neither of the two above
};

/// The name used in options, results and messages: "exact", "gauss-newton", ...
std::string_view name(Model model);

/// A set of models.
class ModelSet {
 public:
  constexpr ModelSet() = default;
  constexpr ModelSet(std::initializer_list<Model> models) {
    for (const Model m : models) {
      bits_ |= bit(m);
    }
  }
  constexpr bool contains(Model m) const { return (bits_ & bit(m)) != 0; }
  constexpr bool contains(ModelSet other) const { return (bits_ & other.bits_) == other.bits_; }
  constexpr bool empty() const { return bits_ == 0; }
  constexpr void insert(Model m) { bits_ |= bit(m); }
  constexpr void insert(ModelSet other) { bits_ |= other.bits_; }
  friend constexpr bool operator==(ModelSet, ModelSet) = default;

 private:
  static constexpr unsigned bit(Model m) { return 1U << static_cast<unsigned>(m); }
  unsigned bits_ = 0;
};

/// A factor A (rows x size) with B = A'A and, where it exists, c with A'c = g, so that a step is a
/// least-squares problem and the condition number is never squared. Without c the solver uses
/// corrected semi-normal equations.
struct Root {
  ConstMatrixRef A;
  ConstVectorRef c;  ///< rows of A long, or empty
};

/// Which optional forms of a matrix are to be had, without computing them.
struct Offers {
  bool diagonal = false;
  bool dense = false;
  bool blocks = false;
  bool root = false;
  /// Multiply-adds of forming the dense matrix and of one product, for choosing between the two; 0: unknown.
  double dense_work = 0;
  double product_work = 0;
  /// Of computing the diagonal; 0: no more than a product.
  double diagonal_work = 0;

  /// What the diagonal costs, in products, at least 1.
  Index diagonal_products() const {
    return diagonal_work > product_work && product_work > 0
               ? static_cast<Index>(diagonal_work / product_work + 0.5)
               : 1;
  }
};

/// Diagonals that are back-propagated layer by layer, in O(n) (LeCun, Denker & Solla 1990; LeCun et al. 1998,
/// sec. 7.2). They drop the off-diagonal second derivatives between the units of a layer, so each is an
/// approximation of the model's diagonal and never stands in for it.
enum class Recursion : std::uint8_t {
  exact,        ///< Optimal Brain Damage's, with the activations' second derivatives; may be negative
  gauss_newton  ///< without them; not negative
};

/// Second-order information at one point. `size` is the problem's tangent dimension.
///
/// A call may fill a cache of the object, so one Linearization is read by one thread at a time.
/// Views that are returned stay valid until the next evaluation into the same object.
class Linearization {
 public:
  virtual ~Linearization() = default;

  virtual Index size() const = 0;

  /// out = B v, where B is the given model. The model is one that was requested at the evaluation.
  virtual void product(Model model, ConstVectorRef v, VectorRef out) const = 0;

  /// Which of the forms below this object gives for a model.
  virtual Offers offers(Model) const { return {}; }

  /// out_i = B_ii; false where the problem cannot give the diagonal without the matrix.
  virtual bool diagonal(Model, VectorRef) const { return false; }

  /// The recursive diagonal of a network; false where the problem has no layers.
  virtual bool recursive_diagonal(Recursion, VectorRef) const { return false; }

  /// out = gradient of the data's terms (without regularisation) where each term's target is drawn from the
  /// model's own distribution at this point; the same draw, the same targets. Its square estimates the Fisher
  /// information's diagonal (Liu et al. 2024, alg. 2). false where the problem is no likelihood.
  virtual bool sampled_gradient(std::uint64_t /*draw*/, VectorRef) const { return false; }

  /// The full symmetric matrix, size x size; false where only products are to be had, or where a
  /// dense matrix of this size makes no sense.
  virtual bool dense(Model, MatrixRef) const { return false; }

  /// The block-sparse matrix, or nullptr.
  virtual const BlockMatrix* blocks(Model) const { return nullptr; }

  /// A dense root, or nullptr where there is none or it would be too large.
  virtual const Root* root(Model) const { return nullptr; }

  /// Number of residuals, for sums of squares; 0 where the notion does not apply.
  virtual Index residuals() const { return 0; }

  /// out = J v (residuals long) and out = J' w (size long); false where there is no Jacobian.
  virtual bool jacobian_product(ConstVectorRef, VectorRef) const { return false; }
  virtual bool jacobian_transpose_product(ConstVectorRef, VectorRef) const { return false; }

  /// The residuals as the loss weighs them (residuals long); false where there are none.
  virtual bool residual_vector(VectorRef) const { return false; }

  /// Column k of out (size x count) is the gradient of term first + k of the sum; false where the terms
  /// cannot be told apart.
  virtual bool term_gradients(Index /*first*/, MatrixRef) const { return false; }

  /// What only one family of problems has, as a table of include/kappa/plugin.h by name and version, or
  /// nullptr.
  virtual const void* extension(std::string_view) const { return nullptr; }

  /// out = J' u, where u are the residuals at the point of `other`, a linearization of the same problem and
  /// sample, as the loss weighs them there: other's gradient, had it this Jacobian (Dennis, Gay & Welsch
  /// 1981).
  virtual bool cross_gradient(const Linearization& /*other*/, VectorRef) const { return false; }

  /// out = J' r_vv, where r_vv is the second directional derivative of the residuals along v: the
  /// right-hand side of the geodesic acceleration (Transtrum & Sethna 2012, eq. 10).
  virtual bool second_directional(ConstVectorRef, VectorRef) const { return false; }
};

}  // namespace kappa
