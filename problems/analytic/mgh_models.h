// The 35 test problems of More, Garbow and Hillstrom as residual functors, in the paper's order.
//
// Each functor maps x (parameters entries) to r (residuals entries) and is templated on the scalar,
// so that values, first and second derivatives come from the same lines. The paper minimises
//
//   f(x) = sum_i r_i(x)^2,
//
// kappa's least-squares objective is half of that; every value quoted in mgh.h is the paper's f.
//
// When to use: robustness and accuracy tests of any least-squares or general minimiser. One
// evaluation costs O(parameters * residuals) flops at most; nothing is allocated.
//
// What a scalar must offer: + - * / with itself and with double (on either side), unary minus,
// comparison with double, construction from double, and exp, log, sqrt, sin, cos, atan found in its
// own namespace. Constants and data are double whatever the scalar, so that an evaluation in long
// double is of the very function that double approximates, and not of a neighbour of it.
//
// The dimension of a variable-dimension problem is fixed: n = 10, but 6 for Watson, 12 for the
// extended Powell singular and 8 for Chebyquad.
//
// Reference: J. J. More, B. S. Garbow, K. E. Hillstrom, "Testing Unconstrained Optimization
// Software", ACM TOMS 7(1), 1981, 17-41, section 3; the number in each comment is the paper's.
#pragma once

#include <array>
#include <cmath>
#include <cstddef>

namespace kappa::mgh {

namespace detail {

template <class T>
T square(const T& x) {
  return x * x;
}

template <class T>
T cube(const T& x) {
  return x * x * x;
}

template <std::size_t Count>
constexpr int count(const std::array<double, Count>&) {
  return static_cast<int>(Count);
}

}  // namespace detail

/// (1) A curved valley with its floor along x2 = x1^2.
struct Rosenbrock {
  static constexpr int parameters = 2;
  static constexpr int residuals = 2;

  template <class T>
  bool operator()(const T* x, T* r) const {
    r[0] = 10.0 * (x[1] - x[0] * x[0]);
    r[1] = 1.0 - x[0];
    return true;
  }
};

/// (2) Two cubics; besides the root there is a local minimum with a large residual.
struct FreudensteinRoth {
  static constexpr int parameters = 2;
  static constexpr int residuals = 2;

  template <class T>
  bool operator()(const T* x, T* r) const {
    r[0] = x[0] - 13.0 + ((5.0 - x[1]) * x[1] - 2.0) * x[1];
    r[1] = x[0] - 29.0 + ((x[1] + 1.0) * x[1] - 14.0) * x[1];
    return true;
  }
};

/// (3) The solution's two entries differ by six orders of magnitude.
struct PowellBadlyScaled {
  static constexpr int parameters = 2;
  static constexpr int residuals = 2;

  template <class T>
  bool operator()(const T* x, T* r) const {
    using std::exp;
    r[0] = 1e4 * x[0] * x[1] - 1.0;
    r[1] = exp(-x[0]) + exp(-x[1]) - 1.0001;
    return true;
  }
};

/// (4) The solution's two entries differ by twelve orders of magnitude.
struct BrownBadlyScaled {
  static constexpr int parameters = 2;
  static constexpr int residuals = 3;

  template <class T>
  bool operator()(const T* x, T* r) const {
    r[0] = x[0] - 1e6;
    r[1] = x[1] - 2e-6;
    r[2] = x[0] * x[1] - 2.0;
    return true;
  }
};

/// (5) r_i = y_i - x1 (1 - x2^i).
struct Beale {
  static constexpr int parameters = 2;
  static constexpr int residuals = 3;

  template <class T>
  bool operator()(const T* x, T* r) const {
    constexpr std::array y{1.5, 2.25, 2.625};
    T power = x[1];
    for (std::size_t i = 0; i < y.size(); ++i) {
      r[i] = y[i] - x[0] * (1.0 - power);
      power = power * x[1];
    }
    return true;
  }
};

/// (6) r_i = 2 + 2i - (exp(i x1) + exp(i x2)), m = 10: a large-residual problem.
struct JennrichSampson {
  static constexpr int parameters = 2;
  static constexpr int residuals = 10;

