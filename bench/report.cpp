#include "bench/report.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "bench/chart.h"
#include "bench/report_style.h"
#include "bench/statistics.h"
#include "bench/summary.h"

namespace kappa::bench {

namespace {

constexpr double least_excess = 1e-16;
constexpr std::size_t curves_of_small_cases = 4;

std::string pretty_duration(double seconds) {
  std::string text = duration_text(seconds);
  if (const std::size_t at = text.find(" us"); at != std::string::npos) {
    text.replace(at, 3, " µs");
  }
  return text == "-" ? "–" : text;
}

std::string dash(std::string text) {
  return text == "-" ? "–" : text;
}

/// A cell that sorts by its value; not a number where there is none.
std::string cell(const std::string& text, double value, const std::string& classes = "") {
  char key[40];
  std::snprintf(key, sizeof key, "%.9g", value);
  return "<td" + (classes.empty() ? "" : " class=\"" + classes + "\"") + " data-v=\"" +
         (std::isfinite(value) ? key : "NaN") + "\">" + text + "</td>";
}

std::string text_cell(const std::string& text, const char* classes = "t") {
  return std::string("<td class=\"") + classes + "\">" + escape(text) + "</td>";
}

/// Column heads that sort. Counts the columns itself.
class Heads {
 public:
  void add(const std::string& text, const std::string& classes = "") {
    html_ += "<th" + (classes.empty() ? "" : " class=\"" + classes + "\"") + " data-c=\"" +
             std::to_string(count_++) + "\"><button>" + escape(text) + "</button></th>";
  }
  const std::string& html() const { return html_; }

