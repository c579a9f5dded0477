// The damped step in a Krylov space: (B + lambda W) d = -g for every lambda from one Lanczos basis, since
// T + lambda I belongs to B + lambda W.
//
// Use it in place of damped-cg where rejections are frequent: another damping at the same point costs no
// product, unless it needs more of the basis. B + lambda W without positive curvature in the basis is
// indefinite, so that the acceptance raises the damping.
//
// Cost and memory: those of gltr. Limit: boundary where lambda |d|_W^2 exceeds a tenth of the predicted
// decrease.
//
// References: Frommer & Maass, SIAM J. Sci. Comput. 20 (1999) 1831 (shifted systems for regularisation);
// Golub & Van Loan 2013, sec. 10.3.
#include "solvers/step/krylov_model.h"
#include "solvers/step/parts.h"

namespace kappa {
namespace {

constexpr const char* part = "shifted-lanczos";

class ShiftedLanczos final : public StepSolver {
 public:
  explicit ShiftedLanczos(const detail::KrylovOptions& options) : model_(options) {}

  ControlKind control() const override { return ControlKind::damping; }
  StepStatus prepare(const Subproblem& subproblem) override { return model_.prepare(subproblem); }

  StepReport solve(const Control& control, VectorRef step) override {
    const double lambda =
        detail::control_value<Damping>(control, "shifted-lanczos: the control must be a damping");
    if (!(lambda >= 0 && std::isfinite(lambda))) {
      return detail::no_step(StepStatus::failed, step);
    }
    StepReport out = model_.solve(
        [&](detail::TridiagonalModel& small, VectorRef y) {
          using Small = detail::KrylovModel::Small;
          if (small.gamma() == 0 && small.leftmost() + lambda >= 0) {
            std::fill(y.begin(), y.end(), 0.0);
            return Small::ok;
          }
          return small.damped(lambda, y) ? Small::ok : Small::indefinite;
        },
        step);
    if (out.status == StepStatus::ok && out.limit == StepReport::Limit::interior) {
      out.limit = detail::damping_limit(lambda, out.norm, out.predicted_decrease);
    }
    return out;
  }

  /// Each point has a basis of its own.
  bool state(State& s) override {
    s.section("shifted-lanczos", 1);
    return true;
  }

 private:
  detail::KrylovModel model_;
};

}  // namespace

StepPart shifted_lanczos_part() {
  StepPart out;
  out.info.kind = PartKind::step;
  out.info.name = part;
  out.info.summary = "Damped step in a Lanczos basis that serves every damping; products only.";
  out.info.source = "Frommer & Maass 1999";
  out.info.options = describe_options<detail::KrylovOptions>(detail::krylov_fields());
  out.control = ControlKind::damping;
  out.make = [](const Options& given) -> std::unique_ptr<StepSolver> {
    return std::make_unique<ShiftedLanczos>(detail::krylov_options(part, given));
  };
  return out;
}

}  // namespace kappa
