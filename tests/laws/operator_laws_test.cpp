#include "support/operator_laws.h"

#include "solvers/curvature/parts.h"
#include "support/catch.h"
#include "support/synthetic_linearization.h"

namespace {

using namespace kappa;
using kappa::testing::broken_operator_laws;
using kappa::testing::synthetic_evaluation;

/// Runs the laws at several points and sizes of one curvature.
void check_laws(const CurvaturePart& part, const Options& options,
                const testing::SyntheticOffers& offers = {}) {
  for (Index n = 1; n <= 12; ++n) {
    const auto curvature = part.make(options);
    curvature->start();
    for (std::uint64_t point = 1; point <= 3; ++point) {
      const Evaluation now = synthetic_evaluation(n, 100 * point + static_cast<std::uint64_t>(n), offers);
      REQUIRE(curvature->refresh(now, nullptr, {}) == Curvature::Status::ok);
      const SymmetricOperator& B = curvature->at_point();
      REQUIRE(B.size() == n);
      for (const std::string& law : broken_operator_laws(B, {.gradient = now.gradient})) {
        FAIL_CHECK(part.info.name << ": " << law);
      }
    }
  }
}

/// An operator with one fault, to see that the checker sees it.
class Faulty final : public SymmetricOperator {
 public:
  enum class Fault {
    none,
    nonlinear,
    unsymmetric,
    unrepeatable,
    diagonal,
    dense,
    dense_outside,
    indefinite,
    offers,
    incomplete,
    solve
  };
  explicit Faulty(Fault fault) : fault_(fault) {}

  Index size() const override { return 2; }
  void multiply(ConstVectorRef v, VectorRef out) const override {
    const double corner = fault_ == Fault::indefinite ? -2.0 : 2.0;
    out[0] = corner * v[0] + v[1];
    if (fault_ == Fault::incomplete) {
      return;
    }
    out[1] = (fault_ == Fault::unsymmetric ? 1.5 : 1.0) * v[0] + 3 * v[1];
    if (fault_ == Fault::nonlinear) {
      out[0] += 1e-3 * std::abs(v[0] + v[1]);
    }
    if (fault_ == Fault::unrepeatable) {
      out[0] += 1e-14 * static_cast<double>(++calls_);
    }
  }
  Definiteness definiteness() const override { return Definiteness::positive_semidefinite; }
  bool diagonal(VectorRef out) const override {
    out[0] = fault_ == Fault::indefinite ? -2.0 : 2.0;
    out[1] = fault_ == Fault::diagonal ? 3.001 : 3.0;
    return true;
  }
  bool dense(MatrixRef out) const override {
    out(0, 0) = fault_ == Fault::indefinite ? -2.0 : 2.0;
    out(0, 1) = 1;
    out(1, 0) = fault_ == Fault::dense || fault_ == Fault::unsymmetric ? 1.5 : 1.0;
    out(1, 1) = 3;
    if (fault_ == Fault::dense_outside) {
      out.data[2] = 0;
    }
    return true;
  }
  SolveKind solve_kind() const override {
    return fault_ == Fault::solve ? SolveKind::exact : SolveKind::absent;
  }
  bool solve_damped(double, ConstVectorRef, ConstVectorRef rhs, VectorRef out) const override {
    std::copy(rhs.begin(), rhs.end(), out.begin());
    return fault_ == Fault::solve;
  }
  Offers offers() const override { return {.diagonal = fault_ != Fault::offers, .dense = true}; }

 private:
  Fault fault_;
  mutable int calls_ = 0;
};

}  // namespace

TEST_CASE("the checker of operator laws passes a right operator and sees each single fault") {
  using Fault = Faulty::Fault;
  CHECK(broken_operator_laws(Faulty(Fault::none)).empty());
  for (const Fault fault :
       {Fault::nonlinear, Fault::unsymmetric, Fault::unrepeatable, Fault::diagonal, Fault::dense,
        Fault::dense_outside, Fault::indefinite, Fault::offers, Fault::incomplete, Fault::solve}) {
    CAPTURE(static_cast<int>(fault));
    CHECK_FALSE(broken_operator_laws(Faulty(fault)).empty());
  }
}

TEST_CASE("curvature exact keeps the operator laws") {
  check_laws(exact_part(), {});
  check_laws(exact_part(), {}, testing::products_only);
}

TEST_CASE("curvature outer-product keeps the operator laws with each of its models") {
  for (const char* model : {"gauss-newton", "fisher", "sampled-fisher", "empirical-fisher"}) {
    check_laws(outer_product_part(), {{"model", std::string(model)}});
    check_laws(outer_product_part(), {{"model", std::string(model)}}, testing::products_only);
  }
}

TEST_CASE("curvature hessian-free keeps the operator laws with each of its models") {
  check_laws(hessian_free_part(), {});
  check_laws(hessian_free_part(), {{"model", std::string("gauss-newton")}});
}

TEST_CASE("curvature diagonal keeps the operator laws wherever its diagonal comes from") {
  for (const char* model : {"exact", "gauss-newton"}) {
    check_laws(diagonal_part(), {{"model", std::string(model)}});
    check_laws(diagonal_part(), {{"model", std::string(model)}}, testing::products_only);
  }
}

TEST_CASE("curvature running-diagonal keeps the operator laws with each source and average") {
  for (const char* source : {"hutchinson", "exact", "gauss-newton"}) {
    for (const char* average : {"mean-square", "mean"}) {
      check_laws(running_diagonal_part(),
                 {{"source", std::string(source)}, {"average", std::string(average)}});
    }
  }
  check_laws(running_diagonal_part(), {{"spatial_average", std::int64_t{4}}});
}

TEST_CASE(
    "curvatures structured-secant and model-switch keep the operator laws, also when they have learnt") {
  for (const CurvaturePart& part : {structured_secant_part(), model_switch_part()}) {
    check_laws(part, {});
    check_laws(part, {}, testing::products_only);
    const auto curvature = part.make({});
    curvature->start();
    Evaluation before = synthetic_evaluation(6, 1);
    REQUIRE(curvature->refresh(before, nullptr, {}) == Curvature::Status::ok);
    for (std::uint64_t point = 2; point <= 5; ++point) {
      Evaluation now = synthetic_evaluation(6, point);
      std::vector<double> step(6);
      for (std::size_t i = 0; i < step.size(); ++i) {
        step[i] = now.gradient[i] - before.gradient[i] + 0.1;
      }
      REQUIRE(curvature->refresh(now, &before, step) == Curvature::Status::ok);
      for (const std::string& law : broken_operator_laws(curvature->at_point(), {.gradient = now.gradient})) {
        FAIL_CHECK(part.info.name << ": " << law);
      }
      std::swap(before, now);
    }
  }
}
