// ResidualProblem against long double: the objective is written a second time here, and differenced.
#include <Eigen/Dense>
#include <cmath>
#include <functional>
#include <limits>
#include <numeric>
#include <string>
#include <vector>

#include "kappa/random.h"
#include "kappa/residuals.h"
#include "support/catch.h"

namespace {

using kappa::ConstVectorRef;
using kappa::EvalStatus;
using kappa::Evaluation;
using kappa::Index;
using kappa::Model;
using kappa::ParameterBlock;
using kappa::Request;
using kappa::ResidualProblem;
using kappa::Want;
using Scalar = long double;
using Eigen::MatrixXd;
using Eigen::VectorXd;

/// Two residuals of a block of 3 and one of 2.
struct Bend {
  double a;
  template <class T>
  bool operator()(const T* p, const T* q, T* r) const {
    using std::exp;
    using std::sin;
    r[0] = exp(0.3 * p[0]) * q[0] - a + p[1] * p[2];
    r[1] = sin(p[1] + a * q[1]) * p[2] + 0.5 * p[0] * q[1] * q[1];
    return true;
  }
};

/// One residual of one block of 2.
struct Line {
  double x, y;
  template <class T>
  bool operator()(const T* p, T* r) const {
    using std::exp;
    r[0] = y - p[0] * exp(p[1] * x);
    return true;
  }
};

/// Bend with a Jacobian of its own.
struct WrittenBend {
  double a;
  bool operator()(const double* const* x, double* r, double** J) const {
    const double *p = x[0], *q = x[1];
    Bend{a}(p, q, r);
    if (J == nullptr) {
      return true;
    }
    const double e = std::exp(0.3 * p[0]);
    const double c = std::cos(p[1] + a * q[1]);
    if (J[0] != nullptr) {
      const double first[6] = {0.3 * e * q[0],    p[2],     p[1],
                               0.5 * q[1] * q[1], c * p[2], std::sin(p[1] + a * q[1])};
      std::copy(first, first + 6, J[0]);
    }
    if (J[1] != nullptr) {
      const double second[4] = {e, 0, 0, a * c * p[2] + p[0] * q[1]};
      std::copy(second, second + 4, J[1]);
    }
    return true;
  }
};

Scalar rho(const std::string& loss, Scalar s) {
  if (loss == "huber") {
    return s <= 1 ? s : 2 * std::sqrt(s) - 1;
  }
  if (loss == "cauchy") {
    return std::log(1 + s);
  }
  if (loss == "soft_l1") {
    return 2 * (std::sqrt(1 + s) - 1);
  }
  if (loss == "arctan") {
    return std::atan(s);
  }
  if (loss == "tukey") {
    return s < 1 ? (1 - (1 - s) * (1 - s) * (1 - s)) / 3 : Scalar(1) / 3;
  }
  if (loss == "weighted") {
    return Scalar(2.5) * s;
  }
  return s;
}

kappa::Loss loss_named(const std::string& name) {
  return name == "huber"      ? kappa::huber(1)
         : name == "cauchy"   ? kappa::cauchy(1)
         : name == "soft_l1"  ? kappa::soft_l1(1)
         : name == "arctan"   ? kappa::arctan(1)
         : name == "tukey"    ? kappa::tukey(1)
         : name == "weighted" ? kappa::scaled(kappa::Loss(), 2.5)
                              : kappa::Loss();
}

/// A problem and its objective written again: five 3-blocks, four 2-blocks, Bends between them and Lines.
struct Twin {
  ResidualProblem problem;
  std::vector<ParameterBlock> three, two;
  std::vector<std::vector<double>> constants;  ///< by parameter block; empty where variable
  std::vector<std::function<Scalar(const std::vector<const Scalar*>&)>> terms;

  explicit Twin(const std::string& loss, bool hold = false, double size = 1.0, bool written = false) {
    kappa::RandomSequence random(5);
    const auto draw = [&](Index n) {
      std::vector<double> v(static_cast<std::size_t>(n));
      for (double& entry : v) {
        entry = size * random.normal();
      }
      return v;
    };
    for (int i = 0; i < 5; ++i) {
      three.push_back(problem.add_parameters(draw(3), "three " + std::to_string(i)));
      if (i < 4) {
        two.push_back(problem.add_parameters(draw(2)));
      }
    }
    constants.resize(9);
    if (hold) {
      const std::vector<double> start = problem.initial();
      for (const ParameterBlock block : {three[1], two[3]}) {
        const auto v = problem.values(block, start);
        constants[static_cast<std::size_t>(block.index)].assign(v.begin(), v.end());
      }
      problem.set_constant(three[1]);
      problem.set_constant(two[3]);
    }
    const kappa::Loss rho_of = loss_named(loss);
    for (std::size_t i = 0; i < 14; ++i) {
      const ParameterBlock p = three[i % 5];
      const ParameterBlock q = two[(i * i + 1) % 4];
      const Bend bend{0.2 * static_cast<double>(i) - 1};
      if (written) {
        problem.add(kappa::analytic<2, 3, 2>(WrittenBend{bend.a}), {p, q}, rho_of);
      } else {
        problem.add(kappa::autodiff<2, 3, 2>(bend), {p, q}, rho_of);
      }
      terms.push_back([bend, p, q, loss](const std::vector<const Scalar*>& x) {
        Scalar r[2];
        bend(x[static_cast<std::size_t>(p.index)], x[static_cast<std::size_t>(q.index)], r);
        return rho(loss, r[0] * r[0] + r[1] * r[1]);
      });
      const Line line{0.1 * static_cast<double>(i), 1.0};
      // Every other line without a loss.
      const bool plain = i % 2 == 0;
      problem.add(kappa::autodiff<1, 2>(line), {q}, plain ? kappa::Loss() : rho_of);
      terms.push_back([line, q, plain, loss](const std::vector<const Scalar*>& x) {
        Scalar r;
        line(x[static_cast<std::size_t>(q.index)], &r);
        return plain ? r * r : rho(loss, r * r);
      });
    }
  }

