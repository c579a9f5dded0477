#include "problems/targets.h"

#include <cmath>
#include <string>

#include "kappa/residuals.h"
#include "problems/analytic/mgh.h"
#include "problems/analytic/nist.h"
#include "problems/io/bal.h"
#include "problems/io/g2o.h"
#include "problems/pose_graph/generated_pose_graph.h"
#include "support/catch.h"
#include "support/files.h"

using namespace kappa;

namespace {

double value_at_start(const Target& target) {
  Evaluation at;
  at.reset(target.x0, 0);
  Request request;
  REQUIRE(target.problem->evaluate(request, at) == EvalStatus::ok);
  return at.value;
}

std::string message_of(const std::string& address) {
  try {
    load_target(address);
  } catch (const Error& wrong) {
    return wrong.what();
  }
  return "no error";
}

bool contains(const std::string& text, const std::string& piece) {
  return text.find(piece) != std::string::npos;
}

}  // namespace

TEST_CASE("every scheme loads its own example, unless that is a file", "[targets]") {
  for (const TargetScheme& scheme : target_schemes()) {
    if (scheme.name != "bal" && scheme.name != "g2o" && scheme.name != "csv") {
      CHECK(load_target(scheme.example).scheme == scheme.name);
    }
  }
}

TEST_CASE("every name that a scheme lists can be loaded", "[targets]") {
  for (const char* scheme : {"nist", "mgh"}) {
    for (const std::string& name : target_scheme(scheme).names()) {
      const Target target = load_target(std::string(scheme) + ":" + name);
      CHECK(target.name == name);
      CHECK(static_cast<Index>(target.x0.size()) == target.problem->dimension());
      CHECK(target.known_minimum.has_value());
    }
  }
}

TEST_CASE("the address of a target loads the same target again", "[targets]") {
  for (const char* address : {"nist:Misra1a?start=2", "mgh:wood?factor=10", "mgh:wood?factor=0.25"}) {
    const Target target = load_target(address);
    CHECK(target.address() == address);
    CHECK(load_target(target.address()).x0 == target.x0);
  }
  CHECK(load_target("nist:misra1a?start=1").address() == "nist:Misra1a");
  CHECK(load_target("mgh:1").address() == "mgh:rosenbrock");
}

TEST_CASE("start chooses NIST's far or near starting point", "[targets]") {
  const NistProblem& data = nist_problem("Lanczos3");
  const Target near = load_target("nist:Lanczos3?start=2");
  const ConstVectorRef expected = data.starting_point(1);
  CHECK(near.x0 == std::vector<double>(expected.begin(), expected.end()));
}

TEST_CASE("known minima are of kappa's objective: half the certified sum of squares", "[targets]") {
  CHECK(*load_target("nist:Misra1a").known_minimum == nist_problem("Misra1a").residual_sum_of_squares / 2);
  // Freudenstein and Roth: f = 0 and, locally, 48.98...
  CHECK(*load_target("mgh:freudenstein-roth").known_minimum == 0);
  CHECK(*load_target("mgh:brown-dennis").known_minimum == Approx(85822.2 / 2).epsilon(1e-6));
}

TEST_CASE("a factor multiplies the standard start of a problem", "[targets]") {
  const Target ten = load_target("mgh:rosenbrock?factor=10");
  CHECK(ten.x0 == std::vector<double>{-12.0, 10.0});
  // Rosenbrock at (-12, 10): (10 (10 - 144))^2 + 13^2, halved.
  CHECK(value_at_start(ten) == Approx((1340.0 * 1340.0 + 169.0) / 2));
}

TEST_CASE("a generated bundle adjustment is a target and starts at the data's parameters", "[targets]") {
  const Target target = load_target("bal:generated/street?cameras=4&points=60");
  CHECK(target.x0 == load_bal("generated/street?cameras=4&points=60").parameters);
  CHECK(target.write != nullptr);
  CHECK(!target.known_minimum);
  CHECK(contains(target.note, "4 cameras, 60 points"));
}

