#include "problems/pose_graph/generated_pose_graph.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <string>
#include <vector>

#include "problems/io/g2o.h"
#include "problems/pose_graph/between.h"
#include "support/catch.h"
#include "support/files.h"

namespace {

using kappa::GeneratedPoseGraph;
using kappa::Index;
using kappa::PoseGraph;
using kappa::test::check_says;
using kappa::test::Folder;
using kappa::test::message;
using Shape = GeneratedPoseGraph::Shape;
using Start = GeneratedPoseGraph::Start;

const std::vector<GeneratedPoseGraph> graphs = {
    {.shape = Shape::sphere, .poses = 400},
    {.shape = Shape::torus, .poses = 450, .closures = 0.7},
    {.shape = Shape::grid, .poses = 343},
    {.shape = Shape::grid, .poses = 100, .seed = 7},
    {.shape = Shape::grid, .dimension = 2, .poses = 1000},
    {.shape = Shape::sphere, .poses = 20},
    {.shape = Shape::torus, .poses = 20},
    {.shape = Shape::grid, .dimension = 2, .poses = 20},
};

/// The sum of the squares of all whitened residuals.
double squares(const PoseGraph& graph) {
  double sum = 0;
  for (Index e = 0; e < graph.edges(); ++e) {
    const double* a = graph.pose_at(graph.from[static_cast<std::size_t>(e)]);
    const double* b = graph.pose_at(graph.to[static_cast<std::size_t>(e)]);
    std::array<double, 6> r{};
    if (graph.space == PoseGraph::Space::plane) {
      kappa::BetweenInPlane edge;
      std::copy_n(graph.measured_at(e), 3, edge.measured.begin());
      REQUIRE(kappa::information_root(3, graph.information_at(e), edge.root.data()));
      REQUIRE(edge(a, b, r.data()));
    } else {
      kappa::BetweenInSpace edge;
      std::copy_n(graph.measured_at(e), 7, edge.measured.begin());
      REQUIRE(kappa::information_root(6, graph.information_at(e), edge.root.data()));
      REQUIRE(edge(a, b, r.data()));
    }
    for (const double each : r) {
      sum += each * each;
    }
  }
  return sum;
}

GeneratedPoseGraph at_truth(GeneratedPoseGraph options) {
  options.start = Start::truth;
  return options;
}

}  // namespace

TEST_CASE("at the truth of a generated pose graph the residuals are standard normal noise", "[g2o]") {
  for (const GeneratedPoseGraph& options : graphs) {
    const PoseGraph truth = kappa::generate_pose_graph(at_truth(options));
    const auto residuals = static_cast<double>(truth.edges() * truth.tangent_size());
    CHECK(std::fabs(squares(truth) - residuals) < 5 * std::sqrt(2 * residuals));
    GeneratedPoseGraph loud = options;
    loud.translation = 0.5;
    loud.rotation = 0.01;
    CHECK(std::fabs(squares(kappa::generate_pose_graph(at_truth(loud))) - residuals) <
          5 * std::sqrt(2 * residuals));
  }
}

TEST_CASE("integrated odometry is far from the truth but fits the odometry", "[g2o]") {
  for (const GeneratedPoseGraph& options : graphs) {
    const PoseGraph truth = kappa::generate_pose_graph(at_truth(options));
    PoseGraph start = kappa::generate_pose_graph(options);
    CHECK(start.measured == truth.measured);
    CHECK(start.pose != truth.pose);
    if (options.poses >= 300) {
      CHECK(squares(start) > 30 * squares(truth));
    }
    GeneratedPoseGraph open = options;
    open.closures = 0.0;
    const PoseGraph chain = kappa::generate_pose_graph(open);
    CHECK(chain.edges() == options.poses - 1);
    CHECK(squares(chain) < 1e-15 * static_cast<double>(options.poses) * static_cast<double>(options.poses));
  }
}

