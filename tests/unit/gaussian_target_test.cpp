// Gaussian-process regressions by name.
#include "problems/likelihood/gaussian_target.h"

#include <cmath>

#include "kappa/kappa.h"
#include "problems/targets.h"
#include "support/catch.h"
#include "support/files.h"

namespace {

using kappa::load_target;
using kappa::Target;

std::string message_of(const std::string& address) {
  try {
    load_target(address);
  } catch (const kappa::Error& error) {
    return error.what();
  }
  return "";
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("Generated regressions are the same for the same seed", "[gaussian][targets]") {
  const Target a = load_target("gaussian:generated?n=30&kernel=matern52*periodic+se&seed=3");
  const Target b = load_target("gaussian:generated?n=30&kernel=matern52*periodic+se&seed=3");
  const Target c = load_target("gaussian:generated?n=30&kernel=matern52*periodic+se&seed=4");
  CHECK(a.x0 == b.x0);
  CHECK(a.x0 != c.x0);
  CHECK(a.problem->dimension() == 8);
  CHECK(a.problem->variable_name(0) == "log variance");
  CHECK(contains(a.note, "variance * matern52 * periodic + variance * squared_exponential"));
}

TEST_CASE("Regressions named by targets are solved by Newton and by Fisher scoring", "[gaussian][targets]") {
  for (const char* address : {"gaussian:generated?n=120&inputs=2&mean=linear&offset=0.2",
                              "gaussian:enso?kernel=periodic+se&noise=0.3"}) {
    INFO(address);
    const Target target = load_target(address);
    const kappa::Result exact = minimize(*target.problem, target.x0, kappa::newton());
    const kappa::Result fisher =
        minimize(*target.problem, target.x0,
                 kappa::levenberg_marquardt({.curvature = {"outer-product", {{"model", "fisher"}}}}));
    CHECK(exact.converged());
    CHECK(fisher.converged());
    CHECK(exact.value == Approx(fisher.value).epsilon(1e-9));
  }
}

TEST_CASE("A regression is read from a CSV file", "[gaussian][targets]") {
  const kappa::test::Folder folder;
  const std::string path = folder.with("data.csv", "x,z,y\n0,1,2\n1,0,1.5\n2,2,0.5\n3,1,-1\n4,5,-0.5\n");
  const Target target = load_target("gaussian:csv?file=" + path + "&kernel=se");
  // Variance, two lengths, noise, mean.
  CHECK(target.problem->dimension() == 5);
  const auto& likelihood = dynamic_cast<const kappa::GaussianLikelihood&>(*target.problem);
  CHECK(std::vector<double>(likelihood.data().begin(), likelihood.data().end()) ==
        std::vector<double>{2, 1.5, 0.5, -1, -0.5});
  CHECK(target.x0[1] == Approx(std::log(0.4)));
  CHECK(target.x0[2] == Approx(std::log(0.5)));
  CHECK(target.x0[4] == Approx(0.5));
}

TEST_CASE("Names, keys and kernels that are wrong are refused in a sentence", "[gaussian][targets]") {
  CHECK(contains(message_of("gaussian:generatd"), "there is no problem 'generatd'; valid names: generated"));
  CHECK(contains(message_of("gaussian:generated?kernel=mattern52"),
                 "there is no kernel 'mattern52'; valid kernels: matern52"));
  CHECK(contains(message_of("gaussian:generated?kernel=se+"), "there is no kernel ''"));
  CHECK(contains(message_of("gaussian:generated?n=1"), "key 'n' cannot be '1'"));
  CHECK(contains(message_of("gaussian:generated?noise=-1"), "key 'noise' cannot be '-1'"));
  CHECK(contains(message_of("gaussian:generated?sed=1"), "there is no key 'sed'; valid keys: seed"));
  CHECK(contains(message_of("gaussian:generated?mean=cubic"), "cubic"));
  CHECK(contains(message_of("gaussian:csv"), "names no file"));
  CHECK(contains(message_of("gaussian:csv?file=/no/such/file.csv"), "/no/such/file.csv"));
}
