// Laws of operators and steps in a box: a face's operator is an operator, and a bounded step of any solver
// stays in the box, predicts what the model gains there, and gains a fraction of what the projected gradient
// promises.
#include <Eigen/Dense>
#include <algorithm>
#include <cmath>
#include <functional>
#include <vector>

#include "kappa/kappa.h"
#include "kappa/random.h"
#include "problems/io/bal.h"
#include "problems/residual/bundle.h"
#include "solvers/bounds/bounded_step.h"
#include "solvers/curvature/linearization_operator.h"
#include "solvers/step/parts.h"
#include "support/catch.h"
#include "support/dense_operator.h"
#include "support/dense_solve.h"
#include "support/operator_laws.h"

namespace {

using namespace kappa;
using kappa::detail::BoundedStep;
using kappa::detail::Box;
using kappa::detail::FreeOperator;
using DenseMatrix = Eigen::MatrixXd;
using DenseVector = Eigen::VectorXd;

std::vector<double> values(const DenseMatrix& m) {
  return {m.data(), m.data() + m.size()};
}

DenseMatrix random_matrix(RandomSequence& random, Index m, Index n) {
  DenseMatrix out(m, n);
  for (Index j = 0; j < n; ++j) {
    for (Index i = 0; i < m; ++i) {
      out(i, j) = random.normal();
    }
  }
  return out;
}

/// P B P + D, written out.
DenseMatrix restricted(const DenseMatrix& B, const std::vector<Index>& held) {
  DenseMatrix out = B;
  for (const Index i : held) {
    out.row(i).setZero();
    out.col(i).setZero();
  }
  for (const Index i : held) {
    out(i, i) = B(i, i) != 0 ? std::abs(B(i, i)) : 1.0;
  }
  return out;
}

std::vector<Index> every_third(Index n) {
  std::vector<Index> held;
  for (Index i = 1; i < n; i += 3) {
    held.push_back(i);
  }
  return held;
}

/// Nothing but a box.
class Boxed final : public Problem {
 public:
  Boxed(std::vector<double> lower, std::vector<double> upper)
      : lower_(std::move(lower)), upper_(std::move(upper)) {}
  Index dimension() const override { return static_cast<Index>(lower_.size()); }
  Bounds bounds() const override { return {lower_, upper_, {}}; }
  ModelSet models() const override { return {}; }
  EvalStatus evaluate(const Request&, Evaluation&) const override { return EvalStatus::failed; }

