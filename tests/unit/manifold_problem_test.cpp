// Residual problems on manifolds: every derivative is that of step -> f(retract(x, step)) at 0.
#include <Eigen/Dense>
#include <cmath>
#include <vector>

#include "kappa/derivatives.h"
#include "kappa/minimize.h"
#include "problems/residual/residual_linearization.h"
#include "support/catch.h"
#include "support/manifold_problems.h"

using kappa::Evaluation;
using kappa::Index;
using kappa::Matrix;
using kappa::Model;
using kappa::ModelSet;
using kappa::QuaternionOrder;
using kappa::Request;
using kappa::ResidualProblem;
using kappa::Want;
using test::Noise;
using Vector = std::vector<double>;
namespace manifolds = kappa::manifolds;

namespace {

std::size_t at(Index i) {
  return static_cast<std::size_t>(i);
}

Evaluation evaluated(const ResidualProblem& problem, const Vector& x, std::span<const Index> terms = {}) {
  Evaluation out;
  out.reset(x, terms.empty() ? 0 : 1);
  Request request;
  request.want = Want::value | Want::gradient | Want::linearization;
  request.models = {Model::exact, Model::gauss_newton};
  request.sample = {terms.empty() ? 0u : 1u, terms};
  const auto status = problem.evaluate(request, out);
  INFO(out.fault);
  REQUIRE(status == kappa::EvalStatus::ok);
  return out;
}

Vector moved(const ResidualProblem& problem, const Vector& x, const Vector& step) {
  Vector out(x.size());
  problem.retract(x, step, out);
  return out;
}

/// The derivative at t = 0 of a function of t with values in R^m, by differences of eighth order.
template <class Function>
Vector difference(const Function& function) {
  constexpr double h = 0.004;
  constexpr double weight[] = {4 / 5.0, -1 / 5.0, 4 / 105.0, -1 / 280.0};
  Vector out;
  for (int k = 1; k <= 4; ++k) {
    const Vector ahead = function(k * h);
    const Vector behind = function(-k * h);
    out.resize(ahead.size(), 0.0);
    for (std::size_t i = 0; i < out.size(); ++i) {
      out[i] += weight[k - 1] * (ahead[i] - behind[i]) / h;
    }
  }
  return out;
}

Vector unit(Index n, Index i, double length = 1) {
  Vector e(at(n), 0.0);
  e[at(i)] = length;
  return e;
}

/// The gradient of F(step) = f(retract(x, step)) at `step`: g at the moved point, pulled back.
Vector pulled_back_gradient(const ResidualProblem& problem, const Vector& x, const Vector& step,
                            std::span<const Index> terms) {
  const Vector y = moved(problem, x, step);
  const Evaluation there = evaluated(problem, y, terms);
  const Index n = problem.tangent_dimension();
  Vector out(at(n));
  Vector carried(at(n));
  for (Index k = 0; k < n; ++k) {
    problem.transport(x, step, unit(n, k), carried);
    for (Index i = 0; i < n; ++i) {
      out[at(k)] += there.gradient[at(i)] * carried[at(i)];
    }
  }
  return out;
}

void check_close(double a, double b, double tolerance) {
  if (!(std::fabs(a - b) <= tolerance * (1 + std::fabs(b)))) {
    CHECK(a == b);
  }
}

/// Gradient, exact Hessian in all its forms, Gauss-Newton, root, Jacobian products and geodesic term at x.
void check_all_derivatives(const ResidualProblem& problem, const Vector& x,
                           std::span<const Index> terms = {}) {
  const Index n = problem.tangent_dimension();
  const Evaluation here = evaluated(problem, x, terms);
  REQUIRE(static_cast<Index>(here.gradient.size()) == n);
  REQUIRE(here.linearization->size() == n);

  Matrix H(n, n);
  Matrix G(n, n);
  REQUIRE(here.linearization->dense(Model::exact, H));
  REQUIRE(here.linearization->dense(Model::gauss_newton, G));
  for (Index i = 0; i < n; ++i) {
    const Vector slope = difference(
        [&](double t) { return Vector{evaluated(problem, moved(problem, x, unit(n, i, t)), terms).value}; });
    check_close(here.gradient[at(i)], slope[0], 1e-9);
    const Vector column =
        difference([&](double t) { return pulled_back_gradient(problem, x, unit(n, i, t), terms); });
    for (Index k = 0; k < n; ++k) {
      check_close(H(k, i), column[at(k)], 2e-9);
    }
  }

  // All forms of a matrix agree.
  Noise draw(1.0, 9);
  const Vector v = draw.vector(at(n));
  for (const Model model : {Model::exact, Model::gauss_newton}) {
    const Matrix& B = model == Model::exact ? H : G;
    Vector product(at(n));
    Vector diagonal(at(n));
    here.linearization->product(model, v, product);
    REQUIRE(here.linearization->diagonal(model, diagonal));
    const kappa::BlockMatrix* blocks = here.linearization->blocks(model);
    REQUIRE(blocks != nullptr);
    Matrix from_blocks(n, n);
    blocks->dense(from_blocks);
    for (Index i = 0; i < n; ++i) {
      double sum = 0;
      for (Index j = 0; j < n; ++j) {
        sum += B(i, j) * v[at(j)];
        check_close(from_blocks(i, j), B(i, j), 1e-13);
      }
      check_close(product[at(i)], sum, 1e-12);
      check_close(diagonal[at(i)], B(i, i), 1e-13);
    }
  }
  const kappa::Root* root = here.linearization->root(Model::gauss_newton);
  REQUIRE(root != nullptr);
  for (Index i = 0; i < n; ++i) {
    double g = 0;
    for (Index k = 0; k < root->A.rows; ++k) {
      g += root->A(k, i) * root->c[at(k)];
    }
    check_close(g, here.gradient[at(i)], 1e-12);
    for (Index j = 0; j < n; ++j) {
      double sum = 0;
      for (Index k = 0; k < root->A.rows; ++k) {
        sum += root->A(k, i) * root->A(k, j);
      }
      check_close(sum, G(i, j), 1e-12);
    }
  }
}

/// Jacobian, weighted Hessian and geodesic term, all without losses.
void check_plain_derivatives(const ResidualProblem& problem, const Vector& x) {
  const Index n = problem.tangent_dimension();
  const Index m = problem.residuals();
  const Matrix J = kappa::jacobian(problem, x);
  REQUIRE((J.rows == m && J.cols == n));
  const auto residuals_at = [&](const Vector& step) {
    Vector r(at(m));
    problem.evaluate_residuals(moved(problem, x, step), r);
    return r;
  };
  const auto jacobian_transposed = [&](const Vector& step, const Vector& w) {
    const Matrix there = kappa::jacobian(problem, moved(problem, x, step));
    Vector out(at(n));
    Vector carried(at(n));
    for (Index k = 0; k < n; ++k) {
      problem.transport(x, step, unit(n, k), carried);
      for (Index i = 0; i < n; ++i) {
        for (Index row = 0; row < m; ++row) {
          out[at(k)] += w[at(row)] * there(row, i) * carried[at(i)];
        }
      }
    }
    return out;
  };
  Noise draw(1.0, 11);
  const Vector w = draw.vector(at(m));
  const Matrix W = kappa::weighted_hessian(problem, x, w);
  for (Index i = 0; i < n; ++i) {
    const Vector column = difference([&](double t) { return residuals_at(unit(n, i, t)); });
    for (Index k = 0; k < m; ++k) {
      check_close(J(k, i), column[at(k)], 1e-9);
    }
    const Vector bend = difference([&](double t) { return jacobian_transposed(unit(n, i, t), w); });
    for (Index k = 0; k < n; ++k) {
      check_close(W(k, i), bend[at(k)], 2e-9);
    }
  }

  // r_vv along v, by the second-order model of each residual: v'Hess(r_k)v.
  const Vector v = draw.vector(at(n));
  Vector expected(at(n), 0.0);
  for (Index k = 0; k < m; ++k) {
    const Matrix Hk = kappa::weighted_hessian(problem, x, unit(m, k));
    double second = 0;
    for (Index i = 0; i < n; ++i) {
      for (Index j = 0; j < n; ++j) {
        second += v[at(i)] * Hk(i, j) * v[at(j)];
      }
    }
    for (Index i = 0; i < n; ++i) {
      expected[at(i)] += J(k, i) * second;
    }
  }
  const Evaluation here = evaluated(problem, x);
  Vector geodesic(at(n));
  REQUIRE(here.linearization->second_directional(v, geodesic));
  for (Index i = 0; i < n; ++i) {
    check_close(geodesic[at(i)], expected[at(i)], 1e-11);
  }
}

/// Three numbers and four, in a way that depends on all of them and is not linear.
struct Mixed {
  double t;
  template <class T>
  bool operator()(const T* a, const T* b, T* r) const {
    using std::sin;
    r[0] = a[0] * b[0] + sin(a[1] * t) + b[3] * b[1] - 0.3;
    r[1] = a[2] * a[2] * b[2] - b[1] * t + a[0];
    return true;
  }
};

struct MixedWritten {
  double t;
  bool operator()(const double* const* x, double* r, double** J) const {
    const double* a = x[0];
    const double* b = x[1];
    Mixed{t}(a, b, r);
    if (J != nullptr) {
      const double da[] = {b[0], std::cos(a[1] * t) * t, 0, 1, 0, 2 * a[2] * b[2]};
      const double db[] = {a[0], b[3], 0, b[1], 0, -t, a[2] * a[2], 0};
      if (J[0] != nullptr) {
        std::copy(std::begin(da), std::end(da), J[0]);
      }
      if (J[1] != nullptr) {
        std::copy(std::begin(db), std::end(db), J[1]);
      }
    }
    return true;
  }
};

/// One residual type whose slots meet flat, curved and partly constant blocks of other tangent sizes.
template <class Functor>
ResidualProblem meeting_of_sizes(const kappa::Loss& loss = {}) {
  ResidualProblem problem;
  const Vector three = {0.48, -0.6, 0.64};
  const Vector four = {0.5, -0.5, 0.5, 0.5};
  const std::vector<kappa::ParameterBlock> a = {
      problem.add_parameters({0.3, 1.2, -0.7}, "flat"),
      problem.add_parameters(three, manifolds::sphere(3), "direction"),
      problem.add_parameters({2.0, 1.0, 0.5}, manifolds::subset(3, {1}), "subset"),
      problem.add_parameters({1.0, 2.0, -3.0}, manifolds::se2(), "plane pose"),
      problem.add_parameters({1.0, 2.0, -3.0}, manifolds::subset(3, {0, 1, 2}), "all constant"),
      problem.add_parameters({0.1, 0.2, 0.3}, "held"),
  };
  const std::vector<kappa::ParameterBlock> b = {
      problem.add_parameters(four, manifolds::unit_quaternion(), "quaternion"),
      problem.add_parameters({1, 2, 3, 4}, "flat four"),
      problem.add_parameters(four, manifolds::so3(QuaternionOrder::xyzw), "rotation"),
      problem.add_parameters({3, 0, 0.6, -0.8},
                             manifolds::product({manifolds::angle(), manifolds::sphere(3)}), "product"),
      problem.add_parameters(four, manifolds::sphere(4), "held direction"),
  };
  problem.set_constant(a[5]);
  problem.set_constant(b[4]);
  double t = 0.4;
  for (const auto& first : a) {
    for (const auto& second : b) {
      if constexpr (std::is_same_v<Functor, Mixed>) {
        problem.add(kappa::autodiff<2, 3, 4>(Mixed{t}), {first, second}, loss);
      } else {
        problem.add(kappa::analytic<2, 3, 4>(MixedWritten{t}), {first, second}, loss);
      }
      t += 0.1;
    }
  }
  return problem;
}

/// (p - o) x d for the line through o with direction d: it does not depend on where on the line o is.
struct ToLine {
  std::array<double, 3> p;
  template <class T>
  bool operator()(const T* line, T* r) const {
    const T between[3] = {p[0] - line[0], p[1] - line[1], p[2] - line[2]};
    kappa::CrossProduct(between, line + 3, r);
    return true;
  }
};

/// A row on three free numbers and a held one.
struct Row {
  test::LinearRow row;
  template <class T>
  bool operator()(const T* free, const T* held, T* r) const {
    const T x[4] = {free[0], free[1], held[0], free[2]};
    return row(x, r);
  }
};

/// A relative pose of blocks for points and turns.
struct Apart {
  std::array<double, 7> measured;
  template <class T>
  bool operator()(const T* ta, const T* qa, const T* tb, const T* qb, T* r) const {
    T a[7];
    T b[7];
    std::copy(ta, ta + 3, a);
    std::copy(qa, qa + 4, a + 3);
    std::copy(tb, tb + 3, b);
    std::copy(qb, qb + 4, b + 3);
    return test::RelativePose{measured}(a, b, r);
  }
};

kappa::Result solved(const ResidualProblem& problem,
                     const kappa::Method& method = kappa::levenberg_marquardt()) {
  return kappa::minimize(problem, problem.initial(), method);
}

}  // namespace

