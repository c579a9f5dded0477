// The laws of step solvers, on each solver of step_candidates() that they apply to, against dense oracles in
// long double.
#include <Eigen/Dense>
#include <cmath>
#include <functional>
#include <string>
#include <vector>

#include "kappa/random.h"
#include "solvers/step/parts.h"
#include "support/catch.h"
#include "support/dense_operator.h"
#include "support/dense_solve.h"
#include "support/step_candidates.h"

namespace {

using namespace kappa;
using Candidate = test::StepCandidate;
using Pattern = test::StepCandidate::Pattern;
using Matrix = Eigen::MatrixXd;
using Vector = Eigen::VectorXd;
using LongMatrix = Eigen::Matrix<long double, Eigen::Dynamic, Eigen::Dynamic>;
using LongVector = Eigen::Matrix<long double, Eigen::Dynamic, 1>;

enum class Kind { definite, indefinite, singular };

constexpr Offers matrix_offers = {.diagonal = true, .dense = true, .blocks = true};
constexpr Offers root_offers = {.diagonal = true, .dense = true, .blocks = true, .root = true};

Matrix random_matrix(RandomSequence& random, Index m, Index n) {
  Matrix out(m, n);
  for (Index j = 0; j < n; ++j) {
    for (Index i = 0; i < m; ++i) {
      out(i, j) = random.normal();
    }
  }
  return out;
}

std::vector<double> values(const Matrix& m) {
  return {m.data(), m.data() + m.size()};
}

/// One model: a root where B is positive semidefinite, a gradient in its range.
struct Instance {
  Instance(test::DenseOperator matrix, std::vector<double> g) : B(std::move(matrix)), gradient(std::move(g)) {
    B.solve = SolveKind::exact;
  }
  test::DenseOperator B;
  std::vector<double> gradient;
};

/// Two thirds of the couplings between blocks of three taken away, at random.
void thin_out(RandomSequence& random, Matrix& symmetric) {
  for (Index j = 0; j < symmetric.cols(); j += 3) {
    for (Index i = 0; i < j; i += 3) {
      if (random.uniform() < 0.67) {
        const Index rows = std::min<Index>(3, symmetric.rows() - i);
        const Index cols = std::min<Index>(3, symmetric.cols() - j);
        symmetric.block(i, j, rows, cols).setZero();
        symmetric.block(j, i, cols, rows).setZero();
      }
    }
  }
}

/// Each row of A keeps two groups of three columns.
void thin_out_rows(RandomSequence& random, Matrix& A) {
  const Index groups = (A.cols() + 2) / 3;
  for (Index i = 0; i < A.rows(); ++i) {
    const Index own = i % groups;
    const auto other = static_cast<Index>(random.uniform() * static_cast<double>(groups));
    for (Index j = 0; j < A.cols(); ++j) {
      A(i, j) *= j / 3 == own || j / 3 == other ? 1.0 : 0.0;
    }
  }
}

Instance make_model(RandomSequence& random, Index n, Kind kind, double scale = 1,
                    Pattern pattern = Pattern::full) {
  if (kind == Kind::indefinite) {
    const Matrix a = random_matrix(random, n, n);
    Matrix B = a + a.transpose();
    if (pattern == Pattern::block_sparse) {
      thin_out(random, B);
    }
    return {test::DenseOperator(n, values(scale * B), matrix_offers),
            values(scale * random_matrix(random, n, 1))};
  }
  const Index rows = pattern == Pattern::full ? n + 3 : 2 * n + 3;
  const Index m = kind == Kind::singular ? std::max<Index>(1, n / 2) : rows;
  Matrix A = random_matrix(random, m, n);
  if (pattern == Pattern::block_sparse) {
    thin_out_rows(random, A);
  }
  const Vector c = random_matrix(random, m, 1);
  // B and g carry one scale: A and c the root of it.
  const double root_scale = std::sqrt(scale);
  return {test::DenseOperator::from_root(m, n, values(root_scale * A), values(root_scale * c), root_offers),
          values(scale * (A.transpose() * c))};
}

LongMatrix exact(const test::DenseOperator& B) {
  return Eigen::Map<const Matrix>(B.matrix().data(), B.size(), B.size()).cast<long double>();
}
LongVector exact(const std::vector<double>& v) {
  return Eigen::Map<const Vector>(v.data(), static_cast<Index>(v.size())).cast<long double>();
}

Control make_control(ControlKind kind, double value) {
  switch (kind) {
    case ControlKind::radius:
      return Radius{value};
    case ControlKind::damping:
      return Damping{value};
    case ControlKind::cubic_weight:
      return CubicWeight{value};
    case ControlKind::step_length:
      break;
  }
  return StepLength{value};
}

/// From loose to tight.
std::vector<double> controls(ControlKind kind) {
  switch (kind) {
    case ControlKind::damping:
    case ControlKind::cubic_weight:
      return {1e-6, 1e-3, 0.1, 1.0, 30.0, 1e3, 1e6};
    case ControlKind::radius:
      return {1e6, 30.0, 1.0, 0.3, 1e-2, 1e-5};
    default:
      return {2.0, 1.0, 0.5, 1e-3};
  }
}

Metric make_metric(MetricKind kind, const SymmetricOperator& B) {
  Metric metric(kind);
  metric.update(B);
  return metric;
}

template <class Body>
void for_each_case(const Candidate& candidate, Body body) {
  for (const Kind kind : {Kind::definite, Kind::indefinite, Kind::singular}) {
    if (kind == Kind::indefinite && !candidate.takes_indefinite) {
      continue;
    }
    RandomSequence random(100 + static_cast<std::uint64_t>(kind));
    for (Index n = 1; n <= 30; n += n < 6 ? 1 : 8) {
      const Instance model = make_model(random, n, kind, 1, candidate.pattern);
      for (const MetricKind metric : {MetricKind::identity, MetricKind::marquardt}) {
        CAPTURE(static_cast<int>(kind), n, static_cast<int>(metric));
        body(kind, model, make_metric(metric, model.B));
      }
    }
  }
}

/// Whether forcing terms or epsilons of a solver are in the units of the gradient.
bool in_gradient_units(const Candidate& candidate, const std::string& name) {
  const bool forcing = name == "gltr" || name == "shifted-lanczos" || name == "cubic-lanczos";
  return name == "damped-cg" || name == "steihaug-cg" || name == "newton-cg" || name == "newton-mr" ||
         name == "scaled-gradient" || name == "own-direction" || (forcing && !candidate.exact);
}

bool same_bits(const std::vector<double>& a, const std::vector<double>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](double x, double y) { return std::signbit(x) == std::signbit(y) && x == y; });
}

