#include "problems/io/g2o.h"

#include <cmath>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <string>
#include <vector>

#include "support/catch.h"
#include "support/files.h"

namespace {

using kappa::parse_g2o;
using kappa::PoseGraph;
using kappa::read_g2o;
using kappa::test::check_says;
using kappa::test::Folder;
using kappa::test::message;

const std::string unit_plane = " 1 0 0 1 0 1\n";
const std::string unit_space = " 1 0 0 0 0 0 1 0 0 0 0 1 0 0 0 1 0 0 1 0 1\n";

/// Three poses in the plane, two edges, ids out of order and with gaps.
std::string plane_text() {
  return "# a comment\n"
         "VERTEX_SE2 30 2 0.5 -1e-1\n"
         "EDGE_SE2 10 20 1 0 0.1 2 0.5 0 3 0 4   # another one\n"
         "\n"
         "VERTEX_SE2 10 0 0 0\n"
         "FIX 30\n"
         "VERTEX_SE2\t20 1 0.25 +0.5\n"
         "EDGE_SE2 20 30 1 0 0.1" +
         unit_plane;
}

std::string space_text() {
  return "VERTEX_SE3:QUAT 0 0 0 0 0 0 0 1\n"
         "VERTEX_SE3:QUAT 1 1 2 3 0 0 3 4\n"
         "EDGE_SE3:QUAT 0 1 1 2 3 0.5 0.5 0.5 0.5" +
         unit_space;
}

std::string said(const std::string& text) {
  const std::string error = message([&] { parse_g2o(text, "graph.g2o"); });
  check_says(error, {"graph.g2o"});
  CHECK(error.find('\n') == std::string::npos);
  return error;
}

}  // namespace

TEST_CASE("a pose graph in the plane is read whatever the order of its lines", "[g2o]") {
  const PoseGraph graph = parse_g2o(plane_text(), "graph");
  CHECK(graph.space == PoseGraph::Space::plane);
  CHECK(graph.id == std::vector<std::int64_t>{10, 20, 30});
  CHECK(graph.pose == std::vector<double>{0, 0, 0, 1, 0.25, 0.5, 2, 0.5, -0.1});
  CHECK(graph.fixed == std::vector<std::int32_t>{2});
  CHECK(graph.from == std::vector<std::int32_t>{0, 1});
  CHECK(graph.to == std::vector<std::int32_t>{1, 2});
  CHECK(graph.measured == std::vector<double>{1, 0, 0.1, 1, 0, 0.1});
  CHECK(graph.information == std::vector<double>{2, 0.5, 0, 3, 0, 4, 1, 0, 0, 1, 0, 1});
}

TEST_CASE("quaternions of a file are scaled to length one", "[g2o]") {
  const PoseGraph graph = parse_g2o(space_text(), "graph");
  CHECK(graph.space == PoseGraph::Space::space);
  CHECK(graph.pose == std::vector<double>{0, 0, 0, 0, 0, 0, 1, 1, 2, 3, 0, 0, 0.6, 0.8});
  CHECK(graph.measured == std::vector<double>{1, 2, 3, 0.5, 0.5, 0.5, 0.5});
  CHECK(graph.information.size() == 21);
  const PoseGraph huge =
      parse_g2o("VERTEX_SE3:QUAT 0 0 0 0 0 3e300 0 4e300\nVERTEX_SE3:QUAT 1 0 0 0 3e-320 0 0 0\n", "graph");
  CHECK(huge.pose[4] == Approx(0.6));
  CHECK(huge.pose[6] == Approx(0.8));
  CHECK(huge.pose[10] == 1.0);
}

TEST_CASE("line ends of Windows and a missing last line end do not matter to a pose graph", "[g2o]") {
  std::string windows;
  for (const char c : plane_text()) {
    windows += c == '\n' ? std::string("\r\n") : std::string(1, c);
  }
  CHECK(parse_g2o(windows, "graph") == parse_g2o(plane_text(), "graph"));
  std::string cut = plane_text();
  cut.pop_back();
  CHECK(parse_g2o(cut, "graph") == parse_g2o(plane_text(), "graph"));
}

TEST_CASE("writing a pose graph and reading it again gives the same bits", "[g2o]") {
  const Folder folder;
  for (const std::string& text : {plane_text(), space_text()}) {
    PoseGraph graph = parse_g2o(text, "graph");
    graph.pose[0] = -0.0;
    graph.pose[1] = std::numeric_limits<double>::max();
    graph.pose[2] = 0.1 + std::numeric_limits<double>::denorm_min();
    graph.measured[0] = 1.0 / 3.0;
    graph.id.back() = std::numeric_limits<std::int64_t>::max();
    kappa::write_g2o(graph, folder / "again.g2o");
    const PoseGraph again = read_g2o(folder / "again.g2o");
    CHECK(again == graph);
    CHECK(std::signbit(again.pose[0]));
  }
  CHECK(folder.files() == 1);
}

