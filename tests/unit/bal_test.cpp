#include "problems/io/bal.h"

#include <tbb/global_control.h>
#include <tbb/task_arena.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "problems/io/bal_generated.h"
#include "problems/residual/reprojection.h"
#include "support/catch.h"
#include "support/files.h"

namespace {

using kappa::BalProblem;
using kappa::GeneratedBal;
using kappa::Index;
using kappa::test::check_says;
using kappa::test::Folder;
using kappa::test::message;
using Kind = kappa::GeneratedBal::Kind;

/// Two cameras, one point, two observations; `wrong` replaces line `line` (from 1).
std::string small_file(std::size_t line = 0, const std::string& wrong = "") {
  std::vector<std::string> lines = {"2 1 2", "0 0     -3.859900e+02 3.871200e+02", "1 0 1.5 -2.5e-3"};
  for (int value = 0; value < 21; ++value) {
    lines.push_back(std::to_string(value) + ".25");
  }
  if (line > 0) {
    lines.at(line - 1) = wrong;
  }
  std::string text;
  for (const std::string& each : lines) {
    text += each + "\n";
  }
  return text;
}

/// The camera model by a rotation matrix, in long double.
std::array<long double, 2> projection(const double* camera, const double* point) {
  const long double w[3] = {camera[0], camera[1], camera[2]};
  const long double angle = std::sqrt(w[0] * w[0] + w[1] * w[1] + w[2] * w[2]);
  long double K[3][3] = {};
  if (angle > 0.0L) {
    K[0][1] = -w[2] / angle;
    K[0][2] = w[1] / angle;
    K[1][2] = -w[0] / angle;
    K[1][0] = -K[0][1];
    K[2][0] = -K[0][2];
    K[2][1] = -K[1][2];
  }
  long double P[3];
  for (int i = 0; i < 3; ++i) {
    P[i] = camera[3 + i];
    for (int j = 0; j < 3; ++j) {
      long double square = 0.0L;
      for (int k = 0; k < 3; ++k) {
        square += K[i][k] * K[k][j];
      }
      const long double R =
          (i == j ? 1.0L : 0.0L) + std::sin(angle) * K[i][j] + (1.0L - std::cos(angle)) * square;
      P[i] += R * static_cast<long double>(point[j]);
    }
  }
  const long double x = -P[0] / P[2];
  const long double y = -P[1] / P[2];
  const long double r2 = x * x + y * y;
  const long double d =
      1.0L + static_cast<long double>(camera[7]) * r2 + static_cast<long double>(camera[8]) * r2 * r2;
  return {static_cast<long double>(camera[6]) * d * x, static_cast<long double>(camera[6]) * d * y};
}

double root_mean_square(const BalProblem& problem) {
  double sum = 0.0;
  for (std::size_t k = 0; k < problem.camera_index.size(); ++k) {
    double r[2] = {};
    const kappa::Reprojection residual{.u = problem.observed[2 * k], .v = problem.observed[2 * k + 1]};
    REQUIRE(residual(problem.camera(problem.camera_index[k]), problem.point(problem.point_index[k]), r));
    sum += r[0] * r[0] + r[1] * r[1];
  }
  return std::sqrt(sum / (2.0 * static_cast<double>(problem.observations)));
}

GeneratedBal at_truth(GeneratedBal options) {
  options.rotation = options.translation = options.point = options.focal = options.distortion = 0.0;
  return options;
}

const std::vector<GeneratedBal> small_ones = {
    {.kind = Kind::street, .cameras = 40, .points = 2000, .seed = 3},
    {.kind = Kind::tourist, .cameras = 40, .points = 2000, .seed = 3},
    {.kind = Kind::street, .cameras = 2, .points = 20, .seed = 4},
    {.kind = Kind::tourist, .cameras = 2, .points = 20, .seed = 4},
    {.kind = Kind::street, .cameras = 300, .points = 3000, .seed = 5, .track = 2.0},
    {.kind = Kind::tourist, .cameras = 300, .points = 3000, .seed = 5, .track = 2.0},
};

}  // namespace

