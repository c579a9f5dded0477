#include "problems/likelihood/gaussian_workspace.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <numbers>

#include "core/parallel.h"
#include "core/scratch.h"
#include "core/vector.h"
#include "core/wide_vectors.h"

namespace kappa::detail {

namespace {

/// Rows of a block that a model evaluates at once: six derivatives of it fit the second-level cache. A
/// multiple of a sliver's rows.
constexpr Index edge = 48;
/// Multiply-adds that an entry of the covariance is taken for.
constexpr double entry_work = 30;
constexpr Index longest_place = 12;  // parameters named in a fault

std::size_t at(Index i) {
  return static_cast<std::size_t>(i);
}

Index pair(Index a, Index b) {
  return a >= b ? a * (a + 1) / 2 + b : b * (b + 1) / 2 + a;
}

std::string shown(double v) {
  char text[32];
  std::snprintf(text, sizeof text, "%.6g", v);
  return text;
}

KAPPA_WIDE_VECTORS double wide_dot(const double* a, const double* b, Index n) {
  return dot(a, b, n);
}

/// Blocks of `edge` rows and columns on and below the diagonal of an n x n matrix.
struct Blocks {
  Index n = 0;
  Index count() const { return lower_blocks((n + edge - 1) / edge); }
  CovarianceBlock block(Index t) const {
    const BlockPlace place = lower_block(t);
    CovarianceBlock out;
    out.row = place.row * edge;
    out.column = place.column * edge;
    out.rows = std::min(edge, n - out.row);
    out.columns = std::min(edge, n - out.column);
    return out;
  }
  double work(Index arrays) const {
    return 0.5 * static_cast<double>(n) * static_cast<double>(n) * entry_work * static_cast<double>(arrays);
  }
};

void store(const CovarianceBlock& block, const double* values, SliverRef out) {
  for (Index i = 0; i < block.rows; i += sliver) {
    const Index rows = std::min(sliver, block.rows - i);
    double* to = out.at(block.row + i, block.column);
    for (Index j = 0; j < block.columns; ++j) {
      std::copy_n(values + i + j * block.rows, rows, to + j * sliver);
    }
  }
}

/// The block mirrored at the diagonal.
void store_transposed(const CovarianceBlock& block, const double* values, SliverRef out) {
  for (Index j = 0; j < block.columns; j += sliver) {
    const Index columns = std::min(sliver, block.columns - j);
    double* to = out.at(block.column + j, block.row);
    for (Index i = 0; i < block.rows; ++i) {
      for (Index c = 0; c < columns; ++c) {
        to[i * sliver + c] = values[i + (j + c) * block.rows];
      }
    }
  }
}

/// What a model left above the diagonal becomes zero.
void clear_above(const CovarianceBlock& block, double* values) {
  for (Index j = 0; j < block.columns; ++j) {
    std::fill_n(values + j * block.rows, std::min(j, block.rows), 0.0);
  }
}

void clear_padding(SliverRef s) {
  for (Index i = 0; i < s.padded; ++i) {
    for (Index j = i < s.size ? s.size : 0; j < s.padded; ++j) {
      s(i, j) = 0;
    }
  }
}

/// out = W v from the lower blocks of a symmetric W, whose blocks on the diagonal are whole.
void multiply_symmetric(SliverRef w, ConstVectorRef v, VectorRef out) {
  Scratch<double> factor(w.padded);
  Scratch<double> sum(w.padded);
  std::fill(std::copy(v.begin(), v.end(), factor.data()), factor.data() + w.padded, 0.0);
  std::fill_n(sum.data(), w.padded, 0.0);
  for (Index block = 0; block < w.blocks(); ++block) {
    const Index first = w.block_begin(block);
    const Index last = w.block_end(block);
    for (Index i = first; i < last; i += sliver) {
      const double* row = w.at(i, 0);
      for (Index j = 0; j < first; ++j) {
        double mirrored = 0;
        for (Index r = 0; r < sliver; ++r) {
          sum[i + r] += row[j * sliver + r] * factor[j];
          mirrored += row[j * sliver + r] * factor[i + r];
        }
        sum[j] += mirrored;
      }
      for (Index j = first; j < last; ++j) {
        for (Index r = 0; r < sliver; ++r) {
          sum[i + r] += row[j * sliver + r] * factor[j];
        }
      }
    }
  }
  std::copy_n(sum.data(), out.size(), out.begin());
}

/// <A, B> over block t of 96 rows; blocks off the diagonal count twice.
double block_product(SliverRef a, SliverRef b, Index t) {
  const BlockPlace place = lower_block(t);
  const Index column = a.block_begin(place.column);
  const Index length = sliver * (a.block_end(place.column) - column);
  double sum = 0;
  for (Index i = a.block_begin(place.row); i < a.block_end(place.row); i += sliver) {
    sum += wide_dot(a.at(i, column), b.at(i, column), length);
  }
  return place.row == place.column ? sum : 2 * sum;
}

/// out_k = sum of partial over the blocks, in their order.
void add_up(const std::vector<double>& partial, std::vector<double>& out) {
  std::fill(out.begin(), out.end(), 0.0);
  for (std::size_t i = 0; i < partial.size(); ++i) {
    out[i % out.size()] += partial[i];
  }
}

}  // namespace

GaussianWorkspace::GaussianWorkspace(const GaussianModel& model, ConstVectorRef data)
    : model_(&model),
      data_(data),
      covariance_parameters_(model.covariance_parameters()),
      mean_parameters_(model.mean_parameters()) {
  for (const auto* list : {&covariance_parameters_, &mean_parameters_}) {
    for (std::size_t i = 0; i < list->size(); ++i) {
      expects((*list)[i] >= (i == 0 ? 0 : (*list)[i - 1] + 1) && (*list)[i] < model.parameters(),
              "GaussianModel: the lists of parameters must rise and stay below parameters()");
    }
  }
}

bool GaussianWorkspace::is_at(ConstVectorRef x) const {
  return stage_ != Stage::nothing && std::equal(x.begin(), x.end(), x_.begin(), x_.end());
}

/// "theta = (log length 1 = 0.5, ...)".
std::string GaussianWorkspace::place() const {
  std::string out;
  const auto count = static_cast<Index>(x_.size());
  for (Index i = 0; i < std::min(count, longest_place); ++i) {
    out += (i == 0 ? "" : ", ") + model_->parameter_name(i) + " = " + shown(x_[at(i)]);
  }
  return "(" + out + (count > longest_place ? ", ...)" : ")");
}

void GaussianWorkspace::fill_covariance() {
  const SliverRef a = sigma_.matrix(size());
  const Blocks blocks{size()};
  for_each_chunk(blocks.count(), blocks.work(1), [&](Index t) {
    CovarianceBlock block = blocks.block(t);
    Scratch<double> value(edge * edge);
    block.value = value.data();
    model_->covariance(x_, block);
    store(block, value.data(), a);
  });
}

EvalStatus GaussianWorkspace::factor(ConstVectorRef x, const Interrupt* interrupt, std::string& fault) {
  if (is_at(x)) {
    return EvalStatus::ok;
  }
  stage_ = Stage::nothing;
  x_.assign(x.begin(), x.end());
  if (interrupt != nullptr && interrupt->requested()) {
    return EvalStatus::interrupted;
  }
  mu_.resize(data_.size());
  model_->mean(x_, mu_, {});
  if (!all_finite(mu_)) {
    fault = "the mean is not finite at " + place();
    return EvalStatus::outside_domain;
  }
  fill_covariance();
  const DenseStatus status = sigma_.factor(interrupt);
  if (status == DenseStatus::interrupted) {
    return EvalStatus::interrupted;
  }
  if (status == DenseStatus::indefinite) {
    fault = "the covariance is not positive definite at " + place() + ": pivot " +
            std::to_string(sigma_.failed()) + " of " + std::to_string(size()) + " is " +
            shown(sigma_.pivot());
    return EvalStatus::outside_domain;
  }
  z_.resize(data_.size());
  for (std::size_t i = 0; i < data_.size(); ++i) {
    z_[i] = data_[i] - mu_[i];
  }
  sigma_.solve_lower(z_);
  double logarithms = 0;
  double absolute = 0;
  for (Index i = 0; i < size(); ++i) {
    const double logarithm = std::log(sigma_.diagonal(i));
    logarithms += logarithm;
    absolute += std::abs(logarithm);
  }
  const double square = 0.5 * dot(z_, z_);
  const double constant = 0.5 * static_cast<double>(size()) * std::log(2 * std::numbers::pi);
  value_ = constant + logarithms + square;
  value_rounding_ = epsilon * (constant + absolute + square);
  if (!std::isfinite(value_)) {
    fault = "the likelihood is not finite at " + place();
    return EvalStatus::outside_domain;
  }
  stage_ = Stage::factored;
  return EvalStatus::ok;
}

void GaussianWorkspace::solve() {
  alpha_ = z_;
  sigma_.solve_upper(alpha_);
}

/// What a pass over the blocks of the covariance's derivatives does with them.
struct GaussianWorkspace::Pass {
  enum class Order { first, second } order = Order::first;
  bool contract = false;  ///< with K - alpha alpha': for gradients and exact Hessians
  bool keep = false;      ///< the first derivatives, whole, in first_
};

void GaussianWorkspace::pass(const Pass& what) {
  const Blocks blocks{size()};
  const Index p = varying();
  const Index firsts = p;
  const Index seconds = what.order == Pass::Order::second ? pairs() : 0;
  const SliverRef K = what.contract ? inverse_.ref() : SliverRef{};
  partial_.assign(what.contract ? at(blocks.count() * (firsts + seconds)) : 0, 0.0);
  if (what.keep) {
    first_.resize(at(p));
    for (SliverMatrix& s : first_) {
      s.resize(size());
      clear_padding(s.ref());
    }
  }
  for_each_chunk(blocks.count(), blocks.work(1 + firsts + seconds), [&](Index t) {
    CovarianceBlock block = blocks.block(t);
    const Index entries = block.entries();
    Scratch<double> memory((1 + firsts + seconds) * entries);
    double* weights = memory.data();
    block.first = weights + entries;
    block.second = seconds > 0 ? block.first + firsts * entries : nullptr;
    model_->covariance(x_, block);
    const bool diagonal = block.row == block.column;
    for (Index k = 0; diagonal && k < firsts + seconds; ++k) {
      clear_above(block, block.first + k * entries);
    }
    if (what.contract) {
      for (Index j = 0; j < block.columns; ++j) {
        const double factor = alpha_[at(block.column + j)];
        for (Index i = 0; i < block.rows; ++i) {
          weights[i + j * block.rows] =
              2 * (K(block.row + i, block.column + j) - alpha_[at(block.row + i)] * factor);
        }
        if (diagonal) {
          std::fill_n(weights + j * block.rows, j, 0.0);  // what lies there was never computed
          weights[j + j * block.rows] *= 0.5;
        }
      }
      double* sums = partial_.data() + t * (firsts + seconds);
      for (Index k = 0; k < firsts + seconds; ++k) {
        sums[k] = wide_dot(weights, block.first + k * entries, entries);
      }
    }
    for (Index k = 0; what.keep && k < firsts; ++k) {
      const double* values = block.first + k * entries;
      const SliverRef to = first_[at(k)].ref();
      if (!diagonal) {
        store(block, values, to);
        store_transposed(block, values, to);
        continue;
      }
      for (Index j = 0; j < block.columns; ++j) {
        for (Index i = j; i < block.rows; ++i) {
          to(block.row + i, block.row + j) = values[i + j * block.rows];
          to(block.row + j, block.row + i) = values[i + j * block.rows];
        }
      }
    }
  });
  if (what.contract && p > 0) {
    contracted_.resize(at(firsts + seconds));
    add_up(partial_, contracted_);
  }
}

/// The Jacobian of the mean, and L^-1 times it.
void GaussianWorkspace::differentiate_mean() {
  const Index n = size();
  jacobian_.resize(at(n * moving()));
  if (moving() == 0) {
    scaled_.clear();
    return;
  }
  model_->mean(x_, mu_, {jacobian_.data(), n, moving(), n});
  scaled_ = jacobian_;
  for_each_chunk(moving(), 0.5 * static_cast<double>(n) * static_cast<double>(n * moving()), [&](Index c) {
    sigma_.solve_lower({scaled_.data() + c * n, at(n)});
  });
}

/// W_a in place of Sigma_a, their inner products, and W_a z.
DenseStatus GaussianWorkspace::form_congruences(const Interrupt* interrupt) {
  const Index p = varying();
  const Index n = size();
  lower_.resize(n);
  scratch_.resize(n);
  transpose_upper(sigma_.upper(), lower_.ref());
  for (SliverMatrix& s : first_) {
    const DenseStatus status = congruence(lower_.ref(), s.ref(), scratch_.ref(), interrupt);
    if (status != DenseStatus::ok) {
      return status;
    }
  }
  const Index count = lower_blocks(lower_.ref().blocks());
  partial_.resize(at(count * pairs()));
  const double square = static_cast<double>(n) * static_cast<double>(n);
  for_each_chunk(count, 0.5 * square * static_cast<double>(pairs()), [&](Index t) {
    for (Index a = 0; a < p; ++a) {
      for (Index b = 0; b <= a; ++b) {
        partial_[at(t * pairs() + pair(a, b))] = block_product(first_[at(a)].ref(), first_[at(b)].ref(), t);
      }
    }
  });
  traces_.resize(at(pairs()));
  if (p > 0) {
    add_up(partial_, traces_);
  }
  products_.resize(at(n * p));
  for_each_chunk(p, square * static_cast<double>(p), [&](Index a) {
    multiply_symmetric(first_[at(a)].ref(), z_, {products_.data() + a * n, at(n)});
  });
  return DenseStatus::ok;
}

EvalStatus GaussianWorkspace::differentiate(const GaussianDerivatives& wanted, const Interrupt* interrupt) {
  const auto interrupted = [&] { return interrupt != nullptr && interrupt->requested(); };
  const bool contract = !wanted.gradient.empty() || wanted.exact;
  const bool second_order = wanted.exact || wanted.fisher;
  if (stage_ == Stage::factored) {
    if (sigma_.invert_factor(interrupt) != DenseStatus::ok) {
      return EvalStatus::interrupted;
    }
    solve();
    stage_ = Stage::inverted;
  }
  if (contract) {
    inverse_.resize(size());
    if (outer_product(sigma_.upper(), inverse_.ref(), interrupt) != DenseStatus::ok) {
      return EvalStatus::interrupted;
    }
  }
  if (interrupted()) {
    return EvalStatus::interrupted;
  }
  differentiate_mean();
  pass({.order = wanted.exact ? Pass::Order::second : Pass::Order::first,
        .contract = contract,
        .keep = second_order});
  if (second_order && form_congruences(interrupt) != DenseStatus::ok) {
    return EvalStatus::interrupted;
  }
  assemble(wanted);
  return EvalStatus::ok;
}

/// The formulas of gaussian_likelihood.h; a and b count covariance parameters, c and d those of the mean.
void GaussianWorkspace::assemble(const GaussianDerivatives& wanted) {
  const Index n = size();
  const auto part = [n](const std::vector<double>& columns, Index c) { return columns.data() + c * n; };
  if (!wanted.gradient.empty()) {
    std::fill(wanted.gradient.begin(), wanted.gradient.end(), 0.0);
    for (Index a = 0; a < varying(); ++a) {
      wanted.gradient[at(covariance_parameters_[at(a)])] += 0.5 * contracted_[at(a)];
    }
    for (Index c = 0; c < moving(); ++c) {
      wanted.gradient[at(mean_parameters_[at(c)])] -= dot(part(scaled_, c), z_.data(), n);
    }
  }
  const auto add = [&](const std::optional<MatrixRef>& to, Index i, Index j, double value) {
    if (to) {
      (*to)(i, j) += value;
      if (i != j) {
        (*to)(j, i) += value;
      }
    }
  };
  for (Index a = 0; (wanted.exact || wanted.fisher) && a < varying(); ++a) {
    for (Index b = 0; b <= a; ++b) {
      const Index i = covariance_parameters_[at(a)];
      const Index j = covariance_parameters_[at(b)];
      const double trace = traces_[at(pair(a, b))];
      add(wanted.fisher, i, j, 0.5 * trace);
      if (wanted.exact) {
        add(wanted.exact, i, j,
            0.5 * contracted_[at(varying() + pair(a, b))] - 0.5 * trace +
                dot(part(products_, a), part(products_, b), n));
      }
    }
  }
  for (Index c = 0; c < moving(); ++c) {
    for (Index d = 0; d <= c; ++d) {
      const double product = dot(part(scaled_, c), part(scaled_, d), n);
      add(wanted.fisher, mean_parameters_[at(c)], mean_parameters_[at(d)], product);
      add(wanted.exact, mean_parameters_[at(c)], mean_parameters_[at(d)], product);
    }
  }
  if (wanted.exact && moving() > 0) {
    add_mixed_terms(*wanted.exact);
  }
}

/// mu_i'K Sigma_j a and its mirror image, and - a'mu_ij.
void GaussianWorkspace::add_mixed_terms(MatrixRef exact) {
  const Index n = size();
  for (Index c = 0; c < moving(); ++c) {
    const Index i = mean_parameters_[at(c)];
    for (Index a = 0; a < varying(); ++a) {
      const Index j = covariance_parameters_[at(a)];
      const double product = dot(scaled_.data() + c * n, products_.data() + a * n, n);
      // A parameter of both has the term and its mirror image in one place.
      exact(i, j) += product;
      exact(j, i) += product;
    }
  }
  mean_second_.assign(at(moving() * moving()), 0.0);
  model_->mean_second(x_, alpha_, {mean_second_.data(), moving(), moving(), moving()});
  for (Index c = 0; c < moving(); ++c) {
    for (Index d = 0; d < moving(); ++d) {
      exact(mean_parameters_[at(c)], mean_parameters_[at(d)]) -= mean_second_[at(c + d * moving())];
    }
  }
}

}  // namespace kappa::detail
