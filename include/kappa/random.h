// Random numbers as a pure function of (seed, stream, counter), and random permutations of 0 .. n-1 that
// are enumerated from any position without being stored.
//
//   block = Philox4x32-10(key = seed, counter = (counter, stream))                       128 bits
//   uniform = k 2^-53,   normal = inverse of the normal distribution at a 53-bit argument
//
// Use it wherever results must not depend on the number of threads, on the order of the draws or on the
// platform: the distributions of the standard library differ between implementations, these do not. Only
// integer arithmetic and the correctly rounded + * / sqrt and fma are used, and no sum of a product is left
// for the compiler to contract, so every draw, the normal ones too, has the same bits on every IEEE
// machine (unless compiled with -ffast-math).
//
// Each kind of draw reads the same block: use a counter once, or two draws are correlated. The distance
// between independent draws is free: 2^64 counters in each of 2^64 streams of each of 2^64 seeds.
//
// Cost: about ten nanoseconds a block (20 multiplications of 32 bits), no memory.
//
// Reference: Salmon, Moraes, Dror, Shaw: Parallel random numbers: as easy as 1, 2, 3. SC 2011, sections 3.3
// and 4; Wichura: Algorithm AS 241, the percentage points of the normal distribution. Applied Statistics
// 37 (1988), routine PPND16; Black, Rogaway: Ciphers with arbitrary finite domains. CT-RSA 2002, sections
// 4, 5.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <span>

#include "kappa/base.h"

namespace kappa {

namespace detail {

/// Ten rounds of Philox4x32: the counter is the block to encrypt, least significant word first.
constexpr std::array<std::uint32_t, 4> philox4x32(std::array<std::uint32_t, 4> counter,
                                                  std::array<std::uint32_t, 2> key) {
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t first = std::uint64_t{0xD2511F53u} * counter[0];
    const std::uint64_t second = std::uint64_t{0xCD9E8D57u} * counter[2];
    counter = {
        static_cast<std::uint32_t>(second >> 32) ^ counter[1] ^ key[0], static_cast<std::uint32_t>(second),
        static_cast<std::uint32_t>(first >> 32) ^ counter[3] ^ key[1], static_cast<std::uint32_t>(first)};
    // The Weyl sequence of the golden ratio and of sqrt(3) - 1.
    key = {key[0] + 0x9E3779B9u, key[1] + 0xBB67AE85u};
  }
  return counter;
}

/// The upper 64 bits of the product; written out because ISO C++ has no integer of 128 bits.
constexpr std::uint64_t product_high(std::uint64_t a, std::uint64_t b) {
  const std::uint64_t a_low = a & 0xFFFFFFFFu, a_high = a >> 32;
  const std::uint64_t b_low = b & 0xFFFFFFFFu, b_high = b >> 32;
  const std::uint64_t cross = a_high * b_low + ((a_low * b_low) >> 32);
  const std::uint64_t other = a_low * b_high + (cross & 0xFFFFFFFFu);
  return a_high * b_high + (cross >> 32) + (other >> 32);
}

/// Coefficients of ascending powers; every step is one fma, so nothing is left to contraction.
template <std::size_t n>
double polynomial(const std::array<double, n>& coefficient, double x) {
  double sum = coefficient[n - 1];
  for (std::size_t i = n - 1; i-- > 0;) {
    sum = std::fma(sum, x, coefficient[i]);
  }
  return sum;
}

/// log(x) of a positive, normal x to about two units in the last place, the same bits everywhere:
/// x = m 2^e, log m = 2 atanh(s) with s = (m - 1) / (m + 1) and |s| <= 3 - 2 sqrt(2).
inline double reproducible_log(double x) {
  int exponent = 0;
  double m = std::frexp(x, &exponent);
  if (m < 0.70710678118654752440) {
    m *= 2.0;
    exponent -= 1;
  }
  const double s = (m - 1.0) / (m + 1.0);
  // 2 / (2 k + 1), up to the power of s^2 whose term is below the last place.
  constexpr std::array<double, 12> series = {2.0,        2.0 / 3.0,  2.0 / 5.0,  2.0 / 7.0,
                                             2.0 / 9.0,  2.0 / 11.0, 2.0 / 13.0, 2.0 / 15.0,
                                             2.0 / 17.0, 2.0 / 19.0, 2.0 / 21.0, 2.0 / 23.0};
  return std::fma(static_cast<double>(exponent), 0.69314718055994530942, s * polynomial(series, s * s));
}

/// z >= 0 with P(Z > z) = tail for a standard normal Z and 0 < tail <= 1/2 (AS 241, PPND16: relative
/// accuracy about 1e-16).
inline double normal_upper_quantile(double tail) {
  const double q = 0.5 - tail;
  if (q <= 0.425) {
    constexpr std::array<double, 8> a = {
        3.3871328727963666080e0, 1.3314166789178437745e2, 1.9715909503065514427e3, 1.3731693765509461125e4,
        4.5921953931549871457e4, 6.7265770927008700853e4, 3.3430575583588128105e4, 2.5090809287301226727e3};
    constexpr std::array<double, 8> b = {1.0,
                                         4.2313330701600911252e1,
                                         6.8718700749205790830e2,
                                         5.3941960214247511077e3,
                                         2.1213794301586595867e4,
                                         3.9307895800092710610e4,
                                         2.8729085735721942674e4,
                                         5.2264952788528545610e3};
    const double r = std::fma(-q, q, 0.180625);
    return q * polynomial(a, r) / polynomial(b, r);
  }
  const double r = std::sqrt(-reproducible_log(tail));
  if (r <= 5.0) {
    constexpr std::array<double, 8> c = {1.42343711074968357734e0,  4.63033784615654529590e0,
                                         5.76949722146069140550e0,  3.64784832476320460504e0,
                                         1.27045825245236838258e0,  2.41780725177450611770e-1,
                                         2.27238449892691845833e-2, 7.74545014278341407640e-4};
    constexpr std::array<double, 8> d = {1.0,
                                         2.05319162663775882187e0,
                                         1.67638483018380384940e0,
                                         6.89767334985100004550e-1,
                                         1.48103976427480074590e-1,
                                         1.51986665636164571966e-2,
                                         5.47593808499534494600e-4,
                                         1.05075007164441684324e-9};
    return polynomial(c, r - 1.6) / polynomial(d, r - 1.6);
  }
  constexpr std::array<double, 8> e = {6.65790464350110377720e0,  5.46378491116411436990e0,
                                       1.78482653991729133580e0,  2.96560571828504891230e-1,
                                       2.65321895265761230930e-2, 1.24266094738807843860e-3,
                                       2.71155556874348757815e-5, 2.01033439929228813265e-7};
  constexpr std::array<double, 8> f = {1.0,
                                       5.99832206555887937690e-1,
                                       1.36929880922735805310e-1,
                                       1.48753612908506148525e-2,
                                       7.86869131145613259100e-4,
                                       1.84631831751005468180e-5,
                                       1.42151175831644588870e-7,
                                       2.04426310338993978564e-15};
  return polynomial(e, r - 5.0) / polynomial(f, r - 5.0);
}

}  // namespace detail

