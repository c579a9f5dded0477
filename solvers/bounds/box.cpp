#include "solvers/bounds/box.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <string>

namespace kappa::detail {
namespace {

std::size_t at(Index i) {
  return static_cast<std::size_t>(i);
}

std::string shown(double value) {
  char text[40];
  std::snprintf(text, sizeof text, "%.17g", value);
  return text;
}

void check(const Problem& problem, const Box::Entry& entry) {
  const char* what = nullptr;
  if (std::isnan(entry.lower) || std::isnan(entry.upper)) {
    what = "a bound must be a number, or infinite where there is none";
  } else if (entry.lower > entry.upper) {
    what = "the lower bound is above the upper; no value fits between them";
  } else if (entry.lower == infinity || entry.upper == -infinity) {
    what = "no number lies there; use -infinity as lower and infinity as upper bound where there is none";
  }
  if (what != nullptr) {
    throw Error("the bounds on " + problem.variable_name(entry.tangent) + " are " + shown(entry.lower) +
                " and " + shown(entry.upper) + ": " + what);
  }
}

/// An entry of -p: the gradient, shortened to the room that is left.
double shortened(const Box::Entry& entry, double x, double g) {
  return g > 0 ? std::min(g, x - entry.lower) : g < 0 ? std::max(g, x - entry.upper) : g;
}

}  // namespace

void Box::read(const Problem& problem) {
  entries_.clear();
  const Bounds bounds = problem.bounds();
  if (bounds.empty()) {
    return;
  }
  const Index n = problem.tangent_dimension();
  expects(static_cast<Index>(bounds.lower.size()) == n && static_cast<Index>(bounds.upper.size()) == n,
          "Problem::bounds: lower and upper must have an entry for each tangent dimension, or be empty");
  expects(bounds.coordinate.empty() ? problem.dimension() == n
                                    : static_cast<Index>(bounds.coordinate.size()) == n,
          "Problem::bounds: on a manifold `coordinate` must say which entry of x each tangent entry moves");
  for (Index i = 0; i < n; ++i) {
    const double lower = bounds.lower[at(i)];
    const double upper = bounds.upper[at(i)];
    if (lower == -infinity && upper == infinity) {
      continue;
    }
    entries_.push_back({i, bounds.coordinate.empty() ? i : bounds.coordinate[at(i)], lower, upper});
    check(problem, entries_.back());
  }
}

Index Box::project(VectorRef x) const {
  Index moved = 0;
  for (const Entry& entry : entries_) {
    double& xi = x[at(entry.coordinate)];
    const double inside = std::clamp(xi, entry.lower, entry.upper);
    moved += inside != xi && !std::isnan(xi) ? 1 : 0;
    xi = inside;
  }
  return moved;
}

double Box::stationarity(ConstVectorRef x, ConstVectorRef gradient) const {
  double out = 0;
  auto next = entries_.begin();
  for (std::size_t i = 0; i < gradient.size(); ++i) {
    double g = gradient[i];
    if (next != entries_.end() && at(next->tangent) == i) {
      g = shortened(*next, x[at(next->coordinate)], g);
      ++next;
    }
    if (std::isnan(g)) {
      return g;
    }
    out = std::max(out, std::fabs(g));
  }
  return out;
}

void Box::clear_pressed(ConstVectorRef x, VectorRef gradient) const {
  for (const Entry& entry : entries_) {
    const double xi = x[at(entry.coordinate)];
    double& g = gradient[at(entry.tangent)];
    if ((xi == entry.lower && g > 0) || (xi == entry.upper && g < 0)) {
      g = 0;
    }
  }
}

void Box::settle(ConstVectorRef x, ConstVectorRef step, VectorRef trial) const {
  for (const Entry& entry : entries_) {
    const double from = x[at(entry.coordinate)];
    const double moved = step[at(entry.tangent)];
    double& to = trial[at(entry.coordinate)];
    if (moved != 0 && moved <= entry.lower - from) {
      to = entry.lower;
    } else if (moved != 0 && moved >= entry.upper - from) {
      to = entry.upper;
    } else if (!std::isnan(to)) {
      to = std::clamp(to, entry.lower, entry.upper);
    }
  }
}

void Box::active(ConstVectorRef x, ConstVectorRef gradient, std::vector<ActiveBound>& out) const {
  out.clear();
  out.reserve(entries_.size());
  for (const Entry& entry : entries_) {
    const double xi = x[at(entry.coordinate)];
    const double g = gradient[at(entry.tangent)];
    const bool lower = xi == entry.lower;
    const bool upper = xi == entry.upper;
    if (lower && (!upper || g >= 0)) {
      out.push_back({entry.coordinate, entry.tangent, BoundSide::lower, g});
    } else if (upper) {
      out.push_back({entry.coordinate, entry.tangent, BoundSide::upper, -g});
    }
  }
}

}  // namespace kappa::detail

namespace kappa {

const char* name(BoundSide side) {
  return side == BoundSide::lower ? "lower" : "upper";
}

}  // namespace kappa
