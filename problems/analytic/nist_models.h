// The models of NIST's regression problems as residual functors, one scalar residual y - m(x; b) for each
// observation, and the way from a problem known at run time to its functor type.
//
// A functor is evaluated with any scalar T that has arithmetic with double and the elementary functions,
// found by argument-dependent lookup: double, long double, and the Jets of kappa and of Ceres, to which it
// can be handed as it is. A parameter outside the model's domain (such as a negative base of a power) gives
// a residual that is not a number, not a failure.
//
// Cost: a few flops and at most six elementary functions per residual.
//
// Reference: NIST, Statistical Reference Datasets, Nonlinear Regression (1999). MGH09, MGH10 and MGH17 are
// problems 15, 16 and 17 of More, Garbow, Hillstrom, ACM TOMS 7 (1981), section 3.
#pragma once

#include <cmath>
#include <numbers>

#include "problems/analytic/nist.h"

namespace kappa {
namespace nist {

/// An observation with one predictor.
struct Observation {
  double y;
  double x;
};

/// m = b1 (1 - exp(-b2 x)); also BoxBOD's.
struct Misra1a : Observation {
  static constexpr int parameters = 2;
  static Misra1a from_row(const double* row) { return {{row[0], row[1]}}; }

  template <class T>
  bool operator()(const T* b, T* residual) const {
    using std::exp;
    residual[0] = T(y) - b[0] * (1.0 - exp(-b[1] * x));
    return true;
  }
};

/// m = b1 (1 - (1 + b2 x / 2)^-2)
struct Misra1b : Observation {
  static constexpr int parameters = 2;
  static Misra1b from_row(const double* row) { return {{row[0], row[1]}}; }

  template <class T>
  bool operator()(const T* b, T* residual) const {
    const T base = 1.0 + 0.5 * (b[1] * x);
    residual[0] = T(y) - b[0] * (1.0 - 1.0 / (base * base));
    return true;
  }
};

/// m = b1 (1 - (1 + 2 b2 x)^(-1/2))
struct Misra1c : Observation {
  static constexpr int parameters = 2;
  static Misra1c from_row(const double* row) { return {{row[0], row[1]}}; }

  template <class T>
  bool operator()(const T* b, T* residual) const {
    using std::sqrt;
    residual[0] = T(y) - b[0] * (1.0 - 1.0 / sqrt(1.0 + 2.0 * (b[1] * x)));
    return true;
  }
};

/// m = b1 b2 x / (1 + b2 x)
struct Misra1d : Observation {
  static constexpr int parameters = 2;
  static Misra1d from_row(const double* row) { return {{row[0], row[1]}}; }

  template <class T>
  bool operator()(const T* b, T* residual) const {
    const T scaled = b[1] * x;
    residual[0] = T(y) - b[0] * scaled / (1.0 + scaled);
    return true;
  }
};

/// m = exp(-b1 x) / (b2 + b3 x); of Chwirut1 and Chwirut2.
struct Chwirut : Observation {
  static constexpr int parameters = 3;
  static Chwirut from_row(const double* row) { return {{row[0], row[1]}}; }

  template <class T>
  bool operator()(const T* b, T* residual) const {
    using std::exp;
    residual[0] = T(y) - exp(-b[0] * x) / (b[1] + b[2] * x);
    return true;
  }
};

/// m = b1 exp(-b2 x) + b3 exp(-b4 x) + b5 exp(-b6 x); of Lanczos1, Lanczos2 and Lanczos3.
struct Lanczos : Observation {
  static constexpr int parameters = 6;
  static Lanczos from_row(const double* row) { return {{row[0], row[1]}}; }

  template <class T>
  bool operator()(const T* b, T* residual) const {
    using std::exp;
    residual[0] = T(y) - (b[0] * exp(-b[1] * x) + b[2] * exp(-b[3] * x) + b[4] * exp(-b[5] * x));
    return true;
  }
};

/// m = b1 exp(-b2 x) + b3 exp(-(x - b4)^2 / b5^2) + b6 exp(-(x - b7)^2 / b8^2); of Gauss1, Gauss2 and
/// Gauss3.
struct Gauss : Observation {
  static constexpr int parameters = 8;
  static Gauss from_row(const double* row) { return {{row[0], row[1]}}; }

  template <class T>
  bool operator()(const T* b, T* residual) const {
    using std::exp;
    const T first = (x - b[3]) / b[4];
    const T second = (x - b[6]) / b[7];
    residual[0] = T(y) - (b[0] * exp(-b[1] * x) + b[2] * exp(-first * first) + b[5] * exp(-second * second));
    return true;
  }
};

/// m = b1 x^b2
struct DanWood : Observation {
  static constexpr int parameters = 2;
  static DanWood from_row(const double* row) { return {{row[0], row[1]}}; }

