// Reader and writer of pose graphs; the format is described in g2o.h.
#include "problems/io/g2o.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numeric>
#include <optional>

#include "problems/io/text_file.h"
#include "problems/pose_graph/rigid_motion.h"

namespace kappa {

using detail::Lines;
using detail::quoted;
using detail::Text;

namespace {

constexpr Lines::Expected expected{
    .file = "a pose graph in the g2o format",
    .beginning =
        "text whose lines begin with VERTEX_SE2, EDGE_SE2, VERTEX_SE3:QUAT, EDGE_SE3:QUAT, FIX or #"};
constexpr const char* at_end = "but the line ends here";
constexpr std::int64_t greatest_id = std::numeric_limits<std::int64_t>::max();

/// The names of what the numbers of a line are, for messages.
constexpr std::array<const char*, 3> plane_names = {"x", "y", "theta"};
constexpr std::array<const char*, 7> space_names = {"x", "y", "z", "qx", "qy", "qz", "qw"};

/// Everything in the order of the file, with the lines it came from.
struct Found {
  std::vector<std::int64_t> id;
  std::vector<double> pose;
  std::vector<Index> line;

  std::vector<std::int64_t> from;
  std::vector<std::int64_t> to;
  std::vector<Index> edge_line;

  std::vector<std::int64_t> fixed;
  std::vector<Index> fixed_line;
};

class Reader {
 public:
  Reader(std::string name, Lines& lines) : name_(std::move(name)), lines_(lines) {}

  PoseGraph read() {
    std::string_view line;
    while (lines_.next(line)) {
      read_line(line);
    }
    if (found_.id.empty() && found_.from.empty()) {
      throw Error(name_ +
                  ": holds no pose and no edge; expected lines that begin with VERTEX_SE2, EDGE_SE2, "
                  "VERTEX_SE3:QUAT or EDGE_SE3:QUAT");
    }
    const bool without_poses = found_.id.empty();
    if (without_poses) {
      name_poses_by_edges();
    } else {
      sort_poses();
    }
    connect_edges();
    fix_poses();
    if (without_poses) {
      place_along_tree(graph_);
      if (!std::all_of(graph_.pose.begin(), graph_.pose.end(),
                       [](double each) { return std::isfinite(each); })) {
        throw Error(name_ +
                    ": has no vertices, and poses placed along its edges lie beyond the range of a double");
      }
    }
    return std::move(graph_);
  }

 private:
  void read_line(std::string_view line) {
    line = line.substr(0, line.find('#'));
    Text text({.path = name_, .first_line = lines_.number(), .at_end = at_end}, line);
    const std::string_view tag = text.word();
    if (tag.empty()) {
      return;
    }
    if (tag == "EDGE_SE3:QUAT") {
      require_space(PoseGraph::Space::space, text);
      read_edge(text, space_names.data());
    } else if (tag == "EDGE_SE2") {
      require_space(PoseGraph::Space::plane, text);
      read_edge(text, plane_names.data());
    } else if (tag == "VERTEX_SE3:QUAT") {
      require_space(PoseGraph::Space::space, text);
      read_pose(text, space_names.data());
    } else if (tag == "VERTEX_SE2") {
      require_space(PoseGraph::Space::plane, text);
      read_pose(text, plane_names.data());
    } else if (tag == "FIX") {
      read_fixed(text);
    } else {
      text.fail("unknown tag " + quoted(tag) +
                "; known are VERTEX_SE2, EDGE_SE2, VERTEX_SE3:QUAT, EDGE_SE3:QUAT and FIX");
    }
    if (text.more_on_this_line()) {
      text.fail("expected the end of the line after the last number, " + text.found());
    }
  }

  void require_space(PoseGraph::Space space, const Text& text) {
    if (first_line_ == 0) {
      first_line_ = lines_.number();
      graph_.space = space;
    } else if (graph_.space != space) {
      text.fail(std::string("poses and edges in ") +
                (space == PoseGraph::Space::plane ? "the plane (SE2) follow those in space (SE3)"
                                                  : "space (SE3) follow those in the plane (SE2)") +
                " of line " + std::to_string(first_line_) + "; a graph lives in one of the two");
    }
  }

