// BlockCovariance from its parts: the scaled matrix, the inverse of its range, the null space, and
//
//   H^+ = P X P,   X = B G B',   P = I - N N',
//       = X - N M' - M N' + N (N'M) N',   M = X N,
//
// where B = (I - Q Q') D works block by block, with Q the null bases of single blocks, and N, orthonormal and
// orthogonal to Q, spans the rest of the null space of H.
#include <algorithm>
#include <cmath>
#include <new>

#include "core/parallel.h"
#include "kappa/covariance.h"
#include "solvers/covariance/decompositions.h"
#include "solvers/covariance/eliminated_inverse.h"
#include "solvers/covariance/null_space_report.h"
#include "solvers/covariance/scaled_information.h"

namespace kappa {
namespace {

using detail::EliminatedInverse;
using detail::ScaledInformation;
using Dense = Eigen::MatrixXd;

constexpr Index chunk_blocks = 64;
constexpr Index dense_blocks = 16;  // variables in a block of a dense matrix

std::size_t at(Index i) {
  return static_cast<std::size_t>(i);
}

/// A dense matrix cut into small blocks, all of them coupled.
BlockMatrix blocks_of(const Linearization& linearization, Model model) {
  const Index n = linearization.size();
  Matrix full(n, n);
  if (!linearization.dense(model, full)) {
    throw Error("covariance: the problem offers neither blocks nor a dense matrix of the model " +
                std::string(name(model)));
  }
  BlockMatrix out;
  BlockStructure& s = out.structure;
  s.offset = {0};
  while (s.offset.back() < n) {
    s.offset.push_back(std::min(s.offset.back() + dense_blocks, n));
  }
  s.row_start = {0};
  s.value_start = {0};
  for (Index i = 0; i < s.blocks(); ++i) {
    for (Index j = i; j < s.blocks(); ++j) {
      s.column.push_back(static_cast<std::int32_t>(j));
      s.value_start.push_back(s.value_start.back() + s.block_size(i) * s.block_size(j));
      for (Index c = s.offset[at(j)]; c < s.offset[at(j) + 1]; ++c) {
        const double* from = full.values.data() + c * n;
        out.values.insert(out.values.end(), from + s.offset[at(i)], from + s.offset[at(i) + 1]);
      }
    }
    s.row_start.push_back(static_cast<Index>(s.column.size()));
  }
  return out;
}

/// Variables that the bounds keep where they are: between equal ones, or at one with the gradient pushing
/// out.
std::vector<Index> held_at_bounds(const Problem& problem, const Evaluation& at_x) {
  const Bounds bounds = problem.bounds();
  std::vector<Index> out;
  for (Index i = 0; i < static_cast<Index>(bounds.lower.size()); ++i) {
    const Index entry = bounds.coordinate.empty() ? i : bounds.coordinate[at(i)];
    const double lower = bounds.lower[at(i)];
    const double upper = bounds.upper[at(i)];
    if (!std::isfinite(lower) && !std::isfinite(upper)) {
      continue;
    }
    const double x = at_x.x[at(entry)];
    const double g = at_x.gradient[at(i)];
    if (lower == upper || (x <= lower && g > 0) || (x >= upper && g < 0)) {
      out.push_back(i);
    }
  }
  return out;
}

double tolerance_of(const CovarianceOptions& options) {
  if (options.null_tolerance >= 0) {
    return options.null_tolerance;
  }
  // At an approximate minimum the exact Hessian has its gauge freedoms to the size of the gradient only.
  return options.model == Model::exact ? 1e-9 : 64 * epsilon;
}

detail::ReducedInverse::Kind kind_of(CovarianceOptions::Factor factor) {
  switch (factor) {
    case CovarianceOptions::Factor::dense:
      return detail::ReducedInverse::Kind::dense;
    case CovarianceOptions::Factor::sparse:
      return detail::ReducedInverse::Kind::sparse;
    default:
      return detail::ReducedInverse::Kind::automatic;
  }
}

[[noreturn]] void refuse(const CovarianceOptions& options, const std::string& block) {
  throw Error("covariance: the matrix of the model " + std::string(name(options.model)) +
              " is not positive semidefinite, or not finite, at block '" + block +
              "'; is x a minimum? the Gauss-Newton matrix is positive semidefinite everywhere");
}

}  // namespace

struct BlockCovariance::Impl {
  CovarianceOptions options;
  std::vector<Index> held;
  ScaledInformation information;
  EliminatedInverse inverse;
  Dense N, M, K;
  NullSpace null_space;
  double variance = 1;
  std::string description;

