// What a LogisticRegression consists of: features, targets, weights, and the chunks in which it is worked on.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "kappa/linear_model.h"
#include "problems/learning/feature_matrix.h"

namespace kappa::detail {

/// Features that are 0 or 1, with 1 - x in place of x in the columns where most samples have 1. The dense
/// matrix is summed over fewer pairs of entries then: with X = Y S + 1 m', S = diag(1 - 2 m) and m_j = 1 for
/// such columns,
///
///   X'DX = S Y'DY S + (S t) m' + m (S t)' + (1'D 1) m m',     t = Y'D 1 = diag(Y'DY).
///
/// The differences lose no more than eps 1'D 1, so this is only done where l2 is far above that.
struct Complement {
  std::vector<double> m;
  FeatureMatrix X;  ///< Y

  /// Turns the lower triangle of Y'DY into that of X'DX; `total` is 1'D 1.
  void restore(MatrixRef H, double total) const;
};

struct LogisticModel {
  /// Throws Error where data or options are wrong.
  LogisticModel(const Dataset& data, const LogisticOptions& options);

  Index outputs = 1;  ///< K: 1 for a binary model, otherwise the number of classes
  std::vector<std::string> class_name;
  /// Row k of X is sample order[k], and sample i row position[i]; both empty where rows are as they came.
  /// Rows of sparse features are sorted by their number of entries, so that the processor foresees the ends
  /// of loops.
  std::vector<Index> order, position;
  FeatureMatrix X;
  /// X' in rows, where a gradient for each chunk of rows would be too much memory.
  std::optional<FeatureMatrix> Xt;
  std::optional<Complement> complement;  ///< where it saves a quarter of the pairs
  std::vector<std::int32_t> label;       ///< as all that follows row by row
  BulkVector<double> sign;               ///< binary: -1 or 1
  std::vector<double> term_weight;       ///< C s; empty: C
  double C = 1;
  double l2 = 1;
  bool has_bias = false;
  bool free_bias = false;
  std::vector<double> lower, upper;
  std::vector<Index> row_chunks;     ///< first rows of chunks with like numbers of entries, and the end
  std::vector<Index> column_chunks;  ///< the same of the rows of Xt
  std::vector<Index> gram_chunks;    ///< first rows of chunks with like numbers of pairs, and the end

  Index samples() const { return X.rows(); }
  Index dimension() const { return X.columns() * outputs; }
  double weight(Index i) const { return term_weight.empty() ? C : term_weight[static_cast<std::size_t>(i)]; }
  Index row_of(Index sample) const {
    return position.empty() ? sample : position[static_cast<std::size_t>(sample)];
  }
  /// How many of the first entries of x the regularisation sees.
  Index regularised() const { return dimension() - (free_bias ? outputs : 0); }
  /// Multiply-adds of the dense matrix, and of a pass over the features.
  double gram_work() const {
    return (complement ? complement->X : X).pairs() * static_cast<double>(outputs * outputs);
  }
  double pass_work() const { return static_cast<double>(X.entries() * outputs); }
};

/// The largest dimension whose dense matrix is offered: 200 MB.
inline constexpr Index most_dense = 5000;

}  // namespace kappa::detail