TEST_CASE("a file in the layout of the data set is read number by number") {
  const Folder folder;
  const BalProblem problem = kappa::read_bal(folder.with("small.txt", small_file()));
  CHECK(problem.cameras == 2);
  CHECK(problem.points == 1);
  CHECK(problem.observations == 2);
  CHECK(problem.camera_index == std::vector<std::int32_t>{0, 1});
  CHECK(problem.point_index == std::vector<std::int32_t>{0, 0});
  CHECK(problem.observed == std::vector<double>{-385.99, 387.12, 1.5, -2.5e-3});
  REQUIRE(problem.parameters.size() == 21);
  CHECK(problem.camera(1)[0] == 9.25);
  CHECK(problem.point(0)[2] == 20.25);
}

TEST_CASE("line ends of Windows, blank lines and a missing last line end do not matter") {
  const Folder folder;
  std::string text = "\n\n" + small_file();
  text.pop_back();
  std::string windows;
  for (const char c : text) {
    windows += c == '\n' ? std::string("\r\n") : std::string(1, c);
  }
  CHECK(kappa::read_bal(folder.with("windows.txt", windows)) ==
        kappa::read_bal(folder.with("unix.txt", small_file())));
}

TEST_CASE("writing and reading again gives the same bits") {
  const Folder folder;
  for (const GeneratedBal& options : small_ones) {
    BalProblem problem = kappa::generate_bal(options);
    problem.parameters[0] = -0.0;
    problem.parameters[1] = std::numeric_limits<double>::max();
    problem.parameters[2] = std::numeric_limits<double>::min();
    problem.parameters[3] = 0.1;
    problem.parameters[4] = 1.0 + kappa::epsilon;
    kappa::write_bal(problem, folder / "again.txt");
    const BalProblem again = kappa::read_bal(folder / "again.txt");
    CHECK(again == problem);
    CHECK(std::signbit(again.parameters[0]));
  }
  CHECK(folder.files() == 1);
}

TEST_CASE("a file that cannot be written leaves nothing behind and says why") {
  const Folder folder;
  BalProblem problem = kappa::generate_bal(small_ones[2]);
  check_says(message([&] { kappa::write_bal(problem, folder / "absent/a.txt"); }),
             {"absent/a.txt", "cannot be written"});
  std::filesystem::create_directories(folder / "occupied/inside");
  check_says(message([&] { kappa::write_bal(problem, folder / "occupied"); }), {"occupied", "its name"});
  problem.parameters[5] = std::nan("");
  check_says(message([&] { kappa::write_bal(problem, folder / "nan.txt"); }),
             {"nan.txt", "number 5 of the parameters is not finite"});
  CHECK(folder.files() == 1);
  problem.parameters.pop_back();
  CHECK_THROWS_AS(kappa::write_bal(problem, folder / "short.txt"), kappa::ContractError);
}

