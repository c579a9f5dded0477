// The Krylov steps against dense oracles: eigenvalues in double, secular equations in long double.
#include <Eigen/Dense>
#include <cmath>
#include <vector>

#include "kappa/random.h"
#include "solvers/step/parts.h"
#include "support/catch.h"
#include "support/dense_operator.h"
#include "support/dense_solve.h"

namespace {

using namespace kappa;
using Matrix = Eigen::MatrixXd;
using Vector = Eigen::VectorXd;

enum class Kind { definite, indefinite, singular, hard };

const Options tight = {{"forcing_cap", 1e-13}, {"forcing_floor", 1e-13}};

std::vector<double> values(const Matrix& m) {
  return {m.data(), m.data() + m.size()};
}

Vector as_vector(const std::vector<double>& v) {
  return Eigen::Map<const Vector>(v.data(), static_cast<Index>(v.size()));
}

Matrix as_matrix(const test::DenseOperator& B) {
  return Eigen::Map<const Matrix>(B.matrix().data(), B.size(), B.size());
}

/// B = Q diag(e) Q' with a gradient in the kind's own relation to the eigenvectors.
struct Instance {
  test::DenseOperator B;
  std::vector<double> gradient;
};

Instance make_model(Index n, Kind kind) {
  RandomSequence random(static_cast<std::uint64_t>(1000 * n) + static_cast<std::uint64_t>(kind));
  Matrix A(n, n);
  for (Index j = 0; j < n; ++j) {
    for (Index i = 0; i < n; ++i) {
      A(i, j) = random.normal();
    }
  }
  const Matrix Q = test::orthonormal(A);
  Vector e(n);
  Vector c(n);
  for (Index i = 0; i < n; ++i) {
    e[i] = std::exp(2 * random.normal());
    c[i] = random.normal();
    if (kind == Kind::indefinite && i % 3 == 0) {
      e[i] = -e[i];
    }
    if (kind == Kind::singular && i % 2 == 0) {
      e[i] = 0;
      c[i] = 0;
    }
  }
  if (kind == Kind::hard) {
    e[0] = -2 * e.maxCoeff();
    c[0] = 0;
  }
  const Matrix B = Q * e.asDiagonal() * Q.transpose();
  return {test::DenseOperator(n, values(0.5 * (B + B.transpose()))), values(Matrix(Q * c))};
}

/// Eigenvalues and the gradient's parts along the eigenvectors.
struct Spectrum {
  Vector e, c;
  explicit Spectrum(const Instance& model) {
    const auto eigen = test::symmetric_eigen(Matrix(as_matrix(model.B)));
    e = eigen.values;
    c = eigen.vectors.transpose() * as_vector(model.gradient);
    const double largest = e.cwiseAbs().maxCoeff();
    for (Index i = 0; i < e.size(); ++i) {  // what is zero by construction
      e[i] = std::abs(e[i]) < 1e-13 * largest ? 0 : e[i];
      c[i] = std::abs(c[i]) < 1e-13 * c.norm() ? 0 : c[i];
    }
  }
  long double norm(long double lambda) const {
    long double sum = 0;
    for (Index i = 0; i < e.size(); ++i) {
      const long double t = c[i] == 0 ? 0 : c[i] / (e[i] + lambda);
      sum += t * t;
    }
    return std::sqrt(sum);
  }
  /// sum c_i^2 / (e_i + lambda).
  long double energy(long double lambda) const {
    long double sum = 0;
    for (Index i = 0; i < e.size(); ++i) {
      sum += c[i] == 0 ? 0 : static_cast<long double>(c[i]) * c[i] / (e[i] + lambda);
    }
    return sum;
  }
  /// The least lambda >= max(0, -e_0) with |d(lambda)| <= target(lambda).
  template <class Target>
  long double root(const Target& target) const {
    const long double low = std::max(0.0L, -static_cast<long double>(e[0]));
    if (norm(low) <= target(low)) {
      return low;
    }
    long double a = 0;
    long double b = 1;
    while (norm(low + b) > target(low + b)) {
      b *= 2;
    }
    for (int i = 0; i < 400; ++i) {
      const long double t = 0.5L * (a + b);
      (norm(low + t) > target(low + t) ? a : b) = t;
    }
    return low + b;
  }
  /// min g'd + d'Bd/2 over |d| <= radius, by duality.
  long double trust_region(long double radius) const {
    const long double lambda = root([&](long double) { return radius; });
    return -0.5L * (energy(lambda) + lambda * radius * radius);
  }
  /// min g'd + d'Bd/2 + sigma |d|^3 / 3, by duality.
  long double cubic(long double sigma) const {
    const long double lambda = root([&](long double at) { return at / sigma; });
    return -0.5L * energy(lambda) - lambda * lambda * lambda / (6 * sigma * sigma);
  }
};

Metric identity(const SymmetricOperator& B) {
  Metric metric;
  metric.update(B);
  return metric;
}

double model_value(const Instance& model, const std::vector<double>& step) {
  const Vector d = as_vector(step);
  return as_vector(model.gradient).dot(d) + 0.5 * d.dot(as_matrix(model.B) * d);
}

template <class Body>
void for_each_model(const Body& body) {
  for (const Kind kind : {Kind::definite, Kind::indefinite, Kind::singular, Kind::hard}) {
    for (const Index n : {1, 2, 3, 7, 20, 60, 200}) {
      CAPTURE(static_cast<int>(kind), n);
      const Instance model = make_model(n, kind);
      body(kind, model, Spectrum(model), identity(model.B));
    }
  }
}

}  // namespace

