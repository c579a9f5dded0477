// `kappa plugin check` as a library: passes a good plugin, and finds each wrong one.
#include "plugins/check/check.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "kappa/plugin_host.h"
#include "loaded.h"
#include "plugins/check/findings.h"
#include "support/catch.h"

namespace {

using namespace kappa;

/// The hostile plugin with one part left, and one fault.
PluginCheck check_hostile(const std::string& part, const std::string& fault) {
  LoadedPlugin one = test::loaded("hostile_parts");
  for (std::vector<PartInfo>* list : {&one.parts, &one.losses, &one.problems}) {
    std::erase_if(*list, [&](const PartInfo& info) { return info.name != part; });
  }
  CheckSettings settings;
  settings.options = [&](const std::string&) { return Options{{"fault", fault}}; };
  return check_plugin(one, settings);
}

bool breaks(const PluginCheck& check, const std::string& law) {
  return std::any_of(check.findings.begin(), check.findings.end(), [&](const CheckFinding& f) {
    return f.verdict == CheckVerdict::broken && f.law.find(law) != std::string::npos && !f.advice.empty();
  });
}

}  // namespace

TEST_CASE("the check passes a good plugin") {
  CheckSettings settings;
  const PluginCheck check = check_plugin(test::loaded("handed_on"), settings);
  INFO(text(check));
  CHECK(check.passed());
  CHECK(check.findings.size() > 15);
  const auto object = nlohmann::json::parse(json(check));
  CHECK(object["passed"] == true);
  CHECK(object["findings"].size() == check.findings.size());
  for (const char* part : {"hostile", "hostile-acceptance", "hostile-loss", "hostile-problem"}) {
    const PluginCheck honest = check_hostile(part, "none");
    INFO(text(honest));
    CHECK(honest.passed());
  }
}

TEST_CASE("the check finds each wrong curvature") {
  for (const auto& [fault, law] :
       {std::pair("nan", "refresh works"), std::pair("asymmetric", "refresh works"),
        std::pair("negative-claim", "refresh works"), std::pair("size-more", "refresh works"),
        std::pair("throws-refresh", "refresh works"), std::pair("parallel-fails", "refresh works"),
        std::pair("third-refresh", "refresh works"), std::pair("asymmetric-later", "symmetric"),
        std::pair("nan-later", "finite numbers"), std::pair("dense-zero", "dense"),
        std::pair("diagonal-huge", "diagonal"), std::pair("solve-tiny", "solve_damped"),
        std::pair("dense-fails", "offers().dense")}) {
    CAPTURE(fault);
    const PluginCheck check = check_hostile("hostile", fault);
    INFO(text(check));
    CHECK_FALSE(check.passed());
    CHECK(breaks(check, law));
    CHECK(text(check).find("what to do") != std::string::npos);
  }
  LoadedPlugin one = test::loaded("handed_on");
  CheckSettings settings;
  settings.exact = {"handed-on"};
  CHECK(breaks(check_plugin(one, settings), "is the Hessian"));  // Gauss-Newton is not
}

TEST_CASE("a curvature that does not fit a problem is not blamed for it, one that fits none is") {
  const auto not_applicable = [](const PluginCheck& check) {
    return std::find_if(check.findings.begin(), check.findings.end(),
                        [](const CheckFinding& f) { return f.verdict == CheckVerdict::not_applicable; });
  };
  const PluginCheck networks = check_hostile("hostile", "networks-alone");
  INFO(text(networks));
  CHECK(networks.passed());
  const auto some = not_applicable(networks);
  REQUIRE(some != networks.findings.end());
  CHECK(some->figure == 8);
  CHECK(some->where.find("nist:Misra1a, nist:MGH17") == 0);
  CHECK(some->advice == "needs the layers of a network");
  CHECK(text(networks).find("not applicable") != std::string::npos);
  const auto object = nlohmann::json::parse(json(networks));
  const auto listed = std::find_if(object["findings"].begin(), object["findings"].end(),
                                   [](const auto& f) { return f["verdict"] == "not applicable"; });
  REQUIRE(listed != object["findings"].end());
  CHECK((*listed)["reason"] == "needs the layers of a network");
  CHECK_FALSE(listed->contains("allowed"));

  const PluginCheck nowhere = check_hostile("hostile", "fits-nothing");
  INFO(text(nowhere));
  CHECK_FALSE(nowhere.passed());
  CHECK(breaks(nowhere, "can be used on some problem"));
  CHECK(not_applicable(nowhere) != nowhere.findings.end());
  // To fit at first and not later is a fault.
  CHECK(breaks(check_hostile("hostile", "unfit-later"), "refresh works"));
}

TEST_CASE("the laws of the check are those of the built-in steps") {
  for (const PartInfo& info : registry().list()) {
    // hessian-free starts from the last step and ends early; the model of scaled-gradient has no B; own-solve
    // and own-direction need a curvature that has a solve.
    const bool other = info.name == "hessian-free" || info.name == "scaled-gradient" ||
                       info.name == "own-solve" || info.name == "own-direction";
    if (info.kind != PartKind::step || info.origin != PartInfo().origin || other) {
      continue;
    }
    CAPTURE(info.name);
    detail::Findings findings;
    findings.part(info.name);
    detail::check_step(registry().step(info.name), {}, findings);
    const PluginCheck check{"built in", findings.take()};
    INFO(text(check));
    CHECK(check.passed());
  }
}

TEST_CASE("the check finds wrong step solvers, acceptances, losses and problems") {
  for (const auto& [part, fault, law] :
       {std::tuple("hostile-step", "lies-huge", "predicted decrease"),
        std::tuple("hostile-step", "nan", "tight control"), std::tuple("hostile-step", "ascends", "downhill"),
        std::tuple("hostile-step", "prepare-fails", "prepare works"),
        std::tuple("hostile-step", "third-solve", "same bits"),
        std::tuple("hostile-acceptance", "accepts-everything", "worse is not accepted"),
        std::tuple("hostile-acceptance", "rejects-everything", "tightens"),
        std::tuple("hostile-acceptance", "start-nan", "first control"),
        std::tuple("hostile-linear", "tiny", "predicted decrease"),
        std::tuple("hostile-loss", "nan", "finite"), std::tuple("hostile-loss", "negative", "rho'"),
        std::tuple("hostile-problem", "gradient-huge", "derivatives"),
        std::tuple("hostile-problem", "value-nan", "start can be evaluated")}) {
    CAPTURE(part, fault);
    const PluginCheck check = check_hostile(part, fault);
    INFO(text(check));
    CHECK_FALSE(check.passed());
    CHECK(breaks(check, law));
  }
}