TEST_CASE("every way in which a file can be broken is told with its place") {
  const Folder folder;
  const auto said = [&](const std::string& text) {
    const std::string path = folder.with("broken.txt", text);
    const std::string error = message([&] { kappa::read_bal(path); });
    check_says(error, {path});
    return error;
  };
  SECTION("missing, a directory, empty") {
    check_says(message([&] { kappa::read_bal(folder / "none.txt"); }), {"none.txt", "cannot be read"});
    check_says(message([&] { kappa::read_bal(folder / "."); }), {"is a directory"});
    check_says(said(""), {"broken.txt:1:", "three positive integers", "empty"});
    check_says(said(" \n\n"), {"broken.txt:3:", "three positive integers", "number of cameras is missing"});
  }
  SECTION("the first line") {
    check_says(said(small_file(1, "2 1")),
               {":1:", "three positive integers", "number of observations is missing"});
    check_says(said(small_file(1, "2 0 2")), {":1:", "the number of points", "found '0'"});
    check_says(said(small_file(1, "-2 1 2")), {":1:", "the number of cameras", "found '-2'"});
    check_says(said(small_file(1, "2.0 1 2")), {":1:", "an integer", "found '2.0'"});
    check_says(said(small_file(1, "two 1 2")), {":1:", "found 'two'"});
    check_says(said(small_file(1, "2 1 2 7")), {":1:", "alone in their line", "found '7'"});
    check_says(said(small_file(1, "2 1 99999999999999999999999")), {":1:", "from 1 to 2147483647"});
  }
  SECTION("counts that the file cannot hold are refused before memory is asked for") {
    check_says(said(small_file(1, "2147483647 2147483647 2147483647")), {":1:", "at least", "cut short"});
    check_says(said(small_file(1, "2 1 100")), {":1:", "at least 841 bytes", "100 observations"});
  }
  SECTION("cut short") {
    const std::string whole = small_file();
    check_says(said(whole.substr(0, whole.size() - 6)),
               {":24:", "number 3 of 3 of point 0", "the file ends here"});
    check_says(said(small_file(24, "")), {":25:", "number 3 of 3 of point 0", "the file ends here"});
    check_says(said(small_file(2, "0 0 1.0")), {":3:", "the point of observation 1", "an integer", "'1.5'"});
  }
  SECTION("indices") {
    check_says(said(small_file(3, "2 0 1.5 1.5")),
               {":3:", "camera of observation 1", "from 0 to 1", "found '2'"});
    check_says(said(small_file(3, "-1 0 1.5 1.5")), {":3:", "camera of observation 1", "found '-1'"});
    check_says(said(small_file(2, "0 1 1.5 1.5")),
               {":2:", "point of observation 0", "from 0 to 0", "found '1'"});
    check_says(said(small_file(2, "0 x 1.5 1.5")), {":2:", "point of observation 0", "found 'x'"});
  }
  SECTION("values") {
    check_says(said(small_file(3, "1 0 1.5 nan")),
               {":3:", "coordinate v of observation 1", "finite", "'nan'"});
    check_says(said(small_file(4, "-inf")), {":4:", "number 1 of 9 of camera 0", "finite", "'-inf'"});
    check_says(said(small_file(13, "1e999")), {":13:", "number 1 of 9 of camera 1", "range of a double"});
    check_says(said(small_file(14, "1.5.5")), {":14:", "number 2 of 9 of camera 1", "a number", "'1.5.5'"});
    check_says(said(small_file(14, "hello")), {":14:", "a number", "'hello'"});
    check_says(said(small_file(14, std::string(80, '\x01'))), {"'????????????????????????...'"});
  }
  SECTION("something after the last point") {
    check_says(said(small_file() + "\n0.5 0.5\n"), {":26:", "the end of the file", "found '0.5'"});
  }
  SECTION("compressed") {
    check_says(said("\x1f\x8b\x08 and so on"), {"gzip", "decompress it first"});
    check_says(said("BZh91AY&SY"), {"bzip2", "decompress it first"});
    check_says(said("PK\x03\x04"), {"zip", "decompress it first"});
  }
  SECTION("a gigabyte of zero bytes, alone and behind a good beginning") {
    const std::string path = folder.with("zeros.txt", "");
    std::filesystem::resize_file(path, 1u << 30);
    check_says(message([&] { kappa::read_bal(path); }), {"zeros.txt:1:", "zero bytes"});
    const std::string padded = folder.with("padded.txt", small_file() + std::string(5000, ' '));
    std::filesystem::resize_file(padded, 1u << 30);
    check_says(message([&] { kappa::read_bal(padded); }), {"padded.txt:1:", "at most", "1073741819"});
  }
}

TEST_CASE("cameras and points without enough observations are kept and counted") {
  const Folder folder;
  std::string text = "3 4 3\n0 0 1 1\n0 1 1 1\n1 0 1 1\n";
  for (int value = 0; value < 3 * 9 + 4 * 3; ++value) {
    text += "1\n";
  }
  const BalProblem problem = kappa::read_bal(folder.with("loose.txt", text));
  const kappa::BalCoverage coverage = kappa::coverage(problem);
  CHECK(coverage.cameras_unseeing == 1);
  CHECK(coverage.points_unseen == 2);
  CHECK(coverage.points_seen_once == 1);
  CHECK(coverage.fewest_per_camera == 0);
  CHECK(coverage.fewest_per_point == 0);
}