/// Draws by number: the same (seed, stream, counter) gives the same draw, whatever was drawn before.
class CounterRandom {
 public:
  explicit CounterRandom(std::uint64_t seed, std::uint64_t stream = 0) : seed_(seed), stream_(stream) {}

  std::uint64_t seed() const { return seed_; }
  std::uint64_t stream() const { return stream_; }

  /// All 128 bits at `counter`.
  std::array<std::uint64_t, 2> block(std::uint64_t counter) const {
    const std::array<std::uint32_t, 4> words = detail::philox4x32(
        {low(counter), high(counter), low(stream_), high(stream_)}, {low(seed_), high(seed_)});
    return {words[0] | std::uint64_t{words[1]} << 32, words[2] | std::uint64_t{words[3]} << 32};
  }

  /// 64 uniform bits: the first half of the block.
  std::uint64_t bits(std::uint64_t counter) const { return block(counter)[0]; }

  /// Uniform in [0, 1), a multiple of 2^-53.
  double uniform(std::uint64_t counter) const { return static_cast<double>(bits(counter) >> 11) * 0x1p-53; }

  /// Standard normal, symmetric about zero, |z| <= 8.3 (the tail at 2^-54).
  double normal(std::uint64_t counter) const { return to_normal(bits(counter)); }

  /// Two independent standard normal numbers for the price of one block; the first is normal(counter).
  std::array<double, 2> normal_pair(std::uint64_t counter) const {
    const std::array<std::uint64_t, 2> both = block(counter);
    return {to_normal(both[0]), to_normal(both[1])};
  }

  /// -1 or 1.
  int rademacher(std::uint64_t counter) const { return bits(counter) >> 63 != 0 ? 1 : -1; }

  /// Uniform in 0 .. n-1 for n >= 1: the upper half of the 128-bit product of n and 64 random bits. The
  /// probability of each value is off by less than 2^-64, a relative n 2^-64: no sample can show it.
  Index below(Index n, std::uint64_t counter) const {
    expects(n >= 1, "CounterRandom::below: n must be at least 1");
    return static_cast<Index>(detail::product_high(bits(counter), static_cast<std::uint64_t>(n)));
  }

 private:
  static std::uint32_t low(std::uint64_t word) { return static_cast<std::uint32_t>(word); }
  static std::uint32_t high(std::uint64_t word) { return static_cast<std::uint32_t>(word >> 32); }

  /// One bit is the sign, 52 bits are the tail (2 k + 1) 2^-54: exact, never 0 and below 1/2.
  static double to_normal(std::uint64_t bits) {
    const std::uint64_t odd = ((bits >> 10) & ((std::uint64_t{1} << 53) - 1)) | 1u;
    const double magnitude = detail::normal_upper_quantile(static_cast<double>(odd) * 0x1p-54);
    return bits >> 63 != 0 ? magnitude : -magnitude;
  }

