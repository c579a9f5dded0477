// The laws of a SymmetricOperator, checked on any operator by dense algebra.
//
// The oracle is the matrix of the operator's products with the unit vectors; everything else the operator
// offers is compared with it. Use it up to a few hundred variables. The laws hold where the result is empty;
// otherwise each entry is a sentence with the figures of one broken law.
#pragma once

#include <Eigen/Dense>
#include <cmath>
#include <sstream>
#include <string>
#include <vector>

#include "kappa/operator.h"
#include "kappa/random.h"

namespace kappa::testing {

struct OperatorLawSettings {
  double tolerance = 1e-10;  ///< relative to the largest entry of the matrix
  ConstVectorRef gradient;   ///< where given, a root's c must fulfil A'c = g
  std::uint64_t seed = 1;
};

namespace detail {

inline VectorRef view(Eigen::VectorXd& v) {
  return {v.data(), static_cast<std::size_t>(v.size())};
}
inline ConstVectorRef view(const Eigen::VectorXd& v) {
  return {v.data(), static_cast<std::size_t>(v.size())};
}

inline Eigen::VectorXd random_vector(Index n, RandomSequence& random) {
  Eigen::VectorXd v(n);
  for (Index i = 0; i < n; ++i) {
    v[i] = random.normal();
  }
  return v;
}

inline Eigen::VectorXd product(const SymmetricOperator& B, const Eigen::VectorXd& v) {
  Eigen::VectorXd out = Eigen::VectorXd::Constant(v.size(), std::nan(""));
  B.multiply(view(v), view(out));
  return out;
}

inline Eigen::MatrixXd matrix_of_products(const SymmetricOperator& B) {
  const Index n = B.size();
  Eigen::MatrixXd out(n, n);
  for (Index j = 0; j < n; ++j) {
    out.col(j) = product(B, Eigen::VectorXd::Unit(n, j));
  }
  return out;
}

/// Written out from the storage format, so that BlockMatrix's own functions are not taken on trust.
inline Eigen::MatrixXd matrix_of_blocks(const BlockMatrix& blocks) {
  const BlockStructure& s = blocks.structure;
  Eigen::MatrixXd out = Eigen::MatrixXd::Zero(s.size(), s.size());
  for (Index i = 0; i < s.blocks(); ++i) {
    const auto row = static_cast<std::size_t>(i);
    for (Index k = s.row_start[row]; k < s.row_start[row + 1]; ++k) {
      const ConstMatrixRef block = blocks.block(i, k);
      const Index at_row = s.offset[row];
      const Index at_column = s.offset[static_cast<std::size_t>(s.column[static_cast<std::size_t>(k)])];
      for (Index b = 0; b < block.cols; ++b) {
        for (Index a = 0; a < block.rows; ++a) {
          out(at_row + a, at_column + b) = block(a, b);
          out(at_column + b, at_row + a) = block(a, b);
        }
      }
    }
  }
  return out;
}

class OperatorLaws {
 public:
  OperatorLaws(const SymmetricOperator& B, const OperatorLawSettings& settings)
      : B_(B), settings_(settings), matrix_(matrix_of_products(B)), random_(settings.seed) {
    bound_ = settings.tolerance * std::max(matrix_.cwiseAbs().maxCoeff(), 1e-300);
  }

  std::vector<std::string> broken() {
    if (!matrix_.allFinite()) {
      return {"multiply does not fill its output with finite numbers"};
    }
    linear();
    symmetric();
    repeatable();
    diagonal();
    dense();
    blocks();
    root();
    definite();
    damped_solve();
    return std::move(broken_);
  }

 private:
  void require(double error, double bound, const char* law) {
    if (!(error <= bound)) {
      std::ostringstream sentence;
      sentence << law << ": off by " << error << ", allowed " << bound << " (n = " << B_.size() << ")";
      broken_.push_back(sentence.str());
    }
  }

  void linear() {
    const Eigen::VectorXd v = random_vector(B_.size(), random_);
    const double scale = static_cast<double>(B_.size()) * (1 + v.cwiseAbs().maxCoeff());
    require((product(B_, v) - matrix_ * v).cwiseAbs().maxCoeff(), bound_ * scale, "multiply is linear");
    require((product(B_, -3 * v) + 3 * matrix_ * v).cwiseAbs().maxCoeff(), 3 * bound_ * scale,
            "multiply is linear");
    require(product(B_, Eigen::VectorXd::Zero(B_.size())).cwiseAbs().maxCoeff(), 0, "B 0 = 0");
  }

  void symmetric() {
    require((matrix_ - matrix_.transpose()).cwiseAbs().maxCoeff(), bound_, "multiply is symmetric");
  }

  void repeatable() {
    const Eigen::VectorXd v = random_vector(B_.size(), random_);
    require((product(B_, v) - product(B_, v)).cwiseAbs().maxCoeff(), 0, "the same product has the same bits");
  }

