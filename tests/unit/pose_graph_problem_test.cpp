#include "problems/pose_graph/pose_graph_problem.h"

#include <array>
#include <cmath>
#include <numbers>
#include <string>
#include <vector>

#include "kappa/derivatives.h"
#include "kappa/kappa.h"
#include "problems/io/g2o.h"
#include "problems/pose_graph/between.h"
#include "problems/pose_graph/generated_pose_graph.h"
#include "support/catch.h"
#include "support/files.h"

namespace {

using namespace kappa;
using kappa::test::check_says;
using kappa::test::message;
using Shape = GeneratedPoseGraph::Shape;
using Start = GeneratedPoseGraph::Start;

constexpr double pi = std::numbers::pi;

template <std::size_t n>
std::array<double, n> unit_root(int size) {
  std::array<double, n> out{};
  for (std::size_t i = 0, k = 0; i < static_cast<std::size_t>(size); ++i) {
    out[k] = 1.0;
    k += static_cast<std::size_t>(size) - i;
  }
  return out;
}

using RotationMatrix = std::array<std::array<long double, 3>, 3>;

/// The rotation matrix of a unit quaternion (x, y, z, w), in long double.
RotationMatrix rotation(const double* q) {
  const long double x = q[0], y = q[1], z = q[2], w = q[3];
  return {{{1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)},
           {2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)},
           {2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)}}};
}
RotationMatrix transposed(const RotationMatrix& a) {
  return {{{a[0][0], a[1][0], a[2][0]}, {a[0][1], a[1][1], a[2][1]}, {a[0][2], a[1][2], a[2][2]}}};
}
RotationMatrix operator*(const RotationMatrix& a, const RotationMatrix& b) {
  RotationMatrix out{};
  for (std::size_t i = 0; i < 3; ++i) {
    for (std::size_t j = 0; j < 3; ++j) {
      for (std::size_t k = 0; k < 3; ++k) {
        out[i][j] += a[i][k] * b[k][j];
      }
    }
  }
  return out;
}

/// 2 sin(angle / 2) axis of a rotation by less than pi.
std::array<long double, 3> twice_sine_of_half(const RotationMatrix& R) {
  const long double cosine = (R[0][0] + R[1][1] + R[2][2] - 1) / 2;
  const long double half_cosine = std::sqrt((1 + cosine) / 2);
  return {(R[2][1] - R[1][2]) / (2 * half_cosine), (R[0][2] - R[2][0]) / (2 * half_cosine),
          (R[1][0] - R[0][1]) / (2 * half_cosine)};
}

double squares_at(const ResidualProblem& problem, ConstVectorRef x) {
  std::vector<double> r(static_cast<std::size_t>(problem.residuals()));
  REQUIRE(problem.evaluate_residuals(x, r) == EvalStatus::ok);
  double sum = 0;
  for (const double each : r) {
    sum += each * each;
  }
  return sum;
}

}  // namespace

TEST_CASE("the residual of an edge in the plane, by hand", "[g2o]") {
  // a looks along y; b is 2 ahead and 1 to the right of it, turned by a quarter to the left.
  const double a[3] = {1, 1, pi / 2};
  const double b[3] = {2, 3, pi};
  BetweenInPlane edge{.measured = {1.5, -1.25, pi / 2 - 0.1}, .root = unit_root<6>(3)};
  double r[3];
  REQUIRE(edge(a, b, r));
  CHECK(r[0] == Approx(0.5));
  CHECK(r[1] == Approx(0.25));
  CHECK(r[2] == Approx(0.1));
  // [2 1 1; 0 3 1; 0 0 4] times it.
  edge.root = {2, 1, 1, 3, 1, 4};
  REQUIRE(edge(a, b, r));
  CHECK(r[0] == Approx(1.35));
  CHECK(r[1] == Approx(0.85));
  CHECK(r[2] == Approx(0.4));
}

TEST_CASE("the angle of an edge in the plane is taken the short way around", "[g2o]") {
  const double a[3] = {0, 0, 3.0};
  const double b[3] = {0, 0, -3.0};
  for (const double turns : {0.0, 2 * pi, -6 * pi}) {
    const BetweenInPlane edge{.measured = {0, 0, 0.25 + turns}, .root = unit_root<6>(3)};
    double r[3];
    REQUIRE(edge(a, b, r));
    CHECK(r[2] == Approx(2 * pi - 6.0 - 0.25));
  }
  CHECK(detail::wrapped_angle(pi) == Approx(-pi));
  CHECK(detail::wrapped_angle(-pi) == -pi);
  CHECK(detail::wrapped_angle(1.0) == 1.0);
}

