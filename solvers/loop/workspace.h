// What a Workspace keeps between solves: the slots, the parts and their memory, the result.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "kappa/acceptance.h"
#include "kappa/curvature.h"
#include "kappa/minimize.h"
#include "kappa/step.h"
#include "solvers/bounds/bounded_step.h"
#include "solvers/loop/validation_watch.h"
#include "solvers/parts.h"

namespace kappa {

/// A part together with the Spec it was made from, so that a repeated solve can use it again.
template <class Part>
struct Made {
  Spec spec;
  std::unique_ptr<Part> part;

  Part* operator->() const { return part.get(); }
};

struct Workspace::Impl {
  Made<Curvature> curvature;
  Made<Curvature> preconditioner;  ///< part null: none
  Made<StepSolver> step_solver;
  detail::BlockChoice block_choice;
  Made<Acceptance> acceptance;
  Metric metric;
  detail::Box box;
  detail::BoundedStep bounded_step;

  /// The three slots, a fourth for a curvature that sees a mini-batch of its own, and one for a curvature
  /// that sees the gradient at another point.
  Evaluation current, trial, kept, curvature_point, displaced;

  std::vector<double> step, kept_step;
  std::vector<double> carried;  ///< a tangent vector, for a moment
  std::vector<double> displacement;
  std::vector<double> best_x;
  std::vector<Index> sample_terms, curvature_terms;
  detail::ValidationWatch validation;
  std::vector<char> checkpoint;  ///< its records
  std::string sentence;
  std::vector<std::string> spare_notes;
  Result result;
};

}  // namespace kappa
