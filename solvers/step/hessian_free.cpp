// The damped step of Hessian-free optimization: preconditioned conjugate gradients on
//
//     phi(d) = g'd + 1/2 d'(B + lambda W) d
//
// from a multiple of the last step, ended when phi no longer falls fast enough,
//
//     i > k,  phi_i < 0,  (phi_i - phi_{i-k}) / phi_i < k eps,   k = max(10, 0.1 i),  eps = 5e-4,
//
// with iterates saved at i = ceil(gamma^j), gamma = 1.3, for acceptance `martens-damping` to walk back over.
// The preconditioner is that of the method (preconditioner.h): another curvature's own damped solve or its
// diagonal (|P_ii| + lambda W_i)^0.75; by itself that of B where it is cheap, otherwise W.
//
// Use it for networks and other problems of many variables, with curvature outer-product or hessian-free. The
// test of progress ends a solve where further iterations gain little, whatever their residuals say: in an
// ill-conditioned model these fall late. A direction without positive curvature ends it too; the iterate so
// far, if any, is the step, and never called interior.
//
// The start is warm_start times the last iterate of the last point's solve; where phi is not below zero
// there, the minimiser of phi along it. So every iterate has phi < 0, and a positive predicted decrease.
//
// Cost: one product per iteration and one per point for the start; memory 6 n and n for each saved iterate
// (22 of them at 250 iterations).
//
// Reference: Martens, Deep learning via Hessian-free optimization, ICML 2010, sec. 4.4 (test), 4.5 (start),
// 4.6 (iterates), 4.7 (preconditioner).
#include <algorithm>
#include <array>
#include <cmath>

#include "core/option_checks.h"
#include "core/vector_loop.h"
#include "kappa/bulk_vector.h"
#include "solvers/step/model.h"
#include "solvers/step/parts.h"
#include "solvers/step/preconditioner.h"

namespace kappa {
namespace {

constexpr const char* part = "hessian-free";

struct HessianFreeStepOptions {
  Index max_iterations = 250;  // Martens 2010, sec. 4.4: where the test of progress fails to end a solve
  double progress = 5e-4;      // Martens 2010, eq. in sec. 4.4
  double residual = 1e-10;     // beyond what a residual in double precision can tell apart
  double warm_start = 0.95;    // Martens & Sutskever 2012, sec. 10
  double spacing = 1.3;        // Martens 2010, sec. 4.6
  double exponent = 0.75;      // Martens 2010, sec. 4.7
};

constexpr Field<HessianFreeStepOptions> fields[] = {
    {"max_iterations", &HessianFreeStepOptions::max_iterations, "Martens 2010, sec. 4.4",
     "inner iterations per solve; at least 1"},
    {"progress", &HessianFreeStepOptions::progress, "Martens 2010, sec. 4.4",
     "relative decrease of the model per iteration, over a tenth of the iterations, below which a solve "
     "ends; 0: never"},
    {"residual", &HessianFreeStepOptions::residual, "rounding of residuals in double precision",
     "relative residual at which a solve ends, in (0, 1)"},
    {"warm_start", &HessianFreeStepOptions::warm_start, "Martens & Sutskever 2012, sec. 10",
     "part of the last point's solution that the iterations start from; 0: from zero"},
    {"spacing", &HessianFreeStepOptions::spacing, "Martens 2010, sec. 4.6",
     "ratio of the numbers of saved iterates; above 1, or 0: none is saved"},
    {"exponent", &HessianFreeStepOptions::exponent, "Martens 2010, sec. 4.7",
     "of the diagonal preconditioner; from 0 (none) to 1 (Jacobi's)"},
};

class HessianFreeStep final : public StepSolver {
 public:
  explicit HessianFreeStep(const HessianFreeStepOptions& options) : options_(options) {
    const auto end = static_cast<double>(options_.max_iterations);
    Index next = 1;
    for (double at = 1; options_.spacing > 0 && std::ceil(at) < end; at *= options_.spacing) {
      if (const auto i = static_cast<Index>(std::ceil(at)); i >= next) {
        save_at_.push_back(i);
        next = i + 1;
      }
    }
    phi_.resize(static_cast<std::size_t>(options_.max_iterations) + 1);
    saved_.reserve(save_at_.size());
  }

  ControlKind control() const override { return ControlKind::damping; }
  bool remembers() const override { return options_.warm_start > 0; }
  void start() override { has_last_ = false; }