TEST_CASE("the residual of an edge in space, by hand", "[g2o]") {
  // a is turned by a quarter about z, b as well and then by 0.2 about x: seen from a, b is (2, -1, 3) away.
  const double h = std::sqrt(0.5);
  const double a[7] = {1, 1, 1, 0, 0, h, h};
  double b[7] = {2, 3, 4};
  const double about_x[4] = {std::sin(0.1), 0, 0, std::cos(0.1)};
  detail::multiply_quaternions(a + 3, about_x, b + 3);
  const BetweenInSpace edge{.measured = {1.5, -1.25, 3, 0, 0, 0, 1}, .root = unit_root<21>(6)};
  double r[6];
  REQUIRE(edge(a, b, r));
  CHECK(r[0] == Approx(0.5));
  CHECK(r[1] == Approx(0.25));
  CHECK(std::fabs(r[2]) < 1e-15);
  CHECK(r[3] == Approx(-2 * std::sin(0.1)));
  CHECK(std::fabs(r[4]) < 1e-15);
  CHECK(std::fabs(r[5]) < 1e-15);
}

TEST_CASE("residuals in space equal those of rotation matrices in long double", "[g2o]") {
  const PoseGraph graph = generate_pose_graph({.poses = 200, .translation = 0.3, .rotation = 0.2});
  for (Index e = 0; e < graph.edges(); ++e) {
    const double* a = graph.pose_at(graph.from[static_cast<std::size_t>(e)]);
    const double* b = graph.pose_at(graph.to[static_cast<std::size_t>(e)]);
    BetweenInSpace edge{.measured = {}, .root = unit_root<21>(6)};
    std::copy_n(graph.measured_at(e), 7, edge.measured.begin());
    double r[6];
    REQUIRE(edge(a, b, r));
    const RotationMatrix back = transposed(rotation(a + 3));
    for (std::size_t i = 0; i < 3; ++i) {
      long double expected = -static_cast<long double>(edge.measured[i]);
      for (std::size_t k = 0; k < 3; ++k) {
        expected += back[i][k] * (static_cast<long double>(b[k]) - static_cast<long double>(a[k]));
      }
      CHECK(std::fabs(r[i] - static_cast<double>(expected)) < 1e-13);
    }
    const RotationMatrix error = rotation(edge.measured.data() + 3) * transposed(back * rotation(b + 3));
    const std::array<long double, 3> expected = twice_sine_of_half(error);
    const double sign = std::fabs(r[3] - static_cast<double>(expected[0])) < 1e-6 ? 1.0 : -1.0;
    for (std::size_t i = 0; i < 3; ++i) {
      CHECK(std::fabs(sign * r[3 + i] - static_cast<double>(expected[i])) < 1e-12);
    }
  }
}

TEST_CASE("derivatives of a pose graph are those of its residuals along the manifold", "[g2o]") {
  for (const GeneratedPoseGraph& options :
       {GeneratedPoseGraph{.shape = Shape::sphere, .poses = 20, .translation = 0.3, .rotation = 0.2},
        GeneratedPoseGraph{.shape = Shape::grid, .dimension = 2, .poses = 20, .rotation = 0.3}}) {
    const PoseGraph graph = generate_pose_graph(options);
    const ResidualProblem problem = make_pose_graph(graph);
    const std::vector<double> x = problem.initial();
    const auto n = static_cast<std::size_t>(problem.tangent_dimension());
    const auto m = static_cast<std::size_t>(problem.residuals());
    CHECK(problem.tangent_dimension() == 19 * graph.tangent_size());
    std::vector<double> J(m * n);
    const auto rows = static_cast<Index>(m);
    REQUIRE(problem.evaluate_jacobian(x, MatrixRef{J.data(), rows, static_cast<Index>(n), rows}) ==
            EvalStatus::ok);
    std::vector<double> step(n, 0.0), moved(x.size()), ahead(m), behind(m);
    const double h = 1e-5;
    for (std::size_t j = 0; j < n; ++j) {
      step[j] = h;
      problem.retract(x, step, moved);
      REQUIRE(problem.evaluate_residuals(moved, ahead) == EvalStatus::ok);
      step[j] = -h;
      problem.retract(x, step, moved);
      REQUIRE(problem.evaluate_residuals(moved, behind) == EvalStatus::ok);
      step[j] = 0.0;
      for (std::size_t i = 0; i < m; ++i) {
        const double difference = (ahead[i] - behind[i]) / (2 * h);
        CHECK(J[j * m + i] == Approx(difference).margin(1e-6 / options.rotation));
      }
    }
  }
}

