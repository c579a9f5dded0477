#include <cmath>

#include "kappa/random.h"
#include "solvers/curvature/parts.h"
#include "support/catch.h"
#include "support/synthetic_linearization.h"

namespace {

using namespace kappa;
using kappa::testing::products_only;
using kappa::testing::synthetic_evaluation;
using kappa::testing::SyntheticLinearization;
using kappa::testing::SyntheticOffers;
using Status = Curvature::Status;
using Vector = Eigen::VectorXd;

const Eigen::MatrixXd& matrix_of(const Evaluation& e, Model model) {
  return dynamic_cast<const SyntheticLinearization&>(*e.linearization).matrix(model);
}
Eigen::MatrixXd& matrix_of(Evaluation& e, Model model) {
  return dynamic_cast<SyntheticLinearization&>(*e.linearization).matrix(model);
}
Index products_of(const Evaluation& e) {
  return dynamic_cast<const SyntheticLinearization&>(*e.linearization).products;
}

Vector multiply(const SymmetricOperator& B, const Vector& v) {
  Vector out(v.size());
  B.multiply({v.data(), static_cast<std::size_t>(v.size())},
             {out.data(), static_cast<std::size_t>(out.size())});
  return out;
}

Vector diagonal_of(const SymmetricOperator& B) {
  Vector out(B.size());
  REQUIRE(B.diagonal({out.data(), static_cast<std::size_t>(out.size())}));
  return out;
}

Options model_option(const char* model) {
  return {{"model", std::string(model)}};
}

struct Case {
  CurvaturePart part;
  Options options;
  Model model;
};

/// The curvatures that pass one model on.
std::vector<Case> passing_cases() {
  return {{exact_part(), {}, Model::exact},
          {outer_product_part(), {}, Model::gauss_newton},
          {outer_product_part(), model_option("fisher"), Model::fisher},
          {outer_product_part(), model_option("sampled-fisher"), Model::sampled_fisher},
          {outer_product_part(), model_option("empirical-fisher"), Model::empirical_fisher},
          {hessian_free_part(), {}, Model::exact},
          {hessian_free_part(), model_option("gauss-newton"), Model::gauss_newton}};
}

double relative_difference(const Vector& a, const Vector& b) {
  return (a - b).norm() / b.norm();
}

constexpr double rounding = 1e-13;

}  // namespace

TEST_CASE("each passing curvature multiplies by the matrix of its own model and by no other") {
  const Evaluation now = synthetic_evaluation(7, 3);
  const Vector v = Vector::LinSpaced(7, -1, 2);
  for (const Case& c : passing_cases()) {
    CAPTURE(c.part.info.name, name(c.model));
    const auto curvature = c.part.make(c.options);
    CHECK(curvature->needs().models == ModelSet{c.model});
    REQUIRE(curvature->refresh(now, nullptr, {}) == Status::ok);
    for (const Model other :
         {Model::exact, Model::gauss_newton, Model::fisher, Model::sampled_fisher, Model::empirical_fisher}) {
      const double off = relative_difference(multiply(curvature->at_point(), v), matrix_of(now, other) * v);
      CHECK((off < rounding) == (other == c.model));
    }
    const bool outer = c.model != Model::exact;
    CHECK((curvature->at_point().definiteness() == Definiteness::positive_semidefinite) == outer);
  }
}

TEST_CASE("curvatures pass on the forms they are meant to and hide the others") {
  const Evaluation now = synthetic_evaluation(5, 9);
  const auto offers = [&](const CurvaturePart& part) {
    const auto curvature = part.make({});
    REQUIRE(curvature->refresh(now, nullptr, {}) == Status::ok);
    const SymmetricOperator::Offers o = curvature->at_point().offers();
    return std::array<bool, 4>{o.diagonal, o.dense, o.blocks, o.root};
  };
  CHECK(offers(exact_part()) == std::array<bool, 4>{true, true, true, false});
  CHECK(offers(outer_product_part()) == std::array<bool, 4>{true, true, true, true});
  CHECK(offers(hessian_free_part()) == std::array<bool, 4>{false, false, false, false});
  CHECK(offers(diagonal_part()) == std::array<bool, 4>{true, false, false, false});
  CHECK(offers(running_diagonal_part()) == std::array<bool, 4>{true, false, false, false});
}

