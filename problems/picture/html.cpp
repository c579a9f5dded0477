// A picture as one page. Positions are turned so that z is up and what is long lies across the screen, put in
// single precision about a common centre, and thinned out evenly; the page does the rest.
#include <Eigen/Dense>
#include <algorithm>
#include <bit>
#include <cmath>
#include <map>

#include "kappa/options.h"
#include "kappa/random.h"
#include "problems/io/text_file.h"
#include "problems/picture/base64.h"
#include "problems/picture/page.h"
#include "problems/picture/picture.h"
#include "problems/pose_graph/rigid_motion.h"

namespace kappa {

namespace {

constexpr Index most_points = 20000;
constexpr Index most_cameras = 3000;
constexpr Index most_poses = 20000;
constexpr Index most_links = 30000;

using Vector = Eigen::Vector3d;
using Frame = Eigen::Matrix3d;

/// At most `most` of 0 .. count - 1, one from each of as many equal stretches.
std::vector<Index> even_part(Index count, Index most) {
  std::vector<Index> out;
  if (count <= most) {
    for (Index i = 0; i < count; ++i) {
      out.push_back(i);
    }
    return out;
  }
  const CounterRandom draw(1);
  for (Index k = 0; k < most; ++k) {
    const Index begin = k * count / most;
    const Index end = (k + 1) * count / most;
    out.push_back(begin + draw.below(end - begin, static_cast<std::uint64_t>(k)));
  }
  return out;
}

// ------------------------------------------------------------------------------------------------ the view

Vector mean_camera_axis(const Drawing& drawing, const double* axis) {
  Vector sum = Vector::Zero();
  for (std::size_t i = 0; i < drawing.poses.size(); i += 7) {
    double turned[3];
    detail::turn(&drawing.poses[i + 3], 1.0, axis, turned);
    sum += Vector(turned[0], turned[1], turned[2]);
  }
  return sum;
}

/// Rows: across the screen, away from the eye, up. Cameras are held upright, so their mean y axis is up; seen
/// from where the cameras are, across is where the scene is longest.
Frame bundle_frame(const Drawing& drawing, const Extent& within) {
  const double camera_up[3] = {0, 1, 0};
  const double camera_sight[3] = {0, 0, -1};
  Vector up = mean_camera_axis(drawing, camera_up);
  if (!(up.norm() > 0.3 * static_cast<double>(drawing.pose_count()))) {
    up = Vector::UnitZ();
  }
  up.normalize();
  const Vector centre(within.centre.data());
  Frame spread = Frame::Zero();
  for (std::size_t i = 0; i < drawing.points.size(); i += 3) {
    Vector p = Vector(&drawing.points[i]) - centre;
    if (p.norm() <= within.radius) {
      p -= p.dot(up) * up;
      spread += p * p.transpose();
    }
  }
  const Eigen::SelfAdjointEigenSolver<Frame> axes(spread);
  Vector across = axes.eigenvectors().col(2);
  across -= across.dot(up) * up;
  if (!(across.norm() > 1e-6)) {
    across = up.unitOrthogonal();
  }
  across.normalize();
  Vector away = up.cross(across);
  if (away.dot(mean_camera_axis(drawing, camera_sight)) < 0) {
    across = -across;
    away = -away;
  }
  Frame out;
  out << across.transpose(), away.transpose(), up.transpose();
  return out;
}

struct View {
  Frame frame = Frame::Identity();
  Vector centre = Vector::Zero();