TEST_CASE("gltr finds the global minimum over the region, hard case included") {
  const auto solver = gltr_part().make(tight);
  for_each_model([&](Kind, const Instance& model, const Spectrum& spectrum, const Metric& metric) {
    REQUIRE(solver->prepare({model.B, model.gradient, metric}) == StepStatus::ok);
    for (const double radius : {100.0, 3.0, 1.0, 0.1, 1e-4}) {
      CAPTURE(radius);
      std::vector<double> step(model.gradient.size());
      const StepReport report = solver->solve(Radius{radius}, step);
      REQUIRE(report.status == StepStatus::ok);
      CHECK(report.norm <= radius * (1 + 1e-12));
      const auto best = static_cast<double>(spectrum.trust_region(radius));
      CHECK(model_value(model, step) == Approx(best).epsilon(1e-8).margin(1e-12));
    }
  });
}

TEST_CASE("cubic-lanczos finds the global minimum of the cubic model, hard case included") {
  const auto solver = cubic_lanczos_part().make(tight);
  for_each_model([&](Kind, const Instance& model, const Spectrum& spectrum, const Metric& metric) {
    REQUIRE(solver->prepare({model.B, model.gradient, metric}) == StepStatus::ok);
    for (const double sigma : {1e-3, 0.1, 1.0, 50.0, 1e4}) {
      CAPTURE(sigma);
      std::vector<double> step(model.gradient.size());
      const StepReport report = solver->solve(CubicWeight{sigma}, step);
      REQUIRE(report.status == StepStatus::ok);
      const double length = as_vector(step).norm();
      const double value = model_value(model, step) + sigma / 3 * length * length * length;
      const auto best = static_cast<double>(spectrum.cubic(sigma));
      CHECK(value == Approx(best).epsilon(1e-8).margin(1e-12));
    }
  });
}

TEST_CASE("shifted-lanczos solves the damped systems where they are definite") {
  const auto solver = shifted_lanczos_part().make(tight);
  for_each_model([&](Kind kind, const Instance& model, const Spectrum& spectrum, const Metric& metric) {
    REQUIRE(solver->prepare({model.B, model.gradient, metric}) == StepStatus::ok);
    const double least = std::max(0.0, -spectrum.e[0]);
    for (const double more : {10.0, 0.1, 1e-3}) {
      CAPTURE(more);
      const double lambda = least + more * spectrum.e.cwiseAbs().maxCoeff();
      const Matrix M = as_matrix(model.B) + lambda * Matrix::Identity(model.B.size(), model.B.size());
      const Vector expected = test::solve_symmetric(M, Vector(-as_vector(model.gradient)));
      std::vector<double> step(model.gradient.size());
      REQUIRE(solver->solve(Damping{lambda}, step).status == StepStatus::ok);
      CHECK((as_vector(step) - expected).norm() <= 1e-9 * expected.norm());
    }
    if (kind == Kind::indefinite) {
      std::vector<double> step(model.gradient.size());
      CHECK(solver->solve(Damping{0.5 * least}, step).status == StepStatus::indefinite);
    }
  });
}