TEST_CASE("what an operator offers is asked afresh in a new solve") {
  const auto curvature = exact_part().make({});
  const Evaluation rich = synthetic_evaluation(5, 9);
  const Evaluation poor = synthetic_evaluation(5, 9, products_only);
  REQUIRE(curvature->refresh(rich, nullptr, {}) == Status::ok);
  CHECK(curvature->at_point().offers().dense);
  curvature->start();
  REQUIRE(curvature->refresh(poor, nullptr, {}) == Status::ok);
  CHECK_FALSE(curvature->at_point().offers().dense);
}

TEST_CASE("products are counted, and counted anew in a new solve") {
  const Evaluation now = synthetic_evaluation(6, 4, products_only);
  const Vector v = Vector::Ones(6);
  for (const Case& c : passing_cases()) {
    const auto curvature = c.part.make(c.options);
    REQUIRE(curvature->refresh(now, nullptr, {}) == Status::ok);
    CHECK(curvature->products() == 0);
    const Index before = products_of(now);
    multiply(curvature->at_point(), v);
    multiply(curvature->at_point(), v);
    CHECK(curvature->products() == 2);
    CHECK(products_of(now) - before == 2);
    curvature->start();
    CHECK(curvature->products() == 0);
  }
  const auto diagonal = diagonal_part().make({});
  REQUIRE(diagonal->refresh(now, nullptr, {}) == Status::ok);
  CHECK(diagonal->products() == 6);
  const auto running = running_diagonal_part().make({});
  REQUIRE(running->refresh(now, nullptr, {}) == Status::ok);
  REQUIRE(running->refresh(now, nullptr, {}) == Status::ok);
  CHECK(running->products() == 2);
}

TEST_CASE("a refresh fails where the linearization lacks the model, and does not crash") {
  Evaluation no_linearization;
  Evaluation wrong_model = synthetic_evaluation(4, 2);
  wrong_model.models = {Model::squared_mean_gradient};
  Evaluation not_filled = synthetic_evaluation(4, 2);
  not_filled.have = Want::value | Want::gradient;
  for (const CurvaturePart& part :
       {exact_part(), outer_product_part(), diagonal_part(), hessian_free_part(), running_diagonal_part()}) {
    CAPTURE(part.info.name);
    const auto curvature = part.make({});
    CHECK(curvature->refresh(no_linearization, nullptr, {}) == Status::failed);
    CHECK(curvature->refresh(wrong_model, nullptr, {}) == Status::failed);
    CHECK(curvature->refresh(not_filled, nullptr, {}) == Status::failed);
  }
}

TEST_CASE("the operator of a curvature that was never refreshed breaks a contract") {
  CHECK_THROWS_AS(exact_part().make({})->at_point().size(), ContractError);
}

TEST_CASE("the diagonal is the same from the linearization, its blocks, its root or products") {
  using Offer = SyntheticOffers::Offer;
  const SyntheticOffers blocks{Offer::no, Offer::no, Offer::yes, Offer::no};
  const SyntheticOffers root{Offer::no, Offer::no, Offer::no, Offer::yes};
  struct Origin {
    SyntheticOffers offers;
    Model model;
    Index products;
  };
  for (const Origin& origin :
       {Origin{{}, Model::exact, 0}, Origin{{}, Model::gauss_newton, 0}, Origin{blocks, Model::exact, 0},
        Origin{blocks, Model::gauss_newton, 0}, Origin{root, Model::exact, 9},
        Origin{root, Model::gauss_newton, 0}, Origin{products_only, Model::exact, 9},
        Origin{products_only, Model::gauss_newton, 9}}) {
    const Evaluation now = synthetic_evaluation(9, 17, origin.offers);
    const auto curvature = diagonal_part().make(model_option(std::string(name(origin.model)).c_str()));
    REQUIRE(curvature->refresh(now, nullptr, {}) == Status::ok);
    CHECK(relative_difference(diagonal_of(curvature->at_point()), matrix_of(now, origin.model).diagonal()) <
          rounding);
    CHECK(curvature->products() == origin.products);
  }
}

