// The damped step by block elimination: (B + lambda W) d = -g for a block-sparse B.
//
// Use it for bundle adjustment and its like: thousands of small parameter blocks that touch only a few others
// (points) and a few blocks that touch many (cameras). An independent set of blocks is eliminated, the
// reduced system of the rest, the Schur complement, is solved, and the eliminated blocks follow by
// substitution. Where nothing is worth eliminating, the reduced system is the whole.
//
// The reduced system is solved by dense or block-sparse Cholesky or by conjugate gradients, with the Schur
// complement formed or not, whichever the structure makes cheapest within the limit of memory; the result
// says which and why. With a factor the step solves its equations to rounding. Conjugate gradients stop when
// iterations gain little (option `forcing`); the eliminated blocks solve their equations exactly nonetheless.
//
// The predicted decrease is that of the step returned: with a factor L of the whole matrix 1/2 |L^-1 g|^2 +
// lambda/2 |d|_W^2, a sum without cancellation; with conjugate gradients -(g'd + r'd)/2 + lambda/2 |d|_W^2,
// r = (B + lambda W) d + g being computed anew in double precision. Limit: boundary where lambda |d|_W^2
// exceeds a tenth of it. An indefinite damped matrix is reported, with the variable whose pivot failed.
//
// Cost: see solvers/linear/schur_complement.h and reduced_choice.h. Bits do not depend on the number of
// threads.
//
// Reference: Triggs, McLauchlan, Hartley & Fitzgibbon 2000, sec. 6.1; Brown 1958; Agarwal, Snavely, Seitz &
// Szeliski, Bundle adjustment in the large, ECCV 2010 (conjugate gradients).
#include <array>
#include <cmath>
#include <optional>

#include "core/option_checks.h"
#include "core/vector.h"
#include "solvers/linear/schur_complement.h"
#include "solvers/step/acceleration.h"
#include "solvers/step/model.h"
#include "solvers/step/parts.h"
#include "solvers/text.h"

namespace kappa {
namespace {

constexpr const char* part = "block-schur";

struct BlockSchurOptions {
  std::string reduced = "auto";                 // by the cost model of reduced_choice.h
  std::string preconditioner = "schur-jacobi";  // Agarwal et al. 2010: fewest iterations of the cheap ones
  double forcing = 0.1;                         // Nash & Sofer 1990 ask for 0.5; Ceres' and RootBA's default
  Index iterations = 500;                       // Ceres' default
  Index power_terms = 4;                        // even, so that the series is positive definite
  Index memory = 2000;                          // MB, a convention: half of a small machine's
  Index keep_all = 3000;                        // 72 MB and 9 GFlop if it is dense; a convention
  double acceleration = 0;                      // 0: off; Transtrum & Sethna 2012, sec. 3 (there 0.75)
};

constexpr std::array<Field<BlockSchurOptions>, 8> fields = {{
    {"reduced", &BlockSchurOptions::reduced, "cost model, see solvers/linear/reduced_choice.h",
     "how the reduced system is solved: auto, dense, sparse (Cholesky), pcg (conjugate gradients with the "
     "Schur complement formed) or implicit-pcg (never formed)"},
    {"preconditioner", &BlockSchurOptions::preconditioner, "Agarwal et al. 2010",
     "of conjugate gradients: schur-jacobi (diagonal blocks of the Schur complement), block-jacobi (of the "
     "matrix) or power-series (Weber et al. 2023)"},
    {"forcing", &BlockSchurOptions::forcing, "Nash & Sofer 1990; Ceres and RootBA use 0.1",
     "conjugate gradients stop when an iteration gains less than this share of the average one; 0 goes on to "
     "rounding"},
    {"iterations", &BlockSchurOptions::iterations, "Ceres' default",
     "most iterations of conjugate gradients per solve"},
    {"power_terms", &BlockSchurOptions::power_terms, "Weber et al. 2023",
     "products per application of the power series, an even number"},
    {"memory", &BlockSchurOptions::memory, "half of a small machine's",
     "MB that the reduced matrix and its factor may take"},
    {"keep_all", &BlockSchurOptions::keep_all, "72 MB and 9 GFlop if it is dense",
     "number of variables up to which nothing is eliminated where it does not pay"},
    {"acceleration", &BlockSchurOptions::acceleration, "Transtrum & Sethna 2012, sec. 3",
     "largest geodesic correction, as twice its length over that of the step; 0 switches it off, and there "
     "is "
     "none with conjugate gradients"},
}};

detail::ReducedOptions reduced_options(const BlockSchurOptions& given) {
  using detail::require_option;
  require_option(given.forcing >= 0 && given.forcing < 1, part, "forcing", given.forcing,
                 "it must be at least 0 and less than 1");
  require_option(given.iterations >= 1, part, "iterations", static_cast<std::int64_t>(given.iterations),
                 "it must be at least 1");
  require_option(given.power_terms >= 0 && given.power_terms % 2 == 0, part, "power_terms",
                 static_cast<std::int64_t>(given.power_terms), "it must be an even number, or 0");
  require_option(given.memory >= 1, part, "memory", static_cast<std::int64_t>(given.memory),
                 "it must be at least 1");
  require_option(given.keep_all >= 1, part, "keep_all", static_cast<std::int64_t>(given.keep_all),
                 "it must be at least 1");
  using Kind = detail::ReducedKind;
  using Preconditioner = detail::ReducedPreconditioner;
  constexpr std::array kinds = {Kind::automatic, Kind::dense, Kind::sparse, Kind::pcg, Kind::implicit};
  constexpr std::array preconditioners = {Preconditioner::schur_jacobi, Preconditioner::block_jacobi,
                                          Preconditioner::power_series};
  return {
      .kind = kinds[detail::choose_option(part, "reduced", given.reduced,
                                          {"auto", "dense", "sparse", "pcg", "implicit-pcg"})],
      .preconditioner = preconditioners[detail::choose_option(
          part, "preconditioner", given.preconditioner, {"schur-jacobi", "block-jacobi", "power-series"})],
      .forcing = given.forcing,
      .iterations = given.iterations,
      .power_terms = given.power_terms,
      .memory_bytes = 1e6 * static_cast<double>(given.memory),
      .keep_all_limit = given.keep_all};
}

class BlockSchur final : public StepSolver {
 public:
  BlockSchur(const detail::ReducedOptions& options, double acceleration)
      : options_(options), acceleration_(acceleration) {}