  Scalar value(const std::vector<Scalar>& x, std::span<const Index> chosen = {}) const {
    std::vector<std::vector<Scalar>> held(constants.size());
    std::vector<const Scalar*> at(constants.size());
    for (std::size_t i = 0; i < at.size(); ++i) {
      held[i].assign(constants[i].begin(), constants[i].end());
      const Index offset = problem.offset({static_cast<Index>(i)});
      at[i] = offset < 0 ? held[i].data() : x.data() + offset;
    }
    Scalar sum = 0;
    if (chosen.empty()) {
      for (const auto& term : terms) {
        sum += term(at);
      }
      return sum / 2;
    }
    for (const Index t : chosen) {
      sum += terms[static_cast<std::size_t>(t)](at);
    }
    return sum / 2 * static_cast<Scalar>(terms.size()) / static_cast<Scalar>(chosen.size());
  }

  /// Differences of order h^4 in long double.
  VectorXd gradient(ConstVectorRef x0, std::span<const Index> chosen = {}) const {
    std::vector<Scalar> x(x0.begin(), x0.end());
    VectorXd g(static_cast<Index>(x.size()));
    for (std::size_t i = 0; i < x.size(); ++i) {
      const auto at = [&](Scalar t) {
        const Scalar kept = std::exchange(x[i], x[i] + t);
        const Scalar f = value(x, chosen);
        x[i] = kept;
        return f;
      };
      const Scalar h = 1e-4L;
      g(static_cast<Index>(i)) =
          static_cast<double>((8 * (at(h) - at(-h)) - at(2 * h) + at(-2 * h)) / (12 * h));
    }
    return g;
  }
  MatrixXd hessian(ConstVectorRef x0) const {
    std::vector<Scalar> x(x0.begin(), x0.end());
    const auto n = x.size();
    MatrixXd H(static_cast<Index>(n), static_cast<Index>(n));
    for (std::size_t i = 0; i < n; ++i) {
      for (std::size_t j = 0; j <= i; ++j) {
        const auto mixed = [&](Scalar h) {
          const auto at = [&](Scalar s, Scalar t) {
            const std::vector<Scalar> kept = x;
            x[i] += s * h;
            x[j] += t * h;
            const Scalar f = value(x);
            x = kept;
            return f;
          };
          return (at(1, 1) - at(1, -1) - at(-1, 1) + at(-1, -1)) / (4 * h * h);
        };
        const Scalar h = 1e-3L;
        const auto entry = static_cast<double>((4 * mixed(h / 2) - mixed(h)) / 3);
        H(static_cast<Index>(i), static_cast<Index>(j)) = H(static_cast<Index>(j), static_cast<Index>(i)) =
            entry;
      }
    }
    return H;
  }
};

Evaluation evaluated(const ResidualProblem& problem, ConstVectorRef x, std::span<const Index> terms = {}) {
  Evaluation e;
  e.reset(x, terms.empty() ? 0 : 1);
  Request request;
  request.want = Want::value | Want::gradient | Want::linearization;
  request.models = {Model::exact, Model::gauss_newton};
  request.sample.id = e.sample;
  request.sample.terms = terms;
  REQUIRE(problem.evaluate(request, e) == EvalStatus::ok);
  return e;
}

MatrixXd dense(const kappa::Linearization& linearization, Model model) {
  MatrixXd out(linearization.size(), linearization.size());
  REQUIRE(linearization.dense(model, {out.data(), out.rows(), out.cols(), out.rows()}));
  return out;
}
MatrixXd expanded(const kappa::BlockMatrix& B) {
  MatrixXd out(B.structure.size(), B.structure.size());
  B.dense({out.data(), out.rows(), out.cols(), out.rows()});
  return out;
}
kappa::VectorRef ref(VectorXd& v) {
  return {v.data(), static_cast<std::size_t>(v.size())};
}
ConstVectorRef ref(const VectorXd& v) {
  return {v.data(), static_cast<std::size_t>(v.size())};
}
VectorXd vector(ConstVectorRef v) {
  return Eigen::Map<const VectorXd>(v.data(), static_cast<Index>(v.size()));
}

double gap(const MatrixXd& a, const MatrixXd& b) {
  return (a - b).cwiseAbs().maxCoeff() / (1 + b.cwiseAbs().maxCoeff());
}

const std::vector<std::string> losses{"none", "huber", "cauchy", "soft_l1", "arctan", "tukey", "weighted"};

/// A problem large enough for sums by owners: `count` Bends in a ring, all on one common 2-block.
ResidualProblem ring(Index count, const kappa::Loss& loss) {
  ResidualProblem problem;
  kappa::RandomSequence random(3);
  std::vector<ParameterBlock> three;
  const ParameterBlock hub = problem.add_parameters({0.3, -0.2}, "hub");
  for (Index i = 0; i < count / 4; ++i) {
    three.push_back(problem.add_parameters({random.normal(), random.normal(), random.normal()}));
  }
  for (Index i = 0; i < count; ++i) {
    problem.add(kappa::autodiff<2, 3, 2>(Bend{random.normal()}),
                {three[static_cast<std::size_t>(i % (count / 4))], hub}, loss);
    if (i % 5 == 0) {
      problem.add(kappa::autodiff<1, 2>(Line{random.uniform(), 1}), {hub});
    }
  }
  return problem;
}

}  // namespace