TEST_CASE("derivatives on manifolds are those of step -> f(retract(x, step))", "[manifold]") {
  const auto check = [](const ResidualProblem& problem) {
    const Vector x = problem.initial();
    check_all_derivatives(problem, x);
    const std::vector<Index> some = {5, 1, 4};
    check_all_derivatives(problem, x, some);
    return x;
  };
  const auto check_plain = [&](const ResidualProblem& problem) {
    check_plain_derivatives(problem, check(problem));
  };
  SECTION("rotation averaging") {
    check_plain(test::rotation_averaging(4, 0.3));
  }
  SECTION("poses in the plane") {
    check_plain(test::loop_in_plane(4, 0.3));
  }
  SECTION("poses in space") {
    check_plain(test::loop_in_space(4, 0.3));
  }
  SECTION("poses in space with a robust loss") {
    check(test::loop_in_space(4, 0.3, kappa::cauchy(0.4)));
  }
  SECTION("a loss whose second derivative is positive nowhere") {
    check(test::rotation_averaging(4, 0.3, kappa::huber(0.2)));
  }
  SECTION("a sphere") {
    check(test::linear_on(manifolds::sphere(4), {0.5, -0.5, 0.5, 0.5}, 1.0));
  }
  SECTION("homogeneous vectors") {
    check(test::linear_on(manifolds::homogeneous(4), {1, -2, 0.5, 3}, 1.0));
  }
}