TEST_CASE("the reprojection residual equals the camera model in long double") {
  for (const GeneratedBal& options : small_ones) {
    const BalProblem problem = kappa::generate_bal(options);
    for (std::size_t k = 0; k < problem.camera_index.size(); k += 7) {
      const double* camera = problem.camera(problem.camera_index[k]);
      const double* point = problem.point(problem.point_index[k]);
      double residual[2] = {};
      REQUIRE(kappa::Reprojection{.u = 3.0, .v = -4.0}(camera, point, residual));
      const std::array<long double, 2> expected = projection(camera, point);
      // Far along the road the translation cancels the rotated point: its size enters the rounding error.
      const double size = 1.0 + std::hypot(camera[3], camera[4], camera[5]);
      CHECK(std::fabs(static_cast<double>(expected[0] - 3.0L) - residual[0]) <= 1e-10 * size);
      CHECK(std::fabs(static_cast<double>(expected[1] + 4.0L) - residual[1]) <= 1e-10 * size);
    }
  }
}

TEST_CASE("without rotation the image is that of a pinhole which looks down the negative z axis") {
  const double camera[9] = {0, 0, 0, 0, 0, 0, 100, 0.5, 0.25};
  const double point[3] = {1, 2, -2};
  double residual[2] = {};
  REQUIRE(kappa::Reprojection{.u = 1.0, .v = 2.0}(camera, point, residual));
  // p = (1/2, 1), |p|^2 = 5/4, 1 + 5/8 + 25/64 = 129/64.
  CHECK(residual[0] == Approx(100.0 * 129.0 / 128.0 - 1.0).epsilon(1e-15));
  CHECK(residual[1] == Approx(100.0 * 129.0 / 64.0 - 2.0).epsilon(1e-15));
}

TEST_CASE("a point in the plane of the camera has no image") {
  const double camera[9] = {0, 0, 0, 0, 0, 3, 100, 0, 0};
  const double point[3] = {1, 2, -3};
  double residual[2] = {7.0, 8.0};
  CHECK_FALSE(kappa::Reprojection{}(camera, point, residual));
  CHECK(residual[0] == 7.0);
  CHECK(residual[1] == 8.0);
}

TEST_CASE("the same seed generates the same bits and another seed other ones") {
  for (GeneratedBal options : small_ones) {
    const BalProblem first = kappa::generate_bal(options);
    CHECK(kappa::generate_bal(options) == first);
    options.seed += 1;
    const BalProblem other = kappa::generate_bal(options);
    CHECK(other.parameters != first.parameters);
    CHECK(other.observed != first.observed);
  }
}

TEST_CASE("a generated problem has the same bits for every number of threads") {
  for (const GeneratedBal& options : {GeneratedBal{.kind = Kind::street, .cameras = 100, .points = 20000},
                                      GeneratedBal{.kind = Kind::tourist, .cameras = 100, .points = 20000}}) {
    const auto with = [&](int threads) {
      const tbb::global_control limit(tbb::global_control::max_allowed_parallelism,
                                      static_cast<std::size_t>(threads));
      tbb::task_arena arena(threads);
      return arena.execute([&] { return kappa::generate_bal(options); });
    };
    const BalProblem alone = with(1);
    CHECK(with(2) == alone);
    CHECK(with(4) == alone);
  }
}

TEST_CASE("the initial values do not touch structure and observations of a generated problem") {
  for (const GeneratedBal& options : small_ones) {
    const BalProblem start = kappa::generate_bal(options);
    const BalProblem truth = kappa::generate_bal(at_truth(options));
    CHECK(start.observed == truth.observed);
    CHECK(start.camera_index == truth.camera_index);
    CHECK(start.point_index == truth.point_index);
    CHECK(start.parameters != truth.parameters);
  }
}

TEST_CASE("a start may not know focal lengths and distortion, of the same problem") {
  for (GeneratedBal options : small_ones) {
    const BalProblem known = kappa::generate_bal(options);
    options.focal = 0.03;
    options.distortion = 1.0;
    const BalProblem unknown = kappa::generate_bal(options);
    CHECK(unknown.observed == known.observed);
    double squares = 0;
    for (Index i = 0; i < known.cameras; ++i) {
      CHECK(std::equal(known.camera(i), known.camera(i) + 6, unknown.camera(i)));
      CHECK(unknown.camera(i)[7] == 0.0);
      CHECK(unknown.camera(i)[8] == 0.0);
      const double error = std::log(unknown.camera(i)[6] / known.camera(i)[6]) / 0.03;
      CHECK(std::fabs(error) < 5);
      squares += error * error;
    }
    const auto cameras = static_cast<double>(known.cameras);
    CHECK(std::fabs(squares / cameras - 1) < 5 * std::sqrt(2 / cameras));
  }
}

