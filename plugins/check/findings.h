// Gathers findings, and the problems on which the laws are looked at.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "kappa/curvature.h"
#include "plugins/check/check.h"
#include "problems/targets.h"

namespace kappa::detail {

/// Of each law of a part, the worst finding.
class Findings {
 public:
  void part(std::string name) { part_ = std::move(name); }
  void problem(std::string name) { problem_ = std::move(name); }

  /// A figure that must not exceed what is allowed; a NaN does.
  void require(const std::string& law, double figure, double allowed, const std::string& advice);
  void holds(const std::string& law, bool condition, const std::string& advice) {
    require(law, condition ? 0 : 1, 0, advice);
  }
  /// A figure that no law bounds; the largest is kept.
  void note(const std::string& what, double figure);

  /// The part does not fit the problem, for this reason; no law is broken by that.
  void does_not_apply(const std::string& why);

  std::vector<CheckFinding> take() { return std::move(findings_); }

 private:
  void add(CheckFinding finding, double badness);

  std::string part_, problem_;
  std::vector<CheckFinding> findings_;
  std::vector<double> badness_;
};

/// Small problems of several families: regressions, test functions, a bundle, a pose graph, networks.
const std::vector<Target>& check_problems();

/// The problem at x with everything that `needs` names.
EvalStatus evaluate_at(const Problem& problem, ConstVectorRef x, const CurvatureNeeds& needs,
                       Evaluation& out);

/// x, and two points further along the negative gradient, as a solve might visit them.
std::vector<std::vector<double>> path_from(const Target& target);

bool same_bits(ConstVectorRef a, ConstVectorRef b);

/// One for a part of each kind.
void check_curvature(const CurvaturePart& part, const CheckSettings& settings, Findings& findings);
void check_step(const StepPart& part, const CheckSettings& settings, Findings& findings);
void check_acceptance(const AcceptancePart& part, const CheckSettings& settings, Findings& findings);
void check_loss(const std::string& name, const CheckSettings& settings, Findings& findings);
void check_problem(const std::string& name, const CheckSettings& settings, Findings& findings);

/// The options that the settings name for a part.
Options options_for(const CheckSettings& settings, const std::string& part);

}  // namespace kappa::detail