  void read_pose(Text& text, const char* const* names) {
    const std::int64_t id = text.integer(0, greatest_id, [] { return std::string("the id of a pose"); });
    read_motion(text, names, found_.pose, [&] { return "pose " + std::to_string(id); });
    found_.id.push_back(id);
    found_.line.push_back(lines_.number());
  }

  void read_edge(Text& text, const char* const* names) {
    const std::int64_t from =
        text.integer(0, greatest_id, [] { return std::string("the id of an edge's first pose"); });
    const std::int64_t to =
        text.integer(0, greatest_id, [] { return std::string("the id of an edge's second pose"); });
    const auto edge = [&] { return "the edge from " + std::to_string(from) + " to " + std::to_string(to); };
    if (from == to) {
      text.fail("the edge joins pose " + std::to_string(from) + " with itself");
    }
    read_motion(text, names, graph_.measured, edge);
    const int size = graph_.information_size();
    for (int k = 0; k < size; ++k) {
      graph_.information.push_back(text.real([&] {
        return "number " + std::to_string(k + 1) + " of " + std::to_string(size) +
               " of the information matrix of " + edge();
      }));
    }
    std::array<double, 21> root;
    if (!information_root(graph_.tangent_size(), &graph_.information.end()[-size], root.data())) {
      text.fail("the information matrix of " + edge() +
                " has a negative eigenvalue; it must be positive semidefinite");
    }
    found_.from.push_back(from);
    found_.to.push_back(to);
    found_.edge_line.push_back(lines_.number());
  }

  template <class Owner>
  void read_motion(Text& text, const char* const* names, std::vector<double>& out, const Owner& owner) {
    const int size = graph_.pose_size();
    for (int k = 0; k < size; ++k) {
      out.push_back(text.real([&] { return std::string(names[k]) + " of " + owner(); }));
    }
    if (graph_.space == PoseGraph::Space::plane) {
      return;
    }
    // A quaternion that was written with length one keeps its bits.
    double* const quaternion = &out.end()[-4];
    if (!detail::is_unit_quaternion(quaternion) && !detail::normalize_quaternion(quaternion)) {
      text.fail("the quaternion of " + owner() + " is zero; it must not be");
    }
  }

  void read_fixed(Text& text) {
    do {
      found_.fixed.push_back(
          text.integer(0, greatest_id, [] { return std::string("the id of a pose to fix"); }));
      found_.fixed_line.push_back(lines_.number());
    } while (text.more_on_this_line());
  }

  [[noreturn]] void fail(Index line, const std::string& sentence) const {
    throw Error(name_ + ":" + std::to_string(line) + ": " + sentence);
  }

  void sort_poses() {
    const std::size_t poses = found_.id.size();
    if (std::adjacent_find(found_.id.begin(), found_.id.end(), std::greater_equal<>()) == found_.id.end()) {
      graph_.id = std::move(found_.id);
      graph_.pose = std::move(found_.pose);
      return;
    }
    std::vector<std::size_t> order(poses);
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
      return found_.id[a] != found_.id[b] ? found_.id[a] < found_.id[b] : a < b;
    });
    const auto size = static_cast<std::size_t>(graph_.pose_size());
    graph_.id.reserve(poses);
    graph_.pose.reserve(found_.pose.size());
    for (const std::size_t i : order) {
      if (!graph_.id.empty() && graph_.id.back() == found_.id[i]) {
        fail(found_.line[i], "pose " + std::to_string(found_.id[i]) +
                                 " is given a second time; the first is in line " +
                                 std::to_string(found_.line[order[graph_.id.size() - 1]]));
      }
      graph_.id.push_back(found_.id[i]);
      graph_.pose.insert(graph_.pose.end(), &found_.pose[size * i], &found_.pose[size * i] + size);
    }
  }

  void name_poses_by_edges() {
    graph_.id = found_.from;
    graph_.id.insert(graph_.id.end(), found_.to.begin(), found_.to.end());
    std::sort(graph_.id.begin(), graph_.id.end());
    graph_.id.erase(std::unique(graph_.id.begin(), graph_.id.end()), graph_.id.end());
  }

