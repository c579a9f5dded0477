// Plugin lbfgs: curvatures from gradients alone.
//
//   lbfgs  positive definite; for smooth functions of any size whose second derivatives are out of reach
//   sr1    may be indefinite, and so can follow negative curvature; for trust regions and damping
//
// Both are theta I plus a low rank, so that products, diagonal and damped solves are exact and cost O(m^2 n).
// The steps that fit: own-solve (damping), own-direction (line search, lbfgs only), steihaug-cg (radius).
//
// lbfgs, with pairs (s_i, y_i) from old to new, B_0 = theta I, theta = y'y / s'y of the newest:
//
//   B_i+1 = B_i - b b' / s'b + y y' / s'y,   b = B_i s_i
//
// written out as its 2 m terms. A pair with s'y < delta s'B s is damped as Powell did, y := t y + (1 - t) B
// s, so that every B is positive definite whatever the acceptance accepts; delta = 0 skips such pairs
// instead.
//
// sr1, with r_i = y_i - B_i s_i: B_i+1 = B_i + r r' / r's. A term whose |r's| is below skip |r| |s| is left
// out.
//
// With mini-batches, gradients at two points of different samples teach nothing and are left out.
//
// References: Nocedal, Math. Comput. 35 (1980) 773; Liu & Nocedal, Math. Program. 45 (1989) 503; Powell,
// Lect. Notes Math. 630 (1978) 144 (damping); Nocedal & Wright 2006, eqs. 6.24 (SR1), 6.26 (skipping), 7.20
// (theta), procedure 18.2 (damping).
#include <algorithm>

#include "kappa/plugin.hpp"
#include "low_rank.h"

namespace {

namespace plugin = kappa::plugin;
using low_rank::add;
using low_rank::dot;
using plugin::Option;
using plugin::Output;
using plugin::Point;
using plugin::Vector;

constexpr std::int64_t most_memory = 200;  // the rank's square is worked on for every damping

/// What both have in common: the history, and a matrix that `build` makes of it.
class QuasiNewton {
 public:
  explicit QuasiNewton(std::int64_t memory) : memory_(static_cast<std::size_t>(memory)) {
    if (memory < 1 || memory > most_memory) {
      throw plugin::Failure(KAPPA_WRONG_OPTION, "option 'memory' must be from 1 to 200");
    }
  }
  plugin::Needs needs() const { return {.previous = true}; }
  void start() { fresh_ = true; }

  void multiply(Vector v, Output out) const { B_.multiply(v, out); }
  bool diagonal(Output out) const {
    B_.diagonal(out);
    return true;
  }
  bool solve_damped(double lambda, Vector weights, Vector right, Output out) const {
    return B_.solve(lambda, weights, right, out);
  }

 protected:
  /// True where a new pair came in as the last of the history.
  bool observe(const Point& now, const Point* before, Vector step) {
    if (fresh_ || B_.size() != now.size()) {
      fresh_ = false;
      history_.reserve(now.size(), memory_);
      B_.reserve(now.size(), 2 * memory_);
      work_.resize(now.size());
      // The first step is then of length 1, or shorter: nothing is known of the scale.
      const double norm = std::sqrt(dot(now.gradient(), now.gradient()));
      B_.reset(norm > 0 && std::isfinite(norm) ? norm : 1);
    }
    if (before == nullptr || before->sample() != now.sample()) {
      return false;
    }
    double change = 0;
    for (std::size_t i = 0; i < step.size(); ++i) {
      work_[i] = now.gradient()[i] - before->gradient()[i];
      change += work_[i] * work_[i];
    }
    if (!std::isfinite(change) || !(dot(step, step) > 0) || change == 0) {
      return false;
    }
    history_.push();
    const std::size_t last = history_.count() - 1;
    std::copy(step.begin(), step.end(), history_.step(last).begin());
    std::copy(work_.begin(), work_.end(), history_.change(last).begin());
    return true;
  }

  std::size_t memory_;
  low_rank::History history_;
  low_rank::Matrix B_;
  std::vector<double> work_;

