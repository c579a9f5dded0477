// FeatureMatrix: samples in rows, in the form in which products with it take least memory traffic.
//
//   sparse   column numbers of 16 bits where they suffice, otherwise 32; values left out where all are 1, in
//            single precision where that is exact, otherwise in double
//   dense    double precision, row after row
//
// Nearly all work is done on a range of rows that is read once while it is in the first-level cache: the
// products Xw, then something per row, then X'u. A caller gives each chunk of rows its own sum for X'u and
// adds them in order, so nothing depends on the number of threads.
//
// With K outputs a vector over features holds entry j * K + c, one over rows i * K + c.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "kappa/base.h"
#include "kappa/bulk_vector.h"
#include "kappa/data.h"

namespace kappa::detail {

/// Rows [begin, end) of the matrix, or those that entries [begin, end) of a list name.
struct Rows {
  Index begin = 0;
  Index end = 0;
  const Index* list = nullptr;

  Index count() const { return end - begin; }
  Index operator[](Index k) const { return list != nullptr ? list[begin + k] : begin + k; }
  Rows part(Index first, Index last) const { return {begin + first, begin + last, list}; }
};

class FeatureMatrix {
 public:
  /// Copies `features`, which have been checked; row k is the sample order[k], or k where `order` is empty.
  /// Where `bias` is not 0, a column of that value is added behind the others.
  FeatureMatrix(const Features& features, double bias, std::span<const Index> order = {});

  Index rows() const { return rows_; }
  Index columns() const { return columns_; }
  /// Entries that a pass reads.
  Index entries() const { return entries_; }
  Index entries_before(Index row) const;
  /// Products of two entries of a row, summed over the rows: the multiply-adds of add_gram with one output.
  double pairs() const { return pairs_; }
  bool sparse() const { return form_ != Form::dense; }

  /// z[k * K + c] = sum_j X_ij w[j * K + c] for row i = rows[k].
  void forward(const Rows& rows, Index K, const double* w, double* z) const;
  /// g[j * K + c] += sum_k X_ij u[k * K + c].
  void add_transposed(const Rows& rows, Index K, const double* u, double* g) const;
  /// The same with squared entries.
  void add_transposed_squares(const Rows& rows, Index K, const double* u, double* g) const;
  /// Lower triangle of H += sum_k d[k] x_i x_i', column-major with stride columns() * K: for K > 1 entry
  /// (j K + c, l K + e) += X_ij X_il d[(k * K + c) * K + e], d symmetric in c and e.
  void add_gram(const Rows& rows, Index K, const double* d, double* H) const;

  /// Whether all entries are 1 and none is stored with its value.
  bool ones() const { return form_ == Form::unit; }
  /// In how many rows each column has an entry; of a sparse matrix.
  std::vector<Index> frequencies() const;
  /// The matrix of ones that has an entry in a column with complement[j] != 0 where this one has none, and is
  /// the same in the others; of one of ones.
  FeatureMatrix complemented(std::span<const double> complement) const;
  /// pairs() of that matrix.
  double complemented_pairs(std::span<const double> complement) const;

  /// The same matrix with rows and columns exchanged; of a sparse one.
  FeatureMatrix transposed() const;

 private:
  enum class Form : std::uint8_t { dense, unit, single, full };

  FeatureMatrix() = default;
  void count_pairs();
  void settle_values(const BulkVector<double>& value);
  template <class F>
  void visit(const F& f) const;

  Index rows_ = 0;
  Index columns_ = 0;
  Index entries_ = 0;
  double pairs_ = 0;
  Form form_ = Form::dense;
  bool narrow_ = false;
  std::vector<Index> row_start_;
  BulkVector<std::uint16_t> narrow_column_;
  BulkVector<std::int32_t> column_;
  BulkVector<float> single_;
  BulkVector<double> value_;
};

}  // namespace kappa::detail
