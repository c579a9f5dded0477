#include "plugins/check/check.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <limits>
#include <nlohmann/json.hpp>

#include "kappa/registry.h"
#include "plugins/check/findings.h"

namespace kappa {

namespace detail {

void Findings::require(const std::string& law, double figure, double allowed, const std::string& advice) {
  const bool kept = figure <= allowed;
  const double badness = kept                 ? (allowed > 0 ? figure / allowed : 0)
                         : std::isnan(figure) ? std::numeric_limits<double>::infinity()
                                              : 1 + figure - allowed;
  add({part_, law, kept ? CheckVerdict::kept : CheckVerdict::broken, figure, allowed, problem_, advice},
      badness);
}

void Findings::note(const std::string& what, double figure) {
  add({part_, what, CheckVerdict::noted, figure, 0, problem_, ""}, figure);
}

void Findings::does_not_apply(const std::string& why) {
  for (CheckFinding& known : findings_) {
    if (known.part == part_ && known.verdict == CheckVerdict::not_applicable && known.advice == why) {
      known.figure += 1;
      known.where += ", " + problem_;
      return;
    }
  }
  findings_.push_back({part_, "fits the problem", CheckVerdict::not_applicable, 1, 0, problem_, why});
  badness_.push_back(0);
}

void Findings::add(CheckFinding finding, double badness) {
  for (std::size_t i = 0; i < findings_.size(); ++i) {
    CheckFinding& known = findings_[i];
    if (known.part == finding.part && known.law == finding.law) {
      const bool worse_verdict =
          finding.verdict == CheckVerdict::broken && known.verdict == CheckVerdict::kept;
      const bool better_verdict =
          finding.verdict == CheckVerdict::kept && known.verdict == CheckVerdict::broken;
      if (worse_verdict || (!better_verdict && badness > badness_[i])) {
        known = std::move(finding);
        badness_[i] = badness;
      }
      return;
    }
  }
  findings_.push_back(std::move(finding));
  badness_.push_back(badness);
}

const std::vector<Target>& check_problems() {
  static const std::vector<Target> problems = [] {
    std::vector<Target> out;
    for (const char* address :
         {"nist:Misra1a", "nist:MGH17", "nist:Hahn1", "mgh:rosenbrock", "mgh:helical-valley", "mgh:wood",
          "bal:generated/street?cameras=2&points=20", "g2o:generated/sphere?poses=20",
          "network:4-5-3?samples=30", "network:3-4-2?samples=30&loss=mean-square&decay=0.01",
          "network:5-3-5?samples=20&targets=features&loss=mean-square&output=sigmoid"}) {
      out.push_back(load_target(address));
    }
    return out;
  }();
  return problems;
}

EvalStatus evaluate_at(const Problem& problem, ConstVectorRef x, const CurvatureNeeds& needs,
                       Evaluation& out) {
  out.reset(x, 0);
  Request request;
  request.want = Want::value | Want::gradient | (needs.models.empty() ? Want::nothing : Want::linearization);
  request.models = needs.models;
  request.blocks = needs.blocks;
  const Interrupt none;
  request.interrupt = &none;
  const EvalStatus status = problem.evaluate(request, out);
  const bool finite = std::isfinite(out.value) && std::all_of(out.gradient.begin(), out.gradient.end(),
                                                              [](double g) { return std::isfinite(g); });
  return status == EvalStatus::ok && !finite ? EvalStatus::outside_domain : status;
}

std::vector<std::vector<double>> path_from(const Target& target) {
  const Problem& problem = *target.problem;
  std::vector<std::vector<double>> out = {target.x0};
  Evaluation at;
  for (int k = 0; k < 2; ++k) {
    if (evaluate_at(problem, out.back(), {}, at) != EvalStatus::ok) {
      break;
    }
    double size = 0;
    double steepness = 0;
    for (const double e : at.x) {
      size = std::max(size, std::fabs(e));
    }
    for (const double g : at.gradient) {
      steepness = std::max(steepness, std::fabs(g));
    }
    std::vector<double> step(at.gradient.size());
    const double length = steepness > 0 ? 1e-3 * std::max(size, 1.0) / steepness : 0.0;
    std::transform(at.gradient.begin(), at.gradient.end(), step.begin(),
                   [=](double g) { return -length * g; });
    std::vector<double> next(out.back().size());
    problem.retract(out.back(), step, next);
    out.push_back(std::move(next));
  }
  return out;
}

bool same_bits(ConstVectorRef a, ConstVectorRef b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](double x, double y) {
    return (x == y && std::signbit(x) == std::signbit(y)) || (std::isnan(x) && std::isnan(y));
  });
}

Options options_for(const CheckSettings& settings, const std::string& part) {
  return settings.options ? settings.options(part) : Options();
}

}  // namespace detail

