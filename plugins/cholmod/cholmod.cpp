// Plugin cholmod: linear solver cholmod-plugin, B + lambda W = L L' by CHOLMOD's sparse Cholesky
// factorization.
//
// CHOLMOD's supernodal module is under the GPL and the rest under the LGPL: a program that loads this plugin
// is bound by them, kappa without it is not, which is why it is a plugin. (kappa::cholmod is the same solver
// as a library, for programs that link it; its step is named cholmod.)
//
// The lower triangle by columns has, in the column of variable r of block i, row r of the stored blocks (i,
// i), (i, j), ...: block row i as it is stored, so that values are copied without a search. The order is
// approximate minimum degree on the graph of blocks; variables of a block stay together.
//
// Reference: Chen, Davis, Hager & Rajamanickam, ACM Trans. Math. Softw. 35 (2008) 22; Amestoy, Davis & Duff,
// SIAM J. Matrix Anal. Appl. 17 (1996) 886.
#include <cholmod.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>

#include "kappa/plugin.hpp"

namespace {

namespace plugin = kappa::plugin;
using Long = SuiteSparse_long;

constexpr double pivot_rounding =
    10 * 2.220446049250313e-16;  // of the diagonal entry; below it a pivot is none

std::size_t at(std::int64_t i) {
  return static_cast<std::size_t>(i);
}

class Cholmod {
 public:
  static constexpr plugin::Option options[] = {{"factor", "auto", "CHOLMOD's default, 40 flops an entry of L",
                                                "the kind of factorization: auto, simplicial or supernodal"}};

  explicit Cholmod(const plugin::Options& given) {
    const std::string& kind = given.text("factor");
    if (kind != "auto" && kind != "simplicial" && kind != "supernodal") {
      throw plugin::Failure(KAPPA_WRONG_OPTION, "option 'factor' must be auto, simplicial or supernodal");
    }
    cholmod_l_start(&common_);
    common_.print = 0;  // errors are reported by status
    common_.final_ll = 1;
    common_.supernodal = kind == "simplicial"   ? CHOLMOD_SIMPLICIAL
                         : kind == "supernodal" ? CHOLMOD_SUPERNODAL
                                                : CHOLMOD_AUTO;
    common_.quick_return_if_not_posdef = 1;
    common_.nmethods = 1;
    common_.method[0].ordering = CHOLMOD_GIVEN;
    common_.postorder = 1;
  }
  ~Cholmod() {
    free_all();
    cholmod_l_finish(&common_);
  }
  Cholmod(const Cholmod&) = delete;
  Cholmod& operator=(const Cholmod&) = delete;

  void analyze(const kappa_blocks& structure) {
    free_all();
    blocks_ = structure.blocks;
    offset_.assign(structure.offset, structure.offset + blocks_ + 1);
    row_start_.assign(structure.row_start, structure.row_start + blocks_ + 1);
    const std::int64_t stored = row_start_.back();
    column_.assign(structure.column, structure.column + stored);
    value_start_.assign(structure.value_start, structure.value_start + stored + 1);
    std::int64_t entries = value_start_.back();
    for (std::int64_t i = 0; i < blocks_; ++i) {  // diagonal blocks are stored in full
      entries -= size_of(i) * (size_of(i) - 1) / 2;
    }
    const std::size_t n = at(offset_.back());
    matrix_ = cholmod_l_allocate_sparse(n, n, at(entries), 1, 1, -1, CHOLMOD_REAL, &common_);
    in_ = cholmod_l_allocate_dense(n, 1, n, CHOLMOD_REAL, &common_);
    require(matrix_ != nullptr && in_ != nullptr, "store the matrix");
    lay_out();
    std::vector<Long> order = block_order();
    require(n == 0 || !order.empty(), "order the blocks");
    factor_ = cholmod_l_analyze_p(matrix_, order.data(), nullptr, 0, &common_);
    require(factor_ != nullptr && common_.status >= 0, "analyse the structure");
    doubles_ = common_.lnz;
    flops_ = common_.fl;
    supernodal_ = factor_->is_super != 0;
  }