/// The global minimum of g'd + d'Bd/2 over |d|_W <= radius: eigenvalues and bisection in long double.
long double trust_region_minimum(const test::DenseOperator& B, const std::vector<double>& gradient,
                                 ConstVectorRef weights, long double radius) {
  const Index n = B.size();
  LongVector s(n);
  for (Index i = 0; i < n; ++i) {
    s[i] = 1 / std::sqrt(static_cast<long double>(weights[static_cast<std::size_t>(i)]));
  }
  const LongMatrix H = s.asDiagonal() * exact(B) * s.asDiagonal();
  const auto [e, vectors] = test::symmetric_eigen(H);
  const LongVector g = vectors.transpose() * (s.asDiagonal() * exact(gradient));
  const auto norm = [&](long double lambda) {
    long double sum = 0;
    for (Index i = 0; i < n; ++i) {
      const long double t = g[i] / (e[i] + lambda);
      sum += t * t;
    }
    return std::sqrt(sum);
  };
  long double low = std::max(0.0L, -e[0]);
  long double high = low + g.norm() / radius + e.cwiseAbs().maxCoeff();
  if (e[0] > 0 && norm(0) <= radius) {
    return -0.5L * (g.array().square() / e.array()).sum();
  }
  for (int k = 0; k < 300; ++k) {
    const long double middle = 0.5L * (low + high);
    (norm(middle) > radius ? low : high) = middle;
  }
  // q = -1/2 (sum g_i^2 / (e_i + lambda) + lambda radius^2) on the boundary; the dual function, whose maximum
  // it is.
  long double sum = high * radius * radius;
  for (Index i = 0; i < n; ++i) {
    sum += g[i] == 0 ? 0 : g[i] * g[i] / (e[i] + high);
  }
  return -0.5L * sum;
}

}  // namespace

