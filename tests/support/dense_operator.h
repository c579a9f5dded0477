// A symmetric operator over a dense matrix, with just the capabilities a test asks for.
#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

#include "kappa/operator.h"

namespace test {

/// B as a dense column-major matrix. What it offers is chosen by `offered`; with a root, B must be A'A.
/// Blocks are of 1, 2, 3, 1, 2, ... variables, and those off the diagonal that are zero are not stored.
class DenseOperator final : public kappa::SymmetricOperator {
 public:
  DenseOperator(kappa::Index n, std::vector<double> matrix,
                Offers offered = {.diagonal = true, .dense = true})
      : n_(n), matrix_(std::move(matrix)), offered_(offered) {
    kappa::expects(static_cast<kappa::Index>(matrix_.size()) == n * n, "DenseOperator: the matrix is n x n");
    refresh();
  }

  /// B = A'A for A (rows x n, column-major); c may be empty.
  static DenseOperator from_root(kappa::Index rows, kappa::Index n, std::vector<double> A,
                                 std::vector<double> c,
                                 Offers offered = {.diagonal = true, .dense = true, .root = true}) {
    std::vector<double> B(static_cast<std::size_t>(n * n));
    for (kappa::Index i = 0; i < n; ++i) {
      for (kappa::Index j = 0; j < n; ++j) {
        long double sum = 0;
        for (kappa::Index k = 0; k < rows; ++k) {
          sum += static_cast<long double>(A[at(k + i * rows)]) * A[at(k + j * rows)];
        }
        B[at(i + j * n)] = static_cast<double>(sum);
      }
    }
    DenseOperator out(n, std::move(B), offered);
    out.A_ = std::move(A);
    out.c_ = std::move(c);
    out.rows_ = rows;
    out.refresh();
    return out;
  }

  DenseOperator(const DenseOperator& other) { *this = other; }
  DenseOperator& operator=(const DenseOperator& other) {
    n_ = other.n_;
    rows_ = other.rows_;
    matrix_ = other.matrix_;
    A_ = other.A_;
    c_ = other.c_;
    offered_ = other.offered_;
    solve = other.solve;
    refresh();
    return *this;
  }

  kappa::Index size() const override { return n_; }
  void multiply(kappa::ConstVectorRef v, kappa::VectorRef out) const override {
    ++products;
    for (kappa::Index i = 0; i < n_; ++i) {
      double sum = 0;
      for (kappa::Index j = 0; j < n_; ++j) {
        sum += matrix_[at(i + j * n_)] * v[at(j)];
      }
      out[at(i)] = sum;
    }
  }
  bool diagonal(kappa::VectorRef out) const override {
    for (kappa::Index i = 0; offered_.diagonal && i < n_; ++i) {
      out[at(i)] = matrix_[at(i + i * n_)];
    }
    return offered_.diagonal;
  }
  bool dense(kappa::MatrixRef out) const override {
    for (kappa::Index j = 0; offered_.dense && j < n_; ++j) {
      for (kappa::Index i = 0; i < n_; ++i) {
        out(i, j) = matrix_[at(i + j * n_)];
      }
    }
    return offered_.dense;
  }
  const kappa::Root* root() const override { return offered_.root ? &root_ : nullptr; }
  const kappa::BlockMatrix* blocks() const override { return offered_.blocks ? &blocks_ : nullptr; }
  Offers offers() const override { return offered_; }

