// Peer: a solver that can be timed. kappa is one; so is everything it is compared with.
//
// A new peer is one file in peers/ and one registration line in peers/registration.cpp. A family is what
// --peers names; its peers are the rows of the tables, one for each way the family can be run.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "kappa/base.h"

namespace kappa::bench {

struct Case;

/// The objective after `iteration` accepted steps, `seconds` after the peer was called.
struct TracePoint {
  double seconds = 0;
  Index iteration = 0;
  double value = 0;
};

/// What a peer returns. Value and score are the harness's business: it judges x by itself.
struct Run {
  std::vector<double> x;
  Index iterations = 0;   ///< accepted steps
  Index evaluations = 0;  ///< evaluations of the residuals, the start's included
  std::string reason;     ///< why it stopped, in the solver's words
  std::vector<TracePoint> trace;
};

struct Settings {
  int threads = 1;
  enum class Trace { off, on } trace = Trace::off;
};

class Peer {
 public:
  virtual ~Peer() = default;
  virtual std::string name() const = 0;
  /// Whether this is a way to solve cases of that suite.
  virtual bool fits(const Case& c) const = 0;
  /// Builds its problem from the case's source, solves it and takes the problem down: all of it is timed.
  virtual Run solve(const Case& c, const Settings& settings) const = 0;
};

struct Family {
  std::string name;
  std::string version;
  std::string absence;  ///< why it cannot run, as a sentence; empty where it can
  std::vector<std::unique_ptr<Peer>> peers;

  bool available() const { return absence.empty(); }
};

/// kappa, one peer for each method: "OPTIMIZER[,key=value]...", where the keys curvature, step and acceptance
/// name parts, "curvature.option" and the like are options of a part, and any other key is an option of the
/// optimizer. Throws Error for names that do not exist.
Family kappa_family(const std::vector<std::string>& methods);
/// Ceres's default, Levenberg-Marquardt, and its other trust region, Powell's dogleg.
Family ceres_family();
Family ceres_dogleg_family();

/// All families but kappa itself.
std::vector<Family> other_families();

}  // namespace kappa::bench