TEST_CASE("every camera sees ten points, every point is seen twice, and never twice by one camera") {
  for (const GeneratedBal& options : small_ones) {
    const BalProblem problem = kappa::generate_bal(options);
    CHECK(problem.cameras == options.cameras);
    CHECK(problem.points == options.points);
    const kappa::BalCoverage coverage = kappa::coverage(problem);
    CHECK(coverage.fewest_per_camera >= 10);
    CHECK(coverage.fewest_per_point >= 2);
    std::set<std::pair<std::int32_t, std::int32_t>> pairs;
    for (std::size_t k = 0; k < problem.camera_index.size(); ++k) {
      pairs.emplace(problem.point_index[k], problem.camera_index[k]);
    }
    CHECK(static_cast<Index>(pairs.size()) == problem.observations);
    CHECK(std::is_sorted(problem.point_index.begin(), problem.point_index.end()));
  }
}

TEST_CASE("at the truth the residuals of a generated problem are its noise, at the start tens of pixels") {
  for (const Kind kind : {Kind::street, Kind::tourist}) {
    for (const double noise : {0.0, 0.5, 2.0}) {
      const GeneratedBal options{.kind = kind, .cameras = 60, .points = 6000, .seed = 8, .noise = noise};
      const double at_noise = root_mean_square(kappa::generate_bal(at_truth(options)));
      // About 48000 residuals: the standard error of their root mean square is a third of a percent.
      CHECK(std::fabs(at_noise - noise) <= 0.013 * noise + 1e-9);
      const double at_start = root_mean_square(kappa::generate_bal(options));
      CHECK(at_start > 8.0);
      CHECK(at_start < 60.0);
    }
  }
}

TEST_CASE("points of a generated problem lie in front of the cameras that see them, inside the image") {
  for (const GeneratedBal& options : small_ones) {
    const BalProblem truth = kappa::generate_bal(at_truth(options));
    for (std::size_t k = 0; k < truth.camera_index.size(); ++k) {
      const double* camera = truth.camera(truth.camera_index[k]);
      double in_camera[3] = {};
      kappa::AngleAxisRotatePoint(camera, truth.point(truth.point_index[k]), in_camera);
      REQUIRE(in_camera[2] + camera[5] < -1.0);
      REQUIRE(camera[6] >= 500.0);
      REQUIRE(camera[6] <= 2000.0);
      REQUIRE(std::fabs(truth.observed[2 * k]) < 805.0);
      REQUIRE(std::fabs(truth.observed[2 * k + 1]) < 605.0);
    }
  }
}

TEST_CASE("points along the street are seen by consecutive cameras, as many as asked for on average") {
  for (const double track : {3.0, 4.0, 5.0}) {
    const BalProblem problem = kappa::generate_bal(
        {.kind = Kind::street, .cameras = 200, .points = 20000, .seed = 9, .track = track});
    std::int32_t widest = 0;
    for (std::size_t k = 1; k < problem.camera_index.size(); ++k) {
      if (problem.point_index[k] == problem.point_index[k - 1]) {
        REQUIRE(problem.camera_index[k] == problem.camera_index[k - 1] + 1);
      }
    }
    for (std::size_t first = 0, k = 0; k < problem.camera_index.size(); ++k) {
      first = problem.point_index[k] == problem.point_index[first] ? first : k;
      widest = std::max(widest, problem.camera_index[k] - problem.camera_index[first]);
    }
    CHECK(widest < 100);
    CHECK(static_cast<double>(problem.observations) / 20000.0 == Approx(track).epsilon(0.05));
  }
}