TEST_CASE("another radius, weight or damping at the same point costs no product") {
  const Instance model = make_model(60, Kind::indefinite);
  const Metric metric = identity(model.B);
  const auto later_products = [&](const StepPart& part, const std::vector<Control>& controls) {
    const auto solver = part.make({});
    REQUIRE(solver->prepare({model.B, model.gradient, metric}) == StepStatus::ok);
    std::vector<double> step(model.gradient.size());
    REQUIRE(solver->solve(controls[0], step).status == StepStatus::ok);
    const Index before = model.B.products;
    CHECK(before > 0);
    for (const Control& control : controls) {
      CHECK(solver->solve(control, step).status == StepStatus::ok);
    }
    return model.B.products - before;
  };
  CHECK(later_products(gltr_part(), {Radius{1.0}, Radius{0.3}, Radius{0.1}, Radius{1e-3}}) == 0);
  CHECK(later_products(cubic_lanczos_part(), {CubicWeight{1.0}, CubicWeight{10.0}, CubicWeight{1e4}}) == 0);
  CHECK(later_products(shifted_lanczos_part(), {Damping{200.0}, Damping{300.0}, Damping{1e4}}) == 0);
}

TEST_CASE("vectors that are not stored are computed again, to the same step") {
  Instance model = make_model(40, Kind::definite);
  const Matrix better = as_matrix(model.B) + 20 * Matrix::Identity(40, 40);
  model.B = test::DenseOperator(40, values(better));
  const Metric metric = identity(model.B);
  std::vector<std::vector<double>> steps;
  for (const std::int64_t stored : {100, 12, 2}) {
    const auto solver = gltr_part().make({{"stored_vectors", stored},
                                          {"forcing_cap", 1e-6},
                                          {"forcing_power", 0.0},
                                          {"max_iterations", std::int64_t{40}}});
    REQUIRE(solver->prepare({model.B, model.gradient, metric}) == StepStatus::ok);
    std::vector<double> step(40);
    for (const double radius : {50.0, 0.05}) {
      const StepReport report = solver->solve(Radius{radius}, step);
      REQUIRE(report.status == StepStatus::ok);
      CHECK(report.predicted_decrease == Approx(-model_value(model, step)).epsilon(1e-10));
      steps.push_back(step);
    }
  }
  for (std::size_t i = 2; i < steps.size(); ++i) {
    const Vector reference = as_vector(steps[i % 2]);
    CHECK((as_vector(steps[i]) - reference).norm() <= 1e-4 * reference.norm());
  }
}

TEST_CASE("a saddle point without a gradient is left along negative curvature") {
  for (const Index n : {2, 7, 20}) {
    const Instance model = make_model(n, Kind::indefinite);
    const double least = Spectrum(model).e[0];
    const std::vector<double> zero(static_cast<std::size_t>(n), 0.0);
    const Metric metric = identity(model.B);
    std::vector<double> step(zero.size());
    const auto region = gltr_part().make(tight);
    REQUIRE(region->prepare({model.B, zero, metric}) == StepStatus::ok);
    CHECK(region->solve(Radius{2.0}, step).predicted_decrease == Approx(-2 * least).epsilon(1e-8));
    const auto cubic = cubic_lanczos_part().make(tight);
    REQUIRE(cubic->prepare({model.B, zero, metric}) == StepStatus::ok);
    const StepReport report = cubic->solve(CubicWeight{0.5}, step);
    CHECK(report.norm == Approx(-least / 0.5).epsilon(1e-8));
  }
}

