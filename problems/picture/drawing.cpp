#include "problems/picture/drawing.h"

#include <algorithm>
#include <cmath>

#include "kappa/rotation.h"
#include "problems/pose_graph/rigid_motion.h"

namespace kappa {

namespace {

/// Coordinate `c` of all points and poses, or what `value` makes of each position.
template <class Value>
std::vector<double> over_positions(const Drawing& drawing, const Value& value) {
  std::vector<double> out;
  out.reserve(drawing.points.size() / 3 + drawing.poses.size() / 7);
  for (std::size_t i = 0; i < drawing.points.size(); i += 3) {
    out.push_back(value(&drawing.points[i]));
  }
  for (std::size_t i = 0; i < drawing.poses.size(); i += 7) {
    out.push_back(value(&drawing.poses[i]));
  }
  return out;
}

double quantile(std::vector<double> values, double share) {
  if (values.empty()) {
    return 0.0;
  }
  const auto at = values.begin() + static_cast<Index>(share * static_cast<double>(values.size() - 1));
  std::nth_element(values.begin(), at, values.end());
  return *at;
}

}  // namespace

void expects_drawable(const Drawing& drawing, const std::string& path) {
  expects(drawing.points.size() % 3 == 0 && drawing.poses.size() % 7 == 0,
          "Drawing: three numbers for each point and seven for each pose");
  for (const auto& [a, b] : drawing.links) {
    expects(a >= 0 && b >= 0 && a < drawing.pose_count() && b < drawing.pose_count(),
            "Drawing: links join poses");
  }
  for (const std::vector<double>* numbers : {&drawing.points, &drawing.poses}) {
    for (const double each : *numbers) {
      if (!std::isfinite(each)) {
        throw Error(path + ": not drawn, because a position in the picture is not finite");
      }
    }
  }
}

Drawing draw(const BalProblem& problem, ConstVectorRef parameters) {
  expects(parameters.size() == problem.parameters.size(), "draw: the parameters are of another problem");
  Drawing out;
  const auto first_point = static_cast<std::size_t>(problem.point_offset(0));
  out.points.assign(parameters.begin() + static_cast<Index>(first_point), parameters.end());
  out.poses.reserve(static_cast<std::size_t>(7 * problem.cameras));
  for (Index i = 0; i < problem.cameras; ++i) {
    // P = R X + t is zero at the centre X = -R' t, and R' is the rotation by the opposite angle.
    const double* const camera = parameters.data() + problem.camera_offset(i);
    const double opposite[3] = {-camera[0], -camera[1], -camera[2]};
    const double translation[3] = {-camera[3], -camera[4], -camera[5]};
    double centre[3];
    double q[4];  // w first
    AngleAxisRotatePoint(opposite, translation, centre);
    AngleAxisToQuaternion(opposite, q);
    out.poses.insert(out.poses.end(), {centre[0], centre[1], centre[2], q[1], q[2], q[3], q[0]});
  }
  return out;
}

Drawing draw(const PoseGraph& graph, ConstVectorRef poses) {
  expects(poses.size() == graph.pose.size(), "draw: the poses are of another graph");
  Drawing out;
  const bool plane = graph.space == PoseGraph::Space::plane;
  out.subject = plane ? Drawing::Subject::graph_in_plane : Drawing::Subject::graph_in_space;
  if (plane) {
    out.poses.reserve(poses.size() / 3 * 7);
    for (std::size_t i = 0; i < poses.size(); i += 3) {
      const double half = 0.5 * poses[i + 2];
      out.poses.insert(out.poses.end(),
                       {poses[i], poses[i + 1], 0.0, 0.0, 0.0, std::sin(half), std::cos(half)});
    }
  } else {
    out.poses.assign(poses.begin(), poses.end());
  }
  out.links.reserve(graph.from.size());
  for (std::size_t e = 0; e < graph.from.size(); ++e) {
    out.links.push_back({graph.from[e], graph.to[e]});
  }
  return out;
}

std::vector<double> camera_pyramids(const Drawing& drawing, double size) {
  std::vector<double> out;
  out.reserve(drawing.poses.size() / 7 * 15);
  for (std::size_t i = 0; i < drawing.poses.size(); i += 7) {
    const double* const pose = &drawing.poses[i];
    out.insert(out.end(), pose, pose + 3);
    for (const std::array<double, 2>& corner :
         {std::array{-0.6, -0.45}, std::array{0.6, -0.45}, std::array{0.6, 0.45}, std::array{-0.6, 0.45}}) {
      const double in_camera[3] = {size * corner[0], size * corner[1], -size};
      double turned[3];
      detail::turn(pose + 3, 1.0, in_camera, turned);
      out.insert(out.end(), {pose[0] + turned[0], pose[1] + turned[1], pose[2] + turned[2]});
    }
  }
  return out;
}

Extent extent(const Drawing& drawing) {
  Extent out;
  for (std::size_t c = 0; c < 3; ++c) {
    const auto coordinate = [&](double share) {
      return quantile(over_positions(drawing, [c](const double* p) { return p[c]; }), share);
    };
    // Half of a bundle's points may lie in one corner, while a graph has no points far out.
    out.centre[c] = drawing.subject == Drawing::Subject::bundle
                        ? 0.25 * (coordinate(0.03) + coordinate(0.97)) + 0.5 * coordinate(0.5)
                        : 0.5 * (coordinate(0.0) + coordinate(1.0));
  }
  const auto distances = [&](const std::vector<double>& numbers, std::size_t stride) {
    std::vector<double> each;
    for (std::size_t i = 0; i < numbers.size(); i += stride) {
      const double* const p = &numbers[i];
      each.push_back(std::hypot(p[0] - out.centre[0], p[1] - out.centre[1], p[2] - out.centre[2]));
    }
    return each;
  };
  const bool bundle = drawing.subject == Drawing::Subject::bundle;
  out.radius = std::max(quantile(distances(drawing.points, 3), 0.95),
                        quantile(distances(drawing.poses, 7), bundle ? 0.8 : 1.0));
  if (!(out.radius > 0.0)) {
    out.radius = 1.0;
  }
  return out;
}

double pyramid_size(const Drawing& drawing) {
  const auto cameras = static_cast<double>(std::max<Index>(1, drawing.pose_count()));
  return extent(drawing).radius * std::min(0.04, 0.4 / std::sqrt(cameras));
}

}  // namespace kappa