 private:
  std::vector<double> lower_, upper_;
};

/// A model at a point of a box.
struct Instance {
  DenseMatrix B;
  test::DenseOperator op;
  DenseVector g;
  std::vector<double> x, lower, upper;
};

enum class Kind { definite, indefinite };

Instance make_instance(RandomSequence& random, Index n, Kind kind) {
  const test::DenseOperator::Offers root = {.diagonal = true, .dense = true, .root = true};
  const DenseMatrix A = random_matrix(random, n + 2, n);
  const DenseVector c = random_matrix(random, n + 2, 1);
  DenseMatrix B = A.transpose() * A;
  test::DenseOperator op = test::DenseOperator::from_root(n + 2, n, values(A), values(c), root);
  DenseVector g = A.transpose() * c;
  if (kind == Kind::indefinite) {
    const DenseMatrix S = random_matrix(random, n, n);
    B = S + S.transpose();
    op = test::DenseOperator(n, values(B));
    g = random_matrix(random, n, 1);
  }
  Instance out{std::move(B), std::move(op), std::move(g), {}, {}, {}};
  for (Index i = 0; i < n; ++i) {
    const double x = random.normal();
    const double u = random.uniform();
    out.x.push_back(x);
    out.lower.push_back(u < 0.2 ? x : u < 0.7 ? x - std::abs(random.normal()) : -infinity);
    out.upper.push_back(u > 0.1 && u < 0.3 ? x : u > 0.5 && u < 0.9 ? x + 0.3 * random.uniform() : infinity);
  }
  return out;
}

struct Candidate {
  std::function<StepPart()> part;
  Options options;
  bool takes_indefinite;
  bool exact;
};

std::vector<Candidate> candidates() {
  return {
      {damped_qr_part, {}, false, true},      {damped_cholesky_part, {}, true, true},
      {damped_cg_part, {}, true, false},      {more_sorensen_part, {}, true, true},
      {steihaug_cg_part, {}, true, false},    {modified_cholesky_part, {}, true, true},
      {bunch_kaufman_part, {}, true, true},   {newton_cg_part, {}, true, false},
      {scaled_gradient_part, {}, true, true}, {scaled_gradient_part, {{"beta1", 0.5}}, true, true},
  };
}

std::vector<Control> controls(ControlKind kind) {
  switch (kind) {
    case ControlKind::damping:
      return {Damping{1e-12}, Damping{0.1}, Damping{30.0}, Damping{1e4}};
    case ControlKind::radius:
      return {Radius{1e6}, Radius{1.0}, Radius{0.1}, Radius{1e-3}};
    default:
      return {StepLength{1.0}, StepLength{0.25}, StepLength{1e-3}};
  }
}

double model(const Instance& m, const DenseVector& s) {
  return m.g.dot(s) + 0.5 * s.dot(m.B * s);
}

double penalty(const Control& control, const Metric& metric, const DenseVector& s) {
  const auto* damping = std::get_if<Damping>(&control);
  if (damping == nullptr) {
    return 0;
  }
  const double norm = metric.norm({s.data(), static_cast<std::size_t>(s.size())});
  return 0.5 * damping->value * norm * norm;
}

DenseVector projected(const Instance& m, const DenseVector& s) {
  DenseVector out = s;
  for (Index i = 0; i < s.size(); ++i) {
    const auto k = static_cast<std::size_t>(i);
    out[i] = std::clamp(s[i], m.lower[k] - m.x[k], m.upper[k] - m.x[k]);
  }
  return out;
}

/// The least value of the convex model in the box, by trying every face: 3^n linear systems. Variables that
/// the gradient presses against the bound they are at stay there.
double least_in_box(const Instance& m) {
  const Index n = m.g.size();
  double best = 0;
  Index faces = 1;
  for (Index i = 0; i < n; ++i) {
    faces *= 3;
  }
  for (Index face = 0; face < faces; ++face) {
    DenseVector s = DenseVector::Zero(n);
    std::vector<Index> free;
    bool possible = true;
    Index code = face;
    for (Index i = 0; i < n; ++i, code /= 3) {
      const auto k = static_cast<std::size_t>(i);
      const double bound = code % 3 == 1 ? m.lower[k] : m.upper[k];
      const bool pressed = (m.x[k] == m.lower[k] && m.g[i] > 0) || (m.x[k] == m.upper[k] && m.g[i] < 0);
      if (pressed) {
        possible = possible && code % 3 == 0;
      } else if (code % 3 == 0) {
        free.push_back(i);
      } else if (std::isfinite(bound)) {
        s[i] = bound - m.x[k];
      } else {
        possible = false;
      }
    }
    if (!possible) {
      continue;
    }
    const auto size = static_cast<Index>(free.size());
    DenseMatrix F(size, size);
    DenseVector rhs(size);
    const DenseVector at_bounds = m.g + m.B * s;
    for (Index a = 0; a < size; ++a) {
      rhs[a] = -at_bounds[free[static_cast<std::size_t>(a)]];
      for (Index b = 0; b < size; ++b) {
        F(a, b) = m.B(free[static_cast<std::size_t>(a)], free[static_cast<std::size_t>(b)]);
      }
    }
    const DenseVector d = size > 0 ? test::solve_symmetric(F, rhs) : DenseVector();
    for (Index a = 0; a < size; ++a) {
      s[free[static_cast<std::size_t>(a)]] = d[a];
    }
    if ((projected(m, s) - s).cwiseAbs().maxCoeff() <= 1e-12) {
      best = std::min(best, model(m, s));
    }
  }
  return best;
}

template <class Body>
void for_each_case(const Candidate& candidate, const Body& body) {
  for (const Kind kind : {Kind::definite, Kind::indefinite}) {
    if (kind == Kind::indefinite && !candidate.takes_indefinite) {
      continue;
    }
    RandomSequence random(77 + static_cast<std::uint64_t>(kind));
    for (int round = 0; round < 40; ++round) {
      const Index n = 1 + round % 7;
      const Instance instance = make_instance(random, n, kind);
      for (const MetricKind metric_kind : {MetricKind::identity, MetricKind::marquardt}) {
        CAPTURE(static_cast<int>(kind), round, n, static_cast<int>(metric_kind));
        Metric metric(metric_kind);
        metric.update(instance.op);
        body(instance, metric);
      }
    }
  }
}

/// A bounded step under test.
struct Subject {
  Subject(const Candidate& candidate, const Instance& m, const Metric& metric_)
      : solver(candidate.part().make(candidate.options)), metric(metric_), gradient(values(m.g)) {
    box.read(Boxed(m.lower, m.upper));
    prepare(m);
  }
  void prepare(const Instance& m) {
    solver->start();
    step.start(box, *solver, TrialNeeds::value);
    prepared = step.prepare(m.x, {m.op, gradient, metric, nullptr});
  }
  StepReport solve(Control control, DenseVector& s) {
    s = DenseVector::Constant(static_cast<Index>(gradient.size()), std::nan(""));
    used = control;
    return step.solve(used, {s.data(), gradient.size()});
  }

