// The collection of More, Garbow and Hillstrom: 35 unconstrained least-squares problems with their
// standard starts and known minima. The residuals themselves are functors in mgh_models.h.
//
//   f(x) = sum_i r_i(x)^2 is the paper's objective and the one quoted here;
//   kappa minimises f / 2, so double a kappa::Result's value before it is compared with one of these.
//
// When to use: to measure how often, and how fast, a method reaches a minimum from 1, 10 and 100
// times the standard start.
//
// References: J. J. More, B. S. Garbow, K. E. Hillstrom, "Testing Unconstrained Optimization
// Software", ACM TOMS 7(1), 1981, 17-41, section 3; the same authors' MINPACK test drivers (1980) for
// the starts.
#pragma once

#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "kappa/base.h"
#include "problems/analytic/mgh_models.h"

namespace kappa {

/// What is known of the place where a value of f is reached.
enum class MghMinimumKind {
  global,  ///< no smaller value exists
  local,   ///< stationary at a finite point, but a smaller value exists
  limit,   ///< approached only as parameters go to infinity
};

/// One value of f that a correct solver may end with.
struct MghMinimum {
  MghMinimumKind kind;
  double value;            ///< sum r_i^2; refined in extended precision from the published one
  double published;        ///< the digits as the source prints them; value where the source has none
  std::vector<double> at;  ///< a minimiser; for a limit, a point so far out that f agrees to 1e-6
  const char* source;
};

/// One problem. Sizes are those of the model.
struct MghProblem {
  int number;         ///< 1 to 35, the paper's
  const char* name;   ///< "freudenstein-roth"
  const char* title;  ///< "Freudenstein and Roth"
  int parameters;
  int residuals;
  std::vector<double> standard_start;
  std::vector<MghMinimum> minima;  ///< global ones first
};

/// All 35, in the paper's order.
std::span<const MghProblem> mgh_problems();

/// The problem of this name ("rosenbrock") or number ("1"). Throws Error, which lists the names.
const MghProblem& mgh_problem(std::string_view name_or_number);

/// `factor` times the standard start; the paper uses 1, 10 and 100. Watson's standard start is zero:
/// there every entry becomes `factor`, unless it is 1, as in MINPACK's drivers. Three starts are
/// peculiar: 10 times Gulf's is Gulf's solution; 100 times Gulf's lies on a plateau where the gradient
/// is zero and f = 32.835 is no minimum; and 100 times Jennrich-Sampson's makes f overflow (MINPACK's
/// drivers use its standard start alone).
std::vector<double> start(const MghProblem& problem, double factor);

/// How near to a zero minimum a sum of squares must come. An absolute number, since all residuals of
/// zero-residual problems here are of order one near the solution; the smallest nonzero stationary
/// value of such a problem, Powell badly scaled's 1e-8 at infinity, is a hundred times larger, and
/// linearly convergent runs on the singular problems still get there with a gradient tolerance of
/// 1e-8.
inline constexpr double mgh_zero_tolerance = 1e-10;
/// Relative to a nonzero minimum: the digits the paper prints.
inline constexpr double mgh_relative_tolerance = 1e-6;
/// Relative to a limit, from which any finite point keeps a distance.
inline constexpr double mgh_limit_tolerance = 1e-4;

/// Whether `sum_of_squares` (the paper's f, twice kappa's value) is one of the problem's minima:
/// f <= mgh_zero_tolerance for a zero one, |f - value| <= tolerance * value for the others, with the
/// tolerance of its kind. Only the value is looked at, so every method is measured alike, whatever
/// its own stopping test. A NaN is not solved, nor is a value below the global minimum.
bool solved(const MghProblem& problem, double sum_of_squares);

/// Calls `visitor.template operator()<Model>()` with the problem's functor type and returns its
/// result, which must have the same type for each model.
template <class Visitor>
decltype(auto) visit_mgh_model(const MghProblem& problem, Visitor&& visitor) {
  switch (problem.number) {
    case 1:
      return visitor.template operator()<mgh::Rosenbrock>();
    case 2:
      return visitor.template operator()<mgh::FreudensteinRoth>();
    case 3:
      return visitor.template operator()<mgh::PowellBadlyScaled>();
    case 4:
      return visitor.template operator()<mgh::BrownBadlyScaled>();
    case 5:
      return visitor.template operator()<mgh::Beale>();
    case 6:
      return visitor.template operator()<mgh::JennrichSampson>();
    case 7:
      return visitor.template operator()<mgh::HelicalValley>();
    case 8:
      return visitor.template operator()<mgh::Bard>();
    case 9:
      return visitor.template operator()<mgh::Gaussian>();
    case 10:
      return visitor.template operator()<mgh::Meyer>();
    case 11:
      return visitor.template operator()<mgh::Gulf>();
    case 12:
      return visitor.template operator()<mgh::Box3D>();
    case 13:
      return visitor.template operator()<mgh::PowellSingular>();
    case 14:
      return visitor.template operator()<mgh::Wood>();
    case 15:
      return visitor.template operator()<mgh::KowalikOsborne>();
    case 16:
      return visitor.template operator()<mgh::BrownDennis>();
    case 17:
      return visitor.template operator()<mgh::Osborne1>();
    case 18:
      return visitor.template operator()<mgh::BiggsExp6>();
    case 19:
      return visitor.template operator()<mgh::Osborne2>();
    case 20:
      return visitor.template operator()<mgh::Watson>();
    case 21:
      return visitor.template operator()<mgh::ExtendedRosenbrock>();
    case 22:
      return visitor.template operator()<mgh::ExtendedPowellSingular>();
    case 23:
      return visitor.template operator()<mgh::PenaltyI>();
    case 24:
      return visitor.template operator()<mgh::PenaltyII>();
    case 25:
      return visitor.template operator()<mgh::VariablyDimensioned>();
    case 26:
      return visitor.template operator()<mgh::Trigonometric>();
    case 27:
      return visitor.template operator()<mgh::BrownAlmostLinear>();
    case 28:
      return visitor.template operator()<mgh::DiscreteBoundaryValue>();
    case 29:
      return visitor.template operator()<mgh::DiscreteIntegralEquation>();
    case 30:
      return visitor.template operator()<mgh::BroydenTridiagonal>();
    case 31:
      return visitor.template operator()<mgh::BroydenBanded>();
    case 32:
      return visitor.template operator()<mgh::LinearFullRank>();
    case 33:
      return visitor.template operator()<mgh::LinearRank1>();
    case 34:
      return visitor.template operator()<mgh::LinearRank1Zero>();
    case 35:
      return visitor.template operator()<mgh::Chebyquad>();
    default:
      detail::contract_broken("visit_mgh_model: the problem is not one of mgh_problems()");
  }
}

}  // namespace kappa