TEST_CASE("newton-mr solves definite and singular systems, and otherwise finds nonpositive curvature") {
  for_each_model([&](Kind kind, const Instance& model, const Spectrum&, const Metric& metric) {
    const Index n = model.B.size();
    const auto solver = newton_mr_part().make(
        {{"forcing_cap", 1e-12}, {"forcing_floor", 1e-12}, {"max_iterations", std::int64_t{6 * n}}});
    REQUIRE(solver->prepare({model.B, model.gradient, metric}) == StepStatus::ok);
    std::vector<double> step(model.gradient.size());
    const StepReport report = solver->solve(StepLength{1.0}, step);
    REQUIRE(report.status == StepStatus::ok);
    const Vector d = as_vector(step);
    const Vector g = as_vector(model.gradient);
    const Matrix B = as_matrix(model.B);
    if (g.norm() == 0) {
      CHECK(d.norm() == 0);
      return;
    }
    CHECK(report.slope < 0);
    const double curvature = d.dot(B * d);
    const bool solved = (B * d + g).norm() <= 1e-8 * g.norm();
    CHECK((solved || curvature <= 1e-12 * B.norm() * d.squaredNorm()));
    CHECK((solved || kind == Kind::indefinite || kind == Kind::hard));
  });
}

TEST_CASE("hessian-free's alternatives are iterates of its conjugate gradients") {
  const Instance model = make_model(60, Kind::definite);
  const Metric metric = identity(model.B);
  const double lambda = 1e-4;
  const auto solver =
      hessian_free_step_part().make({{"warm_start", 0.0}, {"progress", 0.0}, {"residual", 1e-12}});
  REQUIRE(solver->prepare({model.B, model.gradient, metric}) == StepStatus::ok);
  std::vector<double> step(60);
  const StepReport last = solver->solve(Damping{lambda}, step);
  REQUIRE(last.status == StepStatus::ok);
  const Matrix M = as_matrix(model.B) + lambda * Matrix::Identity(60, 60);
  const Vector expected = test::solve_symmetric(M, Vector(-as_vector(model.gradient)));
  CHECK((as_vector(step) - expected).norm() <= 1e-8 * expected.norm());

  REQUIRE(last.alternatives >= 8);
  const Index products = model.B.products;
  const auto damped = [&](const std::vector<double>& d) {
    return model_value(model, d) + 0.5 * lambda * as_vector(d).squaredNorm();
  };
  double value = damped(step);
  double length = last.norm;
  for (Index k = 1; k <= last.alternatives; ++k) {
    CAPTURE(k);
    const StepReport report = solver->alternative(k, step);
    CHECK(report.alternatives == last.alternatives - k);
    CHECK(report.predicted_decrease == Approx(-model_value(model, step)).epsilon(1e-8));
    CHECK(report.slope == Approx(as_vector(model.gradient).dot(as_vector(step))));
    CHECK(report.norm == Approx(as_vector(step).norm()));
    CHECK(damped(step) > value);  // conjugate gradients descend, and here one walks back
    CHECK(damped(step) < 0);
    value = damped(step);
    length = report.norm;
  }
  CHECK(length < last.norm);
  CHECK(model.B.products == products);
}

TEST_CASE("conjugate gradients take the method's preconditioner") {
  constexpr Index n = 80;
  const Instance model = make_model(n, Kind::definite);
  const Metric metric = identity(model.B);
  const double lambda = 1e-3;
  const Vector expected =
      (as_matrix(model.B) + lambda * Matrix::Identity(n, n)).ldlt().solve(-as_vector(model.gradient));
  struct Candidate {
    StepPart part;
    Options options;
  };
  for (const Candidate& candidate :
       {Candidate{hessian_free_step_part(),
                  {{"warm_start", 0.0}, {"progress", 0.0}, {"residual", 1e-10}, {"exponent", 1.0}}},
        Candidate{
            damped_cg_part(),
            {{"forcing_cap", 1e-10}, {"forcing_floor", 1e-10}, {"max_iterations", std::int64_t{1000}}}}}) {
    CAPTURE(candidate.part.info.name);
    CHECK(candidate.part.preconditioned);
    std::vector<double> step(n);
    const auto solve = [&](const SymmetricOperator& B, const SymmetricOperator* P) {
      const auto solver = candidate.part.make(candidate.options);
      REQUIRE(solver->prepare({B, model.gradient, metric, nullptr, P}) == StepStatus::ok);
      const StepReport report = solver->solve(Damping{lambda}, step);
      REQUIRE(report.status == StepStatus::ok);
      CHECK((as_vector(step) - expected).norm() <= 1e-7 * expected.norm());
      return report.inner_iterations;
    };
    const test::DenseOperator bare(n, model.B.matrix(), {});
    const Index plain = solve(bare, nullptr);

    // One that solves the system itself leaves nothing to do; one near it, little.
    test::DenseOperator own(n, model.B.matrix(), {});
    own.solve = SolveKind::exact;
    CHECK(solve(bare, &own) <= 2);
    std::vector<double> near = model.B.matrix();
    for (Index i = 0; i < n; ++i) {
      near[static_cast<std::size_t>(i * (n + 1))] *= 1.3;
    }
    test::DenseOperator close(n, near, {});
    close.solve = SolveKind::approximate;
    CHECK(solve(bare, &close) < plain);

    // A diagonal from elsewhere is used as B's own is.
    const Index by_own_diagonal = solve(model.B, nullptr);
    const std::vector<double> step_by_own = step;
    CHECK(solve(bare, &model.B) == by_own_diagonal);
    CHECK(step == step_by_own);

    // One that cannot solve for this damping, as it is not definite there, does no harm.
    std::vector<double> negative = model.B.matrix();
    negative[0] = -1e3;
    test::DenseOperator indefinite(n, negative, {});
    indefinite.solve = SolveKind::exact;
    CHECK(solve(bare, &indefinite) == plain);
  }
}

