// A direction of descent by MINRES on B p = -g, for a line search: d = alpha p.
//
// Use it in place of newton-cg where B is indefinite or singular. MINRES makes the residual |Bp + g| fall
// monotonically whatever the signs of the eigenvalues, where conjugate gradients need a definite matrix, and
// shows the first nonpositive curvature among the residuals r for a comparison of two numbers:
//
//     r_{k-1}'B r_{k-1} <= 0   iff   c_{k-1} gamma_k >= 0   (of the QR factorization's rotations).
//
// The direction is then r_{k-1} itself, for which g'r = -|r|^2, made as long as a Newton step would be with
// the curvature's size, at least as the iterate found so far; otherwise the iterate at |r| <= eta |g|, eta =
// clamp(|g|^power, floor, cap). All norms are the metric's dual norm: MINRES runs on W^-1/2 B W^-1/2.
//
// Cost: one product per iteration and one more for p'Bp, once per point; each alpha costs O(n). Memory 10 n.
//
// References: Paige & Saunders, SIAM J. Numer. Anal. 12 (1975) 617; Liu & Roosta, MINRES: from negative
// curvature detection to monotonicity properties, SIAM J. Optim. 32 (2022) 2636, alg. 1 and thm. 3.3; Liu &
// Roosta, A Newton-MR algorithm with complexity guarantees for nonconvex smooth unconstrained optimization,
// 2022.
#include <algorithm>
#include <array>
#include <cmath>

#include "core/vector_loop.h"
#include "solvers/step/direction.h"
#include "solvers/step/forcing_options.h"
#include "solvers/step/model.h"
#include "solvers/step/parts.h"

namespace kappa {
namespace {

constexpr const char* part = "newton-mr";

class NewtonMr final : public StepSolver {
 public:
  explicit NewtonMr(const detail::Forcing& forcing) : forcing_(forcing) {}

  ControlKind control() const override { return ControlKind::step_length; }

  StepStatus prepare(const Subproblem& subproblem) override {
    const Index n = subproblem.B.size();
    const VectorRef p = direction_.reserve(n);
    direction_.invalidate();
    prepared_ = true;
    loop_.reserve(n);
    for (std::vector<double>* v :
         {&root_inverse_, &v_, &before_, &q_, &r_, &x_, &d_, &d_before_, &scratch_}) {
      v->assign(static_cast<std::size_t>(n), 0.0);
    }
    const double unit = std::max(detail::power_of_two(detail::largest(subproblem.gradient)), 0x1p-1000);
    if (!std::isfinite(unit)) {
      return StepStatus::failed;
    }
    const ConstVectorRef w = subproblem.metric.weights();
    for (std::size_t i = 0; i < w.size(); ++i) {
      root_inverse_[i] = 1 / std::sqrt(w[i]);
    }
    loop_.set_scaled(-1 / unit, subproblem.gradient, r_);
    loop_.multiply(root_inverse_, r_, r_);
    const double norm = loop_.norm(r_);
    if (!std::isfinite(norm)) {
      return StepStatus::failed;
    }
    Index iterations = 0;
    const End end = minimum_residual(subproblem, norm, forcing_.tolerance(norm * unit), iterations);
    if (end == End::failed || end == End::interrupted) {
      return end == End::failed ? StepStatus::failed : StepStatus::interrupted;
    }
    const double reach = loop_.norm(x_);
    const bool along_residual = end == End::nonpositive_curvature;
    const double length = along_residual ? std::max(reach / loop_.norm(r_), length_) : 1;
    loop_.set_scaled(length * unit, along_residual ? r_ : x_, p);
    loop_.multiply(root_inverse_, p, p);
    if (along_residual && loop_.dot(p, subproblem.gradient) > 0) {
      loop_.set_scaled(-1, p, p);  // rounding took its slope from it; the curvature is that of either sign
    }
    subproblem.B.multiply(p, q_);
    const bool downhill = direction_.settle(subproblem, loop_.dot(p, q_), iterations);
    return downhill ? StepStatus::ok : StepStatus::failed;
  }