TEST_CASE("blocks of one type may meet other manifolds in the same slot", "[manifold]") {
  const ResidualProblem problem = meeting_of_sizes<Mixed>();
  CHECK(problem.dimension() == 4 * 3 + 4 * 4);
  CHECK(problem.tangent_dimension() == (3 + 2 + 2 + 3) + (3 + 4 + 3 + 3));
  const Vector x = problem.initial();
  check_all_derivatives(problem, x);
  check_plain_derivatives(problem, x);
  const std::vector<Index> some = {29, 3, 7, 12, 24};
  check_all_derivatives(problem, x, some);
  check_all_derivatives(meeting_of_sizes<Mixed>(kappa::soft_l1(0.5)), x);
}

TEST_CASE("written Jacobians are projected like those of jets", "[manifold]") {
  const ResidualProblem written = meeting_of_sizes<MixedWritten>();
  const ResidualProblem by_jets = meeting_of_sizes<Mixed>();
  const Vector x = written.initial();
  const Evaluation a = evaluated(written, x);
  const Evaluation b = evaluated(by_jets, x);
  const Index n = written.tangent_dimension();
  Matrix A(n, n);
  Matrix B(n, n);
  a.linearization->dense(Model::exact, A);
  b.linearization->dense(Model::exact, B);
  for (Index i = 0; i < n; ++i) {
    check_close(a.gradient[at(i)], b.gradient[at(i)], 1e-13);
    for (Index j = 0; j < n; ++j) {
      check_close(A(i, j), B(i, j), 1e-7);
    }
  }
}

