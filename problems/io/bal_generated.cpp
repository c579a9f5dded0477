// Generator of synthetic bundle adjustment problems; the scenes are described in bal_generated.h.
//
// The world has z upwards and metres as unit. Orientations are unit quaternions from world to camera; the
// camera has x to the right, y upwards and looks down -z.
#include "problems/io/bal_generated.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>
#include <string>
#include <vector>

#include "core/parallel.h"
#include "kappa/random.h"
#include "problems/io/generated_target.h"

namespace kappa {

using detail::parse_value;

namespace {

using Vector = std::array<double, 3>;
constexpr double pi = std::numbers::pi;

Vector operator+(const Vector& a, const Vector& b) {
  return {a[0] + b[0], a[1] + b[1], a[2] + b[2]};
}
Vector operator-(const Vector& a, const Vector& b) {
  return {a[0] - b[0], a[1] - b[1], a[2] - b[2]};
}
double dot(const Vector& a, const Vector& b) {
  return a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
}

struct Quaternion {
  double w = 1.0;
  double x = 0.0;
  double y = 0.0;
  double z = 0.0;
};

Quaternion operator*(const Quaternion& a, const Quaternion& b) {
  return {a.w * b.w - a.x * b.x - a.y * b.y - a.z * b.z, a.w * b.x + a.x * b.w + a.y * b.z - a.z * b.y,
          a.w * b.y - a.x * b.z + a.y * b.w + a.z * b.x, a.w * b.z + a.x * b.y - a.y * b.x + a.z * b.w};
}

Quaternion inverse(const Quaternion& q) {
  return {q.w, -q.x, -q.y, -q.z};
}
Quaternion about_x(double angle) {
  return {std::cos(0.5 * angle), std::sin(0.5 * angle), 0.0, 0.0};
}
Quaternion about_z(double angle) {
  return {std::cos(0.5 * angle), 0.0, 0.0, std::sin(0.5 * angle)};
}

Quaternion from_rotation_vector(const Vector& v) {
  const double angle = std::sqrt(dot(v, v));
  if (angle == 0.0) {
    return {};
  }
  const double scale = std::sin(0.5 * angle) / angle;
  return {std::cos(0.5 * angle), scale * v[0], scale * v[1], scale * v[2]};
}

/// The rotation vector of length at most pi.
Vector rotation_vector(Quaternion q) {
  if (q.w < 0.0) {
    q = {-q.w, -q.x, -q.y, -q.z};
  }
  const double sine = std::sqrt(q.x * q.x + q.y * q.y + q.z * q.z);
  const double scale = sine == 0.0 ? 2.0 : 2.0 * std::atan2(sine, q.w) / sine;
  return {scale * q.x, scale * q.y, scale * q.z};
}

struct Rotation {
  Vector row[3];

  explicit Rotation(const Quaternion& q)
      : row{{1.0 - 2.0 * (q.y * q.y + q.z * q.z), 2.0 * (q.x * q.y - q.w * q.z),
             2.0 * (q.x * q.z + q.w * q.y)},
            {2.0 * (q.x * q.y + q.w * q.z), 1.0 - 2.0 * (q.x * q.x + q.z * q.z),
             2.0 * (q.y * q.z - q.w * q.x)},
            {2.0 * (q.x * q.z - q.w * q.y), 2.0 * (q.y * q.z + q.w * q.x),
             1.0 - 2.0 * (q.x * q.x + q.y * q.y)}} {}

  Vector operator*(const Vector& v) const { return {dot(row[0], v), dot(row[1], v), dot(row[2], v)}; }
};

/// Looks along (cos yaw, sin yaw, 0), raised by pitch, turned by roll about the line of sight.
struct Direction {
  double yaw = 0.0;
  double pitch = 0.0;
  double roll = 0.0;
};

Quaternion looking(const Direction& d) {
  return inverse(about_z(d.yaw - 0.5 * pi) * about_x(0.5 * pi + d.pitch) * about_z(d.roll));
}

// Half the size of every image in pixels, and how far outside it the lens is still modelled.
constexpr double half_width = 800.0;
constexpr double half_height = 600.0;
constexpr double lens_radius = 1250.0;
constexpr double nearest_depth = 1.5;

struct Camera {
  Quaternion orientation;
  Rotation rotation{Quaternion{}};
  Vector centre{};
  double focal = 0.0;
  double k1 = 0.0;
  double k2 = 0.0;
  /// Probability that the camera takes part in a track which could include it.
  double popularity = 1.0;

