// Logistic regression: value, gradient and the curvature of each sample's loss in one pass over the features,
// and products, diagonal and dense matrix from the latter. The formulas are in kappa/linear_model.h.
#include <algorithm>
#include <atomic>
#include <cmath>

#include "core/parallel.h"
#include "core/scratch.h"
#include "core/vector.h"
#include "kappa/random.h"
#include "problems/learning/logistic_loss.h"
#include "problems/learning/logistic_model.h"

namespace kappa {

namespace {

using detail::LogisticModel;
using detail::Rows;
using detail::Scratch;

constexpr Index block_rows = 256;  // what is done to a row is done while this many are in the cache

std::size_t at(Index i) {
  return static_cast<std::size_t>(i);
}

/// The samples of an evaluation, the chunks they are worked on in, and the factor of their terms.
class Draw {
 public:
  explicit Draw(const LogisticModel& model)
      : rows_{0, model.samples(), nullptr}, chunks_(&model.row_chunks) {}
  Draw(const LogisticModel& model, std::span<const Index> terms)
      : rows_{0, static_cast<Index>(terms.size()), terms.data()},
        scale_(static_cast<double>(model.samples()) / static_cast<double>(terms.size())) {
    // A sample's chunks are as large as the whole set's are on average; with X' in rows there is one, since
    // the sums of several would take longer than the work.
    const auto most = static_cast<Index>(model.row_chunks.size()) - 1;
    const Index size = std::max<Index>(1, model.samples() / most);
    pieces_ = {rows_.count(), model.Xt.has_value() ? std::max<Index>(1, rows_.count()) : size};
  }

  bool whole() const { return chunks_ != nullptr; }
  const Rows& rows() const { return rows_; }
  double scale() const { return scale_; }
  Index chunks() const { return whole() ? static_cast<Index>(chunks_->size()) - 1 : pieces_.chunks(); }
  Index begin(Index chunk) const { return whole() ? (*chunks_)[at(chunk)] : pieces_.begin(chunk); }
  Index end(Index chunk) const { return whole() ? (*chunks_)[at(chunk + 1)] : pieces_.end(chunk); }
  void cut_by(const std::vector<Index>& chunks) { chunks_ = whole() ? &chunks : nullptr; }

 private:
  Rows rows_;
  const std::vector<Index>* chunks_ = nullptr;
  detail::Partition pieces_;
  double scale_ = 1;
};

/// out = sum over the chunks of X_rows' u, where body(chunk, rows, first, z) turns z = X_rows w into u in
/// place; `first` is the number of the first row within the draw. Without `w` the z are not set.
template <class Body>
void pass(const LogisticModel& model, const Draw& draw, const double* w, double* out, const Body& body) {
  const Index K = model.outputs;
  const Index n = model.dimension();
  const double work = 4 * model.pass_work();
  const bool by_columns = model.Xt.has_value() && draw.whole();
  Scratch<double> kept(by_columns ? draw.rows().count() * K : 1);
  Scratch<double> sums(by_columns ? 1 : draw.chunks() * n);
  double* const all = kept.data();
  double* const partial = sums.data();
  detail::for_each_chunk(draw.chunks(), work, [&](Index chunk) {
    double* const sum = partial + chunk * n;
    if (!by_columns) {
      std::fill_n(sum, n, 0.0);
    }
    Scratch<double> block(block_rows * K);
    for (Index first = draw.begin(chunk); first < draw.end(chunk); first += block_rows) {
      const Rows rows = draw.rows().part(first, std::min(first + block_rows, draw.end(chunk)));
      double* const z = by_columns ? all + first * K : block.data();
      if (w != nullptr) {
        model.X.forward(rows, K, w, z);
      }
      body(chunk, rows, first, z);
      if (!by_columns) {
        model.X.add_transposed(rows, K, z, sum);
      }
    }
  });
  if (by_columns) {
    detail::for_each_chunk(static_cast<Index>(model.column_chunks.size()) - 1, work, [&](Index chunk) {
      const Index begin = model.column_chunks[at(chunk)];
      model.Xt->forward({begin, model.column_chunks[at(chunk + 1)], nullptr}, K, all, out + begin * K);
    });
    return;
  }
  std::copy_n(partial, n, out);
  for (Index chunk = 1; chunk < draw.chunks(); ++chunk) {
    detail::add_scaled(1.0, partial + chunk * n, out, n);
  }
}

double sum(const double* v, Index count) {
  double s[8] = {};
  Index i = 0;
  for (; i + 8 <= count; i += 8) {
    for (int k = 0; k < 8; ++k) {
      s[k] += v[i + k];
    }
  }
  for (; i < count; ++i) {
    s[0] += v[i];
  }
  return ((s[0] + s[4]) + (s[2] + s[6])) + ((s[1] + s[5]) + (s[3] + s[7]));
}

/// p = softmax of z in place; returns log sum exp z.
double softmax(double* z, Index K) {
  const double top = *std::max_element(z, z + K);
  double sum = 0;
  for (Index c = 0; c < K; ++c) {
    z[c] = detail::exp_of_negative(z[c] - top);
    sum += z[c];
  }
  for (Index c = 0; c < K; ++c) {
    z[c] /= sum;
  }
  return top + std::log(sum);
}

class LogisticLinearization final : public Linearization {
 public:
  /// Value and gradient at x; keeps what the second derivatives need. False where it was interrupted.
  bool evaluate(const LogisticModel& model, const Request& request, Evaluation& evaluation);