  StepStatus prepare(const Subproblem& subproblem) override {
    subproblem_.emplace(subproblem);
    const auto n = static_cast<std::size_t>(subproblem.B.size());
    has_last_ = has_last_ && last_.size() == n;
    loop_.reserve(subproblem.B.size());
    for (std::vector<double>* v : {&r_, &z_, &p_, &q_, &last_, &start_, &product_}) {
      v->resize(n);
    }
    iterates_.resize(n * save_at_.size());
    saved_.clear();
    ready_ =
        detail::all_finite(subproblem.gradient) && preconditioner_.prepare(subproblem, options_.exponent);
    if (!ready_) {
      return StepStatus::failed;
    }
    warm_ = has_last_ && options_.warm_start > 0;
    if (warm_) {
      loop_.set_scaled(options_.warm_start, last_, start_);
      subproblem.B.multiply(start_, product_);
      warm_ = detail::all_finite(product_);
    }
    return StepStatus::ok;
  }

  StepReport solve(const Control& control, VectorRef step) override {
    lambda_ = detail::control_value<Damping>(control, "hessian-free: the control must be a damping");
    expects(subproblem_.has_value(), "hessian-free: solve before prepare");
    saved_.clear();
    if (!ready_ || !(lambda_ >= 0 && std::isfinite(lambda_))) {
      return detail::no_step(StepStatus::failed, step);
    }
    iterations_ = 0;
    preconditioner_.set_damping(lambda_);
    begin(step);
    const End end = iterate(step);
    if (end == End::failed || end == End::interrupted) {
      saved_.clear();
      return detail::no_step(end == End::failed ? StepStatus::failed : StepStatus::interrupted, step);
    }
    if (end == End::negative_curvature && !(value_ < 0)) {
      StepReport out = detail::no_step(StepStatus::indefinite, step);
      out.inner_iterations = iterations_;
      return out;
    }
    if (!saved_.empty() && saved_.back().iteration == iterations_) {
      saved_.pop_back();
    }
    loop_.set_scaled(1, step, last_);
    has_last_ = true;
    StepReport out = report(step, value_);
    out.alternatives = static_cast<Index>(saved_.size());
    out.limit = end == End::negative_curvature
                    ? StepReport::Limit::boundary
                    : detail::damping_limit(lambda_, out.norm, out.predicted_decrease);
    return detail::checked(out, step);
  }

  StepReport alternative(Index k, VectorRef step) override {
    expects(k >= 1 && k <= static_cast<Index>(saved_.size()), "hessian-free: there is no such iterate");
    const Saved& saved = saved_[saved_.size() - static_cast<std::size_t>(k)];
    loop_.set_scaled(1, slot(saved.slot), step);
    StepReport out = report(step, saved.value);
    out.alternatives = static_cast<Index>(saved_.size()) - k;
    out.limit = StepReport::Limit::boundary;
    out.inner_iterations = 0;
    return detail::checked(out, step);
  }

  /// Prepare makes the warm start of the step before.
  bool state(State& s) override {
    s.section("hessian-free", 1);
    s.item("has last", has_last_);
    s.item("last", last_);
    return true;
  }

 private:
  enum class End { progress, negative_curvature, limit, interrupted, failed };
  struct Saved {
    Index iteration;
    std::size_t slot;
    double value;  ///< phi
  };

  /// The first iterate, its residual (B + lambda W) d + g and phi.
  void begin(VectorRef d) {
    const ConstVectorRef g = subproblem_->gradient;
    const ConstVectorRef w = subproblem_->metric.weights();
    std::fill(d.begin(), d.end(), 0.0);
    loop_.set_scaled(1, g, r_);
    value_ = 0;
    if (!warm_) {
      return;
    }
    loop_.set_scaled(1, product_, q_);
    loop_.add_weighted(lambda_, w, start_, q_);
    const double slope = loop_.dot(g, start_);
    const double curvature = loop_.dot(start_, q_);
    double part_of_it = 1;
    if (!(slope + 0.5 * curvature < 0)) {
      part_of_it = curvature > 0 && std::isfinite(slope) ? -slope / curvature : 0.0;
    }
    const double value = part_of_it * (slope + 0.5 * part_of_it * curvature);
    if (value < 0 && std::isfinite(value)) {
      loop_.set_scaled(part_of_it, start_, d);
      loop_.add_scaled(part_of_it, q_, r_);
      value_ = value;
    }
  }