  template <class T>
  bool operator()(const T* b, T* residual) const {
    using std::pow;
    residual[0] = T(y) - b[0] * pow(T(x), b[1]);
    return true;
  }
};

/// m = (b1 + b2 x + b3 x^2) / (1 + b4 x + b5 x^2)
struct Kirby2 : Observation {
  static constexpr int parameters = 5;
  static Kirby2 from_row(const double* row) { return {{row[0], row[1]}}; }

  template <class T>
  bool operator()(const T* b, T* residual) const {
    residual[0] = T(y) - (b[0] + x * (b[1] + x * b[2])) / (1.0 + x * (b[3] + x * b[4]));
    return true;
  }
};

/// m = (b1 + b2 x + b3 x^2 + b4 x^3) / (1 + b5 x + b6 x^2 + b7 x^3); of Hahn1 and Thurber.
struct CubicRational : Observation {
  static constexpr int parameters = 7;
  static CubicRational from_row(const double* row) { return {{row[0], row[1]}}; }

  template <class T>
  bool operator()(const T* b, T* residual) const {
    const T numerator = b[0] + x * (b[1] + x * (b[2] + x * b[3]));
    const T denominator = 1.0 + x * (b[4] + x * (b[5] + x * b[6]));
    residual[0] = T(y) - numerator / denominator;
    return true;
  }
};

/// log y = b1 - b2 x1 exp(-b3 x2), the only one with two predictors. The residual is one of log y.
struct Nelson {
  static constexpr int parameters = 3;
  static Nelson from_row(const double* row) { return {std::log(row[0]), row[1], row[2]}; }

  double log_y;
  double x1;
  double x2;

  template <class T>
  bool operator()(const T* b, T* residual) const {
    using std::exp;
    residual[0] = T(log_y) - (b[0] - b[1] * x1 * exp(-b[2] * x2));
    return true;
  }
};

/// m = b1 (x^2 + b2 x) / (x^2 + b3 x + b4)
struct MGH09 : Observation {
  static constexpr int parameters = 4;
  static MGH09 from_row(const double* row) { return {{row[0], row[1]}}; }

  template <class T>
  bool operator()(const T* b, T* residual) const {
    residual[0] = T(y) - b[0] * (x * (x + b[1])) / (x * (x + b[2]) + b[3]);
    return true;
  }
};

/// m = b1 exp(b2 / (x + b3))
struct MGH10 : Observation {
  static constexpr int parameters = 3;
  static MGH10 from_row(const double* row) { return {{row[0], row[1]}}; }

  template <class T>
  bool operator()(const T* b, T* residual) const {
    using std::exp;
    residual[0] = T(y) - b[0] * exp(b[1] / (x + b[2]));
    return true;
  }
};

/// m = b1 + b2 exp(-b4 x) + b3 exp(-b5 x)
struct MGH17 : Observation {
  static constexpr int parameters = 5;
  static MGH17 from_row(const double* row) { return {{row[0], row[1]}}; }

  template <class T>
  bool operator()(const T* b, T* residual) const {
    using std::exp;
    residual[0] = T(y) - (b[0] + b[1] * exp(-b[3] * x) + b[2] * exp(-b[4] * x));
    return true;
  }
};

/// m = b1 - b2 x - arctan(b3 / (x - b4)) / pi
struct Roszman1 : Observation {
  static constexpr int parameters = 4;
  static Roszman1 from_row(const double* row) { return {{row[0], row[1]}}; }

  template <class T>
  bool operator()(const T* b, T* residual) const {
    using std::atan;
    residual[0] = T(y) - (b[0] - b[1] * x - atan(b[2] / (x - b[3])) * std::numbers::inv_pi);
    return true;
  }
};

/// m = b1 + b2 cos(2 pi x / 12) + b3 sin(2 pi x / 12) + b5 cos(2 pi x / b4) + b6 sin(2 pi x / b4)
///   + b8 cos(2 pi x / b7) + b9 sin(2 pi x / b7): a year's cycle, of known period, and two of unknown.
struct ENSO {
  static constexpr int parameters = 9;
  static ENSO from_row(const double* row) {
    const double turns = 2.0 * std::numbers::pi * row[1];
    return {row[0], turns, std::cos(turns / 12.0), std::sin(turns / 12.0)};
  }

  double y;
  double turns;  ///< 2 pi x
  double yearly_cosine;
  double yearly_sine;