TEST_CASE("a diagonal that takes more products than allowed is refused") {
  const Evaluation now = synthetic_evaluation(9, 17, products_only);
  CHECK(diagonal_part().make({{"product_limit", std::int64_t{9}}})->refresh(now, nullptr, {}) == Status::ok);
  CHECK(diagonal_part().make({{"product_limit", std::int64_t{8}}})->refresh(now, nullptr, {}) ==
        Status::failed);
}

TEST_CASE("Hutchinson's estimate is the diagonal in the mean and exact for a diagonal matrix") {
  Evaluation now = synthetic_evaluation(4, 5, products_only);
  SECTION("exact for a diagonal matrix") {
    Eigen::MatrixXd& B = matrix_of(now, Model::exact);
    B = Eigen::MatrixXd(B.diagonal().asDiagonal());
    const auto curvature = running_diagonal_part().make({});
    REQUIRE(curvature->refresh(now, nullptr, {}) == Status::ok);
    CHECK(relative_difference(diagonal_of(curvature->at_point()), B.diagonal().cwiseAbs()) < rounding);
  }
  SECTION("unbiased otherwise") {
    // Entries so dominant that D never changes sign: then the mean of |D| estimates |B_ii| without bias.
    Eigen::MatrixXd& B = matrix_of(now, Model::exact);
    B.diagonal().setConstant(B.cwiseAbs().maxCoeff() * 8);
    const auto curvature = running_diagonal_part().make({{"average", std::string("mean")}, {"beta", 0.9999}});
    const int draws = 4000;
    for (int i = 0; i < draws; ++i) {
      REQUIRE(curvature->refresh(now, nullptr, {}) == Status::ok);
    }
    for (Index i = 0; i < 4; ++i) {
      const double off_diagonal = B.row(i).squaredNorm() - B(i, i) * B(i, i);
      const double standard_error = std::sqrt(off_diagonal / draws);
      CHECK(std::abs(diagonal_of(curvature->at_point())[i] - B(i, i)) < 5 * standard_error);
    }
  }
}

TEST_CASE("the running averages are the bias-corrected sums of their papers") {
  const double beta = 0.7;
  const Index n = 5;
  for (const bool mean_square : {true, false}) {
    const auto curvature =
        running_diagonal_part().make({{"source", std::string("exact")},
                                      {"average", std::string(mean_square ? "mean-square" : "mean")},
                                      {"beta", beta}});
    std::vector<Vector> diagonals;
    for (std::uint64_t t = 1; t <= 6; ++t) {
      const Evaluation now = synthetic_evaluation(n, t);
      REQUIRE(curvature->refresh(now, nullptr, {}) == Status::ok);
      diagonals.push_back(matrix_of(now, Model::exact).diagonal());
      // The closed form: weights beta^(t - s), normalised.
      Vector sum = Vector::Zero(n);
      double weights = 0;
      for (std::size_t s = 0; s < diagonals.size(); ++s) {
        const double w = std::pow(beta, static_cast<double>(diagonals.size() - 1 - s));
        sum += w * (mean_square ? Vector(diagonals[s].cwiseAbs2()) : Vector(diagonals[s].cwiseAbs()));
        weights += w;
      }
      const Vector expected = mean_square ? Vector((sum / weights).cwiseSqrt()) : Vector(sum / weights);
      CHECK(relative_difference(diagonal_of(curvature->at_point()), expected) < rounding);
    }
  }
}

