// kappa-bench as its users run it: the built program, its exit status and its files.
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <vector>

#include "support/catch.h"

namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

/// A folder that goes with the test.
class Folder {
 public:
  Folder() {
    std::string pattern = (fs::temp_directory_path() / "kappa-bench-test-XXXXXX").string();
    REQUIRE(mkdtemp(pattern.data()) != nullptr);
    path_ = pattern;
  }
  ~Folder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  std::string operator/(const char* name) const { return (path_ / name).string(); }
  std::vector<std::string> files() const {
    std::vector<std::string> out;
    for (const auto& entry : fs::directory_iterator(path_)) {
      out.push_back(entry.path().filename().string());
    }
    return out;
  }

 private:
  fs::path path_;
};

std::string contents(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

struct Finished {
  int status = -1;
  std::string out;
  std::string err;
};

Finished bench(const Folder& folder, const std::string& arguments) {
  const std::string out = folder / "out.txt";
  const std::string err = folder / "err.txt";
  const int raw =
      std::system((std::string(KAPPA_BENCH) + " " + arguments + " >'" + out + "' 2>'" + err + "'").c_str());
  Finished done{WIFEXITED(raw) ? WEXITSTATUS(raw) : -1, contents(out), contents(err)};
  fs::remove(out);
  fs::remove(err);
  return done;
}

std::size_t count(const std::string& text, const std::string& what) {
  std::size_t n = 0;
  for (std::size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + what.size())) {
    ++n;
  }
  return n;
}

void check_row(const Json& row) {
  INFO(row.dump());
  CHECK(row.at("problem").is_string());
  CHECK(row.at("start").is_string());
  CHECK(row.at("solver").is_string());
  CHECK(row.at("iterations").is_number_integer());
  CHECK(row.at("evaluations").get<int>() >= 1);
  CHECK(row.at("threads").get<int>() >= 1);
  CHECK_FALSE(row.at("reason").get<std::string>().empty());
  CHECK(row.at("seconds").is_null() == !row.at("solved").get<bool>());
  for (const Json& seconds : row.at("seconds_all")) {
    CHECK(seconds.get<double>() > 0);
  }
  const double digits = row.at("accuracy_digits").get<double>();
  CHECK((digits >= 0 && digits <= 11));
}

}  // namespace

TEST_CASE("kappa-bench writes the results of one suite as one JSON object with one row a solver and case",
          "[bench]") {
  const Folder folder;
  const std::string file = folder / "results.json";
  const Finished done = bench(folder, "nist --only misra1a --repeat 3 --json '" + file + "'");
  INFO(done.err);
  REQUIRE(done.status == 0);
  CHECK(done.err.empty());  // no progress where there is no terminal
  CHECK(done.out.find("Misra1a") != std::string::npos);
  CHECK(folder.files() == std::vector<std::string>{"results.json"});

  const Json json = Json::parse(contents(file));
  CHECK(json.at("suite") == "nist");
  CHECK(json.at("machine").at("cores").get<int>() >= 1);
  CHECK_FALSE(json.at("versions").at("kappa").get<std::string>().empty());
  int of_kappa = 0;
  for (const Json& row : json.at("rows")) {
    check_row(row);
    CHECK(row.at("seconds_all").size() == 3);
    CHECK(row.at("problem") == "Misra1a");
    if (row.at("solver") == "kappa") {
      ++of_kappa;
      CHECK(row.at("solved") == true);
      CHECK(row.at("accuracy_digits").get<double>() > 6);
      // NIST's certified residual sum of squares, of which the objective is half.
      CHECK(2 * row.at("final_value").get<double>() == Approx(1.2455138894e-01).epsilon(1e-9));
      CHECK(row.contains("standard_error_digits") == (row.at("start") == "2"));
    }
  }
  CHECK(of_kappa == 2);
}

TEST_CASE("kappa-bench's median is a member of an odd number of samples", "[bench]") {
  const Folder folder;
  const std::string file = folder / "results.json";
  REQUIRE(bench(folder, "mgh --only rosenbrock --peers none --repeat 3 --json '" + file + "'").status == 0);
  const Json json = Json::parse(contents(file));
  REQUIRE(json.at("rows").size() == 6);  // extended-rosenbrock as well
  for (const Json& row : json.at("rows")) {
    std::vector<double> all = row.at("seconds_all").get<std::vector<double>>();
    std::sort(all.begin(), all.end());
    CHECK(row.at("solver") == "kappa");
    REQUIRE(row.at("solved") == true);
    CHECK(row.at("seconds").get<double>() == Approx(all[1]));
  }
}

