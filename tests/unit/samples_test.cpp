// One file to learn from and to judge by: which samples a target takes and the unit of its features.
#include "problems/io/samples.h"

#include <cmath>
#include <string>
#include <vector>

#include "problems/io/data_text.h"
#include "problems/targets.h"
#include "support/catch.h"
#include "support/files.h"

namespace {

using namespace kappa;
using kappa::test::check_says;
using kappa::test::Folder;
using kappa::test::message;

/// Seven samples whose first feature is their number; the second does not vary.
Dataset seven() {
  return parse_csv("0,4,a\n1,4,b\n2,4,a\n3,4,b\n4,4,a\n5,4,b\n6,4,c\n", "seven.csv");
}

std::vector<double> first_features(const Dataset& data) {
  std::vector<double> out;
  for (Index s = 0; s < data.samples(); ++s) {
    out.push_back(data.features.value[static_cast<std::size_t>(s * data.features.size)]);
  }
  return out;
}

}  // namespace

TEST_CASE("what leave_out leaves out is what take takes", "[data]") {
  Dataset learnt = seven(), judged = seven();
  detail::choose_samples("csv", {.leave_out = 3}, learnt);
  detail::choose_samples("csv", {.take = 3}, judged);
  CHECK(first_features(learnt) == std::vector<double>{1, 2, 4, 5});
  CHECK(first_features(judged) == std::vector<double>{0, 3, 6});
  CHECK(learnt.label == std::vector<std::int32_t>{1, 0, 0, 1});
  CHECK(judged.label == std::vector<std::int32_t>{0, 1, 2});
  CHECK(learnt.classes == judged.classes);
}

TEST_CASE("features are scaled by the samples that are learnt from, also where the others are taken",
          "[data]") {
  Dataset learnt = seven(), judged = seven();
  detail::choose_samples("csv", {.leave_out = 3, .scale = "standard"}, learnt);
  detail::choose_samples("csv", {.take = 3, .scale = "standard"}, judged);
  // 1, 2, 4, 5 have mean 3 and variance 5/2.
  const double unit = std::sqrt(2.5);
  const std::vector<double> expected = {-2 / unit, 0, -1 / unit, 0, 1 / unit, 0, 2 / unit, 0};
  for (std::size_t k = 0; k < expected.size(); ++k) {
    CHECK(learnt.features.value[k] == Approx(expected[k]).margin(1e-15));
  }
  CHECK(judged.features.value[0] == Approx(-3 / unit));
  CHECK(judged.features.value[4] == Approx(3 / unit));
}

TEST_CASE("sparse rows stay sparse where samples are taken", "[data]") {
  Dataset data = parse_libsvm("1 1:5\n2 2:6\n1\n2 1:7 3:8\n", "file");
  detail::choose_samples("libsvm", {.leave_out = 2}, data);
  CHECK(data.features.row_start == std::vector<Index>{0, 1, 3});
  CHECK(data.features.column == std::vector<std::int32_t>{1, 0, 2});
  CHECK(data.features.value == std::vector<double>{6, 7, 8});
  CHECK(data.label == std::vector<std::int32_t>{1, 1});
  check_says(message([&] { detail::choose_samples("libsvm", {.scale = "standard"}, data); }),
             {"libsvm: ", "sparse"});
}

TEST_CASE("real targets go with their samples", "[data]") {
  Dataset data = parse_csv("1,2,10\n3,4,20\n5,6,30\n", "file", {.targets = Targets::numbers});
  detail::choose_samples("network", {.take = 2}, data);
  CHECK(data.target == std::vector<double>{10, 30});
  CHECK(data.outputs == 1);
}

TEST_CASE("choices of samples that make no sense are refused", "[data]") {
  const auto says = [](const detail::SampleChoice& choice) {
    Dataset data = seven();
    return message([&] { detail::choose_samples("csv", choice, data); });
  };
  check_says(says({.leave_out = 1}), {"csv: ", "leave_out", "at least 2"});
  check_says(says({.take = -2}), {"csv: ", "take", "at least 2"});
  check_says(says({.leave_out = 2, .take = 2}), {"take", "leave_out is given as well"});
  check_says(says({.take = 7}), {"take", "not that many samples"});
  check_says(says({.scale = "some"}), {"scale", "some"});
}

TEST_CASE("a header of counts is held against the file and names the classes", "[data]") {
  const Dataset data = parse_csv("3,2,setosa,virginica\n5,1,1\n4,2,0\n3,3,1\n", "iris.csv");
  CHECK(data.features.value == std::vector<double>{5, 1, 4, 2, 3, 3});
  CHECK(data.classes == std::vector<std::string>{"setosa", "virginica"});
  CHECK(data.label == std::vector<std::int32_t>{1, 0, 1});
  const auto says = [](const std::string& text) { return message([&] { parse_csv(text, "file"); }); };
  check_says(says("4,2,a,b\n5,1,1\n4,2,0\n"), {"file:3: ", "line 1 states 4 samples", "has 2"});
  check_says(says("2,3,a,b\n5,1,1\n4,2,0\n"), {"file:2: ", "expected 4 cells", "found 3"});
  // Samples, whose class alone may have a name.
  CHECK(parse_csv("5,2,a\n3,2,b\n", "file").samples() == 2);
  CHECK(parse_csv("3,2,1,b\n3,2,4,c\n", "file").samples() == 2);
}

TEST_CASE("a target takes a part of its file, and the rest is its validation data", "[targets]") {
  const Folder folder;
  const std::string file = folder.with("seven.csv", "0,4,a\n1,4,b\n2,4,a\n3,4,b\n4,4,a\n5,4,b\n6,4,b\n");
  for (const std::string& target :
       {std::string("csv:") + file + "?bias=1", "network:2-3-2?data=" + file + "&decay=0.1"}) {
    CHECK(load_target(target + "&leave_out=3&scale=standard").problem->terms() == 4);
    const Target judged = load_target(target + "&take=3&scale=standard");
    CHECK(judged.problem->terms() == 3);
    CHECK(judged.problem->dimension() == load_target(target).problem->dimension());
  }
}