  template <class T>
  bool operator()(const T* x, T* r) const {
    using std::exp;
    for (int i = 1; i <= residuals; ++i) {
      const double k = i;
      r[i - 1] = 2.0 + 2.0 * k - (exp(k * x[0]) + exp(k * x[1]));
    }
    return true;
  }
};

/// (7) A helix around the x3 axis. theta, the angle of (x1, x2) in turns, jumps on the half-line
/// x1 = 0, x2 < 0, and there alone.
struct HelicalValley {
  static constexpr int parameters = 3;
  static constexpr int residuals = 3;

  template <class T>
  bool operator()(const T* x, T* r) const {
    using std::sqrt;
    r[0] = 10.0 * (x[2] - 10.0 * turns(x[0], x[1]));
    r[1] = 10.0 * (sqrt(x[0] * x[0] + x[1] * x[1]) - 1.0);
    r[2] = x[2];
    return true;
  }

 private:
  // The paper's two branches of atan(x2 / x1), arranged so that no branch divides by the smaller of
  // the two entries: value and derivatives stay right where x1 = 0. The standard start lies on the
  // cut that atan2 would have. On the jump the value is that of x1 > 0; at the origin, where the
  // paper defines none, it is a quarter turn.
  template <class T>
  static T turns(const T& x, const T& y) {
    using std::atan;
    constexpr double per_radian = 0.15915494309189534;  // 1 / (2 pi)
    const bool flat = (y < 0.0 ? -y : y) < (x < 0.0 ? -x : x);
    if (flat) {
      const T angle = per_radian * atan(y / x);
      return x < 0.0 ? angle + 0.5 : angle;
    }
    if (!(y < 0.0) && !(y > 0.0)) {
      return T(0.25);
    }
    const T from_axis = 0.25 - per_radian * atan(x / y);
    if (y > 0.0) {
      return from_axis;
    }
    return x < 0.0 ? from_axis + 0.5 : from_axis - 0.5;
  }
};

/// (8) r_i = y_i - (x1 + u_i / (v_i x2 + w_i x3)), u_i = i, v_i = 16 - i, w_i = min(u_i, v_i).
struct Bard {
  static constexpr int parameters = 3;
  static constexpr int residuals = 15;

  template <class T>
  bool operator()(const T* x, T* r) const {
    constexpr std::array y{0.14, 0.18, 0.22, 0.25, 0.29, 0.32, 0.35, 0.39,
                           0.37, 0.58, 0.73, 0.96, 1.34, 2.10, 4.39};
    static_assert(detail::count(y) == residuals);
    for (std::size_t i = 0; i < y.size(); ++i) {
      const double u = static_cast<double>(i + 1);
      const double v = 16.0 - u;
      const double w = u < v ? u : v;
      r[i] = y[i] - (x[0] + u / (v * x[1] + w * x[2]));
    }
    return true;
  }
};

/// (9) r_i = x1 exp(-x2 (t_i - x3)^2 / 2) - y_i, t_i = (8 - i) / 2.
struct Gaussian {
  static constexpr int parameters = 3;
  static constexpr int residuals = 15;

  template <class T>
  bool operator()(const T* x, T* r) const {
    using std::exp;
    constexpr std::array y{0.0009, 0.0044, 0.0175, 0.0540, 0.1295, 0.2420, 0.3521, 0.3989,
                           0.3521, 0.2420, 0.1295, 0.0540, 0.0175, 0.0044, 0.0009};
    static_assert(detail::count(y) == residuals);
    for (std::size_t i = 0; i < y.size(); ++i) {
      const double t = (7.0 - static_cast<double>(i)) / 2.0;
      r[i] = x[0] * exp(-0.5 * x[1] * detail::square(T(t - x[2]))) - y[i];
    }
    return true;
  }
};

/// (10) r_i = x1 exp(x2 / (t_i + x3)) - y_i, t_i = 45 + 5 i: a thermistor, and a long, narrow valley.
struct Meyer {
  static constexpr int parameters = 3;
  static constexpr int residuals = 16;