  void place(const Quaternion& q, const Vector& where) {
    orientation = q;
    rotation = Rotation(q);
    centre = where;
  }
};

struct Image {
  double u = 0.0;
  double v = 0.0;
  bool visible = false;
};

/// The model of reprojection.h with the rotation as a matrix, and whether the image really shows the point.
Image image(const Camera& camera, const Vector& point) {
  const Vector P = camera.rotation * (point - camera.centre);
  if (P[2] > -nearest_depth) {
    return {};
  }
  const double x = -P[0] / P[2];
  const double y = -P[1] / P[2];
  const double squared_radius = x * x + y * y;
  // Farther out the distortion polynomial folds points back into the image.
  if (camera.focal * camera.focal * squared_radius > lens_radius * lens_radius) {
    return {};
  }
  const double scale = camera.focal * (1.0 + squared_radius * (camera.k1 + squared_radius * camera.k2));
  const double u = scale * x;
  const double v = scale * y;
  return {.u = u, .v = v, .visible = std::fabs(u) <= half_width && std::fabs(v) <= half_height};
}

/// What a stream of random numbers is for; its index is a camera or a point.
enum class Purpose : std::uint64_t {
  camera = 1,
  camera_start,
  point,
  point_start,
  track_length,
  candidate_order,
  candidate_choice,
  noise
};

/// Truth: cameras in order, and for each point its position and the cameras that see it, ascending.
class Scene {
 public:
  explicit Scene(const GeneratedBal& options) : options_(options) {
    cameras_.reserve(static_cast<std::size_t>(options.cameras));
    for (Index i = 0; i < options.cameras; ++i) {
      cameras_.push_back(options.kind == GeneratedBal::Kind::street ? street_camera(i) : tourist_camera(i));
    }
    tail_scale_ = fit_tail();
  }

  const std::vector<Camera>& cameras() const { return cameras_; }
  const Camera& camera(Index i) const { return cameras_[static_cast<std::size_t>(i)]; }

  CounterRandom random(Purpose purpose, Index index) const {
    return CounterRandom(options_.seed,
                         static_cast<std::uint64_t>(purpose) << 40 | static_cast<std::uint64_t>(index));
  }

  /// The true position of point `j`; fills `track`.
  Vector point(Index j, std::vector<std::int32_t>& track) const {
    return options_.kind == GeneratedBal::Kind::street ? street_point(j, track) : tourist_point(j, track);
  }

 private:
  /// The last attempt puts a point where each camera that must see it is certain to.
  static constexpr int attempts = 32;

  Camera any_camera(Index i) const {
    const CounterRandom draw = random(Purpose::camera, i);
    Camera camera;
    const double wide = draw.uniform(0);
    camera.focal =
        options_.kind == GeneratedBal::Kind::street ? 780.0 + 40.0 * wide : 600.0 + 1400.0 * wide * wide;
    // The bend at a given pixel is the same for all focal lengths: at most 8 % and 2 % at 1000 pixels.
    const double f = camera.focal / 1000.0;
    camera.k1 = 0.08 * (2.0 * draw.uniform(1) - 1.0) * f * f;
    camera.k2 = 0.02 * (2.0 * draw.uniform(2) - 1.0) * f * f * f * f;
    const double popular = draw.uniform(3);
    camera.popularity = 0.1 + 0.9 * popular * popular;
    return camera;
  }

  // ------------------------------------------------------------------------------------------ street

  static constexpr double camera_spacing = 1.5;
  static constexpr double road_amplitude = 8.0;
  static constexpr double road_period = 400.0;

  static double road_side(double s) { return road_amplitude * std::sin(2.0 * pi * s / road_period); }
  static double road_yaw(double s) {
    return std::atan(2.0 * pi / road_period * road_amplitude * std::cos(2.0 * pi * s / road_period));
  }

