// Robust losses rho(s) of a squared residual norm s = |r|^2; the objective is 1/2 sum rho(|r_b|^2).
// All are scaled so that rho(s) ~ s at 0 (a is where the outlier region begins). Formulas: Triggs,
// McLauchlan, Hartley & Fitzgibbon 2000, and Hartley & Zisserman 2004, appendix 6.8.
#pragma once

#include <array>
#include <memory>

#include "kappa/base.h"

namespace kappa {

/// rho, rho', rho'' at s.
struct LossValue {
  double rho;
  double first;
  double second;
};

/// A loss of the user's own. Thread-safe; rho(0) = 0, rho' >= 0.
class LossFunction {
 public:
  virtual ~LossFunction() = default;
  virtual LossValue evaluate(double s) const = 0;
};

/// A value type: kind, scale a and weight.
class Loss {
 public:
  Loss() = default;  ///< rho(s) = s

  LossValue evaluate(double s) const;
  bool trivial() const { return kind_ == Kind::trivial && weight_ == 1; }

  friend Loss huber(double a);                          ///< s, then 2 a sqrt(s) - a^2
  friend Loss soft_l1(double a);                        ///< 2 a^2 (sqrt(1 + s/a^2) - 1)
  friend Loss cauchy(double a);                         ///< a^2 log(1 + s/a^2)
  friend Loss arctan(double a);                         ///< a atan(s/a)
  friend Loss tukey(double a);                          ///< a^2/3 (1 - (1 - s/a^2)^3), then a^2/3
  friend Loss scaled(const Loss& loss, double weight);  ///< weight rho(s), weight >= 0
  friend Loss custom(std::shared_ptr<const LossFunction> function);
  friend bool operator==(const Loss&, const Loss&) = default;

 private:
  enum class Kind : unsigned char { trivial, huber, soft_l1, cauchy, arctan, tukey, custom };
  Kind kind_ = Kind::trivial;
  double a_ = 1;
  double weight_ = 1;
  std::shared_ptr<const LossFunction> function_;
};

Loss huber(double a);
Loss soft_l1(double a);
Loss cauchy(double a);
Loss arctan(double a);
Loss tukey(double a);
Loss scaled(const Loss& loss, double weight);
Loss custom(std::shared_ptr<const LossFunction> function);

}  // namespace kappa
