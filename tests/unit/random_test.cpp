#include "kappa/random.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <map>
#include <numeric>
#include <set>
#include <vector>

#include "support/catch.h"

namespace {

using kappa::CounterRandom;
using kappa::Index;
using kappa::Permutation;
using Words = std::array<std::uint32_t, 4>;

/// P(Z > z), in long double and by another route than the code under test.
long double upper_tail(double z) {
  return 0.5L * std::erfc(static_cast<long double>(z) / std::sqrt(2.0L));
}

}  // namespace

TEST_CASE("Philox4x32-10 gives the published known answers") {
  CHECK(kappa::detail::philox4x32({0, 0, 0, 0}, {0, 0}) ==
        Words{0x6627e8d5u, 0xe169c58du, 0xbc57ac4cu, 0x9b00dbd8u});
  CHECK(kappa::detail::philox4x32({~0u, ~0u, ~0u, ~0u}, {~0u, ~0u}) ==
        Words{0x408f276du, 0x41c83b0eu, 0xa20bc7c6u, 0x6d5451fdu});
  CHECK(kappa::detail::philox4x32({0x243f6a88u, 0x85a308d3u, 0x13198a2eu, 0x03707344u},
                                  {0xa4093822u, 0x299f31d0u}) ==
        Words{0xd16cfe09u, 0x94fdccebu, 0x5001e420u, 0x24126ea1u});
}

TEST_CASE("seed, stream and counter enter the Philox block as key and counter") {
  const CounterRandom random(0x299f31d0a4093822u, 0x0370734413198a2eu);
  CHECK(random.block(0x85a308d3243f6a88u) ==
        std::array<std::uint64_t, 2>{0x94fdccebd16cfe09u, 0x24126ea15001e420u});
  CHECK(random.bits(0x85a308d3243f6a88u) == 0x94fdccebd16cfe09u);
}

TEST_CASE("a draw depends on seed, stream and counter, and on nothing else") {
  const CounterRandom random(1, 2);
  const double first = random.normal(7);
  CHECK(random.normal(8) != first);
  CHECK(random.normal(7) == first);
  CHECK(CounterRandom(1, 2).normal(7) == first);
  CHECK(CounterRandom(2, 2).normal(7) != first);
  CHECK(CounterRandom(1, 3).normal(7) != first);
  CHECK(random.normal_pair(7)[0] == first);
  CHECK(random.normal_pair(7)[1] != first);
}

TEST_CASE("the high half of a product of 64-bit integers is exact") {
  using kappa::detail::product_high;
  CHECK(product_high(~0ull, ~0ull) == ~0ull - 1);
  CHECK(product_high(1ull << 63, 2) == 1);
  CHECK(product_high(0xFFFFFFFFull, 0xFFFFFFFFull) == 0);
  // (2^32 + 1)(2^63 + 2^31) = 2^95 + 2^64 + 2^31 - the carry crosses every partial product.
  CHECK(product_high((1ull << 32) + 1, (1ull << 63) + (1ull << 31)) == (1ull << 31) + 1);
}

TEST_CASE("the reproducible logarithm agrees with the long double one") {
  const CounterRandom random(3);
  for (std::uint64_t i = 0; i < 20000; ++i) {
    const double x =
        std::ldexp(0.5 + 0.5 * random.uniform(2 * i), -static_cast<int>(random.below(60, 2 * i + 1)));
    const long double expected = std::log(static_cast<long double>(x));
    const long double error =
        std::fabs(static_cast<long double>(kappa::detail::reproducible_log(x)) - expected);
    REQUIRE(error <= 3e-16L * std::fabs(expected) + 1e-17L);
  }
}

TEST_CASE("the normal quantile inverts the normal tail to full accuracy") {
  for (int exponent = 1; exponent <= 54; ++exponent) {
    for (const double factor : {1.0, 0.95, 0.83, 0.7, 0.6, 0.51}) {
      const double tail = std::ldexp(factor, -exponent);
      const double z = kappa::detail::normal_upper_quantile(tail);
      // d tail / tail = -hazard dz, so an error of one unit in z shows in the tail times z * hazard.
      const double density = std::exp(-0.5 * z * z) / std::sqrt(2.0 * 3.14159265358979323846);
      const double amplified = 1.0 + z * density / tail;
      const double relative = static_cast<double>(upper_tail(z) / static_cast<long double>(tail) - 1.0L);
      REQUIRE(std::fabs(relative) <= 6e-16 * amplified);
    }
  }
  CHECK(kappa::detail::normal_upper_quantile(0.5) == 0.0);
  CHECK(kappa::detail::normal_upper_quantile(0.025) == Approx(1.9599639845400545).epsilon(1e-15));
}

