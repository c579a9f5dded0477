// BlockCovariance: covariance of chosen parameter blocks at a solution, up to the size of bundle adjustment.
//
//   const kappa::BlockCovariance covariance(problem, result.x);
//   const kappa::Matrix C = covariance.block(problem.tangent_range(camera));                       // 9 x 9
//   const kappa::Matrix D = covariance.block(problem.tangent_range(camera), problem.tangent_range(point));
//   const std::vector<double> errors = covariance.standard_errors();                               // all
//   if (covariance.null_space().dimension > 0) std::puts(covariance.null_space().text().c_str());
//
// The covariance is sigma^2 H^+, with H the Gauss-Newton matrix (the expected information) or the exact
// Hessian (the observed information) in tangent entries, and H^+ its Moore-Penrose inverse: what the
// residuals do not determine has no variance, the rest has that of the solution of minimum norm. H^+ depends
// on the units of the variables where H is singular; hold some blocks constant to fix a gauge of your own.
//
// With D = diag(H)^-1/2 and A = D H D, eliminated blocks e (schur_structure.h: the points of a bundle) and
// kept ones, W = A_ee^-1 A_ek and S = A_kk - A_ke W,
//
//   G = [S^-  -S^- W'; -W S^-  A_ee^-1 + W S^- W'],   A G A = A,
//   H^+ = P D G D P,   P = I - N N',
//
// with S^- any inverse of S on its range and N an orthonormal basis of the null space of H. A null vector of
// a diagonal block alone (a point seen once, along its ray) is found in that block; those of S, the gauge, by
// an eigen-decomposition, or beyond `eigen_limit` variables by subspace iteration with the shifted S, until a
// factor of S with the null space filled proves that there are no more. Blocks of S^- are computed where S
// has blocks, so the covariance of every block, and of any two that share an eliminated one, costs a few
// small products; that of any other two a solve for each column.
//
// A direction y, of length 1 in the scaled variables, is null where y'A y is at most `null_tolerance`; where
// there is a Jacobian J it is |J D y|^2, which rounding does not blur. Those above have a relative error of
// some eps / y'A y in their variance: `weakest` says how far down they go.
//
// Variables that sit at a bound with the gradient pushing outwards, or between equal bounds, are held: their
// covariance is zero, and that of the others is given for them fixed.
//
// Memory: a copy of H, the blocks of S twice and a factor of S; dense, 8 N^2 bytes for N kept variables. It
// is estimated before it is allocated. The bits do not depend on the number of threads.
//
// References: Triggs, McLauchlan, Hartley & Fitzgibbon: Bundle adjustment, a modern synthesis, 2000, sec. 9;
// Albert: Conditions for positive and nonnegative definiteness in terms of pseudoinverses, SIAM J. Appl.
// Math. 17 (1969) 434, for the Schur complement of a singular matrix.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "kappa/derivatives.h"
#include "kappa/problem.h"

namespace kappa {

struct CovarianceOptions {
  enum class Factor : std::uint8_t { automatic, dense, sparse };
  Model model = Model::gauss_newton;
  double variance = -1;               ///< sigma^2; < 0: 2 f / (residuals - rank)
  double null_tolerance = -1;         ///< < 0: 64 eps for Gauss-Newton, 1e-9 for the exact Hessian
  double memory_bytes = 4e9;          ///< the most that may be allocated
  Factor factor = Factor::automatic;  ///< of S; automatic: by the cost of its inverse
  Index eigen_limit = 400;            ///< kept variables up to which S is decomposed to find its null space
};

/// A direction in which the objective does not change, to second order.
struct NullDirection {
  struct Part {
    TangentRange range;
    std::string name;  ///< of the parameter block
    double share = 0;  ///< of the squared length, in variables scaled by D
    /// The block's entries of the direction, which as a whole has length 1; not scaled.
    std::vector<double> direction;
  };
  std::string name;         ///< "translation x", or the blocks that move: "point 17"
  bool symmetry = false;    ///< whether the name is that of a symmetry of the problem
  std::vector<Part> parts;  ///< the blocks with the largest shares, at most eight, largest first
  Index blocks = 0;         ///< how many blocks have a share above 1e-9
};

struct NullSpace {
  Index dimension = 0;
  std::vector<NullDirection> directions;  ///< `dimension` of them; symmetries first
  /// A few lines for a person: "7 gauge freedoms: translation x, ...".
  std::string text() const;
};

class BlockCovariance {
 public:
  /// Evaluates the problem at x (a solution, as a rule). Throws Error where x cannot be evaluated, H is not
  /// positive semidefinite or not finite, the memory would not suffice, or sigma^2 is to be estimated and the
  /// problem has no residuals to spare. The problem is not needed afterwards.
  BlockCovariance(const Problem& problem, ConstVectorRef x, const CovarianceOptions& options = {});
  /// The same from an evaluation that has value, gradient and linearization, with `options.model` among its
  /// models; its linearization offers blocks or a dense matrix.
  BlockCovariance(const Problem& problem, const Evaluation& at_x, const CovarianceOptions& options = {});
  /// Of any information matrix. sigma^2 is 1 unless given.
  explicit BlockCovariance(const BlockMatrix& information, const CovarianceOptions& options = {});
  ~BlockCovariance();
  BlockCovariance(BlockCovariance&&) noexcept;
  BlockCovariance& operator=(BlockCovariance&&) noexcept;

  /// Number of variables, and of those directions that are determined and not held.
  Index size() const;
  Index rank() const;
  /// sigma^2.
  double variance() const;
  /// Variables held at bounds, ascending.
  const std::vector<Index>& held() const;
  /// The smallest y'A y found above the tolerance, an estimate from above; 1 where all is well determined.
  double weakest() const;
  const NullSpace& null_space() const;
  /// How it was computed: "dense Schur complement of 16 blocks (144), 22106 blocks eliminated".
  const std::string& description() const;

  /// rows.size x cols.size; zero for constant blocks. A range may be part of a parameter block, or several.
  /// May be called from several threads.
  Matrix block(TangentRange rows, TangentRange cols) const;
  Matrix block(TangentRange range) const { return block(range, range); }
  /// Square roots of the variances, of a range or of all variables.
  std::vector<double> standard_errors(TangentRange range) const;
  std::vector<double> standard_errors() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace kappa