TEST_CASE(
    "value, gradient and exact Hessian agree with long double for every loss, near and far, held or free") {
  for (const std::string& loss : losses) {
    for (const double size : {0.1, 1.0, 2.0}) {
      for (const bool hold : {false, true}) {
        CAPTURE(loss, size, hold);
        const Twin twin(loss, hold, size);
        const auto x = twin.problem.initial();
        const Evaluation e = evaluated(twin.problem, x);
        CHECK(e.value == Approx(static_cast<double>(twin.value({x.begin(), x.end()}))).epsilon(1e-13));
        CHECK(gap(vector(e.gradient), twin.gradient(x)) < 1e-11);
        CHECK(gap(dense(*e.linearization, Model::exact), twin.hessian(x)) < 1e-8);
      }
    }
  }
}

TEST_CASE("the losses of the cases above are met in both regions") {
  for (const double size : {0.1, 2.0}) {
    const Twin twin("none", false, size);
    const auto x = twin.problem.initial();
    std::vector<double> r(static_cast<std::size_t>(twin.problem.residuals()));
    REQUIRE(twin.problem.evaluate_residuals(x, r) == EvalStatus::ok);
    const auto outliers = std::count_if(r.begin(), r.end(), [](double v) { return v * v > 1; });
    CAPTURE(size, outliers, r.size());
    CHECK(outliers > 0);
    CHECK(outliers < static_cast<std::ptrdiff_t>(r.size()));
  }
}

TEST_CASE(
    "gauss-newton is the loss's Hessian in the residuals with its radial eigenvalue no smaller than the "
    "others") {
  for (const std::string& loss : losses) {
    CAPTURE(loss);
    const Twin twin(loss, true, 1.5);
    const ResidualProblem& problem = twin.problem;
    const auto x = problem.initial();
    const Evaluation e = evaluated(problem, x);
    MatrixXd J(problem.residuals(), problem.dimension());
    VectorXd r(problem.residuals());
    REQUIRE(problem.evaluate_jacobian(x, {J.data(), J.rows(), J.cols(), J.rows()}) == EvalStatus::ok);
    REQUIRE(problem.evaluate_residuals(x, ref(r)) == EvalStatus::ok);
    MatrixXd oracle = MatrixXd::Zero(J.cols(), J.cols());
    for (Index b = 0; b < 28; ++b) {
      // Bends and Lines alternate: 2 rows, then 1.
      const Index rows = b % 2 == 0 ? 2 : 1;
      const Index row = b / 2 * 3 + (b % 2 == 0 ? 0 : 2);
      const VectorXd rb = r.segment(row, rows);
      const bool plain = b % 4 == 1;
      const kappa::LossValue v = (plain ? kappa::Loss() : loss_named(loss)).evaluate(rb.squaredNorm());
      // Half the Hessian of rho(|r|^2) in r.
      const MatrixXd outer = v.first * MatrixXd::Identity(rows, rows) + 2 * v.second * rb * rb.transpose();
      const Eigen::SelfAdjointEigenSolver<MatrixXd> eigen(outer);
      const MatrixXd clamped = eigen.eigenvectors() * eigen.eigenvalues().cwiseMax(v.first).asDiagonal() *
                               eigen.eigenvectors().transpose();
      oracle += J.middleRows(row, rows).transpose() * clamped * J.middleRows(row, rows);
    }
    CHECK(gap(dense(*e.linearization, Model::gauss_newton), oracle) < 1e-12);
  }
}