TEST_CASE("uniform draws fill [0, 1) evenly") {
  const CounterRandom random(11);
  const int draws = 200000;
  std::vector<int> bin(100, 0);
  for (int i = 0; i < draws; ++i) {
    const double u = random.uniform(static_cast<std::uint64_t>(i));
    REQUIRE(u >= 0.0);
    REQUIRE(u < 1.0);
    REQUIRE(u * 0x1p53 == std::floor(u * 0x1p53));
    ++bin[static_cast<std::size_t>(u * 100.0)];
  }
  double chi_squared = 0.0;
  for (const int count : bin) {
    chi_squared += (count - draws / 100.0) * (count - draws / 100.0) / (draws / 100.0);
  }
  // 99 degrees of freedom: 99.98 % of samples lie between these bounds.
  CHECK(chi_squared > 54.0);
  CHECK(chi_squared < 160.0);
}

TEST_CASE("normal draws have the moments and the tails of the normal distribution") {
  const CounterRandom random(12);
  const int draws = 200000;
  double moment[5] = {};
  double cross = 0.0;
  int beyond_two = 0;
  for (int i = 0; i < draws; ++i) {
    const std::array<double, 2> z = random.normal_pair(static_cast<std::uint64_t>(i));
    for (int k = 1; k <= 4; ++k) {
      moment[k] += std::pow(z[0], k) / draws;
    }
    cross += z[0] * z[1] / draws;
    beyond_two += std::fabs(z[0]) > 2.0 ? 1 : 0;
  }
  const double sigma = 1.0 / std::sqrt(static_cast<double>(draws));
  CHECK(std::fabs(moment[1]) < 4.0 * sigma);
  CHECK(std::fabs(moment[2] - 1.0) < 4.0 * std::sqrt(2.0) * sigma);
  CHECK(std::fabs(moment[3]) < 4.0 * std::sqrt(15.0) * sigma);
  CHECK(std::fabs(moment[4] - 3.0) < 4.0 * std::sqrt(96.0) * sigma);
  CHECK(std::fabs(cross) < 4.0 * sigma);
  CHECK(std::fabs(beyond_two / static_cast<double>(draws) - 0.0455003) < 4.0 * std::sqrt(0.0434) * sigma);
}

TEST_CASE("the two signs of Rademacher draws are equally frequent") {
  const CounterRandom random(13);
  int sum = 0;
  for (std::uint64_t i = 0; i < 100000; ++i) {
    const int sign = random.rademacher(i);
    REQUIRE(std::abs(sign) == 1);
    sum += sign;
  }
  CHECK(std::abs(sum) < 4 * 317);
}

TEST_CASE("below(n) covers 0 .. n-1 evenly") {
  const CounterRandom random(14);
  std::vector<int> bin(7, 0);
  for (std::uint64_t i = 0; i < 70000; ++i) {
    const Index k = random.below(7, i);
    REQUIRE(k >= 0);
    REQUIRE(k < 7);
    ++bin[static_cast<std::size_t>(k)];
  }
  for (const int count : bin) {
    CHECK(std::abs(count - 10000) < 4 * 93);
  }
  CHECK(random.below(1, 0) == 0);
  CHECK_THROWS_AS(random.below(0, 0), kappa::ContractError);
}

TEST_CASE("a sequence resumes from its saved state to the same bits") {
  kappa::RandomSequence sequence(21, 4);
  sequence.normal();
  sequence.below(10);
  const kappa::RandomSequence::State state = sequence.save();
  const std::vector<double> expected = {sequence.uniform(), sequence.normal(),
                                        static_cast<double>(sequence.rademacher())};
  kappa::RandomSequence resumed(99);
  resumed.load(state);
  CHECK(resumed.save() == state);
  CHECK(resumed.uniform() == expected[0]);
  CHECK(resumed.normal() == expected[1]);
  CHECK(resumed.rademacher() == static_cast<int>(expected[2]));
  CHECK(CounterRandom(21, 4).uniform(2) == expected[0]);
}

