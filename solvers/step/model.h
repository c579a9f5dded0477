// What the step solvers share: the model in a form they can factor, and reports that never carry a NaN.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "kappa/step.h"

namespace kappa::detail {

/// The value of a control of the expected type C; `who` names the solver in the message.
template <class C>
double control_value(const Control& control, const char* who) {
  const C* given = std::get_if<C>(&control);
  expects(given != nullptr, who);
  return given->value;
}

/// A report of a step that did not come about; the step is zero.
StepReport no_step(StepStatus status, VectorRef step, Index blame = -1);

/// The report itself if it and the step are finite, otherwise no_step(failed).
StepReport checked(const StepReport& report, VectorRef step);

/// Where damping shapes the step: lambda |d|^2 in the metric makes up more than a tenth of the predicted
/// decrease. The fraction is a convention; it tells a Gauss-Newton or Newton step from one cut short.
StepReport::Limit damping_limit(double damping, double norm, double predicted_decrease);

/// B as numbers: its diagonal where B is diagonal, otherwise the dense matrix.
///
/// An operator that offers a diagonal and nothing else is taken as diagonal after a test: B v and D v must
/// agree for a vector v without structure. So products with an exact diagonal are not mistaken for one.
class DenseModel {
 public:
  /// Why a dense factorization of B is out of the question, or nothing.
  static std::optional<std::string> unfit(const SymmetricOperator& B, const char* solver, Index limit,
                                          const char* remedy);

  /// False where the matrix is not finite.
  bool load(const SymmetricOperator& B);

  bool is_diagonal() const { return is_diagonal_; }
  /// The diagonal of B, in both forms.
  ConstVectorRef diagonal() const { return diagonal_; }
  /// Symmetric, column-major; empty where is_diagonal().
  ConstMatrixRef matrix() const { return {matrix_.data(), n_, n_, n_}; }
  Index size() const { return n_; }

  /// v'B v.
  double quadratic(ConstVectorRef v) const;

 private:
  Index n_ = 0;
  bool is_diagonal_ = false;
  std::vector<double> matrix_, diagonal_, unit_, column_;
};

}  // namespace kappa::detail