  End iterate(VectorRef d) {
    const Subproblem& model = *subproblem_;
    const ConstVectorRef w = model.metric.weights();
    bool solved = preconditioner_.apply(model.gradient, z_);
    const double scale = loop_.dot(model.gradient, z_);
    solved = preconditioner_.apply(r_, z_) && solved;
    loop_.set_scaled(-1, z_, p_);
    double rz = loop_.dot(r_, z_);
    phi_[0] = value_;
    if (!solved || !std::isfinite(rz) || !std::isfinite(scale)) {
      return End::failed;
    }
    std::size_t next_saved = 0;
    while (iterations_ < options_.max_iterations) {
      if (std::sqrt(rz) <= options_.residual * std::sqrt(scale)) {
        return End::progress;
      }
      if (model.interrupt != nullptr && model.interrupt->requested()) {
        return End::interrupted;
      }
      model.B.multiply(p_, q_);
      if (lambda_ != 0) {
        loop_.add_weighted(lambda_, w, p_, q_);
      }
      const double rounding = loop_.absolute_dot(p_, q_);
      const double curvature = loop_.dot(p_, q_);
      if (!std::isfinite(curvature)) {
        return End::failed;
      }
      if (!(curvature > epsilon * rounding)) {
        return End::negative_curvature;
      }
      const double alpha = rz / curvature;
      loop_.add_scaled(alpha, p_, d);
      loop_.add_scaled(alpha, q_, r_);
      solved = preconditioner_.apply(r_, z_);
      value_ -= 0.5 * alpha * rz;
      const double next = loop_.dot(r_, z_);
      if (!solved || !std::isfinite(next) || !std::isfinite(value_)) {
        return End::failed;
      }
      ++iterations_;
      phi_[static_cast<std::size_t>(iterations_)] = value_;
      if (next_saved < save_at_.size() && save_at_[next_saved] == iterations_) {
        loop_.set_scaled(1, d, slot(next_saved));
        saved_.push_back({iterations_, next_saved, value_});
        ++next_saved;
      }
      if (slow()) {
        return End::progress;
      }
      loop_.scale_and_subtract(next / rz, z_, p_);
      rz = next;
    }
    return End::limit;
  }

  bool slow() const {
    const Index k = std::max<Index>(10, iterations_ / 10);
    if (iterations_ <= k || !(value_ < 0)) {
      return false;
    }
    const double gained = phi_[static_cast<std::size_t>(iterations_ - k)] - value_;
    return gained < -value_ * static_cast<double>(k) * options_.progress;
  }

  StepReport report(ConstVectorRef step, double value) {
    StepReport out;
    out.slope = loop_.dot(subproblem_->gradient, step);
    out.norm = subproblem_->metric.norm(step);
    out.predicted_decrease = 0.5 * (lambda_ * out.norm) * out.norm - value;
    out.inner_iterations = iterations_;
    return out;
  }

  VectorRef slot(std::size_t i) { return VectorRef(iterates_.data() + i * last_.size(), last_.size()); }

  HessianFreeStepOptions options_;
  std::vector<Index> save_at_;  ///< ascending
  std::optional<Subproblem> subproblem_;
  detail::VectorLoop loop_;
  detail::Preconditioner preconditioner_;
  std::vector<double> r_, z_, p_, q_;
  std::vector<double> last_;             ///< of the last solve
  std::vector<double> start_, product_;  ///< warm_start times that of the last point, and B times this
  std::vector<double> phi_;              ///< by iteration
  BulkVector<double> iterates_;
  std::vector<Saved> saved_;  ///< in order of iteration
  double lambda_ = 0;
  double value_ = 0;  ///< phi at the iterate
  Index iterations_ = 0;
  bool has_last_ = false;
  bool warm_ = false;
  bool ready_ = false;
};

HessianFreeStepOptions checked(const Options& given) {
  const auto o = read_options<HessianFreeStepOptions>(part, given, fields);
  using detail::require_option;
  require_option(o.max_iterations >= 1 && o.max_iterations <= 1000000, part, "max_iterations",
                 static_cast<std::int64_t>(o.max_iterations), "it must be from 1 to a million");
  require_option(o.progress >= 0 && o.progress < 1, part, "progress", o.progress,
                 "it must be at least 0 and below 1");
  require_option(o.residual > 0 && o.residual < 1, part, "residual", o.residual,
                 "it must lie between 0 and 1");
  require_option(o.warm_start >= 0 && o.warm_start <= 1, part, "warm_start", o.warm_start,
                 "it must be from 0 to 1");
  require_option(o.spacing == 0 || (o.spacing >= 1.01 && o.spacing < infinity), part, "spacing", o.spacing,
                 "it must be at least 1.01, or 0 where no iterate is to be saved");
  require_option(o.exponent >= 0 && o.exponent <= 1, part, "exponent", o.exponent, "it must be from 0 to 1");
  return o;
}

}  // namespace

StepPart hessian_free_step_part() {
  StepPart out;
  out.info.kind = PartKind::step;
  out.info.name = part;
  out.info.summary = "Damped conjugate gradients ended by slow progress, with iterates to walk back over.";
  out.info.source = "Martens 2010";
  out.info.options = describe_options<HessianFreeStepOptions>(fields);
  out.control = ControlKind::damping;
  out.preconditioned = true;
  out.make = [](const Options& given) -> std::unique_ptr<StepSolver> {
    return std::make_unique<HessianFreeStep>(checked(given));
  };
  return out;
}

}  // namespace kappa
