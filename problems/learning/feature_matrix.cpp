#include "problems/learning/feature_matrix.h"

#include <Eigen/Dense>
#include <algorithm>
#include <limits>
#include <numeric>

#include "core/scratch.h"
#include "core/vector.h"

namespace kappa::detail {

namespace {

std::size_t at(Index i) {
  return static_cast<std::size_t>(i);
}

/// The value of every entry where none is stored.
struct Ones {
  double operator[](Index) const { return 1.0; }
};

template <class Column, class Value>
struct SparseRows {
  const Index* start;
  const Column* column;
  Value value;
};

struct DenseRows {
  const double* value;
  Index columns;
};

template <class C, class V>
void forward_rows(const SparseRows<C, V>& X, const Rows& rows, Index K, const double* __restrict w,
                  double* __restrict z) {
  if (K == 1) {
    for (Index k = 0; k < rows.count(); ++k) {
      const Index i = rows[k];
      const Index end = X.start[i + 1];
      Index e = X.start[i];
      double even = 0;
      double odd = 0;
      for (; e + 2 <= end; e += 2) {
        even += X.value[e] * w[X.column[e]];
        odd += X.value[e + 1] * w[X.column[e + 1]];
      }
      if (e < end) {
        even += X.value[e] * w[X.column[e]];
      }
      z[k] = even + odd;
    }
    return;
  }
  for (Index k = 0; k < rows.count(); ++k) {
    const Index i = rows[k];
    double* const zk = z + k * K;
    std::fill_n(zk, K, 0.0);
    for (Index e = X.start[i]; e < X.start[i + 1]; ++e) {
      add_scaled(X.value[e], w + X.column[e] * K, zk, K);
    }
  }
}

template <class C, class V>
void transposed_rows(const SparseRows<C, V>& X, const Rows& rows, Index K, const double* __restrict u,
                     double* __restrict g) {
  if (K == 1) {
    for (Index k = 0; k < rows.count(); ++k) {
      const Index i = rows[k];
      for (Index e = X.start[i]; e < X.start[i + 1]; ++e) {
        g[X.column[e]] += X.value[e] * u[k];
      }
    }
    return;
  }
  for (Index k = 0; k < rows.count(); ++k) {
    const Index i = rows[k];
    for (Index e = X.start[i]; e < X.start[i + 1]; ++e) {
      add_scaled(X.value[e], u + k * K, g + X.column[e] * K, K);
    }
  }
}

template <class C, class V>
void squares_rows(const SparseRows<C, V>& X, const Rows& rows, Index K, const double* u, double* g) {
  for (Index k = 0; k < rows.count(); ++k) {
    const Index i = rows[k];
    for (Index e = X.start[i]; e < X.start[i + 1]; ++e) {
      const double v = X.value[e];
      add_scaled(v * v, u + k * K, g + X.column[e] * K, K);
    }
  }
}

/// Columns rise within a row, so that entry (l, j), l >= j, is in the lower triangle. Four columns of H at
/// once: an index that was loaded serves four sums, each of which gets its one addend of the row as before.
template <class C, class V>
void gram_rows(const SparseRows<C, V>& X, const Rows& rows, Index columns, const double* __restrict d,
               double* __restrict H) {
  for (Index k = 0; k < rows.count(); ++k) {
    const double weight = d[k];
    if (weight == 0) {
      continue;
    }
    const Index i = rows[k];
    const Index end = X.start[i + 1];
    Index a = X.start[i];
    const auto column = [&](Index e) { return H + X.column[e] * columns; };
    for (; a + 4 <= end; a += 4) {
      double* const h[4] = {column(a), column(a + 1), column(a + 2), column(a + 3)};
      const double scaled[4] = {weight * X.value[a], weight * X.value[a + 1], weight * X.value[a + 2],
                                weight * X.value[a + 3]};
      for (int p = 0; p < 4; ++p) {
        for (int q = p; q < 4; ++q) {
          h[p][X.column[a + q]] += scaled[p] * X.value[a + q];
        }
      }
      for (Index b = a + 4; b < end; ++b) {
        const auto row = static_cast<Index>(X.column[b]);
        const double v = X.value[b];
        const double s0 = h[0][row] + scaled[0] * v;
        const double s1 = h[1][row] + scaled[1] * v;
        const double s2 = h[2][row] + scaled[2] * v;
        const double s3 = h[3][row] + scaled[3] * v;
        h[0][row] = s0;
        h[1][row] = s1;
        h[2][row] = s2;
        h[3][row] = s3;
      }
    }
    for (; a < end; ++a) {
      double* const h = column(a);
      const double scaled = weight * X.value[a];
      for (Index b = a; b < end; ++b) {
        h[X.column[b]] += scaled * X.value[b];
      }
    }
  }
}

template <class C, class V>
void gram_rows_many(const SparseRows<C, V>& X, const Rows& rows, Index columns, Index K, const double* d,
                    double* H) {
  const Index stride = columns * K;
  for (Index k = 0; k < rows.count(); ++k) {
    const Index i = rows[k];
    const double* const weight = d + k * K * K;
    const Index end = X.start[i + 1];
    for (Index a = X.start[i]; a < end; ++a) {
      for (Index b = a; b < end; ++b) {
        const double both = X.value[a] * X.value[b];
        double* const block = H + X.column[a] * K * stride + X.column[b] * K;
        for (Index c = 0; c < K; ++c) {
          add_scaled(both, weight + c * K, block + c * stride, K);
        }
      }
    }
  }
}

void forward_rows(const DenseRows& X, const Rows& rows, Index K, const double* w, double* z) {
  for (Index k = 0; k < rows.count(); ++k) {
    const double* const row = X.value + rows[k] * X.columns;
    if (K == 1) {
      z[k] = dot(row, w, X.columns);
      continue;
    }
    double* const zk = z + k * K;
    std::fill_n(zk, K, 0.0);
    for (Index j = 0; j < X.columns; ++j) {
      if (row[j] != 0) {
        add_scaled(row[j], w + j * K, zk, K);
      }
    }
  }
}

void transposed_rows(const DenseRows& X, const Rows& rows, Index K, const double* u, double* g) {
  for (Index k = 0; k < rows.count(); ++k) {
    const double* const row = X.value + rows[k] * X.columns;
    if (K == 1) {
      add_scaled(u[k], row, g, X.columns);
      continue;
    }
    for (Index j = 0; j < X.columns; ++j) {
      if (row[j] != 0) {
        add_scaled(row[j], u + k * K, g + j * K, K);
      }
    }
  }
}

void squares_rows(const DenseRows& X, const Rows& rows, Index K, const double* u, double* g) {
  for (Index k = 0; k < rows.count(); ++k) {
    const double* const row = X.value + rows[k] * X.columns;
    for (Index j = 0; j < X.columns; ++j) {
      add_scaled(row[j] * row[j], u + k * K, g + j * K, K);
    }
  }
}

/// Panels of rows, scaled by the roots of their weights, which are not negative.
void gram_rows(const DenseRows& X, const Rows& rows, Index columns, const double* d, double* H) {
  constexpr Index panel = 64;
  Scratch<double> scaled(panel * columns);
  using Matrix = Eigen::Map<Eigen::MatrixXd>;
  for (Index first = 0; first < rows.count(); first += panel) {
    const Index last = std::min(first + panel, rows.count());
    for (Index k = first; k < last; ++k) {
      const double* const row = X.value + rows[k] * columns;
      const double root = std::sqrt(d[k]);
      double* const to = scaled.data() + (k - first) * columns;
      for (Index j = 0; j < columns; ++j) {
        to[j] = root * row[j];
      }
    }
    Matrix(H, columns, columns)
        .selfadjointView<Eigen::Lower>()
        .rankUpdate(Matrix(scaled.data(), columns, last - first));
  }
}

void gram_rows_many(const DenseRows& X, const Rows& rows, Index columns, Index K, const double* d,
                    double* H) {
  const Index stride = columns * K;
  for (Index k = 0; k < rows.count(); ++k) {
    const double* const row = X.value + rows[k] * columns;
    const double* const weight = d + k * K * K;
    for (Index a = 0; a < columns; ++a) {
      for (Index b = a; b < columns && row[a] != 0; ++b) {
        double* const block = H + a * K * stride + b * K;
        for (Index c = 0; c < K; ++c) {
          add_scaled(row[a] * row[b], weight + c * K, block + c * stride, K);
        }
      }
    }
  }
}

}  // namespace

template <class F>
void FeatureMatrix::visit(const F& f) const {
  const auto with_values = [&](const auto* column) {
    switch (form_) {
      case Form::unit:
        return f(SparseRows<std::decay_t<decltype(*column)>, Ones>{row_start_.data(), column, {}});
      case Form::single:
        return f(SparseRows<std::decay_t<decltype(*column)>, const float*>{row_start_.data(), column,
                                                                           single_.data()});
      default:
        return f(SparseRows<std::decay_t<decltype(*column)>, const double*>{row_start_.data(), column,
                                                                            value_.data()});
    }
  };
  if (form_ == Form::dense) {
    f(DenseRows{value_.data(), columns_});
  } else if (narrow_) {
    with_values(narrow_column_.data());
  } else {
    with_values(column_.data());
  }
}

void FeatureMatrix::forward(const Rows& rows, Index K, const double* w, double* z) const {
  visit([&](const auto& X) { forward_rows(X, rows, K, w, z); });
}

void FeatureMatrix::add_transposed(const Rows& rows, Index K, const double* u, double* g) const {
  visit([&](const auto& X) { transposed_rows(X, rows, K, u, g); });
}

void FeatureMatrix::add_transposed_squares(const Rows& rows, Index K, const double* u, double* g) const {
  visit([&](const auto& X) { squares_rows(X, rows, K, u, g); });
}

void FeatureMatrix::add_gram(const Rows& rows, Index K, const double* d, double* H) const {
  visit([&](const auto& X) {
    if (K == 1) {
      gram_rows(X, rows, columns_, d, H);
    } else {
      gram_rows_many(X, rows, columns_, K, d, H);
    }
  });
}

Index FeatureMatrix::entries_before(Index row) const {
  return sparse() ? row_start_[at(row)] : row * columns_;
}

FeatureMatrix::FeatureMatrix(const Features& features, double bias, std::span<const Index> order)
    : rows_(features.samples), columns_(features.size + (bias != 0 ? 1 : 0)) {
  const Index own = features.size;
  const Index extra = bias != 0 ? 1 : 0;
  const auto sample = [&](Index row) { return order.empty() ? row : order[at(row)]; };
  if (!features.sparse()) {
    entries_ = rows_ * columns_;
    value_.resize(at(entries_));
    for (Index i = 0; i < rows_; ++i) {
      double* const to = value_.data() + i * columns_;
      std::copy_n(features.value.data() + sample(i) * own, own, to);
      if (bias != 0) {
        to[own] = bias;
      }
    }
    count_pairs();
    return;
  }
  narrow_ = columns_ <= 1 + static_cast<Index>(std::numeric_limits<std::uint16_t>::max());
  entries_ = static_cast<Index>(features.value.size()) + extra * rows_;
  const bool ones = (bias == 0 || bias == 1) && std::all_of(features.value.begin(), features.value.end(),
                                                            [](double v) { return v == 1; });
  BulkVector<double> value(ones ? 0 : at(entries_));
  row_start_.resize(at(rows_ + 1));
  const auto fill = [&](auto& column) {
    using Column = typename std::decay_t<decltype(column)>::value_type;
    column.resize(at(entries_));
    Index to = 0;
    for (Index i = 0; i < rows_; ++i) {
      row_start_[at(i)] = to;
      const auto s = at(sample(i));
      for (Index e = features.row_start[s]; e < features.row_start[s + 1]; ++e, ++to) {
        column[at(to)] = static_cast<Column>(features.column[at(e)]);
        if (!ones) {
          value[at(to)] = features.value[at(e)];
        }
      }
      if (bias != 0) {
        column[at(to)] = static_cast<Column>(own);
        if (!ones) {
          value[at(to)] = bias;
        }
        ++to;
      }
    }
    row_start_[at(rows_)] = entries_;
  };
  if (narrow_) {
    fill(narrow_column_);
  } else {
    fill(column_);
  }
  if (ones) {
    form_ = Form::unit;
  } else {
    settle_values(value);
  }
  count_pairs();
}

/// Single precision where every value has it.
void FeatureMatrix::settle_values(const BulkVector<double>& value) {
  const bool exact = std::all_of(value.begin(), value.end(),
                                 [](double v) { return static_cast<double>(static_cast<float>(v)) == v; });
  form_ = exact ? Form::single : Form::full;
  if (exact) {
    single_.resize(value.size());
    std::transform(value.begin(), value.end(), single_.begin(),
                   [](double v) { return static_cast<float>(v); });
  } else {
    value_ = value;
  }
}

void FeatureMatrix::count_pairs() {
  const auto half_square = [](double m) { return 0.5 * m * (m + 1); };
  if (!sparse()) {
    pairs_ = static_cast<double>(rows_) * half_square(static_cast<double>(columns_));
    return;
  }
  for (Index i = 0; i < rows_; ++i) {
    pairs_ += half_square(static_cast<double>(row_start_[at(i + 1)] - row_start_[at(i)]));
  }
}

std::vector<Index> FeatureMatrix::frequencies() const {
  std::vector<Index> out(at(columns_), 0);
  const auto count = [&](const auto& column) {
    for (const auto j : column) {
      ++out[at(static_cast<Index>(j))];
    }
  };
  if (narrow_) {
    count(narrow_column_);
  } else {
    count(column_);
  }
  return out;
}

double FeatureMatrix::complemented_pairs(std::span<const double> complement) const {
  const double exchanged = std::accumulate(complement.begin(), complement.end(), 0.0);
  double out = 0;
  const auto count = [&](const auto& column) {
    for (Index i = 0; i < rows_; ++i) {
      double m = exchanged;
      for (Index e = row_start_[at(i)]; e < row_start_[at(i + 1)]; ++e) {
        m += 1 - 2 * complement[at(static_cast<Index>(column[at(e)]))];
      }
      out += 0.5 * m * (m + 1);
    }
  };
  if (narrow_) {
    count(narrow_column_);
  } else {
    count(column_);
  }
  return out;
}

FeatureMatrix FeatureMatrix::complemented(std::span<const double> complement) const {
  expects(ones(), "FeatureMatrix::complemented: the entries are not all 1");
  std::vector<Index> exchanged;
  for (Index j = 0; j < columns_; ++j) {
    if (complement[at(j)] != 0) {
      exchanged.push_back(j);
    }
  }
  FeatureMatrix out;
  out.rows_ = rows_;
  out.columns_ = columns_;
  out.form_ = form_;
  out.narrow_ = narrow_;
  out.row_start_.reserve(at(rows_ + 1));
  out.row_start_.push_back(0);
  const auto fill = [&](const auto& from, auto& to) {
    using Column = typename std::decay_t<decltype(to)>::value_type;
    to.resize(from.size() + at(rows_) * exchanged.size());
    Column* at_end = to.data();
    for (Index i = 0; i < rows_; ++i) {
      // Both lists rise: a column of `exchanged` is kept where the row lacks it.
      std::size_t next = 0;
      const auto absent_before = [&](Index column) {
        for (; next < exchanged.size() && exchanged[next] < column; ++next) {
          *at_end++ = static_cast<Column>(exchanged[next]);
        }
      };
      for (Index e = row_start_[at(i)]; e < row_start_[at(i + 1)]; ++e) {
        const auto column = static_cast<Index>(from[at(e)]);
        absent_before(column);
        if (next < exchanged.size() && exchanged[next] == column) {
          ++next;
        } else {
          *at_end++ = static_cast<Column>(column);
        }
      }
      absent_before(columns_);
      out.row_start_.push_back(at_end - to.data());
    }
    to.resize(at(out.row_start_.back()));
  };
  if (narrow_) {
    fill(narrow_column_, out.narrow_column_);
  } else {
    fill(column_, out.column_);
  }
  out.entries_ = out.row_start_.back();
  out.count_pairs();
  return out;
}

FeatureMatrix FeatureMatrix::transposed() const {
  expects(sparse(), "FeatureMatrix::transposed: the matrix is dense");
  FeatureMatrix out;
  out.rows_ = columns_;
  out.columns_ = rows_;
  out.entries_ = entries_;
  out.form_ = form_;
  out.row_start_.assign(at(columns_ + 1), 0);
  visit([&](const auto& X) {
    if constexpr (!std::is_same_v<std::decay_t<decltype(X)>, DenseRows>) {
      for (Index e = 0; e < entries_; ++e) {
        ++out.row_start_[at(static_cast<Index>(X.column[e]) + 1)];
      }
      for (Index j = 0; j < columns_; ++j) {
        out.row_start_[at(j + 1)] += out.row_start_[at(j)];
      }
      std::vector<Index> next(out.row_start_.begin(), out.row_start_.end() - 1);
      out.column_.resize(at(entries_));
      out.single_.resize(form_ == Form::single ? at(entries_) : 0);
      out.value_.resize(form_ == Form::full ? at(entries_) : 0);
      for (Index i = 0; i < rows_; ++i) {
        for (Index e = X.start[i]; e < X.start[i + 1]; ++e) {
          const Index to = next[at(static_cast<Index>(X.column[e]))]++;
          out.column_[at(to)] = static_cast<std::int32_t>(i);
          if (form_ == Form::single) {
            out.single_[at(to)] = static_cast<float>(X.value[e]);
          } else if (form_ == Form::full) {
            out.value_[at(to)] = X.value[e];
          }
        }
      }
    }
  });
  out.count_pairs();
  return out;
}

}  // namespace kappa::detail