  std::unique_ptr<StepSolver> solver;
  const Metric& metric;
  std::vector<double> gradient;
  Box box;
  BoundedStep step;
  StepStatus prepared = StepStatus::failed;
  Control used;
};

}  // namespace

TEST_CASE("an operator restricted to a face keeps the laws of an operator, in every form", "[laws]") {
  RandomSequence random(5);
  for (const Index n : {1, 2, 5, 12}) {
    const DenseMatrix A = random_matrix(random, n + 3, n);
    const DenseVector c = random_matrix(random, n + 3, 1);
    const DenseVector shift_values = random_matrix(random, n, 1);
    for (const auto offers : {Offers{}, Offers{.diagonal = true}, Offers{.diagonal = true, .dense = true},
                              Offers{.diagonal = true, .dense = true, .root = true}}) {
      const auto B = test::DenseOperator::from_root(n + 3, n, values(A), values(c), offers);
      const std::vector<Index> held = every_third(n);
      std::vector<double> shift(static_cast<std::size_t>(n), 0.0);
      DenseVector s = DenseVector::Zero(n);
      for (const Index i : held) {
        s[i] = shift_values[i];
        shift[static_cast<std::size_t>(i)] = s[i];
      }
      FreeOperator face;
      face.reserve(n, n);
      face.restrict(B, held, shift);
      DenseMatrix expected = restricted(A.transpose() * A, held);
      DenseVector gradient = A.transpose() * c + A.transpose() * (A * s);
      for (const Index i : held) {
        gradient[i] = 0;
        expected(i, i) = offers.diagonal ? expected(i, i) : 1.0;
      }
      CHECK((testing::detail::matrix_of_products(face) - expected).cwiseAbs().maxCoeff() <= 1e-12);
      const std::vector<double> g = values(gradient);
      const auto broken = testing::broken_operator_laws(face, {.tolerance = 1e-10, .gradient = g, .seed = 1});
      CHECK(broken == std::vector<std::string>{});
      // The same object on another face.
      face.restrict(B, {}, {});
      CHECK((testing::detail::matrix_of_products(face) - A.transpose() * A).cwiseAbs().maxCoeff() <= 1e-12);
    }
  }
}