TEST_CASE(
    "dense, blocks, products and diagonal are one matrix, for both models, small and large, whole and "
    "sampled") {
  const auto check = [](const ResidualProblem& problem, std::span<const Index> terms) {
    const auto x = problem.initial();
    const Evaluation e = evaluated(problem, x, terms);
    for (const Model model : {Model::exact, Model::gauss_newton}) {
      const MatrixXd H = dense(*e.linearization, model);
      CHECK(H == H.transpose());
      const kappa::BlockMatrix* blocks = e.linearization->blocks(model);
      REQUIRE(blocks != nullptr);
      CHECK(gap(expanded(*blocks), H) < 1e-13);
      const VectorXd v = VectorXd::Random(H.rows());
      VectorXd product(H.rows());
      e.linearization->product(model, ref(v), ref(product));
      CHECK((product - H * v).norm() <= 1e-12 * H.norm() * v.norm());
      VectorXd diagonal(H.rows());
      REQUIRE(e.linearization->diagonal(model, ref(diagonal)));
      CHECK(gap(diagonal, H.diagonal()) < 1e-13);
    }
  };
  const std::vector<Index> some{3, 20, 4, 5, 6, 0, 11};
  for (const std::string& loss : losses) {
    CAPTURE(loss);
    const Twin twin(loss, true);
    check(twin.problem, {});
    check(twin.problem, some);
  }
  const ResidualProblem large = ring(3600, kappa::cauchy(1));
  check(large, {});
  std::vector<Index> most(3400);
  std::iota(most.begin(), most.end(), 200);
  check(large, most);
}

TEST_CASE("by owners and block after block make the same gradient and matrix") {
  // The same blocks, once alone and once with a large independent problem beside them.
  const ResidualProblem small = ring(40, kappa::huber(1));
  ResidualProblem large = ring(40, kappa::huber(1));
  const ParameterBlock aside = large.add_parameters({0.1, 0.2, 0.3});
  const ParameterBlock beside = large.add_parameters({0.4, 0.5});
  for (int i = 0; i < 8000; ++i) {
    large.add(kappa::autodiff<2, 3, 2>(Bend{1e-4 * i}), {aside, beside});
  }
  const auto n = small.dimension();
  const Evaluation a = evaluated(small, small.initial());
  const Evaluation b = evaluated(large, large.initial());
  CHECK(gap(vector(b.gradient).head(n), vector(a.gradient)) < 1e-13);
  CHECK(gap(dense(*b.linearization, Model::exact).topLeftCorner(n, n),
            dense(*a.linearization, Model::exact)) < 1e-13);
  // The long sums are cut into pieces; a plain loop is the oracle.
  MatrixXd J(large.residuals(), large.dimension());
  VectorXd r(large.residuals());
  const auto x = large.initial();
  REQUIRE(large.evaluate_jacobian(x, {J.data(), J.rows(), J.cols(), J.rows()}) == EvalStatus::ok);
  REQUIRE(large.evaluate_residuals(x, ref(r)) == EvalStatus::ok);
  const MatrixXd tail = J.bottomRows(16000).rightCols(5);
  CHECK(gap(vector(b.gradient).tail(5), tail.transpose() * r.tail(16000)) < 1e-12);
  CHECK(gap(expanded(*b.linearization->blocks(Model::gauss_newton)).bottomRightCorner(5, 5),
            tail.transpose() * tail) < 1e-12);
}

TEST_CASE("the root squared is gauss-newton, and its right-hand side gives the gradient") {
  for (const std::string& loss : losses) {
    CAPTURE(loss);
    const Twin twin(loss, true, 1.5);
    const auto x = twin.problem.initial();
    const Evaluation e = evaluated(twin.problem, x);
    const kappa::Root* root = e.linearization->root(Model::gauss_newton);
    REQUIRE(root != nullptr);
    const MatrixXd A = Eigen::Map<const MatrixXd, 0, Eigen::OuterStride<>>(
        root->A.data, root->A.rows, root->A.cols, Eigen::OuterStride<>(root->A.stride));
    CHECK(gap(A.transpose() * A, dense(*e.linearization, Model::gauss_newton)) < 1e-12);
    REQUIRE(root->c.size() == static_cast<std::size_t>(A.rows()));
    CHECK(gap(A.transpose() * vector(root->c), vector(e.gradient)) < 1e-12);
    const VectorXd v = VectorXd::Random(A.cols());
    const VectorXd w = VectorXd::Random(A.rows());
    VectorXd Av(A.rows()), Aw(A.cols());
    REQUIRE(e.linearization->residuals() == A.rows());
    REQUIRE(e.linearization->jacobian_product(ref(v), ref(Av)));
    REQUIRE(e.linearization->jacobian_transpose_product(ref(w), ref(Aw)));
    CHECK(gap(Av, A * v) < 1e-12);
    CHECK(gap(Aw, A.transpose() * w) < 1e-12);
  }
}

TEST_CASE("with mild outliers only, a robust root has its right-hand side") {
  const Twin twin("cauchy", false, 0.02);
  std::vector<double> x = twin.problem.initial();
  // Residuals below 1: Bend's constant is at most 1.8, so those blocks alone are outliers; lines are sampled.
  const std::vector<Index> inliers{3, 7, 11, 15};
  const Evaluation e = evaluated(twin.problem, x, inliers);
  const kappa::Root* root = e.linearization->root(Model::gauss_newton);
  REQUIRE(root != nullptr);
  const MatrixXd A = Eigen::Map<const MatrixXd>(root->A.data, root->A.rows, root->A.cols);
  REQUIRE_FALSE(root->c.empty());
  CHECK(gap(A.transpose() * vector(root->c), vector(e.gradient)) < 1e-12);
  CHECK(gap(A.transpose() * A, dense(*e.linearization, Model::gauss_newton)) < 1e-12);
}