TEST_CASE("law: the predicted decrease, slope and norm are the model's at the returned step") {
  for (const Candidate& candidate : test::step_candidates()) {
    const StepPart part = candidate.part();
    CAPTURE(part.info.name);
    const auto solver = part.make(candidate.options);
    for_each_case(candidate, [&](Kind, const Instance& model, const Metric& metric) {
      // The scaled gradient knows the diagonal only, so its model is that of the diagonal.
      LongMatrix B = exact(model.B);
      if (part.info.name == "scaled-gradient") {
        B = LongMatrix(B.diagonal().asDiagonal());
      }
      const StepStatus status = solver->prepare({model.B, model.gradient, metric});
      REQUIRE(status == StepStatus::ok);
      for (const double control : controls(solver->control())) {
        std::vector<double> step(model.gradient.size(), std::nan(""));
        const StepReport report = solver->solve(make_control(solver->control(), control), step);
        CAPTURE(control);
        const LongVector d = exact(step);
        if (report.status != StepStatus::ok) {
          CHECK(report.status == StepStatus::indefinite);
          CHECK(d.norm() == 0);
          continue;
        }
        const long double slope = exact(model.gradient).dot(d);
        const long double curvature = d.dot(B * d);
        const long double decrease = -(slope + 0.5L * curvature);
        // Rounding in B and g as stored, amplified by the step.
        const long double rounding =
            1e-13L * (exact(model.gradient).norm() * d.norm() + B.norm() * d.squaredNorm());
        CHECK(std::abs(report.slope - slope) <= 1e-9L * std::abs(slope) + rounding);
        CHECK(std::abs(report.predicted_decrease - decrease) <= 1e-8L * std::abs(decrease) + rounding);
        long double square = 0;
        for (std::size_t i = 0; i < step.size(); ++i) {
          square += static_cast<long double>(metric.weights()[i]) * step[i] * step[i];
        }
        CHECK(std::abs(report.norm - std::sqrt(square)) <= 1e-13L * std::sqrt(square));
        if (solver->control() != ControlKind::step_length) {
          CHECK(report.predicted_decrease > 0);
          CHECK(report.slope < 0);
        }
      }
    });
  }
}

TEST_CASE("law: a tighter control gives no longer step") {
  for (const Candidate& candidate : test::step_candidates()) {
    const StepPart part = candidate.part();
    CAPTURE(part.info.name);
    const auto solver = part.make(candidate.options);
    if (!candidate.exact &&
        (solver->control() == ControlKind::damping || solver->control() == ControlKind::cubic_weight)) {
      continue;  // truncation at another iteration may lengthen a step
    }
    for_each_case(candidate, [&](Kind, const Instance& model, const Metric& metric) {
      REQUIRE(solver->prepare({model.B, model.gradient, metric}) == StepStatus::ok);
      double last = infinity;
      for (const double control : controls(solver->control())) {
        std::vector<double> step(model.gradient.size());
        const StepReport report = solver->solve(make_control(solver->control(), control), step);
        CAPTURE(control);
        if (report.status == StepStatus::ok) {
          CHECK(report.norm <= last * (1 + 1e-8));
          last = report.norm;
        }
        if (solver->control() == ControlKind::radius) {
          CHECK(report.norm <= control * (1 + 1e-12));
          CHECK((report.limit == StepReport::Limit::interior || report.norm >= control * (1 - 1e-6)));
        }
      }
    });
  }
}

