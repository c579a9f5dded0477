// The 27 regressions of NIST's StRD from both starts. Solved: every parameter has more than four correct
// digits, the log relative error of McCullough (The American Statistician 52, 1998, sec. 3) by which the set
// is commonly scored.
#include "bench/suite.h"
#include "kappa/derivatives.h"
#include "problems/analytic/nist_problem.h"

namespace kappa::bench {

namespace {

constexpr double digits_to_solve = 4;

/// The digits of kappa's standard errors at the solution it found itself.
std::vector<Extra> standard_error_digits(const NistProblem& problem, const Run& run) {
  try {
    const Covariance c = covariance(make_nist(problem, 1), run.x);
    return {{"standard_error_digits",
             smallest_log_relative_error(c.standard_errors, problem.standard_deviations())}};
  } catch (const Error&) {
    return {{"standard_error_digits", 0.0}};
  }
}

std::vector<Case> cases(const Selection&) {
  std::vector<Case> out;
  for (const NistProblem& problem : nist_problems()) {
    for (const int start : {0, 1}) {
      Case c;
      c.suite = "nist";
      c.problem = problem.name;
      c.start = std::to_string(start + 1);
      c.source = NistSource{&problem, start};
      c.stop = {.aim = StopRule::Aim::every_digit, .tolerance = 1e-16, .max_trials = 10000};
      c.reference = 0.5 * problem.residual_sum_of_squares;
      c.score = [&problem](const Run& run, double, double) {
        const double digits = smallest_log_relative_error(run.x, problem.certified_parameters());
        return Score{digits > digits_to_solve, digits};
      };
      if (start == 1) {
        c.extras = [&problem](const Run& run) { return standard_error_digits(problem, run); };
      }
      out.push_back(std::move(c));
    }
  }
  return out;
}

}  // namespace

Suite nist_suite() {
  return {"nist", "NIST StRD nonlinear regression",
          "Solved: every parameter agrees with NIST's certified value to more than four digits.",
          Suite::Threads::one, cases};
}

}  // namespace kappa::bench