  Camera street_camera(Index i) const {
    const CounterRandom draw = random(Purpose::camera, i);
    Camera camera = any_camera(i);
    const double s = camera_spacing * static_cast<double>(i);
    const double sway = 0.3 * std::sin(2.0 * pi * static_cast<double>(i) / 61.0);
    const std::array<double, 2> a = draw.normal_pair(4);
    const std::array<double, 2> b = draw.normal_pair(5);
    const std::array<double, 2> c = draw.normal_pair(6);
    camera.place(
        looking({.yaw = road_yaw(s) + sway + 0.01 * a[0], .pitch = 0.03 + 0.01 * a[1], .roll = 0.01 * b[0]}),
        {s + 0.05 * b[1], road_side(s) + 0.05 * c[0], 2.0 + 0.05 * c[1]});
    return camera;
  }

  /// Beside the road, ahead of the last camera of its track, which is the same for consecutive points.
  Vector street_point(Index j, std::vector<std::int32_t>& track) const {
    const CounterRandom draw = random(Purpose::point, j);
    const Index last = 1 + j * (options_.cameras - 1) / options_.points;
    const Index length = std::min(street_track(j), last + 1);
    const double s = camera_spacing * static_cast<double>(last);
    Vector point{};
    for (int attempt = 0; attempt <= attempts; ++attempt) {
      const std::uint64_t first = 4 * static_cast<std::uint64_t>(attempt);
      const double spread = 1.0 - static_cast<double>(attempt) / attempts;
      const double offset = 4.0 + 8.0 * draw.uniform(first);
      const double ahead = offset / (0.3 + 0.5 * draw.uniform(first + 1));
      const double side = spread * offset * draw.rademacher(first + 2);
      const double height = 2.0 + spread * (8.0 * draw.uniform(first + 3) - 3.0);
      const double yaw = road_yaw(s);
      point = {s + ahead * std::cos(yaw) - side * std::sin(yaw),
               road_side(s) + ahead * std::sin(yaw) + side * std::cos(yaw), height};
      track.clear();
      for (Index i = last; i > last - length && image(camera(i), point).visible; --i) {
        track.push_back(static_cast<std::int32_t>(i));
      }
      if (track.size() >= 2) {
        break;
      }
    }
    std::reverse(track.begin(), track.end());
    return point;
  }

  /// Geometric from 2 on, by coins instead of a logarithm.
  Index street_track(Index j) const {
    const CounterRandom draw = random(Purpose::track_length, j);
    const double further = (options_.track - 2.0) / (options_.track - 1.0);
    Index length = 2;
    while (length < options_.cameras && draw.uniform(static_cast<std::uint64_t>(length)) < further) {
      ++length;
    }
    return length;
  }

  // ----------------------------------------------------------------------------------------- tourist

  static constexpr double tower_radius = 5.0;
  static constexpr double tower_height = 12.0;
  static constexpr Vector tower_centre = {0.0, 0.0, 0.5 * tower_height};

  Camera tourist_camera(Index i) const {
    const CounterRandom draw = random(Purpose::camera, i);
    Camera camera = any_camera(i);
    const bool crowd = draw.uniform(4) < 0.6;
    const double viewpoint = 2.1 * static_cast<double>(draw.below(3, 5));
    const double azimuth = crowd ? viewpoint + 0.35 * draw.normal(6) : 2.0 * pi * draw.uniform(7);
    // So far away that the tower fills 60 to 110 % of the image.
    const double fill = 0.6 + 0.5 * draw.uniform(8);
    const double distance = 3.0 + 0.5 * tower_height * camera.focal / (half_height * fill);
    const double rise = draw.uniform(9);
    const double height = 1.7 + 8.0 * rise * rise * rise;
    const Vector centre = {distance * std::cos(azimuth), distance * std::sin(azimuth), height};
    const std::array<double, 2> aim = draw.normal_pair(10);
    const Vector target = tower_centre + Vector{0.5 * aim[0], 0.5 * aim[0], 0.5 * aim[1]};
    const Vector sight = target - centre;
    camera.place(looking({.yaw = std::atan2(sight[1], sight[0]),
                          .pitch = std::atan2(sight[2], std::hypot(sight[0], sight[1])),
                          .roll = 0.03 * draw.normal(11)}),
                 centre);
    return camera;
  }

