// A generalised inverse of a scaled information matrix A through block elimination, block by block:
//
//   G = [S^-  -S^- W'; -W S^-  A_ee^-1 + W S^- W'],     W = A_ee^-1 A_ek,     S = A_kk - A_ke W.
//
// It finds the null space of A on the way (of what scaled_information.h has left of it).
//
// Cost: forming S (schur_reduction.h), its inverse (reduced_inverse.h), and p c^2 k^2 multiply-adds for each
// block (e, e) with k neighbours. Memory: bytes().
#pragma once

#include <Eigen/Dense>
#include <functional>
#include <string>
#include <vector>

#include "solvers/covariance/reduced_inverse.h"
#include "solvers/covariance/scaled_information.h"
#include "solvers/linear/schur_reduction.h"
#include "solvers/linear/schur_structure.h"

namespace kappa::detail {

class EliminatedInverse {
 public:
  struct Options {
    ReducedInverse::Kind kind = ReducedInverse::Kind::automatic;
    double null_tolerance = 0;
    double memory_bytes = 0;
    Index largest_decomposition = 0;  ///< see reduced_inverse.h
  };

  /// Chooses what to eliminate. Throws Error where more than options.memory_bytes would be needed.
  void analyze(const BlockStructure& structure, const Options& options);
  /// out := Y'A Y by a product that does not square the rounding errors of a Jacobian, or false.
  using Gram = std::function<bool(const Eigen::MatrixXd& Y, Eigen::MatrixXd& out)>;
  /// Returned by compute() where null vectors and others cannot be told apart.
  static constexpr Index unresolved = -2;
  /// Returns -1, or a variable at which A is not positive semidefinite.
  Index compute(const ScaledInformation& A, const Gram& gram = {});

  /// Orthonormal null vectors of A, n x k.
  const Eigen::MatrixXd& null_vectors() const { return null_vectors_; }
  /// The smallest y'A y / y'y seen above the tolerance.
  double weakest() const { return weakest_; }
  std::string describe() const;

  /// G X, n x k.
  Eigen::MatrixXd apply(const Eigen::MatrixXd& X) const;
  /// Block (i, j) of G; false where S^- has not all that it takes, see column().
  bool block(Index i, Index j, Eigen::MatrixXd& out) const;
  /// S^- times the kept rows of column block j of [I; -W]: what row() takes to give blocks (i, j).
  Eigen::MatrixXd column(Index j) const;
  /// Block (i, j) of G, i != j, from column(j).
  Eigen::MatrixXd row(Index i, const Eigen::MatrixXd& column) const;

 private:
  struct Place {
    bool kept = false;
    std::int32_t position = 0;
  };

  Eigen::MatrixXd coupling(Index e, Index k) const;
  Eigen::MatrixXd weights(Index e) const;
  Eigen::Map<const Eigen::MatrixXd> pivot_inverse(Index e) const;
  bool choose_null_vectors(const ReducedInverse::NearNull& near, const Gram& gram,
                           Eigen::MatrixXd& reduced_null);
  bool invert_pivots(Index& failed);
  void extend(const Eigen::MatrixXd& reduced, Eigen::MatrixXd& full) const;
  bool reduced_block(Index i, Index j, Eigen::Ref<Eigen::MatrixXd> out) const;
  /// The kept blocks that block b is connected with (itself, if kept), and what it weights them with, p x ...
  struct Arms {
    const std::int32_t* begin = nullptr;
    const std::int32_t* end = nullptr;
    Eigen::MatrixXd weights;
  };
  Arms arms(Index block) const;

  Options options_;
  const ScaledInformation* A_ = nullptr;
  SchurStructure s_;
  SchurReduction reduction_;
  ReducedInverse reduced_;
  std::vector<Place> place_;        ///< by block
  std::vector<std::int32_t> self_;  ///< 0, 1, 2, ...: the arms of kept blocks
  std::vector<Index> pivot_start_;
  std::vector<double> pivot_inverse_;
  Eigen::MatrixXd null_vectors_;
  double weakest_ = 1;
};

}  // namespace kappa::detail