TEST_CASE("a diagonal that costs many products is not taken for a preconditioner") {
  struct Dear final : SymmetricOperator {
    explicit Dear(const SymmetricOperator& from) : B(from) {}
    Index size() const override { return B.size(); }
    void multiply(ConstVectorRef v, VectorRef out) const override { B.multiply(v, out); }
    bool diagonal(VectorRef out) const override {
      ++asked;
      return B.diagonal(out);
    }
    Offers offers() const override { return {.diagonal = true, .product_work = 1, .diagonal_work = 50}; }
    const SymmetricOperator& B;
    mutable int asked = 0;
  };
  const Instance model = make_model(20, Kind::definite);
  const Dear dear(model.B);
  CHECK(dear.offers().diagonal_products() == 50);
  CHECK(model.B.offers().diagonal_products() == 1);
  const Metric metric;
  Metric measured = metric;
  measured.update(test::DenseOperator(20, model.B.matrix(), {}));
  for (const StepPart& part : {hessian_free_step_part(), damped_cg_part()}) {
    const auto solver = part.make({});
    std::vector<double> step(20);
    REQUIRE(solver->prepare({dear, model.gradient, measured}) == StepStatus::ok);
    CHECK(solver->solve(Damping{1.0}, step).status == StepStatus::ok);
    CHECK(dear.asked == 0);
    REQUIRE(solver->prepare({dear, model.gradient, measured, nullptr, &dear}) == StepStatus::ok);
    CHECK(dear.asked == 1);  // where it is named it is wanted
    dear.asked = 0;
  }
}

TEST_CASE("hessian-free starts from the last solution and ends where progress is slow") {
  const Instance model = make_model(200, Kind::definite);
  const Metric metric = identity(model.B);
  const auto solver = hessian_free_step_part().make({});
  std::vector<double> step(200);
  REQUIRE(solver->prepare({model.B, model.gradient, metric}) == StepStatus::ok);
  const StepReport cold = solver->solve(Damping{1e-3}, step);
  REQUIRE(cold.status == StepStatus::ok);
  REQUIRE(solver->prepare({model.B, model.gradient, metric}) == StepStatus::ok);
  const StepReport warm = solver->solve(Damping{1e-3}, step);
  CHECK(warm.predicted_decrease >= cold.predicted_decrease * (1 - 1e-2));
  CHECK(warm.inner_iterations < cold.inner_iterations);
  // The opposite gradient makes the warm start useless; what comes out is still a descent.
  std::vector<double> opposite = model.gradient;
  for (double& g : opposite) {
    g = -g;
  }
  REQUIRE(solver->prepare({model.B, opposite, metric}) == StepStatus::ok);
  const StepReport turned = solver->solve(Damping{1e-3}, step);
  CHECK(turned.status == StepStatus::ok);
  CHECK(turned.slope < 0);
  CHECK(turned.predicted_decrease > 0);
}