  /// On the wall of the tower, on the side of camera j mod cameras, so that each camera has its share.
  Vector tourist_point(Index j, std::vector<std::int32_t>& track) const {
    const CounterRandom draw = random(Purpose::point, j);
    const Index anchor = j % options_.cameras;
    const double towards = std::atan2(camera(anchor).centre[1], camera(anchor).centre[0]);
    const Index length = tourist_track(j);
    Vector point{};
    for (int attempt = 0; attempt <= attempts; ++attempt) {
      const std::uint64_t first = 4 * static_cast<std::uint64_t>(attempt);
      const double spread = 1.0 - static_cast<double>(attempt) / attempts;
      const double azimuth = towards + 2.0 * draw.uniform(first) - 1.0;
      const double radius = spread * tower_radius * (1.0 + 0.03 * draw.normal(first + 1));
      const Vector outwards = {std::cos(azimuth), std::sin(azimuth), 0.0};
      point = tower_centre + Vector{radius * outwards[0], radius * outwards[1],
                                    spread * tower_height * (draw.uniform(first + 2) - 0.5)};
      track.clear();
      if (image(camera(anchor), point).visible) {
        track.push_back(static_cast<std::int32_t>(anchor));
        fill_track(j, point, outwards, length, track);
      }
      if (track.size() >= 2) {
        break;
      }
    }
    std::sort(track.begin(), track.end());
    return point;
  }

  /// Candidates come in an order of the point's own; each is asked whether it sees the wall from outside and
  /// was popular enough, and asked again when the order is exhausted. A point that finds nobody takes the
  /// first one that can see it at all.
  void fill_track(Index j, const Vector& point, const Vector& outwards, Index length,
                  std::vector<std::int32_t>& track) const {
    const auto anchor = track.front();
    const CounterRandom choice = random(Purpose::candidate_choice, j);
    const Permutation order(random(Purpose::candidate_order, j), 0, options_.cameras);
    // Short tracks are found long before; long ones may exceed the number of cameras on that side.
    const Index limit = 64 + 24 * length;
    for (Index k = 0; k < limit && static_cast<Index>(track.size()) < length; ++k) {
      const auto i = static_cast<std::int32_t>(order(k % options_.cameras));
      const Camera& candidate = camera(i);
      if (i != anchor && dot(outwards, candidate.centre - point) > 0.0 &&
          choice.uniform(static_cast<std::uint64_t>(k)) < candidate.popularity &&
          image(candidate, point).visible &&
          (k < options_.cameras || std::find(track.begin(), track.end(), i) == track.end())) {
        track.push_back(i);
      }
    }
    for (Index k = 0; k < options_.cameras && track.size() < 2; ++k) {
      const Index i = order(k);
      if (i != anchor && image(camera(i), point).visible) {
        track.push_back(static_cast<std::int32_t>(i));
      }
    }
  }

  /// 2 + floor(x) with P(x >= k) = (s / (s + k))^2: a heavy tail by square roots, which round correctly
  /// everywhere.
  Index tourist_track(Index j) const {
    const double u = 1.0 - random(Purpose::track_length, j).uniform(0);
    const double excess = tail_scale_ * (1.0 / std::sqrt(u) - 1.0);
    return 2 + static_cast<Index>(std::min(excess, static_cast<double>(options_.cameras - 2)));
  }

  /// The scale s at which the mean of the truncated track is the one asked for, by bisection.
  double fit_tail() const {
    const Index longest = options_.cameras - 2;
    const double wanted = std::min(options_.track - 2.0, 0.9 * static_cast<double>(longest));
    const auto mean = [&](double s) {
      double sum = 0.0;
      for (Index k = 1; k <= longest; ++k) {
        const double ratio = s / (s + static_cast<double>(k));
        sum += ratio * ratio;
      }
      return sum;
    };
    double below = 0.0;
    double above = 1.0;
    while (mean(above) < wanted) {
      above *= 2.0;
    }
    for (int step = 0; step < 40; ++step) {
      const double middle = 0.5 * (below + above);
      (mean(middle) < wanted ? below : above) = middle;
    }
    return 0.5 * (below + above);
  }

