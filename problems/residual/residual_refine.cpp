// Inner iterations: with all other blocks fixed, the blocks of an independent set (independent_blocks.h) are
// minimised by damped Gauss-Newton steps  (A + lambda diag A) d = -g,  A = sum rho' J'J,  g = sum rho' J'r.
// A step that does not lower f_p is taken back, so f never grows.
//
// Use it where a few blocks tie many small ones together, as cameras do with points: the linear step of a
// point is poor where its depth is uncertain, and re-solving it costs little beside a factorization.
//
// The derivatives of the fixed blocks are computed too and not used. Cost: per step about two evaluations of
// residuals with Jacobian and one without, over the blocks that still move.
//
// References: Ruhe & Wedin, Algorithms for separable nonlinear least squares problems, SIAM Review 22, 1980
// (algorithm 2 re-solves the linear variables exactly); Jeong, Nister, Steedly, Szeliski & Kweon, Pushing the
// envelope of modern methods for bundle adjustment, IEEE PAMI 34, 2012, sec. 3.4 (embedded point iterations).
#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>

#include "core/parallel.h"
#include "problems/residual/independent_blocks.h"

namespace kappa {
namespace detail {
namespace {

constexpr std::size_t widest = static_cast<std::size_t>(IndependentPlan::widest);

/// One block of the set while it is re-solved.
struct Inner {
  enum class State : std::uint8_t {
    differentiate,  ///< A, g and cost are to be computed at the point
    retry,          ///< they are known, and the last step has been taken back
    done
  };
  State state;
  double damping;
  double cost;  ///< at the point the step is from
  double x[widest];
  double g[widest];
  double A[widest * (widest + 1) / 2];  ///< packed lower triangle
};

/// The first damping, relative to the diagonal of A, and its changes: small enough for fast convergence,
/// large enough for points whose depth is barely determined.
constexpr double first_damping = 1e-4;
constexpr double least_damping = 1e-12;
constexpr double fall = 0.1;
constexpr double rise = 10;
/// A block whose step is predicted to gain less than this part of its cost is done.
constexpr double worthwhile_gain = 1e-6;

/// Solves (A + damping diag A) d = -g by a packed Cholesky factor. Returns the predicted decrease
/// -(g'd + d'Ad/2), or a NaN where the matrix is not positive definite.
double damped_step(const Inner& inner, int n, double* d) {
  std::array<double, widest*(widest + 1) / 2> L;
  double largest = 0;
  for (int i = 0; i < n; ++i) {
    largest = std::max(largest, inner.A[i * (i + 1) / 2 + i]);
  }
  const auto weight = [&](int i) {
    // A variable that nothing depends on stays where it is.
    return std::max(inner.A[i * (i + 1) / 2 + i], epsilon * largest);
  };
  for (int i = 0; i < n; ++i) {
    double* Li = L.data() + i * (i + 1) / 2;
    for (int j = 0; j <= i; ++j) {
      const double* Lj = L.data() + j * (j + 1) / 2;
      double sum = inner.A[i * (i + 1) / 2 + j] + (i == j ? inner.damping * weight(i) : 0.0);
      for (int k = 0; k < j; ++k) {
        sum -= Li[k] * Lj[k];
      }
      if (i == j) {
        if (!(sum > 0)) {
          return std::nan("");
        }
        Li[i] = std::sqrt(sum);
      } else {
        Li[j] = sum / Lj[j];
      }
    }
    double sum = -inner.g[i];
    for (int k = 0; k < i; ++k) {
      sum -= Li[k] * d[k];
    }
    d[i] = sum / Li[i];
  }
  for (int i = n - 1; i >= 0; --i) {
    double sum = d[i];
    for (int k = i + 1; k < n; ++k) {
      sum -= L[at(k * (k + 1) / 2 + i)] * d[k];
    }
    d[i] = sum / L[at(i * (i + 1) / 2 + i)];
  }
  double decrease = 0;  // -g'd/2 + damping d'Wd/2, since Ad = -g - damping Wd
  for (int i = 0; i < n; ++i) {
    decrease += 0.5 * d[i] * (inner.damping * weight(i) * d[i] - inner.g[i]);
  }
  return decrease;
}

/// A += w row'row, g += w u row.
template <int Size>
void add_row(const double* row, int size, double w, double u, Inner& to) {
  const int n = Size != 0 ? Size : size;
  double* A = to.A;
  for (int i = 0; i < n; ++i) {
    const double wi = w * row[i];
    to.g[i] += u * wi;
    for (int j = 0; j <= i; ++j) {
      *A++ += wi * row[j];
    }
  }
}

/// The blocks of one chunk.
class RefinedChunk {
 public:
  RefinedChunk(const ResidualProblem::Impl& problem, const IndependentPlan& plan, Index chunk, VectorRef x)
      : blocks_(problem, plan, chunk), x_(x) {}

  /// Returns by how much the cost of all blocks fell.
  double run(Index steps) {
    for (Index i = 0; i < blocks_.size(); ++i) {
      inner_[at(i)].state = Inner::State::differentiate;
      inner_[at(i)].damping = first_damping;
    }
    double gain = 0;
    for (Index step = 0; step < steps; ++step) {
      differentiate();
      if (!move()) {
        break;
      }
      std::fill(trial_.begin(), trial_.end(), 0.0);
      blocks_.add_costs(
          x_, [&](Index i) { return inner_[at(i)].state != Inner::State::done; }, trial_.data());
      for (Index i = 0; i < blocks_.size(); ++i) {
        gain += judge(i);
      }
    }
    return gain;
  }

 private:
  VectorRef point(const IndependentPlan::Item& item) const {
    return x_.subspan(at(item.offset), at(item.size));
  }