  std::uint64_t seed_;
  std::uint64_t stream_;
};

/// The same draws one after another, for code that is sequential anyway. Its whole state is three
/// integers, so a checkpoint resumes to the same bits.
class RandomSequence {
 public:
  struct State {
    std::uint64_t seed = 0;
    std::uint64_t stream = 0;
    std::uint64_t counter = 0;
    bool operator==(const State&) const = default;
  };

  explicit RandomSequence(std::uint64_t seed, std::uint64_t stream = 0) : random_(seed, stream) {}
  explicit RandomSequence(const State& state) : random_(state.seed, state.stream), counter_(state.counter) {}

  std::uint64_t bits() { return random_.bits(counter_++); }
  double uniform() { return random_.uniform(counter_++); }
  double normal() { return random_.normal(counter_++); }
  int rademacher() { return random_.rademacher(counter_++); }
  Index below(Index n) { return random_.below(n, counter_++); }

  State save() const { return {.seed = random_.seed(), .stream = random_.stream(), .counter = counter_}; }
  void load(const State& state) { *this = RandomSequence(state); }

 private:
  CounterRandom random_;
  std::uint64_t counter_ = 0;
};

/// A pseudo-random permutation of 0 .. n-1: permutation(i) is the i-th number of the shuffled order.
/// Nothing is stored but eight keys, so an epoch's order of n terms can be entered at any position and
/// by any thread.
///
/// It is a Feistel network of eight rounds on the smallest 2^w >= n numbers, w >= 8; images outside 0 .. n-1
/// are mapped again until one is inside (cycle walking), which keeps it one to one and takes fewer than two
/// passes on average (256 / n for n below 128). Good for shuffling data; not a cipher, and for large n it
/// reaches only a vanishing fraction of the n! orders, as does any generator with a finite seed.
class Permutation {
 public:
  /// How many consecutive counters the keys take: the order of epoch e is at counter e * counters.
  static constexpr std::uint64_t counters = 4;

  Permutation(const CounterRandom& random, std::uint64_t counter, Index n)
      : n_(static_cast<std::uint64_t>(n)) {
    expects(n >= 0, "Permutation: n must not be negative");
    const int width = std::max(smallest_width, n <= 1 ? 0 : static_cast<int>(std::bit_width(n_ - 1)));
    low_width_ = (width + 1) / 2;
    low_mask_ = (std::uint64_t{1} << low_width_) - 1;
    high_mask_ = (std::uint64_t{1} << (width / 2)) - 1;
    for (std::uint64_t i = 0; i < counters; ++i) {
      const std::array<std::uint64_t, 2> keys = random.block(counter + i);
      key_[2 * i] = keys[0];
      key_[2 * i + 1] = keys[1];
    }
  }

  Index size() const { return static_cast<Index>(n_); }

  Index operator()(Index position) const {
    std::uint64_t x = static_cast<std::uint64_t>(position);
    expects(x < n_, "Permutation: position outside 0 .. n-1");
    do {
      x = once(x);
    } while (x >= n_);
    return static_cast<Index>(x);
  }

 private:
  std::uint64_t once(std::uint64_t x) const {
    std::uint64_t low = x & low_mask_;
    std::uint64_t high = x >> low_width_;
    for (std::size_t round = 0; round < key_.size(); round += 2) {
      low ^= mix(high ^ key_[round]) & low_mask_;
      high ^= mix(low ^ key_[round + 1]) & high_mask_;
    }
    return high << low_width_ | low;
  }

  /// A bijection of 64 bits in which every input bit reaches the low output bits.
  static std::uint64_t mix(std::uint64_t x) {
    x = (x ^ x >> 32) * 0xD6E8FEB86659FD93u;
    x = (x ^ x >> 32) * 0xD6E8FEB86659FD93u;
    return x ^ x >> 32;
  }

  /// On fewer than 2^6 numbers eight rounds visibly prefer some orders: chi squared over its degrees of
  /// freedom was 75 for the 720 orders of six things at w = 3, 1.4 at w = 5, and 1.0 from w = 6 on.
  static constexpr int smallest_width = 8;

  std::uint64_t n_;
  int low_width_ = 0;
  std::uint64_t low_mask_ = 0;
  std::uint64_t high_mask_ = 0;
  std::array<std::uint64_t, 2 * counters> key_{};
};

/// Fills `out` with distinct numbers of 0 .. n-1 in random order: the first out.size() of the permutation
/// at `counter` (which takes Permutation::counters of them). Time O(out.size()), no memory. For batch b of
/// size k in an epoch, ask the Permutation itself for positions b k .. (b + 1) k - 1.
inline void sample_without_replacement(const CounterRandom& random, std::uint64_t counter, Index n,
                                       std::span<Index> out) {
  expects(static_cast<Index>(out.size()) <= n, "sample_without_replacement: more draws than numbers");
  const Permutation permutation(random, counter, n);
  for (std::size_t i = 0; i < out.size(); ++i) {
    out[i] = permutation(static_cast<Index>(i));
  }
}

}  // namespace kappa