  template <class T>
  bool operator()(const T* x, T* r) const {
    using std::exp;
    constexpr std::array y{34780.0, 28610.0, 23650.0, 19630.0, 16370.0, 13720.0, 11540.0, 9744.0,
                           8261.0,  7030.0,  6005.0,  5147.0,  4427.0,  3820.0,  3307.0,  2872.0};
    static_assert(detail::count(y) == residuals);
    for (std::size_t i = 0; i < y.size(); ++i) {
      const double t = 50.0 + 5.0 * static_cast<double>(i);
      r[i] = x[0] * exp(x[1] / (t + x[2])) - y[i];
    }
    return true;
  }
};

/// (11) Gulf research and development: r_i = exp(-|y_i - x2|^x3 / x1) - t_i, t_i = i / 100 and
/// y_i = 25 + (-50 log t_i)^(2/3), m = 99. (The paper prints "y_i m i x2" for "y_i - x2"; see
/// netlib's uncon/data/gulf.f. m = 100 would put y_100 on x2 of the solution, where the power has no
/// derivative.) The power is written exp(x3 log|.|), so that a scalar needs no pow; where
/// x2 = y_i the value is still right for x3 > 0, but the derivatives are not a number.
struct Gulf {
  static constexpr int parameters = 3;
  static constexpr int residuals = 99;

  template <class T>
  bool operator()(const T* x, T* r) const {
    using std::exp;
    using std::log;
    for (int i = 1; i <= residuals; ++i) {
      const double t = static_cast<double>(i) / 100.0;
      const double y = 25.0 + std::pow(-50.0 * std::log(t), 2.0 / 3.0);
      T distance = y - x[1];
      if (distance < 0.0) {
        distance = -distance;
      }
      r[i - 1] = exp(-(exp(x[2] * log(distance)) / x[0])) - t;
    }
    return true;
  }
};

/// (12) Box three-dimensional: r_i = e^(-t x1) - e^(-t x2) - x3 (e^-t - e^(-10 t)), t = i / 10, m = 10.
struct Box3D {
  static constexpr int parameters = 3;
  static constexpr int residuals = 10;

  template <class T>
  bool operator()(const T* x, T* r) const {
    using std::exp;
    for (int i = 1; i <= residuals; ++i) {
      const double t = 0.1 * i;
      r[i - 1] = exp(-t * x[0]) - exp(-t * x[1]) - x[2] * (std::exp(-t) - std::exp(-10.0 * t));
    }
    return true;
  }
};

namespace detail {

// The four residuals shared by Powell's singular function and its extension.
template <class T>
void powell_singular(const T* x, T* r) {
  constexpr double root_5 = 2.23606797749979;
  constexpr double root_10 = 3.1622776601683795;
  r[0] = x[0] + 10.0 * x[1];
  r[1] = root_5 * (x[2] - x[3]);
  r[2] = square(T(x[1] - 2.0 * x[2]));
  r[3] = root_10 * square(T(x[0] - x[3]));
}

}  // namespace detail

/// (13) The Jacobian has rank 2 at the solution, so Newton and Gauss-Newton converge linearly.
struct PowellSingular {
  static constexpr int parameters = 4;
  static constexpr int residuals = 4;

  template <class T>
  bool operator()(const T* x, T* r) const {
    detail::powell_singular(x, r);
    return true;
  }
};

/// (14) Two Rosenbrock valleys, coupled.
struct Wood {
  static constexpr int parameters = 4;
  static constexpr int residuals = 6;

  template <class T>
  bool operator()(const T* x, T* r) const {
    constexpr double root_10 = 3.1622776601683795;
    constexpr double root_90 = 9.486832980505138;
    r[0] = 10.0 * (x[1] - x[0] * x[0]);
    r[1] = 1.0 - x[0];
    r[2] = root_90 * (x[3] - x[2] * x[2]);
    r[3] = 1.0 - x[2];
    r[4] = root_10 * (x[1] + x[3] - 2.0);
    r[5] = (x[1] - x[3]) / root_10;
    return true;
  }
};

/// (15) r_i = y_i - x1 (u_i^2 + u_i x2) / (u_i^2 + u_i x3 + x4): enzyme kinetics.
struct KowalikOsborne {
  static constexpr int parameters = 4;
  static constexpr int residuals = 11;