TEST_CASE("the second directional derivative is that of the residuals, for jets and for written Jacobians") {
  for (const bool written : {false, true}) {
    CAPTURE(written);
    const Twin twin("none", true, 1.0, written);
    const ResidualProblem& problem = twin.problem;
    const auto x0 = problem.initial();
    const Evaluation e = evaluated(problem, x0);
    const VectorXd v = VectorXd::Random(problem.dimension());
    const auto residuals = [&](double t) {
      VectorXd x = vector(x0) + t * v;
      VectorXd r(problem.residuals());
      REQUIRE(problem.evaluate_residuals(ref(x), ref(r)) == EvalStatus::ok);
      return r;
    };
    const auto second = [&](double h) -> VectorXd {
      return (residuals(h) - 2 * residuals(0) + residuals(-h)) / (h * h);
    };
    const VectorXd r_vv = (4 * second(5e-4) - second(1e-3)) / 3;
    MatrixXd J(problem.residuals(), problem.dimension());
    REQUIRE(problem.evaluate_jacobian(x0, {J.data(), J.rows(), J.cols(), J.rows()}) == EvalStatus::ok);
    VectorXd out(problem.dimension());
    REQUIRE(e.linearization->second_directional(ref(v), ref(out)));
    CHECK(gap(out, J.transpose() * r_vv) < 1e-7);
  }
}

TEST_CASE("written Jacobians give the derivatives of jets, and the notes say what is differenced") {
  const Twin jets("cauchy", true, 1.0);
  const Twin written("cauchy", true, 1.0, true);
  const auto x = jets.problem.initial();
  const Evaluation a = evaluated(jets.problem, x);
  const Evaluation b = evaluated(written.problem, x);
  CHECK(gap(vector(b.gradient), vector(a.gradient)) < 1e-14);
  CHECK(gap(dense(*b.linearization, Model::exact), dense(*a.linearization, Model::exact)) < 1e-8);
  CHECK(jets.problem.notes({Model::exact}).empty());
  CHECK(written.problem.notes({Model::gauss_newton}).empty());
  REQUIRE(written.problem.notes({Model::exact}).size() == 1);
  CHECK(written.problem.notes({Model::exact})[0] ==
        "second derivatives of 14 residual blocks are central differences of their analytic Jacobians");
}

TEST_CASE(
    "a sample's value and gradient are those of its terms, and samples of a partition average to the whole") {
  const Twin twin("soft_l1", true, 1.0);
  const auto x = twin.problem.initial();
  const Evaluation whole = evaluated(twin.problem, x);
  double value = 0;
  VectorXd gradient = VectorXd::Zero(twin.problem.dimension());
  MatrixXd H = MatrixXd::Zero(gradient.size(), gradient.size());
  const std::vector<std::vector<Index>> partition{
      {27, 1, 2},
      {0, 3, 4, 5, 6, 7, 8, 9, 10},
      {26, 25, 24, 23, 22, 21, 20, 19, 18, 17, 16, 15, 14, 13, 12, 11}};
  for (const auto& terms : partition) {
    const Evaluation e = evaluated(twin.problem, x, terms);
    CHECK(e.value == Approx(static_cast<double>(twin.value({x.begin(), x.end()}, terms))).epsilon(1e-13));
    CHECK(gap(vector(e.gradient), twin.gradient(x, terms)) < 1e-10);
    // The value alone takes another path.
    Evaluation alone;
    alone.reset(x, 1);
    Request request;
    request.sample = {1, terms};
    REQUIRE(twin.problem.evaluate(request, alone) == EvalStatus::ok);
    CHECK(alone.value == Approx(e.value).epsilon(1e-14));
    CHECK(alone.have == Want::value);
    const double share = static_cast<double>(terms.size()) / 28.0;
    value += share * e.value;
    gradient += share * vector(e.gradient);
    H += share * dense(*e.linearization, Model::gauss_newton);
    // The rows of A follow the terms as they were given.
    const kappa::Root* root = e.linearization->root(Model::gauss_newton);
    REQUIRE(root != nullptr);
    CHECK(root->A.rows == e.linearization->residuals());
    const MatrixXd A = Eigen::Map<const MatrixXd>(root->A.data, root->A.rows, root->A.cols);
    CHECK(gap(A.transpose() * A, dense(*e.linearization, Model::gauss_newton)) < 1e-12);
  }
  CHECK(value == Approx(whole.value).epsilon(1e-13));
  CHECK(gap(gradient, vector(whole.gradient)) < 1e-13);
  CHECK(gap(H, dense(*whole.linearization, Model::gauss_newton)) < 1e-13);
}