bool PluginCheck::passed() const {
  return std::none_of(findings.begin(), findings.end(),
                      [](const CheckFinding& f) { return f.verdict == CheckVerdict::broken; });
}

PluginCheck check_plugin(const LoadedPlugin& plugin, const CheckSettings& settings) {
  detail::Findings findings;
  for (const PartInfo& info : plugin.parts) {
    findings.part(std::string(name(info.kind)) + " " + info.name);
    if (info.kind == PartKind::curvature) {
      check_curvature(registry().curvature(info.name), settings, findings);
    } else if (info.kind == PartKind::step) {
      check_step(registry().step(info.name), settings, findings);
    } else if (info.kind == PartKind::acceptance) {
      check_acceptance(registry().acceptance(info.name), settings, findings);
    }
  }
  for (const PartInfo& info : plugin.losses) {
    findings.part("loss " + info.name);
    detail::check_loss(info.name, settings, findings);
  }
  for (const PartInfo& info : plugin.problems) {
    findings.part("problem " + info.name);
    detail::check_problem(info.name, settings, findings);
  }
  return {plugin.name + " " + plugin.version + " (" + plugin.path + ")", findings.take()};
}

namespace {

/// As the table and the JSON say it.
const char* word(CheckVerdict verdict, const char* noted, const char* broken) {
  return verdict == CheckVerdict::kept     ? "kept"
         : verdict == CheckVerdict::broken ? broken
         : verdict == CheckVerdict::noted  ? noted
                                           : "not applicable";
}

bool bounded(const CheckFinding& finding) {
  return finding.verdict == CheckVerdict::kept || finding.verdict == CheckVerdict::broken;
}

std::string figure(double value) {
  char out[40];
  std::snprintf(out, sizeof out, "%.3g", value);
  return out;
}

}  // namespace

std::string text(const PluginCheck& check) {
  std::vector<std::array<std::string, 5>> rows = {{"law", "verdict", "figure", "allowed", "worst on"}};
  std::vector<std::string> parts = {""};
  for (const CheckFinding& f : check.findings) {
    const bool fits = f.verdict != CheckVerdict::not_applicable;
    rows.push_back({f.law, word(f.verdict, "", "BROKEN"), fits ? figure(f.figure) : "",
                    bounded(f) ? figure(f.allowed) : "",
                    fits ? f.where : figure(f.figure) + " problems, see below"});
    parts.push_back(f.part);
  }
  std::array<std::size_t, 5> width{};
  for (const auto& row : rows) {
    for (std::size_t c = 0; c < row.size(); ++c) {
      width[c] = std::max(width[c], row[c].size());
    }
  }
  std::string out = "plugin " + check.plugin + "\n";
  std::string last;
  for (std::size_t r = 0; r < rows.size(); ++r) {
    if (parts[r] != last) {
      out += "\n" + parts[r] + "\n";
      last = parts[r];
    }
    std::string line = " ";
    for (std::size_t c = 0; c < rows[r].size(); ++c) {
      line += " " + rows[r][c] + std::string(width[c] - rows[r][c].size() + 1, ' ');
    }
    out += line.substr(0, line.find_last_not_of(' ') + 1) + "\n";
  }
  const char* heading = "\nnot applicable\n";
  for (const CheckFinding& f : check.findings) {
    if (f.verdict == CheckVerdict::not_applicable) {
      out += heading + ("  " + f.part + ", on " + f.where) + ": " + f.advice + "\n";
      heading = "";
    }
  }
  std::size_t broken = 0;
  std::size_t laws = 0;
  for (const CheckFinding& f : check.findings) {
    laws += bounded(f) ? 1 : 0;
    if (f.verdict == CheckVerdict::broken) {
      out += (broken++ == 0 ? "\nwhat to do\n" : "");
      out += "  " + f.part + ", " + f.law + " (on " + f.where + "): " + f.advice + "\n";
    }
  }
  out += "\n" + std::to_string(laws - broken) + " of " + std::to_string(laws) + " laws are kept\n";
  return out;
}

std::string json(const PluginCheck& check) {
  using Object = nlohmann::ordered_json;
  Object out;
  out["plugin"] = check.plugin;
  out["passed"] = check.passed();
  out["findings"] = Object::array();
  for (const CheckFinding& f : check.findings) {
    Object finding = {{"part", f.part},
                      {"law", f.law},
                      {"verdict", word(f.verdict, "noted", "broken")},
                      {"figure", f.figure},
                      {"where", f.where}};
    if (bounded(f)) {
      finding["allowed"] = f.allowed;
    }
    if (f.verdict == CheckVerdict::broken) {
      finding["advice"] = f.advice;
    }
    if (f.verdict == CheckVerdict::not_applicable) {
      finding["reason"] = f.advice;
    }
    out["findings"].push_back(std::move(finding));
  }
  return out.dump(2, ' ', false, Object::error_handler_t::replace) + "\n";
}

}  // namespace kappa