  void differentiate() {
    for (Index i = 0; i < blocks_.size(); ++i) {
      Inner& inner = inner_[at(i)];
      if (inner.state == Inner::State::differentiate) {
        inner.cost = 0;
        std::fill(inner.g, inner.g + widest, 0.0);
        std::fill(inner.A, inner.A + widest * (widest + 1) / 2, 0.0);
        if (blocks_.item(i).manifold != nullptr) {
          blocks_.item(i).manifold->plus_jacobian(
              point(blocks_.item(i)), {tangents_[at(i)].data(), blocks_.item(i).size, blocks_.item(i).tangent,
                                       IndependentPlan::widest});
        }
      }
    }
    blocks_.evaluate(
        x_, [&](Index i) { return inner_[at(i)].state == Inner::State::differentiate; },
        Differentials{*this});
  }

  /// Moves each block that has a step worth making; false where none has.
  bool move() {
    bool any = false;
    for (Index i = 0; i < blocks_.size(); ++i) {
      Inner& inner = inner_[at(i)];
      if (inner.state != Inner::State::done) {
        inner.state = step(blocks_.item(i), inner) ? Inner::State::retry : Inner::State::done;
        any = any || inner.state != Inner::State::done;
      }
    }
    return any;
  }

  bool step(const IndependentPlan::Item& item, Inner& inner) const {
    double d[widest];
    const double predicted = damped_step(inner, item.tangent, d);
    if (!(std::isfinite(inner.cost) && std::isfinite(predicted) &&
          predicted > worthwhile_gain * inner.cost)) {
      return false;
    }
    const VectorRef x = point(item);
    std::copy(x.begin(), x.end(), inner.x);
    if (item.manifold != nullptr) {
      item.manifold->plus(x, {d, at(item.tangent)}, x);
    } else {
      for (int k = 0; k < item.size; ++k) {
        x[at(k)] += d[k];
      }
    }
    return true;
  }

  /// Keeps the step or takes it back; returns by how much it lowered the cost.
  double judge(Index i) {
    Inner& inner = inner_[at(i)];
    if (inner.state == Inner::State::done) {
      return 0;
    }
    if (trial_[at(i)] < inner.cost) {
      inner.state = Inner::State::differentiate;
      inner.damping = std::max(inner.damping * fall, least_damping);
      return inner.cost - trial_[at(i)];
    }
    const IndependentPlan::Item& item = blocks_.item(i);
    std::copy_n(inner.x, item.size, point(item).begin());
    inner.damping *= rise;
    return 0;
  }

  /// What is asked of a family, and what becomes of its answer.
  struct Differentials {
    RefinedChunk& of;
    static Index numbers(const Family& family) { return family.residuals * (1 + Index{family.columns}); }
    static Index ask(const Family& family, const BlockRange& range, double* numbers) {
      return family.terms->jacobians(range, numbers, numbers + range.count * family.residuals);
    }
    void take(const IndependentPlan::Run& run, const Family& family, Index local, Index block, Index count,
              const double* numbers, Index owner) const {
      const Index R = family.residuals;
      const double* r = numbers + block * R;
      const double* J = numbers + (count + block * family.columns) * R + family.column[at(run.slot)];
      const LossValue rho = of.blocks_.loss(family, local, r);
      of.inner_[at(owner)].cost += 0.5 * rho.rho;
      for (Index k = 0; k < R; ++k) {
        of.add(owner, J + k * family.columns, rho.first, r[k]);
      }
    }
    void refuse(Index owner) const { of.inner_[at(owner)].cost = infinity; }
  };

  void add(Index owner, const double* row, double w, double u) {
    const IndependentPlan::Item& item = blocks_.item(owner);
    Inner& to = inner_[at(owner)];
    if (item.manifold != nullptr) {
      std::array<double, widest> projected;
      for (int j = 0; j < item.tangent; ++j) {
        const double* column = tangents_[at(owner)].data() + j * IndependentPlan::widest;
        projected[at(j)] = std::inner_product(row, row + item.size, column, 0.0);
      }
      add_row<0>(projected.data(), item.tangent, w, u, to);
    } else if (item.size == 3) {
      add_row<3>(row, 3, w, u, to);
    } else {
      add_row<0>(row, item.size, w, u, to);
    }
  }

  IndependentChunk blocks_;
  VectorRef x_;
  std::array<Inner, at(IndependentPlan::chunk_items)> inner_;
  std::array<double, at(IndependentPlan::chunk_items)> trial_;  ///< f_p at the end of each step
  /// The Jacobians of plus of blocks on manifolds, column-major with stride `widest`.
  std::array<std::array<double, widest * widest>, at(IndependentPlan::chunk_items)> tangents_;
};

}  // namespace
}  // namespace detail

std::optional<double> ResidualProblem::refine(VectorRef x, Index steps, const Interrupt* interrupt) const {
  expects(static_cast<Index>(x.size()) == dimension(), "ResidualProblem::refine: x is not dimension() long");
  const std::shared_ptr<const detail::IndependentPlan> plan = impl_->independent();
  if (plan->chunks() == 0) {
    return std::nullopt;
  }
  detail::Scratch<double> gain(plan->chunks());
  double* const gains = gain.data();
  detail::for_each_chunk(plan->chunks(), 4 * plan->work * static_cast<double>(steps), [&](Index c) {
    const bool stop = interrupt != nullptr && interrupt->requested();
    gains[c] = stop ? 0.0 : detail::RefinedChunk(*impl_, *plan, c, x).run(steps);
  });
  return std::accumulate(gains, gains + plan->chunks(), 0.0);
}

}  // namespace kappa
