// How names and "auto" become parts: the choices of a method, and the sentences that explain them.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "kappa/acceptance.h"
#include "kappa/curvature.h"
#include "kappa/method.h"
#include "kappa/operator.h"
#include "kappa/problem.h"
#include "kappa/step.h"

namespace kappa::detail {

/// A choice and its reason; the reason is empty where the user named the part.
struct Choice {
  std::string_view name;
  const Options* options;
  const char* why = "";
};

/// The curvature of a method for a problem. Throws Error where the problem cannot feed it.
Choice choose_curvature(const Method& method, const Problem& problem);

/// The second curvature by which conjugate gradients are to be preconditioned; an empty name where there is
/// none. One that was not named is only a candidate: see keeps_preconditioner. Throws Error where the named
/// one cannot be used.
Choice choose_preconditioner(const Method& method, const Problem& problem);

/// Whether the diagonal of B itself is so dear that the candidate is better.
bool keeps_preconditioner(const SymmetricOperator& B);

/// The step solver chosen for a block-sparse operator, kept with what the choice was made from.
struct BlockChoice {
  BlockStructure structure;
  Options options;
  std::string_view name;               ///< empty where no solver fits
  std::string why;                     ///< with the numbers that decided
  std::unique_ptr<StepSolver> solver;  ///< made for the choice, structure analysed; to be taken over
  std::string weighed = {};            ///< the sentence of a choice between a factor and products
};

/// The step solver, once the operator is known. `blocks` is kept by the caller from solve to solve: a
/// structure is analysed once.
Choice choose_step(const Method& method, const SymmetricOperator& B, ControlKind control, TrialNeeds needs,
                   BlockChoice& blocks);

/// Whether the step solver named, or most likely chosen, will ask for the block matrix at every point.
bool expects_blocks(const Method& method, const Problem& problem, const CurvatureNeeds& needs,
                    ControlKind control);

/// Throws Error where the problem does not provide what the curvature needs.
void require_models(const Problem& problem, std::string_view curvature, const CurvatureNeeds& needs);

/// Throws Error where a step solver and an acceptance speak of different controls.
void require_same_control(std::string_view step, ControlKind step_control, std::string_view acceptance,
                          ControlKind acceptance_control);

}  // namespace kappa::detail
