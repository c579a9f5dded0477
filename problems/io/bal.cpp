// Reader and writer of Bundle Adjustment in the Large; the format is described in bal.h.
#include "problems/io/bal.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <limits>
#include <memory>
#include <string_view>

#include "problems/io/bal_generated.h"
#include "problems/io/text_file.h"

namespace kappa {

using detail::CompleteFile;
using detail::open_to_read;
using detail::OpenFile;
using detail::refuse_binary;
using detail::Text;

namespace {

constexpr const char* expected_file = "a file of the Bundle Adjustment in the Large data set";
constexpr const char* at_end =
    "but the file ends here; it is cut short, or the counts in its first line are wrong";

struct Counts {
  Index cameras = 0;
  Index points = 0;
  Index observations = 0;
};

/// The first line; leaves the text behind it.
Counts read_header(Text& text) {
  constexpr Index most = std::numeric_limits<std::int32_t>::max();
  const char* const names[3] = {"the number of cameras", "the number of points",
                                "the number of observations"};
  Index value[3] = {};
  text.skip_space();
  for (int i = 0; i < 3; ++i) {
    if (!text.more_on_this_line()) {
      text.fail(
          std::string("expected three positive integers in one line (cameras, points, observations), but ") +
          names[i] + " is missing");
    }
    value[i] = text.integer(1, most, [&] {
      return "the line of three positive integers (cameras, points, observations) to hold " +
             std::string(names[i]);
    });
  }
  if (text.more_on_this_line()) {
    text.fail("expected three positive integers alone in their line, " + text.found() + " after them");
  }
  return {.cameras = value[0], .points = value[1], .observations = value[2]};
}

/// Counts that the rest of the file cannot hold, or cannot fill, are refused before memory is asked for.
void compare_with_size(const std::string& path, const Counts& counts, std::uintmax_t size) {
  const auto cameras = static_cast<std::uintmax_t>(counts.cameras);
  const auto points = static_cast<std::uintmax_t>(counts.points);
  const auto observations = static_cast<std::uintmax_t>(counts.observations);
  const std::uintmax_t values = 9 * cameras + 3 * points;
  // "0 0 0 0\n" and "0\n"; the last end of line may be absent.
  const std::uintmax_t least = 8 * observations + 2 * values - 1;
  // No way to write a double takes more; far above it, most of the file is something else.
  const std::uintmax_t most = 1024 * (4 * observations + values) + 65536;
  if (size >= least && size <= most) {
    return;
  }
  throw Error(path + ":1: expected " +
              (size < least ? "at least " + std::to_string(least) : "at most " + std::to_string(most)) +
              " bytes for " + std::to_string(cameras) + " cameras, " + std::to_string(points) +
              " points and " + std::to_string(observations) + " observations, found " + std::to_string(size) +
              "; the file is " + (size < least ? "cut short" : "padded with something else") +
              ", or its first line is wrong");
}

void read_observations(Text& text, BalProblem& problem) {
  const auto of = [](const char* what, Index k) { return what + (" of observation " + std::to_string(k)); };
  for (Index k = 0; k < problem.observations; ++k) {
    const Index camera = text.integer(0, problem.cameras - 1, [&] { return of("the camera", k); });
    const Index point = text.integer(0, problem.points - 1, [&] { return of("the point", k); });
    problem.camera_index.push_back(static_cast<std::int32_t>(camera));
    problem.point_index.push_back(static_cast<std::int32_t>(point));
    problem.observed.push_back(text.real([&] { return of("the coordinate u", k); }));
    problem.observed.push_back(text.real([&] { return of("the coordinate v", k); }));
  }
}

void read_parameters(Text& text, BalProblem& problem) {
  const auto block = [&](const char* name, Index count, Index size) {
    for (Index i = 0; i < count; ++i) {
      for (Index c = 0; c < size; ++c) {
        problem.parameters.push_back(text.real([&] {
          return "number " + std::to_string(c + 1) + " of " + std::to_string(size) + " of " + name + " " +
                 std::to_string(i);
        }));
      }
    }
  };
  block("camera", problem.cameras, BalProblem::camera_size);
  block("point", problem.points, BalProblem::point_size);
}

void finish(Text& text) {
  text.skip_space();
  if (!text.ended()) {
    text.fail("expected the end of the file after the last point, " + text.found() +
              "; the counts in the first line and the rest of the file do not belong together");
  }
}

void expects_consistent(const BalProblem& problem) {
  const auto count = [](const auto& container) { return static_cast<Index>(container.size()); };
  expects(problem.cameras >= 0 && problem.points >= 0 && problem.observations >= 0,
          "BalProblem: counts must not be negative");
  expects(count(problem.camera_index) == problem.observations &&
              count(problem.point_index) == problem.observations,
          "BalProblem: one camera index and one point index for each observation");
  expects(count(problem.observed) == 2 * problem.observations,
          "BalProblem: two coordinates for each observation");
  expects(count(problem.parameters) == problem.point_offset(problem.points),
          "BalProblem: nine parameters for each camera and three for each point");
}

void refuse_non_finite(const std::vector<double>& values, const std::string& path, const char* what) {
  const auto bad =
      std::find_if(values.begin(), values.end(), [](double value) { return !std::isfinite(value); });
  if (bad != values.end()) {
    throw Error(path + ": not written, because number " + std::to_string(bad - values.begin()) + " of the " +
                what + " is not finite");
  }
}

}  // namespace

BalCoverage coverage(const BalProblem& problem) {
  expects_consistent(problem);
  std::vector<Index> of_camera(static_cast<std::size_t>(problem.cameras), 0);
  std::vector<Index> of_point(static_cast<std::size_t>(problem.points), 0);
  for (std::size_t k = 0; k < problem.camera_index.size(); ++k) {
    ++of_camera[static_cast<std::size_t>(problem.camera_index[k])];
    ++of_point[static_cast<std::size_t>(problem.point_index[k])];
  }
  const auto fewest = [](const std::vector<Index>& counts) {
    return counts.empty() ? 0 : *std::min_element(counts.begin(), counts.end());
  };
  return {.cameras_unseeing = std::count(of_camera.begin(), of_camera.end(), 0),
          .points_unseen = std::count(of_point.begin(), of_point.end(), 0),
          .points_seen_once = std::count(of_point.begin(), of_point.end(), 1),
          .fewest_per_camera = fewest(of_camera),
          .fewest_per_point = fewest(of_point)};
}

BalProblem parse_bal(std::string_view text, const std::string& name) {
  if (text.empty()) {
    throw Error(
        name + ":1: expected three positive integers (cameras, points, observations), but the file is empty");
  }
  Text input({.path = name, .at_end = at_end}, text);
  const Counts counts = read_header(input);
  compare_with_size(name, counts, text.size() - input.consumed());
  BalProblem problem;
  problem.cameras = counts.cameras;
  problem.points = counts.points;
  problem.observations = counts.observations;
  problem.camera_index.reserve(static_cast<std::size_t>(counts.observations));
  problem.point_index.reserve(static_cast<std::size_t>(counts.observations));
  problem.observed.reserve(static_cast<std::size_t>(2 * counts.observations));
  problem.parameters.reserve(static_cast<std::size_t>(problem.point_offset(counts.points)));
  read_observations(input, problem);
  read_parameters(input, problem);
  finish(input);
  return problem;
}

BalProblem read_bal(const std::string& path) {
  const OpenFile source = open_to_read(path, expected_file);
  // The beginning alone decides whether the rest is worth reading.
  std::array<char, 4096> head;
  const std::size_t known = std::fread(head.data(), 1, head.size(), source.file.get());
  refuse_binary(path, {head.data(), known}, "text that begins with three positive integers");
  if (known < head.size()) {
    return parse_bal({head.data(), known}, path);
  }
  Text beginning({.path = path, .at_end = at_end}, {head.data(), known});
  const Counts counts = read_header(beginning);
  compare_with_size(path, counts, source.size - std::min<std::uintmax_t>(source.size, beginning.consumed()));

  const std::size_t size = std::max(known, static_cast<std::size_t>(source.size));
  const auto buffer = std::make_unique_for_overwrite<char[]>(size);
  std::memcpy(buffer.get(), head.data(), known);
  const std::size_t rest = std::fread(buffer.get() + known, 1, size - known, source.file.get());
  if (rest != size - known && std::ferror(source.file.get()) != 0) {
    throw Error(path + ": cannot be read to its end: " + std::strerror(errno));
  }
  return parse_bal({buffer.get(), known + rest}, path);
}

void write_bal(const BalProblem& problem, const std::string& path) {
  expects_consistent(problem);
  refuse_non_finite(problem.observed, path, "observed coordinates");
  refuse_non_finite(problem.parameters, path, "parameters");
  CompleteFile file(path);
  file.integer(problem.cameras, ' ');
  file.integer(problem.points, ' ');
  file.integer(problem.observations, '\n');
  for (std::size_t k = 0; k < problem.camera_index.size(); ++k) {
    file.integer(problem.camera_index[k], ' ');
    file.integer(problem.point_index[k], ' ');
    file.real(problem.observed[2 * k], ' ');
    file.real(problem.observed[2 * k + 1], '\n');
  }
  for (const double value : problem.parameters) {
    file.real(value, '\n');
  }
  file.finish();
}

BalProblem load_bal(const std::string& target) {
  if (target.starts_with("generated/")) {
    return generate_bal(parse_generated_bal(target));
  }
  return read_bal(target);
}

}  // namespace kappa
