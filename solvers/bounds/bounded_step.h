// BoundedStep: a step inside a box, made of the steps that any StepSolver takes without bounds.
//
//     held: the variables on a bound whose gradient presses against it, and those with equal bounds
//     d  = solve(control) on the free variables
//     inside the box: the step. Otherwise, with s = 0:
//         s  = P(s + beta (d - s)), the first of beta = 1, 1/4, 1/16 and the first bound on the way that
//         lowers
//              the model by 1 % of what its slope promises
//         hold what met a bound there, d = solve(control) on the smaller face, and again
//
// P is the projection on the box. The model is the one that the control sees (with the damping's term); only
// the model is evaluated here, never the problem. So what lies next to a bound costs a face and not a tiny
// step, for which other methods hold variables within a tolerance of their bounds (Bertsekas 1982). The walk
// ends where a step stays inside, after 10 faces, or where a face adds less than a tenth.
//
// If the last step is not the model's minimiser in the box (a face is left over, or a multiplier has the
// wrong sign), it must be at least as good as the projected Cauchy step, s = P(-t W^-1 g) with t from the
// model along -W^-1 g; else the walk starts from that one once more. So the predicted decrease is a fraction
// of what the projected gradient promises, on which rests the proof that limits are stationary (Lin & More
// 1999).
//
// A radius holds for the whole step: on a face where the held variables move by h, the free ones have
// sqrt(radius^2 - |h|^2) left. A step length moves along one direction, the step for length 1, up to the
// first bound beyond it. A schedule's step is projected and nothing more.
//
// Where no variable is held and no step leaves the box the solver is called as it would be without bounds,
// so the results are the same bits. Cost otherwise: one prepare and solve for each face, and one product
// with B for each s.
//
// References: Bertsekas, SIAM J. Control Optim. 20 (1982) 221; More & Toraldo, SIAM J. Optim. 1 (1991) 93;
// Lin & More, SIAM J. Optim. 9 (1999) 1100; Kanzow, Yamashita & Fukushima, J. Comput. Appl. Math. 172 (2004)
// 375 (Levenberg-Marquardt).
#pragma once

#include <optional>
#include <vector>

#include "kappa/acceptance.h"
#include "kappa/step.h"
#include "solvers/bounds/box.h"
#include "solvers/bounds/free_operator.h"

namespace kappa::detail {

class BoundedStep {
 public:
  /// A new solve begins in `box`, with steps from `solver`; both outlive it.
  void start(const Box& box, StepSolver& solver, TrialNeeds needs);

  /// Takes the model at x in; its parts and x outlive the following solves.
  StepStatus prepare(ConstVectorRef x, const Subproblem& model);

  /// The step for a control. A step length beyond the longest that stays in the box is set to that.
  StepReport solve(Control& control, VectorRef step);

 private:
  /// What is left to a variable: lower - x <= 0 <= upper - x.
  struct Room {
    double lower;
    double upper;
  };
  /// A step with the model at it.
  struct Point {
    std::vector<double> step;
    std::vector<double> gradient;  ///< of the model the control sees
    double slope = 0;              ///< g's
    double curvature = 0;          ///< s'Bs
    double value = 0;              ///< of the model the control sees
  };
  enum class Advance { none, reached, met };

  StepStatus prepare_face();
  StepReport settle(const Control& control, VectorRef step);
  StepReport along(Control& control, VectorRef step);
  StepReport scheduled(const Control& control, VectorRef step);
  StepReport solve_face(const Control& control);
  bool walk(const Control& control, StepReport& last);
  Advance advance(const Control& control);
  bool start_from_cauchy(const Control& control);
  bool multipliers_agree() const;

  bool inside(ConstVectorRef step) const;
  double meeting(std::size_t k) const;
  double reach(std::size_t k) const;
  void place(double beta);
  void hold_met(ConstVectorRef direction);
  void evaluate(const Control& control, Point& point);
  void start_at_origin();
  void clear_held(VectorRef step) const;
  Index tangent(std::size_t k) const { return box_->entries()[k].tangent; }

  const Box* box_ = nullptr;
  StepSolver* solver_ = nullptr;
  TrialNeeds needs_ = TrialNeeds::value;
  std::optional<Subproblem> model_;  ///< without restriction
  // By entry of the box.
  std::vector<Room> room_;
  std::vector<char> held_, held_at_start_;
  // By variable.
  std::vector<Index> held_list_;
  std::vector<double> shift_;  ///< of the held variables
  std::vector<double> face_gradient_, target_, direction_;
  Point best_, trial_;
  FreeOperator free_;
  FreeOperator free_preconditioner_;
  bool on_first_face_ = true;  ///< what the solver was prepared for last
  bool walked_ = false;        ///< the last settle() met a bound
  // The direction of a line search.
  bool direction_known_ = false;
  StepReport direction_report_;
  double direction_curvature_ = 0;
  double longest_ = infinity;
};

}  // namespace kappa::detail