  /// Says that it solves its damped system, by Cholesky in long double; false where that is not definite.
  kappa::SolveKind solve = kappa::SolveKind::absent;
  kappa::SolveKind solve_kind() const override { return solve; }
  bool solve_damped(double lambda, kappa::ConstVectorRef weights, kappa::ConstVectorRef rhs,
                    kappa::VectorRef out) const override {
    std::vector<long double> L(matrix_.begin(), matrix_.end());
    std::vector<long double> x(rhs.begin(), rhs.end());
    for (kappa::Index j = 0; solve != kappa::SolveKind::absent && j < n_; ++j) {
      L[at(j + j * n_)] += static_cast<long double>(lambda) * weights[at(j)];
      for (kappa::Index k = 0; k < j; ++k) {
        for (kappa::Index i = j; i < n_; ++i) {
          L[at(i + j * n_)] -= L[at(i + k * n_)] * L[at(j + k * n_)];
        }
      }
      const long double pivot = L[at(j + j * n_)];
      if (pivot <= 0) {
        return false;
      }
      for (kappa::Index i = j; i < n_; ++i) {
        L[at(i + j * n_)] /= std::sqrt(pivot);
      }
      x[at(j)] /= L[at(j + j * n_)];
      for (kappa::Index i = j + 1; i < n_; ++i) {
        x[at(i)] -= L[at(i + j * n_)] * x[at(j)];
      }
    }
    for (kappa::Index j = n_ - 1; j >= 0; --j) {
      for (kappa::Index i = j + 1; i < n_; ++i) {
        x[at(j)] -= L[at(i + j * n_)] * x[at(i)];
      }
      x[at(j)] /= L[at(j + j * n_)];
      out[at(j)] = static_cast<double>(x[at(j)]);
    }
    return solve != kappa::SolveKind::absent;
  }

  const std::vector<double>& matrix() const { return matrix_; }
  mutable kappa::Index products = 0;

 private:
  static std::size_t at(kappa::Index i) { return static_cast<std::size_t>(i); }
  void refresh() {
    root_.A = {A_.data(), rows_, n_, rows_};
    root_.c = c_;
    blocks_ = {};
    if (offered_.blocks) {
      split();
    }
  }
  void split() {
    kappa::BlockStructure& s = blocks_.structure;
    s.offset = {0};
    for (kappa::Index size = 1; s.offset.back() < n_; size = 1 + size % 3) {
      s.offset.push_back(std::min(n_, s.offset.back() + size));
    }
    s.row_start = {0};
    s.value_start = {0};
    for (kappa::Index i = 0; i < s.blocks(); ++i) {
      for (kappa::Index j = i; j < s.blocks(); ++j) {
        std::vector<double> block;
        for (kappa::Index c = s.offset[at(j)]; c < s.offset[at(j) + 1]; ++c) {
          for (kappa::Index r = s.offset[at(i)]; r < s.offset[at(i) + 1]; ++r) {
            block.push_back(matrix_[at(r + c * n_)]);
          }
        }
        if (i == j || std::any_of(block.begin(), block.end(), [](double v) { return v != 0; })) {
          s.column.push_back(static_cast<std::int32_t>(j));
          blocks_.values.insert(blocks_.values.end(), block.begin(), block.end());
          s.value_start.push_back(static_cast<kappa::Index>(blocks_.values.size()));
        }
      }
      s.row_start.push_back(static_cast<kappa::Index>(s.column.size()));
    }
  }

  kappa::Index n_ = 0;
  kappa::Index rows_ = 0;
  std::vector<double> matrix_, A_, c_;
  Offers offered_;
  kappa::Root root_;
  kappa::BlockMatrix blocks_;
};

/// B = diag(entries), offering nothing but its diagonal: what a diagonal curvature looks like.
class DiagonalOperator final : public kappa::SymmetricOperator {
 public:
  explicit DiagonalOperator(std::vector<double> entries) : entries_(std::move(entries)) {}
  kappa::Index size() const override { return static_cast<kappa::Index>(entries_.size()); }
  void multiply(kappa::ConstVectorRef v, kappa::VectorRef out) const override {
    for (std::size_t i = 0; i < entries_.size(); ++i) {
      out[i] = entries_[i] * v[i];
    }
  }
  bool diagonal(kappa::VectorRef out) const override {
    std::copy(entries_.begin(), entries_.end(), out.begin());
    return true;
  }
  Offers offers() const override { return {.diagonal = true}; }

 private:
  std::vector<double> entries_;
};

}  // namespace test