TEST_CASE("block matrices and second directional derivatives are restricted alike", "[laws]") {
  const ResidualProblem problem = make_bundle(load_bal("generated/tourist?cameras=3&points=30&seed=1"));
  Evaluation at;
  at.reset(problem.initial(), 0);
  REQUIRE(problem.evaluate({.want = Want::value | Want::gradient | Want::linearization,
                            .models = {Model::exact, Model::gauss_newton},
                            .sample = {}},
                           at) == EvalStatus::ok);
  for (const Model model : {Model::exact, Model::gauss_newton}) {
    using kappa::detail::Capability;
    kappa::detail::LinearizationOperator B(
        model, {Capability::diagonal, Capability::dense, Capability::blocks, Capability::root});
    B.start();
    B.attach(*at.linearization);
    const std::vector<Index> held = every_third(B.size());
    FreeOperator face;
    face.reserve(B.size(), B.size());
    face.restrict(B, held, {});
    const DenseMatrix expected = restricted(testing::detail::matrix_of_products(B), held);
    const double scale = expected.cwiseAbs().maxCoeff();
    CHECK((testing::detail::matrix_of_blocks(*face.blocks()) - expected).cwiseAbs().maxCoeff() <=
          1e-12 * scale);
    CHECK((testing::detail::matrix_of_products(face) - expected).cwiseAbs().maxCoeff() <= 1e-12 * scale);
    std::vector<double> v(static_cast<std::size_t>(B.size()), 0.5);
    std::vector<double> out(v.size());
    if (face.second_directional(v, out)) {
      for (const Index i : held) {
        CHECK(out[static_cast<std::size_t>(i)] == 0);
      }
    }
  }
}

TEST_CASE("a bounded step stays in the box and within the radius", "[laws]") {
  for (const Candidate& candidate : candidates()) {
    INFO(candidate.part().info.name);
    for_each_case(candidate, [&](const Instance& m, const Metric& metric) {
      Subject subject(candidate, m, metric);
      REQUIRE(subject.prepared == StepStatus::ok);
      DenseVector s;
      for (const Control& control : controls(candidate.part().control)) {
        const StepReport report = subject.solve(control, s);
        if (report.status != StepStatus::ok) {
          CHECK(report.status == StepStatus::indefinite);
          continue;
        }
        CHECK((projected(m, s) - s).cwiseAbs().maxCoeff() == 0);
        CHECK(report.norm == Approx(metric.norm({s.data(), m.x.size()})).epsilon(1e-12));
        if (const auto* radius = std::get_if<Radius>(&control)) {
          CHECK(report.norm <= radius->value * (1 + 1e-10));
        }
      }
    });
  }
}

TEST_CASE("a bounded step predicts what the model gains at the step as it is, and goes downhill", "[laws]") {
  for (const Candidate& candidate : candidates()) {
    INFO(candidate.part().info.name);
    for_each_case(candidate, [&](const Instance& m, const Metric& metric) {
      Subject subject(candidate, m, metric);
      DenseVector s;
      for (const Control& control : controls(candidate.part().control)) {
        const StepReport report = subject.solve(control, s);
        if (report.status != StepStatus::ok) {
          continue;
        }
        const double scale = std::abs(m.g.dot(s)) + std::abs(s.dot(m.B * s)) + 1e-300;
        if (candidate.part().info.name != "scaled-gradient" || report.limit == StepReport::Limit::bounds) {
          CHECK(std::abs(report.predicted_decrease + model(m, s)) <= 1e-9 * scale);
        }
        CHECK(std::abs(report.slope - m.g.dot(s)) <= 1e-9 * scale);
        // A radius may lead over a rise, where the curvature is negative.
        CHECK((report.slope < 0 || s.norm() == 0 || candidate.part().control == ControlKind::radius));
        CHECK(report.predicted_decrease >= 0);
      }
    });
  }
}

