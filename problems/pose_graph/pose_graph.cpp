#include "problems/pose_graph/pose_graph.h"

#include <Eigen/Dense>
#include <algorithm>
#include <array>
#include <numeric>

#include "problems/pose_graph/rigid_motion.h"

namespace kappa {

namespace {

/// Which poses are connected so far (Tarjan, Data structures and network algorithms, 1983, chapter 2).
class DisjointSets {
 public:
  explicit DisjointSets(Index size) : parent_(static_cast<std::size_t>(size)) {
    std::iota(parent_.begin(), parent_.end(), 0);
  }

  /// The smallest member of the set of `i`.
  std::int32_t first(std::int32_t i) {
    while (parent(i) != i) {
      parent(i) = parent(parent(i));
      i = parent(i);
    }
    return i;
  }

  /// False where both are in one set already.
  bool join(std::int32_t a, std::int32_t b) {
    a = first(a);
    b = first(b);
    parent(std::max(a, b)) = std::min(a, b);
    return a != b;
  }

 private:
  std::int32_t& parent(std::int32_t i) { return parent_[static_cast<std::size_t>(i)]; }

  std::vector<std::int32_t> parent_;
};

/// Edges at each pose: those of pose i are list[start[i]] .. list[start[i + 1] - 1].
struct Incidence {
  std::vector<std::size_t> start;
  std::vector<std::size_t> list;