  GeneratedBal options_;
  std::vector<Camera> cameras_;
  double tail_scale_ = 0.0;
};

/// Writes the nine initial values of a camera.
void place_camera(const GeneratedBal& options, const Scene& scene, Index i, double* out) {
  const Camera& truth = scene.camera(i);
  const CounterRandom draw = scene.random(Purpose::camera_start, i);
  const std::array<double, 2> a = draw.normal_pair(0);
  const std::array<double, 2> b = draw.normal_pair(1);
  const std::array<double, 2> c = draw.normal_pair(2);
  // The camera turns about its own centre: turning it about the origin of the world would throw the far end
  // of a long road out of every image.
  const double rotation = options.rotation;
  const double shift = options.translation;
  const Quaternion turned =
      from_rotation_vector({rotation * a[0], rotation * a[1], rotation * b[0]}) * truth.orientation;
  const Vector centre = truth.centre + Vector{shift * b[1], shift * c[0], shift * c[1]};
  const Vector angle_axis = rotation_vector(turned);
  const Vector minus_translation = Rotation(turned) * centre;
  const double known = 1.0 - options.distortion;
  const std::array<double, 9> values = {angle_axis[0],
                                        angle_axis[1],
                                        angle_axis[2],
                                        -minus_translation[0],
                                        -minus_translation[1],
                                        -minus_translation[2],
                                        truth.focal * std::exp(options.focal * draw.normal(3)),
                                        known * truth.k1,
                                        known * truth.k2};
  std::copy(values.begin(), values.end(), out);
}

/// Observations of consecutive points.
struct Observations {
  std::vector<std::int32_t> camera_index;
  std::vector<std::int32_t> point_index;
  std::vector<double> observed;
  std::vector<std::int32_t> track;  ///< of the point at hand
};

/// Adds the observations of point `j` and writes its three initial values.
void observe(const GeneratedBal& options, const Scene& scene, Index j, Observations& to, double* out) {
  const Vector point = scene.point(j, to.track);
  const CounterRandom noise = scene.random(Purpose::noise, j);
  for (const std::int32_t i : to.track) {
    const Image exact = image(scene.camera(i), point);
    const std::array<double, 2> error = noise.normal_pair(static_cast<std::uint64_t>(i));
    to.camera_index.push_back(i);
    to.point_index.push_back(static_cast<std::int32_t>(j));
    to.observed.push_back(exact.u + options.noise * error[0]);
    to.observed.push_back(exact.v + options.noise * error[1]);
  }
  const CounterRandom draw = scene.random(Purpose::point_start, j);
  const std::array<double, 2> a = draw.normal_pair(0);
  out[0] = point[0] + options.point * a[0];
  out[1] = point[1] + options.point * a[1];
  out[2] = point[2] + options.point * draw.normal(1);
}

/// Moves all parts into the problem, in order; each is freed as soon as it is there.
void join(std::vector<Observations>& parts, BalProblem& problem) {
  std::size_t total = 0;
  for (const Observations& part : parts) {
    total += part.camera_index.size();
  }
  problem.observations = static_cast<Index>(total);
  problem.camera_index.reserve(total);
  problem.point_index.reserve(total);
  problem.observed.reserve(2 * total);
  for (Observations& part : parts) {
    problem.camera_index.insert(problem.camera_index.end(), part.camera_index.begin(),
                                part.camera_index.end());
    problem.point_index.insert(problem.point_index.end(), part.point_index.begin(), part.point_index.end());
    problem.observed.insert(problem.observed.end(), part.observed.begin(), part.observed.end());
    part = {};
  }
}

void refuse_unusable(const GeneratedBal& options) {
  // Far above any real problem, and far below what 32-bit indices and memory could not hold.
  constexpr Index most_cameras = 1000000;
  constexpr Index most_points = 1000000000;
  if (options.cameras < 2 || options.cameras > most_cameras) {
    throw Error("generated bundle adjustment: cameras must be from 2 to 1000000, not " +
                std::to_string(options.cameras));
  }
  if (options.points < 10 * options.cameras || options.points > most_points) {
    throw Error("generated bundle adjustment: points must be from 10 for each camera (here " +
                std::to_string(10 * options.cameras) + ") to 1000000000, not " +
                std::to_string(options.points));
  }
  if (!(options.track >= 2.0 && options.track <= 1000.0)) {
    throw Error(
        "generated bundle adjustment: track, the mean number of cameras that see a point, must be from 2 "
        "to 1000, not " +
        std::to_string(options.track));
  }
  const auto refuse_sigma = [](const char* name, double value) {
    if (!(value >= 0.0 && value < infinity)) {
      throw Error(std::string("generated bundle adjustment: ") + name +
                  ", a standard deviation, must be finite and not negative, not " + std::to_string(value));
    }
  };
  refuse_sigma("noise", options.noise);
  refuse_sigma("rotation", options.rotation);
  refuse_sigma("translation", options.translation);
  refuse_sigma("point", options.point);
  if (!(options.focal >= 0.0 && options.focal <= 0.5)) {
    throw Error(
        "generated bundle adjustment: focal, a relative standard deviation, must be from 0 to 0.5, not " +
        std::to_string(options.focal));
  }
  if (!(options.distortion >= 0.0 && options.distortion <= 1.0)) {
    throw Error("generated bundle adjustment: distortion must be from 0 (known) to 1 (unknown), not " +
                std::to_string(options.distortion));
  }
}

void parse_entry(std::string_view target, std::string_view key, std::string_view text,
                 GeneratedBal& options) {
  if (key == "cameras") {
    parse_value(target, key, text, options.cameras);
  } else if (key == "points") {
    parse_value(target, key, text, options.points);
  } else if (key == "seed") {
    parse_value(target, key, text, options.seed);
  } else if (key == "track") {
    parse_value(target, key, text, options.track);
  } else if (key == "noise") {
    parse_value(target, key, text, options.noise);
  } else if (key == "rotation") {
    parse_value(target, key, text, options.rotation);
  } else if (key == "translation") {
    parse_value(target, key, text, options.translation);
  } else if (key == "point") {
    parse_value(target, key, text, options.point);
  } else if (key == "focal") {
    parse_value(target, key, text, options.focal);
  } else if (key == "distortion") {
    parse_value(target, key, text, options.distortion);
  } else {
    throw Error(std::string(target) + ": unknown key '" + std::string(key) +
                "'; the keys are cameras, points, seed, track, noise, rotation, translation, point, "
                "focal, distortion");
  }
}

}  // namespace

BalProblem generate_bal(const GeneratedBal& options) {
  refuse_unusable(options);
  const Scene scene(options);
  // A point costs about a thousand multiply-adds, most of them to find who sees it.
  constexpr double work = 1000;
  const detail::Partition partition{.items = options.points, .size = 2048};
  std::vector<Observations> parts(static_cast<std::size_t>(partition.chunks()));
  BalProblem problem;
  problem.cameras = options.cameras;
  problem.points = options.points;
  problem.parameters.resize(static_cast<std::size_t>(problem.point_offset(options.points)));
  for (Index i = 0; i < options.cameras; ++i) {
    place_camera(options, scene, i, &problem.parameters[static_cast<std::size_t>(problem.camera_offset(i))]);
  }
  detail::for_each_chunk(partition.chunks(), work * static_cast<double>(options.points), [&](Index chunk) {
    for (Index j = partition.begin(chunk); j < partition.end(chunk); ++j) {
      observe(options, scene, j, parts[static_cast<std::size_t>(chunk)],
              &problem.parameters[static_cast<std::size_t>(problem.point_offset(j))]);
    }
  });
  join(parts, problem);
  return problem;
}

GeneratedBal parse_generated_bal(std::string_view target) {
  constexpr std::string_view usage =
      "expected generated/street or generated/tourist, then ?key=value&key=value...";
  const detail::GeneratedTarget given = detail::split_generated(target, usage);
  GeneratedBal options;
  if (given.kind == "tourist") {
    options.kind = GeneratedBal::Kind::tourist;
  } else if (given.kind != "street") {
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

}  // namespace kappa