  template <class T>
  bool operator()(const T* x, T* r) const {
    constexpr std::array y{0.1957, 0.1947, 0.1735, 0.1600, 0.0844, 0.0627,
                           0.0456, 0.0342, 0.0323, 0.0235, 0.0246};
    constexpr std::array u{4.0, 2.0, 1.0, 0.5, 0.25, 0.167, 0.125, 0.1, 0.0833, 0.0714, 0.0625};
    static_assert(detail::count(y) == residuals && detail::count(u) == residuals);
    for (std::size_t i = 0; i < y.size(); ++i) {
      const double uu = u[i] * u[i];
      r[i] = y[i] - x[0] * (uu + u[i] * x[1]) / (uu + u[i] * x[2] + x[3]);
    }
    return true;
  }
};

/// (16) r_i = (x1 + t x2 - e^t)^2 + (x3 + x4 sin t - cos t)^2, t = i / 5, m = 20: large residuals.
struct BrownDennis {
  static constexpr int parameters = 4;
  static constexpr int residuals = 20;

  template <class T>
  bool operator()(const T* x, T* r) const {
    for (int i = 1; i <= residuals; ++i) {
      const double t = static_cast<double>(i) / 5.0;
      const T first = x[0] + t * x[1] - std::exp(t);
      const T second = x[2] + std::sin(t) * x[3] - std::cos(t);
      r[i - 1] = detail::square(first) + detail::square(second);
    }
    return true;
  }
};

/// (17) r_i = y_i - (x1 + x2 e^(-t x4) + x3 e^(-t x5)), t = 10 (i - 1).
struct Osborne1 {
  static constexpr int parameters = 5;
  static constexpr int residuals = 33;

  template <class T>
  bool operator()(const T* x, T* r) const {
    using std::exp;
    constexpr std::array y{0.844, 0.908, 0.932, 0.936, 0.925, 0.908, 0.881, 0.850, 0.818, 0.784, 0.751,
                           0.718, 0.685, 0.658, 0.628, 0.603, 0.580, 0.558, 0.538, 0.522, 0.506, 0.490,
                           0.478, 0.467, 0.457, 0.448, 0.438, 0.431, 0.424, 0.420, 0.414, 0.411, 0.406};
    static_assert(detail::count(y) == residuals);
    for (std::size_t i = 0; i < y.size(); ++i) {
      const double t = 10.0 * static_cast<double>(i);
      r[i] = y[i] - (x[0] + x[1] * exp(-t * x[3]) + x[2] * exp(-t * x[4]));
    }
    return true;
  }
};

/// (18) r_i = x3 e^(-t x1) - x4 e^(-t x2) + x6 e^(-t x5) - y_i, t = i / 10, m = 13, with y_i the same
/// sum at x = (1, 10, 1, 5, 4, 3).
struct BiggsExp6 {
  static constexpr int parameters = 6;
  static constexpr int residuals = 13;

  template <class T>
  bool operator()(const T* x, T* r) const {
    using std::exp;
    for (int i = 1; i <= residuals; ++i) {
      const double t = 0.1 * i;
      const double y = std::exp(-t) - 5.0 * std::exp(-10.0 * t) + 3.0 * std::exp(-4.0 * t);
      r[i - 1] = x[2] * exp(-t * x[0]) - x[3] * exp(-t * x[1]) + x[5] * exp(-t * x[4]) - y;
    }
    return true;
  }
};

/// (19) An exponential and three Gaussian peaks: r_i = y_i - (x1 e^(-t x5) + x2 e^(-(t - x9)^2 x6) +
/// x3 e^(-(t - x10)^2 x7) + x4 e^(-(t - x11)^2 x8)), t = (i - 1) / 10.
struct Osborne2 {
  static constexpr int parameters = 11;
  static constexpr int residuals = 65;

