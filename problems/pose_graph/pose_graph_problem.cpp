#include "problems/pose_graph/pose_graph_problem.h"

#include <algorithm>
#include <string>

#include "problems/pose_graph/between.h"

namespace kappa {

namespace {

std::shared_ptr<const Manifold> manifold_of(PoseGraph::Space space) {
  if (space == PoseGraph::Space::plane) {
    return manifolds::product({manifolds::euclidean(2), manifolds::angle()});
  }
  return manifolds::product({manifolds::euclidean(3), manifolds::unit_quaternion(QuaternionOrder::xyzw)});
}

template <class Between>
Between between(const PoseGraph& graph, Index edge) {
  Between out;
  std::copy_n(graph.measured_at(edge), out.measured.size(), out.measured.begin());
  if (!information_root(graph.tangent_size(), graph.information_at(edge), out.root.data())) {
    throw Error("pose graph: the information matrix of edge " + std::to_string(edge) +
                " has a negative eigenvalue; it must be positive semidefinite");
  }
  return out;
}

void refuse_immovable(const PoseGraph& graph, const std::vector<std::int32_t>& held) {
  if (graph.edges() == 0) {
    throw Error("pose graph: there are " + std::to_string(graph.poses()) +
                " poses but no edge, so nothing is measured and nothing can be optimised");
  }
  if (static_cast<Index>(held.size()) == graph.poses()) {
    throw Error("pose graph: all " + std::to_string(graph.poses()) +
                " poses are fixed, so nothing can be optimised; take out a FIX");
  }
}

/// How the motions p -> Exp(a) p + T move one pose, tangent_size numbers for each motion. The steps of the
/// manifold turn a quaternion from the left by twice their length.
std::vector<double> moves_of(PoseGraph::Space space, const double* pose) {
  if (space == PoseGraph::Space::plane) {
    return {1, 0, 0, /**/ 0, 1, 0, /**/ -pose[1], pose[0], 1};
  }
  std::vector<double> out(36, 0.0);
  for (std::size_t k = 0; k < 3; ++k) {
    out[6 * k + k] = 1;
    double* rotation = out.data() + 6 * (3 + k);
    // e_k x p
    rotation[(k + 1) % 3] = -pose[(k + 2) % 3];
    rotation[(k + 2) % 3] = pose[(k + 1) % 3];
    rotation[3 + k] = 0.5;
  }
  return out;
}

std::vector<Symmetry> graph_symmetries(const ResidualProblem& problem, ConstVectorRef x,
                                       PoseGraph::Space space, const Manifold* manifold) {
  static const std::vector<std::string> in_plane = {"translation x", "translation y", "rotation"};
  static const std::vector<std::string> in_space = {"translation x", "translation y", "translation z",
                                                    "rotation x",    "rotation y",    "rotation z"};
  std::vector<Symmetry> out;
  for (const std::string& name : space == PoseGraph::Space::plane ? in_plane : in_space) {
    out.push_back({name, std::vector<double>(static_cast<std::size_t>(problem.tangent_dimension()), 0.0)});
  }
  for (Index i = 0; i < problem.parameter_blocks(); ++i) {
    const ParameterBlock block{i};
    if (problem.manifold(block) != manifold) {
      // Its steps are no longer those of the formulas.
      return {};
    }
    const TangentRange range = problem.tangent_range(block);
    const std::vector<double> moves = moves_of(space, problem.values(block, x).data());
    for (std::size_t g = 0; g < out.size() && !range.constant(); ++g) {
      std::copy_n(moves.begin() + static_cast<Index>(g) * range.size, range.size,
                  out[g].direction.begin() + range.begin);
    }
  }
  return out;
}

}  // namespace

ResidualProblem make_pose_graph(const PoseGraph& graph, const Loss& loss) {
  expects_consistent(graph);
  const std::vector<std::int32_t> held = anchors(graph);
  refuse_immovable(graph, held);
  ResidualProblem out;
  const std::shared_ptr<const Manifold> manifold = manifold_of(graph.space);
  const auto size = static_cast<std::size_t>(graph.pose_size());
  std::vector<ParameterBlock> blocks;
  blocks.reserve(graph.id.size());
  for (Index i = 0; i < graph.poses(); ++i) {
    blocks.push_back(out.add_parameters(ConstVectorRef(graph.pose_at(i), size), manifold,
                                        "pose " + std::to_string(graph.id[static_cast<std::size_t>(i)])));
  }
  for (const std::int32_t i : held) {
    out.set_constant(blocks[static_cast<std::size_t>(i)]);
  }
  for (Index e = 0; e < graph.edges(); ++e) {
    const ParameterBlock from = blocks[static_cast<std::size_t>(graph.from[static_cast<std::size_t>(e)])];
    const ParameterBlock to = blocks[static_cast<std::size_t>(graph.to[static_cast<std::size_t>(e)])];
    if (graph.space == PoseGraph::Space::plane) {
      out.add(autodiff<3, 3, 3>(between<BetweenInPlane>(graph, e)), {from, to}, loss);
    } else {
      out.add(autodiff<6, 7, 7>(between<BetweenInSpace>(graph, e)), {from, to}, loss);
    }
  }
  out.set_symmetries([space = graph.space, manifold](const ResidualProblem& problem, ConstVectorRef x) {
    return graph_symmetries(problem, x, space, manifold.get());
  });
  return out;
}

std::vector<double> poses_at(const PoseGraph& graph, ConstVectorRef x) {
  const std::vector<std::int32_t> held = anchors(graph);
  const auto size = static_cast<std::size_t>(graph.pose_size());
  expects(x.size() == size * (graph.id.size() - held.size()), "poses_at: x is of another graph");
  std::vector<double> out = graph.pose;
  auto next_held = held.begin();
  auto from = x.begin();
  for (std::size_t i = 0; i < graph.id.size(); ++i) {
    if (next_held != held.end() && static_cast<std::size_t>(*next_held) == i) {
      ++next_held;
      continue;
    }
    std::copy_n(from, size, out.begin() + static_cast<Index>(size * i));
    from += static_cast<Index>(size);
  }
  return out;
}

}  // namespace kappa