TEST_CASE("kappa-bench writes an array where several suites are asked for, and times to targets for bundles",
          "[bench]") {
  const Folder folder;
  const std::string file = folder / "results.json";
  const Finished done = bench(folder,
                              "mgh bal --only '*a*' --peers none --repeat 1 --methods levenberg-marquardt "
                              "--data 'generated/street?cameras=4&points=60&seed=2' --json '" +
                                  file + "'");
  INFO(done.err);
  REQUIRE(done.status == 0);
  const Json json = Json::parse(contents(file));
  REQUIRE(json.is_array());
  REQUIRE(json.size() == 2);
  CHECK(json[0].at("suite") == "mgh");
  CHECK(json[1].at("suite") == "bal");
  const Json& row = json[1].at("rows").at(0);
  check_row(row);
  const Json& to = row.at("seconds_to");
  REQUIRE(to.size() == 5);
  double before = 0;
  for (const char* target : {"1e-1", "1e-2", "1e-3", "1e-4", "1e-5"}) {
    REQUIRE(to.at(target).is_number());
    CHECK(to.at(target).get<double>() >= before);
    before = to.at(target).get<double>();
  }
  CHECK(row.at("trace").back().at(2).get<double>() == Approx(row.at("final_value").get<double>()));
}

TEST_CASE("kappa-bench measures each solver's peak memory apart from others and from the data", "[bench]") {
  const Folder folder;
  const std::string file = folder / "results.json";
  const auto peaks = [&](const std::string& arguments) {
    const Finished done = bench(folder, "bal --repeat 1 " + arguments + " --json '" + file + "'");
    INFO(done.err);
    REQUIRE(done.status == 0);
    CHECK(done.out.find("peak memory") != std::string::npos);
    std::vector<double> out;
    const Json json = Json::parse(contents(file));
    for (const Json& row : json.at("rows")) {
      out.push_back(row.at("peak_memory_bytes").get<double>());
    }
    return out;
  };
  const std::string small = "'generated/street?cameras=4&points=60'";
  const std::string large = "'generated/tourist?cameras=20&points=6000&seed=1'";
  const std::vector<double> both = peaks("--threads 1 --peers none --data " + small + " " + large);
  REQUIRE(both.size() == 2);
  // Each of 6000 points is seen by two cameras at least, and each of these couplings is stored: 9 x 3
  // doubles.
  CHECK(both[1] - both[0] > 12e3 * 27 * 8);
  // The order of the cases matters not: nothing is left from one to the other.
  const std::vector<double> turned = peaks("--threads 1 --peers none --data " + large + " " + small);
  REQUIRE(turned.size() == 2);
  CHECK(turned[0] == Approx(both[1]).epsilon(0.1));
  CHECK(turned[1] < 0.5 * both[1]);

  REQUIRE(bench(folder, "bal --peers none --repeat 1 --no-memory --data " + small + " --json '" + file + "'")
              .status == 0);
  const Json json = Json::parse(contents(file));
  CHECK_FALSE(json.at("rows").at(0).contains("peak_memory_bytes"));
}

TEST_CASE("kappa-bench reports whether the bits depend on the number of threads", "[bench]") {
  const Folder folder;
  const std::string file = folder / "results.json";
  REQUIRE(
      bench(folder, "nist --only gauss1 --peers none --repeat 1 --check-bits --json '" + file + "'").status ==
      0);
  const Json json = Json::parse(contents(file));
  CHECK(json.at("threads_seen") == Json({1, 2, 4, 8}));
  for (const Json& row : json.at("rows")) {
    CHECK(row.at("same_bits") == true);
  }
}

TEST_CASE("kappa-bench writes a report that is one well-formed page without outside resources", "[bench]") {
  const Folder folder;
  const Finished done = bench(
      folder, "nist bal --only '*a*' --repeat 1 --data 'generated/street?cameras=4&points=60' --report '" +
                  (folder / "report") + "'");
  INFO(done.err);
  REQUIRE(done.status == 0);
  const std::string page = contents(folder / "report/index.html");
  REQUIRE(page.starts_with("<!doctype html>"));
  for (const char* tag : {"html", "head", "body", "main", "section", "table", "thead", "tbody", "tr",
                          "figure", "svg", "details", "style", "script", "div", "td"}) {
    INFO(tag);
    const std::string name(tag);
    CHECK(count(page, "<" + name + ">") + count(page, "<" + name + " ") == count(page, "</" + name + ">"));
    CHECK(count(page, "</" + name + ">") > 0);
  }
  for (const char* outside : {"http://", "https://", "src=", "<link", "@import", "url("}) {
    CHECK(count(page, outside) == 0);
  }
  CHECK(page.find("kappa-bench nist bal --only '*a*'") != std::string::npos);
  CHECK(page.find("cameras=4&amp;points=60") != std::string::npos);
  CHECK(page.find("prefers-color-scheme: dark") != std::string::npos);
  CHECK(count(page, ">nan") + count(page, ">inf") == 0);
}