TEST_CASE("retract, local and transport act block by block", "[manifold]") {
  const ResidualProblem problem = meeting_of_sizes<Mixed>();
  const Vector x = problem.initial();
  Noise draw(0.2);
  const Vector step = draw.vector(at(problem.tangent_dimension()));
  const Vector y = moved(problem, x, step);
  Vector back(step.size());
  problem.local(x, y, back);
  for (std::size_t i = 0; i < step.size(); ++i) {
    CHECK(back[i] == Approx(step[i]));
  }
  CHECK(moved(problem, x, Vector(step.size())) == x);
  // Flat entries, seen in both numberings.
  const kappa::ParameterBlock four{7};
  CHECK(problem.name(four) == "flat four");
  for (Index i = 0; i < 4; ++i) {
    CHECK(y[at(problem.offset(four) + i)] ==
          x[at(problem.offset(four) + i)] + step[at(problem.tangent_offset(four) + i)]);
  }
  CHECK(problem.values(kappa::ParameterBlock{2}, y)[1] == 1.0);
  CHECK(problem.values(kappa::ParameterBlock{4}, y)[2] == -3.0);
  CHECK(problem.offset(kappa::ParameterBlock{4}) == -1);
  CHECK(problem.tangent_size(kappa::ParameterBlock{6}) == 3);
  CHECK(problem.manifold(kappa::ParameterBlock{6})->name() == "the unit quaternions");
  CHECK(problem.manifold(four) == nullptr);
  CHECK_FALSE(problem.flat());
  CHECK_THROWS_AS(problem.retract(x, x, back), kappa::ContractError);
  CHECK_THROWS_AS(problem.local(x, step, back), kappa::ContractError);
  CHECK_THROWS_AS(problem.transport(x, step, x, back), kappa::ContractError);
}

TEST_CASE("check_derivatives holds on manifolds, and sees a wrong second derivative", "[manifold]") {
  for (const ResidualProblem& problem : {test::loop_in_space(4, 0.3), test::loop_in_plane(4, 0.3)}) {
    const auto check = kappa::check_derivatives(problem, problem.initial());
    INFO(check.text());
    CHECK(check.passed());
  }
  /// A sphere whose plus bends too little.
  class Wrong final : public kappa::Manifold {
   public:
    Wrong() : Manifold("a wrong sphere", 4, 3) {}

   private:
    void do_plus(const double* x, const double* d, double* out) const override {
      sphere_->plus({x, 4}, {d, 3}, {out, 4});
    }
    void do_minus(const double* y, const double* x, double* d) const override {
      sphere_->minus({y, 4}, {x, 4}, {d, 3});
    }
    void do_plus_jacobian(const double* x, kappa::MatrixRef P) const override {
      sphere_->plus_jacobian({x, 4}, P);
    }
    void do_plus_second(const double* x, const double* w, kappa::MatrixRef S) const override {
      sphere_->plus_second({x, 4}, {w, 4}, S);
      S(0, 1) = S(1, 0) = S(0, 1) + 0.5;
    }
    manifolds::Shared sphere_ = manifolds::sphere(4);
  };
  const ResidualProblem wrong = test::linear_on(std::make_shared<Wrong>(), {0.5, -0.5, 0.5, 0.5}, 1.0);
  const auto check = kappa::check_derivatives(wrong, wrong.initial());
  CHECK_FALSE(check.passed());
  CHECK(check.mismatches[0].where.find("v'Hv") != std::string::npos);
}