 private:
  std::string html_;
  int count_ = 0;
};

std::string legend(const std::vector<std::string>& solvers) {
  std::string out = "<div class=\"legend\">";
  for (std::size_t s = 0; s < solvers.size(); ++s) {
    out += legend_entry(solvers[s], static_cast<int>(s));
  }
  return out + "</div>\n";
}

// Cards.

struct Card {
  std::string title;
  std::vector<std::pair<std::string, std::string>> lines;  ///< solver, value
};

/// What the summed times are times to.
std::string to_last_target(const SuiteResult& result) {
  const std::vector<double>& targets = result.measurements.front().targets;
  return targets.empty() ? "" : " to " + power_text(targets.back());
}

std::string cards(const SuiteResult& result) {
  const SuiteSummary summary = summarize(result);
  const bool several = summary.solvers.size() > 1;
  std::vector<Card> all;
  const auto card = [&](const std::string& title, auto&& value_of) {
    Card c{title, {}};
    for (const SolverSummary& s : summary.solvers) {
      if (const std::string value = value_of(s); !value.empty()) {
        c.lines.emplace_back(s.solver, value);
      }
    }
    if (!c.lines.empty()) {
      all.push_back(std::move(c));
    }
  };
  card("Solved",
       [](const SolverSummary& s) { return std::to_string(s.solved) + " of " + std::to_string(s.cases); });
  card("Correct digits, mean", [](const SolverSummary& s) { return dash(fixed_text(s.mean_digits, 2)); });
  if (several && summary.common > 0) {
    card("Time" + to_last_target(result) + ", the " +
             counted(static_cast<std::size_t>(summary.common), "case") + " all solved",
         [](const SolverSummary& s) { return pretty_duration(s.seconds_common); });
    const SolverSummary& second = summary.solvers[1];
    all.push_back({"Time, " + second.solver + " over " + result.solvers[0],
                   {{"of the sums", fixed_text(second.ratio_to_first, 2) + "×"},
                    {"geometric mean", fixed_text(second.geometric_ratio, 2) + "×"}}});
  } else {
    card("Time" + to_last_target(result) + ", cases solved",
         [](const SolverSummary& s) { return pretty_duration(s.seconds_solved); });
  }
  card("Correct digits of standard errors, mean", [](const SolverSummary& s) {
    return std::isnan(s.mean_error_digits) ? "" : fixed_text(s.mean_error_digits, 2);
  });
  card("Same bits with 1, 2, 4, 8 threads", [](const SolverSummary& s) {
    return s.differing_bits < 0
               ? ""
               : std::to_string(s.cases - s.differing_bits) + " of " + std::to_string(s.cases);
  });
  std::string out = "<div class=\"cards\">\n";
  for (const Card& c : all) {
    out += "<div class=\"card\"><h4>" + escape(c.title) + "</h4>";
    for (std::size_t i = 0; i < c.lines.size(); ++i) {
      out += std::string("<div") + (i == 0 ? " class=\"lead\"" : "") + "><span>" + escape(c.lines[i].first) +
             "</span><b>" + escape(c.lines[i].second) + "</b></div>";
    }
    out += "</div>\n";
  }
  return out + "</div>\n";
}

/// The same for more solvers than cards are good for.
std::string summary_table(const SuiteResult& result) {
  const SuiteSummary summary = summarize(result);
  const std::string time = "time" + to_last_target(result);
  const bool bits = !result.threads_seen.empty();
  Heads heads;
  heads.add("solver", "t");
  heads.add("solved");
  heads.add("digits, mean");
  heads.add(time + ", cases solved");
  heads.add(time + ", " + std::to_string(summary.common) + " common");
  heads.add("over " + result.solvers[0]);
  heads.add("geometric mean");
  if (bits) {
    heads.add("same bits");
  }
  std::string out = "<div class=\"scroll\"><table class=\"sortable\"><thead><tr>" + heads.html() +
                    "</tr></thead>\n<tbody>\n";
  for (const SolverSummary& s : summary.solvers) {
    out += "<tr>" + text_cell(s.solver) +
           cell(std::to_string(s.solved) + " of " + std::to_string(s.cases), s.solved) +
           cell(fixed_text(s.mean_digits, 2), s.mean_digits) +
           cell(pretty_duration(s.seconds_solved), s.seconds_solved) +
           (summary.common > 0 ? cell(pretty_duration(s.seconds_common), s.seconds_common) +
                                     cell(fixed_text(s.ratio_to_first, 2) + "×", s.ratio_to_first) +
                                     cell(fixed_text(s.geometric_ratio, 2) + "×", s.geometric_ratio)
                               : "<td>–</td><td>–</td><td>–</td>");
    if (bits) {
      out += cell(std::to_string(s.cases - s.differing_bits) + " of " + std::to_string(s.cases),
                  s.differing_bits, s.differing_bits > 0 ? "bad" : "");
    }
    out += "</tr>\n";
  }
  return out +
         "</tbody></table></div>\n<p class=\"note\">Common cases are those that every solver solved.</p>\n";
}

// Figures.

std::string profile_figure(const SuiteResult& result) {
  const std::vector<ProfileCurve> curves = performance_profile(profile_times(result));
  Chart chart;
  chart.description = "Performance profile of suite " + result.suite;
  chart.shape = Chart::Shape::steps;
  double widest = 2;
  for (const ProfileCurve& c : curves) {
    widest = c.factor.empty() ? widest : std::max(widest, c.factor.back());
  }
  chart.x = {"time as a multiple of the fastest solver's", 1, std::min(widest * 1.15, 1e4), Axis::Scale::log,
             Axis::Format::factor};
  chart.y = {"", 0, 1, Axis::Scale::linear, Axis::Format::percent};
  for (std::size_t s = 0; s < curves.size(); ++s) {
    Series series{result.solvers[s], static_cast<int>(s), {{1.0, 0.0}}};
    for (std::size_t i = 0; i < curves[s].factor.size(); ++i) {
      if (curves[s].factor[i] <= chart.x.high) {
        series.points.emplace_back(curves[s].factor[i], curves[s].share[i]);
      }
    }
    series.points.emplace_back(chart.x.high, series.points.back().second);
    chart.series.push_back(std::move(series));
  }
  const bool targets = !result.measurements.front().targets.empty();
  return "<figure><h4>Performance profile</h4>" + svg(chart) + "<figcaption>The share of " +
         (targets ? "targets (each case to within 1e-1 … 1e-5 of the best cost known) a solver reached"
                  : "cases a solver solved") +
         " within so many times the fastest solver's time: higher is better, at the left edge for speed, at "
         "the "
         "right edge for reliability (Dolan &amp; Moré 2002).</figcaption></figure>\n";
}

/// For each number of digits, the share of cases with at least as many.
std::string accuracy_figure(const SuiteResult& result) {
  constexpr double most_digits = 11;
  Chart chart;
  chart.description = "Share of cases by correct digits, suite " + result.suite;
  chart.shape = Chart::Shape::steps;
  chart.x = {"correct digits, at least", 0, most_digits, Axis::Scale::linear, Axis::Format::count};
  chart.y = {"", 0, 1, Axis::Scale::linear, Axis::Format::percent};
  for (std::size_t s = 0; s < result.solvers.size(); ++s) {
    std::vector<double> digits;
    for (const Measurement& m : result.measurements) {
      if (m.solver == result.solvers[s]) {
        digits.push_back(m.score.digits);
      }
    }
    std::sort(digits.begin(), digits.end());
    Series series{result.solvers[s], static_cast<int>(s), {{0.0, 1.0}}};
    for (std::size_t i = 0; i < digits.size(); ++i) {
      const double above = static_cast<double>(digits.size() - i - 1) / static_cast<double>(digits.size());
      series.points.emplace_back(digits[i], digits[i] < most_digits ? above : series.points.back().second);
    }
    series.points.emplace_back(most_digits, series.points.back().second);
    chart.series.push_back(std::move(series));
  }
  return "<figure><h4>Accuracy</h4>" + svg(chart) +
         "<figcaption>The share of cases which a solver ended with at least so many correct digits: higher "
         "is better, "
         "and 11 digits are all that is known or asked.</figcaption></figure>\n";
}

/// How far a value is above the best one: relative to the best for bundles, otherwise as a share of what
/// there was to gain from the start.
double excess(const Measurement& m, double value, double best) {
  const double scale = m.targets.empty() ? m.initial_value - best : best;
  return std::max((value - best) / (scale > 0 ? scale : 1), least_excess);
}

std::string convergence_pair(const SuiteResult& result, const CaseRow& row) {
  double best = infinity;
  for (const Measurement* m : row.by_solver) {
    if (m != nullptr) {
      best = std::min(best, m->best);
      for (const TracePoint& p : m->trace) {
        best = p.value < best ? p.value : best;
      }
    }
  }
  Chart by_time;
  Chart by_iteration;
  double first = infinity;
  double last = 0;
  double most = 1;
  double low = 1;
  double high = least_excess;
  for (std::size_t s = 0; s < row.by_solver.size(); ++s) {
    const Measurement* m = row.by_solver[s];
    if (m == nullptr || m->trace.empty()) {
      continue;
    }
    Series seconds{result.solvers[s], static_cast<int>(s), {}};
    Series iterations = seconds;
    for (const TracePoint& p : m->trace) {
      if (!std::isfinite(p.value)) {
        continue;
      }
      const double e = excess(*m, p.value, best);
      seconds.points.emplace_back(p.seconds, e);
      iterations.points.emplace_back(static_cast<double>(p.iteration), e);
      first = std::min(first, p.seconds);
      last = std::max(last, p.seconds);
      most = std::max(most, static_cast<double>(p.iteration));
      low = std::min(low, e);
      high = std::max(high, e);
    }
    by_time.series.push_back(std::move(seconds));
    by_iteration.series.push_back(std::move(iterations));
  }
  if (by_time.series.empty() || !(first < last)) {
    return "";
  }
  const Axis y = {"", std::max(std::pow(10.0, std::floor(std::log10(low))), least_excess),
                  std::pow(10.0, std::ceil(std::log10(high) - 1e-9)), Axis::Scale::log, Axis::Format::power};
  by_time.y = by_iteration.y = y;
  by_time.x = {"time", 0.9 * first, 1.1 * last, Axis::Scale::log, Axis::Format::seconds};
  by_iteration.x = {"accepted steps", 0, most, Axis::Scale::linear, Axis::Format::count};
  by_time.description = "Excess cost against time, " + row.problem;
  by_iteration.description = "Excess cost against accepted steps, " + row.problem;
  const std::string title = row.problem + (row.start == "given" ? "" : ", start " + row.start);
  return "<div class=\"pair\"><figure><h4>" + escape(title) + "</h4>" + svg(by_time) +
         "</figure><figure><h4>" + escape(title) + "</h4>" + svg(by_iteration) + "</figure></div>\n";
}

/// All cases with targets; of the small ones those that took the most steps.
std::vector<CaseRow> cases_to_draw(const SuiteResult& result) {
  std::vector<CaseRow> rows = rows_by_case(result);
  if (!result.measurements.front().targets.empty()) {
    return rows;
  }
  const auto steps = [](const CaseRow& row) {  // of the solver that needed fewest among those that solved it
    Index out = -1;
    for (const Measurement* m : row.by_solver) {
      if (m == nullptr || !m->score.solved || m->trace.size() < 3) {
        return Index(-1);
      }
      out = out < 0 ? m->iterations : std::min(out, m->iterations);
    }
    return out;
  };
  std::stable_sort(rows.begin(), rows.end(),
                   [&](const CaseRow& a, const CaseRow& b) { return steps(a) > steps(b); });
  rows.resize(std::min(rows.size(), curves_of_small_cases));
  return rows;
}

std::string convergence_figures(const SuiteResult& result) {
  std::string figures;
  for (const CaseRow& row : cases_to_draw(result)) {
    figures += convergence_pair(result, row);
  }
  if (figures.empty()) {
    return "";
  }
  const bool targets = !result.measurements.front().targets.empty();
  return "<h3>Convergence</h3>\n<p class=\"soft\">" +
         std::string(targets
                         ? "The cost above the best one known, relative to it, "
                         : "The share of the possible decrease still to be made, on the cases that took all "
                           "solvers the most steps, ") +
         "after so much time (left) and so many accepted steps (right). Lower and further left is better; a "
         "dot "
         "marks where a solver stopped." +
         (targets ? "" : " The floor is 1e-16.") + "</p>\n" + legend(result.solvers) + figures;
}

// Tables.

bool any_extras(const SuiteResult& result, const std::string& solver) {
  return std::any_of(result.measurements.begin(), result.measurements.end(),
                     [&](const Measurement& m) { return m.solver == solver && !m.extras.empty(); });
}

bool any_bits(const SuiteResult& result) {
  return !result.threads_seen.empty();
}

bool any_peaks(const SuiteResult& result) {
  return std::any_of(result.measurements.begin(), result.measurements.end(),
                     [](const Measurement& m) { return m.peak_bytes.has_value(); });
}

std::string digits_cell(const Measurement& m) {
  return cell(dash(fixed_text(m.score.digits, 1)), m.score.digits, m.score.solved ? "first" : "first bad");
}

std::string bits_cell(const Measurement& m) {
  return m.same_bits ? cell(*m.same_bits ? "same" : "differ", *m.same_bits ? 1 : 0, *m.same_bits ? "" : "bad")
                     : cell("", std::nan(""));
}

std::string wide_table(const SuiteResult& result) {
  const bool bits = any_bits(result);
  const bool two = result.solvers.size() == 2;
  Heads heads;
  heads.add("problem", "t");
  heads.add("start");
  std::string who = "<tr class=\"who\"><th></th><th></th>";
  for (const std::string& solver : result.solvers) {
    const bool extras = any_extras(result, solver);
    who += "<th class=\"first\" colspan=\"" + std::to_string(4 + (extras ? 1 : 0) + (bits ? 1 : 0)) + "\">" +
           escape(solver) + "</th>";
    heads.add("digits", "first");
    heads.add("time");
    heads.add("steps");
    heads.add("evaluations");
    if (extras) {
      heads.add("s.e. digits");
    }
    if (bits) {
      heads.add("bits");
    }
  }
  if (two) {
    who += "<th class=\"first\"></th>";
    heads.add("time ratio", "first");
  }
  std::string out = "<div class=\"scroll tall\"><table class=\"sortable\"><thead>" + who + "</tr>\n<tr>" +
                    heads.html() + "</tr></thead>\n<tbody>\n";
  for (const CaseRow& row : rows_by_case(result)) {
    out += "<tr>" + text_cell(row.problem) + cell(escape(row.start), std::strtod(row.start.c_str(), nullptr));
    for (std::size_t s = 0; s < result.solvers.size(); ++s) {
      const Measurement* m = row.by_solver[s];
      const bool extras = any_extras(result, result.solvers[s]);
      if (m == nullptr) {
        for (int i = 0; i < 4 + (extras ? 1 : 0) + (bits ? 1 : 0); ++i) {
          out += cell("", std::nan(""), i == 0 ? "first" : "");
        }
        continue;
      }
      out += digits_cell(*m) + cell(pretty_duration(m->median_seconds), m->median_seconds) +
             cell(std::to_string(m->iterations), static_cast<double>(m->iterations)) +
             cell(std::to_string(m->evaluations), static_cast<double>(m->evaluations));
      if (extras) {
        const double digits = m->extras.empty() ? std::nan("") : m->extras.front().second;
        out += cell(m->extras.empty() ? "" : fixed_text(digits, 1), digits);
      }
      if (bits) {
        out += bits_cell(*m);
      }
    }
    if (two) {
      const bool both = row.by_solver[0] != nullptr && row.by_solver[1] != nullptr;
      const double ratio =
          both ? row.by_solver[1]->median_seconds / row.by_solver[0]->median_seconds : std::nan("");
      out += cell(dash(fixed_text(ratio, 2)), ratio, "first");
    }
    out += "</tr>\n";
  }
  out +=
      "</tbody></table></div>\n<p class=\"note\">Digits in red: not solved, hence no time. Steps are "
      "accepted steps; "
      "evaluations are of the residuals; s.e. digits: of the standard errors.";
  if (two) {
    out += " The ratio is " + escape(result.solvers[1]) + "'s time over " + escape(result.solvers[0]) + "'s.";
  }
  return out + " A click on a column's name sorts by it.</p>\n";
}

std::string long_table(const SuiteResult& result) {
  Heads heads;
  heads.add("problem", "t");
  heads.add("solver", "t");
  heads.add("final cost");
  heads.add("digits", "first");
  for (const double target : result.measurements.front().targets) {
    heads.add("to " + power_text(target));
  }
  heads.add("to its end", "first");
  heads.add("steps");
  heads.add("evaluations");
  const bool peaks = any_peaks(result);
  if (peaks) {
    heads.add("peak memory");
  }
  if (any_bits(result)) {
    heads.add("bits");
  }
  std::string out = "<div class=\"scroll tall\"><table class=\"sortable\"><thead><tr>" + heads.html() +
                    "</tr></thead>\n<tbody>\n";
  for (const Measurement& m : result.measurements) {
    out += "<tr>" + text_cell(m.problem) + text_cell(m.solver) + cell(dash(fixed_text(m.value, 2)), m.value) +
           digits_cell(m);
    for (const double seconds : m.seconds_to) {
      out += cell(pretty_duration(seconds), seconds);
    }
    const double end = median(m.seconds);
    out += cell(pretty_duration(end), end, "first") +
           cell(std::to_string(m.iterations), static_cast<double>(m.iterations)) +
           cell(std::to_string(m.evaluations), static_cast<double>(m.evaluations));
    if (peaks) {
      out += cell(m.peak_bytes ? memory_text(*m.peak_bytes) : "–", m.peak_bytes.value_or(std::nan("")));
    }
    if (any_bits(result)) {
      out += bits_cell(m);
    }
    out += "</tr>\n";
  }
  return out +
         "</tbody></table></div>\n<p class=\"note\">“to 1e-3”: the time until the cost was within 0.1 % of "
         "the best one "
         "known. Digits in red: the last target was not reached. A click on a column's name sorts by "
         "it.</p>\n";
}

std::string speed_up_table(const SuiteResult& result) {
  if (!any_speed_ups(result)) {
    return "";
  }
  Heads heads;
  heads.add("problem", "t");
  heads.add("solver", "t");
  const std::vector<double>& targets = result.measurements.front().targets;
  const std::vector<std::size_t> shown = speed_up_targets(targets);
  for (const std::size_t t : shown) {
    heads.add("to " + power_text(targets[t]) + ", 1 thread", "first");
    heads.add(counted(static_cast<std::size_t>(result.threads), "thread"));
    heads.add("speed-up");
  }
  std::string out =
      "<h3>Speed-up by threads</h3>\n<div class=\"scroll\"><table class=\"sortable\"><thead><tr>" +
      heads.html() + "</tr></thead>\n<tbody>\n";
  for (const Measurement& m : result.measurements) {
    out += "<tr>" + text_cell(m.problem) + text_cell(m.solver);
    for (const std::size_t t : shown) {
      const double ratio = speed_up_to(m, t);
      out += cell(pretty_duration(m.seconds_to_alone[t]), m.seconds_to_alone[t], "first") +
             cell(pretty_duration(m.seconds_to[t]), m.seconds_to[t]) +
             cell(dash(fixed_text(ratio, 2)), ratio);
    }
    out += "</tr>\n";
  }
  return out + "</tbody></table></div>\n<p class=\"note\">Both in the same run, interleaved.</p>\n";
}

std::string reasons_table(const SuiteResult& result) {
  std::string out =
      "<details><summary>Why each run stopped, in the solver's words</summary>\n"
      "<div class=\"scroll tall\"><table><thead><tr><th class=\"t\">problem</th><th>start</th>"
      "<th class=\"t\">solver</th><th class=\"t\">reason</th></tr></thead><tbody>\n";
  for (const Measurement& m : result.measurements) {
    out += "<tr>" + text_cell(m.problem) + text_cell(m.start, "") + text_cell(m.solver) +
           text_cell(m.reason, "t wrap") + "</tr>\n";
  }
  return out + "</tbody></table></div></details>\n";
}

std::string suite_section(const SuiteResult& result) {
  std::string out = "<section>\n<h2>" + escape(result.title) + "</h2>\n<p class=\"soft\">" +
                    counted(rows_by_case(result).size(), "case") + ", " +
                    counted(static_cast<std::size_t>(result.threads), "thread") + ", times are medians of " +
                    std::to_string(result.repeat) + ". " + escape(result.solved_means) + "</p>\n";
  if (result.measurements.empty()) {
    return out + "<p>No solver fits.</p>\n</section>\n";
  }
  out += result.solvers.size() <= 2 ? cards(result) : summary_table(result);
  if (result.solvers.size() >= 2) {
    out += "<h3>Profiles</h3>\n" + legend(result.solvers) + "<div class=\"pair\">" + profile_figure(result) +
           (result.measurements.front().targets.empty() ? accuracy_figure(result) : "") + "</div>\n";
  }
  out += convergence_figures(result);
  out += "<h3>Case by case</h3>\n";
  out += result.measurements.front().targets.empty() ? wide_table(result) : long_table(result);
  return out + speed_up_table(result) + reasons_table(result) + "</section>\n";
}

std::string pairs_section(const PairsResult& pairs) {
  const int of = pairs.cells.empty() ? 0 : pairs.cells.front().of;
  std::string out =
      "<section>\n<h2>Curvature × optimizer</h2>\n<p class=\"soft\">How many of " + std::to_string(of) +
      " problems of Moré, Garbow and Hillstrom each pair solves from the standard start in at most 1000 "
      "steps; deeper colour is more. A dash is a pair refused at set-up.</p>\n"
      "<div class=\"scroll\"><table><thead><tr><th class=\"t\">curvature</th>";
  for (const std::string& name : pairs.optimizers) {
    out += "<th>" + escape(name) + "</th>";
  }
  out += "</tr></thead>\n<tbody>";
  std::string refusals;
  for (std::size_t i = 0; i < pairs.cells.size(); ++i) {
    const PairCell& c = pairs.cells[i];
    if (i % pairs.optimizers.size() == 0) {
      out += std::string(i == 0 ? "" : "</tr>\n") + "<tr>" + text_cell(c.curvature);
    }
    if (c.refused.empty()) {
      out += "<td class=\"heat\" style=\"--p:" + std::to_string(of > 0 ? 100 * c.solved / of : 0) + "%\">" +
             std::to_string(c.solved) + "</td>";
    } else {
      out += "<td>–</td>";
      refusals += "<tr>" + text_cell(c.curvature) + text_cell(c.optimizer) + text_cell(c.refused, "t wrap") +
                  "</tr>\n";
    }
  }
  out += "</tr></tbody></table></div>\n";
  if (!refusals.empty()) {
    out +=
        "<details><summary>Why pairs are refused</summary><div class=\"scroll\"><table><thead><tr><th "
        "class=\"t\">"
        "curvature</th><th class=\"t\">optimizer</th><th class=\"t\">reason</th></tr></thead><tbody>\n" +
        refusals + "</tbody></table></div></details>\n";
  }
  return out + "</section>\n";
}

std::string jacobian_section(const std::vector<JacobianRow>& rows) {
  Heads heads;
  heads.add("problem", "t");
  heads.add("one evaluation", "t");
  heads.add("observations");
  heads.add("ns an observation", "first");
  heads.add("over the first");
  std::string out =
      "<section>\n<h2>Jacobians of the reprojection residuals</h2>\n<p class=\"soft\">One thread, medians "
      "of " +
      std::to_string(rows.front().nanoseconds.size()) +
      ", interleaved. Jacobian blocks and AutoDiffCostFunction do the same; the other two sum or store as "
      "well.</p>\n<div class=\"scroll\"><table class=\"sortable\"><thead><tr>" +
      heads.html() + "</tr></thead>\n<tbody>\n";
  for (const JacobianRow& row : rows) {
    out += "<tr>" + text_cell(row.problem) + text_cell(row.work) +
           cell(std::to_string(row.observations), static_cast<double>(row.observations)) +
           cell(fixed_text(row.median, 1), row.median, "first") +
           cell(fixed_text(row.ratio, 2) + "×", row.ratio) + "</tr>\n";
  }
  return out + "</tbody></table></div>\n</section>\n";
}

std::string logistic_section(const std::vector<LogisticRow>& rows) {
  Heads heads;
  heads.add("problem", "t");
  heads.add("C");
  heads.add("solver", "t");
  heads.add("threads");
  heads.add("milliseconds", "first");
  heads.add("LIBLINEAR over it");
  heads.add("iterations");
  std::string out =
      "<section>\n<h2>Logistic regression</h2>\n<p class=\"soft\">From the parsed data to |g| at most 1e-6 "
      "of its "
      "start, medians of " +
      std::to_string(rows.front().seconds.size()) +
      ", interleaved.</p>\n<div class=\"scroll\"><table class=\"sortable\"><thead><tr>" + heads.html() +
      "</tr></thead>\n<tbody>\n";
  for (const LogisticRow& row : rows) {
    out += "<tr>" + text_cell(row.problem) + cell(fixed_text(row.C, 0), row.C) + text_cell(row.solver) +
           cell(std::to_string(row.threads), row.threads) +
           cell(fixed_text(1e3 * row.median, 2), row.median, "first") +
           cell(std::isnan(row.ratio) ? "" : fixed_text(row.ratio, 2) + "×",
                std::isnan(row.ratio) ? 0 : row.ratio) +
           cell(std::to_string(row.iterations), static_cast<double>(row.iterations)) + "</tr>\n";
  }
  return out + "</tbody></table></div>\n</section>\n";
}

std::string network_section(const NetworkResult& result) {
  std::string out =
      "<section>\n<h2>Derivatives of a network</h2>\n<p class=\"soft\">784-256-128-10, softmax, medians of " +
      std::to_string(result.repeat) +
      ", interleaved. Bare products are Eigen's matrix products of a gradient's shapes and nothing else; "
      "products with a Hessian are at a point that was linearized." +
      (result.peer.empty() ? "" : " Peer: " + escape(result.peer) + ".") + "</p>\n";
  if (!result.rows.empty()) {
    Heads heads;
    heads.add("precision, batch", "t");
    heads.add("threads");
    heads.add("work", "t");
    heads.add("milliseconds", "first");
    heads.add("Gflop/s");
    heads.add("× one thread");
    heads.add("ratio", "first");
    heads.add("of what", "t");
    heads.add("differs by");
    out += "<div class=\"scroll\"><table class=\"sortable\"><thead><tr>" + heads.html() +
           "</tr></thead>\n<tbody>\n";
    for (const NetworkRow& row : result.rows) {
      const double speed_up = row.threads == 1 ? std::nan("") : row.speed_up;
      const double ratio = row.ratio > 0 ? row.ratio : std::nan("");
      out += "<tr>" + text_cell(row.problem) + cell(std::to_string(row.threads), row.threads) +
             text_cell(row.work) + cell(fixed_text(row.median, 2), row.median, "first") +
             cell(fixed_text(row.gigaflops, 1), row.gigaflops) +
             cell(dash(fixed_text(speed_up, 2)), speed_up) +
             cell(dash(fixed_text(ratio, 2)), ratio, "first") + text_cell(row.ratio_means) +
             cell(difference_text(row), row.difference >= 0 ? row.difference : std::nan("")) + "</tr>\n";
    }
    out +=
        "</tbody></table></div>\n<p class=\"note\">“differs by”: the peer's result from kappa's, relative "
        "in the Euclidean norm.</p>\n";
  }
  if (result.hessians.empty()) {
    return out + "</section>\n";
  }
  Heads heads;
  heads.add("weights");
  heads.add("multiply-adds");
  heads.add("milliseconds");
  out +=
      "<h3>Exact dense Hessians</h3>\n<p class=\"soft\">Of n-n-n-n, 64 samples, one thread: slope in the "
      "weights " +
      fixed_text(result.work_slope, 2) + " of multiply-adds, " + fixed_text(result.time_slope, 2) +
      " of time.</p>\n<div class=\"scroll\"><table class=\"sortable\"><thead><tr>" + heads.html() +
      "</tr></thead>\n<tbody>\n";
  for (const HessianRow& row : result.hessians) {
    char work[32];
    std::snprintf(work, sizeof work, "%.3g", row.multiply_adds);
    out += "<tr>" + cell(std::to_string(row.weights), static_cast<double>(row.weights)) +
           cell(work, row.multiply_adds) + cell(fixed_text(row.milliseconds, 2), row.milliseconds) +
           "</tr>\n";
  }
  return out + "</tbody></table></div>\n</section>\n";
}

std::string gaussian_section(const GaussianResult& result) {
  Heads costs;
  costs.add("one evaluation", "t");
  costs.add("milliseconds", "first");
  costs.add("× the factorization");
  std::string out = "<section>\n<h2>Gaussian likelihood</h2>\n<p class=\"soft\">" +
                    std::to_string(result.observations) + " observations and 5 covariance parameters, " +
                    counted(static_cast<std::size_t>(result.threads), "thread") + ", medians of " +
                    std::to_string(result.costs.empty() ? 0 : result.costs.front().seconds.size()) +
                    ", interleaved. The factorization is Cholesky's, of the same covariance.</p>\n"
                    "<div class=\"scroll\"><table class=\"sortable\"><thead><tr>" +
                    costs.html() + "</tr></thead>\n<tbody>\n";
  for (const GaussianCost& row : result.costs) {
    out += "<tr>" + text_cell(row.work) + cell(fixed_text(1e3 * row.median, 1), row.median, "first") +
           cell(fixed_text(row.ratio, 2) + "×", row.ratio) + "</tr>\n";
  }
  Heads fits;
  fits.add("problem", "t");
  fits.add("method", "t");
  fits.add("minimum", "first");
  fits.add("iterations");
  fits.add("values");
  fits.add("linearizations");
  fits.add("milliseconds");
  out +=
      "</tbody></table></div>\n<h3>Fits</h3>\n<p class=\"soft\">Whole solves with default options from one "
      "start.</p>\n<div class=\"scroll\"><table class=\"sortable\"><thead><tr>" +
      fits.html() + "</tr></thead>\n<tbody>\n";
  for (const GaussianFit& row : result.fits) {
    out += "<tr>" + text_cell(row.problem) + text_cell(row.method) +
           cell(fixed_text(row.value, 6) + (row.converged ? "" : " (not converged)"), row.value,
                row.converged ? "first" : "first bad") +
           cell(std::to_string(row.iterations), static_cast<double>(row.iterations)) +
           cell(std::to_string(row.values), static_cast<double>(row.values)) +
           cell(std::to_string(row.linearizations), static_cast<double>(row.linearizations)) +
           cell(fixed_text(1e3 * row.median, 1), row.median) + "</tr>\n";
  }
  return out + "</tbody></table></div>\n</section>\n";
}

std::string header(const Provenance& p) {
  std::string out = "<header>\n<h1>kappa-bench</h1>\n";
  std::string names;
  for (const auto& [name, version] : p.versions) {
    if (name != "compiler" && name != "flags") {
      names += (names.empty() ? "" : " · ") + name + " " + version;
    }
  }
  out += "<p class=\"soft\">" + escape(names) + "</p>\n<dl class=\"facts\">\n";
  const auto fact = [&](const char* name, const std::string& value) {
    out += std::string("<dt>") + name + "</dt><dd>" + value + "</dd>\n";
  };
  fact("Machine", escape(p.machine.processor) + ", " + std::to_string(p.machine.cores) +
                      " hardware threads, " + fixed_text(p.machine.memory_gib, 1) + " GiB, " +
                      escape(p.machine.system));
  for (const auto& [name, version] : p.versions) {
    if (name == "compiler" || name == "flags") {
      fact(name == "compiler" ? "Compiler" : "Flags", escape(version));
    }
  }
  fact("Command", "<code>" + escape(p.command) + "</code>");
  fact("Date", escape(p.date));
  return out + "</dl>\n</header>\n";
}

}  // namespace

std::string report_html(const Provenance& provenance, const Results& results) {
  std::string out =
      "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
      "<title>kappa-bench</title>\n<style>" +
      std::string(report_style) + "</style>\n</head>\n<body>\n" + header(provenance) + "<main>\n";
  for (const SuiteResult& result : results.suites) {
    out += suite_section(result);
  }
  if (results.pairs) {
    out += pairs_section(*results.pairs);
  }
  if (!results.jacobian.empty()) {
    out += jacobian_section(results.jacobian);
  }
  if (results.gaussian) {
    out += gaussian_section(*results.gaussian);
  }
  if (!results.logistic.empty()) {
    out += logistic_section(results.logistic);
  }
  if (!results.network.empty()) {
    out += network_section(results.network);
  }
  if (results.learning) {
    out += learning_section(*results.learning);
  }
  out +=
      "</main>\n<footer>Every solver gets the same residual functors, starts and threads. Building the "
      "problem is "
      "timed, reading its data is not. Final points are judged by the harness, not by the solver that found "
      "them.</footer>\n<script>" +
      std::string(report_script) + "</script>\n</body>\n</html>\n";
  return out;
}

}  // namespace kappa::bench