TEST_CASE("points of the tourist scene have a heavy-tailed track and tie most cameras to each other") {
  const BalProblem problem =
      kappa::generate_bal({.kind = Kind::tourist, .cameras = 200, .points = 20000, .seed = 9, .track = 4.0});
  CHECK(static_cast<double>(problem.observations) / 20000.0 == Approx(4.0).epsilon(0.08));
  std::vector<int> track(20000, 0);
  for (const std::int32_t j : problem.point_index) {
    ++track[static_cast<std::size_t>(j)];
  }
  const auto longer = [&](int length) {
    return std::count_if(track.begin(), track.end(), [=](int each) { return each > length; });
  };
  CHECK(*std::max_element(track.begin(), track.end()) > 40);
  // Twice the length, a quarter of the points: a normal or geometric track of mean 4 would have none at all.
  CHECK(longer(24) > 30);
  CHECK(static_cast<double>(longer(12)) / static_cast<double>(longer(24)) < 7.0);

  std::set<std::pair<std::int32_t, std::int32_t>> together;
  for (std::size_t first = 0, k = 0; k < problem.camera_index.size(); ++k) {
    first = problem.point_index[k] == problem.point_index[first] ? first : k;
    for (std::size_t l = first; l < k; ++l) {
      together.emplace(problem.camera_index[l], problem.camera_index[k]);
    }
  }
  CHECK(static_cast<double>(together.size()) > 0.5 * (200.0 * 199.0 / 2.0));
}

TEST_CASE("a generated problem is described in one line") {
  const GeneratedBal options = kappa::parse_generated_bal(
      "generated/"
      "tourist?cameras=257&points=65132&seed=18446744073709551615&track=3.5&noise=1e-1&rotation=0.5&"
      "translation=0.25&point=2&focal=0.03&distortion=1");
  CHECK(options.kind == Kind::tourist);
  CHECK(options.cameras == 257);
  CHECK(options.points == 65132);
  CHECK(options.seed == 18446744073709551615u);
  CHECK(options.track == 3.5);
  CHECK(options.noise == 0.1);
  CHECK(options.rotation == 0.5);
  CHECK(options.translation == 0.25);
  CHECK(options.point == 2.0);
  CHECK(options.focal == 0.03);
  CHECK(options.distortion == 1.0);
  CHECK(kappa::parse_generated_bal("generated/street").kind == Kind::street);
  CHECK(kappa::parse_generated_bal("generated/street").cameras == GeneratedBal{}.cameras);
  CHECK(kappa::load_bal("generated/street?cameras=3&points=30") ==
        kappa::generate_bal({.cameras = 3, .points = 30}));
}

TEST_CASE("a wrong description of a generated problem is told with the right ones") {
  const auto said = [](const std::string& target) { return message([&] { kappa::load_bal(target); }); };
  check_says(said("generated/alley"), {"unknown kind 'alley'", "generated/street", "generated/tourist"});
  check_says(said("generated/street?camera=5"),
             {"unknown key 'camera'", "cameras, points, seed, track, noise, rotation, translation, point"});
  check_says(said("generated/street?cameras=five"), {"value of cameras", "an integer", "'five'"});
  check_says(said("generated/street?cameras=5.5"), {"value of cameras", "an integer", "'5.5'"});
  check_says(said("generated/street?noise=loud"), {"value of noise", "a number", "'loud'"});
  check_says(said("generated/street?cameras=5&cameras=6"), {"'cameras' is given twice"});
  check_says(said("generated/street?cameras"), {"'cameras' has no value"});
  check_says(said("generated/street?cameras=1"), {"cameras must be from 2", "not 1"});
  check_says(said("generated/street?cameras=100&points=999"), {"10 for each camera (here 1000)", "not 999"});
  check_says(said("generated/street?track=1.5"), {"track", "from 2"});
  check_says(said("generated/street?noise=-1"), {"noise", "not negative"});
  check_says(said("generated/street?rotation=nan"), {"rotation", "finite"});
  check_says(said("generated/street?focal=0.6"), {"focal", "from 0 to 0.5"});
  check_says(said("generated/street?distortion=-1"), {"distortion", "from 0 (known)"});
  check_says(message([] { kappa::parse_generated_bal("street"); }), {"expected generated/street"});
  check_says(said("no-such-file.txt"), {"no-such-file.txt", "cannot be read"});
}
