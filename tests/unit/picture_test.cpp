#include "problems/picture/picture.h"

#include <array>
#include <cmath>
#include <cstring>
#include <regex>
#include <sstream>
#include <string>
#include <vector>

#include "problems/io/bal_generated.h"
#include "problems/io/g2o.h"
#include "problems/pose_graph/generated_pose_graph.h"
#include "support/catch.h"
#include "support/files.h"

namespace {

using namespace kappa;
using kappa::test::check_says;
using kappa::test::content;
using kappa::test::Folder;
using kappa::test::message;

/// A bundle of two cameras, the first at (2, 0, 0), turned by a quarter about z.
BalProblem small_bundle() {
  BalProblem problem = generate_bal({.cameras = 2, .points = 20, .seed = 4});
  // The turn takes the centre (2, 0, 0) to (0, 2, 0), so t = (0, -2, 0).
  const double camera[9] = {0, 0, std::acos(0.0), 0, -2, 0, 1000, 0, 0};
  std::copy(camera, camera + 9, problem.parameters.begin());
  return problem;
}

Drawing street(Index cameras, Index points) {
  const BalProblem problem = generate_bal({.cameras = cameras, .points = points});
  return draw(problem, problem.parameters);
}

/// A PLY file taken apart.
struct Ply {
  std::vector<std::array<float, 3>> position;
  std::vector<std::array<int, 2>> edge;
  std::vector<std::array<unsigned char, 3>> vertex_colour, edge_colour;
};

Ply read_ply(const std::string& path) {
  const std::string file = content(path);
  const std::string marker = "end_header\n";
  const std::size_t body = file.find(marker) + marker.size();
  std::istringstream header(file.substr(0, body));
  std::string line;
  std::size_t vertices = 0, edges = 0;
  REQUIRE(std::getline(header, line));
  CHECK(line == "ply");
  REQUIRE(std::getline(header, line));
  CHECK(line == "format binary_little_endian 1.0");
  while (std::getline(header, line)) {
    std::sscanf(line.c_str(), "element vertex %zu", &vertices);
    std::sscanf(line.c_str(), "element edge %zu", &edges);
  }
  REQUIRE(file.size() == body + 15 * vertices + 11 * edges);
  Ply out;
  const char* at = file.data() + body;
  const auto take = [&](auto& into) {
    std::memcpy(into.data(), at, sizeof(into));
    at += sizeof(into);
  };
  for (std::size_t i = 0; i < vertices; ++i) {
    take(out.position.emplace_back());
    take(out.vertex_colour.emplace_back());
  }
  for (std::size_t i = 0; i < edges; ++i) {
    take(out.edge.emplace_back());
    take(out.edge_colour.emplace_back());
  }
  return out;
}

std::vector<float> decoded(const std::string& text) {
  const std::string digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string bytes;
  unsigned int bits = 0;
  int count = 0;
  for (const char c : text) {
    if (c == '=') {
      break;
    }
    const std::size_t value = digits.find(c);
    REQUIRE(value != std::string::npos);
    bits = (bits << 6 | static_cast<unsigned int>(value)) & 0xFFFFFFu;
    count += 6;
    if (count >= 8) {
      count -= 8;
      bytes += static_cast<char>(bits >> count & 0xFFu);
    }
  }
  std::vector<float> out(bytes.size() / 4);
  std::memcpy(out.data(), bytes.data(), 4 * out.size());
  return out;
}

/// The two base64 texts of an array of the page's data: start and solution.
std::array<std::vector<float>, 2> arrays(const std::string& page, const std::string& name) {
  const std::regex pattern(name + ":\\[\"");
  std::smatch found;
  REQUIRE(std::regex_search(page, found, pattern));
  std::array<std::vector<float>, 2> out;
  std::size_t at = static_cast<std::size_t>(found.position() + found.length());
  for (auto& each : out) {
    const std::size_t end = page.find('"', at);
    each = decoded(page.substr(at, end - at));
    at = page.find('"', end + 1) + 1;
  }
  return out;
}

}  // namespace

