// Generator of synthetic pose graphs; the shapes are described in generated_pose_graph.h.
#include "problems/pose_graph/generated_pose_graph.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <memory>
#include <numbers>
#include <string>
#include <utility>
#include <vector>

#include "kappa/random.h"
#include "problems/io/g2o.h"
#include "problems/io/generated_target.h"
#include "problems/pose_graph/rigid_motion.h"

namespace kappa {

using detail::parse_value;

namespace {

using Vector = std::array<double, 3>;
using Pose = std::array<double, 7>;
constexpr double pi = std::numbers::pi;

/// What a stream of random numbers is for.
enum class Purpose : std::uint64_t { walk = 1, closure, translation, rotation };

CounterRandom random(const GeneratedPoseGraph& options, Purpose purpose) {
  return CounterRandom(options.seed, static_cast<std::uint64_t>(purpose));
}

/// True poses in some frame, and for each pose the earlier ones that it may close a loop to, ascending.
class Path {
 public:
  virtual ~Path() = default;
  virtual Pose pose(Index k) const = 0;
  virtual void neighbours(Index k, std::vector<Index>& out) const = 0;
};

// ------------------------------------------------------------------------------------- sphere and torus

Vector unit(const Vector& v) {
  const double length = std::hypot(v[0], v[1], v[2]);
  return {v[0] / length, v[1] / length, v[2] / length};
}

/// The pose at `where` that looks along `forward`, with its z axis along `up` as far as that is possible.
Pose looking(const Vector& where, const Vector& forward, const Vector& up) {
  const Vector x = unit(forward);
  Vector y;
  detail::cross(up.data(), x.data(), y.data());
  y = unit(y);
  Vector z;
  detail::cross(x.data(), y.data(), z.data());
  // The quaternion of the matrix with columns x, y, z from its largest component (Shepperd 1978).
  const double trace[4] = {x[0] - y[1] - z[2], y[1] - x[0] - z[2], z[2] - x[0] - y[1], x[0] + y[1] + z[2]};
  const auto largest = std::max_element(trace, trace + 4) - trace;
  const double c = 2.0 * std::sqrt(1.0 + trace[largest]);
  const double a[3] = {(y[2] - z[1]) / c, (z[0] - x[2]) / c, (x[1] - y[0]) / c};
  const double b[3] = {(y[2] + z[1]) / c, (z[0] + x[2]) / c, (x[1] + y[0]) / c};
  Pose out = {where[0], where[1], where[2]};
  switch (largest) {
    case 0:
      std::copy_n(std::array{c / 4, b[2], b[1], a[0]}.data(), 4, &out[3]);
      break;
    case 1:
      std::copy_n(std::array{b[2], c / 4, b[0], a[1]}.data(), 4, &out[3]);
      break;
    case 2:
      std::copy_n(std::array{b[1], b[0], c / 4, a[2]}.data(), 4, &out[3]);
      break;
    default:
      std::copy_n(std::array{a[0], a[1], a[2], c / 4}.data(), 4, &out[3]);
  }
  detail::normalize_quaternion(&out[3]);
  return out;
}

class Sphere final : public Path {
 public:
  explicit Sphere(Index poses) : poses_(poses), turn_(std::llround(std::sqrt(static_cast<double>(poses)))) {}

  Pose pose(Index k) const override {
    const auto n = static_cast<double>(poses_);
    const auto m = static_cast<double>(turn_);
    const double radius = n / (m * pi);
    const double polar = pi * (static_cast<double>(k) + 0.5) / n;
    const double azimuth = 2.0 * pi * static_cast<double>(k % turn_) / m;
    const Vector outwards = {std::sin(polar) * std::cos(azimuth), std::sin(polar) * std::sin(azimuth),
                             std::cos(polar)};
    const double along = 2.0 * n / m * std::sin(polar);
    const Vector forward = {std::cos(polar) * std::cos(azimuth) - along * std::sin(azimuth),
                            std::cos(polar) * std::sin(azimuth) + along * std::cos(azimuth),
                            -std::sin(polar)};
    return looking({radius * outwards[0], radius * outwards[1], radius * outwards[2]}, forward, outwards);
  }

  void neighbours(Index k, std::vector<Index>& out) const override {
    if (k >= turn_) {
      out.push_back(k - turn_);
    }
  }

 private:
  Index poses_;
  Index turn_;  ///< poses in one turn
};

class Torus final : public Path {
 public:
  explicit Torus(Index poses)
      : poses_(poses), turn_(std::max<Index>(3, std::llround(std::sqrt(static_cast<double>(poses) / 2)))) {}