TEST_CASE("an evaluation is added to, never recomputed, and says what it has") {
  const Twin twin("cauchy");
  const auto x = twin.problem.initial();
  Evaluation e;
  e.reset(x, 0);
  Request request;
  REQUIRE(twin.problem.evaluate(request, e) == EvalStatus::ok);
  CHECK(e.have == Want::value);
  CHECK(e.linearization == nullptr);
  const double value = e.value;
  request.want = Want::gradient;
  REQUIRE(twin.problem.evaluate(request, e) == EvalStatus::ok);
  CHECK(e.have == (Want::value | Want::gradient));
  CHECK(e.models.empty());
  CHECK(e.value == value);
  request.want = Want::linearization;
  request.models = {Model::gauss_newton};
  REQUIRE(twin.problem.evaluate(request, e) == EvalStatus::ok);
  CHECK(includes(e.have, Want::linearization));
  CHECK(e.models == kappa::ModelSet{Model::gauss_newton});
  const kappa::Linearization* before = e.linearization.get();
  CHECK_THROWS_AS(before->blocks(Model::exact), kappa::ContractError);
  request.models = {Model::exact};
  REQUIRE(twin.problem.evaluate(request, e) == EvalStatus::ok);
  CHECK(e.linearization.get() == before);
  CHECK(e.models == kappa::ModelSet{Model::gauss_newton, Model::exact});
  CHECK(gap(dense(*e.linearization, Model::exact), twin.hessian(x)) < 1e-8);
}

TEST_CASE("one evaluation serves problems of other structures and other constants one after the other") {
  Evaluation e;
  Request request;
  request.want = Want::value | Want::gradient | Want::linearization;
  request.models = {Model::gauss_newton};
  for (const Index count : {40, 8000, 12}) {
    ResidualProblem problem = ring(count, kappa::Loss());
    const auto reused = [&]() {
      e.reset(problem.initial(), 0);
      REQUIRE(problem.evaluate(request, e) == EvalStatus::ok);
      const Evaluation fresh = evaluated(problem, problem.initial());
      CHECK(gap(vector(e.gradient), vector(fresh.gradient)) < 1e-13);
      CHECK(e.linearization->blocks(Model::gauss_newton)->values ==
            fresh.linearization->blocks(Model::gauss_newton)->values);
      CHECK(e.gradient.size() == static_cast<std::size_t>(problem.dimension()));
    };
    reused();
    problem.set_constant({0});
    reused();
    const double held[2] = {0.7, -1.0};
    problem.set_values({0}, held);
    reused();
    problem.add(kappa::autodiff<1, 3>([]<class T>(const T* p, T* r) {
                  r[0] = p[0] * p[1];
                  return true;
                }),
                {ParameterBlock{1}});
    reused();
  }
}

TEST_CASE("constant blocks keep their values and are no part of x") {
  ResidualProblem problem;
  const auto p = problem.add_parameters({1, 2, 3}, "p");
  const auto q = problem.add_parameters({4, 5});
  const auto s = problem.add_parameters({6}, "s");
  CHECK(problem.dimension() == 6);
  problem.set_constant(p);
  CHECK(problem.dimension() == 3);
  CHECK(problem.offset(p) == -1);
  CHECK(problem.offset(q) == 0);
  CHECK(problem.offset(s) == 2);
  CHECK(problem.initial() == std::vector<double>{4, 5, 6});
  const std::vector<double> x{7, 8, 9};
  CHECK(problem.values(p, x)[2] == 3);
  CHECK(problem.values(q, x)[1] == 8);
  CHECK(problem.variable_name(1) == "parameter block 1, entry 1");
  CHECK(problem.variable_name(2) == "s");
  problem.set_variable(p);
  CHECK(problem.variable_name(1) == "p, entry 1");
  CHECK(problem.initial() == std::vector<double>{1, 2, 3, 4, 5, 6});
}

TEST_CASE("a problem moves with all its blocks") {
  ResidualProblem from = ring(40, kappa::cauchy(1));
  const auto x = from.initial();
  const Evaluation before = evaluated(from, x);
  const ResidualProblem to = std::move(from);
  CHECK(evaluated(to, x).gradient == before.gradient);
}

namespace {

struct Refusing {
  template <class T>
  bool operator()(const T* p, T* r) const {
    r[0] = p[0];
    return p[0] < 1.0;
  }
};
struct Root2 {
  template <class T>
  bool operator()(const T* p, const T* q, T* r) const {
    using std::sqrt;
    r[0] = q[0] + 1.0;
    r[1] = sqrt(p[1]);
    return true;
  }
};

struct Faulty {
  ResidualProblem problem;
  Faulty() {
    const auto p = problem.add_parameters({0.5, 0.5}, "pose");
    const auto q = problem.add_parameters({0.5});
    problem.add(kappa::autodiff<1, 1>(Refusing{}), {q});
    for (int i = 0; i < 5; ++i) {
      problem.add(kappa::autodiff<2, 2, 1>(Root2{}), {p, q});
    }
    problem.add(kappa::autodiff<1, 1>(Refusing{}), {q});
  }
  std::string fault(std::vector<double> x, Want want, Model model = Model::gauss_newton) {
    Evaluation e;
    e.reset(x, 0);
    Request request;
    request.want = want;
    request.models = {model};
    CHECK(problem.evaluate(request, e) == EvalStatus::outside_domain);
    CHECK(e.have == Want::nothing);
    return e.fault;
  }
};

}  // namespace

