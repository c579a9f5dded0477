// The 31 problems of More, Garbow and Hillstrom that Gay (LNM 1066, 1984) put into boxes, from 1, 10 and 100
// times the standard start, moved into the box. Solved: the sum of squares is the least known in the box, by
// the rule of problems/analytic/mgh_bounds.h, at a point inside.
#include <string>

#include "bench/suite.h"

namespace kappa::bench {

namespace {

std::vector<Case> cases(const Selection&) {
  std::vector<Case> out;
  for (const MghBounds& bounds : mgh_bounds()) {
    const MghProblem& problem = mgh_problem(std::to_string(bounds.number));
    for (const int factor : {1, 10, 100}) {
      Case c;
      c.suite = "mgh-bounded";
      c.problem = problem.name;
      c.start = std::to_string(factor);
      c.source = MghSource{&problem, static_cast<double>(factor), &bounds};
      c.stop = {.aim = StopRule::Aim::every_digit, .tolerance = 1e-14, .max_trials = 1000};
      c.reference = 0.5 * bounds.value;
      c.score = [&bounds](const Run&, double value, double) {
        return Score{solved(bounds, 2 * value), log_relative_error(2 * value, bounds.value)};
      };
      out.push_back(std::move(c));
    }
  }
  return out;
}

}  // namespace

Suite mgh_bounded_suite() {
  return {
      "mgh-bounded", "Moré, Garbow and Hillstrom in boxes",
      "Solved: the sum of squares is the least known in the box, to 1e-6 of its value, or below 1e-10 where "
      "that is 0.",
      Suite::Threads::one, cases};
}

}  // namespace kappa::bench
