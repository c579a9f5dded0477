// The logistic loss of many margins at once, in vectors.
//
//   m = y z,  loss = log(1 + exp(-m)) = max(-m, 0) + log1p(exp(-|m|)),  s = 1 / (1 + exp(m)),
//   residual = -y s = d loss / d z,  curvature = s (1 - s) = d^2 loss / d z^2
//
// exp and log1p are only needed of -|m| and of numbers in (0, 1], where short series reach 2 units in the
// last place, and a compiler turns the loop into vectors; the standard library's functions would take ten
// times as long.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>

#include "kappa/base.h"

namespace kappa::detail {

/// exp(x) for x <= 0, to about an ulp; no less than exp(-708), where doubles lose digits.
///
/// x = n ln 2 + r with |r| <= ln 2 / 2 (Cody & Waite 1980: ln 2 in two parts, n times the first is exact),
/// and the Taylor polynomial of degree 13, whose remainder is below 1e-17.
[[gnu::always_inline]] inline double exp_of_negative(double x) {
  constexpr double shift = 0x1.8p52;
  constexpr double ln2_high = 0x1.62e42fefa3800p-1;
  constexpr double ln2_low = 0x1.ef35793c76730p-45;
  const double clamped = x < -708.0 ? -708.0 : x;
  const double shifted = clamped * 0x1.71547652b82fep0 + shift;
  const double n = shifted - shift;
  const double r = (clamped - n * ln2_high) - n * ln2_low;
  double p = 1.0 / 6227020800.0;
  p = p * r + 1.0 / 479001600.0;
  p = p * r + 1.0 / 39916800.0;
  p = p * r + 1.0 / 3628800.0;
  p = p * r + 1.0 / 362880.0;
  p = p * r + 1.0 / 40320.0;
  p = p * r + 1.0 / 5040.0;
  p = p * r + 1.0 / 720.0;
  p = p * r + 1.0 / 120.0;
  p = p * r + 1.0 / 24.0;
  p = p * r + 1.0 / 6.0;
  p = p * r + 0.5;
  p = p * (r * r) + r;
  // 2^n: the low bits of the shifted number are n in two's complement.
  const auto bits = (std::bit_cast<std::uint64_t>(shifted) + 1023) << 52;
  const double power = std::bit_cast<double>(bits);
  return power + power * p;
}

/// log(1 + e) for 0 <= e <= 1, to about an ulp: 2 artanh(f / (2 + f)) + k ln 2 with 1 + e = 2^k (1 + f) and
/// 1 + f between 1/sqrt(2) and sqrt(2); f is exact or rounded once.
[[gnu::always_inline]] inline double log_of_one_plus(double e) {
  const bool upper = e > 0.41421356237309503;
  const double f = upper ? 0.5 * (e - 1.0) : e;
  const double r = f / (2.0 + f);
  const double s = r * r;
  double p = 2.0 / 23.0;
  p = p * s + 2.0 / 21.0;
  p = p * s + 2.0 / 19.0;
  p = p * s + 2.0 / 17.0;
  p = p * s + 2.0 / 15.0;
  p = p * s + 2.0 / 13.0;
  p = p * s + 2.0 / 11.0;
  p = p * s + 2.0 / 9.0;
  p = p * s + 2.0 / 7.0;
  p = p * s + 2.0 / 5.0;
  p = p * s + 2.0 / 3.0;
  const double small = 2.0 * r + r * (s * p);
  return upper ? 0.69314718055994531 + small : small;
}

/// What binary_losses reads and writes, each `count` long and none overlapping another.
struct BinaryLosses {
  Index count = 0;
  const double* z = nullptr;
  const double* sign = nullptr;  ///< y, -1 or 1
  double* loss = nullptr;
  double* residual = nullptr;
  double* curvature = nullptr;
};
void binary_losses(const BinaryLosses& batch);

}  // namespace kappa::detail