TEST_CASE("law: the same sequence after prepare gives the same bits, and inputs are untouched") {
  for (const Candidate& candidate : test::step_candidates()) {
    const StepPart part = candidate.part();
    CAPTURE(part.info.name);
    for_each_case(candidate, [&](Kind, const Instance& model, const Metric& metric) {
      const std::vector<double> gradient = model.gradient;
      const std::vector<double> weights(metric.weights().begin(), metric.weights().end());
      const auto first = part.make(candidate.options);
      const auto second = part.make(candidate.options);
      // The second solver has another history.
      RandomSequence random(5);
      const Instance other = make_model(random, model.B.size() + 2, Kind::definite);
      REQUIRE(second->prepare({other.B, other.gradient, make_metric(MetricKind::identity, other.B)}) ==
              StepStatus::ok);
      first->prepare({model.B, model.gradient, metric});
      second->prepare({model.B, model.gradient, metric});
      for (const double value : controls(first->control())) {
        const Control control = make_control(first->control(), value);
        std::vector<double> a(gradient.size());
        std::vector<double> b(gradient.size());
        std::vector<double> again(gradient.size());
        first->solve(control, a);
        first->solve(control, again);
        second->solve(control, b);
        CHECK(same_bits(a, b));
        CHECK(same_bits(a, again));
      }
      CHECK(same_bits(gradient, model.gradient));
      CHECK(same_bits(weights, {metric.weights().begin(), metric.weights().end()}));
    });
  }
}

TEST_CASE("law: what is not finite is reported as failed and leaves a zero step") {
  RandomSequence random(3);
  for (const Candidate& candidate : test::step_candidates()) {
    const StepPart part = candidate.part();
    CAPTURE(part.info.name);
    const auto solver = part.make(candidate.options);
    const Instance good = make_model(random, 4, Kind::definite);
    const Metric metric = make_metric(MetricKind::identity, good.B);
    for (const double poison : {std::nan(""), infinity}) {
      std::vector<double> gradient = good.gradient;
      gradient[2] = poison;
      std::vector<double> matrix = good.B.matrix();
      matrix[5] = poison;
      std::vector<double> A(16, 1.0);
      A[6] = poison;
      auto bad = test::DenseOperator(4, matrix, matrix_offers);
      if (part.info.name == "damped-qr") {
        bad = test::DenseOperator::from_root(4, 4, A, {1, 1, 1, 1});
      }
      const auto check = [&](const SymmetricOperator& B, const std::vector<double>& g) {
        std::vector<double> step(4, std::nan(""));
        const StepStatus prepared = solver->prepare({B, g, metric});
        const StepReport report = solver->solve(make_control(solver->control(), 1.0), step);
        CHECK((prepared == StepStatus::failed || report.status == StepStatus::failed));
        CHECK(report.status != StepStatus::ok);
        CHECK(step == std::vector<double>(4, 0.0));
      };
      check(good.B, gradient);
      check(bad, good.gradient);
      // The solver recovers.
      CHECK(solver->prepare({good.B, good.gradient, metric}) == StepStatus::ok);
      std::vector<double> step(4);
      CHECK(solver->solve(make_control(solver->control(), 1.0), step).status == StepStatus::ok);
    }
  }
}

TEST_CASE("law: a zero gradient of a definite model gives a zero step") {
  RandomSequence random(4);
  for (const Candidate& candidate : test::step_candidates()) {
    const StepPart part = candidate.part();
    CAPTURE(part.info.name);
    const auto solver = part.make(candidate.options);
    for (const Index n : {Index{1}, Index{2}, Index{7}}) {
      const Instance model = make_model(random, n, Kind::definite);
      // The root's c would speak of another gradient.
      const auto B =
          part.info.name == "damped-qr"
              ? test::DenseOperator::from_root(n, n, values(random_matrix(random, n, n)),
                                               std::vector<double>(static_cast<std::size_t>(n), 0.0))
              : model.B;
      const std::vector<double> zero(static_cast<std::size_t>(n), 0.0);
      const Metric metric = make_metric(MetricKind::identity, B);
      REQUIRE(solver->prepare({B, zero, metric}) == StepStatus::ok);
      std::vector<double> step(zero.size(), 1.0);
      const StepReport report = solver->solve(make_control(solver->control(), 0.5), step);
      CHECK(report.status == StepStatus::ok);
      CHECK(exact(step).norm() == 0);
      CHECK(report.predicted_decrease == 0);
    }
  }
}

