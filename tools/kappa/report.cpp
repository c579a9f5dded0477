#include "report.h"

#include <algorithm>
#include <cmath>

#include "kappa/derivatives.h"
#include "problems/analytic/nist.h"
#include "text.h"

namespace kappa::cli {

namespace {

std::string size_of(const Problem& problem) {
  std::string out = text("%td variables", problem.dimension());
  if (problem.tangent_dimension() != problem.dimension()) {
    out += text(" (%td degrees of freedom)", problem.tangent_dimension());
  }
  return problem.residuals() > 0 ? out + text(", %td residuals", problem.residuals()) : out;
}

std::string evaluations(const EvaluationCounts& n) {
  return text("value %td, gradient %td, linearization %td, product %td", n.value, n.gradient, n.linearization,
              n.product);
}

bool bounded(const Problem& problem) {
  const Bounds bounds = problem.bounds();
  const auto finite = [](double bound) { return std::isfinite(bound); };
  return std::any_of(bounds.lower.begin(), bounds.lower.end(), finite) ||
         std::any_of(bounds.upper.begin(), bounds.upper.end(), finite);
}

/// "x[0] lower (multiplier 0.5); x[3] upper (multiplier 2)", the first few.
std::string active_bounds(const Problem& problem, const std::vector<ActiveBound>& active) {
  constexpr std::size_t shown = 8;
  if (active.empty()) {
    return "no variable is at a bound";
  }
  std::string out;
  for (std::size_t i = 0; i < std::min(shown, active.size()); ++i) {
    out += text("%s%s %s (multiplier %.3g)", i == 0 ? "" : ", ",
                problem.variable_name(active[i].tangent).c_str(), name(active[i].side), active[i].multiplier);
  }
  return active.size() > shown ? out + text("; and %zu more", active.size() - shown) : out;
}

/// Parameters, standard errors, certified values and correct digits. The standard errors are kappa's own,
/// from the Jacobian at the solution.
std::string certified_table(const Solved& solved) {
  const NistProblem& data = nist_problem(solved.target.name.substr(0, solved.target.name.find('?')));
  const auto& problem = dynamic_cast<const ResidualProblem&>(*solved.target.problem);
  const std::vector<double>& x = solved.result.x;
  std::vector<double> errors(x.size(), std::nan(""));
  std::string note;
  try {
    errors = covariance(problem, x).standard_errors;
  } catch (const Error& wrong) {
    note = std::string("no standard errors: ") + wrong.what() + "\n";
  }
  using enum Table::Align;
  Table table({left, right, right, right, right, right, right});
  table.add({"", "value", "certified", "digits", "standard error", "certified", "digits"});
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double value = data.certified[i];
    const double error = data.standard_deviation[i];
    table.add({text("b%zu", i + 1), text("%.10e", x[i]), text("%.10e", value),
               text("%.1f", log_relative_error(x[i], value)), text("%.10e", errors[i]), text("%.10e", error),
               text("%.1f", log_relative_error(errors[i], error))});
  }
  const double squares = 2 * solved.result.value;
  table.add({"sum of squares", text("%.10e", squares), text("%.10e", data.residual_sum_of_squares),
             text("%.1f", log_relative_error(squares, data.residual_sum_of_squares))});
  return "\n" + table.text() + note +
         text("fewest correct digits of a parameter: %.1f of 11\n",
              smallest_log_relative_error(x, data.certified_parameters()));
}

void add_covariance(const TimedCovariance& found, Table& table) {
  const BlockCovariance& covariance = found.covariance;
  table.add({"covariance", text("%s: %.3g s", covariance.description().c_str(), found.seconds)});
  table.add({"", text("rank %td of %td, variance of a residual %.4g", covariance.rank(), covariance.size(),
                      covariance.variance())});
  const std::string undetermined = covariance.null_space().text();
  for (std::size_t begin = 0; begin < undetermined.size();) {
    const std::size_t end = std::min(undetermined.find('\n', begin), undetermined.size());
    table.add({begin == 0 ? "null space" : "", undetermined.substr(begin, end - begin)});
    begin = end + 1;
  }
}

}  // namespace

std::string summary(const Solved& solved) {
  const Result& r = solved.result;
  Table table({Table::Align::left, Table::Align::left});
  table.add({"problem", solved.target.address() + " (" + size_of(*solved.target.problem) + ")"});
  if (!solved.target.note.empty()) {
    table.add({"", solved.target.note});
  }
  table.add({"optimizer", r.optimizer});
  table.add({"curvature", r.curvature});
  table.add({"step", r.step});
  table.add({"acceptance", r.acceptance});
  if (!r.preconditioner.empty()) {
    table.add({"preconditioner", r.preconditioner});
  }
  table.add({"outcome", std::string(name(r.outcome)) + " (" + name(r.termination) + ")"});
  table.add({"reason", r.reason});
  table.add({"initial value", text("%.10g", r.initial_value)});
  table.add({"final value", text("%.10g", r.value)});
  if (solved.target.known_minimum) {
    table.add({"known minimum", text("%.10g", *solved.target.known_minimum)});
  }
  const bool bounds = bounded(*solved.target.problem);
  table.add(
      {"gradient", text(bounds ? "%.3g, the largest entry of the projected one" : "%.3g, its largest entry",
                        r.gradient_norm)});
  if (bounds) {
    table.add({"at bounds", active_bounds(*solved.target.problem, r.active_bounds)});
  }
  table.add({"iterations", text("%td of %td trials", r.iterations, r.trials)});
  table.add({"evaluations", evaluations(r.evaluations)});
  if (r.epochs != r.iterations || !r.measures.empty()) {
    table.add({"epochs", text("%td, %.4g gradient equivalents", r.epochs, r.gradient_equivalents)});
  }
  if (!r.measures.empty()) {
    std::string measures;
    for (const Measure& m : r.measures) {
      measures += text("%s %.6g, ", m.name.c_str(), m.value);
    }
    table.add({"validation", measures + text("after epoch %td", r.best_epoch)});
  }
  if (!solved.checkpoint.empty() && !r.converged()) {
    table.add({"checkpoint", solved.checkpoint + ": goes on with --resume and larger limits"});
  }
  table.add({"time", text("%.3g s, %d thread%s", r.seconds, solved.threads, solved.threads == 1 ? "" : "s")});
  for (const std::string& note : r.notes) {
    table.add({"note", note});
  }
  if (solved.covariance != nullptr) {
    add_covariance(*solved.covariance, table);
  }
  return table.text() + (solved.target.scheme == "nist" ? certified_table(solved) : "");
}

}  // namespace kappa::cli