  Pose pose(Index k) const override {
    const auto n = static_cast<double>(poses_);
    const auto m = static_cast<double>(turn_);
    const double tube = m / (2.0 * pi);
    const double ring = n / m / (2.0 * pi) + tube;
    const double u = 2.0 * pi * static_cast<double>(k % turn_) / m;
    const double v = 2.0 * pi * static_cast<double>(k) / n;
    const double distance = ring + tube * std::cos(u);
    const Vector outwards = {std::cos(u) * std::cos(v), std::cos(u) * std::sin(v), std::sin(u)};
    const double along = m / n * distance;
    const Vector forward = {-tube * std::sin(u) * std::cos(v) - along * std::sin(v),
                            -tube * std::sin(u) * std::sin(v) + along * std::cos(v), tube * std::cos(u)};
    return looking({distance * std::cos(v), distance * std::sin(v), tube * std::sin(u)}, forward, outwards);
  }

  void neighbours(Index k, std::vector<Index>& out) const override {
    if (k >= poses_ - turn_) {
      out.push_back(k - (poses_ - turn_));
    }
    if (k >= turn_) {
      out.push_back(k - turn_);
    }
  }

 private:
  Index poses_;
  Index turn_;
};

// ------------------------------------------------------------------------------------------------ grids

/// A cube of side^3 places, its rows and layers run through to and fro.
class Cube final : public Path {
 public:
  explicit Cube(Index poses) : poses_(poses) {
    while (side_ * side_ * side_ < poses) {
      ++side_;
    }
  }

  Pose pose(Index k) const override {
    const std::array<Index, 3> here = place(k);
    const std::array<Index, 3> there = place(k + 1 < poses_ ? k + 1 : k - 1);
    const double sign = k + 1 < poses_ ? 1.0 : -1.0;
    Vector where;
    Vector forward;
    for (std::size_t c = 0; c < 3; ++c) {
      where[c] = static_cast<double>(here[c]);
      forward[c] = sign * static_cast<double>(there[c] - here[c]);
    }
    const Vector up = forward[2] == 0.0 ? Vector{0.0, 0.0, 1.0} : Vector{1.0, 0.0, 0.0};
    return looking(where, forward, up);
  }

  void neighbours(Index k, std::vector<Index>& out) const override {
    const std::array<Index, 3> here = place(k);
    for (std::size_t c = 0; c < 3; ++c) {
      for (const Index step : {-1, 1}) {
        std::array<Index, 3> there = here;
        there[c] += step;
        const Index other = there[c] < 0 || there[c] >= side_ ? k : number(there);
        if (other < k - 1) {
          out.push_back(other);
        }
      }
    }
    std::sort(out.begin(), out.end());
  }

 private:
  /// Every second row and every second layer is run backwards.
  std::array<Index, 3> place(Index k) const {
    const Index z = k / (side_ * side_);
    Index y = k / side_ % side_;
    Index x = k % side_;
    x = (k / side_) % 2 == 0 ? x : side_ - 1 - x;
    y = z % 2 == 0 ? y : side_ - 1 - y;
    return {x, y, z};
  }
  Index number(const std::array<Index, 3>& at) const {
    const Index row = at[2] * side_ + (at[2] % 2 == 0 ? at[1] : side_ - 1 - at[1]);
    return row * side_ + (row % 2 == 0 ? at[0] : side_ - 1 - at[0]);
  }

  Index poses_;
  Index side_ = 1;
};

/// A walk through streets, in a square whose places are visited about four times.
class Streets final : public Path {
 public:
  explicit Streets(const GeneratedPoseGraph& options) {
    const Index side = 2 + std::llround(0.5 * std::sqrt(static_cast<double>(options.poses)));
    const CounterRandom draw = random(options, Purpose::walk);
    std::vector<Index> latest(static_cast<std::size_t>(side * side), -1);
    Stop here;
    for (Index k = 0; k < options.poses; ++k) {
      here.visited = std::exchange(latest[static_cast<std::size_t>(here.y * side + here.x)], k);
      // A turn is made on the spot; the next step leads on, or back into the square where that ends.
      const double turn = draw.uniform(static_cast<std::uint64_t>(k));
      if (turn < 0.25) {
        here.heading = (here.heading + (turn < 0.125 ? 1 : 3)) % 4;
      }
      while (!inside(ahead(here), side)) {
        here.heading = (here.heading + 1) % 4;
      }
      stops_.push_back(here);
      here = ahead(here);
    }
  }

  Pose pose(Index k) const override {
    const Stop& stop = stops_[static_cast<std::size_t>(k)];
    return {static_cast<double>(stop.x), static_cast<double>(stop.y), 0.5 * pi * stop.heading};
  }