TEST_CASE("cameras of a bundle are drawn at their centres, as pyramids that look down their -z axis",
          "[picture]") {
  const BalProblem problem = small_bundle();
  const Drawing drawing = draw(problem, problem.parameters);
  CHECK(drawing.point_count() == 20);
  REQUIRE(drawing.pose_count() == 2);
  CHECK(drawing.poses[0] == Approx(2.0));
  CHECK(std::fabs(drawing.poses[1]) < 1e-15);
  CHECK(std::fabs(drawing.poses[2]) < 1e-15);
  // The camera's x axis is the world's -y axis: (x, y) of the corner (-0.6, -0.45) becomes (-0.45, 0.6).
  const std::vector<double> corners = camera_pyramids(drawing, 10.0);
  REQUIRE(corners.size() == 30);
  CHECK(corners[0] == Approx(2.0));
  CHECK(corners[3] == Approx(2.0 - 4.5));
  CHECK(corners[4] == Approx(6.0));
  CHECK(corners[5] == Approx(-10.0));
}

TEST_CASE("points far out do not move the eye away from a bundle", "[picture]") {
  Drawing drawing = street(20, 400);
  const Extent before = extent(drawing);
  for (int c = 0; c < 3; ++c) {
    drawing.points[static_cast<std::size_t>(c)] = 1e9;
    drawing.points[static_cast<std::size_t>(30 + c)] = -1e12;
  }
  const Extent after = extent(drawing);
  CHECK(after.radius == Approx(before.radius).epsilon(0.1));
  for (std::size_t c = 0; c < 3; ++c) {
    CHECK(std::fabs(after.centre[c] - before.centre[c]) < 0.1 * before.radius);
  }
}

TEST_CASE("a PLY file holds every point and a pyramid for each camera", "[picture]") {
  const Folder folder;
  const BalProblem problem = small_bundle();
  const Drawing drawing = draw(problem, problem.parameters);
  write_ply(drawing, folder / "a.ply");
  const Ply ply = read_ply(folder / "a.ply");
  REQUIRE(ply.position.size() == 20 + 2 * 5);
  REQUIRE(ply.edge.size() == 2 * 8);
  for (std::size_t j = 0; j < 20; ++j) {
    for (std::size_t c = 0; c < 3; ++c) {
      CHECK(ply.position[j][c] == static_cast<float>(problem.point(static_cast<Index>(j))[c]));
    }
  }
  CHECK(ply.position[20][0] == Approx(2.0));
  CHECK(ply.vertex_colour[20][1] > ply.vertex_colour[20][0]);
  for (const auto& [a, b] : ply.edge) {
    CHECK((a >= 20 && a < 30 && b >= 20 && b < 30 && a != b));
  }
  CHECK(folder.files() == 1);
}

TEST_CASE("a PLY file of a pose graph holds its path and its loops in two colours", "[picture]") {
  const Folder folder;
  const PoseGraph graph = generate_pose_graph({.poses = 100});
  write_ply(draw(graph, graph.pose), folder / "a.ply");
  const Ply ply = read_ply(folder / "a.ply");
  CHECK(ply.position.size() == 100);
  REQUIRE(ply.edge.size() == static_cast<std::size_t>(graph.edges()));
  for (std::size_t e = 0; e < ply.edge.size(); ++e) {
    CHECK(ply.edge[e][0] == graph.from[e]);
    CHECK(ply.edge[e][1] == graph.to[e]);
    CHECK((ply.edge_colour[e] == ply.edge_colour[0]) == (graph.to[e] == graph.from[e] + 1));
  }
}

TEST_CASE("a page needs no other file and says what it is told, whatever characters that has", "[picture]") {
  const Drawing drawing = street(5, 100);
  const std::string page = html({.title = "bal:<a>&\"b\".txt",
                                 .facts = {{"value", "1 > %TITLE%"}, {"time", "2 s"}},
                                 .start = drawing,
                                 .solution = drawing});
  check_says(page, {"<title>bal:&lt;a&gt;&amp;&quot;b&quot;.txt</title>", "<dd>1 &gt; %TITLE%</dd>",
                    "<dt>time</dt><dd>2 s</dd>", "100 points", "5 cameras", "prefers-color-scheme: dark",
                    "width=device-width"});
  for (const char* absent :
       {"http:", "https:", "src=", "@import", "<link", "%DATA%", "%FACTS%", "%LEGEND%"}) {
    CHECK(page.find(absent) == std::string::npos);
  }
  CHECK(page.starts_with("<!DOCTYPE html>"));
}