  StepReport solve(const Control& control, VectorRef step) override {
    const double alpha =
        detail::control_value<StepLength>(control, "newton-mr: the control must be a step length");
    expects(prepared_, "newton-mr: solve before prepare");
    return direction_.along(alpha, step);
  }

  /// Each solve begins at zero.
  bool state(State& s) override {
    s.section("newton-mr", 1);
    return true;
  }

 private:
  enum class End { converged, nonpositive_curvature, interrupted, failed };

  /// MINRES from x = 0 on A x = r, A = W^-1/2 B W^-1/2; r is the residual at the end.
  End minimum_residual(const Subproblem& model, double norm, double tolerance, Index& iterations) {
    if (norm == 0) {
      return End::converged;
    }
    loop_.set_scaled(1 / norm, r_, v_);
    double beta = 0;
    double phi = norm;
    double c = -1;
    double s = 0;
    double delta = 0;
    double largest = 0;
    double second = 0;  // entry two above the diagonal
    const Index limit = forcing_.limit(static_cast<Index>(v_.size()));
    while (iterations < limit && phi > tolerance * norm) {
      if (model.interrupt != nullptr && model.interrupt->requested()) {
        return End::interrupted;
      }
      loop_.multiply(root_inverse_, v_, scratch_);
      model.B.multiply(scratch_, q_);
      loop_.multiply(root_inverse_, q_, q_);
      ++iterations;
      const double alpha = loop_.dot(v_, q_);
      loop_.add_scaled(-alpha, v_, q_);
      loop_.add_scaled(-beta, before_, q_);
      const double next = loop_.norm(q_);
      if (!std::isfinite(alpha) || !std::isfinite(next)) {
        return End::failed;
      }
      const double above = c * delta + s * alpha;
      const double here = s * delta - c * alpha;
      largest = std::max({largest, std::abs(alpha), next});
      if (c * here >= 0) {
        // -r'Ar / r'r is c here; where it is near zero a thousandth of the largest curvature has to do.
        const double curvature = std::max(c * here, 1e-3 * largest);
        length_ = curvature > 0 ? 1 / curvature : 1;
        return End::nonpositive_curvature;
      }
      const double length = std::hypot(here, next);
      loop_.set_scaled(1 / length, v_, scratch_);
      loop_.add_scaled(-above / length, d_, scratch_);
      loop_.add_scaled(-second / length, d_before_, scratch_);
      std::swap(d_before_, d_);
      std::swap(d_, scratch_);
      second = s * next;
      delta = -c * next;
      c = here / length;
      s = next / length;
      loop_.add_scaled(c * phi, d_, x_);
      phi *= s;
      if (next <= epsilon * std::abs(alpha)) {
        break;  // the space is exhausted
      }
      std::swap(before_, v_);
      loop_.set_scaled(1 / next, q_, v_);
      loop_.set_scaled(s * s, r_, r_);
      loop_.add_scaled(-phi * c, v_, r_);
      beta = next;
    }
    return End::converged;
  }

  detail::Forcing forcing_;
  detail::Direction direction_;
  detail::VectorLoop loop_;
  std::vector<double> root_inverse_;    ///< W^-1/2
  std::vector<double> v_, before_, q_;  ///< Lanczos vectors
  std::vector<double> r_, x_, d_, d_before_, scratch_;
  double length_ = 1;  ///< of a step along nonpositive curvature, in units of the residual
  bool prepared_ = false;
};

}  // namespace

StepPart newton_mr_part() {
  StepPart out;
  out.info.kind = PartKind::step;
  out.info.name = part;
  out.info.summary = "Line-search direction by MINRES, which detects negative curvature; products only.";
  out.info.source = "Paige & Saunders 1975; Liu & Roosta 2022, alg. 1";
  out.info.options = describe_options<detail::NewtonForcing>(detail::newton_forcing_fields);
  out.control = ControlKind::step_length;
  out.make = [](const Options& given) -> std::unique_ptr<StepSolver> {
    return std::make_unique<NewtonMr>(detail::forcing(
        part, read_options<detail::NewtonForcing>(part, given, detail::newton_forcing_fields)));
  };
  return out;
}

}  // namespace kappa