  kappa_status factor(const double* values, double lambda, const double* weights, std::int64_t& blame) {
    fill(values, lambda, weights);
    const double* begin = matrix_values();
    if (!std::all_of(begin, begin + starts()[offset_.back()], [](double v) { return std::isfinite(v); })) {
      return KAPPA_FAILED;
    }
    cholmod_l_factorize(matrix_, factor_, &common_);
    if (common_.status == CHOLMOD_NOT_POSDEF) {
      blame = static_cast<const Long*>(factor_->Perm)[factor_->minor];
      return KAPPA_INDEFINITE;
    }
    if (common_.status < 0 || factor_->is_ll == 0) {
      return KAPPA_FAILED;
    }
    blame = weakest_pivot();
    return blame < 0 ? KAPPA_OK : KAPPA_INDEFINITE;
  }

  kappa_status solve(double* x) {
    const std::size_t n = at(offset_.back());
    std::copy_n(x, n, static_cast<double*>(in_->x));
    for (const int system : {CHOLMOD_P, CHOLMOD_L, CHOLMOD_Lt, CHOLMOD_Pt}) {
      if (cholmod_l_solve2(system, factor_, in_, nullptr, &out_, nullptr, &workspace_[0], &workspace_[1],
                           &common_) == 0) {
        return KAPPA_FAILED;
      }
      std::swap(in_, out_);
    }
    std::copy_n(static_cast<const double*>(in_->x), n, x);
    return KAPPA_OK;
  }

  std::string describe() const {
    std::array<char, 200> text{};
    if (factor_ != nullptr) {
      std::snprintf(text.data(), text.size(),
                    "%s Cholesky by CHOLMOD of %lld variables: %.3g million doubles in L, %.3g GFlop",
                    supernodal_ ? "supernodal" : "simplicial", static_cast<long long>(offset_.back()),
                    1e-6 * doubles_, 1e-9 * flops_);
    }
    return text.data();
  }

 private:
  std::int64_t size_of(std::int64_t block) const { return offset_[at(block) + 1] - offset_[at(block)]; }
  Long* starts() { return static_cast<Long*>(matrix_->p); }
  double* matrix_values() { return static_cast<double*>(matrix_->x); }

  void require(bool holds, const char* what) {
    if (!holds) {
      const std::string why = common_.status == CHOLMOD_OUT_OF_MEMORY ? "out of memory"
                              : common_.status == CHOLMOD_TOO_LARGE
                                  ? "the problem is too large for its integers"
                                  : "status " + std::to_string(common_.status);
      free_all();
      throw plugin::Failure(KAPPA_FAILED, std::string("CHOLMOD could not ") + what + ": " + why);
    }
  }

  void free_all() {
    cholmod_l_free_sparse(&matrix_, &common_);
    cholmod_l_free_factor(&factor_, &common_);
    for (cholmod_dense** dense : {&in_, &out_, &workspace_[0], &workspace_[1]}) {
      cholmod_l_free_dense(dense, &common_);
    }
  }

  /// The scalar pattern of the lower triangle, rows ascending in each column.
  void lay_out() {
    Long* row = static_cast<Long*>(matrix_->i);
    Long next = 0;
    for (std::int64_t i = 0; i < blocks_; ++i) {
      for (std::int64_t r = offset_[at(i)]; r < offset_[at(i) + 1]; ++r) {
        starts()[r] = next;
        for (std::int64_t k = row_start_[at(i)]; k < row_start_[at(i) + 1]; ++k) {
          const std::int64_t j = column_[at(k)];
          for (std::int64_t c = i == j ? r : offset_[at(j)]; c < offset_[at(j) + 1]; ++c) {
            row[next++] = c;
          }
        }
      }
    }
    starts()[offset_.back()] = next;
  }