TEST_CASE("spatial averaging replaces each group by its mean, the last and shorter one too") {
  const Evaluation now = synthetic_evaluation(7, 21);
  const auto curvature =
      running_diagonal_part().make({{"source", std::string("exact")}, {"spatial_average", std::int64_t{3}}});
  REQUIRE(curvature->refresh(now, nullptr, {}) == Status::ok);
  const Vector B = matrix_of(now, Model::exact).diagonal();
  const Vector d = diagonal_of(curvature->at_point());
  for (Index i = 0; i < 7; ++i) {
    const Index begin = 3 * (i / 3);
    const Index length = std::min<Index>(3, 7 - begin);
    CHECK(d[i] == Approx(std::abs(B.segment(begin, length).mean())));
  }
}

TEST_CASE(
    "the running diagonal repeats its bits for a seed and in a new solve, and differs for another seed") {
  const Evaluation now = synthetic_evaluation(70, 8, products_only);
  const auto run = [&](Curvature& curvature) {
    curvature.start();
    for (int i = 0; i < 3; ++i) {
      REQUIRE(curvature.refresh(now, nullptr, {}) == Status::ok);
    }
    return diagonal_of(curvature.at_point());
  };
  const auto first = running_diagonal_part().make({});
  const auto second = running_diagonal_part().make({});
  const auto other = running_diagonal_part().make({{"seed", std::int64_t{2}}});
  const Vector d = run(*first);
  CHECK(run(*second) == d);
  CHECK(run(*first) == d);
  CHECK(run(*other) != d);
}

TEST_CASE("an estimate that is not finite fails and does not reach the average") {
  const Evaluation good = synthetic_evaluation(5, 2);
  const auto curvature = running_diagonal_part().make({{"source", std::string("exact")}});
  REQUIRE(curvature->refresh(good, nullptr, {}) == Status::ok);
  const Vector before = diagonal_of(curvature->at_point());
  for (const double bad : {std::nan(""), infinity, 1e200}) {
    Evaluation broken = synthetic_evaluation(5, 3);
    matrix_of(broken, Model::exact)(2, 2) = bad;
    CHECK(curvature->refresh(broken, nullptr, {}) == Status::failed);
    CHECK(diagonal_of(curvature->at_point()) == before);
  }
  REQUIRE(curvature->refresh(good, nullptr, {}) == Status::ok);
  CHECK(relative_difference(diagonal_of(curvature->at_point()), before) < rounding);
}

TEST_CASE("curvature options that make no sense are refused by name") {
  using Catch::Matchers::Contains;
  CHECK_THROWS_WITH(outer_product_part().make(model_option("exact")),
                    Contains("curvature 'outer-product'") && Contains("'model'") && Contains("gauss-newton"));
  CHECK_THROWS_WITH(diagonal_part().make(model_option("fischer")), Contains("fisher, "));
  CHECK_THROWS_AS(diagonal_part().make({{"product_limit", std::int64_t{-1}}}), Error);
  CHECK_THROWS_AS(running_diagonal_part().make({{"beta", 1.0}}), Error);
  CHECK_THROWS_AS(running_diagonal_part().make({{"beta", -0.1}}), Error);
  CHECK_THROWS_AS(running_diagonal_part().make({{"spatial_average", std::int64_t{0}}}), Error);
  CHECK_THROWS_WITH(running_diagonal_part().make({{"source", std::string("hutchinsen")}}),
                    Contains("valid values: hutchinson"));
  CHECK_THROWS_AS(running_diagonal_part().make({{"average", std::string("median")}}), Error);
  CHECK_THROWS_WITH(exact_part().make(model_option("exact")), Contains("takes no options"));
}

TEST_CASE("model names are those of options and results") {
  CHECK(name(Model::exact) == "exact");
  CHECK(name(Model::gauss_newton) == "gauss-newton");
  CHECK(name(Model::fisher) == "fisher");
  CHECK(name(Model::empirical_fisher) == "empirical-fisher");
  CHECK(name(Model::squared_mean_gradient) == "squared-mean-gradient");
}
