// A Linearization made of random dense matrices, for tests of curvatures: r has Jacobian J, and the
// second-order part is any symmetric matrix, so that every model is another matrix.
//
//   exact = J'J + S,  gauss_newton = J'J,  fisher = 2 J'J,  sampled_fisher = 3 J'J,  empirical_fisher = sum
//   of r_i^2 j_i j_i'
#pragma once

#include <Eigen/Dense>
#include <array>
#include <memory>

#include "kappa/problem.h"
#include "kappa/random.h"

namespace kappa::testing {

/// What a SyntheticLinearization offers beside products.
struct SyntheticOffers {
  enum class Offer { no, yes };
  Offer diagonal = Offer::yes;
  Offer dense = Offer::yes;
  Offer blocks = Offer::yes;
  Offer root = Offer::yes;
};
inline constexpr SyntheticOffers products_only = {SyntheticOffers::Offer::no, SyntheticOffers::Offer::no,
                                                  SyntheticOffers::Offer::no, SyntheticOffers::Offer::no};

class SyntheticLinearization final : public Linearization {
 public:
  SyntheticLinearization(Index n, std::uint64_t seed, SyntheticOffers offers = {}) : offers_(offers) {
    RandomSequence random(seed);
    const auto fill = [&](auto& m) {
      for (Index j = 0; j < m.cols(); ++j) {
        for (Index i = 0; i < m.rows(); ++i) {
          m(i, j) = random.normal();
        }
      }
    };
    const Index m = n + 3;
    Eigen::MatrixXd J(m, n), S(n, n);
    Eigen::VectorXd r(m);
    fill(J);
    fill(S);
    fill(r);
    S = (S + S.transpose()).eval() * 2.0;
    const Eigen::MatrixXd scaled = r.asDiagonal() * J;
    matrices_ = {J.transpose() * J + S, J.transpose() * J, 2 * J.transpose() * J, 3 * J.transpose() * J,
                 scaled.transpose() * scaled};
    factors_ = {Eigen::MatrixXd(), J, std::sqrt(2.0) * J, std::sqrt(3.0) * J, scaled};
    c_ = {Eigen::VectorXd(), r, r / std::sqrt(2.0), r / std::sqrt(3.0), Eigen::VectorXd()};
    gradient = J.transpose() * r;
    for (std::size_t k = 0; k < matrices_.size(); ++k) {
      blocks_[k] = as_blocks(matrices_[k]);
      const Eigen::MatrixXd& A = factors_[k];
      roots_[k] = {{A.data(), A.rows(), A.cols(), A.rows()},
                   {c_[k].data(), static_cast<std::size_t>(c_[k].size())}};
    }
  }
  SyntheticLinearization(const SyntheticLinearization&) = delete;

  const Eigen::MatrixXd& matrix(Model model) const { return matrices_[at(model)]; }
  Eigen::MatrixXd& matrix(Model model) { return matrices_[at(model)]; }

  Index size() const override { return matrices_[0].rows(); }

  void product(Model model, ConstVectorRef v, VectorRef out) const override {
    ++products;
    Eigen::Map<Eigen::VectorXd>(out.data(), size()).noalias() =
        matrix(model) * Eigen::Map<const Eigen::VectorXd>(v.data(), size());
  }
  Offers offers(Model model) const override {
    const auto yes = SyntheticOffers::Offer::yes;
    return {.diagonal = offers_.diagonal == yes,
            .dense = offers_.dense == yes,
            .blocks = offers_.blocks == yes,
            .root = offers_.root == yes && model != Model::exact};
  }
  bool diagonal(Model model, VectorRef out) const override {
    if (offers_.diagonal == SyntheticOffers::Offer::yes) {
      Eigen::Map<Eigen::VectorXd>(out.data(), size()) = matrix(model).diagonal();
    }
    return offers_.diagonal == SyntheticOffers::Offer::yes;
  }
  bool dense(Model model, MatrixRef out) const override {
    if (offers_.dense == SyntheticOffers::Offer::yes) {
      Eigen::Map<Eigen::MatrixXd, 0, Eigen::OuterStride<>>(out.data, size(), size(),
                                                           Eigen::OuterStride<>(out.stride)) = matrix(model);
    }
    return offers_.dense == SyntheticOffers::Offer::yes;
  }
  const BlockMatrix* blocks(Model model) const override {
    return offers_.blocks == SyntheticOffers::Offer::yes ? &blocks_[at(model)] : nullptr;
  }
  const Root* root(Model model) const override {
    return offers_.root == SyntheticOffers::Offer::yes && model != Model::exact ? &roots_[at(model)]
                                                                                : nullptr;
  }

  Eigen::VectorXd gradient;
  mutable Index products = 0;

 private:
  static std::size_t at(Model model) { return static_cast<std::size_t>(model); }

  /// Blocks of 2 variables, the last of 1 where n is odd; every block of the upper triangle is stored.
  static BlockMatrix as_blocks(const Eigen::MatrixXd& matrix) {
    BlockMatrix out;
    BlockStructure& s = out.structure;
    for (Index i = 0; i < matrix.rows(); i += 2) {
      s.offset.push_back(i);
    }
    s.offset.push_back(matrix.rows());
    s.row_start.push_back(0);
    s.value_start.push_back(0);
    for (Index i = 0; i < s.blocks(); ++i) {
      for (Index j = i; j < s.blocks(); ++j) {
        s.column.push_back(static_cast<std::int32_t>(j));
        const Eigen::MatrixXd block =
            matrix.block(s.offset[static_cast<std::size_t>(i)], s.offset[static_cast<std::size_t>(j)],
                         s.block_size(i), s.block_size(j));
        out.values.insert(out.values.end(), block.data(), block.data() + block.size());
        s.value_start.push_back(static_cast<Index>(out.values.size()));
      }
      s.row_start.push_back(static_cast<Index>(s.column.size()));
    }
    return out;
  }

  SyntheticOffers offers_;
  std::array<Eigen::MatrixXd, 5> matrices_;
  std::array<Eigen::MatrixXd, 5> factors_;
  std::array<Eigen::VectorXd, 5> c_;
  std::array<BlockMatrix, 5> blocks_;
  std::array<Root, 5> roots_;
};

/// The linearization as an evaluation for Curvature::refresh, with all of its models.
inline Evaluation evaluation_of(std::unique_ptr<SyntheticLinearization> linearization) {
  Evaluation out;
  out.have = Want::value | Want::gradient | Want::linearization;
  out.models = {Model::exact, Model::gauss_newton, Model::fisher, Model::sampled_fisher,
                Model::empirical_fisher};
  out.gradient.assign(linearization->gradient.begin(), linearization->gradient.end());
  out.x.assign(out.gradient.size(), 0.0);
  out.linearization = std::move(linearization);
  return out;
}

inline Evaluation synthetic_evaluation(Index n, std::uint64_t seed, SyntheticOffers offers = {}) {
  return evaluation_of(std::make_unique<SyntheticLinearization>(n, seed, offers));
}

}  // namespace kappa::testing