TEST_CASE("a noisy pose graph is solved back to the truth, up to its noise", "[g2o]") {
  for (const GeneratedPoseGraph& options :
       {GeneratedPoseGraph{.shape = Shape::sphere, .poses = 100},
        GeneratedPoseGraph{.shape = Shape::torus, .poses = 128},
        GeneratedPoseGraph{.shape = Shape::grid, .poses = 125},
        GeneratedPoseGraph{.shape = Shape::grid, .dimension = 2, .poses = 200}}) {
    const PoseGraph start = generate_pose_graph(options);
    GeneratedPoseGraph at_truth = options;
    at_truth.start = Start::truth;
    const PoseGraph truth = generate_pose_graph(at_truth);
    const ResidualProblem problem = make_pose_graph(start);
    const Result result = minimize(problem, problem.initial(), levenberg_marquardt());
    CHECK(result.converged());
    // Below the truth, and chi-squared distributed with these degrees of freedom.
    const ResidualProblem of_truth = make_pose_graph(truth);
    CHECK(2 * result.value < squares_at(of_truth, of_truth.initial()));
    const auto freedom = static_cast<double>(problem.residuals() - problem.tangent_dimension());
    CHECK(std::fabs(2 * result.value - freedom) < 5 * std::sqrt(2 * freedom));
    const std::vector<double> poses = poses_at(start, result.x);
    double worst_start = 0;
    double worst = 0;
    for (Index i = 0; i < start.poses(); ++i) {
      const auto at = static_cast<std::size_t>(i * start.pose_size());
      const auto distance = [&](const std::vector<double>& from) {
        return std::hypot(from[at] - truth.pose[at], from[at + 1] - truth.pose[at + 1]);
      };
      worst_start = std::max(worst_start, distance(start.pose));
      worst = std::max(worst, distance(poses));
    }
    CHECK(worst < 0.5);
    CHECK(worst < worst_start);
  }
}

TEST_CASE("without noise the truth is found from a disturbed start", "[g2o]") {
  PoseGraph graph =
      generate_pose_graph({.poses = 64, .translation = 1e-9, .rotation = 1e-9, .start = Start::truth});
  const std::vector<double> truth = graph.pose;
  for (std::size_t k = 7; k < graph.pose.size(); ++k) {
    graph.pose[k] += 0.05 * std::sin(3.0 * static_cast<double>(k));
    if (k % 7 == 6) {
      detail::normalize_quaternion(&graph.pose[k - 3]);
    }
  }
  for (double& each : graph.information) {
    each = each == 0.0 ? 0.0 : 1.0;
  }
  const ResidualProblem problem = make_pose_graph(graph);
  const Result result = minimize(problem, problem.initial(), levenberg_marquardt());
  const std::vector<double> found = poses_at(graph, result.x);
  for (std::size_t k = 0; k < truth.size(); k += 7) {
    // q and -q are one rotation.
    const double sign = found[k + 6] * truth[k + 6] + found[k + 3] * truth[k + 3] < 0 ? -1.0 : 1.0;
    for (std::size_t c = 0; c < 7; ++c) {
      CHECK(std::fabs((c < 3 ? 1.0 : sign) * found[k + c] - truth[k + c]) < 1e-6);
    }
  }
}

TEST_CASE("fixed poses of a graph keep their values, and x holds the others", "[g2o]") {
  const std::string edge = " 1 0 0 1 0 0 1 0 1\n";
  const PoseGraph graph =
      parse_g2o("VERTEX_SE2 4 0 0 0\nVERTEX_SE2 5 1 0 0\nVERTEX_SE2 6 5 0 0\nFIX 5\nEDGE_SE2 4 5" + edge +
                    "EDGE_SE2 5 6" + edge,
                "graph");
  const ResidualProblem problem = make_pose_graph(graph);
  CHECK(problem.dimension() == 6);
  CHECK(problem.initial() == std::vector<double>{0, 0, 0, 5, 0, 0});
  CHECK(problem.name(ParameterBlock{2}) == "pose 6");
  const Result result = minimize(problem, problem.initial(), levenberg_marquardt());
  const std::vector<double> poses = poses_at(graph, result.x);
  const std::vector<double> expected = {0, 0, 0, 1, 0, 0, 2, 0, 0};
  for (std::size_t k = 0; k < 9; ++k) {
    CHECK(poses[k] == Approx(expected[k]).margin(1e-12));
  }
}

TEST_CASE("a graph in which nothing can move is refused", "[g2o]") {
  const std::string poses = "VERTEX_SE2 0 0 0 0\nVERTEX_SE2 1 1 0 0\n";
  const std::string edge = "EDGE_SE2 0 1 1 0 0 1 0 0 1 0 1\n";
  check_says(message([&] { make_pose_graph(parse_g2o(poses, "g")); }), {"2 poses but no edge"});
  check_says(message([&] { make_pose_graph(parse_g2o(poses + edge + "FIX 0 1\n", "g")); }),
             {"all 2 poses are fixed"});
}
