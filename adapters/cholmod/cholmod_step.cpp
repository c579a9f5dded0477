// The damped step by CHOLMOD: (B + lambda W) d = -g. See include/kappa/cholmod.h.
//
// The predicted decrease, the limit and indefiniteness are those of factored_step.h.
#include <array>
#include <mutex>

#include "adapters/cholmod/cholmod_factor.h"
#include "core/option_checks.h"
#include "kappa/cholmod.h"
#include "kappa/registry.h"
#include "solvers/step/factored_step.h"
#include "solvers/text.h"

namespace kappa {
namespace {

constexpr const char* part = "cholmod";

struct CholmodOptions {
  std::string factor = "auto";  // CHOLMOD's rule: supernodal from 40 flops for each entry of L
};

constexpr std::array<Field<CholmodOptions>, 1> fields = {{
    {"factor", &CholmodOptions::factor, "CHOLMOD's default, 40 flops an entry of L",
     "the kind of factorization: auto, simplicial or supernodal"},
}};

class CholmodStep final : public detail::FactoredStep {
 public:
  explicit CholmodStep(detail::CholmodFactor::Kind kind) : FactoredStep(part, 0.0), factor_(kind) {}

  std::optional<std::string> unfit(const SymmetricOperator& B) const override {
    const BlockMatrix* blocks = B.offers().blocks ? B.blocks() : nullptr;
    if (blocks == nullptr) {
      return "step 'cholmod' needs a block-sparse curvature; use step damped-cholesky or damped-cg";
    }
    if (!factor_.analyze(blocks->structure)) {
      return "step 'cholmod': " + factor_.fault() + "; use step damped-cg";
    }
    return std::nullopt;
  }

  double flops() const override { return factor_.figures().flops; }

  void describe(std::string& out) const override {
    const auto& f = factor_.figures();
    out.clear();
    if (f.size > 0) {
      detail::print_to(out, "%s Cholesky by CHOLMOD of %td variables: %.3g million doubles in L, %.3g GFlop",
                       f.supernodal ? "supernodal" : "simplicial", f.size, 1e-6 * f.doubles, 1e-9 * f.flops);
    }
  }

 private:
  using Outcome = detail::CholmodFactor::Outcome;

  bool load(const SymmetricOperator& B) override {
    blocks_ = B.blocks();
    return blocks_ != nullptr && factor_.analyze(blocks_->structure);
  }

  Factored factor(double lambda, ConstVectorRef weights, const Interrupt*) override {
    switch (factor_.factor(*blocks_, lambda, weights)) {
      case Outcome::ok:
        return {};
      case Outcome::indefinite:
        return {StepStatus::indefinite, factor_.failed_variable()};
      case Outcome::failed:
        break;
    }
    return {StepStatus::failed};
  }

  double solve_factored(VectorRef x) override { return factor_.solve(x); }

  const BlockMatrix* blocks_ = nullptr;
  mutable detail::CholmodFactor factor_;  // unfit() analyses the structure, and prepare needs the analysis
};

StepPart cholmod_part() {
  StepPart out;
  out.info.kind = PartKind::step;
  out.info.name = part;
  out.info.summary = "Damped step by CHOLMOD's sparse Cholesky factorization of the whole system.";
  out.info.source = "Chen, Davis, Hager & Rajamanickam 2008";
  out.info.options = describe_options<CholmodOptions>(fields);
  out.info.origin = "kappa::cholmod";
  out.control = ControlKind::damping;
  out.make = [](const Options& given) -> std::unique_ptr<StepSolver> {
    using Kind = detail::CholmodFactor::Kind;
    constexpr std::array kinds = {Kind::automatic, Kind::simplicial, Kind::supernodal};
    const auto options = read_options<CholmodOptions>(part, given, fields);
    return std::make_unique<CholmodStep>(
        kinds[detail::choose_option(part, "factor", options.factor, {"auto", "simplicial", "supernodal"})]);
  };
  return out;
}

}  // namespace

void register_cholmod() {
  static std::once_flag once;
  std::call_once(once, [] { registry().add(cholmod_part()); });
}

}  // namespace kappa
