// The plugin host: what is loaded, what is refused, and that the boundary keeps every bit.
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "kappa/kappa.h"
#include "kappa/plugin_host.h"
#include "loaded.h"
#include "problems/targets.h"
#include "support/catch.h"

namespace {

using namespace kappa;
using Catch::Matchers::Contains;
using test::built;

/// The plugins that all tests of this program share, loaded once.
const LoadedPlugin& handed_on() {
  return test::loaded("handed_on");
}

/// What loading says, or empty where it works.
std::string refusal(const std::string& path) {
  try {
    load_plugin(path);
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

bool says(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

TEST_CASE("a loaded plugin's parts are in the registry, with where they come from") {
  CHECK(handed_on().name == "handed-on");
  CHECK(handed_on().version == "1.0");
  REQUIRE(handed_on().parts.size() == 1);
  const PartInfo info = registry().curvature("handed-on").info;
  CHECK(info.summary == "The problem's own Gauss-Newton model.");
  CHECK(says(info.origin, "plugin handed-on 1.0 ("));
}

TEST_CASE("a built-in model behind the C table gives the same bits") {
  handed_on();
  for (const char* address : {"nist:Misra1a", "nist:MGH17", "mgh:rosenbrock", "mgh:helical-valley",
                              "bal:generated/street?cameras=12&points=300", "g2o:generated/sphere?poses=60",
                              "network:6-5-3?samples=60", "libsvm:generated?samples=300"}) {
    CAPTURE(address);
    const Target target = load_target(address);
    Stopping stopping;
    stopping.max_iterations = 15;
    // Of learning problems the choice of a step goes by the work that a linearization states, and the table
    // has no place for that.
    const bool states_work = std::string_view(address).find("samples") != std::string_view::npos;
    const Spec step = states_work ? Spec("steihaug-cg") : Spec();
    for (const Method& method : {levenberg_marquardt(), newton({.step = step})}) {
      Method own = method;
      Method plugged = method;
      own.curvature = {"outer-product"};
      plugged.curvature = {"handed-on"};
      const Result a = minimize(*target.problem, target.x0, own, stopping);
      const Result b = minimize(*target.problem, target.x0, plugged, stopping);
      CHECK(a.x == b.x);
      CHECK(a.iterations == b.iterations);
      CHECK(a.iterations > 0);
      CHECK(a.step == b.step);
    }
  }
}

TEST_CASE("what is no plugin is refused in a sentence") {
  namespace fs = std::filesystem;
  const fs::path folder = fs::temp_directory_path() / ("kappa_plugins_" + std::to_string(::getpid()));
  fs::create_directory(folder);
  const auto file = [&](const char* name) { return (folder / name).string(); };
  CHECK(says(refusal(file("none.so")), "does not exist"));
  CHECK(says(refusal(folder.string()), "is not a file"));
  std::ofstream(file("text.so")) << "this is no library";
  CHECK(says(refusal(file("text.so")), "no ELF file"));
  std::ofstream(file("empty.so")).close();
  CHECK(says(refusal(file("empty.so")), "no ELF file"));
  const auto size = fs::file_size(built("handed_on"));
  for (const auto length : {size / 64, size / 8, size / 2, size - 1}) {
    CAPTURE(length);
    fs::copy_file(built("handed_on"), file("cut.so"), fs::copy_options::overwrite_existing);
    fs::resize_file(file("cut.so"), length);
    CHECK(says(refusal(file("cut.so")), "cut short"));
  }
  fs::copy_file(built("handed_on"), file("open.so"));
  fs::permissions(file("open.so"), fs::perms::others_write, fs::perm_options::add);
  CHECK(says(refusal(file("open.so")), "may be written by everybody"));
  fs::permissions(file("open.so"), fs::perms::others_write, fs::perm_options::remove);
  fs::permissions(folder, fs::perms::others_write, fs::perm_options::add);
  CHECK(says(refusal(file("open.so")), "its folder may be written by everybody"));
  fs::remove_all(folder);
}

TEST_CASE("a plugin is loaded once, and its names are taken once") {
  handed_on();
  CHECK(says(refusal(built("handed_on")), "is loaded already"));
  namespace fs = std::filesystem;
  const fs::path copy = fs::path(KAPPA_TEST_PLUGINS) / "handed_on_again.so";
  fs::copy_file(built("handed_on"), copy, fs::copy_options::overwrite_existing);
  CHECK(says(refusal(copy.string()), "has the name"));
  fs::remove(copy);
}

TEST_CASE("folders of KAPPA_PLUGIN_PATH must not depend on the working directory") {
  ::setenv("KAPPA_PLUGIN_PATH", "plugins", 1);
  CHECK_THROWS_WITH(load_plugins_from_path(), Contains("depends on the working directory"));
  ::setenv("KAPPA_PLUGIN_PATH", "/nowhere/at/all", 1);
  CHECK_THROWS_WITH(load_plugins_from_path(), Contains("cannot be read"));
  ::unsetenv("KAPPA_PLUGIN_PATH");
  CHECK(load_plugins_from_path() == 0);
}

}  // namespace
