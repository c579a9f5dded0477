// Method: an immutable description of an optimizer, made of named parts.
#pragma once

#include <cstdint>
#include <string>

#include "kappa/options.h"
#include "kappa/step.h"

namespace kappa {

/// A part by name, with its options. "auto" lets the library choose; the result says what and why.
struct Spec {
  std::string name = "auto";
  Options options;

  Spec() = default;
  Spec(std::string part) : name(std::move(part)) {}
  Spec(const char* part) : name(part) {}
  Spec(std::string part, Options given) : name(std::move(part)), options(std::move(given)) {}
  friend bool operator==(const Spec&, const Spec&) = default;
};

/// How many terms each step sees. 0: all of them at every step.
struct MiniBatch {
  Index size = 0;
  std::uint64_t seed = 1;  ///< of the counter-based generator; the same seed, the same batches
  /// Whether the curvature sees the gradient's batch or one of its own.
  enum class CurvatureBatch : std::uint8_t { shared, own } curvature = CurvatureBatch::shared;
  friend bool operator==(const MiniBatch&, const MiniBatch&) = default;
};

/// Whether the variables that a problem can re-solve by themselves (Problem::refine), such as the points of a
/// bundle, are re-solved at a trial point before it is judged. The step's norm and predicted decrease stay
/// the solver's: the model has been minimised over those variables too, so that its decrease is what the
/// reduced function of the others is compared with (Ruhe & Wedin 1980).
struct InnerIterations {
  Index steps = 0;  ///< damped Gauss-Newton steps at most; 0: none are made
  /// At every trial; or only where the trial as it is brings no decrease.
  enum class When : std::uint8_t { always, rejected } when = When::always;
  friend bool operator==(const InnerIterations&, const InnerIterations&) = default;
};

/// Whether parts of a step that went astray by themselves are taken back before the trial is judged
/// (Problem::backtrack). Where a problem has no such parts nothing is done.
enum class Backtracking : std::uint8_t { none, by_block };

/// Reusable from many threads; a solve never changes it.
struct Method {
  std::string optimizer = "custom";  ///< the recipe's name, for the result
  Spec curvature;
  Spec step;
  Spec acceptance;
  MetricKind metric = MetricKind::identity;
  MiniBatch batch;
  InnerIterations inner;
  Backtracking backtracking = Backtracking::none;
  friend bool operator==(const Method&, const Method&) = default;
};

// The recipes. Each is a Method with some parts filled in; every part can be overruled.

/// Levenberg-Marquardt: damped steps, Nielsen's damping rule. Curvature auto: outer-product where the
/// problem has residuals, otherwise exact.
struct LevenbergMarquardt {
  Spec curvature = {};
  Spec step = {};
  Spec acceptance = {"nielsen-damping"};
  MetricKind metric = MetricKind::automatic;
  InnerIterations inner = {};
  Backtracking backtracking = Backtracking::by_block;
};
Method levenberg_marquardt(const LevenbergMarquardt& parts = {});

/// Newton: a trust region (Moré-Sorensen where the matrix is dense, Steihaug otherwise), or a line search
/// if a line-search acceptance is named. Curvature auto: exact.
struct Newton {
  Spec curvature = {};
  Spec step = {};
  Spec acceptance = {"trust-region"};
  MetricKind metric = MetricKind::identity;
  MiniBatch batch = {};
};
Method newton(const Newton& parts = {});

/// Adaptive learning rate: a gradient scaled by a running diagonal curvature, on a schedule. The default
/// is AdaHessian; the stochastic diagonal Levenberg-Marquardt of LeCun et al. is `sdlm()`.
struct AdaptiveRate {
  Spec curvature = {"running-diagonal"};
  Spec step = {"scaled-gradient"};
  Spec acceptance = {"schedule"};
  MiniBatch batch = {};
};
Method adaptive_rate(const AdaptiveRate& parts = {});
/// AdaHessian (Yao et al. 2021): Hutchinson's diagonal, root mean square, momentum.
Method adahessian(const MiniBatch& batch = {}, double rate = 0.15);
/// Stochastic diagonal Levenberg-Marquardt (LeCun, Bottou, Orr & Müller 1998, sec. 9.1).
Method sdlm(const MiniBatch& batch = {}, double rate = 0.1);

}  // namespace kappa