  void neighbours(Index k, std::vector<Index>& out) const override {
    const Index visited = stops_[static_cast<std::size_t>(k)].visited;
    if (visited >= 0 && visited < k - 1) {
      out.push_back(visited);
    }
  }

 private:
  struct Stop {
    Index x = 0;
    Index y = 0;
    int heading = 0;  ///< quarter turns from the x axis
    Index visited = -1;
  };

  static Stop ahead(Stop stop) {
    stop.x += stop.heading == 0 ? 1 : stop.heading == 2 ? -1 : 0;
    stop.y += stop.heading == 1 ? 1 : stop.heading == 3 ? -1 : 0;
    return stop;
  }
  static bool inside(const Stop& stop, Index side) {
    return stop.x >= 0 && stop.y >= 0 && stop.x < side && stop.y < side;
  }

  std::vector<Stop> stops_;
};

std::unique_ptr<Path> path_of(const GeneratedPoseGraph& options) {
  switch (options.shape) {
    case GeneratedPoseGraph::Shape::sphere:
      return std::make_unique<Sphere>(options.poses);
    case GeneratedPoseGraph::Shape::torus:
      return std::make_unique<Torus>(options.poses);
    case GeneratedPoseGraph::Shape::grid:
      break;
  }
  if (options.dimension == 2) {
    return std::make_unique<Streets>(options);
  }
  return std::make_unique<Cube>(options.poses);
}

// ---------------------------------------------------------------------------------------- measurements

bool in_plane(const GeneratedPoseGraph& options) {
  return options.shape == GeneratedPoseGraph::Shape::grid && options.dimension == 2;
}

/// The pose `b` in the frame of `a`.
void relative(bool plane, const double* a, const double* b, double* out) {
  Pose back;
  if (plane) {
    detail::invert_in_plane(a, back.data());
    detail::compose_in_plane(back.data(), b, out);
  } else {
    detail::invert_in_space(a, back.data());
    detail::compose_in_space(back.data(), b, out);
  }
}

/// Rotates by the normal rotation vector `v`, in the frame of the measured pose.
void disturb(double* quaternion, const Vector& v) {
  const double angle = std::hypot(v[0], v[1], v[2]);
  const double scale = angle == 0.0 ? 0.5 : std::sin(0.5 * angle) / angle;
  const double by[4] = {scale * v[0], scale * v[1], scale * v[2], std::cos(0.5 * angle)};
  double out[4];
  detail::multiply_quaternions(quaternion, by, out);
  detail::normalize_quaternion(out);
  std::copy_n(out, 4, quaternion);
}

void measure(const GeneratedPoseGraph& options, Index from, Index to, PoseGraph& graph) {
  const bool plane = in_plane(options);
  const auto edge = static_cast<std::uint64_t>(graph.from.size());
  Pose exact;
  relative(plane, graph.pose_at(from), graph.pose_at(to), exact.data());
  const CounterRandom shift = random(options, Purpose::translation);
  const CounterRandom rotation = random(options, Purpose::rotation);
  const std::array<double, 2> a = shift.normal_pair(2 * edge);
  exact[0] += options.translation * a[0];
  exact[1] += options.translation * a[1];
  const std::array<double, 2> b = rotation.normal_pair(2 * edge);
  if (plane) {
    exact[2] = detail::wrapped_angle(exact[2] + options.rotation * b[0]);
  } else {
    exact[2] += options.translation * shift.normal(2 * edge + 1);
    const double c = rotation.normal(2 * edge + 1);
    disturb(&exact[3], {options.rotation * b[0], options.rotation * b[1], options.rotation * c});
  }
  graph.from.push_back(static_cast<std::int32_t>(from));
  graph.to.push_back(static_cast<std::int32_t>(to));
  graph.measured.insert(graph.measured.end(), exact.data(), exact.data() + graph.pose_size());
  const int size = graph.tangent_size();
  for (int i = 0; i < size; ++i) {
    for (int j = i; j < size; ++j) {
      const double sigma = i < size - (plane ? 1 : 3) ? options.translation : options.rotation;
      graph.information.push_back(i == j ? 1.0 / (sigma * sigma) : 0.0);
    }
  }
}

void refuse_unusable(const GeneratedPoseGraph& options) {
  constexpr Index most = 100000000;
  const auto refuse = [](const std::string& sentence) { throw Error("generated pose graph: " + sentence); };
  if (options.dimension != 2 && options.dimension != 3) {
    refuse("dimension must be 2 or 3, not " + std::to_string(options.dimension));
  }
  if (options.dimension == 2 && options.shape != GeneratedPoseGraph::Shape::grid) {
    refuse("dimension=2 goes with the grid only; sphere and torus lie in space");
  }
  if (options.poses < 20 || options.poses > most) {
    refuse("poses must be from 20 to 100000000, not " + std::to_string(options.poses));
  }
  const auto refuse_sigma = [&](const char* name, double value) {
    if (!(value >= 1e-9 && value <= 1e3)) {
      refuse(std::string(name) + ", the standard deviation of measurements, must be from 1e-9 to 1e3, not " +
             std::to_string(value));
    }
  };
  refuse_sigma("translation", options.translation);
  refuse_sigma("rotation", options.rotation);
  if (!(options.closures >= 0.0 && options.closures <= 1.0)) {
    refuse("closures, a probability, must be from 0 to 1, not " + std::to_string(options.closures));
  }
}

void parse_entry(std::string_view target, std::string_view key, std::string_view text,
                 GeneratedPoseGraph& options) {
  if (key == "dimension") {
    parse_value(target, key, text, options.dimension);
  } else if (key == "poses") {
    parse_value(target, key, text, options.poses);
  } else if (key == "seed") {
    parse_value(target, key, text, options.seed);
  } else if (key == "translation") {
    parse_value(target, key, text, options.translation);
  } else if (key == "rotation") {
    parse_value(target, key, text, options.rotation);
  } else if (key == "closures") {
    parse_value(target, key, text, options.closures);
  } else if (key == "start" && (text == "odometry" || text == "truth")) {
    options.start = text == "truth" ? GeneratedPoseGraph::Start::truth : GeneratedPoseGraph::Start::odometry;
  } else if (key == "start") {
    throw Error(std::string(target) + ": start must be odometry or truth, not '" + std::string(text) + "'");
  } else {
    throw Error(std::string(target) + ": unknown key '" + std::string(key) +
                "'; the keys are dimension, poses, seed, translation, rotation, closures, start");
  }
}

}  // namespace

PoseGraph generate_pose_graph(const GeneratedPoseGraph& options) {
  refuse_unusable(options);
  const std::unique_ptr<Path> path = path_of(options);
  PoseGraph graph;
  graph.space = in_plane(options) ? PoseGraph::Space::plane : PoseGraph::Space::space;
  const auto poses = static_cast<std::size_t>(options.poses);
  const auto size = static_cast<std::size_t>(graph.pose_size());
  graph.id.resize(poses);
  graph.pose.resize(size * poses);
  const Pose origin = path->pose(0);
  for (std::size_t k = 0; k < poses; ++k) {
    graph.id[k] = static_cast<std::int64_t>(k);
    const Pose pose = path->pose(static_cast<Index>(k));
    relative(in_plane(options), origin.data(), pose.data(), &graph.pose[size * k]);
  }
  const CounterRandom closes = random(options, Purpose::closure);
  std::vector<Index> neighbours;
  for (Index k = 1; k < options.poses; ++k) {
    measure(options, k - 1, k, graph);
    neighbours.clear();
    path->neighbours(k, neighbours);
    for (std::size_t i = 0; i < neighbours.size(); ++i) {
      if (closes.uniform(8 * static_cast<std::uint64_t>(k) + i) < options.closures) {
        measure(options, neighbours[i], k, graph);
      }
    }
  }
  if (options.start == GeneratedPoseGraph::Start::odometry) {
    place_along_tree(graph);
  }
  return graph;
}

GeneratedPoseGraph parse_generated_pose_graph(std::string_view target) {
  constexpr std::string_view usage =
      "expected generated/sphere, generated/torus or generated/grid, then ?key=value&key=value...";
  const detail::GeneratedTarget given = detail::split_generated(target, usage);
  GeneratedPoseGraph options;
  if (given.kind == "torus") {
    options.shape = GeneratedPoseGraph::Shape::torus;
  } else if (given.kind == "grid") {
    options.shape = GeneratedPoseGraph::Shape::grid;
  } else if (given.kind != "sphere") {
    throw Error(std::string(target) + ": unknown kind '" + std::string(given.kind) + "'; " +
                std::string(usage));
  }
  for (const auto& [key, value] : given.keys) {
    parse_entry(target, key, value, options);
  }
  try {
    refuse_unusable(options);
  } catch (const Error& error) {
    throw Error(std::string(target) + ": " + error.what());
  }
  return options;
}

PoseGraph load_pose_graph(const std::string& target) {
  if (target.starts_with("generated/")) {
    return generate_pose_graph(parse_generated_pose_graph(target));
  }
  return read_g2o(target);
}

}  // namespace kappa
