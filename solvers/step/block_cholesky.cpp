// The damped step by sparse block Cholesky: (B + lambda W) d = -g for a block-sparse B.
//
// Use it for pose graphs and their like: blocks of a few variables, each coupled with a few others, so that a
// factor in a good order stays sparse. Where one independent set makes up most of the variables, as the
// points of bundle adjustment do, step block-schur does less.
//
// The predicted decrease, the limit and indefiniteness are those of factored_step.h. A stop or a deadline is
// honoured between fronts and within large ones.
//
// Cost: see solvers/linear/block_cholesky.h; describe() gives order, fill and flops. Bits do not depend on
// the number of threads.
//
// Reference: Amestoy, Davis & Duff 1996; Duff & Reid 1983; Davis, Rajamanickam & Sid-Lakhdar 2016.
#include "solvers/linear/block_cholesky.h"

#include <array>

#include "core/option_checks.h"
#include "solvers/step/factored_step.h"
#include "solvers/step/parts.h"
#include "solvers/text.h"

namespace kappa {
namespace {

constexpr const char* part = "block-cholesky";

struct BlockCholeskyOptions {
  Index factor_limit = 250'000'000;  // 2 GB; a convention
  double acceleration = 0;           // 0: off; Transtrum & Sethna 2012, sec. 3 (there 0.75)
};

constexpr std::array<Field<BlockCholeskyOptions>, 2> fields = {{
    {"factor_limit", &BlockCholeskyOptions::factor_limit, "2 GB",
     "largest number of doubles in the factor and the Schur complements it waits with"},
    {"acceleration", &BlockCholeskyOptions::acceleration, "Transtrum & Sethna 2012, sec. 3",
     "largest geodesic correction, as twice its length over that of the step; 0 switches it off"},
}};

class BlockCholeskyStep final : public detail::FactoredStep {
 public:
  explicit BlockCholeskyStep(const BlockCholeskyOptions& options)
      : FactoredStep(part, options.acceleration), options_(options) {}

  std::optional<std::string> unfit(const SymmetricOperator& B) const override {
    const BlockMatrix* blocks = B.offers().blocks ? B.blocks() : nullptr;
    if (blocks == nullptr) {
      return "step 'block-cholesky' needs a block-sparse curvature; use step damped-cholesky or damped-cg";
    }
    factor_.analyze(blocks->structure);
    const double doubles = factor_.figures().memory;
    if (doubles <= static_cast<double>(options_.factor_limit)) {
      return std::nullopt;
    }
    std::string out;
    detail::print_to(out,
                     "step 'block-cholesky' would need %.3g doubles for the factor, above its option "
                     "factor_limit (%td); use step damped-cg",
                     doubles, options_.factor_limit);
    return out;
  }

  double flops() const override { return factor_.figures().cost; }

  void describe(std::string& out) const override {
    const auto& f = factor_.figures();
    out.clear();
    if (f.blocks > 0) {
      detail::print_to(
          out,
          "sparse Cholesky of %td blocks (%td) in the order of %s: %.3g million doubles in L (%.1f "
          "times the matrix), %.3g GFlop, %td supernodes, the largest front %td",
          f.blocks, f.size, f.ordering, 1e-6 * f.doubles, f.doubles / f.matrix_doubles, 1e-9 * f.flops,
          f.supernodes, f.largest_front);
    }
  }

 private:
  bool load(const SymmetricOperator& B) override {
    blocks_ = B.blocks();
    if (blocks_ != nullptr) {
      factor_.analyze(blocks_->structure);
    }
    return blocks_ != nullptr;
  }

  Factored factor(double lambda, ConstVectorRef weights, const Interrupt* interrupt) override {
    const Index failed = factor_.factor(*blocks_, lambda, weights, {.interrupt = interrupt});
    if (failed == detail::BlockCholesky::interrupted) {
      return {StepStatus::interrupted};
    }
    return failed < 0 ? Factored{} : failed_pivot(failed, factor_.failed_pivot_is_finite());
  }

  double solve_factored(VectorRef x) override { return factor_.solve(x); }

  BlockCholeskyOptions options_;
  const BlockMatrix* blocks_ = nullptr;
  mutable detail::BlockCholesky factor_;  // unfit() analyses the structure, and prepare needs the analysis
};

}  // namespace

StepPart block_cholesky_part() {
  StepPart out;
  out.info.kind = PartKind::step;
  out.info.name = part;
  out.info.summary = "Damped step by sparse Cholesky on parameter blocks, as for pose graphs.";
  out.info.source = "Duff & Reid 1983; Amestoy, Davis & Duff 1996";
  out.info.options = describe_options<BlockCholeskyOptions>(fields);
  out.control = ControlKind::damping;
  out.blocks = true;
  out.make = [](const Options& given) -> std::unique_ptr<StepSolver> {
    const auto options = read_options<BlockCholeskyOptions>(part, given, fields);
    detail::require_option(options.factor_limit >= 1, part, "factor_limit",
                           static_cast<std::int64_t>(options.factor_limit), "it must be at least 1");
    detail::require_acceleration(part, options.acceleration);
    return std::make_unique<BlockCholeskyStep>(options);
  };
  return out;
}

}  // namespace kappa