TEST_CASE("a normalised quaternion keeps its bits when it is written and read", "[g2o]") {
  const Folder folder;
  std::string text;
  for (int i = 0; i < 500; ++i) {
    text += "VERTEX_SE3:QUAT " + std::to_string(i) + " 0 0 0 " + std::to_string(std::sin(i)) + " " +
            std::to_string(std::cos(3 * i)) + " " + std::to_string(std::sin(5 * i + 1)) + " 0.3\n";
  }
  const PoseGraph graph = parse_g2o(text, "graph");
  kappa::write_g2o(graph, folder / "a.g2o");
  CHECK(read_g2o(folder / "a.g2o") == graph);
}

TEST_CASE("a pose graph that cannot be written leaves nothing behind and says why", "[g2o]") {
  const Folder folder;
  PoseGraph graph = parse_g2o(plane_text(), "graph");
  check_says(message([&] { kappa::write_g2o(graph, folder / "absent/a.g2o"); }), {"cannot be written"});
  graph.measured[4] = std::nan("");
  check_says(message([&] { kappa::write_g2o(graph, folder / "nan.g2o"); }),
             {"nan.g2o", "number 4 of the measurements is not finite"});
  CHECK(folder.files() == 0);
  graph.measured.pop_back();
  CHECK_THROWS_AS(kappa::write_g2o(graph, folder / "short.g2o"), kappa::ContractError);
}

TEST_CASE("a file without vertices starts along its odometry, then along its other edges", "[g2o]") {
  // A unit square walked counterclockwise, and a pose that only a later edge reaches, given backwards.
  const double right = std::acos(0.0);
  const std::string turn = " 1 0 " + std::to_string(right);
  const PoseGraph graph = parse_g2o("EDGE_SE2 9 2 1 0 0" + unit_plane + "EDGE_SE2 0 3 5 5 5" + unit_plane +
                                        "EDGE_SE2 0 1" + turn + unit_plane + "EDGE_SE2 1 2" + turn +
                                        unit_plane + "EDGE_SE2 2 3" + turn + unit_plane + "FIX 9\n",
                                    "graph");
  CHECK(graph.id == std::vector<std::int64_t>{0, 1, 2, 3, 9});
  CHECK(graph.fixed == std::vector<std::int32_t>{4});
  const std::vector<double> expected = {0,          0, 0, 1,      0, right, 1,        1,
                                        -2 * right, 0, 1, -right, 2, 1,     2 * right};
  for (std::size_t k = 0; k < 15; ++k) {
    const double difference = graph.pose[k] - expected[k];
    CHECK(std::fabs(k % 3 == 2 ? std::remainder(difference, 4 * right) : difference) < 1e-5);
  }
}

TEST_CASE("in space the start along a tree composes quaternions, forwards and backwards", "[g2o]") {
  // A quarter turn about z after a step along x.
  const std::string step = " 1 0 0 0 0 1 1" + unit_space;
  const PoseGraph graph = parse_g2o(
      "EDGE_SE3:QUAT 0 1" + step + "EDGE_SE3:QUAT 2 1" + step + "EDGE_SE3:QUAT 7 8" + step, "graph");
  const double h = std::sqrt(0.5);
  const std::vector<double> expected = {0, 0, 0, 0, 0, 0, 1,  //
                                        1, 0, 0, 0, 0, h, h,  //
                                        0, 0, 0, 0, 0, 0, 1,  //
                                        0, 0, 0, 0, 0, 0, 1,  //
                                        1, 0, 0, 0, 0, h, h};
  REQUIRE(graph.pose.size() == expected.size());
  for (std::size_t k = 0; k < expected.size(); ++k) {
    CHECK(std::fabs(graph.pose[k] - expected[k]) < 1e-15);
  }
  CHECK(kappa::anchors(graph) == std::vector<std::int32_t>{0, 3});
  CHECK(kappa::connected_parts(graph) == std::vector<std::int32_t>{0, 0, 0, 1, 1});
}

TEST_CASE("the first pose of each connected part is held unless one of the part is fixed", "[g2o]") {
  std::string text;
  for (int i = 0; i < 7; ++i) {
    text += "VERTEX_SE2 " + std::to_string(i) + " 0 0 0\n";
  }
  for (const char* edge : {"5 1", "1 3", "2 4"}) {
    text += "EDGE_SE2 " + std::string(edge) + " 0 0 0" + unit_plane;
  }
  CHECK(kappa::anchors(parse_g2o(text, "graph")) == std::vector<std::int32_t>{0, 1, 2, 6});
  CHECK(kappa::anchors(parse_g2o(text + "FIX 3 4\nFIX 3\n", "graph")) ==
        std::vector<std::int32_t>{0, 3, 4, 6});
}

