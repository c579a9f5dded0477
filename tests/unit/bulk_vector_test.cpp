// BulkVector at the sizes where its memory comes in large pages and is kept when freed.
#include "kappa/bulk_vector.h"

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <vector>

#include "support/catch.h"

using kappa::BulkVector;

namespace {

constexpr std::size_t entries = (std::size_t{6} << 20U) / sizeof(double);  // 6 MB

std::uintptr_t address(const BulkVector<double>& v) {
  return reinterpret_cast<std::uintptr_t>(v.data());
}

}  // namespace

TEST_CASE("bulk vectors keep what they hold when they grow, and begin at a large page", "[bulk]") {
  BulkVector<double> v(100);
  std::iota(v.begin(), v.end(), 1.0);
  v.resize(entries);
  CHECK(std::accumulate(v.begin(), v.begin() + 100, 0.0) == 5050);
  CHECK(address(v) % (std::uintptr_t{1} << 21U) == 0);
  v.assign(entries, 2.0);
  CHECK(std::accumulate(v.begin(), v.end(), 0.0) == 2.0 * static_cast<double>(entries));
}

TEST_CASE("no two living bulk vectors share memory, whatever was freed between", "[bulk]") {
  for (int round = 0; round < 3; ++round) {
    std::vector<BulkVector<double>> living;
    for (int k = 0; k < 20; ++k) {
      living.emplace_back(entries / (k % 2 == 0 ? 1 : 2) + 512, static_cast<double>(k));
      if (k % 3 == 2) {
        living.erase(living.begin() + k / 3);
      }
    }
    for (const BulkVector<double>& v : living) {
      CHECK(std::all_of(v.begin(), v.end(), [&](double e) { return e == v.front(); }));
      for (const BulkVector<double>& w : living) {
        CHECK((&v == &w || v.front() != w.front()));
      }
    }
  }
}