TEST_CASE("law: steps do not depend on the units of the objective") {
  for (const double scale : {0x1p-332, 0x1p332}) {  // 1e-100 and 1e100
    for (const Candidate& candidate : test::step_candidates()) {
      const StepPart part = candidate.part();
      if (in_gradient_units(candidate, part.info.name)) {
        continue;
      }
      CAPTURE(part.info.name, scale);
      const auto solver = part.make(candidate.options);
      for (const Kind kind : {Kind::definite, Kind::indefinite}) {
        if (kind == Kind::indefinite && !candidate.takes_indefinite) {
          continue;
        }
        RandomSequence random(6);
        RandomSequence same(6);
        const Instance one = make_model(random, 6, kind, 1, candidate.pattern);
        const Instance scaled = make_model(same, 6, kind, scale, candidate.pattern);
        const Metric metric = make_metric(MetricKind::identity, one.B);
        for (const double control : {0.01, 1.0, 64.0}) {
          std::vector<double> a(6);
          std::vector<double> b(6);
          REQUIRE(solver->prepare({one.B, one.gradient, metric}) == StepStatus::ok);
          const StepReport first = solver->solve(make_control(solver->control(), control), a);
          REQUIRE(solver->prepare({scaled.B, scaled.gradient, metric}) == StepStatus::ok);
          const bool scales =
              solver->control() == ControlKind::damping || solver->control() == ControlKind::cubic_weight;
          const double units = scales ? scale : 1.0;
          const StepReport second = solver->solve(make_control(solver->control(), control * units), b);
          CHECK(first.status == second.status);
          CHECK((exact(a) - exact(b)).norm() <= 1e-10L * exact(a).norm());
          CHECK(second.predicted_decrease == Approx(first.predicted_decrease * scale).epsilon(1e-9));
        }
      }
    }
  }
}

TEST_CASE("damped solvers agree with the damped system in long double") {
  for (const Candidate& candidate : test::step_candidates()) {
    const StepPart part = candidate.part();
    if (part.control != ControlKind::damping || !candidate.exact) {
      continue;
    }
    CAPTURE(part.info.name);
    const auto solver = part.make(candidate.options);
    for_each_case(candidate, [&](Kind, const Instance& model, const Metric& metric) {
      REQUIRE(solver->prepare({model.B, model.gradient, metric}) == StepStatus::ok);
      for (const double lambda : controls(ControlKind::damping)) {
        CAPTURE(lambda);
        LongMatrix M = exact(model.B);
        M.diagonal() += static_cast<long double>(lambda) *
                        Eigen::Map<const Vector>(metric.weights().data(), model.B.size()).cast<long double>();
        const LongVector e = M.selfadjointView<Eigen::Lower>().eigenvalues();
        std::vector<double> step(model.gradient.size());
        const StepReport report = solver->solve(Damping{lambda}, step);
        if (e.minCoeff() < -1e-9L * e.maxCoeff()) {
          // Conjugate gradients may be done before they see the negative curvature.
          CHECK((report.status == StepStatus::indefinite || part.info.name == "damped-cg" ||
                 part.info.name == "shifted-lanczos"));
        } else if (e.minCoeff() > 1e-6L * e.maxCoeff()) {
          REQUIRE(report.status == StepStatus::ok);
          const LongVector expected = test::solve_symmetric(M, LongVector(-exact(model.gradient)));
          CHECK((exact(step) - expected).norm() <= 1e-8L * expected.norm());
          std::vector<double> x(step.size());
          if (solver->resolve(model.gradient, x)) {
            CHECK((exact(x) + expected).norm() <= 1e-8L * expected.norm());
          } else {
            CHECK((part.info.name == "damped-cg" || part.info.name == "shifted-lanczos"));
          }
        }
      }
    });
  }
}