TEST_CASE("a page shows start and solution in one turned frame that keeps all distances", "[picture]") {
  const Drawing solution = street(10, 200);
  Drawing start = solution;
  for (double& each : start.points) {
    each += 0.5;
  }
  const std::string page = html({.title = "t", .start = start, .solution = solution});
  const auto points = arrays(page, "points");
  REQUIRE(points[0].size() == 600);
  REQUIRE(points[1].size() == 600);
  CHECK(arrays(page, "poses")[1].size() == 10 * 15);
  const auto distance = [](const auto& p, std::size_t i, const auto& q, std::size_t j) {
    double sum = 0;
    for (std::size_t c = 0; c < 3; ++c) {
      const double difference = static_cast<double>(p[3 * i + c]) - static_cast<double>(q[3 * j + c]);
      sum += difference * difference;
    }
    return std::sqrt(sum);
  };
  for (std::size_t i = 0; i < 200; ++i) {
    CHECK(distance(points[0], i, points[1], i) == Approx(std::sqrt(0.75)).epsilon(1e-3));
    const std::size_t j = 7 * i % 200;
    CHECK(distance(points[1], i, points[1], j) ==
          Approx(distance(solution.points, i, solution.points, j)).epsilon(1e-4).margin(1e-4));
  }
}

TEST_CASE("a page of a plane graph is seen from above, unturned", "[picture]") {
  const PoseGraph graph =
      parse_g2o("VERTEX_SE2 0 1 2 0\nVERTEX_SE2 1 3 6 1\nEDGE_SE2 0 1 1 0 0 1 0 0 1 0 1\n", "graph");
  const Drawing drawing = draw(graph, graph.pose);
  const std::string page = html({.title = "t", .start = drawing, .solution = drawing});
  CHECK(arrays(page, "poses")[0] == std::vector<float>{-1, -2, 0, 1, 2, 0});
  check_says(page, {"{plane:true,bundle:false", "2 poses", "0 loops"});
}

TEST_CASE("of a large cloud a page shows an even part, the same each time", "[picture]") {
  const Drawing drawing = street(100, 60000);
  const Picture picture = {.title = "t", .start = drawing, .solution = drawing};
  const std::string page = html(picture);
  CHECK(page == html(picture));
  CHECK(page.size() < 1000000);
  check_says(page, {"20000 of 60000 points"});
  const auto points = arrays(page, "points");
  REQUIRE(points[1].size() == 3 * 20000);
  // The points run along the street: each third of the page's points lies in the same third of all.
  const PoseGraph graph = generate_pose_graph({.shape = GeneratedPoseGraph::Shape::grid, .poses = 60000});
  const Drawing large = draw(graph, graph.pose);
  const std::string graph_page = html({.title = "t", .start = large, .solution = large});
  CHECK(graph_page.size() < 2000000);
  CHECK(arrays(graph_page, "poses")[0].size() == 3 * 20000);
  check_says(graph_page, {"20000 of 60000 poses", "30000 of "});
}

TEST_CASE("a picture of nothing or of one point can be drawn", "[picture]") {
  const Folder folder;
  Drawing drawing;
  write_html({.title = "t", .start = drawing, .solution = drawing}, folder / "none.html");
  write_ply(drawing, folder / "none.ply");
  drawing.points = {1, 2, 3};
  CHECK(extent(drawing).radius == 1.0);
  write_html({.title = "t", .start = drawing, .solution = drawing}, folder / "one.html");
  CHECK(folder.files() == 3);
}

TEST_CASE("a picture that cannot be drawn leaves nothing behind and says why", "[picture]") {
  const Folder folder;
  Drawing drawing = street(5, 100);
  check_says(message([&] { write_ply(drawing, folder / "absent/a.ply"); }), {"cannot be written"});
  Drawing broken = drawing;
  broken.points[7] = std::nan("");
  check_says(message([&] { write_ply(broken, folder / "a.ply"); }), {"a.ply", "not finite"});
  check_says(
      message([&] { write_html({.title = "t", .start = drawing, .solution = broken}, folder / "a.html"); }),
      {"a.html", "not finite"});
  CHECK(folder.files() == 0);
  broken = drawing;
  broken.links.push_back({0, 5});
  CHECK_THROWS_AS(write_ply(broken, folder / "a.ply"), ContractError);
}