  void diagonal() {
    Eigen::VectorXd out = Eigen::VectorXd::Constant(B_.size(), std::nan(""));
    const bool there = B_.diagonal(view(out));
    if (there != B_.offers().diagonal) {
      broken_.emplace_back("offers().diagonal is what diagonal() returns");
    }
    if (there) {
      require((out - matrix_.diagonal()).cwiseAbs().maxCoeff(), bound_, "diagonal agrees with multiply");
    }
  }

  void dense() {
    // A stride above the number of rows: what lies between the columns is not the operator's to write.
    const Index n = B_.size();
    Eigen::MatrixXd out = Eigen::MatrixXd::Constant(n + 2, n, 7.5);
    const bool there = B_.dense({out.data(), n, n, n + 2});
    if (there != B_.offers().dense) {
      broken_.emplace_back("offers().dense is what dense() returns");
    }
    if (there) {
      require((out.topRows(n) - matrix_).cwiseAbs().maxCoeff(), bound_, "dense agrees with multiply");
      require((out.bottomRows(2).array() - 7.5).abs().maxCoeff(), 0, "dense writes inside its view only");
    }
  }

  void blocks() {
    const BlockMatrix* blocks = B_.blocks();
    if ((blocks != nullptr) != B_.offers().blocks) {
      broken_.emplace_back("offers().blocks is whether blocks() is there");
    }
    if (blocks != nullptr) {
      require(std::abs(static_cast<double>(blocks->structure.size() - B_.size())), 0,
              "blocks have the operator's size");
      require((matrix_of_blocks(*blocks) - matrix_).cwiseAbs().maxCoeff(), bound_,
              "blocks agree with multiply");
    }
  }

  void root() {
    const Root* root = B_.root();
    if ((root != nullptr) != B_.offers().root) {
      broken_.emplace_back("offers().root is whether root() is there");
    }
    if (root == nullptr) {
      return;
    }
    using Strided = Eigen::Map<const Eigen::MatrixXd, 0, Eigen::OuterStride<>>;
    const Strided A(root->A.data, root->A.rows, root->A.cols, Eigen::OuterStride<>(root->A.stride));
    require((A.transpose() * A - matrix_).cwiseAbs().maxCoeff(), bound_ * static_cast<double>(A.rows()),
            "root: A'A agrees with multiply");
    if (!root->c.empty() && !settings_.gradient.empty()) {
      const Eigen::Map<const Eigen::VectorXd> c(root->c.data(), static_cast<Index>(root->c.size()));
      const Eigen::Map<const Eigen::VectorXd> g(settings_.gradient.data(), B_.size());
      require((A.transpose() * c - g).cwiseAbs().maxCoeff(),
              settings_.tolerance * (1e-300 + A.cwiseAbs().maxCoeff() * c.cwiseAbs().sum()),
              "root: A'c is the gradient");
    }
  }

  void definite() {
    if (B_.definiteness() != Definiteness::positive_semidefinite) {
      return;
    }
    const Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> solver(0.5 * (matrix_ + matrix_.transpose()),
                                                                Eigen::EigenvaluesOnly);
    require(std::max(0.0, -solver.eigenvalues()[0]), bound_ * static_cast<double>(B_.size()),
            "it is positive semidefinite as it says");
  }

  void damped_solve() {
    const Index n = B_.size();
    // Above every eigenvalue's absolute value: an indefinite damped matrix may be refused.
    const double lambda = matrix_.cwiseAbs().rowwise().sum().maxCoeff() + 1e-3;
    const Eigen::VectorXd weights = random_vector(n, random_).cwiseAbs2().array() + 1;
    const Eigen::VectorXd rhs = random_vector(n, random_);
    Eigen::VectorXd x = Eigen::VectorXd::Constant(n, std::nan(""));
    const bool there = B_.solve_damped(lambda, view(weights), view(rhs), view(x));
    if (there != (B_.solve_kind() != SolveKind::absent)) {
      broken_.emplace_back("solve_kind() is whether solve_damped() is there");
    }
    if (B_.solve_kind() == SolveKind::exact) {
      const Eigen::VectorXd residual = matrix_ * x + lambda * weights.cwiseProduct(x) - rhs;
      require(residual.cwiseAbs().maxCoeff(), std::sqrt(settings_.tolerance) * rhs.cwiseAbs().maxCoeff(),
              "solve_damped solves the damped system");
    }
  }

  const SymmetricOperator& B_;
  OperatorLawSettings settings_;
  Eigen::MatrixXd matrix_;
  RandomSequence random_;
  double bound_ = 0;
  std::vector<std::string> broken_;
};

}  // namespace detail

/// The laws that the operator breaks, as sentences; empty where it keeps them all.
inline std::vector<std::string> broken_operator_laws(const SymmetricOperator& B,
                                                     const OperatorLawSettings& settings = {}) {
  return detail::OperatorLaws(B, settings).broken();
}

}  // namespace kappa::testing