TEST_CASE("kappa-bench measures speed-ups by threads only where it is asked to", "[bench]") {
  const Folder folder;
  const std::string file = folder / "results.json";
  const std::string run = "bal --peers none --repeat 3 --no-memory --threads 2 --json '" + file +
                          "' --data 'generated/street?cameras=6&points=200'";
  REQUIRE(bench(folder, run).status == 0);
  CHECK_FALSE(Json::parse(contents(file)).at("rows").at(0).contains("speed_up"));
  const Finished done = bench(folder, run + " --speed-up --report '" + (folder / "report") + "'");
  INFO(done.err);
  REQUIRE(done.status == 0);
  CHECK(done.out.find("to 1e-3, 1 thread") != std::string::npos);
  CHECK(contents(folder / "report/index.html").find("Speed-up by threads") != std::string::npos);
  const Json json = Json::parse(contents(file));
  const Json& row = json.at("rows").at(0);
  for (const char* target : {"1e-1", "1e-3", "1e-5"}) {
    CHECK(row.at("speed_up").at(target).get<double>() ==
          Approx(row.at("seconds_to_one_thread").at(target).get<double>() /
                 row.at("seconds_to").at(target).get<double>()));
  }
}

TEST_CASE("kappa-bench times the Jacobians of both sides, which are the same", "[bench]") {
  const Folder folder;
  const std::string file = folder / "results.json";
  // 60 points: the last batch of observations is not full.
  const Finished done =
      bench(folder, "jacobian --repeat 1 --data 'generated/street?cameras=4&points=60' --json '" + file +
                        "' --report '" + (folder / "report") + "'");
  INFO(done.err);
  REQUIRE(done.status == 0);
  CHECK(done.out.find("kappa, Jacobian blocks") != std::string::npos);
  CHECK(contents(folder / "report/index.html").find("AutoDiffCostFunction") != std::string::npos);
  const Json json = Json::parse(contents(file));
  CHECK(json.at("suite") == "jacobian");
  const Json& rows = json.at("rows");
  REQUIRE((rows.size() == 2 || rows.size() == 4));
  for (const Json& row : rows) {
    INFO(row.dump());
    CHECK(row.at("observations").get<int>() % 64 != 0);
    CHECK(row.at("nanoseconds").get<double>() > 0);
    if (row.at("work") == "ceres, AutoDiffCostFunction") {
      // Another formula for the rotation and another differentiation: equal to rounding, and not the same
      // bits.
      CHECK(row.at("block_difference").get<double>() < 1e-12);
    }
  }
}

TEST_CASE("kappa-bench solves logistic regressions to the accuracy that all sides are asked for", "[bench]") {
  const Folder folder;
  const std::string file = folder / "results.json";
  const Finished done = bench(
      folder, "logistic --repeat 1 --threads 2 --json '" + file + "' --report '" + (folder / "report") + "'");
  INFO(done.err);
  REQUIRE(done.status == 0);
  CHECK(contents(folder / "report/index.html").find("Logistic regression") != std::string::npos);
  const Json json = Json::parse(contents(file));
  CHECK(json.at("suite") == "logistic");
  const Json& rows = json.at("rows");
  REQUIRE((rows.size() == 4 || rows.size() == 6));  // C = 1 and 100; with LIBLINEAR or without
  for (const Json& row : rows) {
    INFO(row.dump());
    CHECK(row.at("seconds").get<double>() > 0);
    CHECK(row.at("gradient_ratio").get<double>() <= 1e-6);
    CHECK(row.at("excess").get<double>() < 1e-6);
  }
  CHECK(rows[0].at("threads") == 1);
  CHECK(rows[1].at("threads") == 2);
  CHECK(rows[0].at("value") == rows[1].at("value"));
}

TEST_CASE("kappa-bench counts what every pair of curvature and optimizer solves", "[bench]") {
  const Folder folder;
  const std::string file = folder / "pairs.json";
  const Finished done = bench(folder, "pairs --only beale --json '" + file + "'");
  INFO(done.err);
  REQUIRE(done.status == 0);
  CHECK(done.out.find("| outer product ") != std::string::npos);
  const Json json = Json::parse(contents(file));
  CHECK(json.at("suite") == "pairs");
  CHECK(json.at("rows").size() == 108);
  for (const Json& row : json.at("rows")) {
    INFO(row.dump());
    CHECK(row.at("of") == 1);
    CHECK(row.at("solved").is_null() == row.at("refused").is_string());
    if (row.at("curvature") == "exact" && row.at("optimizer") == "Newton, Moré-Sorensen") {
      CHECK(row.at("solved") == 1);
    }
  }
}