TEST_CASE("a bounded step gains a fraction of what the projected gradient gains", "[laws]") {
  for (const Candidate& candidate : candidates()) {
    const StepPart part = candidate.part();
    if (part.control == ControlKind::step_length) {
      continue;  // its model is the slope; see the next test
    }
    INFO(part.info.name);
    for_each_case(candidate, [&](const Instance& m, const Metric& metric) {
      Subject subject(candidate, m, metric);
      DenseVector s;
      for (const Control& control : controls(part.control)) {
        const StepReport report = subject.solve(control, s);
        if (report.status != StepStatus::ok) {
          continue;
        }
        // The first valley on the way along the projected gradient.
        double best = 0;
        for (double t = 1e-6; t < 1e6; t *= 1.5) {
          DenseVector p = m.g;
          for (Index i = 0; i < p.size(); ++i) {
            p[i] *= -t / metric.weights()[static_cast<std::size_t>(i)];
          }
          p = projected(m, p);
          const double here = model(m, p) + penalty(control, metric, p);
          const auto* radius = std::get_if<Radius>(&control);
          if (here > best || (radius != nullptr && metric.norm({p.data(), m.x.size()}) > radius->value)) {
            break;
          }
          best = here;
        }
        CHECK(model(m, s) + penalty(control, metric, s) <= 0.1 * best);
      }
    });
  }
}

TEST_CASE("a line search's bounded direction descends wherever the projected gradient is not zero",
          "[laws]") {
  for (const Candidate& candidate : candidates()) {
    if (candidate.part().control != ControlKind::step_length) {
      continue;
    }
    INFO(candidate.part().info.name);
    for_each_case(candidate, [&](const Instance& m, const Metric& metric) {
      Subject subject(candidate, m, metric);
      DenseVector s;
      const StepReport report = subject.solve(StepLength{1.0}, s);
      REQUIRE(report.status == StepStatus::ok);
      if ((projected(m, -m.g)).norm() > 0) {
        CHECK(report.slope < 0);
      }
      // Longer steps end at the first bound, exactly.
      DenseVector longer;
      const StepReport far = subject.solve(StepLength{1e9}, longer);
      REQUIRE(far.status == StepStatus::ok);
      CHECK(far.longest >= 1);
      CHECK(value(subject.used) == std::min(1e9, far.longest));
      CHECK((projected(m, longer) - longer).cwiseAbs().maxCoeff() == 0);
      if (far.longest < 1e9 && s.norm() > 0) {
        bool touches = false;
        for (Index i = 0; i < longer.size(); ++i) {
          const auto k = static_cast<std::size_t>(i);
          touches = touches || (longer[i] != 0 &&
                                (longer[i] == m.lower[k] - m.x[k] || longer[i] == m.upper[k] - m.x[k]));
        }
        CHECK(touches);
      }
    });
  }
}

TEST_CASE(
    "a step that claims to be interior is the model's minimiser in the box where pressed variables are held",
    "[laws]") {
  int claimed = 0;
  int asked = 0;
  for (const Candidate& candidate : candidates()) {
    const StepPart part = candidate.part();
    if (!candidate.exact || part.info.name == "scaled-gradient") {
      continue;
    }
    INFO(part.info.name);
    RandomSequence random(3);
    for (int round = 0; round < 60; ++round) {
      const Instance m = make_instance(random, 1 + round % 6, Kind::definite);
      CAPTURE(round);
      Metric metric(MetricKind::identity);
      metric.update(m.op);
      Subject subject(candidate, m, metric);
      DenseVector s;
      const StepReport report = subject.solve(controls(part.control).front(), s);
      REQUIRE(report.status == StepStatus::ok);
      const double least = least_in_box(m);
      CHECK(model(m, s) >= least - 1e-9 * std::abs(least));
      ++asked;
      if (report.limit == StepReport::Limit::interior) {
        ++claimed;
        CHECK(model(m, s) <= least + 1e-8 * std::abs(least));
      }
    }
  }
  // It would be easy to claim nothing.
  CHECK(claimed >= asked * 8 / 10);
}

// In the two tests that follow one solver is used twice, in the same memory: with fused multiply-adds the
// last bit of a sum may depend on where vectors of a few entries lie.