TEST_CASE("start values off their manifold are refused with the block's name and a remedy", "[manifold]") {
  ResidualProblem problem;
  CHECK_THROWS_WITH(
      problem.add_parameters({0, 0, 0, 2, 0, 0, 0}, manifolds::se3(), "pose 3"),
      "ResidualProblem::add_parameters: parameter block 'pose 3' starts at values that are not on "
      "SE(3) (off by 1.000000); put them there with Manifold::normalize");
  CHECK_THROWS_WITH(
      problem.add_parameters({0, 0, 0}, manifolds::homogeneous(3)),
      "ResidualProblem::add_parameters: parameter block 'parameter block 0' starts at values that "
      "are not on the homogeneous vectors in R^3 (no point is near); put them there with "
      "Manifold::normalize");
  CHECK_THROWS_WITH(
      problem.add_parameters({0, 0, 0}, manifolds::se3(), "p"),
      "ResidualProblem::add_parameters: parameter block 'p' has 3 values, but a point on SE(3) has "
      "7");
  CHECK(problem.parameter_blocks() == 0);

  const auto q = problem.add_parameters({1 + 1e-9, 0, 0, 0}, manifolds::so3(), "q");
  CHECK(problem.initial() == Vector{1, 0, 0, 0});
  CHECK_THROWS_AS(problem.set_values(q, Vector{1, 1, 0, 0}), kappa::Error);
  problem.set_values(q, Vector{0, 1, 0, 0});
  CHECK_THROWS_AS(problem.set_manifold(q, manifolds::sphere(3)), kappa::Error);

  const auto plain = problem.add_parameters({1, 1, 0, 0}, "plain");
  CHECK_THROWS_AS(problem.set_manifold(plain, manifolds::so3()), kappa::Error);
  problem.set_manifold(plain, manifolds::euclidean(4));
  CHECK(problem.manifold(plain) == nullptr);
  problem.set_manifold(q, nullptr);
  CHECK(problem.flat());
  CHECK(problem.tangent_dimension() == 8);
}

TEST_CASE("an x off its manifold is outside the domain, and the block is named", "[manifold]") {
  const ResidualProblem problem = test::loop_in_space();
  Vector x = problem.initial();
  x[7 + 3] += 0.5;
  const kappa::Result result = kappa::minimize(problem, x, kappa::levenberg_marquardt());
  CHECK(result.termination == kappa::Termination::initial_point);
  INFO(result.reason);
  CHECK(result.reason.find("'pose 2' is not on its manifold, SE(3)") != std::string::npos);
  CHECK(result.reason.find("Manifold::normalize") != std::string::npos);
  CHECK_THROWS_AS(kappa::jacobian(problem, x), kappa::Error);
}

TEST_CASE("variables on a manifold are named by their tangent entries", "[manifold]") {
  const ResidualProblem problem = test::loop_in_space();
  CHECK(problem.variable_name(0) == "pose 1, tangent entry 0");
  CHECK(problem.variable_name(6 + 5) == "pose 2, tangent entry 5");
  CHECK_THROWS_AS(problem.variable_name(7 * 6), kappa::ContractError);
}

TEST_CASE("averaged rotations and closed loops are found again", "[manifold]") {
  const auto check = [](const ResidualProblem& problem) {
    const kappa::Result result = solved(problem);
    INFO(result.reason);
    CHECK(result.outcome == kappa::Outcome::converged);
    CHECK(result.value < 1e-24);  // no noise, so nothing is left
    CHECK(result.iterations < 12);
  };
  check(test::rotation_averaging(30, 0.0));
  check(test::loop_in_plane(30, 0.0));
  check(test::loop_in_space(30, 0.0));
}