  /// The position of a pose, or nothing; ids without gaps need no search.
  std::optional<std::int32_t> position(std::int64_t id) const {
    const auto guess = static_cast<std::uint64_t>(id) - static_cast<std::uint64_t>(graph_.id.front());
    if (guess < graph_.id.size() && graph_.id[guess] == id) {
      return static_cast<std::int32_t>(guess);
    }
    const auto at = std::lower_bound(graph_.id.begin(), graph_.id.end(), id);
    if (at == graph_.id.end() || *at != id) {
      return std::nullopt;
    }
    return static_cast<std::int32_t>(at - graph_.id.begin());
  }

  void connect_edges() {
    if (graph_.id.size() > static_cast<std::size_t>(std::numeric_limits<std::int32_t>::max())) {
      throw Error(name_ + ": holds more poses than 2147483647");
    }
    graph_.from.reserve(found_.from.size());
    graph_.to.reserve(found_.to.size());
    for (std::size_t e = 0; e < found_.from.size(); ++e) {
      const auto from = position(found_.from[e]);
      const auto to = position(found_.to[e]);
      if (!from || !to) {
        fail(found_.edge_line[e], "the edge from " + std::to_string(found_.from[e]) + " to " +
                                      std::to_string(found_.to[e]) + " needs pose " +
                                      std::to_string(from ? found_.to[e] : found_.from[e]) +
                                      ", for which the file has no vertex");
      }
      graph_.from.push_back(*from);
      graph_.to.push_back(*to);
    }
  }

  void fix_poses() {
    for (std::size_t k = 0; k < found_.fixed.size(); ++k) {
      const auto pose = position(found_.fixed[k]);
      if (!pose) {
        fail(found_.fixed_line[k],
             "FIX names pose " + std::to_string(found_.fixed[k]) + ", which the file does not have");
      }
      graph_.fixed.push_back(*pose);
    }
    std::sort(graph_.fixed.begin(), graph_.fixed.end());
    graph_.fixed.erase(std::unique(graph_.fixed.begin(), graph_.fixed.end()), graph_.fixed.end());
  }

  std::string name_;
  Lines& lines_;
  Index first_line_ = 0;  ///< with a pose or an edge
  Found found_;
  PoseGraph graph_;
};

void refuse_non_finite(const std::vector<double>& values, const std::string& path, const char* what) {
  const auto bad =
      std::find_if(values.begin(), values.end(), [](double value) { return !std::isfinite(value); });
  if (bad != values.end()) {
    throw Error(path + ": not written, because number " + std::to_string(bad - values.begin()) + " of the " +
                what + " is not finite");
  }
}

}  // namespace

PoseGraph read_g2o(const std::string& path) {
  Lines lines(path, expected);
  return Reader(path, lines).read();
}

PoseGraph parse_g2o(std::string_view text, const std::string& name) {
  Lines lines(name, text);
  return Reader(name, lines).read();
}

void write_g2o(const PoseGraph& graph, const std::string& path) {
  expects_consistent(graph);
  refuse_non_finite(graph.pose, path, "poses");
  refuse_non_finite(graph.measured, path, "measurements");
  refuse_non_finite(graph.information, path, "information matrices");
  const bool plane = graph.space == PoseGraph::Space::plane;
  detail::CompleteFile file(path);
  const auto numbers = [&](const double* values, int count, char last) {
    for (int k = 0; k < count; ++k) {
      file.real(values[k], k + 1 < count ? ' ' : last);
    }
  };
  const auto name = [&](std::int32_t pose) { return graph.id[static_cast<std::size_t>(pose)]; };
  for (Index i = 0; i < graph.poses(); ++i) {
    file.text(plane ? "VERTEX_SE2 " : "VERTEX_SE3:QUAT ");
    file.integer(graph.id[static_cast<std::size_t>(i)], ' ');
    numbers(graph.pose_at(i), graph.pose_size(), '\n');
  }
  for (const std::int32_t i : graph.fixed) {
    file.text("FIX ");
    file.integer(name(i), '\n');
  }
  for (Index e = 0; e < graph.edges(); ++e) {
    file.text(plane ? "EDGE_SE2 " : "EDGE_SE3:QUAT ");
    file.integer(name(graph.from[static_cast<std::size_t>(e)]), ' ');
    file.integer(name(graph.to[static_cast<std::size_t>(e)]), ' ');
    numbers(graph.measured_at(e), graph.pose_size(), ' ');
    numbers(graph.information_at(e), graph.information_size(), '\n');
  }
  file.finish();
}

}  // namespace kappa
