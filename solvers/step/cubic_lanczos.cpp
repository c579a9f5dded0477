// The step of cubic regularisation in a Krylov space: minimise
//
//     g'd + 1/2 d'Bd + sigma/3 |d|_W^3
//
// over d = W^-1/2 Q y, with a Lanczos basis Q and the tridiagonal model in y solved exactly:
// (T + lambda I) y = -gamma e_1 with lambda = sigma |y|. B may be indefinite; the hard case is included.
//
// Use it with acceptance adaptive-cubic. A second weight at the same point costs no product, unless it needs
// more of the basis. ARCqK takes the shifts lambda from a fixed grid and keeps a conjugate-gradient iterate
// for each; the tridiagonal model gives the shift that belongs to sigma itself, from the same products.
//
// The predicted decrease is -(g'd + d'Bd/2), without the cubic term. Limit: boundary where lambda |d|_W^2
// exceeds a tenth of it. Cost and memory: those of gltr.
//
// References: Cartis, Gould & Toint, Adaptive cubic regularisation methods for unconstrained optimization,
// part I, Math. Programming 127 (2011) 245, sec. 6; Dussault, Migot & Orban, Scalable adaptive cubic
// regularization methods, Math. Programming 207 (2024) 191.
#include "solvers/step/krylov_model.h"
#include "solvers/step/parts.h"

namespace kappa {
namespace {

constexpr const char* part = "cubic-lanczos";

class CubicLanczos final : public StepSolver {
 public:
  explicit CubicLanczos(const detail::KrylovOptions& options) : model_(options) {}

  ControlKind control() const override { return ControlKind::cubic_weight; }
  StepStatus prepare(const Subproblem& subproblem) override { return model_.prepare(subproblem); }

  StepReport solve(const Control& control, VectorRef step) override {
    const double sigma =
        detail::control_value<CubicWeight>(control, "cubic-lanczos: the control must be a cubic weight");
    if (!(sigma > 0 && std::isfinite(sigma))) {
      return detail::no_step(StepStatus::failed, step);
    }
    double lambda = 0;
    StepReport out = model_.solve(
        [&](detail::TridiagonalModel& small, VectorRef y) {
          lambda = small.cubic(sigma, y).lambda;
          return detail::KrylovModel::Small::ok;
        },
        step);
    if (out.status == StepStatus::ok && out.limit == StepReport::Limit::interior) {
      out.limit = detail::damping_limit(lambda, out.norm, out.predicted_decrease);
    }
    return out;
  }

  /// Each point has a basis of its own.
  bool state(State& s) override {
    s.section("cubic-lanczos", 1);
    return true;
  }

 private:
  detail::KrylovModel model_;
};

}  // namespace

StepPart cubic_lanczos_part() {
  StepPart out;
  out.info.kind = PartKind::step;
  out.info.name = part;
  out.info.summary =
      "Minimiser of the cubic model in a Lanczos basis that serves every weight; products only.";
  out.info.source = "Cartis, Gould & Toint 2011, sec. 6; Dussault, Migot & Orban 2024";
  out.info.options = describe_options<detail::KrylovOptions>(detail::krylov_fields());
  out.control = ControlKind::cubic_weight;
  out.make = [](const Options& given) -> std::unique_ptr<StepSolver> {
    return std::make_unique<CubicLanczos>(detail::krylov_options(part, given));
  };
  return out;
}

}  // namespace kappa