  Index size() const override { return model_->dimension(); }
  Offers offers(Model) const override {
    return {.diagonal = true,
            .dense = offers_dense(),
            .dense_work = model_->gram_work(),
            .product_work = 2 * model_->pass_work()};
  }
  void product(Model model, ConstVectorRef v, VectorRef out) const override;
  bool diagonal(Model model, VectorRef out) const override;
  bool dense(Model model, MatrixRef out) const override;
  bool sampled_gradient(std::uint64_t draw, VectorRef out) const override;

 private:
  struct BinaryBlock;

  bool offers_dense() const { return size() <= detail::most_dense; }
  static bool empirical(Model model) {
    expects(model == Model::exact || model == Model::gauss_newton || model == Model::fisher ||
                model == Model::empirical_fisher,
            "LogisticRegression: it offers exact, gauss-newton, fisher and empirical-fisher");
    return model == Model::empirical_fisher;
  }
  Draw draw() const { return list_.empty() ? Draw(*model_) : Draw(*model_, list_); }
  double weight(const Rows& rows, Index k) const { return scale_ * model_->weight(rows[k]); }
  double binary_losses(const Rows& rows, Index first, double* z);
  double softmax_losses(const Rows& rows, Index first, double* z);
  double binary_curvature(const Rows& rows, Index first, Index k, bool empirical) const;
  void times_curvature(const Rows& rows, Index first, bool empirical, double* z) const;
  void curvature_of_outputs(const Rows& rows, Index first, bool empirical, double* d) const;
  void add_regularisation(VectorRef out, ConstVectorRef v) const;

