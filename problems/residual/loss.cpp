// Robust losses: rho, rho' and rho'' at s = |r|^2. See loss.h for the formulas and their source.
#include "kappa/loss.h"

#include <cmath>
#include <string>

namespace kappa {
namespace {

double checked_scale(const char* loss, double a) {
  // Written so that NaN fails.
  if (!(a > 0 && std::isfinite(a * a))) {
    throw Error(std::string(loss) + ": the scale a is " + std::to_string(a) +
                ", but must be positive: it is the residual norm where the outlier region begins");
  }
  return a;
}

}  // namespace

LossValue Loss::evaluate(double s) const {
  LossValue v{s, 1, 0};
  const double aa = a_ * a_;
  switch (kind_) {
    case Kind::trivial:
      break;
    case Kind::huber:
      if (s > aa) {
        const double root = std::sqrt(s);
        const double slope = a_ / root;
        v = {2 * a_ * root - aa, slope, -slope / (2 * s)};
      }
      break;
    case Kind::soft_l1: {
      const double t = 1 + s / aa;
      const double root = std::sqrt(t);
      // 2 a^2 (root - 1) without the cancellation at small s.
      v = {2 * s / (root + 1), 1 / root, -1 / (2 * aa * t * root)};
      break;
    }
    case Kind::cauchy: {
      const double inverse = 1 / (1 + s / aa);
      v = {aa * std::log1p(s / aa), inverse, -inverse * inverse / aa};
      break;
    }
    case Kind::arctan: {
      const double inverse = 1 / (1 + s * s / aa);
      v = {a_ * std::atan(s / a_), inverse, -2 * s * inverse * inverse / aa};
      break;
    }
    case Kind::tukey:
      if (s <= aa) {
        const double t = s / aa;
        // 1 - (1 - t)^3 = t (3 - 3 t + t^2)
        v = {s * (3 - t * (3 - t)) / 3, (1 - t) * (1 - t), -2 * (1 - t) / aa};
      } else {
        // NaN comes here too, and must not become a finite loss.
        v = {std::isnan(s) ? s : aa / 3, 0, 0};
      }
      break;
    case Kind::custom:
      v = function_->evaluate(s);
      break;
  }
  return {weight_ * v.rho, weight_ * v.first, weight_ * v.second};
}

Loss huber(double a) {
  Loss loss;
  loss.kind_ = Loss::Kind::huber;
  loss.a_ = checked_scale("huber", a);
  return loss;
}

Loss soft_l1(double a) {
  Loss loss;
  loss.kind_ = Loss::Kind::soft_l1;
  loss.a_ = checked_scale("soft_l1", a);
  return loss;
}

Loss cauchy(double a) {
  Loss loss;
  loss.kind_ = Loss::Kind::cauchy;
  loss.a_ = checked_scale("cauchy", a);
  return loss;
}

Loss arctan(double a) {
  Loss loss;
  loss.kind_ = Loss::Kind::arctan;
  loss.a_ = checked_scale("arctan", a);
  return loss;
}

Loss tukey(double a) {
  Loss loss;
  loss.kind_ = Loss::Kind::tukey;
  loss.a_ = checked_scale("tukey", a);
  return loss;
}

Loss scaled(const Loss& loss, double weight) {
  if (!(weight >= 0 && std::isfinite(weight))) {
    throw Error("scaled: the weight of a loss is " + std::to_string(weight) +
                ", but must be finite and not negative");
  }
  Loss out = loss;
  out.weight_ *= weight;
  return out;
}

Loss custom(std::shared_ptr<const LossFunction> function) {
  if (function == nullptr) {
    throw Error("custom: there is no loss function; pass a LossFunction, or Loss() for rho(s) = s");
  }
  Loss loss;
  loss.kind_ = Loss::Kind::custom;
  loss.function_ = std::move(function);
  return loss;
}

}  // namespace kappa