TEST_CASE("a generated pose graph is a target that can be written and drawn", "[targets]") {
  const test::Folder folder;
  const Target target = load_target("g2o:generated/sphere?poses=40");
  const PoseGraph graph = load_pose_graph("generated/sphere?poses=40");
  CHECK(target.x0.size() == 39 * 7);
  CHECK(target.problem->tangent_dimension() == 39 * 6);
  CHECK(contains(target.note, "40 poses in space"));
  CHECK(contains(target.note, "1 pose held"));
  std::vector<double> x = target.x0;
  x[0] += 1.0;
  target.write(x, folder / "out.g2o");
  const PoseGraph written = read_g2o(folder / "out.g2o");
  CHECK(written.pose[7] == graph.pose[7] + 1.0);
  CHECK(written.measured == graph.measured);
  const Drawing drawing = target.draw(x);
  CHECK(drawing.pose_count() == 40);
  CHECK(drawing.poses[7] == x[0]);
  CHECK(static_cast<Index>(drawing.links.size()) == graph.edges());
}

TEST_CASE("a pose graph that nothing can be made of is refused with its name", "[targets]") {
  const test::Folder folder;
  const std::string path = folder.with("poses.g2o", "VERTEX_SE2 0 0 0 0\n");
  CHECK(contains(message_of("g2o:" + path), "poses.g2o: pose graph: there are 1 poses but no edge"));
  CHECK(contains(message_of("g2o:"), "names no file"));
  CHECK(contains(message_of(path), "to read it as a pose graph write g2o:" + path));
}

TEST_CASE("errors of targets name what is valid, the closest first", "[targets]") {
  CHECK(contains(message_of("bla:x"), "valid schemes: bal"));
  CHECK(contains(message_of("Misra1a"), "write SCHEME:NAME"));
  CHECK(contains(message_of("nist:Misra9"), "Misra1a"));
  CHECK(contains(message_of("nist:Misra1a?start=0"), "valid values: 1, 2"));
  CHECK(contains(message_of("mgh:0"), "1 to 35"));
  for (const char* factor : {"0", "-1", "inf", "nan", "x", "1x"}) {
    CHECK(contains(message_of("mgh:wood?factor=" + std::string(factor)), "it takes a positive number"));
  }
  CHECK(contains(message_of("mgh:wood?factor="), "is no key"));
}

TEST_CASE("a file of samples is a logistic regression with the keys that follow it", "[targets][logistic]") {
  const kappa::test::Folder folder;
  const std::string file = folder.with("two.csv", "x,y,kind\n1,2,a\n-1,0.5,b\n0,1,a\n");
  const Target target = load_target("csv:" + file + "?bias=1&C=2&l2=0.5");
  CHECK(target.problem->dimension() == 3);
  CHECK(value_at_start(target) == Approx(6 * std::log(2.0)));
  CHECK(contains(target.note, "3 samples of 2 features, 2 classes (2 of 'a', 1 of 'b')"));
  CHECK(load_target("csv:" + file + "?two_classes=multinomial").problem->dimension() == 4);
  const Target sparse = load_target("libsvm:" + folder.with("one", "1 1:1\n2 3:1\n"));
  CHECK(sparse.problem->dimension() == 3);
  CHECK(contains(message_of("csv:" + file + "?Q=1"), "'Q'"));
  CHECK(contains(message_of("csv:" + file + "?C=-1"), "C is -1"));
  CHECK(contains(message_of("csv:" + file + "?intercept=none"), "regularised"));
  CHECK(contains(message_of("libsvm:" + folder.with("alone", "1 1:1\n")), "one class, '1'"));
  CHECK(
      contains(message_of("libsvm:" + folder.with("wide", "1 1:1\n2 2147483647:1\n")), "is an index wrong?"));
  CHECK(contains(message_of("libsvm:"), "names no file"));
}
