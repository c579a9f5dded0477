// Curvatures that learn from steps, against dense algebra in long double on problems with known residuals.
#include <cmath>

#include "kappa/kappa.h"
#include "problems/analytic/mgh_problem.h"
#include "solvers/curvature/parts.h"
#include "support/catch.h"
#include "support/synthetic_linearization.h"

namespace {

using namespace kappa;
using LongMatrix = Eigen::Matrix<long double, Eigen::Dynamic, Eigen::Dynamic>;
using LongVector = Eigen::Matrix<long double, Eigen::Dynamic, 1>;

ConstVectorRef ref(const Eigen::VectorXd& v) {
  return {v.data(), static_cast<std::size_t>(v.size())};
}
VectorRef ref(Eigen::VectorXd& v) {
  return {v.data(), static_cast<std::size_t>(v.size())};
}
LongVector vector(ConstVectorRef v) {
  return Eigen::Map<const Eigen::VectorXd>(v.data(), static_cast<Index>(v.size())).cast<long double>();
}

/// Residuals that stay large, and curve: r_k = exp(a_k x) - b_k y^2 + x y - c_k.
struct Curved {
  double a, b, c;
  template <class T>
  bool operator()(const T* x, const T* y, T* r) const {
    r[0] = exp(a * x[0]) - b * y[0] * y[0] + x[0] * y[1] - c;
    r[1] = sin(y[1]) * x[0] + b * y[0];
    return true;
  }
};

ResidualProblem curved(const Loss& loss) {
  ResidualProblem p;
  const auto x = p.add_parameters({0.4}, "x");
  const auto y = p.add_parameters({-0.7, 0.3}, "y");
  for (int k = 0; k < 5; ++k) {
    p.add(autodiff<2, 1, 2>(Curved{0.3 * k, 1.0 + 0.2 * k, 2.0 - k}), {x, y}, k % 2 == 0 ? loss : Loss());
  }
  return p;
}

Evaluation evaluated(const Problem& p, ConstVectorRef x,
                     ModelSet models = {Model::gauss_newton, Model::exact}) {
  Evaluation out;
  out.reset(x, 0);
  Request request;
  request.want = Want::value | Want::gradient | Want::linearization;
  request.models = models;
  REQUIRE(p.evaluate(request, out) == EvalStatus::ok);
  return out;
}

LongMatrix dense(const SymmetricOperator& B) {
  const Index n = B.size();
  Eigen::MatrixXd out(n, n);
  REQUIRE(B.dense({out.data(), n, n, n}));
  return out.cast<long double>();
}

LongMatrix model(const Evaluation& e, Model m) {
  const Index n = e.linearization->size();
  Eigen::MatrixXd out(n, n);
  REQUIRE(e.linearization->dense(m, {out.data(), n, n, n}));
  return out.cast<long double>();
}

/// J_old' (rho'+ r+), from the residuals and the Jacobian without losses. The weight of a block at its own
/// point is the ratio of two entries of the gradient and is found from a copy of the problem with that block.
LongVector crossed(const Loss& loss, ConstVectorRef before, ConstVectorRef after) {
  const ResidualProblem p = curved({});
  Eigen::VectorXd r(p.residuals());
  Eigen::MatrixXd J(p.residuals(), p.tangent_dimension());
  REQUIRE(p.evaluate_residuals(after, ref(r)) == EvalStatus::ok);
  REQUIRE(p.evaluate_jacobian(before, {J.data(), J.rows(), J.cols(), J.rows()}) == EvalStatus::ok);
  LongVector out = LongVector::Zero(J.cols());
  for (Index k = 0; k < r.size() / 2; ++k) {
    const Eigen::VectorXd rk = r.segment(2 * k, 2);
    const double weight = k % 2 == 0 ? loss.evaluate(rk.squaredNorm()).first : 1.0;
    out += (weight * J.middleRows(2 * k, 2).transpose() * rk).cast<long double>();
  }
  return out;
}

/// The update as its formula stands.
LongMatrix updated(const LongMatrix& A, const LongVector& s, const LongVector& y, const LongVector& sharp) {
  const long double along = std::abs(s.dot(A * s));
  const long double tau = along > 0 ? std::min(1.0L, std::abs(s.dot(sharp)) / along) : 1.0L;
  const LongVector w = sharp - tau * A * s;
  const long double ys = y.dot(s);
  return tau * A + (w * y.transpose() + y * w.transpose()) / ys - s.dot(w) * y * y.transpose() / (ys * ys);
}

double gap(const LongMatrix& a, const LongMatrix& b) {
  return static_cast<double>((a - b).norm() / (1 + b.norm()));
}

constexpr double rounding = 1e-12;

Index steps(const ResidualProblem& p, const char* curvature, const Options& options = {}) {
  Stopping stopping;
  stopping.max_iterations = 600;
  const Result r = minimize(
      p, p.initial(), levenberg_marquardt({.curvature = {curvature, options}, .step = {"damped-cholesky"}}),
      stopping);
  return r.iterations;
}

}  // namespace