TEST_CASE("a fault names the first residual block to blame, and what is wrong with it") {
  Faulty f;
  for (const Want want : {Want::value, Want::gradient, Want::linearization}) {
    CHECK(f.fault({0.5, 0.5, 1.5}, want) ==
          "residual block 0 on parameter block 1: the functor returned false");
    CHECK(f.fault({0.5, -1, 0.5}, want) ==
          "residual block 1 on 'pose', parameter block 1: residual 1 is nan");
    // Both kinds at once: the lower block counts, though it belongs to another family.
    CHECK(f.fault({0.5, -1, 1.5}, want) ==
          "residual block 0 on parameter block 1: the functor returned false");
  }
  const std::string derivative =
      "residual block 1 on 'pose', parameter block 1: the derivative of residual 1 with respect to parameter "
      "block "
      "'pose', entry 1, is not finite";
  CHECK(f.fault({0.5, 0, 0.5}, Want::gradient) == derivative);
  CHECK(f.fault({0.5, 0, 0.5}, Want::linearization) == derivative);
  CHECK(f.fault({0.5, 0, 0.5}, Want::linearization, Model::exact) == derivative);
  Evaluation e;
  e.reset(std::vector<double>{0.5, 0, 0.5}, 0);
  CHECK(f.problem.evaluate({}, e) == EvalStatus::ok);
}

TEST_CASE("a second derivative that is not finite is a fault where it is asked for") {
  ResidualProblem problem;
  const auto p = problem.add_parameters({0.0}, "p");
  problem.add(kappa::autodiff<1, 1>([]<class T>(const T* x, T* r) {
                using std::sqrt;
                r[0] = sqrt(x[0]) * x[0] + 1.0;
                return true;
              }),
              {p});
  Evaluation e;
  e.reset(problem.initial(), 0);
  Request request;
  request.want = Want::linearization;
  request.models = {Model::exact};
  CHECK(problem.evaluate(request, e) == EvalStatus::outside_domain);
  CHECK(e.fault.find("residual block 0 on 'p': the ") == 0);
}

TEST_CASE("a sum that overflows is outside the domain") {
  ResidualProblem problem;
  const auto p = problem.add_parameters({1e160});
  problem.add(kappa::autodiff<1, 1>([](const auto* x, auto* r) {
                r[0] = x[0];
                return true;
              }),
              {p});
  Evaluation e;
  e.reset(problem.initial(), 0);
  CHECK(problem.evaluate({}, e) == EvalStatus::outside_domain);
  CHECK(e.fault.find("the loss of the squared norm inf is not finite") != std::string::npos);
}

TEST_CASE("the rounding of the value is estimated from weighted residuals, Jacobian and x") {
  const Twin twin("weighted", true, 1.5);
  const auto x = twin.problem.initial();
  const Evaluation e = evaluated(twin.problem, x);
  MatrixXd J(twin.problem.residuals(), twin.problem.dimension());
  VectorXd r(J.rows());
  REQUIRE(twin.problem.evaluate_jacobian(x, {J.data(), J.rows(), J.cols(), J.rows()}) == EvalStatus::ok);
  REQUIRE(twin.problem.evaluate_residuals(x, ref(r)) == EvalStatus::ok);
  for (Index b = 0; b < 14; ++b) {
    // Of each Bend, and of every other Line, the squares are weighted.
    r.segment(3 * b, b % 2 == 0 ? 2 : 3) *= 2.5;
  }
  const double oracle = kappa::epsilon * r.cwiseAbs().dot(J.cwiseAbs() * vector(x).cwiseAbs());
  CHECK(e.value_rounding == Approx(oracle).epsilon(1e-12));
}

TEST_CASE("an interrupt stops an evaluation") {
  const ResidualProblem problem = ring(8000, kappa::Loss());
  std::stop_source stop;
  stop.request_stop();
  kappa::Interrupt interrupt;
  interrupt.stop = stop.get_token();
  for (const Want want : {Want::value, Want::gradient}) {
    Evaluation e;
    e.reset(problem.initial(), 0);
    Request request;
    request.want = want;
    request.interrupt = &interrupt;
    CHECK(problem.evaluate(request, e) == EvalStatus::interrupted);
    CHECK(e.have == Want::nothing);
  }
}

