// Residuals, Jacobian and weighted Hessian of a ResidualProblem as plain dense arrays, without losses.
//
// On manifolds derivatives are those in the tangent space. For derivatives that are wanted as such, and as
// oracles; solvers use the linearization. Cost: one pass over the residual blocks, plus the size of the
// result.
#include <algorithm>
#include <atomic>
#include <cmath>

#include "core/parallel.h"
#include "core/scratch.h"
#include "problems/residual/residual_structure.h"
#include "problems/residual/tangent_spaces.h"

namespace kappa::detail {
namespace {

bool finite(const double* values, Index count) {
  return std::all_of(values, values + count, [](double v) { return std::isfinite(v); });
}

}  // namespace

EvalStatus evaluate_residual_rows(const ResidualProblem::Impl& problem, ConstVectorRef x, VectorRef out) {
  const Layout& layout = problem.layout();
  std::atomic<bool> ok = true;
  for_each_chunk(static_cast<Index>(layout.chunks.size()), layout.work, [&](Index c) {
    const BlockChunk& chunk = layout.chunks[at(c)];
    const Family& family = problem.families[at(chunk.family)];
    const Index batch = batch_size(family, family.residuals);
    for (Index done = 0; done < chunk.count; done += batch) {
      const Index first = chunk.first + done;
      const Index count = std::min(batch, chunk.count - done);
      SmallScratch<const double*, batch_numbers> pointers(count * family.slots);
      SmallScratch<double, batch_numbers> r(count * family.residuals);
      problem.point_at(
          layout, family, count, [first](Index b) { return first + b; }, x.data(), pointers.data());
      if (family.terms->values({first, count, pointers.data()}, r.data()) >= 0 ||
          !finite(r.data(), count * family.residuals)) {
        ok.store(false);
        return;
      }
      for (Index b = 0; b < count; ++b) {
        const double* rb = r.data() + b * family.residuals;
        std::copy(rb, rb + family.residuals,
                  out.begin() + layout.first_row(chunk.family, first + b, family.residuals));
      }
    }
  });
  return ok.load() ? EvalStatus::ok : EvalStatus::outside_domain;
}

EvalStatus evaluate_jacobian_rows(const ResidualProblem::Impl& problem, ConstVectorRef x, MatrixRef out) {
  const Layout& layout = problem.layout();
  TangentSpaces spaces;
  const bool curved = !layout.curved.empty();
  if (curved && spaces.refresh(layout, x) >= 0) {
    return EvalStatus::outside_domain;
  }
  std::atomic<bool> ok = true;
  for_each_chunk(static_cast<Index>(layout.chunks.size()), 8 * layout.work, [&](Index c) {
    const BlockChunk& chunk = layout.chunks[at(c)];
    const Family& family = problem.families[at(chunk.family)];
    SmallScratch<const double*, batch_numbers> pointers(family.slots);
    SmallScratch<double, batch_numbers> numbers(family.residuals * (1 + family.columns));
    double* r = numbers.data();
    double* J = r + family.residuals;
    for (Index b = chunk.first; b < chunk.first + chunk.count; ++b) {
      problem.point_at(
          layout, family, 1, [b](Index) { return b; }, x.data(), pointers.data());
      if (family.terms->jacobians({b, 1, pointers.data()}, r, J) >= 0 || !finite(r, family.residuals)) {
        ok.store(false);
        return;
      }
      if (curved) {
        spaces.project(family, family.blocks_of(b), nullptr, J, nullptr);
      }
      const Index row = layout.first_row(chunk.family, b, family.residuals);
      for (int s = 0; s < family.slots; ++s) {
        const std::int32_t parameter = family.blocks_of(b)[s];
        const Index offset = layout.tangent_offset[at(parameter)];
        for (int i = 0; offset >= 0 && i < problem.tangent_size(parameter); ++i) {
          for (int k = 0; k < family.residuals; ++k) {
            const double entry = J[k * family.columns + family.column[at(s)] + i];
            if (!std::isfinite(entry)) {
              ok.store(false);
            }
            out(row + k, offset + i) = entry;
          }
        }
      }
    }
  });
  return ok.load() ? EvalStatus::ok : EvalStatus::outside_domain;
}

EvalStatus evaluate_weighted_hessian(const ResidualProblem::Impl& problem, ConstVectorRef x,
                                     ConstVectorRef weights, MatrixRef out) {
  const Layout& layout = problem.layout();
  TangentSpaces spaces;
  const bool curved = !layout.curved.empty();
  if (curved && spaces.refresh(layout, x) >= 0) {
    return EvalStatus::outside_domain;
  }
  for (Index j = 0; j < out.cols; ++j) {
    std::fill(out.column(j), out.column(j) + out.rows, 0.0);
  }
  for (std::size_t f = 0; f < problem.families.size(); ++f) {
    const Family& family = problem.families[f];
    Scratch<const double*> pointers(family.slots);
    Scratch<double> numbers(family.residuals * (1 + family.columns) + family.triangle());
    double* r = numbers.data();
    double* J = r + family.residuals;
    double* S = J + family.residuals * family.columns;
    for (Index b = 0; b < family.count(); ++b) {
      const double* w = weights.data() + layout.first_row(static_cast<Index>(f), b, family.residuals);
      // So that a single residual's Hessian costs no more than its block's.
      if (std::all_of(w, w + family.residuals, [](double weight) { return weight == 0; })) {
        continue;
      }
      problem.point_at(
          layout, family, 1, [b](Index) { return b; }, x.data(), pointers.data());
      if (family.terms->hessians({b, 1, pointers.data()}, w, r, J, S) >= 0 || !finite(r, family.residuals)) {
        return EvalStatus::outside_domain;
      }
      const std::int32_t* parameters = family.blocks_of(b);
      if (curved) {
        spaces.project(family, parameters, w, J, S);
      }
      for (int s = 0; s < family.slots; ++s) {
        for (int t = 0; t < family.slots; ++t) {
          const Index row = layout.tangent_offset[at(parameters[s])];
          const Index col = layout.tangent_offset[at(parameters[t])];
          for (int i = 0; row >= 0 && col >= 0 && i < problem.tangent_size(parameters[s]); ++i) {
            for (int j = 0; j < problem.tangent_size(parameters[t]); ++j) {
              const Index p = family.column[at(s)] + i;
              const Index q = family.column[at(t)] + j;
              const double entry = p >= q ? S[p * (p + 1) / 2 + q] : S[q * (q + 1) / 2 + p];
              if (!std::isfinite(entry)) {
                return EvalStatus::outside_domain;
              }
              out(row + i, col + j) += entry;
            }
          }
        }
      }
    }
  }
  return EvalStatus::ok;
}

}  // namespace kappa::detail
