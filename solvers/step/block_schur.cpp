// The damped step by block elimination: (B + lambda W) d = -g for a block-sparse B.
//
// Use it for bundle adjustment and its like: thousands of small parameter blocks that touch only a few others
// (points) and a few blocks that touch many (cameras). An independent set of blocks is eliminated, the dense
// system of the rest, the Schur complement, is solved by Cholesky, and the eliminated blocks follow by
// substitution. Where nothing is worth eliminating, and the size allows it, this is dense Cholesky.
//
// The predicted decrease is 1/2 |L^-1 g|^2 + lambda/2 |d|_W^2, a sum without cancellation; L is the factor of
// the whole matrix. Limit: boundary where lambda |d|_W^2 exceeds a tenth of it. An indefinite damped matrix
// is reported with the variable whose pivot failed.
//
// Cost: see solvers/linear/schur_complement.h. Bits do not depend on the number of threads.
//
// Reference: Triggs, McLauchlan, Hartley & Fitzgibbon 2000, sec. 6.1; Brown 1958.
#include <array>
#include <cmath>

#include "core/option_checks.h"
#include "core/vector.h"
#include "solvers/linear/schur_complement.h"
#include "solvers/step/model.h"
#include "solvers/step/parts.h"
#include "solvers/text.h"

namespace kappa {
namespace {

constexpr const char* part = "block-schur";

struct BlockSchurOptions {
  Index reduced_limit = 3000;  // 72 MB and 9 GFlop for the dense Schur complement; a convention
};

constexpr std::array<Field<BlockSchurOptions>, 1> fields = {{
    {"reduced_limit", &BlockSchurOptions::reduced_limit, "72 MB and 9 GFlop for the dense Schur complement",
     "largest number of variables that may be left after elimination"},
}};

class BlockSchur final : public StepSolver {
 public:
  explicit BlockSchur(const BlockSchurOptions& options) : options_(options) {}

  ControlKind control() const override { return ControlKind::damping; }

  std::optional<std::string> unfit(const SymmetricOperator& B) const override {
    const BlockMatrix* blocks = B.offers().blocks ? B.blocks() : nullptr;
    if (blocks == nullptr) {
      return "step 'block-schur' needs a block-sparse curvature; use step damped-cholesky or damped-cg";
    }
    const detail::SchurComplement& plan = schur_;
    schur_.analyze(blocks->structure, options_.reduced_limit);
    if (plan.reduced_size() <= options_.reduced_limit) {
      return std::nullopt;
    }
    return "step 'block-schur' would be left with a dense system of " + std::to_string(plan.reduced_size()) +
           " variables after eliminating " + std::to_string(plan.eliminated_blocks()) + " of " +
           std::to_string(blocks->structure.blocks()) + " blocks, above its option reduced_limit (" +
           std::to_string(options_.reduced_limit) + "); use step damped-cg";
  }

  StepStatus prepare(const Subproblem& subproblem) override {
    subproblem_.emplace(subproblem);
    factored_ = false;
    blocks_ = subproblem.B.blocks();
    if (blocks_ == nullptr || !detail::all_finite(subproblem.gradient)) {
      blocks_ = nullptr;
      return StepStatus::failed;
    }
    schur_.analyze(blocks_->structure, options_.reduced_limit);
    return StepStatus::ok;
  }

  StepReport solve(const Control& control, VectorRef step) override {
    const double lambda =
        detail::control_value<Damping>(control, "block-schur: the control must be a damping");
    expects(subproblem_.has_value(), "block-schur: solve before prepare");
    factored_ = false;
    if (blocks_ == nullptr || !(lambda >= 0 && std::isfinite(lambda))) {
      return detail::no_step(StepStatus::failed, step);
    }
    const auto stops = [&] {
      return subproblem_->interrupt != nullptr && subproblem_->interrupt->requested();
    };
    if (stops()) {
      return detail::no_step(StepStatus::interrupted, step);
    }
    ++factorizations_;
    for (std::size_t i = 0; i < step.size(); ++i) {
      step[i] = -subproblem_->gradient[i];
    }
    const Index failed = schur_.factor(*blocks_, lambda, subproblem_->metric.weights(), step);
    if (failed >= 0) {
      return detail::no_step(schur_.failed_pivot_is_finite() ? StepStatus::indefinite : StepStatus::failed,
                             step, failed);
    }
    if (stops()) {
      return detail::no_step(StepStatus::interrupted, step);
    }
    factored_ = true;
    const double square = schur_.finish(*blocks_, step);
    StepReport out;
    out.slope = detail::dot(subproblem_->gradient, step);
    out.norm = subproblem_->metric.norm(step);
    out.predicted_decrease = 0.5 * square + 0.5 * (lambda * out.norm) * out.norm;
    out.limit = detail::damping_limit(lambda, out.norm, out.predicted_decrease);
    return detail::checked(out, step);
  }

  bool resolve(ConstVectorRef rhs, VectorRef out) override {
    if (!factored_) {
      return false;
    }
    std::copy(rhs.begin(), rhs.end(), out.begin());
    schur_.solve(*blocks_, out);
    return detail::all_finite(out);
  }

  void describe(std::string& out) const override {
    out.clear();
    if (blocks_ == nullptr) {
      return;
    }
    if (schur_.eliminated_blocks() == 0) {
      detail::print_to(out, "dense Cholesky of %td blocks (%td), nothing eliminated", schur_.kept_blocks(),
                       schur_.reduced_size());
    } else {
      detail::print_to(out, "dense Schur complement of %td blocks (%td), %td blocks eliminated",
                       schur_.kept_blocks(), schur_.reduced_size(), schur_.eliminated_blocks());
    }
  }

  Index factorizations() const override { return factorizations_; }

 private:
  BlockSchurOptions options_;
  std::optional<Subproblem> subproblem_;
  const BlockMatrix* blocks_ = nullptr;
  mutable detail::SchurComplement
      schur_;  // unfit() analyses the structure, and prepare needs the same analysis
  Index factorizations_ = 0;
  bool factored_ = false;
};

}  // namespace

StepPart block_schur_part() {
  StepPart out;
  out.info.kind = PartKind::step;
  out.info.name = part;
  out.info.summary =
      "Damped step by eliminating an independent set of parameter blocks, as in bundle adjustment.";
  out.info.source = "Triggs et al. 2000, sec. 6.1";
  out.info.options = describe_options<BlockSchurOptions>(fields);
  out.control = ControlKind::damping;
  out.make = [](const Options& given) -> std::unique_ptr<StepSolver> {
    const auto options = read_options<BlockSchurOptions>(part, given, fields);
    detail::require_option(options.reduced_limit >= 1, part, "reduced_limit",
                           static_cast<std::int64_t>(options.reduced_limit), "it must be at least 1");
    return std::make_unique<BlockSchur>(options);
  };
  return out;
}

}  // namespace kappa