TEST_CASE("the root of an information matrix squares to it, also where that is singular", "[g2o]") {
  const auto check = [](int size, const std::vector<double>& information, double tolerance) {
    std::vector<double> root(information.size());
    REQUIRE(kappa::information_root(size, information.data(), root.data()));
    const auto at = [size](int i, int j) {
      return static_cast<std::size_t>(i * size - i * (i - 1) / 2 + j - i);
    };
    for (int i = 0; i < size; ++i) {
      for (int j = i; j < size; ++j) {
        double sum = 0;
        for (int k = 0; k <= i; ++k) {
          sum += root[at(k, i)] * root[at(k, j)];
        }
        CHECK(std::fabs(sum - information[at(i, j)]) <=
              tolerance * std::sqrt(information[at(i, i)] * information[at(j, j)]));
      }
    }
  };
  check(3, {44.635358, -7.962220, 0, 376.516380, 0, 9745.791650}, 1e-15);
  check(3, {1, 0, 0, 1e-200, 0, 1e200}, 1e-15);
  check(3, {0, 0, 0, 0, 0, 0}, 0);
  check(3, {0, 0, 0, 2, 1, 3}, 1e-14);
  check(3, {1, 2, 3, 4, 6, 9}, 1e-14);               // rank one
  check(3, {1, 0.333333, 0, 0.111111, 0, 5}, 1e-5);  // rank one in the first two, rounded
  std::vector<double> six = {4, 1, 0, 0, 0, 1, 3, 0, 0, 1, 0, 5, 2, 0, 0, 6, 0, 0, 7, 0, 8};
  check(6, six, 1e-14);
  six[20] = 0.0;
  std::vector<double> root(21);
  CHECK_FALSE(kappa::information_root(6, six.data(), root.data()));
  const std::vector<double> indefinite = {1, 2, 0, 1, 0, 1};
  CHECK_FALSE(kappa::information_root(3, indefinite.data(), root.data()));
  const std::vector<double> negative = {1, 0, 0, -1, 0, 1};
  CHECK_FALSE(kappa::information_root(3, negative.data(), root.data()));
}