 private:
  bool fresh_ = true;
};

class Lbfgs : public QuasiNewton {
 public:
  static constexpr Option options[] = {
      {"memory", 10, "Liu & Nocedal 1989, sec. 5: 3 to 20", "pairs that are kept"},
      {"damping", 0.2, "Powell 1978, eq. 5.9; Nocedal & Wright 2006, procedure 18.2",
       "least s'y relative to s'B s: below it y is damped; 0 skips pairs whose s'y is not positive"},
  };
  explicit Lbfgs(const plugin::Options& given)
      : QuasiNewton(given.integer("memory")), damping_(given.number("damping")) {
    if (!(damping_ >= 0 && damping_ < 1)) {
      throw plugin::Failure(KAPPA_WRONG_OPTION, "option 'damping' must be from 0 to below 1");
    }
  }

  void refresh(const Point& now, const Point* before, Vector step) {
    if (observe(now, before, step)) {
      if (admit()) {
        build();
      } else {
        history_.pop();
      }
    }
  }

  plugin::Definiteness definiteness() const { return plugin::Definiteness::positive_semidefinite; }

 private:
  /// Damps or refuses the newest pair, with the B before it.
  bool admit() {
    const std::size_t last = history_.count() - 1;
    const Output s = history_.step(last);
    const Output y = history_.change(last);
    B_.multiply(s, work_);
    const double sBs = dot(s, work_);
    const double sy = dot(s, y);
    if (damping_ > 0 && sy < damping_ * sBs) {
      const double keep = (1 - damping_) * sBs / (sBs - sy);
      for (std::size_t i = 0; i < s.size(); ++i) {
        y[i] = keep * y[i] + (1 - keep) * work_[i];
      }
    }
    return dot(s, y) > 1e-14 * std::sqrt(dot(s, s)) * std::sqrt(dot(y, y));
  }

  void build() {
    const std::size_t last = history_.count() - 1;
    B_.reset(dot(history_.change(last), history_.change(last)) /
             dot(history_.step(last), history_.change(last)));
    for (std::size_t k = 0; k <= last; ++k) {
      const Vector s = history_.step(k);
      const Vector y = history_.change(k);
      B_.multiply(s, work_);
      B_.add_term(work_, -dot(s, work_));
      B_.add_term(y, dot(s, y));
    }
  }

  double damping_;
};

class Sr1 : public QuasiNewton {
 public:
  static constexpr Option options[] = {
      {"memory", 10, "as for lbfgs", "pairs that are kept"},
      {"skip", 1e-8, "Nocedal & Wright 2006, eq. 6.26",
       "terms with |s'r| below this times |s| |r| are left out"},
  };
  explicit Sr1(const plugin::Options& given)
      : QuasiNewton(given.integer("memory")), skip_(given.number("skip")) {
    if (!(skip_ > 0 && skip_ < 1)) {
      throw plugin::Failure(KAPPA_WRONG_OPTION, "option 'skip' must be between 0 and 1");
    }
  }

  void refresh(const Point& now, const Point* before, Vector step) {
    if (observe(now, before, step)) {
      build();
    }
  }

 private:
  void build() {
    const std::size_t last = history_.count() - 1;
    const double sy = dot(history_.step(last), history_.change(last));
    const double yy = dot(history_.change(last), history_.change(last));
    const double ss = dot(history_.step(last), history_.step(last));
    // Along a direction of negative curvature y'y / s'y is no scale; |y| / |s| is. One far above B would
    // have to be cancelled by the terms, and the digits with it.
    B_.reset(sy > 1e-8 * std::sqrt(yy) * std::sqrt(ss) ? yy / sy : std::sqrt(yy / ss));
    for (std::size_t k = 0; k <= last; ++k) {
      const Vector s = history_.step(k);
      B_.multiply(s, work_);
      const Vector y = history_.change(k);
      for (std::size_t i = 0; i < s.size(); ++i) {
        work_[i] = y[i] - work_[i];
      }
      const double along = dot(work_, s);
      if (std::fabs(along) > skip_ * std::sqrt(dot(s, s)) * std::sqrt(dot(work_, work_))) {
        B_.add_term(work_, along);
      }
    }
  }

  double skip_;
};

}  // namespace

KAPPA_PLUGIN("lbfgs", "1.0",
             plugin::curvature<Lbfgs>("lbfgs", "Limited-memory BFGS with Powell's damping; gradients alone.",
                                      "Liu & Nocedal 1989; Byrd, Nocedal & Schnabel 1994"),
             plugin::curvature<Sr1>("sr1",
                                    "Limited-memory symmetric rank one; gradients alone, may be indefinite.",
                                    "Nocedal & Wright 2006, sec. 6.2; Byrd, Nocedal & Schnabel 1994"))
