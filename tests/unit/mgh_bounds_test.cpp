// Checks the boxes of the More-Garbow-Hillstrom problems: every row is a constrained minimiser by its
// first-order conditions, in long double and by differences, and has the published value.
#include "problems/analytic/mgh_bounds.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "problems/analytic/mgh_problem.h"
#include "support/catch.h"

namespace {

using namespace kappa;

const MghProblem& problem_of(const MghBounds& row) {
  return mgh_problem(std::to_string(row.number));
}

std::vector<long double> residuals(const MghProblem& problem, const std::vector<long double>& x) {
  return visit_mgh_model(problem, [&]<class Model>() {
    std::vector<long double> r(Model::residuals);
    REQUIRE(Model()(x.data(), r.data()));
    return r;
  });
}

long double dot(const std::vector<long double>& a, const std::vector<long double>& b) {
  long double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    sum += a[i] * b[i];
  }
  return sum;
}

/// The cosine between the residuals and column j of the Jacobian: positive where f rises with x_j.
long double cosine(const MghProblem& problem, std::vector<long double> x, std::size_t j) {
  const std::vector<long double> r = residuals(problem, x);
  const long double centre = x[j];
  const long double h = 1e-6L * std::max(0.01L, std::abs(centre));
  x[j] = centre + h;
  std::vector<long double> column = residuals(problem, x);
  x[j] = centre - h;
  const std::vector<long double> behind = residuals(problem, x);
  for (std::size_t i = 0; i < column.size(); ++i) {
    column[i] = (column[i] - behind[i]) / (2 * h);
  }
  const long double size = std::sqrt(dot(column, column) * dot(r, r));
  return size > 0 ? dot(column, r) / size : 0;
}

}  // namespace

TEST_CASE("every bounded problem has a box of its size, and a point in it") {
  CHECK(mgh_bounds().size() == 31);
  for (const MghBounds& row : mgh_bounds()) {
    const MghProblem& problem = problem_of(row);
    INFO(problem.name);
    const auto n = static_cast<std::size_t>(problem.parameters);
    REQUIRE(row.lower.size() == n);
    REQUIRE(row.upper.size() == n);
    REQUIRE(row.at.size() == n);
    for (std::size_t i = 0; i < n; ++i) {
      CHECK(row.lower[i] <= row.upper[i]);
      CHECK(row.at[i] >= row.lower[i]);
      CHECK(row.at[i] <= row.upper[i]);
    }
    CHECK(&mgh_bounds(problem) == &row);
  }
  CHECK_THROWS_AS(mgh_bounds(mgh_problem("broyden-banded")), Error);
}

TEST_CASE("the value of a bounded problem is taken at its minimiser and agrees with the published digits") {
  for (const MghBounds& row : mgh_bounds()) {
    INFO(problem_of(row).name);
    const std::vector<long double> r = residuals(problem_of(row), {row.at.begin(), row.at.end()});
    const auto value = static_cast<double>(dot(r, r));
    CHECK(std::abs(value - row.value) <= 1e-10 * row.value);
    // Eight digits are printed, of which the source of 3 and 9 has only five or six right.
    const bool few_digits = row.number == 3 || row.number == 9;
    CHECK(std::abs(row.value - row.published) <= (few_digits ? 3e-6 : 2e-7) * row.value);
    CHECK(solved(row, row.value));
    CHECK_FALSE(solved(row, row.value * 1.001 + 1e-6));
  }
}

TEST_CASE("the minimiser of a bounded problem fulfils the first-order conditions") {
  for (const MghBounds& row : mgh_bounds()) {
    const MghProblem& problem = problem_of(row);
    if (row.value == 0) {
      continue;  // nothing to be at right angles to
    }
    for (std::size_t j = 0; j < row.at.size(); ++j) {
      const long double c = cosine(problem, {row.at.begin(), row.at.end()}, j);
      INFO(problem.name << ", variable " << j << ", cosine " << static_cast<double>(c));
      if (row.lower[j] == row.upper[j]) {
        continue;
      }
      if (row.at[j] == row.lower[j]) {
        CHECK(c >= -1e-8L);
      } else if (row.at[j] == row.upper[j]) {
        CHECK(c <= 1e-8L);
      } else {
        CHECK(std::abs(c) <= 2e-8L);
      }
    }
  }
}
