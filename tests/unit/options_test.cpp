#include "kappa/options.h"

#include <cmath>
#include <limits>

#include "core/option_checks.h"
#include "support/catch.h"

namespace {

using namespace kappa;
using Catch::Matchers::Contains;

struct SampleOptions {
  double tolerance = 1e-3;
  Index trials = 20;
  bool verbose = false;
  std::string model = "exact";
};

constexpr Field<SampleOptions> fields[] = {
    {"tolerance", &SampleOptions::tolerance, "a paper", "relative"},
    {"trials", &SampleOptions::trials, "another", "at least 1"},
    {"verbose", &SampleOptions::verbose, "taste", "more words"},
    {"model", &SampleOptions::model, "habit", "exact or not"},
};

SampleOptions read(const Options& given) {
  return read_options<SampleOptions>("step 'sample'", given, fields);
}
OptionValue text(const char* t) {
  return std::string(t);
}

}  // namespace

TEST_CASE("options that are not given keep the struct's defaults") {
  const SampleOptions s = read({});
  CHECK(s.tolerance == 1e-3);
  CHECK(s.trials == 20);
  CHECK(s.verbose == false);
  CHECK(s.model == "exact");
}

TEST_CASE("options are read from values of their own type and from text") {
  const SampleOptions typed =
      read({{"tolerance", 0.5}, {"trials", std::int64_t{7}}, {"verbose", true}, {"model", text("a")}});
  CHECK(typed.tolerance == 0.5);
  CHECK(typed.trials == 7);
  CHECK(typed.verbose);
  CHECK(typed.model == "a");

  const SampleOptions worded = read({{"tolerance", text("2.5e-7")},
                                     {"trials", text("-12")},
                                     {"verbose", text("true")},
                                     {"model", text("1e-3")}});
  CHECK(worded.tolerance == 2.5e-7);
  CHECK(worded.trials == -12);
  CHECK(worded.verbose);
  CHECK(worded.model == "1e-3");
  CHECK(read({{"verbose", text("false")}}).verbose == false);
  CHECK(read({{"tolerance", text("inf")}}).tolerance == infinity);
}

TEST_CASE("whole numbers serve as doubles, and doubles that are whole as counts") {
  CHECK(read({{"tolerance", std::int64_t{3}}}).tolerance == 3.0);
  CHECK(read({{"trials", 1e4}}).trials == 10000);
  CHECK(read({{"trials", text("1e4")}}).trials == 10000);
  CHECK(read({{"trials", text("9007199254740993")}}).trials == 9007199254740993);
  CHECK_THROWS_AS(read({{"trials", 2.5}}), Error);
  CHECK_THROWS_AS(read({{"trials", text("2.5")}}), Error);
  CHECK_THROWS_AS(read({{"trials", 1e300}}), Error);
  CHECK_THROWS_AS(read({{"trials", infinity}}), Error);
}

TEST_CASE("values that do not fit are refused with part, option, value and remedy") {
  CHECK_THROWS_WITH(read({{"tolerance", text("small")}}),
                    Contains("step 'sample'") && Contains("'tolerance'") && Contains("'small'") &&
                        Contains("takes a number, such as 0.001"));
  CHECK_THROWS_WITH(read({{"trials", text("many")}}), Contains("whole number, such as 20"));
  CHECK_THROWS_WITH(read({{"verbose", text("maybe")}}), Contains("true or false"));
  CHECK_THROWS_WITH(read({{"model", 3.0}}), Contains("cannot be 3") && Contains("such as 'exact'"));
  for (const char* bad : {"", " 1", "1 ", "1e", "0x10", "1,5", "nan", "--1"}) {
    CAPTURE(bad);
    CHECK_THROWS_AS(read({{"tolerance", text(bad)}}), Error);
  }
  CHECK_THROWS_AS(read({{"tolerance", true}}), Error);
  CHECK_THROWS_AS(read({{"tolerance", std::nan("")}}), Error);
  CHECK_THROWS_AS(read({{"verbose", 1.0}}), Error);
}

TEST_CASE("an unknown option is refused with the valid names, the closest first") {
  CHECK_THROWS_WITH(read({{"tolerence", 1.0}}),
                    Contains("there is no option 'tolerence'") && Contains("valid options: tolerance, "));
  CHECK_THROWS_WITH(read({{"modell", 1.0}}), Contains("valid options: model, "));
  struct None {};
  CHECK_THROWS_WITH((read_options<None>("curvature 'bare'", {{"x", 1.0}}, {})), Contains("takes no options"));
}

TEST_CASE("names are listed by edit distance, ties in their own order") {
  CHECK(detail::closest_first("kitten", {"sitting", "mitten", "kitchen", "kitten"}) ==
        "kitten, mitten, kitchen, sitting");
  CHECK(detail::closest_first("", {"ccc", "a", "bb"}) == "a, bb, ccc");
  CHECK(detail::closest_first("x", {}).empty());
}

TEST_CASE("text of a value is short and reads back to the same value") {
  CHECK(to_text(1e-3) == "0.001");
  CHECK(to_text(1e-20) == "1e-20");
  CHECK(to_text(1.0) == "1");
  CHECK(to_text(infinity) == "inf");
  CHECK(to_text(std::int64_t{-42}) == "-42");
  CHECK(to_text(true) == "true");
  CHECK(to_text(false) == "false");
  CHECK(to_text(text("as it is")) == "as it is");
  using Limits = std::numeric_limits<double>;
  for (const double v :
       {0.1, 1.0 / 3, -2.5e-308, Limits::max(), Limits::denorm_min(), -Limits::min(), 1e22, -0.0}) {
    const SampleOptions back = read({{"tolerance", to_text(v)}});
    CHECK(back.tolerance == v);
    CHECK(std::signbit(back.tolerance) == std::signbit(v));
  }
  for (const std::int64_t v :
       {std::numeric_limits<std::int64_t>::min(), std::numeric_limits<std::int64_t>::max()}) {
    CHECK(read({{"trials", to_text(v)}}).trials == v);
  }
}

TEST_CASE("setting an option replaces it in place or appends it") {
  Options o{{"a", 1.0}, {"b", text("x")}};
  o.set("a", text("2"));
  o.set("c", true);
  CHECK(o == Options{{"a", text("2")}, {"b", text("x")}, {"c", true}});
  CHECK_FALSE(o.empty());
  CHECK(Options().empty());
}

TEST_CASE("documentation of options shows name, default of the struct, source and meaning in order") {
  const std::vector<OptionInfo> info = describe_options<SampleOptions>(fields);
  REQUIRE(info.size() == 4);
  CHECK(info[0].name == "tolerance");
  CHECK(info[0].default_value == "0.001");
  CHECK(info[0].source == "a paper");
  CHECK(info[0].meaning == "relative");
  CHECK(info[1].default_value == "20");
  CHECK(info[2].default_value == "false");
  CHECK(info[3].default_value == "exact");
}

TEST_CASE("a choice and a range are checked with a sentence") {
  CHECK(detail::choose_option("p", "o", "two", {"one", "two"}) == 1);
  CHECK_THROWS_WITH(detail::choose_option("p", "decay", "tow", {"one", "two"}),
                    Contains("'decay'") && Contains("'tow'") && Contains("valid values: two, one"));
  CHECK_NOTHROW(detail::require_option(true, "p", "o", 1.0, "it must be positive"));
  CHECK_THROWS_WITH(detail::require_option(false, "p", "rate", -1.0, "it must be positive"),
                    Contains("p: option 'rate' is -1; it must be positive"));
}
