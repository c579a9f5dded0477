// Regularised linear models: logistic regression, binary and multinomial.
//
//   binary        f(w) = l2/2 |w|^2 + C sum_i s_i log(1 + exp(-y_i w'x_i)),      y_i = +1 for class 1, -1 for
//   class 0 multinomial   f(W) = l2/2 |W|^2 + C sum_i s_i (log sum_c exp(w_c'x_i) - w_{t_i}'x_i)
//
// With l2 = 1 and s = 1 the first is LIBLINEAR's objective, to the last factor (solver L2R_LR; bias as
// there). Both are convex, and strictly so for l2 > 0.
//
// Since logit and softmax are canonical links, the Hessian does not depend on the targets: exact,
// gauss_newton and fisher are one matrix, X'DX + l2 I with D = C s p(1 - p), and all three names give it.
// empirical_fisher is another one: sum_i C s_i g_i g_i' + l2 I, where g_i is the gradient of term i alone,
// without its weight.
//
// Sparse features are kept in rows with the shortest column numbers that suffice and without values where all
// are 1. Losses are computed from margins of any size without overflow or cancellation. Cost per evaluation:
// one pass over the features, which gives value, gradient and D at once; per product one pass; the dense
// matrix half the sum of the squared numbers of entries of the rows. Each is parallel over fixed parts of the
// samples, with the same bits for every number of threads.
//
// Reference: Hastie, Tibshirani & Friedman, The Elements of Statistical Learning, 2009, sec. 4.4; Lin, Weng &
// Keerthi, Trust region Newton method for large-scale logistic regression, JMLR 9 (2008), eq. 3 and 9.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "kappa/data.h"
#include "kappa/problem.h"

namespace kappa {

struct LogisticOptions {
  double C = 1;   ///< weight of the losses, as in LIBLINEAR; positive
  double l2 = 1;  ///< weight of |w|^2 / 2; 0 leaves maximum likelihood, which may have no minimum
  /// Value of a feature that is added behind the others and is the same for all samples (LIBLINEAR's -B);
  /// 0: none. Its weight is the intercept divided by it.
  double bias = 0;
  /// Whether the regularisation includes the weights of that feature (LIBLINEAR: yes).
  enum class Intercept : std::uint8_t { regularised, free } intercept = Intercept::regularised;
  /// Two classes: one weight a feature, for the second class; or a weight for each class.
  enum class TwoClasses : std::uint8_t { binary, multinomial } two_classes = TwoClasses::binary;
  std::vector<double> sample_weight = {};      ///< s; empty: all 1. Not negative
  std::vector<double> lower = {}, upper = {};  ///< bounds on the weights, dimension() long; empty: none
};

/// Logistic regression on a data set of which it keeps a copy in its own form.
///
/// Binary: x[j] is the weight of feature j. Multinomial with K classes: x[j * K + c] is that for class c, so
/// that the weights of a feature are neighbours. The bias is the last feature.
class LogisticRegression final : public Problem {
 public:
  /// Throws Error for data without classes, fewer than two classes, a label that is none of them, features
  /// that are not finite or do not fit their counts, and options out of range.
  explicit LogisticRegression(const Dataset& data, const LogisticOptions& options = {});
  ~LogisticRegression() override;
  LogisticRegression(LogisticRegression&&) noexcept;
  LogisticRegression& operator=(LogisticRegression&&) noexcept;

  Index dimension() const override;
  Bounds bounds() const override;
  Index terms() const override;  ///< samples
  ModelSet models() const override;
  EvalStatus evaluate(const Request& request, Evaluation& evaluation) const override;
  std::string variable_name(Index i) const override;
  /// accuracy: the share of samples whose class is the likeliest (ties: the lowest); log-loss: the mean of
  /// -log p of the true class. Sample weights and C do not enter.
  std::vector<Measure> measures(ConstVectorRef x) const override;
  std::vector<std::string> notes(ModelSet models) const override;

  Index classes() const;
  Index features() const;  ///< with the bias, where there is one
  /// Zeros: every class is as likely.
  std::vector<double> initial() const;
  /// out[i * classes() + c] = probability of class c for sample i.
  void probabilities(ConstVectorRef x, VectorRef out) const;

 private:
  struct Impl;
  std::unique_ptr<const Impl> impl_;
};

}  // namespace kappa