  template <class T>
  bool operator()(const T* b, T* residual) const {
    using std::cos;
    using std::sin;
    const T yearly = b[1] * yearly_cosine + b[2] * yearly_sine;
    const T second = turns / b[3];
    const T third = turns / b[6];
    residual[0] = T(y) - (b[0] + yearly + b[4] * cos(second) + b[5] * sin(second) + b[7] * cos(third) +
                          b[8] * sin(third));
    return true;
  }
};

/// m = b1 / (1 + exp(b2 - b3 x))
struct Rat42 : Observation {
  static constexpr int parameters = 3;
  static Rat42 from_row(const double* row) { return {{row[0], row[1]}}; }

  template <class T>
  bool operator()(const T* b, T* residual) const {
    using std::exp;
    residual[0] = T(y) - b[0] / (1.0 + exp(b[1] - b[2] * x));
    return true;
  }
};

/// m = b1 / (1 + exp(b2 - b3 x))^(1 / b4)
struct Rat43 : Observation {
  static constexpr int parameters = 4;
  static Rat43 from_row(const double* row) { return {{row[0], row[1]}}; }

  template <class T>
  bool operator()(const T* b, T* residual) const {
    using std::exp;
    using std::pow;
    const T base = 1.0 + exp(b[1] - b[2] * x);
    const T exponent = 1.0 / b[3];
    residual[0] = T(y) - b[0] / pow(base, exponent);
    return true;
  }
};

/// m = (b1 / b2) exp(-((x - b3) / b2)^2 / 2)
struct Eckerle4 : Observation {
  static constexpr int parameters = 3;
  static Eckerle4 from_row(const double* row) { return {{row[0], row[1]}}; }

  template <class T>
  bool operator()(const T* b, T* residual) const {
    using std::exp;
    const T standardized = (x - b[2]) / b[1];
    residual[0] = T(y) - b[0] / b[1] * exp(-0.5 * standardized * standardized);
    return true;
  }
};

/// m = b1 (b2 + x)^(-1 / b3)
struct Bennett5 : Observation {
  static constexpr int parameters = 3;
  static Bennett5 from_row(const double* row) { return {{row[0], row[1]}}; }

  template <class T>
  bool operator()(const T* b, T* residual) const {
    using std::pow;
    const T base = b[1] + x;
    const T exponent = -1.0 / b[2];
    residual[0] = T(y) - b[0] * pow(base, exponent);
    return true;
  }
};

}  // namespace nist

/// Calls `visitor.template operator()<Model>()` with the functor type of `problem` and returns what it
/// returns, one type for all models. Model::from_row(problem.row(i)) is the residual of observation i, in
/// Model::parameters parameters:
///
///     visit_nist_model(problem, [&]<class Model>() { ... Model::from_row(problem.row(i)) ... });
template <class Visitor>
decltype(auto) visit_nist_model(const NistProblem& problem, Visitor&& visitor) {
  switch (problem.form) {
    case NistModel::misra1a:
      return visitor.template operator()<nist::Misra1a>();
    case NistModel::misra1b:
      return visitor.template operator()<nist::Misra1b>();
    case NistModel::misra1c:
      return visitor.template operator()<nist::Misra1c>();
    case NistModel::misra1d:
      return visitor.template operator()<nist::Misra1d>();
    case NistModel::chwirut:
      return visitor.template operator()<nist::Chwirut>();
    case NistModel::lanczos:
      return visitor.template operator()<nist::Lanczos>();
    case NistModel::gauss:
      return visitor.template operator()<nist::Gauss>();
    case NistModel::danwood:
      return visitor.template operator()<nist::DanWood>();
    case NistModel::kirby2:
      return visitor.template operator()<nist::Kirby2>();
    case NistModel::cubic_rational:
      return visitor.template operator()<nist::CubicRational>();
    case NistModel::nelson:
      return visitor.template operator()<nist::Nelson>();
    case NistModel::mgh09:
      return visitor.template operator()<nist::MGH09>();
    case NistModel::mgh10:
      return visitor.template operator()<nist::MGH10>();
    case NistModel::mgh17:
      return visitor.template operator()<nist::MGH17>();
    case NistModel::roszman1:
      return visitor.template operator()<nist::Roszman1>();
    case NistModel::enso:
      return visitor.template operator()<nist::ENSO>();
    case NistModel::rat42:
      return visitor.template operator()<nist::Rat42>();
    case NistModel::rat43:
      return visitor.template operator()<nist::Rat43>();
    case NistModel::eckerle4:
      return visitor.template operator()<nist::Eckerle4>();
    case NistModel::bennett5:
      return visitor.template operator()<nist::Bennett5>();
  }
  detail::contract_broken("visit_nist_model: the problem's form is not one of NistModel");
}

}  // namespace kappa