TEST_CASE("generated shapes have the loops that are documented", "[g2o]") {
  const auto edges = [](const GeneratedPoseGraph& options) {
    return kappa::generate_pose_graph(options).edges();
  };
  CHECK(edges({.shape = Shape::sphere, .poses = 2500}) == 2499 + 2450);
  CHECK(edges({.shape = Shape::torus, .poses = 5000}) == 4999 + 5000);
  CHECK(edges({.shape = Shape::grid, .poses = 8000}) == 3 * 20 * 20 * 19);
  const Index streets = edges({.shape = Shape::grid, .dimension = 2, .poses = 3500});
  CHECK(streets > 3499 + 1750);
  CHECK(streets < 3499 + 3000);
  const Index half = edges({.shape = Shape::torus, .poses = 5000, .closures = 0.5});
  CHECK(std::fabs(static_cast<double>(half) - 4999 - 2500) < 200);
}

TEST_CASE("neighbours in a generated graph are near each other and look where they go", "[g2o]") {
  for (const GeneratedPoseGraph& options : graphs) {
    const PoseGraph graph = kappa::generate_pose_graph(at_truth(options));
    const bool plane = graph.space == PoseGraph::Space::plane;
    for (std::size_t e = 0; e < graph.from.size(); ++e) {
      const double* a = graph.pose_at(graph.from[e]);
      const double* b = graph.pose_at(graph.to[e]);
      const double apart = std::hypot(b[0] - a[0], b[1] - a[1], plane ? 0.0 : b[2] - a[2]);
      CHECK(apart < 2.5);
      if (options.shape == Shape::grid && graph.to[e] == graph.from[e] + 1) {
        // The step of a metre along the x axis of the pose it is made from.
        const double ahead[3] = {1, 0, 0};
        double direction[3] = {std::cos(a[2]), std::sin(a[2]), 0};
        if (!plane) {
          kappa::detail::turn(a + 3, 1.0, ahead, direction);
        }
        for (int c = 0; c < (plane ? 2 : 3); ++c) {
          CHECK(b[c] - a[c] == Approx(direction[c]).margin(1e-12));
        }
      }
    }
  }
}

TEST_CASE("the same seed generates the same graph and another seed another one", "[g2o]") {
  const Folder folder;
  for (GeneratedPoseGraph options : graphs) {
    const PoseGraph first = kappa::generate_pose_graph(options);
    CHECK(kappa::generate_pose_graph(options) == first);
    kappa::write_g2o(first, folder / "graph.g2o");
    CHECK(kappa::read_g2o(folder / "graph.g2o") == first);
    options.seed += 1;
    CHECK(kappa::generate_pose_graph(options).measured != first.measured);
  }
}

TEST_CASE("a generated pose graph is described in one line", "[g2o]") {
  const GeneratedPoseGraph options = kappa::parse_generated_pose_graph(
      "generated/grid?dimension=2&poses=77&seed=18446744073709551615&translation=0.5&rotation=1e-2&"
      "closures=0.25&start=truth");
  CHECK(options.shape == Shape::grid);
  CHECK(options.dimension == 2);
  CHECK(options.poses == 77);
  CHECK(options.seed == 18446744073709551615u);
  CHECK(options.translation == 0.5);
  CHECK(options.rotation == 0.01);
  CHECK(options.closures == 0.25);
  CHECK(options.start == Start::truth);
  CHECK(kappa::load_pose_graph("generated/torus?poses=50") ==
        kappa::generate_pose_graph({.shape = Shape::torus, .poses = 50}));
}

TEST_CASE("a wrong description of a generated pose graph is told with the right ones", "[g2o]") {
  const auto said = [](const std::string& target) {
    return message([&] { kappa::load_pose_graph(target); });
  };
  check_says(said("generated/cube"), {"unknown kind 'cube'", "generated/sphere", "generated/grid"});
  check_says(said("generated/sphere?pose=5"), {"unknown key 'pose'", "poses, seed, translation"});
  check_says(said("generated/sphere?poses=5"), {"poses must be from 20", "not 5"});
  check_says(said("generated/sphere?dimension=2"), {"grid only"});
  check_says(said("generated/grid?dimension=4"), {"must be 2 or 3"});
  check_says(said("generated/grid?rotation=0"), {"rotation", "from 1e-9"});
  check_says(said("generated/grid?translation=nan"), {"translation", "from 1e-9"});
  check_says(said("generated/grid?closures=2"), {"closures", "from 0 to 1"});
  check_says(said("generated/grid?start=here"), {"odometry or truth", "'here'"});
  check_says(said("generated/grid?poses"), {"'poses' has no value"});
  check_says(said("no-such.g2o"), {"no-such.g2o", "cannot be read"});
}