TEST_CASE("every way in which a pose graph can be broken is told with its place", "[g2o]") {
  SECTION("missing, a directory, empty, compressed, binary") {
    const Folder folder;
    check_says(message([&] { read_g2o(folder / "none.g2o"); }), {"none.g2o", "cannot be read", "g2o"});
    check_says(message([&] { read_g2o(folder / "."); }), {"is a directory"});
    check_says(message([&] { read_g2o(folder.with("empty", "")); }), {"holds no pose and no edge"});
    check_says(said("# nothing\n\n"), {"holds no pose and no edge"});
    check_says(message([&] { read_g2o(folder.with("a", "\x1f\x8b\x08 and so on")); }), {"gunzip"});
    check_says(message([&] { read_g2o(folder.with("b", std::string("VERTEX\0_SE2", 11))); }), {"zero bytes"});
  }
  SECTION("tags") {
    check_says(
        said("VERTEX_SE2 0 0 0 0\nVERTEX_XY 1 0 0\n"),
        {":2:", "unknown tag 'VERTEX_XY'", "VERTEX_SE2, EDGE_SE2, VERTEX_SE3:QUAT, EDGE_SE3:QUAT and FIX"});
    check_says(said("vertex_se2 0 0 0 0\n"), {":1:", "unknown tag 'vertex_se2'"});
    check_says(said("16 22106 83718\n"), {":1:", "unknown tag '16'"});
    check_says(said("VERTEX_SE2 0 0 0 0\n\nVERTEX_SE3:QUAT 1 0 0 0 0 0 0 1\n"),
               {":3:", "in space (SE3) follow those in the plane (SE2) of line 1"});
    check_says(said("EDGE_SE3:QUAT 0 1 0 0 0 0 0 0 1" + unit_space + "VERTEX_SE2 0 0 0 0\n"),
               {":2:", "in the plane (SE2) follow those in space (SE3) of line 1"});
  }
  SECTION("lines that are cut short or too long") {
    check_says(said("VERTEX_SE2\n"), {":1:", "the id of a pose", "the line ends here"});
    check_says(said("VERTEX_SE2 7 1 2\n"), {":1:", "theta of pose 7", "the line ends here"});
    check_says(said("VERTEX_SE3:QUAT 7 1 2 3 0 0 0\n"), {":1:", "qw of pose 7", "the line ends here"});
    check_says(said("VERTEX_SE2 7 1 2 3 4\n"), {":1:", "the end of the line", "found '4'"});
    check_says(said("EDGE_SE2 0 1 1 2 3 1 0 0 1 0\n"),
               {":1:", "number 6 of 6 of the information matrix of the edge from 0 to 1", "ends here"});
    check_says(said("EDGE_SE2 0\n"), {":1:", "the id of an edge's second pose", "the line ends here"});
    check_says(said("FIX\n"), {":1:", "the id of a pose to fix", "the line ends here"});
    check_says(said("FIX 1 x\n"), {":1:", "the id of a pose to fix", "found 'x'"});
  }
  SECTION("numbers") {
    check_says(said("VERTEX_SE2 -1 0 0 0\n"), {":1:", "the id of a pose", "from 0", "found '-1'"});
    check_says(said("VERTEX_SE2 1.5 0 0 0\n"), {":1:", "the id of a pose, an integer", "found '1.5'"});
    check_says(said("VERTEX_SE2 9223372036854775808 0 0 0\n"), {":1:", "from 0 to 9223372036854775807"});
    check_says(said("VERTEX_SE2 1 0 nan 0\n"), {":1:", "y of pose 1, a finite number", "found 'nan'"});
    check_says(said("VERTEX_SE2 1 0 0 1e999\n"), {":1:", "theta of pose 1 in the range of a double"});
    check_says(said("VERTEX_SE2 1 0 0x10 0\n"), {":1:", "y of pose 1, a number", "found '0x10'"});
    check_says(said("EDGE_SE2 0 1 inf 0 0" + unit_plane), {":1:", "x of the edge from 0 to 1", "'inf'"});
    check_says(said("VERTEX_SE3:QUAT 1 0 0 0 0 0 0 0\n"), {":1:", "quaternion of pose 1 is zero"});
    check_says(said("EDGE_SE3:QUAT 1 2 0 0 0 0 -0 0 0" + unit_space),
               {":1:", "quaternion of the edge from 1 to 2 is zero"});
    check_says(said("EDGE_SE2 0 1 0 0 0 1 2 0 1 0 1\n"),
               {":1:", "information matrix of the edge from 0 to 1", "negative eigenvalue"});
  }
  SECTION("poses and edges that do not belong together") {
    const std::string two = "VERTEX_SE2 0 0 0 0\nVERTEX_SE2 1 0 0 0\n";
    check_says(said(two + "EDGE_SE2 0 2 0 0 0" + unit_plane),
               {":3:", "edge from 0 to 2 needs pose 2", "no vertex"});
    check_says(said(two + "EDGE_SE2 7 1 0 0 0" + unit_plane), {":3:", "needs pose 7"});
    check_says(said(two + "EDGE_SE2 1 1 0 0 0" + unit_plane), {":3:", "joins pose 1 with itself"});
    check_says(said(two + "# again\nVERTEX_SE2 0 0 0 0\n"),
               {":4:", "pose 0 is given a second time", "line 1"});
    check_says(said(two + "FIX 5\n"), {":3:", "FIX names pose 5"});
  }
  SECTION("a gigabyte in one line, of zero bytes or after a good beginning") {
    const Folder folder;
    const std::string zeros = folder.with("zeros.g2o", "");
    std::filesystem::resize_file(zeros, 1u << 30);
    check_says(message([&] { read_g2o(zeros); }), {"zeros.g2o:1:", "zero bytes"});
    std::string lines;
    for (int i = 0; i < 1000; ++i) {
      lines += "VERTEX_SE2 " + std::to_string(i) + " 0 0 0\n";
    }
    const std::string padded = folder.with("padded.g2o", lines);
    std::filesystem::resize_file(padded, 1u << 30);
    check_says(message([&] { read_g2o(padded); }), {"padded.g2o:1001:", "longer than 65536 characters"});
    const std::string long_line = folder.with("long.g2o", lines + std::string(3000000, '7'));
    check_says(message([&] { read_g2o(long_line); }), {"long.g2o:1001:", "longer than 65536 characters"});
    check_says(said(std::string(70000, ' ')), {"graph.g2o:1:", "longer than 65536 characters"});
  }
}

TEST_CASE("lines across the borders of the reading buffer are read whole", "[g2o]") {
  const Folder folder;
  std::string text;
  for (int i = 0; i < 60000; ++i) {
    const std::string number = std::to_string(i);
    text += "VERTEX_SE2 " + number + " " + number + ".25 0 1 " +
            std::string(static_cast<std::size_t>(i % 57), '#') + "\n";
  }
  REQUIRE(text.size() > (3u << 20) / 2);
  const PoseGraph graph = read_g2o(folder.with("b.g2o", text));
  REQUIRE(graph.poses() == 60000);
  CHECK(graph == parse_g2o(text, "b.g2o"));
  CHECK(graph.pose_at(59999)[0] == 59999.25);
}