  /// Approximate minimum degree on the graph of blocks, as an order of variables; empty where it failed.
  std::vector<Long> block_order() {
    cholmod_sparse* graph = cholmod_l_allocate_sparse(at(blocks_), at(blocks_), column_.size(), 1, 1, -1,
                                                      CHOLMOD_PATTERN, &common_);
    if (graph == nullptr) {
      return {};
    }
    std::copy(row_start_.begin(), row_start_.end(), static_cast<Long*>(graph->p));
    std::copy(column_.begin(), column_.end(), static_cast<Long*>(graph->i));
    std::vector<Long> order(at(blocks_));
    const int done = cholmod_l_amd(graph, nullptr, 0, order.data(), &common_);
    cholmod_l_free_sparse(&graph, &common_);
    std::vector<Long> out;
    for (std::size_t k = 0; k < order.size() && done != 0; ++k) {
      for (std::int64_t v = offset_[at(order[k])]; v < offset_[at(order[k]) + 1]; ++v) {
        out.push_back(v);
      }
    }
    return out;
  }

  void fill(const double* values, double lambda, const double* weights) {
    double* to = matrix_values();
    for (std::int64_t i = 0; i < blocks_; ++i) {
      const std::int64_t size = size_of(i);
      for (std::int64_t r = 0; r < size; ++r) {
        for (std::int64_t k = row_start_[at(i)]; k < row_start_[at(i) + 1]; ++k) {
          const std::int64_t j = column_[at(k)];
          const double* block = values + value_start_[at(k)];
          for (std::int64_t c = i == j ? r : 0; c < size_of(j); ++c) {
            *to++ = block[r + c * size];
          }
        }
        if (weights != nullptr) {
          const std::int64_t variable = offset_[at(i)] + r;
          matrix_values()[starts()[variable]] += lambda * weights[variable];
        }
      }
    }
  }

  /// The first variable whose pivot is no more than rounding of its diagonal entry, or -1.
  std::int64_t weakest_pivot() {
    const auto* order = static_cast<const Long*>(factor_->Perm);
    const auto* l = static_cast<const double*>(factor_->x);
    const auto weak = [&](std::int64_t column, double pivot) {
      return !(pivot * pivot > pivot_rounding * matrix_values()[starts()[order[column]]]);
    };
    if (factor_->is_super == 0) {
      const auto* start = static_cast<const Long*>(factor_->p);
      for (std::int64_t column = 0; column < offset_.back(); ++column) {
        if (weak(column, l[start[column]])) {
          return order[column];
        }
      }
      return -1;
    }
    const auto* first = static_cast<const Long*>(factor_->super);
    const auto* row_start = static_cast<const Long*>(factor_->pi);
    const auto* value_start = static_cast<const Long*>(factor_->px);
    for (std::size_t s = 0; s < factor_->nsuper; ++s) {
      const Long height = row_start[s + 1] - row_start[s];
      for (Long column = first[s]; column < first[s + 1]; ++column) {
        if (weak(column, l[value_start[s] + (column - first[s]) * (height + 1)])) {
          return order[column];
        }
      }
    }
    return -1;
  }

  cholmod_common common_;
  std::int64_t blocks_ = 0;
  std::vector<std::int64_t> offset_ = {0}, row_start_, value_start_;
  std::vector<std::int32_t> column_;
  cholmod_sparse* matrix_ = nullptr;  ///< lower triangle
  cholmod_factor* factor_ = nullptr;
  cholmod_dense* in_ = nullptr;
  cholmod_dense* out_ = nullptr;
  cholmod_dense* workspace_[2] = {nullptr, nullptr};
  double doubles_ = 0;
  double flops_ = 0;
  bool supernodal_ = false;
};

}  // namespace

KAPPA_PLUGIN("cholmod", "1.0",
             plugin::linear_solver<Cholmod>("cholmod-plugin",
                                            "Damped step by CHOLMOD's sparse Cholesky factorization.",
                                            "Chen, Davis, Hager & Rajamanickam 2008"))