TEST_CASE("least squares on the sphere solves the secular equation", "[manifold]") {
  const ResidualProblem problem = test::linear_on(manifolds::sphere(4), {0, 0, 0, 1}, 1.0);
  ResidualProblem flat = test::linear_on(nullptr, {0, 0, 0, 0}, 1.0);
  const Matrix A = kappa::jacobian(flat, flat.initial());
  Vector b(9);
  flat.evaluate_residuals(flat.initial(), b);
  const Eigen::Map<const Eigen::MatrixXd> a(A.values.data(), 9, 4);
  const Eigen::VectorXd right = -a.transpose() * Eigen::Map<const Eigen::VectorXd>(b.data(), 9);
  // (A'A + lambda I) x = A'b with |x| = 1, lambda above -smallest eigenvalue, by bisection.
  const Eigen::MatrixXd normal = a.transpose() * a;
  const double lowest = -Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd>(normal).eigenvalues()(0);
  double low = lowest;
  double high = lowest + 100;
  Eigen::VectorXd x;
  for (int i = 0; i < 200; ++i) {
    const double lambda = (low + high) / 2;
    x = (normal + lambda * Eigen::MatrixXd::Identity(4, 4)).ldlt().solve(right);
    (x.norm() > 1 ? low : high) = lambda;
  }
  // There may be a second, local minimum: the least of a few starts is the global one.
  for (const kappa::Method& method : {kappa::levenberg_marquardt(), kappa::newton()}) {
    kappa::Result result = solved(problem, method);
    for (Index i = 0; i < 4; ++i) {
      for (const double side : {1.0, -1.0}) {
        kappa::Result other = kappa::minimize(problem, unit(4, i, side), method);
        result = other.value < result.value ? other : result;
      }
    }
    INFO(result.reason);
    CHECK(result.outcome == kappa::Outcome::converged);
    for (Index i = 0; i < 4; ++i) {
      CHECK(result.x[at(i)] == Approx(x(i)).margin(1e-10));
    }
  }
}

TEST_CASE("the smallest singular vector is the least value on the homogeneous vectors of length 1",
          "[manifold]") {
  const ResidualProblem problem = test::linear_on(manifolds::homogeneous(4), {0.5, 0.5, 0.5, 0.5}, 0.0);
  const Matrix A = kappa::jacobian(test::linear_on(nullptr, {0, 0, 0, 0}, 0.0), Vector(4));
  const Eigen::JacobiSVD<Eigen::MatrixXd> svd(Eigen::Map<const Eigen::MatrixXd>(A.values.data(), 9, 4),
                                              Eigen::ComputeFullV);
  const kappa::Result result = solved(problem, kappa::newton());
  CHECK(result.value == Approx(0.5 * svd.singularValues()(3) * svd.singularValues()(3)));
  const Eigen::VectorXd v = svd.matrixV().col(3);
  const double sign = v(0) * result.x[0] > 0 ? 1 : -1;
  for (Index i = 0; i < 4; ++i) {
    CHECK(result.x[at(i)] == Approx(sign * v(i)).margin(1e-8));
  }
}

TEST_CASE("a subset with constant entries has the answer of the reduced problem", "[manifold]") {
  const ResidualProblem subset = test::linear_on(manifolds::subset(4, {2}), {1, 1, 0.25, 1}, 1.0);
  ResidualProblem reduced;
  const auto free = reduced.add_parameters({1, 1, 1}, "free");
  const auto held = reduced.add_parameters({0.25}, "held");
  reduced.set_constant(held);
  Noise draw(1.0, 5);
  for (int k = 0; k < 9; ++k) {
    const double a[] = {draw(), draw(), draw(), draw()};
    const double b = draw();
    reduced.add(kappa::autodiff<1, 3, 1>(Row{{{a[0], a[1], a[2], a[3]}, b}}), {free, held});
  }
  const kappa::Result one = solved(subset);
  const kappa::Result other = solved(reduced);
  CHECK(one.x[2] == 0.25);
  CHECK(one.x[0] == Approx(other.x[0]));
  CHECK(one.x[1] == Approx(other.x[1]));
  CHECK(one.x[3] == Approx(other.x[2]));
  CHECK(one.value == Approx(other.value));
  const auto C = kappa::covariance(subset, one.x);
  const auto D = kappa::covariance(reduced, other.x);
  REQUIRE(C.matrix.rows == 3);
  for (std::size_t i = 0; i < 9; ++i) {
    CHECK(C.matrix.values[i] == Approx(D.matrix.values[i]));
  }
}

TEST_CASE("a line is fitted to points by their distances", "[manifold]") {
  ResidualProblem problem;
  const auto line = problem.add_parameters({0, 0, 0, 0.6, 0.8, 0}, manifolds::line(3), "line");
  Noise draw(1.0, 8);
  for (int i = 0; i < 20; ++i) {
    const double t = draw();
    problem.add(kappa::autodiff<3, 6>(ToLine{{1 + t * 2 / 7.0, 2 + t * 3 / 7.0, 3 + t * 6 / 7.0}}), {line});
  }
  REQUIRE(problem.tangent_dimension() == 4);
  check_all_derivatives(problem, problem.initial());
  check_plain_derivatives(problem, problem.initial());
  for (const kappa::Method& method : {kappa::levenberg_marquardt(), kappa::newton()}) {
    const kappa::Result result = solved(problem, method);
    INFO(result.reason);
    CHECK(result.value < 1e-26);
    const double sign = result.x[5] > 0 ? 1 : -1;
    CHECK(result.x[3] == Approx(sign * 2 / 7.0));
    CHECK(result.x[4] == Approx(sign * 3 / 7.0));
    CHECK(result.x[5] == Approx(sign * 6 / 7.0));
  }
}