TEST_CASE("structured-secant is Gauss-Newton plus the dense update, step after step") {
  for (const Loss& loss : {Loss(), cauchy(0.8)}) {
    const ResidualProblem p = curved(loss);
    const auto curvature = structured_secant_part().make({});
    curvature->start();
    std::vector<double> x = p.initial();
    Evaluation before = evaluated(p, x);
    REQUIRE(curvature->refresh(before, nullptr, {}) == Curvature::Status::ok);
    CHECK(gap(dense(curvature->at_point()), model(before, Model::gauss_newton)) == 0);
    LongMatrix A = LongMatrix::Zero(3, 3);
    int learnt = 0;
    RandomSequence random(11);
    for (int step = 0; step < 8; ++step) {
      Eigen::VectorXd s(3);
      for (double& e : s) {
        e = 0.1 * random.normal();
      }
      for (std::size_t i = 0; i < 3; ++i) {
        x[i] += s[static_cast<Index>(i)];
      }
      Evaluation now = evaluated(p, x);
      REQUIRE(curvature->refresh(now, &before, ref(s)) == Curvature::Status::ok);
      const LongVector y = vector(now.gradient) - vector(before.gradient);
      const LongVector sharp = vector(now.gradient) - crossed(loss, before.x, now.x);
      const LongVector sl = vector(ref(s));
      const LongMatrix learned = dense(curvature->at_point()) - model(now, Model::gauss_newton);
      if (y.dot(sl) > 0) {
        A = updated(A, sl, y, sharp);
        CHECK(gap(learned * sl, sharp) < 1e-10);
        ++learnt;
      }
      CHECK(gap(learned, A) < 1e-9);
      CHECK(gap(learned, learned.transpose()) < rounding);
      std::swap(before, now);
    }
    CHECK(learnt >= 3);
  }
}

TEST_CASE("where no cross gradient is to be had, the whole secant equation holds") {
  using kappa::testing::SyntheticLinearization;
  const Evaluation before = kappa::testing::synthetic_evaluation(6, 5);
  Evaluation now = kappa::testing::synthetic_evaluation(6, 6);
  Eigen::VectorXd s = Eigen::VectorXd::LinSpaced(6, -1, 1.5);
  // Gradients whose difference has a positive product with the step.
  for (std::size_t i = 0; i < 6; ++i) {
    now.gradient[i] = before.gradient[i] + s[static_cast<Index>(i)] + 0.1 * static_cast<double>(i);
  }
  const auto curvature = structured_secant_part().make({});
  curvature->start();
  REQUIRE(curvature->refresh(before, nullptr, {}) == Curvature::Status::ok);
  REQUIRE(curvature->refresh(now, &before, ref(s)) == Curvature::Status::ok);
  const LongVector y = vector(now.gradient) - vector(before.gradient);
  CHECK(gap(dense(curvature->at_point()) * vector(ref(s)), y) < 1e-10);
  CHECK(curvature->products() == 1);
}

TEST_CASE("a step that shows no curvature, or another sample, teaches nothing") {
  const ResidualProblem p = curved({});
  std::vector<double> x = p.initial();
  Evaluation before = evaluated(p, x);
  const Eigen::VectorXd s = Eigen::VectorXd::Constant(3, 0.1);
  for (double& e : x) {
    e += 0.1;
  }
  Evaluation now = evaluated(p, x);
  before.gradient = now.gradient;
  const auto learns = [&] {
    const auto curvature = structured_secant_part().make({});
    curvature->start();
    REQUIRE(curvature->refresh(before, nullptr, {}) == Curvature::Status::ok);
    REQUIRE(curvature->refresh(now, &before, ref(s)) == Curvature::Status::ok);
    return gap(dense(curvature->at_point()), model(now, Model::gauss_newton)) > 0;
  };
  CHECK_FALSE(learns());
  before.gradient.assign(3, -100.0);
  CHECK(learns());
  now.sample = 1;
  CHECK_FALSE(learns());
}