  Incidence(const PoseGraph& graph, const std::vector<std::size_t>& edges)
      : start(graph.id.size() + 1, 0), list(2 * edges.size()) {
    for (const std::size_t e : edges) {
      ++start[static_cast<std::size_t>(graph.from[e]) + 1];
      ++start[static_cast<std::size_t>(graph.to[e]) + 1];
    }
    std::partial_sum(start.begin(), start.end(), start.begin());
    std::vector<std::size_t> next(start.begin(), start.end() - 1);
    for (const std::size_t e : edges) {
      list[next[static_cast<std::size_t>(graph.from[e])]++] = e;
      list[next[static_cast<std::size_t>(graph.to[e])]++] = e;
    }
  }
};

std::vector<std::size_t> spanning_tree(const PoseGraph& graph) {
  std::vector<std::size_t> tree;
  DisjointSets connected(graph.poses());
  for (const bool odometry : {true, false}) {
    for (std::size_t e = 0; e < graph.from.size(); ++e) {
      if ((std::abs(graph.from[e] - graph.to[e]) == 1) == odometry &&
          connected.join(graph.from[e], graph.to[e])) {
        tree.push_back(e);
      }
    }
  }
  return tree;
}

void place_neighbour(PoseGraph& graph, std::size_t edge, std::size_t known, std::size_t other) {
  const auto size = static_cast<std::size_t>(graph.pose_size());
  const bool forward = static_cast<std::size_t>(graph.from[edge]) == known;
  const double* const measured = graph.measured.data() + size * edge;
  const double* const base = graph.pose.data() + size * known;
  double* const out = graph.pose.data() + size * other;
  std::array<double, 7> back;
  if (graph.space == PoseGraph::Space::plane) {
    detail::invert_in_plane(measured, back.data());
    detail::compose_in_plane(base, forward ? measured : back.data(), out);
  } else {
    detail::invert_in_space(measured, back.data());
    detail::compose_in_space(base, forward ? measured : back.data(), out);
  }
}

/// Unit diagonal and symmetric: false where a diagonal entry is negative, or zero beside entries that are
/// not.
bool scale_to_unit_diagonal(Eigen::MatrixXd& matrix, Eigen::VectorXd& scale) {
  const Eigen::Index n = matrix.rows();
  scale.resize(n);
  for (Eigen::Index i = 0; i < n; ++i) {
    if (!(matrix(i, i) >= 0.0)) {
      return false;
    }
    if (matrix(i, i) == 0.0 && (matrix.row(i).array() != 0.0).any()) {
      return false;
    }
    scale[i] = std::sqrt(matrix(i, i));
  }
  for (Eigen::Index i = 0; i < n; ++i) {
    for (Eigen::Index j = 0; j < n; ++j) {
      matrix(i, j) = i == j                             ? 1.0
                     : scale[i] > 0.0 && scale[j] > 0.0 ? matrix(i, j) / scale[i] / scale[j]
                                                        : 0.0;
    }
  }
  return true;
}

/// The general case; kept apart because nearly all matrices of real files are definite.
bool semidefinite_root(Eigen::MatrixXd matrix, double* root) {
  constexpr double rounding_of_files = 1e-5;
  const Eigen::Index n = matrix.rows();
  Eigen::VectorXd scale;
  if (!scale_to_unit_diagonal(matrix, scale)) {
    return false;
  }
  const Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> eigen(matrix);
  if (eigen.info() != Eigen::Success || !(eigen.eigenvalues()[0] >= -rounding_of_files)) {
    return false;
  }
  const Eigen::VectorXd roots = eigen.eigenvalues().cwiseMax(0.0).cwiseSqrt();
  const Eigen::MatrixXd full = roots.asDiagonal() * eigen.eigenvectors().transpose() * scale.asDiagonal();
  const Eigen::HouseholderQR<Eigen::MatrixXd> qr(full);
  for (Eigen::Index i = 0, k = 0; i < n; ++i) {
    for (Eigen::Index j = i; j < n; ++j, ++k) {
      root[k] = qr.matrixQR()(i, j);
    }
  }
  return true;
}

}  // namespace

void expects_consistent(const PoseGraph& graph) {
  const auto count = [](const auto& container) { return static_cast<Index>(container.size()); };
  expects(count(graph.pose) == graph.poses() * graph.pose_size(),
          "PoseGraph: pose_size() numbers for each pose");
  expects(count(graph.to) == graph.edges(), "PoseGraph: a pose from and a pose to for each edge");
  expects(count(graph.measured) == graph.edges() * graph.pose_size(),
          "PoseGraph: pose_size() measured numbers for each edge");
  expects(count(graph.information) == graph.edges() * graph.information_size(),
          "PoseGraph: information_size() numbers for each edge");
  const auto valid = [&](std::int32_t i) { return i >= 0 && i < graph.poses(); };
  for (std::size_t e = 0; e < graph.from.size(); ++e) {
    expects(valid(graph.from[e]) && valid(graph.to[e]) && graph.from[e] != graph.to[e],
            "PoseGraph: an edge joins two different poses");
  }
  expects(std::all_of(graph.fixed.begin(), graph.fixed.end(), valid) &&
              std::adjacent_find(graph.fixed.begin(), graph.fixed.end(), std::greater_equal<>()) ==
                  graph.fixed.end(),
          "PoseGraph: fixed poses are poses, ascending");
  expects(std::adjacent_find(graph.id.begin(), graph.id.end(), std::greater_equal<>()) == graph.id.end(),
          "PoseGraph: ids ascend");
}

std::vector<std::int32_t> connected_parts(const PoseGraph& graph) {
  DisjointSets connected(graph.poses());
  for (std::size_t e = 0; e < graph.from.size(); ++e) {
    connected.join(graph.from[e], graph.to[e]);
  }
  std::vector<std::int32_t> part(graph.id.size());
  std::int32_t parts = 0;
  for (std::size_t i = 0; i < part.size(); ++i) {
    const auto first = static_cast<std::size_t>(connected.first(static_cast<std::int32_t>(i)));
    part[i] = first == i ? parts++ : part[first];
  }
  return part;
}

std::vector<std::int32_t> anchors(const PoseGraph& graph) {
  const std::vector<std::int32_t> part = connected_parts(graph);
  std::vector<char> held(part.size(), 0);
  for (const std::int32_t i : graph.fixed) {
    held[static_cast<std::size_t>(part[static_cast<std::size_t>(i)])] = 1;
  }
  std::vector<std::int32_t> out = graph.fixed;
  for (std::size_t i = 0; i < part.size(); ++i) {
    char& done = held[static_cast<std::size_t>(part[i])];
    if (done == 0) {
      out.push_back(static_cast<std::int32_t>(i));
      done = 1;
    }
  }
  std::sort(out.begin(), out.end());
  return out;
}

void place_along_tree(PoseGraph& graph) {
  const auto size = static_cast<std::size_t>(graph.pose_size());
  const Incidence tree(graph, spanning_tree(graph));
  graph.pose.assign(size * graph.id.size(), 0.0);
  std::vector<char> placed(graph.id.size(), 0);
  std::vector<std::size_t> open;
  for (std::size_t root = 0; root < graph.id.size(); ++root) {
    if (placed[root] != 0) {
      continue;
    }
    placed[root] = 1;
    if (graph.space == PoseGraph::Space::space) {
      graph.pose[size * root + 6] = 1.0;
    }
    open.push_back(root);
    while (!open.empty()) {
      const std::size_t known = open.back();
      open.pop_back();
      for (std::size_t k = tree.start[known]; k < tree.start[known + 1]; ++k) {
        const std::size_t edge = tree.list[k];
        const auto other =
            static_cast<std::size_t>(graph.from[edge]) + static_cast<std::size_t>(graph.to[edge]) - known;
        if (placed[other] == 0) {
          placed[other] = 1;
          place_neighbour(graph, edge, known, other);
          open.push_back(other);
        }
      }
    }
  }
}

bool information_root(int size, const double* information, double* root) {
  // Row k of R from the rows above: R_kk^2 = A_kk - sum_i R_ik^2, R_kj = (A_kj - sum_i R_ik R_ij) / R_kk.
  const auto at = [size](int i, int j) { return i * size - i * (i - 1) / 2 + j - i; };
  bool definite = true;
  for (int k = 0; k < size && definite; ++k) {
    for (int j = k; j < size && definite; ++j) {
      double sum = information[at(k, j)];
      for (int i = 0; i < k; ++i) {
        sum -= root[at(i, k)] * root[at(i, j)];
      }
      if (j == k) {
        definite = sum > 1e-12 * information[at(k, k)];
        root[at(k, k)] = std::sqrt(std::fmax(sum, 0.0));
      } else {
        root[at(k, j)] = sum / root[at(k, k)];
      }
    }
  }
  if (definite) {
    return true;
  }
  Eigen::MatrixXd matrix(size, size);
  for (int i = 0; i < size; ++i) {
    for (int j = i; j < size; ++j) {
      matrix(i, j) = matrix(j, i) = information[at(i, j)];
    }
  }
  return semidefinite_root(matrix, root);
}

}  // namespace kappa