  template <class T>
  bool operator()(const T* x, T* r) const {
    using std::exp;
    constexpr std::array y{1.366, 1.191, 1.112, 1.013, 0.991, 0.885, 0.831, 0.847, 0.786, 0.725, 0.746,
                           0.679, 0.608, 0.655, 0.616, 0.606, 0.602, 0.626, 0.651, 0.724, 0.649, 0.649,
                           0.694, 0.644, 0.624, 0.661, 0.612, 0.558, 0.533, 0.495, 0.500, 0.423, 0.395,
                           0.375, 0.372, 0.391, 0.396, 0.405, 0.428, 0.429, 0.523, 0.562, 0.607, 0.653,
                           0.672, 0.708, 0.633, 0.668, 0.645, 0.632, 0.591, 0.559, 0.597, 0.625, 0.739,
                           0.710, 0.729, 0.720, 0.636, 0.581, 0.428, 0.292, 0.162, 0.098, 0.054};
    static_assert(detail::count(y) == residuals);
    for (std::size_t i = 0; i < y.size(); ++i) {
      const double t = static_cast<double>(i) / 10.0;
      T sum = x[0] * exp(-t * x[4]);
      for (std::size_t peak = 1; peak <= 3; ++peak) {
        sum = sum + x[peak] * exp(-x[4 + peak] * detail::square(T(t - x[7 + peak])));
      }
      r[i] = y[i] - sum;
    }
    return true;
  }
};

/// (20) A polynomial p with coefficients x fitted to p' - p^2 - 1 = 0 at t_i = i / 29, p(0) = 0 and
/// p'(0) = 1; n = 6. (n = 9 and 12 have minima of 1.39976e-6 and 4.72238e-10, at which a value no
/// longer tells a solution from a near miss.)
struct Watson {
  static constexpr int parameters = 6;
  static constexpr int residuals = 31;

  template <class T>
  bool operator()(const T* x, T* r) const {
    for (int i = 1; i <= 29; ++i) {
      const double t = static_cast<double>(i) / 29.0;
      T value = x[0];
      T slope = T(0.0);
      double power = 1.0;
      for (int j = 1; j < parameters; ++j) {
        slope = slope + (static_cast<double>(j) * power) * x[j];
        power *= t;
        value = value + power * x[j];
      }
      r[i - 1] = slope - value * value - 1.0;
    }
    r[29] = x[0];
    r[30] = x[1] - x[0] * x[0] - 1.0;
    return true;
  }
};

/// (21) Five independent Rosenbrock valleys.
struct ExtendedRosenbrock {
  static constexpr int parameters = 10;
  static constexpr int residuals = 10;

  template <class T>
  bool operator()(const T* x, T* r) const {
    for (int i = 0; i < parameters; i += 2) {
      Rosenbrock()(x + i, r + i);
    }
    return true;
  }
};

/// (22) Three independent Powell singular functions.
struct ExtendedPowellSingular {
  static constexpr int parameters = 12;
  static constexpr int residuals = 12;

  template <class T>
  bool operator()(const T* x, T* r) const {
    for (int i = 0; i < parameters; i += 4) {
      detail::powell_singular(x + i, r + i);
    }
    return true;
  }
};

namespace detail {

inline constexpr double root_penalty = 0.0031622776601683794;  // sqrt(1e-5)

}  // namespace detail

/// (23) r_i = a^(1/2) (x_i - 1), r_(n+1) = sum x_j^2 - 1/4, a = 1e-5.
struct PenaltyI {
  static constexpr int parameters = 10;
  static constexpr int residuals = 11;

  template <class T>
  bool operator()(const T* x, T* r) const {
    T sum = T(-0.25);
    for (int i = 0; i < parameters; ++i) {
      r[i] = detail::root_penalty * (x[i] - 1.0);
      sum = sum + x[i] * x[i];
    }
    r[parameters] = sum;
    return true;
  }
};

/// (24) r_1 = x1 - 1/5, r_i = a^(1/2) (e^(x_i/10) + e^(x_(i-1)/10) - y_i) for 2 <= i <= n with
/// y_i = e^(i/10) + e^((i-1)/10), r_i = a^(1/2) (e^(x_(i-n+1)/10) - e^(-1/10)) for n < i < 2n,
/// r_2n = sum (n - j + 1) x_j^2 - 1, a = 1e-5.
struct PenaltyII {
  static constexpr int parameters = 10;
  static constexpr int residuals = 20;

  template <class T>
  bool operator()(const T* x, T* r) const {
    using std::exp;
    constexpr int n = parameters;
    T sum = static_cast<double>(n) * x[0] * x[0] - 1.0;
    T before = exp(0.1 * x[0]);
    r[0] = x[0] - 0.2;
    for (int i = 1; i < n; ++i) {
      const double y = std::exp(0.1 * (i + 1)) + std::exp(0.1 * i);
      const T here = exp(0.1 * x[i]);
      r[i] = detail::root_penalty * (here + before - y);
      r[n + i - 1] = detail::root_penalty * (here - std::exp(-0.1));
      sum = sum + static_cast<double>(n - i) * x[i] * x[i];
      before = here;
    }
    r[2 * n - 1] = sum;
    return true;
  }
};

/// (25) r_i = x_i - 1, r_(n+1) = s, r_(n+2) = s^2 with s = sum j (x_j - 1).
struct VariablyDimensioned {
  static constexpr int parameters = 10;
  static constexpr int residuals = 12;

