#include "adapters/cholmod/cholmod_factor.h"

#include <algorithm>
#include <cmath>
#include <type_traits>

namespace kappa::detail {
namespace {

static_assert(sizeof(SuiteSparse_long) == sizeof(Index));

/// A pivot of no more than this many rounding errors of its diagonal entry says nothing.
constexpr double pivot_rounding = 10;

std::size_t at(Index i) {
  return static_cast<std::size_t>(i);
}

SuiteSparse_long* columns(cholmod_sparse* matrix) {
  return static_cast<SuiteSparse_long*>(matrix->p);
}
SuiteSparse_long* rows(cholmod_sparse* matrix) {
  return static_cast<SuiteSparse_long*>(matrix->i);
}
double* values(cholmod_sparse* matrix) {
  return static_cast<double*>(matrix->x);
}

}  // namespace

CholmodFactor::CholmodFactor(Kind kind) {
  cholmod_l_start(&common_);
  common_.print = 0;  // errors are reported by status
  common_.final_ll = 1;
  common_.supernodal = kind == Kind::simplicial   ? CHOLMOD_SIMPLICIAL
                       : kind == Kind::supernodal ? CHOLMOD_SUPERNODAL
                                                  : CHOLMOD_AUTO;
  common_.quick_return_if_not_posdef = 1;
  common_.nmethods = 1;
  common_.method[0].ordering = CHOLMOD_GIVEN;
  common_.postorder = 1;
}

CholmodFactor::~CholmodFactor() {
  free_all();
  cholmod_l_finish(&common_);
}

void CholmodFactor::free_all() {
  cholmod_l_free_sparse(&matrix_, &common_);
  cholmod_l_free_factor(&factor_, &common_);
  for (cholmod_dense** dense : {&in_, &out_, &workspace_[0], &workspace_[1]}) {
    cholmod_l_free_dense(dense, &common_);
  }
}

bool CholmodFactor::fail(const char* what) {
  fault_ = std::string("CHOLMOD could not ") + what +
           (common_.status == CHOLMOD_OUT_OF_MEMORY ? ": out of memory"
            : common_.status == CHOLMOD_TOO_LARGE   ? ": the problem is too large for its integers"
                                                    : " (status " + std::to_string(common_.status) + ")");
  free_all();
  structure_ = {};
  figures_ = {};
  return false;
}

/// Approximate minimum degree on the graph of blocks, as an order of variables; empty where it failed.
std::vector<SuiteSparse_long> CholmodFactor::block_order(const BlockStructure& structure) {
  const Index blocks = structure.blocks();
  cholmod_sparse* graph = cholmod_l_allocate_sparse(at(blocks), at(blocks), structure.column.size(), 1, 1, -1,
                                                    CHOLMOD_PATTERN, &common_);
  if (graph == nullptr) {
    return {};
  }
  std::copy(structure.row_start.begin(), structure.row_start.end(), columns(graph));
  std::copy(structure.column.begin(), structure.column.end(), rows(graph));
  std::vector<SuiteSparse_long> order(at(blocks));
  const int done = cholmod_l_amd(graph, nullptr, 0, order.data(), &common_);
  cholmod_l_free_sparse(&graph, &common_);
  std::vector<SuiteSparse_long> out;
  for (std::size_t k = 0; k < order.size() && done != 0; ++k) {
    for (Index v = structure.offset[at(order[k])]; v < structure.offset[at(order[k]) + 1]; ++v) {
      out.push_back(v);
    }
  }
  return out;
}

/// The scalar pattern of the lower triangle, rows ascending in each column.
void CholmodFactor::lay_out(const BlockStructure& structure) {
  SuiteSparse_long* column = columns(matrix_);
  SuiteSparse_long* row = rows(matrix_);
  SuiteSparse_long next = 0;
  for (Index i = 0; i < structure.blocks(); ++i) {
    for (Index r = structure.offset[at(i)]; r < structure.offset[at(i) + 1]; ++r) {
      column[r] = next;
      for (Index k = structure.row_start[at(i)]; k < structure.row_start[at(i) + 1]; ++k) {
        const Index j = structure.column[at(k)];
        for (Index c = i == j ? r : structure.offset[at(j)]; c < structure.offset[at(j) + 1]; ++c) {
          row[next++] = c;
        }
      }
    }
  }
  column[structure.size()] = next;
}

bool CholmodFactor::analyze(const BlockStructure& structure) {
  if (factor_ != nullptr && structure_ == structure) {
    return true;
  }
  free_all();
  const Index n = structure.size();
  Index entries = structure.values();
  for (Index i = 0; i < structure.blocks(); ++i) {  // diagonal blocks are stored in full
    entries -= structure.block_size(i) * (structure.block_size(i) - 1) / 2;
  }
  matrix_ = cholmod_l_allocate_sparse(at(n), at(n), at(entries), 1, 1, -1, CHOLMOD_REAL, &common_);
  in_ = cholmod_l_allocate_dense(at(n), 1, at(n), CHOLMOD_REAL, &common_);
  if (matrix_ == nullptr || in_ == nullptr) {
    return fail("store the matrix");
  }
  lay_out(structure);
  std::vector<SuiteSparse_long> order = block_order(structure);
  if (n > 0 && order.empty()) {
    return fail("order the blocks");
  }
  factor_ = cholmod_l_analyze_p(matrix_, order.data(), nullptr, 0, &common_);
  if (factor_ == nullptr || common_.status < 0) {
    return fail("analyse the structure");
  }
  figures_ = {.size = n, .doubles = common_.lnz, .flops = common_.fl, .supernodal = factor_->is_super != 0};
  structure_ = structure;
  return true;
}

void CholmodFactor::fill(const BlockMatrix& B, double lambda, ConstVectorRef weights) {
  const BlockStructure& s = structure_;
  double* to = values(matrix_);
  for (Index i = 0; i < s.blocks(); ++i) {
    const Index size = s.block_size(i);
    for (Index r = 0; r < size; ++r) {
      const Index variable = s.offset[at(i)] + r;
      for (Index k = s.row_start[at(i)]; k < s.row_start[at(i) + 1]; ++k) {
        const Index j = s.column[at(k)];
        const double* block = B.values.data() + s.value_start[at(k)];
        for (Index c = i == j ? r : 0; c < s.block_size(j); ++c) {
          *to++ = block[r + c * size];
        }
      }
      if (!weights.empty()) {
        values(matrix_)[columns(matrix_)[variable]] += lambda * weights[at(variable)];
      }
    }
  }
}

CholmodFactor::Outcome CholmodFactor::factor(const BlockMatrix& B, double lambda, ConstVectorRef weights) {
  fill(B, lambda, weights);
  failed_variable_ = -1;
  const double* begin = values(matrix_);
  if (!std::all_of(begin, begin + columns(matrix_)[figures_.size],
                   [](double v) { return std::isfinite(v); })) {
    return Outcome::failed;
  }
  cholmod_l_factorize(matrix_, factor_, &common_);
  if (common_.status == CHOLMOD_NOT_POSDEF) {
    failed_variable_ = static_cast<SuiteSparse_long*>(factor_->Perm)[factor_->minor];
    return Outcome::indefinite;
  }
  if (common_.status < 0 || factor_->is_ll == 0) {
    return Outcome::failed;
  }
  failed_variable_ = weakest_pivot();
  return failed_variable_ < 0 ? Outcome::ok : Outcome::indefinite;
}

/// The first variable whose pivot is no more than rounding of its diagonal entry, or -1.
Index CholmodFactor::weakest_pivot() const {
  const auto* order = static_cast<const SuiteSparse_long*>(factor_->Perm);
  const auto* l = static_cast<const double*>(factor_->x);
  const auto weak = [&](Index column, double pivot) {
    const double entry = values(matrix_)[columns(matrix_)[order[column]]];
    return !(pivot * pivot > pivot_rounding * epsilon * entry);
  };
  if (factor_->is_super == 0) {
    const auto* start = static_cast<const SuiteSparse_long*>(factor_->p);
    for (Index column = 0; column < figures_.size; ++column) {
      if (weak(column, l[start[column]])) {
        return order[column];
      }
    }
    return -1;
  }
  const auto* first = static_cast<const SuiteSparse_long*>(factor_->super);
  const auto* row_start = static_cast<const SuiteSparse_long*>(factor_->pi);
  const auto* value_start = static_cast<const SuiteSparse_long*>(factor_->px);
  for (std::size_t s = 0; s < factor_->nsuper; ++s) {
    const SuiteSparse_long height = row_start[s + 1] - row_start[s];
    for (SuiteSparse_long column = first[s]; column < first[s + 1]; ++column) {
      if (weak(column, l[value_start[s] + (column - first[s]) * (height + 1)])) {
        return order[column];
      }
    }
  }
  return -1;
}

bool CholmodFactor::apply(int system, cholmod_dense* in, cholmod_dense** out) {
  return cholmod_l_solve2(system, factor_, in, nullptr, out, nullptr, &workspace_[0], &workspace_[1],
                          &common_) != 0;
}

double CholmodFactor::solve(VectorRef x) {
  std::copy(x.begin(), x.end(), static_cast<double*>(in_->x));
  double square = infinity;  // of a solve that broke down
  const auto done = [&] {
    if (!apply(CHOLMOD_P, in_, &out_)) {
      return false;
    }
    std::swap(in_, out_);
    if (!apply(CHOLMOD_L, in_, &out_)) {
      return false;
    }
    const auto* y = static_cast<const double*>(out_->x);
    square = 0;
    for (std::size_t i = 0; i < x.size(); ++i) {
      square += y[i] * y[i];
    }
    std::swap(in_, out_);
    if (!apply(CHOLMOD_Lt, in_, &out_)) {
      return false;
    }
    std::swap(in_, out_);
    return apply(CHOLMOD_Pt, in_, &out_) != 0;
  }();
  if (done) {
    std::copy_n(static_cast<const double*>(out_->x), x.size(), x.begin());
  }
  return done ? square : infinity;
}

}  // namespace kappa::detail
