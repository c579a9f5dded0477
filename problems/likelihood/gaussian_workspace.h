// GaussianWorkspace: the arithmetic of a Gaussian likelihood at one point, with the memory it takes.
//
// Blocks of the covariance are evaluated and used while they are in the cache: of the derivatives of the
// covariance by p parameters no more is stored than p matrices, for second order, and nothing for gradients.
// Sums over blocks run in the order of the blocks.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/definite_matrix.h"
#include "kappa/gaussian_likelihood.h"

namespace kappa::detail {

/// What differentiate() is to compute; the matrices are parameters() square and zero.
struct GaussianDerivatives {
  VectorRef gradient;  ///< empty: none
  std::optional<MatrixRef> exact;
  std::optional<MatrixRef> fisher;
};

class GaussianWorkspace {
 public:
  /// Both outlive it.
  GaussianWorkspace(const GaussianModel& model, ConstVectorRef data);

  /// Whether the factor is that of the covariance at x.
  bool is_at(ConstVectorRef x) const;

  /// Mean, factor and value at x, unless they are there. `fault` says what is wrong with x.
  EvalStatus factor(ConstVectorRef x, const Interrupt* interrupt, std::string& fault);
  double value() const { return value_; }
  /// eps times the sum of the absolute terms.
  double value_rounding() const { return value_rounding_; }
  /// K r, after differentiate or solve.
  ConstVectorRef alpha() const { return alpha_; }
  void solve();
  DefiniteMatrix& covariance() { return sigma_; }

  EvalStatus differentiate(const GaussianDerivatives& wanted, const Interrupt* interrupt);

 private:
  struct Pass;
  Index size() const { return static_cast<Index>(data_.size()); }
  Index varying() const { return static_cast<Index>(covariance_parameters_.size()); }
  Index moving() const { return static_cast<Index>(mean_parameters_.size()); }
  Index pairs() const { return varying() * (varying() + 1) / 2; }
  std::string place() const;
  void fill_covariance();
  void differentiate_mean();
  void pass(const Pass& what);
  DenseStatus form_congruences(const Interrupt* interrupt);
  void assemble(const GaussianDerivatives& wanted);
  void add_mixed_terms(MatrixRef exact);

  const GaussianModel* model_;
  ConstVectorRef data_;
  std::vector<Index> covariance_parameters_, mean_parameters_;

  std::vector<double> x_;
  enum class Stage { nothing, factored, inverted } stage_ = Stage::nothing;
  double value_ = 0;
  double value_rounding_ = 0;
  std::vector<double> mu_, z_, alpha_;  ///< z = L^-1 r
  DefiniteMatrix sigma_;
  SliverMatrix inverse_, lower_, scratch_;
  std::vector<SliverMatrix> first_;        ///< Sigma_a, then W_a
  std::vector<double> jacobian_, scaled_;  ///< of the mean; L^-1 times it
  std::vector<double> mean_second_;
  std::vector<double> products_;    ///< W_a z
  std::vector<double> partial_;     ///< sums of blocks
  std::vector<double> contracted_;  ///< <K - a a', .> with first, then second derivatives
  std::vector<double> traces_;
};

}  // namespace kappa::detail
