// Drawings as PLY files: a header in ASCII, then the numbers as they lie in memory of a little-endian
// machine.
#include <bit>
#include <cmath>
#include <cstring>

#include "problems/io/text_file.h"
#include "problems/picture/picture.h"

namespace kappa {

namespace {

using Colour = std::array<unsigned char, 3>;
constexpr Colour grey = {225, 225, 225};
constexpr Colour green = {60, 200, 90};
constexpr Colour blue = {70, 130, 230};
constexpr Colour orange = {240, 150, 50};

template <class Word>
void append(std::string& out, Word word) {
  for (std::size_t byte = 0; byte < sizeof(Word); ++byte) {
    out += static_cast<char>(word >> (8 * byte) & 0xFFu);
  }
}

std::string vertex(const double* position, const Colour& colour) {
  std::string out;
  for (int c = 0; c < 3; ++c) {
    append(out, std::bit_cast<std::uint32_t>(static_cast<float>(position[c])));
  }
  out.append(colour.begin(), colour.end());
  return out;
}

std::string edge(Index a, Index b, const Colour& colour) {
  std::string out;
  append(out, static_cast<std::uint32_t>(a));
  append(out, static_cast<std::uint32_t>(b));
  out.append(colour.begin(), colour.end());
  return out;
}

std::string header(Index vertices, Index edges) {
  const std::string colours = "property uchar red\nproperty uchar green\nproperty uchar blue\n";
  return "ply\nformat binary_little_endian 1.0\ncomment written by kappa\nelement vertex " +
         std::to_string(vertices) + "\nproperty float x\nproperty float y\nproperty float z\n" + colours +
         "element edge " + std::to_string(edges) + "\nproperty int vertex1\nproperty int vertex2\n" +
         colours + "end_header\n";
}

/// A pyramid has five corners: every one of the image is tied to the centre and to the next one.
void write_bundle(const Drawing& drawing, detail::CompleteFile& file) {
  const Index points = drawing.point_count();
  const Index cameras = drawing.pose_count();
  file.text(header(points + 5 * cameras, 8 * cameras));
  for (Index j = 0; j < points; ++j) {
    file.text(vertex(drawing.points.data() + 3 * j, grey));
  }
  const std::vector<double> corners = camera_pyramids(drawing, pyramid_size(drawing));
  for (std::size_t k = 0; k < corners.size(); k += 3) {
    file.text(vertex(&corners[k], green));
  }
  for (Index i = 0; i < cameras; ++i) {
    const Index centre = points + 5 * i;
    for (Index c = 0; c < 4; ++c) {
      file.text(edge(centre, centre + 1 + c, green));
      file.text(edge(centre + 1 + c, centre + 1 + (c + 1) % 4, green));
    }
  }
}

void write_graph(const Drawing& drawing, detail::CompleteFile& file) {
  file.text(header(drawing.pose_count(), static_cast<Index>(drawing.links.size())));
  for (std::size_t i = 0; i < drawing.poses.size(); i += 7) {
    file.text(vertex(&drawing.poses[i], blue));
  }
  for (const auto& [a, b] : drawing.links) {
    file.text(edge(a, b, std::abs(a - b) == 1 ? blue : orange));
  }
}

}  // namespace

void write_ply(const Drawing& drawing, const std::string& path) {
  expects_drawable(drawing, path);
  detail::CompleteFile file(path);
  if (drawing.subject == Drawing::Subject::bundle) {
    write_bundle(drawing, file);
  } else {
    write_graph(drawing, file);
  }
  file.finish();
}

}  // namespace kappa