  template <class T>
  bool operator()(const T* x, T* r) const {
    T sum = T(0.0);
    for (int i = 0; i < parameters; ++i) {
      r[i] = x[i] - 1.0;
      sum = sum + static_cast<double>(i + 1) * r[i];
    }
    r[parameters] = sum;
    r[parameters + 1] = sum * sum;
    return true;
  }
};

/// (26) r_i = n - sum cos x_j + i (1 - cos x_i) - sin x_i: many minima.
struct Trigonometric {
  static constexpr int parameters = 10;
  static constexpr int residuals = 10;

  template <class T>
  bool operator()(const T* x, T* r) const {
    using std::cos;
    using std::sin;
    T sum = T(static_cast<double>(parameters));
    for (int i = 0; i < parameters; ++i) {
      sum = sum - cos(x[i]);
    }
    for (int i = 0; i < parameters; ++i) {
      r[i] = sum + static_cast<double>(i + 1) * (1.0 - cos(x[i])) - sin(x[i]);
    }
    return true;
  }
};

/// (27) r_i = x_i + sum x_j - (n + 1) for i < n, r_n = prod x_j - 1.
struct BrownAlmostLinear {
  static constexpr int parameters = 10;
  static constexpr int residuals = 10;

  template <class T>
  bool operator()(const T* x, T* r) const {
    T sum = T(-(parameters + 1.0));
    T product = T(1.0);
    for (int i = 0; i < parameters; ++i) {
      sum = sum + x[i];
      product = product * x[i];
    }
    for (int i = 0; i + 1 < parameters; ++i) {
      r[i] = x[i] + sum;
    }
    r[parameters - 1] = product - 1.0;
    return true;
  }
};

/// (28) Central differences for u'' = (u + t + 1)^3 / 2, u(0) = u(1) = 0:
/// r_i = 2 x_i - x_(i-1) - x_(i+1) + h^2 (x_i + t_i + 1)^3 / 2, h = 1 / (n + 1), t_i = i h.
struct DiscreteBoundaryValue {
  static constexpr int parameters = 10;
  static constexpr int residuals = 10;

  template <class T>
  bool operator()(const T* x, T* r) const {
    constexpr double h = 1.0 / (parameters + 1.0);
    for (int i = 0; i < parameters; ++i) {
      const double t = (i + 1) * h;
      r[i] = 2.0 * x[i] + (0.5 * h * h) * detail::cube(T(x[i] + (t + 1.0)));
      if (i > 0) {
        r[i] = r[i] - x[i - 1];
      }
      if (i + 1 < parameters) {
        r[i] = r[i] - x[i + 1];
      }
    }
    return true;
  }
};

/// (29) The same equation through its Green's function: r_i = x_i + h ((1 - t_i) sum_(j<=i) t_j c_j +
/// t_i sum_(j>i) (1 - t_j) c_j) / 2 with c_j = (x_j + t_j + 1)^3.
struct DiscreteIntegralEquation {
  static constexpr int parameters = 10;
  static constexpr int residuals = 10;

  template <class T>
  bool operator()(const T* x, T* r) const {
    constexpr double h = 1.0 / (parameters + 1.0);
    for (int i = 0; i < parameters; ++i) {
      r[i] = x[i];
    }
    for (int j = 0; j < parameters; ++j) {
      const double tj = (j + 1) * h;
      const T c = detail::cube(T(x[j] + (tj + 1.0)));
      for (int i = 0; i < parameters; ++i) {
        const double ti = (i + 1) * h;
        const double green = j <= i ? (1.0 - ti) * tj : ti * (1.0 - tj);
        r[i] = r[i] + (0.5 * h * green) * c;
      }
    }
    return true;
  }
};

/// (30) r_i = (3 - 2 x_i) x_i - x_(i-1) - 2 x_(i+1) + 1.
struct BroydenTridiagonal {
  static constexpr int parameters = 10;
  static constexpr int residuals = 10;