  const LogisticModel* model_ = nullptr;
  std::vector<Index> list_;  ///< the rows of a sample
  double scale_ = 1;
  /// Binary: the second derivative of each sample's loss, and -y s. Multinomial: the probabilities.
  BulkVector<double> curvature_, residual_, probability_;
};

/// Losses of a block of rows of a binary model, whose margins z become the weighted residuals.
double LogisticLinearization::binary_losses(const Rows& rows, Index first, double* z) {
  double loss[block_rows];
  double sign[block_rows];
  const Index count = rows.count();
  for (Index k = 0; k < count; ++k) {
    sign[k] = model_->sign[at(rows[k])];
  }
  double* const residual = residual_.data() + first;
  detail::binary_losses({count, z, sign, loss, residual, curvature_.data() + first});
  for (Index k = 0; k < count; ++k) {
    const double c = weight(rows, k);
    z[k] = c * residual[k];
    loss[k] *= c;
  }
  return sum(loss, count);
}

double LogisticLinearization::softmax_losses(const Rows& rows, Index first, double* z) {
  const Index K = model_->outputs;
  double sum = 0;
  for (Index k = 0; k < rows.count(); ++k) {
    double* const zk = z + k * K;
    const Index t = model_->label[at(rows[k])];
    const double of_target = zk[t];
    const double c = weight(rows, k);
    sum += c * (softmax(zk, K) - of_target);
    std::copy_n(zk, K, probability_.data() + (first + k) * K);
    zk[t] -= 1;
    for (Index e = 0; e < K; ++e) {
      zk[e] *= c;
    }
  }
  return sum;
}

bool LogisticLinearization::evaluate(const LogisticModel& model, const Request& request,
                                     Evaluation& evaluation) {
  model_ = &model;
  list_.clear();
  for (const Index sample : request.sample.terms) {
    list_.push_back(model.row_of(sample));
  }
  const Draw samples = draw();
  scale_ = samples.scale();
  const Index K = model.outputs;
  const Index count = samples.rows().count();
  if (K == 1) {
    curvature_.resize(at(count));
    residual_.resize(at(count));
  } else {
    probability_.resize(at(count * K));
  }
  const ConstVectorRef x = evaluation.x;
  evaluation.gradient.resize(x.size());
  Scratch<double> losses(samples.chunks());
  std::fill_n(losses.data(), samples.chunks(), 0.0);
  double* const loss = losses.data();
  std::atomic<bool> interrupted = false;
  pass(model, samples, x.data(), evaluation.gradient.data(),
       [&](Index chunk, const Rows& rows, Index first, double* z) {
         if (request.interrupt != nullptr && request.interrupt->requested()) {
           interrupted.store(true, std::memory_order_relaxed);
         }
         loss[chunk] += K == 1 ? binary_losses(rows, first, z) : softmax_losses(rows, first, z);
       });
  if (interrupted.load(std::memory_order_relaxed)) {
    return false;
  }
  double value = 0;
  for (Index chunk = 0; chunk < samples.chunks(); ++chunk) {
    value += loss[chunk];
  }
  const Index regularised = model.regularised();
  evaluation.value = value + 0.5 * model.l2 * detail::dot(x.data(), x.data(), regularised);
  detail::add_scaled(model.l2, x.data(), evaluation.gradient.data(), regularised);
  return true;
}

double LogisticLinearization::binary_curvature(const Rows& rows, Index first, Index k, bool empirical) const {
  const double r = residual_[at(first + k)];
  return weight(rows, k) * (empirical ? r * r : curvature_[at(first + k)]);
}

/// z := D z for the outputs of a block of rows.
void LogisticLinearization::times_curvature(const Rows& rows, Index first, bool empirical, double* z) const {
  const Index K = model_->outputs;
  if (K == 1) {
    for (Index k = 0; k < rows.count(); ++k) {
      z[k] *= binary_curvature(rows, first, k, empirical);
    }
    return;
  }
  for (Index k = 0; k < rows.count(); ++k) {
    const double* const p = probability_.data() + (first + k) * K;
    double* const zk = z + k * K;
    const Index t = model_->label[at(rows[k])];
    const double c = weight(rows, k);
    double mean = 0;
    for (Index e = 0; e < K; ++e) {
      mean += p[e] * zk[e];
    }
    if (empirical) {  // r (r'z) with r = p - e_t
      const double along = c * (mean - zk[t]);
      for (Index e = 0; e < K; ++e) {
        zk[e] = along * (p[e] - (e == t ? 1.0 : 0.0));
      }
    } else {
      for (Index e = 0; e < K; ++e) {
        zk[e] = c * p[e] * (zk[e] - mean);
      }
    }
  }
}

/// The K x K matrices D of a block of rows.
void LogisticLinearization::curvature_of_outputs(const Rows& rows, Index first, bool empirical,
                                                 double* d) const {
  const Index K = model_->outputs;
  for (Index k = 0; k < rows.count(); ++k) {
    if (K == 1) {
      d[k] = binary_curvature(rows, first, k, empirical);
      continue;
    }
    const double* const p = probability_.data() + (first + k) * K;
    const Index t = model_->label[at(rows[k])];
    const double c = weight(rows, k);
    for (Index e = 0; e < K; ++e) {
      for (Index f = 0; f < K; ++f) {
        const double re = p[e] - (e == t ? 1.0 : 0.0);
        const double rf = p[f] - (f == t ? 1.0 : 0.0);
        d[(k * K + e) * K + f] = c * (empirical ? re * rf : p[e] * ((e == f ? 1.0 : 0.0) - p[f]));
      }
    }
  }
}

void LogisticLinearization::add_regularisation(VectorRef out, ConstVectorRef v) const {
  detail::add_scaled(model_->l2, v.data(), out.data(), model_->regularised());
}

void LogisticLinearization::product(Model model, ConstVectorRef v, VectorRef out) const {
  const bool outer = empirical(model);
  expects(static_cast<Index>(v.size()) == size() && v.size() == out.size(),
          "LogisticRegression: product takes vectors as long as the problem");
  pass(*model_, draw(), v.data(), out.data(),
       [&](Index, const Rows& rows, Index first, double* z) { times_curvature(rows, first, outer, z); });
  add_regularisation(out, v);
}

bool LogisticLinearization::diagonal(Model model, VectorRef out) const {
  const bool outer = empirical(model);
  const Index K = model_->outputs;
  const Draw samples = draw();
  Scratch<double> d(block_rows * K * K);
  Scratch<double> u(block_rows * K);
  std::fill(out.begin(), out.end(), 0.0);
  for (Index first = 0; first < samples.rows().count(); first += block_rows) {
    const Rows rows = samples.rows().part(first, std::min(first + block_rows, samples.rows().count()));
    curvature_of_outputs(rows, first, outer, d.data());
    for (Index k = 0; k < rows.count(); ++k) {
      for (Index e = 0; e < K; ++e) {
        u[k * K + e] = d[(k * K + e) * K + e];
      }
    }
    model_->X.add_transposed_squares(rows, K, u.data(), out.data());
  }
  for (Index j = 0; j < model_->regularised(); ++j) {
    out[at(j)] += model_->l2;
  }
  return true;
}

bool LogisticLinearization::dense(Model model, MatrixRef out) const {
  const bool outer = empirical(model);
  if (!offers_dense()) {
    return false;
  }
  const Index n = size();
  const Index K = model_->outputs;
  Draw samples = draw();
  samples.cut_by(model_->gram_chunks);
  const Index chunks = samples.chunks();
  const detail::FeatureMatrix& X = model_->complement ? model_->complement->X : model_->X;
  Scratch<double> sums(chunks * n * n);
  Scratch<double> totals(chunks);
  double* const partial = sums.data();
  double* const total = totals.data();
  detail::for_each_chunk(chunks, model_->gram_work(), [&](Index chunk) {
    double* const H = partial + chunk * n * n;
    std::fill_n(H, n * n, 0.0);
    total[chunk] = 0;
    Scratch<double> d(block_rows * K * K);
    for (Index first = samples.begin(chunk); first < samples.end(chunk); first += block_rows) {
      const Rows rows = samples.rows().part(first, std::min(first + block_rows, samples.end(chunk)));
      curvature_of_outputs(rows, first, outer, d.data());
      X.add_gram(rows, K, d.data(), H);
      total[chunk] += sum(d.data(), rows.count());
    }
  });
  const detail::Partition columns{n, 32};
  detail::for_each_chunk(columns.chunks(), static_cast<double>(chunks * n * n) / 2, [&](Index part) {
    for (Index j = columns.begin(part); j < columns.end(part); ++j) {
      // Of a block on the diagonal the lower triangle is taken, whatever else was summed there.
      double* const column = out.column(j) + j;
      std::copy_n(partial + j * n + j, n - j, column);
      for (Index chunk = 1; chunk < chunks; ++chunk) {
        detail::add_scaled(1.0, partial + (chunk * n + j) * n + j, column, n - j);
      }
    }
  });
  if (model_->complement) {
    model_->complement->restore(out, sum(total, chunks));
  }
  for (Index j = 0; j < model_->regularised(); ++j) {
    out(j, j) += model_->l2;
  }
  for (Index j = 0; j < n; ++j) {
    for (Index i = j + 1; i < n; ++i) {
      out(j, i) = out(i, j);
    }
  }
  return true;
}

bool LogisticLinearization::sampled_gradient(std::uint64_t number, VectorRef out) const {
  const Index K = model_->outputs;
  const CounterRandom random(number, 0x4C6F67);
  pass(*model_, draw(), nullptr, out.data(), [&](Index, const Rows& rows, Index first, double* z) {
    for (Index k = 0; k < rows.count(); ++k) {
      const double u = random.uniform(static_cast<std::uint64_t>(rows[k]));
      const double c = weight(rows, k);
      if (K == 1) {
        // residual = p - t with the class 1's probability p.
        const double p = residual_[at(first + k)] + (model_->sign[at(rows[k])] > 0 ? 1.0 : 0.0);
        z[k] = c * (p - (u < p ? 1.0 : 0.0));
        continue;
      }
      const double* const p = probability_.data() + (first + k) * K;
      Index drawn = 0;
      for (double sum = p[0]; drawn + 1 < K && u >= sum; sum += p[drawn]) {
        ++drawn;
      }
      for (Index e = 0; e < K; ++e) {
        z[k * K + e] = c * (p[e] - (e == drawn ? 1.0 : 0.0));
      }
    }
  });
  return true;
}

}  // namespace

struct LogisticRegression::Impl : LogisticModel {
  using LogisticModel::LogisticModel;
};

LogisticRegression::LogisticRegression(const Dataset& data, const LogisticOptions& options)
    : impl_(std::make_unique<const Impl>(data, options)) {}
LogisticRegression::~LogisticRegression() = default;
LogisticRegression::LogisticRegression(LogisticRegression&&) noexcept = default;
LogisticRegression& LogisticRegression::operator=(LogisticRegression&&) noexcept = default;

Index LogisticRegression::dimension() const {
  return impl_->dimension();
}
Bounds LogisticRegression::bounds() const {
  return {impl_->lower, impl_->upper, {}};
}
Index LogisticRegression::terms() const {
  return impl_->samples();
}
ModelSet LogisticRegression::models() const {
  return {Model::exact, Model::gauss_newton, Model::fisher, Model::empirical_fisher};
}
Index LogisticRegression::classes() const {
  return static_cast<Index>(impl_->class_name.size());
}
Index LogisticRegression::features() const {
  return impl_->X.columns();
}
std::vector<double> LogisticRegression::initial() const {
  return std::vector<double>(at(dimension()), 0.0);
}

EvalStatus LogisticRegression::evaluate(const Request& request, Evaluation& evaluation) const {
  expects(static_cast<Index>(evaluation.x.size()) == dimension(),
          "LogisticRegression::evaluate: x is not dimension() long");
  expects(models().contains(request.models),
          "LogisticRegression::evaluate: it offers exact, gauss-newton, fisher and empirical-fisher");
  if (request.interrupt != nullptr && request.interrupt->requested()) {
    return EvalStatus::interrupted;
  }
  // One pass gives all there is, so whatever is asked for first, the rest costs nothing more.
  constexpr Want all = Want::value | Want::gradient | Want::linearization;
  auto* linearization = dynamic_cast<LogisticLinearization*>(evaluation.linearization.get());
  if (linearization != nullptr && includes(evaluation.have, all)) {
    return EvalStatus::ok;
  }
  if (linearization == nullptr) {
    auto made = std::make_unique<LogisticLinearization>();
    linearization = made.get();
    evaluation.linearization = std::move(made);
  }
  if (!linearization->evaluate(*impl_, request, evaluation)) {
    return EvalStatus::interrupted;
  }
  evaluation.have = evaluation.have | all;
  evaluation.models.insert(models());
  return EvalStatus::ok;
}

std::string LogisticRegression::variable_name(Index i) const {
  const Index K = impl_->outputs;
  const Index feature = i / K;
  const bool bias = impl_->has_bias && feature + 1 == impl_->X.columns();
  return (bias ? std::string("bias") : "feature " + std::to_string(feature)) +
         (K > 1 ? ", class " + impl_->class_name[at(i % K)] : std::string());
}

std::vector<std::string> LogisticRegression::notes(ModelSet) const {
  std::vector<std::string> out;
  if (impl_->outputs > 1 && impl_->l2 == 0) {
    out.emplace_back(
        "without l2 the weights of all classes may be moved together without changing a probability");
  }
  return out;
}

void LogisticRegression::probabilities(ConstVectorRef x, VectorRef out) const {
  const Index K = classes();
  expects(static_cast<Index>(x.size()) == dimension() && static_cast<Index>(out.size()) == terms() * K,
          "LogisticRegression::probabilities: x must be dimension() long, out terms() * classes()");
  Scratch<double> margins(terms() * impl_->outputs);
  impl_->X.forward({0, terms(), nullptr}, impl_->outputs, x.data(), margins.data());
  for (Index i = 0; i < terms(); ++i) {
    double* const p = out.data() + i * K;
    const Index row = impl_->row_of(i);
    if (impl_->outputs == 1) {
      p[0] = 0;
      p[1] = margins[row];
    } else {
      std::copy_n(margins.data() + row * K, K, p);
    }
    softmax(p, K);
  }
}

std::vector<Measure> LogisticRegression::measures(ConstVectorRef x) const {
  const Index K = classes();
  expects(static_cast<Index>(x.size()) == dimension(),
          "LogisticRegression::measures: x is not dimension() long");
  Scratch<double> margins(terms() * impl_->outputs);
  impl_->X.forward({0, terms(), nullptr}, impl_->outputs, x.data(), margins.data());
  Index right = 0;
  double loss = 0;
  Scratch<double> z(K);
  for (Index i = 0; i < terms(); ++i) {
    if (impl_->outputs == 1) {
      z[0] = 0;
      z[1] = margins[i];
    } else {
      std::copy_n(margins.data() + i * K, K, z.data());
    }
    const Index t = impl_->label[at(i)];
    right += std::max_element(z.data(), z.data() + K) - z.data() == t ? 1 : 0;
    const double of_target = z[t];
    loss += softmax(z.data(), K) - of_target;
  }
  const auto samples = static_cast<double>(terms());
  return {{"accuracy", static_cast<double>(right) / samples, Measure::Better::higher},
          {"log-loss", loss / samples, Measure::Better::lower}};
}

}  // namespace kappa