TEST_CASE("kappa-bench network says that PyTorch is absent, or holds its derivatives against kappa's",
          "[bench]") {
  const Folder folder;
  const std::string page = folder / "report";
  const Finished absent =
      bench(folder, "network --only dense --repeat 1 --python /no/such/python --report '" + page + "'");
  INFO(absent.err);
  REQUIRE(absent.status == 0);
  CHECK(absent.out.find("PyTorch is absent: '/no/such/python' could not be run") != std::string::npos);
  const std::string text = contents(page + "/index.html");
  CHECK(text.find("Peer: PyTorch is absent") != std::string::npos);
  CHECK(text.find("<h3>Exact dense Hessians</h3>") != std::string::npos);
  CHECK(bench(folder, "network --only nothing").status == 2);

  if (std::system("/usr/bin/python3 -c 'import torch' >/dev/null 2>&1") != 0) {
    return;
  }
  const std::string file = folder / "results.json";
  const Finished done =
      bench(folder, "network --only 'double, 1024' --repeat 1 --threads 1 --json '" + file + "'");
  INFO(done.err);
  REQUIRE(done.status == 0);
  const Json json = Json::parse(contents(file));
  CHECK(json.at("peer").get<std::string>().starts_with("PyTorch "));
  int compared = 0;
  for (const Json& row : json.at("rows")) {
    if (row.contains("difference")) {
      ++compared;
      CHECK(row.at("difference").get<double>() < 1e-12);
    }
  }
  CHECK(compared == 3);
}

TEST_CASE("kappa-bench learning draws the filters of a network of square images", "[bench]") {
  const Folder folder;
  const std::string page = folder / "report";
  const Finished done = bench(folder, "learning --only adam --epochs 1 --report '" + page + "'");
  INFO(done.err);
  REQUIRE(done.status == 0);
  const std::string text = contents(page + "/index.html");
  CHECK(text.find("Filters of the first layer, learned by adam") != std::string::npos);
  CHECK(count(text, "src=\"data:image/png;base64,iVBORw0KGgo") == 1);
  CHECK(text.find("best accuracy") != std::string::npos);
}

TEST_CASE("kappa-bench refuses a command line that makes no sense with status 2 and a sentence", "[bench]") {
  const Folder folder;
  struct Wrong {
    const char* arguments;
    const char* sentence;
  };
  for (const Wrong& wrong : std::vector<Wrong>{
           {"", "no suite is named"},
           {"nits",
            "there is no suite 'nits'; valid names: nist, mgh, mgh-bounded, bal, posegraph, pairs, jacobian, "
            "gaussian, logistic, network, learning, all"},
           {"nist --peers cerse", "there is no peer 'cerse'"},
           {"nist --only nothing-has-this-name", "matches 'nothing-has-this-name'"},
           {"nist --methods levenberg", "there is no optimizer 'levenberg'"},
           {"nist --methods newton,curvature=nought", "there is no curvature 'nought'"},
           {"nist --methods newton,curvature", "is no key=value"},
           {"nist --threads 0", "--threads"},
           {"nist --repeat none", "--repeat"},
           {"nist --data file.txt",
            "--data is for the suites bal, posegraph, jacobian, logistic and learning"},
           {"bal --data no-such-file.txt", "no-such-file.txt"},
           {"jacobian --data no-such-file.txt", "no-such-file.txt"},
           {"logistic --data no-such-file.txt", "no-such-file.txt"},
           {"bal --threads 1 --speed-up", "2 or more --threads"},
           {"nist --json /no-such-folder/results.json", "/no-such-folder/results.json"},
           {"nist --no-such-option", "--no-such-option"},
       }) {
    INFO(wrong.arguments);
    const Finished done = bench(folder, wrong.arguments);
    INFO(done.err);
    CHECK(done.status == 2);
    CHECK(done.err.starts_with("kappa-bench: "));
    CHECK(done.err.find(wrong.sentence) != std::string::npos);
    CHECK(done.out.empty());
  }
}

TEST_CASE("kappa-bench leaves an older JSON file alone when it is wrongly called", "[bench]") {
  const Folder folder;
  const std::string file = folder / "results.json";
  std::ofstream(file) << "older";
  CHECK(bench(folder, "nits --json '" + file + "'").status == 2);
  CHECK(contents(file) == "older");
  CHECK(folder.files().size() == 1);
}

TEST_CASE("kappa-bench prints its help and version with status 0", "[bench]") {
  const Folder folder;
  const Finished help = bench(folder, "--help");
  CHECK(help.status == 0);
  CHECK(help.out.find("--check-bits") != std::string::npos);
  CHECK(bench(folder, "--version").out.starts_with("kappa-bench "));
}