  ControlKind control() const override { return ControlKind::damping; }

  std::optional<std::string> unfit(const SymmetricOperator& B) const override {
    const BlockMatrix* blocks = B.offers().blocks ? B.blocks() : nullptr;
    if (blocks == nullptr) {
      return "step 'block-schur' needs a block-sparse curvature; use step damped-cholesky or damped-cg";
    }
    schur_.analyze(blocks->structure, options_);
    const double bytes = choice().chosen().bytes;
    if (bytes <= options_.memory_bytes) {
      return std::nullopt;
    }
    std::string out;
    detail::print_to(
        out,
        "step 'block-schur' would need %.0f MB for the reduced system of %td variables, above its "
        "option memory (%.0f); use its option reduced=%s, or step damped-cg",
        1e-6 * bytes, schur_.reduced_size(), 1e-6 * options_.memory_bytes,
        choice().kind == detail::ReducedKind::implicit ? "auto" : "implicit-pcg");
    return out;
  }

  double flops() const override { return choice().chosen().flops; }

  StepStatus prepare(const Subproblem& subproblem) override {
    subproblem_.emplace(subproblem);
    factored_ = false;
    blocks_ = subproblem.B.blocks();
    if (blocks_ == nullptr || !detail::all_finite(subproblem.gradient)) {
      blocks_ = nullptr;
      return StepStatus::failed;
    }
    schur_.analyze(blocks_->structure, options_);
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
    const Subproblem& s = *subproblem_;
    if (s.interrupt != nullptr && s.interrupt->requested()) {
      return detail::no_step(StepStatus::interrupted, step);
    }
    ++factorizations_;
    const Outcome outcome = schur_.solve({.B = *blocks_,
                                          .lambda = lambda,
                                          .weights = s.metric.weights(),
                                          .b = s.gradient,
                                          .interrupt = s.interrupt},
                                         step);
    StepReport out;
    if (outcome.end != Outcome::End::solved) {
      out = detail::no_step(status(outcome.end), step, outcome.blame);
      out.inner_iterations = outcome.iterations;
      return out;
    }
    factored_ = schur_.direct();
    for (double& d : step) {
      d = -d;
    }
    out.slope = detail::dot(s.gradient, step);
    out.norm = s.metric.norm(step);
    out.predicted_decrease = outcome.decrease + 0.5 * (lambda * out.norm) * out.norm;
    out.limit = detail::damping_limit(lambda, out.norm, out.predicted_decrease);
    out.inner_iterations = outcome.iterations;
    acceleration_.apply(*this, s, out, step);
    return detail::checked(out, step);
  }

  bool resolve(ConstVectorRef rhs, VectorRef out) override {
    if (!factored_) {
      return false;
    }
    std::copy(rhs.begin(), rhs.end(), out.begin());
    schur_.resolve(*blocks_, out);
    return detail::all_finite(out);
  }

  void describe(std::string& out) const override {
    out.clear();
    if (blocks_ != nullptr) {
      out = schur_.description();
    }
  }

  Index factorizations() const override { return factorizations_; }
  bool state(State& s) override {
    s.section("block-schur", 1);
    s.item("factorizations", factorizations_);
    return true;
  }

 private:
  using Outcome = detail::SchurComplement::Outcome;

  const detail::ReducedChoice& choice() const {
    const detail::SchurComplement& schur = schur_;
    return schur.choice();
  }

  static StepStatus status(Outcome::End end) {
    switch (end) {
      case Outcome::End::indefinite:
        return StepStatus::indefinite;
      case Outcome::End::interrupted:
        return StepStatus::interrupted;
      default:
        return StepStatus::failed;
    }
  }

  detail::ReducedOptions options_;
  detail::Acceleration acceleration_;
  std::optional<Subproblem> subproblem_;
  const BlockMatrix* blocks_ = nullptr;
  // unfit() analyses the structure, and prepare needs the same analysis.
  mutable detail::SchurComplement schur_;
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
  out.info.source = "Triggs et al. 2000, sec. 6.1; Agarwal et al. 2010";
  out.info.options = describe_options<BlockSchurOptions>(fields);
  out.control = ControlKind::damping;
  out.blocks = true;
  out.make = [](const Options& given) -> std::unique_ptr<StepSolver> {
    const auto options = read_options<BlockSchurOptions>(part, given, fields);
    detail::require_acceleration(part, options.acceleration);
    return std::make_unique<BlockSchur>(reduced_options(options), options.acceleration);
  };
  return out;
}

}  // namespace kappa