TEST_CASE("add explains what does not fit") {
  ResidualProblem problem;
  const auto p = problem.add_parameters({1, 2, 3}, "camera");
  const auto q = problem.add_parameters({4, 5});
  const auto message = [&](std::vector<ParameterBlock> blocks) {
    try {
      problem.add(kappa::autodiff<2, 3, 2>(Bend{1}), blocks);
    } catch (const kappa::Error& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  CHECK(message({p}) ==
        "ResidualProblem::add: residual block 0 is given 1 parameter blocks, but its term takes 2 (of sizes "
        "3, 2)");
  CHECK(message({q, p}) ==
        "ResidualProblem::add: residual block 0 at position 0 has parameter block 'parameter block 1' of "
        "size 2, "
        "but the term takes size 3 there (its sizes are 3, 2)");
  CHECK(
      message({p, ParameterBlock{}}).find("at position 1 names parameter block -1, but the problem has 2") !=
      std::string::npos);
  CHECK(message({p, ParameterBlock{2}}).find("names parameter block 2") != std::string::npos);
  CHECK(message({p, q}).empty());
  CHECK(problem.residual_blocks() == 1);
  CHECK_THROWS_AS(problem.add(kappa::autodiff<1, 3, 3>([](const auto* a, const auto* b, auto* r) {
                                r[0] = a[0] + b[0];
                                return true;
                              }),
                              {p, p}),
                  kappa::Error);
  CHECK_THROWS_WITH(problem.add_parameters({1, std::numeric_limits<double>::quiet_NaN()}, "bad"),
                    Catch::Contains("'bad', entry 1 is nan"));
  CHECK_THROWS_AS(problem.add_parameters(ConstVectorRef{}), kappa::Error);
  const double three[3] = {1, 2, 3};
  CHECK_THROWS_AS(problem.set_values(q, three), kappa::Error);
  CHECK_THROWS_AS(problem.set_constant(ParameterBlock{9}), kappa::Error);
  // What was refused has left the problem usable.
  CHECK(std::isfinite(evaluated(problem, problem.initial()).value));
}

TEST_CASE("residuals, Jacobian rows and root rows follow the order in which blocks were added") {
  ResidualProblem problem;
  const auto p = problem.add_parameters({0.5, 0.25, -1});
  const auto q = problem.add_parameters({0.75, 2});
  problem.add(kappa::autodiff<1, 2>(Line{1, 3}), {q});
  problem.add(kappa::autodiff<2, 3, 2>(Bend{0.5}), {p, q});
  problem.add(kappa::autodiff<1, 2>(Line{2, 3}), {q});
  const auto x = problem.initial();
  double expected[4];
  Line{1, 3}(x.data() + 3, expected);
  Bend{0.5}(x.data(), x.data() + 3, expected + 1);
  Line{2, 3}(x.data() + 3, expected + 3);
  std::vector<double> r(4);
  REQUIRE(problem.evaluate_residuals(x, r) == EvalStatus::ok);
  const Evaluation e = evaluated(problem, x);
  for (std::size_t k = 0; k < 4; ++k) {
    CHECK(r[k] == expected[k]);
    CHECK(e.linearization->root(Model::gauss_newton)->c[k] == Approx(expected[k]).epsilon(1e-15));
  }
}

TEST_CASE("residuals and parameter blocks of hundreds of entries are evaluated") {
  // More residuals and columns than any buffer on the stack holds.
  const auto wide = [](const auto* a, const auto* b, auto* r) {
    for (int k = 0; k < 600; ++k) {
      r[k] = a[k % 40] * b[k % 30] - 0.5 * static_cast<double>(k % 7);
    }
    return true;
  };
  ResidualProblem problem;
  std::vector<double> a(40), b(30);
  for (std::size_t i = 0; i < 40; ++i) {
    a[i] = 0.1 * static_cast<double>(i) - 1;
    b[i % 30] = 1 - 0.05 * static_cast<double>(i);
  }
  const auto p = problem.add_parameters(a);
  const auto q = problem.add_parameters(b);
  problem.add(kappa::autodiff<600, 40, 30>(wide), {p, q});
  const auto x = problem.initial();
  const Evaluation e = evaluated(problem, x);
  MatrixXd oracle = MatrixXd::Zero(70, 70);
  VectorXd gradient = VectorXd::Zero(70);
  double value = 0;
  for (int k = 0; k < 600; ++k) {
    const Index i = k % 40, j = 40 + k % 30;
    const double ai = x[static_cast<std::size_t>(i)], bj = x[static_cast<std::size_t>(j)];
    const double r = ai * bj - 0.5 * static_cast<double>(k % 7);
    value += 0.5 * r * r;
    gradient(i) += r * bj;
    gradient(j) += r * ai;
    oracle(i, i) += bj * bj;
    oracle(j, j) += ai * ai;
    oracle(i, j) += ai * bj + r;
    oracle(j, i) += ai * bj + r;
  }
  CHECK(e.value == Approx(value).epsilon(1e-13));
  CHECK(gap(vector(e.gradient), gradient) < 1e-13);
  CHECK(gap(dense(*e.linearization, Model::exact), oracle) < 1e-13);
  CHECK(gap(expanded(*e.linearization->blocks(Model::exact)), oracle) < 1e-13);
  Evaluation alone;
  alone.reset(x, 0);
  REQUIRE(problem.evaluate({}, alone) == EvalStatus::ok);
  CHECK(alone.value == Approx(value).epsilon(1e-13));
}
