// KrylovModel: what the Lanczos steps share. A basis that grows until the step found in it is good enough,
// and is kept for every further control at the same point.
//
// With y the solution in the basis of k vectors, the gradient of the model at the step has the norm
// beta_k |y_k| (in the metric's dual norm), beside what the control takes up. The basis grows until
//
//     beta_k |y_k| <= eta |g|,   eta = clamp(|g|^power, floor, cap),
//
// tested at k = 1 to 8 and then at every tenth part more. A tighter control usually needs fewer vectors: it
// costs no product.
//
// Where the space of g is exhausted before a solution is certain (B is not known to be semidefinite), the
// basis goes on from a random vector until the smallest eigenvalue in it has settled: negative curvature that
// g has no part in is found too (the hard case).
#pragma once

#include <array>
#include <vector>

#include "core/option_checks.h"
#include "core/vector.h"
#include "solvers/linear/lanczos_basis.h"
#include "solvers/linear/tridiagonal_model.h"
#include "solvers/step/forcing_options.h"
#include "solvers/step/model.h"

namespace kappa::detail {

/// The options of the Lanczos steps.
struct KrylovOptions {
  double forcing_cap = 0.1;      // Gould, Lucidi, Roma & Toint 1999, sec. 6: one digit far from a solution
  double forcing_power = 0.5;    // Dembo, Eisenstat & Steihaug 1982, cor. 3.5: superlinear
  double forcing_floor = 1e-10;  // beyond what a residual in double precision can tell apart
  Index max_iterations = 0;      // 0: the size, at most most_vectors
  Index stored_vectors = 100;    // 80 MB at 100 000 variables
  static constexpr Index most_vectors = 1000;
};

std::span<const Field<KrylovOptions>> krylov_fields();

/// The checked options. Throws Error.
KrylovOptions krylov_options(std::string_view part, const Options& given);

class KrylovModel {
 public:
  explicit KrylovModel(const KrylovOptions& options)
      : forcing_(forcing("", options)), stored_(options.stored_vectors) {}

  StepStatus prepare(const Subproblem& subproblem);

  /// What a solver of the small model says: whether there is a solution at all.
  enum class Small { ok, indefinite };

  /// Grows the basis until the solution of minimise(small model, y) -> Small is good enough, and assembles
  /// the step with its report. Its limit is interior unless the basis ended too early.
  template <class Minimise>
  StepReport solve(const Minimise& minimise, VectorRef step) {
    expects(subproblem_.has_value(), "a Lanczos step: solve before prepare");
    if (!ready_) {
      return no_step(StepStatus::failed, step);
    }
    const Index before = basis_.dimension();
    for (;;) {
      if (current()) {
        y_.resize(static_cast<std::size_t>(small_.size()));
        const Small found = minimise(small_, VectorRef(y_));
        if (found == Small::indefinite) {
          StepReport out = no_step(StepStatus::indefinite, step);
          out.inner_iterations = basis_.dimension() - before;
          return out;
        }
        if (good_enough()) {
          return report(step, basis_.dimension() - before);
        }
      }
      const StepStatus status = grow();
      if (status != StepStatus::ok) {
        return no_step(status, step);
      }
    }
  }

  /// The solution in the basis of the last solve.
  ConstVectorRef small_solution() const { return y_; }

 private:
  bool current() const {
    return small_ready_ && (small_.size() == basis_.dimension() || basis_.dimension() == 0);
  }
  bool semidefinite() const { return subproblem_->B.definiteness() == Definiteness::positive_semidefinite; }
  bool good_enough();
  StepStatus grow();
  StepReport report(VectorRef step, Index iterations);

  Forcing forcing_;
  Index stored_;
  std::optional<Subproblem> subproblem_;
  LanczosBasis basis_;
  TridiagonalModel small_;
  std::vector<double> y_, product_;
  double tolerance_ = 0;
  Index limit_ = 0;
  Index next_test_ = 1;
  Index settled_ = 0;  ///< tests in a row at which the smallest eigenvalue stayed
  double last_leftmost_ = 0;
  bool beyond_ = false;  ///< the basis went on outside the space of g
  bool ended_ = false;   ///< it cannot grow any more
  bool small_ready_ = false;
  bool ready_ = false;
};

}  // namespace kappa::detail
