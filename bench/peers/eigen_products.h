// Eigen's matrix products of a network's gradient, to be compiled with several sets of flags: the includer
// names a function, and its build gives Eigen a namespace of its own so that the linker mixes no two of them.
#include <tbb/parallel_for.h>

#include <Eigen/Core>
#include <array>
#include <memory>
#include <string>
#include <vector>

#include "bench/network.h"

namespace kappa::bench {
namespace {

constexpr std::array<Index, 4> sizes = {784, 256, 128, 10};

template <class T>
struct Products {
  using Matrix = Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic>;
  Matrix W[3], G[3], A[4], D[4];

  explicit Products(Index samples) {
    for (std::size_t l = 0; l < 4; ++l) {
      A[l] = Matrix::Random(sizes[l], samples);
      D[l] = Matrix::Random(sizes[l], samples);
      if (l < 3) {
        W[l] = Matrix::Random(sizes[l + 1], sizes[l]);
        G[l] = Matrix::Zero(sizes[l + 1], sizes[l]);
      }
    }
  }
  void run() {
    for (std::size_t l = 0; l < 3; ++l) {
      A[l + 1].noalias() = W[l] * A[l];
    }
    for (std::size_t l = 2; l > 0; --l) {
      D[l].noalias() = W[l].transpose() * D[l + 1];
    }
    for (std::size_t l = 0; l < 3; ++l) {
      G[l].noalias() = D[l + 1] * A[l].transpose();
    }
  }
};

template <class T>
std::function<void()> products(Index samples, int threads) {
  auto parts = std::make_shared<std::vector<Products<T>>>();
  for (int k = 0; k < threads; ++k) {
    parts->emplace_back(samples / threads);
  }
  return [parts] {
    tbb::parallel_for(std::size_t{0}, parts->size(), [&](std::size_t k) { (*parts)[k].run(); });
  };
}

}  // namespace

NetworkWork KAPPA_EIGEN_PRODUCTS(Index samples, int threads, bool single) {
  return {KAPPA_EIGEN_PRODUCTS_NAME,
          single ? products<float>(samples, threads) : products<double>(samples, threads)};
}

}  // namespace kappa::bench