  struct Task {
    const BlockMatrix& H;
    std::function<std::string(Index)> block_name;
    std::vector<Symmetry> symmetries;
    const Linearization* jacobian;  ///< null: there is none with J'J = H
  };
  void compute(const Task& task);
  bool gram(const Linearization& linearization, const Dense& Y, Dense& out) const;
  void refine(const Linearization& linearization, Dense& Y) const;
  void project(const Dense& Y);
  const BlockStructure& structure() const { return information.structure(); }
  Index rank() const { return structure().size() - static_cast<Index>(held.size()) - null_space.dimension; }
  Index block_at(Index variable) const;
  void finish(Index i, Index j, Dense& block) const;
  void diagonal(Index block, VectorRef out) const;
};

void BlockCovariance::Impl::compute(const Task& task) {
  const double tolerance = tolerance_of(options);
  inverse.analyze(task.H.structure, {.kind = kind_of(options.factor),
                                     .null_tolerance = tolerance,
                                     .memory_bytes = options.memory_bytes,
                                     .largest_decomposition = options.eigen_limit});
  Index wrong = information.make(task.H, held, tolerance);
  if (wrong < 0) {
    wrong = inverse.compute(information, [&](const Dense& Y, Dense& out) {
      return task.jacobian != nullptr && gram(*task.jacobian, Y, out);
    });
  }
  if (wrong == EliminatedInverse::unresolved) {
    throw Error(
        "covariance: directions that are undetermined and such that are nearly so cannot be told apart at "
        "the "
        "accuracy of the matrix; raise null_tolerance, or hold some blocks constant");
  }
  if (wrong >= 0) {
    refuse(options, task.block_name(wrong));
  }
  description = inverse.describe();
  Dense Y = inverse.null_vectors();
  if (task.jacobian != nullptr) {
    refine(*task.jacobian, Y);
  }
  null_space = detail::describe_null_space({.information = information,
                                            .null_vectors = Y,
                                            .symmetries = task.symmetries,
                                            .block_name = task.block_name});
  project(Y);
}

/// out := (J D Y)'(J D Y); false where there is no Jacobian.
bool BlockCovariance::Impl::gram(const Linearization& linearization, const Dense& Y, Dense& out) const {
  const Index m = linearization.residuals();
  if (8.0 * static_cast<double>(m) * static_cast<double>(Y.cols()) > options.memory_bytes) {
    return false;
  }
  const Eigen::Map<const Eigen::VectorXd> D(information.scale().data(), Y.rows());
  Dense JY(m, Y.cols());
  for (Index j = 0; j < Y.cols(); ++j) {
    const Eigen::VectorXd v = D.asDiagonal() * Y.col(j);
    if (!linearization.jacobian_product({v.data(), at(v.size())}, {JY.col(j).data(), at(m)})) {
      return false;
    }
  }
  out.noalias() = JY.transpose() * JY;
  return true;
}

/// Y := Y - G D J'(J D Y), twice. Null vectors of the matrix A have a part eps / lambda in its eigenvectors
/// for small lambda, from its rounding; seen through the Jacobian it is eps / sqrt(lambda).
void BlockCovariance::Impl::refine(const Linearization& linearization, Dense& Y) const {
  const auto m = at(linearization.residuals());
  const Eigen::Map<const Eigen::VectorXd> D(information.scale().data(), Y.rows());
  std::vector<double> residual(m);
  for (int round = 0; round < 2 && Y.cols() > 0; ++round) {
    Dense defect(Y.rows(), Y.cols());
    for (Index j = 0; j < Y.cols(); ++j) {
      Eigen::VectorXd v = D.asDiagonal() * Y.col(j);
      if (!linearization.jacobian_product({v.data(), at(v.size())}, residual) ||
          !linearization.jacobian_transpose_product(residual, {v.data(), at(v.size())})) {
        return;
      }
      defect.col(j) = D.asDiagonal() * v;
    }
    Y -= inverse.apply(defect);
    Y = detail::orthonormal(Y);
  }
}

/// N, M and K.
void BlockCovariance::Impl::project(const Dense& Y) {
  const BlockStructure& s = structure();
  N.resize(s.size(), Y.cols());
  M = K = N;
  if (Y.cols() == 0) {
    return;
  }
  const auto in_units = [&](Dense& X) {
    for (Index b = 0; b < s.blocks(); ++b) {
      Dense rows = X.middleRows(s.offset[at(b)], s.block_size(b));
      information.to_units(b, rows);
      X.middleRows(s.offset[at(b)], s.block_size(b)) = rows;
    }
  };
  N = Y;
  in_units(N);
  N = detail::orthonormal(N);
  // B' = D (I - Q Q'), and N is orthogonal to Q.
  const Eigen::Map<const Eigen::VectorXd> D(information.scale().data(), s.size());
  M = inverse.apply(D.asDiagonal() * N);
  in_units(M);
  K = N.transpose() * M;
}

Index BlockCovariance::Impl::block_at(Index variable) const {
  const std::vector<Index>& offset = structure().offset;
  return std::upper_bound(offset.begin(), offset.end(), variable) - offset.begin() - 1;
}

/// From block (i, j) of G to that of the covariance.
void BlockCovariance::Impl::finish(Index i, Index j, Dense& block) const {
  information.to_units(i, block);
  block.transposeInPlace();
  information.to_units(j, block);
  block.transposeInPlace();
  if (N.cols() > 0) {
    const BlockStructure& s = structure();
    const auto Ni = N.middleRows(s.offset[at(i)], s.block_size(i));
    const auto Nj = N.middleRows(s.offset[at(j)], s.block_size(j));
    const auto Mi = M.middleRows(s.offset[at(i)], s.block_size(i));
    const auto Mj = M.middleRows(s.offset[at(j)], s.block_size(j));
    block += (Ni * K - Mi) * Nj.transpose() - Ni * Mj.transpose();
  }
  block *= variance;
}

/// Standard errors of one block.
void BlockCovariance::Impl::diagonal(Index block, VectorRef out) const {
  Dense C;
  inverse.block(block, block, C);
  finish(block, block, C);
  for (Index i = 0; i < C.rows(); ++i) {
    out[at(i)] = std::sqrt(std::max(C(i, i), 0.0));
  }
}

// ---- Construction ----------------------------------------------------------------------------------------

namespace {

Evaluation evaluate(const Problem& problem, ConstVectorRef x, Model model) {
  expects(static_cast<Index>(x.size()) == problem.dimension(), "BlockCovariance: x is not dimension() long");
  if (!problem.models().contains(model)) {
    throw Error("covariance: the problem does not provide the model " + std::string(name(model)));
  }
  Evaluation out;
  out.reset(x, 0);
  Request request;
  request.want = Want::value | Want::gradient | Want::linearization;
  request.models = {model};
  if (problem.evaluate(request, out) != EvalStatus::ok) {
    throw Error("covariance: the problem cannot be evaluated at this x: " + out.fault);
  }
  return out;
}

double estimated_variance(double value, Index residuals, Index rank) {
  if (residuals <= rank) {
    throw Error("covariance: " + std::to_string(residuals) + " residuals are all used up by " +
                std::to_string(rank) +
                " variables, which leaves none to estimate the variance from; give the variance");
  }
  return 2 * value / static_cast<double>(residuals - rank);
}

template <class Body>
auto within_memory(const Body& body) {
  try {
    return body();
  } catch (const std::bad_alloc&) {
    throw Error(
        "covariance: there is not enough memory; hold some blocks constant, or lower memory_bytes to "
        "be told beforehand");
  }
}

}  // namespace

BlockCovariance::BlockCovariance(const Problem& problem, ConstVectorRef x, const CovarianceOptions& options)
    : BlockCovariance(problem, within_memory([&] { return evaluate(problem, x, options.model); }), options) {}

BlockCovariance::BlockCovariance(const Problem& problem, const Evaluation& at_x,
                                 const CovarianceOptions& options)
    : impl_(std::make_unique<Impl>()) {
  expects(at_x.linearization != nullptr && includes(at_x.have, Want::value | Want::gradient) &&
              at_x.models.contains(options.model),
          "BlockCovariance: the evaluation lacks the value, the gradient or the model");
  const Linearization& linearization = *at_x.linearization;
  if (linearization.size() == 0) {
    throw Error("covariance: the problem has no variables");
  }
  within_memory([&] {
    impl_->options = options;
    impl_->held = held_at_bounds(problem, at_x);
    const BlockMatrix* blocks = linearization.blocks(options.model);
    const BlockMatrix made = blocks == nullptr ? blocks_of(linearization, options.model) : BlockMatrix();
    const bool squares = options.model == Model::gauss_newton && linearization.residuals() > 0;
    impl_->compute({.H = blocks == nullptr ? made : *blocks,
                    .block_name = [&](Index i) { return problem.block_name(i); },
                    .symmetries = problem.symmetries(at_x.x),
                    .jacobian = squares ? &linearization : nullptr});
    impl_->variance = options.variance >= 0
                          ? options.variance
                          : estimated_variance(at_x.value, problem.residuals(), impl_->rank());
  });
}

BlockCovariance::BlockCovariance(const BlockMatrix& information, const CovarianceOptions& options)
    : impl_(std::make_unique<Impl>()) {
  within_memory([&] {
    impl_->options = options;
    const std::vector<Index>& offset = information.structure.offset;
    impl_->compute({.H = information,
                    .block_name =
                        [&](Index i) {
                          const auto after = std::upper_bound(offset.begin(), offset.end(), i);
                          return "block " + std::to_string(after - offset.begin() - 1);
                        },
                    .symmetries = {},
                    .jacobian = nullptr});
    impl_->variance = options.variance >= 0 ? options.variance : 1;
  });
}

BlockCovariance::~BlockCovariance() = default;
BlockCovariance::BlockCovariance(BlockCovariance&&) noexcept = default;
BlockCovariance& BlockCovariance::operator=(BlockCovariance&&) noexcept = default;

// ---- Answers ---------------------------------------------------------------------------------------------

Index BlockCovariance::size() const {
  return impl_->structure().size();
}
Index BlockCovariance::rank() const {
  return impl_->rank();
}
double BlockCovariance::variance() const {
  return impl_->variance;
}
const std::vector<Index>& BlockCovariance::held() const {
  return impl_->held;
}
double BlockCovariance::weakest() const {
  return impl_->inverse.weakest();
}
const NullSpace& BlockCovariance::null_space() const {
  return impl_->null_space;
}
const std::string& BlockCovariance::description() const {
  return impl_->description;
}

Matrix BlockCovariance::block(TangentRange rows, TangentRange cols) const {
  const auto inside = [&](TangentRange range) {
    return range.size >= 0 && (range.constant() || range.begin + range.size <= size());
  };
  expects(inside(rows) && inside(cols), "BlockCovariance::block: a range is not inside the variables");
  if (8.0 * static_cast<double>(rows.size) * static_cast<double>(cols.size) > impl_->options.memory_bytes) {
    throw Error("covariance: a matrix of " + std::to_string(rows.size) + " x " + std::to_string(cols.size) +
                " entries is above the limit, memory_bytes; ask for fewer blocks at a time");
  }
  Matrix out(rows.size, cols.size);
  if (rows.constant() || cols.constant() || rows.size == 0 || cols.size == 0) {
    return out;
  }
  const BlockStructure& s = impl_->structure();
  Dense part;
  for (Index j = impl_->block_at(cols.begin); j <= impl_->block_at(cols.begin + cols.size - 1); ++j) {
    Dense column;
    for (Index i = impl_->block_at(rows.begin); i <= impl_->block_at(rows.begin + rows.size - 1); ++i) {
      if (!impl_->inverse.block(i, j, part)) {
        if (column.size() == 0) {
          column = impl_->inverse.column(j);
        }
        part = impl_->inverse.row(i, column);
      }
      impl_->finish(i, j, part);
      for (Index c = 0; c < part.cols(); ++c) {
        const Index to = s.offset[at(j)] + c - cols.begin;
        for (Index r = 0; r < part.rows() && to >= 0 && to < cols.size; ++r) {
          const Index row = s.offset[at(i)] + r - rows.begin;
          if (row >= 0 && row < rows.size) {
            out(row, to) = part(r, c);
          }
        }
      }
    }
  }
  return out;
}

std::vector<double> BlockCovariance::standard_errors(TangentRange range) const {
  expects(range.size >= 0 && (range.constant() || range.begin + range.size <= size()),
          "BlockCovariance::standard_errors: the range is not inside the variables");
  std::vector<double> out(at(range.size), 0.0);
  if (range.constant() || range.size == 0) {
    return out;
  }
  const BlockStructure& s = impl_->structure();
  const Index first = impl_->block_at(range.begin);
  const Index last = impl_->block_at(range.begin + range.size - 1);
  const detail::Partition parts{last + 1 - first, chunk_blocks};
  detail::for_each_chunk(parts.chunks(), 1000.0 * static_cast<double>(range.size), [&](Index chunk) {
    std::vector<double> errors;
    for (Index b = first + parts.begin(chunk); b < first + parts.end(chunk); ++b) {
      errors.resize(at(s.block_size(b)));
      impl_->diagonal(b, errors);
      for (Index i = 0; i < s.block_size(b); ++i) {
        const Index to = s.offset[at(b)] + i - range.begin;
        if (to >= 0 && to < range.size) {
          out[at(to)] = errors[at(i)];
        }
      }
    }
  });
  return out;
}

std::vector<double> BlockCovariance::standard_errors() const {
  return standard_errors({0, size()});
}

}  // namespace kappa