TEST_CASE("an indefinite damped matrix is blamed on a variable") {
  Matrix B = Matrix::Identity(5, 5);
  B(3, 3) = -2;
  const test::DenseOperator op(5, values(B), matrix_offers);
  const std::vector<double> g(5, 1.0);
  const Metric metric = make_metric(MetricKind::identity, op);
  const auto make = GENERATE(damped_cholesky_part, block_schur_part, block_cholesky_part);
  const auto solver = make().make({});
  REQUIRE(solver->prepare({op, g, metric}) == StepStatus::ok);
  std::vector<double> step(5);
  const StepReport refused = solver->solve(Damping{1.0}, step);
  CHECK(refused.status == StepStatus::indefinite);
  CHECK(refused.blame == 3);
  CHECK(solver->solve(Damping{2.5}, step).status == StepStatus::ok);
}

TEST_CASE("More-Sorensen finds the global minimum over the region, both ways") {
  for (const std::int64_t eigen_limit : {100, 0}) {
    const auto solver = more_sorensen_part().make({{"eigen_limit", eigen_limit}, {"tolerance", 1e-9}});
    const Candidate candidate{more_sorensen_part, {}, true, true};
    CAPTURE(eigen_limit);
    for_each_case(candidate, [&](Kind kind, const Instance& model, const Metric& metric) {
      REQUIRE(solver->prepare({model.B, model.gradient, metric}) == StepStatus::ok);
      for (const double radius : {1e6, 5.0, 1.0, 0.1, 1e-4}) {
        CAPTURE(radius);
        std::vector<double> step(model.gradient.size());
        const StepReport report = solver->solve(Radius{radius}, step);
        REQUIRE(report.status == StepStatus::ok);
        const long double best = -trust_region_minimum(model.B, model.gradient, metric.weights(), radius);
        // In the singular case a step of length 1e6 into the null space changes the model by rounding only.
        const long double rounding = kind == Kind::singular ? 1e-13L * radius * radius : 0;
        CHECK(std::abs(report.predicted_decrease - best) <= 1e-7L * best + std::min(rounding, 1e-3L * best));
      }
    });
  }
}

TEST_CASE("More-Sorensen solves the hard case") {
  // g has no part along the most negative eigenvector.
  const auto solver = more_sorensen_part().make(
      {{"eigen_limit", GENERATE(std::int64_t{100}, std::int64_t{0})}, {"tolerance", 1e-8}});
  Matrix Q = test::orthonormal(Matrix(Matrix::Random(4, 4)));
  if (GENERATE(true, false)) {
    Q.setIdentity();
  }
  const Vector e = (Vector(4) << -2, -2, 1, 3).finished();
  const Vector g = (Vector(4) << 0, 0, 1, 1).finished();
  const Matrix B = Q * e.asDiagonal() * Q.transpose();
  const test::DenseOperator op(4, values(0.5 * (B + B.transpose())));
  const Metric metric = make_metric(MetricKind::identity, op);
  const std::vector<double> gradient = values(Matrix(Q * g));
  REQUIRE(solver->prepare({op, gradient, metric}) == StepStatus::ok);
  for (const double radius : {10.0, 1.0, 0.5}) {
    std::vector<double> step(4);
    const StepReport report = solver->solve(Radius{radius}, step);
    CHECK(report.status == StepStatus::ok);
    CHECK(report.limit == StepReport::Limit::boundary);
    CHECK(report.norm == Approx(radius).epsilon(1e-6));
    // lambda = 2: d = (., ., -1/3, -1/5), q = -1/2 (1/3 + 1/5 + 2 radius^2) by duality.
    CHECK(report.predicted_decrease == Approx(0.5 * (1.0 / 3 + 1.0 / 5 + 2 * radius * radius)).epsilon(1e-6));
  }
}

