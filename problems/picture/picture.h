// Pictures of a solve as files.
//
//   PATH.html   start and solution in one page without any other file: drag to turn, pinch or scroll to come
//               nearer, a slider from start to solution; light and dark, on a desk and on a phone. Beyond
//               20000 points, 3000 cameras, 20000 poses and 30000 links it shows an even part of them, the
//               same one each time.
//   PATH.ply    everything at one point x, binary little endian, for mesh viewers: points grey, cameras as
//               green pyramids, poses blue with their path blue and their loops orange.
//
// Both appear under their name only when complete.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "problems/picture/drawing.h"

namespace kappa {

struct Picture {
  std::string title;
  /// Name and value of what is to be told beside the picture.
  std::vector<std::pair<std::string, std::string>> facts{};
  Drawing start;
  /// Of the same problem.
  Drawing solution;
};

/// Throws Error if the file cannot be written or a position is not finite.
void write_html(const Picture& picture, const std::string& path);

/// The page that write_html writes.
std::string html(const Picture& picture);

/// Throws Error if the file cannot be written or a position is not finite.
void write_ply(const Drawing& drawing, const std::string& path);

}  // namespace kappa