TEST_CASE("a product is its factors in one block", "[manifold]") {
  ResidualProblem joint;
  ResidualProblem apart;
  const auto M = manifolds::product({manifolds::euclidean(3), manifolds::unit_quaternion()});
  std::vector<kappa::ParameterBlock> poses;
  std::vector<kappa::ParameterBlock> points;
  std::vector<kappa::ParameterBlock> turns;
  Noise draw(0.2);
  for (int i = 0; i < 4; ++i) {
    Vector pose = {draw(), draw(), draw(), 1, draw(), draw(), draw()};
    M->normalize(pose);
    poses.push_back(joint.add_parameters(pose, M));
    points.push_back(apart.add_parameters(kappa::ConstVectorRef(pose.data(), 3)));
    turns.push_back(
        apart.add_parameters(kappa::ConstVectorRef(pose.data() + 3, 4), manifolds::unit_quaternion()));
  }
  for (std::size_t i = 0; i < 4; ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      Vector z = {draw(), draw(), draw(), 1, draw(), draw(), draw()};
      M->normalize(z);
      std::array<double, 7> measured;
      std::copy(z.begin(), z.end(), measured.begin());
      joint.add(kappa::autodiff<6, 7, 7>(test::RelativePose{measured}), {poses[i], poses[j]});
      apart.add(kappa::autodiff<6, 3, 4, 3, 4>(Apart{measured}), {points[i], turns[i], points[j], turns[j]});
    }
  }
  REQUIRE(joint.tangent_dimension() == apart.tangent_dimension());
  check_all_derivatives(joint, joint.initial());
  const kappa::Matrix H = kappa::hessian(joint, joint.initial());
  const kappa::Matrix K = kappa::hessian(apart, apart.initial());
  for (std::size_t i = 0; i < H.values.size(); ++i) {
    check_close(H.values[i], K.values[i], 1e-12);
  }
  joint.set_constant(poses[0]);
  apart.set_constant(points[0]);
  apart.set_constant(turns[0]);
  CHECK(solved(joint).value == Approx(solved(apart).value));
}

TEST_CASE("entries that move along straight lines may have bounds beside manifolds", "[manifold][bounds]") {
  // x in R^4 with one entry held, behind a rotation, so that the numberings differ.
  ResidualProblem problem;
  const auto turn = problem.add_parameters({1, 0, 0, 0}, manifolds::so3(), "turn");
  const auto x = problem.add_parameters({0.1, 0.2, 0.25, 0.3}, manifolds::subset(4, {2}), "x");
  const auto both = problem.add_parameters(
      {0, 0, 0, 1, 0, 0, 0}, manifolds::product({manifolds::euclidean(3), manifolds::so3()}), "both");
  Noise draw(1.0, 5);
  for (int k = 0; k < 9; ++k) {
    problem.add(kappa::autodiff<1, 4>(test::LinearRow{{draw(), draw(), draw(), draw()}, draw()}), {x});
  }
  const auto pose = problem.add_parameters({0, 0, 0, 1, 0, 0, 0}, manifolds::se3(), "pose");
  const auto rotation = problem.add_parameters({1, 0, 0, 0}, manifolds::so3(), "rotation");
  problem.set_constant(pose);
  problem.set_constant(rotation);
  problem.add(kappa::autodiff<6, 7, 7>(test::RelativePose{{1, 2, 3, 0.6, 0.8, 0, 0}}), {pose, both});
  problem.add(kappa::autodiff<3, 4, 4>(test::RelativeRotation{{0.6, 0, 0.8, 0}}), {turn, rotation});
  const kappa::Result free = solved(problem);
  const double bound = problem.values(x, free.x)[1] + 0.5;
  problem.set_lower(x, 1, bound);
  problem.set_upper(x, 2, 7.0);  // of no effect: that entry is held
  problem.set_lower(both, 2, -0.5);
  const kappa::Bounds bounds = problem.bounds();
  REQUIRE(static_cast<Index>(bounds.lower.size()) == problem.tangent_dimension());
  CHECK(bounds.lower[3 + 1] == bound);
  CHECK(bounds.coordinate[3 + 1] == 4 + 1);
  CHECK(bounds.coordinate[3 + 2] == 4 + 3);
  CHECK(bounds.lower[6 + 2] == -0.5);
  CHECK(bounds.coordinate[6 + 2] == 8 + 2);
  for (const kappa::Method& method : {kappa::levenberg_marquardt(), kappa::newton()}) {
    const kappa::Result result = solved(problem, method);
    INFO(result.reason);
    CHECK(result.outcome == kappa::Outcome::converged);
    CHECK(problem.values(x, result.x)[1] == bound);
    CHECK(problem.values(x, result.x)[2] == 0.25);
    REQUIRE(result.active_bounds.size() == 1);
    CHECK(result.active_bounds[0].tangent == 3 + 1);
    CHECK(result.active_bounds[0].variable == 4 + 1);
    CHECK(problem.variable_name(3 + 1) == "x, tangent entry 1");
  }
  problem.set_upper(both, 4, 0.5);
  CHECK_THROWS_WITH(
      problem.bounds(),
      "ResidualProblem: parameter block 'both', entry 4 has a bound, but steps on R^3 x SO(3) do not "
      "move it along a straight line; remove the bound, or take a residual for it");
}