TEST_CASE("where no bound is near, a bounded step has the bits of the solver's own", "[laws]") {
  for (const Candidate& candidate : candidates()) {
    INFO(candidate.part().info.name);
    for_each_case(candidate, [&](const Instance& m, const Metric& metric) {
      Instance wide = m;
      std::fill(wide.lower.begin(), wide.lower.end(), -1e12);
      std::fill(wide.upper.begin(), wide.upper.end(), 1e12);
      Subject subject(candidate, wide, metric);
      DenseVector s = DenseVector::Zero(m.g.size());
      const VectorRef out{s.data(), m.x.size()};
      const std::vector<Control> sequence = controls(candidate.part().control);
      std::vector<std::vector<double>> expected;
      std::vector<StepReport> reports;
      subject.solver->start();
      REQUIRE(subject.solver->prepare({m.op, subject.gradient, metric, nullptr}) == StepStatus::ok);
      for (const Control& control : sequence) {
        reports.push_back(subject.solver->solve(control, out));
        expected.push_back(values(s));
      }
      subject.prepare(wide);
      for (std::size_t k = 0; k < sequence.size(); ++k) {
        Control control = sequence[k];
        const StepReport report = subject.step.solve(control, out);
        CHECK(report.status == reports[k].status);
        CHECK(values(s) == expected[k]);
        CHECK(report.predicted_decrease == reports[k].predicted_decrease);
        CHECK(report.limit == reports[k].limit);
      }
    });
  }
}

TEST_CASE("the same sequence of bounded solves gives the same bits, and the inputs are untouched", "[laws]") {
  for (const Candidate& candidate : candidates()) {
    INFO(candidate.part().info.name);
    for_each_case(candidate, [&](const Instance& m, const Metric& metric) {
      Subject subject(candidate, m, metric);
      std::vector<Control> sequence = controls(candidate.part().control);
      sequence.push_back(sequence.front());  // the faces walked in between are forgotten
      DenseVector s = DenseVector::Zero(m.g.size());
      std::vector<std::vector<double>> first;
      for (int round = 0; round < 2; ++round) {
        subject.prepare(m);
        for (std::size_t k = 0; k < sequence.size(); ++k) {
          Control control = sequence[k];
          subject.step.solve(control, {s.data(), m.x.size()});
          if (round == 0) {
            first.push_back(values(s));
          } else {
            CHECK(values(s) == first[k]);
          }
        }
        CHECK(first.back() == first.front());
      }
      CHECK(subject.gradient == values(m.g));
    });
  }
}

TEST_CASE("the projected gradient is that of its formula, and zero exactly at first-order points", "[laws]") {
  RandomSequence random(11);
  for (int round = 0; round < 200; ++round) {
    const Instance m = make_instance(random, 6, Kind::definite);
    Box box;
    box.read(Boxed(m.lower, m.upper));
    const std::vector<double> g = values(m.g);
    double expected = 0;
    for (std::size_t i = 0; i < g.size(); ++i) {
      const long double moved =
          std::clamp<long double>(static_cast<long double>(m.x[i]) - g[i], m.lower[i], m.upper[i]);
      expected = std::max(expected, static_cast<double>(std::abs(moved - m.x[i])));
    }
    CHECK(box.stationarity(m.x, g) == Approx(expected).epsilon(1e-12));
  }
  Box box;
  box.read(Boxed({0.0, -1.0, 2.0}, {1.0, 0.0, 2.0}));
  CHECK(box.stationarity(std::vector<double>{0.0, 0.0, 2.0}, std::vector<double>{3.0, -5.0, 7.0}) == 0);
  CHECK(box.stationarity(std::vector<double>{0.0, 0.0, 2.0}, std::vector<double>{-0.5, -5.0, 7.0}) == 0.5);
  CHECK(std::isnan(
      box.stationarity(std::vector<double>{0.0, 0.0, 2.0}, std::vector<double>{std::nan(""), -5.0, 7.0})));
}