  Vector operator()(const double* position) const { return frame * (Vector(position) - centre); }
};

// ------------------------------------------------------------------------------------------------ the data

void append(std::string& out, std::uint32_t word) {
  for (int byte = 0; byte < 4; ++byte) {
    out += static_cast<char>(word >> (8 * byte) & 0xFFu);
  }
}

/// Every `stride` numbers are a position; those at `chosen` are taken.
std::string positions(const std::vector<double>& numbers, Index stride, const std::vector<Index>& chosen,
                      const View& view) {
  std::string bytes;
  bytes.reserve(12 * chosen.size());
  for (const Index i : chosen) {
    const Vector p = view(numbers.data() + stride * i);
    for (Eigen::Index c = 0; c < 3; ++c) {
      append(bytes, std::bit_cast<std::uint32_t>(static_cast<float>(p[c])));
    }
  }
  return detail::base64(bytes);
}

std::string pairs(const std::vector<std::array<Index, 2>>& links) {
  std::string bytes;
  for (const auto& [a, b] : links) {
    append(bytes, static_cast<std::uint32_t>(a));
    append(bytes, static_cast<std::uint32_t>(b));
  }
  return detail::base64(bytes);
}

std::string in_quotes(const std::string& text) {
  return "\"" + text + "\"";
}

std::string view_of(const Drawing& drawing, const View& view) {
  const Extent within = extent(drawing);
  const Vector c = view(within.centre.data());
  return "[[" + to_text(c[0]) + "," + to_text(c[1]) + "," + to_text(c[2]) + "]," + to_text(within.radius) +
         "]";
}

/// What the page draws of the poses: corners and lines.
struct Lines {
  std::string start;
  std::string solution;
  std::vector<std::array<Index, 2>> path;
  std::vector<std::array<Index, 2>> loops;
};

Lines camera_lines(const Picture& picture, const View& view) {
  Lines out;
  std::vector<Index> corners;
  for (const Index camera : even_part(picture.solution.pose_count(), most_cameras)) {
    const auto first = static_cast<Index>(corners.size());
    for (Index c = 0; c < 5; ++c) {
      corners.push_back(5 * camera + c);
    }
    for (Index c = 0; c < 4; ++c) {
      out.path.push_back({first, first + 1 + c});
      out.path.push_back({first + 1 + c, first + 1 + (c + 1) % 4});
    }
  }
  const double size = pyramid_size(picture.solution);
  out.start = positions(camera_pyramids(picture.start, size), 3, corners, view);
  out.solution = positions(camera_pyramids(picture.solution, size), 3, corners, view);
  return out;
}

/// Of a graph with very many poses the path is drawn in longer strides, and loops end at the nearest pose.
Lines graph_lines(const Picture& picture, const View& view) {
  Lines out;
  const Index poses = picture.solution.pose_count();
  const Index stride = (poses + most_poses - 1) / most_poses;
  std::vector<Index> chosen;
  for (Index i = 0; i < poses; i += std::max<Index>(1, stride)) {
    chosen.push_back(i);
  }
  std::vector<std::array<Index, 2>> loops;
  for (const auto& [a, b] : picture.solution.links) {
    const std::array<Index, 2> link = {a / stride, b / stride};
    if (std::abs(a - b) != 1) {
      loops.push_back(link);
    } else if (link[0] != link[1]) {
      out.path.push_back(link);
    }
  }
  for (const Index k : even_part(static_cast<Index>(loops.size()), most_links)) {
    out.loops.push_back(loops[static_cast<std::size_t>(k)]);
  }
  out.start = positions(picture.start.poses, 7, chosen, view);
  out.solution = positions(picture.solution.poses, 7, chosen, view);
  return out;
}

std::string data_object(const Picture& picture) {
  const bool bundle = picture.solution.subject == Drawing::Subject::bundle;
  const bool plane = picture.solution.subject == Drawing::Subject::graph_in_plane;
  const Extent within = extent(picture.solution);
  View view;
  view.centre = Vector(within.centre.data());
  if (bundle) {
    view.frame = bundle_frame(picture.solution, within);
  }
  const std::vector<Index> chosen = even_part(picture.solution.point_count(), most_points);
  const Lines lines = bundle ? camera_lines(picture, view) : graph_lines(picture, view);
  return std::string("{plane:") + (plane ? "true" : "false") + ",bundle:" + (bundle ? "true" : "false") +
         ",views:[" + view_of(picture.start, view) + "," + view_of(picture.solution, view) + "],\npoints:[" +
         in_quotes(positions(picture.start.points, 3, chosen, view)) + ",\n" +
         in_quotes(positions(picture.solution.points, 3, chosen, view)) + "],\nposes:[" +
         in_quotes(lines.start) + ",\n" + in_quotes(lines.solution) +
         "],\npath:" + in_quotes(pairs(lines.path)) + ",loops:" + in_quotes(pairs(lines.loops)) + "}";
}

// ------------------------------------------------------------------------------------------------ the text

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

std::string facts(const Picture& picture) {
  std::string out;
  for (const auto& [name, value] : picture.facts) {
    out += "<div><dt>" + escaped(name) + "</dt><dd>" + escaped(value) + "</dd></div>";
  }
  return out;
}

std::string legend(const Picture& picture) {
  const auto entry = [](const char* id, const char* colour, const std::string& text) {
    return "<label><input type=\"checkbox\" id=\"show-" + std::string(id) +
           "\" checked><i style=\"background:var(--" + colour + ")\"></i>" + text + "</label>";
  };
  const auto counted = [](const char* name, Index all, Index most) {
    return (all > most ? std::to_string(most) + " of " : "") + std::to_string(all) + " " + name;
  };
  const Drawing& drawing = picture.solution;
  if (drawing.subject == Drawing::Subject::bundle) {
    return entry("points", "point", counted("points", drawing.point_count(), most_points)) +
           entry("path", "camera", counted("cameras", drawing.pose_count(), most_cameras));
  }
  const auto loops = std::count_if(drawing.links.begin(), drawing.links.end(),
                                   [](const auto& link) { return std::abs(link[0] - link[1]) != 1; });
  return entry("path", "path", counted("poses", drawing.pose_count(), most_poses)) +
         entry("loops", "loop", counted("loops", loops, most_links)) +
         "<span><i style=\"background:var(--camera)\"></i>first pose</span>";
}

/// The page with its placeholders filled in, each where it stands and nowhere in what fills it.
std::string fill(std::string_view page, const std::map<std::string_view, std::string>& values) {
  std::string out;
  while (true) {
    std::size_t next = std::string_view::npos;
    const std::pair<const std::string_view, std::string>* which = nullptr;
    for (const auto& value : values) {
      const std::size_t at = page.find(value.first);
      if (at < next) {
        next = at;
        which = &value;
      }
    }
    out += page.substr(0, next);
    if (which == nullptr) {
      return out;
    }
    out += which->second;
    page.remove_prefix(next + which->first.size());
  }
}

}  // namespace

std::string html(const Picture& picture) {
  expects(picture.start.subject == picture.solution.subject &&
              picture.start.points.size() == picture.solution.points.size() &&
              picture.start.poses.size() == picture.solution.poses.size(),
          "Picture: start and solution are of one problem");
  const std::string title = escaped(picture.title);
  return fill(detail::page, {{"%TITLE%", title},
                             {"%FACTS%", facts(picture)},
                             {"%LABEL%", "Start and solution of " + title},
                             {"%LEGEND%", legend(picture)},
                             {"%DATA%", data_object(picture)}});
}

void write_html(const Picture& picture, const std::string& path) {
  expects_drawable(picture.start, path);
  expects_drawable(picture.solution, path);
  const std::string page = html(picture);
  detail::CompleteFile file(path);
  file.text(page);
  file.finish();
}

}  // namespace kappa