TEST_CASE("a permutation takes every value once, whatever its size") {
  const CounterRandom random(31);
  for (const Index n : {0, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 33, 100, 1000, 1024, 1025, 65537}) {
    const Permutation permutation(random, 40, n);
    CHECK(permutation.size() == n);
    std::vector<Index> value(static_cast<std::size_t>(n));
    for (Index i = 0; i < n; ++i) {
      value[static_cast<std::size_t>(i)] = permutation(i);
    }
    std::sort(value.begin(), value.end());
    std::vector<Index> all(static_cast<std::size_t>(n));
    std::iota(all.begin(), all.end(), Index{0});
    CHECK(value == all);
  }
  CHECK_THROWS_AS(Permutation(random, 0, 5)(5), kappa::ContractError);
  CHECK_THROWS_AS(Permutation(random, 0, 5)(-1), kappa::ContractError);
}

TEST_CASE("a permutation of the largest sizes stays inside its range") {
  const Index n = (Index{1} << 62) + 12345;
  const Permutation permutation(CounterRandom(5), 0, n);
  std::set<Index> seen;
  for (Index i = 0; i < 1000; ++i) {
    const Index value = permutation(n - 1 - i);
    REQUIRE(value >= 0);
    REQUIRE(value < n);
    seen.insert(value);
  }
  CHECK(seen.size() == 1000);
}

TEST_CASE("all orders of five things are equally likely") {
  const CounterRandom random(32);
  std::map<std::vector<Index>, int> count;
  const int draws = 60000;
  for (int epoch = 0; epoch < draws; ++epoch) {
    std::vector<Index> order(5);
    kappa::sample_without_replacement(random, Permutation::counters * static_cast<std::uint64_t>(epoch), 5,
                                      order);
    ++count[order];
  }
  CHECK(count.size() == 120);
  double chi_squared = 0.0;
  for (const auto& [order, times] : count) {
    chi_squared += (times - draws / 120.0) * (times - draws / 120.0) / (draws / 120.0);
  }
  // 119 degrees of freedom: 99.98 % of samples lie between these bounds.
  CHECK(chi_squared > 69.0);
  CHECK(chi_squared < 185.0);
}

TEST_CASE("neighbouring positions of a permutation are not correlated") {
  const Index n = 5000;
  double correlation = 0.0;
  const Permutation permutation(CounterRandom(33), 0, n);
  const double mean = 0.5 * static_cast<double>(n - 1);
  const double variance = static_cast<double>(n * n - 1) / 12.0;
  for (Index i = 0; i + 1 < n; ++i) {
    correlation += (static_cast<double>(permutation(i)) - mean) *
                   (static_cast<double>(permutation(i + 1)) - mean) / (variance * static_cast<double>(n));
  }
  CHECK(std::fabs(correlation) < 4.0 / std::sqrt(static_cast<double>(n)));
}

TEST_CASE("a sample without replacement is distinct, in range and each number equally often in it") {
  const CounterRandom random(34);
  std::vector<int> count(50, 0);
  for (std::uint64_t draw = 0; draw < 20000; ++draw) {
    std::vector<Index> sample(10);
    kappa::sample_without_replacement(random, Permutation::counters * draw, 50, sample);
    REQUIRE(std::set<Index>(sample.begin(), sample.end()).size() == 10);
    for (const Index i : sample) {
      REQUIRE(i >= 0);
      REQUIRE(i < 50);
      ++count[static_cast<std::size_t>(i)];
    }
  }
  for (const int times : count) {
    // Binomial: 20000 draws with probability 1/5.
    CHECK(std::abs(times - 4000) < 4.5 * std::sqrt(20000 * 0.2 * 0.8));
  }
  std::vector<Index> too_many(6);
  CHECK_THROWS_AS(kappa::sample_without_replacement(random, 0, 5, too_many), kappa::ContractError);
}
