// The 35 problems of More, Garbow and Hillstrom (ACM TOMS 7, 1981) from 1, 10 and 100 times the standard
// start. Solved: the sum of squares is one of the problem's known minima, by the rule of
// problems/analytic/mgh.h.
#include <algorithm>

#include "bench/suite.h"

namespace kappa::bench {

namespace {

double digits_of_value(const MghProblem& problem, double sum_of_squares) {
  double digits = 0;
  for (const MghMinimum& minimum : problem.minima) {
    digits = std::max(digits, log_relative_error(sum_of_squares, minimum.value));
  }
  return digits;
}

std::vector<Case> cases(const Selection&) {
  std::vector<Case> out;
  for (const MghProblem& problem : mgh_problems()) {
    for (const int factor : {1, 10, 100}) {
      Case c;
      c.suite = "mgh";
      c.problem = problem.name;
      c.start = std::to_string(factor);
      c.source = MghSource{&problem, static_cast<double>(factor)};
      c.stop = {.aim = StopRule::Aim::every_digit, .tolerance = 1e-14, .max_trials = 1000};
      c.reference = 0.5 * problem.minima.front().value;
      c.score = [&problem](const Run&, double value, double) {
        return Score{solved(problem, 2 * value), digits_of_value(problem, 2 * value)};
      };
      out.push_back(std::move(c));
    }
  }
  return out;
}

}  // namespace

Suite mgh_suite() {
  return {"mgh", "Moré, Garbow and Hillstrom",
          "Solved: the sum of squares is a known minimum, to 1e-6 of its value, or below 1e-10 where the "
          "minimum is 0.",
          Suite::Threads::one, cases};
}

}  // namespace kappa::bench