TEST_CASE("modelling a point afresh keeps what was learnt, and a new solve forgets it") {
  const ResidualProblem p = curved({});
  std::vector<double> x = p.initial();
  const Evaluation before = evaluated(p, x);
  const Eigen::VectorXd s = Eigen::Vector3d(0.05, -0.1, 0.02);
  for (std::size_t i = 0; i < 3; ++i) {
    x[i] += s[static_cast<Index>(i)];
  }
  const Evaluation now = evaluated(p, x);
  const auto curvature = structured_secant_part().make({});
  curvature->start();
  REQUIRE(curvature->refresh(before, nullptr, {}) == Curvature::Status::ok);
  REQUIRE(curvature->refresh(now, &before, ref(s)) == Curvature::Status::ok);
  const LongMatrix B = dense(curvature->at_point());
  REQUIRE(gap(B, model(now, Model::gauss_newton)) > 1e-6);
  REQUIRE(curvature->refresh(now, nullptr, {}) == Curvature::Status::ok);
  CHECK(gap(dense(curvature->at_point()), B) == 0);
  curvature->start();
  REQUIRE(curvature->refresh(now, nullptr, {}) == Curvature::Status::ok);
  CHECK(gap(dense(curvature->at_point()), model(now, Model::gauss_newton)) == 0);
}

TEST_CASE("more variables than a dense matrix is meant for are refused, with the remedy") {
  const ResidualProblem p = curved({});
  for (const char* name : {"structured-secant", "model-switch"}) {
    try {
      minimize(p, p.initial(),
               levenberg_marquardt({.curvature = {name, {{"dense_limit", std::int64_t{2}}}}}));
      FAIL("not refused");
    } catch (const Error& e) {
      const std::string text = e.what();
      CAPTURE(text);
      CHECK(text.find("dense_limit (2)") != std::string::npos);
      CHECK(text.find("outer-product") != std::string::npos);
    }
  }
}

TEST_CASE("on problems of large residuals the secant takes a fraction of Gauss-Newton's steps") {
  for (const char* name : {"brown-dennis", "freudenstein-roth", "jennrich-sampson"}) {
    CAPTURE(name);
    const ResidualProblem p = make_mgh(mgh_problem(name), 1);
    const Index outer = steps(p, "outer-product");
    CHECK(3 * steps(p, "structured-secant") < outer);
    CHECK(3 * steps(p, "model-switch") < outer);
    CHECK(3 * steps(p, "model-switch", {{"exact", std::string("yes")}}) < outer);
  }
}

TEST_CASE("where residuals vanish, model-switch takes Gauss-Newton's steps") {
  const ResidualProblem p = make_mgh(mgh_problem("rosenbrock"), 1);
  const Method outer = levenberg_marquardt({.curvature = {"outer-product"}, .step = {"damped-cholesky"}});
  const Method either = levenberg_marquardt({.curvature = {"model-switch"}, .step = {"damped-cholesky"}});
  CHECK(minimize(p, p.initial(), either).x == minimize(p, p.initial(), outer).x);
}

TEST_CASE("model-switch takes the model whose prediction came nearest") {
  const ResidualProblem p = curved({});
  std::vector<double> x = p.initial();
  const Evaluation before = evaluated(p, x);
  const Eigen::VectorXd s = Eigen::Vector3d(0.3, -0.4, 0.5);
  for (std::size_t i = 0; i < 3; ++i) {
    x[i] += s[static_cast<Index>(i)];
  }
  Evaluation now = evaluated(p, x);
  const LongVector sl = vector(ref(s));
  for (const Model expected : {Model::gauss_newton, Model::exact}) {
    CAPTURE(name(expected));
    // A value that this model, and no other, foretells.
    const long double change = vector(before.gradient).dot(sl) + 0.5L * sl.dot(model(before, expected) * sl);
    now.value = before.value + static_cast<double>(change);
    const auto curvature = model_switch_part().make({{"exact", std::string("yes")}});
    curvature->start();
    REQUIRE(curvature->refresh(before, nullptr, {}) == Curvature::Status::ok);
    CHECK(gap(dense(curvature->at_point()), model(before, Model::gauss_newton)) == 0);
    REQUIRE(curvature->refresh(now, &before, ref(s)) == Curvature::Status::ok);
    CHECK(gap(dense(curvature->at_point()), model(now, expected)) == 0);
  }
}