TEST_CASE("More-Sorensen leaves a saddle point along negative curvature") {
  for (const std::int64_t eigen_limit : {100, 0}) {
    const auto solver = more_sorensen_part().make({{"eigen_limit", eigen_limit}, {"tolerance", 1e-6}});
    RandomSequence random(8);
    const Instance model = make_model(random, 6, Kind::indefinite);
    const std::vector<double> zero(6, 0.0);
    const Metric metric = make_metric(MetricKind::identity, model.B);
    const long double least = exact(model.B).selfadjointView<Eigen::Lower>().eigenvalues().minCoeff();
    for (const double scale : {1.0, 1e-150, 1e150}) {
      std::vector<double> matrix = model.B.matrix();
      for (double& v : matrix) {
        v *= scale;
      }
      const test::DenseOperator B(6, matrix);
      REQUIRE(solver->prepare({B, zero, metric}) == StepStatus::ok);
      std::vector<double> step(6);
      const StepReport report = solver->solve(Radius{2.0}, step);
      REQUIRE(report.status == StepStatus::ok);
      CHECK(report.norm == Approx(2.0));
      CHECK(report.predicted_decrease == Approx(static_cast<double>(-2 * least) * scale).epsilon(1e-6));
    }
  }
}

TEST_CASE("Steihaug's step is no worse than the Cauchy point and is Newton's where that is inside") {
  const auto solver = steihaug_cg_part().make({});
  const auto accurate = steihaug_cg_part().make(
      {{"forcing_cap", 1e-12}, {"forcing_floor", 1e-12}, {"max_iterations", std::int64_t{200}}});
  const Candidate candidate{steihaug_cg_part, {}, true, false};
  for_each_case(candidate, [&](Kind kind, const Instance& model, const Metric& metric) {
    const LongMatrix B = exact(model.B);
    const LongVector g = exact(model.gradient);
    const LongVector w =
        Eigen::Map<const Vector>(metric.weights().data(), model.B.size()).cast<long double>();
    const LongVector down = -(g.array() / w.array()).matrix();
    const long double length = std::sqrt(down.dot(LongVector(w.asDiagonal() * down)));
    REQUIRE(solver->prepare({model.B, model.gradient, metric}) == StepStatus::ok);
    for (const double radius : {100.0, 1.0, 0.01}) {
      std::vector<double> step(model.gradient.size());
      const StepReport report = solver->solve(Radius{radius}, step);
      const long double curvature = down.dot(B * down);
      long double t = radius / length;
      if (curvature > 0) {
        t = std::min(t, -g.dot(down) / curvature);
      }
      const long double cauchy = -(t * g.dot(down) + 0.5L * t * t * curvature);
      CHECK(report.predicted_decrease >= cauchy * (1 - 1e-10L));
    }
    if (kind == Kind::definite) {
      REQUIRE(accurate->prepare({model.B, model.gradient, metric}) == StepStatus::ok);
      std::vector<double> step(model.gradient.size());
      const StepReport report = accurate->solve(Radius{1e8}, step);
      CHECK(report.limit == StepReport::Limit::interior);
      const LongVector newton = test::solve_symmetric(B, LongVector(-g));
      CHECK((exact(step) - newton).norm() <= 1e-8L * newton.norm());
    }
  });
}

TEST_CASE("line-search directions go downhill and are Newton's where the matrix is definite") {
  for (const auto& make : {modified_cholesky_part, bunch_kaufman_part, newton_cg_part, newton_mr_part}) {
    const StepPart part = make();
    CAPTURE(part.info.name);
    Options options;
    if (part.info.name == "newton-cg" || part.info.name == "newton-mr") {
      options = {{"forcing_cap", 1e-12}, {"forcing_floor", 1e-12}, {"max_iterations", std::int64_t{200}}};
    }
    const auto solver = part.make(options);
    for_each_case({make, {}, true, false}, [&](Kind kind, const Instance& model, const Metric& metric) {
      REQUIRE(solver->prepare({model.B, model.gradient, metric}) == StepStatus::ok);
      std::vector<double> step(model.gradient.size());
      const StepReport report = solver->solve(StepLength{1.0}, step);
      CHECK(report.slope < 0);
      if (kind == Kind::definite) {
        const LongVector newton = test::solve_symmetric(exact(model.B), LongVector(-exact(model.gradient)));
        CHECK((exact(step) - newton).norm() <= 1e-7L * newton.norm());
      }
    });
  }
}
