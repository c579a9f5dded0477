// Evaluation of residual blocks with derivatives, and what needs no matrix: gradient, products, diagonal.
#include "problems/residual/residual_linearization.h"

#include <tbb/parallel_invoke.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/scratch.h"
#include "core/vector.h"
#include "core/wide_vectors.h"
#include "problems/residual/assembly_kernels.h"
#include "problems/residual/residual_kernels.h"

namespace kappa::detail {
namespace {

/// Below this many Jacobian entries sums go block after block on one thread, which needs no plan.
constexpr double scatter_entries = 30e3;

BlockWeight weigh(const LossValue& loss, double s, double scale) {
  BlockWeight w;
  w.outer = scale * loss.first;
  w.exact = 2 * scale * loss.second;
  if (s > 0 && loss.first > 0) {
    // Where rho'' < 0 the true radial factor is below 1, for Huber's outliers 0: a Gauss-Newton step sees
    // next to no curvature there and overshoots. With 1 the model is an upper bound of the loss, which
    // reweights.
    const double q = std::max(1.0, 1 + 2 * s * loss.second / loss.first);
    w.gauss_newton = w.outer * (q - 1) / s;
    w.keep = std::sqrt(q);
    w.shrink = (1 - w.keep) / s;
  }
  return w;
}

}  // namespace

bool ResidualLinearization::holds(const ResidualProblem::Impl& problem, const Request& request,
                                  ConstVectorRef x, Order order) const {
  return filled_ && (order_ == Order::second || order == Order::first) && problem_ == &problem &&
         layout_->revision == problem.layout().revision && values_revision_ == problem.values_revision &&
         std::equal(x.begin(), x.end(), x_.begin(), x_.end()) &&
         std::equal(terms_.begin(), terms_.end(), request.sample.terms.begin(), request.sample.terms.end());
}

void ResidualLinearization::take_sample(std::span<const Index> terms) {
  sampled_.clear();
  for (const Index block : terms) {
    sampled_.push_back({block, rows_});
    rows_ += problem_->families[at(problem_->blocks[at(block)].family)].residuals;
  }
  // In ascending order neighbours can be evaluated in one call.
  std::sort(sampled_.begin(), sampled_.end(),
            [](const Sampled& a, const Sampled& b) { return a.block < b.block; });
  for (const Sampled& sampled : sampled_) {
    const Address address = problem_->blocks[at(sampled.block)];
    Part& part = parts_[at(layout_->shape(address))];
    part.local.push_back(address.local);
    part.row.push_back(sampled.row);
  }
}

void ResidualLinearization::prepare(const ResidualProblem::Impl& problem, std::span<const Index> terms) {
  const bool same = problem_ == &problem && layout_ != nullptr &&
                    layout_->revision == problem.layout().revision &&
                    std::equal(terms_.begin(), terms_.end(), terms.begin(), terms.end());
  if (same) {
    return;
  }
  problem_ = &problem;
  if (layout_ == nullptr || layout_->revision != problem.layout().revision) {
    layout_ = problem.shared_layout();
  }
  terms_.assign(terms.begin(), terms.end());
  parts_.resize(layout_->shapes.size());
  rows_ = 0;
  for (std::size_t p = 0; p < parts_.size(); ++p) {
    Part& part = parts_[p];
    part.number = static_cast<std::int32_t>(p);
    part.shape = &layout_->shapes[p];
    part.family = &problem.families[at(part.shape->family)];
    part.sizes = part.shape->sizes.empty() ? part.family->sizes : part.shape->sizes.data();
    part.local.clear();
    if (terms.empty()) {
      part.local.assign(part.shape->local.begin(), part.shape->local.end());
    }
    part.row.clear();
    part.robust = !part.family->loss.empty();
  }
  if (!terms.empty()) {
    take_sample(terms);
  } else {
    rows_ = layout_->residuals;
  }

  chunks_.clear();
  entries_ = 0;
  Index base = 0;
  slots_ = 0;
  pairs_ = 0;
  for (Part& part : parts_) {
    const Family& family = *part.family;
    part.count = terms.empty() && part.local.empty() ? family.count() : static_cast<Index>(part.local.size());
    part.base = base;
    part.first_slot = slots_;
    part.first_pair = pairs_;
    base += part.count * family.residuals;
    slots_ += part.count * family.slots;
    pairs_ += part.count * pairs_of(family.slots);
    part.r.resize(at(part.count * family.residuals));
    part.weight.resize(part.robust ? at(part.count) : 0);
    append_chunks(part.number, family, part.count, chunks_);
    entries_ += static_cast<double>(part.count * family.residuals * family.columns);
  }
  partial_.resize(chunks_.size());
  work_.resize(at(rows_));
  gradient_.resize(at(layout_->tangent_dimension));
  scattered_ = chunks_.size() > 1 && entries_ >= scatter_entries;
  plain_dense_ = terms.empty() && !scattered_ && parts_.size() == 1 && !parts_[0].robust &&
                 !parts_[0].shape->curved && parts_[0].count > 0 && parts_[0].family->slots == 1 &&
                 layout_->variable_offset.size() == 2 && offset_of(parts_[0], 0, 0) == 0;
  dense_diagonal_.resize(plain_dense_ ? gradient_.size() : 0);
  scale_ =
      terms.empty() ? 1.0 : static_cast<double>(problem.blocks.size()) / static_cast<double>(terms.size());
  variables_planned_ = false;
  matrix_planned_ = false;
  matrix_shaped_ = {};
  matrix_asked_ = {};
  root_shaped_ = false;
}

namespace {

/// Adds J_slot' u, where u holds one number for each residual, part after part.
auto transposed_with(const double* u) {
  return [u](const Part& part, Index b, int slot, double* to) {
    const Family& family = *part.family;
    add_transposed(part.jacobian(b) + family.column[at(slot)], family.columns, family.residuals,
                   part.sizes[slot], u + part.base + b * family.residuals, to);
  };
}

/// The same with Jacobians that are not kept.
auto transposed_with(const double* u, const Derivatives& of) {
  return [u, of](const Part& part, Index b, int slot, double* to) {
    const Family& family = *part.family;
    add_transposed(of.jacobian(b) + family.column[at(slot)], family.columns, family.residuals,
                   part.sizes[slot], u + part.base + b * family.residuals, to);
  };
}

}  // namespace

template <class Evaluate>
bool ResidualLinearization::for_each_run(const Part& part, Index first, Index count,
                                         const Evaluate& evaluate) const {
  for (Index done = 0; done < count;) {
    const Index local = part.local_of(first + done);
    Index run = part.local.empty() ? count : 1;
    while (done + run < count && part.local[at(first + done + run)] == local + run) {
      ++run;
    }
    if (!evaluate(local, done, run)) {
      return false;
    }
    done += run;
  }
  return true;
}

ResidualLinearization::ChunkSum ResidualLinearization::evaluate_chunk(const BlockChunk& chunk,
                                                                      const std::array<bool, 2>& assembled,
                                                                      Interim& interim) {
  Part& part = parts_[at(chunk.family)];
  ChunkSum sum;
  bool whole = true;
  for_each_batch(part, chunk, [&](Index first, Index count) {
    whole = whole && evaluate_batch(part, first, count, assembled, interim, sum);
  });
  return sum;
}

bool ResidualLinearization::evaluate_batch(Part& part, Index first, Index count,
                                           const std::array<bool, 2>& assembled, Interim& interim,
                                           ChunkSum& sum) {
  const Family& family = *part.family;
  const Index R = family.residuals;
  SmallScratch<const double*, batch_numbers> pointers(count * family.slots);
  problem_->point_at(
      *layout_, family, plain_dense_ ? 1 : count, [&](Index b) { return part.local_of(first + b); },
      x_.data(), pointers.data());
  SmallScratch<double, batch_entries> rows(rows_current_ || by_columns() ? 0 : count * part.entries());
  double* const J = rows_current_ ? part.J.data() + first * part.entries() : rows.data();
  Index evaluated = count;
  const bool complete = for_each_run(part, first, count, [&](Index local, Index done, Index run) {
    const BlockRange range{
        local, run, pointers.data() + done * family.slots,
        plain_dense_ ? BlockRange::Parameters::shared : BlockRange::Parameters::of_each_block};
    double* r = part.r.data() + (first + done) * R;
    const Index refused =
        by_columns() ? family.terms->jacobian_columns(range, r, root_matrix_.data() + first + done, rows_)
        : order_ == Order::second ? family.terms->hessians(range, nullptr, r, J + done * part.entries(),
                                                           part.S.data() + (first + done) * family.triangle())
                                  : family.terms->jacobians(range, r, J + done * part.entries());
    if (refused >= 0) {
      evaluated = done + refused - local;
    }
    return refused < 0;
  });

  double batch_sum = 0;
  if (plain_dense_) {
    const double* r = part.residual(first);
    for (Index k = 0; k < evaluated * R; ++k) {
      batch_sum += r[k] * r[k];
    }
  }
  for (Index b = first; !plain_dense_ && b < first + evaluated; ++b) {
    const double* r = part.residual(b);
    double s = 0;
    for (Index k = 0; k < R; ++k) {
      s += r[k] * r[k];
    }
    double outer = scale_;
    if (part.robust) {
      const LossValue loss = problem_->losses[family.loss[at(part.local_of(b))]].evaluate(s);
      const BlockWeight& w = part.weight[at(b)] = weigh(loss, s, scale_);
      outer = w.outer;
      // Zero unless a derivative of the loss is not finite, which must not go unnoticed.
      batch_sum += loss.rho + 0.0 * (loss.first + loss.second);
    } else {
      batch_sum += s;
    }
    double* u = work_.data() + part.base + b * R;
    for (Index k = 0; k < R; ++k) {
      u[k] = outer * r[k];
    }
  }
  const Derivatives of = part.derivatives(J, first);
  if (!plain_dense_) {
    sum.rounding += rounding(part, of, evaluated);
  }
  sum.value += batch_sum;
  if (!std::isfinite(batch_sum)) {
    for (Index b = first; b < first + evaluated; ++b) {
      const Fault fault = problem_->value_fault(family, part.local_of(b), part.residual(b));
      if (fault.any()) {
        interim.faults.add(fault);
        return false;
      }
    }
  }
  if (!complete) {
    Fault fault;
    fault.kind = Fault::Kind::refused;
    fault.block = family.global[at(part.local_of(first + evaluated))];
    interim.faults.add(fault);
    return false;
  }
  if (part.shape->curved) {
    project(part, first, count, J,
            order_ == Order::second ? part.S.data() + first * family.triangle() : nullptr);
  }
  if (order_ == Order::second) {
    const double* S = part.second(first);
    double zero = 0;
    for (Index i = 0; i < count * family.triangle(); ++i) {
      zero += 0.0 * S[i];
    }
    if (!(zero == 0)) {
      interim.suspect.store(true, std::memory_order_relaxed);
    }
  }
  if (scattered_) {
    scatter_gradient(part, of, count);
    for (const Model model : {Model::exact, Model::gauss_newton}) {
      if (assembled[slot_of(model)]) {
        scatter_matrix(model, part, of, count);
      }
    }
  }
  return true;
}

bool ResidualLinearization::evaluate_rows(const Part& part, Index first, Index count, double* r,
                                          double* J) const {
  const Family& family = *part.family;
  SmallScratch<const double*, batch_numbers> pointers(count * family.slots);
  problem_->point_at(
      *layout_, family, count, [&](Index b) { return part.local_of(first + b); }, x_.data(), pointers.data());
  return for_each_run(part, first, count, [&](Index local, Index done, Index run) {
    return family.terms->jacobians({local, run, pointers.data() + done * family.slots},
                                   r + done * family.residuals, J + done * part.entries()) < 0;
  });
}

void ResidualLinearization::project(const Part& part, Index first, Index count, double* J, double* S) const {
  const Family& family = *part.family;
  for (Index b = 0; b < count; ++b) {
    spaces_.project(family, part.blocks_of(first + b), part.residual(first + b), J + b * part.entries(),
                    S != nullptr ? S + b * family.triangle() : nullptr);
  }
}

Fault ResidualLinearization::derivative_fault(Index below) const {
  need_rows();
  Fault first;
  first.block = below;
  for (const Part& part : parts_) {
    const Family& family = *part.family;
    const Index N = family.columns;
    std::vector<char> variable(at(N));
    for (Index b = 0; b < part.count; ++b) {
      const Index block = family.global[at(part.local_of(b))];
      if (block >= first.block) {
        break;
      }
      std::fill(variable.begin(), variable.end(), 0);
      for (int s = 0; s < family.slots; ++s) {
        std::fill_n(variable.begin() + family.column[at(s)], part.sizes[s],
                    offset_of(part, b, s) >= 0 ? 1 : 0);
      }
      Fault fault;
      fault.block = block;
      const double* J = part.jacobian(b);
      for (Index e = 0; e < family.residuals * N && !fault.any(); ++e) {
        if (variable[at(e % N)] != 0 && !std::isfinite(J[e])) {
          fault.kind = Fault::Kind::first_derivative;
          fault.residual = e / N;
          // Beside an infinite entry jets have 0 * inf, which is not a number: blame the infinite one.
          const double* row = J + fault.residual * N;
          fault.column = e % N;
          for (Index i = 0; i < N; ++i) {
            if (variable[at(i)] != 0 && std::isinf(row[i])) {
              fault.column = i;
              break;
            }
          }
        }
      }
      for (Index i = 0; order_ == Order::second && i < N && !fault.any(); ++i) {
        for (Index j = 0; j <= i && !fault.any(); ++j) {
          if (variable[at(i)] != 0 && variable[at(j)] != 0 && !std::isfinite(packed(part.second(b), i, j))) {
            fault.kind = Fault::Kind::second_derivative;
            fault.column = i;
            fault.other_column = j;
          }
        }
      }
      if (fault.any()) {
        first = fault;
        break;
      }
    }
  }
  return first;
}

/// sum_k |u_k| sum_j |J_kj x_j| over a batch's blocks, of ambient J and x: the residuals are differences of
/// numbers of the size of x's entries, not of the step's.
double ResidualLinearization::rounding(const Part& part, const Derivatives& of, Index count) const {
  const Family& family = *part.family;
  const Index R = family.residuals;
  const Index N = family.columns;
  SmallScratch<double, batch_numbers> sizes(N * count);
  for (Index b = 0; b < count; ++b) {
    const std::int32_t* blocks = part.blocks_of(of.first + b);
    double* to = sizes.data() + b * N;
    for (int s = 0; s < family.slots; ++s) {
      const Index offset = layout_->offset[at(blocks[s])];
      for (Index i = 0; i < family.sizes[s]; ++i) {
        *to++ = offset >= 0 ? std::fabs(x_[at(offset + i)]) : 0.0;
      }
    }
  }
  return absolute_sum({.blocks = count,
                       .residuals = R,
                       .columns = N,
                       .u = work_.data() + part.base + of.first * R,
                       .J = of.J,
                       .x = sizes.data()});
}

EvalStatus ResidualLinearization::evaluate(const ResidualProblem::Impl& problem, const Request& request,
                                           ConstVectorRef x, Order order, std::string& fault) {
  if (holds(problem, request, x, order)) {
    return EvalStatus::ok;
  }
  prepare(problem, request.sample.terms);
  filled_ = false;
  order_ = order;
  values_revision_ = problem.values_revision;
  x_.assign(x.begin(), x.end());
  matrix_filled_ = {};
  root_filled_ = false;
  // What was asked for at the last point will be asked for here.
  std::array<bool, 2> assembled = matrix_asked_;
  if (request.blocks && scattered_) {
    for (const Model model : {Model::exact, Model::gauss_newton}) {
      assembled[slot_of(model)] |= request.models.contains(model);
    }
  }
  assembled[slot_of(Model::exact)] &= order == Order::second;
  matrix_asked_ = {};
  const bool asked_for_blocks = assembled[0] || assembled[1];
  rows_current_ = !by_columns() && !(scattered_ && order == Order::first && !rows_asked_ &&
                                     (asked_for_blocks || !includes(request.want, Want::linearization)));
  rows_asked_ = false;
  if (plain_dense_) {
    shape_root();
  }
  for (Part& part : parts_) {
    if (by_columns()) {  // for need_rows() later
      part.J.reserve(at(part.count * part.entries()));
    }
    if (rows_current_) {
      part.J.resize(at(part.count * part.entries()));
    }
    if (order == Order::second) {
      part.S.resize(at(part.count * part.family->triangle()));
    }
  }

  if (!layout_->curved.empty()) {
    const Index astray = spaces_.refresh(*layout_, x_);
    if (astray >= 0) {
      fault = problem.off_manifold(astray, x.data() + layout_->offset[at(astray)]);
      return EvalStatus::outside_domain;
    }
  }
  Interim interim;
  const double work = order == Order::second ? 40 * entries_ : 10 * entries_;
  if (scattered_) {
    plan(assembled);
  }
  for_each_chunk(tasks(), work, [&](Index task) {
    for (const BlockChunk& chunk : chunks_of(task)) {
      if (request.interrupt != nullptr && request.interrupt->requested()) {
        interim.interrupted.store(true, std::memory_order_relaxed);
      }
      const Part& part = parts_[at(chunk.family)];
      const Index first_block = part.family->global[at(part.local_of(chunk.first))];
      if (interim.interrupted.load(std::memory_order_relaxed) || first_block >= interim.faults.block()) {
        return;
      }
      partial_[at(&chunk - chunks_.data())] = evaluate_chunk(chunk, assembled, interim);
    }
  });
  if (interim.interrupted.load()) {
    return EvalStatus::interrupted;
  }
  Fault first = interim.faults.first();
  ChunkSum dense;
  if (!first.any() && plain_dense_) {
    compute_dense(dense);
  } else if (!first.any() && !scattered_) {
    sum_by_variable(gradient_, transposed_with(work_.data()));
  } else if (!first.any()) {
    variable_sums_.finish(gradient_.data(), layout_->variable_offset);
    for (const Model model : {Model::exact, Model::gauss_newton}) {
      if (assembled[slot_of(model)]) {
        finish_matrix(model);
      }
    }
  }
  // A derivative that is not finite leaves its trace in the gradient, whatever it is multiplied by.
  if (first.any() || interim.suspect.load() || !all_finite(gradient_)) {
    const Fault derivative = derivative_fault(first.block);
    first = derivative.any() ? derivative : first;
  }
  if (first.any()) {
    fault = problem.describe(first);
    return EvalStatus::outside_domain;
  }
  ChunkSum sum = dense;
  for (const ChunkSum& partial : partial_) {
    sum.value += partial.value;
    sum.rounding += partial.rounding;
  }
  value_ = 0.5 * scale_ * sum.value;
  value_rounding_ = epsilon * sum.rounding;
  if (!std::isfinite(value_) || !all_finite(gradient_)) {
    fault = "the sum over the residual blocks, or its gradient, overflows";
    return EvalStatus::outside_domain;
  }
  filled_ = true;
  return EvalStatus::ok;
}

template <class Add>
void ResidualLinearization::scatter(const Part& part, Index first, Index count, double* out,
                                    const Add& add) const {
  const int slots = part.family->slots;
  for (int s = 0; s < slots; ++s) {
    scatter_slot(part, s, first, count, out, add);
  }
}

template <class Add>
void ResidualLinearization::scatter_slot(const Part& part, int slot, Index first, Index count, double* out,
                                         const Add& add) const {
  const int slots = part.family->slots;
  const Index* start = layout_->variable_offset.data();
  for (Index b = first; b < first + count; ++b) {
    const ScatteredSums::Place place = variable_sums_.place(part.first_slot + b * slots + slot, out, start);
    if (place.to != nullptr) {
      if (place.first) {
        std::fill_n(place.to, part.sizes[slot], 0.0);
      }
      add(part, b, slot, place.to);
    }
  }
}

void ResidualLinearization::scatter_gradient(const Part& part, const Derivatives& of, Index count) {
  const Family& family = *part.family;
  const int slots = family.slots;
  const double weighted = 1;  // the residuals are
  for (int s = 0; s < slots; ++s) {
    if (const OuterKernel add = transposed_kernel(family.residuals, part.sizes[s])) {
      add({.count = count,
           .A = {of.J + family.column[at(s)], family.columns, of.entries},
           .B = {work_.data() + part.base + of.first * family.residuals, 1, family.residuals},
           .outer = &weighted,
           .outer_step = 0,
           .sums = variable_sums_,
           .contribution = part.first_slot + of.first * slots + s,
           .contribution_step = slots,
           .values = gradient_.data(),
           .start = layout_->variable_offset.data()});
    } else {
      scatter_slot(part, s, of.first, count, gradient_.data(), transposed_with(work_.data(), of));
    }
  }
}

template <class Add>
void ResidualLinearization::sum_by_variable(VectorRef out, const Add& add) const {
  if (!scattered_) {
    std::fill(out.begin(), out.end(), 0.0);
    for (const Part& part : parts_) {
      for (Index b = 0; b < part.count; ++b) {
        for (int s = 0; s < part.family->slots; ++s) {
          const Index offset = offset_of(part, b, s);
          if (offset >= 0) {
            add(part, b, s, out.data() + offset);
          }
        }
      }
    }
    return;
  }
  plan_variables();
  for_each_chunk(tasks(), entries_, [&](Index task) {
    for (const BlockChunk& chunk : chunks_of(task)) {
      const Part& part = parts_[at(chunk.family)];
      for_each_batch(part, chunk,
                     [&](Index first, Index count) { scatter(part, first, count, out.data(), add); });
    }
  });
  variable_sums_.finish(out.data(), layout_->variable_offset);
}

void ResidualLinearization::plan(const std::array<bool, 2>& assembled) const {
  const auto matrices = [&] {
    for (const Model model : {Model::exact, Model::gauss_newton}) {
      if (assembled[slot_of(model)]) {
        shape_matrix(model);
      }
    }
  };
  if (!variables_planned_ && !matrix_planned_) {
    tbb::parallel_invoke(matrices, [&] { plan_variables(); });
  } else {
    plan_variables();
    matrices();
  }
}

void ResidualLinearization::plan_variables() const {
  if (variables_planned_) {
    return;
  }
  BulkVector<std::uint32_t>& destination = variable_sums_.destination;
  destination.resize(at(slots_));
  for (const Part& part : parts_) {
    const int slots = part.family->slots;
    Index i = part.first_slot;
    for (Index b = 0; b < part.count; ++b) {
      for (int s = 0; s < slots; ++s, ++i) {
        const std::int32_t variable = layout_->variable[at(part.blocks_of(b)[s])];
        destination[at(i)] = variable < 0 ? ScatteredSums::nowhere : static_cast<std::uint32_t>(variable);
      }
    }
  }
  variable_sums_.plan(
      tasks(), static_cast<Index>(layout_->parameter.size()),
      [&](Index v) { return layout_->variable_offset[at(v) + 1] - layout_->variable_offset[at(v)]; },
      [&](Index task, const auto& visit) {
        for (const BlockChunk& chunk : chunks_of(task)) {
          const Part& part = parts_[at(chunk.family)];
          const int slots = part.family->slots;
          for_each_batch(part, chunk, [&](Index first, Index count) {
            const Index begin = part.first_slot + first * slots;
            for (int s = 0; s < slots; ++s) {  // as scatter does
              visit(begin + s, begin + count * slots, slots);
            }
          });
        }
      });
  variables_planned_ = true;
}

namespace {

/// A = J by columns; J is m x n by rows.
KAPPA_WIDE_VECTORS void by_columns(Index m, Index n, const double* J, double* A) {
  for (Index j = 0; j < n; ++j) {
    double* column = A + j * m;
    const double* entry = J + j;
    for (Index k = 0; k < m; ++k, entry += n) {
      column[k] = *entry;
    }
  }
}

/// g = A'r, d = the diagonal of A'A; returns sum_k |r_k| sum_j |A_kj x_j|. A is m x n by columns, t is
/// scratch of m.
KAPPA_WIDE_VECTORS double dense_sums(Index m, Index n, const double* A, const double* r, const double* x,
                                     double* g, double* d, double* t) {
  for (Index k = 0; k < m; ++k) {
    t[k] = 0;
  }
  for (Index j = 0; j < n; ++j) {
    const double* column = A + j * m;
    g[j] = dot(column, r, m);
    d[j] = dot(column, column, m);
    const double size = std::fabs(x[j]);
    for (Index k = 0; k < m; ++k) {
      t[k] += std::fabs(column[k]) * size;
    }
  }
  for (Index k = 0; k < m; ++k) {
    t[k] *= std::fabs(r[k]);
  }
  double sum = 0;
  for (Index k = 0; k < m; ++k) {
    sum += t[k];
  }
  return sum;
}

}  // namespace

void ResidualLinearization::compute_dense(ChunkSum& sum) {
  const Part& part = parts_[0];
  const Index n = size();
  shape_root();
  if (!by_columns()) {
    detail::by_columns(rows_, n, part.J.data(), root_matrix_.data());
  }
  sum.rounding = dense_sums(rows_, n, root_matrix_.data(), part.r.data(), x_.data(), gradient_.data(),
                            dense_diagonal_.data(), work_.data());
  std::copy(part.r.begin(), part.r.end(), root_right_side_.begin());
  root_.A = {root_matrix_.data(), rows_, n, rows_};
  root_.c = root_right_side_;
  root_filled_ = true;
}

void ResidualLinearization::need_rows() const {
  rows_asked_ = true;
  if (rows_current_) {
    return;
  }
  for (Part& part : parts_) {
    part.J.resize(at(part.count * part.entries()));
  }
  rows_current_ = true;
  if (by_columns()) {
    const Index n = size();
    BulkVector<double>& J = parts_[0].J;
    for (Index j = 0; j < n; ++j) {
      for (Index k = 0; k < rows_; ++k) {
        J[at(k * n + j)] = root_matrix_[at(j * rows_ + k)];
      }
    }
    return;
  }
  for_each_chunk(static_cast<Index>(chunks_.size()), 10 * entries_, [&](Index c) {
    const BlockChunk& chunk = chunks_[at(c)];
    Part& part = parts_[at(chunk.family)];
    for_each_batch(part, chunk, [&](Index first, Index count) {
      SmallScratch<double, batch_numbers> r(count * part.family->residuals);
      double* J = part.J.data() + first * part.entries();
      evaluate_rows(part, first, count, r.data(), J);  // refuses only what was refused before
      if (part.shape->curved) {
        project(part, first, count, J, nullptr);
      }
    });
  });
}

void ResidualLinearization::block_product(const Part& part, Index b, ConstVectorRef v, double* t) const {
  const Family& family = *part.family;
  const double* J = part.jacobian(b);
  std::fill(t, t + family.residuals, 0.0);
  for (int s = 0; s < family.slots; ++s) {
    const Index offset = offset_of(part, b, s);
    if (offset < 0) {
      continue;
    }
    const double* vs = v.data() + offset;
    for (int k = 0; k < family.residuals; ++k) {
      const double* row = J + k * family.columns + family.column[at(s)];
      double sum = 0;
      for (int i = 0; i < part.sizes[s]; ++i) {
        sum += row[i] * vs[i];
      }
      t[k] += sum;
    }
  }
}

namespace {

/// t = (outer I + radial r r') t
void apply_square(const BlockWeight& w, double radial, const double* r, int residuals, double* t) {
  double along = 0;
  for (int k = 0; k < residuals; ++k) {
    along += r[k] * t[k];
  }
  for (int k = 0; k < residuals; ++k) {
    t[k] = w.outer * t[k] + radial * along * r[k];
  }
}

/// t = sqrt(outer) (I - shrink r r') t
void apply_root(const BlockWeight& w, const double* r, int residuals, double* t) {
  double along = 0;
  for (int k = 0; k < residuals; ++k) {
    along += r[k] * t[k];
  }
  const double root = std::sqrt(w.outer);
  for (int k = 0; k < residuals; ++k) {
    t[k] = root * (t[k] - w.shrink * along * r[k]);
  }
}

}  // namespace

void ResidualLinearization::product(Model model, ConstVectorRef v, VectorRef out) const {
  check(model);
  need_rows();
  expects(static_cast<Index>(v.size()) == size() && v.size() == out.size(),
          "ResidualLinearization::product: the vectors are not size() long");
  for_each_block(1.0, [&](const Part& part, Index b) {
    double* t = work_.data() + part.base + b * part.family->residuals;
    block_product(part, b, v, t);
    const BlockWeight w = weight_of(part, b);
    apply_square(w, w.radial(model), part.residual(b), part.family->residuals, t);
  });
  const auto first_order = transposed_with(work_.data());
  if (model == Model::gauss_newton) {
    sum_by_variable(out, first_order);
    return;
  }
  sum_by_variable(out, [&](const Part& part, Index b, int slot, double* to) {
    first_order(part, b, slot, to);
    const Family& family = *part.family;
    const double* S = part.second(b);
    const double outer = weight_of(part, b).outer;
    for (int s = 0; s < family.slots; ++s) {
      const Index offset = offset_of(part, b, s);
      for (int i = 0; offset >= 0 && i < part.sizes[slot]; ++i) {
        double sum = 0;
        for (int j = 0; j < part.sizes[s]; ++j) {
          sum += packed(S, family.column[at(slot)] + i, family.column[at(s)] + j) * v[at(offset + j)];
        }
        to[i] += outer * sum;
      }
    }
  });
}

bool ResidualLinearization::diagonal(Model model, VectorRef out) const {
  check(model);
  expects(static_cast<Index>(out.size()) == size(),
          "ResidualLinearization::diagonal: out is not size() long");
  if (plain_dense_ && model == Model::gauss_newton) {
    std::copy(dense_diagonal_.begin(), dense_diagonal_.end(), out.begin());
    return true;
  }
  if (matrix_filled_[slot_of(model)]) {
    matrix_[slot_of(model)].diagonal(out);
    return true;
  }
  need_rows();
  sum_by_variable(out, [&](const Part& part, Index b, int slot, double* to) {
    const Family& family = *part.family;
    const BlockWeight w = weight_of(part, b);
    const double radial = w.radial(model);
    const double* r = part.residual(b);
    const Index first = family.column[at(slot)];
    for (Index i = 0; i < part.sizes[slot]; ++i) {
      double squares = 0;
      double along = 0;
      for (Index k = 0; k < family.residuals; ++k) {
        const double entry = part.jacobian(b)[k * family.columns + first + i];
        squares += entry * entry;
        along += r[k] * entry;
      }
      to[i] += w.outer * squares + radial * (along * along);
      if (model == Model::exact) {
        to[i] += w.outer * packed(part.second(b), first + i, first + i);
      }
    }
  });
  return true;
}

bool ResidualLinearization::jacobian_product(ConstVectorRef v, VectorRef out) const {
  need_rows();
  expects(static_cast<Index>(v.size()) == size() && static_cast<Index>(out.size()) == rows_,
          "ResidualLinearization::jacobian_product: v is not size() long, or out not residuals()");
  for_each_block(1.0, [&](const Part& part, Index b) {
    double* t = out.data() + row_of(part, b);
    block_product(part, b, v, t);
    apply_root(weight_of(part, b), part.residual(b), part.family->residuals, t);
  });
  return true;
}

bool ResidualLinearization::jacobian_transpose_product(ConstVectorRef w, VectorRef out) const {
  need_rows();
  expects(static_cast<Index>(out.size()) == size() && static_cast<Index>(w.size()) == rows_,
          "ResidualLinearization::jacobian_transpose_product: out is not size() long, or w not residuals()");
  for_each_block(0.1, [&](const Part& part, Index b) {
    const int R = part.family->residuals;
    double* t = work_.data() + part.base + b * R;
    std::copy_n(w.data() + row_of(part, b), R, t);
    apply_root(weight_of(part, b), part.residual(b), R, t);
  });
  sum_by_variable(out, transposed_with(work_.data()));
  return true;
}

bool ResidualLinearization::cross_gradient(const Linearization& other, VectorRef out) const {
  const auto* at_other = dynamic_cast<const ResidualLinearization*>(&other);
  if (at_other == nullptr || at_other->layout_ != layout_ || at_other->terms_ != terms_) {
    return false;
  }
  need_rows();
  expects(static_cast<Index>(out.size()) == size(),
          "ResidualLinearization::cross_gradient: out is not size() long");
  for_each_block(0.1, [&](const Part& part, Index b) {
    const Part& there = at_other->parts_[at(part.number)];
    const double outer = at_other->weight_of(there, b).outer;
    const int R = part.family->residuals;
    double* t = work_.data() + part.base + b * R;
    std::transform(there.residual(b), there.residual(b) + R, t, [&](double r) { return outer * r; });
  });
  sum_by_variable(out, transposed_with(work_.data()));
  return true;
}

/// t += J bend with the ambient Jacobian, which is evaluated anew: only its projection is kept.
void ResidualLinearization::add_bend(const Part& part, Index first, Index count, const double* bend,
                                     double* t) const {
  const Family& family = *part.family;
  const Index R = family.residuals;
  const Index N = family.columns;
  SmallScratch<double, batch_numbers> r(count * R);
  SmallScratch<double, batch_numbers> J(count * R * N);
  evaluate_rows(part, first, count, r.data(), J.data());
  for (Index b = 0; b < count; ++b) {
    for (Index k = 0; k < R; ++k) {
      for (Index i = 0; i < N; ++i) {
        t[b * R + k] += J[(b * R + k) * N + i] * bend[b * N + i];
      }
    }
  }
}

bool ResidualLinearization::second_directional(ConstVectorRef v, VectorRef out) const {
  need_rows();
  expects(static_cast<Index>(v.size()) == size() && v.size() == out.size(),
          "ResidualLinearization::second_directional: the vectors are not size() long");
  const bool curved = !layout_->curved.empty();
  if (curved) {
    direction_.resize(x_.size());
    bend_.resize(x_.size());
    spaces_.curve(v, direction_, bend_);
  }
  const ConstVectorRef along = curved ? ConstVectorRef(direction_) : v;
  std::atomic<bool> ok = true;
  for_each_chunk(static_cast<Index>(chunks_.size()), 4 * entries_, [&](Index c) {
    const BlockChunk& chunk = chunks_[at(c)];
    const Part& part = parts_[at(chunk.family)];
    const Family& family = *part.family;
    const Index batch = batch_size(family, family.columns);
    for (Index begun = 0; begun < chunk.count && ok.load(std::memory_order_relaxed); begun += batch) {
      const Index first = chunk.first + begun;
      const Index count = std::min(batch, chunk.count - begun);
      SmallScratch<const double*, batch_numbers> pointers(count * family.slots);
      SmallScratch<double, batch_numbers> direction(count * family.columns);
      problem_->point_at(
          *layout_, family, count, [&](Index b) { return part.local_of(first + b); }, x_.data(),
          pointers.data());
      const auto gather = [&](ConstVectorRef from) {
        for (Index b = 0; b < count; ++b) {
          for (int s = 0; s < family.slots; ++s) {
            const Index offset = layout_->offset[at(part.blocks_of(first + b)[s])];
            for (int i = 0; i < family.sizes[s]; ++i) {
              direction[b * family.columns + family.column[at(s)] + i] =
                  offset >= 0 ? from[at(offset + i)] : 0.0;
            }
          }
        }
      };
      gather(along);
      double* t = work_.data() + part.base + first * family.residuals;
      const bool complete = for_each_run(part, first, count, [&](Index local, Index done, Index run) {
        return family.terms->second_directional({local, run, pointers.data() + done * family.slots},
                                                direction.data() + done * family.columns,
                                                t + done * family.residuals) < 0;
      });
      if (!complete) {
        ok.store(false, std::memory_order_relaxed);
        return;
      }
      if (part.shape->curved) {
        gather(bend_);
        add_bend(part, first, count, direction.data(), t);
      }
      for (Index b = 0; b < count; ++b) {
        const BlockWeight w = weight_of(part, first + b);
        apply_square(w, w.gauss_newton, part.residual(first + b), family.residuals, t + b * family.residuals);
      }
    }
  });
  if (!ok.load()) {
    return false;
  }
  sum_by_variable(out, transposed_with(work_.data()));
  return all_finite(out);
}

}  // namespace kappa::detail