TEST_CASE("the covariance of a pose has its tangent entries", "[manifold]") {
  const ResidualProblem problem = test::loop_in_plane(6, 0.05);
  const kappa::Result result = solved(problem);
  const auto C = kappa::covariance(problem, result.x);
  const Index n = problem.tangent_dimension();
  CHECK(C.rank == n);
  REQUIRE(C.matrix.rows == n);
  const Matrix J = kappa::jacobian(problem, result.x);
  const Eigen::Map<const Eigen::MatrixXd> j(J.values.data(), J.rows, J.cols);
  const Eigen::MatrixXd expected = C.variance * (j.transpose() * j).inverse();
  for (Index i = 0; i < n; ++i) {
    for (Index k = 0; k < n; ++k) {
      check_close(C.matrix(i, k), expected(i, k), 1e-10);
    }
  }
}

TEST_CASE("large problems on manifolds are summed by owners to the same derivatives", "[manifold]") {
  const ResidualProblem problem = test::loop_in_space(600, 0.05, kappa::cauchy(0.1));
  const Vector x = problem.initial();
  const Evaluation here = evaluated(problem, x);
  const Index n = problem.tangent_dimension();
  Noise draw(1.0, 4);
  const Vector v = draw.vector(at(n));
  const auto along = [&](double t) {
    Vector step(v);
    for (double& entry : step) {
      entry *= t / 10;
    }
    return step;
  };
  Vector carried(at(n));
  const Vector whole = along(1);
  const Vector slopes = difference([&](double t) {
    const Evaluation there = evaluated(problem, moved(problem, x, along(t)));
    problem.transport(x, along(t), whole, carried);
    double slope = 0;
    for (std::size_t i = 0; i < carried.size(); ++i) {
      slope += there.gradient[i] * carried[i];
    }
    return Vector{there.value, slope};
  });
  Vector product(at(n));
  here.linearization->product(Model::exact, whole, product);
  double slope = 0;
  double bend = 0;
  for (std::size_t i = 0; i < product.size(); ++i) {
    slope += here.gradient[i] * whole[i];
    bend += whole[i] * product[i];
  }
  check_close(slope, slopes[0], 1e-9);
  check_close(bend, slopes[1], 1e-9);
  Matrix dense(n, n);
  REQUIRE(here.linearization->dense(Model::exact, dense));
  for (Index i = 0; i < n; i += 97) {
    double sum = 0;
    for (Index j = 0; j < n; ++j) {
      sum += dense(i, j) * whole[at(j)];
    }
    check_close(sum, product[at(i)], 1e-11);
  }
}

TEST_CASE("problems without manifolds keep their numbering, and one may come and go", "[manifold]") {
  ResidualProblem problem = test::linear_on(nullptr, {0.5, -0.5, 0.5, 0.5}, 1.0);
  const Vector x = problem.initial();
  const Vector before = evaluated(problem, x).gradient;
  problem.set_manifold(kappa::ParameterBlock{0}, manifolds::sphere(4));
  const Vector on_sphere = evaluated(problem, x).gradient;
  CHECK(on_sphere.size() == 3);
  // One Evaluation serves both structures.
  Evaluation kept;
  Request request;
  request.want = Want::value | Want::gradient | Want::linearization;
  request.models = {Model::gauss_newton};
  for (int round = 0; round < 2; ++round) {
    problem.set_manifold(kappa::ParameterBlock{0}, round == 0 ? manifolds::sphere(4) : nullptr);
    kept.reset(x, 0);
    REQUIRE(problem.evaluate(request, kept) == kappa::EvalStatus::ok);
    CHECK(kept.gradient == (round == 0 ? on_sphere : before));
  }
}
