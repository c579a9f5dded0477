// The trust-region step in a Krylov space: minimise g'd + d'Bd/2 over |d|_W <= radius and d = W^-1/2 Q y,
// with a Lanczos basis Q and the tridiagonal model in y solved exactly.
//
// Use it in place of steihaug-cg where B may be indefinite or the radius matters: where conjugate gradients
// stop at the boundary, this goes on along it to the minimiser, hard case included. A second radius at the
// same point costs no product, unless it needs more of the basis. With a tight tolerance it is the global
// minimiser over the region.
//
// Cost: one product per vector of the basis, 4 n k flops to keep k vectors orthogonal, 15 k^2 per test of the
// small model. Memory (stored_vectors + 6) n.
//
// Reference: Gould, Lucidi, Roma & Toint, Solving the trust-region subproblem using the Lanczos method, SIAM
// J. Optim. 9 (1999) 504.
#include "solvers/step/krylov_model.h"
#include "solvers/step/parts.h"

namespace kappa {
namespace {

constexpr const char* part = "gltr";

class Gltr final : public StepSolver {
 public:
  explicit Gltr(const detail::KrylovOptions& options) : model_(options) {}

  ControlKind control() const override { return ControlKind::radius; }

  StepStatus prepare(const Subproblem& subproblem) override {
    metric_ = &subproblem.metric;
    return model_.prepare(subproblem);
  }

  StepReport solve(const Control& control, VectorRef step) override {
    const double given = detail::control_value<Radius>(control, "gltr: the control must be a radius");
    if (!(given >= 0)) {
      return detail::no_step(StepStatus::failed, step);
    }
    const double radius = std::min(given, 1e150);
    bool inside = true;
    StepReport out = model_.solve(
        [&](detail::TridiagonalModel& small, VectorRef y) {
          using Kind = detail::TridiagonalModel::Solution::Kind;
          inside = small.within(radius, y).kind == Kind::interior;
          return detail::KrylovModel::Small::ok;
        },
        step);
    if (out.status == StepStatus::ok && !inside) {
      out.limit = StepReport::Limit::boundary;
      if (out.norm > radius) {  // by rounding in the basis
        const double factor = radius / out.norm;
        const double curvature = -2 * (out.predicted_decrease + out.slope);
        for (double& v : step) {
          v *= factor;
        }
        out.slope *= factor;
        out.predicted_decrease = -(out.slope + 0.5 * factor * factor * curvature);
        out.norm = metric_->norm(step);
      }
    }
    return out;
  }

  /// Each point has a basis of its own.
  bool state(State& s) override {
    s.section("gltr", 1);
    return true;
  }

 private:
  detail::KrylovModel model_;
  const Metric* metric_ = nullptr;
};

}  // namespace

StepPart gltr_part() {
  StepPart out;
  out.info.kind = PartKind::step;
  out.info.name = part;
  out.info.summary = "Trust-region step in a Lanczos basis that serves every radius; products only.";
  out.info.source = "Gould, Lucidi, Roma & Toint 1999";
  out.info.options = describe_options<detail::KrylovOptions>(detail::krylov_fields());
  out.control = ControlKind::radius;
  out.make = [](const Options& given) -> std::unique_ptr<StepSolver> {
    return std::make_unique<Gltr>(detail::krylov_options(part, given));
  };
  return out;
}

}  // namespace kappa
