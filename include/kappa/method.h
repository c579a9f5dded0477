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

/// How many terms each step sees.
struct MiniBatch {
  Index size = 0;          ///< of value and gradient; 0: all of them at every step
  std::uint64_t seed = 1;  ///< of the counter-based generator; the same seed, the same batches
  /// Whether the curvature sees the gradient's batch or one of its own.
  enum class CurvatureBatch : std::uint8_t { shared, own } curvature = CurvatureBatch::shared;
  /// Terms that the curvature sees, in a batch of its own; 0: as many as the gradient.
  Index curvature_size = 0;

  bool sampled() const { return size > 0; }
  bool own_curvature() const { return curvature_size > 0 || (sampled() && curvature == CurvatureBatch::own); }
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
  /// A second curvature by which the step's conjugate gradients are preconditioned: its damped inverse where
  /// it has one, otherwise its diagonal. "none", or "auto": what the step solver does by itself.
  Spec preconditioner = {"none"};
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
  Spec preconditioner = {"none"};
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

/// Hessian-free (Martens 2010): conjugate gradients on the damped model, ended by slow progress, and a walk
/// back over their iterates by true values. Curvature auto: outer-product (products alone are made) where the
/// problem offers the Gauss-Newton matrix, otherwise exact. With mini-batches each trial is compared on the
/// terms of the point it came from. Preconditioner auto: the curvature's own diagonal where that costs at
/// most four products, otherwise that of the empirical Fisher matrix (Martens 2010, sec. 4.7) where the
/// problem has it.
struct HessianFree {
  Spec curvature = {};
  Spec step = {"hessian-free"};
  Spec acceptance = {"martens-damping"};
  Spec preconditioner = {};
  MetricKind metric = MetricKind::identity;
  MiniBatch batch = {};
};
Method hessian_free(const HessianFree& parts = {});

/// Cubic regularisation (Nesterov & Polyak 2006; Cartis, Gould & Toint 2011): each step minimises the model
/// with a cubic term over a Krylov space, which is not built anew when only the weight changes. Curvature
/// auto: exact. Products alone are made.
struct CubicNewton {
  Spec curvature = {};
  Spec step = {"cubic-lanczos"};
  Spec acceptance = {"adaptive-cubic"};
  MetricKind metric = MetricKind::identity;
};
Method cubic_newton(const CubicNewton& parts = {});

/// Regularised Newton (Mishchenko 2023): damping sqrt(H |g|), H adapted. Needs the gradient at every trial.
struct RegularizedNewton {
  Spec curvature = {"exact"};
  Spec step = {};
  Spec acceptance = {"gradient-damping"};
  MetricKind metric = MetricKind::identity;
};
Method regularized_newton(const RegularizedNewton& parts = {});

/// TRON (Lin & Moré 1999; Lin, Weng & Keerthi 2008): Steihaug's steps to a tenth of the gradient,
/// preconditioned by the blended diagonal (Hsia, Chiang & Lin 2018), with TRON's rule for the radius. For
/// convex problems of many variables such as logistic regression; bounds are the loop's business.
struct Tron {
  Spec curvature = {};
  Spec step = {"steihaug-cg", {{"forcing_cap", 0.1}, {"forcing_power", 0.0}}};
  Spec acceptance = {"tron-radius"};
  MetricKind metric = MetricKind::blended;
};
Method tron(const Tron& parts = {});

/// Adaptive learning rate: a gradient scaled by a diagonal curvature, on a schedule. The default is
/// AdaHessian; below are the methods that differ in options only. All take mini-batches. With f a mean over
/// terms, the rates are those of the papers; of a sum of n terms, gradients and curvatures are n times as
/// large.
struct AdaptiveRate {
  Spec curvature = {"running-diagonal"};
  Spec step = {"scaled-gradient"};
  Spec acceptance = {"schedule"};
  MiniBatch batch = {};
};
Method adaptive_rate(const AdaptiveRate& parts = {});

/// AdaHessian (Yao et al. 2021, alg. 1): D = z .* (H z), v = beta2 v + (1 - beta2) D^2, and the step
/// -rate mhat / (sqrt(vhat) + epsilon).
Method adahessian(const MiniBatch& batch = {}, double rate = 0.15);

/// Stochastic diagonal Levenberg-Marquardt (LeCun, Bottou, Orr & Müller 1998, sec. 9.1): the step
/// -rate g / (<h> + mu), h the Gauss-Newton diagonal, back-propagated where the problem has layers.
Method sdlm(const MiniBatch& batch = {}, double rate = 0.1);

/// vSGD-fd (Schaul & LeCun 2013, alg. 1): the step -eta g, eta = hbar / E[h^2] gbar^2 / E[g^2], h from finite
/// differences of the gradient along gbar. There is no rate to choose; `rate` multiplies eta.
Method vsgd(const MiniBatch& batch = {}, double rate = 1);

/// AdaSecant (Gulcehre & Bengio 2014, alg. 1): the step -eta gtilde of the normalised, variance-reduced
/// gradient, eta = sqrt(E[Delta^2] / E[alpha^2]) - E[alpha Delta] / E[alpha^2]. `rate` multiplies eta.
Method adasecant(const MiniBatch& batch = {}, double rate = 1);

/// Sophia-H (Liu et al. 2024, alg. 3 with the estimator of alg. 1): the step
/// -rate clip(m / max(gamma h, epsilon), 1), h the signed average of Hutchinson's estimate at each tenth
/// step.
Method sophia_h(const MiniBatch& batch = {}, double rate = 1e-3);

/// Sophia-G: the same with the estimator of alg. 2 (Gauss-Newton-Bartlett), for problems that are
/// likelihoods.
Method sophia_g(const MiniBatch& batch = {}, double rate = 1e-3);

/// Adam (Kingma & Ba 2015, alg. 1): the step -rate mhat / (sqrt(vhat) + epsilon), v the averaged square of
/// the mean gradient, which is no second derivative.
Method adam(const MiniBatch& batch = {}, double rate = 1e-3);

/// Stochastic gradient descent: the step -rate m, m the average of the gradients with weight 1 - momentum of
/// the new. A classical rate a of v := momentum v + g, x := x - a v is `rate` = a / (1 - momentum).
Method sgd(const MiniBatch& batch = {}, double rate = 0.1, double momentum = 0.9);

}  // namespace kappa
