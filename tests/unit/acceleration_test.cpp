// The geodesic correction of every damped step that has a factor, against dense algebra.
#include <Eigen/Dense>
#include <cmath>

#include "kappa/random.h"
#include "solvers/step/parts.h"
#include "support/catch.h"
#include "support/dense_operator.h"

namespace {

using namespace kappa;

constexpr Index n = 12;
constexpr Index rows = 20;
constexpr double damping = 3;

/// A dense root that also says how the residuals bend: J' r_vv = bend * (v_i^2).
class Bent final : public SymmetricOperator {
 public:
  Bent(test::DenseOperator straight, double bend) : straight_(std::move(straight)), bend_(bend) {}
  Index size() const override { return straight_.size(); }
  void multiply(ConstVectorRef v, VectorRef out) const override { straight_.multiply(v, out); }
  bool diagonal(VectorRef out) const override { return straight_.diagonal(out); }
  bool dense(MatrixRef out) const override { return straight_.dense(out); }
  const BlockMatrix* blocks() const override { return straight_.blocks(); }
  const Root* root() const override { return straight_.root(); }
  Offers offers() const override { return straight_.offers(); }
  bool second_directional(ConstVectorRef v, VectorRef out) const override {
    ++asked;
    std::transform(v.begin(), v.end(), out.begin(), [&](double e) { return bend_ * e * e; });
    return true;
  }
  Eigen::MatrixXd matrix() const {
    return Eigen::Map<const Eigen::MatrixXd>(straight_.matrix().data(), n, n);
  }

  mutable int asked = 0;

 private:
  test::DenseOperator straight_;
  double bend_;
};

struct Damped {
  explicit Damped(double bend) : B(make(bend)), gradient(static_cast<std::size_t>(n)) {
    RandomSequence random(5);
    for (double& e : gradient) {
      e = 10 * random.normal();
    }
    metric.update(B);
  }
  static Bent make(double bend) {
    RandomSequence random(3);
    std::vector<double> A(static_cast<std::size_t>(rows * n));
    for (double& e : A) {
      e = random.normal();
    }
    return {test::DenseOperator::from_root(rows, n, A, {},
                                           {.diagonal = true, .dense = true, .blocks = true, .root = true}),
            bend};
  }
  Eigen::VectorXd solved(const Eigen::VectorXd& rhs) const {
    const Eigen::MatrixXd damped = B.matrix() + damping * Eigen::MatrixXd::Identity(n, n);
    return damped.ldlt().solve(rhs);
  }
  Eigen::VectorXd g() const { return Eigen::Map<const Eigen::VectorXd>(gradient.data(), n); }

  Bent B;
  std::vector<double> gradient;
  Metric metric{MetricKind::identity};
};

std::vector<StepPart> factored_parts() {
  return {damped_qr_part(), damped_cholesky_part(), block_cholesky_part(), block_schur_part()};
}

struct Found {
  StepReport report;
  Eigen::VectorXd step{n};
};

Found solved_by(const StepPart& part, const Damped& model, double acceleration) {
  const auto solver = part.make({{"acceleration", acceleration}});
  REQUIRE_FALSE(solver->unfit(model.B));
  REQUIRE(solver->prepare({model.B, model.gradient, model.metric}) == StepStatus::ok);
  Found out;
  out.report = solver->solve(Damping{damping}, {out.step.data(), static_cast<std::size_t>(n)});
  REQUIRE(out.report.status == StepStatus::ok);
  return out;
}

}  // namespace

TEST_CASE("an accelerated step is d + a/2, and its report is that of the step returned") {
  const Damped model(0.3);
  const Eigen::VectorXd d = model.solved(-model.g());
  const Eigen::VectorXd a = model.solved(-0.3 * d.cwiseAbs2());
  const Eigen::VectorXd expected = d + 0.5 * a;
  REQUIRE(a.norm() > 1e-3 * d.norm());
  REQUIRE(a.norm() < 0.75 * d.norm());
  for (const StepPart& part : factored_parts()) {
    CAPTURE(part.info.name);
    const Found found = solved_by(part, model, 0.75);
    CHECK((found.step - expected).norm() < 1e-12 * expected.norm());
    const double slope = model.g().dot(expected);
    const double decrease = -(slope + 0.5 * expected.dot(model.B.matrix() * expected));
    CHECK(std::abs(found.report.slope - slope) < 1e-10 * std::abs(slope));
    CHECK(std::abs(found.report.predicted_decrease - decrease) < 1e-10 * decrease);
    CHECK(std::abs(found.report.norm - expected.norm()) < 1e-12 * expected.norm());
  }
}

TEST_CASE("a correction that is too long is dropped, and none is asked for where it is switched off") {
  const Damped model(0.3);
  const Eigen::VectorXd d = model.solved(-model.g());
  const double ratio = model.solved(-0.3 * d.cwiseAbs2()).norm() / d.norm();
  for (const StepPart& part : factored_parts()) {
    CAPTURE(part.info.name);
    CHECK((solved_by(part, model, 1.01 * ratio).step - d).norm() > 0.1 * ratio * d.norm());
    CHECK((solved_by(part, model, 0.99 * ratio).step - d).norm() < 1e-12 * d.norm());
    model.B.asked = 0;
    CHECK((solved_by(part, model, 0).step - d).norm() < 1e-12 * d.norm());
    CHECK(model.B.asked == 0);
  }
}

TEST_CASE("an acceleration that is no length is refused") {
  for (const StepPart& part : factored_parts()) {
    CAPTURE(part.info.name);
    CHECK_THROWS_AS(part.make({{"acceleration", -1.0}}), Error);
    CHECK_THROWS_AS(part.make({{"acceleration", infinity}}), Error);
  }
}
