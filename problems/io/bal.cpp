// Reader and writer of Bundle Adjustment in the Large; the format is described in bal.h.
#include "problems/io/bal.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <limits>
#include <memory>
#include <random>
#include <string_view>
#include <system_error>

#include "kappa/rotation.h"
#include "problems/io/bal_generated.h"

namespace kappa {

namespace {

struct CloseFile {
  void operator()(std::FILE* file) const { std::fclose(file); }
};
using File = std::unique_ptr<std::FILE, CloseFile>;

bool is_space(char c) {
  return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

/// The sequence of bytes at `at` as it may be shown to a reader: short, and printable.
std::string quoted(const char* at, const char* end) {
  std::string shown = "'";
  const char* const limit = end - at > 24 ? at + 24 : end;
  const char* p = at;
  for (; p != limit && !is_space(*p); ++p) {
    shown += *p >= ' ' && *p <= '~' ? *p : '?';
  }
  return shown + (p == limit && p != end ? "...'" : "'");
}

/// The text of a file with a position in it. Lines are counted only when an error has to name one.
class Text {
 public:
  Text(const std::string& path, const char* begin, const char* end)
      : path_(path), begin_(begin), at_(begin), end_(end) {}

  [[noreturn]] void fail(const std::string& sentence) const {
    const auto line = std::count(begin_, at_, '\n') + 1;
    throw Error(path_ + ":" + std::to_string(line) + ": " + sentence);
  }

  /// The next number, which must be in first .. last; `expected` puts what it is into words.
  template <class Describe>
  Index integer(Index first, Index last, const Describe& expected) {
    skip_space();
    Index value = 0;
    const auto [stop, problem] = std::from_chars(at_, end_, value);
    const bool overflow = problem == std::errc::result_out_of_range;
    if ((problem != std::errc{} && !overflow) || !ends_token(stop)) {
      fail("expected " + expected() + ", an integer, " + found());
    }
    if (overflow || value < first || value > last) {
      fail("expected " + expected() + ", an integer from " + std::to_string(first) + " to " +
           std::to_string(last) + ", " + found());
    }
    at_ = stop;
    return value;
  }

  template <class Describe>
  double real(const Describe& expected) {
    skip_space();
    const char* const start = at_ != end_ && *at_ == '+' && end_ - at_ > 1 && at_[1] != '-' ? at_ + 1 : at_;
    double value = 0.0;
    const auto [stop, problem] = std::from_chars(start, end_, value);
    if (problem == std::errc::result_out_of_range) {
      fail("expected " + expected() + " in the range of a double, " + found());
    }
    if (problem != std::errc{} || !ends_token(stop)) {
      fail("expected " + expected() + ", a number, " + found());
    }
    if (!std::isfinite(value)) {
      fail("expected " + expected() + ", a finite number, " + found());
    }
    at_ = stop;
    return value;
  }

  void finish() {
    skip_space();
    if (at_ != end_) {
      fail("expected the end of the file after the last point, " + found() +
           "; the counts in the first line and the rest of the file do not belong together");
    }
  }

  std::string found() const {
    return at_ == end_ ? "but the file ends here; it is cut short, or the counts in its first line are wrong"
                       : "found " + quoted(at_, end_);
  }

  void skip_space() {
    while (at_ != end_ && is_space(*at_)) {
      ++at_;
    }
  }
  bool more_on_this_line() {
    while (at_ != end_ && is_space(*at_) && *at_ != '\n') {
      ++at_;
    }
    return at_ != end_ && *at_ != '\n';
  }
  const char* position() const { return at_; }

 private:
  bool ends_token(const char* p) const { return p == end_ || is_space(*p); }

  const std::string& path_;
  const char* begin_;
  const char* at_;
  const char* end_;
};

std::string reason() {
  return std::strerror(errno);
}

void refuse_compressed(const std::string& path, std::string_view head) {
  const auto starts = [&](std::string_view magic) { return head.substr(0, magic.size()) == magic; };
  if (starts("\x1f\x8b")) {
    throw Error(path + ": is compressed by gzip; decompress it first (gunzip)");
  }
  if (starts("BZh")) {
    throw Error(path + ": is compressed by bzip2; decompress it first (bunzip2)");
  }
  if (starts("\xFD"
             "7zXZ") ||
      starts("\x28\xB5\x2F\xFD") || starts("PK\x03\x04")) {
    throw Error(path + ": is an archive or compressed (xz, zstd or zip); decompress it first");
  }
  if (head.find('\0') != std::string_view::npos) {
    throw Error(path + ":1: expected text that begins with three positive integers, found zero bytes");
  }
}

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

/// A file that gets its name when it is complete, so that nobody ever sees a part of it.
class CompleteFile {
 public:
  explicit CompleteFile(const std::string& path) : path_(path), temporary_(path + ".part-" + unique()) {
    file_.reset(std::fopen(temporary_.c_str(), "wb"));
    if (!file_) {
      throw Error(path_ + ": cannot be written: " + reason());
    }
    buffer_.reserve(flush_at + 256);
  }
  CompleteFile(const CompleteFile&) = delete;
  CompleteFile& operator=(const CompleteFile&) = delete;

  ~CompleteFile() {
    file_.reset();
    if (!temporary_.empty()) {
      std::error_code ignored;
      std::filesystem::remove(temporary_, ignored);
    }
  }

  void text(std::string_view piece) {
    buffer_ += piece;
    if (buffer_.size() >= flush_at) {
      flush();
    }
  }
  void integer(Index value, char after) {
    std::array<char, 32> digits;
    char* const end = std::to_chars(digits.data(), digits.data() + digits.size() - 1, value).ptr;
    *end = after;
    text({digits.data(), static_cast<std::size_t>(end + 1 - digits.data())});
  }
  void real(double value, int significant_digits, char after) {
    std::array<char, 40> digits;
    char* const end = std::to_chars(digits.data(), digits.data() + digits.size() - 1, value,
                                    std::chars_format::general, significant_digits)
                          .ptr;
    *end = after;
    text({digits.data(), static_cast<std::size_t>(end + 1 - digits.data())});
  }

  void finish() {
    flush();
    if (std::fclose(file_.release()) != 0) {
      throw Error(path_ + ": cannot be written completely: " + reason());
    }
    std::error_code problem;
    std::filesystem::rename(temporary_, path_, problem);
    if (problem) {
      throw Error(path_ + ": cannot be given its name: " + problem.message());
    }
    temporary_.clear();
  }

 private:
  static constexpr std::size_t flush_at = 1 << 16;

  /// Two writers of one path must not share a temporary file.
  static std::string unique() {
    std::random_device device;
    return std::to_string(device()) + std::to_string(device());
  }

  void flush() {
    if (std::fwrite(buffer_.data(), 1, buffer_.size(), file_.get()) != buffer_.size()) {
      throw Error(path_ + ": cannot be written completely: " + reason());
    }
    buffer_.clear();
  }

  std::string path_;
  std::string temporary_;
  File file_;
  std::string buffer_;
};

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

BalProblem read_bal(const std::string& path) {
  std::error_code problem_with_file;
  const std::filesystem::file_status status = std::filesystem::status(path, problem_with_file);
  if (!std::filesystem::exists(status)) {
    throw Error(path + ": cannot be read: " +
                (problem_with_file ? problem_with_file.message() : std::string("no such file")) +
                "; expected a file of the Bundle Adjustment in the Large data set");
  }
  if (!std::filesystem::is_regular_file(status)) {
    throw Error(path + ": is " +
                (std::filesystem::is_directory(status) ? "a directory" : "not a regular file") +
                "; expected a file of the Bundle Adjustment in the Large data set");
  }
  const std::uintmax_t size = std::filesystem::file_size(path, problem_with_file);
  const File file(std::fopen(path.c_str(), "rb"));
  if (problem_with_file || !file) {
    throw Error(path + ": cannot be read: " + (problem_with_file ? problem_with_file.message() : reason()));
  }

  // The beginning alone decides whether the rest is worth reading.
  std::array<char, 4096> head;
  const std::size_t head_size = std::fread(head.data(), 1, head.size(), file.get());
  if (head_size == 0) {
    throw Error(
        path + ":1: expected three positive integers (cameras, points, observations), but the file is empty");
  }
  refuse_compressed(path, {head.data(), head_size});
  Text beginning(path, head.data(), head.data() + head_size);
  const Counts counts = read_header(beginning);
  const auto header_size = static_cast<std::size_t>(beginning.position() - head.data());
  compare_with_size(path, counts, size - std::min<std::uintmax_t>(size, header_size));

  const auto buffer = std::make_unique_for_overwrite<char[]>(static_cast<std::size_t>(size));
  const std::size_t known = std::min(head_size, static_cast<std::size_t>(size));
  std::memcpy(buffer.get(), head.data(), known);
  const std::size_t wanted = static_cast<std::size_t>(size) - known;
  const std::size_t rest = std::fread(buffer.get() + known, 1, wanted, file.get());
  if (rest != wanted && std::ferror(file.get()) != 0) {
    throw Error(path + ": cannot be read to its end: " + reason());
  }

  BalProblem problem;
  problem.cameras = counts.cameras;
  problem.points = counts.points;
  problem.observations = counts.observations;
  problem.camera_index.reserve(static_cast<std::size_t>(counts.observations));
  problem.point_index.reserve(static_cast<std::size_t>(counts.observations));
  problem.observed.reserve(static_cast<std::size_t>(2 * counts.observations));
  problem.parameters.reserve(static_cast<std::size_t>(problem.point_offset(counts.points)));
  Text text(path, buffer.get(), buffer.get() + known + rest);
  read_header(text);
  read_observations(text, problem);
  read_parameters(text, problem);
  text.finish();
  return problem;
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
    file.real(problem.observed[2 * k], 17, ' ');
    file.real(problem.observed[2 * k + 1], 17, '\n');
  }
  for (const double value : problem.parameters) {
    file.real(value, 17, '\n');
  }
  file.finish();
}

BalProblem load_bal(const std::string& target) {
  if (target.starts_with("generated/")) {
    return generate_bal(parse_generated_bal(target));
  }
  return read_bal(target);
}

void write_bal_ply(const BalProblem& problem, const std::string& path) {
  expects_consistent(problem);
  refuse_non_finite(problem.parameters, path, "parameters");
  CompleteFile file(path);
  file.text("ply\nformat ascii 1.0\nelement vertex " + std::to_string(problem.cameras + problem.points) +
            "\nproperty float x\nproperty float y\nproperty float z\n"
            "property uchar red\nproperty uchar green\nproperty uchar blue\nend_header\n");
  const auto vertex = [&](const double* position, std::string_view colour) {
    for (int c = 0; c < 3; ++c) {
      file.real(position[c], 9, ' ');
    }
    file.text(colour);
  };
  for (Index i = 0; i < problem.cameras; ++i) {
    // P = R X + t is zero at the centre X = -R' t, and R' is the rotation by the opposite angle.
    const double* const camera = problem.camera(i);
    const double opposite[3] = {-camera[0], -camera[1], -camera[2]};
    const double translation[3] = {-camera[3], -camera[4], -camera[5]};
    double centre[3];
    AngleAxisRotatePoint(opposite, translation, centre);
    vertex(centre, "0 255 0\n");
  }
  for (Index j = 0; j < problem.points; ++j) {
    vertex(problem.point(j), "240 240 240\n");
  }
  file.finish();
}

}  // namespace kappa
