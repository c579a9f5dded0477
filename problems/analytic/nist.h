// The nonlinear regression problems of NIST's Statistical Reference Datasets, embedded: observations, two
// starting points each, and certified parameters, standard deviations and residuals.
//
// Each asks for the least sum of squares f(b) = sum_i (y_i - m(x_i; b))^2, of which NIST certifies the
// minimiser b, and the residual standard deviation s = sqrt(f(b) / (n - p)), to 11 digits. Use them to
// judge a solver's accuracy by the log relative error, the number of correct digits: a good solver gets 6
// or more on nearly all of them from both starting points. Start 1 is far, start 2 is near. The functors
// of the models are in nist_models.h.
//
// Cost: a table in read-only memory of 2176 observations; nothing is computed or allocated.
//
// References: NIST, Statistical Reference Datasets, Nonlinear Regression (1999), the numbers and their
// order of difficulty; McCullough, The American Statistician 52 (1998), section 3, the log relative error.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>

#include "kappa/base.h"

namespace kappa {

/// The 20 formulas that the 27 problems share; each is named after the first problem to use it.
enum class NistModel {
  misra1a,
  misra1b,
  misra1c,
  misra1d,
  chwirut,
  lanczos,
  gauss,
  danwood,
  kirby2,
  cubic_rational,
  nelson,
  mgh09,
  mgh10,
  mgh17,
  roszman1,
  enso,
  rat42,
  rat43,
  eckerle4,
  bennett5,
};

/// One problem. Arrays hold `parameters` entries and zeros behind them; `data` holds `observations` rows
/// of 1 + `predictors` numbers: the response y as observed (also where the model is one of log y), then x.
struct NistProblem {
  const char* name;
  const char* difficulty;  ///< "lower", "average" or "higher"
  const char* model;       ///< the formula as text
  NistModel form;
  int parameters;
  int observations;
  int predictors;
  const double* data;
  double start[2][9];
  double certified[9];
  double standard_deviation[9];
  double residual_sum_of_squares;
  double residual_standard_deviation;
  int degrees_of_freedom;

  /// Observation i: y, x1 and, where there are two predictors, x2.
  const double* row(int i) const { return data + static_cast<std::ptrdiff_t>(i) * (1 + predictors); }

  /// Start 1 (far) is index 0, start 2 (near) is index 1.
  ConstVectorRef starting_point(int index) const {
    expects(index == 0 || index == 1, "NistProblem::starting_point: the index is 0 (far) or 1 (near)");
    return {start[index], static_cast<std::size_t>(parameters)};
  }
  ConstVectorRef certified_parameters() const { return {certified, static_cast<std::size_t>(parameters)}; }
  ConstVectorRef standard_deviations() const {
    return {standard_deviation, static_cast<std::size_t>(parameters)};
  }
};

/// All 27, in NIST's order of difficulty: 8 lower, 11 average, 8 higher.
std::span<const NistProblem> nist_problems();

/// The problem of that name, upper and lower case alike. Throws Error with the valid names, and the closest
/// one, if there is none.
const NistProblem& nist_problem(std::string_view name);

/// The number of correct digits, -log10(|value - certified| / |certified|), within 0 and 11, the number of
/// digits NIST certifies. Where `certified` is zero the error is absolute. A value that is not finite has
/// none.
double log_relative_error(double value, double certified);

/// The fewest correct digits of any entry, which is how NIST's problems are scored. Both have one length
/// of at least one.
double smallest_log_relative_error(ConstVectorRef values, ConstVectorRef certified);

}  // namespace kappa