  template <class T>
  bool operator()(const T* x, T* r) const {
    for (int i = 0; i < parameters; ++i) {
      r[i] = (3.0 - 2.0 * x[i]) * x[i] + 1.0;
      if (i > 0) {
        r[i] = r[i] - x[i - 1];
      }
      if (i + 1 < parameters) {
        r[i] = r[i] - 2.0 * x[i + 1];
      }
    }
    return true;
  }
};

/// (31) r_i = x_i (2 + 5 x_i^2) + 1 - sum of x_j (1 + x_j) over i - 5 <= j <= i + 1, j != i.
struct BroydenBanded {
  static constexpr int parameters = 10;
  static constexpr int residuals = 10;

  template <class T>
  bool operator()(const T* x, T* r) const {
    for (int i = 0; i < parameters; ++i) {
      r[i] = x[i] * (2.0 + 5.0 * x[i] * x[i]) + 1.0;
      const int first = i < 5 ? 0 : i - 5;
      const int last = i + 1 < parameters ? i + 1 : i;
      for (int j = first; j <= last; ++j) {
        if (j != i) {
          r[i] = r[i] - x[j] * (1.0 + x[j]);
        }
      }
    }
    return true;
  }
};

/// (32) r_i = [i <= n] x_i - (2 / m) sum x_j - 1, m = 20.
struct LinearFullRank {
  static constexpr int parameters = 10;
  static constexpr int residuals = 20;

  template <class T>
  bool operator()(const T* x, T* r) const {
    T sum = x[0];
    for (int i = 1; i < parameters; ++i) {
      sum = sum + x[i];
    }
    for (int i = 0; i < residuals; ++i) {
      r[i] = -(2.0 / residuals) * sum - 1.0;
      if (i < parameters) {
        r[i] = r[i] + x[i];
      }
    }
    return true;
  }
};

/// (33) r_i = i sum j x_j - 1, m = 20.
struct LinearRank1 {
  static constexpr int parameters = 10;
  static constexpr int residuals = 20;

  template <class T>
  bool operator()(const T* x, T* r) const {
    T sum = x[0];
    for (int j = 1; j < parameters; ++j) {
      sum = sum + (j + 1.0) * x[j];
    }
    for (int i = 0; i < residuals; ++i) {
      r[i] = (i + 1.0) * sum - 1.0;
    }
    return true;
  }
};

/// (34) r_1 = r_m = -1, r_i = (i - 1) sum_(1<j<n) j x_j - 1, m = 20: x1 and xn do not matter.
struct LinearRank1Zero {
  static constexpr int parameters = 10;
  static constexpr int residuals = 20;

  template <class T>
  bool operator()(const T* x, T* r) const {
    T sum = T(0.0);
    for (int j = 1; j + 1 < parameters; ++j) {
      sum = sum + (j + 1.0) * x[j];
    }
    r[0] = T(-1.0);
    for (int i = 1; i + 1 < residuals; ++i) {
      r[i] = static_cast<double>(i) * sum - 1.0;
    }
    r[residuals - 1] = T(-1.0);
    return true;
  }
};

/// (35) r_i = mean of T_i(x_j) minus the integral of T_i over [0, 1], T_i the i-th Chebyshev
/// polynomial shifted to [0, 1], n = m = 8: the smallest n at which no root exists.
struct Chebyquad {
  static constexpr int parameters = 8;
  static constexpr int residuals = 8;

  template <class T>
  bool operator()(const T* x, T* r) const {
    for (int i = 1; i <= residuals; ++i) {
      r[i - 1] = T(i % 2 == 0 ? 1.0 / (static_cast<double>(i) * i - 1.0) : 0.0);
    }
    for (int j = 0; j < parameters; ++j) {
      const T y = 2.0 * x[j] - 1.0;
      T before = T(1.0);
      T here = y;
      for (int i = 0; i < residuals; ++i) {
        r[i] = r[i] + here / static_cast<double>(parameters);
        const T next = 2.0 * y * here - before;
        before = here;
        here = next;
      }
    }
    return true;
  }
};

}  // namespace kappa::mgh
